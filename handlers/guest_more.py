"""More time in a room that a linked community opened: our member asks, or is asked by the other one's.

Guards: nothing changes before both have said yes, and no later than ours agreed to; whoever asked hears the
same words at an hour that was said beforehand, whatever the reason; a no and a silence cross as nothing.
"""

from datetime import datetime, timedelta

from handlers import across, guest_room
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.records import GuestRoom, Member, MoreTime, Prompt
from schema.states import GuestRoomState
from service.core import guest_rooms, rooms

_SKIP = frozenset({"skip"})
_YES_NO = (Choice("yes", "choice.extend_yes"), Choice("no", "choice.extend_no"))


async def start(desk: Desk, member: Member, room: GuestRoom) -> None:
    """Ask how much more time they would like; where the other has asked already, whether they would too."""
    more = room.more
    if room.ending is not None:
        name = await across.called(desk, member, room.link)
        desk.say(member.id, "status.guest_asked", notice=False, collective=name, ends=room.ends_at)
    elif more is not None and _asks_ours(desk, room, more):
        desk.put_behind(member.id)
        desk.ask(member.id, "more", subject=room.id, until=more.until)
    elif more is not None and room.agreed_more and not room.lapsed_more:
        desk.say(member.id, "extend.agreed_there", ends=room.ends_at)
    elif more is not None and more.member == member.id and not room.lapsed_more:
        _say_waits(desk, member, room, more)
    elif member.id in room.asked_more:
        desk.say(member.id, "extend.once", notice=False, ends=room.ends_at)
    elif not _lengths(desk, room):
        desk.say(member.id, "extend.longest", notice=False, longest=room.length, ends=room.ends_at)
    else:
        desk.put_behind(member.id)
        desk.ask(member.id, "extend", subject=room.id, until=room.ends_at)


def _asks_ours(desk: Desk, room: GuestRoom, more: MoreTime) -> bool:
    return more.member != room.member and not room.agreed_more and desk.now < more.until


def _lengths(desk: Desk, room: GuestRoom) -> list[timedelta]:
    longest = desk.timings.longest_in_all or desk.timings.longest
    return rooms.lengths_of_more(guest_rooms.more_time(room, longest), room.length)


def _say_waits(desk: Desk, member: Member, room: GuestRoom, more: MoreTime) -> None:
    desk.say(member.id, "extend.waits", more=more.length, until=more.until, ends=room.ends_at)


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """How much more, or whether they would like that too; None where the room is not open any more."""
    room = await desk.records.get(GuestRoom, prompt.subject)
    if room is None or room.state is not GuestRoomState.OPEN or room.ends_at is None or room.ending:
        return None
    more = room.more
    if prompt.kind == "extend":
        found = _lengths(desk, room)
        waits = more is not None and not room.lapsed_more and not _asks_ours(desk, room, more)
        if not found or waits or member.id in room.asked_more:
            return None
        said = desk.turn.words.duration
        choices = (
            *(
                Choice(str(one.total_seconds() / 60), text=said(one, member.language), length=one)
                for one in found
            ),
            Choice("no", "choice.extend_none"),
        )
        return Question(desk.words(member, "extend.how_much", ends=room.ends_at), choices, also=_SKIP)
    if more is None or not _asks_ours(desk, room, more):
        return None
    text = desk.words(
        member,
        "extend.question",
        more=more.length,
        then=room.ends_at + more.length,
        ends=room.ends_at,
        until=more.until,
    )
    return Question(text, _YES_NO, binding=True, also=_SKIP, until=more.until, quiet=True)


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Ask the other side, or give our member's yes; the room may have moved on meanwhile."""
    room = await desk.records.get(GuestRoom, prompt.subject)
    if room is None or room.state is not GuestRoomState.OPEN:
        desk.say(member.id, "stop.over")
    elif reply.name in ("no", "skip"):
        put_off(desk, member, room.id)
        desk.say(member.id, "extend.no", ends=room.ends_at)
    elif prompt.kind == "extend":
        await _ask(desk, member, room, timedelta(minutes=float(reply.name)))
    elif room.more is not None and _asks_ours(desk, room, room.more):
        if await across.more(desk, room.across, "agreed", room.more, room.ends_at or desk.now):
            await guest_room.advance(desk, room, guest_rooms.MoreAgreed())
            desk.say(member.id, "extend.agreed_there", ends=room.ends_at)
        else:
            await guest_room.no_more(desk, member, room)
    else:
        desk.say(member.id, "extend.no", ends=room.ends_at)


