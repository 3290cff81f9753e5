"""Files: what another implementation reads of them, and what is left in the media store after every fault."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nio.crypto.attachments import decrypt_attachment

from schema.errors import HomeserverRefused, Malformed, NotPrivate, Unreachable
from schema.ids import MatrixId, OutboxId, RoomId
from service.matrix import attachments
from tests.matrix.desk import Desk
from tests.matrix.homeserver import Homeserver
from tests.matrix.peer import Peer

ALICE = MatrixId("@alice:home.test")
BODY = json.dumps({"held": "Wörter"}, ensure_ascii=False)


@given(st.binary(max_size=200))
def test_another_implementation_reads_it(plaintext: bytes) -> None:
    """The spec's form, read back by nio's own function; each time under another key and counter."""
    ciphertext, described = attachments.encrypt(plaintext)
    hashed, counter = described["hashes"]["sha256"], described["iv"]
    assert decrypt_attachment(ciphertext, described["key"]["k"], hashed, counter) == plaintext
    assert len(ciphertext) == len(plaintext)
    _, again = attachments.encrypt(plaintext)
    assert (again["iv"], again["key"]["k"]) != (counter, described["key"]["k"])


@pytest.mark.parametrize("address", [None, "", "https://home.test/x", "mxc://home.test", "mxc://a/b/c", 7])
def test_a_homeserver_cannot_put_in_what_is_no_address(address: object) -> None:
    """What it answers stands in a message of ours."""
    with pytest.raises(Malformed):
        attachments.content("name", {}, address, 1)


async def _send(desk: Desk, room: RoomId, *, again: bool = False) -> str:
    return await desk.client.send_file(room, "a.json", BODY, OutboxId("file"), member=ALICE, again=again)


async def _lost(path: str, body: Any) -> None:
    raise Unreachable("lost")


async def _too_large(path: str, body: Any) -> None:
    raise HomeserverRefused(413, "M_TOO_LARGE", "upload")


async def _chat(desk: Desk, server: Homeserver) -> tuple[Peer, RoomId]:
    alice = Peer(server, ALICE)
    alice.cross_sign()
    return alice, await desk.chat_with(alice)


def _read(server: Homeserver, alice: Peer, room: RoomId) -> str:
    (payload,) = alice.read(room)
    content = payload["content"]
    assert (content["msgtype"], content["body"]) == ("m.file", "a.json")
    file = content["file"]
    stored = server.media[file["url"]]
    assert b"held" not in stored
    plaintext: bytes = decrypt_attachment(stored, file["key"]["k"], file["hashes"]["sha256"], file["iv"])
    return plaintext.decode()


async def test_a_file_is_read_by_the_member_alone(desk: Desk, server: Homeserver) -> None:
    """The key stands in the encrypted message; the media store has the ciphertext."""
    alice, room = await _chat(desk, server)
    await _send(desk, room)
    assert _read(server, alice, room) == BODY


async def test_a_send_that_is_tried_again_uploads_nothing_more(desk: Desk, server: Homeserver) -> None:
    """The upload was done; the message is lost once, and a restart finds it sent."""
    alice, room = await _chat(desk, server)
    server.fail("send", _lost)
    with pytest.raises(Unreachable):
        await _send(desk, room)
    sent = await _send(desk, room, again=True)
    assert len(server.media) == 1
    assert _read(server, alice, room) == BODY
    await desk.restart()
    assert await _send(desk, room, again=True) == sent
    assert len(server.media) == 1


async def test_an_upload_that_is_refused_is_over(desk: Desk, server: Homeserver) -> None:
    """Too large, or not allowed: for good, and nothing is said in the room."""
    alice, room = await _chat(desk, server)
    server.fail("upload", _too_large)
    with pytest.raises(HomeserverRefused):
        await _send(desk, room)
    assert not alice.read(room)


async def test_nothing_is_uploaded_for_a_room_that_is_not_private(desk: Desk, server: Homeserver) -> None:
    """A message that cannot go leaves no ciphertext behind."""
    _, room = await _chat(desk, server)
    server.member(room, "@bob:home.test", "join")
    await desk.sync.step()
    with pytest.raises(NotPrivate):
        await _send(desk, room)
    assert not server.media
