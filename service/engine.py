"""One event, one turn, one transaction: the only path by which anything changes.

Guards: turns run one at a time and await only the database; records, effects and the mark that the event was
handled are committed together, and only then does the outbox learn of the effects. A turn that fails changes
nothing. What fails again and again is set aside, and its sender is told to send it again: one bad event never
stops the others.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random

from schema.community import Community
from schema.errors import LeaseHeld, WorldError
from schema.events import Delivered, Due, Event, FromMatrix, Message, NotDelivered, PlainMessage, Unreadable
from schema.ids import MatrixId, OutboxId, RoomId
from schema.states import Standing
from service import logs
from service.clock import Clock
from service.outbox import Outbox, lane
from service.store import InboxRow, Store, Transaction
from service.turn import Turn, Words
from service.web import Metrics

Dispatch = Callable[[Turn], Awaitable[None]]
StandingOf = Callable[[RoomId, MatrixId], Standing]

_TRIES = 3
"""How often an event from Matrix may fail before it is set aside."""
_ROWS = 100
"""Events read from the inbox at once."""
_LONGEST_PAUSE = 30.0
"""Seconds between two tries while the database is not to be had."""

_log = logs.get("engine")


class Engine:
    """Runs turns.

    `dispatch` is the handlers' one entry; `standing` tells how a chat stands with a member, now;
    `wake_scheduler` is called after each commit that may have changed a due time.
    """

    def __init__(
        self,
        *,
        store: Store,
        dispatch: Dispatch,
        community: Community,
        words: Words,
        clock: Clock,
        outbox: Outbox,
        standing: StandingOf,
        random: Random,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._dispatch = dispatch
        self._community = community
        self._words = words
        self._clock = clock
        self._outbox = outbox
        self._standing = standing
        self._random = random
        self._metrics = metrics
        self._inbox = asyncio.Event()
        self._inbox.set()
        self._waiting: set[RoomId] = set()
        self.wake_scheduler: Callable[[Transaction], None] = lambda transaction: None
        self.erased = asyncio.Event()
        """Set after each commit that deleted records: the disk is to be made to forget them."""

    def wake(self) -> None:
        """Say that the inbox has something."""
        self._inbox.set()

    async def run(self) -> None:
        """Handle the inbox, oldest first, for ever; what a crash left there comes first."""
        while True:
            await self._inbox.wait()
            self._inbox.clear()
            await self._empty_inbox()

    async def _empty_inbox(self) -> None:
        pause, after = 0.1, 0
        self._waiting.clear()
        while True:
            try:
                async with self._store.transaction("inbox read") as transaction:
                    rows = await transaction.inbox(limit=_ROWS, after=after)
                self._metrics.inbox.set(len(rows))
                handled = [await self._handle_row(row) for row in rows]
                if False not in handled:
                    if len(rows) < _ROWS:
                        self._metrics.inbox.set(handled.count(None))
                        # What came in since then has set `_inbox` again.
                        return
                    after = rows[-1].seq if None in handled else after
                pause = 0.1
            except LeaseHeld:
                raise
            except WorldError as error:
                _log.warning("the inbox waits", error=error, seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def _handle_row(self, row: InboxRow) -> bool | None:
        """Handle one event; whether it is out of the inbox, None where it waits until its chat is known."""
        event: FromMatrix = row.event
        if isinstance(event, Unreadable):
            self._metrics.unreadable.inc()
        if isinstance(event, Message | Unreadable):
            standing = self._standing(event.room, event.sender)
            if standing is Standing.UNKNOWN or event.room in self._waiting:
                # Whoever finds out who is in the room wakes us; what comes after it in the room waits too.
                self._waiting.add(event.room)
                return None
            private, changed = standing is Standing.PRIVATE, standing is Standing.CHANGED
            event = replace(event, private=private, changed=changed)

        async def handled(transaction: Transaction) -> None:
            await transaction.handled(row.seq)

        try:
            await self._turn(event, event.type, handled)
        except (WorldError, LeaseHeld):
            raise
        except Exception as error:  # noqa: BLE001  One bad event must not stop the others.
            self._metrics.failed_turns.inc()
            _log.error("a turn failed", error=error, kind=event.type, failures=row.failures + 1)
            await self._set_aside(row)
            return False
        return True

    async def _set_aside(self, row: InboxRow) -> None:
        """Count a failure; at the last one hand the event on as unreadable, or let it go."""
        async with self._store.transaction("turn failed") as transaction:
            failures = await transaction.failed(row.seq)
        if failures < _TRIES:
            return

        async def handled(transaction: Transaction) -> None:
            await transaction.handled(row.seq)

        event = row.event
        if isinstance(event, Message | PlainMessage):
            private = self._standing(event.room, event.sender) is Standing.PRIVATE
            apology = Unreadable(event.event_id, event.room, event.sender, private)
            try:
                await self._turn(apology, "apology", handled)
                return
            except (WorldError, LeaseHeld):
                raise
            except Exception as error:  # noqa: BLE001  The same.
                _log.error("an apology failed", error=error)
        async with self._store.transaction("set aside") as transaction:
            await handled(transaction)

    async def due(self, event: Due) -> None:
        """Handle a record whose time has come. Raises what the turn raised; nothing changed then."""
        await self._turn(event, f"due {event.kind}")

    async def result(self, event: Delivered | NotDelivered, outbox_id: OutboxId) -> None:
        """Handle the outcome of an effect and drop its outbox row, together."""

        async def done(transaction: Transaction) -> None:
            await transaction.outbox_done([outbox_id])

        await self._turn(event, f"{event.type} {event.effect.type}", done)

    async def _turn(
        self, event: Event, name: str, also: Callable[[Transaction], Awaitable[None]] | None = None
    ) -> None:
        try:
            await self._run_turn(event, name, also)
        except WorldError:
            # The commit may have happened all the same: its effects must not wait for the next start.
            self._outbox.look()
            raise

    async def _run_turn(
        self, event: Event, name: str, also: Callable[[Transaction], Awaitable[None]] | None
    ) -> None:
        now, begun = self._clock.now(), self._clock.monotonic()
        async with self._store.transaction(f"turn {name}") as transaction:
            turn = Turn(
                event=event,
                now=now,
                records=transaction,
                community=self._community,
                words=self._words,
                identify=self._store.member_id,
                random=self._random,
            )
            await self._dispatch(turn)
            rows = await transaction.add_effects([(lane(effect), effect) for effect in turn.effects], now)
            if also is not None:
                await also(transaction)
        if rows:
            self._outbox.add(rows)
        self._metrics.turn(type(event), self._clock.monotonic() - begun)
        self.wake_scheduler(transaction)
        if transaction.deleted:
            self.erased.set()
