"""Adults, young people, or both kept apart: said at each recap, never crossed, changed by their member."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schema.community import Place
from schema.records import Ask, Offer, Request
from tests.handlers.story import COMMUNITY, Story

MONTH = timedelta(days=30)
BOTH = replace(COMMUNITY, ages="both")
YOUNG_LINE = Place("Youth line", "0800 111", "always", "German", "no", "1 November 2026", "young")


@pytest.fixture
def story() -> Story:
    """A community for adults and for young people."""
    return Story(BOTH)


async def offers_as(story: Story, name: str, group: str) -> None:
    """The member says their group, and offers for two hours."""
    await story.comes(name)
    await story.says(name, "offer", group, "1", "skip", "I like walks.", "2", "yes")


async def asks_as(story: Story, name: str, group: str) -> None:
    """The member says their group, and asks with what is usual."""
    await story.comes(name)
    await story.says(name, "talk", group, "yes")


@pytest.mark.parametrize(
    ("ages", "said"),
    [
        ("adults", "This is for people who are 18 or older. I cannot check that."),
        ("young", "This is for people who are younger than 18. I cannot check that."),
    ],
)
async def test_who_it_is_for_is_said_at_both_recaps(ages: str, said: str) -> None:
    """With where whoever is outside can turn to; it is a part of what a yes agrees to, and not asked."""
    story = Story(replace(COMMUNITY, ages=ages))
    await story.comes("ana")
    assert f"{said} If you are not, write “help now” for other places." in await story.say("ana", "talk")
    await story.say("ana", "yes")
    consent = story.the_request().consent
    assert consent is not None
    assert said in consent.words
    assert said in await story.says("ben", "offer", "1", "skip", "skip", "skip")
    assert (story.member("ana").age_group, story.the_request().age_group) == ("", ages)


async def test_places_for_whoever_is_outside_are_named() -> None:
    """In a community for adults those for young people, and `help now` says whom each is for."""
    story = Story(replace(COMMUNITY, places=(*COMMUNITY.places, YOUNG_LINE)))
    await story.comes("ana")
    said = await story.say("ana", "talk")
    assert "If you are not, these are for you: Youth line. Write “help now”" in said
    assert "Youth line: 0800 111" in await story.say("ana", "help now")
    assert story.last("ana").count("For people who are younger than 18.") == 1
    assert "I cannot check that." in await story.say("ana", "my age group")


async def test_it_is_asked_once_before_the_first_recap(story: Story) -> None:
    """Not again when they offer, nor when they ask anew; the line and the menu ask it too."""
    await story.comes("ana")
    question = await story.say("ana", "talk grief")
    assert "never paired" in question
    assert "I cannot check it" in question
    recap = await story.say("ana", "2")
    assert "About: grief." in recap
    assert "people who said that they are younger than 18, as you did. I cannot check that." in recap
    await story.says("ana", "stop")
    assert "This is what I would ask" in await story.say("ana", "talk")
    await story.say("ana", "stop")
    assert "For how long" in await story.say("ana", "offer")


async def test_nothing_is_asked_or_offered_without_an_answer(story: Story) -> None:
    """`back` leads out, and another word is no answer."""
    await story.comes("ana")
    assert "Are you 18 or older?" in await story.says("ana", "talk", "maybe")
    assert "1. Talk with someone" in await story.say("ana", "back")
    assert "Are you 18 or older?" in await story.say("ana", "offer")
    assert "1. Talk with someone" in await story.say("ana", "back")
    assert not story.records.all(Request)
    assert not story.records.all(Offer)
    assert story.member("ana").age_group == ""


async def test_the_two_groups_are_never_paired(story: Story) -> None:
    """Who said the other is not asked, whoever asks; who said the same is."""
    await offers_as(story, "ben", "1")
    await offers_as(story, "cleo", "2")
    await asks_as(story, "ana", "2")
    assert [ask.member for ask in story.records.all(Ask)] == [story.id("cleo")]
    other = Story(BOTH)
    await offers_as(other, "ben", "1")
    await asks_as(other, "ana", "2")
    empty = Story(BOTH, now=story.now)
    await asks_as(empty, "ana", "2")
    assert not other.records.all(Ask)
    assert other.last("ana").split("I try again")[0] == empty.last("ana").split("I try again")[0]


async def test_it_is_changed_by_its_member_and_what_was_asked_in_the_other_ends(story: Story) -> None:
    """An offer goes on in the new group; an ask that was open counts as silence."""
    await offers_as(story, "ben", "1")
    await story.wait(MONTH)
    await story.says("ben", "offer", "1", "skip", "I like walks.", "2", "yes")
    await asks_as(story, "ana", "1")
    assert story.records.all(Ask)
    await story.say("ben", "my age group")
    assert "You said that you are younger than 18." in await story.say("ben", "2")
    assert story.offer_of("ben").age_group == "young"
    assert all(ask.state == "over" for ask in story.records.all(Ask))
    await story.wait(story.community.timings.idle)
    await asks_as(story, "dora", "2")
    assert {ask.member for ask in story.records.all(Ask) if ask.state != "over"} == {story.id("ben")}


async def test_nobody_is_in_both_groups_within_a_month(story: Story) -> None:
    """From the first request or offer in one on, said plainly; an offer that goes on counts anew."""
    await story.comes("ana")
    await story.says("ana", "talk", "2", "stop")
    await story.says("ana", "my age group", "1")
    assert story.member("ana").age_group == "adults", "nothing was asked yet, so that a slip can be put right"
    await story.says("ana", "talk", "yes", "stop", "yes")
    assert not story.records.all(Request)
    said = await story.say("ana", "my age group")
    assert "I cannot change this before Sunday 27 December" in said
    assert "as 18 or older" in said
    assert "please do not ask or offer until then" in said
    held = await story.say("ana", "what do you hold")
    assert "When you first asked or offered in that age group: Friday 27 November" in held
    await story.wait(MONTH)
    await story.say("ana", "my age group")
    assert "You said that you are younger than 18." in await story.say("ana", "2")
    await story.says("ana", "offer", "1", "skip", "I like walks.", "2", "yes")
    assert "I cannot change this before" in await story.say("ana", "my age group")
    await story.wait(MONTH)
    await story.says("ana", "offer", "1", "skip", "I like walks.", "2", "yes")
    await story.says("ana", "my age group", "1")
    assert story.offer_of("ana").age_group == "adults"
    assert "I cannot change this before" in await story.say("ana", "my age group")


async def test_the_same_group_once_more_changes_nothing(story: Story) -> None:
    """What they were asked stays open, and the month goes on."""
    await story.comes("ana")
    await story.says("ana", "talk", "2", "stop", "my age group")
    assert "It stays as it was." in await story.say("ana", "2")


async def test_it_is_not_changed_while_a_request_stands(story: Story) -> None:
    """Nor while an answer or a room is awaited: the two were paired by what they said."""
    await asks_as(story, "ana", "1")
    assert "cannot change this while" in await story.say("ana", "my age group")
    await offers_as(story, "ben", "1")
    await story.wait(story.community.timings.ask_again)
    await story.says("ben", "yes", "go on")
    assert "cannot change this while" in await story.say("ben", "my age group")
    assert story.member("ben").age_group == "adults"


async def test_what_is_held_of_it_is_said_and_forgotten(story: Story) -> None:
    """In plain words, with why and until when; `forget me` ends it."""
    await asks_as(story, "ana", "2")
    said = await story.say("ana", "what do you hold")
    assert "Your age group, as you said it: younger than 18." in said
    await story.says("ana", "forget me", "yes")
    assert "young" not in repr(story.records.rows)


async def test_an_offer_from_before_waits_until_its_member_has_said_it() -> None:
    """A community that takes in both from now on: what was offered before says what it needs."""
    story = Story()
    await story.comes("ben")
    await story.offers("ben")
    story.community = BOTH
    assert "before you said in which age group you are" in await story.say("ben", "my offer")
    await asks_as(story, "ana", "2")
    assert not story.records.all(Ask)
    await story.says("ben", "my age group", "2")
    assert "before you said" not in await story.say("ben", "my offer")
    await story.wait(story.community.timings.ask_again)
    assert story.records.all(Ask)


async def test_a_draft_from_before_asks_for_it_first() -> None:
    """A yes to a recap that did not ask it makes no request before it is said."""
    story = Story()
    await story.says("ana", "talk")
    story.community = BOTH
    assert "Are you 18 or older?" in await story.say("ana", "yes")
    assert not story.records.all(Request)
    assert "as you did" in await story.say("ana", "older")
    await story.say("ana", "yes")
    assert story.the_request().age_group == "adults"
