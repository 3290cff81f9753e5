"""The peer room: opened, closed at once for whatever reason, read for its time, erased step by step."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.community import Timings
from schema.effects import (
    EmptyPeerRoom,
    InviteAgain,
    LetWrite,
    MutePeerRoom,
    OpenPeerRoom,
    PurgePeerRoom,
    RedactPeerRoom,
    Tell,
)
from schema.errors import IllegalMove
from schema.ids import LinkId, RoomId
from schema.records import Across, PeerRoom
from schema.states import Ending, RoomState
from service.core import rooms
from tests.core import shapes
from tests.core.shapes import ANA, ANA_AT, BEN, BEN_AT, NOW, OPEN, PAIRING, ROOM

TIMINGS = Timings()
OPENED = rooms.Opened(RoomId("!room"), (ANA_AT, BEN_AT))


def _walk(record: PeerRoom, *moves: rooms.Move) -> tuple[PeerRoom, list[object]]:
    done: list[object] = []
    for move in moves:
        record, effects = rooms.advance(record, move, record.due_at or NOW, TIMINGS)
        done += effects
    return record, done


def test_a_room_begins_with_one_order_to_open_it() -> None:
    """Both consents make the record and the order, and nothing is said yet."""
    record, effects = rooms.begin(PAIRING, ANA_AT, BEN_AT, NOW)
    assert record == ROOM
    assert effects == (OpenPeerRoom(PAIRING.id, (ANA_AT, BEN_AT)),)


def test_a_room_that_is_long_in_coming_is_spoken_of_once() -> None:
    """The asker alone hears of it, since the peer was told an hour; nothing is due then but the room."""
    waits, effects = rooms.advance(ROOM, rooms.TimeIsUp(), NOW + timedelta(seconds=2), TIMINGS)
    assert effects == (Tell(ANA, "consent.opening", notice=True),)
    assert waits == replace(ROOM, due_at=None)
    assert not rooms.allows(waits, rooms.TimeIsUp())
    assert rooms.advance(waits, OPENED, NOW, TIMINGS) == rooms.advance(ROOM, OPENED, NOW, TIMINGS)
    assert rooms.advance(ROOM, rooms.Refused(Ending.REFUSED), NOW, TIMINGS)[0].due_at is None


def test_both_may_write_once_both_are_there() -> None:
    """What one wrote before the other came could not be read by them, so the room opens muted."""
    opened, _ = _walk(ROOM, OPENED)
    first, effects = rooms.advance(opened, rooms.Joined(ANA), opened.made_at, TIMINGS)
    assert effects == ()
    both, effects = rooms.advance(first, rooms.Joined(BEN), opened.made_at, TIMINGS)
    assert effects == (LetWrite(ROOM.id, RoomId("!room"), 1),)
    again, effects = rooms.advance(both, rooms.Joined(BEN), opened.made_at, TIMINGS)
    assert (again, effects) == (both, ())


def test_the_whole_way() -> None:
    """Open, warned, time is up, mute, reading time, redact, empty, settle, purge, in this order alone."""
    record, effects = _walk(
        ROOM,
        OPENED,
        rooms.Joined(ANA),
        rooms.Joined(BEN),
        rooms.TimeIsUp(),
        rooms.TimeIsUp(),
        rooms.Muted(),
        rooms.TimeIsUp(),
        rooms.Redacted(),
        rooms.Emptied(),
        rooms.TimeIsUp(),
        rooms.Purged("purged"),
    )
    assert record.state is RoomState.GONE
    assert [type(effect) for effect in effects if not isinstance(effect, Tell)] == [
        LetWrite,
        MutePeerRoom,
        RedactPeerRoom,
        EmptyPeerRoom,
        PurgePeerRoom,
    ]
    assert rooms.receipt(record) == ("receipt.redacted", "receipt.removed", "receipt.purged")


@pytest.mark.parametrize(
    ("move", "ending"),
    [
        (rooms.Close(Ending.ASKED), Ending.ASKED),
        (rooms.Left(BEN), Ending.LEFT),
        (rooms.Forget(BEN), Ending.FORGOTTEN),
        (rooms.TimeIsUp(), Ending.TIME),
    ],
)
def test_it_is_read_only_at_once_whatever_ends_it(move: rooms.Move, ending: Ending) -> None:
    """The first effect of every end is the mute."""
    record, effects = rooms.advance(OPEN, move, OPEN.ends_at, TIMINGS)
    assert record.state is RoomState.CLOSING
    assert record.ending is ending
    assert effects[0] == MutePeerRoom(OPEN.id, RoomId("!room"), 1)


def test_a_persons_own_reason_is_told_in_one_sentence_for_all() -> None:
    """Asked, left and forgotten read the same to whoever remains."""
    said = set()
    for move in (rooms.Close(Ending.ASKED), rooms.Left(BEN), rooms.Forget(BEN)):
        closing, _ = rooms.advance(OPEN, move, NOW, TIMINGS)
        _, effects = rooms.advance(closing, rooms.Muted(), NOW, TIMINGS)
        said.add(next(one for one in effects if isinstance(one, Tell) and one.member == ANA))
    assert len(said) == 1


def test_both_together_end_the_reading_time() -> None:
    """One alone does not, and asking twice is asking once."""
    readable = replace(OPEN, state=RoomState.READABLE, due_at=NOW + TIMINGS.reading)
    once, effects = rooms.advance(readable, rooms.EraseNow(ANA), NOW, TIMINGS)
    assert (once.state, effects) == (RoomState.READABLE, ())
    twice, _ = rooms.advance(once, rooms.EraseNow(ANA), NOW, TIMINGS)
    assert twice.state is RoomState.READABLE
    both, effects = rooms.advance(twice, rooms.EraseNow(BEN), NOW, TIMINGS)
    assert both.state is RoomState.REDACTING
    assert effects == (RedactPeerRoom(OPEN.id, RoomId("!room")),)


def test_a_room_that_ended_before_it_was_there_is_emptied_when_it_comes() -> None:
    """Nothing is orphaned, and whoever was forgotten meanwhile is taken out too."""
    closing, effects = _walk(ROOM, rooms.Forget(BEN))
    assert (closing.state, effects) == (RoomState.CLOSING, [])
    assert closing.peer_matrix_id == ""
    removing, effects = _walk(closing, OPENED)
    assert removing.state is RoomState.REMOVING
    assert effects == [EmptyPeerRoom(ROOM.id, RoomId("!room"), (ANA_AT, BEN_AT))]


def test_whoever_does_not_come_is_invited_again_once_and_then_it_closes() -> None:
    """One invitation, one reminder, to the one who is missing alone; then the end."""
    opened, _ = _walk(ROOM, OPENED, rooms.Joined(ANA))
    waits, effects = rooms.advance(opened, rooms.TimeIsUp(), NOW + TIMINGS.join, TIMINGS)
    assert effects[0] == InviteAgain(ROOM.id, RoomId("!room"), BEN_AT)
    assert [one.member for one in effects if isinstance(one, Tell)] == [BEN]
    assert waits.due_at is not None
    asks, effects = rooms.advance(waits, rooms.TimeIsUp(), waits.due_at, TIMINGS)
    assert (asks.choosing, effects) == (True, ()), "whoever is there chooses"
    assert asks.due_at is not None
    closing, _ = rooms.advance(asks, rooms.TimeIsUp(), asks.due_at, TIMINGS)
    assert closing.ending is Ending.NOT_JOINED
    after, effects = rooms.advance(closing, rooms.Muted(), NOW, TIMINGS)
    assert after.state is RoomState.REDACTING


@pytest.mark.parametrize(
    ("moves", "items"),
    [
        (
            (rooms.Muted(False), rooms.Redacted(False), rooms.Emptied(False)),
            {"not_muted", "not_redacted", "not_removed"},
        ),
        ((rooms.Muted(), rooms.TimeIsUp(), rooms.Redacted(), rooms.Emptied()), {"redacted", "removed"}),
    ],
)
def test_what_was_refused_holds_nothing_up_and_stands_in_the_receipt(
    moves: tuple[rooms.Move, ...], items: set[str]
) -> None:
    """Each refusal is a line of the receipt, and the next step comes all the same."""
    record, _ = _walk(OPEN, rooms.Close(Ending.ASKED), *moves, rooms.TimeIsUp(), rooms.Purged("cannot"))
    assert record.state is RoomState.GONE
    assert set(record.done) == {*items, "cannot"}


def test_forgetting_takes_out_that_one_and_leaves_the_other_their_time() -> None:
    """The forgotten one's ids are gone at once; the other reads on; removing one is not emptying."""
    readable = replace(OPEN, state=RoomState.READABLE, due_at=NOW + TIMINGS.reading)
    record, effects = rooms.advance(readable, rooms.Forget(ANA), NOW, TIMINGS)
    assert effects == (EmptyPeerRoom(OPEN.id, RoomId("!room"), (ANA_AT,), alone=True),)
    assert record.state is RoomState.READABLE
    assert ANA not in (record.asker, *record.joined, *record.ever_joined)
    assert record.asker_matrix_id == ""
    assert not rooms.counts_as_emptied(record, (ANA_AT,))
    assert rooms.counts_as_emptied(record, (ANA_AT, BEN_AT))
    alone, _ = rooms.advance(record, rooms.EraseNow(BEN), NOW, TIMINGS)
    assert alone.state is RoomState.REDACTING


