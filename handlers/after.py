"""Afterwards: talk with this person again, never be paired with them again, company about it, or nothing.

Guards: both are offered the same, with the closing; nobody is asked to rate anything, and no answer is an
answer; what one says is never told to the other, but that both would talk again, once both have said it; one
who said it alone learns nothing. Of somebody of a linked community it stays on the side of whoever said it,
also where both did: it crosses when its member asks for that person, and then to that link alone.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from handlers import across, apart, rest
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.ids import LinkId, MeetingId, MemberId
from schema.records import (
    Across,
    Consent,
    GuestRoom,
    Link,
    Meeting,
    Member,
    PeerRoom,
    Prompt,
)
from service.core import afterwards

_SKIP = frozenset({"skip"})

_OFFERED = (
    Choice("again", "choice.after_again"),
    Choice("never", "choice.after_never"),
    Choice("company", "choice.after_company"),
    Choice("nothing", "choice.after_nothing"),
)
_WRONG = Choice("wrong", "choice.after_wrong")
"""Where the community named somebody who reads concerns."""
_AGAIN = (Choice("yes", "choice.again_yes"), Choice("no", "choice.again_no"))
FIRST = (
    Choice("anyone", "choice.again_anyone"),
    Choice("first", "choice.again_first"),
    Choice("only", "choice.again_only"),
)
"""Whom a request asks first, or asks at all."""
FIRST_LINKED = (
    FIRST[0],
    Choice("first", "choice.again_first_linked"),
    Choice("only", "choice.again_only_linked"),
)
"""The same, where somebody of a linked community can be asked for too."""
_NEVER = (Choice("yes", "choice.apart_yes"), Choice("no", "choice.apart_no"))


async def begin(desk: Desk, room: PeerRoom) -> None:
    """The two met and their room is closed: keep the marks, and offer both what they may say."""
    ids = (MeetingId(desk.turn.new_id()), MeetingId(desk.turn.new_id()))
    for meeting in afterwards.begin(room, ids, desk.now, desk.timings.afterwards):
        await _offer(desk, await _begin(desk, meeting))


async def begin_linked(desk: Desk, member: Member, room: GuestRoom) -> None:
    """The member's room with somebody of a linked community is closed: their side keeps a mark of its own."""
    await _offer(desk, await mark_linked(desk, member, room))


async def mark_linked(desk: Desk, member: Member, room: GuestRoom) -> Meeting:
    """Keep a mark of that room without a question about it."""
    id, until = MeetingId(desk.turn.new_id()), afterwards.last_hour(desk.now, desk.timings.afterwards)
    mark = Meeting(id, member.id, room.other, desk.now, until, across=room.across)
    return await _begin(desk, mark)


async def _begin(desk: Desk, mark: Meeting) -> Meeting:
    """Keep the mark; its member may have had the two kept apart while their room was open."""
    wish = await apart.wished(desk, mark.member, mark.other)
    begun = mark if wish is None else replace(mark, apart=wish.id)
    await desk.records.put(begun)
    return begun


async def _offer(desk: Desk, meeting: Meeting) -> None:
    if await desk.member(meeting.member) is not None:
        desk.queue(meeting.member, "after", subject=meeting.id, until=meeting.due_at)


async def of(desk: Desk, member: MemberId) -> list[Meeting]:
    """The member's marks, oldest first."""
    found = [one for one in await desk.records.find(Meeting, member=member) if one.due_at > desk.now]
    return sorted(found, key=lambda one: (one.ended_at, one.id))


# What the search asks


async def first_choice(desk: Desk, member: Member, chosen: bool) -> tuple[Choice, ...]:
    """The choice to have those asked first with whom the member agreed to talk again, where there was one.

    From their own marks alone: that the other has ended it is not to be seen by what is offered. Where it was
    `chosen` before, it can be changed whatever has become of it.
    """
    return (Choice("again", "choice.change_again"),) if chosen or await has_agreed(desk, member.id) else ()


