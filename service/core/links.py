"""A link between two collectives: how it comes to be, what may cross it, and how it ends.

Guards: nothing but the making of keys crosses before both sides' stewards found the same words; either side
pauses or cuts it alone, at once; a side that was restored, or whose words differed, begins with new keys;
what comes across is refused by the first check that it fails, the cheapest first, and changes nothing then.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Literal

from schema.errors import IllegalMove
from schema.ids import LinkId, MatrixId
from schema.records import Link, LinkEpoch, Making, Received
from schema.states import LinkState, MakingState
from schema.wire import Ask, Body, Cut, Envelope, Hello, KeyChange, NewTerms, Opening, Pause, Terms
from service.core import counters
from service.core.counters import Order
from service.core.handshake import commitment, transcript
from service.core.terms import Agreed, Known, Outside, agree, as_said, outside, share_hours

FUTURE = timedelta(minutes=5)
"""How far ahead of ours a partner's clock may be."""

NOTICE = timedelta(days=14)
"""How long before a link ends by its terms the stewards are told."""

TOLD_A_DAY = 6
"""Of how many changes by the other side the stewards are told in 24 hours: it cannot fill their room."""

LONGEST = timedelta(days=8)
"""The longest time between the issue and the expiry of anything: an ask for a week ahead, and a day."""

MAKING = timedelta(days=14)
"""How long the stewards of both sides have to agree and to compare the words."""

DRAIN = LONGEST
"""How long what was sealed with the keys before is still received."""

DAY = timedelta(days=1)
_NONE = timedelta(0)

TRIES_A_DAY = 8
"""How often in a day a partner may begin to make keys anew, or have us do so or say our step again.

Each costs keys, or shows both sides' stewards other words.
"""

AGAIN = tuple(timedelta(hours=hours) for hours in (1, 2, 4, 8, 12))
"""After how long our steps to keys are said again, where they are not answered; from then on after the last.

The other side may have refused them for a day, where it had enough tries.
"""

AHEAD = 1000
"""How much later a try of the partner's may be than ours: rounds are finite, and none may use them up."""


class Refusal(StrEnum):
    """Why something is not taken, in the order in which it is looked for.

    SIZE: it is too large. SHAPE: it has no form that the protocol has. VERSION: the partner's, of a version
    not spoken here. LINK: no link of that name. OVER: the link was cut, or has expired. AUDIENCE: it is for
    another. EPOCH: not the keys in use. EXPIRED, FUTURE: by its times, or it lives too long. AGAIN, LATE:
    by its counter. PACE: more came than is looked at. FORGED: the partner did not sign it. SEAL: it does not
    open, or what is in it is none of the protocol's. KIND: nothing of the kind crosses now. TURN, COMMITMENT:
    no step that the making of keys awaits. TERMS: an ask outside what both allow. QUOTA: one too many,
    or a try at new keys too many.
    """

    SIZE = "size"
    SHAPE = "shape"
    VERSION = "version"
    LINK = "link"
    OVER = "over"
    AUDIENCE = "audience"
    EPOCH = "epoch"
    EXPIRED = "expired"
    FUTURE = "future"
    AGAIN = "again"
    LATE = "late"
    PACE = "pace"
    FORGED = "forged"
    SEAL = "seal"
    KIND = "kind"
    TURN = "turn"
    COMMITMENT = "commitment"
    TERMS = "terms"
    QUOTA = "quota"


TOLD: Mapping[Refusal, Literal["version", "quota"]] = {Refusal.VERSION: "version", Refusal.QUOTA: "quota"}
"""All that a partner is told, and only where they signed what was refused."""


Sent = tuple[tuple[int, Body], ...]
"""What is to cross, each with the number of the epoch that it is sealed in; 0 is an opening."""


@dataclass(frozen=True)
class Taken:
    """What came of one event: the link after it, what it said where it was taken, what is to cross now."""

    link: Link | None
    body: Body | None = None
    crosses: Sent = ()
    refusal: Refusal | None = None


