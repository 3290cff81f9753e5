"""The scheduler: what is due is handed over at its time, once, and a bad record holds up no other."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from schema.effects import Effect
from schema.errors import Unreachable
from schema.events import Delivered, Due, Message
from schema.ids import MemberId, OfferId, OutboxId
from schema.records import Offer
from schema.states import OfferState
from service.store import Store
from service.turn import Turn
from tests.clock import FakeClock
from tests.service.running import Running, message, reply

START = FakeClock().now()


@pytest.fixture
def store(either: Store) -> Store:
    """An open database, of each kind in turn."""
    return either


def _offer(letter: str, due_at: datetime | None) -> Offer:
    return Offer(
        id=OfferId(letter * 32),
        member=MemberId(letter * 32),
        state=OfferState.OPEN,
        until=START + timedelta(days=9),
        due_at=due_at,
        asked_at=None,
        topics=(),
        card="",
        fear="",
    )


class Story:
    """Handlers that put an offer due in an hour at a message, and move a due offer's time on."""

    def __init__(self, *, stuck: str = "", failing: str = "") -> None:
        self.handed: list[tuple[str, datetime]] = []
        self._stuck = stuck
        self._failing = failing

    async def dispatch(self, turn: Turn) -> None:
        """Handle one event."""
        if isinstance(turn.event, Message):
            await turn.records.put(_offer("c", turn.now + timedelta(minutes=5)))
        elif isinstance(turn.event, Due):
            self.handed.append((turn.event.id[0], turn.now))
            if turn.event.id[0] == self._failing:
                raise ZeroDivisionError
            offer = await turn.records.get(Offer, turn.event.id)
            assert offer is not None
            if turn.event.id[0] != self._stuck:
                await turn.records.put(replace(offer, due_at=None))


async def _keep(store: Store, *offers: Offer) -> None:
    async with store.transaction("test") as transaction:
        for offer in offers:
            await transaction.put(offer)


async def test_what_is_due_comes_at_its_time_and_once(store: Store) -> None:
    """Nothing comes before its time; the longest due comes first."""
    await _keep(store, _offer("a", START + timedelta(hours=2)), _offer("b", START + timedelta(hours=1)))
    story = Story()
    async with Running(store, story.dispatch) as running:
        await running.until(lambda: running.clock.next_wake() is not None)
        await running.clock.advance(timedelta(minutes=59))
        assert story.handed == []
        await running.clock.advance(timedelta(minutes=1))
        await running.until(lambda: [name for name, _ in story.handed] == ["b"])
        await running.until(lambda: running.clock.next_wake() is not None)
        await running.clock.advance(timedelta(hours=3))
        await running.until(lambda: [name for name, _ in story.handed] == ["b", "a"])


async def test_after_an_absence_everything_comes_longest_due_first(store: Store) -> None:
    """What fell due while the service was down is handed over at its start."""
    await _keep(store, _offer("a", START - timedelta(hours=1)), _offer("b", START - timedelta(hours=2)))
    story = Story()
    async with Running(store, story.dispatch) as running:
        await running.until(lambda: [name for name, _ in story.handed] == ["b", "a"])


async def test_a_turn_that_puts_an_earlier_time_wakes_the_timer(store: Store) -> None:
    """A record put while the timer sleeps until later is handed over at its own time."""
    await _keep(store, _offer("a", START + timedelta(minutes=50)))
    story = Story()
    async with Running(store, story.dispatch) as running:
        await running.until(lambda: running.clock.next_wake() == START + timedelta(minutes=50))
        async with store.transaction("test") as transaction:
            await transaction.take_in([message("go")], running.clock.now())
        running.engine.wake()
        await running.until(lambda: running.clock.next_wake() == START + timedelta(minutes=5))
        await running.clock.advance(timedelta(minutes=6))
        await running.until(lambda: [name for name, _ in story.handed] == ["c"])


async def test_a_failing_record_holds_up_nobody(store: Store) -> None:
    """A record whose turn fails is passed over and tried again later; the next is handed over at once."""
    await _keep(store, _offer("a", START - timedelta(hours=2)), _offer("b", START - timedelta(hours=1)))
    story = Story(failing="a")
    async with Running(store, story.dispatch) as running:
        await running.until(lambda: [name for name, _ in story.handed][-1:] == ["b"])
        tries = len(story.handed)

        async def tried_again() -> bool:
            await running.clock.advance(timedelta(seconds=5))
            return [name for name, _ in story.handed][tries:][:1] == ["a"]

        await running.until(tried_again)


class Many:
    """Handlers that say something to each of many whose time has come, and move it on."""

    def __init__(self) -> None:
        self.handed: Counter[str] = Counter()

    async def dispatch(self, turn: Turn) -> None:
        """Handle one event."""
        if isinstance(turn.event, Due):
            self.handed[turn.event.id] += 1
            offer = await turn.records.get(Offer, turn.event.id)
            assert offer is not None
            await turn.records.put(replace(offer, due_at=None))
            turn.do(reply("It is time.", turn.event.id))


async def _keep_many(store: Store, count: int) -> None:
    offers = [replace(_offer("a", START), id=OfferId(f"{number:032x}")) for number in range(count)]
    await _keep(store, *offers)


async def test_many_that_are_due_at_once_come_once_each_and_wait_for_what_goes_out(store: Store) -> None:
    """However many are due in one minute, so many messages at most are in memory, and all arrive."""
    await _keep_many(store, 600)
    gate = asyncio.Event()

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        await gate.wait()
        return Delivered(effect)

    story = Many()
    async with Running(store, story.dispatch, deliver) as running:
        await running.until(lambda: len(story.handed) >= 256)
        async with store.reading() as transaction:
            # Another look at the database, while which the schedule would have gone on.
            waiting = await transaction.outbox(limit=1000)
        assert len(waiting) == len(story.handed) < 300
        gate.set()
        await running.until(lambda: len(running.sent) == 600)
    assert set(story.handed.values()) == {1}
    assert len({id for id, _ in running.sent}) == 600


@pytest.mark.slow
async def test_what_was_put_off_holds_up_nothing_that_is_due(store: Store) -> None:
    """Messages that cannot go now wait, however many they are, and the schedule goes on."""
    await _keep_many(store, 600)

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        raise Unreachable("the homeserver is not there")

    story = Many()
    async with Running(store, story.dispatch, deliver) as running:
        await running.until(lambda: len(story.handed) == 600)
    assert set(story.handed.values()) == {1}


async def test_a_due_time_that_does_not_move_takes_bounded_work(store: Store) -> None:
    """A handler that forgets to move a due time costs a bounded number of turns, and stops nobody."""
    await _keep(store, _offer("a", START - timedelta(hours=2)), _offer("b", START - timedelta(hours=1)))
    story = Story(stuck="a")
    async with Running(store, story.dispatch) as running:
        await running.until(lambda: "b" in [name for name, _ in story.handed])
        await running.until(lambda: running.clock.next_wake() is not None)
        assert len(story.handed) <= 41
