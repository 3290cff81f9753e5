"""An offer to be there for someone: what it holds, how it is said, how it goes on, and how it ends.

Guards: nobody is asked before the yes to its recap; an offer ends at its hour or at one word, and its end is
told to nobody else; whoever does not say that it goes on is asked nothing, and hears nothing.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from handlers import ages, hours, rest, talking, topics, voucher, zone
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from handlers.request import Draft, drop_ask
from schema.ids import OfferId
from schema.records import Ask, Member, Offer, Prompt, Talking, Window
from schema.states import AskState, OfferState
from service.core import availability, matching
from service.core.availability import NOW, QUIET, RENEWED, RESTS, WEEKLY
from service.core.pairing import recent

USUAL_ASKS = 2
"""How often in a day somebody is asked who says nothing else."""

USUAL = (
    Window((0, 1, 2, 3, 4), 18 * 60, 21 * 60),
    Window((5, 6), 10 * 60, 16 * 60),
    Window(tuple(range(7)), 18 * 60, 22 * 60),
)
"""Weekly hours to choose from."""

FEARS = (
    Choice("nobody", "choice.fear_nobody"),
    Choice("tell_first", "choice.fear_tell_first"),
    Choice("report", "choice.fear_report"),
    Choice("unsaid", "choice.fear_unsaid"),
)

OWN_FEARS = {choice.name: choice.key for choice in FEARS}
"""What a peer would do if they feared for a life, and what it is called to themselves."""


async def of(desk: Desk, member: Member) -> Offer | None:
    """The member's offer, where one stands."""
    found = await desk.records.find(Offer, member=member.id, state=OfferState.OPEN)
    return found[0] if found else None


async def start(desk: Desk, member: Member) -> None:
    """Begin to offer, or show the offer that stands."""
    desk.put_behind(member.id)
    if await of(desk, member) is not None:
        desk.ask(member.id, "offered")
    elif await voucher.lacks(desk, member.id):
        await voucher.start(desk, member)
    else:
        desk.ask(member.id, "offer", draft=defaults(desk, member))


# What it holds, as answers


DOES = {
    "listening": "does.listening",
    "shared": "does.shared",
    "ideas": "does.ideas",
    "task": "does.task",
    "company": "does.company",
    "conversation": "does.conversation",
}
"""What somebody can do who offers, and what it is called."""


def defaults(desk: Desk, member: Member) -> Draft:
    """What an offer holds where every question is skipped."""
    return {
        "step": "ages" if ages.unsaid(desk, member) else "length",
        "asks_age": ages.unsaid(desk, member),
        "when": NOW,
        "hours": 2,
        "windows": [kept_window(USUAL[0])],
        "quiet": [str(minute) for minute in QUIET],
        "asks_zone": member.zone is None,
        "topics": [],
        "no_topics": [],
        "card": "",
        "fear": "unsaid",
        "asks": USUAL_ASKS,
        "who": matching.ANYONE,
        "does": [],
        "languages": talking.usual(desk, member),
        "way": "either",
    }


def draft_of(desk: Desk, member: Member, offer: Offer) -> Draft:
    """What the offer holds, as answers that can be changed one by one."""
    return {
        **defaults(desk, member),
        "step": "change",
        "of": offer.id,
        "when": offer.when,
        "until": offer.until.isoformat(),
        "windows": [kept_window(window) for window in offer.windows or USUAL[:1]],
        "quiet": [str(minute) for minute in offer.quiet],
        "topics": list(offer.topics),
        "no_topics": list(offer.no_topics),
        "card": offer.card,
        "fear": offer.fear,
        "asks": offer.asks_a_day,
        "who": offer.who,
        "does": list(offer.does),
        "languages": list(offer.languages),
        "way": talking.way(offer.writing, offer.voice),
    }


def made(desk: Desk, member: Member, draft: Draft) -> Offer:
    """The offer that the draft describes, from now on; it has no id yet."""
    when = str(draft["when"])
    until = desk.now + timedelta(hours=float(str(draft["hours"])))
    if kept := str(draft.get("until") or ""):
        until = datetime.fromisoformat(kept)
    writing, voice = talking.WAYS[str(draft.get("way") or "either")]
    quiet = [int(minute) for minute in zone.listed(draft["quiet"])]
    offer = Offer(
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
        asks_a_day=int(str(draft["asks"])),
        no_topics=tuple(zone.listed(draft["no_topics"])),
        who=str(draft["who"]),
        does=tuple(zone.listed(draft.get("does"))),
        languages=tuple(zone.listed(draft.get("languages"))),
        writing=writing,
        voice=voice,
        age_group=ages.of(desk, member),
    )
    return offer if when == NOW or kept else availability.renewed(offer, desk.now)


def kept_window(window: Window) -> str:
    """A window as a draft holds it."""
    return f"{'.'.join(map(str, window.days))} {window.start} {window.end}"


