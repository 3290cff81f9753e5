"""What the stewards look after: how much is said of numbers, and which places of help are to be checked.

Guards: a number is said in steps alone, so that nobody can watch one person come or go in it; a place of help
whose day cannot be read counts as not checked.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from schema.community import Place
from schema.ids import StewardshipId

ID = StewardshipId("0" * 32)
"""Of the one record."""

STEP = 5
"""Numbers below it are not said, and others in steps of it."""

CHECKED_FOR = timedelta(days=92)
"""How long a place of help counts as checked: three months."""


def least(count: int) -> int:
    """The largest step that `count` reaches; 0 where it reaches none."""
    return count - count % STEP


def name_of(place: Place) -> str:
    """What a day on which a place was checked is kept under: another contact is another place."""
    return f"{place.name}\n{place.contact}"


def checked_on(place: Place, kept: Mapping[str, date]) -> date | None:
    """The later of the configuration's day and the stewards'; None where neither can be read."""
    try:
        written = date.fromisoformat(place.checked_on)
    except ValueError:
        return kept.get(name_of(place))
    return max(written, kept.get(name_of(place), written))


def unchecked(places: Sequence[Place], kept: Mapping[str, date], today: date) -> list[Place]:
    """The places that nobody has checked for three months."""
    found = []
    for place in places:
        day = checked_on(place, kept)
        if day is None or today - day >= CHECKED_FOR:
            found.append(place)
    return found


def next_unchecked(
    places: Sequence[Place], kept: Mapping[str, date], now: datetime, zone: str
) -> datetime | None:
    """When the next place comes to count as not checked, by the clock of IANA `zone`; None for never."""
    found = []
    for place in places:
        day = checked_on(place, kept)
        if day is not None:
            at = datetime.combine(day + CHECKED_FOR, time(9), ZoneInfo(zone)).astimezone(now.tzinfo)
            found += [at] if at > now else []
    return min(found, default=None)
