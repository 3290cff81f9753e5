"""Every query: records, inbox, outbox and the rest, sealed on the way in and opened on the way out.

Guards: one transaction at a time, which reads what it wrote; nothing reaches a sealed column but through
`Transaction._seal`; a lost lease commits nothing; a database that is newer than the program, damaged, full or
read-only stops the service with words that say what to do; no error holds a value.

SQLAlchemy builds the statements, opens the connections and runs the migrations. The statements of a
transaction are compiled once, and run on the driver's own connection, all that can wait in one step: the
event loop and SQLite's thread change hands twice a turn instead of thirty times, for a quarter of the CPU.
"""

import asyncio
import dataclasses
import errno
import sqlite3
import types
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from secrets import token_hex
from typing import Annotated, ClassVar, NotRequired, Protocol, TypeVar, cast, get_type_hints

from asyncpg import exceptions as postgres
from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError
from sqlalchemy import (
    URL,
    Dialect,
    Integer,
    LargeBinary,
    bindparam,
    delete,
    func,
    make_url,
    or_,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy import literal_column as literal
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql.compiler import SQLCompiler
from typing_extensions import TypedDict

from schema import migrations, tables
from schema.effects import Effect
from schema.errors import ConfigurationError, LeaseHeld, OperatorError, SealBroken, Unreachable
from schema.events import Due, FromMatrix
from schema.ids import EventId, MatrixId, MemberId, OutboxId
from schema.records import Ask, Member, Offer, Pairing, PeerRoom, Record, Request
from schema.tables import AnyTable
from service.failpoint import reached
from service.seal import Keyring, Seal

R = TypeVar("R", bound=Record)
_Row = tuple[object, ...]

_KEEP_SEEN = timedelta(days=14)
_REMEMBERED = 4096
"""Opened records kept in memory: enough to match 2,000 offers without opening each again."""
_RESEAL_BATCH = 500
_BUSY = 5000
"""Milliseconds that SQLite waits for another program's lock."""
_DEADLINE = 30.0
"""Seconds that one statement may take on PostgreSQL before its connection is given up."""

_SHAPES_OF = (Member, Request, Offer, Ask, Pairing, PeerRoom)
_NOT_REMEMBERED = frozenset((Member,))
"""A member's prompt holds a draft, which is a dict: somebody could change it in place."""

_EFFECT: TypeAdapter[Effect] = TypeAdapter(Annotated[Effect, Field(discriminator="type")])
_EVENT: TypeAdapter[FromMatrix] = TypeAdapter(Annotated[FromMatrix, Field(discriminator="type")])


class Guard(Protocol):
    """The lease, as the store sees it (`service.lease.Lease`): `check` raises LeaseHeld once it is lost."""

    epoch: int
    holder: str

    def check(self) -> None: ...


@dataclass(frozen=True)
class InboxRow:
    """One event that waits to be handled; `failures` counts the turns that failed on it."""

    seq: int
    id: str
    event: FromMatrix
    received_at: datetime
    failures: int


@dataclass(frozen=True)
class OutboxRow:
    """One effect that waits to be delivered; `lane` is a keyed hash, equal for equal lanes."""

    id: OutboxId
    seq: int
    lane: str
    effect: Effect
    made_at: datetime
    attempts: int
    next_at: datetime | None

    def again(self, next_at: datetime) -> "OutboxRow":
        """The same effect after one more try, put off until `next_at`."""
        return dataclasses.replace(self, attempts=self.attempts + 1, next_at=next_at)


@dataclass(frozen=True)
class Unread:
    """An encrypted event whose key has not come: `raw` is what `keep_unread` was given."""

    id: str
    raw: bytes
    since: datetime


# --- Statements ---------------------------------------------------------------------------------------------


class _Clause(Protocol):
    """What of SQLAlchemy's statements is used here."""

    def compile(self, *, dialect: Dialect) -> object: ...


class _Statement:
    """One compiled statement: its text, how arguments go in and how a row comes out."""

    __slots__ = ("_inputs", "_outputs", "sql")

    def __init__(self, clause: _Clause, dialect: Dialect) -> None:
        compiled = cast(SQLCompiler, clause.compile(dialect=dialect))
        self.sql = compiled.string
        self._inputs = tuple(
            (
                name,
                compiled.params.get(name),
                compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect),
            )
            for name in compiled.positiontup or ()
        )
        columns = getattr(clause, "selected_columns", ())
        outputs = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._outputs = tuple(outputs) if any(outputs) else None

    def arguments(self, values: Mapping[str, object]) -> _Row:
        """The arguments in the statement's order; raises ValueError for what may not lie in its column."""
        return tuple(
            [
                value if process is None else process(value)
                for value, process in (
                    (values.get(name, default), process) for name, default, process in self._inputs
                )
            ]
        )

    def results(self, rows: Iterable[_Row]) -> list[_Row]:
        """Rows in our types."""
        outputs = self._outputs
        if outputs is None:
            return list(rows)
        return [
            tuple(
                [
                    value if process is None else process(value)
                    for value, process in zip(row, outputs, strict=True)
                ]
            )
            for row in rows
        ]


@dataclass(slots=True)
class _Step:
    """A statement with one row of arguments, or many; `expect` are the rows that it must give."""

    sql: str
    arguments: _Row | list[_Row]
    many: bool = False
    expect: list[_Row] | None = None


class _Unexpected(Exception):
    """A step gave other rows than it must."""


class _Visited(Protocol):
    """What of an aiosqlite connection is used: SQLAlchemy's own dialect uses the same two members.

    aiosqlite's public calls visit the connection's thread once for each statement; this visits it once.
    """

    @property
    def _conn(self) -> sqlite3.Connection: ...
    def _execute(
        self, work: Callable[[sqlite3.Connection, Sequence[_Step]], list[_Row]], /, *given: object
    ) -> Awaitable[list[_Row]]: ...
    async def rollback(self) -> None: ...


class _Session(Protocol):
    """What of an asyncpg connection is used."""

    async def fetch(self, query: str, /, *arguments: object) -> list[Iterable[object]]: ...
    async def execute(self, query: str, /) -> str: ...
    async def executemany(self, query: str, arguments: object, /) -> None: ...
    def is_closed(self) -> bool: ...


# --- Drivers ------------------------------------------------------------------------------------------------


class _Driver(Protocol):
    """One connection to one kind of database; `run` gives the rows of its last step."""

    dialect: Dialect
    begin: ClassVar[str]

    @property
    def alive(self) -> bool: ...
    async def run(self, steps: Sequence[_Step]) -> list[_Row]: ...
    async def rollback(self) -> None: ...


class _SQLite:
    """SQLite through aiosqlite: a batch of steps is one visit to the connection's thread."""

    begin: ClassVar[str] = "BEGIN IMMEDIATE"
    alive = True

    def __init__(self, dialect: Dialect, connection: _Visited) -> None:
        self.dialect = dialect
        self._connection = connection

    async def run(self, steps: Sequence[_Step]) -> list[_Row]:
        connection = self._connection
        try:
            return await connection._execute(_run_on_sqlite, connection._conn, steps)
        except sqlite3.Error as error:
            raise _sqlite_error(error) from None

    async def rollback(self) -> None:
        await self._connection.rollback()


