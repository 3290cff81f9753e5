"""The service as an operator runs it: a real process beside a homeserver, made by `alongside init`.

Rules guarded here:
- It is started through the command line alone, from this checkout, and shares nothing with us but its files.
- It is stopped as a supervisor stops it (SIGTERM, exit code 0) or killed; it never outlives us.
- Everything that it writes lies in `directory`: configuration, secrets, database, log, temporary files.
"""

import asyncio
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import aiohttp

from service.config import Toml, to_toml
from tests.live import agreement
from tests.live.bound import bound
from tests.live.homeserver import CHECKOUT, Homeserver, free_port
from tests.live.preloaded import Forked, preloaded

QUICK: Mapping[str, str] = {
    "ask_again": "2 seconds",
    "reading": "2 seconds",
    "settle": "1 second",
    "prompt_pause": "0 seconds",
}
"""Timings for a story that is to be over in seconds; all others stay as the service has them."""

_READY_WITHIN = 120.0
_INIT_WITHIN = 120.0
_STOP_WITHIN = 30.0
"""The promise is five seconds. The tests of a stop hold `stop` to it; others stop a service in passing."""
_POLL = 0.05


class InstanceFailed(RuntimeError):
    """The service did not do as told; the message ends with the last lines of its log."""


class Instance:
    """One instance of the service. Make it with `Instance.make`; in `async with` it is killed at the end.

    `desk_user` and `keeper_user` are Matrix IDs, `database` the SQLite file (None on PostgreSQL), `log` the
    file with all that the process printed, `configuration` its TOML file, `port` that of its web server,
    `community` what its community calls itself.
    With a file as `overheard`, what crosses links to it is written there (tests/live/overheard.py).
    Its processes are the command line's own, or, `forked`, begin with imports made before
    (tests/live/preloaded.py).
    """

    def __init__(
        self, homeserver: Homeserver, directory: Path, name: str, database_url: str | None, forked: bool
    ) -> None:
        self.homeserver = homeserver
        self.directory = directory
        self.desk_user = f"@{name}:{homeserver.name}"
        self.keeper_user = f"@{name}-keeper:{homeserver.name}"
        self.database_url = database_url
        self.database = None if database_url else directory / "alongside.db"
        self.configuration = directory / "alongside.toml"
        self.log = directory / "alongside.log"
        self.port = free_port()
        self.community = ""
        self.overheard: Path | None = None
        self._forked = forked
        self._process: asyncio.subprocess.Process | Forked | None = None

    # ---- making it

    @classmethod
    async def make(
        cls,
        homeserver: Homeserver,
        directory: Path | None = None,
        *,
        timings: Mapping[str, str] | None = QUICK,
        database_url: str | None = None,
        places: Sequence[Mapping[str, str]] = (),
        topics: Sequence[str] = (),
        admin: bool = False,
        name: str | None = None,
        community: str = "Example Collective",
        limits: str = "People of this community keep each other company here. Nobody watches over it.",
        who_runs: str = "two people of our collective",
        zone: str = "UTC",
        settings: Mapping[str, Toml] | None = None,
        forked: bool = False,
    ) -> Self:
        """Run `alongside init` and return the instance, not started.

        `timings` are keys of the configuration's section of that name (None: the service's own); `places`
        and `topics` the community's; `admin` gives it a token of the homeserver's administrator; `settings`
        are further keys, by dotted name. Raises InstanceFailed.
        """
        directory = directory or Path(tempfile.mkdtemp(prefix="alongside-instance-"))
        directory.mkdir(parents=True, exist_ok=True)
        self = cls(homeserver, directory, name or f"desk-{secrets.token_hex(3)}", database_url, forked)
        self.community = community
        await self._init(community, limits, who_runs, zone)
        values: dict[str, Toml] = {"web.port": self.port, "community.members": "anyone"}
        values.update({f"timings.{key}": length for key, length in (timings or {}).items()})
        if topics:
            values["community.topics"] = list(topics)
        if database_url is not None:
            values["database.url_file"] = self.secret("database.url", database_url)
        if admin:
            values["admin.token_file"] = self.secret("admin.token", await homeserver.admin_token())
        self.configure({**values, **(settings or {})}, places)
        return self

    async def _init(self, community: str, limits: str, who_runs: str, zone: str) -> None:
        secret = self.secret("registration-secret", self.homeserver.shared_secret)
        try:
            await self.command(
                *("init", "--no-ask", "--homeserver", self.homeserver.url),
                *("--server-name", self.homeserver.name),
                *("--desk", self.desk_user, "--keeper", self.keeper_user),
                *("--name", community, "--limits", limits, "--who-runs", who_runs, "--zone", zone),
                *("--ages", "adults"),
                *("--registration-secret-file", secret),
                within=_INIT_WITHIN,
            )
        finally:
            (self.directory / secret).unlink()
        agreement.finish(self.directory)

    def secret(self, name: str, value: str) -> str:
        """Put a secret into a file of its own, as the configuration and commands name it."""
        folder = self.directory / "secrets"
        folder.mkdir(mode=0o700, exist_ok=True)
        file = folder / name
        file.touch(mode=0o600)
        file.write_text(value + "\n")
        return f"secrets/{name}"

    def configure(self, values: Mapping[str, Toml], places: Sequence[Mapping[str, str]] = ()) -> None:
        """Set keys of the configuration, by dotted name, as an operator does in an editor."""
        lines = self.configuration.read_text().splitlines()
        for dotted, value in values.items():
            section, _, key = dotted.partition(".")
            start = lines.index(f"[{section}]")
            end = next(
                (index for index in range(start + 1, len(lines)) if lines[index].startswith("[")), len(lines)
            )
            body = [line for line in lines[start + 1 : end] if not line.startswith(f"{key} =")]
            lines[start + 1 : end] = [f"{key} = {to_toml(value)}", *body]
        for place in places:
            lines += ["", "[[community.places]]"]
            lines += [f"{key} = {to_toml(value)}" for key, value in place.items()]
        self.configuration.write_text("\n".join(lines) + "\n")

    # ---- the process

    def _environment(self, more: Mapping[str, str] | None) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ALONGSIDE_", "PYTHON", "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY"))
        }
        temporary = self.directory / "tmp"
        temporary.mkdir(exist_ok=True)
        # The interpreter's environment may hold the project of another checkout.
        return {**kept, "PYTHONPATH": str(CHECKOUT), "TMPDIR": str(temporary), **(more or {})}

    async def _process_of(
        self, arguments: Sequence[str], environment: Mapping[str, str], printed: IO[bytes]
    ) -> asyncio.subprocess.Process | Forked:
        module, clock = "service.cli", self.homeserver.clock
        if clock is not None and list(arguments) == ["run"]:
            module, arguments = "tests.live.ahead", [str(clock.file), str(self.configuration)]
        elif self.overheard is not None and list(arguments) == ["run"]:
            module, arguments = "tests.live.overheard", [str(self.overheard), str(self.configuration)]
        else:
            arguments = ["--config", str(self.configuration), *arguments]
        if self._forked:
            return await preloaded().start(
                module, arguments, environment, self.directory, stdout=printed, stderr=printed
            )
        return await asyncio.create_subprocess_exec(
            *bound([sys.executable, "-P", "-m", module, *arguments]),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            cwd=self.directory,
            env=environment,
            # A group of its own, so that Ctrl-C in a terminal reaches us first and we end it in order.
            start_new_session=True,
        )

    async def command(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        exits: int = 0,
        within: float = _INIT_WITHIN,
    ) -> str:
        """Run one command of the program on this instance; returns what it printed.

        Raises InstanceFailed where it ends with another exit code than `exits`, or not in time (seconds).
        """
        more = {"ALONGSIDE_DATABASE__URL": self.database_url, **(env or {})} if self.database_url else env
        with tempfile.TemporaryFile() as printed:
            process = await self._process_of(arguments, self._environment(more), printed)
            try:
                async with asyncio.timeout(within):
                    await process.wait()
            except TimeoutError:
                raise InstanceFailed(f"`alongside {arguments[0]}` took more than {within:.0f} s") from None
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            printed.seek(0)
            said = printed.read().decode(errors="replace")
        if process.returncode != exits:
            raise InstanceFailed(f"`alongside {arguments[0]}` ended with {process.returncode}:\n{said}")
        return said

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """The process id while it lives."""
        return self._process.pid if self._process is not None and self.running else None

    async def start(self, env: Mapping[str, str] | None = None) -> None:
        """Start the process with `env` added to its environment; `ready` waits until it works."""
        if self.running:
            raise InstanceFailed("it runs already")
        with self.log.open("ab") as log:
            self._process = await self._process_of(["run"], self._environment(env), log)

    async def ready(self, *, within: float = _READY_WITHIN) -> None:
        """Wait until /readyz answers 200. Raises InstanceFailed with the reasons, after `within` seconds."""
        deadline = time.monotonic() + within
        said = "no answer"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while time.monotonic() < deadline:
                if not self.running:
                    code = self._process.returncode if self._process is not None else None
                    raise InstanceFailed(f"it ended with {code} while starting.\n{self.log_tail()}")
                try:
                    async with session.get(f"http://127.0.0.1:{self.port}/readyz") as response:
                        said = await response.text()
                        if response.status == 200:
                            return
                except (aiohttp.ClientError, TimeoutError) as error:
                    said = repr(error)
                await asyncio.sleep(_POLL)
        raise InstanceFailed(f"not ready within {within:.0f} s: {said}\n{self.log_tail()}")

    async def metrics(self) -> str:
        """Return what /metrics answers."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.port}/metrics") as response,
        ):
            return await response.text()

    async def stop(self) -> float:
        """Stop it as a supervisor does; returns the seconds that it took.

        Raises InstanceFailed where it hangs, or ends with another exit code than 0.
        """
        process = self._process
        if process is None or process.returncode is not None:
            raise InstanceFailed(f"it does not run.\n{self.log_tail()}")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_WITHIN):
                code = await process.wait()
        except TimeoutError:
            await self.kill()
            raise InstanceFailed(f"it did not stop within {_STOP_WITHIN:.0f} s.\n{self.log_tail()}") from None
        self._process = None
        if code != 0:
            raise InstanceFailed(f"it stopped with exit code {code}.\n{self.log_tail()}")
        return time.monotonic() - began

    async def kill(self) -> None:
        """End it at once, as a crash would; it may have ended already."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def restart(self, env: Mapping[str, str] | None = None) -> None:
        """Stop it in order, start it again, and wait until it works."""
        await self.stop()
        await self.start(env)
        await self.ready()

    async def wait_dead(self, *, within: float | None = _READY_WITHIN) -> int:
        """Wait until the process ends by itself; returns its exit code (137 at a fail point).

        `within` is in seconds; None waits for ever. Raises InstanceFailed.
        """
        process = self._process
        if process is None:
            raise InstanceFailed("it was never started, or was ended from here")
        try:
            async with asyncio.timeout(within):
                code = await process.wait()
        except TimeoutError:
            raise InstanceFailed(f"it still runs after {within} s.\n{self.log_tail()}") from None
        self._process = None
        return code

    def log_tail(self, lines: int = 40) -> str:
        """Return the last lines of what it printed."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    async def remove(self) -> None:
        """Kill it and remove all its files."""
        await self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()
