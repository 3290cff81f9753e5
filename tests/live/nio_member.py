"""A member on a bare matrix-nio, driven over standard input and output.

Rules guarded here:
- It is cross-signed before anyone can see a message of its device.
- It shows what a client shows: a message from a device that its owner has not signed bears a shield.
- Standard output carries one JSON object a line and nothing else.
- It ends when standard input ends, and keeps its store in a directory that goes with it.

The protocol is that of tests/interop/member.mjs, and tests/live/member.py speaks the other side. nio sends
keys to every device of every member, signed or not; the cross-signing that it lacks is here.
"""

import asyncio
import base64
import contextlib
import json
import logging
import secrets
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import aiohttp
import nio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from nio.client.async_client import AsyncClient, AsyncClientConfig

Json: TypeAlias = dict[str, Any]
_PATIENCE = 120.0
_LOG = logging.getLogger(__name__)


class Fault(Exception):
    """A command could not be carried out; `status` and `errcode` are the homeserver's, if it refused."""

    def __init__(self, message: str, status: int | None = None, errcode: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.errcode = errcode


def put(line: Json) -> None:
    """Write one line to whoever drives this member."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


# ---- cross-signing, as the specification's chapters of that name and on signing JSON have it


def unpadded(data: bytes) -> str:
    """Encode in base64 without padding, as every key and signature in Matrix is."""
    return base64.b64encode(data).decode().rstrip("=")


def canonical(value: Json) -> bytes:
    """Return canonical JSON without what is not signed."""
    signed = {key: part for key, part in value.items() if key not in ("signatures", "unsigned")}
    return json.dumps(signed, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


class CrossSigning:
    """The three cross-signing keys of one member, made anew."""

    def __init__(self, user_id: str) -> None:
        self._user_id = user_id
        self._master = Ed25519PrivateKey.generate()
        self._self_signing = Ed25519PrivateKey.generate()
        self._user_signing = Ed25519PrivateKey.generate()

    def upload(self) -> Json:
        """Return the body for /keys/device_signing/upload."""
        return {
            "master_key": self._key(self._master, "master"),
            "self_signing_key": self._sign(self._key(self._self_signing, "self_signing"), self._master),
            "user_signing_key": self._sign(self._key(self._user_signing, "user_signing"), self._master),
        }

    def sign_device(self, device_keys: Json) -> Json:
        """Return the device's keys signed by the self-signing key alone, for /keys/signatures/upload."""
        device = {key: part for key, part in device_keys.items() if key not in ("signatures", "unsigned")}
        return self._sign(device, self._self_signing)

    def _key(self, private: Ed25519PrivateKey, usage: str) -> Json:
        public = unpadded(private.public_key().public_bytes_raw())
        return {"user_id": self._user_id, "usage": [usage], "keys": {f"ed25519:{public}": public}}

    def _sign(self, value: Json, private: Ed25519PrivateKey) -> Json:
        public = unpadded(private.public_key().public_bytes_raw())
        signature = unpadded(private.sign(canonical(value)))
        return {**value, "signatures": {self._user_id: {f"ed25519:{public}": signature}}}


def _signed_by(value: Json, user_id: str, public: str) -> bool:
    signature = value.get("signatures", {}).get(user_id, {}).get(f"ed25519:{public}")
    if not isinstance(signature, str):
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public + "=" * (-len(public) % 4)))
        key.verify(base64.b64decode(signature + "=" * (-len(signature) % 4)), canonical(value))
    except (InvalidSignature, ValueError):
        return False
    return True


def signed_devices(answer: Json, user_id: str) -> dict[str, bool]:
    """Say of each device in a /keys/query answer, by its Curve25519 key, whether its owner signed it."""
    devices = answer.get("device_keys", {}).get(user_id, {})
    master = answer.get("master_keys", {}).get(user_id)
    self_signing = answer.get("self_signing_keys", {}).get(user_id)
    public = ""
    if master and self_signing:
        root = next(iter(master["keys"].values()))
        if _signed_by(self_signing, user_id, root):
            public = next(iter(self_signing["keys"].values()))
    return {
        device["keys"][f"curve25519:{device_id}"]: bool(public) and _signed_by(device, user_id, public)
        for device_id, device in devices.items()
    }