async def has_agreed(desk: Desk, member: MemberId) -> bool:
    """Whether the member has agreed with anybody to talk again, as they know it themselves."""
    return any(one.agreed for one in await of(desk, member))


async def agreed(desk: Desk, member: MemberId) -> frozenset[MemberId]:
    """Those with whom the member agreed to talk again, where that still holds for both."""
    theirs = [one for one in await desk.records.about(Meeting, member) if one.due_at > desk.now]
    return afterwards.agreed(member, await of(desk, member), theirs, await apart.of(desk, member))


async def would_again(desk: Desk, member: MemberId) -> list[Across]:
    """The rooms over links, the newest first, of which the member would talk with the other again."""
    return [one.across for one in reversed(await of(desk, member)) if one.again and one.across is not None]


async def who_would(desk: Desk, names: Sequence[Across]) -> frozenset[MemberId]:
    """Our members who would talk again with whoever was with them in the rooms that a link names."""
    found = [mark for one in names for mark in await desk.records.of_answer(Meeting, one.answer)]
    return afterwards.of_answers(names, found, desk.now)


# What the two may say


async def say_again(desk: Desk, member: Member) -> None:
    """They would talk with somebody again: ask whether to note it."""
    every = await _not_apart(desk, member)
    if every is None:
        return
    counting = [one for one in every if await _counts(desk, one)]
    if every and not counting:
        desk.say(member.id, "again.linked", notice=False)
        return
    unsaid = [one for one in counting if not _said(one)]
    if counting and not unsaid:
        agreed = [one.due_at for one in counting if one.agreed]
        key = "again.already" if agreed else "again.already_linked"
        desk.say(member.id, key, notice=False, until=max(agreed or [one.due_at for one in counting]))
        return
    await _which(desk, member, "again", unsaid)


def _said(meeting: Meeting) -> bool:
    """Whether nothing more is to be said of talking again: both agreed, or over a link the member said so."""
    return meeting.agreed or (meeting.again and meeting.across is not None)


async def _counts(desk: Desk, meeting: Meeting) -> bool:
    """Whether something can come of an again: where they met over a link, while that link stands."""
    if meeting.across is None:
        return not meeting.linked
    return await desk.records.get(Link, meeting.across.link) is not None


async def say_never(desk: Desk, member: Member) -> None:
    """They want never to be paired with somebody again: ask whether to keep the two apart."""
    found = await _not_apart(desk, member)
    if found is not None:
        await _which(desk, member, "never", found)


async def _not_apart(desk: Desk, member: Member) -> list[Meeting] | None:
    """The member's marks of whom they did not have kept apart; None, after saying so, where of all."""
    every = await of(desk, member.id)
    found = [one for one in every if one.apart is None]
    if found or not every:
        return found
    desk.say(member.id, "again.apart", notice=False)
    return None


async def end_again(desk: Desk, member: Member) -> None:
    """They would not talk with somebody again after all: end what they said, or what both agreed."""
    await _which(desk, member, "end", [one for one in await of(desk, member.id) if one.again])


async def _which(desk: Desk, member: Member, what: str, found: list[Meeting]) -> None:
    if not found:
        desk.say(member.id, "after.none_again" if what == "end" else "after.none", notice=False)
    elif len(found) == 1:
        await _decide(desk, member, what, found[0].id)
    else:
        desk.put_behind(member.id)
        desk.ask(member.id, "afterwards", draft={"what": what, "ids": [str(one.id) for one in found]})


