"""The outbox: in order within a lane, lanes apart, tried again with one id, given up honestly."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from schema.effects import (
    Effect,
    FindSent,
    MutePeerRoom,
    OpenPeerRoom,
    SendForBuddy,
    SendText,
    Withdraw,
)
from schema.errors import HomeserverRefused, LeaseHeld, NotPrivate, Throttled, Unreachable
from schema.events import Delivered, Message, NotDelivered
from schema.ids import BuddyId, MatrixId, MemberId, OutboxId, PairingId, RoomId
from schema.records import Buddy
from schema.states import BuddyState
from service.core import buddies
from service.core.ways import deadline
from service.store import Store
from service.turn import Turn
from tests.clock import FakeClock
from tests.service.running import Running, message, reply

ROOM = OpenPeerRoom(PairingId("a" * 32), (MatrixId("@ana:example.org"), MatrixId("@ben:example.org")))


@pytest.fixture
def store(either: Store) -> Store:
    """An open database, of each kind in turn."""
    return either


class Story:
    """Handlers that do `effects` at the first message, and keep the outcomes that come back."""

    def __init__(self, *effects: Effect) -> None:
        self.effects = effects
        self.outcomes: list[Delivered | NotDelivered] = []

    async def dispatch(self, turn: Turn) -> None:
        """Handle one event."""
        if isinstance(turn.event, Message):
            for effect in self.effects:
                turn.do(effect)
        elif isinstance(turn.event, Delivered | NotDelivered):
            self.outcomes.append(turn.event)


async def _begin(running: Running, store: Store) -> None:
    async with store.transaction("test") as transaction:
        await transaction.take_in([message("go")], running.clock.now())
    running.engine.wake()


async def test_a_lane_keeps_its_order_while_another_goes_on(store: Store) -> None:
    """A message that cannot go yet holds back the same chat's next one, and nobody else's."""
    open_gate = asyncio.Event()

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        if isinstance(effect, SendText) and effect.body == "first":
            await open_gate.wait()
        return Delivered(effect)

    story = Story(reply("first"), reply("second"), reply("other", "ben"))
    async with Running(store, story.dispatch, deliver) as running:
        await _begin(running, store)
        await running.until(lambda: [effect for _, effect in running.sent] == [reply("other", "ben")])
        open_gate.set()
        await running.until(lambda: len(running.sent) == 3)
        assert [effect for _, effect in running.sent][1:] == [reply("first"), reply("second")]


async def test_a_second_try_has_the_same_id_and_waits_its_time(store: Store) -> None:
    """After an outage the same transaction id goes again, not before the pause is over, and says so."""
    ids: list[OutboxId] = []

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        ids.append(id)
        if len(ids) == 1:
            raise Unreachable("send: ClientError")
        if len(ids) == 2:
            raise Throttled(60)
        return Delivered(effect)

    async with Running(store, Story(reply("hello")).dispatch, deliver) as running:
        await _begin(running, store)
        await running.until(lambda: len(ids) == 1 and running.clock.next_wake() is not None)
        await running.until(lambda: _wakes_within(running, timedelta(seconds=1)))
        await running.clock.advance(timedelta(seconds=2))
        await running.until(lambda: len(ids) == 2)
        await running.until(lambda: _wakes_within(running, timedelta(seconds=91)))
        await running.clock.advance(timedelta(seconds=59))
        assert len(ids) == 2
        await running.clock.advance(timedelta(seconds=60))
        await running.until(lambda: len(ids) == 3)
        assert len(set(ids)) == 1
        assert running.again == [False, True, True]


def _wakes_within(running: Running, wait: timedelta) -> bool:
    wake = running.clock.next_wake()
    return wake is not None and wake - running.clock.now() <= wait


async def test_a_refusal_comes_back_with_its_code(store: Store) -> None:
    """A permanent no becomes an event, and the effect is not tried again."""

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        raise HomeserverRefused(403, "M_FORBIDDEN", "create room")

    story = Story(ROOM)
    async with Running(store, story.dispatch, deliver) as running:
        await _begin(running, store)
        await running.until(lambda: story.outcomes == [NotDelivered(ROOM, "M_FORBIDDEN")])
        async with store.transaction("test") as transaction:
            assert not await transaction.outbox(10)


async def test_a_room_that_is_not_private_is_told(store: Store) -> None:
    """A send that the client refuses comes back, so that the member can be offered another chat."""

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        raise NotPrivate

    story = Story(reply("hello"))
    async with Running(store, story.dispatch, deliver) as running:
        await _begin(running, store)
        await running.until(lambda: story.outcomes == [NotDelivered(reply("hello"), "not_private")])


def _for_buddy(running: Running) -> SendForBuddy:
    until = running.clock.now() + timedelta(minutes=30)
    who, buddy, of = MatrixId("@ana:example.org"), BuddyId("b" * 32), MemberId("a" * 32)
    return SendForBuddy(RoomId("!ana"), who, "I tell you first", buddy, of, "warn", until)


async def test_what_is_said_for_a_buddy_comes_back_as_sent(store: Store) -> None:
    """Whoever counts on it must know that it arrived."""
    story = Story()
    async with Running(store, story.dispatch) as running:
        effect = _for_buddy(running)
        story.effects = (effect,)
        await _begin(running, store)
        await running.until(lambda: story.outcomes == [Delivered(effect)])


async def test_what_is_said_for_a_buddy_is_not_said_late(store: Store) -> None:
    """After an outage of its chat it comes back unsent: by then it may not be true any more."""

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        if isinstance(effect, FindSent):
            return Delivered(effect)
        raise Unreachable("send: ClientError")

    story = Story()
    async with Running(store, story.dispatch, deliver) as running:
        effect = _for_buddy(running)
        story.effects = (effect,)
        await _begin(running, store)

        async def given_up() -> bool:
            await running.clock.advance(timedelta(minutes=1))
            return bool(story.outcomes)

        await running.until(given_up)
        assert story.outcomes == [NotDelivered(effect, "deadline")]
        assert timedelta(0) < running.clock.now() - effect.until < timedelta(minutes=30)


async def _keeps(store: Store, words: SendForBuddy, state: BuddyState = BuddyState.TELLING) -> None:
    """What the database holds of the one these words are for: they are to go, unless in another state."""
    ordered = words.until - buddies.SENT_WITHIN
    buddy = Buddy(
        words.buddy, words.of, MemberId("c" * 32), state, ordered, None, words.member, "Please ring.", (), (),
        after=1, hours=timedelta(hours=6), tells_at=ordered,
    )  # fmt: skip
    async with store.transaction("test") as transaction:
        await transaction.put(buddy)


def _words(running: Running) -> SendForBuddy:
    return replace(_for_buddy(running), step="tell", body="Please look in on me.")


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("arrived", ["", "there"])
async def test_what_is_called_off_does_not_go_and_its_outcome_is_true(
    store: Store, restarted: bool, arrived: str
) -> None:
    """The words wait after a try whose answer was lost: whether it arrived is looked up, not guessed."""
    tries: list[Effect] = []

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        if isinstance(effect, FindSent):
            return Delivered(effect, detail=arrived)
        tries.append(effect)
        raise Unreachable("send: ClientError")

    story = Story()
    async with Running(store, story.dispatch, deliver) as running:
        words = _words(running)
        await _keeps(store, words)
        story.effects = (words,)
        await _begin(running, store)
        await running.until(lambda: len(tries) == 1 and running.clock.next_wake() is not None)
        await _keeps(store, words, BuddyState.STANDING)
        if restarted:
            story = Story()
        else:
            await _over(running, story)
    if restarted:
        async with Running(store, story.dispatch, deliver) as running:
            await _over(running, story)
    assert story.outcomes == [Delivered(words) if arrived else NotDelivered(words, "called_off")]
    assert len(tries) == 1


async def test_what_was_called_off_and_ordered_again_goes_once(store: Store) -> None:
    """The words of an earlier silence are not those of this one; what the member asked for goes."""
    story = Story()
    async with Running(store, story.dispatch) as running:
        words = _words(running)
        later = replace(words, until=words.until + timedelta(hours=6))
        await _keeps(store, later)
        story.effects = (words, replace(words, step="asked"), later)
        await _begin(running, store)
        await running.until(lambda: len(story.outcomes) == 3)
        assert story.outcomes == [NotDelivered(words, "called_off"), *map(Delivered, story.effects[1:])]


async def _over(running: Running, story: Story) -> None:
    """Every try that is due is made, until the database holds no effect any more."""

    async def over() -> bool:
        await running.clock.advance(timedelta(seconds=1))
        async with running.store.transaction("test") as transaction:
            return bool(story.outcomes) and not await transaction.outbox(10)

    await running.until(over)


async def test_a_deadline_that_passes_is_told(store: Store) -> None:
    """A room that could not be opened for ten minutes is given up, and its handler hears of it."""

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        raise Unreachable("create room: ClientError")

    story = Story(ROOM)
    async with Running(store, story.dispatch, deliver) as running:
        await _begin(running, store)

        async def given_up() -> bool:
            await running.clock.advance(timedelta(seconds=30))
            return bool(story.outcomes)

        await running.until(given_up)
        assert story.outcomes == [NotDelivered(ROOM, "deadline")]


async def test_a_message_that_bears_a_mark_goes_once_under_it(store: Store) -> None:
    """Ordered a second time, before it is gone and after, it is the same row and the same transaction."""
    ids: list[OutboxId] = []

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        ids.append(id)
        return Delivered(effect)

    marked = replace(reply("hello"), mark=OutboxId("c" * 32))
    async with Running(store, Story(marked, marked, reply("over")).dispatch, deliver) as running:
        await _begin(running, store)
        await running.until(lambda: len(running.sent) == 2)
        assert ids.count(OutboxId("c" * 32)) == 1


async def test_a_message_is_not_sent_after_its_hour(store: Store) -> None:
    """What was to be said at an hour comes back when that is past, so that it can be said otherwise."""
    tried: list[datetime] = []

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        tried.append(running.clock.now())
        raise Unreachable("send: ClientError")

    async with Running(store, (story := Story()).dispatch, deliver) as running:
        hour = running.clock.now() + timedelta(minutes=15)
        timed = replace(reply("hello"), until=hour)
        story.effects = (timed,)
        await _begin(running, store)

        async def twice() -> bool:
            # Slowly, since the database takes its time while the clock goes on.
            await running.clock.advance(timedelta(seconds=1))
            return len(tried) > 1

        async def given_up() -> bool:
            await running.clock.advance(timedelta(seconds=30))
            return bool(story.outcomes)

        await running.until(lambda: bool(tried))
        await running.until(twice)
        await running.until(given_up)
        assert story.outcomes == [NotDelivered(timed, "deadline")]
        assert running.clock.now() > hour
        assert max(tried) <= hour


async def test_what_is_taken_back_is_tried_as_long_as_an_erasure() -> None:
    """A homeserver that is away for days must not leave a check-in that another has replaced."""
    order = Withdraw(RoomId("!chat"), OutboxId("c" * 32), FakeClock().now())
    assert deadline(order) == timedelta(days=14)


async def test_a_message_on_its_way_is_not_withdrawn_before_it_is_there(store: Store) -> None:
    """The order to take it back waits for it, or it would find nothing and the message would stay."""
    open_gate = asyncio.Event()

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        if isinstance(effect, SendText):
            await open_gate.wait()
        return Delivered(effect)

    marked = replace(reply("hello"), mark=OutboxId("c" * 32))
    order = Withdraw(marked.room, marked.mark, marked.until or FakeClock().now())
    async with Running(store, Story(marked, order).dispatch, deliver) as running:
        await _begin(running, store)
        await running.until(lambda: running.clock.next_wake() is not None)
        assert not running.sent
        open_gate.set()

        async def withdrawn() -> bool:
            await running.clock.advance(timedelta(seconds=1))
            return len(running.sent) == 2

        await running.until(withdrawn)
        assert [effect for _, effect in running.sent] == [marked, order]


async def test_a_room_that_was_made_comes_back_as_delivered(store: Store) -> None:
    """The outcome carries the room, and is handled in a turn of its own."""

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        return Delivered(effect, RoomId("!new"))

    story = Story(ROOM)
    async with Running(store, story.dispatch, deliver) as running:
        await _begin(running, store)
        await running.until(lambda: story.outcomes == [Delivered(ROOM, RoomId("!new"))])


async def test_what_a_crash_left_is_delivered_at_the_next_start(store: Store) -> None:
    """Committed effects survive the process, in order and with their ids."""
    begun = asyncio.Event()

    async def hang(effect: Effect, id: OutboxId) -> Delivered:
        begun.set()
        await asyncio.Event().wait()
        return Delivered(effect)

    story = Story(reply("first"), reply("second"))
    async with Running(store, story.dispatch, hang) as running:
        await _begin(running, store)
        await running.until(begun.is_set)
    async with Running(store, story.dispatch) as running:
        await running.until(
            lambda: [effect for _, effect in running.sent] == [reply("first"), reply("second")]
        )


async def test_a_turn_that_fails_on_an_outcome_is_run_again(store: Store) -> None:
    """A handler's fault loses no outcome: the effect, which may be delivered twice, is delivered again."""
    tries: list[int] = []

    async def dispatch(turn: Turn) -> None:
        if isinstance(turn.event, Message):
            turn.do(ROOM)
        elif isinstance(turn.event, Delivered):
            tries.append(1)
            if len(tries) == 1:
                raise ZeroDivisionError

    async with Running(store, dispatch) as running:
        await _begin(running, store)
        await running.until(lambda: len(tries) == 1 and _wakes_within(running, timedelta(seconds=5)))
        await running.clock.advance(timedelta(seconds=5))
        await running.until(lambda: len(tries) == 2)


