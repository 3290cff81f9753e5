"""`alongside init` and what belongs to it, as processes against a real homeserver."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from schema.ids import DeviceId
from service import config
from service.installation import Access
from service.matrix.accounts import log_in
from service.matrix.identity import establish
from service.matrix.transport import Transport
from tests.live import agreement
from tests.live.accounts import Signed, session, upload_device
from tests.live.homeserver import Homeserver, JsonObject
from tests.live.test_identity import Rows
from tests.service.terminal import Terminal

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]


def unwrapped(text: str) -> str:
    """What the program said, without the ends of its lines."""
    return " ".join(text.split())


class Instance:
    """A folder with an instance of the service, and its command line."""

    def __init__(self, folder: Path, homeserver: Homeserver, name: str) -> None:
        folder.mkdir()
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
        return subprocess.run(
            [sys.executable, "-m", "service.cli", *arguments],
            cwd=self.folder, env=self.environ | environ, stdin=subprocess.DEVNULL,
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
        """See that `doctor` finds nothing to mend; returns its findings by name."""
        result = self.call("doctor", "--json")
        findings = {line["name"]: line for line in map(json.loads, result.stdout.splitlines())}
        assert [finding for finding in findings.values() if finding["state"] == "fail"] == []
        assert result.returncode == 0
        return findings


async def test_registered_twice_and_nothing_changes(homeserver: Homeserver, tmp_path: Path) -> None:
    """`init` makes everything; a second run says so and leaves every byte as it is."""
    instance = Instance(tmp_path / "a", homeserver, "twice")
    first = instance.init("--stewards", "sam")
    assert (first.returncode, first.stderr) == (0, "")
    (room,) = await instance.rooms()
    assert await instance.invited(room) == [f"@sam:{homeserver.name}"]
    files = instance.files()
    assert set(files) == {"alongside.toml", "desk.token", "keeper.token", "sealing-key"}
    findings = instance.healthy()
    assert findings["identity"]["state"] == "ok"
    assert "deaf" in findings["keeper"]["says"]
    published, rows = await instance.published(), instance.rows()
    second = instance.init()
    assert second.returncode == 0
    assert "nothing was changed" in second.stdout
    assert await instance.published() == published
    assert instance.rows() == rows
    assert instance.files() == files
    assert await instance.rooms() == [room]
    with Running(instance) as service:
        service.stop()
    assert await instance.rooms() == [room]
    assert len(await instance.devices("desk")) == len(await instance.devices("keeper")) == 1
    assert instance.fingerprint() in first.stdout
    assert instance.fingerprint() in second.stdout
    # Neither a password nor the registration secret is anywhere.
    for content in (*files.values(), (instance.folder / "alongside.db").read_bytes(), first.stdout.encode()):
        assert homeserver.shared_secret.encode() not in content


async def test_stewards_who_are_named_later_have_their_room_by_the_next_init(
    homeserver: Homeserver, tmp_path: Path
) -> None:
    """Encrypted from its creation; beside a service that runs it is left to its next start, as is said."""
    instance = Instance(tmp_path / "a", homeserver, "later")
    assert instance.init().returncode == 0
    assert await instance.rooms() == []
    place = instance.folder / "alongside.toml"
    with Running(instance) as service:
        named = f'stewards = ["@sam:{homeserver.name}"]\nages ='
        place.write_text(place.read_text().replace("ages =", named, 1))
        beside = instance.init()
        assert (beside.returncode, beside.stderr) == (0, "")
        assert "it makes the stewards' room when it starts next" in unwrapped(beside.stdout)
        service.stop()
    assert await instance.rooms() == []
    done = instance.init()
    assert (done.returncode, done.stderr) == (0, "")
    assert "Made the stewards' room" in done.stdout
    (room,) = await instance.rooms()
    assert await instance.state(room, "m.room.encryption") == {"algorithm": "m.megolm.v1.aes-sha2"}
    assert await instance.invited(room) == [f"@sam:{homeserver.name}"]
    rows = instance.rows()
    assert "nothing was changed" in instance.init().stdout
    assert instance.rows() == rows


async def test_with_passwords(homeserver: Homeserver, tmp_path: Path) -> None:
    """Accounts that are there are signed in with their passwords, which are kept nowhere."""
    instance = Instance(tmp_path / "a", homeserver, "password")
    secrets = ("--desk-password-file", "desk", "--keeper-password-file", "keeper")
    for role in ("desk", "keeper"):
        await homeserver.register(f"{role}-password", f"canary of the {role}")
        (instance.folder / role).write_text("wrong")
    refused = instance.call("init", *instance.answers(), *secrets)
    assert refused.returncode == 2
    assert "does not take this name with this password" in refused.stderr
    for role in ("desk", "keeper"):
        (instance.folder / role).write_text(f"canary of the {role}\n")
    done = instance.call("init", *secrets)
    assert (done.returncode, done.stderr) == (0, "")
    for content in (*instance.files().values(), (instance.folder / "alongside.db").read_bytes()):
        assert b"canary" not in content
    instance.healthy()


async def test_with_a_password_that_is_kept(homeserver: Homeserver, tmp_path: Path) -> None:
    """Where the front desk signs in by its password at each start, a second `init` changes nothing either.

    It does not even sign in, which would end the log-in of a service that runs.
    """
    instance = Instance(tmp_path / "a", homeserver, "kept")
    await homeserver.register("desk-kept", "canary of the desk")
    assert instance.init("--desk-password-file", "/dev/null").returncode == 2
    place = instance.folder / "alongside.toml"
    by_token = re.compile(r'^token_file = "secrets/desk.token"\n#.*\ndevice_id = .*$', re.MULTILINE)
    written, changed = by_token.subn('password_file = "secrets/desk.password"', place.read_text())
    assert changed == 1
    place.write_text(written)
    (instance.folder / "secrets" / "desk.password").write_text("canary of the desk\n")
    (instance.folder / "secrets" / "desk.password").chmod(0o600)
    first = instance.init()
    assert (first.returncode, first.stderr) == (0, "")
    with Running(instance) as service:
        running = instance.rows()
        second = instance.init()
        assert (second.returncode, second.stderr) == (0, "")
        assert "nothing was changed" in second.stdout
        assert instance.healthy()["front desk"]["state"] == "skip"
        assert instance.rows()["lease"] == running["lease"]
        service.stop()
    rows, database = instance.rows(), (instance.folder / "alongside.db").read_bytes()
    assert "nothing was changed" in instance.init().stdout
    assert instance.rows() == rows
    assert (instance.folder / "alongside.db").read_bytes() == database
    assert instance.fingerprint() in first.stdout
    assert len(await instance.devices("desk")) == 1


async def test_with_tokens(homeserver: Homeserver, tmp_path: Path) -> None:
    """Access tokens are taken with their devices; a token of somebody's open session is refused."""
    instance = Instance(tmp_path / "a", homeserver, "token")
    arguments = []
    for role in ("desk", "keeper"):
        await homeserver.register(f"{role}-token", "password")
        login = await homeserver.login(f"{role}-token", "password", device_id=f"DEVICE{role.upper()}")
        (instance.folder / role).write_text(login.access_token)
        arguments += [f"--{role}-token-file", role]
    refused = instance.call("init", *instance.answers(), *arguments)
    assert refused.returncode == 2
    assert "-device" in refused.stderr
    arguments += ["--desk-device", "DEVICEDESK", "--keeper-device", "OTHER"]
    refused = instance.call("init", *arguments)
    assert refused.returncode == 2
    assert "another device" in refused.stderr
    done = instance.call("init", *arguments[:-1], "DEVICEKEEPER")
    assert (done.returncode, done.stderr) == (0, "")
    assert instance.settings().desk.device_id == "DEVICEDESK"
    assert instance.settings().keeper.device_id == "DEVICEKEEPER"
    instance.healthy()
    # The desk's own session is an open one for everybody else.
    other = Instance(tmp_path / "b", homeserver, "token")
    borrowed = ["--desk-token-file", "../a/secrets/desk.token", "--desk-device", "DEVICEDESK"]
    borrowed += ["--keeper-token-file", "../a/secrets/keeper.token", "--keeper-device", "DEVICEKEEPER"]
    refused = other.call("init", *other.answers(), *borrowed)
    assert refused.returncode == 2
    assert "already has encryption keys" in refused.stderr


