"""A homeserver in memory: the leaf under our real client, with faults to order.

It keeps accounts, keys, rooms and to-device queues, and answers what the front desk asks, as the
client-server API has it. It trusts everybody, so that a test can have it say anything.
"""

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote

from schema.errors import HomeserverRefused, Unreachable
from schema.ids import MatrixId, RoomId
from service.matrix.transport import Transport

JSON = dict[str, Any]
Fault = Callable[[str, Any], Awaitable[JSON | None]]
"""Given the path and the body of a request: raises, gives another answer, or None to have it answered."""


class Room:
    """A room's timeline, in order; each event has the stream position at which it came."""

    def __init__(self, room: RoomId) -> None:
        self.room = room
        self.timeline: list[tuple[int, JSON]] = []
        self.names_counts = True

    def state(self, until: int | None = None) -> dict[tuple[str, str], JSON]:
        """The state after all events before position `until`."""
        found = {}
        for position, event in self.timeline:
            if "state_key" in event and (until is None or position < until):
                found[event["type"], event["state_key"]] = event
        return found

    def membership(self, user: str, until: int | None = None) -> str:
        """`join`, `invite` or `leave`."""
        event = self.state(until).get(("m.room.member", user))
        return str(event["content"]["membership"]) if event else "leave"

    def members(self, membership: str) -> list[str]:
        """Who has that membership now."""
        return [
            key
            for (type_, key), event in self.state().items()
            if type_ == "m.room.member" and event["content"]["membership"] == membership
        ]


class Homeserver:
    """All accounts and rooms; `transport(user, device)` gives one account's way to it."""

    def __init__(self) -> None:
        self.position = 1
        self.rooms: dict[RoomId, Room] = {}
        self.devices: dict[str, dict[str, JSON]] = {}
        self.one_time_keys: dict[tuple[str, str], dict[str, JSON]] = {}
        self.fallback_keys: dict[tuple[str, str], JSON] = {}
        self.cross_signing: dict[str, dict[str, JSON]] = {}
        self.changed: list[tuple[int, str]] = []
        self.to_device: dict[tuple[str, str], list[tuple[int, JSON]]] = {}
        self.transactions: dict[tuple[str, str], str] = {}
        self.faults: dict[str, list[Fault]] = {}
        self.calls: list[tuple[str, str, Any]] = []
        self.keys_ever: set[tuple[str, str, str]] = set()
        self.protected: set[str] = set()
        """Members whose messages nobody else may redact."""
        self.timeline_limit = 20
        self.extra: JSON = {}
        self.media: dict[str, bytes] = {}
        self._events = 0

    def transport(self, user: MatrixId, device: str) -> "FakeTransport":
        """Requests of `user` on `device`."""
        return FakeTransport(self, user, device)

    def fail(self, call: str, fault: Fault, times: int = 1) -> None:
        """The next `times` requests named `call` meet `fault`."""
        self.faults.setdefault(call, []).extend([fault] * times)

    def called(self, call: str) -> list[Any]:
        """The bodies of all requests named `call`."""
        return [body for name, _, body in self.calls if name == call]

    # ---- rooms

    def create_room(self, name: str, *, encrypted: bool = True) -> RoomId:
        """A room with nobody in it."""
        room = RoomId(name)
        self.rooms[room] = Room(room)
        if encrypted:
            self.encrypt(room)
        return room

    def encrypt(self, room: RoomId) -> None:
        """Switch encryption on."""
        content = {"algorithm": "m.megolm.v1.aes-sha2"}
        self.state(room, "@creator:home.test", "m.room.encryption", "", content)

    def member(
        self, room: RoomId, user: str, membership: str, sender: str | None = None, **more: Any
    ) -> JSON:
        """Change somebody's membership."""
        return self.state(room, sender or user, "m.room.member", user, {"membership": membership, **more})

    def state(self, room: RoomId, sender: str, type_: str, key: str, content: JSON) -> JSON:
        """Put a state event into the room."""
        return self.put(room, {"type": type_, "state_key": key, "sender": sender, "content": content})

    def send(self, room: RoomId, sender: str, type_: str, content: JSON) -> JSON:
        """Put a message event into the room."""
        return self.put(room, {"type": type_, "sender": sender, "content": content})

    def put(self, room: RoomId, event: JSON) -> JSON:
        """Put any event into the room."""
        self._events += 1
        self.position += 1
        event.setdefault("event_id", f"$event{self._events}")
        event.setdefault("origin_server_ts", 4_000_000_000_000 + self._events)
        self.rooms[room].timeline.append((self.position, event))
        return event

    def redact(self, room: RoomId, event_id: str, user: str, transaction: str) -> str:
        """Take an event's content away, once for a transaction id."""
        if (room, transaction) not in self.transactions:
            found = next(each for _, each in self.rooms[room].timeline if each["event_id"] == event_id)
            if found["sender"] in self.protected - {user}:
                raise HomeserverRefused(403, "M_FORBIDDEN", "redact")
            made = self.send(room, user, "m.room.redaction", {"redacts": event_id})
            found["content"], found["unsigned"] = {}, {"redacted_because": made}
            self.transactions[room, transaction] = made["event_id"]
        return self.transactions[room, transaction]

    # ---- keys and to-device

    def publish(self, user: str, device_keys: JSON) -> None:
        """Make a device's keys known, and say that they changed."""
        self.devices.setdefault(user, {})[device_keys["device_id"]] = device_keys
        self.news(user)

    def news(self, user: str) -> None:
        """Say that somebody's devices changed."""
        self.position += 1
        self.changed.append((self.position, user))

    def deliver(self, user: str, device: str, event: JSON) -> None:
        """Queue a to-device event."""
        self.position += 1
        self.to_device.setdefault((user, device), []).append((self.position, event))

    def claim(self, user: str, device: str) -> JSON:
        """Take a one-time key, or the fallback key, of a device."""
        keys = self.one_time_keys.get((user, device))
        if keys:
            name = next(iter(keys))
            return {name: keys.pop(name)}
        found = self.fallback_keys.get((user, device))
        if found:
            found["used"] = True
            return {found["name"]: found["key"]}
        return {}


