"""How it looks for whoever asks now, before anything is written; and when this community takes requests.

Guards: the words show nobody, and do not depend on who reads them; where no request is taken now, the answer
has the next hour and the places of help, and to offer always works.
"""

from datetime import datetime

from handlers import hours, places, voucher
from handlers.desk import Desk
from schema.records import Member, Offer, Outlook
from schema.states import OfferState
from service.core import outlook


async def of(desk: Desk) -> Outlook:
    """How it looks in this part of the day; worked out once, and kept until the next one."""
    found = await desk.records.get(Outlook, outlook.ONLY)
    if found is None or found.due_at <= desk.now:
        offers = await voucher.counting(desk, await desk.records.find(Offer, state=OfferState.OPEN))
        found = outlook.look(offers, desk.now, desk.community.zone, desk.community.enough)
        await desk.records.put(found)
    return found


async def say(desk: Desk, member: Member) -> None:
    """Say how it looks, as a part of what is said next."""
    found = await of(desk)
    if found.someone:
        desk.say(member.id, "outlook.someone")
    elif found.later is not None:
        desk.say(member.id, "outlook.later", later=found.later)
    else:
        desk.say(member.id, "outlook.unsaid")


def in_hours(desk: Desk, at: datetime) -> bool:
    """Whether the community takes requests at `at` by its published hours, where it goes by them."""
    community = desk.community
    return community.opens != outlook.HOURS or outlook.opens_at(community.hours, community.zone, at) == at


async def closed(desk: Desk, member: Member, start: datetime | None = None) -> str:
    """Where no request is taken now: that, when one is, and the places of help; nothing where one is.

    `start` is the later hour for which it would be asked: one within the published hours is taken at any.
    """
    community = desk.community
    if community.opens == outlook.HOURS:
        opens = outlook.opens_at(community.hours, community.zone, desk.now)
        if in_hours(desk, desk.now) or (start is not None and in_hours(desk, start)):
            return ""
        open_hours = hours.windows(desk, member, community.hours)
        city = desk.turn.words.city(community.zone, member.language)
        text = desk.words(member, "outlook.closed_hours", community=desk.community_of(member).name, city=city)
        lines = [text, *open_hours]
        if opens is not None:
            lines.append(desk.words(member, "outlook.opens", opens=opens))
        lines.append(desk.words(member, "outlook.ahead"))
    elif community.opens == outlook.ENOUGH and not (found := await of(desk)).enough:
        name = desk.community_of(member).name
        text = desk.words(member, "outlook.closed_enough", community=name, n=community.enough)
        lines = [text, desk.words(member, "outlook.looks_again", again=found.due_at)]
    else:
        return ""
    lines.append(desk.words(member, "outlook.offer"))
    return "\n\n".join(("\n".join(lines), *await places.entries(desk, member)))
