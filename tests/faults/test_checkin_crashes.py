"""Promise 7 holds wherever the service is killed: weeks of check-ins and a buddy, with kills.

In a file of its own, which can be played beside the other two journeys.
"""

from collections.abc import Callable

import pytest

from tests.faults.checkins import CheckIns
from tests.faults.kills import WITHIN, kill_everywhere
from tests.live.homeserver import Homeserver
from tests.live.postgres import Postgres

pytestmark = [pytest.mark.live, pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.timeout(WITHIN)
async def test_killed_at_fail_points(
    synapse: Homeserver,
    ground: Postgres | None,
    tmp_path_factory: pytest.TempPathFactory,
    record_property: Callable[[str, object], None],
) -> None:
    """Nothing twice, no burst, no buddy told falsely or twice, nothing lost, wherever the process died."""
    await kill_everywhere(CheckIns, 8, synapse, ground, tmp_path_factory, record_property)
