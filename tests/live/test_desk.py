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
from service.config import Toml
from service.matrix import identity
from service.matrix.client import Client
from service.matrix.sync import Sync
from service.matrix.transport import Transport
from service.store import Store
from tests.journeys.stage import counts
from tests.live import story
from tests.live.fixtures import MemberFactory
from tests.live.homeserver import Homeserver, Login
from tests.live.instance import Instance
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


class Account:
    """The front desk's account and database, which outlive a run."""

    def __init__(self, homeserver: Homeserver, directory: Path, user: MatrixId, login: Login) -> None:
        self.homeserver = homeserver
        self.directory = directory
        self.user = user
        self.login = login

    @classmethod
    async def register(cls, homeserver: Homeserver, directory: Path) -> "Account":
        """A new account."""
        name, password = f"desk-{secrets.token_hex(4)}", secrets.token_hex(8)
        await homeserver.register(name, password)
        login = await homeserver.login(name, password)
        return cls(homeserver, directory, MatrixId(f"@{name}:{homeserver.name}"), login)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[EchoDesk]:
        """One run of the front desk, cross-signed, which answers while it is open."""
        async with aiohttp.ClientSession() as session:
            transport = Transport(session, self.homeserver.url, self.login.access_token)
            store = await Store.open(f"sqlite:///{self.directory}/alongside.db", bytes(range(32)))
            device, clock = DeviceId(self.login.device_id), SystemClock()
            client = Client(transport, store, self.user, device, clock)
            await client.start()
            await identity.establish(transport, store, self.user, client.device_keys())
            desk = EchoDesk(client, store)
            sync = Sync(transport, client, store, clock, desk.woken.set)
            tasks = [asyncio.create_task(sync.run()), asyncio.create_task(desk.run())]
            try:
                yield desk
            finally:
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
                await store.close()
            assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended


@pytest.mark.parametrize("kind", ["js", "nio"])
async def test_it_answers_a_member(
    homeserver: Homeserver, member_factory: MemberFactory, tmp_path: Path, kind: Kind
) -> None:
    """A member writes in an encrypted chat of their own making, and reads the answers without a shield."""
    async with (await Account.register(homeserver, tmp_path)).running() as desk:
        member: Member = await member_factory(homeserver, kind=kind)
        room = await member.write_to(desk.client.user_id)
        for words in ("hello", "again", "ünïcode 🌱"):
            await member.say(room, words)
            await member.expect(room, contains=f"you wrote {words} (text)", sender=desk.client.user_id)


async def test_a_plain_chat_gets_one_answer(
    homeserver: Homeserver, member_factory: MemberFactory, tmp_path: Path
) -> None:
    """What is written in an unencrypted chat is not taken in."""
    async with (await Account.register(homeserver, tmp_path)).running() as desk:
        member: Member = await member_factory(homeserver, kind="js")
        room = await member.create_direct(desk.client.user_id, encrypted=False)
        await member.sees_membership(room, desk.client.user_id, "join")
        await member.say_plainly(room, "words in clear")
        await member.expect(room, contains="Encrypted rooms only.", plain=True)
        assert not any(isinstance(event, Message) for event in desk.taken)


async def test_what_was_written_while_it_was_down(
    homeserver: Homeserver, member_factory: MemberFactory, tmp_path: Path
) -> None:
    """More messages than one sync shows, written while the desk was down, all arrive after its start."""
    account = await Account.register(homeserver, tmp_path)
    member: Member = await member_factory(homeserver, kind="js")
    async with account.running():
        room = await member.write_to(account.user)
        await member.say(room, "before")
        await member.expect(room, contains="you wrote before")
    for number in range(45):
        await member.say(room, f"number {number}.")
    async with account.running() as desk:
        await member.expect(room, contains="you wrote number 44.", timeout=200)
        heard = [event.body for event in desk.taken if isinstance(event, Message)]
        assert heard == [f"number {number}." for number in range(45)]


async def test_members_of_another_server(
    federation: list[Homeserver], member_factory: MemberFactory, tmp_path: Path
) -> None:
    """A member of another homeserver is answered as well, both ways without a shield."""
    async with (await Account.register(federation[0], tmp_path)).running() as desk:
        member: Member = await member_factory(federation[1], kind="js")
        room = await member.write_to(desk.client.user_id)
        await member.say(room, "from afar")
        await member.expect(room, contains="you wrote from afar", sender=desk.client.user_id)


async def test_only_this_servers_young_people_are_served(
    federation: list[Homeserver], member_factory: MemberFactory, tmp_path: Path
) -> None:
    """Whoever is of another server has one answer and the places; nobody's age is checked, and it says so."""
    settings: dict[str, Toml] = {"community.members": "server", "community.ages": "young"}
    place = {"contact": "030 000", "hours": "always", "languages": "English", "may_send_police": "not known"}
    places = [
        {"name": "Night line", **place, "checked_on": "2026-11-01"},
        {"name": "House for adults", **place, "checked_on": "2026-11-01", "ages": "adults"},
    ]
    instance = await Instance.make(federation[0], tmp_path, settings=settings, places=places, forked=True)
    async with instance:
        await instance.start()
        await instance.ready()
        outside = await member_factory(federation[1], kind="js")
        inside = await member_factory(federation[0], kind="nio")
        chat = await outside.write_to(instance.desk_user)
        await outside.say(chat, "hello")
        answered = await story.hears(outside, chat, "outside.server")
        assert federation[0].name in answered.body
        assert "Night line" in answered.body
        # Nothing that they write begins anything, and no second answer comes to it.
        await outside.say(chat, "talk")
        own = await story.comes(inside, instance.desk_user)
        recap = await story.asks_in_one_line(inside, own, "talk listening")
        assert story.sentence("ages.young").search(recap.body)
        assert "House for adults" in recap.body
        await story.chooses(inside, own, recap, "choice.recap_yes")
        await story.hears(inside, own, "request.nobody")
        assert counts(instance)["members"] == 1
        said = [one for one in outside.messages if one.room == chat and one.sender == instance.desk_user]
        assert len(said) == 1
        await instance.stop()


async def test_the_desk_writes_first(
    homeserver: Homeserver, member_factory: MemberFactory, tmp_path: Path
) -> None:
    """A chat that the desk makes can be read by the member who joins it."""
    async with (await Account.register(homeserver, tmp_path)).running() as desk:
        member: Member = await member_factory(homeserver, kind="js")
        room = await desk.client.create_direct_chat(MatrixId(member.user_id))
        invite = await member.invited()
        assert (invite.direct, invite.encrypted) == (True, True)
        await member.join(room)
        async with asyncio.timeout(60):
            while not desk.client.private(room, MatrixId(member.user_id)):  # noqa: ASYNC110  Nothing tells.
                await asyncio.sleep(0.05)
        await desk.client.send_text(room, "hello first", False, OutboxId(secrets.token_hex(16)))
        await member.expect(room, contains="hello first", sender=desk.client.user_id)
        await member.say(room, "hello back")
        await member.expect(room, contains="you wrote hello back", sender=desk.client.user_id)
