"""What a hostile partner sends and is refused leaves no trace, and all that it sends costs bounded work.

Work is counted: statements on the database, signatures looked at, seals opened and made.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from schema.events import Event, FromLink, Message
from schema.ids import EventId
from schema.records import (
    Link,
    LinkEpoch,
    Received,
    Record,
    Request,
)
from schema.states import LinkState
from schema.wire import (
    Body,
    Envelope,
    Error,
    Hello,
    Json,
)
from service.core.pace import Pace
from service.crossing import Crossing
from service.envelope import Channel, Secrets
from service.intake import PACE, Intake
from tests.handlers.hostile import THIRD, Partner
from tests.handlers.hostile_play import KINDS, REQUEST, STEPS, World, hostile
from tests.handlers.story import STEWARDS
from tests.handlers.two import NORTH_AT
from tests.schema import another

# What is refused


def _hours(number: int) -> int:
    return number * 3600


REFUSED: dict[str, Callable[[Partner, bytes, int], dict[str, Any]]] = {
    "forged": lambda partner, plain, now: partner.sealed(plain) | {"signature": "A" * 86},
    "for another audience": lambda partner, plain, now: partner.sealed(plain, audience=partner.them),
    "over another link": lambda partner, plain, now: partner.sealed(plain, link=THIRD),
    "over none": lambda partner, plain, now: partner.sealed(plain, link="0" * 32),
    "of other keys": lambda partner, plain, now: partner.sealed(plain, epoch=2),
    "expired": lambda partner, plain, now: partner.sealed(plain, issued=now - _hours(2), expires=now),
    "future": lambda partner, plain, now: partner.sealed(plain, issued=now + 301, expires=now + _hours(2)),
    "too long": lambda partner, plain, now: partner.sealed(plain, expires=now + _hours(24 * 8) + 1),
    "unknown version": lambda partner, plain, now: partner.sealed(plain, version=2),
    "too large": lambda partner, plain, now: partner.sealed(plain) | {"sealed": "A" * 13_000},
    "malformed": lambda partner, plain, now: partner.sealed(plain) | {"counter": "7"},
    "with more in it": lambda partner, plain, now: partner.sealed(plain) | {"user": "@ana:example.org"},
    "not sealed to us": lambda partner, plain, now: another.sign(
        partner.header() | {"sealed": "A" * 2880}, partner.keys, partner.made
    ),
    "padded otherwise": lambda partner, plain, now: partner.sealed(plain, padded=3072),
    "no body": lambda partner, plain, now: partner.sealed(b'{"kind":"concern"}'),
    "outside of the terms": lambda partner, plain, now: partner.sealed(
        plain.replace(b'"topics":[]', b'"topics":["weather"]')
    ),
}
"""What the issue of links names, made of an ask that would be taken."""


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_refused_leaves_no_trace(why: str) -> None:
    """Nobody hears of it, no record but the counter changes, and the partner is told of a version alone."""

    async def work(world: World) -> None:
        side, partner = world.side, world.partner
        content = REFUSED[why](partner, another.canonical(world.ask()), int(side.now.timestamp()))
        told = await _refused(world, json.dumps(content))
        assert [body.code for body in told if isinstance(body, Error)] == ["version"] * len(told)
        assert len(told) == (why == "unknown version")

    hostile(work)


async def _refused(world: World, content: str) -> list[Body]:
    """Have that come, and hold it against what there was before; what the partner was told."""
    side = world.side
    before, said = side.records.rows, len(side.log)
    told = await world.partner.sends(content)
    assert len(side.log) == said
    assert {name: _uncounted(one) for name, one in side.records.rows.items()} == {
        name: _uncounted(one) for name, one in before.items()
    }
    world.check()
    return told


def _uncounted(record: Record) -> Record:
    """The record; a link without what it counts."""
    if not isinstance(record, Link):
        return record
    epochs = tuple(replace(one, sent=0, sent_at=0, received=Received()) for one in record.epochs)
    return replace(record, epochs=epochs)


def test_what_comes_again_or_too_late_is_refused() -> None:
    """Also where it is the desk's own word that comes back, and where 1,024 others overtook it."""

    async def work(world: World) -> None:
        partner = world.partner
        late = json.dumps(partner.sealed(another.canonical(world.ask(request="d" * 32))))
        await partner.says(world.ask())
        taken = partner.contents[-1]
        await partner.says(
            {"kind": "error", "code": "quota", "versions": [1]}, counter=partner.counter + 1024
        )
        for content in (taken, late, next(one for one in partner.contents if one != taken)):
            assert await _refused(world, content) == []

    hostile(work)


