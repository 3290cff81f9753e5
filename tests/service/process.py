"""The store in a process of its own, to be killed: `python -m tests.service.process WHAT URL KEY [MORE…]`.

hold: take the lease, say "held", and serve until killed. open: open the database under the lease, and say how
many members it opens. fill: the same, after keeping as many members as the next argument says.
rotate: rotate to the next key, with the key file (the argument after it) replaced in between, as the command
line does. Keys are given in hexadecimal.
"""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from schema.ids import MatrixId, MemberId
from schema.records import Member
from service.lease import Lease
from service.store import Store


async def _do(what: str, url: str, key: str, *more: str) -> None:
    async with Lease.take(url) as lease:
        store = await Store.open(url, bytes.fromhex(key), lease)
        try:
            if what == "hold":
                _say("held")
                await asyncio.Event().wait()
            if what == "fill":
                await _fill(store, int(more[0]))
            if what == "rotate":
                new_key, file = bytes.fromhex(more[0]), Path(more[1])
                await store.rotate(new_key, lambda: _replace(file, new_key.hex()))
            async with store.transaction("count") as transaction:
                members = await transaction.find(Member)
            _say(str(len(members)))
        finally:
            await store.close()


async def _fill(store: Store, count: int) -> None:
    async with store.transaction("fill") as transaction:
        for at in range(count):
            address = MatrixId(f"@member{at}:example.org")
            await transaction.put(Member(MemberId(f"{at:032x}"), address, datetime.now(UTC)))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _replace(file: Path, text: str) -> None:
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.replace(file)


def main() -> None:
    """Do one thing to the database."""
    asyncio.run(_do(*sys.argv[1:]))


if __name__ == "__main__":
    main()
