"""The life of a request: peers are asked in rounds, until somebody goes on, or its time or its word ends it.

Guards: every request has a next hour, or its asker was told how it ended; the rounds come at their hours
whatever anybody answered, so that the asker cannot tell a no, a silence and a step back apart; nobody is
asked twice about one request; its words are erased when it ends.
"""

from dataclasses import replace
from datetime import datetime

from handlers import across, apart, finding, pairing_pauses, pause, yes_across
from handlers import draft as drafts
from handlers.desk import Desk
from handlers.question import Choice, Question
from schema.ids import AskId, MemberId, PairingId, RequestId
from schema.records import Ask, Consent, Member, Pairing, Prompt, Request
from schema.states import AskState, PairingState, RequestState
from service.core import matching
from service.core.ages import take_part
from service.core.pairing import (
    YES,
    AskMove,
    PairingMove,
    RequestMove,
    advance_ask,
    advance_pairing,
    advance_request,
    next_card,
)

PROMISED = (AskState.WILLING, AskState.READY, AskState.CHOSEN)
"""An ask in these states has its member's last word: they were told by when they hear."""

Draft = drafts.Draft


async def of(desk: Desk, member: MemberId) -> Request | None:
    """The member's request, where one stands."""
    return await finding.of(desk, member)


async def begin(desk: Desk, member: Member, draft: Draft, consent: Consent | None) -> None:
    """Make the request that `draft` describes, with the yes to it, and ask the first peers."""
    desk.keep(take_part(desk.now_is(member.id), desk.community.ages, desk.now))
    # Whoever asks for company is not asked for it: what they have not answered counts as silence.
    await clear_asks(desk, member.id)
    request = drafts.blank(desk, member, RequestId(desk.turn.new_id()))
    _drop_kept(desk, member.id)
    await look(desk, drafts.onto(desk, request, draft, consent))


async def change(desk: Desk, request: Request, draft: Draft, consent: Consent | None) -> None:
    """Ask from now on what `draft` describes, with the yes to it; who was asked goes by what they read."""
    changed = drafts.onto(desk, request, draft, consent)
    await desk.records.put(changed)
    await _ask_less_across(desk, request, changed)
    for ask in await desk.records.find(Ask, request=request.id, state=AskState.WAITING):
        await desk.records.put(finding.as_asked(desk, ask, changed))
    desk.say(request.member, "request.changed")
    if changed.due_at is not None:
        next_at = min(changed.due_at, changed.until)
        desk.say(request.member, "request.next", next=next_at, until=changed.until)


async def _ask_less_across(desk: Desk, before: Request, after: Request) -> None:
    """Take the request back where it is not for a linked community any more, or its tags have changed.

    Where it still is for that community it is put to it anew. One whose yes is with the asker stays until it
    ends, and whoever else said yes to it is told no more.
    """
    changed = await across.tags_change(desk, before, after)
    if not changed and not set(across.goes_to(before)) - set(across.goes_to(after)):
        return
    found = map(across.of_theirs, await desk.records.find(Ask, request=after.id, state=AskState.CHOSEN))
    stays = {one.request for one in found if one is not None}
    await across.withdraw_request(desk, before, but=stays)
    promised = (AskState.WILLING, AskState.READING, AskState.READY)
    for ask in await desk.records.find(Ask, request=after.id, state=promised):
        if across.of_theirs(ask) is not None:
            await drop_ask(desk, ask)


async def engaged_as_peer(desk: Desk, member: MemberId) -> Ask | None:
    """An ask to which the member said yes and whose answer they await."""
    asks = await desk.records.find(Ask, member=member, state=PROMISED)
    return asks[0] if asks else None


async def engaged(desk: Desk, member: MemberId) -> bool:
    """Whether they ask for company themselves, are in a room or near it, or await an answer to their yes."""
    return (
        await of(desk, member) is not None
        or await engaged_as_peer(desk, member) is not None
        or await finding.is_occupied(desk, member)
    )


async def promised_until(desk: Desk, ask: Ask) -> datetime | None:
    """By when the member of an ask was promised an answer; None once both agreed."""
    if ask.due_at is not None:
        return ask.due_at
    for pairing in await desk.records.find(Pairing, ask=ask.id):
        return None if pairing.state is PairingState.AGREED else pairing.until
    return None


