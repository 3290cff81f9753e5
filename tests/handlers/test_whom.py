"""A wish about who the other person is, which nobody can choose, is answered with what can be chosen."""

from dataclasses import replace

import pytest

from schema.records import Request
from tests.handlers.story import Story, community

ANSWER = "I cannot choose by what a person is"
SENTENCES = (
    "can it be a woman",
    "Could it be a woman, please?",
    "a woman please",
    "I'd prefer a man",
    "older",
    "someone older",
    "can I talk to somebody younger?",
    "someone who is black",
    "i want a trans person",
    "can it be someone like me",
    "is it a woman?",
)


@pytest.mark.parametrize("said", SENTENCES)
async def test_at_the_recap_it_is_answered_and_the_recap_still_stands(story: Story, said: str) -> None:
    """With what can be chosen: a topic, their own words, and their own yes; nothing of it is kept."""
    await story.say("ana", "talk")
    answer = await story.say("ana", said)
    assert ANSWER in answer
    for way in ("know from their own life", "in the note", "“Not this person”"):
        assert way in answer
    assert "1. Yes, ask now" in answer
    await story.say("ana", "1")
    assert story.the_request().note == ""


async def test_at_a_step_it_is_answered_and_where_own_words_are_asked_for_it_is_own_words(
    story: Story,
) -> None:
    """A length is no place for it, and a note is: there it is kept as it is."""
    await story.says("ana", "talk", "2", "1", "1")
    answer = await story.say("ana", "can it be a woman")
    assert ANSWER in answer
    assert "How long would you like" in answer
    await story.say("ana", "1")
    recap = await story.say("ana", "can it be a woman")
    assert ANSWER not in recap
    assert "can it be a woman" in recap


async def test_it_is_answered_while_the_service_looks_and_where_somebody_is_there(story: Story) -> None:
    """The search goes on, and the second consent is as open as before."""
    await story.comes("ben")
    await story.offers("ben")
    await story.asks("ana")
    assert ANSWER in await story.say("ana", "can it be a woman")
    assert story.records.all(Request)
    await story.says("ben", "1", "1")
    answer = await story.say("ana", "is it a woman")
    assert ANSWER in answer
    assert "1. Yes, open the room" in answer
    await story.say("ana", "1")
    assert story.the_room().asker == story.id("ana")


@pytest.mark.parametrize("said", ["woman", "a woman hurt me", "she is black", "i am trans", "older than me"])
async def test_nothing_else_is_looked_through_for_it(story: Story, said: str) -> None:
    """Whatever else somebody writes has the answer that all such words have."""
    await story.comes("ana")
    assert ANSWER not in await story.say("ana", said)


async def test_in_one_line_it_is_answered_and_the_rest_is_taken(story: Story) -> None:
    """The words that say what it is about count all the same."""
    answer = await story.say("ana", "talk to a woman about grief 2h")
    assert ANSWER in answer
    assert "About: grief." in answer
    assert "I did not understand" not in answer


async def test_it_is_answered_in_spanish() -> None:
    """In the language that was chosen."""
    story = Story(community=replace(community("es")), language="es")
    await story.say("ana", "talk")
    for said in ("¿Puede ser una mujer?", "alguien mayor, por favor", "prefiero alguien como yo"):
        assert "No puedo elegir por lo que una persona es" in await story.say("ana", said)
