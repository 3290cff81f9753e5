"""Runs the benchmarks that are named: `python -m tests.bench [NAME...]`; without a name it lists them.

Each prints medians with the least and the most, and the goal beside each ratio. They need a Synapse, as the
live tests do, and a machine that does nothing else meanwhile.
"""

import asyncio
import importlib
import sys
from collections.abc import Sequence

from tests.bench.measure import say

NAMES = {
    "opening": "from the second yes to both invitations, beside a bare createRoom with two invitations",
    "answers": "answers per second and processor time for each, beside a nio echo and a plain bot",
    "restart": "nothing is lost over a restart; the first answer after it with 200 rooms, beside a nio echo",
    "initial": "the first answer after a first sync with 1,000 chats, beside that sync alone",
    "memory": "memory for each further member, beside a bare nio client",
    "matching": "matching with 2,000 offers, beside one encrypted send",
}


def main(names: Sequence[str]) -> int:
    """Run the benchmarks called `names` one after the other; the exit status."""
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        for name, what in NAMES.items():
            say(f"{name:<10} {what}")
        return 2 if unknown else 0
    for name in names:
        asyncio.run(importlib.import_module(f"tests.bench.{name}").measure())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
