"""What crosses a link about the yes of one of ours: that there is one, what they say of themselves, its end.

Guards: a no, a silence and a step back before the last word cross as nothing at all; what crosses says no
more of our member than their card; why a last word is taken back never crosses.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from handlers import across
from handlers.desk import Desk
from schema import wire
from schema.records import Ask, GuestRoom
from schema.states import GuestRoomState
from service.core import terms

_CARD, _BYTES = 500, 2400
"""The most of a card that crosses: characters, and bytes of its encoding."""


def holds(ask: Ask) -> bool:
    """Whether something can still come of a yes of one of ours that a linked community knows of."""
    return bool(ask.member) and ask.across is not None and bool(ask.across.answer)


def without(ask: Ask) -> Ask:
    """The yes of which nothing can come any more; to its member it reads as before, until its hour."""
    return ask if ask.across is None else replace(ask, across=replace(ask.across, answer=""))


async def given(desk: Desk, ask: Ask) -> bool:
    """Somebody here says yes to hearing more, by `ask.due_at`; False where it cannot cross."""
    if ask.across is None:
        return False
    said = {
        "request": ask.across.request,
        "answer": ask.id,
        "wish": ask.wish,
        "minutes": max(1, ask.length // timedelta(minutes=1)),
    }
    return await across.say(desk, ask.across.link, wire.Answer.model_validate(said), ask.due_at)


async def goes_on(desk: Desk, ask: Ask, until: datetime) -> None:
    """They read the note and go on: their card crosses, and by when they were promised to hear."""
    if ask.across is None or not holds(ask):
        return
    said = {
        "request": ask.across.request,
        "answer": ask.id,
        "card": terms.words(ask.card, _BYTES)[:_CARD],
        "fear": ask.fear or "unsaid",
        "until": int(until.timestamp()),
    }
    await across.say(desk, ask.across.link, wire.Consent.model_validate(said), until)


async def let_go(desk: Desk, ask: Ask) -> None:
    """Their last word does not hold any more: the other side hears that, and never why."""
    if ask.across is None or not holds(ask):
        return
    in_time = ask.due_at is not None and ask.due_at > desk.now
    if await drop(desk, ask) or in_time:
        await across.say(desk, ask.across.link, wire.Withdraw(request=ask.across.request, answer=ask.id))


async def drop(desk: Desk, ask: Ask) -> bool:
    """The room that was awaited for this yes does not open; whether one was."""
    awaited = await desk.records.get(GuestRoom, ask.id)
    if awaited is None or awaited.state is not GuestRoomState.AWAITED:
        return False
    await desk.records.delete(GuestRoom, awaited.id)
    return True
