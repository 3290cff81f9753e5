"""A room of a linked community's: every state, what may happen in it, and what never does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.community import Timings
from schema.effects import PurgeGuestRoom
from schema.errors import IllegalMove
from schema.ids import AskId, GuestRoomId, LinkId, MatrixId, MemberId, OfferId, RequestId, RoomId
from schema.records import Across, Ask, GuestRoom
from schema.states import AskState, Ending, GuestRoomState
from service.core import guest_rooms
from service.core.guest_rooms import (
    GRACE,
    MOVES,
    READ,
    THEIRS,
    UNHEARD,
    WORD,
    AskedToEnd,
    Emptied,
    Ended,
    Gone,
    Longer,
    MoreAgreed,
    MoreAsked,
    Move,
    Opened,
    Purged,
    TimeIsUp,
)

NOW = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SETTLE = timedelta(days=1)
TIMINGS = Timings(settle=SETTLE)
WARNED = NOW + HOUR - TIMINGS.warning
ROOM = RoomId("!theirs")
ASK = Ask(
    id=AskId("b" * 32),
    request=RequestId("a" * 32),
    member=MemberId("ben"),
    offer=OfferId("offer"),
    state=AskState.READY,
    made_at=NOW,
    due_at=NOW + 2 * HOUR,
    length=HOUR,
    wish="listening",
    topics=(),
    across=Across(LinkId("c" * 32), "a" * 32, "b" * 32),
)


def begun() -> GuestRoom:
    """Both said yes."""
    return guest_rooms.begin(
        ASK, MemberId("ana"), MatrixId("@ana:north.example"), MatrixId("@desk:north.example:8448"), NOW
    )


def after(record: GuestRoom, *moves: Move) -> GuestRoom:
    """The room after these moves; its hour is when its time is over."""
    for move in moves:
        now = NOW + HOUR + GRACE if isinstance(move, TimeIsUp) else NOW
        record, _ = guest_rooms.advance(record, move, now, TIMINGS)
    return record


OPEN = after(begun(), Opened(ROOM, NOW + HOUR))


def test_it_waits_for_the_hour_that_was_promised() -> None:
    """And its keeper's server is their desk's."""
    room = begun()
    assert (room.state, room.due_at, room.server) == (
        GuestRoomState.AWAITED,
        ASK.due_at,
        "north.example:8448",
    )
    assert after(room, TimeIsUp()).state is GuestRoomState.GONE


@pytest.mark.parametrize("ask", [replace(ASK, across=None), replace(ASK, member=MemberId(""))])
def test_only_a_yes_of_ours_across_a_link_leads_to_one(ask: Ask) -> None:
    """Any other is our own bug."""
    with pytest.raises(IllegalMove):
        guest_rooms.begin(ask, MemberId("ana"), MatrixId("@a:b"), MatrixId("@d:b"), NOW)


def test_from_its_opening_to_the_receipt() -> None:
    """Each step awaits one thing; the address goes with the end, and our copy after a wait."""
    assert (OPEN.room, OPEN.ends_at, OPEN.due_at) == (ROOM, NOW + HOUR, WARNED)
    warned, _ = guest_rooms.advance(OPEN, TimeIsUp(), WARNED, TIMINGS)
    assert (warned.state, warned.warn_at, warned.due_at) == (OPEN.state, None, NOW + HOUR + GRACE)
    closed = after(OPEN, AskedToEnd(), Ended())
    assert (closed.state, closed.ending, closed.other_matrix_id) == (
        GuestRoomState.READABLE,
        Ending.ASKED,
        "",
    )
    assert (closed.ends_at, closed.due_at) == (NOW, NOW + UNHEARD)
    emptied = after(closed, Emptied())
    assert (emptied.state, emptied.due_at) == (GuestRoomState.PURGING, NOW + SETTLE)
    ordered, orders = guest_rooms.advance(emptied, TimeIsUp(), NOW + SETTLE, TIMINGS)
    assert orders == (PurgeGuestRoom(GuestRoomId(ASK.id), ROOM, "north.example:8448"),)
    assert ordered.due_at is None
    ours = after(ordered, Purged("asked"))
    assert (ours.state, ours.due_at) == (GuestRoomState.PURGING, NOW + THEIRS)
    assert after(ours, Gone("purged")).state is GuestRoomState.GONE
    assert after(ours, TimeIsUp()).state is GuestRoomState.GONE


@pytest.mark.parametrize(
    ("moves", "met"),
    [
        ((Ended(),), True),
        ((Ended(met=False),), False),
        ((Emptied(met=False),), False),
        ((Gone("asked", met=False),), False),
        ((TimeIsUp(),), True),
        # What was said first holds: the members have heard it.
        ((Ended(), Emptied(met=False)), True),
        ((Ended(met=False), Emptied(met=True)), False),
    ],
)
def test_that_two_never_met_is_known_from_the_first_word_of_its_end(
    moves: tuple[guest_rooms.Move, ...], met: bool
) -> None:
    """The other side alone sees it; where it says nothing they are taken to have met."""
    assert after(OPEN, *moves).met is met


ASKED = MoreAsked(OPEN.member, HOUR / 2, NOW + HOUR / 2, "ours")
THEIRS_ASK = MoreAsked(MemberId("ana"), HOUR / 2, NOW + HOUR / 2, "theirs")


def test_more_time_comes_with_both_yeses_and_the_other_sides_word() -> None:
    """Our member's wish, or their yes to the other's; no more than that, and each asks once before an end."""
    late = NOW + 9 * HOUR
    for moves in ((ASKED,), (THEIRS_ASK, MoreAgreed())):
        longer = after(OPEN, *moves, Longer(late))
        assert (longer.ends_at, longer.length) == (NOW + 1.5 * HOUR, 1.5 * HOUR)
        assert (longer.more, longer.agreed_more, longer.asked_more) == (None, False, ())
        assert longer.due_at == WARNED + HOUR / 2
    assert not guest_rooms.allows(after(OPEN, ASKED), Longer(NOW)), "never shorter"
    for record in (OPEN, after(OPEN, THEIRS_ASK)):
        assert not guest_rooms.allows(record, Longer(late, "another"))
    assert not guest_rooms.allows(after(OPEN, ASKED), THEIRS_ASK)
    assert not guest_rooms.allows(after(OPEN, ASKED), MoreAgreed())
    assert not guest_rooms.allows(OPEN, MoreAgreed())


@pytest.mark.parametrize("asked", [ASKED, THEIRS_ASK])
def test_a_wish_for_more_time_lapses_at_its_hour_and_the_room_goes_on(asked: MoreAsked) -> None:
    """It is not asked again by the same one; after the room's own end it is that."""
    waits = after(OPEN, asked)
    assert waits.due_at == asked.until
    lapsed, _ = guest_rooms.advance(waits, TimeIsUp(), asked.until, TIMINGS)
    assert (lapsed.state, lapsed.due_at) == (GuestRoomState.OPEN, OPEN.due_at)
    assert not guest_rooms.allows(lapsed, asked)
    over, _ = guest_rooms.advance(waits, TimeIsUp(), NOW + HOUR + GRACE, TIMINGS)
    assert (over.state, over.more, over.asked_more) == (GuestRoomState.READABLE, None, ())