async def test_a_thousand_tries_are_no_number_too_large(store: Store) -> None:
    """An effect that never gets through goes on waiting at the longest pause, however often it was tried."""

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        raise Unreachable("mute: status 502")

    mute = MutePeerRoom(ROOM.pairing, RoomId("!r"))
    async with store.transaction("test") as transaction:
        (row,) = await transaction.add_effects([("lane", "rooms", mute)], FakeClock().now())
        await transaction.outbox_retry(row.id, FakeClock().now(), 5000)
    async with Running(store, Story().dispatch, deliver) as running:
        await running.until(lambda: bool(running.again))
        await running.until(lambda: _wakes_within(running, timedelta(seconds=451)))


async def test_a_fault_of_ours_holds_up_its_own_lane_alone(store: Store) -> None:
    """An effect that raises what nobody foresaw is tried again later; other lanes go on."""

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        if effect == reply("bad"):
            raise ZeroDivisionError
        return Delivered(effect)

    async with Running(store, Story(reply("bad"), reply("good", "ben")).dispatch, deliver) as running:
        await _begin(running, store)
        await running.until(lambda: [effect for _, effect in running.sent] == [reply("good", "ben")])
        await running.until(lambda: _wakes_within(running, timedelta(seconds=1)))


async def test_rows_that_nobody_handed_over_are_found(store: Store) -> None:
    """A commit whose answer was lost leaves its effects in the database; they go without a restart, once."""
    async with Running(store, Story().dispatch) as running:
        await running.until(lambda: True)
        async with store.transaction("test") as transaction:
            rows = await transaction.add_effects([("lane", "near", reply("hello"))], running.clock.now())
        running.outbox.look()
        await running.until(lambda: len(running.sent) == 1)
        running.outbox.look()
        running.outbox.add(rows)

        async def forgotten() -> bool:
            async with store.transaction("test") as transaction:
                return not await transaction.outbox(10)

        await running.until(forgotten)
        assert len(running.sent) == 1


