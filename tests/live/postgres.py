"""A private PostgreSQL cluster for tests, which goes with the process that started it.

Rules guarded here:
- It listens on a socket in its own directory and on a free port of 127.0.0.1, for one password made here.
- It never skips: without PostgreSQL 15 or later it raises HarnessMissing, which says what to do.
- Every database is fresh: a copy of a template, dropped after use.

PostgreSQL refuses to run as root, so root runs it as the system account `postgres`. `fsync` is off: what is
kept here has no need to outlive the machine.
"""

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg

from tests.live.bound import bound
from tests.live.homeserver import HarnessMissing, free_port

_LEAST = 15
_START_DEADLINE = 120.0
_STOP_DEADLINE = 20.0
_POLL = 0.03
_SERVICE_ACCOUNT = "postgres"
_OWNER = "alongside"


class PostgresFailed(RuntimeError):
    """PostgreSQL ended or did not answer in time; the message ends with the last lines of its log."""


def binaries() -> Path:
    """Return the directory of PostgreSQL's programs, the newest where there are several.

    Raises HarnessMissing where there is none.
    """
    found = [
        directory
        for directory in Path("/usr/lib/postgresql").glob("*/bin")
        if (directory / "initdb").exists() and (directory / "postgres").exists()
    ]
    if found:
        return max(found, key=lambda directory: int(directory.parent.name))
    on_path = shutil.which("initdb")
    if on_path and (Path(on_path).parent / "postgres").exists():
        return Path(on_path).parent
    raise HarnessMissing(
        "There is no PostgreSQL: neither /usr/lib/postgresql nor the path has initdb and postgres. "
        "Install version 15 or later (on Debian: apt-get install postgresql)."
    )


class Postgres:
    """A running cluster. Use it as an async context manager, or call `start` and `stop`.

    Nothing in it is bound to an event loop. `url` is that of the maintenance database; `database` gives
    fresh ones. `directory` has all that it writes: its databases and its write-ahead log in `data`, and what
    it prints.
    """

    def __init__(self) -> None:
        self._binaries = binaries()
        self._user = _SERVICE_ACCOUNT if os.geteuid() == 0 else ""
        self._process: subprocess.Popen[bytes] | None = None
        self._password = secrets.token_hex(16)
        self.directory = Path(tempfile.mkdtemp(prefix="alongside-postgres-"))
        self.data = self.directory / "data"
        self._log = self.directory / "postgres.log"
        self.port = free_port()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def url(self) -> str:
        """SQLAlchemy's asyncpg URL of the maintenance database."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Return SQLAlchemy's asyncpg URL of a database of this cluster."""
        return f"postgresql+asyncpg://{_OWNER}:{self._password}@127.0.0.1:{self.port}/{database}"

    async def start(self) -> None:
        """Make the cluster, start it, and return when it answers.

        Raises PostgresFailed, and HarnessMissing where the server is older than what the service is for.
        """
        try:
            await asyncio.to_thread(self._initialise)
            self._spawn()
            await self._answers()
            ((number,),) = await self.fetch(self.url, "SHOW server_version_num")
            if int(str(number)) < _LEAST * 10_000:
                raise HarnessMissing(
                    f"PostgreSQL at {self._binaries} says that it is {number}: "
                    f"install version {_LEAST} or later (on Debian: apt-get install postgresql)."
                )
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the cluster and remove it with all that was in it."""
        process = self._process
        if process is not None:
            # SIGINT is PostgreSQL's fast shutdown: sessions are cut, and shared memory is given back.
            process.send_signal(signal.SIGINT)
            try:
                await asyncio.to_thread(process.wait, _STOP_DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._process = None
        shutil.rmtree(self.directory, ignore_errors=True)

    @asynccontextmanager
    async def database(self, template: str = "template0") -> AsyncIterator[str]:
        """Give the URL of a fresh database, a copy of `template`, and drop it afterwards.

        A template must have no session open while it is copied.
        """
        name = f"fresh_{secrets.token_hex(6)}"
        await self.create(name, template)
        try:
            yield self.url_of(name)
        finally:
            await self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    async def create(self, name: str, template: str = "template0") -> str:
        """Make a database that stays until the cluster ends, as a template for others, and return its URL."""
        await self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url_of(name)

    async def fetch(self, url: str, statement: str) -> list[tuple[object, ...]]:
        """Return the rows that a statement gives in the database at `url`, on a connection of its own."""
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    # ---- the process

    def _initialise(self) -> None:
        if self._user:
            shutil.chown(self.directory, self._user)
        password = self.directory / "password"
        password.write_text(self._password)
        if self._user:
            shutil.chown(password, self._user)
        made = subprocess.run(
            bound(
                [
                    str(self._binaries / "initdb"),
                    f"--pgdata={self.data}",
                    f"--username={_OWNER}",
                    f"--pwfile={password}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--no-sync",
                    "--no-instructions",
                ],
                user=self._user,
            ),
            capture_output=True,
            text=True,
            check=False,
            cwd=self.directory,
        )
        if made.returncode != 0:
            raise PostgresFailed(f"initdb failed.\n{made.stdout[-2000:]}{made.stderr[-2000:]}")
        password.unlink()

    def _spawn(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.directory),
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "100",
            "shared_buffers": "32MB",
            "jit": "off",
            "autovacuum": "off",
        }
        options = [f"-c{key}={value}" for key, value in settings.items()]
        command = [str(self._binaries / "postgres"), "-D", str(self.data), *options]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                bound(command, end=signal.SIGINT, user=self._user),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
            )

    async def _answers(self) -> None:
        deadline = time.monotonic() + _START_DEADLINE
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise PostgresFailed(f"PostgreSQL ended while starting.\n{self._tail()}")
            try:
                await self._execute("SELECT 1")
            except (OSError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(_POLL)
            else:
                return
        raise PostgresFailed(f"PostgreSQL did not answer within {_START_DEADLINE:.0f} s.\n{self._tail()}")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=self.port, user=_OWNER, password=self._password, database="postgres"
        )
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _tail(self) -> str:
        if not self._log.exists():
            return "(no log)"
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-30:])
