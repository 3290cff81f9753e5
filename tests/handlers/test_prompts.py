"""The open question: what counts as an answer to it, what waits behind it, what lapses, what stop ends."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schema.effects import OpenPeerRoom, SendText
from schema.events import Message, NotDelivered
from schema.ids import EventId
from schema.records import Offer, Request
from schema.states import AskState
from tests.handlers.story import COMMUNITY, Story

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


async def _asked(story: Story) -> None:
    await story.comes("ben")
    await story.offers("ben", hours="4")
    await story.comes("ana")
    await story.asks("ana")


async def _reading(story: Story) -> None:
    await _asked(story)
    await story.says("ben", "yes")


def _rooms(story: Story) -> int:
    return len([one for _, one in story.effects if isinstance(one, OpenPeerRoom)])


# What counts as an answer


@pytest.mark.parametrize("seconds", [4, 60, 600])
async def test_a_number_may_be_meant_for_the_question_that_stood_there_before(
    story: Story, seconds: int
) -> None:
    """Ana looks at the menu when the consent comes: her number opens no room until it is asked again."""
    await _reading(story)
    await story.says("ana", "menu")
    await story.says("ben", "go on")
    answer = await story.say("ana", "1", after=seconds)
    assert "Another question stood here" in answer
    assert "1. Yes, open the room" in answer
    assert not _rooms(story)
    await story.says("ana", "1")
    assert _rooms(story) == 1


async def test_a_word_that_the_menu_does_not_know_is_meant_for_the_consent(story: Story) -> None:
    """A yes is no answer to the menu, so that it is one to the question that took its place."""
    await _reading(story)
    await story.says("ana", "menu")
    await story.says("ben", "go on")
    await story.says("ana", "yes")
    assert _rooms(story) == 1


async def test_an_answer_sent_twice_skips_no_question(story: Story) -> None:
    """The second of two equal messages is no yes to what the first one brought."""
    await _asked(story)
    await story.say("ben", "1")
    assert "just as you wrote" in await story.say("ben", "1", after=0.3)
    assert "just as you wrote" in await story.say("ben", "1", after=0.3)
    assert story.ask_of("ben").state is AskState.READING
    await story.says("ana", "what do you hold", "3")
    assert "3 is none of these" in await story.say("ana", "3", after=0.5)
    await story.say("ana", "1", after=30)
    assert "Nothing has changed" in story.last("ana")
    assert story.member("ana").told_limits


@pytest.mark.parametrize(
    ("answer", "said"), [("2", ""), ("yes", ""), ("1", "Nothing has changed"), ("no", "Not")]
)
async def test_an_answer_to_what_one_asked_for_counts_at_once(story: Story, answer: str, said: str) -> None:
    """Their own message brought the question, so that a quick answer is meant for it."""
    await story.comes("ana")
    await story.says("ana", "forget me")
    assert said in await story.say("ana", answer, after=0.5)
    assert (story.records.rows == {}) or said


async def test_a_yes_sent_before_the_question_was_there_is_none(story: Story) -> None:
    """Whoever writes all their answers ahead agreed to nothing that they could read."""
    await story.says("ana", "talk", "more", "1", "1", "2", "skip")
    asked_at = story.now
    await story.wait(timedelta(seconds=20))
    chat, address = story.chat("ana"), story.address("ana")
    ahead = Message(EventId("$ahead"), chat, address, "yes", asked_at - SECOND, private=True)
    await story.event(ahead)
    assert "just as you wrote" in story.last("ana")
    assert not story.records.all(Request)
    await story.event(replace(ahead, event_id=EventId("$again")))
    assert story.records.all(Request), "a sender's clock that is wrong counts once"


@pytest.mark.parametrize("answer", ["no", "3", "4"])
async def test_a_no_to_what_came_by_itself_counts_at_once(story: Story, answer: str) -> None:
    """Nothing else was open that it could be meant for, and it gives nothing."""
    await _asked(story)
    assert "just as you wrote" not in await story.say("ben", answer, after=1)
    assert story.ask_of("ben").state is AskState.OVER


@pytest.mark.parametrize("seconds", [1, 60])
async def test_a_no_that_may_be_meant_for_the_question_before_is_asked_for_once(
    story: Story, seconds: int
) -> None:
    """The menu was open: its number is no answer to the ask; a word that the menu does not know is."""
    await story.comes("ben")
    await story.offers("ben", hours="4")
    await story.says("ben", "menu")
    await story.comes("ana")
    await story.asks("ana")
    await story.say("ben", "3", after=seconds)
    assert story.ask_of("ben").state is AskState.SHOWN
    await story.say("ben", "3", after=1)
    assert story.ask_of("ben").state is AskState.OVER


async def test_a_no_to_an_old_recap_counts_at_once(story: Story) -> None:
    """Only a yes may be meant for something that has passed."""
    await story.says("ana", "talk", "more", "1", "1", "2", "skip")
    await story.wait(timedelta(minutes=20))
    assert "I asked this a while ago" not in await story.say("ana", "3")
    assert story.member("ana").prompt is None


async def test_a_yes_counts_for_nothing_that_did_not_arrive(story: Story) -> None:
    """The consent was refused by the server: it is shown again, whole, before an answer counts."""
    await _reading(story)
    await story.says("ben", "go on")
    consent = next(
        effect
        for _, effect in reversed(story.effects)
        if isinstance(effect, SendText) and "1. Yes, open the room" in effect.body
    )
    await story.event(NotDelivered(consent, "M_FORBIDDEN"))
    answer = await story.say("ana", "1")
    assert "did not take that as an answer" in answer
    assert "I like walks." in answer
    assert not _rooms(story)
    await story.says("ana", "1")
    assert _rooms(story) == 1


async def test_a_recap_answered_late_is_shown_again_first(story: Story) -> None:
    """After a while a number may be meant for anything."""
    await story.says("ana", "talk", "more", "1", "1", "2", "skip")
    await story.wait(timedelta(minutes=20))
    assert "I asked this a while ago" in await story.say("ana", "1")
    assert not story.records.all(Request)
    await story.says("ana", "1")
    assert story.records.all(Request)


# What lapses


@pytest.mark.parametrize(
    "words", [("talk", "more", "1", "1", "2", "SECRET"), ("talk", "more", "1", "1", "2", "SECRET", "menu")]
)
async def test_a_draft_lapses_and_its_words_go(story: Story, words: tuple[str, ...]) -> None:
    """A day later nothing of it is there, and a number asks nobody anything."""
    await story.comes("ana")
    await story.says("ana", *words)
    assert "“SECRET”" in await story.say("ana", "what do you hold")
    await story.wait(timedelta(days=1))
    assert "SECRET" not in repr(story.records.rows)
    assert story.member("ana").due_at == story.member("ana").sweep_at
    await story.wait(timedelta(days=60))
    await story.says("ana", "1", "1")
    assert not story.records.all(Request)


async def test_the_words_of_a_request_that_lapsed_go_at_the_hour_that_was_said(story: Story) -> None:
    """They can be taken up again for a day, and are held that long and no longer."""
    await story.comes("ana")
    await story.asks("ana", note="SECRET")
    await story.wait(timedelta(days=1))
    assert "I keep them until Sunday 29 November" in story.last("ana")
    await story.wait(timedelta(days=1))
    assert "SECRET" not in repr(story.records.rows)


@pytest.mark.parametrize("word", ["forget me", "stop"])
async def test_what_erases_or_stops_lapses_soon(story: Story, word: str) -> None:
    """A number that comes later ends nothing."""
    await _asked(story)
    await story.says("ben", word)
    await story.wait(timedelta(minutes=16))
    await story.says("ben", "2")
    assert story.records.all(Offer)
    assert story.member("ben").told_limits


# What waits


@pytest.mark.parametrize("word", ["help now", "status"])
async def test_back_brings_the_question_again_after_something_else_was_said(story: Story, word: str) -> None:
    """Nothing is dropped by the word that was named; the next `back` goes to the question before."""
    await story.says("ana", "talk", "more", "1", "1")
    assert "Write “back” to see it" in await story.say("ana", word)
    assert "How long would you like" in await story.say("ana", "back")
    assert "What is it about?" in await story.say("ana", "back")
    await story.says("ana", word, "2")
    assert "How long would you like" in story.last("ana"), "it can be answered as well"


async def test_what_was_put_away_comes_back_at_back_alone(story: Story) -> None:
    """No other word brings it."""
    await _reading(story)
    await story.says("ben", "go on")
    await story.says("ana", "skip")
    assert "1. Yes, open the room" not in await story.say("ana", "help now")
    assert "1. Yes, open the room" not in await story.say("ana", "what do you hold")
    assert "1. Yes, open the room" in await story.say("ana", "back")


async def test_back_is_never_silent(story: Story) -> None:
    """What waited has come to nothing: the menu."""
    await _asked(story)
    await story.says("ben", "menu")
    await story.wait(timedelta(hours=25))
    assert "What would you like?" in await story.say("ben", "back")


async def test_one_message_holds_one_question() -> None:
    """Ana's request lapses and Ben's reaches her while another question is open: they come one by one."""
    story = Story(community=replace(COMMUNITY, timings=replace(COMMUNITY.timings, request_open=HOUR)))
    await story.comes("ana")
    await story.offers("ana", hours="4")
    await story.says("ana", "talk", "more", "1", "1", "2", "skip", "yes")
    await story.comes("ben")
    await story.says("ben", "talk", "more", "1", "1", "2", "skip")
    await story.wait(timedelta(minutes=52))
    await story.says("ana", "forget me")
    await story.wait(story.the_request().until - story.now)
    await story.says("ben", "1", "1")
    assert len(story.member("ana").waiting) == 2
    answer = await story.say("ana", "no")
    assert "1. Look again now" in answer
    assert "1. Yes, tell me more" not in answer


# Stopping


async def test_stop_twice_asks_twice(story: Story) -> None:
    """An ask and the offer are open: the second `stop` ends neither."""
    await _asked(story)
    assert "1. The question before this" in await story.say("ben", "stop")
    assert "1. The question before this" in await story.say("ben", "stop")
    assert story.records.all(Offer)
    assert "That is fine" in await story.say("ben", "1")
    assert story.records.all(Offer)
    assert story.ask_of("ben").state is AskState.OVER


async def test_stop_counts_what_was_put_away(story: Story) -> None:
    """A note and an offer, a draft alone: nothing is ended by a guess, and nothing is overlooked."""
    await _reading(story)
    answer = await story.says("ben", "menu", "stop")
    assert "1. The question before this" in answer
    assert story.records.all(Offer)
    await story.comes("cleo")
    answer = await story.says("cleo", "talk", "more", "1", "menu", "stop")
    assert "begun and not finished: your request for company. Nothing of that is kept." in answer
    assert not story.member("cleo").waiting


async def test_a_number_under_stop_never_means_something_else(story: Story) -> None:
    """The room that stood first in the list is over when she answers: nothing else ends."""
    await story.comes("ana")
    await story.offers("ana", hours="4")
    await story.comes("ben")
    await story.offers("ben", hours="4")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    await story.says("ana", "yes")
    assert "1. The room that is open" in await story.say("ana", "stop")
    await story.says("ben", "close")
    assert "That is over already" in await story.say("ana", "1")
    assert len(story.records.all(Offer)) == 2


async def test_stop_that_ends_nothing_gives_the_question_back(story: Story) -> None:
    """It was only put behind the list."""
    await _asked(story)
    await story.says("ben", "stop")
    answer = await story.say("ben", "3")
    assert "Nothing has changed" in answer
    assert "1. Yes, tell me more" in answer


async def test_hello_says_the_limits_again(story: Story) -> None:
    """After an hour, when they do not stand right above, the first words are one word away."""
    await story.comes("ana")
    await story.wait(timedelta(hours=1))
    assert "Nobody here is on duty." in await story.say("ana", "hello")


async def test_beginning_again_and_again_keeps_one_draft(story: Story) -> None:
    """What waits for a member stays bounded, whatever they write: of each kind the last one."""
    for number in range(6):
        await story.says("ana", "talk", "start anew", "more", "1", "skip", "skip", f"draft {number}", "offer")
    waiting = story.member("ana").waiting
    assert [prompt.kind for prompt in waiting] == ["talk", "offer"]
    assert waiting[0].draft["note"] == "draft 5"


async def test_a_consent_that_stands_above_is_not_said_again(story: Story) -> None:
    """Odd words get its choices alone; the yes agrees to the words that were shown, as they were shown."""
    await _reading(story)
    await story.says("ben", "go on")
    shown = story.last("ana")
    consent = story.member("ana").prompt
    assert consent is not None
    for odd in ("ok", "i want to die", "yes but i am scared"):
        answer = await story.say("ana", odd)
        assert "No person has read this" in answer
        assert "“help now”" in answer
        assert "The question above still stands." in answer
        assert "1. Yes, open the room" in answer
        assert "They will see your address" not in answer
    assert "They will see your address" in shown
    after = story.member("ana").prompt
    assert after is not None
    assert after.consent == consent.consent
    await story.says("ana", "1")
    assert _rooms(story) == 1


async def test_a_consent_of_a_while_ago_is_said_again_whole(story: Story) -> None:
    """What is not above any more is not called so."""
    await _reading(story)
    await story.says("ben", "go on")
    await story.wait(timedelta(minutes=20))
    assert "They will see your address" in await story.say("ana", "hello you")
    await story.says("ana", "1")
    assert _rooms(story) == 1, "it was read just now"


@pytest.mark.parametrize(("seconds", "rooms"), [(1, 0), (30, 1)])
async def test_a_question_put_again_for_an_odd_word_is_no_other_one(
    story: Story, seconds: float, rooms: int
) -> None:
    """The menu was open when the consent came: after a free word the consent is what is on the screen.

    A number that crosses it still counts for nothing.
    """
    await _reading(story)
    await story.says("ana", "menu")
    await story.says("ben", "go on")
    await story.say("ana", "who is it")
    await story.say("ana", "1", after=seconds)
    assert _rooms(story) == rooms
