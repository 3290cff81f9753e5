"""Builds everything once and runs it; the one module of the service that knows the handlers.

Guards: nothing runs before the lease is held, the database is not an old copy, the front desk's identity is
whole and the keeper is deaf. One part that ends ends the service, so that a supervisor sees it; a stop signal
finishes the turn in hand and ends within five seconds.
"""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Literal

import aiohttp

from handlers import dispatch
from handlers.words import Catalogue
from schema.errors import (
    AlongsideError,
    ConfigurationError,
    HomeserverRefused,
    SealBroken,
    Throttled,
    WorldError,
)
from schema.events import StewardRoom, Verified
from schema.ids import DeviceId, EventId, MatrixId
from schema.records import Offer, PeerRoom
from service import logs
from service.clock import Clock, SystemClock, kept
from service.config import Settings, agreement
from service.config.sections import BY_NAME
from service.core import reading
from service.crossing import Crossing
from service.delivery import Delivery
from service.engine import Engine
from service.generation import mark_restored, raise_generation
from service.lease import Lease
from service.matrix.accounts import check_token, log_in
from service.matrix.belonging import Belonging
from service.matrix.client import Client
from service.matrix.identity import Identity, verify_published
from service.matrix.keeper import Keeper, Known
from service.matrix.stewards import tend
from service.matrix.sync import READ, Sync
from service.matrix.transport import Transport
from service.matrix.verification import Ended, Own, Verification
from service.outbox import Outbox
from service.scheduler import Scheduler
from service.store import Store
from service.web import Metrics, Probe, Web, unwell

