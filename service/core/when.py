"""What a member typed about when something comes back: "every friday 17:00", "tomorrow 8am".

Guards: a sentence is read whole or not at all: a word that is not known, two hours, two ways to repeat are
refused with the reason, and nothing raises, whatever was typed. What can be meant in two ways is read in the
plain one (an hour without its half of the day as on a clock of 24 hours; a single weekday as the next one; a
word one slip away from known ones that all mean the same as these), and whoever asked shows the next times
before anything is kept.
"""

import re
import unicodedata
from calendar import isleap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from schema.records import Rhythm
from service.core.recurrence import DAYS, MONTHS, ONCE, WEEKS, walls
from service.core.slips import one_slip


class Reason(StrEnum):
    """Why a sentence was not read.

    `WORD`: a word is not known; `HOUR`: no hour is in it, or none that a clock has; `HOURS`: more than one;
    `DAY`: no day is in it; `DATE`: no calendar has that date; `ORDER`: the day and the month can be either
    way round; `PAST`: it is over; `FAR`: it is too far off; `OFTEN`: more than once a day; `END`: it says how
    long, which is asked for by itself; `UNCLEAR`: its words are known, and not together.
    """

    WORD = "word"
    HOUR = "hour"
    HOURS = "hours"
    DAY = "day"
    DATE = "date"
    ORDER = "order"
    PAST = "past"
    FAR = "far"
    OFTEN = "often"
    END = "end"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Unread:
    """That a sentence was not read, why, and at which `word` where it is about one."""

    reason: Reason
    word: str = ""


class Kind(StrEnum):
    """What a phrase can mean. Those that need one have a value beside it."""

    WEEKDAY = "weekday"
    """The value is the day, of which Monday is 0."""
    EACH_WEEKDAY = "each_weekday"
    """Such a day each week, as its plural says."""
    WORKDAYS = "workdays"
    WEEKEND = "weekend"
    MONTH = "month"
    """The value is the month."""
    EVERY = "every"
    OTHER = "other"
    """Every one of two."""
    NUMBER = "number"
    ORDINAL = "ordinal"
    """The value is the number, -1 for the last."""
    MARK = "mark"
    """What follows digits to make them an ordinal."""
    A_DAY = "a_day"
    A_WEEK = "a_week"
    A_MONTH = "a_month"
    A_YEAR = "a_year"
    SHORTER = "shorter"
    """An hour, a minute: the value is how many minutes; 0 is more than once a day, whatever it is."""
    LENGTH = "length"
    """A whole length of time: the value is how many minutes."""
    DAILY = "daily"
    """Each so many days as the value says; the three after it alike."""
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"
    OF_MONTH = "of_month"
    AHEAD = "ahead"
    """The day so many days after today as the value says."""
    NEXT = "next"
    IN = "in"
    FROM = "from"
    SPAN = "span"
    """Stands between the first and the last."""
    END = "end"
    ONCE = "once"
    AT = "at"
    CLOCK = "clock"
    """Follows an hour and says that it is one."""
    TIME = "time"
    """A whole time, in minutes since midnight."""
    HALF = "half"
    """The half of the day: the value is one of those below."""
    EACH_HALF = "each_half"
    """That half of each day, as its plural says; it means `HALF` too."""
    MINUTES = "minutes"
    """So many minutes more, or less, than the hour beside it."""
    JOIN = "join"
    """Says nothing."""


AM, MORNING, PM, NIGHT = range(4)
"""Halves of the day: by a clock of twelve, or as people say them."""


@dataclass(frozen=True)
class Lexicon:
    """The phrases of one language, each as `phrase` leaves it, with all that each can mean."""

    phrases: Mapping[str, Mapping[Kind, int]]


LONGEST = 200
"""Characters of a sentence at most."""

_MOST = {DAYS: 366, WEEKS: 52, MONTHS: 24}
"""How far two times may lie apart."""
_FAR = 5
_LONG_AGO = 20
"""Years to a date at most, ahead and back."""

