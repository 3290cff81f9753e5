"""Keeping two apart: one address, typed by the member, before any meeting or after one; listed, and ended.

Guards: nobody is told, and nothing that the other can see shows it; what is said is the same whether the
address exists or not; no name is kept, so that a list has numbers and dates alone; nothing is kept, and
nothing ends, before a yes.
"""

from dataclasses import replace

from handlers import across, pairing_pauses
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from handlers.words import normal
from schema.ids import MatrixId, MemberId, SeparationId
from schema.records import Meeting, Member, Prompt, Separation
from service.core import afterwards
from service.core.apart import MOST, Unclear, address, apart_from

_SKIP = frozenset({"skip"})

_RECAP = (Choice("yes", "choice.apart_yes"), Choice("no", "choice.apart_no"))
_END = (Choice("no", "choice.apart_keep"), Choice("yes", "choice.apart_end"))
"""What makes a meeting possible again does not stand first."""

UNCLEAR = {
    Unclear.NAME: "apart.unclear_name",
    Unclear.SERVER: "apart.unclear_server",
    Unclear.EMAIL: "apart.unclear_email",
    Unclear.ROOM: "apart.unclear_room",
    Unclear.SEVERAL: "apart.unclear_several",
    Unclear.ODD: "apart.unclear_odd",
}
"""Why an address that was typed cannot be taken."""


async def of(desk: Desk, member: MemberId) -> frozenset[MemberId]:
    """Everybody who is kept apart from the member, by either of the two, or since they are paused."""
    return await asked_for(desk, member) | await pairing_pauses.people(desk)


async def asked_for(desk: Desk, member: MemberId) -> frozenset[MemberId]:
    """Everybody who is kept apart from the member as one of the two asked."""
    own = await desk.records.find(Separation, member=member)
    return apart_from(member, [*own, *(await desk.records.about(Separation, member))])


async def _own(desk: Desk, member: MemberId) -> list[Separation]:
    """What the member asked for, oldest first: the place in it is the number that they see."""
    return sorted(await desk.records.find(Separation, member=member), key=lambda one: (one.since, one.id))


async def start(desk: Desk, member: Member) -> None:
    """Ask for the address of whom to keep apart."""
    desk.put_behind(member.id)
    desk.ask(member.id, "apart")


async def name(desk: Desk, member: Member, typed: str) -> None:
    """Put the question whether to keep apart whom the member typed, or say what is unclear about it."""
    if desk.now_is(member.id).prompt is not None:
        desk.put_behind(member.id)
    found = address(typed)
    if isinstance(found, Unclear):
        desk.refuse(member.id, UNCLEAR[found], server=desk.community.server)
        desk.ask(member.id, "apart")
        return
    if found.lower() == member.matrix_id.lower():
        desk.refuse(member.id, "apart.own")
        desk.ask(member.id, "apart")
        return
    own = await _own(desk, member.id)
    other = desk.turn.identify(found)
    for number, one in enumerate(own, 1):
        if one.other == other:
            desk.say(member.id, "apart.already", number=number, since=one.since, notice=False)
            return
    if len(own) >= MOST:
        desk.say(member.id, "apart.full", n=MOST, notice=False)
        return
    desk.ask(member.id, "apart", draft={"address": found})


