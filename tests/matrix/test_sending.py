"""What leaves the desk: encrypted, to the one member, to the devices that count, or not at all."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest

from schema.errors import HomeserverRefused, NotPrivate, Unreachable, WorldError
from schema.ids import MatrixId, OutboxId, RoomId
from service.core.sizes import LARGEST_BODY, weight
from service.matrix.client import Client
from service.matrix.messages import ALONGSIDE_ID
from tests.matrix.desk import DESK, DEVICE, Desk
from tests.matrix.homeserver import Homeserver
from tests.matrix.peer import Peer

ALICE = "@alice:home.test"
BOB = "@bob:home.test"


async def _chat(desk: Desk, server: Homeserver) -> tuple[Peer, RoomId]:
    alice = Peer(server, ALICE)
    alice.cross_sign()
    return alice, await desk.chat_with(alice)


def _answer_lost(server: Homeserver) -> Any:
    async def fault(path: str, body: Any) -> None:
        parts = [unquote(part) for part in path.split("/")[4:]]
        server.transport(DESK, DEVICE)._answer("", parts, {}, body)
        raise Unreachable("the answer was lost")

    return fault


def _sent(server: Homeserver, room: RoomId) -> list[dict[str, Any]]:
    return [
        event
        for _, event in server.rooms[room].timeline
        if event["sender"] == DESK and "state_key" not in event
    ]


@pytest.mark.parametrize("membership", ["join", "invite"])
async def test_nothing_goes_where_somebody_else_is(desk: Desk, server: Homeserver, membership: str) -> None:
    """A third person, joined or only invited, makes the room no longer private, at once."""
    _, room = await _chat(desk, server)
    await desk.say(room, "one", "1")
    server.member(room, BOB, membership, ALICE)
    await desk.sync.step()
    assert not desk.client.private(room, MatrixId(ALICE))
    with pytest.raises(NotPrivate):
        await desk.say(room, "two", "2")
    server.member(room, BOB, "leave")
    await desk.sync.step()
    assert desk.client.private(room, MatrixId(ALICE))
    await desk.say(room, "three", "3")
    assert len(_sent(server, room)) == 2


async def test_an_invited_member_gets_no_key(desk: Desk, server: Homeserver) -> None:
    """Joined means joined: a room whose member has not come yet takes no message."""
    alice = Peer(server, ALICE)
    room = await desk.client.create_direct_chat(alice.user)
    await desk.sync.step()
    assert not desk.client.private(room, alice.user)
    with pytest.raises(NotPrivate):
        await desk.say(room, "hello")
    assert server.to_device.get((ALICE, "PEER"), []) == []
    server.member(room, ALICE, "join")
    await desk.sync.step()
    saying = asyncio.create_task(desk.say(room, "hello"))
    await desk.clock.advance(timedelta(seconds=2))
    await saying
    assert len(alice.read(room)) == 1


async def test_who_comes_into_a_chat_of_ours_has_time_to_look_our_device_up(
    desk: Desk, server: Homeserver
) -> None:
    """The first words wait a moment, as in a chat that we came into; the next ones do not."""
    alice = Peer(server, ALICE)
    room = await desk.client.create_direct_chat(alice.user)
    await desk.sync.step()
    await desk.clock.advance(timedelta(hours=1))
    server.member(room, ALICE, "join")
    await desk.sync.step()
    came = desk.clock.now()
    saying = asyncio.create_task(desk.say(room, "hello"))
    await desk.clock.advance(timedelta(seconds=1))
    assert alice.read(room) == []
    assert desk.clock.next_wake() == came + timedelta(seconds=1.5)
    await desk.clock.advance(timedelta(seconds=1))
    await saying
    await desk.say(room, "again", "two")
    assert len(alice.read(room)) == 2


async def test_a_direct_chat_is_made_once(desk: Desk, server: Homeserver) -> None:
    """Asked for again, after the answer was lost, the chat that there is is given; it is no trusted one."""
    alice = Peer(server, ALICE)
    room = await desk.client.create_direct_chat(alice.user)
    await desk.sync.step()
    assert await desk.client.create_direct_chat(alice.user) == room
    (body,) = server.called("create chat")
    assert (body["preset"], body["is_direct"]) == ("private_chat", True)
    assert server.rooms[room].state()["m.room.member", ALICE]["content"] == {
        "membership": "invite",
        "is_direct": True,
    }
    assert ALICE not in str(body)


@pytest.mark.parametrize("restart", [False, True])
async def test_a_direct_chat_whose_answer_was_lost_is_found(
    desk: Desk, server: Homeserver, restart: bool
) -> None:
    """A room made before a timeout or a crash is used, though no sync has shown it; another's is not."""
    alice, bob = Peer(server, ALICE), Peer(server, BOB)
    await desk.client.create_direct_chat(bob.user)
    for call in ("create chat", "invite to chat"):
        server.fail(call, _answer_lost(server))
        with pytest.raises(Unreachable):
            await desk.client.create_direct_chat(alice.user)
        if restart:
            await desk.restart()
    room = await desk.client.create_direct_chat(alice.user)
    assert await desk.client.create_direct_chat(alice.user) == room
    assert len(server.rooms) == 2
    assert server.rooms[room].members("invite") == [ALICE]
    server.member(room, ALICE, "join")
    assert await desk.client.create_direct_chat(alice.user) == room