_NOON = 12
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_WORDS = 40
"""Words of a sentence at most that is looked through for what it is about."""
_SOON = 7 * 24 * 60
"""Minutes from now at most, where hours or minutes are said; of days the days are."""
_LONG = 5
"""How long a word is at least to be found in one that was mistyped."""

Ahead = Callable[[timedelta], datetime]
"""What the member's own clock and calendar show (naive) when so much time has passed."""

_TOKEN = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}(?!\d)"  # A date (ISO 8601).
    r"|\d{1,2}/\d{1,2}(?:/\d{4})?(?![\d/])"
    r"|\d{1,2}[:.]\d{2}(?!\d)|\d{1,2}h\d{2}(?!\d)"  # A time.
    r"|\d+"
    r"|[^\W\d_](?:\.[^\W\d_])+(?!\w)"  # "p.m" is one word.
    r"|[^\W\d_]+"
    r"|[-\u2013\u2014]"
)


def phrase(text: str) -> str:
    """A phrase as a lexicon has it: its words, less case, accents and punctuation."""
    return " ".join(word for word, _ in _words(text))


def _words(text: str) -> list[tuple[str, bool]]:
    """The words of `text`, and of each whether it stands right after the one before."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(
        char for char in parts if not "\u0300" <= char <= "\u036f" and char not in "'\u2019`\u00b4"
    )
    plain = unicodedata.normalize("NFC", kept).replace("\u2044", "/")
    found: list[tuple[str, bool]] = []
    end = -1
    for match in _TOKEN.finditer(plain):
        word = match[0].replace("\u2013", "-").replace("\u2014", "-")
        found.append((word.replace(".", "") if word[0].isalpha() else word, match.start() == end))
        end = match.end()
    return found


@dataclass(frozen=True)
class _Token:
    text: str
    kinds: Mapping[Kind, int]
    glued: bool = False
    digits: int = 0
    day: date | None = None


class _Refused(Exception):
    """The sentence is not read; caught in `read`."""

    def __init__(self, reason: Reason, word: str = "") -> None:
        super().__init__(reason)
        self.unread = Unread(reason, word)


def read(text: str, lexicon: Lexicon, now: datetime, ahead: Ahead | None = None) -> Rhythm | Unread:
    """The rhythm that `text` says in the words of `lexicon`, or why none; it never raises.

    `now` is what the member's own clock and calendar show (naive); `ahead` is needed only where that clock
    may change within a day. Of what repeats, the first day is the one that the words name after "from", else
    that of the first time to come.
    """
    if len(text) > LONGEST:
        return Unread(Reason.UNCLEAR)
    try:
        return _Reading(_tokens(text, lexicon), now, ahead or (lambda length: now + length)).rhythm()
    except _Refused as refused:
        return refused.unread


_MEANINGLESS = frozenset({Kind.JOIN, Kind.NUMBER, Kind.SPAN, Kind.AT, Kind.FROM, Kind.IN, Kind.MARK})
"""What a word can mean and still be one of a sentence about something else: "a", "to", "on"."""


def parts(words: Sequence[str], lexicon: Lexicon) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Each way to part `words` into some that say nothing about when, and the others: after or before them.

    The fewest first. Gives nothing where the words are too many to be about when and what alone.
    """
    if len(words) > _WORDS:
        return
    silent = [_says_nothing(word, lexicon) for word in words]
    for count in range(1, len(words)):
        if all(silent[:count]):
            yield words[:count], words[count:]
        if all(silent[-count:]):
            yield words[-count:], words[:-count]


def _says_nothing(word: str, lexicon: Lexicon) -> bool:
    kinds = lexicon.phrases.get(phrase(word), {})
    return not any(char.isdigit() for char in word) and not kinds.keys() - _MEANINGLESS


