"""A concern: what was wrong, in the member's own words, for the readers whom they choose by name.

What is in it is somebody's private matter, and a steward may be the one it is about. So it is never said in
the room that the stewards share: each chosen reader has it in their own encrypted chat with the front desk,
in which only the desk and that reader are, looked at before each send, as a question that waits its turn, at
most as long as the community keeps a concern. Where two were chosen two read it together, and each knows of
the other, so that neither puts it away alone; who they are is named to the writer before their words are
asked for, and again before their yes.

The list of readers is the configuration's, the same for everybody, so that nothing about anybody can be read
from it, but in one case. A reader who was the other person in the very room it is about is left out, and that
is said: the writer has seen that address in the room. About a question or an answer, before both had said
yes, nobody is left out: a gap in the list would name who it was, so the writer is told that they may be in
it. What the choice itself shows is said too: a reader learns who else reads it, so also who does not.

Guards: nothing is kept before the yes to the recap; without a reader it is not taken; no reader learns who
wrote, unless the writer says so, or whom it is about, unless the writer's own words do; the writer can add to
it, give it to others, or take it back at any time, and it goes with their `forget me`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from handlers import after, guest_room, pairing_pauses, reader, readers, room
from handlers.answer import own_words
from handlers.desk import Desk
from handlers.draft import Draft, texts
from handlers.question import Choice, Question, Reply
from schema.community import Reader
from schema.ids import ConcernId, LinkId, MemberId
from schema.records import Concern, Member, Prompt
from schema.states import ConcernState, GuestRoomState
from service.core import concerns, rooms

LONGEST = 1500
"""Characters of a concern, with what was added to it."""

MOST_A_DAY = 6
"""How often in a day one member can have readers asked: whoever writes without a name could flood them."""

ABOUT = {"pairing": "concern.about_pairing", "ask": "concern.about_ask", "service": "concern.about_service"}
"""What a concern is about, as it is called."""

_ALSO = frozenset({"back"})
_ABOUT = (
    Choice("pairing", "choice.concern_pairing"),
    Choice("ask", "choice.concern_ask"),
    Choice("service", "choice.concern_service"),
)
_OWN = (
    Choice("leave", "choice.concern_leave"),
    Choice("add", "choice.concern_add"),
    Choice("others", "choice.concern_others"),
    Choice("take_back", "choice.concern_take_back"),
)
_STEPS = ("about", "room", "readers", "words", "recap")


def offered(desk: Desk) -> bool:
    """Whether the community named anybody who reads concerns."""
    return bool(desk.community.readers)


async def of(desk: Desk, member: MemberId) -> list[Concern]:
    """The member's concerns, oldest first."""
    return sorted(await desk.records.find(Concern, member=member), key=lambda one: (one.made_at, one.id))


async def start(desk: Desk, member: Member) -> None:
    """Ask what it is about; or say why none is taken."""
    if await _may(desk, member):
        desk.put_behind(member.id)
        _go(desk, member, {}, "about")


async def start_after(desk: Desk, member: Member, meeting: str) -> None:
    """Something was wrong in the room of which `meeting` is the member's mark."""
    if await _may(desk, member):
        await _to_readers(desk, member, {"about": "pairing", "of": f"meeting {meeting}"})


async def _may(desk: Desk, member: Member) -> bool:
    if not offered(desk):
        desk.say(member.id, "concern.no_readers", notice=False)
    elif len(await of(desk, member.id)) >= concerns.MOST:
        desk.say(member.id, "concern.full", notice=False, n=concerns.MOST)
    else:
        return True
    return False


# What it is about, and who reads it


@dataclass(frozen=True)
class _Room:
    """A room that it can be about: who else was in it, over which link, and when it ended, if it has."""

    other: MemberId = MemberId("")
    link: LinkId | None = None
    ended: datetime | None = None


