"""What is measured: the service as a process of its own, and what all measured programs have in common.

Rules guarded here:
- The service is set up by `init` and started by `run`, with the community's defaults: what is measured is
  what a community gets.
- It ends with the process that started it; its directory stays for a look where something failed.
"""

import asyncio
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from tests.live import agreement
from tests.live.bound import bound
from tests.live.homeserver import CHECKOUT, Homeserver

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


class Addressed(Protocol):
    """A program that can be written to."""

    @property
    def user_id(self) -> str:
        """Whom members write to."""
        ...


class Subject(Addressed, Protocol):
    """A program that answers what is written to it."""

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        ...

    async def resume(self) -> None:
        """Start it again with what it kept."""
        ...

    async def stop(self) -> None:
        """End it and keep its data."""
        ...


class Service:
    """The service on a homeserver. Make it with `Service.start`, use it in `async with`.

    `command` stands between Python and the program, for a profiler; `variables` are configuration keys.
    """

    def __init__(self, homeserver: Homeserver, variables: Mapping[str, str], url: str | None = None) -> None:
        self.homeserver = homeserver
        self._url = url or homeserver.url
        self.directory = Path(tempfile.mkdtemp(prefix="alongside-bench-"))
        name = secrets.token_hex(4)
        self.user_id = f"@desk-{name}:{homeserver.name}"
        self.keeper_id = f"@keeper-{name}:{homeserver.name}"
        self.command: list[str] = []
        self._variables = dict(variables)
        self._process: asyncio.subprocess.Process | None = None

    @classmethod
    async def start(
        cls, homeserver: Homeserver, *, run: bool = True, url: str | None = None, **variables: str
    ) -> Self:
        """Set one up and, unless told otherwise, start it; `url` is where it meets the homeserver.

        `variables` are ALONGSIDE_ keys without the prefix.
        """
        service = cls(homeserver, variables, url)
        await service.initialise()
        if run:
            await service.resume()
        return service

    @property
    def pid(self) -> int | None:
        """The process id while it runs, for measurements."""
        return self._process.pid if self._process is not None else None

    @property
    def configuration(self) -> Path:
        """The configuration file."""
        return self.directory / "alongside.toml"

    @property
    def log(self) -> Path:
        """What it wrote on standard output and standard error."""
        return self.directory / "service.log"

    def environment(self) -> dict[str, str]:
        """What it is started with."""
        given = {f"ALONGSIDE_{name}": value for name, value in self._variables.items()}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ALONGSIDE_")}
        # Members here write faster than people do.
        fast = {"ALONGSIDE_COMMUNITY__MESSAGES_AT_ONCE": "100000"}
        return {**kept, **fast, "ALONGSIDE_WEB__PORT": "0", **given, "PYTHONPATH": str(CHECKOUT)}

    async def initialise(self) -> None:
        """Make the accounts, the keys and the configuration with `init`."""
        secret = self.directory / "registration-secret"
        secret.write_text(self.homeserver.shared_secret)
        secret.chmod(0o600)
        options = {
            "--homeserver": self._url,
            "--server-name": self.homeserver.name,
            "--desk": self.user_id,
            "--keeper": self.keeper_id,
            "--name": "The Garden",
            "--limits": "No emergency service.",
            "--who-runs": "Two of us run the server.",
            "--ages": "adults",
            "--registration-secret-file": str(secret),
        }
        process = await asyncio.create_subprocess_exec(
            *self._program("init", "--no-ask", *(word for option in options.items() for word in option)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self.directory,
            env=self.environment(),
        )
        told, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"init failed:\n{told.decode()}")
        agreement.finish(self.directory)

    def _program(self, *arguments: str) -> list[str]:
        start = [sys.executable, *self.command, "-m", "service.cli"]
        return [*start, "--config", str(self.configuration), *arguments]

    async def resume(self) -> None:
        """Start the process, and return when it says that it runs."""
        await self.spawn()
        await self.ready()

    async def spawn(self) -> None:
        """Start the process."""
        self._process = await asyncio.create_subprocess_exec(
            *bound(self._program("run")),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self.directory,
            env=self.environment(),
            start_new_session=True,
        )
        self._running = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self.log.open("ab") as log:
            while line := await self._process.stdout.readline():
                log.write(line)
                log.flush()
                try:
                    said = json.loads(line)
                except ValueError:
                    continue
                if isinstance(said, dict) and said.get("event") == "running":
                    self._running.set()
        self._running.set()

    async def ready(self) -> None:
        """Wait until the process says that it runs."""
        async with asyncio.timeout(_START_SECONDS):
            await self._running.wait()
        if self._process is None or self._reading.done():
            raise RuntimeError(f"the service ended while starting:\n{self.tail()}")

    def tail(self, lines: int = 30) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    async def stop(self) -> None:
        """End the process in order, or by force after ten seconds; its data stays."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End the process at once, as a crash would."""
        await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(number)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        await self._reading
        self._process = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        if kind is None:
            shutil.rmtree(self.directory, ignore_errors=True)
