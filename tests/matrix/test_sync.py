"""The sync loop: one transaction a batch, nothing lost, nothing hot, nobody stopped by another."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schema.effects import LeaveRoom, OpenDirectChat
from schema.errors import HomeserverRefused, SignedOut, Throttled, Unreachable
from schema.events import DirectChat, Invited, Message, NoChat, PlainMessage, Unreadable
from schema.ids import EventId, MatrixId, OutboxId, RoomId
from schema.states import Standing
from service.core.reading import Reading, to_text
from service.delivery import Delivery
from service.matrix.batch import Batch
from service.matrix.sync import FILTER, READ
from service.matrix.verification import Ended, Own, Verification
from service.matrix.waiting import Unread, Waiting
from tests.matrix.desk import DESK, DEVICE, Desk, Steps
from tests.matrix.homeserver import Homeserver
from tests.matrix.peer import Peer

ALICE = "@alice:home.test"
BOB = "@bob:home.test"


async def _chat(
    desk: Desk, server: Homeserver, user: str = ALICE, name: str = "!chat"
) -> tuple[Peer, RoomId]:
    peer = Peer(server, user)
    peer.cross_sign()
    room = await desk.chat_with(peer, name)
    peer.share(room, DESK, DEVICE)
    return peer, room


@contextlib.asynccontextmanager
async def _running(desk: Desk) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(desk.sync.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _fault(error: Exception) -> Any:
    async def fault(path: str, body: Any) -> None:
        raise error

    return fault


# ---- the transaction


async def test_a_failed_commit_loses_nothing(desk: Desk, server: Homeserver) -> None:
    """When the transaction fails after everything was decrypted, the next try decrypts it again."""
    alice, room = await _chat(desk, server)
    alice.say(room, "one")
    real = desk.store.transaction

    @contextlib.asynccontextmanager
    async def failing(name: str) -> AsyncIterator[Any]:
        async with real(name) as transaction:
            yield transaction
            raise Unreachable("the disk is full")

    desk.store.transaction = failing  # type: ignore[method-assign]
    with pytest.raises(Unreachable):
        await desk.sync.step()
    with pytest.raises(Unreachable):
        desk.client.private(room, alice.user)
    desk.store.transaction = real  # type: ignore[method-assign]
    await desk.sync.step()
    assert await desk.heard() == ["one"]
    await desk.say(room, "answer")
    assert len(alice.read(room)) == 1


async def test_whoever_wrote_comes_before_those_who_only_came(desk: Desk, server: Homeserver) -> None:
    """In a first sync of many chats, the one message is handled before everybody is greeted."""
    alice, bob = Peer(server, ALICE), Peer(server, BOB)
    rooms = [server.create_room("!bob"), server.create_room("!alice")]
    for room, peer in zip(rooms, (bob, alice), strict=True):
        peer.cross_sign()
        server.member(room, peer.user, "join")
        server.member(room, DESK, "join")
    alice.share(rooms[1], DESK, DEVICE)
    alice.say(rooms[1], "is somebody there")
    await desk.sync.step()
    assert [type(event) for event in await desk.inbox()] == [Message, DirectChat, DirectChat]


async def test_a_save_that_waited_for_a_failed_commit_loses_nothing(desk: Desk, server: Homeserver) -> None:
    """A send that waits to save while a batch fails must not write what that batch moved on in memory."""
    alice, room = await _chat(desk, server)
    alice.say(room, "one")
    real = desk.store.transaction
    saving: list[asyncio.Task[None]] = []

    @contextlib.asynccontextmanager
    async def failing(name: str) -> AsyncIterator[Any]:
        async with real(name) as transaction:
            yield transaction
            if name == "batch":
                saving.append(asyncio.create_task(desk.client.save()))
                await asyncio.sleep(0)
                raise Unreachable("the disk is full")

    desk.store.transaction = failing  # type: ignore[method-assign]
    with pytest.raises(Unreachable):
        await desk.sync.step()
    with pytest.raises(Unreachable):
        await saving[0]
    desk.store.transaction = real  # type: ignore[method-assign]
    await desk.sync.step()
    assert await desk.heard() == ["one"]


async def test_an_unknown_commit_loses_nothing(desk: Desk, server: Homeserver) -> None:
    """When the commit happened and the answer to it was lost, nothing is read twice or lost."""
    alice, room = await _chat(desk, server)
    alice.say(room, "one")
    real = desk.store.transaction

    @contextlib.asynccontextmanager
    async def forgetful(name: str) -> AsyncIterator[Any]:
        async with real(name) as transaction:
            yield transaction
        if name == "batch":
            raise Unreachable("the connection broke")

    desk.store.transaction = forgetful  # type: ignore[method-assign]
    with pytest.raises(Unreachable):
        await desk.sync.step()
    desk.store.transaction = real  # type: ignore[method-assign]
    alice.say(room, "two")
    await desk.sync.step()
    assert await desk.heard() == ["one", "two"]


async def test_the_token_moves_with_the_batch(desk: Desk, server: Homeserver) -> None:
    """A crash between the answer and the commit asks for the same batch again."""
    alice, room = await _chat(desk, server)
    alice.say(room, "one")
    before = desk.sync._token

    hanging = asyncio.Event()

    async def hang(path: str, body: Any) -> None:
        hanging.set()
        await asyncio.Event().wait()

    server.fail("keys query", hang)
    server.news(ALICE)
    step = asyncio.create_task(desk.sync.step())
    await hanging.wait()
    step.cancel()
    await asyncio.gather(step, return_exceptions=True)
    await desk.restart()
    await desk.sync._restore()
    assert desk.sync._token == before
    await desk.sync.step()
    assert await desk.heard() == ["one"]


async def test_a_batch_of_our_own_words_alone_is_not_worth_a_commit(desk: Desk, server: Homeserver) -> None:
    """Its token goes on in memory; after a crash it is passed over again, and nothing is heard twice."""
    alice, room = await _chat(desk, server)
    alice.say(room, "one")
    await desk.sync.step()
    kept = desk.sync._token
    await desk.say(room, "an answer", "1")
    await desk.sync.step()
    assert desk.sync._token != kept
    assert await desk.kept_token() == kept
    await desk.restart()
    await desk.sync.step()
    alice.say(room, "two")
    await desk.sync.step()
    assert await desk.kept_token() == desk.sync._token
    assert await desk.heard() == ["one", "two"]
    await desk.say(room, "another", "2")
    await desk.clock.advance(timedelta(minutes=2))
    await desk.sync.step()
    assert await desk.kept_token() == desk.sync._token


async def test_it_wakes_after_the_commit(desk: Desk, server: Homeserver) -> None:
    """Whoever handles the inbox is woken once for a batch that brought events, and not for an empty one."""
    alice, room = await _chat(desk, server)
    before = desk.woken
    await desk.sync.step()
    assert desk.woken == before
    alice.say(room, "one")
    await desk.sync.step()
    assert desk.woken == before + 1


# ---- faults of the world


@pytest.mark.parametrize(("minutes", "goes_on"), [(9, True), (11, False)])
async def test_since_when_all_is_read_outlasts_a_short_stop(
    desk: Desk, server: Homeserver, minutes: int, goes_on: bool
) -> None:
    """Nothing counts as read before the first sync of a start, and an outage begins it anew."""

    async def read() -> Reading:
        await desk.sync.step()
        assert desk.sync.reading is not None
        return desk.sync.reading

    first = await read()
    async with desk.store.transaction("stop") as transaction:
        await transaction.write_instance(READ, to_text(first))
    await desk.clock.advance(timedelta(minutes=minutes))
    await desk.restart()
    assert desk.sync.reading is None
    again = await read()
    assert (again.since == first.since) is goes_on
    await desk.clock.advance(timedelta(minutes=minutes))
    server.fail("sync", _fault(Unreachable("sync: ClientError")))
    with pytest.raises(Unreachable):
        await desk.sync.step()
    assert desk.sync.reading == again


async def test_a_sign_out_ends_it(desk: Desk, server: Homeserver) -> None:
    """A 401 is not asked again."""
    server.fail("sync", _fault(SignedOut("out", fix="sign in")))
    async with _running(desk) as task:
        with pytest.raises(SignedOut):
            await task
    assert len(server.called("sync")) == 2


@pytest.mark.parametrize(
    "error", [Unreachable("502"), HomeserverRefused(403, "M_FORBIDDEN", "sync"), RuntimeError("a bug")]
)
async def test_faults_are_not_hot(desk: Desk, server: Homeserver, error: Exception) -> None:
    """Faults in a row are asked again ever more slowly, at most once a minute, and the loop lives on."""
    alice, room = await _chat(desk, server)
    await desk.sync.step()
    asked = []

    async def fault(path: str, body: Any) -> None:
        asked.append(desk.clock.monotonic())
        raise error

    server.fail("sync", fault, times=12)
    alice.say(room, "after the outage")
    woken = desk.woken
    async with _running(desk), asyncio.timeout(60):
        while desk.woken == woken:
            await desk.clock.advance(timedelta(seconds=1))
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert len(asked) == 12
    assert all(pause >= 0.5 for pause in pauses)
    assert min(pauses[-3:]) >= 60
    assert await desk.heard() == ["after the outage"]


async def test_a_throttled_sync_waits_as_told(desk: Desk, server: Homeserver) -> None:
    """A 429 is asked again after the time that it names, and not before."""
    before = len(server.called("sync"))
    server.fail("sync", _fault(Throttled(40.0)))
    server.fail("sync", _hang)
    async with _running(desk):
        await desk.clock.advance(timedelta(seconds=39))
        assert len(server.called("sync")) - before == 1
        await desk.clock.advance(timedelta(seconds=12))
        assert len(server.called("sync")) - before == 2


async def _hang(path: str, body: Any) -> None:
    await asyncio.Event().wait()


async def test_a_homeserver_that_does_not_wait_is_not_asked_hot(desk: Desk, server: Homeserver) -> None:
    """An answer at once, with the same token and nothing in it, is followed by a pause."""

    async def empty(path: str, body: Any) -> dict[str, Any]:
        return {"next_batch": desk.sync._token, "device_one_time_keys_count": {"signed_curve25519": 50}}

    before = len(server.called("sync"))
    server.fail("sync", empty, times=1000)
    async with _running(desk):
        await desk.clock.advance(timedelta(seconds=20))
    assert len(server.called("sync")) - before < 30


async def _until(claim: Any, seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not claim():  # noqa: ASYNC110  Nothing tells when a claim comes true.
            await asyncio.sleep(0.005)


# ---- what can't be read yet


async def test_a_late_key_is_used(desk: Desk, server: Homeserver) -> None:
    """A message whose key comes later is read then, and nobody is asked to send it again."""
    alice, room = await _chat(desk, server)
    server.to_device.clear()
    key = alice.room_key(room)
    alice.say(room, "early")
    await desk.sync.step()
    assert await desk.heard() == []
    await desk.restart()
    server.deliver(DESK, DEVICE, alice.olm(DESK, DEVICE, "m.room_key", key))
    await desk.sync.step()
    await desk.clock.advance(timedelta(minutes=5))
    await desk.sync.step()
    assert await desk.heard() == ["early"]
    assert not any(isinstance(event, Unreadable) for event in await desk.inbox())


async def test_a_key_that_never_comes_is_asked_for_once(desk: Desk, server: Homeserver) -> None:
    """Several unreadable messages of a room bring one event, after a restart as well, and not too early."""
    alice, room = await _chat(desk, server)
    server.to_device.clear()
    last = [alice.say(room, str(number)) for number in range(3)][-1]
    await desk.sync.step()
    await desk.restart()
    await desk.clock.advance(timedelta(seconds=110))
    await desk.sync.step()
    assert not any(isinstance(event, Unreadable) for event in await desk.inbox())
    await desk.clock.advance(timedelta(seconds=20))
    for _ in range(3):
        await desk.sync.step()
    found = [event for event in await desk.inbox() if isinstance(event, Unreadable)]
    assert [event.event_id for event in found] == [last["event_id"]]
    async with desk.store.transaction("test") as transaction:
        assert not await transaction.unread_since(desk.clock.now())


async def test_what_needed_no_answer_is_not_asked_for_again(desk: Desk, server: Homeserver) -> None:
    """A notice and a step of a verification, shown again after they were read, bring no apology."""
    alice, room = await _chat(desk, server)
    notice = alice.encrypt(room, "m.room.message", {"msgtype": "m.notice", "body": "a bot"})
    step = alice.encrypt(room, "m.key.verification.done", {})
    events = [server.send(room, ALICE, "m.room.encrypted", content) for content in (notice, step)]
    await desk.sync.step()
    for event in events:
        server.put(room, event)
    await desk.sync.step()
    await desk.clock.advance(timedelta(minutes=5))
    await desk.sync.step()
    assert [type(event) for event in await desk.inbox()] == [DirectChat]


async def test_a_withheld_key_is_not_waited_for(desk: Desk, server: Homeserver) -> None:
    """When the member's device says that it won't give the key, the member is told at once."""
    alice, room = await _chat(desk, server)
    server.to_device.clear()
    session = alice.say(room, "hello")["content"]["session_id"]
    content = {"session_id": session, "code": "m.unverified", "room_id": room}
    server.deliver(DESK, DEVICE, {"type": "m.room_key.withheld", "sender": ALICE, "content": content})
    await desk.sync.step()
    assert [type(event) for event in await desk.inbox()] == [DirectChat, Unreadable]


async def test_what_was_written_before_us_is_not_asked_for(desk: Desk, server: Homeserver) -> None:
    """Messages older than the desk's device were for nobody here: joining a room brings no apologies."""
    alice = Peer(server, ALICE)
    alice.cross_sign()
    room = server.create_room("!old")
    server.member(room, ALICE, "join")
    old = alice.say(room, "long ago")
    old["origin_server_ts"] = 1_000_000_000_000
    server.member(room, DESK, "join")
    await desk.sync.step()
    await desk.clock.advance(timedelta(minutes=5))
    await desk.sync.step()
    assert [type(event) for event in await desk.inbox()] == [DirectChat]


