"""Somebody whose pairing is paused: what they read, their one answer, and its end.

Guards: they read the reason and the date at once, and whenever they would ask or offer; nothing that they
read names who had a concern or which; to everybody else what they were part of ends as it would for any
reason of one's own; who decided it reads their answer without their address; it ends at its date without
anybody's doing, or sooner by one of those who decided it.
"""

from dataclasses import replace

from handlers import pairing_pauses, plan, readers, room
from handlers import request as requests
from handlers.answer import own_words
from handlers.desk import Desk
from handlers.draft import Draft
from handlers.question import Choice, Question, Reply
from schema.ids import MemberId
from schema.records import Ask, Member, PairingPause, Prompt
from schema.states import RequestState
from service.core import rooms

LONGEST = 1000
"""Characters of the answer."""

_ALSO = frozenset({"back"})
RECAP = (
    Choice("yes", "choice.reads_send"),
    Choice("words", "choice.concern_words"),
    Choice("no", "choice.reads_drop"),
)
"""After what one writes to others about a concern, before it goes to them."""
_LIFT = (Choice("no", "choice.lift_no"), Choice("yes", "choice.lift_yes"))


async def begin(desk: Desk, pause: PairingPause) -> None:
    """Let the pause hold from now on: what is open to them ends, but for a room, and they read why."""
    await desk.records.put(pause)
    member = await desk.member(pause.other)
    if member is None:
        return
    request = await requests.of(desk, member.id)
    planned = await plan.of(desk, member.id)
    await plan.forget(desk, member.id)
    looking = request is not None and request.state in (RequestState.LOOKING, RequestState.PROPOSED)
    if request is not None and (looking or planned):
        await requests.withdraw(desk, request)
    await requests.clear_asks(desk, member.id)
    if not await room.of(desk, member.id, *rooms.LIVE):
        for ask in await desk.records.find(Ask, member=member.id, state=requests.PROMISED):
            await requests.step_back(desk, ask)
    desk.queue(member.id, "paused", subject=pause.id, until=pause.due_at)


async def hinders(desk: Desk, member: Member) -> bool:
    """Whether the member's pairing is paused; they read why."""
    pause = await pairing_pauses.of(desk, member.id)
    if pause is None:
        return False
    desk.put_behind(member.id)
    desk.ask(member.id, "paused", subject=pause.id)
    return True


async def remind(desk: Desk, member: Member) -> None:
    """Say that nothing is asked because of an offer that stands, where its member's pairing is paused."""
    if (pause := await pairing_pauses.of(desk, member.id)) is not None:
        desk.say(member.id, "paused.status", until=pause.due_at)


def told(desk: Desk, member: Member, pause: PairingPause) -> str:
    """What the service holds of a pause, to whom it is about."""
    lines = [desk.words(member, "held.paused", until=pause.due_at, reason=pause.reason)]
    if pause.answer:
        lines.append(desk.words(member, "paused.answered", words=pause.answer))
    return "\n".join(lines)


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The reason, the date and who decided it; an answer can be given once."""
    pause = await desk.records.get(PairingPause, prompt.subject)
    if pause is None or pause.other != member.id:
        return None
    by = readers.names(desk, readers.of(desk, pause.readers))
    lines = [desk.words(member, "paused.told", until=pause.due_at, reason=pause.reason)]
    if by and not pause.answered:
        lines.append(desk.words(member, "paused.may_answer", names=by))
    elif pause.answer:
        lines.append(desk.words(member, "paused.answered", words=pause.answer))
    lines.append(desk.words(member, "paused.terms", until=pause.due_at))
    choices = (
        *((Choice("answer", "choice.paused_answer"),) if by and not pause.answered else ()),
        Choice("places", "choice.places"),
        Choice("menu", "choice.menu"),
    )
    return Question("\n".join(lines), choices)


def start_answer(desk: Desk, member: Member, prompt: Prompt) -> None:
    """Ask for the words of the one answer."""
    desk.ask(member.id, "objects", subject=prompt.subject, draft={"step": "words"})


async def show_answer(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question for the words, or their recap."""
    pause = await desk.records.get(PairingPause, prompt.subject)
    if pause is None or pause.other != member.id or pause.answered:
        return None
    by = readers.names(desk, readers.of(desk, pause.readers))
    if prompt.draft.get("step") == "words":
        return Question(desk.words(member, "objects.words", names=by, n=LONGEST), free=True, also=_ALSO)
    text = desk.words(member, "objects.recap", names=by, words=str(prompt.draft["words"]))
    return Question(text, RECAP, binding=True, also=_ALSO)


