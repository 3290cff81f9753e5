"""Synapse by a clock that a test sets (tests/live/moved.py): `ahead_synapse.py FILE -c CONFIGURATION`.

It is run with Synapse's own Python, where nothing of ours is. What Synapse does by itself (its timers) goes
by the machine's clock all the same; what it writes down, an event's time above all, goes by this one.
"""

import sys
import time
from pathlib import Path

# They are of another environment than the one that is checked here.
from synapse.app import homeserver  # type: ignore[import-not-found]
from synapse.util.clock import Clock  # type: ignore[import-not-found]

_FILE = Path(sys.argv.pop(1))
_SLOWER = 10


def _time(_: object) -> float:
    at, showed, _ = map(float, _FILE.read_text().split())
    return showed + (time.time() - at) / _SLOWER


Clock.time = _time

if __name__ == "__main__":
    homeserver.main()
