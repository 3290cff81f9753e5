"""A check-in's turns: what comes at which hour, what is let go, what is taken back, what counts."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors import IllegalMove
from schema.ids import CheckInId, MemberId, RoomId
from schema.records import CheckIn, Rhythm
from schema.states import CheckInState
from service.core import checkins
from service.core.checkins import (
    KEPT,
    LONGEST_PAUSE,
    MOVES,
    Answer,
    Change,
    Come,
    End,
    GoOn,
    Late,
    LetGo,
    Live,
    Miss,
    Move,
    Pause,
    Reach,
    Resume,
    Skip,
    advance,
)

NOW = datetime(2026, 11, 27, 8, tzinfo=UTC)
AGAIN = timedelta(minutes=15)
CHAT = RoomId("!chat")
DAILY = Rhythm("days", date(2026, 11, 27), 17 * 60)
COME = Come(AGAIN)


def a_checkin(rhythm: Rhythm = DAILY, **other: object) -> CheckIn:
    """A check-in of the member's, begun now."""
    record = CheckIn(
        id=CheckInId("c" * 32),
        member=MemberId("a" * 32),
        state=CheckInState.WAITING,
        made_at=NOW,
        due_at=None,
        rhythm=rhythm,
        zone="Europe/Berlin",
        wall=None,
        at=None,
        ends=date(2027, 1, 22),
        question="",
        late=timedelta(hours=3),
    )
    return checkins.begin(replace(record, **other), NOW)  # type: ignore[arg-type]  # Values by field name.


def at(record: CheckIn) -> datetime:
    """Its next time."""
    assert record.at is not None
    return record.at


def put(record: CheckIn) -> CheckIn:
    """The check-in after its time came and the question reached its member at once."""
    came, _ = advance(record, COME, at(record))
    return advance(came, Reach(CHAT), at(record))[0]


def test_a_time_comes_once_and_the_next_is_due() -> None:
    """At its hour it is on its way, and waits for the next at the same hour."""
    record = a_checkin()
    assert record.due_at == at(record) == datetime(2026, 11, 27, 16, tzinfo=UTC)
    came, withdrawn = advance(record, COME, at(record))
    assert (came.state, came.turn, withdrawn) == (CheckInState.DUE, record.at, ())
    assert came.at == datetime(2026, 11, 28, 16, tzinfo=UTC)
    reached, _ = advance(came, Reach(CHAT), at(record))
    assert reached.state is CheckInState.OPEN
    assert reached.due_at == came.at
    assert [one.mark for one in reached.said] == [checkins.mark(came)]


def test_before_its_hour_nothing_comes() -> None:
    """It is looked at a day before, since the rules of its zone may be new, and waits on."""
    record = a_checkin(Rhythm("weeks", date(2026, 11, 27), 17 * 60, days=(2,)))
    assert record.due_at == at(record) - timedelta(hours=26)
    looked, _ = advance(record, COME, at(record) - timedelta(hours=26))
    assert (looked.state, looked.due_at, looked.at) == (CheckInState.WAITING, record.at, record.at)


def test_new_rules_of_a_zone_move_the_instant_and_not_the_hour() -> None:
    """What was worked out by old rules is worked out anew from the hour on the wall, sooner or later."""
    record = a_checkin(Rhythm("weeks", date(2026, 11, 27), 17 * 60, days=(2,)))
    old = replace(record, at=at(record) + timedelta(hours=1))
    looked, _ = advance(old, COME, record.due_at or NOW)
    assert looked.at == looked.due_at == record.at
    old = replace(record, at=at(record) - timedelta(hours=1), due_at=at(record) - timedelta(hours=1))
    looked, _ = advance(old, COME, old.due_at or NOW)
    assert (looked.state, looked.at) == (CheckInState.WAITING, record.at)


def test_an_older_question_is_taken_back_by_the_next() -> None:
    """Unanswered ones never pile up."""
    record = put(a_checkin())
    came, withdrawn = advance(record, COME, at(record))
    assert [one.mark for one in withdrawn] == [one.mark for one in record.said]
    assert (came.said, came.turn) == ((), record.at)
    assert checkins.mark(came) != checkins.mark(record)


def test_after_an_outage_one_comes_or_none() -> None:
    """Days later only the last time comes, where it is not too late; the others are let go."""
    record = a_checkin()
    late = at(record) + timedelta(days=4, hours=2)
    came, _ = advance(record, COME, late)
    assert (came.state, came.turn) == (CheckInState.DUE, late - timedelta(hours=2))
    assert checkins.why_late(came, late, late) is Late.OURS
    too_late = late + timedelta(hours=1)
    left, _ = advance(record, COME, too_late)
    assert (left.state, left.turn) == (CheckInState.WAITING, None)
    assert at(left) > too_late


