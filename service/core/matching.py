"""Who may be asked about a request, and in which order.

Guards: nobody is asked about their own request, twice about one, while they ask for company themselves, while
they are with somebody or on the way to it, while they rest, outside the hours that they gave, or more often
in a day than they and the community allow; where the two have no language, or no way to talk, in common;
about what they said no to or cannot do, or something hard that they did not choose; nobody who must report is
asked unless the asker allowed it, nor who did not name the topic where the asker wants somebody who shares
it; two who are kept apart, or of two age groups, are never asked about one another; two who both ask are
asked about one another only where both allow it, and each would suit the other. Fit comes first, then who was
asked longest ago, then chance, so that the same few are not always asked.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta

from schema.ids import MemberId, OfferId
from schema.records import Ask, Offer, Request
from schema.states import OfferState, RequestState
from service.core import availability, talking
from service.core.pairing import DAY, recent

MUST_REPORT = "report"
"""What an offer's `fear` says of somebody whom a law obliges to report some things."""

_LEAST = timedelta(minutes=10)
"""The least time for which somebody may say yes."""

_SHORTER = tuple(timedelta(minutes=minutes) for minutes in (15, 30, 60, 120, 360, 1440))

MUTUAL = "mutual"
"""The wish for somebody who is looking for company too: nobody else is asked."""

DOES = ("listening", "shared", "ideas", "task", "company", "conversation")
"""Wishes of which somebody who offers can say that they can meet them, and no others."""

_ABOUT_TALK = ("conversation", "backup")
"""Wishes that whoever listens can meet."""

ANYONE, SHARES = "anyone", "shares"
"""What `Offer.who` can be."""

_NEVER = 0.0


def may_be_asked(
    request: Request,
    offer: Offer,
    *,
    asked: Collection[MemberId],
    engaged: Collection[MemberId],
    apart: Collection[MemberId],
    asks_a_day: int,
    pause: timedelta,
    now: datetime,
    hard: Collection[str] = (),
) -> bool:
    """Whether the offer's member may be asked about `request` at `now`.

    `asked` holds those who were asked about this request before, `engaged` those who ask for company
    themselves, are in a peer room, or read the note of another ask and may go on; `apart` those who are
    kept apart from the asker, by whichever of the two. For `pause` after a question nothing else is asked,
    whatever was answered: a no that freed somebody sooner than a silence could be told from one. `hard` are
    topics about which nobody is asked who did not choose them. A request for later suits whose hours take
    in both: now, since they are asked, and then.
    """
    return (
        offer.state is OfferState.OPEN
        and offer.member != request.member
        and offer.member not in asked
        and offer.member not in engaged
        and offer.member not in apart
        and (offer.asked_at is None or now - offer.asked_at >= pause)
        and _times(offer, now) < min(asks_a_day, offer.asks_a_day)
        and would_do(request, offer, hard)
        and availability.may_be_asked_at(offer, now)
        and ((start := later(request, now)) is None or availability.may_be_asked_at(offer, start))
    )


def later(request: Request, now: datetime) -> datetime | None:
    """From when the asker would like company, where that is still to come."""
    return request.start if request.start is not None and request.start > now else None


def would_do(request: Request, offer: Offer, hard: Collection[str]) -> bool:
    """Whether what the offer says is what the request asks for, whoever they are and whenever that is."""
    return (
        (request.reporters or offer.fear != MUST_REPORT)
        and can_do(request.wish, offer.does)
        and offer.age_group == request.age_group
        and talking.can(request, offer)
        and (not request.topics_only or not set(request.topics).isdisjoint(offer.topics))
        and suits(request, offer, hard)
    )


def can_do(wish: str, does: Collection[str]) -> bool:
    """Whether somebody who can do what `does` names, or anything where it names nothing, can meet `wish`.

    A wish that is not sure yet is anybody's.
    """
    if not does or wish in does:
        return True
    return "listening" in does if wish in _ABOUT_TALK else wish not in DOES


