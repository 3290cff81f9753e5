"""Fresh SQLite databases without the work of making each: copies of one that the store made.

Guards: what is copied is what `Store.open` makes of a place where nothing was, tables and keyring included,
and it is made anew in each process of tests. What a first opening does is tested in
tests/service/test_store_opening.py, on places that are empty.
"""

from pathlib import Path

from service.store import Store
from service.store.statements import Statements

KEY = bytes(range(32))
"""The outer key of databases in tests."""

_made: dict[bytes, bytes] = {}
_statements: dict[str, Statements] = {}
"""Those of the first one, for all that are opened here: compiling them is a third of a short test."""


async def make(place: Path, key: bytes = KEY) -> str:
    """Make a database that holds nothing at `place`, where nothing is yet; returns its address."""
    url = f"sqlite:///{place}"
    if key not in _made:
        await (await Store.open(url, key)).close()
        _keep(place, key)
    else:
        _copy(_made[key], place)
    return url


def _keep(place: Path, key: bytes) -> None:
    assert not place.with_name(place.name + "-wal").exists(), "a part of it lies in another file"
    _made[key] = place.read_bytes()


def _copy(content: bytes, place: Path) -> None:
    place.touch(mode=0o600, exist_ok=False)
    place.write_bytes(content)


async def opened(place: Path, key: bytes = KEY) -> Store:
    """The database at `place`, open; a fresh one where there is none yet."""
    if not _there(place):
        await make(place, key)
    store = await Store.open(f"sqlite:///{place}", key)
    store.statements = _statements.setdefault("sqlite", store.statements)
    return store


def _there(place: Path) -> bool:
    return place.exists()
