"""A journey played again and again with kills: here one whole pairing, and one that does not come together.

Rules guarded here:
- The points are found by a run that records them, step by step; none is listed by hand.
- Whatever was killed, the journey goes on to its end, and then must have read as the recorded one did.
- A point that did not come up again in its step counts as not covered, and is told.
"""

import asyncio
import os
import re
import signal
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import aiohttp

from service import config
from service.config import Toml
from service.store import Store
from tests.journeys.stage import PASSING, RECORDS, Person, is_gone, rooms_of_keeper, rows, timeless
from tests.live import story
from tests.live.homeserver import Homeserver
from tests.live.instance import Instance, InstanceFailed
from tests.live.member import Member

TIMINGS = {
    "ask_again": "1 hour",
    "reading": "1 second",
    "settle": "0 seconds",
    "prompt_pause": "0 seconds",
}
_GRACE = 10.0
"""Seconds after a step in which what it set off may still reach its point, on a busy machine."""
_RECORDED = 0.33
"""Seconds without a new point after which a step of the recorded journey has had all that it set off."""
_PATIENCE = 120.0
_LESS = "12 seconds"
"""How long somebody who does not come is waited for: longer than a start takes, when nobody chooses."""
_NOTED = re.compile(r'\{(@[^}]+)\} Processed request: .*? "[A-Z]+ (\S+) HTTP')
_NOT_COUNTED = {
    *("before sync", "before keeper sync", "before purge", "before purge status"),
    *("before look into a room", "before look how a room was made"),
}


@dataclass(frozen=True)
class Point:
    """The `number`-th time in step `step` of the journey that service `at` reaches fail point `name`."""

    step: str
    name: str
    number: int
    at: str

    def __str__(self) -> str:
        return f"{self.step}: {self.at} {self.name}#{self.number}".replace(f": {ALONE} ", ": ")


ALONE = "service"
"""What the only service of a rig is called."""


@dataclass
class Supervised:
    """A service under a supervisor that starts it again whenever it dies."""

    instance: Instance
    arm: Path
    log: Path
    deaths: int = 0
    _log_began: int = 0
    _supervisor: asyncio.Task[None] | None = None
    _starts: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever starts the service, or wants it to be at rest."""

    @classmethod
    async def begin(cls, instance: Instance) -> "Supervised":
        """Start an instance and keep it up."""
        self = cls(instance, instance.directory / "armed", instance.directory / "points")
        self._log_began = instance.homeserver.log.stat().st_size
        self.log.touch()
        self._supervisor = asyncio.create_task(self._supervise())
        await self.runs()
        return self

    async def _supervise(self) -> None:
        env = {"ALONGSIDE_FAIL_AT": f"@{self.arm}", "ALONGSIDE_FAIL_LOG": str(self.log)}
        while True:
            async with self._starts:
                await self.instance.start(env)
            await self.instance.wait_dead(within=3600)
            self.deaths += 1

    async def runs(self) -> None:
        """Wait until the service is ready, however often it dies before that."""
        deadline = time.monotonic() + _PATIENCE
        said = "no answer"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session:
            while time.monotonic() < deadline:
                if self._supervisor is not None and self._supervisor.done():
                    await self._supervisor
                try:
                    async with session.get(f"http://127.0.0.1:{self.instance.port}/readyz") as answer:
                        said = await answer.text()
                        if answer.status == 200:
                            return
                except (aiohttp.ClientError, TimeoutError) as error:
                    said = repr(error)
                await asyncio.sleep(0.03)
        raise AssertionError(f"the service is not ready: {said}\n{self.instance.log_tail()}")

    async def starts_again(self) -> None:
        """The service is killed, whatever it does, and comes up again."""
        await self._ends()
        await self.runs()

    async def _ends(self) -> None:
        deaths, pid = self.deaths, self.instance.pid
        if pid is not None:
            # It may have died just now, at the point where it was to be killed.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            await until(lambda: self.deaths > deaths, "the end of the process")

    async def later(self, change: Callable[[Store], Awaitable[None]]) -> None:
        """The service is killed, its records are changed while it is at rest, and it comes up again."""
        async with self._starts:
            await self._ends()
            settings = config.load(self.instance.configuration)
            store = await Store.open(settings.database_url(), settings.sealing_key())
            try:
                await change(store)
            finally:
                await store.close()
        await self.runs()

    async def close(self) -> None:
        """End it."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with suppress(asyncio.CancelledError, InstanceFailed):
                await self._supervisor
        await self.instance.kill()

    def kill_at(self, point: Point) -> None:
        """Have it die when it comes to the point."""
        armed = self.arm.with_suffix(".new")
        armed.write_text(f"{point.name}#{point.number}")
        armed.replace(self.arm)

    @property
    def is_to_die(self) -> bool:
        """Whether the point at which it is to die has not come yet."""
        return self.arm.exists()

    def reached(self) -> list[str]:
        """The names of all points reached so far."""
        return [line.rpartition("#")[0] for line in self.log.read_text().splitlines()]

    def requests(self) -> tuple[int, int]:
        """How many requests passed a fail point, and how many the homeserver noted of our two accounts.

        Left out are those that wait for news, of which one is cut off by each stop, and the administrator's.
        """
        names = [name for name in self.reached() if name.startswith("before ")]
        passed = [
            name for name in names if not name.startswith("before commit ") and name not in _NOT_COUNTED
        ]
        with self.instance.homeserver.log.open("rb") as log:
            log.seek(self._log_began)
            noted = _NOTED.findall(log.read().decode(errors="replace"))
        ours = {self.instance.desk_user, self.instance.keeper_user}
        return len(passed), sum(user in ours and "/sync" not in path for user, path in noted)


