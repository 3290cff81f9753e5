"""The first words, the menu, the places of help, what stands, and stopping any of it.

Guards: help and stop are there from every question; words that fit nothing get one answer whatever they are,
and nothing stands in it before company and the places of help; what is open is never stopped by a guess.
"""

from handlers import consent, room
from handlers import offer as offers
from handlers import request as requests
from handlers.desk import Choice, Desk, Question, Reply
from schema.records import Ask, Member, PeerRoom, Prompt
from schema.states import AskState, RequestState, RoomState
from service.core import rooms

MENU = (
    Choice("talk", "choice.talk"),
    Choice("places", "choice.places"),
    Choice("offer", "choice.offer"),
    Choice("held", "choice.held"),
)
FALLBACK = (Choice("talk", "choice.talk"), Choice("places", "choice.places"), Choice("menu", "choice.menu"))


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The menu, in its long first form, its short one, or as the answer to words that fit nothing."""
    if prompt.kind == "stop":
        return await _show_stop(desk, member)
    match prompt.subject:
        case "hello":
            return Question(hello(desk, member), MENU)
        case "fallback":
            return Question(desk.words(member, "menu.fallback"), FALLBACK)
        case "nothing_open":
            return Question(desk.words(member, "menu.nothing_open"), MENU)
    return Question(desk.words(member, "menu.menu"), MENU)


def hello(desk: Desk, member: Member) -> str:
    """What this is and what it is not, in the community's words."""
    return desk.words(member, "menu.hello", community=desk.community.name, limits=desk.community.limits)


def greet(desk: Desk, member: Member) -> None:
    """The first words to a member: what this is, what it is not, and the menu."""
    desk.ask(member.id, "menu", subject="hello")


async def start(desk: Desk, member: Member) -> None:
    """The menu; the question that was open waits."""
    desk.put_behind(member.id)
    _say_waiting(desk, member)
    desk.ask(member.id, "menu")


def _say_waiting(desk: Desk, member: Member) -> None:
    if desk.now_is(member.id).waiting:
        desk.say(member.id, "menu.waiting")


async def back(desk: Desk, member: Member) -> None:
    """The question that waits, or the menu where none does."""
    prompt = desk.now_is(member.id).prompt
    if prompt is not None and prompt.kind in ("ask", "note", "consent"):
        desk.ask_again(member.id)
        return
    desk.put_away(member.id)
    if not desk.now_is(member.id).waiting:
        desk.ask(member.id, "menu")


async def skip(desk: Desk, member: Member) -> None:
    """Put the open question away where it has no own meaning for it."""
    desk.put_away(member.id)
    desk.say(member.id, "menu.skipped")


async def places(desk: Desk, member: Member) -> None:
    """The community's own places of help, each with what a person needs to know before they call."""
    entries = [
        desk.words(
            member,
            "places.entry",
            name=place.name,
            contact=place.contact,
            hours=place.hours,
            languages=place.languages,
            police=desk.words(member, _POLICE[place.may_send_police]),
            checked=place.checked_on,
        )
        for place in desk.community.places
    ]
    lines = [desk.words(member, "places.intro" if entries else "places.none"), *entries]
    desk.say_text(member.id, "\n\n".join(lines), notice=False)
    if desk.now_is(member.id).prompt is not None:
        desk.say(member.id, "places.back")


_POLICE = {"yes": "places.police_yes", "no": "places.police_no", "not known": "places.police_unknown"}


async def status(desk: Desk, member: Member) -> None:
    """What stands for the member, and what happens next and when."""
    lines: list[str] = []
    request = await requests.of(desk, member.id)
    if request is not None and request.state is RequestState.LOOKING:
        lines.append(desk.words(member, "status.looking", next=request.due_at, until=request.until))
    elif request is not None and request.state is RequestState.PROPOSED:
        lines.append(desk.words(member, "status.proposed"))
    for ask in await desk.records.find(Ask, member=member.id, state=requests.PROMISED):
        until = await requests.promised_until(desk, ask)
        lines.append(desk.words(member, "status.promised", until=until) if until else "")
    lines += [_of_room(desk, member, one) for one in await room.of(desk, member.id, *RoomState)]
    offer = await offers.of(desk, member)
    if offer is not None:
        lines.append(offers.describe(desk, member, offer))
    if desk.now_is(member.id).waiting or desk.busy(desk.now_is(member.id)):
        lines.append(desk.words(member, "status.question"))
    lines = [line for line in lines if line]
    desk.say_text(member.id, "\n".join(lines or [desk.words(member, "status.nothing")]), notice=False)