def _run_on_sqlite(connection: sqlite3.Connection, steps: Sequence[_Step]) -> list[_Row]:
    rows: list[_Row] = []
    for step in steps:
        if step.many:
            connection.executemany(step.sql, cast(list[_Row], step.arguments))
        else:
            rows = connection.execute(step.sql, step.arguments).fetchall()
            if step.expect is not None and rows != step.expect:
                raise _Unexpected
    return rows


class _PostgreSQL:
    """PostgreSQL through asyncpg, which prepares each statement once for a connection."""

    begin: ClassVar[str] = "BEGIN ISOLATION LEVEL SERIALIZABLE"

    def __init__(self, dialect: Dialect, connection: _Session) -> None:
        self.dialect = dialect
        self._lost = False
        self._connection = connection

    @property
    def alive(self) -> bool:
        """Whether the connection is still of use, as far as is known without asking."""
        return not self._lost and not self._connection.is_closed()

    async def run(self, steps: Sequence[_Step]) -> list[_Row]:
        rows: list[_Row] = []
        try:
            for step in steps:
                if step.many:
                    await self._connection.executemany(step.sql, step.arguments)
                elif step.arguments or step.sql.startswith("SELECT"):
                    rows = [tuple(row) for row in await self._connection.fetch(step.sql, *step.arguments)]
                    if step.expect is not None and rows != step.expect:
                        raise _Unexpected
                elif await self._connection.execute(step.sql) == "ROLLBACK" != step.sql:
                    raise Unreachable("database: the transaction was given up")
        except LOST as error:
            self._lost = True
            raise Unreachable(f"database: {type(error).__name__}") from None
        except postgres.PostgresError as error:
            raise _postgres_error(error) from None
        return rows

    async def rollback(self) -> None:
        if not self._connection.is_closed():
            await self._connection.execute("ROLLBACK")


LOST = (
    OSError,
    postgres.InterfaceError,
    postgres.PostgresConnectionError,
    postgres.OperatorInterventionError,
    postgres.InternalClientError,
)
"""Errors after which a connection to PostgreSQL is of no more use; TimeoutError is an OSError.

A connection that the server cut while nobody asked anything answers the next question with an internal error.
"""

_FULL = ("The disk that holds the database is full", "Make room on it, then start the service again.")
_READ_ONLY = (
    "The database cannot be written",
    "Give the service's user write access to the database's folder, on a disk that is not mounted read-only.",
)
_BROKEN = (
    "The database is damaged, or is not a database of this service",
    "Stop the service, keep the file, and restore the last backup; OPERATING.md says how.",
)


def _sqlite_error(error: BaseException) -> Exception:
    """Our error for one of SQLite's; what is left is our bug and stays as it is."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unreachable("database: locked by another program")
    for prefixes, (problem, fix) in (
        (("SQLITE_FULL",), _FULL),
        (("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH"), _READ_ONLY),
        (("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT"), _BROKEN),
        (
            ("SQLITE_IOERR",),
            ("The disk that holds the database fails", "Look at the disk and its file system."),
        ),
    ):
        if name.startswith(prefixes):
            return OperatorError(
                f"{problem} ({name})", fix=fix, key="database.url", variable="ALONGSIDE_DATABASE__URL"
            )
    return cast(Exception, error)


def _postgres_error(error: BaseException) -> Exception:
    """Our error for one of PostgreSQL's; what is left is our bug and stays as it is."""
    state = getattr(error, "sqlstate", "") or ""
    if state.startswith("40") or state in ("55P03", "57014"):
        return Unreachable(f"database: {type(error).__name__}")
    for states, (problem, fix) in (
        (("53100",), _FULL),
        (("25006",), ("The database server is read-only", "Use the primary server, not a standby.")),
        (
            ("28", "3D000", "42501", "0P"),
            (
                "The database server refuses us",
                "Check the user, the password and the database's name and owner.",
            ),
        ),
        (("XX001", "XX002"), _BROKEN),
    ):
        if state.startswith(states):
            return OperatorError(
                f"{problem} ({state})", fix=fix, key="database.url", variable="ALONGSIDE_DATABASE__URL"
            )
    if state.startswith("53"):
        return Unreachable(f"database: {type(error).__name__}")
    return cast(Exception, error)


# --- Rows ---------------------------------------------------------------------------------------------------


class _Shape:
    """How one kind of record lies in its table: which fields in clear, which sealed together."""

    def __init__(self, kind: type[Record]) -> None:
        self.kind = kind
        self.table = next(table for table in tables.RECORDS.values() if _names(kind, table))
        hints = get_type_hints(kind)
        fields = dataclasses.fields(kind)
        self.columns = tuple(column.name for column in self.table.c)
        self.sealed_at = self.columns.index("sealed")
        self.clear = tuple(
            (field.name, self.columns.index(field.name), _enum_of(hints[field.name]))
            for field in fields
            if field.name in self.columns
        )
        self.sealed = tuple(field.name for field in fields if field.name not in self.columns)
        shape = {
            field.name: NotRequired[hints[field.name]] if _has_default(field) else hints[field.name]
            for field in fields
            if field.name in self.sealed
        }
        self.text = TypeAdapter(_typed_dict(f"Sealed{kind.__name__}", shape))

    def record(self, row: _Row, text: bytes) -> Record:
        """The record of a row and its opened bytes."""
        values = _parsed(self.text, text)
        for name, at, enum in self.clear:
            value = row[at]
            values[name] = value if enum is None or value is None else enum(value)
        return self.kind(**values)  # type: ignore[arg-type]  # Checked by the adapter and by the columns.


T = TypeVar("T")


def _written(adapter: TypeAdapter[T], value: T) -> bytes:
    """`value` as JSON; raises TypeError for what its type does not allow, without showing it."""
    try:
        return adapter.dump_json(value, warnings="error")
    except PydanticSerializationError:
        raise TypeError(f"{type(value).__name__}: a value of another type than its field's") from None


def _parsed(adapter: TypeAdapter[T], text: bytes) -> T:
    """The value of what `_written` gave; raises TypeError for anything else, without showing it."""
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        where = ", ".join(
            sorted({str(one["loc"][0]) for one in error.errors(include_input=False) if one["loc"]})
        )
        raise TypeError(f"a kept row is not of the form that this program writes: {where}") from None


_typed_dict = cast(Callable[[str, Mapping[str, object]], type[dict[str, object]]], TypedDict)
"""TypedDict for fields that are known at run time only."""


def _names(kind: type[Record], table: AnyTable) -> bool:
    """Whether `table` is the table of `kind`: the name in the plural, with underscores."""
    return table.name.replace("_", "").removesuffix("s") == kind.__name__.lower()


def _enum_of(hint: object) -> type[Enum] | None:
    return hint if isinstance(hint, type) and issubclass(hint, Enum) else None