@dataclass
class Rig:
    """Services that are kept up, by their names, and members who stay."""

    services: dict[str, Supervised]
    members: dict[str, Member]

    @classmethod
    async def make(
        cls,
        homeserver: Homeserver,
        directory: Path,
        database_url: str | None = None,
        settings: Callable[[Member], Mapping[str, Toml]] = lambda third: {},
    ) -> "Rig":
        """A new service with three new members, on SQLite or on the PostgreSQL database at `database_url`.

        `settings` are its further keys, given the third.
        """
        asker, peer, third = await asyncio.gather(*(Member.start(homeserver, kind="nio") for _ in range(3)))
        instance = await Instance.make(
            homeserver,
            directory,
            timings=TIMINGS,
            admin=True,
            settings=settings(third),
            database_url=database_url,
            # Hundreds of starts: their imports would be most of what this costs.
            forked=True,
        )
        service = await Supervised.begin(instance)
        return cls({ALONE: service}, {"asker": asker, "peer": peer, "third": third})

    @property
    def instance(self) -> Instance:
        """The instance of the only service."""
        return self.services[ALONE].instance

    async def starts_again(self) -> None:
        """The only service is killed, whatever it does, and comes up again."""
        await self.services[ALONE].starts_again()

    async def later(self, change: Callable[[Store], Awaitable[None]]) -> None:
        """The only service is killed, its records are changed at rest, and it comes up again."""
        await self.services[ALONE].later(change)

    async def close(self) -> None:
        """End everything."""
        await asyncio.gather(*(one.close() for one in self.services.values()))
        await asyncio.gather(*(one.close() for one in self.members.values()))

    def log_tail(self) -> str:
        """The last lines of what each service printed."""
        return "\n".join(f"{name}:\n{one.instance.log_tail(60)}" for name, one in self.services.items())


async def until(holds: Callable[[], bool], what: str, within: float = _PATIENCE) -> None:
    """Wait until something holds. Raises AssertionError after `within` seconds."""
    try:
        async with asyncio.timeout(within):
            while not holds():  # noqa: ASYNC110  What is awaited is another process's.
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{what} did not come within {within:.0f} s") from None


Step = tuple[str, Callable[[], Awaitable[None]]]
Reached = dict[str, dict[str, list[str]]]
"""By step and service, the names of all points that were reached."""