async def test_failing_invitations_leave_no_empty_rooms(desk: Desk, server: Homeserver) -> None:
    """Five tries whose invitation fails make one room; one whose invitation is refused is left."""
    alice = Peer(server, ALICE)

    async def fail(path: str, body: Any) -> None:
        raise Unreachable("502")

    async def refuse(path: str, body: Any) -> None:
        raise HomeserverRefused(403, "M_INVITE_BLOCKED", "invite to chat")

    server.fail("invite to chat", fail, times=5)
    for _ in range(5):
        with pytest.raises(Unreachable):
            await desk.client.create_direct_chat(alice.user)
    assert len(server.rooms) == 1
    server.fail("invite to chat", refuse)
    with pytest.raises(HomeserverRefused):
        await desk.client.create_direct_chat(alice.user)
    assert [room.members("join") for room in server.rooms.values()] == [[]]


async def test_never_plain(desk: Desk, server: Homeserver) -> None:
    """An unencrypted room takes only the fixed answer, and one that was ever encrypted not even that."""
    alice = Peer(server, ALICE)
    plain = server.create_room("!plain", encrypted=False)
    for member in (ALICE, DESK):
        server.member(plain, member, "join")
    await desk.sync.step()
    with pytest.raises(NotPrivate):
        await desk.say(plain, "secret")
    await desk.client.send_plain_answer(plain, "Encrypted rooms only.", OutboxId("1"))
    (answer,) = _sent(server, plain)
    assert (answer["type"], answer["content"]["msgtype"]) == ("m.room.message", "m.notice")
    # Switched on, and not seen by a sync yet: the homeserver is asked.
    server.encrypt(plain)
    with pytest.raises(NotPrivate):
        await desk.client.send_plain_answer(plain, "Encrypted rooms only.", OutboxId("2"))
    room = await desk.chat_with(alice)
    server.state(room, ALICE, "m.room.encryption", "", {})
    await desk.sync.step()
    await desk.restart()
    with pytest.raises(NotPrivate):
        await desk.say(room, "secret")
    with pytest.raises(NotPrivate):
        await desk.client.send_plain_answer(room, "Encrypted rooms only.", OutboxId("3"))
    with pytest.raises(NotPrivate):
        await desk.say(RoomId("!unknown"), "secret")


async def test_the_same_device_id_is_another_device(desk: Desk, server: Homeserver) -> None:
    """Two members whose devices bear the same name each get their keys."""
    alice, bob = Peer(server, ALICE, "PHONE"), Peer(server, BOB, "PHONE")
    first, second = await desk.chat_with(alice, "!a"), await desk.chat_with(bob, "!b")
    await desk.say(first, "for alice", "1")
    await desk.say(second, "for bob", "2")
    assert [each["content"]["body"] for each in alice.read(first)] == ["for alice"]
    assert [each["content"]["body"] for each in bob.read(second)] == ["for bob"]
    assert bob.read(first) == []


