"""Due rows become events; the database is the schedule, and one timer only wakes us.

Guards: a due record is handed to the engine once for each due time, which its own turn moves on in the same
commit; one whose turn fails is passed over for a while and never holds up the others; after a long absence
everything that fell due is handled, oldest first; however many are due at once, what is in memory is bounded.
"""

import asyncio
from collections import Counter
from datetime import datetime, timedelta

from schema.errors import LeaseHeld, WorldError
from schema.events import Due
from service import logs
from service.clock import Clock
from service.engine import Engine
from service.store import Store, Transaction

_AT_ONCE = 100
_PASSED_OVER = timedelta(minutes=1)
"""How long a record whose turn failed is left alone."""
_STUCK = 20
"""A record that stays due after so many turns is a bug of ours, and must not take the service's time."""
_LOOK_AT_LEAST = timedelta(hours=1)
"""The timer never sleeps longer, so that a clock that was set is noticed."""
_KEEP_HOUSE = timedelta(hours=6)

_log = logs.get("scheduler")


class Scheduler:
    """`late` is how far behind its time the oldest unhandled due record is; for readiness."""

    def __init__(self, *, store: Store, engine: Engine, clock: Clock) -> None:
        self._store = store
        self._engine = engine
        self._clock = clock
        self._woken = asyncio.Event()
        self._next: datetime | None = None
        self._passed_over: dict[Due, datetime] = {}
        self._kept_house: datetime | None = None
        engine.wake_scheduler = self.note

    @property
    def late(self) -> timedelta:
        """How long ago the next due time was; zero when nothing is late."""
        if self._next is None:
            return timedelta()
        return max(self._clock.now() - self._next, timedelta())

    def note(self, transaction: Transaction) -> None:
        """A commit put records with due times: wake earlier if one of them comes before the timer."""
        due = transaction.earliest_due
        if due is not None and (self._next is None or due < self._next):
            self._next = due
            self._woken.set()

    async def run(self) -> None:
        """Hand over what is due, sleep until the next, for ever."""
        while True:
            try:
                await self._hand_over()
                await self._keep_house()
                self._woken.clear()
                async with self._store.reading() as transaction:
                    self._next = await transaction.next_due()
            except LeaseHeld:
                raise
            except WorldError as error:
                _log.warning("the schedule waits", error=error)
                await asyncio.sleep(1)
                continue
            await self._sleep()

    async def _hand_over(self) -> None:
        handled: Counter[Due] = Counter()
        while True:
            now = self._clock.now()
            self._passed_over = {due: until for due, until in self._passed_over.items() if until > now}
            async with self._store.reading() as transaction:
                found = await transaction.due(now, limit=_AT_ONCE + len(self._passed_over))
            ready = [due for due in found if due not in self._passed_over]
            if not ready:
                return
            # What does not move is found again, and first; of the others no count is needed any more.
            handled = Counter({due: handled[due] for due in ready if due in handled})
            while ready:
                # Many may be due in one minute: what they have to say goes out before the next are taken up.
                await self._engine.room()
                count = await self._engine.due_together(ready) if len(ready) > 1 else 0
                if count == 0:
                    await self._hand_over_one(ready[0], now)
                some, ready = ready[: count or 1], ready[count or 1 :]
                for due in some:
                    handled[due] += 1
                    if handled[due] >= _STUCK:
                        _log.error("a due time does not move", kind=due.kind)
                        self._passed_over[due] = now + _PASSED_OVER

    async def _hand_over_one(self, due: Due, now: datetime) -> None:
        try:
            await self._engine.due(due)
        except (LeaseHeld, WorldError):
            raise
        except Exception as error:  # noqa: BLE001  One bad record must not hold up the others.
            _log.error("a turn failed", error=error, kind=due.kind)
            self._passed_over[due] = now + _PASSED_OVER

    async def _keep_house(self) -> None:
        """Let go of what its table keeps only for a while."""
        now = self._clock.now()
        if self._kept_house is None or now - self._kept_house >= _KEEP_HOUSE:
            async with self._store.transaction("keep house") as transaction:
                await transaction.purge_old(now)
            self._kept_house = now

    async def _sleep(self) -> None:
        now = self._clock.now()
        until = now + _LOOK_AT_LEAST
        if self._next is not None:
            until = min(until, self._next)
        if self._passed_over:
            # The database's earliest due time is one that is passed over, and hides the others'.
            until = now + timedelta(seconds=1)
        timer = asyncio.ensure_future(self._clock.sleep_until(until))
        woken = asyncio.ensure_future(self._woken.wait())
        try:
            await asyncio.wait((timer, woken), return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            woken.cancel()
