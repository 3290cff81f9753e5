"""One transaction: records, inbox, outbox, the schedule, the sealed rows of others, keys and lease.

Guards: a transaction reads what it wrote; nothing reaches a sealed column but through `Transaction._seal`; a
lost lease commits nothing.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Protocol, TypeVar, cast

from schema import tables
from schema.effects import Effect, SendText
from schema.errors import LeaseHeld, SealBroken
from schema.events import Due, FromMatrix
from schema.ids import EventId, MatrixId, MemberId, OutboxId
from schema.records import (
    Across,
    Buddy,
    CheckIn,
    Meeting,
    Member,
    OwnPlan,
    PairingPause,
    PeerRoom,
    Record,
    Separation,
    Stewardship,
)
from schema.tables import AnyTable
from service import logs
from service.seal import Seal
from service.store.driver import Driver, Row, Step, Unexpected
from service.store.shapes import EFFECT, EVENT, KINDS, SHAPES, InboxRow, OutboxRow, Unread, from_json, to_json
from service.store.statements import Statement, Statements

R = TypeVar("R", bound=Record)
S = TypeVar("S", bound=Separation | Meeting | PairingPause | Buddy)
A = TypeVar("A", bound=PeerRoom | Meeting)
_log = logs.get("store")

_KEEP_SEEN = timedelta(days=14)
_ROWS = 100
"""Rows of the inbox that are read at once."""
_LOOKED_THROUGH = 1000
"""Rows of the inbox that one turn looks through at most, since all others wait for it meanwhile."""
REMEMBERED = 4096
"""Opened records kept in memory: enough to match 2,000 offers without opening each again."""
_NOT_REMEMBERED = frozenset((Member, Stewardship))
"""A prompt holds a draft, which is a dict: somebody could change it in place."""


class Guard(Protocol):
    """The lease, as the store sees it (`service.lease.Lease`): `check` raises LeaseHeld once it is lost."""

    epoch: int
    holder: str

    def check(self) -> None: ...


class Opened(Protocol):
    """What a transaction needs of the open database (`Store`); `seal` is there once the keyring is open."""

    guard: Guard | None
    seal: Seal
    statements: Statements
    remembered: OrderedDict[tuple[str, str], tuple[Row, Record]]


class Transaction:
    """One transaction: what it writes waits until something is read, or until the commit.

    Implements `service.turn.Records`. Instants are aware UTC, kept to the millisecond. Every call raises
    WorldError when the database may work later (the whole transaction is to be run again), OperatorError when
    somebody must act, SealBroken when bytes at rest were changed, ValueError for an id that is not opaque.

    `earliest_due` is the earliest due time among the records put; `deleted` says that records were deleted.
    With `only_reads` nothing is begun, and writing is our mistake.
    """

    def __init__(self, store: Opened, driver: Driver, *, only_reads: bool = False) -> None:
        self._store = store
        self._driver = driver
        self._statements = store.statements
        self._waiting: list[Step] = []
        self._broken = False
        self._only_reads = only_reads
        self.begun = False
        self.wrote = False
        self._own: dict[tuple[str, str], Record | None] = {}
        """By table and id, what was read ahead or put; None where nothing is there."""
        self._of: dict[str, dict[str, dict[str, Record]]] = {}
        """By table, all that members have there, by id, where it was read ahead; `_own` has each of them."""
        self._answered: dict[str, dict[tuple[object, ...], Sequence[Record]]] = {}
        self.earliest_due: datetime | None = None
        self.deleted = False

    # The two ways to the database: ask and tell.

    async def _ask(self, statement: Statement, **values: object) -> list[Row]:
        return statement.results(await self._ask_raw(statement, values))

    async def _ask_raw(self, statement: Statement, values: Mapping[str, object]) -> list[Row]:
        """Rows as the driver gives them."""
        return await self._run(Step(statement.sql, statement.arguments(values)))

    async def _run(self, step: Step) -> list[Row]:
        """Run what waits, then `step`. After a failure nothing more runs: what waited may be lost."""
        if self._broken:
            raise RuntimeError("a transaction went on after it had failed")
        steps = [*self._begin(), *self._waiting, step]
        self._waiting = []
        self._broken = True
        try:
            rows = await self._driver.run(steps)
        except Unexpected:
            raise LeaseHeld(
                "Another process took over this database",
                fix="Stop one of the two; one database is never served twice.",
            ) from None
        self._broken = False
        return rows

    def _tell(self, statement: Statement, rows: Iterable[Mapping[str, object]]) -> None:
        arguments = [statement.arguments(row) for row in rows]
        if not arguments:
            return
        if self._only_reads:
            raise RuntimeError("a transaction that only reads was to write")
        self.wrote = True
        last = self._waiting[-1] if self._waiting else None
        if last is not None and last.sql is statement.sql:
            cast(list[Row], last.arguments).extend(arguments)
        else:
            self._waiting.append(Step(statement.sql, arguments, many=True))

    def _begin(self) -> list[Step]:
        """The steps that begin the transaction and look at the lease; none once it has begun."""
        if self.begun:
            return []
        self.begun = not self._only_reads
        steps = [Step(self._driver.begin, ())] if self.begun else []
        guard = self._store.guard
        if guard is not None:
            guard.check()
            epoch = self._statements.epoch()
            steps.append(Step(epoch.sql, epoch.arguments({}), expect=[(guard.epoch,)]))
        return steps

    async def commit(self) -> None:
        """Write what waits, and commit; for the store alone."""
        if self.begun or self._waiting:
            await self._run(Step("COMMIT", ()))
            self.begun = False

    # Sealing: the only way into a sealed column and out of it.

    def _seal(self, table: AnyTable, row: dict[str, object], text: bytes) -> dict[str, object]:
        row["sealed"] = self._store.seal.seal(table.name, "sealed", _name_of(table, row), text)
        return row

    def _open(self, table: AnyTable, row: Row) -> bytes:
        named = dict(zip((column.name for column in table.c), row, strict=True))
        return self._store.seal.open(
            table.name, "sealed", _name_of(table, named), cast(bytes, named["sealed"])
        )

    # Records.

    async def get(self, kind: type[R], id: str) -> R | None:
        """The record of this id, or None."""
        shape = SHAPES[kind]
        key = (shape.table.name, id)
        if key in self._own:
            return cast(R, self._own.pop(key) if kind in _NOT_REMEMBERED else self._own[key])
        found = await self._records(kind, self._statements.get(shape.table, "id"), {"id": id})
        return found[0] if found else None

    async def read_ahead(self, due: Sequence[Due]) -> None:
        """Read those records at once, whose they are, and what else their turns look up.

        `get` and `find` have them then; one question for all costs little more than one for each.
        """
        members: set[str] = set()
        asked: set[str] = set()
        for name in sorted({one.kind for one in due}):
            ids = tuple(sorted(one.id for one in due if one.kind == name))
            for record in await self.find(KINDS[name], id=ids):
                self._own[name, record.id] = record
                members.add(str(getattr(record, "member", "")))
                if isinstance(record, CheckIn):
                    asked.add(record.member)
        for member in await self.find(Member, id=tuple(sorted(members - {""}))):
            self._own[tables.members.name, member.id] = member
        if not asked:
            return
        ids = tuple(sorted(asked))
        plans: dict[str, OwnPlan] = {plan.id: plan for plan in await self.find(OwnPlan, id=ids)}
        self._own.update({(tables.own_plans.name, one): plans.get(one) for one in ids})
        for table, found in (
            (tables.check_ins, await self.find(CheckIn, member=ids)),
            (tables.buddies, await self.find(Buddy, member=ids)),
        ):
            theirs: dict[str, dict[str, Record]] = {one: {} for one in ids}
            for each in found:
                theirs[each.member][each.id] = self._own[table.name, each.id] = each
            self._of[table.name] = theirs

    async def find(self, kind: type[R], **equal: object) -> Sequence[R]:
        """Records whose plain columns equal what is given, by id; a tuple means any of them, None is null."""
        table = SHAPES[kind].table
        theirs = self._of.get(table.name, {}).get(str(equal.get("member")))
        if theirs is not None and len(equal) == 1:
            return [cast(R, theirs[id]) for id in sorted(theirs)]
        counts: list[tuple[str, int]] = []
        values: dict[str, object] = {}
        for name, value in equal.items():
            if value == ():
                return []
            options = value if isinstance(value, tuple) else () if value is None else (value,)
            if len(options) > 1:
                # Few different numbers, so that few statements are compiled.
                options += options[-1:] * ((1 << (len(options) - 1).bit_length()) - len(options))
            counts.append((name, len(options)))
            values.update({f"{name}_{at}": one for at, one in enumerate(options)})
        statement = self._statements.find(table, tuple(counts))
        return await self._records(kind, statement, values)

    async def page(self, kind: type[R], after: str, limit: int) -> Sequence[R]:
        """The first records whose id comes after `after`, by id."""
        statement = self._statements.page(SHAPES[kind].table)
        return await self._records(kind, statement, {"after": after, "limit": limit})

    async def put(self, record: Record) -> None:
        """Write the whole record, new or not."""
        shape = SHAPES[type(record)]
        row: dict[str, object] = {name: getattr(record, name) for name, _, _ in shape.clear}
        if isinstance(record, PeerRoom):
            row["room_hash"] = None if record.room is None else self._store.seal.lookup("rooms", record.room)
        if isinstance(record, PeerRoom | Meeting):
            row["answer_hash"] = self._answer_hash(shape.table, record.across)
        if isinstance(record, Separation | Meeting | PairingPause | Buddy):
            row["other_hash"] = self._other_hash(shape.table, record.other)
        text = to_json(shape.adapter, {name: getattr(record, name) for name in shape.sealed})
        due = getattr(record, "due_at", None)
        if due is not None and (self.earliest_due is None or due < self.earliest_due):
            self.earliest_due = due
        self._tell(self._statements.put(shape.table), [self._seal(shape.table, row, text)])
        self._changed(shape.table, record.id)
        theirs = self._of.get(shape.table.name, {})
        member = str(getattr(record, "member", ""))
        if type(record) not in _NOT_REMEMBERED and (due is None or tables.Instant.keeps(due)):
            self._own[shape.table.name, record.id] = record
            if member in theirs:
                theirs[member][record.id] = record
        else:
            theirs.pop(member, None)

    async def delete(self, kind: type[Record], id: str) -> None:
        """Delete the record of this id, if there is one."""
        table = SHAPES[kind].table
        self.deleted = True
        self._store.remembered.pop((table.name, id), None)
        self._changed(table, id)
        self._tell(self._statements.delete(table, "id"), [{"id": id}])

    def _changed(self, table: AnyTable, id: str) -> None:
        """What is remembered in this transaction of the record of this id is so no more."""
        self._answered.pop(table.name, None)
        before = self._own.pop((table.name, id), None)
        if before is not None and (theirs := self._of.get(table.name)) is not None:
            theirs.get(str(getattr(before, "member", "")), {}).pop(id, None)

    async def room_of(self, room: str) -> PeerRoom | None:
        """The peer room with this room ID, or None."""
        room_hash = self._store.seal.lookup("rooms", room)
        statement = self._statements.get(tables.peer_rooms, "room_hash")
        found = await self._records(PeerRoom, statement, {"room_hash": room_hash})
        return found[0] if found else None

    async def about(self, kind: type[S], other: MemberId) -> Sequence[S]:
        """The records of `kind` in which somebody else holds `other`, by id."""
        table = SHAPES[kind].table
        statement = self._statements.get(table, "other_hash")
        return await self._records(kind, statement, {"other_hash": self._other_hash(table, other)})

    async def of_answer(self, kind: type[A], answer: str) -> Sequence[A]:
        """The records of `kind` that came of the answer which a link knows by that name, by id."""
        table = SHAPES[kind].table
        statement = self._statements.get(table, "answer_hash")
        return await self._records(kind, statement, {"answer_hash": self._lookup_answer(table, answer)})

    def _answer_hash(self, table: AnyTable, across: Across | None) -> str | None:
        return None if across is None else self._lookup_answer(table, across.answer)

    def _lookup_answer(self, table: AnyTable, answer: str) -> str:
        """The other desk has the name itself: without the key nobody sees which of its rows is which here."""
        return self._store.seal.lookup(f"{table.name}.answer", answer)

    def _other_hash(self, table: AnyTable, other: MemberId) -> str:
        """Another hash than the member's own id: without the key nobody sees who stands in whose row."""
        return self._store.seal.lookup(table.name, other) if other else ""

    async def _records(self, kind: type[R], statement: Statement, values: Mapping[str, object]) -> list[R]:
        """The records of whole rows; one that was opened before from the very same row is not opened anew.

        What was asked before in this transaction, since its table was last written, is not asked again.
        """
        shape = SHAPES[kind]
        table, open_ = shape.table.name, self._store.seal.open
        asked = (statement, *values.items())
        if (answered := self._answered.get(table, {}).get(asked)) is not None:
            return list(cast(list[R], answered))
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
                    if len(remembered) > REMEMBERED:
                        remembered.popitem(last=False)
            records.append(cast(R, known[1]))
        if not self._only_reads and kind not in _NOT_REMEMBERED:
            # Others may write between two reads where nothing was begun.
            self._answered.setdefault(table, {})[asked] = list(records)
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
                    to_json(EVENT, event),
                )
                for hashed, event in taken.items()
            ),
        )
        self._tell(
            self._statements.add(tables.seen), ({"id": hashed, "seen_at": received_at} for hashed in taken)
        )

    async def mark_seen(self, event_ids: Collection[EventId], at: datetime) -> None:
        """Have `seen` say yes for events that need no handling."""
        hashes = {self._store.seal.lookup("seen", event_id) for event_id in event_ids}
        self._tell(
            self._statements.add(tables.seen), ({"id": hashed, "seen_at": at} for hashed in sorted(hashes))
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

    async def inbox(self, limit: int, after: int = 0) -> list[InboxRow]:
        """The oldest waiting events whose `seq` is greater than `after`."""
        found = []
        for row in await self._ask(self._statements.inbox(), after=after, limit=limit):
            seq, row_id, received_at, failures, _ = cast(tuple[int, str, datetime, int, bytes], row)
            try:
                event = from_json(EVENT, self._open(tables.inbox, row))
            except (SealBroken, ValueError, TypeError) as error:
                # One row whose bytes were changed must not stop the others.
                _log.error("a row of the inbox does not open", error=error, seq=seq)
                continue
            found.append(InboxRow(seq, row_id, event, received_at, failures))
        return found

    async def unheard(self, sender: MatrixId) -> bool:
        """Whether something that `sender` wrote waits to be handled, or so much that it may be among it."""
        after = 0
        for _ in range(0, _LOOKED_THROUGH, _ROWS):
            rows = await self.inbox(_ROWS, after)
            if not rows:
                return False
            if any(getattr(row.event, "sender", None) == sender for row in rows):
                return True
            after = rows[-1].seq
        return True

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

    async def add_effects(self, effects: Sequence[tuple[str, str, Effect]], now: datetime) -> list[OutboxRow]:
        """Keep effects, each with its lane and its way, until they are delivered; lanes as keyed hashes.

        A row's id is the effect's mark, where it bears one: it is kept once, however often it is ordered.
        The rows are for delivery after the commit; their `seq` is not known yet and stands as 0.
        """
        lookup = self._store.seal.lookup
        kept = [
            OutboxRow(_id_of(effect), 0, lookup("lanes", lane), effect, now, 0, None)
            for lane, _, effect in effects
        ]
        self._tell(
            self._statements.add(tables.outbox),
            (
                self._seal(
                    tables.outbox,
                    {
                        "id": row.id,
                        "lane": row.lane,
                        "way": way,
                        "made_at": now,
                        "attempts": 0,
                        "next_at": None,
                    },
                    to_json(EFFECT, row.effect),
                )
                for row, (_, way, _) in zip(kept, effects, strict=True)
            ),
        )
        return kept

    async def outbox(self, limit: int, after: int = 0) -> list[OutboxRow]:
        """Effects that wait, the oldest first, whose `seq` is greater than `after`."""
        return self._effects(await self._ask(self._statements.outbox(), limit=limit, after=after))

    def _effects(self, rows: Sequence[Row]) -> list[OutboxRow]:
        found = []
        for row in rows:
            seq, row_id, lane, _, made_at, attempts, next_at, _ = cast(
                tuple[int, OutboxId, str, str | None, datetime, int, datetime | None, bytes], row
            )
            try:
                effect = from_json(EFFECT, self._open(tables.outbox, row))
            except (SealBroken, ValueError, TypeError) as error:
                _log.error("a row of the outbox does not open", error=error, seq=seq)
                continue
            found.append(OutboxRow(row_id, seq, lane, effect, made_at, attempts, next_at))
        return found

    async def outbox_ready(self, way: str | None, now: datetime, limit: int) -> list[OutboxId]:
        """Ids of the effects of `way` (None: kept without one) that may go now, the oldest first.

        Nothing is opened. One that was put off holds back all later ones of its lane, and so does one of
        another way. There are `limit` of them, or that many more where as many were put off until now.
        """
        rows = await self._ask(self._statements.ready(way is None), way=way, now=now, limit=limit)
        return [OutboxId(cast(str, row[0])) for row in rows]

    async def outbox_rows(self, ids: Sequence[OutboxId]) -> list[OutboxRow]:
        """The effects of these ids, opened, the oldest first; one that does not open is left out."""
        if not ids:
            return []
        # Few different lengths, so that few statements are kept.
        size = 1 << (len(ids) - 1).bit_length()
        values = {f"id_{at}": ids[min(at, len(ids) - 1)] for at in range(size)}
        return self._effects(await self._ask(self._statements.effects(size), **values))

    async def outbox_rest(self, lane: str, but: OutboxId, limit: int) -> list[OutboxRow]:
        """The `limit` oldest effects of a lane but for one, opened; one that does not open is left out."""
        return self._effects(await self._ask(self._statements.rest_of_lane(), lane=lane, id=but, limit=limit))

    async def outbox_lanes(self, limit: int) -> list[tuple[OutboxId, str]]:
        """The id and the lane of each of the `limit` oldest effects; nothing is opened."""
        return cast(
            list[tuple[OutboxId, str]],
            [(row[0], row[1]) for row in await self._ask(self._statements.lanes(), limit=limit)],
        )

    async def outbox_next(self, now: datetime) -> datetime | None:
        """When the first of those that are put off until after `now` may go."""
        rows = await self._ask(self._statements.next_effect(), now=now)
        return cast(datetime | None, rows[0][0])

    async def outbox_count(self) -> tuple[int, int]:
        """How many effects wait, and the greatest `seq` among them, 0 where there is none."""
        count, last = (await self._ask(self._statements.count_effects()))[0]
        return cast(int, count), cast(int, last or 0)

    async def outbox_holds(self, id: OutboxId) -> bool:
        """Whether the effect of this id waits."""
        return bool(await self._ask(self._statements.get(tables.outbox, "id"), id=id))

    async def outbox_done(self, ids: Iterable[OutboxId]) -> None:
        """The effects are delivered, or refused for good."""
        self._tell(self._statements.delete(tables.outbox, "id"), [{"id": one} for one in ids])

    async def outbox_retry(self, id: OutboxId, next_at: datetime, attempts: int) -> None:
        """Put the effect, and so its lane, off until `next_at`."""
        self._tell(self._statements.retry(), [{"id_is": id, "until": next_at, "tried": attempts}])

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

    async def keep_unread(self, event_id: EventId, raw: bytes, since: datetime) -> None:
        """Keep an event that cannot be read yet."""
        row = {"id": self._store.seal.lookup("unread", event_id), "since": since}
        self._tell(self._statements.add(tables.unread), [self._seal(tables.unread, row, raw)])

    async def unread_since(self, before: datetime) -> list[Unread]:
        """What has waited since `before` or longer, the oldest first."""
        return self._unread(await self._ask(self._statements.unread_since(), before=before))

    def _unread(self, rows: Sequence[Row]) -> list[Unread]:
        return [
            Unread(cast(str, row[0]), self._open(tables.unread, row), cast(datetime, row[1])) for row in rows
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


def _id_of(effect: Effect) -> OutboxId:
    mark = effect.mark if isinstance(effect, SendText) else OutboxId("")
    return mark or OutboxId(token_hex(16))


def _name_of(table: AnyTable, row: Mapping[str, object]) -> str:
    """What names a row in its seal's associated data."""
    return "/".join(str(row[name]) for name in tables.naming_columns(table))