def test_a_yes_of_ours_of_which_nothing_more_is_heard_lapses_too() -> None:
    """A little after its hour, so that the other side's word can come; and it counts however late that is."""
    agreed = after(OPEN, THEIRS_ASK, MoreAgreed())
    assert agreed.due_at == THEIRS_ASK.until + 2 * WORD
    lapsed, _ = guest_rooms.advance(agreed, TimeIsUp(), THEIRS_ASK.until + 2 * WORD, TIMINGS)
    assert (lapsed.state, lapsed.lapsed_more, lapsed.due_at) == (GuestRoomState.OPEN, True, OPEN.due_at)
    assert guest_rooms.allows(lapsed, ASKED)
    assert after(lapsed, Longer(NOW + 1.5 * HOUR)).ends_at == NOW + 1.5 * HOUR


def test_a_yes_to_our_wish_counts_however_late_it_is_heard() -> None:
    """The other side has made the room longer by then; and the other one may ask for more time meanwhile."""
    lapsed, _ = guest_rooms.advance(after(OPEN, ASKED), TimeIsUp(), ASKED.until, TIMINGS)
    assert lapsed.lapsed_more
    longer = after(lapsed, Longer(NOW + 1.5 * HOUR))
    assert (longer.ends_at, longer.more, longer.lapsed_more) == (NOW + 1.5 * HOUR, None, False)
    theirs = after(lapsed, THEIRS_ASK)
    assert (theirs.more is not None and theirs.more.member, theirs.lapsed_more) == ("ana", False)
    unsaid, _ = guest_rooms.advance(after(OPEN, THEIRS_ASK), TimeIsUp(), THEIRS_ASK.until, TIMINGS)
    assert (unsaid.more, unsaid.lapsed_more) == (None, False)
    assert not guest_rooms.allows(unsaid, Longer(NOW + 1.5 * HOUR))


