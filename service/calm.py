"""Who writes, asks or invites more than a person does, as far as it counts: in memory, for an hour at most.

Guards: it is coarse, and nothing of it comes to disk; a person who is over is told so once, and is heard
again when it is calm; how many are remembered is bounded.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta

from schema.ids import EventId, MatrixId, MemberId
from schema.states import Flood
from service.core.pace import MESSAGE_EVERY, Level, Pace, calm_in, count, forgotten_after

REQUESTS = Pace(5, 720)
"""Requests of one person: five at once, and one more each twelve minutes."""

_MOST = 10_000
"""People remembered at once; whoever was counted longest ago goes."""


class Levels:
    """One pace, and the level of everybody who was counted while it counts."""

    def __init__(self, pace: Pace, monotonic: Callable[[], float]) -> None:
        self.pace = pace
        self._monotonic = monotonic
        self._levels: OrderedDict[str, Level] = OrderedDict()

    def count(self, who: str) -> Level:
        """Count one more of theirs; their level with it."""
        now = self._monotonic()
        while self._levels and now - next(iter(self._levels.values())).at > forgotten_after(self.pace):
            self._levels.popitem(last=False)
        level = self._levels[who] = count(self._levels.get(who), now, self.pace)
        self._levels.move_to_end(who)
        if len(self._levels) > _MOST:
            self._levels.popitem(last=False)
        return level

    def has_room(self, who: str = "") -> bool:
        """Whether one more of theirs would not be over."""
        return not count(self._levels.get(who), self._monotonic(), self.pace).over

    def was_over(self, who: str) -> bool:
        """Whether they were over when they were last counted."""
        level = self._levels.get(who)
        return level is not None and level.over


class Calm:
    """Tells of each message and each request whether its person goes on too fast.

    `messages`: how many of one person are answered at once.
    """

    def __init__(self, monotonic: Callable[[], float], messages: int) -> None:
        self._messages = Levels(Pace(messages, MESSAGE_EVERY), monotonic)
        self._requests = Levels(REQUESTS, monotonic)
        self._told: OrderedDict[MatrixId, EventId] = OrderedDict()

    def message(self, who: MatrixId, event: EventId) -> Flood:
        """Whether one more is over: FIRST for one event, which may come twice, MORE for the others."""
        if self._told.get(who) == event:
            return Flood.FIRST
        before = self._messages.was_over(who)
        if not self._messages.count(who).over:
            return Flood.NONE
        if before:
            return Flood.MORE
        self._told[who] = event
        self._told.move_to_end(who)
        if len(self._told) > _MOST:
            self._told.popitem(last=False)
        return Flood.FIRST

    def request(self, who: MemberId) -> timedelta:
        """Count one more request; zero where it may be made, else how long until it is calm."""
        level = self._requests.count(who)
        return timedelta(seconds=calm_in(level, REQUESTS)) if level.over else timedelta(0)
