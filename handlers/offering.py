"""Offering to be there for someone: when, about what, a card, what one would do in fear for a life.

Guards: who sees the card, and when, is said before it is written; nothing is kept as an offer, and nothing of
one is changed, before the yes to the recap.
"""

from dataclasses import replace
from datetime import timedelta

from handlers import ages, hours, practice, talking, topics, voucher, zone
from handlers import offer as offers
from handlers.answer import own_words, read_length, words_for_lengths
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from handlers.request import Draft
from handlers.words import normal
from schema.ids import OfferId
from schema.records import Consent, Member, Prompt
from service.core import asking, availability, matching
from service.core.ages import take_part
from service.core.availability import NOW, QUIET, RENEWED, STANDING, WEEKLY
from service.core.pairing import recent

LONGEST_CARD = 300
"""Characters."""

_ALSO = frozenset({"skip", "back"})

_MOST_ASKS = 5
"""How many times a day can be chosen."""

_LENGTHS = (2, 4, 8, 12)
"""Hours."""

_SHORTEST, _LONGEST = timedelta(hours=1), timedelta(hours=_LENGTHS[-1])
"""Of an offer from now on that is said in words."""
_ANYTHING = "anything"

_WHO = (Choice(matching.ANYONE, "choice.who_anyone"), Choice(matching.SHARES, "choice.who_shares"))

_OF_HOURS = ("length", "when", "zone", "windows", "quiet")
"""The questions that together say when."""


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question of the draft's step."""
    # A draft of an older release has fewer answers.
    draft: Draft = {**offers.defaults(desk, member), **prompt.draft}
    choices: tuple[Choice, ...]
    match draft.get("step"):
        case "ages":
            return ages.question(desk, member)
        case "length":
            text = desk.words(member, "offer.length", keep=desk.timings.request_open)
            return Question(text, _lengths(desk, member), free=True, reads=True, also=_ALSO)
        case "when":
            choices = (Choice(WEEKLY, "choice.offer_weekly"), Choice(STANDING, "choice.offer_standing"))
            return Question(desk.words(member, "offer.when"), choices, also=_ALSO)
        case "zone":
            return zone.question(desk, member, zone.listed(draft.get("cities")))
        case "windows":
            usual = enumerate(hours.windows(desk, member, offers.USUAL))
            choices = tuple(Choice(str(number), text=text) for number, text in usual)
            return Question(desk.words(member, "offer.windows"), choices, free=True, reads=True, also=_ALSO)
        case "quiet":
            usual_quiet = hours.span(desk, member, *QUIET)
            text = desk.words(member, "offer.quiet", quiet=usual_quiet)
            choices = (Choice("usual", text=usual_quiet), Choice("none", "choice.no_quiet"))
            return Question(text, choices, free=True, reads=True, also=_ALSO)
        case "topics":
            hard = desk.community.hard
            text = desk.words(member, "offer.topics_hard" if hard else "offer.topics")
            return Question(text, topics.choices(desk, member, marked=True), many=True, also=_ALSO)
        case "no_topics":
            text = desk.words(member, "offer.no_topics")
            return Question(text, topics.choices(desk, member), many=True, also=_ALSO)
        case "does":
            choices = tuple(Choice(name, key) for name, key in offers.DOES.items())
            return Question(desk.words(member, "offer.does"), choices, many=True, also=_ALSO)
        case "card":
            return Question(desk.words(member, "offer.card", n=LONGEST_CARD), free=True, also=_ALSO)
        case "fear":
            return Question(desk.words(member, "offer.fear"), offers.FEARS, also=_ALSO)
        case "asks":
            text = desk.words(
                member, "offer.asks", n=_most_asks(desk), usual=min(offers.USUAL_ASKS, _most_asks(desk))
            )
            choices = tuple(Choice(str(n), text=f"{n}") for n in range(1, _most_asks(desk) + 1))
            return Question(text, choices, also=_ALSO)
        case "who":
            return Question(desk.words(member, "offer.who"), _WHO, also=_ALSO)
        case "languages":
            text = desk.words(member, "offer.languages")
            return Question(text, talking.choices(desk, member), many=True, also=_ALSO)
        case "way":
            return Question(desk.words(member, "offer.way"), talking.WAY_CHOICES, also=_ALSO)
        case "change":
            return Question(desk.words(member, "offer.change"), _changes(desk), also=_ALSO)
    return _recap(desk, member, draft)


