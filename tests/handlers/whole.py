"""A whole desk: a story whose turns the engine takes on a real SQLite database; it can end and start again.

What tests look at is a mirror of the records that were committed; `whole` holds it against the database.
Fake is what lies outside alone: the homeserver, the clock, and who carries out what leaves.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import ClassVar

from handlers import dispatch
from schema.effects import Effect
from schema.errors import Unreachable
from schema.events import Delivered, Due, Event, NotDelivered
from schema.ids import MatrixId, MemberId, OutboxId
from schema.records import PeerRoom, Record
from schema.states import Belongs, Standing
from service.core import ways
from service.crossing import Crossing
from service.engine import Engine
from service.outbox import Outbox
from service.seal import Keyring
from service.store import OutboxRow, Store
from service.store.driver import Driver, Row, SQLite, Step
from service.turn import A, R, Records, S, Turn
from service.web import Metrics
from tests import databases
from tests.handlers.records import TABLES, MemoryRecords
from tests.handlers.story import WORDS, Story

_KEYRING = Keyring(bytes(32), {1: bytes(range(32))}, 1)
"""The same in each run, so that what is ordered by id comes in the same order."""


class Mirrored:
    """A transaction's records, with what is written to them noted."""

    def __init__(self, records: Records, kept: MemoryRecords) -> None:
        self._records, self._kept = records, kept

    async def get(self, kind: type[R], id: str) -> R | None:
        """As the transaction has it."""
        return await self._records.get(kind, id)

    async def find(self, kind: type[R], **equal: object) -> Sequence[R]:
        """As the transaction has it."""
        return await self._records.find(kind, **equal)

    async def put(self, record: Record) -> None:
        """Write it in both."""
        await self._records.put(record)
        await self._kept.put(record)

    async def delete(self, kind: type[Record], id: str) -> None:
        """Delete it in both."""
        await self._records.delete(kind, id)
        await self._kept.delete(kind, id)

    async def room_of(self, room: str) -> PeerRoom | None:
        """As the transaction has it."""
        return await self._records.room_of(room)

    async def about(self, kind: type[S], other: MemberId) -> Sequence[S]:
        """As the transaction has it."""
        return await self._records.about(kind, other)

    async def of_answer(self, kind: type[A], answer: str) -> Sequence[A]:
        """As the transaction has it."""
        return await self._records.of_answer(kind, answer)

    async def unheard(self, sender: MatrixId) -> bool:
        """As the transaction has it."""
        return await self._records.unheard(sender)


class _Clock:
    """The story's time."""

    def __init__(self, story: Story) -> None:
        self._story = story

    def now(self) -> datetime:
        return self._story.now

    def monotonic(self) -> float:
        return self._story.now.timestamp()

    async def sleep_until(self, when: datetime) -> None:
        raise AssertionError("nothing sleeps in a story")


class _HandedOver(Outbox):
    """Keeps what the engine hands over after a commit; the story carries it out."""

    rows: list[OutboxRow]

    def add(self, rows: Iterable[OutboxRow]) -> None:
        self.rows += rows

    def look(self) -> None:
        raise AssertionError("a commit failed")


class Counted:
    """The connection to the database: what is run on it is counted, but for what begins and ends."""

    begin: ClassVar[str] = SQLite.begin
    settings: ClassVar[tuple[str, ...]] = SQLite.settings

    def __init__(self, inner: Driver) -> None:
        self._inner = inner
        self.dialect = inner.dialect
        self.statements = 0

    @property
    def alive(self) -> bool:
        """Whether it is of use."""
        return self._inner.alive

    async def run(self, steps: Sequence[Step]) -> list[Row]:
        """Run the steps, and count each row that one writes."""
        for step in steps:
            if step.sql not in (self._inner.begin, "COMMIT"):
                self.statements += len(step.arguments) if step.many else 1
        return await self._inner.run(steps)

    async def rollback(self) -> None:
        """Roll back."""
        await self._inner.rollback()


async def _no_delivery(effect: Effect, id: OutboxId, *, again: bool) -> Delivered:
    raise Unreachable("a story carries it out")


