"""The sentence in which a member is told of each field of each record, and of each table, that is kept.

Guards: every field of every record, and every table, has its sentence here, or a test fails; what is also
about somebody else is named in words that are always the same.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum, auto
from functools import partial
from types import MappingProxyType

from handlers import (
    after,
    ages,
    buddy,
    checkin,
    checkin_draft,
    concern,
    paused,
    talking,
    topics,
    zone,
)
from handlers import language as languages
from handlers import offer as offers
from handlers.consent import WISHES, how_words
from handlers.desk import Desk
from schema.records import (
    Ask,
    AskAcross,
    Buddy,
    CheckIn,
    Concern,
    Consent,
    GuestRoom,
    Link,
    LinkInvitation,
    LinkKeys,
    Meeting,
    Member,
    Offer,
    Outlook,
    OwnPlan,
    Pairing,
    PairingPause,
    PeerRoom,
    Prompt,
    Request,
    Separation,
    Stewardship,
    Voucher,
)
from service.core import voucher as rules


class How(Enum):
    """SHOWN: its value stands in the sentence, under the field's own name.

    SAID: the sentence is its value, said where it is true. NAMED: the sentence names it, and the export has
    its value. WITHIN: it holds things that are told each by itself. BESIDE: a sentence that everybody is told
    names it, and its value is told to nobody: it is somebody else's too, or a number of our own.
    """

    SHOWN = auto()
    SAID = auto()
    NAMED = auto()
    WITHIN = auto()
    BESIDE = auto()


Say = Callable[[Desk, Member, object], object]


@dataclass(frozen=True)
class Told:
    """How a field is told, and in which sentence; `say` puts a value of ours into words."""

    how: How
    key: str
    say: Say | None = None


_shown = partial(Told, How.SHOWN)
_said = partial(Told, How.SAID)
_named = partial(Told, How.NAMED)
_AGREED = Told(How.WITHIN, "held.agreed")
_WAITING = Told(How.WITHIN, "held.waiting")
_OFFER = _named("held.offer")
_MEETING = _named("held.meeting")
_CONCERN = _named("held.concern")
_PAUSED = _named("held.paused")
_THEIRS = Told(How.BESIDE, "held.theirs")
_NUMBERS = Told(How.BESIDE, "held.numbers")
_VOUCHER = _named("held.voucher")
_BUDDY = _named("held.buddy")
_CHECKIN = _named("held.checkin")
_FOR_ALL = Told(How.BESIDE, "held.own")


def _quoted(desk: Desk, member: Member, value: object) -> str:
    return desk.quoted(member, str(value))


def _wish(desk: Desk, member: Member, value: object) -> str:
    return desk.words(member, WISHES[str(value)])


def _fear(desk: Desk, member: Member, value: object) -> str:
    return desk.words(member, offers.OWN_FEARS[str(value or "unsaid")])


def _topics(desk: Desk, member: Member, value: object) -> list[str]:
    named = value if isinstance(value, tuple | list) else ()
    return list(topics.names(desk, member, [str(topic) for topic in named]))


def _topics_or_none(desk: Desk, member: Member, value: object) -> object:
    return _topics(desk, member, value) or desk.words(member, "talk.no_topics")


def _reporters(desk: Desk, member: Member, value: object) -> str:
    return desk.words(member, "talk.recap_any" if value else "talk.recap_none")


def _or(key: str) -> Say:
    """The value, or sentence `key` where there is none."""
    return lambda desk, member, value: value or desk.words(member, key)


def _sentence(key: str) -> Say:
    """Sentence `key`, which is the value."""
    return lambda desk, member, value: desk.words(member, key)


def _minutes(desk: Desk, member: Member, value: object) -> str:
    return desk.turn.words.duration(timedelta(minutes=float(str(value))), member.language)


def _hours(desk: Desk, member: Member, value: object) -> str:
    return desk.turn.words.duration(timedelta(hours=float(str(value))), member.language)


def _how(desk: Desk, member: Member, value: object) -> list[str]:
    return how_words(desk, member, value if isinstance(value, tuple | list) else ())


def _age_group(desk: Desk, member: Member, value: object) -> str:
    key = ages.GROUPS.get(str(value))
    return desk.words(member, key, age=desk.community.adult_from) if key is not None else ""


def _languages(desk: Desk, member: Member, value: object) -> str:
    return talking.named(desk, member, value) if isinstance(value, tuple | list) else ""


def _city(desk: Desk, member: Member, value: object) -> str:
    return "" if value is None else desk.turn.words.city(str(value), member.language, country=True)


def _language(desk: Desk, member: Member, value: object) -> str:
    return languages.name(desk, str(value))


def _wished(key: str) -> Say:
    """What a buddy would be asked for, in sentence `key`."""

    def say(desk: Desk, member: Member, value: object) -> str:
        return desk.words(
            member, key, words=buddy.wishes(desk, member, value if isinstance(value, list) else ())
        )

    return say


_STEPS = frozenset(
    {
        *("step", "returns", "why", "found", "question", "said", "sequence", "standing", "keep_how", "of"),
        *("cities", "what", "ids", "chosen", "days", "day", "asks_age"),
    }
)
"""What a draft holds of our own: where the questions stand, and numbers."""

_ANSWERS: Mapping[str, Say] = {
    "names": lambda desk, member, value: value,
    "wish": _wish,
    "about": lambda desk, member, value: desk.words(member, concern.ABOUT[str(value)]),
    "readers": lambda desk, member, value: value,
    "spare": lambda desk, member, value: value,
    "named": _sentence("held.named"),
    "topics": _topics,
    "please": _wished("buddy.please"),
    "please_not": _wished("buddy.please_not"),
    "after": lambda desk, member, value: desk.words(member, "buddy.after_n", n=int(str(value))),
    "minutes": _minutes,
    "hours": _hours,
    "fear": _fear,
    "reporters": _reporters,
    "languages": _languages,
    "how": _how,
    "voice": _sentence("held.voice"),
    "only": _sentence("talk.recap_only"),
    "again": _sentence("talk.recap_again"),
    "again_only": _sentence("talk.recap_again_only"),
    "again_of": _sentence("held.again_linked"),
    "too": _sentence("talk.recap_too"),
    "answer": lambda desk, member, value: desk.words(
        member, "talk.recap_answer", answer=timedelta(minutes=float(str(value)))
    ),
    "rhythm": lambda desk, member, value: checkin.said(
        desk, member, checkin_draft.read(str(value)), zone.of(desk, member)
    ),
    "weeks": lambda desk, member, value: desk.words(
        member, "checkin.weeks", length=timedelta(weeks=int(str(value)))
    ),
    "ends": lambda desk, member, value: desk.words(
        member, "checkin.ends_on", ends=date.fromisoformat(str(value))
    ),
    "start": lambda desk, member, value: desk.words(
        member, "talk.recap_start", start=datetime.fromisoformat(str(value))
    ),
    "each_try": _sentence("talk.recap_each_try"),
    "linked": _sentence("held.linked"),
}
"""How the answers in a draft are said; any other is the member's own words."""


