"""A front desk over a homeserver in memory and a real database."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.matrix.desk import Desk
from tests.matrix.homeserver import Homeserver


@pytest.fixture
def server() -> Homeserver:
    """A homeserver in memory."""
    return Homeserver()


@pytest.fixture
async def desk(server: Homeserver, tmp_path: Path) -> AsyncIterator[Desk]:
    """A started front desk that has synced once."""
    desk = Desk(server, tmp_path / "alongside.db", patience=timedelta(minutes=2))
    await desk.start()
    await desk.sync.step()
    yield desk
    await desk.close()
