"""When a buddy is told: after the member was told first, with time to cancel it, and never twice.

Guards: nothing goes to a buddy who did not say yes, and no words but those that they said yes to; nothing
goes by itself before a warning has reached the member, half of the time before; any sign of life of theirs,
until the words went, stops it and begins the count anew; silence counts only while the service could read;
after the words went there is no further step.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from schema.effects import SendForBuddy
from schema.errors import IllegalMove
from schema.records import Buddy, Consent, NewWords
from schema.states import BuddyState

ASKED_FOR = timedelta(days=7)
"""How long whoever was named can say yes, and how long nobody hears what they said."""

AFTER = (1, 2, 3, 5)
"""After how many check-ins without an answer, to choose from; 0 is never by itself."""

HOURS = (6, 12, 24, 48)
"""How many hours after the last of them the buddy is told, to choose from."""

SENT_WITHIN = timedelta(minutes=30)
"""What could not be sent for so long is not sent any more."""

READ_WITHIN = timedelta(minutes=5)
"""What was written before an hour that was named is read, or seen to be unreadable, so long after it."""

_LOOK_AGAIN = timedelta(minutes=1)
"""How soon it is looked at again where something cannot be read just now."""


@dataclass(frozen=True)
class Agree:
    """Whoever was named says yes, or the buddy says yes to other words."""

    consent: Consent | None


@dataclass(frozen=True)
class Change:
    """The member has their buddy told after others, and, with `new`, asks whether other words may go."""

    after: int
    hours: timedelta
    new: NewWords | None


@dataclass(frozen=True)
class Keep:
    """The old words stay: no yes came to others in time, or the member takes those back."""


@dataclass(frozen=True)
class Put:
    """A check-in was put to the member; all was read from `heard_since` to now, None: it is not read now."""

    heard_since: datetime | None


@dataclass(frozen=True)
class Miss:
    """A check-in that was put did not arrive."""


@dataclass(frozen=True)
class Live:
    """The member wrote, said or showed anything at all."""


@dataclass(frozen=True)
class Hour:
    """Its hour has come; `heard_since` as in `Put`, and None too where something of the member's waits."""

    heard_since: datetime | None


@dataclass(frozen=True)
class Arrive:
    """The warning has reached the member, or the words went to the buddy."""


@dataclass(frozen=True)
class Fail:
    """The warning could not be sent, or the words could not."""


@dataclass(frozen=True)
class Lapse:
    """The time to say yes is over."""


@dataclass(frozen=True)
class End:
    """The member ends it."""


@dataclass(frozen=True)
class Leave:
    """The buddy ends it, or is forgotten."""


Move = Agree | Change | Keep | Put | Miss | Live | Hour | Arrive | Fail | Lapse | End | Leave


class Next(Enum):
    """What follows from a move.

    WARN: the member is told first. TELL: the words go to the buddy. CANCELLED: the member is told that their
    word stopped it; AGAIN: that it begins anew, since the service could not read or reach them. STOP: the
    words, which are on their way, are called off. BACK: the member is told that the words had gone before.
    GONE: that they have no buddy any more.
    """

    NOTHING = auto()
    WARN = auto()
    TELL = auto()
    CANCELLED = auto()
    AGAIN = auto()
    STOP = auto()
    BACK = auto()
    GONE = auto()


_ASKED, _STANDING, _WARNED, _TELLING, _TOLD, _ENDED, _OVER = (
    BuddyState.ASKED,
    BuddyState.STANDING,
    BuddyState.WARNED,
    BuddyState.TELLING,
    BuddyState.TOLD,
    BuddyState.ENDED,
    BuddyState.OVER,
)

MOVES: Mapping[BuddyState, Mapping[type[Move], BuddyState]] = {
    _ASKED: {Agree: _STANDING, Lapse: _OVER, End: _OVER},
    _STANDING: {Put: _STANDING, Miss: _STANDING, Live: _STANDING, Hour: _WARNED, End: _ENDED, Leave: _OVER}
    | {Agree: _STANDING, Change: _STANDING, Keep: _STANDING},
    _WARNED: {Put: _WARNED, Miss: _WARNED, Live: _STANDING, Hour: _TELLING, Arrive: _WARNED}
    | {Fail: _STANDING, End: _ENDED, Leave: _OVER, Agree: _WARNED, Keep: _WARNED},
    _TELLING: {Put: _TELLING, Miss: _TELLING, Live: _STANDING, Arrive: _TOLD, Fail: _TOLD}
    | {End: _ENDED, Leave: _OVER, Agree: _TELLING, Keep: _TELLING},
    _TOLD: {Put: _TOLD, Miss: _TOLD, Live: _STANDING, End: _ENDED, Leave: _OVER, Agree: _TOLD, Keep: _TOLD},
    _ENDED: {Leave: _OVER},
    _OVER: {},
}
"""What can happen in each state, and the state after it; an `Hour` may also leave it as it is, or begin it
anew."""

STANDS = (_STANDING, _WARNED, _TELLING, _TOLD)
"""Where there is a buddy."""


def ordered(record: Buddy, words: SendForBuddy) -> bool:
    """Whether these are the words that are to go to the buddy by themselves now."""
    at = record.tells_at
    return record.state is _TELLING and at is not None and words.until == at + SENT_WITHIN


def wanted(record: Buddy | None, words: SendForBuddy) -> bool:
    """Whether words that wait are still to go; `record` is None where nothing is left of it.

    The warning goes whatever came since. What the member asked for goes as long as there is a buddy.
    """
    match words.step:
        case "warn":
            return True
        case "tell":
            return record is not None and ordered(record, words)
        case "asked":
            return record is not None and record.state in STANDS


def half(record: Buddy) -> timedelta:
    """From the last check-in that counts to the warning, and from the warning to the words."""
    return record.hours / 2


