"""One event, one turn, whole or not at all: the only path by which anything changes.

Guards: turns run one at a time and await only the database; records, effects and the mark that the event was
handled are committed together, and only then does the outbox learn of the effects. Events that wait together
share a commit, since the disk takes longer for one than their turns do; where one of them fails, nothing of
it happened, and each is handled alone. A turn that fails changes nothing. What fails again and again is set
aside, and its sender is told to send it again: one bad event never stops the others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import takewhile
from random import Random

from schema.community import Community
from schema.errors import LeaseHeld, WorldError
from schema.events import (
    Delivered,
    DirectChat,
    Due,
    Event,
    FromLink,
    FromMatrix,
    Message,
    NotDelivered,
    PlainMessage,
    StewardMessage,
    Unreadable,
)
from schema.ids import EventId, MatrixId, OutboxId, RoomId
from schema.states import Belongs, Standing
from service import logs
from service.calm import Calm
from service.clock import Clock, kept
from service.core.ways import lane
from service.outbox import Outbox
from service.store import InboxRow, OutboxRow, Store, Transaction
from service.turn import Crossing, Turn, Words
from service.web import Metrics

Dispatch = Callable[[Turn], Awaitable[None]]
StandingOf = Callable[[RoomId, MatrixId], Standing]
BelongsOf = Callable[[MatrixId, EventId], Belongs]
SharedWith = Callable[[MatrixId], tuple[RoomId, ...]]

_TRIES = 3
"""How often an event from Matrix may fail before it is set aside."""
_ROWS = 100
"""Events read from the inbox at once."""
_TOGETHER, _DUE_TOGETHER, _TOGETHER_WITHIN = 16, 64, 0.05
"""Turns on events, and on due records, that share a commit at most; seconds after which no more join, since
answers wait for it.
"""
_LONGEST_PAUSE = 30.0
"""Seconds between two tries while the database is not to be had."""

_log = logs.get("engine")


def _nobody(room: RoomId, user: MatrixId) -> Standing:
    return Standing.NOT_PRIVATE


def _anyone(user: MatrixId, event: EventId) -> Belongs:
    return Belongs.MEMBER


class Engine:
    """Runs turns.

    `dispatch` is the handlers' one entry; `standing` tells how a chat stands with a member, now; `belongs`
    whether somebody may write; `shared` which rooms the front desk shares with them, now; `stewards` whether
    what somebody writes in a room counts as a steward's; `crossing` seals and opens what crosses links;
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
        shared: SharedWith = lambda member: (),
        random: Random,
        metrics: Metrics,
        crossing: Crossing,
        belongs: BelongsOf = _anyone,
        stewards: StandingOf = _nobody,
        linked: StandingOf = _nobody,
    ) -> None:
        self._store = store
        self._belongs = belongs
        self._stewards = stewards
        self._linked = linked
        self._dispatch = dispatch
        self._community = community
        self._words = words
        self._clock = clock
        self._outbox = outbox
        self._standing = standing
        self._shared = shared
        self._random = random
        self._metrics = metrics
        self._crossing = crossing
        self._calm = Calm(clock.monotonic, community.messages_at_once)
        self._inbox = asyncio.Event()
        self._inbox.set()
        self._waiting: set[RoomId] = set()
        self.wake_scheduler: Callable[[Transaction], None] = lambda transaction: None
        self.read_since: Callable[[], datetime | None] = lambda: None
        """From when on all that members wrote has been read; None while it is not."""
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
                async with self._store.reading() as transaction:
                    rows = await transaction.inbox(limit=_ROWS, after=after)
                self._metrics.inbox.set(len(rows))
                handled = await self._handle(rows)
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

    async def _handle(self, rows: Sequence[InboxRow]) -> list[bool | None]:
        """Handle events in their order; for each of them what `_handle_row` gives."""
        handled: list[bool | None] = []
        while len(handled) < len(rows):
            rest = rows[len(handled) :]
            # One that failed before would take its neighbours with it again.
            some = list(takewhile(lambda row: not row.failures, rest[:_TOGETHER])) or rest[:1]
            together = await self._handle_together(some) if len(some) > 1 else []
            handled += together or [await self._handle_row(row) for row in some]
        return handled

    async def _handle_together(self, rows: Sequence[InboxRow]) -> list[bool | None]:
        """Handle the first of `rows`, as many as the time allows, with one commit; none where one failed."""
        handled: list[bool | None] = []
        begun: list[tuple[type[Event], float]] = []
        effects: list[OutboxRow] = []
        waiting = set(self._waiting)
        start = self._clock.monotonic()
        try:
            async with self._store.transaction("turns") as transaction:
                for row in rows:
                    now = self._clock.monotonic()
                    if handled and now - start > _TOGETHER_WITHIN:
                        break
                    event = self._ready(row)
                    if event is not None:
                        begun.append((type(event), now))
                        effects += await self._take_turn(transaction, event)
                        await transaction.handled(row.seq)
                    handled.append(None if event is None else True)
        except WorldError:
            # The commit may have happened all the same: its effects must not wait for the next start.
            self._outbox.look()
            raise
        except LeaseHeld:
            raise
        except Exception as error:  # noqa: BLE001  Alone each of them shows whether it was the bad one.
            _log.warning("turns are taken one by one", error=error, count=len(rows))
            self._waiting = waiting
            return []
        self._after(transaction, effects, begun)
        return handled

    def _ready(self, row: InboxRow) -> FromMatrix | None:
        """The event as its turn is to see it, or None where it waits until its chat is known."""
        event: FromMatrix = row.event
        if isinstance(event, Message | Unreadable):
            standing = self._standing(event.room, event.sender)
            if standing is Standing.UNKNOWN or event.room in self._waiting:
                # Whoever finds out who is in the room wakes us; what comes after it in the room waits too.
                self._waiting.add(event.room)
                return None
            private, changed = standing is Standing.PRIVATE, standing is Standing.CHANGED
            event = replace(event, private=private, changed=changed)
        if isinstance(event, StewardMessage):
            standing = self._stewards(event.room, event.sender)
            if standing is Standing.UNKNOWN or event.room in self._waiting:
                self._waiting.add(event.room)
                return None
            event = replace(event, counts=standing is Standing.PRIVATE)
        if isinstance(event, FromLink):
            standing = self._linked(event.room, event.sender)
            if standing is Standing.UNKNOWN or event.room in self._waiting:
                self._waiting.add(event.room)
                return None
            # Who wrote it is the link's own keys' to say, which outlive a new device of the other desk.
            event = replace(event, counts=standing in (Standing.PRIVATE, Standing.CHANGED))
        if isinstance(event, Message | Unreadable | DirectChat):
            who = event.member if isinstance(event, DirectChat) else event.sender
            belongs = self._belongs(who, event.event_id)
            if belongs is Belongs.UNKNOWN or event.room in self._waiting:
                self._waiting.add(event.room)
                return None
            event = replace(event, belongs=belongs)
        if isinstance(event, Message):
            event = replace(event, flood=self._calm.message(event.sender, event.event_id))
        return event

    async def _handle_row(self, row: InboxRow) -> bool | None:
        """Handle one event; whether it is out of the inbox, None where it waits until its chat is known."""
        event = self._ready(row)
        if event is None:
            return None

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

    async def due_together(self, events: Sequence[Due]) -> int:
        """Handle the first of `events`, as many as the time allows, with one commit; how many they were.

        0 where a turn failed: nothing changed then, and each is to be handled alone.
        """
        begun: list[tuple[type[Event], float]] = []
        effects: list[OutboxRow] = []
        start = self._clock.monotonic()
        try:
            async with self._store.transaction("turns due") as transaction:
                await transaction.read_ahead(events[:_DUE_TOGETHER])
                for event in events[:_DUE_TOGETHER]:
                    now = self._clock.monotonic()
                    if begun and now - start > _TOGETHER_WITHIN:
                        break
                    begun.append((Due, now))
                    effects += await self._take_turn(transaction, event)
        except WorldError:
            # The commit may have happened all the same: its effects must not wait for the next start.
            self._outbox.look()
            raise
        except LeaseHeld:
            raise
        except Exception as error:  # noqa: BLE001  Alone each of them shows whether it was the bad one.
            _log.warning("turns are taken one by one", error=error, count=len(begun))
            return 0
        self._after(transaction, effects, begun)
        return len(begun)

    async def room(self) -> None:
        """Return when there is room in memory for what more turns would have delivered."""
        await self._outbox.room()

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
        begun = self._clock.monotonic()
        async with self._store.transaction(f"turn {name}") as transaction:
            effects = await self._take_turn(transaction, event)
            if also is not None:
                await also(transaction)
        self._after(transaction, effects, [(type(event), begun)])

    async def _take_turn(self, transaction: Transaction, event: Event) -> list[OutboxRow]:
        """One event's turn within `transaction`; the effects that are delivered once it is committed."""
        now = kept(self._clock.now())
        turn = Turn(
            event=event,
            now=now,
            records=transaction,
            community=self._community,
            words=self._words,
            identify=self._store.member_id,
            random=self._random,
            too_soon=self._calm.request,
            shared=self._shared,
            read_since=self.read_since,
            crossing=self._crossing,
        )
        await self._dispatch(turn)
        way = self._outbox.way
        placed = [(lane(effect), way(effect), effect) for effect in turn.effects]
        return await transaction.add_effects(placed, now)

    def _after(
        self,
        transaction: Transaction,
        effects: Sequence[OutboxRow],
        begun: Sequence[tuple[type[Event], float]],
    ) -> None:
        """Tell everybody of a commit; `begun` has the kind of each of its turns and when it began."""
        if effects:
            self._outbox.add(effects)
        ended = self._clock.monotonic()
        for kind, at in begun:
            self._metrics.turn(kind, ended - at)
            if kind is Unreadable:
                self._metrics.unreadable.inc()
        self.wake_scheduler(transaction)
        if transaction.deleted:
            self.erased.set()
