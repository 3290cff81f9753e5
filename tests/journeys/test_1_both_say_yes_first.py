"""Promise 1: nobody learns a Matrix ID, a display name or a room before both people have agreed."""

import pytest

from tests.journeys.fixtures import People
from tests.journeys.stage import Person, onlooker, rooms_of_keeper
from tests.live import story
from tests.live.instance import Instance

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


def _names(person: Person, other: Person, received: str) -> bool:
    """Whether the person's client has seen anything that names the other."""
    said = "\n".join(f"{one.body}\n{one.formatted_body}\n{one.sender}" for one in person.member.messages)
    return any(mark in text for mark in (other.id, other.name) for text in (said, received))


async def test_no_name_and_no_room_before_both_yes(calm: Instance, people: People) -> None:
    """At each step up to the second yes neither client has received anything of the other; then both have."""
    asker, peer = await people(calm, 2)
    async with onlooker(asker) as asker_receives, onlooker(peer) as peer_receives:

        async def still_unknown() -> None:
            assert not _names(asker, peer, await asker_receives())
            assert not _names(peer, asker, await peer_receives())
            # A room of an earlier journey may be purged meanwhile.
            assert set(rooms_of_keeper(calm)) <= set(before)

        before = rooms_of_keeper(calm)
        await peer.offers()
        await still_unknown()
        await asker.asks()
        await still_unknown()
        await peer.goes_on()
        await still_unknown()
        await asker.hears("consent.intro")
        await still_unknown()
        await asker.writes("yes")
        room = await asker.joins()
        await peer.joins()
        # The same look finds them now, so that it would have found them before.
        assert _names(asker, peer, await asker_receives())
        assert _names(peer, asker, await peer_receives())
        assert set(rooms_of_keeper(calm)) - set(before) == {room}


async def test_words_that_are_not_a_yes_open_nothing(calm: Instance, people: People) -> None:
    """An answer that only holds a yes, a quoted yes and an edited yes are no consent."""
    asker, peer = await people(calm, 2)
    before = rooms_of_keeper(calm)
    await peer.offers()
    await asker.asks()
    await peer.goes_on()
    asked = await asker.hears("consent.intro")
    await asker.writes("yes but I'm scared")
    await asker.hears("odd.not_an_answer")
    await asker.member.say(asker.chat, "yes", reply_to=asked.event_id)
    await asker.hears("odd.quote")
    sent = await asker.member.say(asker.chat, "hm")
    await asker.hears("odd.not_an_answer")
    await asker.member.edit(asker.chat, sent, "yes")
    await asker.hears("odd.edit")
    await asker.writes("no")
    await asker.hears("request.someone_else")
    assert set(rooms_of_keeper(calm)) <= set(before)
    assert not [one for one in asker.heard() if story.sentence("room.opened").search(one.body)]
