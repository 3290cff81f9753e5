"""Every statement of a transaction, built by SQLAlchemy, compiled once for a database and kept.

Guards: values go in and come out through their columns' types, which refuse what may not lie at rest.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, cast

from sqlalchemy import (
    Dialect,
    Integer,
    LargeBinary,
    String,
    bindparam,
    delete,
    func,
    or_,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy import literal_column as literal
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler

from schema import tables
from schema.tables import AnyTable
from service.store.driver import Row
from service.store.errors import damaged


class _Clause(Protocol):
    """What of SQLAlchemy's statements is used here."""

    def compile(self, *, dialect: Dialect) -> object: ...


class Statement:
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

    def arguments(self, values: Mapping[str, object]) -> Row:
        """The arguments in the statement's order; raises ValueError for what may not lie in its column."""
        get = values.get
        return tuple(
            [
                get(name, default) if process is None else process(get(name, default))
                for name, default, process in self._inputs
            ]
        )

    def results(self, rows: Iterable[Row]) -> list[Row]:
        """Rows in our types; raises OperatorError for a value that nobody here wrote."""
        outputs = self._outputs
        if outputs is None:
            return list(rows)
        try:
            return [
                tuple(
                    [
                        value if process is None else process(value)
                        for value, process in zip(row, outputs, strict=True)
                    ]
                )
                for row in rows
            ]
        except (TypeError, ValueError, OverflowError, OSError):
            raise damaged("a time that cannot be") from None


