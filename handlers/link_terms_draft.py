"""Setting our terms of a link, before it begins or later: which of them, and one question a message.

Guards: nothing of them is kept, and nothing crosses, before one yes to the whole; what cannot be read as an
answer is answered with what can.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from handlers import hours, link_terms, offer, rhythm, topics
from handlers.answer import own_words
from handlers.link_terms import quoted
from handlers.question import Choice, Question, Reply
from handlers.steward_room import Draft, StewardRoom
from handlers.words import normal, split
from schema.records import Window
from schema.wire import Hours, Terms
from service.core import availability, cities, links, recurrence, terms
from service.core.when import Reason, Unread

LONGEST_REPORTS = 300
"""Characters."""

MOST_ASKS = 100
"""In 24 hours."""

_ALSO = frozenset({"skip", "back"})

STEPS = ("which", "topics", "directions", "asks", "hours", "zone", "languages", "until", "reports")
"""The questions about ours; what follows is "recap", which whoever asks them puts."""

_WHICH = {
    "topics": "link.choice_topics",
    "directions": "link.choice_directions",
    "asks": "link.choice_asks",
    "hours": "link.choice_hours",
    "languages": "link.choice_languages",
    "until": "link.choice_until",
    "reports": "link.choice_reports",
}
_WAYS = {
    "both": (True, True),
    "out": (True, False),
    "in": (False, True),
    "none": (False, False),
}
_WAY_CHOICES = (
    Choice("both", "link.choice_ways_both"),
    Choice("out", "link.choice_ways_out"),
    Choice("in", "link.choice_ways_in"),
    Choice("none", "link.choice_ways_none"),
)
_ASKED = {
    "which": "link.set_which",
    "topics": "link.set_topics",
    "directions": "link.set_directions",
    "asks": "link.set_asks",
    "hours": "link.set_hours",
    "zone": "link.set_zone",
    "languages": "link.set_languages",
    "until": "link.set_until",
    "reports": "link.set_reports",
}
_LENGTHS = (3, 6, 12, 24)
"""Months."""


def draft_of(chosen: Terms) -> Draft:
    """What a conversation keeps of the terms that are being set."""
    return {"terms": chosen.model_dump_json()}


def of(draft: Draft) -> Terms:
    """The terms that are being set, as the answers so far make them."""
    return Terms.model_validate_json(str(draft["terms"]))


def _names(room: StewardRoom) -> list[str]:
    """What can be changed here."""
    community = room.desk.community
    left_out = set()
    if not terms.topics(community):
        left_out.add("topics")
    if len(terms.tongues(community, room.desk.languages)) < 2:
        left_out.add("languages")
    return [name for name in _WHICH if name not in left_out]


def question(room: StewardRoom, draft: Draft) -> Question:
    """The question of the draft's step."""
    desk, chosen = room.desk, of(draft)
    step = str(draft["step"])
    now = link_terms.lines(desk, chosen, ours=True)
    if step == "which":
        choices = [Choice(name, _WHICH[name]) for name in _names(room)]
        choices.append(Choice("skip", "link.choice_enough"))
        return Question(room.words(_ASKED[step]), tuple(choices), free=True, reads=True, also=_ALSO)
    if step == "asks":
        now[step] = link_terms.asks_line(room, chosen.asks_a_day, both=chosen.sends and chosen.takes)
    text = room.words(
        _ASKED[step],
        now=now.get(step) or room.words("link.terms_unsaid"),
        most=MOST_ASKS,
        longest=LONGEST_REPORTS,
        notice=links.NOTICE,
    )
    many = step in ("topics", "languages")
    return Question(text, _choices(room, draft, step), free=True, reads=True, many=many, also=_ALSO)


def _choices(room: StewardRoom, draft: Draft, step: str) -> tuple[Choice, ...]:
    desk, words = room.desk, room.desk.turn.words
    match step:
        case "topics":
            # By their numbers: a topic can be called like a word that means something here.
            known = terms.topics(desk.community)
            found = [one for one in topics.choices(desk, room.reader) if one.name in known]
            numbered = (Choice(str(n), text=one.text) for n, one in enumerate(found))
            return (*numbered, Choice("none", "link.choice_no_topic"))
        case "directions":
            return _WAY_CHOICES
        case "hours":
            usual = enumerate(hours.windows(desk, room.reader, offer.USUAL))
            return (*(Choice(str(n), text=one) for n, one in usual), Choice("any", "link.choice_any_hour"))
        case "zone":
            return tuple(
                Choice(zone, text=words.city(zone, room.reader.language, country=True))
                for zone in _zones(room, draft)
            )
        case "languages":
            known = terms.tongues(desk.community, desk.languages)
            return tuple(Choice(code, text=_tongue(room, code)) for code in known)
        case "until":
            # A month as a length of time is as long as it is on average: it is said as months, and no days.
            months = ((n, timedelta(days=round(n * 365.25 / 12))) for n in _LENGTHS)
            language = room.reader.language
            return tuple(Choice(str(n), text=words.duration(length, language)) for n, length in months)
        case "reports":
            return (
                Choice("none", "link.choice_reports_none"),
                Choice("unsaid", "link.choice_reports_unsaid"),
            )
    return ()


