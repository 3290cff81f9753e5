"""Who may be asked, and in which order."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.ids import MemberId, OfferId, RequestId
from schema.records import Offer, Request
from schema.states import OfferState, RequestState
from service.core.matching import fit, in_order, may_be_asked, may_meet, would_do
from tests.core import shapes
from tests.core.shapes import ANA, BEN, NOW, OFFER, REQUEST

HOUR = timedelta(hours=1)
HARD = frozenset({"psychosis"})


@pytest.mark.parametrize(
    ("name", "request_", "offer", "asked", "engaged", "may"),
    [
        ("plain", REQUEST, OFFER, (), (), True),
        ("own request", REQUEST, replace(OFFER, member=ANA), (), (), False),
        ("asked before", REQUEST, OFFER, (BEN,), (), False),
        ("engaged", REQUEST, OFFER, (), (BEN,), False),
        ("ended", REQUEST, replace(OFFER, state=OfferState.ENDED), (), (), False),
        ("over", REQUEST, replace(OFFER, until=NOW), (), (), False),
        ("rests", REQUEST, replace(OFFER, rest_until=NOW + HOUR), (), (), False),
        ("rested", REQUEST, replace(OFFER, rest_until=NOW), (), (), True),
        ("a step back is not to be seen", REQUEST, replace(OFFER, free_at=NOW + HOUR), (), (), False),
        ("once a day at most", REQUEST, replace(OFFER, asks_a_day=1, asked=(NOW - HOUR,)), (), (), False),
        (
            "more than all allow",
            REQUEST,
            replace(OFFER, asks_a_day=9, asked=(NOW - HOUR,) * 2),
            (),
            (),
            False,
        ),
        ("at no hour of theirs", REQUEST, replace(OFFER, when="weekly"), (), (), False),
        ("must report", REQUEST, replace(OFFER, fear="report"), (), (), False),
        (
            "may be asked who must report",
            replace(REQUEST, reporters=True),
            replace(OFFER, fear="report"),
            (),
            (),
            True,
        ),
        ("asked once today", REQUEST, replace(OFFER, asked=(NOW - HOUR,)), (), (), True),
        ("asked a moment ago", REQUEST, replace(OFFER, asked_at=NOW - HOUR / 6), (), (), False),
        ("asked an hour ago", REQUEST, replace(OFFER, asked_at=NOW - HOUR), (), (), True),
        ("asked twice today", REQUEST, replace(OFFER, asked=(NOW - HOUR, NOW - HOUR)), (), (), False),
        (
            "asked twice yesterday",
            REQUEST,
            replace(OFFER, asked=(NOW - 25 * HOUR, NOW - 24 * HOUR)),
            (),
            (),
            True,
        ),
    ],
)
def test_who_may_be_asked(
    name: str,
    request_: Request,
    offer: Offer,
    asked: tuple[MemberId, ...],
    engaged: tuple[MemberId, ...],
    may: bool,
) -> None:
    """Each reason not to be asked, and the cases beside it."""
    found = may_be_asked(
        request_,
        offer,
        asked=asked,
        engaged=engaged,
        apart=(),
        asks_a_day=2,
        pause=timedelta(minutes=15),
        now=NOW,
    )
    assert found is may, name


def test_fit_counts_shared_topics_and_openness_to_any() -> None:
    """A shared topic is a fit; an offer for anything fits as well as one shared topic."""
    wish = replace(REQUEST, topics=("grief", "burnout"))
    assert fit(wish, replace(OFFER, topics=("grief", "burnout"))) == 2
    assert fit(wish, replace(OFFER, topics=("grief",))) == fit(wish, OFFER) == 1
    assert fit(wish, replace(OFFER, topics=("form",))) == 0
    assert fit(REQUEST, OFFER) == 0


_TOO = replace(REQUEST, too=True)
_OTHER = replace(_TOO, id=RequestId("9" * 32), member=BEN)


@pytest.mark.parametrize(
    ("name", "one", "other", "may"),
    [
        ("both allow it", _TOO, _OTHER, True),
        ("one does not", _TOO, replace(_OTHER, too=False), False),
        ("one has somebody near", _TOO, replace(_OTHER, state=RequestState.PROPOSED), False),
        ("a topic that is not hard", replace(_TOO, topics=("grief",)), _OTHER, True),
        ("something hard, unshared", replace(_TOO, topics=("psychosis",)), _OTHER, False),
        (
            "something hard, shared",
            replace(_TOO, topics=("psychosis",)),
            replace(_OTHER, topics=("psychosis", "grief")),
            True,
        ),
        (
            "only who shares it",
            replace(_TOO, topics=("grief",), topics_only=True),
            replace(_OTHER, topics=("joy",)),
            False,
        ),
        ("must report", replace(_TOO, fear="report"), _OTHER, False),
        ("must report, allowed", replace(_TOO, fear="report"), replace(_OTHER, reporters=True), True),
    ],
)
def test_which_two_who_ask_may_meet(name: str, one: Request, other: Request, may: bool) -> None:
    """Each reason not to be asked about one another holds in both directions."""
    looking = replace(one, state=RequestState.LOOKING)
    assert may_meet(looking, other, HARD, NOW) is may, name
    if other.state is RequestState.LOOKING:
        assert may_meet(other, looking, HARD, NOW) is may, name


_OFFERS = st.lists(
    st.builds(
        lambda number, topics, hours: replace(
            shapes.OFFER,
            id=OfferId(f"{number:032x}"),
            member=MemberId(f"{number:032x}"),
            topics=tuple(topics),
            asked_at=None if hours is None else NOW - hours * HOUR,
        ),
        st.integers(0, 999),
        st.sets(st.sampled_from(["grief", "burnout", "form"])),
        st.none() | st.integers(1, 50),
    ),
    unique_by=lambda offer: offer.id,
)


@given(st.sets(st.sampled_from([ANA, BEN, MemberId("c" * 32)])))
def test_nobody_is_asked_who_is_kept_apart_from_the_asker(apart: set[MemberId]) -> None:
    """Whatever else holds, being kept apart is enough, and nobody else's being so matters."""
    found = may_be_asked(
        REQUEST, OFFER, asked=(), engaged=(), apart=apart, asks_a_day=2, pause=timedelta(0), now=NOW
    )
    assert found is (BEN not in apart)


