"""Our desk and a partner that was written from PROTOCOL.md alone: whole stories, from either side."""

import json
from datetime import timedelta
from typing import Any

import pytest

from schema.effects import Effect, JoinRoom, LeaveRoom, OpenLinkRoom, SendAcross
from schema.events import Delivered, FromLink, Invited, LinkRoom
from schema.ids import EventId, RoomId
from schema.records import GuestRoom, Link, PeerRoom
from schema.states import LinkState
from tests.handlers.story import community
from tests.handlers.two import NORTH_AT, SOUTH_AT, said, side
from tests.schema.partner import Json, Partner

BETWEEN = RoomId("!between")
REQUEST, ANSWER = "a" * 32, "b" * 32
ZOE = "@zoe:north.example"


class Beside:
    """Our desk, in the south, and the partner, in the north; between them a room that loses nothing."""

    def __init__(self) -> None:
        self.south = side(community("en"), SOUTH_AT, 2, "en")
        self.terms: Json = {"sends": True, "takes": True, "asks_a_day": 5, "hours": []}
        self.terms |= {"topics": ["burnout"], "languages": ["en"], "ages": ["adults"], "adult_from": 18}
        self.terms |= {"reports": "", "agreement": "", "until": self.seconds(timedelta(days=180))}
        self.north = Partner(NORTH_AT, SOUTH_AT, self.terms)
        self.count = 0

    def _id(self) -> EventId:
        self.count += 1
        return EventId(f"$across{self.count}")

    async def carry(self) -> list[Json]:
        """Hand over what each says, until nothing is left; what the partner was told."""
        before = len(self.north.told)
        while self.south.sends or self.north.outbox:
            self.north.now = int(self.south.now.timestamp())
            if self.south.sends:
                await self._carry(self.south.sends.pop(0))
            else:
                content = json.dumps(self.north.outbox.pop(0))
                await self.south.event(FromLink(self._id(), BETWEEN, NORTH_AT, content, True))
            await self.south.pump()
        return self.north.told[before:]

    async def _carry(self, effect: Effect) -> None:
        match effect:
            case OpenLinkRoom(link=link):
                self.north = Partner(NORTH_AT, SOUTH_AT, self.terms, link)
                await self.south.event(Delivered(effect, BETWEEN))
                await self.south.event(LinkRoom(self._id(), BETWEEN, NORTH_AT, True))
            case JoinRoom():
                await self.south.event(LinkRoom(self._id(), BETWEEN, NORTH_AT, True))
                self.north.begin()
            case SendAcross(content=content):
                self.north.hear(json.loads(content))
                await self.south.event(Delivered(effect))
            case LeaveRoom():
                pass

    async def steward(self, *bodies: str) -> str:
        """A steward of ours writes; what is said to them last."""
        for body in bodies:
            await self.south.steward("sam", body)
            await self.carry()
        return said(self.south)[-1]

    async def says(self, **body: Any) -> list[Json]:
        """The partner says this of its member; what it is told."""
        self.north.now = int(self.south.now.timestamp())
        self.north.say(body)
        return await self.carry()

    async def member(self, name: str, *bodies: str) -> list[Json]:
        """A member of ours writes; what the partner is told."""
        told: list[Json] = []
        for body in bodies:
            await self.south.say(name, body)
            told += await self.carry()
        return told

    async def waits(self, length: timedelta) -> list[Json]:
        """Time passes; what the partner is told."""
        await self.south.wait(length)
        return await self.carry()

    def link(self) -> Link:
        """Our record of it."""
        (link,) = self.south.records.all(Link)
        return link

    async def compare(self) -> None:
        """Stewards of both sides read the same six words to one another."""
        asked = await self.steward(f"link {NORTH_AT}")
        assert ", ".join(self.north.six_words()) in asked
        await self.steward("1")
        self.north.confirm()
        await self.carry()
        assert self.link().state is LinkState.LIVE
        assert self.north.current == self.link().epochs[0].number

    async def linked(self) -> None:
        """The partner proposes, and our stewards take it up."""
        await self.south.stewards("sam")
        await self.south.event(Invited(self._id(), BETWEEN, NORTH_AT, False, True, True))
        await self.steward(f"link {NORTH_AT}", "yes", f"link {NORTH_AT}", "Welcome.", "yes")
        await self.compare()

    def seconds(self, ahead: timedelta) -> int:
        """An hour to come."""
        return int((self.south.now + ahead).timestamp())


@pytest.fixture
async def beside() -> Beside:
    """The two, linked."""
    one = Beside()
    await one.linked()
    return one