def test_over_quota_is_refused_and_told_once_an_hour() -> None:
    """One ask more than a day's is put to nobody."""

    async def work(world: World) -> None:
        partner, quota = world.partner, []
        for number in range(5):
            await partner.says(world.ask(request=f"{number:032x}"))
        for number in range(5, 9):
            content = json.dumps(partner.sealed(another.canonical(world.ask(request=f"{number:032x}"))))
            quota += await _refused(world, content)
        assert [body.code for body in quota if isinstance(body, Error)] == ["quota"]

    hostile(work)


@pytest.mark.parametrize("way", ["onwards", "what it left out", "from before the link"])
def test_days_that_it_says_were_before_give_a_partner_no_more_asks(way: str) -> None:
    """It spoke all along, left counters out, or is new: eight days' asks at once are one day's."""

    async def work(world: World) -> None:
        side, partner = world.side, world.partner
        error = {"kind": "error", "code": "quota", "versions": [1]}
        if way != "from before the link":
            for _ in range(8):
                await side.wait(timedelta(days=1))
                await partner.says(error)
        if way == "what it left out":
            await partner.says(error, counter=partner.counter + 100)
        now = int(side.now.timestamp())
        asks = 0
        for day in range(7, -1, -1):
            issued = now - _hours(24 * day)
            for number in range(5):
                body = world.ask(request=f"{day:016x}{number:016x}")
                await partner.says(body, issued=issued, expires=issued + _hours(24 * 8))
                asks += any(str(one.id) == body["request"] for one in side.records.all(Request))
        assert asks == 5

    hostile(work)


@pytest.mark.parametrize(("word", "state"), [("pause", LinkState.PAUSED), ("cut", None)])
def test_over_a_paused_or_a_cut_link_nothing_begins(word: str, state: LinkState | None) -> None:
    """And nothing is told to whoever tries."""

    async def work(world: World) -> None:
        side = world.side
        await side.steward("sam", f"{word} {NORTH_AT}", "yes")
        await world.hears()
        found = [one.state for one in side.records.all(Link) if one.id == world.partner.link]
        assert found == ([state] if state is not None else [])
        for kind in ("ask", "answer", "consent", "introduce", "note"):
            content = world.partner.sealed(another.canonical(world.body(kind, 0, 1, 2)))
            assert await _refused(world, json.dumps(content)) == []

    hostile(work)


def test_a_counter_that_went_back_stops_the_link_and_both_sides_see_it() -> None:
    """The stewards read so, the partner hears a step to new keys, and nothing else is taken."""

    async def work(world: World) -> None:
        side = world.side
        await side.wait(timedelta(minutes=5))
        told = await world.partner.says(world.ask(), counter=1)
        assert [body.reason for body in told if isinstance(body, Hello)] == ["restored"]
        assert len(told) == 1
        (link,) = [one for one in side.records.all(Link) if one.id == world.partner.link]
        assert link.state is LinkState.RESYNC
        heard = side.last(STEWARDS)
        assert "backup" in heard
        assert await world.partner.says(world.ask(), counter=2) == []
        assert side.last(STEWARDS) == heard
        assert not any(str(one.id) == REQUEST for one in side.records.all(Request))

    hostile(work)


# What it costs


class _Watched(Channel):
    """A channel whose work is counted."""

    def __init__(self, inner: Channel, work: Counter[str]) -> None:
        self._inner, self._work = inner, work

    def verify(self, content: Json) -> bool:
        self._work["verified"] += 1
        return self._inner.verify(content)

    def open(self, envelope: Envelope) -> Body:
        self._work["opened"] += 1
        return self._inner.open(envelope)

    def seal(self, body: Body, *, counter: int, issued: int, expires: int) -> Envelope:
        self._work["sealed"] += 1
        return self._inner.seal(body, counter=counter, issued=issued, expires=expires)