async def test_a_member_with_our_device_id_is_answered(desk: Desk, server: Homeserver) -> None:
    """A member's device may bear the name of the desk's own."""
    alice = Peer(server, ALICE, desk.client.device_id)
    room = await desk.chat_with(alice)
    await desk.say(room, "hello")
    assert len(alice.read(room)) == 1


async def test_a_poisoned_device_costs_the_others_nothing(desk: Desk, server: Homeserver) -> None:
    """A device without one-time keys, or with one that it did not sign, leaves the good one its key."""
    alice = Peer(server, ALICE)
    signing = alice.cross_sign()
    empty, forged = Peer(server, ALICE, "EMPTY"), Peer(server, ALICE, "FORGED")
    for each in (empty, forged):
        each.cross_sign(signing)
    server.one_time_keys[ALICE, "EMPTY"].clear()
    for key in server.one_time_keys[ALICE, "FORGED"].values():
        key["key"] = alice.curve25519
    room = await desk.chat_with(alice)
    await desk.say(room, "hello", "1")
    await desk.say(room, "again", "2")
    assert len(alice.read(room)) == 2
    assert len(server.called("keys claim")) == 1
    assert not server.to_device.get((ALICE, "FORGED"))
    # Later they are tried again.
    empty.add_one_time_keys(1)
    await desk.clock.advance(timedelta(minutes=6))
    await desk.say(room, "third", "3")
    assert [each["content"]["body"] for each in empty.read(room)] == ["third"]


@pytest.mark.parametrize(
    "claimed",
    [
        {},
        {"signed_curve25519:AAAA": None},
        {"signed_curve25519:AAAA": {"key": 5, "signatures": []}},
        {"signed_curve25519:AAAA": {"key": "short", "signatures": {ALICE: {"ed25519:PEER": "x"}}}},
        {"curve25519:AAAA": "bare"},
        "text",
    ],
)
async def test_an_unreachable_member_is_said_so(desk: Desk, server: Homeserver, claimed: Any) -> None:
    """Where no device can be reached the send fails and is tried again; nothing is sent into the void."""
    alice, room = await _chat(desk, server)

    async def answer(path: str, body: Any) -> dict[str, Any]:
        return {"one_time_keys": {ALICE: {"PEER": claimed}}}

    server.fail("keys claim", answer)
    with pytest.raises(WorldError):
        await desk.say(room, "hello")
    assert _sent(server, room) == []
    await desk.say(room, "hello")
    assert len(alice.read(room)) == 1


async def test_nobody_without_devices_is_written_to(desk: Desk, server: Homeserver) -> None:
    """A member who has no device with keys is no reason to send unread words."""
    alice = Peer(server, ALICE, publish=False)
    room = await desk.chat_with(alice)
    with pytest.raises(WorldError):
        await desk.say(room, "hello")
    assert _sent(server, room) == []


async def test_a_stuck_send_holds_up_no_other_room(desk: Desk, server: Homeserver) -> None:
    """While one member's server does not answer a claim, another member is answered; the stuck one ends."""
    alice, bob = Peer(server, ALICE), Peer(server, BOB)
    first, second = await desk.chat_with(alice, "!a"), await desk.chat_with(bob, "!b")
    hanging = asyncio.Event()

    async def hang(path: str, body: Any) -> None:
        hanging.set()
        await asyncio.Event().wait()

    server.fail("keys claim", hang)
    stuck = asyncio.create_task(desk.say(first, "stuck", "1"))
    await hanging.wait()
    await desk.say(second, "not stuck", "2")
    assert len(bob.read(second)) == 1
    stuck.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stuck
    await desk.say(first, "after", "3")
    assert len(alice.read(first)) == 1