# In one line


def read(desk: Desk, member: Member, body: str) -> asking.Line | None:
    """What stands behind the word for offering, "offer 2h grief"; None: nothing does, or a sentence."""
    first, _, rest = " ".join(body.split()).partition(" ")
    if not rest or desk.turn.words.commands(member.language).get(normal(first)) != "command.offer":
        return None

    def words(*keys: str) -> list[str]:
        return [asking.phrase(word, normal) for key in keys for word in desk.spoken(member, key)]

    lengths, units = words_for_lengths(desk, member)
    vocabulary = asking.Vocabulary(
        wishes=dict.fromkeys(words("spell.all", "spell.anything"), _ANYTHING),
        topics=topics.phrases(desk, member),
        lengths=lengths,
        units=units,
        voices={},
        languages={},
        silent=frozenset(words("line.silent")),
        denials=frozenset(words("line.denial")),
    )
    said = asking.read(rest, vocabulary, normal, _SHORTEST, _LONGEST)
    return None if said.sentence else said


def take_line(desk: Desk, member: Member, draft: Draft, said: asking.Line) -> None:
    """Put what one line said into the draft that it began; ask for the first thing that it did not say."""
    topics.say_slips(desk, member, said)
    if said.unknown:
        shown = [
            desk.words(member, "words.quoted", text=own_words(one, len(one)) or "") for one in said.unknown
        ]
        desk.say(member.id, "offer.line_unknown", words=shown)
    if said.out_of_bounds is not None or said.left_out:
        desk.say(member.id, "offer.line_bounds", shortest=_SHORTEST, longest=_LONGEST)
    if said.length is not None:
        draft["hours"] = _hours(said.length)
    draft["topics"] = list(said.topics)
    if draft["step"] == "length" and said.length is not None:
        named = said.topics or said.wish == _ANYTHING
        draft["step"] = "card" if named or not desk.community.topics else "topics"
    desk.ask(member.id, "offer", draft=draft)


def _hours(length: timedelta) -> int | str:
    """A length as a draft holds it."""
    hours = length / timedelta(hours=1)
    return int(hours) if hours.is_integer() else str(hours)


def _steps(desk: Desk, draft: Draft) -> list[str]:
    """The questions on the way to the recap, as the answers so far make it."""
    steps = ["ages", "length"] if draft.get("asks_age") else ["length"]
    if draft["when"] != NOW:
        steps.append("when")
        if draft["asks_zone"]:
            steps.append("zone")
        steps.append("windows" if draft["when"] == WEEKLY else "quiet")
    if desk.community.topics:
        steps.append("topics")
    return [*steps, "card", "fear", "recap"]


def _lengths(desk: Desk, member: Member) -> tuple[Choice, ...]:
    lengths = ((length, timedelta(hours=length)) for length in _LENGTHS)
    return (
        *(
            Choice(str(number), text=desk.turn.words.duration(length, member.language), length=length)
            for number, length in lengths
        ),
        Choice("other", "choice.offer_other"),
    )


def _recap(desk: Desk, member: Member, draft: Draft) -> Question:
    lines = [
        desk.words(member, "offer.recap"),
        *offers.lines_of(desk, member, offers.made(desk, member, draft)),
    ]
    terms = desk.words(member, "offer.recap_next", n=min(int(str(draft["asks"])), desk.community.asks_a_day))
    terms = f"{ages.line(desk, member)}\n{terms}"
    if draft["when"] != NOW:
        terms = f"{desk.words(member, 'offer.goes_on', weeks=RENEWED)}\n{terms}"
    choices: tuple[Choice, ...] = (
        Choice("yes", "choice.offer_yes"),
        Choice("change", "choice.recap_change"),
        Choice("guide", "choice.guide"),
        Choice("stop", "choice.recap_stop"),
    )
    if draft.get("of"):
        choices = (
            Choice("yes", "choice.offer_change_yes"),
            Choice("change", "choice.recap_change"),
            Choice("stop", "choice.offer_as_it_was"),
        )
    text = "\n".join(lines)
    return Question(f"{text}\n{terms}", choices, binding=True, also=_ALSO, terms=terms)


def _most_asks(desk: Desk) -> int:
    """How often in a day somebody can let themselves be asked here."""
    return min(desk.community.asks_a_day, _MOST_ASKS)


