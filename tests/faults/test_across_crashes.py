"""Two linked services are killed at their fail points, and what crosses ends as it would have.

In a file of its own, which can be played beside the other journeys.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from tests.faults.across import Across, make_pair
from tests.faults.crash import Rig
from tests.faults.kills import WITHIN, fresh_database, kill_rigs
from tests.live.homeserver import Homeserver, federated
from tests.live.postgres import Postgres

pytestmark = [pytest.mark.live, pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def synapses(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Homeserver]]:
    """Two homeservers that federate, for the crashes of this file alone."""
    servers = federated(2, tmp_path_factory.mktemp("crash-federation"), log_level="INFO")
    await asyncio.gather(*(server.start() for server in servers))
    yield servers
    for server in servers:
        await server.stop()


@pytest.mark.timeout(WITHIN)
async def test_killed_at_fail_points(
    synapses: list[Homeserver],
    ground: Postgres | None,
    tmp_path_factory: pytest.TempPathFactory,
    record_property: Callable[[str, object], None],
) -> None:
    """On both sides no request is lost, no room left, no counter goes back, and nothing is said twice."""

    async def make() -> Rig:
        urls = [await fresh_database(ground) for _ in synapses]
        return await make_pair(synapses, tmp_path_factory.mktemp("crash"), urls)

    # Much of what one waits for is the other homeserver's.
    await kill_rigs(Across, 12, make, ground, record_property, at_once=4)