def _window(kept: str) -> Window:
    days, start, end = kept.split()
    return Window(tuple(map(int, days.split("."))), int(start), int(end))


# In words


def describe(desk: Desk, member: Member, offer: Offer) -> str:
    """The offer in plain words, to its own member, and when they may be asked."""
    lines = [desk.words(member, "offer.standing"), *lines_of(desk, member, offer)]
    following = availability.next_at(offer, desk.now)
    if offer.until <= desk.now:
        lines.append(desk.words(member, "offer.rests", kept=offer.due_at))
    elif (free_at := availability.free_at(offer)) is not None and free_at > desk.now:
        lines.append(rest.line(desk, member, offer))
    elif following is not None and following > desk.now:
        lines.append(desk.words(member, "offer.next", next=following))
    if ages.unsaid(desk, member):
        lines.append(desk.words(member, "ages.unsaid"))
    lines.append(desk.words(member, "offer.asks_a_day", n=min(offer.asks_a_day, desk.community.asks_a_day)))
    if offer.when != NOW and offer.until > desk.now:
        lines.append(desk.words(member, "offer.asks_on", at=offer.until))
    return "\n".join(lines)


def lines_of(desk: Desk, member: Member, offer: Offer) -> list[str]:
    """The offer's fields, a line each."""
    lines = [
        *_hours(desk, member, offer),
        desk.words(member, "offer.for_topics", topics=topics.chosen(desk, member, offer.topics)),
    ]
    if offer.no_topics:
        lines.append(
            desk.words(member, "offer.not_for_topics", topics=topics.names(desk, member, offer.no_topics))
        )
    does = [desk.words(member, DOES[one]) for one in offer.does] or desk.words(member, "offer.does_any")
    lines.append(desk.words(member, "offer.can_do", does=does))
    if offer.who == matching.SHARES:
        lines.append(desk.words(member, "offer.who_shares"))
    how = talking.how(desk, member, Talking(offer.languages, offer.writing, offer.voice))
    return [
        *lines,
        desk.words(member, "offer.how", how=how),
        desk.words(member, "offer.own_card", card=desk.quoted(member, offer.card)),
        desk.words(member, "offer.own_fear", fear=desk.words(member, OWN_FEARS[offer.fear])),
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


# As it stands


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The offer as it stands, or whether it goes on."""
    offer = await of(desk, member)
    if offer is None:
        return None
    return _show_standing(desk, member, offer) if prompt.kind == "offered" else _ask_on(desk, member, offer)


def _show_standing(desk: Desk, member: Member, offer: Offer) -> Question:
    change = Choice("change", "choice.recap_change")
    choices = (Choice("keep", "choice.offer_keep"), change, Choice("rest", "choice.offer_rest"))
    if offer.until <= desk.now or (offer.rest_until is not None and offer.rest_until > desk.now):
        choices = (Choice("on", "choice.offer_on"), change, Choice("rest", "choice.offer_rest"))
    return Question(describe(desk, member, offer), (*choices, Choice("withdraw", "choice.offer_withdraw")))


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


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Keep the offer, change it, let it rest, go on or end, as its member says."""
    offer = await of(desk, member)
    if offer is None:
        return
    match reply.name:
        case "withdraw":
            await withdraw(desk, member)
        case "yes" | "on":
            await _go_on(desk, member, offer)
        case "change":
            desk.ask(member.id, "offer", draft=draft_of(desk, member, offer))
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


# Its end


async def withdraw(desk: Desk, member: Member) -> None:
    """End the offer and each question that is open because of it."""
    await end(desk, member)
    desk.say(member.id, "offer.withdrawn")


async def end(desk: Desk, member: Member) -> None:
    """Erase the member's offers; what they have not answered counts as silence."""
    for offer in await desk.records.find(Offer, member=member.id):
        await _delete(desk, offer)
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
    # A column keeps milliseconds, so that the two may differ by less than one.
    if offer.when != NOW and offer.due_at is not None and offer.due_at < offer.until + RESTS / 2:
        kept = offer.until + RESTS
        await desk.records.put(replace(offer, due_at=kept))
        if member is not None:
            desk.queue(member.id, "renew", subject=offer.id, until=kept)
        return
    await _delete(desk, offer)
    if member is not None and offer.when == NOW:
        desk.say(member.id, "offer.ended")


async def _delete(desk: Desk, offer: Offer) -> None:
    """Erase the offer; how often its member was asked in the last day holds for one that they begin anew."""
    await desk.records.delete(Offer, offer.id)
    if (member := await desk.member(offer.member)) is not None:
        asked = (at.replace(microsecond=0) for at in recent(offer.asked, desk.now))
        desk.keep(replace(member, asked=tuple(sorted((*recent(member.asked, desk.now), *asked)))))
