"""Places where a test can kill the process: every commit and every outgoing call passes `reached`.

Off unless a test sets the environment: `ALONGSIDE_FAIL_AT="NAME#N"` ends the process, as `kill -9` would, at
the N-th time that NAME is reached; `ALONGSIDE_FAIL_LOG=FILE` writes down each point that is reached, so that
the list of points is found by running and not kept by hand. `ALONGSIDE_FAIL_AT="@FILE"` looks for the point
in FILE at each place, counts from the moment at which FILE was written, and removes it when the point is
reached: a test arms one point after another while the service runs.
"""

import os
from collections import Counter
from pathlib import Path

_at = os.environ.get("ALONGSIDE_FAIL_AT")
_log = os.environ.get("ALONGSIDE_FAIL_LOG")
_count: Counter[str] = Counter()
_armed: tuple[int, int] | None = None


def reached(name: str) -> None:
    """Say that point `name` is reached; ends the process here when a test asked for it."""
    if _at is None and _log is None:
        return
    wanted = _in_file(Path(_at[1:])) if _at is not None and _at.startswith("@") else _at
    _count[name] += 1
    point = f"{name}#{_count[name]}"
    if _log is not None:
        with Path(_log).open("a", encoding="utf-8") as log:
            log.write(point + "\n")
    if point == wanted:
        if _at is not None and _at.startswith("@"):
            Path(_at[1:]).unlink(missing_ok=True)
        os._exit(137)


def _in_file(file: Path) -> str | None:
    """The point that stands in the file, if there is one; a file that was written anew starts the count."""
    global _armed  # noqa: PLW0603  One process has one set of fail points, as it has one environment.
    try:
        written = file.stat()
        wanted = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    if _armed != (written.st_ino, written.st_mtime_ns):
        _armed = (written.st_ino, written.st_mtime_ns)
        _count.clear()
    return wanted
