"""The largest of everything that can be said, and how long lists are read."""

from dataclasses import replace

import pytest

from schema.community import Community, Place
from schema.effects import SendText
from schema.events import Message
from schema.ids import EventId
from service.config.forms import LARGEST_PLACES, PLACE_WORDS
from service.core.sizes import LARGEST_BODY, parts, weight
from tests.handlers.story import COMMUNITY, WORDS, Story

WIDE = "🌱"
"""A character of four bytes: no other takes more of a message."""
_PLACE = Place(WIDE * 120, WIDE * 200, WIDE * 120, WIDE * 120, "not known", WIDE * 40)
_WEIGHT = PLACE_WORDS + sum(map(weight, vars(_PLACE).values()))

LARGEST = Community(
    name=WIDE * 80,
    server="example.org",
    limits=WIDE * 2000,
    who_runs=WIDE * 200,
    zone="America/Argentina/Buenos_Aires",
    topics=tuple(chr(0x1F331 + number) + WIDE * 39 for number in range(12)),
    places=(_PLACE,) * (LARGEST_PLACES // _WEIGHT),
)
"""As much as the configuration takes, of everything that a community writes."""


def _large(effect: object) -> bool:
    return isinstance(effect, SendText) and weight(effect.body) > LARGEST_BODY


async def _say(story: Story, name: str, body: str) -> list[str]:
    event = Message(
        EventId(f"$long-{len(story.log)}"), story.chat(name), story.address(name), body, story.now
    )
    sent = await story.event(replace(event, private=True))
    return [effect.body for effect in sent if isinstance(effect, SendText)]


async def test_the_largest_of_each_message_fits() -> None:
    """With the longest that a community and two members can write, each message goes out whole."""
    story = Story(community=LARGEST)
    ana, ben = "a" * 240, "b" * 240
    everything = " ".join(str(number) for number in range(1, 13))
    await story.says(ben, "hello", "offer", "1", everything, WIDE * 300, "2", "yes", "offer")
    await story.says(ana, "hello", "help now", "talk", "more", "1", everything, "1", WIDE * 500)
    await story.says(ana, "I can't", "menu", "help now", "back", "yes", "status")
    await story.says(ben, "help now", "yes", "yes", "1", "yes")
    # What is held is as much as somebody let wait; it alone goes on in a second message.
    held = "\n".join(await _say(story, ana, "what do you hold"))
    assert WIDE * 500 in held
    assert "What you agreed to" in held
    assert "You agreed on" in "\n".join(await _say(story, ana, "my consents"))
    await story.says(ana, "back", "I can't", "yes", "status", "close", "erase now")
    assert story.effects
    assert not [effect for _, effect in story.effects if _large(effect)]


@pytest.mark.parametrize("language", WORDS.languages)
def test_the_words_of_one_place_fit_what_is_counted_for_them(language: str) -> None:
    """The bound on places counts on this much around each, in every language."""
    blank = dict.fromkeys(("name", "contact", "hours", "languages", "checked"), "")
    polices = ("places.police_yes", "places.police_no", "places.police_unknown")
    police = max((WORDS.text(language, key) for key in polices), key=len)
    assert weight(WORDS.text(language, "places.entry", police=police, **blank)) + 4 <= PLACE_WORDS


def test_what_is_too_large_is_cut_at_the_ends_of_lines() -> None:
    """Nothing of it is lost, nothing is larger than a message, and a line is cut only where it must be."""
    lines = [f"{number} " + "x" * 4000 for number in range(7)]
    cut = list(parts("\n".join(lines)))
    assert len(cut) == 4
    assert "\n".join(cut).split("\n") == lines
    one = list(parts(WIDE * 9000))
    assert "".join(one) == WIDE * 9000
    assert all(weight(part) <= LARGEST_BODY for part in one)
    assert list(parts("short")) == ["short"]


async def test_long_lists_are_read_in_groups() -> None:
    """Rule 2: at most five together, an empty line between, and the numbers run on."""
    topics = tuple(f"topic {number}" for number in range(1, 13))
    story = Story(community=replace(COMMUNITY, topics=topics))
    said = await story.says("ana", "talk", "more", "1")
    listed = said.split("\n\n")
    assert [len(group.split("\n")) for group in listed[1:]] == [4, 4, 4]
    assert listed[2].startswith("5. topic 5\n6. topic 6")
    await story.says("ana", "2 11", "2", "skip")
    assert "About: topic 2 and topic 11." in story.last("ana")
