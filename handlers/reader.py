"""Reading concerns: what a reader is asked in their own chat, and what they can do.

Guards: no word of a concern is said before its reader has asked for it, since a locked screen shows words; a
reader can give it back without a reason, before they have read it and after; two who read together each hear
what the other does; nothing that reaches somebody else goes out before its recap has had a yes; a pause is
decided by both of two, and no reader learns here whom it is about, or who wrote unless the writer says so.
"""

from collections.abc import Collection
from datetime import timedelta

from handlers import pairing_pauses, paused, readers
from handlers.answer import own_words
from handlers.desk import Desk
from handlers.draft import Draft, texts
from handlers.question import Choice, Question, Reply
from schema.effects import OpenDirectChat
from schema.ids import MemberId, PairingPauseId
from schema.records import Concern, Member, PairingPause, Prompt
from service.core import concerns

LONGEST = 1000
"""Characters of an answer, or of a pause's reason."""

_ABOUT = {"pairing": "reads.about_pairing", "ask": "reads.about_ask", "service": "reads.about_service"}
_ALSO = frozenset({"back"})
_INVITED = (
    Choice("read", "choice.reads_open"),
    Choice("give_back", "choice.reads_give_back"),
    Choice("later", "choice.reads_later"),
)
_PAUSE = (Choice("yes", "choice.weighs_yes"), *paused.RECAP[1:])


# Giving it, and taking it from them


async def give(desk: Desk, concern: Concern, but: Collection[MemberId] = ()) -> None:
    """Ask each of its readers, in their own chat, whether they read it now; who has no chat is invited.

    Those in `but` have it already.
    """
    for one in readers.of(desk, set(concern.readers) - set(but)):
        id = readers.id_of(desk, one)
        member = await desk.member(id)
        if member is None:
            member = desk.newcomer(one.user)
            desk.keep(member)
        if member.room is None:
            desk.turn.do(OpenDirectChat(member.matrix_id))
        desk.queue(id, "reads", subject=concern.id, until=concern.until)


async def take_from(desk: Desk, concern: Concern) -> None:
    """Take back every question about it from those who read it."""
    for id in concern.readers:
        if (member := await desk.member(id)) is not None:
            desk.drop(member, concern.id)


async def tell_end(desk: Desk, concern: Concern, move: concerns.Move) -> None:
    """Say to whoever has read it that it is erased now, and what that ends; the others hear nothing."""
    key = "reads.taken_back" if isinstance(move, concerns.TakeBack) else "reads.lapsed"
    for id in concern.opened:
        if await desk.member(id) is None:
            continue
        desk.say(id, key, made=concern.made_at)
        if concern.proposal is not None:
            desk.say(id, "reads.not_weighed")


async def forget(desk: Desk, member: MemberId) -> None:
    """Whoever is forgotten reads nothing any more, and stands in nothing that they read or decided."""
    for concern in await desk.records.find(Concern):
        reads = member in (*concern.readers, *concern.spare)
        left = await _lose(desk, concern, member) if reads else concern
        if member in (by for by, _ in left.answers):
            await desk.records.put(concerns.without(left, member))
    await paused.forget(desk, member)


async def _lose(desk: Desk, concern: Concern, member: MemberId) -> Concern:
    left, effects = concerns.advance(concern, concerns.Lose(member), desk.now)
    await desk.apply(effects)
    await desk.records.put(left)
    await give(desk, left, concern.readers)
    names = readers.names(desk, readers.of(desk, set(left.readers) - set(concern.readers)))
    for id in left.readers:
        if left.readers != concern.readers and id in concern.readers and await desk.member(id) is not None:
            if names:
                desk.say(id, "reads.with", made=left.made_at, names=names)
            else:
                desk.say(id, "reads.alone", made=left.made_at)
    return left


async def _of(desk: Desk, member: Member, id: str) -> Concern | None:
    """The concern, where the member reads it now; whoever is no reader any more by now has lost it."""
    concern = await desk.records.get(Concern, id)
    if concern is None or member.id not in concern.readers or not readers.of(desk, (member.id,)):
        return None
    still = {readers.id_of(desk, one) for one in desk.community.readers}
    for gone in (*concern.spare, *concern.readers):
        if gone not in still:
            concern = await _lose(desk, concern, gone)
    return concern


# What stands