@dataclass(frozen=True)
class Agree:
    """Our stewards take up what the other side's proposed, with our two steps to keys."""

    hello: Hello
    keys: KeyChange


@dataclass(frozen=True)
class Rotate:
    """New keys are to be made: at a steward's wish, by answer to the other side, or after a restore."""

    hello: Hello
    keys: KeyChange


@dataclass(frozen=True)
class Same:
    """Our stewards compared the words of that transcript by another way, and they are the same."""

    made: str


@dataclass(frozen=True)
class Differ:
    """They differ: somebody is in the middle, or made a mistake."""


@dataclass(frozen=True)
class SetPause:
    """A steward of ours pauses the link, or takes that back."""

    paused: bool


@dataclass(frozen=True)
class SetTerms:
    """Our terms are others from now on."""

    terms: Terms


@dataclass(frozen=True)
class End:
    """A steward of ours cuts the link."""


@dataclass(frozen=True)
class Restored:
    """Our own database is an older one, so that what we counted went back."""


@dataclass(frozen=True)
class Lapse:
    """An hour at which something of it may be over."""


Move = Agree | Rotate | Same | Differ | SetPause | SetTerms | End | Restored | Lapse

MOVES: Mapping[LinkState, frozenset[type[Move]]] = {
    LinkState.LINKING: frozenset({Agree, Same, Differ, SetTerms, End, Restored, Lapse}),
    LinkState.LIVE: frozenset({Rotate, Same, Differ, SetPause, SetTerms, End, Restored, Lapse}),
    LinkState.PAUSED: frozenset({Rotate, Same, Differ, SetPause, SetTerms, End, Restored, Lapse}),
    LinkState.RESYNC: frozenset({Rotate, Same, Differ, SetPause, SetTerms, End, Restored, Lapse}),
    LinkState.CUT: frozenset(),
    LinkState.EXPIRED: frozenset(),
}
"""What this side can do in each state."""

_KEYS = frozenset({"hello", "key_change", "terms", "pause", "cut", "error"})
_BEGINS = frozenset({"ask", "answer", "note", "consent", "introduce"})
_GOES_ON = frozenset({"withdraw", "more", "close"})

OVER = (LinkState.CUT, LinkState.EXPIRED)

CROSSES: Mapping[LinkState, frozenset[str]] = {
    LinkState.LINKING: frozenset({"hello", "key_change", "terms"}),
    LinkState.LIVE: _KEYS | _BEGINS | _GOES_ON,
    # What has not led to a room can still be taken back, and a room goes on as long as its two agree.
    LinkState.PAUSED: _KEYS | _GOES_ON,
    LinkState.RESYNC: _KEYS,
    LinkState.CUT: frozenset(),
    LinkState.EXPIRED: frozenset(),
}
"""Which kinds the other side can have taken in each state, and which this side sends."""

# ---- how it comes to be


def propose(
    id: LinkId, us: str, them: str, hello: Hello, keys: KeyChange, now: datetime
) -> tuple[Link, Sent]:
    """A link that our stewards ask for. Raises IllegalMove unless the steps are those of a first epoch."""
    link = Link(id, us, them, LinkState.LINKING, terms=hello.terms)
    return _begin(link, hello, keys, now)


def proposed(id: LinkId, us: str, them: str, hello: Hello, terms: Terms, now: datetime) -> Link | None:
    """A link that the other side asks for; our stewards may agree. None where the hello is no first one."""
    link = Link(id, us, them, LinkState.LINKING, terms=terms)
    heard = hear(link, hello, 0, now)
    return heard.link if heard.refusal is None and hello.round == 1 else None


