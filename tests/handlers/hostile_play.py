"""Where a hostile partner is played: a desk with members and two links, and what must hold of it at any step.

What the partner can do is held against what PROTOCOL.md says that it can: delay, refuse, and lie about its
own members and rooms.
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from schema.effects import OpenPeerRoom
from schema.ids import MatrixId
from schema.records import Ask as Asked
from schema.records import (
    AskAcross,
    GuestRoom,
    Link,
    LinkKeys,
    Member,
    Offer,
    Pairing,
    PeerRoom,
    Record,
    Request,
    Stewardship,
)
from schema.wire import (
    Answer,
    Ask,
    Body,
    Consent,
    Error,
    Introduce,
    Note,
    canonical,
)
from service.core import guest_rooms, rooms
from tests.handlers.hostile import THIRD, Partner, linked
from tests.handlers.records import TABLES
from tests.handlers.story import community
from tests.handlers.two import NORTH_AT, SOUTH_AT, looked_after
from tests.handlers.whole import Whole
from tests.linked import secrets, steps

NOTE = "It has been a long week."
NAMES = ("ana", "ben", "cem", "dan", "eva", "fay")
ZOE = MatrixId("@zoe:north.example")
OUTSIDERS = (ZOE, MatrixId("@yan:elsewhere.example"))
REQUEST, OF_THIRD = "a" * 32, "e" * 32
ROOM = "!theirs"
_FAR = 253_402_300_799


def name_of(record: Record) -> tuple[str, str]:
    """The table and the id of a record."""
    return TABLES[type(record)], record.id


def hostile(work: Callable[["World"], Awaitable[None]]) -> None:
    """Play `work` at a desk of its own."""

    async def play() -> None:
        place = Path(tempfile.mkdtemp(prefix="hostile-"))
        side = Whole(looked_after(community("en"), SOUTH_AT), seed=2, links=True)
        side.community = replace(side.community, asks_a_day=8)
        try:
            await side.open(place / "alongside.db")
            world = await World.begin(side)
            await work(world)
            await side.whole()
        finally:
            await side.close()
            shutil.rmtree(place)

    asyncio.run(play())


@dataclass
class World:
    """A desk with members and two links; one partner is the program, the other, a third, does as it should.

    Ana asks, linked communities too, and Eva here alone; Dan is asked by Eva, Fay has said yes to the
    third's, Ben has offered, and Cem has only said hello.
    """

    side: Whole
    partner: Partner
    third: Partner
    cem: list[tuple[datetime, str, bool]] = field(default_factory=list)
    whose: dict[str, str] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    yeses: Counter[str] = field(default_factory=Counter)
    named: set[tuple[str, str]] = field(default_factory=set)
    errors: list[datetime] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)
    read: int = 0
    heard: int = 0
    carried: int = 0
    users: tuple[MatrixId, ...] = ()

    @classmethod
    async def begin(cls, side: Whole) -> "World":
        """Everybody is there, and both links stand."""
        _, partner, third = await linked(side)
        world = cls(side, partner, third)
        for name in NAMES:
            await side.comes(name)
        await side.says("ana", "talk", "2", "1", "1", "2", NOTE)
        await side.says("ana", "change", "linked communities", "yes", "yes")
        await side.offers("dan", hours="4")
        await side.asks("eva")
        await side.say("cem", "hello")
        await side.offers("fay", hours="4")
        await third.says(world.ask(request=OF_THIRD))
        await side.say("fay", "yes")
        (yes,) = [body for body in await third.hears() if isinstance(body, Answer)]
        await third.says(Note(request=OF_THIRD, answer=yes.answer, note="From the third.", how=()))
        assert "From the third." in side.last("fay")
        world.marks["From the third."] = yes.answer
        await side.offers("ben", hours="4")
        assert len(side.records.all(AskAcross)) == 2
        world.cem = side.heard("cem")
        world.read, world.carried = len(side.log), len(side.effects)
        await world.hears()
        return world

    async def hears(self) -> list[Body]:
        """Both partners read what there is for them."""
        await self.third.hears()
        return await self.partner.hears()

    # What people do

    async def says(self, name: str, words: str) -> None:
        """A member writes; a yes is noted with what it was a yes to."""
        mine = [line for line in self.side.log if line.from_desk and line.name == name]
        question = next((one.body for one in reversed(mine) if "\n1. " in one.body), "")
        self.note_asks()
        if (
            words in ("yes", "1")
            and "the program of “the Elm House” asks them whether they agree" in question
        ):
            self.yeses[name] += 1
        said = ("” asks them whether they agree", "their community’s program gets your address")
        if words in ("yes", "1") and any(one in question for one in said):
            self.yeses[name] += 1
        await self.side.say(name, words)
        await self.hears()

    async def waits(self, minutes: int) -> None:
        """Time passes."""
        await self.side.wait(timedelta(minutes=minutes))
        await self.hears()

    def note_asks(self) -> None:
        """Whose each answer is, while that is known."""
        names = {self.side.id(name): name for name in NAMES}
        for ask in self.side.records.all(Asked):
            if ask.member:
                self.whose[ask.id] = names[ask.member]

    # What must hold

    def check(self) -> None:
        """What no partner may bring about has not come about."""
        self.note_asks()
        side = self.side
        assert side.heard("cem") == self.cem, "somebody who has no part in it heard of it"
        for line in side.log[self.read :]:
            if not line.from_desk or line.name not in NAMES:
                continue
            own = side.address(line.name)
            for other in (*OUTSIDERS, *(side.address(name) for name in NAMES)):
                assert other == own or other not in line.body, "an address was said in a chat"
            for mark, whose in self.marks.items():
                assert mark not in line.body or self.whose.get(whose, "ana") == line.name, "read by another"
        self.read = len(side.log)
        told = self.partner.told[self.heard :]
        self.heard = len(self.partner.told)
        for at, body in told:
            if isinstance(body, Error):
                assert body.code in ("version", "quota")
                assert sum(at - then < timedelta(hours=1) for then in self.errors) < 2
                self.errors.append(at)
            elif isinstance(body, Introduce):
                self._introduced(body)
            else:
                text = canonical(body).decode()
                assert not any(
                    name in text for name in ("@ana", "@ben", "@cem", "@dan", "@eva", "@fay", "!chat")
                )
        for _, effect in side.effects[self.carried :]:
            if isinstance(effect, OpenPeerRoom):
                assert effect.pairing not in self.opened, "one pairing, two rooms"
                self.opened.add(effect.pairing)
        self.carried = len(side.effects)
        live = [one for one in side.records.all(PeerRoom) if one.state in rooms.LIVE]
        inside = [one for room in live for one in (room.asker, room.peer) if one]
        inside += [one.member for one in side.records.all(GuestRoom) if one.state in guest_rooms.LIVE]
        assert len(inside) == len(set(inside)), "somebody is in two rooms"
        assert len(side.records.all(Request)) <= 2 + 10

    def _introduced(self, body: Introduce) -> None:
        name = str(body.user)[1:].partition(":")[0]
        assert name in NAMES
        self.named.add((name, body.answer))
        given = sum(who == name for who, _ in self.named)
        assert given <= self.yeses[name], "an address crossed before its member's yes"
        if name != "ana":
            assert self.whose[body.answer] == name
            assert body.answer in self.introduced, "an address crossed before the other's yes"

    introduced: set[str] = field(default_factory=set)

    def others(self) -> list[Record]:
        """What the partner has no part in: the other link and all that is of it, and what is of nobody's."""
        kept: list[Record] = []
        ours = self.partner.link
        for record in self.side.records.rows.values():
            match record:
                case Member() | Offer() | Stewardship():
                    mine = record.id != self.side.id("cem")
                case Link(id=id) | LinkKeys(link=id) | GuestRoom(link=id):
                    mine = id == ours
                case AskAcross():
                    # They go with Ana's request, which a room across either link ends.
                    mine = True
                case Request():
                    of_link = record.across is not None and record.across.link == ours
                    mine = of_link or bool(record.linked)
                case Asked() | Pairing() | PeerRoom():
                    theirs = record.across is not None and record.across.link == ours
                    request = self.side.records.rows.get(("requests", record.request))
                    linked = isinstance(request, Request) and bool(request.linked)
                    mine = theirs or linked
                case _:
                    mine = True
            if not mine:
                kept.append(record)
        return kept

    # What the partner says

    def names(self) -> list[str]:
        """Every name of a request or an answer that there is, wherever, and two that nobody made."""
        found = {REQUEST, "b" * 32}
        for _, body in (*self.partner.told, *self.third.told):
            found |= {str(value) for key, value in body if key in ("request", "answer") and value}
        for kind in (Request, Asked, GuestRoom, AskAcross, Pairing):
            found |= {one.id for one in self.side.records.all(kind)}
        return sorted(found)

    def fitting(self) -> list[tuple[str, str]]:
        """A request and an answer that belong together, of each that there is, and of one yet to be given."""
        found = {(body.request, "c" * 32) for _, body in self.partner.told if isinstance(body, Ask)}
        there = [(one.id, one.across) for one in self.side.records.all(Asked)]
        for id, across in (*there, *((one.id, one.across) for one in self.side.records.all(GuestRoom))):
            if across is not None and across.link == self.partner.link:
                found.add((across.request, id))
        return sorted(found)

    def body(self, kind: str, a: int, b: int, c: int) -> dict[str, Any]:
        """A body of that kind; the numbers choose what is in it."""
        names, fitting = self.names(), self.fitting()
        request, answer = names[a % len(names)], names[b % len(names)]
        if (a + b) % 5:
            request, answer = fitting[b % len(fitting)]
        ids = {"kind": kind, "request": request, "answer": answer}
        mark = f"words-{len(self.marks)}."
        users = self.users or (ZOE, *OUTSIDERS, *map(self.side.address, NAMES), SOUTH_AT, NORTH_AT)
        instant = (0, int(self.side.now.timestamp()) + 3600, _FAR)[c % 3]
        match kind:
            case "ask":
                return self.ask(request=names[a % len(names)], until=instant, minutes=(60, 10_080)[b % 2])
            case "answer":
                return {**ids, "wish": ("listening", "mutual", "ideas")[c % 3], "minutes": 10_080}
            case "note":
                self.marks[mark] = ids["answer"]
                return {**ids, "note": mark, "how": []}
            case "consent":
                self.marks[mark] = ids["answer"]
                return {**ids, "card": mark, "fear": ("nobody", "report")[a % 2], "until": instant}
            case "introduce":
                room, ends = ((None, None), (ROOM, instant))[c % 2]
                user = users[a % len(users)]
                self.introduced.add(ids["answer"])
                return {**ids, "user": user, "room": room, "ends": ends}
            case "withdraw":
                return {**ids, "answer": (None, ids["answer"])[c % 2]}
            case "close":
                step = ("ended", "removed", "gone")[a % 3]
                return {
                    **ids,
                    "step": step,
                    "reached": (None, "purged")[c % 2],
                    "met": (None, True, False)[c % 3],
                }
            case "more":
                step = ("asked", "agreed")[a % 2]
                times = {"minutes": 60, "until": instant, "ends": instant}
                return {**ids, "step": step, "wish": f"{c % 2}" * 32, **times}
            case "pause":
                return {"kind": kind, "paused": c % 3 == 1}
            case "error":
                return {"kind": kind, "code": ("version", "quota")[c % 2], "versions": [1]}
            case "terms":
                return {"kind": kind, "terms": self.terms(asks_a_day=(0, 5, 100)[c % 3])}
            case "hello" | "key_change":
                epoch, round = (1, 2, 2, 3)[a % 4], (1, 2, 1000, 5)[b % 4]
                reason = ("rotate", "restored", "link")[c % 3]
                terms = self.side.records.all(Link)[0].terms
                hello, keys = steps(self.partner.us, secrets(f"{a % 2}"), epoch, reason, terms, round)
                return (hello if kind == "hello" else keys).model_dump(mode="json")
            case _:
                return {"kind": "cut"}

    def ask(self, **changes: object) -> dict[str, Any]:
        """An ask as the terms allow it."""
        until = int((self.side.now + timedelta(hours=12)).timestamp())
        plain = {
            "kind": "ask",
            "request": REQUEST,
            "wish": "listening",
            "topics": [],
            "topics_only": False,
            "languages": ["en"],
            "writing": True,
            "voice": False,
            "minutes": 60,
            "wait": 120,
            "ages": "adults",
            "reporters": False,
            "again": [],
            "again_only": False,
            "start": None,
            "until": until,
        }
        return {**plain, **changes}

    def terms(self, **changes: object) -> dict[str, Any]:
        """The partner's terms."""
        found = [one.their_terms for one in self.side.records.all(Link) if one.id == self.partner.link]
        plain = {} if not found or found[0] is None else found[0].model_dump(mode="json")
        return {**plain, **changes}

    # Ways that are well trodden

    async def far(self, step: str) -> None:
        """As far as that, as partners do who keep to what they should."""
        if step.startswith("ana"):
            await self._asked(step)
        elif step:
            await self._asks(step)
        await self.third.hears()
        self.check()

    async def _asked(self, step: str) -> None:
        ask = next(body for _, body in self.partner.told if isinstance(body, Ask))
        answer = "c" * 32
        said = {"request": ask.request, "answer": answer}
        await self.partner.says(Answer.model_validate({**said, "wish": "listening", "minutes": 60}))
        if step == "ana: answered":
            return
        until = int((self.side.now + timedelta(hours=2)).timestamp())
        self.marks["I like to draw."] = answer
        body = {**said, "card": "I like to draw.", "fear": "tell_first", "until": until}
        await self.partner.says(Consent.model_validate(body))
        assert "I like to draw." in self.side.last("ana")
        if step == "ana: consented":
            return
        await self.says("ana", "yes")
        assert isinstance(self.partner.told[-1][1], Introduce)
        if step == "ana: agreed":
            return
        await self.partner.says({"kind": "introduce", **said, "user": ZOE, "room": None, "ends": None})
        assert self.side.records.all(PeerRoom)

    async def _asks(self, step: str) -> None:
        await self.partner.says(self.ask())
        if step == "ben: asked":
            return
        await self.says("ben", "yes")
        if step == "ben: willing":
            return
        answer = next(body.answer for _, body in self.partner.told if isinstance(body, Answer))
        self.marks["A long week."] = answer
        await self.partner.says(Note(request=REQUEST, answer=answer, note="A long week.", how=()))
        assert "A long week." in self.side.last("ben")
        if step == "ben: reading":
            return
        await self.says("ben", "yes")
        if step == "ben: ready":
            return
        self.introduced.add(answer)
        said = {"kind": "introduce", "request": REQUEST, "answer": answer, "user": ZOE}
        await self.partner.says({**said, "room": None, "ends": None})
        assert isinstance(self.partner.told[-1][1], Introduce)
        if step == "ben: awaited":
            return
        ends = int((self.side.now + timedelta(hours=1)).timestamp())
        await self.partner.says({**said, "room": ROOM, "ends": ends})
        assert self.side.records.all(GuestRoom)[0].room == ROOM


