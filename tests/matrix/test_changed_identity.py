"""Promise 3 for a member who reset their encryption: asked once, and heard again after their yes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

from handlers import dispatch
from schema.ids import MatrixId, RoomId
from schema.states import Standing
from service.crossing import Crossing
from service.delivery import Delivery
from service.engine import Engine
from service.outbox import Outbox
from service.web import Metrics
from tests.handlers.story import WORDS
from tests.matrix.desk import DESK, DEVICE, Desk
from tests.matrix.homeserver import Homeserver
from tests.matrix.peer import Peer
from tests.service.running import COMMUNITY

ALICE = "@alice:home.test"


@contextlib.asynccontextmanager
async def _serving(desk: Desk) -> AsyncIterator[Callable[[], Any]]:
    """The handlers, the engine and the outbox over the front desk; gives what wakes the engine."""
    metrics, random, keeper = Metrics(), Random(7), None
    delivery = Delivery(desk.client, keeper)  # type: ignore[arg-type]  # No peer room is opened.
    outbox = Outbox(
        store=desk.store,
        deliver=delivery,
        clock=desk.clock,
        random=random,
        metrics=metrics,
        server="example.org",
    )
    engine = Engine(
        store=desk.store,
        dispatch=dispatch,
        community=COMMUNITY,
        words=WORDS,
        clock=desk.clock,
        outbox=outbox,
        standing=desk.client.standing,
        random=random,
        metrics=metrics,
        crossing=Crossing(),
    )
    outbox.result = engine.result
    tasks = [asyncio.create_task(engine.run()), asyncio.create_task(outbox.run())]
    try:
        yield engine.wake
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _answer(member: Peer, room: RoomId, number: int, seconds: float = 60.0) -> str:
    """The desk's message of that number, from 1, among those that the device can read."""
    async with asyncio.timeout(seconds):
        while len(found := member.read(room)) < number:  # noqa: ASYNC110  Nothing tells when it comes.
            await asyncio.sleep(0.005)
    assert len(found) == number
    return str(found[-1]["content"]["body"])


async def test_a_member_who_reset_their_encryption_is_not_met_with_silence(
    desk: Desk, server: Homeserver
) -> None:
    """New device and new identity: the fixed question arrives, and after a yes they are answered again."""
    first = Peer(server, ALICE)
    first.cross_sign()
    room = await desk.chat_with(first)
    async with _serving(desk) as wake:

        async def say(member: Peer, body: str, number: int) -> str:
            content = member.encrypt(room, "m.room.message", {"msgtype": "m.text", "body": body})
            stamp = round(desk.clock.now().timestamp() * 1000)
            event = {"type": "m.room.encrypted", "sender": ALICE, "content": content}
            server.put(room, {**event, "origin_server_ts": stamp})
            await desk.sync.step()
            wake()
            return await _answer(member, room, number)

        wake()
        assert "I am a program" in await _answer(first, room, 1)
        server.devices[ALICE].clear()
        second = Peer(server, ALICE, "NEWDEVICE")
        second.cross_sign()
        second.share(room, DESK, DEVICE)
        question = await say(second, "talk", 1)
        assert "Was it you?" in question
        assert desk.client.standing(room, MatrixId(ALICE)) is Standing.CHANGED
        await desk.clock.advance(COMMUNITY.timings.prompt_pause * 2)
        assert (await say(second, "yes", 2)).startswith("Thank you.")
        assert desk.client.private(room, MatrixId(ALICE))
        assert "What would help:" in await say(second, "talk", 3)