@dataclass
class Journey:
    """One pairing, from the first words to all members forgotten, and what was said in it.

    The peer has somebody found for themselves meanwhile, who does not come.
    """

    rig: Rig
    chats: dict[str, str] = field(default_factory=dict)
    room: str = ""
    _invited: dict[str, int] = field(default_factory=dict)
    _heard_before: dict[str, int] = field(default_factory=dict)
    """How much was heard in a chat that was there before this journey."""

    called: ClassVar[str] = "pairing"
    invited_to: ClassVar[Mapping[str, int]] = {"asker": 1, "peer": 2, "third": 1}
    """To how many peer rooms each is invited."""
    spared: ClassVar[Collection[str]] = ()
    """Steps in which nothing is killed: another journey is, in the same."""
    turning: ClassVar[Collection[str]] = ()
    """Points that come again and again in a step, and are killed at when they first and last do."""

    @staticmethod
    def settings(third: Member) -> Mapping[str, Toml]:
        """What the service is configured with besides; `third` is whoever is neither asker nor peer."""
        return {}

    def _member(self, who: str) -> Member:
        return self.rig.members[who]

    def person(self, who: str) -> Person:
        """The asker, the peer, or the third."""
        return Person(self._member(who), self.chats[who])

    def steps(self) -> list[Step]:
        """All steps, in order; a name says who does what."""
        return [
            ("the service starts", lambda: self._starts("15 minutes")),
            ("the peer comes", lambda: self._comes("peer")),
            self._says("peer", "offer", "offer.length"),
            self._says("peer", "skip", "offer.card"),
            self._says("peer", "I like walks.", "offer.fear"),
            self._says("peer", "2", "offer.recap"),
            ("the peer agrees to be asked", self._says("peer", "yes", "offer.begun")[1]),
            ("the asker comes", lambda: self._comes("asker")),
            self._says("asker", "talk", "talk.recap"),
            self._says("asker", "more", "talk.wish"),
            self._says("asker", "1", "talk.length"),
            self._says("asker", "skip", "talk.note"),
            self._says("asker", "A long week.", "talk.recap"),
            ("the asker asks", self._asks),
            self._says("peer", "yes", "note.words"),
            ("the peer goes on", lambda: self._goes_on("peer", "asker")),
            ("the asker agrees", lambda: self._agrees("asker", "peer")),
            ("the asker comes in", lambda: self._comes_in("asker")),
            ("the peer comes in", lambda: self._comes_in("peer")),
            ("they talk", self._talk),
            self._says("asker", "extend", "extend.how_much"),
            ("the asker would like more time", self._would_like_more),
            ("the peer would too", self._would_too),
            ("the peer leaves", self._leaves),
            self._says("peer", "come back", "left.invited"),
            ("the peer is back", self._is_back),
            ("they talk on", self._talk),
            ("the service starts with less patience", lambda: self._starts(_LESS)),
            ("the third comes", lambda: self._comes("third")),
            self._says("third", "offer", "offer.length"),
            self._says("third", "skip", "offer.card"),
            self._says("third", "I like tea.", "offer.fear"),
            self._says("third", "2", "offer.recap"),
            ("the third agrees to be asked", self._third_offers),
            self._says("peer", "backup", "backup.question"),
            ("the peer asks too", self._asks_too),
            self._says("third", "yes", "note.terms"),
            ("the third goes on", lambda: self._goes_on("third", "peer")),
            ("the peer agrees", lambda: self._agrees("peer", "third")),
            ("the peer comes into the other room", self._comes_into_the_other),
            ("the third does not come", self._does_not_come),
            ("the peer would have somebody else", self._somebody_else),
            ("the other room goes", self._the_other_goes),
            self._says("peer", "stop", "stop.which"),
            ("the peer looks no further", self._looks_no_further),
            self._says("peer", "pass on", "pass.question"),
            ("the peer passes on", self._passes_on),
            ("the room goes", self._goes),
            self._says("peer", "withdraw", "offer.withdrawn"),
            ("the asker is forgotten", lambda: self._forgotten("asker")),
            ("the peer is forgotten", lambda: self._forgotten("peer")),
            ("the third is forgotten", lambda: self._forgotten("third")),
            ("all is quiet", self._quiet),
        ]

    def _says(self, who: str, words: str, key: str) -> Step:
        async def step() -> None:
            person = self.person(who)
            await person.writes(words)
            await person.hears(key)

        return f"the {who} says {words}", step

    async def _starts(self, patience: str) -> None:
        self.rig.instance.configure({"timings.join": patience})
        await self.rig.starts_again()

    async def _comes(self, who: str) -> None:
        self.chats[who] = await self._member(who).create_direct(self.rig.instance.desk_user)
        await self.person(who).hears("menu.hello")

    async def _asks(self) -> None:
        await self.person("asker").writes("yes")
        await self.person("asker").hears("request.asking")
        await self.person("peer").hears("ask.intro")

    async def _goes_on(self, peer: str, asker: str) -> None:
        await self.person(peer).writes("1")
        await self.person(peer).hears("note.yes")
        await self.person(asker).hears("consent.intro")

    async def _agrees(self, asker: str, peer: str) -> None:
        await self.person(asker).writes("yes")
        await self.person(asker).hears("room.opened")
        await self.person(peer).hears("room.opened")

    async def _comes_in(self, who: str) -> None:
        member = self.person(who).member
        while (invite := await member.invited()).direct:
            pass
        self.room = self.room or invite.room
        assert invite.room == self.room, "the two were invited to two rooms"
        await member.join(self.room)

    async def _talk(self) -> None:
        assert rooms_of_keeper(self.rig.instance) == [self.room], "there is a second room"
        await story.talk_to_each_other(self.room, self.rig.members["asker"], self.rig.members["peer"])
        # A service that was killed after it let them write, and before it kept that, learns it at its start.
        # Until then an end of the room is one before they met, of which the asker hears in other words.
        await until(lambda: not rows(self.rig.instance, ("requests",))["requests"], "that they have met")

    async def _would_like_more(self) -> None:
        await self.person("asker").writes("1")
        await self.person("asker").hears("extend.waits")
        await self.person("peer").hears("extend.question")

    async def _would_too(self) -> None:
        await self.person("peer").writes("yes")
        for who in ("asker", "peer"):
            await self.person(who).hears("room.extended")

    async def _leaves(self) -> None:
        await self.rig.members["peer"].leave(self.room)
        await self.person("asker").hears("apart.question")
        await self.person("peer").hears("left.question")
        await self.rig.members["asker"].sees_state(
            self.room, "m.room.power_levels", where=lambda levels: levels.get("events_default", 0) == 100
        )

    async def _is_back(self) -> None:
        await self._comes_in("peer")
        for who in ("asker", "peer"):
            await self.person(who).hears("room.back")

    async def _third_offers(self) -> None:
        await self.person("third").writes("yes")
        await self.person("third").hears("offer.begun")

    async def _asks_too(self) -> None:
        await self.person("peer").writes("yes")
        await self.person("peer").hears("request.asking")
        await self.person("third").hears("ask.intro")

    async def _comes_into_the_other(self) -> None:
        member = self.rig.members["peer"]
        while (invite := await member.invited()).direct or invite.room == self.room:
            pass
        assert set(rooms_of_keeper(self.rig.instance)) == {self.room, invite.room}, "there is a third room"
        await member.join(invite.room)

    async def _does_not_come(self) -> None:
        await self.person("third").hears("room.reminder")
        await self.person("peer").hears("absent.question")

    async def _somebody_else(self) -> None:
        await self.person("peer").writes("2")
        await self.person("peer").hears("absent.go_on")

    async def _the_other_goes(self) -> None:
        for who in ("peer", "third"):
            await self.person(who).hears("room.closed_unread")
            await self.person(who).hears("receipt.intro")
        assert rooms_of_keeper(self.rig.instance) == [self.room], "the other room is left"

    async def _looks_no_further(self) -> None:
        peer = self.person("peer")
        await story.chooses(peer.member, peer.chat, peer.heard()[-1], "choice.stop_request")
        await peer.hears("request.withdrawn")

    async def _passes_on(self) -> None:
        await self.person("peer").writes("1")
        await self.person("peer").hears("pass.closing")
        await self.person("peer").hears("room.closed")
        await self.person("asker").hears("again.passed")

    async def _goes(self) -> None:
        for who in ("asker", "peer"):
            await self.person(who).hears("receipt.intro")

    async def _forgotten(self, who: str) -> None:
        person = self.person(who)
        await person.writes("forget me")
        await person.hears("forget.question")
        await person.writes("yes")
        await person.hears("forget.done")
        await person.member.sees_membership(person.chat, self.rig.instance.desk_user, "leave")

    async def _quiet(self) -> None:
        instance = self.rig.instance
        await until(
            lambda: not any(rows(instance, (*RECORDS, *PASSING)).values()),
            "the end of every record, of the inbox and of the outbox",
        )
        assert rooms_of_keeper(instance) == [], "a room is left"
        assert await is_gone(instance.homeserver, self.room), "the room is left"
        for who, count in self.invited_to.items():
            more = len(self._rooms(who)) - self._invited[who]
            assert more == count, f"the {who} was invited to {more} rooms"

    def _rooms(self, who: str) -> set[str]:
        """The peer rooms that they were ever invited to."""
        keeper = self.rig.instance.keeper_user
        return {one.room for one in self._member(who)._invites if one.sender == keeper}

    def told(self) -> dict[str, list[str]]:
        """What each was told, in order, without the hours and their own address.

        Left out is that the room takes longer, which hangs on how long a start takes: it is said at most
        once to whoever asked, and before the room is open.
        """
        return {who: self._told(who) for who in self.chats}

    def _told(self, who: str) -> list[str]:
        person = self.person(who)
        heard = person.heard()[self._heard_before.get(who, 0) :]
        bodies = ["UNREADABLE" if one.failure is not None else one.body for one in heard]
        late, opened = (
            [at for at, body in enumerate(bodies) if story.sentence(key).search(body)]
            for key in ("consent.opening", "room.opened")
        )
        assert len(late) <= (who != "third"), f"the {who} was told {len(late)} times that it takes longer"
        assert all(at < opened[-1] for at in late), "the room was said to be opening when it was open"
        return [self._nameless(timeless(body)) for at, body in enumerate(bodies) if at not in late]

    def _nameless(self, text: str) -> str:
        """The text without addresses, to compare what was said on different rigs."""
        for who, member in self.rig.members.items():
            text = text.replace(member.user_id, f"THE {who.upper()}")
        for at, service in self.rig.services.items():
            whose = "" if at == ALONE else f" OF THE {at.upper()}"
            text = text.replace(service.instance.keeper_user, f"THE KEEPER{whose}")
            text = text.replace(service.instance.desk_user, f"THE DESK{whose}")
        return text

    async def checks(self, step: str) -> None:
        """What must hold after each step, killed or not, besides what it waited for."""

    def _reached(self) -> dict[str, list[str]]:
        return {at: service.reached() for at, service in self.rig.services.items()}

    async def _rests(self) -> None:
        """Wait until nothing more follows of a step: what it set off belongs to it in the record."""
        reached: dict[str, list[str]] = {}
        deadline = time.monotonic() + _GRACE
        while (now := self._reached()) != reached and time.monotonic() < deadline:
            reached = now
            await asyncio.sleep(_RECORDED)

    async def _falls(self, at: str) -> None:
        """Wait for the point at which a service is to die in this step; it may not come."""
        service = self.rig.services[at]
        with suppress(AssertionError):
            await until(lambda: not service.is_to_die, "the point", _GRACE)

    async def play(self, kills: Iterable[Point] = ()) -> tuple[list[Point], Reached]:
        """Play all steps, services killed at `kills`; those that came up, and each step's points."""
        self._invited = {who: len(self._rooms(who)) for who in self.invited_to}
        waiting = {(kill.step, kill.at): kill for kill in kills}
        covered: list[Point] = []
        reached: Reached = {}
        for name, step in self.steps():
            assert name not in reached, f"two steps are called {name!r}: the points of one would be hidden"
            before = {at: len(names) for at, names in self._reached().items()}
            armed = {at: kill for at in before if (kill := waiting.get((name, at))) is not None}
            for at, kill in armed.items():
                self.rig.services[at].kill_at(kill)
            try:
                await step()
                if not waiting:
                    await self._rests()
                await asyncio.gather(*map(self._falls, armed))
                await self.checks(name)
            except AssertionError as error:
                raise AssertionError(f"in step {name!r}: {error}") from None
            for at, kill in armed.items():
                service = self.rig.services[at]
                if not service.is_to_die:
                    covered.append(kill)
                service.arm.unlink(missing_ok=True)
            reached[name] = {at: names[before[at] :] for at, names in self._reached().items()}
        return covered, reached


