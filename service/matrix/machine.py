"""The Olm machine: our keys, our sessions, and what comes out of other people's ciphertexts.

It stands on vodozemac alone. Guards:
- Everything foreign is read by `border`; a method raises Malformed over a bad event and changes nothing but,
  at most, the one-time key that it used up.
- An Olm message says who sent it, to whom, and with which keys; what does not agree with its envelope, its
  session or our keys is refused.
- Keys are saved before they are uploaded; a consumed one-time key is saved with what it brought.
- Forwarded and requested room keys are neither taken nor given.
"""

import base64
import binascii
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import vodozemac

from schema.errors import Malformed
from schema.ids import DeviceId, MatrixId
from service.matrix import border
from service.matrix.crypto_store import CryptoRows
from service.matrix.devices import MEGOLM, OLM, Device, Person
from service.matrix.room_keys import RoomKeys

_MOST_OLM_SESSIONS = 5
"""With one device; the least recently used goes."""

_MOST_STRANGERS = 2000
"""Devices of people with whom we share no room, whose Olm sessions are kept (a key may precede its room)."""

_MOST_CORRESPONDENTS = 100
"""Devices of one user with Olm sessions, as many as devices of theirs are kept; the least recent goes."""

_LONGEST_CIPHERTEXT = 128 * 1024


@dataclass(slots=True)
class OlmSession:
    """One session with one device, pickled: opened for each use, since an open one takes kilobytes."""

    session_id: str
    pickle: str
    used_at: int


@dataclass(slots=True)
class Correspondent:
    """All sessions with one device, by its Curve25519 key, most recently used first."""

    user: MatrixId
    sessions: list[OlmSession]


_NOBODY = MatrixId("")
"""Whose device it is was forgotten; the next message says."""


