"""The launcher finds a Python, installs once and wholly, and says what is missing.

Guards: nothing real is installed. A copy of the launcher runs with a path of its own, on which the only
Pythons are scripts that note how they were called, and do what a real one would leave behind.
"""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAUNCHER = (ROOT / "alongside").read_text()
TOOLS = (
    *("sh", "awk", "basename", "cat", "chmod", "cksum", "cp", "dirname", "grep", "mkdir", "readlink"),
    *("rm", "tail", "tee"),
)
WITHIN = 120.0

PYTHON = """#!/bin/sh
printf '%s\\n' "$*" >>"$FAKE_CALLS"
case "$*" in
  *version_info*) [ -n "$FAKE_VERSION" ] && echo "$FAKE_VERSION" ;;
  *ensurepip*) [ -z "${FAKE_NO_VENV:-}" ] ;;
  *fcntl*) exec "$FAKE_REAL" "$@" ;;
  '-m venv --clear '*)
    mkdir -p "$4/bin"
    cp "$0" "$4/bin/python"
    ;;
  *'-m pip install'*)
    [ -z "${FAKE_HOLD:-}" ] || cat "$FAKE_HOLD"
    [ -z "${FAKE_REFUSED:-}" ] || { echo 'ERROR: these do not match the hashes'; exit 1; }
    ;;
  *service.cli*) printf 'the program, with %s\\n' "$*" ;;
  *) echo "nobody expects: $*" >&2; exit 99 ;;
esac
"""


