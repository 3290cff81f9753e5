"""What was begun and not finished is not lost by its own word, and whatever waits is named."""

from dataclasses import replace
from datetime import timedelta

import pytest

from handlers.conversations import CONVERSATIONS
from handlers.unfinished import _ABOUT
from schema.community import Reader
from schema.records import Offer, Request
from tests.handlers.story import COMMUNITY, Story
from tests.handlers.test_room import together

_BEGUN = (
    (("talk", "more", "1", "1"), "talk", "How long would you like"),
    (("offer", "1"), "offer", ""),
    (("my plan", "call Mo"), "my plan", "call Mo"),
    (("my buddy", "@ben:example.org", "please ring me"), "my buddy", ""),
    (("check-in", "skip", "every friday 17:00"), "check-in", "very Friday at 17:00"),
)


@pytest.mark.parametrize(("begun", "word", "shown"), _BEGUN)
@pytest.mark.parametrize("between", [(), ("menu",), ("my consents",)])
async def test_the_word_that_began_it_does_not_erase_it(
    story: Story, begun: tuple[str, ...], word: str, shown: str, between: tuple[str, ...]
) -> None:
    """Whoever writes it again in the middle is asked whether to go on, and finds everything there."""
    await story.comes("ana")
    was = await story.says("ana", *begun)
    assert shown in was
    asked = await story.says("ana", *between, word)
    assert "You began this before, and it is not finished: " in asked
    assert was.split("\n")[-1] in await story.say("ana", "1")
    assert "You began this before" in await story.say("ana", word)
    anew = await story.say("ana", "2")
    assert was.split("\n")[-1] not in anew
    assert "You began this before" not in await story.says("ana", word), (
        "it is erased, and is not asked about"
    )


async def test_nothing_is_asked_where_nothing_was_answered(story: Story) -> None:
    """The word sent twice brings the same question twice."""
    await story.comes("ana")
    for words in (("talk",), ("talk",), ("offer",), ("menu", "offer"), ("my plan",), ("my plan",)):
        assert "You began this before" not in await story.says("ana", *words)


async def test_stop_ends_what_is_unfinished_from_that_question_too(story: Story) -> None:
    """Neither going on nor anew: one word ends it, and says what it was."""
    await story.comes("ana")
    await story.says("ana", "offer", "1", "offer")
    assert "what you had begun and not finished: your offer to be there." in await story.say("ana", "stop")
    assert not story.records.all(Offer)
    assert "You began this before" not in await story.say("ana", "offer")


@pytest.mark.parametrize("listed", ["my consents", "what do you hold", "my city", "my buddy"])
async def test_stop_in_a_list_closes_the_list_and_says_no_more(story: Story, listed: str) -> None:
    """What the list is about stands, and `stop` never says that it is gone."""
    await story.comes("ana")
    await story.says("ana", "my buddy", "@ben:example.org", "please ring me", "1", "1", "1", "1", "1")
    await story.says("ana", "menu", listed)
    assert await story.say("ana", "stop") == "I have closed that. What stands for you has not changed."
    assert "@ben:example.org" in await story.say("ana", "my buddy")


async def test_stop_in_a_list_never_ends_a_request_by_a_guess(story: Story) -> None:
    """The list is open and the request stands: it is asked which is meant."""
    await story.comes("ana")
    await story.asks("ana")
    await story.says("ana", "my consents")
    assert "Which one should end?" in await story.say("ana", "stop")
    await story.says("ana", "nothing")
    assert story.the_request().state == "looking"
    # The menu is no list: there `stop` ends the one thing that stands.
    await story.says("ana", "menu", "stop")
    assert all(one.state == "ended" for one in story.records.all(Request))


def test_every_question_has_a_name_by_which_it_waits() -> None:
    """But the menu, and what asks about other questions."""
    assert set(CONVERSATIONS) - set(_ABOUT) == {"menu", "stop", "unfinished", "either"}
    assert set(_ABOUT) <= set(CONVERSATIONS)


async def test_what_waits_is_named(story: Story) -> None:
    """In the status and beside the menu: what it is about, and nothing of what was written."""
    await story.comes("ana")
    await story.says("ana", "my city")
    assert "A question waits for you, about this: your city." in await story.say("ana", "status")
    await story.says("ana", "back", "back", "talk", "more", "1")
    assert "A question waits for you, about this: your request for company." in await story.say("ana", "menu")
    await story.says("ana", "offer", "1")
    both = await story.say("ana", "status")
    assert "Questions wait for you, about these: your offer to be there and your request for company." in both


async def test_the_status_of_a_request_says_what_was_asked(story: Story) -> None:
    """Topics and own words too: they are the member's own, and they forget what they wrote."""
    await story.comes("ana")
    await story.says("ana", "talk", "more", "1", "1", "2", "It is a long week.", "yes")
    told = await story.say("ana", "status")
    assert "About: burnout." in told
    assert "“It is a long week.”" in told
    assert "I am looking for someone" in await story.say("ana", "talk")


async def test_skip_says_what_it_put_away(story: Story) -> None:
    """Whoever has a request running reads that it stands."""
    await story.comes("ana")
    await story.asks("ana")
    await story.says("ana", "menu")
    assert await story.say("ana", "skip") == "I have put the choices away. Nothing else has changed."
    assert story.the_request().state == "looking"


async def test_an_odd_word_after_a_room_leaves_its_choices(story: Story) -> None:
    """ "Not so good" is none of them; the number that follows still means what stood there."""
    await together(story)
    await story.says("ana", "close")
    assert "Never pair us again" in story.last("ana")
    said = await story.say("ana", "not so good")
    assert "I am a program." in said
    assert "2. Never pair us again" in said
    assert "Yes, keep us apart" in await story.say("ana", "2")


@pytest.mark.parametrize("begun", ["offer", "talk", "check-in", "concern"])
async def test_back_from_the_first_question_says_why_that_is_the_end(story: Story, begun: str) -> None:
    """It goes to the question before; where there is none it says so, and what became of the rest."""
    story.community = replace(COMMUNITY, readers=(Reader(story.address("rae"), "Rae"),))
    await story.comes("ana")
    await story.says("ana", begun)
    said = await story.say("ana", "back")
    assert said.startswith("There was no question before that one, so this has ended. Nothing of it is kept.")


async def test_a_second_hello_is_answered_in_a_line(story: Story) -> None:
    """The first words are one word away, and not said twice within the hour."""
    await story.comes("ana")
    assert "Nobody here is on duty." in await story.say("ana", "hello")
    short = await story.say("ana", "hi")
    assert short.startswith("Hello again. I am a program")
    assert "1. Talk with someone" in short
    await story.wait(timedelta(hours=1))
    assert "Nobody here is on duty." in await story.say("ana", "hello")
