"""Two communities whose stewards link them: what one desk sends, the other one's service is handed.

Only the homeservers are fake: who is in which room, and in what order events come.
"""

from dataclasses import replace

from schema.community import Community
from schema.effects import Effect, JoinRoom, LeaveRoom, OpenLinkRoom, SendAcross
from schema.events import Delivered, FromLink, Invited, LinkRoom, NotDelivered
from schema.ids import EventId, MatrixId, RoomId
from schema.records import Link
from tests.handlers.story import STEWARDS, Story, community

NORTH_AT, SOUTH_AT = MatrixId("@alongside:north.example"), MatrixId("@alongside:south.example")


def looked_after(community: Community, desk: MatrixId) -> Community:
    """The community with a steward, whose program is that desk."""
    server = desk.partition(":")[2]
    return replace(community, desk=desk, server=server, stewards=(MatrixId("@sam:example.org"),))


def side(community: Community, desk: MatrixId, seed: int, language: str) -> Story:
    """One of the two."""
    return Story(looked_after(community, desk), seed=seed, language=language, links=True)


def said(side: Story) -> list[str]:
    """What was said in a side's steward room."""
    return [body for _, body, _ in side.heard(STEWARDS)]


def link_of(side: Story) -> Link:
    """The one link that a side has."""
    (link,) = side.records.all(Link)
    return link


class Two:
    """The two, and what lies between them: by room, who is in it. `told` is a story that is the south's."""

    def __init__(self, told: Story | None = None, *, north: Story | None = None) -> None:
        language = next((one.language for one in (told, north) if one is not None), "en")
        self.north = north or side(community(language), NORTH_AT, 1, language)
        self.south = told or side(community(language), SOUTH_AT, 2, language)
        for one, desk in ((self.north, NORTH_AT), (self.south, SOUTH_AT)):
            one.community, one.links = looked_after(one.community, desk), True
        self.rooms: dict[RoomId, set[MatrixId]] = {}
        self.passed: list[tuple[Story, FromLink]] = []
        self.reachable = True
        self.holds = False
        self._count = 0

    async def begin(self) -> None:
        """A steward of each is in their room."""
        for side in (self.north, self.south):
            await side.stewards("sam")

    def other(self, side: Story) -> Story:
        """The other of the two."""
        return self.south if side is self.north else self.north

    async def says(self, side: Story, *bodies: str) -> str:
        """A steward of that side writes; what both then do happens. What was said to them last."""
        seen = 0
        for body in bodies:
            seen = len(said(side))
            await side.steward("sam", body)
            self.other(side).now = side.now
            if not self.holds:
                await self.carry()
        return "\n".join(said(side)[seen:])

    async def carry(self) -> None:
        """Hand over what was sent, until nothing is left."""
        while True:
            side = next((one for one in (self.north, self.south) if one.sends), None)
            if side is None:
                return
            await self._carry(side, side.sends.pop(0))

    def _id(self) -> EventId:
        self._count += 1
        return EventId(f"$across{self._count}")

    async def _carry(self, side: Story, effect: Effect) -> None:
        other = self.other(side)
        match effect:
            case OpenLinkRoom():
                if not self.reachable:
                    await side.event(NotDelivered(effect, "deadline"))
                    return
                room = RoomId(f"!between{len(self.rooms)}")
                self.rooms[room] = {side.community.desk}
                await side.event(Delivered(effect, room))
                if effect.desk == other.community.desk:
                    await other.event(Invited(self._id(), room, side.community.desk, False, True, True))
            case JoinRoom(room=room):
                self.rooms[room].add(side.community.desk)
                for one in (self.north, self.south):
                    await one.event(LinkRoom(self._id(), room, self.other(one).community.desk, True))
            case SendAcross(room=room, content=content):
                if self.rooms[room] == {side.community.desk, other.community.desk}:
                    event = FromLink(self._id(), room, side.community.desk, content, True)
                    self.passed.append((other, event))
                    await other.event(event)
                await side.event(Delivered(effect))
            case LeaveRoom(room=room):
                inside = self.rooms.get(room, set())
                was = inside == {side.community.desk, other.community.desk}
                inside.discard(side.community.desk)
                if was:
                    await other.event(LinkRoom(self._id(), room, side.community.desk, False))

    async def linked(self) -> None:
        """From the first word to a link that stands."""
        await self.begin()
        await self.says(self.north, f"link {SOUTH_AT}", "We met in spring.", "yes")
        await self.says(self.south, f"link {NORTH_AT}", "yes")
        await self.says(self.south, f"link {NORTH_AT}", "Welcome.", "yes")
        await self.says(self.north, f"link {SOUTH_AT}", "1")
        await self.says(self.south, f"link {NORTH_AT}", "1")
