"""The whole configuration, read and checked offline.

Guards: what is unknown, missing, of the wrong form or said twice is refused at the start, everything at once.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from schema.errors import ConfigurationErrors
from service.config.checks import check_together, unwise
from service.config.reading import Reading
from service.config.sections import BY_NAME, PLACE_KEYS, PLACE_WORDS_KEYS, PREFIX, SECTIONS
from service.config.settings import ATTRIBUTE, Settings

DEFAULT_FILE = "alongside.toml"


def load(
    path: Path | None = None, environ: Mapping[str, str] | None = None, *, unfinished: bool = False
) -> Settings:
    """Read and check the whole configuration, offline.

    `path` is the file (else ALONGSIDE_CONFIG, else alongside.toml here, which may be missing when variables
    say everything). With `unfinished`, as `init` needs it, a secret's file that is not there yet is no fault:
    `Settings.pending` tells which. Raises ConfigurationErrors with every problem that was found.
    """
    environ = os.environ if environ is None else environ
    named = path is not None or bool(environ.get("ALONGSIDE_CONFIG"))
    path = (path or Path(environ.get("ALONGSIDE_CONFIG") or DEFAULT_FILE)).absolute()
    reading = Reading(path.parent, unfinished)
    reading.take_variables(environ)
    reading.take_credentials(environ)
    if named or path.exists():
        reading.take_file(path)
    elif not reading.sources and not reading.secrets and not reading.problems:
        reading.problem(
            f"There is no configuration: no {path}, and no {PREFIX} variables",
            "Run `alongside init`, or name the file with --config.",
            "--config",
            "ALONGSIDE_CONFIG",
        )
        raise ConfigurationErrors(reading.problems)
    # A file that is not TOML hides every key: that they are missing too would only be noise.
    unreadable = bool(reading.problems) and not any(reading.values.values()) and not reading.secrets
    reading.read_secrets()
    data = environ.get("STATE_DIRECTORY", "").partition(":")[0] or str(path.parent)
    if not _is_text(data):
        reading.problem(
            f"The folder of the database has a name that is not UTF-8: {data!r} (it is what the variable "
            "STATE_DIRECTORY says, else where the configuration lies)",
            "Use a folder whose name is UTF-8 text.",
            "",
            "STATE_DIRECTORY",
        )
    settings = None if unreadable else _validate(reading)
    check_together(reading)
    if reading.problems or settings is None:
        raise ConfigurationErrors(reading.problems)
    settings._folder = path.parent
    settings._data = Path(data)
    settings._sources = reading.sources
    settings._pending = reading.pending
    settings._warnings = (*reading.warnings, *unwise(settings))
    return settings


def _is_text(path: str) -> bool:
    """Whether a path is text; bytes of the system that are none arrive as half surrogates (PEP 383)."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def fault_of(dotted: str, value: str) -> str:
    """What is wrong with one value of the key `dotted`, for whoever types it; empty where nothing is."""
    key = BY_NAME[dotted]
    try:
        SECTIONS[key.section].model_validate({key.name: value})
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=True, include_input=False):
            if fault["loc"][0] == key.name:
                said = fault.get("ctx", {}).get("error", "is not of the form that it must have")
                # Quotes belong to the file, not to what is typed.
                return f"That {said}. Write {key.says.form.replace(' in quotes', '')}."
    return ""


def _validate(reading: Reading) -> Settings | None:
    values = {ATTRIBUTE.get(section, section): value for section, value in reading.values.items()}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        broken = {problem.key.removesuffix("_file") for problem in reading.problems}
        for fault in error.errors(include_url=False, include_context=True, include_input=False):
            _report(
                reading, [str(part) for part in fault["loc"]], fault["type"], fault.get("ctx", {}), broken
            )
        return None


def _report(
    reading: Reading, place: list[str], kind: str, context: Mapping[str, object], broken: set[str]
) -> None:
    section = next((name for name, attribute in ATTRIBUTE.items() if attribute == place[0]), place[0])
    key = BY_NAME[f"{section}.{place[1]}"]
    dotted = key.dotted
    if dotted in broken:
        # The secret is there and could not be read: that has been said.
        return
    says = key
    if key.name == "places" and len(place) >= 4:
        dotted = f"community.places[{place[2]}].{place[3]}"
        if place[3] not in PLACE_KEYS:
            reading.wrong(key, "is no key of a place", f"Use {', '.join(PLACE_KEYS)}.", "community.places")
            return
        says = PLACE_KEYS[place[3]]
        if len(place) > 5:
            dotted = f"{dotted}.{place[4]}.{place[5]}"
            if place[5] not in PLACE_WORDS_KEYS:
                fix = f"Use {', '.join(PLACE_WORDS_KEYS)}."
                reading.wrong(key, "is none of a place's texts", fix, f"{key.dotted}[{place[2]}].words")
                return
            says = PLACE_WORDS_KEYS[place[5]]
    elif len(place) > 2:
        dotted = f"{dotted}[{place[2]}]"
    match kind:
        case "missing":
            problem = "is missing"
        case "value_error":
            problem = str(context.get("error", "is wrong"))
        case _:
            problem = "is not of the form that it must have"
    fix = f"Write {says.says.form}."
    if kind == "missing":
        fix = f"Set it: {fix[0].lower()}{fix[1:]}"
        if key.secret:
            fix += f" A file of its own is better: {key.name}_file."
    if dotted == "community.limits" and kind == "missing":
        fix = (
            "Say in your own words what this is not and cannot do; nobody is asked to trust it without that."
        )
    reading.problem(f"{dotted} {problem}", fix, dotted, key.variable)
