"""A check-in at its hour: the question, any answer to it, and what comes of none.

Guards: one is there to be answered at a time, and an older one is withdrawn; after an outage one comes, with
the hour it was meant for, or none; nothing is ever said about one that was not answered; of an answer nothing
is kept; it goes to its member alone.
"""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from handlers import own_plan, rhythm, telling
from handlers.desk import Desk, Mark
from handlers.draft import texts
from handlers.question import Choice, Question, Reply
from schema.effects import SendText
from schema.events import NotDelivered
from schema.ids import MatrixId, MemberId
from schema.records import CheckIn, Member, Prompt, Rhythm
from schema.states import CheckInState
from service.core import checkins, recurrence
from service.core.checkins import Late

KIND = "checkin"
"""The prompt of a check-in that came."""

_CHOICES = (
    Choice("fine", "choice.checkin_fine"),
    Choice("rough", "choice.checkin_rough"),
    Choice("company", "choice.checkin_company"),
    Choice("places", "choice.places"),
    Choice("skip", "choice.checkin_skip"),
)
_ON = Choice("on", "choice.checkin_on")
_LATE = {Late.BEHIND: "checkin.meant_behind", Late.OURS: "checkin.meant"}


async def of(desk: Desk, member: MemberId) -> list[CheckIn]:
    """The member's check-ins, the next to come first; one that is paused, or has ended, after the others."""
    found = await desk.records.find(CheckIn, member=member)
    paused = CheckInState.PAUSED
    return sorted(found, key=lambda one: (one.at is None, one.state is paused, one.at, one.made_at, one.id))


# In words


def said(desk: Desk, member: Member, what: Rhythm, zone: str, *, alone: bool = True) -> str:
    """A rhythm as a phrase that begins a line: "Every Friday at 17:00"; else "every Friday at 17:00"."""
    here = desk.turn.words.zone_here(zone) or desk.community.zone
    wall = desk.now.astimezone(ZoneInfo(here)).replace(tzinfo=None, fold=0)
    words = rhythm.said(desk.turn.words, member.language, what, wall)
    return words[:1].upper() + words[1:] if alone else words


def describe(desk: Desk, member: Member, record: CheckIn) -> str:
    """The check-in in one line, to its member: when it comes, and how it stands."""
    what = said(desk, member, record.rhythm, record.zone)
    if record.clockless:
        return desk.words(member, "checkin.line_clockless", rhythm=what)
    if not checkins.comes_after(record):
        return desk.words(member, "checkin.line_in_pause", rhythm=what, until=record.paused_until)
    if record.state is CheckInState.PAUSED and record.paused_until is not None:
        return desk.words(member, "checkin.line_paused_until", rhythm=what, until=record.paused_until)
    if record.state is CheckInState.PAUSED:
        return desk.words(member, "checkin.line_paused", rhythm=what)
    if record.at is None and checkins.waits(record):
        return desk.words(member, "checkin.line_waits", rhythm=what, at=record.turn)
    if record.at is None and record.turn is not None and record.rhythm.every == recurrence.ONCE:
        return desk.words(member, "checkin.line_came", rhythm=what, until=record.turn + checkins.KEPT)
    if record.at is None:
        return desk.words(member, "checkin.line_over", rhythm=what)
    return desk.words(member, "checkin.line", rhythm=what, at=record.at)


def asks(desk: Desk, member: Member, record: CheckIn) -> str:
    """What it asks."""
    return record.question or desk.words(member, "checkin.question")


def told(desk: Desk, member: Member, record: CheckIn) -> str:
    """The check-in as it is held, to its member."""
    line = describe(desk, member, record)
    about = {"question": desk.quoted(member, asks(desk, member, record)), "ends": record.ends}
    return desk.words(member, "held.checkin", line=line, late=record.late, **about)


# Its hour


