"""What a steward writes in the steward room: how the service stands, a pause, the places, where concerns go.

Guards: only a steward by the configuration who is in the room, whose message was decrypted and is new, is
heard; whatever changes something is said again whole first, and done after one yes by the same steward; no
number and no sentence there tells of one person.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from handlers import finding, link_life, odd, places, readers, steward_links, voucher
from handlers import pause as pauses
from handlers import request as requests
from handlers.answer import own_words, read_answer
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from handlers.steward_room import StewardRoom
from handlers.words import normal
from schema import events
from schema.community import Place
from schema.effects import LookAround, RedactStewards
from schema.records import Ask, Offer, Pause, PeerRoom, Prompt, Request
from schema.states import AskState, OfferState, RequestState
from service.core import rooms, steward

Run = Callable[[StewardRoom, str], Awaitable[None]]
Show = Callable[[StewardRoom, Prompt], Awaitable[Question | None]]
Answer = Callable[[StewardRoom, Prompt, Reply], Awaitable[None]]

LONGEST_PAUSE = 500
"""Characters of the words that members are told."""

_YES_NO = (Choice("yes", "steward.choice_yes"), Choice("no", "steward.choice_no"))


@dataclass(frozen=True)
class Command:
    """A word that works on its own: `words` is its sentence of the catalogue; `rest`: more may follow it.

    `named` is what runs where an address follows.
    """

    words: str
    run: Run
    rest: bool = False
    named: Run | None = None


@dataclass(frozen=True)
class Conversation:
    """How a kind of question is put, and how its answer is taken."""

    show: Show
    answer: Answer


# How it stands


async def _status(room: StewardRoom, _: str) -> None:
    """The parts are looked at first; the five lines come with what was seen."""
    room.desk.turn.do(LookAround())


async def looked(desk: Desk, unwell: str) -> None:
    """Say how the service stands; `unwell` names the parts that are not as they should be."""
    room = await StewardRoom.of(desk)
    pause = await pauses.of(desk)
    parts = [room.words(_PARTS[name]) for name in unwell.split()]
    old = _unchecked(room)
    lines = [
        room.words("steward.runs") if pause is None else pauses.line(desk, room.reader, pause),
        room.words("steward.unwell", parts=parts) if parts else room.words("steward.well"),
        room.words(
            "steward.counts",
            requests=_number(room, len(await desk.records.find(Request, state=finding.STANDING))),
            offers=_number(room, len(await desk.records.find(Offer, state=OfferState.OPEN))),
            rooms=_number(room, len(await desk.records.find(PeerRoom, state=rooms.LIVE))),
        ),
        room.words("steward.places", n=len(desk.community.places), old=len(old)),
        room.words("steward.here", n=len(room.kept.here), named=len(desk.community.stewards)),
    ]
    room.say_text("\n".join(lines), notice=False)
    await room.close()


def _number(room: StewardRoom, count: int) -> str:
    least = steward.least(count)
    if not least:
        return room.words("steward.fewer", step=steward.STEP)
    return room.words("steward.at_least", least=least)


_PARTS = {
    "sync": "steward.part_sync",
    "database": "steward.part_database",
    "identity": "steward.part_identity",
    "keeper": "steward.part_keeper",
    "lease": "steward.part_lease",
    "timer": "steward.part_timer",
}
"""What is not well, by its name in /readyz."""


# The menu


async def _menu(room: StewardRoom, _: str) -> None:
    room.ask("menu")


async def _show_menu(room: StewardRoom, prompt: Prompt) -> Question | None:
    change = "resume" if await pauses.of(room.desk) else "pause"
    vouch = ("vouch",) if room.desk.community.vouchers else ()
    names = ("status", change, "places", *vouch, "links")
    return Question(room.words("steward.menu"), tuple(Choice(name, _MENU[name]) for name in names))


async def _choose(room: StewardRoom, prompt: Prompt, reply: Reply) -> None:
    await COMMANDS[reply.name].run(room, "")


_MENU = {
    "status": "steward.choice_status",
    "pause": "steward.choice_pause",
    "resume": "steward.choice_resume",
    "places": "steward.choice_places",
    "vouch": "steward.choice_vouch",
    "links": "steward.choice_links",
}


# A pause


async def _pause(room: StewardRoom, _: str) -> None:
    room.ask("pause", draft={"step": "words"})


async def _show_pause(room: StewardRoom, prompt: Prompt) -> Question | None:
    if prompt.draft["step"] == "words":
        return Question(room.words("steward.pause_words", n=LONGEST_PAUSE), free=True)
    text = room.words(
        "steward.pause_recap", words=str(prompt.draft["words"]), every=room.desk.timings.ask_again
    )
    return Question(text, _YES_NO, binding=True)


async def _answer_pause(room: StewardRoom, prompt: Prompt, reply: Reply) -> None:
    desk = room.desk
    if prompt.draft["step"] == "words":
        words = own_words(reply.text, LONGEST_PAUSE)
        if not words:
            room.say("steward.pause_long", n=len(reply.text), longest=LONGEST_PAUSE)
            room.ask("pause", draft={"step": "words"})
        else:
            room.ask("pause", draft={"step": "recap", "words": words})
        return
    if reply.name != "yes":
        room.say("steward.kept")
        return
    words = str(prompt.draft["words"])
    since = room.kept.paused.since if room.kept.paused else desk.now
    room.pause(Pause(words, since))
    # A question that was not put yet is one to somebody new: it counts as not asked.
    for ask in await desk.records.find(Ask, state=AskState.WAITING):
        await requests.drop_ask(desk, ask)
    room.say("steward.paused", words=words, notice=False)


async def _resume(room: StewardRoom, _: str) -> None:
    if await pauses.of(room.desk) is None:
        room.say("steward.not_paused", notice=False)
    else:
        room.ask("resume")


async def _show_resume(room: StewardRoom, prompt: Prompt) -> Question | None:
    pause = await pauses.of(room.desk)
    if pause is None:
        return None
    return Question(room.words("steward.resume_recap", since=pause.since), _YES_NO, binding=True)


async def _answer_resume(room: StewardRoom, prompt: Prompt, reply: Reply) -> None:
    desk = room.desk
    if reply.name != "yes":
        room.say("steward.kept")
        return
    room.pause(None)
    for request in await desk.records.find(Request, state=RequestState.LOOKING):
        await desk.records.put(replace(request, due_at=desk.now))
    room.say("steward.resumed", notice=False)


# The places of help


async def _places(room: StewardRoom, _: str) -> None:
    community = room.desk.community
    old = _unchecked(room)
    lines = [room.words("steward.list" if community.places else "steward.no_places")]
    for number, place in enumerate(community.places, 1):
        key = "steward.entry_old" if place in old else "steward.entry"
        read = places.spoken(place, room.reader.language)
        lines.append(
            room.words(
                key,
                number=number,
                name=read.name,
                contact=read.contact,
                hours=read.hours,
                checked=places.checked(place, room.kept),
            )
        )
    room.say_text("\n".join(lines), notice=False)


async def _checked(room: StewardRoom, rest: str) -> None:
    known = room.desk.community.places
    at = int(rest) if rest.isascii() and rest.isdigit() and len(rest) < 4 else 0
    if 1 <= at <= len(known):
        room.ask("checked", subject=steward.name_of(known[at - 1]))
    else:
        room.say("steward.which_place", notice=False)


def _place(room: StewardRoom, prompt: Prompt) -> Place | None:
    named = (one for one in room.desk.community.places if steward.name_of(one) == prompt.subject)
    return next(named, None)


async def _show_checked(room: StewardRoom, prompt: Prompt) -> Question | None:
    place = _place(room, prompt)
    if place is None:
        return None
    read = places.spoken(place, room.reader.language)
    text = room.words("steward.checked_recap", name=read.name, contact=read.contact, today=_today(room))
    return Question(text, _YES_NO, binding=True)


async def _answer_checked(room: StewardRoom, prompt: Prompt, reply: Reply) -> None:
    place = _place(room, prompt)
    if reply.name != "yes" or place is None:
        room.say("steward.kept")
        return
    today = _today(room)
    checked = {**room.kept.checked, steward.name_of(place): today}
    room.check(checked, tuple(one for one in room.kept.flagged if one != steward.name_of(place)))
    _watch(room)
    name = places.spoken(place, room.reader.language).name
    room.say("steward.checked", name=name, today=_today(room))


# Concerns


async def _concerns(room: StewardRoom, _: str) -> None:
    """Say where concerns go: one may be about a steward, so not even whether there is one is said here."""
    named = readers.names(room.desk, room.desk.community.readers)
    if named:
        room.say("steward.concerns", names=named, notice=False)
    else:
        room.say("steward.no_readers", notice=False)


def _now(room: StewardRoom) -> datetime:
    return room.desk.now.astimezone(ZoneInfo(room.desk.community.zone))


def _today(room: StewardRoom) -> date:
    return _now(room).date()


def _unchecked(room: StewardRoom) -> list[Place]:
    return steward.unchecked(room.desk.community.places, room.kept.checked, _now(room).date())


def _watch(room: StewardRoom) -> None:
    """Say once of each place that nobody has checked it lately; look again when the next comes to that."""
    community = room.desk.community
    known = {steward.name_of(place) for place in community.places}
    old = _unchecked(room)
    flagged = [steward.name_of(place) for place in old]
    fresh = [
        places.spoken(place, room.reader.language).name
        for place in old
        if steward.name_of(place) not in room.kept.flagged
    ]
    if not room.kept.here:
        # Nobody would read it: it is said when the first steward comes in.
        flagged = [one for one in room.kept.flagged if one in flagged]
    elif fresh:
        room.say("steward.unchecked", places=fresh, notice=False)
    room.check({name: day for name, day in room.kept.checked.items() if name in known}, tuple(flagged))


# What comes in


COMMANDS: Mapping[str, Command] = {
    "menu": Command("steward.command_menu", _menu),
    "status": Command("steward.command_status", _status),
    "pause": Command("steward.command_pause", _pause, named=steward_links.pause),
    "resume": Command("steward.command_resume", _resume, named=steward_links.resume),
    "places": Command("steward.command_places", _places),
    "vouch": Command("steward.command_vouch", voucher.list_asked),
    "checked": Command("steward.command_checked", _checked, rest=True),
    "concerns": Command("steward.command_concerns", _concerns),
    "links": Command("steward.command_links", steward_links.listing),
    "terms": Command("steward.command_terms", steward_links.see_terms, named=steward_links.see_terms),
    "link": Command("steward.command_link", steward_links.begin, named=steward_links.begin),
    "rotate": Command("steward.command_rotate", steward_links.rotate, named=steward_links.rotate),
    "cut": Command("steward.command_cut", steward_links.cut, named=steward_links.cut),
}
"""Every command of the steward room, by our name for it."""

QUESTIONS: Mapping[str, Conversation] = {
    "menu": Conversation(_show_menu, _choose),
    "pause": Conversation(_show_pause, _answer_pause),
    "resume": Conversation(_show_resume, _answer_resume),
    "vouch": Conversation(voucher.show_asked, voucher.answer_asked),
    "checked": Conversation(_show_checked, _answer_checked),
    "link": Conversation(steward_links.show, steward_links.answer),
    "link_words": Conversation(steward_links.show_words, steward_links.answer_words),
    "link_terms": Conversation(steward_links.show_terms, steward_links.answer_terms),
    "link_change": Conversation(steward_links.show_change, steward_links.answer_change),
}
"""Every kind of question there, by the name that its prompt bears."""


async def here(desk: Desk, event: events.StewardRoom) -> None:
    """Note who is in the room now; greet whoever came, since they cannot read what was said before."""
    room = await StewardRoom.of(desk)
    named = {desk.turn.identify(one) for one in desk.community.stewards}
    ids = tuple(id for one in event.here if (id := desk.turn.identify(one)) in named)
    came = [id for id in ids if id not in room.kept.here]
    room.stay(ids)
    if came:
        kept = desk.timings.chat
        room.say("steward.hello", community=desk.community.name, kept=kept, notice=False)
        if (pause := await pauses.of(desk)) is not None:
            room.say_text(pauses.line(desk, room.reader, pause))
    _watch(room)
    await room.close()
    # Also at each start, which is when the configuration may be another.
    await link_life.set_up(desk)


async def due(desk: Desk) -> None:
    """A question has lapsed, a place of help has come to count as not checked, or old words are to go."""
    room = await StewardRoom.of(desk)
    room.lapse()
    room.sweep()
    _watch(room)
    await room.close()


async def unsaid(desk: Desk) -> None:
    """What was said did not arrive: nobody has read the questions, and no yes may go to one."""
    room = await StewardRoom.of(desk)
    room.kept = replace(room.kept, questions={})
    await room.close()


async def not_taken_back(desk: Desk, order: RedactStewards) -> None:
    """What was said in the room before could not be reached."""
    room = await StewardRoom.of(desk)
    room.fail(order)
    await room.close()


async def heard(desk: Desk, event: events.StewardMessage) -> None:
    """Take a steward's message as an answer to their open question, or as a command; else it is talk."""
    if not event.counts or event.kind not in ("text", "unreadable"):
        return
    room = await StewardRoom.of(desk, event.sender)
    if event.kind == "unreadable":
        room.answer("odd.unreadable", notice=False)
    elif not event.edits:
        await _take(room, event)
    elif room.open is not None:
        room.answer("odd.edit")
    if (prompt := room.asked) is not None:
        question = await QUESTIONS[prompt.kind].show(room, prompt)
        if question is None:
            room.put_away()
        else:
            room.put(question)
    await room.close()


