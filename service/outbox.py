"""Delivers effects: in order within a lane, lanes in parallel, tried again with jitter until a deadline.

Guards: an effect leaves only after its commit; its row's id is the Matrix transaction id at every try, so
that a second try is no second message; a permanent refusal and a passed deadline come back as events, so that
the member hears about it; before each try the record of a buddy says whether their words are still to go.
What is sent is dropped from the database in batches; a crash before that sends the same transaction id again,
which the homeserver answers with the same event. One bad effect, one slow server or one dead room holds up
its own lane alone; without the lease nothing leaves.

However many effects wait, so many of each way at most are in hand: the others, and each lane that was put
off, lie in the database alone, where a look opens no more than there is room for. While our homeserver
answers nobody, or limits what is said, one effect of a way at a time finds out whether it is over.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from random import Random
from typing import Protocol

from schema.effects import (
    AcceptIdentity,
    AnswerPlainRoom,
    Effect,
    EmptyPeerRoom,
    FindSent,
    InviteAgain,
    JoinRoom,
    LeaveRoom,
    LookAround,
    MutePeerRoom,
    OpenDirectChat,
    OpenLinkRoom,
    OpenPeerRoom,
    PurgePeerRoom,
    RedactChat,
    RedactPeerRoom,
    RedactStewards,
    SendAcross,
    SendFile,
    SendForBuddy,
    SendText,
    TellStewards,
    Withdraw,
)
from schema.errors import (
    Away,
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
from schema.records import Buddy
from service import logs
from service.clock import Clock
from service.core import buddies, links
from service.store import OutboxRow, Store
from service.web import Metrics

_AT_ONCE = {"near": 32, "far": 16, "rooms": 8, "back": 1}
"""How many may be on their way together: to members of our server, to others', what the keeper does, and what
is taken back. Slow servers of others must not keep ours waiting.
"""
_MANY, _IN_HAND = 256, 512
"""Effects for our homeserver with which the schedule waits, and how many of one way may be in memory: what a
turn, or some together, have to say beside those need not be read again.
"""
_UNNAMED = 64
"""Effects without a way (an earlier version kept them) that are opened at one look."""
_LANES = 2048
"""Lanes of which it is known that they have rows in the database alone; where there are more, any may."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 300.0
"""Seconds before the second try, and the most between two."""
_MOST_DOUBLINGS = 10
_IN_A_ROW = 8
"""Lanes of one way that meet with no answer one after the other, before the others of it wait too."""
_LONGEST_WAIT = 30.0
"""Seconds, at most, between two tries of a way while our homeserver answers nobody."""
_LOOK_EVERY = 60.0
"""Seconds between two looks for committed rows that nobody handed over (a commit whose answer was lost)."""
_TOGETHER = 0.2
"""Seconds that what was sent waits to be forgotten together, while there is more to send."""
_SILENT = (SendText, SendFile, AnswerPlainRoom, JoinRoom, LeaveRoom, TellStewards, Withdraw)
"""Effects whose success nobody waits for, and which may be repeated after others of their lane."""
_SAID = (SendText, SendForBuddy, SendFile, AnswerPlainRoom, TellStewards, SendAcross)
"""Effects whose limit, where the homeserver sets one, is one for all that the account says."""
_TAKEN_BACK = (Withdraw, RedactChat, RedactStewards)
"""Effects under the same limit, which go on where they were: each in its turn, or the longest held up all."""
_BEHIND = 16
"""Effects behind one that cannot go of which it is seen whether they come too late."""

_log = logs.get("outbox")

Result = Callable[[Delivered | NotDelivered, OutboxId], Awaitable[None]]


class Deliver(Protocol):
    """Carries out one effect; `again` says that an earlier try may have arrived. Raises our errors."""

    async def __call__(self, effect: Effect, id: OutboxId, *, again: bool) -> Delivered: ...


def deadline(effect: Effect) -> timedelta:
    """How long an effect is tried: a message for a day, a room or a file for ten minutes, an erasure for two
    weeks, what crosses a link for as long as it can hold.
    """
    match effect:
        case OpenPeerRoom() | OpenLinkRoom() | SendFile() | LookAround():
            return timedelta(minutes=10)
        case SendAcross():
            return links.LONGEST
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
        case SendAcross():
            return effect.room
        case OpenLinkRoom():
            return f"link {effect.link}"
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


