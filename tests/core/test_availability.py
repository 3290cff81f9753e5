"""When somebody may be asked: by the clock on their own wall, also where it is put forward or back."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.records import Offer, Window
from service.core.availability import (
    QUIET,
    STANDING,
    WEEKLY,
    Spelling,
    in_window,
    may_be_asked_at,
    next_at,
    on_clock,
    read_hours,
    read_moment,
    read_windows,
)
from tests.core.shapes import NOW, OFFER

WEEK = tuple(range(7))
BERLIN = ZoneInfo("Europe/Berlin")


def offer(when: str, zone: str, *windows: Window, quiet: tuple[int, int] = QUIET) -> Offer:
    """An offer of a kind, without an end that matters."""
    until = datetime(2100, 1, 1, tzinfo=UTC)
    return replace(OFFER, when=when, windows=windows, zone=zone, quiet=quiet, until=until)


def wall(text: str, zone: str = "Europe/Berlin", fold: int = 0) -> datetime:
    """The instant at which a clock in `zone` shows this."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


EVENINGS = Window((0, 1, 2, 3, 4), 18 * 60, 21 * 60)
NIGHT = Window((4,), 22 * 60, 2 * 60)
SMALL_HOURS = Window((6,), 2 * 60, 3 * 60)


@pytest.mark.parametrize(
    ("name", "asked", "at", "may"),
    [
        ("a weekday's evening", offer(WEEKLY, "Europe/Berlin", EVENINGS), "2026-11-27T18:00", True),
        ("its last minute", offer(WEEKLY, "Europe/Berlin", EVENINGS), "2026-11-27T20:59", True),
        ("its end", offer(WEEKLY, "Europe/Berlin", EVENINGS), "2026-11-27T21:00", False),
        ("a weekend's", offer(WEEKLY, "Europe/Berlin", EVENINGS), "2026-11-28T19:00", False),
        ("over midnight, before it", offer(WEEKLY, "Europe/Berlin", NIGHT), "2026-11-27T23:00", True),
        ("over midnight, after it", offer(WEEKLY, "Europe/Berlin", NIGHT), "2026-11-28T01:59", True),
        ("the day after", offer(WEEKLY, "Europe/Berlin", NIGHT), "2026-11-28T23:00", False),
        ("its small hours of another day", offer(WEEKLY, "Europe/Berlin", NIGHT), "2026-11-27T01:00", False),
        ("by day", offer(STANDING, "Europe/Berlin"), "2026-11-27T08:00", True),
        ("at night", offer(STANDING, "Europe/Berlin"), "2026-11-27T22:00", False),
        ("in the small hours", offer(STANDING, "Europe/Berlin"), "2026-11-27T07:59", False),
        ("never quiet", offer(STANDING, "Europe/Berlin", quiet=(0, 0)), "2026-11-27T03:00", True),
        ("quiet by day", offer(STANDING, "Europe/Berlin", quiet=(540, 1020)), "2026-11-27T12:00", False),
        ("another's clock", offer(WEEKLY, "Asia/Kolkata", EVENINGS), "2026-11-27T14:00", True),
    ],
)
def test_the_clock_on_the_wall_decides(name: str, asked: Offer, at: str, may: bool) -> None:
    """Each kind of hours, at and beside its ends."""
    assert may_be_asked_at(asked, wall(at)) is may, name


def test_rests_and_the_end_come_before_the_hours() -> None:
    """Nothing is asked while they rest, nor once the offer is over; the next time says so."""
    stands = offer(WEEKLY, "Europe/Berlin", EVENINGS)
    evening = wall("2026-11-27T18:30")
    resting = replace(stands, rest_until=wall("2026-11-27T20:00"))
    assert not may_be_asked_at(resting, evening)
    assert next_at(resting, evening) == wall("2026-11-27T20:00")
    over = replace(stands, until=evening)
    assert not may_be_asked_at(over, evening)
    assert next_at(over, evening) is None
    assert next_at(replace(OFFER, rest_until=OFFER.until), NOW) is None
    assert next_at(OFFER, NOW) == NOW


