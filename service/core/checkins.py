"""How a check-in goes from one of its times to the next: what came, what was let go, what is taken back.

Guards: a time comes once, and one that is too late is let go; of an older question and a newer one only the
newer is there to be answered, and the older is taken back; nothing is counted;
nothing comes after its end, before which its member is asked once whether it goes on: a question that did
not arrive, or was taken back unseen, did not ask.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum, auto
from zoneinfo import ZoneInfo

from schema.effects import Withdraw
from schema.errors import IllegalMove
from schema.ids import OutboxId, RoomId
from schema.records import CheckIn, Put, Rhythm
from schema.states import CheckInState
from service.core import recurrence
from service.core.change import replace
from service.core.recurrence import ONCE, Occurrence

LATE = timedelta(minutes=10)
"""From then on what could not be written sooner says the hour that it was meant for."""

PATIENCE = timedelta(minutes=15)
"""What could not be sent for so long is put again, and says for which hour it was meant."""

LIMITS = (timedelta(hours=1), timedelta(hours=3), timedelta(hours=12))
"""How late it may come, to choose from."""
USUAL_LIMIT = LIMITS[1]

WEEKS = (4, 8, 26, 52)
"""How long it goes on, to choose from."""
USUAL_WEEKS = 8

KEPT = timedelta(days=7)
"""How long the last one can be answered, or taken up again."""

LONGEST_PAUSE = timedelta(weeks=26)
"""How long one that is paused without a day is kept."""

MOST = 100
"""How many of one member's stand at once: more than anybody needs, and no row that grows without end."""

_LOOK_BEFORE = timedelta(hours=26)
"""So long before its time it is looked at, by the rules that its zone has then: they may be new."""


@dataclass(frozen=True)
class Come:
    """An hour of it has come: its time, or one at which it is looked at again; `again` is the next of those.

    What came goes to DUE; what is too late by now is let go, and it waits for the next.
    """

    again: timedelta


@dataclass(frozen=True)
class Reach:
    """The question goes to its member, in `room`."""

    room: RoomId


@dataclass(frozen=True)
class Miss:
    """The question did not arrive; it is tried again after `again`."""

    again: timedelta


@dataclass(frozen=True)
class Live:
    """Its member wrote anything at all: a sign of life."""


@dataclass(frozen=True)
class Answer:
    """Its member answered the question."""


@dataclass(frozen=True)
class LetGo:
    """The turn is over without an answer: something newer came."""


@dataclass(frozen=True)
class Skip:
    """Its next time does not come: the one that is on its way, where one is."""


@dataclass(frozen=True)
class Pause:
    """Nothing comes before `until`; None: until its member says so. `clockless`: until they name a city."""

    until: datetime | None = None
    clockless: bool = False


@dataclass(frozen=True)
class Resume:
    """It goes on after a pause, which its end moves with."""


@dataclass(frozen=True)
class Change:
    """It is otherwise from now on."""

    rhythm: Rhythm
    zone: str
    ends: date
    question: str
    late: timedelta


@dataclass(frozen=True)
class Move:
    """Its member lives in another zone: the hours on the wall stay the same."""

    zone: str


@dataclass(frozen=True)
class GoOn:
    """It goes on until the day `ends`."""

    ends: date


@dataclass(frozen=True)
class End:
    """Its member ends it, or is forgotten."""


AnyMove = Come | Reach | Miss | Live | Answer | LetGo | Skip | Pause | Resume | Change | Move | GoOn | End

_WAITING, _DUE, _OPEN, _PAUSED = (
    CheckInState.WAITING,
    CheckInState.DUE,
    CheckInState.OPEN,
    CheckInState.PAUSED,
)
_ANY: Mapping[type[AnyMove], CheckInState] = {
    Skip: _WAITING,
    Pause: _PAUSED,
    Change: _WAITING,
    Move: _WAITING,
    GoOn: _WAITING,
    End: CheckInState.OVER,
}

