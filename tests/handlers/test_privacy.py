"""What is held, said from live data; and forgetting, in each state that a member can be in."""

import dataclasses
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from schema.effects import EmptyPeerRoom, LeaveRoom, SendText
from schema.ids import RoomId
from schema.records import Ask, Member, PeerRoom
from tests.handlers.story import WORDS, Story, community
from tests.handlers.test_backup import with_two
from tests.handlers.test_room import ROOM, together


async def nothing(story: Story) -> None:
    """They only said hello."""
    await story.comes("ana")
    await story.comes("ben")


async def drafting(story: Story) -> None:
    """In the middle of asking."""
    await nothing(story)
    await story.says("ana", "talk", "more", "1", "1")
    await story.says("ben", "offer", "1")


async def asked(story: Story) -> None:
    """A request stands, and a question is open."""
    await nothing(story)
    await story.offers("ben")
    await story.asks("ana")


async def reading(story: Story) -> None:
    """Ben reads the note."""
    await asked(story)
    await story.says("ben", "yes")


async def proposed(story: Story) -> None:
    """The second consent is open."""
    await reading(story)
    await story.says("ben", "go on")


async def declined(story: Story) -> None:
    """Ana said no; Ben has not heard yet."""
    await proposed(story)
    await story.says("ana", "2")


async def stepped_back(story: Story) -> None:
    """Ben took his yes back; Ana has not answered."""
    await proposed(story)
    await story.says("ben", "stop", "1")


async def more_time(story: Story) -> None:
    """Ana would like more time, and Ben was asked."""
    await together(story)
    await story.says("ana", "extend", "1")


async def apart(story: Story) -> None:
    """Ben left, and may come back."""
    await together(story)
    await story.leaves("ben", ROOM)


async def absent(story: Story) -> None:
    """Ben never came, and Ana is asked whether she waits."""
    story.arrive = False
    await together(story)
    await story.joins("ana", ROOM)
    await story.wait(timedelta(minutes=31))


async def backed_up(story: Story) -> None:
    """Ben has a room of his own beside."""
    await with_two(story)


async def closed(story: Story) -> None:
    """The room is closed and can be read."""
    await together(story)
    await story.says("ana", "close")


async def erasing(story: Story) -> None:
    """The room is on its way out."""
    await closed(story)
    await story.says("ana", "erase now")
    await story.says("ben", "erase now")


STATES = [
    *(nothing, drafting, asked, reading, proposed, declined, stepped_back),
    *(together, more_time, apart, absent, backed_up, closed, erasing),
]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", ["ana", "ben"])
async def test_after_forget_me_nothing_names_the_member(
    story: Story, state: Callable[[Story], Awaitable[None]], name: str
) -> None:
    """Promise 9: at once, in every state, in every record; and the other's story goes on to its end."""
    await state(story)
    before = len(story.effects)
    story.shared = (RoomId("!other"),)
    answer = await story.says(name, "forget me", "yes")
    assert answer.startswith("Done.")
    left = "\n".join(repr(dataclasses.asdict(row)) for row in story.records.rows.values())
    assert story.id(name) not in left
    assert story.address(name) not in left
    assert story.chat(name) not in left
    ours = [
        effect
        for _, effect in story.effects[before:]
        if isinstance(effect, SendText | LeaveRoom) and effect.room == story.chat(name)
    ]
    assert ours[-1] == LeaveRoom(story.chat(name), also=story.shared)
    forgotten_at = story.now
    await story.wait(timedelta(days=16))
    assert not story.heard(name, forgotten_at + timedelta(seconds=1))
    assert {type(row) for row in story.records.rows.values()} == {Member}, story.records.rows


async def test_forgetting_needs_one_exact_yes(story: Story) -> None:
    """Anything else changes nothing."""
    await story.comes("ana")
    await story.says("ana", "forget me", "yes please, all of it")
    assert story.records.all(Member)
    await story.says("ana", "no")
    assert "Nothing has changed" in story.last("ana")


async def test_afterwards_a_member_is_new(story: Story) -> None:
    """The next message is a first one."""
    await story.comes("ana")
    await story.says("ana", "forget me", "yes")
    assert "Hello. I am a program" in await story.say("ana", "hello")


async def test_the_other_keeps_their_reading_time(story: Story) -> None:
    """Promise 6: nobody's words vanish under them; only the forgotten one is taken out."""
    await closed(story)
    await story.says("ben", "forget me", "yes")
    removed = [effect.members for _, effect in story.effects if isinstance(effect, EmptyPeerRoom)]
    assert removed == [(story.address("ben"),)]
    assert story.records.all(PeerRoom)
    assert "what was done with the room" not in story.last("ana")
    await story.wait(timedelta(days=3))
    assert "what was done with the room" in story.last("ana")