def _answers(desk: Desk, member: Member, value: object) -> list[str]:
    """What was answered so far, one after another; nothing where it is our own alone."""
    said: list[str] = []
    if isinstance(value, Mapping) and "windows" in value:
        offer = offers.made(desk, member, dict(value))
        return [line.rstrip(".") for line in offers.lines_of(desk, member, offer)]
    for name, answer in value.items() if isinstance(value, Mapping) else ():
        if name in _STEPS or not (answer or name == "reporters"):
            continue
        words = _ANSWERS.get(name, _quoted)(desk, member, answer)
        said += [str(one) for one in words] if isinstance(words, list) else [str(words).rstrip(".")]
    return said


SAYS: Mapping[type[object], Mapping[str, Told]] = MappingProxyType(
    {
        Member: {
            "id": _NUMBERS,
            "matrix_id": _shown("held.member"),
            "since": _shown("held.member"),
            "room": _named("held.member"),
            "language": _shown("held.member", _language),
            "zone": _shown("held.zone", _city),
            "prompt": _WAITING,
            "waiting": _WAITING,
            "told_limits": _named("held.fixed"),
            "lines": _named("held.fixed"),
            "how": _shown("held.how", _how),
            "due_at": _NUMBERS,
            "said": _named("held.said"),
            "swept_to": _named("held.said"),
            "sweep_at": _named("held.said"),
            "age_group": _shown("held.age_group", _age_group),
            "age_since": _shown("held.age_since"),
            "cards": _said("held.cards"),
            "asked": _said("held.asked_lately"),
        },
        Prompt: {
            "kind": _NUMBERS,
            "asked_at": _NUMBERS,
            "subject": _NUMBERS,
            "draft": _shown("held.draft", _answers),
            "by_itself": _NUMBERS,
            "until": _shown("held.draft", _or("held.no_hour")),
            "instead": _NUMBERS,
            "repeated": _NUMBERS,
            "aside": _NUMBERS,
            "consent": _NUMBERS,
            "brought": _NUMBERS,
            "missed": _NUMBERS,
            "said": _NUMBERS,
        },
        Consent: {
            "words": _shown("held.agreed"),
            "version": _shown("held.agreed"),
            "given_at": _shown("held.agreed"),
        },
        Request: {
            "id": _NUMBERS,
            "member": _NUMBERS,
            "state": _NUMBERS,
            "made_at": _shown("held.request"),
            "until": _shown("held.request"),
            "due_at": _NUMBERS,
            "round": _NUMBERS,
            "wish": _shown("held.request", _wish),
            "topics": _shown("held.request", _topics_or_none),
            "length": _shown("held.request"),
            "note": _shown("held.request", _quoted),
            "reporters": _shown("held.request", _reporters),
            "told": _NUMBERS,
            "each_try": _said("talk.recap_each_try"),
            "topics_only": _said("talk.recap_only"),
            "voice": _said("held.voice"),
            "how": _shown("talk.recap_how", _how),
            "note_until": _THEIRS,
            "consent": _AGREED,
            "again": _said("talk.recap_again"),
            "languages": _shown("held.languages", _languages),
            "age_group": _named("held.request"),
            "too": _said("held.too"),
            "fear": _named("held.too"),
            "asked": _named("held.asked_too"),
            "asked_at": _shown("held.asked_too"),
            "free_at": _named("held.asked_too"),
            "start": _shown("talk.recap_start"),
            "again_only": _said("talk.recap_again_only"),
            "answer": _shown("talk.recap_answer"),
            "linked": _said("held.linked"),
            "across": _NUMBERS,
            "again_of": _said("held.again_linked"),
        },
        Offer: {
            "id": _NUMBERS,
            "member": _NUMBERS,
            "state": _NUMBERS,
            "until": _OFFER,
            "due_at": _NUMBERS,
            "asked_at": _shown("held.asked"),
            "topics": _OFFER,
            "card": _OFFER,
            "fear": _OFFER,
            "asked": _named("held.asked"),
            "rest_until": _OFFER,
            "consent": _AGREED,
            "when": _OFFER,
            "windows": _OFFER,
            "quiet": _OFFER,
            "zone": _OFFER,
            "free_at": _OFFER,
            "asks_a_day": _OFFER,
            "no_topics": _OFFER,
            "who": _OFFER,
            "languages": _OFFER,
            "writing": _OFFER,
            "voice": _OFFER,
            "age_group": _OFFER,
            "does": _OFFER,
        },
        Ask: {
            "id": _NUMBERS,
            "request": _NUMBERS,
            "member": _NUMBERS,
            "offer": _NUMBERS,
            "state": _THEIRS,
            "made_at": _shown("held.ask"),
            "due_at": _NUMBERS,
            "length": _THEIRS,
            "wish": _THEIRS,
            "topics": _THEIRS,
            "said_at": _named("held.ask"),
            "note_seen": _named("held.ask"),
            "card": _named("held.ask"),
            "fear": _named("held.ask"),
            "consents": _AGREED,
            "talking": _THEIRS,
            "own": _named("held.ask"),
            "start": _THEIRS,
            "answer": _THEIRS,
            "across": _NUMBERS,
            "note": _THEIRS,
            "how": _THEIRS,
        },
        Pairing: {
            "id": _NUMBERS,
            "request": _NUMBERS,
            "ask": _NUMBERS,
            "asker": _NUMBERS,
            "peer": _THEIRS,
            "state": _THEIRS,
            "made_at": _THEIRS,
            "until": _shown("held.pairing"),
            "due_at": _NUMBERS,
            "length": _THEIRS,
            "card": _THEIRS,
            "fear": _THEIRS,
            "seen": _named("held.pairing"),
            "consent": _AGREED,
            "wish": _THEIRS,
            "talking": _THEIRS,
            "own": _THEIRS,
            "start": _THEIRS,
            "across": _NUMBERS,
        },
        PeerRoom: {
            "id": _NUMBERS,
            "asker": _THEIRS,
            "peer": _THEIRS,
            "request": _NUMBERS,
            "state": _NUMBERS,
            "made_at": _shown("held.room"),
            "length": _shown("held.room"),
            "ends_at": _shown("held.room"),
            "due_at": _NUMBERS,
            "room": _named("held.room"),
            "asker_matrix_id": _THEIRS,
            "peer_matrix_id": _THEIRS,
            "joined": _THEIRS,
            "ever_joined": _THEIRS,
            "erase_now": _THEIRS,
            "reminded": _THEIRS,
            "ending": _THEIRS,
            "done": _named("held.room"),
            "met": _THEIRS,
            "early": _THEIRS,
            "wish": _named("held.room"),
            "consents": _AGREED,
            "warn_at": _NUMBERS,
            "more": _THEIRS,
            "asked_more": _THEIRS,
            "changes": _NUMBERS,
            "choosing": _THEIRS,
            "sought": _THEIRS,
            "talking": _named("held.room"),
            "peer_request": _NUMBERS,
            "peer_sought": _THEIRS,
            "across": _NUMBERS,
        },
        Separation: {
            "id": _NUMBERS,
            "member": _NUMBERS,
            "other": _THEIRS,
            "since": _shown("held.apart"),
        },
        Meeting: {
            "id": _NUMBERS,
            "member": _NUMBERS,
            "other": _THEIRS,
            "ended_at": _MEETING,
            "due_at": _MEETING,
            "again": _MEETING,
            "agreed": _MEETING,
            "consent": _AGREED,
            "across": _NUMBERS,
            "linked": _NUMBERS,
            "apart": _MEETING,
        },
        Concern: {
            "id": _NUMBERS,
            "member": _NUMBERS,
            "state": _NUMBERS,
            "made_at": _CONCERN,
            "until": _CONCERN,
            "due_at": _NUMBERS,
            "about": _CONCERN,
            "words": _CONCERN,
            "readers": _THEIRS,
            "other": _THEIRS,
            "named": _CONCERN,
            "opened": _THEIRS,
            "proposal": _THEIRS,
            "reminded": _NUMBERS,
            "answers": _THEIRS,
            "spare": _THEIRS,
            "consent": _AGREED,
            "link": _NUMBERS,
        },
        PairingPause: {
            "id": _NUMBERS,
            "other": _NUMBERS,
            "made_at": _PAUSED,
            "due_at": _PAUSED,
            "reason": _PAUSED,
            "readers": _THEIRS,
            "answered": _PAUSED,
            "answer": _PAUSED,
            "link": _NUMBERS,
        },
        Stewardship: {
            "id": _NUMBERS,
            "due_at": _NUMBERS,
            "here": _FOR_ALL,
            "questions": _FOR_ALL,
            "paused": _FOR_ALL,
            "checked": _FOR_ALL,
            "flagged": _FOR_ALL,
            "said": _FOR_ALL,
            "swept_to": _FOR_ALL,
            "sweep_at": _FOR_ALL,
        },
        Voucher: {
            "id": _NUMBERS,
            "member": _NUMBERS,
            "due_at": _VOUCHER,
            "stewards": _VOUCHER,
            "named": _THEIRS,
            "yes": _THEIRS,
            "since": _VOUCHER,
            "consent": _AGREED,
        },
        Buddy: {
            "id": _NUMBERS,
            "member": _NUMBERS,
            "other": _THEIRS,
            "state": _THEIRS,
            "made_at": _THEIRS,
            "due_at": _NUMBERS,
            "name": _THEIRS,
            "words": _THEIRS,
            "please": _THEIRS,
            "please_not": _THEIRS,
            "after": _THEIRS,
            "hours": _THEIRS,
            "unanswered": _THEIRS,
            "since": _THEIRS,
            "tells_at": _THEIRS,
            "arrived": _THEIRS,
            "agreed_at": _BUDDY,
            "consents": _AGREED,
            "new": _THEIRS,
            "age_group": _BUDDY,
        },
        CheckIn: {
            "id": _NUMBERS,
            "member": _NUMBERS,
            "state": _NUMBERS,
            "made_at": _CHECKIN,
            "due_at": _NUMBERS,
            "rhythm": _CHECKIN,
            "zone": _CHECKIN,
            "wall": _CHECKIN,
            "at": _CHECKIN,
            "ends": _CHECKIN,
            "question": _CHECKIN,
            "late": _CHECKIN,
            "last": _CHECKIN,
            "turn": _CHECKIN,
            "puts": _NUMBERS,
            "said": _NUMBERS,
            "paused_at": _CHECKIN,
            "paused_until": _CHECKIN,
            "asked_on": _NUMBERS,
            "clockless": _CHECKIN,
        },
        OwnPlan: {
            "id": _NUMBERS,
            "words": _shown("held.own_plan"),
            "kept_at": _shown("held.own_plan"),
            "at_check_ins": _said("held.own_plan_check_ins"),
        },
        GuestRoom: {
            "id": _NUMBERS,
            "member": _NUMBERS,
            "link": _NUMBERS,
            "state": _NUMBERS,
            "made_at": _shown("held.guest_room"),
            "due_at": _NUMBERS,
            "across": _NUMBERS,
            "other": _THEIRS,
            "other_matrix_id": _THEIRS,
            "length": _shown("held.guest_room"),
            "wish": _named("held.guest_room"),
            "talking": _named("held.guest_room"),
            "room": _named("held.guest_room"),
            "ends_at": _shown("held.guest_room"),
            "ending": _THEIRS,
            "reached": _THEIRS,
            "consents": _AGREED,
            "there": _THEIRS,
            "server": _THEIRS,
            "met": _THEIRS,
            "more": _THEIRS,
            "agreed_more": _THEIRS,
            "asked_more": _THEIRS,
            "lapsed_more": _THEIRS,
            "latest": _THEIRS,
            "warn_at": _NUMBERS,
        },
        Outlook: dict.fromkeys(("id", "due_at", "someone", "later", "enough"), _FOR_ALL),
        **{
            kind: {field.name: _FOR_ALL for field in dataclasses.fields(kind)}
            for kind in (Link, LinkKeys, LinkInvitation, AskAcross)
        },
    }
)
"""How each field of each record is told, and of what lies in one.

Of an ask and a pairing only what its member did or was shown is told: whether they were chosen, or somebody
else changed their mind, is not to be read here sooner than it is said.
"""

