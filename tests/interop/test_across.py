"""Members of two linked communities, on two homeservers that federate, with clients of two makes.

One test plays both ways, since two homeservers and two services are more than a story costs. One community
speaks English and one Spanish, and a member of the first chooses Spanish.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from handlers.words import normal
from tests.journeys.stage import Person, clean, comes
from tests.live import story
from tests.live.fixtures import MemberFactory
from tests.live.homeserver import Homeserver
from tests.live.links import Side, link, two_sides
from tests.live.member import Message

pytestmark = [pytest.mark.live, pytest.mark.interop, pytest.mark.slow]


@pytest.fixture
async def sides(federation: list[Homeserver], tmp_path: Path) -> AsyncIterator[tuple[Side, Side]]:
    """Two linked communities, each with a token of its homeserver's administrator; one speaks Spanish."""
    async with two_sides(federation, tmp_path, admin=True, languages=("en", "es")) as both:
        await link(both)
        yield both


_LINE = {"en": "talk listening", "es": "hablar escuchar"}
_NOTE = {"en": "It was a hard winter.", "es": "Fue un invierno duro."}
_CARD = {"en": "I grow tomatoes.", "es": "Cultivo tomates."}
_MORE = {"en": "30 minutes", "es": "30 minutos"}
"""What people type or read, by the language in which they are spoken to."""

_ENGLISH = {
    *(
        "and",
        "are",
        "can",
        "do",
        "for",
        "from",
        "have",
        "help",
        "if",
        "it",
        "not",
        "of",
        "please",
        "that",
        "the",
    ),
    *(
        "them",
        "there",
        "they",
        "this",
        "to",
        "was",
        "what",
        "when",
        "who",
        "will",
        "with",
        "would",
        "you",
        "your",
    ),
}
"""Words that nothing is said without in English, and that Spanish has not."""


async def _meet(asker: Person, peer: Person, talk_in: str) -> str:
    """The peer has offered in one community, the asker asks in the other; both agree. Returns their room.

    The peer reads that they would talk in `talk_in`.
    """
    language = asker.language
    recap = await story.asks_in_one_line(asker.member, asker.chat, _LINE[language], language=language)
    recap = await story.adds_words(asker.member, asker.chat, recap, _NOTE[language], language=language)
    recap = await story.asks_the_linked_too(asker.member, asker.chat, recap, language=language)
    await asker.chooses(recap, "choice.recap_yes")
    await asker.hears("request.looking_linked")
    asked = await peer.answers("ask.intro_across", "choice.ask_yes")
    assert re.search(f"^(?:In|En) {talk_in},", asked.body, re.MULTILINE), asked.body
    shown = await peer.answers("note.terms_across", "choice.note_yes")
    assert _NOTE[language] in shown.body
    offered = await asker.hears("consent.across")
    assert _CARD[peer.language] in offered.body
    for person, other in ((asker, peer), (peer, asker)):
        assert not [one for one in person.heard() if other.id in one.body]
    await asker.chooses(offered, "choice.consent_yes")
    room = await asker.joins()
    joined = await story.joins_peer_room(
        peer.member, peer.chat, language=peer.language, opened="guest.opened"
    )
    assert joined == room
    return room


async def _has_more_time(asks: Person, other: Person) -> None:
    """One of the two asks for more time and the other has it; each reads that in their language."""
    await asks.writes(story.words_of("command.extend", asks.language))
    said = await asks.hears("extend.how_much")
    await asks.writes(story.number_of(said.body, _MORE[asks.language]))
    await asks.hears("extend.waits")
    await other.answers("extend.question", "choice.extend_yes")
    await other.hears("room.extended")
    await asks.hears("room.extended")


async def _would_again(person: Person, closed: Message) -> None:
    """Asked for what came with the end, the person notes that they would talk again."""
    await person.chooses(closed, "choice.after_again")
    await person.answers("again.recap_linked", "choice.again_yes")
    await person.hears("again.noted_linked")


def _in_spanish_alone(*people: Person) -> None:
    """Nothing that the front desk said to these, whose community's first language it is, is English.

    What stands in quotation marks, or behind ">" as the community's agreement does, is somebody's own words.
    """
    for person in people:
        assert person.language == "es"
        for one in person.heard():
            for line in re.sub("“[^”]*”", "", one.body).split("\n"):
                words = [word for word in map(normal, line.split()) if word in _ENGLISH]
                assert len(words) < 2 or line.startswith(">"), line


async def _both_read_what_went(asker: Person, peer: Person) -> list[Message]:
    return [await asker.hears("receipt.intro"), await peer.hears("guest.receipt")]


async def test_two_makes_of_client_meet_across_two_servers(
    federation: list[Homeserver], sides: tuple[Side, Side], member_factory: MemberFactory
) -> None:
    """Both on the JavaScript SDK: they read each other, one takes a word back and closes, both copies go.

    Then the other way: one on nio asks; the peer, on the JavaScript SDK, had asked before, and leaves.
    """
    (_, north), (tess, south) = sides
    ana = await comes(await member_factory(federation[0], kind="js"), north)
    cam = await comes(await member_factory(federation[1], kind="js"), south, language="es")
    await cam.offers(card=_CARD["es"])
    room = await _meet(ana, cam, "inglés")
    words = [("Hello from here.", "Hello from there."), ("Can you read me?", "Every word.")]
    await story.talk_to_each_other(room, ana.member, cam.member, words)
    hasty = await cam.member.say(room, "I wish I had not said that.")
    await ana.member.expect(room, contains="I wish", sender=cam.id)
    await cam.member.redact(room, hasty)
    await ana.member.sees_redaction(room, hasty)
    await _has_more_time(cam, ana)
    closed = await cam.says("command.close", "guest.closed")
    await ana.hears("room.closed_across")
    for person, receipt in zip((ana, cam), await _both_read_what_went(ana, cam), strict=True):
        for key in ("receipt.purged", "receipt.there_purged"):
            assert story.sentence(key, person.language).search(receipt.body)
    await _would_again(cam, closed)

    dee = await comes(await member_factory(federation[1], kind="nio"), south, language="es")
    # Her community's first language is English, and she chooses Spanish: each hears what they chose.
    await ana.writes("español")
    ana = replace(ana, language="es")
    await ana.hears("language.chosen")
    await ana.offers(card=_CARD["es"])
    # What both are offered after a room came with the answer: what is asked next is not to be taken for that.
    await ana.chooses(ana.heard()[-1], "choice.after_nothing")
    await ana.hears("after.nothing")
    other = await _meet(dee, ana, "español")
    await story.talk_to_each_other(other, dee.member, ana.member)
    await ana.member.leave(other)
    await dee.answers("apart.question_across", "choice.part_close")
    await dee.hears("room.closed_across")
    receipts = await _both_read_what_went(dee, ana)
    assert story.sentence("receipt.purged", "es").search(receipts[0].body)
    _in_spanish_alone(cam, dee, tess)
    clean(ana, cam, dee)
