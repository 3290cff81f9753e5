"""Memory for each further member with one device, beside a bare nio client.

Both have a chat with the same members, each of whom has written once and was answered; what is counted is
memory that no other process shares.
"""

import asyncio
from itertools import pairwise

from tests.bench.answers import open_chats
from tests.bench.measure import Goal, Stopwatch, Table, resident, say
from tests.bench.people import Crowd
from tests.bench.subjects import Service
from tests.live.echo import Echo
from tests.live.homeserver import Homeserver

FIRST = 50
STEP = 100
STEPS = 3
_KIB = 1024


async def measure(steps: int = STEPS, first: int = FIRST, step: int = STEP) -> None:
    """Set up, measure at each step, and print."""
    watch = Stopwatch()
    ours: list[float] = []
    theirs: list[float] = []
    async with (
        Homeserver() as homeserver,
        Crowd(homeserver) as crowd,
        await Echo.start(homeserver) as echo,
        await Service.start(homeserver) as service,
    ):
        sizes: list[tuple[int, int]] = []
        for number in range(steps + 1):
            people = await crowd.grow(step if number else first)
            await open_chats(people, service)
            await open_chats(people, echo)
            await asyncio.sleep(1.0)
            assert service.pid is not None
            assert echo.pid is not None
            sizes.append((resident(service.pid), resident(echo.pid)))
            ours_now, theirs_now = (size / _KIB for size in sizes[-1])
            say(
                f"({len(crowd.people)} members after {watch():.0f} s:"
                f" the service {ours_now:.0f} KiB, nio echo {theirs_now:.0f} KiB)"
            )
    for before, after in pairwise(sizes):
        ours.append((after[0] - before[0]) / step / _KIB)
        theirs.append((after[1] - before[1]) / step / _KIB)
    table = Table("memory: for each further member with one device")
    table.row("the service, KiB", ours)
    table.row("nio echo, KiB", theirs)
    whole = (sizes[-1][0] - sizes[0][0]) / (step * steps) / _KIB
    table.ratio(f"the service over 32 KiB (over all steps: {whole:.1f} KiB)", [whole], [32.0], Goal(1.0))
    say(f"({watch():.0f} s in all)")
