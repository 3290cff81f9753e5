"""More messages, or more requests, than a person makes: told once, and nothing is lost."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schema.events import Message
from schema.records import Member, Request
from schema.states import Flood
from service.calm import Calm
from tests.handlers.story import Story


async def flooded(story: Story, name: str, body: str, flood: Flood = Flood.MORE) -> str:
    """The member writes `body` as one message too many; what they hear."""
    seen = len(story.log)
    message = Message(story._event_id(), story.chat(name), story.address(name), body, story.now, private=True)
    await story.event(replace(message, flood=flood))
    await story.pump()
    return "\n".join(line.body for line in story.log[seen:] if line.from_desk and line.name == name)


async def test_one_kind_answer_and_then_silence(story: Story) -> None:
    """It says what is not read and what still works; nothing that is open changes."""
    await story.comes("ana")
    await story.says("ana", "talk", "more", "1")
    before = dict(story.records.rows)
    said = await flooded(story, "ana", "1", Flood.FIRST)
    assert "Please wait 3 minutes" in said
    assert [await flooded(story, "ana", body) for body in ("1", "skip", "hello", "yes")] == [""] * 4
    assert story.records.rows == before
    await story.says("ana", "1", "2", "skip", "yes")
    assert story.the_request().topics == ("burnout",)


@pytest.mark.parametrize("flood", [Flood.FIRST, Flood.MORE])
async def test_what_ends_something_and_help_are_always_heard(story: Story, flood: Flood) -> None:
    """`stop`, `help now` and `forget me`, each to its end, however many messages there were."""
    await story.comes("ana")
    await story.asks("ana")
    assert "Night line" in await flooded(story, "ana", "help now", flood)
    assert "stopped looking" in await flooded(story, "ana", "stop", flood)
    assert not story.records.all(Request)
    await flooded(story, "ana", "forget me", flood)
    await flooded(story, "ana", "yes", flood)
    assert not story.records.all(Member)


async def test_whoever_asks_again_and_again_waits(story: Story) -> None:
    """Five requests in a short while, then an hour is said and what was written is kept; others ask."""
    started = story.now

    def seconds() -> float:
        return (story.now - started).total_seconds()

    story.too_soon = Calm(seconds, 60).request
    await story.comes("ana")
    for _ in range(5):
        for words in ("talk", "yes", "stop"):
            await story.say("ana", words, after=5)
    await story.say("ana", "talk grief", after=5)
    said = await story.say("ana", "yes", after=5)
    assert "You can ask again Friday 27 November," in said
    assert not story.records.all(Request)
    await story.says("ben", "talk", "yes")
    assert [one.member for one in story.records.all(Request)] == [story.id("ben")]
    await story.wait(timedelta(minutes=35))
    assert "About: grief." in await story.say("ana", "back")
    await story.say("ana", "yes")
    assert len(story.records.all(Request)) == 2


@pytest.mark.parametrize("does", ["skip", "2"])
async def test_whoever_tries_each_wish_in_turn_learns_of_two_at_most(story: Story, does: str) -> None:
    """The pause after a question, and two a day, are the same for what somebody does and does not do."""
    await story.comes("ben")
    await story.says("ben", "offer", "12 hours", "skip", "skip", "2", "change", "what i can do", does, "yes")

    def seconds() -> float:
        return story.now.timestamp()

    calm = Calm(seconds, 20)
    story.too_soon = calm.request
    asking = told = 0
    for _ in range(8):
        for wish in ("listen", "shared", "ideas", "form", "company", "conversation"):
            said = await story.says("ana", f"talk {wish}", "yes")
            told += 1
            asking += "I am asking people now" in said
            await story.say("ana", "stop")
    assert told == 48
    assert asking <= 2