def _tokens(text: str, lexicon: Lexicon) -> list[_Token]:
    words = _words(text)
    longest = max((name.count(" ") + 1 for name in lexicon.phrases), default=1)
    found: list[_Token] = []
    place = 0
    while place < len(words):
        word, glued = words[place]
        for size in range(min(longest, len(words) - place), 0, -1):
            name = " ".join(one for one, _ in words[place : place + size])
            if name in lexicon.phrases:
                found.append(_Token(name, lexicon.phrases[name], glued))
                place += size
                break
        else:
            found.append(_mistyped(word, glued, lexicon) or _literal(word, glued))
            place += 1
    return found


def _mistyped(word: str, glued: bool, lexicon: Lexicon) -> _Token | None:
    """The word that was meant, where all that are one slip away mean the same."""
    if len(word) < _LONG - 1 or not word.isalpha():
        return None
    near = [name for name in lexicon.phrases if len(name) >= _LONG and one_slip(word, name)]
    meanings = [lexicon.phrases[name] for name in near]
    same = bool(near) and all(meaning == meanings[0] for meaning in meanings)
    return _Token(near[0], meanings[0], glued) if same else None


def _literal(word: str, glued: bool) -> _Token:
    if word.isdecimal():
        return _Token(word, {Kind.NUMBER: int(word)}, glued, digits=len(word))
    if word == "-":
        return _Token(word, {Kind.SPAN: 0}, glued)
    numbers = [int(part) for part in re.findall(r"\d+", word)]
    if not numbers:
        raise _Refused(Reason.WORD, word)
    if "/" in word:
        return _Token(word, {}, glued, day=_slashed(numbers))
    if len(numbers) == 3:
        return _Token(word, {}, glued, day=_date(*numbers))
    hour, minute = numbers
    if hour > 23 or minute > 59:
        raise _Refused(Reason.HOUR, word)
    return _Token(word, {Kind.TIME: hour * 60 + minute}, glued)


def _slashed(numbers: Sequence[int]) -> date:
    """A date with its year, where only one of the two numbers before it can be the month."""
    if len(numbers) < 3 or (max(numbers[:2]) <= 12 and numbers[0] != numbers[1]):
        raise _Refused(Reason.ORDER)
    low, high = sorted(numbers[:2])
    return _date(numbers[2], low, high)


