"""Since when the service has read what members write, without an outage.

Guards: who was silent while nobody could have read them was not silent; a restart, or a connection that was
lost for a moment, is no outage, since what was written meanwhile is read before anything is decided.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

INTERRUPTION = timedelta(minutes=10)
"""An interruption that is not longer is no outage."""

FRESH = timedelta(seconds=90)
"""What was last read is no older than this while the service reads."""


@dataclass(frozen=True)
class Reading:
    """That all was read from `since` to `last`."""

    since: datetime
    last: datetime


def go_on(reading: Reading | None, now: datetime) -> Reading:
    """All is read up to `now`; after an outage, or a clock that was set, it begins anew."""
    if reading is None or not timedelta(0) <= now - reading.last <= INTERRUPTION:
        return Reading(now, now)
    return Reading(reading.since, now)


def since(reading: Reading | None, now: datetime) -> datetime | None:
    """From when on all has been read up to now; None where nothing is read now."""
    if reading is None or not timedelta(0) <= now - reading.last <= FRESH:
        return None
    return reading.since


def to_text(reading: Reading) -> bytes:
    """What is kept of it over a stop of the service."""
    return f"{reading.since.isoformat()} {reading.last.isoformat()}".encode()


def from_text(text: bytes) -> Reading:
    """What `to_text` gave. Raises ValueError for anything else."""
    begun, last = map(datetime.fromisoformat, text.decode().split(" "))
    return Reading(begun, last)
