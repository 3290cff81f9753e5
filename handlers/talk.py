"""Asking for company: a recap at once, with what is usual, and one yes; or more said first.

Guards: one question a message, each can be skipped and gone back from; whoever reads the note is named before
it is written; nothing is kept as a request, and nobody is asked, before the yes to the recap.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from handlers import (
    ages,
    guest_room,
    hours,
    linked_communities,
    outlook,
    pause,
    paused,
    plan,
    room,
    talking,
    topics,
    zone,
)
from handlers import draft as drafts
from handlers import offer as offers
from handlers import request as requests
from handlers.answer import own_words, read_length
from handlers.consent import HOW, WISHES, how_words
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.records import Member, Prompt, Request, Talking
from schema.states import GuestRoomState, RequestState
from service.core import rooms
from service.core.matching import MUTUAL

Draft = requests.Draft

LONGEST_NOTE = 500
"""Characters."""

_STEPS = ("wish", "topics", "length", "note", "recap")
_FROM_RECAP = (
    *("again", "reporters", "each_try", "voice", "languages", "only", "how", "keep_how", "too", "zone"),
    *("start", "answer", "linked"),
)
"""What is asked from the recap alone."""

_ALSO = frozenset({"skip", "back"})
SHORTEST = timedelta(minutes=10)
"""The least time that can be asked for."""

_LENGTHS = (30, 60, 120, 1440)
"""Minutes."""

_ANSWERS = (timedelta(minutes=30), timedelta(hours=2), timedelta(hours=8))
"""How long somebody's yes can wait for an answer."""

_AHEAD = timedelta(days=7)
"""How far ahead company can be asked for."""

_LETTERS = timedelta(days=1)
"""From this length on people write letters more than they talk."""


async def start(desk: Desk, member: Member) -> None:
    """Show what would be asked, with what is usual."""
    await start_with(desk, member, drafts.usual(desk, member))


async def start_with(desk: Desk, member: Member, draft: Draft) -> bool:
    """Say how it looks, unless all is paused, and what `draft` would ask; or what stands in the way."""
    if await _hindered(desk, member):
        return False
    if closed := await outlook.closed(desk, member, drafts.start(draft, desk.now)):
        desk.say_text(member.id, closed, notice=False)
        return False
    if await pause.of(desk) is None:
        await outlook.say(desk, member)
    desk.put_behind(member.id)
    step = "ages" if ages.unsaid(desk, member) else draft["step"]
    desk.ask(member.id, "talk", draft={**draft, "step": step})
    return True


async def change(desk: Desk, member: Member) -> None:
    """Ask what is to change: of the draft that is open, else of the request that stands, if one does."""
    request = await requests.of(desk, member.id)
    prompt = desk.now_is(member.id).prompt
    if prompt is not None and prompt.kind == "talk":
        _go(desk, member, dict(prompt.draft), "change")
    elif request is None:
        desk.say(member.id, "talk.nothing_to_change", notice=False)
    elif request.state is not RequestState.LOOKING:
        desk.say(member.id, "request.change_later", notice=False)
    else:
        desk.put_behind(member.id)
        draft = {**drafts.usual(desk, member), **drafts.of(request)}
        draft.update(step="change", said=True, standing=True)
        desk.ask(member.id, "talk", draft=draft)


async def ask_linked(desk: Desk, member: Member) -> None:
    """Have linked communities asked too: what is drafted, else the request that stands, else a new one."""
    request = await requests.of(desk, member.id)
    prompt = desk.now_is(member.id).prompt
    drafted = prompt is not None and prompt.kind == "talk"
    draft = drafts.usual(desk, member)
    if prompt is not None and drafted:
        draft = dict(prompt.draft)
    elif request is not None and request.state is not RequestState.LOOKING:
        desk.say(member.id, "request.change_later", notice=False)
        return
    elif request is not None:
        draft = {**draft, **drafts.of(request), "standing": True}
    draft["linked"] = await linked_communities.named(desk, member, draft)
    if not draft["linked"]:
        desk.say(member.id, "talk.linked_none", notice=False)
        if drafted:
            desk.ask_again(member.id)
        return
    draft["said"] = True
    if drafted:
        _go(desk, member, draft, "recap")
    elif request is not None:
        desk.put_behind(member.id)
        _go(desk, member, draft, "recap")
    else:
        await start_with(desk, member, draft)