class Statements:
    """The statements for one database, compiled when first wanted and kept."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._insert = sqlite.insert if dialect.name == "sqlite" else postgresql.insert
        self._kept: dict[object, Statement] = {}

    def _keep(self, key: object, make: Callable[[], _Clause]) -> Statement:
        statement = self._kept.get(key)
        if statement is None:
            statement = self._kept[key] = Statement(make(), self._dialect)
        return statement

    def get(self, table: AnyTable, *by: str) -> Statement:
        """Rows of `table` where the columns `by` equal what is given, ordered by the primary key."""
        return self._keep(
            ("get", table.name, by),
            lambda: (
                select(table)
                .where(*(table.c[name] == bindparam(name) for name in by))
                .order_by(*table.primary_key)
            ),
        )

    def first(self, table: AnyTable) -> Statement:
        """Any one row of `table`."""
        return self._keep(("first", table.name), lambda: select(table).limit(bindparam("limit", 1)))

    def find(self, table: AnyTable, counts: tuple[tuple[str, int], ...]) -> Statement:
        """Rows by id where each column is one of so many values (`state_0` and on), or null if of none."""

        def make() -> _Clause:
            query = select(table).order_by(*table.primary_key)
            for name, count in counts:
                column = table.c[name]
                if count == 0:
                    query = query.where(column.is_(None))
                else:
                    query = query.where(or_(*(column == bindparam(f"{name}_{at}") for at in range(count))))
            return query

        return self._keep(("find", table.name, counts), make)

    def page(self, table: AnyTable) -> Statement:
        """The first `limit` rows whose id comes after `after`, by id."""
        return self._keep(
            ("page", table.name),
            lambda: (
                select(table)
                .where(table.c.id > bindparam("after", type_=String))
                .order_by(table.c.id)
                .limit(bindparam("limit", type_=Integer))
            ),
        )

    def put(self, table: AnyTable) -> Statement:
        """Write a whole row, new or not."""

        def make() -> _Clause:
            names = [column.name for column in table.c if column.name != "seq"]
            key = tables.naming_columns(table)
            query = self._insert(table).inline().values({name: bindparam(name) for name in names})
            changed = {name: query.excluded[name] for name in names if name not in key}
            return query.on_conflict_do_update(index_elements=key, set_=changed)

        return self._keep(("put", table.name), make)

    def add(self, table: AnyTable) -> Statement:
        """Write a row unless one of its key is there."""

        def make() -> _Clause:
            names = [column.name for column in table.c if column.name != "seq"]
            query = self._insert(table).inline().values({name: bindparam(name) for name in names})
            return query.on_conflict_do_nothing(index_elements=tables.naming_columns(table))

        return self._keep(("add", table.name), make)

    def delete(self, table: AnyTable, *by: str) -> Statement:
        """Delete the rows whose columns `by` equal what is given."""
        return self._keep(
            ("delete", table.name, by),
            lambda: delete(table).where(*(table.c[name] == bindparam(name) for name in by)),
        )

    def take_in(self) -> Statement:
        """Write an inbox row unless its event was seen."""

        def make() -> _Clause:
            inbox, seen = tables.inbox, tables.seen
            names = ("id", "received_at", "failures", "sealed")
            given = select(*(bindparam(name, type_=inbox.c[name].type).label(name) for name in names)).where(
                ~select(seen.c.id).where(seen.c.id == bindparam("id", type_=seen.c.id.type)).exists()
            )
            return self._insert(inbox).inline().from_select(names, given).on_conflict_do_nothing()

        return self._keep("take_in", make)

    def seen(self, count: int) -> Statement:
        """Which of `count` ids, given as `id_0` and on, were seen."""
        column = tables.seen.c.id
        return self._keep(
            ("seen", count),
            lambda: select(column).where(column.in_([bindparam(f"id_{at}") for at in range(count)])),
        )

    def forget_seen(self) -> Statement:
        """Delete what was seen before `before`."""
        return self._keep(
            "forget", lambda: delete(tables.seen).where(tables.seen.c.seen_at < bindparam("before"))
        )

    def inbox(self) -> Statement:
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

    def fail(self) -> Statement:
        """Count one more failure of the inbox row `seq_is`."""
        inbox = tables.inbox
        return self._keep(
            "fail",
            lambda: (
                update(inbox).where(inbox.c.seq == bindparam("seq_is")).values(failures=inbox.c.failures + 1)
            ),
        )

    def failures(self) -> Statement:
        """How often the inbox row `seq` failed."""
        inbox = tables.inbox
        return self._keep("failures", lambda: select(inbox.c.failures).where(inbox.c.seq == bindparam("seq")))

    def outbox(self) -> Statement:
        """Effects after `after`, the oldest first."""
        outbox = tables.outbox
        return self._keep(
            "outbox",
            lambda: (
                select(outbox)
                .where(outbox.c.seq > bindparam("after"))
                .order_by(outbox.c.seq)
                .limit(bindparam("limit"))
            ),
        )

    def ready(self, unnamed: bool) -> Statement:
        """The id of each effect of `way`, or of none, that may go at `now`, the oldest first.

        It gives `limit` of those that never were put off, and as many of those whose time has come: of these
        the first of a lane alone, and of the others none that comes after such a one, or one of another way.
        """

        def make() -> _Clause:
            outbox, earlier = tables.outbox, tables.outbox.alias("earlier")
            limit = bindparam("limit", type_=Integer)
            way = bindparam("way", type_=tables.Name)
            theirs = outbox.c.way.is_(None) if unnamed else outbox.c.way == way
            before = (
                select(earlier.c.seq)
                .where(earlier.c.lane == outbox.c.lane, earlier.c.seq < outbox.c.seq)
                .correlate(outbox)
            )
            hinders = or_(earlier.c.next_at.is_not(None), earlier.c.way.is_distinct_from(outbox.c.way))
            fresh = (
                select(outbox.c.seq, outbox.c.id)
                .where(theirs, outbox.c.next_at.is_(None), ~before.where(hinders).exists())
                .order_by(outbox.c.seq)
                .limit(limit)
                .subquery()
            )
            back = (
                select(outbox.c.seq, outbox.c.id)
                .where(
                    theirs,
                    outbox.c.next_at <= bindparam("now", type_=tables.Instant),
                    ~before.exists(),
                )
                .order_by(outbox.c.next_at, outbox.c.seq)
                .limit(limit)
                .subquery()
            )
            both = union_all(select(back), select(fresh)).subquery()
            return select(both.c.id).order_by(both.c.seq)

        return self._keep(("ready", unnamed), make)

    def effects(self, count: int) -> Statement:
        """The effects of `count` ids, given as `id_0` and on, the oldest first."""
        outbox = tables.outbox
        ids = [f"id_{at}" for at in range(count)]
        return self._keep(
            ("effects", count),
            lambda: (
                select(outbox).where(outbox.c.id.in_([bindparam(id) for id in ids])).order_by(outbox.c.seq)
            ),
        )

    def rest_of_lane(self) -> Statement:
        """The `limit` oldest effects of `lane` but for the one of this `id`."""
        outbox = tables.outbox
        return self._keep(
            "rest of lane",
            lambda: (
                select(outbox)
                .where(outbox.c.lane == bindparam("lane"), outbox.c.id != bindparam("id"))
                .order_by(outbox.c.seq)
                .limit(bindparam("limit"))
            ),
        )

    def lanes(self) -> Statement:
        """The id and the lane of `limit` effects, the oldest first."""
        outbox = tables.outbox
        return self._keep(
            "lanes",
            lambda: select(outbox.c.id, outbox.c.lane).order_by(outbox.c.seq).limit(bindparam("limit")),
        )

    def next_effect(self) -> Statement:
        """When the first effect that is put off until after `now` may go."""
        put_off = tables.outbox.c.next_at
        return self._keep(
            "next effect",
            lambda: select(func.min(put_off, type_=tables.Instant)).where(
                put_off > bindparam("now", type_=tables.Instant)
            ),
        )

    def count_effects(self) -> Statement:
        """How many effects wait, and the greatest `seq` among them."""
        seq = tables.outbox.c.seq
        return self._keep("count effects", lambda: select(func.count(seq), func.max(seq)))

    def retry(self) -> Statement:
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

    def due(self) -> Statement:
        """The kind and id of each record that is due at `now`, the longest due first."""

        def make() -> _Clause:
            # Each table gives its own first ones, straight from its index: however many are due, so few are
            # put in order here.
            firsts = [
                select(literal(f"'{name}'").label("kind"), table.c.id, table.c.due_at)
                .where(table.c.due_at <= bindparam("now", type_=tables.Instant))
                .order_by(table.c.due_at)
                .limit(bindparam("limit", type_=Integer))
                .subquery()
                for name, table in tables.RECORDS.items()
                if "due_at" in table.c
            ]
            all_due = union_all(*(select(first) for first in firsts)).subquery()
            return (
                select(all_due.c.kind, all_due.c.id)
                .order_by(all_due.c.due_at, all_due.c.id)
                .limit(bindparam("limit", type_=Integer))
            )

        return self._keep("due", make)

    def next_due(self) -> Statement:
        """The earliest `due_at` of all records."""

        def make() -> _Clause:
            parts = [
                select(func.min(table.c.due_at).label("due_at"))
                for table in tables.RECORDS.values()
                if "due_at" in table.c
            ]
            return select(func.min(union_all(*parts).subquery().c.due_at, type_=tables.Instant))

        return self._keep("next due", make)

    def unread_since(self) -> Statement:
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

    def epoch(self) -> Statement:
        """The epoch of the lease."""
        return self._keep("epoch", lambda: select(tables.lease.c.epoch).where(tables.lease.c.id == 1))

    def stale(self, table: AnyTable, first: bool) -> Statement:
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

    def reseal(self, table: AnyTable) -> Statement:
        """Change only what is sealed in a row."""

        def make() -> _Clause:
            key = [table.c[name] == bindparam(f"{name}_is") for name in tables.naming_columns(table)]
            return update(table).where(*key).values(sealed=bindparam("sealed", type_=tables.Sealed))

        return self._keep(("reseal", table.name), make)
