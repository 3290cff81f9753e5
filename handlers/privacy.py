"""What is held about a member, said from live data; and forgetting them, at once, after one yes.

Guards: what is held is said from the definitions of what is kept (`handlers.held_fields`); forgetting ends
what is open without telling anybody why; what cannot be reached is said before the yes.
"""

from handlers import (
    across,
    after,
    apart,
    buddy,
    checkin,
    concern,
    consents,
    guest_room,
    held,
    own_plan,
    pairing_pauses,
    plan,
    room,
    voucher,
)
from handlers import offer as offers
from handlers import request as requests
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.effects import LeaveRoom, SendFile, SendText
from schema.records import Ask, Member, Pairing, PeerRoom, Prompt
from schema.states import PairingState, RoomState
from service.core import rooms
from service.core.pairing import PairingMove, RequestMove, advance_pairing
from service.core.sizes import parts

EXPORT_NAME = "what-i-hold.json"

_FORGET = Choice("forget", "choice.forget")
_EXPORT = Choice("export", "choice.export")
_CONSENTS = Choice("consents", "choice.consents")
_DETAILS = Choice("details", "choice.details")
_MENU = Choice("menu", "choice.menu")

_KEPT_ROOMS = tuple(state for state in RoomState if state not in (RoomState.GONE, RoomState.FAILED))


async def hold(desk: Desk, member: Member) -> None:
    """Say everything that is stored about the member."""
    desk.put_behind(member.id)
    desk.ask(member.id, "held")


async def export(desk: Desk, member: Member) -> None:
    """Send everything that is stored about the member as a file."""
    if member.room is not None:
        desk.say(member.id, "export.sending")
        body = await held.export(desk, member)
        desk.turn.do(SendFile(member.room, member.matrix_id, EXPORT_NAME, body))


def export_refused(desk: Desk, member: Member, effect: SendFile) -> None:
    """The media store takes no file: send it as words, which are quiet, after a sentence that is not."""
    desk.say(member.id, "export.as_words", notice=False)
    desk.speak(member.id)
    for body in parts(effect.body):
        desk.turn.do(SendText(effect.room, effect.member, body, True))


async def start_forgetting(desk: Desk, member: Member) -> None:
    """Ask for the one yes."""
    desk.put_behind(member.id)
    desk.ask(member.id, "forget")


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """What is held, or the question whether to forget it."""
    if prompt.kind == "held":
        if prompt.subject == "details":
            return Question("\n".join(held.details(desk, member)), (_CONSENTS, _EXPORT, _FORGET, _MENU))
        return Question(await held.text(desk, member), (_CONSENTS, _EXPORT, _FORGET, _DETAILS, _MENU))
    return Question(
        desk.words(member, "forget.question"),
        # What cannot be taken back does not stand first: a number sent twice by mistake changes nothing.
        (Choice("no", "choice.forget_no"), Choice("yes", "choice.forget_yes")),
        binding=True,
        also=frozenset({"skip"}),
    )


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Forget after a yes; anything else changes nothing."""
    if prompt.kind == "held":
        match reply.name:
            case "consents":
                await consents.start(desk, member)
            case "export":
                await export(desk, member)
            case "details":
                desk.ask(member.id, "held", subject="details")
            case _:
                desk.ask(member.id, "forget")
        return
    if reply.name == "yes":
        await _forget(desk, member)
    else:
        desk.say(member.id, "forget.kept")


async def _forget(desk: Desk, member: Member) -> None:
    erased_rooms = await room.of(desk, member.id, *_KEPT_ROOMS)
    for peer_room in erased_rooms:
        await _forget_room(desk, member, peer_room)
    await guest_room.forget(desk, member.id)
    await plan.forget(desk, member.id)
    for pairing in await desk.records.find(Pairing, asker=member.id):
        await _forget_asker(desk, pairing)
    if (request := await requests.of(desk, member.id)) is not None:
        await requests.end(desk, request, RequestMove.WITHDRAW)
    await offers.end(desk, member)
    for ask in await desk.records.find(Ask, member=member.id):
        await requests.step_back(desk, ask)
        await desk.records.delete(Ask, ask.id)
    for pairing in await desk.records.find(Pairing, peer=member.id):
        await _forget_peer(desk, pairing)
    await after.forget(desk, member.id)
    await apart.forget(desk, member.id)
    await voucher.forget(desk, member.id)
    await concern.forget(desk, member.id)
    await checkin.forget(desk, member.id)
    await own_plan.forget(desk, member.id)
    await buddy.forget(desk, member.id)
    desk.say(member.id, "forget.done_rooms" if erased_rooms else "forget.done", notice=False)
    if (pause := await pairing_pauses.of(desk, member.id)) is not None:
        desk.say(member.id, "forget.paused", until=pause.due_at)
    await desk.forget(member.id)
    if member.room is not None:
        desk.turn.do(LeaveRoom(member.room, also=desk.turn.shared(member.matrix_id)))


async def _forget_room(desk: Desk, member: Member, peer_room: PeerRoom) -> None:
    await room.advance(desk, peer_room, rooms.Forget(member.id), by=member.id)


async def _forget_asker(desk: Desk, pairing: Pairing) -> None:
    """The peer still hears at the hour they were told, from a record that names nobody but them.

    Across a link no one here was told an hour, and their desk hears that nothing comes of it.
    """
    if pairing.state is PairingState.AGREED and pairing.across is not None and not pairing.peer:
        await across.withdraw(desk, pairing.across)
        await desk.records.delete(Pairing, pairing.id)
        return
    if pairing.state in (PairingState.PROPOSED, PairingState.STEPPED_BACK):
        await requests.decline(desk, pairing)
    left = await desk.records.get(Pairing, pairing.id)
    if left is not None:
        await desk.records.put(requests.without_asker(left))


async def _forget_peer(desk: Desk, pairing: Pairing) -> None:
    """The asker's question stays as it is, without the peer's words or id."""
    if pairing.state in (PairingState.PROPOSED, PairingState.DECLINED):
        moved, effects = advance_pairing(pairing, PairingMove.STEP_BACK, desk.now)
        await desk.apply(effects)
        await requests.keep_pairing(desk, moved)
        pairing = moved
    if pairing.state is PairingState.STEPPED_BACK:
        await desk.records.put(requests.without_peer(pairing))