async def test_what_is_held_is_said_from_live_data(story: Story) -> None:
    """Each record of the member has its line, while it is there and not longer."""
    await proposed(story)
    said = await story.say("ana", "what do you hold")
    assert story.address("ana") in said
    assert "What would help: listening. About: burnout. For up to 1 hour." in said
    assert "“It has been a long week.”" in said
    assert "What one person wrote about themselves for you" in said
    assert story.address("ben") not in said
    said = await story.say("ben", "what do you hold")
    assert "Your words about yourself: “I like walks.”" in said
    assert "That I asked you about someone" in said
    assert story.address("ana") not in said
    await story.says("ana", "back", "yes")
    said = await story.say("ana", "what do you hold")
    assert "A room of yours, made" in said
    assert "Your request" not in said


async def test_a_forgotten_asker_is_a_silence_to_the_peer() -> None:
    """Promise 2: Ben hears the same at the same hour, whether Ana was forgotten, said no or nothing."""
    heard = []
    for words in (["forget me", "yes"], ["2"], []):
        story = Story()
        await proposed(story)
        start = story.now
        await story.says("ana", *words)
        await story.wait(start + timedelta(days=1) - story.now)
        heard.append(story.heard("ben", start))
    assert heard[0] == heard[1] == heard[2]


async def test_a_consent_is_kept_in_the_words_that_were_shown(story: Story) -> None:
    """Rule 9: each yes is held with its words, their version and its hour, where it belongs."""
    await story.comes("ana")
    await story.comes("ben")
    await story.offers("ben")
    offered = story.now
    await story.says("ana", "talk", "more", "1", "1", "2", "skip")
    recap, asked = story.last("ana"), story.now + timedelta(seconds=60)
    await story.says("ana", "yes")
    wanted = story.the_request().consent
    await story.wait(timedelta(minutes=2))
    await story.says("ben", "yes", "go on")
    chosen = story.now
    given = [wanted, story.offer_of("ben").consent, *story.ask_of("ben").consents]
    await story.say("ana", "1", pump=False)
    given.append(story.the_pairing().consent)
    for one, name, at in zip(
        given,
        ["ana", "ben", "ben", "ben", "ana"],
        [asked, offered, chosen - timedelta(seconds=60), chosen, story.now],
        strict=True,
    ):
        assert one is not None
        assert any(one.words in line.body for line in story.log if line.name == name), one.words
        assert (one.version, one.given_at) == (WORDS.version("en"), at)
    assert wanted is not None
    assert wanted.words in recap


async def test_what_was_agreed_to_is_said_and_goes_with_its_record(story: Story) -> None:
    """It is in the answer to `what do you hold` while what it allowed stands, and nowhere afterwards."""
    await proposed(story)
    assert "What you agreed to, once" in await story.say("ana", "what do you hold")
    said = await story.say("ana", "my consents")
    assert "You agreed on Friday 27 November" in said
    assert "“This is for people who are 18 or older. I cannot check that." in said
    assert "\nI do not ask people who must report some things by law.\nIf you say yes, I ask up to" in said
    await story.say("ana", "export")
    consent = next(one for one in json.loads(story.files[-1][1])["held"] if one["kind"] == "consent")
    assert consent["version"] == WORDS.version("en")
    assert "What you agreed to, 3 times" in await story.say("ben", "what do you hold")
    assert (await story.say("ben", "my consents")).count("You agreed on") == 3
    await story.says("ben", "stop", "1")
    await story.says("ben", "withdraw")
    assert "Nothing that you agreed to" in await story.say("ben", "my consents")
    await story.says("ana", "back", "3")
    assert "What you agreed to" not in (await story.say("ana", "what do you hold")).split("1. ")[0]
    assert not [row for row in story.records.all(Ask) if row.consents]


_EVERYDAY = {
    "en": ("what do you keep", "What do you keep about me?", "what do you know about me", "my data"),
    "es": ("¿Qué guardas?", "que guardas de mi", "qué sabes de mí", "¿qué datos tienes sobre mí?"),
}


@pytest.mark.parametrize(("language", "said"), [(one, said) for one in _EVERYDAY for said in _EVERYDAY[one]])
async def test_what_is_held_is_asked_for_in_everyday_words_in_mid_question_too(
    language: str, said: str
) -> None:
    """And the question that was open waits."""
    story = Story(community(language), language=language)
    await story.comes("ana")
    await story.say("ana", "talk" if language == "en" else "hablar")
    held = {"en": "This is what I hold about you now", "es": "Esto es lo que guardo sobre ti ahora"}
    assert (await story.say("ana", said)).startswith(held[language])
