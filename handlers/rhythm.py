"""When something comes back, as members type it and as they are told it.

Guards: what is said of a rhythm reads back as the same rhythm, in each language; a sentence is read in the
member's own language first, and then in English.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from handlers import zone
from handlers.desk import Desk
from handlers.words import ALWAYS, split
from schema.records import Member, Rhythm
from service.core import recurrence, when
from service.core.when import AM, MORNING, NIGHT, PM, Kind, Lexicon, Reason, Unread, phrase
from service.turn import Words

_PHRASES: Mapping[str, Mapping[Kind, int]] = {
    "spell.workdays": {Kind.WORKDAYS: 0},
    "spell.weekends": {Kind.WEEKEND: 0},
    "spell.every": {Kind.EVERY: 0},
    "spell.other": {Kind.OTHER: 0},
    "spell.last": {Kind.ORDINAL: -1},
    "spell.marks": {Kind.MARK: 0},
    "spell.days": {Kind.A_DAY: 0},
    "spell.weeks": {Kind.A_WEEK: 0},
    "spell.months": {Kind.A_MONTH: 0},
    "spell.years": {Kind.A_YEAR: 0},
    "spell.hours": {Kind.SHORTER: 60},
    "spell.minutes": {Kind.SHORTER: 1},
    "line.half_hour": {Kind.LENGTH: 30},
    "spell.often": {Kind.SHORTER: 0},
    "spell.daily": {Kind.DAILY: 1},
    "spell.each_morning": {Kind.DAILY: 1, Kind.HALF: MORNING},
    "spell.each_evening": {Kind.DAILY: 1, Kind.HALF: PM},
    "spell.each_night": {Kind.DAILY: 1, Kind.HALF: NIGHT},
    "spell.other_days": {Kind.DAILY: 2},
    "spell.weekly": {Kind.WEEKLY: 1},
    "spell.other_weeks": {Kind.WEEKLY: 2},
    "spell.monthly": {Kind.MONTHLY: 1},
    "spell.yearly": {Kind.YEARLY: 1},
    "spell.of_month": {Kind.OF_MONTH: 0},
    "spell.now_day": {Kind.AHEAD: 0},
    "spell.tomorrow": {Kind.AHEAD: 1},
    "spell.day_after": {Kind.AHEAD: 2},
    "spell.this_morning": {Kind.AHEAD: 0, Kind.HALF: MORNING},
    "spell.this_evening": {Kind.AHEAD: 0, Kind.HALF: PM},
    "spell.next": {Kind.NEXT: 0},
    "spell.within": {Kind.IN: 0},
    "spell.since": {Kind.FROM: 0},
    "spell.to": {Kind.SPAN: 0},
    "spell.ends": {Kind.END: 0},
    "spell.once": {Kind.ONCE: 0},
    "spell.at": {Kind.AT: 0},
    "spell.clock": {Kind.CLOCK: 0},
    "spell.noon": {Kind.TIME: 12 * 60},
    "spell.midnight": {Kind.TIME: 0},
    "spell.half_past": {Kind.MINUTES: 30},
    "spell.quarter_past": {Kind.MINUTES: 15},
    "spell.quarter_to": {Kind.MINUTES: -15},
    "spell.am": {Kind.HALF: AM},
    "spell.pm": {Kind.HALF: PM},
    "spell.morning": {Kind.HALF: MORNING},
    "spell.mornings": {Kind.HALF: MORNING, Kind.EACH_HALF: 0},
    "spell.evenings": {Kind.HALF: PM, Kind.EACH_HALF: 0},
    "spell.nights": {Kind.HALF: NIGHT, Kind.EACH_HALF: 0},
    "spell.night": {Kind.HALF: NIGHT},
    "spell.nothing": {Kind.JOIN: 0},
    "spell.wish": {Kind.JOIN: 0},
}
_BY_PLACE = {
    "spell.days_short": (Kind.WEEKDAY, 0),
    "spell.days_each": (Kind.EACH_WEEKDAY, 0),
    "spell.numbers": (Kind.NUMBER, 1),
    "spell.ordinals": (Kind.ORDINAL, 1),
}
"""Lists in which a word's place is its value, and the value of the first."""

