"""How two people talk, in words: the languages by their names, in writing or by voice.

Guards: a language is chosen by name and never inferred; where the community names fewer than two, nothing is
asked about it.
"""

from collections.abc import Sequence
from datetime import timedelta

from handlers.desk import Desk
from handlers.question import Choice
from schema.records import Member, Talking

WAYS = {
    "writing": (True, False),
    "either": (True, True),
    "voice": (False, True),
}
"""Whether somebody who offers writes, and whether they talk by voice."""

WAY_CHOICES = (
    Choice("writing", "choice.way_writing"),
    Choice("either", "choice.way_either"),
    Choice("voice", "choice.way_voice"),
)

_IN_WORDS = {"writing": "way.writing", "either": "way.either", "voice": "way.voice"}


def way(writing: bool, voice: bool) -> str:
    """The name of a way to talk."""
    return next((name for name, both in WAYS.items() if both == (writing, voice)), "writing")


def usual(desk: Desk, member: Member) -> list[str]:
    """The languages of whoever says nothing else: what they chose to read, else the community's first."""
    named = desk.community.talk_in
    return [member.language] if member.language in named else list(named[:1])


def choices(desk: Desk, member: Member) -> tuple[Choice, ...]:
    """The community's languages, each by its name in the member's language and in its own."""
    return tuple(Choice(code, text=_text(desk, member, code)) for code in desk.community.talk_in)


def _text(desk: Desk, member: Member, code: str) -> str:
    name, own = names(desk, member, code)
    return name if own.casefold() == name.casefold() else f"{name} ({own}) | {name} | {own}"


def names(desk: Desk, member: Member, code: str) -> tuple[str, str]:
    """What a language is called in the member's and in itself."""
    tongue = desk.turn.words.tongue
    return tongue(code, member.language), tongue(code, code)


def asks(desk: Desk) -> bool:
    """Whether there is a language to choose."""
    return len(desk.community.talk_in) > 1


def named(desk: Desk, member: Member, languages: Sequence[str]) -> str:
    """The languages, as one of them: "English or Spanish"."""
    words = desk.turn.words
    return words.either([words.tongue(code, member.language) for code in languages], member.language)


def how(desk: Desk, member: Member, talking: Talking) -> str:
    """How two talk, inside a sentence: "in English, in writing"."""
    said = desk.words(member, _IN_WORDS[way(talking.writing, talking.voice)])
    if not talking.languages:
        return said
    return desk.words(member, "way.in", languages=named(desk, member, talking.languages), way=said)


def line(desk: Desk, member: Member, talking: Talking, length: timedelta) -> str:
    """How two talk and for how long, as a sentence."""
    said = how(desk, member, talking)
    return desk.words(member, "ask.length", how=said[:1].upper() + said[1:], length=length)
