"""A homeserver that is away for hours, or limits what is said, while very much waits to be said.

However much waits, a look opens so many rows at most, and our homeserver is asked so often at most; each chat
keeps its order, and nothing is lost, said twice, or said too late.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from handlers import dispatch
from schema.effects import Effect, RedactChat, SendText, Withdraw
from schema.errors import Away, Throttled, Unreachable
from schema.events import Delivered, Due, NotDelivered
from schema.ids import CheckInId, MatrixId, MemberId, OfferId, OutboxId, RoomId
from schema.records import CheckIn, Member, Offer, Rhythm
from schema.states import CheckInState, OfferState
from service.core import recurrence
from service.core.ways import lane
from service.store import Store, Transaction
from service.turn import Turn
from tests.clock import FakeClock
from tests.service.running import Running, reply

START = FakeClock().now()
MINUTE = timedelta(minutes=1)
_PATIENCE = 300.0
"""Seconds; there is much to do for a busy machine."""


async def _nothing(turn: Turn) -> None:
    """Answer no outcome."""


class Homeserver:
    """Takes what is sent to it, unless it is away; `tried` counts the tries."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.tried = 0
        self.took: dict[str, list[str]] = defaultdict(list)
        self.ids: Counter[OutboxId] = Counter()

    async def deliver(self, effect: Effect, id: OutboxId) -> Delivered:
        """One try."""
        self.tried += 1
        if self.away:
            raise Away("send: ClientConnectorError")
        self.ids[id] += 1
        if isinstance(effect, SendText):
            self.took[effect.room].append(effect.body)
        return Delivered(effect)


class Watched:
    """Counts how many sealed rows of the outbox a store opens at one look."""

    def __init__(self, store: Store) -> None:
        self._seal, self._reading = store.seal, store.reading
        self._opened = self.most = 0
        store.seal = self  # type: ignore[assignment]  # A leaf that counts and hands on.
        store.reading = self.reading  # type: ignore[method-assign]  # The same.

    def __getattr__(self, name: str) -> object:
        return getattr(self._seal, name)

    def open(self, table: str, column: str, row: str, sealed: bytes) -> bytes:
        """Open as the seal does."""
        self._opened += table == "outbox"
        return self._seal.open(table, column, row, sealed)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """Read as the store does."""
        async with self._reading() as transaction:
            self._opened = 0
            yield transaction
            self.most = max(self.most, self._opened)


async def _keep(store: Store, way: str, *effects: Effect) -> None:
    async with store.transaction("test") as transaction:
        await transaction.add_effects([(lane(effect), way, effect) for effect in effects], START)


async def _left(store: Store) -> int:
    async with store.reading() as transaction:
        return (await transaction.outbox_count())[0]


async def _on(running: Running, store: Store, by: timedelta) -> None:
    """Move time on, and return when nothing more comes of it: so many looks at the database see the same."""
    await running.clock.advance(by)
    before: object = None
    same = 0
    while same < 10:
        now = (await _left(store), len(running.again), running.clock.next_wake())
        same, before = (same + 1 if now == before else 0), now


@pytest.mark.slow
async def test_thousands_wait_through_an_outage_and_all_arrive_in_order(store: Store) -> None:
    """So many are opened at one look; the homeserver is asked seldom; each chat has its words once."""
    chats = 1100
    for part in ("first", "second"):
        await _keep(store, "near", *(reply(part, f"m{number}") for number in range(chats)))
    watched, homeserver = Watched(store), Homeserver(away=True)
    async with Running(store, _nothing, homeserver.deliver) as running:
        await running.until(lambda: homeserver.tried >= 8)
        for _ in range(120):
            await running.clock.advance(MINUTE)
        assert homeserver.tried < 400
        assert await _left(store) == 2 * chats
        homeserver.away = False

        async def all_gone() -> bool:
            # Little by little, so that no day is over before a slow database has let all of them go.
            await running.clock.advance(timedelta(seconds=10))
            return await _left(store) == 0

        await running.until(all_gone, _PATIENCE)
    assert watched.most <= 512
    assert len(homeserver.took) == chats
    assert all(took == ["first", "second"] for took in homeserver.took.values())
    assert set(homeserver.ids.values()) == {1}


