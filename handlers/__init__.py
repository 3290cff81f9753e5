"""One file a conversation; they decide, core rules, the runtime acts.

Guards: every event comes in at `dispatch`, and one that is delivered twice changes nothing the second time; a
message counts only if it is new, whole, the member's own and in a chat that is theirs alone.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from handlers import (
    about,
    after,
    ages,
    apart,
    backup,
    calm,
    clear,
    concern,
    consent,
    consents,
    extension,
    identity,
    language,
    line,
    menu,
    offer,
    offering,
    outside,
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
    steward,
    talk,
    voucher,
    which,
    zone,
)
from handlers.desk import PASSING, Desk, Question, Reply
from handlers.words import normal
from schema.effects import (
    AcceptIdentity,
    AnswerPlainRoom,
    JoinRoom,
    LeaveRoom,
    LookAround,
    OpenDirectChat,
    RedactChat,
    SendFile,
    SendText,
    TellStewards,
)
from schema.events import (
    Delivered,
    DirectChat,
    Due,
    Invited,
    Message,
    NoChat,
    NotDelivered,
    PeerMembership,
    PlainMessage,
    StewardMessage,
    StewardRoom,
    Unreadable,
    Verified,
)
from schema.ids import MatrixId, MemberId, RoomId
from schema.records import (
    Ask,
    Concern,
    Meeting,
    Member,
    Offer,
    Outlook,
    Pairing,
    PairingPause,
    PeerRoom,
    Prompt,
    Request,
    Stewardship,
    Voucher,
)
from schema.states import Belongs, Flood, PairingState
from service.core import chats
from service.turn import Turn

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
        await _choose(desk, member, prompt, reply)


async def _after(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    if reply.name == "company":
        await talk.start(desk, member)
    elif reply.name == "wrong":
        await concern.start_after(desk, member, prompt.subject)
    else:
        await after.answer(desk, member, prompt, reply)


async def _apart(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    await apart.answer(desk, member, prompt, reply)
    await plan.part(desk, member.id)


async def _afterwards(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    await after.answer(desk, member, prompt, reply)
    await plan.part(desk, member.id)


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


CONVERSATIONS: Mapping[str, Conversation] = {
    "menu": Conversation(menu.show, _choose),
    "stop": Conversation(menu.show, menu.answer),
    "talk": Conversation(talk.show, talk.answer),
    "offer": Conversation(offering.show, offering.answer),
    "offered": Conversation(offer.show, offer.answer),
    "renew": Conversation(offer.show, offer.answer),
    "practice": Conversation(practice.show, practice.answer),
    "zone": Conversation(zone.show, zone.answer),
    "voucher": Conversation(voucher.show, voucher.answer),
    "vouch": Conversation(voucher.show, voucher.answer),
    "ages": Conversation(ages.show, ages.answer),
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
    "held": Conversation(privacy.show, _held),
    "consents": Conversation(consents.show, _listed),
    "take_back": Conversation(consents.show, consents.answer),
    "forget": Conversation(privacy.show, privacy.answer),
}
"""Every kind of question, by the name that its prompt bears."""


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
    if stands or not await paused.hinders(desk, member):
        await offer.start(desk, member)
    if stands:
        await paused.remind(desk, member)


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
    "status": _Command("command.status", menu.status),
    "talk": _Command("command.talk", talk.start),
    "change": _Command("command.change", talk.change),
    "offer": _Command("command.offer", _offer),
    "guide": _Command("command.guide", practice.guide),
    "practice": _Command("command.practice", practice.start),
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
    "concern": _Command("command.concern", concern.start),
    "own_concerns": _Command("command.own_concerns", concern.mine, everywhere=True),
    "concerns": _Command("command.concerns", _concerns, everywhere=True),
    "clear": _Command("command.clear", clear.start, everywhere=True),
    "held": _Command("command.held", privacy.hold, everywhere=True),
    "consents": _Command("command.consents", consents.start, everywhere=True),
    "export": _Command("command.export", privacy.export, everywhere=True),
    "forget": _Command("command.forget", privacy.start_forgetting, everywhere=True),
}
"""Every command, by our name for it."""

_NAMES = {command.words: name for name, command in COMMANDS.items()}


async def dispatch(turn: Turn) -> None:
    """Handle one event: change records, and collect what is to be done in `turn.effects`."""
    desk = Desk(turn)

    async def show(member: Member, prompt: Prompt) -> Question | None:
        return await CONVERSATIONS[prompt.kind].show(desk, member, prompt)

    match turn.event:
        case Message() as event:
            await _message(desk, event)
        case PlainMessage() as event:
            await _plain(desk, event)
        case Unreadable() as event:
            await _unreadable(desk, event)
        case Invited() as event:
            turn.do(JoinRoom(event.room) if event.direct else LeaveRoom(event.room))
        case DirectChat() as event:
            await _direct_chat(desk, event)
        case NoChat() as event:
            turn.do(LeaveRoom(event.room))
        case Verified() as event:
            await _verified(desk, event)
        case PeerMembership() as event:
            await room.membership(desk, event)
        case StewardRoom() as event:
            await steward.here(desk, event)
        case StewardMessage() as event:
            await steward.heard(desk, event)
        case Due() as event:
            await _due(desk, event)
        case Delivered(effect=LookAround(), detail=unwell):
            await steward.looked(desk, unwell)
        case Delivered(effect=AcceptIdentity(member=matrix_id)):
            await identity.accepted(desk, matrix_id)
        case Delivered(effect=OpenDirectChat(member=matrix_id), room=str() as found, detail="there"):
            await _back_in_chat(desk, matrix_id, RoomId(found))
        case Delivered(effect=RedactChat() as effect, detail=reached):
            await clear.cleared(desk, effect, reached)
        case Delivered() as event:
            await room.delivered(desk, event)
        case NotDelivered() as event:
            await _not_delivered(desk, event)
    await desk.settle(show)


async def _member(desk: Desk, matrix_id: MatrixId) -> Member:
    """Whoever has this Matrix ID; a record is made at their first word."""
    id = desk.turn.identify(matrix_id)
    member = await desk.member(id)
    if member is None:
        member = desk.newcomer(matrix_id)
        desk.keep(member)
    return member


_ELSEWHERE = "elsewhere"
"""The line of a member who is to hear in a new chat why the old one had no answer."""

# What a member writes


async def _message(desk: Desk, event: Message) -> None:
    if event.kind == "notice":
        return
    if event.changed:
        await identity.heard(desk, await _member(desk, event.sender), event)
        return
    if not event.private:
        await _not_private(desk, event)
        return
    known = await desk.member(desk.turn.identify(event.sender))
    if known is None and event.belongs is not Belongs.MEMBER:
        await outside.answer(desk, event.room, event.sender, event.belongs)
        return
    member = await _member(desk, event.sender)
    if event.flood is not Flood.NONE and not calm.passes(
        desk, member, _command(desk, member, _own_part(event))
    ):
        calm.answer(desk, member, event)
        return
    if member.room != event.room:
        member = _in_chat(member, event.room)
        desk.keep(member)
    desk.writes(member.id)
    first = not member.told_limits
    if first:
        member = replace(member, told_limits=True)
        desk.keep(member)
    if event.edits:
        desk.say(member.id, "odd.edit")
    elif event.kind != "text":
        if desk.seldom(member.id, "not_text", timedelta(minutes=1)):
            desk.say(member.id, "odd.not_text")
    elif not await _reply(desk, member, event, first=first) and not first:
        desk.ask(member.id, "menu", subject="fallback")
    if first:
        _first_words(desk, desk.now_is(member.id))


def _first_words(desk: Desk, member: Member) -> None:
    """Say what this is before all else, whatever the first message was."""
    if member.prompt is None or member.prompt.kind == "menu":
        menu.greet(desk, member)
    else:
        desk.say_first(member.id, menu.hello(desk, member))


async def _reply(desk: Desk, member: Member, event: Message, *, first: bool) -> bool:
    """Take the message as an answer, a command or a person's own words; False where it fits nothing."""
    body = _own_part(event)
    if (typed := apart.named(desk, member, body)) is not None:
        await apart.name(desk, member, typed)
        return True
    prompt = member.prompt
    if prompt is not None and desk.over(prompt):
        desk.put_away(member.id)
        prompt = None
    question = None if prompt is None else await _question(desk, member, prompt)
    command = _command(desk, member, body)
    chosen = language.named(desk, body)
    if chosen and (question is None or desk.read(member, question, body) is None):
        language.choose(desk, member, chosen)
        return True
    if event.belongs is not Belongs.MEMBER and outside.begins(desk, member, prompt, question, command, body):
        desk.say_text(member.id, await outside.words(desk, member), notice=False)
        return True
    if prompt is not None and question is not None:
        if prompt.aside and command == "back":
            desk.ask_again(member.id)
            return True
        reply = desk.read(member, question, body)
        if reply is None and command in question.also:
            reply = Reply((command,))
        if reply is None and question.free and (command is None or not COMMANDS[command].everywhere):
            reply = Reply(text=body)
        if reply is not None:
            await _answer(desk, member, prompt, question, reply, event)
            return True
    if command is not None:
        await COMMANDS[command].run(desk, desk.now_is(member.id))
        return True
    if (rests := _behind(desk, member, "command.rest", body)) and await rest.typed(desk, member, rests):
        return True
    # Whether they would like more time too is asked by itself, and once: an odd word does not put it away.
    in_between = (
        prompt is not None and question is not None and (prompt.kind not in PASSING or prompt.kind == "more")
    )
    said = line.read(desk, member, body)
    if said is not None and event.belongs is not Belongs.MEMBER:
        desk.say_text(member.id, await outside.words(desk, member), notice=False)
        return True
    if said is not None and not (in_between and said.sentence):
        await line.begin(desk, desk.now_is(member.id), said)
        return True
    if in_between:
        desk.say(member.id, "odd.not_an_answer")
        desk.ask_again(member.id)
        return True
    if prompt is None and desk.waits(member.id):
        desk.say(member.id, "odd.unseen")
        desk.take_back(member.id)
        return True
    if normal(body).isdigit() and not first and prompt is None:
        desk.ask(member.id, "menu", subject="nothing_open")
        return True
    return False


