"""Delivers effects: in order within a lane, lanes in parallel, tried again with jitter until a deadline.

Guards: an effect leaves only after its commit; its row's id is the Matrix transaction id at every try, so
that a second try is no second message; a permanent refusal and a passed deadline come back as events, so that
the member hears about it. What is sent is dropped from the database in batches; a crash before that sends the
same transaction id again, which the homeserver answers with the same event.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

from schema.effects import (
    AnswerPlainRoom,
    Effect,
    EmptyPeerRoom,
    InviteAgain,
    JoinRoom,
    LeaveRoom,
    MutePeerRoom,
    OpenDirectChat,
    OpenPeerRoom,
    PurgePeerRoom,
    RedactPeerRoom,
    SendText,
)
from schema.errors import HomeserverRefused, KeeperNotDeaf, LeaseHeld, NotPrivate, Throttled, WorldError
from schema.events import Delivered, NotDelivered
from schema.ids import OutboxId
from service import logs
from service.clock import Clock
from service.store import OutboxRow, Store
from service.web import Metrics

_AT_ONCE = 32
"""How many effects may be on their way at the same time."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 300.0
"""Seconds before the second try, and the most between two."""
_TOGETHER = 0.2
"""Seconds that what was sent waits to be forgotten together, while there is more to send."""
_SILENT = (SendText, AnswerPlainRoom, JoinRoom, LeaveRoom, InviteAgain)
"""Effects whose success nobody waits for."""

_log = logs.get("outbox")

Result = Callable[[Delivered | NotDelivered, OutboxId], Awaitable[None]]


class Deliver(Protocol):
    """Carries out one effect; `again` says that an earlier try may have arrived. Raises our errors."""

    async def __call__(self, effect: Effect, id: OutboxId, *, again: bool) -> Delivered: ...


def deadline(effect: Effect) -> timedelta:
    """How long an effect is tried: a message for a day, a room for ten minutes, an erasure for two weeks."""
    match effect:
        case OpenPeerRoom():
            return timedelta(minutes=10)
        case MutePeerRoom() | RedactPeerRoom() | EmptyPeerRoom() | PurgePeerRoom():
            return timedelta(days=14)
        case OpenDirectChat() | JoinRoom() | LeaveRoom() | InviteAgain():
            return timedelta(hours=6)
        case _:
            return timedelta(hours=24)


def lane(effect: Effect) -> str:
    """Effects of one lane are delivered in order: those of one chat, of one peer room, to one new member."""
    match effect:
        case SendText() | AnswerPlainRoom() | JoinRoom() | LeaveRoom():
            return effect.room
        case OpenDirectChat():
            return effect.member
        case _:
            return effect.pairing


class Outbox:
    """Takes committed rows from the engine and delivers them; `result` hands outcomes back to it."""

    def __init__(
        self, *, store: Store, deliver: Deliver, clock: Clock, random: Random, metrics: Metrics
    ) -> None:
        self._store = store
        self._deliver = deliver
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._lanes: dict[str, deque[OutboxRow]] = {}
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._sent: list[OutboxId] = []
        self._sent_some = asyncio.Event()
        self._room = asyncio.Semaphore(_AT_ONCE)
        self.result: Result

    def add(self, rows: Iterable[OutboxRow]) -> None:
        """Take committed rows, in the order of their effects."""
        for row in rows:
            lane = self._lanes.get(row.lane)
            if lane is None:
                self._lanes[row.lane] = deque([row])
                self._ready.put_nowait(row.lane)
            else:
                lane.append(row)

    async def run(self) -> None:
        """Deliver for ever, beginning with what an earlier run left."""
        async with self._store.transaction("outbox read") as transaction:
            # Those that were put off as well: a lane waits for its first row here, not in the database.
            left = await transaction.outbox(self._clock.now() + timedelta(days=365), limit=1_000_000)
        self.add(left)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._forget_sent())
            while True:
                lane = await self._ready.get()
                tasks.create_task(self._drain(lane))

    async def _drain(self, lane: str) -> None:
        """Deliver a lane's rows in order; the lane ends when it is empty."""
        rows = self._lanes[lane]
        while rows:
            if (until := rows[0].next_at) is not None:
                await self._clock.sleep_until(until)
            async with self._room:
                tried = await self._try(rows[0])
            if tried is None:
                rows.popleft()
            else:
                rows[0] = tried
        del self._lanes[lane]

    async def _try(self, row: OutboxRow) -> OutboxRow | None:
        """Deliver once; the row to try again later, or None when it is over."""
        try:
            if self._clock.now() - row.made_at > deadline(row.effect):
                return await self._over(row, NotDelivered(row.effect, "deadline"))
            delivered = await self._deliver(row.effect, row.id, again=row.attempts > 0)
            if isinstance(row.effect, _SILENT):
                self._sent.append(row.id)
                self._sent_some.set()
                return None
            return await self._over(row, delivered)
        except HomeserverRefused as refused:
            _log.warning(
                "an effect is refused", effect=row.effect.type, code=refused.code, status=refused.status
            )
            return await self._over(row, NotDelivered(row.effect, refused.code))
        except NotPrivate:
            return await self._over(row, NotDelivered(row.effect, "not_private"))
        except KeeperNotDeaf:
            _log.error("the keeper is not deaf")
            return await self._over(row, NotDelivered(row.effect, "keeper_not_deaf"))
        except WorldError as error:
            return await self._later(row, error)

    async def _over(self, row: OutboxRow, outcome: Delivered | NotDelivered) -> OutboxRow | None:
        """Hand the outcome to the engine; what our own bug or the database hinders is tried again later."""
        try:
            await self.result(outcome, row.id)
        except LeaseHeld:
            raise
        except Exception as error:  # noqa: BLE001  One bad outcome must not stop the other lanes.
            self._metrics.failed_turns.inc()
            _log.error("a turn failed", error=error, kind=outcome.type, effect=row.effect.type)
            return await self._later(row, error)
        return None

    async def _later(self, row: OutboxRow, error: Exception) -> OutboxRow:
        if isinstance(error, Throttled):
            pause = error.retry_after
        else:
            pause = min(_FIRST_PAUSE * 2**row.attempts, _LONGEST_PAUSE)
        pause *= 1 + self._random.random() / 2
        next_at: datetime = self._clock.now() + timedelta(seconds=pause)
        _log.info(
            "an effect waits", error=error, effect=row.effect.type, attempts=row.attempts + 1, seconds=pause
        )
        try:
            async with self._store.transaction("outbox retry") as transaction:
                await transaction.outbox_retry(row.id, next_at, row.attempts + 1)
        except WorldError:
            _log.warning("a retry is not kept", effect=row.effect.type)
        return replace(row, next_at=next_at, attempts=row.attempts + 1)

    async def _forget_sent(self) -> None:
        """Drop the rows of what was sent, as many at once as there are."""
        while True:
            await self._sent_some.wait()
            if self._lanes:
                # Others are on their way: one commit for all of them costs less than one for each.
                await asyncio.sleep(_TOGETHER)
            self._sent_some.clear()
            sent, self._sent = self._sent, []
            try:
                async with self._store.transaction("outbox sent") as transaction:
                    await transaction.outbox_done(sent)
            except WorldError as error:
                _log.warning("what was sent is not forgotten yet", error=error)
                self._sent += sent
                await asyncio.sleep(_FIRST_PAUSE)
                self._sent_some.set()
