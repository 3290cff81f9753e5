"""A voucher for whoever would offer company, where the community wants one: asked for, given, and its end.

Guards: whoever offers names who may vouch for them, and nobody else hears of it, so that nobody can find out
who offers; whoever is named gets one question, and what is said to the two is the same after a yes, a no and
a silence, and whether the address exists or not; asking for company never needs a voucher.
"""

from collections.abc import Sequence

from handlers import apart
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from handlers.steward_room import Draft, StewardRoom, stewardship
from schema.ids import MatrixId, MemberId, VoucherId
from schema.records import Consent, Member, Offer, Prompt, Voucher
from service.core import voucher as rules
from service.core.apart import Unclear, address

_ALSO = frozenset({"skip", "back"})

_YES_NO = (Choice("yes", "choice.voucher_yes"), Choice("no", "choice.voucher_no"))
_VOUCH = (Choice("no", "choice.vouch_no"), Choice("yes", "choice.vouch_yes"))
"""What is said for somebody else does not stand first."""


async def of(desk: Desk, member: MemberId) -> Voucher | None:
    """The member's voucher, asked for or given, where there is one."""
    found = [one for one in await desk.records.find(Voucher, member=member) if one.due_at > desk.now]
    return found[0] if found else None


async def lacks(desk: Desk, member: MemberId) -> bool:
    """Whether the member may not offer company before somebody vouches for them."""
    if not desk.community.vouchers:
        return False
    found = await of(desk, member)
    return found is None or not rules.stands(found, desk.now)


async def counting(desk: Desk, offers: Sequence[Offer]) -> Sequence[Offer]:
    """The offers of those who may be asked: of everybody, or of whoever has a voucher."""
    if not desk.community.vouchers:
        return offers
    found = await desk.records.find(Voucher)
    vouched = {one.member for one in found if rules.stands(one, desk.now)}
    return [offer for offer in offers if offer.member in vouched]


# Whoever would offer


async def start(desk: Desk, member: Member) -> None:
    """Say what a voucher is, and ask from whom it shall come; or that one was asked for already."""
    if (found := await of(desk, member.id)) is not None:
        key = "voucher.not_yet" if rules.taken_back(found) else "voucher.waits"
        desk.say(member.id, key, notice=False, until=found.due_at)
    else:
        desk.ask(member.id, "voucher", draft={"step": "how"})


async def _stewards(desk: Desk) -> bool:
    return bool(desk.community.stewards and (await stewardship(desk)).here)


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question of the step, or the one to somebody who was named."""
    if prompt.kind == "vouch":
        return await _show_vouch(desk, member, prompt)
    until = desk.now + rules.ASKED_FOR
    match prompt.draft["step"]:
        case "how":
            stewards = (Choice("stewards", "choice.voucher_stewards"),) if await _stewards(desk) else ()
            choices = (
                *stewards,
                Choice("members", "choice.voucher_members"),
                Choice("no", "choice.voucher_none"),
            )
            return Question(desk.words(member, "voucher.how"), choices, also=_ALSO)
        case "first" | "second" as step:
            key = "voucher.first" if step == "first" else "voucher.second"
            text = desk.words(member, key, server=desk.community.server)
            return Question(text, free=True, reads=True, also=_ALSO)
        case "stewards":
            text = desk.words(member, "voucher.stewards", address=member.matrix_id, until=until)
            return Question(text, _YES_NO, binding=True, also=_ALSO, terms=text)
    names = _names(prompt.draft)
    whom = desk.words(member, "voucher.whom", names=names)
    terms = desk.words(member, "voucher.members", address=member.matrix_id, until=until)
    # Whom they named is kept as marks alone, and of those who gave it nothing at all.
    return Question(f"{whom}\n{terms}", _YES_NO, binding=True, also=_ALSO, terms=terms)


def _names(draft: Draft) -> list[str]:
    names = draft.get("names")
    return list(names) if isinstance(names, list) else []


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take the step's answer, or what somebody who was named says."""
    if prompt.kind == "vouch":
        await _answer_vouch(desk, member, prompt, reply)
        return
    step, names = prompt.draft["step"], _names(prompt.draft)
    if reply.name in ("back", "skip", "no"):
        desk.say(member.id, "talk.dropped")
    elif step == "how":
        _go(desk, member, "stewards" if reply.name == "stewards" else "first")
    elif step in ("first", "second"):
        _take_name(desk, member, str(step), names, reply.text)
    elif await of(desk, member.id) is None:
        await _ask(desk, member, names, desk.given(prompt))


def _go(desk: Desk, member: Member, step: str, names: list[str] | None = None) -> None:
    desk.ask(member.id, "voucher", draft={"step": step, "names": names or []})


def _take_name(desk: Desk, member: Member, step: str, names: list[str], typed: str) -> None:
    found = address(typed)
    if isinstance(found, Unclear):
        desk.refuse(member.id, apart.UNCLEAR[found], server=desk.community.server)
        _go(desk, member, step, names)
    elif found in names or found == member.matrix_id.lower():
        desk.refuse(member.id, "voucher.other")
        _go(desk, member, step, names)
    else:
        _go(desk, member, "second" if step == "first" else "members", [*names, found])


