"""The peer room as its two hear of it in their own chats: opened, closed, erased, with a receipt at the end.

Guards: what the keeper reports twice happens once; a room that opened after all is erased, never orphaned;
a reason that is one person's own is told to nobody; a request whose room came to nothing goes on; whoever
asked is offered somebody else when the other ends it, in the same words however that one ended it.
"""

from collections.abc import Mapping
from dataclasses import replace

from handlers import across, guest_room, rest, talking
from handlers import after as afterwards
from handlers import draft as drafts
from handlers import request as requests
from handlers.consent import WISHES, how_words
from handlers.desk import Desk
from schema.effects import (
    Effect,
    EmptyPeerRoom,
    LetWrite,
    MutePeerRoom,
    OpenPeerRoom,
    PurgePeerRoom,
    RedactPeerRoom,
)
from schema.events import Delivered, NotDelivered, PeerMembership
from schema.ids import MemberId
from schema.records import Member, Pairing, PeerRoom, Request
from schema.states import Ending, GuestRoomState, PairingState, RoomState
from service.core import rooms
from service.core.pairing import PairingMove, RequestMove, advance_pairing

_OF_ROOMS = (OpenPeerRoom, LetWrite, MutePeerRoom, RedactPeerRoom, EmptyPeerRoom, PurgePeerRoom)


async def of(desk: Desk, member: MemberId, *states: RoomState) -> list[PeerRoom]:
    """The member's peer rooms in these states, oldest first."""
    found = [
        *(await desk.records.find(PeerRoom, asker=member, state=states)),
        *(await desk.records.find(PeerRoom, peer=member, state=states)),
    ]
    return sorted(found, key=lambda room: (room.made_at, room.id))


def agreed(desk: Desk, member: Member, room: PeerRoom) -> str:
    """What the two agreed on, and by which words it ends: in each one's own chat, never in the room."""
    wish = WISHES.get(room.wish) if room.wish != "unsure" else None
    lines = [desk.words(member, "room.agreed", wish=desk.words(member, wish))] if wish is not None else []
    if room.peer_request:
        lines = [desk.words(member, "room.agreed_too")]
    lines.append(desk.words(member, "room.agreed_how", how=talking.how(desk, member, room.talking)))
    ways = "room.ways" if room.across is None else "room.ways_across"
    lines.append(desk.words(member, ways, reading=desk.timings.reading))
    if not rooms.asked_for_it(room, member.id):
        lines.append(desk.words(member, "room.peer_ways"))
    return "\n".join(lines)


async def close(desk: Desk, member: Member, room: PeerRoom) -> None:
    """End the member's room at once."""
    desk.say(member.id, "room.closing")
    await advance(desk, room, rooms.Close(Ending.ASKED), by=member.id)


async def erase_now(desk: Desk, member: Member) -> None:
    """Take note that the member wants their closed rooms erased without the reading time."""
    readable = await of(desk, member.id, RoomState.READABLE)
    for room in readable:
        if room.across is not None:
            # The other one is asked nothing across a link, and could not say so.
            desk.say(member.id, "room.erase_across", until=room.due_at)
            continue
        await advance(desk, room, rooms.EraseNow(member.id))
        after = await desk.records.get(PeerRoom, room.id)
        both = after is None or after.state is not RoomState.READABLE
        if both:
            desk.say(member.id, "room.erasing")
        else:
            desk.say(member.id, "room.erase_asked", until=room.due_at)
    if not readable:
        theirs = await guest_room.of(desk, member.id, GuestRoomState.READABLE, GuestRoomState.PURGING)
        desk.say(member.id, "guest.no_erase" if theirs else "room.nothing_to_erase", notice=False)


