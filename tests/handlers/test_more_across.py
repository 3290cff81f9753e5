"""More time in a room across a link: asked on one side, agreed on the other, and told alike whatever came."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from schema import wire
from schema.effects import Effect
from schema.records import GuestRoom, Member, MoreTime, PeerRoom
from schema.states import GuestRoomState, RoomState
from tests.handlers.story import Story
from tests.handlers.test_after_across import of, together
from tests.handlers.two import NORTH_AT, SOUTH_AT, Two, link_of

HALF = timedelta(minutes=30)
SIDES = pytest.mark.parametrize("name", ["ana", "ben"])
"""Who asks: the one whose side opened the room, or the other."""


@pytest.fixture
async def two() -> Two:
    """The two are in their room, for an hour."""
    two = Two()
    await together(two)
    return two


def ends(two: Two) -> tuple[datetime, datetime | None]:
    """When the room ends, as each side has it."""
    (guest,) = two.south.records.all(GuestRoom)
    return two.north.the_room().ends_at, guest.ends_at


async def wants(two: Two, name: str, choice: str = "2") -> tuple[str, Story, str]:
    """That one asks for more time, half an hour unless told otherwise; what they hear, and the other one."""
    side, other = of(two, name)
    assert "How much more time would you like?" in await two.say(side, name, "extend")
    return await two.say(side, name, choice), two.other(side), other


@SIDES
async def test_both_say_yes_and_the_room_is_longer_on_both_sides(two: Two, name: str) -> None:
    """Whoever asks; the other reads until when it would be, and both hear the new end at once."""
    before, _ = ends(two)
    said, there, other = await wants(two, name)
    assert "I have asked the other person about 30 minutes more." in said
    assert "would like 30 minutes more in your room" in there.last(other)
    assert ends(two) == (before, before)
    await two.say(there, other, "yes")
    assert ends(two) == (before + HALF, before + HALF)
    for side, who in ((two.north, "ana"), (two.south, "ben")):
        assert any("You both said yes to 30 minutes more." in body for _, body, _ in side.heard(who))
    await two.wait(before + timedelta(minutes=5) - two.north.now)
    assert two.north.the_room().state is RoomState.OPEN
    await two.wait(timedelta(hours=1))
    assert two.north.the_room().state is RoomState.READABLE
    assert two.south.records.all(GuestRoom)[0].state is GuestRoomState.READABLE


@SIDES
async def test_whoever_asked_cannot_tell_a_no_from_a_silence(name: str) -> None:
    """Nor from a link that fails meanwhile: the same words at the hour that was said, and nothing crosses."""
    heard = []
    for answer in ("2", "skip", "", "menu", "cut"):
        two = Two()
        await together(two)
        start = two.north.now
        _, there, other = await wants(two, name)
        side, _ = of(two, name)
        crossed = len(two.crossed)
        if answer == "cut":
            two.loses = lambda: True
        if answer and answer != "cut":
            await two.say(there, other, answer)
        assert two.crossed[crossed:] == []
        await two.wait(start + timedelta(minutes=57) - two.north.now)
        heard.append([one for one in side.heard(name, start) if "Nothing has changed" in one[1]])
    assert len(heard[0]) == 1
    assert all(one == heard[0] for one in heard)


async def test_where_both_ask_at_once_the_lesser_is_agreed(two: Two) -> None:
    """Each would like so much at least, and neither has to answer."""
    before, _ = ends(two)
    for side, name in ((two.north, "ana"), (two.south, "ben")):
        await two.say(side, name, "extend")
    # Neither has read of the other's when they choose.
    two.north.now = two.south.now = two.south.now + timedelta(minutes=1)
    await two.south.say("ben", "1", after=0)
    await two.north.say("ana", "3", after=0)
    await two.carry()
    assert ends(two) == (before + timedelta(minutes=15), before + timedelta(minutes=15))


@SIDES
async def test_it_is_asked_once_and_again_only_after_a_new_end(two: Two, name: str) -> None:
    """As in a room of two who are here."""
    _, there, other = await wants(two, name)
    side, _ = of(two, name)
    assert "I have asked the other person" in await two.say(side, name, "extend")
    await two.wait(ends(two)[0] - timedelta(minutes=6) - two.north.now)
    assert "I have asked about more time once" in await two.say(side, name, "extend")
    assert "How much more time" in await two.say(there, other, "extend")
    await two.say(there, other, "1")
    await two.say(side, name, "yes")
    assert "How much more time" in await two.say(side, name, "extend")


@SIDES
async def test_where_their_program_is_not_reached_it_is_said(two: Two, name: str) -> None:
    """Where the other desk has left the room of the two nothing is promised."""
    side, _ = of(two, name)
    await side.records.put(replace(link_of(side), here=False))
    await two.say(side, name, "extend")
    assert "I cannot reach the program of" in await two.say(side, name, "2")
    assert two.to(two.south, wire.More) == two.to(two.north, wire.More) == []


@SIDES
async def test_a_pause_of_the_link_leaves_an_open_room_to_its_two(two: Two, name: str) -> None:
    """It goes on, as the stewards were told, and so does its time, whoever wishes it and whatever crossed."""
    before = ends(two)
    _, there, other = await wants(two, name)
    await two.says(two.north, f"pause {SOUTH_AT}", "yes")
    await two.say(there, other, "yes")
    north, south = ends(two)
    assert south == north > before[0]


@SIDES
async def test_a_room_is_longer_on_both_sides_or_on_none(two: Two, name: str) -> None:
    """Where the north cannot say that it is longer it is not, and who asked or said yes there hears so."""
    before = ends(two)
    _, there, other = await wants(two, name)
    await two.north.records.put(replace(link_of(two.north), here=False))
    await two.say(there, other, "yes")
    assert ends(two) == before
    if other == "ana":
        assert "I cannot reach the program of" in two.north.last("ana")
    await two.wait(before[0] - timedelta(seconds=1) - two.north.now)
    for side, who in ((two.north, "ana"), (two.south, "ben")):
        assert any("Nothing has changed" in body for _, body, _ in side.heard(who)) is (
            who == name or name == "ana"
        )
        assert not any("You both said yes to" in body for _, body, _ in side.heard(who))


async def test_a_partner_that_says_a_later_end_each_second_is_heard_once(two: Two) -> None:
    """The room is as long as they say, up to what its member asked for: who reads of it as of one answer."""
    await wants(two, "ben", "3")
    (guest,) = two.south.records.all(GuestRoom)
    assert guest.ends_at is not None
    assert guest.more is not None
    said = len(two.south.heard("ben"))
    body = wire.More(
        request=guest.across.request,
        answer=guest.across.answer,
        step="agreed",
        wish=guest.more.name,
        minutes=15,
        until=None,
        ends=None,
    )
    for later in range(1, 61):
        ends_at = int(guest.ends_at.timestamp()) + later
        longer = body.model_copy(update={"ends": ends_at})
        await two.put_across(two.north, longer, two.north.now + timedelta(minutes=30))
    assert ends(two)[1] == guest.ends_at + timedelta(minutes=1)
    assert len(two.south.heard("ben")) == said + 1


def _nameless(more: MoreTime | None) -> MoreTime | None:
    return None if more is None else replace(more, name="")


@SIDES
async def test_a_wish_of_an_older_release_has_no_name_and_comes_to_nothing(two: Two, name: str) -> None:
    """Whoever says yes to it hears that nothing changes."""
    _, there, other = await wants(two, name)
    for side in (two.north, two.south):
        for ours in side.records.all(PeerRoom):
            await side.records.put(replace(ours, more=_nameless(ours.more)))
        for theirs in side.records.all(GuestRoom):
            await side.records.put(replace(theirs, more=_nameless(theirs.more)))
    before = ends(two)
    assert "I cannot reach the program of" in await two.say(there, other, "yes")
    assert ends(two) == before


@pytest.mark.parametrize("before", ["", "asks", "is asked", "chooses"])
async def test_who_asked_for_the_end_is_asked_nothing_of_more_time(two: Two, before: str) -> None:
    """`extend` says how it stands, and what was open of it is over: no word of it comes later."""
    if before == "asks":
        await wants(two, "ben")
    elif before == "is asked":
        await wants(two, "ana")
    elif before == "chooses":
        await two.say(two.south, "ben", "extend")
    two.loses = lambda: True
    await two.say(two.south, "ben", "close")
    said = await two.say(two.south, "ben", "extend")
    assert "to close your room, which is open until" in said
    assert "1." not in said
    await two.wait(timedelta(minutes=50))
    assert not any("Nothing has changed" in body for _, body, _ in two.south.heard("ben"))
    assert "more in your room" not in await two.say(two.south, "ben", "back")


async def test_a_yes_in_the_last_moments_counts(two: Two) -> None:
    """South's member may answer until a little before the hour that north's was told: words take a while."""
    before, _ = ends(two)
    await wants(two, "ana")
    wish = two.north.the_room().more
    (guest,) = two.south.records.all(GuestRoom)
    assert wish is not None
    assert guest.more is not None
    assert guest.more.until < wish.until
    await two.wait(guest.more.until - timedelta(minutes=1, seconds=1) - two.north.now)
    sends: list[Effect] = []
    await two.south.say("ben", "yes", after=60)
    sends, two.south.sends = two.south.sends, []
    await two.wait(timedelta(minutes=1))
    assert sends
    two.south.sends = sends
    await two.carry()
    assert ends(two) == (before + HALF, before + HALF)


async def test_whose_yes_was_lost_hears_that_nothing_changed(two: Two) -> None:
    """They were told that the room would be longer; and they can ask for more time themselves then."""
    before = ends(two)
    await wants(two, "ana")
    two.loses = lambda: True
    assert "I have told that to the program" in await two.say(two.south, "ben", "yes")
    await two.wait(timedelta(minutes=50))
    assert ends(two) == before
    assert "Nothing has changed" in two.south.last("ben")
    assert "How much more time" in await two.say(two.south, "ben", "extend")


@SIDES
@pytest.mark.parametrize("left", [200, 30])
async def test_in_the_last_minutes_it_is_said_before_the_end_or_not_at_all(
    two: Two, name: str, left: int
) -> None:
    """That a room goes on as planned is said of none that has ended."""
    before, _ = ends(two)
    side, _ = of(two, name)
    await two.wait(before - timedelta(seconds=left + 120) - two.north.now)
    said, there, other = await wants(two, name)
    assert "I have asked the other person" in said
    assert "more in your room" in there.last(other)
    await two.wait(timedelta(minutes=10))
    told = [at for at, body, _ in side.heard(name) if "Nothing has changed" in body]
    assert all(at < before for at in told)
    assert len(told) == 1


async def test_a_yes_that_comes_late_over_the_link_is_heard_all_the_same(two: Two) -> None:
    """South's member heard that nothing changed; that the room is longer they hear when it is known."""
    before, _ = ends(two)
    await wants(two, "ben")
    two.loses = lambda: True
    held: list[Effect] = []
    await two.north.say("ana", "yes", after=60)
    held, two.north.sends = two.north.sends, []
    await two.wait(timedelta(minutes=40))
    assert "Nothing has changed" in two.south.last("ben")
    two.loses = lambda: False
    two.north.sends = held
    await two.carry()
    assert ends(two) == (before + HALF, before + HALF)
    assert "You both said yes to 30 minutes more." in two.south.last("ben")


