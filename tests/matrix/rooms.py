"""A homeserver's rooms in memory, as the keeper meets them; each request can be lost, going or coming back.

It answers what a Synapse answers (statuses and codes seen there), knows one account, and does no encryption.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote

from schema.errors import HomeserverRefused, Throttled, Unreachable

KEEPER = "@keeper:home.test"

Fault = Literal["lost", "unanswered", "throttled"]
"""lost: the request never arrives. unanswered: it is carried out and its answer lost. throttled: 429."""


@dataclass
class Room:
    """One room: state by type, memberships by user, and what people sent."""

    id: str
    made_at: int
    state: dict[str, dict[str, Any]]
    members: dict[str, str]
    events: list[dict[str, Any]] = field(default_factory=list)
    forgotten: bool = False


class Rooms:
    """Stands for `Transport`: `request` takes what the keeper asks; `faults` name requests, from 1."""

    def __init__(self, faults: dict[int, Fault] | None = None) -> None:
        self.token: str | None = "token"
        self.faults = faults or {}
        self.count = 0
        self.calls: list[str] = []
        self.rooms: dict[str, Room] = {}
        self.devices: dict[str, Any] = {}
        self.blocking: set[str] = set()
        self.unknown: set[str] = set()
        self.refuses_first = False
        self.purged: list[str] = []
        self.purge_status = ["complete"]
        self.seen_transactions: set[str] = set()
        self.interrupt_creation = False
        self.before: Callable[[str], None] = lambda call: None

    async def request(
        self, call: str, method: str, path: str, *, query: Any = None, body: Any = None, timeout: float = 30
    ) -> dict[str, Any]:
        """Answer one request as a homeserver does."""
        self.count += 1
        self.calls.append(call)
        self.before(call)
        fault = self.faults.get(self.count)
        if fault == "lost":
            raise Unreachable(call)
        if fault == "throttled":
            raise Throttled(2.0)
        try:
            answer = self._answer(call, method, [unquote(part) for part in path.split("/")[4:]], query, body)
        except HomeserverRefused:
            if fault == "unanswered":
                raise Unreachable(call) from None
            raise
        if fault == "unanswered":
            raise Unreachable(call)
        answered: dict[str, Any] = json.loads(json.dumps(answer))
        return answered

    def joined(self) -> list[str]:
        """The rooms that the keeper is in."""
        return [room.id for room in self.rooms.values() if room.members.get(KEEPER) == "join"]

    def write(self, room: str, *contents: Any, kind: str = "m.room.encrypted") -> None:
        """Have a member send events."""
        for content in contents:
            number = len(self.rooms[room].events)
            event = {
                "event_id": f"${room}{number}",
                "type": kind,
                "content": content,
                "sender": "@a:home.test",
            }
            self.rooms[room].events.append(event)

    def _answer(self, call: str, method: str, parts: list[str], query: Any, body: Any) -> dict[str, Any]:
        match parts:
            case ["keys", "query"]:
                return {"device_keys": {KEEPER: self.devices}}
            case ["joined_rooms"]:
                return {"joined_rooms": self.joined()}
            case ["createRoom"]:
                return self._create(body)
            case ["rooms", "delete_status", _]:
                return {"status": self._status()}
            case ["rooms", room, "delete_status"]:
                return {"results": [{"status": "failed"}, {"status": self._status()}]}
            case ["rooms", room] if method == "DELETE":
                return self._purge(room)
            case ["rooms", room, *rest] if room in self.rooms:
                return self._in_room(self.rooms[room], method, rest, query, body)
        raise HomeserverRefused(404, "M_NOT_FOUND", call)

    def _status(self) -> str:
        return self.purge_status.pop(0) if len(self.purge_status) > 1 else self.purge_status[0]

    def _create(self, body: Any) -> dict[str, Any]:
        if self.refuses_first and self.blocking & set(body["invite"]):
            raise HomeserverRefused(403, "M_INVITE_BLOCKED", "create room")
        number = len(self.rooms) + 1
        state = {
            "m.room.create": body["creation_content"],
            "m.room.power_levels": {"events": {"m.room.name": 50}},
        }
        state |= (
            {} if self.interrupt_creation else {one["type"]: one["content"] for one in body["initial_state"]}
        )
        room = Room(f"!room{number}", 1000 + number, state, {KEEPER: "join"})
        self.rooms[room.id] = room
        if self.interrupt_creation:
            raise Unreachable("create room")
        for user in body["invite"]:
            self._invite(room, user)
        return {"room_id": room.id}

    def _purge(self, room: str) -> dict[str, Any]:
        if room in self.purged:
            raise HomeserverRefused(400, "M_UNKNOWN", "purge")
        self.purged.append(room)
        return {"delete_id": "order"}

    def _in_room(self, room: Room, method: str, rest: list[str], query: Any, body: Any) -> dict[str, Any]:
        inside = room.members.get(KEEPER) == "join"
        match rest:
            case ["leave"]:
                room.members[KEEPER] = "leave"
                return {}
            case ["forget"]:
                room.forgotten = True
                return {}
        if not inside:
            raise HomeserverRefused(403, "M_FORBIDDEN", "not in the room")
        match rest:
            case ["state", kind, ""] if method == "GET":
                if kind not in room.state:
                    raise HomeserverRefused(404, "M_NOT_FOUND", kind)
                content = room.state[kind]
                if query == {"format": "event"}:
                    return {"content": content, "origin_server_ts": room.made_at}
                return content
            case ["state", kind, ""]:
                room.state[kind] = body
                return {}
            case ["members"]:
                return {
                    "chunk": [
                        {
                            "type": "m.room.member",
                            "state_key": user,
                            "event_id": f"${room.id}{user}",
                            "content": {"membership": membership},
                        }
                        for user, membership in room.members.items()
                    ]
                }
            case ["invite"]:
                return self._invite(room, body["user_id"])
            case ["kick"]:
                if room.members.get(body["user_id"]) not in ("join", "invite"):
                    raise HomeserverRefused(403, "M_FORBIDDEN", "kick")
                room.members[body["user_id"]] = "leave"
                return {}
            case ["messages"]:
                return self._messages(room, query)
            case ["redact", event_id, transaction]:
                if transaction not in self.seen_transactions:
                    self.seen_transactions.add(transaction)
                    event = next(one for one in room.events if one["event_id"] == event_id)
                    event |= {"content": {}, "unsigned": {"redacted_because": {}}}
                return {"event_id": "$redaction"}
        raise HomeserverRefused(404, "M_NOT_FOUND", "room")

    def _invite(self, room: Room, user: str) -> dict[str, Any]:
        if user in self.blocking:
            raise HomeserverRefused(403, "M_INVITE_BLOCKED", "invite")
        if user in self.unknown:
            raise HomeserverRefused(404, "M_NOT_FOUND", "invite")
        if room.members.get(user) == "join":
            raise HomeserverRefused(403, "M_FORBIDDEN", "invite")
        room.members[user] = "invite"
        return {}

    def _messages(self, room: Room, query: Any) -> dict[str, Any]:
        page = 3
        end = int(query.get("from", len(room.events)))
        start = max(0, end - page)
        answer: dict[str, Any] = {"chunk": room.events[start:end][::-1]}
        if start > 0:
            answer["end"] = str(start)
        return answer
