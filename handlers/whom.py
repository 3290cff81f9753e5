"""A wish about who the other person is, "can it be a woman": what can be chosen, since that cannot.

Guards: whole sentences of a short list are known, and nothing is looked for in anything else that somebody
writes; nothing of it is kept, and nobody is asked who they are.
"""

from collections.abc import Sequence

from handlers import odd
from handlers.answer import behind, read_answer
from handlers.desk import Desk
from handlers.question import PASSING, Question
from handlers.words import normal
from schema.records import Member, Prompt

_CHOOSING = frozenset({"talk", "consent"})
"""What is open while somebody asks for company, and sees who would come."""
_ANSWERED_BY_ANYTHING = frozenset({"checkin"})


def asks(desk: Desk, member: Member, prompt: Prompt | None, question: Question | None, body: str) -> bool:
    """Whether a message is such a sentence, where it can be meant so: not where own words are asked for."""
    if prompt is not None and prompt.kind not in _CHOOSING | (PASSING - _ANSWERED_BY_ANYTHING):
        return False
    if question is not None and question.free and not question.reads:
        return False
    if question is not None and read_answer(desk, member, question, body) is not None:
        return False
    said = plain = normal(body)
    for polite in desk.spoken(member, "spell.polite"):
        said = said.removesuffix(f" {polite}")
    for key in ("spell.whom_before", "spell.whom_one"):
        said = normal(behind(desk, member, key, said)) or said
    # One word alone is such a wish only where somebody is being looked for.
    alone = said == plain and (prompt is None or prompt.kind not in _CHOOSING)
    return said in desk.spoken(member, "spell.whom") and not alone


def of(desk: Desk, member: Member, words: Sequence[str]) -> list[str]:
    """Those of some words, as `normal` leaves them, that say who the other is to be."""
    return [word for word in words if word in desk.spoken(member, "spell.whom")]


def answer(desk: Desk, member: Member, prompt: Prompt | None, question: Question | None) -> None:
    """Say what can be chosen; a question of their request is put once more."""
    in_between = prompt is not None and question is not None and prompt.kind in _CHOOSING
    desk.say(member.id, "talk.whom", notice=in_between)
    if prompt is not None and question is not None and in_between:
        short = odd.stands_above(desk, member, prompt, question)
        desk.ask_again(member.id, anew=not short, short=short)
