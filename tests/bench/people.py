"""Many members with real encryption in one process, cheap enough that what they talk to is the bottleneck.

Rules guarded here:
- Each has an account, a device, an Olm account, and Megolm sessions of its own: what they say can be read
  only with the keys that they shared, and what they hear is decrypted.
- They trust whatever device the other has: this is a load, and no client that anybody should use.
- One request at a time for each of them.
"""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import vodozemac

from tests.live.homeserver import Homeserver

OLM = "m.olm.v1.curve25519-aes-sha2"
MEGOLM = "m.megolm.v1.aes-sha2"

T = TypeVar("T")

_AT_ONCE = 4
_NONE = {"not_types": ["*"]}
_KEYS = 8
"""One-time keys for each of them: one for each program that they will talk to, and some to spare."""


def canonical(value: dict[str, Any]) -> bytes:
    """Canonical JSON (spec, appendix "Canonical JSON") of `value`."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


@dataclass(frozen=True)
class Heard:
    """One message: `at` is when it came, on the monotonic clock; `body` None where its key is not there."""

    room: str
    sender: str
    body: str | None
    at: float


class Refused(Exception):
    """The homeserver answered with an error."""


@dataclass
class Person:
    """One member. `heard` has what others wrote, `invited` and `joined` which rooms they saw."""

    crowd: "Crowd"
    user_id: str
    token: str
    device_id: str
    account: vodozemac.Account = field(default_factory=vodozemac.Account)
    since: str | None = None
    heard: list[Heard] = field(default_factory=list)
    invited: dict[str, float] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    _outbound: dict[str, vodozemac.GroupSession] = field(default_factory=dict)
    _inbound: dict[str, vodozemac.InboundGroupSession] = field(default_factory=dict)
    _olm: dict[str, list[vodozemac.Session]] = field(default_factory=dict)
    _filter: str = ""

    # ---- requests

    async def request(
        self, method: str, path: str, body: dict[str, Any] | None = None, params: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """One request of the client-server API as this member, `path` below `/_matrix/client/v3`."""
        return await self.crowd.request(method, f"/_matrix/client/v3{path}", body, params, self.token)

    async def publish(self) -> None:
        """Upload the device's keys and some one-time keys."""
        keys: dict[str, Any] = {
            "user_id": self.user_id,
            "device_id": self.device_id,
            "algorithms": [OLM, MEGOLM],
            "keys": {
                f"curve25519:{self.device_id}": self.account.curve25519_key.to_base64(),
                f"ed25519:{self.device_id}": self.account.ed25519_key.to_base64(),
            },
        }
        self.account.generate_one_time_keys(_KEYS)
        one_time = {
            f"signed_curve25519:{name}": self._signed({"key": key.to_base64()})
            for name, key in self.account.one_time_keys.items()
        }
        await self.request(
            "POST", "/keys/upload", {"device_keys": self._signed(keys), "one_time_keys": one_time}
        )
        self.account.mark_keys_as_published()

    def _signed(self, value: dict[str, Any]) -> dict[str, Any]:
        signature = self.account.sign(canonical(value)).to_base64()
        return {**value, "signatures": {self.user_id: {f"ed25519:{self.device_id}": signature}}}

    # ---- rooms

    async def open_chat(self, other: str, *, encrypted: bool = True) -> str:
        """Make a direct chat, invite `other`, and give the room's id."""
        encryption = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": MEGOLM}}
        answer = await self.request(
            "POST",
            "/createRoom",
            {
                "preset": "private_chat",
                "is_direct": True,
                "invite": [other],
                "initial_state": [encryption] if encrypted else [],
            },
        )
        return str(answer["room_id"])

    async def join(self, room: str) -> None:
        """Join a room that one was invited to."""
        await self.request("POST", f"/join/{quote(room)}", {})

    async def leave(self, room: str) -> None:
        """Leave a room and forget it."""
        await self.request("POST", f"/rooms/{quote(room)}/leave", {})
        await self.request("POST", f"/rooms/{quote(room)}/forget", {})

    # ---- speaking

    async def share(self, room: str, other: str) -> None:
        """Make a new session for `room` and send its key to every device of `other`."""
        answer = await self.request("POST", "/keys/query", {"device_keys": {other: []}})
        devices = answer["device_keys"].get(other, {})
        wanted = dict.fromkeys(devices, "signed_curve25519")
        claimed = await self.request("POST", "/keys/claim", {"one_time_keys": {other: wanted}})
        session = vodozemac.GroupSession()
        messages = {}
        for name, keys in claimed["one_time_keys"].get(other, {}).items():
            curve = devices[name]["keys"][f"curve25519:{name}"]
            key = next(iter(keys.values()))["key"]
            olm = self.account.create_outbound_session(
                vodozemac.Curve25519PublicKey.from_base64(curve),
                vodozemac.Curve25519PublicKey.from_base64(key),
            )
            self._olm.setdefault(curve, []).append(olm)
            ed25519 = devices[name]["keys"][f"ed25519:{name}"]
            messages[name] = self._to_device(olm, curve, other, ed25519, room, session)
        if not messages:
            raise Refused(f"{other} has no device that keys can be sent to")
        path = f"/sendToDevice/m.room.encrypted/{secrets.token_hex(8)}"
        await self.request("PUT", path, {"messages": {other: messages}})
        self._outbound[room] = session

    def _to_device(
        self,
        olm: vodozemac.Session,
        curve: str,
        other: str,
        ed25519: str,
        room: str,
        session: vodozemac.GroupSession,
    ) -> dict[str, Any]:
        plaintext = {
            "type": "m.room_key",
            "content": {
                "algorithm": MEGOLM,
                "room_id": room,
                "session_id": session.session_id,
                "session_key": session.session_key.to_base64(),
            },
            "sender": self.user_id,
            "sender_device": self.device_id,
            "recipient": other,
            "recipient_keys": {"ed25519": ed25519},
            "keys": {"ed25519": self.account.ed25519_key.to_base64()},
        }
        kind, ciphertext = olm.encrypt(canonical(plaintext)).to_parts()
        body = base64.b64encode(ciphertext).decode().rstrip("=")
        return {
            "algorithm": OLM,
            "sender_key": self.account.curve25519_key.to_base64(),
            "ciphertext": {curve: {"type": kind, "body": body}},
        }

    async def say(self, room: str, body: str) -> None:
        """Write in `room`: encrypted where a key was shared for it, plain elsewhere."""
        content: dict[str, Any] = {"msgtype": "m.text", "body": body}
        kind = "m.room.message"
        session = self._outbound.get(room)
        if session is not None:
            inner = canonical({"type": kind, "content": content, "room_id": room})
            content = {
                "algorithm": MEGOLM,
                "ciphertext": session.encrypt(inner).to_base64(),
                "session_id": session.session_id,
                "sender_key": self.account.curve25519_key.to_base64(),
                "device_id": self.device_id,
            }
            kind = "m.room.encrypted"
        await self.request("PUT", f"/rooms/{quote(room)}/send/{kind}/{secrets.token_hex(8)}", content)

    # ---- hearing

    async def until(self, look: Callable[[], T | None], seconds: float = 60.0) -> T:
        """Sync until `look` gives something; TimeoutError after `seconds`."""
        deadline = time.monotonic() + seconds
        while (found := look()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{self.user_id} waited in vain; heard {self.heard[-3:]}")
            await self.sync(min(left, 10.0))
        return found

    async def answer(self, room: str, count: int, seconds: float = 60.0) -> Heard:
        """Wait until `count` messages of others were heard in `room`, and give the newest of these."""

        def look() -> Heard | None:
            found = [each for each in self.heard if each.room == room]
            return found[count - 1] if len(found) >= count else None

        return await self.until(look, seconds)

    def count(self, room: str) -> int:
        """How many messages of others were heard in `room`."""
        return sum(each.room == room for each in self.heard)

    async def sync(self, seconds: float = 0.0) -> None:
        """One sync that waits for at most `seconds`; own events are not asked for."""
        if not self._filter:
            # Kept on the homeserver, as clients do: a query of its length costs more than its id.
            answer = await self.request("POST", f"/user/{quote(self.user_id)}/filter", self._what())
            self._filter = str(answer["filter_id"])
        params = {"filter": self._filter, "timeout": str(round(seconds * 1000))}
        if self.since is not None:
            params["since"] = self.since
        answer = await self.request("GET", "/sync", params=params)
        at = time.monotonic()
        self.since = str(answer["next_batch"])
        for event in answer.get("to_device", {}).get("events", ()):
            self._take_key(event)
        rooms = answer.get("rooms", {})
        for room in rooms.get("invite", {}):
            self.invited.setdefault(room, at)
        for room, section in rooms.get("join", {}).items():
            for event in section["timeline"]["events"]:
                self._take(room, event, at)

    def _what(self) -> dict[str, Any]:
        timeline = {
            "types": ["m.room.encrypted", "m.room.message", "m.room.member"],
            "not_senders": [self.user_id],
            "limit": 20,
            "lazy_load_members": True,
        }
        room = {"timeline": timeline, "state": _NONE, "ephemeral": _NONE, "account_data": _NONE}
        return {"room": room, "presence": _NONE, "account_data": _NONE}

    def _take(self, room: str, event: dict[str, Any], at: float) -> None:
        if event["type"] == "m.room.member":
            if event["content"].get("membership") == "join":
                self.members.setdefault(room, set()).add(event["state_key"])
            return
        content = event["content"]
        body: str | None = content.get("body")
        if event["type"] == "m.room.encrypted":
            session = self._inbound.get(content["session_id"])
            body = None
            if session is not None:
                message = vodozemac.MegolmMessage.from_base64(content["ciphertext"])
                body = json.loads(session.decrypt(message).plaintext)["content"]["body"]
        self.heard.append(Heard(room, event["sender"], body, at))

    def _take_key(self, event: dict[str, Any]) -> None:
        content = event["content"]
        if event["type"] != "m.room.encrypted":
            return
        mine = content["ciphertext"].get(self.account.curve25519_key.to_base64())
        if mine is None:
            return
        message = vodozemac.AnyOlmMessage.from_parts(mine["type"], _base64(mine["body"]))
        sessions = self._olm.setdefault(content["sender_key"], [])
        plaintext = self._open(sessions, message, content["sender_key"])
        inner = json.loads(plaintext)
        if inner["type"] == "m.room_key":
            key = inner["content"]
            session = vodozemac.InboundGroupSession(vodozemac.SessionKey(key["session_key"]))
            self._inbound[key["session_id"]] = session

    def _open(
        self, sessions: list[vodozemac.Session], message: vodozemac.AnyOlmMessage, sender_key: str
    ) -> bytes:
        first = message.to_pre_key()
        for session in sessions:
            if first is None or session.session_matches(first):
                try:
                    return bytes(session.decrypt(message))
                except ValueError:
                    continue
        if first is None:
            raise Refused("an Olm message of a session that is not known")
        theirs = vodozemac.Curve25519PublicKey.from_base64(sender_key)
        session, plaintext = self.account.create_inbound_session(theirs, first)
        sessions.append(session)
        return bytes(plaintext)


def _base64(value: str) -> bytes:
    return base64.b64decode(value + "=" * (-len(value) % 4))


class Crowd:
    """Members of one homeserver. Use it in `async with`."""

    def __init__(self, homeserver: Homeserver) -> None:
        self.homeserver = homeserver
        self.people: list[Person] = []
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Crowd":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=120),
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        params: dict[str, str] | None = None,
        token: str | None = None,
    ) -> dict[str, Any]:
        """One request; Refused for any answer but 200."""
        assert self._session is not None
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with self._session.request(
            method, self.homeserver.url + path, json=body, params=params, headers=headers
        ) as response:
            raw = await response.read()
            if response.status != 200:
                raise Refused(f"{method} {path}: {response.status} {raw[:200].decode(errors='replace')}")
            answer: dict[str, Any] = json.loads(raw)
            return answer

    async def grow(self, count: int) -> Sequence[Person]:
        """`count` more members, each with published keys."""
        new = await each_of(range(count), lambda _: self._one())
        self.people += new
        return new

    async def _one(self) -> Person:
        token, user_id, device_id = await account(self.homeserver)
        person = Person(self, user_id, token, device_id)
        await person.publish()
        await person.sync()
        return person


async def account(homeserver: Homeserver, name: str = "member") -> tuple[str, str, str]:
    """Register an account with a device; its token, user id and device id."""
    localpart, password = f"{name}-{secrets.token_hex(6)}", secrets.token_hex(8)
    user_id = await homeserver.register(localpart, password)
    login = await homeserver.login(user_id, password)
    return login.access_token, user_id, login.device_id


async def each_of(
    items: Iterable[Any], work: Callable[[Any], Awaitable[T]], at_once: int = _AT_ONCE
) -> list[T]:
    """Do `work` for each of `items`, some at a time; the results in the items' order."""
    limit = asyncio.Semaphore(at_once)

    async def one(item: Any) -> T:
        async with limit:
            return await work(item)

    return await asyncio.gather(*(one(item) for item in items))