class Machine:
    """The encryption state of one device, in memory; `rows` keeps what changed."""

    def __init__(self, user: MatrixId, device: DeviceId, rows: CryptoRows, made_at: datetime) -> None:
        self.user = user
        self.device_id = device
        self.rows = rows
        self.people: dict[MatrixId, Person] = {}
        self._pickle_key = secrets.token_bytes(32)
        self._account: Any = vodozemac.Account()  # Its stubs leave the fallback key out.
        self.published = False
        self.made_at = made_at
        self._correspondents: dict[str, Correspondent] = {}
        self.room_keys = RoomKeys(rows)
        self.wedged: dict[str, MatrixId] = {}
        self._clock = 0
        self._name_keys()

    def _name_keys(self) -> None:
        self.curve25519 = self._account.curve25519_key.to_base64()
        self.ed25519 = self._account.ed25519_key.to_base64()

    # ---- at rest

    @classmethod
    def load(
        cls,
        user: MatrixId,
        device: DeviceId,
        rows: CryptoRows,
        kept: Iterable[tuple[str, str, bytes]],
        now: datetime,
    ) -> "Machine":
        """The machine that `kept` rows describe; where there are none, one made `now`, to be saved."""
        machine = cls(user, device, rows, now)
        found = False
        for kind, _, row in kept:
            if kind == "account":
                machine._read_account(row)
                found = True
            elif kind == "olm":
                machine._read_olm(row)
            elif kind == "megolm":
                machine.room_keys.restore(row)
            elif kind == "person":
                person = Person.from_row(row)
                machine.people[person.user] = person
        if not found:
            machine._mark_account()
        return machine

    def _read_account(self, row: bytes) -> None:
        kept = json.loads(row)
        if (kept["user"], kept["device"]) != (self.user, self.device_id):
            raise ValueError("the encryption account belongs to another device")
        self._pickle_key = bytes.fromhex(kept["key"])
        self._account = vodozemac.Account.from_pickle(kept["pickle"], self._pickle_key)
        self.published = kept["published"]
        self.made_at = datetime.fromisoformat(kept["made_at"])
        self._name_keys()

    def _mark_account(self) -> None:
        self.rows.mark("account", "account", self._account_row)

    def _account_row(self) -> bytes:
        row = {
            "user": self.user,
            "device": self.device_id,
            "key": self._pickle_key.hex(),
            "pickle": self._account.pickle(self._pickle_key),
            "published": self.published,
            "made_at": self.made_at.isoformat(),
        }
        return json.dumps(row).encode()

    def _read_olm(self, row: bytes) -> None:
        curve25519, user, sessions = json.loads(row)
        opened = [OlmSession(*each) for each in sessions]
        self._correspondents[curve25519] = Correspondent(user, opened)
        self._clock = max([self._clock, *(each.used_at for each in opened)])

    def _mark_olm(self, curve25519: str) -> None:
        def make() -> bytes | None:
            found = self._correspondents.get(curve25519)
            if found is None:
                return None
            kept = [[each.session_id, each.pickle, each.used_at] for each in found.sessions]
            return json.dumps([curve25519, found.user, kept]).encode()

        self.rows.mark("olm", curve25519, make)

    def mark_person(self, user: MatrixId) -> None:
        """The record of `user` changed or went."""

        def make() -> bytes | None:
            found = self.people.get(user)
            return None if found is None else found.to_row()

        self.rows.mark("person", user, make)

    # ---- our own keys

    def device_keys(self) -> dict[str, Any]:
        """Our device key object, signed by the device, as it is uploaded (spec, "Device keys")."""
        keys: dict[str, Any] = {
            "user_id": self.user,
            "device_id": self.device_id,
            "algorithms": [OLM, MEGOLM],
            "keys": {
                f"curve25519:{self.device_id}": self.curve25519,
                f"ed25519:{self.device_id}": self.ed25519,
            },
        }
        return self.sign(keys)

    def sign(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """`value` with our device's signature added to it (spec, "Signing JSON")."""
        signed = dict(value)
        signature = self._account.sign(border.canonical(signed)).to_base64()
        signatures = {user: dict(each) for user, each in border.part(signed, "signatures").items()}
        signatures.setdefault(self.user, {})[f"ed25519:{self.device_id}"] = signature
        signed["signatures"] = signatures
        return signed

    def prepare_upload(self, count: int | None, fallback_used: bool) -> dict[str, Any] | None:
        """The body of a `/keys/upload`, or None where the homeserver has enough.

        `count` of one-time keys that it has, None where that is not known to be more than none. The keys in
        the body are marked changed: save them, then upload, then `mark_uploaded`.
        """
        body: dict[str, Any] = {}
        if not self.published:
            body["device_keys"] = self.device_keys()
        wanted = self._account.max_number_of_one_time_keys
        missing = wanted - (count or 0) - len(self._account.one_time_keys)
        if (count or 0) <= wanted // 2 and missing > 0:
            self._account.generate_one_time_keys(missing)
        if (fallback_used or not self.published) and not self._account.fallback_key:
            self._account.generate_fallback_key()
        if self._account.one_time_keys:
            body["one_time_keys"] = self._signed_keys(self._account.one_time_keys, {})
        if self._account.fallback_key:
            body["fallback_keys"] = self._signed_keys(self._account.fallback_key, {"fallback": True})
        if not body:
            return None
        self._mark_account()
        return body

    def _signed_keys(self, keys: Mapping[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
        return {
            f"signed_curve25519:{name}": self.sign({"key": public.to_base64(), **extra})
            for name, public in keys.items()
        }

    def mark_uploaded(self) -> None:
        """The keys of the last body are on the homeserver, or are to be given up for fresh ones."""
        self._account.mark_keys_as_published()
        self._mark_account()

    def mark_published(self) -> None:
        """Our device keys are on the homeserver."""
        self.published = True
        self._mark_account()

    # ---- Olm

    def has_session(self, curve25519: str) -> bool:
        """Whether something can be sent to the device with that key."""
        return curve25519 in self._correspondents

    def decrypt_to_device(self, event: object) -> None:
        """Take in one encrypted to-device event: the room key in it, if it holds one.

        Raises Malformed. Whatever else comes this way (forwarded keys, requests, secrets) is not for us.
        """
        outer = border.mapping(event)
        sender = border.matrix_id(outer.get("sender"))
        content = border.mapping(outer.get("content"))
        if content.get("algorithm") != OLM:
            raise Malformed("another algorithm")
        sender_key = border.key(content.get("sender_key"))
        mine = border.part(content, "ciphertext", self.curve25519)
        kind = mine.get("type")
        if kind not in (0, 1) or isinstance(kind, bool) or sender_key == self.curve25519:
            raise Malformed("an unknown kind of message")
        message = vodozemac.AnyOlmMessage
        read = border.attempt(
            message.from_parts, kind, _base64(border.text(mine.get("body"), _LONGEST_CIPHERTEXT))
        )
        payload = self._decrypt_olm(sender, sender_key, read)
        if payload.get("type") == "m.room_key":
            self.room_keys.take(sender, sender_key, payload)

    def _decrypt_olm(
        self, sender: MatrixId, sender_key: str, message: vodozemac.AnyOlmMessage
    ) -> dict[str, Any]:
        known = self._correspondents.get(sender_key)
        if known is not None and known.user not in (sender, _NOBODY):
            raise Malformed("the device belongs to somebody else")
        prekey = message.to_pre_key()
        for each in known.sessions if known else ():
            if prekey is not None and each.session_id != border.attempt(prekey.session_id):
                continue
            try:
                session = vodozemac.Session.from_pickle(each.pickle, self._pickle_key)
                plaintext = border.attempt(session.decrypt, message)
            except Malformed:
                if prekey is None:
                    continue
                self._wedge(sender, sender_key)
                raise
            payload = self._read_payload(sender, plaintext)
            self._keep_olm(sender, sender_key, session)
            return payload
        if prekey is None:
            self._wedge(sender, sender_key)
            raise Malformed("no session for it")
        identity = border.attempt(vodozemac.Curve25519PublicKey.from_base64, sender_key)
        try:
            session, plaintext = border.attempt(self._account.create_inbound_session, identity, prekey)
        except Malformed:
            self._wedge(sender, sender_key)
            raise
        # The one-time key is used up from here on, whatever the message turns out to say.
        self._mark_account()
        payload = self._read_payload(sender, plaintext)
        self._keep_olm(sender, sender_key, session)
        return payload

    def _read_payload(self, sender: MatrixId, plaintext: bytes) -> dict[str, Any]:
        """Hold the plaintext against its envelope (spec, "m.olm.v1.curve25519-aes-sha2")."""
        payload = border.parse(plaintext)
        if payload.get("sender") != sender or payload.get("recipient") != self.user:
            raise Malformed("the message is not from whom or to whom it says")
        if border.part(payload, "recipient_keys").get("ed25519") != self.ed25519:
            raise Malformed("the message is for another device")
        border.key(border.part(payload, "keys").get("ed25519"))
        return payload

    def _keep_olm(self, user: MatrixId, curve25519: str, session: vodozemac.Session) -> None:
        self._clock += 1
        found = self._correspondents.pop(curve25519, None) or Correspondent(user, [])
        found.user = user
        # Taken out and put back, the most recent correspondent is last: the first strangers are the oldest.
        self._correspondents[curve25519] = found
        name = session.session_id
        others = [each for each in found.sessions if each.session_id != name]
        fresh = OlmSession(name, session.pickle(self._pickle_key), self._clock)
        found.sessions = [fresh, *others][:_MOST_OLM_SESSIONS]
        self._mark_olm(curve25519)

    def _wedge(self, user: MatrixId, curve25519: str) -> None:
        """Note that a device's messages can't be read; only for devices that we know is anything done."""
        person = self.people.get(user)
        if person and any(device.curve25519 == curve25519 for device in person.counting()):
            self.wedged[curve25519] = user

    def start_session(self, user: MatrixId, device: Device, one_time_key: object) -> None:
        """Make an Olm session from a claimed key object; Malformed where it is not signed by the device."""
        claimed = border.mapping(one_time_key)
        public = border.key(claimed.get("key"))
        if not border.is_signed(claimed, user, device.device_id, device.ed25519):
            raise Malformed("a one-time key that the device did not sign")
        session = border.attempt(
            self._account.create_outbound_session,
            border.attempt(vodozemac.Curve25519PublicKey.from_base64, device.curve25519),
            border.attempt(vodozemac.Curve25519PublicKey.from_base64, public),
        )
        self._keep_olm(user, device.curve25519, session)

    def encrypt_to_device(
        self, user: MatrixId, device: Device, type_: str, content: dict[str, Any]
    ) -> dict[str, Any]:
        """The content of an `m.room.encrypted` to-device event; Malformed without a usable session."""
        found = self._correspondents.get(device.curve25519)
        if found is None or found.user not in (user, _NOBODY):
            raise Malformed("no session with the device")
        payload = {
            "type": type_,
            "content": content,
            "sender": self.user,
            "sender_device": self.device_id,
            "keys": {"ed25519": self.ed25519},
            "recipient": user,
            "recipient_keys": {"ed25519": device.ed25519},
        }
        session = vodozemac.Session.from_pickle(found.sessions[0].pickle, self._pickle_key)
        kind, ciphertext = border.attempt(session.encrypt, json.dumps(payload).encode()).to_parts()
        self._keep_olm(user, device.curve25519, session)
        return {
            "algorithm": OLM,
            "sender_key": self.curve25519,
            "ciphertext": {device.curve25519: {"type": kind, "body": _unpadded(ciphertext)}},
        }

    # ---- what goes

    def forget_people(self, among: Callable[[MatrixId], bool]) -> None:
        """Drop people for whom `among` is false, and, past a bound, their sessions."""
        for user in [each for each in self.people if not among(each)]:
            del self.people[user]
            self.mark_person(user)
        strangers = [key for key, found in self._correspondents.items() if not among(found.user)]
        for curve25519 in strangers[:-_MOST_STRANGERS]:
            del self._correspondents[curve25519]
            self._mark_olm(curve25519)
        of_one: dict[MatrixId, int] = {}
        for curve25519, found in reversed(list(self._correspondents.items())):
            of_one[found.user] = of_one.get(found.user, 0) + 1
            if of_one[found.user] > _MOST_CORRESPONDENTS and found.user != _NOBODY:
                del self._correspondents[curve25519]
                self._mark_olm(curve25519)
        self.room_keys.forget_strangers(among)

    def forget(self, user: MatrixId) -> None:
        """Keep nothing that names `user`: we share no room with them any more.

        The sessions with their devices stay, without a name: whoever comes back goes on with them, and
        without ours nothing that they write could be read until their client makes new ones.
        """
        if self.people.pop(user, None) is not None:
            self.mark_person(user)
        for curve25519, found in self._correspondents.items():
            if found.user == user:
                found.user = _NOBODY
                self._mark_olm(curve25519)


def _base64(value: str) -> bytes:
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("not base64") from None


def _unpadded(value: bytes) -> str:
    return base64.b64encode(value).decode().rstrip("=")
