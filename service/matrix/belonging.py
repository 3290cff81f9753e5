"""Who may write: those joined to the community's room, members of its homeserver, or anyone.

Guards: of whoever is outside nothing comes to disk. Who is in the room is asked of the homeserver when they
write, and known for minutes, in memory; whoever is outside is told so once an hour. While the homeserver does
not answer, what they wrote waits; where it does not let us look, nobody comes in, and that is logged.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from nio.api import Api

from schema.errors import HomeserverRefused, OperatorError, WorldError
from schema.ids import EventId, MatrixId, RoomId
from schema.states import Belongs
from service import logs
from service.clock import Clock
from service.matrix.transport import NO_TOKEN, Transport

_INSIDE, _OUTSIDE = 600.0, 30.0
"""Seconds for which it is known that somebody is in the room, or is not: whoever joins it comes in soon."""
_TELL_AGAIN = 3600.0
_MOST = 10_000
"""People of whom it is known at once; the longest known goes."""
_AT_ONCE = 16
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0

T = TypeVar("T")

_log = logs.get("service.matrix")


class Belonging:
    """Tells whether somebody may write. `room` is the community's, None where none is asked for.

    `server`: only members of this homeserver may, where it is named. `wake` is called when something that
    was asked for is known.
    """

    def __init__(self, transport: Transport, clock: Clock, room: RoomId | None, server: str | None) -> None:
        self._transport = transport
        self._clock = clock
        self._room = room
        self._server = server
        self._known: OrderedDict[MatrixId, tuple[bool, float]] = OrderedDict()
        self._told: OrderedDict[MatrixId, tuple[EventId, float]] = OrderedDict()
        self._wanted: dict[MatrixId, None] = {}
        self._wants = asyncio.Event()
        self.wake: Callable[[], None] = lambda: None

    async def start(self) -> None:
        """Come into the community's room, where it asks for one. Raises OperatorError, or WorldError."""
        if self._room is None:
            return
        try:
            await self._transport.ask("join", Api.join(NO_TOKEN, self._room))
            asked = Api.room_get_state_event(NO_TOKEN, self._room, "m.room.encryption")
            encrypted = await self._found(asked)
        except HomeserverRefused:
            raise OperatorError(
                "The front desk is not in the community's room, and so cannot tell who may write",
                fix="Invite the front desk's account to that room, or correct the key.",
                key="community.room",
                variable="ALONGSIDE_COMMUNITY__ROOM",
            ) from None

        if encrypted:
            raise OperatorError(
                "The community's room is encrypted: its members' apps would send the front desk its keys",
                fix="Name your space instead, or a room that is not encrypted.",
                key="community.room",
                variable="ALONGSIDE_COMMUNITY__ROOM",
            )

    async def _found(self, asked: Sequence[str]) -> dict[str, Any]:
        """The state that is asked for; nothing where there is none."""
        try:
            return await self._transport.ask("read state", asked)
        except HomeserverRefused as refused:
            if refused.status != 404:
                raise
            return {}

    def of(self, user: MatrixId, event: EventId) -> Belongs:
        """Whether `user` may write; whoever may not is OUTSIDE for one event an hour, and TOLD for others."""
        if self._server is not None and user.partition(":")[2] != self._server:
            return self._tell(user, event)
        if self._room is None:
            return Belongs.MEMBER
        now = self._clock.monotonic()
        inside, at = self._known.get(user, (False, float("-inf")))
        if now - at > (_INSIDE if inside else _OUTSIDE):
            self._wanted[user] = None
            self._wants.set()
            return Belongs.UNKNOWN
        return Belongs.MEMBER if inside else self._tell(user, event)

    def _tell(self, user: MatrixId, event: EventId) -> Belongs:
        now = self._clock.monotonic()
        told = self._told.get(user)
        # The same event may come twice, where the turn that answered it was not committed.
        if told is not None and told[0] != event and now - told[1] < _TELL_AGAIN:
            return Belongs.TOLD
        _remember(self._told, user, (event, now))
        return Belongs.OUTSIDE

    async def run(self) -> None:
        """Ask about whoever is wanted, for ever, and ever more slowly while that fails."""
        pause = _FIRST_PAUSE
        while True:
            await self._wants.wait()
            self._wants.clear()
            some = list(self._wanted)[:_AT_ONCE]
            try:
                async with asyncio.TaskGroup() as group:
                    for user in some:
                        group.create_task(self._ask(user))
                pause = _FIRST_PAUSE
            except BaseExceptionGroup as several:
                error = several.exceptions[0]
                if not isinstance(error, WorldError):
                    raise error from None
                _log.warning("who may write is not known", error=error, seconds=pause)
                await self._clock.sleep_until(self._clock.now() + timedelta(seconds=pause))
                pause = min(pause * 2, _LONGEST_PAUSE)
            if self._wanted:
                self._wants.set()

    async def _ask(self, user: MatrixId) -> None:
        if self._room is None:
            return
        asked = Api.room_get_state_event(NO_TOKEN, self._room, "m.room.member", user)
        try:
            answer = await self._found(asked)
        except HomeserverRefused as refused:
            _log.error("the community's room cannot be looked into", code=refused.code)
            answer = {}
        _remember(self._known, user, (answer.get("membership") == "join", self._clock.monotonic()))
        self._wanted.pop(user, None)
        self.wake()


def _remember(known: OrderedDict[MatrixId, T], user: MatrixId, what: T) -> None:
    known[user] = what
    known.move_to_end(user)
    if len(known) > _MOST:
        known.popitem(last=False)
