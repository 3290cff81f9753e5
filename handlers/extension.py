"""More time in a room: one of the two asks, the other is asked without a sound, and may let it pass.

Guards: nothing changes before both have said yes; whoever asked hears the same words at an hour that was said
beforehand, whether the other said no, was silent or never saw it; each asks at most once before an end.
"""

from datetime import timedelta

from handlers import across, guest_more
from handlers import room as peer_rooms
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.ids import MemberId, PairingId
from schema.records import Member, MoreTime, PeerRoom, Prompt
from schema.states import RoomState
from service.core import guest_rooms, rooms

_SKIP = frozenset({"skip"})


async def start(desk: Desk, member: Member, room: PeerRoom) -> None:
    """Ask how much more time they would like; where the other has asked already, whether they would too."""
    if not room.met or room.state is not RoomState.OPEN:
        desk.say(member.id, "extend.not_yet", notice=False)
    elif _asks_other(desk, member, room):
        desk.put_behind(member.id)
        desk.ask(member.id, "more", subject=room.id, until=room.more.until if room.more else None)
    elif room.more is not None:
        _say_waits(desk, member, room, room.more)
    elif member.id in room.asked_more:
        desk.say(member.id, "extend.once", notice=False, ends=room.ends_at)
    elif not _lengths(desk, room):
        desk.say(member.id, "extend.longest", notice=False, longest=room.length, ends=room.ends_at)
    else:
        desk.put_behind(member.id)
        desk.ask(member.id, "extend", subject=room.id, until=room.ends_at)


def _asks_other(desk: Desk, member: Member, room: PeerRoom) -> bool:
    """Whether the member is the one who is asked now."""
    return room.more is not None and room.more.member != member.id and desk.now < room.more.until


def _lengths(desk: Desk, room: PeerRoom) -> list[timedelta]:
    """How much more there is to choose from, shortest first; a room of days can have one more."""
    return rooms.lengths_of_more(rooms.more_time(room, desk.timings), room.length)


def _say_waits(desk: Desk, member: Member, room: PeerRoom, more: MoreTime) -> None:
    desk.say(member.id, "extend.waits", more=more.length, until=more.until, ends=room.ends_at)


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """How much more, or whether they would like that too; None where the room is not open any more."""
    room = await desk.records.get(PeerRoom, prompt.subject)
    if room is None:
        return await guest_more.show(desk, member, prompt)
    if room.state is not RoomState.OPEN or not room.met:
        return None
    if prompt.kind == "extend":
        return _how_much(desk, member, room)
    if room.more is None or not _asks_other(desk, member, room):
        return None
    text = desk.words(
        member,
        "extend.question",
        more=room.more.length,
        then=room.ends_at + room.more.length,
        ends=room.ends_at,
        until=room.more.until,
    )
    choices = (Choice("yes", "choice.extend_yes"), Choice("no", "choice.extend_no"))
    return Question(text, choices, binding=True, also=_SKIP, until=room.more.until, quiet=True)


def _how_much(desk: Desk, member: Member, room: PeerRoom) -> Question | None:
    lengths = _lengths(desk, room)
    # The other may have asked meanwhile: a number is the answer to what was shown all the same.
    asks = _asks_other(desk, member, room)
    if not lengths or not (asks or rooms.allows(room, rooms.MoreAsked(member.id, lengths[0]))):
        return None
    said = desk.turn.words.duration
    choices = (
        *(
            Choice(str(length.total_seconds() / 60), text=said(length, member.language), length=length)
            for length in lengths
        ),
        Choice("no", "choice.extend_none"),
    )
    return Question(desk.words(member, "extend.how_much", ends=room.ends_at), choices, also=_SKIP)


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Ask the other, or give their yes; the room may have moved on meanwhile."""
    room = await desk.records.get(PeerRoom, prompt.subject)
    if room is None:
        await guest_more.answer(desk, member, prompt, reply)
    elif room.state is not RoomState.OPEN:
        desk.say(member.id, "stop.over")
    elif reply.name in ("no", "skip"):
        # The words are the same for who asks and who is asked, and nothing is kept of either.
        guest_more.put_off(desk, member, room.id)
        desk.say(member.id, "extend.no", ends=room.ends_at)
    elif prompt.kind == "extend":
        await _ask_other(desk, member, room, timedelta(minutes=float(reply.name)))
    elif _asks_other(desk, member, room):
        await _agree(desk, member, room)
    else:
        desk.say(member.id, "extend.no", ends=room.ends_at)


async def _agree(desk: Desk, member: Member, room: PeerRoom, length: timedelta | None = None) -> None:
    """They would like that too; or `length`, which they chose before they read of it: then the lesser."""
    guest_more.put_off(desk, member, room.id)
    if not await peer_rooms.longer(desk, room, rooms.MoreAgreed(member.id, length)):
        desk.say(member.id, "extend.across", notice=False, ends=room.ends_at)


async def _ask_other(desk: Desk, member: Member, room: PeerRoom, length: timedelta) -> None:
    if _asks_other(desk, member, room) and length in _lengths(desk, room):
        await _agree(desk, member, room, length)
        return
    name = desk.turn.new_id() if room.across is not None else ""
    move = rooms.MoreAsked(member.id, length, name=name)
    if not rooms.allows(room, move) or length not in _lengths(desk, room) or desk.now >= room.ends_at:
        # The other asked a moment before, or the room has its new end by now.
        await start(desk, member, room)
        return
    if room.across is not None:
        asked, _ = rooms.advance(room, move, desk.now, desk.timings)
        wish = asked.more or MoreTime(member.id, length, room.ends_at, name)
        # So much sooner a yes is to be given there: it is to have come by then.
        until = wish.until - guest_rooms.word(desk.now, wish.until)
        if not await across.more(desk, room.across, "asked", wish, until, room.ends_at):
            desk.say(member.id, "extend.across", notice=False, ends=room.ends_at)
            return
    await peer_rooms.advance(desk, room, move)
    asked = await desk.records.get(PeerRoom, room.id) or room
    if asked.more is not None:
        _say_waits(desk, member, asked, asked.more)
        await put_to(desk, room.id, *(one for one in rooms.people(asked) if one != member.id))


async def stands(desk: Desk, member: Member) -> list[str]:
    """The wish for more time that is open in a room of the member's, as they know of it."""
    found = [
        guest_more.said(desk, member, room.more, room.ends_at)
        for room in await peer_rooms.of(desk, member.id, RoomState.OPEN)
        if room.more is not None and desk.now < room.more.until
    ]
    return [*found, *(await guest_more.stands(desk, member))]


async def put_to(desk: Desk, id: PairingId, *others: MemberId) -> None:
    """Ask these of the room's two, without a sound, whether they would like that more time too."""
    asked = await desk.records.get(PeerRoom, id)
    for one in others:
        if asked is not None and asked.more is not None and await desk.member(one) is not None:
            desk.queue(one, "more", subject=id, until=asked.more.until)
