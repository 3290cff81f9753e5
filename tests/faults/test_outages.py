"""What is not there for a while: the homeserver, its answers, the database, room on the disk.

Promise 3: nothing is lost through it, nothing is said twice, and the service says how it is.
"""

import asyncio
import resource
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing

import aiohttp
import pytest
import pytest_asyncio

from tests.faults.crash import until
from tests.journeys.fixtures import CALM, People, Place
from tests.journeys.stage import PASSING, Person, counts
from tests.live import story
from tests.live.instance import Instance

pytestmark = [
    pytest.mark.live,
    pytest.mark.crash,
    pytest.mark.asyncio(loop_scope="session"),
    # A lock on the database's file and a disk that is full are made by hand, as they come to SQLite.
    pytest.mark.parametrize("ground", ["sqlite"], indirect=True),
]


async def _readiness(instance: Instance) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{instance.port}/readyz") as answer,
    ):
        return answer.status, await answer.text()


def _times(person: Person, key: str) -> int:
    return sum(story.sentence(key).search(one.body) is not None for one in person.heard())


async def _on_the_way(instance: Instance, people: People) -> tuple[Person, Person]:
    """A request whose peer was asked."""
    asker, peer = await people(instance, 2)
    await peer.offers()
    await asker.asks()
    return asker, peer


async def _to_the_end(asker: Person, peer: Person) -> None:
    await asker.agrees()
    room = await asker.joins()
    assert await peer.joins() == room
    await story.talk_to_each_other(room, asker.member, peer.member)
    assert _times(asker, "consent.intro") == 1
    assert _times(asker, "room.opened") == _times(peer, "room.opened") == 1


async def test_the_homeserver_is_killed(calm: Instance, people: People) -> None:
    """A homeserver that dies between a yes and its answer brings both back as they were."""
    asker, peer = await _on_the_way(calm, people)
    asked = await story.is_asked(peer.member, peer.chat)
    await story.chooses(peer.member, peer.chat, asked, "choice.ask_yes")
    await calm.homeserver.kill()
    await calm.homeserver.start()
    note = await peer.hears("note.terms")
    await story.goes_on(peer.member, peer.chat, note)
    await _to_the_end(asker, peer)


@pytest.mark.long
async def test_the_homeserver_hangs(calm: Instance, people: People) -> None:
    """A homeserver that takes connections and answers nothing for 20 seconds loses nothing."""
    asker, peer = await _on_the_way(calm, people)
    asked = await story.is_asked(peer.member, peer.chat)
    note = await story.says_yes(peer.member, peer.chat, asked)
    calm.homeserver.pause()
    try:
        going = asyncio.create_task(story.goes_on(peer.member, peer.chat, note))
        await asyncio.sleep(20)  # The outage itself: nothing is there to be waited for.
        assert calm.running
    finally:
        calm.homeserver.resume()
    await going
    await _to_the_end(asker, peer)


async def test_the_database_is_locked(calm: Instance, people: People) -> None:
    """While another program holds the database, answers wait; then each comes once."""
    asker, peer = await _on_the_way(calm, people)
    asked = await story.is_asked(peer.member, peer.chat)
    assert calm.database is not None
    said = len(calm.log.read_text())
    with closing(sqlite3.connect(calm.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await story.chooses(peer.member, peer.chat, asked, "choice.ask_yes")
        # SQLite waits for a lock by itself for a while; then the service has to.
        await until(lambda: "service.store" in calm.log.read_text()[said:], "a word about the database")
        assert calm.running
        status, told = await _readiness(calm)
        assert status == 503
        assert "database" in told
        other.execute("ROLLBACK")
    note = await peer.hears("note.terms")
    assert _times(peer, "note.terms") == 1
    await story.goes_on(peer.member, peer.chat, note)
    await _to_the_end(asker, peer)


@pytest_asyncio.fixture(loop_scope="session")
async def small(place: Place) -> AsyncIterator[Instance]:
    """A service like `calm` that nobody has used: its log is short, and no room is on its way out."""
    async with place.service("small", CALM, admin=True) as instance:
        yield instance


async def test_the_disk_takes_no_more(small: Instance, people: People) -> None:
    """Where nothing more can be written the service stops and says why; with room again it goes on."""
    asker, peer = await _on_the_way(small, people)
    asked = await story.is_asked(peer.member, peer.chat)
    assert small.pid is not None
    # What was sent is dropped a moment after it was heard.
    await until(lambda: not counts(small).keys() & set(PASSING), "the end of what was on its way")
    before = counts(small)
    # It can write to the beginning of its files alone, and cannot say more in its log either.
    said = small.log.stat().st_size
    unlimited = resource.prlimit(small.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(small.pid, resource.RLIMIT_FSIZE, (max(said + 8192, 16384), unlimited[1]))
    await story.chooses(peer.member, peer.chat, asked, "choice.ask_yes")
    assert await small.wait_dead() == 2
    assert "The disk that holds the database" in small.log.read_text()[said:]
    assert counts(small) == before
    await small.start()
    await small.ready()
    note = await peer.hears("note.terms")
    assert _times(peer, "note.terms") == 1
    await story.goes_on(peer.member, peer.chat, note)
    await _to_the_end(asker, peer)
