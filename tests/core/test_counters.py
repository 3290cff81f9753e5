"""The window over counters, against an honest sender and a way that loses, mixes and repeats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors import IllegalMove
from schema.records import Received
from service.core.counters import GAPS, WIDTH, Order, order, receive, sent_at

START = 1_800_000_000

SENDER = st.lists(st.integers(0, 3), min_size=1, max_size=60).map(
    lambda steps: [(place, START + sum(steps[:place])) for place in range(1, len(steps) + 1)]
)
"""What one sender sends: counters from 1 on, and issue times that never grow less."""


def _take(received: Received, sent: tuple[int, int]) -> tuple[Received, bool]:
    if order(received, *sent) is Order.NEXT:
        return receive(received, *sent), True
    return received, False


@given(SENDER, st.data())
def test_each_counts_once_in_whatever_order(sent: list[tuple[int, int]], data: st.DataObject) -> None:
    """What is lost, mixed up and repeated within the width is taken once each, and never as gone back."""
    way = data.draw(st.lists(st.sampled_from(sent), max_size=120))
    received, taken = Received(), []
    for one in way:
        assert order(received, *one) in (Order.NEXT, Order.AGAIN)
        received, new = _take(received, one)
        if new:
            taken.append(one)
    assert sorted(taken) == sorted(set(way))


@given(SENDER, st.integers(0, 3), st.data())
def test_what_an_honest_sender_says_of_when_it_sent_counts(
    sent: list[tuple[int, int]], before: int, data: st.DataObject
) -> None:
    """In whatever order it comes, and whatever of it is lost, up to as many gaps as are kept."""
    received = Received(since=START - before)
    for one in data.draw(st.lists(st.sampled_from(sent), unique=True)):
        assert sent_at(received, *one) == one[1]
        received = receive(received, *one)


@given(SENDER, st.data())
def test_what_a_sender_says_of_when_it_sent_counts_as_far_as_it_can_be(
    sent: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Not before what came under a lower counter, whatever it says, nor later than all that came."""
    received, counted = Received(since=START), {0: START}
    for counter, _ in data.draw(st.lists(st.sampled_from(sent), unique=True)):
        issued = data.draw(st.integers(START - 200, received.issued or START))
        at = sent_at(received, counter, issued)
        received = receive(received, counter, issued)
        lower = max(earlier for earlier in counted if earlier < counter)
        assert at >= counted[lower] or lower != max(counted)
        assert START <= at <= max(issued, START, *counted.values())
        counted[counter] = at


def test_of_gaps_that_are_not_kept_any_more_the_later_hour_counts() -> None:
    """So many are kept, and whoever makes more of them has nothing of it."""
    received = Received(since=START)
    for step in range(1, GAPS + 3):
        received = receive(received, 2 * step, START + step)
    assert len(received.gaps) == GAPS
    assert sent_at(received, 1, START) == START + 2
    assert sent_at(received, 9, START) == START + 4
    received = receive(received, 4 * WIDTH, START + 2 * WIDTH)
    assert received.gaps == ((4 * WIDTH - 1, START + GAPS + 2, START + 2 * WIDTH),)


@given(st.integers(1, 2**53 - 1), st.integers(0, 3 * WIDTH))
def test_further_behind_than_the_width_is_late(newest: int, behind: int) -> None:
    """Within it all are known; a jump of whatever length makes no number longer than the width."""
    received = receive(Received(), newest, START)
    assert received.bits.bit_length() <= WIDTH
    counter = newest - behind
    if counter < 1:
        return
    expected = Order.AGAIN if behind == 0 else Order.NEXT if behind < WIDTH else Order.LATE
    assert order(received, counter, START) is expected


@given(SENDER, st.integers(1, 60), st.integers(1, 1000), st.data())
def test_a_sender_that_was_restored_is_found_out(
    sent: list[tuple[int, int]], backup: int, later: int, data: st.DataObject
) -> None:
    """It counts on from its backup at a later hour; then what is new counts, and nothing of before does."""
    received = Received()
    for one in data.draw(st.permutations(sent)):
        received, _ = _take(received, one)
    newest, issued = sent[-1]
    again = [(min(backup, newest) + step, issued + later + step) for step in range(3)]
    assert order(received, *again[0]) is Order.BACK
    received = receive(received, *again[0])
    for one in (*again[1:], *again, *sent):
        expected = Order.NEXT if one in again[1:] else Order.AGAIN
        if order(received, *one) is Order.NEXT:
            assert expected is Order.NEXT
            received = receive(received, *one)
    assert all(order(received, *one) is Order.AGAIN for one in (*sent, *again))


def test_what_does_not_count_is_not_received() -> None:
    """Receiving it is a fault of ours."""
    received = receive(Received(), 5, START)
    with pytest.raises(IllegalMove):
        receive(received, 5, START)
