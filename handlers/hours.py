"""Hours as members write and read them: windows of the week, quiet hours, and until when to rest.

Guards: what was understood is said again in full, so that a slip shows.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from handlers import zone
from handlers.desk import Desk
from handlers.words import normal
from schema.records import Member, Window
from service.core import availability
from service.core.availability import Spelling

_ROW = 3
"""So many days one after another are said as the first and the last."""

_WEEK = tuple(range(7))

_UNITS = {
    "spell.minutes": timedelta(minutes=1),
    "spell.hours": timedelta(hours=1),
    "spell.days": timedelta(days=1),
    "spell.weeks": timedelta(weeks=1),
}
_LONGEST_REST = timedelta(weeks=26)


def spelling(desk: Desk, member: Member) -> Spelling:
    """How the member's language writes days and hours."""

    def words(key: str) -> Sequence[str]:
        return [_glued(word) for word in desk.spoken(member, key)]

    names = desk.turn.words.weekdays(member.language).items()
    days: dict[str, tuple[int, ...]] = {form: (day,) for name, day in names for form in (name, f"{name}s")}
    days |= dict.fromkeys(words("spell.weekdays"), _WEEK[:5])
    days |= dict.fromkeys(words("spell.weekend"), _WEEK[5:])
    days |= dict.fromkeys(words("spell.every_day"), _WEEK)
    return Spelling(
        days,
        frozenset(words("spell.joins")),
        frozenset(words("spell.spans")),
        frozenset(words("spell.before_noon")),
        frozenset(words("spell.after_noon")),
    )


_SPELLED = (
    *("spell.weekdays", "spell.weekend", "spell.every_day", "spell.joins", "spell.spans"),
    *("spell.before_noon", "spell.after_noon"),
)


def typed(desk: Desk, member: Member, text: str) -> str:
    """`text` less what does not matter, and each phrase of the language as the one word of its spelling."""
    plain = f" {normal(text)} "
    phrases = [word for key in _SPELLED for word in desk.spoken(member, key) if " " in word]
    for phrase in sorted(phrases, key=len, reverse=True):
        plain = plain.replace(f" {phrase} ", f" {_glued(phrase)} ")
    return plain.strip()


def _glued(phrase: str) -> str:
    return phrase.replace(" ", "")


def windows(desk: Desk, member: Member, found: Sequence[Window]) -> list[str]:
    """Windows as they are said: "Monday to Friday, 18:00 to 21:00"."""
    return [
        desk.words(
            member,
            "hours.window",
            days=_days(desk, member, window.days),
            hours=span(desk, member, window.start, window.end),
        )
        for window in found
    ]


def span(desk: Desk, member: Member, start: int, end: int) -> str:
    """Hours of a day, from minutes since midnight: "22:00 to 08:00"."""
    clock = desk.turn.words.clock
    return desk.words(
        member, "hours.span", start=clock(start, member.language), end=clock(end, member.language)
    )


def _days(desk: Desk, member: Member, days: Sequence[int]) -> str:
    if len(days) == 7:
        return desk.words(member, "hours.every_day")
    names = [desk.turn.words.weekday(day, member.language) for day in days]
    if len(days) >= _ROW and days[-1] - days[0] == len(days) - 1:
        return desk.words(member, "hours.days", first=names[0], last=names[-1])
    return desk.turn.words.listing(names, member.language)


def moment(desk: Desk, member: Member, text: str) -> datetime | None:
    """Until when `text` says: "until friday 9:00", "tomorrow", "3 days"; None for anything else."""
    words = typed(desk, member, text).split()
    spans = desk.spoken(member, "spell.until")
    if words and words[0] in spans:
        words = words[1:]
    if not words:
        return None
    if (length := _length(desk, member, words)) is not None:
        return desk.now + length
    return _moment(desk, member, words)


def hour(desk: Desk, member: Member, text: str) -> datetime | None:
    """The hour to come that `text` names: "tomorrow 18:00", "friday 20:00", "6 pm"; None for anything else.

    A bare number, a day alone and its shortest names ("we") are none: among words they can be many things.
    """
    starts = desk.spoken(member, "spell.starts")
    words = [word for word in typed(desk, member, text).split() if word not in starts]
    spelled = spelling(desk, member)
    known = spelled.joins | spelled.before_noon | spelled.after_noon
    named = [word for word in words if ":" in word or word.isalpha()]
    short = any(word.isalpha() and len(word) < 3 and word not in known for word in words)
    if short or not named or not any(letter.isdigit() for letter in text):
        return None
    return _moment(desk, member, words)


def _moment(desk: Desk, member: Member, words: Sequence[str]) -> datetime | None:
    place = zone.of(desk, member)
    spelled = spelling(desk, member)
    # "On friday at nine", "el viernes a las nueve": one day and one hour need nothing between them.
    between = {*desk.spoken(member, "spell.starts"), *spelled.joins, *spelled.spans}
    words = [word for word in words if word not in between] or words
    for ahead, key in enumerate(("spell.today", "spell.tomorrow")):
        if words[0] in desk.spoken(member, key):
            day = desk.now.astimezone(ZoneInfo(place)).date() + timedelta(days=ahead)
            name = next(name for name, days in spelled.days.items() if days == (day.weekday(),))
            found = availability.read_moment(" ".join((name, *words[1:])), desk.now, place, spelled)
            # A day whose hour is past is not the same day of next week.
            same = found is not None and found.astimezone(ZoneInfo(place)).date() - day < timedelta(days=2)
            return found if same else None
    return availability.read_moment(" ".join(words), desk.now, place, spelled)


def _length(desk: Desk, member: Member, words: Sequence[str]) -> timedelta | None:
    """A length of time such as "3 days" or "a week"."""
    joins = desk.spoken(member, "spell.joins")
    words = [word for word in words if word not in joins]
    if len(words) != 2:
        return None
    one = desk.spoken(member, "spell.one")
    number = int(words[0]) if words[0].isdecimal() and len(words[0]) < 4 else int(words[0] in one)
    for key, unit in _UNITS.items():
        if number and words[1] in desk.spoken(member, key):
            return number * unit if number * unit <= _LONGEST_REST else None
    return None
