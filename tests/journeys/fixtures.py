"""One service for most journeys, and people who are forgotten when their journey ends.

Every journey runs on both kinds of database: on SQLite in each check, on PostgreSQL with `--all`.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import pytest
import pytest_asyncio

from service.config.forms import Toml
from tests.journeys.stage import FORGOTTEN, Person, comes
from tests.live.homeserver import Homeserver
from tests.live.instance import Instance
from tests.live.member import Kind, Member
from tests.live.moved import Moved
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


@dataclass(frozen=True)
class Place:
    """Where services are: on a homeserver, on PostgreSQL or SQLite, with a directory each."""

    homeserver: Homeserver
    ground: Postgres | None
    directories: pytest.TempPathFactory

    @property
    def clock(self) -> Moved:
        """The clock that a journey of days sets."""
        assert self.homeserver.clock is not None, "this homeserver goes by the machine's clock"
        return self.homeserver.clock

    @asynccontextmanager
    async def service(
        self,
        name: str,
        timings: Mapping[str, str],
        *,
        admin: bool = False,
        settings: Mapping[str, Toml] | None = None,
    ) -> AsyncIterator[Instance]:
        """A service that is ready, until the context ends."""
        async with AsyncExitStack() as stack:
            url = None
            if self.ground is not None:
                url = await stack.enter_async_context(self.ground.database())
            instance = await Instance.make(
                self.homeserver,
                self.directories.mktemp(name),
                topics=TOPICS,
                admin=admin,
                timings=timings,
                settings={"community.asks_a_day": 50, **(settings or {})},
                database_url=url,
                forked=True,
            )
            await stack.enter_async_context(instance)
            await instance.start()
            await instance.ready()
            yield instance


@pytest.fixture(scope="session")
def place(homeserver: Homeserver, ground: Postgres | None, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Where the services of this run are."""
    return Place(homeserver, ground, tmp_path_factory)


@pytest.fixture(scope="session")
def weeks(ground: Postgres | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Where a journey of days or weeks sets the clock of the services and of their homeserver ahead."""
    server = Homeserver(directory=tmp_path_factory.mktemp("weeks"), moves=True)
    asyncio.run(server.start())
    yield Place(server, ground, tmp_path_factory)
    asyncio.run(server.stop())


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def calm(place: Place) -> AsyncIterator[Instance]:
    """A service that gives people time to answer, takes rooms away soon, and may purge them."""
    async with place.service("calm", CALM, admin=True) as instance:
        yield instance


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hasty(place: Place) -> AsyncIterator[Instance]:
    """A service whose hours are seconds: what a person leaves unanswered is soon over."""
    async with place.service("hasty", HASTY) as instance:
        yield instance


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def twin(place: Place) -> AsyncIterator[Instance]:
    """A service like `hasty` but for its accounts."""
    async with place.service("twin", HASTY) as instance:
        yield instance


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def brief(place: Place) -> AsyncIterator[Instance]:
    """A service that gives people time to answer, whose rooms are over in seconds, and that cannot purge."""
    timings = HASTY | {
        "ask_open": "10 minutes",
        "consent_open": "10 minutes",
        "request_open": "10 minutes",
        # Both have to come in and write in this time; it begins when the room is made.
        "longest": f"{BRIEF_ROOM} seconds",
    }
    async with place.service("brief", timings) as instance:
        yield instance


BRIEF_ROOM = 20
"""Seconds that a room of `brief` lasts."""
CALM = {
    "ask_again": "10 minutes",
    "consent_open": "10 minutes",
    # Journeys look at what can be read, and both ask for its end, within this time.
    "reading": "15 seconds",
    "settle": "1 second",
    "prompt_pause": "0 seconds",
}
HASTY = {
    "ask_again": "5 seconds",
    "ask_open": "24 seconds",
    "consent_open": "12 seconds",
    "request_open": "24 seconds",
    "reading": "5 seconds",
    "settle": "1 second",
    "prompt_pause": "0 seconds",
}
"""Long enough to be answered in on a busy machine, where a journey answers."""


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
    for person, _ in came:
        request.node.add_report_section("teardown", f"transcript of {person.id}", person.member.told())
    # Nobody of one journey is to be asked in the next.
    await asyncio.gather(*(_is_forgotten(person) for person, instance in came if instance.running))
    for instance in {id(instance): instance for _, instance in came}.values():
        request.node.add_report_section("teardown", "log of the service", instance.log_tail())
    await asyncio.gather(*(person.member.close() for person, _ in came))


async def _is_forgotten(person: Person) -> None:
    """The service forgets the person, unless it did already."""
    if any(FORGOTTEN in one.body for one in person.heard()):
        return
    with suppress(AssertionError, RuntimeError):
        await person.member.say(person.chat, "forget me")
        await person.hears("forget.question")
        await person.member.say(person.chat, "yes")
        await person.member.expect(person.chat, contains=FORGOTTEN)
