"""Company from a later hour: found ahead of its time, agreed by both, and opened then."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from schema.effects import OpenPeerRoom
from schema.records import Ask, Pairing, PeerRoom, Request
from schema.states import PairingState, RequestState, RoomState
from tests.handlers.story import COMMUNITY, START, Story
from tests.handlers.test_concern import READERS, REASON, raised

AT_SIX = datetime(2026, 11, 28, 17, 0, tzinfo=UTC)
"""Six in the evening in Berlin, the day after the story begins."""

OFF = "No room opens for you two on Saturday 28 November, 18:00 Berlin"


async def _offers(story: Story, name: str, *hours: str) -> None:
    """The member offers at any time but at night, or at the hours that they say."""
    await story.comes(name)
    first = ("5", "2", "skip", "skip") if not hours else ("5", "1", "skip", *hours)
    await story.says(name, "offer", *first, "skip", "skip", "2", "yes")


async def _asks(story: Story, when: str = "tomorrow 18:00") -> None:
    await story.comes("ana")
    await story.says("ana", f"talk listening 1h {when}", "yes")


async def _planned(story: Story) -> None:
    """Ana and Ben have both agreed."""
    await _offers(story, "ben")
    await _asks(story)
    await story.says("ben", "yes", "go on")
    await story.says("ana", "yes")


def _opened(story: Story) -> list[datetime]:
    return [at for at, one in story.effects if isinstance(one, OpenPeerRoom)]


async def test_a_room_for_later_is_found_ahead_and_opens_at_its_hour(story: Story) -> None:
    """Asked today, agreed today, opened tomorrow; each step says when."""
    await _offers(story, "ben")
    await story.comes("ana")
    recap = await story.say("ana", "talk listening 1h tomorrow at 18:00")
    assert "From Saturday 28 November, 18:00 Berlin (in 25 hours), not before." in recap
    assert "until Saturday 28 November, 19:00 Berlin" in recap
    await story.say("ana", "yes")
    assert "The room would open on Saturday 28 November, 18:00 Berlin" in story.last("ben")
    await story.say("ben", "yes")
    assert "The room would open on Saturday 28 November, 18:00 Berlin" in story.last("ben")
    await story.say("ben", "go on")
    assert "The room would open on Saturday 28 November, 18:00 Berlin" in story.last("ana")
    await story.say("ana", "yes")
    assert story.the_pairing().state is PairingState.PLANNED
    for name in ("ana", "ben"):
        assert "I open your private room on Saturday 28 November, 18:00 Berlin" in story.last(name)
        assert "I open your private room on Saturday 28 November" in await story.say(name, "status")
    assert not _opened(story)
    await story.wait(AT_SIX - story.now)
    assert _opened(story) == [AT_SIX]
    room = story.the_room()
    assert (room.state, room.ends_at) == (RoomState.OPEN, AT_SIX + timedelta(hours=1))
    assert len(room.consents) == 3
    assert not story.records.all(Request)


@pytest.mark.parametrize(
    ("hours", "asked"),
    [((), True), (("daily 17-22",), True), (("daily 17-17:30",), False), (("fridays 17-20",), False)],
)
async def test_who_is_asked_has_hours_for_both_now_and_then(
    story: Story, hours: tuple[str, ...], asked: bool
) -> None:
    """Nobody is asked at an hour of which they said nothing, or for one."""
    await _offers(story, "ben", *hours)
    await _asks(story)
    assert bool(story.records.all(Ask)) is asked


async def test_an_offer_that_ends_before_is_not_asked(story: Story) -> None:
    """Four hours from now do not reach tomorrow."""
    await story.comes("ben")
    await story.offers("ben", hours="2")
    await _asks(story)
    assert not story.records.all(Ask)
    await story.says("ana", "change", "from when", "Berlin", "now", "yes")
    await story.wait(timedelta(minutes=10))
    assert story.records.all(Ask)
    assert story.the_request().start is None
    assert story.the_request().until > story.now + timedelta(hours=23)


@pytest.mark.parametrize("who", ["ana", "ben"])
async def test_what_was_agreed_can_be_let_go_and_the_other_hears_the_same_for_every_reason(who: str) -> None:
    """A letting go, a forgetting and a keeping apart, at once and in the same words."""
    other = "ben" if who == "ana" else "ana"
    heard = []
    for words in (
        ("stop", "1"),
        ("my consents", "the room that we agreed on for later", "yes"),
        ("forget me", "yes"),
        (f"keep apart @{other}:example.org", "yes"),
    ):
        story = Story()
        await _planned(story)
        start = story.now
        await story.wait(timedelta(hours=1) - timedelta(minutes=len(words)))
        await story.says(who, *words)
        assert OFF in story.last(other) or OFF in story.heard(other)[-2][1]
        await story.wait(start + timedelta(hours=2) - story.now)
        await story.say(other, "status")
        await story.wait(start + timedelta(days=2) - story.now)
        assert not _opened(story)
        heard.append(story.heard(other, start))
    for one in heard:
        assert one == heard[0]


@pytest.mark.parametrize("who", ["ana", "cleo"])
async def test_a_pause_of_one_of_the_two_is_heard_as_a_letting_go(who: str) -> None:
    """Whether Ben had offered or had asked himself: nothing stays planned, and the other is not told why."""
    story = Story(community=replace(COMMUNITY, readers=READERS))
    await raised(story)
    await story.says("rosa", "read", "pause", "2", REASON, "yes")
    await story.wait(timedelta(hours=17))
    await story.comes("cleo")
    if who == "cleo":
        await _offers(story, "cleo")
        await story.says("ben", "withdraw", "talk listening 1h tomorrow 19:00", "yes")
        await story.says("cleo", "yes", "go on")
        await story.says("ben", "yes")
    else:
        await story.says("ben", "withdraw", "offer", "5", "2", "skip", "none", "skip", "skip", "2", "yes")
        await story.says("cleo", "talk listening 1h tomorrow 19:00", "yes")
        await story.says("ben", "yes", "go on")
        await story.says("cleo", "yes")
    assert story.the_pairing().state is PairingState.PLANNED
    await story.says("sam", "read", "read", "concerns", "1", "yes")
    assert not story.records.all(Pairing)
    assert any("No room opens for you two on" in body for _, body, _ in story.heard("cleo"))
    left = [one.state for one in story.records.all(Request)]
    assert left == ([] if who == "cleo" else [RequestState.LOOKING])


async def test_the_request_goes_on_after_a_letting_go(story: Story) -> None:
    """Back to finding, with the same hour; whoever let go as a peer is not asked about it again."""
    await _planned(story)
    await _offers(story, "cleo")
    await story.says("ben", "stop", "1")
    assert story.the_request().state is RequestState.LOOKING
    assert "I go on looking for someone else for you" in story.last("ana")
    assert "The room would open on Saturday" in story.last("cleo")
    await story.says("cleo", "yes", "go on")
    await story.says("ana", "yes")
    await story.wait(AT_SIX - story.now)
    assert story.the_room().peer == story.id("cleo")
    assert len([body for _, body, _ in story.heard("ben") if "Someone asks for company" in body]) == 1


async def test_the_whole_request_can_be_stopped(story: Story) -> None:
    """Its room with it: the other hears that none opens."""
    await _planned(story)
    await story.says("ana", "stop", "my request for company")
    assert not story.records.all(Request)
    assert not story.records.all(Pairing)
    assert OFF in story.last("ben")
    await story.wait(timedelta(days=2))
    assert not _opened(story)


@pytest.mark.parametrize("who", ["ana", "ben"])
async def test_whoever_keeps_names_apart_does_not_learn_whom_they_agreed_with(who: str) -> None:
    """To them it stays as it was until the hour, whether the name was the other's or anybody's."""
    other = "ben" if who == "ana" else "ana"
    heard = []
    for name in (other, "nobody"):
        story = Story()
        await _planned(story)
        await story.says(who, f"keep apart @{name}:example.org", "yes")
        start = story.now
        await story.says(who, "status", "my consents", "menu", "what do you hold")
        await story.wait(AT_SIX - timedelta(minutes=1) - story.now)
        heard.append([(at, body) for at, body, _ in story.heard(who, start)])
        if name == other:
            await story.wait(timedelta(minutes=10))
            assert not _opened(story)
            assert any(OFF in body for _, body, _ in story.heard(who))
            assert not [one for one in story.records.all(Pairing) if one.peer == story.id(who)]
    assert heard[0] == heard[1]


async def test_an_outage_at_the_hour_opens_late_and_a_long_one_does_not_open(story: Story) -> None:
    """Twenty minutes late it is still company; when the time asked for is over it is not."""
    await _planned(story)
    story.now = AT_SIX + timedelta(minutes=20)
    await story.wait(timedelta(0))
    assert story.the_room().ends_at == story.now + timedelta(hours=1)
    late = Story()
    await _planned(late)
    late.now = AT_SIX + timedelta(hours=2)
    await late.wait(timedelta(0))
    assert not late.records.all(PeerRoom)
    assert OFF in late.last("ben")
    assert not late.records.all(Request)
    assert "You can take it up again with the same words" in late.last("ana")


async def test_a_room_that_cannot_be_made_at_its_hour_leaves_the_request_looking() -> None:
    """Nothing is lost; who was to be there is told."""
    story = Story(keeper_reason="M_FORBIDDEN")
    await _planned(story)
    await story.wait(AT_SIX - story.now)
    assert story.the_request().state is RequestState.LOOKING
    assert "The server did not let me open the room" in story.last("ana")
    assert "something did not work on our side" in story.last("ben")


async def test_nobody_by_the_hour_is_looked_for_as_now_until_the_time_is_over(story: Story) -> None:
    """From its hour on whoever offers for now is asked, and a yes opens the room at once."""
    await _asks(story)
    await story.wait(AT_SIX + timedelta(minutes=5) - story.now)
    await story.comes("ben")
    await story.offers("ben")
    await story.wait(timedelta(minutes=15))
    assert "would open on" not in story.last("ben")
    await story.says("ben", "yes", "go on")
    await story.says("ana", "yes")
    assert story.the_room().state is RoomState.OPEN


async def test_a_yes_that_comes_after_the_hour_opens_at_once(story: Story) -> None:
    """The hour passes while Ana thinks."""
    await _offers(story, "ben")
    await _asks(story, "today 18:00")
    await story.says("ben", "yes", "go on")
    await story.wait(datetime(2026, 11, 27, 17, 2, tzinfo=UTC) - story.now)
    await story.say("ana", "yes")
    assert story.the_room().state is RoomState.OPEN


async def test_two_who_ask_for_the_same_hour_meet_then(story: Story) -> None:
    """And two who ask for different ones are not asked about one another."""
    for name in ("ana", "ben"):
        await story.comes(name)
        await story.says(name, "talk one another tomorrow 18:00", "yes")
    await story.says("ana", "yes", "go on")
    await story.says("ben", "yes")
    assert {one.state for one in story.records.all(Request)} == {RequestState.TOGETHER}
    await story.wait(AT_SIX - story.now)
    assert {story.the_room().asker, story.the_room().peer} == {story.id("ana"), story.id("ben")}
    other = Story()
    for name, when in (("ana", "tomorrow 18:00"), ("ben", "tomorrow 19:00"), ("cleo", "")):
        await other.comes(name)
        await other.says(name, f"talk one another {when}", "yes")
    await other.wait(timedelta(hours=1))
    assert not other.records.all(Ask)


@pytest.mark.parametrize("who", ["ana", "ben"])
async def test_of_two_who_ask_both_go_on_where_one_lets_go(story: Story, who: str) -> None:
    """No request is lost, whoever of the two it is."""
    for name in ("ana", "ben"):
        await story.comes(name)
        await story.says(name, "talk one another tomorrow 18:00", "yes")
    await story.says("ana", "yes", "go on")
    await story.says("ben", "yes")
    await story.says(who, "stop", "1")
    assert [one.state for one in story.records.all(Request)] == [RequestState.LOOKING] * 2
    assert not story.records.all(Pairing)


_SPRING = datetime(2027, 3, 27, 12, 0, tzinfo=UTC)
_AUTUMN = datetime(2027, 10, 30, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "typed", "said", "start"),
    [
        (_SPRING, "tomorrow 02:30", "Sunday 28 March, 03:00 Berlin", _SPRING + timedelta(hours=13)),
        (
            _AUTUMN,
            "tomorrow 02:30",
            "Sunday 31 October, 02:30 Berlin",
            datetime(2027, 10, 31, 0, 30, tzinfo=UTC),
        ),
        (START, "6 pm", "Friday 27 November, 18:00 Berlin", datetime(2026, 11, 27, 17, 0, tzinfo=UTC)),
        (
            START,
            "from monday at 9:00",
            "Monday 30 November, 09:00 Berlin",
            datetime(2026, 11, 30, 8, 0, tzinfo=UTC),
        ),
    ],
)
async def test_an_hour_is_by_the_clock_on_the_wall(
    now: datetime, typed: str, said: str, start: datetime
) -> None:
    """An hour that the clock skips is the instant of its change, one that it shows twice the first."""
    story = Story(now=now)
    await story.comes("ana")
    assert f"From {said}" in await story.say("ana", f"talk listening {typed}")
    await story.say("ana", "yes")
    assert story.the_request().start == start


async def test_what_is_no_hour_to_come_is_not_taken(story: Story) -> None:
    """A number, a length, a word that is a day's shortest name, more than a week, two hours that differ."""
    await story.comes("ana")
    for line in ("talk listening 2h", "talk listening 18", "talk ideas we 2", "talk ideas 2h30"):
        assert ", not before" not in await story.say("ana", line)
        await story.say("ana", "no")
    assert "Only one of these fits" in await story.say("ana", "talk listening 18:00 19:00")
    await story.says("ana", "change", "from when", "Berlin")
    assert "up to 7 days" in await story.say("ana", "2 weeks")
    assert ", not before" in await story.say("ana", "3 days")


async def test_a_draft_whose_hour_is_past_asks_for_now(story: Story) -> None:
    """What is taken up again later does not ask for yesterday."""
    await _asks(story, "today 18:00")
    await story.wait(timedelta(hours=4))
    assert not story.records.all(Request)
    await story.say("ana", "look again")
    request = story.the_request()
    assert request.start is None
    assert replace(request, until=request.made_at).until + timedelta(days=1) == request.until


async def test_whoever_has_a_room_planned_is_told_how_to_ask_for_one_before_it(story: Story) -> None:
    """One at a time: what is planned is let go by a word of its own, and then they can ask."""
    await _planned(story)
    said = await story.say("ana", "talk")
    assert "it opens on Saturday 28 November, 18:00 Berlin" in said
    assert "write “stop” and choose to end your request" in said
    await story.says("ana", "stop", "2")
    assert OFF in story.last("ben")
    assert "This is what I would ask" in await story.say("ana", "talk")