async def _hindered(desk: Desk, member: Member) -> bool:
    """Say what stands in the way of a request, if anything does: one request, and one room, at once."""
    if await paused.hinders(desk, member):
        return True
    if (request := await requests.of(desk, member.id)) is not None:
        own = await plan.of(desk, member.id)
        if own and own[0].start is not None:
            # Somebody counts on that hour. A second search could end in a room that takes it up: it is let go
            # by a word of its own, of which the other hears, and never by the way.
            desk.say(member.id, "talk.planned_own", notice=False, start=own[0].start)
        else:
            looking = request.state is RequestState.LOOKING
            desk.say(member.id, "talk.already" if looking else "talk.already_found", notice=False)
        return True
    if live := await room.of(desk, member.id, *rooms.LIVE):
        desk.say(member.id, "talk.in_room", notice=False, ends=live[0].ends_at)
        return True
    if guests := await guest_room.of(desk, member.id, GuestRoomState.OPEN):
        desk.say(member.id, "talk.in_room", notice=False, ends=guests[0].ends_at)
        return True
    if (ask := await requests.engaged_as_peer(desk, member.id)) is not None:
        until = await requests.promised_until(desk, ask) or desk.now
        key = "talk.planned" if await plan.of_ask(desk, ask) is not None else "talk.promised"
        desk.say(member.id, key, notice=False, until=until)
        return True
    return False


def lengths(desk: Desk) -> list[timedelta]:
    """The lengths to choose from, up to the community's longest."""
    longest = desk.timings.longest
    found = [timedelta(minutes=minutes) for minutes in _LENGTHS if timedelta(minutes=minutes) <= longest]
    return found if longest in found else [*found, longest]


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question of the draft's step."""
    draft = prompt.draft
    match draft.get("step"):
        case "ages":
            return ages.question(desk, member)
        case "wish":
            # Whatever means it in one line means it here too.
            choices = tuple(
                Choice(name, text=f"{desk.words(member, key)} | {desk.words(member, f'line.{name}')}")
                for name, key in WISHES.items()
                if name != "backup"
            )
            text = desk.words(member, "talk.wish", keep=desk.timings.request_open)
            return Question(text, choices, also=_ALSO)
        case "topics":
            text = desk.words(member, "talk.topics")
            listed = topics.choices(desk, member)
            return Question(text, listed, free=True, reads=True, many=True, also=_ALSO)
        case "length":
            usual = drafts.length(drafts.usual(desk, member))
            text = desk.words(member, "talk.length", usual=usual)
            return Question(text, length_choices(desk, member), free=True, reads=True, also=_ALSO)
        case "note":
            text = desk.words(member, "talk.note", n=LONGEST_NOTE)
            return Question(text, free=True, also=_ALSO)
        case "reporters":
            choices = (
                Choice("none", "choice.reporters_none"),
                Choice("any", "choice.reporters_any"),
            )
            return Question(desk.words(member, "talk.reporters"), choices, also=_ALSO)
        case "voice":
            choices = (Choice("no", "choice.voice_no"), Choice("yes", "choice.voice_yes"))
            return Question(desk.words(member, "talk.voice"), choices, also=_ALSO)
        case "languages":
            text = desk.words(member, "talk.languages")
            return Question(text, talking.choices(desk, member), many=True, also=_ALSO)
        case "how":
            choices = (
                *(Choice(name, key) for name, key in HOW.items()),
                Choice("none", "choice.how_none"),
            )
            return Question(desk.words(member, "talk.how"), choices, many=True, also=_ALSO)
        case "keep_how":
            choices = (Choice("no", "choice.keep_how_no"), Choice("yes", "choice.keep_how_yes"))
            return Question(desk.words(member, "talk.keep_how"), choices, also=_ALSO)
        case "too":
            choices = (Choice("no", "choice.too_no"), Choice("yes", "choice.too_yes"))
            return Question(desk.words(member, "talk.too"), choices, also=_ALSO)
        case "linked":
            return await linked_communities.question(desk, member, draft)
        case "zone":
            return zone.question(desk, member, zone.listed(draft.get("cities")))
        case "start":
            city = desk.turn.words.city(zone.of(desk, member), member.language)
            text = desk.words(member, "talk.start", city=city, longest=_AHEAD)
            return Question(text, (Choice("now", "choice.start_now"),), free=True, reads=True, also=_ALSO)
        case "answer":
            return Question(desk.words(member, "talk.answer"), _waits(desk, member), also=_ALSO)
        case "fear":
            return Question(desk.words(member, "talk.fear"), offers.FEARS, also=_ALSO)
        case "only":
            choices = (Choice("no", "choice.only_no"), Choice("yes", "choice.only_yes"))
            named = topics.names(desk, member, drafts.texts(draft, "topics"))
            return Question(desk.words(member, "talk.only", topics=named), choices, also=_ALSO)
        case "each_try":
            choices = (Choice("no", "choice.each_try_no"), Choice("yes", "choice.each_try_yes"))
            text = desk.words(member, "talk.each_try", every=desk.timings.ask_again)
            return Question(text, choices, also=_ALSO)
        case "change":
            whom = await linked_communities.whom_choice(desk, member, draft)
            choices = (*_changes(desk, draft), *await linked_communities.choice(desk, member, draft), *whom)
            return Question(desk.words(member, "talk.change"), choices, also=_ALSO)
        case "again":
            return await linked_communities.whom_question(desk, member, draft)
    standing = await requests.of(desk, member.id) if draft.get("standing") else None
    whom_lines = await linked_communities.whom_lines(desk, member, draft)
    terms = _terms(
        desk, member, draft, standing, whom_lines, await linked_communities.line(desk, member, draft)
    )
    alone = await linked_communities.alone(desk, member, draft)
    if (paused := await pause.of(desk)) is not None:
        terms = "\n".join((pause.line(desk, member, paused), desk.words(member, "pause.recap"), terms))
    if standing is not None:
        return Question(
            "\n".join(filter(None, (recap(desk, member, draft), terms, alone))),
            (
                Choice("yes", "choice.recap_change_yes"),
                Choice("change", "choice.recap_change"),
                Choice("stop", "choice.recap_keep"),
            ),
            binding=True,
            also=_ALSO,
            terms=terms,
        )
    said = bool(draft.get("said"))
    lines = [recap(desk, member, draft), terms]
    if not draft.get("sequence"):
        lines.append(desk.words(member, "talk.recap_lapses", keep=desk.timings.request_open))
    if alone:
        lines.append(alone)
    return Question(
        "\n".join(lines),
        (
            Choice("yes", "choice.recap_yes"),
            Choice("change", "choice.recap_change") if said else Choice("more", "choice.recap_more"),
            Choice("stop", "choice.recap_no"),
        ),
        binding=True,
        also=_ALSO | {"change"},
        terms=terms,
    )


