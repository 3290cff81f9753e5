"""Weeks that pass at once: a service at rest, whose check-ins and buddies are moved back by that time.

Rules guarded here:
- A record after it is one that a service would have that had gone on all the while, made so much earlier.
- The service has read what there was all the while, unless an outage is meant.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from schema.records import Buddy, CheckIn
from schema.states import CheckInState
from service import config
from service.core.reading import Reading, to_text
from service.matrix.sync import READ
from service.store import Store
from tests.live.instance import Instance

DAY = timedelta(days=1)
WEEK = timedelta(weeks=1)
_READ_FOR = timedelta(days=30)
_OUTAGE = timedelta(hours=3)
_STARTS = timedelta(seconds=1)
"""After this the service is up again, or nearly: what came due as it started waits until it has read."""

Later = Callable[[CheckIn, datetime], CheckIn]
BuddyLater = Callable[[Buddy, datetime], Buddy]


async def move(
    store: Store,
    check_in: Later = lambda record, now: record,
    buddy: BuddyLater = lambda record, now: record,
    *,
    read: bool = True,
) -> None:
    """Change every check-in and buddy, given the present; the service read up to now, or not for hours."""
    now = datetime.now(UTC)
    async with store.transaction("later") as transaction:
        for one in await transaction.find(CheckIn):
            await transaction.put(check_in(one, now))
        for named in await transaction.find(Buddy):
            await transaction.put(buddy(named, now))
        last = now if read else now - _OUTAGE
        await transaction.write_instance(READ, to_text(Reading(now - _READ_FOR, last)))


async def passes(
    instance: Instance,
    check_in: Later = lambda record, now: record,
    buddy: BuddyLater = lambda record, now: record,
) -> None:
    """The service stops, time passes for its check-ins and buddies as in `move`, and it starts again."""
    await instance.stop()
    settings = config.load(instance.configuration)
    store = await Store.open(settings.database_url(), settings.sealing_key())
    try:
        await move(store, check_in, buddy)
    finally:
        await store.close()
    await instance.start()
    await instance.ready()


def comes(late: timedelta = timedelta(), *, last: bool = False) -> Later:
    """The next day's hour of what comes has come, so long ago as `late`; that is its `last` day, or not.

    The hour on the wall is another one from then on. Of two check-ins the one of each day comes a minute
    before the other.
    """

    def one(record: CheckIn, now: datetime) -> CheckIn:
        if record.at is None or record.state is CheckInState.PAUSED:
            return record
        at = now - late - timedelta(minutes=1 if record.rhythm.step == 1 else 0)
        wall = at.astimezone(ZoneInfo(record.zone)).replace(tzinfo=None, fold=0)
        return replace(
            record,
            rhythm=replace(record.rhythm, start=wall.date(), minute=wall.hour * 60 + wall.minute),
            made_at=record.made_at - DAY,
            wall=wall,
            at=at,
            due_at=at,
            ends=wall.date() if last else record.ends - DAY,
            last=None if record.last is None else min(record.last, wall - DAY),
        )

    return one


def week_of_a_pause(record: CheckIn, now: datetime) -> CheckIn:
    """A week of a pause without an end has passed, with the hours in it."""
    assert record.wall is not None
    assert record.at is not None
    assert record.paused_at is not None
    assert record.due_at is not None
    return replace(
        record,
        made_at=record.made_at - WEEK,
        wall=record.wall - WEEK,
        at=record.at - WEEK,
        last=None if record.last is None else record.last - WEEK,
        ends=record.ends - WEEK,
        paused_at=record.paused_at - WEEK,
        due_at=record.due_at - WEEK,
    )


def hour_of_buddy(record: Buddy, now: datetime) -> Buddy:
    """What is due of the buddy comes as soon as the service is up again; else nothing is changed."""
    return record if record.due_at is None else _moved(record, record.due_at - now - _STARTS)


def week_of_buddy(record: Buddy, now: datetime) -> Buddy:
    """A week has passed."""
    return _moved(record, WEEK)


def _moved(record: Buddy, by: timedelta) -> Buddy:
    def sooner(at: datetime | None) -> datetime | None:
        return None if at is None else at - by

    return replace(
        record,
        made_at=record.made_at - by,
        since=sooner(record.since),
        due_at=sooner(record.due_at),
        tells_at=sooner(record.tells_at),
        agreed_at=sooner(record.agreed_at),
    )
