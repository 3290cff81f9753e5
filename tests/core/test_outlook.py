"""How it looks for whoever asks: coarse, the same whatever one person does, never of fewer than enough."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.ids import MemberId, OfferId
from schema.records import Offer, Window
from service.core.availability import NOW as FOR_NOW
from service.core.availability import STANDING, WEEKLY
from service.core.outlook import look, opens_at
from tests.core.shapes import OFFER

BERLIN = "Europe/Berlin"
WEEK = tuple(range(7))
EVENINGS = Window(WEEK, 18 * 60, 22 * 60)
MORNINGS = Window(WEEK, 7 * 60, 12 * 60)


def wall(text: str) -> datetime:
    """The instant at which a clock in Berlin shows this."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN)).astimezone(UTC)


def people(count: int, *windows: Window, first: int = 0) -> list[Offer]:
    """So many members, each with an offer at these weekly hours."""
    return [
        replace(
            OFFER,
            id=OfferId(f"{number:032x}"),
            member=MemberId(f"{number:032x}"),
            when=WEEKLY,
            windows=windows,
            zone=BERLIN,
            until=datetime(2100, 1, 1, tzinfo=UTC),
        )
        for number in range(first, first + count)
    ]


@pytest.mark.parametrize(
    ("offers", "at", "someone", "later"),
    [
        (people(3, EVENINGS), "2026-11-27T18:00", True, None),
        (people(3, EVENINGS), "2026-11-27T23:59", True, None),
        (people(3, EVENINGS), "2026-11-27T17:59", False, "2026-11-27T18:00"),
        (people(3, EVENINGS), "2026-11-27T00:10", False, "2026-11-27T18:00"),
        (people(3, MORNINGS), "2026-11-27T13:00", False, "2026-11-28T06:00"),
        (people(2, EVENINGS), "2026-11-27T18:00", False, None),
        ([], "2026-11-27T18:00", False, None),
        (people(2, EVENINGS) + people(1, MORNINGS, first=2), "2026-11-27T18:00", False, None),
        (people(3, Window((4,), 18 * 60, 22 * 60)), "2026-11-25T18:00", False, None),
        (people(3, Window(WEEK, 18 * 60, 19 * 60)), "2026-11-27T18:00", False, None),
    ],
)
def test_how_it_looks(offers: list[Offer], at: str, someone: bool, later: str | None) -> None:
    """Somebody, a part of the day from which on, or nothing; by whole parts of the community's day."""
    found = look(offers, wall(at), BERLIN, 3)
    assert (found.someone, found.later) == (someone, None if later is None else wall(later))


def test_one_person_with_several_offers_is_one() -> None:
    """People are counted, and not offers."""
    offers = [replace(offer, member=MemberId("a" * 32)) for offer in people(3, EVENINGS)]
    found = look(offers, wall("2026-11-27T18:00"), BERLIN, 3)
    assert (found.someone, found.enough) == (False, False)


def test_it_holds_for_the_whole_part_of_the_day() -> None:
    """Whenever in a part it is worked out, it ends with that part, also where a clock is changed."""
    assert look([], wall("2026-11-27T12:00"), BERLIN, 3).due_at == wall("2026-11-27T18:00")
    assert look([], wall("2026-11-27T17:59"), BERLIN, 3).due_at == wall("2026-11-27T18:00")
    assert look([], wall("2026-10-25T01:00"), BERLIN, 3).due_at == wall("2026-10-25T06:00")
    assert look([], wall("2026-10-25T01:00"), BERLIN, 3).due_at - wall("2026-10-25T00:00") == timedelta(
        hours=7
    )


MOMENTS = st.integers(0, 400 * 24 * 60).map(lambda m: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=m))
WINDOWS = st.builds(
    Window,
    st.lists(st.integers(0, 6), min_size=1, max_size=7, unique=True).map(lambda d: tuple(sorted(d))),
    st.integers(0, 1439),
    st.integers(0, 1439),
)


@st.composite
def communities(draw: st.DrawFn) -> list[Offer]:
    """Members whose offers hold now, weekly or at any time."""
    found = people(draw(st.integers(0, 5)), EVENINGS)
    return [
        replace(
            offer,
            when=draw(st.sampled_from((FOR_NOW, WEEKLY, STANDING))),
            windows=(draw(WINDOWS),),
            until=draw(MOMENTS),
        )
        for offer in found
    ]


@given(offers=communities(), now=MOMENTS, enough=st.integers(3, 4), after=st.integers(0, 359))
def test_nothing_is_said_of_fewer_than_enough(
    offers: Sequence[Offer], now: datetime, enough: int, after: int
) -> None:
    """Below the threshold every community looks alike, down to an empty one; each look ends with its part."""
    found = look(offers, now, BERLIN, enough)
    assert now < found.due_at <= now + timedelta(hours=7)
    if sum(offer.until > now for offer in offers) < enough:
        assert found == look([], now, BERLIN, enough)
    if found.later is not None:
        assert not found.someone
        assert found.due_at <= found.later <= now + timedelta(hours=25)


@given(offers=communities(), now=MOMENTS, rest=MOMENTS, asked=MOMENTS)
def test_nobodys_rest_or_asks_show(
    offers: Sequence[Offer], now: datetime, rest: datetime, asked: datetime
) -> None:
    """That somebody rests, was asked or awaits an answer changes nothing of what is said."""
    resting = [replace(one, rest_until=rest, free_at=asked, asked_at=asked, asked=(asked,)) for one in offers]
    assert look(resting, now, BERLIN, 3) == look(offers, now, BERLIN, 3)


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-11-27T18:00", "2026-11-27T18:00"),
        ("2026-11-27T21:59", "2026-11-27T21:59"),
        ("2026-11-27T22:00", "2026-11-28T10:00"),
        ("2026-11-27T03:00", "2026-11-27T18:00"),
        ("2026-11-28T16:00", "2026-11-30T18:00"),
        ("2027-03-26T22:00", "2027-03-27T10:00"),
    ],
)
def test_the_next_opening_hour(at: str, opens: str) -> None:
    """Now while it is open, else the next beginning by the community's clock."""
    hours = (Window((0, 1, 2, 3, 4), 18 * 60, 22 * 60), Window((5,), 10 * 60, 16 * 60))
    assert opens_at(hours, BERLIN, wall(at)) == wall(opens)


def test_hours_over_midnight_and_none() -> None:
    """Friday night reaches into Saturday; where there are no hours it never opens."""
    night = (Window((4,), 22 * 60, 2 * 60),)
    assert opens_at(night, BERLIN, wall("2026-11-28T01:59")) == wall("2026-11-28T01:59")
    assert opens_at(night, BERLIN, wall("2026-11-28T02:00")) == wall("2026-12-04T22:00")
    assert opens_at((), BERLIN, wall("2026-11-28T02:00")) is None