MOVES: Mapping[CheckInState, Mapping[type[AnyMove], CheckInState]] = {
    _WAITING: {**_ANY, Come: _DUE, Reach: _WAITING, Miss: _WAITING, Live: _WAITING, Answer: _WAITING}
    | {LetGo: _WAITING},
    _DUE: {**_ANY, Come: _DUE, Reach: _OPEN, Live: _DUE, LetGo: _WAITING, Move: _DUE}
    | {GoOn: _DUE, Miss: _DUE, Answer: _WAITING},
    _OPEN: {**_ANY, Come: _DUE, Reach: _OPEN, Miss: _DUE, Live: _WAITING, Answer: _WAITING, LetGo: _WAITING}
    | {Move: _OPEN, Skip: _OPEN, GoOn: _OPEN},
    _PAUSED: {Come: _WAITING, Live: _PAUSED, Answer: _PAUSED, Resume: _WAITING, Miss: _PAUSED}
    | {Pause: _PAUSED, Change: _PAUSED, Move: _PAUSED, GoOn: _PAUSED, End: CheckInState.OVER},
    CheckInState.OVER: {},
}
"""What can happen in each state, and the state after it.

After `Come` it may wait again (nothing has come yet, or it was too late), be paused still, or be over; after
`Move` one that had no clock waits again; where nothing is left after a pause, or after the answer to one that
comes once, it is over.
"""


def begin(record: CheckIn, now: datetime) -> CheckIn:
    """The check-in from now on, with its first time; its own is to be seen by `at`, which may be None."""
    return _to(record, _next(record, now), now)


def is_last(record: CheckIn) -> bool:
    """Whether no further time comes."""
    return record.at is None


def may_go_on(record: CheckIn) -> bool:
    """Whether its member is to be asked if it goes on: its last time is here or past, and they were not."""
    return record.at is None and record.rhythm.every != ONCE and not record.asked_on


def not_asked(record: CheckIn) -> CheckIn:
    """The check-in, whose member was to be asked whether it goes on, and it did not reach them."""
    return replace(record, asked_on=False)


def to_ask(record: CheckIn) -> bool:
    """Whether its last time is past and let go, so that its member is to be asked otherwise if it goes on."""
    return record.state is _WAITING and record.turn is None and may_go_on(record)


def stay(record: CheckIn, now: datetime) -> CheckIn:
    """The check-in that has come to its end, kept as long again as it can be taken up."""
    return _look_again(replace(_over(record), said=(), state=_WAITING), now)


def has_come(record: CheckIn, now: datetime) -> datetime | None:
    """The last time of it that has come by `now` and was not handed over yet, where it is not too late."""
    if record.at is None or record.at > now or record.state is _PAUSED or not recurrence.known(record.zone):
        return None
    return _take(record, now, record.late)[0].turn


def asked_on(record: CheckIn) -> CheckIn:
    """The check-in, whose member was asked whether it goes on."""
    return replace(record, asked_on=True)


def end_of(rhythm: Rhythm, zone: str, now: datetime, weeks: int) -> date:
    """The last day of one that goes on from `now` for so many weeks, and comes once more at least.

    It is the only day of one that comes once.
    """
    first = recurrence.following(rhythm, zone, now)
    last = now.astimezone(ZoneInfo(zone)).date() + timedelta(weeks=weeks)
    if first is None:
        return last
    return first.day if rhythm.every == ONCE else max(first.day, last)


def comes_after(record: CheckIn) -> bool:
    """Whether a time of it is left when its pause ends; True where that is not known."""
    if record.state is not _PAUSED or record.paused_until is None or not recurrence.known(record.zone):
        return True
    return _resume(record, record.paused_until).state is not CheckInState.OVER


def waits(record: CheckIn) -> bool:
    """Whether one of its times has come, and did not reach its member yet."""
    return record.state is _DUE and record.turn is not None


class Late(Enum):
    """Why the hour that a question was meant for is said with it.

    BEHIND: it waited until no other question was open. OURS: it could not be written sooner.
    """

    BEHIND = auto()
    OURS = auto()