def length_choices(desk: Desk, member: Member) -> tuple[Choice, ...]:
    """The lengths as choices; a name holds minutes."""

    def text(length: timedelta) -> str:
        plain = desk.turn.words.duration(length, member.language)
        return (
            plain if length < _LETTERS else f"{desk.words(member, 'talk.letters', length=length)} | {plain}"
        )

    return tuple(
        Choice(str(length.total_seconds() / 60), text=text(length), length=length) for length in lengths(desk)
    )


def _waits(desk: Desk, member: Member) -> tuple[Choice, ...]:
    """How long a yes can wait; a name holds minutes, and the community's usual is in it."""
    found = sorted({*_ANSWERS, desk.timings.consent_open})
    said = desk.turn.words.duration
    return tuple(
        Choice(str(one.total_seconds() / 60), text=said(one, member.language), length=one) for one in found
    )


def _changes(desk: Desk, draft: Draft) -> tuple[Choice, ...]:
    topics = (Choice("topics", "choice.change_topics"),) if desk.community.topics else ()
    return (
        Choice("wish", "choice.change_wish"),
        *topics,
        Choice("length", "choice.change_length"),
        Choice("note", "choice.change_note"),
        Choice("reporters", "choice.change_reporters"),
        Choice("each_try", "choice.change_each_try"),
        Choice("voice", "choice.change_voice"),
        *((Choice("languages", "choice.change_languages"),) if talking.asks(desk) else ()),
        Choice("how", "choice.change_how"),
        *((Choice("only", "choice.change_only"),) if drafts.texts(draft, "topics") else ()),
        Choice("start", "choice.change_start"),
        *((Choice("too", "choice.change_too"),) if draft.get("wish") != MUTUAL else ()),
        *((Choice("fear", "choice.change_fear"),) if _meets_others(draft) else ()),
        Choice("answer", "choice.change_answer"),
    )