def _changes(desk: Desk) -> tuple[Choice, ...]:
    """What can be changed by itself."""
    names = ["length"]
    if desk.community.topics:
        names += ["topics", "no_topics", "who"]
    names += ["card", "fear"]
    if _most_asks(desk) > 1:
        names.append("asks")
    names.append("way")
    if talking.asks(desk):
        names.append("languages")
    names.append("does")
    return tuple(Choice(name, _CHANGES[name]) for name in names)


_CHANGES = {
    "length": "choice.change_when",
    "topics": "choice.change_for",
    "no_topics": "choice.change_not_for",
    "who": "choice.change_who",
    "card": "choice.change_card",
    "fear": "choice.change_fear",
    "asks": "choice.change_asks",
    "way": "choice.change_way",
    "does": "choice.change_does",
    "languages": "choice.change_languages",
}


# What the member answers


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take the step's answer and put the next question."""
    draft: Draft = {**offers.defaults(desk, member), **prompt.draft}
    step = str(draft["step"])
    if reply.name == "back":
        _go_back(desk, member, draft, step)
    elif step == "recap":
        await _answer_recap(desk, member, draft, desk.given(prompt), reply)
    elif step == "change":
        _go(desk, member, draft, "recap" if reply.name == "skip" else reply.name, returns=True)
    elif await _take(desk, member, draft, step, reply):
        following = _following(draft, _steps(desk, draft), step)
        _go(desk, member, draft, following, returns=bool(draft.get("returns")))


def _following(draft: Draft, steps: list[str], step: str) -> str:
    """The next question; of a change only those that belong to it."""
    following = steps[steps.index(step) + 1] if step in steps else "recap"
    if draft.get("returns") and not (step in _OF_HOURS and following in _OF_HOURS):
        return "recap"
    return following


async def _answer_recap(
    desk: Desk, member: Member, draft: Draft, consent: Consent | None, reply: Reply
) -> None:
    match reply.name:
        case "yes" if draft.get("of"):
            await _change(desk, member, draft, consent)
        case "yes":
            await _begin(desk, member, draft, consent)
        case "change":
            _go(desk, member, draft, "change")
        case "guide":
            desk.say_text(member.id, practice.guide_text(desk, member))
            desk.say(member.id, "guide.practice")
            _go(desk, member, draft, "recap")
        case _:
            desk.say(member.id, "offer.kept" if draft.get("of") else "talk.dropped")


async def _take(desk: Desk, member: Member, draft: Draft, step: str, reply: Reply) -> bool:
    """Put the answer into the draft; False where it does not do and is asked for again.

    To skip is to take what the question says that it means.
    """
    if reply.name == "skip":
        _skip(desk, member, draft, step)
        if step == "zone":
            await zone.stay(desk, member)
        return True
    match step:
        case "ages":
            ages.take(desk, member, reply)
        case "length" if not reply.names:
            return _take_length(desk, member, draft, reply.text)
        case "length":
            draft["until"] = ""
            draft["when"] = WEEKLY if reply.name == "other" else NOW
            draft["hours"] = 2 if reply.name == "other" else int(reply.name)
        case "when":
            draft["when"] = reply.name
        case "zone":
            found, draft["cities"] = zone.taken(desk, member, reply)
            if not found:
                _go(desk, member, draft, "zone", returns=bool(draft.get("returns")))
                return False
            await zone.keep(desk, member, found)
        case "windows" | "quiet":
            return _take_hours(desk, member, draft, step, reply)
        case "topics" | "no_topics":
            draft[step] = list(reply.names)
            other = "topics" if step == "no_topics" else "no_topics"
            draft[other] = [one for one in zone.listed(draft[other]) if one not in reply.names]
        case "languages" | "does":
            draft[step] = list(reply.names)
        case "asks" | "who" | "way":
            draft[step] = reply.name
        case "card":
            card = own_words(reply.text, LONGEST_CARD)
            if card is None:
                desk.say(member.id, "talk.too_long", n=len(reply.text), longest=LONGEST_CARD)
                _go(desk, member, draft, "card", returns=bool(draft.get("returns")))
                return False
            draft["card"] = card
        case "fear":
            draft["fear"] = reply.name
    return True


def _skip(desk: Desk, member: Member, draft: Draft, step: str) -> None:
    if step == "length":
        draft.update({"when": NOW, "hours": offers.defaults(desk, member)["hours"], "until": ""})
    elif step == "when":
        draft["when"] = WEEKLY
    elif step != "zone":
        draft[step] = offers.defaults(desk, member)[step]


