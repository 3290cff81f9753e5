"""The community's agreement: a draft in each of its languages to finish, and what of it is still open.

Guards: nothing is decided for a community: the service does not start while a point is open, and says which.
A language is a file `agreement.CODE.toml` here, and no line of code.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from schema.errors import ConfigurationError, ConfigurationErrors
from service.config.sections import BY_NAME, WordsTable
from service.config.settings import Settings

_LARGEST = 20_000
"""Characters; members read it in their chat."""

FIRST = "en"
"""The first language of a community that has named none."""


@dataclass(frozen=True)
class Draft:
    """What a draft is made of: `mark` begins each open point, `ages` says for each key whom it is for."""

    mark: str
    ages: Mapping[str, str]
    text: str


@cache
def drafts() -> Mapping[str, Draft]:
    """The drafts that there are, by language."""
    found = {}
    for file in sorted(Path(__file__).parent.glob("agreement.*.toml")):
        written = tomllib.loads(file.read_text("utf-8"))
        found[file.name.split(".")[1]] = Draft(written["mark"], written["ages"], written["draft"]["text"])
    return found


def files(settings: Settings) -> Mapping[str, Path]:
    """The agreement's file in each language in which members are spoken to, the community's first one first.

    Where the configuration names no language: in each that there is a draft in, English first.
    """
    named = settings.community_section.languages or (FIRST, *sorted(drafts().keys() - {FIRST}))
    first = settings.agreement_file
    others = {one: first.with_name(f"{first.stem}.{one}{first.suffix}") for one in named[1:]}
    return {named[0]: first, **others}


def draft(settings: Settings, language: str) -> str | None:
    """The draft in `language`, with what the configuration says already; None where there is none in it."""
    found = drafts().get(language)
    if found is None:
        return None
    here = settings.community_section
    there = here.words.get(language) or WordsTable()
    return found.text.format(
        name=there.name or here.name,
        limits=there.limits or here.limits,
        who_runs=(there.who_runs or here.who_runs).rstrip("."),
        ages=found.ages[here.ages].format(years=here.adult_from),
    )


@cache
def _open() -> re.Pattern[str]:
    """A line with a mark in any language, or an empty box to tick; the rest of it is the point."""
    marks = "|".join(re.escape(one.mark) for one in drafts().values())
    return re.compile(rf"^[\s>*+\-#\d.)]*(?:\[ \]\s*|.*?(?:{marks})\s*)(.*)$", re.IGNORECASE)


def open_points(text: str) -> Iterator[tuple[int, str]]:
    """Each point that is still to be filled in: its line, from 1, and what it asks.

    A draft's question from which only the mark was taken is open too, unless an answer stands below it.
    """
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if (found := _open().match(line)) is not None:
            yield number, found[1].strip()
        elif _bare(line) in _questions():
            below = next((one for one in lines[number:] if one.strip()), "#")
            if below.startswith("#") or _open().match(below) or _bare(below) in _questions():
                yield number, line.strip(_MARKUP)


_MARKUP = " \t>*+-#_[]"


def _bare(line: str) -> str:
    """A line's words, whatever Markdown stands around them."""
    return " ".join(line.strip(_MARKUP).casefold().split())


@cache
def _questions() -> frozenset[str]:
    """What the drafts ask, in every language."""
    found = (_open().match(line) for one in drafts().values() for line in one.text.splitlines())
    return frozenset(_bare(one[1]) for one in found if one is not None)


def preface(text: str) -> str:
    """The line in which an agreement still says that it is our draft to finish; empty where none does."""
    return next((line for line in text.splitlines() if _bare(line).startswith(_prefaces())), "")


@cache
def _prefaces() -> tuple[str, ...]:
    """How that line begins in every language: with the first sentence of the draft, below its name."""
    lines = ((line for line in one.text.splitlines()[1:] if line.strip()) for one in drafts().values())
    return tuple(_bare(next(found).partition(". ")[0]) for found in lines)


def still_drafts(settings: Settings) -> Iterator[str]:
    """Of each finished agreement that still says that it is a draft, a sentence about it."""
    places = files(settings)
    for language, text in read(settings).items():
        if line := preface(text):
            number = text.splitlines().index(line) + 1
            yield (
                f"{places[language]}, line {number}, still says that the agreement is a draft to finish, and"
                " members read it so. Change what is not yours, and take that line out."
            )


def read(settings: Settings) -> Mapping[str, str]:
    """The finished agreement by language, the community's first one first; another may have none.

    Raises ConfigurationErrors with each open point, or why it cannot be read.
    """
    found: dict[str, str] = {}
    problems: list[ConfigurationError] = []
    for language, file in files(settings).items():
        if not found and not problems:
            instead = ""
        elif not file.exists():
            continue
        else:
            instead = f" Or remove {file}: members then read {settings.agreement_file}."
        try:
            found[language] = _read(file, instead)
        except ConfigurationErrors as errors:
            problems += errors.problems
    if problems:
        raise ConfigurationErrors(problems)
    return found


def _read(file: Path, instead: str) -> str:
    try:
        text = file.read_text("utf-8").strip()
    except FileNotFoundError:
        raise _wrong(
            f"There is no agreement: {file} does not exist",
            "Run `alongside init`, which writes a draft, and finish it with your community.",
        ) from None
    except (OSError, UnicodeDecodeError):
        raise _wrong(
            f"The agreement, {file}, cannot be read",
            f"Make it a readable file of plain text, in UTF-8.{instead}",
        ) from None
    if not text:
        raise _wrong(
            f"The agreement, {file}, is empty", f"Write into it what your community agreed.{instead}"
        )
    if len(text) > _LARGEST:
        raise _wrong(
            f"The agreement, {file}, has {len(text)} characters, and members can read {_LARGEST}",
            "Shorten it, and say where the rest can be read.",
        )
    problems = [
        _problem(
            f"{file}, line {number}, is still to be filled in: {point or 'a point without words'}",
            f"Write in place of that line what your community decided, without the mark.{instead}",
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
