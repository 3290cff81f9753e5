"""Whoever may not write: one kind answer, nothing kept, and nothing that is open ended by surprise."""

from dataclasses import replace

import pytest

from schema.effects import SendText
from schema.events import DirectChat, Unreadable
from schema.ids import EventId
from schema.records import Member, Offer, Request
from schema.states import Belongs
from tests.handlers.story import COMMUNITY, Story
from tests.handlers.test_room import together


@pytest.fixture
def story() -> Story:
    """A community that asks for its room."""
    return Story(community=replace(COMMUNITY, members="room"))


def _said(story: Story) -> list[SendText]:
    return [effect for _, effect in story.effects if isinstance(effect, SendText)]


async def test_a_stranger_has_one_answer_and_the_places_and_leaves_nothing(story: Story) -> None:
    """Of whatever kind their message is; told once, they have no further answer within the hour."""
    said = await story.say("eva", "talk", belongs=Belongs.OUTSIDE)
    assert said.startswith("I am a program for people of the Elm House")
    assert "Night line: 0800 000 000" in said
    assert await story.say("eva", "please", belongs=Belongs.TOLD) == ""
    eva, chat = story.address("eva"), story.chat("eva")
    for belongs, answers in ((Belongs.OUTSIDE, 1), (Belongs.TOLD, 0)):
        for event in (
            Unreadable(EventId("$u"), chat, eva, True, belongs=belongs),
            DirectChat(EventId("$d"), chat, eva, True, belongs=belongs),
        ):
            before = len(_said(story))
            await story.event(event)
            assert len(_said(story)) == before + answers
    assert not story.records.rows


async def test_whoever_left_begins_nothing_new(story: Story) -> None:
    """By word, by number, and by going on with a draft; help, their data and a stop stay theirs."""
    await story.comes("ana")
    for way in (["talk"], ["menu", "1"], ["offer"], ["menu", "3"]):
        said = [await story.say("ana", word, belongs=Belongs.TOLD) for word in way][-1]
        assert said.startswith("I am a program for people of the Elm House"), way
    await story.says("ana", "talk", "more", "1")
    said = await story.say("ana", "1", belongs=Belongs.TOLD)
    assert said.startswith("I am a program for people of the Elm House")
    assert "Night line" in await story.say("ana", "help now", belongs=Belongs.TOLD)
    assert "This is what I hold" in await story.say("ana", "what do you hold", belongs=Belongs.TOLD)
    assert not story.records.all(Request)
    await story.say("ana", "forget me", belongs=Belongs.TOLD)
    assert "Done." in await story.say("ana", "yes", belongs=Belongs.TOLD)
    assert not story.records.all(Member)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ben", ("talk listening 1h", "yes")),
        ("ben", ("backup", "yes")),
        ("ana", ("close", "3", "yes")),
    ],
)
async def test_no_other_way_begins_anything_either(story: Story, name: str, words: tuple[str, ...]) -> None:
    """Neither one line, nor company beside a room, nor company about one that is over."""
    await together(story)
    said = [await story.say(name, word, belongs=Belongs.TOLD) for word in words]
    assert any(one.startswith("I am a program for people of the Elm House") for one in said)
    assert not story.records.all(Request)
    assert "What would help" not in "".join(said)


async def test_leaving_ends_nothing_that_is_open(story: Story) -> None:
    """A request goes on to its consent and its room, an offer to its hour, a room to its end."""
    await story.comes("ana")
    await story.comes("ben")
    await story.offers("ben")
    await story.asks("ana")
    outside = Belongs.TOLD
    assert "They wrote" in await story.say("ben", "yes", belongs=outside)
    await story.say("ben", "yes", belongs=outside)
    await story.say("ana", "1", belongs=outside)
    assert story.the_room().met
    assert story.records.all(Offer)
    assert "Your room is open until" in await story.say("ana", "status", belongs=outside)
    assert "I close the room now" in await story.say("ana", "close", belongs=outside)


async def test_where_the_homeserver_decides_its_name_is_said(story: Story) -> None:
    """The answer says which accounts may write."""
    story.community = replace(COMMUNITY, members="server")
    said = await story.say("eva", "hello", belongs=Belongs.OUTSIDE)
    assert "an account on example.org" in said


async def test_in_a_room_nothing_changes_for_whoever_left(story: Story) -> None:
    """Two who are together are not parted by a membership elsewhere."""
    await together(story)
    await story.say("ben", "menu", belongs=Belongs.TOLD)
    assert story.the_room().met
