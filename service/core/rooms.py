"""How a peer room opens, closes and is erased, step by step, each step awaiting one thing.

Guards: read-only at once, for whatever reason it ends, and while one of the two is out, so that nobody writes
what the other could never read; both can read it for the community's time, or until
both ask; then contents are redacted while people are still in it, people are removed, and the room is purged
after a wait, since a purge that comes too soon leaves stuck rooms on phones. A step that the homeserver
refuses is said in the receipt and holds nothing up. A reason that is one person's own is told to nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from schema.community import Timings
from schema.effects import (
    Effect,
    EmptyPeerRoom,
    InviteAgain,
    LetWrite,
    MutePeerRoom,
    OpenPeerRoom,
    PurgePeerRoom,
    RedactPeerRoom,
    Tell,
)
from schema.errors import IllegalMove
from schema.ids import MatrixId, MemberId, RequestId, RoomId
from schema.records import MoreTime, Pairing, PeerRoom
from schema.states import Ending, RoomState

Step = tuple[Effect | Tell, ...]


@dataclass(frozen=True)
class Opened:
    """The keeper made the room and invited `members`, but for those in `blocked`, who take no invitation.

    `keeper` is the address that they are to allow.
    """

    room: RoomId
    members: tuple[MatrixId, ...]
    blocked: tuple[MatrixId, ...] = ()
    keeper: MatrixId = MatrixId("")


@dataclass(frozen=True)
class Refused:
    """The keeper could not make it; `ending` says whether that is because it is not deaf."""

    ending: Ending


@dataclass(frozen=True)
class Joined:
    """One of the two came in."""

    member: MemberId


@dataclass(frozen=True)
class Left:
    """One of the two went out, or declined to come."""

    member: MemberId


@dataclass(frozen=True)
class Early:
    """One of the two went into or out of a room that may turn out to be this one."""

    room: RoomId
    member: MemberId
    membership: str


@dataclass(frozen=True)
class Writable:
    """Both can write; `done` is False where the homeserver refused that."""

    done: bool = True


@dataclass(frozen=True)
class ComeBack:
    """Whoever left asks to be invited again."""

    member: MemberId


@dataclass(frozen=True)
class Wait:
    """Whoever is there waits longer for the one who has not come in."""

    member: MemberId


@dataclass(frozen=True)
class MoreAsked:
    """One of the two would like `length` more; by `until`, where their own desk said so across a link.

    There the wish has a `name`.
    """

    member: MemberId
    length: timedelta
    until: datetime | None = None
    name: str = ""


@dataclass(frozen=True)
class MoreAgreed:
    """The other would like that too; or so much of it, where both asked for their own."""

    member: MemberId
    length: timedelta | None = None


@dataclass(frozen=True)
class Close:
    """It is to close."""

    ending: Ending


@dataclass(frozen=True)
class Muted:
    """Nobody can write any more; `done` is False where the homeserver refused that."""

    done: bool = True


@dataclass(frozen=True)
class EraseNow:
    """One of the two asked to erase it without the reading time."""

    member: MemberId


@dataclass(frozen=True)
class Forget:
    """One of the two wants to be forgotten."""

    member: MemberId


@dataclass(frozen=True)
class Redacted:
    """The servers were asked to drop what was written; `done` is False where that was refused."""

    done: bool = True


@dataclass(frozen=True)
class Emptied:
    """Nobody is in it any more; `done` is False where that was refused."""

    done: bool = True


@dataclass(frozen=True)
class Purged:
    """`detail` says what was reached: "purged", "asked" or "cannot"."""

    detail: str


@dataclass(frozen=True)
class There:
    """A linked collective says what it reached of its own copy: "purged", "asked" or "cannot"."""

    detail: str


@dataclass(frozen=True)
class TimeIsUp:
    """The record's `due_at` has come."""


Move = (
    Opened
    | Refused
    | Joined
    | Left
    | Early
    | Writable
    | ComeBack
    | Wait
    | MoreAsked
    | MoreAgreed
    | Close
    | Muted
    | EraseNow
    | Forget
    | Redacted
    | Emptied
    | Purged
    | There
    | TimeIsUp
)

