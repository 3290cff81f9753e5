"""How a room that a linked community opened for one of ours stands, as our side knows it, to its erasure.

Guards: a room is ours to erase only after its people are out, and a wait in which our homeserver sees it;
where nothing is heard of it any more it is over here at an hour all the same, and our copy is to go; what the
other side says twice, too late or out of turn changes nothing; the other's address goes with the end, and so
do the consents.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from schema.community import Timings
from schema.effects import PurgeGuestRoom
from schema.errors import IllegalMove
from schema.ids import GuestRoomId, MatrixId, MemberId, RoomId
from schema.records import Ask, GuestRoom, MoreTime
from schema.states import Ending, GuestRoomState

WORD = timedelta(minutes=2)
"""How long a yes to more time may take to cross: so much later whoever asked hears of a silence."""

LIVE = (GuestRoomState.AWAITED, GuestRoomState.OPEN)
"""The two are together, or may still be."""

TOLD = (GuestRoomState.OPEN, GuestRoomState.READABLE, GuestRoomState.PURGING)
"""Its member knows of it; that one is awaited looks to them as any yes that waits."""

GRACE = timedelta(hours=1)
"""How long after its time the other side may leave unsaid that it closed."""

UNHEARD = timedelta(days=14)
"""How long a closed room is kept here where the other side does not say that its people are out."""

THEIRS = timedelta(days=2)
"""How long the receipt waits for what the other side erased."""


LEAST = timedelta(minutes=5)
"""By how much a room is longer at least for that to be told where it answers no wish of our member's."""


READ = timedelta(minutes=5)
"""How long our side reads, after it read nothing, before it says that it heard nothing of a room."""


_UNHEARD_OF = "unheard"
"""What a record has as `there` where the other side never said that the two are out."""


@dataclass(frozen=True)
class Opened:
    """Their keeper made it, and invited both."""

    room: RoomId
    ends_at: datetime


@dataclass(frozen=True)
class AskedToEnd:
    """Our member would end it: the other side is to close it."""


@dataclass(frozen=True)
class Ended:
    """Nobody can write in it any more, as the other side says; `met`: the two were both in it.

    Where that is not said they are taken to have met.
    """

    met: bool = True


@dataclass(frozen=True)
class Emptied:
    """Its people are out; `met` as when it ended, where that was not heard."""

    met: bool = True


@dataclass(frozen=True)
class Purged:
    """`reached` says what was erased here: "purged", "asked" or "cannot"."""

    reached: str


@dataclass(frozen=True)
class Gone:
    """The other side did what it could; `reached` says what, in the same words, or nothing."""

    reached: str
    met: bool = True


@dataclass(frozen=True)
class TimeIsUp:
    """The record's `due_at` has come; `read`: what the other side said before has been read."""

    read: bool = True


@dataclass(frozen=True)
class MoreAsked:
    """One of the two would like `length` more; a yes to it, by its `name`, counts until `until`."""

    member: MemberId
    length: timedelta
    until: datetime
    name: str = ""


@dataclass(frozen=True)
class MoreAgreed:
    """Our member would like that too; the other side makes it longer, and is to say so soon."""


@dataclass(frozen=True)
class Longer:
    """The room ends at `ends_at` now, as the other side says; because both agreed to the wish of that name.

    Without a name it is said with another wish of theirs, which comes after all that was agreed.
    """

    ends_at: datetime
    name: str = ""


Move = Opened | AskedToEnd | MoreAsked | MoreAgreed | Longer | Ended | Emptied | Purged | Gone | TimeIsUp

MOVES: Mapping[GuestRoomState, frozenset[type[Move]]] = {
    GuestRoomState.AWAITED: frozenset({Opened, TimeIsUp}),
    GuestRoomState.OPEN: frozenset(
        {AskedToEnd, MoreAsked, MoreAgreed, Longer, Ended, Emptied, Gone, TimeIsUp}
    ),
    GuestRoomState.READABLE: frozenset({Emptied, Gone, TimeIsUp}),
    GuestRoomState.PURGING: frozenset({Purged, Gone, TimeIsUp}),
    GuestRoomState.GONE: frozenset(),
}
"""What may happen in each state; everything else is illegal."""


def allows(record: GuestRoom, move: Move) -> bool:
    """Whether `move` is legal now: what is said twice is not, the second time."""
    if type(move) not in MOVES[record.state]:
        return False
    match move:
        case TimeIsUp():
            return record.due_at is not None
        case AskedToEnd():
            return record.ending is None
        case MoreAsked(member):
            # Ours may wish for their own where they have not answered the other's: then both asked at once.
            ours = member == record.member and not record.agreed_more
            free = record.more is None or record.lapsed_more or (ours and record.more.member != member)
            return free and member not in record.asked_more and record.ending is None
        case MoreAgreed():
            return record.more is not None and record.more.member != record.member and not record.agreed_more
        case Longer(ends, name):
            named = record.more is not None and record.more.name == name
            return record.ends_at is not None and (named or _end(record, ends) > record.ends_at)
        case Purged():
            return not record.reached
        case Gone() if record.state is GuestRoomState.PURGING:
            return not record.there
    return True