async def test_what_many_chats_put_off_holds_back_no_other(store: Store) -> None:
    """More chats that cannot be written to than are known by name, and a word to another comes through."""
    dead = [reply("never", f"dead{number}") for number in range(2500)]
    async with store.transaction("test") as transaction:
        rows = await transaction.add_effects([(lane(one), "near", one) for one in dead], START)
        for row in rows:
            await transaction.outbox_retry(row.id, START + timedelta(hours=1), 3)
    watched, homeserver = Watched(store), Homeserver()

    async def answer(turn: Turn) -> None:
        turn.do(reply("an answer"))

    async with Running(store, answer, homeserver.deliver) as running:
        await running.engine.due(Due("offers", "a" * 32))
        await running.until(lambda: len(homeserver.took) == 1)
        await running.engine.due(Due("offers", "b" * 32))
        await running.until(lambda: homeserver.took["!ana:example.org"] == ["an answer"] * 2)
    assert homeserver.tried == 2
    assert watched.most <= 1


async def test_one_way_that_is_full_holds_back_no_other(store: Store) -> None:
    """However much waits for servers of others, our own members hear, and what they hear is in its order."""
    far = [SendText(RoomId(f"!far{at}"), MatrixId(f"@x:far{at}.example"), "slow") for at in range(700)]
    await _keep(store, "far", *far)
    homeserver = Homeserver()

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        if isinstance(effect, SendText) and effect.body == "slow":
            raise Unreachable("share: no device of the member took the key")
        return await homeserver.deliver(effect, id)

    async def answer(turn: Turn) -> None:
        for number in range(3):
            turn.do(reply(f"word {number}"))

    async with Running(store, answer, deliver) as running:
        await running.engine.due(Due("offers", "a" * 32))
        words = [f"word {number}" for number in range(3)]
        await running.until(lambda: homeserver.took["!ana:example.org"] == words)


@pytest.mark.slow
async def test_a_limit_on_what_is_said_is_met_by_few_tries(store: Store) -> None:
    """Where one message in five seconds may be said, the others wait for their turn, and are as at first."""
    await _keep(store, "near", *(reply("hello", f"m{number}") for number in range(60)))
    homeserver = Homeserver()
    clock = FakeClock()
    free = clock.now()

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        nonlocal free
        homeserver.tried += 1
        if running.clock.now() < free:
            raise Throttled((free - running.clock.now()).total_seconds())
        free = running.clock.now() + timedelta(seconds=5)
        homeserver.tried -= 1
        return await homeserver.deliver(effect, id)

    async with Running(store, _nothing, deliver) as running:

        async def all_gone() -> bool:
            await running.clock.advance(timedelta(seconds=1))
            return await _left(store) == 0

        await running.until(all_gone, _PATIENCE)
        # Five seconds for each; a busy machine comes to it while the clock goes on.
        assert running.clock.now() - START < timedelta(hours=1)
    assert len(homeserver.took) == 60
    # All that may be on their way together at the beginning, and then one or two for each that arrives.
    assert homeserver.tried < 32 + 4 * 60


@pytest.mark.slow
async def test_what_is_taken_back_leaves_a_homeserver_alone_that_has_had_enough(store: Store) -> None:
    """Many orders together meet with its limit seldom, and a long one of them holds up no other."""
    order = Withdraw(RoomId("!chat"), OutboxId("c" * 32), START)
    long = RedactChat(RoomId("!long"), MatrixId("@ana:example.org"), START)
    await _keep(store, "back", long, *(replace(order, room=RoomId(f"!chat{at}")) for at in range(20)))
    done: list[Effect] = []
    free, tried, left = START, 0, 12

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        nonlocal free, tried, left
        tried += 1
        if running.clock.now() < free:
            raise Throttled(60)
        free = running.clock.now() + MINUTE
        if isinstance(effect, RedactChat) and (left := left - 1):
            raise Throttled(60)
        done.append(effect)
        return Delivered(effect)

    async with Running(store, _nothing, deliver) as running:

        async def all_gone() -> bool:
            await running.clock.advance(timedelta(seconds=5))
            return await _left(store) == 0

        await running.until(all_gone, _PATIENCE)
    assert tried <= 3 * (20 + 12)
    assert done.index(long) > 5