async def waits_for_note(desk: Desk, member: MemberId) -> Ask | None:
    """An ask to which the member said yes and whose note has not been theirs to read."""
    asks = await desk.records.find(Ask, member=member, state=AskState.WILLING)
    return asks[0] if asks else None


async def clear_asks(desk: Desk, member: MemberId, but: AskId | None = None) -> None:
    """What the member has not answered counts as silence, but for the ask that is named."""
    for ask in await desk.records.find(
        Ask, member=member, state=(AskState.WAITING, AskState.SHOWN, AskState.READING)
    ):
        if ask.id != but:
            await drop_ask(desk, ask)


# Rounds


async def look(desk: Desk, request: Request) -> None:
    """One round: the note passes on to whoever waits for it, others are asked, the asker is told the hour."""
    asker = await desk.member(request.member)
    looking = request.state is RequestState.LOOKING
    if looking and desk.now >= request.until and not await _awaits(desk, request):
        await end(desk, request, RequestMove.LAPSE)
        if asker is not None:
            _offer_again(desk, request, "again.paused" if await pause.of(desk) else "again.nobody")
        return
    if looking and await finding.has_nobody(desk, request):
        await end(desk, request, RequestMove.LAPSE)
        if asker is not None:
            _offer_again(desk, request, "again.no_one_linked" if request.again_of else "again.no_one")
        return
    if looking and asker is not None and (later := next_card(asker.cards, desk.now)) is not None:
        desk.say(asker.id, "request.tomorrow", next=min(later, request.until), until=request.until)
        waits, effects = advance_request(request, RequestMove.ROUND, desk.now)
        await desk.apply(effects)
        await desk.records.put(replace(waits, due_at=min(later, request.until)))
        return
    next_at = desk.now + desk.timings.ask_again
    if looking:
        next_at = min(next_at, request.until) if desk.now < request.until else next_at
        paused = await pause.of(desk)
        if request.across is not None:
            # A linked community asks: theirs to tell their member, ours to ask ours.
            if paused is None and await finding.asks_for_link(desk, request):
                await finding.ask_others(desk, request, next_at)
        elif asker is not None and asker.room is not None and paused is not None:
            request = await pause.tell(desk, request, paused, next_at)
        elif asker is not None and asker.room is not None:
            if request.told == "paused":
                request = replace(request, told="")
            request = await _pass_note(desk, request, next_at)
            asked = await finding.ask_others(desk, request, next_at)
            request = _tell(desk, request, asked, next_at)
    request, effects = advance_request(request, RequestMove.ROUND, desk.now)
    await desk.apply(effects)
    await desk.records.put(replace(request, due_at=next_at))


async def _awaits(desk: Desk, request: Request) -> bool:
    """Whether its asker said yes to another who asks too: what comes of that is waited for."""
    return bool(await desk.records.find(Ask, offer=request.id, state=YES))


def _tell(desk: Desk, request: Request, asked: int, next_at: datetime) -> Request:
    """Say how it looks where that changed: at the first round always, later once; else where they wish it.

    What is said of each try is the same whatever came of it.
    """
    if request.told in ("", "nobody") and _only_some(desk, request):
        # Whether anybody named such a topic, or asks too, is nobody's to learn by trying.
        told = "looking"
    elif asked and request.told in ("", "nobody"):
        told = "asking"
    elif request.told == "":
        told = "nobody"
    elif request.told in ("asking", "looking"):
        told = "no_answer"
    else:
        if request.each_try:
            desk.say(request.member, "request.try", next=next_at)
        return request
    key = _TOLD[told]
    if told == "looking" and (request.again_only or request.too):
        key = "request.looking_again" if request.again_only else "request.looking_too"
        if request.again_only and request.again_of:
            key = "request.looking_again_linked"
    elif told == "looking" and across.goes_to(request):
        key = "request.looking_linked"
    every = desk.timings.ask_again
    desk.say(request.member, key, next=next_at, every=every, until=request.until)
    return replace(request, told=told)


def _only_some(desk: Desk, request: Request) -> bool:
    """Whether to say that somebody is asked would show who is here, or is none of what is known here."""
    usual = desk.community.talk_in[:1]
    return bool(across.goes_to(request)) or matching.only_some(request, desk.community.hard, usual)


_TOLD = {
    "asking": "request.asking",
    "looking": "request.looking",
    "nobody": "request.nobody",
    "no_answer": "request.no_answer",
}


