"""The first words, the menu, the places of help, what stands, and stopping any of it.

Guards: help and stop are there from every question; words that fit nothing get one answer whatever they are,
and nothing stands in it before company and the places of help; what is open is never stopped by a guess.
"""

from datetime import timedelta

from handlers import (
    buddy,
    checkin,
    checkin_list,
    consent,
    extension,
    guest_room,
    language,
    linked_communities,
    pairing_pauses,
    pause,
    plan,
    room,
    talking,
    topics,
    unfinished,
    voucher,
    which,
)
from handlers import offer as offers
from handlers import request as requests
from handlers.desk import Desk
from handlers.question import GIVES_WAY, Choice, Question, Reply
from schema.records import Ask, Member, PeerRoom, Prompt
from schema.states import GuestRoomState, RequestState, RoomState
from service.core import matching, rooms

_CROSSED = timedelta(seconds=5)
"""How long after the greeting a hello counts as written before it."""

_HELLO = "hello"
"""The line of whoever was greeted."""
_SHORT_HELLO = timedelta(hours=1)
"""How long after the first words a hello is answered in short: they stand above still."""

MENU = (
    Choice("talk", "choice.talk"),
    Choice("places", "choice.places"),
    Choice("offer", "choice.offer"),
    Choice("held", "choice.held"),
)
_WITH_READERS = (*MENU, Choice("concern", "choice.concern"))
"""Where the community named somebody who reads concerns."""
_CHECKINS = Choice("checkins", "choice.checkins")
_MORE = (Choice("talk", "choice.talk"), Choice("places", "choice.places"), Choice("menu", "choice.menu"))
_FALLBACK = (*MENU[:3], Choice("menu", "choice.menu"))
"""As the menu begins: whoever would be there for others has no word for it yet."""


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The menu, in its long first form, its short one, or as the answer to words that fit nothing."""
    if prompt.kind == "stop":
        return _show_stop(desk, member, prompt)
    subject, _, near = prompt.subject.partition(" ")
    match subject:
        case "hello":
            return Question(hello(desk, member), _menu(desk, member))
        case "hello_again":
            here = desk.community_of(member)
            return Question(desk.words(member, "menu.hello_again", community=here.name), _menu(desk, member))
        case "checkin":
            return Question(desk.words(member, "menu.anything_else"), _MORE)
        case "fallback":
            hints = prompt.draft.get("hints")
            lines = map(str, hints) if isinstance(hints, list) else ()
            text = "\n".join((await _fallback(desk, member), *lines))
            meant = (Choice(near, text=desk.words(member, "choice.meant", word=_word(desk, member, near))),)
            return Question(text, (*_FALLBACK, *meant) if near else _FALLBACK)
        case "nothing_open":
            return Question(desk.words(member, "menu.nothing_open"), _menu(desk, member))
    return Question(desk.words(member, "menu.menu"), _menu(desk, member))


async def _fallback(desk: Desk, member: Member) -> str:
    """What is said to any words that fit nothing, whatever they are; what runs for the member goes before."""
    request = await requests.of(desk, member.id)
    lines = [desk.words(member, "menu.fallback")]
    if request is not None and request.state is RequestState.LOOKING:
        lines.append(desk.words(member, "menu.fallback_looking"))
    open_rooms = await room.of(desk, member.id, RoomState.OPEN)
    if open_rooms or await guest_room.of(desk, member.id, GuestRoomState.OPEN):
        lines.append(desk.words(member, "menu.fallback_room"))
        if any(one.peer == member.id for one in open_rooms):
            lines.append(desk.words(member, "menu.fallback_room_peer"))
    return "\n".join(lines)


def _word(desk: Desk, member: Member, command: str) -> str:
    return desk.spoken(member, f"command.{command}")[0] if command else ""


def _menu(desk: Desk, member: Member) -> tuple[Choice, ...]:
    choices = _WITH_READERS if desk.community.readers else MENU
    return (*choices, _CHECKINS, *language.choice(desk, member))


def hello(desk: Desk, member: Member) -> str:
    """What this is and what it is not, in the community's words; then how to choose another language."""
    here = desk.community_of(member)
    said = desk.words(member, "menu.hello", community=here.name, limits=here.limits)
    return "\n".join((said, *language.hints(desk, member)))


def greet(desk: Desk, member: Member) -> None:
    """The first words to a member: what this is, what it is not, and the menu."""
    desk.seldom(member.id, _HELLO, _SHORT_HELLO)
    desk.ask(member.id, "menu", subject="hello")


