"""More time across a link, in every order: what the two desks say may come late, mixed, or twice.

Both sides' ends of the room are the same once all has come, whoever asked for how much, and when.
"""

import asyncio
import copy
from datetime import timedelta
from functools import cache

from hypothesis import example, given
from hypothesis import strategies as st

from schema.effects import Effect, SendAcross
from schema.events import Delivered, FromLink
from schema.records import GuestRoom, PeerRoom
from schema.states import GuestRoomState, RoomState
from service.core import guest_rooms
from service.crossing import Crossing
from tests.handlers.story import Story
from tests.handlers.test_after_across import of, together
from tests.handlers.two import Two


class Slow(Two):
    """What crosses waits until it is taken; and what was taken can come again."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = False
        self.waits: list[tuple[Story, FromLink]] = []
        self.taken: list[tuple[Story, FromLink]] = []

    async def _carry(self, side: Story, effect: Effect) -> None:
        if not (self.slow and isinstance(effect, SendAcross)):
            await super()._carry(side, effect)
            return
        sent = FromLink(self._id(), effect.room, side.community.desk, effect.content, True)
        self.waits.append((self.other(side), sent))
        await side.event(Delivered(effect))

    async def takes(self, at: int) -> None:
        """One of those that wait is taken."""
        to, sent = self.waits.pop(at % len(self.waits))
        self.taken.append((to, sent))
        await self._comes(to, sent)

    async def again(self, at: int) -> None:
        """One of those that were taken comes once more."""
        if self.taken:
            await self._comes(*self.taken[at % len(self.taken)])

    async def _comes(self, to: Story, sent: FromLink) -> None:
        await to.event(FromLink(self._id(), sent.room, sent.sender, sent.content, True))
        await to.pump()
        await self.carry()

    async def does(self, name: str, number: int) -> None:
        """A member asks for so much more, says yes or no, or time passes; or what was sent comes."""
        match name:
            case "ana" | "ben":
                side, _ = of(self, name)
                await self.say(side, name, "extend")
                await self.say(side, name, ("yes", "1", "2", "3", "no")[number % 5])
            case "takes":
                if self.waits:
                    await self.takes(number)
            case "again":
                await self.again(number)
            case "waits":
                await self.wait(timedelta(minutes=(1, 3, 8, 15, 25)[number % 5]))


@cache
def begun() -> Slow:
    """The two are in their room, for an hour."""
    two = Slow()
    asyncio.run(together(two))
    return two


# One side's program is down when the end comes


async def half_an_hour_before(two: Slow) -> timedelta:
    """Ben asked for two hours more and Ana said yes, which is on its way; how long until the first end."""
    two.slow = True
    await two.say(two.south, "ben", "extend", "4")
    await two.takes(0)
    await two.say(two.north, "ana", "extend", "yes")
    (guest,) = two.south.records.all(GuestRoom)
    assert guest.ends_at is not None
    assert two.north.the_room().ends_at == guest.ends_at + timedelta(hours=2)
    return guest.ends_at - two.south.now


def says_that_it_heard_nothing(two: Slow) -> bool:
    """Whether Ben was told so."""
    said = "I have heard nothing of it from the program of"
    return any(said in body for _, body, _ in two.south.heard("ben"))


async def south_was_down(two: Slow, length: timedelta) -> None:
    """It starts after so long, and has what was sent meanwhile before it only once it has read it."""
    await two.north.wait(length)
    two.south.now = two.north.now
    two.south.read_since = None
    await two.south.wait(timedelta())


async def test_more_time_that_was_agreed_while_our_side_was_down_is_read_first() -> None:
    """Its hour came first; what waited at the homeserver says that it goes on."""
    two = Slow()
    await together(two)
    left = await half_an_hour_before(two)
    await south_was_down(two, left + timedelta(minutes=70))
    two.south.read_since = two.south.now
    await two.takes(0)
    heard = [body for _, body, _ in two.south.heard("ben")]
    assert not says_that_it_heard_nothing(two)
    assert any("You both said yes to 2 hours more." in body for body in heard)
    assert two.south.records.all(GuestRoom)[0].ends_at == two.north.the_room().ends_at


async def test_where_nothing_had_come_the_room_is_over_a_little_later() -> None:
    """Our side read for a while, and says that it heard nothing."""
    two = Slow()
    await together(two)
    left = await half_an_hour_before(two)
    await south_was_down(two, left + timedelta(minutes=70))
    two.south.read_since = two.south.now
    await two.south.wait(guest_rooms.READ - timedelta(minutes=1))
    assert not says_that_it_heard_nothing(two)
    await two.south.wait(guest_rooms.READ)
    assert any(
        "I have heard nothing of it from the program of" in body for _, body, _ in two.south.heard("ben")
    )


async def test_where_their_side_was_down_at_the_end_ours_says_so_and_both_erase_it_later() -> None:
    """It closes the room when it is back; then each says what was done."""
    two = Slow()
    await together(two)
    (guest,) = two.south.records.all(GuestRoom)
    assert guest.ends_at is not None
    await two.south.wait(guest.ends_at + timedelta(hours=1, minutes=1) - two.south.now)
    assert any(
        "I have heard nothing of it from the program of" in body for _, body, _ in two.south.heard("ben")
    )
    await two.south.wait(timedelta(hours=9))
    two.north.now = two.south.now
    assert two.north.the_room().state is RoomState.OPEN
    await two.wait(timedelta())
    assert two.north.the_room().state is RoomState.READABLE
    await two.wait(timedelta(days=4))
    for side, name in ((two.north, "ana"), (two.south, "ben")):
        assert any("This is what was done" in body for _, body, _ in side.heard(name))
    assert not two.south.records.all(GuestRoom)
    assert not two.north.records.all(PeerRoom)


# Every order


steps = st.lists(
    st.tuples(st.sampled_from(["ana", "ben", "takes", "takes", "again", "waits"]), st.integers(0, 4)),
    min_size=5,
    max_size=25,
)
BEN_ASKS_AND_ANA_AGREES = [("ben", 1), ("takes", 0), ("ana", 0)]
ANA_ASKS_AND_BEN_AGREES = [("ana", 1), ("takes", 0), ("ben", 0)]


@example([*BEN_ASKS_AND_ANA_AGREES, ("waits", 4), ("waits", 1), ("ana", 3), ("takes", 1), ("takes", 0)])
@example([*BEN_ASKS_AND_ANA_AGREES, ("ana", 3), ("waits", 4), ("takes", 1), ("ben", 0), ("takes", 1)])
@example([*ANA_ASKS_AND_BEN_AGREES, ("waits", 4), ("waits", 1), ("ben", 2), ("takes", 1), ("ana", 0)])
@example([("ben", 1), ("ana", 3), ("takes", 0), ("waits", 4), ("waits", 1), ("takes", 0), ("takes", 0)])
@given(steps)
def test_the_two_ends_are_the_same_once_all_has_come(steps: list[tuple[str, int]]) -> None:
    """While the room is open, that is when each side's member reads that it ends; afterwards both know it."""
    first = begun()
    two = copy.deepcopy(first, {id(one.crossing): Crossing() for one in (first.north, first.south)})
    two.slow = True

    async def play() -> None:
        for name, number in steps:
            await two.does(name, number)
        while two.waits:
            await two.takes(0)

    asyncio.run(play())
    room, (guest,) = two.north.the_room(), two.south.records.all(GuestRoom)
    if room.state is RoomState.OPEN:
        assert guest.state is GuestRoomState.OPEN
        assert guest.ends_at == room.ends_at.replace(microsecond=0)
    else:
        assert guest.state is not GuestRoomState.OPEN
