"""The effects that wait for their delivery: those in hand, and those that lie in the database alone.

Guards: however many wait, so many of each way at most are in hand, and a look at the database opens no more
than there is room for; of each lane the first ones are in hand, in their order, and none is taken twice. What
was sent is dropped from the database in batches; a crash before that sends the same transaction id again,
which the homeserver answers with the same event. The schedule waits while much waits for our own homeserver.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from schema.errors import WorldError
from schema.ids import OutboxId
from service import logs
from service.clock import Clock
from service.core import ways
from service.store import OutboxRow, Store

_MANY, _IN_HAND = 256, 512
"""Effects for our homeserver with which the schedule waits, and how many of one way may be in memory: what a
turn, or some together, have to say beside those need not be read again.
"""
_UNNAMED = 64
"""Effects without a way (an earlier version kept them) that are opened at one look."""
_LANES = 2048
"""Lanes of which it is known that they have rows in the database alone; where there are more, any may."""
_LOOK_EVERY = 60.0
"""Seconds between two looks for committed rows that nobody handed over (a commit whose answer was lost)."""
_TOGETHER = 0.2
"""Seconds that what was sent waits to be forgotten together, while there is more to send."""
_PAUSE = 0.5
"""Seconds after the database could not be read or told."""

_log = logs.get("outbox")


@dataclass
class Queue:
    """The effects of one way: how many are in hand, and the lanes that wait for their turn, in order."""

    in_hand: int = 0
    lanes: deque[str] = field(default_factory=deque)

    @property
    def room(self) -> int:
        """How many more may be in hand."""
        return max(_IN_HAND - self.in_hand, 0)


class Backlog:
    """Keeps what waits; `queues` has each way's, `changed` is set whenever there may be something to begin.

    `server` is our homeserver's name.
    """

    def __init__(self, *, store: Store, clock: Clock, server: str) -> None:
        self._store = store
        self._clock = clock
        self._server = server
        self.queues = {way: Queue() for way in ways.WAYS}
        self._near = self.queues["near"]
        self.changed = asyncio.Event()
        self._lanes: dict[str, deque[OutboxRow]] = {}
        """The rows in hand. Of each lane they are the first ones, but for those that are put off."""
        self._known: set[OutboxId] = set()
        """The rows in hand, and those that were sent and are not forgotten yet."""
        self._damaged: set[OutboxId] = set()
        self._elsewhere: set[str] = set()
        """Lanes that may have rows in the database which are not known here."""
        self._behind = True
        """Whether any lane may."""
        self._near_waits = False
        """Whether more is for our homeserver than may be in hand."""
        self._wanted = False
        """Whether something waits for what is in hand to be forgotten."""
        self._left = 0
        """How many rows were in the database alone, at the last look."""
        self._sent: list[OutboxId] = []
        self._sent_some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._look_at: datetime | None = None
        self._look_now = True
        self._look = asyncio.Event()

    @property
    def size(self) -> int:
        """How many effects wait, as far as it is known."""
        return len(self._known) + self._left

    def add(self, rows: Iterable[OutboxRow]) -> None:
        """Take committed rows, in the order of their effects; one that is known is not taken twice.

        What cannot be in hand now, for want of room or since its lane has earlier rows in the database alone,
        is found there in its order.
        """
        for row in rows:
            if row.id in self._known:
                continue
            queue = self._queue(row)
            if not self._behind and row.lane not in self._elsewhere and queue.room:
                self._take(row)
                continue
            if self._behind and queue.room:
                self.look_again()
            if self._behind or not queue.room:
                self._near_waits |= queue is self._near
                self._wanted = True
            self._wanted |= row.lane in self._lanes
            self._leave(row.lane)
            self._left += 1
        self.go_on()

    async def room(self) -> None:
        """Return when fewer are in hand for our homeserver; what was put off, or goes elsewhere, counts not.

        So no slow server of others holds up the schedule, nor does one lane. While our homeserver answers
        nobody the schedule waits: nobody could be told anything.
        """
        await self._room.wait()

    def go_on(self) -> None:
        """Have as many begun as may go together; the schedule goes on while there is room."""
        self.changed.set()
        if self._near.in_hand < _MANY and not self._near_waits:
            self._room.set()
        else:
            self._room.clear()

    # What is in hand

    def first(self, lane: str) -> OutboxRow:
        """The effect of a lane whose turn it is; the lane is in hand."""
        return self._lanes[lane][0]

    def replace_first(self, row: OutboxRow) -> None:
        """The first of its lane stands now as `row`."""
        self._lanes[row.lane][0] = row

    def over(self, lane: str) -> None:
        """The first of the lane is delivered, or given up; the next waits for its turn."""
        rows = self._lanes[lane]
        self._queue(rows.popleft()).in_hand -= 1
        if rows:
            self._queue(rows[0]).lanes.append(lane)
        else:
            del self._lanes[lane]

    def put_off(self, lane: str) -> None:
        """Have no row of the lane in hand: its first is put off, and so are those after it."""
        rows = self._lanes.pop(lane)
        for row in rows:
            self._known.discard(row.id)
            self._queue(row).in_hand -= 1
            self._left += 1
        self._leave(lane)
        # Only now: a look while it was in hand passed it over.
        self.look_again(rows[0].next_at)

    def sent(self, id: OutboxId) -> None:
        """The homeserver has it, and nobody waits for that: it is forgotten soon."""
        self._sent.append(id)
        self._sent_some.set()

    def forgotten(self, ids: Iterable[OutboxId]) -> None:
        """The database has these no more: there is room for others, and those behind them may go."""
        self._known.difference_update(ids)
        if self._wanted:
            self.look_again()

    async def waits(self, id: OutboxId) -> bool:
        """Whether an effect is still to be delivered."""
        if id in self._known or not (self._behind or self._elsewhere):
            return id in self._known
        async with self._store.reading() as transaction:
            return await transaction.outbox_holds(id)

    def _queue(self, row: OutboxRow) -> Queue:
        return self.queues[ways.way(row.effect, self._server)]

    def _take(self, row: OutboxRow) -> None:
        self._known.add(row.id)
        queue = self._queue(row)
        queue.in_hand += 1
        if row.lane in self._lanes:
            self._lanes[row.lane].append(row)
        else:
            self._lanes[row.lane] = deque([row])
            queue.lanes.append(row.lane)

    def _leave(self, lane: str) -> None:
        """The database alone has some of the lane."""
        if not self._behind:
            self._elsewhere.add(lane)
            if len(self._elsewhere) > _LANES:
                self._behind = True
                self._elsewhere.clear()

    # What the database alone has

    def look(self) -> None:
        """Say that a commit may have left rows that nobody handed over."""
        self._behind = True
        self.look_again()

    def look_again(self, at: datetime | None = None) -> None:
        """Have a look at the database now, or at that time."""
        if at is None:
            self._look_now = True
        elif self._look_at is None or at < self._look_at:
            self._look_at = at
        else:
            return
        self._look.set()

    async def keep_looking(self) -> None:
        """Look whenever there is something to find, and now and then, for ever."""
        while True:
            if not self._look_now:
                await self._until_a_look()
            self._look_now, self._look_at = False, None
            try:
                await self._read()
            except WorldError as error:
                _log.warning("the outbox is not read", error=error)
                await asyncio.sleep(_PAUSE)
                self._look_now = True

    async def _until_a_look(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + _LOOK_EVERY
        while not self._look_now and (left := until - loop.time()) > 0:
            self._look.clear()
            at = self._look_at
            waits: list[asyncio.Future[object]] = [asyncio.ensure_future(self._look.wait())]
            if at is not None:
                waits.append(asyncio.ensure_future(self._clock.sleep_until(at)))
            try:
                await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            if at is not None and self._clock.now() >= at:
                return

    async def _read(self) -> None:
        """Take what may go now, as much of each way as there is room for, and see what is left."""
        async with self._store.reading() as transaction:
            now = self._clock.now()
            self._near_waits = self._wanted = False
            passed = len(self._known) + len(self._damaged)
            for name, queue in ((None, None), *self.queues.items()):
                every = (each.room for each in self.queues.values())
                room = min(_UNNAMED, *every) if queue is None else queue.room
                ready = await transaction.outbox_ready(name, now, passed + room + 1)
                ids = [id for id in ready if id not in self._known and id not in self._damaged]
                rows = await transaction.outbox_rows(ids[:room])
                # Still inside: what is delivered meanwhile is not dropped before it is known here.
                for row in rows:
                    self._take(row)
                self._damaged.update(set(ids[:room]) - {row.id for row in rows})
                if len(ids) > room:
                    self._near_waits |= queue is self._near
                    self._look_now |= room > 0
                    self._wanted = True
            most = _LANES + len(self._known) + len(self._damaged)
            lanes = await transaction.outbox_lanes(most + 1)
            self._behind = len(lanes) > most
            unknown = [lane for id, lane in lanes if id not in self._known and id not in self._damaged]
            self._elsewhere = set() if self._behind else set(unknown)
            self._left = len(unknown)
            if self._behind:
                count, _ = await transaction.outbox_count()
                self._left = max(count - len(self._known), 0)
            # What comes after something in hand, or sent, may go when that is forgotten.
            sent = bool(unknown and self._sent)
            self._wanted |= self._behind or sent or any(lane in self._lanes for lane in unknown)
            if (at := await transaction.outbox_next(now)) is not None:
                self.look_again(at)
        self.go_on()

    # What was sent

    async def keep_forgetting(self) -> None:
        """Drop the rows of what was sent, as many at once as there are, for ever."""
        while True:
            await self._sent_some.wait()
            if self._lanes:
                # Others are on their way: one commit for all of them costs less than one for each.
                await asyncio.sleep(_TOGETHER)
            self._sent_some.clear()
            try:
                await self.forget_sent()
            except WorldError as error:
                _log.warning("what was sent is not forgotten yet", error=error)
                await asyncio.sleep(_PAUSE)
                self._sent_some.set()

    async def forget_sent(self) -> None:
        """Drop the rows of what was sent so far; also at a stop, so that nothing of it is sent again."""
        sent = list(self._sent)
        if sent:
            async with self._store.transaction("outbox sent") as transaction:
                await transaction.outbox_done(sent)
            del self._sent[: len(sent)]
            self.forgotten(sent)
