"""A rhythm in words: "Every Friday at 17:00".

Guards: it says all that a rhythm holds, so that a slip shows; the zone is said with each of its times.
"""

from handlers.desk import Desk
from schema.records import Member, Rhythm
from service.core import recurrence

_WORKDAYS = (0, 1, 2, 3, 4)

_NTH = {
    1: "rhythm.first",
    2: "rhythm.second",
    3: "rhythm.third",
    4: "rhythm.fourth",
    -1: "rhythm.last",
}


def said(desk: Desk, member: Member, rhythm: Rhythm) -> str:
    """The rhythm as one phrase that can stand alone, without a full stop."""
    hour = desk.turn.words.clock(rhythm.minute, member.language)
    days = desk.turn.words.listing(
        [desk.turn.words.weekday(day, member.language) for day in rhythm.days], member.language
    )
    match rhythm.every:
        case recurrence.ONCE:
            return desk.words(member, "rhythm.once", day=rhythm.start, hour=hour)
        case recurrence.DAYS:
            return desk.words(member, "rhythm.days", n=rhythm.step, hour=hour)
        case recurrence.WEEKS if rhythm.step == 1 and rhythm.days == _WORKDAYS:
            return desk.words(member, "rhythm.workdays", hour=hour)
        case recurrence.WEEKS:
            return desk.words(member, "rhythm.weeks", n=rhythm.step, days=days, hour=hour)
    if rhythm.nth:
        on = desk.words(member, _NTH[rhythm.nth], days=days)
    elif rhythm.month_day == -1:
        on = desk.words(member, "rhythm.last_day")
    else:
        on = desk.words(member, "rhythm.month_day", day=str(rhythm.month_day))
    return desk.words(member, "rhythm.months", n=rhythm.step, on=on, hour=hour)
