"""What the two of a room that ended may still say about one another, and for how long.

Guards: each has a mark of their own, so that neither's shows what the other did with theirs; that both would
talk again is known only when both have said so, and across a link to neither side; marks go at the latest 14
days after the room's end, but for those of two who agreed, or of whoever would talk again across a link; one
of somebody who is kept apart stays its time, for a concern alone; the hour at which they go shows nobody
which two belong together.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from schema.ids import MeetingId, MemberId
from schema.records import Across, Meeting, PeerRoom

_DAY = timedelta(days=1)


def last_hour(now: datetime, kept: timedelta) -> datetime:
    """When a mark made now goes: within `kept`, at the day's first hour in UTC where it is kept for days."""
    until = now + kept
    whole = until.replace(hour=0, minute=0, second=0, microsecond=0)
    return whole if whole - now >= _DAY else until


def begin(
    room: PeerRoom, ids: tuple[MeetingId, MeetingId], now: datetime, kept: timedelta
) -> tuple[Meeting, ...]:
    """A mark for each of the two who were in `room`, but for whoever is forgotten.

    Where the peer is of a linked community only the asker has one here: the other side keeps its own.
    """
    until = last_hour(now, kept)
    pairs = ((room.asker, room.peer), (room.peer, room.asker))
    return tuple(
        Meeting(id, member, other, now, until, across=room.across)
        for id, (member, other) in zip(ids, pairs, strict=True)
        if member and not (room.across is not None and member == room.peer)
    )


def say_again(
    own: Meeting, others: Iterable[Meeting], now: datetime, kept: timedelta
) -> tuple[Meeting, Meeting | None]:
    """The mark of whoever would talk again, and, where the other has said so too, theirs: then both agreed.

    `others` are the other's marks; `kept` is how long an agreement holds.
    """
    theirs = [
        one
        for one in others
        if one.member == own.other and one.other == own.member and one.again and one.due_at > now
    ]
    if not theirs or not own.other:
        return replace(own, again=True), None
    until = last_hour(now, kept)
    newest = max(theirs, key=lambda one: (one.ended_at, one.id))
    return (
        replace(own, again=True, agreed=True, due_at=until),
        replace(newest, agreed=True, due_at=until),
    )


def say_again_across(own: Meeting, now: datetime, kept: timedelta) -> Meeting:
    """The mark of whoever would talk again with somebody of a linked community.

    Whether the other said it too is not heard here, so that it is kept as long as an agreement.
    """
    return replace(own, again=True, due_at=last_hour(now, kept))


def of_answers(names: Collection[Across], found: Iterable[Meeting], now: datetime) -> frozenset[MemberId]:
    """Which members would talk again with whoever they met by one of the answers `names`.

    `found` are marks: none counts that lapsed, or that came of another answer or over another link.
    """
    wanted = {(one.link, one.answer) for one in names}
    return frozenset(
        one.member
        for one in found
        if one.again and one.due_at > now and one.across and (one.across.link, one.across.answer) in wanted
    )


def take_back(own: Meeting, now: datetime, kept: timedelta) -> Meeting | None:
    """The mark of whoever would not talk again after all; None where the time of a mark is over by now.

    What the two agreed holds no more, whatever the other's mark says.
    """
    until = min(own.due_at, last_hour(own.ended_at, kept))
    return replace(own, again=False, agreed=False, due_at=until, consent=None) if until > now else None


def agreed(
    member: MemberId, own: Iterable[Meeting], theirs: Iterable[Meeting], apart: Collection[MemberId]
) -> frozenset[MemberId]:
    """With whom the member agreed to talk again, where that still holds for both.

    `own` are the member's marks, `theirs` those that others have of the member.
    """
    mine = {one.other for one in own if one.agreed and one.member == member and one.other}
    return frozenset(
        one.member
        for one in theirs
        if one.agreed and one.other == member and one.member in mine and one.member not in apart
    )
