"""A room that a linked community opened for one of ours, as that member hears of it in their own chat.

Guards: who opened it is named, and what their side says is said as theirs; it ends here at an hour whatever
is heard; what crosses about it names nobody; our homeserver's copy is erased as far as that goes, and what
went and what may remain is said.
"""

from dataclasses import replace
from datetime import timedelta

from handlers import across, after, rest, talking
from handlers.consent import WISHES, how_words
from handlers.desk import Desk
from schema.effects import PurgeGuestRoom
from schema.ids import LinkId, MemberId
from schema.records import Ask, GuestRoom, Link, Member
from schema.states import Ending, GuestRoomState
from schema.wire import Close, Withdraw
from service.core import guest_rooms, rooms


async def of(desk: Desk, member: MemberId, *states: GuestRoomState) -> list[GuestRoom]:
    """The member's rooms of linked communities in these states, oldest first."""
    found = await desk.records.find(GuestRoom, member=member, state=states)
    return sorted(found, key=lambda room: (room.made_at, room.id))


# Its life


async def advance(desk: Desk, room: GuestRoom, move: guest_rooms.Move) -> GuestRoom | None:
    """Move the room on where that is legal now, and tell its member; the room after it, or None."""
    if not guest_rooms.allows(room, move):
        return None
    after_it, orders = guest_rooms.advance(room, move, desk.now, desk.timings)
    if after_it.state is GuestRoomState.GONE:
        await desk.records.delete(GuestRoom, room.id)
    else:
        await desk.records.put(after_it)
    for order in orders:
        desk.turn.do(order)
    lapsed = after_it.lapsed_more and not room.lapsed_more
    in_time = room.ends_at is not None and desk.now < room.ends_at
    if lapsed and in_time and await desk.member(room.member) is not None:
        desk.say(room.member, "extend.stays", ends=room.ends_at)
    warned = isinstance(move, guest_rooms.TimeIsUp) and room.warn_at is not None and after_it.warn_at is None
    if warned and in_time:
        await _say_ends_soon(desk, after_it)
    if room.state is GuestRoomState.OPEN and after_it.state not in guest_rooms.LIVE:
        await _ended(desk, after_it, move)
        # Whom they met is known by their mark from then on, which goes at its own hour.
        after_it = replace(after_it, other=MemberId(""))
        await desk.records.put(after_it)
    if after_it.state is GuestRoomState.GONE and room.state is not GuestRoomState.AWAITED:
        await _say_gone(desk, after_it)
    return after_it


async def _say_ends_soon(desk: Desk, room: GuestRoom) -> None:
    """As in a room of two who are here: no word crosses for it."""
    if await desk.member(room.member) is None:
        return
    longest = desk.timings.longest_in_all or desk.timings.longest
    may = guest_rooms.more_time(room, longest) > timedelta() and room.member not in room.asked_more
    may = may and await desk.records.get(Link, room.link) is not None
    key = "guest.ends_soon_more" if may else "guest.ends_soon"
    desk.say(room.member, key, notice=False, ends=room.ends_at)


async def opened(desk: Desk, room: GuestRoom, ask: Ask | None) -> None:
    """Say to our member that it is open, from whom the invitation comes, and what the two agreed on."""
    member = await desk.member(room.member)
    if member is None:
        return
    name = await across.called(desk, member, room.link)
    ends = room.ends_at
    said = {"collective": name, "server": room.server, "length": room.length, "ends": ends}
    desk.say(member.id, "guest.opened", notice=False, **said)
    desk.say_text(member.id, "\n".join((*agreed(desk, member, room), desk.words(member, "guest.ways"))))
    if ask is not None and (how := how_words(desk, member, ask.how)):
        desk.say(member.id, "room.how_they", how=how)


def agreed(desk: Desk, member: Member, room: GuestRoom) -> list[str]:
    """What the two agreed on."""
    wish = WISHES.get(room.wish) if room.wish != "unsure" else None
    lines = [desk.words(member, "room.agreed", wish=desk.words(member, wish))] if wish is not None else []
    how = talking.how(desk, member, room.talking)
    return [*lines, desk.words(member, "room.agreed_how", how=how)]


async def lines(desk: Desk, member: Member) -> list[str]:
    """How the member's rooms of linked communities stand; one that is awaited is a yes that waits."""
    found: list[str] = []
    for room in await of(desk, member.id, *guest_rooms.TOLD):
        name = await across.called(desk, member, room.link)
        asked = room.state is GuestRoomState.OPEN and room.ending is not None
        key = "status.guest_asked" if asked else _STATUS[room.state]
        if room.state is GuestRoomState.READABLE and await desk.records.get(Link, room.link) is None:
            key = "guest.unheard"
        found.append(desk.words(member, key, collective=name, ends=room.ends_at, ended=room.ends_at))
        if room.state is GuestRoomState.OPEN:
            found += agreed(desk, member, room)
    return found


_STATUS = {
    GuestRoomState.OPEN: "status.guest",
    GuestRoomState.READABLE: "status.guest_closed",
    GuestRoomState.PURGING: "status.erasing",
}


async def close(desk: Desk, member: Member, room: GuestRoom) -> None:
    """Our member would end it: the other side is to close it at once."""
    name = await across.called(desk, member, room.link)
    if room.ending is Ending.ASKED or await _ask_to_end(desk, room):
        desk.say(member.id, "guest.closing", collective=name)
        # What was open of more time is over with that.
        desk.drop(desk.now_is(member.id), room.id)
        await advance(desk, room, guest_rooms.AskedToEnd())
    else:
        desk.say(member.id, "guest.closing_cannot", notice=False, collective=name)


