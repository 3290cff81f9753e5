"""Which of two rooms is meant: somebody who keeps company may have company about it in another.

Guards: what ends or changes a room is never guessed; where there is one room, nothing is asked.
"""

from collections.abc import Sequence

from handlers import extension, guest_more, guest_room
from handlers import room as peer_rooms
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.records import GuestRoom, Member, PeerRoom, Prompt
from schema.states import GuestRoomState
from service.core import rooms

_ROOMS = (
    Choice("peer", "choice.room_as_peer"),
    Choice("asker", "choice.room_as_asker"),
    Choice("none", "choice.room_none"),
)
"""A member has one room of each kind at most."""


async def close(desk: Desk, member: Member) -> None:
    """End the member's room, after asking which where there are two."""
    await _start(desk, member, "close")


async def extend(desk: Desk, member: Member) -> None:
    """Ask for more time in the member's room, after asking which where there are two."""
    await _start(desk, member, "extend")


async def _start(desk: Desk, member: Member, what: str) -> None:
    live = await _live(desk, member)
    if len(live) > 1:
        desk.put_behind(member.id)
        desk.ask(member.id, "which", draft={"what": what}, until=desk.now + desk.timings.idle)
    elif live:
        await _do(desk, member, what, live[0])
    else:
        desk.say(member.id, "room.nothing_to_close", notice=False)


async def _live(desk: Desk, member: Member) -> Sequence[PeerRoom | GuestRoom]:
    """The rooms that the member can end: of a linked community's, those that are open."""
    return [
        *(await peer_rooms.of(desk, member.id, *rooms.LIVE)),
        *(await guest_room.of(desk, member.id, GuestRoomState.OPEN)),
    ]


async def _do(desk: Desk, member: Member, what: str, room: PeerRoom | GuestRoom) -> None:
    if isinstance(room, GuestRoom):
        await (guest_room.close if what == "close" else guest_more.start)(desk, member, room)
    elif what == "close":
        await peer_rooms.close(desk, member, room)
    else:
        await extension.start(desk, member, room)


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """Which room; the numbers mean the same while it stands open."""
    key = "which.close" if prompt.draft["what"] == "close" else "which.extend"
    return Question(desk.words(member, key), _ROOMS, binding=True, also=frozenset({"skip"}))


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Do it to the room that is meant, where that is still open."""
    meant = [room for room in await _live(desk, member) if reply.name == _place(room, member)]
    if meant:
        await _do(desk, member, str(prompt.draft["what"]), meant[0])
    else:
        desk.say(member.id, "stop.over" if reply.name in ("peer", "asker") else "stop.kept")


def _place(room: PeerRoom | GuestRoom, member: Member) -> str:
    """What the member is in it: in a linked community's room they always keep somebody company."""
    return "peer" if isinstance(room, GuestRoom) or room.peer == member.id else "asker"
