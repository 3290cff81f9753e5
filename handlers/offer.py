"""Offering to be there for someone: when, about what, a card, what one would do in fear for a life.

Guards: who sees the card, and when, is said before it is written; nobody is asked before the yes to the
recap, and nothing that others see changes before a yes to it; an offer ends at its hour or at one word, and
its end is told to nobody else; whoever does not say that it goes on is asked nothing, and hears nothing.
"""

from dataclasses import replace
from datetime import timedelta

from handlers import hours, rest, zone
from handlers.desk import Choice, Desk, Question, Reply, own_words
from handlers.request import Draft, drop_ask
from handlers.talk import topic_choices
from schema.ids import OfferId
from schema.records import Ask, Consent, Member, Offer, Prompt, Window
from schema.states import AskState, OfferState
from service.core import availability
from service.core.availability import NOW, QUIET, RENEWED, RESTS, STANDING, WEEKLY

LONGEST_CARD = 300
"""Characters."""

_ALSO = frozenset({"skip", "back"})
_LENGTHS = (2, 4, 8, 12)
"""Hours."""

_USUAL = (
    Window((0, 1, 2, 3, 4), 18 * 60, 21 * 60),
    Window((5, 6), 10 * 60, 16 * 60),
    Window(tuple(range(7)), 18 * 60, 22 * 60),
)
"""Weekly hours to choose from."""

_FEARS = (
    Choice("nobody", "choice.fear_nobody"),
    Choice("tell_first", "choice.fear_tell_first"),
    Choice("report", "choice.fear_report"),
    Choice("unsaid", "choice.fear_unsaid"),
)
_OWN_FEARS = {choice.name: choice.key for choice in _FEARS}


async def of(desk: Desk, member: Member) -> Offer | None:
    """The member's offer, where one stands."""
    found = await desk.records.find(Offer, member=member.id, state=OfferState.OPEN)
    return found[0] if found else None


async def start(desk: Desk, member: Member) -> None:
    """Begin to offer, or show the offer that stands."""
    desk.put_behind(member.id)
    if await of(desk, member) is not None:
        desk.ask(member.id, "offered")
        return
    desk.ask(member.id, "offer", draft=_defaults(member))


def _defaults(member: Member) -> Draft:
    """What an offer holds where every question is skipped."""
    return {
        "step": "length",
        "when": NOW,
        "hours": 2,
        "windows": [_kept(_USUAL[0])],
        "quiet": [str(minute) for minute in QUIET],
        "asks_zone": member.zone is None,
        "topics": [],
        "card": "",
        "fear": "unsaid",
    }


def _steps(desk: Desk, draft: Draft) -> list[str]:
    """The questions on the way to the recap, as the answers so far make it."""
    steps = ["length"]
    if draft["when"] != NOW:
        steps.append("when")
        if draft["asks_zone"]:
            steps.append("zone")
        steps.append("windows" if draft["when"] == WEEKLY else "quiet")
    if desk.community.topics:
        steps.append("topics")
    return [*steps, "card", "fear", "recap"]


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question of the draft's step, the offer as it stands, or whether it goes on."""
    if prompt.kind in ("offered", "renew"):
        offer = await of(desk, member)
        if offer is None:
            return None
        return (
            _show_standing(desk, member, offer) if prompt.kind == "offered" else _ask_on(desk, member, offer)
        )
    draft = prompt.draft
    choices: tuple[Choice, ...]
    match draft.get("step"):
        case "length":
            text = desk.words(member, "offer.length", keep=desk.timings.request_open)
            return Question(text, _lengths(desk, member), also=_ALSO)
        case "when":
            choices = (Choice(WEEKLY, "choice.offer_weekly"), Choice(STANDING, "choice.offer_standing"))
            return Question(desk.words(member, "offer.when"), choices, also=_ALSO)
        case "zone":
            return zone.question(desk, member, zone.listed(draft.get("cities")))
        case "windows":
            usual = enumerate(hours.windows(desk, member, _USUAL))
            choices = tuple(Choice(str(number), text=text) for number, text in usual)
            return Question(desk.words(member, "offer.windows"), choices, free=True, also=_ALSO)
        case "quiet":
            usual_quiet = hours.span(desk, member, *QUIET)
            text = desk.words(member, "offer.quiet", quiet=usual_quiet)
            choices = (Choice("usual", text=usual_quiet), Choice("none", "choice.no_quiet"))
            return Question(text, choices, free=True, also=_ALSO)
        case "topics":
            text = desk.words(member, "offer.topics")
            return Question(text, topic_choices(desk.community.topics), many=True, also=_ALSO)
        case "card":
            return Question(desk.words(member, "offer.card", n=LONGEST_CARD), free=True, also=_ALSO)
        case "fear":
            return Question(desk.words(member, "offer.fear"), _FEARS, also=_ALSO)
    return _recap(desk, member, draft)