@pytest.mark.parametrize(
    ("name", "asked", "after", "then"),
    [
        ("this evening", offer(WEEKLY, "Europe/Berlin", EVENINGS), "2026-11-27T12:00", "2026-11-27T18:00"),
        ("on Monday", offer(WEEKLY, "Europe/Berlin", EVENINGS), "2026-11-27T21:00", "2026-11-30T18:00"),
        ("in the morning", offer(STANDING, "Europe/Berlin"), "2026-11-27T23:00", "2026-11-28T08:00"),
        (
            "the hour that is skipped is there a week later",
            offer(WEEKLY, "Europe/Berlin", SMALL_HOURS),
            "2027-03-27T12:00",
            "2027-04-04T02:00",
        ),
        (
            "a part of it is skipped",
            offer(WEEKLY, "Europe/Berlin", Window((6,), 150, 240)),
            "2027-03-27T12:00",
            "2027-03-28T03:00",
        ),
    ],
)
def test_when_next(name: str, asked: Offer, after: str, then: str) -> None:
    """The next hours, over the days on which the clock is changed too."""
    assert next_at(asked, wall(after)) == wall(then), name


def test_an_hour_that_the_clock_shows_twice_counts_twice() -> None:
    """On 25 October 2026 it is a quarter to three twice in Berlin: nothing in between is asked."""
    asked = offer(WEEKLY, "Europe/Berlin", Window((6,), 150, 165))
    first, second = wall("2026-10-25T02:30"), wall("2026-10-25T02:30", fold=1)
    assert second - first == timedelta(hours=1)
    assert next_at(asked, first - timedelta(days=1)) == first
    assert next_at(asked, first + timedelta(minutes=15)) == second
    assert not may_be_asked_at(asked, first + timedelta(minutes=30))


_ZONES = st.sampled_from(
    ["Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kolkata", "America/St_Johns", "UTC"]
)
_MINUTES = st.integers(0, 1439)
_WINDOWS = st.lists(
    st.builds(
        Window,
        st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
        _MINUTES,
        _MINUTES,
    ),
    min_size=1,
    max_size=3,
)
# Around the days on which the clocks of these zones are changed.
_INSTANTS = st.builds(
    lambda day, minutes: day + timedelta(minutes=minutes),
    st.sampled_from(
        [datetime(*day, tzinfo=UTC) for day in ((2026, 10, 24), (2027, 3, 13), (2027, 3, 27), (2027, 4, 3))]
    ),
    st.integers(0, 3 * 1440),
)
_ASKED = st.builds(lambda zone, windows: offer(WEEKLY, zone, *windows), _ZONES, _WINDOWS) | st.builds(
    lambda zone, start, end: offer(STANDING, zone, quiet=(start, end)), _ZONES, _MINUTES, _MINUTES
)


@given(_ASKED, _INSTANTS)
def test_the_next_time_is_the_first_at_which_they_may_be_asked(asked: Offer, begin: datetime) -> None:
    """Minute by minute nothing comes before it, and at it they may be asked."""
    found = next_at(asked, begin)
    assert found is not None
    assert begin <= found <= begin + timedelta(days=15)
    assert may_be_asked_at(asked, found)
    minutes = min(1440, int((found - begin) / timedelta(minutes=1)) + 1)
    for number in range(minutes):
        at = begin + timedelta(minutes=number)
        assert at >= found or not may_be_asked_at(asked, at)


@given(_ASKED, _INSTANTS)
def test_what_the_clock_shows_is_all_that_counts(asked: Offer, at: datetime) -> None:
    """Two instants at which the clock shows the same are alike, whichever of the two hours it is."""
    local = at.astimezone(ZoneInfo(asked.zone))
    twin = local.replace(fold=1 - local.fold).astimezone(UTC)
    if twin.astimezone(ZoneInfo(asked.zone)).replace(tzinfo=None) == local.replace(tzinfo=None):
        assert may_be_asked_at(asked, at) == may_be_asked_at(asked, twin)


