"""Delivers effects: in order within a lane, lanes in parallel, tried again with jitter until a deadline.

Guards: an effect leaves only after its commit; its row's id is the Matrix transaction id at every try, so
that a second try is no second message; a permanent refusal and a passed deadline come back as events, so that
the member hears about it; before each try the record of a buddy says whether their words are still to go. One
bad effect, one slow server or one dead room holds up its own lane alone; without the lease nothing leaves.
While our homeserver answers nobody, or limits what is said, one effect of a way at a time finds out whether
that is over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from random import Random
from typing import Protocol

from schema.effects import Effect, FindSent, OpenPeerRoom, SendForBuddy, Withdraw
from schema.errors import (
    Away,
    HomeserverRefused,
    IdentityChanged,
    KeeperNotDeaf,
    LeaseHeld,
    NotPrivate,
    Throttled,
    Unreachable,
    WorldError,
)
from schema.events import Delivered, NotDelivered
from schema.ids import OutboxId
from schema.records import Buddy
from service import logs
from service.backlog import Backlog
from service.clock import Clock
from service.core import buddies, ways
from service.store import OutboxRow, Store
from service.web import Metrics

_AT_ONCE = {"near": 32, "far": 16, "rooms": 8, "back": 1}
"""How many effects of each way may be on their way together."""
_BEHIND = 16
"""Effects behind one that cannot go of which it is seen whether they come too late."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 300.0
"""Seconds before the second try, and the most between two."""
_MOST_DOUBLINGS = 10
_IN_A_ROW = 8
"""Lanes of one way that meet with no answer one after the other, before the others of it wait too."""
_LONGEST_WAIT = 30.0
"""Seconds, at most, between two tries of a way while our homeserver answers nobody."""

_log = logs.get("outbox")

Result = Callable[[Delivered | NotDelivered, OutboxId], Awaitable[None]]


class Deliver(Protocol):
    """Carries out one effect; `again` says that an earlier try may have arrived. Raises our errors."""

    async def __call__(self, effect: Effect, id: OutboxId, *, again: bool) -> Delivered: ...


@dataclass
class _Gate:
    """How many effects of one way may be on their way together, and from when on.

    `limit` of `most` at once; since something last got through, `pauses` were made, and effects of the lanes
    `failed` met with no answer, as many as decide it; it `opens` again, or is open where that is None.
    """

    way: str
    most: int
    limit: int
    busy: int = 0
    failed: set[str] = field(default_factory=set)
    pauses: int = 0
    opens: datetime | None = None

    @property
    def free(self) -> bool:
        """Whether one more may go."""
        return self.busy < self.limit and self.opens is None

    def answered(self) -> None:
        """The homeserver did as it was asked, or refused: it is there, for twice as many next time."""
        self.failed.clear()
        self.pauses, self.opens = 0, None
        self.limit = min(self.limit * 2, self.most)

    def unanswered(self, lane: str) -> bool:
        """An effect of `lane` met with no answer; whether that looks as if others would fare alike."""
        if len(self.failed) < _IN_A_ROW:
            self.failed.add(lane)
        return len(self.failed) == _IN_A_ROW or self.pauses > 0


class _Left(Enum):
    """What became of the first effect of a lane at one try."""

    OVER = auto()
    FIRST = auto()
    """It stays the first, and waits until its way opens."""
    LAST = auto()
    """The same, but others of its way go before it."""
    PUT_OFF = auto()
    """The database has it, and when it may go."""
    RESTS = auto()
    """The database could not be told: it waits here."""


