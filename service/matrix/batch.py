"""What one sync says, read section by section into our events; nothing here waits for anybody.

Guards:
- Every event and every room is read apart: a bad one is set aside, and the ones beside it arrive.
- Nobody speaks for another: a decrypted message counts only from a device of its sender that counts; until
  then it waits. A plain message in an encrypted room is never taken, a decrypted state event neither.
- One index of a session is one event, within a batch too.
- Strangers' invitations cost a bounded amount of work in a time, and a member's own come first. Words count
  only in a room of two, and a room that is nobody's chat is left, so that nobody can make the desk speak to a
  crowd.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from schema.errors import Malformed
from schema.events import (
    DirectChat,
    FromLink,
    FromMatrix,
    Invited,
    LinkRoom,
    Message,
    NoChat,
    PlainMessage,
    StewardMessage,
    StewardRoom,
    Unreadable,
)
from schema.ids import EventId, MatrixId, RoomId
from schema.wire import EVENT_TYPE
from service import logs
from service.calm import Levels
from service.core.pace import Pace
from service.matrix import border, messages
from service.matrix.chats import Chat
from service.matrix.client import Client
from service.matrix.machine import Machine
from service.matrix.messages import VERIFICATION, Step
from service.matrix.room_keys import Name, Plaintext, Replayed
from service.matrix.waiting import Unread, Waiting

_log = logs.get("service.matrix")

_MOST_INVITES = 200
_MOST_INVITES_OF_ONE = 3
"""Of one person in one sync."""
_MOST_HELD = 500
_INVITES_OF_OWN, _INVITES_OF_OTHERS = Pace(200, 0.2), Pace(30, 10)
"""Rooms that the desk comes into, or declines, for people of its own server and of all others."""
_INVITES_OF_ONE = Pace(10, 360)
_MOST_CHATS_OF_ONE = 10
"""Rooms that the desk shares with one person before it takes no more invitations of theirs."""
_LARGEST_ACROSS = 16 * 1024
"""Characters of what comes in a room of two desks; the largest that means anything has fewer."""
_BEFORE_US = timedelta(minutes=1)
"""How far the homeserver's clock may be behind ours."""

_MOST_ASKED = 10_000
_PLAIN_AGAIN = timedelta(hours=1)
"""Between two events of plain words in one room: each is answered in clear."""
_WORDS = ("m.room.encrypted", "m.room.message", "m.sticker")
_STEP_AGE = timedelta(minutes=10)
"""Older steps of a verification are of one that is over (spec, "Key verification framework")."""


def set_aside(error: Malformed) -> None:
    """Note that something foreign was refused: where in our code, and never whose or what."""
    _log.info("something foreign is set aside", error=error)


@dataclass(frozen=True, slots=True)
class Incoming:
    """One timeline event that may hold words."""

    room: RoomId
    event: dict[str, Any]


