"""The image, the compose file, the unit and the operator's pages say the same as the program."""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from service import cli, config

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE = (DEPLOY / "compose.yaml").read_text()
UNIT = (DEPLOY / "alongside.service").read_text()
OPERATING = (DEPLOY / "OPERATING.md").read_text()
PAGES = {"compose": COMPOSE, "image": DOCKERFILE, "unit": UNIT, "operating": OPERATING}


def instructions(word: str) -> list[str]:
    """Return the arguments of each of the Dockerfile's instructions `word`, on one line."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(" ", 1) for line in text.splitlines() if line.strip()]
    return [rest.strip() for found, rest in lines if found == word]


def ignored(path: str) -> bool:
    """Say whether .dockerignore keeps `path` from the builder: the last rule that fits decides."""
    result = False
    for rule in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = rule.removeprefix("!").removeprefix("**/")
        if rule and not rule.startswith("#"):
            parts = [path, *map(str, Path(path).parents), Path(path).name]
            if any(fnmatch.fnmatch(part, pattern) for part in parts):
                result = not rule.startswith("!")
    return result


def test_the_image_is_built_from_what_is_there_and_let_through() -> None:
    """Every path that is copied exists and reaches the builder; secrets, data and history do not."""
    for rest in instructions("COPY"):
        if not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert not ignored(source if (ROOT / source).is_file() else f"{source}/__init__.py"), source
    for secret in ("deploy/secrets/postgres-password", "alongside.db", "secrets/desk.token", ".git/config"):
        assert ignored(secret), secret


def test_the_image_has_every_package_and_its_data(tmp_path: Path) -> None:
    """What the image's build step makes of what it is given holds every module, sentence and migration."""
    for source in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / source, tmp_path)
    packages = ("schema", "service", "handlers")
    for package in packages:
        assert f"{package} {package}" in instructions("COPY")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    build = "import sys, hatchling.build as b; print(b.build_wheel(sys.argv[1]))"
    command = [sys.executable, "-c", build, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(tmp_path / done.stdout.splitlines()[-1]) as wheel:
        names = set(wheel.namelist())
    for package in packages:
        for path in (tmp_path / package).rglob("*"):
            assert path.is_dir() or str(path.relative_to(tmp_path)) in names, path


def test_the_image_is_careful() -> None:
    """Locked and hashed wheels only, two stages, no root, a health check without further tools."""
    assert len(instructions("FROM")) == 2
    runs = " ".join(instructions("RUN"))
    assert runs.count("-m pip install") == runs.count("--no-deps") == 2
    assert "--require-hashes" in runs
    assert "--only-binary :all:" in runs
    assert "apt-get" not in runs
    (user,) = instructions("USER")
    assert re.fullmatch(r"[1-9][0-9]{3,}:0", user)
    (health,) = instructions("HEALTHCHECK")
    assert "curl" not in health
    assert "wget" not in health
    assert f"'{config.WebSection().port}'" in health
    assert "/healthz" in health
    assert instructions("VOLUME") == ["/data"]


def test_compose_keeps_the_service_in() -> None:
    """Read-only, without capabilities or ports, in a network without a way out; Synapse on loopback only."""
    service = COMPOSE.partition("\n  alongside:\n")[2].partition("\n  postgres:\n")[0]
    for line in ("read_only: true", "cap_drop:\n      - ALL", "no-new-privileges:true", "      - inside\n"):
        assert line in service
    assert "ports:" not in service
    assert "outside" not in service
    assert "internal: true" in COMPOSE
    assert re.findall(r'- "([^"]+:\d+:\d+)"', COMPOSE) == ["127.0.0.1:8008:8008"]


@pytest.mark.parametrize("page", PAGES)
def test_every_variable_and_key_that_is_named_exists(page: str) -> None:
    """No file names a variable, a key or a credential that the program would refuse."""
    variables = {key.variable for key in config.KEYS} | config.OTHER_VARIABLES
    variables |= {f"{key.variable}_FILE" for key in config.KEYS if key.secret}
    for variable in re.findall(r"ALONGSIDE_[A-Z_]+", PAGES[page]):
        assert variable in variables, variable
    dotted = {key.dotted for key in config.KEYS}
    names = dotted | {f"{name}_file" for name in dotted}
    for name in re.findall(rf"`((?:{'|'.join(config.SECTIONS)})\.[a-z_]+)`", PAGES[page]):
        assert name in names, name


def test_every_command_that_is_named_exists() -> None:
    """The operator's page gives no command of ours and no option that is not there."""
    quoted = re.findall(r"`(?:\./)?alongside ([^`]+)`", OPERATING)
    quoted += re.findall(r"^    (?:\./)?alongside ([^#\n]+)", OPERATING, re.MULTILINE)
    assert len(quoted) > 15
    for line in quoted:
        words = line.split()
        command = cli.program.commands.get(words[0])
        assert command is not None or words[0].startswith("--"), line
        options = {
            option for known in (cli.program, command) if known for p in known.params for option in p.opts
        }
        assert {word for word in words if word.startswith("--")} <= options | {"--help"}, line


def test_the_unit_is_hardened() -> None:
    """The unit runs as a user of its own, sees its secrets as credentials, and may do little."""
    for line in (
        *("User=alongside", "ProtectSystem=strict", "ProtectHome=yes", "NoNewPrivileges=yes"),
        *("CapabilityBoundingSet=", "PrivateDevices=yes", "MemoryDenyWriteExecute=yes", "LimitCORE=0"),
        *("UMask=0077", "StateDirectoryMode=0700", "RestartPreventExitStatus=2"),
        "InaccessiblePaths=/etc/alongside/secrets",
    ):
        assert f"\n{line}\n" in UNIT, line
    credentials = dict(re.findall(r"^LoadCredential=([a-z._]+):(\S+)$", UNIT, re.MULTILINE))
    assert set(credentials) == {"desk.token", "keeper.token", "keys.sealing_key"}
    assert set(credentials) <= {key.dotted for key in config.KEYS if key.secret}
    # `init` writes them there.
    written = tomllib.loads(config.example())
    for name, place in credentials.items():
        section, _, key = name.partition(".")
        assert place == f"/etc/alongside/{written[section][f'{key}_file']}"


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """systemd's own checker finds nothing wrong with the unit, and little that it is exposed to."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        assert os.environ.get("CI") != "true", "systemd-analyze is missing: install systemd"
        assert UNIT.count("\n[Service]\n") == 1
        return
    unit = tmp_path / "alongside.service"
    unit.write_text(re.sub(r"^ExecStart=.*$", "ExecStart=/bin/true", UNIT, flags=re.MULTILINE))
    unit.chmod(0o644)  # Whatever the umask: systemd warns of a unit that everybody may write.
    verified = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    command = [analyze, "security", "--offline=true", "--threshold=20", str(unit)]
    rated = subprocess.run(command, capture_output=True, text=True, check=False)
    assert rated.returncode == 0, rated.stdout[-500:]
