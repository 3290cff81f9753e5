"""nio's own machine runs on our sealed store: what it keeps survives, and nio's database is never opened."""

import inspect
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from nio.crypto.device import OlmDevice
from nio.crypto.key_request import OutgoingKeyRequest
from nio.crypto.olm_machine import Olm
from nio.events import MegolmEvent, RoomMessageText
from nio.events.to_device import RoomKeyEvent, ToDeviceEvent
from nio.responses import KeysClaimResponse, KeysQueryResponse, KeysUploadResponse
from nio.store.database import MatrixStore

from schema.errors import OperatorError
from schema.ids import DeviceId, MatrixId, RoomId
from service.matrix.crypto_store import CryptoRows, SealedStore
from service.matrix.devices import Device, Person, Shown
from service.matrix.machine import Machine
from service.store import Store
from tests import databases
from tests.clock import FakeClock
from tests.matrix.desk import Desk
from tests.matrix.homeserver import Homeserver
from tests.matrix.peer import Peer

ALICE = MatrixId("@alice:home.test")
BOB = MatrixId("@bob:home.test")
ROOM = RoomId("!chat")
JSON = dict[str, Any]


class Side:
    """One of two who talk: nio's machine on a sealed store on a database of its own."""

    def __init__(self, user: MatrixId, database: Path) -> None:
        self.user = user
        self.device = DeviceId(f"{user[1:4].upper()}DEVICE")
        self.database = database
        self.disk: Store
        self.store: SealedStore
        self.olm: Olm

    async def load(self) -> None:
        """Begin from what is on disk."""
        self.disk = await databases.opened(self.database)
        async with self.disk.transaction("load") as transaction:
            kept = await transaction.read_crypto()
        rows = CryptoRows(self.disk.seal.lookup)
        self.store = SealedStore.load(self.user, self.device, rows, kept, FakeClock().now())
        self.olm = Olm(self.user, self.device, self.store)

    async def restart(self) -> None:
        """Commit what changed, forget everything, and begin again."""
        changed = self.store.rows.changed()
        async with self.disk.transaction("flush") as transaction:
            await transaction.write_crypto(changed.rows)
        self.store.rows.committed(changed)
        assert self.store.rows.waiting == 0
        await self.disk.close()
        await self.load()

    def upload(self) -> JSON:
        """What it publishes, published."""
        body = self.olm.share_keys()
        answer = {"one_time_key_counts": {"signed_curve25519": len(body["one_time_keys"])}}
        self.olm.handle_response(KeysUploadResponse.from_dict(answer))
        return body

    def learn(self, other: "Side", device_keys: JSON) -> None:
        """Take in the other's device."""
        answer = {"device_keys": {other.user: {other.device: device_keys}}, "failures": {}}
        self.olm.handle_response(KeysQueryResponse.from_dict(answer))

    def share(self, other: "Side") -> RoomKeyEvent:
        """Send the other the room key; what they make of it."""
        shared_with, messages = self.olm.share_group_session(ROOM, [other.user])
        assert shared_with == {(other.user, other.device)}
        self.olm.outbound_group_sessions[ROOM].mark_as_shared()
        content = messages["messages"][other.user][other.device]
        event: JSON = {"type": "m.room.encrypted", "sender": self.user, "content": content}
        found: RoomKeyEvent = other.olm.handle_to_device_event(ToDeviceEvent.parse_event(event))
        return found

    def say(self, body: str, event_id: str) -> MegolmEvent:
        """One encrypted message."""
        payload = {"type": "m.room.message", "content": {"msgtype": "m.text", "body": body}}
        content = self.olm.group_encrypt(ROOM, payload)
        event: JSON = {"type": "m.room.encrypted", "sender": self.user, "content": content}
        event |= {"event_id": event_id, "origin_server_ts": 1, "room_id": ROOM}
        found: MegolmEvent = MegolmEvent.from_dict(event)
        return found

    def hear(self, event: MegolmEvent) -> str:
        """The body of a message."""
        found = self.olm.decrypt_megolm_event(event, ROOM)
        assert isinstance(found, RoomMessageText)
        return found.body


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Side, Side]]:
    """Alice and Bob, who know each other's devices, and an Olm session of Alice's with Bob."""
    alice, bob = Side(ALICE, tmp_path / "alice.db"), Side(BOB, tmp_path / "bob.db")
    await alice.load()
    await bob.load()
    hers, his = alice.upload(), bob.upload()
    alice.learn(bob, his["device_keys"])
    bob.learn(alice, hers["device_keys"])
    name, key = next(iter(his["one_time_keys"].items()))
    claimed = {"one_time_keys": {BOB: {bob.device: {name: key}}}, "failures": {}}
    alice.olm.handle_response(KeysClaimResponse.from_dict(claimed, ROOM))
    yield alice, bob
    await alice.disk.close()
    await bob.disk.close()