async def test_signed_in_anew(homeserver: Homeserver, tmp_path: Path) -> None:
    """New log-ins end the old ones; the desk's new device is signed by the same identity."""
    instance = Instance(tmp_path / "a", homeserver, "anew")
    assert instance.init().returncode == 0
    fingerprint, devices = instance.fingerprint(), await instance.devices("desk")
    files = instance.files()
    done = instance.init("--sign-in")
    assert (done.returncode, done.stderr) == (0, "")
    after = await instance.devices("desk")
    assert len(after) == 1
    assert after != devices
    assert instance.fingerprint() == fingerprint
    assert instance.files()["sealing-key"] == files["sealing-key"]
    assert instance.files()["keeper.token"] != files["keeper.token"]
    instance.healthy()


async def test_a_new_identity_is_a_decision(homeserver: Homeserver, tmp_path: Path) -> None:
    """A database without the published identity stops `init`; --new-identity replaces that."""
    instance = Instance(tmp_path / "a", homeserver, "identity")
    assert instance.init().returncode == 0
    before = instance.fingerprint()
    for file in instance.folder.glob("alongside.db*"):
        file.unlink()
    lost = instance.init("--sign-in", "desk")
    assert lost.returncode == 2
    assert "--new-identity" in lost.stderr
    done = instance.init("--new-identity")
    assert (done.returncode, done.stderr) == (0, "")
    assert instance.fingerprint() != before
    instance.healthy()


