"""What a linked collective says about a member of its own or of ours, handed to whoever awaits it."""

from handlers import after, asked_across, asking_across
from handlers.desk import Desk
from schema.ids import LinkId
from schema.records import Link
from schema.wire import Answer, Ask, Body, Close, Consent, Introduce, More, Note, Withdraw


async def came(desk: Desk, link: Link, body: Body) -> None:
    """Take what came; what belongs to a request, an answer or a step that was never made is dropped."""
    match body:
        case Ask():
            await asked_across.asked(desk, link, body)
        case Note():
            await asked_across.note(desk, link, body)
        case Answer():
            await asking_across.answered(desk, link, body)
        case Consent():
            await asking_across.consented(desk, link, body)
        case Introduce():
            if not await asking_across.introduced(desk, link, body):
                await asked_across.introduced(desk, link, body)
        case Withdraw():
            if not await asking_across.withdrawn(desk, link, body):
                await asked_across.withdrawn(desk, link, body)
        case More():
            if not await asking_across.more(desk, link, body):
                await asked_across.more(desk, link, body)
        case Close():
            if not await asking_across.closed(desk, link, body):
                await asked_across.closed(desk, link, body)
        case _:
            pass


async def over(desk: Desk, link: LinkId) -> None:
    """The link is no more: whatever waits on it ends, and whoever waits hears so."""
    await asking_across.over(desk, link)
    await asked_across.over(desk, link)
    await after.link_over(desk, link)
