"""A buddy is told once, after a warning, and never where the member might have written unread."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from schema.errors import IllegalMove
from schema.ids import BuddyId, MatrixId, MemberId
from schema.records import Buddy, Consent
from schema.states import BuddyState
from service.core import buddies
from service.core.buddies import (
    MOVES,
    READ_WITHIN,
    STANDS,
    Agree,
    Arrive,
    Change,
    End,
    Fail,
    Hour,
    Keep,
    Lapse,
    Leave,
    Live,
    Miss,
    Move,
    Next,
    Put,
    advance,
)

NOW = datetime(2026, 11, 27, 17, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=90)
HOUR = timedelta(hours=1)
YES = Consent("It goes like this.", "en-1", NOW)
STANDING = Buddy(
    id=BuddyId("1" * 32),
    member=MemberId("a" * 32),
    other=MemberId("b" * 32),
    state=BuddyState.STANDING,
    made_at=NOW,
    due_at=None,
    name=MatrixId("@ben:example.org"),
    words="Please ring me.",
    please=(),
    please_not=("the police",),
    after=2,
    hours=timedelta(hours=12),
    agreed_at=NOW,
    consents=((MemberId("a" * 32), YES), (MemberId("b" * 32), YES)),
)


def after(*moves: tuple[Move, timedelta], record: Buddy = STANDING) -> tuple[Buddy, Next]:
    """The record after moves, each so long after the one before."""
    now, followed = NOW, Next.NOTHING
    for move, later in moves:
        now += later
        record, followed = advance(record, move, now)
    return record, followed


COUNTED = ((Put(LONG_AGO), HOUR), (Put(LONG_AGO), 24 * HOUR))
WARNED = (*COUNTED, (Hour(LONG_AGO), 6 * HOUR))
TELLING = (*WARNED, (Arrive(), timedelta(seconds=1)), (Hour(LONG_AGO), 6 * HOUR + READ_WITHIN))
TOLD = (*TELLING, (Arrive(), timedelta(seconds=1)))


def test_it_is_told_at_its_hours() -> None:
    """Two check-ins without an answer, half of the time, the warning, the other half, the words."""
    counted, _ = after(*COUNTED)
    assert counted.due_at == NOW + 25 * HOUR + 6 * HOUR
    warned, followed = after(*WARNED)
    assert followed is Next.WARN
    assert warned.tells_at == NOW + 25 * HOUR + 12 * HOUR
    telling, followed = after(*TELLING)
    assert followed is Next.TELL
    assert telling.due_at is None
    assert telling.state is BuddyState.TELLING
    assert after(*TOLD)[0].state is BuddyState.TOLD


def test_more_check_ins_do_not_move_the_hour() -> None:
    """Neither sooner nor later, and none after the words count any more."""
    first, _ = after(*COUNTED)
    more, _ = after(*COUNTED, (Put(LONG_AGO), HOUR))
    assert more.due_at == first.due_at
    assert after(*TOLD, (Put(LONG_AGO), 24 * HOUR)) == (after(*TOLD)[0], Next.NOTHING)


@pytest.mark.parametrize(
    ("before", "followed"),
    [(COUNTED, Next.NOTHING), (WARNED, Next.CANCELLED), (TELLING, Next.STOP), (TOLD, Next.BACK)],
)
def test_any_sign_of_life_begins_it_anew(before: tuple[tuple[Move, timedelta], ...], followed: Next) -> None:
    """From each state; nothing of the count is left."""
    assert after(*before, (Live(), HOUR)) == (STANDING, followed)


def test_nothing_goes_where_the_warning_did_not_arrive() -> None:
    """It could not be sent, or nobody knows whether it was."""
    assert after(*WARNED, (Fail(), HOUR)) == (STANDING, Next.NOTHING)
    assert after(*WARNED, (Hour(LONG_AGO), 7 * HOUR)) == (STANDING, Next.AGAIN)


def test_words_that_could_not_go_are_not_said_to_have_gone() -> None:
    """It ends there, as where they went; the next sign of life begins it anew."""
    failed, followed = after(*TELLING, (Fail(), HOUR))
    assert (failed.state, failed.due_at, followed) == (BuddyState.TOLD, None, Next.NOTHING)
    assert after((Live(), HOUR), record=failed) == (STANDING, Next.NOTHING)


@pytest.mark.parametrize("since", [NOW + 2 * HOUR, NOW + 20 * HOUR, NOW + 26 * HOUR])
def test_an_outage_begins_it_anew(since: datetime) -> None:
    """Wherever it lay since the first check-in that counts: before the warning, and after it."""
    assert after(*COUNTED, (Hour(since), 6 * HOUR)) == (STANDING, Next.NOTHING)
    arrived = (*WARNED, (Arrive(), timedelta(seconds=1)))
    assert after(*arrived, (Hour(since), 7 * HOUR)) == (STANDING, Next.AGAIN)
    counted, _ = after((Put(LONG_AGO), HOUR), (Put(since), 30 * HOUR))
    assert counted.unanswered == 1
    assert counted.due_at is None


def test_while_nothing_is_read_nothing_is_decided() -> None:
    """It is looked at again, until all that was written can have been read."""
    record, followed = after(*COUNTED, (Hour(None), 6 * HOUR), (Hour(None), HOUR))
    assert followed is Next.NOTHING
    assert record.due_at == NOW + 32 * HOUR + timedelta(minutes=1)
    assert after(*COUNTED, (Hour(None), 6 * HOUR), (Hour(NOW + 30 * HOUR), HOUR)) == (STANDING, Next.NOTHING)


def test_before_its_hour_nothing_happens() -> None:
    """An hour that has moved changes nothing."""
    assert after(*COUNTED, (Hour(LONG_AGO), 5 * HOUR)) == (after(*COUNTED)[0], Next.NOTHING)


def test_a_check_in_that_did_not_arrive_does_not_count() -> None:
    """The hour that it began is taken back."""
    assert after(*COUNTED, (Miss(), HOUR)) == after(COUNTED[0])
    assert after(COUNTED[0], (Miss(), HOUR)) == (STANDING, Next.NOTHING)


def test_never_by_itself_is_never_by_itself() -> None:
    """Where only the member's own word tells the buddy nothing is counted."""
    silent = replace(STANDING, after=0, hours=timedelta(0))
    assert after(*COUNTED, *COUNTED, record=silent) == (silent, Next.NOTHING)


