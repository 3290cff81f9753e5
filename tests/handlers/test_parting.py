"""When one of the two cannot go on, or is not there: what each hears, and what nobody learns."""

from datetime import datetime, timedelta

import pytest

from schema.records import Member, Request
from schema.states import RoomState
from tests.handlers.story import Story
from tests.handlers.test_room import ROOM, together

OFFERED = "I can look for someone else for you."


async def test_a_peer_passes_on_and_says_so(story: Story) -> None:
    """One word and one number; the asker hears what the peer chose, and takes it up with the same words."""
    await together(story)
    assert "What should they hear from me?" in await story.say("ben", "pass on")
    assert story.the_room().met, "nothing is closed before the answer"
    assert "Thank you for having been there." in await story.say("ben", "1")
    (told,) = [body for _, body, _ in story.heard("ana") if "could not go on" in body]
    assert told.startswith("The room is closed.")
    assert "it is no judgement of you" in told
    await story.says("ana", "1")
    assert story.the_request().note == "It has been a long week."
    assert not story.the_room().sought


async def _asker_hears(story: Story, *words: str) -> list[tuple[datetime, str, bool]]:
    """What Ana hears of it, from Ben's last word on, for three days."""
    await together(story)
    await story.wait(timedelta(minutes=5))
    for said in words[:-1]:
        await story.say("ben", said, after=0)
    start = story.now
    await story.say("ben", words[-1], after=0)
    await story.wait(timedelta(days=3))
    return story.heard("ana", start)


@pytest.mark.parametrize("words", ["pass on, 2", "stop, 1", "forget me, yes"])
async def test_an_end_that_is_not_to_be_spoken_of_reads_as_every_other(words: str) -> None:
    """Ben's own reason is his: passing on without a word, stopping and forgetting all read as closing."""
    closed = await _asker_hears(Story(), "close")
    assert await _asker_hears(Story(), *words.split(", ")) == closed
    assert any(OFFERED in body for _, body, _ in closed)


async def test_whoever_ends_it_or_had_their_time_is_not_asked_to_look_on() -> None:
    """The offer is for somebody who was left; and the words of the request are gone at the end."""
    for ana in (["close"], []):
        story = Story()
        await together(story)
        await story.says("ana", *ana)
        await story.wait(timedelta(hours=2))
        assert not any(OFFERED in body for _, body, _ in story.heard("ana"))
        assert all(
            member.prompt is None or member.prompt.kind != "again" for member in story.records.all(Member)
        )
        assert not story.the_room().sought


async def test_the_words_of_the_request_are_said_to_the_asker_alone(story: Story) -> None:
    """`what do you hold` names them while the room is open, and not to the peer."""
    await together(story)
    assert "It has been a long week." in await story.say("ana", "what do you hold")
    assert "It has been a long week." not in await story.say("ben", "what do you hold")
    await story.says("ana", "close")
    assert "It has been a long week." not in await story.say("ana", "what do you hold")


async def test_passing_on_is_for_whoever_was_asked(story: Story) -> None:
    """Who asked for company is told their own way; who has no room, that there is none."""
    await story.comes("ana")
    assert await story.say("ana", "pass on") == "No room of yours is open."
    await together(story)
    assert "You asked for company in this room" in await story.say("ana", "pass on")
    await story.says("ben", "pass on", "3")
    assert story.the_room().state is RoomState.OPEN


async def test_passing_on_before_both_were_there_leaves_the_asker_looking(story: Story) -> None:
    """Nobody wrote anything yet: the request itself goes on."""
    story.arrive = False
    await together(story)
    await story.joins("ana", ROOM)
    await story.says("ben", "pass on", "1")
    assert [request.member for request in story.records.all(Request)] == [story.id("ana")]
    assert any("I go on looking" in body for _, body, _ in story.heard("ana"))