def _has_default(field: "dataclasses.Field[object]") -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


_SHAPES: Mapping[type[object], _Shape] = types.MappingProxyType({kind: _Shape(kind) for kind in _SHAPES_OF})


class _Statements:
    """The statements for one database, compiled when first wanted and kept."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._insert = sqlite.insert if dialect.name == "sqlite" else postgresql.insert
        self._kept: dict[object, _Statement] = {}

    def _keep(self, key: object, make: Callable[[], _Clause]) -> _Statement:
        statement = self._kept.get(key)
        if statement is None:
            statement = self._kept[key] = _Statement(make(), self._dialect)
        return statement

    def get(self, table: AnyTable, *by: str) -> _Statement:
        """Rows of `table` where the columns `by` equal what is given, ordered by the primary key."""
        return self._keep(
            ("get", table.name, by),
            lambda: (
                select(table)
                .where(*(table.c[name] == bindparam(name) for name in by))
                .order_by(*table.primary_key)
            ),
        )

    def first(self, table: AnyTable) -> _Statement:
        """Any one row of `table`."""
        return self._keep(("first", table.name), lambda: select(table).limit(bindparam("limit", 1)))

    def find(self, table: AnyTable, shape: tuple[tuple[str, int], ...]) -> _Statement:
        """Rows ordered by id; `shape` gives columns with the number of values: -1 for one, -2 for null."""

        def make() -> _Clause:
            query = select(table).order_by(*table.primary_key)
            for name, count in shape:
                column = table.c[name]
                if count == -2:
                    query = query.where(column.is_(None))
                elif count == -1:
                    query = query.where(column == bindparam(name))
                else:
                    query = query.where(or_(*(column == bindparam(f"{name}_{at}") for at in range(count))))
            return query

        return self._keep(("find", table.name, shape), make)

    def put(self, table: AnyTable) -> _Statement:
        """Write a whole row, new or not."""

        def make() -> _Clause:
            names = [column.name for column in table.c if column.name != "seq"]
            key = tables.naming_columns(table)
            query = self._insert(table).inline().values({name: bindparam(name) for name in names})
            changed = {name: query.excluded[name] for name in names if name not in key}
            return query.on_conflict_do_update(index_elements=key, set_=changed)

        return self._keep(("put", table.name), make)

    def add(self, table: AnyTable) -> _Statement:
        """Write a row unless one of its key is there."""

        def make() -> _Clause:
            names = [column.name for column in table.c if column.name != "seq"]
            query = self._insert(table).inline().values({name: bindparam(name) for name in names})
            return query.on_conflict_do_nothing(index_elements=tables.naming_columns(table))

        return self._keep(("add", table.name), make)

    def delete(self, table: AnyTable, *by: str) -> _Statement:
        """Delete the rows whose columns `by` equal what is given."""
        return self._keep(
            ("delete", table.name, by),
            lambda: delete(table).where(*(table.c[name] == bindparam(name) for name in by)),
        )

    def take_in(self) -> _Statement:
        """Write an inbox row unless its event was seen."""

        def make() -> _Clause:
            inbox, seen = tables.inbox, tables.seen
            names = ("id", "received_at", "failures", "sealed")
            given = select(*(bindparam(name, type_=inbox.c[name].type).label(name) for name in names)).where(
                ~select(seen.c.id).where(seen.c.id == bindparam("id", type_=seen.c.id.type)).exists()
            )
            return self._insert(inbox).inline().from_select(names, given).on_conflict_do_nothing()

        return self._keep("take_in", make)

    def seen(self, count: int) -> _Statement:
        """Which of `count` ids, given as `id_0` and on, were seen."""
        column = tables.seen.c.id
        return self._keep(
            ("seen", count),
            lambda: select(column).where(column.in_([bindparam(f"id_{at}") for at in range(count)])),
        )

    def forget_seen(self) -> _Statement:
        """Delete what was seen before `before`."""
        return self._keep(
            "forget", lambda: delete(tables.seen).where(tables.seen.c.seen_at < bindparam("before"))
        )

    def inbox(self) -> _Statement:
        """Waiting events after `after`, the oldest first."""
        inbox = tables.inbox
        return self._keep(
            "inbox",
            lambda: (
                select(inbox)
                .where(inbox.c.seq > bindparam("after"))
                .order_by(inbox.c.seq)
                .limit(bindparam("limit"))
            ),
        )

    def fail(self) -> _Statement:
        """Count one more failure of the inbox row `seq_is`."""
        inbox = tables.inbox
        return self._keep(
            "fail",
            lambda: (
                update(inbox).where(inbox.c.seq == bindparam("seq_is")).values(failures=inbox.c.failures + 1)
            ),
        )

    def failures(self) -> _Statement:
        """How often the inbox row `seq` failed."""
        inbox = tables.inbox
        return self._keep("failures", lambda: select(inbox.c.failures).where(inbox.c.seq == bindparam("seq")))

    def outbox(self) -> _Statement:
        """Effects that may go at `now`: none that has an earlier one of its lane waiting for later."""

        def make() -> _Clause:
            outbox, earlier = tables.outbox, tables.outbox.alias("earlier")
            waits = select(earlier.c.seq).where(
                earlier.c.lane == outbox.c.lane,
                earlier.c.seq < outbox.c.seq,
                earlier.c.next_at > bindparam("now"),
            )
            return (
                select(outbox)
                .where(
                    outbox.c.seq > bindparam("after"),
                    or_(outbox.c.next_at.is_(None), outbox.c.next_at <= bindparam("now")),
                    ~waits.exists(),
                )
                .order_by(outbox.c.seq)
                .limit(bindparam("limit"))
            )

        return self._keep("outbox", make)

    def retry(self) -> _Statement:
        """Put an effect off until `until`."""
        outbox = tables.outbox
        return self._keep(
            "retry",
            lambda: (
                update(outbox)
                .where(outbox.c.id == bindparam("id_is"))
                .values(
                    next_at=bindparam("until", type_=tables.Instant),
                    attempts=bindparam("tried", type_=Integer),
                )
            ),
        )

    def next_retry(self) -> _Statement:
        """The earliest time after `now` to which an effect was put off."""
        next_at = tables.outbox.c.next_at
        return self._keep(
            "next retry",
            lambda: select(func.min(next_at, type_=tables.Instant)).where(next_at > bindparam("now")),
        )

    def due(self) -> _Statement:
        """The kind and id of each record that is due at `now`, the longest due first."""

        def make() -> _Clause:
            parts = [
                select(literal(f"'{name}'").label("kind"), table.c.id, table.c.due_at).where(
                    table.c.due_at <= bindparam("now", type_=tables.Instant)
                )
                for name, table in tables.RECORDS.items()
                if "due_at" in table.c
            ]
            all_due = union_all(*parts).subquery()
            return (
                select(all_due.c.kind, all_due.c.id)
                .order_by(all_due.c.due_at, all_due.c.id)
                .limit(bindparam("limit", type_=Integer))
            )

        return self._keep("due", make)

    def next_due(self) -> _Statement:
        """The earliest `due_at` of all records."""

        def make() -> _Clause:
            parts = [
                select(func.min(table.c.due_at).label("due_at"))
                for table in tables.RECORDS.values()
                if "due_at" in table.c
            ]
            return select(func.min(union_all(*parts).subquery().c.due_at, type_=tables.Instant))

        return self._keep("next due", make)

    def unread_since(self) -> _Statement:
        """Unread events kept at `before` or earlier, the oldest first."""
        unread = tables.unread
        return self._keep(
            "unread since",
            lambda: (
                select(unread)
                .where(unread.c.since <= bindparam("before"))
                .order_by(unread.c.since, unread.c.id)
            ),
        )

    def unread_for(self) -> _Statement:
        """Unread events of one session, the oldest first."""
        unread = tables.unread
        return self._keep(
            "unread for",
            lambda: (
                select(unread)
                .where(unread.c.session == bindparam("session"))
                .order_by(unread.c.since, unread.c.id)
            ),
        )

    def epoch(self) -> _Statement:
        """The epoch of the lease."""
        return self._keep("epoch", lambda: select(tables.lease.c.epoch).where(tables.lease.c.id == 1))

    def stale(self, table: AnyTable, first: bool) -> _Statement:
        """Rows of `table` whose seal bears another version than `mark`, after the given key."""

        def make() -> _Clause:
            key = [table.c[name] for name in tables.naming_columns(table)]
            query = (
                select(*key, table.c.sealed)
                .where(
                    func.substr(table.c.sealed, 1, 1, type_=LargeBinary)
                    != bindparam("mark", type_=LargeBinary)
                )
                .order_by(*key)
                .limit(bindparam("limit", type_=Integer))
            )
            if first:
                return query
            after = [bindparam(column.name, type_=column.type) for column in key]
            return query.where(tuple_(*key) > tuple_(*after) if len(key) > 1 else key[0] > after[0])

        return self._keep(("stale", table.name, first), make)

    def reseal(self, table: AnyTable) -> _Statement:
        """Change only what is sealed in a row."""

        def make() -> _Clause:
            key = [table.c[name] == bindparam(f"{name}_is") for name in tables.naming_columns(table)]
            return update(table).where(*key).values(sealed=bindparam("sealed", type_=tables.Sealed))

        return self._keep(("reseal", table.name), make)


# --- Transactions -------------------------------------------------------------------------------------------


class Transaction:
    """One transaction: what it writes waits until something is read, or until the commit.

    Implements `service.turn.Records`. Instants are aware UTC, kept to the millisecond. Every call raises
    WorldError when the database may work later (the whole transaction is to be run again), OperatorError when
    somebody must act, SealBroken when bytes at rest were changed, ValueError for an id that is not opaque.

    `earliest_due` is the earliest due time among the records put; `deleted` says that records were deleted.
    """

    def __init__(self, store: "Store", driver: _Driver) -> None:
        self._store = store
        self._driver = driver
        self._statements = store.statements
        self._waiting: list[_Step] = []
        self._broken = False
        self.begun = False
        self.wrote = False
        self.earliest_due: datetime | None = None
        self.deleted = False

    # The two ways to the database: ask and tell.

    async def _ask(self, statement: _Statement, **values: object) -> list[_Row]:
        return statement.results(await self._ask_raw(statement, values))

    async def _ask_raw(self, statement: _Statement, values: Mapping[str, object]) -> list[_Row]:
        """Rows as the driver gives them."""
        return await self._run(_Step(statement.sql, statement.arguments(values)))

    async def _run(self, step: _Step) -> list[_Row]:
        """Run what waits, then `step`. After a failure nothing more runs: what waited may be lost."""
        if self._broken:
            raise RuntimeError("a transaction went on after it had failed")
        steps = [*self._opened(), step]
        self._waiting = []
        self._broken = True
        try:
            rows = await self._driver.run(steps)
        except _Unexpected:
            raise LeaseHeld(
                "Another process took over this database",
                fix="Stop one of the two; one database is never served twice.",
            ) from None
        self._broken = False
        return rows

    def _tell(self, statement: _Statement, rows: Iterable[Mapping[str, object]]) -> None:
        arguments = [statement.arguments(row) for row in rows]
        if not arguments:
            return
        self.wrote = True
        last = self._waiting[-1] if self._waiting else None
        if last is not None and last.sql is statement.sql:
            cast(list[_Row], last.arguments).extend(arguments)
        else:
            self._waiting.append(_Step(statement.sql, arguments, many=True))

    def _opened(self) -> list[_Step]:
        if self.begun:
            return self._waiting
        self.begun = True
        steps = [_Step(self._driver.begin, ())]
        guard = self._store.guard
        if guard is not None:
            guard.check()
            epoch = self._statements.epoch()
            steps.append(_Step(epoch.sql, epoch.arguments({}), expect=[(guard.epoch,)]))
        return steps + self._waiting

    async def commit(self) -> None:
        """Write what waits, and commit; for the store alone."""
        if self.begun or self._waiting:
            await self._run(_Step("COMMIT", ()))
            self.begun = False

    # Sealing: the only way into a sealed column and out of it.

    def _seal(self, table: AnyTable, row: dict[str, object], text: bytes) -> dict[str, object]:
        row["sealed"] = self._store.seal.seal(table.name, "sealed", _name_of(table, row), text)
        return row

    def _open(self, table: AnyTable, row: _Row) -> bytes:
        named = dict(zip((column.name for column in table.c), row, strict=True))
        return self._store.seal.open(
            table.name, "sealed", _name_of(table, named), cast(bytes, named["sealed"])
        )

    # Records.

    async def get(self, kind: type[R], id: str) -> R | None:
        """The record of this id, or None."""
        shape = _SHAPES[kind]
        found = await self._records(kind, self._statements.get(shape.table, "id"), {"id": id})
        return found[0] if found else None

    async def find(self, kind: type[R], **equal: object) -> Sequence[R]:
        """Records whose plain columns equal what is given, by id; a tuple means any of them, None is null."""
        table = _SHAPES[kind].table
        shape, values = [], {}
        for name, value in equal.items():
            if isinstance(value, tuple):
                shape.append((name, len(value)))
                values.update({f"{name}_{at}": one for at, one in enumerate(value)})
            else:
                shape.append((name, -2 if value is None else -1))
                values[name] = value
        if any(count == 0 for _, count in shape):
            return []
        return await self._records(kind, self._statements.find(table, tuple(shape)), values)

    async def put(self, record: Record) -> None:
        """Write the whole record, new or not."""
        shape = _SHAPES[type(record)]
        row: dict[str, object] = {name: getattr(record, name) for name, _, _ in shape.clear}
        if isinstance(record, PeerRoom):
            row["room_hash"] = None if record.room is None else self._store.seal.lookup("rooms", record.room)
        text = _written(shape.text, {name: getattr(record, name) for name in shape.sealed})
        due = getattr(record, "due_at", None)
        if due is not None and (self.earliest_due is None or due < self.earliest_due):
            self.earliest_due = due
        self._tell(self._statements.put(shape.table), [self._seal(shape.table, row, text)])

    async def delete(self, kind: type[Record], id: str) -> None:
        """Delete the record of this id, if there is one."""
        self.deleted = True
        self._store.remembered.pop((_SHAPES[kind].table.name, id), None)
        self._tell(self._statements.delete(_SHAPES[kind].table, "id"), [{"id": id}])

    async def room_of(self, room: str) -> PeerRoom | None:
        """The peer room with this room ID, or None."""
        room_hash = self._store.seal.lookup("rooms", room)
        statement = self._statements.get(tables.peer_rooms, "room_hash")
        found = await self._records(PeerRoom, statement, {"room_hash": room_hash})
        return found[0] if found else None

    async def _records(self, kind: type[R], statement: _Statement, values: Mapping[str, object]) -> list[R]:
        """The records of whole rows; one that was opened before from the very same row is not opened anew."""
        shape = _SHAPES[kind]
        table, open_ = shape.table.name, self._store.seal.open
        remembered = self._store.remembered
        records = []
        for row in await self._ask_raw(statement, values):
            key = (table, cast(str, row[0]))
            known = remembered.get(key)
            if known is None or known[0] != row:
                text = open_(table, "sealed", key[1], cast(bytes, row[shape.sealed_at]))
                known = (row, shape.record(statement.results((row,))[0], text))
                if kind not in _NOT_REMEMBERED:
                    remembered[key] = known
                    if len(remembered) > _REMEMBERED:
                        remembered.popitem(last=False)
            records.append(cast(R, known[1]))
        return records

    # Inbox.

    async def take_in(self, events: Sequence[FromMatrix], received_at: datetime) -> None:
        """Keep `events` until each is handled, in this order; one that was seen before is skipped."""
        taken: dict[str, FromMatrix] = {}
        for event in events:
            taken.setdefault(self._store.seal.lookup("seen", event.event_id), event)
        self._tell(
            self._statements.take_in(),
            (
                self._seal(
                    tables.inbox,
                    {"id": hashed, "received_at": received_at, "failures": 0},
                    _written(_EVENT, event),
                )
                for hashed, event in taken.items()
            ),
        )
        self._tell(
            self._statements.add(tables.seen), ({"id": hashed, "seen_at": received_at} for hashed in taken)
        )

    async def seen(self, event_ids: Collection[EventId]) -> set[EventId]:
        """Which of `event_ids` were taken in during the last 14 days, or marked."""
        by_hash = {self._store.seal.lookup("seen", event_id): event_id for event_id in event_ids}
        hashes = list(by_hash)
        found: set[EventId] = set()
        for start in range(0, len(hashes), 256):
            chunk = hashes[start : start + 256]
            size = 1 << (len(chunk) - 1).bit_length()
            values = {f"id_{at}": chunk[min(at, len(chunk) - 1)] for at in range(size)}
            found.update(
                by_hash[cast(str, row[0])] for row in await self._ask(self._statements.seen(size), **values)
            )
        return found

    async def mark_seen(self, event_ids: Collection[EventId], at: datetime) -> None:
        """Have `seen` say yes for events that need no handling."""
        hashes = {self._store.seal.lookup("seen", event_id) for event_id in event_ids}
        self._tell(
            self._statements.add(tables.seen), ({"id": hashed, "seen_at": at} for hashed in sorted(hashes))
        )

    async def inbox(self, limit: int, after: int = 0) -> list[InboxRow]:
        """The oldest waiting events whose `seq` is greater than `after`."""
        rows = await self._ask(self._statements.inbox(), after=after, limit=limit)
        return [
            InboxRow(seq, row_id, _parsed(_EVENT, self._open(tables.inbox, row)), received_at, failures)
            for row in rows
            for seq, row_id, received_at, failures, _ in (cast(tuple[int, str, datetime, int, bytes], row),)
        ]

    async def handled(self, seq: int) -> None:
        """The event is handled: its row goes, its id stays seen."""
        self._tell(self._statements.delete(tables.inbox, "seq"), [{"seq": seq}])

    async def failed(self, seq: int) -> int:
        """Count one more failure of this event, and give how many there are; 0 if it is not there."""
        self._tell(self._statements.fail(), [{"seq_is": seq}])
        rows = await self._ask(self._statements.failures(), seq=seq)
        return cast(int, rows[0][0]) if rows else 0

    async def purge_old(self, now: datetime) -> None:
        """Forget which events were seen more than 14 days ago."""
        self._tell(self._statements.forget_seen(), [{"before": now - _KEEP_SEEN}])

    # Outbox.

    async def add_effects(self, effects: Sequence[tuple[str, Effect]], now: datetime) -> list[OutboxRow]:
        """Keep effects, each with its lane, until they are delivered; lanes are kept as keyed hashes.

        The rows are for delivery after the commit; their `seq` is not known yet and stands as 0.
        """
        lookup = self._store.seal.lookup
        kept = [
            OutboxRow(OutboxId(token_hex(16)), 0, lookup("lanes", lane), effect, now, 0, None)
            for lane, effect in effects
        ]
        self._tell(
            self._statements.add(tables.outbox),
            (
                self._seal(
                    tables.outbox,
                    {
                        "id": row.id,
                        "lane": row.lane,
                        "made_at": now,
                        "attempts": 0,
                        "next_at": None,
                    },
                    _written(_EFFECT, row.effect),
                )
                for row in kept
            ),
        )
        return kept

    async def outbox(self, now: datetime, limit: int, after: int = 0) -> list[OutboxRow]:
        """Effects that may go now, the oldest first, whose `seq` is greater than `after`.

        One that was put off holds back all later ones of its lane.
        """
        rows = await self._ask(self._statements.outbox(), now=now, limit=limit, after=after)
        return [
            OutboxRow(
                row_id,
                seq,
                lane,
                _parsed(_EFFECT, self._open(tables.outbox, row)),
                made_at,
                attempts,
                next_at,
            )
            for row in rows
            for seq, row_id, lane, made_at, attempts, next_at, _ in (
                cast(tuple[int, OutboxId, str, datetime, int, datetime | None, bytes], row),
            )
        ]

    async def outbox_done(self, ids: Iterable[OutboxId]) -> None:
        """The effects are delivered, or refused for good."""
        self._tell(self._statements.delete(tables.outbox, "id"), [{"id": one} for one in ids])

    async def outbox_retry(self, id: OutboxId, next_at: datetime, attempts: int) -> None:
        """Put the effect, and so its lane, off until `next_at`."""
        self._tell(self._statements.retry(), [{"id_is": id, "until": next_at, "tried": attempts}])

    async def next_retry(self, now: datetime) -> datetime | None:
        """The earliest time after `now` to which an effect was put off."""
        return cast(datetime | None, (await self._ask(self._statements.next_retry(), now=now))[0][0])

    # The schedule.

    async def due(self, now: datetime, limit: int) -> list[Due]:
        """Records whose `due_at` has come, the longest due first."""
        rows = await self._ask(self._statements.due(), now=now, limit=limit)
        return [Due(cast(str, row[0]), cast(str, row[1])) for row in rows]

    async def next_due(self) -> datetime | None:
        """When the next record is due, past times included."""
        return cast(datetime | None, (await self._ask(self._statements.next_due()))[0][0])

    # Sealed rows of others: chats, crypto, instance, unread.

    async def read_instance(self, name: str) -> bytes | None:
        """What was written under `name`."""
        rows = await self._ask(self._statements.get(tables.instance, "name"), name=name)
        return self._open(tables.instance, rows[0]) if rows else None

    async def write_instance(self, name: str, value: bytes | None) -> None:
        """Keep `value` under `name`; None takes it away."""
        self._write(tables.instance, [({"name": name}, value)])

    async def read_crypto(self) -> list[tuple[str, str, bytes]]:
        """All rows as kind, id and value, ordered by kind and id."""
        rows = await self._ask(self._statements.get(tables.crypto))
        return [(cast(str, row[0]), cast(str, row[1]), self._open(tables.crypto, row)) for row in rows]

    async def write_crypto(self, rows: Mapping[tuple[str, str], bytes | None]) -> None:
        """Keep each value under its kind and opaque id; None takes it away."""
        self._write(tables.crypto, (({"kind": key[0], "id": key[1]}, value) for key, value in rows.items()))

    async def read_chats(self) -> list[tuple[str, bytes]]:
        """All rows as id and value, ordered by id."""
        rows = await self._ask(self._statements.get(tables.chats))
        return [(cast(str, row[0]), self._open(tables.chats, row)) for row in rows]

    async def write_chats(self, rows: Mapping[str, bytes | None]) -> None:
        """Keep each value under its opaque id; None takes it away."""
        self._write(tables.chats, (({"id": key}, value) for key, value in rows.items()))

    def _write(self, table: AnyTable, rows: Iterable[tuple[dict[str, object], bytes | None]]) -> None:
        kept: list[dict[str, object]] = []
        gone: list[dict[str, object]] = []
        for key, value in rows:
            if value is None:
                gone.append(key)
            else:
                kept.append(self._seal(table, key, value))
        self._tell(self._statements.put(table), kept)
        self._tell(self._statements.delete(table, *tables.naming_columns(table)), gone)

    async def keep_unread(self, event_id: EventId, session: str, raw: bytes, since: datetime) -> None:
        """Keep an event that cannot be read yet; `session` is what its key will be known by."""
        row = {
            "id": self._store.seal.lookup("unread", event_id),
            "session": self._store.seal.lookup("sessions", session),
            "since": since,
        }
        self._tell(self._statements.add(tables.unread), [self._seal(tables.unread, row, raw)])

    async def unread_for(self, session: str) -> list[Unread]:
        """What waits for this session's key, the oldest first."""
        hashed = self._store.seal.lookup("sessions", session)
        return self._unread(await self._ask(self._statements.unread_for(), session=hashed))

    async def unread_since(self, before: datetime) -> list[Unread]:
        """What has waited since `before` or longer, the oldest first."""
        return self._unread(await self._ask(self._statements.unread_since(), before=before))

    def _unread(self, rows: Sequence[_Row]) -> list[Unread]:
        return [
            Unread(cast(str, row[0]), self._open(tables.unread, row), cast(datetime, row[2])) for row in rows
        ]

    async def drop_unread(self, ids: Collection[str]) -> None:
        """Drop unread events by the `id` that they were given back with."""
        self._tell(self._statements.delete(tables.unread, "id"), ({"id": one} for one in ids))

    # Rotation.

    async def reseal(
        self, table: AnyTable, after: Mapping[str, object] | None, limit: int
    ) -> dict[str, object] | None:
        """Seal anew the next `limit` rows of `table` that bear an old version; gives the last row's key."""
        seal = self._store.seal
        names = tables.naming_columns(table)
        rows = await self._ask(
            self._statements.stale(table, after is None),
            mark=bytes([seal.version]),
            limit=limit,
            **(after or {}),
        )
        changes = []
        key: dict[str, object] | None = None
        for row in rows:
            key = dict(zip(names, row[:-1], strict=True))
            name = _name_of(table, key)
            text = seal.open(table.name, "sealed", name, cast(bytes, row[-1]))
            changes.append(
                {f"{column}_is": value for column, value in key.items()}
                | {"sealed": seal.seal(table.name, "sealed", name, text)}
            )
        self._tell(self._statements.reseal(table), changes)
        return key

    async def read_keyring(self) -> list[tuple[int, str, bytes]]:
        """The wrapped keys as number, state and bytes: one row, two in a rotation."""
        return cast(list[tuple[int, str, bytes]], await self._ask(self._statements.get(tables.keyring)))

    async def is_empty(self) -> bool:
        """Whether nothing sealed is there."""
        for table in tables.SEALED:
            if await self._ask(self._statements.first(table)):
                return False
        return True

    async def write_keyring(self, id: int, state: str, wrapped: bytes | None) -> None:
        """Keep or take away one wrapping of the keys."""
        if wrapped is None:
            self._tell(self._statements.delete(tables.keyring, "id"), [{"id": id}])
        else:
            row = {"id": id, "state": state, "wrapped": wrapped}
            self._tell(self._statements.put(tables.keyring), [row])

    # The lease.

    async def read_lease(self) -> tuple[int, str] | None:
        """The epoch, and who raised it last."""
        rows = await self._ask(self._statements.get(tables.lease, "id"), id=1)
        return (cast(int, rows[0][1]), cast(str, rows[0][2])) if rows else None

    async def write_lease(self, epoch: int, holder: str) -> None:
        """Raise the epoch."""
        self._tell(self._statements.put(tables.lease), [{"id": 1, "epoch": epoch, "holder": holder}])


