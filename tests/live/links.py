"""Two communities on two homeservers that federate, each with a steward; and how these two link them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from service.config import Toml
from tests.journeys.stage import Person
from tests.live.homeserver import Homeserver
from tests.live.instance import QUICK, Instance
from tests.live.member import Member

Side = tuple[Person, Instance]


ELM_HOUSE, MILL, QUARRY = "The Elm House", "The Mill", "The Quarry"
"""What they call themselves, in the order of their homeservers."""


def looked_after(steward: Member) -> dict[str, Toml]:
    """What a service that can link is configured with: a steward."""
    return {"community.stewards": [steward.user_id]}


@asynccontextmanager
async def one_side(
    homeserver: Homeserver,
    directory: Path,
    community: str,
    *,
    admin: bool = False,
    timings: Mapping[str, str] | None = None,
    settings: Mapping[str, Toml] | None = None,
    overhears: bool = False,
) -> AsyncIterator[Side]:
    """A service that runs on that homeserver, and its one steward in the steward room.

    `admin` gives it a token of its homeserver's administrator; `timings` and `settings` are further keys;
    where a test `overhears` it, what crosses to it is written to a file beside its directory.
    """
    async with AsyncExitStack() as stack:
        steward = await Member.start(homeserver, kind="nio")
        stack.push_async_callback(steward.close)
        instance = await Instance.make(
            homeserver,
            directory,
            topics=("burnout", "grief"),
            community=community,
            timings={**QUICK, **(timings or {})},
            settings={**looked_after(steward), **(settings or {})},
            admin=admin,
            forked=True,
        )
        if overhears:
            instance.overheard = directory.with_suffix(".overheard")
            instance.overheard.touch()
        await stack.enter_async_context(instance)
        await instance.start()
        await instance.ready()
        room = (await steward.invited()).room
        await steward.join(room)
        await steward.expect(room, contains="This room is for its stewards")
        yield Person(steward, room), instance


@asynccontextmanager
async def two_sides(
    federation: list[Homeserver],
    directory: Path,
    *,
    admin: bool = False,
    timings: Mapping[str, str] | None = None,
    settings: Mapping[str, Toml] | None = None,
    overhears: bool = False,
) -> AsyncIterator[tuple[Side, Side]]:
    """On each of two homeservers what `one_side` is, with the same settings."""

    def side(at: int, community: str) -> AbstractAsyncContextManager[Side]:
        place = directory / f"side-{at}"
        return one_side(
            federation[at],
            place,
            community,
            admin=admin,
            timings=timings,
            settings=settings,
            overhears=overhears,
        )

    async with side(0, ELM_HOUSE) as north, side(1, MILL) as south:
        yield north, south


async def says_yes(steward: Person, key: str) -> None:
    """Be asked, and say yes."""
    await steward.hears(key)
    await steward.writes("1")


async def link(sides: tuple[Side, Side]) -> None:
    """Link the two, using only what the service says: who asks, in which words, six words to compare."""
    (sam, north), (tess, south) = sides
    await sam.writes(f"link {south.desk_user}")
    await sam.hears("link.ask_words")
    await sam.writes("We met in spring.")
    await says_yes(sam, "link.recap")
    asked = await tess.hears("link.asked")
    assert north.desk_user in asked.body
    assert "spring" not in asked.body
    await tess.writes(f"link {north.desk_user}")
    await says_yes(tess, "link.ask_join")
    hello = await tess.hears("link.hello")
    assert "We met in spring." in hello.body
    assert north.community in hello.body
    await tess.writes(f"link {north.desk_user}")
    await tess.hears("link.ask_words")
    await tess.writes("Welcome.")
    await says_yes(tess, "link.agree_recap")
    await same_words(sides, "link.live")


async def same_words(sides: tuple[Side, Side], done: str) -> None:
    """Both stewards are shown the same six words, compare them, and hear the sentence `done`."""
    (sam, north), (tess, south) = sides
    words = [(await steward.hears("link.words")).body.split("\n")[1] for steward in (sam, tess)]
    assert words[0] == words[1]
    assert len(words[0].split(", ")) == 6
    for steward, other in ((sam, south), (tess, north)):
        await steward.writes(f"link {other.desk_user}")
        await says_yes(steward, "link.compare")
    for steward in (sam, tess):
        await steward.hears(done)