async def request(
    client: AsyncClient, session: aiohttp.ClientSession, method: str, path: str, body: Json | None = None
) -> Json:
    """Send one request of the client-server API as a logged-in client. Raises Fault."""
    async with session.request(
        method,
        f"{client.homeserver}/_matrix/client/v3{path}",
        json=body,
        headers={"Authorization": f"Bearer {client.access_token}"},
    ) as response:
        answer: Json = await response.json()
        if response.status != 200:
            raise Fault(str(answer.get("error")), response.status, answer.get("errcode"))
        return answer


async def sign_own_device(client: AsyncClient, session: aiohttp.ClientSession) -> None:
    """Make the account's cross-signing identity and sign the client's device, whose keys are uploaded."""
    me, device = client.user_id, client.device_id
    signing = CrossSigning(me)
    await request(client, session, "POST", "/keys/device_signing/upload", signing.upload())
    answer = await request(client, session, "POST", "/keys/query", {"device_keys": {me: [device]}})
    signed = signing.sign_device(answer["device_keys"][me][device])
    outcome = await request(client, session, "POST", "/keys/signatures/upload", {me: {device: signed}})
    if outcome.get("failures"):
        raise Fault(f"the device's signature was refused: {outcome['failures']}")


# ---- the member


class NioMember:
    """One logged-in client and what it has seen."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._client: AsyncClient | None = None
        self._session: aiohttp.ClientSession | None = None
        self._loop_task: asyncio.Task[None] | None = None
        self._synced = asyncio.Condition()
        self._keys = asyncio.Lock()
        self._waiting: dict[str, nio.MegolmEvent] = {}
        self._known: dict[str, Json] = {}
        self._joined: set[str] = set()
        self._invited: set[str] = set()
        self._left: set[str] = set()

    @property
    def client(self) -> AsyncClient:
        """The client, once logged in."""
        if self._client is None:
            raise Fault("log in first")
        return self._client

    async def raw(self, method: str, path: str, body: Json | None = None) -> Json:
        """Send one request of the client-server API that nio lacks. Raises Fault."""
        assert self._session is not None
        return await request(self.client, self._session, method, path, body)

    async def login(
        self, url: str, user: str, password: str, device_id: str | None = None, signed: bool = True
    ) -> Json:
        """Log in, publish the device, sign it unless told otherwise, and return after the first sync."""
        self._session = aiohttp.ClientSession()
        self._client = AsyncClient(
            url,
            user,
            device_id=device_id or "",
            store_path=str(self._directory),
            config=AsyncClientConfig(encryption_enabled=True, pickle_key=secrets.token_hex(16)),
        )
        _checked(await self._client.login(password))
        if self._client.should_upload_keys:
            _checked(await self._client.keys_upload())
        if signed:
            await sign_own_device(self._client, self._session)
        await self._sync(full_state=True, timeout=0)
        self._loop_task = asyncio.create_task(self._sync_for_ever())
        return {"user_id": self._client.user_id, "device_id": self._client.device_id}

    async def close(self) -> None:
        """Stop the client."""
        if self._loop_task is not None:
            self._loop_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop_task
        if self._client is not None:
            await self._client.close()
        if self._session is not None:
            await self._session.close()

    # ---- syncing

    async def _sync_for_ever(self) -> None:
        while True:
            try:
                await self._sync(full_state=False, timeout=30_000)
            except (Fault, aiohttp.ClientError, TimeoutError) as fault:
                _LOG.warning("the sync failed: %r", fault)
                await asyncio.sleep(0.5)

    async def _sync(self, *, full_state: bool, timeout: int) -> None:
        response = _checked(await self.client.sync(timeout=timeout, full_state=full_state))
        try:
            await self._upkeep()
        except (Fault, aiohttp.ClientError, TimeoutError) as fault:
            # It is done after the next sync; what came with this one would not come again.
            _LOG.warning("the keys wait: %r", fault)
        # nio drops what it does not know of an invitation's state, encryption among it.
        whole = await response.transport_response.json()
        for room, invitation in whole.get("rooms", {}).get("invite", {}).items():
            self._report_invite(room, invitation["invite_state"]["events"])
        for room, joined in response.rooms.join.items():
            if room not in self._joined:
                self._joined.add(room)
                put({"event": "own_membership", "room": room, "membership": "join"})
            for event in joined.state:
                self._report_state(room, event.source)
            for event in joined.timeline.events:
                await self._report(room, event)
        for room, left in response.rooms.leave.items():
            for event in [*left.state, *left.timeline.events]:
                await self._report(room, event)
            self._joined.discard(room)
            self._invited.discard(room)
            self._left.add(room)
            put({"event": "own_membership", "room": room, "membership": "leave"})
        await self._read_again()
        async with self._synced:
            self._synced.notify_all()

    async def _upkeep(self) -> None:
        async with self._keys:
            if self.client.should_upload_keys:
                _checked(await self.client.keys_upload())
            if self.client.should_query_keys:
                await self.client.keys_query()
            if self.client.should_claim_keys:
                await self.client.keys_claim(self.client.get_users_for_key_claiming())
            await self.client.send_to_device_messages()

    async def _until(self, look: Callable[[], bool], what: str) -> None:
        async with self._synced:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self._synced.wait_for(look)
            except TimeoutError:
                raise Fault(f"{what} did not come") from None

    # ---- what it sees

    def _report_invite(self, room: str, sources: list[Json]) -> None:
        own = next(
            (
                one
                for one in sources
                if one["type"] == "m.room.member" and one.get("state_key") == self.client.user_id
            ),
            None,
        )
        if own is None or room in self._invited:
            return
        self._invited.add(room)
        put(
            {
                "event": "invite",
                "room": room,
                "sender": own["sender"],
                "direct": own["content"].get("is_direct") is True,
                "encrypted": any(one["type"] == "m.room.encryption" for one in sources),
            }
        )

    def _report_state(self, room: str, source: Json) -> None:
        shared = {"room": room, "event_id": source.get("event_id"), "sender": source["sender"]}
        content = source.get("content", {})
        if source["type"] == "m.room.member":
            put(
                {
                    "event": "membership",
                    **shared,
                    "user": source["state_key"],
                    "membership": content.get("membership"),
                }
            )
        else:
            put(
                {
                    "event": "state",
                    **shared,
                    "type": source["type"],
                    "state_key": source["state_key"],
                    "content": content,
                }
            )

    async def _report(self, room: str, event: Any) -> None:
        source: Json = event.source
        if "state_key" in source and not event.decrypted:
            self._report_state(room, source)
            return
        if source["type"] == "m.room.redaction":
            redacts = source.get("redacts") or source["content"].get("redacts")
            put({"event": "redaction", "room": room, "sender": source["sender"], "redacts": redacts})
            return
        if "redacted_because" in source.get("unsigned", {}):
            return
        kind, content = source["type"], source.get("content", {})
        if kind.startswith("m.key.verification.") or content.get("msgtype") == "m.key.verification.request":
            return
        message = await self._describe(room, event)
        if isinstance(event, nio.MegolmEvent):
            self._waiting[event.event_id] = event
        self._known[event.event_id] = message
        if source["sender"] == self.client.user_id:
            return
        if kind == "m.reaction":
            relation = message["relation"] or {}
            put({"event": "reaction", **message, "key": relation.get("key")})
        else:
            put({"event": "message", **message})

    async def _describe(self, room: str, event: Any) -> Json:
        source: Json = event.source
        content = source.get("content", {})
        unreadable = isinstance(event, nio.MegolmEvent)
        shield = None
        if event.decrypted and source["sender"] != self.client.user_id:
            shield = await self._shield(source["sender"], event.sender_key)
        return {
            "room": room,
            "event_id": event.event_id,
            "sender": event.sender,
            "type": source["type"],
            "msgtype": None if unreadable else content.get("msgtype"),
            "body": None if unreadable else content.get("body"),
            "formatted_body": None if unreadable else content.get("formatted_body"),
            "encrypted": event.decrypted or unreadable,
            "shield": shield,
            "failure": "NO_SESSION" if unreadable else None,
            "relation": content.get("m.relates_to"),
            "timestamp": event.server_timestamp,
        }

    async def _shield(self, user: str, sender_key: str) -> Json | None:
        answer: Json | None = None
        while answer is None:
            try:
                answer = await self.raw("POST", "/keys/query", {"device_keys": {user: []}})
            except (Fault, aiohttp.ClientError, TimeoutError) as fault:
                # The homeserver may have gone right after the sync, whose events do not come again.
                _LOG.warning("a device is not known yet: %r", fault)
                await asyncio.sleep(0.5)
        signed = signed_devices(answer, user).get(sender_key)
        if signed is None:
            return {"color": "red", "reason": "UNKNOWN_DEVICE"}
        return None if signed else {"color": "red", "reason": "UNSIGNED_DEVICE"}

    async def _read_again(self) -> None:
        for event_id, event in list(self._waiting.items()):
            with contextlib.suppress(nio.EncryptionError):
                decrypted = self.client.decrypt_event(event)
                del self._waiting[event_id]
                await self._report(str(event.room_id), decrypted)

    # ---- what it does

    def _room(self, room: str) -> nio.MatrixRoom:
        found: nio.MatrixRoom | None = self.client.rooms.get(room)
        if found is None:
            raise Fault(f"{room} is not a room of this member's")
        return found

    async def create_dm(
        self, user: str, preset: str = "trusted_private_chat", encrypted: bool = True
    ) -> Json:
        """Make a direct message as Element does."""
        encryption = {
            "type": "m.room.encryption",
            "state_key": "",
            "content": {"algorithm": "m.megolm.v1.aes-sha2"},
        }
        answer = await self.raw(
            "POST",
            "/createRoom",
            {
                "preset": preset,
                "is_direct": True,
                "invite": [user],
                "initial_state": [encryption] if encrypted else [],
            },
        )
        room = str(answer["room_id"])
        await self._until(lambda: room in self._joined, f"the sync that shows {room}")
        return {"room": room}

    async def join(self, room: str, via: list[str] | None = None) -> Json:
        """Join, and return when the sync shows it."""
        query = "".join(f"{'&' if index else '?'}via={quote(one)}" for index, one in enumerate(via or []))
        await self.raw("POST", f"/join/{quote(room)}{query}", {})
        await self._until(lambda: room in self._joined, f"the sync that shows us in {room}")
        return {"room": room}

    async def leave(self, room: str) -> Json:
        """Leave a room or refuse an invitation."""
        await self.raw("POST", f"/rooms/{quote(room)}/leave", {})
        return {}

    async def forget(self, room: str) -> Json:
        """Forget a room that was left."""
        await self.raw("POST", f"/rooms/{quote(room)}/forget", {})
        self.client.rooms.pop(room, None)
        self._left.discard(room)
        return {}

    async def invite(self, room: str, user: str) -> Json:
        """Invite somebody."""
        await self.raw("POST", f"/rooms/{quote(room)}/invite", {"user_id": user})
        return {}

    async def send(
        self,
        room: str,
        body: str,
        msgtype: str = "m.text",
        reply_to: str | None = None,
        thread: str | None = None,
    ) -> Json:
        """Send an encrypted message; a room that is not encrypted is refused."""
        content: Json = {"msgtype": msgtype, "body": body}
        relation: Json = {"rel_type": "m.thread", "event_id": thread} if thread else {}
        if reply_to:
            relation["m.in_reply_to"] = {"event_id": reply_to}
        if relation:
            content["m.relates_to"] = relation
        return await self.send_event(room, "m.room.message", content)

    async def send_event(self, room: str, type: str, content: Json, encrypt: bool = True) -> Json:
        """Send any event, encrypted unless told otherwise."""
        if not encrypt:
            path = f"/rooms/{quote(room)}/send/{quote(type)}/{secrets.token_hex(8)}"
            answer = await self.raw("PUT", path, content)
            return {"event_id": answer["event_id"]}
        if room not in self._joined or not self._room(room).encrypted:
            raise Fault(f"{room} is not an encrypted room that we are in")
        # The devices of everyone in the room must be known first, or those unknown get no key.
        async with self._keys:
            if not self._room(room).members_synced:
                _checked(await self.client.joined_members(room))
            while self.client.should_query_keys:
                _checked(await self.client.keys_query())
        response = _checked(
            await self.client.room_send(room, type, content, ignore_unverified_devices=True),
        )
        return {"event_id": response.event_id}

    async def send_plain(self, room: str, body: str, msgtype: str = "m.text") -> Json:
        """Send a message in clear, whatever the room is."""
        return await self.send_event(
            room, "m.room.message", {"msgtype": msgtype, "body": body}, encrypt=False
        )

    async def edit(self, room: str, event_id: str, body: str) -> Json:
        """Replace a message of one's own."""
        return await self.send_event(
            room,
            "m.room.message",
            {
                "msgtype": "m.text",
                "body": f"* {body}",
                "m.new_content": {"msgtype": "m.text", "body": body},
                "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
            },
        )

    async def react(self, room: str, event_id: str, key: str) -> Json:
        """React, which is never encrypted."""
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        return await self.send_event(room, "m.reaction", {"m.relates_to": relation}, encrypt=False)

    async def redact(self, room: str, event_id: str) -> Json:
        """Redact an event."""
        path = f"/rooms/{quote(room)}/redact/{quote(event_id)}/{secrets.token_hex(8)}"
        return {"event_id": (await self.raw("PUT", path, {}))["event_id"]}

    async def messages(self, room: str) -> Json:
        """Return the messages of a room that this client has seen."""
        return {"messages": [message for message in self._known.values() if message["room"] == room]}

    async def rooms(self) -> Json:
        """Return the rooms that this client knows, with its membership."""
        kinds = [(self._left, "leave"), (self._invited, "invite"), (self._joined, "join")]
        return {"rooms": {room: membership for rooms, membership in kinds for room in rooms}}

    async def members(self, room: str) -> Json:
        """Return the members as the homeserver lists them."""
        answer = await self.raw("GET", f"/rooms/{quote(room)}/members")
        return {"members": {one["state_key"]: one["content"].get("membership") for one in answer["chunk"]}}

    async def room_state(self, room: str) -> Json:
        """Return the room's state as the homeserver lists it."""
        assert self._session is not None
        async with self._session.get(
            f"{self.client.homeserver}/_matrix/client/v3/rooms/{quote(room)}/state",
            headers={"Authorization": f"Bearer {self.client.access_token}"},
        ) as response:
            answer = await response.json()
            if response.status != 200:
                raise Fault(str(answer.get("error")), response.status, answer.get("errcode"))
        keys = ("type", "state_key", "sender", "content")
        return {"state": [{key: one[key] for key in keys} for one in answer]}

    async def devices(self, user: str) -> Json:
        """Return a user's devices, and which of them their owner signed."""
        answer = await self.raw("POST", "/keys/query", {"device_keys": {user: []}})
        signed = signed_devices(answer, user)
        devices = answer.get("device_keys", {}).get(user, {})
        return {
            "devices": [
                {"device_id": device_id, "signed": signed[keys["keys"][f"curve25519:{device_id}"]]}
                for device_id, keys in devices.items()
            ],
            "verified": False,
        }

    async def logout(self) -> Json:
        """Log out, which removes the device."""
        if self._loop_task is not None:
            self._loop_task.cancel()
        await self.raw("POST", "/logout", {})
        return {}


