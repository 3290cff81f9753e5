"""What two collectives allow across their link together: where they differ, the stricter holds.

Guards: nothing crosses that either side alone would not let cross; all that both would let cross does.
"""

import re
from calendar import monthrange
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import chain
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schema.community import Community
from schema.records import Window
from schema.wire import Ask, Hours, Terms, canonical
from service.core.availability import in_window, instants_of, on_clock

_MOST = 12
_LONGEST = 1600
"""Bytes of the topics, the agreement and a greeting each, so that a hello fits into the largest envelope."""
_LONGEST_REPORTS = 1210
"""Bytes of what members may have to report."""
_LARGEST = 4700
"""Bytes of terms: with the longest name and greeting they are a hello that fits."""
_CODE = re.compile("[a-z]{2,3}")
_NEVER_CROSSES = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]")


Known = Callable[[str], str]
"""Our own name of a topic that the other side names, where we know it by that; else what they say."""


def as_said(topic: str) -> str:
    """Whoever has no other names of a topic knows it by its own alone."""
    return topic


class Outside(StrEnum):
    """Which of the terms an ask is outside of."""

    DIRECTION = "direction"
    ENDED = "ended"
    TOPICS = "topics"
    LANGUAGES = "languages"
    AGES = "ages"
    HOURS = "hours"


@dataclass(frozen=True)
class Agreed:
    """What both allow; `sends` and `takes` are as the first of the two sees them.

    `topics` are named as the first of the two names them. `hours` holds a list for each side that names
    hours: each must take an instant in. `until` is aware.
    """

    sends: bool
    takes: bool
    topics: frozenset[str]
    languages: frozenset[str]
    ages: frozenset[str]
    asks_a_day: int
    hours: tuple[tuple[Hours, ...], ...]
    until: datetime


def agree(ours: Terms, theirs: Terms, known: Known = as_said) -> Agreed:
    """What holds where each side set its own, by the topics of theirs that are `known` here."""
    same_line = ours.adult_from == theirs.adult_from
    return Agreed(
        sends=ours.sends and theirs.takes,
        takes=ours.takes and theirs.sends,
        topics=frozenset(ours.topics) & frozenset(map(known, theirs.topics)),
        languages=frozenset(ours.languages) & frozenset(theirs.languages),
        # Where one draws the line elsewhere an adult of one may be young to the other.
        ages=frozenset(ours.ages) & frozenset(theirs.ages) if same_line else frozenset(),
        asks_a_day=min(ours.asks_a_day, theirs.asks_a_day),
        hours=tuple(hours for hours in (ours.hours, theirs.hours) if hours),
        until=datetime.fromtimestamp(min(ours.until, theirs.until), UTC),
    )


def named_here(topics: Sequence[str], known: Known) -> tuple[str, ...]:
    """Topics of theirs as we name them, none twice; those that are not `known` here as they say them."""
    return tuple(dict.fromkeys(map(known, topics)))


def outside(agreed: Agreed, ask: Ask, sent: bool, now: datetime, known: Known = as_said) -> Outside | None:
    """Which of the terms the ask is outside of, as we send it or (not `sent`) as it comes; None is none.

    What comes names topics as its sender does: each counts as what it is `known` as here.
    """
    if not (agreed.sends if sent else agreed.takes):
        return Outside.DIRECTION
    if now >= agreed.until:
        return Outside.ENDED
    if not agreed.topics.issuperset(ask.topics if sent else map(known, ask.topics)):
        return Outside.TOPICS
    if not agreed.languages.issuperset(ask.languages):
        return Outside.LANGUAGES
    if ask.ages not in agreed.ages:
        return Outside.AGES
    # Last: what is outside of them alone may cross at another hour.
    within = all(any(takes_in(one, now) for one in hours) for hours in agreed.hours)
    return None if within else Outside.HOURS


def takes_in(hours: Hours, instant: datetime) -> bool:
    """Whether the clock of their zone shows one of those hours then; a zone not known here has none."""
    zone = _zone(hours)
    return zone is not None and _shows(hours, zone, instant)


