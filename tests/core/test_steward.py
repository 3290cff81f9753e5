"""How much is said of numbers, and which places of help are to be checked."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.community import Place
from service.core import steward

NOW = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)


def place(checked_on: str, contact: str = "0800") -> Place:
    """A place of help that was checked on this day."""
    return Place("Night line", contact, "always", "German", "no", checked_on)


@given(st.integers(0, 1000))
def test_a_number_is_said_in_steps(count: int) -> None:
    """One person who comes or goes changes it at a step alone."""
    said = steward.least(count)
    assert said <= count < said + steward.STEP
    assert said % steward.STEP == 0


@pytest.mark.parametrize(
    ("written", "kept", "found"),
    [
        ("2026-11-01", None, date(2026, 11, 1)),
        ("2026-11-01", date(2026, 11, 20), date(2026, 11, 20)),
        ("2026-11-21", date(2026, 11, 20), date(2026, 11, 21)),
        ("in November", date(2026, 11, 20), date(2026, 11, 20)),
        ("in November", None, None),
    ],
)
def test_the_later_day_counts(written: str, kept: date | None, found: date | None) -> None:
    """The configuration's or the stewards', and none where neither can be read."""
    one = place(written)
    days = {} if kept is None else {steward.name_of(one): kept}
    assert steward.checked_on(one, days) == found
    assert steward.checked_on(place(written, "another"), days) == (
        None if written == "in November" else date.fromisoformat(written)
    )


@given(st.dates(date(2026, 1, 1), date(2027, 1, 1)), st.sampled_from(["UTC", "Europe/Berlin", "Asia/Tokyo"]))
def test_it_is_looked_at_on_the_day_on_which_it_counts_as_unchecked(day: date, zone: str) -> None:
    """Not a day sooner, and never in the past."""
    from zoneinfo import ZoneInfo

    one = place(day.isoformat())
    at = steward.next_unchecked([one], {}, NOW, zone)
    if at is None:
        assert day + steward.CHECKED_FOR <= NOW.astimezone(ZoneInfo(zone)).date()
        return
    assert at > NOW
    then = at.astimezone(ZoneInfo(zone)).date()
    assert steward.unchecked([one], {}, then) == [one]
    assert steward.unchecked([one], {}, then - timedelta(days=1)) == []