async def _ask(desk: Desk, member: Member, names: list[str], consent: Consent | None) -> None:
    """Ask those who were named, or the stewards; what is said of it is the same whoever they are."""
    until = desk.now + rules.ASKED_FOR
    named = tuple(desk.turn.identify(MatrixId(one)) for one in names)
    found = Voucher(
        id=VoucherId(desk.turn.new_id()),
        member=member.id,
        due_at=until,
        stewards=not names,
        named=named,
        consent=consent,
    )
    await desk.records.put(found)
    kept_apart = await apart.of(desk, member.id)
    for one in named:
        other = await desk.member(one)
        if other is not None and one not in kept_apart:
            desk.queue(one, "vouch", subject=found.id, until=until)
    if not names:
        room = await StewardRoom.of(desk)
        room.say("steward.vouch_asked", address=member.matrix_id, until=until, notice=False)
        await room.close()
    desk.say(member.id, "voucher.asked", until=until)


# Whoever was named


async def _show_vouch(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    found = await desk.records.get(Voucher, prompt.subject)
    if found is None or not rules.open_to(found, member.id, desk.now):
        return None
    candidate = await desk.member(found.member)
    if candidate is None or found.member in await apart.of(desk, member.id):
        return None
    text = desk.words(member, "vouch.question", address=candidate.matrix_id, until=found.due_at)
    return Question(text, _VOUCH, binding=True, also=frozenset({"skip"}), until=found.due_at)


async def _answer_vouch(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    found = await desk.records.get(Voucher, prompt.subject)
    desk.say(member.id, "vouch.noted")
    if reply.name == "yes" and found is not None and rules.open_to(found, member.id, desk.now):
        await _keep(desk, rules.agree(found, member.id, desk.now))


async def _keep(desk: Desk, found: Voucher) -> None:
    """Write it, and tell its member once it is given."""
    await desk.records.put(found)
    if found.since is not None and await desk.member(found.member) is not None:
        desk.say(found.member, "voucher.given", until=found.due_at, notice=False)


# The stewards


async def of_stewards(room: StewardRoom) -> list[tuple[Voucher, Member]]:
    """Those who ask the stewards for a voucher, as far as this steward may say yes to them."""
    desk = room.desk
    found = []
    for one in await desk.records.find(Voucher):
        if rules.open_to_stewards(one, room.steward, desk.now):
            candidate = await desk.member(one.member)
            found += [] if candidate is None else [(one, candidate)]
    return found


async def list_asked(room: StewardRoom, _: str) -> None:
    """Whom they can vouch for."""
    if await of_stewards(room):
        room.ask("vouch", draft={"step": "list", "ids": [one.id for one, _ in await of_stewards(room)]})
    else:
        room.say("steward.vouch_nobody" if room.desk.community.vouchers else "steward.vouch_off")


async def show_asked(room: StewardRoom, prompt: Prompt) -> Question | None:
    """The list as it was first shown, or the recap of the one that was chosen."""
    asked = {str(one.id): candidate for one, candidate in await of_stewards(room)}
    if prompt.draft["step"] == "list":
        ids = prompt.draft["ids"]
        listed = [one for one in (ids if isinstance(ids, list) else []) if one in asked]
        choices = tuple(Choice(one, text=asked[one].matrix_id) for one in listed)
        return Question(room.words("steward.vouch"), choices) if choices else None
    candidate = asked.get(prompt.subject)
    if candidate is None:
        return None
    until = room.desk.now + rules.HOLDS
    text = room.words("steward.vouch_recap", address=candidate.matrix_id, until=until)
    return Question(
        text, (Choice("yes", "steward.choice_yes"), Choice("no", "steward.choice_no")), binding=True
    )


async def answer_asked(room: StewardRoom, prompt: Prompt, reply: Reply) -> None:
    """A number of the list leads to its recap; a yes to that gives the voucher."""
    if prompt.draft["step"] == "list":
        room.ask("vouch", subject=reply.name, draft={"step": "recap"})
        return
    found = next((one for one, _ in await of_stewards(room) if one.id == prompt.subject), None)
    if reply.name != "yes" or found is None:
        room.say("steward.kept")
        return
    await _keep(room.desk, rules.give(found, room.desk.now))
    room.say("steward.vouched")


# Its end


async def take_back(desk: Desk, found: Voucher) -> None:
    """Its member takes it back: whoever has not answered is asked no more, and nobody is told."""
    await _drop(desk, found)
    left = rules.take_back(found)
    if left is None:
        await desk.records.delete(Voucher, found.id)
        desk.say(found.member, "voucher.ended")
    else:
        await desk.records.put(left)
        desk.say(found.member, "voucher.taken_back", until=left.due_at)


async def due(desk: Desk, found: Voucher) -> None:
    """It was not enough in time, or it held for a year: its member hears so, and why is said to nobody."""
    await desk.records.delete(Voucher, found.id)
    await _drop(desk, found)
    if rules.taken_back(found):
        return
    if desk.community.vouchers and await desk.member(found.member) is not None:
        desk.say(found.member, "voucher.lapsed" if found.since is None else "voucher.over", notice=False)


async def forget(desk: Desk, member: MemberId) -> None:
    """Erase the member's voucher, and what they said for others."""
    for found in await desk.records.find(Voucher):
        if found.member == member:
            await desk.records.delete(Voucher, found.id)
            await _drop(desk, found)
        elif member in found.named:
            await desk.records.put(rules.without(found, member))


async def _drop(desk: Desk, found: Voucher) -> None:
    """Take the question back from whoever was named."""
    for one in found.named:
        if (other := await desk.member(one)) is not None:
            desk.drop(other, found.id)
