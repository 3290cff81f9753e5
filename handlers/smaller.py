"""A peer's smaller yes: shorter than they were asked, or only to listen.

Guards: it is never more than was asked; the asker reads it before their own yes, nobody else does, and it is
what both agreed on.
"""

from dataclasses import replace
from datetime import timedelta

from handlers import consent
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.records import Ask, Member, Prompt
from schema.states import AskState
from service.core import matching

_LISTENING = "yes listening"


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """What there is to say yes to instead; None where the ask is over."""
    ask = await desk.records.get(Ask, prompt.subject)
    if ask is None or ask.state is not AskState.SHOWN:
        return None
    choices: list[Choice] = []
    for length in matching.shorter(ask.length):
        text = desk.words(member, "choice.smaller_length", length=length)
        choices.append(Choice(f"yes {length.total_seconds()}", text=text))
    if ask.wish != "listening" and not ask.own:
        choices.append(Choice(_LISTENING, "choice.smaller_listening"))
    text = desk.words(member, "smaller.question", until=ask.due_at)
    # Only a time and what it is for go together.
    two = len(choices) > 1 and choices[-1].name == _LISTENING
    if two:
        text = f"{text}\n{desk.words(member, 'smaller.two', n=len(choices))}"
    return Question(
        text,
        tuple(choices),
        many=two,
        binding=True,
        also=frozenset({"back", "skip"}),
        until=ask.due_at,
        terms="\n".join((text, *(desk.labels(member, choice)[0] for choice in choices))),
    )


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """A yes to less; `back` and `skip` lead to the ask itself."""
    ask = await desk.records.get(Ask, prompt.subject)
    if ask is None or ask.state is not AskState.SHOWN:
        return
    if not reply.consents:
        desk.ask(member.id, "ask", subject=ask.id, until=ask.due_at)
        return
    lengths = [
        timedelta(seconds=float(name.removeprefix("yes "))) for name in reply.names if name != _LISTENING
    ]
    less = replace(
        ask,
        length=min((ask.length, *lengths)),
        wish="listening" if _LISTENING in reply.names else ask.wish,
    )
    await consent.accept(desk, member, consent.with_consent(desk, less, prompt))