def _tongue(room: StewardRoom, code: str) -> str:
    tongue = room.desk.turn.words.tongue
    name, own = tongue(code, room.reader.language), tongue(code, code)
    return name if own.casefold() == name.casefold() else f"{name} ({own}) | {name} | {own}"


def _zones(room: StewardRoom, draft: Draft) -> list[str]:
    """The zones to choose from: those that a name fitted, or else the one in use, the community's first."""
    found = draft.get("zones")
    if isinstance(found, list) and found:
        return found
    used = [one.zone for one in of(draft).hours]
    return list(dict.fromkeys((*used[:1], room.desk.community.zone)))


def take(room: StewardRoom, draft: Draft, reply: Reply) -> Draft:
    """The draft with that answer in it, at its next step; what cannot be read is said, and asked again."""
    step, chosen = str(draft["step"]), of(draft)
    if reply.name == "back":
        before = {"which": "recap", "zone": "hours"}.get(step, "which")
        return {**draft, "step": before, "zones": None}
    if step == "which":
        if not reply.name:
            return _refused(room, draft, "link.not_which")
        return {**draft, "step": "recap" if reply.name == "skip" else reply.name}
    if reply.name == "skip" and step != "zone":
        return {**draft, "step": "recap"}
    if step == "hours":
        return _take_hours(room, draft, reply)
    if step == "zone":
        return _take_zone(room, draft, reply)
    changed = _TAKES[step](room, reply)
    if isinstance(changed, str):
        return _refused_text(room, draft, changed)
    after = chosen.model_copy(update=dict(changed))
    if not terms.fit(after):
        return _refused(room, draft, "link.not_fit")
    return {**draft, "step": "recap", **draft_of(after)}


_Changed = Mapping[str, object] | str
"""What is different now, or why the answer was not read."""


def _take_topics(room: StewardRoom, reply: Reply) -> _Changed:
    known = terms.topics(room.desk.community)
    if not reply.names:
        return room.words("link.not_topics", words=_short(room, reply.text))
    if "none" in reply.names and len(reply.names) > 1:
        return room.words("link.not_both")
    return {"topics": tuple(one for n, one in enumerate(known) if str(n) in reply.names)}


def _take_directions(room: StewardRoom, reply: Reply) -> _Changed:
    if not reply.name:
        return room.words("link.not_directions")
    out, back = _WAYS[reply.name]
    return {"sends": out, "takes": back}


def _take_asks(room: StewardRoom, reply: Reply) -> _Changed:
    said = [int(word) for word in normal(reply.text).split() if word.isdecimal() and len(word) < 6]
    if len(said) != 1 or not 1 <= said[0] <= MOST_ASKS:
        key = "link.not_asks_none" if said == [0] else "link.not_asks"
        return room.words(key, words=_short(room, reply.text), most=MOST_ASKS)
    return {"asks_a_day": said[0]}


def _take_languages(room: StewardRoom, reply: Reply) -> _Changed:
    known = terms.tongues(room.desk.community, room.desk.languages)
    if not reply.names:
        return room.words("link.not_languages", words=_short(room, reply.text))
    return {"languages": tuple(one for one in known if one in reply.names)}


def _take_until(room: StewardRoom, reply: Reply) -> _Changed:
    desk = room.desk
    today = desk.now.astimezone(ZoneInfo(desk.community.zone)).date()
    day = terms.months_on(today, int(reply.name)) if reply.name else _day(room, reply.text, today)
    if isinstance(day, Unread):
        key = _UNREAD.get(day.reason, "link.not_until")
        return room.words(key, words=_short(room, reply.text), years=terms.FARTHEST)
    return {"until": int(terms.end_of(day, desk.community.zone).timestamp())}


