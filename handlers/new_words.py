"""Changing what a buddy would be sent, or when they are told: asked of the buddy where it is about the words.

Guards: the words that the buddy said yes to stand until they said yes to others, which they see whole; to the
member a no, a silence and no answer yet are the same until the hour, and then the same; when they are told is
the member's alone, and the buddy hears nothing of it.
"""

from datetime import timedelta

from handlers import buddy
from handlers.desk import Desk
from handlers.draft import Draft, texts
from handlers.question import Choice, Question, Reply
from schema.ids import MatrixId
from schema.records import Buddy, Member, NewWords, Prompt
from service.core import buddies

_ALSO = frozenset({"skip", "back"})
_PARTS = (
    Choice("words", "choice.new_words"),
    Choice("please", "choice.new_please"),
    Choice("please_not", "choice.new_please_not"),
    Choice("after", "choice.new_when"),
    Choice("leave", "choice.buddy_stay"),
)
_RECAP = (
    Choice("yes", "choice.new_ask"),
    Choice("part", "choice.new_more"),
    Choice("no", "choice.new_leave"),
)
_WHEN = (Choice("yes", "choice.new_when_yes"), *_RECAP[1:])
_ASKED = (Choice("read", "choice.new_read"), *buddy.ASKED[1:])
_WILL = (Choice("no", "choice.bebuddy_no"), Choice("yes", "choice.new_agree"))
"""What binds does not stand first."""


def start(desk: Desk, member: Member, record: Buddy) -> None:
    """Ask what is to be different."""
    draft: Draft = {
        "step": "part",
        "address": record.name,
        "words": record.words,
        "please": list(record.please),
        "please_not": list(record.please_not),
        "after": str(record.after),
        "hours": str(int(record.hours / timedelta(hours=1))),
    }
    desk.ask(member.id, "new_words", subject=record.id, draft=draft)


async def _own(desk: Desk, member: Member, prompt: Prompt) -> Buddy | None:
    record = await buddy.of(desk, member.id)
    return record if record is not None and record.id == prompt.subject else None


def _drafted(desk: Desk, draft: Draft, record: Buddy) -> tuple[Buddy, bool]:
    """What would stand, and whether the buddy has to be asked about it."""
    after = int(str(draft["after"]))
    hours = timedelta(hours=int(str(draft["hours"] or 0))) if after else timedelta(0)
    until = desk.now + buddies.ASKED_FOR
    new = NewWords(str(draft["words"]), texts(draft, "please"), texts(draft, "please_not"), until)
    would = buddies.with_words(record, new, after, hours)
    old = (record.words, record.please, record.please_not)
    return would, old != (new.words, new.please, new.please_not)


# Its questions


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """What is to be different, one part of it, or the recap."""
    record = await _own(desk, member, prompt)
    if record is None:
        return None
    draft = prompt.draft
    step = str(draft["step"])
    if step == "part":
        text = desk.words(member, "buddy.new_part", name=record.name)
        return Question(text, _PARTS, also=_ALSO)
    if step != "recap":
        question = buddy.show_step(desk, member, draft)
        now = _now(desk, member, record, step)
        return Question(
            f"{now}\n{question.text}" if now else question.text,
            question.choices,
            free=question.free,
            many=question.many,
            also=_ALSO,
        )
    would, asks = _drafted(desk, draft, record)
    when = buddy.when(desk, member, would)
    if not asks:
        text = desk.words(member, "buddy.new_when", when=when)
        return Question(text, _WHEN, binding=True, also=_ALSO)
    terms = desk.words(member, "buddy.new_terms", name=record.name, until=desk.now + buddies.ASKED_FOR)
    terms = f"{when}\n{terms}"
    shown = desk.words(member, "buddy.new_recap", name=record.name)
    text = "\n".join((shown, buddy.message(desk, member, would, member.matrix_id), "", terms))
    return Question(text, _RECAP, binding=True, also=_ALSO, terms=terms)


