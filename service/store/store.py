"""One database, open: its transactions one at a time, its keys, and its connection.

Guards: nothing is changed before the outer key is seen to fit; a database that is newer than the program,
damaged, full or read-only stops the service with words that say what to do; whether a commit happened is
known even when its waiter is cancelled.
"""

import asyncio
import sqlite3
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from asyncpg import exceptions as postgres
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schema import migrations, tables
from schema.errors import ConfigurationError, OperatorError, SealBroken, Unreachable
from schema.ids import MatrixId, MemberId
from schema.records import Record
from service.failpoint import reached
from service.seal import Keyring, Seal
from service.store.address import address_of, file_of, prepare_file
from service.store.driver import BUSY, Driver, Row, Step, driver_on, make_engine
from service.store.errors import LOST, known_error
from service.store.migration import migrate, revision_of
from service.store.statements import Statements
from service.store.transaction import REMEMBERED, Guard, Transaction

_RESEAL_BATCH = 500
_EPOCHS = 1 << 62


class Store:
    """One database, open: `seal` is for whoever needs a keyed hash; everything else goes by `transaction`."""

    def __init__(self, url: URL, engine: AsyncEngine) -> None:
        self.url = url
        self.path: Path | None = file_of(url)
        """The database's file; None for PostgreSQL."""
        self.guard: Guard | None = None
        """The lease, if the database was opened with one."""
        self.seal: Seal
        self.statements = Statements(engine.dialect)
        self.remembered: OrderedDict[tuple[str, str], tuple[Row, Record]] = OrderedDict()
        """Opened records beside the very row that they were opened from, which is what makes them valid."""
        self._engine = engine
        self._connection: AsyncConnection | None = None
        self._driver: Driver | None = None
        self._turn = asyncio.Lock()
        self._inside: asyncio.Task[object] | None = None
        self._keyring: Keyring
        self._outer_key: bytes
        self._opened_by = 1
        """The row of the keyring that the outer key opens: 2 for the new key of a rotation, else 1."""
        self.holds_traces = False
        """Whether something was written since the last `erase_checkpoint`: what it replaced is on disk."""
        self.rotating = False
        """Whether a rotation of keys is unfinished: both outer keys still open the database."""

    @classmethod
    async def open(
        cls, url: str, outer_key: bytes, lease: Guard | None = None, *, existing: bool = False
    ) -> "Store":
        """Open the database at `url`, bring its tables up to date, and open its keyring.

        With `lease` a new epoch begins, each transaction checks it, and a rotation of keys that was
        interrupted is finished; without one (a look from the command line) nothing is checked.

        `url` is SQLAlchemy's: `sqlite:///relative/path`, `sqlite:////absolute/path`, `postgresql://…`. An
        SQLite file is made if it is not there, unless it must be `existing`: then nothing is made of a place
        that holds no database of ours. Nothing is changed before the key is seen to fit. Raises
        OperatorError: another key, a newer, damaged or read-only database, or a server that refuses us;
        Unreachable: a server that is not there.
        """
        if len(outer_key) != 32:
            raise ConfigurationError(
                "The sealing key does not have 32 bytes",
                fix="Give the key that `alongside init` made.",
                key="keys.sealing_key",
                variable="ALONGSIDE_KEYS__SEALING_KEY",
            )
        address = address_of(url)
        path = file_of(address)
        if path is not None:
            if existing and not path.exists():
                raise _not_begun()
            prepare_file(address)
        store = cls(address, make_engine(address))
        try:
            await store._open(outer_key, looking=False, existing=existing)
            if lease is not None:
                lease.epoch = await store._raise_epoch(lease.holder)
                store.guard = lease
                await store.finish_rotation()
        except BaseException:
            await store.close()
            raise
        return store

    @classmethod
    async def look(cls, url: str, outer_key: bytes) -> "Store":
        """Open the database at `url` to read in it beside whoever serves it: nothing is made or changed.

        Raises OperatorError also where there is no database, or one that this version has not served yet.
        """
        address = address_of(url)
        path = file_of(address)
        if path is not None and not path.exists():
            raise _not_begun()
        store = cls(address, make_engine(address))
        try:
            await store._open(outer_key, looking=True)
        except BaseException:
            await store.close()
            raise
        return store

    def member_id(self, matrix_id: MatrixId) -> MemberId:
        """The keyed hash that stands for a member."""
        return MemberId(self.seal.lookup("members", matrix_id))

    @asynccontextmanager
    async def transaction(self, name: str) -> AsyncIterator[Transaction]:
        """One transaction, committed at the end and rolled back on any exception; others wait their turn.

        `name` is a constant: its fail points are "before commit NAME" and "after commit NAME". Raises
        LeaseHeld when the lease is lost, WorldError when all of it is to be run again.
        """
        task = asyncio.current_task()
        if self._inside is not None and self._inside is task:
            raise RuntimeError("a transaction inside a transaction would wait for itself")
        async with self._turn:
            transaction = Transaction(self, await self._ready())
            self._inside = task
            try:
                yield transaction
                if transaction.wrote:
                    reached(f"before commit {name}")
                await _to_the_end(transaction.commit())
            finally:
                try:
                    if transaction.begun:
                        await _to_the_end(self._roll_back())
                finally:
                    self._inside = None
            if transaction.wrote:
                self.holds_traces = True
                reached(f"after commit {name}")

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """A transaction that may only read: nothing begins and nothing is committed; others wait their turn.

        Each of its reads looks at the lease, and is one visit to the database. Raises as `transaction` does.
        """
        task = asyncio.current_task()
        if self._inside is not None and self._inside is task:
            raise RuntimeError("a transaction inside a transaction would wait for itself")
        async with self._turn:
            transaction = Transaction(self, await self._ready(), only_reads=True)
            self._inside = task
            try:
                yield transaction
            finally:
                self._inside = None

    async def open_ahead(self, kind: type[Record], slice_of: int = 50) -> None:
        """Open the records of `kind` once, so that the first turn that reads them all need not.

        They are read `slice_of` at a time, as many as are remembered: turns go between, and wait for no more
        than one slice. Raises WorldError, LeaseHeld, SealBroken.
        """
        after = ""
        for _ in range(0, REMEMBERED, slice_of):
            async with self.reading() as transaction:
                found = await transaction.page(kind, after, slice_of)
            if len(found) < slice_of:
                break
            after = found[-1].id

    async def erase_checkpoint(self) -> None:
        """Make an erasure reach the disk, after its commit.

        SQLite overwrites what is deleted, and here empties its write-ahead log, where the old pages still
        are. PostgreSQL makes dead rows' space free for others here, but neither overwrites that space at once
        nor its own log: OPERATING.md says what an operator can do. Raises Unreachable when another program
        reads the database just now: to be done again later.
        """
        async with self._turn:
            driver = await self._ready()
            if driver.dialect.name == "sqlite":
                # Others' turns wait meanwhile, so a reader elsewhere is not waited for.
                await driver.run([Step("PRAGMA busy_timeout = 50", ())])
                try:
                    ((busy, _, _),) = await driver.run([Step("PRAGMA wal_checkpoint(TRUNCATE)", ())])
                finally:
                    await driver.run([Step(f"PRAGMA busy_timeout = {BUSY}", ())])
                if busy:
                    raise Unreachable("database: the write-ahead log is in use by another program")
            else:
                names = ", ".join(table.name for table in tables.metadata.sorted_tables)
                await driver.run([Step(f"VACUUM {names}", ())])
            self.holds_traces = False

    async def close(self) -> None:
        """Close the connection; the lease is not given back here."""
        async with self._turn:
            await self._drop()
            await self._engine.dispose()

    async def _raise_epoch(self, holder: str) -> int:
        """Begin a new epoch, so that transactions of an older one fail; gives the new epoch."""
        async with self.transaction("begin epoch") as transaction:
            row = await transaction.read_lease()
            # Another one is enough; a number that no column holds would stop every start.
            epoch = ((row[0] if row else 0) + 1) % _EPOCHS
            await transaction.write_lease(epoch, holder)
        return epoch

    # Keys.

    async def rotate(self, new_outer_key: bytes, adopt: Callable[[], None] | None = None) -> None:
        """Replace the outer key, make a new sealing key, and seal every row anew; the lease must be held.

        From the first commit on both outer keys open the database. `adopt` then puts the new key where the
        next start finds it; the old one stops to work after that. Without `adopt` both work until the
        database is opened with the new one, and served. A crash anywhere is taken up again by calling this
        once more, or by the next start with the new key. Look-up hashes stay valid.
        """
        if self.guard is None:
            raise RuntimeError("keys are rotated under the lease only")
        if self.rotating and self._opened_by == 2:
            await self.finish_rotation()
        fresh = self._keyring if self.rotating else self._keyring.with_new_key()
        async with self.transaction("begin key rotation") as transaction:
            await transaction.write_keyring(1, "rotating", fresh.wrap(self._outer_key))
            await transaction.write_keyring(2, "rotating", fresh.wrap(new_outer_key))
        fresh.equip(self.seal)
        self._keyring, self.rotating = fresh, True
        if adopt is None:
            await self._reseal()
        else:
            adopt()
            self._outer_key, self._opened_by = new_outer_key, 2
            await self.finish_rotation()

    async def finish_rotation(self) -> None:
        """Finish a rotation if the database was opened with its new outer key; else nothing is done."""
        if not self.rotating or self._opened_by != 2:
            return
        await self._reseal()
        last = self._keyring.without_old_keys()
        async with self.transaction("end key rotation") as transaction:
            for table in tables.SEALED:
                if await transaction.reseal(table, None, 1) is not None:
                    raise SealBroken(f"{table.name}: a row kept its old seal through a rotation")
            await transaction.write_keyring(1, "whole", last.wrap(self._outer_key))
            await transaction.write_keyring(2, "", None)
        last.equip(self.seal)
        self._keyring, self._opened_by, self.rotating = last, 1, False
        await self.erase_checkpoint()

    async def _reseal(self) -> None:
        for table in tables.SEALED:
            key: Mapping[str, object] | None = None
            while True:
                async with self.transaction("seal anew") as transaction:
                    key = await transaction.reseal(table, key, _RESEAL_BATCH)
                if key is None:
                    break

    # Opening.

    async def _open(self, outer_key: bytes, looking: bool, existing: bool = False) -> None:
        driver = await self._ready()
        revision = await revision_of(driver)
        if revision is not None and revision not in migrations.REVISIONS:
            raise OperatorError(
                "The database was made by a newer version of this program",
                fix="Install that version again, or restore the backup from before the upgrade.",
                key="database.url",
                variable="ALONGSIDE_DATABASE__URL",
            )
        unlocked = revision is not None and await self._unlock(outer_key)
        if existing and not unlocked:
            raise _not_begun()
        if looking:
            if not unlocked:
                raise _not_begun()
            if revision != migrations.REVISIONS[-1]:
                raise OperatorError(
                    "The database was made by an older version of this program",
                    fix="Start the service: it brings the database up to date.",
                    key="database.url",
                    variable="ALONGSIDE_DATABASE__URL",
                )
            return
        if revision != migrations.REVISIONS[-1]:
            await migrate(self.url)
        if not unlocked:
            try:
                await self._make_keyring(outer_key)
            except Unreachable:
                # Another first start may have made it at the same time; then it is there now.
                await self._make_keyring(outer_key)
            await self._unlock(outer_key)
        path = self.path
        if driver.dialect.name == "sqlite" and path is not None:
            for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
                if file.exists():
                    file.chmod(0o600)

    async def _make_keyring(self, outer_key: bytes) -> None:
        """Give a database that holds nothing yet its inner keys."""
        async with self.transaction("make keyring") as transaction:
            if not await transaction.read_keyring():
                if not await transaction.is_empty():
                    raise OperatorError(
                        "The database has no keyring, so that nothing in it can be opened",
                        fix="Restore a backup of the whole database.",
                        key="database.url",
                        variable="ALONGSIDE_DATABASE__URL",
                    )
                await transaction.write_keyring(1, "whole", Keyring.new().wrap(outer_key))

    async def _unlock(self, outer_key: bytes) -> bool:
        """Open the keyring; False where there is none yet. Raises ConfigurationError for another key."""
        async with self.transaction("read keyring") as transaction:
            rows = await transaction.read_keyring()
        for number, _, wrapped in rows:
            try:
                self._keyring = Keyring.unwrap(outer_key, wrapped)
            except SealBroken:
                continue
            self.seal, self._outer_key = self._keyring.seal(), outer_key
            self._opened_by, self.rotating = number, len(rows) > 1
            return True
        if rows:
            raise ConfigurationError(
                "The sealing key is not the one that this database was sealed with; nothing was changed",
                fix="Give the key that belongs to this database; it is backed up apart from it.",
                key="keys.sealing_key",
                variable="ALONGSIDE_KEYS__SEALING_KEY",
            )
        return False

    async def _ready(self) -> Driver:
        """The connection, made anew if the last one was lost."""
        if self._driver is not None and self._driver.alive:
            return self._driver
        await self._drop()
        try:
            self._connection = await self._engine.connect()
            driver = await driver_on(self._connection)
        except DBAPIError as error:
            raise known_error(error.orig or error) from None
        except (*LOST, postgres.PostgresError) as error:
            raise known_error(error) from None
        self._driver = driver
        for setting in driver.settings:
            await driver.run([Step(setting, ())])
        return driver

    async def _roll_back(self) -> None:
        driver = self._driver
        if driver is None or not driver.alive:
            return
        try:
            await driver.rollback()
        except (sqlite3.Error, *LOST, postgres.PostgresError):
            await self._drop()

    async def _drop(self) -> None:
        connection, self._connection, self._driver = self._connection, None, None
        if connection is not None:
            try:
                if self._engine.dialect.name != "sqlite":
                    await connection.invalidate()
                await connection.close()
            except (DBAPIError, *LOST):
                pass  # A connection that is lost cannot be closed in good order.


def _not_begun() -> OperatorError:
    return OperatorError(
        "There is no database yet",
        fix="Run `alongside init`, or put a backup there.",
        key="database.url",
        variable="ALONGSIDE_DATABASE__URL",
    )


async def _to_the_end(work: Awaitable[None]) -> None:
    """Await `work` even if we are cancelled meanwhile: whether a commit happened must be known."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait([task])
        if task.done() and not task.cancelled():
            task.exception()  # Looked at, so that nothing complains: whoever cancelled us asks no more.
        raise