_UNREAD = {
    Reason.DATE: "unread.date",
    Reason.ORDER: "unread.order",
    Reason.PAST: "unread.past",
    Reason.FAR: "link.not_until_far",
}


def _take_reports(room: StewardRoom, reply: Reply) -> _Changed:
    if reply.name:
        none = split(room.words("link.choice_reports_none"))[0]
        return {"reports": none if reply.name == "none" else ""}
    said = own_words(reply.text, LONGEST_REPORTS)
    if not said:
        return room.words("link.words_long", n=len(reply.text), longest=LONGEST_REPORTS)
    return {"reports": terms.words(said, 4 * LONGEST_REPORTS + 2)}


_TAKES = {
    "topics": _take_topics,
    "directions": _take_directions,
    "asks": _take_asks,
    "languages": _take_languages,
    "until": _take_until,
    "reports": _take_reports,
}


def _day(room: StewardRoom, text: str, today: date) -> date | Unread:
    """The day that `text` names, "30 june 2027", or that is so far off, "6 months"."""
    desk, reader = room.desk, room.reader
    silent = {*desk.spoken(reader, "spell.until"), *desk.spoken(reader, "spell.within")}
    said = text.split()
    while said and normal(said[0]) in silent:
        said = said[1:]
    numbers = {
        normal(form): value
        for value, forms in enumerate(split(room.words("spell.numbers")), 1)
        for form in forms.split("/")
    }
    if len(said) == 2:
        number = normal(said[0])
        count = int(number) if number.isdecimal() and len(number) < 5 else numbers.get(number, 0)
        for key, (months, days) in _UNITS.items():
            if count and normal(said[1]) in desk.spoken(reader, key):
                if count * (months * 30 + days) > terms.FARTHEST * 366:
                    return Unread(Reason.FAR)
                return terms.months_on(today, count * months) + timedelta(days=count * days)
    found = rhythm.read(desk, reader, " ".join((*said, "23:59")))
    if isinstance(found, Unread):
        return found
    return found.start if found.every == recurrence.ONCE else Unread(Reason.UNCLEAR)


_UNITS = {
    "spell.days": (0, 1),
    "spell.weeks": (0, 7),
    "spell.months": (1, 0),
    "spell.years": (12, 0),
}
"""Months and days."""


def _take_hours(room: StewardRoom, draft: Draft, reply: Reply) -> Draft:
    if reply.name == "any":
        return {**draft, "step": "recap", **draft_of(of(draft).model_copy(update={"hours": ()}))}
    if reply.name:
        found: tuple[Window, ...] | None = (offer.USUAL[int(reply.name)],)
    else:
        spelling = hours.spelling(room.desk, room.reader)
        found = availability.read_windows(hours.typed(room.desk, room.reader, reply.text), spelling)
    if found is None:
        return _refused(room, draft, "link.not_hours", words=_short(room, reply.text))
    return {**draft, "step": "zone", "windows": [offer.kept_window(one) for one in found], "zones": None}


def _take_zone(room: StewardRoom, draft: Draft, reply: Reply) -> Draft:
    zone = _zones(room, draft)[0] if reply.name == "skip" else reply.name
    if not zone:
        found = cities.find(reply.text, room.desk.turn.words.zones())
        if not found.zones:
            return _refused(room, draft, "zone.none")
        if len(found.zones) > _MOST_ZONES:
            return _refused(room, draft, "zone.too_many", n=len(found.zones))
        if not found.certain:
            room.say("zone.which")
            return {**draft, "zones": list(found.zones)}
        zone = found.zones[0]
    kept = draft["windows"]
    windows = [one.split() for one in kept] if isinstance(kept, list) else []
    named = [
        {"zone": zone, "days": tuple(map(int, days.split("."))), "start": int(start), "end": int(end)}
        for days, start, end in windows
    ]
    chosen = of(draft).model_copy(update={"hours": tuple(map(Hours.model_validate, named))})
    return {**draft, "step": "recap", "zones": None, **draft_of(chosen)}


_MOST_ZONES = 12


def _short(room: StewardRoom, text: str) -> str:
    """What somebody typed, as it is said back to them: on one line, and not more of it than helps."""
    said = " ".join((own_words(text, len(text)) or "").split())
    return quoted(room.desk, said if len(said) <= 60 else f"{said[:60]}…")


def _refused(room: StewardRoom, draft: Draft, key: str, /, **values: object) -> Draft:
    return _refused_text(room, draft, room.words(key, **values))


def _refused_text(room: StewardRoom, draft: Draft, text: str) -> Draft:
    room.say_text(text)
    return draft