async def greet_again(desk: Desk, member: Member) -> None:
    """The first words once more; the question that was open waits.

    A hello that crossed them on the way has been answered: most people write one while we come in.
    """
    prompt = member.prompt
    if prompt is not None and prompt.subject == "hello" and desk.now - prompt.asked_at < _CROSSED:
        return
    if _is_invited(prompt):
        desk.ask_again(member.id)
        return
    desk.put_behind(member.id)
    _say_waiting(desk, member)
    if desk.seldom(member.id, _HELLO, _SHORT_HELLO):
        desk.ask(member.id, "menu", subject="hello")
    else:
        # Whoever says hello a second time has read the rest just now.
        desk.ask(member.id, "menu", subject="hello_again")


def _is_invited(prompt: Prompt | None) -> bool:
    """Whether a concern that they may read is open as it came, which is why they hear from us now."""
    return prompt is not None and prompt.by_itself and prompt.kind == "reads"


async def start(desk: Desk, member: Member) -> None:
    """The menu; the question that was open waits."""
    desk.put_behind(member.id)
    _say_waiting(desk, member)
    desk.ask(member.id, "menu")


def _say_waiting(desk: Desk, member: Member) -> None:
    if waits := unfinished.waits(desk, desk.now_is(member.id)):
        desk.say_text(member.id, waits)


_COME_BY_THEMSELVES = (
    *("ask", "vouch", "be_buddy", "agree_words", "note", "consent"),
    *("stays", "left", "absent", "again"),
)
"""Questions that no word of the member's brings anew."""


async def back(desk: Desk, member: Member) -> None:
    """The question that waits, or the menu where none does."""
    prompt = desk.now_is(member.id).prompt
    if prompt is not None and (prompt.kind in _COME_BY_THEMSELVES or _is_invited(prompt)):
        desk.ask_again(member.id)
        return
    desk.put_away(member.id)
    desk.take_back(member.id)


async def skip(desk: Desk, member: Member) -> None:
    """Put the open question away where it has no own meaning for it."""
    desk.put_away(member.id)
    desk.say(
        member.id,
        "menu.skipped_choices" if member.prompt is None or member.prompt.kind == "menu" else "menu.skipped",
    )


async def status(desk: Desk, member: Member) -> None:
    """What stands for the member, and what happens next and when."""
    lines = await standing(desk, member)
    if (paused := await pause.of(desk)) is not None:
        lines.insert(0, pause.line(desk, member, paused))
    if waits := unfinished.waits(desk, desk.now_is(member.id)):
        desk.look_away(member.id)
        lines.append(waits)
    desk.say_text(member.id, "\n".join(lines or [desk.words(member, "status.nothing")]), notice=False)


async def standing(desk: Desk, member: Member) -> list[str]:
    """A line for each thing that stands for the member; none where nothing does."""
    lines: list[str] = []
    request = await requests.of(desk, member.id)
    if request is not None and request.state is RequestState.LOOKING:
        # A word can be read before the hour that has come is taken, as after a stop.
        next_at = max(min(request.due_at or request.until, request.until), desk.now)
        wish = desk.words(member, consent.WISHES[request.wish])
        asked = {"wish": wish, "length": request.length}
        key = "status.waits" if await pause.of(desk) else "status.looking"
        lines.append(desk.words(member, key, next=next_at, until=request.until, **asked))
        if about := topics.names(desk, member, request.topics):
            lines.append(desk.words(member, "talk.recap_topics", topics=about))
        if request.note:
            lines.append(desk.words(member, "talk.recap_note", note=request.note))
        if (start := matching.later(request, desk.now)) is not None:
            lines.append(desk.words(member, "status.start", start=start))
        lines += await linked_communities.status(desk, member, request)
    elif request is not None and request.state is RequestState.PROPOSED:
        lines.append(desk.words(member, "status.proposed"))
    planned = await plan.of(desk, member.id)
    if await plan.awaits(desk, member.id):
        lines.append(desk.words(member, "status.introduced"))
    lines += [desk.words(member, "status.planned", start=one.start, length=one.length) for one in planned]
    promised = await desk.records.find(Ask, member=member.id, state=requests.PROMISED)
    for ask in promised if not planned else ():
        until = await requests.promised_until(desk, ask)
        lines.append(desk.words(member, "status.promised", until=until) if until else "")
    of_member = await room.of(desk, member.id, *RoomState)
    two = sum(one.state in rooms.LIVE for one in of_member) > 1
    for one in of_member:
        line = _of_room(desk, member, one)
        if two and one.state in rooms.LIVE:
            # Their own, and the one in which they keep somebody company.
            key = "choice.room_as_peer" if one.peer == member.id else "choice.room_as_asker"
            line = f"{desk.words(member, key)}: {line}"
        lines.append(line)
    lines += await guest_room.lines(desk, member)
    lines += await extension.stands(desk, member)
    offer = await offers.of(desk, member)
    if offer is not None:
        lines.append(offers.describe(desk, member, offer))
        if await voucher.lacks(desk, member.id):
            lines.append(desk.words(member, "voucher.needed"))
    for one_checkin in await checkin.of(desk, member.id):
        line = checkin.describe(desk, member, one_checkin)
        lines.append(desk.words(member, "status.checkin", line=line))
    if (stopped := await pairing_pauses.of(desk, member.id)) is not None:
        lines.append(desk.words(member, "paused.status", until=stopped.due_at))
    if (named := await buddy.of(desk, member.id)) is not None:
        lines.append(buddy.told(desk, member, named))
    return [line for line in lines if line]