async def test_nios_machine_talks_on_our_store(pair: tuple[Side, Side]) -> None:
    """A room key and messages go from one to the other, before and after both begin from their disks."""
    alice, bob = pair
    assert isinstance(alice.share(bob), RoomKeyEvent)
    first, second = alice.say("before", "$1"), alice.say("after", "$2")
    assert bob.hear(first) == "before"
    accounts = [dict(side.store.account.identity_keys) for side in pair if side.store.account]
    await alice.restart()
    await bob.restart()
    assert [dict(side.store.account.identity_keys) for side in pair if side.store.account] == accounts
    assert all(side.store.account is not None and side.store.account.shared for side in pair)
    assert bob.hear(second) == "after"
    # Both sides of the Olm session are there as well: the next room key goes without another claim.
    assert isinstance(alice.share(bob), RoomKeyEvent)
    assert bob.hear(alice.say("again", "$3")) == "again"
    assert isinstance(bob.share(alice), RoomKeyEvent)
    assert alice.hear(bob.say("answer", "$4")) == "answer"


async def test_a_seized_store_cannot_read_what_its_owner_wrote(pair: tuple[Side, Side]) -> None:
    """The inbound copy of one's own session, which nio would keep, does not reach the store."""
    alice, bob = pair
    alice.share(bob)
    own = alice.say("mine", "$1")
    assert alice.hear(own) == "mine"
    await alice.restart()
    assert list(alice.store.room_keys) == []
    assert [key.owner for key in bob.store.room_keys] == [ALICE]


async def test_every_method_is_ours() -> None:
    """No method of nio's store is left that would reach its database."""
    theirs = {name for name, value in vars(MatrixStore).items() if callable(value) and name[:2] != "__"}
    assert len(theirs) > 30
    left = [name for name in theirs if getattr(SealedStore, name) is getattr(MatrixStore, name)]
    assert left == []
    for name in ("__init__", "__repr__", "__eq__", "__hash__", "__post_init__"):
        assert name in vars(SealedStore)
    assert "peewee" not in inspect.getsource(sys.modules[SealedStore.__module__])


async def test_no_database_of_nios_is_opened(pair: tuple[Side, Side], tmp_path: Path) -> None:
    """Each method answers or refuses, none with an error of the database, and no file appears."""
    alice, _ = pair
    device = next(iter(alice.store.load_device_keys()))
    request = OutgoingKeyRequest("id", "session", ROOM, "algorithm")
    calls: list[Callable[[], object]] = [
        alice.store.load_account,
        alice.store.load_sessions,
        alice.store.load_inbound_group_sessions,
        alice.store.load_outgoing_key_requests,
        lambda: alice.store.remove_outgoing_key_request(request),
        lambda: alice.store.ignore_devices([device]),
        lambda: alice.store.delete_encrypted_room(ROOM),
    ]
    for call in calls:
        call()
    refused: list[Callable[[], object]] = [
        lambda: alice.store.add_outgoing_key_request(request),
        alice.store.__post_init__,
        alice.store._create_database,
        alice.store._get_store_version,
        alice.store.upgrade_to_v2,
        alice.store._get_account,
    ]
    for call in refused:
        with pytest.raises(RuntimeError):
            call()
    assert alice.store.models == []
    assert not hasattr(alice.store, "database")
    assert _databases(tmp_path) == {"alice.db", "bob.db"}


