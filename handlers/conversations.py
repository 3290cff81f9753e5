"""Every kind of question and every command that there is, and the conversation that each belongs to.

Guards: what one conversation hands to another is joined here, so that no two have to know one another.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from handlers import (
    about,
    after,
    ages,
    apart,
    backup,
    buddies_apart,
    buddy,
    checkin,
    checkin_draft,
    checkin_list,
    clear,
    concern,
    consent,
    consents,
    either,
    extension,
    language,
    menu,
    new_words,
    offer,
    offering,
    own_plan,
    parting,
    paused,
    places,
    plan,
    practice,
    privacy,
    reader,
    readers,
    request,
    rest,
    room,
    smaller,
    talk,
    telling,
    unfinished,
    voucher,
    which,
    zone,
)
from handlers import draft as drafts
from handlers.desk import Desk
from handlers.question import Question, Reply
from schema.records import Member, Prompt
from service.core import asking

Show = Callable[[Desk, Member, Prompt], Awaitable[Question | None]]
Answer = Callable[[Desk, Member, Prompt, Reply], Awaitable[None]]
Command = Callable[[Desk, Member], Awaitable[None]]


@dataclass(frozen=True)
class Conversation:
    """How a kind of question is put, and how its answer is taken."""

    show: Show
    answer: Answer


async def _choose(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """An answer to the menu, or beside a conversation's own answers, is a command."""
    if reply.name == "places" and prompt.kind == "menu" and not member.waiting:
        # Its other numbers stand in the chat still, and one may be what is sent next.
        desk.keep(replace(desk.now_is(member.id), prompt=prompt))
    await COMMANDS[reply.name].run(desk, member)