class Outbox:
    """Takes committed rows from the engine and delivers them; `result` hands outcomes back to it.

    `server` is our homeserver's name. `unsure` is set whenever opening a room was given up: it may be there.
    """

    def __init__(
        self, *, store: Store, deliver: Deliver, clock: Clock, random: Random, metrics: Metrics, server: str
    ) -> None:
        self._store = store
        self._deliver = deliver
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._server = server
        self._backlog = Backlog(store=store, clock=clock, server=server)
        self._gates = {way: _Gate(way, most, most) for way, most in _AT_ONCE.items()}
        self._last_before = 0
        """The `seq` up to which rows are of an earlier run, and may have been sent by it."""
        self._tasks: asyncio.TaskGroup
        self.result: Result
        self.unsure = asyncio.Event()
        metrics.outbox.set_function(lambda: self._backlog.size)

    def way(self, effect: Effect) -> str:
        """By which way an effect goes."""
        return ways.way(effect, self._server)

    def add(self, rows: Iterable[OutboxRow]) -> None:
        """Take committed rows, in the order of their effects."""
        self._backlog.add(rows)

    def look(self) -> None:
        """Say that a commit may have left rows that nobody handed over."""
        self._backlog.look()

    async def room(self) -> None:
        """Return when so little waits for our homeserver that the schedule may go on."""
        await self._backlog.room()

    async def forget_sent(self) -> None:
        """Drop the rows of what was sent so far; also at a stop, so that nothing of it is sent again."""
        await self._backlog.forget_sent()

    async def run(self) -> None:
        """Deliver for ever, beginning with what an earlier run left."""
        async with self._store.reading() as transaction:
            _, self._last_before = await transaction.outbox_count()
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._backlog.keep_forgetting())
                self._tasks.create_task(self._backlog.keep_looking())
                while True:
                    await self._backlog.changed.wait()
                    self._backlog.changed.clear()
                    for gate in self._gates.values():
                        lanes = self._backlog.queues[gate.way].lanes
                        while lanes and gate.free:
                            self._begin(gate, lanes.popleft())
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    def _begin(self, gate: _Gate, lane: str) -> None:
        gate.busy += 1
        self._tasks.create_task(self._deliver_first(gate, lane))

    async def _deliver_first(self, gate: _Gate, lane: str) -> None:
        """Deliver the first row of a lane; the lane waits for its next turn, or is over, or put off."""
        row, lanes = self._backlog.first(lane), self._backlog.queues[gate.way].lanes
        try:
            left = await self._try(row, gate)
            if left is _Left.PUT_OFF:
                await self._give_up_behind(row)
        finally:
            gate.busy -= 1
        match left:
            case _Left.OVER:
                self._backlog.over(lane)
            case _Left.FIRST:
                lanes.appendleft(lane)
            case _Left.LAST:
                lanes.append(lane)
            case _Left.PUT_OFF:
                self._backlog.put_off(lane)
            case _Left.RESTS:
                self._tasks.create_task(self._rest(gate, lane))
        self._backlog.go_on()

    async def _rest(self, gate: _Gate, lane: str) -> None:
        if (until := self._backlog.first(lane).next_at) is not None:
            await self._clock.sleep_until(until)
        self._backlog.queues[gate.way].lanes.append(lane)
        self._backlog.go_on()

    def _pause(self, gate: _Gate, seconds: float) -> None:
        """Have nothing go by this way for so long, and then one at first."""
        gate.limit = 1
        if gate.opens is None:
            gate.pauses += 1
            gate.opens = self._clock.now() + timedelta(seconds=seconds * (1 + self._random.random() / 2))
            self._tasks.create_task(self._open(gate, gate.opens))

    async def _open(self, gate: _Gate, at: datetime) -> None:
        """End a pause; whatever came too late meanwhile is given up at once."""
        await self._clock.sleep_until(at)
        if gate.opens == at:
            gate.opens = None
            lanes = self._backlog.queues[gate.way].lanes
            for lane in [lane for lane in lanes if self._is_late(self._backlog.first(lane))]:
                lanes.remove(lane)
                self._begin(gate, lane)
        self._backlog.go_on()

    def _is_late(self, row: OutboxRow) -> bool:
        return ways.is_late(row.effect, row.made_at, self._clock.now())

    async def _try(self, row: OutboxRow, gate: _Gate) -> _Left:
        """Deliver once."""
        if self._store.guard is not None:
            self._store.guard.check()
        try:
            if (given_up := await self._given_up(row)) is not None:
                return await self._over(row, given_up)
            if isinstance(row.effect, Withdraw) and await self._backlog.waits(row.effect.mark):
                raise Unreachable("withdraw: the message is on its way")
            delivered = await self._deliver(row.effect, row.id, again=self._may_have_gone(row))
            gate.answered()
            self._metrics.delivery(type(row.effect), "done")
            if isinstance(row.effect, ways.SILENT):
                self._backlog.sent(row.id)
                return _Left.OVER
            return await self._over(row, delivered)
        except HomeserverRefused as refused:
            gate.answered()
            _log.warning(
                "an effect is refused", effect=row.effect.type, code=refused.code, status=refused.status
            )
            return await self._over(row, NotDelivered(row.effect, refused.code))
        except IdentityChanged:
            return await self._over(row, NotDelivered(row.effect, "identity_changed"))
        except NotPrivate:
            return await self._over(row, NotDelivered(row.effect, "not_private"))
        except KeeperNotDeaf:
            _log.error("the keeper is not deaf")
            return await self._over(row, NotDelivered(row.effect, "keeper_not_deaf"))
        except LeaseHeld:
            raise
        except Throttled as error:
            self._metrics.throttled.inc()
            if not isinstance(row.effect, ways.SAID + ways.TAKEN_BACK):
                return await self._later(row, error)
            # It has not arrived, and what others have to say, or take back, would meet with the same.
            self._pause(gate, min(error.retry_after, _LONGEST_PAUSE))
            self._metrics.delivery(type(row.effect), "later")
            return _Left.FIRST if isinstance(row.effect, ways.SAID) else _Left.LAST
        except Away as error:
            if gate.unanswered(row.lane):
                self._pause(gate, min(_FIRST_PAUSE * 2 ** min(gate.pauses, _MOST_DOUBLINGS), _LONGEST_WAIT))
            return await self._later(row, error)
        except WorldError as error:
            return await self._later(row, error)
        except Exception as error:  # noqa: BLE001  One bad effect must not stop the other lanes.
            _log.error("an effect failed", error=error, effect=row.effect.type)
            return await self._later(row, error)

    def _may_have_gone(self, row: OutboxRow) -> bool:
        """Whether a try, of this run or an earlier one, may have arrived."""
        return row.attempts > 0 or 0 < row.seq <= self._last_before

    async def _given_up(self, row: OutboxRow) -> Delivered | NotDelivered | None:
        """What came of an effect that comes too late or is not to go any more; None where it may go.

        Of words for a buddy a try without an answer may have sent them.
        """
        late, effect = self._is_late(row), row.effect
        if not isinstance(effect, SendForBuddy):
            return NotDelivered(effect, "deadline") if late else None
        async with self._store.reading() as transaction:
            off = not buddies.wanted(await transaction.get(Buddy, effect.buddy), effect)
        if not (off or late):
            return None
        if self._may_have_gone(row):
            found = await self._deliver(FindSent(effect.room), row.id, again=True)
            if found.detail == "there":
                return Delivered(effect)
        return NotDelivered(effect, "called_off" if off else "deadline")

    async def _give_up_behind(self, first: OutboxRow) -> None:
        """Say of what waits behind an effect that is put off, and now comes too late, that it does not go."""
        try:
            async with self._store.reading() as transaction:
                rest = await transaction.outbox_rest(first.lane, first.id, _BEHIND)
            for row in rest:
                if self._is_late(row) and (given_up := await self._given_up(row)) is not None:
                    await self.result(given_up, row.id)
                    self._metrics.delivery(type(row.effect), "refused")
        except LeaseHeld:
            raise
        except Exception as error:  # noqa: BLE001  It is said when the one before it is over, at the latest.
            _log.info("an effect waits", error=error, effect=first.effect.type)

    async def _over(self, row: OutboxRow, outcome: Delivered | NotDelivered) -> _Left:
        """Hand the outcome to the engine; what our own bug or the database hinders is tried again later."""
        if isinstance(outcome, NotDelivered):
            self._metrics.delivery(type(row.effect), "refused")
            if isinstance(row.effect, OpenPeerRoom):
                self.unsure.set()
        try:
            await self.result(outcome, row.id)
        except LeaseHeld:
            raise
        except Exception as error:  # noqa: BLE001  One bad outcome must not stop the other lanes.
            self._metrics.failed_turns.inc()
            _log.error("a turn failed", error=error, kind=outcome.type, effect=row.effect.type)
            return await self._later(row, error)
        self._backlog.forgotten([row.id])
        return _Left.OVER

    async def _later(self, row: OutboxRow, error: Exception) -> _Left:
        self._metrics.delivery(type(row.effect), "later")
        if isinstance(error, Throttled):
            pause = error.retry_after
        else:
            pause = min(_FIRST_PAUSE * 2 ** min(row.attempts, _MOST_DOUBLINGS), _LONGEST_PAUSE)
        pause *= 1 + self._random.random() / 2
        next_at: datetime = self._clock.now() + timedelta(seconds=pause)
        attempts = row.attempts + 1
        _log.info("an effect waits", error=error, effect=row.effect.type, attempts=attempts, seconds=pause)
        self._backlog.replace_first(replace(row, next_at=next_at, attempts=attempts))
        try:
            async with self._store.transaction("outbox retry") as transaction:
                await transaction.outbox_retry(row.id, next_at, attempts)
        except WorldError:
            _log.warning("a retry is not kept", effect=row.effect.type)
            return _Left.RESTS
        return _Left.PUT_OFF
