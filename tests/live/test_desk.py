"""The front desk and real members, against a real homeserver."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from schema.errors import WorldError
from schema.events import Invited, Message, PlainMessage, Unreadable
from schema.ids import DeviceId, MatrixId, OutboxId
from service.clock import SystemClock
from service.matrix import identity
from service.matrix.client import Client
from service.matrix.sync import Sync
from service.matrix.transport import Transport
from service.store import Store
from tests.live.fixtures import MemberFactory
from tests.live.homeserver import Homeserver
from tests.live.member import Kind, Member

pytestmark = pytest.mark.live


class EchoDesk:
    """Joins where it is invited and answers each message with its words."""

    def __init__(self, client: Client, store: Store) -> None:
        self.client = client
        self.store = store
        self.woken = asyncio.Event()
        self.taken: list[object] = []

    async def run(self) -> None:
        """Answer for ever."""
        while True:
            await self.woken.wait()
            self.woken.clear()
            async with self.store.transaction("echo") as transaction:
                rows = await transaction.inbox(100)
                for row in rows:
                    await transaction.handled(row.seq)
            for row in rows:
                self.taken.append(row.event)
                await self._answer(row.event)

    async def _answer(self, event: object) -> None:
        match event:
            case Invited():
                await self._patiently(lambda: self.client.join(event.room))
            case Message():
                said = f"you wrote {event.body} ({event.kind})"
                once = OutboxId(secrets.token_hex(16))
                await self._patiently(lambda: self.client.send_text(event.room, said, False, once))
            case Unreadable():
                once = OutboxId(secrets.token_hex(16))
                await self._patiently(
                    lambda: self.client.send_text(event.room, "Please send it again.", False, once)
                )
            case PlainMessage():
                once = OutboxId(secrets.token_hex(16))
                await self.client.send_plain_answer(event.room, "Encrypted rooms only.", once)

    @staticmethod
    async def _patiently(call: Callable[[], Awaitable[object]]) -> None:
        for pause in (0.2, 0.5, 1.0, 2.0, 4.0):
            try:
                await call()
                return
            except WorldError:
                await asyncio.sleep(pause)
        await call()


@asynccontextmanager
async def echo_desk(homeserver: Homeserver, directory: Path) -> AsyncIterator[EchoDesk]:
    """A front desk with an account of its own, cross-signed, which answers while it is open."""
    name, password = f"desk-{secrets.token_hex(4)}", secrets.token_hex(8)
    await homeserver.register(name, password)
    login = await homeserver.login(name, password)
    user = MatrixId(f"@{name}:{homeserver.name}")
    async with aiohttp.ClientSession() as session:
        transport = Transport(session, homeserver.url, login.access_token)
        store = await Store.open(f"sqlite:///{directory}/alongside.db", bytes(range(32)))
        client = Client(transport, store, user, DeviceId(login.device_id), SystemClock())
        await client.start()
        await identity.establish(transport, store, user, client.device_keys())
        desk = EchoDesk(client, store)
        sync = Sync(transport, client, store, SystemClock(), desk.woken.set)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(sync.run()), group.create_task(desk.run())]
            try:
                yield desk
            finally:
                for task in tasks:
                    task.cancel()
        await store.close()


@pytest.mark.parametrize("kind", ["js", "nio"])
async def test_it_answers_a_member(
    homeserver: Homeserver, member_factory: MemberFactory, tmp_path: Path, kind: Kind
) -> None:
    """A member writes in an encrypted chat of their own making, and reads the answers without a shield."""
    async with echo_desk(homeserver, tmp_path) as desk:
        member: Member = await member_factory(homeserver, kind=kind)
        room = await member.write_to(desk.client.user_id)
        for words in ("hello", "again", "ünïcode 🌱"):
            await member.say(room, words)
            await member.expect(room, contains=f"you wrote {words} (text)", sender=desk.client.user_id)


async def test_a_plain_chat_gets_one_answer(
    homeserver: Homeserver, member_factory: MemberFactory, tmp_path: Path
) -> None:
    """What is written in an unencrypted chat is not taken in."""
    async with echo_desk(homeserver, tmp_path) as desk:
        member: Member = await member_factory(homeserver, kind="js")
        room = await member.create_direct(desk.client.user_id, encrypted=False)
        await member.sees_membership(room, desk.client.user_id, "join")
        await member.say_plainly(room, "words in clear")
        await member.expect(room, contains="Encrypted rooms only.", plain=True)
        assert not any(isinstance(event, Message) for event in desk.taken)
