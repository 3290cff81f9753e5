"""Members of two linked communities, on two homeservers that federate over TLS, meet and part."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from service.config import Toml
from tests.journeys.stage import Person, clean, onlooker, timeless
from tests.live import across, story
from tests.live.canaries import canary, scan
from tests.live.homeserver import Homeserver
from tests.live.links import ELM_HOUSE, MILL, Side, link, two_sides
from tests.live.member import Message

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

_TIMINGS = {
    # After this an asker hears that no room opens, whatever the reason;
    "join": "10 seconds",
    # and after this whoever would have kept them company.
    "consent_open": "35 seconds",
    # The same two are asked again.
    "rest": "0 seconds",
    "idle": "5 seconds",
}
_TOPICS = ("burnout", "grief", "sleep", "work")
"""Each pair has one of its own, so that nobody meets another pair's."""
_SAME = 6_000
"""Milliseconds by which two that wait for the same hour may hear apart, on a busy machine."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sides(
    federation: list[Homeserver], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Side, Side]]:
    """Two communities that are linked, each with a token of its homeserver's administrator."""
    directory = tmp_path_factory.mktemp("across")
    settings: dict[str, Toml] = {"community.asks_a_day": 50, "community.topics": list(_TOPICS)}
    async with two_sides(
        federation, directory, admin=True, timings=_TIMINGS, settings=settings, overhears=True
    ) as both:
        await link(both)
        yield both


async def _offers(peer: Person, topic: str) -> None:
    await story.offer_time(peer.member, peer.chat, topics=[topic])


async def test_four_members_meet_across_a_link_both_ways(
    federation: list[Homeserver], sides: tuple[Side, Side]
) -> None:
    """The whole story in both directions at once; before both consents nothing of a side names the other's.

    Looked at are every opened record, what crossed, the files of both services, and what everybody was sent.
    """
    north, south = sides
    notes = [canary("north"), canary("south")]
    async with (
        across.members(*((one, name) for one in federation for name in ("asker", "peer"))) as came,
        AsyncExitStack() as looks,
    ):
        asker, host = await across.all_come(came[:2], north[1])
        guest, peer = await across.all_come(came[2:], south[1])
        receives = [await looks.enter_async_context(onlooker(one)) for one in (asker, host, guest, peer)]
        ours, theirs = (asker, host), (guest, peer)

        async def unknown(ours_wrote: str = "", theirs_wrote: str = "") -> None:
            for side, own, other, word in (
                (north, ours, theirs, theirs_wrote),
                (south, theirs, ours, ours_wrote),
            ):
                marks = [*(await across.marks_of(side[1], other)), *filter(None, [word])]
                assert await across.knows(side, marks, own) == []
            sent = [await look() for look in receives]
            for at, received in enumerate(sent):
                others = theirs if at < 2 else ours
                assert not any(one.name in received for one in others)

        await _offers(host, "grief")
        await _offers(peer, "burnout")
        await asyncio.gather(
            across.asks(asker, MILL, topic="burnout", note=notes[0]),
            across.asks(guest, ELM_HOUSE, topic="grief", note=notes[1]),
        )
        await unknown(*notes)
        await asyncio.gather(across.goes_on(peer, ELM_HOUSE, notes[0]), across.goes_on(host, MILL, notes[1]))
        offered = await asyncio.gather(across.is_offered(asker, MILL), across.is_offered(guest, ELM_HOUSE))
        await unknown()
        await asker.chooses(offered[0], "choice.consent_yes")
        await guest.chooses(offered[1], "choice.consent_yes")
        rooms = await asyncio.gather(across.come_together(asker, peer), across.come_together(guest, host))
        assert rooms[0] != rooms[1]
        # The same look finds them now, so that it would have found them before.
        for side, own, other in ((north, ours, theirs), (south, theirs, ours)):
            found = await across.knows(side, await across.marks_of(side[1], other), own)
            assert {hit.split(" in ")[1] for hit in found} >= {"records", "what crossed"}
            # Their addresses are at rest nowhere, met or not.
            assert scan([side[1].directory], [one.name for one in (*ours, *theirs)]) == []
        await asyncio.gather(
            story.talk_to_each_other(rooms[0], asker.member, peer.member),
            story.talk_to_each_other(rooms[1], guest.member, host.member),
        )
        await asyncio.gather(
            across.part(asker, peer, by_asker=True), across.part(guest, host, by_asker=False)
        )
        clean(asker, host, guest, peer)
        for one in (host, peer):
            await one.says("command.withdraw", "offer.withdrawn")


