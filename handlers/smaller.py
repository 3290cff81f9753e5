"""A peer's smaller yes: shorter than they were asked, or only to listen.

Guards: it is never more than was asked; the asker reads it before their own yes, nobody else does, and it is
what both agreed on; written in their own words it is no yes yet, but a question whether it is meant so.
"""

from dataclasses import replace
from datetime import timedelta

from handlers import consent
from handlers import request as requests
from handlers.answer import words_for_lengths
from handlers.consent import WISHES
from handlers.desk import Desk
from handlers.draft import Draft
from handlers.question import Choice, Question, Reply
from handlers.words import normal
from schema.records import Ask, Member, Prompt
from schema.states import AskState
from service.core import asking, matching

_LISTENING = "yes listening"
_ALSO = frozenset({"back", "skip"})
_WRITTEN = (
    Choice("yes", "choice.smaller_yes"),
    Choice("other", "choice.smaller_other"),
    Choice("no", "choice.ask_no"),
)


async def written(desk: Desk, member: Member, prompt: Prompt, body: str) -> bool:
    """Ask whether words such as "30 min and only listening" are meant as a smaller yes; False: they are none.

    Nothing but words for less may stand in them: whatever else somebody writes is read as nothing.
    """
    ask = await desk.records.get(Ask, prompt.subject) if prompt.kind in ("ask", "smaller") else None
    if ask is None or ask.state is not AskState.SHOWN:
        return False

    def words(*keys: str) -> list[str]:
        return [asking.phrase(word, normal) for key in keys for word in desk.spoken(member, key)]

    lengths, units = words_for_lengths(desk, member)
    vocabulary = asking.Vocabulary(
        wishes=dict.fromkeys(words(WISHES["listening"], "line.listening"), "listening"),
        topics={},
        lengths=lengths,
        units=units,
        voices={},
        languages={},
        silent=frozenset(words("line.silent", "spell.smaller", "spell.polite")),
        denials=frozenset(words("line.denial")),
    )
    said = asking.read(body, vocabulary, normal, timedelta(0), ask.length)
    listens = said.wish is not None and ask.wish != "listening" and not ask.own
    shorter = said.length is not None and matching.is_shorter(said.length, ask.length)
    if said.sentence or said.unknown or said.left_out or (said.length is not None and not shorter):
        return False
    if not (listens or shorter):
        return False
    draft: Draft = {}
    if said.length is not None:
        draft["minutes"] = str(said.length.total_seconds() / 60)
    if listens:
        draft["wish"] = "listening"
    desk.ask(member.id, "smaller", subject=ask.id, until=ask.due_at, draft=draft)
    return True


def _less(ask: Ask, draft: Draft) -> Ask:
    """The ask as it would be with what was written."""
    minutes = draft.get("minutes")
    length = timedelta(minutes=float(str(minutes))) if minutes else ask.length
    return replace(ask, length=min(ask.length, length), wish=str(draft.get("wish") or ask.wish))


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """What there is to say yes to instead; None where the ask is over."""
    ask = await desk.records.get(Ask, prompt.subject)
    if ask is None or ask.state is not AskState.SHOWN:
        return None
    if prompt.draft:
        agreed = consent.agreed(desk, member, _less(ask, prompt.draft), ask.wish)
        text = desk.words(member, "smaller.written", agreed=agreed, until=ask.due_at)
        return Question(text, _WRITTEN, binding=True, also=_ALSO, until=ask.due_at, terms=text)
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
        also=_ALSO,
        until=ask.due_at,
        terms="\n".join((text, *(desk.labels(member, choice)[0] for choice in choices))),
    )


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """A yes to less; `back` and `skip` lead to the ask itself."""
    ask = await desk.records.get(Ask, prompt.subject)
    if ask is None or ask.state is not AskState.SHOWN:
        return
    if reply.name == "no":
        await requests.drop_ask(desk, ask)
        desk.say(member.id, "ask.no")
        return
    if not reply.consents:
        kind = "smaller" if reply.name == "other" else "ask"
        desk.ask(member.id, kind, subject=ask.id, until=ask.due_at)
        return
    if prompt.draft:
        await consent.accept(desk, member, consent.with_consent(desk, _less(ask, prompt.draft), prompt))
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
