"""Places where a test can kill the process: every commit and every outgoing call passes `reached`.

Off unless a test sets the environment: `ALONGSIDE_FAIL_AT="NAME#N"` ends the process, as `kill -9` would, at
the N-th time that NAME is reached; `ALONGSIDE_FAIL_LOG=FILE` writes down each point that is reached, so that
the list of points is found by running and not kept by hand.
"""

import os
from collections import Counter
from pathlib import Path

_at = os.environ.get("ALONGSIDE_FAIL_AT")
_log = os.environ.get("ALONGSIDE_FAIL_LOG")
_count: Counter[str] = Counter()


def reached(name: str) -> None:
    """Say that point `name` is reached; ends the process here when a test asked for it."""
    if _at is None and _log is None:
        return
    _count[name] += 1
    point = f"{name}#{_count[name]}"
    if _log is not None:
        with Path(_log).open("a", encoding="utf-8") as log:
            log.write(point + "\n")
    if point == _at:
        os._exit(137)