def recap(desk: Desk, member: Member, draft: Draft) -> str:
    """What will be asked, in the member's own words and choices; of what they did not say, nothing."""
    named = topics.names(desk, member, drafts.texts(draft, "topics"))
    note = str(draft.get("note") or "")
    lines = [desk.words(member, "talk.recap", wish=desk.words(member, WISHES[str(draft["wish"])]))]
    if named:
        lines.append(desk.words(member, "talk.recap_topics", topics=named))
    how_they_talk = Talking(drafts.texts(draft, "languages"), voice=bool(draft.get("voice")))
    lines.append(talking.line(desk, member, how_they_talk, drafts.length(draft)))
    if (start := drafts.start(draft, desk.now)) is not None:
        lines.append(desk.words(member, "talk.recap_start", start=start))
    if how := how_words(desk, member, drafts.texts(draft, "how")):
        lines.append(desk.words(member, "talk.recap_how", how=how))
    if note:
        lines.append(desk.words(member, "talk.recap_note", note=note))
    return "\n".join(lines)


def _terms(
    desk: Desk, member: Member, draft: Draft, standing: Request | None, whom: Sequence[str], linked: str
) -> str:
    """Who is asked, until when, what is kept, and how it is taken back."""
    lines = list(whom)
    lines.append(ages.line(desk, member))
    lines.append(desk.words(member, "talk.recap_any" if draft.get("reporters") else "talk.recap_none"))
    if draft.get("only") and drafts.texts(draft, "topics"):
        lines.append(desk.words(member, "talk.recap_only"))
    if _meets_others(draft):
        key = "talk.recap_mutual" if draft.get("wish") == MUTUAL else "talk.recap_too"
        fear = desk.words(member, offers.OWN_FEARS[str(draft.get("fear") or "unsaid")])
        lines += [desk.words(member, key), desk.words(member, "talk.recap_fear", fear=fear)]
    if linked:
        lines.append(linked)
    if draft.get("each_try"):
        lines.append(desk.words(member, "talk.recap_each_try"))
    if (answer := drafts.answer(draft)) is not None:
        lines.append(desk.words(member, "talk.recap_answer", answer=answer))
    if (start := drafts.start(draft, desk.now)) is not None:
        lines.append(desk.words(member, "talk.recap_plan", start=start))
    if standing is not None:
        until = drafts.until(desk, draft, standing)
        lines.append(desk.words(member, "talk.recap_standing", until=until))
        return "\n".join(lines)
    lines += [
        desk.words(
            member,
            "talk.recap_next",
            n=desk.community.asks_at_once,
            every=desk.timings.ask_again,
            until=drafts.until(desk, draft),
        ),
    ]
    return "\n".join(lines)


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take the step's answer and put the next question."""
    draft: Draft = dict(prompt.draft)
    step = str(draft.get("step"))
    if step == "ages" and reply.name != "back":
        ages.take(desk, member, reply)
        _go(desk, desk.now_is(member.id), draft, "recap")
        return
    if reply.name == "back":
        _go_back(desk, member, draft, step)
        return
    if step == "recap":
        await _answer_recap(desk, member, prompt, reply)
        return
    if step == "change":
        following = "recap" if reply.name == "skip" else reply.name
        # An hour is taken by the member's own clock: theirs is asked for before it, once.
        asks_zone = following == "start" and member.zone is None
        _go(desk, member, draft, "zone" if asks_zone else following, returns=True)
        return
    if step == "zone" and not await _take_zone(desk, member, draft, reply):
        return
    if step == "linked" and reply.name != "skip":
        draft["linked"] = await linked_communities.taken(desk, member, draft, reply)
    elif reply.name != "skip" and not _take(desk, member, draft, step, reply):
        return
    if step == "again" and reply.name != "skip":
        draft["again_of"] = (
            [*await linked_communities.again_of(desk, member, draft)] if draft["again"] else []
        )
    draft = await linked_communities.keep_to(desk, member, draft)
    returns = bool(draft.get("returns")) or step in _FROM_RECAP
    if returns or step == "note":
        draft["said"] = True
        draft["sequence"] = bool(draft.get("sequence")) or not returns
    following = "recap" if returns else _next(desk, draft, step)
    if step == "how" and reply.name != "skip" and (draft["how"] or member.how):
        following = "keep_how"
    if step in ("wish", "too") and _meets_others(draft) and reply.name != "skip":
        following = "fear"
    if step == "zone":
        following = "start"
    _go(desk, member, draft, following, returns=returns)


