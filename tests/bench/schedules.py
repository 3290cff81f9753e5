"""What a wake-up costs with 1,000,000 schedules and nothing due, beside one with 1,000.

Both are check-ins of next month in a real database, handed over by the scheduler as the service runs it; its
clock is moved by an hour at a time, after which it wakes and finds nothing. A thousand of them, of different
hours, are put by the store; the others are copies of those rows under ids and members of their own. Their
seals would not open, since each is bound to its row: no wake-up that finds nothing opens one.
"""

import asyncio
import secrets
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from handlers.words import Catalogue
from schema.community import Community
from schema.effects import Effect
from schema.events import Delivered
from schema.ids import CheckInId, MemberId, OutboxId
from schema.records import CheckIn, Rhythm
from schema.states import CheckInState, Standing
from service.core import recurrence
from service.crossing import Crossing
from service.engine import Engine
from service.outbox import Outbox
from service.scheduler import Scheduler
from service.store import Store
from service.turn import Turn
from service.web import Metrics
from tests.bench.measure import Goal, Stopwatch, Table, say
from tests.clock import FakeClock

FEW, MANY = 1000, 1_000_000
ROUNDS = 7
_WAKES = 100
"""Wake-ups in one round."""
_KINDS = 1000
"""Check-ins that are put by the store."""
_COMMUNITY = Community(name="The Garden", server="home.test", limits="None.", who_runs="Two of us")


async def measure(rounds: int = ROUNDS, few: int = FEW, many: int = MANY) -> None:
    """Set up, measure by turns, and print."""
    watch = Stopwatch()
    with tempfile.TemporaryDirectory(prefix="alongside-bench-") as folder:
        key = secrets.token_bytes(32)
        stores = []
        for size in (few, many):
            file = Path(folder) / f"{size}.db"
            await _fill(file, key, size)
            stores.append(await Store.open(f"sqlite:///{file}", key))
            say(f"({size} check-ins after {watch():.0f} s)")
        words = Catalogue()
        took: list[list[float]] = [[], []]
        used: list[list[float]] = [[], []]
        for _ in range(rounds):
            for number, store in enumerate(stores):
                begun, processor = time.perf_counter(), time.process_time()
                await _wake(store, words)
                took[number].append((time.perf_counter() - begun) / _WAKES)
                used[number].append((time.process_time() - processor) / _WAKES)
        for store in stores:
            await store.close()
    table = Table("schedules: a wake-up with nothing due")
    for number, size in enumerate((few, many)):
        table.row(f"with {size} schedules, ms", took[number], 1000)
        table.row("   processor time, ms", used[number], 1000)
    table.ratio(f"{many} over {few}", took[1], took[0], Goal(2.0))
    table.ratio("   processor time", used[1], used[0], Goal(2.0))
    say(f"({watch():.0f} s in all)")


def check_ins(count: int, now: datetime, random: Random) -> Iterator[CheckIn]:
    """So many check-ins of as many members, due in four to eight weeks from `now`."""
    for _ in range(count):
        rhythm = Rhythm("days", now.date() + timedelta(days=random.randint(28, 56)), random.randrange(1440))
        found = recurrence.following(rhythm, "Europe/Berlin", now)
        assert found is not None
        yield CheckIn(
            id=CheckInId(secrets.token_hex(16)),
            member=MemberId(secrets.token_hex(16)),
            state=CheckInState.WAITING,
            made_at=now,
            due_at=found.at,
            rhythm=rhythm,
            zone="Europe/Berlin",
            wall=found.wall,
            at=found.at,
            ends=now.date() + timedelta(weeks=12),
            question="",
            late=timedelta(hours=3),
        )


async def _fill(file: Path, key: bytes, count: int) -> None:
    store = await Store.open(f"sqlite:///{file}", key)
    async with store.transaction("fill") as transaction:
        for check_in in check_ins(min(count, _KINDS), datetime.now(UTC), Random(count)):
            await transaction.put(check_in)
    await store.close()
    _copy(file, count - min(count, _KINDS))


def _copy(file: Path, count: int) -> None:
    """Add so many copies of the check-ins that are there, faster than anything that must be safe could."""
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -500000")
        connection.execute("BEGIN")
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master"
            " WHERE type = 'index' AND tbl_name = 'check_ins' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        rows = connection.execute("SELECT state, due_at, sealed FROM check_ins").fetchall()
        # In the order of their ids, so that each page is written once.
        ids = sorted(secrets.token_hex(16) for _ in range(count))
        connection.executemany(
            "INSERT INTO check_ins (id, member, state, due_at, sealed) VALUES (?, ?, ?, ?, ?)",
            ((id, secrets.token_hex(16), *rows[at % len(rows)]) for at, id in enumerate(ids)),
        )
        for _, made in indexes:
            connection.execute(made)
        connection.execute("COMMIT")
    finally:
        connection.close()


class _Clock(FakeClock):
    """A clock that says when somebody sleeps by it."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.slept = asyncio.Event()

    async def sleep_until(self, when: datetime) -> None:
        self.slept.set()
        await super().sleep_until(when)


async def _deliver(effect: Effect, id: OutboxId, *, again: bool) -> Delivered:
    raise AssertionError("nothing was to be said")


async def _wake(store: Store, words: Catalogue) -> None:
    """Wake up so many times, an hour apart, on a clock of its own."""

    async def nothing(turn: Turn) -> None:
        raise AssertionError("something was due")

    clock = _Clock(datetime.now(UTC))
    random, metrics = Random(1), Metrics()
    outbox = Outbox(
        store=store, deliver=_deliver, clock=clock, random=random, metrics=metrics, server="home.test"
    )
    engine = Engine(
        store=store,
        dispatch=nothing,
        community=_COMMUNITY,
        words=words,
        clock=clock,
        outbox=outbox,
        standing=lambda room, member: Standing.PRIVATE,
        random=random,
        metrics=metrics,
        crossing=Crossing(),
    )
    running = asyncio.create_task(Scheduler(store=store, engine=engine, clock=clock).run())
    await clock.slept.wait()
    for _ in range(_WAKES):
        clock.slept.clear()
        await clock.advance(timedelta(hours=1))
        await clock.slept.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
