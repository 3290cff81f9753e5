"""Two communities on two homeservers that federate, each with a steward; and how these two link them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from service.config import Toml
from tests.journeys.stage import Person
from tests.live.homeserver import Homeserver
from tests.live.instance import QUICK, Instance
from tests.live.member import Member, Message

Side = tuple[Person, Instance]
T = TypeVar("T")


ELM_HOUSE, MILL, QUARRY = "The Elm House", "The Mill", "The Quarry"
"""What they call themselves, in the order of their homeservers."""


_OWN_WORDS: Mapping[str, tuple[str, str]] = {
    "en": (
        "People of this community keep each other company here. Nobody watches over it.",
        "two people of our collective",
    ),
    "es": (
        "Las personas de esta comunidad se acompañan aquí. Nadie vigila nada.",
        "dos personas de nuestro colectivo",
    ),
}
"""What a community whose first language this is says of its limits, and of who runs its homeserver."""


def _is_for_stewards(said: Message) -> bool:
    return any(
        text in said.body for text in ("This room is for its stewards", "sala es para sus responsables")
    )


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
    language: str = "en",
) -> AsyncIterator[Side]:
    """A service that runs on that homeserver, and its one steward in the steward room.

    `admin` gives it a token of its homeserver's administrator; `timings` and `settings` are further keys;
    where a test `overhears` it, what crosses to it is written to a file beside its directory. `language` is
    the one it speaks to whoever chose none.
    """
    limits, who_runs = _OWN_WORDS[language]
    spoken: dict[str, Toml] = {} if language == "en" else {"community.languages": [language, "en"]}
    async with AsyncExitStack() as stack:
        steward = await Member.start(homeserver, kind="nio")
        stack.push_async_callback(steward.close)
        instance = await Instance.make(
            homeserver,
            directory,
            topics=("burnout", "grief"),
            community=community,
            limits=limits,
            who_runs=who_runs,
            timings={**QUICK, **(timings or {})},
            settings={**looked_after(steward), **spoken, **(settings or {})},
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
        await steward.expect(room, where=_is_for_stewards)
        yield Person(steward, room, language), instance


async def together(stack: AsyncExitStack, *starts: AbstractAsyncContextManager[T]) -> list[T]:
    """Enter all of these at once; they end with the stack, also where one of them fails."""
    came = [asyncio.ensure_future(stack.enter_async_context(one)) for one in starts]
    await asyncio.wait(came)
    return [one.result() for one in came]


@asynccontextmanager
async def two_sides(
    federation: list[Homeserver],
    directory: Path,
    *,
    admin: bool = False,
    timings: Mapping[str, str] | None = None,
    settings: Mapping[str, Toml] | None = None,
    overhears: bool = False,
    languages: tuple[str, str] = ("en", "en"),
) -> AsyncIterator[tuple[Side, Side]]:
    """On each of two homeservers what `one_side` is, with the same settings; each speaks its language."""

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
            language=languages[at],
        )

    async with AsyncExitStack() as stack:
        north, south = await together(stack, side(0, ELM_HOUSE), side(1, MILL))
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
