"""Asking for company: what would help, about what, for how long, a note; then a recap and one yes.

Guards: one question a message, each can be skipped and gone back from; whoever reads the note is named before
it is written; nothing is kept as a request, and nobody is asked, before the yes to the recap.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from handlers import request as requests
from handlers import room
from handlers.consent import WISHES
from handlers.desk import Choice, Desk, Question, Reply, own_words
from schema.records import Member, Prompt
from service.core import rooms

Draft = requests.Draft

LONGEST_NOTE = 500
"""Characters."""

_STEPS = ("wish", "topics", "length", "note", "recap")
_ALSO = frozenset({"skip", "back"})
_LENGTHS = (30, 60, 120)
"""Minutes."""


async def start(desk: Desk, member: Member) -> None:
    """Begin to ask for company, where nothing stands in its way; the member is told what does."""
    if not await _hindered(desk, member):
        desk.put_behind(member.id)
        desk.ask(member.id, "talk", draft=defaults(desk))


async def _hindered(desk: Desk, member: Member) -> bool:
    """Say what stands in the way of a request, if anything does: one request, and one room, at once."""
    if await requests.of(desk, member.id) is not None:
        desk.say(member.id, "talk.already", notice=False)
        return True
    if live := await room.of(desk, member.id, *rooms.LIVE):
        desk.say(member.id, "talk.in_room", notice=False, ends=live[0].ends_at)
        return True
    if (ask := await requests.engaged_as_peer(desk, member.id)) is not None:
        until = await requests.promised_until(desk, ask) or desk.now
        desk.say(member.id, "talk.promised", notice=False, until=until)
        return True
    return False


def defaults(desk: Desk) -> Draft:
    """What a request holds where every question is skipped."""
    return {
        "step": "wish",
        "wish": "unsure",
        "topics": [],
        "minutes": str(min(60.0, desk.timings.longest.total_seconds() / 60)),
        "note": "",
        "reporters": False,
    }


def lengths(desk: Desk) -> list[timedelta]:
    """The lengths to choose from, up to the community's longest."""
    longest = desk.timings.longest
    found = [timedelta(minutes=minutes) for minutes in _LENGTHS if timedelta(minutes=minutes) <= longest]
    return found if longest in found else [*found, longest]


def topic_choices(topics: Sequence[str]) -> tuple[Choice, ...]:
    """The community's topics, as choices."""
    return tuple(Choice(topic, text=topic) for topic in topics)


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question of the draft's step."""
    draft = prompt.draft
    match draft.get("step"):
        case "wish":
            choices = tuple(Choice(name, key) for name, key in WISHES.items() if name != "backup")
            text = desk.words(member, "talk.wish", keep=desk.timings.request_open)
            return Question(text, choices, also=_ALSO)
        case "topics":
            text = desk.words(member, "talk.topics")
            return Question(text, topic_choices(desk.community.topics), many=True, also=_ALSO)
        case "length":
            usual = timedelta(minutes=float(str(defaults(desk)["minutes"])))
            text = desk.words(member, "talk.length", usual=usual)
            return Question(text, length_choices(desk, member), also=_ALSO)
        case "note":
            text = desk.words(member, "talk.note", n=LONGEST_NOTE)
            return Question(text, free=True, also=_ALSO)
        case "reporters":
            choices = (
                Choice("none", "choice.reporters_none"),
                Choice("any", "choice.reporters_any"),
            )
            return Question(desk.words(member, "talk.reporters"), choices, also=_ALSO)
        case "change":
            return Question(desk.words(member, "talk.change"), _changes(desk), also=_ALSO)
    terms = _terms(desk, member, draft)
    return Question(
        f"{recap(desk, member, draft)}\n{terms}",
        (
            Choice("yes", "choice.recap_yes"),
            Choice("change", "choice.recap_change"),
            Choice("stop", "choice.recap_stop"),
        ),
        binding=True,
        also=_ALSO,
        terms=terms,
    )


def length_choices(desk: Desk, member: Member) -> tuple[Choice, ...]:
    """The lengths as choices; a name holds minutes."""
    return tuple(
        Choice(str(length.total_seconds() / 60), text=desk.turn.words.duration(length, member.language))
        for length in lengths(desk)
    )


