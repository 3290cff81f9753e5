"""The lease on a database: one process serves it, and every transaction of any other fails.

Guards: the lock dies with its process, so that a start after a kill does not wait; a process that lost its
lock never writes again, even if it does not know yet, since each start raises the epoch in table `lease` and
each transaction checks it; a second process learns who holds the lease, and stops before it touches anything.

For SQLite the lock is `flock` on a file beside the database (so the database lies on a local disk); for
PostgreSQL a session's advisory lock, on a connection of its own that is watched.
"""

import asyncio
import fcntl
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol, cast

from asyncpg import exceptions as postgres
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from schema.errors import LeaseHeld
from service.store.address import address_of, file_of
from service.store.errors import LOST, cannot_write, known_error

_ADVISORY_KEY = int.from_bytes(b"alngside", signed=True)
_PATIENCE = 2.0
"""Seconds for PostgreSQL to notice that a killed process's connection is closed."""
_ANSWER_WITHIN = 10.0
"""Seconds for the server to answer on the lock's connection, before it counts as lost."""


class _Lock(Protocol):
    def held(self) -> bool: ...
    async def look(self, seconds: float) -> None: ...
    async def free(self) -> None: ...


class Lease:
    """The lease of this process on one database; `store.Store.open` takes it and gives it its `epoch`."""

    def __init__(self, lock: _Lock, holder: str) -> None:
        self._lock = lock
        self.holder = holder
        self.epoch = 0

    @classmethod
    @asynccontextmanager
    async def take(cls, url: str) -> AsyncIterator["Lease"]:
        """Hold the lease on the database at `url` for as long as the context lasts.

        Raises LeaseHeld, with who holds it; OperatorError where the lock's file cannot be made or the server
        refuses us; Unreachable where there is no server.
        """
        address = address_of(url)
        holder = f"process {os.getpid()} on {socket.gethostname()}"[:63]
        path = file_of(address)
        lock: _Lock = await _Advisory.take(address, holder) if path is None else _File.take(path, holder)
        try:
            yield cls(lock, holder)
        finally:
            await lock.free()

    @classmethod
    async def see_free(cls, url: str) -> None:
        """Raise LeaseHeld if somebody holds the lease on the database at `url`; nothing is made or kept.

        Raises OperatorError where the server refuses us, Unreachable where there is none.
        """
        address = address_of(url)
        path = file_of(address)
        if path is None:
            await (await _Advisory.take(address, "")).free()
        else:
            _File.see_free(path)

    @property
    def held(self) -> bool:
        """Whether the lock is still ours, as far as this process knows without asking."""
        return self._lock.held()

    def check(self) -> None:
        """Raise LeaseHeld once the lock is lost or given back: for good, even if nobody else took it."""
        if not self._lock.held():
            raise LeaseHeld(
                "This process lost its lease on the database",
                fix="Start the service again; it stopped so that nothing is written twice.",
            )

    async def watch(self, every: float = 5.0) -> None:
        """Look at the lock, `every` so many seconds, until it is lost, and raise LeaseHeld then."""
        while True:
            await self._lock.look(every)
            self.check()


def _held_by(said: str) -> LeaseHeld:
    # Whatever stands there is shown at a terminal, where a control character could do more than be read.
    holder = "".join(one for one in said if one.isprintable())
    return LeaseHeld(
        f"Another process serves this database: {holder or 'it did not say who it is'}",
        fix="Stop that process first; one database is never served twice.",
    )


def _lock_of(database: Path) -> Path:
    return database.with_name(database.name + ".lease")


