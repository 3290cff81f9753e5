"""What is held about a member, said from live data; and forgetting them, at once, after one yes.

Guards: every stored thing is named in plain words; forgetting ends what is open without telling anybody why;
what cannot be reached is said before the yes.
"""

from handlers import after, apart, consent, room
from handlers import offer as offers
from handlers import request as requests
from handlers.desk import Choice, Desk, Question, Reply
from schema.effects import LeaveRoom
from schema.records import Ask, Consent, Member, Pairing, PeerRoom, Prompt
from schema.states import AskState, PairingState, RequestState, RoomState
from service.core import rooms
from service.core.pairing import PairingMove, RequestMove, advance_pairing

_KEPT_ROOMS = tuple(state for state in RoomState if state not in (RoomState.GONE, RoomState.FAILED))


async def hold(desk: Desk, member: Member) -> None:
    """Say everything that is stored about the member."""
    desk.put_behind(member.id)
    desk.ask(member.id, "held")


async def start_forgetting(desk: Desk, member: Member) -> None:
    """Ask for the one yes."""
    desk.put_behind(member.id)
    desk.ask(member.id, "forget")


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """What is held, or the question whether to forget it."""
    if prompt.kind == "held":
        return Question(
            await _held(desk, member),
            (Choice("forget", "choice.forget"), Choice("menu", "choice.menu")),
        )
    return Question(
        desk.words(member, "forget.question"),
        # What cannot be taken back does not stand first: a number sent twice by mistake changes nothing.
        (Choice("no", "choice.forget_no"), Choice("yes", "choice.forget_yes")),
        binding=True,
        also=frozenset({"skip"}),
    )


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Forget after a yes; anything else changes nothing."""
    if prompt.kind == "held":
        if reply.name == "forget":
            desk.ask(member.id, "forget")
        return
    if reply.name == "yes":
        await _forget(desk, member)
    else:
        desk.say(member.id, "forget.kept")


async def _held(desk: Desk, member: Member) -> str:
    lines = [
        desk.words(member, "held.intro"),
        desk.words(member, "held.member", address=member.matrix_id, since=member.since),
    ]
    if how := consent.how_words(desk, member, member.how):
        lines.append(desk.words(member, "held.how", how=how))
    if member.zone is not None:
        city = desk.turn.words.city(member.zone, member.language, country=True)
        lines.append(desk.words(member, "held.zone", city=city))
    if member.waiting:
        lines.append(desk.words(member, "held.waiting", n=len(member.waiting)))
    # A draft that was put away has the member's own words, as has a request that came to nothing.
    lines += [
        desk.words(member, "held.draft", words=desk.quoted(member, words), until=prompt.until)
        for prompt in member.waiting
        if (words := _own(prompt))
    ]
    request = await requests.of(desk, member.id)
    if request is not None:
        lines.append(
            desk.words(
                member,
                "held.request",
                made=request.made_at,
                until=request.until,
                wish=desk.words(member, consent.WISHES[request.wish]),
                topics=request.topics or desk.words(member, "talk.no_topics"),
                length=request.length,
                note=desk.quoted(member, request.note),
            )
        )
        if request.voice:
            lines.append(desk.words(member, "talk.recap_voice", length=request.length))
        if how := consent.how_words(desk, member, request.how):
            lines.append(desk.words(member, "talk.recap_how", how=how))
        if request.topics_only:
            lines.append(desk.words(member, "talk.recap_only"))
        if request.each_try:
            lines.append(desk.words(member, "talk.recap_each_try"))
        lines += _agreed(desk, member, request.consent)
    offer = await offers.of(desk, member)
    if offer is not None:
        lines.append(desk.words(member, "held.offer", offer=offers.describe(desk, member, offer)))
        if offer.asked_at is not None:
            lines.append(desk.words(member, "held.asked", at=offer.asked_at))
        lines += _agreed(desk, member, offer.consent)
    asks = await desk.records.find(
        Ask, member=member.id, state=(AskState.SHOWN, AskState.READING, *requests.PROMISED)
    )
    for ask in asks:
        lines.append(desk.words(member, "held.ask", made=ask.made_at))
        lines += _agreed(desk, member, *ask.consents)
    over = await desk.records.find(Ask, member=member.id, state=AskState.OVER)
    if over:
        lines.append(desk.words(member, "held.asks_over", n=len(over)))
    if request is not None and request.state is RequestState.PROPOSED:
        lines.append(desk.words(member, "held.pairing"))
    for pairing in await desk.records.find(Pairing, asker=member.id):
        lines += _agreed(desk, member, pairing.consent)
    for peer_room in await room.of(desk, member.id, *_KEPT_ROOMS):
        lines.append(desk.words(member, "held.room", made=peer_room.made_at))
        if peer_room.sought and peer_room.asker == member.id:
            note = desk.quoted(member, str(peer_room.sought.get("note") or ""))
            lines.append(desk.words(member, "held.sought", note=note))
    lines += await after.held(desk, member)
    lines += await apart.held(desk, member)
    lines.append(desk.words(member, "held.rest", who_runs=desk.community.who_runs))
    return "\n".join(lines)


def _agreed(desk: Desk, member: Member, *consents: Consent | None) -> list[str]:
    """What the member said yes to, and when, in the words that they saw."""
    return [
        desk.words(member, "held.agreed", at=one.given_at, version=one.version, words=one.words)
        for one in consents
        if one is not None and one.given_at is not None
    ]


def _own(prompt: Prompt) -> str:
    """The member's own words in a draft."""
    return str(prompt.draft.get("note") or prompt.draft.get("card") or "")