STEPS = (
    *("", "ben: asked", "ben: willing", "ben: reading", "ben: ready", "ben: awaited", "ben: opened"),
    *("ana: answered", "ana: consented", "ana: agreed", "ana: introduced"),
)
KINDS = (
    *(
        "ask",
        "answer",
        "note",
        "consent",
        "introduce",
        "withdraw",
        "close",
        "more",
        "pause",
        "terms",
        "error",
    ),
    *("hello", "key_change", "cut"),
)
_OF_THE_LINK = ("pause", "terms", "error", "hello", "key_change", "cut")
# What stops a link is rare, or nothing else would be seen.
_SAID = st.sampled_from([*(8 * [kind for kind in KINDS if kind not in _OF_THE_LINK]), *_OF_THE_LINK])
NUMBERS = st.integers(0, 40)
_SAYS = st.tuples(st.just("says"), _SAID, NUMBERS, NUMBERS, NUMBERS)
_ODD = st.tuples(st.just("odd"), st.sampled_from(KINDS), NUMBERS, NUMBERS, NUMBERS)
_WRITES = st.tuples(
    st.just("writes"),
    st.sampled_from(["ana", "ben", "dan", "eva"]),
    st.sampled_from(["yes", "yes", "2", "no", "stop", "close", "forget me", "skip", "status", "again"]),
)
_WAITS = st.tuples(st.just("waits"), st.sampled_from([1, 11, 16, 125, 700]))
PLAYS = st.lists(_SAYS | _SAYS | _SAYS | _ODD | _WRITES | _WAITS, min_size=30, max_size=90)


