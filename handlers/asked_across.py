"""Somebody of a linked collective asks, and one of our members may keep them company.

Guards: ours are asked under our own rules; what comes counts only for the link, the request and the answer
that it belongs to, and in the state that awaits it; whatever else comes changes nothing and is answered by
nothing; our member's address crosses after both consents, and not to somebody who is kept apart from them.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from handlers import across, apart, finding, guest_more, guest_room, topics, yes_across
from handlers import request as requests
from handlers import room as rooms_of
from handlers.desk import Desk
from schema.ids import LinkId, MatrixId, MemberId, RequestId
from schema.records import Across, GuestRoom, Link, Member, Request
from schema.records import Ask as Asked
from schema.states import AskState, GuestRoomState, RequestState
from schema.wire import Ask, Close, Introduce, More, Note, Withdraw
from service.core import guest_rooms, matching, rooms, terms
from service.core.pairing import AskMove, RequestMove, advance_ask

_WAITS = (AskState.WILLING, AskState.READING, AskState.READY)
"""Our member said yes, and awaits what comes of it."""


async def asked(desk: Desk, link: Link, said: Ask) -> None:
    """Ours are asked, under our own rules, with the collective named."""
    until = min(datetime.fromtimestamp(said.until, UTC), desk.now + desk.timings.request_open)
    later = said.start is not None and said.start > desk.now.timestamp()
    if until <= desk.now or later or said.wish == matching.MUTUAL:
        return
    # Otherwise an adult of theirs could be put to young people here, or the other way round.
    if not across.is_for(desk, link, said.ages):
        return
    if await desk.records.get(Request, said.request) is not None:
        return
    request = Request(
        id=RequestId(said.request),
        member=MemberId(""),
        state=RequestState.LOOKING,
        made_at=desk.now,
        until=until,
        due_at=desk.now,
        round=0,
        wish=said.wish,
        topics=terms.named_here(said.topics, topics.known(desk.community)),
        length=min(timedelta(minutes=said.minutes), desk.timings.longest),
        note="",
        reporters=said.reporters,
        topics_only=said.topics_only and bool(said.topics),
        # An answer has no place for how its peer would talk: the two agree on writing, on both sides.
        voice=False,
        languages=said.languages,
        age_group=said.ages,
        answer=min(timedelta(minutes=said.wait), desk.timings.request_open),
        across=Across(link.id, said.request),
        again=bool(said.again),
        again_only=said.again_only,
        again_of=tuple(Across(link.id, "", one) for one in said.again),
    )
    await requests.look(desk, request)


async def _asks(desk: Desk, link: Link, request: str) -> list[Asked]:
    """The yeses of ours to that request that still await what comes of them."""
    found = await desk.records.find(Asked, request=request, state=_WAITS)
    return [one for one in found if yes_across.holds(one) and one.across and one.across.link == link.id]


async def _ask(desk: Desk, link: Link, request: str, answer: str, state: AskState) -> Asked | None:
    """The one yes that is meant, where it is in that state and its hour is still to come."""
    found = [one for one in await _asks(desk, link, request) if one.id == answer and one.state is state]
    return found[0] if found and found[0].due_at is not None and found[0].due_at > desk.now else None


async def note(desk: Desk, link: Link, said: Note) -> None:
    """What the asker wrote, for the one of ours who gave this answer."""
    ask = await _ask(desk, link, said.request, said.answer, AskState.WILLING)
    request = await desk.records.get(Request, said.request)
    if ask is None or request is None or request.across is None or await desk.member(ask.member) is None:
        return
    until = desk.now + desk.timings.consent_open
    opened, effects = advance_ask(ask, AskMove.OPEN, desk.now, until)
    await desk.records.put(replace(opened, note=said.note, how=said.how))
    await desk.apply(effects)
    desk.queue(ask.member, "note", subject=ask.id, until=until)


async def introduced(desk: Desk, link: Link, said: Introduce) -> None:
    """Who the asker is, after both consents; later which room it is."""
    guest = await _guest(desk, link, said.request, said.answer)
    if guest is not None:
        await _opened(desk, guest, said)
        return
    ask = await _ask(desk, link, said.request, said.answer, AskState.READY)
    member = await desk.member(ask.member) if ask is not None else None
    if ask is None or member is None or said.room is not None:
        return
    ours = await _introduction(desk, member, ask, said.user)
    if ours is None:
        # Whatever the reason, it ends as a no does: our member hears at the hour that they were told.
        await across.say(desk, link.id, Withdraw(request=said.request, answer=said.answer))
        await _nothing_more(desk, ask)
    elif await across.say(desk, link.id, ours):
        await requests.one_room(desk, member.id, but=ask.id)
        begun = guest_rooms.begin(ask, desk.turn.identify(said.user), said.user, link.desk, desk.now)
        await desk.records.put(begun)


async def _introduction(desk: Desk, member: Member, ask: Asked, user: MatrixId) -> Introduce | None:
    """Our member by address, for somebody with whom they may be; None where they may not, or can't now."""
    kept_apart = await apart.of(desk, member.id)
    if member.id in kept_apart or user in (desk.community.desk, desk.community.keeper):
        return None
    # Whom our own homeserver has we refuse whether we know them or not, so that no answer shows a member.
    if user.partition(":")[2].lower() == desk.community.server.lower():
        return None
    for one in (user, MatrixId(user.lower())):
        # However it is written: a list here has it as somebody typed it. Nor is it our member themselves.
        other = desk.turn.identify(one)
        if other in kept_apart or other == member.id:
            return None
    if ask.across is None or await finding.meet_for_link(desk, ask.across):
        return None
    if await rooms_of.of(desk, member.id, *rooms.LIVE) or await guest_room.of(
        desk, member.id, *guest_rooms.LIVE
    ):
        return None
    said = {"request": ask.request, "answer": ask.id, "user": member.matrix_id, "room": None, "ends": None}
    try:
        return Introduce.model_validate(said)
    except ValidationError:
        # An address of a form that no link can carry, as old homeservers gave them out.
        return None