def as_offer(request: Request) -> Offer:
    """What a request that stands, and allows it, is to another one: an offer for now, with its id."""
    return Offer(
        id=OfferId(request.id),
        member=request.member,
        state=OfferState.OPEN,
        until=request.until,
        due_at=None,
        asked_at=request.asked_at,
        topics=request.topics,
        card="",
        fear=request.fear,
        asked=request.asked,
        free_at=request.free_at,
        languages=request.languages,
        voice=request.voice,
        age_group=request.age_group,
    )


def may_meet(request: Request, other: Request, hard: Collection[str], now: datetime) -> bool:
    """Whether the two, who both ask, may be asked about one another.

    Both allow it, each would suit the other, and they ask for the same hour.
    """
    return (
        request.too
        and other.too
        and later(request, now) == later(other, now)
        and other.state is RequestState.LOOKING
        and would_do(other, as_offer(request), hard)
        and would_do(request, as_offer(other), hard)
    )


def _times(offer: Offer, now: datetime) -> int:
    """How often the offer's member was shown an ask in the last day."""
    return sum(now - then < DAY for then in offer.asked) if offer.asked else 0


def asks_again(offer: Offer, asks_a_day: int, now: datetime) -> datetime | None:
    """From when the offer's member may be asked again, who was as often in the last day as may be."""
    counted, most = recent(offer.asked, now), min(asks_a_day, offer.asks_a_day)
    return None if len(counted) < most else counted[-most] + DAY


def suits(request: Request, offer: Offer, hard: Collection[str]) -> bool:
    """Whether what the request is about is something about which the member may be asked."""
    for topic in request.topics:
        if topic in offer.no_topics or (topic in hard and topic not in offer.topics):
            return False
    return offer.who == ANYONE or any(topic in offer.topics for topic in request.topics)


def only_some(request: Request, hard: Collection[str], usual: Collection[str] = ()) -> bool:
    """Whether those are asked of whom something would show by there being any.

    Those alone who named a topic of the request or a language besides the `usual` ones, or agreed to talk
    again; or others who ask for company now.
    """
    rare = bool(request.languages) and set(request.languages).isdisjoint(usual)
    narrow = request.topics_only or request.again_only or rare or not set(hard).isdisjoint(request.topics)
    return narrow or request.too


def may_read(request: Request, ask: Ask) -> bool:
    """Whether the one who was asked may still read the note: the asker may have changed who may be asked."""
    return request.reporters or ask.fear != MUST_REPORT


def shorter(length: timedelta) -> tuple[timedelta, ...]:
    """What is shown to say yes to instead of `length`: the next three lengths below it, longest first."""
    return tuple(sorted((one for one in _SHORTER if one < length), reverse=True)[:3])


def is_shorter(one: timedelta, length: timedelta) -> bool:
    """Whether somebody may say yes to `one`, in their own words, instead of `length`."""
    return _LEAST <= one < length


def fit(request: Request, offer: Offer) -> int:
    """How many of the request's topics the offer names; an offer that names none is open to any of them."""
    if not offer.topics:
        return min(1, len(request.topics))
    return len(set(request.topics).intersection(offer.topics))


def in_order(
    request: Request,
    offers: Iterable[Offer],
    chance: Callable[[], float],
    first: Collection[MemberId] = frozenset(),
) -> list[Offer]:
    """The offers as they are to be asked: best fit, then longest since asked, then by `chance`.

    Before all others comes who is in `first`: those who agreed to talk with the asker again, where it was
    asked for them first.
    """

    def place(offer: Offer) -> tuple[bool, int, float, float]:
        # Numbers: instants that were read from the database compare at a twentieth of the speed.
        asked_at = offer.asked_at.timestamp() if offer.asked_at is not None else _NEVER
        return offer.member not in first, -fit(request, offer), asked_at, chance()

    return sorted(offers, key=place)
