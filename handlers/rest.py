"""Resting from being asked: for a while, until the member says so, and after they were there for someone.

Guards: a rest is said in one word, and nobody is told of it.
"""

from dataclasses import replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from handlers import hours, zone
from handlers.desk import Desk
from handlers.words import normal
from schema.records import Member, Offer, PeerRoom
from schema.states import OfferState
from service.core import availability
from service.core.availability import NOW, RESTS
from service.core.rooms import LIVE


async def until_tomorrow(desk: Desk, member: Member) -> None:
    """Ask the member nothing before eight in the morning of their tomorrow."""
    place = ZoneInfo(zone.of(desk, member))
    tomorrow = desk.now.astimezone(place).date() + timedelta(days=1)
    until = datetime.combine(tomorrow, time(8), place).astimezone(desk.now.tzinfo)
    offers = await _offers(desk, member)
    for offer in offers:
        await _rest(desk, member, offer, until)
    if not offers:
        desk.say(member.id, "ask.rest", until=until)


async def _rest(desk: Desk, member: Member, offer: Offer, until: datetime) -> None:
    rests = replace(offer, rest_until=until)
    await desk.records.put(rests)
    key = "rest.spent" if availability.is_spent(rests, desk.now) else "ask.rest"
    desk.say(member.id, key, until=until, ends=offer.until)


async def typed(desk: Desk, member: Member, text: str) -> bool:
    """Rest as what stands after the word says ("until friday 9:00"); False where it says no time."""
    said = normal(text) in desk.spoken(member, "spell.until_i_say")
    until = None if said else hours.moment(desk, member, text)
    if not said and until is None:
        return False
    offers = await _offers(desk, member)
    if not offers:
        desk.say(member.id, "offer.none", notice=False)
    for offer in offers:
        if until is not None:
            await _rest(desk, member, offer, until)
        else:
            await _until_said(desk, member, offer)
    return True


async def _until_said(desk: Desk, member: Member, offer: Offer) -> None:
    """Rest without an end: an offer for now until it is over, any other for as long as it is kept."""
    if offer.when == NOW:
        rests = replace(offer, rest_until=offer.until)
    else:
        until = min(offer.until, desk.now)
        rests = replace(offer, until=until, due_at=until + RESTS)
    await desk.records.put(rests)
    desk.say(member.id, "rest.until_said", kept=rests.due_at)


async def _offers(desk: Desk, member: Member) -> list[Offer]:
    return list(await desk.records.find(Offer, member=member.id, state=OfferState.OPEN))


async def hold_back(desk: Desk, member: Member, until: datetime) -> None:
    """Nothing is asked of the member before then, though they do not rest; where they offer, they hear it."""
    for offer in await _offers(desk, member):
        held = replace(offer, free_at=max(until, offer.free_at or until))
        await desk.records.put(held)
        desk.say_text(member.id, line(desk, member, held))


def line(desk: Desk, member: Member, offer: Offer) -> str:
    """Until when nothing is asked because of an offer that is held back; or that it is over before."""
    if availability.is_spent(offer, desk.now):
        return desk.words(member, "offer.spent", ends=offer.until)
    return desk.words(member, "offer.resting", until=availability.free_at(offer))


# After they were there for someone


async def after_room(desk: Desk, before: PeerRoom, after: PeerRoom) -> None:
    """A room in which the two met is over: its peer rests.

    The rest begins with the end itself, however it came: its asker may look on with the same words at once.
    """
    peer = await desk.member(after.peer) if after.met else None
    if peer is None or before.state not in LIVE or after.state in LIVE:
        return
    await after_company(desk, peer)


async def after_company(desk: Desk, peer: Member) -> None:
    """The member was there for somebody: they rest."""
    for offer in await _offers(desk, peer):
        until = max(desk.now + desk.timings.rest, offer.rest_until or desk.now)
        await desk.records.put(replace(offer, rest_until=until))


async def said(desk: Desk, member: Member) -> str:
    """That the member rests, and until when; nothing where they do not."""
    for offer in await _offers(desk, member):
        if offer.rest_until is not None and offer.rest_until > desk.now:
            return line(desk, member, offer)
    return ""
