"""A real database in a temporary folder, for the parts that stand on one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.store import Store

KEY = bytes(range(32))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A fresh SQLite database."""
    store = await Store.open(f"sqlite:///{tmp_path}/alongside.db", KEY)
    yield store
    await store.close()
