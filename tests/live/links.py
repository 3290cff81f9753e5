"""Two communities on two homeservers that federate, each with a steward; and how these two link them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.journeys.stage import Person
from tests.live.homeserver import Homeserver
from tests.live.instance import Instance
from tests.live.member import Member

Side = tuple[Person, Instance]


@asynccontextmanager
async def two_sides(
    federation: list[Homeserver], directory: Path, *, admin: bool = False
) -> AsyncIterator[tuple[Side, Side]]:
    """On each homeserver a service that runs, and its one steward in the steward room.

    `admin` gives each a token of its homeserver's administrator.
    """
    async with AsyncExitStack() as stack:
        sides = []
        for at, homeserver in enumerate(federation):
            steward = await Member.start(homeserver, kind="nio")
            stack.push_async_callback(steward.close)
            instance = await Instance.make(
                homeserver,
                directory / f"side-{at}",
                topics=("burnout", "grief"),
                community=("The Elm House", "The Mill")[at],
                settings={"community.stewards": [steward.user_id]},
                admin=admin,
                forked=True,
            )
            await stack.enter_async_context(instance)
            await instance.start()
            await instance.ready()
            room = (await steward.invited()).room
            await steward.join(room)
            await steward.expect(room, contains="This room is for its stewards")
            sides.append((Person(steward, room), instance))
        yield sides[0], sides[1]


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
    assert "The Elm House" in hello.body
    await tess.writes(f"link {north.desk_user}")
    await tess.hears("link.ask_words")
    await tess.writes("Welcome.")
    await says_yes(tess, "link.agree_recap")
    words = [(await steward.hears("link.words")).body.split("\n")[1] for steward in (sam, tess)]
    assert words[0] == words[1]
    assert len(words[0].split(", ")) == 6
    for steward, other in ((sam, south), (tess, north)):
        await steward.writes(f"link {other.desk_user}")
        await says_yes(steward, "link.compare")
    for steward in (sam, tess):
        await steward.hears("link.live")
