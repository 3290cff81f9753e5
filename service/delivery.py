"""Each effect, carried out by the front desk or the keeper.

Guards: peer rooms are the keeper's alone; what a member reads goes out encrypted, but for the one fixed
sentence in a chat that never was.
"""

from collections.abc import Awaitable, Callable, Sequence

from schema.effects import (
    AcceptIdentity,
    AnswerPlainRoom,
    Effect,
    EmptyPeerRoom,
    FindSent,
    InviteAgain,
    JoinRoom,
    LeaveRoom,
    LetWrite,
    LookAround,
    MutePeerRoom,
    OpenDirectChat,
    OpenLinkRoom,
    OpenPeerRoom,
    PurgeGuestRoom,
    PurgePeerRoom,
    RedactChat,
    RedactPeerRoom,
    RedactStewards,
    SendAcross,
    SendFile,
    SendForBuddy,
    SendText,
    TellStewards,
    Withdraw,
)
from schema.events import Delivered
from schema.ids import MatrixId, OutboxId
from service.matrix.client import Client
from service.matrix.keeper import Keeper, Outcome
from service.matrix.redaction import Redaction


class Delivery:
    """Carries out effects; see `service.outbox.Deliver`."""

    def __init__(self, desk: Client, keeper: Keeper) -> None:
        self._desk = desk
        self._keeper = keeper
        self._redaction = Redaction(desk.transport, desk.user_id)
        self.look: Callable[[], Awaitable[Sequence[str]]] = _nothing_to_see
        """Gives the names of those parts of the service that are not well."""

    async def __call__(self, effect: Effect, id: OutboxId, *, again: bool) -> Delivered:
        """Carry out `effect`, whose outbox row is `id`; `again` says that an earlier try may have arrived.

        Raises WorldError to be tried again; HomeserverRefused, NotPrivate or KeeperNotDeaf when it is over.
        """
        room = None
        detail = ""
        blocked: tuple[MatrixId, ...] = ()
        match effect:
            case SendText():
                await self._desk.send_text(
                    effect.room,
                    effect.body,
                    effect.notice,
                    id,
                    member=effect.member,
                    to_changed_identity=effect.to_changed_identity,
                    again=again,
                )
            case SendForBuddy(room=chat, member=member):
                await self._desk.send_text(
                    chat, effect.body, False, id, member=member, to_changed_identity=False, again=again
                )
            case FindSent(room=chat):
                detail = "" if await self._desk.find_sent(chat, id) is None else "there"
            case SendFile(room=chat, member=member):
                await self._desk.send_file(chat, effect.name, effect.body, id, member=member, again=again)
            case AcceptIdentity():
                await self._desk.accept_identity(effect.member)
            case AnswerPlainRoom():
                await self._desk.send_plain_answer(effect.room, effect.body, id)
            case OpenDirectChat():
                room = await self._desk.create_direct_chat(effect.member)
                if self._desk.private(room, effect.member):
                    detail = "there"
            case JoinRoom():
                await self._desk.join(effect.room)
            case LeaveRoom():
                await self._desk.leave(effect.room)
                for other in effect.also:
                    # The steward room is no chat of theirs.
                    if other not in (effect.room, self._desk.chats.stewards):
                        await self._desk.leave(other)
            case OpenLinkRoom(link=link, desk=other_desk):
                room = await self._desk.create_link_room(link, other_desk)
            case SendAcross(room=between, desk=other_desk):
                await self._desk.send_across(between, other_desk, effect.content, id, again=again)
            case OpenPeerRoom():
                made = await self._keeper.open(effect.pairing, effect.members, again=again)
                room, blocked = made.room, made.blocked
            case InviteAgain():
                await self._keeper.invite_again(effect.room, effect.member, again=again)
            case LetWrite():
                await self._keeper.let_write(effect.room)
            case MutePeerRoom():
                await self._keeper.mute(effect.room)
            case RedactPeerRoom():
                detail = _reached(await self._keeper.redact(effect.room))
            case EmptyPeerRoom(alone=alone):
                detail = _reached(await self._keeper.empty(effect.room, effect.members, alone=alone))
            case PurgePeerRoom():
                detail = await self._keeper.purge(effect.room)
            case PurgeGuestRoom(room=theirs, server=server):
                detail = await self._keeper.purge_copy(theirs, server)
            case RedactChat():
                detail = await self._redaction.redact(
                    effect.room, effect.member, effect.before, effect.since, theirs=effect.theirs
                )
            case Withdraw():
                await self._redaction.withdraw(effect.room, effect.mark, effect.sent_at)
            case RedactStewards():
                stewards = self._desk.chats.stewards
                if stewards is not None:
                    us = self._desk.user_id
                    detail = await self._redaction.redact(stewards, us, effect.before, effect.since)
            case TellStewards():
                await self._desk.tell_stewards(effect.body, effect.notice, id, again=again)
            case LookAround():
                detail = " ".join(await self.look())
        return Delivered(effect, room, detail, blocked)


async def _nothing_to_see() -> Sequence[str]:
    return ()


def _reached(outcome: Outcome) -> str:
    """`Delivered.detail` of a step: a keeper that was put out of the room can claim nothing about it."""
    return "" if outcome == "done" else "partly"
