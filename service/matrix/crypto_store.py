"""nio's store on our own sealed tables: memory first, changed rows marked until they are committed.

Guards:
- A change marks its row; nothing is written behind the caller's back. `changed()` gives the rows for a
  transaction, `committed()` forgets the marks that it covered; a row changed again meanwhile stays marked.
- Rows are named by keyed hashes and sealed by the store; pickles inside have a random key of their own, never
  nio's "DEFAULT_KEY".
- No database of nio's is ever opened: every method of `MatrixStore` is answered here, or refuses.
- A request that carries the product of a change (a claim, a to-device message, a key upload) goes out only
  after these rows are committed.
- Sessions lie in memory as pickles and exports, and are opened for each use: an open one takes kilobytes.
"""

import json
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn, Protocol

from nio.crypto.device import DeviceStore, OlmDevice, TrustState
from nio.crypto.key_request import OutgoingKeyRequest
from nio.crypto.memorystores import GroupSessionStore, SessionStore
from nio.crypto.sessions import InboundGroupSession, OlmAccount, Session
from nio.store.database import MatrixStore

from schema.errors import OperatorError
from schema.events import FromMatrix
from schema.ids import DeviceId, EventId, MatrixId, RoomId
from service.matrix import border
from service.matrix.chats import Chats
from service.matrix.devices import Device, Person, Shown
from service.matrix.room_keys import RoomKey, RoomKeys

_MOST_OLM_SESSIONS = 5
"""With one device; the least recently used goes."""

_MOST_STRANGERS = 2000
"""Devices of people with whom we share no room, whose Olm sessions are kept (a key may precede its room)."""

_MOST_OF_ONE = 100
"""Devices of one user with Olm sessions, as many as devices of theirs are kept; the least recent goes."""

NOBODY = MatrixId("")
"""Whose device it is is not known, or was forgotten; its next message says."""

Row = tuple[str, str]
"""The kind and the id of a row in table `crypto`."""


class Unread(Protocol):
    """One event that could not be read yet, as the store gives it back."""

    @property
    def id(self) -> str: ...
    @property
    def raw(self) -> bytes: ...
    @property
    def since(self) -> datetime: ...


class Lookup(Protocol):
    """The store's keyed hashes."""

    def lookup(self, column: str, value: str) -> str: ...


class Transaction(Protocol):
    """What this package asks of one transaction of the store."""

    async def take_in(self, events: Sequence[FromMatrix], received_at: datetime) -> None: ...
    async def mark_seen(self, event_ids: Collection[EventId], at: datetime) -> None: ...
    async def seen(self, event_ids: Collection[EventId]) -> set[EventId]: ...
    async def read_instance(self, name: str) -> bytes | None: ...
    async def write_instance(self, name: str, value: bytes | None) -> None: ...
    async def read_crypto(self) -> Sequence[tuple[str, str, bytes]]: ...
    async def write_crypto(self, rows: Mapping[Row, bytes | None]) -> None: ...
    async def read_chats(self) -> Sequence[tuple[str, bytes]]: ...
    async def write_chats(self, rows: Mapping[str, bytes | None]) -> None: ...
    async def keep_unread(self, event_id: EventId, raw: bytes, since: datetime) -> None: ...
    async def unread_since(self, before: datetime) -> Sequence[Unread]: ...
    async def drop_unread(self, ids: Collection[str]) -> None: ...


class Records(Protocol):
    """What this package asks of the store."""

    @property
    def seal(self) -> Lookup: ...

    def transaction(self, name: str) -> AbstractAsyncContextManager[Transaction]: ...


@dataclass(frozen=True)
class Changed:
    """Rows for one transaction: plain bytes, or None for a row that goes; `marks` name the changes."""

    rows: dict[Row, bytes | None]
    marks: dict[Row, int]


class CryptoRows:
    """The marks of changed rows. `lookup(column, value)` makes a row's id: 32 hexadecimal characters."""

    def __init__(self, lookup: Callable[[str, str], str]) -> None:
        self._lookup = lookup
        self._marks: dict[Row, int] = {}
        self._make: dict[Row, Callable[[], bytes | None]] = {}
        self._count = 0

    def mark(self, kind: str, name: str, make: Callable[[], bytes | None]) -> None:
        """Row `name` of `kind` changed; `make` gives its bytes (None: it goes) when they are asked for."""
        row = (kind, self._lookup(f"crypto.{kind}", name))
        self._count += 1
        self._marks[row] = self._count
        self._make[row] = make

    @property
    def waiting(self) -> int:
        """How many rows wait for a transaction."""
        return len(self._make)

    def changed(self) -> Changed:
        """The rows that changed and are not committed yet."""
        return Changed({row: make() for row, make in self._make.items()}, dict(self._marks))

    def committed(self, changed: Changed) -> None:
        """These rows are on disk now."""
        for row, mark in changed.marks.items():
            if self._marks.get(row) == mark:
                del self._marks[row], self._make[row]