async def _take(room: StewardRoom, event: events.StewardMessage) -> None:
    body = _own_part(event)
    name, rest = _command(room, body)
    prompt = room.open
    question = None if prompt is None else await QUESTIONS[prompt.kind].show(room, prompt)
    if prompt is None or question is None:
        first, _, named = body.strip().partition(" ")
        if name is not None:
            await _run(room, name, rest)
        elif normal(first) in room.desk.spoken(room.reader, COMMANDS["link"].words):
            steward_links.named(room, named.strip())
        elif normal(body).isdigit():
            # Their own question was over, or it is a colleague's: silence would look like a yes taken.
            room.answer("steward.none_open")
        return
    reply = read_answer(room.desk, room.reader, question, body) or _passing(room, question, body)
    if reply is None and question.binding and normal(body) in room.desk.spoken(room.reader, "command.skip"):
        # By habit, after questions that can be passed over: what was answered in them would be lost.
        room.say("odd.needs_yes")
        room.ask_again()
    elif reply is None and any(normal(body) in room.desk.spoken(room.reader, key) for key in _STOPS):
        room.put_away()
        room.say("steward.kept")
    elif reply is None and name is not None:
        await _run(room, name, rest)
    elif reply is None and not question.free:
        # Stewards talk with one another here: only what could be an answer gets the question again.
        if odd.is_number(body):
            room.ask_again(room.words("odd.no_choice", number=odd.shown(body)))
    elif question.binding and _doubtful(room, prompt, event):
        room.say("steward.too_soon")
        room.ask_again()
    else:
        room.put_away()
        await QUESTIONS[prompt.kind].answer(room, prompt, reply or Reply(text=body))


