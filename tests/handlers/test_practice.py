"""The guide for peers, and the practice, which leaves nothing."""

from dataclasses import replace

import pytest

from schema.records import Ask, Member, Offer
from tests.handlers.story import COMMUNITY, Story


async def test_the_guide_is_offered_with_the_recap_and_leads_back_to_it(story: Story) -> None:
    """Reading is a choice; the yes is asked for again after it."""
    await story.comes("ben")
    await story.says("ben", "offer", "1", "skip", "I like walks.", "2")
    assert "3. Read the short guide first" in story.last("ben")
    said = await story.says("ben", "guide")
    assert "You need no training" in said
    assert "1. Yes, you may ask me" in said
    await story.says("ben", "yes")
    assert story.offer_of("ben").card == "I like walks."


async def test_a_community_has_its_own_guide() -> None:
    """Its words instead of ours; at any time."""
    story = Story(community=replace(COMMUNITY, guide="Breathe."))
    await story.comes("ben")
    assert (
        await story.says("ben", "guide")
        == "Breathe.\n\nThe question before this is still open. Write “back” to see it again."
    )


async def test_a_practice_goes_through_all_of_it_and_leaves_nothing(story: Story) -> None:
    """An ask, the note, what the other sees, the room, its end."""
    await story.comes("ben")
    await story.offers("ben", card="I bake.")
    before = {key: row for key, row in story.records.rows.items() if not isinstance(row, Member)}
    effects = len(story.effects)
    assert "Someone asks for company" in await story.says("ben", "practice")
    assert "I don't need advice" in await story.says("ben", "1")
    said = await story.says("ben", "1")
    assert "“I bake.”" in said
    assert "tell you first" in said
    assert "Your private room is open now" in await story.says("ben", "1")
    said = await story.says("ben", "1")
    assert "The room is closed" in said
    assert "nothing of it is kept" in said
    assert story.member("ben").prompt is None
    assert not story.member("ben").waiting
    assert {key: row for key, row in story.records.rows.items() if not isinstance(row, Member)} == before
    assert {type(effect).__name__ for _, effect in story.effects[effects:]} == {"SendText"}
    for body in [line for _, line, _ in story.heard("ben")][-5:-1]:
        assert "ractice" in body.split("\n")[0]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (("2",), "That is fine. Nobody is told."),
        (("3",), "nothing until tomorrow"),
        (("1", "2"), "You have stepped back"),
        (("1", "1", "2"), "This time no room opens"),
        (("skip",), "practice is over"),
        (("1", "back", "back"), "practice is over"),
        (("stop",), "I have ended that"),
    ],
)
async def test_a_practice_ends_as_it_would(story: Story, answers: tuple[str, ...], said: str) -> None:
    """A no, a rest, a step back, a no of the other; or in the middle."""
    await story.comes("ben")
    assert said in await story.says("ben", "practice", *answers)
    assert not [row for row in story.records.rows.values() if not isinstance(row, Member)]
    assert story.member("ben").prompt is None


@pytest.mark.parametrize("words", ["1", "yes"])
async def test_a_real_ask_ends_a_practice(story: Story, words: str) -> None:
    """Nobody waits for a practice to be over; and a yes in it is never a yes to somebody."""
    await story.comes("ben")
    await story.offers("ben", hours="4")
    await story.comes("ana")
    await story.says("ana", "talk", "more", "1", "1", "2", "skip")
    await story.says("ben", "practice", "1")
    await story.say("ana", "yes")
    said = story.last("ben")
    assert said.startswith("The practice is over, since something real has come.")
    assert "Someone asks for company" in said
    said = await story.say("ben", words, after=5)
    assert said.startswith("Another question stood here before this one.")
    assert not [ask for ask in story.records.all(Ask) if ask.said_at is not None]
    await story.say("ben", words, after=5)
    assert [ask for ask in story.records.all(Ask) if ask.said_at is not None]


async def test_stop_in_a_practice_ends_the_practice_alone(story: Story) -> None:
    """Whatever else stands: nothing is asked, and nothing else ends."""
    await story.comes("ben")
    await story.offers("ben")
    await story.says("ben", "practice", "1")
    assert await story.say("ben", "stop") == "I have ended that. Nothing of it is kept."
    assert story.records.all(Offer)
    assert story.member("ben").prompt is None


async def test_the_question_that_stop_itself_put_away_is_ended_by_its_number(story: Story) -> None:
    """The list named it: its number is not answered as if it had been over before."""
    await story.comes("ben")
    await story.offers("ben")
    await story.says("ben", "forget me")
    assert "The question before this" in await story.say("ben", "stop")
    assert await story.say("ben", "1") == "I have ended that. Nothing of it is kept."
    assert story.records.all(Offer)
