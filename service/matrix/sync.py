"""The sync loop: what the homeserver has for the front desk, taken in one transaction at a time.

Guards:
- Decrypted events, changed encryption state, rooms and the sync token are committed together; handling comes
  after. Whatever fails before the commit is done again from the last token. A batch that brings nothing but
  what the desk said itself is not committed: after a crash it is passed over again.
- It never turns hot: each fault waits, longer each time, with jitter; a throttled request waits as long as it
  was told; a sign-out ends it.
- Nothing foreign stops it, and nobody's slow server delays a batch by more than bounded seconds.
- The gap of a limited timeline is filled, across restarts too.
"""

import asyncio
import contextlib
import json
import random
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from nio.api import Api

from schema.errors import AlongsideError, HomeserverRefused, Malformed, OperatorError, Throttled, WorldError
from schema.events import Unreadable
from schema.ids import EventId, MatrixId, RoomId
from service import logs
from service.clock import Clock
from service.core import reading
from service.core.reading import Reading
from service.matrix import border
from service.matrix.batch import Batch, Incoming, Reader
from service.matrix.chats import Chat
from service.matrix.client import Client
from service.matrix.crypto_store import Records
from service.matrix.messages import Step
from service.matrix.transport import NO_TOKEN, Transport
from service.matrix.waiting import Unread, Waiting

_log = logs.get("service.matrix")

TOKEN = "desk_sync"  # noqa: S105 (the name of a row, not a secret)
READ = "desk_read"
"""The row of what was read up to the last stop."""
_POLL = 30.0
_ANSWER = 60.0
_KEYS_SECONDS = 3.0
_GAP_SECONDS = 5.0
_FIRST_GAP_PAUSE = 10.0
_LONGEST_GAP_PAUSE = 3600.0
_MEMBERS_SECONDS = 5.0
_STEP_SECONDS = 30.0
_ROOMS_AT_ONCE = 50
_REQUESTS_AT_ONCE = 8
_PAGES = 10
_PAGE = 100
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 60.0
_MOST_STEPS = 20
"""Of one person that wait; a whole verification has eight."""
_MOST_VERIFYING = 64
"""People whose steps are handed on at the same time."""
_CHORE_PAUSE = 5.0
_TOO_FAST = 1.0
_COUNT_AGAIN = 600.0
"""Seconds after which a homeserver that says no count of one-time keys is asked for it."""
_KEEP_TOKEN = 60.0
"""Seconds for which batches that bring nothing to keep may go by before their token is kept all the same."""
_EVER = datetime(9999, 1, 1, tzinfo=UTC)

_NOTHING = {"not_types": ["*"]}
_STATE = ["m.room.member", "m.room.encryption", "m.room.create"]
_WORDS = ["m.room.encrypted", "m.room.message", "m.sticker", "m.key.verification.*"]
_ROOM_FILTER = {
    "ephemeral": _NOTHING,
    "account_data": _NOTHING,
    "state": {"types": _STATE, "lazy_load_members": True},
    "timeline": {"types": _WORDS + _STATE, "limit": 20, "lazy_load_members": True},
}


def filter_without(room: RoomId | None) -> str:
    """What a sync asks for; of `room`, which is nobody's chat, nothing."""
    left_out = {} if room is None else {"not_rooms": [room]}
    whole = {"presence": _NOTHING, "account_data": _NOTHING, "room": {**_ROOM_FILTER, **left_out}}
    return json.dumps(whole, separators=(",", ":"))


FILTER = filter_without(None)


_GAP_FILTER = {"types": _WORDS, "lazy_load_members": True}


@dataclass
class _Gap:
    """What was read of a room's gap, newest first; `again_at` is when it is tried next (monotonic)."""

    whole: tuple[str, str]
    position: str
    found: list[Any] = field(default_factory=list)
    pages: int = 0
    again_at: float = 0.0
    pause: float = 0.0


class Verification(Protocol):
    """Takes the steps of verifications that members start; `due` is when the next one is over its time."""

    @property
    def due(self) -> datetime | None: ...

    async def expire(self) -> None: ...

    async def handle(
        self, sender: MatrixId, event_type: str, content: dict[str, Any], room: RoomId | None, event_id: str
    ) -> None: ...


