"""What the tests of crashes share."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.live.homeserver import Homeserver


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def synapse(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Homeserver]:
    """A homeserver for the crashes of one file alone."""
    async with Homeserver(directory=tmp_path_factory.mktemp("crash-homeserver"), log_level="INFO") as server:
        yield server