def points_of(reached: Reached, spared: Collection[str] = (), turning: Collection[str] = ()) -> list[Point]:
    """Every point that a recorded journey reached, in the order of its steps, but for `spared` steps.

    Of points whose names are `turning` each step has the first and the last.
    """
    found: list[Point] = []
    for step, services in reached.items():
        if step in spared:
            continue
        for at, names in services.items():
            count: Counter[str] = Counter()
            all_of = Counter(names)
            for name in names:
                count[name] += 1
                if name not in turning or count[name] in (1, all_of[name]):
                    found.append(Point(step, name, count[name], at))
    return found


def spread(points: list[Point], count: int) -> list[Point]:
    """`count` points, spread evenly over the journey: the middle of each of as many parts.

    Its first and its last point are none of them. The first, a member's coming, comes up with new members
    alone, and would cost each sample a further journey with these.
    """
    return [points[(2 * index + 1) * len(points) // (2 * count)] for index in range(count)]


def rounds(points: Iterable[Point]) -> list[list[Point]]:
    """The points in as few journeys as hold them, one of a service at most for each step."""
    by_step: dict[tuple[str, str], deque[Point]] = {}
    for point in points:
        by_step.setdefault((point.step, point.at), deque()).append(point)
    found = []
    while any(by_step.values()):
        found.append([left.popleft() for left in by_step.values() if left])
    return found
