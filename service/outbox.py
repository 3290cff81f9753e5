"""Delivers effects: in order within a lane, lanes in parallel, tried again with jitter until a deadline.

Guards: an effect leaves only after its commit; its row's id is the Matrix transaction id at every try, so
that a second try is no second message; a permanent refusal and a passed deadline come back as events, so that
the member hears about it; what is called off before it went does not go. What is sent is dropped from the
database in batches; a crash before that sends the same transaction id again, which the homeserver answers
with the same event. One bad effect, one slow server or one dead room holds up its own lane alone; without the
lease nothing leaves.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

from schema.effects import (
    AcceptIdentity,
    AnswerPlainRoom,
    CallOff,
    Effect,
    EmptyPeerRoom,
    FindSent,
    InviteAgain,
    JoinRoom,
    LeaveRoom,
    LookAround,
    MutePeerRoom,
    OpenDirectChat,
    OpenPeerRoom,
    PurgePeerRoom,
    RedactChat,
    RedactPeerRoom,
    RedactStewards,
    SendFile,
    SendForBuddy,
    SendText,
    TellStewards,
    Withdraw,
)
from schema.errors import (
    HomeserverRefused,
    IdentityChanged,
    KeeperNotDeaf,
    LeaseHeld,
    NotPrivate,
    Throttled,
    Unreachable,
    WorldError,
)
from schema.events import Delivered, NotDelivered
from schema.ids import OutboxId
from service import logs
from service.clock import Clock
from service.store import OutboxRow, Store
from service.web import Metrics

_AT_ONCE, _FAR_AT_ONCE, _ROOMS_AT_ONCE = 32, 16, 8
"""How many may be on their way together: to members of our server, to others', and what the keeper does."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 300.0
"""Seconds before the second try, and the most between two."""
_MOST_DOUBLINGS = 10
_IN_HAND = 256
"""Effects for our homeserver that may wait for their turn before the schedule waits for them."""
_LOOK_EVERY = 60.0
"""Seconds between two looks for committed rows that nobody handed over (a commit whose answer was lost)."""
_TOGETHER = 0.2
"""Seconds that what was sent waits to be forgotten together, while there is more to send."""
_SILENT = (SendText, SendFile, AnswerPlainRoom, JoinRoom, LeaveRoom, TellStewards, Withdraw, CallOff)
"""Effects whose success nobody waits for, and which may be repeated after others of their lane."""

_log = logs.get("outbox")

Result = Callable[[Delivered | NotDelivered, OutboxId], Awaitable[None]]


class Deliver(Protocol):
    """Carries out one effect; `again` says that an earlier try may have arrived. Raises our errors."""

    async def __call__(self, effect: Effect, id: OutboxId, *, again: bool) -> Delivered: ...


def deadline(effect: Effect) -> timedelta:
    """How long an effect is tried: a message for a day, a room or a file for ten minutes, an erasure for two
    weeks.
    """
    match effect:
        case OpenPeerRoom() | SendFile() | LookAround():
            return timedelta(minutes=10)
        case MutePeerRoom() | RedactPeerRoom() | EmptyPeerRoom() | PurgePeerRoom():
            return timedelta(days=14)
        case RedactChat() | RedactStewards() | Withdraw():
            return timedelta(days=14)
        case OpenDirectChat() | JoinRoom() | LeaveRoom() | InviteAgain():
            return timedelta(hours=6)
        case _:
            return timedelta(hours=24)


def lane(effect: Effect) -> str:
    """Effects of one lane are delivered in order: those of one chat, of one peer room, to one new member."""
    match effect:
        case SendText() | SendForBuddy() | AnswerPlainRoom() | JoinRoom() | LeaveRoom() | FindSent():
            return effect.room
        case CallOff():
            # The chat's own lane may wait for what is called off.
            return f"call off {effect.buddy}"
        case SendFile():
            # A media store that is down must not hold up what is said.
            return f"file {effect.room}"
        case OpenDirectChat() | AcceptIdentity():
            return effect.member
        case InviteAgain():
            # An invitation to a dead server must not hold up the end of the room.
            return f"invite {effect.pairing}"
        case RedactChat() | Withdraw():
            # What was said before must not hold up what is said now.
            return f"redact {effect.room}"
        case TellStewards():
            return "stewards"
        case RedactStewards():
            return "redact stewards"
        case LookAround():
            return "look around"
        case _:
            return effect.pairing