def advance(link: Link, move: Move, now: datetime) -> tuple[Link, Sent]:
    """The link after a move of this side's, and what then crosses. Raises IllegalMove."""
    if type(move) not in MOVES[link.state]:
        raise _illegal(link, move)
    match move:
        case Agree() | Rotate():
            answers = link.making is not None and link.making.our_hello is None
            if not answers and (link.making is not None or isinstance(move, Agree)):
                raise _illegal(link, move)
            return _begin(link, move.hello, move.keys, now)
        case Same():
            return _confirm(link, move, now)
        case Differ():
            if link.making is None or link.making.epoch is None:
                raise _illegal(link, move)
            over = LinkState.CUT if link.state is LinkState.LINKING else LinkState.RESYNC
            return replace(_give_up(link), state=over), ()
        case SetPause(paused):
            after = replace(link, paused_here=paused)
            after = after if link.state is LinkState.RESYNC else replace(after, state=_running(after))
            return after, _now(after, Pause(paused=paused))
        case SetTerms(terms):
            body = NewTerms(terms=terms)
            after, making = replace(link, terms=terms), link.making
            if making is not None and making.state is MakingState.CONFIRMED:
                # Ours were said in the epoch that comes, and what is said in an earlier one counts no more.
                return after, (*_now(after, body), (making.number, body))
            return after, _now(after, body)
        case End():
            return replace(link, state=LinkState.CUT, making=None), _now(link, Cut())
        case Restored():
            return _restored(link), ()
        case Lapse():
            return _say_again(_lapse(link, now), now)


def wants_keys(link: Link) -> tuple[int, int] | None:
    """The epoch and the round for which this side is to make keys now, by itself: then it moves to Rotate.

    That is in answer to the other side's, or after one of the two was restored or words differed.
    """
    making = link.making
    if link.state not in (LinkState.LIVE, LinkState.PAUSED, LinkState.RESYNC):
        return None
    waits = making.our_hello is None if making is not None else link.state is LinkState.RESYNC
    return next_keys(link) if waits else None


def next_keys(link: Link) -> tuple[int, int]:
    """The epoch and the round of the keys that this side can make now."""
    making = link.making
    answers = making is not None and making.our_hello is None
    return _next(link), link.rounds if answers else link.rounds + 1


def _begin(link: Link, hello: Hello, keys: KeyChange, now: datetime) -> tuple[Link, Sent]:
    number, round = next_keys(link)
    committed = commitment(link.id, link.us, keys)
    fits = (number, round, number, round, committed)
    if (hello.epoch, hello.round, keys.epoch, keys.round, hello.commitment) != fits:
        raise IllegalMove("a link", link.state, "steps that do not fit it")
    if (hello.reason == "link") is not (link.state is LinkState.LINKING):
        raise IllegalMove("a link", link.state, f"a hello to {hello.reason}")
    making = link.making or Making(number, round, now, MakingState.PROPOSED)
    making = replace(making, our_hello=hello, our_keys=keys)
    steps: list[Body] = [hello]
    if making.their_hello is not None:
        making = replace(making, state=MakingState.COMMITTED)
        steps.append(keys)
    state = LinkState.RESYNC if hello.reason == "restored" else link.state
    link = replace(link, making=making, rounds=round, state=state, terms=hello.terms)
    if making.their_keys is not None:
        link = _show(link, making.their_keys).link
    return link, tuple((_current(link), step) for step in steps)


def _confirm(link: Link, move: Same, now: datetime) -> tuple[Link, Sent]:
    making = link.making
    if making is None or making.state is not MakingState.SHOWN or making.epoch is None:
        raise _illegal(link, move)
    if making.epoch.made != move.made:
        # The keys that they speak of are not those that would be used.
        raise _illegal(link, move)
    crosses: Sent = ((making.number, NewTerms(terms=link.terms)),)
    if not making.heard:
        return replace(link, making=replace(making, state=MakingState.CONFIRMED)), crosses
    link, pause = _take_up(link, making.epoch, now)
    return link, (*crosses, *pause)


def _take_up(link: Link, epoch: LinkEpoch, now: datetime) -> tuple[Link, Sent]:
    """The link with the keys that were made, which both sides' stewards confirmed, and what is said first."""
    drains = tuple(replace(one, until=now + DRAIN) for one in link.epochs[:1])
    # What a side that went back has counted with the old keys says nothing: they are dropped at once.
    kept = () if link.state is LinkState.RESYNC else drains
    link = replace(link, epochs=(epoch, *kept), making=None, rounds=0)
    # A pause that was sealed with the old keys may not have been taken.
    return replace(link, state=_running(link)), ((epoch.number, Pause(paused=link.paused_here)),)