async def due(desk: Desk, record: CheckIn) -> None:
    """One of its hours has come: it is put, or waits behind a question, or is let go, or is over."""
    member = await desk.member(record.member)
    if member is None:
        await desk.records.delete(CheckIn, record.id)
        return
    half_a_year = record.state is CheckInState.PAUSED and record.paused_until is None
    if (here := desk.turn.words.zone_here(record.zone)) != record.zone and not half_a_year:
        if not here:
            await _without_a_clock(desk, member, record)
            return
        record, _ = checkins.advance(record, checkins.Move(here), desk.now)
    came, effects = checkins.advance(record, checkins.Come(desk.timings.idle), desk.now)
    await desk.apply(effects)
    if came.state is CheckInState.DUE and came.turn == record.turn:
        desk.comes_up(member.id, record.id)
    elif came.turn != record.turn or came.state is CheckInState.OVER:
        desk.drop(member, record.id)
    if came.state is CheckInState.OVER and checkins.to_ask(record):
        # Nothing else of theirs came that could have asked.
        await desk.records.put(await _ask_on(desk, checkins.stay(record, desk.now)))
        return
    if came.state is CheckInState.OVER:
        await desk.records.delete(CheckIn, record.id)
        return
    if came.state is CheckInState.DUE and came.turn is not None and came.turn != record.turn:
        came = await _begin_turn(desk, desk.now_is(member.id), came, came.turn)
    if checkins.to_ask(came) and not await _others_come(desk, came):
        came = await _ask_on(desk, came)
    await desk.records.put(came)


async def with_clock(desk: Desk, member: Member, record: CheckIn) -> CheckIn | None:
    """The check-in in its zone as this machine knows it; None where it is gone, and their city asked for."""
    here = desk.turn.words.zone_here(record.zone)
    if not here:
        await _lose_clock(desk, member, None)
        desk.ask(member.id, "zone")
        return None
    return record if here == record.zone else checkins.advance(record, checkins.Move(here), desk.now)[0]


async def _without_a_clock(desk: Desk, member: Member, record: CheckIn) -> None:
    """A new tz database has no such zone under any name: all of it waits, and the city is asked for once."""
    await _lose_clock(desk, member, record)
    desk.queue(member.id, "zone")


async def _lose_clock(desk: Desk, member: Member, due: CheckIn | None) -> None:
    """Pause all of theirs that have no clock, but those that are paused until a day which has not come."""
    for one in await of(desk, member.id):
        paused = one.state is CheckInState.PAUSED and (due is None or one.id != due.id)
        if paused or desk.turn.words.zone_here(one.zone):
            continue
        left, effects = checkins.advance(one, checkins.Pause(clockless=True), desk.now)
        await desk.apply(effects)
        await desk.records.put(left)
        desk.drop(desk.now_is(member.id), one.id)
    desk.say(member.id, "checkin.no_clock", notice=False)


async def _begin_turn(desk: Desk, member: Member, record: CheckIn, turn: datetime) -> CheckIn:
    """Have the question put, in place of any other check-in of theirs; the newest of several goes alone."""
    others = [one for one in await desk.records.find(CheckIn, member=member.id) if one.id != record.id]
    newest = [(come, one.id) for one in others if (come := checkins.has_come(one, desk.now)) is not None]
    if any(other > (turn, record.id) for other in newest):
        record, effects = checkins.advance(record, checkins.LetGo(), desk.now)
        await desk.apply(effects)
        return record
    for one in others:
        if one.said or one.state in (CheckInState.DUE, CheckInState.OPEN):
            left, effects = checkins.advance(one, checkins.LetGo(), desk.now)
            await desk.apply(effects)
            await desk.records.put(left)
            desk.drop(desk.now_is(member.id), one.id)
    desk.queue(member.id, KIND, subject=record.id, until=turn + record.late)
    return record


async def _others_come(desk: Desk, record: CheckIn) -> bool:
    """Whether another check-in of the member's is there or on its way: that one asks too."""
    found = [one for one in await desk.records.find(CheckIn, member=record.member) if one.id != record.id]
    there = (CheckInState.DUE, CheckInState.OPEN)
    return any(one.state in there or checkins.has_come(one, desk.now) is not None for one in found)


async def _ended(desk: Desk, member: Member, prompt: Prompt) -> list[CheckIn]:
    """The others of theirs about which the question of `prompt` asks whether they go on."""
    shown = texts(prompt.draft, "ids")
    others = [one for one in await of(desk, member.id) if one.id != prompt.subject]
    return [one for one in others if checkins.to_ask(one) or (one.id in shown and checkins.is_last(one))]


