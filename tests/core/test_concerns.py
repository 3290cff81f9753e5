"""A concern's moves, each from each state, and the pause that two decide."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors import IllegalMove
from schema.ids import ConcernId, MemberId, PairingPauseId
from schema.records import Concern, Proposal
from schema.states import ConcernState
from service.core import concerns
from service.core.concerns import (
    MOVES,
    PAUSES,
    Agree,
    Answer,
    Change,
    Decline,
    Lapse,
    Lose,
    Move,
    Open,
    Propose,
    Remind,
    TakeBack,
    advance,
    allows,
    pause_of,
)
from tests.core.shapes import ANA, BEN, NOW

ROSA, SAM, TOVE = (MemberId(letter * 32) for letter in "123")
KEPT = timedelta(days=28)
ID = PairingPauseId("9" * 32)

GIVEN = concerns.begin(
    ConcernId("8" * 32),
    ANA,
    about="pairing",
    words="It was wrong.",
    readers=(ROSA, SAM),
    other=BEN,
    named=False,
    consent=None,
    now=NOW,
    kept=KEPT,
)
READ, _ = advance(GIVEN, Open(ROSA), NOW)
PROPOSES = Propose(ROSA, PAUSES[0], "Not here.")
WEIGHED, _ = advance(READ, PROPOSES, NOW)
BOTH, _ = advance(WEIGHED, Open(SAM), NOW)
OVER, _ = advance(GIVEN, TakeBack(), NOW)
STATES = {one.state: one for one in (GIVEN, READ, BOTH, OVER)}
EACH: tuple[Move, ...] = (
    *(Open(ROSA), Answer(ROSA, "Thank you."), PROPOSES, Agree(SAM), Decline(SAM), Lose(ROSA)),
    *(Change("More.", (TOVE,), False), Remind(), TakeBack(), Lapse()),
)


@pytest.mark.parametrize("state", ConcernState)
@pytest.mark.parametrize("move", EACH, ids=lambda move: type(move).__name__)
def test_what_the_table_allows_is_what_happens(state: ConcernState, move: Move) -> None:
    """Everything else raises, and changes nothing."""
    record = STATES[state]
    if type(move) not in MOVES[state]:
        with pytest.raises(IllegalMove):
            advance(record, move, NOW + KEPT)
        return
    after, _ = advance(record, move, NOW + KEPT)
    emptied = isinstance(move, Lose) and not after.opened
    assert after.state is (ConcernState.WAITING if emptied else MOVES[state][type(move)])


@pytest.mark.parametrize(
    ("record", "move"),
    [
        (GIVEN, Open(TOVE)),
        (READ, Answer(SAM, "I have not read it.")),
        (READ, Answer(ROSA, "")),
        (replace(READ, answers=((ROSA, "a"),) * concerns.MOST_ANSWERS), Answer(ROSA, "One more.")),
        (READ, Propose(SAM, PAUSES[0], "I have not read it.")),
        (READ, Propose(ROSA, timedelta(days=8), "An odd time.")),
        (replace(READ, other=MemberId("")), PROPOSES),
        (replace(READ, about="ask"), PROPOSES),
        (WEIGHED, Agree(ROSA)),
        (WEIGHED, Agree(SAM)),
        (BOTH, Agree(ROSA)),
        (BOTH, Decline(TOVE)),
        (READ, Change("", (TOVE,), False)),
        (READ, Change("More.", (), False)),
        (READ, Change("More.", (TOVE, TOVE), False)),
        (READ, Change("More.", (ROSA, SAM, TOVE), False)),
        (READ, Lose(TOVE)),
    ],
)
def test_nobody_does_what_is_not_theirs(record: Concern, move: Move) -> None:
    """Who has not read it decides nothing, and who proposed a pause does not agree to it."""
    assert not allows(record, move)
    with pytest.raises(IllegalMove):
        advance(record, move, NOW)


def test_a_pause_is_decided_by_both_or_by_the_one_who_reads_alone() -> None:
    """From the second yes on, for as long as was proposed, without who wrote it."""
    later = NOW + timedelta(hours=3)
    assert pause_of(READ, PROPOSES, ID, NOW) is None
    assert pause_of(BOTH, Decline(SAM), ID, later) is None
    pause = pause_of(BOTH, Agree(SAM), ID, later)
    assert pause is not None
    assert (pause.other, pause.due_at, pause.readers) == (BEN, later + PAUSES[0], (ROSA, SAM))
    assert (pause.reason, pause.made_at) == ("Not here.", later)
    alone, _ = advance(READ, Lose(SAM), NOW)
    pause = pause_of(alone, PROPOSES, ID, NOW)
    assert pause is not None
    assert pause.readers == (ROSA,)
    assert ANA not in repr(pause)


def test_whoever_is_left_does_not_agree_to_what_only_they_know_of() -> None:
    """A proposal goes with the reader who made it, and with the one who was to decide."""
    for gone, stays in ((ROSA, SAM), (SAM, ROSA)):
        left, told = advance(BOTH, Lose(gone), NOW)
        assert (left.proposal, left.readers) == (None, (stays,))
        assert [one.words for one in told] == ["concern.one_left"]
    left, _ = advance(BOTH, Lose(SAM), NOW)
    nobody, told = advance(left, Lose(ROSA), NOW)
    assert (nobody.state, nobody.readers, nobody.due_at) == (ConcernState.WAITING, (), nobody.until)
    assert [one.words for one in told] == ["concern.nobody_left"]


def test_the_next_one_chosen_takes_the_place_of_whoever_reads_it_no_more() -> None:
    """Once; whoever waits for it can go too, and nobody hears of that."""
    more = replace(BOTH, spare=(TOVE,))
    after, told = advance(more, Lose(ROSA), NOW)
    assert (after.readers, after.spare, after.opened) == ((SAM, TOVE), (), (SAM,))
    assert (after.state, after.proposal, [one.words for one in told]) == (
        READ.state,
        None,
        ["concern.replaced"],
    )
    nobody, _ = advance(replace(GIVEN, readers=(ROSA,), spare=(TOVE,), reminded=True), Lose(ROSA), NOW)
    assert (nobody.readers, nobody.reminded, nobody.due_at) == ((TOVE,), False, GIVEN.due_at)
    assert advance(more, Lose(TOVE), NOW) == (replace(more, spare=()), ())
    assert not allows(READ, Change("More.", (TOVE,), False, spare=(TOVE,)))


def test_its_writer_hears_once_that_it_was_opened_or_that_nobody_did() -> None:
    """And at its end which of the two it was."""
    _, told = advance(GIVEN, Open(ROSA), NOW)
    assert [one.words for one in told] == ["concern.opened"]
    assert advance(READ, Open(SAM), NOW)[1] == ()
    assert concerns.is_reminder(GIVEN)
    reminded, told = advance(GIVEN, Remind(), NOW)
    assert [one.words for one in told] == ["concern.unopened"]
    assert not concerns.is_reminder(reminded)
    for record, words in ((reminded, "concern.lapsed_unopened"), (READ, "concern.lapsed")):
        _, told = advance(record, Lapse(), record.until)
        assert [one.words for one in told] == [words]
    with pytest.raises(IllegalMove):
        advance(GIVEN, Lapse(), NOW)


def test_a_proposal_goes_with_its_concern() -> None:
    """Taken back or lapsed while the second one weighs a pause: nothing of it is left."""
    weighed, _ = advance(READ, Propose(ROSA, timedelta(days=7), "Not here."), NOW)
    for move, now in ((TakeBack(), NOW), (Lapse(), weighed.until)):
        after, _ = advance(weighed, move, now)
        assert (after.state, after.proposal, after.due_at) == (ConcernState.OVER, None, None)


def test_what_is_changed_is_read_anew_and_keeps_its_hour() -> None:
    """The new readers have opened nothing, and it is kept no longer for it."""
    later = NOW + timedelta(days=20)
    after, told = advance(replace(BOTH, reminded=True), Change("More.", (TOVE,), True), later)
    assert (after.state, after.opened, after.proposal, after.readers) == (
        ConcernState.WAITING,
        (),
        None,
        (TOVE,),
    )
    assert (after.until, after.due_at, after.named) == (GIVEN.until, later + concerns.UNOPENED, True)
    assert told == ()


def test_whoever_is_forgotten_is_nobody_in_what_they_answered() -> None:
    """The words stay with whoever they were for."""
    answered, _ = advance(READ, Answer(ROSA, "Thank you."), NOW)
    assert concerns.without(answered, ROSA).answers == ((MemberId(""), "Thank you."),)


@given(st.lists(st.integers(), max_size=8, unique=True), st.randoms(use_true_random=False))
def test_two_of_those_chosen_read_it_in_their_order(chosen: list[int], random: Random) -> None:
    """All where there are no more than two; each of more by chance."""
    found = concerns.together(chosen, random.random)
    assert len(found) == min(len(chosen), concerns.TOGETHER)
    assert list(found) == [one for one in chosen if one in found]


@given(st.lists(st.sampled_from(EACH), max_size=12), st.data())
def test_whatever_happens_nobody_reads_who_was_not_chosen(moves: list[Move], data: st.DataObject) -> None:
    """Opened is of the readers, a proposal of one of two, and nothing moves once it is over."""
    record = GIVEN
    for move in moves:
        if not allows(record, move) or (isinstance(move, Lapse) and concerns.is_reminder(record)):
            continue
        before = record
        record, _ = advance(record, move, NOW)
        assert set(record.opened) <= set(record.readers)
        assert before.state is not ConcernState.OVER
        assert (record.proposal is not None) == (record.state is ConcernState.WEIGHED)
        if isinstance(record.proposal, Proposal):
            assert record.proposal.reader in record.readers
            assert len(record.readers) == concerns.TOGETHER
        assert record.state is ConcernState.OVER or record.due_at is not None