class _File:
    """`flock` on a file that stays: the kernel frees the lock when the process ends, however it ends."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, database: Path, holder: str) -> "_File":
        path = _lock_of(database)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise cannot_write(error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, holder.encode(), 0)
        except BlockingIOError:
            other = os.pread(descriptor, 256, 0).decode(errors="replace")
            os.close(descriptor)
            raise _held_by(other) from None
        except OSError as error:
            os.close(descriptor)
            raise cannot_write(error) from None
        return cls(path, descriptor)

    @staticmethod
    def see_free(database: Path) -> None:
        try:
            descriptor = os.open(_lock_of(database), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        except OSError as error:
            raise cannot_write(error) from None
        try:
            # Shared, so that two who look do not see one another; closing the file gives it back.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _held_by(os.pread(descriptor, 256, 0).decode(errors="replace")) from None
        finally:
            os.close(descriptor)

    def held(self) -> bool:
        return self._descriptor is not None

    async def look(self, seconds: float) -> None:
        """After `seconds`, see whether somebody took the file away, so that others could lock a new one."""
        await asyncio.sleep(seconds)
        if self._descriptor is None:
            return
        try:
            there = self._path.stat()
        except OSError:
            await self.free()
            return
        ours = os.fstat(self._descriptor)
        if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
            await self.free()

    async def free(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class _Session(Protocol):
    """What of an asyncpg connection is used."""

    async def fetchval(self, query: str, *arguments: object, timeout: float) -> object: ...
    def add_termination_listener(self, listener: Callable[[object], None], /) -> None: ...
    def is_closed(self) -> bool: ...


class _Advisory:
    """A session's advisory lock: PostgreSQL frees it when the connection ends."""

    def __init__(self, engine: AsyncEngine, connection: AsyncConnection, session: _Session) -> None:
        self._engine = engine
        self._connection = connection
        self._session = session
        self._lost = asyncio.Event()
        session.add_termination_listener(lambda _: self._lost.set())

    @classmethod
    async def take(cls, address: URL, holder: str) -> "_Advisory":
        settings = {
            "application_name": holder,
            # The server must notice soon when this machine is gone without a word, and free the lock.
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
        }
        engine = create_async_engine(
            address, poolclass=NullPool, connect_args={"timeout": 10.0, "server_settings": settings}
        )
        connection = None
        try:
            connection = await engine.connect()
            session = cast(_Session, (await connection.get_raw_connection()).driver_connection)
            deadline = asyncio.get_running_loop().time() + _PATIENCE
            while not await session.fetchval(_TRY, _ADVISORY_KEY, timeout=_ANSWER_WITHIN):
                if asyncio.get_running_loop().time() > deadline:
                    other = await session.fetchval(
                        _WHO,
                        _ADVISORY_KEY >> 32 & 0xFFFFFFFF,
                        _ADVISORY_KEY & 0xFFFFFFFF,
                        timeout=_ANSWER_WITHIN,
                    )
                    raise _held_by(str(other or ""))
                await asyncio.sleep(0.05)
        except BaseException as error:
            if connection is not None:
                await connection.invalidate()
                await connection.close()
            await engine.dispose()
            if isinstance(error, DBAPIError):
                raise known_error(error.orig or error) from None
            if isinstance(error, (*LOST, postgres.PostgresError)):
                raise known_error(error) from None
            raise
        return cls(engine, connection, session)

    def held(self) -> bool:
        return not self._lost.is_set() and not self._session.is_closed()

    async def look(self, seconds: float) -> None:
        """Wait `seconds` for the connection's end, then ask whether its other end is still there."""
        try:
            await asyncio.wait_for(self._lost.wait(), seconds)
        except TimeoutError:
            try:
                await self._session.fetchval("SELECT 1", timeout=_ANSWER_WITHIN)
            except (*LOST, postgres.PostgresError):
                self._lost.set()

    async def free(self) -> None:
        self._lost.set()
        try:
            await self._connection.invalidate()
            await self._connection.close()
        except (*LOST, DBAPIError):
            pass  # A connection that is lost cannot be closed in good order.
        await self._engine.dispose()


_TRY = "SELECT pg_try_advisory_lock($1)"
_WHO = (
    "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory'"
    " AND granted AND classid::bigint = $1 AND objid::bigint = $2 AND objsubid = 1"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
