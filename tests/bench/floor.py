"""A plain bot as a process of its own: the same sends and syncs as an echo, without any encryption.

Rules guarded here:
- It does the least that an answer takes: one sync that brings messages, one request for each answer, each in
  a task of its own. What answers more slowly than this pays for something.

As a script its settings are url, user, token and filter, and it is ready when its first sync is done. `Floor`
is the other side.
"""

import asyncio
import json
import secrets
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from service.matrix.sync import FILTER
from tests.bench.people import account
from tests.live.homeserver import Homeserver, JsonObject
from tests.live.script import Script, ready, work_as_script


class Floor:
    """A running plain bot. Make it with `Floor.start`, use it in `async with`."""

    name = "plain bot"
    encrypted = False

    def __init__(self, homeserver: Homeserver, user_id: str, token: str) -> None:
        self.homeserver = homeserver
        self.user_id = user_id
        self._token = token
        self._script = Script("tests.bench.floor")

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
        return self._script.pid

    async def resume(self) -> None:
        """Start the process."""
        settings: JsonObject = {
            "url": self.homeserver.url,
            "user": self.user_id,
            "token": self._token,
            "filter": FILTER,
        }
        await self._script.start(settings)

    async def stop(self) -> None:
        """End the process."""
        await self._script.stop()

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
                ready({})
            since = batch["next_batch"]
            rooms = batch.get("rooms", {})
            for room in rooms.get("invite", {}):
                begin(join(room))
            for room, section in rooms.get("join", {}).items():
                for event in section["timeline"]["events"]:
                    if event["type"] == "m.room.message" and event["sender"] != settings["user"]:
                        begin(answer(room, event["content"]["body"]))


if __name__ == "__main__":
    work_as_script(_answer_all)