async def _rooms(desk: Desk, member: Member) -> dict[str, _Room]:
    """The rooms it can be about, by what a choice of one is called."""
    live = [one for one in await room.of(desk, member.id, *rooms.LIVE) if one.met]
    found: dict[str, _Room] = {}
    for one in live:
        other = one.peer if one.asker == member.id else one.asker
        found[f"room {one.id}"] = _Room(other, None if one.across is None else one.across.link)
    for guest in await guest_room.of(desk, member.id, GuestRoomState.OPEN):
        found[f"room {guest.id}"] = _Room(guest.other, guest.link)
    for meeting in await after.of(desk, member.id):
        # Of one of before marks named their link it is not known which it was.
        unnamed = LinkId("") if meeting.linked else None
        link = unnamed if meeting.across is None else meeting.across.link
        found[f"meeting {meeting.id}"] = _Room(meeting.other, link, meeting.ended_at)
    return found


async def _room(desk: Desk, member: Member, draft: Draft) -> _Room:
    """The room that it is about; nobody was in it where that is not known, or not any more."""
    kind, _, id = str(draft.get("of") or "").partition(" ")
    if kind == "concern":
        concern = await desk.records.get(Concern, id)
        return _Room(concern.other, concern.link) if concern is not None else _Room()
    return (await _rooms(desk, member)).get(f"{kind} {id}", _Room())


async def _other(desk: Desk, member: Member, draft: Draft) -> MemberId:
    """The keyed hash of whom it is about; empty where that is not known, or not any more."""
    return (await _room(desk, member, draft)).other


async def _choosable(desk: Desk, member: Member, draft: Draft) -> tuple[list[Reader], list[Reader]]:
    """The readers to choose from, and those left out since they are the other person of that room."""
    other = await _other(desk, member, draft)
    others = [one for one in desk.community.readers if readers.id_of(desk, one) != member.id]
    same = [one for one in others if other and readers.id_of(desk, one) == other]
    return [one for one in others if one not in same], same


async def _to_readers(desk: Desk, member: Member, draft: Draft) -> None:
    """Ask who reads it, where there is anybody; else say that it is not taken."""
    found, _ = await _choosable(desk, member, draft)
    if found:
        _go(desk, member, draft, "readers")
    else:
        desk.say(member.id, "concern.no_other_reader", notice=False)


def _chosen(desk: Desk, draft: Draft, which: str = "readers") -> tuple[Reader, ...]:
    """Who is to read it by the draft, or instead of one who does ("spare"), where they are still readers."""
    users = texts(draft, which)
    return tuple(one for one in desk.community.readers if one.user in users)


# The questions


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question of the draft's step."""
    draft = prompt.draft
    match draft.get("step"):
        case "about":
            return Question(desk.words(member, "concern.about"), _ABOUT, also=_ALSO)
        case "room":
            return await _show_rooms(desk, member)
        case "readers":
            return await _show_readers(desk, member, draft)
        case "words":
            named = readers.names(desk, _chosen(desk, draft))
            length = LONGEST - len(str(draft.get("before") or ""))
            keep = desk.timings.request_open
            text = desk.words(member, "concern.words", n=length, readers=named, keep=keep)
            return Question(text, free=True, also=_ALSO)
    return await _show_recap(desk, member, draft)


async def _show_rooms(desk: Desk, member: Member) -> Question:
    choices = [
        Choice(name, "choice.concern_open_room")
        if one.ended is None
        else Choice(name, text=desk.words(member, "after.ended", ended=one.ended))
        for name, one in (await _rooms(desk, member)).items()
    ]
    last = Choice("none", "choice.concern_other_room")
    return Question(desk.words(member, "concern.room"), (*choices, last), also=_ALSO)


async def _show_readers(desk: Desk, member: Member, draft: Draft) -> Question:
    found, same = await _choosable(desk, member, draft)
    lines = [desk.words(member, "concern.readers")]
    if same:
        lines.append(desk.words(member, "concern.left_out", names=readers.names(desk, same)))
    elif draft.get("about") == "ask":
        lines.append(desk.words(member, "concern.may_be_one"))
    choices = tuple(Choice(one.user, text=readers.label(desk, member, one)) for one in found)
    last = Choice("none", "choice.concern_nobody")
    return Question("\n".join(lines), (*choices, last), many=True, also=_ALSO)


def _whole(draft: Draft) -> str:
    """The words as they would be read: those that are kept already, then what is added."""
    return "\n\n".join(
        part for part in (str(draft.get("before") or ""), str(draft.get("words") or "")) if part
    )


