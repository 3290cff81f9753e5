"""Two communities whose stewards link them: what one desk sends, the other one's service is handed.

Only the homeservers are fake: who is in which room, and in what order events come.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from handlers import across, topics
from handlers.desk import Desk
from schema.community import Community
from schema.effects import Effect, JoinRoom, LeaveRoom, OpenLinkRoom, SendAcross
from schema.events import Delivered, Due, FromLink, Invited, LinkRoom, NotDelivered
from schema.ids import EventId, MatrixId, RoomId
from schema.records import Link, LinkKeys
from schema.wire import Body
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
        self.crossed: list[tuple[Story, Body]] = []
        self.reachable = True
        self.loses: Callable[[], bool] = lambda: False
        self.holds = False
        self.count = 0

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
            for one in (self.north, self.south):
                if self.runs(one):
                    await one.pump()

    def runs(self, side: Story) -> bool:
        """Whether the service of that side runs now."""
        return True

    def _id(self) -> EventId:
        self.count += 1
        return EventId(f"$across{self.count}")

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
            case SendAcross() if self.loses():
                await side.event(NotDelivered(effect, "deadline"))
            case SendAcross(room=room, content=content):
                if self.rooms[room] == {side.community.desk, other.community.desk}:
                    event = FromLink(self._id(), room, side.community.desk, content, True)
                    self.passed.append((other, event))
                    self._read(other, content)
                    await other.event(event)
                await side.event(Delivered(effect))
            case LeaveRoom(room=room):
                inside = self.rooms.get(room, set())
                was = inside == {side.community.desk, other.community.desk}
                inside.discard(side.community.desk)
                if was:
                    await other.event(LinkRoom(self._id(), room, side.community.desk, False))

    def _read(self, to: Story, content: str) -> None:
        """Note what crosses, as its reader takes it; `crossed` has to whom, and what."""
        link = next(iter(to.records.all(Link)), None)
        if link is not None and link.epochs:
            known = topics.known(to.community)
            taken = to.crossing.take(content, link, to.records.all(LinkKeys), to.now, known)
            if taken.body is not None:
                self.crossed.append((to, taken.body))

    def to(self, side: Story, *kinds: type[Body]) -> list[Body]:
        """What crossed to that side, of these kinds."""
        return [body for to, body in self.crossed if to is side and isinstance(body, kinds)]

    async def say(self, side: Story, name: str, *bodies: str) -> str:
        """A member of that side writes; what both then do happens. The last answer."""
        answer = ""
        for body in bodies:
            await self.wait(timedelta(minutes=1))
            answer = await side.say(name, body, after=0)
            await self.carry()
        return answer

    async def put_across(self, side: Story, body: Body, until: datetime | None = None) -> bool:
        """Have that side's desk say this, whatever it knows of; whether it crossed."""
        turn = side.turn(Due("links", ""))
        done = await across.say(Desk(turn), link_of(side).id, body, until)
        side.carry_out(turn.effects)
        await self.carry()
        return done

    async def wait(self, length: timedelta) -> None:
        """Time passes for both; whatever comes due on the way is handled at its hour."""
        end = self.north.now + length
        while True:
            due = [(one._next_due(), one) for one in (self.north, self.south)]
            next_at = min((found[0] for found, _ in due if found is not None), default=end)
            for one in (self.north, self.south):
                one.now = max(one.now, min(next_at, end))
            if next_at > end:
                return
            for one in (self.north, self.south):
                await one.wait(timedelta())
            await self.carry()
            if next_at == end:
                return

    async def linked(self) -> None:
        """From the first word to a link that stands."""
        await self.begin()
        await self.says(self.north, f"link {SOUTH_AT}", "We met in spring.", "yes")
        await self.says(self.south, f"link {NORTH_AT}", "yes")
        await self.says(self.south, f"link {NORTH_AT}", "Welcome.", "yes")
        await self.says(self.north, f"link {SOUTH_AT}", "1")
        await self.says(self.south, f"link {NORTH_AT}", "1")