async def test_a_foreign_identity_stops_the_service(homeserver: Homeserver, tmp_path: Path) -> None:
    """Another client reset the identity: `run` and `init` change nothing and name the command that decides.

    That command wants the account's password, and says how it is given.
    """
    instance = Instance(tmp_path / "a", homeserver, "foreign")
    assert instance.init().returncode == 0
    async with session() as opened:
        transport = Transport(opened, homeserver.url)
        password = instance.password("desk")
        account = await log_in(transport, "desk-foreign", password, DeviceId("OTHER"), "another client")
        transport.token = account.token
        keys = await upload_device(Signed(transport, account.user_id, account.device_id))
        foreign = await establish(transport, Rows(), account.user_id, keys, password=password, new=True)
    published = await instance.published()
    for command in (("run",), ("init",)):
        ended = instance.call(*command)
        assert ended.returncode == 2
        assert "another identity than the one kept here" in unwrapped(ended.stderr)
        assert "`alongside init --new-identity`" in unwrapped(ended.stderr)
    unanswered = instance.call("init", "--new-identity")
    assert unanswered.returncode == 2
    assert "--desk-password-file" in unwrapped(unanswered.stderr)
    assert "--registration-secret-file" in unwrapped(unanswered.stderr)
    assert await instance.published() == published
    (instance.folder / "password").write_text(password)
    done = instance.call("init", "--new-identity", "--desk-password-file", "password")
    assert (done.returncode, done.stderr) == (0, "")
    assert foreign.fingerprint() != instance.fingerprint()
    assert instance.fingerprint() in done.stdout
    instance.healthy()
    with Running(instance) as service:
        service.stop()


@pytest.mark.parametrize("lost", [("master", "self_signing", "user_signing"), ("self_signing",)])
async def test_an_identity_that_the_homeserver_lost(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    at_terminal: Callable[..., Terminal],
    lost: tuple[str, ...],
) -> None:
    """Synapse takes no key back that it lost: each command names the next, and the last one works."""
    async with Homeserver(directory=tmp_path / "homeserver") as homeserver:
        instance = Instance(tmp_path / "a", homeserver, "gone")
        assert instance.init().returncode == 0
        before = instance.fingerprint()
        await homeserver.stop()
        with contextlib.closing(sqlite3.connect(homeserver.database)) as database, database:
            for kind in lost:
                database.execute(
                    "DELETE FROM e2e_cross_signing_keys WHERE user_id = ? AND keytype = ?",
                    (instance.user("desk"), kind),
                )
        await homeserver.start()
        ended = instance.call("run")
        assert ended.returncode == 2
        assert "Run `alongside init`" in unwrapped(ended.stderr)
        refused = instance.init()
        assert refused.returncode == 2
        assert "fails when it is given the same key again" in unwrapped(refused.stderr)
        assert "`alongside init --new-identity`" in unwrapped(refused.stderr)
        assert instance.fingerprint() == before
        monkeypatch.chdir(instance.folder)
        terminal = at_terminal("init", "--new-identity")
        terminal.answer("Make a new identity", "y")
        if "master" not in lost:
            # Where a master key is published, the homeserver wants to see the password.
            terminal.answer("1 or 2 [1]: ", "1")
            terminal.answer("Password of the front desk: ", instance.password("desk"))
        terminal.until("Made a new identity")
        assert terminal.end() == 0
        assert instance.fingerprint() != before
        instance.healthy()
        with Running(instance) as service:
            service.stop()