async def test_what_an_earlier_run_left_may_have_been_sent(store: Store) -> None:
    """A row found at the start is delivered as one that may have arrived, though it was never tried here."""
    async with store.transaction("test") as transaction:
        await transaction.add_effects([("lane", "near", reply("hello"))], FakeClock().now())
    async with Running(store, Story().dispatch) as running:
        await running.until(lambda: len(running.sent) == 1)
        assert running.again == [True]


async def test_nothing_leaves_without_the_lease(store: Store) -> None:
    """A process that lost its lease delivers nothing any more, and its outbox ends."""

    class Lost:
        epoch = 0
        holder = ""

        def check(self) -> None:
            raise LeaseHeld("lost", fix="Start again.")

    async with store.transaction("test") as transaction:
        await transaction.add_effects([("lane", "near", reply("hello"))], FakeClock().now())
    running = Running(store, Story().dispatch)
    begun = running.outbox.run()
    store.guard = None
    task = asyncio.create_task(begun)
    store.guard = Lost()
    with pytest.raises(LeaseHeld):
        await task
    assert running.sent == []
    store.guard = None


async def test_slow_servers_of_others_leave_room_for_our_own(store: Store) -> None:
    """However many messages hang on other servers, a member of ours is answered."""
    far = [SendText(RoomId(f"!far{n}"), MatrixId(f"@x:far{n}.example"), "slow") for n in range(60)]

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        if isinstance(effect, SendText) and effect.body == "slow":
            await asyncio.Event().wait()
        return Delivered(effect)

    async with Running(store, Story(*far, reply("near")).dispatch, deliver) as running:
        await _begin(running, store)
        await running.until(lambda: [effect for _, effect in running.sent] == [reply("near")])