MOVES: Mapping[RoomState, frozenset[type[Move]]] = {
    RoomState.OPENING: frozenset({Opened, Refused, Early, Close, Forget, TimeIsUp}),
    RoomState.OPEN: frozenset({Joined, Left, Writable, Wait, MoreAsked, MoreAgreed, Close, Forget, TimeIsUp}),
    RoomState.APART: frozenset({Joined, Left, Muted, ComeBack, Close, Forget, TimeIsUp}),
    RoomState.CLOSING: frozenset({Opened, Refused, Joined, Left, Muted, Forget}),
    RoomState.READABLE: frozenset({Joined, Left, EraseNow, Forget, TimeIsUp}),
    RoomState.REDACTING: frozenset({Joined, Left, Redacted, Forget}),
    RoomState.REMOVING: frozenset({Joined, Left, Emptied, Forget}),
    RoomState.SETTLING: frozenset({Joined, Left, There, Forget, TimeIsUp}),
    RoomState.PURGING: frozenset({Joined, Left, There, Purged, Forget, TimeIsUp}),
    RoomState.GONE: frozenset(),
    RoomState.FAILED: frozenset(),
}
"""What may happen in each state; everything else is illegal."""

WORTH_A_WORD = timedelta(seconds=2)
"""How long the last yes may go unanswered while the room opens. Sooner, the room itself is the answer, and a
word would compete with it for the homeserver."""

LIVE = (RoomState.OPENING, RoomState.OPEN, RoomState.APART)
"""The two are together, or may still be."""


def allows(record: PeerRoom, move: Move) -> bool:
    """Whether `move` is legal now: what is delivered twice is not, the second time."""
    if type(move) not in MOVES[record.state]:
        return False
    match move:
        case TimeIsUp():
            return record.due_at is not None
        case Opened() | Refused():
            return record.room is None
        case Muted():
            return record.room is not None
        case Writable():
            return all_came(record) and not (record.met and move.done)
        case ComeBack(member):
            return member in people(record) and member not in record.joined
        case Wait(member):
            return record.choosing and member in record.joined
        case MoreAsked(member):
            return record.met and record.more is None and member not in record.asked_more
        case MoreAgreed(member):
            return record.more is not None and record.more.member != member
        case There(detail):
            return f"there_{detail}" in REACHED and not _said_there(record)
        case Purged():
            return record.due_at is None
    return True


def ends_a_meeting(record: PeerRoom, move: Move) -> bool:
    """Whether one of two who were both in the room ends it, or leaves, while that they may write is ordered.

    They saw each other, and the order cannot be called back: they have met, although nobody has reported yet
    that they could write.
    """
    ends = isinstance(move, Close | Left | Forget)
    return ends and record.state is RoomState.OPEN and all_came(record) and not record.met


REACHED: Mapping[str, str] = {
    "not_muted": "receipt.not_muted",
    "never_used": "receipt.never_used",
    "redacted": "receipt.redacted",
    "not_redacted": "receipt.not_redacted",
    "removed": "receipt.removed",
    "not_removed": "receipt.not_removed",
    "purged": "receipt.purged",
    "asked": "receipt.purge_asked",
    "cannot": "receipt.purge_cannot",
    "there_purged": "receipt.there_purged",
    "there_asked": "receipt.there_asked",
    "there_cannot": "receipt.there_cannot",
}
"""What each thing that the erasure reached, or could not, is called in the receipt."""

_THERE = {one for one in REACHED if one.startswith("there_")}
"""What a linked collective says of its own copy."""

THEIRS = timedelta(days=2)
"""How long the receipt waits for what a linked collective did with its copy."""


def _said_there(record: PeerRoom) -> bool:
    return not _THERE.isdisjoint(record.done)


def _gone(record: PeerRoom) -> PeerRoom:
    return replace(record, state=RoomState.GONE, due_at=None)


def receipt(record: PeerRoom) -> tuple[str, ...]:
    """The receipt's sentences, item by item, as things were done here, and then what was done there.

    Which side was first says nothing that a member needs.
    """
    items = tuple(REACHED[item] for item in sorted(record.done, key=_THERE.__contains__))
    heard = record.across is None or _said_there(record)
    return items if heard else (*items, "receipt.there_unheard")


