"""Promise 10: what the service cannot keep anybody from is said before it asks for a yes."""

import pytest

from tests.journeys.fixtures import People
from tests.live import story
from tests.live.instance import Instance

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


async def test_said_before_the_yes(calm: Instance, people: People) -> None:
    """Each limit that matters stands in what the member reads before the answer that it is about."""
    asker, peer = await people(calm, 2)
    hello = asker.heard()[0].body
    for words in ("I am a program", "Nothing here is an emergency service", "can be read by this program"):
        assert words in hello
    assert "Nobody watches over it." in hello, "the community's own words are missing"
    await peer.offers(fear="choice.fear_report")
    await asker.asks(note="It has been a long week.", hears_of="request.nobody")
    note = next(one.body for one in asker.heard() if story.sentence("talk.note").search(one.body))
    for words in ("One person at a time can read them", "This program can read them too", "whoever runs it"):
        assert words in note
    await peer.writes("withdraw")
    await peer.hears("offer.withdrawn")
    # Whatever they had been asked before that stands before it in their chat.
    assert not [one for one in peer.heard() if story.sentence("ask.intro").search(one.body)], (
        "somebody who must report was asked, though nobody had allowed it"
    )
    await asker.writes("stop")
    await asker.hears("request.withdrawn")
    await peer.offers(fear="choice.fear_tell_first")
    await asker.asks()
    asked = await story.is_asked(peer.member, peer.chat)
    assert "Neither of you sees who the other is until you have both agreed" in asked.body
    shown = await story.says_yes(peer.member, peer.chat, asked)
    await story.goes_on(peer.member, peer.chat, shown)
    consent = await story.is_offered(asker.member, asker.chat)
    for words in (
        asker.id,
        "An address once seen cannot be taken back",
        "Only you two can read what is said there",
        "Copies can stay on phones",
        "Whoever runs our server (two people of our collective) can see that you two shared a room and when",
        "They are a person and decide for themselves what they do",
        "If they feared for your life: they would tell you first",
        "If you say no, nothing changes for you",
    ):
        assert words in consent.body
    assert peer.id not in consent.body