@dataclass(slots=True)
class OlmSession:
    """One session with one device, pickled."""

    session_id: str
    pickle: bytes
    used_at: int


@dataclass(slots=True)
class Correspondent:
    """All sessions with one device, by its Curve25519 key, most recently used first."""

    user: MatrixId
    sessions: list[OlmSession]


def device_of(kept: Iterable[tuple[str, str, bytes]]) -> str | None:
    """Return the device that the `kept` rows are the encryption state of; None where there is no account."""
    for kind, _, row in kept:
        if kind == "account":
            return str(json.loads(row)["device"])
    return None


class SealedStore(MatrixStore):
    """The encryption state of one device, in memory; `rows` keeps what changed.

    `people`, `room_keys`, `correspondents` and `chats` are what the front desk works with; nio's own methods
    give the same in nio's classes, so that nio's machine runs on this store as on its own. Trust is nobody's
    to set: it follows from what was pinned (`devices`). What a call marks, the caller commits.
    """

    def __init__(
        self,
        user: MatrixId,
        device: DeviceId,
        rows: CryptoRows,
        made_at: datetime,
        chats: Chats | None = None,
    ) -> None:
        # The parent's own would open a database for its models.
        self.models = []
        self.user_id = user
        self.device_id = device
        self.rows = rows
        self.made_at = made_at
        self.chats = Chats(user) if chats is None else chats
        self.pickle_key = secrets.token_hex(32)
        self.account: OlmAccount | None = None
        self.correspondents: dict[str, Correspondent] = {}
        self.people: dict[MatrixId, Person] = {}
        self.room_keys = RoomKeys(rows.mark)
        self._used = 0
        self._sync_token: str | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"  # The parent's has the pickle key in it.

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __post_init__(self) -> None:
        self._refuse()

    def _refuse(self, *_: object) -> NoReturn:
        raise RuntimeError("this store has no database of its own")

    _create_database = upgrade_to_v2 = _get_store_version = _update_version = _get_account = _refuse

    # ---- at rest

    @classmethod
    def load(
        cls,
        user: MatrixId,
        device: DeviceId,
        rows: CryptoRows,
        kept: Iterable[tuple[str, str, bytes]],
        now: datetime,
        chats: Chats | None = None,
    ) -> "SealedStore":
        """The store that `kept` rows describe; an empty one, made `now`, where there are none.

        Raises OperatorError where the rows are another device's.
        """
        store = cls(user, device, rows, now, chats)
        for kind, _, row in kept:
            if kind == "account":
                store._read_account(row)
            elif kind == "olm":
                store._read_olm(row)
            elif kind == "megolm":
                store.room_keys.restore(row)
            elif kind == "person":
                person = Person.from_row(row)
                store.people[person.user] = person
        return store

    def _read_account(self, row: bytes) -> None:
        kept = json.loads(row)
        if (kept["user"], kept["device"]) != (self.user_id, self.device_id):
            raise OperatorError(
                "The encryption keys in the database belong to another device than the one configured",
                fix="Put back the device id that `alongside init` wrote, or sign the front desk in again with"
                " `alongside init --sign-in desk`, which gives it a new device.",
                key="desk.device_id",
            )
        self.pickle_key = kept["key"]
        self.account = OlmAccount.from_pickle(kept["pickle"].encode(), self.pickle_key, kept["published"])
        self.made_at = datetime.fromisoformat(kept["made_at"])

    def _account_row(self) -> bytes | None:
        if self.account is None:
            return None
        row = {
            "user": self.user_id,
            "device": self.device_id,
            "key": self.pickle_key,
            "pickle": self.account.pickle(self.pickle_key).decode(),
            "published": self.account.shared,
            "made_at": self.made_at.isoformat(),
        }
        return json.dumps(row).encode()

    def _read_olm(self, row: bytes) -> None:
        curve25519, user, sessions = json.loads(row)
        kept = [OlmSession(name, pickle.encode(), used_at) for name, pickle, used_at in sessions]
        self.correspondents[curve25519] = Correspondent(user, kept)
        self._used = max([self._used, *(each.used_at for each in kept)])

    def _mark_olm(self, curve25519: str) -> None:
        def make() -> bytes | None:
            found = self.correspondents.get(curve25519)
            if found is None:
                return None
            kept = [[each.session_id, each.pickle.decode(), each.used_at] for each in found.sessions]
            return json.dumps([curve25519, found.user, kept]).encode()

        self.rows.mark("olm", curve25519, make)

    def mark_person(self, user: MatrixId) -> None:
        """The record of `user` changed or went."""

        def make() -> bytes | None:
            found = self.people.get(user)
            return None if found is None else found.to_row()

        self.rows.mark("person", user, make)

    # ---- the account

    def load_account(self) -> OlmAccount | None:
        """Our account itself, not a copy; None where none was saved."""
        return self.account

    def save_account(self, account: OlmAccount) -> None:
        """Keep `account`, and pickle it as it is when the transaction comes."""
        self.account = account
        self.rows.mark("account", "account", self._account_row)

    # ---- Olm sessions

    def open_session(self, kept: OlmSession) -> Session:
        """One of a correspondent's sessions, ready for use; `keep_session` keeps what the use changed."""
        # The times say in which order the sessions were used, and nothing else.
        used_at = datetime.min + timedelta(seconds=kept.used_at)  # noqa: DTZ901  nio's times have no zone.
        return Session.from_pickle(kept.pickle, used_at, self.pickle_key, used_at)

    def keep_session(self, user: MatrixId, curve25519: str, session: Session) -> None:
        """Keep `session` with the device of `user` as the one used last."""
        self._used += 1
        found = self.correspondents.pop(curve25519, None) or Correspondent(user, [])
        found.user = user
        # Taken out and put back, the most recent correspondent is last: the first strangers are the oldest.
        self.correspondents[curve25519] = found
        name = session.id
        others = [each for each in found.sessions if each.session_id != name]
        fresh = OlmSession(name, session.pickle(self.pickle_key), self._used)
        found.sessions = [fresh, *others][:_MOST_OLM_SESSIONS]
        self._mark_olm(curve25519)

    def load_sessions(self) -> SessionStore:
        """Every Olm session, opened."""
        store = SessionStore()
        for curve25519, found in self.correspondents.items():
            for each in found.sessions:
                store.add(curve25519, self.open_session(each))
        return store

    def save_session(self, curve_key: str, session: Session) -> None:
        """Keep a session with the device that has `curve_key`, whose owner is looked up."""
        self.keep_session(self._owner(curve_key), curve_key, session)

    def _owner(self, curve25519: str) -> MatrixId:
        """Whose device has that key; nobody's where we know of none."""
        if (found := self.correspondents.get(curve25519)) is not None and found.user:
            return found.user
        for person in self.people.values():
            if any(device.curve25519 == curve25519 for device in person.devices):
                return person.user
        return NOBODY

    # ---- Megolm sessions

    def load_inbound_group_sessions(self) -> GroupSessionStore:
        """Every inbound session, opened at the first index that it still reads."""
        store = GroupSessionStore()
        for key in self.room_keys:
            store.add(key.open())
        return store

    def save_inbound_group_session(self, session: InboundGroupSession) -> None:
        """Keep a session that came from its owner's device.

        Not kept: our own, since whoever has the store would read all that the desk ever wrote, and forwarded
        ones. The first to come under a name stays.
        """
        ours = self.account is not None and session.sender_key == self.account.identity_keys["curve25519"]
        if ours or session.forwarding_chain:
            return
        self.room_keys.keep(RoomKey.of(self._owner(session.sender_key), session))

    # ---- devices, and whom to trust

    def load_device_keys(self) -> DeviceStore:
        """Everybody's devices, with the trust that follows from what was pinned."""
        store = DeviceStore()
        for person in self.people.values():
            for device in person.devices:
                keys = {"ed25519": device.ed25519, "curve25519": device.curve25519}
                trust = self._trust(person, device)
                store.add(OlmDevice(person.user, device.device_id, keys, trust_state=trust))
        return store

    def save_device_keys(self, device_keys: Mapping[str, Mapping[str, OlmDevice]]) -> None:
        """Take in devices that nio read. It reads no cross-signing: what is new among them is not signed."""
        for name, given in device_keys.items():
            user = border.matrix_id(name)
            person = self.people.setdefault(user, Person(user))
            devices = {device.device_id: device for device in person.devices}
            for each in given.values():
                fresh = Device(DeviceId(each.id), each.curve25519, each.ed25519, False)
                known = devices.pop(fresh.device_id, fresh)
                if not each.deleted:
                    same = (known.curve25519, known.ed25519) == (fresh.curve25519, fresh.ed25519)
                    devices[fresh.device_id] = known if same else fresh
            person.update(Shown(person.shown, tuple(devices.values())))
            self.mark_person(user)

    @staticmethod
    def _trust(person: Person, device: Device) -> TrustState:
        """Verified: signed by the pinned identity. Ignored (nio's word for used as it is): pinned itself."""
        if person.changed or device not in person.counting():
            return TrustState.blacklisted
        return TrustState.verified if device.signed else TrustState.ignored

    def _trust_of(self, device: OlmDevice) -> TrustState:
        person = self.people.get(MatrixId(device.user_id))
        for each in person.devices if person is not None else ():
            same = (each.device_id, each.curve25519, each.ed25519)
            if person is not None and same == (device.id, device.curve25519, device.ed25519):
                return self._trust(person, each)
        return TrustState.unset

    def is_device_verified(self, device: OlmDevice) -> bool:
        """Whether the member's pinned identity signed it."""
        return self._trust_of(device) == TrustState.verified

    def is_device_ignored(self, device: OlmDevice) -> bool:
        """Whether it is pinned itself, its owner having no identity."""
        return self._trust_of(device) == TrustState.ignored

    def is_device_blacklisted(self, device: OlmDevice) -> bool:
        """Whether its owner's identity changed, or does not vouch for it: nothing is sent to it."""
        return self._trust_of(device) == TrustState.blacklisted

    def _not_set(self, device: OlmDevice) -> bool:
        """Trust is pinned, not set: nothing is changed, and False says so."""
        return False

    verify_device = unverify_device = blacklist_device = unblacklist_device = _not_set
    ignore_device = unignore_device = _not_set

    def ignore_devices(self, devices: list[OlmDevice]) -> None:
        """Trust is pinned, not set: nothing is changed."""

    # ---- what else nio keeps

    def load_encrypted_rooms(self) -> set[str]:
        """The rooms that we are in and that were ever seen encrypted."""
        return {chat.room for chat in self.chats.all() if chat.encrypted}

    def save_encrypted_rooms(self, rooms: Iterable[str]) -> None:
        """Note that these are encrypted; which algorithm they have, their state will say."""
        for room in rooms:
            chat = self.chats.enter(RoomId(room))
            if not chat.encrypted:
                chat.encrypted = True
                self.chats.changed.add(chat.room)

    def delete_encrypted_room(self, room: str) -> None:
        """Nothing: a room is encrypted for as long as we are in it, and goes from `chats` when we leave."""

    def load_sync_token(self) -> str | None:
        """The token of the last batch that was taken in."""
        return self._sync_token

    def save_sync_token(self, token: str) -> None:
        """Keep the token; its row is written with the batch that it belongs to (`sync`), never before."""
        self._sync_token = token

    def load_outgoing_key_requests(self) -> dict[str, OutgoingKeyRequest]:
        """None: we ask nobody for room keys."""
        return {}

    def add_outgoing_key_request(self, key_request: OutgoingKeyRequest) -> None:
        """Refused: we ask nobody for room keys, and take none that was asked for."""
        raise RuntimeError("no room key is asked for")

    def remove_outgoing_key_request(self, key_request: OutgoingKeyRequest) -> None:
        """Nothing: there is none."""

    # ---- what goes

    def forget_people(self, among: Callable[[MatrixId], bool]) -> None:
        """Drop people for whom `among` is false, and, past a bound, their sessions."""
        for user in [each for each in self.people if not among(each)]:
            del self.people[user]
            self.mark_person(user)
        strangers = [key for key, found in self.correspondents.items() if not among(found.user)]
        for curve25519 in strangers[:-_MOST_STRANGERS]:
            del self.correspondents[curve25519]
            self._mark_olm(curve25519)
        of_one: dict[MatrixId, int] = {}
        for curve25519, found in reversed(list(self.correspondents.items())):
            of_one[found.user] = of_one.get(found.user, 0) + 1
            if of_one[found.user] > _MOST_OF_ONE and found.user != NOBODY:
                del self.correspondents[curve25519]
                self._mark_olm(curve25519)
        self.room_keys.forget_strangers(among)

    def forget(self, user: MatrixId) -> None:
        """Keep nothing that names `user`: we share no room with them any more.

        The sessions with their devices stay, without a name: whoever comes back goes on with them, and
        without ours nothing that they write could be read until their client makes new ones.
        """
        if self.people.pop(user, None) is not None:
            self.mark_person(user)
        for curve25519, found in self.correspondents.items():
            if found.user == user:
                found.user = NOBODY
                self._mark_olm(curve25519)
