"""When one of the two cannot go on, or is not there: what the other hears, and may choose.

Guards: a peer may stop at any time, and nothing is said of it but what they chose to have said; whoever asked
for company is offered somebody else, with the same words.
"""

from handlers import room as peer_rooms
from handlers.desk import Choice, Desk, Question, Reply
from schema.records import Member, PeerRoom, Prompt
from schema.states import Ending
from service.core import rooms

_SKIP = frozenset({"skip"})

_PASS = (
    Choice("tell", "choice.pass_tell"),
    Choice("silent", "choice.pass_silent"),
    Choice("no", "choice.pass_no"),
)


async def pass_on(desk: Desk, member: Member) -> None:
    """A peer cannot go on: ask what the other is to hear, before the room closes."""
    live = await peer_rooms.of(desk, member.id, *rooms.LIVE)
    of_peer = [room for room in live if room.peer == member.id]
    if of_peer:
        desk.put_behind(member.id)
        desk.ask(member.id, "pass", subject=of_peer[0].id, until=of_peer[0].ends_at)
    elif live:
        desk.say(member.id, "pass.not_asked", notice=False)
    else:
        desk.say(member.id, "room.nothing_to_close", notice=False)


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question of a parting; None where the room is over by now."""
    room = await desk.records.get(PeerRoom, prompt.subject)
    if room is None or room.state not in rooms.LIVE:
        return None
    return Question(desk.words(member, "pass.question"), _PASS, binding=True, also=_SKIP)


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Do what was chosen, unless the room is over by now."""
    room = await desk.records.get(PeerRoom, prompt.subject)
    if room is None or room.state not in rooms.LIVE:
        desk.say(member.id, "stop.over")
    elif reply.name in ("tell", "silent"):
        ending = Ending.PASSED if reply.name == "tell" else Ending.ASKED
        desk.say(member.id, "pass.closing")
        await peer_rooms.advance(desk, room, rooms.Close(ending), by=member.id)
    else:
        desk.say(member.id, "stop.kept")
