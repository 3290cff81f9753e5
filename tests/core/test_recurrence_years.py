"""When a rhythm comes, against an independent calculation over thirty years and every zone that changes."""

import os
import struct
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise, takewhile
from pathlib import Path
from random import Random
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.records import Rhythm
from service.core.recurrence import coming, following
from service.core.recurrence import instant as instant_of
from tests.core import wall

SAMPLE = [
    "Africa/Casablanca",  # Its winter time is put back for Ramadan.
    "Africa/Lagos",  # Nothing changes.
    "America/Caracas",  # Half an hour, twice in the years.
    "America/New_York",
    "America/Sao_Paulo",  # Midnight was skipped.
    "Antarctica/Troll",  # Two hours.
    "Asia/Pyongyang",
    "Australia/Lord_Howe",  # Half an hour, each year.
    "Europe/Berlin",
    "Pacific/Apia",  # Left a day out.
    "Pacific/Fakaofo",  # So did this.
]
_QUICK = ("America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia")
"""Those of the sample whose changes are oddest."""
_END = datetime.combine(wall.LAST, time(), UTC) - timedelta(days=2)
_BEGIN = datetime.combine(wall.FIRST, time(), UTC) + timedelta(days=2)


def _rhythms(zone: str) -> list[Rhythm]:
    """One of each kind, at minutes that the zone's changes touch and at any."""
    random = Random(zone)
    known = wall.stretches(zone)
    touched = [
        (one.start + before.offset + timedelta(minutes=random.randint(-61, 61)))
        for before, one in pairwise(known)
    ]
    minutes = [at.hour * 60 + at.minute for at in touched] or [0]

    def minute() -> int:
        return random.choice([*minutes, random.randrange(24 * 60)])

    start = date.fromordinal(random.randint(wall.FIRST.toordinal() - 900, wall.FIRST.toordinal() + 900))
    days = tuple(sorted(random.sample(range(7), random.randint(1, 7))))
    changed = random.choice(touched).date() if touched else start
    return [
        Rhythm("once", changed, minute()),
        Rhythm("days", start, minute()),
        Rhythm("days", start, minute(), step=random.randint(2, 400)),
        Rhythm("weeks", start, minute(), step=random.randint(1, 9), days=days),
        Rhythm("months", start, minute(), random.randint(1, 14), days, nth=random.choice((1, 2, 3, 4, -1))),
        Rhythm(
            "months", start, minute(), random.randint(1, 14), month_day=random.choice((1, 29, 30, 31, -1))
        ),
    ]


def _check(zone: str) -> None:
    for rhythm in _rhythms(zone):
        expected = [one for one in wall.times(rhythm, zone) if _BEGIN < one[1] < _END]
        found = coming(rhythm, zone, _BEGIN, len(expected) + 1)
        assert [(one.wall, one.at) for one in takewhile(lambda one: one.at < _END, found)] == expected


@pytest.mark.parametrize(
    "zone", [pytest.param(zone, marks=() if zone in _QUICK else pytest.mark.slow) for zone in SAMPLE]
)
def test_thirty_years_of_a_zone_are_as_worked_out_by_hand(zone: str) -> None:
    """Every time of each kind of rhythm, and no other, at hours that the zone's changes touch."""
    _check(zone)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_thirty_years_of_every_zone_are_as_worked_out_by_hand() -> None:
    """All zones of the tz database whose clock is changed in the thirty years."""
    zones = wall.changing()
    assert len(zones) > 100
    for zone in zones:
        _check(zone)


_ZONES = sorted(available_timezones() - {"localtime"})
_DAYS = st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days)))
_STARTS = st.dates(wall.FIRST - timedelta(days=2000), wall.LAST - timedelta(days=1000))
_MINUTES = st.integers(0, 24 * 60 - 1)
_STEPS = st.integers(1, 24)
_ANY = st.one_of(
    st.builds(Rhythm, st.just("once"), _STARTS, _MINUTES),
    st.builds(Rhythm, st.just("days"), _STARTS, _MINUTES, st.integers(1, 400)),
    st.builds(Rhythm, st.just("weeks"), _STARTS, _MINUTES, _STEPS, _DAYS),
    st.builds(Rhythm, st.just("months"), _STARTS, _MINUTES, _STEPS, _DAYS, st.sampled_from((1, 2, 3, 4, -1))),
    st.builds(
        Rhythm,
        st.just("months"),
        _STARTS,
        _MINUTES,
        _STEPS,
        st.just(()),
        st.just(0),
        st.sampled_from((*range(1, 32), -1)),
    ),
)
_INSTANTS = st.datetimes(datetime(2006, 1, 3), datetime(2033, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.slow
@given(rhythm=_ANY, zone=st.sampled_from(SAMPLE), after=_INSTANTS)
def test_the_next_time_is_the_first_that_is_later(rhythm: Rhythm, zone: str, after: datetime) -> None:
    """From any instant, as the independent calculation has it."""
    found = following(rhythm, zone, after)
    expected = next((one for one in wall.times(rhythm, zone) if one[1] > after), None)
    if expected is None or expected[1] >= _END:
        assert found is None or found.at >= _END
    else:
        assert found is not None
        assert (found.wall, found.at) == expected


@given(rhythm=_ANY, zone=st.sampled_from(_ZONES), after=_INSTANTS)
def test_times_come_one_after_another(rhythm: Rhythm, zone: str, after: datetime) -> None:
    """Each later than the one before, none before the first day, and `following` agrees with `coming`."""
    found = coming(rhythm, zone, after, 4)
    for one in found:
        assert one == following(rhythm, zone, after)
        assert one.at > after
        assert one.day >= rhythm.start
        assert one.at == instant_of(one.wall, zone)
        after = one.at
    assert len(found) == (4 if rhythm.every != "once" else min(len(found), 1))


def _tzif(hours: int) -> bytes:
    """A zone that is always so many hours ahead of UTC (RFC 9636, version 2)."""

    def part(times: bytes) -> bytes:
        head = b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4)
        return head + times + struct.pack(">lbb", hours * 3600, 0, 0) + b"WAT\0"

    return part(b"") + part(b"") + f"\n<+{hours:02}>-{hours}\n".encode()


_LATER = """
from datetime import datetime
from service.core.recurrence import instant
wall = datetime(2026, 12, 3, 14)
print(instant(wall, "Africa/Lagos").hour)
"""


@pytest.mark.parametrize(("hours", "said"), [(1, "13"), (3, "11")])
def test_a_new_tz_database_is_honoured(tmp_path: Path, hours: int, said: str) -> None:
    """The same hour on the wall is another instant by the rules of a new database."""
    (tmp_path / "Africa").mkdir()
    (tmp_path / "Africa" / "Lagos").write_bytes(_tzif(hours))
    done = subprocess.run(
        [sys.executable, "-c", _LATER],
        env={**os.environ, "PYTHONTZPATH": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == said
