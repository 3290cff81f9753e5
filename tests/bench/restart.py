"""Nothing is lost that was sent while the service was down, and the first answer comes soon after a start.

Beside the service: a bare nio echo with as many rooms, which is stopped and started in the same way.
"""

import time
from collections.abc import Sequence

from tests.bench.answers import Chat, open_chats, settle
from tests.bench.measure import Goal, Stopwatch, Table, say
from tests.bench.people import Crowd, each_of
from tests.bench.subjects import Service, Subject
from tests.live.echo import Echo
from tests.live.homeserver import Homeserver

ROOMS = 200
ROUNDS = 5
WRITERS = 8


async def measure(rounds: int = ROUNDS, rooms: int = ROOMS) -> None:
    """Set up, measure by turns, and print."""
    watch = Stopwatch()
    async with Homeserver() as homeserver, Crowd(homeserver) as crowd:
        people = await crowd.grow(rooms)
        async with await Echo.start(homeserver) as echo, await Service.start(homeserver) as service:
            watch.note(f"{rooms} members are there")
            ours = await open_chats(people, service)
            watch.note("each has a chat with the service")
            theirs = await open_chats(people, echo)
            watch.note(f"{rooms} members have a chat with each")
            first: list[float] = []
            first_echo: list[float] = []
            missing = extra = 0
            for number in range(rounds):
                writers = slice(number * WRITERS, (number + 1) * WRITERS)
                took, lost, more = await _restart(service, ours[writers], kill=number % 2 == 1)
                first.append(took)
                missing, extra = missing + lost, extra + more
                took, _, _ = await _restart(echo, theirs[writers])
                first_echo.append(took)
                watch.note(f"{number + 1} of {rounds} restarts of each")
    table = Table(f"restart: {rooms} rooms, {WRITERS} members wrote while it was down")
    table.row("the service: from its start to the first answer, ms", first, 1000)
    table.row("nio echo: from its start to the first answer, ms", first_echo, 1000)
    table.ratio("the service over nio echo", first, first_echo, Goal(1.5))
    table.note(f"answers missing: {missing}, answers given twice: {extra}, of {rounds * WRITERS} messages")
    table.note("(every second stop was a kill)")
    say(f"({watch():.0f} s in all)")


async def _restart(subject: Subject, chats: Sequence[Chat], *, kill: bool = False) -> tuple[float, int, int]:
    """Seconds from the start to the first answer; how many answers never came, and how many came twice."""
    if kill and isinstance(subject, Service):
        await subject.kill()
    else:
        await subject.stop()
    for chat in chats:
        await chat.person.say(chat.room, "menu")
    begun = time.monotonic()
    if isinstance(subject, Service):
        # Not to wait for its word that it runs: it may answer before that.
        await subject.spawn()
    else:
        await subject.resume()

    async def hear(chat: Chat) -> float | None:
        try:
            return (await chat.person.answer(chat.room, chat.heard + 1, 30.0)).at
        except TimeoutError:
            return None

    heard = await each_of(chats, hear, at_once=len(chats))
    answered = [at for at in heard if at is not None]
    before = [chat.heard for chat in chats]
    await settle(chats)
    extra = sum(max(0, chat.heard - had - 1) for chat, had in zip(chats, before, strict=True))
    return min(answered) - begun, len(chats) - len(answered), extra
