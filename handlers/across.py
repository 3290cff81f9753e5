"""Putting something across a link: the one way by which anything about a member goes to another collective.

Guards: nothing is put across that the link's state does not let cross, and each envelope's counter is kept
with it; an envelope lives no longer than what it is about.
"""

from datetime import datetime, timedelta

from handlers.desk import Desk
from schema.effects import SendAcross
from schema.ids import LinkId
from schema.records import Link, LinkKeys
from schema.wire import Body
from service.core import links
from service.core.links import Sent


async def carry(
    desk: Desk, link: Link, sent: Sent, *, last: bool = False, life: timedelta = links.LONGEST
) -> Link:
    """Have these cross, once the other desk is there to read them; the link after they were stamped."""
    room = link.room
    if room is None or not link.here:
        return link
    keys = await desk.records.find(LinkKeys, link=link.id)
    for number, body in sent:
        link, content = desk.turn.crossing.seal(link, number, body, keys, life, desk.now)
        desk.turn.do(SendAcross(link.id, room, link.desk, content, desk.now + life, last))
    return link


async def say(desk: Desk, id: LinkId, body: Body, until: datetime | None = None) -> bool:
    """Have `body` cross that link, good until `until` (as long as anything, where none is given).

    False where it cannot: there is no such link any more, it is paused, or their desk is not there.
    """
    link = await desk.records.get(Link, id)
    if link is None or not link.epochs or not links.may_cross(link, body):
        return False
    life = links.LONGEST if until is None else min(until - desk.now, links.LONGEST)
    if life <= timedelta(0) or link.room is None or not link.here:
        return False
    await desk.records.put(await carry(desk, link, ((link.epochs[0].number, body),), life=life))
    return True