@pytest.mark.parametrize(
    ("length", "before"),
    [(timedelta(hours=1), timedelta(minutes=10)), (timedelta(minutes=12), timedelta(minutes=6))],
)
def test_both_are_told_once_before_the_end(length: timedelta, before: timedelta) -> None:
    """Ten minutes before, or at the half of a short room; the hour stands in the record until it was told."""
    opened, _ = _walk(replace(ROOM, length=length, ends_at=NOW + length), OPENED)
    start = opened.ends_at - length
    first, _ = rooms.advance(opened, rooms.Joined(ANA), start, TIMINGS)
    both, _ = rooms.advance(first, rooms.Joined(BEN), start, TIMINGS)
    assert both.due_at == both.warn_at == both.ends_at - before
    told, effects = rooms.advance(both, rooms.TimeIsUp(), both.ends_at - before, TIMINGS)
    said = [(one.member, one.words) for one in effects if isinstance(one, Tell)]
    assert said == [(ANA, "room.ends_soon_more"), (BEN, "room.ends_soon_more")]
    assert (told.due_at, told.warn_at) == (told.ends_at, None)
    assert rooms.advance(told, rooms.TimeIsUp(), told.ends_at, TIMINGS)[0].ending is Ending.TIME


def _met() -> PeerRoom:
    return replace(OPEN, met=True, warn_at=OPEN.ends_at - TIMINGS.warning)