_CONNECTIONS = 64
"""At once to the homeserver: two syncs, and what the outbox and the front desk send."""
_CONNECT_SECONDS = 10.0
_TIMER_LATE = timedelta(minutes=1)
_KEEPER_LOOKED_AT = 60.0
_ERASE_EVERY = 1.0
_ERASE_WITHIN = 5.0
_STRAYS_EVERY, _STRAYS_AFTER = 3600.0, (5.0, 60.0, 300.0, 900.0)
"""Seconds between two looks for rooms that no record knows; the pauses after one that was given up."""
_STRAYS_AGAIN = 60.0
"""The same, after one that failed."""
_RAISE_EVERY = 300.0
"""Seconds; a copy of the database that is older than this is noticed when it is served."""
_VERIFY_EVERY, _VERIFIED = 3600.0, timedelta(hours=3)
_KEEPER_AT_MOST_EVERY = 0.5
_STOP_WITHIN, _FORGET_WITHIN, _CANCEL_WITHIN = 3.0, 0.5, 0.8
"""Seconds that a stop may take: for the turn in hand, for what was just sent, for what must be cancelled."""

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
    belonging: Belonging
    identity: Identity
    desk_transport: Transport
    clock: Clock
    metrics: Metrics
    generation: int
    verified_at: datetime
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then finish the turn in hand and end. Raises what ended a part."""
        parts = {
            "inbox": self.engine.run(),
            "outbox": self.outbox.run(),
            "schedule": self._keep_schedule(),
            "sync": self.sync.run(),
            "keeper": self._watch_keeper(),
            "belonging": self.belonging.run(),
            "stray rooms": self._close_stray_rooms(),
            "lease": self.lease.watch(),
            "erasure": self._erase(),
            "generation": self._raise_generation(),
            "identity": self._verify_identity(),
        }
        self.tasks = [asyncio.create_task(part, name=name) for name, part in parts.items()]
        tasks = [*self.tasks, asyncio.create_task(_wait(stop), name="stop")]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        try:
            async with asyncio.timeout(_STOP_WITHIN), self.store.transaction("stop") as transaction:
                # The turn in hand is over once this transaction begins, and none begins while it lasts.
                await _end(tasks)
                if self.sync.reading is not None:
                    # After a crash that of the stop before is there, which soon counts no more.
                    await transaction.write_instance(READ, reading.to_text(self.sync.reading))
            async with asyncio.timeout(_FORGET_WITHIN):
                await self.outbox.forget_sent()
        except (TimeoutError, AlongsideError):
            await _end(tasks)
        for task in done:
            await task

    async def _watch_keeper(self) -> None:
        """Take in who joins and leaves peer rooms, for ever."""
        async with self.store.reading() as transaction:
            kept = await transaction.read_instance("keeper_sync")
        since = kept.decode() if kept else None
        pause = 1.0
        while True:
            begun = self.clock.monotonic()
            try:
                seen = await self.keeper.memberships(since)
                since = seen.next_batch
                if seen.events:
                    # A token that brought nothing need not be kept: what it passed over is passed over again.
                    async with self.store.transaction("keeper batch") as transaction:
                        await transaction.take_in(seen.events, self.clock.now())
                        await transaction.write_instance("keeper_sync", since.encode())
                    self.engine.wake()
                elif self.clock.monotonic() - begun < _KEEPER_AT_MOST_EVERY:
                    # Anybody can send the keeper what its sync has to fetch and drop.
                    await asyncio.sleep(_KEEPER_AT_MOST_EVERY)
                pause = 1.0
            except Throttled as throttled:
                await asyncio.sleep(throttled.retry_after)
            except (WorldError, HomeserverRefused) as error:
                _log.warning("the keeper cannot look", error=error, seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 60.0)

    async def _close_stray_rooms(self) -> None:
        """Close peer rooms that no record knows: left by a crash or a timeout between creation and commit.

        One that was given up may come into being minutes later, so it is looked for several times.
        """
        pauses = list(_STRAYS_AFTER)
        while True:
            try:
                if closed := await self.keeper.sweep(self._known_rooms):
                    _log.warning("stray rooms are closed", count=closed)
                pause = pauses.pop(0) if pauses else _STRAYS_EVERY
            except (WorldError, HomeserverRefused) as error:
                _log.warning("stray rooms are not looked for", error=error)
                pause = _STRAYS_AGAIN
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self.outbox.unsure.wait()
                    self.outbox.unsure.clear()
                    pauses = list(_STRAYS_AFTER)

    async def _raise_generation(self) -> None:
        """Raise the number again and again, so that a copy of the running database is soon an old one."""
        while True:
            await asyncio.sleep(_RAISE_EVERY)
            try:
                await raise_generation(self.store, self.desk_transport, self.desk.user_id)
            except (WorldError, HomeserverRefused) as error:
                _log.warning("the generation is not raised", error=error)

    async def _verify_identity(self) -> None:
        """Look again and again whether the published identity is ours; IdentityLost ends the service."""
        while True:
            await asyncio.sleep(_VERIFY_EVERY)
            try:
                await verify_published(
                    self.desk_transport, self.store, self.desk.user_id, self.desk.device_keys()
                )
                self.verified_at = self.clock.now()
            except (WorldError, HomeserverRefused) as error:
                _log.warning("the identity is not verified again", error=error)

    async def _keep_schedule(self) -> None:
        """Open the offers, then hand over what is due, for ever.

        The first round of matching would otherwise open all of them in its own turn, and every other turn
        would wait for it.
        """
        try:
            await self.store.open_ahead(Offer)
        except (WorldError, SealBroken) as error:
            _log.warning("the offers are not opened ahead", error=error)
        await self.scheduler.run()

    async def _erase(self) -> None:
        """Make what was deleted leave the disk as well: at the start, soon after a record's end, and always
        within a few seconds, since what a record's end still sends is deleted after that.
        """
        self.engine.erased.set()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_ERASE_WITHIN):
                    await self.engine.erased.wait()
            if not self.engine.erased.is_set() and not self.store.holds_traces:
                continue
            self.engine.erased.clear()
            try:
                await self.store.erase_checkpoint()
            except WorldError:
                self.engine.erased.set()
            await asyncio.sleep(_ERASE_EVERY)

    async def _known_rooms(self) -> Known:
        async with self.store.reading() as transaction:
            rooms = await transaction.find(PeerRoom)
        return Known(
            rooms=[room.room for room in rooms if room.room is not None],
            opening=[room.id for room in rooms if room.room is None],
        )


async def _wait(stop: asyncio.Event) -> None:
    await stop.wait()


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def run(settings: Settings, clock: Clock | None = None) -> None:
    """Run the service until SIGTERM or SIGINT, by the machine's clock unless another is given.

    Raises OperatorError where it cannot run as it is set up.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    logs.guard(loop)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running = asyncio.Event()
    serving = asyncio.create_task(_serve(settings, clock or SystemClock(), stop, running))
    told = asyncio.create_task(_wait(stop))
    await asyncio.wait((serving, told), return_when=asyncio.FIRST_COMPLETED)
    if not serving.done() and not running.is_set():
        serving.cancel()
    _, late = await asyncio.wait((serving,), timeout=_STOP_WITHIN + _FORGET_WITHIN)
    if late:
        serving.cancel()
        _, late = await asyncio.wait((serving,), timeout=_CANCEL_WITHIN)
    told.cancel()
    if late:
        # A database or a homeserver that hangs must not keep us; whatever is not committed never happened.
        _log.warning("stopped while something hung")
        sys.stderr.flush()
        os._exit(0)
    if not serving.cancelled():
        await serving
    _log.info("stopped")


