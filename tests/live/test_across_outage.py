"""One of two homeservers is down for a while, as members of two linked communities look for company."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.journeys.stage import Person
from tests.live import across, story
from tests.live.homeserver import Homeserver, JsonObject, federated
from tests.live.links import ELM_HOUSE, MILL, Side, link, two_sides
from tests.live.member import Member

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

_TRIES: JsonObject = {
    # As Synapse has it a server that was not reached is tried again after ten minutes, and then less often.
    "federation": {
        "destination_min_retry_interval": "1s",
        "destination_retry_multiplier": 1,
        "destination_max_retry_interval": "2s",
    }
}
_SOON = "12 seconds"
"""How long a request stands that is to come to nothing."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def homeservers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Homeserver]]:
    """Two that federate, try one another again soon, and serve this file alone."""
    servers = federated(2, tmp_path_factory.mktemp("outages"), settings=_TRIES)
    await asyncio.gather(*(server.start() for server in servers))
    yield servers
    for server in servers:
        await server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sides(
    homeservers: list[Homeserver], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Side, Side]]:
    """Two communities on these that are linked."""
    timings = {"rest": "0 seconds", "idle": "5 seconds"}
    directory = tmp_path_factory.mktemp("outage-sides")
    async with two_sides(homeservers, directory, admin=True, timings=timings) as both:
        await link(both)
        yield both


async def _two(north: Side, south: Side, came: list[Member]) -> tuple[Person, Person]:
    """One of the north who will ask, and one of the south who offered."""
    asker, peer = await across.comes(came[0], north[1]), await across.comes(came[1], south[1])
    await story.offer_time(peer.member, peer.chat)
    return asker, peer


async def test_a_homeserver_is_stopped_for_the_length_of_an_ask(
    homeservers: list[Homeserver], sides: tuple[Side, Side]
) -> None:
    """What was asked while the other's homeserver was down is asked when it is up, and ends in a room.

    So does what was answered while the asker's was down. Each is asked and offered once.
    """
    north, south = sides
    async with across.members((homeservers[0], "asker"), (homeservers[1], "peer")) as came:
        asker, peer = await _two(north, south, came)
        await homeservers[1].stop()
        await across.asks(asker, MILL)
        await homeservers[1].start()
        asked = await across.is_asked(peer, ELM_HOUSE)
        await homeservers[0].stop()
        await peer.chooses(asked, "choice.ask_yes")
        await peer.hears("ask.held_across")
        await homeservers[0].start()
        shown = await peer.hears("note.terms_across")
        await peer.chooses(shown, "choice.note_yes")
        await asker.chooses(await across.is_offered(asker, MILL), "choice.consent_yes")
        await across.come_together(asker, peer)
        await across.part(asker, peer, by_asker=True)
        for person, key in ((peer, "ask.intro_across"), (asker, "consent.across"), (asker, "room.opened")):
            assert _times(person, key) == 1
        await peer.says("command.withdraw", "offer.withdrawn")
        for _, instance in sides:
            await across.nothing_waits(instance)


async def test_a_homeserver_is_stopped_for_longer_than_an_ask(
    homeservers: list[Homeserver], sides: tuple[Side, Side]
) -> None:
    """The asker hears at their hour that there was nobody; what comes too late there is put to nobody.

    Nothing of it is left on either side, and the link goes on as before.
    """
    (sam, north), (tess, south) = sides
    async with across.members((homeservers[0], "asker"), (homeservers[1], "peer")) as came:
        asker, peer = await _two(sides[0], sides[1], came)
        north.configure({"timings.request_open": _SOON})
        await north.restart()
        await homeservers[1].stop()
        await across.asks(asker, MILL)
        asked_at = asker.heard()[-1].timestamp
        over = await asker.hears("again.nobody")
        # Not before the hour that was said, and not long after it.
        assert 11_000 < over.timestamp - asked_at < 25_000
        await homeservers[1].start()
        # What is said next comes after what was said before: by then the ask has come, too late.
        await sam.writes(f"pause {south.desk_user}")
        await sam.answers("link.pause_recap", "steward.choice_yes")
        await tess.hears("link.paused_there")
        assert _times(peer, "ask.intro_across") == 0
        for instance in (north, south):
            await across.nothing_waits(instance)
        await sam.writes(f"resume {south.desk_user}")
        await sam.answers("link.resume_recap", "steward.choice_yes")
        await tess.hears("link.resumed_there")
        north.configure({"timings.request_open": "1 day"})
        await north.restart()
        await across.asks(asker, MILL)
        await across.goes_on(peer, ELM_HOUSE)
        await across.is_offered(asker, MILL)
        await asker.says("command.stop", "request.withdrawn")


def _times(person: Person, key: str) -> int:
    return sum(story.sentence(key).search(one.body) is not None for one in person.heard())