class FakeTransport(Transport):
    """One account's requests, answered by a `Homeserver` in memory."""

    def __init__(self, server: Homeserver, user: MatrixId, device: str) -> None:
        self._server = server
        self._user = user
        self._device = device
        self.token = "token"

    async def request(
        self,
        call: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        timeout: float = 30.0,
        token: str | None = None,
    ) -> JSON:
        """Answer from memory, unless a fault was ordered for `call`."""
        body = json.loads(json.dumps(body))
        self._server.calls.append((call, path, body))
        await asyncio.sleep(0)
        faults = self._server.faults.get(call)
        if faults:
            async with asyncio.timeout(timeout):
                answer = await faults.pop(0)(path, body)
            if answer is not None:
                return answer
        parts = [unquote(part) for part in path.split("/")[4:]]
        return copy.deepcopy(self._answer(call, parts, dict(query or {}), body))

    async def upload(self, data: bytes, *, timeout: float = 60.0) -> JSON:
        """Keep the bytes, unless a fault was ordered for "upload"."""
        self._server.calls.append(("upload", "", None))
        await asyncio.sleep(0)
        faults = self._server.faults.get("upload")
        if faults and (answer := await faults.pop(0)("", None)) is not None:
            return answer
        address = f"mxc://home.test/{len(self._server.media)}"
        self._server.media[address] = data
        return {"content_uri": address}

    def _answer(self, call: str, parts: list[str], query: dict[str, str], body: Any) -> JSON:
        server = self._server
        match parts:
            case ["sync"]:
                return self._sync(query)
            case ["keys", "upload"]:
                return self._upload(body)
            case ["keys", "query"]:
                return self._query(body)
            case ["keys", "claim"]:
                return {
                    "one_time_keys": {
                        user: {device: server.claim(user, device) for device in devices}
                        for user, devices in body["one_time_keys"].items()
                    }
                }
            case ["sendToDevice", type_, _]:
                for user, devices in body["messages"].items():
                    for device, content in devices.items():
                        server.deliver(
                            user, device, {"type": type_, "sender": self._user, "content": content}
                        )
                return {}
            case ["rooms", room, *_] if room not in server.rooms:
                raise HomeserverRefused(403, "M_FORBIDDEN", call)
            case ["rooms", room, "send", type_, transaction]:
                known = server.transactions.get((room, transaction))
                if known is None:
                    event = server.send(RoomId(room), self._user, type_, body)
                    known = server.transactions[room, transaction] = event["event_id"]
                return {"event_id": known}
            case ["rooms", room, "redact", event_id, transaction]:
                return {"event_id": server.redact(RoomId(room), event_id, self._user, transaction)}
            case ["rooms", room, "members"] if room not in server.rooms:
                raise HomeserverRefused(403, "M_FORBIDDEN", call)
            case ["rooms", room, "members"]:
                events = server.rooms[RoomId(room)].state().values()
                return {"chunk": [event for event in events if event["type"] == "m.room.member"]}
            case ["rooms", room, "messages"]:
                return self._messages(server.rooms[RoomId(room)], query)
            case ["rooms", room, "state", "m.room.member", user] if body is not None:
                event = server.state(RoomId(room), self._user, "m.room.member", user, body)
                return {"event_id": event["event_id"]}
            case ["rooms", room, "state", type_, *key]:
                found = server.rooms[RoomId(room)].state().get((type_, "".join(key)))
                if found is None:
                    raise HomeserverRefused(404, "M_NOT_FOUND", call)
                return dict(found["content"])
            case ["join", room]:
                server.member(RoomId(room), self._user, "join")
                return {"room_id": room}
            case ["rooms", room, "leave"]:
                server.member(RoomId(room), self._user, "leave")
                return {}
            case ["rooms", room, "invite"]:
                server.member(RoomId(room), body["user_id"], "invite", self._user)
                return {}
            case ["rooms", room, "kick"]:
                server.member(RoomId(room), body["user_id"], "leave", self._user)
                return {}
            case ["rooms", _, "forget"]:
                return {}
            case ["createRoom"]:
                return self._create(body)
            case ["joined_rooms"]:
                inside = [
                    name for name, room in server.rooms.items() if room.membership(self._user) == "join"
                ]
                return {"joined_rooms": inside}
        raise Unreachable(f"{call}: the fake knows no such path")

    def _create(self, body: Any) -> JSON:
        server = self._server
        room = server.create_room(f"!made{len(server.rooms)}", encrypted=False)
        server.state(room, self._user, "m.room.create", "", body["creation_content"])
        server.member(room, self._user, "join")
        for each in body["initial_state"]:
            server.state(room, self._user, each["type"], each["state_key"], each["content"])
        return {"room_id": room}

    def _upload(self, body: Any) -> JSON:
        server, place = self._server, (self._user, self._device)
        if "device_keys" in body:
            server.publish(self._user, body["device_keys"])
        keys = server.one_time_keys.setdefault(place, {})
        for name, key in body.get("one_time_keys", {}).items():
            if (*place, name) in server.keys_ever and keys.get(name) != key:
                raise HomeserverRefused(400, "M_UNKNOWN", "keys upload")
        for name, key in body.get("one_time_keys", {}).items():
            server.keys_ever.add((*place, name))
            keys[name] = key
        for name, key in body.get("fallback_keys", {}).items():
            server.fallback_keys[place] = {"name": name, "key": key, "used": False}
        return {"one_time_key_counts": {"signed_curve25519": len(keys)}}

    def _query(self, body: Any) -> JSON:
        server = self._server
        users = body["device_keys"]
        answer: JSON = {"device_keys": {user: server.devices.get(user, {}) for user in users}}
        for kind in ("master_keys", "self_signing_keys"):
            answer[kind] = {
                user: server.cross_signing[user][kind] for user in users if user in server.cross_signing
            }
        return answer

    def _messages(self, room: Room, query: dict[str, str]) -> JSON:
        start, end = int(query["from"]) if "from" in query else self._server.position, int(query.get("to", 0))
        wanted = json.loads(query["filter"])
        found = [
            (at, each)
            for at, each in room.timeline
            if end < at <= start
            and each["type"] in wanted["types"]
            and each["sender"] in wanted.get("senders", [each["sender"]])
        ]
        found.reverse()
        page = found[: int(query["limit"])]
        answer: JSON = {"chunk": [each for _, each in page], "start": query.get("from", "")}
        if len(found) > len(page):
            answer["end"] = str(page[-1][0] - 1)
        return answer

    def _sync(self, query: dict[str, str]) -> JSON:
        server = self._server
        # A token is never given twice, so that an answer without news is still another answer.
        server.position += 1
        since = int(query.get("since", 0))
        queue = server.to_device.get((self._user, self._device), [])
        queue[:] = [each for each in queue if each[0] > since]
        place = (self._user, self._device)
        fallback = server.fallback_keys.get(place)
        unused = ["signed_curve25519"] if fallback and not fallback["used"] else []
        answer: JSON = {
            "next_batch": str(server.position),
            "to_device": {"events": [event for _, event in queue]},
            "device_lists": {"changed": [user for at, user in server.changed if at > since], "left": []},
            "device_one_time_keys_count": {"signed_curve25519": len(server.one_time_keys.get(place, {}))},
            "device_unused_fallback_key_types": unused,
            "rooms": {"join": {}, "invite": {}, "leave": {}},
        }
        for name, room in server.rooms.items():
            fresh = [(at, event) for at, event in room.timeline if at > since]
            now = room.membership(self._user)
            if not fresh:
                continue
            if now == "join":
                was = since > 0 and room.membership(self._user, since + 1) == "join"
                answer["rooms"]["join"][name] = self._joined(room, since if was else 0)
            elif now == "invite":
                state = [
                    {key: event[key] for key in ("type", "state_key", "sender", "content")}
                    for event in room.state().values()
                ]
                answer["rooms"]["invite"][name] = {"invite_state": {"events": state}}
            elif room.membership(self._user, since + 1) in ("join", "invite"):
                answer["rooms"]["leave"][name] = {}
        answer.update(copy.deepcopy(server.extra))
        return answer

    def _joined(self, room: Room, since: int) -> JSON:
        fresh = [(at, event) for at, event in room.timeline if at > since]
        shown = fresh[-self._server.timeline_limit :]
        first = shown[0][0] if shown else self._server.position + 1
        senders = {event["sender"] for _, event in shown} | {self._user}
        state = [
            event
            for (type_, key), event in room.state(first).items()
            if any(event is each for _, each in fresh) and (type_ != "m.room.member" or key in senders)
        ]
        section: JSON = {
            "state": {"events": state},
            "timeline": {
                "events": [event for _, event in shown],
                "limited": len(shown) < len(fresh),
                "prev_batch": str(first - 1),
            },
        }
        if room.names_counts:
            joined, invited = room.members("join"), room.members("invite")
            section["summary"] = {
                "m.joined_member_count": len(joined),
                "m.invited_member_count": len(invited),
                "m.heroes": [user for user in joined + invited if user != self._user][:5],
            }
        return section