@given(_OFFERS, st.integers())
def test_the_order_is_fit_then_longest_ago_then_chance(offers: list[Offer], seed: int) -> None:
    """Nobody stands before someone who fits better, or fits as well and was asked longer ago."""
    wish = replace(REQUEST, topics=("grief", "burnout"))
    ordered = in_order(wish, offers, Random(seed).random)
    assert sorted(offer.id for offer in ordered) == sorted(offer.id for offer in offers)
    keys = [(-fit(wish, offer), offer.asked_at.timestamp() if offer.asked_at else 0.0) for offer in ordered]
    assert keys == sorted(keys)


@given(_OFFERS, st.sets(st.integers(0, 999)), st.integers())
def test_whoever_agreed_to_talk_again_comes_before_all_others(
    offers: list[Offer], numbers: set[int], seed: int
) -> None:
    """And nobody is left out or added by it."""
    first = {MemberId(f"{number:032x}") for number in numbers}
    ordered = in_order(REQUEST, offers, Random(seed).random, first)
    assert sorted(offer.id for offer in ordered) == sorted(offer.id for offer in offers)
    agreed = [offer.member in first for offer in ordered]
    assert agreed == sorted(agreed, reverse=True)


def test_chance_decides_among_equals() -> None:
    """Of equals, each comes first at times."""
    equals = [replace(OFFER, id=OfferId(f"{number:032x}")) for number in range(4)]
    first = {in_order(REQUEST, equals, Random(seed).random)[0].id for seed in range(64)}
    assert len(first) == 4


@pytest.mark.parametrize(
    ("wish", "does", "may"),
    [
        ("task", (), True),
        ("task", ("task",), True),
        ("task", ("listening", "ideas"), False),
        ("listening", ("task",), False),
        ("conversation", ("listening",), True),
        ("backup", ("listening",), True),
        ("backup", ("conversation",), False),
        ("unsure", ("task",), True),
    ],
)
def test_nobody_is_asked_about_what_they_cannot_do(wish: str, does: tuple[str, ...], may: bool) -> None:
    """Where they said what they can; a wish that is not sure yet is anybody's."""
    assert would_do(replace(REQUEST, wish=wish), replace(OFFER, does=does), ()) is may