async def odd(world: World, kind: str, a: int, b: int, c: int) -> list[Body]:
    """Something that the desk should refuse, or what it has had."""
    partner = world.partner
    plain = canonical(world.body(kind, a, b, c))
    now = int(world.side.now.timestamp())
    match a % 12:
        case 0:
            return await partner.sends(partner.contents[b % len(partner.contents)])
        case 1:
            # One in eight is what a restored desk would send, after which little else is taken.
            issued = now if b % 8 == 0 else now - 86_400
            changed = {"counter": max(1, partner.counter - b), "issued": issued}
            return await partner.says(world.body(kind, a, b, c), **changed)
        case 2:
            return await partner.says(world.body(kind, a, b, c), issued=now + 60 * b, expires=now + 86_400)
        case 3:
            return await partner.puts(partner.sealed(plain) | {"signature": "A" * 86})
        case 4:
            return await partner.puts(partner.sealed(plain, version=2 + b))
        case 5:
            return await partner.puts(partner.sealed(plain, link=THIRD))
        case 6:
            return await partner.puts(partner.sealed(plain, audience=world.partner.them))
        case 7:
            return await partner.puts(partner.sealed(plain, padded=(1025, 3072, 6656)[b % 3]))
        case 8:
            return await partner.puts(partner.sealed(plain[: len(plain) - 1 - b % 20]))
        case 9:
            return await partner.says(world.body(kind, a, b, c) | {"more": "a name"})
        case 10:
            return await partner.sends(["", "null", "[]", "{}", '{"version":1}', "[" * 5000][b % 6])
        case _:
            return await partner.puts({"version": 1, "link": partner.link, "sealed": "A" * 20_000})