async def no_more(desk: Desk, member: Member, room: GuestRoom) -> None:
    """The other side cannot be asked for more time now."""
    name = await across.called(desk, member, room.link)
    desk.say(member.id, "guest.no_more", notice=False, collective=name, ends=room.ends_at)


async def _ask_to_end(desk: Desk, room: GuestRoom) -> bool:
    return await across.say(desk, room.link, _close(room, "ended"))


def _close(room: GuestRoom, step: str, reached: str | None = None) -> Close:
    said = {"request": room.across.request, "answer": room.across.answer, "step": step, "reached": reached}
    return Close.model_validate(said)


async def _ended(desk: Desk, room: GuestRoom, move: guest_rooms.Move) -> None:
    """It is closed: say so, let our member rest, and offer what may be said afterwards."""
    member = await desk.member(room.member)
    if member is None:
        return
    name = await across.called(desk, member, room.link)
    if not room.met:
        # Their side alone says so: whether or not it is true, our member can still say what they would.
        mark = await after.mark_linked(desk, member, room)
        desk.say(member.id, "guest.closed_unmet", notice=False, collective=name, until=mark.due_at)
        return
    key = "guest.closed_time" if isinstance(move, guest_rooms.TimeIsUp) else "guest.closed"
    desk.say(member.id, key, notice=False, collective=name)
    await rest.after_company(desk, member)
    await after.begin_linked(desk, member, room)


async def _say_gone(desk: Desk, room: GuestRoom) -> None:
    """The receipt; or, where the other side never said that the two are out, that nothing is known."""
    member = await desk.member(room.member)
    if member is None:
        return
    if not guest_rooms.was_heard_of(room):
        unheard = desk.words(member, "guest.unheard", ended=room.ends_at)
        lines = [unheard, desk.words(member, rooms.REACHED[room.reached])]
        # By then it can have gone.
        if any(mark.across == room.across for mark in await after.of(desk, member.id)):
            lines.append(desk.words(member, "receipt.mark"))
        desk.say_text(member.id, "\n".join(lines))
        return
    name = await across.called(desk, member, room.link)
    lines = [
        desk.words(member, "guest.receipt", ended=room.ends_at, collective=name),
        desk.words(member, rooms.REACHED[room.reached]),
        desk.words(member, rooms.REACHED.get(f"there_{room.there}", "receipt.there_unheard")),
        desk.words(member, "receipt.rest"),
        desk.words(member, "receipt.mark"),
    ]
    desk.say_text(member.id, "\n".join(lines))


async def purged(desk: Desk, order: PurgeGuestRoom, reached: str) -> None:
    """Our homeserver's copy is erased, or not: the other side hears what was reached."""
    room = await desk.records.get(GuestRoom, order.guest)
    if room is None or not guest_rooms.allows(room, guest_rooms.Purged(reached)):
        return
    await across.say(desk, room.link, _close(room, "gone", reached))
    await advance(desk, room, guest_rooms.Purged(reached))


async def due(desk: Desk, room: GuestRoom) -> None:
    """The hour that the room's state waited for has come."""
    if room.state is GuestRoomState.AWAITED:
        # Its member hears that no room opens by their ask, which has the same hour.
        said = Withdraw(request=room.across.request, answer=room.across.answer)
        await across.say(desk, room.link, said)
    # After an outage its hour comes first, and what the other side said meanwhile a moment later.
    read = guest_rooms.has_read(desk.turn.read_since(), desk.now)
    await advance(desk, room, guest_rooms.TimeIsUp(read))


# Its ends from outside


async def forget(desk: Desk, member: MemberId) -> None:
    """The member is forgotten: their rooms are to close, and name nobody here; they hear what they can do.

    One that is awaited ends with their ask.
    """
    found = await of(desk, member, *guest_rooms.TOLD)
    if found:
        desk.say(member, "forget.guest")
    for room in found:
        unasked = room.state is GuestRoomState.OPEN and room.ending is None
        if unasked and not await _ask_to_end(desk, room):
            desk.say(member, "forget.guest_cannot")
        await desk.records.put(guest_rooms.forget(room))


async def link_over(desk: Desk, link: LinkId) -> None:
    """Nothing is heard of their rooms any more: members are told how to go on without us.

    Each goes on to its own hours: when it has ended, and when our homeserver's copy is to go.
    """
    for room in await desk.records.find(GuestRoom, link=link):
        if room.state is GuestRoomState.AWAITED:
            await desk.records.delete(GuestRoom, room.id)
            continue
        member = await desk.member(room.member)
        if member is None:
            continue
        if room.state is GuestRoomState.OPEN:
            over = desk.words(member, "guest.link_over", ends=room.ends_at)
            copy = desk.words(member, "guest.copy_later" if desk.community.purges else "guest.copy_stays")
            desk.say_text(member.id, f"{over} {copy}", notice=False)
        elif room.state is GuestRoomState.READABLE:
            said = desk.words(member, "guest.unheard", ended=room.ends_at)
            key = "guest.copy" if desk.community.purges else "guest.copy_stays"
            copy = desk.words(member, key, until=room.due_at)
            lines = [said, copy, desk.words(member, "receipt.mark")]
            desk.say_text(member.id, "\n".join(lines))
