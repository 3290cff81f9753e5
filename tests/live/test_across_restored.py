"""One of two linked services is restored from an old backup, while something crosses."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from schema.records import Link
from schema.states import LinkState
from service.config import Toml
from tests.live import across, story
from tests.live.homeserver import Homeserver
from tests.live.instance import Instance
from tests.live.links import ELM_HOUSE, MILL, Side, link, same_words, two_sides

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

_TIMINGS = {
    # All hours at which somebody who waits hears that nothing comes of it come while the test looks.
    "join": "10 seconds",
    "consent_open": "60 seconds",
    "request_open": "90 seconds",
    "rest": "0 seconds",
    "idle": "5 seconds",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sides(
    federation: list[Homeserver], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Side, Side]]:
    """Two communities that are linked."""
    directory = tmp_path_factory.mktemp("restored")
    settings: dict[str, Toml] = {"community.asks_a_day": 50, "community.topics": ["burnout", "grief"]}
    async with two_sides(federation, directory, admin=True, timings=_TIMINGS, settings=settings) as both:
        await link(both)
        yield both


def _back_up(instance: Instance, to: Path) -> None:
    """Copy the database while the service runs, as OPERATING.md says."""
    assert instance.database is not None
    with closing(sqlite3.connect(instance.database)) as live, closing(sqlite3.connect(to)) as copy:
        live.backup(copy)


def _put_back(instance: Instance, backup: Path) -> None:
    assert instance.database is not None
    for part in ("-wal", "-shm"):
        instance.database.with_name(instance.database.name + part).unlink(missing_ok=True)
    instance.database.write_bytes(backup.read_bytes())


async def _restore(instance: Instance, backup: Path) -> None:
    """Put the backup in the database's place, as OPERATING.md says; the service can be started then."""
    await instance.stop()
    _put_back(instance, backup)
    await instance.command("run", exits=2)
    await instance.command("restored", "--yes")
    secret = instance.secret("registration-secret", instance.homeserver.shared_secret)
    await instance.command("init", "--sign-in", "desk", "--registration-secret-file", secret)


async def test_a_service_is_restored_while_something_crosses(
    federation: list[Homeserver], sides: tuple[Side, Side], tmp_path: Path
) -> None:
    """Both stewards see it and compare words anew; whoever waits hears an end at their hour; then it works.

    Before the words are compared nothing about a member crosses, in either direction.
    """
    (sam, north), (tess, south) = sides
    async with across.members(*((one, "member") for one in federation for _ in range(2))) as came:
        ours = await across.all_come(came[:2], north)
        theirs = await across.all_come(came[2:], south)
        topics = ("burnout", "grief")
        for peer, topic in zip(theirs, topics, strict=True):
            await story.offer_time(peer.member, peer.chat, topics=[topic])
        # The first two are so far that both have only to meet, the other two hear of one another later.
        await across.asks(ours[0], MILL, topic=topics[0])
        await across.goes_on(theirs[0], ELM_HOUSE)
        offered = await across.is_offered(ours[0], MILL)
        backup = tmp_path / "backup.db"
        _back_up(south, backup)
        # Each start raises the number by which an older database is known, and so do five minutes.
        await south.restart()
        await across.asks(ours[1], MILL, topic=topics[1])
        await across.goes_on(theirs[1], ELM_HOUSE)
        later = await across.is_offered(ours[1], MILL)
        before = (await across.records(south, Link))[0].epochs[0]

        await _restore(south, backup)
        # This is said to a desk that is not there, and comes to one that takes no such word any more.
        for asker, asked in ((ours[0], offered), (ours[1], later)):
            await asker.chooses(asked, "choice.consent_yes")
            await asker.hears("consent.introduced")
        await south.start()
        await south.ready()
        await asyncio.gather(*(steward.hears("link.resync") for steward in (sam, tess)))
        for instance in (north, south):
            assert (await across.records(instance, Link))[0].state is LinkState.RESYNC
        for asker in ours:
            await asker.hears("pairing.not_this_time_go_on")
        # Of what came before the backup the peer hears; of what came after it the service knows nothing.
        await theirs[0].hears("pairing.not_this_time")
        opened = story.sentence("guest.opened")
        assert not any(opened.search(one.body) for peer in theirs for one in peer.heard())
        for asker in ours:
            await asker.hears("again.nobody")
            # An offer to look again is open; it is not taken up.
            await asker.writes("menu")
        for instance in (north, south):
            await across.nothing_waits(instance)

        await same_words(sides, "link.renewed")
        after = (await across.records(south, Link))[0].epochs
        assert [one.number for one in after] == [before.number + 1]
        await across.asks(ours[0], MILL, topic=topics[0])
        await across.goes_on(theirs[0], ELM_HOUSE)
        await ours[0].chooses(await across.is_offered(ours[0], MILL), "choice.consent_yes")
        await across.come_together(ours[0], theirs[0])
        await across.part(ours[0], theirs[0], by_asker=True)
        for instance in (north, south):
            await across.nothing_waits(instance)
