"""The command line without a homeserver: what it says, where, and with which exit."""

import asyncio
import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from schema.errors import ConfigurationError, ConfigurationErrors, OperatorError
from service import cli, config, installation, logs
from service.answers import Answers
from service.lease import Lease
from service.store import Store
from service.terminal import tell
from tests.live.preloaded import preloaded
from tests.service.terminal import Terminal
from tests.service.test_config import KEY, WHOLE, toml, write

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run each test in a folder of its own, without any of our variables; the logs are left as they were."""
    monkeypatch.chdir(tmp_path)
    for variable in [name for name in os.environ if name.startswith("ALONGSIDE_")]:
        monkeypatch.delenv(variable)
    installed = logs.install(stream=io.StringIO())
    yield
    installed.remove()


def call(*arguments: str) -> Result:
    """Run the program with `arguments` in this process; what it prints is plain and fits a small terminal."""
    result = CliRunner().invoke(cli.program, arguments, prog_name="alongside")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert "\x1b" not in result.output
    assert "Traceback" not in result.output
    return result


def process(
    *arguments: str,
    environ: dict[str, str] | None = None,
    own: bool = False,
    largest_file: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the program as a process of its own, which begins with imports made before unless it is `own`.

    With `largest_file` it can write no file of more bytes.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ALONGSIDE_")}
    kept = {**kept, "PYTHONPATH": str(ROOT), **(environ or {})}
    if not own:
        return preloaded().run("service.cli", arguments, kept, Path.cwd(), largest_file=largest_file)
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *arguments],
        capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL, env=kept,
    )  # fmt: skip


def fits(text: str) -> bool:
    """Say whether no line is wider than 80 columns, but for single words that cannot be broken."""
    return all(len(line) <= 80 or " " not in line.strip() for line in text.splitlines())


def test_a_valid_configuration_is_listed(tmp_path: Path) -> None:
    """Every key comes with its value and where it is from; secrets as REDACTED."""
    write(tmp_path / "alongside.toml", {"admin.token": "canary"})
    result = call("check-config")
    assert result.exit_code == 0
    assert "desk.token = REDACTED  (configuration file)" in result.stdout
    assert "web.port = 8642\n" in result.stdout
    assert "admin.token rules the whole homeserver" in result.stderr
    assert result.stdout.endswith("The configuration is valid.\n")
    assert "canary" not in result.output
    assert KEY not in result.output
    assert fits(result.stderr)
    quiet = call("check-config", "--quiet")
    assert (quiet.exit_code, quiet.stdout) == (0, "")


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Each problem with its key, variable and fix, on standard error, without a traceback; exit 2."""
    write(tmp_path / "other.toml", {"community.limits": None, "web.port": "8008", "desk.password": "canary"})
    for arguments in (
        ("check-config", "--config", "other.toml"),
        ("-c", "other.toml", "check-config"),
        ("-c", "other.toml", "run"),
    ):
        result = call(*arguments)
        assert result.exit_code == 2
        assert result.stdout == ""
        for key in ("community.limits", "web.port", "desk.token"):
            assert f"  key       {key}\n" in result.stderr
            assert f"  variable  ALONGSIDE_{key.upper().replace('.', '__')}\n" in result.stderr
        assert "  fix       Say in your own words" in result.stderr
        assert "3 things to mend." in result.stderr
        assert "canary" not in result.output
        assert fits(result.stderr)


@pytest.mark.parametrize(
    "command", ["run", "check-config", "doctor", "rotate-key", "fingerprint", "restored"]
)
def test_without_a_configuration(command: str) -> None:
    """Every command that needs one says so, and how to get one."""
    for arguments in ((command,), (command, "--config", "nowhere.toml")):
        result = call(*arguments)
        assert result.exit_code == 2
        assert "alongside init" in result.stderr


@pytest.mark.parametrize("command", ["check", "demo"])
def test_the_checkouts_commands(command: str) -> None:
    """`check` and `demo` say where they belong, whatever is asked of them."""
    result = call(command, "--fast", "-x")
    assert result.exit_code == 2
    assert f"./alongside {command}" in result.stderr


def test_the_example_is_printed() -> None:
    """What `example-config` prints is the example, and nothing else."""
    assert call("example-config").stdout == config.example()


