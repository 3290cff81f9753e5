"""Setting a check-in up, or changing one: when, what it asks, until when; by words or by numbers.

Guards: nothing is kept, and nothing comes, before the yes to a recap that names the next three times; what
cannot be read gets examples; the member's city is asked for before any hour is read, and never guessed.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from handlers import buddy, checkin, own_plan, rhythm, zone
from handlers.answer import behind, own_words
from handlers.desk import Desk
from handlers.draft import Draft
from handlers.question import Choice, Question, Reply
from schema.ids import CheckInId
from schema.records import CheckIn, Member, Prompt, Rhythm
from schema.states import CheckInState
from service.core import checkins, recurrence
from service.core.recurrence import DAYS, ONCE, WEEKS
from service.core.when import Reason, Unread

LONGEST = 200
"""Characters of a question."""

_ALSO = frozenset({"skip", "back"})
_WHEN = (
    Choice("days", "choice.every_day"),
    Choice("workdays", "choice.every_workday"),
    Choice("weeks", "choice.every_week"),
    Choice("once", "choice.once"),
)
_HOURS = (8 * 60, 12 * 60, 17 * 60, 20 * 60, 22 * 60)
_HOURS_OF_A_HALF = tuple(hour * 60 for hour in (7, 8, 9, 10, 17, 18, 19, 20, 21, 22))
"""What is shown where some of those do not fit what was said: "every morning"."""
_NEXT_DAYS = 7
"""Days to choose from for what comes once."""
_UNREAD = {
    Reason.WORD: "unread.word",
    Reason.HOUR: "unread.hour",
    Reason.HOURS: "unread.hours",
    Reason.DAY: "unread.day",
    Reason.DATE: "unread.date",
    Reason.ORDER: "unread.order",
    Reason.PAST: "unread.past",
    Reason.FAR: "unread.far",
    Reason.OFTEN: "unread.often",
    Reason.END: "unread.end",
    Reason.UNCLEAR: "unread.unclear",
}
_SHOWN = 3
"""How many of its times are named before the yes."""


async def start(desk: Desk, member: Member) -> None:
    """Ask when, after the city where that is not known."""
    await _begin(desk, member, "")


async def typed(
    desk: Desk, member: Member, body: str, *, words: str = "command.new_checkin", doubtful: bool = False
) -> bool:
    """Set up what stands after the word for it, "check in every friday 17:00"; False: there is none.

    The word is one of sentence `words`; where it is `doubtful` that it means this, what stands after it must
    be such that it can be read.
    """
    rest = behind(desk, member, words, body)
    if not rest or (doubtful and isinstance(rhythm.read(desk, member, rest), Unread)):
        return False
    await _begin(desk, member, rest)
    return True


async def alone(desk: Desk, member: Member, body: str) -> bool:
    """Set up what was typed alone, "every friday 17:00", where that is all it says and it comes again."""
    found = rhythm.read(desk, member, body)
    if isinstance(found, Unread) or found.every == ONCE:
        return False
    await _begin(desk, member, body)
    return True


async def _begin(desk: Desk, member: Member, text: str) -> None:
    desk.put_behind(member.id)
    if len(await desk.records.find(CheckIn, member=member.id)) >= checkins.MOST:
        desk.say(member.id, "checkin.too_many", notice=False, n=checkins.MOST)
        return
    draft: Draft = {
        "step": "zone" if member.zone is None else "when",
        "text": text,
        "wording": "",
        "weeks": checkins.USUAL_WEEKS,
        "minutes": str(checkins.USUAL_LIMIT.total_seconds() / 60),
    }
    if member.zone is None or not text:
        desk.ask(member.id, "new_checkin", draft=draft)
    else:
        _read(desk, member, draft, text, line=True)


def change(desk: Desk, member: Member, record: CheckIn) -> None:
    """Ask what is to change in one that stands."""
    desk.ask(member.id, "new_checkin", draft={**_as_it_stands(record), "step": "change"})


def move(desk: Desk, member: Member, record: CheckIn, text: str) -> None:
    """Show one that stands as it would be at the time that `text` says."""
    _read(desk, member, _as_it_stands(record), text)


def is_time(desk: Desk, member: Member, text: str) -> bool:
    """Whether `text` says when something comes, or an hour alone."""
    read_as = rhythm.read(desk, member, text)
    return not isinstance(read_as, Unread) or rhythm.hour(desk, member, text) is not None


def _as_it_stands(record: CheckIn) -> Draft:
    return {
        "of": record.id,
        "rhythm": kept(record.rhythm),
        "wording": record.question,
        "ends": record.ends.isoformat(),
        "minutes": str(record.late.total_seconds() / 60),
    }


def kept(what: Rhythm) -> str:
    """A rhythm as a draft holds it."""
    days = ".".join(map(str, what.days))
    return f"{what.every} {what.start} {what.minute} {what.step} {days or '-'} {what.nth} {what.month_day}"


def read(text: str) -> Rhythm:
    """The rhythm that a draft holds as `text`."""
    every, start, minute, step, days, nth, month_day = text.split()
    on = () if days == "-" else tuple(map(int, days.split(".")))
    return Rhythm(every, date.fromisoformat(start), int(minute), int(step), on, int(nth), int(month_day))


# Its questions


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question of the draft's step."""
    draft = prompt.draft
    match draft.get("step"):
        case "zone":
            return zone.question(desk, member, zone.listed(draft.get("cities")))
        case "when":
            city = desk.turn.words.city(zone.of(desk, member), member.language)
            text = desk.words(member, "checkin.when", city=city)
            return Question(text, _WHEN, free=True, reads=True, also=_ALSO)
        case "days":
            names = [desk.turn.words.weekday(day, member.language) for day in range(7)]
            choices = tuple(Choice(str(day), text=name) for day, name in enumerate(names))
            return Question(desk.words(member, "checkin.which_days"), choices, many=True, also=_ALSO)
        case "day":
            return Question(desk.words(member, "checkin.which_day"), _dates(desk, member), also=_ALSO)
        case "hour":
            return _which_hour(desk, member, str(draft.get("text") or ""))
        case "question":
            text = desk.words(member, "checkin.which_question", n=LONGEST)
            return Question(text, _questions(desk, member), free=True, also=_ALSO)
        case "ends":
            lengths = {weeks: timedelta(weeks=weeks) for weeks in checkins.WEEKS}
            choices = tuple(
                Choice(str(weeks), text=desk.words(member, "checkin.weeks", length=length))
                for weeks, length in lengths.items()
            )
            return Question(desk.words(member, "checkin.how_long"), choices, also=_ALSO)
        case "late":
            said = desk.turn.words.duration
            choices = tuple(
                Choice(str(limit.total_seconds() / 60), text=said(limit, member.language), length=limit)
                for limit in checkins.LIMITS
            )
            return Question(desk.words(member, "checkin.how_late"), choices, also=_ALSO)
        case "change":
            return Question(desk.words(member, "talk.change"), _changes(draft), also=_ALSO)
    return await _recap(desk, member, draft)