class _WatchedIntake(Intake):
    """An intake whose work with keys is counted."""

    def __init__(self, work: Counter[str], pace: Pace = PACE) -> None:
        super().__init__(pace)
        self._work = work

    def channel(self, link: Link, epoch: LinkEpoch, secrets: Secrets) -> Channel:
        return _Watched(super().channel(link, epoch, secrets), self._work)


def _watch(world: World, pace: Pace = PACE) -> Counter[str]:
    """What the desk does with keys from now on."""
    work: Counter[str] = Counter()
    crossing = Crossing()
    crossing._intake = _WatchedIntake(work, pace)
    world.side.engine._crossing = crossing
    return work


REFUSED_COSTS, TAKEN_COSTS = 8, 90
"""Statements on the database, at most, for one envelope that is refused, and for one that is taken."""


@pytest.mark.parametrize("why", [*REFUSED, "again"])
def test_what_is_refused_costs_little(why: str) -> None:
    """No key is used on what fails a cheaper check, and the private one on nothing that is not signed."""

    async def work(world: World) -> None:
        side, partner = world.side, world.partner
        await partner.says({"kind": "error", "code": "quota", "versions": [1]})
        made = REFUSED.get(why, lambda partner, plain, now: json.loads(partner.contents[-1]))
        content = json.dumps(made(partner, another.canonical(world.ask()), int(side.now.timestamp())))
        keys, before = _watch(world), side.counted.statements
        await partner.sends(content)
        told = why == "unknown version"
        assert side.counted.statements - before <= REFUSED_COSTS + 4 * told
        opened = why in ("not sealed to us", "padded otherwise", "no body", "outside of the terms")
        verified = opened or told or why == "forged"
        assert keys == Counter({"verified": int(verified), "opened": int(opened), "sealed": int(told)})

    hostile(work)


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_what_is_taken_costs_no_more_after_much_that_came_before(step: str) -> None:
    """Each kind, at any step, first and after hundreds: one signature, one seal, few statements."""

    async def work(world: World) -> None:
        await world.far(step)
        keys = _watch(world)
        for number in range(240):
            kind = KINDS[number % (len(KINDS) - 1)]
            body = world.body(kind, number // 7, number // 3, number)
            before, statements = Counter(keys), world.side.counted.statements
            sent = len(world.partner.told)
            await world.partner.says(body)
            assert world.side.counted.statements - statements <= TAKEN_COSTS, (kind, number)
            work = keys - before
            assert work["verified"] <= 1
            assert work["opened"] <= 1
            assert work["sealed"] <= len(world.partner.told) - sent + 1
        world.check()

    hostile(work)


def test_a_flood_over_one_link_holds_up_nobody() -> None:
    """No more is worked on than the pace allows; a member and another link are heard among it."""

    async def work(world: World) -> None:
        side, partner, third = world.side, world.partner, world.third
        keys = _watch(world, Pace(most=50, every=60))
        plain = another.canonical(world.ask())
        flood: list[Event] = [
            FromLink(
                EventId(f"$flood-{number}"),
                partner.room,
                partner.at,
                json.dumps(partner.sealed(plain) | {"signature": "A" * 86} if number % 2 else {"version": 1}),
                True,
            )
            for number in range(1000)
        ]
        asks = json.dumps(third.sealed(another.canonical(world.ask(request="9" * 32))))
        flood.insert(500, FromLink(EventId("$third"), third.room, third.at, asks, True))
        said = Message(EventId("$ben"), side.chat("ben"), side.address("ben"), "status", side.now)
        flood.insert(700, said)
        heard = len(side.heard("ben"))
        await side.events(*flood)
        await side.pump()
        assert keys["verified"] == 50 + 1
        assert keys["opened"] == 1
        assert len(side.heard("ben")) > heard
        assert any(str(one.id) == "9" * 32 for one in side.records.all(Request))
        await world.hears()
        world.check()

    hostile(work)