def test_more_time_needs_both() -> None:
    """One alone changes nothing; the other's yes moves the end, and both are told of the new one."""
    asked, effects = rooms.advance(_met(), rooms.MoreAsked(ANA, timedelta(minutes=30)), NOW, TIMINGS)
    assert (effects, asked.ends_at, asked.length) == ((), OPEN.ends_at, OPEN.length)
    for move in (rooms.MoreAgreed(ANA), rooms.MoreAsked(ANA, timedelta(minutes=15))):
        assert not rooms.allows(asked, move), "nobody says yes to their own wish, or wishes twice"
    longer, effects = rooms.advance(asked, rooms.MoreAgreed(BEN), NOW, TIMINGS)
    assert (longer.ends_at, longer.length) == (NOW + timedelta(minutes=90), timedelta(minutes=90))
    assert longer.due_at == longer.warn_at == longer.ends_at - TIMINGS.warning
    assert [(one.member, one.words) for one in effects if isinstance(one, Tell)] == [
        (ANA, "room.extended"),
        (BEN, "room.extended"),
    ]
    assert rooms.allows(longer, rooms.MoreAsked(ANA, timedelta(minutes=15))), "before the new end once more"


def test_more_time_that_nobody_agreed_to_lapses_at_the_hour_that_was_said() -> None:
    """At the warning's hour or half of what is left; whoever asked is told that nothing has changed."""
    early, _ = rooms.advance(_met(), rooms.MoreAsked(ANA, timedelta(minutes=30)), NOW, TIMINGS)
    assert early.more is not None
    assert early.more.until == early.warn_at
    lapsed, effects = rooms.advance(early, rooms.TimeIsUp(), early.more.until, TIMINGS)
    assert [(one.member, one.words) for one in effects if isinstance(one, Tell)] == [
        (ANA, "extend.stays"),
        (ANA, "room.ends_soon"),
        (BEN, "room.ends_soon_more"),
    ]
    assert (lapsed.more, lapsed.due_at) == (None, OPEN.ends_at)
    late, _ = rooms.advance(
        lapsed, rooms.MoreAsked(BEN, timedelta(minutes=15)), OPEN.ends_at - timedelta(minutes=6), TIMINGS
    )
    assert late.more is not None
    assert late.due_at == late.more.until == OPEN.ends_at - timedelta(minutes=3)
    with pytest.raises(IllegalMove):
        rooms.advance(late, rooms.MoreAgreed(ANA), late.more.until, TIMINGS)


