"""The service as a process: made, started, stopped, killed and started again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.live import story
from tests.live.fixtures import MemberFactory
from tests.live.homeserver import Homeserver
from tests.live.instance import Instance

pytestmark = pytest.mark.live


@pytest.fixture
async def instance(homeserver: Homeserver, tmp_path: Path) -> AsyncIterator[Instance]:
    """An instance that was made and does not run yet."""
    async with await Instance.make(homeserver, tmp_path / "instance") as made:
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
