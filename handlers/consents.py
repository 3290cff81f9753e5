"""What a member agreed to and what still holds, in the words that they saw; and taking any of it back.

Guards: what a taking back does is said before its yes, and is one of the ends that are there anyway: stop,
withdraw, step back, close; nobody learns of it more than of those.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from handlers import after, apart, buddy, concern, consent, guest_room, plan, room, voucher
from handlers import offer as offers
from handlers import request as requests
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.records import Ask, Buddy, Concern, Consent, GuestRoom, Member, Prompt, Separation, Voucher
from schema.states import AskState, GuestRoomState, RoomState
from service.core import rooms

_READING = (AskState.READING, *requests.PROMISED)
"""Asks to which their member said a yes that still holds."""

_CHOICES = {
    "request": "choice.stop_request",
    "offer": "choice.stop_offer",
    "yes": "choice.stop_yes",
    "plan": "choice.stop_plan",
    "room": "choice.stop_room",
    "closed": "choice.consents_closed",
    "guest": "choice.stop_room",
    "again": "choice.consents_again",
    "vouching": "choice.consents_vouching",
    "voucher": "choice.consents_voucher",
    "concern": "choice.consents_concern",
    "buddy": "choice.consents_buddy",
    "buddy_of": "choice.consents_buddy_of",
    "how": "choice.consents_how",
    "apart": "choice.consents_apart",
}
_EFFECTS = {
    "request": "consents.request",
    "offer": "consents.offer",
    "yes": "consents.yes",
    "plan": "consents.plan",
    "room": "consents.room",
    "closed": "consents.closed",
    "guest": "consents.guest",
    "again": "consents.again",
    "vouching": "consents.vouching",
    "voucher": "consents.voucher",
    "concern": "consents.concern",
    "buddy": "consents.buddy",
    "buddy_of": "consents.buddy_of",
    "how": "consents.how",
}
"""What taking it back does, said before."""


@dataclass(frozen=True)
class _Standing:
    """Something that was agreed to: its kind, its record's id, each yes, its hour; a room's length by now."""

    kind: str
    id: str
    given: Sequence[Consent]
    until: datetime | None = None
    length: timedelta | None = None

    @property
    def name(self) -> str:
        """What a number of the list stands for, whatever changes meanwhile."""
        return f"{self.kind} {self.id}"


async def _standing(desk: Desk, member: Member) -> list[_Standing]:
    """What the member agreed to and what still holds."""
    found: list[_Standing] = []
    request = await requests.of(desk, member.id)
    if request is not None and request.consent is not None:
        found.append(_Standing("request", request.id, (request.consent,)))
    in_rooms = await room.of(desk, member.id, *rooms.LIVE, RoomState.READABLE)
    for one in in_rooms:
        kind = "closed" if one.state is RoomState.READABLE else "room"
        yes = tuple(yes for who, yes in one.consents if who == member.id)
        is_open = one.state is RoomState.OPEN
        length, ends = (one.length, one.ends_at) if is_open else (None, None)
        found.append(_Standing(kind, one.id, yes, ends, length))
    guests = await guest_room.of(desk, member.id, GuestRoomState.OPEN)
    found += [_Standing("guest", one.id, one.consents, one.ends_at, one.length) for one in guests]
    planned = await plan.of(desk, member.id)
    for pairing in planned:
        ask = await desk.records.get(Ask, pairing.ask)
        given = ask.consents if ask is not None and ask.member == member.id else (pairing.consent,)
        found.append(_Standing("plan", pairing.id, tuple(one for one in given if one is not None)))
    if not planned and not any(one.state in rooms.LIVE for one in in_rooms):
        asks = await desk.records.find(Ask, member=member.id, state=_READING)
        found += [_Standing("yes", ask.id, ask.consents) for ask in asks]
    offer = await offers.of(desk, member)
    if offer is not None and offer.consent is not None:
        found.append(_Standing("offer", offer.id, (offer.consent,)))
    for meeting in await after.of(desk, member.id):
        if meeting.again and meeting.consent is not None:
            found.append(_Standing("again", meeting.id, (meeting.consent,)))
    vouched = await voucher.of(desk, member.id)
    if vouched is not None and vouched.consent is not None:
        kind = "vouching" if vouched.since is None else "voucher"
        found.append(_Standing(kind, vouched.id, (vouched.consent,), vouched.due_at))
    for wrong in await concern.of(desk, member.id):
        if wrong.consent is not None:
            found.append(_Standing("concern", wrong.id, (wrong.consent,)))
    both = {"buddy": await buddy.named(desk, member.id), "buddy_of": await buddy.whose(desk, member.id)}
    for kind, records in both.items():
        for record in records:
            yeses = tuple(yes for who, yes in record.consents if who == member.id)
            found.append(_Standing(kind, record.id, yeses))
    return [one for one in found if one.given]


async def _kept(desk: Desk, member: Member) -> list[str]:
    """What is kept because the member asked for it, with no question that they agreed to."""
    apart_from = await desk.records.find(Separation, member=member.id)
    return [*(["how"] if member.how else []), *(["apart"] if apart_from else [])]


async def start(desk: Desk, member: Member) -> None:
    """Say what was agreed to, with a number for each."""
    desk.put_behind(member.id)
    found = [one.name for one in await _standing(desk, member)]
    desk.ask(member.id, "consents", draft={"found": [*found, *await _kept(desk, member)]})


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The list as it was first shown, or what one taking back would do."""
    standing = {one.name: one for one in await _standing(desk, member)}
    kept = await _kept(desk, member)
    if prompt.kind == "take_back":
        if prompt.subject not in (*standing, *kept):
            return None
        key = _EFFECTS[prompt.subject.partition(" ")[0]]
        until = standing[prompt.subject].until if prompt.subject in standing else None
        # What is said to be kept stands first: a number that was sent twice changes nothing.
        return Question(
            desk.words(member, key, reading=desk.timings.reading, until=until),
            (Choice("no", "choice.take_back_no"), Choice("yes", "choice.take_back_yes")),
            binding=True,
            also=frozenset({"skip"}),
        )
    names = prompt.draft["found"]
    shown = names if isinstance(names, list) else []
    if not shown:
        return Question(desk.words(member, "consents.none"), (Choice("menu", "choice.menu"),))
    lines = [desk.words(member, "consents.intro")]
    choices: list[Choice] = []
    for name in shown:
        kind = name.partition(" ")[0]
        choices.append(Choice(name, _CHOICES[kind]))
        if name in standing:
            what = desk.labels(member, choices[-1])[0]
            lines += [
                desk.words(member, "consents.one", what=what, at=one.given_at, words=one.words)
                for one in standing[name].given
            ]
            if (length := standing[name].length) is not None:
                # More time may have been agreed on since.
                until = standing[name].until
                lines.append(desk.words(member, "consents.room_now", length=length, until=until))
    if "how" in kept:
        lines.append(desk.words(member, "held.how", how=consent.how_words(desk, member, member.how)))
    choices.append(Choice("menu", "choice.menu"))
    return Question("\n\n".join(lines), tuple(choices))


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Ask whether to take back what a number stands for, or take it back."""
    standing = {one.name: one for one in await _standing(desk, member)}
    if prompt.kind == "take_back":
        if reply.name != "yes":
            desk.say(member.id, "consents.kept")
        elif prompt.subject == "how":
            desk.keep(replace(desk.now_is(member.id), how=()))
            desk.say(member.id, "consents.how_ended")
        elif prompt.subject in standing:
            await _take_back(desk, member, standing[prompt.subject])
    elif reply.name == "apart":
        await apart.kept(desk, member)
    elif reply.name in standing or reply.name in await _kept(desk, member):
        desk.ask(member.id, "take_back", subject=reply.name)
    else:
        desk.say(member.id, "stop.over")


async def _take_back(desk: Desk, member: Member, one: _Standing) -> None:
    match one.kind:
        case "request":
            for opening in await room.of(desk, member.id, RoomState.OPENING):
                # What comes of the request ends with it; the room says so in its own words.
                if one.id in (opening.request, opening.peer_request):
                    await room.close(desk, member, opening)
            request = await requests.of(desk, member.id)
            if request is not None:
                await plan.withdraw(desk, request)
                desk.say(member.id, "request.withdrawn")
        case "offer":
            await offers.withdraw(desk, member)
        case "yes":
            ask = await desk.records.get(Ask, one.id)
            if ask is not None:
                await consent.take_back(desk, member, ask)
        case "plan":
            for pairing in await plan.of(desk, member.id):
                await plan.let_go(desk, member, pairing)
        case "room":
            found = [live for live in await room.of(desk, member.id, *rooms.LIVE) if live.id == one.id]
            for live in found:
                await room.close(desk, member, live)
        case "guest":
            guest = await desk.records.get(GuestRoom, one.id)
            if guest is not None:
                await guest_room.close(desk, member, guest)
        case "buddy" | "buddy_of":
            record = await desk.records.get(Buddy, one.id)
            if record is not None:
                await (buddy.end if one.kind == "buddy" else buddy.leave)(desk, member, record)
        case "again":
            await after.end(desk, member, one.id)
        case "vouching" | "voucher":
            asked = await desk.records.get(Voucher, one.id)
            if asked is not None:
                await voucher.take_back(desk, asked)
        case "concern":
            wrong = await desk.records.get(Concern, one.id)
            if wrong is not None:
                await concern.take_back(desk, member, wrong)
        case _:
            await room.erase_now(desk, member)