async def _show_recap(desk: Desk, member: Member, draft: Draft) -> Question | None:
    chosen = _chosen(desk, draft)
    if not chosen:
        return None
    about = desk.words(member, ABOUT[str(draft["about"])])
    lines = [desk.words(member, "concern.recap", about=about, words=_whole(draft))]
    spare = _chosen(desk, draft, "spare")
    terms = [_read_by(desk, member, chosen, spare)]
    if must := [one for one in (*chosen, *spare) if one.must_report]:
        terms.append(desk.words(member, "concern.must_report", names=readers.names(desk, must)))
    if draft.get("named"):
        terms.append(desk.words(member, "concern.named", address=member.matrix_id))
    else:
        terms.append(desk.words(member, "concern.unnamed"))
    terms.append(desk.words(member, "concern.can_follow"))
    of = await _room(desk, member, draft)
    if of.other and draft["about"] == "pairing":
        terms.append(desk.words(member, pairing_pauses.said("concern.pause_can_follow", of.link)))
        terms += await pairing_pauses.link_over(desk, member, of.link)
    old = await _old(desk, draft)
    until = old.until if old is not None else desk.now + desk.timings.concern
    terms.append(desk.words(member, "concern.terms", until=until))
    text = "\n".join(terms)
    choices = (
        Choice("yes", "choice.concern_yes"),
        Choice("named", "choice.concern_hide" if draft.get("named") else "choice.concern_name"),
        Choice("words", "choice.concern_words"),
        Choice("readers", "choice.concern_readers"),
        Choice("no", "choice.concern_no"),
    )
    return Question("\n".join((*lines, text)), choices, binding=True, also=_ALSO, terms=text)


def _read_by(desk: Desk, member: Member, chosen: Sequence[Reader], spare: Sequence[Reader]) -> str:
    key = "concern.read_together" if len(chosen) > 1 else "concern.read_alone"
    lines = [desk.words(member, key, names=readers.names(desk, chosen))]
    if spare:
        lines.append(desk.words(member, "concern.read_instead", names=readers.names(desk, spare)))
    return "\n".join(lines)


async def _old(desk: Desk, draft: Draft) -> Concern | None:
    kind, _, id = str(draft.get("of") or "").partition(" ")
    return await desk.records.get(Concern, id) if kind == "concern" else None


# The answers


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take the step's answer and put the next question."""
    draft: Draft = dict(prompt.draft)
    step = str(draft.get("step"))
    if reply.name == "back":
        await _go_back(desk, member, draft, step)
        return
    match step:
        case "about":
            draft["about"] = reply.name
            if reply.name == "pairing" and await _rooms(desk, member):
                _go(desk, member, draft, "room")
                return
            if reply.name == "pairing":
                desk.say(member.id, "concern.no_room")
            await _to_readers(desk, member, draft)
        case "room":
            draft["of"] = "" if reply.name == "none" else reply.name
            if reply.name == "none":
                desk.say(member.id, "concern.no_room")
            await _to_readers(desk, member, draft)
        case "readers":
            await _take_readers(desk, member, draft, reply)
        case "words":
            _take_words(desk, member, draft, reply)
        case _:
            await _answer_recap(desk, member, prompt, reply)


async def _take_readers(desk: Desk, member: Member, draft: Draft, reply: Reply) -> None:
    found, _ = await _choosable(desk, member, draft)
    chosen = [one.user for one in found if one.user in reply.names]
    if not chosen or "none" in reply.names:
        desk.say(member.id, "concern.nobody_chosen", notice=False)
        return
    # Who reads it stands from here on, so that whoever is named before the words is who reads them.
    first = concerns.together(chosen, desk.turn.random.random)
    draft["readers"] = [str(one) for one in first]
    draft["spare"] = [str(one) for one in chosen if one not in first]
    _go(desk, member, draft, "recap" if _whole(draft) else "words")