def _which_hour(desk: Desk, member: Member, said: str) -> Question:
    """At what time; of what was `said` without one only the times that it can be are shown."""
    minutes: Sequence[int] = _HOURS
    if said and len(rhythm.fitting(desk, member, said, _HOURS)) < len(_HOURS):
        minutes = rhythm.fitting(desk, member, said, _HOURS_OF_A_HALF)[:5]
    clock = desk.turn.words.clock
    choices = tuple(Choice(str(minute), text=clock(minute, member.language)) for minute in minutes)
    text = desk.words(member, "checkin.which_hour")
    if said:
        text = desk.words(member, "checkin.without_hour", said=own_words(said, len(said)) or "")
    return Question(text, choices, free=True, reads=True, also=_ALSO)


def _dates(desk: Desk, member: Member) -> tuple[Choice, ...]:
    today = rhythm.wall(desk, member).date()
    days = [today + timedelta(days=ahead) for ahead in range(_NEXT_DAYS)]
    words = desk.turn.words
    return tuple(
        Choice(
            day.isoformat(),
            text=f"{words.weekday(day.weekday(), member.language)}, {words.day(day, member.language)}",
        )
        for day in days
    )


def _questions(desk: Desk, member: Member) -> tuple[Choice, ...]:
    usual = Choice("usual", text=desk.words(member, "checkin.question"))
    theirs = (Choice(f"theirs {n}", text=one) for n, one in enumerate(desk.community_of(member).questions))
    return (usual, *theirs)