async def advance(desk: Desk, room: PeerRoom, move: rooms.Move, by: MemberId | None = None) -> None:
    """Move the room on where that is legal now, and let its request follow; `by` is whose doing it was."""
    if not rooms.allows(room, move):
        return
    if rooms.ends_a_meeting(room, move):
        await advance(desk, room, rooms.Writable())
        room = await desk.records.get(PeerRoom, room.id) or room
    after, effects = rooms.advance(room, move, desk.now, desk.timings)
    await desk.apply(effects)
    if isinstance(move, rooms.Opened) and after.state is RoomState.OPEN:
        for one in rooms.people(after):
            if (member := await desk.member(one)) is not None:
                desk.say_text(one, agreed(desk, member, after), notice=False)
                await _say_how(desk, member, after)
    told = await _say_across(desk, room, after, move)
    if after.state is RoomState.GONE:
        await _say_receipt(desk, after)
    if after.state in (RoomState.GONE, RoomState.FAILED):
        await desk.records.delete(PeerRoom, after.id)
    else:
        await desk.records.put(after)
    await rest.after_room(desk, room, after)
    if room.state in rooms.LIVE and (after.state not in rooms.LIVE or after.met):
        await _leave_pairing(desk, room, after, by)
    await _ask_whoever_stays(desk, room, after)
    if room.sought or room.peer_sought:
        await _look_on(desk, room, after, by)
    if after.met and room.state is RoomState.CLOSING and isinstance(move, rooms.Muted):
        await afterwards.begin(desk, after)
    if not told:
        await advance(desk, after, rooms.Close(Ending.REFUSED))


async def longer(desk: Desk, room: PeerRoom, move: rooms.MoreAgreed, wish: str = "") -> bool:
    """Make the room longer, to which both said yes by now: to the `wish` of that name, where it is another.

    False where a linked collective cannot be told so: its member would go by another end, so nothing changes.
    """
    if not rooms.allows(room, move) or room.more is None:
        return False
    if room.across is not None:
        after, _ = rooms.advance(room, move, desk.now, desk.timings)
        agreed = replace(room.more, length=after.length - room.length, name=wish or room.more.name)
        if not await across.more(desk, room.across, "agreed", agreed, after.ends_at, after.ends_at):
            return False
    await advance(desk, room, move)
    return True


async def _say_across(desk: Desk, before: PeerRoom, after: PeerRoom, move: rooms.Move) -> bool:
    """Tell a linked collective how the room that its member is in stands, and nothing of why.

    False where it cannot be told that there is a room now: then its member would know nothing of it.
    """
    theirs, came_to_nothing = after.across, (RoomState.CLOSING, RoomState.FAILED)
    if theirs is None:
        return True
    match move:
        case rooms.Opened(room) if after.state is RoomState.OPEN:
            # It is how their member hears of it: it holds as long as the room does.
            ends = after.ends_at
            return await across.introduce(desk, theirs, after.asker_matrix_id, ends, room, ends)
        case rooms.Muted() if before.state is RoomState.CLOSING:
            await across.close(desk, theirs, "ended", after.met)
        case rooms.Emptied(True):
            await across.close(desk, theirs, "removed", after.met)
        case rooms.Purged(detail):
            await across.close(desk, theirs, "gone", after.met, _REACHED.get(detail, "asked"))
        case _ if before.state is RoomState.OPENING and after.state in came_to_nothing:
            await across.withdraw(desk, theirs)
    return True


_REACHED: Mapping[str, across.Reached] = {"purged": "purged", "cannot": "cannot"}


async def _ask_whoever_stays(desk: Desk, before: PeerRoom, after: PeerRoom) -> None:
    """One left, or has not come: the other may choose; and what was asked is over when that is."""
    over = before.state in rooms.LIVE and after.state not in rooms.LIVE
    if over or (before.state is RoomState.APART and after.state is RoomState.OPEN):
        for one in rooms.people(after):
            if (member := await desk.member(one)) is not None:
                desk.drop(member, after.id)
    if before.choosing and not after.choosing and not over:
        for one in after.joined:
            if (member := await desk.member(one)) is not None:
                desk.drop(member, after.id)
    if before.state is RoomState.OPEN and after.state is RoomState.APART:
        for one in rooms.people(after):
            if await desk.member(one) is not None:
                kind = "stays" if one in after.joined else "left"
                desk.queue(one, kind, subject=after.id, until=after.ends_at)
    if after.choosing and not before.choosing:
        for one in after.joined:
            if await desk.member(one) is not None:
                desk.queue(one, "absent", subject=after.id, until=after.due_at)


async def _look_on(desk: Desk, before: PeerRoom, after: PeerRoom, by: MemberId | None) -> None:
    """The two had met. Whoever asked, and did not end it, is asked once it is closed whether to look on."""
    if before.state in rooms.LIVE and after.state is RoomState.CLOSING:
        sought = {} if _had_it(before, after, by, before.asker) else after.sought
        peer_sought = {} if _had_it(before, after, by, before.peer) else after.peer_sought
        await desk.records.put(replace(after, sought=sought, peer_sought=peer_sought))
    elif before.state is RoomState.CLOSING and after.state is not RoomState.CLOSING:
        await desk.records.put(replace(after, sought={}, peer_sought={}))
        for one, words in ((after.asker, before.sought), (after.peer, before.peer_sought)):
            if words and await desk.member(one) is not None:
                why = "again.passed" if after.ending is Ending.PASSED else "again.they_ended"
                requests.offer_again(desk, one, words, why)


