"""A third community is linked to one of two that are linked, and learns nothing about the other."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing

import pytest
import pytest_asyncio

from schema.records import Link
from tests.live import across, story
from tests.live.canaries import canary, scan
from tests.live.homeserver import Homeserver, federated
from tests.live.links import ELM_HOUSE, MILL, QUARRY, Side, link, one_side, together

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

_TOPICS = ("burnout", "grief")
_TOPIC = canary("topic")
"""What members of one of the three alone can name."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def homeservers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Homeserver]]:
    """Three that federate, for this file alone."""
    servers = federated(3, tmp_path_factory.mktemp("three"))
    await asyncio.gather(*(server.start() for server in servers))
    yield servers
    for server in servers:
        await server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def three(
    homeservers: list[Homeserver], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[Side]]:
    """The north, linked with the south, and with the third, which came later; these two are strangers."""
    directory = tmp_path_factory.mktemp("three-sides")
    async with AsyncExitStack() as stack:
        sides = await together(
            stack,
            *(
                one_side(
                    homeserver,
                    directory / community.rpartition(" ")[2],
                    community,
                    admin=True,
                    timings={"rest": "0 seconds", "idle": "5 seconds"},
                    settings={"community.topics": [*_TOPICS, _TOPIC] if community == MILL else [*_TOPICS]},
                    overhears=True,
                )
                for homeserver, community in zip(homeservers, (ELM_HOUSE, MILL, QUARRY), strict=True)
            ),
        )
        north, south, third = sides
        await link((north, south))
        await link((third, north))
        yield sides


def _events(homeserver: Homeserver) -> list[tuple[object, ...]]:
    """All that came to a homeserver from others, or was sent there: events, and news of devices."""
    with closing(sqlite3.connect(f"file:{homeserver.database}?mode=ro", uri=True, timeout=30)) as database:
        return [
            row
            for table, column in (("events", "event_id"), ("device_lists_remote_extremeties", "user_id"))
            for row in database.execute(f"SELECT '{table}', {column} FROM {table} ORDER BY 2")
        ]


async def test_a_third_community_learns_nothing_about_another(
    homeservers: list[Homeserver], three: list[Side]
) -> None:
    """While the south has a story with the north nothing at all comes to the third, and never any mark of it.

    Looked at is all that it received: what crossed to its desk, its opened records, its files and people,
    and everything that its homeserver has.
    """
    north, south, third = three
    steward, quarry = third
    notes = [canary("northnote"), canary("southnote")]
    async with across.members(
        (homeservers[0], "host"),
        (homeservers[0], "asker"),
        (homeservers[1], "peer"),
        (homeservers[1], "guest"),
        (homeservers[2], "third"),
        (homeservers[2], "idler"),
    ) as came:
        host, asker = await across.all_come(came[:2], north[1])
        peer, guest = await across.all_come(came[2:4], south[1])
        stranger, idler = await across.all_come(came[4:], quarry)
        for one, topic in ((host, "burnout"), (peer, "grief"), (idler, "grief")):
            await story.offer_time(one.member, one.chat, topics=[topic])

        # The south asks the north: nothing of that is for the third, nor does anything come to it meanwhile.
        before = _events(homeservers[2]), _overheard(third)
        await across.asks(guest, ELM_HOUSE, topic="burnout", note=notes[1])
        await across.goes_on(host, MILL, notes[1])
        await guest.chooses(await across.is_offered(guest, ELM_HOUSE), "choice.consent_yes")
        met = [await across.come_together(guest, host)]
        await across.part(guest, host, by_asker=True)
        assert (_events(homeservers[2]), _overheard(third)) == before
        await host.writes("nothing")
        await host.hears("after.nothing")

        # The north asks both, one of the south comes to meet, and one of the third says yes as well.
        await across.asks(asker, MILL, topic="grief", note=notes[0])
        await across.goes_on(peer, ELM_HOUSE, notes[0])
        offered = await across.is_offered(asker, MILL)
        await idler.chooses(await across.is_asked(idler, ELM_HOUSE), "choice.ask_yes")
        await idler.hears("ask.held_across")
        await asker.chooses(offered, "choice.consent_yes")
        met.append(await across.come_together(asker, peer))
        await across.part(asker, peer, by_asker=False)

        # The third has its own story with the north.
        await across.asks(stranger, ELM_HOUSE, topic="burnout")
        await across.goes_on(host, QUARRY)
        await stranger.chooses(await across.is_offered(stranger, ELM_HOUSE), "choice.consent_yes")
        own = await across.come_together(stranger, host)
        await across.part(stranger, host, by_asker=True)
        await steward.says("steward.command_links", "link.is_live")

        (of_south,) = await across.records(south[1], Link)
        (of_third,) = await across.records(quarry, Link)
        ours = await across.records(north[1], Link)
        assert {one.id for one in ours} == {of_south.id, of_third.id}
        names = ("request", "answer", "commitment")
        secret = [
            *(homeservers[1].name, MILL, south[1].desk_user, south[1].keeper_user, _TOPIC, *notes),
            *(str(of_south.id), str(of_south.room), of_south.us, of_south.them, *met),
            *(one.name for one in (peer, guest, south[0])),
            *(str(said[key]) for said in across.crossed(south[1]) for key in names if said.get(key)),
        ]
        assert quarry.overheard is not None
        everything = [quarry.directory, quarry.overheard, homeservers[2].directory]
        assert scan(everything, secret) == []
        assert await across.knows(third, secret, (stranger, idler)) == []
        # The same look finds what the third may know of the north, and its own room.
        known = await across.knows(third, [north[1].desk_user, ELM_HOUSE], (stranger, idler))
        assert {"records", "what crossed", f"what {steward.name} saw"} <= {
            hit.split(" in ")[1] for hit in known
        }
        assert scan(everything, [own, north[1].desk_user]) != []
        # What came to it was counted without a gap: nobody else's words were counted among them.
        taken = of_third.epochs[0].received
        assert taken.bits.bit_count() == min(taken.newest, 1024)
        # Asked at the same time, the two were asked under names that have nothing in common.
        put = [
            {said["request"] for said in across.crossed(one[1]) if said["kind"] == "ask"}
            for one in (south, third)
        ]
        assert all(put)
        assert not put[0] & put[1]


def _overheard(side: Side) -> bytes:
    assert side[1].overheard is not None
    return side[1].overheard.read_bytes()