async def test_the_key_is_rotated(homeserver: Homeserver, tmp_path: Path) -> None:
    """A new key opens everything, the old one nothing; the old one is kept for the backups it opens."""
    instance = Instance(tmp_path / "a", homeserver, "rotate")
    assert instance.init().returncode == 0
    fingerprint, key = instance.fingerprint(), instance.files()["sealing-key"]
    done = instance.call("rotate-key")
    assert (done.returncode, done.stderr) == (0, "")
    files = instance.files()
    (old,) = (name for name in files if name.startswith("sealing-key.until-"))
    assert files[old] == key != files["sealing-key"]
    assert set(files) == {"alongside.toml", "desk.token", "keeper.token", "sealing-key", old}
    assert instance.fingerprint() == fingerprint
    (instance.folder / "secrets" / "sealing-key").write_bytes(key)
    assert instance.call("fingerprint").returncode == 2


class Running:
    """The service as a process, from the moment that it says it runs until it has stopped."""

    def __init__(self, instance: Instance) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "run"], cwd=instance.folder, env=instance.environ,
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> "Running":
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if json.loads(line)["event"] == "running":
                return self
        raise AssertionError("the service ended before it ran")

    def stop(self) -> float:
        """Have it stop, and see that it does and says so; returns the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        _, rest = self.process.communicate(timeout=30)
        took = time.monotonic() - began
        assert self.process.returncode == 0
        assert json.loads(rest.splitlines()[-1])["event"] == "stopped"
        return took

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


async def test_doctor_beside_a_running_service_and_a_stop(homeserver: Homeserver, tmp_path: Path) -> None:
    """`doctor` works while the service runs; SIGTERM ends the service within five seconds, with exit 0."""
    instance = Instance(tmp_path / "a", homeserver, "stop")
    assert instance.init().returncode == 0
    with Running(instance) as service:
        assert "process" in instance.healthy()["database"]["says"]
        assert instance.call("rotate-key").returncode == 2
        second = instance.call("run")
        assert second.returncode == 2
        assert str(service.process.pid) in second.stderr
        assert service.stop() < 5


async def test_a_restored_backup_is_noticed(homeserver: Homeserver, tmp_path: Path) -> None:
    """An older database does not start until it is taken; then the desk gets a new device."""
    instance = Instance(tmp_path / "a", homeserver, "restored")
    assert instance.init().returncode == 0
    fingerprint, devices = instance.fingerprint(), await instance.devices("desk")
    database = instance.folder / "alongside.db"
    backup = database.read_bytes()
    with Running(instance) as service:
        service.stop()
    assert not database.with_name("alongside.db-wal").exists()
    database.write_bytes(backup)
    refused = instance.call("run")
    assert refused.returncode == 2
    assert "alongside restored" in " ".join(refused.stderr.split())
    taken = instance.call("restored", "--yes")
    assert (taken.returncode, taken.stderr) == (0, "")
    assert "--sign-in desk" in " ".join(taken.stdout.split())
    # Whoever starts it before that is told the same, and nothing is spoilt.
    early = instance.call("run")
    assert early.returncode == 2
    assert "--sign-in" in early.stderr
    signed = instance.init("--sign-in", "desk")
    assert (signed.returncode, signed.stderr) == (0, "")
    assert await instance.devices("desk") != devices
    with Running(instance) as service:
        assert instance.healthy()["identity"]["state"] == "ok"
        service.stop()
    assert instance.fingerprint() == fingerprint


@pytest.mark.crash
@pytest.mark.timeout(1800)
async def test_killed_anywhere_it_goes_on(
    homeserver: Homeserver, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Killed at any commit or request, `init` run again ends whole: one device each, identity and room."""
    log, named = tmp_path / "points", ("--stewards", "sam")
    whole = Instance(tmp_path / "all", homeserver, "points")
    assert whole.init(*named, ALONGSIDE_FAIL_LOG=str(log)).returncode == 0
    points = log.read_text().splitlines()
    assert len(points) > 20
    every = 1 if os.environ.get("ALONGSIDE_CRASH") == "all" else 11
    tried = points[::every]
    for number, point in enumerate(tried):
        instance = Instance(tmp_path / str(number), homeserver, f"crash{number}")
        assert instance.init(*named, ALONGSIDE_FAIL_AT=point).returncode == 137, point
        again = instance.init(*named)
        assert (again.returncode, again.stderr) == (0, ""), point
        assert len(await instance.rooms()) == 1, point
        assert len(await instance.devices("desk")) == 1, point
        assert len(await instance.devices("keeper")) == 1, point
        findings = instance.healthy()
        assert findings["identity"]["state"] == "ok", point
        assert set(instance.files()) == {"alongside.toml", "desk.token", "keeper.token", "sealing-key"}, point
        assert not list(instance.folder.glob(".*")), point
    record_property("figure", f"crash points of init: {len(tried)} covered of {len(points)} found")
    assert re.fullmatch(r"(before|after) .+#\d+", points[0])
