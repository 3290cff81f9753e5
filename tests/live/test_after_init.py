"""What an operator does with an instance that `init` made, as processes against a real homeserver."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from schema.ids import DeviceId
from service.installation import write_secretly
from service.matrix.accounts import log_in
from service.matrix.identity import establish
from service.matrix.transport import Transport
from tests.live.accounts import Signed, session, upload_device
from tests.live.homeserver import Homeserver
from tests.live.installed import Instance, Running, unwrapped
from tests.live.test_identity import Rows
from tests.service.terminal import Terminal

pytestmark = pytest.mark.live


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
    write_secretly(instance.folder / "password", password)
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


async def test_doctor_beside_a_running_service_and_a_stop(homeserver: Homeserver, tmp_path: Path) -> None:
    """`doctor` works while the service runs; SIGTERM ends the service within five seconds, with exit 0."""
    instance = Instance(tmp_path / "a", homeserver, "stop")
    assert instance.init().returncode == 0
    instance.own = True
    with Running(instance) as service:
        assert "process" in instance.healthy()["database"]["says"]
        instance.own = False
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
