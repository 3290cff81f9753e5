"""The service is killed at its fail points, and the journey still ends as it would have.

Two journeys are played: a pairing with all that can come between, and a community's own affairs.
"""

from collections.abc import Callable

import pytest

from tests.faults.community import Community
from tests.faults.crash import Journey
from tests.faults.kills import WITHIN, kill_everywhere
from tests.live.homeserver import Homeserver
from tests.live.postgres import Postgres

pytestmark = [pytest.mark.live, pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.timeout(WITHIN)
@pytest.mark.parametrize(
    ("journey", "sample"),
    [
        pytest.param(Journey, 12, id=Journey.called),
        # Whose kinds of turns and requests are nearly all in the first: a sample would show little more.
        pytest.param(Community, 8, id=Community.called, marks=pytest.mark.long),
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
    await kill_everywhere(journey, sample, synapse, ground, tmp_path_factory, record_property)