WHOLE = frozenset(
    {
        *("held.offer", "held.meeting", "held.concern", "held.paused", "held.voucher", "held.checkin"),
        *("held.buddy",),
    }
)
"""What is told as a whole, in the words in which it is told elsewhere too."""


def whole(desk: Desk, member: Member, record: object) -> list[str]:
    """What is told of a record as a whole; nothing where its fields are told one by one."""
    match record:
        case Offer():
            return [desk.words(member, "held.offer", offer=offers.describe(desk, member, record))]
        case Meeting():
            return [after.told(desk, member, record)]
        case CheckIn():
            return [checkin.told(desk, member, record)]
        case Voucher():
            key = "held.voucher_asked" if record.since is None else "held.voucher"
            key = "held.voucher_taken_back" if rules.taken_back(record) else key
            return [desk.words(member, key, until=record.due_at)]
        case Concern():
            return [concern.told(desk, member, record), desk.words(member, "held.concern_ways")]
        case PairingPause():
            return [paused.told(desk, member, record)]
        case Buddy(member=member.id):
            return [buddy.held_by_member(desk, member, record)]
        case Buddy():
            return [desk.words(member, "held.buddy_of", at=record.agreed_at)]
        case Stewardship():
            return [desk.words(member, "held.steward")]
        case PeerRoom(asker=member.id) if record.sought:
            # They are their asker's own words, and the peer has read them long since.
            note = desk.quoted(member, str(record.sought.get("note") or ""))
            return [desk.words(member, "held.sought", note=note)]
        case PeerRoom(peer=member.id) if record.peer_sought:
            note = desk.quoted(member, str(record.peer_sought.get("note") or ""))
            return [desk.words(member, "held.sought", note=note)]
    return []


TABLES: Mapping[str, str] = MappingProxyType(
    {
        "inbox": "held.inbox",
        "unread": "held.unread",
        "outbox": "held.outbox",
        "seen": "held.seen",
        "chats": "held.chats",
        "crypto": "held.crypto",
        "instance": "held.own",
        "keyring": "held.own",
        "lease": "held.own",
    }
)
"""The tables below the records, and the sentence that says what of a member lies in each, and until when."""
