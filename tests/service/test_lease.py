"""One process serves a database; its death frees it at once; whoever lost it writes nothing any more."""

import asyncio
import os
import signal
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from schema.errors import LeaseHeld, OperatorError, Unreachable
from service.lease import Lease
from service.store import Store
from tests.databases import KEY
from tests.live.homeserver import free_port
from tests.live.postgres import Postgres
from tests.live.preloaded import Forked, preloaded

NUMBER = "0" * 32


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[tuple[Lease, Store]]:
    """The lease, and the store opened with it."""
    async with Lease.take(url) as lease:
        store = await Store.open(url, KEY, lease)
        try:
            yield lease, store
        finally:
            await store.close()


async def write(store: Store, value: bytes = b"value") -> None:
    """One transaction that writes."""
    async with store.transaction("test") as transaction:
        await transaction.write_chats({NUMBER: value})


async def chats(url: str) -> list[tuple[str, bytes]]:
    """What is there, seen without a lease."""
    store = await Store.open(url, KEY)
    try:
        async with store.transaction("test") as transaction:
            return await transaction.read_chats()
    finally:
        await store.close()


async def holder(url: str) -> Forked:
    """Another process that holds the lease."""
    with open(os.devnull, "wb") as nothing:  # noqa: ASYNC230, PTH123  No disk is waited for.
        process = await preloaded().talk_to(
            "tests.service.process", os.environ, nothing, 1000, ("hold", url, KEY.hex())
        )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"held\n"
    return process


@pytest.mark.slow
async def test_a_second_process_learns_who_holds_the_lease(url: str) -> None:
    """It stops with the other's process id and host, and has touched nothing."""
    process = await holder(url)
    try:
        with pytest.raises(LeaseHeld, match=f"process {process.pid} on {os.uname().nodename}"):
            async with Lease.take(url):
                pass
    finally:
        process.kill()
        await process.wait()


@pytest.mark.slow
async def test_a_look_takes_no_lease(url: str, tmp_path: Path) -> None:
    """Whether somebody serves is seen without serving, and nothing is left of the look."""
    await Lease.see_free(url)
    assert not Path(f"{tmp_path}/alongside.db.lease").exists()  # noqa: ASYNC240  A look at the folder.
    process = await holder(url)
    try:
        with pytest.raises(LeaseHeld, match=f"process {process.pid} on"):
            await Lease.see_free(url)
    finally:
        process.kill()
        await process.wait()
    await Lease.see_free(url)


async def test_a_kill_frees_the_lease_at_once(url: str) -> None:
    """After kill -9 the next process has the lease without a wait, several times over."""
    for _ in range(3):
        process = await holder(url)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        began = time.monotonic()
        async with serving(url) as (_, store):
            await write(store)
        # Far below any time after which a lease could count as stale.
        assert time.monotonic() - began < 10


async def test_one_process_cannot_take_it_twice(url: str) -> None:
    """The lease is the database's, not the process's: a second one here is refused, and works afterwards."""
    async with serving(url) as (lease, store):
        with pytest.raises(LeaseHeld):
            async with Lease.take(url):
                pass
        assert lease.held
        await write(store)
    async with serving(url) as (_, store):
        await write(store)


async def test_each_start_raises_the_epoch(url: str) -> None:
    """The epoch grows by one from start to start."""
    epochs = []
    for _ in range(3):
        async with serving(url) as (lease, _):
            epochs.append(lease.epoch)
    assert epochs == [epochs[0], epochs[0] + 1, epochs[0] + 2]


async def test_without_the_lease_nothing_is_written(url: str) -> None:
    """A lease that was given back stops the store that was opened with it."""
    async with Lease.take(url) as lease:
        store = await Store.open(url, KEY, lease)
        await write(store, b"before")
    try:
        with pytest.raises(LeaseHeld):
            await write(store, b"after")
        with pytest.raises(LeaseHeld):
            lease.check()
    finally:
        await store.close()
    assert await chats(url) == [(NUMBER, b"before")]


