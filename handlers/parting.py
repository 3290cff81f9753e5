"""When one of the two cannot go on, leaves, or never comes: what each hears, and may choose.

Guards: a peer may stop at any time, and nothing is said of it but what they chose to have said; whoever left
comes back only at their own word; whoever stays waits, looks for somebody else or closes, and a silence has
an hour that was said; whoever asked for company keeps the words of their request for somebody else.
"""

from handlers import guest_room
from handlers import request as requests
from handlers import room as peer_rooms
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.records import Member, PeerRoom, Prompt
from schema.states import Ending, GuestRoomState, RoomState
from service.core import rooms

_SKIP = frozenset({"skip"})

_PASS = (
    Choice("tell", "choice.pass_tell"),
    Choice("silent", "choice.pass_silent"),
    Choice("no", "choice.pass_no"),
)
_WAIT = Choice("wait", "choice.part_wait")
_BACK = Choice("back", "choice.part_back")
_ELSE = Choice("else", "choice.part_else")
_CLOSE = Choice("close", "choice.part_close")


async def pass_on(desk: Desk, member: Member) -> None:
    """A peer cannot go on: ask what the other is to hear, before the room closes."""
    live = await peer_rooms.of(desk, member.id, *rooms.LIVE)
    of_peer = [room for room in live if room.peer == member.id]
    if of_peer:
        desk.put_behind(member.id)
        desk.ask(member.id, "pass", subject=of_peer[0].id, until=of_peer[0].ends_at)
    elif guests := await guest_room.of(desk, member.id, GuestRoomState.OPEN):
        # What the other hears of it is not ours to say across a link: it closes, as for every reason.
        await guest_room.close(desk, member, guests[0])
    elif live:
        desk.say(member.id, "pass.not_asked", notice=False)
    else:
        desk.say(member.id, "room.nothing_to_close", notice=False)


async def come_back(desk: Desk, member: Member) -> None:
    """Invite whoever left again, where there is a room to go back to."""
    for room in await peer_rooms.of(desk, member.id, RoomState.APART):
        if member.id not in room.joined:
            await _invite_back(desk, member, room)
            return
    desk.say(member.id, "left.nowhere", notice=False)


async def _invite_back(desk: Desk, member: Member, room: PeerRoom) -> None:
    await peer_rooms.advance(desk, room, rooms.ComeBack(member.id))
    desk.say(member.id, "left.invited", ends=room.ends_at)


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question of a parting; None where it is not one any more."""
    room = await desk.records.get(PeerRoom, prompt.subject)
    if room is None or room.state not in rooms.LIVE:
        return None
    if prompt.kind == "pass":
        return Question(desk.words(member, "pass.question"), _PASS, binding=True, also=_SKIP)
    here = member.id in room.joined
    asker = rooms.asked_for_it(room, member.id)
    first: Choice | None
    match prompt.kind:
        case "stays" if room.state is RoomState.APART and here and room.across is not None:
            # Nobody of another community can ask our program to be invited again.
            text, first = desk.words(member, "apart.question_across", ends=room.ends_at), None
        case "stays" if room.state is RoomState.APART and here:
            text, first = desk.words(member, "apart.question", ends=room.ends_at), _WAIT
        case "left" if room.state is RoomState.APART and not here:
            text, first = desk.words(member, "left.question", ends=room.ends_at), _BACK
        case "absent" if room.choosing and here:
            key = "absent.question" if asker else "absent.question_peer"
            text, first = desk.words(member, key, until=room.due_at), _WAIT
        case _:
            return None
    choices = (_ELSE, _CLOSE) if asker else (_CLOSE,)
    choices = choices if first is None else (first, *choices)
    quiet = prompt.kind == "left"
    return Question(text, choices, binding=True, also=_SKIP, until=prompt.until, terms=text, quiet=quiet)


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Do what was chosen, unless the room has moved on by now."""
    room = await desk.records.get(PeerRoom, prompt.subject)
    if room is None or room.state not in rooms.LIVE:
        desk.say(member.id, "stop.over")
        return
    match reply.name:
        case "tell" | "silent":
            desk.say(member.id, "pass.closing")
            ending = Ending.PASSED if reply.name == "tell" else Ending.ASKED
            await peer_rooms.advance(desk, room, rooms.Close(ending), by=member.id)
        case "back":
            await _invite_back(desk, member, room)
        case "else":
            await _someone_else(desk, member, prompt, room)
        case "close":
            desk.say(member.id, "room.closing")
            await peer_rooms.advance(desk, room, rooms.Close(Ending.ASKED), by=member.id)
        case "wait" if prompt.kind == "absent":
            await _wait(desk, member, room)
        case "skip" if prompt.kind != "pass":
            desk.set_aside(member.id, prompt)
            desk.say(member.id, "consent.later", until=prompt.until)
        case "wait":
            desk.say(member.id, "apart.waits", ends=room.ends_at)
        case _:
            desk.say(member.id, "stop.kept")


async def _wait(desk: Desk, member: Member, room: PeerRoom) -> None:
    await peer_rooms.advance(desk, room, rooms.Wait(member.id))
    waits = await desk.records.get(PeerRoom, room.id)
    if waits is not None and waits.due_at is not None:
        last = waits.due_at >= waits.ends_at
        desk.say(member.id, "absent.waits_to_the_end" if last else "absent.waits", until=waits.due_at)


async def _someone_else(desk: Desk, member: Member, prompt: Prompt, room: PeerRoom) -> None:
    """The room closes. A request that has not ended goes on; one whose words the room holds begins anew."""
    desk.say(member.id, "room.closing")
    if not room.met:
        await peer_rooms.advance(desk, room, rooms.Close(Ending.NOT_JOINED))
        return
    await peer_rooms.advance(desk, room, rooms.Close(Ending.ASKED), by=member.id)
    sought = room.sought if member.id == room.asker else room.peer_sought
    if sought and await requests.of(desk, member.id) is None:
        await requests.begin(desk, member, sought, desk.given(prompt))
