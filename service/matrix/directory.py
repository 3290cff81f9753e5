"""Asks the homeserver for people's devices, so that nobody's slow or broken server holds up anybody else.

Guards: one request for each server, all at once, with a deadline; a request that is refused is asked again
user by user; whoever could not be asked stays stale and is asked again later and later, with ever fewer
others, so that one whom the homeserver fails over hides nobody; news that arrives while an answer is on its
way is not lost.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from nio.api import Api

from schema.errors import HomeserverRefused, Malformed, WorldError
from schema.ids import MatrixId
from service.clock import Clock
from service.matrix import border
from service.matrix.devices import Person, read_query
from service.matrix.machine import Machine
from service.matrix.transport import NO_TOKEN, Transport

_USERS_AT_ONCE = 100
_ASKED_ALONE = 50
_HOME_SECONDS = 10.0
_FIRST_PAUSE = 15.0
_FIRST_HOME_PAUSE = 2.0
_LONGEST_PAUSE = 3600.0


def _together(paused: float) -> int:
    """How many are asked about in one request, by how long the last pause was: fewer after each failure."""
    return _USERS_AT_ONCE if paused == 0 else 10 if paused <= _FIRST_PAUSE else 1


class Directory:
    """The devices of people, kept current in the machine that `machine()` gives; `home` is our server."""

    def __init__(self, transport: Transport, machine: Callable[[], Machine], clock: Clock, home: str) -> None:
        self._transport = transport
        self._home = home
        self._clock = clock
        self._machine = machine
        self._news: dict[MatrixId, int] = {}
        self._pauses: dict[MatrixId, tuple[float, float]] = {}
        """When somebody may be asked again (monotonic), and how long the last pause was."""

    def person(self, user: MatrixId) -> Person:
        """The record of `user`, a stale one where there is none."""
        people = self._machine().people
        found = people.get(user)
        if found is None:
            found = people[user] = Person(user)
            self._machine().mark_person(user)
        return found

    def expect_news(self, user: MatrixId) -> None:
        """The homeserver says that the devices of `user` changed."""
        person = self._machine().people.get(user)
        if person is not None:
            person.stale = True
            self._news[user] = self._news.get(user, 0) + 1
            self._pauses.pop(user, None)
            self._machine().mark_person(user)

    def next_try(self) -> float | None:
        """When, on the monotonic clock, somebody stale is asked again."""
        people = self._machine().people
        paused = ((people.get(user), at) for user, (at, _) in self._pauses.items())
        return min((at for person, at in paused if person is not None and person.stale), default=None)

    async def refresh(self, users: Iterable[MatrixId], seconds: float, *, urgent: bool = False) -> None:
        """Ask about those of `users` who are stale, for at most `seconds`; whoever is left stays stale.

        Those who failed lately are left out unless it is `urgent`. Raises SignedOut and nothing else.
        """
        now = self._clock.monotonic()
        people = self._machine().people
        for kept in (self._pauses, self._news):
            for gone in kept.keys() - people.keys():
                del kept[gone]
        groups: dict[tuple[str, int], list[MatrixId]] = {}
        for user in users:
            again_at, paused = self._pauses.get(user, (0.0, 0.0))
            if self.person(user).stale and (urgent or again_at <= now):
                groups.setdefault((user.partition(":")[2], _together(paused)), []).append(user)
        if not groups:
            return
        near: list[asyncio.Future[None]] = []
        far: list[asyncio.Future[None]] = []
        for (server, together), theirs in groups.items():
            ours = server == self._home
            for at in range(0, len(theirs), together):
                part = theirs[at : at + together]
                # Our own homeserver has all it needs at hand: it is only ever busy, not gone.
                patience = seconds + _HOME_SECONDS if ours else seconds
                (near if ours else far).append(asyncio.ensure_future(self._ask_server(part, patience)))
        tasks = near + far
        try:
            await asyncio.wait(tasks, timeout=seconds)
            if near:
                await asyncio.wait(near, timeout=_HOME_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
        done = [task for task in tasks if task.done()]
        await asyncio.gather(*tasks, return_exceptions=True)
        for user in (user for theirs in groups.values() for user in theirs):
            self._note(user)
        for task in done:
            task.result()

    def _note(self, user: MatrixId) -> None:
        if not self.person(user).stale:
            self._pauses.pop(user, None)
            return
        _, before = self._pauses.get(user, (0.0, 0.0))
        first = _FIRST_HOME_PAUSE if user.partition(":")[2] == self._home else _FIRST_PAUSE
        pause = min(max(first, before * 2), _LONGEST_PAUSE)
        self._pauses[user] = (self._clock.monotonic() + pause, pause)

    async def _ask_server(self, users: list[MatrixId], seconds: float) -> None:
        try:
            await self._ask(users, seconds)
        except WorldError:
            return
        except HomeserverRefused:
            for user in users[:_ASKED_ALONE] if len(users) > 1 else ():
                try:
                    await self._ask([user], seconds)
                except (WorldError, HomeserverRefused):
                    continue

    async def _ask(self, users: list[MatrixId], seconds: float) -> None:
        machine = self._machine()
        before = {user: self._news.get(user, 0) for user in users}
        asked, more = Api.keys_query(NO_TOKEN, users), {"timeout": round(seconds * 1000)}
        answer = await self._transport.ask("keys query", asked, more=more, timeout=seconds + 5)
        if machine is self._machine():
            for user in users:
                self._take(machine, answer, user, before[user])

    def _take(self, machine: Machine, answer: dict[str, Any], user: MatrixId, news: int) -> None:
        try:
            shown = border.attempt(read_query, answer, user, (machine.curve25519, machine.ed25519))
        except Malformed:
            return
        person = self.person(user)
        person.update(shown)
        person.stale = self._news.get(user, 0) != news
        if not person.stale:
            self._news.pop(user, None)
        machine.mark_person(user)
