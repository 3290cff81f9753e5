"""When a rhythm comes next: wall-clock time in an IANA zone, and the instant that it is.

Guards: the hour on the wall is the one that the member chose, through every change of the zone's clock. An
hour that the clock skips is the first instant after it; one that it shows twice is the first of the two; of a
day that a zone left out altogether (Apia, 30 December 2011) nothing comes, unless it was to come once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import islice
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, rrule, weekday

from schema.records import Rhythm

ONCE, DAYS, WEEKS, MONTHS = "once", "days", "weeks", "months"
"""What `Rhythm.every` can be."""

_DAY = timedelta(days=1)
_BEFORE = timedelta(days=2)
"""How far before an instant a clock may have shown what is later than it: no gap is longer than a day."""
_SHORTEST = 28
"""Days that every month has."""


@dataclass(frozen=True)
class Occurrence:
    """One time of a rhythm: `wall` as the member chose it (naive, in the zone), `at` the instant (UTC)."""

    wall: datetime
    at: datetime

    @property
    def day(self) -> date:
        """The day on the member's calendar for which it is meant."""
        return self.wall.date()


def following(rhythm: Rhythm, zone: str, after: datetime) -> Occurrence | None:
    """The first time of `rhythm` in IANA `zone` whose instant is later than `after` (aware); None: no more.

    Raises ZoneInfoNotFoundError for a zone that this machine's tz database does not have.
    """
    return next(_from(rhythm, zone, after), None)


def coming(rhythm: Rhythm, zone: str, after: datetime, count: int) -> tuple[Occurrence, ...]:
    """The first `count` times after `after`, each later than the one before; fewer where there are no more.

    Raises as `following` does.
    """
    return tuple(islice(_from(rhythm, zone, after), count))


def instant(wall: datetime, zone: str) -> datetime:
    """The instant, in UTC, at which the clock in `zone` shows `wall` (naive), or first shows a later time.

    Raises ZoneInfoNotFoundError for a zone that is not known.
    """
    place = _zone(zone)
    first = wall.replace(tzinfo=place, fold=0).astimezone(UTC)
    if _wall(first, place) == wall:
        return first
    # PEP 495: in a gap fold 0 counts by the clock before the change, and lands after it; fold 1 before it.
    low, high = wall.replace(tzinfo=place, fold=1).astimezone(UTC), first
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if _wall(middle, place) < wall:
            low = middle
        else:
            high = middle
    return high


def known(zone: str) -> bool:
    """Whether this machine's tz database has `zone`."""
    try:
        _zone(zone)
    except (LookupError, ValueError, OSError):
        return False
    return True


@cache
def _zone(name: str) -> ZoneInfo:
    """The zone of that name: `ZoneInfo` keeps eight, and reads any other from its file each time."""
    return ZoneInfo(name)


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def _from(rhythm: Rhythm, zone: str, after: datetime) -> Iterator[Occurrence]:
    """Every time later than `after`, each later than the one before."""
    place = _zone(zone)
    for wall in walls(rhythm, _wall(after, place) - _BEFORE):
        if rhythm.every != ONCE and _left_out(wall.date(), place):
            continue
        at = instant(wall, zone)
        if at > after:
            yield Occurrence(wall, at)
            after = at


def _left_out(day: date, zone: ZoneInfo) -> bool:
    """Whether the zone's calendar has no such day."""
    noon = datetime.combine(day, time(12))
    return _wall(noon.replace(tzinfo=zone).astimezone(UTC), zone).date() != day


def walls(rhythm: Rhythm, since: datetime) -> Iterator[datetime]:
    """The times of the rhythm as a calendar on the wall has them, from `since` (naive) or a little before."""
    hour = time(rhythm.minute // 60, rhythm.minute % 60)
    start = datetime.combine(rhythm.start, hour)
    if rhythm.every == ONCE:
        return iter((start,))
    # The rule begins near what is asked for, in step with its first day, or each look would run through all
    # the time since then.
    late = max((since - start) // _DAY, 0)
    if rhythm.every == DAYS:
        begin = start + late // rhythm.step * rhythm.step * _DAY
        rule = rrule(DAILY, dtstart=begin, interval=rhythm.step)
    elif rhythm.every == WEEKS:
        monday = start - rhythm.start.weekday() * _DAY
        weeks = max((since - monday) // _DAY, 0) // 7 // rhythm.step * rhythm.step
        rule = rrule(
            WEEKLY, dtstart=monday + weeks * 7 * _DAY, interval=rhythm.step, byweekday=rhythm.days, wkst=0
        )
    else:
        months = (since.year - start.year) * 12 + since.month - start.month
        number = start.year * 12 + start.month - 1 + max(months, 0) // rhythm.step * rhythm.step
        begin = datetime.combine(date(number // 12, number % 12 + 1, 1), hour)
        if rhythm.nth:
            on = [weekday(day, rhythm.nth) for day in rhythm.days]
            rule = rrule(MONTHLY, dtstart=begin, interval=rhythm.step, byweekday=on)
        elif 0 < rhythm.month_day <= _SHORTEST:
            rule = rrule(MONTHLY, dtstart=begin, interval=rhythm.step, bymonthday=rhythm.month_day)
        else:
            # The last of those that the month has.
            end = rhythm.month_day if rhythm.month_day > 0 else 31
            on_these = range(_SHORTEST, end + 1)
            rule = rrule(MONTHLY, dtstart=begin, interval=rhythm.step, bymonthday=on_these, bysetpos=-1)
    return (wall for wall in rule if wall >= start)