async def test_one_room_that_the_homeserver_has_no_answer_for_holds_back_no_other(store: Store) -> None:
    """However often it is tried, and nothing else is to be said: the next word to another goes at once."""
    await _keep(store, "near", reply("never", "broken"))
    homeserver = Homeserver()

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        if isinstance(effect, SendText) and effect.body == "never":
            homeserver.tried += 1
            raise Away("send: status 500")
        return await homeserver.deliver(effect, id)

    async def answer(turn: Turn) -> None:
        turn.do(reply("an answer"))

    async with Running(store, answer, deliver) as running:

        async def often() -> bool:
            # By shorter steps than the longest pause of a way, so that one would still hold at the end.
            await running.clock.advance(timedelta(seconds=20))
            return homeserver.tried >= 16

        await running.until(often, _PATIENCE)
        await running.engine.due(Due("offers", "a" * 32))
        await running.until(lambda: homeserver.took["!ana:example.org"] == ["an answer"])


async def test_what_comes_too_late_behind_words_that_cannot_go_is_told_soon(store: Store) -> None:
    """A word with an hour, in a chat that cannot be written to: it comes back soon after, the other stays."""
    hour = START + timedelta(minutes=15)
    timed = replace(reply("in time"), until=hour)
    await _keep(store, "near", reply("first"), timed, reply("last"))
    told: list[Effect] = []

    async def hear(turn: Turn) -> None:
        assert isinstance(turn.event, NotDelivered)
        told.append(turn.event.effect)

    async def deliver(effect: Effect, id: OutboxId) -> Delivered:
        raise Unreachable("share: no device of the member took the key")

    async with Running(store, hear, deliver) as running:

        async def heard() -> bool:
            await running.clock.advance(timedelta(seconds=5))
            return bool(told)

        await running.until(heard, _PATIENCE)
        assert running.clock.now() - hour < timedelta(hours=12)
        assert told == [timed]
        assert await _left(store) == 2


async def test_an_order_to_take_back_waits_for_a_message_that_is_not_in_hand(store: Store) -> None:
    """A message that lies in the database alone is still on its way: it must be there to be taken back."""
    marked = replace(reply("hello"), mark=OutboxId("c" * 32))
    async with store.transaction("test") as transaction:
        await transaction.add_effects([(lane(marked), "near", marked)], START)
        await transaction.outbox_retry(marked.mark, START + timedelta(minutes=3), 1)
    await _keep(store, "back", Withdraw(marked.room, marked.mark, START))
    homeserver = Homeserver()
    async with Running(store, _nothing, homeserver.deliver) as running:
        await running.until(lambda: running.clock.next_wake() is not None)
        assert not homeserver.ids

        async def both() -> bool:
            await running.clock.advance(timedelta(seconds=10))
            return len(running.sent) == 2

        await running.until(both)
        assert running.sent[0][1] == marked


async def test_what_came_too_late_in_an_outage_is_given_up_meanwhile(store: Store) -> None:
    """Words with an hour, behind others that wait for the homeserver, come back soon after it, unsent."""
    hour = START + timedelta(minutes=15)
    timed = replace(reply("in time", "timed"), until=hour)
    await _keep(store, "near", *(reply("hello", f"m{number}") for number in range(100)), timed)
    homeserver = Homeserver(away=True)
    given_up: list[timedelta] = []

    async def hear(turn: Turn) -> None:
        given_up.append(turn.now - hour)

    async with Running(store, hear, homeserver.deliver) as running:

        async def heard() -> bool:
            await running.clock.advance(timedelta(seconds=5))
            return bool(given_up)

        await running.until(heard, _PATIENCE)
    assert len(given_up) == 1
    # A busy machine comes to it while the clock goes on; by their own deadline it would be a day.
    assert timedelta(0) < given_up[0] < timedelta(hours=12)