async def test_a_lost_olm_session_is_replaced(desk: Desk, server: Homeserver) -> None:
    """A device whose messages can't be decrypted gets a new session, once an hour at most."""
    alice, room = await _chat(desk, server)
    await desk.sync.step()
    await desk.say(room, "hello")
    alice.receive()
    desk.client.machine._correspondents.clear()
    alice.outbound.clear()
    for _ in range(3):
        alice.share(room, DESK, DEVICE)
        await desk.sync.step()
        await desk.client.sharing.unwedge()
    assert len(server.called("keys claim")) == 1
    alice.receive()
    alice.share(room, DESK, DEVICE)
    alice.say(room, "healed")
    await desk.sync.step()
    assert await desk.heard() == ["healed"]


# ---- gaps and rooms


async def test_a_gap_is_filled(desk: Desk, server: Homeserver) -> None:
    """More messages than a sync shows all arrive, in their order, without what was handled before."""
    alice, room = await _chat(desk, server)
    alice.say(room, "0")
    await desk.sync.step()
    for number in range(1, 251):
        alice.say(room, str(number))
    await desk.sync.step()
    assert await desk.heard() == [str(number) for number in range(251)]
    assert desk.client.private(room, alice.user)


async def test_a_gap_that_is_too_long_is_said(desk: Desk, server: Homeserver) -> None:
    """Of more than a thousand messages the newest are read, and for the rest one is asked for again."""
    alice, room = await _chat(desk, server)
    alice.say(room, "0")
    await desk.sync.step()
    for number in range(1, 1041):
        alice.say(room, str(number))
    await desk.sync.step()
    async with desk.store.transaction("look") as transaction:
        events = [row.event for row in await transaction.inbox(2000)]
    unread = [event for event in events if isinstance(event, Unreadable)]
    assert [(event.room, event.sender) for event in unread] == [(room, alice.user)]
    assert [event.body for event in events if isinstance(event, Message)] == [
        str(number) for number in (0, *range(21, 1041))
    ]


