"""Builds everything once and runs it; the one module of the service that knows the handlers.

Guards: nothing runs before the lease is held, the database is not an old copy, the front desk's identity is
whole and the keeper is deaf. One part that ends ends the service, so that a supervisor sees it; a stop signal
finishes the turn in hand and ends within five seconds.
"""

import asyncio
import signal
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom

import aiohttp

from handlers import dispatch
from handlers.words import Catalogue
from schema.errors import (
    AlongsideError,
    DatabaseRestored,
    HomeserverRefused,
    KeeperNotDeaf,
    OperatorError,
    Throttled,
    WorldError,
)
from schema.ids import DeviceId, MatrixId
from schema.records import PeerRoom
from service import logs
from service.clock import Clock, SystemClock
from service.config import Settings
from service.delivery import Delivery
from service.engine import Engine
from service.lease import Lease
from service.matrix.client import Client
from service.matrix.identity import Identity
from service.matrix.keeper import Keeper, Known
from service.matrix.sync import Sync
from service.matrix.transport import Transport, client_path
from service.outbox import Outbox
from service.scheduler import Scheduler
from service.store import Store
from service.web import serve as serve_web

_GENERATION = "org.alongside.generation"
"""Type of the front desk's account data that remembers how often the service started."""
_STRAYS_EVERY = 3600.0
"""Seconds between two looks for rooms that no record knows."""
_STRAYS_AGAIN = 60.0
"""The same, after one that failed."""
_STOP_WITHIN = 4.0
"""Seconds that a stop may take before what still runs is cancelled."""

_log = logs.get("app")


@dataclass
class Service:
    """The parts, built and checked; `run` lets them work until `stop` is set."""

    store: Store
    lease: Lease
    engine: Engine
    outbox: Outbox
    scheduler: Scheduler
    desk: Client
    sync: Sync
    keeper: Keeper
    identity: Identity
    clock: Clock
    settings: Settings

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then finish the turn in hand and end. Raises what ended a part."""
        parts = {
            "inbox": self.engine.run(),
            "outbox": self.outbox.run(),
            "schedule": self.scheduler.run(),
            "sync": self.sync.run(),
            "keeper": self._watch_keeper(),
            "stray rooms": self._close_stray_rooms(),
            "lease": self.lease.watch(),
        }
        tasks = [asyncio.create_task(part, name=name) for name, part in parts.items()]
        tasks.append(asyncio.create_task(stop.wait(), name="stop"))
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        try:
            async with asyncio.timeout(_STOP_WITHIN), self.store.transaction("stop"):
                # The turn in hand is over once this transaction begins, and none begins while it lasts.
                await _end(tasks)
        except (TimeoutError, AlongsideError):
            await _end(tasks)
        for task in done:
            await task

    async def _watch_keeper(self) -> None:
        """Take in who joins and leaves peer rooms, for ever."""
        async with self.store.transaction("keeper read") as transaction:
            kept = await transaction.read_instance("keeper_sync")
        since = kept.decode() if kept else None
        pause = 1.0
        while True:
            try:
                seen = await self.keeper.memberships(since)
                since = seen.next_batch
                async with self.store.transaction("keeper batch") as transaction:
                    await transaction.take_in(seen.events, self.clock.now())
                    await transaction.write_instance("keeper_sync", since.encode())
                if seen.events:
                    self.engine.wake()
                pause = 1.0
            except Throttled as throttled:
                await asyncio.sleep(throttled.retry_after)
            except (WorldError, HomeserverRefused) as error:
                _log.warning("the keeper cannot look", error=error, seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 60.0)

    async def _close_stray_rooms(self) -> None:
        """Close peer rooms that no record knows: left by a crash or a timeout between creation and commit."""
        while True:
            try:
                if closed := await self.keeper.sweep(self._known_rooms):
                    _log.warning("stray rooms are closed", count=closed)
                await asyncio.sleep(_STRAYS_EVERY)
            except (WorldError, HomeserverRefused) as error:
                _log.warning("stray rooms are not looked for", error=error)
                await asyncio.sleep(_STRAYS_AGAIN)

    async def _known_rooms(self) -> Known:
        async with self.store.transaction("rooms read") as transaction:
            rooms = await transaction.find(PeerRoom)
        return Known(
            rooms=[room.room for room in rooms if room.room is not None],
            opening=[room.id for room in rooms if room.room is None],
        )


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def run(settings: Settings) -> None:
    """Run the service until SIGTERM or SIGINT. Raises OperatorError where it cannot run as it is set up."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with assemble(settings, SystemClock()) as service, serve_web(settings.web, Readiness(service)):
        _log.info("running")
        await service.run(stop)
    _log.info("stopped")


@asynccontextmanager
async def assemble(settings: Settings, clock: Clock) -> AsyncIterator[Service]:
    """Build every part and check what must hold before the first turn; close it all at the end."""
    async with AsyncExitStack() as closing:
        lease = await closing.enter_async_context(Lease.take(settings.database_url()))
        store = await Store.open(settings.database_url(), settings.sealing_key(), lease)
        closing.push_async_callback(store.close)
        session = await closing.enter_async_context(_session(settings))

        desk_account, keeper_account = settings.desk, settings.keeper
        desk_transport = Transport(session, settings.homeserver.url, desk_account.token())
        keeper_transport = Transport(session, settings.homeserver.url, keeper_account.token())
        await check_generation(store, desk_transport, MatrixId(desk_account.user))
