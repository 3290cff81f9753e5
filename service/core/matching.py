"""Who may be asked about a request, and in which order.

Guards: nobody is asked about their own request, twice about one, while they ask for company themselves, while
they are with somebody or on the way to it, while they rest, or more often in a day than the community allows;
nobody who must report is asked unless the asker allowed it; two who are kept apart are never asked about one
another. Fit comes first, then who was asked longest ago,
then chance, so that the same few are not always asked.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta

from schema.ids import MemberId
from schema.records import Offer, Request
from schema.states import OfferState

MUST_REPORT = "report"
"""What an offer's `fear` says of somebody whom a law obliges to report some things."""

_DAY = timedelta(days=1)
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
) -> bool:
    """Whether the offer's member may be asked about `request` at `now`.

    `asked` holds those who were asked about this request before, `engaged` those who ask for company
    themselves, are in a peer room, or said yes to another ask; `apart` those who are kept apart from the
    asker, by whichever of the two. For `pause` after a question nothing else is asked, whatever was answered:
    a no that freed somebody sooner than a silence could be told from one.
    """
    return (
        offer.state is OfferState.OPEN
        and offer.member != request.member
        and now < offer.until
        and (offer.rest_until is None or offer.rest_until <= now)
        and offer.member not in asked
        and offer.member not in engaged
        and offer.member not in apart
        and (offer.asked_at is None or now - offer.asked_at >= pause)
        and (request.reporters or offer.fear != MUST_REPORT)
        and sum(now - then < _DAY for then in offer.asked) < asks_a_day
    )


def fit(request: Request, offer: Offer) -> int:
    """How many of the request's topics the offer names; an offer that names none is open to any of them."""
    return len(set(request.topics) & set(offer.topics)) if offer.topics else min(1, len(request.topics))


def in_order(request: Request, offers: Iterable[Offer], chance: Callable[[], float]) -> list[Offer]:
    """The offers as they are to be asked: best fit, then longest since asked, then by `chance`."""

    def place(offer: Offer) -> tuple[int, float, float]:
        # Numbers: instants that were read from the database compare at a twentieth of the speed.
        asked_at = offer.asked_at.timestamp() if offer.asked_at is not None else _NEVER
        return -fit(request, offer), asked_at, chance()

    return sorted(offers, key=place)