async def _pass_note(desk: Desk, request: Request, next_at: datetime) -> Request:
    """Open the note to whoever has waited longest for it; only a round does, so that no step back shows."""
    waiting = await desk.records.find(Ask, request=request.id, state=AskState.WILLING)
    kept_apart = await apart.of(desk, request.member)
    waiting = [
        ask
        for ask in waiting
        if ask.due_at is not None
        and ask.due_at > desk.now
        and ask.member not in kept_apart
        and matching.may_read(request, ask)
    ]
    for ask in sorted(waiting, key=lambda one: (one.said_at or one.made_at, one.id)):
        if not await note_crosses(desk, request, ask):
            continue
        if await desk.member(ask.member) is not None:
            desk.queue(ask.member, "note", subject=ask.id, until=desk.now + desk.timings.consent_open)
        return await open_note(desk, request, ask, next_at)
    return request


async def note_crosses(desk: Desk, request: Request, ask: Ask) -> bool:
    """Have the note cross where `ask` is of somebody of a linked community; False where it cannot now."""
    theirs = across.of_theirs(ask)
    if theirs is None:
        return True
    until = desk.now + desk.timings.consent_open
    return theirs.link in across.goes_to(request) and await across.note(desk, request, theirs, until)


def note_is_free(desk: Desk, request: Request, ask: Ask) -> bool:
    """Whether `ask`'s member may read the note now: it is with one peer at a time, until the round."""
    return (
        request.state is RequestState.LOOKING
        and (request.note_until is None or request.note_until <= desk.now)
        and matching.may_read(request, ask)
    )


async def open_note(desk: Desk, request: Request, ask: Ask, next_at: datetime) -> Request:
    """The note is the ask's member's to read, alone until `next_at`; to put the question is the caller's."""
    opened, effects = advance_ask(ask, AskMove.OPEN, desk.now, desk.now + desk.timings.consent_open)
    await desk.records.put(opened)
    await desk.apply(effects)
    request = replace(request, note_until=next_at)
    await desk.records.put(request)
    return request


# A peer goes on


async def propose(desk: Desk, request: Request, ask: Ask, until: datetime) -> None:
    """Ask the asker about the one who would go on; they have until `until`."""
    ask, effects = advance_ask(ask, AskMove.CHOOSE, desk.now)
    await desk.apply(effects)
    await desk.records.put(ask)
    request, effects = advance_request(request, RequestMove.PROPOSE, desk.now)
    await desk.apply(effects)
    await desk.records.put(request)
    asker = await desk.member(request.member)
    waits = asker is not None and desk.busy(asker)
    pairing = Pairing(
        id=PairingId(desk.turn.new_id()),
        request=request.id,
        ask=ask.id,
        asker=request.member,
        peer=ask.member,
        state=PairingState.PROPOSED,
        made_at=desk.now,
        until=until,
        due_at=min(until, desk.now + desk.timings.idle) if waits else until,
        length=ask.length,
        card=ask.card,
        fear=ask.fear,
        wish=ask.wish,
        talking=ask.talking,
        own=ask.own,
        start=ask.start,
        across=across.of_theirs(ask),
    )
    await desk.records.put(pairing)
    if asker is not None:
        desk.queue(asker.id, "consent", subject=pairing.id, until=until)


async def resume(desk: Desk, id: RequestId, key: str) -> None:
    """It did not come together: say so with sentence `key`, and go on with the next who is ready.

    Where `key` is empty nothing is said of it.
    """
    request = await desk.records.get(Request, id)
    if request is None:
        return
    request, effects = advance_request(request, RequestMove.RESUME, desk.now)
    await desk.apply(effects)
    await desk.records.put(request)
    asker = await desk.member(request.member)
    if (pause := await pairing_pauses.of(desk, request.member)) is not None:
        # It was on its way to a room when the pause began; nobody else is asked.
        await end(desk, request, RequestMove.LAPSE)
        if asker is not None:
            desk.say(asker.id, "paused.looks_no_more", until=pause.due_at)
        return
    kept_apart = await apart.of(desk, request.member)
    soonest = min(desk.timings.ask_again, desk.timings.join)
    ready = [
        ask
        for ask in await desk.records.find(Ask, request=id, state=AskState.READY)
        if ask.due_at is not None and ask.due_at - desk.now >= soonest and ask.member not in kept_apart
    ]
    more = asker is None or next_card(asker.cards, desk.now) is None
    if ready and more and desk.now < request.until:
        ask = min(ready, key=lambda one: (one.said_at or one.made_at, one.id))
        await propose(desk, request, ask, ask.due_at or desk.now)
        return
    if desk.now >= request.until:
        await look(desk, request)
        return
    if not key or (asker is not None and next_card(asker.cards, desk.now) is not None):
        await look(desk, request)
        return
    if asker is not None:
        desk.say(asker.id, key)
    if request.due_at is None or request.due_at <= desk.now:
        # The round that fell due meanwhile comes now, and its own words say what is next.
        await look(desk, replace(request, told=""))
        return
    next_at = min(request.due_at, request.until)
    await desk.records.put(replace(request, due_at=next_at))
    if asker is not None:
        desk.say(asker.id, "request.next", next=next_at, until=request.until)