@pytest.mark.parametrize("call", ["keys query", "keys claim", "send to device"])
async def test_who_comes_while_a_send_waits_reads_nothing(desk: Desk, server: Homeserver, call: str) -> None:
    """The room is looked at once more when everything that was awaited is there."""
    _, room = await _chat(desk, server)
    desk.client.directory.expect_news(MatrixId(ALICE))

    async def somebody_joins(path: str, body: Any) -> None:
        server.member(room, BOB, "join")
        await desk.sync.step()

    server.fail(call, somebody_joins)
    with pytest.raises((NotPrivate, WorldError)):
        await desk.say(room, "secret")
    with pytest.raises(NotPrivate):
        await desk.say(room, "secret")
    assert _sent(server, room) == []


async def test_a_send_has_a_deadline(desk: Desk, server: Homeserver) -> None:
    """A send that the homeserver never answers ends by itself, frees its room, and is tried again."""
    alice, room = await _chat(desk, server)
    impatient = Client(desk.client.transport, desk.store, DESK, desk.client.device_id, desk.clock, 0.2)
    await impatient.load()

    async def hang(path: str, body: Any) -> None:
        await asyncio.Event().wait()

    server.fail("keys claim", hang)
    server.fail("send", hang)
    for _ in range(2):
        async with asyncio.timeout(60):
            with pytest.raises(Unreachable):
                await impatient.send_text(room, "hello", False, OutboxId("1"))
    await impatient.send_text(room, "hello", False, OutboxId("1"))
    assert len(alice.read(room)) == 1


async def test_a_failed_share_is_no_send(desk: Desk, server: Homeserver) -> None:
    """When the to-device request fails the message stays back, and the next try shares again."""
    alice, room = await _chat(desk, server)

    async def fail(path: str, body: Any) -> None:
        raise Unreachable("send to device")

    server.fail("send to device", fail)
    with pytest.raises(Unreachable):
        await desk.say(room, "hello")
    assert _sent(server, room) == []
    await desk.say(room, "hello")
    assert len(alice.read(room)) == 1


async def test_sessions_are_saved_before_their_message_goes_out(desk: Desk, server: Homeserver) -> None:
    """At the moment of the to-device request the database has the Olm session that encrypted it."""
    _, room = await _chat(desk, server)
    kinds: list[str] = []

    async def look(path: str, body: Any) -> None:
        async with desk.store.transaction("test") as transaction:
            kinds.extend(kind for kind, _, _ in await transaction.read_crypto())
        assert desk.client.machine.rows.waiting == 0

    server.fail("send to device", look)
    await desk.say(room, "hello")
    assert "olm" in kinds


async def test_steady_sends_leave_the_database_alone(desk: Desk, server: Homeserver) -> None:
    """A second message is one request, without a transaction."""
    _, room = await _chat(desk, server)
    await desk.say(room, "one", "1")
    server.calls.clear()
    await desk.store.close()
    await desk.say(room, "two", "2")
    assert [call for call, _, _ in server.calls] == ["send"]


async def test_a_repeated_send_is_one_message(desk: Desk, server: Homeserver) -> None:
    """The outbox row's id is the transaction id, and stands beside the ciphertext."""
    _, room = await _chat(desk, server)
    first = await desk.say(room, "hello", "row")
    assert await desk.say(room, "hello", "row") == first
    (event,) = _sent(server, room)
    assert event["content"][ALONGSIDE_ID] == "row"
    # The homeserver forgot its transaction ids, and the answer had been lost.
    server.transactions.clear()
    assert await desk.say(room, "hello", "row", again=True) == first
    assert len(_sent(server, room)) == 1