async def _forget(desk: Desk, member: Member) -> None:
    erased_rooms = await room.of(desk, member.id, *_KEPT_ROOMS)
    for peer_room in erased_rooms:
        await _forget_room(desk, member, peer_room)
    for pairing in await desk.records.find(Pairing, asker=member.id):
        await _forget_asker(desk, pairing)
    if (request := await requests.of(desk, member.id)) is not None:
        await requests.end(desk, request, RequestMove.WITHDRAW)
    await offers.end(desk, member)
    for ask in await desk.records.find(Ask, member=member.id):
        await consent.step_back(desk, member, ask)
        await desk.records.delete(Ask, ask.id)
    for pairing in await desk.records.find(Pairing, peer=member.id):
        await _forget_peer(desk, pairing)
    await after.forget(desk, member.id)
    await apart.forget(desk, member.id)
    desk.say(member.id, "forget.done_rooms" if erased_rooms else "forget.done", notice=False)
    await desk.forget(member.id)
    if member.room is not None:
        desk.turn.do(LeaveRoom(member.room, all_with=member.matrix_id))


async def _forget_room(desk: Desk, member: Member, peer_room: PeerRoom) -> None:
    await room.advance(desk, peer_room, rooms.Forget(member.id), by=member.id)


async def _forget_asker(desk: Desk, pairing: Pairing) -> None:
    """The peer still hears at the hour they were told, from a record that names nobody but them."""
    if pairing.state in (PairingState.PROPOSED, PairingState.STEPPED_BACK):
        await requests.decline(desk, pairing)
    left = await desk.records.get(Pairing, pairing.id)
    if left is not None:
        await desk.records.put(requests.without_asker(left))


async def _forget_peer(desk: Desk, pairing: Pairing) -> None:
    """The asker's question stays as it is, without the peer's words or id."""
    if pairing.state in (PairingState.PROPOSED, PairingState.DECLINED):
        moved, effects = advance_pairing(pairing, PairingMove.STEP_BACK, desk.now)
        await desk.apply(effects)
        await requests.keep_pairing(desk, moved)
        pairing = moved
    if pairing.state is PairingState.STEPPED_BACK:
        await desk.records.put(requests.without_peer(pairing))
