"""Check-ins due in one minute: 500 on a real homeserver, 100,000 against a stand-in, beside bare nio sends.

Both programs have an encrypted chat with the same people. The service finds the check-ins in its database,
each of a member of its own, some of whom share a person's chat; bare nio writes as many messages of that size
to the same people. The stand-in passes everything on but the messages, which it takes itself and has come
back to their writer with the syncs, as every homeserver does. Processor time
is counted from just before the minute until all have gone out and are forgotten again, memory meanwhile.
"""

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from schema.ids import CheckInId, MemberId
from schema.records import CheckIn, Member, Rhythm
from schema.states import CheckInState
from service import config
from service.core import recurrence
from service.store import Store
from tests.bench.answers import Chat, open_chats, settle
from tests.bench.measure import Goal, Stopwatch, Table, cpu, resident, say
from tests.bench.people import Crowd
from tests.bench.proxy import Proxy
from tests.bench.subjects import Service
from tests.live.echo import Echo
from tests.live.homeserver import Homeserver

PEOPLE = 100
REAL = 500
ROUNDS = 3
SOME, MANY = 10_000, 100_000
_MIB = 1 << 20
_AT_ONCE = 2000
"""Check-ins that are written in one transaction."""
_WRITTEN = 1500
"""Of them in a second, before it was seen how many this machine writes."""
_SETTLED = 2.0
"""Seconds after the last message in which what was sent is forgotten."""
_ZONE = "Europe/Berlin"


@dataclass
class Pace:
    """How many check-ins are written in a second, with as much time again to spare."""

    each: float = _WRITTEN

    def saw(self, count: int, seconds: float) -> None:
        """Learn from what was written."""
        self.each = count / seconds / 2


@dataclass
class Series:
    """What was measured of one program: a value for each round."""

    cpu: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)


async def measure(
    rounds: int = ROUNDS, people: int = PEOPLE, real: int = REAL, some: int = SOME, many: int = MANY
) -> None:
    """Set up, measure by turns, and print."""
    watch = Stopwatch()
    async with (
        Homeserver() as homeserver,
        Proxy(homeserver.url) as ours,
        Proxy(homeserver.url) as theirs,
        Crowd(homeserver) as crowd,
        await Echo.start(homeserver, url=theirs.url) as echo,
        await Service.start(homeserver, url=ours.url) as service,
    ):
        everybody = await crowd.grow(people)
        asking = await open_chats(everybody, echo)
        chats = await open_chats(everybody, service)
        say(f"({people} people have a chat with each after {watch():.0f} s)")
        ours.sender, theirs.sender = service.user_id, echo.user_id
        found: dict[int, tuple[Series, Series]] = {}
        pace = Pace()
        for size, times in ((real, rounds), (some, rounds), (many, 1)):
            ours.stands_in = theirs.stands_in = size != real
            mine, bare = found[size] = Series(), Series()
            for _ in range(times):
                await _check_ins(service, ours, size, mine, pace)
                await _burst(echo, theirs, asking[0], size, bare)
                if size == real:
                    await settle([*chats, *asking])
            say(f"({size} check-ins, {times} times, after {watch():.0f} s)")
    for size, (mine, bare) in found.items():
        _show(size, mine, bare, stands_in=size != real)
    table = Table(f"check-ins: memory, {many} beside {some}")
    most = found[some][0].peak
    table.row(f"the most while {some} went out, MiB", most)
    table.row(f"the most while {many} went out, MiB", found[many][0].peak)
    table.ratio(f"{many} over {some}", found[many][0].peak, [max(most)], Goal(1.1))
    say(f"({watch():.0f} s in all)")


def _show(size: int, mine: Series, bare: Series, *, stands_in: bool) -> None:
    table = Table(f"check-ins: {size} in one minute, {'a stand-in' if stands_in else 'a real homeserver'}")
    table.row("the service: from the minute to the last message, s", mine.took)
    table.row("bare nio: from the word to the last message, s", bare.took)
    table.row("the service: processor time for each, ms", mine.cpu, 1000)
    table.row("bare nio: processor time for each, ms", bare.cpu, 1000)
    table.ratio("processor time, the service over bare nio", mine.cpu, bare.cpu, Goal(2.0))