async def test_a_gap_that_is_refused_is_said(desk: Desk, server: Homeserver) -> None:
    """What the homeserver will not show is asked for again, once, and the rest is read."""
    alice, room = await _chat(desk, server)
    await desk.sync.step()
    for number in range(30):
        alice.say(room, str(number))
    server.fail("read gap", _fault(HomeserverRefused(403, "M_FORBIDDEN", "read gap")))
    for _ in range(3):
        await desk.sync.step()
    unread = [event for event in await desk.inbox() if isinstance(event, Unreadable)]
    assert [(event.room, event.sender) for event in unread] == [(room, alice.user)]
    assert await desk.heard() == [str(number) for number in range(10, 30)]


async def test_a_gap_is_filled_later(desk: Desk, server: Homeserver) -> None:
    """A gap that can't be read now holds up nobody, and is read after a restart."""
    alice, room = await _chat(desk, server)
    bob, other = await _chat(desk, server, BOB, "!other")
    await desk.sync.step()
    for number in range(30):
        alice.say(room, str(number))
    bob.say(other, "from bob")
    server.fail("read gap", _fault(Unreachable("read gap")))
    await desk.sync.step()
    assert "from bob" in await desk.heard()
    await desk.restart()
    await desk.sync.step()
    assert sorted(await desk.heard()) == sorted(["from bob", *(str(number) for number in range(30))])


