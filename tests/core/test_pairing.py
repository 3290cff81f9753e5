"""Requests, asks and pairings: each legal move, each illegal one, and who hears what."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.effects import Tell
from schema.errors import IllegalMove
from schema.states import AskState, PairingState, RequestState
from service.core.pairing import (
    ASK,
    PAIRING,
    REQUEST,
    AskMove,
    PairingMove,
    RequestMove,
    advance_ask,
    advance_pairing,
    advance_request,
)
from tests.core import shapes
from tests.core.shapes import NOW

LATER = NOW + timedelta(hours=2)


@pytest.mark.parametrize("state", RequestState)
@pytest.mark.parametrize("move", RequestMove)
def test_a_request_moves_as_its_table_says(state: RequestState, move: RequestMove) -> None:
    """A legal move reaches the table's state; an illegal one raises."""
    record = replace(shapes.REQUEST, state=state)
    if move not in REQUEST[state]:
        with pytest.raises(IllegalMove):
            advance_request(record, move, NOW)
        return
    after, effects = advance_request(record, move, NOW)
    assert after.state is REQUEST[state][move]
    assert effects == ()
    assert (after.due_at is None) == (after.state in (RequestState.TOGETHER, RequestState.ENDED))


@pytest.mark.parametrize("state", AskState)
@pytest.mark.parametrize("move", AskMove)
def test_an_ask_moves_as_its_table_says(state: AskState, move: AskMove) -> None:
    """A legal move reaches the table's state; an illegal one raises."""
    record = replace(shapes.ASK, state=state)
    if move not in ASK[state]:
        with pytest.raises(IllegalMove):
            advance_ask(record, move, NOW, LATER)
        return
    after, _ = advance_ask(record, move, NOW, LATER)
    assert after.state is ASK[state][move]
    assert after.due_at == (None if after.state in (AskState.CHOSEN, AskState.OVER) else LATER)


@pytest.mark.parametrize("state", PairingState)
@pytest.mark.parametrize("move", PairingMove)
def test_a_pairing_moves_as_its_table_says(state: PairingState, move: PairingMove) -> None:
    """A legal move reaches the table's state; an illegal one raises."""
    record = replace(shapes.PAIRING, state=state, start=LATER + timedelta(hours=1))
    if move not in PAIRING[state]:
        with pytest.raises(IllegalMove):
            advance_pairing(record, move, LATER)
        return
    after, _ = advance_pairing(record, move, LATER)
    assert after.state is PAIRING[state][move]
    assert bool(after.card) == (after.state is PairingState.STEPPED_BACK)


@pytest.mark.parametrize(
    ("state", "seen", "told"),
    [
        (AskState.WAITING, False, False),
        (AskState.SHOWN, False, False),
        (AskState.WILLING, False, True),
        (AskState.READING, False, True),
        (AskState.READING, True, False),
        (AskState.READY, True, True),
        (AskState.CHOSEN, True, False),
    ],
)
def test_only_who_was_promised_an_answer_hears_at_the_hour(state: AskState, seen: bool, told: bool) -> None:
    """A lapse tells whoever said yes and waits; their own no tells nobody anything."""
    record = replace(shapes.ASK, state=state, note_seen=seen, due_at=LATER)
    _, effects = advance_ask(record, AskMove.DROP, LATER)
    assert effects == ((Tell(record.member, "pairing.not_this_time", notice=True),) if told else ())
    assert advance_ask(record, AskMove.DROP, NOW)[1] == ()


def test_a_no_and_a_silence_reach_the_peer_at_the_same_hour_in_the_same_words() -> None:
    """Promise 2: a decline says nothing until the hour, and then what a silence says."""
    declined, at_once = advance_pairing(shapes.PAIRING, PairingMove.DECLINE, NOW)
    assert at_once == ()
    assert declined.due_at == shapes.PAIRING.due_at
    _, after_no = advance_pairing(declined, PairingMove.LAPSE, declined.until)
    _, after_silence = advance_pairing(shapes.PAIRING, PairingMove.LAPSE, shapes.PAIRING.until)
    assert after_no == after_silence == (Tell(shapes.BEN, "pairing.not_this_time", notice=True),)


def test_a_pairing_does_not_lapse_before_its_hour() -> None:
    """The peer was told an hour, and hears then."""
    with pytest.raises(IllegalMove):
        advance_pairing(shapes.PAIRING, PairingMove.LAPSE, shapes.PAIRING.until - timedelta(seconds=1))


def test_a_peer_who_stepped_back_hears_nothing_more() -> None:
    """Stepping back is their own word, and needs no answer at the hour."""
    stepped, _ = advance_pairing(shapes.PAIRING, PairingMove.STEP_BACK, NOW)
    assert advance_pairing(stepped, PairingMove.LAPSE, stepped.until)[1] == ()


@given(st.lists(st.sampled_from(PairingMove), max_size=8))
def test_at_most_one_of_them_agrees_and_what_is_over_stays_over(moves: list[PairingMove]) -> None:
    """Whatever is tried in whatever order: agreed only from proposed, and nothing leaves OVER.

    But that the asker's yes to one of another community is as if given, where that one stepped back.
    """
    record = shapes.PAIRING
    for move in moves:
        before = record.state
        try:
            record, _ = advance_pairing(record, move, LATER)
        except IllegalMove:
            assert record.state is before
        if record.state is PairingState.AGREED and before is not PairingState.AGREED:
            unknown = move is PairingMove.AWAIT and before is PairingState.STEPPED_BACK
            assert before is PairingState.PROPOSED or unknown
        assert before is not PairingState.OVER or record.state is PairingState.OVER
