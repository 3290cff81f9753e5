"""Whose pairing is paused, and until when.

Guards: it is looked up by a keyed hash, whether that person was ever here, is, or comes back; to everybody
else whoever is paused looks like somebody who has no time. Of somebody met over a link nothing is promised
but what is done here: nobody here is introduced to that address over any link, and nobody there hears of it.
"""

from handlers.desk import Desk
from schema.ids import LinkId, MemberId
from schema.records import Link, Member, PairingPause

_LINKED = {
    "concern.pause_can_follow": "concern.pause_can_follow_linked",
    "choice.reads_pause": "choice.reads_pause_linked",
    "pauses.length": "pauses.length_linked",
    "pauses.reason": "pauses.reason_linked",
    "pauses.recap": "pauses.recap_linked",
    "pauses.begun": "pauses.begun_linked",
    "weighs.question": "weighs.question_linked",
    "lift.question": "lift.question_linked",
    "lift.done": "lift.done_linked",
}


def said(key: str, link: LinkId | None) -> str:
    """The sentence of a pause, or what is true of it where the two met over a link."""
    return key if link is None else _LINKED[key]


async def of(desk: Desk, member: MemberId) -> PairingPause | None:
    """The pause of the member's pairing that lasts longest, where there is one."""
    found = [one for one in await desk.records.about(PairingPause, member) if one.due_at > desk.now]
    return max(found, key=lambda one: (one.due_at, one.id), default=None)


async def people(desk: Desk) -> frozenset[MemberId]:
    """Everybody whose pairing is paused now."""
    found = await desk.records.find(PairingPause)
    return frozenset(one.other for one in found if one.due_at > desk.now)


async def link_over(desk: Desk, member: Member, link: LinkId | None) -> list[str]:
    """That the link over which two met is over, in a sentence; nothing where it stands, or is not known."""
    if not link or await desk.records.get(Link, link) is not None:
        return []
    return [desk.words(member, "pauses.link_over")]