def _changes(draft: Draft) -> tuple[Choice, ...]:
    ends = () if read(str(draft["rhythm"])).every == ONCE else (Choice("ends", "choice.checkin_ends_when"),)
    return (
        Choice("when", "choice.checkin_when"),
        Choice("question", "choice.checkin_question"),
        *ends,
        Choice("late", "choice.checkin_late"),
    )


async def _recap(desk: Desk, member: Member, draft: Draft) -> Question:
    record = _made(desk, member, draft)
    coming = recurrence.coming(record.rhythm, record.zone, desk.now, _SHOWN)
    times = [desk.words(member, "checkin.time", at=one.at) for one in coming if one.day <= record.ends]
    once = record.rhythm.every == ONCE
    said = checkin.said(desk, member, record.rhythm, record.zone, alone=False)
    # Of what comes once its one time says it all.
    what = ["checkin.recap_once"] if once else ["checkin.recap", "checkin.times"]
    lines = [
        *(desk.words(member, key, rhythm=said) for key in what),
        *times,
        desk.words(member, "checkin.asks", question=desk.quoted(member, checkin.asks(desk, member, record))),
    ]
    if not once:
        lines.append(desk.words(member, "checkin.until", ends=record.ends))
    named = await buddy.counts(desk, member.id)
    silence = [desk.words(member, "checkin.alone" if named is None else "checkin.with_buddy", name=named)]
    if not once:
        silence.append(desk.words(member, "checkin.takes_place"))
    lines.append(" ".join((*silence, desk.words(member, "checkin.terms", late=record.late))))
    yes, no = "choice.checkin_yes", "choice.checkin_no"
    if draft.get("of"):
        yes, no = "choice.checkin_change_yes", "choice.checkin_as_it_was"
    choices = (Choice("yes", yes), Choice("change", "choice.recap_change"), Choice("no", no))
    return Question("\n".join(lines), choices, binding=True, also=_ALSO)


def _made(desk: Desk, member: Member, draft: Draft) -> CheckIn:
    """The check-in that the draft describes, from now on; it has no id yet."""
    what, place = read(str(draft["rhythm"])), zone.of(desk, member)
    kept_end = str(draft.get("ends") or "")
    weeks = int(str(draft.get("weeks") or checkins.USUAL_WEEKS))
    ends = checkins.end_of(what, place, desk.now, weeks)
    if kept_end and what.every != ONCE:
        # Of one that stands the end stays, where a time is left before it.
        ends = max(date.fromisoformat(kept_end), checkins.end_of(what, place, desk.now, 0))
    record = CheckIn(
        id=CheckInId(""),
        member=member.id,
        state=CheckInState.WAITING,
        made_at=desk.now,
        due_at=None,
        rhythm=what,
        zone=place,
        wall=None,
        at=None,
        ends=ends,
        question=str(draft.get("wording") or ""),
        late=timedelta(minutes=float(str(draft["minutes"]))),
    )
    return checkins.begin(record, desk.now)


# What the member answers


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take the step's answer and put the next question."""
    draft: Draft = dict(prompt.draft)
    step = str(draft["step"])
    if reply.name == "back":
        _go_back(desk, member, draft, step)
    elif step == "recap":
        await _answer_recap(desk, member, draft, reply)
    elif reply.name == "skip":
        await _skip(desk, member, draft, step)
    else:
        await _take(desk, member, draft, step, reply)


async def _take(desk: Desk, member: Member, draft: Draft, step: str, reply: Reply) -> None:
    match step:
        case "zone":
            await _take_zone(desk, member, draft, reply)
        case "when" if reply.text:
            _read(desk, member, draft, reply.text)
        case "when":
            draft["chosen"] = reply.name
            _go(desk, member, draft, {"weeks": "days", "once": "day"}.get(reply.name, "hour"))
        case "days":
            draft["days"] = list(reply.names)
            _go(desk, member, draft, "hour")
        case "day":
            draft["day"] = reply.name
            _go(desk, member, draft, "hour")
        case "hour":
            _take_hour(desk, member, draft, reply)
        case "question":
            _take_question(desk, member, draft, reply)
        case "ends":
            draft.update(weeks=int(reply.name), ends="")
            _go(desk, member, draft, "recap")
        case "late":
            draft["minutes"] = reply.name
            _go(desk, member, draft, "recap")
        case _:
            _go(desk, member, draft, reply.name)


