"""An engine, an outbox and a scheduler on a real database; a test writes the delivery and the handlers."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from types import TracebackType
from typing import Self

from schema.community import Community
from schema.effects import Effect, SendText
from schema.events import Delivered, Message
from schema.ids import EventId, MatrixId, OutboxId, RoomId
from schema.states import Standing
from service.crossing import Crossing
from service.engine import Dispatch, Engine, StandingOf
from service.outbox import Outbox
from service.scheduler import Scheduler
from service.store import Store
from service.web import Metrics
from tests.clock import FakeClock
from tests.handlers.story import WORDS

COMMUNITY = Community(name="The Garden", server="example.org", limits="No emergency service.", who_runs="us")


class Running:
    """The parts, working in the background until the end of `async with`.

    `deliver` carries out effects; without one, everything is delivered and noted in `sent`.
    """

    def __init__(
        self,
        store: Store,
        dispatch: Dispatch,
        deliver: Callable[[Effect, OutboxId], Awaitable[Delivered]] | None = None,
        standing: StandingOf = lambda room, member: Standing.PRIVATE,
    ) -> None:
        self.clock = FakeClock()
        self.store = store
        self.sent: list[tuple[OutboxId, Effect]] = []
        self.again: list[bool] = []
        self._deliver = deliver
        random = Random(7)
        metrics = Metrics()
        self.outbox = Outbox(
            store=store,
            deliver=self._carry,
            clock=self.clock,
            random=random,
            metrics=metrics,
            server="example.org",
        )
        self.engine = Engine(
            store=store,
            dispatch=dispatch,
            community=COMMUNITY,
            words=WORDS,
            clock=self.clock,
            outbox=self.outbox,
            standing=standing,
            random=random,
            metrics=metrics,
            crossing=Crossing(),
        )
        self.outbox.result = self.engine.result
        self.scheduler = Scheduler(store=store, engine=self.engine, clock=self.clock)
        self._tasks: list[asyncio.Task[None]] = []

    async def _carry(self, effect: Effect, id: OutboxId, *, again: bool) -> Delivered:
        self.again.append(again)
        outcome = Delivered(effect) if self._deliver is None else await self._deliver(effect, id)
        self.sent.append((id, effect))
        return outcome

    async def __aenter__(self) -> Self:
        parts = (self.engine.run(), self.outbox.run(), self.scheduler.run())
        self._tasks = [asyncio.create_task(part) for part in parts]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, holds: Callable[[], bool | Awaitable[bool]], seconds: float = 60.0) -> None:
        """Wait until `holds`; fail after `seconds` of real time, or with what ended a part."""
        async with asyncio.timeout(seconds):
            while True:
                answer = holds()
                if answer if isinstance(answer, bool) else await answer:
                    return
                for task in self._tasks:
                    if task.done():
                        await task
                await asyncio.sleep(0.002)


def message(body: str, number: int = 1, who: str = "ana") -> Message:
    """A message of a member's; its event id is made of its sender and `number`."""
    return Message(
        event_id=EventId(f"${who}{number}"),
        room=RoomId(f"!{who}:example.org"),
        sender=MatrixId(f"@{who}:example.org"),
        body=body,
        sent_at=FakeClock().now(),
    )


def reply(body: str, who: str = "ana") -> SendText:
    """A message to a member."""
    return SendText(RoomId(f"!{who}:example.org"), MatrixId(f"@{who}:example.org"), body)
