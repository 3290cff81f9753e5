"""An instance as an operator has it: a folder, and the command line in it."""

import contextlib
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

from service import config
from service.installation import Access
from tests.live import agreement
from tests.live.homeserver import Homeserver, JsonObject
from tests.live.preloaded import Forked, ended, preloaded

ROOT = Path(__file__).parents[2]


def unwrapped(text: str) -> str:
    """What the program said, without the ends of its lines."""
    return " ".join(text.split())


class Instance:
    """A folder with an instance of the service, and its command line.

    Its processes begin with imports made before (tests/live/preloaded.py), unless they are to be the command
    line's `own`.
    """

    def __init__(self, folder: Path, homeserver: Homeserver, name: str, *, own: bool = False) -> None:
        folder.mkdir()
        self.own = own
        self.folder = folder
        self.homeserver = homeserver
        self.name = name
        (folder / "registration").write_text(homeserver.shared_secret + "\n")
        (folder / "registration").chmod(0o600)

    @property
    def environ(self) -> dict[str, str]:
        """The environment of its processes: none of our variables but what a test gives."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ALONGSIDE_")}
        return {**kept, "PYTHONPATH": str(ROOT), "ALONGSIDE_WEB__PORT": "0"}

    def call(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the program to its end."""
        environment = self.environ | environ
        if not self.own:
            return preloaded().run("service.cli", arguments, environment, self.folder)
        return subprocess.run(
            [sys.executable, "-m", "service.cli", *arguments],
            cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def answers(self) -> tuple[str, ...]:
        """The options that answer every question of `init`, but how the accounts are signed in."""
        return (
            *("--homeserver", self.homeserver.url, "--server-name", self.homeserver.name),
            *("--desk", f"desk-{self.name}", "--keeper", f"keeper-{self.name}"),
            *(
                "--name",
                "Example",
                "--limits",
                "No emergency service.",
                "--who-runs",
                "two of us",
                "--ages",
                "adults",
            ),
        )

    def init(self, *more: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run `init`, registering the accounts."""
        registration = ("--registration-secret-file", "registration")
        ended = self.call("init", *self.answers(), *registration, *more, **environ)
        if (self.folder / "agreement.md").exists():
            agreement.finish(self.folder)
        return ended

    def user(self, role: str) -> str:
        """The Matrix ID of one of its accounts."""
        return f"@{role}-{self.name}:{self.homeserver.name}"

    def password(self, role: str) -> str:
        """The password of an account that it registered."""
        access = Access(registration_secret=self.homeserver.shared_secret)
        return access.password_for(self.user(role)) or ""

    def fingerprint(self) -> str:
        """The identity as the database has it."""
        return self.call("fingerprint").stdout.strip()

    def files(self) -> dict[str, bytes]:
        """What the configuration and the secrets are."""
        found = {}
        for path in [self.folder / "alongside.toml", *(self.folder / "secrets").iterdir()]:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            found[path.name] = path.read_bytes()
        return found

    def settings(self) -> config.Settings:
        """Its configuration."""
        return config.load(self.folder / "alongside.toml", {})

    async def devices(self, role: str) -> list[str]:
        """The account's devices, as the homeserver's administrator sees them."""
        answer = await self.homeserver.call(
            "GET",
            f"/_synapse/admin/v2/users/{self.user(role)}/devices",
            token=await self.homeserver.admin_token(),
        )
        devices = answer["devices"]
        assert isinstance(devices, list)
        return [str(device["device_id"]) for device in devices if isinstance(device, dict)]

    async def published(self) -> JsonObject:
        """Every key of both accounts that the homeserver shows, but how many one-time keys are left."""
        users = [self.user(role) for role in ("desk", "keeper")]
        token = (self.folder / "secrets/desk.token").read_text().strip()
        body: JsonObject = {"device_keys": {user: [] for user in users}}
        return await self.homeserver.call("POST", "/_matrix/client/v3/keys/query", body=body, token=token)

    async def _ask(self, path: str) -> JsonObject:
        """What the homeserver answers the front desk."""
        token = (self.folder / "secrets/desk.token").read_text().strip()
        return await self.homeserver.call("GET", f"/_matrix/client/v3/{path}", token=token)

    async def rooms(self) -> list[str]:
        """The rooms that the front desk is in."""
        found = (await self._ask("joined_rooms"))["joined_rooms"]
        assert isinstance(found, list)
        return [str(room) for room in found]

    async def state(self, room: str, type_: str) -> JsonObject:
        """The content of a state event."""
        return await self._ask(f"rooms/{quote(room)}/state/{type_}")

    async def invited(self, room: str) -> list[str]:
        """Who is invited to a room."""
        found = (await self._ask(f"rooms/{quote(room)}/members?membership=invite"))["chunk"]
        assert isinstance(found, list)
        return sorted(str(event["state_key"]) for event in found if isinstance(event, dict))

    def rows(self) -> dict[str, list[object]]:
        """What the database holds, the lease's epoch included."""
        with contextlib.closing(sqlite3.connect(self.folder / "alongside.db")) as database:
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            return {name: database.execute(f'SELECT * FROM "{name}"').fetchall() for (name,) in names}

    def healthy(self) -> dict[str, dict[str, str]]:
        """See that `doctor` finds nothing to mend once the agreement is finished; its findings by name."""
        agreement.finish(self.folder)
        result = self.call("doctor", "--json")
        findings = {line["name"]: line for line in map(json.loads, result.stdout.splitlines())}
        failed = [finding for finding in findings.values() if finding["state"] == "fail"]
        assert failed == [], str(failed)
        assert result.returncode == 0
        return findings


class Running:
    """The service as a process, from the moment that it says it runs until it has stopped."""

    def __init__(self, instance: Instance) -> None:
        ours, theirs = os.pipe()
        self.process: subprocess.Popen[bytes] | Forked
        if instance.own:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service.cli", "run"], cwd=instance.folder, env=instance.environ,
                stdin=subprocess.DEVNULL, stderr=theirs,
            )  # fmt: skip
        else:
            self.process = preloaded().begin(
                "service.cli", ["run"], instance.environ, instance.folder, stdout=1, stderr=theirs
            )
        os.close(theirs)
        self._said = os.fdopen(ours, encoding="utf-8")

    def __enter__(self) -> "Running":
        for line in self._said:
            if json.loads(line)["event"] == "running":
                return self
        raise AssertionError("the service ended before it ran")

    def stop(self) -> float:
        """Have it stop, and see that it does and says so; returns the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert ended(self.process, 30) == 0
        took = time.monotonic() - began
        assert json.loads(self._said.read().splitlines()[-1])["event"] == "stopped"
        return took

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        ended(self.process, 30)
        self._said.close()
