"""The stricter holds: the terms of two sides, and the asks that cross under them."""

from datetime import UTC, date, datetime, timedelta
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
NEVER = HOURS.model_copy(update={"days": (3,)})
"""Not on a Friday."""

EARLY = Hours(zone="America/New_York", days=(5,), start=9 * 60, end=14 * 60)
"""Some of these are hours of a Saturday in Berlin, and none of a Friday."""


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
        "hours": st.sampled_from(
            [(), (HOURS,), (HOURS, HOURS.model_copy(update={"days": (5, 6)})), (EARLY,)]
        ),
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


@given(EACH, EACH, ASKS, TIMES)
def test_topics_that_each_side_knows_by_its_own_names_cross_as_if_they_had_one(
    ours: Terms, theirs: Terms, ask: Ask, now: datetime
) -> None:
    """As the other side names them, and read here; what is known by no name of ours is as none of ours."""
    called = {"burnout": "agotamiento", "grief": "duelo"}

    def known(said: str) -> str:
        return next((one for one, there in called.items() if there == said), said)

    def named_there(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(called.get(one, one) for one in names)

    there = theirs.model_copy(update={"topics": named_there(theirs.topics)})
    said = ask.model_copy(update={"topics": named_there(ask.topics)})
    assert agree(ours, there, known) == agree(ours, theirs)
    for sent, crosses in ((True, ask), (False, said)):
        found = outside(agree(ours, there, known), crosses, sent, now, known)
        assert found == outside(agree(ours, theirs), ask, sent, now)
    assert agree(ours, there).topics <= {"work"}


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
        ({}, {"hours": (NEVER,)}, {}, Outside.HOURS),
        ({}, {"hours": (HOURS,)}, {}, None),
        ({"hours": (HOURS.model_copy(update={"zone": "Atlantis/Sunken"}),)}, {}, {}, Outside.HOURS),
        ({"topics": ("grief",)}, {}, {}, Outside.TOPICS),
        ({}, {"topics": ()}, {}, Outside.TOPICS),
        ({}, {"languages": ("es",)}, {}, Outside.LANGUAGES),
        ({}, {}, {"ages": "young"}, Outside.AGES),
        ({"adult_from": 21}, {}, {}, Outside.AGES),
        # At no other hour either: that is what is said of it.
        ({"hours": (NEVER,), "topics": ("grief",)}, {}, {}, Outside.TOPICS),
        ({"hours": (NEVER,)}, {}, {"ages": "young"}, Outside.AGES),
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
    assert ours.sends
    assert ours.takes
    assert terms.within(ours, community, ("en", "es", "zh_Hans")) == ours
    hello, _ = steps("0" * 32, secrets("one"), 2, "rotate", ours)
    said = hello.model_copy(update={"name": terms.line(name) or "A", "greeting": terms.words(greeting, 1500)})
    assert type(said).model_validate_json(canonical(said)) == said
    assert len(canonical(said)) <= SIZES[-1]
    assert ours.languages == ("en", "es")


@given(
    st.lists(st.sampled_from(["## Ours", "", "We listen. We say so!", "word " * 60, "ä" * 90])).map(
        "\n".join
    ),
    st.integers(2, 500),
)
def test_what_crosses_of_a_long_agreement_ends_after_a_line_or_a_sentence(text: str, most: int) -> None:
    """It fits, is the agreement's own beginning, has no heading last, and says where it goes on."""
    said = terms.opening(text, most)
    assert len(canonical(said)) <= most
    assert terms.opening(said, most) == said
    if said == text.strip():
        return
    kept = said.removesuffix(" …")
    assert (kept == said) is (not said)
    assert text.strip().startswith(kept)
    assert not kept.split("\n")[-1].startswith("#")
    assert terms.begun(said) == (said, bool(said))


COMMUNITIES = st.builds(
    Community,
    name=st.just("A"),
    server=st.just("north.example"),
    limits=st.just(""),
    who_runs=st.just(""),
    topics=_some((*TOPICS, "two\nlines")),
    talk_in=_some(LANGUAGES),
    ages=st.sampled_from(["adults", "young", "both"]),
    adult_from=st.sampled_from([18, 21]),
    agreement=st.sampled_from(["", "We listen.", "We listen.\n" * 400]),
)


@given(EACH, COMMUNITIES, EACH, ASKS, TIMES)
def test_a_community_that_allows_less_by_now_lets_no_more_cross(
    chosen: Terms, community: Community, theirs: Terms, ask: Ask, now: datetime
) -> None:
    """Of what stewards chose what is still allowed stays, nothing is added, and twice is as once."""
    said = terms.within(chosen, community, ("en",))
    known = set(community.talk_in or ("en",))
    assert set(said.topics) == set(chosen.topics) & set(community.topics)
    assert set(said.languages) == set(chosen.languages) & known
    assert set(said.ages) <= set(chosen.ages)
    same = ("sends", "takes", "asks_a_day", "hours", "until", "reports")
    assert all(getattr(said, name) == getattr(chosen, name) for name in same)
    assert said.adult_from == community.adult_from
    assert terms.within(said, community, ("en",)) == said
    for sent in (True, False):
        if (
            outside(agree(said, theirs), ask, sent=sent, now=now) is None
            and said.adult_from == chosen.adult_from
        ):
            assert outside(agree(chosen, theirs), ask, sent=sent, now=now) is None
        if said.adult_from != chosen.adult_from:
            assert outside(agree(said, theirs), ask, sent=sent, now=now) is not None


@given(EACH, COMMUNITIES)
def test_what_stewards_look_over_is_as_the_community_is_now(chosen: Terms, community: Community) -> None:
    """Its ages and its agreement, some language; of their own choice nothing more than it has."""
    said = terms.anew(chosen, community, ("en",))
    assert terms.within(said, community, ("en",)) == said
    assert said.languages
    assert set(said.topics) <= set(chosen.topics)


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        ({}, {}, None),
        ({"topics": ()}, {}, None),
        ({"sends": False}, {}, None),
        ({"sends": False}, {"sends": False}, Outside.DIRECTION),
        ({"sends": False, "takes": False}, {}, Outside.DIRECTION),
        ({"asks_a_day": 0}, {}, Outside.DIRECTION),
        ({"languages": ("de",)}, {"languages": ("es",)}, Outside.LANGUAGES),
        ({"ages": ("young",)}, {}, Outside.AGES),
        ({"adult_from": 21}, {}, Outside.AGES),
    ],
)
def test_why_nothing_can_cross_at_all(
    ours: dict[str, Any], theirs: dict[str, Any], reason: Outside | None
) -> None:
    """Whatever an ask would be about."""
    both = agree(TERMS.model_copy(update=ours), TERMS.model_copy(update=theirs))
    assert terms.closed(both) is reason


