"""The member's check-ins, and what can be done with each: pause, skip the next, change, end.

Guards: each is done to the one that the member sees named, and what comes of it is said with its hour;
nothing is erased before a yes.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from handlers import checkin, checkin_draft, hours, rhythm, zone
from handlers.answer import behind
from handlers.desk import Desk
from handlers.draft import texts
from handlers.question import Choice, Question, Reply
from handlers.words import normal
from schema.records import CheckIn, Member, Prompt
from schema.states import CheckInState
from service.core import checkins, recurrence
from service.core.when import Unread

_ALSO = frozenset({"skip", "back"})
_PAUSES = (Choice("said", "choice.pause_until_said"), Choice("7", "choice.pause_week"))
_AT_ONCE = 15
"""How many are listed together."""
_END = (Choice("no", "choice.checkin_keep"), Choice("yes", "choice.checkin_erase"))
"""What cannot be taken back does not stand first."""


async def mine(desk: Desk, member: Member) -> None:
    """Show the one that stands, list several, or set up the first."""
    found = await checkin.of(desk, member.id)
    if not found:
        await checkin_draft.start(desk, member)
        return
    desk.put_behind(member.id)
    if len(found) == 1:
        desk.ask(member.id, "own_checkin", subject=found[0].id)
    else:
        desk.ask(member.id, "checkins", draft={"ids": [one.id for one in found]})


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The list as it was first shown, or one of them."""
    if prompt.kind == "checkins":
        return await _show_list(desk, member, prompt)
    record = await desk.records.get(CheckIn, prompt.subject)
    if record is None and prompt.subject:
        return None
    if prompt.kind == "pause_checkin":
        text = desk.words(member, "checkin.pause", longest=checkins.LONGEST_PAUSE)
        return Question(text, _PAUSES, free=True, reads=True, also=_ALSO)
    if record is None:
        return None
    if prompt.kind == "end_checkin":
        line = checkin.describe(desk, member, record)
        return Question(desk.words(member, "checkin.end", line=line), _END, binding=True, also=_ALSO)
    return _show_one(desk, member, record)