async def _nothing_more(desk: Desk, ask: Asked) -> None:
    """Nothing can come of this yes any more; its member hears at their hour, as for every reason."""
    await yes_across.drop(desk, ask)
    await desk.records.put(replace(yes_across.without(ask), note="", how=()))


async def _guest(desk: Desk, link: Link, request: str, answer: str) -> GuestRoom | None:
    guest = await desk.records.get(GuestRoom, answer)
    if guest is None or guest.link != link.id or guest.across.request != request:
        return None
    return guest


async def _opened(desk: Desk, guest: GuestRoom, said: Introduce) -> None:
    if said.room is None or said.user != guest.other_matrix_id:
        return
    move = guest_rooms.Opened(said.room, guest_rooms.ends_at(guest, said.ends, desk.now))
    opened = await guest_room.advance(desk, guest, move)
    if opened is None:
        return
    ask = await desk.records.get(Asked, guest.id)
    await guest_room.opened(desk, opened, ask)
    if ask is not None:
        # What it promised has come, however late: nothing is withdrawn with it, and no other end is told.
        await requests.drop_ask(desk, replace(yes_across.without(ask), due_at=None))


async def withdrawn(desk: Desk, link: Link, said: Withdraw) -> None:
    """The request, or what was between the two, is not to be had any more."""
    for ask in await _asks(desk, link, said.request):
        # The end of a request says nothing of a room: it may be that of this very yes, told of in a moment.
        of_request = said.answer is None and await desk.records.get(GuestRoom, ask.id) is None
        if of_request or ask.id == said.answer:
            await _nothing_more(desk, ask)
    if said.answer is not None:
        return
    request = await desk.records.get(Request, said.request)
    if request is not None and request.across is not None and request.across.link == link.id:
        await requests.end(desk, request, RequestMove.WITHDRAW)


async def more(desk: Desk, link: Link, said: More) -> None:
    """Their member would like more time in the room, or both agreed and it is longer."""
    guest = await _guest(desk, link, said.request, said.answer)
    if guest is None or guest.state is not GuestRoomState.OPEN or guest.ends_at is None:
        return
    if said.ends is None:
        return
    ends = datetime.fromtimestamp(said.ends, UTC)
    # Each thing that they say has the end that holds by then: so none of them is needed, and the last counts.
    guest = await guest_more.longer(desk, guest, ends, said.wish if said.step == "agreed" else "")
    if guest.ends_at is None or said.step == "agreed" or said.until is None:
        return
    if ends < guest.ends_at.replace(microsecond=0):
        # It was asked before what they agreed on since, and is over with that.
        return
    until = min(datetime.fromtimestamp(said.until, UTC), guest.ends_at)
    move = guest_rooms.MoreAsked(guest.other, timedelta(minutes=said.minutes), until, said.wish)
    await guest_more.asked(desk, guest, move)


async def closed(desk: Desk, link: Link, said: Close) -> None:
    """How the room of the two stands there."""
    guest = await _guest(desk, link, said.request, said.answer)
    if guest is None:
        return
    if guest.state is GuestRoomState.AWAITED:
        await withdrawn(desk, link, Withdraw(request=said.request, answer=said.answer))
        return
    met = said.met is not False
    moves: dict[str, guest_rooms.Move] = {
        "ended": guest_rooms.Ended(met),
        "removed": guest_rooms.Emptied(met),
        "gone": guest_rooms.Gone(said.reached or "", met),
    }
    await guest_room.advance(desk, guest, moves[said.step])


async def over(desk: Desk, link: LinkId) -> None:
    """The link is no more: whatever our members wait for over it ends."""
    for request in await desk.records.find(Request, member=MemberId("")):
        if request.across is not None and request.across.link == link:
            await requests.end(desk, request, RequestMove.WITHDRAW)
    for ask in await desk.records.find(Asked, state=_WAITS):
        if yes_across.holds(ask) and ask.across is not None and ask.across.link == link:
            await _nothing_more(desk, ask)
    await guest_room.link_over(desk, link)
