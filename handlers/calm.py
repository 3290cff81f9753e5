"""More messages than a person writes: one kind answer, then none until it is calm.

Guards: nothing that is open changes by a message that is not heard; what ends something, the places of help
and being forgotten are heard always.
"""

from handlers.desk import Desk
from schema.events import Message
from schema.records import Member
from schema.states import Flood
from service.core.pace import MESSAGE_EVERY, Pace, longest_wait

_HEARD = frozenset({"stop", "places", "forget", "close", "withdraw", "apart", "menu"})
"""Commands that are never too many."""

_ENDING = frozenset({"stop", "forget", "which", "apart"})
"""Questions that lead on from one of them."""


def passes(desk: Desk, member: Member, command: str | None) -> bool:
    """Whether a message is heard however many there were before it."""
    prompt = member.prompt
    return command in _HEARD or (prompt is not None and not prompt.aside and prompt.kind in _ENDING)


def answer(desk: Desk, member: Member, event: Message) -> None:
    """Say once what is not heard now, and what is."""
    if event.flood is Flood.FIRST and member.room == event.room:
        wait = longest_wait(Pace(desk.community.messages_at_once, MESSAGE_EVERY))
        desk.say(member.id, "calm.messages", notice=False, wait=wait)