# Ends


async def end(desk: Desk, request: Request, move: RequestMove) -> None:
    """Erase the request; asks that still await their hour keep it, so that nobody can tell when it ended."""
    advance_request(request, move, desk.now)
    await desk.records.delete(Request, request.id)
    for pairing in await desk.records.find(Pairing, request=request.id, state=PairingState.AGREED):
        if pairing.across is not None and not pairing.peer:
            # Their desk has not said yet who it is, and nothing waits for that any more.
            await across.withdraw(desk, pairing.across)
            await desk.records.delete(Pairing, pairing.id)
    await across.withdraw_request(desk, request)
    for ask in await desk.records.find(Ask, request=request.id, state=(AskState.WAITING, AskState.OVER)):
        await drop_ask(desk, ask)
    # Who was asked since they ask too, and does not any more, has taken back their yes; but not from a room.
    if request.state is not RequestState.TOGETHER:
        for ask in await desk.records.find(Ask, offer=request.id):
            await step_back(desk, ask)


async def withdraw(desk: Desk, request: Request) -> None:
    """The asker takes it back: at once for them, at its hour for whoever had gone on."""
    for pairing in await desk.records.find(
        Pairing, request=request.id, state=(PairingState.PROPOSED, PairingState.STEPPED_BACK)
    ):
        await decline(desk, pairing)
    await end(desk, request, RequestMove.WITHDRAW)


async def decline(desk: Desk, pairing: Pairing) -> None:
    """The asker does not go on with this person, who hears of it at the hour and not before."""
    declined, effects = advance_pairing(pairing, PairingMove.DECLINE, desk.now)
    await desk.apply(effects)
    asker = await desk.member(pairing.asker)
    if asker is not None:
        desk.drop(asker, pairing.id)
    if pairing.across is not None and declined.state is PairingState.DECLINED:
        # Nobody here was promised an hour: theirs is their own desk's to keep.
        declined, _ = advance_pairing(declined, PairingMove.STEP_BACK, desk.now)
    await keep_pairing(desk, declined)


async def keep_pairing(desk: Desk, pairing: Pairing) -> None:
    """Write the pairing, or delete it where it is over, together with the ask that led to it."""
    if pairing.state is not PairingState.OVER:
        await desk.records.put(pairing)
        return
    await desk.records.delete(Pairing, pairing.id)
    ask = await desk.records.get(Ask, pairing.ask)
    if ask is not None:
        await drop_ask(desk, ask)


async def step_back(desk: Desk, ask: Ask) -> None:
    """A peer takes their yes back before a room opened; nobody is told of it."""
    for pairing in await desk.records.find(
        Pairing, ask=ask.id, state=(PairingState.PROPOSED, PairingState.DECLINED)
    ):
        moved, effects = advance_pairing(pairing, PairingMove.STEP_BACK, desk.now)
        await desk.apply(effects)
        await keep_pairing(desk, moved)
    still = await desk.records.get(Ask, ask.id)
    if still is not None:
        await drop_ask(desk, still)


async def one_room(desk: Desk, member: MemberId, but: AskId) -> None:
    """The member agreed to a room: whatever else they were asked, or said yes to, ends without a word."""
    for ask in await desk.records.find(Ask, member=member):
        if ask.id != but and ask.state is not AskState.OVER:
            await step_back(desk, ask)


async def join(desk: Desk, request: Request) -> None:
    """Somebody agreed to the request's asker, who looks for company too: the search waits for their room."""
    for pairing in await desk.records.find(
        Pairing, request=request.id, state=(PairingState.PROPOSED, PairingState.STEPPED_BACK)
    ):
        await decline(desk, pairing)
    joined, effects = advance_request(request, RequestMove.JOIN, desk.now)
    await desk.apply(effects)
    await desk.records.put(joined)