@given(_ZONES, st.dates(date(2026, 1, 1), date(2028, 1, 1)), _MINUTES)
def test_a_time_of_day_is_found_or_its_gap_is(zone: str, day: date, minute: int) -> None:
    """The instant shows that time; where the clock skips it, it is the moment of the change."""
    found = on_clock(day, minute, zone)
    shown = found.astimezone(ZoneInfo(zone))
    wanted = datetime.combine(day, time(minute // 60, minute % 60))
    before = (found - timedelta(seconds=1)).astimezone(ZoneInfo(zone))
    if shown.replace(tzinfo=None) != wanted:
        assert before.replace(tzinfo=None) < wanted < shown.replace(tzinfo=None)
        assert before.utcoffset() != shown.utcoffset()


def test_a_window_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    """Sunday's night reaches into Monday."""
    night = Window((6,), 22 * 60, 60)
    assert in_window(night, 6, 23 * 60)
    assert in_window(night, 0, 59)
    assert not in_window(night, 0, 23 * 60)
    assert not in_window(night, 6, 0)


ENGLISH = Spelling(
    {
        **{name: (number,) for number, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))},
        "weekdays": (0, 1, 2, 3, 4),
        "weekend": (5, 6),
        "daily": WEEK,
    },
    frozenset({"and", "from"}),
    frozenset({"to"}),
    frozenset({"am"}),
    frozenset({"pm"}),
)


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("weekdays 18-21", (Window((0, 1, 2, 3, 4), 1080, 1260),)),
        ("sat sun 10:00-16:00", (Window((5, 6), 600, 960),)),
        ("Sat, Sun: 10.00 – 16.00", (Window((5, 6), 600, 960),)),
        (
            "weekdays 18-21, sat sun 10:00-16:00",
            (Window((0, 1, 2, 3, 4), 1080, 1260), Window((5, 6), 600, 960)),
        ),
        ("mon-fri from 9 to 12 and 14 to 17", (Window(WEEK[:5], 540, 720), Window(WEEK[:5], 840, 1020))),
        ("fri-mon 22-2", (Window((0, 4, 5, 6), 1320, 120),)),
        ("6-9 pm", (Window(WEEK, 1080, 1260),)),
        ("mon 9am-5pm", (Window((0,), 540, 1020),)),
        ("daily 12am-1am", (Window(WEEK, 0, 60),)),
        ("mon 20-24", (Window((0,), 1200, 1440),)),
        ("mon 18-18", None),
        ("mon 25-26", None),
        ("mon 13pm-14pm", None),
        ("mon", None),
        ("18", None),
        ("", None),
        ("when I can 18-21", None),
        ("18-21 mon", None),
        ("mon 18-21 <b>", None),
    ],
)
def test_weekly_hours_as_people_write_them(text: str, windows: tuple[Window, ...] | None) -> None:
    """Days and hours in several ways; what is not wholly understood is not taken."""
    assert read_windows(text, ENGLISH) == windows


@pytest.mark.parametrize(
    ("text", "hours"), [("22-8", QUIET), ("23:30 to 7", (1410, 420)), ("22", None), ("mon 22-8", None)]
)
def test_quiet_hours_as_people_write_them(text: str, hours: tuple[int, int] | None) -> None:
    """Two hours, and nothing else."""
    assert read_hours(text, ENGLISH) == hours


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("fri 9:00", "2026-12-04T09:00"),
        ("fri 20:00", "2026-11-27T20:00"),
        ("sat", "2026-11-28T08:00"),
        ("18", "2026-11-27T18:00"),
        ("9:00", "2026-11-28T09:00"),
        ("sat 24", "2026-11-29T00:00"),
        ("weekdays", None),
        ("-", None),
        ("9:00 mon", None),
        ("soon", None),
    ],
)
def test_a_moment_as_people_write_it(text: str, at: str | None) -> None:
    """The next time that the clock shows it, from Friday at five in the afternoon on."""
    found = read_moment(text, wall("2026-11-27T17:00"), "Europe/Berlin", ENGLISH)
    assert found == (None if at is None else wall(at))


@given(st.text(max_size=40))
def test_whatever_is_typed_is_hours_or_is_not(text: str) -> None:
    """No words raise; what is understood can be asked at some time."""
    for window in read_windows(text, ENGLISH) or ():
        assert next_at(offer(WEEKLY, "Europe/Berlin", window), NOW) is not None
    assert read_moment(text, NOW, "Europe/Berlin", ENGLISH) != NOW
