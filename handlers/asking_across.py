"""Our member asks, and somebody of a linked collective may keep them company."""

from handlers.desk import Desk
from schema.ids import LinkId
from schema.records import Link
from schema.wire import Answer, Close, Consent, Introduce, Withdraw


async def answered(desk: Desk, link: Link, said: Answer) -> None:
    """Somebody there said yes to hearing more."""


async def consented(desk: Desk, link: Link, said: Consent) -> None:
    """Whoever gave the answer read the note, and goes on."""


async def introduced(desk: Desk, link: Link, said: Introduce) -> bool:
    """Who the peer is, after both consents. False where it is about no request of ours."""
    return False


async def withdrawn(desk: Desk, link: Link, said: Withdraw) -> bool:
    """One answer is not to be had any more. False where it is about no request of ours."""
    return False


async def closed(desk: Desk, link: Link, said: Close) -> bool:
    """Their member would end the room, or their side is done with it. False where it is no room of ours."""
    return False


async def over(desk: Desk, link: LinkId) -> None:
    """The link is no more: whatever our members wait for over it ends."""