def people(record: PeerRoom) -> tuple[MemberId, ...]:
    """The two, less whoever was forgotten."""
    return tuple(one for one in (record.asker, record.peer) if one)


def asked_for_it(record: PeerRoom, member: MemberId) -> bool:
    """Whether the member asked for company: the asker did, and both did where two who asked met."""
    return member == record.asker or (member == record.peer and bool(record.peer_request))


def all_came(record: PeerRoom) -> bool:
    """Whether everybody who is to be in it has been in it."""
    return set(people(record)) <= set(record.ever_joined)


def counts_as_emptied(record: PeerRoom, removed: tuple[MatrixId, ...]) -> bool:
    """Whether removing `removed` left nobody of the two in it: removing one who is forgotten does not."""
    return set(_matrix_ids(record)) <= set(removed)


def more_time(record: PeerRoom, timings: Timings) -> timedelta:
    """How much longer the room may become, all extensions together."""
    return max(timedelta(), (timings.longest_in_all or timings.longest) - record.length)


_MORE = tuple(timedelta(minutes=minutes) for minutes in (15, 30, 60, 120))
_DAY = timedelta(days=1)


def lengths_of_more(most: timedelta, length: timedelta) -> list[timedelta]:
    """How much more there is to choose from, shortest first; a room of days can have one more."""
    found = [one for one in (*_MORE, *([_DAY] if length >= _DAY else [])) if one <= most]
    return found or ([most] if most else [])


def begin(
    pairing: Pairing,
    asker: MatrixId,
    peer: MatrixId,
    now: datetime,
    wish: str = "",
    peer_request: RequestId = RequestId(""),
) -> tuple[PeerRoom, Step]:
    """The room of a pairing that both agreed to, for `wish`, and the order to open it.

    `peer_request` is the peer's own, where both look for company.
    """
    room = PeerRoom(
        id=pairing.id,
        asker=pairing.asker,
        peer=pairing.peer,
        request=pairing.request,
        state=RoomState.OPENING,
        made_at=now,
        length=pairing.length,
        ends_at=now + pairing.length,
        due_at=now + WORTH_A_WORD,
        asker_matrix_id=asker,
        peer_matrix_id=peer,
        wish=wish,
        peer_request=peer_request,
        talking=pairing.talking,
        across=pairing.across,
    )
    return room, (OpenPeerRoom(pairing.id, (asker, peer)),)