async def _serve(settings: Settings, clock: Clock, stop: asyncio.Event, running: asyncio.Event) -> None:
    async with assemble(settings, clock) as service:
        web = Web(Health(service), service.metrics, settings.web.host, settings.web.port)
        await web.start()
        try:
            _log.info("running", generation=service.generation, port=web.port)
            running.set()
            await service.run(stop)
        finally:
            await web.stop()


async def restored(settings: Settings) -> None:
    """Take the database as the one in force although it is an older copy: `alongside restored`."""
    async with _opened(settings, existing=True) as (store, _, session):
        desk, _ = await sign_in(settings, store, session, SystemClock())
        await mark_restored(store, desk, settings.desk_user, kept(SystemClock().now()))


def words_of(settings: Settings) -> Catalogue:
    """The sentences of every language. Raises ConfigurationError where one of those to offer is not there."""
    words = Catalogue()
    offered(settings.community().languages, words)
    return words


def offered(languages: Collection[str], words: Catalogue | None = None) -> None:
    """See that there are words in each of the languages. Raises ConfigurationError where there are none."""
    words = words or Catalogue()
    key = BY_NAME["community.languages"]
    if missing := [one for one in languages if one not in words.languages]:
        raise ConfigurationError(
            f"{key.dotted} names {', '.join(missing)}, and there are no words in that language",
            fix=f"Write some of these: {', '.join(words.languages)}.",
            key=key.dotted,
            variable=key.variable,
        )


@asynccontextmanager
async def assemble(settings: Settings, clock: Clock) -> AsyncIterator[Service]:
    """Build every part and check what must hold before the first turn; close it all at the end."""
    words = words_of(settings)
    async with _opened(settings) as (store, lease, session):
        desk_transport, device = await sign_in(settings, store, session, clock)
        generation = await raise_generation(store, desk_transport, settings.desk_user)
        desk = Client(desk_transport, store, settings.desk_user, device, clock)
        await desk.start()
        identity = await verify_published(desk_transport, store, settings.desk_user, desk.device_keys())
        agreed = agreement.read(settings)
        community = settings.community(agreed)
        community = replace(community, draft=agreement.preface(community.agreement))
        await _tend_stewards(desk, store, community.stewards, clock)

        keeper = Keeper(
            Transport(session, settings.homeserver.url, settings.keeper.token.reveal()),
            settings.keeper_user,
            settings.homeserver.server_name,
            tag=lambda pairing: store.seal.lookup("peer room tags", pairing),
            admin=_admin(settings, session),
            forgets=settings.homeserver.forgets_rooms,
            room_version=settings.homeserver.room_version,
        )
        members = settings.members()
        belonging = Belonging(desk_transport, clock, members.room, members.server)
        await belonging.start()
        metrics, random = Metrics(), SystemRandom()
        delivery = Delivery(desk, keeper)
        outbox = Outbox(
            store=store,
            deliver=delivery,
            clock=clock,
            random=random,
            metrics=metrics,
            server=settings.homeserver.server_name,
        )
        engine = Engine(
            store=store,
            dispatch=dispatch,
            community=community,
            words=words,
            clock=clock,
            outbox=outbox,
            standing=desk.standing,
            shared=desk.shared_with,
            random=random,
            metrics=metrics,
            crossing=Crossing(),
            belongs=belonging.of,
            stewards=desk.steward_standing,
            linked=desk.link_standing,
        )
        belonging.wake = engine.wake
        outbox.result = engine.result
        verification = Verification(
            desk_transport,
            Own(settings.desk_user, device, desk.machine.ed25519, identity.master),
            clock.now,
            desk.send_event,
            lambda end: _tell_verified(end, desk, store, engine),
        )
        sync = Sync(desk_transport, desk, store, clock, engine.wake, verification, leave_out=members.room)
        engine.read_since = lambda: reading.since(sync.reading, clock.now())
        metrics.last_sync.set_function(lambda: sync.last_sync.timestamp() if sync.last_sync else 0.0)
        service = Service(
            store=store,
            lease=lease,
            engine=engine,
            outbox=outbox,
            scheduler=Scheduler(store=store, engine=engine, clock=clock),
            desk=desk,
            sync=sync,
            keeper=keeper,
            belonging=belonging,
            identity=identity,
            desk_transport=desk_transport,
            clock=clock,
            metrics=metrics,
            generation=generation,
            verified_at=clock.now(),
        )
        health = Health(service)
        delivery.look = lambda: unwell(health)
        yield service


async def _tend_stewards(desk: Client, store: Store, named: Sequence[MatrixId], clock: Clock) -> None:
    """Have the steward room as the configuration says, and tell the handlers who is in it."""
    tended = await tend(desk, store, named)
    if tended is None:
        return
    event = StewardRoom(EventId(f"start {secrets.token_hex(16)}"), tended.room, tended.here)
    async with store.transaction("steward room") as transaction:
        await transaction.take_in([event], clock.now())


