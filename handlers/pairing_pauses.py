"""Whose pairing is paused, and until when.

Guards: it is looked up by a keyed hash, whether that person was ever here, is, or comes back; to everybody
else whoever is paused looks like somebody who has no time.
"""

from handlers.desk import Desk
from schema.ids import MemberId
from schema.records import PairingPause


async def of(desk: Desk, member: MemberId) -> PairingPause | None:
    """The pause of the member's pairing that lasts longest, where there is one."""
    found = [one for one in await desk.records.about(PairingPause, member) if one.due_at > desk.now]
    return max(found, key=lambda one: (one.due_at, one.id), default=None)


async def people(desk: Desk) -> frozenset[MemberId]:
    """Everybody whose pairing is paused now."""
    found = await desk.records.find(PairingPause)
    return frozenset(one.other for one in found if one.due_at > desk.now)
