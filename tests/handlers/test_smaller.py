"""A yes to less: shorter, or only to listen."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schema.records import Pairing, PeerRoom, Request
from schema.states import AskState
from tests.handlers.story import COMMUNITY, Story


async def _asked(story: Story, *words: str) -> None:
    await story.comes("ben")
    await story.offers("ben", hours="4")
    await story.comes("ana")
    await story.says("ana", *(words or ("talk practical 2 hours",)), "yes")


async def test_a_shorter_yes_to_listen_is_what_both_agree_on(story: Story) -> None:
    """Ana reads it before her yes, both when the room opens and in status; it is the room's length."""
    await _asked(story)
    question = await story.say("ben", "2")
    assert (
        "1. For up to 1 hour\n2. For up to 30 minutes\n3. For up to 15 minutes\n4. Only listening" in question
    )
    assert story.ask_of("ben").state is AskState.SHOWN
    assert "like 1 4" in question
    note = await story.say("ben", "1 4")
    assert "Would you go on, for up to 1 hour, only to listen, in writing?" in note
    await story.say("ben", "1")
    asked = story.last("ana")
    assert asked.startswith("Someone said yes, for up to 1 hour, only to listen, in writing.")
    assert "You had asked for up to 2 hours. What would help, you said: practical ideas." in asked
    assert "I open a private room for you two, for up to 1 hour, only to listen, in writing." in asked
    await story.say("ana", "1")
    assert story.the_room().length == timedelta(hours=1)
    for name in ("ana", "ben"):
        assert "What you two agreed would help: listening." in story.last(name)
        assert "agreed would help: listening" in await story.say(name, "status")


async def test_two_numbers_are_named_only_where_two_go_together(story: Story) -> None:
    """A time and only listening do; of two times one is chosen, so that nothing else is said."""
    await _asked(story, "talk listening 1 hour")
    question = await story.say("ben", "2")
    assert "1. For up to 30 minutes\n2. For up to 15 minutes" in question
    assert "two" not in question
    assert story.ask_of("ben").state is AskState.SHOWN
    await story.say("ben", "1 2")
    assert story.ask_of("ben").state is AskState.SHOWN


async def test_what_a_peer_wrote_of_themselves_is_not_claimed(story: Story) -> None:
    """Whoever wrote nothing reads that the other sees just that."""
    await story.comes("ben")
    await story.offers("ben", card="")
    await story.comes("ana")
    await story.asks("ana")
    said = await story.say("ben", "yes")
    assert "They see that you wrote nothing about yourself, not who you are." in said


async def test_who_invites_is_named_before_the_invitation_comes(story: Story) -> None:
    """In the terms of both yeses, and when the room opens, with where its words are heard."""
    await _asked(story)
    assert "@keeper:example.org invites you to it." in await story.say("ben", "yes")
    await story.say("ben", "go on")
    assert "@keeper:example.org invites you to it." in story.last("ana")
    await story.say("ana", "yes")
    for name in ("ana", "ben"):
        assert "accept the invitation from @keeper:example.org." in story.last(name)
        assert "I do not hear it: write to me here." in story.last(name)


async def test_a_whole_yes_says_nothing_of_less(story: Story) -> None:
    """The words of a plain yes stay plain."""
    await _asked(story)
    await story.says("ben", "1", "1")
    assert story.last("ana").startswith("Someone said yes, for up to 2 hours, in writing.")
    assert "You had asked" not in story.last("ana")


async def test_back_from_less_is_the_question_itself(story: Story) -> None:
    """Nothing was said yet; the ask stands as it was."""
    await _asked(story)
    assert "1. Yes, tell me more" in await story.says("ben", "2", "back")
    assert story.ask_of("ben").length == timedelta(hours=2)
    await story.says("ben", "2", "stop", "1")
    assert story.ask_of("ben").state is AskState.OVER
    assert len(story.records.all(Request)) == 1


async def test_a_number_sent_twice_is_no_smaller_yes(story: Story) -> None:
    """The second of two at once is asked for again."""
    await _asked(story)
    await story.say("ben", "2")
    assert "just as you wrote" in await story.say("ben", "2", after=1)
    assert story.ask_of("ben").state is AskState.SHOWN


