"""What was agreed to and still holds, and what taking it back ends."""

import dataclasses
from datetime import timedelta

import pytest

from schema.records import Meeting, Offer, PeerRoom, Request
from schema.states import RoomState
from tests.handlers.story import Story
from tests.handlers.test_privacy import proposed, reading
from tests.handlers.test_room import together


async def test_a_request_taken_back_is_a_stop(story: Story) -> None:
    """What that does is said first; a no changes nothing."""
    await story.comes("ana")
    await story.asks("ana")
    said = await story.say("ana", "my consents")
    assert "My request for company. You agreed on" in said
    assert "I stop looking and erase" in await story.say("ana", "1")
    assert "Nothing has changed" in await story.say("ana", "1")
    assert story.records.all(Request)
    assert "I have stopped looking" in await story.says("ana", "my consents", "1", "2")
    assert not story.records.all(Request)
    assert "Nothing that you agreed to" in await story.say("ana", "my consents")


async def test_an_offer_taken_back_is_a_withdrawal(story: Story) -> None:
    """It ends, with each question that is open because of it."""
    await story.comes("ben")
    await story.offers("ben")
    assert "Your offer has ended" in await story.says("ben", "my consents", "1", "yes")
    assert not story.records.all(Offer)


@pytest.mark.parametrize("answers", [("my consents", "1", "yes"), ("stop", "1")])
async def test_a_yes_taken_back_is_a_step_back(answers: tuple[str, ...]) -> None:
    """Promise 2: whatever way a peer takes a yes back, the asker hears the same, which is nothing."""
    quiet, story = Story(), Story()
    for one in (quiet, story):
        await proposed(one)
    start = story.now
    said = await story.says("ben", *answers)
    assert "You have stepped back" in said
    for one in (quiet, story):
        await one.wait(start + timedelta(hours=5) - one.now)
    assert story.heard("ana", start) == quiet.heard("ana", start)


async def test_the_yes_to_the_first_question_can_be_taken_back(story: Story) -> None:
    """While the note is read."""
    await reading(story)
    said = await story.say("ben", "my consents")
    assert said.count("You agreed on") == 2
    assert "You have stepped back" in await story.says("ben", "1", "yes")


@pytest.mark.parametrize("name", ["ana", "ben"])
async def test_a_room_taken_back_is_closed(story: Story, name: str) -> None:
    """Each has their own words, none of the other's; then the same list offers its erasure."""
    await together(story)
    other = "ben" if name == "ana" else "ana"
    said = await story.say(name, "my consents")
    assert "The room that is open. You agreed on" in said
    assert story.address(other) not in said
    await story.says(name, "1", "yes")
    assert story.the_room().state is RoomState.READABLE
    said = await story.says(name, "my consents", "1", "yes")
    assert "If the other person asks too" in said
    await story.say(other, "erase now")
    assert story.the_room().state is not RoomState.READABLE


async def test_of_a_room_with_more_time_it_says_how_long_it_is_by_now(story: Story) -> None:
    """The yes is quoted as it was given; the length that both agreed on since stands below it."""
    await together(story)
    said = await story.say("ana", "my consents")
    assert "The room is open now for 1 hour in all, until Friday 27 November, 18:" in said
    await story.says("ana", "extend", "half an hour")
    await story.says("ben", "extend", "1")
    for name in ("ana", "ben"):
        said = await story.say(name, "my consents")
        assert "The room is open now for 1 hour and 30 minutes in all, until Friday 27 November, 18:" in said
        assert said.index("You agreed on") < said.index("The room is open now")


async def test_the_consents_of_whoever_is_forgotten_go_from_the_room(story: Story) -> None:
    """Their words name their address; the other's stay until the room is gone."""
    await together(story)
    await story.says("ben", "forget me", "yes")
    (room,) = story.records.all(PeerRoom)
    assert {who for who, _ in room.consents} == {story.id("ana")}
    assert story.address("ben") not in repr(dataclasses.asdict(room))


async def test_what_ended_meanwhile_is_not_taken_back(story: Story) -> None:
    """The list is as it was shown; a number whose matter is over does nothing."""
    await story.comes("ana")
    await story.asks("ana")
    await story.say("ana", "my consents")
    await story.wait(timedelta(days=2))
    await story.say("ana", "my consents")
    assert "Nothing that you agreed to" in story.last("ana")


@pytest.mark.parametrize("agreed", [True, False])
async def test_that_they_would_talk_again_can_be_taken_back(story: Story, agreed: bool) -> None:
    """Whether the other said it too or not; the other hears nothing of it."""
    await together(story)
    await story.says("ana", "close", "again", "yes")
    if agreed:
        await story.says("ben", "again", "yes")
    said = await story.say("ana", "my consents")
    assert "That I would talk with somebody again. You agreed on" in said
    assert "This is about the person of your room" in said
    number = next(
        line[0] for line in said.split("\n") if line.endswith(". That I would talk with somebody again")
    )
    heard = story.heard("ben")
    assert "Nobody is told. Shall I?" in await story.say("ana", number)
    assert "I have ended that" in await story.say("ana", "yes")
    assert story.heard("ben") == heard
    assert not any(one.again for one in story.records.all(Meeting) if one.member == story.id("ana"))
    assert "talk with somebody again" not in await story.say("ana", "my consents")


async def test_how_one_talks_is_listed_and_taken_back(story: Story) -> None:
    """What is kept for the next time is in the list, though no question agreed to it."""
    await story.comes("ana")
    await story.says("ana", "talk", "change", "8", "1", "yes", "yes")
    said = await story.say("ana", "my consents")
    assert "How you talk, for the next time you ask, until you change that: slowly." in said
    assert "2. How I talk" in said
    assert "I forget how you talk" in await story.say("ana", "2")
    assert "Nothing has changed" in await story.say("ana", "no")
    assert story.member("ana").how == ("slow",)
    assert "not kept any more" in await story.says("ana", "my consents", "2", "yes")
    assert story.member("ana").how == ()
    assert "How I talk" not in await story.say("ana", "my consents")


async def test_whom_one_keeps_apart_from_is_one_number_away(story: Story) -> None:
    """The list with its numbers and dates, without a name."""
    await story.comes("ana")
    await story.says("ana", "keep apart @ben:example.org", "1")
    said = await story.say("ana", "my consents")
    assert "1. Whom I keep apart from" in said
    assert "ben" not in said
    said = await story.say("ana", "1")
    assert "27 November" in said
    assert "ben" not in said
