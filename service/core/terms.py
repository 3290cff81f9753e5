"""What two collectives allow across their link together: where they differ, the stricter holds.

Guards: nothing crosses that either side alone would not let cross; all that both would let cross does.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schema.community import Community
from schema.records import Window
from schema.wire import Ask, Hours, Terms, canonical
from service.core.availability import in_window

_MOST = 12
_LONGEST = 1600
"""Bytes of the topics, the agreement and a greeting each, so that a hello fits into the largest envelope."""
_CODE = re.compile("[a-z]{2,3}")
_NEVER_CROSSES = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]")


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


ASKS_A_DAY = 5
"""How many asks a side takes in 24 hours."""

A_YEAR = timedelta(days=365)
"""How long terms hold: each change of keys sets them anew."""


def ours(community: Community, languages: Sequence[str], now: datetime) -> Terms:
    """What this community allows, from how it is set up; `languages` are those that its service speaks.

    What no link can carry of it (a topic of more than one line, words past the bound) is left out.
    """
    ages = {"both": ("adults", "young"), "young": ("young",)}.get(community.ages, ("adults",))
    return Terms.model_validate(
        {
            "sends": community.ask_linked,
            "takes": community.ask_linked,
            "topics": _topics(community.topics),
            "languages": tuple(one for one in community.talk_in or languages if _CODE.fullmatch(one))[:_MOST],
            "asks_a_day": ASKS_A_DAY,
            "hours": (),
            "ages": ages,
            "adult_from": min(max(community.adult_from, 12), 25),
            "until": int((now + A_YEAR).timestamp()),
            "reports": "",
            "agreement": words(community.agreement, _LONGEST),
        }
    )


def _topics(named: Sequence[str]) -> tuple[str, ...]:
    found: tuple[str, ...] = ()
    for topic in named[:_MOST]:
        if topic and line(topic) == topic and len(canonical([*found, topic])) <= _LONGEST:
            found = (*found, topic)
    return found


def line(text: str) -> str:
    """As much of `text` as crosses a link on one line, in at most 100 characters."""
    return words(text, 400).split("\n")[0][:100].strip()


def words(text: str, most: int) -> str:
    """As much of `text` as crosses a link in `most` bytes of its encoding: whole lines where it is longer."""
    kept = "".join(char for char in text if char == "\n" or not _NEVER_CROSSES.match(char)).strip()
    while len(canonical(kept)) > most:
        whole, _, last = kept.rpartition("\n")
        kept = whole or last[: len(last) * 3 // 4]
    return kept.strip()