def _name_of(table: AnyTable, row: Mapping[str, object]) -> str:
    """What names a row in its seal's associated data."""
    return "/".join(str(row[name]) for name in tables.naming_columns(table))


# --- The store ----------------------------------------------------------------------------------------------


class Store:
    """One database, open: `seal` is for whoever needs a keyed hash; everything else goes by `transaction`."""

    def __init__(self, url: URL, engine: AsyncEngine) -> None:
        self.url = url
        self.guard: Guard | None = None
        """The lease, if the database was opened with one."""
        self.seal: Seal
        self.statements = _Statements(engine.dialect)
        self.remembered: OrderedDict[tuple[str, str], tuple[_Row, Record]] = OrderedDict()
        """Opened records beside the very row that they were opened from, which is what makes them valid."""
        self._engine = engine
        self._connection: AsyncConnection | None = None
        self._driver: _Driver | None = None
        self._turn = asyncio.Lock()
        self._inside: asyncio.Task[object] | None = None
        self._keyring: Keyring
        self._outer_key: bytes
        self._opened_by = 1
        self.log_holds_some = False
        """Whether SQLite's log took something since it was emptied: pages as they were are then on disk."""
        self.rotating = False
        """Whether a rotation of keys is unfinished: both outer keys still open the database."""

    @classmethod
    async def open(cls, url: str, outer_key: bytes, lease: Guard | None = None) -> "Store":
        """Open the database at `url`, bring its tables up to date, and open its keyring.

        With `lease` a new epoch begins, each transaction checks it, and a rotation of keys that was
        interrupted is finished; without one (a look from the command line) nothing is checked.

        `url` is SQLAlchemy's: `sqlite:///relative/path`, `sqlite:////absolute/path`, `postgresql://…`. An
        SQLite file is made if it is not there. Nothing is changed before the key is seen to fit. Raises
        OperatorError: another key, a newer, damaged or read-only database, or a server that refuses us;
        Unreachable: a server that is not there.
        """
        if len(outer_key) != 32:
            raise ConfigurationError(
                "The sealing key does not have 32 bytes",
                fix="Give the key that `alongside init` made.",
                key="keys.sealing_key",
                variable="ALONGSIDE_KEYS__SEALING_KEY",
            )
        address = address_of(url)
        if address.get_backend_name() == "sqlite":
            _prepare_file(address)
        store = cls(address, _engine(address))
        try:
            await store._open(outer_key)
            if lease is not None:
                lease.epoch = await store._raise_epoch(lease.holder)
                store.guard = lease
                await store.finish_rotation()
        except BaseException:
            await store.close()
            raise
        return store

    @property
    def path(self) -> Path | None:
        """The database's file; None for PostgreSQL."""
        return file_of(self.url)

    def member_id(self, matrix_id: MatrixId) -> MemberId:
        """The keyed hash that stands for a member."""
        return MemberId(self.seal.lookup("members", matrix_id))

    @asynccontextmanager
    async def transaction(self, name: str) -> AsyncIterator[Transaction]:
        """One transaction, committed at the end and rolled back on any exception; others wait their turn.

        `name` is a constant: its fail points are "before commit NAME" and "after commit NAME". Raises
        LeaseHeld when the lease is lost, WorldError when all of it is to be run again.
        """
        task = asyncio.current_task()
        if self._inside is not None and self._inside is task:
            raise RuntimeError("a transaction inside a transaction would wait for itself")
        async with self._turn:
            self._inside = task
            transaction = Transaction(self, await self._ready())
            try:
                yield transaction
                if transaction.wrote:
                    reached(f"before commit {name}")
                await _to_the_end(transaction.commit())
            finally:
                try:
                    if transaction.begun:
                        await _to_the_end(self._roll_back())
                finally:
                    self._inside = None
            if transaction.wrote:
                self.log_holds_some = self.path is not None
                reached(f"after commit {name}")

    async def erase_checkpoint(self) -> None:
        """Make an erasure reach the disk, after its commit.

        SQLite overwrites what is deleted, and here empties its write-ahead log, where the old pages still
        are. PostgreSQL makes dead rows' space free for others here, but neither overwrites that space at once
        nor its own log: OPERATING.md says what an operator can do. Raises Unreachable when another program
        reads the database just now: to be done again later.
        """
        async with self._turn:
            driver = await self._ready()
            if driver.dialect.name == "sqlite":
                # Others' turns wait meanwhile, so a reader elsewhere is not waited for.
                await driver.run([_Step("PRAGMA busy_timeout = 50", ())])
                try:
                    ((busy, _, _),) = await driver.run([_Step("PRAGMA wal_checkpoint(TRUNCATE)", ())])
                finally:
                    await driver.run([_Step(f"PRAGMA busy_timeout = {_BUSY}", ())])
                if busy:
                    raise Unreachable("database: the write-ahead log is in use by another program")
                self.log_holds_some = False
            else:
                await driver.run([_Step(f"VACUUM {', '.join(table.name for table in tables.SEALED)}", ())])

    async def close(self) -> None:
        """Close the connection; the lease is not given back here."""
        async with self._turn:
            await self._drop()
            await self._engine.dispose()

    async def _raise_epoch(self, holder: str) -> int:
        """Begin a new epoch, so that transactions of an older one fail; gives the new epoch."""
        async with self.transaction("begin epoch") as transaction:
            row = await transaction.read_lease()
            epoch = (row[0] if row else 0) + 1
            await transaction.write_lease(epoch, holder)
        return epoch

    # Keys.

    async def rotate(self, new_outer_key: bytes, adopt: Callable[[], None] | None = None) -> None:
        """Replace the outer key, make a new sealing key, and seal every row anew; the lease must be held.

        From the first commit on both outer keys open the database. `adopt` then puts the new key where the
        next start finds it; the old one stops to work after that. Without `adopt` both work until the
        database is opened with the new one, and served. A crash anywhere is taken up again by calling this
        once more, or by the next start with the new key. Look-up hashes stay valid.
        """
        if self.guard is None:
            raise RuntimeError("keys are rotated under the lease only")
        if self.rotating and self._opened_by == 2:
            await self.finish_rotation()
        fresh = self._keyring if self.rotating else self._keyring.with_new_key()
        async with self.transaction("begin key rotation") as transaction:
            await transaction.write_keyring(1, "rotating", fresh.wrap(self._outer_key))
            await transaction.write_keyring(2, "rotating", fresh.wrap(new_outer_key))
        fresh.equip(self.seal)
        self._keyring, self.rotating = fresh, True
        if adopt is None:
            await self._reseal()
        else:
            adopt()
            self._outer_key, self._opened_by = new_outer_key, 2
            await self.finish_rotation()

    async def finish_rotation(self) -> None:
        """Finish a rotation if the database was opened with its new outer key; else nothing is done."""
        if not self.rotating or self._opened_by != 2:
            return
        await self._reseal()
        last = self._keyring.without_old_keys()
        async with self.transaction("end key rotation") as transaction:
            for table in tables.SEALED:
                if await transaction.reseal(table, None, 1) is not None:
                    raise SealBroken(f"{table.name}: a row kept its old seal through a rotation")
            await transaction.write_keyring(1, "whole", last.wrap(self._outer_key))
            await transaction.write_keyring(2, "", None)
        last.equip(self.seal)
        self._keyring, self._opened_by, self.rotating = last, 1, False
        await self.erase_checkpoint()

    async def _reseal(self) -> None:
        for table in tables.SEALED:
            key: Mapping[str, object] | None = None
            while True:
                async with self.transaction("seal anew") as transaction:
                    key = await transaction.reseal(table, key, _RESEAL_BATCH)
                if key is None:
                    break

    # Opening.

    async def _open(self, outer_key: bytes) -> None:
        driver = await self._ready()
        revision = await self._revision()
        if revision is not None and revision not in migrations.REVISIONS:
            raise OperatorError(
                "The database was made by a newer version of this program",
                fix="Install that version again, or restore the backup from before the upgrade.",
                key="database.url",
                variable="ALONGSIDE_DATABASE__URL",
            )
        unlocked = revision is not None and await self._unlock(outer_key)
        if revision != migrations.REVISIONS[-1]:
            await self._migrate()
        if not unlocked:
            try:
                await self._make_keyring(outer_key)
            except Unreachable:
                # Another first start may have made it at the same time; then it is there now.
                await self._make_keyring(outer_key)
            await self._unlock(outer_key)
        path = self.path
        if driver.dialect.name == "sqlite" and path is not None:
            for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
                if file.exists():
                    file.chmod(0o600)

    async def _make_keyring(self, outer_key: bytes) -> None:
        """Give a database that holds nothing yet its inner keys."""
        async with self.transaction("make keyring") as transaction:
            if not await transaction.read_keyring():
                if not await transaction.is_empty():
                    raise _no_keyring()
                await transaction.write_keyring(1, "whole", Keyring.new().wrap(outer_key))

    async def _unlock(self, outer_key: bytes) -> bool:
        """Open the keyring; False where there is none yet. Raises ConfigurationError for another key."""
        async with self.transaction("read keyring") as transaction:
            rows = await transaction.read_keyring()
        for number, _, wrapped in rows:
            try:
                self._keyring = Keyring.unwrap(outer_key, wrapped)
            except SealBroken:
                continue
            self.seal, self._outer_key = self._keyring.seal(), outer_key
            self._opened_by, self.rotating = number, len(rows) > 1
            return True
        if rows:
            raise ConfigurationError(
                "The sealing key is not the one that this database was sealed with; nothing was changed",
                fix="Give the key that belongs to this database; it is backed up apart from it.",
                key="keys.sealing_key",
                variable="ALONGSIDE_KEYS__SEALING_KEY",
            )
        return False

    async def _revision(self) -> str | None:
        """The revision of the database's tables; None for a new database."""
        driver = await self._ready()
        if driver.dialect.name == "sqlite":
            there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
        else:
            there = "SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL"
        if not await driver.run([_Step(there, ())]):
            return None
        rows = await driver.run([_Step("SELECT version_num FROM alembic_version", ())])
        return cast(str, rows[0][0]) if rows else None

    async def _migrate(self) -> None:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        engine = _engine(self.url)
        try:
            async with engine.connect() as connection:
                config.attributes["connection"] = connection.sync_connection
                # One migrates, and whoever waited meanwhile finds nothing left to do.
                if connection.dialect.name == "sqlite":
                    await connection.exec_driver_sql("BEGIN IMMEDIATE")
                else:
                    await connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_KEY)))
                await connection.run_sync(lambda _: command.upgrade(config, "head"))
                if connection.dialect.name == "sqlite":
                    await connection.exec_driver_sql("COMMIT")
                else:
                    await connection.commit()
        except DBAPIError as error:
            raise known_error(error.orig or error) from None
        finally:
            await engine.dispose()

    async def _ready(self) -> _Driver:
        """The connection, made anew if the last one was lost."""
        if self._driver is not None and self._driver.alive:
            return self._driver
        await self._drop()
        try:
            self._connection = await self._engine.connect()
            raw = (await self._connection.get_raw_connection()).driver_connection
        except DBAPIError as error:
            raise known_error(error.orig or error) from None
        except (*LOST, postgres.PostgresError) as error:
            raise known_error(error) from None
        if self._engine.dialect.name == "sqlite":
            self._driver = _SQLite(self._engine.dialect, cast(_Visited, raw))
            for pragma in _PRAGMAS:
                await self._driver.run([_Step(pragma, ())])
        else:
            self._driver = _PostgreSQL(self._engine.dialect, cast(_Session, raw))
        return self._driver

    async def _roll_back(self) -> None:
        driver = self._driver
        if driver is None or not driver.alive:
            return
        try:
            await driver.rollback()
        except (sqlite3.Error, *LOST, postgres.PostgresError):
            await self._drop()

    async def _drop(self) -> None:
        connection, self._connection, self._driver = self._connection, None, None
        if connection is not None:
            try:
                if self._engine.dialect.name != "sqlite":
                    await connection.invalidate()
                await connection.close()
            except (DBAPIError, *LOST):
                pass  # A connection that is lost cannot be closed in good order.


