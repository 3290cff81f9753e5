"""The encryption state at rest: memory first, changed rows kept until a transaction has committed them.

Guards:
- A change marks its row; nothing is written behind the caller's back. `changed()` gives the rows for a
  transaction, `committed()` forgets the marks that it covered; a row changed again meanwhile stays marked.
- Rows are named by keyed hashes and sealed by the store; pickles inside have a random key of their own.
- A request that carries the product of a change (a claim, a to-device message, a key upload) goes out only
  these rows are committed.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schema.events import FromMatrix
from schema.ids import EventId

Row = tuple[str, str]
"""The kind and the id of a row in table `crypto`."""


class Unread(Protocol):
    """One event that could not be read yet, as the store gives it back."""

    @property
    def id(self) -> str: ...
    @property
    def raw(self) -> bytes: ...
    @property
    def since(self) -> datetime: ...


class Lookup(Protocol):
    """The store's keyed hashes."""

    def lookup(self, column: str, value: str) -> str: ...


class Transaction(Protocol):
    """What this package asks of one transaction of the store."""

    async def take_in(self, events: Sequence[FromMatrix], received_at: datetime) -> None: ...
    async def mark_seen(self, event_ids: Collection[EventId], at: datetime) -> None: ...
    async def seen(self, event_ids: Collection[EventId]) -> set[EventId]: ...
    async def read_instance(self, name: str) -> bytes | None: ...
    async def write_instance(self, name: str, value: bytes | None) -> None: ...
    async def read_crypto(self) -> Sequence[tuple[str, str, bytes]]: ...
    async def write_crypto(self, rows: Mapping[Row, bytes | None]) -> None: ...
    async def read_chats(self) -> Sequence[tuple[str, bytes]]: ...
    async def write_chats(self, rows: Mapping[str, bytes | None]) -> None: ...
    async def keep_unread(self, event_id: EventId, session: str, raw: bytes, since: datetime) -> None: ...
    async def unread_since(self, before: datetime) -> Sequence[Unread]: ...
    async def drop_unread(self, ids: Collection[str]) -> None: ...


class Records(Protocol):
    """What this package asks of the store."""

    @property
    def seal(self) -> Lookup: ...

    def transaction(self, name: str) -> AbstractAsyncContextManager[Transaction]: ...


@dataclass(frozen=True)
class Changed:
    """Rows for one transaction: plain bytes, or None for a row that goes; `marks` name the changes."""

    rows: dict[Row, bytes | None]
    marks: dict[Row, int]


class CryptoRows:
    """The marks of changed rows. `lookup(column, value)` makes a row's id: 32 hexadecimal characters."""

    def __init__(self, lookup: Callable[[str, str], str]) -> None:
        self._lookup = lookup
        self._marks: dict[Row, int] = {}
        self._make: dict[Row, Callable[[], bytes | None]] = {}
        self._count = 0

    def mark(self, kind: str, name: str, make: Callable[[], bytes | None]) -> None:
        """Row `name` of `kind` changed; `make` gives its bytes (None: it goes) when they are asked for."""
        row = (kind, self._lookup(f"crypto.{kind}", name))
        self._count += 1
        self._marks[row] = self._count
        self._make[row] = make

    @property
    def waiting(self) -> int:
        """How many rows wait for a transaction."""
        return len(self._make)

    def changed(self) -> Changed:
        """The rows that changed and are not committed yet."""
        return Changed({row: make() for row, make in self._make.items()}, dict(self._marks))

    def committed(self, changed: Changed) -> None:
        """These rows are on disk now."""
        for row, mark in changed.marks.items():
            if self._marks.get(row) == mark:
                del self._marks[row], self._make[row]