async def test_a_partner_makes_no_room_longer_than_ours_agreed_to(two: Two) -> None:
    """Unasked, by more than was asked for, or past what a room here can last: nothing of it counts."""
    before, _ = ends(two)
    (guest,) = two.south.records.all(GuestRoom)
    named = {"request": guest.across.request, "answer": guest.across.answer, "wish": "9" * 32}
    late = int((before + timedelta(days=3)).timestamp())
    agreed = {**named, "step": "agreed", "minutes": 4000, "until": None, "ends": late}
    await two.put_across(two.north, wire.More.model_validate(agreed))
    assert ends(two)[1] == before
    asked = {**named, "step": "asked", "minutes": 10_000, "until": late, "ends": int(before.timestamp())}
    await two.put_across(two.north, wire.More.model_validate(asked))
    assert "more in your room" not in two.south.last("ben")
    await two.put_across(two.south, wire.More.model_validate({**asked, "minutes": 10_000}))
    assert "more in your room" not in two.north.last("ana")
    await two.put_across(two.south, wire.More.model_validate({**agreed, "minutes": 30, "ends": None}))
    assert ends(two)[0] == before
    await two.say(two.south, "ben", "extend", "2")
    await two.put_across(two.north, wire.More.model_validate(agreed))
    assert ends(two)[1] == before + HALF


