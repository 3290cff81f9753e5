"""Asks the homeserver for people's devices, so that nobody's slow or broken server holds up anybody else.

Guards: one request for each server, all at once, with a deadline; a request that is refused is asked again
user by user; whoever could not be asked stays stale and is asked again later and later; news that arrives
while an answer is on its way is not lost.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from schema.errors import HomeserverRefused, Malformed, WorldError
from schema.ids import MatrixId
from service.clock import Clock
from service.matrix import border
from service.matrix.devices import Person, read_query
from service.matrix.machine import Machine
from service.matrix.transport import Transport, client_path

_USERS_AT_ONCE = 100
_ASKED_ALONE = 50
_FIRST_PAUSE = 15.0
_LONGEST_PAUSE = 3600.0


class Directory:
    """The devices of people, kept current in the machine that `machine()` gives."""

    def __init__(self, transport: Transport, machine: Callable[[], Machine], clock: Clock) -> None:
        self._transport = transport
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
        return min((at for at, _ in self._pauses.values()), default=None)

    async def refresh(self, users: Iterable[MatrixId], seconds: float, *, urgent: bool = False) -> None:
        """Ask about those of `users` who are stale, for at most `seconds`; whoever is left stays stale.

        Those who failed lately are left out unless it is `urgent`. Raises SignedOut and nothing else.
        """
        now = self._clock.monotonic()
        servers: dict[str, list[MatrixId]] = {}
        for user in users:
            if self.person(user).stale and (urgent or self._pauses.get(user, (0.0, 0.0))[0] <= now):
                servers.setdefault(user.partition(":")[2], []).append(user)
        if not servers:
            return
        tasks = [
            asyncio.ensure_future(self._ask_server(theirs[at : at + _USERS_AT_ONCE], seconds))
            for theirs in servers.values()
            for at in range(0, len(theirs), _USERS_AT_ONCE)
        ]
        try:
            done, late = await asyncio.wait(tasks, timeout=seconds)
        finally:
            for task in tasks:
                task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for user in (user for theirs in servers.values() for user in theirs):
            self._note(user)
        for task in done:
            task.result()

    def _note(self, user: MatrixId) -> None:
        if not self.person(user).stale:
            self._pauses.pop(user, None)
            return
        _, before = self._pauses.get(user, (0.0, 0.0))
        pause = min(max(_FIRST_PAUSE, before * 2), _LONGEST_PAUSE)
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
        body = {"device_keys": {user: [] for user in users}, "timeout": round(seconds * 1000)}
        answer = await self._transport.request(
            "keys query", "POST", client_path("keys", "query"), body=body, timeout=seconds + 5
        )
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
