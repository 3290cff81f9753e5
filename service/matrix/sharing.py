"""Our own room keys: made, given to the devices that may have them, and replaced.

Guards:
- A room key goes to each counting device of each joined member, compared by user, device and key; not to
  somebody invited, not to another device of ours. Where no device of the member can be reached, that is said.
- It is replaced by count, by age, and when a device or a person that had it went.
- We keep no inbound copy and write none of it to disk: a seized desk can't read what the desk wrote.
- The sessions behind a to-device message are committed before it goes out.
- One bad device, or one without one-time keys, holds up no other.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from nio.api import Api
from nio.crypto.sessions import OutboundGroupSession

from schema.errors import HomeserverRefused, Malformed, Unreachable, WorldError
from schema.ids import DeviceId, MatrixId, RoomId
from service.clock import Clock
from service.matrix import border
from service.matrix.devices import MEGOLM, Device, Person
from service.matrix.machine import Machine
from service.matrix.transport import NO_TOKEN, Transport

_LONGEST_USE = 7 * 24 * 3600.0
"""Seconds; the spec's default for `m.room.encryption`, as nio's most messages of a session are."""

_TRY_DEVICE_AGAIN = 300.0
_CLAIM_SECONDS = 5.0
_UNWEDGE_AGAIN = 3600.0
_UNWEDGE_AT_ONCE = 5

Holder = tuple[MatrixId, DeviceId, str]
"""A user, a device and its Curve25519 key."""


@dataclass(slots=True)
class RoomSession:
    """One outbound Megolm session; `compared` are the device lists that it was last compared with."""

    session: OutboundGroupSession
    members: frozenset[MatrixId]
    made_at: float
    holders: set[Holder] = field(default_factory=set)
    compared: dict[MatrixId, tuple[Device, ...]] = field(default_factory=dict)
    again_at: float | None = None

    @classmethod
    def new(cls, members: frozenset[MatrixId], now: float) -> "RoomSession":
        """A fresh one, which nobody has yet."""
        session = OutboundGroupSession()
        # nio asks the wall clock, which may jump, and then refuses to encrypt: its age is judged here alone.
        session.max_age = timedelta.max
        return cls(session, members, now)

    def worn(self, now: float) -> bool:
        """Whether it was used enough."""
        return self.session.message_count >= self.session.max_messages or now - self.made_at > _LONGEST_USE


class Sharing:
    """The outbound sessions of all rooms. `save` commits the machine's changed rows."""

    def __init__(
        self,
        transport: Transport,
        machine: Callable[[], Machine],
        save: Callable[[], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._machine = machine
        self._save = save
        self._sessions: dict[RoomId, RoomSession] = {}
        self._unwedged: dict[str, float] = {}

    def drop(self, room: RoomId) -> None:
        """The next message in `room` gets a new session."""
        self._sessions.pop(room, None)

    def drop_all(self) -> None:
        """Every next message gets a new session: the machine was loaded anew."""
        self._sessions.clear()

    async def session(self, room: RoomId, *people: Person) -> RoomSession:
        """A session for `room` that the devices of `people`, who are in it, hold.

        Raises WorldError where none of them can be reached now.
        """
        now = self._clock.monotonic()
        found = self._sessions.get(room)
        members = frozenset(person.user for person in people)
        if (
            found is not None
            and found.members == members
            and not found.worn(now)
            and all(found.compared.get(person.user) is person.devices for person in people)
            and (found.again_at is None or now < found.again_at)
        ):
            return found
        devices = {
            (person.user, device.device_id, device.curve25519): device
            for person in people
            for device in person.counting()
        }
        if not devices:
            raise Unreachable("share: no device of the member counts")
        gone = found is None or bool(found.holders - devices.keys()) or found.members != members
        if found is None or gone or found.worn(now):
            found = self._sessions[room] = RoomSession.new(members, now)
        compared = {person.user: person.devices for person in people}
        for user in members:
            lacking = [
                device
                for holder, device in devices.items()
                if holder[0] == user and holder not in found.holders
            ]
            await self._share(room, found, user, lacking)
        if not found.holders:
            raise Unreachable("share: no device of the member took the key")
        if self._sessions.get(room) is not found:
            raise Unreachable("share: overtaken")
        missed = len(found.holders) < len(devices)
        found.again_at = now + _TRY_DEVICE_AGAIN if missed else None
        found.compared = compared
        return found

    def encrypt(
        self, room: RoomId, session: RoomSession, type_: str, content: dict[str, Any]
    ) -> dict[str, Any]:
        """The content of an `m.room.encrypted` event (spec, "m.megolm.v1.aes-sha2")."""
        plaintext = Api.to_canonical_json({"type": type_, "content": content, "room_id": room})
        machine = self._machine()
        return {
            "algorithm": MEGOLM,
            "ciphertext": session.session.encrypt(plaintext),
            "session_id": session.session.id,
            "sender_key": machine.curve25519,
            "device_id": machine.device_id,
        }

    async def _share(
        self, room: RoomId, session: RoomSession, user: MatrixId, devices: Sequence[Device]
    ) -> None:
        machine = self._machine()
        await self._claim(
            machine, user, [each for each in devices if not machine.has_session(each.curve25519)]
        )
        content = {
            "algorithm": MEGOLM,
            "room_id": room,
            "session_id": session.session.id,
            "session_key": session.session.session_key,
        }
        messages: dict[str, Any] = {}
        holders: set[Holder] = set()
        for device in devices:
            try:
                messages[device.device_id] = machine.encrypt_to_device(user, device, "m.room_key", content)
            except Malformed:
                continue
            holders.add((user, device.device_id, device.curve25519))
        if messages:
            await self._send(machine, user, messages)
            session.holders |= holders
            session.session.mark_as_shared()

    async def _send(self, machine: Machine, user: MatrixId, messages: dict[str, Any]) -> None:
        await self._save()
        if machine is not self._machine():
            raise Unreachable("share: the machine was loaded anew")
        body = {"messages": {user: messages}}
        asked = Api.to_device(NO_TOKEN, "m.room.encrypted", body, secrets.token_hex(16))
        await self._transport.ask("send to device", asked)

    async def _claim(self, machine: Machine, user: MatrixId, devices: Sequence[Device]) -> None:
        """Start Olm sessions with `devices`, as many as give a key that they signed."""
        if not devices:
            return
        asked = Api.keys_claim(NO_TOKEN, {user: [device.device_id for device in devices]})
        more = {"timeout": round(_CLAIM_SECONDS * 1000)}
        try:
            answer = await self._transport.ask("keys claim", asked, more=more, timeout=_CLAIM_SECONDS + 5)
        except HomeserverRefused:
            raise Unreachable("share: the claim was refused") from None
        if machine is not self._machine():
            raise Unreachable("share: the machine was loaded anew")
        for device in devices:
            keys = border.part(answer, "one_time_keys", user, device.device_id)
            for name, claimed in list(keys.items())[:1]:
                if name.startswith("signed_curve25519:"):
                    try:
                        border.attempt(machine.start_session, user, device, claimed)
                    except Malformed:
                        continue

    async def unwedge(self) -> None:
        """Start new sessions with devices whose Olm messages we couldn't read, each at most once an hour.

        As the spec says ("Recovering from undecryptable messages"), the new session is made known with an
        `m.dummy`. Raises nothing but SignedOut.
        """
        machine = self._machine()
        now = self._clock.monotonic()
        self._unwedged = {key: at for key, at in self._unwedged.items() if now - at < _UNWEDGE_AGAIN}
        for curve25519, user in list(machine.wedged.items())[:_UNWEDGE_AT_ONCE]:
            del machine.wedged[curve25519]
            person = machine.people.get(user)
            found = [each for each in person.counting() if each.curve25519 == curve25519] if person else []
            if not found or curve25519 in self._unwedged:
                continue
            self._unwedged[curve25519] = now
            try:
                await self._claim(machine, user, found)
                message = machine.encrypt_to_device(user, found[0], "m.dummy", {})
                await self._send(machine, user, {found[0].device_id: message})
            except (WorldError, HomeserverRefused, Malformed):
                continue
