"""Somebody of a linked collective asks, and one of our members may keep them company."""

from handlers.desk import Desk
from schema.ids import LinkId
from schema.records import Link
from schema.wire import Ask, Close, Introduce, Note, Withdraw


async def asked(desk: Desk, link: Link, said: Ask) -> None:
    """Ours are asked, under our own rules, with the collective named."""


async def note(desk: Desk, link: Link, said: Note) -> None:
    """What the asker wrote, for the one of ours who gave this answer."""


async def introduced(desk: Desk, link: Link, said: Introduce) -> None:
    """Who the asker is, after both consents; later which room it is."""


async def withdrawn(desk: Desk, link: Link, said: Withdraw) -> None:
    """The request, or what was between the two, is not to be had any more."""


async def closed(desk: Desk, link: Link, said: Close) -> None:
    """How the room of the two stands there."""


async def over(desk: Desk, link: LinkId) -> None:
    """The link is no more: whatever our members wait for over it ends."""
