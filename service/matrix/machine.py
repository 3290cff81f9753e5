"""The Olm machine: our keys, our sessions, and what comes out of other people's ciphertexts.

It stands on nio's store interface, account and sessions; of vodozemac it uses only what nio has nothing for
(fallback keys, the form of an Olm message). nio's own machine, `nio.crypto.Olm`, is not used to read what
others send, because:
- its `handle_to_device_event` and `_handle_key_query` raise over what a stranger can write, in the midst of a
  batch, with half of it taken in;
- its `decrypt_megolm_event` ties an event's sender to the session's owner only where the device was verified,
  and its replay window is in memory alone: somebody could speak for another, or a message be handled twice
  after a restart;
- it writes each outbound session to the store as an inbound one from index 0, and neither saves a consumed
  one-time key after the first message nor keys before they are uploaded;
- it holds every session open in memory: kilobytes for each member.

Guards:
- Everything foreign is read by `border`; a method raises Malformed over a bad event and changes nothing but,
  at most, the one-time key that it used up.
- An Olm message says who sent it, to whom, and with which keys; what does not agree with its envelope, its
  session or our keys is refused.
- Keys are saved before they are uploaded; a consumed one-time key is saved with what it brought.
- Forwarded and requested room keys are neither taken nor given.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import vodozemac
from nio.api import Api
from nio.crypto.sessions import InboundSession, OlmAccount, OutboundSession

from schema.errors import Malformed
from schema.ids import DeviceId, MatrixId
from service.matrix import border
from service.matrix.chats import Chats
from service.matrix.crypto_store import NOBODY, CryptoRows, SealedStore
from service.matrix.devices import MEGOLM, OLM, Device

_LONGEST_CIPHERTEXT = 128 * 1024


class Machine:
    """The encryption state of one device, worked with; `store` has it, and keeps what changed."""

    def __init__(self, store: SealedStore) -> None:
        account = store.load_account()
        if account is None:
            account = OlmAccount()
            store.save_account(account)
        self.store = store
        self.user = MatrixId(store.user_id)
        self.device_id = DeviceId(store.device_id)
        self.rows = store.rows
        self.people = store.people
        self.room_keys = store.room_keys
        self.wedged: dict[str, MatrixId] = {}
        self._account = account
        self._correspondents = store.correspondents
        self.curve25519 = account.identity_keys["curve25519"]
        self.ed25519 = account.identity_keys["ed25519"]

    @classmethod
    def load(
        cls,
        user: MatrixId,
        device: DeviceId,
        rows: CryptoRows,
        kept: Iterable[tuple[str, str, bytes]],
        now: datetime,
        chats: Chats | None = None,
    ) -> "Machine":
        """The machine that `kept` rows describe; where there are none, one made `now`, to be saved.

        Raises OperatorError where the rows are another device's.
        """
        return cls(SealedStore.load(user, device, rows, kept, now, chats))

    @property
    def made_at(self) -> datetime:
        """When this device came to be."""
        return self.store.made_at

    @property
    def published(self) -> bool:
        """Whether our device keys are on the homeserver."""
        return self._account.shared

    @published.setter
    def published(self, published: bool) -> None:
        self._account.shared = published

    def mark_person(self, user: MatrixId) -> None:
        """The record of `user` changed or went."""
        self.store.mark_person(user)

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
        signature = self._account.sign(border.signable(signed).decode())
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
        wanted = self._account.max_one_time_keys
        missing = wanted - (count or 0) - len(self._one_time_keys())
        if (count or 0) <= wanted // 2 and missing > 0:
            self._account.generate_one_time_keys(missing)
        # nio knows no fallback key: the account that it wraps has it.
        inner: Any = self._account._account
        if (fallback_used or not self.published) and not inner.fallback_key:
            inner.generate_fallback_key()
        if one_time := self._one_time_keys():
            body["one_time_keys"] = self._signed_keys(one_time, {})
        if inner.fallback_key:
            fallback = {name: public.to_base64() for name, public in inner.fallback_key.items()}
            body["fallback_keys"] = self._signed_keys(fallback, {"fallback": True})
        if not body:
            return None
        self._mark_account()
        return body

    def _one_time_keys(self) -> dict[str, str]:
        return self._account.one_time_keys["curve25519"]

    def _signed_keys(self, keys: Mapping[str, str], extra: dict[str, Any]) -> dict[str, Any]:
        return {f"signed_curve25519:{name}": self.sign({"key": key, **extra}) for name, key in keys.items()}

    def _mark_account(self) -> None:
        self.store.save_account(self._account)

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
            message.from_parts, kind, border.unbase64(border.text(mine.get("body"), _LONGEST_CIPHERTEXT))
        )
        payload = self._decrypt_olm(sender, sender_key, read)
        if payload.get("type") == "m.room_key":
            self.room_keys.take(sender, sender_key, payload)

    def _decrypt_olm(
        self, sender: MatrixId, sender_key: str, message: vodozemac.AnyOlmMessage
    ) -> dict[str, Any]:
        known = self._correspondents.get(sender_key)
        if known is not None and known.user not in (sender, NOBODY):
            raise Malformed("the device belongs to somebody else")
        prekey = message.to_pre_key()
        for each in known.sessions if known else ():
            if prekey is not None and each.session_id != border.attempt(prekey.session_id):
                continue
            try:
                session = self.store.open_session(each)
                plaintext = border.attempt(session.decrypt, message, "strict")
            except Malformed:
                if prekey is None:
                    continue
                self._wedge(sender, sender_key)
                raise
            payload = self._read_payload(sender, plaintext)
            self.store.keep_session(sender, sender_key, session)
            return payload
        if prekey is None:
            self._wedge(sender, sender_key)
            raise Malformed("no session for it")
        session = InboundSession(self._account, prekey, sender_key)
        try:
            plaintext = border.attempt(session.decrypt, prekey, "strict")
        except Malformed:
            self._wedge(sender, sender_key)
            raise
        finally:
            if session.id:
                # The one-time key is used up from here on, whatever the message turns out to say.
                self._mark_account()
        payload = self._read_payload(sender, plaintext)
        self.store.keep_session(sender, sender_key, session)
        return payload

    def _read_payload(self, sender: MatrixId, plaintext: str) -> dict[str, Any]:
        """Hold the plaintext against its envelope (spec, "m.olm.v1.curve25519-aes-sha2")."""
        payload = border.parse(plaintext)
        if payload.get("sender") != sender or payload.get("recipient") != self.user:
            raise Malformed("the message is not from whom or to whom it says")
        if border.part(payload, "recipient_keys").get("ed25519") != self.ed25519:
            raise Malformed("the message is for another device")
        border.key(border.part(payload, "keys").get("ed25519"))
        return payload

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
        session = border.attempt(OutboundSession, self._account, device.curve25519, public)
        self.store.keep_session(user, device.curve25519, session)

    def encrypt_to_device(
        self, user: MatrixId, device: Device, type_: str, content: dict[str, Any]
    ) -> dict[str, Any]:
        """The content of an `m.room.encrypted` to-device event; Malformed without a usable session."""
        found = self._correspondents.get(device.curve25519)
        if found is None or found.user not in (user, NOBODY):
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
        session = self.store.open_session(found.sessions[0])
        kind, ciphertext = border.attempt(session.encrypt, Api.to_json(payload)).to_parts()
        self.store.keep_session(user, device.curve25519, session)
        return {
            "algorithm": OLM,
            "sender_key": self.curve25519,
            "ciphertext": {device.curve25519: {"type": kind, "body": border.unpadded(ciphertext)}},
        }

    # ---- what goes

    def forget_people(self, among: Callable[[MatrixId], bool]) -> None:
        """Drop people for whom `among` is false, and, past a bound, their sessions."""
        self.store.forget_people(among)