def without_asker(pairing: Pairing) -> Pairing:
    """The pairing as it stays for the peer's hour when the asker is forgotten."""
    return replace(pairing, asker=MemberId(""), request=RequestId(""), consent=None)


def without_peer(pairing: Pairing) -> Pairing:
    """The pairing as it stays for the asker's answer when the peer is forgotten."""
    # That the other looked for company too was said, and stays said.
    own: Draft = {"wish": matching.MUTUAL} if pairing.own else {}
    return replace(pairing, peer=MemberId(""), ask=AskId(""), card="", fear="unsaid", own=own)


async def drop_ask(desk: Desk, ask: Ask) -> None:
    """The ask is over: it stays, as over, while its request stands, so that nobody is asked twice."""
    waited = ask.state is AskState.WAITING
    if ask.state is AskState.READY:
        await yes_across.let_go(desk, ask)
    if ask.state is not AskState.OVER:
        ask, effects = advance_ask(ask, AskMove.DROP, desk.now)
        await desk.apply(effects)
        member = await desk.member(ask.member)
        if member is not None:
            desk.drop(member, ask.id)
    if waited or await desk.records.get(Request, ask.request) is None:
        await desk.records.delete(Ask, ask.id)
    else:
        await desk.records.put(replace(ask, card="", fear="", own={}, consents=(), note="", how=()))


def _offer_again(desk: Desk, request: Request, why: str) -> None:
    """The request is over; its words wait with the asker, so that it can be taken up again."""
    offer_again(desk, request.member, drafts.of(request), why)


def offer_again(desk: Desk, asker: MemberId, words: Draft, why: str) -> None:
    """Say why with sentence `why`, and ask whether to look again; the asker is loaded in this turn."""
    draft: Draft = {**words, "why": why}
    _drop_kept(desk, asker)
    desk.queue(asker, "again", draft=draft, until=desk.now + desk.timings.request_open)


def _drop_kept(desk: Desk, asker: MemberId) -> None:
    """Of the requests that came to nothing the words of the last are kept, and while none stands."""
    for older in desk.questions(asker, "again"):
        desk.end_question(asker, older)


async def give_up(desk: Desk, id: RequestId, why: str) -> None:
    """The request is over without the asker's word: say why, and let it be taken up again."""
    request = await desk.records.get(Request, id)
    if request is None:
        return
    await end(desk, request, RequestMove.LAPSE)
    if await desk.member(request.member) is not None:
        _offer_again(desk, request, why)


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question after a request that came to nothing."""
    text = desk.words(member, str(prompt.draft["why"]), until=prompt.until)
    return Question(
        text,
        (
            Choice("again", "choice.look_again"),
            Choice("change", "choice.change_first"),
            Choice("places", "choice.places"),
            Choice("menu", "choice.menu"),
        ),
        terms=text,
    )


# What comes due


async def due(desk: Desk, request: Request) -> None:
    """The next round has come."""
    await look(desk, request)


async def ask_due(desk: Desk, ask: Ask) -> None:
    """The ask's hour has come: it lapses, and whoever was promised an answer has it."""
    await drop_ask(desk, ask)


async def pairing_due(desk: Desk, pairing: Pairing) -> None:
    """The second consent's hour has come, or it has waited behind another question and may be put now."""
    if desk.now < pairing.until:
        asker = await desk.member(pairing.asker)
        waits = asker is not None and any(one.subject == pairing.id for one in asker.waiting)
        again = min(pairing.until, desk.now + desk.timings.idle) if waits else pairing.until
        await desk.records.put(replace(pairing, due_at=again))
        if asker is not None:
            desk.comes_up(asker.id, pairing.id)
        return
    silent = pairing.state in (PairingState.PROPOSED, PairingState.STEPPED_BACK)
    lapsed, effects = advance_pairing(pairing, PairingMove.LAPSE, desk.now)
    await desk.member(pairing.peer)
    await desk.apply(effects)
    asker = await desk.member(pairing.asker)
    if asker is not None:
        desk.drop(asker, pairing.id)
    await keep_pairing(desk, lapsed)
    if silent:
        await give_up(desk, pairing.request, "again.silence")
