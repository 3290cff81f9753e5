"""Inbound Megolm sessions: whose they are, what of them was handled, and how far back they still open.

Guards:
- A session belongs to the user who sent it to us and to the keys that its Olm message proved; whether those
  keys are a device of the sender is asked at each event, so that nobody speaks for another.
- An index of a session is one event for ever: what was handled is kept with the session, which is moved past
  its unbroken run of handled indexes, so that the database can't read yesterday's messages. A gap holds it
  for at most a day.
- The first key to come under a name stays: one that begins earlier would open again what was handled.
- Numbers are bounded: of the sessions of one user, and of the steps to an index (which is why an event's
  index is read from its ciphertext before nio's session is asked to go there).
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import vodozemac
from nio.crypto.sessions import InboundGroupSession

from schema.errors import Malformed
from schema.ids import EventId, MatrixId, RoomId
from service.matrix import border
from service.matrix.devices import MEGOLM

_MOST_OF_ONE = 100
"""Sessions of one user; the oldest goes."""

_MOST_OF_STRANGERS = 2000
"""Sessions of people with whom we share no room yet: a key may come before its room."""

_GAP = timedelta(days=1)
_LONGEST_CIPHERTEXT = 128 * 1024
_FURTHEST_INDEX = 1 << 20

Name = tuple[MatrixId, RoomId, str]
"""Owner, room and session id."""


@dataclass(slots=True)
class RoomKey:
    """One session, exported at the first index still open, and what of it was handled from there on."""

    owner: MatrixId
    room: RoomId
    session_id: str
    sender_key: str
    ed25519: str
    exported: str
    index: int
    handled: dict[int, EventId] | None = None
    gap_since: int | None = None

    @property
    def name(self) -> Name:
        """What it is found by."""
        return (self.owner, self.room, self.session_id)

    def to_row(self) -> bytes:
        """Plain bytes for a sealed row."""
        handled = sorted((self.handled or {}).items())
        row = [
            self.owner,
            self.room,
            self.session_id,
            self.sender_key,
            self.ed25519,
            self.exported,
            self.index,
            handled,
            self.gap_since,
        ]
        return json.dumps(row, ensure_ascii=False).encode()

    @classmethod
    def from_row(cls, row: bytes) -> "RoomKey":
        """The reverse of `to_row`."""
        owner, room, session_id, sender_key, ed25519, exported, index, handled, gap_since = json.loads(row)
        opened = dict(handled) or None
        return cls(owner, room, session_id, sender_key, ed25519, exported, index, opened, gap_since)

    def settle(self, index: int, event: EventId) -> None:
        """Event `event` at `index` is handled."""
        if index >= self.index:
            self.handled = {**(self.handled or {}), index: event}

    def advance(self, stamp: int) -> None:
        """Move past the unbroken run of handled indexes; `stamp` (Unix seconds) is when a gap begins."""
        handled, index = self.handled or {}, self.index
        while handled.pop(index, None) is not None:
            index += 1
        self._move(index)
        self.handled = handled or None
        if self.handled is None:
            self.gap_since = None
        elif self.gap_since is None:
            self.gap_since = stamp

    def skip(self, stamp: int) -> None:
        """Give up what lies in gaps, and move past all that was handled."""
        while self.handled:
            self._move(min(self.handled))
            self.advance(stamp)
        self.gap_since = None

    def _move(self, index: int) -> None:
        if index != self.index:
            self.exported = self.open().export_session(index)
            self.index = index

    @classmethod
    def of(cls, owner: MatrixId, session: InboundGroupSession) -> "RoomKey":
        """The key of `session`, which `owner` sent us."""
        index = session.first_known_index
        return cls(
            owner,
            RoomId(session.room_id),
            session.id,
            session.sender_key,
            session.ed25519,
            session.export_session(index),
            index,
        )

    def open(self) -> InboundGroupSession:
        """The session itself; it is not kept, since an exported one takes a tenth of the memory."""
        return InboundGroupSession.import_session(self.exported, self.ed25519, self.sender_key, self.room)


@dataclass(frozen=True)
class Plaintext:
    """What a Megolm event held, its place in the session, and the name of that session."""

    payload: dict[str, Any]
    index: int
    name: Name


class NoKey(Malformed):
    """The event's room key has not come, or is past the event."""


class Replayed(Malformed):
    """The event's index was used by another event."""