def advance(record: PeerRoom, move: Move, now: datetime, timings: Timings) -> tuple[PeerRoom, Step]:
    """The room after `move`, and what is to be done and said.

    Raises IllegalMove, and then nothing changed.
    """
    if not allows(record, move):
        raise IllegalMove("peer room", record.state, type(move).__name__)
    match move:
        case Opened(room):
            return _opened(replace(record, room=room, early=()), move, now, timings)
        case Refused(ending):
            return replace(record, state=RoomState.FAILED, due_at=None, ending=record.ending or ending), ()
        case Joined(member):
            here = record.joined if member in record.joined else (*record.joined, member)
            ever = record.ever_joined if member in record.ever_joined else (*record.ever_joined, member)
            met = replace(record, joined=here, ever_joined=ever)
            if met.state is RoomState.APART and set(people(met)) <= set(here):
                return _back(met, now, timings)
            if met.state is RoomState.OPEN and all_came(met) and not all_came(record):
                both = replace(met, changes=met.changes + 1, choosing=False)
                return _with_hours(both, now, timings), (LetWrite(both.id, _room(both), both.changes),)
            return met, ()
        case Left(member):
            left = replace(record, joined=tuple(one for one in record.joined if one != member))
            if record.state is RoomState.OPEN:
                if not record.met or not left.joined:
                    return _close(left, Ending.LEFT)
                return _apart(left) if member in record.joined else (left, ())
            if record.state is RoomState.APART and not left.joined:
                return _close(left, Ending.LEFT)
            if record.state is RoomState.READABLE and not left.joined:
                return _redact(left)
            return left, ()
        case Early(room, member, membership):
            return replace(record, early=(*record.early, (room, member, membership))), ()
        case Writable(done):
            return (replace(record, met=True), ()) if done else _close(record, Ending.REFUSED)
        case ComeBack(member):
            return record, (InviteAgain(record.id, _room(record), _matrix_id(record, member)),)
        case Wait():
            return replace(record, choosing=False, due_at=_patience(record, now, timings)), ()
        case MoreAsked(member, length, until, name):
            if not timedelta() < length <= more_time(record, timings) or now >= record.ends_at:
                raise IllegalMove("peer room", record.state, "more time than there is")
            hears_by = _hears_by(record, now) if until is None else min(until, record.ends_at)
            more = MoreTime(member, length, hears_by, name)
            asked = replace(record, more=more, asked_more=(*record.asked_more, member))
            return replace(asked, due_at=_next_hour(asked)), ()
        case MoreAgreed(_, length):
            return _extend(record, now, timings, length)
        case Close(ending):
            return _close(record, ending)
        case Muted(done):
            if record.state is RoomState.APART:
                # Where they could still write, words could go unread: then it is over.
                return (record, ()) if done else _close(record, Ending.LEFT)
            return _muted(record, done, now, timings)
        case EraseNow(member):
            wants = record.erase_now if member in record.erase_now else (*record.erase_now, member)
            wanted = replace(record, erase_now=wants)
            return _redact(wanted) if set(people(wanted)) <= set(wants) else (wanted, ())
        case Forget(member):
            return _forget(record, member)
        case Redacted(done):
            note = "redacted" if done else "not_redacted"
            emptied = replace(record, state=RoomState.REMOVING, done=(*record.done, note))
            return emptied, (EmptyPeerRoom(record.id, _room(record), _matrix_ids(record)),)
        case Emptied(done):
            note = "removed" if done else "not_removed"
            waits = replace(
                record, state=RoomState.SETTLING, due_at=now + timings.settle, done=(*record.done, note)
            )
            return waits, ()
        case Purged(detail):
            purged = replace(record, due_at=now + THEIRS, done=(*record.done, detail))
            unsaid = record.across is not None and not _said_there(record)
            return (purged if unsaid else _gone(purged)), ()
        case There(detail):
            said = replace(record, done=(*record.done, f"there_{detail}"))
            purged_here = record.state is RoomState.PURGING and record.due_at is not None
            return (_gone(said) if purged_here else said), ()
        case TimeIsUp():
            return _time_is_up(record, now, timings)


def _room(record: PeerRoom) -> RoomId:
    if record.room is None:
        raise IllegalMove("peer room", record.state, "a step that needs the room before it is there")
    return record.room


def _matrix_id(record: PeerRoom, member: MemberId) -> MatrixId:
    return record.asker_matrix_id if member == record.asker else record.peer_matrix_id


def _matrix_ids(record: PeerRoom) -> tuple[MatrixId, ...]:
    return tuple(one for one in (record.asker_matrix_id, record.peer_matrix_id) if one)


def _opened(record: PeerRoom, move: Opened, now: datetime, timings: Timings) -> tuple[PeerRoom, Step]:
    room = _room(record)
    if record.state is RoomState.CLOSING:
        # It ended before it was there. Nobody wrote in it, so there is nothing to read; and whoever was
        # forgotten meanwhile was invited all the same.
        gone = replace(record, state=RoomState.REMOVING, ends_at=now, done=("never_used",))
        return gone, (EmptyPeerRoom(record.id, room, move.members),)
    ends_at = now + record.length
    again = now + min(timings.join, record.length / 2)
    opened = replace(record, state=RoomState.OPEN, ends_at=ends_at, due_at=again)
    values = (("ends", ends_at), ("length", record.length), ("keeper", move.keeper))
    how = (*values, ("again", again))
    # Whoever blocks invitations hears it alone; the other sees what they see of anybody who is not in yet.
    tells = (
        Tell(one, "room.opened_blocked", how)
        if _matrix_id(opened, one) in move.blocked
        else Tell(one, "room.opened", values)
        for one in people(opened)
    )
    return opened, tuple(tells)


