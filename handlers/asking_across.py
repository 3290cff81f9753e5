"""Our member asks, and somebody of a linked collective may keep them company.

Guards: what comes is held against the link, the request, the answer and where they stand, and whatever does
not fit is dropped; the asker hears nothing but what they would hear of somebody here; who the peer is, is
held against our own lists before anybody is told, and a match ends like a no. After the asker's yes every no
is heard at one hour, whatever the reason and whenever it came.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from handlers import across, apart, extension, pairing_pauses, plan
from handlers import request as requests
from handlers import room as peer_rooms
from handlers.desk import Desk
from schema.ids import AskId, LinkId, MatrixId, MemberId, OfferId
from schema.records import (
    Across,
    Ask,
    AskAcross,
    Link,
    Meeting,
    Pairing,
    PeerRoom,
    Request,
    Talking,
)
from schema.states import AskState, Ending, PairingState, RequestState, RoomState
from schema.wire import Answer, Close, Consent, Introduce, More, Withdraw
from service.core import matching, rooms
from service.core.pairing import AskMove, advance_ask, next_card

_LONGEST_CARD = 300
"""Characters of what a peer says of themselves."""

_TAKEN_BACK = 8
"""How many times as many yeses to one request are taken in all, those that were taken back included."""


async def answered(desk: Desk, link: Link, said: Answer) -> None:
    """Somebody there said yes to hearing more; so many are kept, and so many in all with those taken back."""
    put = await desk.records.get(AskAcross, said.request)
    if put is None or put.link != link.id:
        return
    request = await desk.records.get(Request, put.request)
    known = await desk.records.get(Ask, said.answer)
    if request is None or link.id not in across.goes_to(request):
        # It is not for people there any more.
        return
    if known is not None or said.wish == matching.MUTUAL:
        return
    asks = await desk.records.find(Ask, request=request.id)
    theirs = [one for one in asks if (of := across.of_theirs(one)) is not None and of.link == link.id]
    still = [one for one in theirs if one.state is not AskState.OVER]
    most = 2 * desk.community.asks_at_once
    if len(still) >= most or len(theirs) >= _TAKEN_BACK * most:
        return
    ask = Ask(
        id=AskId(said.answer),
        request=request.id,
        member=MemberId(""),
        offer=OfferId(""),
        state=AskState.WILLING,
        made_at=desk.now,
        due_at=desk.now + desk.timings.consent_open,
        length=min(timedelta(minutes=said.minutes), request.length),
        wish=said.wish,
        topics=request.topics,
        said_at=desk.now,
        fear="unsaid",
        talking=Talking(put.languages),
        answer=request.answer,
        across=Across(link.id, said.request, said.answer),
    )
    await desk.records.put(ask)
    if requests.note_is_free(desk, request, ask) and await requests.note_crosses(desk, request, ask):
        await requests.open_note(desk, request, ask, request.due_at or request.until)


async def _of(desk: Desk, link: Link, said: Consent | Introduce | Withdraw | Close) -> Ask | None:
    """The answer of theirs that it is about, by all three of its names."""
    if said.answer is None:
        return None
    ask = await desk.records.get(Ask, said.answer)
    named = Across(link.id, said.request, said.answer)
    return ask if ask is not None and across.of_theirs(ask) == named else None


async def _room_of(desk: Desk, link: Link, said: Introduce | Withdraw | More | Close) -> PeerRoom | None:
    """The room that we opened, or are opening, for the two of that answer."""
    if said.answer is None:
        return None
    named = Across(link.id, said.request, said.answer)
    found = await desk.records.of_answer(PeerRoom, said.answer)
    return next((one for one in found if one.across == named), None)


async def consented(desk: Desk, link: Link, said: Consent) -> None:
    """Whoever gave the answer read the note, and goes on."""
    ask = await _of(desk, link, said)
    request = await desk.records.get(Request, ask.request) if ask is not None else None
    if ask is None or request is None or ask.state is not AskState.READING:
        return
    # On one line: what another program sends is not to look like a sentence of ours.
    ask = replace(ask, card=" ".join(said.card.split())[:_LONGEST_CARD], fear=said.fear)
    if not matching.may_read(request, ask):
        # Their desk put it to somebody whom the asker had left out: it goes no further.
        await requests.drop_ask(desk, ask)
        return
    # What comes after the asker's yes has its time before the hour that the peer was told.
    promised = datetime.fromtimestamp(said.until, UTC) - desk.timings.join
    until = min(promised, desk.now + (request.answer or desk.timings.consent_open))
    if until <= desk.now:
        return
    asker = await desk.member(request.member)
    more = asker is None or next_card(asker.cards, desk.now) is None
    if request.state is RequestState.LOOKING and more:
        await requests.propose(desk, request, ask, until)
        return
    kept, effects = advance_ask(ask, AskMove.KEEP, desk.now, until)
    await desk.records.put(kept)
    await desk.apply(effects)


async def _awaiting(desk: Desk, ask: Ask) -> Pairing | None:
    """What both agreed to and can still come about, where their desk has not said yet who the peer is."""
    if ask.state is not AskState.CHOSEN:
        return None
    found = await desk.records.find(Pairing, ask=ask.id, state=PairingState.AGREED)
    return found[0] if found and not found[0].peer else None


async def introduced(desk: Desk, link: Link, said: Introduce) -> bool:
    """Who the peer is, after both consents. False where it is about no request of ours."""
    ask = await _of(desk, link, said)
    if ask is None:
        return await _room_of(desk, link, said) is not None
    pairing = await _awaiting(desk, ask)
    if pairing is None or said.room is not None:
        return True
    asker = await desk.member(pairing.asker)
    meant = await _is_meant(desk, link, pairing, said)
    if asker is None or not meant or not await _may_meet(desk, link, pairing.asker, said.user):
        # Their desk hears at the same hour as the asker: when a no comes is not to say why.
        await requests.drop_ask(desk, ask)
        return True
    agreed = replace(pairing, peer=desk.turn.identify(said.user), due_at=None)
    await requests.keep_pairing(desk, agreed)
    await plan.open_room(desk, agreed, asker, said.user)
    return True


async def _is_meant(desk: Desk, link: Link, pairing: Pairing, said: Introduce) -> bool:
    """Whether it is whom the asker wants: where they wanted one of a room of theirs alone, nobody else."""
    put = await desk.records.get(AskAcross, said.request)
    if put is None or not put.only:
        return True
    them = {desk.turn.identify(one) for one in (said.user, MatrixId(said.user.lower()))}
    for one in await desk.records.find(Meeting, member=pairing.asker):
        met = one.across
        if met is not None and met.link == link.id and met.answer in put.again and one.other in them:
            return True
    return False


async def _may_meet(desk: Desk, link: Link, asker: MemberId, user: MatrixId) -> bool:
    """Whether nothing here stands between the asker and whom their desk named.

    Nor is it one of ours: of our own members nobody else can say that they agreed to a room.
    """
    kept_apart = await apart.of(desk, asker)
    if user in (desk.community.desk, desk.community.keeper, link.desk):
        return False
    if user.partition(":")[2].lower() == desk.community.server.lower():
        # Whether they are a member is not to show: of our own homeserver nobody at all is met over a link.
        return False
    for one in (user, MatrixId(user.lower())):
        # However it is written: a list here has it as somebody typed it.
        peer = desk.turn.identify(one)
        if peer in kept_apart or await desk.member(peer) is not None:
            return False
    return await pairing_pauses.of(desk, asker) is None


async def no_reply(desk: Desk, pairing: Pairing) -> None:
    """No room comes of what both agreed to: it is not waited for any longer, and their desk hears no more."""
    if pairing.across is not None:
        await across.withdraw(desk, pairing.across)
    await plan.call_off(desk, pairing)


async def withdrawn(desk: Desk, link: Link, said: Withdraw) -> bool:
    """One answer is not to be had any more. False where it is about no request of ours."""
    room = await _room_of(desk, link, said)
    if room is not None:
        await peer_rooms.advance(desk, room, rooms.Close(Ending.ASKED), by=room.peer)
        return True
    ask = await _of(desk, link, said)
    if ask is None:
        return await desk.records.get(AskAcross, said.request) is not None
    await _lose(desk, ask)
    return True


async def _lose(desk: Desk, ask: Ask) -> None:
    """The answer is not to be had any more: the asker hears it as they would of somebody here."""
    pairing = await _awaiting(desk, ask)
    if pairing is not None:
        await plan.lose(desk, pairing)
    else:
        await requests.step_back(desk, ask)


async def more(desk: Desk, link: Link, said: More) -> bool:
    """Their member would like more time, or agrees to ours. False where it is no room of ours."""
    room = await _room_of(desk, link, said)
    if room is None:
        return False
    length, wish = timedelta(minutes=said.minutes), room.more
    ours = wish is not None and wish.member == room.asker and desk.now < wish.until
    until = datetime.fromtimestamp(said.until, UTC) if said.until is not None else desk.now
    # A yes is to this wish alone; where both asked at once, each would like so much at least.
    yes = said.step == "agreed" and wish is not None and wish.name == said.wish
    at_once = said.step == "asked" and desk.now < until
    if ours and (yes or at_once):
        await peer_rooms.longer(desk, room, rooms.MoreAgreed(room.peer, length), said.wish)
    elif at_once and not ours:
        fits = length <= rooms.more_time(room, desk.timings) and desk.now < min(until, room.ends_at)
        wished = rooms.MoreAsked(room.peer, length, until, said.wish)
        if fits and room.met and room.state is RoomState.OPEN and rooms.allows(room, wished):
            await peer_rooms.advance(desk, room, wished)
            await extension.put_to(desk, room.id, room.asker)
    return True


async def closed(desk: Desk, link: Link, said: Close) -> bool:
    """Their member would end the room, or their side is done with it. False where it is no room of ours."""
    room = await _room_of(desk, link, said)
    if room is None:
        return await _of(desk, link, said) is not None
    if said.step == "ended":
        await peer_rooms.advance(desk, room, rooms.Close(Ending.ASKED), by=room.peer)
    elif said.step == "gone":
        await peer_rooms.advance(desk, room, rooms.There(said.reached or "cannot"))
    return True


async def over(desk: Desk, link: LinkId) -> None:
    """The link is no more: whatever our members wait for over it ends. A room that is there goes on."""
    for put in await desk.records.find(AskAcross, link=link):
        await desk.records.delete(AskAcross, put.id)
        for ask in await desk.records.find(Ask, request=put.request):
            theirs = across.of_theirs(ask)
            found = await desk.records.find(Pairing, ask=ask.id)
            in_room = any(one.peer for one in found)
            if theirs is not None and theirs.link == link and not in_room:
                await _lose(desk, ask)
