"""A room that two agreed on for a later hour: it opens then, and until then either can let it go.

Guards: what was agreed waits in the schedule, so that no crash or outage loses it; whoever lets go is asked
for no reason, and the other hears at once that no room opens, in the same words for every reason; a request
goes on at once, and one that is kept apart from the other learns nothing before the hour. Across a link the
room opens once the other desk has said who the peer is, or after a while not at all: whatever the reason, the
asker hears so at the hour that they were told.
"""

from dataclasses import replace

from handlers import across, apart
from handlers import request as requests
from handlers.desk import Desk
from schema.ids import AskId, MatrixId, MemberId, RequestId
from schema.records import Ask, Member, Pairing, Request
from schema.states import PairingState, RequestState
from service.core import rooms
from service.core.pairing import PairingMove, RequestMove, advance_pairing, advance_request


async def of(desk: Desk, member: MemberId) -> list[Pairing]:
    """What the member agreed on for later, as the one who asked or as the other."""
    planned = PairingState.PLANNED
    return [
        *(await desk.records.find(Pairing, asker=member, state=planned)),
        *(await desk.records.find(Pairing, peer=member, state=planned)),
    ]


async def awaits(desk: Desk, member: MemberId) -> bool:
    """Whether both said yes across a link, and the other desk has not said yet who the peer is."""
    agreed = await desk.records.find(Pairing, asker=member, state=PairingState.AGREED)
    return any(one.across is not None and not one.peer for one in agreed)


async def of_ask(desk: Desk, ask: Ask) -> Pairing | None:
    """What the ask's member agreed on for later."""
    found = await desk.records.find(Pairing, ask=ask.id, state=PairingState.PLANNED)
    return found[0] if found else None


async def agree(desk: Desk, pairing: Pairing, request: Request, asker: Member, peer: Member) -> None:
    """Both said yes: the room opens now, or is planned and both are told for when."""
    moved, effects = advance_request(request, RequestMove.AGREE, desk.now)
    await desk.apply(effects)
    await desk.records.put(moved)
    await requests.one_room(desk, asker.id, but=pairing.ask)
    ask = await desk.records.get(Ask, pairing.ask)
    theirs = await _theirs(desk, ask)
    if theirs is not None:
        await requests.join(desk, theirs)
    if pairing.state is not PairingState.PLANNED:
        await open_room(desk, pairing, asker, peer.matrix_id)
        return
    for one in (asker, peer):
        desk.say(one.id, "plan.agreed", notice=one is asker, start=pairing.start, length=pairing.length)


async def _theirs(desk: Desk, ask: Ask | None) -> Request | None:
    """The peer's own request, where they look for company too."""
    return await desk.records.get(Request, ask.offer) if ask is not None and ask.own else None


async def introduce(desk: Desk, pairing: Pairing, request: Request, asker: Member, *, stands: bool) -> None:
    """Both said yes across a link: the other desk hears who the asker is, and then says who the peer is.

    The peer's yes is good until the reply's hour at least. Where it `stands` no more nothing crosses, and the
    asker waits all the same.
    """
    until = desk.now + desk.timings.join
    theirs = pairing.across
    if not stands or theirs is None or not await across.introduce(desk, theirs, asker.matrix_id, until):
        pairing = await lose(desk, pairing)
    moved, effects = advance_request(request, RequestMove.AGREE, desk.now)
    await desk.apply(effects)
    await desk.records.put(moved)
    await requests.one_room(desk, asker.id, but=pairing.ask)
    await desk.records.put(replace(pairing, due_at=until))
    desk.say(asker.id, "consent.introduced", until=until)


async def lose(desk: Desk, pairing: Pairing) -> Pairing:
    """The answer across a link is not to be had any more: to the asker nothing changes before the hour."""
    if (ask := await desk.records.get(Ask, pairing.ask)) is not None:
        await requests.drop_ask(desk, ask)
    theirs = pairing.across
    lost = pairing if theirs is None else replace(pairing, across=replace(theirs, answer=""))
    await desk.records.put(lost)
    return lost


async def call_off(desk: Desk, pairing: Pairing) -> None:
    """No room comes of what both agreed to across a link; the asker's search goes on."""
    over, effects = advance_pairing(pairing, PairingMove.END, desk.now)
    await desk.apply(effects)
    await requests.keep_pairing(desk, over)
    await requests.resume(desk, pairing.request, "pairing.not_this_time_go_on")