def test_help_fits() -> None:
    """Every command explains itself in 80 columns."""
    for name in ("", *cli.program.commands):
        if name in ("check", "demo"):
            continue
        result = call(*([name] if name else []), "--help")
        assert result.exit_code == 0
        assert fits(result.stdout)
        # click cuts a command's one line where it finds no room for it.
        assert not [line for line in result.stdout.splitlines() if line.endswith("...") and line[0] == " "]


def test_init_says_what_nobody_answers() -> None:
    """Without a terminal nothing is asked, and nothing is written before everything is known."""
    result = call("init")
    assert result.exit_code == 2
    assert "--homeserver" in result.stderr
    full = ("--homeserver", "http://127.0.0.1:1", "--server-name", "x.org", "--desk", "d", "--keeper", "d")
    more = ("--name", "N", "--limits", "none", "--who-runs", "us", "--ages", "adults")
    result = call("init", *full, *more)
    assert result.exit_code == 2
    assert "keeper.user" in result.stderr
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.slow
def test_init_asks_again_what_it_cannot_take(tmp_path: Path, at_terminal: Callable[..., Terminal]) -> None:
    """Each answer is looked at when it is given: a wrong one costs one question, and not all of them."""
    terminal = at_terminal("init")
    terminal.answer("Address of your homeserver: ", "not an address !!")
    terminal.until("is not the address of a homeserver")
    terminal.answer("Address of your homeserver: ", "http://127.0.0.1:1/")
    terminal.answer("Name of your homeserver [127.0.0.1:1]: ", "https://example.org")
    terminal.until("is not a server name")
    terminal.answer("Name of your homeserver [127.0.0.1:1]: ", "example.org")
    terminal.answer("Account of the front desk [alongside]: ", "al ong side")
    terminal.until("is not a whole Matrix ID")
    terminal.answer("Account of the front desk [alongside]: ", "")
    terminal.answer("Account of the keeper [alongside-keeper]: ", "alongside")
    terminal.answer("Account of the keeper [alongside-keeper]: ", "@alongside-keeper:example.org")
    terminal.answer("Name of your community: ", "Nachbarschaft Süd")
    terminal.answer("Your words: ", "No emergency service.")
    terminal.answer("Who runs the homeserver: ", "two of us")
    terminal.answer("Ages: adults, young, or both: ", "everybody")
    terminal.until('Write "adults", "young"')
    terminal.answer("Ages: adults, young, or both: ", "both")
    terminal.answer("[UTC]: ", "Berlin")
    terminal.until("not a time zone")
    terminal.answer("[UTC]: ", "Europe/Berlin")
    terminal.until("does not answer")
    assert terminal.end() == 2
    settings = config.load(tmp_path / "alongside.toml", {}, unfinished=True)
    assert settings.homeserver.url == "http://127.0.0.1:1"
    assert settings.desk.user == "@alongside:example.org"
    assert settings.community_section.name == "Nachbarschaft Süd"
    assert settings.community_section.ages == "both"
    assert settings.community_section.zone == "Europe/Berlin"


@pytest.mark.slow
def test_ctrl_c_ends_init_at_a_question(tmp_path: Path, at_terminal: Callable[..., Terminal]) -> None:
    """One Ctrl-C at a question ends the program, and leaves nothing."""
    terminal = at_terminal("init", own=True)
    terminal.until("Address of your homeserver: ")
    terminal.interrupt()
    terminal.until("run it again")
    assert terminal.end() == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_option_that_cannot_be_taken_is_said_before_the_questions(
    at_terminal: Callable[..., Terminal],
) -> None:
    """At a terminal, a wrong option ends `init` at once."""
    terminal = at_terminal("init", "--homeserver", "ftp://example.org")
    terminal.until("--homeserver cannot be taken")
    assert terminal.end() == 2


