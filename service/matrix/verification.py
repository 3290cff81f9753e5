"""Verification by short authentication string (SAS) that a member starts, in a direct chat or to our device.

Guards: the state machine is pure (events in, events out) and never raises for what a stranger sent: anything
malformed or out of turn ends in a cancel with the specification's code; a verification lasts ten minutes at
most; one person has one at a time, and all together are bounded; the desk sends its MAC only after the
member's, and only if that one is right.

What it is worth: the desk is a program and cannot compare what a person sees. It confirms by itself, once
the member has confirmed on their side. So a completed verification pins the desk's keys in the member's
client and shows that the desk holds them; it cannot show that nobody sat in between from the first moment.
What can is the desk's fingerprint (`Identity.fingerprint`), published by the community where members trust
it. Comparing emoji in the very chat that is to be verified would prove nothing either, so the desk does not
pretend to.

Source: spec v1.18, "Key verification framework" and "Short Authentication String (SAS) verification". As we
never start one, the commitment is ours to make and the member's client's to check.
"""

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from vodozemac import Curve25519PublicKey, EstablishedSas, Sas

from schema.errors import HomeserverRefused, Malformed, NotPrivate, WorldError
from schema.ids import DeviceId, EventId, MatrixId, RoomId
from service.matrix.accounts import query_keys, section
from service.matrix.border import canonical, unpadded
from service.matrix.transport import JSON, Transport, client_path

PREFIX = "m.key.verification."
SAS = "m.sas.v1"
_AGREEMENT = "curve25519-hkdf-sha256"
_HASH = "sha256"
_MAC = "hkdf-hmac-sha256.v2"

LONGEST = timedelta(minutes=10)
"""A verification ends at this age (spec, "Key verification framework")."""
_AHEAD = timedelta(minutes=5)
_AT_ONCE = 32
"""Verifications in rooms, and as many to our device: strangers' requests leave the rooms their share."""
_LONGEST_ID = 255


class Step(StrEnum):
    """What a verification waits for; the value is the event type's last word."""

    START = "start"
    KEY = "key"
    MAC = "mac"
    DONE = "done"


class Cancel(StrEnum):
    """Codes of `m.key.verification.cancel` (spec)."""

    USER = "m.user"
    TIMEOUT = "m.timeout"
    UNKNOWN_TRANSACTION = "m.unknown_transaction"
    UNKNOWN_METHOD = "m.unknown_method"
    UNEXPECTED = "m.unexpected_message"
    KEY_MISMATCH = "m.key_mismatch"
    SAS_MISMATCH = "m.mismatched_sas"
    COMMITMENT_MISMATCH = "m.mismatched_commitment"
    INVALID = "m.invalid_message"


_REASONS = {
    Cancel.USER: "Busy; please try again in a few minutes",
    Cancel.TIMEOUT: "The verification took too long",
    Cancel.UNKNOWN_TRANSACTION: "This verification is not known here; please start again",
    Cancel.UNKNOWN_METHOD: "Only verification by emoji or numbers is known here",
    Cancel.UNEXPECTED: "This message was not expected now",
    Cancel.KEY_MISMATCH: "The keys do not match",
    Cancel.SAS_MISMATCH: "What was shown does not match",
    Cancel.COMMITMENT_MISMATCH: "The keys are not those that were promised",
    Cancel.INVALID: "A message was not of the right form",
}
_MISMATCHES = (Cancel.KEY_MISMATCH, Cancel.SAS_MISMATCH, Cancel.COMMITMENT_MISMATCH)


@dataclass(frozen=True)
class Own:
    """Who we are: `device_key` and `master_key` are our public Ed25519 keys, unpadded base64."""

    user_id: MatrixId
    device_id: DeviceId
    device_key: str
    master_key: str


@dataclass(frozen=True)
class Incoming:
    """A verification event: in `room` (decrypted, with its `m.relates_to`), or to our device with None.

    `event_id` is the room event's; `sent_at` its server's time, where known.
    """

    sender: MatrixId
    type: str
    content: object
    room: RoomId | None = None
    event_id: EventId | None = None
    sent_at: datetime | None = None


@dataclass(frozen=True)
class Outgoing:
    """What is to be sent: in `room`, encrypted, or to `device` of `member` where `room` is None."""

    member: MatrixId
    room: RoomId | None
    device: str
    type: str
    content: JSON


@dataclass(frozen=True)
class Ended:
    """A verification came to its end: `verified` when the member's MAC was right and they confirmed.

    `mismatch`: their side or ours saw that keys or what was shown did not match (spec, `cancel` codes).
    """

    member: MatrixId
    room: RoomId | None
    verified: bool
    mismatch: bool = False