async def _ask_on(desk: Desk, record: CheckIn) -> CheckIn:
    """Its last time was let go: ask once, by itself, whether it goes on."""
    desk.queue(record.member, "checkin_on", subject=record.id, until=record.due_at)
    return checkins.asked_on(record)


async def sign(desk: Desk, member: Member, prompt: Prompt) -> Mark | None:
    """The question of `prompt` is put in a message: by what it will be found, to be withdrawn."""
    if prompt.kind != KIND or member.room is None:
        return None
    record = await desk.records.get(CheckIn, prompt.subject)
    if record is None or record.turn is None:
        return None
    if ended := await _ended(desk, member, prompt):
        now_is = desk.now_is(member.id)
        asks_too = replace(prompt, draft={"ids": [str(one.id) for one in ended]})
        desk.keep(replace(now_is, prompt=asks_too))
        for one in ended:
            await desk.records.put(checkins.asked_on(one))
    mark = checkins.mark(record)
    reached, effects = checkins.advance(record, checkins.Reach(member.room), desk.now)
    await desk.apply(effects)
    await desk.records.put(reached)
    if record.state is CheckInState.DUE:
        await telling.put(desk, record.member)
    return mark, desk.now + checkins.PATIENCE


async def missed(desk: Desk, event: NotDelivered) -> None:
    """The question could not be sent: it comes again, with its hour, unless it is too late."""
    effect = event.effect
    if not isinstance(effect, SendText) or not effect.mark or effect.until is None:
        # What else bears a mark is no check-in: those are sent until an hour.
        return
    member = desk.turn.identify(effect.member)
    found = await desk.records.find(CheckIn, member=member)
    record = next((one for one in found if any(put.mark == effect.mark for put in one.said)), None)
    if record is not None and (chatting := await desk.member(member)) is not None:
        for prompt in (chatting.prompt, *chatting.waiting):
            ids = texts(prompt.draft, "ids") if prompt is not None and prompt.subject == record.id else []
            for one in found:
                if one.id in ids and checkins.is_last(one):
                    await desk.records.put(checkins.not_asked(one))
    if record is None or record.state is CheckInState.OPEN:
        # Also where a newer one took its place before it was known: it was counted, and never there.
        await telling.missed(desk, member)
    if record is not None:
        left, _ = checkins.advance(record, checkins.Miss(desk.timings.idle), desk.now)
        await desk.records.put(left)


# Its question


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question of its present turn; None where that is over."""
    record = await desk.records.get(CheckIn, prompt.subject)
    if record is None or record.turn is None:
        return None
    lines = [asks(desk, member, record)]
    if (why := checkins.why_late(record, prompt.asked_at, desk.now)) is not None:
        lines.insert(0, desk.words(member, _LATE[why], at=record.turn))
    theirs = (*await own_plan.choice(desk, member), *await telling.choice(desk, member))
    choices = (*_CHOICES[:-1], *theirs, *_CHOICES[-1:])
    if checkins.is_last(record) and record.rhythm.every != recurrence.ONCE:
        lines.append(desk.words(member, "checkin.last"))
        choices = (*choices, _ON)
    for one in await _ended(desk, member, prompt):
        what = said(desk, member, one.rhythm, one.zone, alone=False)
        lines.append(desk.words(member, "checkin.other_over", rhythm=what))
        on = desk.words(member, "choice.checkin_other_on", rhythm=what)
        choices = (*choices, Choice(f"on {one.id}", text=on))
    until = record.at or record.turn + checkins.KEPT
    return Question("\n".join(lines), choices, until=until)


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take an answer that leads nowhere else: one short sentence, and when the next comes."""
    record = await _answered(desk, prompt)
    if record is None:
        desk.say(member.id, "stop.over")
    elif reply.name == "on":
        await go_on(desk, member, record)
    elif reply.name.startswith("on "):
        other = await desk.records.get(CheckIn, reply.name.removeprefix("on "))
        if other is None or not checkins.is_last(other):
            desk.say(member.id, "stop.over")
        else:
            await go_on(desk, member, other)
    else:
        _thank(desk, member, record, _ANSWERED[reply.name])