def _had_it(before: PeerRoom, after: PeerRoom, by: MemberId | None, member: MemberId) -> bool:
    """Whether the member had what they asked for: they ended it, or its time ended with the other there."""
    alone = before.state is RoomState.APART and member in before.joined
    return by == member or (after.ending is Ending.TIME and not alone)


async def _say_how(desk: Desk, member: Member, room: PeerRoom) -> None:
    """Say to both how whoever asked talks, where they said so; it is kept with their request alone."""
    for asker, id in ((room.asker, room.request), (room.peer, room.peer_request)):
        request = await desk.records.get(Request, id) if id else None
        if request is not None and (how := how_words(desk, member, request.how)):
            key = "room.how_you" if member.id == asker else "room.how_they"
            desk.say(member.id, key, notice=False, how=how)


async def _leave_pairing(desk: Desk, before: PeerRoom, after: PeerRoom, by: MemberId | None) -> None:
    """The two met, or it ended before: the pairing is over, and the request ends or goes on."""
    pairing = await desk.records.get(Pairing, after.id)
    hears_later = False
    if pairing is not None and pairing.state is PairingState.AGREED:
        # Nothing was said to the peer yet, who was promised an answer at an hour.
        owes = by == before.asker and after.room is None
        hears_later = owes and desk.now < pairing.until
        if hears_later:
            await requests.decline(desk, pairing)
        else:
            if owes and not after.peer_request:
                await _tell_peer(desk, after, "pairing.not_this_time")
            over, effects = advance_pairing(pairing, PairingMove.END, desk.now)
            await desk.apply(effects)
            await requests.keep_pairing(desk, over)
    request = await desk.records.get(Request, after.request)
    theirs = await desk.records.get(Request, after.peer_request) if after.peer_request else None
    if after.met:
        sought = drafts.of(request) if request is not None else after.sought
        peer_sought = drafts.of(theirs) if theirs is not None else after.peer_sought
        await desk.records.put(replace(after, sought=sought, peer_sought=peer_sought))
        for one in (request, theirs):
            if one is not None:
                await requests.end(desk, one, RequestMove.MET)
        return
    if request is not None:
        await _go_on(desk, after, request, after.asker, by)
    if theirs is not None and hears_later:
        # They hear at the hour that they were told; their search goes on meanwhile, without a word of why.
        await requests.resume(desk, theirs.id, "")
    elif theirs is not None:
        await _go_on(desk, after, theirs, after.peer, by)
    elif request is not None and after.asker and by != before.asker and after.ending in _FAULTS:
        await _tell_peer(desk, after, "room.failed_peer")


_FAULTS = (Ending.KEEPER_NOT_DEAF, Ending.REFUSED)
"""Endings that are nobody's doing."""


async def _go_on(desk: Desk, room: PeerRoom, request: Request, member: MemberId, by: MemberId | None) -> None:
    """The room came to nothing: the request of one of its two goes on, or ends with a word of why."""
    came = member in room.ever_joined
    if not member:
        await requests.end(desk, request, RequestMove.WITHDRAW)
    elif by == member:
        await requests.give_up(desk, request.id, "again.closed")
    elif room.ending is Ending.KEEPER_NOT_DEAF:
        await requests.give_up(desk, request.id, "again.not_deaf")
    elif room.ending is Ending.REFUSED:
        await requests.resume(desk, request.id, "room.failed_go_on")
    elif room.ending is Ending.NOT_JOINED and came:
        await requests.resume(desk, request.id, "absent.go_on")
    elif room.ending in (Ending.NOT_JOINED, Ending.TIME) and not came:
        await requests.give_up(desk, request.id, "again.not_joined")
    else:
        await requests.resume(desk, request.id, "pairing.not_this_time_go_on")


async def _tell_peer(desk: Desk, room: PeerRoom, key: str) -> None:
    if await desk.member(room.peer) is not None:
        desk.say(room.peer, key)


