"""A member with real keys: speaks Olm and Megolm on vodozemac, over the homeserver in memory.

It is not our machine turned round: what it sends and expects is written from the specification.
"""

import base64
import json
from typing import Any

import vodozemac

from schema.ids import MatrixId, RoomId
from tests.matrix.homeserver import Homeserver

JSON = dict[str, Any]


def canonical(value: JSON) -> bytes:
    """Canonical JSON without what is never signed."""
    bare = {key: each for key, each in value.items() if key not in ("signatures", "unsigned")}
    return json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class CrossSigning:
    """A member's cross-signing keys; `vodozemac.Account` serves as an Ed25519 key pair."""

    def __init__(self, user: str) -> None:
        self.user = user
        self._master = vodozemac.Account()
        self._signing = vodozemac.Account()
        self.master = self._master.ed25519_key.to_base64()
        self.signing = self._signing.ed25519_key.to_base64()

    def keys(self, vouching: "Peer | None" = None) -> dict[str, JSON]:
        """The key objects as the homeserver gives them; `vouching` signs the master key with its device."""
        master = self._key("master", self.master)
        if vouching is not None:
            master = vouching.sign(master)
        signing = self._key("self_signing", self.signing)
        signature = self._master.sign(canonical(signing)).to_base64()
        signing["signatures"] = {self.user: {f"ed25519:{self.master}": signature}}
        return {"master_keys": master, "self_signing_keys": signing}

    def _key(self, usage: str, public: str) -> JSON:
        return {"user_id": self.user, "usage": [usage], "keys": {f"ed25519:{public}": public}}

    def sign(self, device_keys: JSON) -> JSON:
        """The device keys, signed by the self-signing key as well."""
        signed: JSON = json.loads(json.dumps(device_keys))
        signature = self._signing.sign(canonical(signed)).to_base64()
        signed["signatures"].setdefault(self.user, {})[f"ed25519:{self.signing}"] = signature
        return signed