def test_init_waits_for_a_homeserver(tmp_path: Path) -> None:
    """With no homeserver there, the answers are kept, and that it does not answer is said."""
    result = call(
        *(
            "init",
            "--homeserver",
            "http://127.0.0.1:1",
            "--server-name",
            "x.org",
            "--desk",
            "d",
            "--keeper",
            "k",
        ),
        *("--name", "N", "--limits", "none", "--who-runs", "us", "--ages", "adults"),
        *("--stewards", "sam, @tess:y.org", "--languages", "es, en"),
    )
    assert result.exit_code == 2
    said = " ".join(result.stderr.split())
    assert "does not answer at http://127.0.0.1:1" in said
    written = tmp_path / "alongside.toml"
    assert f"is from {written}: correct it there." in said
    assert "  key       homeserver.url\n" in result.stderr
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    settings = config.load(written, {}, unfinished=True)
    assert settings.desk.user == "@d:x.org"
    assert settings.community_section.stewards == ("@sam:x.org", "@tess:y.org")
    assert settings.community_section.languages == ("es", "en")
    assert set(settings.pending) == {"desk.token", "keeper.token", "keys.sealing_key"}
    assert [path.name for path in tmp_path.iterdir()] == ["alongside.toml"]
    before = written.read_bytes()
    assert call("init").exit_code == 2
    assert written.read_bytes() == before


def test_init_again_with_other_options_says_each_and_uses_none(tmp_path: Path) -> None:
    """What is written stays: each option that differs is named, with both values and where to change it."""
    written = write(tmp_path / "alongside.toml", {"community.languages": ["en"]})
    before = written.read_bytes()
    said = call("init", "--homeserver", "127.0.0.1:1", "--languages", "en,es", "--stewards", "sam")
    assert said.exit_code == 2
    shown = " ".join(said.stderr.split())
    kept = config.load(written, {})
    assert f'--homeserver says "https://127.0.0.1:1", and {written} has "{kept.homeserver.url}"' in shown
    assert f'--languages says "en, es", and {written} has "en": the option was not used' in shown
    assert f'--stewards says "@sam:{kept.homeserver.server_name}", and {written} has nothing' in shown
    assert "3 things to mend." in shown
    assert "fix Change community.stewards there, or leave the option out." in shown
    assert written.read_bytes() == before
    again = call("init", "--name", kept.community_section.name, "--languages", "en,es")
    assert again.stderr.count("was not used") == 1


@pytest.mark.parametrize("there", [True, False])
def test_a_language_without_words_is_refused_at_once(tmp_path: Path, there: bool) -> None:
    """Before anything is written, or asked of the homeserver."""
    if there:
        write(tmp_path / "alongside.toml", {"community.languages": ["en", "tlh"]})
    arguments = () if there else ("--languages", "en,tlh")
    result = call("init", *arguments)
    assert result.exit_code == 2
    assert "names tlh, and there are no words in that language" in " ".join(result.stderr.split())
    assert "  fix       Write some of these: en, es." in result.stderr
    assert there or list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "option",
    ["registration-secret", "desk-password", "desk-token", "keeper-password", "keeper-token"],
)
def test_a_secret_that_everybody_can_read_is_refused_whatever_it_is_for(tmp_path: Path, option: str) -> None:
    """As it is of the configuration; who may read it is looked at before its words."""
    file = tmp_path / "secret"
    file.write_text("canary")
    file.chmod(0o644)
    asking = Answers(False, {"desk-device": "D", "keeper-device": "K"}, {option: file})
    role = "keeper" if option.startswith("keeper") else "desk"
    with pytest.raises(OperatorError) as refused:
        asking.access(role, f"@{role}:example.org")
    assert "everybody on this machine can read it" in refused.value.problem
    assert refused.value.fix == f"Run `chmod 600 {file}`."
    file.chmod(0o640)
    asking.access(role, f"@{role}:example.org")


def test_what_is_mended_in_one_way_is_told_together(capsys: pytest.CaptureFixture[str]) -> None:
    """The fix stands once, below all that it mends; the number counts each."""
    alike = [
        ConfigurationError(f"line {n} is open", fix="Fill it in.", key=f"a.b[{n}]", variable="ALONGSIDE_A__B")
        for n in (1, 2)
    ]
    other = ConfigurationError("it is odd", fix="Mend it.", key="a.c", variable="ALONGSIDE_A__C")
    tell(ConfigurationErrors([alike[0], other, alike[1]]))
    assert capsys.readouterr().err == (
        "line 1 is open\nline 2 is open\n"
        "  key       a.b\n  variable  ALONGSIDE_A__B\n  fix       Fill it in.\n\n"
        "it is odd\n  key       a.c\n  variable  ALONGSIDE_A__C\n  fix       Mend it.\n\n"
        "3 things to mend.\n"
    )