async def _check_ins(service: Service, proxy: Proxy, count: int, series: Series, pace: Pace) -> None:
    """Have so many check-ins fall due in one minute, and wait until all have gone out."""
    await service.stop()
    # A whole minute, late enough for all of them to be written and the service to be up.
    ahead = datetime.now(UTC) + timedelta(seconds=20 + count / pace.each)
    minute = ahead.replace(second=0, microsecond=0) + timedelta(minutes=1)
    watch = Stopwatch()
    await _fill(service, count, minute)
    pace.saw(count, watch())
    await service.resume()
    assert datetime.now(UTC) < minute - timedelta(seconds=5), "the check-ins took too long to write"
    await asyncio.sleep((minute - datetime.now(UTC)).total_seconds() - 1)
    assert service.pid is not None
    sent, used = proxy.sent, cpu(service.pid)
    begun = time.monotonic() + 1
    done, peak = await _until(proxy, sent + count, service.pid, 0.02 * count + 120)
    series.took.append(done - begun)
    series.cpu.append((cpu(service.pid) - used) / count)
    series.peak.append(peak / _MIB)


async def _burst(echo: Echo, proxy: Proxy, chat: Chat, count: int, series: Series) -> None:
    """Have bare nio send so many messages, and wait until all have gone out."""
    assert echo.pid is not None
    sent, used = proxy.sent, cpu(echo.pid)
    begun = time.monotonic()
    await chat.person.say(chat.room, f"burst {count}")
    done, peak = await _until(proxy, sent + count, echo.pid, 0.02 * count + 120)
    series.took.append(done - begun)
    series.cpu.append((cpu(echo.pid) - used) / count)
    series.peak.append(peak / _MIB)


async def _until(proxy: Proxy, sent: int, pid: int, seconds: float) -> tuple[float, int]:
    """When as many were sent, on the monotonic clock, and the most memory of the process meanwhile."""
    peak = 0
    async with asyncio.timeout(seconds):
        while proxy.sent < sent:
            peak = max(peak, resident(pid))
            await asyncio.sleep(0.1)
    done = time.monotonic()
    await asyncio.sleep(_SETTLED)
    assert proxy.sent == sent, "more was sent than was to be"
    assert proxy.told, "not all has come back"
    return done, max(peak, resident(pid))


async def _fill(service: Service, count: int, minute: datetime) -> None:
    """So many members with a check-in each, due then; they share the chats of those who are there."""
    settings = config.load(service.configuration)
    store = await Store.open(settings.database_url(), settings.sealing_key())
    try:
        people = await _people(store)
        check_in = _check_in(minute)
        for start in range(0, count, _AT_ONCE):
            async with store.transaction("fill") as transaction:
                for number in range(start, min(start + _AT_ONCE, count)):
                    member = replace(
                        people[number % len(people)],
                        id=MemberId(secrets.token_hex(16)),
                        prompt=None,
                        waiting=(),
                    )
                    await transaction.put(replace(member, due_at=None))
                    await transaction.put(
                        replace(check_in, id=CheckInId(secrets.token_hex(16)), member=member.id)
                    )
    finally:
        await store.close()


async def _people(store: Store) -> Sequence[Member]:
    """Those who wrote themselves: for each chat one."""
    found: dict[str, Member] = {}
    after = ""
    async with store.reading() as transaction:
        while page := await transaction.page(Member, after, _AT_ONCE):
            after = page[-1].id
            found.update({one.room: one for one in page if one.room is not None})
    return list(found.values())


def _check_in(minute: datetime) -> CheckIn:
    """A daily check-in, for the first time at that minute, of nobody."""
    before = minute - timedelta(days=2)
    shown = minute.astimezone(ZoneInfo(_ZONE))
    rhythm = Rhythm("days", shown.date(), shown.hour * 60 + shown.minute)
    found = recurrence.following(rhythm, _ZONE, before)
    assert found is not None
    return CheckIn(
        id=CheckInId(secrets.token_hex(16)),
        member=MemberId(""),
        state=CheckInState.WAITING,
        made_at=before,
        due_at=found.at,
        rhythm=rhythm,
        zone=_ZONE,
        wall=found.wall,
        at=found.at,
        ends=minute.date() + timedelta(weeks=8),
        question="",
        late=timedelta(hours=3),
    )
