"""When a member with an offer may be asked, by the clock on their own wall.

Guards: what the clock shows decides, so that hours keep their meaning when it is put forward or back: an
hour that it skips is not there, and one that it shows twice counts twice. Hours that a member named hold as
they were named; where they named none, their quiet hours are kept.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from schema.records import Offer, Window

NOW, WEEKLY, STANDING = "now", "weekly", "standing"
"""What `Offer.when` can be."""

QUIET = (22 * 60, 8 * 60)
"""The quiet hours of whoever names no others, in minutes since midnight."""

RENEWED = timedelta(weeks=4)
"""How long an offer goes on before its member is asked whether it still holds."""

RESTS = timedelta(weeks=12)
"""How long after that it is kept while it rests; then it is deleted without a word."""

_MIDNIGHT = 24 * 60
_FAR = 15
"""Days: a weekly hour that the clock skips once is there a week later."""


def may_be_asked_at(offer: Offer, instant: datetime) -> bool:
    """Whether the offer's hours take in `instant` (aware); its rests and its end are looked at too."""
    held = free_at(offer)
    return (held is None or instant >= held) and takes_in(offer, instant)


def takes_in(offer: Offer, instant: datetime) -> bool:
    """Whether the hours that the offer's member named take in `instant` (aware), whether they rest or not."""
    if instant >= offer.until:
        return False
    return offer.when == NOW or _shows(offer, instant.astimezone(_zone(offer.zone)))


@cache
def _zone(name: str) -> ZoneInfo:
    """The zone of that name: `ZoneInfo` keeps eight, and reads any other from its file each time."""
    return ZoneInfo(name)


def next_at(offer: Offer, instant: datetime) -> datetime | None:
    """When from `instant` on the offer's member may be asked, in UTC; None where not before its end."""
    begin = max(instant, free_at(offer) or instant).astimezone(UTC)
    if may_be_asked_at(offer, begin):
        return begin
    if offer.when == NOW:
        return None
    for found in sorted(_beginnings(offer, begin)):
        if begin < found < offer.until and may_be_asked_at(offer, found):
            return found
    return None


def is_spent(offer: Offer, now: datetime) -> bool:
    """Whether an offer for now stands, and nothing is asked because of it any more before it ends."""
    return offer.when == NOW and offer.until > now and next_at(offer, now) is None


def free_at(offer: Offer) -> datetime | None:
    """Until when nothing is asked of the member, by their own word or so that others learn nothing."""
    if offer.rest_until is None or offer.free_at is None:
        return offer.rest_until or offer.free_at
    return max(offer.rest_until, offer.free_at)


def renewed(offer: Offer, now: datetime) -> Offer:
    """The offer as it goes on from `now`: its member is asked about it in four weeks, at hours of theirs."""
    until = now + RENEWED
    hours = replace(offer, until=until + timedelta(days=_FAR), rest_until=None, free_at=None)
    # Whole seconds: a column keeps milliseconds, and the question must not come before `until`.
    until = (next_at(hours, until) or until).replace(microsecond=0)
    return replace(offer, until=until, due_at=until)


def in_window(window: Window, day: int, minute: int) -> bool:
    """Whether a clock that shows `minute` since midnight on `day` (0 is Monday) stands in the window."""
    if window.start < window.end:
        return day in window.days and window.start <= minute < window.end
    return (day in window.days and minute >= window.start) or (
        (day - 1) % 7 in window.days and minute < window.end
    )


def _shows(offer: Offer, wall: datetime) -> bool:
    minute = wall.hour * 60 + wall.minute
    if offer.when == WEEKLY:
        return any(in_window(window, wall.weekday(), minute) for window in offer.windows)
    quiet, day = offer.quiet
    if quiet <= day:
        return not quiet <= minute < day
    return day <= minute < quiet


def _beginnings(offer: Offer, begin: datetime) -> Iterator[datetime]:
    """Every instant of the next days at which the hours may begin, in UTC, in no order."""
    zone = _zone(offer.zone)
    starts = {window.start for window in offer.windows} if offer.when == WEEKLY else {offer.quiet[1]}
    first = begin.astimezone(zone).date()
    for number in range(-1, _FAR):
        day = first + timedelta(days=number)
        for minute in starts:
            yield from instants_of(day, minute, zone)
        yield from _clock_changes(day, zone)


