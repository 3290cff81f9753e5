"""A bot of the tests as a process of its own: what starts and ends it, and what reads its settings inside.

Rules guarded here:
- It reads one JSON line from standard input, prints one when it is ready, and ends when standard input ends.
- It ends with the process that started it.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from tests.live.bound import bound
from tests.live.homeserver import CHECKOUT, JsonObject

_START_SECONDS = 120.0


class Script:
    """A module that calls `work_as_script` when it is run; `name` is the module's."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs, for measurements."""
        return self._process.pid if self._process is not None else None

    async def start(self, settings: JsonObject) -> JsonObject:
        """Start the process with `settings`; what it says when it is ready."""
        process = await asyncio.create_subprocess_exec(
            *bound([sys.executable, "-m", self._name]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=CHECKOUT,
            start_new_session=True,
        )
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(settings).encode() + b"\n")
        async with asyncio.timeout(_START_SECONDS):
            line = await process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended while starting")
        ready: JsonObject = json.loads(line)
        return ready

    async def stop(self) -> None:
        """End the process."""
        process = self._process
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()
            self._process = None


def ready(says: JsonObject) -> None:
    """Tell whoever started this process that it works."""
    sys.stdout.write(json.dumps(says) + "\n")
    sys.stdout.flush()


def work_as_script(work: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Read the settings and do `work` until it or standard input ends."""
    asyncio.run(_work(work))


async def _work(work: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    working = asyncio.ensure_future(work(json.loads(await reader.readline())))
    end = asyncio.ensure_future(reader.read())
    await asyncio.wait([working, end], return_when=asyncio.FIRST_COMPLETED)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
