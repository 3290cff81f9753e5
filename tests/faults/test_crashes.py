"""The service is killed at its fail points, and the journey still ends as it would have.

Promise 3: no request is lost or matched twice, through any crash. `ALONGSIDE_CRASH=all` kills at every point
that a recorded journey reaches, `sample` (the default) at a spread of them.
"""

import os
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults.crash import Journey, Point, Rig, points_of, rounds, spread
from tests.live.homeserver import Homeserver

pytestmark = [pytest.mark.live, pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]

_SAMPLE = 12
_EVERY = os.environ.get("ALONGSIDE_CRASH", "sample") == "all"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def synapse(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Homeserver]:
    """A homeserver for crashes alone."""
    async with Homeserver(directory=tmp_path_factory.mktemp("crash-homeserver"), log_level="INFO") as server:
        yield server


class _Runs:
    """Journeys one after another on one rig; a journey that fails is followed by one on a new rig."""

    def __init__(self, homeserver: Homeserver, directories: pytest.TempPathFactory) -> None:
        self._homeserver = homeserver
        self._directories = directories
        self.rig: Rig | None = None
        self.expected: dict[str, list[str]] = {}
        self.covered: list[Point] = []
        self.failed: list[str] = []

    async def fresh(self) -> Rig:
        """The rig, made anew where there is none."""
        if self.rig is None:
            self.rig = await Rig.make(self._homeserver, self._directories.mktemp("crash"))
        return self.rig

    async def record(self) -> list[Point]:
        """Play one journey without a crash; the points that it reached."""
        journey = Journey(await self.fresh())
        _, reached = await journey.play()
        self.expected = journey.told()
        return points_of(reached)

    async def crash(self, kills: list[Point]) -> list[Point]:
        """Play one journey with the service killed at `kills`; those that did not come up."""
        rig = await self.fresh()
        journey = Journey(rig)
        try:
            covered, _ = await journey.play(kills)
            told = journey.told()
            for who, expected in self.expected.items():
                assert told[who] == expected, _difference(who, told[who], expected)
        except AssertionError as error:
            named = "\n  ".join(map(str, kills))
            self.failed.append(f"killed at\n  {named}\n{error}\n{rig.instance.log_tail(60)}")
            await rig.close()
            self.rig = None
            return []
        self.covered += covered
        return [kill for kill in kills if kill not in covered]

    async def close(self) -> None:
        """End the rig."""
        if self.rig is not None:
            await self.rig.close()
            self.rig = None


def _difference(who: str, told: list[str], expected: list[str]) -> str:
    index = next(
        (at for at, (one, other) in enumerate(zip(told, expected, strict=False)) if one != other),
        min(len(told), len(expected)),
    )
    return (
        f"the {who} was told {len(told)} things instead of {len(expected)}; from number {index} on:\n"
        f"  {told[index : index + 3]}\n  instead of\n  {expected[index : index + 3]}"
    )


@pytest.mark.timeout(3000)
async def test_killed_at_fail_points(
    synapse: Homeserver, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """No lost request, no second room, nothing said twice, nothing left, wherever the process died."""
    runs = _Runs(synapse, tmp_path_factory)
    try:
        found = await runs.record()
        assert len(found) > 100, found
        # The homeserver's own log has no request of ours more than those that passed a fail point.
        passed, noted = (await runs.fresh()).requests()
        assert noted > 50
        assert noted == passed
        kills = found if _EVERY else spread(found, _SAMPLE)
        missed: list[Point] = []
        for one in rounds(kills):
            missed += await runs.crash(one)
        # What did not come up in its step the first time (a wait that ended just before, or what is done for
        # a new device alone) gets a second try, with new members.
        uncovered: list[Point] = []
        for one in rounds(missed):
            await runs.close()
            uncovered += await runs.crash(one)
    finally:
        await runs.close()
    with capsys.disabled():
        sys.stdout.write(f"\npoints covered {len(set(runs.covered))} of {len(found)} found\n")
        for point in uncovered:
            sys.stdout.write(f"  did not come up again: {point}\n")
    assert not runs.failed, "\n\n".join(runs.failed)
    assert len(set(runs.covered)) >= 0.75 * len(kills), "too few points came up again to show anything"
