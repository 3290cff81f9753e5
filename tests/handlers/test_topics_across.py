"""Topics over a link whose two communities call them otherwise: each knows the other's by its own names."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from handlers import topics
from schema import wire
from schema.community import Community, OwnWords
from schema.records import Ask, Request
from service.core import links
from tests.handlers.story import COMMUNITY, STEWARDS, Story, community
from tests.handlers.two import NORTH_AT, SOUTH_AT, Two, link_of, side

NOTE = "It has been a long week."


def naming(language: str, names: Mapping[str, str], other: str = "") -> Community:
    """A community of that language with these topics, each with what it is called in the `other` one."""
    here = replace(community(language), topics=tuple(names))
    own = OwnWords(topics={name: (called, "") for name, called in names.items() if called})
    return replace(here, own_words={other: own}, languages=(language, other)) if other else here


async def linked(north: Community, south: Community) -> Two:
    """A community in English and one in Spanish, linked, with a member each."""
    language = south.languages[0] if south.languages else "en"
    two = Two(side(south, SOUTH_AT, 2, language), north=side(north, NORTH_AT, 1, "en"))
    await two.linked()
    await two.north.comes("ana")
    await two.south.comes("ben")
    await two.carry()
    return two


def _known(side: Story) -> frozenset[str]:
    """What can cross, as that side names it."""
    return links.agreed(link_of(side), topics.known(side.community)).topics


NORTH = naming("en", {"Loneliness": "soledad", "grief": "duelo"}, "es")
SOUTH = naming("es", {"Soledad": "loneliness", "duelo": "Grief"}, "en")


async def test_an_ask_is_put_by_the_names_of_whoever_is_asked() -> None:
    """From the terms to the question: each reads their own names of what is the same."""
    two = await linked(NORTH, SOUTH)
    assert _known(two.north) == {"Loneliness", "grief"}
    assert _known(two.south) == {"Soledad", "duelo"}
    await two.south.offers("ben")
    await two.say(two.north, "ana", "talk", "2", "1", "1", "2", NOTE)
    await two.say(two.north, "ana", "change", "linked communities", "yes", "yes")
    (asked,) = two.to(two.south, wire.Ask)
    assert isinstance(asked, wire.Ask)
    assert asked.topics == ("Loneliness",)
    assert [one.topics for one in two.south.records.all(Request)] == [("Soledad",)]
    assert "Soledad" in two.south.last("ben")
    assert "oneliness" not in two.south.last("ben")
    await two.say(two.south, "ben", "1", "1")
    assert "Someone said yes" in two.north.last("ana")
    await two.say(two.north, "ana", "yes")
    assert two.north.the_room()


async def test_it_holds_the_other_way_too() -> None:
    """What the Spanish community calls soledad the other one is asked about by its own name for it."""
    two = await linked(NORTH, SOUTH)
    await two.north.offers("ana")
    await two.say(two.south, "ben", "talk", "2", "1", "1", "2", "Una semana larga.")
    await two.say(two.south, "ben", "change", "linked communities", "yes", "yes")
    await two.wait(timedelta(hours=1))
    assert [one.topics for one in two.north.records.all(Ask)] == [("Loneliness",)]
    assert "About: Loneliness" in two.north.last("ana")


async def test_the_terms_are_read_in_ones_own_names() -> None:
    """Theirs too, but for what is unknown here; that names differ is said, and what hangs on it."""
    two = await linked(NORTH, naming("es", {"duelo": "grief", "Soledad": "loneliness", "ira": ""}, "en"))
    heard = await two.says(two.north, "terms")
    assert "Their terms:\nTopics: Loneliness, grief and ira\n" in heard
    assert "another name there: Loneliness (“Soledad” there) and grief (“duelo” there)." in heard
    assert "They cross if that side has our name for them" in heard
    heard = await two.says(two.south, "terms")
    assert "Sus condiciones:\nTemas: duelo y Soledad\n" in heard
    assert "Soledad (allí “Loneliness”)" in heard


async def test_a_room_in_another_language_reads_both_sides_topics_in_it() -> None:
    """Where the configuration has their names there."""
    two = Two()
    for one in (two.north, two.south):
        one.community = replace(one.community, topics=NORTH.topics, own_words=NORTH.own_words)
    two.south.community = replace(two.south.community, languages=("es", "en"))
    two.north.community = replace(two.north.community, topics=("grief",))
    await two.begin()
    await two.says(two.north, f"link {SOUTH_AT}", "We met in spring.", "yes")
    await two.says(two.south, f"enlazar {NORTH_AT}", "sí")
    heard = two.south.last(STEWARDS)
    assert "Temas: duelo\n" in heard


@pytest.mark.parametrize(
    ("south", "helps"),
    [
        (naming("es", {"soledad": ""}), 'such as names.es = "soledad"'),
        (replace(COMMUNITY, topics=("being alone",)), "both sides can give it the same name"),
    ],
    ids=["of another language", "of the same"],
)
async def test_where_no_name_is_known_it_is_said_why_and_what_helps(south: Community, helps: str) -> None:
    """Nothing about a topic crosses then, and the stewards read what to write, and where."""
    two = await linked(replace(COMMUNITY, topics=("loneliness",)), south)
    assert _known(two.north) == frozenset()
    heard = await two.says(two.north, "terms")
    assert "Topics: none, so that only asks without a topic can cross" in heard
    assert "We know none of the topics that they name by that name." in heard
    assert helps in heard
    own = {"es": OwnWords(topics={"loneliness": (south.topics[0].upper(), "")})}
    two.north.community = replace(two.north.community, own_words=own)
    assert _known(two.north) == {"loneliness"}


async def test_what_one_side_alone_knows_is_refused_by_the_other() -> None:
    """The stricter holds: whoever does not know the name takes no ask about it, and puts none."""
    two = await linked(NORTH, naming("es", {"Soledad": ""}))
    await two.south.offers("ben")
    await two.say(two.north, "ana", "talk", "2", "1", "1", "2", NOTE)
    await two.say(two.north, "ana", "change", "linked communities", "yes", "yes")
    assert two.south.records.all(Request) == []
    await two.say(two.south, "ben", "talk", "2", "1", "skip", "2", "Hola.")
    assert "Comunidades enlazadas" in await two.say(two.south, "ben", "change")
    await two.say(two.south, "ben", "2", "1")
    assert "Comunidades enlazadas" not in await two.say(two.south, "ben", "change")


@pytest.mark.parametrize(
    ("said", "ours"),
    [
        ("grief", "grief"),
        ("GRIÉF ", "grief"),
        ("Duelo", "grief"),
        ("deuil", "grief"),
        ("gift", "gift"),
        ("Present", "gift"),
        ("Gift", "gift"),
        ("both", "both"),
        ("ira", "ira"),
    ],
)
def test_a_name_is_known_in_any_language_but_where_it_is_one_of_two(said: str, ours: str) -> None:
    """A topic's own name goes first; what two are called says neither."""
    here = replace(
        COMMUNITY,
        topics=("grief", "gift", "poison"),
        own_words={
            "es": OwnWords(topics={"grief": ("duelo", ""), "gift": ("Both", "")}),
            "fr": OwnWords(topics={"grief": ("Deuil", ""), "gift": ("présent", "")}),
            "de": OwnWords(topics={"poison": ("Gift", "")}),
            "nl": OwnWords(topics={"poison": ("both", "")}),
        },
    )
    assert topics.known(here)(said) == ours