@SIDES
async def test_what_is_open_of_it_goes_with_the_room(two: Two, name: str) -> None:
    """A question about a room that is closed is none any more."""
    _, there, other = await wants(two, name)
    await two.say(there, other, "close")
    assert two.north.the_room().state is RoomState.READABLE
    member = await there.records.get(Member, there.id(other))
    assert member is not None
    assert "more" not in [one.kind for one in (*member.waiting, member.prompt) if one is not None]
    assert "more in your room" not in await two.say(there, other, "back")
    assert two.south.records.all(GuestRoom)[0].more is None
    assert [one.more for one in two.north.records.all(PeerRoom)] == [None]


@pytest.mark.parametrize("over", [False, True])
async def test_both_hear_at_the_same_moment_that_it_ends_soon(two: Two, over: bool) -> None:
    """And nothing crosses for it; where the link is over, more time is not offered."""
    before, _ = ends(two)
    if over:
        await two.says(two.south, f"cut {NORTH_AT}", "yes")
    crossed = len(two.crossed)
    await two.wait(timedelta(hours=1))
    told = [
        [(at, body) for at, body, notice in side.heard(name) if "nobody can write in it. You" in body]
        for side, name in ((two.north, "ana"), (two.south, "ben"))
    ]
    assert [len(one) for one in told] == [1, 1]
    assert [at for ((at, _),) in told] == [before - timedelta(minutes=10)] * 2
    assert ("extend" in told[1][0][1]) is not over
    assert not [body for to, body in two.crossed[crossed:] if not isinstance(body, wire.Close)]