def _restored(link: Link) -> Link:
    if link.state is LinkState.LINKING:
        return replace(link, state=LinkState.CUT, making=None)
    # What came between the backup and now may come again: until there are new keys nothing that could harm by
    # coming twice is taken. The other side may use keys that ours confirmed; any other try begins anew.
    confirmed = link.making is not None and link.making.state is MakingState.CONFIRMED
    return replace(link if confirmed else _give_up(link), state=LinkState.RESYNC)


def _lapse(link: Link, now: datetime) -> Link:
    if link.making is not None and now >= link.making.begun_at + MAKING:
        if link.state is LinkState.LINKING:
            return replace(link, state=LinkState.EXPIRED, making=None)
        link = _give_up(link)
    if link.state is not LinkState.LINKING and now >= agreed(link).until:
        return replace(link, state=LinkState.EXPIRED, making=None, epochs=())
    return replace(link, epochs=tuple(one for one in link.epochs if one.until is None or now < one.until))


def says_again_at(link: Link) -> datetime | None:
    """When our steps to keys are said again, which the other side has not answered; None where none wait."""
    making = link.making
    if making is None or making.our_hello is None or link.state is LinkState.LINKING or link.state in OVER:
        return None
    if making.state not in (MakingState.PROPOSED, MakingState.COMMITTED):
        return None
    return making.again_at or making.begun_at + AGAIN[0]


def _say_again(link: Link, now: datetime) -> tuple[Link, Sent]:
    """The link after its hour came to say our steps again, and these; twice they change nothing there."""
    at = says_again_at(link)
    if link.making is None or at is None or now < at:
        return link, ()
    again = min(link.making.again + 1, len(AGAIN) - 1)
    making = replace(link.making, again=again, again_at=now + AGAIN[again])
    return replace(link, making=making), steps_again(link)


def takes_again_at(link: Link, now: datetime) -> datetime | None:
    """From when on a try of the other side's at new keys is taken; None where one is taken now."""
    tries = sorted(at for at in link.tries if now - at < DAY)
    return tries[-TRIES_A_DAY] + DAY if len(tries) >= TRIES_A_DAY else None


def _give_up(link: Link) -> Link:
    """The link without the keys that were being made; what is said with the ones in use counts again."""
    used = (_current(link), link.epochs[0].received.newest if link.epochs else 0)
    return replace(
        link, making=None, terms_from=min(link.terms_from, used), pause_from=min(link.pause_from, used)
    )


def ends_soon(link: Link, now: datetime) -> datetime | None:
    """When its terms end, where that is near and the stewards have not been told of that hour."""
    if link.state in OVER or link.state is LinkState.LINKING:
        return None
    until = agreed(link).until
    return until if now >= until - NOTICE and link.told_until != until else None


def knows_end(link: Link, now: datetime) -> Link:
    """The link once the stewards have read until when it holds."""
    until = ends_soon(link, now)
    return link if until is None else replace(link, told_until=until)


def tell(link: Link, now: datetime) -> Link | None:
    """The link once the stewards were told of a change by the other side; None where that is one too many."""
    recent = tuple(at for at in link.told if now - at < DAY)
    return replace(link, told=(*recent, now)) if len(recent) < TOLD_A_DAY else None


def steps_again(link: Link) -> Sent:
    """Our steps to the keys that are being made, as far as they may be shown; twice they change nothing."""
    making = link.making
    if making is None or making.our_hello is None or making.our_keys is None:
        return ()
    steps: list[Body] = [making.our_hello]
    if making.their_hello is not None:
        steps.append(making.our_keys)
    said: Sent = tuple((making.number - 1, step) for step in steps)
    said = (*said, *_since(link, making.our_hello))
    if making.state is MakingState.CONFIRMED:
        # That our stewards said yes: where neither was there to hear the other's, both would wait.
        said = (*said, (making.number, NewTerms(terms=link.terms)))
    return said