async def test_a_gap_that_hangs_is_put_off(
    desk: Desk, server: Homeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A room whose history never comes delays one batch and not the next, and goes on where it was."""
    monkeypatch.setattr("service.matrix.sync._GAP_SECONDS", 0.2)
    alice, room = await _chat(desk, server)
    await desk.sync.step()
    for number in range(150):
        alice.say(room, str(number))

    async def answer(path: str, body: Any) -> None:
        return None

    server.fail("read gap", answer)
    server.fail("read gap", _hang, times=2)
    await desk.sync.step()
    tried = len(server.called("read gap"))
    for _ in range(5):
        server.send(room, "@bridge:home.test", "m.room.message", {"msgtype": "m.text", "body": "noise"})
        await desk.sync.step()
    assert len(server.called("read gap")) == tried == 2
    await desk.clock.advance(timedelta(seconds=11))
    await desk.sync.step()
    await desk.clock.advance(timedelta(seconds=11))
    await desk.sync.step()
    assert len(server.called("read gap")) == 3
    await desk.clock.advance(timedelta(seconds=10))
    await desk.sync.step()
    assert len(server.called("read gap")) == 4
    assert sorted(await desk.heard(), key=int) == [str(number) for number in range(150)]


async def test_members_changed_in_a_gap_are_noticed(desk: Desk, server: Homeserver) -> None:
    """Somebody who came for another while the timeline was cut is not taken for her."""
    alice, room = await _chat(desk, server)
    await desk.sync.step()
    server.rooms[room].names_counts = False
    server.member(room, ALICE, "leave")
    server.member(room, BOB, "join")
    server.fail("read members", _fault(Unreachable("read members")))
    for _ in range(25):
        server.send(room, "@bridge:home.test", "m.room.message", {"msgtype": "m.text", "body": "noise"})
    await desk.sync.step()
    assert not desk.client.private(room, alice.user)
    server.send(room, "@bridge:home.test", "m.room.message", {"msgtype": "m.text", "body": "noise"})
    await desk.sync.step()
    assert not desk.client.private(room, alice.user)
    assert desk.client.chats.get(room).alone_with(DESK) == BOB  # type: ignore[union-attr]


async def test_a_chat_that_was_not_looked_at_is_looked_at_later(desk: Desk, server: Homeserver) -> None:
    """Nobody is told that somebody else is there because the homeserver was slow to say who is."""
    alice, room = await _chat(desk, server)
    await desk.sync.step()
    server.rooms[room].names_counts = False
    server.fail("read members", _fault(Unreachable("read members")), times=2)
    for _ in range(25):
        alice.say(room, "noise")
    await desk.sync.step()
    assert desk.client.standing(room, alice.user) is Standing.UNKNOWN
    assert await desk.sync.settle_doubts()
    assert desk.client.standing(room, alice.user) is Standing.UNKNOWN
    woken = desk.woken
    assert not await desk.sync.settle_doubts()
    assert desk.woken == woken + 1
    assert desk.client.standing(room, alice.user) is Standing.PRIVATE


async def test_members_that_are_refused_are_not_waited_for(desk: Desk, server: Homeserver) -> None:
    """A homeserver that won't say who is in a room makes it one that is not private, and ends the asking."""
    alice, room = await _chat(desk, server)
    await desk.sync.step()
    server.rooms[room].names_counts = False
    refusal = HomeserverRefused(403, "M_FORBIDDEN", "read members")
    server.fail("read members", _fault(refusal), times=2)
    for _ in range(25):
        alice.say(room, "noise")
    await desk.sync.step()
    assert not await desk.sync.settle_doubts()
    assert desk.client.standing(room, alice.user) is Standing.NOT_PRIVATE


async def test_left_rooms_go(desk: Desk, server: Homeserver) -> None:
    """After the desk was removed nothing of the room stays, in memory or in the database."""
    alice, room = await _chat(desk, server)
    alice.say(room, "hello")
    await desk.sync.step()
    server.to_device.clear()
    Peer.say(alice, room, "unreadable")
    alice.outbound.clear()
    alice.say(room, "no key for this")
    await desk.sync.step()
    server.member(room, DESK, "leave", ALICE)
    await desk.sync.step()
    events = await desk.inbox()
    assert isinstance(events[-1], DirectChat)
    assert not events[-1].present
    assert desk.client.chats.get(room) is None
    await desk.restart()
    async with desk.store.transaction("test") as transaction:
        assert await transaction.read_chats() == []
        kinds = {kind for kind, _, _ in await transaction.read_crypto()}
        assert not await transaction.unread_since(desk.clock.now() + timedelta(hours=1))
    assert "megolm" not in kinds
    assert "person" not in kinds


async def test_a_member_who_leaves_and_comes_back(desk: Desk, server: Homeserver) -> None:
    """Each coming and going of the member is told once."""
    _alice, room = await _chat(desk, server)
    server.member(room, ALICE, "leave")
    await desk.sync.step()
    server.member(room, ALICE, "join")
    await desk.sync.step()
    await desk.sync.step()
    events = [event for event in await desk.inbox() if isinstance(event, DirectChat)]
    assert [event.present for event in events] == [True, False, True]


async def test_invitations_are_bounded(desk: Desk, server: Homeserver) -> None:
    """A stranger's hundreds of invitations are a few events, and a member's own comes first."""
    for number in range(300):
        room = server.create_room(f"!spam{number}")
        server.member(room, f"@spam{number % 2}:evil.test", "join")
        server.member(room, DESK, "invite", f"@spam{number % 2}:evil.test")
    room = server.create_room("!wanted")
    server.member(room, ALICE, "join")
    server.member(room, DESK, "invite", ALICE, is_direct=True)
    await desk.sync.step()
    found = [event for event in await desk.inbox() if isinstance(event, Invited)]
    assert (found[0].sender, found[0].direct, found[0].encrypted) == (ALICE, True, True)
    assert len(found) <= 7


def _invite(server: Homeserver, sender: str, name: str) -> RoomId:
    """Somebody makes a room and invites the desk to it, as to a direct chat."""
    room = server.create_room(name)
    server.member(room, sender, "join")
    server.member(room, DESK, "invite", sender, is_direct=True)
    return room


async def _invited(desk: Desk) -> list[Invited]:
    return [event for event in await desk.inbox() if isinstance(event, Invited)]


async def test_a_flood_of_strangers_invitations_costs_bounded_work(desk: Desk, server: Homeserver) -> None:
    """However many strangers come, each from an account of their own: so many in a time, and none is lost.

    People of our own server are taken at once beside them, and an invitation that was withdrawn is not.
    """
    withdrawn = None
    for step in range(10):
        for number in range(20):
            withdrawn = _invite(server, f"@s{step}x{number}:evil.test", f"!s{step}x{number}")
        own = _invite(server, f"@member{step}:home.test", f"!own{step}")
        await desk.sync.step()
        assert own in [event.room for event in await _invited(desk)]
        await desk.clock.advance(timedelta(seconds=10))
    taken = [event for event in await _invited(desk) if event.sender.endswith(":evil.test")]
    assert 30 <= len(taken) <= 41
    assert withdrawn is not None
    server.member(withdrawn, DESK, "leave")
    for _ in range(20):
        await desk.clock.advance(timedelta(minutes=2))
        await desk.sync.step()
    rooms = [event.room for event in await _invited(desk)]
    assert len(rooms) == len(set(rooms)) == 209
    assert withdrawn not in rooms


async def test_one_stranger_who_goes_on_inviting_is_taken_seldom(desk: Desk, server: Homeserver) -> None:
    """A few at once, a few more in an hour, whatever kind of room; another person beside them at once."""
    for number in range(30):
        room = server.create_room(f"!crowd{number}")
        server.member(room, "@mallory:home.test", "join")
        server.member(room, DESK, "invite", "@mallory:home.test")
        await desk.sync.step()
        await desk.clock.advance(timedelta(seconds=30))
    assert len(await _invited(desk)) <= 13
    wanted = _invite(server, ALICE, "!wanted")
    await desk.sync.step()
    assert (await _invited(desk))[-1].room == wanted


async def test_an_invitation_in_a_batch_that_is_not_committed_comes_with_the_next(
    desk: Desk, server: Homeserver
) -> None:
    """What was held and let through is not lost with the commit that failed."""
    for number in range(31):
        _invite(server, f"@s{number}:evil.test", f"!s{number}")
    await desk.sync.step()
    assert len(await _invited(desk)) == 30
    await desk.clock.advance(timedelta(minutes=2))
    reader = desk.sync._reader
    lost = Batch("t")
    since = desk.sync._token
    reader.invites(lost, {}, since)
    assert len(lost.events) == 1
    again = Batch("t")
    reader.invites(again, {}, since)
    assert again.events == lost.events
    later = Batch("t")
    reader.invites(later, {}, "another token")
    assert not later.events


async def test_one_person_has_few_sessions(desk: Desk, server: Homeserver) -> None:
    """Somebody who shares a room with the desk can't fill it with devices; those used last stay."""
    alice, room = await _chat(desk, server)
    for number in range(120):
        Peer(server, ALICE, f"MADE{number}", publish=False).share(room, DESK, DEVICE)
    alice.share(room, DESK, DEVICE)
    alice.say(room, "hello")
    await desk.sync.step()
    assert await desk.heard() == ["hello"]
    assert desk.client.machine.has_session(alice.curve25519)
    await desk.restart()
    async with desk.store.transaction("test") as transaction:
        kinds = [kind for kind, _, _ in await transaction.read_crypto()]
    assert kinds.count("olm") == 100


def test_what_waits_is_bounded_in_all() -> None:
    """However many rooms it comes from: past the bound the oldest are given up."""
    waiting = Waiting(timedelta(minutes=2), str)
    now = datetime(2026, 11, 22, tzinfo=UTC)
    for number in range(2010):
        event, room = EventId(f"$e{number}"), RoomId(f"!r{number}")
        waiting.add(Unread.make(event, room, MatrixId(ALICE), "", {}, now))
    assert [each.event_id for each in waiting.due(now)] == [f"$e{number}" for number in range(10)]


async def test_one_person_has_few_chats(desk: Desk, server: Homeserver) -> None:
    """However slowly they come: past a bound of rooms shared with one person no invitation is taken."""
    for number in range(12):
        room = server.create_room(f"!room{number}")
        server.member(room, ALICE, "join")
        server.member(room, DESK, "invite", ALICE, is_direct=True)
        await desk.sync.step()
        if any(isinstance(event, Invited) and event.room == room for event in await desk.inbox()):
            await desk.client.join(room)
            await desk.sync.step()
    assert len(desk.client.chats.all()) == 10


async def test_a_chat_that_is_there_is_said_to_be(desk: Desk, server: Homeserver) -> None:
    """Only where the member is in it alone with us: nothing is said into a chat that nobody came to."""
    alice, room = await _chat(desk, server)
    delivery = Delivery(desk.client, None)  # type: ignore[arg-type]  # No peer room is touched.
    found = await delivery(OpenDirectChat(alice.user), OutboxId("1"), again=False)
    assert (found.room, found.detail) == (room, "there")
    made = await delivery(OpenDirectChat(MatrixId("@new:home.test")), OutboxId("2"), again=False)
    assert made.room not in (room, None)
    assert made.detail == ""


async def test_all_rooms_with_whoever_is_forgotten_are_left(desk: Desk, server: Homeserver) -> None:
    """After forget me no row names them; and when they come back they can be read at once.

    Those that there were when it was said: a chat that they open before it is delivered is a new beginning.
    """
    alice, room = await _chat(desk, server)
    alice.say(room, "forget me")
    await desk.sync.step()
    await desk.say(room, "done")
    alice.read(room)
    other = await desk.chat_with(alice, "!other")
    assert set(desk.client.shared_with(alice.user)) == {room, other}
    leave = LeaveRoom(room, also=desk.client.shared_with(alice.user))
    meanwhile = await desk.chat_with(alice, "!meanwhile")
    delivery = Delivery(desk.client, None)  # type: ignore[arg-type]  # No peer room is touched.
    await delivery(leave, OutboxId("1"), again=False)
    assert not any(DESK in server.rooms[left].members("join") for left in (room, other))
    assert DESK in server.rooms[meanwhile].members("join")
    await delivery(LeaveRoom(meanwhile), OutboxId("2"), again=False)
    await desk.sync.step()
    async with desk.store.transaction("test") as transaction:
        rows = [row for _, _, row in await transaction.read_crypto()]
        assert await transaction.read_chats() == []
    assert ALICE.encode() not in b"".join(rows)
    await desk.restart()
    room = await desk.chat_with(alice, "!again")
    alice.share(room, DESK, DEVICE)
    alice.say(room, "back")
    await desk.sync.step()
    await desk.say(room, "hello again")
    assert (await desk.heard())[-1] == "back"
    assert len(alice.read(room)) == 1


async def test_plain_words_are_not_taken_in(desk: Desk, server: Homeserver) -> None:
    """In an unencrypted chat they are an event without words; in an encrypted one they are nothing."""
    _alice, room = await _chat(desk, server)
    server.send(room, ALICE, "m.room.message", {"msgtype": "m.text", "body": "forged by the homeserver"})
    plain = server.create_room("!plain", encrypted=False)
    for member in (ALICE, DESK):
        server.member(plain, member, "join")
    server.send(plain, ALICE, "m.room.message", {"msgtype": "m.text", "body": "in clear"})
    server.send(plain, ALICE, "m.room.message", {"msgtype": "m.notice", "body": "another service"})
    await desk.sync.step()
    events = await desk.inbox()
    assert [type(event) for event in events] == [DirectChat, PlainMessage]
    assert "in clear" not in repr(events)


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_crowd_is_not_listened_to(desk: Desk, server: Homeserver, encrypted: bool) -> None:
    """Whatever six people say in one room brings one event: that it is to be left."""
    room = server.create_room("!crowd", encrypted=encrypted)
    peers = [Peer(server, f"@p{number}:far.test") for number in range(6)]
    for peer in peers:
        server.member(room, peer.user, "join")
    server.member(room, DESK, "join")
    for peer in peers:
        if encrypted:
            peer.share(room, DESK, DEVICE)
            peer.say(room, "hi")
        else:
            server.send(room, peer.user, "m.room.message", {"msgtype": "m.text", "body": "hi"})
    await desk.sync.step()
    assert [type(event) for event in await desk.inbox()] == [NoChat]


async def test_whose_chat_it_was_is_still_heard(desk: Desk, server: Homeserver) -> None:
    """When others come into a member's chat, that member hears why nothing is answered; the others do not."""
    alice, room = await _chat(desk, server)
    bob = Peer(server, BOB)
    server.member(room, BOB, "join")
    server.member(room, "@eve:far.test", "invite", ALICE)
    bob.share(room, DESK, DEVICE)
    alice.say(room, "hello")
    bob.say(room, "hello desk")
    await desk.sync.step()
    events = await desk.inbox()
    assert [type(event) for event in events] == [DirectChat, Message]
    assert not desk.client.private(room, alice.user)
    server.member(room, ALICE, "leave")
    server.member(room, "@eve:far.test", "leave")
    server.member(room, BOB, "leave")
    await desk.sync.step()
    assert [type(event) for event in await desk.inbox()][2:] == [DirectChat, NoChat]


async def test_plain_words_are_brought_seldom(desk: Desk, server: Homeserver) -> None:
    """A flood of plain words in a room of two is one event in an hour; a declined chat is left."""
    room = server.create_room("!plain", encrypted=False)
    for member in (ALICE, DESK):
        server.member(room, member, "join")

    async def flood() -> int:
        for _ in range(3):
            server.send(room, ALICE, "m.room.message", {"msgtype": "m.text", "body": "hi"})
        await desk.sync.step()
        return [type(event) for event in await desk.inbox()].count(PlainMessage)

    assert [await flood(), await flood()] == [1, 1]
    await desk.clock.advance(timedelta(hours=1))
    assert await flood() == 2
    server.member(room, ALICE, "leave")
    await desk.sync.step()
    assert isinstance((await desk.inbox())[-1], NoChat)


async def test_our_own_events_are_nothing(desk: Desk, server: Homeserver) -> None:
    """What the desk said comes back with the sync and is not answered."""
    _alice, room = await _chat(desk, server)
    await desk.say(room, "hello")
    await desk.sync.step()
    await desk.clock.advance(timedelta(minutes=5))
    await desk.sync.step()
    assert [type(event) for event in await desk.inbox()] == [DirectChat]


async def test_verification_steps_are_handed_on(desk: Desk, server: Homeserver) -> None:
    """Steps that come to the device, and encrypted in the room, reach the verification, each in its turn."""
    alice, room = await _chat(desk, server)
    server.deliver(
        DESK, DEVICE, {"type": "m.key.verification.request", "sender": ALICE, "content": {"key": "t"}}
    )
    request = {"msgtype": "m.key.verification.request", "body": "verify", "to": DESK}
    server.send(room, ALICE, "m.room.encrypted", alice.encrypt(room, "m.room.message", request))
    start = alice.encrypt(room, "m.key.verification.start", {"method": "m.sas.v1"})
    start["m.relates_to"] = {"rel_type": "m.reference", "event_id": "$request"}
    server.send(room, ALICE, "m.room.encrypted", start)
    async with _running(desk):
        await _until(lambda: len(desk.steps.taken) == 3)
    assert desk.steps.taken == [
        (ALICE, "m.key.verification.request", None),
        (ALICE, "m.key.verification.request", room),
        (ALICE, "m.key.verification.start", room),
    ]
    assert await desk.heard() == []


async def test_a_slow_verification_delays_nobody_else(desk: Desk, server: Homeserver) -> None:
    """While one person's step hangs another's whole verification is handed on; a flood is cut short."""

    class Slow(Steps):
        async def handle(self, sender: MatrixId, *rest: Any) -> None:
            if sender == BOB:
                hanging.set()
                await asyncio.Event().wait()
            await super().handle(sender, *rest)

    hanging = asyncio.Event()
    desk.sync._verification = Slow()
    for number in range(300):
        server.deliver(DESK, DEVICE, {"type": "m.key.verification.key", "sender": BOB, "content": {}})
        if number % 50 == 0:
            kind = f"m.key.verification.step{number}"
            server.deliver(DESK, DEVICE, {"type": kind, "sender": ALICE, "content": {}})
    taken = desk.sync._verification.taken
    async with _running(desk):
        await hanging.wait()
        await _until(lambda: len(taken) == 6)
    assert [kind for _, kind, _ in taken] == [f"m.key.verification.step{at}" for at in range(0, 300, 50)]
    assert len(desk.sync._steps[MatrixId(BOB)]) <= 20


async def test_a_verification_ends_at_its_time(desk: Desk, server: Homeserver) -> None:
    """Time alone brings its end: the other client is told and so are we, though nobody writes any more."""
    told = list[Ended]()

    async def end(ended: Ended) -> None:
        told.append(ended)

    own = Own(DESK, DEVICE, "device", "master")
    transport = server.transport(DESK, DEVICE)
    verification = Verification(transport, own, desk.clock.now, desk.client.send_event, end)
    desk.sync._verification = verification
    content = {
        "from_device": "PHONE",
        "methods": ["m.sas.v1"],
        "transaction_id": "one",
        "timestamp": round(desk.clock.now().timestamp() * 1000),
    }
    request = {"type": "m.key.verification.request", "sender": ALICE, "content": content}
    server.deliver(DESK, DEVICE, request)
    async with _running(desk):
        await _until(lambda: verification.due is not None)
        await desk.clock.advance(timedelta(minutes=9, seconds=59))
        assert told == []
        await desk.clock.advance(timedelta(seconds=1))
        await _until(lambda: bool(told))
    assert told == [Ended(MatrixId(ALICE), None, False)]
    assert verification.due is None


async def test_an_old_step_is_not_handed_on(desk: Desk, server: Homeserver) -> None:
    """A step that was encrypted more than ten minutes ago is of a verification that is over."""
    alice, room = await _chat(desk, server)
    now = round(desk.clock.now().timestamp() * 1000)
    for type_, age in (("m.key.verification.start", 11), ("m.key.verification.cancel", 1)):
        event = {"type": "m.room.encrypted", "sender": ALICE, "origin_server_ts": now - age * 60_000}
        server.put(room, {**event, "content": alice.encrypt(room, type_, {})})
    async with _running(desk):
        await _until(lambda: bool(desk.steps.taken))
    assert [kind for _, kind, _ in desk.steps.taken] == ["m.key.verification.cancel"]


async def test_whoever_is_gone_is_not_waited_for(desk: Desk, server: Homeserver) -> None:
    """Somebody who could not be asked about and then left neither stays nor quickens the polling."""
    eve = Peer(server, "@eve:slow.test")
    directory = desk.client.directory
    server.fail("keys query", _fault(Unreachable("keys query")))
    await directory.refresh([eve.user], 0.2)
    assert directory.next_try() is not None
    desk.client.machine.people.pop(eve.user)
    assert directory.next_try() is None
    await directory.refresh([], 0.2)
    assert directory._pauses == {}


async def test_a_slow_server_delays_nobody_for_long(desk: Desk, server: Homeserver) -> None:
    """While another server's device lists don't come, members of ours are read, and theirs afterwards."""
    alice, room = await _chat(desk, server)
    eve, other = await _chat(desk, server, "@eve:slow.test", "!eve")
    await desk.sync.step()
    server.news("@eve:slow.test")
    eve.say(other, "from afar")
    alice.say(room, "from here")

    async def fail(path: str, body: Any) -> None:
        raise Unreachable("keys query")

    server.fail("keys query", fail)
    await desk.sync.step()
    assert "from here" in await desk.heard()
    assert "from afar" in await desk.heard()


async def test_a_hanging_server_is_waited_for_briefly(desk: Desk, server: Homeserver) -> None:
    """Each server is asked by itself, for a bounded time; who could not be asked is asked later."""
    near, far = Peer(server, ALICE), Peer(server, "@eve:slow.test")
    directory = desk.client.directory

    async def hang(path: str, body: Any) -> None:
        if "@eve:slow.test" in body["device_keys"]:
            await asyncio.Event().wait()

    server.fail("keys query", hang, times=2)
    async with asyncio.timeout(60):
        await directory.refresh([near.user, far.user], 0.2)
    assert not directory.person(near.user).stale
    assert directory.person(far.user).stale
    asked = len(server.called("keys query"))
    await directory.refresh([far.user], 0.2)
    assert len(server.called("keys query")) == asked
    await desk.clock.advance(timedelta(seconds=20))
    await directory.refresh([far.user], 0.2)
    assert not directory.person(far.user).stale


async def test_a_refused_query_is_asked_one_by_one(desk: Desk, server: Homeserver) -> None:
    """One user whom the homeserver can't answer for doesn't hide the others of the server."""
    peers = [Peer(server, f"@m{number}:home.test") for number in range(4)]
    rooms = []
    for number, peer in enumerate(peers):
        room = server.create_room(f"!m{number}")
        server.member(room, peer.user, "join")
        server.member(room, DESK, "join")
        peer.share(room, DESK, DEVICE)
        peer.say(room, f"from {number}")
        rooms.append(room)

    async def refuse(path: str, body: Any) -> dict[str, Any] | None:
        if "@m1:home.test" in body["device_keys"]:
            raise HomeserverRefused(400, "M_UNKNOWN", "keys query")
        return None

    server.fail("keys query", refuse, times=5)
    await desk.sync.step()
    assert sorted(await desk.heard()) == ["from 0", "from 2", "from 3"]
    await desk.clock.advance(timedelta(seconds=20))
    await desk.sync.step()
    assert "from 1" in await desk.heard()


async def test_one_whom_the_homeserver_fails_over_hides_nobody(desk: Desk, server: Homeserver) -> None:
    """Where a request about many fails they are asked about apart, until the good ones are known."""
    people = [Peer(server, f"@m{number}:far.test").user for number in range(12)]

    async def fall_over(path: str, body: Any) -> None:
        if people[3] in body["device_keys"]:
            raise Unreachable("keys query: 500")

    server.fail("keys query", fall_over, times=100)
    for _ in range(6):
        await desk.client.directory.refresh(people, 1.0)
        await desk.clock.advance(timedelta(minutes=10))
    stale = [user for user in people if desk.client.directory.person(user).stale]
    assert stale == [people[3]]


async def test_news_during_an_answer_are_not_lost(desk: Desk, server: Homeserver) -> None:
    """A device list that changes while it is on its way is asked for again."""
    alice, _room = await _chat(desk, server)
    await desk.sync.step()
    server.news(ALICE)

    async def old_answer(path: str, body: Any) -> dict[str, Any]:
        desk.client.directory.expect_news(alice.user)
        return {"device_keys": {ALICE: {}}}

    server.fail("keys query", old_answer)
    await desk.sync.step()
    assert desk.client.machine.people[alice.user].stale
    await desk.clock.advance(timedelta(seconds=20))
    await desk.sync.step()
    person = desk.client.machine.people[alice.user]
    assert not person.stale
    assert [device.device_id for device in person.counting()] == ["PEER"]


async def test_the_filter_asks_for_little(desk: Desk, server: Homeserver) -> None:
    """Lazy members, a small timeline, and nothing of presence, receipts, typing or account data."""
    found = json.loads(FILTER)
    nothing = {"not_types": ["*"]}
    assert found["presence"] == found["account_data"] == nothing
    assert found["room"]["ephemeral"] == found["room"]["account_data"] == nothing
    assert found["room"]["state"]["lazy_load_members"] is True
    assert found["room"]["timeline"]["limit"] <= 20


async def test_messages_keep_their_order(desk: Desk, server: Homeserver) -> None:
    """Within a room messages arrive as they were sent."""
    alice, room = await _chat(desk, server)
    for number in range(15):
        alice.say(room, str(number))
    await desk.sync.step()
    messages = [event for event in await desk.inbox() if isinstance(event, Message)]
    assert [event.body for event in messages] == [str(number) for number in range(15)]
    assert all(event.room == room and event.sender == ALICE for event in messages)