class Outbox:
    """Takes committed rows from the engine and delivers them; `result` hands outcomes back to it.

    `server` is our homeserver's name. `unsure` is set whenever opening a room was given up: it may be there.
    """

    def __init__(
        self, *, store: Store, deliver: Deliver, clock: Clock, random: Random, metrics: Metrics, server: str
    ) -> None:
        self._store = store
        self._deliver = deliver
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._lanes: dict[str, deque[OutboxRow]] = {}
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._sent: list[OutboxId] = []
        self._sent_some = asyncio.Event()
        self._server = server
        self._near = asyncio.Semaphore(_AT_ONCE)
        self._far = asyncio.Semaphore(_FAR_AT_ONCE)
        self._rooms = asyncio.Semaphore(_ROOMS_AT_ONCE)
        self._taking_back = asyncio.Semaphore(1)
        self._known: set[OutboxId] = set()
        self._going = 0
        self._asleep: set[str] = set()
        self._room = asyncio.Event()
        self._room.set()
        self._left_over: set[OutboxId] = set()
        self._called_off: set[OutboxId] = set()
        self._look = asyncio.Event()
        self.result: Result
        self.unsure = asyncio.Event()
        metrics.outbox.set_function(lambda: len(self._known))

    def look(self) -> None:
        """Say that a commit may have left rows that nobody handed over."""
        self._look.set()

    def add(self, rows: Iterable[OutboxRow]) -> None:
        """Take committed rows, in the order of their effects; one that is known is not taken twice."""
        for row in rows:
            if row.id in self._known:
                continue
            self._known.add(row.id)
            if isinstance(row.effect, CallOff):
                # At once, since whatever waits may be next.
                self._called_off.update(self._words_for(row.effect))
            lane = self._lanes.get(row.lane)
            if row.lane not in self._asleep:
                self._goes((row,), 1)
            if lane is None:
                self._lanes[row.lane] = deque([row])
                self._ready.put_nowait(row.lane)
            else:
                lane.append(row)

    def _words_for(self, order: CallOff) -> set[OutboxId]:
        """The words for this buddy that wait, or are on their way."""
        return {
            row.id
            for lane in self._lanes.values()
            for row in lane
            if isinstance(row.effect, SendForBuddy)
            and row.effect.step != "warn"
            and row.effect.buddy == order.buddy
        }

    async def room(self) -> None:
        """Return when fewer wait for our homeserver; what was put off, or goes elsewhere, does not count.

        So no slow server of others holds up the schedule, nor does one lane.
        """
        await self._room.wait()

    def _goes(self, rows: Iterable[OutboxRow], sign: int) -> None:
        """These wait for their turn from now on, or (-1) no more."""
        self._going += sign * sum(self._slot(row.effect) is self._near for row in rows)
        if self._going < _IN_HAND:
            self._room.set()
        else:
            self._room.clear()

    async def run(self) -> None:
        """Deliver for ever, beginning with what an earlier run left."""
        # Whatever an earlier run left may have been sent by it.
        self._left_over = {row.id for row in await self._read()}
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._forget_sent())
                tasks.create_task(self._look_again())
                while True:
                    lane = await self._ready.get()
                    tasks.create_task(self._drain(lane))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _read(self) -> list[OutboxRow]:
        async with self._store.reading() as transaction:
            # Those that were put off as well: a lane waits for its first row here, not in the database.
            rows = await transaction.outbox(self._clock.now() + timedelta(days=365), limit=1_000_000)
            # Still inside: what is delivered meanwhile is not dropped before it is known here.
            self.add(rows)
        return rows

    async def _look_again(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._look.wait()
            self._look.clear()
            try:
                await self._read()
            except WorldError as error:
                _log.warning("the outbox is not read", error=error)
                await asyncio.sleep(_FIRST_PAUSE)
                self._look.set()

    def _slot(self, effect: Effect) -> asyncio.Semaphore:
        """What this effect may take up: slow servers of others must not keep ours waiting."""
        match effect:
            case (
                SendText(member=member)
                | SendForBuddy(member=member)
                | SendFile(member=member)
                | AnswerPlainRoom(member=member)
                | OpenDirectChat(member=member)
            ):
                return self._near if member.partition(":")[2] == self._server else self._far
            case TellStewards() | LookAround():
                return self._near
            case JoinRoom() | LeaveRoom():
                return self._far
            case RedactChat() | RedactStewards() | Withdraw() | CallOff():
                return self._taking_back
            case _:
                return self._rooms

    async def _drain(self, lane: str) -> None:
        """Deliver a lane's rows in order; the lane ends when it is empty."""
        rows = self._lanes[lane]
        while rows:
            if (until := rows[0].next_at) is not None and until > self._clock.now():
                self._asleep.add(lane)
                self._goes(rows, -1)
                await self._clock.sleep_until(until)
                self._asleep.discard(lane)
                self._goes(rows, 1)
            async with self._slot(rows[0].effect):
                tried = await self._try(rows[0])
            if tried is None:
                self._goes((rows.popleft(),), -1)
            else:
                rows[0] = tried
        del self._lanes[lane]

    async def _try(self, row: OutboxRow) -> OutboxRow | None:
        """Deliver once; the row to try again later, or None when it is over."""
        if self._store.guard is not None:
            self._store.guard.check()
        try:
            now = self._clock.now()
            until = row.effect.until if isinstance(row.effect, SendText | SendForBuddy) else None
            late = until is not None and now > until
            given_up = now - row.made_at > deadline(row.effect)
            if isinstance(row.effect, SendForBuddy) and not given_up:
                off = row.id in self._called_off
                if off or late:
                    return await self._over(row, await self._not_to_go(row, row.effect, off=off))
            if late or given_up:
                return await self._over(row, NotDelivered(row.effect, "deadline"))
            if isinstance(row.effect, CallOff) and self._called_off & self._words_for(row.effect):
                raise Unreachable("call off: the words are in hand")
            if isinstance(row.effect, Withdraw) and row.effect.mark in self._known:
                raise Unreachable("withdraw: the message is on its way")
            again = row.attempts > 0 or row.id in self._left_over
            delivered = await self._deliver(row.effect, row.id, again=again)
            self._metrics.delivery(type(row.effect), "done")
            if isinstance(row.effect, _SILENT):
                self._sent.append(row.id)
                self._sent_some.set()
                return None
            return await self._over(row, delivered)
        except HomeserverRefused as refused:
            _log.warning(
                "an effect is refused", effect=row.effect.type, code=refused.code, status=refused.status
            )
            return await self._over(row, NotDelivered(row.effect, refused.code))
        except IdentityChanged:
            return await self._over(row, NotDelivered(row.effect, "identity_changed"))
        except NotPrivate:
            return await self._over(row, NotDelivered(row.effect, "not_private"))
        except KeeperNotDeaf:
            _log.error("the keeper is not deaf")
            return await self._over(row, NotDelivered(row.effect, "keeper_not_deaf"))
        except LeaseHeld:
            raise
        except WorldError as error:
            return await self._later(row, error)
        except Exception as error:  # noqa: BLE001  One bad effect must not stop the other lanes.
            _log.error("an effect failed", error=error, effect=row.effect.type)
            return await self._later(row, error)

    async def _not_to_go(
        self, row: OutboxRow, effect: SendForBuddy, *, off: bool
    ) -> Delivered | NotDelivered:
        """What came of words that are not to go any more: a try without an answer may have sent them."""
        if row.attempts or row.id in self._left_over:
            found = await self._deliver(FindSent(effect.room), row.id, again=True)
            if found.detail == "there":
                return Delivered(effect)
        return NotDelivered(effect, "called_off" if off else "deadline")

    async def _over(self, row: OutboxRow, outcome: Delivered | NotDelivered) -> OutboxRow | None:
        """Hand the outcome to the engine; what our own bug or the database hinders is tried again later."""
        if isinstance(outcome, NotDelivered):
            self._metrics.delivery(type(row.effect), "refused")
            if isinstance(row.effect, OpenPeerRoom):
                self.unsure.set()
        try:
            await self.result(outcome, row.id)
        except LeaseHeld:
            raise
        except Exception as error:  # noqa: BLE001  One bad outcome must not stop the other lanes.
            self._metrics.failed_turns.inc()
            _log.error("a turn failed", error=error, kind=outcome.type, effect=row.effect.type)
            return await self._later(row, error)
        self._known.discard(row.id)
        self._called_off.discard(row.id)
        return None

    async def _later(self, row: OutboxRow, error: Exception) -> OutboxRow:
        self._metrics.delivery(type(row.effect), "later")
        if isinstance(error, Throttled):
            self._metrics.throttled.inc()
            pause = error.retry_after
        else:
            pause = min(_FIRST_PAUSE * 2 ** min(row.attempts, _MOST_DOUBLINGS), _LONGEST_PAUSE)
        pause *= 1 + self._random.random() / 2
        next_at: datetime = self._clock.now() + timedelta(seconds=pause)
        _log.info(
            "an effect waits", error=error, effect=row.effect.type, attempts=row.attempts + 1, seconds=pause
        )
        try:
            async with self._store.transaction("outbox retry") as transaction:
                await transaction.outbox_retry(row.id, next_at, row.attempts + 1)
        except WorldError:
            _log.warning("a retry is not kept", effect=row.effect.type)
        return replace(row, next_at=next_at, attempts=row.attempts + 1)

    async def _forget_sent(self) -> None:
        """Drop the rows of what was sent, as many at once as there are."""
        while True:
            await self._sent_some.wait()
            if self._lanes:
                # Others are on their way: one commit for all of them costs less than one for each.
                await asyncio.sleep(_TOGETHER)
            self._sent_some.clear()
            try:
                await self.forget_sent()
            except WorldError as error:
                _log.warning("what was sent is not forgotten yet", error=error)
                await asyncio.sleep(_FIRST_PAUSE)
                self._sent_some.set()

    async def forget_sent(self) -> None:
        """Drop the rows of what was sent so far; also at a stop, so that nothing of it is sent again."""
        sent = list(self._sent)
        if sent:
            async with self._store.transaction("outbox sent") as transaction:
                await transaction.outbox_done(sent)
            del self._sent[: len(sent)]
            self._known.difference_update(sent)
