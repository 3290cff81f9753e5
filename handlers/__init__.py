"""One file a conversation; they decide, core rules, the runtime acts.

Guards: every event comes in at `dispatch`, and one that is delivered twice changes nothing the second time; a
message counts only if it is new, whole, the member's own and in a chat that is theirs alone.
"""

from dataclasses import replace
from datetime import timedelta

from handlers import (
    calm,
    checkin,
    clear,
    due,
    guest_room,
    identity,
    language,
    link_life,
    menu,
    message,
    odd,
    outside,
    privacy,
    room,
    signs,
    steward,
    telling,
)
from handlers.desk import Desk, Mark
from handlers.question import Question
from handlers.words import normal
from schema.effects import (
    AcceptIdentity,
    AnswerPlainRoom,
    JoinRoom,
    LeaveRoom,
    LookAround,
    OpenDirectChat,
    OpenLinkRoom,
    PurgeGuestRoom,
    RedactChat,
    RedactStewards,
    SendAcross,
    SendFile,
    SendForBuddy,
    SendText,
    TellStewards,
    Withdraw,
)
from schema.events import (
    Delivered,
    DirectChat,
    Due,
    FromLink,
    Invited,
    LinkRoom,
    Message,
    NoChat,
    NotDelivered,
    PeerMembership,
    PlainMessage,
    StewardMessage,
    StewardRoom,
    Unreadable,
    Verified,
)
from schema.ids import MatrixId, RoomId
from schema.records import (
    Ask,
    Member,
    Pairing,
    Prompt,
)
from schema.states import Belongs, Flood
from service.core import chats
from service.turn import Turn


async def dispatch(turn: Turn) -> None:
    """Handle one event: change records, and collect what is to be done in `turn.effects`."""
    desk = Desk(turn)

    async def show(member: Member, prompt: Prompt) -> Question | None:
        return await odd.show(desk, member, prompt)

    async def sign(member: Member, prompt: Prompt) -> Mark | None:
        return await checkin.sign(desk, member, prompt)

    if (alive := signs.of(turn.event)) is not None:
        await checkin.alive(desk, alive)
        await telling.alive(desk, alive)
    match turn.event:
        case Message() as event:
            await _message(desk, event)
        case PlainMessage() as event:
            await _plain(desk, event)
        case Unreadable() as event:
            await _unreadable(desk, event)
        case Invited(link=True) as event:
            await link_life.invited(desk, event)
        case Invited() as event:
            turn.do(JoinRoom(event.room) if event.direct else LeaveRoom(event.room))
        case LinkRoom() as event:
            await link_life.room(desk, event)
        case FromLink() as event:
            await link_life.came(desk, event)
        case DirectChat() as event:
            await _direct_chat(desk, event)
        case NoChat() as event:
            if not await link_life.declined(desk, event.room):
                turn.do(LeaveRoom(event.room))
        case Verified() as event:
            await _verified(desk, event)
        case PeerMembership() as event:
            await room.membership(desk, event)
        case StewardRoom() as event:
            await steward.here(desk, event)
        case StewardMessage() as event:
            await steward.heard(desk, event)
        case Due() as event:
            await due.take(desk, event)
        case Delivered(effect=LookAround(), detail=unwell):
            await steward.looked(desk, unwell)
        case Delivered(effect=RedactStewards()):
            pass
        case Delivered(effect=AcceptIdentity(member=matrix_id)):
            await identity.accepted(desk, matrix_id)
        case Delivered(effect=OpenDirectChat(member=matrix_id), room=str() as found, detail="there"):
            await _back_in_chat(desk, matrix_id, RoomId(found))
        case Delivered(effect=SendForBuddy() as effect):
            await telling.sent(desk, effect)
        case NotDelivered(effect=SendForBuddy() as effect, reason=reason):
            await telling.not_sent(desk, effect, reason)
        case Delivered(effect=OpenLinkRoom() as effect, room=made):
            await link_life.opened(desk, effect, made)
        case NotDelivered(effect=OpenLinkRoom() as effect, reason=reason):
            await link_life.not_opened(desk, effect, reason)
        case NotDelivered(effect=JoinRoom(room=invited_to)):
            await link_life.not_joined(desk, invited_to)
        case Delivered(effect=SendAcross() as effect) | NotDelivered(effect=SendAcross() as effect):
            await link_life.sent(desk, effect)
        case Delivered(effect=PurgeGuestRoom() as effect, detail=reached):
            await guest_room.purged(desk, effect, reached or "asked")
        case NotDelivered(effect=PurgeGuestRoom() as effect):
            await guest_room.purged(desk, effect, "cannot")
        case Delivered(effect=RedactChat() as effect, detail=reached):
            await clear.cleared(desk, effect, reached)
        case Delivered() as event:
            await room.delivered(desk, event)
        case NotDelivered() as event:
            await _not_delivered(desk, event)
    await desk.settle(show, sign)