@dataclass
class Batch:
    """What one sync brings and changes, until it is committed."""

    token: str
    events: list[FromMatrix] = field(default_factory=list)
    handled: list[tuple[Plaintext, EventId]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    timeline: list[Incoming] = field(default_factory=list)
    touched: dict[RoomId, None] = field(default_factory=dict)
    emptied: set[RoomId] = field(default_factory=set)
    fresh: list[Unread] = field(default_factory=list)
    done: dict[EventId, None] = field(default_factory=dict)
    indexes: dict[tuple[Name, int], EventId] = field(default_factory=dict)


class Reader:
    """Reads syncs for `client`; `waiting` has what could not be read yet."""

    def __init__(self, client: Client, waiting: Waiting, monotonic: Callable[[], float]) -> None:
        self._client = client
        self._waiting = waiting
        self._own = Levels(_INVITES_OF_OWN, monotonic)
        self._foreign = Levels(_INVITES_OF_OTHERS, monotonic)
        self._of_one = Levels(_INVITES_OF_ONE, monotonic)
        self._held: dict[RoomId, Invited] = {}
        self._going: dict[RoomId, Invited] = {}
        self._since: str | None = None
        self._asked: set[tuple[str, str]] = set()
        self._plain: dict[RoomId, tuple[datetime, EventId]] = {}

    # ---- to-device

    def to_device(self, batch: Batch, event: object) -> None:
        """Take in one to-device event, whatever it is."""
        try:
            border.attempt(self._to_device, batch, event)
        except Malformed as error:
            set_aside(error)

    def _to_device(self, batch: Batch, event: object) -> None:
        found = border.mapping(event)
        type_ = found.get("type")
        if type_ == "m.room.encrypted":
            self._client.machine.decrypt_to_device(found)
        elif type_ == "m.room_key.withheld":
            content = border.mapping(found.get("content"))
            session = border.text(content.get("session_id"), 128)
            code = border.text(content.get("code"), 64)
            self._waiting.withhold(border.matrix_id(found.get("sender")), session, code)
        elif isinstance(type_, str) and type_.startswith(VERIFICATION) and len(type_) < 64:
            sender = border.matrix_id(found.get("sender"))
            batch.steps.append(Step(sender, type_, border.mapping(found.get("content")), None, ""))

    # ---- rooms

    def left(self, batch: Batch, name: str) -> None:
        """We left, were removed, or an invitation was withdrawn: the room and its keys go."""
        try:
            room = border.room_id(name)
        except Malformed as error:
            set_aside(error)
            return
        self._held.pop(room, None)
        self._going.pop(room, None)
        chat = self._client.chats.drop(room)
        self._client.machine.room_keys.forget_room(room)
        self._client.sharing.drop(room)
        batch.done.update((each.event_id, None) for each in self._waiting.of_room(room))
        if chat is not None:
            for gone in chat.members.keys() - self._client.chats.people():
                self._client.machine.store.forget(gone)
        if room == self._client.chats.stewards:
            # Whoever administers the homeserver did that; the next start makes another.
            _log.error("the front desk is not in the steward room any more")
            batch.events.append(StewardRoom(EventId(f"left {room} {batch.token}"), room, ()))
        elif chat is not None and chat.told is not None and chat.link:
            self._tell_link(batch, chat, chat.told, False)
        elif chat is not None and chat.told is not None:
            cause = EventId(f"left {room} {batch.token}")
            batch.events.append(DirectChat(cause, room, chat.told, False))

    def joined(self, batch: Batch, name: str, section: object, since: str | None) -> None:
        """Take in one joined room's section; `since` is the token that the sync began at."""
        try:
            room = border.room_id(name)
        except Malformed as error:
            set_aside(error)
            return
        new = self._client.chats.get(room) is None
        chat = self._client.chats.enter(room)
        before, row = dict(chat.members), chat.to_row()
        batch.touched[room] = None
        timeline = border.items(section, "timeline", "events")
        limited = border.part(section, "timeline").get("limited") is True
        if limited and not new:
            chat.doubt()
        for event in [*border.items(section, "state", "events"), *timeline]:
            if isinstance(event, dict) and "state_key" in event:
                self._guard(chat.apply_state, event)
            elif isinstance(event, dict) and _is_word(event.get("type")):
                batch.timeline.append(Incoming(room, event))
        self._guard(chat.apply_summary, border.part(section, "summary"), self._client.user_id, new)
        earlier = border.following(border.part(section, "timeline"), "prev_batch")
        if limited and not new and since and earlier is not None:
            # An older gap that is still open begins further back: the new one includes it.
            chat.gap = (earlier, chat.gap[1] if chat.gap else since)
        if chat.members != before:
            self._client.sharing.drop(room)
            if room == self._client.chats.stewards:
                self._client.came(room)
            if set(before) - {self._client.user_id} and not chat.others(self._client.user_id):
                batch.emptied.add(room)
        if chat.to_row() != row:
            self._client.chats.changed.add(room)

    @staticmethod
    def _guard(call: Callable[..., object], *arguments: object) -> None:
        try:
            border.attempt(call, *arguments)
        except Malformed as error:
            set_aside(error)

    def invites(self, batch: Batch, sections: dict[str, Any], since: str | None) -> None:
        """Make events of invitations: of bounded number in a time, people of our own server first.

        What is too much at once is held, in memory, and comes with a later sync; a person's own beyond few
        is not. `since` is the token that the sync began at: the same again where it was not committed.
        """
        if since is None or since != self._since:
            self._going.clear()
        self._since = since
        found: list[Invited] = []
        for name, section in sections.items():
            try:
                found.append(border.attempt(self._invited, batch, name, section))
            except Malformed as error:
                set_aside(error)
        of_one: dict[MatrixId, int] = {}
        shared: dict[MatrixId, int] = {}
        for chat in self._client.chats.all() if found else ():
            for member in chat.members:
                shared[member] = shared.get(member, 0) + 1
        for invited in sorted(found, key=self._is_foreign)[:_MOST_INVITES]:
            of_one[invited.sender] = of_one.get(invited.sender, 0) + 1
            few = of_one[invited.sender] <= _MOST_INVITES_OF_ONE
            if few and shared.get(invited.sender, 0) < _MOST_CHATS_OF_ONE and invited.room not in self._going:
                self._hold(invited)
        batch.events += self._going.values()
        for invited in sorted(self._held.values(), key=self._is_foreign):
            levels = self._foreign if self._is_foreign(invited) else self._own
            if not levels.has_room():
                continue
            levels.count("")
            del self._held[invited.room]
            if not self._of_one.count(invited.sender).over:
                self._going[invited.room] = invited
                batch.events.append(invited)

    def _is_foreign(self, invited: Invited) -> bool:
        return invited.sender.partition(":")[2] != self._client.user_id.partition(":")[2]

    def _hold(self, invited: Invited) -> None:
        """Have an invitation wait for its turn; where too many wait, a stranger's of another server goes."""
        if len(self._held) >= _MOST_HELD:
            if self._is_foreign(invited):
                return
            foreign = [room for room, one in self._held.items() if self._is_foreign(one)]
            del self._held[foreign[-1] if foreign else next(reversed(self._held))]
        self._held[invited.room] = invited

    def _invited(self, batch: Batch, name: str, section: object) -> Invited:
        room = border.room_id(name)
        encrypted, direct, link, sender = False, False, False, None
        for event in border.items(section, "invite_state", "events"):
            type_ = border.mapping(event).get("type")
            if type_ == "m.room.encryption":
                encrypted = True
            elif type_ == "m.room.create":
                link = border.part(event, "content").get("type") == EVENT_TYPE
            elif type_ == "m.room.member" and event.get("state_key") == self._client.user_id:
                sender = border.matrix_id(event.get("sender"))
                direct = border.part(event, "content").get("is_direct") is True
        if sender is None or sender == self._client.user_id:
            raise Malformed("an invitation from nobody")
        return Invited(EventId(f"invite {room} {batch.token}"), room, sender, direct, encrypted, link)

    def company(self, batch: Batch, room: RoomId) -> None:
        """Say when a member came to be alone with us in `room` or left it, and when it is nobody's chat."""
        chat = self._client.chats.get(room)
        if chat is None:
            return
        if room == self._client.chats.stewards:
            self._stewards(batch, chat)
            return
        if chat.link:
            self._two_desks(batch, chat)
        elif chat.told is not None and not chat.members.get(chat.told, False) and chat.sure:
            self._tell(batch, chat, chat.told, False)
            chat.told = None
            self._client.chats.changed.add(room)
        alone = None if chat.link else self._client.chats.alone_with(room)
        if alone is not None and chat.told != alone and chat.encrypted and chat.algorithm_known:
            self._tell(batch, chat, alone, True)
            self._client.met(room)
            chat.told = alone
            self._client.chats.changed.add(room)
        others = chat.others(self._client.user_id)
        if chat.told is None and (others > 1 or (others == 0 and chat.sure and room in batch.emptied)):
            batch.events.append(NoChat(EventId(f"no chat {room} {chat.last}"), room))

    def _two_desks(self, batch: Batch, chat: Chat) -> None:
        """Say when another front desk came to be alone with ours, encrypted, or is so no more."""
        usable = chat.encrypted and chat.algorithm_known
        alone = self._client.chats.alone_with(chat.room) if usable else None
        if alone == chat.told or not chat.sure:
            return
        if chat.told is not None:
            self._tell_link(batch, chat, chat.told, False)
        if alone is not None:
            self._tell_link(batch, chat, alone, True)
        chat.told = alone
        self._client.chats.changed.add(chat.room)

    @staticmethod
    def _tell_link(batch: Batch, chat: Chat, desk: MatrixId, here: bool) -> None:
        cause = EventId(f"link {chat.room} {chat.last} {here}")
        batch.events.append(LinkRoom(cause, chat.room, desk, here))

    def _stewards(self, batch: Batch, chat: Chat) -> None:
        """Say who is in the steward room, where that is known; said twice it is taken in once."""
        if chat.sure:
            here = self._client.stewards_here()
            cause = EventId(f"stewards {chat.room} {chat.last} {' '.join(here)}")
            batch.events.append(StewardRoom(cause, chat.room, tuple(here)))

    @staticmethod
    def _tell(batch: Batch, chat: Chat, member: MatrixId, present: bool) -> None:
        cause = EventId(f"chat {chat.room} {chat.last} {present}")
        batch.events.append(DirectChat(cause, chat.room, member, present))

    # ---- words

    def senders(self, batch: Batch) -> set[MatrixId]:
        """Whose devices must be known before `batch` can be read."""
        found = {each.sender for each in self._waiting.all()}
        for incoming in batch.timeline:
            sender = incoming.event.get("sender")
            if isinstance(sender, str) and incoming.event.get("type") == "m.room.encrypted":
                try:
                    found.add(border.matrix_id(sender))
                except Malformed:
                    continue
        found.discard(self._client.user_id)
        return found

    def words(self, batch: Batch, now: datetime) -> None:
        """Read what waits and what is new, in that order."""
        room_keys = self._client.machine.room_keys
        for waiting in self._waiting.all():
            if waiting.event_id in batch.done:
                continue
            # Parsing and trying each at every sync would let strangers' unreadable ones slow down everybody.
            key = room_keys.get(waiting.sender, waiting.room, {"session_id": waiting.session})
            if key is not None and self._read(batch, waiting.room, waiting.event()):
                batch.done[waiting.event_id] = None
        for incoming in batch.timeline:
            try:
                border.attempt(self._word, batch, incoming, now)
            except Malformed as error:
                set_aside(error)
        self._give_up(batch, now)

    def _word(self, batch: Batch, incoming: Incoming, now: datetime) -> None:
        room, event = incoming.room, incoming.event
        event_id = border.event_id(event.get("event_id"))
        sender = border.matrix_id(event.get("sender"))
        chat = self._client.chats.get(room)
        if sender == self._client.user_id or chat is None:
            return
        content = border.part(event, "content")
        if event.get("type") != "m.room.encrypted":
            if chat.link:
                # Two programs have nothing to say to one another in clear.
                return
            if chat.encrypted and (step := messages.read_plain_step(event, room, sender)) is not None:
                # Some clients verify in clear even in an encrypted room; the verification trusts neither.
                if now - messages.sent_at(event) < _STEP_AGE:
                    batch.steps.append(step)
            elif not chat.encrypted and messages.is_said(event) and self._answers_plain(chat, event_id, now):
                batch.events.append(PlainMessage(event_id, room, sender))
            return
        if not content or self._read(batch, room, event):
            return
        if messages.sent_at(event) < self._client.machine.made_at - _BEFORE_US:
            # Nobody could write to this device before it was made.
            return
        session = content.get("session_id")
        small = {name: event.get(name) for name in ("type", "event_id", "sender", "origin_server_ts")}
        kept = {**small, "content": _bounded(content)}
        name = session if isinstance(session, str) and len(session) < 128 else ""
        batch.fresh.append(Unread.make(event_id, room, sender, name, kept, now))

    def _answers_plain(self, chat: Chat, event: EventId, now: datetime) -> bool:
        """Whether plain words are to be answered: of a room of two, and seldom; a batch may come again."""
        if chat.others(self._client.user_id) > 1:
            return False
        self._plain = {room: said for room, said in self._plain.items() if now - said[0] < _PLAIN_AGAIN}
        return self._plain.setdefault(chat.room, (now, event))[1] == event

    def _read(self, batch: Batch, room: RoomId, event: dict[str, Any]) -> bool:
        """Whether the encrypted event needs nothing more: it was read, or must not be."""
        try:
            return border.attempt(self._decrypt, batch, room, event)
        except Replayed as error:
            set_aside(error)
            return True
        except Malformed:
            return False

    def _decrypt(self, batch: Batch, room: RoomId, event: dict[str, Any]) -> bool:
        machine = self._client.machine
        event_id = border.event_id(event.get("event_id"))
        sender = border.matrix_id(event.get("sender"))
        outer = border.mapping(event.get("content"))
        plaintext = machine.room_keys.decrypt(sender, room, event_id, outer)
        if not self._vouched(machine, sender, room, outer):
            return False
        place = (plaintext.name, plaintext.index)
        if batch.indexes.setdefault(place, event_id) != event_id:
            raise Replayed("another event of this batch has this index")
        batch.handled.append((plaintext, event_id))
        payload = plaintext.payload
        if "state_key" in payload:
            set_aside(Malformed("an encrypted state event"))
            return True
        chat = self._client.chats.get(room)
        if chat is not None and chat.link:
            self._across(batch, chat, event_id, sender, payload)
            return True
        try:
            at = messages.sent_at(event)
            found = messages.read(
                payload.get("type"), payload.get("content"), outer, event_id, room, sender, at
            )
        except Malformed as error:
            set_aside(error)
            return True
        if isinstance(found, Message):
            if room == self._client.chats.stewards:
                batch.events.append(_to_steward(found))
            elif chat is not None and (chat.told == sender or chat.others(self._client.user_id) <= 1):
                batch.events.append(found)
        elif room == self._client.chats.stewards:
            # A verification is of two: a steward starts it in their own chat with the desk.
            return True
        elif isinstance(found, Step) and self._client.clock.now() - at < _STEP_AGE:
            batch.steps.append(found)
        return True

    @staticmethod
    def _across(batch: Batch, chat: Chat, event: EventId, sender: MatrixId, payload: dict[str, Any]) -> None:
        """Take in what is of the link's type and not too large; all else there is nothing."""
        if payload.get("type") != EVENT_TYPE:
            return
        try:
            content = json.dumps(payload.get("content"), separators=(",", ":"), allow_nan=False)
        except (ValueError, RecursionError):
            # A number that JSON does not have: nothing that a link says.
            return
        if len(content) <= _LARGEST_ACROSS:
            batch.events.append(FromLink(event, chat.room, sender, content))

    def _vouched(self, machine: Machine, sender: MatrixId, room: RoomId, outer: dict[str, Any]) -> bool:
        """Whether the room key came from a device of the sender's that counts."""
        key = machine.room_keys.get(sender, room, outer)
        person = machine.people.get(sender)
        if key is None or person is None or not person.known:
            return False
        if person.device(key.sender_key, key.ed25519) is not None:
            return True
        if len(self._asked) > _MOST_ASKED:
            self._asked.clear()
        if (sender, key.session_id) not in self._asked:
            # Once for each session: a device newer than our list is asked for without waiting for news.
            self._asked.add((sender, key.session_id))
            self._client.directory.expect_news(sender)
        return False

    def _give_up(self, batch: Batch, now: datetime) -> None:
        """One request to send again for each room where something waited long enough."""
        rooms: dict[RoomId, Unread] = {}
        for each in self._waiting.due(now):
            if each.event_id not in batch.done:
                rooms[each.room] = each
                batch.done[each.event_id] = None
        for each in [each for each in batch.fresh if self._waiting.hopeless(each)]:
            rooms[each.room] = each
            batch.fresh.remove(each)
        for last in rooms.values():
            chat = self._client.chats.get(last.room)
            if chat is not None and chat.link:
                # The other desk is a program, which nobody can ask to write again.
                _log.warning("an event of a link cannot be read")
            elif last.room == self._client.chats.stewards:
                batch.events.append(
                    StewardMessage(last.event_id, last.room, last.sender, "", now, kind="unreadable")
                )
            else:
                batch.events.append(Unreadable(last.event_id, last.room, last.sender))


def _to_steward(found: Message) -> StewardMessage:
    return StewardMessage(
        event_id=found.event_id,
        room=found.room,
        sender=found.sender,
        body=found.body,
        sent_at=found.sent_at,
        kind=found.kind,
        edits=found.edits,
        quotes=found.quotes,
    )


def _bounded(content: dict[str, Any]) -> dict[str, Any]:
    """The fields of an encrypted event's content that reading it needs."""
    names = ("algorithm", "ciphertext", "session_id", "m.relates_to")
    return {name: content[name] for name in names if name in content}


def _is_word(type_: object) -> bool:
    return type_ in _WORDS or (isinstance(type_, str) and type_.startswith(VERIFICATION))