def why_late(record: CheckIn, waits_since: datetime, now: datetime) -> Late | None:
    """Why the question, which waits to be put since `waits_since`, comes now and did not at its hour; None
    where it comes in time, or has come before.
    """
    if record.state is not _DUE or record.turn is None:
        return None
    if record.puts == 0 and waits_since - record.turn < LATE:
        return Late.BEHIND if waits_since < now else None
    return Late.OURS if now - record.turn >= LATE else None


def mark(record: CheckIn) -> OutboxId:
    """The id of the message in which the present turn is put next: the same for the same, whoever asks."""
    if record.turn is None:
        raise IllegalMove("check-in", record.state, "mark")
    said = f"check-in {record.id} {record.turn.isoformat()} {record.puts}"
    return OutboxId(hashlib.sha256(said.encode()).hexdigest()[:32])


def advance(record: CheckIn, move: AnyMove, now: datetime) -> tuple[CheckIn, tuple[Withdraw, ...]]:
    """The check-in after `move`, and what is withdrawn. Raises IllegalMove, and then nothing changed."""
    state = MOVES[record.state].get(type(move))
    if state is None:
        raise IllegalMove("check-in", record.state, type(move).__name__)
    match move:
        case Come(again):
            return _come(record, now, again)
        case Reach(room):
            return _reach(record, state, room, now)
        case Miss(again):
            return _miss(record, state, now + again), ()
        case Live():
            return replace(record, state=state), ()
        case Answer():
            over = replace(_over(record), said=(), state=state)
            if over.at is None and over.rhythm.every == ONCE:
                return replace(over, state=CheckInState.OVER, due_at=None), ()
            return _look_again(over, now), ()
        case LetGo():
            asked = record.asked_on and not (record.state is _OPEN and is_last(record))
            left = replace(_over(record), said=(), state=state, asked_on=asked)
            return _look_again(left, now), _withdrawn(record)
        case Skip() if record.state is _DUE:
            return advance(record, LetGo(), now)
        case Skip() if record.at is not None:
            skipped = replace(record, last=record.wall)
            return _look_again(_to(skipped, _next(skipped, record.at), now), now), ()
        case Skip():
            return record, ()
        case Pause(until, clockless):
            paused = replace(_over(record), said=(), state=state, paused_until=until, clockless=clockless)
            paused = replace(paused, paused_at=record.paused_at or now)
            withdrawn = _withdrawn(record) if clockless or record.state is _DUE else ()
            return replace(paused, due_at=until or now + LONGEST_PAUSE), withdrawn
        case Resume():
            return _resume(record, now), ()
        case End():
            return replace(_over(record), said=(), state=state, due_at=None), _withdrawn(record)
        case Change(rhythm, zone, ends, question, late):
            changed = replace(_over(record), said=(), state=state, rhythm=rhythm, zone=zone, ends=ends)
            changed = replace(changed, question=question, late=late, asked_on=False)
            return _to(changed, _next(changed, now), now), _withdrawn(record)
        case Move(zone):
            moved = replace(record, zone=zone, state=state)
            if record.clockless:
                return _resume(moved, now), ()
            return _to(moved, _next(moved, now), now), ()
        case GoOn(ends):
            goes_on = replace(record, ends=ends, asked_on=False, state=state)
            return _to(goes_on, _next(goes_on, now), now), ()


def _come(record: CheckIn, now: datetime, again: timedelta) -> tuple[CheckIn, tuple[Withdraw, ...]]:
    if record.state is _PAUSED:
        if record.paused_until is not None and now >= record.paused_until:
            return _resume(record, now), ()
        kept = record.paused_until or (record.paused_at or now) + LONGEST_PAUSE
        return replace(record, state=CheckInState.OVER if now >= kept else _PAUSED, due_at=kept), ()
    if record.at is not None and record.wall is not None:
        # The rules of the zone may be others than when this was worked out.
        record = replace(record, at=recurrence.instant(record.wall, record.zone))
    if record.at is not None and record.at <= now:
        return _take(record, now, again)
    if record.state is _DUE and record.turn is not None:
        if now - record.turn >= record.late:
            return _look_again(replace(_over(record), said=(), state=_WAITING), now), _withdrawn(record)
        return replace(record, due_at=_soonest(now + again, record.turn + record.late, record.at)), ()
    if record.at is None and record.due_at is not None and now >= record.due_at:
        return replace(_over(record), said=(), state=CheckInState.OVER, due_at=None), _withdrawn(record)
    return _look_again(record, now), ()