_ROW = 3
"""So many days one after another are said as the first and the last."""

_ORDINALS = {
    1: "rhythm.first",
    2: "rhythm.second",
    3: "rhythm.third",
    4: "rhythm.fourth",
    -1: "rhythm.last",
}


def lexicon(words: Words, language: str) -> Lexicon:
    """How `language` says when something comes back."""
    found: dict[str, dict[Kind, int]] = {}

    def add(text: str, meaning: Mapping[Kind, int]) -> None:
        found.setdefault(phrase(text), {}).update(meaning)

    for key, meaning in _PHRASES.items():
        for word in split(words.text(language, key)):
            add(word, meaning)
    for key, (kind, first) in _BY_PLACE.items():
        for value, forms in enumerate(split(words.text(language, key)), first):
            for form in forms.split("/"):
                add(form, {kind: value})
    for day in range(7):
        add(words.weekday(day, language), {Kind.WEEKDAY: day})
    for name, month in words.months(language).items():
        add(name, {Kind.MONTH: month})
    return Lexicon(found)


def read(desk: Desk, member: Member, text: str) -> Rhythm | Unread:
    """The rhythm that `text` says on the member's own clock, or why it was not read."""
    words, now = desk.turn.words, wall(desk, member)

    def ahead(length: timedelta) -> datetime:
        return wall(desk, member, length)

    found = when.read(text, lexicon(words, member.language), now, ahead)
    if isinstance(found, Unread) and member.language != ALWAYS:
        also = when.read(text, lexicon(words, ALWAYS), now, ahead)
        return found if isinstance(also, Unread) else also
    return found


def parted(desk: Desk, member: Member, text: str) -> tuple[Rhythm, str] | None:
    """The rhythm with which `text` ends or begins, and the words beside it; None where there are none such.

    Those say nothing about when: "to take my pills every day at 9" is read, "every blue friday at 9" is not.
    """
    now = wall(desk, member)
    for known in _lexicons(desk, member):
        for rest, said in when.parts(text.split(), known):
            found = when.read(" ".join(said), known, now)
            if not isinstance(found, Unread):
                return found, " ".join(rest)
    return None


def _lexicons(desk: Desk, member: Member) -> list[Lexicon]:
    return [lexicon(desk.turn.words, one) for one in dict.fromkeys((member.language, ALWAYS))]


def lacks_hour(desk: Desk, member: Member, text: str) -> tuple[str, str] | None:
    """What `text` says about when, where that is all but its hour, and the words beside it, as `parted` has
    them; None where it says less than that, or more.
    """
    now = wall(desk, member)
    for known in _lexicons(desk, member):
        for rest, said in ((), text.split()), *when.parts(text.split(), known):
            found = when.read(" ".join(said), known, now)
            hourless = isinstance(found, Unread) and found == Unread(Reason.HOUR)
            if hourless and any(_fits(known, " ".join(said), minute, now) for minute in _HOURS):
                return " ".join(said), " ".join(rest)
    return None


_HOURS = tuple(hour * 60 for hour in range(24))


def fitting(desk: Desk, member: Member, said: str, minutes: Sequence[int]) -> list[int]:
    """Those of the times of day, in minutes since midnight, that what `said` lacks can be."""
    now, known = wall(desk, member), _lexicons(desk, member)
    return [minute for minute in minutes if any(_fits(one, said, minute, now) for one in known)]


def _fits(known: Lexicon, said: str, minute: int, now: datetime) -> bool:
    found = when.read(f"{said} {minute // 60}:{minute % 60:02}", known, now)
    return not isinstance(found, Unread) and found.minute == minute


