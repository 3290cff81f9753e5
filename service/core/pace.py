"""How fast one person, or everybody, may go on: so much at once, and then a little at a time.

Guards: what is over the pace is calm again in bounded time after it stops, and not before half of it is free,
so that whoever goes on and on is not answered at every step; nothing is remembered longer than it counts.
"""

import math
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Pace:
    """`most` at once, and one more each `every` seconds."""

    most: int
    every: float


MESSAGE_EVERY = 5.0
"""Seconds in which one more message of a person is answered."""


HOUR = 3600.0
"""Seconds for which it is remembered at most how much somebody wrote."""


@dataclass(frozen=True)
class Level:
    """How much of a pace was used at `at`, in seconds on any clock.

    `over`: it was too much, and is not calm yet.
    """

    used: float
    at: float
    over: bool = False


def count(before: Level | None, now: float, pace: Pace) -> Level:
    """The level after one more at `now`; None is nobody yet. Whoever goes on keeps it at `most`."""
    used = 0.0 if before is None else max(0.0, before.used - (now - before.at) / pace.every)
    still = before is not None and before.over and used > pace.most / 2
    over = still or used + 1 > pace.most
    return Level(min(used + 1, float(pace.most)), now, over)


def calm_in(level: Level, pace: Pace) -> float:
    """In how many seconds without any more a level that is over is calm."""
    return max(0.0, (level.used - pace.most / 2) * pace.every)


def longest_wait(pace: Pace) -> timedelta:
    """How long it takes at most, without any more, until it is calm, in whole minutes."""
    return timedelta(minutes=math.ceil(pace.most / 2 * pace.every / 60))


def forgotten_after(pace: Pace) -> float:
    """In how many seconds nothing of a level counts any more; whatever the pace, in an hour at most."""
    return min(pace.most * pace.every, HOUR)