async def _say_receipt(desk: Desk, room: PeerRoom) -> None:
    for id in rooms.people(room):
        member = await desk.member(id)
        if member is not None:
            items = [desk.words(member, key) for key in rooms.receipt(room)]
            lines = [desk.words(member, "receipt.intro", ended=room.ends_at), *items]
            lines.append(desk.words(member, "receipt.rest"))
            if room.met:
                lines.append(desk.words(member, "receipt.mark"))
            desk.say_text(id, "\n".join(lines))


# What the keeper reports


async def delivered(desk: Desk, event: Delivered) -> None:
    """The keeper carried something out."""
    effect = event.effect
    if not isinstance(effect, _OF_ROOMS):
        return
    room = await desk.records.get(PeerRoom, effect.pairing)
    if isinstance(effect, OpenPeerRoom):
        await _opened(desk, room, effect, event)
        return
    if room is None or room.room != effect.room or _is_old(effect, room):
        return
    match effect:
        case LetWrite():
            await advance(desk, room, rooms.Writable())
        case MutePeerRoom():
            await advance(desk, room, rooms.Muted())
        case RedactPeerRoom():
            await advance(desk, room, rooms.Redacted(event.detail != "partly"))
        case EmptyPeerRoom(members=members):
            if rooms.counts_as_emptied(room, members):
                await advance(desk, room, rooms.Emptied(event.detail != "partly"))
        case PurgePeerRoom():
            await advance(desk, room, rooms.Purged(event.detail or "asked"))


def _is_old(effect: Effect, room: PeerRoom) -> bool:
    """Whether who may write has been changed again since."""
    return isinstance(effect, LetWrite | MutePeerRoom) and effect.change != room.changes


async def _opened(desk: Desk, record: PeerRoom | None, effect: OpenPeerRoom, event: Delivered) -> None:
    opened = event.room
    if opened is None or (record is not None and record.room == opened):
        return
    if record is None or record.room is not None:
        # It was given up and opened after all, or opened twice: nobody was told of this one, and nobody is to
        # sit in it alone.
        desk.turn.do(MutePeerRoom(effect.pairing, opened))
        desk.turn.do(EmptyPeerRoom(effect.pairing, opened, effect.members))
        desk.turn.do(PurgePeerRoom(effect.pairing, opened))
        return
    await advance(desk, record, rooms.Opened(opened, effect.members, event.blocked, desk.community.keeper))
    for place, member, membership in record.early:
        current = await desk.records.get(PeerRoom, record.id)
        if current is not None and place == opened:
            await _moved(desk, current, member, membership)


async def not_delivered(desk: Desk, event: NotDelivered) -> None:
    """The keeper was refused for good: the next step comes all the same, and the receipt says so."""
    effect = event.effect
    if not isinstance(effect, _OF_ROOMS):
        return
    room = await desk.records.get(PeerRoom, effect.pairing)
    if room is None or (not isinstance(effect, OpenPeerRoom) and room.room != effect.room):
        return
    if _is_old(effect, room):
        return
    match effect:
        case OpenPeerRoom():
            hears = event.reason == Ending.KEEPER_NOT_DEAF
            await advance(desk, room, rooms.Refused(Ending.KEEPER_NOT_DEAF if hears else Ending.REFUSED))
        case LetWrite():
            await advance(desk, room, rooms.Writable(False))
        case MutePeerRoom():
            await advance(desk, room, rooms.Muted(False))
        case RedactPeerRoom():
            await advance(desk, room, rooms.Redacted(False))
        case EmptyPeerRoom(members=members):
            if rooms.counts_as_emptied(room, members):
                await advance(desk, room, rooms.Emptied(False))
        case PurgePeerRoom():
            await advance(desk, room, rooms.Purged("cannot"))


async def membership(desk: Desk, event: PeerMembership) -> None:
    """Somebody came into a peer room, or left it."""
    room = await desk.records.room_of(event.room)
    member = desk.turn.identify(event.user)
    if room is not None and member in rooms.people(room):
        await _moved(desk, room, member, event.membership)
    elif room is None:
        # A quick client comes in before the keeper has told us which room it made.
        for opening in await of(desk, member, RoomState.OPENING):
            await advance(desk, opening, rooms.Early(event.room, member, event.membership))


async def _moved(desk: Desk, room: PeerRoom, member: MemberId, membership: str) -> None:
    if membership == "join":
        await advance(desk, room, rooms.Joined(member))
    elif membership in ("leave", "ban"):
        await advance(desk, room, rooms.Left(member), by=member)


async def due(desk: Desk, room: PeerRoom) -> None:
    """The hour that the room's state waited for has come."""
    await advance(desk, room, rooms.TimeIsUp())