@dataclass
class _Way:
    """How many effects of one way may be on their way together, and from when on.

    `limit` of `most` at once; since something last got through, `pauses` were made, and effects of the lanes
    `failed` met with no answer, as many as decide it; it `opens` again, or is open where that is None.
    `lanes` wait for their turn.
    """

    name: str
    most: int
    limit: int
    busy: int = 0
    in_hand: int = 0
    failed: set[str] = field(default_factory=set)
    pauses: int = 0
    opens: datetime | None = None
    lanes: deque[str] = field(default_factory=deque)

    @property
    def room(self) -> int:
        """How many more may be in hand."""
        return max(_IN_HAND - self.in_hand, 0)

    def answered(self) -> None:
        """The homeserver did as it was asked, or refused: it is there, for twice as many next time."""
        self.failed.clear()
        self.pauses, self.opens = 0, None
        self.limit = min(self.limit * 2, self.most)

    def unanswered(self, lane: str) -> bool:
        """An effect of `lane` met with no answer; whether that looks as if others would fare alike."""
        if len(self.failed) < _IN_A_ROW:
            self.failed.add(lane)
        return len(self.failed) == _IN_A_ROW or self.pauses > 0


class _Left(Enum):
    """What became of the first effect of a lane at one try."""

    OVER = auto()
    FIRST = auto()
    """It stays the first, and waits until its way opens."""
    LAST = auto()
    """The same, but others of its way go before it."""
    PUT_OFF = auto()
    """The database has it, and when it may go."""
    RESTS = auto()
    """The database could not be told: it waits here."""


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
        self._server = server
        self._ways = {name: _Way(name, most, most) for name, most in _AT_ONCE.items()}
        self._near = self._ways["near"]
        self._lanes: dict[str, deque[OutboxRow]] = {}
        """The rows in hand. Of each lane they are the first ones, but for those that are put off."""
        self._known: set[OutboxId] = set()
        """The rows in hand, and those that were sent and are not forgotten yet."""
        self._damaged: set[OutboxId] = set()
        self._elsewhere: set[str] = set()
        """Lanes that may have rows in the database which are not known here."""
        self._behind = True
        """Whether any lane may."""
        self._near_waits = False
        """Whether more is for our homeserver than may be in hand."""
        self._wanted = False
        """Whether something waits for what is in hand to be forgotten."""
        self._left = 0
        """How many rows were in the database alone, at the last look."""
        self._last_before = 0
        """The `seq` up to which rows are of an earlier run, and may have been sent by it."""
        self._sent: list[OutboxId] = []
        self._sent_some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._look_at: datetime | None = None
        self._look_now = True
        self._look = asyncio.Event()
        self._tasks: asyncio.TaskGroup
        self._more = asyncio.Event()
        self.result: Result
        self.unsure = asyncio.Event()
        metrics.outbox.set_function(lambda: len(self._known) + self._left)

    def look(self) -> None:
        """Say that a commit may have left rows that nobody handed over."""
        self._behind = True
        self._look_again()

    def way(self, effect: Effect) -> str:
        """By which way an effect goes: with those of no other it shares how many go at once."""
        match effect:
            case (
                SendText(member=member)
                | SendForBuddy(member=member)
                | SendFile(member=member)
                | AnswerPlainRoom(member=member)
                | OpenDirectChat(member=member)
            ):
                return "near" if member.partition(":")[2] == self._server else "far"
            case TellStewards() | LookAround():
                return "near"
            case JoinRoom() | LeaveRoom() | OpenLinkRoom() | SendAcross():
                return "far"
            case RedactChat() | RedactStewards() | Withdraw():
                return "back"
            case _:
                return "rooms"

    def add(self, rows: Iterable[OutboxRow]) -> None:
        """Take committed rows, in the order of their effects; one that is known is not taken twice.

        What cannot be in hand now, for want of room or since its lane has earlier rows in the database alone,
        is found there in its order.
        """
        for row in rows:
            if row.id in self._known:
                continue
            way = self._ways[self.way(row.effect)]
            if not self._behind and row.lane not in self._elsewhere and way.room:
                self._take(row)
                continue
            if self._behind and way.room:
                self._look_again()
            if self._behind or not way.room:
                self._near_waits |= way is self._near
                self._wanted = True
            self._wanted |= row.lane in self._lanes
            self._leave(row.lane)
            self._left += 1
        self._go_on()

    async def room(self) -> None:
        """Return when fewer are in hand for our homeserver; what was put off, or goes elsewhere, counts not.

        So no slow server of others holds up the schedule, nor does one lane. While our homeserver answers
        nobody the schedule waits: nobody could be told anything.
        """
        await self._room.wait()

    async def run(self) -> None:
        """Deliver for ever, beginning with what an earlier run left."""
        async with self._store.reading() as transaction:
            _, self._last_before = await transaction.outbox_count()
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._forget_sent())
                self._tasks.create_task(self._keep_looking())
                while True:
                    await self._more.wait()
                    self._more.clear()
                    for way in self._ways.values():
                        while way.lanes and way.busy < way.limit and way.opens is None:
                            self._begin(way, way.lanes.popleft())
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    # In hand, and in the database alone

    def _take(self, row: OutboxRow) -> None:
        self._known.add(row.id)
        way = self._ways[self.way(row.effect)]
        way.in_hand += 1
        if row.lane in self._lanes:
            self._lanes[row.lane].append(row)
        else:
            self._lanes[row.lane] = deque([row])
            way.lanes.append(row.lane)

    def _leave(self, lane: str) -> None:
        """The database alone has some of the lane."""
        if not self._behind:
            self._elsewhere.add(lane)
            if len(self._elsewhere) > _LANES:
                self._behind = True
                self._elsewhere.clear()

    def _let_go(self, lane: str) -> None:
        """Have no row of the lane in hand: the first is put off, and so are those after it."""
        rows = self._lanes.pop(lane)
        for row in rows:
            self._known.discard(row.id)
            self._ways[self.way(row.effect)].in_hand -= 1
            self._left += 1
        self._leave(lane)
        # Only now: a look while it was in hand passed it over.
        self._look_again(rows[0].next_at)

    def _look_again(self, at: datetime | None = None) -> None:
        """Have a look at the database now, or at that time."""
        if at is None:
            self._look_now = True
        elif self._look_at is None or at < self._look_at:
            self._look_at = at
        else:
            return
        self._look.set()

    async def _keep_looking(self) -> None:
        """Look whenever there is something to find, and now and then."""
        while True:
            if not self._look_now:
                await self._until_a_look()
            self._look_now, self._look_at = False, None
            try:
                await self._read()
            except WorldError as error:
                _log.warning("the outbox is not read", error=error)
                await asyncio.sleep(_FIRST_PAUSE)
                self._look_now = True

    async def _until_a_look(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + _LOOK_EVERY
        while not self._look_now and (left := until - loop.time()) > 0:
            self._look.clear()
            at = self._look_at
            waits: list[asyncio.Future[object]] = [asyncio.ensure_future(self._look.wait())]
            if at is not None:
                waits.append(asyncio.ensure_future(self._clock.sleep_until(at)))
            try:
                await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            if at is not None and self._clock.now() >= at:
                return

    async def _read(self) -> None:
        """Take what may go now, as much of each way as there is room for, and see what is left."""
        async with self._store.reading() as transaction:
            now = self._clock.now()
            self._near_waits = self._wanted = False
            passed = len(self._known) + len(self._damaged)
            for name, way in ((None, None), *self._ways.items()):
                room = (
                    min(_UNNAMED, *(each.room for each in self._ways.values())) if way is None else way.room
                )
                ready = await transaction.outbox_ready(name, now, passed + room + 1)
                ids = [id for id in ready if id not in self._known and id not in self._damaged]
                rows = await transaction.outbox_rows(ids[:room])
                # Still inside: what is delivered meanwhile is not dropped before it is known here.
                for row in rows:
                    self._take(row)
                self._damaged.update(set(ids[:room]) - {row.id for row in rows})
                if len(ids) > room:
                    self._near_waits |= way is self._near
                    self._look_now |= room > 0
                    self._wanted = True
            most = _LANES + len(self._known) + len(self._damaged)
            lanes = await transaction.outbox_lanes(most + 1)
            self._behind = len(lanes) > most
            unknown = [lane for id, lane in lanes if id not in self._known and id not in self._damaged]
            self._elsewhere = set() if self._behind else set(unknown)
            self._left = len(unknown)
            if self._behind:
                count, _ = await transaction.outbox_count()
                self._left = max(count - len(self._known), 0)
            # What comes after something in hand, or sent, may go when that is forgotten.
            sent = bool(unknown and self._sent)
            self._wanted |= self._behind or sent or any(lane in self._lanes for lane in unknown)
            if (at := await transaction.outbox_next(now)) is not None:
                self._look_again(at)
        self._go_on()

    # Delivery

    def _go_on(self) -> None:
        """Have as many begun as may go together; the schedule goes on while there is room."""
        self._more.set()
        if self._near.in_hand < _MANY and not self._near_waits:
            self._room.set()
        else:
            self._room.clear()

    def _begin(self, way: _Way, lane: str) -> None:
        way.busy += 1
        self._tasks.create_task(self._deliver_first(way, lane))

    async def _deliver_first(self, way: _Way, lane: str) -> None:
        """Deliver the first row of a lane; the lane waits for its next turn, or is over, or put off."""
        rows = self._lanes[lane]
        try:
            left = await self._try(rows[0], way)
            if left is _Left.PUT_OFF:
                await self._give_up_behind(rows[0])
        finally:
            way.busy -= 1
        if left is _Left.OVER:
            rows.popleft()
            way.in_hand -= 1
            if rows:
                self._ways[self.way(rows[0].effect)].lanes.append(lane)
            else:
                del self._lanes[lane]
        elif left is _Left.FIRST:
            way.lanes.appendleft(lane)
        elif left is _Left.LAST:
            way.lanes.append(lane)
        elif left is _Left.PUT_OFF:
            self._let_go(lane)
        else:
            self._tasks.create_task(self._rest(way, lane))
        self._go_on()

    async def _rest(self, way: _Way, lane: str) -> None:
        if (until := self._lanes[lane][0].next_at) is not None:
            await self._clock.sleep_until(until)
        way.lanes.append(lane)
        self._go_on()

    def _pause(self, way: _Way, seconds: float) -> None:
        """Have nothing of `way` go for so long, and then one at first."""
        way.limit = 1
        if way.opens is None:
            way.pauses += 1
            way.opens = self._clock.now() + timedelta(seconds=seconds * (1 + self._random.random() / 2))
            self._tasks.create_task(self._open(way, way.opens))

    async def _open(self, way: _Way, at: datetime) -> None:
        """End a pause of `way`; whatever came too late meanwhile is given up at once."""
        await self._clock.sleep_until(at)
        if way.opens == at:
            way.opens = None
            late = [lane for lane in way.lanes if self._is_late(self._lanes[lane][0])]
            for lane in late:
                way.lanes.remove(lane)
                self._begin(way, lane)
        self._go_on()

    def _is_late(self, row: OutboxRow) -> bool:
        now, effect = self._clock.now(), row.effect
        until = effect.until if isinstance(effect, SendText | SendForBuddy | SendAcross) else None
        return (until is not None and now > until) or now - row.made_at > deadline(effect)

    async def _try(self, row: OutboxRow, way: _Way) -> _Left:
        """Deliver once."""
        if self._store.guard is not None:
            self._store.guard.check()
        try:
            if (given_up := await self._given_up(row)) is not None:
                return await self._over(row, given_up)
            if isinstance(row.effect, Withdraw) and await self._waits(row.effect.mark):
                raise Unreachable("withdraw: the message is on its way")
            delivered = await self._deliver(row.effect, row.id, again=self._may_have_gone(row))
            way.answered()
            self._metrics.delivery(type(row.effect), "done")
            if isinstance(row.effect, _SILENT):
                self._sent.append(row.id)
                self._sent_some.set()
                return _Left.OVER
            return await self._over(row, delivered)
        except HomeserverRefused as refused:
            way.answered()
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
        except Throttled as error:
            self._metrics.throttled.inc()
            if not isinstance(row.effect, _SAID + _TAKEN_BACK):
                return await self._later(row, error)
            # It has not arrived, and what others have to say, or take back, would meet with the same.
            self._pause(way, min(error.retry_after, _LONGEST_PAUSE))
            self._metrics.delivery(type(row.effect), "later")
            return _Left.FIRST if isinstance(row.effect, _SAID) else _Left.LAST
        except Away as error:
            if way.unanswered(row.lane):
                self._pause(way, min(_FIRST_PAUSE * 2 ** min(way.pauses, _MOST_DOUBLINGS), _LONGEST_WAIT))
            return await self._later(row, error)
        except WorldError as error:
            return await self._later(row, error)
        except Exception as error:  # noqa: BLE001  One bad effect must not stop the other lanes.
            _log.error("an effect failed", error=error, effect=row.effect.type)
            return await self._later(row, error)

    def _may_have_gone(self, row: OutboxRow) -> bool:
        """Whether a try, of this run or an earlier one, may have arrived."""
        return row.attempts > 0 or 0 < row.seq <= self._last_before

    async def _given_up(self, row: OutboxRow) -> Delivered | NotDelivered | None:
        """What came of an effect that comes too late or is not to go any more; None where it may go.

        Of words for a buddy a try without an answer may have sent them.
        """
        late, effect = self._is_late(row), row.effect
        if not isinstance(effect, SendForBuddy):
            return NotDelivered(effect, "deadline") if late else None
        async with self._store.reading() as transaction:
            off = not buddies.wanted(await transaction.get(Buddy, effect.buddy), effect)
        if not (off or late):
            return None
        if self._may_have_gone(row):
            found = await self._deliver(FindSent(effect.room), row.id, again=True)
            if found.detail == "there":
                return Delivered(effect)
        return NotDelivered(effect, "called_off" if off else "deadline")

    async def _give_up_behind(self, first: OutboxRow) -> None:
        """Say of what waits behind an effect that is put off, and now comes too late, that it does not go."""
        try:
            async with self._store.reading() as transaction:
                rest = await transaction.outbox_rest(first.lane, first.id, _BEHIND)
            for row in rest:
                if self._is_late(row) and (given_up := await self._given_up(row)) is not None:
                    await self.result(given_up, row.id)
                    self._metrics.delivery(type(row.effect), "refused")
        except LeaseHeld:
            raise
        except Exception as error:  # noqa: BLE001  It is said when the one before it is over, at the latest.
            _log.info("an effect waits", error=error, effect=first.effect.type)

    async def _waits(self, id: OutboxId) -> bool:
        """Whether an effect is still to be delivered."""
        if id in self._known or not (self._behind or self._elsewhere):
            return id in self._known
        async with self._store.reading() as transaction:
            return await transaction.outbox_holds(id)

    async def _over(self, row: OutboxRow, outcome: Delivered | NotDelivered) -> _Left:
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
        self._forgotten([row.id])
        return _Left.OVER

    async def _later(self, row: OutboxRow, error: Exception) -> _Left:
        self._metrics.delivery(type(row.effect), "later")
        if isinstance(error, Throttled):
            pause = error.retry_after
        else:
            pause = min(_FIRST_PAUSE * 2 ** min(row.attempts, _MOST_DOUBLINGS), _LONGEST_PAUSE)
        pause *= 1 + self._random.random() / 2
        next_at: datetime = self._clock.now() + timedelta(seconds=pause)
        attempts = row.attempts + 1
        _log.info("an effect waits", error=error, effect=row.effect.type, attempts=attempts, seconds=pause)
        self._lanes[row.lane][0] = replace(row, next_at=next_at, attempts=attempts)
        try:
            async with self._store.transaction("outbox retry") as transaction:
                await transaction.outbox_retry(row.id, next_at, attempts)
        except WorldError:
            _log.warning("a retry is not kept", effect=row.effect.type)
            return _Left.RESTS
        return _Left.PUT_OFF

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
            self._forgotten(sent)

    def _forgotten(self, ids: Iterable[OutboxId]) -> None:
        """The database has these no more: there is room for others, and those behind them may go."""
        self._known.difference_update(ids)
        if self._wanted:
            self._look_again()