async def _question(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question that is open, as it stands now; one that is not a question any more is put away."""
    question = await CONVERSATIONS[prompt.kind].show(desk, member, prompt)
    if question is None:
        desk.put_away(member.id)
    return question


async def _answer(
    desk: Desk, member: Member, prompt: Prompt, question: Question, reply: Reply, event: Message
) -> None:
    if question.binding and event.quotes is not None:
        desk.say(member.id, "odd.quote")
        desk.ask_again(member.id)
        return
    if question.binding and (doubt := _doubt(desk, prompt, question, reply, event)):
        desk.say(member.id, doubt)
        desk.ask_again(member.id, repeated=True)
        return
    desk.put_away(member.id)
    desk.answered(normal(_own_part(event)) if reply.names else "")
    await CONVERSATIONS[prompt.kind].answer(desk, desk.now_is(member.id), prompt, reply)


def _doubt(desk: Desk, prompt: Prompt, question: Question, reply: Reply, event: Message) -> str:
    """Why it is not certain that a message answers this binding question, as the sentence to say; or empty.

    A message typed before the question was read, or a second time by mistake, is no consent to it. Whatever
    is not a yes gives nothing and counts at once, but for a number that may be meant for the question before.
    """
    since = desk.now - prompt.asked_at
    word = normal(_own_part(event))
    number = word.isdigit()
    twice = word == prompt.brought and since < desk.timings.prompt_pause
    before = prompt.instead and since < desk.timings.idle
    if not reply.consents:
        if number and not prompt.repeated and (twice or before):
            return "odd.too_soon" if since < desk.timings.prompt_pause else "odd.instead"
        return ""
    if twice or _too_soon(desk, prompt, event):
        return "odd.too_soon"
    if before and (number or prompt.instead not in PASSING):
        return "odd.instead"
    if question.until is None and since > desk.timings.idle:
        return "odd.long_ago"
    return ""


def _too_soon(desk: Desk, prompt: Prompt, event: Message) -> bool:
    """Whether the question cannot have been read: within seconds where it came by itself, else not yet there.

    Our own clock decides, since waiting a moment then always helps; the sender's, which may be wrong, counts
    once.
    """
    read = prompt.asked_at + (desk.timings.prompt_pause if prompt.by_itself else timedelta(0))
    return desk.now < read or (event.sent_at < read and not prompt.repeated)


def _command(desk: Desk, member: Member, body: str) -> str | None:
    key = desk.turn.words.commands(member.language).get(normal(body))
    return None if key is None else _NAMES[key]


def _behind(desk: Desk, member: Member, key: str, body: str) -> str:
    """What stands after one of the words of sentence `key`, with which `body` begins; or nothing."""
    first, _, rest_of_it = body.strip().partition(" ")
    return rest_of_it.strip() if normal(first) in desk.spoken(member, key) else ""


def _own_part(event: Message) -> str:
    """What they typed themselves: older clients repeat the quoted message before it, each line after "> "."""
    lines = event.body.strip().split("\n")
    if event.quotes is not None:
        while lines and lines[0].startswith("> "):
            lines.pop(0)
    return "\n".join(lines).strip()


async def _not_private(desk: Desk, event: Message) -> None:
    """Somebody else is in the chat: nothing said there counts, and nothing of theirs is said there.

    Whoever never wrote in private is no member, and gets no answer there.
    """
    member = await desk.member(desk.turn.identify(event.sender))
    if member is None:
        return
    if member.room == event.room:
        member = replace(member, room=None)
        desk.keep(member)
    if not desk.seldom(member.id, "not_private", timedelta(hours=1)):
        return
    if member.room is not None:
        desk.say(member.id, "odd.not_private")
    else:
        # Why is said in the new chat, once they are there: nothing goes into a room with somebody else.
        desk.seldom(member.id, _ELSEWHERE, timedelta(hours=1))
        desk.turn.do(OpenDirectChat(member.matrix_id))


async def _plain(desk: Desk, event: PlainMessage) -> None:
    """The fixed answer. Nothing is kept of whoever is no member: the sync brings such an event seldom."""
    id = desk.turn.identify(event.sender)
    known = await desk.member(id)
    if known is None or desk.seldom(id, "plain", timedelta(hours=1)):
        met = known is not None and known.room is not None
        body = language.plain(desk, event.sender, "odd.plain_known" if met else "odd.plain")
        desk.turn.do(AnswerPlainRoom(event.room, event.sender, body))
        if not met:
            desk.turn.do(OpenDirectChat(event.sender, event.room))


async def _unreadable(desk: Desk, event: Unreadable) -> None:
    if event.changed and (found := await desk.member(desk.turn.identify(event.sender))) is not None:
        identity.ask(desk, found)
    if not event.private:
        return
    if event.belongs is not Belongs.MEMBER and await desk.member(desk.turn.identify(event.sender)) is None:
        await outside.answer(desk, event.room, event.sender, event.belongs)
        return
    member = await _member(desk, event.sender)
    if member.room != event.room:
        desk.keep(replace(member, room=event.room))
    if desk.seldom(member.id, "unreadable", timedelta(minutes=1)):
        desk.say(member.id, "odd.unreadable", notice=False)


async def _verified(desk: Desk, event: Verified) -> None:
    """Say what a verification is worth; of one that does not match, that they had better not go on."""
    member = await desk.member(desk.turn.identify(event.member))
    if member is not None and desk.seldom(member.id, f"verified {event.outcome}", timedelta(minutes=1)):
        mismatch = event.outcome == "mismatch"
        key = _VERIFIED[event.outcome]
        name = desk.community_of(member).name
        desk.say(member.id, key, notice=not mismatch, community=name)


_VERIFIED = {"done": "verified.done", "mismatch": "verified.mismatch", "stopped": "verified.stopped"}


def _in_chat(member: Member, room: RoomId) -> Member:
    """The member, whom `room` reaches from now on."""
    lines = {line: at for line, at in member.lines.items() if line != _ELSEWHERE}
    return replace(member, room=room, lines=lines)


async def _back_in_chat(desk: Desk, matrix_id: MatrixId, chat: RoomId) -> None:
    """They have an older chat with us alone: say there at once why the one they wrote in had no answer."""
    member = await desk.member(desk.turn.identify(matrix_id))
    if member is not None and member.room is None and _ELSEWHERE in member.lines:
        desk.keep(_in_chat(member, chat))
        desk.say(member.id, "odd.not_private", notice=False)
        desk.ask_again(member.id)


async def _direct_chat(desk: Desk, event: DirectChat) -> None:
    if not event.present:
        member = await desk.member(desk.turn.identify(event.member))
        if member is not None and member.room == event.room:
            desk.keep(replace(member, room=None))
        return
    known = await desk.member(desk.turn.identify(event.member))
    if known is None and event.belongs is not Belongs.MEMBER:
        await outside.answer(desk, event.room, event.member, event.belongs)
        return
    member = await _member(desk, event.member)
    if member.room == event.room and member.told_limits:
        return
    desk.keep(replace(_in_chat(member, event.room), told_limits=True))
    desk.writes(member.id)
    if _ELSEWHERE in member.lines:
        desk.say(member.id, "odd.not_private")
    if not member.told_limits:
        menu.greet(desk, member)
    else:
        desk.say(member.id, "menu.new_chat")
        if lines := await menu.standing(desk, member):
            desk.say_text(member.id, "\n".join(lines))
        desk.ask_again(member.id)


# What comes by itself


async def _due(desk: Desk, event: Due) -> None:
    """Hand the record to its conversation, if its hour really has come: it may have moved since."""
    match event.kind:
        case "requests":
            if (wish := await desk.records.get(Request, event.id)) and _is_due(desk, wish):
                await request.due(desk, wish)
        case "offers":
            if (found := await desk.records.get(Offer, event.id)) and _is_due(desk, found):
                await offer.due(desk, found)
        case "asks":
            if (ask := await desk.records.get(Ask, event.id)) and _is_due(desk, ask):
                await request.ask_due(desk, ask)
        case "pairings":
            if (pairing := await desk.records.get(Pairing, event.id)) and _is_due(desk, pairing):
                planned = pairing.state is PairingState.PLANNED
                await (plan.due if planned else request.pairing_due)(desk, pairing)
        case "members":
            if (member := await desk.member(MemberId(event.id))) and _is_due(desk, member):
                desk.let_lapse(member)
                await desk.sweep(desk.now_is(member.id))
        case "peer_rooms":
            if (peer_room := await desk.records.get(PeerRoom, event.id)) and _is_due(desk, peer_room):
                await room.due(desk, peer_room)
        case "meetings":
            if (meeting := await desk.records.get(Meeting, event.id)) and _is_due(desk, meeting):
                await after.due(desk, meeting)
        case "vouchers":
            if (found_voucher := await desk.records.get(Voucher, event.id)) and _is_due(desk, found_voucher):
                await voucher.due(desk, found_voucher)
        case "concerns":
            if (wrong := await desk.records.get(Concern, event.id)) and _is_due(desk, wrong):
                await concern.due(desk, wrong)
        case "pairing_pauses":
            if (stopped := await desk.records.get(PairingPause, event.id)) and _is_due(desk, stopped):
                await paused.due(desk, stopped)
        case "stewardships":
            if (kept := await desk.records.get(Stewardship, event.id)) and _is_due(desk, kept):
                await steward.due(desk)
        case "outlooks":
            if (look := await desk.records.get(Outlook, event.id)) and _is_due(desk, look):
                await desk.records.delete(Outlook, look.id)


_Due = (
    Member
    | Request
    | Offer
    | Ask
    | Pairing
    | PeerRoom
    | Meeting
    | Concern
    | PairingPause
    | Stewardship
    | Outlook
    | Voucher
)


def _is_due(desk: Desk, record: _Due) -> bool:
    return record.due_at is not None and record.due_at <= desk.now


async def _not_delivered(desk: Desk, event: NotDelivered) -> None:
    effect = event.effect
    if isinstance(effect, OpenDirectChat):
        await _no_chat(desk, effect, event.reason)
        return
    if isinstance(effect, TellStewards):
        await steward.unsaid(desk)
        return
    if isinstance(effect, RedactChat) and effect.asked:
        await clear.cleared(desk, effect, "partly")
        return
    if isinstance(effect, RedactChat):
        chatting = await desk.member(desk.turn.identify(effect.member))
        if chatting is not None:
            desk.keep(chats.fail(chatting, effect, desk.now))
        return
    if isinstance(effect, LookAround):
        return
    if not isinstance(effect, SendText | SendFile):
        await room.not_delivered(desk, event)
        return
    member = await desk.member(desk.turn.identify(effect.member))
    if member is None or member.room != effect.room:
        return
    if isinstance(effect, SendFile) and event.reason not in ("identity_changed", "not_private"):
        privacy.export_refused(desk, member, effect)
        return
    if event.reason == "M_TOO_LARGE":
        # Put again it would be refused again: the question goes, and they hear that something was not said.
        desk.put_away(member.id)
        desk.say(member.id, "odd.too_large", notice=False)
        return
    await _unseen(desk, member)
    if event.reason == "deadline":
        return
    if event.reason == "identity_changed":
        identity.ask(desk, member)
        return
    # The chat takes nothing any more. Their next message, from whichever chat, says where they are.
    desk.keep(replace(desk.now_is(member.id), room=None))
    if event.reason == "not_private" and desk.seldom(member.id, "not_private", timedelta(hours=1)):
        desk.seldom(member.id, _ELSEWHERE, timedelta(hours=1))
        desk.turn.do(OpenDirectChat(member.matrix_id))


async def _no_chat(desk: Desk, effect: OpenDirectChat, reason: str) -> None:
    """Who blocks the invitation is told once, in the one fixed sentence, what they can do themselves."""
    if reason == "M_INVITE_BLOCKED" and effect.plain is not None:
        body = language.plain(desk, effect.member, "odd.plain_blocked")
        desk.turn.do(AnswerPlainRoom(effect.plain, effect.member, body))


async def _unseen(desk: Desk, member: Member) -> None:
    """What was said did not arrive: whatever is open counts as never put, so that no yes goes to it."""
    prompt = member.prompt
    desk.unseen(member.id)
    if prompt is not None and prompt.kind == "consent":
        pairing = await desk.records.get(Pairing, prompt.subject)
        if pairing is not None:
            await desk.records.put(replace(pairing, seen=False))
    if prompt is not None and prompt.kind == "note":
        ask = await desk.records.get(Ask, prompt.subject)
        if ask is not None:
            await desk.records.put(replace(ask, note_seen=False))
