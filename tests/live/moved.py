"""A clock that a test sets, for the processes that go by it.

Rules guarded here:
- It is set ahead alone. In between it goes at a tenth of its speed, so that a busy machine has time for what
  belongs to an hour.
- A file tells of it: the machine's time when it was set, what it showed then, both in seconds since 1970, and
  by how many seconds it was set ahead in all. The file is never seen half written.
"""

import time
from datetime import UTC, datetime
from pathlib import Path

SLOWER = 10
"""How much slower it goes than the machine's; tests/live/ahead_synapse.py says so too."""


class Moved:
    """The clock of a file; with `begin` it is made, and shows the machine's time."""

    def __init__(self, file: Path, *, begin: bool = False) -> None:
        self.file = file
        if begin:
            self._write(time.time(), 0.0)

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        at, showed, _ = self._read()
        return datetime.fromtimestamp(showed + (time.time() - at) / SLOWER, UTC)

    def monotonic(self) -> float:
        """Seconds on the machine's clock, which is set ahead as well."""
        return time.monotonic() + self._read()[2]

    def move_to(self, when: datetime) -> None:
        """Set it ahead to `when` (aware)."""
        ahead = (when - self.now()).total_seconds()
        assert ahead > 0, "nobody's clock goes back"
        self._write(when.timestamp(), self._read()[2] + ahead)

    def _read(self) -> tuple[float, float, float]:
        at, showed, moved = map(float, self.file.read_text().split())
        return at, showed, moved

    def _write(self, shows: float, moved: float) -> None:
        written = self.file.with_suffix(".new")
        written.write_text(f"{time.time()} {shows} {moved}")
        written.rename(self.file)
