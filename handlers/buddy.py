"""Naming a buddy, being asked to be one, and ending it; what stands of it, for both.

Guards: nobody is asked before the recap has had its yes; to whoever named somebody a no, a silence and nobody
there are the same until their hour, and then the same; the buddy says yes to the very words; either ends it
at one word, and a buddy cannot look up whether it still stands.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from handlers import ages, apart
from handlers.answer import own_words
from handlers.desk import Desk
from handlers.draft import Draft, texts
from handlers.question import Choice, Question, Reply
from schema.ids import BuddyId, MatrixId, MemberId
from schema.records import Buddy, Member, Prompt
from schema.states import BuddyState
from service.core import buddies
from service.core.ages import BOTH
from service.core.apart import Unclear, address

LONGEST = {"words": 500, "please": 300, "please_not": 300}
"""Characters of what a buddy is sent."""

MOST_A_WEEK = 3
"""How often in a week one member can have somebody asked: what is asked carries their own words."""

_ALSO = frozenset({"skip", "back"})
_PLEASE = (
    Choice("write", "choice.buddy_write"),
    Choice("ring", "choice.buddy_ring"),
    Choice("come", "choice.buddy_come"),
)
_PLEASE_NOT = (
    Choice("police", "choice.buddy_police"),
    Choice("family", "choice.buddy_family"),
    Choice("work", "choice.buddy_work"),
)
_RECAP = (
    Choice("yes", "choice.buddy_ask"),
    Choice("words", "choice.buddy_again"),
    Choice("no", "choice.buddy_nobody"),
)
ASKED = (
    Choice("read", "choice.bebuddy_read"),
    Choice("no", "choice.bebuddy_no"),
    Choice("later", "choice.bebuddy_later"),
)
_WILL = (Choice("no", "choice.bebuddy_no"), Choice("yes", "choice.bebuddy_yes"))
_TELL = (Choice("no", "choice.buddy_unsaid"), Choice("yes", "choice.buddy_say"))
"""What reaches somebody else, or binds, does not stand first."""


async def of(desk: Desk, member: MemberId) -> Buddy | None:
    """Whom the member named, asked for or standing."""
    found = await desk.records.find(Buddy, member=member)
    return next((one for one in found if one.state is not BuddyState.ENDED), None)


async def named(desk: Desk, member: MemberId) -> list[Buddy]:
    """The same, as a list of one or none."""
    found = await of(desk, member)
    return [] if found is None else [found]


async def counts(desk: Desk, member: MemberId) -> MatrixId | None:
    """Whom the member named to be told after check-ins without an answer; None where nothing counts."""
    found = await of(desk, member)
    return found.name if found is not None and found.after and found.state in buddies.STANDS else None


async def whose(desk: Desk, member: MemberId) -> list[Buddy]:
    """For whom the member said yes to being a buddy, whether that still stands or not."""
    found = [one for one in await desk.records.about(Buddy, member) if one.agreed_at is not None]
    return sorted(found, key=lambda one: (one.agreed_at, one.id))


# In words


def message(desk: Desk, reader: Member, record: Buddy, sender: MatrixId) -> str:
    """What the buddy is sent, whole; it reads the same wherever it is shown."""
    lines = [desk.words(reader, "buddy.message", address=sender, words=record.words)]
    if record.please:
        lines.append(desk.words(reader, "buddy.please", words=wishes(desk, reader, record.please)))
    if record.please_not:
        lines.append(desk.words(reader, "buddy.please_not", words=wishes(desk, reader, record.please_not)))
    lines.append(desk.words(reader, "buddy.nothing"))
    return "\n".join(lines)


def wishes(desk: Desk, reader: Member, chosen: Sequence[str]) -> str:
    """What is wished for, to its reader: what was chosen in their language, own words as they are."""
    ours = {one.key: one for one in (*_PLEASE, *_PLEASE_NOT)}
    return "; ".join(desk.labels(reader, ours[one])[0] if one in ours else one for one in chosen)


def told(desk: Desk, member: Member, record: Buddy) -> str:
    """What stands, to the one who named the buddy."""
    if record.state is BuddyState.ASKED:
        return desk.words(member, "buddy.waits", name=record.name, until=record.due_at)
    lines = [desk.words(member, "buddy.stands", name=record.name), when(desk, member, record)]
    if record.new is not None:
        lines.append(desk.words(member, "buddy.new_waits", name=record.name, until=record.new.until))
    return "\n".join(lines)


def when(desk: Desk, member: Member, record: Buddy) -> str:
    """When the buddy is told, to the member."""
    name, half = record.name, buddies.half(record)
    if not record.after:
        return desk.words(member, "buddy.only_said", name=name)
    return desk.words(member, "buddy.when", n=record.after, half=half, hours=record.hours, name=name)


def held_by_member(desk: Desk, member: Member, record: Buddy) -> str:
    """What is held of it, to the one who named the buddy."""
    if record.state is BuddyState.ENDED:
        return desk.words(member, "held.buddy_ended", name=record.name)
    own = message(desk, member, record, member.matrix_id)
    lines = [desk.words(member, "held.buddy"), told(desk, member, record), own]
    if record.new is not None:
        would = buddies.with_words(record, record.new, record.after, record.hours)
        lines += [desk.words(member, "buddy.new_held"), message(desk, member, would, member.matrix_id)]
    return "\n".join(lines)


async def held(desk: Desk, member: Member) -> list[Buddy]:
    """What is held about the member as one of the two, and is theirs to see."""
    return [*await desk.records.find(Buddy, member=member.id), *await whose(desk, member.id)]


# What stands


async def start(desk: Desk, member: Member) -> None:
    """Say what stands; where nothing does, ask whom to name."""
    desk.put_behind(member.id)
    if await of(desk, member.id) is None and not await whose(desk, member.id):
        _begin(desk, member)
    else:
        theirs = [str(one.id) for one in await whose(desk, member.id)]
        desk.ask(member.id, "buddies", draft={"ids": theirs})


def _begin(desk: Desk, member: Member) -> None:
    """Ask whom to name, after the age group where that counts and is not known."""
    if ages.unsaid(desk, member):
        desk.say(member.id, "buddy.age_first", notice=False)
        desk.ask(member.id, "ages")
    else:
        _go(desk, member, {}, "address")


async def _show_list(desk: Desk, member: Member, prompt: Prompt) -> Question:
    own = await of(desk, member.id)
    theirs = {str(one.id): one for one in await whose(desk, member.id)}
    lines: list[str] = []
    choices: list[Choice] = []
    if own is None:
        lines.append(desk.words(member, "buddy.none"))
        choices.append(Choice("name", "choice.buddy_name"))
    else:
        lines.append(told(desk, member, own))
        stands = own.state in buddies.STANDS
        choices += [Choice("tell", "choice.buddy_tell")] if stands else []
        choices += [Choice("change", "choice.buddy_change")] if stands else []
        choices += [Choice("keep", "choice.buddy_keep_words")] if own.new is not None else []
        choices.append(Choice(f"end {own.id}", "choice.buddy_end" if stands else "choice.buddy_withdraw"))
    ids = prompt.draft.get("ids")
    for id in ids if isinstance(ids, list) else []:
        named = await desk.member(theirs[id].member) if id in theirs else None
        if named is not None:
            lines.append(desk.words(member, "bebuddy.stands", address=named.matrix_id))
            text = desk.words(member, "bebuddy.end", address=named.matrix_id)
            choices.append(Choice(f"leave {id}", text=text))
    choices.append(Choice("stay", "choice.buddy_stay"))
    return Question("\n".join(lines), tuple(choices))


async def end_one(desk: Desk, member: Member) -> None:
    """The one word that ends it: at once where one thing stands, else after showing which there are."""
    own, theirs = await of(desk, member.id), await whose(desk, member.id)
    if own is not None and not theirs:
        await end(desk, member, own)
    elif own is None and len(theirs) == 1:
        await leave(desk, member, theirs[0])
    elif theirs:
        await start(desk, member)
    else:
        desk.say(member.id, "buddy.none", notice=False)


# The questions


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The list, a step of naming somebody, or what somebody who was named is asked."""
    match prompt.kind:
        case "buddies":
            return await _show_list(desk, member, prompt)
        case "be_buddy":
            return await _show_asked(desk, member, prompt)
        case "buddy_ended":
            record = await desk.records.get(Buddy, prompt.subject)
            if record is None or record.state is not BuddyState.ENDED:
                return None
            text = desk.words(member, "buddy.ended", name=record.name)
            return Question(text, _TELL, binding=True, also=_ALSO)
    return show_step(desk, member, prompt.draft)