def _checked(response: Any) -> Any:
    if isinstance(response, nio.ErrorResponse):
        # nio declares its own transport's answer here, where its asynchronous client keeps aiohttp's.
        status = getattr(response.transport_response, "status", None)
        raise Fault(str(response.message), status, response.status_code)
    return response


_COMMANDS = (
    "create_dm",
    "devices",
    "edit",
    "forget",
    "invite",
    "join",
    "leave",
    "login",
    "logout",
    "members",
    "messages",
    "react",
    "redact",
    "room_state",
    "rooms",
    "send",
    "send_event",
    "send_plain",
)


async def _obey(member: NioMember, line: Json) -> None:
    number, name = line.pop("id"), line.pop("do")
    try:
        if name not in _COMMANDS:
            raise Fault(f"no command of this client is called {name}")
        command: Callable[..., Awaitable[Json]] = getattr(member, name)
        put({"reply": number, "result": await command(**line)})
    except Fault as fault:
        error = {"message": str(fault), "status": fault.status, "errcode": fault.errcode}
        put({"reply": number, "error": error})
    except Exception as error:  # noqa: BLE001 (whoever drives this must hear of any fault)
        _LOG.exception("the command %s failed", name)
        put({"reply": number, "error": {"message": repr(error), "status": None, "errcode": None}})


async def _run() -> None:
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    reader = asyncio.StreamReader(limit=32 * 1024 * 1024)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    put({"event": "started", "sdk": "matrix-nio"})
    with tempfile.TemporaryDirectory(prefix="alongside-nio-") as directory:
        member = NioMember(Path(directory))
        running: set[asyncio.Task[None]] = set()
        try:
            while raw := await reader.readline():
                line = json.loads(raw)
                if line["do"] == "quit":
                    put({"reply": line["id"], "result": {}})
                    break
                task = asyncio.create_task(_obey(member, line))
                running.add(task)
                task.add_done_callback(running.discard)
        finally:
            for task in running:
                task.cancel()
            await member.close()


def main() -> None:
    """Be a member until standard input ends."""
    asyncio.run(_run())


if __name__ == "__main__":
    main()
