"""One round of matching with 2,000 offers, beside one encrypted send; and with up to 100,000, as a curve.

The round is a whole turn on a real database: the request falls due, the offers are read and put in order, two
members are asked, and all of it is committed. Before the first one of a start the offers are opened ahead, as
the service does. The send is one encrypted message to a real homeserver. The curve is set beside that send
too; its offers are of each kind, in the zones of several cities.
"""

import secrets
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random

from handlers import dispatch
from handlers.words import Catalogue
from schema.community import Community
from schema.events import Due
from schema.ids import MatrixId, OfferId, RequestId, RoomId
from schema.records import Member, Offer, Request, Window
from schema.states import OfferState, RequestState
from service.core import matching
from service.crossing import Crossing
from service.store import Store
from service.turn import Turn
from tests.bench.measure import Goal, Stopwatch, Table, say
from tests.bench.people import Crowd
from tests.live.homeserver import Homeserver

OFFERS = 2000
ROUNDS = 9
MOST = 100_000
_CURVE = (2000, 10_000, 30_000, 100_000)
_AT_ONCE = 2000
"""Offers that are written in one transaction."""
_TOLD = 10_000
"""Offers of the curve after whose writing it is said how far that is."""
_POINTS = 5
"""Turns at each point of the curve."""
_ASKER = 10_000_000
"""A number that no offer's member has."""
_ZONES = ("Europe/Berlin", "America/Sao_Paulo", "Africa/Lagos", "Asia/Kolkata")
_TOPICS = ("burnout", "grief", "work", "family", "being new here")
_COMMUNITY = Community(
    name="The Garden", server="home.test", limits="None.", who_runs="Two of us", topics=_TOPICS, asks_a_day=50
)


async def measure(rounds: int = ROUNDS, offers: int = OFFERS, most: int = MOST) -> None:
    """Set up, measure by turns, and print; the curve goes up to `most` offers, and is left out at 0."""
    watch, key, random = Stopwatch(), secrets.token_bytes(32), Random(7)
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="alongside-bench-") as folder:
        url = f"sqlite:///{Path(folder) / 'alongside.db'}"
        store = await Store.open(url, key)
        request = await _fill(store, offers, now, random)
        watch.note(f"{offers} offers are written")
        assert request is not None
        words = Catalogue()
        ahead: list[float] = []
        cold: list[float] = []
        warm: list[float] = []
        rule: list[float] = []
        sends: list[float] = []
        async with Homeserver() as homeserver, Crowd(homeserver) as crowd:
            one, two = await crowd.grow(2)
            room = await one.open_chat(two.user_id)
            await two.join(room)
            await one.share(room, two.user_id)
            await one.say(room, "the first, for which the homeserver warms up")
            for number in range(rounds):
                await store.close()
                store = await Store.open(url, key)
                begun = time.perf_counter()
                await store.open_ahead(Offer)
                ahead.append(time.perf_counter() - begun)
                for taken in (cold, warm):
                    now += timedelta(hours=1)
                    taken.append(await _turn(store, words, request, now, Random(number)))
                rule.append(await _rule(store, request, now, Random(number)))
                begun = time.perf_counter()
                await one.say(room, "Somebody asks for company. They would like: listening.")
                sends.append(time.perf_counter() - begun)
                watch.note(f"{number + 1} of {rounds} rounds")
            await store.close()
            curve = await _curve(key, Path(folder), words, now, most, watch)
    table = Table(f"matching: one round with {offers} offers")
    table.row("the whole turn, records in memory, ms", warm, 1000)
    table.row("the whole turn, first after a start, ms", cold, 1000)
    table.row("opening all offers before it, others' turns between, ms", ahead, 1000)
    table.row("the rule alone, ms", rule, 1000)
    table.row("one encrypted send, ms", sends, 1000)
    table.ratio("the whole turn over one encrypted send", warm, sends, Goal(1.0))
    table.ratio("the first after a start over one encrypted send", cold, sends, Goal(1.0))
    _show(curve, sends)
    say(f"({watch():.0f} s in all)")


@dataclass(frozen=True)
class _Point:
    """Seconds of whole turns and of the rule alone, with so many offers."""

    offers: int
    turns: list[float]
    rule: list[float]


