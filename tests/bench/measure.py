"""Measures processes and sets one thing beside another.

Rules guarded here:
- Nothing is asserted and no absolute time is a goal: machines differ, and a ratio of two things that were
  measured by turns in one run differs less.
- A ratio is that of each round's own pair; its median is printed with the least and the most.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu(pid: int) -> float:
    """Seconds of processor time that the process has used, in itself and in the system on its behalf."""
    # The name in parentheses may hold spaces, so fields are counted from behind it (proc_pid_stat(5)).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident(pid: int) -> int:
    """Bytes of memory of the process that no other process shares: what it adds to a machine."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Dirty:", "Private_Clean:")):
            break
    else:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    total = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Dirty:", "Private_Clean:")):
            total += int(line.split()[1]) * 1024
    return total


@dataclass(frozen=True)
class Goal:
    """What a ratio should be: at most `bound`, or at least where `least` is set."""

    bound: float
    least: bool = False

    def met(self, value: float) -> bool:
        """Whether `value` is as it should be."""
        return value >= self.bound if self.least else value <= self.bound

    def __str__(self) -> str:
        return f"goal: at {'least' if self.least else 'most'} {self.bound:g}"


class Table:
    """Lines of a name, the median, the least and the most, printed as they come."""

    def __init__(self, title: str) -> None:
        say(f"\n{title}")
        say(f"  {'':<58}{'median':>10}{'least':>10}{'most':>10}")

    def row(self, name: str, values: Sequence[float], scale: float = 1.0) -> float:
        """Print one series, each value times `scale`; gives the median."""
        shown = [value * scale for value in values]
        middle = statistics.median(shown)
        say(f"  {name:<58}{_short(middle)}{_short(min(shown))}{_short(max(shown))}")
        return middle

    def ratio(
        self, name: str, ours: Sequence[float], theirs: Sequence[float], goal: Goal | None = None
    ) -> float:
        """Print the ratio of two series that were measured by turns, and whether its median meets `goal`."""
        ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
        middle = statistics.median(ratios)
        verdict = "" if goal is None else f"   {goal}: {'met' if goal.met(middle) else 'MISSED'}"
        say(f"  {name:<58}{_short(middle)}{_short(min(ratios))}{_short(max(ratios))}{verdict}")
        return middle

    def note(self, text: str) -> None:
        """Print a line of words."""
        say(f"  {text}")


def _short(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:>10.0f}"
    return f"{value:>10.3g}" if abs(value) < 1 else f"{value:>10.2f}"


def say(text: str) -> None:
    """Print one line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Stopwatch:
    """Seconds since it was made, for the progress that a long setup shows."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()

    def __call__(self) -> float:
        """Seconds since it was made."""
        return self._clock() - self._begun

    def note(self, what: str) -> None:
        """Print how far it is, and after how many seconds: a benchmark that is silent is taken for stuck."""
        say(f"({what} after {self():.0f} s)")