@dataclass
class Whole(Story):
    """One community's service as a whole; to be opened at a place of its own, and closed."""

    store: Store = field(init=False)
    engine: Engine = field(init=False)
    counted: Counted = field(init=False)
    on_the_way: list[OutboxRow] = field(default_factory=list)
    raised: list[Exception] = field(default_factory=list)
    _after: dict[tuple[str, str], Record] = field(default_factory=dict)

    async def open(self, place: Path) -> None:
        """Start it on the database at `place`, a fresh one where nothing is yet."""
        self.store = await databases.opened(place)
        self.store.seal = _KEYRING.seal()
        driver = self.store._driver
        assert driver is not None
        # No power is cut here, and to wait for a disk is most of what a test would do.
        await driver.run([Step("PRAGMA synchronous = OFF", ())])
        self.counted = Counted(driver)
        self.store._driver = self.counted
        metrics = Metrics()
        self._outbox = _HandedOver(
            store=self.store,
            deliver=_no_delivery,
            clock=_Clock(self),
            random=Random(0),
            metrics=metrics,
            server=self.community.server,
        )
        self._outbox.rows = []
        self.engine = Engine(
            store=self.store,
            dispatch=self._dispatch,
            community=self.community,
            words=WORDS,
            clock=_Clock(self),
            outbox=self._outbox,
            standing=lambda room, member: Standing.PRIVATE,
            random=self.random,
            metrics=metrics,
            crossing=Crossing(),
            belongs=lambda member, event: Belongs.MEMBER,
            stewards=lambda room, member: Standing.PRIVATE,
            linked=lambda room, desk: Standing.PRIVATE,
        )
        self.engine.read_since = lambda: self.read_since

    async def close(self) -> None:
        """End it; what was committed stays."""
        await self.store.close()

    async def restart(self, place: Path) -> None:
        """End it and start it again on what is there."""
        await self.close()
        await self.open(place)

    async def keep(self, *records: Record) -> None:
        """Write these, as if they had come to be."""
        async with self.store.transaction("kept") as transaction:
            for record in records:
                await transaction.put(record)
                await self.records.put(record)

    def id(self, name: str) -> MemberId:
        """The member's id in the records."""
        return self.identify(self.address(name))

    def identify(self, matrix_id: MatrixId) -> MemberId:
        """The keyed hash that stands for somebody."""
        return self.store.member_id(matrix_id)

    async def _dispatch(self, turn: Turn) -> None:
        kept = MemoryRecords()
        kept.rows = dict(self._after)
        try:
            await dispatch(replace(turn, records=Mirrored(turn.records, kept), effects=turn.effects))
        except Exception as error:
            self.raised.append(error)
            raise
        self._after = kept.rows

    async def event(self, event: Event) -> list[Effect]:
        """One turn of the engine's, to its commit; what it ordered is carried out."""
        return await self.events(event)

    async def events(self, *events: Event) -> list[Effect]:
        """The same for events that come at once; of several, each from Matrix."""
        self._after = self.records.rows
        event = events[0]
        match event:
            case Delivered(effect=effect) | NotDelivered(effect=effect):
                row = next((one for one in self.on_the_way if one.effect is effect), None)
                await self.engine.result(event, row.id if row is not None else OutboxId("0" * 32))
                if row is not None:
                    self.on_the_way.remove(row)
            case Due():
                await self.engine.due(event)
            case _:
                from_matrix = [one for one in events if not isinstance(one, Delivered | NotDelivered | Due)]
                async with self.store.transaction("taken in") as transaction:
                    await transaction.take_in(from_matrix, self.now)
                await self.engine._empty_inbox()
        if self.raised:
            raise self.raised[0]
        self.records.rows = self._after
        rows, self._outbox.rows = self._outbox.rows, []
        self.on_the_way += [row for row in rows if not isinstance(row.effect, ways.SILENT)]
        silent = [row.id for row in rows if isinstance(row.effect, ways.SILENT)]
        if silent:
            async with self.store.transaction("carried out") as transaction:
                await transaction.outbox_done(silent)
        effects = [row.effect for row in rows]
        self.carry_out(effects)
        return effects

    async def whole(self) -> None:
        """The mirror is what the database has."""
        rows: dict[tuple[str, str], Record] = {}
        async with self.store.reading() as transaction:
            for kind, table in TABLES.items():
                found: Sequence[Record] = await transaction.find(kind)
                rows.update({(table, one.id): one for one in found})
            assert not await transaction.inbox(1)
            waits = {row.id for row in await transaction.outbox(1000)}
        assert rows == self.records.rows
        assert waits == {row.id for row in self.on_the_way}
