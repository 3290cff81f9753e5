"""The window over counters, against an honest sender and a way that loses, mixes and repeats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors import IllegalMove
from schema.records import Received
from service.core.counters import WIDTH, Order, order, receive

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
