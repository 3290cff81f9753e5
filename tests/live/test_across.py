"""Two members of two linked communities, on two homeservers that federate, meet and part."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.live import story
from tests.live.fixtures import MemberFactory
from tests.live.homeserver import Homeserver
from tests.live.links import Side, link, two_sides
from tests.live.member import Member

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.fixture
async def sides(federation: list[Homeserver], tmp_path: Path) -> AsyncIterator[tuple[Side, Side]]:
    """Two communities that are linked, each with a token of its homeserver's administrator."""
    async with two_sides(federation, tmp_path, admin=True) as both:
        await link(both)
        yield both


async def _asks_the_linked_too(member: Member, chat: str) -> None:
    """The member asks for company, through the yes to the recap that names the linked communities."""
    recap = await story.draft_request(member, chat)
    await story.chooses(member, chat, recap, "choice.recap_change")
    said = await story.hears(member, chat, "talk.change")
    await story.chooses(member, chat, said, "choice.change_linked")
    said = await story.hears(member, chat, "talk.linked")
    await story.chooses(member, chat, said, "choice.linked_yes")
    recap = await story.hears(member, chat, "talk.recap_linked")
    assert "“The Mill”" in recap.body
    await story.chooses(member, chat, recap, "choice.recap_yes")
    await story.hears(member, chat, "request.looking_linked")


async def test_two_members_of_two_communities_meet_and_part(
    federation: list[Homeserver], sides: tuple[Side, Side], member_factory: MemberFactory
) -> None:
    """Both consent, talk in a room across two servers, one ends it, and both read what each side erased."""
    (_, north), (_, south) = sides
    asker = await member_factory(federation[0], kind="nio")
    peer = await member_factory(federation[1], kind="nio")
    peer_chat = await story.comes(peer, south.desk_user)
    await story.offer_time(peer, peer_chat)
    chat = await story.comes(asker, north.desk_user)
    await _asks_the_linked_too(asker, chat)
    asked = await story.hears(peer, peer_chat, "ask.intro_across")
    assert "“The Elm House”" in asked.body
    assert asker.user_id not in asked.body
    await story.chooses(peer, peer_chat, asked, "choice.ask_yes")
    note = await story.hears(peer, peer_chat, "note.terms_across")
    assert "It has been a long week." in note.body
    await story.chooses(peer, peer_chat, note, "choice.note_yes")
    consent = await story.hears(asker, chat, "consent.across")
    assert "“The Mill”" in consent.body
    assert peer.user_id not in consent.body
    await story.agrees(asker, chat, consent)
    room = await story.joins_peer_room(asker, chat)
    assert await story.joins_peer_room(peer, peer_chat, opened="guest.opened") == room
    await story.talk_to_each_other(room, asker, peer)
    await peer.say(peer_chat, story.words_of("command.close"))
    await story.hears(peer, peer_chat, "guest.closed")
    await story.hears(asker, chat, "room.closed_across")
    for member, where, intro in ((asker, chat, "receipt.intro"), (peer, peer_chat, "guest.receipt")):
        receipt = await story.hears(member, where, intro)
        assert story.sentence("receipt.purged").search(receipt.body)
        assert story.sentence("receipt.there_purged").search(receipt.body)
