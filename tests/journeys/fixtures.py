"""One service for most journeys, and people who are forgotten when their journey ends.

Every journey runs on both kinds of database: on SQLite in each check, on PostgreSQL with `--all`.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, suppress
from typing import Protocol

import pytest
import pytest_asyncio

from tests.journeys.stage import Person, comes
from tests.live.homeserver import Homeserver
from tests.live.instance import Instance
from tests.live.member import Kind, Member
from tests.live.postgres import Postgres

TOPICS = ("burnout", "grief")


@pytest.fixture(
    scope="session",
    params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.long])],
)
def ground(request: pytest.FixtureRequest) -> Postgres | None:
    """What the services stand on: PostgreSQL, or None for SQLite; made here, where no loop is running yet."""
    if request.param == "sqlite":
        return None
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def calm(
    homeserver: Homeserver, ground: Postgres | None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Instance]:
    """A service that gives people time to answer, takes rooms away soon, and may purge them."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(ground.database()) if ground is not None else None
        instance = await stack.enter_async_context(await _calm(homeserver, tmp_path_factory, url))
        await instance.start()
        await instance.ready()
        yield instance


async def _calm(
    homeserver: Homeserver, tmp_path_factory: pytest.TempPathFactory, database_url: str | None
) -> Instance:
    return await Instance.make(
        homeserver,
        tmp_path_factory.mktemp("calm"),
        topics=TOPICS,
        admin=True,
        timings={
            "ask_again": "30 seconds",
            "ask_open": "2 minutes",
            "consent_open": "2 minutes",
            "reading": "4 seconds",
            "settle": "1 second",
            "prompt_pause": "0 seconds",
        },
        settings={"community.asks_a_day": 50},
        database_url=database_url,
    )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hasty(
    homeserver: Homeserver, ground: Postgres | None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[Instance]]:
    """Two services, alike but for their accounts, whose hours are seconds; they cannot purge."""
    async with AsyncExitStack() as stack:
        urls = [
            await stack.enter_async_context(ground.database()) if ground is not None else None
            for _ in range(2)
        ]
        instances = await asyncio.gather(*(_hasty(homeserver, tmp_path_factory, url) for url in urls))
        yield list(instances)
        for instance in instances:
            await instance.kill()


async def _hasty(
    homeserver: Homeserver, tmp_path_factory: pytest.TempPathFactory, database_url: str | None
) -> Instance:
    instance = await Instance.make(
        homeserver,
        tmp_path_factory.mktemp("hasty"),
        topics=TOPICS,
        timings={
            "ask_again": "2 seconds",
            "ask_open": "4 seconds",
            "consent_open": "4 seconds",
            "request_open": "8 seconds",
            "longest": "5 seconds",
            "join": "3 seconds",
            "reading": "2 seconds",
            "settle": "1 second",
            "prompt_pause": "0 seconds",
        },
        settings={"community.asks_a_day": 50},
        database_url=database_url,
    )
    await instance.start()
    await instance.ready()
    return instance


class People(Protocol):
    """Start members and have them come to a service."""

    async def __call__(
        self, instance: Instance, names: int | Iterable[str], *, kind: Kind = "nio"
    ) -> list[Person]:
        """As many new members as `names` says, or with these local parts; greeted by the front desk."""
        ...


@pytest_asyncio.fixture(loop_scope="session")
async def people(request: pytest.FixtureRequest) -> AsyncIterator[People]:
    """Members for one journey, whom the service forgets at its end."""
    came: list[tuple[Person, Instance]] = []

    async def come(instance: Instance, name: str, kind: Kind) -> Person:
        member = await Member.start(instance.homeserver, name, kind=kind)
        try:
            person = await comes(member, instance)
        except BaseException:
            request.node.add_report_section("call", f"transcript of {member.user_id}", member.told())
            await member.close()
            raise
        came.append((person, instance))
        return person

    async def start(instance: Instance, names: int | Iterable[str], *, kind: Kind = "nio") -> list[Person]:
        wanted = [f"member-{secrets.token_hex(4)}" for _ in range(names)] if isinstance(names, int) else names
        return list(await asyncio.gather(*(come(instance, name, kind) for name in wanted)))

    yield start
    for person, instance in came:
        request.node.add_report_section("teardown", f"transcript of {person.id}", person.member.told())
        if instance.running:
            # Nobody of one journey is to be asked in the next.
            with suppress(AssertionError, RuntimeError):
                await person.member.say(person.chat, "forget me")
                await person.hears("forget.question", timeout=5)
                await person.member.say(person.chat, "yes")
                await person.member.expect(person.chat, contains="erased here", timeout=5)
    for instance in {id(instance): instance for _, instance in came}.values():
        request.node.add_report_section("teardown", "log of the service", instance.log_tail())
    await asyncio.gather(*(person.member.close() for person, _ in came))
