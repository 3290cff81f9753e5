"""Words that cannot be read as an answer: what is always true of them, and ways out where they go on.

Guards: what is said is the same whatever was written, since nothing is scanned; nobody is asked the same
without end: after the second time choices stand beside the question, and places to reach are among them; a
consent that stands right above is not said a second time, and a yes agrees to the words that stand there;
what was answered so far is not lost by a word that has passed over one question after the other.
"""

from handlers import conversations, language
from handlers.answer import own_words
from handlers.desk import Desk
from handlers.question import ENDS_IN_A_YES, Choice, Question, Reply
from handlers.words import normal
from schema.records import Member, Prompt
from service.core.change import replace
from service.core.slips import one_slip

_MOST = 2
"""How often a question is put again before it has ways out as choices."""

_SHORTEST = 4
"""How long a word is at least to be one that was mistyped: `tlak` is."""

_LEAVE = (Choice("skip", "choice.odd_skip"), Choice("back", "choice.odd_back"))
_ELSEWHERE = (Choice("places", "choice.places"), Choice("menu", "choice.menu"))


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question of `prompt` as it stands now, with ways out where words were not read as an answer."""
    question = await conversations.CONVERSATIONS[prompt.kind].show(desk, member, prompt)
    if question is None or not _stuck(prompt, question):
        return question
    leave = next((one for one in _LEAVE if one.name in question.also), _LEAVE[-1])
    if not question.choices:
        question = replace(question, text=f"{question.text}\n{desk.words(member, 'odd.ways_out')}")
    return replace(question, choices=(*question.choices, leave, *_ELSEWHERE))


def _stuck(prompt: Prompt, question: Question) -> bool:
    return question.reads and prompt.missed >= _MOST


def leads_out(prompt: Prompt, question: Question, reply: Reply) -> bool:
    """Whether the reply is one of the ways out that are commands: it answers nothing."""
    theirs = {"places", "menu", *(() if "back" in question.also or "skip" in question.also else ("back",))}
    return _stuck(prompt, question) and reply.name in theirs


def no_answer(desk: Desk, member: Member, prompt: Prompt, question: Question) -> None:
    """Words that are no answer to the open question: say what is true of them, and put it once more.

    It is the question on the screen from now on: an answer that comes after it has been seen is meant for it.
    """
    desk.say(member.id, "odd.not_an_answer")
    for line in language.hints_again(desk, member):
        desk.say_text(member.id, line)
    member = desk.now_is(member.id)
    short = stands_above(desk, member, prompt, question)
    if not short:
        desk.say(member.id, "odd.again")
    desk.ask_again(member.id, anew=prompt.by_itself or not short, short=short)


def lets_go(prompt: Prompt, question: Question, reply: Reply | None, command: str | None) -> bool:
    """Whether what was said passes over the last question of several, and so would lose all answers."""
    skips = command == "skip" if reply is None else reply.name == "skip"
    return skips and question.binding and prompt.kind in ENDS_IN_A_YES


def needs_yes(desk: Desk, member: Member, prompt: Prompt, question: Question) -> None:
    """Say that this question takes a yes or a no, and put it once more."""
    desk.say(member.id, "odd.needs_yes")
    desk.ask_again(member.id, anew=True, short=stands_above(desk, member, prompt, question))


def no_choice(desk: Desk, member: Member, prompt: Prompt, question: Question, body: str) -> bool:
    """Whether it was a number that is none of the choices above: that is said, with the choices alone."""
    if question.free or not is_number(body) or not question.choices:
        return False
    if not _above(desk, member, prompt, question):
        return False
    says = desk.words(member, "odd.no_choice", number=shown(body))
    desk.ask_again(member.id, anew=prompt.by_itself, says=says)
    return True


def is_number(body: str) -> bool:
    """Whether the message is a number alone."""
    return normal(body).isdigit()


def shown(body: str) -> str:
    """A number as it is said back: what is too long to be one of a choice is cut."""
    said = normal(body)
    return said if len(said) <= _DIGITS else f"{said[:_DIGITS]}…"


_DIGITS = 6


def stands_above(desk: Desk, member: Member, prompt: Prompt, question: Question) -> bool:
    """Whether a consent stands right above, in the words of now, so that its choices are enough."""
    return question.binding and _above(desk, member, prompt, question)


def _above(desk: Desk, member: Member, prompt: Prompt, question: Question) -> bool:
    """Whether the question stands right above, in the words of now."""
    if prompt.aside or desk.now - prompt.asked_at > desk.timings.idle:
        return False
    same = prompt.consent is not None and prompt.consent.version == desk.turn.words.version(member.language)
    return same if question.terms else True


def hardly_meant(
    desk: Desk, member: Member, prompt: Prompt, question: Question, command: str | None, said: str
) -> bool:
    """Whether a number, a yes or a command, sent alone where own words are asked for, is to be doubted once.

    The same sent once more is what they want it to read.
    """
    if question.reads or question.many or (prompt.missed and prompt.brought == said):
        return False
    # A greeting, or some words together, can well be meant as they are.
    alone = command not in (None, "hello") and " " not in said
    return said.isdigit() or alone or said in desk.spoken(member, "spell.yes_no")


def leaves_open(desk: Desk, member: Member, question: Question, said: str) -> bool:
    """Whether `said` leaves a question of choices open, as "skip" does: "I don't know", "anything"."""
    of_choices = question.many or not question.free
    may = "skip" in question.also and of_choices and not question.binding
    return may and said in desk.spoken(member, "spell.dont_know")


def doubt_words(desk: Desk, member: Member, prompt: Prompt, body: str) -> None:
    """Ask whether their words are to read exactly so; the question stays open."""
    said = normal(body)
    desk.keep(replace(member, prompt=replace(prompt, missed=prompt.missed + 1, brought=said)))
    desk.say(member.id, "odd.exactly", notice=False, words=own_words(body, len(body)) or "")


def near(desk: Desk, member: Member, said: str) -> str:
    """Our name for the command from which one word alone is one slip of the keys away; or nothing."""
    if len(said) < _SHORTEST or not said.isalpha():
        return ""
    words = desk.turn.words.commands(member.language)
    return next((conversations.NAMES[key] for word, key in words.items() if one_slip(said, word)), "")
