"""Resting: in one word, until a time, until they say so, and after they were there for someone."""

from datetime import timedelta

import pytest

from schema.records import Ask, PeerRoom
from schema.states import AskState
from tests.handlers.story import Story
from tests.handlers.test_offer import standing


def _asked(story: Story, name: str) -> int:
    return sum("Someone asks for company" in body for _, body, _ in story.heard(name))


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("rest", "Saturday 28 November, 08:00 Berlin"),
        ("rest until friday 9:00", "Friday 4 December, 09:00 Berlin"),
        ("Rest until Monday.", "Monday 30 November, 08:00 Berlin"),
        ("rest until tomorrow", "Saturday 28 November, 08:00 Berlin"),
        ("rest until tomorrow at 18:30", "Saturday 28 November, 18:30 Berlin"),
        ("rest 3 days", "(in 3 days)"),
        ("rest for a week", "(in 1 week)"),
        ("rest 90 minutes", "Friday 27 November, 18:40 Berlin"),
    ],
)
async def test_a_rest_is_said_in_one_line(story: Story, typed: str, said: str) -> None:
    """Until an hour, a day, or for a length of time; what was understood is said again."""
    await standing(story, "ben")
    await story.comes("ana")
    assert said in await story.say("ben", typed)
    await story.asks("ana")
    assert _asked(story, "ben") == 0
    assert said.split("(")[0] in await story.say("ben", "my offer")


@pytest.mark.parametrize(
    "typed", ["rest of my life", "rest 3 years", "rest until", "rest when I can", "rest 0 days"]
)
async def test_what_names_no_time_is_no_rest(story: Story, typed: str) -> None:
    """Words that only begin like it are not taken for it."""
    await standing(story, "ben")
    assert "I am a program" in await story.say("ben", typed)
    assert story.offer_of("ben").rest_until is None


async def test_a_rest_until_they_say_so(story: Story) -> None:
    """Nothing is asked until they go on, and nothing is asked about that either."""
    await story.comes("ben")
    await standing(story, "ben")
    assert "until you say so" in await story.say("ben", "rest until I say")
    await story.wait(timedelta(weeks=5))
    await story.asks("ana")
    assert _asked(story, "ben") == 0
    assert "May I go on asking you?" not in "".join(body for _, body, _ in story.heard("ben"))
    await story.says("ben", "my offer", "1")
    await story.wait(timedelta(minutes=11))
    assert _asked(story, "ben") == 1


async def test_an_offer_for_some_hours_rests_until_its_end(story: Story) -> None:
    """And goes on sooner if they say so."""
    await story.comes("ben")
    await story.offers("ben")
    await story.says("ben", "rest until I say")
    assert story.offer_of("ben").rest_until == story.offer_of("ben").until
    said = await story.says("ben", "my offer", "1")
    assert "Your offer, as it is now" in said
    assert story.offer_of("ben").rest_until is None


async def test_a_shorter_rest_takes_the_place_of_a_longer(story: Story) -> None:
    """What was said last holds."""
    await standing(story, "ben")
    await story.says("ben", "rest 3 days", "rest 1 hour")
    assert story.offer_of("ben").rest_until == story.now + timedelta(hours=1)


async def test_a_rest_without_an_offer_says_so(story: Story) -> None:
    """There is nothing to rest from."""
    await story.comes("ben")
    assert "You have no offer open" in await story.say("ben", "rest 3 days")


async def test_going_on_does_not_show_a_step_back(story: Story) -> None:
    """Promise 2: whoever stepped back is not asked by the same person sooner for ending a rest."""
    await story.comes("ben")
    await story.offers("ben", hours="4")
    await story.asks("ana")
    await story.says("ben", "yes", "2", "rest", "my offer", "1")
    assert "I ask you nothing until" in story.last("ben")
    await story.says("ana", "stop")
    await story.asks("ana")
    assert _asked(story, "ben") == 1


async def _together(story: Story) -> None:
    await story.comes("ben")
    await standing(story, "ben")
    await story.comes("ana")
    await story.asks("ana")
    await story.says("ben", "1", "1")
    await story.says("ana", "1")


async def test_whoever_was_there_rests_and_is_asked_once_about_company(story: Story) -> None:
    """Twelve hours of nothing; one question, in the message that the room is closed."""
    await _together(story)
    await story.says("ana", "close")
    said = story.last("ben")
    assert "The room is closed" in said
    assert "3. Talk with someone about it" in said
    assert "I ask you nothing until Saturday 28 November, 05:" in said
    assert "I ask you nothing until" not in story.last("ana")
    await story.comes("dan")
    await story.asks("dan")
    await story.wait(timedelta(hours=12))
    assert _asked(story, "ben") == 1
    await story.wait(timedelta(hours=4))
    assert _asked(story, "ben") == 2
    heard = "".join(body for _, body, _ in story.heard("ben"))
    assert heard.count("3. Talk with someone about it") == 1


async def test_company_about_it_begins_a_request(story: Story) -> None:
    """And the one before has no part in what follows."""
    await _together(story)
    await story.says("ana", "close")
    await story.says("ben", "3")
    assert "1. Yes, ask now" in story.last("ben")


async def test_a_room_that_did_not_come_about_asks_nothing(story: Story) -> None:
    """Where the two never met there is nothing to rest from."""
    story.arrive = False
    await _together(story)
    await story.wait(timedelta(hours=1))
    assert not [room for room in story.records.all(PeerRoom) if room.met]
    assert "Talk with someone about it" not in "".join(body for _, body, _ in story.heard("ben"))
    assert story.offer_of("ben").rest_until is None


async def test_the_question_about_company_holds_nothing_up(story: Story) -> None:
    """Whoever asks for company themselves hears of a yes at once."""
    await _together(story)
    await story.says("ana", "close")
    await story.comes("cleo")
    await story.offers("cleo", hours="4")
    await story.asks("ben")
    assert [ask.state for ask in story.records.all(Ask) if ask.member == story.id("cleo")] == [AskState.SHOWN]
    await story.says("cleo", "1", "1")
    assert "Someone said yes" in story.last("ben")
