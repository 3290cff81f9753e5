"""A journey played once to find its fail points, and then killed at them, wherever that is.

Promise 3: no request is lost or matched twice, through any crash. `ALONGSIDE_CRASH=all` kills at every point
that the recorded journey reaches, `sample` (the default) at a spread of them. PostgreSQL always has a spread.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial

import pytest

from tests.faults.crash import Journey, Point, Rig, Supervised, points_of, rounds, spread, until
from tests.live.homeserver import Homeserver
from tests.live.postgres import Postgres

WITHIN = 7200
"""Seconds for all points of one journey."""
_AT_ONCE = 3
"""Journeys at once: most of one is waiting."""
_EVERY = os.environ.get("ALONGSIDE_CRASH", "sample") == "all"


class Runs:
    """Journeys on rigs of their own, a few at a time; a rig whose journey fails is not used again."""

    def __init__(
        self, journey: type[Journey], make: Callable[[], Awaitable[Rig]], at_once: int = _AT_ONCE
    ) -> None:
        self._journey = journey
        self._at_once = at_once
        self._make = make
        self._idle: list[Rig] = []
        self.expected: dict[str, list[str]] = {}
        self.covered: list[Point] = []
        self.failed: list[str] = []

    @asynccontextmanager
    async def _rig(self, *, fresh: bool) -> AsyncIterator[Rig]:
        """A rig that nobody uses; a `fresh` one has members who never met the service."""
        rig = self._idle.pop() if self._idle and not fresh else await self._make()
        try:
            yield rig
        except BaseException:
            await rig.close()
            raise
        if fresh:
            await rig.close()
        else:
            self._idle.append(rig)

    async def record(self) -> list[Point]:
        """Play one journey without a crash; the points that it reached."""
        async with self._rig(fresh=False) as rig:
            journey = self._journey(rig)
            _, reached = await journey.play()
            self.expected = journey.told()
            # The homeserver's own log has no request of ours more than those that passed a fail point.
            # It notes a request a moment after its answer.
            for service in rig.services.values():
                noted = partial(_all_noted, service)
                await until(noted, "the homeserver's note of each request")
                assert service.requests()[0] > 50
        return points_of(reached, self._journey.spared, self._journey.turning)

    async def crash(self, points: Iterable[Point], *, fresh: bool = False) -> list[Point]:
        """Play as many journeys as hold `points`, the service killed there; those that did not come up."""
        places = asyncio.Semaphore(self._at_once)

        async def one(kills: list[Point]) -> list[Point]:
            async with places:
                return await self._crash(kills, fresh=fresh)

        missed = await asyncio.gather(*map(one, rounds(points)))
        return [point for some in missed for point in some]

    async def _crash(self, kills: list[Point], *, fresh: bool) -> list[Point]:
        tail = ""
        try:
            async with self._rig(fresh=fresh) as rig:
                try:
                    journey = self._journey(rig)
                    covered, _ = await journey.play(kills)
                    told = journey.told()
                    for who, expected in self.expected.items():
                        assert told[who] == expected, _difference(who, told[who], expected)
                except AssertionError:
                    tail = rig.log_tail()
                    raise
        except AssertionError as error:
            named = "\n  ".join(map(str, kills))
            self.failed.append(f"killed at\n  {named}\n{error}\n{tail}")
            return []
        self.covered += covered
        return [kill for kill in kills if kill not in covered]

    async def close(self) -> None:
        """End the rigs."""
        await asyncio.gather(*(rig.close() for rig in self._idle))
        self._idle.clear()


def _all_noted(service: Supervised) -> bool:
    passed, noted = service.requests()
    return passed == noted


def _difference(who: str, told: list[str], expected: list[str]) -> str:
    index = next(
        (at for at, (one, other) in enumerate(zip(told, expected, strict=False)) if one != other),
        min(len(told), len(expected)),
    )
    return (
        f"the {who} was told {len(told)} things instead of {len(expected)}; from number {index} on:\n"
        f"  {told[index : index + 3]}\n  instead of\n  {expected[index : index + 3]}"
    )


async def kill_everywhere(
    journey: type[Journey],
    sample: int,
    homeserver: Homeserver,
    ground: Postgres | None,
    directories: pytest.TempPathFactory,
    record_property: Callable[[str, object], None],
) -> None:
    """Play `journey` with kills, at `sample` of its points or all; raises AssertionError where one fails."""

    async def make() -> Rig:
        url = await fresh_database(ground)
        return await Rig.make(homeserver, directories.mktemp("crash"), url, journey.settings)

    await kill_rigs(journey, sample, make, ground, record_property)


async def fresh_database(ground: Postgres | None) -> str | None:
    """The URL of a new database of the cluster, which stays until that ends; None for SQLite."""
    return await ground.create(f"crash_{secrets.token_hex(6)}") if ground is not None else None


async def kill_rigs(
    journey: type[Journey],
    sample: int,
    make: Callable[[], Awaitable[Rig]],
    ground: Postgres | None,
    record_property: Callable[[str, object], None],
    *,
    at_once: int = _AT_ONCE,
) -> None:
    """What `kill_everywhere` does, on the rigs that `make` gives, which stand on `ground`."""
    where = "SQLite" if ground is None else "PostgreSQL"
    every = _EVERY and ground is None
    runs = Runs(journey, make, at_once)
    try:
        found = await runs.record()
        assert len(found) > 100, found
        kills = found if every else spread(found, sample)
        missed = await runs.crash(kills)
        # What did not come up in its step the first time (a wait that ended just before, or what is done for
        # a new device alone) gets a second try, with new members.
        uncovered = await runs.crash(missed, fresh=True)
    finally:
        await runs.close()
    covered = len(set(runs.covered))
    named = f"crash points of {journey.called} on {where}"
    record_property("figure", f"{named}: {covered} covered of {len(found)} found")
    for point in uncovered:
        record_property("figure", f"  did not come up again: {point}")
    assert not runs.failed, "\n\n".join(runs.failed)
    # Of a few points one that comes and goes weighs more than of all.
    enough = 0.95 if kills is found else 0.75
    assert covered >= enough * len(kills), "too few points came up again to show anything"