async def test_the_schedule_waits_while_the_homeserver_is_away(store: Store) -> None:
    """However many are due in an outage, few are said into the void; after it all are, once each."""
    count = 500
    offer = Offer(
        id=OfferId(""),
        member=MemberId("a" * 32),
        state=OfferState.OPEN,
        until=START + timedelta(days=9),
        due_at=START,
        asked_at=None,
        topics=(),
        card="",
        fear="",
    )
    async with store.transaction("test") as transaction:
        for number in range(count):
            await transaction.put(replace(offer, id=OfferId(f"{number:032x}")))
    handed: Counter[str] = Counter()

    async def say(turn: Turn) -> None:
        assert isinstance(turn.event, Due)
        handed[turn.event.id] += 1
        kept = await turn.records.get(Offer, turn.event.id)
        assert kept is not None
        await turn.records.put(replace(kept, due_at=None))
        turn.do(reply("It is time.", turn.event.id))

    homeserver = Homeserver(away=True)
    async with Running(store, say, homeserver.deliver) as running:
        await running.until(lambda: len(handed) >= 256, _PATIENCE)
        for _ in range(30):
            await running.clock.advance(MINUTE)
        assert len(handed) < 400
        homeserver.away = False

        async def all_gone() -> bool:
            await running.clock.advance(timedelta(seconds=10))
            return len(homeserver.took) == count and await _left(store) == 0

        await running.until(all_gone, _PATIENCE)
    assert set(handed.values()) == set(homeserver.ids.values()) == {1}


def _member(store: Store, number: int) -> Member:
    name = f"m{number}"
    return Member(
        id=store.member_id(MatrixId(f"@{name}:example.org")),
        matrix_id=MatrixId(f"@{name}:example.org"),
        since=START,
        room=RoomId(f"!{name}:example.org"),
        zone="Europe/Berlin",
        told_limits=True,
    )


def _check_in(member: Member, number: int, late: timedelta) -> CheckIn:
    """A daily one, a minute from the start for the first time."""
    shown = (START + MINUTE).astimezone(ZoneInfo("Europe/Berlin"))
    rhythm = Rhythm("days", shown.date(), shown.hour * 60 + shown.minute)
    found = recurrence.following(rhythm, "Europe/Berlin", START)
    assert found is not None
    return CheckIn(
        id=CheckInId(f"{number:032x}"),
        member=member.id,
        state=CheckInState.WAITING,
        made_at=START,
        due_at=found.at,
        rhythm=rhythm,
        zone="Europe/Berlin",
        wall=found.wall,
        at=found.at,
        ends=START.date() + timedelta(weeks=8),
        question=f"How is it, {number}?",
        late=late,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("hours", "expected"), [(2, {12: 1, 3: 1, 1: 0}), (26, {12: 1, 3: 1, 1: 0})])
async def test_check_ins_of_an_outage_come_once_with_their_hour_or_not_at_all(
    store: Store, hours: int, expected: dict[int, int]
) -> None:
    """Each member has one at most for all of it, with the hour it was meant for, and none too late."""
    limits = {12: range(10), 3: range(10, 20), 1: range(20, 30)}
    async with store.transaction("test") as transaction:
        for limit, numbers in limits.items():
            for number in numbers:
                await transaction.put(member := _member(store, number))
                # Some have two for the same hour.
                for at in range(1 + number % 2):
                    await transaction.put(_check_in(member, number + 1000 * at, timedelta(hours=limit)))
    homeserver = Homeserver(away=True)
    async with Running(store, dispatch, homeserver.deliver) as running:
        await running.until(lambda: running.clock.next_wake() is not None)
        for _ in range(hours * 3):
            await _on(running, store, 20 * MINUTE)
        homeserver.away = False
        for _ in range(15):
            await _on(running, store, 3 * MINUTE)

        async def all_gone() -> bool:
            return await _left(store) == 0

        await running.until(all_gone, _PATIENCE)
    for limit, numbers in limits.items():
        for number in numbers:
            said = homeserver.took[f"!m{number}:example.org"]
            assert len(said) == expected[limit], (number, said)
            assert all("meant for" in body for body in said), said
