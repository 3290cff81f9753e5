"""Whoever both want a link come to one: whatever was asked, taken back or cut before, in whatever order."""

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.effects import Effect, JoinRoom, LeaveRoom, OpenLinkRoom, SendAcross
from schema.events import Delivered, FromLink, Invited, LinkRoom, NoChat, NotDelivered
from schema.ids import MatrixId, RoomId
from schema.records import Link
from schema.states import LinkState
from service.core import ways
from tests.handlers.story import Story
from tests.handlers.two import Two


class AnyOrder(Two):
    """Two homeservers that tell of what happens late: of one room in its order, of two rooms in any.

    `inside` has who is joined ("join"), invited, or neither any more ("leave"), by room.
    """

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self.chance = chance
        self.inside: dict[RoomId, dict[MatrixId, str]] = {}
        self.made: dict[tuple[MatrixId, str], RoomId] = {}
        self.told: set[tuple[MatrixId, RoomId]] = set()
        self.unread: list[tuple[Story, RoomId, Invited | FromLink | str]] = []

    async def some(self, count: int) -> None:
        """So many things that were to happen do, if there are as many."""
        for _ in range(count):
            if not await self._next():
                return

    async def carry(self) -> None:
        """All that was to happen does, in some order."""
        for _ in range(1000):
            if not await self._next():
                return
        raise AssertionError("the two answer one another without end")

    async def _next(self) -> bool:
        """One thing happens; whether any was left to."""
        lanes: dict[tuple[MatrixId, str], Effect] = {}
        for side in (self.north, self.south):
            for effect in side.sends:
                lanes.setdefault((side.community.desk, ways.lane(effect)), effect)
        first: dict[tuple[MatrixId, str], int] = {}
        for at, (side, room, what) in enumerate(self.unread):
            # An invitation comes by another way than what is said in the room.
            way = f"{room} invited" if isinstance(what, Invited) else room
            first.setdefault((side.community.desk, way), at)
        if not lanes and not first:
            return False
        at = self.chance.randrange(len(lanes) + len(first))
        if at < len(lanes):
            (desk, _), effect = list(lanes.items())[at]
            side = self.north if desk == self.north.community.desk else self.south
            side.sends.remove(effect)
            await self._carry(side, effect)
        else:
            side, room, what = self.unread.pop(list(first.values())[at - len(lanes)])
            await self._told(side, room, what)
        for one in (self.north, self.south):
            await one.pump()
        return True

    async def _carry(self, side: Story, effect: Effect) -> None:
        us, other = side.community.desk, self.other(side)
        them = other.community.desk
        match effect:
            case OpenLinkRoom(link=link):
                room = self.made.get((us, link))
                if room is None or self.inside[room][us] != "join":
                    room = self.made[us, link] = RoomId(f"!between{len(self.inside)}")
                    self.inside[room] = {us: "join"}
                if self.inside[room].get(them) not in ("invite", "join"):
                    self.inside[room][them] = "invite"
                    self.unread.append((other, room, Invited(self._id(), room, us, False, True, True)))
                await side.event(Delivered(effect, room))
            case JoinRoom(room=room):
                if self.inside[room][them] != "join" or self.inside[room][us] == "leave":
                    await side.event(NotDelivered(effect, "M_FORBIDDEN"))
                    return
                self.inside[room][us] = "join"
                self.unread += [(side, room, "came"), (other, room, "came")]
            case SendAcross(room=room, content=content):
                if self.inside[room] == {us: "join", them: "join"}:
                    self.unread.append((other, room, FromLink(self._id(), room, us, content, True)))
                await side.event(Delivered(effect))
            case LeaveRoom(room=room):
                self.inside[room][us] = "leave"
                self.told.discard((us, room))
                self.unread.append((other, room, "left"))

    async def _told(self, side: Story, room: RoomId, what: Invited | FromLink | str) -> None:
        us, inside = side.community.desk, self.inside[room]
        them = self.other(side).community.desk
        if not isinstance(what, str):
            if isinstance(what, Invited) or inside[us] == "join":
                await side.event(what)
            return
        if inside[us] != "join":
            return
        both, knew = inside[them] == "join", (us, room) in self.told
        if both is not knew:
            (self.told.add if both else self.told.discard)((us, room))
            await side.event(LinkRoom(self._id(), room, them, both))
        if what == "left" and not both:
            await side.event(NoChat(self._id(), room))

    async def writes(self, side: Story, *bodies: str) -> str:
        """A steward of that side writes; nothing is handed over. What they read last."""
        self.holds = True
        return await self.says(side, *bodies)

    async def goes_on(self, side: Story) -> None:
        """A steward who wants the link does what the service says, until it says nothing that can be done."""
        at = self.other(side).community.desk
        heard = await self.writes(side, f"link {at}")
        for _ in range(6):
            if "Which words shall" in heard:
                heard = await self.writes(side, "We met in spring.")
            elif "\n1. " in heard:
                heard = await self.writes(side, "1")
            elif f"To take it up, write “cut {at}”" in heard:
                await self.writes(side, f"cut {at}", "1")
                heard = await self.writes(side, f"link {at}")
            else:
                return

    def linked_now(self) -> bool:
        """Whether one link stands, the same on both sides."""
        found = [side.records.all(Link) for side in (self.north, self.south)]
        if any(len(one) != 1 or one[0].state is not LinkState.LIVE for one in found):
            return False
        return found[0][0].id == found[1][0].id and all(one[0].here for one in found)


