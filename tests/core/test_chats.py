"""When what was said in a chat is taken back: never too early, never much too late, and then forgotten."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from schema.effects import RedactChat, RedactStewards
from schema.ids import MatrixId, MemberId, RoomId
from schema.records import Member, Stewardship
from service.core import steward
from service.core.chats import (
    EVERY,
    fail,
    fail_stewards,
    speak,
    speak_to_stewards,
    sweep,
    sweep_stewards,
)

START = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)
KEEP = timedelta(days=7)
ONE, TWO = RoomId("!one"), RoomId("!two")
ANA = Member(MemberId("0" * 32), MatrixId("@ana:example.org"), START, room=ONE)


def _run(member: Member, until: datetime) -> tuple[Member, list[tuple[datetime, RedactChat]]]:
    """Let every hour come until then; the orders, each with its time."""
    orders: list[tuple[datetime, RedactChat]] = []
    while member.sweep_at is not None and member.sweep_at <= until:
        now = member.sweep_at
        member, given_ = sweep(member, now, KEEP)
        orders += [(now, order) for order in given_]
    return member, orders


@given(
    st.lists(
        st.tuples(st.integers(0, 40 * 24 * 60), st.sampled_from([ONE, TWO]), st.integers(0, 24 * 60)),
        min_size=1,
        max_size=40,
    )
)
def test_each_message_goes_in_its_time_and_nothing_is_remembered_after(
    said: list[tuple[int, RoomId, int]],
) -> None:
    """Whatever is said where and however late it arrives: between the community's time and two days more."""
    member, orders = ANA, []
    arrived: list[tuple[RoomId, datetime]] = []
    for minute, room, late in sorted(said):
        now = START + timedelta(minutes=minute)
        member, some = _run(member, now)
        orders += some
        member = speak(replace(member, room=room), now, KEEP)
        arrived.append((room, now + timedelta(minutes=late)))
    member, some = _run(member, START + timedelta(days=80))
    orders += some
    for room, at in arrived:
        gone = min(then for then, order in orders if order.room == room and at < order.before)
        assert KEEP < gone - at <= KEEP + EVERY
    assert (member.said, member.swept_to, member.sweep_at) == ({}, None, None)


def test_what_is_remembered_changes_once_a_day() -> None:
    """Most words to a member cost no write."""
    first = speak(ANA, START, KEEP)
    assert speak(first, START + timedelta(hours=23), KEEP) is first
    later = speak(first, START + timedelta(hours=24), KEEP)
    assert later.said == {ONE: START + timedelta(hours=24)}
    assert later.sweep_at == first.sweep_at
    nowhere = replace(ANA, room=None)
    assert speak(nowhere, START, KEEP) is nowhere


def test_the_hour_shows_nothing_of_when_they_wrote() -> None:
    """It lies in clear: one time of day for one member, whenever something was said."""
    hours = {
        hour.sweep_at.time()
        for minutes in range(0, 3000, 7)
        if (hour := speak(ANA, START + timedelta(minutes=minutes), KEEP)).sweep_at is not None
    }
    assert len(hours) == 1


def test_before_its_hour_nothing_is_ordered() -> None:
    """A member's row falls due for other reasons too."""
    member = speak(ANA, START, KEEP)
    assert sweep(member, START + KEEP, KEEP) == (member, ())
    assert sweep(ANA, START, KEEP) == (ANA, ())


def test_a_later_order_looks_no_further_than_the_one_before() -> None:
    """The whole of a long chat is read once."""
    member = speak(ANA, START, KEEP)
    member = speak(member, START + timedelta(days=6), KEEP)
    _, orders = _run(member, START + timedelta(days=30))
    sinces = [order.since for _, order in orders]
    assert sinces == [None, *(order.before for _, order in orders[:-1])]
    assert all(order.theirs and not order.asked for _, order in orders)


def test_an_order_that_failed_is_given_again_from_the_beginning() -> None:
    """A homeserver that was away for two weeks keeps nothing for that."""
    member, orders = _run(speak(ANA, START, KEEP), START + timedelta(days=30))
    now = START + timedelta(days=30)
    again = fail(member, orders[0][1], now)
    assert again.sweep_at is not None
    assert now < again.sweep_at <= now + EVERY
    member, orders = _run(again, now + timedelta(days=30))
    assert orders[0][1].since is None
    assert orders[0][1].before > START
    assert member.sweep_at is None


SHARED = Stewardship(steward.ID)


def _run_stewards(
    kept: Stewardship, until: datetime
) -> tuple[Stewardship, list[tuple[datetime, RedactStewards]]]:
    """Let every hour come until then; the orders, each with its time."""
    orders: list[tuple[datetime, RedactStewards]] = []
    while kept.sweep_at is not None and kept.sweep_at <= until:
        now = kept.sweep_at
        kept, order = sweep_stewards(kept, now, KEEP)
        assert order is not None
        orders.append((now, order))
    return kept, orders


@given(st.lists(st.tuples(st.integers(0, 40 * 24 * 60), st.integers(0, 24 * 60)), min_size=1, max_size=40))
def test_what_the_stewards_are_told_goes_as_what_is_said_in_a_chat(said: list[tuple[int, int]]) -> None:
    """However late it arrives: between the community's time and two days more; then nothing is remembered."""
    kept, orders = SHARED, []
    arrived: list[datetime] = []
    for minute, late in sorted(said):
        now = START + timedelta(minutes=minute)
        kept, some = _run_stewards(kept, now)
        orders += some
        kept = speak_to_stewards(kept, now, KEEP)
        arrived.append(now + timedelta(minutes=late))
    kept, some = _run_stewards(kept, START + timedelta(days=80))
    orders += some
    for at in arrived:
        gone = min(then for then, order in orders if at < order.before)
        assert KEEP < gone - at <= KEEP + EVERY
        assert any(order.since is None or order.since <= at for _, order in orders if at < order.before)
    assert kept == SHARED


def test_their_room_that_was_not_reached_is_looked_through_whole() -> None:
    """Like a chat that was not."""
    kept = speak_to_stewards(SHARED, START, KEEP)
    assert kept.sweep_at is not None
    assert speak_to_stewards(kept, START + timedelta(hours=23), KEEP) is kept
    assert sweep_stewards(kept, START, KEEP) == (kept, None)
    done, orders = _run_stewards(kept, START + timedelta(days=30))
    again = fail_stewards(done, orders[-1][1], START + timedelta(days=40))
    assert again.sweep_at is not None
    _, order = sweep_stewards(again, again.sweep_at, KEEP)
    assert order == RedactStewards(again.sweep_at - KEEP, None)