def named(desk: Desk, member: Member, body: str) -> str | None:
    """What stands after the words that keep somebody apart, where a message begins with them."""
    parts = body.split()
    for word in desk.spoken(member, "command.apart"):
        length = len(word.split())
        if len(parts) > length and normal(" ".join(parts[:length])) == word:
            return " ".join(parts[length:])
    return None


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question for the address, the recap, the list, or whether to end one of it."""
    if prompt.kind == "apart":
        if found := prompt.draft.get("address"):
            text = desk.words(member, "apart.recap", address=found)
            if desk.community.readers:
                # The same for any address: whether they met is not to be seen by what is asked.
                text += "\n" + desk.words(member, "apart.mark")
            return Question(text, _RECAP, binding=True, also=_SKIP)
        text = desk.words(member, "apart.address", server=desk.community.server)
        return Question(text, free=True, reads=True, also=_SKIP)
    own = await _own(desk, member.id)
    if chosen := prompt.draft.get("chosen"):
        since = [one.since for one in own if one.id == chosen]
        if not since:
            return None
        text = desk.words(member, "apart.end", since=since[0])
        return Question(text, _END, binding=True, also=_SKIP)
    if not own:
        return None
    dates = {str(one.id): one.since for one in own}
    # The list stays as it was first shown: a number never comes to mean something else.
    shown = prompt.draft.get("ids")
    listed = [one for one in (shown if isinstance(shown, list) else dates) if one in dates]
    choices = (
        *(Choice(one, text=desk.words(member, "apart.since", since=dates[one])) for one in listed),
        Choice("leave", "choice.apart_leave"),
    )
    return Question(desk.words(member, "apart.list", n=len(listed)), choices, also=_SKIP)


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take an address, a yes to keep two apart, a number of the list, or a yes to end that one."""
    if prompt.kind == "apart":
        if reply.text:
            await name(desk, member, reply.text)
        elif reply.name == "yes":
            await _keep(desk, member, MatrixId(str(prompt.draft["address"])))
        else:
            desk.say(member.id, "apart.unchanged")
    elif prompt.draft.get("chosen"):
        if reply.name == "yes":
            await _end(desk, member, SeparationId(str(prompt.draft["chosen"])))
        else:
            desk.say(member.id, "apart.unchanged")
    elif reply.name in ("leave", "skip"):
        desk.say(member.id, "apart.unchanged")
    else:
        desk.ask(member.id, "kept", draft={"chosen": reply.name})


async def _end(desk: Desk, member: Member, id: SeparationId) -> None:
    await desk.records.delete(Separation, id)
    for one in await desk.records.find(Meeting, member=member.id):
        if one.apart == id:
            await desk.records.put(replace(one, apart=None))
    desk.say(member.id, "apart.ended")


async def _keep(desk: Desk, member: Member, found: MatrixId) -> None:
    if await keep(desk, member.id, desk.turn.identify(found)) is not None:
        desk.say(member.id, "apart.done")


async def keep(desk: Desk, member: MemberId, other: MemberId) -> Separation | None:
    """Keep the two apart from now on, for `member`; what is between them goes on as if nothing were.

    What the member said of talking again with the other goes. None, after saying so, where that is too many.
    """
    wish = await wished(desk, member, other)
    if wish is None and len(await desk.records.find(Separation, member=member)) >= MOST:
        desk.say(member, "apart.full", n=MOST, notice=False)
        return None
    if wish is None:
        wish = Separation(SeparationId(desk.turn.new_id()), member, other, desk.now)
        await desk.records.put(wish)
    for meeting in await desk.records.find(Meeting, member=member):
        if other and meeting.other == other:
            await mark(desk, meeting, wish)
    await across.no_more_again(desk, member)
    return wish


async def mark(desk: Desk, meeting: Meeting, wish: Separation) -> None:
    """Keep the member's mark of somebody kept apart for a concern, where anybody reads one; else none."""
    left = after_keeping(desk, meeting)
    if left is None:
        await desk.records.delete(Meeting, meeting.id)
    else:
        await desk.records.put(replace(left, apart=wish.id))


def after_keeping(desk: Desk, meeting: Meeting) -> Meeting | None:
    """What is left of the member's mark of somebody once they had the two kept apart."""
    if not desk.community.readers:
        return None
    return afterwards.take_back(meeting, desk.now, desk.timings.afterwards)


async def wished(desk: Desk, member: MemberId, other: MemberId) -> Separation | None:
    """By what the member has had the two kept apart, where they did."""
    own = await desk.records.find(Separation, member=member)
    return next((one for one in own if other and one.other == other), None)


async def kept(desk: Desk, member: Member) -> None:
    """List whom the member has kept apart, by number and date."""
    own = await _own(desk, member.id)
    if not own:
        desk.say(member.id, "apart.nobody", notice=False)
        return
    desk.put_behind(member.id)
    desk.ask(member.id, "kept", draft={"ids": [str(one.id) for one in own]})


async def forget(desk: Desk, member: MemberId) -> None:
    """Erase what the member asked for; what others asked for about them stays."""
    for one in await desk.records.find(Separation, member=member):
        await desk.records.delete(Separation, one.id)