def _take(record: CheckIn, now: datetime, again: timedelta) -> tuple[CheckIn, tuple[Withdraw, ...]]:
    """Take the last of the times that have come, where it is not too late; those before it are let go."""
    withdrawn = _withdrawn(record)
    record = replace(_over(record), said=(), state=_WAITING)
    if record.at is not None and now - record.at >= record.late:
        record = _to(record, _next(record, now - record.late), now)
    came: Occurrence | None = None
    while record.at is not None and record.wall is not None and record.at <= now:
        came = Occurrence(record.wall, record.at)
        record = _to(replace(record, last=came.wall), _next(record, came.at), now)
    if came is None:
        return _look_again(record, now), withdrawn
    due_at = _soonest(now + again, came.at + record.late, record.at)
    return replace(record, state=_DUE, turn=came.at, puts=0, due_at=due_at), withdrawn


def _reach(
    record: CheckIn, state: CheckInState, room: RoomId, now: datetime
) -> tuple[CheckIn, tuple[Withdraw, ...]]:
    # What holds it from before goes: there is one message that can be answered.
    put = Put(room, mark(record), now)
    reached = replace(record, state=state, said=(put,), puts=record.puts + 1)
    if is_last(record):
        reached = replace(reached, asked_on=True)
    return _look_again(reached, now), _withdrawn(record)


def _miss(record: CheckIn, state: CheckInState, again: datetime) -> CheckIn:
    if record.state is not _OPEN:
        return record
    asked = record.asked_on and not is_last(record)
    return replace(record, state=state, asked_on=asked, due_at=_soonest(again, record.at))


def _resume(record: CheckIn, now: datetime) -> CheckIn:
    paused = now - (record.paused_at or now)
    record = replace(record, state=_WAITING, paused_at=None, paused_until=None, clockless=False)
    record = replace(record, ends=record.ends + timedelta(days=paused.days))
    resumed = _to(record, _next(record, now), now)
    return resumed if resumed.at is not None else replace(resumed, state=CheckInState.OVER, due_at=None)


def _over(record: CheckIn) -> CheckIn:
    """The check-in, whose present turn cannot be answered any more."""
    return replace(record, turn=None, puts=0)


def _withdrawn(record: CheckIn) -> tuple[Withdraw, ...]:
    return tuple(Withdraw(put.room, put.mark, put.at) for put in record.said)


def _next(record: CheckIn, after: datetime) -> Occurrence | None:
    """Its first time later than `after`, and than the last that came; none after its end."""
    if record.last is not None:
        # The same day's hour may come again in a zone further west.
        after = max(after, recurrence.instant(record.last, record.zone))
    found = recurrence.following(record.rhythm, record.zone, after)
    return found if found is not None and found.day <= record.ends else None


def _to(record: CheckIn, found: Occurrence | None, now: datetime) -> CheckIn:
    """The check-in, whose next time is `found`."""
    at, wall = (found.at, found.wall) if found is not None else (None, None)
    return _look_again(replace(record, at=at, wall=wall), now)


def _look_again(record: CheckIn, now: datetime) -> CheckIn:
    """The check-in, due when it is looked at next; one that is on its way, or paused, has its hour."""
    if record.state in (_DUE, _PAUSED, CheckInState.OVER):
        return record
    if record.at is None:
        return replace(record, due_at=(record.turn or now) + KEPT)
    early = record.at - _LOOK_BEFORE
    return replace(record, due_at=early if early > now else record.at)


def _soonest(*hours: datetime | None) -> datetime:
    return min(hour for hour in hours if hour is not None)