def _with_hours(record: PeerRoom, now: datetime, timings: Timings) -> PeerRoom:
    """The room of two who are there, due at its next hour; both are to be told before its end."""
    left = max(timedelta(), record.ends_at - now)
    warned = replace(record, warn_at=record.ends_at - min(timings.warning, left / 2))
    return replace(warned, due_at=_next_hour(warned))


def _next_hour(record: PeerRoom) -> datetime:
    """When something is to be said or done in a room of two who are there."""
    hours = (record.ends_at, record.warn_at, record.more.until if record.more is not None else None)
    return min(hour for hour in hours if hour is not None)


def _hears_by(record: PeerRoom, now: datetime) -> datetime:
    """When whoever asks for more time now hears that nothing has changed: the warning's hour, or later."""
    half = now + (record.ends_at - now) / 2
    return half if record.warn_at is None else max(half, record.warn_at)


def _extend(
    record: PeerRoom, now: datetime, timings: Timings, length: timedelta | None
) -> tuple[PeerRoom, Step]:
    more = record.more
    if more is not None and length is not None:
        more = replace(more, length=min(more.length, length))
    if more is None or now >= more.until:
        raise IllegalMove("peer room", record.state, "a yes to what is not asked any more")
    ends_at, length = record.ends_at + more.length, record.length + more.length
    longer = replace(record, ends_at=ends_at, length=length, more=None, asked_more=())
    values = (("more", more.length), ("ends", ends_at))
    # For whoever agreed it confirms their own word; whoever asked was waiting for it.
    tells = tuple(Tell(one, "room.extended", values, notice=one != more.member) for one in people(longer))
    return _with_hours(longer, now, timings), tells


def _between(record: PeerRoom, now: datetime, timings: Timings) -> tuple[PeerRoom, Step]:
    """An hour before the end: more time that nobody agreed to lapses, and both are told that it ends."""
    tells: tuple[Tell, ...] = ()
    ends = ("ends", record.ends_at)
    if record.more is not None and record.more.until <= now:
        tells = (Tell(record.more.member, "extend.stays", (ends,), notice=True),)
        record = replace(record, more=None)
    if record.warn_at is not None and record.warn_at <= now:
        values = (ends, ("reading", timings.reading))
        may = more_time(record, timings) > timedelta()
        for one in people(record):
            key = "room.ends_soon_more" if may and one not in record.asked_more else "room.ends_soon"
            tells = (*tells, Tell(one, key, values))
        record = replace(record, warn_at=None)
    return replace(record, due_at=_next_hour(record)), tells


def _close(record: PeerRoom, ending: Ending) -> tuple[PeerRoom, Step]:
    closing = replace(record, state=RoomState.CLOSING, due_at=None, ending=ending, warn_at=None, more=None)
    if record.room is None:
        return closing, ()
    closing = replace(closing, changes=record.changes + 1, choosing=False)
    return closing, (MutePeerRoom(record.id, record.room, closing.changes),)


def _apart(record: PeerRoom) -> tuple[PeerRoom, Step]:
    """One of the two went out. What the other wrote now could never be read by them, so nobody can write."""
    apart = replace(
        record,
        state=RoomState.APART,
        due_at=record.ends_at,
        warn_at=None,
        more=None,
        changes=record.changes + 1,
    )
    return apart, (MutePeerRoom(record.id, _room(record), apart.changes),)


def _back(record: PeerRoom, now: datetime, timings: Timings) -> tuple[PeerRoom, Step]:
    """Both are in it again, and may write. That it ends soon is said with it, so not once more."""
    both = replace(record, state=RoomState.OPEN, changes=record.changes + 1)
    both = _with_hours(both, now, timings)
    if now >= both.ends_at - timings.warning:
        both = replace(both, warn_at=None, due_at=both.ends_at)
    tells = tuple(Tell(one, "room.back", (("ends", both.ends_at),)) for one in people(both))
    return both, (LetWrite(both.id, _room(both), both.changes), *tells)


def _patience(record: PeerRoom, now: datetime, timings: Timings) -> datetime:
    """Until when to wait for somebody who has not come in: `join`, or half of what is left, or to the end."""
    pause = min(timings.join, (record.ends_at - now) / 2)
    return now + pause if pause >= timings.join / 8 else record.ends_at