async def _take_zone(desk: Desk, member: Member, draft: Draft, reply: Reply) -> bool:
    if reply.name == "skip":
        await zone.stay(desk, member)
        return True
    found, draft["cities"] = zone.taken(desk, member, reply)
    if found:
        await zone.keep(desk, member, found)
    else:
        _go(desk, member, draft, "zone", returns=True)
    return bool(found)


def _takes(desk: Desk, start: datetime) -> bool:
    """Whether a request for `start` is taken: asked for in the community's hours, or for one of them."""
    return outlook.in_hours(desk, desk.now) or outlook.in_hours(desk, start)


def _take_start(desk: Desk, member: Member, draft: Draft, reply: Reply) -> bool:
    """An hour as it is typed, or now; False where it was not understood, or is too far away."""
    found = None if reply.name == "now" else hours.moment(desk, member, reply.text)
    if reply.name != "now" and (found is None or found - desk.now > _AHEAD):
        key = "talk.not_start" if found is None else "talk.start_far"
        desk.refuse(member.id, key, longest=_AHEAD)
        _go(desk, member, draft, "start", returns=True)
        return False
    if found is not None and not draft.get("standing") and not _takes(desk, found):
        name = desk.community_of(member).name
        desk.say(member.id, "outlook.closed_then", community=name)
        desk.say_text(member.id, "\n".join(hours.windows(desk, member, desk.community.hours)))
        _go(desk, member, draft, "start", returns=True)
        return False
    draft["start"] = found.isoformat() if found is not None else ""
    return True


def _meets_others(draft: Draft) -> bool:
    """Whether the draft allows others who look for company too, who are told what its member would do."""
    return draft.get("wish") == MUTUAL or bool(draft.get("too"))


def _take(desk: Desk, member: Member, draft: Draft, step: str, reply: Reply) -> bool:
    """Put the answer into the draft; False where it was too long and is asked for again."""
    match step:
        case "wish":
            draft["wish"] = reply.name
        case "topics" if reply.text:
            return _take_typed_topics(desk, member, draft, reply.text)
        case "topics" | "languages":
            draft[step] = list(reply.names)
        case "length" if reply.text:
            return _take_typed_length(desk, member, draft, reply.text)
        case "length":
            draft["minutes"] = reply.name
        case "fear":
            draft["fear"] = reply.name
        case "answer":
            usual = str(desk.timings.consent_open.total_seconds() / 60)
            draft["answer"] = "" if reply.name == usual else reply.name
        case "start":
            return _take_start(desk, member, draft, reply)
        case "reporters":
            draft["reporters"] = reply.name == "any"
        case "again":
            draft["again"] = reply.name != "anyone"
            draft["again_only"] = reply.name == "only"
        case "how":
            draft["how"] = [name for name in reply.names if name != "none"]
        case "keep_how":
            draft["keep_how"] = reply.name == "yes"
        case "each_try" | "voice" | "only" | "too":
            draft[step] = reply.name == "yes"
        case "note":
            return _take_note(desk, member, draft, "note", reply.text)
    return True


def _take_typed_length(desk: Desk, member: Member, draft: Draft, text: str) -> bool:
    """A length that is none of the choices, between the shortest and the longest."""
    found, longest = read_length(desk, member, text), desk.timings.longest
    shortest = min(SHORTEST, longest)
    if found is None or not shortest <= found <= longest:
        key = "talk.not_length" if found is None else "talk.line_bounds"
        desk.refuse(member.id, key, shortest=shortest, longest=longest)
        _go(desk, member, draft, "length", returns=bool(draft.get("returns")))
        return False
    draft["minutes"] = str(found.total_seconds() / 60)
    return True


def _take_note(desk: Desk, member: Member, draft: Draft, step: str, text: str) -> bool:
    """Keep `text` as the note; False where it is too long, and `step` is asked again."""
    note = own_words(text, LONGEST_NOTE)
    if note is None:
        desk.say(member.id, "talk.too_long", n=len(text), longest=LONGEST_NOTE)
        _go(desk, member, draft, step, returns=bool(draft.get("returns")))
        return False
    draft["note"] = note
    return True