def _since(link: Link, hello: Hello) -> Sent:
    """Our terms, where they are others by now than in the step that is said again."""
    return _now(link, NewTerms(terms=link.terms)) if hello.terms != link.terms else ()


def standing(link: Link) -> Sent:
    """What we said of the link itself that holds, for whoever was not there; twice it changes nothing."""
    if link.state not in (LinkState.LIVE, LinkState.PAUSED):
        return ()
    return (*_now(link, NewTerms(terms=link.terms)), *_now(link, Pause(paused=link.paused_here)))


def due_at(link: Link) -> datetime | None:
    """The next hour at which something of it is over by itself; None where there is none."""
    hours = [one.until for one in link.epochs if one.until is not None]
    if link.making is not None:
        hours.append(link.making.begun_at + MAKING)
    if (again := says_again_at(link)) is not None:
        hours.append(again)
    if link.state in (LinkState.LIVE, LinkState.PAUSED, LinkState.RESYNC):
        until = agreed(link).until
        hours.append(until if link.told_until == until else until - NOTICE)
    return None if link.state in OVER else min(hours, default=None)


def agreed(link: Link, known: Known = as_said) -> Agreed:
    """The terms that hold, by the topics of theirs that are `known` here.

    Raises IllegalMove before the other side's are there.
    """
    if link.their_terms is None:
        raise IllegalMove("a link", link.state, "terms")
    return agree(link.terms, link.their_terms, known)


# ---- what is sent


def stamp(link: Link, number: int, now: datetime) -> tuple[Link, int, int]:
    """The link after one more is sent in that epoch, its counter, and its issue time in seconds.

    Raises IllegalMove where the link has no such epoch.
    """
    epoch = epoch_of(link, number)
    if epoch is None:
        raise IllegalMove("a link", link.state, f"an envelope in epoch {number}")
    issued = max(int(now.timestamp()), epoch.sent_at)
    return _put(link, replace(epoch, sent=epoch.sent + 1, sent_at=issued)), epoch.sent + 1, issued


# ---- what comes


@dataclass(frozen=True)
class Heard:
    """The link after what came, what then crosses in answer, and why it was refused, where it was."""

    link: Link
    crosses: Sent = ()
    refusal: Refusal | None = None


def stands(link: Link, named: LinkId) -> Refusal | None:
    """What anything that names a link is refused for first, by the link that there is."""
    if link.id != named:
        return Refusal.LINK
    return Refusal.OVER if link.state in OVER else None


def admit(link: Link, envelope: Envelope, now: datetime) -> Refusal | None:
    """What an envelope for that link, which stands, is refused for before anything is worked out."""
    if envelope.audience != link.us:
        return Refusal.AUDIENCE
    epoch = epoch_of(link, envelope.epoch)
    if epoch is None or (epoch.until is not None and now >= epoch.until):
        return Refusal.EPOCH
    if refusal := timely(envelope, now):
        return refusal
    match counters.order(epoch.received, envelope.counter, envelope.issued):
        case Order.AGAIN:
            return Refusal.AGAIN
        case Order.LATE:
            return Refusal.LATE
        case Order.NEXT | Order.BACK:
            return None


def timely(carrier: Envelope | Opening, now: datetime) -> Refusal | None:
    """What it is refused for by its times."""
    seconds = now.timestamp()
    if carrier.expires <= seconds:
        return Refusal.EXPIRED
    early = carrier.issued > seconds + FUTURE.total_seconds()
    return Refusal.FUTURE if early or carrier.expires - carrier.issued > LONGEST.total_seconds() else None


def sent_at(link: Link, envelope: Envelope) -> datetime:
    """When an envelope, admitted, counts as sent: as it says, as far as what came before it lets that be."""
    epoch = epoch_of(link, envelope.epoch)
    if epoch is None:
        raise IllegalMove("a link", link.state, f"an envelope in epoch {envelope.epoch}")
    seconds = counters.sent_at(epoch.received, envelope.counter, envelope.issued)
    return datetime.fromtimestamp(seconds, UTC)


