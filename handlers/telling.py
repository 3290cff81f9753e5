"""What goes to a buddy, and what must come before: the count, the warning, the words, and what came of them.

Guards: the member is told first, and hears what came of it; whatever they write stops it, until the words
really went; a buddy who cannot be reached is where it ends; there is no further step, and nobody else is
told.
"""

from datetime import datetime, timedelta
from typing import Literal

from handlers import buddy, new_words
from handlers.answer import behind
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from handlers.words import normal
from schema.effects import SendForBuddy
from schema.events import Message, Unreadable
from schema.ids import MatrixId, MemberId
from schema.records import Buddy, Member, Prompt
from schema.states import BuddyState
from service.core import buddies, chats
from service.core.buddies import Next

_ALSO = frozenset({"skip", "back"})
_YES_NO = (Choice("yes", "choice.telling_yes"), Choice("no", "choice.telling_no"))
_AGAIN = timedelta(hours=1)
"""How soon the same words can be sent again at the member's own word."""


async def _standing(desk: Desk, member: MemberId) -> Buddy | None:
    record = await buddy.of(desk, member)
    return record if record is not None and record.state in buddies.STANDS else None


async def _move(desk: Desk, record: Buddy, move: buddies.Move) -> tuple[Buddy, Next]:
    moved, followed = buddies.advance(record, move, desk.now)
    if moved != record:
        await desk.records.put(moved)
    return moved, followed


# The count


async def put(desk: Desk, member: MemberId) -> None:
    """A check-in was put to the member."""
    if (record := await _standing(desk, member)) is not None:
        await _move(desk, record, buddies.Put(desk.turn.read_since()))


async def missed(desk: Desk, member: MemberId) -> None:
    """A check-in that was put did not arrive."""
    if (record := await _standing(desk, member)) is not None:
        await _move(desk, record, buddies.Miss())


async def alive(desk: Desk, who: MatrixId) -> None:
    """A member showed a sign of life (`handlers.signs`)."""
    record = await _standing(desk, desk.turn.identify(who))
    if record is None or (record.state is BuddyState.STANDING and not record.unanswered):
        return
    _, followed = await _move(desk, record, buddies.Live())
    event = desk.turn.event
    if isinstance(event, Message | Unreadable) and event.changed:
        # Nobody vouches yet for whom it would be said to.
        return
    if followed in _SAID and await desk.member(record.member) is not None:
        desk.say(record.member, _SAID[followed], name=record.name, at=record.tells_at)


_SAID = {Next.CANCELLED: "telling.cancelled", Next.STOP: "telling.stopping", Next.BACK: "telling.back"}


async def here(desk: Desk, member: Member) -> None:
    """The word that says nothing but that they are there."""
    desk.say(member.id, "telling.here")


# The hour


async def due(desk: Desk, record: Buddy) -> None:
    """Its hour has come: for a yes, for the warning, or for the words."""
    member = await desk.member(record.member)
    if member is None:
        await desk.records.delete(Buddy, record.id)
        return
    if record.state is BuddyState.ASKED:
        await buddy.lapse(desk, record)
        return
    if record.new is not None and record.new.until <= desk.now:
        record = await new_words.lapse(desk, record)
        if record.due_at is None:
            return
    heard_since = None if await desk.records.unheard(member.matrix_id) else desk.turn.read_since()
    record, followed = await _move(desk, record, buddies.Hour(heard_since))
    match followed:
        case Next.WARN if member.room is None:
            await _move(desk, record, buddies.Fail())
        case Next.WARN:
            text = desk.words(member, "telling.warn", name=record.name, at=record.tells_at)
            _send(desk, member, record, text, "warn")
        case Next.TELL:
            await _tell(desk, member, record, "tell")
        case Next.AGAIN:
            desk.say(member.id, "telling.again", name=record.name)


_Step = Literal["warn", "tell", "asked"]