def begin(ask: Ask, other: MemberId, address: MatrixId, desk: MatrixId, now: datetime) -> GuestRoom:
    """The room that two agreed to, which the other side is to open by the hour that our member was told.

    `ask` is our member's, across a link, with both of their yeses; `desk` is the other side's front desk,
    whose server its keeper is of. Raises IllegalMove for any other ask.
    """
    if ask.across is None or not ask.member:
        raise IllegalMove("guest room", ask.state, "begin")
    return GuestRoom(
        id=GuestRoomId(ask.id),
        member=ask.member,
        link=ask.across.link,
        state=GuestRoomState.AWAITED,
        made_at=now,
        due_at=ask.due_at,
        across=ask.across,
        other=other,
        other_matrix_id=address,
        length=ask.length,
        wish=ask.wish,
        talking=ask.talking,
        consents=ask.consents,
        server=desk.partition(":")[2],
    )


def ends_at(record: GuestRoom, said: int | None, now: datetime) -> datetime:
    """When the room ends, where the other side says so in seconds: never later than was agreed."""
    latest = now + record.length
    if said is None or not now.timestamp() < said < latest.timestamp():
        return latest
    return datetime.fromtimestamp(said, now.tzinfo)


def advance(
    record: GuestRoom, move: Move, now: datetime, timings: Timings
) -> tuple[GuestRoom, tuple[PurgeGuestRoom, ...]]:
    """The room after `move`, and the order to erase our copy.

    Raises IllegalMove, and then nothing changed.
    """
    if not allows(record, move):
        raise IllegalMove("guest room", record.state, type(move).__name__)
    match move:
        case Opened(room, ends):
            opened = replace(record, state=GuestRoomState.OPEN, room=room, ends_at=ends, latest=ends)
            return _hour(_to_warn(opened, now, timings)), ()
        case AskedToEnd():
            ending = replace(record, ending=Ending.ASKED, more=None, agreed_more=False, lapsed_more=False)
            return _hour(replace(ending, warn_at=None)), ()
        case MoreAsked(member, length, until, name):
            more = MoreTime(member, length, until, name)
            asked = replace(record, more=more, agreed_more=False, lapsed_more=False)
            asked = _wanted(asked, length) if member == record.member else asked
            return _hour(replace(asked, asked_more=(*record.asked_more, member))), ()
        case MoreAgreed():
            length = record.more.length if record.more is not None else timedelta()
            return _hour(_wanted(replace(record, agreed_more=True), length)), ()
        case Longer(ends, name):
            longer = _longer(record, ends, name)
            return (_hour(_to_warn(longer, now, timings)) if longer.ends_at != record.ends_at else longer), ()
        case Ended(met):
            return _closed(record, now, met), ()
        case Emptied(met):
            return _empty(record, now, timings.settle, met), ()
        case Gone(reached, met):
            out = record.state is GuestRoomState.PURGING
            emptied = record if out else _empty(record, now, timings.settle, met)
            return _if_both(replace(emptied, there=reached or "unsaid")), ()
        case Purged(reached):
            return _if_both(replace(record, reached=reached, due_at=now + THEIRS)), ()
        case TimeIsUp(read):
            if not read and _ends_unheard(record, now):
                return replace(record, due_at=now + READ), ()
            return _time_is_up(record, now)


def has_read(since: datetime | None, now: datetime) -> bool:
    """Whether our side has read long enough to have what was said; `since` as in `service.core.reading`."""
    return since is not None and now - since >= READ


def _ends_unheard(record: GuestRoom, now: datetime) -> bool:
    """Whether the record's hour is one at which nothing was heard of what was to come."""
    if record.state is GuestRoomState.OPEN:
        return now >= (record.ends_at or now) + GRACE
    return record.state is GuestRoomState.READABLE or bool(record.reached)


def was_heard_of(record: GuestRoom) -> bool:
    """Whether the other side said that its people are out, or that it is done with it."""
    return record.there != _UNHEARD_OF


def forget(record: GuestRoom) -> GuestRoom:
    """The room without its member, and without whom they met: what is left is the copy to be erased."""
    gone = replace(record, member=MemberId(""), other=MemberId(""), other_matrix_id=MatrixId(""), consents=())
    gone = replace(_without_more(gone), warn_at=None)
    return _hour(gone) if gone.state is GuestRoomState.OPEN else gone


def _without_more(record: GuestRoom) -> GuestRoom:
    return replace(record, more=None, agreed_more=False, lapsed_more=False, asked_more=())


def word(until: datetime, by: datetime) -> timedelta:
    """How long a yes may take to be heard, of the time from `until` to `by`; less in the last minutes."""
    return min(WORD, (by - until) / 4)