def _take_words(desk: Desk, member: Member, draft: Draft, reply: Reply) -> None:
    longest = LONGEST - len(str(draft.get("before") or ""))
    words = own_words(reply.text, longest)
    if words is None:
        desk.say(member.id, "talk.too_long", n=len(reply.text), longest=longest)
        _go(desk, member, draft, "words")
        return
    draft["words"] = words
    _go(desk, member, draft, "recap" if words else "words")


async def _answer_recap(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    draft: Draft = dict(prompt.draft)
    match reply.name:
        case "yes":
            await _give(desk, member, prompt)
        case "named":
            draft["named"] = not draft.get("named")
            _go(desk, member, draft, "recap")
        case "words":
            _go(desk, member, draft, "words")
        case "readers":
            _go(desk, member, draft, "readers")
        case _:
            desk.say(member.id, "talk.dropped" if await _old(desk, draft) is None else "concern.as_it_was")


async def _go_back(desk: Desk, member: Member, draft: Draft, step: str) -> None:
    if step == "about" or str(draft.get("of") or "").startswith("concern "):
        desk.say(member.id, "talk.left" if step == "about" else "concern.as_it_was")
        desk.ask(member.id, "menu")
        return
    before = _STEPS[_STEPS.index(step) - 1]
    if before == "room" and not (draft.get("about") == "pairing" and await _rooms(desk, member)):
        before = "about"
    _go(desk, member, draft, before)


def _go(desk: Desk, member: Member, draft: Draft, step: str) -> None:
    desk.ask(member.id, "concern", draft={**draft, "step": step})


async def _give(desk: Desk, member: Member, prompt: Prompt) -> None:
    """Keep it, and give it to its readers; or let it stand anew with what was changed."""
    draft = prompt.draft
    chosen = _chosen(desk, draft)
    ids = tuple(readers.id_of(desk, one) for one in chosen)
    spare = tuple(readers.id_of(desk, one) for one in _chosen(desk, draft, "spare"))
    of = await _room(desk, member, draft)
    if not chosen or of.other in (*ids, *spare):
        desk.say(member.id, "concern.nobody_chosen", notice=False)
        return
    if not any(desk.seldom(member.id, f"concern {at}", timedelta(days=1)) for at in range(MOST_A_DAY)):
        desk.say(member.id, "concern.too_often", n=MOST_A_DAY)
        _go(desk, member, dict(draft), "recap")
        return
    given = desk.given(prompt)
    named = bool(draft.get("named"))
    if str(draft.get("of") or "").startswith("concern "):
        old = await _old(desk, draft)
        if old is None:
            desk.say(member.id, "stop.over", notice=False)
            return
        await reader.take_from(desk, old)
        changed = concerns.Change(_whole(draft), ids, named, given, spare)
        concern, effects = concerns.advance(old, changed, desk.now)
        await desk.apply(effects)
    else:
        if not await _may(desk, member):
            return
        concern = concerns.begin(
            ConcernId(desk.turn.new_id()),
            member.id,
            about=str(draft["about"]),
            words=_whole(draft),
            readers=ids,
            other=of.other if draft["about"] == "pairing" else MemberId(""),
            link=of.link if draft["about"] == "pairing" else None,
            named=named,
            consent=given,
            now=desk.now,
            kept=desk.timings.concern,
            spare=spare,
        )
    await desk.records.put(concern)
    await reader.give(desk, concern)
    desk.say(member.id, "concern.given", readers=readers.names(desk, chosen))


# What stands


def told(desk: Desk, member: Member, concern: Concern) -> str:
    """What the service holds of a concern of the member's, in plain words."""
    return "\n".join(
        (
            desk.words(
                member,
                "held.concern",
                made=concern.made_at,
                about=desk.words(member, ABOUT[concern.about]),
                words=concern.words,
                until=concern.until,
            ),
            _standing(desk, member, concern),
        )
    )


def _standing(desk: Desk, member: Member, concern: Concern) -> str:
    """Who reads it, and whether anybody has opened it."""
    found = readers.of(desk, concern.readers)
    if not found:
        return desk.words(member, "concern.with_nobody")
    lines = [
        _read_by(desk, member, found, readers.of(desk, concern.spare)),
        *reader.answers(desk, member, concern),
    ]
    if concern.named:
        lines.append(desk.words(member, "concern.named", address=member.matrix_id))
    opened = readers.of(desk, concern.opened)
    if opened:
        lines.append(desk.words(member, "concern.opened_by", names=readers.names(desk, opened)))
    else:
        lines.append(desk.words(member, "concern.opened_by_nobody"))
    return "\n".join(lines)


async def mine(desk: Desk, member: Member) -> None:
    """List the member's own concerns."""
    found = await of(desk, member.id)
    if not found:
        desk.say(member.id, "concern.none", notice=False)
        return
    desk.put_behind(member.id)
    if len(found) == 1:
        desk.ask(member.id, "own_concern", subject=found[0].id)
    else:
        desk.ask(member.id, "concerns", draft={"ids": [str(one.id) for one in found]})


async def show_answer(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """What a reader answered last, and what the writer can do with it."""
    concern = await desk.records.get(Concern, prompt.subject)
    if concern is None or concern.member != member.id or not concern.answers:
        return None
    lines = [desk.words(member, "concern.answered", made=concern.made_at)]
    return Question("\n".join((*lines, reader.answers(desk, member, concern)[-1])), _OWN)


async def show_own(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The list of the member's concerns, or one of them, and what they can do with it."""
    if prompt.kind == "own_concern":
        concern = await desk.records.get(Concern, prompt.subject)
        if concern is None or concern.member != member.id:
            return None
        return Question(told(desk, member, concern), _OWN)
    own = {str(one.id): one for one in await of(desk, member.id)}
    # The list stays as it was first shown: a number never comes to mean something else.
    listed = [own[one] for one in texts(prompt.draft, "ids") if one in own]
    if not listed:
        return None
    choices = tuple(
        Choice(one.id, text=desk.words(member, "concern.listed", made=one.made_at)) for one in listed
    )
    last = Choice("leave", "choice.concern_leave")
    return Question(desk.words(member, "concern.which"), (*choices, last))


async def answer_own(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Show the one that is meant; add to it, give it to others, or take it back."""
    if prompt.kind == "concerns" and reply.name != "leave":
        desk.ask(member.id, "own_concern", subject=reply.name)
        return
    concern = await desk.records.get(Concern, prompt.subject) if prompt.subject else None
    if concern is None or concern.member != member.id or reply.name == "leave":
        desk.say(member.id, "concern.as_it_was")
        return
    draft: Draft = {
        "about": concern.about,
        "of": f"concern {concern.id}",
        "readers": [one.user for one in readers.of(desk, concern.readers)],
        "spare": [one.user for one in readers.of(desk, concern.spare)],
        "before": concern.words,
        "named": concern.named,
    }
    match reply.name:
        case "add":
            _go(desk, member, draft, "words" if draft["readers"] else "readers")
        case "others":
            await _to_readers(desk, member, draft)
        case _:
            await take_back(desk, member, concern)


async def take_back(desk: Desk, member: Member, concern: Concern) -> None:
    """Erase it; whoever has read it hears so, and whoever has not hears nothing of it any more."""
    await _end(desk, concern, concerns.TakeBack())
    desk.say(member.id, "concern.taken_back")


async def _end(desk: Desk, concern: Concern, move: concerns.Move) -> None:
    await reader.take_from(desk, concern)
    await reader.tell_end(desk, concern, move)
    over, effects = concerns.advance(concern, move, desk.now)
    await desk.apply(effects)
    if over.state is ConcernState.OVER:
        await desk.records.delete(Concern, concern.id)


async def forget(desk: Desk, member: MemberId) -> None:
    """Erase the member's concerns, and have them read nobody else's; a mark of them in another's stays."""
    for concern in await of(desk, member):
        await _end(desk, concern, concerns.TakeBack())
    await reader.forget(desk, member)


async def due(desk: Desk, concern: Concern) -> None:
    """Nobody has opened it by now, and its writer hears so; or its time is over."""
    await desk.member(concern.member)
    if concerns.is_reminder(concern):
        reminded, effects = concerns.advance(concern, concerns.Remind(), desk.now)
        await desk.apply(effects)
        await desk.records.put(reminded)
    else:
        await _end(desk, concern, concerns.Lapse())
