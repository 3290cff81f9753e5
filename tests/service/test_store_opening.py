"""A database opens for its key and its program only, and says what to do where it cannot be used."""

import asyncio
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from schema import migrations, tables
from schema.errors import ConfigurationError, OperatorError, Unreachable
from schema.records import Member
from service.lease import Lease
from service.store import Store, driver
from service.store.address import address_of
from service.store.driver import Step
from tests.databases import KEY
from tests.live.homeserver import free_port
from tests.live.postgres import Postgres
from tests.live.preloaded import preloaded
from tests.service.test_store import member, number, put, raw

OTHER = bytes(reversed(KEY))


async def opened(url: str, key: bytes = KEY) -> Store:
    """The store, with one member in it."""
    store = await Store.open(url, key)
    await put(store, member(1))
    return store


# --- Tables and their revisions


async def test_the_revisions_lead_to_the_tables(empty_url: str) -> None:
    """A database made by the revisions has the tables, columns, types and indexes of `schema.tables`."""
    await (await Store.open(empty_url, KEY)).close()

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, tables.metadata))

    engine = create_async_engine(address_of(empty_url))
    try:
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []
    finally:
        await engine.dispose()


def test_the_list_of_revisions_is_what_is_there() -> None:
    """`REVISIONS` names each file of revisions in its order, with one beginning and one end."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == migrations.REVISIONS
    assert scripts.get_heads() == [migrations.REVISIONS[-1]]


async def test_two_first_starts_at_once_make_one_database(empty_url: str) -> None:
    """Both open, with the same keys, and neither's rows are lost."""
    one, two = await asyncio.gather(Store.open(empty_url, KEY), Store.open(empty_url, KEY))
    try:
        assert one.seal.lookup("members", "x") == two.seal.lookup("members", "x")
        await put(one, member(1))
        await put(two, member(2))
        async with one.transaction("test") as transaction:
            assert await transaction.find(Member) == [member(1), member(2)]
    finally:
        await one.close()
        await two.close()


@pytest.mark.parametrize("point", ["before commit make keyring#1", "after commit make keyring#1"])
async def test_a_first_start_that_was_killed_is_taken_up_again(empty_url: str, point: str) -> None:
    """Killed between the tables and the keyring, or just after it: the next start opens."""
    arguments = ("open", empty_url, KEY.hex())
    environment = {**os.environ, "ALONGSIDE_FAIL_AT": point}
    ended = preloaded().run("tests.service.process", arguments, environment, Path.cwd())
    assert ended.returncode == 137
    await (await opened(empty_url)).close()