def instants_of(day: date, minute: int, zone: ZoneInfo) -> Iterator[datetime]:
    """The instants, in UTC, at which a clock in `zone` shows `minute` of `day`: none, one, or two."""
    wall = datetime.combine(day, time(minute // 60 % 24, minute % 60))
    found = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    yield from sorted(one for one in found if one.astimezone(zone).replace(tzinfo=None) == wall)


def _clock_changes(day: date, zone: ZoneInfo) -> Iterator[datetime]:
    """The instant in the day, as UTC has it and 14 hours around, at which the zone's clock is changed."""
    low = datetime.combine(day, time(), UTC) - timedelta(hours=14)
    high = low + timedelta(hours=28)
    while low < high and (middle := low + timedelta(hours=14)) <= high:
        if _offset(low, zone) != _offset(middle, zone):
            yield _change_between(low, middle, zone)
        low = middle


def _change_between(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    before = _offset(low, zone)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta | None:
    return instant.astimezone(zone).utcoffset()


def on_clock(day: date, minute: int, zone: str) -> datetime:
    """The first instant, in UTC, at which the clock in `zone` shows `minute` of `day`, or is past it.

    A time that the clock skips is the instant at which it does.
    """
    place = _zone(zone)
    for found in instants_of(day, minute, place):
        return found
    # The clock is put forward over it: at the offset before, it would be as long after the change.
    after = datetime.combine(day, time(minute // 60 % 24, minute % 60), place).astimezone(UTC)
    return _change_between(after - timedelta(hours=28), after, place)


# What members type


@dataclass(frozen=True)
class Spelling:
    """How a language writes days and hours: everything in lower case.

    `days` maps each word for days ("mon", "weekdays") to the days it means. `joins` are words that stand
    between two of them or before hours and mean nothing ("and", "from"); `spans` stand between the first and
    the last ("to", "until"). `before_noon` and `after_noon` follow an hour of a clock of twelve.
    """

    days: Mapping[str, tuple[int, ...]]
    joins: frozenset[str] = frozenset()
    spans: frozenset[str] = frozenset()
    before_noon: frozenset[str] = frozenset()
    after_noon: frozenset[str] = frozenset()


_TOKEN = re.compile(r"\d{1,2}(?:[:.h]\d{2})?|[^\W\d_]+|[-\u2013\u2014]")
_HOUR = re.compile(r"(\d{1,2})(?:[:.h](\d{2}))?")
_MOST = 12
"""Windows of one member."""


def read_windows(text: str, spelling: Spelling) -> tuple[Window, ...] | None:
    """The weekly windows that `text` names, such as "weekdays 18-21, sat sun 10:00-16:00"; None for others.

    Days before hours; hours without days are of the days before them, or of every day.
    """
    tokens = _tokens(text, spelling)
    if tokens is None:
        return None
    found: list[Window] = []
    days: tuple[int, ...] = ()
    place = 0
    while place < len(tokens):
        named, place = _read_days(tokens, place, spelling)
        days = named or days or tuple(range(7))
        hours, place = _read_hours(tokens, place, spelling)
        if hours is None:
            return None
        found.append(Window(days, *hours))
    return tuple(dict.fromkeys(found)) if 0 < len(found) <= _MOST else None


def _tokens(text: str, spelling: Spelling) -> list[str] | None:
    """The words and numbers of `text`, or None where something else stands in it."""
    plain = text.casefold()
    if _TOKEN.sub("", plain).strip(" \t\n.,;:/&+"):
        return None
    tokens = [one if one.strip("\u2013\u2014") else "-" for one in _TOKEN.findall(plain)]
    tokens = ["-" if one in spelling.spans else one for one in tokens]
    return [one for one in tokens if one not in spelling.joins]


def _read_days(tokens: Sequence[str], place: int, spelling: Spelling) -> tuple[tuple[int, ...], int]:
    days: set[int] = set()
    while place < len(tokens) and (named := spelling.days.get(tokens[place])) is not None:
        place += 1
        last = (
            spelling.days.get(tokens[place + 1])
            if tokens[place : place + 1] == ["-"] and (place + 1 < len(tokens))
            else None
        )
        if last is not None and len(named) == len(last) == 1:
            days.update((named[0] + step) % 7 for step in range((last[0] - named[0]) % 7 + 1))
            place += 2
        else:
            days.update(named)
    return tuple(sorted(days)), place


def _read_hours(tokens: Sequence[str], place: int, spelling: Spelling) -> tuple[tuple[int, int] | None, int]:
    start, place, marked = _read_minute(tokens, place, spelling)
    if start is None or tokens[place : place + 1] != ["-"]:
        return None, place
    end, place, end_marked = _read_minute(tokens, place + 1, spelling)
    if end is None:
        return None, place
    if end_marked and not marked and start < 12 * 60 <= end and start + 12 * 60 < end:
        # "6-9 pm" begins in the evening too.
        start += 12 * 60
    start %= _MIDNIGHT
    return ((start, end) if start != end else None), place


def _read_minute(tokens: Sequence[str], place: int, spelling: Spelling) -> tuple[int | None, int, bool]:
    """Minutes since midnight, what follows, and whether the half of the day was said."""
    found = _HOUR.fullmatch(tokens[place]) if place < len(tokens) else None
    if found is None:
        return None, place, False
    hour, minute = int(found[1]), int(found[2] or 0)
    place += 1
    half = tokens[place] if place < len(tokens) else ""
    if half in spelling.before_noon or half in spelling.after_noon:
        if not 1 <= hour <= 12:
            return None, place, True
        return hour % 12 * 60 + minute + (12 * 60 if half in spelling.after_noon else 0), place + 1, True
    fits = minute < 60 and (hour < 24 or (hour == 24 and minute == 0))
    return (hour * 60 + minute if fits else None), place, False


def read_hours(text: str, spelling: Spelling) -> tuple[int, int] | None:
    """The start and the end that `text` names, such as "22-8" or "23:30 to 7"; None for anything else."""
    tokens = _tokens(text, spelling)
    hours, place = (None, 0) if tokens is None else _read_hours(tokens, 0, spelling)
    return None if hours is None or place != len(tokens or ()) else (hours[0], hours[1] % _MIDNIGHT)


def read_moment(text: str, now: datetime, zone: str, spelling: Spelling) -> datetime | None:
    """The next instant, in UTC, that `text` names: "friday 9:00", "friday", "9:00"; None for anything else.

    A day without an hour means eight in the morning.
    """
    tokens = _tokens(text, spelling)
    if not tokens:
        return None
    days, place = _read_days(tokens, 0, spelling)
    if len(days) > 1 or (not days and place):
        return None
    minute: int | None = 8 * 60
    if place < len(tokens):
        minute, place, _ = _read_minute(tokens, place, spelling)
    if minute is None or place != len(tokens):
        return None
    today = now.astimezone(_zone(zone)).date()
    for number in range(9):
        day = today + timedelta(days=number)
        found = on_clock(day + timedelta(days=minute // _MIDNIGHT), minute % _MIDNIGHT, zone)
        if (not days or day.weekday() in days) and found > now:
            return found
    return None
