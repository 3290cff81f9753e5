"""Verification with other clients, against a real homeserver."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schema.events import Invited
from schema.ids import MatrixId, RoomId
from service.clock import SystemClock
from service.matrix.client import Client
from service.matrix.identity import establish
from service.matrix.sync import Sync
from service.matrix.transport import JSON, client_path
from service.matrix.verification import Ended, Own, Verification
from service.store import Store
from tests.live.accounts import session, sign_in, upload_device
from tests.live.fixtures import MemberFactory
from tests.live.homeserver import Homeserver
from tests.live.instance import Instance
from tests.live.test_identity import Rows

pytestmark = [pytest.mark.live, pytest.mark.interop]


async def test_a_member_verifies_the_desks_device(
    homeserver: Homeserver, member_factory: MemberFactory
) -> None:
    """The JavaScript SDK, set to signed devices only, verifies our device by to-device events."""
    async with session() as opened:
        desk = await sign_in(opened, homeserver, "desk")
        keys = await upload_device(desk)
        identity = await establish(desk.transport, Rows(), desk.user_id, keys)
        over: asyncio.Queue[Ended] = asyncio.Queue()

        async def in_room(room: RoomId, kind: str, content: JSON, transaction: str) -> None:
            raise AssertionError("nothing here is in a room")

        own = Own(desk.user_id, desk.device_id, keys["keys"][f"ed25519:{desk.device_id}"], identity.master)
        verification = Verification(desk.transport, own, lambda: datetime.now(UTC), in_room, over.put)

        async def sync() -> None:
            query = {"timeout": "10000"}
            while True:
                answer = await desk.transport.request("sync", "GET", client_path("sync"), query=query)
                query["since"] = answer["next_batch"]
                for event in answer.get("to_device", {}).get("events", []):
                    await verification.handle(
                        MatrixId(event["sender"]), event["type"], event["content"], None, None
                    )

        member = await member_factory(homeserver)
        # A client knows the devices of those with whom it shares an encrypted room.
        room = await member.create_direct(desk.user_id)
        await desk.transport.request("join", "POST", client_path("join", room), body={})
        await member.sees_membership(room, desk.user_id, "join")
        syncing = asyncio.create_task(sync())
        try:
            shown = await member.verify(desk.user_id, device_id=desk.device_id)
            ended = await asyncio.wait_for(over.get(), 60)
        finally:
            syncing.cancel()
        assert len(shown) == 7
        assert ended == Ended(MatrixId(member.user_id), None, True)
        # The client's own signature comes back to it from the homeserver.
        async with asyncio.timeout(60):
            while not (answer := await member.command("devices", user=desk.user_id))["verified"]:
                pass
        assert answer["devices"] == [{"device_id": desk.device_id, "signed": True}]


async def test_a_member_verifies_the_desk_in_the_chat(
    homeserver: Homeserver, member_factory: MemberFactory, tmp_path: Path
) -> None:
    """The same in an encrypted direct chat, through the front desk's own client and sync."""
    async with session() as opened:
        account = await sign_in(opened, homeserver, "desk")
        clock = SystemClock()
        store = await Store.open(f"sqlite:///{tmp_path}/alongside.db", bytes(range(32)))
        desk = Client(account.transport, store, account.user_id, account.device_id, clock)
        await desk.start()
        identity = await establish(account.transport, store, account.user_id, desk.device_keys())
        over: asyncio.Queue[Ended] = asyncio.Queue()
        own = Own(account.user_id, account.device_id, desk.machine.ed25519, identity.master)
        verification = Verification(account.transport, own, clock.now, desk.send_event, over.put)
        woken = asyncio.Event()
        sync = Sync(account.transport, desk, store, clock, woken.set, verification)

        async def join_where_invited() -> None:
            while True:
                await woken.wait()
                woken.clear()
                async with store.transaction("join") as transaction:
                    rows = await transaction.inbox(100)
                    for row in rows:
                        await transaction.handled(row.seq)
                for row in rows:
                    if isinstance(row.event, Invited):
                        await desk.join(row.event.room)

        tasks = [asyncio.create_task(sync.run()), asyncio.create_task(join_where_invited())]
        member = await member_factory(homeserver)
        try:
            room = await member.write_to(account.user_id)
            for _ in range(2):
                shown = await member.verify(account.user_id, room=room)
                assert len(shown) == 7
                assert await asyncio.wait_for(over.get(), 60) == Ended(
                    MatrixId(member.user_id), RoomId(room), True
                )
            async with asyncio.timeout(60):
                while not (answer := await member.command("devices", user=account.user_id))["verified"]:
                    pass
            assert answer["devices"] == [{"device_id": account.device_id, "signed": True}]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await store.close()


async def test_a_member_is_told_what_a_verification_is_worth(
    homeserver: Homeserver, member_factory: MemberFactory, tmp_path: Path
) -> None:
    """By the whole service, in the member's chat: once it is done, stopped, or does not match."""
    async with await Instance.make(homeserver, tmp_path, forked=True) as instance:
        await instance.start()
        await instance.ready()
        member = await member_factory(homeserver)
        room = await member.write_to(instance.desk_user)
        await member.expect(room, contains="Reply with a number.")
        for answer, said in (
            ("confirm", "It does not prove whose program it is."),
            ("cancel", "The verification ended before it was done."),
            ("mismatch", "The verification did not match."),
        ):
            shown = await member.verify(instance.desk_user, room=room, answer=answer)
            assert len(shown) == 7
            await member.expect(room, contains=said)
        await instance.stop()