_ANSWERED = {"fine": "checkin.fine", "rough": "checkin.rough", "skip": "checkin.skipped"}


async def leads_on(desk: Desk, prompt: Prompt) -> None:
    """The answer leads to another conversation: of the check-in its turn is over."""
    await _answered(desk, prompt)


async def anything(desk: Desk, member: Member) -> bool:
    """Take whatever was written, said or shown as an answer to the check-in that is open; whether one is."""
    prompt = member.prompt
    if prompt is None or prompt.kind != KIND or desk.over(prompt):
        return False
    record = await _answered(desk, prompt)
    if record is None:
        return False
    desk.put_away(member.id)
    _thank(desk, member, record, "checkin.anything")
    desk.ask(member.id, "menu", subject="checkin")
    return True


async def _answered(desk: Desk, prompt: Prompt) -> CheckIn | None:
    record = await desk.records.get(CheckIn, prompt.subject)
    if record is None or record.turn is None:
        return None
    record, _ = checkins.advance(record, checkins.Answer(), desk.now)
    if record.state is CheckInState.OVER:
        await desk.records.delete(CheckIn, record.id)
    else:
        await desk.records.put(record)
    return record


def _thank(desk: Desk, member: Member, record: CheckIn, key: str) -> None:
    """Say sentence `key`, and when the next one comes; of the last one, until when it can go on."""
    lines = [desk.words(member, key)]
    if record.at is not None:
        lines.append(desk.words(member, "checkin.next", at=record.at))
    elif record.rhythm.every != recurrence.ONCE:
        lines.append(desk.words(member, "checkin.was_last", until=record.due_at))
    desk.say_text(member.id, "\n".join(lines))


# A sign of life


async def alive(desk: Desk, who: MatrixId) -> None:
    """Its member showed a sign of life: whatever check-in is open, its turn is over."""
    for record in await desk.records.find(CheckIn, member=desk.turn.identify(who)):
        if record.state is CheckInState.OPEN:
            left, _ = checkins.advance(record, checkins.Live(), desk.now)
            await desk.records.put(left)


# Whether it goes on


async def show_on(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """Whether one that has come to its end goes on."""
    record = await desk.records.get(CheckIn, prompt.subject)
    if record is None or not checkins.is_last(record):
        return None
    what = said(desk, member, record.rhythm, record.zone, alone=False)
    text = desk.words(member, "checkin.over", rhythm=what)
    choices = (Choice("yes", "choice.checkin_on"), Choice("no", "choice.checkin_ends"))
    return Question(text, choices, until=record.due_at)


async def answer_on(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Go on, or let it end."""
    record = await desk.records.get(CheckIn, prompt.subject)
    if record is None:
        desk.say(member.id, "stop.over")
    elif reply.name == "yes":
        await go_on(desk, member, record)
    else:
        await end(desk, record)
        desk.say(member.id, "checkin.ended")


async def go_on(desk: Desk, member: Member, record: CheckIn) -> None:
    """Let it go on for as long again as is usual."""
    known = await with_clock(desk, member, record)
    if known is None:
        return
    record = known
    ends = checkins.end_of(record.rhythm, record.zone, desk.now, checkins.USUAL_WEEKS)
    on, _ = checkins.advance(record, checkins.GoOn(ends), desk.now)
    await desk.records.put(on)
    desk.say(member.id, "checkin.goes_on", ends=on.ends, at=on.at)


async def end(desk: Desk, record: CheckIn) -> None:
    """End it at once; a question of it that is there is withdrawn."""
    _, effects = checkins.advance(record, checkins.End(), desk.now)
    await desk.apply(effects)
    await desk.records.delete(CheckIn, record.id)
    if (member := await desk.member(record.member)) is not None:
        desk.drop(member, record.id)


async def forget(desk: Desk, member: MemberId) -> None:
    """Erase all of the member's; nothing is withdrawn, since the desk leaves the chat."""
    for record in await desk.records.find(CheckIn, member=member):
        await desk.records.delete(CheckIn, record.id)
