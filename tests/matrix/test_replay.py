"""An index of a session is one event, for ever; and what was handled can't be read from the database."""

import json
from datetime import timedelta

import vodozemac

from schema.events import Message, Unreadable
from schema.ids import RoomId
from service.matrix.room_keys import RoomKey
from tests.matrix.desk import DESK, DEVICE, Desk
from tests.matrix.homeserver import Homeserver
from tests.matrix.peer import Peer

ALICE = "@alice:home.test"


async def _chat(desk: Desk, server: Homeserver) -> tuple[Peer, RoomId]:
    alice = Peer(server, ALICE)
    alice.cross_sign()
    room = await desk.chat_with(alice)
    alice.share(room, DESK, DEVICE)
    return alice, room


async def _keys(desk: Desk) -> list[RoomKey]:
    async with desk.store.transaction("test") as transaction:
        rows = await transaction.read_crypto()
    return [RoomKey.from_row(row) for kind, _, row in rows if kind == "megolm"]


async def test_a_replayed_event_is_not_read_again(desk: Desk, server: Homeserver) -> None:
    """The same ciphertext under another event id is no second message, in one batch or after a restart."""
    alice, room = await _chat(desk, server)
    said = alice.say(room, "yes")
    server.send(room, ALICE, "m.room.encrypted", said["content"])
    await desk.sync.step()
    server.send(room, ALICE, "m.room.encrypted", said["content"])
    await desk.sync.step()
    await desk.restart()
    server.send(room, ALICE, "m.room.encrypted", said["content"])
    alice.say(room, "and this is new")
    await desk.sync.step()
    assert await desk.heard() == ["yes", "and this is new"]


async def test_a_replay_while_a_gap_is_open_is_refused(desk: Desk, server: Homeserver) -> None:
    """A session held by a missing message still knows which indexes were handled, across a restart."""
    alice, room = await _chat(desk, server)
    late = alice.encrypt(room, "m.room.message", {"msgtype": "m.text", "body": "late"})
    said = alice.say(room, "early")
    await desk.sync.step()
    await desk.restart()
    server.send(room, ALICE, "m.room.encrypted", said["content"])
    await desk.sync.step()
    assert await desk.heard() == ["early"]
    server.send(room, ALICE, "m.room.encrypted", late)
    await desk.sync.step()
    assert await desk.heard() == ["early", "late"]
    (key,) = await _keys(desk)
    assert (key.index, key.handled, key.gap_since) == (2, None, None)


async def test_the_same_event_twice_is_one_message(desk: Desk, server: Homeserver) -> None:
    """An event that comes again under its own id is neither read twice nor called unreadable."""
    alice, room = await _chat(desk, server)
    said = alice.say(room, "once")
    await desk.sync.step()
    server.rooms[room].timeline.append((server.position + 1, said))
    server.position += 1
    await desk.sync.step()
    await desk.clock.advance(timedelta(minutes=5))
    await desk.sync.step()
    events = [each for each in await desk.inbox() if isinstance(each, Message | Unreadable)]
    assert [type(each) for each in events] == [Message]


async def test_handled_messages_cannot_be_read_from_the_database(desk: Desk, server: Homeserver) -> None:
    """The kept session begins after the last handled message; our own sessions are not kept at all."""
    alice, room = await _chat(desk, server)
    said = alice.say(room, "yesterday")
    await desk.sync.step()
    await desk.say(room, "the answer")
    (key,) = await _keys(desk)
    assert key.owner == ALICE
    kept = vodozemac.InboundGroupSession.import_session(vodozemac.ExportedSessionKey(key.exported))
    assert kept.first_known_index == 1
    message = vodozemac.MegolmMessage.from_base64(said["content"]["ciphertext"])
    try:
        kept.decrypt(message)
    except vodozemac.MegolmDecryptionException:
        pass
    else:
        raise AssertionError("the kept session reads what was handled")
    answers = [event for _, event in server.rooms[room].timeline if event["sender"] == DESK]
    session = answers[-1]["content"]["session_id"]
    async with desk.store.transaction("test") as transaction:
        rows = await transaction.read_crypto()
    assert not any(session.encode() in row for _, _, row in rows)


async def test_a_gap_holds_a_session_for_a_day(desk: Desk, server: Homeserver) -> None:
    """After a day the session moves past what never came, and past what was handled after it."""
    alice, room = await _chat(desk, server)
    alice.encrypt(room, "m.room.message", {"msgtype": "m.text", "body": "never sent"})
    alice.say(room, "one")
    alice.say(room, "two")
    await desk.sync.step()
    (key,) = await _keys(desk)
    assert (key.index, sorted(key.handled or {})) == (0, [1, 2])
    await desk.clock.advance(timedelta(hours=25))
    alice.say(room, "three")
    await desk.sync.step()
    (key,) = await _keys(desk)
    assert (key.index, key.handled) == (4, None)
    assert await desk.heard() == ["one", "two", "three"]


async def test_a_key_that_comes_again_opens_nothing_again(desk: Desk, server: Homeserver) -> None:
    """A second, earlier copy of a room key doesn't let handled indexes be used by other events."""
    alice, room = await _chat(desk, server)
    first = alice.room_key(room)
    said = alice.say(room, "yes")
    await desk.sync.step()
    server.deliver(DESK, DEVICE, alice.olm(DESK, DEVICE, "m.room_key", first))
    server.send(room, ALICE, "m.room.encrypted", said["content"])
    await desk.sync.step()
    assert await desk.heard() == ["yes"]


async def test_rows_are_plain_only_inside_the_seal(desk: Desk, server: Homeserver) -> None:
    """No id, key or word of the encryption state stands readable in the database file."""
    alice, room = await _chat(desk, server)
    alice.say(room, "a word that is looked for")
    await desk.sync.step()
    await desk.say(room, "another word")
    (key,) = await _keys(desk)
    await desk.close()
    found = b"".join(path.read_bytes() for path in desk.database.parent.iterdir() if path.is_file())
    await desk.start()
    for secret in (ALICE, room, DESK, key.exported, key.session_id, alice.curve25519, "a word that is"):
        assert str(secret).encode() not in found
        assert json.dumps(secret).strip('"').encode() not in found
