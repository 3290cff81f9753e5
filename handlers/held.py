"""What is held about a member, in plain words, from the very definitions of what is kept.

Guards: what is told and what is exported come from the same live records; what is also about somebody else
is named in words that are always the same, so that nothing about them can be read from what stands there,
from what does not, or from how many there are.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from handlers import after, buddy, checkin, concern, guest_room, own_plan, room
from handlers import offer as offers
from handlers import request as requests
from handlers.desk import Desk
from handlers.held_fields import SAYS, How, whole
from handlers.steward_room import stewardship
from schema.records import (
    Across,
    Ask,
    Consent,
    GuestRoom,
    Member,
    Pairing,
    PairingPause,
    PeerRoom,
    Rhythm,
    Separation,
    Talking,
    Voucher,
)
from schema.states import AskState, PairingState, RoomState
from service.core import guest_rooms
from service.core.rooms import LIVE

EVERYBODY = ("held.theirs", "held.rest")
"""What everybody is told alike, below what is theirs."""

DETAILS = (
    "held.said",
    "held.fixed",
    "held.inbox",
    "held.unread",
    "held.outbox",
    "held.seen",
    "held.chats",
    "held.crypto",
    "held.numbers",
    "held.own",
)
"""What everybody is told alike where they ask for all of it."""

_KEPT_ROOMS = tuple(state for state in RoomState if state not in (RoomState.GONE, RoomState.FAILED))
_ASKED = (AskState.SHOWN, AskState.READING, *requests.PROMISED)
"""Asks that their member knows of. One that waits is not asked yet; that one is over is told to everybody, or
whoever said no could read here when the request ended."""
_ANSWERABLE = (
    PairingState.PROPOSED,
    PairingState.STEPPED_BACK,
    PairingState.PLANNED,
    PairingState.AGREED,
)
"""Pairings that their asker knows of; the first two are the same to them."""


@dataclass(frozen=True)
class Entry:
    """One thing that is held: its kind, the sentences in which it is told, what the export has of it."""

    kind: str
    words: tuple[str, ...]
    values: Mapping[str, object]


async def about(desk: Desk, member: Member) -> list[Entry]:
    """Everything that is held about the member and is theirs alone to see, from the live records."""
    records: list[object] = [member]
    request = await requests.of(desk, member.id)
    offer = await offers.of(desk, member)
    records += [one for one in (request, offer) if one is not None]
    records += await desk.records.find(Ask, member=member.id, state=_ASKED)
    records += await desk.records.find(Pairing, asker=member.id, state=_ANSWERABLE)
    records += await room.of(desk, member.id, *_KEPT_ROOMS)
    records += await guest_room.of(desk, member.id, *guest_rooms.TOLD)
    apart = list(await desk.records.find(Separation, member=member.id))
    apart.sort(key=lambda one: (one.since, one.id))
    records += apart
    records += await after.of(desk, member.id)
    records += await checkin.of(desk, member.id)
    records += await desk.records.find(Voucher, member=member.id)
    records += await concern.of(desk, member.id)
    records += await buddy.held(desk, member)
    plan = await own_plan.of(desk, member.id)
    records += [] if plan is None else [plan]
    records += [one for one in await desk.records.about(PairingPause, member.id) if one.due_at > desk.now]
    if member.matrix_id in desk.community.stewards:
        records.append(await stewardship(desk))
    return [entry for one in records for entry in _entries(desk, member, one)]


def _entries(desk: Desk, member: Member, record: object) -> Iterator[Entry]:
    """The record, then each thing that lies in it; a sentence is said where each of its values is there."""
    words: dict[str, dict[str, object]] = {}
    values: dict[str, object] = {}
    within: list[object] = []
    flags: list[str] = []
    for name, told in SAYS[type(record)].items():
        value = getattr(record, name)
        if told.how is How.WITHIN:
            within += (_own(member, one) for one in (value if isinstance(value, tuple) else (value,)))
        elif told.how is not How.BESIDE:
            values[name] = as_json(value)
        if told.how is How.SHOWN:
            said = value if told.say is None else told.say(desk, member, value)
            key = _OVER.get(told.key, told.key) if _has_ended(record) else told.key
            words.setdefault(key, {})[name] = said
        elif told.how is How.SAID and value:
            flags.append(desk.words(member, told.key))
    sentences = whole(desk, member, record)
    sentences += [desk.words(member, key, **said) for key, said in words.items() if all(said.values())]
    sentences += flags
    if isinstance(record, Member) and record.waiting:
        sentences.append(desk.words(member, "held.waiting", n=len(record.waiting)))
    if sentences:
        yield Entry(type(record).__name__.lower(), tuple(sentences), values)
    for one in within:
        if one is not None and not (isinstance(one, Consent) and one.given_at is None):
            yield from _entries(desk, member, one)


_OVER = {"held.room": "held.room_over", "held.guest_room": "held.guest_room_over"}
"""What is said of a room that has ended."""


def _has_ended(record: object) -> bool:
    if isinstance(record, GuestRoom):
        return record.state not in guest_rooms.LIVE
    return isinstance(record, PeerRoom) and record.state not in LIVE


def _own(member: Member, one: object) -> object:
    """What lies in a record; of what has an owner, only the member's own."""
    if not isinstance(one, tuple):
        return one
    owner, owned = one
    return owned if owner == member.id else None


def as_json(value: object) -> object:
    """A value as JSON has it: an instant as ISO 8601 has it, a length in seconds."""
    match value:
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Across() | Talking() | Rhythm():
            return {name: as_json(one) for name, one in vars(value).items()}
        case tuple() | list():
            return [as_json(one) for one in value]
        case Mapping():
            return {str(name): as_json(one) for name, one in value.items()}
    return value


async def export(desk: Desk, member: Member) -> str:
    """All that is held about the member as JSON, each thing with the sentence that tells it."""
    held = [
        {"kind": entry.kind, "in_words": list(entry.words), **entry.values}
        for entry in await about(desk, member)
    ]
    whole = {
        "community": desk.community_of(member).name,
        "made_at": desk.now.isoformat(),
        "in_words": desk.words(member, "held.intro"),
        "held": held,
        "told_to_everybody": [*everybody(desk, member), *details(desk, member)],
    }
    return json.dumps(whole, ensure_ascii=False, indent=1)


async def text(desk: Desk, member: Member) -> str:
    """All that is held about the member, as they read it."""
    entries = await about(desk, member)
    agreed = [entry for entry in entries if entry.kind == "consent"]
    lines = [line for entry in entries if entry.kind != "consent" for line in entry.words]
    if agreed:
        lines.append(desk.words(member, "held.consents", n=len(agreed)))
    return "\n".join((desk.words(member, "held.intro"), *lines, *everybody(desk, member)))


def everybody(desk: Desk, member: Member) -> list[str]:
    """What is also about somebody else, and who sees what beside us: the same to everybody."""
    return [desk.words(member, key, who_runs=desk.community_of(member).who_runs) for key in EVERYBODY]


def details(desk: Desk, member: Member) -> list[str]:
    """What lies below and beside the records, and until when: the same to everybody."""
    return [desk.words(member, key, keep=desk.timings.chat) for key in DETAILS]
