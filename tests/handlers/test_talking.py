"""In which languages and in which way people talk: chosen by name, shown to both, and agreed on."""

from dataclasses import replace

import pytest

from schema.records import Ask, Offer, Request, Talking
from tests.handlers.story import COMMUNITY, Story

MANY = replace(COMMUNITY, talk_in=("en", "es", "pt_BR"))


async def offers_in(story: Story, name: str, languages: str, way: str = "2") -> None:
    """The member offers for two hours, in these languages and this way."""
    await story.comes(name)
    await story.says(name, "offer", "1", "skip", "I like walks.", "2", "change", "8", way)
    await story.says(name, "change", "9", languages, "yes")


async def asks_in(story: Story, name: str, languages: str) -> str:
    """The member asks in these languages; what they hear."""
    await story.comes(name)
    return await story.says(name, "talk", "change", "Languages", languages, "yes")


@pytest.fixture
def story() -> Story:
    """A community that talks in three languages."""
    return Story(MANY)


async def test_a_language_is_chosen_by_its_name_in_either_language(story: Story) -> None:
    """By number, by the name one reads, by its own name; several; and one is usual."""
    await story.comes("ana")
    assert "In English, in writing, for up to 1 hour." in await story.say("ana", "talk")
    question = await story.says("ana", "change", "Languages")
    assert "1. English\n2. Spanish (español)\n3. Brazilian Portuguese (português (Brasil))" in question
    assert "In Spanish, in writing" in await story.say("ana", "Español")
    assert "In English or Spanish, in writing" in await story.says("ana", "change", "8", "1 2")
    await story.say("ana", "yes")
    assert story.the_request().languages == ("en", "es")
    assert "You can talk in: English or Spanish." in await story.say("ana", "what do you hold")


async def test_what_both_named_is_shown_and_agreed(story: Story) -> None:
    """The question, the note, the second consent and the room name what the two have in common, no more."""
    await offers_in(story, "ben", "2 3")
    await asks_in(story, "ana", "1 2")
    assert "In Spanish, in writing, for up to 1 hour." in story.last("ben")
    assert "Would you go on, for up to 1 hour, in Spanish, in writing?" in await story.say("ben", "yes")
    await story.say("ben", "go on")
    assert "Someone said yes, for up to 1 hour, in Spanish, in writing." in story.last("ana")
    assert "Portuguese" not in story.last("ana")
    await story.say("ana", "yes")
    for name in ("ana", "ben"):
        assert any(
            "You two agreed to talk in Spanish, in writing." in said for _, said, _ in story.heard(name)
        )
    assert story.the_room().talking == Talking(("es",))


async def test_nobody_is_asked_in_a_language_of_others(story: Story) -> None:
    """And whether anybody talks in a rarer one is not to be learned by trying."""
    await offers_in(story, "ben", "1")
    said = await asks_in(story, "ana", "3")
    assert not story.records.all(Ask)
    empty = Story(MANY, now=story.now)
    assert "I am looking for people whom this fits" in said
    other = await asks_in(empty, "ana", "3")
    assert said.split("The next time")[0] == other.split("The next time")[0]
    await offers_in(empty, "ben", "3")
    assert said.split("The next time")[0] == (await asks_in(empty, "eva", "3")).split("The next time")[0]


async def test_one_line_names_languages(story: Story) -> None:
    """As everything else in it, in any order."""
    await story.comes("ana")
    assert "In Spanish, in writing, for up to 2 hours." in await story.say("ana", "talk spanish 2h listening")


@pytest.mark.parametrize(
    ("way", "asked", "said"),
    [
        ("1", "talk voice", "In English, in writing, for up to 1 hour."),
        ("2", "talk voice", "In English, in writing, or by voice if you both like, for up to 1 hour."),
        ("3", "talk voice", "In English, by voice, for up to 1 hour."),
        ("2", "talk writing", "In English, in writing, for up to 1 hour."),
        ("3", "talk writing", None),
    ],
)
async def test_writing_or_voice(story: Story, way: str, asked: str, said: str | None) -> None:
    """Voice is a wish: whoever only writes is asked too, and whoever only talks only where it is welcome."""
    await offers_in(story, "ben", "1", way)
    await story.comes("ana")
    await story.says("ana", asked, "yes")
    assert bool(story.records.all(Ask)) is (said is not None)
    assert said is None or said in story.last("ben")


async def test_an_offer_shows_and_changes_it_field_by_field(story: Story) -> None:
    """The recap and `my offer` say it; each changes by itself."""
    await offers_in(story, "ben", "1 2", "1")
    assert "How you would talk: in English or Spanish, in writing." in await story.say("ben", "my offer")
    await story.says("ben", "change", "8", "3", "yes")
    offer = story.offer_of("ben")
    assert (offer.languages, offer.writing, offer.voice) == (("en", "es"), False, True)
    assert "in English or Spanish, by voice" in await story.say("ben", "what do you hold")


async def test_a_changed_request_is_asked_as_it_is_now(story: Story) -> None:
    """Whoever is asked from then on is asked in the language that was added."""
    await offers_in(story, "ben", "2")
    await asks_in(story, "ana", "1")
    assert not story.records.all(Ask)
    await story.says("ana", "change", "Languages", "1 2", "yes")
    await story.wait(story.community.timings.ask_again)
    assert story.ask_of("ben").talking == Talking(("es",))


async def test_where_no_languages_are_named_nothing_is_said_of_them() -> None:
    """A community that names none asks nothing, and what stood before it named some goes on."""
    story = Story()
    await story.comes("ben")
    await story.offers("ben")
    await story.comes("ana")
    assert "Languages" not in await story.says("ana", "talk", "change")
    await story.says("ana", "back", "yes")
    assert "In writing, for up to 1 hour." in story.last("ben")
    assert (story.the_request().languages, story.offer_of("ben").languages) == ((), ())
    assert {Request, Offer} <= {type(row) for row in story.records.rows.values()}