def test_why_it_comes_late_is_known() -> None:
    """It waited behind a question, or could not be written; in time or shown again nothing is to be said."""
    record = a_checkin()
    now = at(record)
    came, _ = advance(record, COME, now)
    later = now + timedelta(seconds=30)
    assert checkins.why_late(came, now, now) is None
    assert checkins.why_late(came, now, later) is Late.BEHIND
    assert checkins.why_late(came, now + timedelta(hours=1), later + timedelta(hours=1)) is Late.OURS
    assert checkins.why_late(came, later, later) is None
    reached, _ = advance(came, Reach(CHAT), later)
    assert checkins.why_late(reached, now, later) is None
    missed, _ = advance(reached, Miss(AGAIN), later)
    assert checkins.why_late(missed, later, now + timedelta(minutes=20)) is Late.OURS


def test_what_waits_too_long_is_let_go() -> None:
    """Behind another question it is looked at again and again, up to its limit."""
    record = a_checkin()
    now = at(record)
    record, _ = advance(record, COME, now)
    while record.state is CheckInState.DUE:
        assert record.due_at is not None
        assert now < record.due_at <= now + AGAIN
        now = record.due_at
        record, withdrawn = advance(record, COME, now)
        assert not withdrawn
    assert now == datetime(2026, 11, 27, 19, tzinfo=UTC)
    assert record.state is CheckInState.WAITING


def test_a_question_that_did_not_arrive_comes_again_in_another_message() -> None:
    """Whether the first one arrived after all is not known: it is withdrawn when the second goes."""
    record = put(a_checkin())
    now = (record.turn or NOW) + timedelta(minutes=20)
    missed, _ = advance(record, Miss(AGAIN), now)
    assert (missed.state, missed.due_at) == (CheckInState.DUE, now + AGAIN)
    again, withdrawn = advance(missed, Reach(CHAT), now)
    assert [one.mark for one in withdrawn] == [one.mark for one in record.said]
    assert len(again.said) == 1
    assert again.said[0].mark != record.said[0].mark


def test_it_ends_and_asks_once() -> None:
    """With its last time it asks whether it goes on; a week later it is over and taken back."""
    record = a_checkin(ends=date(2026, 11, 28))
    assert not checkins.may_go_on(record)
    record = put(put(record))
    assert checkins.is_last(record)
    assert record.asked_on
    assert record.due_at == (record.turn or NOW) + KEPT
    over, withdrawn = advance(record, COME, (record.turn or NOW) + KEPT)
    assert over.state is CheckInState.OVER
    assert len(withdrawn) == 1
    on, _ = advance(record, GoOn(date(2027, 1, 1)), at_least(record))
    assert at(on) == datetime(2026, 11, 29, 16, tzinfo=UTC)
    assert not on.asked_on


def at_least(record: CheckIn) -> datetime:
    """A moment after its present turn came."""
    return (record.turn or NOW) + timedelta(minutes=1)


def test_a_last_question_that_did_not_arrive_or_was_taken_back_unseen_did_not_ask() -> None:
    """One whose member showed any sign of life since has been seen."""
    record = put(a_checkin(ends=date(2026, 11, 27)))
    missed, _ = advance(record, Miss(AGAIN), at_least(record))
    assert not missed.asked_on
    unseen, _ = advance(record, LetGo(), at_least(record))
    assert checkins.to_ask(unseen)
    alive, _ = advance(record, Live(), at_least(record))
    assert not checkins.to_ask(advance(alive, LetGo(), at_least(record))[0])


def test_once_is_once() -> None:
    """What comes once asks nothing further."""
    record = a_checkin(Rhythm("once", date(2026, 12, 3), 14 * 60))
    assert at(record) == datetime(2026, 12, 3, 13, tzinfo=UTC)
    assert not checkins.may_go_on(put(record))
    assert advance(put(record), Answer(), at(record))[0].state is CheckInState.OVER
    assert checkins.end_of(record.rhythm, record.zone, NOW, 8) == date(2026, 12, 3)


def test_an_end_leaves_room_for_one() -> None:
    """What comes back more seldom than the usual time ends with its next one."""
    yearly = Rhythm("months", date(2026, 11, 27), 9 * 60, step=12, month_day=1)
    assert (
        checkins.end_of(yearly, "Europe/Berlin", NOW, 8)
        >= a_checkin(yearly, ends=date(2030, 1, 1)).rhythm.start
    )
    assert a_checkin(yearly, ends=checkins.end_of(yearly, "Europe/Berlin", NOW, 8)).at is not None


def test_a_pause_moves_the_end_along() -> None:
    """Nothing comes in it; it ends at its day, or by a word."""
    record = a_checkin()
    until = NOW + timedelta(days=10)
    paused, _ = advance(record, Pause(until), NOW)
    assert (paused.state, paused.due_at) == (CheckInState.PAUSED, until)
    resumed, _ = advance(paused, COME, until)
    assert resumed.state is CheckInState.WAITING
    assert resumed.ends == record.ends + timedelta(days=10)
    assert at(resumed) > until
    by_word, _ = advance(paused, Resume(), NOW + timedelta(days=3))
    assert by_word.ends == record.ends + timedelta(days=3)


