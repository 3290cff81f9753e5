"""A plain bot as a process of its own: the same sends and syncs as an echo, without any encryption.

Rules guarded here:
- It does the least that an answer takes: one sync that brings messages, one request for each answer, each in
  a task of its own. What answers more slowly than this pays for something.

As a script it reads one JSON line from standard input (url, user, token, filter), prints one when its first
sync is done, and ends when standard input ends. `Floor` is the other side.
"""

import asyncio
import json
import secrets
import sys
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from service.matrix.sync import FILTER
from tests.bench.people import account
from tests.live.bound import bound
from tests.live.homeserver import CHECKOUT, Homeserver


class Floor:
    """A running plain bot. Make it with `Floor.start`, use it in `async with`."""

    name = "plain bot"
    encrypted = False

    def __init__(self, homeserver: Homeserver, user_id: str, token: str) -> None:
        self.homeserver = homeserver
        self.user_id = user_id
        self._token = token
        self._process: asyncio.subprocess.Process | None = None

    @classmethod
    async def start(cls, homeserver: Homeserver) -> Self:
        """Register an account, start its bot, and return after its first sync."""
        token, user_id, _ = await account(homeserver, "floor")
        floor = cls(homeserver, user_id, token)
        await floor.resume()
        return floor

    @property
    def pid(self) -> int | None:
        """The process id while it runs, for measurements."""
        return self._process.pid if self._process is not None else None

    async def resume(self) -> None:
        """Start the process."""
        settings = {"url": self.homeserver.url, "user": self.user_id, "token": self._token, "filter": FILTER}
        process = await asyncio.create_subprocess_exec(
            *bound([sys.executable, "-m", "tests.bench.floor"]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=CHECKOUT,
            start_new_session=True,
        )
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(settings).encode() + b"\n")
        async with asyncio.timeout(60):
            if not await process.stdout.readline():
                raise RuntimeError("the plain bot ended while starting")

    async def stop(self) -> None:
        """End the process."""
        process = self._process
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()
            self._process = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


# ---- the process


async def _answer_all(settings: dict[str, Any]) -> None:
    url = f"{settings['url']}/_matrix/client/v3"
    headers = {"Authorization": f"Bearer {settings['token']}"}
    running: set[asyncio.Task[None]] = set()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def answer(room: str, body: str) -> None:
            path = f"{url}/rooms/{quote(room)}/send/m.room.message/{secrets.token_hex(8)}"
            async with session.put(path, json={"msgtype": "m.text", "body": body}) as response:
                await response.read()

        async def join(room: str) -> None:
            async with session.post(f"{url}/join/{quote(room)}", json={}) as response:
                await response.read()

        def begin(work: Any) -> None:
            task = asyncio.create_task(work)
            running.add(task)
            task.add_done_callback(running.discard)

        since = ""
        while True:
            params = {"filter": settings["filter"], "timeout": "30000" if since else "0"}
            if since:
                params["since"] = since
            async with session.get(f"{url}/sync", params=params) as response:
                batch = json.loads(await response.read())
            if not since:
                sys.stdout.write("{}\n")
                sys.stdout.flush()
            since = batch["next_batch"]
            rooms = batch.get("rooms", {})
            for room in rooms.get("invite", {}):
                begin(join(room))
            for room, section in rooms.get("join", {}).items():
                for event in section["timeline"]["events"]:
                    if event["type"] == "m.room.message" and event["sender"] != settings["user"]:
                        begin(answer(room, event["content"]["body"]))


async def _run() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    bot = asyncio.create_task(_answer_all(json.loads(await reader.readline())))
    end = asyncio.create_task(reader.read())
    await asyncio.wait([bot, end], return_when=asyncio.FIRST_COMPLETED)
    bot.cancel()
    await asyncio.gather(bot, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(_run())