async def _show_list(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    stand = {str(one.id): one for one in await checkin.of(desk, member.id)}
    found = [id for id in texts(prompt.draft, "ids") if id in stand]
    if not found:
        return None
    listed, others = _page(prompt)
    choices = [Choice(id, text=checkin.describe(desk, member, stand[id])) for id in listed if id in stand]
    if any(id in stand for id in others):
        choices.append(Choice("more", "choice.checkin_more"))
    choices.append(Choice("new", "choice.checkin_new"))
    return Question(desk.words(member, "checkin.list"), tuple(choices))


def _page(prompt: Prompt) -> tuple[Sequence[str], Sequence[str]]:
    """The ids of those that are listed now, and of those that come after them."""
    ids = texts(prompt.draft, "ids")
    return ids[:_AT_ONCE], ids[_AT_ONCE:]


def _show_one(desk: Desk, member: Member, record: CheckIn) -> Question:
    lines = [
        desk.words(member, "status.checkin", line=checkin.describe(desk, member, record)),
        desk.words(
            member, "checkin.asks_now", question=desk.quoted(member, checkin.asks(desk, member, record))
        ),
    ]
    if record.at is not None and record.rhythm.every != recurrence.ONCE:
        lines.append(desk.words(member, "checkin.ends_on", ends=record.ends))
    choices: list[Choice] = []
    if record.state is CheckInState.PAUSED:
        choices.append(Choice("resume", "choice.checkin_resume"))
    elif _comes(record):
        choices += [Choice("pause", "choice.checkin_pause"), Choice("skip", "choice.checkin_skip_next")]
    elif record.rhythm.every != recurrence.ONCE:
        choices.append(Choice("on", "choice.checkin_on"))
    choices += [
        Choice("change", "choice.checkin_change"),
        Choice("end", "choice.checkin_end"),
        Choice("new", "choice.checkin_new"),
        Choice("leave", "choice.checkin_keep"),
    ]
    return Question("\n".join(lines), tuple(choices))


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Do what was chosen, to the one that was shown."""
    if reply.name == "new":
        await checkin_draft.start(desk, member)
        return
    if prompt.kind == "checkins" and reply.name == "more":
        desk.ask(member.id, "checkins", draft={"ids": list(_page(prompt)[1])})
        return
    if prompt.kind == "checkins":
        desk.ask(member.id, "own_checkin", subject=reply.name)
        return
    record = await desk.records.get(CheckIn, prompt.subject)
    if record is None:
        desk.say(member.id, "stop.over")
        return
    match reply.name:
        case "pause":
            desk.ask(member.id, "pause_checkin", subject=record.id)
        case "resume":
            await _resume(desk, member, [record])
        case "skip":
            await _skip(desk, member, record)
        case "change":
            if (known := await checkin.with_clock(desk, member, record)) is not None:
                checkin_draft.change(desk, member, known)
        case "end":
            desk.ask(member.id, "end_checkin", subject=record.id)
        case "on":
            await checkin.go_on(desk, member, record)
        case _:
            desk.say(member.id, "checkin.unchanged")


async def change_one(desk: Desk, member: Member) -> None:
    """Ask what is to be different in the one that stands; which, of several."""
    await _one(desk, member, "change")


async def end_one(desk: Desk, member: Member) -> None:
    """Ask whether to end the one that stands; which, of several."""
    await _one(desk, member, "end")


async def _one(desk: Desk, member: Member, what: str) -> None:
    found = await checkin.of(desk, member.id)
    if not found:
        desk.say(member.id, "checkin.none_comes", notice=False)
    elif len(found) > 1:
        await mine(desk, member)
    else:
        desk.put_behind(member.id)
        await answer(desk, member, Prompt("own_checkin", desk.now, found[0].id), Reply((what,)))


# The next one


async def skip_next(desk: Desk, member: Member) -> None:
    """Let the next one that would come not come."""
    found = [one for one in await checkin.of(desk, member.id) if _comes(one)]
    if found:
        # One that waits behind another question is the next, whatever comes after it.
        await _skip(desk, member, next((one for one in found if checkins.waits(one)), found[0]))
    else:
        desk.say(member.id, "checkin.none_comes", notice=False)


def _comes(record: CheckIn) -> bool:
    return checkins.waits(record) or (record.at is not None and record.state is not CheckInState.PAUSED)


async def _skip(desk: Desk, member: Member, record: CheckIn) -> None:
    if not _comes(record):
        desk.say(member.id, "checkin.none_comes", notice=False)
        return
    known = await checkin.with_clock(desk, member, record)
    if known is None:
        return
    record = known
    skipped, effects = checkins.advance(record, checkins.Skip(), desk.now)
    await desk.apply(effects)
    if checkins.waits(record):
        desk.drop(desk.now_is(member.id), record.id)
    desk.say(member.id, "checkin.skips", at=record.turn if checkins.waits(record) else record.at)
    if skipped.at is not None:
        desk.say(member.id, "checkin.next", at=skipped.at)
    elif checkins.may_go_on(skipped):
        skipped = checkins.asked_on(skipped)
        desk.ask(member.id, "checkin_on", subject=skipped.id, until=skipped.due_at)
    else:
        desk.say(member.id, "checkin.ended")
        await desk.records.delete(CheckIn, skipped.id)
        return
    await desk.records.put(skipped)


# Pauses


async def pause(desk: Desk, member: Member) -> None:
    """Ask until when all that come are paused."""
    if any(_comes(one) for one in await checkin.of(desk, member.id)):
        desk.put_behind(member.id)
        desk.ask(member.id, "pause_checkin")
    else:
        desk.say(member.id, "checkin.none_comes", notice=False)


async def typed(desk: Desk, member: Member, body: str) -> bool:
    """Pause until what stands after the word for it, "pause until friday", or go on; else False."""
    plain = normal(body)
    if plain in desk.spoken(member, "spell.resume") and await checkin.of(desk, member.id):
        await resume(desk, member)
        return True
    words = sorted(desk.spoken(member, "command.pause_checkins"), key=len, reverse=True)
    rest = next((plain.removeprefix(word).strip() for word in words if plain.startswith(f"{word} ")), "")
    if not rest or not any(_comes(one) for one in await checkin.of(desk, member.id)):
        return False
    said = rest in desk.spoken(member, "spell.until_i_say")
    if not said and _day(desk, member, rest) is None:
        return False
    reply = Reply(("said",)) if said else Reply(text=rest)
    desk.put_behind(member.id)
    await answer_pause(desk, desk.now_is(member.id), Prompt("pause_checkin", desk.now), reply)
    return True


async def moved(desk: Desk, member: Member, body: str) -> bool:
    """Move the one that is shown, or stands alone, to the time after the word for it, "move to 22:30".

    Of several it asks which; False where that is no time, or there is none.
    """
    words = ("spell.move", "command.change_checkin")
    rests = filter(None, (behind(desk, member, one, body) for one in words))
    rest = min(rests, key=len, default="")
    rest = behind(desk, member, "spell.to", rest) or rest
    if not rest or not checkin_draft.is_time(desk, member, rest):
        return False
    found = await checkin.of(desk, member.id)
    shown = member.prompt.subject if member.prompt is not None and member.prompt.kind == "own_checkin" else ""
    found = [one for one in found if one.id == shown] or found
    if not found:
        return False
    if len(found) > 1:
        await mine(desk, member)
        return True
    desk.put_behind(member.id)
    if (known := await checkin.with_clock(desk, member, found[0])) is not None:
        checkin_draft.move(desk, desk.now_is(member.id), known, rest)
    return True


async def answer_pause(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Pause the one that was shown, or all, until the day that was said."""
    if reply.name in ("skip", "back"):
        desk.say(member.id, "checkin.unchanged")
        return
    until = None if reply.name == "said" else desk.now + timedelta(days=7)
    if reply.text:
        until = _day(desk, member, reply.text)
        if until is None or until - desk.now > checkins.LONGEST_PAUSE:
            desk.refuse(member.id, "checkin.not_day", longest=checkins.LONGEST_PAUSE)
            desk.ask(member.id, "pause_checkin", subject=prompt.subject)
            return
    found = [one for one in await checkin.of(desk, member.id) if _comes(one)]
    found = [one for one in found if prompt.subject in ("", one.id)]
    found = [one for one in found if not await _let_go(desk, member, one)]
    if not found:
        return
    over: list[CheckIn] = []
    for record in found:
        paused, effects = checkins.advance(record, checkins.Pause(until), desk.now)
        await desk.apply(effects)
        await desk.records.put(paused)
        desk.drop(desk.now_is(member.id), record.id)
        if not checkins.comes_after(paused):
            over.append(record)
    if until is None:
        desk.say(member.id, "checkin.paused", kept=desk.now + checkins.LONGEST_PAUSE)
        return
    goes_on = len(over) < len(found)
    desk.say(member.id, "checkin.paused_until" if goes_on else "checkin.nothing_until", until=until)
    for record in over:
        what = checkin.said(desk, member, record.rhythm, record.zone)
        desk.say(member.id, "checkin.over_by_then", rhythm=what)


async def _let_go(desk: Desk, member: Member, record: CheckIn) -> bool:
    """One that comes once and waits to be shown has no other time: it ends, and that is said."""
    if record.at is not None or record.rhythm.every != recurrence.ONCE:
        return False
    await checkin.end(desk, record)
    what = checkin.said(desk, member, record.rhythm, record.zone)
    desk.say(member.id, "checkin.waited", rhythm=what)
    return True


def _day(desk: Desk, member: Member, text: str) -> datetime | None:
    """The moment that `text` names: "until friday 9:00", "3 days", "3 december"; None for anything else."""
    if (found := hours.moment(desk, member, text)) is not None:
        return found
    first, _, rest = text.strip().partition(" ")
    day = rest if normal(first) in desk.spoken(member, "spell.until") else text
    for words in (day, f"{day} 8:00"):
        named = rhythm.read(desk, member, words)
        if not isinstance(named, Unread) and named.every == recurrence.ONCE:
            when = recurrence.following(named, zone.of(desk, member), desk.now)
            return when.at if when is not None else None
    return None


async def resume(desk: Desk, member: Member) -> None:
    """Let all that are paused go on."""
    paused = [one for one in await checkin.of(desk, member.id) if one.state is CheckInState.PAUSED]
    if paused:
        await _resume(desk, member, paused)
    else:
        desk.say(member.id, "checkin.none_paused", notice=False)


async def _resume(desk: Desk, member: Member, records: list[CheckIn]) -> None:
    for record in records:
        if record.state is not CheckInState.PAUSED:
            continue
        moved = await checkin.with_clock(desk, member, record)
        if moved is None:
            return
        resumed = moved
        if moved.state is CheckInState.PAUSED:
            resumed, _ = checkins.advance(moved, checkins.Resume(), desk.now)
        if resumed.state is CheckInState.OVER:
            await desk.records.delete(CheckIn, record.id)
            desk.say(member.id, "checkin.ended")
        else:
            await desk.records.put(resumed)
            line = checkin.describe(desk, member, resumed)
            desk.say(member.id, "status.checkin", line=line)


# An end


async def answer_end(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Erase it after a yes."""
    record = await desk.records.get(CheckIn, prompt.subject)
    if record is None:
        desk.say(member.id, "stop.over")
    elif reply.name == "yes":
        await checkin.end(desk, record)
        desk.say(member.id, "checkin.ended")
    else:
        desk.say(member.id, "checkin.unchanged")