def test_a_pause_without_a_day_is_not_for_ever() -> None:
    """After half a year it is over."""
    paused, _ = advance(a_checkin(), Pause(), NOW)
    assert paused.due_at == NOW + LONGEST_PAUSE
    assert advance(paused, COME, NOW + timedelta(days=1))[0].state is CheckInState.PAUSED
    assert advance(paused, COME, NOW + LONGEST_PAUSE)[0].state is CheckInState.OVER


def test_what_comes_once_is_over_where_its_hour_was_in_the_pause() -> None:
    """Nothing is left for afterwards."""
    record = a_checkin(Rhythm("once", date(2026, 12, 3), 14 * 60), ends=date(2026, 12, 3))
    paused, _ = advance(record, Pause(NOW + timedelta(days=30)), NOW)
    assert advance(paused, COME, NOW + timedelta(days=30))[0].state is CheckInState.OVER


def test_another_zone_keeps_the_hour_on_the_wall() -> None:
    """And what came at this hour of the day does not come at the same hour further west."""
    record = a_checkin()
    moved, _ = advance(record, Move("America/Sao_Paulo"), NOW)
    assert at(moved) == datetime(2026, 11, 27, 20, tzinfo=UTC)
    after = put(record)
    moved, _ = advance(after, Move("America/Sao_Paulo"), at_least(after))
    assert at(moved) == datetime(2026, 11, 28, 20, tzinfo=UTC)
    assert moved.state is CheckInState.OPEN


def test_the_next_one_can_be_skipped() -> None:
    """And the one after that comes."""
    record = a_checkin()
    skipped, _ = advance(record, Skip(), NOW)
    assert at(skipped) == at(record) + timedelta(days=1)


def test_one_that_waits_behind_something_is_the_next_to_be_skipped() -> None:
    """The one that is on its way, and not the one after it; of what comes once nothing is left to come."""
    record = a_checkin()
    came, _ = advance(record, COME, at(record))
    skipped, _ = advance(came, Skip(), at(record))
    assert (skipped.state, skipped.turn, skipped.at) == (CheckInState.WAITING, None, came.at)
    once = a_checkin(Rhythm("once", date(2026, 12, 3), 14 * 60))
    came, _ = advance(once, COME, at(once))
    assert advance(came, Skip(), at(once))[0].turn is None


def test_of_what_was_not_answered_nothing_is_left() -> None:
    """But that the turn is over: after five times the record is as after one, with other hours."""
    once = put(a_checkin())
    record = once
    for _ in range(4):
        record = put(record)
    hours = {name: getattr(record, name) for name in ("due_at", "at", "wall", "turn", "last", "said")}
    assert replace(once, **hours) == record


_ALL = (
    COME,
    Reach(CHAT),
    Miss(AGAIN),
    Live(),
    Answer(),
    LetGo(),
    Skip(),
    Pause(),
    Pause(NOW + timedelta(days=9)),
)
_MORE = (Resume(), Move("Asia/Tokyo"), GoOn(date(2027, 3, 1)), End())
_CHANGE = Change(
    Rhythm("weeks", date(2026, 11, 27), 9 * 60, days=(0, 4)), "Europe/Berlin", date(2027, 5, 1), "?", AGAIN
)


@given(st.lists(st.tuples(st.sampled_from((*_ALL, *_MORE, _CHANGE)), st.integers(0, 3 * 24 * 60))))
def test_whatever_happens_it_has_an_hour_and_one_question(moves: list[tuple[checkins.AnyMove, int]]) -> None:
    """It stands with an hour at which it is looked at, one message holds its question, and it ends."""
    record, now = a_checkin(), NOW
    shown: set[str] = set()
    for move, minutes in moves:
        now += timedelta(minutes=minutes)
        if isinstance(move, Reach) and record.turn is None:
            continue
        if type(move) not in MOVES[record.state]:
            with pytest.raises(IllegalMove):
                advance(record, move, now)
            continue
        before = record
        record, withdrawn = advance(record, move, now)
        shown -= {one.mark for one in withdrawn}
        if isinstance(move, Reach):
            new = record.said[-1].mark
            assert new not in shown
            shown.add(new)
        if record.state is CheckInState.OVER:
            break
        assert record.due_at is not None
        assert len(record.said) <= 1
        assert record.turn is None or record.turn <= now
        assert record.at is None or record.state is CheckInState.PAUSED or record.at > before.made_at
    for _ in range(500):
        if record.state is CheckInState.OVER:
            break
        assert record.due_at is not None
        now = max(now, record.due_at)
        record, _ = advance(record, COME, now)
        if record.state is CheckInState.DUE:
            record, _ = advance(record, Reach(CHAT), now)
    assert record.state is CheckInState.OVER
