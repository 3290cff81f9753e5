"""One connection to SQLite or to PostgreSQL, and the steps that it runs.

Guards: all steps that can wait run in one go, so that the event loop and SQLite's thread change hands twice a
turn instead of thirty times, for a quarter of the CPU; every error leaves as one of ours.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, cast

from asyncpg import ServerVersion
from asyncpg import exceptions as postgres
from sqlalchemy import URL, Dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from schema.errors import OperatorError, Unreachable
from service.store.errors import LOST, postgres_error, sqlite_error

Row = tuple[object, ...]

BUSY = 5000
"""Milliseconds that SQLite waits for another program's lock."""
_LEAST_POSTGRESQL = 15
"""The oldest major version that the service is tested on."""
_DEADLINE = 30.0
"""Seconds that one statement may take on PostgreSQL before its connection is given up."""


@dataclass(slots=True)
class Step:
    """A statement with one row of arguments, or many; `expect` are the rows that it must give."""

    sql: str
    arguments: Row | list[Row]
    many: bool = False
    expect: list[Row] | None = None


class Unexpected(Exception):
    """A step gave other rows than it must."""


class Driver(Protocol):
    """One connection to one kind of database; `run` gives the rows of its last step."""

    dialect: Dialect
    begin: ClassVar[str]
    settings: ClassVar[tuple[str, ...]]
    """Statements that every connection must run before any other."""

    @property
    def alive(self) -> bool: ...
    async def run(self, steps: Sequence[Step]) -> list[Row]: ...
    async def rollback(self) -> None: ...


class _Visited(Protocol):
    """What of an aiosqlite connection is used: SQLAlchemy's own dialect uses the same two members.

    aiosqlite's public calls visit the connection's thread once for each statement; this visits it once.
    """

    @property
    def _conn(self) -> sqlite3.Connection: ...
    def _execute(
        self, work: Callable[[sqlite3.Connection, Sequence[Step]], list[Row]], /, *given: object
    ) -> Awaitable[list[Row]]: ...
    async def rollback(self) -> None: ...


class SQLite:
    """SQLite through aiosqlite: a batch of steps is one visit to the connection's thread."""

    begin: ClassVar[str] = "BEGIN IMMEDIATE"
    settings: ClassVar[tuple[str, ...]] = (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA secure_delete = ON",
        "PRAGMA temp_store = MEMORY",
    )
    alive = True

    def __init__(self, dialect: Dialect, connection: _Visited) -> None:
        self.dialect = dialect
        self._connection = connection

    async def run(self, steps: Sequence[Step]) -> list[Row]:
        connection = self._connection
        try:
            return await connection._execute(_run_on_sqlite, connection._conn, steps)
        except sqlite3.Error as error:
            raise sqlite_error(error) from None

    async def rollback(self) -> None:
        await self._connection.rollback()


def _run_on_sqlite(connection: sqlite3.Connection, steps: Sequence[Step]) -> list[Row]:
    rows: list[Row] = []
    for step in steps:
        if step.many:
            connection.executemany(step.sql, cast(list[Row], step.arguments))
        else:
            rows = connection.execute(step.sql, step.arguments).fetchall()
            if step.expect is not None and rows != step.expect:
                raise Unexpected
    return rows


class _Session(Protocol):
    """What of an asyncpg connection is used."""

    async def fetch(self, query: str, /, *arguments: object) -> list[Iterable[object]]: ...
    async def execute(self, query: str, /) -> str: ...
    async def executemany(self, query: str, arguments: object, /) -> None: ...
    def is_closed(self) -> bool: ...
    def get_server_version(self) -> ServerVersion: ...


class PostgreSQL:
    """PostgreSQL through asyncpg, which prepares each statement once for a connection."""

    begin: ClassVar[str] = "BEGIN ISOLATION LEVEL SERIALIZABLE"
    settings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, dialect: Dialect, connection: _Session) -> None:
        self.dialect = dialect
        self._lost = False
        self._connection = connection

    @property
    def alive(self) -> bool:
        """Whether the connection is still of use, as far as is known without asking."""
        return not self._lost and not self._connection.is_closed()

    async def run(self, steps: Sequence[Step]) -> list[Row]:
        rows: list[Row] = []
        try:
            for step in steps:
                if step.many:
                    await self._connection.executemany(step.sql, step.arguments)
                elif step.arguments or step.sql.startswith("SELECT"):
                    rows = [tuple(row) for row in await self._connection.fetch(step.sql, *step.arguments)]
                    if step.expect is not None and rows != step.expect:
                        raise Unexpected
                elif await self._connection.execute(step.sql) == "ROLLBACK" != step.sql:
                    raise Unreachable("database: the transaction was given up")
        except LOST as error:
            self._lost = True
            raise Unreachable(f"database: {type(error).__name__}") from None
        except postgres.PostgresError as error:
            raise postgres_error(error) from None
        return rows

    async def rollback(self) -> None:
        if not self._connection.is_closed():
            await self._connection.execute("ROLLBACK")


async def driver_on(connection: AsyncConnection) -> Driver:
    """The driver that runs steps on SQLAlchemy's connection; OperatorError where the server is too old."""
    raw = (await connection.get_raw_connection()).driver_connection
    if connection.dialect.name == "sqlite":
        return SQLite(connection.dialect, cast(_Visited, raw))
    session = cast(_Session, raw)
    refuse_older(session.get_server_version().major)
    return PostgreSQL(connection.dialect, session)


def refuse_older(major: int) -> None:
    """Raise OperatorError for a PostgreSQL whose major version is older than the service needs."""
    if major < _LEAST_POSTGRESQL:
        raise OperatorError(
            f"The database server is PostgreSQL {major}, and this needs {_LEAST_POSTGRESQL} or later",
            fix="Upgrade the server, or give the address of a newer one; nothing was changed.",
            key="database.url",
            variable="ALONGSIDE_DATABASE__URL",
        )


def make_engine(address: URL) -> AsyncEngine:
    """What opens connections to the database at `address`; it opens none yet."""
    # The driver must not begin transactions by itself: SQLite's waits until the first write, and then loses
    # updates. We begin them.
    if address.get_backend_name() == "sqlite":
        return create_async_engine(
            address,
            isolation_level="AUTOCOMMIT",
            connect_args={"isolation_level": None, "timeout": BUSY / 1000},
        )
    return create_async_engine(address, connect_args={"command_timeout": _DEADLINE, "timeout": 10.0})