def with_hour(desk: Desk, member: Member, said: str, typed: str) -> Rhythm | None:
    """The rhythm that `said` is with the hour that was `typed` for it; None where that is none.

    "every evening" and "7" make 19:00. An hour of another half of the day counts as it is.
    """
    found = read(desk, member, f"{said} {typed}")
    if not isinstance(found, Unread):
        return found
    minute, any_hour = hour(desk, member, typed), fitting(desk, member, said, _HOURS)
    if minute is None or not any_hour:
        return None
    days = read(desk, member, f"{said} {any_hour[0] // 60}:00")
    return None if isinstance(days, Unread) else moved(days, minute, wall(desk, member))


def hour(desk: Desk, member: Member, text: str) -> int | None:
    """The time of day that `text` is, alone, in minutes since midnight; None for anything else."""
    daily = split(desk.turn.words.text(member.language, "spell.daily"))[0]
    found = read(desk, member, f"{daily} {text}")
    alone = not isinstance(found, Unread) and found.every == recurrence.DAYS and found.step == 1
    return found.minute if alone and not isinstance(found, Unread) else None


def wall(desk: Desk, member: Member, later: timedelta = timedelta()) -> datetime:
    """What the member's own clock and calendar show now, or so much later (naive)."""
    there = (desk.now + later).astimezone(ZoneInfo(zone.of(desk, member)))
    return there.replace(tzinfo=None, fold=0)


def said(words: Words, language: str, rhythm: Rhythm, now: datetime | None = None) -> str:
    """`rhythm` in words that read back as the same: "every 2 weeks on Tuesday at 09:00, from 24 November".

    Its first day is said always without `now` (naive, on the member's own wall), else where it says which of
    several days, weeks or months are meant, or that it begins later than the first time to come.
    """
    hour = words.clock(rhythm.minute, language)
    if rhythm.every == recurrence.ONCE:
        return words.text(language, "rhythm.once", day=words.day(rhythm.start, language), hour=hour)
    n = rhythm.step
    if rhythm.every == recurrence.DAYS:
        text = words.text(language, "rhythm.days", n=n, hour=hour)
    elif rhythm.every == recurrence.WEEKS and n == 1 and _in_a_row(rhythm.days):
        first, last = (words.weekday(day, language) for day in (rhythm.days[0], rhythm.days[-1]))
        text = words.text(language, "rhythm.row", first=first, last=last, hour=hour)
    elif rhythm.every == recurrence.WEEKS:
        text = words.text(language, "rhythm.weeks", n=n, days=_days(words, language, rhythm.days), hour=hour)
    else:
        day = _in_month(words, language, rhythm)
        text = words.text(language, "rhythm.months", n=n, day=day, hour=hour)
    if now is not None and rhythm.step == 1 and not _begins_later(rhythm, now):
        return text
    return words.text(language, "rhythm.starting", rhythm=text, start=words.day(rhythm.start, language))


def moved(rhythm: Rhythm, minute: int, now: datetime) -> Rhythm:
    """The rhythm at another time of day, on the same days.

    It goes on from `now` (naive, on the wall), unless it begins later or counts from its first day.
    """
    counts = rhythm.every == recurrence.ONCE or rhythm.step > 1 or _begins_later(rhythm, now)
    return replace(rhythm, minute=minute, start=rhythm.start if counts else now.date())


def _begins_later(rhythm: Rhythm, now: datetime) -> bool:
    """Whether there would be a time before its first day, if it began `now`."""
    at_once = replace(rhythm, start=now.date())
    return next(wall for wall in recurrence.walls(at_once, now) if wall > now).date() < rhythm.start


def _days(words: Words, language: str, days: Sequence[int]) -> str:
    return words.listing([words.weekday(day, language) for day in days], language)


def _in_a_row(days: Sequence[int]) -> bool:
    return len(days) >= _ROW and days[-1] - days[0] == len(days) - 1


def _in_month(words: Words, language: str, rhythm: Rhythm) -> str:
    if rhythm.nth:
        nth = words.text(language, _ORDINALS[rhythm.nth])
        return words.text(language, "rhythm.nth", nth=nth, days=_days(words, language, rhythm.days))
    if rhythm.month_day < 0:
        return words.text(language, "rhythm.last_day")
    return words.text(language, "rhythm.month_day", day=rhythm.month_day)