async def _take_zone(desk: Desk, member: Member, draft: Draft, reply: Reply) -> None:
    if reply.text and not isinstance(rhythm.read(desk, member, reply.text), Unread):
        # They say when already: it is read once their clock is known.
        draft["text"] = reply.text
        desk.say(member.id, "checkin.city_first")
        _go(desk, member, draft, "zone")
        return
    found, draft["cities"] = zone.taken(desk, member, reply)
    if found:
        await zone.keep(desk, member, found)
        _on_from_zone(desk, desk.now_is(member.id), draft)
    else:
        _go(desk, member, draft, "zone")


def _on_from_zone(desk: Desk, member: Member, draft: Draft) -> None:
    text = str(draft.get("text") or "")
    if text:
        _read(desk, member, draft, text, line=True)
    else:
        _go(desk, member, draft, "when")


def _read(desk: Desk, member: Member, draft: Draft, text: str, *, line: bool = False) -> None:
    """Take the words for when, or say why they were not read, and show examples.

    Where all was said in one `line`, what it is about may stand beside them: it is what is asked.
    """
    found = rhythm.read(desk, member, text)
    draft["text"] = ""
    hour = rhythm.hour(desk, member, text) if isinstance(found, Unread) and draft.get("rhythm") else None
    if hour is not None:
        # The days that were said before stay.
        found = rhythm.moved(read(str(draft["rhythm"])), hour, rhythm.wall(desk, member))
    about = rhythm.parted(desk, member, text) if isinstance(found, Unread) and line else None
    if about is not None and (wording := _about(desk, member, about[1])):
        found, draft["wording"] = about[0], wording
    lacks = rhythm.lacks_hour(desk, member, text) if isinstance(found, Unread) else None
    if lacks is not None and (not lacks[1] or line):
        # What was said is kept, and only the rest asked for.
        if wording := _about(desk, member, lacks[1]):
            draft["wording"] = wording
        _go(desk, member, {**draft, "text": lacks[0]}, "hour")
        return
    if isinstance(found, Unread):
        word = own_words(found.word, len(found.word)) or ""
        desk.refuse(member.id, _UNREAD[found.reason], word=word)
        _go(desk, member, draft, "when")
        return
    _take_rhythm(desk, member, draft, found)


def _about(desk: Desk, member: Member, text: str) -> str:
    """What is asked, where "to take my pills" stands beside when; nothing where that is too long."""
    link = behind(desk, member, "spell.about", text)
    return own_words(link or text, LONGEST) or ""


def _take_rhythm(desk: Desk, member: Member, draft: Draft, found: Rhythm) -> None:
    if recurrence.following(found, zone.of(desk, member), desk.now) is None:
        desk.refuse(member.id, "unread.past", word="")
        _go(desk, member, draft, "when")
        return
    draft["rhythm"] = kept(found)
    _go(desk, member, draft, "recap")


def _take_missing_hour(desk: Desk, member: Member, draft: Draft, said: str, reply: Reply) -> None:
    """The hour of what was `said` without one; or all of it, where it was said anew."""
    anew = rhythm.read(desk, member, reply.text)
    if reply.name:
        minute = int(reply.name)
        found = rhythm.with_hour(desk, member, said, f"{minute // 60}:{minute % 60:02}")
    else:
        found = rhythm.with_hour(desk, member, said, reply.text) if isinstance(anew, Unread) else anew
    if found is None:
        desk.refuse(member.id, "checkin.not_hour")
        _go(desk, member, draft, "hour")
    else:
        _take_rhythm(desk, member, {**draft, "text": ""}, found)


def _take_hour(desk: Desk, member: Member, draft: Draft, reply: Reply) -> None:
    if said := str(draft.get("text") or ""):
        _take_missing_hour(desk, member, draft, said, reply)
        return
    if reply.name:
        minute = int(reply.name)
    else:
        hour = rhythm.hour(desk, member, reply.text)
        if hour is None:
            desk.refuse(member.id, "checkin.not_hour")
            _go(desk, member, draft, "hour")
            return
        minute = hour
    start = rhythm.wall(desk, member).date()
    match draft.get("chosen"):
        case "days":
            chosen = Rhythm(DAYS, start, minute)
        case "workdays":
            chosen = Rhythm(WEEKS, start, minute, days=(0, 1, 2, 3, 4))
        case "weeks":
            days = tuple(sorted(int(day) for day in zone.listed(draft.get("days"))))
            chosen = Rhythm(WEEKS, start, minute, days=days or (start.weekday(),))
        case _:
            chosen = Rhythm(ONCE, date.fromisoformat(str(draft.get("day") or start)), minute)
    _take_rhythm(desk, member, draft, chosen)


