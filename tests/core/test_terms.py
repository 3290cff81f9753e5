"""The stricter holds: the terms of two sides, and the asks that cross under them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schema.community import Community
from schema.wire import SIZES, Ask, Hours, Terms, canonical
from service.core import terms
from service.core.terms import Outside, agree, outside, takes_in
from tests.linked import ASK, NOW, TERMS, secrets, steps

HOURS = Hours(zone="Europe/Berlin", days=(4,), start=17 * 60, end=19 * 60)


def _some(names: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.sets(st.sampled_from(names)).map(lambda some: tuple(sorted(some)))


TOPICS, LANGUAGES, AGES = ("burnout", "grief", "work"), ("de", "en", "es"), ("adults", "young")
EACH = st.fixed_dictionaries(
    {
        "sends": st.booleans(),
        "takes": st.booleans(),
        "topics": _some(TOPICS),
        "languages": _some(LANGUAGES),
        "asks_a_day": st.integers(0, 3),
        "hours": st.sampled_from([(), (HOURS,), (HOURS, HOURS.model_copy(update={"days": (5, 6)}))]),
        "ages": _some(AGES),
        "adult_from": st.sampled_from([18, 21]),
        "until": st.sampled_from([int((NOW + timedelta(hours=hours)).timestamp()) for hours in (-1, 1, 99)]),
    }
).map(lambda changed: TERMS.model_copy(update=changed))
ASKS = st.fixed_dictionaries(
    {"topics": _some(TOPICS), "languages": _some(LANGUAGES), "ages": st.sampled_from(AGES)}
).map(lambda changed: ASK.model_copy(update=changed))
TIMES = st.integers(0, 7 * 24).map(lambda hours: NOW + timedelta(hours=hours))


def _alone(terms: Terms, ask: Ask, takes: bool, now: datetime) -> bool:
    """Whether one side alone would let the ask cross, as the side that takes it, or that sends it."""
    return (
        (terms.takes if takes else terms.sends)
        and now.timestamp() < terms.until
        and (not terms.hours or any(takes_in(hours, now) for hours in terms.hours))
        and set(ask.topics) <= set(terms.topics)
        and set(ask.languages) <= set(terms.languages)
        and ask.ages in terms.ages
    )


@given(EACH, EACH, ASKS, TIMES)
def test_what_crosses_is_what_each_side_alone_would_let_cross(
    ours: Terms, theirs: Terms, ask: Ask, now: datetime
) -> None:
    """No more, and, but for another age at which adults begin, no less; both sides come to the same."""
    crosses = outside(agree(ours, theirs), ask, sent=True, now=now) is None
    both = _alone(ours, ask, False, now) and _alone(theirs, ask, True, now)
    assert crosses is (both and ours.adult_from == theirs.adult_from)
    assert outside(agree(theirs, ours), ask, sent=False, now=now) == outside(
        agree(ours, theirs), ask, sent=True, now=now
    )


@given(EACH, EACH)
def test_neither_side_is_first(ours: Terms, theirs: Terms) -> None:
    """What the two agree on is the same from either side, and what one alone would agree on with itself."""
    here, there = agree(ours, theirs), agree(theirs, ours)
    assert (here.sends, here.takes) == (there.takes, there.sends)
    same = ("topics", "languages", "ages", "asks_a_day", "until")
    assert all(getattr(here, name) == getattr(there, name) for name in same)
    assert set(here.hours) == set(there.hours)
    alone = agree(ours, ours)
    assert alone.topics == set(ours.topics)
    assert alone.ages == set(ours.ages)
    assert alone.asks_a_day == ours.asks_a_day


@given(EACH, EACH, EACH, ASKS, TIMES)
def test_a_side_that_becomes_stricter_lets_no_more_cross(
    ours: Terms, theirs: Terms, other: Terms, ask: Ask, now: datetime
) -> None:
    """Whatever it takes away, nothing crosses that did not before."""
    stricter = ours.model_copy(
        update={
            "sends": ours.sends and other.sends,
            "topics": tuple(sorted(set(ours.topics) & set(other.topics))),
            "languages": tuple(sorted(set(ours.languages) & set(other.languages))),
            "ages": tuple(sorted(set(ours.ages) & set(other.ages))),
            "asks_a_day": min(ours.asks_a_day, other.asks_a_day),
            "until": min(ours.until, other.until),
        }
    )
    before, after = agree(ours, theirs), agree(stricter, theirs)
    assert after.asks_a_day <= before.asks_a_day
    if outside(after, ask, sent=True, now=now) is None:
        assert outside(before, ask, sent=True, now=now) is None


@pytest.mark.parametrize(
    ("ours", "theirs", "ask", "reason"),
    [
        ({}, {}, {}, None),
        ({}, {}, {"topics": ()}, None),
        ({"sends": False}, {}, {}, Outside.DIRECTION),
        ({}, {"takes": False}, {}, Outside.DIRECTION),
        ({"takes": False}, {"sends": False}, {}, None),
        ({"until": int(NOW.timestamp())}, {}, {}, Outside.ENDED),
        ({}, {"hours": (HOURS.model_copy(update={"days": (3,)}),)}, {}, Outside.HOURS),
        ({}, {"hours": (HOURS,)}, {}, None),
        ({"hours": (HOURS.model_copy(update={"zone": "Atlantis/Sunken"}),)}, {}, {}, Outside.HOURS),
        ({"topics": ("grief",)}, {}, {}, Outside.TOPICS),
        ({}, {"topics": ()}, {}, Outside.TOPICS),
        ({}, {"languages": ("es",)}, {}, Outside.LANGUAGES),
        ({}, {}, {"ages": "young"}, Outside.AGES),
        ({"adult_from": 21}, {}, {}, Outside.AGES),
    ],
)
def test_what_an_ask_is_outside_of(
    ours: dict[str, Any], theirs: dict[str, Any], ask: dict[str, Any], reason: Outside | None
) -> None:
    """As the side that sends it sees it; it is 17:00 in Berlin, on a Friday."""
    both = agree(TERMS.model_copy(update=ours), TERMS.model_copy(update=theirs))
    assert outside(both, ASK.model_copy(update=ask), sent=True, now=NOW) is reason


def test_hours_go_by_the_clock_of_their_zone() -> None:
    """The same hour on the wall, in winter and in summer, and past midnight."""
    night = Hours(zone="Europe/Berlin", days=(4,), start=22 * 60, end=2 * 60)
    assert takes_in(night, datetime(2026, 11, 27, 21, 0, tzinfo=UTC))
    assert not takes_in(night, datetime(2026, 11, 27, 20, 59, tzinfo=UTC))
    assert takes_in(night, datetime(2026, 11, 28, 0, 59, tzinfo=UTC))
    assert not takes_in(night, datetime(2026, 11, 28, 1, 0, tzinfo=UTC))
    assert takes_in(night, datetime(2026, 7, 3, 20, 0, tzinfo=UTC))


@given(
    name=st.text(max_size=200),
    topics=st.lists(st.text(max_size=120), max_size=15),
    agreement=st.text(max_size=5000),
    greeting=st.text(max_size=300),
    young=st.sampled_from(["adults", "young", "both"]),
    adult_from=st.integers(0, 99),
)
@example("🌻" * 200, ["🌻" * 100] * 15, "🌻" * 5000, "🌻" * 300, "both", 18)
@example('"' * 200, ['"' * 100] * 15, '"\n' * 2500, '"' * 300, "both", 18)
def test_whatever_a_community_is_called_a_hello_of_its_crosses(
    name: str, topics: list[str], agreement: str, greeting: str, young: str, adult_from: int
) -> None:
    """Its terms are of the protocol's shape, and the first step fits into the largest envelope."""
    community = Community(
        name,
        "north.example",
        "",
        "",
        topics=tuple(topics),
        agreement=agreement,
        ages=young,
        adult_from=adult_from,
    )
    ours = terms.ours(community, ("en", "es", "zh_Hans"), NOW)
    hello, _ = steps("0" * 32, secrets("one"), 2, "rotate", ours)
    said = hello.model_copy(update={"name": terms.line(name) or "A", "greeting": terms.words(greeting, 1500)})
    assert type(said).model_validate_json(canonical(said)) == said
    assert len(canonical(said)) <= SIZES[-1]
    assert ours.languages == ("en", "es")
