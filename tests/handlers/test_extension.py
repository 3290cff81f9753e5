"""More time in a room: asked without a sound, agreed by both, and told alike whatever the other did."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from schema.community import Timings
from schema.records import PeerRoom
from tests.handlers.story import COMMUNITY, START, Story
from tests.handlers.test_room import ROOM, together

_LATE = timedelta(minutes=52)


async def late(story: Story) -> None:
    """Both have been told that their room ends in ten minutes."""
    await together(story)
    await story.wait(_LATE)


async def test_both_are_told_once_before_the_end(story: Story) -> None:
    """Ten minutes before, each, with the way to ask for more; and not again."""
    await together(story)
    ends = story.the_room().ends_at
    await story.wait(timedelta(hours=2))
    for name in ("ana", "ben"):
        told = [(at, quiet) for at, body, quiet in story.heard(name) if "write “extend”. I then" in body]
        assert told == [(ends - timedelta(minutes=10), False)]


async def test_both_say_yes_and_both_hear_the_new_end(story: Story) -> None:
    """The other is asked without a sound; after their yes the room goes on."""
    await late(story)
    ends = story.the_room().ends_at
    assert "How much more time would you like?" in await story.say("ana", "extend")
    assert "I have asked the other person about 30 minutes more." in await story.say("ana", "2")
    (asked,) = [line for line in story.heard("ben") if "would like 30 minutes more" in line[1]]
    assert asked[2], "it does not ring"
    assert story.the_room().ends_at == ends
    assert "You both said yes to 30 minutes more." in await story.say("ben", "yes")
    assert "You both said yes to 30 minutes more." in story.last("ana")
    assert story.the_room().ends_at == ends + timedelta(minutes=30)
    await story.wait(timedelta(minutes=15))
    assert "Your room is open until" in story.last("ben"), "told before the new end too"
    await story.wait(timedelta(minutes=20))
    assert "The time of your room is over." in story.last("ana")


async def test_an_odd_word_leaves_the_question_of_more_time_open(story: Story) -> None:
    """Whoever answers it with other words is asked again, and no other question takes its place."""
    await late(story)
    await story.says("ana", "extend", "2")
    assert "1. Yes, I have more time too" in await story.say("ben", "ok")
    assert "You both said yes to 30 minutes more." in await story.say("ben", "1")


async def _asker_hears(words: list[str], reachable: bool = True) -> list[tuple[datetime, str, bool]]:
    """What Ana hears from her wish on, with its times, when Ben does this."""
    story = Story()
    await late(story)
    if not reachable:
        await story.say("ben", "menu", private=False, after=0)
    await story.say("ana", "extend")
    start = story.now
    await story.say("ana", "2")
    for said in words:
        await story.say("ben", said, after=5)
    await story.wait(start + timedelta(minutes=2) - story.now)
    await story.says("ana", "extend", "status", "extend")
    await story.wait(start + timedelta(hours=2) - story.now)
    return story.heard("ana", start)


@pytest.mark.parametrize(
    "words",
    [
        "2",
        "no",
        "skip",
        "stop, 1",
        "menu",
        "what?",
        "extend, no",
        "2, extend, 2",
        "status, back",
        "hello, yes",
    ],
)
async def test_whoever_asked_cannot_tell_a_no_from_a_silence(words: str) -> None:
    """All that Ana hears is the same, at an hour that was said beforehand."""
    silence = await _asker_hears([])
    assert await _asker_hears(words.split(", ")) == silence
    hour = next(body for _, body, _ in silence if body.startswith("I have asked"))
    (stays,) = [(at, quiet) for at, body, quiet in silence if body.startswith("Nothing has changed.")]
    assert f"{stays[0].astimezone(START.tzinfo) + timedelta(hours=1):%H:%M}" in hour
    assert stays[1]


async def test_whoever_asked_cannot_tell_that_it_was_not_seen() -> None:
    """Ben's chat is not private any more: to Ana that is a silence."""
    assert await _asker_hears([], reachable=False) == await _asker_hears([])


async def test_what_the_other_said_is_kept_nowhere() -> None:
    """After a no the records are those of a silence."""
    kept = []
    for words in (["2"], []):
        story = Story()
        await late(story)
        await story.says("ana", "extend", "2")
        start = story.now
        for said in words:
            await story.say("ben", said, after=5)
        await story.wait(start + timedelta(minutes=5) - story.now)
        kept.append(story.the_room())
    assert kept[0] == kept[1]


async def test_it_can_be_taken_up_again_until_its_hour(story: Story) -> None:
    """A no is not the last word: `extend` brings the question, and a yes then counts."""
    await late(story)
    await story.says("ana", "extend", "1")
    await story.say("ben", "2", after=5)
    assert "would like 15 minutes more" in await story.say("ben", "extend", after=5)
    assert "You both said yes" in await story.say("ben", "1", after=5)