async def _ask(desk: Desk, member: Member, room: GuestRoom, length: timedelta) -> None:
    ends = room.ends_at or desk.now
    until = desk.now + (ends - desk.now) / 2
    # So much later than a yes counts there: it is to have come by then.
    wish = MoreTime(member.id, length, until + guest_rooms.word(until, ends), desk.turn.new_id())
    move = guest_rooms.MoreAsked(wish.member, wish.length, wish.until, wish.name)
    if not guest_rooms.allows(room, move) or length not in _lengths(desk, room) or desk.now >= ends:
        await start(desk, member, room)
    elif await across.more(desk, room.across, "asked", wish, until):
        put_off(desk, member, room.id)
        waits = await guest_room.advance(desk, room, move)
        if waits is not None and waits.more is not None:
            _say_waits(desk, member, waits, waits.more)
    else:
        await guest_room.no_more(desk, member, room)


def put_off(desk: Desk, member: Member, id: str) -> None:
    """What the other one would like is answered by what was said of more time before it was read."""
    for one in desk.questions(member.id, "more"):
        if one.subject == id:
            desk.end_question(member.id, one)


async def stands(desk: Desk, member: Member) -> list[str]:
    """The wish for more time that is open in a room of a linked community's, as the member knows of it."""
    found: list[str] = []
    for room in await guest_room.of(desk, member.id, GuestRoomState.OPEN):
        more, ends = room.more, room.ends_at
        if more is None or ends is None or room.lapsed_more or room.ending is not None:
            continue
        if room.agreed_more:
            found.append(desk.words(member, "extend.agreed_there", ends=ends))
        elif desk.now < more.until:
            found.append(said(desk, member, more, ends))
    return found


def said(desk: Desk, member: Member, more: MoreTime, ends: datetime) -> str:
    """The wish in a sentence, to whoever has it, or to whom it is put."""
    key = "extend.waits" if more.member == member.id else "status.more"
    return desk.words(member, key, more=more.length, until=more.until, ends=ends, then=ends + more.length)


# What the other side says


async def asked(desk: Desk, room: GuestRoom, move: guest_rooms.MoreAsked) -> None:
    """The other one would like more time: ours is asked without a sound, where our side allows so much."""
    longest = desk.timings.longest_in_all or desk.timings.longest
    fits = move.length <= guest_rooms.more_time(room, longest) and desk.now < move.until
    if fits and guest_rooms.allows(room, move) and await desk.member(room.member) is not None:
        await guest_room.advance(desk, room, move)
        desk.queue(room.member, "more", subject=room.id, until=move.until)


async def longer(desk: Desk, room: GuestRoom, ends: datetime, wish: str) -> GuestRoom:
    """The room, which the other side may have made longer: our member hears so, unless they would end it."""
    after = await guest_room.advance(desk, room, guest_rooms.Longer(ends, wish))
    if after is None or after.ends_at is None or room.ends_at is None or after.ends_at <= room.ends_at:
        return after or room
    member = await desk.member(room.member)
    if member is not None and after.ending is None and guest_rooms.tells(room, ends, wish):
        desk.drop(member, room.id)
        more = after.ends_at - room.ends_at
        desk.say(member.id, "room.extended", notice=False, more=more, ends=after.ends_at)
    return after
