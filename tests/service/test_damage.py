"""What a person mistypes and what a disk or another program spoils: an answer, and never a fault of ours."""

import asyncio
import fcntl
import io
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.effects import LeaveRoom
from schema.errors import AlongsideError, LeaseHeld
from schema.ids import MatrixId, RoomId
from schema.records import Member, Record
from service import cli, config, logs
from service.lease import Lease
from service.matrix.identity import ROW
from service.store import Store
from tests.service.test_config import KEY, write

NOW = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run each test in a folder of its own, without any of our variables; the logs are left as they were."""
    monkeypatch.chdir(tmp_path)
    for variable in [name for name in os.environ if name.startswith("ALONGSIDE_")]:
        monkeypatch.delenv(variable)
    installed = logs.install(stream=io.StringIO())
    yield
    installed.remove()


def call(*arguments: str) -> tuple[int, str]:
    """Run the program with `arguments` in this process; its exit, and what it printed."""
    result = CliRunner().invoke(cli.program, arguments, prog_name="alongside")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


_WORDS = [
    *cli.program.commands,
    *(
        "--config",
        "-c",
        "--help",
        "--version",
        "-V",
        "--json",
        "--quiet",
        "-q",
        "--yes",
        "--",
        "-",
        "--no-ask",
    ),
    *(
        "--sign-in",
        "--sign-in=both",
        "--new-identity",
        "--desk",
        "--homeserver",
        "--limits-file",
        "alongside.toml",
    ),
]
# An operating system hands over any bytes but NUL.
_typed = st.sampled_from(_WORDS) | st.binary(max_size=12).map(
    lambda raw: os.fsdecode(raw.replace(b"\0", b""))
)


@given(st.lists(_typed, max_size=6))
def test_any_arguments_are_answered(arguments: list[str]) -> None:
    """Whatever is typed after the program's name: a few lines and an exit of 0, 1 or 2; no file is made."""
    code, printed = call(*arguments)
    assert code in (0, 1, 2)
    assert "Traceback" not in printed
    assert list(Path.cwd().iterdir()) == []


@given(st.binary(max_size=300))
@settings(max_examples=settings().max_examples // 2)
def test_any_text_in_the_locks_file(text: bytes) -> None:
    """Who holds the lease is told in one line of what can be printed, whatever stands in the lock's file."""
    folder = Path.cwd()
    url, lock = f"sqlite:///{folder}/alongside.db", folder / "alongside.db.lease"
    lock.write_bytes(text)

    async def take() -> None:
        async with Lease.take(url):
            raise AssertionError("it was taken twice")

    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for look in (take(), Lease.see_free(url)):
            with pytest.raises(LeaseHeld) as told:
                asyncio.run(look)
            assert told.value.problem.isprintable()
    assert lock.read_bytes() == text


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a row in most of its tables."""
    folder = tmp_path_factory.mktemp("whole")
    place = write(folder / "alongside.toml")

    async def fill() -> None:
        kept = config.load(place, {})
        async with Lease.take(kept.database_url()) as lease:
            store = await Store.open(kept.database_url(), kept.sealing_key(), lease)
            id = store.member_id(MatrixId("@ana:example.org"))
            async with store.transaction("test") as transaction:
                await transaction.put(Member(id, MatrixId("@ana:example.org"), NOW, RoomId("!chat")))
                await transaction.add_effects([("lane", "near", LeaveRoom(RoomId("!chat")))], NOW)
                await transaction.write_chats({"0" * 32: b"chat"})
                await transaction.write_crypto({("account", "0" * 32): b"account"})
                await transaction.write_instance(
                    ROW, b'{"user_id":"@desk:example.org","seeds":null,"next":null}'
                )
            await store.close()

    asyncio.run(fill())
    return folder / "alongside.db"


def _columns(database: Path) -> Iterator[tuple[str, str, str]]:
    """Every column of a table that has a row, and what is stored there."""
    with closing(sqlite3.connect(database)) as opened:
        names = [name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in names:
            for row in opened.execute(f'PRAGMA table_info("{table}")').fetchall():
                for (kind,) in opened.execute(f'SELECT typeof("{row[1]}") FROM "{table}" LIMIT 1'):
                    yield table, row[1], kind


_VALUES: dict[str, st.SearchStrategy[object]] = {
    "null": st.none(),
    "integer": st.integers(-(2**63), 2**63 - 1),
    "real": st.floats(),
    "text": st.text(max_size=40),
    "blob": st.binary(max_size=80),
}


async def _read_all(url: str, key: bytes) -> None:
    async with Lease.take(url) as lease:
        store = await Store.open(url, key, lease)
        try:
            async with store.reading() as transaction:
                for kind in get_args(Record):
                    await transaction.find(kind)
                await transaction.read_instance(ROW)
                await transaction.outbox(limit=10)
                await transaction.read_chats()
                await transaction.read_crypto()
        finally:
            await store.close()


@pytest.mark.slow
@given(st.data())
@settings(max_examples=settings().max_examples // 3)
def test_any_value_in_any_row(whole: Path, data: st.DataObject) -> None:
    """One column of any table overwritten: what reads it works, or one of our errors says that it cannot."""
    table, column, kind = data.draw(st.sampled_from(sorted(_columns(whole))))
    value = data.draw(_VALUES[kind])
    spoilt = Path.cwd() / "alongside.db"
    for old in Path.cwd().glob("alongside.db*"):
        old.unlink()
    spoilt.write_bytes(whole.read_bytes())
    with closing(sqlite3.connect(spoilt)) as opened, opened:
        try:
            opened.execute(f'UPDATE "{table}" SET "{column}" = ?', (value,))
        except (sqlite3.IntegrityError, sqlite3.DataError):
            return
    write(Path("alongside.toml"))
    code, printed = call("fingerprint")
    assert code in (1, 2)
    assert "  fix  " in printed, "what to do is said"
    with suppress(AlongsideError):
        asyncio.run(_read_all(f"sqlite:///{spoilt}", config.read_key(KEY)))
