"""Company for whoever keeps somebody company: another peer to talk to, while their room goes on.

Guards: no name and no word of the conversation is asked for, kept or passed on; it is a request like any
other, and the one exception to one room at once; whoever shares the room is never asked about it.
"""

from datetime import timedelta

from handlers import draft as drafts
from handlers import guest_room, paused
from handlers import request as requests
from handlers import room as peer_rooms
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.records import Member, Prompt
from schema.states import GuestRoomState
from service.core import rooms

_LENGTH = timedelta(hours=1)
_CHOICES = (Choice("yes", "choice.backup_yes"), Choice("no", "choice.backup_no"))


async def start(desk: Desk, member: Member) -> None:
    """Say what would be asked for, where the member is in a room as a peer; else what stands in the way."""
    if await _may(desk, member):
        desk.put_behind(member.id)
        desk.ask(member.id, "backup", until=desk.now + desk.timings.idle)


async def _may(desk: Desk, member: Member) -> bool:
    if await paused.hinders(desk, member):
        return False
    live = await peer_rooms.of(desk, member.id, *rooms.LIVE)
    guests = await guest_room.of(desk, member.id, GuestRoomState.OPEN)
    if not guests and not any(room.peer == member.id and room.met for room in live):
        desk.say(member.id, "backup.no_room", notice=False)
    elif any(room.asker == member.id for room in live) or await requests.of(desk, member.id) is not None:
        desk.say(member.id, "backup.already", notice=False)
    else:
        return True
    return False


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """What would be asked, of whom and until when; one yes asks."""
    text = desk.words(
        member,
        "backup.question",
        length=_length(desk),
        n=desk.community.asks_at_once,
        every=desk.timings.ask_again,
        keep=desk.timings.request_open,
    )
    return Question(text, _CHOICES, binding=True, also=frozenset({"skip"}), terms=text)


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Ask after a yes, where nothing stands in the way by now."""
    if reply.name != "yes":
        desk.say(member.id, "backup.no")
    elif await _may(desk, member):
        minutes = str(_length(desk).total_seconds() / 60)
        draft = {**drafts.usual(desk, member), "wish": "backup", "minutes": minutes, "note": ""}
        await requests.begin(desk, member, draft, desk.given(prompt))


def _length(desk: Desk) -> timedelta:
    return min(_LENGTH, desk.timings.longest)