async def _decide(desk: Desk, member: Member, what: str, id: str) -> None:
    if what == "end":
        await end(desk, member, id)
        return
    desk.put_behind(member.id)
    desk.ask(member.id, "afterwards", subject=id, draft={"what": what})


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """What is offered with the closing; or which meeting is meant; or the recap of one of the two."""
    if prompt.kind == "after":
        meeting = await desk.records.get(Meeting, prompt.subject)
        if meeting is None:
            return None
        key, said = await _unsaid(desk, meeting)
        text = desk.words(member, key, until=meeting.due_at)
        if rests := await rest.said(desk, member):
            text += f"\n{rests}"
        offered = (*_OFFERED[:2], _WRONG, *_OFFERED[2:]) if desk.community.readers else _OFFERED
        choices = tuple(one for one in offered if one.name not in said)
        return Question(text, choices, until=meeting.due_at)
    what, own = prompt.draft["what"], {str(one.id): one for one in await of(desk, member.id)}
    if not prompt.subject:
        # The list stays as it was first shown: a number never comes to mean something else.
        ids = prompt.draft.get("ids")
        listed = [one for one in (ids if isinstance(ids, list) else []) if one in own]
        choices = tuple(
            Choice(one, text=desk.words(member, "after.ended", ended=own[one].ended_at)) for one in listed
        )
        last = Choice("nothing", "choice.after_nothing")
        return Question(desk.words(member, "after.which"), (*choices, last), also=_SKIP) if choices else None
    meeting = own.get(prompt.subject)
    if meeting is None:
        return None
    if what == "again":
        theirs = meeting.across
        collective = await across.called(desk, member, theirs.link) if theirs is not None else ""
        text = desk.words(
            member,
            "again.recap" if theirs is None else "again.recap_linked",
            ended=meeting.ended_at,
            until=meeting.due_at,
            kept=desk.timings.again,
            collective=collective,
        )
        return Question(text, _AGAIN, binding=True, also=_SKIP, terms=text)
    text = desk.words(member, "never.recap", ended=meeting.ended_at)
    if left := apart.after_keeping(desk, meeting):
        text += "\n" + desk.words(member, "never.mark", until=left.due_at)
    return Question(text, _NEVER, binding=True, also=_SKIP)