def test_help_of_a_checkout_lists_its_own_commands() -> None:
    """`demo` and `check` are the launcher's, and are found where everything is looked for."""
    said = call("--help").stdout
    assert "\n  check " in said
    assert "\n  demo " in said


def test_a_secret_is_written_whole_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    """Mode 0600 whatever the umask; what is there is not overwritten; nothing is left beside it."""
    before = os.umask(0)
    try:
        installation.write_secretly(tmp_path / "deep" / "secret", "one\n")
    finally:
        os.umask(before)
    path = tmp_path / "deep" / "secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with pytest.raises(FileExistsError):
        installation.write_secretly(path, "two\n")
    assert path.read_text() == "one\n"
    installation.write_secretly(path, "three\n", replace=True)
    assert path.read_text() == "three\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["secret"]


def test_a_device_is_changed_and_nothing_else(tmp_path: Path) -> None:
    """Comments and every other line of the configuration stay as they are."""
    place = tmp_path / "alongside.toml"
    place.write_text("# top\n" + toml(WHOLE | {"keeper.device_id": "DESK"}) + "# end\n")
    before = place.read_text()
    installation.change_device(place, "desk", "NEW")
    assert place.read_text() == before.replace('device_id = "DESK"', 'device_id = "NEW"', 1)
    installation.change_device(place, "keeper", "NEWER")
    assert config.load(place, {}).keeper.device_id == "NEWER"
    place.write_text("[desk]\ndevice_id = '''DESK'''\n[x]\n")
    with pytest.raises(ConfigurationError, match="by hand"):
        installation.change_device(place, "desk", "NEW")
    assert "DESK" in place.read_text()


def test_a_derived_password_is_the_same_each_time() -> None:
    """A registered account's password follows from the registration secret and the account, and from both."""
    one = installation.Access(registration_secret="secret")
    assert one.password_for("@a:x") == one.password_for("@a:x")
    assert one.password_for("@a:x") != one.password_for("@b:x")
    assert one.password_for("@a:x") != installation.Access(registration_secret="other").password_for("@a:x")
    assert len(one.password_for("@a:x") or "") == 43


def test_a_key_that_is_gone_is_not_replaced(tmp_path: Path) -> None:
    """With a database and no key, no new key is made: it would open nothing and hide what is wrong."""
    (tmp_path / "alongside.db").write_bytes(b"SQLite")
    place = write(tmp_path / "alongside.toml", {"keys.sealing_key": None, "keys.sealing_key_file": "key"})
    settings = config.load(place, {}, unfinished=True)
    with pytest.raises(ConfigurationError, match="gone"):
        installation._make_key(settings, Answers(False, {}, {}))
    assert not (tmp_path / "key").exists()


def kept(place: Path) -> None:
    """Write a configuration whose sealing key is in a file."""
    (place.parent / "key").write_text(KEY + "\n")
    (place.parent / "key").chmod(0o600)
    key: dict[str, str | None] = {"keys.sealing_key": None, "keys.sealing_key_file": "key"}
    write(place, {**key, "homeserver.url": "http://127.0.0.1:1"})


def test_what_needs_a_database_makes_none(tmp_path: Path) -> None:
    """In the wrong folder no new database is taken for the one in force, and no key is replaced."""
    kept(tmp_path / "alongside.toml")
    for empty in (False, True):
        if empty:
            (tmp_path / "alongside.db").touch(mode=0o600)
        for command in (("rotate-key",), ("restored", "--yes"), ("fingerprint",)):
            result = call(*command)
            assert result.exit_code == 2
            assert "There is no database yet" in result.stderr
        assert (tmp_path / "key").read_text() == KEY + "\n"
        assert (tmp_path / "alongside.db").exists() == empty
        assert [path.name for path in tmp_path.glob("key*")] == ["key"]


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    """Named for a database, it is said to be one."""
    kept(tmp_path / "alongside.toml")
    (tmp_path / "alongside.db").mkdir()
    for command in (("rotate-key",), ("restored", "--yes"), ("fingerprint",), ("run",)):
        result = call(*command)
        assert result.exit_code == 2
        assert "is a folder" in result.stderr
        assert "  key       database.url\n" in result.stderr