def _of_room(desk: Desk, member: Member, peer_room: PeerRoom) -> str:
    match peer_room.state:
        case RoomState.OPENING:
            return desk.words(member, "status.opening")
        case RoomState.OPEN:
            return desk.words(member, "status.room", ends=peer_room.ends_at)
        case RoomState.READABLE:
            return desk.words(member, "status.readable", until=peer_room.due_at)
    return desk.words(member, "status.erasing")


# Stopping


async def _stoppable(desk: Desk, member: Member) -> list[Choice]:
    """What can be stopped now."""
    found: list[Choice] = []
    prompt = desk.now_is(member.id).prompt
    if prompt is not None and prompt.kind in ("ask", "note", "talk", "offer", "forget"):
        found.append(Choice("question", "choice.stop_question"))
    if await room.of(desk, member.id, *rooms.LIVE):
        found.append(Choice("room", "choice.stop_room"))
    elif await requests.of(desk, member.id) is not None:
        found.append(Choice("request", "choice.stop_request"))
    asks = await desk.records.find(Ask, member=member.id, state=requests.PROMISED)
    if asks and not await room.of(desk, member.id, *rooms.LIVE):
        found.append(Choice("yes", "choice.stop_yes"))
    if await offers.of(desk, member) is not None:
        found.append(Choice("offer", "choice.stop_offer"))
    return found


async def stop(desk: Desk, member: Member) -> None:
    """Stop what is open: at once where it is one thing, else after asking which."""
    found = await _stoppable(desk, member)
    if len(found) == 1:
        await _stop(desk, member, found[0].name)
    elif found:
        desk.put_behind(member.id)
        desk.ask(member.id, "stop")
    else:
        desk.put_away(member.id)
        desk.say(member.id, "stop.nothing")


async def _show_stop(desk: Desk, member: Member) -> Question | None:
    waiting = desk.now_is(member.id).waiting
    found = [one for one in await _stoppable(desk, member) if one.name != "question"]
    if waiting and waiting[0].kind in ("ask", "note", "talk", "offer", "forget"):
        found.insert(0, Choice("question", "choice.stop_question"))
    choices = (*found, Choice("nothing", "choice.stop_nothing"))
    return Question(desk.words(member, "stop.which"), choices, also=frozenset({"skip"}))


async def _stop(desk: Desk, member: Member, name: str) -> None:
    match name:
        case "question":
            await _stop_question(desk, member)
        case "room":
            await room.close(desk, member)
        case "request":
            request = await requests.of(desk, member.id)
            if request is not None:
                await requests.withdraw(desk, request)
                desk.say(member.id, "request.withdrawn")
        case "yes":
            for ask in await desk.records.find(Ask, member=member.id, state=requests.PROMISED):
                await consent.step_back(desk, member, ask)
            desk.say(member.id, "note.no")
        case "offer":
            await offers.withdraw(desk, member)
        case _:
            desk.say(member.id, "stop.kept")


async def _stop_question(desk: Desk, member: Member) -> None:
    now = desk.now_is(member.id)
    prompt = now.prompt or (now.waiting[0] if now.waiting else None)
    if prompt is None:
        return
    if prompt.kind in ("ask", "note"):
        ask = await desk.records.get(Ask, prompt.subject)
        if ask is not None and ask.state in (AskState.SHOWN, AskState.READING):
            await requests.drop_ask(desk, ask)
        desk.drop(desk.now_is(member.id), prompt.subject)
        desk.say(member.id, "ask.no" if prompt.kind == "ask" else "note.no")
        return
    desk.put_away(member.id)
    if now.prompt is None:
        desk.skip_waiting(member.id)
    desk.say(member.id, "talk.dropped")


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """What `stop` is to stop; the menu's own choices are commands."""
    if prompt.kind == "stop":
        await _stop(desk, member, reply.name)
