"""The service is killed at its fail points, and the journey still ends as it would have.

Promise 3: no request is lost or matched twice, through any crash. `ALONGSIDE_CRASH=all` kills at every point
that a recorded journey reaches, `sample` (the default) at a spread of them. PostgreSQL always has a spread.
Three journeys are played: a pairing with all that can come between, a community's own affairs, and weeks of
check-ins with a buddy: promise 7 holds through any crash too.
"""

import asyncio
import operator
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from tests.faults.checkins import CheckIns
from tests.faults.community import Community
from tests.faults.crash import Journey, Point, Rig, points_of, rounds, spread, until
from tests.live.homeserver import Homeserver
from tests.live.postgres import Postgres

pytestmark = [pytest.mark.live, pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]

_SAMPLE = 12
_FEW = 8
"""Points of the other journeys, whose kinds of turns and requests are nearly all in the first."""
_AT_ONCE = 3
"""Journeys at once: most of one is waiting."""
_EVERY = os.environ.get("ALONGSIDE_CRASH", "sample") == "all"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def synapse(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Homeserver]:
    """A homeserver for crashes alone."""
    async with Homeserver(directory=tmp_path_factory.mktemp("crash-homeserver"), log_level="INFO") as server:
        yield server


class _Runs:
    """Journeys on rigs of their own, a few at a time; a rig whose journey fails is not used again."""

    def __init__(
        self,
        journey: type[Journey],
        homeserver: Homeserver,
        directories: pytest.TempPathFactory,
        postgres: Postgres | None,
    ) -> None:
        self._journey = journey
        self._homeserver = homeserver
        self._postgres = postgres
        self._directories = directories
        self._idle: list[Rig] = []
        self.expected: dict[str, list[str]] = {}
        self.covered: list[Point] = []
        self.failed: list[str] = []

    @asynccontextmanager
    async def _rig(self, *, fresh: bool) -> AsyncIterator[Rig]:
        """A rig that nobody uses; a `fresh` one has members who never met the service."""
        if self._idle and not fresh:
            rig = self._idle.pop()
        else:
            url = None
            if self._postgres is not None:
                url = await self._postgres.create(f"crash_{secrets.token_hex(6)}")
            directory = self._directories.mktemp("crash")
            rig = await Rig.make(self._homeserver, directory, url, self._journey.settings)
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
            await until(lambda: operator.eq(*rig.requests()), "the homeserver's note of each request")
            assert rig.requests()[0] > 50
        return points_of(reached)

    async def crash(self, points: Iterable[Point], *, fresh: bool = False) -> list[Point]:
        """Play as many journeys as hold `points`, the service killed there; those that did not come up."""
        places = asyncio.Semaphore(_AT_ONCE)

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
                    tail = rig.instance.log_tail(60)
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


def _difference(who: str, told: list[str], expected: list[str]) -> str:
    index = next(
        (at for at, (one, other) in enumerate(zip(told, expected, strict=False)) if one != other),
        min(len(told), len(expected)),
    )
    return (
        f"the {who} was told {len(told)} things instead of {len(expected)}; from number {index} on:\n"
        f"  {told[index : index + 3]}\n  instead of\n  {expected[index : index + 3]}"
    )


@pytest.mark.timeout(4500)
@pytest.mark.parametrize(
    ("journey", "sample"),
    [
        pytest.param(Journey, _SAMPLE, id=Journey.called),
        pytest.param(Community, _FEW, id=Community.called),
        pytest.param(CheckIns, _FEW, id=CheckIns.called),
    ],
)
async def test_killed_at_fail_points(
    journey: type[Journey],
    sample: int,
    synapse: Homeserver,
    ground: Postgres | None,
    tmp_path_factory: pytest.TempPathFactory,
    record_property: Callable[[str, object], None],
) -> None:
    """No lost request, no second room, nothing said twice, nothing left, wherever the process died."""
    runs = _Runs(journey, synapse, tmp_path_factory, ground)
    try:
        found = await runs.record()
        assert len(found) > 100, found
        kills = found if _EVERY and ground is None else spread(found, sample)
        missed = await runs.crash(kills)
        # What did not come up in its step the first time (a wait that ended just before, or what is done for
        # a new device alone) gets a second try, with new members.
        uncovered = await runs.crash(missed, fresh=True)
    finally:
        await runs.close()
    covered, where = len(set(runs.covered)), "SQLite" if ground is None else "PostgreSQL"
    named = f"crash points of {journey.called} on {where}"
    record_property("figure", f"{named}: {covered} covered of {len(found)} found")
    for point in uncovered:
        record_property("figure", f"  did not come up again: {point}")
    assert not runs.failed, "\n\n".join(runs.failed)
    # Of a few points one that comes and goes weighs more than of all.
    enough = 0.95 if kills is found else 0.75
    assert covered >= enough * len(kills), "too few points came up again to show anything"