def _lengths(desk: Desk, member: Member) -> tuple[Choice, ...]:
    lengths = ((length, timedelta(hours=length)) for length in _LENGTHS)
    return (
        *(
            Choice(str(number), text=desk.turn.words.duration(length, member.language))
            for number, length in lengths
        ),
        Choice("other", "choice.offer_other"),
    )


def _recap(desk: Desk, member: Member, draft: Draft) -> Question:
    lines = [desk.words(member, "offer.recap"), *_lines(desk, member, _made(desk, member, draft))]
    terms = desk.words(member, "offer.recap_next", n=desk.community.asks_a_day)
    if draft["when"] != NOW:
        terms = f"{desk.words(member, 'offer.goes_on', weeks=RENEWED)}\n{terms}"
    choices = (Choice("yes", "choice.offer_yes"), Choice("stop", "choice.recap_stop"))
    text = "\n".join(lines)
    return Question(f"{text}\n{terms}", choices, binding=True, also=_ALSO, terms=terms)


def _made(desk: Desk, member: Member, draft: Draft) -> Offer:
    """The offer that the draft describes, from now on; it has no id yet."""
    when = str(draft["when"])
    until = desk.now + timedelta(hours=int(str(draft["hours"])))
    quiet = [int(minute) for minute in zone.listed(draft["quiet"])]
    made = Offer(
        id=OfferId(""),
        member=member.id,
        state=OfferState.OPEN,
        until=until,
        due_at=until,
        asked_at=None,
        topics=tuple(zone.listed(draft["topics"])),
        card=str(draft["card"]),
        fear=str(draft["fear"]),
        when=when,
        windows=tuple(map(_window, zone.listed(draft["windows"]))) if when == WEEKLY else (),
        quiet=(quiet[0], quiet[1]),
        zone=zone.of(desk, member),
    )
    return made if when == NOW else availability.renewed(made, desk.now)


def _kept(window: Window) -> str:
    """A window as a draft holds it."""
    return f"{'.'.join(map(str, window.days))} {window.start} {window.end}"


def _window(kept: str) -> Window:
    days, start, end = kept.split()
    return Window(tuple(map(int, days.split("."))), int(start), int(end))


# The offer in words


def _lines(desk: Desk, member: Member, offer: Offer) -> list[str]:
    """The offer's fields, a line each."""
    topics = offer.topics or desk.words(member, "offer.any_topic")
    return [
        *_hours(desk, member, offer),
        desk.words(member, "offer.for_topics", topics=topics),
        desk.words(member, "offer.own_card", card=desk.quoted(member, offer.card)),
        desk.words(member, "offer.own_fear", fear=desk.words(member, _OWN_FEARS[offer.fear])),
    ]


def _hours(desk: Desk, member: Member, offer: Offer) -> list[str]:
    city = desk.turn.words.city(offer.zone, member.language)
    if offer.when == WEEKLY:
        found = hours.windows(desk, member, offer.windows)
        return [desk.words(member, "offer.each_week", city=city), *found]
    if offer.when == NOW:
        return [desk.words(member, "offer.until", until=offer.until)]
    if offer.quiet[0] == offer.quiet[1]:
        return [desk.words(member, "offer.any_time")]
    return [desk.words(member, "offer.but_quiet", quiet=hours.span(desk, member, *offer.quiet), city=city)]