async def mine(desk: Desk, member: Member) -> None:
    """List what the member reads, and the pauses that they decided."""
    found = [f"concern {one.id}" for one in await _concerns(desk, member)]
    found += [f"pause {one.id}" for one in await paused.decided_by(desk, member.id)]
    if not found:
        desk.say(member.id, "reads.none", notice=False)
        return
    desk.put_behind(member.id)
    desk.ask(member.id, "to_read", draft={"ids": list(found)})


async def _concerns(desk: Desk, member: Member) -> list[Concern]:
    found = [one for one in await desk.records.find(Concern) if member.id in one.readers]
    return sorted(found, key=lambda one: (one.made_at, one.id)) if readers.of(desk, (member.id,)) else []


async def show_list(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The list as it was first shown."""
    stand = {f"concern {one.id}": one for one in await _concerns(desk, member)}
    pauses = {f"pause {one.id}": one for one in await paused.decided_by(desk, member.id)}
    choices: list[Choice] = []
    for name in texts(prompt.draft, "ids"):
        if name in stand:
            key = "reads.listed" if member.id in stand[name].opened else "reads.listed_unopened"
            choices.append(Choice(name, text=desk.words(member, key, made=stand[name].made_at)))
        elif name in pauses:
            text = desk.words(member, "reads.listed_pause", until=pauses[name].due_at)
            choices.append(Choice(name, text=text))
    if not choices:
        return None
    choices.append(Choice("leave", "choice.reads_later"))
    return Question(desk.words(member, "reads.list"), tuple(choices))


async def answer_list(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Show what a number stands for."""
    kind, _, id = reply.name.partition(" ")
    if kind == "pause":
        desk.ask(member.id, "lift", subject=id)
    elif kind == "concern":
        concern = await _of(desk, member, id)
        weighs = concern is not None and concern.proposal is not None and member.id in concern.opened
        by = concern.proposal.reader if concern is not None and concern.proposal is not None else None
        desk.ask(member.id, "weighs" if weighs and by != member.id else "reads", subject=id)
    else:
        desk.say(member.id, "reads.later")


# Reading one


def answers(desk: Desk, member: Member, concern: Concern) -> list[str]:
    """What was answered to it, a line each."""
    found: list[str] = []
    for by, words in concern.answers:
        name = readers.names(desk, readers.of(desk, (by,)))
        if name:
            found.append(desk.words(member, "concern.answer_of", name=name[0], words=words))
        else:
            found.append(desk.words(member, "concern.answer", words=words))
    return found


def _company(desk: Desk, member: Member, concern: Concern) -> str:
    """Who else reads it."""
    others = [one for one in readers.of(desk, concern.readers) if readers.id_of(desk, one) != member.id]
    if others:
        return desk.words(member, "reads.together", names=readers.names(desk, others))
    return desk.words(member, "reads.nobody_else")


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """Whether they read it now; once they have, its words and what they can do."""
    concern = await _of(desk, member, prompt.subject)
    if concern is None:
        return None
    about = desk.words(member, _ABOUT[concern.about])
    if member.id not in concern.opened:
        lines = [
            desk.words(member, "reads.invited", about=about),
            _company(desk, member, concern),
            desk.words(member, "reads.terms", until=concern.until),
        ]
        return Question("\n".join(lines), _INVITED)
    lines = [desk.words(member, "reads.words", about=about, words=concern.words)]
    if concern.named and (writer := await desk.member(concern.member)) is not None:
        lines.append(desk.words(member, "reads.named", address=writer.matrix_id))
    else:
        lines.append(desk.words(member, "reads.unnamed"))
    lines += [_company(desk, member, concern), *answers(desk, member, concern)]
    lines.append(desk.words(member, "reads.until", until=concern.until))
    may_pause = concerns.may_pause(concern) and concern.proposal is None
    if concern.proposal is not None:
        lines.append(desk.words(member, "reads.weighed"))
    weighs = concern.proposal is not None and concern.proposal.reader != member.id
    choices = (
        *((Choice("weigh", "choice.reads_weigh"),) if weighs else ()),
        *((Choice("answer", "choice.reads_answer"),) if _may_answer(concern) else ()),
        *((Choice("pause", pairing_pauses.said("choice.reads_pause", concern.link)),) if may_pause else ()),
        Choice("give_back", "choice.reads_give_back"),
        Choice("later", "choice.reads_nothing"),
    )
    return Question("\n".join(lines), choices)


def _may_answer(concern: Concern) -> bool:
    return len(concern.answers) < concerns.MOST_ANSWERS


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Open it, give it back, or begin an answer or a pause."""
    concern = await _of(desk, member, prompt.subject)
    if concern is None:
        desk.say(member.id, "reads.over")
        return
    match reply.name:
        case "read":
            opened, effects = concerns.advance(concern, concerns.Open(member.id), desk.now)
            await desk.member(concern.member)
            await desk.apply(effects)
            await desk.records.put(opened)
            desk.ask(member.id, "reads", subject=concern.id)
        case "give_back":
            desk.drop(desk.now_is(member.id), concern.id)
            await _lose(desk, concern, member.id)
            desk.say(member.id, "reads.given_back")
        case "weigh":
            desk.ask(member.id, "weighs", subject=concern.id)
        case "answer":
            desk.ask(member.id, "answers", subject=concern.id, draft={"step": "words"})
        case "pause":
            desk.ask(member.id, "pauses", subject=concern.id, draft={"step": "days"})
        case _:
            desk.say(member.id, "reads.later")


# An answer to its writer


async def show_answer(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question for the words, or their recap."""
    concern = await _of(desk, member, prompt.subject)
    if concern is None or not _may_answer(concern):
        return None
    if prompt.draft.get("step") == "words":
        lines = [desk.words(member, "answers.words", n=LONGEST, name=_own_name(desk, member))]
        lines.append(_company(desk, member, concern))
        return Question("\n".join(lines), free=True, also=_ALSO)
    text = desk.words(member, "answers.recap", words=str(prompt.draft["words"]))
    return Question(text, paused.RECAP, binding=True, also=_ALSO)


def _own_name(desk: Desk, member: Member) -> str:
    return readers.names(desk, readers.of(desk, (member.id,)))[0]


async def take_answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take the words, then the yes to send them."""
    concern = await _of(desk, member, prompt.subject)
    if concern is None:
        desk.say(member.id, "reads.over")
    elif reply.text:
        words = own_words(reply.text, LONGEST)
        if words is None:
            desk.say(member.id, "talk.too_long", n=len(reply.text), longest=LONGEST)
        draft: Draft = {"step": "recap" if words else "words", "words": words or ""}
        desk.ask(member.id, "answers", subject=concern.id, draft=draft)
    elif reply.name == "words" or (reply.name == "back" and prompt.draft.get("step") == "recap"):
        desk.ask(member.id, "answers", subject=concern.id, draft={"step": "words"})
    elif reply.name != "yes":
        desk.ask(member.id, "reads", subject=concern.id)
    else:
        await _answer(desk, member, concern, str(prompt.draft["words"]))


async def _answer(desk: Desk, member: Member, concern: Concern, words: str) -> None:
    after, effects = concerns.advance(concern, concerns.Answer(member.id, words), desk.now)
    await desk.apply(effects)
    await desk.records.put(after)
    if await desk.member(concern.member) is not None:
        desk.queue(concern.member, "answered", subject=concern.id, until=concern.until)
    for id in await _others(desk, member, concern):
        name = _own_name(desk, member)
        desk.say(id, "reads.answered", notice=False, name=name, made=concern.made_at, words=words)
    desk.say(member.id, "answers.sent")


async def _others(desk: Desk, member: Member, concern: Concern) -> list[MemberId]:
    """Whoever else reads it, and is here."""
    return [id for id in concern.readers if id != member.id and await desk.member(id) is not None]


# A pause


async def show_pause(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """For how long, why, and the recap."""
    concern = await _of(desk, member, prompt.subject)
    if concern is None or not concerns.may_pause(concern) or concern.proposal is not None:
        return None
    if prompt.draft.get("step") == "days":
        choices = tuple(
            Choice(str(length.days), text=desk.turn.words.duration(length, member.language), length=length)
            for length in concerns.PAUSES
        )
        lines = [desk.words(member, pairing_pauses.said("pauses.length", concern.link))]
        lines += await pairing_pauses.link_over(desk, member, concern.link)
        return Question("\n".join(lines), choices, also=_ALSO)
    if prompt.draft.get("step") == "words":
        text = desk.words(member, pairing_pauses.said("pauses.reason", concern.link), n=LONGEST)
        return Question(text, free=True, also=_ALSO)
    length, reason = timedelta(days=int(str(prompt.draft["days"]))), str(prompt.draft["words"])
    lines = [
        desk.words(member, pairing_pauses.said("pauses.recap", concern.link), length=length, reason=reason)
    ]
    others = [one for one in readers.of(desk, concern.readers) if readers.id_of(desk, one) != member.id]
    if others:
        lines.append(desk.words(member, "pauses.both", names=readers.names(desk, others)))
    else:
        lines.append(desk.words(member, "pauses.alone"))
    return Question("\n".join(lines), _PAUSE, binding=True, also=_ALSO)


async def take_pause(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take the length, the reason, then the yes: to propose it, or to begin it where nobody else reads."""
    concern = await _of(desk, member, prompt.subject)
    if concern is None:
        desk.say(member.id, "reads.over")
        return
    draft: Draft = dict(prompt.draft)
    step = str(draft["step"])
    if reply.name == "no" or (reply.name == "back" and step == "days"):
        desk.ask(member.id, "reads", subject=concern.id)
        return
    if step == "recap" and reply.name == "yes":
        await _propose(desk, member, concern, draft)
        return
    if reply.name == "back" or step == "recap":
        draft["step"] = "words" if step == "recap" else "days"
    elif step == "days":
        draft.update(step="words", days=reply.name)
    else:
        words = own_words(reply.text, LONGEST)
        if words is None:
            desk.say(member.id, "talk.too_long", n=len(reply.text), longest=LONGEST)
        draft.update(step="recap" if words else "words", words=words or "")
    desk.ask(member.id, "pauses", subject=concern.id, draft=draft)


async def _propose(desk: Desk, member: Member, concern: Concern, draft: Draft) -> None:
    length = timedelta(days=int(str(draft["days"])))
    move = concerns.Propose(member.id, length, str(draft["words"]))
    until = await _decide(desk, concern, move)
    if until is None:
        for id in await _others(desk, member, concern):
            desk.queue(id, "weighs", subject=concern.id, until=concern.until)
        desk.say(member.id, "pauses.proposed")
    else:
        desk.say(member.id, pairing_pauses.said("pauses.begun", concern.link))


async def _decide(desk: Desk, concern: Concern, move: concerns.Move) -> PairingPause | None:
    """Make the move; the pause that it decides has begun."""
    pause = concerns.pause_of(concern, move, PairingPauseId(desk.turn.new_id()), desk.now)
    after, effects = concerns.advance(concern, move, desk.now)
    writer = await desk.member(concern.member)
    await desk.apply(effects)
    await desk.records.put(after)
    if pause is not None:
        if writer is not None:
            for line in await pairing_pauses.link_over(desk, writer, concern.link):
                desk.say_text(writer.id, line)
        await paused.begin(desk, pause)
    return pause


async def _tell(desk: Desk, member: Member, concern: Concern, key: str) -> None:
    """Tell whoever proposed it what the member answered."""
    for id in await _others(desk, member, concern):
        desk.say(id, key, notice=False, name=_own_name(desk, member), made=concern.made_at)


async def show_proposal(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """What the other reader proposes; it can be agreed to by whoever has read the concern."""
    concern = await _of(desk, member, prompt.subject)
    if concern is None or concern.proposal is None or concern.proposal.reader == member.id:
        return None
    proposal = concern.proposal
    name = readers.names(desk, readers.of(desk, (proposal.reader,)))[0]
    if member.id not in concern.opened:
        text = desk.words(member, "weighs.unopened", name=name)
        return Question(text, _INVITED)
    key = pairing_pauses.said("weighs.question", concern.link)
    text = desk.words(member, key, name=name, length=proposal.length, reason=proposal.reason)
    text = "\n".join((text, *(await pairing_pauses.link_over(desk, member, concern.link))))
    choices = (
        Choice("yes", "choice.weighs_yes"),
        Choice("no", "choice.weighs_no"),
        Choice("look", "choice.weighs_look"),
    )
    return Question(text, choices, binding=True)


async def weigh(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Agree to it, or not; or read the concern first."""
    concern = await _of(desk, member, prompt.subject)
    if concern is None or concern.proposal is None:
        desk.say(member.id, "reads.over")
    elif reply.name == "yes":
        await _decide(desk, concern, concerns.Agree(member.id))
        await _tell(desk, member, concern, "weighs.agreed")
        desk.say(member.id, pairing_pauses.said("pauses.begun", concern.link))
    elif reply.name == "no":
        await _decide(desk, concern, concerns.Decline(member.id))
        await _tell(desk, member, concern, "weighs.not_agreed")
        desk.say(member.id, "weighs.no")
    else:
        await answer(desk, member, prompt, Reply(("read",) if reply.name == "look" else reply.names))
