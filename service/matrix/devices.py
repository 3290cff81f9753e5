"""Whose devices count: what a homeserver says about a member's keys, held against what we pinned.

Guards:
- A homeserver can add a device. The master key is pinned at first use, and then only devices that it signed
  (through its self-signing key) count or receive (MSC4153); without a master key the devices are pinned.
- Another master key, a missing one, or a new device where devices are pinned, is a changed identity: shown
  to the conversation, which asks the member; nothing private is sent meanwhile.
- Each user and each device stands alone: one bad device neither hides the others nor raises.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from schema.errors import Malformed
from schema.ids import DeviceId, MatrixId
from service.matrix import border

OLM = "m.olm.v1.curve25519-aes-sha2"
MEGOLM = "m.megolm.v1.aes-sha2"

_MOST_DEVICES = 100
"""Of one user, signed ones first: a share must stay of bounded size."""


@dataclass(frozen=True, slots=True)
class Device:
    """One device as its owner published it; `signed`: the identity shown beside it vouches for it."""

    device_id: DeviceId
    curve25519: str
    ed25519: str
    signed: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """What one answer to `/keys/query` says of one user; `vouched` are devices that signed the master key."""

    master: str | None
    devices: tuple[Device, ...]
    vouched: frozenset[str] = frozenset()


@dataclass(slots=True)
class Person:
    """A member's identity and devices.

    `master` is the pinned master key, `shown` the one last published. `pinned` are the Ed25519 keys of
    pinned devices where no master key was. `known` is false until a first answer came. `stale`: the
    homeserver said that something changed, or nobody asked yet.
    """

    user: MatrixId
    master: str | None = None
    shown: str | None = None
    devices: tuple[Device, ...] = ()
    pinned: frozenset[str] = field(default_factory=frozenset)
    changed: bool = False
    known: bool = False
    stale: bool = True

    def update(self, shown: Shown) -> None:
        """Take in a new answer, pinning at first use; sets `changed` where it is another identity."""
        if not self.known:
            self._pin(shown)
        elif self.master is not None:
            self.changed = shown.master != self.master
        elif shown.master is not None and shown.vouched & self.pinned:
            # A pinned device set up cross-signing for itself: that is the same member, better protected.
            self.master = shown.master
        else:
            self.changed = shown.master is not None or any(
                device.ed25519 not in self.pinned for device in shown.devices
            )
        self.shown = shown.master
        self.devices = shown.devices
        # An account that has no keys yet has shown nothing that could be pinned.
        self.known = self.known or shown.master is not None or bool(shown.devices)
        self.stale = False

    def accept(self) -> None:
        """Pin what is shown now: the member said in the chat that the change is theirs."""
        self._pin(Shown(self.shown, self.devices))

    def _pin(self, shown: Shown) -> None:
        self.master = shown.master
        self.pinned = frozenset(device.ed25519 for device in shown.devices if shown.master is None)
        self.changed = False

    def counting(self) -> tuple[Device, ...]:
        """The devices that speak for the member and may receive, under the identity that is shown."""
        if self.shown is None and self.master is None:
            return self.devices
        return tuple(device for device in self.devices if device.signed)

    def device(self, curve25519: str, ed25519: str) -> Device | None:
        """The counting device with both keys, if there is one."""
        for device in self.counting():
            if device.curve25519 == curve25519 and device.ed25519 == ed25519:
                return device
        return None

    def to_row(self) -> bytes:
        """Plain bytes for a sealed row."""
        devices = [[d.device_id, d.curve25519, d.ed25519, d.signed] for d in self.devices]
        row = [
            self.user,
            self.master,
            self.shown,
            devices,
            sorted(self.pinned),
            self.changed,
            self.known,
            self.stale,
        ]
        return json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def from_row(cls, row: bytes) -> "Person":
        """The reverse of `to_row`."""
        user, master, shown, devices, pinned, changed, known, stale = json.loads(row)
        made = tuple(Device(DeviceId(d), curve, ed, signed) for d, curve, ed, signed in devices)
        return cls(user, master, shown, made, frozenset(pinned), changed, known, stale)


def read_query(answer: dict[str, Any], user: MatrixId, ours: Iterable[str]) -> Shown:
    """What `answer` (of `POST /keys/query`) says of `user`.

    `ours` are our own keys, which no other device may claim. Raises Malformed when the answer has nothing of
    the user at all, so that an answer that leaves somebody out is not read as "no devices".
    """
    found = answer.get("device_keys")
    if user.partition(":")[2] in border.part(answer, "failures"):
        raise Malformed("the user's server did not answer")
    if not isinstance(found, dict) or not isinstance(found.get(user), dict):
        raise Malformed("the answer leaves the user out")
    devices: dict[str, Any] = found[user]
    master_object = border.part(answer, "master_keys", user)
    master = _cross_key(master_object, user, "master")
    signing_object = border.part(answer, "self_signing_keys", user)
    signing = _cross_key(signing_object, user, "self_signing")
    if master is None or signing is None or not border.is_signed(signing_object, user, master, master):
        signing = None
    read: list[Device] = []
    taken = set(ours)
    vouched = set()
    for name, device_object in devices.items():
        try:
            device = border.attempt(_device, device_object, user, name, signing)
        except Malformed:
            continue
        if taken & {device.curve25519, device.ed25519}:
            continue
        taken |= {device.curve25519, device.ed25519}
        read.append(device)
        if master is not None and border.is_signed(master_object, user, device.device_id, device.ed25519):
            vouched.add(device.ed25519)
    read.sort(key=lambda device: (not device.signed, device.device_id))
    return Shown(master, tuple(read[:_MOST_DEVICES]), frozenset(vouched))


def _cross_key(value: dict[str, Any], user: str, usage: str) -> str | None:
    """The public key of a cross-signing key object (spec, "Cross-signing"), or None."""
    keys = border.part(value, "keys")
    if value.get("user_id") != user or usage not in border.items(value, "usage") or len(keys) != 1:
        return None
    try:
        ((name, public),) = keys.items()
        read = border.key(public)
    except Malformed:
        return None
    return read if name.removeprefix("ed25519:").rstrip("=") == read and name.startswith("ed25519:") else None


def _device(value: object, user: str, name: str, signing: str | None) -> Device:
    found = border.mapping(value)
    device = border.text(name)
    if found.get("user_id") != user or found.get("device_id") != device:
        raise Malformed("a device of another name")
    if not {OLM, MEGOLM} <= {each for each in border.items(found, "algorithms") if isinstance(each, str)}:
        raise Malformed("a device without our algorithms")
    keys = border.part(found, "keys")
    ed25519 = border.key(keys.get(f"ed25519:{device}"))
    curve25519 = border.key(keys.get(f"curve25519:{device}"))
    if not border.is_signed(found, user, device, ed25519):
        raise Malformed("a device that did not sign its keys")
    signed = signing is not None and border.is_signed(found, user, signing, signing)
    return Device(DeviceId(device), curve25519, ed25519, signed)
