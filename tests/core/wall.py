"""When a rhythm comes, worked out a second time by other means, to hold the rules against.

Guards: nothing here uses the code that it checks, nor dateutil: days are gone through one by one, and what a
zone's clock shows is read off twice a day, and at each minute where it was changed in between.
"""

import calendar
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from schema.records import Rhythm

FIRST, LAST = date(2006, 1, 1), date(2036, 1, 1)
"""Thirty years, with the day that Apia left out in them."""

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_LOOK = timedelta(hours=12)


@dataclass(frozen=True)
class Stretch:
    """From `start` to `end` (naive, UTC) the clock is `offset` ahead of UTC."""

    start: datetime
    end: datetime
    offset: timedelta


@lru_cache(maxsize=64)
def stretches(zone: str) -> tuple[Stretch, ...]:
    """What the zone's clock does from a week before `FIRST` to a week after `LAST`."""
    place = ZoneInfo(zone)
    start = datetime.combine(FIRST, time()) - 7 * _DAY
    end = datetime.combine(LAST, time()) + 7 * _DAY
    changes = [start]
    now, shown = start, _offset(start, place)
    while now < end:
        later = now + _LOOK
        then = _offset(later, place)
        if then != shown:
            # What was changed twice in half a day is looked at again from the first.
            later = now
            while (then := _offset(later, place)) == shown:
                later += _MINUTE
            changes.append(later)
        now, shown = later, then
    changes.append(end)
    return tuple(Stretch(one, other, _offset(one, place)) for one, other in pairwise(changes))


def _offset(at: datetime, place: ZoneInfo) -> timedelta:
    found = at.replace(tzinfo=UTC).astimezone(place).utcoffset()
    assert found is not None
    return found


def instant(wall: datetime, zone: str) -> datetime:
    """The first instant at which the clock shows `wall`, else the one at which it jumps over it."""
    known = _around(wall, zone)
    shown = [wall - one.offset for one in known if one.start <= wall - one.offset < one.end]
    if not shown:
        shown = [
            after.start
            for before, after in pairwise(known)
            if after.start + before.offset <= wall < after.start + after.offset
        ]
    return min(shown).replace(tzinfo=UTC)


def is_left_out(day: date, zone: str) -> bool:
    """Whether the clock shows no minute of that day."""
    low = datetime.combine(day, time())
    known = _around(low, zone)
    return not any(one.start + one.offset < low + _DAY and one.end + one.offset > low for one in known)


def _around(wall: datetime, zone: str) -> Sequence[Stretch]:
    """The stretches of the days around `wall`, whatever the clock was ahead of UTC."""
    known = stretches(zone)
    first = bisect_left(known, wall - 3 * _DAY, key=lambda one: one.end)
    return known[first : bisect_right(known, wall + 3 * _DAY, key=lambda one: one.start)]


def times(rhythm: Rhythm, zone: str) -> Iterator[tuple[datetime, datetime]]:
    """Every time of the rhythm in the thirty years: what the wall shows, and the instant."""
    day = FIRST
    while day < LAST:
        if _is_on(rhythm, day) and (rhythm.every == "once" or not is_left_out(day, zone)):
            wall = datetime.combine(day, time(rhythm.minute // 60, rhythm.minute % 60))
            yield wall, instant(wall, zone)
        day += _DAY


def _is_on(rhythm: Rhythm, day: date) -> bool:
    """Whether the calendar has the rhythm on that day."""
    if day < rhythm.start:
        return False
    if rhythm.every == "once":
        return day == rhythm.start
    if rhythm.every == "days":
        return (day.toordinal() - rhythm.start.toordinal()) % rhythm.step == 0
    if rhythm.every == "weeks":
        # Day 1 of the calendar was a Monday.
        week, first = ((one.toordinal() - 1) // 7 for one in (day, rhythm.start))
        return day.weekday() in rhythm.days and (week - first) % rhythm.step == 0
    month, first = (one.year * 12 + one.month for one in (day, rhythm.start))
    if (month - first) % rhythm.step != 0:
        return False
    length = calendar.monthrange(day.year, day.month)[1]
    if not rhythm.nth:
        wanted = length if rhythm.month_day == -1 else min(rhythm.month_day, length)
        return day.day == wanted
    if day.weekday() not in rhythm.days:
        return False
    return day.day + 7 > length if rhythm.nth == -1 else (day.day + 6) // 7 == rhythm.nth


def changing() -> Sequence[str]:
    """Every zone of the tz database whose clock is changed in the thirty years; one for each clock.

    Of those that do the very same, as a zone and its older names do, there is one.
    """
    # "localtime" is the machine's own, by another name.
    clocks = {stretches(zone): zone for zone in sorted(available_timezones() - {"localtime"})}
    return sorted(zone for known, zone in clocks.items() if len(known) > 1)
