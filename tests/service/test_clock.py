"""The clocks: the machine's and the one that tests move."""

import asyncio
from datetime import UTC, datetime, timedelta

from service.clock import Clock, SystemClock
from tests.clock import FakeClock


async def test_the_system_clock_is_aware_and_waits() -> None:
    """A wait ends at its time or later, and one that has passed ends at once."""
    clock: Clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    until = clock.now() + timedelta(milliseconds=20)
    before = clock.monotonic()
    await clock.sleep_until(until)
    assert clock.now() >= until
    assert clock.monotonic() > before
    await asyncio.wait_for(clock.sleep_until(until), 30)


async def test_a_wait_follows_a_wall_clock_that_is_set_while_it_waits() -> None:
    """A clock that jumps forward during a wait ends it after the nap at hand, not after the whole length."""

    class Jumping(SystemClock):
        readings = 0

        def now(self) -> datetime:
            self.readings += 1
            start = datetime(2026, 1, 1, tzinfo=UTC)
            return start if self.readings == 1 else start + timedelta(days=1)

    clock = Jumping()
    await asyncio.wait_for(clock.sleep_until(datetime(2026, 1, 1, 0, 0, 0, 10_000, tzinfo=UTC)), 30)
    assert clock.readings == 2


async def test_a_clock_that_is_set_back_makes_no_wait_longer() -> None:
    """A pause of a moment is one, though the hour at which it was to end is a year away again."""

    class SetBack(SystemClock):
        readings = 0

        def now(self) -> datetime:
            self.readings += 1
            return datetime(2026 if self.readings == 1 else 2025, 1, 1, tzinfo=UTC)

    clock = SetBack()
    await asyncio.wait_for(clock.sleep_until(datetime(2026, 1, 1, 0, 0, 0, 10_000, tzinfo=UTC)), 30)
    assert clock.readings > 1


async def test_virtual_time_wakes_in_order_and_at_the_waits_own_times() -> None:
    """Each waiter sees its own time, whatever the order in which they began to wait."""
    clock = FakeClock()
    start = clock.now()
    seen: list[tuple[str, datetime]] = []

    async def wait(name: str, minutes: int, again: int = 0) -> None:
        await clock.sleep_until(start + timedelta(minutes=minutes))
        seen.append((name, clock.now()))
        if again:
            await wait(name + "'", minutes + again)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(wait("late", 3))
        tasks.create_task(wait("early", 1, again=1))
        tasks.create_task(wait("same", 3))
        await clock.advance(timedelta(minutes=2))
        assert [name for name, _ in seen] == ["early", "early'"]
        assert clock.next_wake() == start + timedelta(minutes=3)
        await clock.advance(timedelta(minutes=5))
    assert [(name, (at - start) / timedelta(minutes=1)) for name, at in seen] == [
        ("early", 1),
        ("early'", 2),
        ("late", 3),
        ("same", 3),
    ]
    assert clock.monotonic() == 7 * 60


async def test_a_cancelled_wait_is_forgotten() -> None:
    """A waiter that was cancelled neither breaks the clock nor holds it up."""
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep_until(clock.now() + timedelta(minutes=1)))
    await asyncio.sleep(0)
    task.cancel()
    await clock.advance(timedelta(minutes=2))
    assert task.cancelled()
    assert clock.next_wake() is None
