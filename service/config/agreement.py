"""The community's agreement: a draft for it to finish, and what of it is still open.

Guards: nothing is decided for a community: the service does not start while a point is open, and says which.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from schema.errors import ConfigurationError, ConfigurationErrors
from service.config.sections import BY_NAME
from service.config.settings import Settings

MARK = "TO FILL:"

_OPEN = re.compile(rf"^[\s>*+\-#\d.)]*(?:\[ \]\s*|.*?{re.escape(MARK)}\s*)(.*)$", re.IGNORECASE)
"""A line with the mark, or an empty box to tick; the rest of it is the point."""

_LARGEST = 20_000
"""Characters; members read it in their chat."""

_AGES = {
    "adults": "adults, from {years} years on",
    "young": "young people, below {years} years",
    "both": "young people and adults (from {years} years on), kept apart",
}

_DRAFT = Path(__file__).with_name("agreement.md")


def draft(settings: Settings) -> str:
    """The draft, with what the configuration says already."""
    here = settings.community_section
    return _DRAFT.read_text("utf-8").format(
        name=here.name,
        limits=here.limits,
        who_runs=here.who_runs.rstrip("."),
        ages=_AGES[here.ages].format(years=here.adult_from),
    )


def open_points(text: str) -> Iterator[tuple[int, str]]:
    """Each point that is still to be filled in: its line, from 1, and what it asks."""
    for number, line in enumerate(text.splitlines(), 1):
        if (found := _OPEN.match(line)) is not None:
            yield number, found[1].strip()


def read(settings: Settings) -> str:
    """The finished agreement. Raises ConfigurationErrors with each open point, or why it cannot be read."""
    file = settings.agreement_file
    try:
        text = file.read_text("utf-8").strip()
    except FileNotFoundError:
        raise _wrong(
            f"There is no agreement: {file} does not exist",
            "Run `alongside init`, which writes a draft, and finish it with your community.",
        ) from None
    except (OSError, UnicodeDecodeError):
        raise _wrong(
            f"The agreement, {file}, cannot be read", "Make it a readable file of plain text, in UTF-8."
        ) from None
    if not text:
        raise _wrong(f"The agreement, {file}, is empty", "Write into it what your community agreed.")
    if len(text) > _LARGEST:
        raise _wrong(
            f"The agreement, {file}, has {len(text)} characters, and members can read {_LARGEST}",
            "Shorten it, and say where the rest can be read.",
        )
    problems = [
        _problem(
            f"{file}, line {number}, is still to be filled in: {point or 'a point without words'}",
            "Write in place of that line what your community decided, without the mark.",
        )
        for number, point in open_points(text)
    ]
    if problems:
        raise ConfigurationErrors(problems)
    return text


def _problem(problem: str, fix: str) -> ConfigurationError:
    key = BY_NAME["community.agreement"]
    return ConfigurationError(problem, fix=fix, key=key.dotted, variable=key.variable)


def _wrong(problem: str, fix: str) -> ConfigurationErrors:
    return ConfigurationErrors([_problem(problem, fix)])