def _zone(hours: Hours) -> ZoneInfo | None:
    try:
        return ZoneInfo(hours.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _shows(hours: Hours, zone: ZoneInfo, instant: datetime) -> bool:
    wall = instant.astimezone(zone)
    window = Window(hours.days, hours.start, hours.end)
    return in_window(window, wall.weekday(), wall.hour * 60 + wall.minute)


def closed(agreed: Agreed) -> Outside | None:
    """Which of the terms no ask at all is within, whatever it is; None where some could cross."""
    if not (agreed.sends or agreed.takes) or not agreed.asks_a_day:
        return Outside.DIRECTION
    if not agreed.languages:
        return Outside.LANGUAGES
    return None if agreed.ages else Outside.AGES


def share_hours(agreed: Agreed, now: datetime) -> bool:
    """Whether there is an hour in the next week that the hours of both sides take in, where they name any."""
    if not agreed.hours:
        return True
    # Each zone is looked up once: a partner can name as many as there are, and none that there are.
    sides = [[(one, zone) for one in hours if (zone := _zone(one)) is not None] for hours in agreed.hours]
    # What both take in begins where one of the two begins, if it has not begun.
    begins = {now}
    for one, zone in chain(*sides):
        today = now.astimezone(zone).date()
        days = (today + timedelta(days=ahead) for ahead in range(-1, 8))
        begins.update(at for day in days for at in instants_of(day, one.start % (24 * 60), zone))
    return any(
        all(any(_shows(one, zone, at) for one, zone in side) for side in sides) for at in begins if at >= now
    )


# What one side sets

ASKS_A_DAY = 5
"""How many asks a side takes in 24 hours whose stewards say nothing else."""

A_YEAR = timedelta(days=365)
"""How long terms hold whose stewards say nothing else."""


def ours(community: Community, languages: Sequence[str], now: datetime) -> Terms:
    """The terms that a community begins with: both directions, all that it is set up for, for a year.

    `languages` are those that its service speaks. What no link can carry (a topic of more than one line,
    words past the bound) is left out.
    """
    chosen = Terms.model_validate(
        {
            "sends": True,
            "takes": True,
            "topics": (),
            "languages": tongues(community, languages),
            "asks_a_day": ASKS_A_DAY,
            "hours": (),
            "ages": (),
            "adult_from": 18,
            "until": int(end_of(now + A_YEAR, community.zone).timestamp()),
            "reports": "",
            "agreement": "",
        }
    )
    for topic in topics(community):
        more = chosen.model_copy(update={"topics": (*chosen.topics, topic)})
        chosen = more if fit(more) else chosen
    return anew(chosen, community, languages)


def anew(chosen: Terms, community: Community, languages: Sequence[str]) -> Terms:
    """The terms that stewards chose, with what is the community's to say as it says it now.

    That is what it still has of their topics and languages, its ages, and its agreement: as the stewards are
    to agree to them.
    """
    known = tongues(community, languages)
    some = tuple(one for one in chosen.languages if one in known)
    ages = {"both": ("adults", "young"), "young": ("young",)}.get(community.ages, ("adults",))
    said = chosen.model_copy(
        update={
            "topics": tuple(one for one in chosen.topics if one in topics(community)),
            "languages": some or known,
            "ages": ages,
            "adult_from": min(max(community.adult_from, 12), 25),
            "agreement": "",
        }
    )
    # That it is a draft is said to whoever can finish it.
    text = "\n".join(one for one in community.agreement.split("\n") if one != community.draft or not one)
    left = _LARGEST - len(canonical(said))
    return said.model_copy(update={"agreement": opening(text, max(2, min(left, _LONGEST)))})


def within(chosen: Terms, community: Community, languages: Sequence[str]) -> Terms:
    """The terms that stewards chose, as far as the community still allows them as it is set up now.

    Nothing is added to what they chose. Where the line between the ages is drawn elsewhere by now, none of
    the groups that they agreed to is there any more.
    """
    said = anew(chosen, community, languages)
    same_line = said.adult_from == chosen.adult_from
    return said.model_copy(
        update={
            "languages": tuple(one for one in chosen.languages if one in said.languages),
            "ages": tuple(one for one in chosen.ages if one in said.ages) if same_line else (),
        }
    )


def topics(community: Community) -> tuple[str, ...]:
    """The community's topics of which each can cross a link, in their order."""
    return tuple(topic for topic in community.topics if topic and line(topic) == topic)


def tongues(community: Community, languages: Sequence[str]) -> tuple[str, ...]:
    """The languages in which its members talk, as many as terms can name."""
    return tuple(one for one in community.talk_in or languages if _CODE.fullmatch(one))[:_MOST]


def fit(chosen: Terms) -> bool:
    """Whether these topics and hours are as few, and what is to be reported as short, as a link can carry."""
    return (
        len(chosen.topics) <= _MOST
        and len(canonical(list(chosen.topics))) <= _LONGEST
        and len(canonical(chosen.reports)) <= _LONGEST_REPORTS
    )


def end_of(day: datetime | date, zone: str) -> datetime:
    """The last minute of that day as the clock in `zone` shows it."""
    if isinstance(day, datetime):
        day = day.astimezone(ZoneInfo(zone)).date()
    return on_clock(day, 24 * 60 - 1, zone)


FARTHEST = 5
"""Years for which terms can be set."""


def months_on(day: date, months: int) -> date:
    """The same day so many months later, or the last of a month that has none such."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def line(text: str) -> str:
    """As much of `text` as crosses a link on one line, in at most 100 characters."""
    return words(text, 400).split("\n")[0][:100].strip()


_MORE = "…"
"""What an agreement ends with that goes on elsewhere."""


def opening(text: str, most: int) -> str:
    """As much of `text` as crosses a link in `most` bytes; what is longer ends after a line or a sentence.

    No heading stands last then, with nothing under it, and "…" says that more of it is elsewhere.
    """
    whole = _crossing(text)
    if len(canonical(whole)) <= most:
        return whole
    kept = words(whole, max(2, most - len(canonical(_MORE))))
    if not whole.startswith(f"{kept}\n"):
        # Not even its first line is short enough.
        sentences = re.match(r"(?s).*[.!?](?=\s)", kept)
        kept = sentences[0] if sentences else kept.rpartition(" ")[0]
    kept, _ = begun(kept)
    return f"{kept.rstrip()} {_MORE}" if kept else ""


def begun(text: str) -> tuple[str, bool]:
    """An agreement as it came, less a heading with nothing under it, and whether it goes on elsewhere."""
    lines = text.rstrip().split("\n")
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines.pop()
    kept = "\n".join(lines)
    return kept, kept.endswith(_MORE) or kept != text.rstrip()


def _crossing(text: str) -> str:
    return "".join(char for char in text if char == "\n" or not _NEVER_CROSSES.match(char)).strip()


def words(text: str, most: int) -> str:
    """As much of `text` as crosses a link in `most` bytes of its encoding: whole lines where it is longer."""
    kept = _crossing(text)
    while len(canonical(kept)) > most:
        whole, _, last = kept.rpartition("\n")
        kept = whole or last[: len(last) * 3 // 4]
    return kept.strip()
