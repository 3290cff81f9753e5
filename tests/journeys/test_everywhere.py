"""The one story on the other grounds that a community may have: room version 11, and PostgreSQL."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.journeys.fixtures import People
from tests.journeys.stage import MemberFailed, Person, is_gone, state_of
from tests.live import story
from tests.live.homeserver import Homeserver
from tests.live.instance import QUICK, Instance
from tests.live.postgres import Postgres

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


async def _from_offer_to_receipt(asker: Person, peer: Person, version: str) -> None:
    homeserver = asker.member.homeserver
    await story.offer_time(peer.member, peer.chat, asks_topics=False)
    await story.draft_request(asker.member, asker.chat, asks_topics=False)
    await asker.writes("yes")
    await asker.hears("request.asking")
    await peer.goes_on()
    await asker.agrees()
    room = await asker.joins()
    assert await peer.joins() == room
    state = {str(event["type"]): event["content"] for event in await state_of(homeserver, room)}
    creation = state["m.room.create"]
    assert isinstance(creation, dict)
    assert creation["room_version"] == version
    await story.talk_to_each_other(room, asker.member, peer.member)
    await story.closes(peer.member, peer.chat)
    for person in (asker, peer):
        with pytest.raises(MemberFailed):
            await person.member.say(room, "One more word.")
    for person in (asker, peer):
        receipt = await person.hears("receipt.intro")
        assert story.words_of("receipt.purged") in receipt.body
    assert await is_gone(homeserver, room)
    await asker.asks_to_be_forgotten()
    await peer.asks_to_be_forgotten()


async def test_room_version_11(
    homeserver_of_version: Callable[[str], Awaitable[Homeserver]], people: People, tmp_path: Path
) -> None:
    """Where rooms are of version 11, the story is the same."""
    homeserver = await homeserver_of_version("11")
    async with await Instance.make(homeserver, tmp_path, timings=QUICK, admin=True, forked=True) as instance:
        await instance.start()
        await instance.ready()
        asker, peer = await people(instance, 2)
        await _from_offer_to_receipt(asker, peer, "11")
        await instance.stop()


async def test_postgresql(homeserver: Homeserver, postgres: Postgres, people: People, tmp_path: Path) -> None:
    """On PostgreSQL the story is the same, and a killed service comes back to it at once."""
    async with (
        postgres.database() as url,
        await Instance.make(
            homeserver, tmp_path, timings=QUICK, admin=True, database_url=url, forked=True
        ) as instance,
    ):
        await instance.start()
        await instance.ready()
        asker, peer = await people(instance, 2)
        await instance.kill()
        await instance.start()
        await instance.ready()
        await _from_offer_to_receipt(asker, peer, "12")
        await instance.stop()