async def test_a_newer_database_is_left_alone(url: str) -> None:
    """A revision that this program does not know stops it, with the fix, and nothing is changed."""
    await (await opened(url)).close()
    await raw(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(OperatorError, match="newer version") as caught:
        await Store.open(url, KEY)
    assert "Install that version" in caught.value.fix
    assert await raw(url, "SELECT version_num FROM alembic_version") == [("9999",)]


async def test_a_look_changes_nothing(url: str) -> None:
    """Read beside whoever serves it, a database keeps its epoch and its revision, even an older one."""
    async with Lease.take(url) as lease:
        serving = await Store.open(url, KEY, lease)
        await put(serving, member(1))
        look = await Store.look(url, KEY)
        async with look.transaction("test") as transaction:
            assert await transaction.read_lease() == (lease.epoch, lease.holder)
        await look.close()
        await put(serving, member(2))
        await serving.close()
    await raw(url, f"UPDATE alembic_version SET version_num = '{migrations.REVISIONS[0]}'")
    with pytest.raises(OperatorError, match="older version"):
        await Store.look(url, KEY)
    assert await raw(url, "SELECT version_num FROM alembic_version") == [(migrations.REVISIONS[0],)]


async def test_a_look_makes_nothing(empty_url: str, tmp_path: Path) -> None:
    """Where there is no database none is made, and no table in an empty one."""
    with pytest.raises(OperatorError, match="no database yet"):
        await Store.look(empty_url, KEY)
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240  A look at the folder.
    if not empty_url.startswith("sqlite"):
        assert await raw(empty_url, "SELECT to_regclass('alembic_version')") == [(None,)]


# --- The key


async def test_another_key_opens_nothing_and_changes_nothing(url: str) -> None:
    """The error names key and variable, and every byte of the database is as before."""
    await (await opened(url)).close()
    before = await _whole(url)
    with pytest.raises(ConfigurationError, match="ALONGSIDE_KEYS__SEALING_KEY"):
        await Store.open(url, OTHER)
    assert await _whole(url) == before
    store = await Store.open(url, KEY)
    async with store.transaction("test") as transaction:
        assert await transaction.get(Member, number(1)) == member(1)
    await store.close()


async def _whole(url: str) -> object:
    """All of a database: SQLite's file, or the rows that an opening could change."""
    if url.startswith("sqlite"):
        return await asyncio.to_thread(Path(url.removeprefix("sqlite:///")).read_bytes)
    return [
        await raw(url, f"SELECT * FROM {table}")
        for table in ("keyring", "lease", "alembic_version", "members")
    ]


@pytest.mark.parametrize("key", [b"", b"short", bytes(33)])
async def test_a_key_of_another_length_is_refused(tmp_path: Path, key: bytes) -> None:
    """Before anything is made."""
    with pytest.raises(ConfigurationError, match="32 bytes"):
        await Store.open(f"sqlite:///{tmp_path}/alongside.db", key)
    assert _modes(tmp_path) == {}


async def test_a_lost_keyring_is_never_made_anew_over_sealed_rows(url: str) -> None:
    """A new keyring would hide that nothing in the database opens any more."""
    await (await opened(url)).close()
    await raw(url, "DELETE FROM keyring")
    with pytest.raises(OperatorError, match="no keyring"):
        await Store.open(url, KEY)
    assert await raw(url, "SELECT * FROM keyring") == []


# --- The address


@pytest.mark.parametrize(
    "url", ["", "nonsense", "sqlite://", "mysql://user:secret-word@host/name", "postgres:user:secret-word"]
)
async def test_an_unknown_address_is_refused_without_showing_it(url: str) -> None:
    """The error shows the two forms that work, and not the password."""
    with pytest.raises(ConfigurationError, match="sqlite:///path/to/file") as caught:
        await Store.open(url, KEY)
    assert "secret-word" not in str(caught.value)


async def test_no_server_is_the_worlds_fault() -> None:
    """A database server that is not there may be there later."""
    with pytest.raises(Unreachable):
        await Store.open(f"postgresql://user:secret@127.0.0.1:{free_port()}/name", KEY)


async def test_a_server_that_refuses_us_is_the_operators_fault(postgres: Postgres) -> None:
    """A wrong password and a database that is not there name what to check."""
    for address in (
        f"alongside:wrong-word@127.0.0.1:{postgres.port}/postgres",
        postgres.url_of("none").split("//")[1],
    ):
        with pytest.raises(OperatorError, match="ALONGSIDE_DATABASE__URL") as caught:
            await Store.open(f"postgresql://{address}", KEY)
        assert "wrong-word" not in str(caught.value)


@pytest.mark.parametrize("major", [9, 14])
def test_an_older_server_is_the_operators_to_upgrade(major: int) -> None:
    """A PostgreSQL that is too old is named, with the key, the variable and what to do; newer ones pass."""
    with pytest.raises(OperatorError, match=f"PostgreSQL {major}, and this needs 15 or later") as caught:
        driver.refuse_older(major)
    assert (caught.value.key, caught.value.variable) == ("database.url", "ALONGSIDE_DATABASE__URL")
    assert "Upgrade" in caught.value.fix
    for newer in (15, 16, 100):
        driver.refuse_older(newer)


async def test_nothing_is_made_on_an_older_server(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real server is asked which it is, before anything is made on it, by a start and by a look."""
    async with postgres.database() as address:
        with monkeypatch.context() as later:
            later.setattr(driver, "_LEAST_POSTGRESQL", 1000)
            for way in (Store.open, Store.look):
                with pytest.raises(OperatorError, match="this needs 1000 or later"):
                    await way(address, KEY)
        with pytest.raises(OperatorError, match="There is no database yet"):
            await Store.look(address, KEY)
        await (await Store.open(address, KEY)).close()


# --- SQLite's file


def _modes(folder: Path) -> dict[str, int]:
    """The files of a folder with their modes."""
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


async def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    """Database, log and index have mode 0600, whatever the umask and whatever they had before."""
    before = os.umask(0)
    try:
        (tmp_path / "alongside.db").touch(mode=0o644)
        store = await opened(f"sqlite:///{tmp_path}/alongside.db")
        modes = _modes(tmp_path)
        await store.close()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("alongside.db", "alongside.db-wal", "alongside.db-shm"), 0o600)


async def test_sqlite_is_set_to_keep_and_to_erase(store: Store) -> None:
    """The log is written ahead, each commit reaches the disk, and what is deleted is overwritten."""
    async with store.transaction("test") as transaction:
        await transaction.find(Member)
        pragmas = {
            name: (await transaction._driver.run([_pragma(name)]))[0][0]
            for name in ("journal_mode", "synchronous", "secure_delete", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "busy_timeout": 5000}


def _pragma(name: str) -> Step:
    return Step(f"PRAGMA {name}", ())


@pytest.mark.parametrize(
    "content", [b"not a database", b"\0" * 100, os.urandom(5000), b"SQLite format 3\0" + b"x" * 5000]
)
async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, content: bytes) -> None:
    """The error says that the file is damaged, and the file stays as it is."""
    file = tmp_path / "alongside.db"
    file.write_bytes(content)
    with pytest.raises(OperatorError, match="damaged"):
        await Store.open(f"sqlite:///{file}", KEY)
    assert file.read_bytes() == content


@pytest.mark.slow
async def test_a_damaged_page_is_said(tmp_path: Path) -> None:
    """A database whose inner pages were overwritten stops the service when they are read."""
    file = tmp_path / "alongside.db"
    store = await Store.open(f"sqlite:///{file}", KEY)
    for at in range(200):
        await put(store, member(at, "x" * 300))
    await store.erase_checkpoint()
    await store.close()
    content = bytearray(file.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    file.write_bytes(content)
    with pytest.raises(OperatorError, match="damaged"):
        store = await Store.open(f"sqlite:///{file}", KEY)


async def test_a_full_disk_is_said_and_loses_nothing(store: Store) -> None:
    """What does not fit is not there, what was there is, and the error says to make room."""
    await put(store, member(1))
    driver = store._driver
    assert driver is not None
    pages = (await driver.run([_pragma("page_count")]))[0][0]
    await driver.run([_pragma(f"max_page_count = {pages}")])
    with pytest.raises(OperatorError, match="full"):
        await put(store, *(member(at, "x" * 3000) for at in range(2, 50)))
    async with store.transaction("test") as transaction:
        assert await transaction.find(Member) == [member(1)]
    await driver.run([_pragma("max_page_count = 100000")])
    await put(store, member(2))


@contextmanager
def _locked_up(folder: Path) -> Iterator[None]:
    """Let everybody read the folder and its database, and nobody write; pytest's folders above are opened."""
    for above in [folder, *folder.parents][:3]:
        above.chmod(0o755)
    (folder / "alongside.db").chmod(0o444)
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)


@contextmanager
def powerless() -> Iterator[None]:
    """Without root's power over files."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_a_read_only_database_is_said(tmp_path: Path) -> None:
    """A file, or a folder, that we may not write stops the service with what to do."""
    url = f"sqlite:///{tmp_path}/alongside.db"
    await (await opened(url)).close()
    with _locked_up(tmp_path):
        with powerless(), pytest.raises(OperatorError, match="cannot be written"):
            await Store.open(url, KEY)
        with powerless(), pytest.raises(OperatorError, match="cannot be written"):
            await Store.open(f"sqlite:///{tmp_path}/new.db", KEY)


@pytest.mark.slow
async def test_another_program_that_locks_the_file_is_the_worlds_fault(store: Store, tmp_path: Path) -> None:
    """A lock that does not go in time is no bug and no damage: to be tried again."""
    driver = store._driver
    assert driver is not None
    await driver.run([_pragma("busy_timeout = 50")])
    other = sqlite3.connect(tmp_path / "alongside.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unreachable):
            await put(store, member(1))
    finally:
        other.close()
    await put(store, member(1))


# --- PostgreSQL's connection


async def test_a_cut_connection_is_made_anew(postgres: Postgres, template: str) -> None:
    """Between transactions nobody notices; within one it is the world's fault, and the next one works."""
    async with postgres.database(template) as url:
        store = await Store.open(url, KEY)
        cut = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

        async def work() -> None:
            async with store.transaction("test") as transaction:
                await transaction.put(member(1))
                assert await transaction.find(Member) == [member(1)]
                await raw(url, cut)
                await transaction.find(Member)

        try:
            with pytest.raises(Unreachable):
                await work()
            await put(store, member(2))
            async with store.transaction("test") as transaction:
                assert await transaction.find(Member) == [member(2)]
        finally:
            await store.close()


async def test_a_serialization_failure_is_to_be_run_again(postgres: Postgres, template: str) -> None:
    """When another changed what a transaction read and writes, all of it is undone and may be tried again."""
    async with postgres.database(template) as url:
        store = await opened(url)
        other = await asyncpg.connect(url.replace("+asyncpg", ""))

        async def work() -> None:
            async with store.transaction("test") as transaction:
                await transaction.get(Member, number(1))
                await other.execute("UPDATE members SET sealed = sealed")
                await transaction.put(member(1, "ben"))

        try:
            with pytest.raises(Unreachable):
                await work()
            await put(store, member(1, "cem"))
        finally:
            await other.close()
            await store.close()