async def _curve(
    key: bytes, folder: Path, words: Catalogue, now: datetime, most: int, watch: Stopwatch
) -> list[_Point]:
    """A point of the curve for each number of offers up to `most`, in one database that grows."""
    random, found = Random(8), []
    store = await Store.open(f"sqlite:///{folder / 'curve.db'}", key)
    request: RequestId | None = None
    there = 0
    for offers in (count for count in _CURVE if count <= most):
        while there < offers:
            some = min(_AT_ONCE, offers - there)
            made = await _fill(store, some, now, random, begin=there, asker=request is None)
            request, there = request or made, there + some
            if there % _TOLD == 0:
                watch.note(f"{there} of {most} offers of the curve are written")
        assert request is not None
        await store.open_ahead(Offer)
        turns, rule = [], []
        for number in range(_POINTS):
            now += timedelta(hours=1)
            turns.append(await _turn(store, words, request, now, Random(number)))
            rule.append(await _rule(store, request, now, Random(number)))
        found.append(_Point(offers, turns, rule))
        watch.note(f"the curve's point at {offers} offers")
    await store.close()
    return found


def _show(curve: list[_Point], sends: list[float]) -> None:
    if curve:
        table = Table("matching: the curve, records in memory")
        send = statistics.median(sends)
        for point in curve:
            table.row(f"the whole turn with {point.offers} offers, ms", point.turns, 1000)
            table.row("   the rule alone, ms", point.rule, 1000)
            table.row("   the whole turn over one encrypted send", point.turns, 1 / send)


async def _fill(
    store: Store, offers: int, now: datetime, random: Random, *, begin: int = 0, asker: bool = True
) -> RequestId | None:
    """Members with offers, from number `begin` on; and one member with a request that is due, if `asker`."""

    def member(number: int) -> Member:
        matrix_id = MatrixId(f"@member-{number}:home.test")
        room = RoomId(f"!room-{number}:home.test")
        return Member(store.member_id(matrix_id), matrix_id, now, room=room, told_limits=True)

    async with store.transaction("fill") as transaction:
        for number in range(begin, begin + offers):
            peer = member(number)
            await transaction.put(peer)
            offer = Offer(
                id=OfferId(secrets.token_hex(16)),
                member=peer.id,
                state=OfferState.OPEN,
                until=now + timedelta(days=60),
                due_at=now + timedelta(days=60),
                asked_at=now - timedelta(minutes=random.randrange(10_000)),
                topics=tuple(random.sample(_TOPICS, 2)),
                card="I have been through something like it. I listen, and I do not tell people what to do.",
                fear="tell_first",
                when=("now", "weekly", "standing")[number % 3],
                windows=(Window(tuple(range(7)), 8 * 60, 22 * 60),) if number % 3 == 1 else (),
                zone=random.choice(_ZONES),
            )
            await transaction.put(offer)
        if not asker:
            return None
        one = member(_ASKER)
        await transaction.put(one)
        request = Request(
            id=RequestId(secrets.token_hex(16)),
            member=one.id,
            state=RequestState.LOOKING,
            made_at=now,
            until=now + timedelta(days=60),
            due_at=now,
            round=0,
            wish="listening",
            topics=("grief", "work"),
            length=timedelta(hours=1),
            note="",
        )
        await transaction.put(request)
        return request.id


async def _turn(store: Store, words: Catalogue, request: RequestId, now: datetime, random: Random) -> float:
    """Seconds of one whole turn, its commit included."""
    begun = time.perf_counter()
    async with store.transaction("turn") as transaction:
        turn = Turn(
            event=Due("requests", request),
            now=now,
            records=transaction,
            community=_COMMUNITY,
            words=words,
            identify=store.member_id,
            random=random,
            crossing=Crossing(),
        )
        await dispatch(turn)
        await transaction.add_effects([("lane", "near", effect) for effect in turn.effects], now)
    took = time.perf_counter() - begun
    assert turn.effects, "nobody was asked"
    return took


async def _rule(store: Store, request: RequestId, now: datetime, random: Random) -> float:
    """Seconds of the rule itself: all offers are put in order, and the first who may be asked are found."""
    async with store.transaction("read") as transaction:
        wish = await transaction.get(Request, request)
        offers = await transaction.find(Offer, state=OfferState.OPEN)
    assert wish is not None
    wish = replace(wish, due_at=now)
    begun = time.perf_counter()

    def may_be_asked(offer: Offer) -> bool:
        return matching.may_be_asked(
            wish,
            offer,
            asked=set(),
            engaged=set(),
            apart=set(),
            asks_a_day=50,
            pause=timedelta(minutes=15),
            now=now,
        )

    found = filter(may_be_asked, matching.in_order(wish, offers, random.random))
    assert list(islice(found, _COMMUNITY.asks_at_once)), "nobody may be asked"
    return time.perf_counter() - begun
