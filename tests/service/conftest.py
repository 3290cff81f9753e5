"""Real databases, for the parts that stand on one: SQLite in a temporary folder, and PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.store import Store
from tests import databases
from tests.databases import KEY
from tests.live.postgres import Postgres


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A fresh SQLite database."""
    store = await databases.opened(tmp_path / "alongside.db")
    yield store
    await store.close()


@pytest.fixture(scope="session")
def template(postgres: Postgres) -> str:
    """The name of a PostgreSQL database that has its tables and its keyring, to be copied."""

    async def make() -> None:
        store = await Store.open(await postgres.create("template_of_store"), KEY)
        await store.close()

    asyncio.run(make())
    return "template_of_store"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def postgres_or_none(request: pytest.FixtureRequest) -> Postgres | None:
    """PostgreSQL with its template, or None for SQLite; made here, where no loop is running yet."""
    if request.param == "sqlite":
        return None
    request.getfixturevalue("template")
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres


@pytest.fixture
async def url(postgres_or_none: Postgres | None, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a fresh database, of each kind in turn."""
    if postgres_or_none is None:
        yield await databases.make(tmp_path / "alongside.db")
        return
    async with postgres_or_none.database("template_of_store") as address:
        yield address


@pytest.fixture
async def empty_url(postgres_or_none: Postgres | None, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a database that has not even tables, of each kind in turn."""
    if postgres_or_none is None:
        yield f"sqlite:///{tmp_path}/alongside.db"
        return
    async with postgres_or_none.database() as address:
        yield address


@pytest.fixture
async def either(url: str) -> AsyncIterator[Store]:
    """An open database, of each kind in turn."""
    store = await Store.open(url, KEY)
    yield store
    await store.close()