class Peer:
    """One device of one member."""

    def __init__(self, server: Homeserver, user: str, device: str = "PEER", *, publish: bool = True) -> None:
        self.server = server
        self.user = MatrixId(user)
        self.device = device
        self.account: Any = vodozemac.Account()
        self.curve25519 = self.account.curve25519_key.to_base64()
        self.ed25519 = self.account.ed25519_key.to_base64()
        self.sessions: dict[str, vodozemac.Session] = {}
        self.outbound: dict[RoomId, vodozemac.GroupSession] = {}
        self.inbound: dict[tuple[str, str], vodozemac.InboundGroupSession] = {}
        self.room_keys: list[JSON] = []
        self.seen: list[JSON] = []
        if publish:
            self.publish()

    # ---- keys

    def device_keys(self) -> JSON:
        """The signed device key object."""
        return self.sign(
            {
                "user_id": self.user,
                "device_id": self.device,
                "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
                "keys": {
                    f"curve25519:{self.device}": self.curve25519,
                    f"ed25519:{self.device}": self.ed25519,
                },
            }
        )

    def sign(self, value: JSON) -> JSON:
        """`value` signed by the device."""
        signature = self.account.sign(canonical(value)).to_base64()
        signatures = {user: dict(each) for user, each in value.get("signatures", {}).items()}
        signatures.setdefault(self.user, {})[f"ed25519:{self.device}"] = signature
        return {**value, "signatures": signatures}

    def publish(self, one_time_keys: int = 5) -> None:
        """Upload device keys and one-time keys."""
        self.server.publish(self.user, self.device_keys())
        self.add_one_time_keys(one_time_keys)

    def add_one_time_keys(self, count: int) -> None:
        """Upload more one-time keys."""
        self.account.generate_one_time_keys(count)
        place = self.server.one_time_keys.setdefault((self.user, self.device), {})
        for name, public in self.account.one_time_keys.items():
            place[f"signed_curve25519:{name}"] = self.sign({"key": public.to_base64()})
        self.account.mark_keys_as_published()

    def cross_sign(self, signing: CrossSigning | None = None, *, vouch: bool = False) -> CrossSigning:
        """Publish a cross-signing identity that signs this device."""
        signing = signing or CrossSigning(self.user)
        self.server.cross_signing[self.user] = signing.keys(self if vouch else None)
        self.server.publish(self.user, signing.sign(self.server.devices[self.user][self.device]))
        return signing

    # ---- Olm

    def session_with(self, user: str, device: str) -> vodozemac.Session:
        """An Olm session with a device, made by claiming a key where there is none."""
        keys = self.server.devices[user][device]["keys"]
        curve25519 = keys[f"curve25519:{device}"]
        if curve25519 not in self.sessions:
            (claimed,) = self.server.claim(user, device).values()
            self.sessions[curve25519] = self.account.create_outbound_session(
                vodozemac.Curve25519PublicKey.from_base64(curve25519),
                vodozemac.Curve25519PublicKey.from_base64(claimed["key"]),
            )
        return self.sessions[curve25519]

    def olm(self, user: str, device: str, type_: str, content: JSON, **changed: Any) -> JSON:
        """An encrypted to-device event for a device; `changed` replaces fields of its plaintext."""
        keys = self.server.devices[user][device]["keys"]
        payload = {
            "type": type_,
            "content": content,
            "sender": self.user,
            "recipient": user,
            "recipient_keys": {"ed25519": keys[f"ed25519:{device}"]},
            "keys": {"ed25519": self.ed25519},
            **changed,
        }
        return self.raw_olm(user, device, json.dumps(payload).encode())

    def raw_olm(self, user: str, device: str, plaintext: bytes) -> JSON:
        """An encrypted to-device event with any plaintext."""
        curve25519 = self.server.devices[user][device]["keys"][f"curve25519:{device}"]
        kind, body = self.session_with(user, device).encrypt(plaintext).to_parts()
        text = base64.b64encode(body).decode().rstrip("=")
        content = {
            "algorithm": "m.olm.v1.curve25519-aes-sha2",
            "sender_key": self.curve25519,
            "ciphertext": {curve25519: {"type": kind, "body": text}},
        }
        return {"type": "m.room.encrypted", "sender": self.user, "content": content}

    # ---- Megolm

    def room_key(self, room: RoomId, session: vodozemac.GroupSession | None = None, **changed: Any) -> JSON:
        """The content of an `m.room_key`; `changed` replaces fields."""
        session = session or self.outbound.setdefault(room, vodozemac.GroupSession())
        return {
            "algorithm": "m.megolm.v1.aes-sha2",
            "room_id": room,
            "session_id": session.session_id,
            "session_key": session.session_key.to_base64(),
            **changed,
        }

    def share(self, room: RoomId, user: str, device: str) -> None:
        """Give a device the key of this peer's session in `room`."""
        event = self.olm(user, device, "m.room_key", self.room_key(room))
        self.server.deliver(user, device, event)

    def encrypt(self, room: RoomId, type_: str, content: Any, **changed: Any) -> JSON:
        """The content of an encrypted event; `changed` replaces fields of its plaintext."""
        payload = {"type": type_, "content": content, "room_id": room, **changed}
        return self.raw_megolm(room, json.dumps(payload).encode())

    def raw_megolm(self, room: RoomId, plaintext: bytes) -> JSON:
        """The content of an encrypted event with any plaintext."""
        session = self.outbound.setdefault(room, vodozemac.GroupSession())
        return {
            "algorithm": "m.megolm.v1.aes-sha2",
            "ciphertext": session.encrypt(plaintext).to_base64(),
            "session_id": session.session_id,
            "sender_key": self.curve25519,
            "device_id": self.device,
        }

    def say(self, room: RoomId, body: Any, **more: Any) -> JSON:
        """Write in a room, encrypted; the event."""
        content = self.encrypt(room, "m.room.message", {"msgtype": "m.text", "body": body, **more})
        return self.server.send(room, self.user, "m.room.encrypted", content)

    # ---- reading

    def receive(self) -> None:
        """Take in what came to this device: Olm sessions and room keys. Raises on what can't be read."""
        queue = self.server.to_device.pop((self.user, self.device), [])
        for _, event in queue:
            self.seen.append(event)
            if event["type"] != "m.room.encrypted":
                continue
            content = event["content"]
            mine = content["ciphertext"][self.curve25519]
            body = base64.b64decode(mine["body"] + "=" * (-len(mine["body"]) % 4))
            message = vodozemac.AnyOlmMessage.from_parts(mine["type"], body)
            plaintext = self._open(content["sender_key"], message)
            payload = json.loads(plaintext)
            assert payload["recipient"] == self.user
            assert payload["recipient_keys"] == {"ed25519": self.ed25519}
            if payload["type"] == "m.room_key":
                self.room_keys.append(payload)
                key = payload["content"]
                session = vodozemac.InboundGroupSession(vodozemac.SessionKey(key["session_key"]))
                self.inbound[key["room_id"], key["session_id"]] = session

    def _open(self, sender_key: str, message: vodozemac.AnyOlmMessage) -> bytes:
        prekey = message.to_pre_key()
        known = self.sessions.get(sender_key)
        if known is not None and (prekey is None or prekey.session_id() == known.session_id):
            return known.decrypt(message)
        assert prekey is not None
        identity = vodozemac.Curve25519PublicKey.from_base64(sender_key)
        session, plaintext = self.account.create_inbound_session(identity, prekey)
        self.sessions[sender_key] = session
        return bytes(plaintext)

    def read(self, room: RoomId) -> list[JSON]:
        """Every event of others in `room` that this device can decrypt, as plaintext payloads."""
        self.receive()
        found = []
        for _, event in self.server.rooms[room].timeline:
            content = event["content"]
            session = self.inbound.get((room, content.get("session_id", "")))
            if event["type"] == "m.room.encrypted" and event["sender"] != self.user and session is not None:
                message = vodozemac.MegolmMessage.from_base64(content["ciphertext"])
                try:
                    found.append(json.loads(session.decrypt(message).plaintext))
                except vodozemac.MegolmDecryptionException:
                    continue
        return found