def test_of_what_ended_unsaid_only_the_buddys_yes_is_left() -> None:
    """No word of the member's, and no count; the buddy can still end it, and nobody hears that."""
    ended, _ = after(*WARNED, (End(), HOUR))
    assert (ended.words, ended.please, ended.please_not, ended.unanswered, ended.due_at) == (
        "",
        (),
        (),
        0,
        None,
    )
    assert ended.consents == ((STANDING.other, YES),)
    assert after((End(), HOUR), (Leave(), HOUR))[1] is Next.NOTHING
    assert after((Leave(), HOUR))[1] is Next.GONE


_ALL: tuple[Move, ...] = (
    *(
        Agree(None),
        Change(1, HOUR, None),
        Keep(),
        Put(LONG_AGO),
        Miss(),
        Live(),
        Hour(LONG_AGO),
        Arrive(),
        Fail(),
        Lapse(),
        End(),
        Leave(),
    ),
)


@pytest.mark.parametrize("state", BuddyState)
@pytest.mark.parametrize("move", _ALL, ids=lambda move: type(move).__name__)
def test_what_is_not_allowed_raises(state: BuddyState, move: Move) -> None:
    """And what is allowed does not."""
    record = replace(STANDING, state=state)
    if type(move) in MOVES[state]:
        advance(record, move, NOW)
    else:
        with pytest.raises(IllegalMove):
            advance(record, move, NOW)


_STEP = st.tuples(
    st.sampled_from(
        [
            "put",
            "put",
            "put",
            "hour",
            "hour",
            "hour",
            "arrive",
            "arrive",
            "fail",
            "miss",
            "live",
            "outage",
            "deaf",
        ]
    ),
    st.integers(0, 14 * 60),
)


@given(
    steps=st.lists(_STEP, max_size=60),
    count=st.sampled_from((0, *buddies.AFTER)),
    hours=st.sampled_from(buddies.HOURS),
)
def test_no_buddy_is_told_too_soon_or_twice(steps: list[tuple[str, int]], count: int, hours: int) -> None:
    """Whatever happens in whatever order: each telling had its warning, its time, and nothing unread."""
    record = replace(STANDING, after=count, hours=timedelta(hours=hours) if count else timedelta(0))
    now, heard_since, alive, warned_at, told = NOW, LONG_AGO, NOW, None, 0
    puts = 0
    arrived = False
    for what, minutes in steps:
        now += timedelta(minutes=minutes)
        before = record.state
        moves: dict[str, Move] = {
            "put": Put(heard_since),
            "hour": Hour(heard_since),
            "deaf": Hour(None),
            "arrive": Arrive(),
            "fail": Fail(),
            "miss": Miss(),
            "live": Live(),
        }
        if what == "outage":
            heard_since = now
            continue
        move = moves[what]
        if type(move) not in MOVES[before]:
            continue
        record, followed = advance(record, move, now)
        if what == "live":
            alive, puts, told = now, 0, 0
        if what == "put":
            puts += 1
        if what == "arrive" and before is BuddyState.WARNED:
            arrived = True
        if followed is Next.WARN:
            assert before is BuddyState.STANDING
            assert puts >= count > 0
            assert now - alive >= timedelta(hours=hours) / 2
            warned_at, arrived = now, False
            event("warned")
        if followed is Next.TELL:
            event("told")
            told += 1
            assert told == 1, "twice in one silence"
            assert warned_at is not None
            assert arrived
            assert now - warned_at >= timedelta(hours=hours) / 2 + READ_WITHIN
            assert heard_since <= warned_at - timedelta(hours=hours) / 2
            assert alive < warned_at
        assert record.state in STANDS
        assert (record.due_at is None) <= (record.state is not BuddyState.WARNED)