def count(link: Link, envelope: Envelope, now: datetime) -> Link:
    """The link once the envelope, admitted and signed by the partner, has used up its counter.

    RESYNC where the partner's counter went back.
    """
    epoch = epoch_of(link, envelope.epoch)
    if epoch is None:
        raise IllegalMove("a link", link.state, f"an envelope in epoch {envelope.epoch}")
    back = counters.order(epoch.received, envelope.counter, envelope.issued) is Order.BACK
    received = counters.receive(epoch.received, envelope.counter, envelope.issued)
    link = _put(link, replace(epoch, received=received))
    if not back or not link.epochs:
        return link
    link = replace(link, state=LinkState.RESYNC)
    tried = _tried(link, now)
    # Whoever goes back again and again is not met with new keys each time; what is tried now stays.
    return link if tried is None else _give_up(tried)


def hear(
    link: Link,
    body: Body,
    number: int,
    now: datetime,
    counter: int = 0,
    issued: datetime | None = None,
    known: Known = as_said,
) -> Heard:
    """The link after the partner said `body` under that counter in the epoch of that number; 0 is an opening.

    It was `issued` then, or now; topics are those that they are `known` as here. What is between members is
    the conversation's to read: here it is let through or not.
    """
    making = link.making
    first: Sent = ()
    if making is not None and making.epoch is not None and number == making.number:
        # Whoever seals with these keys says that their stewards compared the words.
        if making.state is MakingState.CONFIRMED:
            link, first = _take_up(link, making.epoch, now)
        elif body.kind != "terms":
            return Heard(link, refusal=Refusal.KIND)
        else:
            link = replace(link, making=replace(making, heard=True))
    opens = link.state is LinkState.LINKING and body.kind != "terms"
    if body.kind not in CROSSES[link.state] or (number == 0) is not opens:
        return Heard(link, first, Refusal.KIND)
    if isinstance(body, Ask):
        return replace(_heard_ask(link, body, issued or now, now, known), crosses=first)
    heard = _heard(link, body, (number, counter), now)
    return replace(heard, crosses=(*first, *heard.crosses))


def may_cross(link: Link, body: Body) -> bool:
    """Whether a body of this kind is one to send while the link stands as it does."""
    return body.kind in CROSSES[link.state]


def allows(link: Link, ask: Ask, now: datetime, known: Known = as_said) -> bool:
    """Whether both sides' terms let our ask cross, now or at another of their hours."""
    allowed = agreed(link, known)
    where = outside(allowed, ask, sent=True, now=now)
    later = where is Outside.HOURS and share_hours(allowed, now)
    return bool(allowed.asks_a_day) and (where is None or later)


def may_ask(link: Link, ask: Ask, now: datetime, known: Known = as_said) -> Link | None:
    """The link once our ask went over it; None where it may not now, by its state, its terms or its count."""
    allowed = agreed(link, known)
    recent = tuple(at for at in link.asked if now - at < DAY)
    if not may_cross(link, ask) or not allows(link, ask, now, known) or len(recent) >= allowed.asks_a_day:
        return None
    if outside(allowed, ask, sent=True, now=now) is not None:
        return None
    return replace(link, asked=(*recent, now))


MOST_TOLD, ASKED_FOR = 8, timedelta(days=14)
"""Of how many front desks it is kept, and so told, that they asked for a link; and how long."""


def is_told(kept: Collection[MatrixId], desk: MatrixId) -> bool:
    """Whether stewards hear that `desk` asks for a link, where those of `kept` asked in the last 14 days.

    So many at most, and of one server one: strangers cannot fill the stewards' room. Whoever is left out can
    still be named by the stewards themselves.
    """
    server = desk.partition(":")[2]
    return len(kept) < MOST_TOLD and all(one.partition(":")[2] != server for one in kept)


def gives_way(ours: MatrixId, theirs: MatrixId) -> bool:
    """Where both desks asked each other for a link at once: whether ours drops its own and takes theirs."""
    return theirs < ours


def parted(link: Link) -> Link:
    """The link once the other desk is not alone with ours any more: over, where it never stood."""
    if link.state is not LinkState.LINKING:
        return replace(link, here=False)
    return replace(link, here=False, state=LinkState.CUT, making=None)


