"""The service as a process: made, started, stopped, killed and started again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.live import story
from tests.live.fixtures import MemberFactory
from tests.live.homeserver import Homeserver
from tests.live.instance import Instance
from tests.live.postgres import Postgres

pytestmark = pytest.mark.live

_WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
"""A row for each session that waits for a row which another holds."""


@pytest.fixture
async def instance(homeserver: Homeserver, tmp_path: Path) -> AsyncIterator[Instance]:
    """An instance that was made and does not run yet."""
    async with await Instance.make(homeserver, tmp_path / "instance", forked=True) as made:
        yield made


async def test_it_is_taken_up_where_it_was(
    homeserver: Homeserver, member_factory: MemberFactory, instance: Instance
) -> None:
    """Killed, it starts again without waiting, and answers the question that was open; SIGTERM ends it."""
    await instance.start()
    await instance.ready()
    member = await member_factory(homeserver, kind="nio")
    chat, menu = await story.is_greeted(member, instance.desk_user)
    await story.chooses(member, chat, menu, "choice.talk")
    recap = await story.hears(member, chat, "talk.recap")
    await story.chooses(member, chat, recap, "choice.recap_more")
    wish = await story.hears(member, chat, "talk.wish")
    await instance.kill()
    await story.chooses(member, chat, wish, "wish.listening")
    await instance.start()
    await instance.ready()
    await story.hears(member, chat, "talk.length")
    await instance.restart()
    assert await instance.stop() < 5


async def test_one_process_serves_a_database(instance: Instance) -> None:
    """A second process is told who serves the database, and ends."""
    await instance.start()
    await instance.ready()
    said = await instance.command("run", exits=2)
    assert f"process {instance.pid}" in said
    assert instance.running


async def test_it_ends_at_a_fail_point(instance: Instance) -> None:
    """Asked by its environment it ends in the middle, and the next start is well."""
    await instance.start({"ALONGSIDE_FAIL_AT": "before commit generation#1"})
    assert await instance.wait_dead() == 137
    await instance.start()
    await instance.ready()


async def test_it_ends_while_its_homeserver_hangs(instance: Instance, homeserver: Homeserver) -> None:
    """SIGTERM ends it within five seconds while every request of its hangs."""
    await instance.start()
    await instance.ready()
    homeserver.pause()
    try:
        assert await instance.stop() < 5
    finally:
        homeserver.resume()


async def test_it_ends_while_it_still_starts(
    instance: Instance, homeserver: Homeserver, tmp_path: Path
) -> None:
    """SIGTERM ends it within five seconds while it waits for its first answer."""
    points = tmp_path / "points"
    homeserver.pause()
    try:
        await instance.start({"ALONGSIDE_FAIL_LOG": str(points)})
        async with asyncio.timeout(60):
            while True:
                if points.exists() and "before whoami" in points.read_text():
                    break
                await asyncio.sleep(0.05)
        assert await instance.stop() < 5
    finally:
        homeserver.resume()
    await instance.start()
    await instance.ready()


async def test_a_stop_finishes_the_turn_in_hand(
    homeserver: Homeserver, member_factory: MemberFactory, postgres: Postgres, tmp_path: Path
) -> None:
    """SIGTERM waits for a turn whose row somebody else holds; it is committed then, and answered once."""
    async with (
        postgres.database() as url,
        await Instance.make(homeserver, tmp_path / "instance", database_url=url, forked=True) as instance,
    ):
        await instance.start()
        await instance.ready()
        member = await member_factory(homeserver, kind="nio")
        chat, menu = await story.is_greeted(member, instance.desk_user)
        other = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            holding = other.transaction()
            await holding.start()
            await other.execute("SELECT id FROM members FOR UPDATE")
            await story.chooses(member, chat, menu, "choice.talk")
            async with asyncio.timeout(60):
                while not await postgres.fetch(url, _WAITING):  # noqa: ASYNC110  Another process waits.
                    await asyncio.sleep(0.03)
            stopping = asyncio.create_task(instance.stop())
            # Well below the three seconds for which it waits for a turn: what is shown is shown by the inbox.
            done, _ = await asyncio.wait({stopping}, timeout=0.5)
            assert not done, "it stopped in the middle of a turn"
            await holding.rollback()
        finally:
            await other.close()
        assert await stopping < 5
        assert await postgres.fetch(url, "SELECT seq FROM inbox") == []
        await instance.start()
        await instance.ready()
        asked = await story.hears(member, chat, "talk.recap")
        await member.say(chat, "status")
        await story.hears(member, chat, "status.question")
        assert [one.body for one in member.messages].count(asked.body) == 1
