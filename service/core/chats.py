"""When what was said in a member's direct chats is taken back, and what we said in the steward room.

Guards: nothing of it goes before the community's time; all of it goes within a day after that, however often
there is something new; what is remembered for it is one hour a chat, and not one message.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from schema.effects import RedactChat, RedactStewards
from schema.ids import MemberId, StewardshipId
from schema.records import Member, Stewardship

EVERY = timedelta(days=1)
"""Between two looks through a chat; and how exactly it is remembered when something was last said."""
_LATE = timedelta(days=2)
"""What was said last may have been said this much after what is remembered: `EVERY`, and a day on its way."""


def speak(member: Member, now: datetime, keep: timedelta) -> Member:
    """The member, to whom something is said in their chat; the same where that is remembered already."""
    last = None if member.room is None else member.said.get(member.room)
    if member.room is None or (last is not None and now - last < EVERY):
        return member
    said = {**member.said, member.room: now}
    return replace(member, said=said, sweep_at=member.sweep_at or own_hour(member.id, now + keep))


def sweep(member: Member, now: datetime, keep: timedelta) -> tuple[Member, Sequence[RedactChat]]:
    """Take back what is old enough, where the hour for that has come; chats with nothing left are done."""
    if member.sweep_at is None or member.sweep_at > now:
        return member, ()
    before = now - keep
    orders = tuple(
        RedactChat(room, member.matrix_id, before, member.swept_to, theirs=True) for room in member.said
    )
    left = {room: last for room, last in member.said.items() if last + _LATE > before}
    if not left:
        return replace(member, said={}, swept_to=None, sweep_at=None), orders
    return replace(member, said=left, swept_to=before, sweep_at=own_hour(member.id, now)), orders


def fail(member: Member, order: RedactChat, now: datetime) -> Member:
    """The member, whose chat could not be reached for two weeks: all of it is looked through again."""
    said = {**member.said, order.room: max(order.before, member.said.get(order.room, order.before))}
    return replace(member, said=said, swept_to=None, sweep_at=own_hour(member.id, now))


def speak_to_stewards(kept: Stewardship, now: datetime, keep: timedelta) -> Stewardship:
    """What the stewards share, when something is said in their room; the same where that is remembered."""
    if kept.said is not None and now - kept.said < EVERY:
        return kept
    return replace(kept, said=now, sweep_at=kept.sweep_at or own_hour(kept.id, now + keep))


def sweep_stewards(
    kept: Stewardship, now: datetime, keep: timedelta
) -> tuple[Stewardship, RedactStewards | None]:
    """Take back what is old enough in the steward room, where the hour for that has come."""
    if kept.sweep_at is None or kept.sweep_at > now:
        return kept, None
    before = now - keep
    order = RedactStewards(before, kept.swept_to)
    if kept.said is None or kept.said + _LATE <= before:
        return replace(kept, said=None, swept_to=None, sweep_at=None), order
    return replace(kept, swept_to=before, sweep_at=own_hour(kept.id, now)), order


def fail_stewards(kept: Stewardship, order: RedactStewards, now: datetime) -> Stewardship:
    """Their room could not be reached for two weeks: all of it is looked through again."""
    said = max(order.before, kept.said or order.before)
    return replace(kept, said=said, swept_to=None, sweep_at=own_hour(kept.id, now))


def own_hour(id: MemberId | StewardshipId, after: datetime) -> datetime:
    """The next time of day that is this member's own: it lies in clear, and must not show when they wrote.

    Each has another, so that not all chats fall due together.
    """
    midnight = after.replace(hour=0, minute=0, second=0, microsecond=0)
    hour = midnight + timedelta(minutes=int(id[:8], 16) % (24 * 60))
    return hour if hour > after else hour + EVERY