def _take_length(desk: Desk, member: Member, draft: Draft, text: str) -> bool:
    """How long from now on, where that is none of the choices."""
    found = read_length(desk, member, text)
    if found is None or not _SHORTEST <= found <= _LONGEST:
        key = "talk.not_length" if found is None else "offer.line_bounds"
        desk.refuse(member.id, key, shortest=_SHORTEST, longest=_LONGEST)
        _go(desk, member, draft, "length", returns=bool(draft.get("returns")))
        return False
    draft.update(until="", when=NOW, hours=_hours(found))
    return True


def _take_hours(desk: Desk, member: Member, draft: Draft, step: str, reply: Reply) -> bool:
    spelling = hours.spelling(desk, member)
    if step == "windows":
        chosen = (offers.USUAL[int(reply.name)],) if reply.name else None
        windows = chosen or availability.read_windows(hours.typed(desk, member, reply.text), spelling)
        if windows is not None:
            draft["windows"] = [offers.kept_window(window) for window in windows]
            return True
    else:
        named = {"usual": QUIET, "none": (0, 0)}.get(reply.name)
        quiet = named or availability.read_hours(hours.typed(desk, member, reply.text), spelling)
        if quiet is not None:
            draft["quiet"] = [str(minute) for minute in quiet]
            return True
    desk.refuse(member.id, "offer.not_hours")
    _go(desk, member, draft, step, returns=bool(draft.get("returns")))
    return False


def _go(desk: Desk, member: Member, draft: Draft, step: str, *, returns: bool = False) -> None:
    returns = returns and step not in ("recap", "change")
    desk.ask(member.id, "offer", draft={**draft, "step": step, "returns": returns})


def _go_back(desk: Desk, member: Member, draft: Draft, step: str) -> None:
    steps = _steps(desk, draft)
    if draft.get("returns"):
        first = step not in _OF_HOURS or step == "length"
        before = "change" if first else steps[steps.index(step) - 1]
        _go(desk, member, draft, before, returns=True)
        return
    if step == "change" or (step == "recap" and draft.get("of")):
        _go(desk, member, draft, "recap" if step == "change" else "change")
        return
    if step == steps[0]:
        desk.say(member.id, "talk.left")
        desk.ask(member.id, "menu")
        return
    _go(desk, member, draft, steps[steps.index(step) - 1])


async def _begin(desk: Desk, member: Member, draft: Draft, consent: Consent | None) -> None:
    if await offers.of(desk, member) is not None:
        desk.ask(member.id, "offered")
        return
    if await voucher.lacks(desk, member.id):
        await voucher.start(desk, member)
        return
    # Whoever withdraws and offers anew is asked no more often than whoever does not.
    asked = recent(desk.now_is(member.id).asked, desk.now)
    offer = replace(offers.made(desk, member, draft), id=OfferId(desk.turn.new_id()), consent=consent)
    offer = replace(offer, asked=asked)
    await desk.records.put(offer)
    part = take_part(desk.now_is(member.id), desk.community.ages, desk.now)
    desk.keep(replace(part, asked=()))
    following = availability.next_at(offer, desk.now)
    if offer.when == NOW or following is None:
        desk.say(member.id, "offer.begun", until=offer.until)
    elif following > desk.now:
        desk.say(member.id, "offer.begun_from", next=following)
    else:
        desk.say(member.id, "offer.begun_now")
    if (again := matching.asks_again(offer, desk.community.asks_a_day, desk.now)) is not None:
        spent = offer.when == NOW and again >= offer.until
        desk.say(member.id, "offer.asked_spent" if spent else "offer.asked_enough", at=again)


async def _change(desk: Desk, member: Member, draft: Draft, consent: Consent | None) -> None:
    """Let the offer hold what the draft says from now on; what was asked before stays as it was asked."""
    offer = await offers.of(desk, member)
    if offer is None or offer.id != draft["of"]:
        desk.say(member.id, "offer.none")
        return
    changed = offers.made(desk, member, draft)
    changed = replace(changed, id=offer.id, asked_at=offer.asked_at, asked=offer.asked, consent=consent)
    changed = replace(changed, rest_until=offer.rest_until, free_at=offer.free_at)
    if draft.get("until"):
        changed = replace(changed, until=offer.until, due_at=offer.due_at)
    await desk.records.put(changed)
    desk.say(member.id, "offer.changed")