async def meets(beside: Beside) -> None:
    """The partner's member asks, one of ours keeps them company, and it is over with a receipt."""
    south = beside.south
    await south.comes("ben")
    await south.offers("ben", hours="4")
    asked: Json = {"kind": "ask", "request": REQUEST, "wish": "listening", "topics": ["burnout"]}
    asked |= {"topics_only": False, "languages": ["en"], "writing": True, "voice": False, "minutes": 60}
    asked |= {"wait": 120, "ages": "adults", "reporters": False, "start": None}
    asked |= {"until": beside.seconds(timedelta(hours=5)), "again": [], "again_only": False}
    assert await beside.says(**asked) == []
    (answer,) = await beside.member("ben", "yes")
    assert (answer["kind"], answer["request"], answer["minutes"]) == ("answer", REQUEST, 60)
    of: Json = {"request": REQUEST, "answer": answer["answer"]}
    await beside.says(kind="note", note="A long week. 🌻", how=["slow"], **of)
    assert "A long week. 🌻" in south.last("ben")
    (consent,) = await beside.member("ben", "yes")
    assert (consent["kind"], consent["card"]) == ("consent", "I like walks.")
    (introduce,) = await beside.says(kind="introduce", user=ZOE, room=None, ends=None, **of)
    assert (introduce["kind"], introduce["user"]) == ("introduce", "@ben:example.org")
    ends = beside.seconds(timedelta(hours=1))
    assert await beside.says(kind="introduce", user=ZOE, room="!peers", ends=ends, **of) == []
    assert "“Another”" in "\n".join(body for _, body, _ in south.heard("ben"))
    (asked_to,) = await beside.member("ben", "close", "yes")
    assert (asked_to["kind"], asked_to["step"]) == ("close", "ended")
    await beside.says(kind="close", step="ended", reached=None, met=True, **of)
    await beside.says(kind="close", step="removed", reached=None, met=True, **of)
    (gone,) = await beside.waits(timedelta(days=2))
    assert (gone["kind"], gone["step"], gone["reached"]) == ("close", "gone", "cannot")
    await beside.says(kind="close", step="gone", reached="purged", met=True, **of)
    assert not south.records.all(GuestRoom)
    assert ZOE not in "\n".join(line.body for line in south.log)


async def test_a_partner_written_from_the_page_asks_and_its_member_meets_ours(beside: Beside) -> None:
    """From the invitation to the receipt: every step crosses, and is taken, both ways."""
    await meets(beside)


async def test_a_partner_written_from_the_page_is_asked_and_its_member_meets_ours() -> None:
    """Our stewards propose the link; our member asks, and what the partner's member agrees to comes about."""
    beside = Beside()
    south = beside.south
    await south.stewards("sam")
    await beside.steward(f"link {NORTH_AT}", "We met in spring.", "yes")
    beside.north.begin()
    await beside.carry()
    await beside.compare()
    await south.comes("ana")
    await beside.member("ana", "talk", "2", "1", "1", "2", "A long week. 🌻")
    (ask,) = await beside.member("ana", "change", "linked communities", "yes", "yes")
    assert (ask["kind"], ask["wish"], ask["topics"]) == ("ask", "listening", ["burnout"])
    of = {"request": ask["request"], "answer": ANSWER}
    (note,) = await beside.says(kind="answer", wish="listening", minutes=45, **of)
    assert note == {"kind": "note", "note": "A long week. 🌻", "how": [], **of}
    until = beside.seconds(timedelta(hours=2))
    assert await beside.says(kind="consent", card="I listen.", fear="tell_first", until=until, **of) == []
    assert "I listen." in south.last("ana")
    (introduce,) = await beside.member("ana", "yes")
    assert introduce["user"] == "@ana:example.org"
    told = await beside.says(kind="introduce", user=ZOE, room=None, ends=None, **of)
    (opened,) = [body for body in told if body["kind"] == "introduce"]
    assert (opened["room"], opened["user"]) == (south.the_room().room, introduce["user"])
    assert opened["ends"] == beside.seconds(timedelta(minutes=45))
    closes = await beside.waits(timedelta(days=3))
    assert [(one["step"], one["met"]) for one in closes] == [
        ("ended", True),
        ("removed", True),
        ("gone", True),
    ]
    await beside.says(kind="close", step="gone", reached="purged", met=None, **of)
    assert not south.records.all(PeerRoom)
    assert ZOE not in "\n".join(line.body for line in south.log)


async def test_new_keys_are_made_with_it_whoever_begins(beside: Beside) -> None:
    """Six other words, compared again; what is said in the new epoch is taken."""
    beside.north.begin("rotate")
    await beside.carry()
    await beside.compare()
    await beside.steward(f"new keys {NORTH_AT}", "yes")
    await beside.compare()
    assert beside.north.current == 3
    await meets(beside)