def _muted(record: PeerRoom, done: bool, now: datetime, timings: Timings) -> tuple[PeerRoom, Step]:
    closed = replace(record, ends_at=now, done=() if done else ("not_muted",))
    unwritten = len(record.ever_joined) < 2 or (record.ending is Ending.REFUSED and not record.met)
    if not done or unwritten or not record.joined:
        # Without a mute only removing people keeps the promise that it is over; where one of them never came,
        # or nobody was let write, there are no two whose words could vanish; and where both left, no reader.
        after, effects = _redact(closed)
        key = "room.closed_unread"
        tells = tuple(Tell(one, key, (("settle", now + timings.settle),)) for one in people(closed))
        return after, (*effects, *tells)
    readable = replace(closed, state=RoomState.READABLE, due_at=now + timings.reading)
    key = "room.closed_time" if record.ending is Ending.TIME else "room.closed"
    away = "room.closed_away"
    if record.across is not None:
        key, away = "room.closed_across", "room.closed_away_across"
    values = (("until", now + timings.reading),)
    return readable, tuple(
        Tell(one, key if one in readable.joined else away, values) for one in people(readable)
    )


def _redact(record: PeerRoom) -> tuple[PeerRoom, Step]:
    redacting = replace(record, state=RoomState.REDACTING, due_at=None)
    return redacting, (RedactPeerRoom(record.id, _room(record)),)


def _forget(record: PeerRoom, member: MemberId) -> tuple[PeerRoom, Step]:
    matrix_id = _matrix_id(record, member)
    before = record
    record = replace(record, asked_more=tuple(one for one in record.asked_more if one != member))
    if record.state in LIVE:
        record, effects = _close(record, Ending.FORGOTTEN)
    else:
        effects = ()
    if member == record.asker:
        record = replace(record, asker=MemberId(""), asker_matrix_id=MatrixId(""), sought={})
    else:
        record = replace(record, peer=MemberId(""), peer_matrix_id=MatrixId(""), peer_sought={})
    record = replace(
        record,
        joined=tuple(one for one in record.joined if one != member),
        ever_joined=tuple(MemberId("") if one == member else one for one in record.ever_joined),
        erase_now=tuple(one for one in record.erase_now if one != member),
        early=tuple(one for one in record.early if one[1] != member),
        consents=tuple(one for one in record.consents if one[0] != member),
    )
    if before.room is not None and before.state not in (RoomState.SETTLING, RoomState.PURGING):
        effects = (*effects, EmptyPeerRoom(record.id, before.room, (matrix_id,), alone=True))
    if record.state is RoomState.READABLE and not people(record):
        record, more = _redact(record)
        effects = (*effects, *more)
    return record, effects


def _time_is_up(record: PeerRoom, now: datetime, timings: Timings) -> tuple[PeerRoom, Step]:
    if record.state is RoomState.OPENING:
        return replace(record, due_at=None), (Tell(record.asker, "consent.opening", notice=True),)
    if record.state is RoomState.READABLE:
        return _redact(record)
    if record.state is RoomState.SETTLING:
        purging = replace(record, state=RoomState.PURGING, due_at=None)
        return purging, (PurgePeerRoom(record.id, _room(record)),)
    if record.state is RoomState.PURGING:
        return _gone(record), ()
    if now >= record.ends_at:
        return _close(record, Ending.TIME)
    if all_came(record):
        return _between(record, now, timings)
    until = _patience(record, now, timings)
    if record.reminded:
        if record.joined and not record.choosing:
            # Whoever is there is asked, by the handler; their silence is the end of it.
            return replace(record, choosing=True, due_at=until), ()
        return _close(record, Ending.NOT_JOINED)
    waits = replace(record, reminded=True, due_at=until)
    missing = [one for one in people(record) if one not in record.ever_joined]
    again = tuple(InviteAgain(record.id, _room(record), _matrix_id(record, one)) for one in missing)
    remind = tuple(Tell(one, "room.reminder", (("until", until),)) for one in missing)
    return waits, (*again, *remind)