def _of_room(desk: Desk, member: Member, peer_room: PeerRoom) -> str:
    match peer_room.state:
        case RoomState.OPENING:
            return desk.words(member, "status.opening")
        case RoomState.OPEN:
            key = "status.room" if peer_room.across is None else "status.room_across"
            lines = [desk.words(member, key, ends=peer_room.ends_at)]
            if peer_room.peer_request:
                lines.append(desk.words(member, "room.agreed_too"))
            elif peer_room.wish in consent.WISHES and peer_room.wish != "unsure":
                wish = desk.words(member, consent.WISHES[peer_room.wish])
                lines.append(desk.words(member, "room.agreed", wish=wish))
            how = talking.how(desk, member, peer_room.talking)
            return "\n".join((*lines, desk.words(member, "room.agreed_how", how=how)))
        case RoomState.APART:
            return desk.words(member, "status.apart", ends=peer_room.ends_at)
        case RoomState.READABLE:
            return desk.words(member, "status.readable", until=peer_room.due_at)
    return desk.words(member, "status.erasing")


# Stopping

_STOPPABLE = (
    *("ask", "smaller", "note", "talk", "offer", "forget", "practice", "apart", "afterwards", "clear"),
    *("extend", "more", "pass", "backup", "which", "voucher", "vouch", "again"),
    *("concern", "answers", "pauses", "objects", "own_plan", "delete_plan"),
    *("new_checkin", "end_checkin", "pause_checkin"),
    *("buddy", "tell_buddy", "be_buddy", "new_words", "agree_words"),
)
"""Questions that `stop` ends."""

_CLOSED = frozenset(
    {
        *("zone", "ages", "language", "consents", "take_back", "held", "kept", "afterwards"),
        *("concerns", "own_concern", "to_read", "reads", "lift"),
        *("my_plan", "change_plan", "buddies", "buddy_ended"),
    }
)
"""Questions and lists that `stop` closes while they are open: what they are about stands as it did."""

_STOPS = {
    "question": "choice.stop_question",
    "room": "choice.stop_room",
    "request": "choice.stop_request",
    "plan": "choice.stop_plan",
    "yes": "choice.stop_yes",
    "offer": "choice.stop_offer",
}


def _open_question(desk: Desk, member: Member) -> Prompt | None:
    """The question that is open, or the first that was put away, where `stop` can end it."""
    now = desk.now_is(member.id)
    if now.prompt is not None and now.prompt.kind in _CLOSED and not now.prompt.aside:
        return now.prompt
    found = [now.prompt, *(one for one in now.waiting if one.aside)]
    return next(
        (one for one in found if one is not None and one.kind in _STOPPABLE and not desk.over(one)), None
    )


async def _stoppable(desk: Desk, member: Member) -> list[str]:
    """What can be stopped now, by the names of `_STOPS`."""
    found: list[str] = []
    if _open_question(desk, member) is not None:
        found.append("question")
    in_room = await room.of(desk, member.id, *rooms.LIVE)
    guest = await guest_room.of(desk, member.id, GuestRoomState.OPEN)
    if in_room or guest:
        found.append("room")
    request = await requests.of(desk, member.id)
    planned = await plan.of(desk, member.id)
    if planned:
        found.append("plan")
    if request is not None and not (in_room and request.state is RequestState.TOGETHER):
        found.append("request")
    if (
        not in_room
        and not guest
        and not planned
        and await desk.records.find(Ask, member=member.id, state=requests.PROMISED)
    ):
        found.append("yes")
    if await offers.of(desk, member) is not None:
        found.append("offer")
    return found