def test_extensions_add_up_to_the_longest_and_no_further() -> None:
    """The community's longest room, unless it allows more in all."""
    short = Timings(longest=timedelta(minutes=75))
    assert rooms.more_time(_met(), short) == timedelta(minutes=15)
    assert rooms.more_time(_met(), replace(short, longest_in_all=timedelta(hours=2))) == timedelta(hours=1)
    with pytest.raises(IllegalMove):
        rooms.advance(_met(), rooms.MoreAsked(ANA, timedelta(minutes=30)), NOW, short)
    asked, _ = rooms.advance(_met(), rooms.MoreAsked(ANA, timedelta(minutes=15)), NOW, short)
    longer, _ = rooms.advance(asked, rooms.MoreAgreed(BEN), NOW, short)
    assert rooms.more_time(longer, short) == timedelta()


def test_where_nobody_comes_nobody_is_asked_to_wait() -> None:
    """The second hour ends a room that nobody came into."""
    opened, _ = _walk(ROOM, OPENED, rooms.TimeIsUp())
    assert _walk(opened, rooms.TimeIsUp())[0].ending is Ending.NOT_JOINED


def test_whoever_is_there_may_wait_until_the_end() -> None:
    """Each wait has an hour, the hours come to an end, and whoever comes in ends the waiting."""
    asks, _ = _walk(ROOM, OPENED, rooms.Joined(ANA), rooms.TimeIsUp(), rooms.TimeIsUp())
    assert not rooms.allows(asks, rooms.Wait(BEN))
    waits, count = asks, 0
    while not waits.ending:
        assert waits.due_at is not None
        now = waits.due_at
        if waits.choosing:
            waits, _ = rooms.advance(waits, rooms.Wait(ANA), now - timedelta(seconds=1), TIMINGS)
            count += 1
        else:
            waits, _ = rooms.advance(waits, rooms.TimeIsUp(), now, TIMINGS)
    assert 1 < count < 8
    assert waits.ending is Ending.TIME
    came, _ = rooms.advance(asks, rooms.Joined(BEN), NOW, TIMINGS)
    assert (came.choosing, rooms.allows(came, rooms.Wait(ANA))) == (False, False)


def test_when_one_leaves_nobody_writes_until_they_are_back() -> None:
    """The mute is ordered with the leaving; only whoever left can ask to be invited again."""
    apart, effects = rooms.advance(_met(), rooms.Left(BEN), NOW, TIMINGS)
    assert (apart.state, apart.due_at) == (RoomState.APART, OPEN.ends_at)
    assert effects == (MutePeerRoom(OPEN.id, RoomId("!room"), 1),)
    assert not rooms.allows(apart, rooms.ComeBack(ANA))
    asked, effects = rooms.advance(apart, rooms.ComeBack(BEN), NOW, TIMINGS)
    assert effects == (InviteAgain(OPEN.id, RoomId("!room"), BEN_AT),)
    back, effects = rooms.advance(asked, rooms.Joined(BEN), NOW, TIMINGS)
    assert effects[0] == LetWrite(OPEN.id, RoomId("!room"), 2)
    assert (back.state, back.met, back.due_at) == (RoomState.OPEN, True, back.warn_at)
    late = apart.ends_at - timedelta(minutes=3)
    assert rooms.advance(asked, rooms.Joined(BEN), late, TIMINGS)[0].warn_at is None, "it is said on return"


@pytest.mark.parametrize("move", [rooms.Muted(False), rooms.Left(ANA), rooms.TimeIsUp(), rooms.Forget(ANA)])
def test_a_room_that_one_left_ends(move: rooms.Move) -> None:
    """Where the mute is refused, both are gone, or its time is over."""
    apart, _ = rooms.advance(_met(), rooms.Left(BEN), NOW, TIMINGS)
    closing, _ = rooms.advance(apart, move, apart.ends_at, TIMINGS)
    assert closing.state is RoomState.CLOSING
    after, effects = rooms.advance(closing, rooms.Muted(), NOW, TIMINGS)
    somebody_reads = ANA in closing.joined
    assert after.state is (RoomState.READABLE if somebody_reads else RoomState.REDACTING)
    if somebody_reads:
        keys = {one.member: one.words for one in effects if isinstance(one, Tell)}
        assert keys[BEN] == "room.closed_away"