def _changes(desk: Desk) -> tuple[Choice, ...]:
    topics = (Choice("topics", "choice.change_topics"),) if desk.community.topics else ()
    return (
        Choice("wish", "choice.change_wish"),
        *topics,
        Choice("length", "choice.change_length"),
        Choice("note", "choice.change_note"),
        Choice("reporters", "choice.change_reporters"),
    )


def recap(desk: Desk, member: Member, draft: Mapping[str, object]) -> str:
    """What will be asked, in the member's own words and choices."""
    topics = draft.get("topics")
    chosen = tuple(topics) if isinstance(topics, list) else ()
    note = str(draft.get("note") or "")
    lines = [
        desk.words(
            member,
            "talk.recap",
            wish=desk.words(member, WISHES[str(draft["wish"])]),
            topics=chosen or desk.words(member, "talk.no_topics"),
            length=timedelta(minutes=float(str(draft["minutes"]))),
        ),
        desk.words(member, "talk.recap_note", note=note)
        if note
        else desk.words(member, "talk.recap_no_note"),
    ]
    return "\n".join(lines)


def _terms(desk: Desk, member: Member, draft: Mapping[str, object]) -> str:
    """Who is asked, until when, what is kept, and how it is taken back."""
    lines = [
        desk.words(member, "talk.recap_any" if draft.get("reporters") else "talk.recap_none"),
        desk.words(
            member,
            "talk.recap_next",
            n=desk.community.asks_at_once,
            every=desk.timings.ask_again,
            until=desk.now + desk.timings.request_open,
        ),
    ]
    return "\n".join(lines)


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take the step's answer and put the next question."""
    draft: Draft = dict(prompt.draft)
    step = str(draft.get("step"))
    if reply.name == "back":
        _go_back(desk, member, draft, step)
        return
    if step == "recap":
        await _answer_recap(desk, member, prompt, reply)
        return
    if step == "change":
        _go(desk, member, draft, "recap" if reply.name == "skip" else reply.name, returns=True)
        return
    if reply.name != "skip" and not _take(desk, member, draft, step, reply):
        return
    returns = bool(draft.get("returns")) or step == "reporters"
    _go(desk, member, draft, "recap" if returns else _next(desk, step), returns=returns)


def _take(desk: Desk, member: Member, draft: Draft, step: str, reply: Reply) -> bool:
    """Put the answer into the draft; False where it was too long and is asked for again."""
    match step:
        case "wish":
            draft["wish"] = reply.name
        case "topics":
            draft["topics"] = list(reply.names)
        case "length":
            draft["minutes"] = reply.name
        case "reporters":
            draft["reporters"] = reply.name == "any"
        case "note":
            note = own_words(reply.text, LONGEST_NOTE)
            if note is None:
                desk.say(member.id, "talk.too_long", n=len(reply.text), longest=LONGEST_NOTE)
                _go(desk, member, draft, "note", returns=bool(draft.get("returns")))
                return False
            draft["note"] = note
    return True


async def _answer_recap(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    match reply.name:
        case "yes":
            await confirm(desk, member, prompt)
        case "change":
            _go(desk, member, dict(prompt.draft), "change")
        case _:
            desk.say(member.id, "talk.dropped")


async def confirm(desk: Desk, member: Member, prompt: Prompt) -> None:
    """Make the request that a yes to `prompt` asks for, unless something stands in its way."""
    if not await _hindered(desk, member):
        await requests.begin(desk, member, prompt.draft, desk.given(prompt))


def _next(desk: Desk, step: str) -> str:
    following = _STEPS[_STEPS.index(step) + 1]
    return "length" if following == "topics" and not desk.community.topics else following


def _go(desk: Desk, member: Member, draft: Draft, step: str, *, returns: bool = False) -> None:
    draft["step"] = step
    draft["returns"] = returns and step not in ("recap", "change")
    desk.ask(member.id, "talk", draft=draft)


def _go_back(desk: Desk, member: Member, draft: Draft, step: str) -> None:
    if draft.get("returns") or step in ("change", "reporters"):
        _go(desk, member, draft, "recap")
    elif step == "wish":
        desk.say(member.id, "talk.dropped")
        desk.ask(member.id, "menu")
    else:
        before = _STEPS[_STEPS.index(step) - 1]
        _go(desk, member, draft, "wish" if before == "topics" and not desk.community.topics else before)


def again(desk: Desk, member: Member, draft: Draft) -> None:
    """Take up a request that came to nothing, at its recap."""
    desk.ask(member.id, "talk", draft={**defaults(desk), **draft, "step": "recap"})
