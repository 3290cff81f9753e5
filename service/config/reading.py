"""Where values come from: variables before credentials, credentials before the file; and what is refused.

Guards: every problem is found at once, each with the key, the variable and the fix; nothing that somebody
wrote is shown but a key's or a file's name; a secret that others on this machine can read is refused.
"""

import difflib
import json
import re
import secrets
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path

from schema.errors import ConfigurationError
from service.config.forms import KEY_LENGTH, Secret
from service.config.sections import BY_NAME, KEYS, PREFIX, SECTIONS, Key

OTHER_VARIABLES = frozenset(
    {
        "ALONGSIDE_CONFIG",  # The configuration file's place.
        "ALONGSIDE_REGISTRATION_SECRET_FILE",  # For `init` alone; nothing of it is kept.
        "ALONGSIDE_FAIL_AT",  # The fail points, for tests (service.failpoint).
        "ALONGSIDE_FAIL_LOG",
        "ALONGSIDE_CRASH",  # What the tests of this project run against.
        "ALONGSIDE_WRITE_TRANSCRIPTS",
        "ALONGSIDE_NODE",
        "ALONGSIDE_SYNAPSE_PYTHON",
    }
)
"""Variables with our prefix that are no key; every other one is taken for a misspelt key and refused."""

_LARGEST_FILE = 1 << 20
_WRITTEN = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]+")
"""No control characters, and nothing as which bytes of a variable that are no UTF-8 are read (PEP 383)."""


