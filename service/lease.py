"""The lease on a database: one process serves it, and every transaction of any other fails.

Guards: the lock dies with its process, so that a start after a kill does not wait; a process that lost its
lock never writes again, even if it does not know yet, since each start raises the epoch in table `lease` and
each transaction checks it; a second process learns who holds the lease and stops.

For SQLite the lock is `flock` on a file beside the database (so the database lies on a local disk); for
PostgreSQL a session's advisory lock, on a connection of its own that is watched.
"""

import asyncio
import fcntl
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Protocol, cast

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from schema.errors import LeaseHeld, Unreachable
from service.store import Store

_ADVISORY_KEY = int.from_bytes(b"alngside", signed=True)
_PATIENCE = 3.0
"""Seconds for PostgreSQL to notice that a killed process's connection is closed."""


class _Lock(Protocol):
    def held(self) -> bool: ...
    async def free(self) -> None: ...


class Lease:
    """The lease of this process on one database; also an async context manager that gives it back."""

    def __init__(self, store: Store, lock: _Lock, epoch: int) -> None:
        self._store = store
        self._lock = lock
        self.epoch = epoch

    @classmethod
    async def take(cls, store: Store) -> "Lease":
        """Take the lease for `store`, or raise LeaseHeld with who holds it.

        From then on each of the store's transactions checks it. A rotation of keys that was interrupted is
        finished before this returns.
        """
        path = store.path
        lock: _Lock | None = await _Advisory.take(store) if path is None else _File.take(path)
        if lock is None:
            raise LeaseHeld(
                f"Another process serves this database: {await store.holder() or 'it did not say who'}",
                fix="Stop that process first; `alongside` never serves one database twice.",
            )
        try:
            epoch = await store.raise_epoch(f"process {os.getpid()} on {socket.gethostname()}"[:128])
            lease = cls(store, lock, epoch)
            store.guard = lease
            await store.finish_rotation()
        except BaseException:
            store.guard = None
            await lock.free()
            raise
        return lease

    @property
    def held(self) -> bool:
        """Whether the lock is still ours, as far as this process can tell without asking the database."""
        return self._lock.held()

    def check(self) -> None:
        """Raise LeaseHeld once the lock is lost: for good, even if nobody else took it."""
        if not self._lock.held():
            raise LeaseHeld(
                "This process lost its lease on the database",
                fix="Start the service again; it stops so that nothing is written twice.",
            )

    async def release(self) -> None:
        """Give the lease back; transactions of this store fail from here on."""
        await self._lock.free()

    async def __aenter__(self) -> "Lease":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.release()


class _File:
    """`flock` on a file that stays: the kernel frees the lock when the process ends, however it ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, database: Path) -> "_File | None":
        beside = database.with_name(database.name + ".lease")
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def held(self) -> bool:
        return self._descriptor is not None

    async def free(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class _Advisory:
    """A session's advisory lock: PostgreSQL frees it when the connection ends."""

    def __init__(self, engine: AsyncEngine, connection: AsyncConnection, session: asyncpg.Connection) -> None:
        self._engine = engine
        self._connection = connection
        self._session = session
        self._lost = False
        session.add_termination_listener(self._ended)

    def _ended(self, _: object) -> None:
        self._lost = True

    @classmethod
    async def take(cls, store: Store) -> "_Advisory | None":
        # The server must notice soon when our machine is gone without a word, and free the lock.
        settings = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
        engine = create_async_engine(
            store.url, poolclass=NullPool, connect_args={"timeout": 10.0, "server_settings": settings}
        )
        connection = None
        try:
            connection = await engine.connect()
            session = cast(asyncpg.Connection, (await connection.get_raw_connection()).driver_connection)
            deadline = asyncio.get_running_loop().time() + _PATIENCE
            while not await session.fetchval("SELECT pg_try_advisory_lock($1)", _ADVISORY_KEY):
                if asyncio.get_running_loop().time() > deadline:
                    await connection.close()
                    await engine.dispose()
                    return None
                await asyncio.sleep(0.05)
        except (OSError, DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if connection is not None:
                await connection.close()
            await engine.dispose()
            raise Unreachable(f"database: {type(error).__name__}") from None
        return cls(engine, connection, session)

    def held(self) -> bool:
        return not self._lost and not self._session.is_closed()

    async def free(self) -> None:
        self._lost = True
        await self._connection.close()
        await self._engine.dispose()