class _Pair:
    """Two who are asked about one topic, and what each was told after their yes."""

    def __init__(self, topic: str, asker: Person, peer: Person, sides: tuple[Side, Side]) -> None:
        self.topic, self.asker, self.peer = topic, asker, peer
        self.asks, self.asked = sides
        """The side of whoever asks, and the other one."""
        self.said: dict[str, int] = {}
        """Milliseconds since 1970 at which each was told until when they wait."""

    async def meet(self) -> None:
        """They meet and part as any two."""
        offered = await self.up_to_consent()
        await self.asker.chooses(offered, "choice.consent_yes")
        await across.come_together(self.asker, self.peer)
        await across.part(self.asker, self.peer, by_asker=True)

    async def up_to_consent(self) -> Message:
        """The asker asks, the peer goes on; what the asker is then asked."""
        await across.asks(self.asker, self.asked[1].community, topic=self.topic)
        await across.goes_on(self.peer, self.asks[1].community)
        self.said["peer"] = self.peer.heard()[-1].timestamp
        return await across.is_offered(self.asker, self.asked[1].community)

    async def agree(self, offered: Message) -> None:
        """The asker says yes, and is told until when to wait."""
        await self.asker.chooses(offered, "choice.consent_yes")
        self.said["asker"] = (await self.asker.hears("consent.introduced")).timestamp

    async def ends(self, who: str) -> tuple[str, int]:
        """What the asker or the peer hears next, and how many milliseconds after their own yes."""
        person = self.asker if who == "asker" else self.peer
        heard = await person.member.expect(person.chat)
        return timeless(heard.body), heard.timestamp - self.said[who]


async def test_never_again_holds_across_a_link(
    federation: list[Homeserver], sides: tuple[Side, Side]
) -> None:
    """A second pairing of two of whom one said it ends, on both sides, as a no of the other one does.

    It is said once by who asked and once by who was asked; both times nothing on the other side shows it.
    """
    north, south = sides
    async with across.members(*((one, "pair") for one in federation for _ in range(4))) as came:
        ours = await across.all_come(came[:4], north[1])
        theirs = await across.all_come(came[4:], south[1])
        asker_said = _Pair("burnout", ours[0], theirs[0], (north, south))
        peer_said = _Pair("grief", theirs[1], ours[1], (south, north))
        # Of these one steps back at the last moment, and one asker would rather not.
        stepped_back = _Pair("sleep", ours[2], theirs[2], (north, south))
        refused = _Pair("work", ours[3], theirs[3], (north, south))
        pairs = (asker_said, peer_said, stepped_back, refused)
        await asyncio.gather(*(_offers(pair.peer, pair.topic) for pair in pairs))
        await asyncio.gather(asker_said.meet(), peer_said.meet())
        for says, silent in ((asker_said.asker, asker_said.peer), (peer_said.peer, peer_said.asker)):
            await says.writes("never again")
            await says.answers("never.recap", "choice.apart_yes")
            await says.hears("never.done")
            await silent.writes("nothing")
            await silent.hears("after.nothing")
        offered = await asyncio.gather(*(pair.up_to_consent() for pair in pairs))
        await stepped_back.peer.says("command.stop", "stop.which")
        await stepped_back.peer.chooses(stepped_back.peer.heard()[-1], "choice.stop_yes")
        await stepped_back.peer.hears("note.no")
        await refused.asker.chooses(offered[3], "choice.consent_no")
        await asyncio.gather(*(pair.agree(one) for pair, one in zip(pairs[:3], offered, strict=False)))
        no_to_asker, *askers = await asyncio.gather(
            *(pair.ends("asker") for pair in (stepped_back, asker_said, peer_said))
        )
        assert story.sentence("pairing.not_this_time_go_on").search(no_to_asker[0])
        for words, after in askers:
            assert words == no_to_asker[0]
            assert abs(after - no_to_asker[1]) < _SAME
        no_to_peer, *peers = await asyncio.gather(
            *(pair.ends("peer") for pair in (refused, asker_said, peer_said))
        )
        for words, after in peers:
            assert words == no_to_peer[0]
            assert abs(after - no_to_peer[1]) < _SAME
        # Whoever still looks stops, and nothing of any of it waits anywhere.
        for pair in pairs:
            await pair.asker.says("command.stop", "request.withdrawn")
        for _, instance in sides:
            await across.nothing_waits(instance)
