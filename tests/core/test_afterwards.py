"""The marks of two who were in a room: how long, what each shows, and when both agreed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.ids import LinkId, MeetingId, MemberId
from schema.records import Across, Meeting
from service.core import afterwards
from tests.core.shapes import ANA, BEN, NOW, ROOM

IDS = (MeetingId("5" * 32), MeetingId("6" * 32))
KEPT = timedelta(days=14)
HALF_A_YEAR = timedelta(days=182)
ANAS, BENS = afterwards.begin(ROOM, IDS, NOW, KEPT)


def test_each_has_a_mark_of_their_own() -> None:
    """Whoever is forgotten has none, and is nobody in the other's."""
    assert (ANAS.member, ANAS.other, BENS.member, BENS.other) == (ANA, BEN, BEN, ANA)
    (left,) = afterwards.begin(replace(ROOM, peer=MemberId("")), IDS, NOW, KEPT)
    assert (left.member, left.other) == (ANA, "")


@given(st.timedeltas(timedelta(minutes=1), KEPT), st.timedeltas(timedelta(0), timedelta(days=3)))
def test_a_mark_goes_within_its_time_and_at_an_hour_that_many_share(
    kept: timedelta, later: timedelta
) -> None:
    """Never later than was promised, never at once; what is kept for days goes when a day begins."""
    until = afterwards.last_hour(NOW + later, kept)
    assert NOW + later < until <= NOW + later + kept
    if kept >= timedelta(days=2):
        assert (until.hour, until.minute, until.second, until.microsecond) == (0, 0, 0, 0)


@pytest.mark.parametrize("first", [ANAS, BENS])
def test_both_agreed_when_both_said_so_in_either_order(first: Meeting) -> None:
    """The first alone changes their own mark alone, and not its hour."""
    second = BENS if first is ANAS else ANAS
    said, other = afterwards.say_again(first, [second], NOW, HALF_A_YEAR)
    assert (said, other) == (replace(first, again=True), None)
    mine, theirs = afterwards.say_again(second, [said], NOW, HALF_A_YEAR)
    assert theirs is not None
    until = afterwards.last_hour(NOW, HALF_A_YEAR)
    assert mine == replace(second, again=True, agreed=True, due_at=until)
    assert theirs == replace(said, agreed=True, due_at=until)


@pytest.mark.parametrize(
    "theirs",
    [
        BENS,
        replace(BENS, again=True, due_at=NOW),
        replace(BENS, again=True, other=MemberId("c" * 32)),
        replace(BENS, again=True, member=MemberId("c" * 32)),
        replace(BENS, again=True, other=MemberId("")),
    ],
)
def test_nothing_else_is_an_agreement(theirs: Meeting) -> None:
    """Not said, lapsed, of others, or of somebody forgotten."""
    assert afterwards.say_again(ANAS, [theirs], NOW, HALF_A_YEAR)[1] is None


@pytest.mark.parametrize(("days", "left"), [(1, True), (13, False), (100, False)])
def test_what_is_taken_back_leaves_a_mark_for_the_rest_of_its_first_time(days: int, left: bool) -> None:
    """So that never again can still be said; no agreement is left, and no time is won by it."""
    both = replace(ANAS, again=True, agreed=True, due_at=NOW + HALF_A_YEAR)
    assert afterwards.take_back(both, NOW + timedelta(days=days, hours=12), KEPT) == (ANAS if left else None)


NAME = Across(LinkId("1" * 32), "2" * 32, "3" * 32)
ACROSS = replace(ANAS, across=NAME)


def test_over_a_link_one_word_is_kept_as_long_as_an_agreement() -> None:
    """Nobody here hears of the other's; and it is taken back like any."""
    said = afterwards.say_again_across(ACROSS, NOW, HALF_A_YEAR)
    assert said == replace(ACROSS, again=True, due_at=afterwards.last_hour(NOW, HALF_A_YEAR))
    assert afterwards.take_back(said, NOW + timedelta(days=1), KEPT) == ACROSS


@pytest.mark.parametrize(
    ("mark", "names", "found"),
    [
        (replace(ACROSS, again=True), [NAME], True),
        (replace(ACROSS, again=True), [Across(NAME.link, "", NAME.answer)], True),
        (replace(ACROSS, again=True), [replace(NAME, answer="4" * 32), NAME], True),
        (replace(ACROSS, again=True), [replace(NAME, answer="4" * 32)], False),
        (replace(ACROSS, again=True), [replace(NAME, link=LinkId("4" * 32))], False),
        (replace(ACROSS, again=True), [], False),
        (replace(ACROSS, again=True, due_at=NOW), [NAME], False),
        (replace(ACROSS, again=True, across=None), [NAME], False),
        (ACROSS, [NAME], False),
    ],
)
def test_whom_a_link_asks_for_by_a_name_is_whoever_said_so_of_that_room(
    mark: Meeting, names: list[Across], found: bool
) -> None:
    """Over that very link, by that very answer, while it holds; whatever else is named is nobody's."""
    assert afterwards.of_answers(names, [mark, BENS], NOW) == ({ANA} if found else set())


_BOOLS = st.booleans()


@given(_BOOLS, _BOOLS, _BOOLS, _BOOLS, _BOOLS)
def test_an_agreement_holds_while_both_hold_it_and_nobody_is_kept_apart(
    mine: bool, theirs: bool, apart: bool, forgotten: bool, mine_is_there: bool
) -> None:
    """Seen from either side it is the same."""
    ana = replace(ANAS, again=mine, agreed=mine, other=MemberId("") if forgotten else BEN)
    ben = replace(BENS, again=theirs, agreed=theirs)
    own = [ana] if mine_is_there else []
    holds = mine and theirs and mine_is_there and not apart and not forgotten
    found = afterwards.agreed(ANA, own, [ben], {BEN} if apart else ())
    assert found == ({BEN} if holds else set())
    others = [] if forgotten or not mine_is_there else [ana]
    assert afterwards.agreed(BEN, [ben], others, {ANA} if apart else ()) == ({ANA} if holds else set())