@SIDES
async def test_that_a_longer_room_ends_soon_is_said_before_its_new_end(two: Two, name: str) -> None:
    """And not before the one that holds no more."""
    before, _ = ends(two)
    _, there, other = await wants(two, name)
    await two.say(there, other, "yes")
    await two.wait(before + HALF - timedelta(minutes=9) - two.north.now)
    told = [at for at, body, _ in two.south.heard("ben") if body.startswith("Your room ends on")]
    assert told == [before + HALF - timedelta(minutes=10)]


async def test_who_asked_to_end_it_hears_no_more_that_it_ends_soon(two: Two) -> None:
    """The other side has not closed it yet; what it does is told."""
    two.loses = lambda: True
    await two.say(two.south, "ben", "close")
    await two.wait(timedelta(hours=1))
    assert not any("Your room ends on" in body for _, body, _ in two.south.heard("ben"))


_BOTH = {"the same": ("2", "2", 30), "less": ("3", "1", 15), "more": ("1", "3", 15)}


@SIDES
@pytest.mark.parametrize(("first", "second", "minutes"), _BOTH.values(), ids=_BOTH.keys())
async def test_a_number_answers_what_was_shown_though_the_others_wish_came_meanwhile(
    two: Two, name: str, first: str, second: str, minutes: int
) -> None:
    """Both have the choices before them; the second has not read of the first's, and the lesser is agreed."""
    before, _ = ends(two)
    side, other = of(two, name)
    there = two.other(side)
    await two.say(there, other, "extend")
    await wants(two, name, first)
    assert "The other person would like" not in there.last(other), "it waits behind the question that is open"
    await two.say(there, other, second)
    longer = before + timedelta(minutes=minutes)
    assert ends(two) == (longer, longer)
    for one, who in ((two.north, "ana"), (two.south, "ben")):
        assert any(f"You both said yes to {minutes} minutes more." in body for _, body, _ in one.heard(who))
        assert "The other person would like" not in await two.say(one, who, "status")
        assert "The other person would like" not in await two.say(one, who, "back")


@SIDES
async def test_status_tells_of_a_wish_that_is_open(two: Two, name: str) -> None:
    """To whom it is put, and to who waits."""
    _, there, other = await wants(two, name)
    side, _ = of(two, name)
    assert "The other person would like 30 minutes more in it" in await two.say(there, other, "status")
    assert "I have asked the other person about 30 minutes more." in await two.say(side, name, "status")
