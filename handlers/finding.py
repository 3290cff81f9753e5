"""Whom one round asks about a request: members with an offer, and others who ask too, where both allow it.

Guards: of two who both ask one is asked about the other, and the other hears of a yes alone; whoever is in a
room or on the way to one is asked nothing; a question that has to wait counts as not asked.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from handlers import across, after, apart, voucher
from handlers import draft as drafts
from handlers.desk import Desk
from schema.ids import AskId, MemberId
from schema.records import Across, Ask, GuestRoom, Link, Offer, PeerRoom, Request, Talking
from schema.states import AskState, LinkState, OfferState, RequestState
from service.core import guest_rooms, matching, rooms, talking
from service.core.pairing import ENGAGED

STANDING = (RequestState.LOOKING, RequestState.PROPOSED, RequestState.TOGETHER)


async def of(desk: Desk, member: MemberId) -> Request | None:
    """The member's request, where one stands."""
    found = await desk.records.find(Request, member=member, state=STANDING)
    return found[0] if found else None


async def ask_others(desk: Desk, request: Request, next_at: datetime) -> int:
    """Ask as many others as the community asks at once; how many were shown the question by now.

    Linked communities are asked where too few are here; of them nothing is counted, so that nothing shows.
    """
    asks = await desk.records.find(Ask, request=request.id)
    standing = await desk.records.find(Request, state=STANDING)
    too: dict[str, Request] = {
        one.id: one for one in standing if matching.may_meet(request, one, desk.community.hard, desk.now)
    }
    free: list[Offer] = []
    busy: list[Offer] = []
    for offer in await _in_order(desk, request, asks, standing, too):
        if len(free) == desk.community.asks_at_once:
            break
        peer = await desk.member(offer.member)
        if peer is not None and peer.room is not None:
            (busy if desk.busy(peer) else free).append(offer)
    # A question that has to wait counts as not asked: it stands in for one only where too few are free.
    for offer in (*free, *busy[: desk.community.asks_at_once - len(free)]):
        ask = Ask(
            id=AskId(desk.turn.new_id()),
            request=request.id,
            member=offer.member,
            offer=offer.id,
            state=AskState.WAITING,
            made_at=desk.now,
            due_at=next_at,
            length=request.length,
            wish=request.wish,
            topics=request.topics,
            card=offer.card,
            fear=offer.fear,
            own=drafts.of(too[offer.id]) if offer.id in too else {},
            across=request.across,
        )
        await desk.records.put(as_asked(desk, ask, request))
        desk.queue(offer.member, "ask", subject=ask.id)
    await across.ask(desk, request, enough=len(free) >= desk.community.asks_at_once)
    # Whoever was shown a question that had waited counts from this round on: at its hour that shows nothing.
    return len(free) + sum(ask.state is not AskState.WAITING for ask in asks)


async def asks_for_link(desk: Desk, request: Request) -> bool:
    """Whether ours are asked now about a linked community's request: a yes can cross, and none waits to meet.

    While one of ours is in a room for it, or on the way there, nobody else is asked.
    """
    across = request.across
    link = await desk.records.get(Link, across.link) if across is not None else None
    if across is None or link is None or link.state is not LinkState.LIVE:
        return False
    return not await meet_for_link(desk, across)


async def meet_for_link(desk: Desk, asked: Across) -> bool:
    """Whether one of ours is in a room for that request of a linked community, or on the way there."""
    live = await desk.records.find(GuestRoom, link=asked.link, state=guest_rooms.LIVE)
    return any(one.across.request == asked.request for one in live)


async def _in_order(
    desk: Desk,
    request: Request,
    asks: Sequence[Ask],
    standing: Sequence[Request],
    too: Mapping[str, Request],
) -> Iterator[Offer]:
    """Whatever counts as an offer to the request now, with a member who may be asked, the best first.

    Of thousands of offers only as many are looked at closely as are taken.
    """
    asked = {ask.member for ask in asks}
    if request.wish == "backup":
        asked |= await _met(desk, request.member)
    # Of two who both ask, whoever was asked about the other is not asked the other way round as well.
    about = {ask.request for ask in await desk.records.find(Ask, member=request.member, offer=request.id)}
    asked |= {one.member for one in standing if one.id in about}
    occupied = await _occupied(desk)
    or_asking = occupied | {one.member for one in standing}
    kept_apart = await apart.of(desk, request.member)
    offers = [
        matching.as_offer(one)
        for one in too.values()
        if not one.again_only or request.member in await after.agreed(desk, one.member)
    ]
    if request.wish != matching.MUTUAL:
        offers += await voucher.counting(desk, await desk.records.find(Offer, state=OfferState.OPEN))
    first = await _first(desk, request)
    if request.again_only:
        offers = [offer for offer in offers if offer.member in first]

    def may_be_asked(offer: Offer) -> bool:
        return matching.may_be_asked(
            request,
            offer,
            asked=asked,
            engaged=occupied if offer.id in too else or_asking,
            apart=kept_apart,
            asks_a_day=desk.community.asks_a_day,
            pause=desk.timings.idle,
            now=desk.now,
            hard=desk.community.hard,
        )

    return filter(may_be_asked, matching.in_order(request, offers, desk.turn.random.random, first))


