"""Members of two linked communities, on two homeservers that federate, with clients of two makes.

One test plays both ways, since two homeservers and two services are more than a story costs.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.journeys.stage import Person, clean, comes
from tests.live import story
from tests.live.fixtures import MemberFactory
from tests.live.homeserver import Homeserver
from tests.live.links import Side, link, two_sides
from tests.live.member import Message

pytestmark = [pytest.mark.live, pytest.mark.interop, pytest.mark.slow]


@pytest.fixture
async def sides(federation: list[Homeserver], tmp_path: Path) -> AsyncIterator[tuple[Side, Side]]:
    """Two communities that are linked, each with a token of its homeserver's administrator."""
    async with two_sides(federation, tmp_path, admin=True) as both:
        await link(both)
        yield both


async def _meet(asker: Person, peer: Person) -> str:
    """The peer has offered in one community, the asker asks in the other; both agree. Returns their room."""
    recap = await story.asks_in_one_line(asker.member, asker.chat, "talk listening")
    recap = await story.adds_words(asker.member, asker.chat, recap, "It was a hard winter.")
    recap = await story.asks_the_linked_too(asker.member, asker.chat, recap)
    await story.chooses(asker.member, asker.chat, recap, "choice.recap_yes")
    await asker.hears("request.looking_linked")
    await peer.answers("ask.intro_across", "choice.ask_yes")
    shown = await peer.answers("note.terms_across", "choice.note_yes")
    assert "It was a hard winter." in shown.body
    offered = await asker.hears("consent.across")
    assert "I grow tomatoes." in offered.body
    for person, other in ((asker, peer), (peer, asker)):
        assert not [one for one in person.heard() if other.id in one.body]
    await story.agrees(asker.member, asker.chat, offered)
    room = await asker.joins()
    assert await story.joins_peer_room(peer.member, peer.chat, opened="guest.opened") == room
    return room


async def _both_read_what_went(asker: Person, peer: Person) -> list[Message]:
    return [await asker.hears("receipt.intro"), await peer.hears("guest.receipt")]


async def test_two_makes_of_client_meet_across_two_servers(
    federation: list[Homeserver], sides: tuple[Side, Side], member_factory: MemberFactory
) -> None:
    """Both on the JavaScript SDK: they read each other, one takes a word back and closes, both copies go.

    Then the other way: one on nio asks; the peer, on the JavaScript SDK, had asked before, and leaves.
    """
    (_, north), (_, south) = sides
    ana = await comes(await member_factory(federation[0], kind="js"), north)
    cam = await comes(await member_factory(federation[1], kind="js"), south)
    await cam.offers(card="I grow tomatoes.")
    room = await _meet(ana, cam)
    words = [("Hello from here.", "Hello from there."), ("Can you read me?", "Every word.")]
    await story.talk_to_each_other(room, ana.member, cam.member, words)
    hasty = await cam.member.say(room, "I wish I had not said that.")
    await ana.member.expect(room, contains="I wish", sender=cam.id)
    await cam.member.redact(room, hasty)
    await ana.member.sees_redaction(room, hasty)
    await cam.says("command.close", "guest.closed")
    await ana.hears("room.closed_across")
    for receipt in await _both_read_what_went(ana, cam):
        assert story.sentence("receipt.purged").search(receipt.body)
        assert story.sentence("receipt.there_purged").search(receipt.body)

    dee = await comes(await member_factory(federation[1], kind="nio"), south)
    await ana.offers(card="I grow tomatoes.")
    # What both are offered after a room came with the answer: what is asked next is not to be taken for that.
    await story.chooses(ana.member, ana.chat, ana.heard()[-1], "choice.after_nothing")
    await ana.hears("after.nothing")
    other = await _meet(dee, ana)
    await story.talk_to_each_other(other, dee.member, ana.member)
    await ana.member.leave(other)
    await dee.answers("apart.question_across", "choice.part_close")
    await dee.hears("room.closed_across")
    receipts = await _both_read_what_went(dee, ana)
    assert story.sentence("receipt.purged").search(receipts[0].body)
    clean(ana, cam, dee)