async def take_answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take the words, then the yes to send them."""
    pause = await desk.records.get(PairingPause, prompt.subject)
    if pause is None or pause.other != member.id:
        desk.say(member.id, "stop.over")
    elif reply.text:
        words = own_words(reply.text, LONGEST)
        if words is None:
            desk.say(member.id, "talk.too_long", n=len(reply.text), longest=LONGEST)
        draft: Draft = {"step": "recap" if words else "words", "words": words or ""}
        desk.ask(member.id, "objects", subject=pause.id, draft=draft)
    elif reply.name == "words" or (reply.name == "back" and prompt.draft.get("step") == "recap"):
        start_answer(desk, member, prompt)
    elif reply.name != "yes":
        desk.say(member.id, "objects.kept")
    else:
        await desk.records.put(replace(pause, answered=True, answer=str(prompt.draft["words"])))
        for id in pause.readers:
            if await desk.member(id) is not None:
                desk.queue(id, "lift", subject=pause.id, until=pause.due_at)
        desk.say(member.id, "objects.sent")


# Those who decided it


async def decided_by(desk: Desk, reader: MemberId) -> list[PairingPause]:
    """The pauses that a reader decided and that still hold, the first to end before the others."""
    found = [one for one in await desk.records.find(PairingPause) if reader in one.readers]
    still = [one for one in found if one.due_at > desk.now and readers.of(desk, (reader,))]
    return sorted(still, key=lambda one: (one.due_at, one.id))


async def show_lift(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """A pause, what its person answered, and whether to end it now."""
    pause = await desk.records.get(PairingPause, prompt.subject)
    if pause is None or member.id not in pause.readers or not readers.of(desk, (member.id,)):
        return None
    lines = [desk.words(member, "lift.pause", until=pause.due_at, reason=pause.reason)]
    if pause.answer:
        lines.append(desk.words(member, "lift.answer", words=pause.answer))
    lines.append(desk.words(member, pairing_pauses.said("lift.question", pause.link)))
    return Question("\n".join(lines), _LIFT, binding=True, also=frozenset({"skip"}))


async def lift(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """End it after a yes, and say so to its person and to whoever decided it too."""
    pause = await desk.records.get(PairingPause, prompt.subject)
    if reply.name != "yes" or pause is None or member.id not in pause.readers:
        desk.say(member.id, "lift.kept")
        return
    await desk.records.delete(PairingPause, pause.id)
    for id in pause.readers:
        if (other := await desk.member(id)) is not None:
            desk.drop(other, pause.id)
            desk.say(id, pairing_pauses.said("lift.done", pause.link), until=pause.due_at)
    await _tell_over(desk, pause)


async def due(desk: Desk, pause: PairingPause) -> None:
    """Its date has come."""
    await desk.records.delete(PairingPause, pause.id)
    await _tell_over(desk, pause)


async def _tell_over(desk: Desk, pause: PairingPause) -> None:
    if (member := await desk.member(pause.other)) is not None:
        desk.drop(member, pause.id)
        if await pairing_pauses.of(desk, member.id) is None:
            desk.say(member.id, "paused.over")


async def forget(desk: Desk, member: MemberId) -> None:
    """A pause about them stays until its date, without their answer; they stand in none that they decided."""
    for pause in await desk.records.about(PairingPause, member):
        await desk.records.put(replace(pause, answer=""))
    for pause in await desk.records.find(PairingPause):
        if member in pause.readers:
            left = tuple(one for one in pause.readers if one != member)
            await desk.records.put(replace(pause, readers=left))
