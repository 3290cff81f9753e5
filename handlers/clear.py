"""Clearing the chat, for phones that others read: what was said in it is taken back as far as that goes.

Guards: nothing goes before one yes, and what stays is said before it; it erases nothing that is held and ends
nothing; what it came to is said, and no more is claimed than the homeserver did.
"""

from datetime import timedelta

from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.effects import RedactChat
from schema.events import Message
from schema.records import Member, Prompt

_CHOICES = (Choice("no", "choice.clear_no"), Choice("yes", "choice.clear_yes"))
"""What cannot be taken back does not stand first: a number sent twice by mistake changes nothing."""

_SELDOM = timedelta(minutes=10)
"""Each clearing reads the whole chat."""

_REACHED = {"": "clear.done", "ours": "clear.ours", "partly": "clear.partly"}


async def start(desk: Desk, member: Member) -> None:
    """Ask for the one yes."""
    desk.put_behind(member.id)
    desk.ask(member.id, "clear")


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question whether to clear the chat."""
    text = desk.words(member, "clear.question", who_runs=desk.community_of(member).who_runs)
    return Question(text, _CHOICES, binding=True, also=frozenset({"skip"}))


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take back what was said up to the yes; anything else changes nothing."""
    event = desk.turn.event
    if reply.name != "yes" or not isinstance(event, Message):
        desk.say(member.id, "clear.kept")
        return
    if not desk.seldom(member.id, "clear", _SELDOM):
        desk.say(member.id, "clear.again", every=_SELDOM, notice=False)
        return
    # The homeserver's own hour of the yes, which goes as well: our clock may differ from it.
    before = event.sent_at + timedelta(milliseconds=1)
    desk.turn.do(RedactChat(event.room, event.sender, before, theirs=True, asked=True))
    desk.say(member.id, "clear.begun")


async def cleared(desk: Desk, effect: RedactChat, reached: str) -> None:
    """Say what it came to, in the chat that it was about."""
    member = await desk.member(desk.turn.identify(effect.member))
    if effect.asked and member is not None and member.room == effect.room and reached in _REACHED:
        desk.say(member.id, _REACHED[reached])