async def test_sessions_are_replaced(desk: Desk, server: Homeserver) -> None:
    """By count, by age, after a restart, and when a device went."""
    alice = Peer(server, ALICE)
    signing = alice.cross_sign()
    phone = Peer(server, ALICE, "PHONE")
    phone.cross_sign(signing)
    room = await desk.chat_with(alice)

    async def session(number: int) -> str:
        await desk.say(room, "hello", f"s{number}")
        return str(_sent(server, room)[-1]["content"]["session_id"])

    first = await session(1)
    assert await session(2) == first
    del server.devices[ALICE]["PHONE"]
    server.news(ALICE)
    await desk.sync.step()
    second = await session(3)
    assert second != first
    await desk.clock.advance(timedelta(days=8))
    third = await session(4)
    assert third != second
    for number in range(5, 5 + 99):
        assert await session(number) == third
    fourth = await session(200)
    assert fourth != third
    await desk.restart()
    assert await session(201) != fourth
    assert len(alice.read(room)) == len(_sent(server, room))
    phone.receive()
    assert {key for _, key in phone.inbound} == {first}


async def test_a_new_device_gets_the_key_from_where_we_are(desk: Desk, server: Homeserver) -> None:
    """A device added later reads what is said from then on, in the same session, and nothing earlier."""
    alice = Peer(server, ALICE)
    signing = alice.cross_sign()
    room = await desk.chat_with(alice)
    await desk.say(room, "before", "1")
    phone = Peer(server, ALICE, "PHONE")
    phone.cross_sign(signing)
    await desk.sync.step()
    await desk.say(room, "after", "2")
    assert [each["content"]["body"] for each in phone.read(room)] == ["after"]
    assert [each["content"]["body"] for each in alice.read(room)] == ["before", "after"]


async def test_another_member_gets_another_session(desk: Desk, server: Homeserver) -> None:
    """When the member leaves and somebody else comes, nothing of the old session reaches the new one."""
    alice, room = await _chat(desk, server)
    bob = Peer(server, BOB)
    await desk.say(room, "for alice", "1")
    server.member(room, ALICE, "leave")
    server.member(room, BOB, "join")
    await desk.sync.step()
    with pytest.raises(NotPrivate):
        await desk.say(room, "for alice again", "2", member=alice.user)
    await desk.say(room, "for bob", "3", member=bob.user)
    assert [each["content"]["body"] for each in bob.read(room)] == ["for bob"]
    assert [each["content"]["body"] for each in alice.read(room)] == ["for alice"]


async def test_leaving_a_room_that_is_gone_is_done(desk: Desk, server: Homeserver) -> None:
    """Leaving twice is no error; a refusal that says something else is."""

    def refuse(status: int, code: str) -> Any:
        async def fault(path: str, body: Any) -> None:
            raise HomeserverRefused(status, code, "leave")

        return fault

    server.fail("leave", refuse(404, "M_NOT_FOUND"))
    server.fail("forget", refuse(400, "M_UNKNOWN"))
    await desk.client.leave(RoomId("!gone"))
    server.fail("leave", refuse(401, "M_UNAUTHORIZED"))
    with pytest.raises(HomeserverRefused):
        await desk.client.leave(RoomId("!gone"))


async def test_the_largest_message_stays_under_16_kib(desk: Desk, server: Homeserver) -> None:
    """What handlers may say goes out in an event well under the bound, whatever it is written in."""
    _, room = await _chat(desk, server)
    for number, char in enumerate(("a", "ß", "語", "🌱", '"', "\n")):
        body = char * (LARGEST_BODY // weight(char))
        assert weight(body) == len(json.dumps(body, ensure_ascii=False).encode()) - 2
        await desk.say(room, body, f"large {number}")
    sizes = [len(json.dumps(event).encode()) for event in _sent(server, room)]
    assert len(sizes) == 6
    assert max(sizes) < 16 * 1024


async def test_a_larger_message_is_refused_for_good(desk: Desk, server: Homeserver) -> None:
    """Nothing of it leaves, and it is not tried again; the next message goes out."""
    _, room = await _chat(desk, server)
    with pytest.raises(HomeserverRefused) as refused:
        await desk.say(room, "a" * (LARGEST_BODY + 600), "1")
    assert (refused.value.status, refused.value.code) == (413, "M_TOO_LARGE")
    assert not _sent(server, room)
    await desk.say(room, "one", "2")
    assert len(_sent(server, room)) == 1