async def test_a_raised_epoch_stops_whoever_has_an_older_one(url: str) -> None:
    """Even if the lock seems held, a transaction of an older epoch fails; so does one that only reads."""
    async with serving(url) as (lease, store):
        await write(store, b"before")
        lease.epoch -= 1
        with pytest.raises(LeaseHeld):
            await write(store, b"after")
        with pytest.raises(LeaseHeld):
            async with store.transaction("test") as transaction:
                await transaction.read_chats()
        with pytest.raises(LeaseHeld):
            async with store.reading() as transaction:
                await transaction.read_chats()
        assert lease.held
    assert await chats(url) == [(NUMBER, b"before")]


async def test_a_database_taken_over_is_noticed_by_the_one_before(tmp_path: Path) -> None:
    """Whoever removes the lock's file lets a second process in; then the first one's transactions fail."""
    url = f"sqlite:///{tmp_path}/alongside.db"
    async with serving(url) as (lease, store):
        await write(store, b"first")
        (tmp_path / "alongside.db.lease").unlink()
        async with serving(url) as (_, other):
            await write(other, b"second")
            with pytest.raises(LeaseHeld):
                await write(store, b"third")
        with pytest.raises(LeaseHeld):
            await asyncio.wait_for(lease.watch(every=0.01), 60)
        assert not lease.held
    assert await chats(url) == [(NUMBER, b"second")]


async def test_a_file_put_in_the_place_of_the_locks_is_noticed(tmp_path: Path) -> None:
    """Another file of the same name is not the one that is locked."""
    url = f"sqlite:///{tmp_path}/alongside.db"
    async with Lease.take(url) as lease:
        (tmp_path / "other").touch()
        (tmp_path / "other").rename(tmp_path / "alongside.db.lease")
        with pytest.raises(LeaseHeld):
            await asyncio.wait_for(lease.watch(every=0.01), 60)


async def test_watching_a_lease_that_is_held_goes_on(url: str) -> None:
    """As long as nothing happens, nothing is raised."""
    async with Lease.take(url) as lease:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(lease.watch(every=0.01), 0.2)
        assert lease.held


async def test_a_symbolic_link_is_the_same_database(tmp_path: Path) -> None:
    """Two names of one file have one lease."""
    (tmp_path / "link.db").symlink_to(tmp_path / "alongside.db")
    async with Lease.take(f"sqlite:///{tmp_path}/alongside.db"):
        with pytest.raises(LeaseHeld):
            async with Lease.take(f"sqlite:///{tmp_path}/link.db"):
                pass


async def test_the_locks_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """Mode 0600, whatever the umask."""
    before = os.umask(0)
    try:
        async with Lease.take(f"sqlite:///{tmp_path}/alongside.db"):
            assert stat.S_IMODE((tmp_path / "alongside.db.lease").stat().st_mode) == 0o600
    finally:
        os.umask(before)


async def test_a_folder_that_is_not_there_is_the_operators_to_make(tmp_path: Path) -> None:
    """The error says what cannot be written, with the key and the variable."""
    with pytest.raises(OperatorError, match="ALONGSIDE_DATABASE__URL"):
        async with Lease.take(f"sqlite:///{tmp_path}/nowhere/alongside.db"):
            pass


async def test_no_server_is_the_worlds_fault() -> None:
    """A database server that is not there may be there later."""
    with pytest.raises(Unreachable):
        async with Lease.take(f"postgresql://user:secret@127.0.0.1:{free_port()}/name"):
            pass


async def test_a_refused_password_is_the_operators_fault(postgres: Postgres) -> None:
    """The error names what to check, and does not hold the password."""
    with pytest.raises(OperatorError) as caught:
        async with Lease.take(f"postgresql://alongside:wrong-word@127.0.0.1:{postgres.port}/postgres"):
            pass
    assert "wrong-word" not in str(caught.value)


async def test_a_lost_connection_fails_closed(postgres: Postgres, template: str) -> None:
    """When the lock's connection ends, each later transaction fails though its own connection is well."""
    async with postgres.database(template) as url, serving(url) as (lease, store):
        await write(store, b"before")
        session = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            cut = (
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            assert await session.fetchval(cut)
        finally:
            await session.close()
        with pytest.raises(LeaseHeld):
            await asyncio.wait_for(lease.watch(every=0.05), 60)
        with pytest.raises(LeaseHeld):
            await write(store, b"after")
        assert await chats(url) == [(NUMBER, b"before")]