async def _take_up(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    if reply.name == "change":
        talk.again(desk, member, prompt.draft)
    elif reply.name == "again":
        await talk.confirm(desk, member, prompt)
    else:
        # Its words are kept for as long as was said, whatever is looked at first.
        if reply.name == "places":
            desk.keep(replace(desk.now_is(member.id), prompt=prompt))
        else:
            desk.set_aside(member.id, prompt)
        await _choose(desk, member, prompt, reply)


async def _after(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    if reply.name == "company":
        await talk.start_with(
            desk, member, drafts.usual(desk, member) | {"wish": "conversation", "said": True}
        )
    elif reply.name == "wrong":
        await concern.start_after(desk, member, prompt.subject)
    else:
        await after.answer(desk, member, prompt, reply)


async def _apart(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    await apart.answer(desk, member, prompt, reply)
    await plan.part(desk, member.id)
    await buddies_apart.part(desk, member.id)


async def _afterwards(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    await after.answer(desk, member, prompt, reply)
    await plan.part(desk, member.id)
    await buddies_apart.part(desk, member.id)


async def _show_ages(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    question = await ages.show(desk, member, prompt)
    if question is None or not await buddies_apart.stands(desk, member):
        return question
    return replace(question, text=f"{desk.words(member, 'buddy.group_ends')}\n{question.text}")


async def _ages(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    await ages.answer(desk, member, prompt, reply)
    if desk.now_is(member.id).age_group != member.age_group:
        await buddies_apart.regroup(desk, desk.now_is(member.id))


async def _talks(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    await talk.answer(desk, member, prompt, reply)
    if desk.now_is(member.id).age_group != member.age_group:
        await buddies_apart.regroup(desk, desk.now_is(member.id), behind=True)


async def _offers(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    await offering.answer(desk, member, prompt, reply)
    if desk.now_is(member.id).age_group != member.age_group:
        await buddies_apart.regroup(desk, desk.now_is(member.id), behind=True)


async def _held(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    if reply.name == "menu":
        await menu.start(desk, member)
    else:
        await privacy.answer(desk, member, prompt, reply)


async def _listed(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    if reply.name == "menu":
        await menu.start(desk, member)
    else:
        await consents.answer(desk, member, prompt, reply)


async def _paused(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    if reply.name == "answer":
        paused.start_answer(desk, member, prompt)
    else:
        await _choose(desk, member, prompt, reply)


async def _buddies(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    own = await buddy.of(desk, member.id)
    if reply.name == "tell":
        await telling.start(desk, member)
    elif reply.name in ("change", "keep") and own is not None:
        if reply.name == "change":
            new_words.start(desk, member, own)
        else:
            await new_words.withdraw(desk, member, own)
    else:
        await buddy.answer(desk, member, prompt, reply)


async def _checkin(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    if reply.name == "company":
        await checkin.leads_on(desk, prompt)
        await talk.start(desk, member)
    elif reply.name == "places":
        await checkin.leads_on(desk, prompt)
        await places.start(desk, member)
    elif reply.name in ("own_plan", "tell_buddy"):
        await checkin.leads_on(desk, prompt)
        await COMMANDS[reply.name].run(desk, member)
    else:
        await checkin.answer(desk, member, prompt, reply)


async def _my_plan(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    if reply.name == "change":
        desk.ask(member.id, "change_plan")
    else:
        await _choose(desk, member, prompt, reply)


async def _unfinished(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    if reply.name == "anew":
        unfinished.drop(desk, member, prompt.subject)
        await COMMANDS[prompt.subject].run(desk, desk.now_is(member.id))
    else:
        unfinished.go_on(desk, member, prompt.subject)


CONVERSATIONS: Mapping[str, Conversation] = {
    "menu": Conversation(menu.show, _choose),
    "stop": Conversation(menu.show, menu.answer),
    "unfinished": Conversation(unfinished.show, _unfinished),
    "either": Conversation(either.show, _choose),
    "talk": Conversation(talk.show, _talks),
    "offer": Conversation(offering.show, _offers),
    "offered": Conversation(offer.show, offer.answer),
    "renew": Conversation(offer.show, offer.answer),
    "practice": Conversation(practice.show, practice.answer),
    "zone": Conversation(zone.show, zone.answer),
    "voucher": Conversation(voucher.show, voucher.answer),
    "vouch": Conversation(voucher.show, voucher.answer),
    "ages": Conversation(_show_ages, _ages),
    "language": Conversation(language.show, language.answer),
    "ask": Conversation(consent.show, consent.answer),
    "smaller": Conversation(smaller.show, smaller.answer),
    "note": Conversation(consent.show, consent.answer),
    "consent": Conversation(consent.show, consent.answer),
    "again": Conversation(request.show, _take_up),
    "apart": Conversation(apart.show, _apart),
    "kept": Conversation(apart.show, apart.answer),
    "after": Conversation(after.show, _after),
    "afterwards": Conversation(after.show, _afterwards),
    "concern": Conversation(concern.show, concern.answer),
    "concerns": Conversation(concern.show_own, concern.answer_own),
    "own_concern": Conversation(concern.show_own, concern.answer_own),
    "answered": Conversation(concern.show_answer, concern.answer_own),
    "to_read": Conversation(reader.show_list, reader.answer_list),
    "reads": Conversation(reader.show, reader.answer),
    "answers": Conversation(reader.show_answer, reader.take_answer),
    "pauses": Conversation(reader.show_pause, reader.take_pause),
    "weighs": Conversation(reader.show_proposal, reader.weigh),
    "paused": Conversation(paused.show, _paused),
    "objects": Conversation(paused.show_answer, paused.take_answer),
    "lift": Conversation(paused.show_lift, paused.lift),
    "clear": Conversation(clear.show, clear.answer),
    "extend": Conversation(extension.show, extension.answer),
    "more": Conversation(extension.show, extension.answer),
    "which": Conversation(which.show, which.answer),
    "backup": Conversation(backup.show, backup.answer),
    "pass": Conversation(parting.show, parting.answer),
    "stays": Conversation(parting.show, parting.answer),
    "left": Conversation(parting.show, parting.answer),
    "absent": Conversation(parting.show, parting.answer),
    "buddies": Conversation(buddy.show, _buddies),
    "buddy": Conversation(buddy.show, buddy.answer),
    "buddy_ended": Conversation(buddy.show, buddy.answer),
    "be_buddy": Conversation(buddy.show, buddy.answer),
    "new_words": Conversation(new_words.show, new_words.answer),
    "agree_words": Conversation(new_words.show_asked, new_words.answer_asked),
    "tell_buddy": Conversation(telling.show, telling.answer),
    "my_plan": Conversation(own_plan.show, _my_plan),
    "change_plan": Conversation(own_plan.show, own_plan.answer),
    "own_plan": Conversation(own_plan.show, own_plan.answer),
    "delete_plan": Conversation(own_plan.show, own_plan.answer),
    "held": Conversation(privacy.show, _held),
    "consents": Conversation(consents.show, _listed),
    "take_back": Conversation(consents.show, consents.answer),
    "forget": Conversation(privacy.show, privacy.answer),
    checkin.KIND: Conversation(checkin.show, _checkin),
    "checkin_on": Conversation(checkin.show_on, checkin.answer_on),
    "new_checkin": Conversation(checkin_draft.show, checkin_draft.answer),
    "checkins": Conversation(checkin_list.show, checkin_list.answer),
    "own_checkin": Conversation(checkin_list.show, checkin_list.answer),
    "pause_checkin": Conversation(checkin_list.show, checkin_list.answer_pause),
    "end_checkin": Conversation(checkin_list.show, checkin_list.answer_end),
}
"""Every kind of question, by the name that its prompt bears."""


async def _talk(desk: Desk, member: Member) -> None:
    if await request.of(desk, member.id) is not None or not unfinished.asks(desk, member, "talk"):
        await talk.start(desk, member)


async def _concern(desk: Desk, member: Member) -> None:
    if not unfinished.asks(desk, member, "concern"):
        await concern.start(desk, member)


async def _own_plan(desk: Desk, member: Member) -> None:
    if await own_plan.of(desk, member.id) is not None or not unfinished.asks(desk, member, "own_plan"):
        await own_plan.start(desk, member)


async def _name_buddy(desk: Desk, member: Member) -> None:
    if await buddy.of(desk, member.id) is not None or not unfinished.asks(desk, member, "buddies"):
        await buddy.start(desk, member)


async def _new_checkin(desk: Desk, member: Member) -> None:
    if not unfinished.asks(desk, member, "new_checkin"):
        await checkin_draft.start(desk, member)


async def _rest(desk: Desk, member: Member) -> None:
    if await offer.of(desk, member) is None:
        desk.say(member.id, "offer.none", notice=False)
    else:
        await rest.until_tomorrow(desk, member)


async def _withdraw(desk: Desk, member: Member) -> None:
    if await offer.of(desk, member) is None:
        desk.say(member.id, "offer.none", notice=False)
    else:
        await offer.withdraw(desk, member)


async def _offer(desk: Desk, member: Member) -> None:
    stands = await offer.of(desk, member) is not None
    if stands or not (await paused.hinders(desk, member) or unfinished.asks(desk, member, "offer")):
        await offer.start(desk, member)
    if stands:
        await paused.remind(desk, member)


async def offer_line(desk: Desk, member: Member, said: asking.Line) -> None:
    """Begin an offer with what one line said of it; one that stands is shown, and nothing of it changes."""
    await _offer(desk, member)
    now = desk.now_is(member.id)
    if now.prompt is not None and now.prompt.kind == "offer":
        offering.take_line(desk, now, dict(now.prompt.draft), said)


async def _change(desk: Desk, member: Member) -> None:
    """A request that stands or is drafted; else a check-in, where there are any."""
    prompt = desk.now_is(member.id).prompt
    drafted = prompt is not None and prompt.kind == "talk"
    if not drafted and await request.of(desk, member.id) is None and await checkin.of(desk, member.id):
        await checkin_list.change_one(desk, member)
    else:
        await talk.change(desk, member)


async def _concerns(desk: Desk, member: Member) -> None:
    """Whoever reads concerns sees those; anybody else their own."""
    await (reader.mine if readers.of(desk, (member.id,)) else concern.mine)(desk, member)


@dataclass(frozen=True)
class _Command:
    """A word that works on its own: `words` is its sentence of the catalogue, every word that means it.

    `everywhere`: also where a person's own words are asked for.
    """

    words: str
    run: Command
    everywhere: bool = False


COMMANDS: Mapping[str, _Command] = {
    "menu": _Command("command.menu", menu.start, everywhere=True),
    "hello": _Command("command.hello", menu.greet_again),
    "about": _Command("command.about", about.start),
    "places": _Command("command.places", places.start, everywhere=True),
    "back": _Command("command.back", menu.back, everywhere=True),
    "skip": _Command("command.skip", menu.skip, everywhere=True),
    "stop": _Command("command.stop", menu.stop, everywhere=True),
    "status": _Command("command.status", menu.status, everywhere=True),
    "talk": _Command("command.talk", _talk),
    "change": _Command("command.change", _change),
    "linked": _Command("command.linked", talk.ask_linked),
    "offer": _Command("command.offer", _offer),
    "guide": _Command("command.guide", practice.guide),
    "practice": _Command("command.practice", practice.start),
    "new_checkin": _Command("command.new_checkin", _new_checkin),
    "checkins": _Command("command.checkins", checkin_list.mine, everywhere=True),
    "change_checkin": _Command("command.change_checkin", checkin_list.change_one),
    "end_checkin": _Command("command.end_checkin", checkin_list.end_one),
    "skip_next": _Command("command.skip_next", checkin_list.skip_next),
    "pause_checkins": _Command("command.pause_checkins", checkin_list.pause),
    "resume_checkins": _Command("command.resume_checkins", checkin_list.resume),
    "zone": _Command("command.zone", zone.start),
    "ages": _Command("command.ages", ages.start),
    "language": _Command("command.language", language.start, everywhere=True),
    "rest": _Command("command.rest", _rest),
    "withdraw": _Command("command.withdraw", _withdraw),
    "close": _Command("command.close", which.close),
    "extend": _Command("command.extend", which.extend),
    "backup": _Command("command.backup", backup.start),
    "pass": _Command("command.pass", parting.pass_on),
    "return": _Command("command.return", parting.come_back),
    "erase": _Command("command.erase", room.erase_now),
    "apart": _Command("command.apart", apart.start, everywhere=True),
    "once_more": _Command("command.once_more", after.say_again),
    "never_again": _Command("command.never_again", after.say_never),
    "not_again": _Command("command.not_again", after.end_again),
    "kept_apart": _Command("command.kept_apart", apart.kept, everywhere=True),
    "concern": _Command("command.concern", _concern),
    "own_concerns": _Command("command.own_concerns", concern.mine, everywhere=True),
    "concerns": _Command("command.concerns", _concerns, everywhere=True),
    "buddies": _Command("command.buddies", _name_buddy, everywhere=True),
    "tell_buddy": _Command("command.tell_buddy", telling.start, everywhere=True),
    "end_buddy": _Command("command.end_buddy", buddy.end_one, everywhere=True),
    "here": _Command("command.here", telling.here),
    "own_plan": _Command("command.own_plan", _own_plan, everywhere=True),
    "clear": _Command("command.clear", clear.start, everywhere=True),
    "held": _Command("command.held", privacy.hold, everywhere=True),
    "consents": _Command("command.consents", consents.start, everywhere=True),
    "export": _Command("command.export", privacy.export, everywhere=True),
    "forget": _Command("command.forget", privacy.start_forgetting, everywhere=True),
}
"""Every command, by our name for it."""

NAMES = {command.words: name for name, command in COMMANDS.items()}
"""Our name for each command, by the sentence that holds its words."""
