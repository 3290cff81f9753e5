"""The language in which a member is spoken to, chosen by its own name.

Guards: a language is never inferred from what somebody writes; whoever cannot read the one they are spoken to
in finds the way out in their own words, and again where what they write fits nothing, whatever it is; what is
said where others can read it tells nobody what was chosen.
"""

from dataclasses import replace
from datetime import timedelta

from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from handlers.words import normal, split
from schema.ids import MatrixId
from schema.records import Member, Prompt

_HINT = "language"
"""The line of whoever was told again how to choose another."""
_AGAIN = timedelta(weeks=4)
"""Whoever is spoken to in the language that they want is not told at each slip."""


def name(desk: Desk, language: str) -> str:
    """What a language is called in itself."""
    return _names(desk, language)[0]


def _names(desk: Desk, language: str) -> list[str]:
    """The language's own name, then whatever else is typed to choose it."""
    return split(desk.turn.words.text(language, "language.name"))


def named(desk: Desk, body: str) -> str | None:
    """The language, of those to choose from, whose name a message is, in whichever language it is written."""
    said = normal(body)
    for language in desk.languages:
        if said in map(normal, _names(desk, language)):
            return language
    return None


def choice(desk: Desk, member: Member) -> tuple[Choice, ...]:
    """The menu's entry, which names the other languages in their own words; none where there is no other."""
    others = [name(desk, language) for language in desk.languages if language != member.language]
    text = desk.words(member, "choice.language", names=others)
    return (Choice("language", text=text),) if others else ()


def hints(desk: Desk, member: Member) -> list[str]:
    """A line for each other language, in it: how to choose it."""
    others = [language for language in desk.languages if language != member.language]
    return [desk.turn.words.text(language, "language.hint") for language in others]


def hints_again(desk: Desk, member: Member) -> list[str]:
    """These lines, to stand in an answer to words that fit nothing; for weeks not again.

    It is the same whatever was written, since nothing is scanned.
    """
    lines = hints(desk, member)
    return lines if lines and desk.seldom(member.id, _HINT, _AGAIN) else []


def plain(desk: Desk, matrix_id: MatrixId, key: str) -> str:
    """The fixed sentence `key` for a chat that is not encrypted: in every language, whatever they chose."""
    newcomer = desk.newcomer(matrix_id)
    return "\n".join(desk.words(replace(newcomer, language=one), key) for one in desk.languages)


async def start(desk: Desk, member: Member) -> None:
    """Ask for the language; the question that was open waits."""
    desk.put_behind(member.id)
    desk.ask(member.id, "language")


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The languages, each by its own name."""
    choices = tuple(
        Choice(language, text=desk.turn.words.text(language, "language.name")) for language in desk.languages
    )
    text = desk.words(member, "language.question", language=name(desk, member.language))
    return Question(text, choices, also=frozenset({"skip", "back"}))


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Speak the chosen language from now on; what waits comes again in it."""
    desk.take_back(member.id)
    if reply.name in ("skip", "back"):
        return
    _keep(desk, member, reply.name)


def choose(desk: Desk, member: Member, language: str) -> None:
    """Speak `language` from now on, and put the open question again in it."""
    _keep(desk, member, language)
    if member.prompt is not None and (member.prompt.kind, member.prompt.subject) == ("menu", "fallback"):
        # What was said before could not be read; this could.
        desk.ask(member.id, "menu")
    elif member.prompt is not None:
        desk.ask_again(member.id)


def _keep(desk: Desk, member: Member, language: str) -> None:
    desk.keep(replace(desk.now_is(member.id), language=language))
    desk.say(member.id, "language.chosen", language=name(desk, language))
