"""Words that cannot be read as an answer: what is always true of them, and ways out where they go on.

Guards: what is said is the same whatever was written, since nothing is scanned; nobody is asked the same
without end: after the second time choices stand beside the question, and places to reach are among them.
"""

from dataclasses import replace

from handlers import conversations
from handlers.desk import Choice, Desk, Question, Reply
from schema.records import Member, Prompt

_MOST = 2
"""How often a question is put again before it has ways out as choices."""

_LEAVE = (Choice("skip", "choice.odd_skip"), Choice("back", "choice.odd_back"))
_ELSEWHERE = (Choice("places", "choice.places"), Choice("menu", "choice.menu"))


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question of `prompt` as it stands now, with ways out where words were not read as an answer."""
    question = await conversations.CONVERSATIONS[prompt.kind].show(desk, member, prompt)
    if question is None or not _stuck(prompt, question):
        return question
    leave = next((one for one in _LEAVE if one.name in question.also), _LEAVE[-1])
    text = f"{question.text}\n{desk.words(member, 'odd.ways_out')}"
    return replace(question, text=text, choices=(*question.choices, leave, *_ELSEWHERE))


def _stuck(prompt: Prompt, question: Question) -> bool:
    return question.free and prompt.missed >= _MOST


def leads_out(prompt: Prompt, question: Question, reply: Reply) -> bool:
    """Whether the reply is one of the ways out that are commands: it answers nothing."""
    theirs = {"places", "menu", *(() if "back" in question.also or "skip" in question.also else ("back",))}
    return _stuck(prompt, question) and reply.name in theirs