async def stop(desk: Desk, member: Member) -> None:
    """Stop what is open: at once where it is one thing, else after asking which."""
    found = await _stoppable(desk, member)
    question = _open_question(desk, member)
    listed = question is not None and question.kind in _CLOSED and len(found) > 1
    if listed:
        # Leaving all as it is closes the list as well; the one thing beside it is not ended by a guess.
        found.remove("question")
    opened = desk.now_is(member.id).prompt
    if opened is not None and opened.kind in GIVES_WAY and not desk.over(opened):
        # Nobody else has a part in it: there is nothing to doubt about what is meant.
        await _stop_question(desk, member, opened)
    elif len(found) == 1 and not listed:
        await _stop(desk, member, found[0], question)
    elif found:
        desk.put_behind(member.id)
        of = f"{question.kind} {question.subject}" if question is not None else ""
        desk.ask(member.id, "stop", draft={"found": list(found), "question": of})
    elif await checkin.of(desk, member.id):
        # Whoever writes it to one that came may mean all of them: which, and whether, is theirs to say.
        await checkin_list.mine(desk, member)
    else:
        desk.put_away(member.id)
        desk.say(member.id, "stop.nothing")


def _show_stop(desk: Desk, member: Member, prompt: Prompt) -> Question:
    """The list as it was first shown: a number never comes to mean something else."""
    found = prompt.draft["found"]
    names = found if isinstance(found, list) else []
    choices = (*(Choice(name, _STOPS[name]) for name in names), Choice("nothing", "choice.stop_nothing"))
    return Question(desk.words(member, "stop.which"), choices, also=frozenset({"skip"}))


async def _stop(desk: Desk, member: Member, name: str, question: Prompt | None) -> None:
    match name:
        case "question":
            if question is not None:
                await _stop_question(desk, member, question)
        case "room":
            await which.close(desk, member)
        case "request":
            request = await requests.of(desk, member.id)
            if request is not None:
                await plan.withdraw(desk, request)
                desk.say(member.id, "request.withdrawn")
        case "plan":
            for pairing in await plan.of(desk, member.id):
                await plan.let_go(desk, member, pairing)
        case "yes":
            for ask in await desk.records.find(Ask, member=member.id, state=requests.PROMISED):
                await consent.take_back(desk, member, ask)
        case "offer":
            await offers.withdraw(desk, member)


_NOTED = {
    "more": "ask.no",
    "vouch": "vouch.noted",
    "be_buddy": "bebuddy.noted",
    "agree_words": "bebuddy.new_noted",
}
"""What is said of a question that came from somebody else, as after a no."""


async def _stop_question(desk: Desk, member: Member, question: Prompt) -> None:
    ask = (
        await desk.records.get(Ask, question.subject) if question.kind in ("ask", "smaller", "note") else None
    )
    was_open = question is member.prompt
    desk.end_question(member.id, question)
    if question.kind in _CLOSED:
        desk.say(member.id, "stop.closed")
    elif question.kind in unfinished.KINDS and not was_open:
        what = unfinished.about(desk, member, question.kind)
        desk.say(member.id, "stop.ended", what=what)
    elif question.kind in _NOTED:
        desk.say(member.id, _NOTED[question.kind])
    elif ask is None:
        desk.say(member.id, "talk.dropped")
    elif question.kind == "note":
        await consent.take_back(desk, member, ask)
    else:
        await requests.drop_ask(desk, ask)
        desk.say(member.id, "ask.no")


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """What `stop` is to stop; the menu's own choices are commands."""
    if prompt.kind != "stop":
        return
    question = _open_question(desk, member)
    same = question is not None and f"{question.kind} {question.subject}" == prompt.draft["question"]
    kind = str(prompt.draft["question"]).split(" ")[0]
    if reply.name not in _STOPS:
        desk.say(member.id, "stop.kept")
    elif reply.name in await _stoppable(desk, member) and (same or reply.name != "question"):
        await _stop(desk, member, reply.name, question)
    elif reply.name == "question" and not desk.waits_behind(kind):
        # It went when the list came; it is what they wanted.
        desk.say(member.id, _NOTED.get(kind, "talk.dropped"))
    else:
        desk.say(member.id, "stop.over")
    if same and _open_question(desk, member) is question:
        desk.take_back(member.id)