class Checkout:
    """A folder with the launcher in it, and the path that it is started with."""

    def __init__(self, place: Path) -> None:
        self.folder = place / "a folder" / "checkout"
        (self.folder / "deploy").mkdir(parents=True)
        shutil.copy(ROOT / "alongside", self.folder)
        for name in ("build", "requirements", "requirements-test", "synapse"):
            (self.folder / "deploy" / f"{name}.lock").write_text(name)
        (self.folder / "pyproject.toml").write_text("")
        self.path = place / "path"
        self.path.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None, tool
            (self.path / tool).symlink_to(found)
        self.log = place / "calls"
        self.environ = {
            "PATH": str(self.path),
            "FAKE_CALLS": str(self.log),
            "FAKE_VERSION": "3.12",
            "FAKE_REAL": sys.executable,
        }

    def python(self, name: str = "python3.12") -> Path:
        """Lay a Python on the path."""
        script = self.path / name
        script.write_text(PYTHON)
        script.chmod(0o755)
        return script

    def begin(self, *arguments: str, at: Path | None = None, **environ: str) -> subprocess.Popen[str]:
        """Start the launcher in a group of its own, as a terminal does."""
        return subprocess.Popen(
            [str(at or self.folder / "alongside"), *arguments],
            cwd=self.path,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def start(self, *arguments: str, at: Path | None = None, **environ: str) -> tuple[int, str, str]:
        """Run the launcher to its end: its exit code, and what it printed and said."""
        with self.begin(*arguments, at=at, **environ) as process:
            printed, said = process.communicate(timeout=WITHIN)
        for line in said.replace(str(self.folder), "").replace(f"{self.path}/", "").splitlines():
            assert len(line) <= 80, line
        return process.returncode, printed, said

    def calls(self, word: str = "") -> list[str]:
        """How the Pythons were called since the start, where `word` is in it."""
        if not self.log.exists():
            return []
        return [line for line in self.log.read_text().splitlines() if word in line]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A new checkout, with nothing installed and no Python on the path."""
    return Checkout(tmp_path)


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < deadline, "it did not come to this in time"
        time.sleep(0.01)


# Finding a Python


@pytest.mark.parametrize("old", [False, True])
def test_without_a_fitting_python_it_says_what_to_install(checkout: Checkout, old: bool) -> None:
    """None on the path, or one that is too old: a whole sentence, a command where one is known, no trace."""
    if old:
        checkout.python("python3")
    code, printed, said = checkout.start("--help", FAKE_VERSION="")
    assert (code, printed) == (1, "")
    assert "needs Python 3.11, 3.12, 3.13 or 3.14" in said
    assert "Install it with your system's packages" in said
    assert "PYTHON=/path/to/python3 ./alongside" in said
    for tool, command in (("dnf", "dnf install"), ("apk", "apk add"), ("brew", "brew install")):
        (checkout.path / tool).symlink_to(checkout.path / "cat")
        assert command in checkout.start(FAKE_VERSION="")[2]
        (checkout.path / tool).unlink()
    assert not (checkout.folder / ".venv-state").exists()


def test_a_python_without_venv_is_passed_over_or_said(checkout: Checkout) -> None:
    """Debian's cannot make environments without a further package: another is taken, or it is named."""
    whole = checkout.python("python3.11")
    incomplete = checkout.python("python3.13")
    incomplete.write_text(PYTHON.replace("${FAKE_NO_VENV:-}", "yes"))
    assert checkout.start()[0] == 0
    shutil.rmtree(checkout.folder / ".venv")
    whole.unlink()
    code, printed, said = checkout.start()
    assert (code, printed) == (1, "")
    assert "python3.13 is Python 3.12, but it can't make virtual environments." in said
    assert "venv and ensurepip" in said
    assert checkout.start(PYTHON=str(incomplete))[2].replace(f"{checkout.path}/", "") == said
    assert not (checkout.folder / ".venv").exists()


def test_a_python_that_is_named_must_start(checkout: Checkout, tmp_path: Path) -> None:
    """PYTHON is taken at its word: nothing else is looked for, and one that does not start is told."""
    checkout.python()
    code, printed, said = checkout.start(PYTHON="/nowhere/python")
    assert (code, printed) == (1, "")
    assert "PYTHON is set to /nowhere/python" in said
    assert checkout.calls() == []
    other = tmp_path / "other python"
    other.write_text(PYTHON)
    other.chmod(0o755)
    (checkout.path / "python3.12").unlink()
    assert checkout.start(PYTHON=str(other))[0] == 0


def test_it_is_found_through_links_and_spaces(checkout: Checkout, tmp_path: Path) -> None:
    """A link to a link, one of them relative, leads to the folder, and the arguments come through whole."""
    checkout.python()
    (checkout.folder / "link").symlink_to("alongside")
    link = tmp_path / "alongside"
    link.symlink_to(checkout.folder / "link")
    code, printed, _ = checkout.start("status", "two words", at=link)
    assert (code, printed) == (0, "the program, with -P -m service.cli status two words\n")
    assert (checkout.folder / ".venv" / "stamp").exists()


# Installing


def test_what_is_installed_is_not_installed_again(checkout: Checkout) -> None:
    """The second start asks the environment's Python for its version, and becomes the program."""
    checkout.python()
    assert checkout.start()[0] == 0
    (locked, project) = checkout.calls("-m pip")
    assert "--require-hashes --no-deps --only-binary :all:" in locked
    assert "--no-index --no-deps --no-build-isolation" in project
    checkout.log.unlink()
    code, printed, said = checkout.start("run")
    assert (code, printed, said) == (0, "the program, with -P -m service.cli run\n", "")
    assert len(checkout.calls()) == 2


@pytest.mark.parametrize("changed", ["deploy/requirements.lock", "pyproject.toml"])
def test_what_changed_is_installed(checkout: Checkout, changed: str) -> None:
    """Another lock makes another environment; another project is put into the one that stands."""
    checkout.python()
    assert checkout.start()[0] == 0
    checkout.log.unlink()
    (checkout.folder / changed).write_text("another")
    assert checkout.start()[0] == 0
    assert len(checkout.calls("-m venv")) == (1 if changed.endswith(".lock") else 0)
    assert checkout.calls("--no-index")


def test_a_refused_installation_is_no_installation(checkout: Checkout) -> None:
    """What does not match its hash ends the start with pip's own words; the next one begins anew."""
    checkout.python()
    code, printed, said = checkout.start(FAKE_REFUSED="yes")
    assert (code, printed) == (1, "")
    assert "ERROR: these do not match the hashes" in said
    assert not (checkout.folder / ".venv" / "stamp").exists()
    assert checkout.start()[0] == 0
    assert len(checkout.calls("-m venv")) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_installation_is_done_again(
    checkout: Checkout, tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C or the machine's end in the middle leave nothing that passes for whole, and no lock."""
    checkout.python()
    hold = tmp_path / "hold"
    os.mkfifo(hold)
    with checkout.begin(FAKE_HOLD=str(hold)) as process:
        _until(lambda: bool(checkout.calls("-m pip")))
        os.killpg(process.pid, number)
        _, said = process.communicate(timeout=WITHIN)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert ("Interrupted" in said) == (number == signal.SIGINT)
    assert not (checkout.folder / ".venv" / "stamp").exists()
    code, printed, said = checkout.start()
    assert (code, printed) == (0, "the program, with -P -m service.cli\n")
    assert "waiting" not in said
    assert len(checkout.calls("-m venv")) == 2


def test_two_starts_wait_for_one_another(checkout: Checkout, tmp_path: Path) -> None:
    """The second says that it waits, and finds all done."""
    checkout.python()
    hold = tmp_path / "hold"
    os.mkfifo(hold)
    with checkout.begin(FAKE_HOLD=str(hold)) as first:
        _until(lambda: bool(checkout.calls("-m pip")))
        with checkout.begin() as second:
            assert second.stderr is not None
            assert "Another start is installing here" in second.stderr.readline()
            for number in (1, 2):
                # Each of the first one's two installations reads the pipe to its end.
                _until(lambda: len(checkout.calls("-m pip")) == number)  # noqa: B023  It is called at once.
                hold.write_text("")
            assert "the program" in first.communicate(timeout=WITHIN)[0]
            printed, said = second.communicate(timeout=WITHIN)
            assert "the program" in printed
            assert said == "", "it installed nothing"
    assert len(checkout.calls("-m venv")) == 1
    assert len(checkout.calls("-m pip")) == 2


def test_a_folder_of_somebody_else_is_told(checkout: Checkout) -> None:
    """Where nothing can be written it says so, and whose folder it is to be."""
    checkout.python()
    (checkout.folder / ".venv-state").write_text("in the way")
    code, _, said = checkout.start()
    assert code == 1
    assert "Run this as the folder's owner" in said


def test_what_it_says_fits_a_terminal() -> None:
    """Every sentence, also those for systems that these tests don't run on, fits 80 columns."""
    assert stat.S_IMODE((ROOT / "alongside").stat().st_mode) & 0o111
    statements = LAUNCHER.replace("\\\n", " ").splitlines()
    said = [line for line in statements if re.search(r"\b(say|fail) [\"']", line)]
    sentences = [found[1:-1] for line in said for found in re.findall(r"\"[^\"]*\"|'[^']*'", line)]
    assert len(sentences) > 30
    assert [sentence for sentence in sentences if len(sentence) > 80] == []
    usage = LAUNCHER.partition("cat <<'END'\n")[2].partition("END\n")[0]
    assert usage
    assert max(map(len, usage.splitlines())) <= 80
