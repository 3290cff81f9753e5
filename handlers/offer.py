"""Offering to be there for someone: for how long, about what, a card, what one would do in fear for a life.

Guards: who sees the card, and when, is said before it is written; nobody is asked before the yes to the
recap; an offer ends at its hour or at one word, and its end is told to nobody else.
"""

from datetime import timedelta

from handlers.consent import rest
from handlers.desk import Choice, Desk, Question, Reply, own_words
from handlers.request import Draft, drop_ask
from handlers.talk import topic_choices
from schema.ids import OfferId
from schema.records import Ask, Consent, Member, Offer, Prompt
from schema.states import AskState, OfferState

LONGEST_CARD = 300
"""Characters."""

_STEPS = ("length", "topics", "card", "fear", "recap")
_ALSO = frozenset({"skip", "back"})
_LENGTHS = (2, 4, 8, 12)
"""Hours."""


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
    desk.ask(
        member.id,
        "offer",
        draft={"step": "length", "hours": 2, "topics": [], "card": "", "fear": "unsaid"},
    )


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question of the draft's step, or the offer as it stands."""
    if prompt.kind == "offered":
        offer = await of(desk, member)
        if offer is None:
            return None
        standing = (
            Choice("keep", "choice.offer_keep"),
            Choice("rest", "choice.offer_rest"),
            Choice("withdraw", "choice.offer_withdraw"),
        )
        return Question(describe(desk, member, offer), standing)
    choices: tuple[Choice, ...]
    draft = prompt.draft
    match draft.get("step"):
        case "length":
            choices = tuple(
                Choice(str(hours), text=desk.turn.words.duration(timedelta(hours=hours), member.language))
                for hours in _LENGTHS
            )
            text = desk.words(member, "offer.length", keep=desk.timings.request_open)
            return Question(text, choices, also=_ALSO)
        case "topics":
            text = desk.words(member, "offer.topics")
            return Question(text, topic_choices(desk.community.topics), many=True, also=_ALSO)
        case "card":
            return Question(desk.words(member, "offer.card", n=LONGEST_CARD), free=True, also=_ALSO)
        case "fear":
            choices = (
                Choice("nobody", "choice.fear_nobody"),
                Choice("tell_first", "choice.fear_tell_first"),
                Choice("report", "choice.fear_report"),
                Choice("unsaid", "choice.fear_unsaid"),
            )
            return Question(desk.words(member, "offer.fear"), choices, also=_ALSO)
    choices = (Choice("yes", "choice.offer_yes"), Choice("stop", "choice.recap_stop"))
    text = desk.words(
        member,
        "offer.recap",
        until=desk.now + timedelta(hours=_hours(draft)),
        topics=_topics(draft) or desk.words(member, "offer.any_topic"),
        card=desk.quoted(member, str(draft["card"])),
        fear=desk.words(member, OWN_FEARS[str(draft["fear"])]),
    )
    terms = desk.words(member, "offer.recap_next", n=desk.community.asks_a_day)
    return Question(f"{text}\n{terms}", choices, binding=True, also=_ALSO, terms=terms)


OWN_FEARS = {
    "nobody": "choice.fear_nobody",
    "tell_first": "choice.fear_tell_first",
    "report": "choice.fear_report",
    "unsaid": "choice.fear_unsaid",
}
"""What a peer would do if they feared for a life, and what it is called to themselves."""


def describe(desk: Desk, member: Member, offer: Offer) -> str:
    """The offer in plain words, to its own member."""
    text = desk.words(
        member,
        "offer.standing",
        until=offer.until,
        topics=offer.topics or desk.words(member, "offer.any_topic"),
        card=desk.quoted(member, offer.card),
        fear=desk.words(member, OWN_FEARS[offer.fear]),
    )
    if offer.rest_until is not None and offer.rest_until > desk.now:
        text += "\n" + desk.words(member, "offer.resting", until=offer.rest_until)
    return text


def _hours(draft: Draft) -> int:
    return int(str(draft["hours"]))


def _topics(draft: Draft) -> tuple[str, ...]:
    topics = draft.get("topics")
    return tuple(topics) if isinstance(topics, list) else ()


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take the step's answer and put the next question."""
    if prompt.kind == "offered":
        await _answer_standing(desk, member, reply)
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
    elif reply.name == "skip" or _take(desk, member, draft, step, reply):
        following = _STEPS[_STEPS.index(step) + 1]
        _go(desk, member, draft, "card" if following == "topics" and not desk.community.topics else following)


async def _answer_standing(desk: Desk, member: Member, reply: Reply) -> None:
    match reply.name:
        case "withdraw":
            await withdraw(desk, member)
        case "rest":
            await rest(desk, member)
        case _:
            desk.say(member.id, "offer.kept")


def _take(desk: Desk, member: Member, draft: Draft, step: str, reply: Reply) -> bool:
    """Put the answer into the draft; False where it was too long and is asked for again."""
    match step:
        case "length":
            draft["hours"] = int(reply.name)
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


def _go(desk: Desk, member: Member, draft: Draft, step: str) -> None:
    desk.ask(member.id, "offer", draft={**draft, "step": step})


def _go_back(desk: Desk, member: Member, draft: Draft, step: str) -> None:
    if step == "length":
        desk.say(member.id, "talk.dropped")
        desk.ask(member.id, "menu")
        return
    before = _STEPS[_STEPS.index(step) - 1]
    _go(desk, member, draft, "length" if before == "topics" and not desk.community.topics else before)


async def _begin(desk: Desk, member: Member, draft: Draft, consent: Consent | None) -> None:
    if await of(desk, member) is not None:
        desk.ask(member.id, "offered")
        return
    until = desk.now + timedelta(hours=_hours(draft))
    await desk.records.put(
        Offer(
            id=OfferId(desk.turn.new_id()),
            member=member.id,
            state=OfferState.OPEN,
            until=until,
            due_at=until,
            asked_at=None,
            topics=_topics(draft),
            card=str(draft["card"]),
            fear=str(draft["fear"]),
            consent=consent,
        )
    )
    desk.say(member.id, "offer.begun", until=until)


async def withdraw(desk: Desk, member: Member) -> None:
    """End the offer and each question that is open because of it."""
    await end(desk, member)
    desk.say(member.id, "offer.withdrawn")


async def end(desk: Desk, member: Member) -> None:
    """Erase the member's offers; what they have not answered counts as silence."""
    for offer in await desk.records.find(Offer, member=member.id):
        await desk.records.delete(Offer, offer.id)
    for ask in await desk.records.find(
        Ask, member=member.id, state=(AskState.WAITING, AskState.SHOWN, AskState.READING)
    ):
        await drop_ask(desk, ask)


async def due(desk: Desk, offer: Offer) -> None:
    """The offer's hour has come. A question that is open stays so: it said until when."""
    await desk.records.delete(Offer, offer.id)
    if await desk.member(offer.member) is not None:
        desk.say(offer.member, "offer.ended")