def test_what_both_agreed_to_is_the_same_in_every_order() -> None:
    """The later end may come first; another wish of ours stands where it did not lead to it."""
    lapsed, _ = guest_rooms.advance(after(OPEN, ASKED), TimeIsUp(), ASKED.until, TIMINGS)
    both = after(lapsed, replace(THEIRS_ASK, until=NOW + HOUR), MoreAgreed())
    first, second = Longer(NOW + 1.5 * HOUR, "ours"), Longer(NOW + 2 * HOUR, "theirs")
    late = after(both, second)
    assert late.ends_at == after(both, first, second).ends_at == NOW + 2 * HOUR
    assert not guest_rooms.allows(late, first)
    assert not guest_rooms.allows(late, second)
    agreed, _ = guest_rooms.advance(after(OPEN, THEIRS_ASK, MoreAgreed()), TimeIsUp(), NOW + HOUR, TIMINGS)
    stands = after(agreed, ASKED, Longer(NOW + 1.5 * HOUR, "theirs"))
    assert (stands.more and stands.more.name, stands.asked_more) == ("ours", (OPEN.member,))
    assert after(stands, Longer(NOW + 2 * HOUR, "ours")).more is None


def test_where_nothing_is_heard_our_copy_is_to_go_all_the_same() -> None:
    """Long after the end; then nothing is waited for, and that nothing was heard is known."""
    closed = after(OPEN, TimeIsUp())
    ordered, orders = guest_rooms.advance(closed, TimeIsUp(), NOW + UNHEARD, TIMINGS)
    assert orders == (PurgeGuestRoom(GuestRoomId(ASK.id), ROOM, "north.example:8448"),)
    assert (ordered.state, ordered.due_at) == (GuestRoomState.PURGING, None)
    assert not guest_rooms.allows(ordered, Gone("purged"))
    gone = after(ordered, Purged("cannot"))
    assert (gone.state, guest_rooms.was_heard_of(gone)) == (GuestRoomState.GONE, False)


def test_what_comes_out_of_turn_is_taken_as_far_as_it_goes() -> None:
    """That its people are out says that it is closed; what the other side erased may come before ours."""
    assert after(OPEN, Emptied()).state is GuestRoomState.PURGING
    theirs = after(OPEN, Gone("cannot"))
    assert (theirs.state, theirs.there, theirs.due_at) == (GuestRoomState.PURGING, "cannot", NOW + SETTLE)
    assert not guest_rooms.allows(theirs, Gone("purged"))
    ordered, _ = guest_rooms.advance(theirs, TimeIsUp(), NOW, TIMINGS)
    assert after(ordered, Purged("purged")).state is GuestRoomState.GONE


@pytest.mark.parametrize(
    ("said", "ends"),
    [
        (None, NOW + HOUR),
        (0, NOW + HOUR),
        (253_402_300_799, NOW + HOUR),
        (int((NOW + HOUR / 2).timestamp()), NOW + HOUR / 2),
    ],
)
def test_it_never_ends_later_than_was_agreed(said: int | None, ends: datetime) -> None:
    """Whatever the other side says."""
    assert guest_rooms.ends_at(begun(), said, NOW) == ends