def show_step(desk: Desk, member: Member, draft: Draft) -> Question:
    """The question of one step of a draft, which others change words with too."""
    step, name = str(draft["step"]), MatrixId(str(draft.get("address") or ""))
    match step:
        case "address":
            text = desk.words(member, "buddy.address", server=desk.community.server)
            return Question(text, free=True, reads=True, also=_ALSO)
        case "words":
            text = desk.words(member, "buddy.words", name=name, n=LONGEST["words"])
            return Question(text, free=True, also=frozenset({"back"}))
        case "please":
            text = desk.words(member, "buddy.would_like", n=LONGEST["please"])
            return Question(text, _PLEASE, free=True, many=True, also=_ALSO)
        case "please_not":
            text = desk.words(member, "buddy.would_not_like", n=LONGEST["please_not"])
            return Question(text, _PLEASE_NOT, free=True, many=True, also=_ALSO)
        case "after":
            choices = (
                *(Choice(str(n), text=desk.words(member, "buddy.after_n", n=n)) for n in buddies.AFTER),
                Choice("0", "choice.buddy_only_said"),
            )
            return Question(desk.words(member, "buddy.after"), choices, also=frozenset({"back"}))
        case "hours":
            said = desk.turn.words.duration
            choices = tuple(
                Choice(
                    str(hours),
                    text=said(timedelta(hours=hours), member.language),
                    length=timedelta(hours=hours),
                )
                for hours in buddies.HOURS
            )
            return Question(desk.words(member, "buddy.hours"), choices, also=frozenset({"back"}))
    record = _drafted(desk, member, draft)
    terms = desk.words(member, "buddy.terms", name=name, address=member.matrix_id, until=record.due_at)
    if desk.community.ages == BOTH and not ages.unsaid(desk, member):
        group = desk.words(member, ages.GROUPS[ages.of(desk, member)], age=desk.community.adult_from)
        terms = f"{desk.words(member, 'buddy.ages', group=group)}\n{terms}"
    terms = f"{when(desk, member, record)}\n{terms}"
    shown = desk.words(member, "buddy.recap", name=name)
    text = "\n".join((shown, message(desk, member, record, member.matrix_id), "", terms))
    return Question(text, _RECAP, binding=True, also=_ALSO, terms=terms)