def _send(desk: Desk, to: Member, record: Buddy, text: str, step: _Step) -> None:
    if to.room is None:
        raise ValueError("nothing is said to whoever has no chat")
    desk.keep(chats.speak(desk.now_is(to.id), desk.now, desk.timings.chat))
    until: datetime = desk.now + buddies.SENT_WITHIN
    desk.turn.do(SendForBuddy(to.room, to.matrix_id, text, record.id, record.member, step, until))


async def _tell(desk: Desk, member: Member, record: Buddy, step: _Step) -> None:
    """Send the buddy exactly the words; where they have no chat the member hears that."""
    other = await desk.member(record.other)
    if other is None or other.room is None:
        desk.say(member.id, "telling.unreachable", notice=False, name=record.name)
        if step == "tell":
            await _move(desk, record, buddies.Fail())
    else:
        _send(desk, other, record, buddy.message(desk, other, record, member.matrix_id), step)


# What came of it


async def sent(desk: Desk, effect: SendForBuddy) -> None:
    """The warning has reached the member; or the words went, and the member is told."""
    record = await desk.records.get(Buddy, effect.buddy)
    if effect.step != "warn":
        came = effect.step == "asked"
        if record is not None and buddies.ordered(record, effect):
            await _move(desk, record, buddies.Arrive())
            came = True
        if await desk.member(effect.of) is not None:
            key = "telling.went" if came else "telling.had_gone"
            desk.say(effect.of, key, notice=False, name=effect.member)
    elif record is not None and record.state is BuddyState.WARNED:
        await _move(desk, record, buddies.Arrive())


async def not_sent(desk: Desk, effect: SendForBuddy, reason: str) -> None:
    """The member could not be told first, so that nothing goes; or the words were called off in time, or the
    buddy could not be reached.
    """
    record = await desk.records.get(Buddy, effect.buddy)
    if effect.step != "warn":
        ordered = record is not None and buddies.ordered(record, effect)
        if record is not None and ordered:
            await _move(desk, record, buddies.Fail())
        off = reason == "called_off" or (effect.step == "tell" and not ordered)
        if await desk.member(effect.of) is not None:
            key = "telling.stayed" if off else "telling.unreachable"
            desk.say(effect.of, key, notice=off, name=effect.member)
        return
    if record is not None and record.state is BuddyState.WARNED and not record.arrived:
        await _move(desk, record, buddies.Fail())


# At the member's own word


async def choice(desk: Desk, member: Member) -> tuple[Choice, ...]:
    """The answer "tell my buddy" to a check-in, where there is one; it is the command's name."""
    there = await _standing(desk, member.id) is not None
    return (Choice("tell_buddy", "choice.tell_buddy"),) if there else ()


async def start(desk: Desk, member: Member) -> None:
    """Show what would go, and ask for the one yes."""
    if await _standing(desk, member.id) is None:
        desk.say(member.id, "telling.nobody", notice=False)
    else:
        desk.put_behind(member.id)
        desk.ask(member.id, "tell_buddy")


async def typed(desk: Desk, member: Member, body: str) -> bool:
    """Take "tell Ben", where the name is that of their own buddy's address; False for anything else."""
    said = normal(behind(desk, member, "spell.tell", body))
    record = await buddy.of(desk, member.id) if said else None
    if record is None:
        return False
    address = normal(record.name)
    name = address.removeprefix("@").partition(":")[0]
    if said not in (address, name, f"@{name}"):
        return False
    await start(desk, member)
    return True


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The very words, and to whom."""
    record = await _standing(desk, member.id)
    if record is None:
        return None
    shown = desk.words(member, "telling.recap", name=record.name)
    text = "\n".join((shown, buddy.message(desk, member, record, member.matrix_id)))
    return Question(text, _YES_NO, binding=True, also=_ALSO)


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Send them after a yes."""
    record = await _standing(desk, member.id)
    if reply.name != "yes" or record is None:
        desk.say(member.id, "telling.nothing")
    elif not desk.seldom(member.id, "tell buddy", _AGAIN):
        desk.say(member.id, "telling.just_now", every=_AGAIN)
    else:
        await _tell(desk, member, record, "asked")
