"""Since when all has been read: over restarts and short interruptions, and from anew after an outage."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.reading import FRESH, INTERRUPTION, Reading, from_text, go_on, since, to_text

NOW = datetime(2026, 11, 27, 17, 0, tzinfo=UTC)


@given(st.lists(st.integers(0, 3600), min_size=1))
def test_it_holds_since_the_last_outage(pauses: list[int]) -> None:
    """Never from before a pause that was too long."""
    reading, now, begun = go_on(None, NOW), NOW, NOW
    for pause in pauses:
        now += timedelta(seconds=pause)
        reading = go_on(reading, now)
        begun = now if timedelta(seconds=pause) > INTERRUPTION else begun
        assert since(reading, now) == begun
        assert reading.last == now


@pytest.mark.parametrize("later", [FRESH + timedelta(seconds=1), timedelta(seconds=-1)])
def test_while_nothing_is_read_it_says_so(later: timedelta) -> None:
    """Before the first time, a while after the last, and where the clock was set back."""
    assert since(None, NOW) is None
    assert since(Reading(NOW, NOW), NOW + later) is None


def test_a_clock_that_was_set_begins_it_anew() -> None:
    """Nobody knows how long it really was."""
    later = NOW - timedelta(hours=1)
    assert go_on(Reading(NOW, NOW), later) == Reading(later, later)


def test_it_is_kept_over_a_stop() -> None:
    """And read again as it was."""
    reading = Reading(NOW - timedelta(days=9, microseconds=7), NOW)
    assert from_text(to_text(reading)) == reading