def more_time(record: GuestRoom, longest: timedelta) -> timedelta:
    """How much longer the room may become, as our side allows a room in all."""
    return max(timedelta(), longest - record.length)


def _hour(record: GuestRoom) -> GuestRoom:
    """The open room, due when its time is over, or sooner when a wish for more time is, or a word is due."""
    hours = ((record.ends_at or record.made_at) + GRACE, record.warn_at, _lapses(record))
    return replace(record, due_at=min(hour for hour in hours if hour is not None))


def _lapses(record: GuestRoom) -> datetime | None:
    """When a wish for more time that stands is over."""
    if record.more is None or record.lapsed_more:
        return None
    # After a yes of ours it is the other side's word that is waited for: it takes as long as ours did.
    return record.more.until + (2 * WORD if record.agreed_more else timedelta())


def _to_warn(record: GuestRoom, now: datetime, timings: Timings) -> GuestRoom:
    """The room of which our member is told before its end, as of one here; not where they asked to end it."""
    if record.ends_at is None or record.ending is not None:
        return record
    left = max(timedelta(), record.ends_at - now)
    return replace(record, warn_at=record.ends_at - min(timings.warning, left / 2))


def _wanted(record: GuestRoom, length: timedelta) -> GuestRoom:
    """The room, which our member would have so much longer."""
    return replace(record, latest=(record.latest or record.ends_at or record.made_at) + length)


def _end(record: GuestRoom, said: datetime) -> datetime:
    """The end that the other side says: no sooner than another, and by no more than our member said yes to.

    So it is the same in whichever order what was said comes, and however often.
    """
    now = record.ends_at or record.made_at
    return max(now, min(said, record.latest or now))


def tells(record: GuestRoom, said: datetime, name: str) -> bool:
    """Whether the end that the other side says is told to our member, and lets both ask for more again.

    It is where it answers the wish that stands, or is later by as long as one asks for. Anything less is
    a clock that differs, or a partner that would be heard at every second.
    """
    before = record.ends_at or record.made_at
    answers = record.more is not None and name != "" and record.more.name == name
    return answers or _end(record, said) - before >= LEAST


def _longer(record: GuestRoom, said: datetime, name: str) -> GuestRoom:
    """The room with its new end. A wish of our member's stands where another led to that."""
    before = record.ends_at or record.made_at
    ends = _end(record, said)
    longer = replace(record, length=record.length + (ends - before), ends_at=ends)
    if not tells(record, said, name):
        return longer
    more = record.more
    if more is None or more.member != record.member or record.lapsed_more or name in ("", more.name):
        return _hour(_without_more(longer))
    return _hour(replace(longer, asked_more=(more.member,)))


def _closed(record: GuestRoom, now: datetime, met: bool = True) -> GuestRoom:
    ended = min(now, record.ends_at or now)
    closed = replace(record, state=GuestRoomState.READABLE, ends_at=ended, due_at=now + UNHEARD, met=met)
    closed = replace(closed, warn_at=None)
    return replace(_without_more(closed), other_matrix_id=MatrixId(""), consents=())


def _empty(record: GuestRoom, now: datetime, settle: timedelta, met: bool) -> GuestRoom:
    closed = record if record.state is GuestRoomState.READABLE else _closed(record, now, met)
    return replace(closed, state=GuestRoomState.PURGING, due_at=now + settle)


def _if_both(record: GuestRoom) -> GuestRoom:
    """The room, gone where both sides have said what they erased."""
    if not (record.reached and record.there):
        return record
    return replace(record, state=GuestRoomState.GONE, due_at=None)


def _between(record: GuestRoom, now: datetime) -> GuestRoom:
    """An hour before the end: a wish for more time lapses, and our member is told that it ends."""
    lapses = _lapses(record)
    if record.more is not None and lapses is not None and lapses <= now:
        # Nothing was heard of a yes; where there was one the room is longer there, and it still counts.
        waits = record.agreed_more or record.more.member == record.member
        record = replace(record, lapsed_more=True) if waits else replace(record, more=None)
    if record.warn_at is not None and record.warn_at <= now:
        record = replace(record, warn_at=None)
    return record


def _time_is_up(record: GuestRoom, now: datetime) -> tuple[GuestRoom, tuple[PurgeGuestRoom, ...]]:
    if record.state is GuestRoomState.OPEN:
        if now >= (record.ends_at or now) + GRACE:
            return _closed(record, now), ()
        return _hour(_between(record, now)), ()
    if record.state is GuestRoomState.READABLE:
        record = replace(record, state=GuestRoomState.PURGING, there=_UNHEARD_OF)
    if record.state is GuestRoomState.PURGING and not record.reached and record.room is not None:
        return replace(record, due_at=None), (PurgeGuestRoom(record.id, record.room, record.server),)
    return replace(record, state=GuestRoomState.GONE, due_at=None), ()