async def _unsaid(desk: Desk, meeting: Meeting) -> tuple[str, frozenset[str]]:
    """The sentence of what may be said of a meeting, and what is not offered: it was said, or cannot be."""
    if meeting.apart is not None:
        return "after.offered_apart", frozenset({"again", "never"})
    if meeting.again:
        return "after.offered_said", frozenset({"again"})
    if not await _counts(desk, meeting):
        return "after.offered_unlinked", frozenset({"again"})
    return "after.offered" if meeting.across is None else "after.offered_linked", frozenset()


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take a choice of what is offered, which meeting is meant, or the yes to one of the two."""
    what = str(prompt.draft.get("what", ""))
    if prompt.kind == "after":
        if reply.name in ("again", "never"):
            await _decide(desk, member, reply.name, prompt.subject)
        else:
            desk.say(member.id, "after.nothing")
    elif reply.name in ("no", "nothing", "skip"):
        desk.say(member.id, "apart.unchanged")
    elif not prompt.subject:
        await _decide(desk, member, what, reply.name)
    elif what == "again":
        await _again(desk, member, prompt.subject, desk.given(prompt))
    else:
        await _never(desk, member, prompt.subject)


async def _again(desk: Desk, member: Member, id: str, consent: Consent | None) -> None:
    own = await desk.records.get(Meeting, id)
    if own is None:
        return
    if not await _counts(desk, own):
        desk.say(member.id, "again.linked", notice=False)
        return
    own = replace(own, consent=consent)
    if own.apart is not None or await apart.wished(desk, member.id, own.other) is not None:
        desk.say(member.id, "again.apart", notice=False)
        return
    if own.across is not None:
        own = afterwards.say_again_across(own, desk.now, desk.timings.again)
        await desk.records.put(own)
        desk.say(member.id, "again.noted_linked", until=own.due_at)
        return
    theirs = await desk.records.find(Meeting, member=own.other) if own.other else []
    mine, other = afterwards.say_again(own, theirs, desk.now, desk.timings.again)
    await desk.records.put(mine)
    if other is None:
        desk.say(member.id, "again.noted", until=own.due_at)
        return
    _tell_agreed(desk, member.id, mine.due_at)
    if any(one.id == other.id and one.agreed for one in theirs):
        # To them it has held all along: that it was taken back meanwhile is not theirs to know.
        return
    await desk.records.put(other)
    await _drop_older(desk, mine)
    await _drop_older(desk, other)
    if await desk.member(other.member) is not None:
        _tell_agreed(desk, other.member, other.due_at)


def _tell_agreed(desk: Desk, id: MemberId, until: datetime) -> None:
    desk.say(id, "again.agreed", notice=False, until=until)


async def _drop_older(desk: Desk, newest: Meeting) -> None:
    """Of two who met more than once the newest agreement is kept."""
    for one in await desk.records.find(Meeting, member=newest.member):
        if one.other == newest.other and one.agreed and one.id != newest.id:
            await desk.records.delete(Meeting, one.id)


async def _never(desk: Desk, member: Member, id: str) -> None:
    own = await desk.records.get(Meeting, id)
    if own is None:
        return
    # Somebody who is forgotten stands here as nobody: the list and the answer are the same all the same.
    wish = await apart.keep(desk, member.id, own.other)
    if wish is None:
        return
    await apart.mark(desk, own, wish)
    await across.no_more_again(desk, member.id)
    desk.say(member.id, "never.done")
    if left := apart.after_keeping(desk, own):
        desk.say(member.id, "never.concern", until=left.due_at)


async def end(desk: Desk, member: Member, id: str) -> None:
    """End what they said of talking again, or what both agreed; nobody is told."""
    own = await desk.records.get(Meeting, id)
    if own is None:
        return
    # Over a link each meeting with the same person may have been noted: all of them are meant.
    alike = [
        one
        for one in await of(desk, member.id)
        if one.across is not None and own.across is not None and own.other and one.other == own.other
    ]
    for one in alike or [own]:
        await _take_back(desk, one)
    await across.no_more_again(desk, member.id)
    desk.say(member.id, "again.ended")


async def _take_back(desk: Desk, mark: Meeting) -> None:
    left = afterwards.take_back(mark, desk.now, desk.timings.afterwards)
    if left is None:
        await desk.records.delete(Meeting, mark.id)
    else:
        await desk.records.put(left)


async def link_over(desk: Desk, link: LinkId) -> None:
    """The link is no more: nothing can come of an again over it, so that none is kept."""
    for one in await desk.records.find(Meeting):
        if one.again and one.across is not None and one.across.link == link:
            await _take_back(desk, one)


# What is held, and its end


def told(desk: Desk, member: Member, meeting: Meeting) -> str:
    """What a mark of the member's own is, in a sentence or two."""
    key = _HELD[meeting.again, meeting.agreed]
    if meeting.across is not None or meeting.linked:
        key = "held.meeting_linked_again" if meeting.again else "held.meeting_linked"
    if meeting.apart is not None:
        key = "held.meeting_apart"
    said = desk.words(member, key, ended=meeting.ended_at, until=meeting.due_at)
    return said + " " + desk.words(member, "held.meeting_concern") if desk.community.readers else said


_HELD = {
    (False, False): "held.meeting",
    (True, False): "held.meeting_again",
    (True, True): "held.meeting_agreed",
}


async def forget(desk: Desk, member: MemberId) -> None:
    """Erase the member's marks, and their hash in the others', which look the same to whoever has them."""
    for one in await desk.records.find(Meeting, member=member):
        await desk.records.delete(Meeting, one.id)
    for one in await desk.records.about(Meeting, member):
        await desk.records.put(replace(one, other=MemberId("")))


async def due(desk: Desk, meeting: Meeting) -> None:
    """The mark's time is over."""
    await desk.records.delete(Meeting, meeting.id)