async def _member(desk: Desk, matrix_id: MatrixId) -> Member:
    """Whoever has this Matrix ID; a record is made at their first word."""
    id = desk.turn.identify(matrix_id)
    member = await desk.member(id)
    if member is None:
        member = desk.newcomer(matrix_id)
        desk.keep(member)
    return member


_ELSEWHERE = "elsewhere"
"""The line of a member who is to hear in a new chat why the old one had no answer."""

# What a member writes


async def _message(desk: Desk, event: Message) -> None:
    if event.kind == "notice":
        return
    if event.changed:
        await identity.heard(desk, await _member(desk, event.sender), event)
        return
    if not event.private:
        await _not_private(desk, event)
        return
    known = await desk.member(desk.turn.identify(event.sender))
    if known is None and event.belongs is not Belongs.MEMBER:
        await outside.answer(desk, event.room, event.sender, event.belongs)
        return
    member = await _member(desk, event.sender)
    if event.flood is not Flood.NONE and not calm.passes(
        desk, member, message.find_command(desk, member, message.own_part(event))
    ):
        calm.answer(desk, member, event)
        return
    if member.room != event.room:
        member = _in_chat(member, event.room)
        desk.keep(member)
    desk.writes(member.id)
    first = not member.told_limits
    if first:
        member = replace(member, told_limits=True)
        desk.keep(member)
    if event.edits:
        desk.say(member.id, "odd.edit")
    elif event.kind != "text":
        if not await checkin.anything(desk, member) and desk.seldom(
            member.id, "not_text", timedelta(minutes=1)
        ):
            desk.say(member.id, "odd.not_text")
    elif not await message.take(desk, member, event, first=first) and not first:
        desk.put_behind(member.id)
        near = odd.near(desk, member, normal(message.own_part(event)))
        hints = language.hints_again(desk, member)
        desk.ask(member.id, "menu", subject=f"fallback {near}".strip(), draft={"hints": hints})
    if first:
        _first_words(desk, desk.now_is(member.id))


def _first_words(desk: Desk, member: Member) -> None:
    """Say what this is before all else, whatever the first message was."""
    if member.prompt is None or member.prompt.kind == "menu":
        menu.greet(desk, member)
    else:
        desk.say_first(member.id, menu.hello(desk, member))


async def _not_private(desk: Desk, event: Message) -> None:
    """Somebody else is in the chat: nothing said there counts, and nothing of theirs is said there.

    Whoever never wrote in private is no member, and gets no answer there.
    """
    member = await desk.member(desk.turn.identify(event.sender))
    if member is None:
        return
    if member.room == event.room:
        member = replace(member, room=None)
        desk.keep(member)
    if not desk.seldom(member.id, "not_private", timedelta(hours=1)):
        return
    if member.room is not None:
        desk.say(member.id, "odd.not_private")
    else:
        # Why is said in the new chat, once they are there: nothing goes into a room with somebody else.
        desk.seldom(member.id, _ELSEWHERE, timedelta(hours=1))
        desk.turn.do(OpenDirectChat(member.matrix_id))


async def _plain(desk: Desk, event: PlainMessage) -> None:
    """The fixed answer. Nothing is kept of whoever is no member: the sync brings such an event seldom."""
    id = desk.turn.identify(event.sender)
    known = await desk.member(id)
    if known is None or desk.seldom(id, "plain", timedelta(hours=1)):
        met = known is not None and known.room is not None
        body = language.plain(desk, event.sender, "odd.plain_known" if met else "odd.plain")
        desk.turn.do(AnswerPlainRoom(event.room, event.sender, body))
        if not met:
            desk.turn.do(OpenDirectChat(event.sender, event.room))


async def _unreadable(desk: Desk, event: Unreadable) -> None:
    if event.changed and (found := await desk.member(desk.turn.identify(event.sender))) is not None:
        identity.ask(desk, found)
    if not event.private:
        return
    if event.belongs is not Belongs.MEMBER and await desk.member(desk.turn.identify(event.sender)) is None:
        await outside.answer(desk, event.room, event.sender, event.belongs)
        return
    member = await _member(desk, event.sender)
    if member.room != event.room:
        desk.keep(replace(member, room=event.room))
    if desk.seldom(member.id, "unreadable", timedelta(minutes=1)):
        desk.say(member.id, "odd.unreadable", notice=False)


async def _verified(desk: Desk, event: Verified) -> None:
    """Say what a verification is worth; of one that does not match, that they had better not go on."""
    member = await desk.member(desk.turn.identify(event.member))
    if member is not None and desk.seldom(member.id, f"verified {event.outcome}", timedelta(minutes=1)):
        mismatch = event.outcome == "mismatch"
        key = _VERIFIED[event.outcome]
        name = desk.community_of(member).name
        desk.say(member.id, key, notice=not mismatch, community=name)


_VERIFIED = {"done": "verified.done", "mismatch": "verified.mismatch", "stopped": "verified.stopped"}


