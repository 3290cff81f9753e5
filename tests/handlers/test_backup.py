"""Company for whoever keeps somebody company: a request of their own, and two rooms for exactly that."""

from datetime import timedelta

from schema.effects import MutePeerRoom, OpenPeerRoom
from schema.records import Ask, Meeting, Member, PeerRoom, Request
from schema.states import RequestState, RoomState
from tests.handlers.story import Story
from tests.handlers.test_room import ROOM, together


async def with_two(story: Story) -> None:
    """Ben keeps Ana company, and Cleo keeps Ben company about it."""
    await together(story)
    await story.comes("cleo")
    await story.offers("cleo", hours="4")
    await story.says("ben", "backup", "yes")
    await story.says("cleo", "yes", "go on")
    await story.says("ben", "yes")


async def test_a_peer_asks_for_company_while_their_room_goes_on(story: Story) -> None:
    """One recap, one yes; whoever is asked sees that it is about a conversation, and no word of it."""
    await together(story)
    await story.comes("cleo")
    await story.offers("cleo", hours="4")
    recap = await story.say("ben", "backup")
    assert "I never ask the person you are with" in recap
    assert not story.records.all(Request), "nothing is asked before the yes"
    heard = len(story.heard("ana"))
    await story.says("ben", "yes")
    asked = story.last("cleo")
    assert "company about a conversation that goes on now" in asked
    assert "long week" not in asked
    await story.says("cleo", "yes")
    assert "They wrote no words." in story.last("cleo")
    await story.says("cleo", "go on")
    await story.says("ben", "yes")
    assert len([one for _, one in story.effects if isinstance(one, OpenPeerRoom)]) == 2
    live = [room for room in story.records.all(PeerRoom) if room.state is RoomState.OPEN]
    assert sorted((room.asker, room.peer) for room in live) == sorted(
        [(story.id("ana"), story.id("ben")), (story.id("ben"), story.id("cleo"))]
    )
    assert len(story.heard("ana")) == heard, "the one they are with hears nothing"


async def test_whoever_is_in_the_room_is_never_asked_about_it(story: Story) -> None:
    """Ana offers too: not while the room is open, and not when it is over."""
    await story.comes("ana")
    await story.offers("ana", hours="4")
    await together(story)
    await story.says("ben", "backup", "yes")
    await story.says("ana", "close")
    await story.wait(timedelta(hours=2))
    assert not [ask for ask in story.records.all(Ask) if ask.member == story.id("ana")]
    assert not any("Someone asks for company" in body for _, body, _ in story.heard("ana"))
    assert story.the_request().state is RequestState.LOOKING


async def test_it_is_for_whoever_keeps_company(story: Story) -> None:
    """Without a room, as the asker, or twice: an honest answer."""
    await story.comes("ana")
    assert "is for while you keep someone company" in await story.say("ana", "backup")
    await together(story)
    assert "is for while you keep someone company" in await story.say("ana", "backup")
    assert "I ask nobody" in await story.says("ben", "backup", "no")
    await story.says("ben", "backup", "yes")
    assert "You have asked for company already" in await story.say("ben", "backup")
    assert "You have asked already" in await story.say("ben", "talk")


async def test_in_two_rooms_close_and_extend_ask_which(story: Story) -> None:
    """Each number is one room; nothing ends that was not meant."""
    await with_two(story)
    said = await story.say("ben", "status")
    assert "The room where you keep someone company: Your room is open until" in said
    assert "The room where someone keeps you company: Your room is open until" in said
    assert "In which one would you like more time?" in await story.say("ben", "extend")
    assert "How much more time would you like?" in await story.say("ben", "2")
    await story.say("ben", "1")
    assert "would like 15 minutes more" in story.last("cleo")
    assert "You are in two rooms. Which one should I close?" in await story.say("ben", "close")
    assert "Nothing has changed." in await story.say("ben", "3")
    await story.says("ben", "close", "2")
    states = {room.asker: room.state for room in story.records.all(PeerRoom)}
    assert states == {story.id("ana"): RoomState.OPEN, story.id("ben"): RoomState.READABLE}
    assert "I close the room now." in await story.say("ben", "close")
    assert len([one for _, one in story.effects if isinstance(one, MutePeerRoom)]) == 2


async def test_either_room_ends_without_the_other(story: Story) -> None:
    """Passing on is about the room in which one keeps company; the other goes on."""
    await with_two(story)
    await story.says("ben", "pass on", "1")
    states = {room.asker: room.state for room in story.records.all(PeerRoom)}
    assert states == {story.id("ana"): RoomState.READABLE, story.id("ben"): RoomState.OPEN}
    await story.wait(timedelta(days=4))
    assert {type(row) for row in story.records.rows.values()} == {Member, Meeting}


async def test_stop_asks_whether_the_room_or_the_request_is_meant(story: Story) -> None:
    """A search that goes on beside the room can be ended alone."""
    await together(story)
    await story.says("ben", "backup", "yes")
    said = await story.say("ben", "stop")
    assert "1. The room that is open\n2. My request for company" in said
    await story.says("ben", "2")
    assert not story.records.all(Request)
    assert ROOM in {room.room for room in story.records.all(PeerRoom) if room.met}