async def test_where_there_is_no_less_it_is_not_offered() -> None:
    """Ten minutes of listening cannot be less."""
    story = Story()
    await _asked(story, "talk listening 10m")
    assert "2. Not now" in story.last("ben")


async def test_a_smaller_yes_that_lapses_says_nothing(story: Story) -> None:
    """Silence at the small question is silence at the ask."""
    timings = replace(story.community.timings, ask_open=timedelta(hours=12))
    story.community = replace(story.community, timings=timings)
    await _asked(story)
    await story.say("ben", "2")
    heard = len(story.heard("ana"))
    await story.wait(timedelta(hours=12))
    assert story.ask_of("ben").state is AskState.OVER
    assert story.member("ben").prompt is None
    assert not story.records.all(Pairing)
    assert all("less" not in body for _, body, _ in story.heard("ana")[heard:])


async def test_a_smaller_yes_survives_a_restart_and_a_note_that_is_busy() -> None:
    """Ben's smaller yes waits for the note and is still the smaller one when it comes."""
    story = Story(community=replace(COMMUNITY, asks_at_once=2))
    await story.comes("cleo")
    await story.offers("cleo", hours="4")
    await _asked(story)
    await story.says("cleo", "yes")
    await story.says("ben", "2", "2")
    assert story.ask_of("ben").state is AskState.WILLING
    again = Story(records=story.records, now=story.now)
    await again.says("cleo", "no")
    await again.wait(timedelta(minutes=20))
    assert "for up to 30 minutes, in writing?" in again.last("ben")
    await again.says("ben", "1")
    assert again.last("ana").startswith("Someone said yes, for up to 30 minutes, in writing.")
    await again.say("ana", "1")
    (room,) = again.records.all(PeerRoom)
    assert (room.length, room.wish) == (timedelta(minutes=30), "ideas")


@pytest.mark.parametrize(
    ("written", "agreed", "length", "wish"),
    [
        ("yes but only half an hour", "for up to 30 minutes, in writing", 30, "ideas"),
        ("30 min and only listening", "for up to 30 minutes, only to listen, in writing", 30, "listening"),
        ("20 min", "for up to 20 minutes, in writing", 20, "ideas"),
        ("yes but only three quarters of an hour", "for up to 45 minutes, in writing", 45, "ideas"),
        ("just listening", "for up to 2 hours, only to listen, in writing", 120, "listening"),
    ],
)
@pytest.mark.parametrize("first", [(), ("2",)])
async def test_less_can_be_written_and_is_asked_about_before_it_is_a_yes(
    story: Story, first: tuple[str, ...], written: str, agreed: str, length: int, wish: str
) -> None:
    """At the ask and at its smaller question: nothing is agreed to before one plain yes to what was read."""
    await _asked(story)
    await story.says("ben", *first)
    question = await story.say("ben", written)
    assert f"a yes to this: {agreed}." in question
    assert story.ask_of("ben").state is AskState.SHOWN
    await story.say("ben", "1")
    ask = story.ask_of("ben")
    assert (ask.state, ask.length, ask.wish) == (AskState.READING, timedelta(minutes=length), wish)
    assert agreed in ask.consents[-1].words


@pytest.mark.parametrize(
    "written",
    [
        "yes but I'm scared",
        "ok",
        "3 hours",
        "not listening",
        "5 min",
        "yes but only half an hour, I'm tired",
    ],
)
async def test_other_words_at_an_ask_are_read_as_nothing(story: Story, written: str) -> None:
    """Neither as a yes nor as less: the question stands."""
    await _asked(story)
    assert "I did not take it as an answer" in await story.say("ben", written)
    assert story.ask_of("ben").state is AskState.SHOWN


async def test_what_was_read_wrongly_is_put_right_or_declined(story: Story) -> None:
    """Something else leads to what there is, `back` to the ask, and a no is a no."""
    await _asked(story)
    assert "4. Only listening" in await story.says("ben", "half an hour", "2")
    assert "1. Yes, tell me more" in await story.says("ben", "half an hour", "back")
    assert "half an hour" not in await story.says("ben", "half an hour", "no")
    assert story.ask_of("ben").state is AskState.OVER