_MOVES: tuple[rooms.Move, ...] = (
    OPENED,
    rooms.Refused(Ending.REFUSED),
    rooms.Joined(ANA),
    rooms.Joined(BEN),
    rooms.Left(ANA),
    rooms.Left(BEN),
    rooms.Writable(),
    rooms.MoreAsked(ANA, timedelta(minutes=15)),
    rooms.MoreAsked(BEN, timedelta(days=1)),
    rooms.MoreAgreed(ANA),
    rooms.MoreAgreed(BEN),
    rooms.ComeBack(ANA),
    rooms.ComeBack(BEN),
    rooms.Wait(ANA),
    rooms.Close(Ending.ASKED),
    rooms.Muted(),
    rooms.Muted(False),
    rooms.EraseNow(ANA),
    rooms.EraseNow(BEN),
    rooms.Forget(ANA),
    rooms.Redacted(),
    rooms.Emptied(),
    rooms.Purged("asked"),
    rooms.TimeIsUp(),
)


@given(st.lists(st.sampled_from(_MOVES), max_size=40))
def test_each_state_awaits_something_and_nothing_happens_twice(moves: list[rooms.Move]) -> None:
    """In any order: an illegal move changes nothing, each step is ordered once, no state is a dead end."""
    record, now = ROOM, NOW
    orders: list[object] = []
    levels: list[LetWrite | MutePeerRoom] = []
    for move in moves:
        now += timedelta(minutes=1)
        if isinstance(move, rooms.Forget) and move.member not in rooms.people(record):
            continue
        if not rooms.allows(record, move):
            with pytest.raises(IllegalMove):
                rooms.advance(record, move, now, TIMINGS)
            continue
        if isinstance(move, rooms.TimeIsUp) and record.due_at is not None:
            now = max(now, record.due_at)
        elif record.due_at is not None and record.due_at <= now:
            record, effects = rooms.advance(record, rooms.TimeIsUp(), now, TIMINGS)
            orders += [one for one in effects if isinstance(one, RedactPeerRoom | PurgePeerRoom)]
            levels += [one for one in effects if isinstance(one, LetWrite | MutePeerRoom)]
            if not rooms.allows(record, move):
                continue
        record, effects = rooms.advance(record, move, now, TIMINGS)
        orders += [one for one in effects if isinstance(one, RedactPeerRoom | PurgePeerRoom)]
        if record.state in (RoomState.OPEN, RoomState.READABLE, RoomState.SETTLING):
            assert record.due_at is not None
        levels += [one for one in effects if isinstance(one, LetWrite | MutePeerRoom)]
        if levels and isinstance(levels[-1], LetWrite):
            assert set(rooms.people(record)) <= set(record.joined), "nobody writes what the other cannot read"
    numbers = [one.change for one in levels]
    assert numbers == sorted(set(numbers)), "no change of who may write is taken for another"
    assert len(orders) == len({type(one) for one in orders})


def test_a_move_that_is_illegal_raises() -> None:
    """What is gone does not come back."""
    with pytest.raises(IllegalMove):
        rooms.advance(replace(OPEN, state=RoomState.GONE), OPENED, NOW, TIMINGS)
    assert not rooms.allows(shapes.ROOM, rooms.Muted())


def test_a_room_in_which_nobody_may_write_closes_and_leaves_nothing_to_read() -> None:
    """The homeserver refused it for good: it closes, and what nobody could write in is removed at once."""
    both, _ = _walk(ROOM, OPENED, rooms.Joined(ANA), rooms.Joined(BEN))
    assert not rooms.allows(_walk(ROOM, OPENED, rooms.Joined(ANA))[0], rooms.Writable())
    assert _walk(both, rooms.Writable())[0].met
    closed, effects = _walk(both, rooms.Writable(False))
    assert (closed.state, closed.ending, closed.met) == (RoomState.CLOSING, Ending.REFUSED, False)
    assert [type(effect) for effect in effects] == [MutePeerRoom]
    assert _walk(closed, rooms.Muted())[0].state is RoomState.REDACTING


def test_who_came_in_before_the_room_was_known_is_remembered_until_it_is() -> None:
    """And nothing of it is kept about somebody who is forgotten meanwhile."""
    waits, effects = _walk(ROOM, rooms.Early(RoomId("!room"), ANA, "join"))
    assert (waits.early, effects) == (((RoomId("!room"), ANA, "join"),), [])
    assert _walk(waits, rooms.Forget(ANA))[0].early == ()
    assert _walk(waits, OPENED)[0].early == ()


def test_what_the_other_side_did_stands_last_in_the_receipt() -> None:
    """Whichever of the two was first with its copy, the receipt reads the same."""
    done = ("removed", "there_purged", "purged")
    record = replace(OPEN, done=done, across=Across(LinkId("1" * 32), "2" * 32, "3" * 32))
    assert rooms.receipt(record) == ("receipt.removed", "receipt.purged", "receipt.there_purged")