def with_words(record: Buddy, new: NewWords, after: int, hours: timedelta) -> Buddy:
    """The record as it would be with other words, told after others."""
    words = replace(record, words=new.words, please=new.please, please_not=new.please_not)
    return replace(words, after=after, hours=hours)


def advance(record: Buddy, move: Move, now: datetime) -> tuple[Buddy, Next]:
    """The record after `move`, and what follows. Raises IllegalMove, and then nothing changed.

    Where other words are asked about, `due_at` is the sooner of that question's hour and the count's own.
    """
    if record.new is not None:
        record = replace(record, due_at=record.new.counts_at)
    moved, followed = _advance(record, move, now)
    if moved.new is not None:
        hours = [hour for hour in (moved.due_at, moved.new.until) if hour is not None]
        moved = replace(moved, new=replace(moved.new, counts_at=moved.due_at), due_at=min(hours))
    return moved, followed


def _advance(record: Buddy, move: Move, now: datetime) -> tuple[Buddy, Next]:
    state = MOVES[record.state].get(type(move))
    if state is None:
        raise IllegalMove("buddy", record.state, type(move).__name__)
    match move:
        case Agree(consent) if record.state is not _ASKED:
            return _agree_anew(record, consent), Next.NOTHING
        case Change(after, hours, new):
            changed = replace(_anew(record), after=after, hours=hours, new=new)
            return changed, Next.NOTHING
        case Keep():
            return replace(record, new=None), Next.NOTHING
        case Agree(consent):
            given = record.consents if consent is None else (*record.consents, (record.other, consent))
            return replace(
                record, state=state, since=None, due_at=None, agreed_at=now, consents=given
            ), Next.NOTHING
        case Put(heard_since):
            return _put(record, heard_since, now), Next.NOTHING
        case Miss():
            return _miss(record), Next.NOTHING
        case Live():
            followed = {_WARNED: Next.CANCELLED, _TELLING: Next.STOP, _TOLD: Next.BACK}
            silent = record.tells_at is None
            return _anew(record), Next.NOTHING if silent else followed.get(record.state, Next.NOTHING)
        case Hour(heard_since):
            return _hour(record, heard_since, now)
        case Arrive() if state is _TOLD:
            return replace(record, state=state, tells_at=now), Next.NOTHING
        case Arrive():
            return replace(record, arrived=True), Next.NOTHING
        case Fail() if state is _TOLD:
            # It ends there all the same; only that the words went is not said later.
            return replace(record, state=state, tells_at=None), Next.NOTHING
        case Fail():
            return _anew(record), Next.NOTHING
        case Leave():
            followed_by = Next.NOTHING if record.state is _ENDED else Next.GONE
            return replace(record, state=state, due_at=None, new=None), followed_by
        case End() if state is _ENDED:
            return _without_words(record), Next.NOTHING
    return replace(record, state=state, due_at=None, new=None), Next.NOTHING


def _agree_anew(record: Buddy, consent: Consent | None) -> Buddy:
    """The buddy's yes to the new words, which take the place of the old ones; so do the consents."""
    new = record.new
    if new is None:
        return record
    given = ((record.member, new.consent), (record.other, consent))
    replaced = {who for who, yes in given if yes is not None}
    consents = tuple(one for one in record.consents if one[0] not in replaced)
    consents += tuple((who, yes) for who, yes in given if yes is not None)
    changed = with_words(record, new, record.after, record.hours)
    return replace(changed, consents=consents, new=None)


def _put(record: Buddy, heard_since: datetime | None, now: datetime) -> Buddy:
    if record.state is not _STANDING or not record.after:
        return record
    if _outage(record, heard_since):
        record = _anew(record)
    count = record.unanswered + 1
    counted = replace(record, unanswered=count, since=record.since or now)
    return replace(counted, due_at=now + half(record)) if count == record.after else counted


def _miss(record: Buddy) -> Buddy:
    if record.state is not _STANDING or not record.unanswered:
        return record
    left = record.unanswered - 1
    due_at = record.due_at if left >= record.after else None
    return replace(record, unanswered=left, since=record.since if left else None, due_at=due_at)


def _hour(record: Buddy, heard_since: datetime | None, now: datetime) -> tuple[Buddy, Next]:
    if record.due_at is None or record.due_at > now:
        return record, Next.NOTHING
    warned = record.state is _WARNED
    if heard_since is None:
        return replace(record, due_at=now + _LOOK_AGAIN), Next.NOTHING
    if _outage(record, heard_since) or (warned and not record.arrived):
        return _anew(record), Next.AGAIN if warned else Next.NOTHING
    if not warned:
        tells_at = now + half(record)
        due_at = tells_at + READ_WITHIN
        return replace(record, state=_WARNED, tells_at=tells_at, arrived=False, due_at=due_at), Next.WARN
    return replace(record, state=_TELLING, due_at=None, tells_at=now), Next.TELL


def _outage(record: Buddy, heard_since: datetime | None) -> bool:
    """Whether the service could not read at some time since the first check-in that counts."""
    return heard_since is not None and record.since is not None and heard_since > record.since


def _anew(record: Buddy) -> Buddy:
    """The count begins anew."""
    return replace(
        record,
        state=_STANDING,
        unanswered=0,
        since=None,
        due_at=None,
        tells_at=None,
        arrived=False,
    )


def _without_words(record: Buddy) -> Buddy:
    """That its buddy once said yes, which is theirs to end, and nothing else."""
    left = tuple((who, consent) for who, consent in record.consents if who == record.other)
    ended = replace(_anew(record), state=_ENDED, words="", please=(), please_not=(), consents=left, new=None)
    return replace(ended, after=0, hours=timedelta(0))
