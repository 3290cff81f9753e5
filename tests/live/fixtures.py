"""Real homeservers, members and databases as fixtures.

Rules guarded here:
- One homeserver and one federation serve the whole run; every test has accounts of its own.
- What is missing fails the test that needs it, and never skips it.
- A failing test shows the transcripts of its members and the end of its homeservers' logs.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Protocol

import pytest

from tests.live.homeserver import Homeserver, federated
from tests.live.member import Kind, Member
from tests.live.postgres import Postgres


class MemberFactory(Protocol):
    """Start a member with an account of its own, who is gone when the test ends."""

    async def __call__(
        self,
        homeserver: Homeserver,
        localpart: str | None = None,
        *,
        kind: Kind = "js",
        password: str | None = None,
        register: bool = True,
        signed: bool = True,
    ) -> Member:
        """Start one member; the arguments are those of `Member.start`."""
        ...


# The servers outlive any test's event loop, so they are started and stopped each in a loop of its own.


@pytest.fixture(scope="session")
def homeserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homeserver]:
    """One homeserver for the whole run, with room version 12 as its default and no rate limits."""
    server = Homeserver(directory=tmp_path_factory.mktemp("homeserver"))
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture(scope="session")
def homeserver_of_version(
    homeserver: Homeserver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Awaitable[Homeserver]]]:
    """Give the run's homeserver whose new rooms have this version."""
    servers: dict[str, Homeserver] = {}

    async def serve(version: str) -> Homeserver:
        if version == homeserver.room_version:
            return homeserver
        if version not in servers:
            directory = tmp_path_factory.mktemp(f"homeserver-of-version-{version}")
            server = Homeserver(room_version=version, directory=directory)
            await server.start()
            servers[version] = server
        return servers[version]

    yield serve
    for server in servers.values():
        asyncio.run(server.stop())


@pytest.fixture(scope="session")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Homeserver]]:
    """Two homeservers for the whole run that federate with one another."""
    servers = federated(2, tmp_path_factory.mktemp("federation"))

    async def start() -> None:
        await asyncio.gather(*(server.start() for server in servers))

    asyncio.run(start())
    yield servers
    for server in servers:
        asyncio.run(server.stop())


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL cluster for the whole run; `database` gives fresh databases in it."""
    cluster = Postgres()
    asyncio.run(cluster.start())
    yield cluster
    asyncio.run(cluster.stop())


@pytest.fixture
async def member_factory(request: pytest.FixtureRequest) -> AsyncIterator[MemberFactory]:
    """Start members for one test."""
    members: list[Member] = []

    async def start(
        homeserver: Homeserver,
        localpart: str | None = None,
        *,
        kind: Kind = "js",
        password: str | None = None,
        register: bool = True,
        signed: bool = True,
    ) -> Member:
        member = await Member.start(
            homeserver, localpart, kind=kind, password=password, register=register, signed=signed
        )
        members.append(member)
        return member

    yield start
    for member in members:
        request.node.add_report_section("teardown", f"transcript of {member.user_id}", member.told())
    for server in {id(member.homeserver): member.homeserver for member in members}.values():
        request.node.add_report_section("teardown", f"log of {server.name}", server.log_tail())
    await asyncio.gather(*(member.close() for member in members))