_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
)


_MIGRATION_KEY = int.from_bytes(b"alngmigr", signed=True)

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


def address_of(url: str) -> URL:
    """The URL with the driver that we use; raises ConfigurationError, without the password in it."""
    try:
        address = make_url(url)
        driver = _DRIVERS.get(address.get_backend_name())
        if driver is not None and (driver != _DRIVERS["sqlite"] or address.database):
            return address.set(drivername=driver)
    except (ArgumentError, ValueError):
        pass
    raise ConfigurationError(
        "The database's address is not one that we know",
        fix="Write sqlite:///path/to/file or postgresql://user:password@host/name.",
        key="database.url",
        variable="ALONGSIDE_DATABASE__URL",
    )


def _engine(address: URL) -> AsyncEngine:
    # The driver must not begin transactions by itself: SQLite's waits until the first write, and then loses
    # updates. We begin them.
    if address.get_backend_name() == "sqlite":
        return create_async_engine(
            address,
            isolation_level="AUTOCOMMIT",
            connect_args={"isolation_level": None, "timeout": _BUSY / 1000},
        )
    return create_async_engine(address, connect_args={"command_timeout": _DEADLINE, "timeout": 10.0})


def _no_keyring() -> OperatorError:
    return OperatorError(
        "The database has no keyring, so that nothing in it can be opened",
        fix="Restore a backup of the whole database.",
        key="database.url",
        variable="ALONGSIDE_DATABASE__URL",
    )


