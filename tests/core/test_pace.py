"""How fast one may go on, and when it is calm again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.pace import Level, Pace, calm_in, count, forgotten_after

PACE = Pace(4, 10)


def after(*times: float, pace: Pace = PACE) -> Level:
    """The level after one at each of these times."""
    level: Level | None = None
    for at in times:
        level = count(level, at, pace)
    assert level is not None
    return level


@pytest.mark.parametrize(
    ("times", "over"),
    [
        ((0,), False),
        ((0, 0, 0, 0), False),
        ((0, 0, 0, 0, 0), True),
        ((0, 0, 0, 0, 10), False),
        ((0, 0, 0, 0, 9), True),
        ((0, 0, 0, 0, 0, 19), True),
        ((0, 0, 0, 0, 0, 20), False),
        ((0, 0, 0, 0, 0, 10, 20, 30), True),
        (tuple(range(0, 1000, 10)), False),
    ],
)
def test_what_is_too_much(times: tuple[float, ...], over: bool) -> None:
    """So many at once, one more in each while; once over, not before half of it is free."""
    assert after(*times).over is over


@given(times=st.lists(st.floats(0, 1000), min_size=1).map(sorted))
def test_it_is_calm_in_bounded_time(times: list[float]) -> None:
    """However much there was: when its time is over, the next one counts, and later nothing is left of it."""
    level = after(*times)
    wait = calm_in(level, PACE)
    assert 0 <= wait <= PACE.most / 2 * PACE.every
    assert not count(level, level.at + wait + 0.001, PACE).over
    later = count(level, level.at + forgotten_after(PACE), PACE)
    # To a rounding of the seconds: sums of them are not exact.
    assert later.used == pytest.approx(1)
    assert not later.over


@given(
    times=st.lists(st.floats(0, 1000), min_size=1).map(sorted), most=st.integers(1, 9), every=st.floats(1, 99)
)
def test_what_is_let_through_is_bounded(times: list[float], most: int, every: float) -> None:
    """In any time no more than so many at once, and one for each while in it."""
    level, through = None, 0
    for at in times:
        level = count(level, at, Pace(most, every))
        through += not level.over
    assert through <= most + (times[-1] - times[0]) / every + 1