class Reading:
    """One reading of everything: values found so far, where from, and every problem on the way."""

    def __init__(self, folder: Path, unfinished: bool) -> None:
        self.folder = folder
        self.unfinished = unfinished
        self.pending: dict[str, Path] = {}
        self.values: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
        self.sources: dict[str, str] = {}
        self.problems: list[ConfigurationError] = []
        self.warnings: list[str] = []
        self.secrets: dict[str, list[tuple[str, bool, object]]] = {}
        """By dotted name: where from, whether it is a file's path, and the value or path; strongest first."""

    def problem(self, problem: str, fix: str, key: str = "", variable: str = "") -> None:
        self.problems.append(ConfigurationError(problem, fix=fix, key=key, variable=variable))

    def wrong(self, key: Key, problem: str, fix: str = "", dotted: str = "") -> None:
        name = dotted or key.dotted
        variable = f"{key.variable}_FILE" if name == f"{key.dotted}_file" else key.variable
        self.problem(f"{name} {problem}", fix or f"Write {key.says.form}.", name, variable)

    def give(self, section: str, name: str, value: object, source: str) -> None:
        """Take a value that is stronger than those given after it."""
        dotted = f"{section}.{name}"
        path = False
        key = BY_NAME.get(dotted)
        if key is None and name.endswith("_file"):
            key = BY_NAME.get(dotted.removesuffix("_file"))
            key, path = (key, True) if key is not None and key.secret else (None, False)
        if key is None:
            self._unknown(section, name, source)
        elif key.secret:
            given = self.secrets.setdefault(key.dotted, [])
            if given and given[-1][0] == source:
                self.wrong(
                    key,
                    f"is given twice in the {source}: as a value and as a file",
                    f"Keep either {key.name} or {key.name}_file.",
                )
            given.append((source, path, value))
        elif key.dotted not in self.sources:
            self.values[section][name] = value
            self.sources[key.dotted] = source

    def _unknown(self, section: str, name: str, source: str) -> None:
        if (section, name.removesuffix("_file")) == ("keeper", "password"):
            self.problem(
                "keeper.password is never kept",
                "Remove it, and sign the keeper in with `alongside init`: it asks for it and forgets it.",
                "keeper.password",
                f"{PREFIX}KEEPER__PASSWORD",
            )
            return
        names = [f"{key.section}.{key.name}" for key in KEYS]
        names += [f"{key.section}.{key.name}_file" for key in KEYS if key.secret]
        written = f"{section}.{name}"
        near = difflib.get_close_matches(written, names, 1)
        shown = written if re.fullmatch(r"[A-Za-z0-9_.-]{1,80}", written) else f"a key of {section}"
        hint = f"Did you mean {near[0]}? Otherwise remove it." if near else "Remove it."
        variable = f"{PREFIX}{shown.upper().replace('.', '__', 1)}" if source == "environment" else ""
        self.problem(f"{shown} is no key of the configuration", hint, shown, variable)

    # -- the three sources, strongest first

    def take_variables(self, environ: Mapping[str, str]) -> None:
        for variable in sorted(environ):
            if not variable.startswith(PREFIX) or variable in OTHER_VARIABLES:
                continue
            section, separator, name = variable.removeprefix(PREFIX).lower().partition("__")
            if not separator or section not in SECTIONS:
                self._stray(variable)
            # An empty variable is one that a compose file or a unit left out.
            elif text := environ[variable]:
                key = BY_NAME.get(f"{section}.{name}")
                self.give(section, name, text if key is None else _from_text(key, text), "environment")

    def _stray(self, variable: str) -> None:
        names = [key.variable for key in KEYS] + [f"{key.variable}_FILE" for key in KEYS if key.secret]
        bare = {name.removeprefix(PREFIX): name for name in [*names, f"{PREFIX}CONFIG"]}
        near = [bare[name] for name in difflib.get_close_matches(variable.removeprefix(PREFIX), bare, 1)]
        shown = (
            variable
            if re.fullmatch(r"[A-Z0-9_]{1,80}", variable)
            else f"a variable that begins with {PREFIX}"
        )
        hint = f"Did you mean {near[0]}? Otherwise unset it." if near else "Unset it."
        self.problem(f"{shown} is no variable of this program", hint)

    def take_credentials(self, environ: Mapping[str, str]) -> None:
        folder = environ.get("CREDENTIALS_DIRECTORY")
        if not folder:
            return
        for key in KEYS:
            if key.secret and (path := Path(folder) / key.dotted).exists():
                self.give(key.section, key.name + "_file", str(path), "credentials")

    def take_file(self, path: Path) -> None:
        try:
            raw = _read_file(path)
        except FileNotFoundError:
            self.problem(
                f"There is no configuration {path}", "Correct the path, or make it with `alongside init`."
            )
            return
        except OSError as error:
            fix = "Let the service's user read it." if path.is_file() else "Name the file itself."
            self.problem(f"The configuration {path} cannot be read ({_why(error)})", fix)
            return
        try:
            tables = tomllib.loads(raw.decode())
        except UnicodeDecodeError:
            self.problem(f"The configuration {path} is not written in UTF-8", "Save it as UTF-8.")
            return
        except (ValueError, RecursionError) as error:
            # Python's message may quote the line, and with it a secret.
            place = re.search(r"\(at [a-z0-9, ]+\)$", str(error))
            self.problem(
                f"The configuration {path} is not TOML {place[0] if place else ''}".rstrip()
                + _begun(raw.decode(), place[0] if place else ""),
                "Mend it there; `alongside example-config` shows the form.",
            )
            return
        for section, table in tables.items():
            if section not in SECTIONS:
                near = difflib.get_close_matches(section, list(SECTIONS), 1)
                shown = section if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", section) else "one with an odd name"
                self.problem(
                    f"[{shown}] is no section of the configuration",
                    f"Did you mean [{near[0]}]? Otherwise remove it." if near else "Remove it.",
                    shown,
                )
            elif not isinstance(table, dict):
                self.problem(
                    f"{section} is not a section", f"Write [{section}] on a line of its own.", section
                )
            else:
                for name, value in table.items():
                    self.give(section, name, value, "configuration file")
        inline = [
            name
            for name, given in self.secrets.items()
            if ("configuration file", False) in [g[:2] for g in given]
        ]
        if inline and (path.stat().st_mode & stat.S_IROTH):
            self.problem(
                f"The configuration {path} holds secrets and everybody on this machine can read it",
                f"Run `chmod 600 {path}`.",
                inline[0],
            )

    # -- secrets

    def read_secrets(self) -> None:
        for dotted, given in self.secrets.items():
            key = BY_NAME[dotted]
            source, path, value = given[0]
            if not isinstance(value, str) or not value:
                self.wrong(key, "is not a text", f"Write {'a path' if path else key.says.form}, in quotes.")
                continue
            self.sources[dotted] = source
            text = value
            if path:
                if not _WRITTEN.fullmatch(value):
                    self.wrong(key, "is not a path", "Write the path of a file.", f"{dotted}_file")
                    continue
                file = self.folder / value
                self.sources[dotted] = source if source == "credentials" else f"file {file}"
                if self.unfinished and _is_missing(file) and file.name:
                    self.pending[dotted] = file
                    self.values[key.section][key.name] = Secret(secrets.token_hex(KEY_LENGTH))
                    continue
                read = self._secret_file(key, file, source)
                if read is None:
                    continue
                text = read
            text = text.strip("\r\n")
            if not re.fullmatch(r"[!-~]+" if key.name == "token" else _WRITTEN, text):
                self.wrong(key, "is empty, or has line breaks or control characters")
            else:
                self.values[key.section][key.name] = Secret(text)

    def _secret_file(self, key: Key, file: Path, source: str) -> str | None:
        name, credential = f"{key.dotted}_file", source == "credentials"
        try:
            mode = file.stat().st_mode
            raw = _read_file(file)
        except OSError as error:
            self.wrong(
                key,
                f"cannot be read from {file} ({_why(error)})",
                _how_to_mend(key, file, source),
                name,
            )
            return None
        # systemd keeps a credential's folder to the service alone: the file's own mode does not matter.
        if mode & stat.S_IRWXO and not credential:
            self.wrong(
                key, f"can be read by everybody on this machine: {file}", f"Run `chmod 600 {file}`.", name
            )
            return None
        if mode & stat.S_IRWXG and not credential:
            self.warnings.append(f"The group of {file} can read the secret {key.dotted}.")
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.wrong(key, f"is not text in {file}", dotted=name)
            return None


