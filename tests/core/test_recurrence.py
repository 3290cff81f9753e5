"""When a rhythm comes next: the named cases of clocks and calendars."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from schema.records import Rhythm
from service.core.recurrence import coming, following, known

SUNDAY = datetime(2026, 11, 22, 11, tzinfo=UTC)


def times(rhythm: Rhythm, zone: str, after: datetime, count: int = 3) -> list[str]:
    """The next times as the zone's clock shows them when they come."""
    found = coming(rhythm, zone, after, count)
    return [one.at.astimezone(ZoneInfo(zone)).strftime("%a %Y-%m-%d %H:%M") for one in found]


@pytest.mark.parametrize(
    ("rhythm", "expected"),
    [
        (
            Rhythm("once", date(2026, 12, 3), 14 * 60),
            ["Thu 2026-12-03 14:00"],
        ),
        (
            Rhythm("days", date(2026, 11, 21), 20 * 60 + 30, step=3),
            ["Tue 2026-11-24 20:30", "Fri 2026-11-27 20:30", "Mon 2026-11-30 20:30"],
        ),
        (
            Rhythm("weeks", date(2026, 11, 22), 9 * 60, days=(0, 1, 2, 3, 4)),
            ["Mon 2026-11-23 09:00", "Tue 2026-11-24 09:00", "Wed 2026-11-25 09:00"],
        ),
        (
            Rhythm("weeks", date(2026, 11, 24), 9 * 60, step=2, days=(1, 6)),
            ["Tue 2026-11-24 09:00", "Sun 2026-11-29 09:00", "Tue 2026-12-08 09:00"],
        ),
        (
            Rhythm("months", date(2026, 11, 22), 10 * 60, days=(0,), nth=1),
            ["Mon 2026-12-07 10:00", "Mon 2027-01-04 10:00", "Mon 2027-02-01 10:00"],
        ),
        (
            Rhythm("months", date(2026, 11, 22), 10 * 60, days=(4,), nth=-1),
            ["Fri 2026-11-27 10:00", "Fri 2026-12-25 10:00", "Fri 2027-01-29 10:00"],
        ),
        (
            Rhythm("months", date(2026, 11, 22), 10 * 60, month_day=-1),
            ["Mon 2026-11-30 10:00", "Thu 2026-12-31 10:00", "Sun 2027-01-31 10:00"],
        ),
        (
            Rhythm("months", date(2026, 12, 31), 10 * 60, step=2, month_day=30),
            ["Sun 2027-02-28 10:00", "Fri 2027-04-30 10:00", "Wed 2027-06-30 10:00"],
        ),
    ],
)
def test_a_rhythm_comes_when_it_says(rhythm: Rhythm, expected: list[str]) -> None:
    """Each kind of rhythm, in step with its first day, and not before it."""
    assert times(rhythm, "Europe/Berlin", SUNDAY) == expected


@pytest.mark.parametrize("day", [29, 30, 31, -1])
def test_a_month_that_is_shorter_has_it_on_its_last_day(day: int) -> None:
    """Nobody is left out in February; in a leap year it is the 29th."""
    rhythm = Rhythm("months", date(2027, 1, 1), 12 * 60, month_day=day)
    after = datetime(2027, 2, 1, tzinfo=UTC)
    assert times(rhythm, "Africa/Lagos", after, 1) == ["Sun 2027-02-28 12:00"]
    assert times(rhythm, "Africa/Lagos", after.replace(year=2028), 1) == ["Tue 2028-02-29 12:00"]


def test_a_leap_day_is_a_day_like_any_other() -> None:
    """What comes by days comes on it and counts it, and what comes once comes on it once."""
    after = datetime(2028, 2, 28, tzinfo=UTC)
    daily = Rhythm("days", date(2028, 2, 1), 12 * 60)
    assert times(daily, "Africa/Lagos", after) == [
        "Mon 2028-02-28 12:00",
        "Tue 2028-02-29 12:00",
        "Wed 2028-03-01 12:00",
    ]
    by_twos = Rhythm("days", date(2028, 2, 27), 12 * 60, step=2)
    assert times(by_twos, "Africa/Lagos", after, 2) == ["Tue 2028-02-29 12:00", "Thu 2028-03-02 12:00"]
    once = Rhythm("once", date(2028, 2, 29), 12 * 60)
    assert times(once, "Africa/Lagos", after) == ["Tue 2028-02-29 12:00"]


def test_a_skipped_hour_is_the_first_instant_after_it() -> None:
    """Berlin puts its clock forward from 2:00 to 3:00 on 28 March 2027; the day after it is 2:30 again."""
    rhythm = Rhythm("days", date(2027, 1, 1), 2 * 60 + 30)
    assert times(rhythm, "Europe/Berlin", datetime(2027, 3, 27, tzinfo=UTC)) == [
        "Sat 2027-03-27 02:30",
        "Sun 2027-03-28 03:00",
        "Mon 2027-03-29 02:30",
    ]


def test_an_hour_that_is_shown_twice_is_the_first_of_the_two() -> None:
    """Berlin shows 2:30 twice on 25 October 2026; it comes once."""
    rhythm = Rhythm("days", date(2026, 1, 1), 2 * 60 + 30)
    found = [one.at for one in coming(rhythm, "Europe/Berlin", datetime(2026, 10, 24, 12, tzinfo=UTC), 2)]
    assert found == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 26, 1, 30, tzinfo=UTC)]


def test_a_day_that_a_zone_left_out_has_none() -> None:
    """Apia went from 29 to 31 December 2011; what was to come once on the 30th comes as the 31st begins."""
    after = datetime(2011, 12, 29, tzinfo=UTC)
    daily = Rhythm("days", date(2011, 12, 1), 14 * 60)
    assert times(daily, "Pacific/Apia", after, 2) == ["Thu 2011-12-29 14:00", "Sat 2011-12-31 14:00"]
    friday = Rhythm("weeks", date(2011, 12, 1), 14 * 60, days=(4,))
    assert times(friday, "Pacific/Apia", after, 1) == ["Fri 2012-01-06 14:00"]
    once = Rhythm("once", date(2011, 12, 30), 14 * 60)
    assert times(once, "Pacific/Apia", after) == ["Sat 2011-12-31 00:00"]


def test_what_comes_once_comes_once() -> None:
    """After its instant there is nothing more, and at that instant neither."""
    rhythm = Rhythm("once", date(2026, 12, 3), 14 * 60)
    found = following(rhythm, "Africa/Lagos", SUNDAY)
    assert found is not None
    assert (found.day, found.at) == (date(2026, 12, 3), datetime(2026, 12, 3, 13, tzinfo=UTC))
    assert following(rhythm, "Africa/Lagos", found.at) is None


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "", "../etc/passwd", "Europe", "Europe/Ber\0lin"])
def test_a_zone_that_is_not_there_is_known_to_be_none(zone: str) -> None:
    """`known` says so and never raises."""
    assert not known(zone)


def test_a_rhythm_in_an_unknown_zone_is_refused() -> None:
    """A zone that the tz database does not have is never replaced by another."""
    with pytest.raises(ZoneInfoNotFoundError):
        following(Rhythm("once", date(2026, 12, 3), 0), "Europe/Atlantis", SUNDAY)
