"""Whose clock a member goes by: found by the name of a city, chosen, and never guessed."""

from dataclasses import replace

import pytest

from handlers.words import Catalogue
from service.core.cities import Found, find, plain
from service.core.towns import TOWNS
from tests.handlers.story import WORDS, Story


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("sao paulo", "America/Sao_Paulo"),
        ("Lagos", "Africa/Lagos"),
        ("londres", "Europe/London"),
        ("Mexico City", "America/Mexico_City"),
        ("ciudad de méxico", "America/Mexico_City"),
        ("Calcutta", "Asia/Kolkata"),
        ("Saigon", "Asia/Ho_Chi_Minh"),
        ("Kiev", "Europe/Kyiv"),
        ("kyiv", "Europe/Kyiv"),
        ("US/Pacific", "America/Los_Angeles"),
        ("america/argentina/buenos_aires", "America/Argentina/Buenos_Aires"),
        ("Nigeria", "Africa/Lagos"),
        ("Singapore", "Asia/Singapore"),
        ("Barcelona", "Europe/Madrid"),
        ("München", "Europe/Berlin"),
        ("Napoli", "Europe/Rome"),
        ("Río de Janeiro", "America/Sao_Paulo"),
        ("new delhi", "Asia/Kolkata"),
    ],
)
def test_a_city_an_older_name_and_a_land_of_one_hour_are_known(text: str, zone: str) -> None:
    """By CLDR's names in all languages, by the tz database's own, old ones too, and by the land's."""
    assert find(text, WORDS.zones()) == Found((zone,), certain=True)


@pytest.mark.parametrize(
    "text",
    [
        *("Georgia", "Congo", "Guinea", "Indiana", "EST", "PST", "UTC", "Spain", "Samoa"),
        *("San José", "Valencia", "Birmingham", "Hamilton", "Córdoba"),
    ],
)
def test_what_can_be_several_is_never_taken(text: str) -> None:
    """A land beside another of such a name, a part of a name, and three letters."""
    assert not find(text, WORDS.zones()).certain


def test_of_a_land_the_zone_that_most_of_it_has_is_named_first() -> None:
    """And what is only called like it last."""
    assert find("Spain", WORDS.zones()).zones[0] == "Europe/Madrid"
    assert find("Spain", WORDS.zones()).zones[-1] == "America/Port_of_Spain"
    assert find("valencia españa", WORDS.zones()) == Found(("Europe/Madrid",), certain=True)


def test_a_city_that_the_database_does_not_name_shows_a_clock_that_it_has() -> None:
    """Each name is plain, and stands once at a zone that is there."""
    known = Catalogue().zones()
    for zone, names in TOWNS.items():
        assert zone in known
        assert [plain(name) for name in names] == list(names)
        assert len(set(names)) == len(names)


async def test_a_wide_land_is_chosen_by_its_clock_and_then_by_the_city(story: Story) -> None:
    """The hour that it is there now says which; then the cities of that hour are listed."""
    said = await story.says("ben", "my city", "united states")
    assert "New York, Indianapolis, Detroit and more: it is 11:" in said
    assert "Los Angeles (United States): it is 08:" in said
    number = next(line for line in said.splitlines() if "New York" in line).partition(".")[0]
    said = await story.says("ben", number)
    assert "1. New York (United States): it is 11:" in said
    assert "Detroit (United States): it is 11:" in said
    assert story.member("ben").zone is None
    assert "by the clock in New York (United States)" in await story.says("ben", "1")
    assert story.member("ben").zone == "America/New_York"


async def test_a_part_of_a_name_is_asked_about(story: Story) -> None:
    """Even where it fits one city alone."""
    said = await story.says("ben", "my city", "york")
    assert "Which one do you mean?" in said
    assert "1. New York (United States): it is 11:" in said
    assert story.member("ben").zone is None


@pytest.mark.parametrize(
    ("kept", "said"), [("Asia/Calcutta", "Kolkata"), ("Europe/Atlantis", "Berlin"), ("", "Berlin")]
)
async def test_a_zone_that_the_tz_database_does_not_have_stops_nothing(
    story: Story, kept: str, said: str
) -> None:
    """An older name goes on; where a zone is gone the community's clock is gone by, and said so."""
    await story.says("ben", "my city", "Lagos")
    await story.records.put(replace(story.member("ben"), zone=kept))
    assert f"by the clock in {said}" in await story.says("ben", "my city", "skip")


async def test_the_hour_there_is_said_without_a_distance(story: Story) -> None:
    """It is now: "in 0 seconds" would say nothing."""
    said = await story.says("ben", "my city", "Lagos")
    assert "There it is Friday, 17:02. Write" in said
    assert "second" not in said


@pytest.mark.parametrize(
    "words", ["my zone is Lisbon", "My city is lisbon.", "my city Lisbon", "my time zone is Europe/Lisbon"]
)
async def test_the_city_can_stand_behind_the_word_for_it(story: Story, words: str) -> None:
    """Whoever travels says it in one line; their check-ins keep the hour on the clock, and that is said."""
    await story.says("ben", "my city", "Berlin", "check in every day 8:00", "yes")
    said = await story.says("ben", words)
    assert "The next one comes on Saturday 28 November, 08:00 Lisbon" in said
    assert "I tell hours by the clock in Lisbon (Portugal)" in said


async def test_what_can_be_several_behind_the_word_is_asked_about(story: Story) -> None:
    """As when the city is asked for; and what is no city is not taken for one."""
    assert "Which one do you mean?" in await story.says("ben", "my zone is york")
    assert "New York" in await story.says("ben", "1")
    said = await story.says("ben", "menu", "my city is too loud for me")
    assert "I am a program, and no person has read this." in said
    assert story.member("ben").zone == "America/New_York"


async def test_the_city_behind_the_word_in_spanish(story: Story) -> None:
    """In the language that is spoken."""
    assert "Lisboa" in await story.says("ben", "español", "mi zona es Lisboa")
