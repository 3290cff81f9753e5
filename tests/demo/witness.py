"""What the homeserver has of a conversation, read from its own database and its administrator's interface.

Rules guarded here:
- Nothing is said that was not read there: no type, size, sender or count is worked out elsewhere.
- The database is opened for reading only.
"""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests.live.homeserver import Homeserver, Refused


@dataclass(frozen=True)
class Sight:
    """One event as the homeserver keeps it; `size` is that of its JSON, in bytes."""

    event_id: str
    room: str
    type: str
    sender: str
    size: int
    state_key: str | None
    membership: str
    body: str


def read(database: Path, query: str, *values: str) -> list[tuple[object, ...]]:
    """Read rows from an SQLite database that another process may be writing."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(query, values).fetchall()
    finally:
        connection.close()


def tables(database: Path) -> list[str]:
    """The names of a database's tables."""
    found = read(database, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [str(name) for (name,) in found]


class Witness:
    """Looks at what `homeserver` keeps. Rooms are called by a letter, in the order in which they came.

    `rooms` are the letters by room id, which witnesses can share.
    """

    def __init__(self, homeserver: Homeserver, rooms: dict[str, str]) -> None:
        self._homeserver = homeserver
        self.rooms = rooms
        self._told: set[str] = set()

    def letter(self, room: str) -> str:
        """What the room is called here."""
        return self.rooms.setdefault(room, chr(ord("A") + len(self.rooms)))

    def message(self, event_id: str) -> list[Sight]:
        """What the homeserver has of one event, which now counts as told."""
        found = self._sights("e.event_id = ?", event_id)
        self._told.update(sight.event_id for sight in found)
        return found

    def has(self, event_id: str) -> bool:
        """Whether the homeserver has the event."""
        database = self._homeserver.database
        return bool(read(database, "SELECT 1 FROM events WHERE event_id = ?", event_id))

    def changes(self, room: str) -> list[Sight]:
        """The room's state events and redactions that were not told yet, which now count as told."""
        found = [
            sight
            for sight in self._sights("e.room_id = ?", room)
            if sight.state_key is not None or sight.type == "m.room.redaction"
        ]
        self._told.update(sight.event_id for sight in found)
        return found

    def lines(self, sights: Sequence[Sight]) -> list[str]:
        """One line for each who comes or goes; other events of one sender in a row share one."""
        lines: list[str] = []
        for sender, run in groupby(sights, key=lambda sight: sight.sender):
            others: list[Sight] = []
            for sight in run:
                if sight.type == "m.room.member":
                    lines += [*self._together(sender, others), self._line(sight)]
                    others = []
                else:
                    others.append(sight)
            lines += self._together(sender, others)
        return lines

    def _together(self, sender: str, sights: Sequence[Sight]) -> list[str]:
        if not sights:
            return []
        kinds = Counter(sight.type for sight in sights)
        named = [f"{count} {kind}" if count > 1 else kind for kind, count in kinds.items()]
        size = sum(sight.size for sight in sights)
        return [
            f"{self.letter(sights[0].room)} {local(sender)} {', '.join(named)} {size:,}\N{NO-BREAK SPACE}B"
        ]

    def bodies(self, room: str) -> str:
        """All that the homeserver has of the room's events, as JSON."""
        rows = read(self._homeserver.database, "SELECT json FROM event_json WHERE room_id = ?", room)
        return "\n".join(str(body) for (body,) in rows)

    def _sights(self, where: str, value: str) -> list[Sight]:
        rows = read(
            self._homeserver.database,
            "SELECT e.event_id, e.room_id, e.type, e.sender, e.state_key, j.json"
            " FROM events e JOIN event_json j ON j.event_id = e.event_id"
            f" WHERE {where} ORDER BY e.stream_ordering",
            value,
        )
        found = []
        for event_id, room, type, sender, state_key, body in rows:
            if str(event_id) in self._told:
                continue
            content = json.loads(str(body)).get("content", {})
            sight = Sight(
                event_id=str(event_id),
                room=str(room),
                type=str(type),
                sender=str(sender),
                size=len(str(body).encode()),
                state_key=None if state_key is None else str(state_key),
                membership=str(content.get("membership", "")),
                body=str(body),
            )
            found.append(sight)
        return found

    def _line(self, sight: Sight) -> str:
        who = local(sight.sender)
        if sight.type == "m.room.member":
            whom = "" if sight.state_key == sight.sender else f" {local(sight.state_key or '')}"
            return f"{self.letter(sight.room)} {who} {sight.membership}{whom}"
        return f"{self.letter(sight.room)} {who} {sight.type} {sight.size:,}\N{NO-BREAK SPACE}B"

    def made_by(self, user: str) -> list[str]:
        """The rooms that the user made."""
        rows = read(self._homeserver.database, "SELECT room_id FROM rooms WHERE creator = ?", user)
        return [str(room) for (room,) in rows]

    def memberships(self, room: str) -> Mapping[str, str]:
        """Who is in the room, by the homeserver's current state."""
        rows = read(
            self._homeserver.database,
            "SELECT state_key, membership FROM current_state_events"
            " WHERE room_id = ? AND type = 'm.room.member'",
            room,
        )
        return {str(user): str(membership) for user, membership in rows}

    def devices_with_keys(self, user: str) -> int:
        """How many devices of the user have encryption keys, so that something could be sent to them.

        Of somebody of another homeserver, how many it knows of.
        """
        database = self._homeserver.database
        ours = read(database, "SELECT key_json FROM e2e_device_keys_json WHERE user_id = ?", user)
        theirs = read(database, "SELECT content FROM device_lists_remote_cache WHERE user_id = ?", user)
        return len(ours) + sum("keys" in json.loads(str(content)) for (content,) in theirs)

    async def knows(self, room: str) -> bool:
        """Whether the administrator's interface still finds the room."""
        try:
            await self._homeserver.call(
                "GET", f"/_synapse/admin/v1/rooms/{room}", token=await self._homeserver.admin_token()
            )
        except Refused as refused:
            if refused.status == 404:
                return False
            raise
        return True

    def naming(self, text: str) -> dict[str, int]:
        """How many rows of each table hold `text` in any column."""
        database = self._homeserver.database
        found: dict[str, int] = {}
        for table in tables(database):
            columns = [f'"{row[1]}"' for row in read(database, f'PRAGMA table_info("{table}")')]
            where = " OR ".join(f"instr({column}, ?)" for column in columns)
            wanted = [text] * len(columns)
            ((count,),) = read(database, f'SELECT count(*) FROM "{table}" WHERE {where}', *wanted)
            if isinstance(count, int) and count:
                found[table] = count
        return found

    async def removal(self, room: str, people: Set[str]) -> list[Sight]:
        """Gather what the homeserver has of a room's end, until these are out, or it has nothing any more."""
        seen: list[Sight] = []
        while not people <= {sight.state_key for sight in seen if sight.membership == "leave"}:
            there = self.memberships(room)
            seen += self.changes(room)
            if not there:
                break
            await asyncio.sleep(0.1)
        return seen


def local(user: str) -> str:
    """The part of a Matrix ID before the colon, with its @."""
    return user.partition(":")[0]