_STOPS = ("steward.command_stop", "command.back", "command.skip")
"""Words that put the open question away, where it takes none of them as an answer."""


def _passing(room: StewardRoom, question: Question, body: str) -> Reply | None:
    """That the steward goes back or passes over the question, where it takes that as an answer."""
    said = normal(body)
    named = (name for name in question.also if said in room.desk.spoken(room.reader, f"command.{name}"))
    name = next(named, None)
    return None if name is None else Reply((name,))


def _doubtful(room: StewardRoom, prompt: Prompt, event: events.StewardMessage) -> bool:
    """Whether the answer may be meant for something else: it quotes, or was written before the question.

    The sender's clock, which may be wrong, counts once.
    """
    return event.quotes is not None or (event.sent_at < prompt.asked_at and not prompt.repeated)


async def _run(room: StewardRoom, name: str, rest: str) -> None:
    command = COMMANDS[name]
    await (command.named if rest and command.named is not None else command.run)(room, rest)


def _command(room: StewardRoom, body: str) -> tuple[str | None, str]:
    """The command that the message is, and what stands after its word."""
    first, _, rest = body.strip().partition(" ")
    before, _, address = body.strip().rpartition(" ")
    for name, command in COMMANDS.items():
        words = room.desk.spoken(room.reader, command.words)
        if normal(body) in words:
            return name, ""
        if command.rest and normal(first) in words:
            return name, rest.strip()
        named = command.named is not None and normal(before) in words
        if named and (read := steward_links.address(address)) is not None:
            return name, read
    return None, ""


def _own_part(event: events.StewardMessage) -> str:
    """What they typed themselves: older clients repeat the quoted message before it, each line after "> "."""
    lines = event.body.strip().split("\n")
    if event.quotes is not None:
        while lines and lines[0].startswith("> "):
            lines.pop(0)
    return "\n".join(lines).strip()
