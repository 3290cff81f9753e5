"""Synapse by a clock that a test sets (tests/live/moved.py): `ahead_synapse.py FILE -c CONFIGURATION`.

It is run with Synapse's own Python, where nothing of ours is. What Synapse does by itself (its timers) goes
by the machine's clock all the same; what it writes down, an event's time above all, goes by this one.

Its rate limits, which cannot be turned off, are forgotten by a wheel that has an entry for each five seconds
that passed, and takes them off a list from the front: a year would take it hours, in which it answers nobody.
"""

import sys
import time
from pathlib import Path
from typing import Any

# They are of another environment than the one that is checked here.
from synapse.app import homeserver  # type: ignore[import-not-found]
from synapse.util.clock import Clock  # type: ignore[import-not-found]
from synapse.util.wheel_timer import WheelTimer  # type: ignore[import-not-found]

_FILE = Path(sys.argv.pop(1))
_SLOWER = 10


def _time(_: object) -> float:
    at, showed, _ = map(float, _FILE.read_text().split())
    return showed + (time.time() - at) / _SLOWER


_insert = WheelTimer.insert


def _insert_after_all(wheel: Any, now: int, obj: object, then: int) -> None:
    """Where all that lies in the wheel is past, it is due at once: no time between has to be gone through."""
    at = int(now / wheel.bucket_size.as_millis())
    if wheel.entries and wheel.entries[-1].end_key < at:
        due = set().union(*(entry.elements for entry in wheel.entries))
        wheel.entries = [type(wheel.entries[0])(at, due)]
    _insert(wheel, now, obj, then)


Clock.time = _time
WheelTimer.insert = _insert_after_all

if __name__ == "__main__":
    homeserver.main()