def ask_again(link: Link, now: datetime) -> Link | None:
    """The link once the other desk was invited anew, because it asks too; None where that is too often."""
    return _tried(link, now)


def keys_held(link: Link) -> frozenset[tuple[int, int]]:
    """The epoch and the round of each of our private keys that the link still needs; all others go."""
    ours = [one.ours for one in link.epochs]
    if link.making is not None and link.making.our_keys is not None:
        ours.append(link.making.our_keys)
    return frozenset((keys.epoch, keys.round) for keys in ours)


def _heard(link: Link, body: Body, said: tuple[int, int], now: datetime) -> Heard:
    match body:
        case Hello():
            again = link.making is not None and link.making.their_hello == body
            heard = _heard_hello(link, body, now)
            if again or heard.refusal is not None:
                # Said again it has the terms of when it was said first.
                return heard
            return replace(heard, link=replace(_terms(heard.link, body.terms, said), name=body.name))
        case KeyChange():
            return _heard_keys(link, body)
        case NewTerms():
            return Heard(_terms(link, body.terms, said))
        case Pause():
            if said < link.pause_from:
                return Heard(link)
            link = replace(link, paused_there=body.paused, pause_from=said)
            return Heard(link if link.state is LinkState.RESYNC else replace(link, state=_running(link)))
        case Cut():
            return Heard(replace(link, state=LinkState.CUT, making=None))
        case _:
            return Heard(link)


def _terms(link: Link, terms: Terms, said: tuple[int, int]) -> Link:
    """The link with those terms of the other side's, unless it said others later."""
    return link if said < link.terms_from else replace(link, their_terms=terms, terms_from=said)


def _heard_hello(link: Link, hello: Hello, now: datetime) -> Heard:
    making = link.making
    if making is not None and making.their_hello == hello:
        return Heard(link)
    first = link.state is LinkState.LINKING
    if hello.epoch != _next(link) or (hello.reason == "link") is not first:
        return Heard(link, refusal=Refusal.TURN)
    if hello.round > link.rounds + AHEAD:
        return Heard(link, refusal=Refusal.TURN)
    state = LinkState.RESYNC if hello.reason == "restored" else link.state
    if hello.round > link.rounds and (not first or making is None):
        tried = _tried(link, now)
        if tried is None:
            return Heard(link, refusal=Refusal.QUOTA)
        link = tried
        # A later try than ours: what was made in earlier ones is dropped, and this side makes keys for it.
        making = Making(hello.epoch, hello.round, now, MakingState.PROPOSED, their_hello=hello)
        return Heard(replace(_give_up(link), making=making, rounds=hello.round, state=state))
    if making is None or hello.round < link.rounds:
        # An earlier one: whoever is behind hears which is tried now.
        ours = making.our_hello if making is not None else None
        if ours is None:
            return Heard(link, refusal=Refusal.TURN)
        tried = _tried(link, now)
        if tried is None:
            return Heard(link, refusal=Refusal.QUOTA)
        return Heard(tried, ((_current(link), ours), *_since(link, ours)), Refusal.TURN)
    our_hello, our_keys = making.our_hello, making.our_keys
    if making.their_hello is not None or our_hello is None or our_keys is None:
        # Two different ones in a round: the other side forgot the first. The next round is for both.
        if first:
            return Heard(link, refusal=Refusal.TURN)
        tried = _tried(link, now)
        if tried is None:
            return Heard(link, refusal=Refusal.QUOTA)
        return Heard(replace(_give_up(tried), state=LinkState.RESYNC), refusal=Refusal.TURN)
    making = replace(making, their_hello=hello, state=MakingState.COMMITTED)
    after = replace(link, making=making, state=state)
    steps: list[Body] = [our_keys]
    if not first:
        # Ours again: if the other side was restored meanwhile it may not have counted.
        steps.insert(0, our_hello)
    crosses = (*((_current(link), step) for step in steps), *_since(link, our_hello))
    if making.their_keys is not None:
        # Keys that came before, and are not those committed to, are dropped: the hello is good.
        return Heard(_show(after, making.their_keys).link, crosses)
    return Heard(after, crosses)


