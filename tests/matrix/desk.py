"""The front desk under test: our client and sync, started, stopped and started again like a process."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from schema.events import FromMatrix, Message
from schema.ids import DeviceId, MatrixId, OutboxId, RoomId
from service.matrix.client import Client
from service.matrix.sync import TOKEN, Sync
from service.store import Store
from tests import databases
from tests.clock import FakeClock
from tests.matrix.homeserver import Homeserver
from tests.matrix.peer import Peer

DESK = MatrixId("@desk:home.test")
DEVICE = DeviceId("DESKDEVICE")


class Steps:
    """Notes the steps of verifications that it is given."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, RoomId | None]] = []
        self.due: datetime | None = None

    async def expire(self) -> None:
        """Nothing is under way here."""

    async def handle(
        self, sender: MatrixId, event_type: str, content: dict[str, Any], room: RoomId | None, event_id: str
    ) -> None:
        """Note one step."""
        self.taken.append((sender, event_type, room))


class Desk:
    """One run after another of the front desk, on one database."""

    def __init__(self, server: Homeserver, database: Path, patience: timedelta) -> None:
        self.server = server
        self.database = database
        self.patience = patience
        self.clock = FakeClock()
        self.woken = 0
        self.steps = Steps()
        self.store: Store
        self.client: Client
        self.sync: Sync

    async def start(self) -> None:
        """Begin a run."""
        self.store = await databases.opened(self.database)
        transport = self.server.transport(DESK, DEVICE)
        self.client = Client(transport, self.store, DESK, DEVICE, self.clock)
        self.sync = Sync(
            transport, self.client, self.store, self.clock, self._wake, self.steps, patience=self.patience
        )
        await self.client.start()

    def _wake(self) -> None:
        self.woken += 1

    async def kept_token(self) -> str | None:
        """The sync token that is on disk."""
        async with self.store.reading() as transaction:
            kept = await transaction.read_instance(TOKEN)
        return None if kept is None else kept.decode()

    async def close(self) -> None:
        """End the run; what is only in memory is lost, as in a crash."""
        await self.store.close()

    async def restart(self) -> None:
        """End the run and begin another."""
        await self.close()
        await self.start()

    async def inbox(self) -> list[FromMatrix]:
        """What lies in the inbox."""
        async with self.store.transaction("test") as transaction:
            return [row.event for row in await transaction.inbox(1000)]

    async def heard(self) -> list[str]:
        """The bodies of all messages in the inbox."""
        return [event.body for event in await self.inbox() if isinstance(event, Message)]

    async def chat_with(self, peer: Peer, name: str = "!chat") -> RoomId:
        """An encrypted chat of the desk with `peer`, synced."""
        room = self.server.create_room(name)
        self.server.member(room, peer.user, "join")
        self.server.member(room, DESK, "join")
        await self.sync.step()
        return room

    async def say(self, room: RoomId, body: str, transaction: str = "one", **more: Any) -> str:
        """Send a message."""
        return await self.client.send_text(room, body, False, OutboxId(transaction), **more)