async def open_room(desk: Desk, pairing: Pairing, asker: Member, peer: MatrixId) -> None:
    """Have the room of the two opened, with what they agreed to."""
    ask = await desk.records.get(Ask, pairing.ask)
    theirs = await _theirs(desk, ask)
    yes = [(asker.id, pairing.consent), *((pairing.peer, one) for one in (ask.consents if ask else ()))]
    room, effects = rooms.begin(
        pairing,
        asker.matrix_id,
        peer,
        desk.now,
        pairing.wish,
        theirs.id if theirs is not None else RequestId(""),
    )
    await desk.records.put(replace(room, consents=tuple((who, one) for who, one in yes if one is not None)))
    await desk.apply(effects)
    if ask is not None and ask.own:
        await desk.records.put(replace(ask, own={}))


async def due(desk: Desk, pairing: Pairing) -> None:
    """The hour has come: the room opens, unless it came too late, or one of the two is not there for it."""
    asker, peer = await desk.member(pairing.asker), await desk.member(pairing.peer)
    request = await desk.records.get(Request, pairing.request)
    together = request is not None and desk.now < request.until
    if asker is None or peer is None or not together or peer.id in await apart.of(desk, asker.id):
        await _drop(desk, pairing, MemberId(""))
        return
    opened, effects = advance_pairing(pairing, PairingMove.OPEN, desk.now)
    await desk.apply(effects)
    await requests.keep_pairing(desk, opened)
    await open_room(desk, opened, asker, peer.matrix_id)


async def let_go(desk: Desk, member: Member, pairing: Pairing) -> None:
    """The member would rather not after all: the other hears that no room opens; what was asked goes on."""
    theirs = await _theirs(desk, await desk.records.get(Ask, pairing.ask))
    own = pairing.request if member.id == pairing.asker else theirs.id if theirs is not None else ""
    await _drop(desk, pairing, member.id)
    if own:
        await requests.resume(desk, RequestId(own), "plan.let_go_on")
    else:
        desk.say(member.id, "plan.let_go")


async def withdraw(desk: Desk, request: Request) -> None:
    """The request ends at its asker's word, and what they agreed on for later with it."""
    if request.state is RequestState.TOGETHER:
        for pairing in await of(desk, request.member):
            await _drop(desk, pairing, request.member)
    await requests.withdraw(desk, request)


async def forget(desk: Desk, member: MemberId) -> None:
    """The member is forgotten: nothing that they agreed on for later comes about."""
    for pairing in await of(desk, member):
        await _drop(desk, pairing, member)


async def _drop(desk: Desk, pairing: Pairing, by: MemberId) -> None:
    """End it; but for `by`, whose doing it is, each hears so, and the request of whoever asked goes on."""
    theirs = await _theirs(desk, await desk.records.get(Ask, pairing.ask))
    over, effects = advance_pairing(pairing, PairingMove.END, desk.now)
    await desk.apply(effects)
    await requests.keep_pairing(desk, over)
    if pairing.asker != by:
        await _tell_off(desk, pairing, pairing.asker, pairing.request)
    if pairing.peer != by:
        await _tell_off(desk, pairing, pairing.peer, theirs.id if theirs is not None else RequestId(""))


async def _tell_off(desk: Desk, pairing: Pairing, member: MemberId, request: RequestId) -> None:
    if await desk.member(member) is None:
        return
    desk.say(member, "plan.off", notice=False, start=pairing.start)
    if request:
        await requests.resume(desk, request, "plan.goes_on")


async def part(desk: Desk, member: MemberId) -> None:
    """The member has had somebody kept apart. Where it was agreed with them, they hear it as of a letting go.

    To the member nothing changes before the hour: or they could learn by trying names whom they agreed with.
    """
    for pairing in await of(desk, member):
        asks = member == pairing.asker
        other = pairing.peer if asks else pairing.asker
        if not other or other not in await apart.of(desk, member):
            continue
        ask = await desk.records.get(Ask, pairing.ask)
        theirs = await _theirs(desk, ask)
        if asks:
            await desk.records.put(replace(pairing, peer=MemberId(""), ask=AskId("")))
            if ask is not None:
                await requests.drop_ask(desk, ask)
            await _tell_off(desk, pairing, other, theirs.id if theirs is not None else RequestId(""))
        else:
            await desk.records.put(replace(pairing, asker=MemberId(""), request=RequestId("")))
            await _tell_off(desk, pairing, other, pairing.request)
