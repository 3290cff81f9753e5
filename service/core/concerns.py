"""How a concern moves between its writer and its readers, and the pause of a pairing that can follow.

Guards: only those read it whom its writer chose; where two read, neither decides anything alone that reaches
the person whom it is about; a pause has an end, a reason that its person sees, and one answer, and it names
neither who had a concern nor which; whatever nobody does anything about ends at its hour.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from schema.effects import Tell
from schema.errors import IllegalMove
from schema.ids import ConcernId, LinkId, MemberId, PairingPauseId
from schema.records import Concern, Consent, PairingPause, Proposal
from schema.states import ConcernState

T = TypeVar("T")

TOGETHER = 2
"""How many read one concern, where so many are chosen."""

MOST_ANSWERS = 10
"""How many answers to one concern are kept, and so how many there can be."""

MOST = 3
"""How many concerns of one member stand at once."""

ABOUT = ("pairing", "ask", "service")
"""What a concern can be about."""

PAUSES = (timedelta(days=7), timedelta(days=28), timedelta(days=91))
"""How long somebody's pairing can be paused."""

UNOPENED = timedelta(days=2)
"""After this its writer hears, once, that nobody has opened it; after half of its time where that is less."""

_SAME_HOUR = timedelta(seconds=1)
"""A column keeps milliseconds, so that two hours that are one may differ by less than one."""


@dataclass(frozen=True)
class Open:
    """A reader opens it."""

    reader: MemberId


@dataclass(frozen=True)
class Answer:
    """A reader answers its writer."""

    reader: MemberId
    words: str


@dataclass(frozen=True)
class Propose:
    """A reader would pause the other person's pairing: it begins at once where nobody else reads."""

    reader: MemberId
    length: timedelta
    reason: str


@dataclass(frozen=True)
class Agree:
    """The second reader agrees to what the first proposed."""

    reader: MemberId


@dataclass(frozen=True)
class Decline:
    """The second reader does not agree."""

    reader: MemberId


@dataclass(frozen=True)
class Lose:
    """Somebody reads it no more: they gave it back, are forgotten, or are no reader by the configuration.

    The next whom its writer chose reads it in their place, where there is one.
    """

    reader: MemberId


@dataclass(frozen=True)
class Change:
    """Its writer adds to it, or chooses other readers: whoever reads it now is to open it anew."""

    words: str
    readers: tuple[MemberId, ...]
    named: bool
    consent: Consent | None = None
    spare: tuple[MemberId, ...] = ()


@dataclass(frozen=True)
class Remind:
    """The hour at which its writer hears that nobody has opened it."""


@dataclass(frozen=True)
class TakeBack:
    """Its writer takes it back, or is forgotten."""


@dataclass(frozen=True)
class Lapse:
    """Its time is over."""


Move = Open | Answer | Propose | Agree | Decline | Lose | Change | Remind | TakeBack | Lapse

MOVES: Mapping[ConcernState, Mapping[type[Move], ConcernState]] = {
    ConcernState.WAITING: {
        Open: ConcernState.READ,
        Lose: ConcernState.WAITING,
        Change: ConcernState.WAITING,
        Remind: ConcernState.WAITING,
        TakeBack: ConcernState.OVER,
        Lapse: ConcernState.OVER,
    },
    ConcernState.READ: {
        Open: ConcernState.READ,
        Answer: ConcernState.READ,
        Propose: ConcernState.WEIGHED,
        Lose: ConcernState.READ,
        Change: ConcernState.WAITING,
        TakeBack: ConcernState.OVER,
        Lapse: ConcernState.OVER,
    },
    ConcernState.WEIGHED: {
        Open: ConcernState.WEIGHED,
        Answer: ConcernState.WEIGHED,
        Agree: ConcernState.READ,
        Decline: ConcernState.READ,
        Lose: ConcernState.READ,
        Change: ConcernState.WAITING,
        TakeBack: ConcernState.OVER,
        Lapse: ConcernState.OVER,
    },
    ConcernState.OVER: {},
}
"""What can happen in each state, and the state after it.

`Propose` stays in READ where one reads alone; after `Lose` it is WAITING where nobody who is left opened it.
"""


def begin(
    id: ConcernId,
    member: MemberId,
    *,
    about: str,
    words: str,
    readers: tuple[MemberId, ...],
    other: MemberId,
    named: bool,
    consent: Consent | None,
    now: datetime,
    kept: timedelta,
    spare: tuple[MemberId, ...] = (),
    link: LinkId | None = None,
) -> Concern:
    """A concern from now on, which is kept for `kept`; `link`: over which the two met, where it was one."""
    return Concern(
        id=id,
        member=member,
        state=ConcernState.WAITING,
        made_at=now,
        until=now + kept,
        due_at=_reminder(now, now + kept),
        about=about,
        words=words,
        readers=readers,
        other=other,
        named=named,
        consent=consent,
        spare=spare,
        link=link,
    )


def _reminder(now: datetime, until: datetime) -> datetime:
    """When its writer hears that nobody has opened it, if so."""
    return now + min(UNOPENED, (until - now) / 2)


def together(chosen: Sequence[T], chance: Callable[[], float]) -> tuple[T, ...]:
    """Who of those chosen reads it: two by chance where there are more, in the order in which they stand."""
    drawn = sorted(range(len(chosen)), key=lambda at: (chance(), at))[:TOGETHER]
    return tuple(chosen[at] for at in sorted(drawn))


