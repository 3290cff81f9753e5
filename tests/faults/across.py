"""A link and a pairing across it, played with kills on both sides: from the first word to the cut.

Each service is killed at its own fail points, and in one journey both may die in one step. The north's member
asks, the south's keeps them company; a steward of each looks after the link.

Rules guarded here:
- The counters and epochs of a link never go back, and neither side takes the other for one that was
  restored: looked at after each step, in both databases.
- What a member alone does with their own desk is another journey's to be killed in, and spared here.
- At its end nothing is left of any of it, so that the next journey on the same rig finds what the first did.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

from schema.records import Link, LinkInvitation
from schema.states import LinkState
from service.store import Store
from tests.faults.crash import TIMINGS, Journey, Rig, Step, Supervised, until
from tests.journeys.stage import PASSING, RECORDS, Person, is_gone, rooms_of_keeper, rows
from tests.live import across, story
from tests.live.homeserver import Homeserver
from tests.live.instance import Instance
from tests.live.links import ELM_HOUSE, MILL, looked_after
from tests.live.member import Member

_WORDS = re.compile(r"^(?:[a-z]+, ){5}[a-z]+$", re.MULTILINE)
"""Six words, which are others each time."""
_OF_LINKS = ("links", "link_keys", "asks_across", "guest_rooms")


def _has_nothing(instance: Instance) -> bool:
    return not any(rows(instance, (*RECORDS, *PASSING, *_OF_LINKS)).values())


_NEVER = frozenset({LinkState.RESYNC, LinkState.EXPIRED})


async def make_pair(
    homeservers: list[Homeserver], directory: Path, database_urls: Sequence[str | None] = (None, None)
) -> Rig:
    """A service and a steward on each of two homeservers, an asker of the north and a peer of the south.

    Each service is on SQLite, or on the PostgreSQL database of its own at its one of `database_urls`.
    """
    names = (("north", "asker", ELM_HOUSE), ("south", "peer", MILL))
    sides = await asyncio.gather(
        *(
            _one_side(homeserver, directory / at, community, url)
            for homeserver, (at, _, community), url in zip(homeservers, names, database_urls, strict=True)
        )
    )
    services: dict[str, Supervised] = {}
    members: dict[str, Member] = {}
    for (service, steward, member), (at, who, _) in zip(sides, names, strict=True):
        services[at], members[at], members[who] = service, steward, member
    return Rig(services, members)


async def _one_side(
    homeserver: Homeserver, directory: Path, community: str, database_url: str | None
) -> tuple[Supervised, Member, Member]:
    """A service on one homeserver, with its steward and a member."""
    steward, member = await asyncio.gather(*(Member.start(homeserver, kind="nio") for _ in range(2)))
    instance = await Instance.make(
        homeserver,
        directory,
        database_url=database_url,
        timings=TIMINGS,
        admin=True,
        community=community,
        settings=looked_after(steward),
        # Hundreds of starts: their imports would be most of what this costs.
        forked=True,
    )
    return await Supervised.begin(instance), steward, member


@dataclass(frozen=True)
class _Heights:
    """How far a side of a link has come: its epoch, what it sent and took in that."""

    epoch: int
    sent: int
    taken: int


@dataclass
class Across(Journey):
    """From the stewards' first words to a link that is cut, and what was said in it."""

    _heights: dict[str, _Heights] = field(default_factory=dict)

    called: ClassVar[str] = "across"
    invited_to: ClassVar[Mapping[str, int]] = {"asker": 1, "peer": 1}
    spared: ClassVar[Collection[str]] = (
        *("the stewards are there", "the peer offers", "the asker drafts"),
        *("the asker is forgotten", "the peer is forgotten", "two weeks pass", "all is quiet"),
    )

    turning: ClassVar[Collection[str]] = tuple(
        f"{when} {what}"
        for when in ("before", "after")
        for what in ("sync", "keeper sync", "commit batch", "commit outbox sent")
    )

    def _desk(self, at: str) -> str:
        return self.rig.services[at].instance.desk_user

    def steps(self) -> list[Step]:
        """All steps, in order; a name says who does what."""
        return [
            ("the stewards are there", self._stewards_are_there),
            *self._made(),
            *self._paused(),
            ("the peer offers", self._offers),
            ("the asker drafts", self._drafts),
            ("the asker asks", self._asks),
            ("the peer says yes", self._says_yes),
            ("the peer goes on", self._goes_further),
            ("the asker agrees", self._agree),
            ("the asker comes in", lambda: self._comes_in("asker")),
            ("the peer comes in", lambda: self._comes_in("peer")),
            ("they talk", self._talks),
            *self._renewed(),
            ("the asker closes", self._closes),
            ("the room goes", self._goes),
            ("the south would cut it", self._to("south", "cut", "link.cut_recap")),
            ("the south cuts it", self._cuts),
            ("the asker is forgotten", lambda: self._forgotten("asker")),
            ("the peer is forgotten", lambda: self._forgotten("peer")),
            ("two weeks pass", self._two_weeks),
            ("all is quiet", self._quiet),
        ]

    # ---- the link

    def _to(self, at: str, words: str, key: str) -> Callable[[], Awaitable[None]]:
        """A steward writes, in place of the word THERE the other desk's address, and hears."""

        async def step() -> None:
            there = self._desk("south" if at == "north" else "north")
            await self.person(at).writes(words.replace("THERE", there))
            await self.person(at).hears(key)

        return step

    async def _both_hear(self, key: str) -> None:
        for at in ("north", "south"):
            await self.person(at).hears(key)

    def _made(self) -> list[Step]:
        return [
            ("the north would like a link", self._to("north", "link THERE", "link.ask_words")),
            ("the north greets", self._to("north", "We met in spring.", "link.recap")),
            ("the north asks for it", self._asks_for_link),
            ("the south would look", self._to("south", "link THERE", "link.ask_join")),
            ("the south looks", self._to("south", "yes", "link.hello")),
            ("the south would too", self._to("south", "link THERE", "link.ask_words")),
            ("the south greets", self._to("south", "Welcome.", "link.agree_recap")),
            ("the south takes it up", self._takes_up),
            *self._compared("link.live", "north", "south"),
        ]

    def _compared(self, done: str, first: str, second: str) -> list[Step]:
        async def one() -> None:
            await self._to(first, "1", "link.confirmed")()
            # The other side hears of it, however late: else its own yes is the first there, and told as such.
            async with asyncio.timeout(120):
                while not await self._is_confirmed(second):  # noqa: ASYNC110  It is another process's.
                    await asyncio.sleep(0.1)

        async def last() -> None:
            await self.person(second).writes("1")
            await self._both_hear(done)

        def named(what: str, at: str) -> str:
            return f"the {at} {what}" + ("" if done == "link.live" else " again")

        return [
            (named("has compared", first), self._to(first, "link THERE", "link.compare")),
            (named("says that they are the same", first), one),
            (named("has compared", second), self._to(second, "link THERE", "link.compare")),
            (named("says that they are the same", second), last),
        ]

    async def _is_confirmed(self, at: str) -> bool:
        """Whether that side has heard that the other's stewards found the words the same."""
        (link,) = await across.records(self.rig.services[at].instance, Link)
        return link.making is not None and link.making.heard

    def _paused(self) -> list[Step]:
        return [
            ("the north would pause it", self._to("north", "pause THERE", "link.pause_recap")),
            ("the north pauses it", lambda: self._says_across("north", "link.paused", "link.paused_there")),
            ("the north would go on", self._to("north", "resume THERE", "link.resume_recap")),
            ("the north goes on", lambda: self._says_across("north", "link.resumed", "link.resumed_there")),
        ]

    def _renewed(self) -> list[Step]:
        return [
            ("the south would have new keys", self._to("south", "rotate keys THERE", "link.rotate_recap")),
            ("the south makes new keys", self._makes_keys),
            *self._compared("link.renewed", "south", "north"),
        ]

    async def _stewards_are_there(self) -> None:
        """They were never there before, or stayed since the journey before."""
        for at, service in self.rig.services.items():
            member = self.rig.members[at]
            desk = service.instance.desk_user
            rooms = {one.room for one in member._invites if one.sender == desk}
            if not rooms:
                rooms = {(await member.invited()).room}
            (self.chats[at],) = rooms
            if not self.person(at).heard():
                await member.join(self.chats[at])
                await self.person(at).hears("steward.hello")
            self._heard_before[at] = len(self.person(at).heard())

    async def _says_across(self, at: str, here: str, there: str) -> None:
        await self.person(at).writes("yes")
        await self.person(at).hears(here)
        await self.person("south" if at == "north" else "north").hears(there)

    async def _asks_for_link(self) -> None:
        await self._says_across("north", "link.begun", "link.asked")

    async def _takes_up(self) -> None:
        await self.person("south").writes("yes")
        await self._both_hear("link.words")

    async def _makes_keys(self) -> None:
        await self.person("south").writes("yes")
        await self.person("south").hears("link.rotated")
        await self._both_hear("link.words")

    async def _cuts(self) -> None:
        await self._says_across("south", "link.cut", "link.cut_there")

    async def _two_weeks(self) -> None:
        """So long the south remembers who asked for a link, so that nobody can ask often."""

        async def forget(store: Store) -> None:
            async with store.transaction("later") as transaction:
                for asked in await transaction.find(LinkInvitation):
                    await transaction.delete(LinkInvitation, asked.id)

        await self.rig.services["south"].later(forget)

    # ---- the pairing

    async def _comes_to(self, who: str, at: str) -> Person:
        member = self.rig.members[who]
        self.chats[who] = await story.comes(member, self._desk(at))
        return self.person(who)

    async def _offers(self) -> None:
        peer = await self._comes_to("peer", "south")
        await story.offer_time(peer.member, peer.chat, asks_topics=False)

    async def _drafts(self) -> None:
        asker = await self._comes_to("asker", "north")
        await across.drafts(asker, MILL, topics=False)

    async def _asks(self) -> None:
        await self.person("asker").writes("yes")
        await self.person("asker").hears("request.looking_linked")
        await self.person("peer").hears("ask.intro_across")

    async def _says_yes(self) -> None:
        await self.person("peer").writes("1")
        await self.person("peer").hears("note.terms_across")

    async def _goes_further(self) -> None:
        await self.person("peer").writes("1")
        await self.person("peer").hears("note.yes")
        await self.person("asker").hears("consent.across")

    async def _agree(self) -> None:
        await self.person("asker").writes("yes")
        await self.person("asker").hears("room.opened")
        await self.person("peer").hears("guest.opened")

    async def _talks(self) -> None:
        north = self.rig.services["north"].instance
        assert rooms_of_keeper(north) == [self.room], "there is a second room"
        await story.talk_to_each_other(self.room, self.rig.members["asker"], self.rig.members["peer"])
        await until(lambda: not rows(north, ("requests",))["requests"], "that they have met")

    async def _closes(self) -> None:
        await self.person("asker").writes("close")
        await self.person("asker").hears("room.closed_across")
        await self.person("peer").hears("guest.closed")

    async def _goes(self) -> None:
        await across.read_receipts(self.person("asker"), self.person("peer"))

    async def _forgotten(self, who: str) -> None:
        person = self.person(who)
        await person.asks_to_be_forgotten()
        at = {"asker": "north", "peer": "south"}[who]
        await person.member.sees_membership(person.chat, self._desk(at), "leave")

    # ---- what must hold

    async def checks(self, step: str) -> None:
        """No counter and no epoch went back, nothing was taken that was not sent, nobody seems restored."""
        now = {at: await across.records(one.instance, Link) for at, one in self.rig.services.items()}
        for at, links in now.items():
            assert len(links) <= 1, f"the {at} has {len(links)} links"
            for link in links:
                assert link.state not in _NEVER, f"the {at}'s link is {link.state}"
                if not link.epochs:
                    continue
                epoch = link.epochs[0]
                height = _Heights(epoch.number, epoch.sent, epoch.received.newest)
                before = self._heights.get(at, _Heights(0, 0, 0))
                assert height.epoch >= before.epoch, f"the {at} went back from {before} to {height}"
                if height.epoch == before.epoch:
                    assert height.sent >= before.sent, f"the {at} went back from {before} to {height}"
                    assert height.taken >= before.taken, f"the {at} went back from {before} to {height}"
                self._heights[at] = height

    async def _quiet(self) -> None:
        for at, service in self.rig.services.items():
            instance = service.instance
            await until(
                partial(_has_nothing, instance),
                f"the end of every record, of the inbox and of the outbox of the {at}",
            )
            assert rooms_of_keeper(instance) == [], "a room is left"
            assert await is_gone(instance.homeserver, self.room), f"the room is left at the {at}"
        for who, count in self.invited_to.items():
            more = len(self._rooms(who)) - self._invited[who]
            assert more == count, f"the {who} was invited to {more} rooms"

    def _rooms(self, who: str) -> set[str]:
        keeper = self.rig.services["north"].instance.keeper_user
        return {one.room for one in self.rig.members[who]._invites if one.sender == keeper}

    def _told(self, who: str) -> list[str]:
        return [_WORDS.sub("SIX WORDS", body) for body in super()._told(who)]
