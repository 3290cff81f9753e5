"""What time it is, and waiting until a time.

Guards: time inside the program is aware and in UTC; a wait follows the wall clock, so that a machine that
slept, or whose clock was set, does what was due as soon as it is awake, and a clock that is set back makes no
wait longer. Lengths of time are measured on the monotonic clock alone.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

_LONGEST_NAP = 30.0
"""Seconds; the event loop's own timer stands still while a machine is suspended, so no wait is longer."""
_BESIDE = 0.1
"""Seconds by which the two clocks may differ over a wait, as they do where the wall clock is kept right."""


def kept(instant: datetime) -> datetime:
    """The aware instant to the millisecond, as the database keeps it."""
    return datetime.fromtimestamp(round(instant.timestamp() * 1000) / 1000, UTC)


class Clock(Protocol):
    """`now` is aware and in UTC; `monotonic` is in seconds from any start and never goes back."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...

    async def sleep_until(self, when: datetime) -> None:
        """Return at `when`, which is aware, or as soon after it as can be; at once if it has passed.

        Where the clock is set back meanwhile, it returns after so long as it was to last: whoever waits for
        an hour of the day looks at the clock again.
        """
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the time of day, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds on a clock that nobody sets."""
        return time.monotonic()

    async def sleep_until(self, when: datetime) -> None:
        """Return at `when` by the wall clock, looked at anew at least every half minute."""
        left = (when - self.now()).total_seconds()
        longest = self.monotonic() + left + _BESIDE
        while left > 0:
            await asyncio.sleep(min(left, _LONGEST_NAP))
            left = min((when - self.now()).total_seconds(), longest - self.monotonic())