class Sync:
    """The loop. `wake` is called after each commit that brought events.
    `patience` is how long a message that can't be read waits for its key before it is asked for again;
    `leave_out` a room of which nothing is taken in.
    """

    def __init__(
        self,
        transport: Transport,
        client: Client,
        store: Records,
        clock: Clock,
        wake: Callable[[], None],
        verification: Verification | None = None,
        patience: timedelta = timedelta(minutes=2),
        *,
        leave_out: RoomId | None = None,
    ) -> None:
        self._filter = filter_without(leave_out)
        self._transport = transport
        self._client = client
        self._store = store
        self._clock = clock
        self._wake = wake
        self._verification = verification
        self._waiting = Waiting(patience, lambda event: store.seal.lookup("unread", event))
        self._reader = Reader(client, self._waiting, clock.monotonic)
        self._token: str | None = None
        self._kept_at = 0.0
        self._restored = False
        self._steps: dict[MatrixId, deque[Step]] = {}
        self._verifying: asyncio.Queue[MatrixId] = asyncio.Queue()
        self._stepped = asyncio.Event()
        """A step was handed on, so that a verification may be under way."""
        self._settled: set[RoomId] = set()
        """Rooms whose members came between the batches: the next one says who came."""
        self._gaps: dict[RoomId, _Gap] = {}
        self._chores: asyncio.Event = asyncio.Event()
        self._one_time_keys: int | None = None
        self._counted_at = 0.0
        self._fallback_used = False
        self.last_sync: datetime | None = None
        self.reading: Reading | None = None
        """From when to when all was read; an outage begins it anew. None before the first sync."""
        self._read_before: Reading | None = None

    async def run(self) -> None:
        """Sync until cancelled. Raises SignedOut and other OperatorErrors."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._loop())
                group.create_task(self._do_chores())
                group.create_task(self._verify())
                group.create_task(self._expire())
                group.create_task(self._settle_doubts())
        except BaseExceptionGroup as several:
            first: BaseException = several
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            raise first from None

    async def _loop(self) -> None:
        failures = 0
        while True:
            try:
                await self.step()
                failures = 0
                continue
            except OperatorError:
                raise
            except Throttled as throttled:
                pause = throttled.retry_after
            except AlongsideError as error:
                pause = min(_FIRST_PAUSE * 2**failures, _LONGEST_PAUSE)
                _log.warning("a sync failed", error=error, failures=failures)
            except Exception as error:  # noqa: BLE001  Our own fault must not end the loop: it is shown.
                pause = min(_FIRST_PAUSE * 2 ** (failures + 2), _LONGEST_PAUSE)
                self._client.drop()
                _log.error("a sync failed", error=error, failures=failures)
            failures = min(failures + 1, 10)
            await self._pause(pause * random.uniform(1.0, 1.25))  # noqa: S311  It is jitter, not a secret.

    async def _pause(self, seconds: float) -> None:
        await self._clock.sleep_until(self._clock.now() + timedelta(seconds=seconds))

    async def step(self) -> None:
        """One request, and the transaction that its answer makes. Raises any of our errors."""
        await self._restore()
        asked = Api.sync(
            NO_TOKEN,
            since=self._token,
            timeout=round(self._poll() * 1000),
            filter=self._filter,
            set_presence="offline",
        )
        begun = self._clock.monotonic()
        answer = await self._transport.ask("sync", asked, timeout=_POLL + _ANSWER)
        await self._restore()
        before = self._token
        brought = await self._take(answer)
        if not brought and before == self._token and self._clock.monotonic() - begun < _TOO_FAST:
            # A homeserver that doesn't hold the request would otherwise be asked without a pause.
            await self._pause(_TOO_FAST)

    async def _restore(self) -> None:
        """Load what is on disk, at the start and after a commit that failed."""
        if not self._client.loaded:
            await self._client.load()
            self._restored = False
        if self._restored:
            return
        async with self._store.transaction("load sync") as transaction:
            token = await transaction.read_instance(TOKEN)
            read = await transaction.read_instance(READ)
            unread = await transaction.unread_since(_EVER)
        self._token = None if token is None else token.decode()
        if read:
            # What came since then is not read yet.
            self._read_before = reading.from_text(read)
        if self._token is not None:
            self._client.machine.store.save_sync_token(self._token)
        self._waiting.restore([Unread.from_row(each.raw, each.since) for each in unread])
        self._restored = True

    def _poll(self) -> float:
        """How long the homeserver may hold the request: less when something of ours falls due."""
        if self._token is None or self.last_sync is None:
            return 0.0
        poll = _POLL
        if (due := self._waiting.next_due()) is not None:
            poll = min(poll, (due - self._clock.now()).total_seconds())
            if (again := self._client.directory.next_try()) is not None:
                poll = min(poll, again - self._clock.monotonic())
        if self._client.doubtful:
            poll = min(poll, 5.0)
        for gap in self._gaps.values():
            poll = min(poll, gap.again_at - self._clock.monotonic())
        return max(poll, 1.0)

    # ---- one batch

    async def _take(self, answer: dict[str, Any]) -> bool:
        """Take in one answer; whether there was anything in it."""
        try:
            batch = Batch(border.text(answer.get("next_batch"), border.LONGEST_TOKEN))
        except Malformed:
            raise WorldError("sync: an answer without a token") from None
        self._read_keys(answer)
        for event in border.items(answer, "to_device", "events"):
            self._reader.to_device(batch, event)
        for user in border.items(answer, "device_lists", "changed"):
            with contextlib.suppress(Malformed):
                self._client.directory.expect_news(border.matrix_id(user))
        rooms = border.part(answer, "rooms")
        for room in border.part(rooms, "leave"):
            self._reader.left(batch, room)
        for room, section in border.part(rooms, "join").items():
            self._reader.joined(batch, room, section, self._token)
        batch.touched.update((room, None) for room in self._settled)
        self._settled.clear()
        self._reader.invites(batch, border.part(rooms, "invite"), self._token)
        await self._fill_gaps(batch)
        await self._ask_members(batch)
        await self._client.directory.refresh(self._stale(batch), _KEYS_SECONDS)
        now = self._clock.now()
        # Whoever wrote is answered before those who only came: after a first sync that can be a thousand.
        self._reader.words(batch, now)
        for room in batch.touched:
            self._reader.company(batch, room)
        changed = bool(batch.events or batch.handled or batch.fresh or batch.done or batch.timeline)
        changed = changed or bool(self._client.chats.changed or self._client.machine.rows.waiting)
        if self._token is None or self._worth_keeping(batch, answer):
            await self._commit(batch, now)
        self._move_to(batch.token)
        self._after(batch, now)
        return changed

    def _worth_keeping(self, batch: Batch, answer: dict[str, Any]) -> bool:
        """Whether anything came that must not be passed over again after a crash.

        What the desk said itself comes back with the syncs, half of all batches while it answers: such a
        batch alone is not worth a commit. Its token goes to disk with the next that is, or after a minute.
        """
        late = batch.token != self._token and self._clock.monotonic() - self._kept_at > _KEEP_TOKEN
        return late or bool(
            batch.events
            or batch.handled
            or batch.fresh
            or batch.done
            or batch.steps
            or self._client.chats.changed
            or self._client.machine.rows.waiting
            or border.items(answer, "to_device", "events")
            or any(each.event.get("sender") != self._client.user_id for each in batch.timeline)
        )

    def _move_to(self, token: str) -> None:
        """What comes next is asked for from `token` on."""
        self._token = token
        self._client.machine.store.save_sync_token(token)

    def _read_keys(self, answer: dict[str, Any]) -> None:
        """How many of our keys the homeserver has left; none said means none left (spec, "/sync")."""
        counts = answer.get("device_one_time_keys_count")
        if isinstance(counts, dict):
            self._one_time_keys = border.count(counts.get("signed_curve25519"))
            self._counted_at = self._clock.monotonic()
        elif self._clock.monotonic() - self._counted_at > _COUNT_AGAIN:
            self._one_time_keys = None
        unused = answer.get("device_unused_fallback_key_types")
        self._fallback_used = isinstance(unused, list) and "signed_curve25519" not in unused

    def _stale(self, batch: Batch) -> set[MatrixId]:
        """Whom to ask about: who wrote what we can't read without, who came, and those with news."""
        found = self._reader.senders(batch)
        found |= {user for user, person in self._client.machine.people.items() if person.stale}
        for room in batch.touched:
            chat = self._client.chats.get(room)
            if chat is not None and (member := self._client.chats.alone_with(room)) is not None:
                found.add(member)
            elif room == self._client.chats.stewards:
                found.update(self._client.stewards_here())
        return found

    async def _within(self, seconds: float, jobs: Iterable[Coroutine[object, object, None]]) -> None:
        """Do `jobs`, some at a time, for at most `seconds`; what is not done by then is for a later batch."""
        limit = asyncio.Semaphore(_REQUESTS_AT_ONCE)

        async def one(job: Coroutine[object, object, None]) -> None:
            try:
                async with limit:
                    await job
            finally:
                # One that the deadline kept from beginning must not be complained of as forgotten.
                job.close()

        tasks = [asyncio.ensure_future(one(job)) for job in jobs]
        if not tasks:
            return
        try:
            done, late = await asyncio.wait(tasks, timeout=seconds)
        finally:
            for task in tasks:
                task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for task in done:
            error = task.exception()
            if error is not None and not isinstance(error, WorldError | HomeserverRefused):
                raise error

    async def _fill_gaps(self, batch: Batch) -> None:
        """Read the gaps that are not put off. One that fails waits, longer each time: it can't hold up others
        again and again, and goes on where it was.
        """
        now = self._clock.monotonic()
        chats = {chat.room: chat for chat in self._client.chats.all() if chat.gap is not None}
        self._gaps = {room: gap for room, gap in self._gaps.items() if room in chats}
        open_now: list[tuple[Chat, _Gap]] = []
        for room, chat in chats.items():
            if chat.gap is None:
                continue
            gap = self._gaps.get(room)
            if gap is None or gap.whole != chat.gap:
                again_at, pause = (gap.again_at, gap.pause) if gap is not None else (0.0, 0.0)
                gap = self._gaps[room] = _Gap(chat.gap, chat.gap[0], again_at=again_at, pause=pause)
            if gap.again_at <= now and len(open_now) < _ROOMS_AT_ONCE:
                gap.pause = min(max(gap.pause * 2, _FIRST_GAP_PAUSE), _LONGEST_GAP_PAUSE)
                gap.again_at = now + gap.pause
                open_now.append((chat, gap))
        await self._within(_GAP_SECONDS, [self._fill_gap(batch, chat, gap) for chat, gap in open_now])

    async def _fill_gap(self, batch: Batch, chat: Chat, gap: _Gap) -> None:
        """Read the part of a room's timeline that a sync left out; its state has come with the sync."""
        end = gap.whole[1]
        while gap.pages < _PAGES:
            asked = Api.room_messages(
                NO_TOKEN, chat.room, gap.position, end, limit=_PAGE, message_filter=_GAP_FILTER
            )
            try:
                answer = await self._transport.ask("read gap", asked)
            except HomeserverRefused:
                self._leave_out(batch, chat, end)
                break
            gap.found += border.items(answer, "chunk")
            gap.pages += 1
            following = border.following(answer, "end", gap.position, end)
            if following is None:
                break
            gap.position = following
            if gap.pages == _PAGES:
                _log.warning("a gap is too long to read whole", count=len(gap.found))
                self._leave_out(batch, chat, end)
        chat.gap = None
        del self._gaps[chat.room]
        self._client.chats.changed.add(chat.room)
        events = [each for each in reversed(gap.found) if isinstance(each, dict) and "state_key" not in each]
        batch.timeline[:0] = [Incoming(chat.room, each) for each in events if each.get("type") in _WORDS]

    @staticmethod
    def _leave_out(batch: Batch, chat: Chat, end: str) -> None:
        """What is left out is answered as what cannot be read: they are asked to send it again."""
        if chat.told is not None:
            batch.events.append(Unreadable(EventId(f"gap {chat.room} {end}"), chat.room, chat.told))

    async def _ask_members(self, batch: Batch) -> None:
        """Ask who is in rooms that may be somebody's chat and whose members are not all known."""
        unsure = []
        for room in batch.touched:
            chat = self._client.chats.get(room)
            if chat is None or chat.sure:
                continue
            if room == self._client.chats.stewards or chat.others(self._client.user_id) <= 1:
                unsure.append(chat)
        await self._within(
            _MEMBERS_SECONDS, [self._client.load_members(chat) for chat in unsure[:_ROOMS_AT_ONCE]]
        )
        for chat in unsure:
            if not chat.sure and chat.room not in self._client.hidden:
                self._client.doubt(chat.room)

    async def _commit(self, batch: Batch, now: datetime) -> None:
        client = self._client
        machine = client.machine
        rooms = set(client.chats.changed)
        try:
            async with self._store.transaction("batch") as transaction:
                fresh = batch.fresh
                if fresh:
                    seen = await transaction.seen([each.event_id for each in fresh])
                    fresh = [each for each in fresh if each.event_id not in seen]
                await transaction.take_in(batch.events, now)
                taken = {each.event_id for each in batch.events}
                # A notice or a step brings no event; shown again it could not be read any more.
                silent = [event for _, event in batch.handled if event not in taken]
                await transaction.mark_seen(silent, now)
                for each in fresh:
                    if self._waiting.add(each):
                        await transaction.keep_unread(each.event_id, each.row, each.since)
                await transaction.drop_unread([self._waiting.name(event) for event in batch.done])
                machine.room_keys.settle(batch.handled, now)
                machine.room_keys.close_gaps(now)
                if rooms or machine.rows.waiting:
                    people = client.chats.people()
                    machine.forget_people(people.__contains__)
                lookup = self._store.seal.lookup
                kept = {lookup("chats", room): client.chats.row(room) for room in rooms}
                await transaction.write_chats(kept)
                changed = machine.rows.changed()
                await transaction.write_crypto(changed.rows)
                await transaction.write_instance(TOKEN, batch.token.encode())
        except BaseException:
            # What was decrypted can't be decrypted twice: begin again from what is on disk.
            client.drop()
            raise
        machine.rows.committed(changed)
        client.chats.changed -= rooms
        self._waiting.drop(batch.done)
        self._kept_at = self._clock.monotonic()

    def _after(self, batch: Batch, now: datetime) -> None:
        self.last_sync = now
        self.reading = reading.go_on(self.reading or self._read_before, now)
        if batch.events:
            self._wake()
        for step in batch.steps:
            self._take_step(step)
        if self._fallback_used or (self._one_time_keys or 0) <= 25 or self._client.machine.wedged:
            self._chores.set()

    # ---- beside the batches

    async def _settle_doubts(self) -> None:
        """Ask for the members of doubtful rooms, again and again and ever more slowly, beside the batches."""
        while True:
            await self._client.doubts.wait()
            self._client.doubts.clear()
            pause = _FIRST_PAUSE
            while await self.settle_doubts():
                await self._pause(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def settle_doubts(self) -> bool:
        """Ask once for the members of each doubtful room; whether some are still doubtful."""
        client = self._client

        async def ask(room: RoomId) -> None:
            chat = client.chats.get(room)
            if chat is not None and not chat.sure:
                try:
                    await client.load_members(chat)
                    client.hidden.discard(room)
                except HomeserverRefused:
                    client.hidden.add(room)
            client.doubtful.pop(room, None)
            self._settled.add(room)
            self._wake()

        await self._within(_MEMBERS_SECONDS, [ask(room) for room in client.doubtful])
        return bool(client.doubtful)

    async def _do_chores(self) -> None:
        """Upload keys and mend sessions whenever a batch showed the need; a fault waits for the next one."""
        while True:
            await self._chores.wait()
            self._chores.clear()
            try:
                count = await self._client.upload_keys(self._one_time_keys, fallback_used=self._fallback_used)
                self._one_time_keys = count
                self._counted_at = self._clock.monotonic()
                await self._client.sharing.unwedge()
            except OperatorError:
                raise
            except Exception as error:  # noqa: BLE001  It is tried again after a later batch.
                _log.warning("keys are not uploaded yet", error=error)
                await self._pause(_CHORE_PAUSE)

    def _take_step(self, step: Step) -> None:
        """Have a step handed on after the sender's own earlier ones; past the bounds it is dropped."""
        theirs = self._steps.get(step.sender)
        if theirs is None and len(self._steps) < _MOST_VERIFYING:
            theirs = self._steps[step.sender] = deque()
            self._verifying.put_nowait(step.sender)
        if theirs is not None and len(theirs) < _MOST_STEPS:
            theirs.append(step)

    async def _verify(self) -> None:
        """Hand on the steps of verifications: one person's in order, nobody's behind another's."""
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._verify_with(await self._verifying.get()))

    async def _verify_with(self, sender: MatrixId) -> None:
        theirs = self._steps[sender]
        while theirs:
            await self._hand_on(theirs.popleft())
        del self._steps[sender]

    async def _hand_on(self, step: Step) -> None:
        if self._verification is None:
            return
        await self._attempt(
            self._verification.handle(step.sender, step.type, step.content, step.room, step.event_id)
        )
        self._stepped.set()

    async def _expire(self) -> None:
        """End verifications at their time: nobody else's step is waited for."""
        verification = self._verification
        while verification is not None:
            self._stepped.clear()
            if (due := verification.due) is None:
                await self._stepped.wait()
                continue
            await self._clock.sleep_until(due)
            await self._attempt(verification.expire())

    async def _attempt(self, work: Coroutine[object, object, None]) -> None:
        try:
            async with asyncio.timeout(_STEP_SECONDS):
                await work
        except OperatorError:
            raise
        except Exception as error:  # noqa: BLE001  Whatever a stranger's step leads to ends that step alone.
            _log.warning("a verification step failed", error=error)
