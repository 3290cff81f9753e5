"""Our own record of rooms: who is in them, and whether they were ever encrypted.

Guards:
- Once seen encrypted, a room is encrypted for ever, whatever the homeserver says later (never plain).
- `private` holds only where the desk and one member are joined and nobody else is joined or invited. Members
  are loaded lazily, so a room whose list may have a hole is not private until it was asked for whole.
- A room that we left, or were removed from, is dropped.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from schema.errors import Malformed
from schema.ids import EventId, MatrixId, RoomId
from schema.wire import EVENT_TYPE
from service.matrix import border
from service.matrix.devices import MEGOLM

_MOST_NAMED = 20
"""Members kept by name; a room with more is no direct chat, and only counted."""


@dataclass(slots=True)
class Chat:
    """One room that the desk is in.

    `members` has everybody known to be joined (True) or invited (False); `sure` says that it is everybody.
    `joined` and `invited` are the homeserver's counts, None until it said them. `algorithm_known`: the
    encryption is one that we speak. `told` is the member whose arrival was made an event. `last` is the
    newest membership event. `link`: its creation says that it is a room of two front desks, which is nobody's
    chat. `gap` are the sync tokens between which the timeline has not been read.
    """

    room: RoomId
    encrypted: bool = False
    algorithm_known: bool = False
    members: dict[MatrixId, bool] = field(default_factory=dict)
    joined: int | None = None
    invited: int | None = None
    sure: bool = False
    told: MatrixId | None = None
    last: EventId | None = None
    gap: tuple[str, str] | None = None
    link: bool = False

    def alone_with(self, desk: MatrixId) -> MatrixId | None:
        """The one member who is joined beside `desk`, nobody else being joined or invited."""
        if not self.sure or len(self.members) != 2 or not all(self.members.values()):
            return None
        others = [member for member in self.members if member != desk]
        return others[0] if len(others) == 1 else None

    def others(self, desk: MatrixId) -> int:
        """How many beside `desk` are joined or invited, as far as is known."""
        return max(len(self.members.keys() - {desk}), (self.joined or 0) + (self.invited or 0) - 1)

    def apply_state(self, event: dict[str, Any]) -> bool:
        """Take in one state event; whether it changed anything. Raises Malformed."""
        type_ = event.get("type")
        if type_ == "m.room.encryption" and event.get("state_key") == "":
            content = border.part(event, "content")
            before = (self.encrypted, self.algorithm_known)
            self.encrypted = True
            # An algorithm that we don't speak makes the room one in which nothing is said.
            self.algorithm_known = content.get("algorithm") == MEGOLM
            return before != (self.encrypted, self.algorithm_known)
        if type_ == "m.room.create" and event.get("state_key") == "":
            was, self.link = self.link, border.part(event, "content").get("type") == EVENT_TYPE
            return was is not self.link
        if type_ != "m.room.member":
            return False
        member = border.matrix_id(event.get("state_key"))
        membership = border.part(event, "content").get("membership")
        self.last = border.event_id(event.get("event_id"))
        before_member = self.members.get(member)
        if membership in ("join", "invite"):
            if len(self.members) < _MOST_NAMED or member in self.members:
                self.members[member] = membership == "join"
            else:
                self.sure = False
        else:
            self.members.pop(member, None)
        return before_member != self.members.get(member)

    def doubt(self) -> None:
        """Part of the timeline was left out, and memberships may have changed in it."""
        self.joined = self.invited = None
        self.sure = False

    def apply_summary(self, summary: dict[str, Any], desk: MatrixId, new: bool) -> None:
        """Take in a sync's room summary: counts, and the hero where they can be nobody else.

        `new`: the state beside it began from nothing, so that agreeing counts mean that it is complete.
        Otherwise they only show that something is missing: one may have come for another who went.
        """
        self.joined = _count(summary.get("m.joined_member_count"), self.joined)
        self.invited = _count(summary.get("m.invited_member_count"), self.invited)
        heroes = []
        for hero in border.items(summary, "m.heroes"):
            try:
                heroes.append(border.matrix_id(hero))
            except Malformed:
                # Whoever has a name that is none of Matrix's is in the room all the same.
                self.sure = False
                return
        if (self.joined, self.invited) == (2, 0) and len(heroes) == 1 and desk not in heroes:
            self.members = {desk: True, heroes[0]: True}
            self.sure = True
        elif not self._counts_agree():
            self.sure = False
        elif new:
            self.sure = True

    def _counts_agree(self) -> bool:
        named = sum(self.members.values())
        return (self.joined, self.invited or 0) == (named, len(self.members) - named)

    def apply_members(self, answer: dict[str, Any]) -> None:
        """Take in `GET /rooms/{id}/members`: everybody. Raises Malformed, changing nothing."""
        found: dict[MatrixId, bool] = {}
        for event in border.items(answer, "chunk"):
            membership = border.part(event, "content").get("membership")
            if membership in ("join", "invite"):
                found[border.matrix_id(border.mapping(event).get("state_key"))] = membership == "join"
        joined = sum(found.values())
        self.joined, self.invited = joined, len(found) - joined
        self.sure = len(found) <= _MOST_NAMED
        self.members = dict(list(found.items())[:_MOST_NAMED])

    def to_row(self) -> bytes:
        """Plain bytes for a sealed row."""
        row = [
            self.room,
            self.encrypted,
            self.algorithm_known,
            self.members,
            self.joined,
            self.invited,
            self.sure,
            self.told,
            self.last,
            self.gap,
            self.link,
        ]
        return json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def from_row(cls, row: bytes) -> "Chat":
        """The reverse of `to_row`."""
        # An earlier version knew no rooms of two desks.
        kept = [*json.loads(row), False][:11]
        room, encrypted, algorithm_known, members, joined, invited, sure, told, last, gap, link = kept
        chat = cls(room, encrypted, algorithm_known, members, joined, invited, sure, told, last)
        chat.gap = None if gap is None else (gap[0], gap[1])
        chat.link = link
        return chat


def _count(value: object, before: int | None) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else before


class Chats:
    """All rooms that the desk is in, in memory; `changed` rooms await a transaction."""

    def __init__(self, desk: MatrixId, kept: Iterable[Chat] = ()) -> None:
        self.desk = desk
        self._chats = {chat.room: chat for chat in kept}
        self.changed: set[RoomId] = set()
        self.stewards: RoomId | None = None
        """The steward room, which is nobody's chat, whoever is in it."""

    def get(self, room: RoomId) -> Chat | None:
        """The record of `room`, if we are in it."""
        return self._chats.get(room)

    def enter(self, room: RoomId) -> Chat:
        """The record of a room that we are in, made where it is new."""
        found = self._chats.get(room)
        if found is None:
            found = self._chats[room] = Chat(room)
            self.changed.add(room)
        return found

    def drop(self, room: RoomId) -> Chat | None:
        """Forget a room that we are no longer in; what was known of it."""
        self.changed.add(room)
        return self._chats.pop(room, None)

    def alone_with(self, room: RoomId) -> MatrixId | None:
        """Whose chat `room` is: the one member who is joined beside us, with nobody else in it or invited."""
        chat = self._chats.get(room)
        return None if chat is None or room == self.stewards else chat.alone_with(self.desk)

    def direct_with(self, member: MatrixId) -> list[RoomId]:
        """Encrypted rooms of ours in which `member`, and nobody else, is joined or invited."""
        pair = {self.desk, member}
        return [
            room
            for room, chat in self._chats.items()
            if room != self.stewards
            and not chat.link
            and chat.encrypted
            and chat.algorithm_known
            and chat.sure
            and chat.members.keys() == pair
        ]

    def shared_with(self, member: MatrixId) -> tuple[RoomId, ...]:
        """Every room of ours in which `member` is joined or invited, as far as is known."""
        return tuple(room for room, chat in self._chats.items() if member in chat.members)

    def all(self) -> list[Chat]:
        """Every room that we are in."""
        return list(self._chats.values())

    def people(self) -> set[MatrixId]:
        """Everybody who is in a room with us, but ourselves."""
        found = {member for chat in self._chats.values() for member in chat.members}
        found.discard(self.desk)
        return found

    def row(self, room: RoomId) -> bytes | None:
        """The row of `room`; None where it goes."""
        found = self._chats.get(room)
        return None if found is None else found.to_row()