async def _first(desk: Desk, request: Request) -> frozenset[MemberId]:
    """Who is asked before others: whoever would talk with the asker again, where it was asked for them."""
    if request.across is not None:
        return await after.who_would(desk, request.again_of)
    return await after.agreed(desk, request.member) if request.again else frozenset()


async def has_nobody(desk: Desk, request: Request) -> bool:
    """Whether only those are to be asked who would talk again, and the asker knows of none.

    Where a linked community asks, its own member is told nothing of whether there is one.
    """
    if not request.again_only or request.across is not None:
        return False
    return not (await after.has_agreed(desk, request.member) or await across.seeks_again(desk, request))


def as_asked(desk: Desk, ask: Ask, request: Request) -> Ask:
    """The ask, as it says what the request asks now; where both ask, what there is of it for both."""
    length = min(request.length, drafts.length(ask.own)) if ask.own else request.length
    start = matching.later(request, desk.now)
    ask = replace(ask, wish=request.wish, topics=request.topics, length=length)
    return replace(ask, start=start, answer=request.answer)


async def common(desk: Desk, ask: Ask) -> Talking | None:
    """How the asker and the ask's member can talk; None where that cannot be said any more."""
    request = await desk.records.get(Request, ask.request)
    offer: Offer | None
    if ask.own:
        theirs = await desk.records.get(Request, ask.offer)
        offer = matching.as_offer(theirs) if theirs is not None else None
    else:
        offer = await desk.records.get(Offer, ask.offer)
    return talking.common(request, offer) if request is not None and offer is not None else None


async def may_be_shown(desk: Desk, ask: Ask) -> Offer | Request | None:
    """The offer, or the request of a member who asks too, by which an ask that waited may be shown now.

    None where it may not: it is not asked after all.
    """
    request = await desk.records.get(Request, ask.request)
    found: Offer | Request | None
    if ask.own:
        found = await desk.records.get(Request, ask.offer)
    else:
        found = await desk.records.get(Offer, ask.offer)
    if request is None or found is None:
        return None
    engaged = {ask.member} if await is_occupied(desk, ask.member) else set()
    if isinstance(found, Request):
        if not matching.may_meet(request, found, desk.community.hard, desk.now):
            return None
        offer = matching.as_offer(found)
    else:
        offer = found
        if await of(desk, ask.member) is not None:
            return None
    may = matching.may_be_asked(
        request,
        offer,
        asked=(),
        engaged=engaged,
        apart=await apart.of(desk, request.member),
        asks_a_day=desk.community.asks_a_day,
        pause=desk.timings.idle,
        now=desk.now,
        hard=desk.community.hard,
    )
    return found if may else None


async def _met(desk: Desk, member: MemberId) -> set[MemberId]:
    """Whoever shares a room with the member, until it is gone: what is said of them is not for their ears."""
    found = [
        *(await desk.records.find(PeerRoom, asker=member)),
        *(await desk.records.find(PeerRoom, peer=member)),
    ]
    return {one for room in found for one in rooms.people(room)}


async def _occupied(desk: Desk) -> set[MemberId]:
    """Everybody who is in a peer room or near it, or has read a note and may go on."""
    asks = await desk.records.find(Ask, state=ENGAGED)
    live = await desk.records.find(PeerRoom, state=rooms.LIVE)
    guests = {guest.member for guest in await desk.records.find(GuestRoom, state=guest_rooms.LIVE)}
    return guests.union({ask.member for ask in asks}, *(rooms.people(room) for room in live))


async def is_occupied(desk: Desk, member: MemberId) -> bool:
    """Whether the member is in a peer room or near it, or has read a note and may go on."""
    return bool(
        await desk.records.find(Ask, member=member, state=ENGAGED)
        or await desk.records.find(PeerRoom, asker=member, state=rooms.LIVE)
        or await desk.records.find(PeerRoom, peer=member, state=rooms.LIVE)
        or await desk.records.find(GuestRoom, member=member, state=guest_rooms.LIVE)
    )