def _take_typed_topics(desk: Desk, member: Member, draft: Draft, text: str) -> bool:
    """Topics by their names; or own words, which go into the note, since several are asked at once."""
    if (found := topics.listed(desk, member, text)).topics:
        topics.say_slips(desk, member, found)
        draft["topics"] = list(found.topics)
        return True
    if not any(char.isalpha() for char in text):
        desk.refuse(member.id, "talk.not_topics")
        _go(desk, member, draft, "topics", returns=bool(draft.get("returns")))
        return False
    note = str(draft.get("note") or "")
    if not _take_note(desk, member, draft, "topics", f"{note}\n{text}" if note else text):
        return False
    desk.say(member.id, "talk.topics_own")
    return True


async def _answer_recap(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    match reply.name:
        case "yes":
            await confirm(desk, member, prompt)
        case "change":
            _go(desk, member, dict(prompt.draft), "change")
        case "more":
            _go(desk, member, dict(prompt.draft), "wish")
        case _ if prompt.draft.get("standing"):
            desk.say(member.id, "request.kept")
        case _:
            desk.say(member.id, "talk.dropped")


async def confirm(desk: Desk, member: Member, prompt: Prompt) -> None:
    """Make the request that a yes to `prompt` asks for, unless something stands in its way."""
    if await _asks(desk, member, prompt) and "keep_how" in prompt.draft:
        how = drafts.texts(prompt.draft, "how") if prompt.draft.get("keep_how") else ()
        desk.keep(replace(desk.now_is(member.id), how=how))


async def _asks(desk: Desk, member: Member, prompt: Prompt) -> bool:
    if prompt.draft.get("standing"):
        request = await requests.of(desk, member.id)
        if request is None or request.state is RequestState.TOGETHER:
            desk.say(member.id, "request.change_over")
            return False
        await requests.change(desk, request, prompt.draft, desk.given(prompt))
        return True
    if await _hindered(desk, member):
        return False
    if closed := await outlook.closed(desk, member, drafts.start(prompt.draft, desk.now)):
        desk.set_aside(member.id, prompt)
        desk.say(member.id, "outlook.kept", until=prompt.until)
        desk.say_text(member.id, closed, notice=False)
        return False
    if wait := desk.turn.too_soon(member.id):
        desk.set_aside(member.id, prompt)
        desk.say(member.id, "calm.request", soon=desk.now + wait, until=prompt.until)
        return False
    if ages.unsaid(desk, member):
        _go(desk, member, {**drafts.usual(desk, member), **prompt.draft}, "ages")
        return False
    await requests.begin(desk, member, prompt.draft, desk.given(prompt))
    return True


def _next(desk: Desk, draft: Draft, step: str) -> str:
    following = _STEPS[_STEPS.index("wish" if step == "fear" else step) + 1]
    if following == "topics" and not desk.community.topics:
        return "length"
    # Whoever said what it is about in own words has written them, and reads them in the recap.
    return "recap" if following == "note" and draft.get("note") else following


def _go(desk: Desk, member: Member, draft: Draft, step: str, *, returns: bool = False) -> None:
    draft["step"] = step
    draft["returns"] = returns and step not in ("recap", "change")
    desk.ask(member.id, "talk", draft=draft)


def _go_back(desk: Desk, member: Member, draft: Draft, step: str) -> None:
    if draft.get("returns") or step in ("change", "wish", *_FROM_RECAP):
        _go(desk, member, draft, "recap")
    elif step == "ages" or (step == "recap" and not draft.get("said")):
        desk.say(member.id, "talk.left")
        desk.ask(member.id, "menu")
    elif step == "recap" and not draft.get("sequence"):
        _go(desk, member, draft, "change")
    elif step == "fear":
        _go(desk, member, draft, "wish")
    else:
        before = _STEPS[_STEPS.index(step) - 1]
        _go(desk, member, draft, "wish" if before == "topics" and not desk.community.topics else before)


def again(desk: Desk, member: Member, draft: Draft) -> None:
    """Take up a request that came to nothing, at its recap."""
    desk.ask(member.id, "talk", draft={**drafts.usual(desk, member), **draft, "step": "recap", "said": True})
