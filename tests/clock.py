"""A clock that stands still until a test moves it."""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

_ROUNDS = 20
"""How often the event loop goes round after each waking, for what was woken to come to its next wait."""


class FakeClock:
    """Virtual time: waits end in the order of their times, and only when `advance` passes them."""

    def __init__(self, start: datetime = datetime(2026, 11, 27, 14, 0, tzinfo=UTC)) -> None:
        self._start = self._now = start
        self._order = itertools.count()
        self._waiting: list[tuple[datetime, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """Return the virtual time, aware, in UTC."""
        return self._now

    def monotonic(self) -> float:
        """Return the virtual seconds since the start."""
        return (self._now - self._start).total_seconds()

    async def sleep_until(self, when: datetime) -> None:
        """Return when virtual time has come to `when`; at once if it has."""
        if when <= self._now:
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (when, next(self._order), woken))
        await woken

    def next_wake(self) -> datetime | None:
        """Return the earliest time that somebody waits for."""
        while self._waiting and self._waiting[0][2].done():
            heapq.heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else None

    async def advance(self, by: timedelta) -> None:
        """Move time on by `by`, through every wait on the way, each woken at its own time and in order."""
        await self.advance_to(self._now + by)

    async def advance_to(self, when: datetime) -> None:
        """Move time on to `when`, as `advance` does; time never goes back."""
        await _settle()
        while (wake := self.next_wake()) is not None and wake <= when:
            self._now = max(self._now, wake)
            heapq.heappop(self._waiting)[2].set_result(None)
            await _settle()
        self._now = max(self._now, when)


async def _settle() -> None:
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)