def may_pause(record: Concern) -> bool:
    """Whether a pause can follow: it is about somebody of whom a hash is there."""
    return record.about == "pairing" and bool(record.other)


def is_reminder(record: Concern) -> bool:
    """Whether the hour that comes next is not yet its end."""
    return record.due_at is not None and record.until - record.due_at > _SAME_HOUR


def allows(record: Concern, move: Move) -> bool:
    """Whether `move` is legal for the record as it stands."""
    if type(move) not in MOVES[record.state]:
        return False
    match move:
        case Open(reader):
            return reader in record.readers
        case Lose(reader):
            return reader in record.readers or reader in record.spare
        case Answer(reader, words):
            return reader in record.opened and bool(words) and len(record.answers) < MOST_ANSWERS
        case Propose(reader, length):
            return reader in record.opened and length in PAUSES and may_pause(record)
        case Agree(reader) | Decline(reader):
            by = record.proposal.reader if record.proposal is not None else reader
            return reader in record.opened and reader != by
        case Change(words, readers, spare=spare):
            several = len({*readers, *spare}) == len(readers) + len(spare)
            return bool(words) and 0 < len(readers) <= TOGETHER and several
    return True


def advance(record: Concern, move: Move, now: datetime) -> tuple[Concern, tuple[Tell, ...]]:
    """The concern after `move`, and what its writer is told. Raises IllegalMove, and then nothing changed."""
    if not allows(record, move) or (isinstance(move, Lapse) and is_reminder(record) and now < record.until):
        raise IllegalMove("concern", record.state, type(move).__name__)
    state = MOVES[record.state][type(move)]
    match move:
        case Open(reader):
            first = record.state is ConcernState.WAITING
            opened = record.opened if reader in record.opened else (*record.opened, reader)
            after = replace(record, state=state, opened=opened, due_at=record.until)
            return after, (_tell(record, "concern.opened"),) if first else ()
        case Answer(reader, words):
            return replace(record, answers=(*record.answers, (reader, words))), ()
        case Propose(reader, length, reason):
            if len(record.readers) < TOGETHER:
                return replace(record, state=ConcernState.READ), (_tell_pause(record, now + length),)
            return replace(record, state=state, proposal=Proposal(reader, length, reason)), ()
        case Agree() if record.proposal is not None:
            until = now + record.proposal.length
            return replace(record, state=state, proposal=None), (_tell_pause(record, until),)
        case Decline():
            return replace(record, state=state, proposal=None), ()
        case Lose(reader):
            return _lose(record, reader, now)
        case Change(words, readers, named, consent, spare):
            hour = _reminder(now, record.until)
            after = replace(record, state=state, words=words, readers=readers, named=named, consent=consent)
            return replace(after, spare=spare, opened=(), proposal=None, reminded=False, due_at=hour), ()
        case Remind():
            after = replace(record, reminded=True, due_at=record.until)
            return after, (_tell(record, "concern.unopened", until=record.until),)
        case Lapse():
            key = "concern.lapsed" if record.opened else "concern.lapsed_unopened"
            return replace(record, state=state, proposal=None, due_at=None), (_tell(record, key),)
        case TakeBack():
            return replace(record, state=state, proposal=None, due_at=None), ()
    return replace(record, state=state), ()


def _lose(record: Concern, reader: MemberId, now: datetime) -> tuple[Concern, tuple[Tell, ...]]:
    if reader not in record.readers:
        return replace(record, spare=tuple(one for one in record.spare if one != reader)), ()
    left = tuple(one for one in record.readers if one != reader)
    following, spare = record.spare[:1], record.spare[1:]
    opened = tuple(one for one in record.opened if one != reader)
    state = ConcernState.READ if opened else ConcernState.WAITING
    after = replace(record, state=state, readers=left + following, spare=spare, opened=opened, proposal=None)
    if following and not opened:
        after = replace(after, reminded=False, due_at=_reminder(now, record.until))
    elif not left:
        after = replace(after, due_at=record.until)
    key = "concern.replaced" if following else "concern.one_left" if left else "concern.nobody_left"
    return after, (_tell(record, key),)


def pause_of(record: Concern, move: Move, id: PairingPauseId, now: datetime) -> PairingPause | None:
    """The pause that `move` decides for the concern as it stood before, or None where it decides none."""
    if isinstance(move, Agree) and record.proposal is not None:
        length, reason = record.proposal.length, record.proposal.reason
    elif isinstance(move, Propose) and len(record.readers) < TOGETHER:
        length, reason = move.length, move.reason
    else:
        return None
    return PairingPause(id, record.other, now, now + length, reason, record.readers, link=record.link)


def without(record: Concern, reader: MemberId) -> Concern:
    """The concern, with no id of a reader who is forgotten; what they answered stays its writer's."""
    answers = tuple((MemberId("") if by == reader else by, words) for by, words in record.answers)
    return replace(record, answers=answers)


def _tell(record: Concern, words: str, **values: object) -> Tell:
    return Tell(record.member, words, (("made", record.made_at), *values.items()), notice=True)


def _tell_pause(record: Concern, until: datetime) -> Tell:
    key = "concern.paused" if record.link is None else "concern.paused_linked"
    told = _tell(record, key, until=until)
    return replace(told, notice=False)