def file_of(address: URL) -> Path | None:
    """The file of an SQLite database, with symbolic links followed; None for PostgreSQL."""
    return Path(address.database or "").resolve() if address.get_backend_name() == "sqlite" else None


def cannot_write(error: OSError) -> OperatorError:
    """Our error for a file beside the database, or the database itself, that cannot be made."""
    problem, fix = _FULL if error.errno == errno.ENOSPC else _READ_ONLY
    return OperatorError(
        f"{problem} ({error.strerror})", fix=fix, key="database.url", variable="ALONGSIDE_DATABASE__URL"
    )


def _prepare_file(address: URL) -> None:
    """Make the file with mode 0600 before SQLite does; its log and index take the mode over."""
    path = Path(address.database or "")
    try:
        path.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise cannot_write(error) from None


def known_error(error: BaseException) -> BaseException:
    """Our error for whatever a driver raised."""
    if isinstance(error, sqlite3.Error):
        return _sqlite_error(error)
    if getattr(error, "sqlstate", None):
        return _postgres_error(error)
    cause = error.__cause__
    if cause is not None and cause is not error:
        return known_error(cause)
    if isinstance(error, LOST):
        return Unreachable(f"database: {type(error).__name__}")
    return error


async def _to_the_end(work: Awaitable[None]) -> None:
    """Await `work` even if we are cancelled meanwhile: whether a commit happened must be known."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait([task])
        if task.done() and not task.cancelled():
            task.exception()  # Looked at, so that nothing complains: whoever cancelled us asks no more.
        raise