def _drafted(desk: Desk, member: Member, draft: Draft) -> Buddy:
    """What the draft would ask for, from now on."""
    name = MatrixId(str(draft["address"]))
    return Buddy(
        id=BuddyId(""),
        member=member.id,
        other=desk.turn.identify(name),
        state=BuddyState.ASKED,
        made_at=desk.now,
        due_at=desk.now + buddies.ASKED_FOR,
        name=name,
        words=str(draft.get("words") or ""),
        please=texts(draft, "please"),
        please_not=texts(draft, "please_not"),
        after=_count(draft),
        hours=timedelta(hours=int(str(draft.get("hours") or 0))),
        age_group=ages.of(desk, member),
    )


def _count(draft: Draft) -> int:
    return int(str(draft.get("after") or 0))


_STEPS = ("address", "words", "please", "please_not", "after", "hours", "recap")


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take the step's answer, what is to end, or what somebody who was named says."""
    if prompt.kind == "be_buddy":
        await _answer_asked(desk, member, prompt, reply)
    elif prompt.kind == "buddy_ended":
        await _answer_ended(desk, member, prompt, reply)
    elif prompt.kind == "buddies":
        await _answer_list(desk, member, reply)
    else:
        await _answer_step(desk, member, prompt, reply)


async def _answer_list(desk: Desk, member: Member, reply: Reply) -> None:
    kind, _, id = reply.name.partition(" ")
    record = await desk.records.get(Buddy, id) if id else None
    if kind == "name":
        _begin(desk, member)
    elif kind == "stay":
        desk.say(member.id, "buddy.unchanged")
    elif kind == "end" and record is not None and record.state is not BuddyState.ENDED:
        await end(desk, member, record)
    elif kind == "leave" and record is not None:
        await leave(desk, member, record)
    else:
        desk.say(member.id, "stop.over")