_INIT = (
    *("init", "--homeserver", "http://127.0.0.1:1", "--server-name", "x.org", "--desk", "d", "--keeper", "k"),
    *("--name", "N", "--limits", "none", "--who-runs", "us", "--ages", "adults"),
)


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    """A place that takes no file is said with its reason, and not taken for a fault of the program's."""
    (tmp_path / "file").touch()
    result = call(*_INIT, "--config", "file/alongside.toml")
    assert result.exit_code == 2
    assert "cannot be written (file exists)" in " ".join(result.stderr.lower().split())
    (tmp_path / "folder").mkdir()
    for arguments, says in (
        ((*_INIT, "--config", "folder/alongside.toml"), "Make room on that disk"),
        (("rotate-key",), "The disk that holds the database is full"),
        (("restored", "--yes"), "The disk that holds the database is full"),
    ):
        kept(tmp_path / "alongside.toml")
        full = process(*arguments, largest_file=0)
        assert full.returncode == 2
        assert says in " ".join(full.stderr.split())
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_no_changes_nothing_and_nobody_is_asked_in_vain(
    tmp_path: Path, at_terminal: Callable[..., Terminal]
) -> None:
    """`restored` and `init --new-identity` want a yes: a no ends them, and where nobody sits they say how."""
    kept(tmp_path / "alongside.toml")
    asked = call("restored")
    assert asked.exit_code == 2
    assert "--yes" in asked.stderr
    for arguments, question in (
        (("restored",), "restored from a backup"),
        (("init", "--new-identity"), "new"),
    ):
        terminal = at_terminal(*arguments)
        terminal.answer(f"{question}", "n")
        terminal.until("Nothing was changed.")
        assert terminal.end() == 1


@pytest.mark.slow
def test_as_a_process(tmp_path: Path) -> None:
    """The installed program's exits, streams and version are those of a good citizen."""
    shown = process("--version", own=True)
    assert shown.returncode == 0
    assert shown.stdout.startswith("alongside ")
    write(tmp_path / "alongside.toml")
    checked = process("check-config", own=True)
    assert (checked.returncode, checked.stdout.splitlines()[-1]) == (0, "The configuration is valid.")
    assert process("check-config", environ={"ALONGSIDE_CONFIG": "nowhere.toml"}).returncode == 2
    assert process("nonsense").returncode == 2
    doctor = process("doctor", "--json", environ={"ALONGSIDE_HOMESERVER__URL": "http://127.0.0.1:1"})
    assert doctor.returncode == 1
    findings = {line["name"]: line for line in map(json.loads, doctor.stdout.splitlines())}
    assert findings["homeserver"]["state"] == "fail"
    assert findings["keeper"]["state"] == "skip"
    assert findings["erasure"]["state"] == "look"
    assert "members are told so" in findings["erasure"]["says"]
    assert findings["database"]["state"] == "fail"


def test_to_look_changes_no_byte(tmp_path: Path) -> None:
    """`doctor` and `fingerprint` leave every file as it was, and make none, with a database and without."""
    place = write(tmp_path / "alongside.toml", {"homeserver.url": "http://127.0.0.1:1"})

    def files() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    async def make() -> None:
        settings = config.load(place, {})
        async with Lease.take(settings.database_url()) as lease:
            await (await Store.open(settings.database_url(), settings.sealing_key(), lease)).close()

    for says in ("no database yet", "no service runs on it"):
        before = files()
        result = process("doctor", "--json")
        assert (
            says
            in {line["name"]: line["says"] for line in map(json.loads, result.stdout.splitlines())}[
                "database"
            ]
        )
        assert process("fingerprint").returncode == 2
        assert files() == before
        asyncio.run(make())


@pytest.mark.slow
def test_an_unexpected_fault_shows_no_secret(tmp_path: Path) -> None:
    """A fault of ours is told by type and place; what it held stays inside."""
    write(tmp_path / "alongside.toml")
    script = "import service.cli as c\ndef fail(*_): raise RuntimeError('canary')\n"
    script += "c.config.load = fail\nc.main()\n"
    (tmp_path / "fails.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "fails.py", "check-config"],
        capture_output=True, text=True, timeout=120, check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert done.returncode == 1
    assert "canary" not in done.stderr + done.stdout
    assert "RuntimeError at" in done.stderr
    assert "Traceback" not in done.stderr
