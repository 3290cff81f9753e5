"""`alongside init` makes an instance, as a process against a real homeserver."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from service.installation import write_secretly
from tests.live.homeserver import Homeserver
from tests.live.installed import Instance, Running, unwrapped

pytestmark = pytest.mark.live


async def test_registered_twice_and_nothing_changes(homeserver: Homeserver, tmp_path: Path) -> None:
    """`init` makes everything; a second run says so and leaves every byte as it is."""
    instance = Instance(tmp_path / "a", homeserver, "twice", own=True)
    first = instance.init("--stewards", "sam")
    assert (first.returncode, first.stderr) == (0, "")
    instance.own = False
    (room,) = await instance.rooms()
    assert await instance.invited(room) == [f"@sam:{homeserver.name}"]
    files = instance.files()
    assert set(files) == {"alongside.toml", "desk.token", "keeper.token", "sealing-key"}
    findings = instance.healthy()
    assert findings["identity"]["state"] == "ok"
    assert "deaf" in findings["keeper"]["says"]
    assert findings["erasure"]["state"] == "look"
    for said in (findings["erasure"]["fix"], unwrapped(first.stdout)):
        assert "forgotten_room_retention_period" in said
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
        write_secretly(instance.folder / role, "wrong")
    refused = instance.call("init", *instance.answers(), *secrets)
    assert refused.returncode == 2
    assert "does not take this name with this password" in refused.stderr
    for role in ("desk", "keeper"):
        write_secretly(instance.folder / role, f"canary of the {role}\n", replace=True)
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
        write_secretly(instance.folder / role, login.access_token)
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


async def test_a_token_that_is_lost(homeserver: Homeserver, tmp_path: Path) -> None:
    """What is said mends it: the desk has a new device of the same identity, the keeper a new log-in."""
    instance = Instance(tmp_path / "a", homeserver, "lost")
    assert instance.init().returncode == 0
    fingerprint, devices = instance.fingerprint(), await instance.devices("desk")
    for role in ("desk", "keeper"):
        (instance.folder / "secrets" / f"{role}.token").unlink()
        said = unwrapped(instance.call("doctor").stderr)
        assert f"alongside init --sign-in {role}" in said
        done = instance.init("--sign-in", role)
        assert (done.returncode, done.stderr) == (0, "")
    instance.healthy()
    assert instance.fingerprint() == fingerprint
    assert len(await instance.devices("desk")) == len(devices) + 1, "nobody has the old one's token to end it"


@pytest.mark.crash
@pytest.mark.timeout(3600)
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