async def _tell_verified(end: Ended, desk: Client, store: Store, engine: Engine) -> None:
    """Hand the end of a verification to the engine; of a stranger's nothing is taken in."""
    if not desk.chats.direct_with(end.member):
        return
    outcome: Literal["done", "mismatch", "stopped"] = "mismatch" if end.mismatch else "stopped"
    event = Verified(
        EventId(f"verified {secrets.token_hex(16)}"), end.member, "done" if end.verified else outcome
    )
    async with store.transaction("verified") as transaction:
        await transaction.take_in([event], desk.clock.now())
    engine.wake()


@asynccontextmanager
async def _opened(
    settings: Settings, *, existing: bool = False
) -> AsyncIterator[tuple[Store, Lease, aiohttp.ClientSession]]:
    """The database under its lease, and a session for requests to the homeserver."""
    async with AsyncExitStack() as closing:
        lease = await closing.enter_async_context(Lease.take(settings.database_url()))
        store = await Store.open(settings.database_url(), settings.sealing_key(), lease, existing=existing)
        closing.push_async_callback(store.close)
        connector = aiohttp.TCPConnector(ssl=settings.tls(), limit=_CONNECTIONS)
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # A homeserver that is not there is known sooner than a request that it is slow about.
            timeout=aiohttp.ClientTimeout(total=300, sock_connect=_CONNECT_SECONDS),
        )
        yield store, lease, await closing.enter_async_context(session)


async def sign_in(
    settings: Settings, store: Store, session: aiohttp.ClientSession, clock: Clock
) -> tuple[Transport, DeviceId]:
    """The front desk's requests and its device: by its token, or its password as the same device each time.

    Raises OperatorError where the account cannot be signed in, WorldError.
    """
    url = settings.homeserver.url
    if settings.desk.token is not None and settings.desk_device is not None:
        transport = Transport(session, url, settings.desk.token.reveal())
        await check_token(transport, settings.desk_device)
        return transport, settings.desk_device
    if settings.desk.password is None:
        raise ValueError("a valid configuration has a token and a device, or a password")
    async with store.transaction("desk device") as transaction:
        kept = await transaction.read_instance("desk_device")
        device = DeviceId(kept.decode() if kept else secrets.token_hex(5).upper())
        await transaction.write_instance("desk_device", device.encode())
    account = await log_in(
        Transport(session, url), settings.desk_user, settings.desk.password.reveal(), device, "Alongside"
    )
    return Transport(session, url, account.token), device


def _admin(settings: Settings, session: aiohttp.ClientSession) -> Transport | None:
    token = settings.admin.token
    return None if token is None else Transport(session, settings.homeserver.url, token.reveal())


class Health:
    """How the parts are, for `service.web`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._keeper: tuple[float, Probe] | None = None

    async def alive(self) -> Probe:
        """Say whether every loop that must run still runs."""
        ended = [task.get_name() for task in self._service.tasks if task.done()]
        return Probe(not ended, f"ended: {', '.join(ended)}" if ended else "every part runs")

    async def sync(self) -> Probe:
        """Say whether the last sync is recent."""
        last = self._service.sync.last_sync
        if last is None:
            return Probe(False, "no sync came in yet")
        age = self._service.clock.now() - last
        return Probe(age < reading.FRESH, f"the last sync came in {age.total_seconds():.0f} s ago")

    async def database(self) -> Probe:
        """Say whether the database can be written to."""
        async with self._service.store.transaction("health") as transaction:
            await transaction.write_instance("health", b"")
        return Probe(True, "the database can be written to")

    async def identity(self) -> Probe:
        """Say whether the published identity was read back and found ours lately."""
        age = self._service.clock.now() - self._service.verified_at
        return Probe(age < _VERIFIED, f"the identity was read back {age.total_seconds():.0f} s ago")

    async def keeper(self) -> Probe:
        """Say whether the keeper was deaf when last looked at, at most a minute ago."""
        now = self._service.clock.monotonic()
        if self._keeper is None or now - self._keeper[0] > _KEEPER_LOOKED_AT:
            deaf = await self._service.keeper.deaf()
            self._keeper = (
                now,
                Probe(
                    deaf,
                    "the keeper has no encryption device" if deaf else "the keeper has an encryption device",
                ),
            )
        return self._keeper[1]

    async def lease(self) -> Probe:
        """Say whether this process holds the database's lease."""
        held = self._service.lease.held
        return Probe(held, "the lease is held" if held else "the lease is lost")

    async def timer(self) -> Probe:
        """Say whether what was due has been handed over in time."""
        late = self._service.scheduler.late
        return Probe(late < _TIMER_LATE, f"the oldest due record is {late.total_seconds():.0f} s late")