def _in_chat(member: Member, room: RoomId) -> Member:
    """The member, whom `room` reaches from now on."""
    lines = {line: at for line, at in member.lines.items() if line != _ELSEWHERE}
    return replace(member, room=room, lines=lines)


async def _back_in_chat(desk: Desk, matrix_id: MatrixId, chat: RoomId) -> None:
    """They have an older chat with us alone: say there at once why the one they wrote in had no answer."""
    member = await desk.member(desk.turn.identify(matrix_id))
    if member is not None and member.room is None and _ELSEWHERE in member.lines:
        desk.keep(_in_chat(member, chat))
        desk.say(member.id, "odd.not_private", notice=False)
        desk.ask_again(member.id)


async def _direct_chat(desk: Desk, event: DirectChat) -> None:
    if not event.present:
        member = await desk.member(desk.turn.identify(event.member))
        if member is not None and member.room == event.room:
            desk.keep(replace(member, room=None))
        return
    known = await desk.member(desk.turn.identify(event.member))
    if known is None and event.belongs is not Belongs.MEMBER:
        await outside.answer(desk, event.room, event.member, event.belongs)
        return
    member = await _member(desk, event.member)
    if member.room == event.room and member.told_limits:
        return
    desk.keep(replace(_in_chat(member, event.room), told_limits=True))
    desk.writes(member.id)
    if _ELSEWHERE in member.lines:
        desk.say(member.id, "odd.not_private")
    if not member.told_limits and desk.waits(member.id):
        # It is why we invited them: the question comes with the first words, and nothing stands in its way.
        desk.say_first(member.id, menu.hello(desk, member))
    elif not member.told_limits:
        menu.greet(desk, member)
    else:
        desk.say(member.id, "menu.new_chat")
        if lines := await menu.standing(desk, member):
            desk.say_text(member.id, "\n".join(lines))
        desk.ask_again(member.id)


# What comes by itself


async def _not_delivered(desk: Desk, event: NotDelivered) -> None:
    effect = event.effect
    if isinstance(effect, OpenDirectChat):
        await _no_chat(desk, effect, event.reason)
        return
    if isinstance(effect, TellStewards):
        await steward.unsaid(desk)
        return
    if isinstance(effect, RedactStewards):
        await steward.not_taken_back(desk, effect)
        return
    if isinstance(effect, RedactChat) and effect.asked:
        await clear.cleared(desk, effect, "partly")
        return
    if isinstance(effect, RedactChat):
        chatting = await desk.member(desk.turn.identify(effect.member))
        if chatting is not None:
            desk.keep(chats.fail(chatting, effect, desk.now))
        return
    if isinstance(effect, LookAround | Withdraw):
        return
    if not isinstance(effect, SendText | SendFile):
        await room.not_delivered(desk, event)
        return
    await checkin.missed(desk, event)
    member = await desk.member(desk.turn.identify(effect.member))
    if member is None or member.room != effect.room:
        return
    if isinstance(effect, SendFile) and event.reason not in ("identity_changed", "not_private"):
        privacy.export_refused(desk, member, effect)
        return
    if event.reason == "M_TOO_LARGE":
        # Put again it would be refused again: the question goes, and they hear that something was not said.
        desk.put_away(member.id)
        desk.say(member.id, "odd.too_large", notice=False)
        return
    await _unseen(desk, member)
    if event.reason == "deadline":
        return
    if event.reason == "identity_changed":
        identity.ask(desk, member)
        return
    # The chat takes nothing any more. Their next message, from whichever chat, says where they are.
    desk.keep(replace(desk.now_is(member.id), room=None))
    if event.reason == "not_private" and desk.seldom(member.id, "not_private", timedelta(hours=1)):
        desk.seldom(member.id, _ELSEWHERE, timedelta(hours=1))
        desk.turn.do(OpenDirectChat(member.matrix_id))


async def _no_chat(desk: Desk, effect: OpenDirectChat, reason: str) -> None:
    """Who blocks the invitation is told once, in the one fixed sentence, what they can do themselves."""
    if reason == "M_INVITE_BLOCKED" and effect.plain is not None:
        body = language.plain(desk, effect.member, "odd.plain_blocked")
        desk.turn.do(AnswerPlainRoom(effect.plain, effect.member, body))


async def _unseen(desk: Desk, member: Member) -> None:
    """What was said did not arrive: whatever is open counts as never put, so that no yes goes to it."""
    prompt = member.prompt
    desk.unseen(member.id)
    if prompt is not None and prompt.kind == "consent":
        pairing = await desk.records.get(Pairing, prompt.subject)
        if pairing is not None:
            await desk.records.put(replace(pairing, seen=False))
    if prompt is not None and prompt.kind == "note":
        ask = await desk.records.get(Ask, prompt.subject)
        if ask is not None:
            await desk.records.put(replace(ask, note_seen=False))
