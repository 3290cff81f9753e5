"""Encrypted messages that can't be read yet: kept, tried again, and given up after a while.

Guards: none is lost in silence; each is tried when its key or its device comes, across restarts too, and
then the room gets one plain request to send again, not one for each message.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from schema.ids import EventId, MatrixId, RoomId
from service.matrix.messages import sent_at
from service.matrix.transport import JSON

_MOST_OF_A_ROOM = 50
_MOST = 5000
_MOST_WAITING = 2000
"""In all; each takes a look at every sync."""


@dataclass(slots=True)
class Unread:
    """One event that waits; `session` is the id of the session whose key it waits for."""

    event_id: EventId
    room: RoomId
    sender: MatrixId
    session: str
    row: bytes
    since: datetime

    @classmethod
    def make(
        cls, event_id: EventId, room: RoomId, sender: MatrixId, session: str, event: JSON, since: datetime
    ) -> "Unread":
        """Keep what reading `event` will need. Raises what an event that is no JSON raises."""
        row = json.dumps([event_id, room, sender, session, event]).encode()
        return cls(event_id, room, sender, session, row, since)

    @classmethod
    def from_row(cls, row: bytes, since: datetime) -> "Unread":
        """One that the database has."""
        event_id, room, sender, session, _ = json.loads(row)
        return cls(event_id, room, sender, session, row, since)

    def event(self) -> JSON:
        """The event; it waits as bytes, which take less memory."""
        found: JSON = json.loads(self.row)[4]
        return found


class Waiting:
    """All that waits, in memory, beside the sealed rows in table `unread`."""

    def __init__(self, patience: timedelta, name: Callable[[EventId], str]) -> None:
        self._patience = patience
        self._name = name
        self._events: dict[EventId, Unread] = {}
        self.withheld: dict[tuple[MatrixId, str], str] = {}
        """By sender and session id: the code with which a key was withheld."""

    def restore(self, events: list[Unread]) -> None:
        """Begin with what the database has, in the order in which it was sent."""
        events = sorted(events, key=lambda each: (each.since, sent_at(each.event())))
        self._events = {each.event_id: each for each in events}

    def add(self, event: Unread) -> bool:
        """Keep one more; False where it waits already."""
        if event.event_id in self._events:
            return False
        self._events[event.event_id] = event
        return True

    def all(self) -> list[Unread]:
        """What waits, the oldest first."""
        return list(self._events.values())

    def name(self, event: EventId) -> str:
        """The id of its row."""
        return self._name(event)

    def withhold(self, sender: MatrixId, session: str, code: str) -> None:
        """The sender's device said that it won't give this key (`m.room_key.withheld`)."""
        self.withheld[sender, session] = code
        while len(self.withheld) > _MOST:
            self.withheld.pop(next(iter(self.withheld)))

    def hopeless(self, event: Unread) -> bool:
        """Whether its key will not come: withheld for another reason than a missing Olm session."""
        return self.withheld.get((event.sender, event.session), "m.no_olm") != "m.no_olm"

    def due(self, now: datetime) -> list[Unread]:
        """What has waited long enough, what is hopeless, and the oldest where there are too many."""
        found = []
        of_room: dict[RoomId, int] = {}
        for number, each in enumerate(reversed(self._events.values()), 1):
            of_room[each.room] = of_room.get(each.room, 0) + 1
            late = now - each.since >= self._patience
            many = number > _MOST_WAITING or of_room[each.room] > _MOST_OF_A_ROOM
            if late or self.hopeless(each) or many:
                found.append(each)
        found.reverse()
        return found

    def next_due(self) -> datetime | None:
        """When the next one has waited long enough."""
        return min((each.since + self._patience for each in self._events.values()), default=None)

    def drop(self, events: Iterable[EventId]) -> None:
        """These were read, or given up."""
        for event in events:
            self._events.pop(event, None)

    def of_room(self, room: RoomId) -> list[Unread]:
        """What waits in one room."""
        return [each for each in self._events.values() if each.room == room]