async def test_nobody_is_pressed(story: Story) -> None:
    """Each asks once before an end; the other may still ask, and a yes then is the first one's."""
    await late(story)
    await story.says("ana", "extend", "1")
    await story.wait(timedelta(minutes=4))
    assert "do not ask again" in await story.say("ana", "extend", after=5)
    assert "How much more time" in await story.say("ben", "extend", after=5)
    await story.say("ben", "1", after=5)
    assert "would like 15 minutes more" in story.last("ana")
    assert "You both said yes" in await story.say("ana", "yes", after=5)


async def test_it_adds_up_to_the_longest(story: Story) -> None:
    """The choices end where the community's longest does, and then there are none."""
    story.community = replace(COMMUNITY, timings=Timings(longest=timedelta(hours=1, minutes=45)))
    await late(story)
    assert "1. 15 minutes\n2. 30 minutes\n3. No more time" in await story.say("ana", "extend")
    await story.say("ana", "2")
    await story.say("ben", "yes")
    await story.says("ana", "extend", "1")
    await story.say("ben", "yes")
    assert "A room here can last 1 hour and 45 minutes in all" in await story.say("ana", "extend")
    await story.wait(timedelta(minutes=36))
    assert "extend" not in story.last("ana"), "there is no more to ask for"


async def test_it_needs_a_room_with_both_in_it(story: Story) -> None:
    """Without one the word gets an honest answer."""
    story.arrive = False
    await story.comes("ana")
    assert await story.say("ana", "extend") == "No room of yours is open."
    await together(story)
    assert "as soon as you are both in the room" in await story.say("ana", "extend")


async def test_stop_at_the_question_asks_what_to_stop(story: Story) -> None:
    """Nobody closes their room by putting a question away."""
    await late(story)
    await story.says("ana", "extend")
    assert "Several things are open." in await story.say("ana", "stop")
    await story.says("ana", "1")
    assert story.the_room().met
    assert story.the_room().more is None


async def test_a_room_that_ends_meanwhile_takes_the_question_with_it(story: Story) -> None:
    """Ben closes: Ana's wish is over, and a number says nothing to it."""
    await late(story)
    await story.says("ana", "extend")
    await story.says("ben", "close")
    await story.says("ana", "2")
    assert all(room.more is None for room in story.records.all(PeerRoom))
    assert ROOM in story.rooms


_BOTH = {"the same": ("2", "2", 30), "less": ("3", "1", 15), "more": ("1", "4", 15)}


@pytest.mark.parametrize(("first", "second", "minutes"), _BOTH.values(), ids=_BOTH.keys())
async def test_where_both_ask_at_once_each_number_answers_what_was_shown(
    story: Story, first: str, second: str, minutes: int
) -> None:
    """Neither has read of the other's wish: the lesser is what both would, and nothing else is asked."""
    await late(story)
    ends = story.the_room().ends_at
    await story.say("ana", "extend")
    assert "How much more time would you like?" in await story.say("ben", "extend", after=0)
    await story.say("ana", first)
    said = await story.say("ben", second)
    assert said.startswith(f"You both said yes to {minutes} minutes more.")
    assert story.last("ana").startswith(f"You both said yes to {minutes} minutes more.")
    assert story.the_room().ends_at == ends + timedelta(minutes=minutes)
    assert "The other person would like" not in await story.say("ben", "status")
    assert "The other person would like" not in await story.say("ben", "back")


async def test_no_more_time_is_an_answer_to_a_wish_that_waits_too(story: Story) -> None:
    """Whoever would have no more time is not asked at once whether they would; a word brings it."""
    await late(story)
    await story.say("ana", "extend")
    await story.say("ben", "extend", after=0)
    await story.say("ana", "1")
    assert (await story.say("ben", "no")).startswith("That is fine.")
    assert "The other person would like" not in story.last("ben")
    assert "The other person would like 15 minutes more" in await story.say("ben", "extend")


async def test_status_tells_of_the_wish_that_is_open(story: Story) -> None:
    """To each as they know of it: whom it is put to, and who waits; nothing once it is over."""
    await together(story)
    await story.says("ana", "extend", "2")
    assert "The other person would like 30 minutes more in it, until" in await story.say("ben", "status")
    assert "I have asked the other person about 30 minutes more." in await story.say("ana", "status")
    await story.say("ben", "2")
    assert "I have asked the other person about 30 minutes more." in await story.say("ana", "status")
    await story.wait(timedelta(minutes=44))
    for name in ("ana", "ben"):
        assert "30 minutes more" not in await story.say(name, "status")