def test_whoever_is_forgotten_stands_nowhere_in_it() -> None:
    """The copy is still to be erased."""
    left = guest_rooms.forget(OPEN)
    assert (left.member, left.other, left.other_matrix_id, left.room) == ("", "", "", ROOM)


def test_a_room_whose_member_is_forgotten_waits_for_no_wish_of_theirs() -> None:
    """An open one is due when its time is over; a later one keeps its hour."""
    for room in (after(OPEN, ASKED), after(OPEN, THEIRS_ASK, MoreAgreed())):
        assert guest_rooms.forget(room).due_at == NOW + HOUR + GRACE
    closed = after(OPEN, Emptied())
    assert guest_rooms.forget(closed).due_at == closed.due_at


def test_who_asked_for_the_end_waits_for_no_more_time() -> None:
    """What was wished or agreed goes with that; where the other side had made it longer by then, it is."""
    for room in (after(OPEN, ASKED), after(OPEN, THEIRS_ASK), after(OPEN, THEIRS_ASK, MoreAgreed())):
        ending = after(room, AskedToEnd())
        assert (ending.more, ending.agreed_more, ending.due_at) == (None, False, NOW + HOUR + GRACE)
        assert not guest_rooms.allows(ending, MoreAgreed())
        wanted = room.agreed_more or (room.more is not None and room.more.member == room.member)
        assert guest_rooms.allows(ending, Longer(NOW + 2 * HOUR)) is wanted


moves = st.sampled_from(
    [
        Opened(ROOM, NOW + HOUR),
        AskedToEnd(),
        Ended(),
        Emptied(),
        Purged("purged"),
        Gone(""),
        Gone("asked"),
        TimeIsUp(),
    ]
)


@given(st.lists(moves, max_size=12))
def test_nothing_is_erased_before_its_people_are_out(said: list[Move]) -> None:
    """Or nothing was heard for long: an illegal move changes nothing, our copy is erased at most once."""
    room, orders, out = begun(), 0, False
    for move in said:
        if not guest_rooms.allows(room, move):
            with pytest.raises(IllegalMove):
                guest_rooms.advance(room, move, NOW, TIMINGS)
            continue
        unheard = room.state is GuestRoomState.READABLE and isinstance(move, TimeIsUp)
        now = (room.due_at or NOW) if isinstance(move, TimeIsUp) else NOW
        room, ordered = guest_rooms.advance(room, move, now, TIMINGS)
        out = out or unheard or isinstance(move, Emptied | Gone)
        orders += len(ordered)
        assert not ordered or out
        assert room.due_at is not None or room.state in (GuestRoomState.GONE, GuestRoomState.PURGING)
        assert room.state in guest_rooms.LIVE or not room.other_matrix_id or not out
    assert orders <= 1
    assert not MOVES[GuestRoomState.GONE]


def test_after_an_outage_what_was_said_is_read_before_it_counts_as_unsaid() -> None:
    """A room's end, that its people are out, what the other side erased; other hours come at once."""
    closed = after(OPEN, Ended())
    ordered, _ = guest_rooms.advance(after(closed, Emptied()), TimeIsUp(), NOW + SETTLE, TIMINGS)
    ours = after(ordered, Purged("asked"))
    for record, hour in ((OPEN, NOW + HOUR + GRACE), (closed, NOW + UNHEARD), (ours, NOW + THEIRS)):
        waits, orders = guest_rooms.advance(record, TimeIsUp(read=False), hour, TIMINGS)
        assert (waits, orders) == (replace(record, due_at=hour + READ), ())
    warned, _ = guest_rooms.advance(OPEN, TimeIsUp(read=False), WARNED, TIMINGS)
    assert warned.warn_at is None
    assert not guest_rooms.has_read(None, NOW)
    assert [guest_rooms.has_read(NOW - READ + late, NOW) for late in (HOUR, HOUR * 0)] == [False, True]