class _Refused(Exception):
    """The flow is over, with this code."""

    def __init__(self, code: Cancel) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class _Flow:
    member: MatrixId
    device: str
    room: RoomId | None
    transaction: str
    began: datetime
    step: Step = Step.START
    sas: Sas | None = field(default=None, repr=False)
    established: EstablishedSas | None = field(default=None, repr=False)

    def out(self, word: str, content: JSON) -> Outgoing:
        """An event of this verification."""
        if self.room is None:
            place: JSON = {"transaction_id": self.transaction}
        else:
            place = {"m.relates_to": {"rel_type": "m.reference", "event_id": self.transaction}}
        return Outgoing(self.member, self.room, self.device, PREFIX + word, content | place)

    def cancel(self, code: Cancel) -> Outgoing:
        """The end of this verification, with its reason."""
        return self.out("cancel", {"code": code.value, "reason": _REASONS[code]})


class Exchange:
    """All verifications that are under way with one device of ours: events in, events out, nothing sent.

    `keys` that are handed to `receive` are the sender's published Ed25519 keys, key id to key.
    """

    def __init__(self, own: Own) -> None:
        self._own = own
        self._flows: dict[tuple[MatrixId, RoomId | None, str], _Flow] = {}

    def __len__(self) -> int:
        return len(self._flows)

    def wants_keys(self, event: Incoming) -> bool:
        """Whether `receive` needs the sender's published keys for this event."""
        flow = self._flow(event)
        return event.type == PREFIX + "mac" and flow is not None and flow.step is Step.MAC

    def receive(
        self, event: Incoming, now: datetime, keys: Mapping[str, str] | None = None
    ) -> tuple[list[Outgoing], list[Ended]]:
        """Take one event and say what is to be sent, in this order, and which verifications ended.

        Never raises for what an event holds.
        """
        out, ended = self.expire(now)
        if event.sender == self._own.user_id or not isinstance(event.content, dict):
            return out, ended
        content: JSON = event.content
        word = self._word(event.type, content)
        if word == "request":
            return out + self._request(event, content, now), ended
        flow = self._flow(event)
        if flow is None:
            return out + self._unknown(event, word, content, now), ended
        try:
            sent = self._step(flow, word, content, keys)
        except _Refused as refused:
            self._drop(flow)
            mismatch = refused.code in _MISMATCHES
            return [*out, flow.cancel(refused.code)], [*ended, Ended(flow.member, flow.room, False, mismatch)]
        out += sent
        if flow.step is Step.DONE or word == "cancel":
            self._drop(flow)
            mismatch = word == "cancel" and content.get("code") in _MISMATCHES
            ended.append(Ended(flow.member, flow.room, flow.step is Step.DONE, mismatch))
        return out, ended

    def expire(self, now: datetime) -> tuple[list[Outgoing], list[Ended]]:
        """Cancel what is older than ten minutes."""
        old = [flow for flow in self._flows.values() if now - flow.began > LONGEST]
        for flow in old:
            self._drop(flow)
        return (
            [flow.cancel(Cancel.TIMEOUT) for flow in old],
            [Ended(flow.member, flow.room, False) for flow in old],
        )

    def abandon(self, event: Incoming) -> tuple[list[Outgoing], list[Ended]]:
        """Cancel the verification that an event belongs to, because we cannot go on with it now."""
        flow = self._flow(event)
        if flow is None:
            return [], []
        self._drop(flow)
        return [flow.cancel(Cancel.USER)], [Ended(flow.member, flow.room, False)]

    @staticmethod
    def _word(kind: str, content: JSON) -> str:
        if kind == "m.room.message":
            return "request" if content.get("msgtype") == PREFIX + "request" else ""
        return kind.removeprefix(PREFIX) if kind.startswith(PREFIX) else ""

    def _flow(self, event: Incoming) -> _Flow | None:
        content = event.content
        if not isinstance(content, dict):
            return None
        transaction = _transaction(event, content)
        return self._flows.get((event.sender, event.room, transaction)) if transaction else None

    def _drop(self, flow: _Flow) -> None:
        self._flows.pop((flow.member, flow.room, flow.transaction), None)

    def _request(self, event: Incoming, content: JSON, now: datetime) -> list[Outgoing]:
        device, methods = content.get("from_device"), content.get("methods")
        named = event.event_id if event.room is not None else content.get("transaction_id")
        transaction = _identifier(named)
        if not _identifier(device) or not transaction or not isinstance(methods, list):
            return []
        if event.room is not None and content.get("to") != self._own.user_id:
            return []
        if (event.sender, event.room, transaction) in self._flows:
            return []
        sent_at = event.sent_at if event.room is not None else _instant(content.get("timestamp"))
        if (sent_at is None and event.room is None) or (
            sent_at is not None and not now - LONGEST <= sent_at <= now + _AHEAD
        ):
            return []
        flow = _Flow(event.sender, str(device), event.room, transaction, now)
        if SAS not in methods:
            return [flow.cancel(Cancel.UNKNOWN_METHOD)]
        here = [one for one in self._flows.values() if (one.room is None) == (event.room is None)]
        out = []
        for earlier in here:
            if earlier.member == event.sender:
                self._drop(earlier)
                out.append(earlier.cancel(Cancel.UNEXPECTED))
        if not out and len(here) >= _AT_ONCE:
            return [flow.cancel(Cancel.USER)]
        self._flows[event.sender, event.room, transaction] = flow
        return [*out, flow.out("ready", {"from_device": self._own.device_id, "methods": [SAS]})]

    def _unknown(self, event: Incoming, word: str, content: JSON, now: datetime) -> list[Outgoing]:
        """A start that we do not know, such as one from before a restart, is told so; all else is not."""
        transaction, device = _transaction(event, content), content.get("from_device")
        if word != "start" or not transaction or not _identifier(device):
            return []
        if event.sent_at is not None and now - event.sent_at > LONGEST:
            return []
        flow = _Flow(event.sender, str(device), event.room, transaction, now)
        return [flow.cancel(Cancel.UNKNOWN_TRANSACTION)]

    def _step(self, flow: _Flow, word: str, content: JSON, keys: Mapping[str, str] | None) -> list[Outgoing]:
        if word == "cancel":
            return []
        if word != flow.step:
            raise _Refused(Cancel.UNEXPECTED)
        match flow.step:
            case Step.START:
                return self._start(flow, content)
            case Step.KEY:
                return self._key(flow, content)
            case _:
                return self._mac(flow, content, keys or {})

    def _start(self, flow: _Flow, content: JSON) -> list[Outgoing]:
        if content.get("from_device") != flow.device:
            raise _Refused(Cancel.INVALID)
        if content.get("method") != SAS:
            raise _Refused(Cancel.UNKNOWN_METHOD)
        for name, ours in (
            ("key_agreement_protocols", _AGREEMENT),
            ("hashes", _HASH),
            ("message_authentication_codes", _MAC),
        ):
            theirs = content.get(name)
            if not isinstance(theirs, list):
                raise _Refused(Cancel.INVALID)
            if ours not in theirs:
                raise _Refused(Cancel.UNKNOWN_METHOD)
        shown = content.get("short_authentication_string")
        if not isinstance(shown, list):
            raise _Refused(Cancel.INVALID)
        strings = [one for one in ("decimal", "emoji") if one in shown]
        if not strings:
            raise _Refused(Cancel.UNKNOWN_METHOD)
        sas = Sas()
        try:
            committed = sas.public_key.to_base64().encode() + canonical(content)
        except Malformed:
            raise _Refused(Cancel.INVALID) from None
        flow.sas, flow.step = sas, Step.KEY
        return [
            flow.out(
                "accept",
                {
                    "method": SAS,
                    "key_agreement_protocol": _AGREEMENT,
                    "hash": _HASH,
                    "message_authentication_code": _MAC,
                    "short_authentication_string": strings,
                    "commitment": unpadded(hashlib.sha256(committed).digest()),
                },
            )
        ]

    @staticmethod
    def _key(flow: _Flow, content: JSON) -> list[Outgoing]:
        theirs, sas = content.get("key"), flow.sas
        if not isinstance(theirs, str) or sas is None:
            raise _Refused(Cancel.INVALID)
        ours = sas.public_key.to_base64()
        try:
            flow.established = sas.diffie_hellman(Curve25519PublicKey.from_base64(theirs))
        except (ValueError, TypeError):
            raise _Refused(Cancel.INVALID) from None
        flow.sas, flow.step = None, Step.MAC
        return [flow.out("key", {"key": ours})]

    def _mac(self, flow: _Flow, content: JSON, keys: Mapping[str, str]) -> list[Outgoing]:
        macs, over_ids, established = content.get("mac"), content.get("keys"), flow.established
        if not isinstance(macs, dict) or not isinstance(over_ids, str) or established is None:
            raise _Refused(Cancel.INVALID)
        if not macs or not all(isinstance(name, str) and isinstance(mac, str) for name, mac in macs.items()):
            raise _Refused(Cancel.INVALID)
        own = self._own
        from_them = f"MATRIX_KEY_VERIFICATION_MAC{flow.member}{flow.device}{own.user_id}{own.device_id}"
        from_us = f"MATRIX_KEY_VERIFICATION_MAC{own.user_id}{own.device_id}{flow.member}{flow.device}"
        known = {name: keys[name] for name in macs if name in keys}
        try:
            established.verify_mac(",".join(sorted(macs)), f"{from_them}{flow.transaction}KEY_IDS", over_ids)
            for name, key in known.items():
                established.verify_mac(key, f"{from_them}{flow.transaction}{name}", macs[name])
        except (ValueError, TypeError):
            raise _Refused(Cancel.KEY_MISMATCH) from None
        # Keys that we do not know are passed over (spec), but not the device's own.
        if f"ed25519:{flow.device}" not in known:
            raise _Refused(Cancel.KEY_MISMATCH)
        ours = {f"ed25519:{own.device_id}": own.device_key, f"ed25519:{own.master_key}": own.master_key}
        answer = {
            "mac": {
                name: established.calculate_mac(key, f"{from_us}{flow.transaction}{name}")
                for name, key in ours.items()
            },
            "keys": established.calculate_mac(",".join(sorted(ours)), f"{from_us}{flow.transaction}KEY_IDS"),
        }
        flow.step = Step.DONE
        return [flow.out("mac", answer), flow.out("done", {})]


