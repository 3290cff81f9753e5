"""Answers per second and processor time per answer, while some of 100 members write at once.

Beside the service: a bare nio echo, and a plain bot that makes the same sends and syncs without encryption.
All three run the whole time; one is written to at a time, by the same members, in rooms of their own.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench.measure import Goal, Stopwatch, Table, cpu, say
from tests.bench.people import Crowd, Person, each_of
from tests.bench.subjects import Addressed, Service, Subject
from tests.live.echo import Echo
from tests.live.homeserver import Homeserver

MEMBERS = 100
WIDTHS = (8, 32)
"""How many write at once; in the end all of them do."""
MESSAGES = 64
"""In one round, spread over those who write; at least one for each of them."""
ROUNDS = 4


@dataclass
class Chat:
    """One member's room with one program."""

    person: Person
    room: str
    heard: int = 0


@dataclass
class Series:
    """What was measured of one program at one width: a value for each round."""

    per_second: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    homeserver: list[float] = field(default_factory=list)
    slowest: list[float] = field(default_factory=list)


async def measure(rounds: int = ROUNDS, members: int = MEMBERS) -> None:
    """Set up, measure by turns, and print."""
    from tests.bench.floor import Floor

    watch = Stopwatch()
    async with Homeserver() as homeserver, Crowd(homeserver) as crowd:
        people = await crowd.grow(members)
        async with (
            await Floor.start(homeserver) as floor,
            await Echo.start(homeserver) as echo,
            await Service.start(homeserver) as service,
        ):
            subjects: dict[str, Subject] = {"the service": service, "nio echo": echo, "plain bot": floor}
            watch.note(f"{members} members are there")
            chats: dict[str, list[Chat]] = {}
            for name, subject in subjects.items():
                chats[name] = await open_chats(people, subject, encrypted=subject is not floor)
                watch.note(f"each has a chat with {name}")
            for width in (*(width for width in WIDTHS if width < members), members):
                found = {name: Series() for name in subjects}
                for number in range(rounds):
                    for name, subject in subjects.items():
                        await _round(homeserver, subject, chats[name][:width], found[name])
                    watch.note(f"{number + 1} of {rounds} rounds in which {width} write at once")
                _show(width, found)
    say(f"({watch():.0f} s in all)")


async def open_chats(people: Sequence[Person], subject: Addressed, *, encrypted: bool = True) -> list[Chat]:
    """A chat of each of `people` with `subject`, in which both have written once."""

    async def one(person: Person) -> Chat:
        room = await person.open_chat(subject.user_id, encrypted=encrypted)
        await person.until(lambda: True if subject.user_id in person.members.get(room, ()) else None)
        if encrypted:
            await person.share(room, subject.user_id)
        await person.say(room, "menu")
        await person.answer(room, 1)
        return Chat(person, room)

    chats = await each_of(people, one)
    await settle(chats)
    return chats


async def settle(chats: Sequence[Chat]) -> None:
    """Hear everything that is still coming, so that only later answers are counted."""
    for chat in chats:
        while True:
            chat.heard = chat.person.count(chat.room)
            await chat.person.sync(0.05)
            if chat.person.count(chat.room) == chat.heard:
                break


async def _round(homeserver: Homeserver, subject: Subject, chats: Sequence[Chat], series: Series) -> None:
    assert subject.pid is not None
    assert homeserver.pid is not None
    each = max(1, MESSAGES // len(chats))
    waits: list[float] = []

    async def write(chat: Chat) -> None:
        for _ in range(each):
            begun = time.monotonic()
            await chat.person.say(chat.room, "menu")
            heard = await chat.person.answer(chat.room, chat.heard + 1)
            assert heard.body is not None, "an answer could not be decrypted"
            waits.append(heard.at - begun)
            chat.heard += 1

    begun, used, theirs = time.monotonic(), cpu(subject.pid), cpu(homeserver.pid)
    await asyncio.gather(*(write(chat) for chat in chats))
    took, count = time.monotonic() - begun, each * len(chats)
    # What is done after the answer has gone out (forgetting what was sent) belongs to its cost.
    await asyncio.sleep(0.2)
    series.per_second.append(count / took)
    series.cpu.append((cpu(subject.pid) - used) / count)
    series.homeserver.append((cpu(homeserver.pid) - theirs) / count)
    series.slowest.append(max(waits))


def _show(width: int, found: dict[str, Series]) -> None:
    ours, echo, floor = found["the service"], found["nio echo"], found["plain bot"]
    table = Table(f"answers: {width} members write at once")
    for name, series in found.items():
        table.row(f"{name}: answers per second", series.per_second)
        table.row(f"{name}: slowest answer, ms", series.slowest, 1000)
        table.row(f"{name}: processor time per answer, ms", series.cpu, 1000)
        table.row("  the homeserver's for it, ms", series.homeserver, 1000)
    table.ratio(
        "answers per second, the service over the plain bot",
        ours.per_second,
        floor.per_second,
        Goal(0.96, least=True),
    )
    table.ratio("answers per second, nio echo over the plain bot", echo.per_second, floor.per_second)
    table.ratio("processor time per answer, the service over nio echo", ours.cpu, echo.cpu, Goal(1.5))