def describe(desk: Desk, member: Member, offer: Offer) -> str:
    """The offer in plain words, to its own member, and when they may be asked."""
    lines = [desk.words(member, "offer.standing"), *_lines(desk, member, offer)]
    following = availability.next_at(offer, desk.now)
    if offer.until <= desk.now:
        lines.append(desk.words(member, "offer.rests", kept=offer.due_at))
    elif (free_at := availability.free_at(offer)) is not None and free_at > desk.now:
        lines.append(desk.words(member, "offer.resting", until=free_at))
    elif following is not None and following > desk.now:
        lines.append(desk.words(member, "offer.next", next=following))
    if offer.when != NOW and offer.until > desk.now:
        lines.append(desk.words(member, "offer.asks_on", at=offer.until))
    return "\n".join(lines)


def _show_standing(desk: Desk, member: Member, offer: Offer) -> Question:
    choices: tuple[Choice, ...] = (Choice("keep", "choice.offer_keep"), Choice("rest", "choice.offer_rest"))
    if offer.until <= desk.now or (offer.rest_until is not None and offer.rest_until > desk.now):
        choices = (Choice("on", "choice.offer_on"),)
    choices = (*choices, Choice("withdraw", "choice.offer_withdraw"))
    return Question(describe(desk, member, offer), choices)


def _ask_on(desk: Desk, member: Member, offer: Offer) -> Question | None:
    """Whether an offer goes on; None where that is answered already."""
    if offer.until > desk.now:
        return None
    choices = (
        Choice("yes", "choice.renew_yes"),
        Choice("rest", "choice.renew_rest"),
        Choice("withdraw", "choice.offer_withdraw"),
    )
    text = desk.words(member, "offer.renew", weeks=RENEWED, kept=offer.due_at)
    return Question(text, choices, binding=True, also=frozenset({"skip"}), until=offer.due_at)


# What the member answers


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take the step's answer and put the next question."""
    if prompt.kind in ("offered", "renew"):
        await _answer_standing(desk, member, prompt, reply)
        return
    draft: Draft = dict(prompt.draft)
    step = str(draft["step"])
    if reply.name == "back":
        _go_back(desk, member, draft, step)
    elif step == "recap":
        if reply.name == "yes":
            await _begin(desk, member, draft, desk.given(prompt))
        else:
            desk.say(member.id, "talk.dropped")
    elif reply.name == "skip" or await _take(desk, member, draft, step, reply):
        steps = _steps(desk, draft)
        # To skip the choice between the two kinds of other hours is to take the first.
        if step == "when" and draft["when"] == "other":
            draft["when"] = WEEKLY
            steps = _steps(desk, draft)
        _go(desk, member, draft, steps[steps.index(step) + 1])