def _identifier(value: object) -> str:
    """A device or transaction id, or nothing where it is none that we would send back."""
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_ID and _sendable(value) else ""


def _sendable(value: str) -> bool:
    # Half surrogates pass through JSON and cannot be sent again.
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _transaction(event: Incoming, content: JSON) -> str:
    if event.room is None:
        return _identifier(content.get("transaction_id"))
    relation = content.get("m.relates_to")
    if not isinstance(relation, dict) or relation.get("rel_type") != "m.reference":
        return ""
    return _identifier(relation.get("event_id"))


def _instant(milliseconds: object) -> datetime | None:
    if not isinstance(milliseconds, int) or isinstance(milliseconds, bool):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


class Verification:
    """Carries verifications out: takes events from the sync, and sends what `Exchange` answers.

    `send_in_room` sends an event encrypted in a direct chat: room, type, content, transaction id. `ended` is
    told when a verification is over, so that the member can be told what it is worth.
    """

    def __init__(
        self,
        transport: Transport,
        own: Own,
        now: Callable[[], datetime],
        send_in_room: Callable[[RoomId, str, JSON, str], Awaitable[object]],
        ended: Callable[[Ended], Awaitable[None]] | None = None,
    ) -> None:
        self._transport = transport
        self._now = now
        self._send_in_room = send_in_room
        self._ended = ended
        self._exchange = Exchange(own)

    async def handle(
        self,
        sender: MatrixId,
        event_type: str,
        content: object,
        room: RoomId | None,
        event_id: str | None,
        sent_at: datetime | None = None,
    ) -> None:
        """Answer a verification event, in the order in which they come.

        Never raises for what it holds, nor where an answer cannot be sent: the verification is then over, and
        the member's client says so by itself after ten minutes.
        """
        event = Incoming(sender, event_type, content, room, EventId(event_id) if event_id else None, sent_at)
        try:
            keys = await self._keys(event) if self._exchange.wants_keys(event) else None
        except (WorldError, HomeserverRefused):
            await self._carry_out(*self._exchange.abandon(event))
        else:
            await self._carry_out(*self._exchange.receive(event, self._now(), keys))

    async def _keys(self, event: Incoming) -> dict[str, str]:
        answer = await query_keys(self._transport, event.sender, "verification keys query")
        devices = section(answer, "device_keys", event.sender).values()
        parts = [*devices, section(answer, "master_keys", event.sender)]
        return {
            name: key
            for part in parts
            if isinstance(part, dict) and isinstance(keys := part.get("keys"), dict)
            for name, key in keys.items()
            if name.startswith("ed25519:") and isinstance(key, str)
        }

    async def _carry_out(self, out: Sequence[Outgoing], ended: Sequence[Ended]) -> None:
        lost: set[MatrixId] = set()
        for one in out:
            try:
                await self._send(one)
            except (WorldError, HomeserverRefused, NotPrivate):
                lost.add(one.member)
        for end in ended:
            if self._ended is not None:
                # What did not reach them did not verify us on their side.
                await self._ended(replace(end, verified=end.verified and end.member not in lost))

    async def _send(self, one: Outgoing) -> None:
        transaction = secrets.token_hex(16)
        if one.room is not None:
            await self._send_in_room(one.room, one.type, one.content, transaction)
            return
        await self._transport.request(
            "verification send",
            "PUT",
            client_path("sendToDevice", one.type, transaction),
            body={"messages": {one.member: {one.device: one.content}}},
        )