def _databases(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix == ".db"}


async def test_rooms_and_token(pair: tuple[Side, Side]) -> None:
    """What nio says of rooms and of the sync token is what the front desk knows."""
    alice, _ = pair
    assert alice.store.load_sync_token() is None
    alice.store.save_sync_token("s1")
    assert alice.store.load_sync_token() == "s1"
    alice.store.save_encrypted_rooms([ROOM])
    assert alice.store.load_encrypted_rooms() == {ROOM}
    assert alice.store.chats.changed == {ROOM}
    alice.store.delete_encrypted_room(ROOM)
    assert alice.store.load_encrypted_rooms() == {ROOM}
    alice.store.chats.drop(ROOM)
    assert alice.store.load_encrypted_rooms() == set()


async def test_the_desks_rooms_and_token_are_nios_after_a_restart(desk: Desk, server: Homeserver) -> None:
    """The store of a running desk has its chats and the token of the last batch, from the disk too."""
    alice = Peer(server, ALICE)
    alice.cross_sign()
    room = await desk.chat_with(alice)
    for restarts in (0, 1):
        if restarts:
            token = desk.client.machine.store.load_sync_token()
            await desk.restart()
            await desk.sync._restore()
            assert desk.client.machine.store.load_sync_token() == token
        store = desk.client.machine.store
        assert store.load_sync_token() == desk.sync._token is not None
        assert store.load_encrypted_rooms() == {room}
        assert [device.user_id for device in store.load_device_keys()] == [ALICE]


async def test_trust_is_what_was_pinned(pair: tuple[Side, Side]) -> None:
    """A signed device is verified, a pinned one is used, any other is blacklisted, and nobody sets it."""
    alice, _ = pair
    store = alice.store
    signed = Device(DeviceId("SIGNED"), "curve one", "ed one", True)
    unsigned = Device(DeviceId("UNSIGNED"), "curve two", "ed two", False)
    carol = store.people[MatrixId("@carol:home.test")] = Person(MatrixId("@carol:home.test"))
    carol.update(Shown("master", (signed, unsigned)))
    found = {device.id: device for device in store.load_device_keys()}
    assert found["SIGNED"].verified
    assert found["UNSIGNED"].blacklisted
    assert store.is_device_verified(found["SIGNED"])
    assert store.is_device_blacklisted(found["UNSIGNED"])
    assert store.is_device_ignored(found["BOBDEVICE"])
    for set_trust in (store.verify_device, store.ignore_device, store.unblacklist_device):
        assert not set_trust(found["UNSIGNED"])
    assert store.is_device_blacklisted(found["UNSIGNED"])
    # Another key under a known name is another device.
    other = OlmDevice(carol.user, "SIGNED", {"ed25519": "ed one", "curve25519": "curve three"})
    assert not store.is_device_verified(other)
    # nio reads no signatures of identities: what it brings is not signed.
    store.save_device_keys({carol.user: {"SIGNED": other}})
    assert store.is_device_blacklisted(other)
    carol.update(Shown("another master", (signed,)))
    assert store.is_device_blacklisted(found["SIGNED"])


async def test_the_pickle_key_is_random_and_not_shown(pair: tuple[Side, Side]) -> None:
    """Each store has a key of its own, which stays after a restart and is in no representation."""
    alice, bob = pair
    keys = {alice.store.pickle_key, bob.store.pickle_key}
    assert len(keys) == 2
    assert not keys & {"", "DEFAULT_KEY"}
    assert alice.store.pickle_key not in repr(alice.store)
    await alice.restart()
    assert alice.store.pickle_key in keys


async def test_another_devices_rows_are_refused_with_a_fix(pair: tuple[Side, Side]) -> None:
    """A device id that was changed by hand stops the start with an explanation."""
    alice, _ = pair
    await alice.restart()
    async with alice.disk.transaction("load") as transaction:
        kept = await transaction.read_crypto()
    with pytest.raises(OperatorError) as refused:
        Machine.load(ALICE, DeviceId("OTHER"), alice.store.rows, kept, FakeClock().now())
    assert "alongside init --sign-in desk" in refused.value.fix