@dataclass(slots=True)
class RoomKeys:
    """All inbound sessions, in memory; `mark` (kind, name, row) is told what changed."""

    mark: Callable[[str, str, Callable[[], bytes | None]], None]
    _keys: dict[Name, RoomKey] = field(default_factory=dict)
    _names: dict[MatrixId, dict[Name, None]] = field(default_factory=dict)

    def restore(self, row: bytes) -> None:
        """Take in one row from disk."""
        self._keep(RoomKey.from_row(row))

    def __iter__(self) -> Iterator[RoomKey]:
        return iter(self._keys.values())

    def _keep(self, key: RoomKey) -> None:
        self._keys[key.name] = key
        self._names.setdefault(key.owner, {})[key.name] = None

    def _mark(self, name: Name) -> None:
        def make() -> bytes | None:
            found = self._keys.get(name)
            return None if found is None else found.to_row()

        self.mark("megolm", "\0".join(name), make)

    def drop(self, name: Name) -> None:
        """Forget one session."""
        if self._keys.pop(name, None) is not None:
            self._names[name[0]].pop(name, None)
            if not self._names[name[0]]:
                del self._names[name[0]]
            self._mark(name)

    def take(self, sender: MatrixId, sender_key: str, payload: Mapping[str, Any]) -> None:
        """Take in an `m.room_key` that came by Olm from `sender_key`. Raises Malformed."""
        content = border.mapping(payload.get("content"))
        if content.get("algorithm") != MEGOLM:
            raise Malformed("another algorithm")
        room = border.room_id(content.get("room_id"))
        session_id = border.text(content.get("session_id"), 128)
        ed25519 = border.key(border.part(payload, "keys").get("ed25519"))
        if (sender, room, session_id) in self._keys:
            return
        session_key = border.text(content.get("session_key"), 1024)
        session = border.attempt(InboundGroupSession, session_key, ed25519, sender_key, room)
        if session.id != session_id or session.first_known_index > _FURTHEST_INDEX:
            raise Malformed("a room key that is not what it says")
        self.keep(border.attempt(RoomKey.of, sender, session))

    def keep(self, key: RoomKey) -> None:
        """Keep `key`, unless one came under its name before; of one user only the newest are kept."""
        if key.name in self._keys:
            return
        self._keep(key)
        self._mark(key.name)
        theirs = list(self._names[key.owner])
        for old in theirs[: max(0, len(theirs) - _MOST_OF_ONE)]:
            self.drop(old)

    def get(self, sender: MatrixId, room: RoomId, content: Mapping[str, Any]) -> RoomKey | None:
        """The session for an encrypted event's content, if it came."""
        session_id = content.get("session_id")
        return self._keys.get((sender, room, session_id)) if isinstance(session_id, str) else None

    def decrypt(
        self, sender: MatrixId, room: RoomId, event: EventId, content: Mapping[str, Any]
    ) -> Plaintext:
        """Decrypt one room event's content; nothing is marked: that is `settle`'s, with the inbox.

        Raises NoKey, Replayed or Malformed. Whether the session's device may speak for `sender` is not asked
        here.
        """
        if content.get("algorithm") != MEGOLM:
            raise Malformed("another algorithm")
        key = self.get(sender, room, content)
        if key is None:
            raise NoKey("the room key has not come")
        ciphertext = border.text(content.get("ciphertext"), _LONGEST_CIPHERTEXT).rstrip("=")
        message = border.attempt(vodozemac.MegolmMessage.from_base64, ciphertext)
        index = message.message_index()
        if index < key.index:
            raise NoKey("the session is past this index")
        if index > key.index + _FURTHEST_INDEX:
            raise Malformed("an index that takes too many steps")
        if (key.handled or {}).get(index, event) != event:
            raise Replayed("another event had this index")
        plaintext, opened = border.attempt(border.attempt(key.open).decrypt, ciphertext)
        payload = border.parse(plaintext)
        if payload.get("room_id") != room or opened != index:
            raise Malformed("the message was written for another place")
        return Plaintext(payload, index, key.name)

    def settle(self, handled: Sequence[tuple[Plaintext, EventId]], now: datetime) -> None:
        """These events go into the inbox with this transaction: mark them, and move their sessions on."""
        touched: dict[Name, RoomKey] = {}
        for plaintext, event in handled:
            key = self._keys.get(plaintext.name)
            if key is not None:
                key.settle(plaintext.index, event)
                touched[key.name] = key
        for name, key in touched.items():
            key.advance(round(now.timestamp()))
            self._mark(name)

    def close_gaps(self, now: datetime) -> None:
        """Move sessions past gaps older than a day: what lies in them is lost by then."""
        stamp = round(now.timestamp())
        for name, key in self._keys.items():
            if key.gap_since is not None and stamp - key.gap_since > _GAP.total_seconds():
                key.skip(stamp)
                self._mark(name)

    def forget_room(self, room: RoomId) -> None:
        """Drop the sessions of a room that we left."""
        for name in [each for each in self._keys if each[1] == room]:
            self.drop(name)

    def forget_strangers(self, known: Callable[[MatrixId], bool]) -> None:
        """Of people for whom `known` is false keep a bounded number of sessions, the newest."""
        loose: Iterable[Name] = [name for name in self._keys if not known(name[0])]
        for name in list(loose)[:-_MOST_OF_STRANGERS]:
            self.drop(name)