_BY_INIT = ("desk.token", "keeper.token", "keys.sealing_key")
"""The secrets that `alongside init` makes, and nobody can make by hand."""


def _how_to_mend(key: Key, file: Path, source: str) -> str:
    if not _is_missing(file):
        return "Let the service's user read it, or correct the path."
    if key.dotted not in _BY_INIT or source == "credentials":
        return "Make the file, or correct the path."
    again = "Run `alongside init` again: it makes what is missing, or says what to do."
    if key.name == "token":
        again += f" If the token was there and is lost: `alongside init --sign-in {key.section}`."
    return f"{again} Or correct the path."


def _begun(text: str, place: str) -> str:
    """Where what TOML's reader stumbled over began, where that is another line; as the end of a sentence.

    A list, or a text of several lines, that is not closed is noticed far below, often at the end of the file.
    """
    lines = text.splitlines()
    named = re.search(r"line (\d+)", place)
    at = int(named[1]) if named else len(lines)
    for count in range(min(at, len(lines)) - 1, -1, -1):
        if len(lines) > _LONGEST:
            break
        try:
            tomllib.loads("\n".join(lines[:count]))
        except (ValueError, RecursionError):
            continue
        begun = next((n for n, line in enumerate(lines[count:], count + 1) if line.split("#")[0].strip()), at)
        return "" if begun >= at else f"; what is wrong begins in line {begun}"
    return ""


_LONGEST = 2000
"""Lines of a configuration of which its whole is read again and again."""


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _is_missing(path: Path) -> bool:
    """Whether there is nothing at `path` where something could be; any other fault is found by reading."""
    try:
        path.lstat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _read_file(path: Path) -> bytes:
    """Return a regular file's bytes. Raises OSError for anything else: a pipe would hang the start."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(0, "not a file")
    with path.open("rb") as file:
        raw = file.read(_LARGEST_FILE + 1)
    if len(raw) > _LARGEST_FILE:
        raise OSError(0, "too large")
    return raw


_LISTS = frozenset({"topics", "places", "languages", "words", "talk_in", "hours", "readers", "questions"})
"""Keys whose value is no plain text, and so JSON where it is given in a variable."""


def _from_text(key: Key, text: str) -> object:
    """Return what TOML would have given; a text that does not fit is left as it is, and refused later."""
    match key.info.annotation:
        case kind if kind is int:
            return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text
        case _ if key.name in ("topics", "languages", "talk_in") and not text.lstrip().startswith("["):
            return [item.strip() for item in text.split(",")]
        case _ if key.name in _LISTS:
            try:
                parsed: object = json.loads(text)
            except (ValueError, RecursionError):
                return text
            return parsed
    return text