async def _answer_standing(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    offer = await of(desk, member)
    if offer is None:
        return
    match reply.name:
        case "withdraw":
            await withdraw(desk, member)
        case "yes" | "on":
            await _go_on(desk, member, offer)
        case "rest" if prompt.kind == "offered" and offer.until > desk.now:
            await rest.until_tomorrow(desk, member)
        case "rest" | "skip" if offer.until <= desk.now:
            desk.say(member.id, "offer.rests", kept=offer.due_at)
        case _:
            desk.say(member.id, "offer.kept")


async def _go_on(desk: Desk, member: Member, offer: Offer) -> None:
    """No rest any more; and where it was for that, the offer holds for four weeks more."""
    rested = replace(offer, rest_until=None)
    if offer.until > desk.now:
        await desk.records.put(rested)
        desk.say_text(member.id, describe(desk, member, rested))
        return
    on = availability.renewed(rested, desk.now)
    await desk.records.put(on)
    desk.drop(desk.now_is(member.id), offer.id)
    desk.say(member.id, "offer.goes_on_now", until=on.until)


async def _take(desk: Desk, member: Member, draft: Draft, step: str, reply: Reply) -> bool:
    """Put the answer into the draft; False where it does not do and is asked for again."""
    match step:
        case "length":
            draft["when"] = "other" if reply.name == "other" else NOW
            draft["hours"] = 2 if reply.name == "other" else int(reply.name)
        case "when":
            draft["when"] = reply.name
        case "zone":
            found, draft["cities"] = zone.taken(desk, member, reply)
            if not found:
                _go(desk, member, draft, "zone")
                return False
            await zone.keep(desk, member, found)
        case "windows" | "quiet":
            return _take_hours(desk, member, draft, step, reply)
        case "topics":
            draft["topics"] = list(reply.names)
        case "card":
            card = own_words(reply.text, LONGEST_CARD)
            if card is None:
                desk.say(member.id, "talk.too_long", n=len(reply.text), longest=LONGEST_CARD)
                _go(desk, member, draft, "card")
                return False
            draft["card"] = card
        case "fear":
            draft["fear"] = reply.name
    return True


def _take_hours(desk: Desk, member: Member, draft: Draft, step: str, reply: Reply) -> bool:
    spelling = hours.spelling(desk, member)
    if step == "windows":
        chosen = (_USUAL[int(reply.name)],) if reply.name else None
        windows = chosen or availability.read_windows(reply.text, spelling)
        if windows is not None:
            draft["windows"] = [_kept(window) for window in windows]
            return True
    else:
        named = {"usual": QUIET, "none": (0, 0)}.get(reply.name)
        quiet = named or availability.read_hours(reply.text, spelling)
        if quiet is not None:
            draft["quiet"] = [str(minute) for minute in quiet]
            return True
    desk.say(member.id, "offer.not_hours")
    _go(desk, member, draft, step)
    return False


def _go(desk: Desk, member: Member, draft: Draft, step: str) -> None:
    desk.ask(member.id, "offer", draft={**draft, "step": step})


def _go_back(desk: Desk, member: Member, draft: Draft, step: str) -> None:
    steps = _steps(desk, draft)
    if step == "length":
        desk.say(member.id, "talk.dropped")
        desk.ask(member.id, "menu")
        return
    _go(desk, member, draft, steps[steps.index(step) - 1])


async def _begin(desk: Desk, member: Member, draft: Draft, consent: Consent | None) -> None:
    if await of(desk, member) is not None:
        desk.ask(member.id, "offered")
        return
    made = replace(_made(desk, member, draft), id=OfferId(desk.turn.new_id()), consent=consent)
    await desk.records.put(made)
    following = availability.next_at(made, desk.now)
    if made.when == NOW or following is None:
        desk.say(member.id, "offer.begun", until=made.until)
    elif following > desk.now:
        desk.say(member.id, "offer.begun_from", next=following)
    else:
        desk.say(member.id, "offer.begun_now")


# Its end


async def withdraw(desk: Desk, member: Member) -> None:
    """End the offer and each question that is open because of it."""
    await end(desk, member)
    desk.say(member.id, "offer.withdrawn")


async def end(desk: Desk, member: Member) -> None:
    """Erase the member's offers; what they have not answered counts as silence."""
    for offer in await desk.records.find(Offer, member=member.id):
        await desk.records.delete(Offer, offer.id)
        desk.drop(desk.now_is(member.id), offer.id)
    for ask in await desk.records.find(
        Ask, member=member.id, state=(AskState.WAITING, AskState.SHOWN, AskState.READING)
    ):
        await drop_ask(desk, ask)


async def due(desk: Desk, offer: Offer) -> None:
    """The offer's hour has come: it ends, or is asked about once, or has rested for long enough.

    A question that is open stays so: it said until when.
    """
    member = await desk.member(offer.member)
    if offer.when != NOW and offer.due_at == offer.until:
        kept = offer.until + RESTS
        await desk.records.put(replace(offer, due_at=kept))
        if member is not None:
            desk.queue(member.id, "renew", subject=offer.id, until=kept)
        return
    await desk.records.delete(Offer, offer.id)
    if member is not None and offer.when == NOW:
        desk.say(member.id, "offer.ended")