@given(EACH, EACH, ASKS, TIMES, st.integers(0, 7 * 24 * 60))
def test_what_is_said_to_be_closed_lets_nothing_cross(
    ours: Terms, theirs: Terms, ask: Ask, now: datetime, minutes: int
) -> None:
    """In neither direction, at no hour of the next week; and it is said of both sides alike."""
    here, there = agree(ours, theirs), agree(theirs, ours)
    assert terms.closed(here) == terms.closed(there)
    assert terms.share_hours(here, now) == terms.share_hours(there, now)
    open_to_some = terms.closed(here) is None or not here.asks_a_day
    if not open_to_some or not terms.share_hours(here, now):
        for sent in (True, False):
            assert outside(here, ask, sent=sent, now=now + timedelta(minutes=minutes)) is not None


def test_hours_that_never_meet_are_seen() -> None:
    """By the clocks of two zones: two in the afternoon there is eight in the evening here."""
    evening = HOURS.model_copy(update={"start": 20 * 60, "end": 21 * 60})
    ours = TERMS.model_copy(update={"hours": (evening,)})

    def from_hour(hour: int) -> Terms:
        there = Hours(zone="America/New_York", days=(4,), start=hour * 60, end=(hour + 1) * 60)
        return TERMS.model_copy(update={"hours": (there,)})

    assert terms.share_hours(agree(ours, from_hour(14)), NOW)
    for days in range(8):
        assert terms.share_hours(agree(ours, from_hour(14)), NOW + timedelta(days=days))
    assert not terms.share_hours(agree(ours, from_hour(15)), NOW)
    assert terms.share_hours(agree(ours, TERMS), NOW)


def test_hours_that_no_clock_here_knows_never_come() -> None:
    """Also where one side alone names any: an ask would be refused at each."""
    sunken = Hours(zone="Atlantis/Sunken", days=tuple(range(7)), start=0, end=24 * 60)
    theirs = TERMS.model_copy(update={"hours": (sunken,)})
    assert not terms.share_hours(agree(TERMS, theirs), NOW)
    assert not terms.share_hours(agree(theirs, TERMS), NOW)


_LONGEST = tuple(
    Hours(zone="America/Argentina/ComodRivadavia", days=tuple(range(7)), start=1000 + n, end=1440)
    for n in range(12)
)


@given(
    st.lists(st.text(min_size=1, max_size=100).filter(lambda one: terms.line(one) == one), max_size=20),
    st.text(max_size=300),
    st.sampled_from([(), _LONGEST]),
)
@example(["\U0001f33b" * 99] * 12, "\U0001f33b" * 300, _LONGEST)
def test_whatever_is_chosen_and_fits_a_hello_of_it_crosses(
    topics: list[str], reports: str, hours: tuple[Hours, ...]
) -> None:
    """With the longest name, greeting and agreement beside it: the agreement gives way."""
    community = Community("N", "north.example", "", "", topics=tuple(topics), agreement='"' * 5000)
    chosen = terms.ours(community, ("en",), NOW).model_copy(
        update={"reports": terms.words(reports, 1202), "hours": hours}
    )
    if not terms.fit(chosen):
        return
    said = terms.within(chosen, community, ("en",))
    hello, _ = steps("0" * 32, secrets("one"), 2, "restored", said)
    hello = hello.model_copy(update={"name": "\U0001f33b" * 100, "greeting": "\U0001f33b" * 300})
    assert type(hello).model_validate_json(canonical(hello)) == hello
    assert len(canonical(hello)) <= SIZES[-1]


@pytest.mark.parametrize(
    ("day", "months", "then"),
    [
        (date(2026, 11, 27), 3, date(2027, 2, 27)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2027, 11, 29), 3, date(2028, 2, 29)),
        (date(2026, 12, 31), 12, date(2027, 12, 31)),
        (date(2026, 1, 31), 0, date(2026, 1, 31)),
    ],
)
def test_months_on_are_as_a_calendar_has_them(day: date, months: int, then: date) -> None:
    """The same day, or the last of a shorter month."""
    assert terms.months_on(day, months) == then
