"""A bare matrix-nio echo as a process of its own: the floor that benchmarks measure against.

Rules guarded here:
- It answers each message in a task of its own and keeps nothing on disk but nio's default store.
- It does what any nio program must to be usable, and nothing more: no durable inbox, no sealing, no rules.
- To `burst N` it does not answer, but writes N messages of the usual size, to its rooms in turn, 32 at once.

As a script its settings are url, user, store, signed, and either password or access_token with device_id; it
is ready when its first sync is done. `Echo` is the other side.
"""

import asyncio
import itertools
import secrets
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import nio
from nio.client.async_client import AsyncClient, AsyncClientConfig

from tests.live.homeserver import Homeserver, JsonObject, Login
from tests.live.nio_member import sign_own_device
from tests.live.script import Script, ready, work_as_script

_BURST = "So many words as a question with its choices has. " * 4
_AT_ONCE = 32


class Echo:
    """A running echo. Make it with `Echo.start`, use it in `async with`."""

    def __init__(self, homeserver: Homeserver, user_id: str, password: str, signed: bool, url: str) -> None:
        self.homeserver = homeserver
        self._url = url
        self.user_id = user_id
        self.login: Login | None = None
        self.directory = Path(tempfile.mkdtemp(prefix="alongside-echo-"))
        self._password = password
        self._signed = signed
        self._script = Script("tests.live.echo")

    @classmethod
    async def start(cls, homeserver: Homeserver, *, signed: bool = False, url: str | None = None) -> Self:
        """Register an account, start its echo, and return after its first sync.

        `url` is where it meets the homeserver.
        """
        localpart, password = f"echo-{secrets.token_hex(4)}", secrets.token_hex(8)
        user_id = await homeserver.register(localpart, password)
        echo = cls(homeserver, user_id, password, signed, url or homeserver.url)
        await echo.resume()
        return echo

    @property
    def pid(self) -> int | None:
        """The process id while it runs, for measurements."""
        return self._script.pid

    async def resume(self) -> None:
        """Start the process, on the store and device of an earlier run where there is one."""
        settings: JsonObject = {
            "url": self._url,
            "user": self.user_id,
            "store": str(self.directory),
            "signed": self._signed,
        }
        if self.login is None:
            settings["password"] = self._password
        else:
            settings |= {"access_token": self.login.access_token, "device_id": self.login.device_id}
        said = await self._script.start(settings)
        self.login = Login(str(said["access_token"]), str(said["device_id"]))

    async def stop(self) -> None:
        """End the process and keep its store and device for `resume`."""
        await self._script.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


# ---- the process


async def _echo(settings: dict[str, Any]) -> None:
    client = AsyncClient(
        settings["url"],
        settings["user"],
        device_id=settings.get("device_id", ""),
        store_path=settings["store"],
        config=AsyncClientConfig(encryption_enabled=True, store_sync_tokens=True),
    )
    fresh = "password" in settings
    if fresh:
        await client.login(settings["password"])
    else:
        client.restore_login(settings["user"], settings["device_id"], settings["access_token"])
    running: set[asyncio.Task[Any]] = set()

    def begin(work: Any) -> None:
        task = asyncio.create_task(work)
        running.add(task)
        task.add_done_callback(running.discard)

    async def answer(room: str, body: str) -> None:
        content = {"msgtype": "m.text", "body": body}
        await client.room_send(room, "m.room.message", content, ignore_unverified_devices=True)

    async def burst(count: int) -> None:
        rooms = itertools.cycle(list(client.rooms))
        left = iter(range(count))

        async def some() -> None:
            for _ in left:
                await answer(next(rooms), _BURST)

        await asyncio.gather(*(some() for _ in range(_AT_ONCE)))

    try:
        if client.should_upload_keys:
            await client.keys_upload()
        if fresh and settings["signed"]:
            async with aiohttp.ClientSession() as session:
                await sign_own_device(client, session)
        first = True
        while True:
            response = await client.sync(timeout=0 if first else 30_000, full_state=first)
            if not isinstance(response, nio.SyncResponse):
                await asyncio.sleep(0.5)
                continue
            if client.should_upload_keys:
                await client.keys_upload()
            if client.should_query_keys:
                await client.keys_query()
            if client.should_claim_keys:
                await client.keys_claim(client.get_users_for_key_claiming())
            await client.send_to_device_messages()
            if first:
                first = False
                ready({"access_token": client.access_token, "device_id": client.device_id})
            for room in response.rooms.invite:
                begin(client.join(room))
            for room, joined in response.rooms.join.items():
                for event in joined.timeline.events:
                    if isinstance(event, nio.RoomMessageText) and event.sender != client.user_id:
                        word, _, count = event.body.partition(" ")
                        asked = word == "burst" and count.isdigit()
                        begin(burst(int(count)) if asked else answer(room, event.body))
    finally:
        for task in running:
            task.cancel()
        await client.close()


if __name__ == "__main__":
    work_as_script(_echo)