ACTS = ("goes on", "asks", "cuts", "differ", "links", "some", "all")


async def _play(chance: Random, acts: list[tuple[bool, str]]) -> None:
    two = AnyOrder(chance)
    await two.begin()
    for of_north, act in acts:
        side = two.north if of_north else two.south
        at = two.other(side).community.desk
        match act:
            case "goes on":
                await two.goes_on(side)
            case "asks":
                # It is left open: somebody else of them may write next, or nobody.
                await two.writes(side, f"link {at}", "We met in spring.")
            case "cuts":
                await two.writes(side, f"cut {at}", "1")
            case "differ":
                if "Have you compared" in await two.writes(side, f"link {at}"):
                    await two.writes(side, "2")
            case "some":
                await two.some(chance.randrange(6))
            case "all":
                await two.carry()
        assert all(len(one.records.all(Link)) <= 1 for one in (two.north, two.south))
    for _ in range(12):
        await two.carry()
        if two.linked_now():
            break
        sides = [two.north, two.south]
        chance.shuffle(sides)
        for side in sides:
            await two.goes_on(side)
            await two.some(chance.randrange(6))
    assert two.linked_now(), [(one.records.all(Link), one.log[-6:]) for one in (two.north, two.south)]


@given(st.integers(0, 2**32), st.lists(st.tuples(st.booleans(), st.sampled_from(ACTS)), max_size=12))
def test_whoever_both_want_a_link_come_to_one(seed: int, acts: list[tuple[bool, str]]) -> None:
    """Both do what the service says, and no more: there is one link in the end, the same on both sides."""
    asyncio.run(_play(Random(seed), acts))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("first_of_north", [True, False])
async def test_after_words_that_differed_both_can_ask_anew(seed: int, first_of_north: bool) -> None:
    """Whichever side found it, whoever asks first then, and whatever comes first."""
    await _play(
        Random(seed),
        [
            *((True, "goes on"), (True, "all"), (False, "goes on"), (True, "all")),
            *((False, "goes on"), (True, "all"), (first_of_north, "differ")),
            *((first_of_north, "goes on"), (not first_of_north, "cuts"), (not first_of_north, "goes on")),
        ],
    )


DECLINED_LATE = [(True, "goes on"), (True, "all"), (False, "goes on"), (False, "cuts"), (False, "goes on")]
ASKED_ANEW_AT_ONCE = [*DECLINED_LATE[:3], (True, "cuts"), (True, "goes on")]


@pytest.mark.parametrize("acts", [DECLINED_LATE, ASKED_ANEW_AT_ONCE])
@pytest.mark.parametrize("seed", range(40))
async def test_who_changed_their_mind_at_once_is_not_kept_from_it(
    seed: int, acts: list[tuple[bool, str]]
) -> None:
    """They declined and then asked, or took it back and asked anew, before the others heard of the first."""
    await _play(Random(seed), acts)
