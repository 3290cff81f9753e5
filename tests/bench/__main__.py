"""Runs the benchmarks that are named: `python -m tests.bench [NAME...]`; without a name it lists them.

After a name its size can be given, such as `initial rooms=300 rounds=3`, for a smaller or a longer run. Each
prints medians with the least and the most, and the goal beside each ratio. They need a Synapse, as the
live tests do, and a machine that does nothing else meanwhile.
"""

import asyncio
import importlib
import sys
from collections.abc import Sequence

from tests.bench.measure import say

NAMES = {
    "opening": "from the second yes to both invitations, beside a bare createRoom with two invitations",
    "crossing": "the same across a link, beside a bare createRoom and a bare round trip of two homeservers",
    "answers": "answers per second and processor time for each, beside a nio echo and a plain bot",
    "restart": "nothing is lost over a restart; the first answer after it with 200 rooms, beside a nio echo",
    "initial": "the first answer after a first sync with 1,000 chats, beside that sync alone",
    "memory": "memory for each further member, beside a bare nio client",
    "checkins": "500 check-ins in one minute, and 100,000 against a stand-in, beside bare nio sends; memory",
    "schedules": "a wake-up with 1,000,000 schedules and nothing due, beside one with 1,000",
    "envelopes": "envelopes of a link taken per second on one core, beside bare HPKE and Ed25519",
    "matching": "matching with 2,000 offers, beside one encrypted send; the curve to 100,000",
}

MINUTES = {
    "opening": "2",
    "crossing": "2",
    "answers": "5 to 8",
    "restart": "9",
    "initial": "3",
    "memory": "5",
}
"""What each took on two cores, where it was seen. Meanwhile it says how far it is."""


def main(words: Sequence[str]) -> int:
    """Run the benchmarks that `words` name one after the other; the exit status."""
    wanted: list[tuple[str, dict[str, int]]] = []
    for word in words:
        name, equals, value = word.partition("=")
        if equals and value.isdigit() and wanted:
            wanted[-1][1][name] = int(value)
        elif word in NAMES:
            wanted.append((word, {}))
        else:
            wanted.clear()
            break
    if not wanted:
        for name, what in NAMES.items():
            say(f"{name:<10} {what}" + (f" ({MINUTES[name]} minutes)" if name in MINUTES else ""))
        return 2 if words else 0
    for name, sizes in wanted:
        asyncio.run(importlib.import_module(f"tests.bench.{name}").measure(**sizes))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
