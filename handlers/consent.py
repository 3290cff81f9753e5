"""Both consents: the peer's, first to the question and then to the note; then the asker's.

Guards: a consent is one exact answer to the question that is open; before both have said yes neither is told
who the other is; whoever says no, steps back or stays silent leaves the same trace, which is none.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from handlers import across, after, apart, finding, plan, rest, talking, topics, yes_across
from handlers import draft as drafts
from handlers import offer as offers
from handlers import request as requests
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.records import Ask, Link, Member, Pairing, Prompt, Request
from schema.states import AskState, PairingState, RequestState
from service.core import matching
from service.core.pairing import (
    AskMove,
    PairingMove,
    advance_ask,
    advance_pairing,
    next_card,
    recent,
)

_SKIP = frozenset({"skip"})

_NOTE = (Choice("yes", "choice.note_yes"), Choice("no", "choice.note_no"))
_CONSENT = (
    Choice("yes", "choice.consent_yes"),
    Choice("no", "choice.consent_no"),
    Choice("stop", "choice.consent_stop"),
)

WISHES = {
    "listening": "wish.listening",
    "shared": "wish.shared",
    "ideas": "wish.ideas",
    "task": "wish.task",
    "company": "wish.company",
    "conversation": "wish.conversation",
    "mutual": "wish.mutual",
    "unsure": "wish.unsure",
    "backup": "wish.backup",
}
"""What would help, and what it is called; "backup" is asked for from inside a room alone."""

HOW = {
    "slow": "how.slow",
    "few": "how.few",
    "device": "how.device",
    "translated": "how.translated",
    "no_questions": "how.no_questions",
}
"""How a member talks, and what it is called."""

FEARS = {
    "nobody": "fear.nobody",
    "tell_first": "fear.tell_first",
    "report": "fear.report",
    "unsaid": "fear.unsaid",
}
"""What a peer would do if they feared for a life, and what it is called to the asker."""


def agreed(desk: Desk, member: Member, ask: Ask | Pairing, asked: str = "") -> str:
    """What a peer said yes to: how, for how long, and what for where that is not what is `asked` now."""
    said: dict[str, object] = {"how": talking.how(desk, member, ask.talking), "length": ask.length}
    if ask.wish == "listening" != asked:
        return desk.words(member, "agreed.listening", **said)
    if asked and ask.wish not in ("", asked):
        return desk.words(member, "agreed.wish", wish=desk.words(member, WISHES[ask.wish]), **said)
    return desk.words(member, "agreed.length", **said)


def how_words(desk: Desk, member: Member, how: Sequence[str]) -> list[str]:
    """How somebody talks, each in the words for `member`."""
    return [desk.words(member, HOW[name]) for name in how if name in HOW]


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question of an ask, of its note, or of a pairing; None where there is nothing to ask any more."""
    if prompt.kind == "ask":
        return await _show_ask(desk, member, prompt)
    if prompt.kind == "note":
        return await _show_note(desk, member, prompt)
    return await _show_consent(desk, member, prompt)


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take the answer to one of the three; what it was about may have ended meanwhile."""
    if prompt.kind == "consent":
        pairing = await desk.records.get(Pairing, prompt.subject)
        if pairing is not None:
            await _answer_consent(desk, member, prompt, pairing, reply)
        return
    ask = await desk.records.get(Ask, prompt.subject)
    if ask is None:
        return
    if prompt.kind == "ask":
        await _answer_ask(desk, member, with_consent(desk, ask, prompt), reply)
    else:
        await _answer_note(desk, member, with_consent(desk, ask, prompt), reply)


def with_consent(desk: Desk, ask: Ask, prompt: Prompt) -> Ask:
    """The ask, with the consent that a yes to this question gives; it is written after a yes alone."""
    given = desk.given(prompt)
    return ask if given is None else replace(ask, consents=(*ask.consents, given))


# The ask


async def _show_ask(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    ask = await desk.records.get(Ask, prompt.subject)
    if ask is None or ask.state not in (AskState.WAITING, AskState.SHOWN):
        return None
    if ask.across is not None and await desk.records.get(Link, ask.across.link) is None:
        # Nobody is there any more to hear a yes.
        return None
    if ask.state is AskState.WAITING:
        offer = await finding.may_be_shown(desk, ask)
        if offer is None:
            # It is not asked after all; its hour comes, and others have been asked.
            return None
        until = desk.now + desk.timings.ask_open
        if ask.start is not None:
            # For a later hour, which the question tells, it stays good until the time asked for is over.
            until = max(until, ask.start + ask.length)
        ask, effects = advance_ask(ask, AskMove.SHOW, desk.now, until)
        ask = replace(ask, talking=await finding.common(desk, ask) or ask.talking)
        await desk.records.put(ask)
        await desk.apply(effects)
        asked = (*(then for then in offer.asked if desk.now - then < timedelta(days=1)), desk.now)
        await desk.records.put(replace(offer, asked=asked, asked_at=desk.now))
    wish = desk.words(member, WISHES[ask.wish])
    intro, words = "ask.intro_too" if ask.own else "ask.intro", "ask.terms_too" if ask.own else "ask.terms"
    collective = ""
    if ask.across is not None:
        intro, words = "ask.intro_across", "ask.terms_across"
        collective = await across.called(desk, member, ask.across.link)
    lines = [desk.words(member, intro, wish=wish, collective=collective)]
    if ask.own and ask.wish != matching.MUTUAL:
        lines.append(desk.words(member, "own.wish", wish=wish))
    if ask.topics:
        lines.append(desk.words(member, "ask.topics", topics=topics.names(desk, member, ask.topics)))
    lines.append(talking.line(desk, member, ask.talking, ask.length))
    if _is_later(desk, ask):
        lines.append(desk.words(member, "ask.start", start=ask.start))
    terms = desk.words(member, words, until=ask.due_at, collective=collective)
    if ask.across is not None and any(
        one.link == ask.across.link for one in await after.would_again(desk, member.id)
    ):
        # Whatever this ask is about: so nothing shows of that.
        terms = f"{desk.words(member, 'ask.terms_again', collective=collective)}\n{terms}"
    if await requests.waits_for_note(desk, member.id) is not None:
        terms = f"{desk.words(member, 'ask.instead')}\n{terms}"
    text = "\n".join((*lines, terms))
    # Whoever asks for company has no hours to rest from: they can say so of their own request.
    last = () if ask.own else (Choice("rest", "choice.ask_rest"),)
    less = Choice("smaller", "choice.ask_shorter" if ask.own else "choice.ask_smaller")
    smaller = (less,) if may_be_smaller(desk, ask) else ()
    choices = (
        Choice("yes", "choice.ask_yes"),
        *smaller,
        Choice("no", "choice.ask_no"),
        *last,
    )
    return Question(text, choices, binding=True, also=_SKIP, until=ask.due_at, terms=terms)


def _is_later(desk: Desk, one: Ask | Pairing) -> bool:
    """Whether the room would open at an hour that is still to come."""
    return one.start is not None and one.start > desk.now


def may_be_smaller(desk: Desk, ask: Ask) -> bool:
    """Whether there is less to say yes to than what is asked."""
    return (ask.wish != "listening" and not ask.own) or bool(matching.shorter(ask.length))


async def _answer_ask(desk: Desk, member: Member, ask: Ask, reply: Reply) -> None:
    if ask.state is not AskState.SHOWN:
        return
    if reply.name == "smaller":
        desk.ask(member.id, "smaller", subject=ask.id, until=ask.due_at)
        return
    if reply.name != "yes":
        await requests.drop_ask(desk, ask)
        if reply.name == "rest":
            await rest.until_tomorrow(desk, member)
        else:
            desk.say(member.id, "ask.no")
        return
    await accept(desk, member, ask)


async def accept(desk: Desk, member: Member, ask: Ask) -> None:
    """The member said yes to the ask as it is given, which may be less than they were asked."""
    # One room at once: whatever else is open to them counts as silence from here on.
    await requests.clear_asks(desk, member.id, but=ask.id)
    if (before := await requests.waits_for_note(desk, member.id)) is not None:
        await requests.drop_ask(desk, before)
        desk.say(member.id, "ask.instead_now")
    request = await desk.records.get(Request, ask.request)
    # Where the two are kept apart since, it goes on as if the request were not there any more.
    if ask.across is not None:
        await _accept_across(desk, member, ask, request)
        return
    together = request is not None and member.id not in await apart.of(desk, request.member)
    if request is not None and together and requests.note_is_free(desk, request, ask):
        await requests.open_note(desk, request, ask, request.due_at or request.until)
        desk.ask(member.id, "note", subject=ask.id)
        return
    until = desk.now + desk.timings.consent_open
    held, effects = advance_ask(ask, AskMove.HOLD, desk.now, until)
    await desk.records.put(held)
    await desk.apply(effects)
    desk.say(member.id, "ask.held", until=until)


async def _accept_across(desk: Desk, member: Member, ask: Ask, request: Request | None) -> None:
    """The yes crosses, where the request still stands; the note comes, or the hour."""
    until = desk.now + desk.timings.consent_open
    held, effects = advance_ask(ask, AskMove.HOLD, desk.now, until)
    collective = desk.words(member, "guest.some_community")
    if held.across is not None:
        held = replace(held, across=replace(held.across, answer=held.id))
        if held.across is not None:
            collective = await across.called(desk, member, held.across.link)
    await desk.records.put(held)
    await desk.apply(effects)
    # That the request is over is told at the hour alone; that their program is not reached is no word of it.
    unheard = request is not None and not await yes_across.given(desk, held)
    key = "ask.held_unheard" if unheard else "ask.held_across"
    desk.say(member.id, key, until=until, collective=collective)


# The note


async def _show_note(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    ask = await desk.records.get(Ask, prompt.subject)
    if ask is None or ask.state is not AskState.READING:
        return None
    link = await desk.records.get(Link, ask.across.link) if ask.across is not None else None
    if ask.across is not None and link is None:
        return None
    if ask.note_seen:
        said = desk.words(member, "note.again")
    else:
        if ask.own and (own := await desk.records.get(Request, ask.offer)) is not None:
            # What the other would read stands below: as it is now, and from here on.
            ask = replace(ask, own=drafts.of(own), fear=own.fear)
        request = await desk.records.get(Request, ask.request)
        gone = ask.across is not None and not yes_across.holds(ask)
        if request is None or gone or not matching.may_read(request, ask):
            # It was taken back before the note was read; they hear at the hour they were told.
            return None
        ask = replace(ask, note_seen=True)
        await desk.records.put(ask)
        note, how_said = request.note, request.how
        if ask.across is not None:
            # On one line: what another program sends is not to look like a sentence of ours.
            note, how_said = " ".join(ask.note.split()), ask.how
        said = desk.words(member, "note.words", note=note) if note else desk.words(member, "note.none")
        if how := how_words(desk, member, how_said):
            said += "\n" + desk.words(member, "note.how", how=how)
        if ask.own:
            fear = desk.words(member, FEARS[request.fear])
            said += "\n" + desk.words(member, "consent.fear", fear=fear)
    if ask.own:
        fear = desk.words(member, offers.OWN_FEARS[ask.fear])
        own_fear = desk.words(member, "offer.own_fear", fear=fear)
        lines = (desk.words(member, "note.own"), *own_lines(desk, member, ask), own_fear)
        said += "\n" + "\n".join(lines)
    key = "note.terms_too" if ask.own else "note.terms"
    collective = server = ""
    if link is not None:
        key, server = "note.terms_across", link.desk.partition(":")[2]
        collective = await across.called(desk, member, link.id)
    terms = desk.words(
        member,
        key,
        collective=collective,
        server=server,
        agreed=agreed(desk, member, ask),
        sees=desk.words(member, "note.sees" if ask.card else "note.sees_none"),
        reading=desk.timings.reading,
        after=desk.after_reading(member),
        address=member.matrix_id,
        keeper=desk.community.keeper,
        who_runs=desk.community_of(member).who_runs,
        until=ask.due_at,
    )
    if ask.answer is not None:
        terms = f"{desk.words(member, 'note.waits', answer=ask.answer)}\n{terms}"
    if _is_later(desk, ask):
        terms = f"{desk.words(member, 'plan.terms', start=ask.start)}\n{terms}"
    return Question(f"{said}\n{terms}", _NOTE, binding=True, also=_SKIP, until=ask.due_at, terms=terms)


def own_lines(desk: Desk, member: Member, of_peer: Ask | Pairing) -> list[str]:
    """What a peer who looks for company too asks for, as the asker reads it, in the words for `member`."""
    own = of_peer.own
    lines = []
    if own["wish"] != matching.MUTUAL:
        lines.append(desk.words(member, "own.wish", wish=desk.words(member, WISHES[str(own["wish"])])))
    if named := drafts.texts(own, "topics"):
        lines.append(desk.words(member, "ask.topics", topics=topics.names(desk, member, named)))
    if how := how_words(desk, member, drafts.texts(own, "how")):
        lines.append(desk.words(member, "own.how", how=how))
    note = str(own.get("note") or "")
    lines.append(desk.words(member, "own.words", note=note) if note else desk.words(member, "own.none"))
    return lines


async def _answer_note(desk: Desk, member: Member, ask: Ask, reply: Reply) -> None:
    if ask.state is not AskState.READING:
        return
    if reply.name != "yes":
        await take_back(desk, member, ask)
        return
    # For whoever is chosen and whoever is not the same hour, which their own ask has from the start.
    until = desk.now + (ask.answer or desk.timings.consent_open)
    request = await desk.records.get(Request, ask.request)
    together = request is not None and member.id not in await apart.of(desk, request.member)
    # Where a linked community asks, it is theirs to ask their member.
    own = ask.across is None and request is not None and request.across is None
    asker = await desk.member(request.member) if request is not None else None
    more = asker is None or next_card(asker.cards, desk.now) is None
    if request is not None and own and together and more and request.state is RequestState.LOOKING:
        await requests.propose(desk, request, ask, until)
    else:
        kept, effects = advance_ask(ask, AskMove.KEEP, desk.now, until)
        await desk.records.put(replace(kept, note=""))
        await desk.apply(effects)
        if request is not None:
            await yes_across.goes_on(desk, kept, until)
    # One sentence for both: whoever is not chosen hears at the same hour as whoever is declined.
    desk.say(member.id, "note.yes", until=until)


# The asker's


async def _show_consent(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    pairing = await desk.records.get(Pairing, prompt.subject)
    if pairing is None or pairing.state not in (PairingState.PROPOSED, PairingState.STEPPED_BACK):
        return None
    request = await desk.records.get(Request, pairing.request)
    asked = request.wish if request is not None else ""
    how = agreed(desk, member, pairing, asked)
    lines = [desk.words(member, "consent.intro_too" if pairing.own else "consent.intro", agreed=how)]
    if pairing.across is not None:
        called = await across.called(desk, member, pairing.across.link)
        lines.append(desk.words(member, "consent.across", collective=called))
    if request is not None and (pairing.length != request.length or pairing.wish not in ("", asked)):
        wish = desk.words(member, WISHES[asked])
        lines.append(desk.words(member, "consent.smaller", wish=wish, length=request.length))
    if pairing.seen:
        # For everybody alike: the words of a peer who was forgotten meanwhile are not to be had again.
        lines.append(desk.words(member, "consent.again"))
    else:
        await desk.records.put(replace(pairing, seen=True))
        cards = (*recent(member.cards, desk.now), desk.now)
        desk.keep(replace(desk.now_is(member.id), cards=cards))
        if pairing.own:
            lines += [desk.words(member, "consent.own"), *own_lines(desk, member, pairing)]
        elif pairing.card:
            lines.append(desk.words(member, "consent.card", card=pairing.card))
        else:
            lines.append(desk.words(member, "consent.no_card"))
        lines.append(desk.words(member, "consent.fear", fear=desk.words(member, FEARS[pairing.fear])))
    if (later := next_card(desk.now_is(member.id).cards, desk.now)) is not None:
        lines.append(desk.words(member, "consent.last", next=later))
    terms = desk.words(
        member,
        "consent.terms",
        address=member.matrix_id,
        keeper=desk.community.keeper,
        agreed=how,
        reading=desk.timings.reading,
        after=desk.after_reading(member),
        who_runs=desk.community_of(member).who_runs,
        until=pairing.until,
    )
    if _is_later(desk, pairing):
        terms = f"{desk.words(member, 'plan.terms', start=pairing.start)}\n{terms}"
    if pairing.across is not None:
        terms = f"{terms}\n{desk.words(member, 'consent.across_terms', wait=desk.timings.join)}"
    text = "\n".join((*lines, terms))
    return Question(text, _CONSENT, binding=True, also=_SKIP, until=pairing.until, terms=terms)


async def _answer_consent(desk: Desk, member: Member, prompt: Prompt, pairing: Pairing, reply: Reply) -> None:
    request = await desk.records.get(Request, pairing.request)
    if request is None or pairing.state not in (PairingState.PROPOSED, PairingState.STEPPED_BACK):
        return
    match reply.name:
        case "skip":
            desk.set_aside(member.id, prompt)
            desk.say(member.id, "consent.later", until=pairing.until)
            desk.ask(member.id, "menu")
        case "stop":
            await requests.withdraw(desk, request)
            desk.say(member.id, "request.withdrawn")
        case "no":
            await requests.decline(desk, pairing)
            await requests.resume(desk, request.id, "request.someone_else")
        case _:
            await _agree(desk, member, prompt, request, pairing)


async def _agree(desk: Desk, member: Member, prompt: Prompt, request: Request, pairing: Pairing) -> None:
    # A yes is no leafing through, whatever comes of it.
    desk.keep(replace(desk.now_is(member.id), cards=desk.now_is(member.id).cards[:-1]))
    if pairing.peer in await apart.of(desk, member.id):
        # Both hear what they would hear of any other reason, each at their own hour.
        await requests.decline(desk, pairing)
        await requests.resume(desk, request.id, "pairing.not_this_time_go_on")
        return
    peer = await desk.member(pairing.peer)
    move = PairingMove.PLAN if _is_later(desk, pairing) else PairingMove.AGREE
    if pairing.across is not None:
        move = PairingMove.AWAIT
    agreed, effects = advance_pairing(pairing, move, desk.now)
    await desk.apply(effects)
    agreed = replace(agreed, consent=desk.given(prompt))
    await requests.keep_pairing(desk, agreed)
    if agreed.across is not None:
        await plan.introduce(desk, agreed, request, member, stands=pairing.state is PairingState.PROPOSED)
        return
    if agreed.state is PairingState.OVER or peer is None:
        await requests.resume(desk, request.id, "pairing.not_this_time_go_on")
        return
    await plan.agree(desk, agreed, request, member, peer)


async def take_back(desk: Desk, member: Member, ask: Ask) -> None:
    """Step back at the member's word, and say so; nothing is asked of them until they would have heard.

    If they could be asked sooner, somebody who withdraws and asks again would learn that they stepped back.
    """
    if (planned := await plan.of_ask(desk, ask)) is not None:
        await plan.let_go(desk, member, planned)
        return
    # Who only waits for the note can be asked about something else with their yes, and without it.
    until = await requests.promised_until(desk, ask) if ask.state is not AskState.WILLING else None
    await requests.step_back(desk, ask)
    desk.say(member.id, "note.no")
    own = await requests.of(desk, member.id)
    if until is not None and own is not None:
        await desk.records.put(replace(own, free_at=max(until, own.free_at or until)))
    if until is not None:
        await rest.hold_back(desk, member, until)