def _take_question(desk: Desk, member: Member, draft: Draft, reply: Reply) -> None:
    if reply.name.startswith("theirs"):
        draft["wording"] = desk.community_of(member).questions[int(reply.name.split()[1])]
    elif reply.name:
        draft["wording"] = ""
    else:
        words = own_words(reply.text, LONGEST)
        if words is None:
            desk.say(member.id, "talk.too_long", n=len(reply.text), longest=LONGEST)
            _go(desk, member, draft, "question")
            return
        draft["wording"] = words
    _go(desk, member, draft, "recap")


async def _skip(desk: Desk, member: Member, draft: Draft, step: str) -> None:
    if step == "zone":
        # The question named it: it is theirs from now on, and is not asked for each time.
        await zone.stay(desk, member)
        _on_from_zone(desk, desk.now_is(member.id), draft)
    elif draft.get("rhythm"):
        _go(desk, member, draft, "recap")
    else:
        # Nothing is usual about when: it is for the member to say.
        desk.say(member.id, "talk.dropped")


def _go(desk: Desk, member: Member, draft: Draft, step: str) -> None:
    desk.ask(member.id, "new_checkin", draft={**draft, "step": step})


def _go_back(desk: Desk, member: Member, draft: Draft, step: str) -> None:
    before = {"days": "when", "day": "when", "question": "change", "ends": "change", "late": "change"}
    if step == "hour":
        draft["text"] = ""
        before["hour"] = {"weeks": "days", "once": "day"}.get(str(draft.get("chosen")), "when")
    if step in before:
        _go(desk, member, draft, before[step])
    elif step == "change" and draft.get("of"):
        desk.say(member.id, "checkin.unchanged")
    elif step == "change" or (step == "when" and draft.get("rhythm")):
        _go(desk, member, draft, "recap")
    elif step == "recap":
        _go(desk, member, draft, "change" if draft.get("of") else "when")
    else:
        desk.say(member.id, "talk.left")
        desk.ask(member.id, "menu")


async def _say_more(desk: Desk, member: Member) -> None:
    """What can stand beside a check-in, once, to whoever has none of it."""
    if len(await checkin.of(desk, member.id)) > 1:
        return
    if await own_plan.of(desk, member.id) is None and await buddy.of(desk, member.id) is None:
        desk.say(member.id, "checkin.more")


async def _answer_recap(desk: Desk, member: Member, draft: Draft, reply: Reply) -> None:
    match reply.name:
        case "yes" if draft.get("of"):
            await _change(desk, member, draft)
        case "yes":
            record = replace(_made(desk, member, draft), id=CheckInId(desk.turn.new_id()))
            if record.at is None:
                # Its only hour has passed meanwhile.
                desk.say(member.id, "unread.past", word="")
                _go(desk, member, draft, "when")
                return
            await desk.records.put(record)
            once = record.rhythm.every == ONCE
            desk.say(member.id, "checkin.begun_once" if once else "checkin.begun", at=record.at)
            await _say_more(desk, member)
        case "change":
            _go(desk, member, draft, "change")
        case _:
            desk.say(member.id, "checkin.unchanged" if draft.get("of") else "talk.dropped")


async def _change(desk: Desk, member: Member, draft: Draft) -> None:
    record = await desk.records.get(CheckIn, str(draft["of"]))
    if record is None:
        desk.say(member.id, "stop.over")
        return
    new = _made(desk, member, draft)
    move = checkins.Change(new.rhythm, new.zone, new.ends, new.question, new.late)
    changed, effects = checkins.advance(record, move, desk.now)
    await desk.apply(effects)
    await desk.records.put(changed)
    desk.drop(desk.now_is(member.id), record.id)
    if changed.at is None:
        desk.say(member.id, "checkin.changed_none")
    elif changed.state is CheckInState.PAUSED:
        desk.say(member.id, "checkin.changed_paused")
    else:
        desk.say(member.id, "checkin.changed", at=changed.at)