def _tried(link: Link, now: datetime) -> Link | None:
    """The link once the other side has had keys made, or said, anew; None where it is one too many."""
    tries = tuple(at for at in link.tries if now - at < DAY)
    return None if len(tries) >= TRIES_A_DAY else replace(link, tries=(*tries, now))


def _heard_keys(link: Link, keys: KeyChange) -> Heard:
    making = link.making
    if making is not None and making.their_keys == keys:
        return Heard(link)
    if making is None or making.epoch is not None:
        return Heard(link, refusal=Refusal.TURN)
    if (keys.epoch, keys.round) != (making.number, making.round):
        return Heard(link, refusal=Refusal.TURN)
    if making.state is MakingState.COMMITTED:
        return _show(link, keys)
    # They came before the commitment, and ours are not shown before that is there: it can still be checked.
    return Heard(replace(link, making=replace(making, their_keys=keys)))


def _show(link: Link, keys: KeyChange) -> Heard:
    """The link once the other side's keys are there; those that it did not commit to are as good as none."""
    making = link.making
    if making is None or making.their_hello is None or making.our_hello is None or making.our_keys is None:
        return Heard(link)
    if commitment(link.id, link.them, keys) != making.their_hello.commitment:
        return Heard(replace(link, making=replace(making, their_keys=None)), refusal=Refusal.COMMITMENT)
    before = link.epochs[0].made if link.epochs else ""
    ours, theirs = (making.our_hello, making.our_keys), (making.their_hello, keys)
    made = transcript(link.id, before, {link.us: ours, link.them: theirs})
    since = Received(since=int(making.begun_at.timestamp()))
    epoch = LinkEpoch(making.number, made, making.our_keys, keys, received=since)
    shown = replace(making, their_keys=keys, epoch=epoch, state=MakingState.SHOWN)
    return Heard(replace(link, making=shown))


def _heard_ask(link: Link, ask: Ask, issued: datetime, now: datetime, known: Known) -> Heard:
    """Held against the hour at which it was sent, as its sender did: a slow way loses none."""
    allowed = agreed(link, known)
    if now >= allowed.until or outside(allowed, ask, sent=False, now=issued, known=known) is not None:
        return Heard(link, refusal=Refusal.TERMS)
    asks = (*(at for at in link.asks if now - at < LONGEST + DAY), issued)
    # They may come in another order: in no 24 hours with this one there are more than both sides allow.
    ends = (at for at in asks if _NONE <= at - issued < DAY)
    if any(sum(_NONE <= end - at < DAY for at in asks) > allowed.asks_a_day for end in ends):
        return Heard(link, refusal=Refusal.QUOTA)
    return Heard(replace(link, asks=asks))


# ---- its epochs


def epoch_of(link: Link, number: int) -> LinkEpoch | None:
    """The epoch of that number whose keys the link has, the one that is being made included."""
    made = (link.making.epoch,) if link.making is not None and link.making.epoch is not None else ()
    return next((one for one in (*made, *link.epochs) if one.number == number), None)


def _put(link: Link, epoch: LinkEpoch) -> Link:
    if link.making is not None and link.making.epoch is not None and link.making.number == epoch.number:
        return replace(link, making=replace(link.making, epoch=epoch))
    return replace(link, epochs=tuple(epoch if one.number == epoch.number else one for one in link.epochs))


def _current(link: Link) -> int:
    """The epoch in which this side seals now; 0 where it has none yet."""
    return link.epochs[0].number if link.epochs else 0


def _next(link: Link) -> int:
    return _current(link) + 1


def _now(link: Link, body: Body) -> Sent:
    return ((link.epochs[0].number, body),) if link.epochs else ()


def _running(link: Link) -> LinkState:
    return LinkState.PAUSED if link.paused_here or link.paused_there else LinkState.LIVE


def _illegal(link: Link, move: Move) -> IllegalMove:
    return IllegalMove("a link", link.state, type(move).__name__)