def _now(desk: Desk, member: Member, record: Buddy, step: str) -> str:
    """How the part stands now."""
    said = {
        "words": record.words,
        "please": buddy.wishes(desk, member, record.please),
        "please_not": buddy.wishes(desk, member, record.please_not),
    }.get(step)
    return "" if said is None else desk.words(member, "buddy.new_now", words=desk.quoted(member, said))


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take one part, or the yes to all of it."""
    record = await _own(desk, member, prompt)
    draft: Draft = dict(prompt.draft)
    step = str(draft["step"])
    if record is None:
        desk.say(member.id, "stop.over")
    elif step == "part" and reply.name in ("words", "please", "please_not", "after"):
        _go(desk, member, prompt, draft, reply.name)
    elif step == "part" or reply.name == "no":
        desk.say(member.id, "buddy.unchanged")
    elif step == "recap":
        if reply.name == "yes":
            await _take(desk, member, prompt, record)
        else:
            _go(desk, member, prompt, draft, "part")
    elif reply.name == "back" or (reply.name == "skip" and step in ("words", "after", "hours")):
        _go(desk, member, prompt, draft, "part")
    elif step == "after":
        draft["after"] = reply.name
        _go(desk, member, prompt, draft, "hours" if int(reply.name) else "recap")
    elif step == "hours":
        _go(desk, member, prompt, {**draft, "hours": reply.name}, "recap")
    elif (taken := buddy.take_words(desk, member, draft, step, reply)) is None:
        _go(desk, member, prompt, draft, step)
    else:
        _go(desk, member, prompt, taken, "recap")


def _go(desk: Desk, member: Member, prompt: Prompt, draft: Draft, step: str) -> None:
    desk.ask(member.id, "new_words", subject=prompt.subject, draft={**draft, "step": step})


async def _take(desk: Desk, member: Member, prompt: Prompt, record: Buddy) -> None:
    """What is the member's alone holds at once; about the words their buddy is asked."""
    would, asks = _drafted(desk, prompt.draft, record)
    new = None
    if asks:
        if not buddy.may_ask(desk, member):
            _go(desk, member, prompt, dict(prompt.draft), "recap")
            return
        new = NewWords(
            would.words, would.please, would.please_not, desk.now + buddies.ASKED_FOR, desk.given(prompt)
        )
    elif (would.after, would.hours) == (record.after, record.hours):
        desk.say(member.id, "buddy.unchanged")
        return
    await buddy.take_question(desk, record)
    changed, _ = buddies.advance(record, buddies.Change(would.after, would.hours, new), desk.now)
    await desk.records.put(changed)
    if new is None:
        desk.say_text(member.id, buddy.when(desk, member, changed))
        return
    other = await desk.member(record.other)
    if other is not None:
        desk.queue(other.id, "agree_words", subject=record.id, until=new.until)
    desk.say(member.id, "buddy.new_asked", name=record.name, until=new.until)


async def withdraw(desk: Desk, member: Member, record: Buddy) -> None:
    """The member takes their question for new words back."""
    await buddy.take_question(desk, record)
    if record.new is not None:
        left, _ = buddies.advance(record, buddies.Keep(), desk.now)
        await desk.records.put(left)
    desk.say(member.id, "buddy.new_withdrawn", name=record.name)


# The buddy


async def _asked(desk: Desk, member: Member, id: str) -> tuple[Buddy, NewWords, Member] | None:
    """What the buddy can say yes to, and who asks."""
    record = await desk.records.get(Buddy, id)
    if record is None or record.other != member.id or record.new is None or desk.now >= record.new.until:
        return None
    named_by = await desk.member(record.member)
    return None if named_by is None else (record, record.new, named_by)


async def show_asked(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """That there are other words, then exactly those."""
    found = await _asked(desk, member, prompt.subject)
    if found is None:
        return None
    record, new, named_by = found
    about = {"address": named_by.matrix_id, "until": new.until}
    if prompt.draft.get("step") != "words":
        text = desk.words(member, "bebuddy.new_asked", **about)
        return Question(text, _ASKED, until=new.until)
    terms = desk.words(member, "bebuddy.new_terms", **about)
    shown = desk.words(member, "bebuddy.new_would_be")
    would = buddies.with_words(record, new, record.after, record.hours)
    text = "\n".join((shown, buddy.message(desk, member, would, named_by.matrix_id), "", terms))
    return Question(text, _WILL, binding=True, also=frozenset({"skip"}), until=new.until, terms=terms)


async def answer_asked(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Show the words, or take the buddy's yes or no to them."""
    found = await _asked(desk, member, prompt.subject)
    if reply.name == "read" and found is not None:
        desk.ask_on(member.id, prompt, {"step": "words"}, until=found[1].until)
    elif reply.name == "later" and found is not None:
        desk.set_aside(member.id, prompt)
        desk.say(member.id, "bebuddy.later")
    elif reply.name != "yes" or found is None:
        desk.say(member.id, "bebuddy.new_noted")
    else:
        record, _, named_by = found
        agreed, _ = buddies.advance(record, buddies.Agree(desk.given(prompt)), desk.now)
        await desk.records.put(agreed)
        desk.say(member.id, "bebuddy.new_agreed", address=named_by.matrix_id)
        desk.say(record.member, "buddy.new_agreed", notice=False, name=MatrixId(record.name))


async def lapse(desk: Desk, record: Buddy) -> Buddy:
    """No yes came in time: the old words stand, and the one who asked hears so."""
    await buddy.take_question(desk, record)
    left, _ = buddies.advance(record, buddies.Keep(), desk.now)
    await desk.records.put(left)
    if await desk.member(record.member) is not None:
        desk.say(record.member, "buddy.new_lapsed", notice=False, name=record.name)
    return left