def _date(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise _Refused(Reason.DATE) from None


class _Reading:
    """One sentence on its way: what was found of it so far, each thing at most once."""

    def __init__(self, tokens: Sequence[_Token], now: datetime, ahead: Ahead) -> None:
        self._tokens = tokens
        self._ahead = ahead
        self._at = 0
        self._now = now
        self._today = now.date()
        self._hour: int | None = None
        self._fixed = False
        self._more: int | None = None
        self._half: int | None = None
        self._every = False
        self._each_half = False
        self._once = False
        self._next = False
        self._yearly = False
        self._unit = ""
        self._step: int | None = None
        self._days: set[int] = set()
        self._nth: int | None = None
        self._month_day: int | None = None
        self._date: date | None = None
        self._open_year = False
        self._start: date | None = None

    # What stands where

    def _kind(self, kind: Kind, ahead: int = 0) -> int | None:
        """The value of the token so far ahead, if it can mean that."""
        place = self._at + ahead
        return self._tokens[place].kinds.get(kind) if place < len(self._tokens) else None

    def _is(self, *kinds: Kind, ahead: int = 0) -> bool:
        return any(self._kind(kind, ahead) is not None for kind in kinds)

    def _take(self, kind: Kind) -> int | None:
        value = self._kind(kind)
        if value is not None:
            self._at += 1
        return value

    def _unclear(self) -> _Refused:
        word = self._tokens[self._at].text if self._at < len(self._tokens) else ""
        return _Refused(Reason.UNCLEAR, word)

    def _past_joins(self, ahead: int = 0) -> int:
        while self._is(Kind.JOIN, ahead=ahead):
            ahead += 1
        return ahead

    def _of_month(self, ahead: int) -> bool:
        """Whether "of the month" stands there, or "of each month"."""
        ahead = self._past_joins(ahead)
        if self._is(Kind.OF_MONTH, ahead=ahead):
            return True
        ahead = self._past_joins(ahead)
        if not self._is(Kind.EVERY, ahead=ahead):
            return False
        ahead += 1
        while self._is(Kind.OTHER, Kind.NUMBER, ahead=ahead):
            ahead += 1
        return self._is(Kind.A_MONTH, ahead=ahead)

    # Its parts

    def rhythm(self) -> Rhythm:
        """All of it; raises `_Refused`."""
        parts = (
            self._read_from,
            self._read_every,
            self._read_cycle,
            self._read_date,
            self._read_time,
            self._read_ordinal,
            self._read_weekdays,
            self._read_small,
        )
        if (soon := self._soon()) is not None:
            return soon
        while self._at < len(self._tokens):
            if not any(part() for part in parts):
                raise self._unclear()
        return self._decide(self._minute())

    def _soon(self) -> Rhythm | None:
        """The whole sentence, where it is "in two hours": once, so much later, at the next whole minute."""
        begins = next((place for place, token in enumerate(self._tokens) if Kind.IN in token.kinds), None)
        if begins is None or not all(Kind.JOIN in token.kinds for token in self._tokens[:begins]):
            return None
        length = self._length_at(begins + 1)
        if length is None or self._past_joins(length[1]) < len(self._tokens):
            return None
        if length[0] < 1:
            raise self._unclear()
        if length[0] > _SOON:
            raise _Refused(Reason.FAR)
        wall = self._ahead(length[0] * _MINUTE)
        if wall.second or wall.microsecond:
            wall = wall.replace(second=0, microsecond=0) + _MINUTE
        return self._to_come(Rhythm(ONCE, wall.date(), wall.hour * 60 + wall.minute))

    def _length_at(self, ahead: int) -> tuple[int, int] | None:
        """The length of time there in minutes, and where it ends; hours and minutes can stand together."""
        whole = self._kind(Kind.LENGTH, ahead)
        if whole is not None:
            return whole, ahead + 1
        minutes, found = 0, False
        while (number := self._kind(Kind.NUMBER, ahead)) is not None:
            unit = self._kind(Kind.SHORTER, ahead + 1)
            if not unit:
                return None
            minutes, found = minutes + number * unit, True
            ahead = self._past_joins(ahead + 2)
        return (minutes, ahead) if found else None

    def _read_from(self) -> bool:
        if not self._is(Kind.FROM):
            return False
        self._at = self._at + self._past_joins(1)
        if self._start is not None:
            raise self._unclear()
        self._take(Kind.NEXT)
        if (day := self._day()) is not None:
            self._start = day
        elif (weekday := self._take(Kind.WEEKDAY)) is not None:
            self._start = self._today + (weekday - self._today.weekday()) % 7 * _DAY
        else:
            raise self._unclear()
        return True

    def _read_every(self) -> bool:
        if self._take(Kind.EVERY) is None:
            return False
        self._every = True
        ordinal = self._ordinal_at(0)
        if self._take(Kind.OTHER) is not None and self._repeated(0):
            self._set_step(2)
        elif ordinal is not None and ordinal[0] > 0 and self._stepped(ordinal[1]):
            self._at += ordinal[1]
            self._set_step(ordinal[0])
        elif self._is(Kind.NUMBER) and self._repeated(1):
            self._set_step(self._take(Kind.NUMBER) or 0)
        if self._is(Kind.SHORTER):
            raise _Refused(Reason.OFTEN)
        units = ((Kind.A_DAY, DAYS), (Kind.A_WEEK, WEEKS), (Kind.A_MONTH, MONTHS))
        for kind, unit in units:
            # "Every day 15" is the day of a month.
            if self._is(kind) and not (kind == Kind.A_DAY and self._day_number()):
                self._at += 1
                self._set_unit(unit)
        if self._take(Kind.A_YEAR) is not None:
            self._set_yearly(1)
        return True

    def _repeated(self, ahead: int) -> bool:
        """Whether a unit or a day stands there of which every so many are meant."""
        kinds = (Kind.A_DAY, Kind.A_WEEK, Kind.A_MONTH, Kind.A_YEAR, Kind.SHORTER)
        return self._is(*kinds, Kind.WEEKDAY, Kind.EACH_WEEKDAY, ahead=ahead)

    def _stepped(self, ahead: int) -> bool:
        """Whether an ordinal before this says a step: "every third day", "every second friday"."""
        if self._is(Kind.WEEKDAY, ahead=ahead):
            second = self._ordinal_at(0)
            return second is not None and second[0] > 1 and not self._of_month(ahead + 1)
        return self._repeated(ahead) and not (self._is(Kind.A_DAY, ahead=ahead) and self._of_month(ahead + 1))

    def _day_number(self) -> bool:
        return self._is(Kind.NUMBER, ahead=1) and (self._of_month(2) or self._is(Kind.AT, ahead=2))

    def _read_cycle(self) -> bool:
        for kind, unit in ((Kind.DAILY, DAYS), (Kind.WEEKLY, WEEKS), (Kind.MONTHLY, MONTHS)):
            if (step := self._kind(kind)) is not None:
                # "Every morning" says the half of the day too.
                self._set_half(self._kind(Kind.HALF))
                self._at += 1
                self._every = True
                self._set_unit(unit)
                if step > 1:
                    self._set_step(step)
                return True
        if (step := self._take(Kind.YEARLY)) is not None:
            self._every = True
            self._set_yearly(step)
            return True
        if self._take(Kind.OF_MONTH) is not None:
            self._set_unit(MONTHS)
            self._every = True
            return True
        return False

    def _set_unit(self, unit: str) -> None:
        if self._unit not in ("", unit):
            raise self._unclear()
        self._unit = unit

    def _set_step(self, step: int) -> None:
        if self._step is not None or step < 1:
            raise self._unclear()
        self._step = step

    def _set_yearly(self, step: int) -> None:
        self._set_unit(MONTHS)
        self._yearly = True
        if step > 1:
            self._set_step(step)

    def _read_date(self) -> bool:
        day = self._day()
        if day is None:
            return False
        if self._date is not None:
            raise self._unclear()
        self._date = day
        return True

    def _day(self) -> date | None:
        """The day that the next words name by its date or from today."""
        if self._at < len(self._tokens) and (literal := self._tokens[self._at].day) is not None:
            self._at += 1
            return self._near(literal)
        if (ahead := self._kind(Kind.AHEAD)) is not None:
            # "Tonight" says the half of the day too.
            self._set_half(self._kind(Kind.HALF))
            self._at += 1
            return self._today + ahead * _DAY
        if (
            self._is(Kind.IN)
            and self._is(Kind.NUMBER, ahead=1)
            and self._is(Kind.A_DAY, Kind.A_WEEK, ahead=2)
        ):
            number = self._kind(Kind.NUMBER, 1) or 0
            days = number * (1 if self._is(Kind.A_DAY, ahead=2) else 7)
            if days > _FAR * 366:
                raise _Refused(Reason.FAR)
            self._at += 3
            return self._today + days * _DAY
        return self._calendar_day()

    def _calendar_day(self) -> date | None:
        """A day and a month, either first, and a year or the next one that has them."""
        found = self._number_at(0)
        if found is not None and self._is(Kind.MONTH, ahead=(after := self._past_joins(found[1]))):
            number, month = found[0], self._kind(Kind.MONTH, after)
            self._at += after + 1
        elif self._is(Kind.MONTH) and (found := self._number_at(after := self._past_joins(1))) is not None:
            if self._tokens[self._at + after].digits > 2 or self._clock_follows(after + 1):
                return None
            number, month = found[0], self._kind(Kind.MONTH)
            self._at += after + found[1]
        else:
            return None
        after = self._past_joins()
        year = self._tokens[self._at + after] if self._at + after < len(self._tokens) else None
        if year is not None and year.digits == 4 and not self._is(Kind.AT, ahead=max(after - 1, 0)):
            self._at += after + 1
            return self._near(_date(int(year.text), month or 0, number))
        self._open_year = True
        return self._next_date(month or 0, number, self._today)

    def _next_date(self, month: int, day: int, since: date) -> date:
        """The first such date from `since` on; only 29 February is not in every year."""
        for year in range(since.year, since.year + 9):
            if month == 2 and day == 29 and not isleap(year):
                continue
            if (found := _date(year, month, day)) >= since:
                return found
        raise _Refused(Reason.DATE)

    def _clock_follows(self, ahead: int) -> bool:
        return self._is(Kind.CLOCK, Kind.HALF, ahead=ahead)

    def _near(self, day: date) -> date:
        if day.year > self._today.year + _FAR or day.year < self._today.year - _LONG_AGO:
            raise _Refused(Reason.FAR)
        return day

    def _number_at(self, ahead: int) -> tuple[int, int] | None:
        """The number there, as digits, word or ordinal, and how many tokens it takes."""
        found = self._ordinal_at(ahead)
        if found is not None and found[0] > 0:
            return found
        number = self._kind(Kind.NUMBER, ahead)
        return None if number is None else (number, 1)

    def _ordinal_at(self, ahead: int) -> tuple[int, int] | None:
        """The ordinal there and how many tokens it takes: "first", "1st"."""
        if (number := self._kind(Kind.ORDINAL, ahead)) is not None:
            return number, 1
        place = self._at + ahead + 1
        if self._is(Kind.NUMBER, ahead=ahead) and self._is(Kind.MARK, ahead=ahead + 1):
            number = self._kind(Kind.NUMBER, ahead)
            if number is not None and self._tokens[place].glued:
                return number, 2
        return None

    def _read_ordinal(self) -> bool:
        """A day of the month, by its number or by its weekday."""
        ordinal = self._ordinal_at(0)
        if ordinal is not None:
            after = self._past_joins(ordinal[1])
            if self._is(Kind.WEEKDAY, Kind.EACH_WEEKDAY, ahead=after):
                if self._nth is not None or not (1 <= ordinal[0] <= 4 or ordinal[0] == -1):
                    raise self._unclear()
                self._nth = ordinal[0]
                self._at += after
                return True
            if self._is(Kind.A_DAY, ahead=after):
                self._at += after + 1
                self._set_month_day(ordinal[0])
                return True
            self._at += ordinal[1]
            self._set_month_day(ordinal[0])
            return True
        if self._is(Kind.A_DAY) and self._is(Kind.NUMBER, ahead=1):
            self._at += 1
            self._set_month_day(self._take(Kind.NUMBER) or 0)
            return True
        if self._is(Kind.NUMBER) and self._of_month(1):
            self._set_month_day(self._take(Kind.NUMBER) or 0)
            return True
        return False

    def _set_month_day(self, day: int) -> None:
        if self._month_day is not None or not (1 <= day <= 31 or day == -1):
            raise self._unclear()
        self._month_day = day

    def _read_weekdays(self) -> bool:
        for kind, days in ((Kind.WORKDAYS, range(5)), (Kind.WEEKEND, range(5, 7))):
            if self._take(kind) is not None:
                self._every = True
                self._days.update(days)
                return True
        plural = self._take(Kind.EACH_WEEKDAY)
        first = plural if plural is not None else self._take(Kind.WEEKDAY)
        if first is None:
            return False
        self._every = self._every or plural is not None
        if self._is(Kind.SPAN) and (last := self._weekday_at(1)) is not None:
            self._at += 2
            self._every = True
            self._days.update((first + number) % 7 for number in range((last - first) % 7 + 1))
        else:
            self._days.add(first)
        return True

    def _weekday_at(self, ahead: int) -> int | None:
        plural = self._kind(Kind.EACH_WEEKDAY, ahead)
        return plural if plural is not None else self._kind(Kind.WEEKDAY, ahead)

    def _read_time(self) -> bool:
        if (minute := self._take(Kind.TIME)) is not None:
            self._set_hour(minute)
            # "12:00 noon" is noon.
            self._take(Kind.CLOCK)
            return True
        start = self._at
        after_at = self._take(Kind.AT) is not None
        while after_at and self._take(Kind.JOIN) is not None:
            pass
        if self._is(Kind.TIME):
            return self._read_time()
        more = self._take(Kind.MINUTES)
        number = self._kind(Kind.NUMBER)
        marked = after_at or more is not None or self._is(Kind.CLOCK, Kind.HALF, Kind.MINUTES, ahead=1)
        if number is None or not (marked or self._bare()):
            self._at = start
            return False
        self._at += 1
        if after_at and self._tokens[self._at - 1].digits == 4 and number % 100 < 60:
            # "At 1730."
            hour, minute = divmod(number, 100)
            number, more = hour, minute
        if number > 23:
            raise _Refused(Reason.HOUR, self._tokens[self._at - 1].text)
        self._take(Kind.CLOCK)
        self._set_hour(number * 60)
        self._more = more if more is not None else self._take(Kind.MINUTES)
        return True

    def _bare(self) -> bool:
        """Whether a number can be an hour with nothing that says so: "every friday 9", "9 every friday"."""
        after = self._past_joins(1)
        ends = self._at + after == len(self._tokens)
        follows = self._is(Kind.EVERY, Kind.DAILY, Kind.AHEAD, ahead=after)
        begins = self._at == 0 and follows and not self._of_month(1)
        return (ends or begins) and self._tokens[self._at].digits in (1, 2)

    def _set_hour(self, minute: int) -> None:
        if self._hour is not None:
            raise _Refused(Reason.HOURS)
        self._hour = minute

    def _set_half(self, half: int | None) -> None:
        if half is not None:
            if self._half not in (None, half):
                raise self._unclear()
            self._half = half

    def _read_small(self) -> bool:
        if self._is(Kind.HALF):
            if self._is(Kind.EACH_HALF):
                self._every = self._each_half = True
            self._set_half(self._take(Kind.HALF))
        elif self._take(Kind.ONCE) is not None:
            self._once = True
        elif self._take(Kind.NEXT) is not None:
            self._next = True
        elif self._is(Kind.SHORTER):
            raise _Refused(Reason.OFTEN)
        elif self._is(Kind.END, Kind.SPAN):
            raise _Refused(Reason.END) if self._is(Kind.END) else self._unclear()
        else:
            return self._take(Kind.JOIN) is not None
        return True

    # All of it together

    def _minute(self) -> int:
        """The time in minutes since midnight."""
        if self._hour is None:
            raise _Refused(Reason.HOUR)
        hour, minute = divmod(self._hour, 60)
        half = self._half
        fits = (
            half is None
            or (half == AM and hour <= _NOON)
            or (half == MORNING and hour < _NOON)
            or (half == PM and hour > 0)
            or (half == NIGHT and (hour <= _NOON or hour >= 18))
        )
        if not fits:
            raise _Refused(Reason.HOUR)
        # By a clock of twelve its 12 begins the half; a night goes on after midnight.
        if hour == _NOON and half in (AM, NIGHT):
            hour = 0
        elif (half == PM and hour < _NOON) or (half == NIGHT and 6 <= hour < _NOON):
            hour += _NOON
        return (hour * 60 + minute + (self._more or 0)) % (24 * 60)

    def _decide(self, minute: int) -> Rhythm:
        """The rhythm that the parts make."""
        if self._yearly:
            return self._each_year(minute)
        if self._date is not None:
            return self._on_date(minute)
        if self._nth is not None or self._month_day is not None:
            return self._in_month(minute)
        if self._days:
            return self._on_weekdays(minute)
        daily = self._unit == DAYS or (self._unit == "" and self._each_half)
        if daily and not self._once and not self._next:
            return self._repeats(Rhythm(DAYS, self._today, minute, self._step or 1))
        if self._start is not None and self._every and not self._once:
            if self._unit == WEEKS:
                days = (self._start.weekday(),)
                return self._repeats(Rhythm(WEEKS, self._today, minute, self._step or 1, days))
            if self._unit == MONTHS:
                day = self._start.day
                return self._repeats(Rhythm(MONTHS, self._today, minute, self._step or 1, month_day=day))
        raise _Refused(Reason.DAY)

    def _each_year(self, minute: int) -> Rhythm:
        if self._date is None or self._nth is not None or self._month_day is not None or self._once:
            raise _Refused(Reason.DAY)
        if self._days and self._days != {self._date.weekday()}:
            raise _Refused(Reason.DATE)
        months = 12 * (self._step or 1)
        start = self._start or self._date
        if (start.month, start.day) != (self._date.month, self._date.day) or months > _MOST[MONTHS]:
            raise _Refused(Reason.UNCLEAR)
        return Rhythm(MONTHS, start, minute, months, month_day=start.day)

    def _on_date(self, minute: int) -> Rhythm:
        day = self._date
        repeats = self._every or self._unit or self._step or self._nth is not None or self._start is not None
        if day is None or repeats or self._month_day is not None:
            raise _Refused(Reason.UNCLEAR)
        found = Rhythm(ONCE, day, minute)
        if next(walls(found, self._now)) <= self._now and self._open_year:
            found = replace(found, start=self._next_date(day.month, day.day, day + _DAY))
        if self._days and self._days != {found.start.weekday()}:
            raise _Refused(Reason.DATE)
        return self._to_come(found)

    def _to_come(self, rhythm: Rhythm) -> Rhythm:
        if next(walls(rhythm, self._now)) <= self._now:
            raise _Refused(Reason.PAST)
        return rhythm

    def _in_month(self, minute: int) -> Rhythm:
        if self._unit not in ("", MONTHS) or (self._nth is not None and self._month_day is not None):
            raise _Refused(Reason.UNCLEAR)
        if (self._nth is None and self._days) or self._next:
            raise _Refused(Reason.UNCLEAR)
        found = Rhythm(
            MONTHS,
            self._today,
            minute,
            self._step or 1,
            tuple(sorted(self._days)) if self._nth is not None else (),
            self._nth or 0,
            self._month_day or 0,
        )
        if self._month_day is not None and not self._every and self._start is None:
            # "On the 15th" is the next one.
            found = self._repeats(found)
            return Rhythm(ONCE, found.start, minute)
        if self._once:
            raise _Refused(Reason.UNCLEAR)
        return self._repeats(found)

    def _on_weekdays(self, minute: int) -> Rhythm:
        days = tuple(sorted(self._days))
        if self._unit not in ("", WEEKS):
            raise _Refused(Reason.DAY if self._unit == MONTHS else Reason.UNCLEAR)
        single = not self._every and self._unit == "" and len(days) == 1 and self._start is None
        if (self._once or self._next) and not single:
            raise _Refused(Reason.UNCLEAR)
        found = self._repeats(Rhythm(WEEKS, self._today, minute, self._step or 1, days))
        return Rhythm(ONCE, found.start, minute) if single else found

    def _repeats(self, rhythm: Rhythm) -> Rhythm:
        """The rhythm from the day that was named, else from the first time to come."""
        if rhythm.step > _MOST[rhythm.every]:
            raise _Refused(Reason.FAR)
        if self._start is not None:
            return replace(rhythm, start=self._start)
        each = replace(rhythm, step=1)
        first = next(wall for wall in walls(each, self._now) if wall > self._now)
        return replace(rhythm, start=first.date())
