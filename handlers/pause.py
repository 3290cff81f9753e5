"""While the stewards paused the service: nobody new is asked, and whoever waits is told so in their words.

Guards: a request stands on and is told honestly when it is tried next; what was begun goes on, and rooms end
as they were to; where no steward is named any more, nothing stays paused.
"""

from dataclasses import replace
from datetime import datetime

from handlers import places
from handlers.desk import Desk
from handlers.steward_room import stewardship
from schema.records import Member, Pause, Request


async def of(desk: Desk) -> Pause | None:
    """The pause that holds now, if one does."""
    return (await stewardship(desk)).paused if desk.community.stewards else None


def line(desk: Desk, member: Member, pause: Pause) -> str:
    """That nobody is asked now, in the stewards' words."""
    return desk.words(member, "pause.line", since=pause.since, words=pause.words)


async def tell(desk: Desk, request: Request, pause: Pause, next_at: datetime) -> Request:
    """Say to whoever asks that nobody is asked now: once, or at each try where they wish to hear of it."""
    asker = desk.now_is(request.member)
    if request.told != "paused":
        desk.say_text(asker.id, line(desk, asker, pause), notice=False)
        desk.say(asker.id, "pause.request", next=next_at, every=desk.timings.ask_again, until=request.until)
        desk.say_text(asker.id, "\n\n".join(await places.entries(desk, asker)))
    elif request.each_try:
        desk.say(asker.id, "pause.try", next=next_at)
    return replace(request, told="paused")
