"""How a member's message is read as an answer to the question that is open.

Guards: a number, a word or a choice counts only alone; a yes to what binds is exact; words of their own that
others may see hold nothing that could pass for a sentence of the service's.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import timedelta

from handlers.desk import Desk
from handlers.question import Question, Reply
from handlers.words import normal, split
from schema.records import Member
from service.core import asking

_UNITS = {
    "line.minutes": timedelta(minutes=1),
    "line.hours": timedelta(hours=1),
    "line.days": timedelta(days=1),
}
_LENGTHS = {
    "line.quarter_hour": timedelta(minutes=15),
    "line.half_hour": timedelta(minutes=30),
    "line.three_quarters": timedelta(minutes=45),
    "line.one_hour": timedelta(hours=1),
    "line.hour_and_half": timedelta(minutes=90),
    "line.two_hours": timedelta(hours=2),
    "line.one_day": timedelta(days=1),
    "line.two_days": timedelta(days=2),
}
"""Words for lengths of time: what stands after a number, and whole ones."""

_EXCLUDES = frozenset({"none"})
"""Choices that are no part of all of them."""


def read_answer(desk: Desk, member: Member, question: Question, body: str) -> Reply | None:
    """The choice that `body` makes, or None where it makes none: the number or the word, sent alone.

    Alone, but for a word of politeness: "no thanks" is a no. To a binding question a yes is exact.
    """
    said = normal(body)
    if (name := _one(desk, member, question, said)) is not None:
        return Reply((name,))
    for polite in map(normal, split(desk.words(member, "spell.polite"))):
        name = _one(desk, member, question, normal(said.removesuffix(f" {polite}")))
        if name is not None and not (question.binding and Reply((name,)).consents):
            return Reply((name,))
    if not question.binding and (length := read_length(desk, member, body)) is not None:
        of_length = [choice.name for choice in question.choices if choice.length == length]
        if of_length:
            return Reply((of_length[0],))
    if not question.many:
        return None
    if not question.binding and said in desk.spoken(member, "spell.all"):
        return Reply(tuple(one.name for one in question.choices if one.name not in _EXCLUDES))
    for word in desk.spoken(member, "spell.and"):
        said = said.replace(f" {word} ", ",")
    parts = [part for part in re.split(r"[\s,;+&]+", said) if part]
    if not all(part.isdigit() for part in parts):
        parts = [part.strip() for part in re.split(r"[,;+&]+", said) if part.strip()]
    names = [_one(desk, member, question, part) for part in parts]
    found = tuple(dict.fromkeys(name for name in names if name is not None))
    return Reply(found) if found and len(found) == len(set(parts)) else None


def read_length(desk: Desk, member: Member, text: str) -> timedelta | None:
    """The length of time that `text` is, as people write one ("2h", "half an hour"), or None."""
    return asking.length(text, *words_for_lengths(desk, member), normal)


def words_for_lengths(desk: Desk, member: Member) -> tuple[dict[str, timedelta], dict[str, timedelta]]:
    """The member's words for lengths of time, with what each means: whole ones, and units after a number."""

    def meaning(keys: Mapping[str, timedelta]) -> dict[str, timedelta]:
        return {
            asking.phrase(word, normal): length
            for key, length in keys.items()
            for word in desk.spoken(member, key)
        }

    return meaning(_LENGTHS), meaning(_UNITS)


def _one(desk: Desk, member: Member, question: Question, said: str) -> str | None:
    for number, choice in enumerate(question.choices, 1):
        if said == str(number) or said in map(normal, desk.labels(member, choice)):
            return choice.name
        if _uncomma(said) in (_uncomma(normal(label)) for label in desk.labels(member, choice)):
            return choice.name
    for choice in question.choices:
        if choice.key and said in desk.spoken(member, choice.key):
            return choice.name
    return None


def _uncomma(text: str) -> str:
    """Without commas, which few put on a phone: "yes tell me more" is the choice's own words."""
    return " ".join(text.replace(",", " ").split())


def behind(desk: Desk, member: Member, words: str, body: str) -> str:
    """What stands after one of the words of sentence `words`, the longest that fits; or nothing."""
    plain = normal(body)
    found = [word.split() for word in desk.spoken(member, words) if plain.startswith(f"{word} ")]
    return " ".join(body.split()[len(max(found, key=len)) :]) if found else ""


def own_words(text: str, longest: int) -> str | None:
    """A person's own words as they may be shown to another: None where they are longer than `longest`.

    Line breaks stay; other control characters go, and those that turn the direction of text, since they
    could make a sentence of the service's look like something else.
    """
    kept = "".join(
        char
        for char in unicodedata.normalize("NFC", text)
        if char == "\n" or (unicodedata.category(char) not in ("Cc", "Cs") and char not in _TURNING)
    ).strip()
    return kept if len(kept) <= longest else None


_TURNING = frozenset(chr(point) for point in (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
