"""What two collectives allow across their link together: where they differ, the stricter holds.

Guards: nothing crosses that either side alone would not let cross; all that both would let cross does.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schema.records import Window
from schema.wire import Ask, Hours, Terms
from service.core.availability import in_window


class Outside(StrEnum):
    """Which of the terms an ask is outside of."""

    DIRECTION = "direction"
    ENDED = "ended"
    HOURS = "hours"
    TOPICS = "topics"
    LANGUAGES = "languages"
    AGES = "ages"


@dataclass(frozen=True)
class Agreed:
    """What both allow; `sends` and `takes` are as the first of the two sees them.

    `hours` holds a list for each side that names hours: each must take an instant in. `until` is aware.
    """

    sends: bool
    takes: bool
    topics: frozenset[str]
    languages: frozenset[str]
    ages: frozenset[str]
    asks_a_day: int
    hours: tuple[tuple[Hours, ...], ...]
    until: datetime


def agree(ours: Terms, theirs: Terms) -> Agreed:
    """What holds where each side set its own."""
    same_line = ours.adult_from == theirs.adult_from
    return Agreed(
        sends=ours.sends and theirs.takes,
        takes=ours.takes and theirs.sends,
        topics=frozenset(ours.topics) & frozenset(theirs.topics),
        languages=frozenset(ours.languages) & frozenset(theirs.languages),
        # Where one draws the line elsewhere an adult of one may be young to the other.
        ages=frozenset(ours.ages) & frozenset(theirs.ages) if same_line else frozenset(),
        asks_a_day=min(ours.asks_a_day, theirs.asks_a_day),
        hours=tuple(hours for hours in (ours.hours, theirs.hours) if hours),
        until=datetime.fromtimestamp(min(ours.until, theirs.until), UTC),
    )


def outside(agreed: Agreed, ask: Ask, sent: bool, now: datetime) -> Outside | None:
    """Which of the terms the ask is outside of, as we send it or (not `sent`) as it comes; None is none."""
    if not (agreed.sends if sent else agreed.takes):
        return Outside.DIRECTION
    if now >= agreed.until:
        return Outside.ENDED
    if not all(any(takes_in(one, now) for one in hours) for hours in agreed.hours):
        return Outside.HOURS
    if not agreed.topics.issuperset(ask.topics):
        return Outside.TOPICS
    if not agreed.languages.issuperset(ask.languages):
        return Outside.LANGUAGES
    return None if ask.ages in agreed.ages else Outside.AGES


def takes_in(hours: Hours, instant: datetime) -> bool:
    """Whether the clock of their zone shows one of those hours then; a zone not known here has none."""
    try:
        wall = instant.astimezone(ZoneInfo(hours.zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    window = Window(hours.days, hours.start, hours.end)
    return in_window(window, wall.weekday(), wall.hour * 60 + wall.minute)