async def _answer_step(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    draft: Draft = dict(prompt.draft)
    step = str(draft["step"])
    if reply.name == "back" and step not in ("address", "words"):
        before = _STEPS[_STEPS.index(step) - 1]
        _go(desk, member, draft, "after" if before == "hours" and not _count(draft) else before)
    elif (reply.name in ("back", "skip") and step in ("address", "words")) or reply.name == "no":
        desk.say(member.id, "buddy.dropped")
    elif step == "recap":
        if reply.name == "yes":
            await _ask(desk, member, prompt)
        elif reply.name == "words":
            _go(desk, member, draft, "words")
        else:
            desk.say(member.id, "buddy.dropped")
    elif step == "address":
        _take_name(desk, member, draft, reply.text)
    elif step in LONGEST:
        _take_words(desk, member, draft, step, reply)
    elif step == "after":
        draft.update(after=reply.name, hours="")
        _go(desk, member, draft, "hours" if _count(draft) else "recap")
    else:
        _go(desk, member, {**draft, "hours": reply.name}, "recap")


def _go(desk: Desk, member: Member, draft: Draft, step: str) -> None:
    desk.ask(member.id, "buddy", draft={**draft, "step": step})


def _take_name(desk: Desk, member: Member, draft: Draft, typed: str) -> None:
    found = address(typed)
    if isinstance(found, Unclear):
        desk.refuse(member.id, apart.UNCLEAR[found], server=desk.community.server)
        _go(desk, member, draft, "address")
    elif found == member.matrix_id.lower():
        desk.refuse(member.id, "buddy.own")
        _go(desk, member, draft, "address")
    else:
        _go(desk, member, {**draft, "address": found}, "words")


def _take_words(desk: Desk, member: Member, draft: Draft, step: str, reply: Reply) -> None:
    taken = take_words(desk, member, draft, step, reply)
    _go(desk, member, taken or draft, step if taken is None else _STEPS[_STEPS.index(step) + 1])


def take_words(desk: Desk, member: Member, draft: Draft, step: str, reply: Reply) -> Draft | None:
    """The draft with what was answered of `step`; None where that is nothing, or too long, which is said."""
    words = own_words(reply.text, LONGEST[step])
    if words is None:
        desk.say(member.id, "talk.too_long", n=len(reply.text), longest=LONGEST[step])
        return None
    if step == "words":
        return {**draft, step: words} if words else None
    chosen = [one.key for one in (*_PLEASE, *_PLEASE_NOT) if one.name in reply.names]
    return {**draft, step: [words] if words else chosen}


async def _ask(desk: Desk, member: Member, prompt: Prompt) -> None:
    """Ask whoever was named; what is said of it is the same whoever they are."""
    draft = prompt.draft
    if await of(desk, member.id) is not None:
        desk.say(member.id, "buddy.one_already")
        return
    if not may_ask(desk, member):
        _go(desk, member, dict(draft), "recap")
        return
    consent = desk.given(prompt)
    record = replace(
        _drafted(desk, member, draft),
        id=BuddyId(desk.turn.new_id()),
        consents=() if consent is None else ((member.id, consent),),
    )
    await desk.records.put(record)
    other = await desk.member(record.other)
    if other is not None and await _may_be(desk, member, other):
        desk.queue(other.id, "be_buddy", subject=record.id, until=record.due_at)
    desk.say(member.id, "buddy.asked", name=record.name, until=record.due_at)


def may_ask(desk: Desk, member: Member) -> bool:
    """Whether the member has somebody asked seldom enough; that they do not is said."""
    week = timedelta(days=7)
    if any(desk.seldom(member.id, f"buddy {at}", week) for at in range(MOST_A_WEEK)):
        return True
    desk.say(member.id, "buddy.too_often", n=MOST_A_WEEK, notice=False)
    return False


async def _may_be(desk: Desk, member: Member, other: Member) -> bool:
    """Whether the two are not kept apart, by one of them or by their ages; to neither is said which."""
    same = bool(group := ages.of(desk, member)) and group == ages.of(desk, other)
    return same and other.id not in await apart.of(desk, member.id)


# Whoever was named


async def _asked(desk: Desk, member: Member, id: str) -> tuple[Buddy, Member] | None:
    """What the member was named for, and by whom, where they can still say yes."""
    record = await desk.records.get(Buddy, id)
    if record is None or record.state is not BuddyState.ASKED or record.other != member.id:
        return None
    named_by = await desk.member(record.member)
    if named_by is None or not await _may_be(desk, member, named_by):
        return None
    return record, named_by


async def _show_asked(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    found = await _asked(desk, member, prompt.subject)
    if found is None:
        return None
    record, named_by = found
    if prompt.draft.get("step") != "words":
        text = desk.words(member, "bebuddy.asked", address=named_by.matrix_id, until=record.due_at)
        return Question(text, ASKED, until=record.due_at)
    terms = desk.words(member, "bebuddy.terms", address=named_by.matrix_id, until=record.due_at)
    shown = desk.words(member, "bebuddy.would_be")
    text = "\n".join((shown, message(desk, member, record, named_by.matrix_id), "", terms))
    return Question(text, _WILL, binding=True, also=frozenset({"skip"}), until=record.due_at, terms=terms)


async def _answer_asked(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    found = await _asked(desk, member, prompt.subject)
    if reply.name == "read" and found is not None:
        desk.ask_on(member.id, prompt, {"step": "words"}, until=found[0].due_at)
    elif reply.name == "later" and found is not None:
        desk.set_aside(member.id, prompt)
        desk.say(member.id, "bebuddy.later")
    elif reply.name != "yes":
        desk.say(member.id, "bebuddy.said_no")
    elif found is None:
        desk.say(member.id, "bebuddy.noted")
    else:
        record, named_by = found
        for old in await whose(desk, member.id):
            if old.member == record.member:
                await desk.records.delete(Buddy, old.id)
        agreed, _ = buddies.advance(record, buddies.Agree(desk.given(prompt)), desk.now)
        await desk.records.put(agreed)
        desk.say(member.id, "bebuddy.agreed", address=named_by.matrix_id)
        desk.say(record.member, "buddy.agreed", notice=False, name=record.name)


# Its end


async def end(desk: Desk, member: Member, record: Buddy, *, behind: bool = False) -> None:
    """The member ends it; the buddy is told only if they then say so.

    They are asked at once, or `behind` what is open.
    """
    ended, _ = buddies.advance(record, buddies.End(), desk.now)
    await take_question(desk, record)
    if ended.state is BuddyState.OVER:
        await desk.records.delete(Buddy, record.id)
        desk.say(member.id, "buddy.withdrawn")
        return
    await desk.records.put(ended)
    if behind:
        desk.queue(member.id, "buddy_ended", subject=record.id)
    else:
        desk.ask(member.id, "buddy_ended", subject=record.id)


async def _answer_ended(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    record = await desk.records.get(Buddy, prompt.subject)
    if reply.name != "yes" or record is None or record.state is not BuddyState.ENDED:
        desk.say(member.id, "buddy.not_said")
        return
    await desk.records.delete(Buddy, record.id)
    if await desk.member(record.other) is not None:
        desk.say(record.other, "bebuddy.ended", notice=False, address=member.matrix_id)
    desk.say(member.id, "buddy.said", name=record.name)


async def leave(desk: Desk, member: Member, record: Buddy) -> None:
    """The buddy ends it; what they hear is the same whether it still stood or not."""
    named_by = await desk.member(record.member)
    await lose(desk, record)
    if named_by is not None:
        desk.say(member.id, "bebuddy.left", address=named_by.matrix_id)


async def lose(desk: Desk, record: Buddy) -> None:
    """The buddy is none any more; the member hears so where it stood, and nothing of why."""
    _, followed = buddies.advance(record, buddies.Leave(), desk.now)
    await desk.records.delete(Buddy, record.id)
    if followed is buddies.Next.GONE and await desk.member(record.member) is not None:
        desk.say(record.member, "buddy.gone", notice=False, name=record.name)


async def lapse(desk: Desk, record: Buddy) -> None:
    """Nobody said yes in time: the one who asked hears so, and why is said to nobody."""
    await take_question(desk, record)
    await desk.records.delete(Buddy, record.id)
    if await desk.member(record.member) is not None:
        desk.say(record.member, "buddy.lapsed", notice=False, name=record.name)


async def take_question(desk: Desk, record: Buddy) -> None:
    """Whatever was asked of the other one is not asked any more, and goes from their chat."""
    if (other := await desk.member(record.other)) is not None:
        desk.drop(other, record.id)


async def forget(desk: Desk, member: MemberId) -> None:
    """Erase what the member named and what they said yes to; whoever has no buddy any more hears so."""
    for record in await desk.records.find(Buddy, member=member):
        await take_question(desk, record)
        await desk.records.delete(Buddy, record.id)
    for record in await whose(desk, member):
        await lose(desk, record)
