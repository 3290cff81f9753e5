"""How it looks for somebody who asks now, in coarse words, and whether a community takes requests now.

Guards: what is said is of a whole part of the day and holds until the next one, whoever offers, rests, ends
or is asked meanwhile; nothing is said of fewer people than the community's threshold, and below it always the
same; neither who asks, nor whom they are kept apart from, goes into it.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from schema.ids import OutlookId
from schema.records import Offer, Outlook, Window
from service.core import availability

ONLY = OutlookId("0" * 32)
"""There is one row, of nobody."""

ALWAYS, ENOUGH, HOURS = "always", "enough", "hours"
"""What `Community.opens` can be."""

_PARTS = tuple(range(0, 24 * 60, 6 * 60))
"""Where the parts of a day begin, in minutes since midnight: night, morning, afternoon, evening."""

_LOOKED_AT = (timedelta(hours=1), timedelta(hours=3), timedelta(hours=5))
"""Into a part of the day; whoever may be asked at most of these counts as there in it."""

_AHEAD = 4
"""Parts of the day after this one that are looked at: a day."""

_FAR = 15
"""Days within which weekly hours come again, whatever the clock skips."""


def look(offers: Iterable[Offer], now: datetime, zone: str, enough: int) -> Outlook:
    """How it looks at `now` (aware) by the clock of IANA `zone`, where `enough` people count as somebody.

    Of the offers their hours alone count. That somebody rests, was asked, or keeps company now does not: a
    change of it would show what one person does.
    """
    standing = [offer for offer in offers if offer.until > now]
    parts = list(_parts(now, zone))
    someone = _reaches(standing, *parts[0], enough)
    later = next((start for start, end in parts[1:] if _reaches(standing, start, end, enough)), None)
    return Outlook(
        id=ONLY,
        due_at=parts[0][1],
        someone=someone,
        later=None if someone else later,
        enough=len({offer.member for offer in standing}) >= enough,
    )


def _parts(now: datetime, zone: str) -> Iterator[tuple[datetime, datetime]]:
    """The part of the day in which `now` lies, and those that follow, by their first and last instants."""
    today = now.astimezone(ZoneInfo(zone)).date()
    days = (today + timedelta(days=number) for number in range(3))
    edges = [availability.on_clock(day, minute, zone) for day in days for minute in _PARTS]
    left = [(start, end) for start, end in pairwise(edges) if now < end]
    yield from left[: _AHEAD + 1]


def _reaches(offers: Iterable[Offer], start: datetime, end: datetime, enough: int) -> bool:
    """Whether `enough` people may be asked in most of the time from `start` to `end`."""
    there = set()
    for offer in offers:
        if _covers(offer, start, end):
            there.add(offer.member)
            if len(there) >= enough:
                return True
    return False


def _covers(offer: Offer, start: datetime, end: datetime) -> bool:
    looked_at = [start + into for into in _LOOKED_AT if start + into < end]
    return 2 * sum(availability.takes_in(offer, instant) for instant in looked_at) > len(looked_at)


def opens_at(windows: Sequence[Window], zone: str, now: datetime) -> datetime | None:
    """When from `now` (aware) on weekly hours in IANA `zone` are open: `now` while they are; in UTC.

    None where they never are.
    """
    wall = now.astimezone(ZoneInfo(zone))
    if any(availability.in_window(one, wall.weekday(), wall.hour * 60 + wall.minute) for one in windows):
        return now
    days = [wall.date() + timedelta(days=number) for number in range(_FAR)]
    starts = (
        availability.on_clock(day, one.start, zone)
        for day in days
        for one in windows
        if day.weekday() in one.days
    )
    return min((start for start in starts if start > now), default=None)
