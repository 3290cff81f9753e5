"""A proxy on loopback between a program and its homeserver, which notes when requests pass it.

Rules guarded here:
- Bodies pass unchanged; nothing is kept of them.
"""

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

import aiohttp
from aiohttp import web

_PASSED_ON = ("Authorization", "Content-Type")


class Passed(NamedTuple):
    """One request: when it came and when its answer was handed over, on the monotonic clock."""

    method: str
    path: str
    query: dict[str, str]
    token: str
    begun: float
    done: float
    size: int


class Proxy:
    """A running proxy to `target`; `passed` has what went through. Use it in `async with`.

    `sent` counts the messages that were sent. While it `stands_in` it answers those itself, and the
    homeserver never hears of them.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self.passed: list[Passed] = []
        self.sent = 0
        self.stands_in = False
        self.url = ""
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=300)
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector, auto_decompress=False)
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def wait_for(self, look: Callable[[Passed], bool], seconds: float = 10.0) -> Passed:
        """The first request, by when it was done, that `look` is true for; TimeoutError if none comes."""
        async with asyncio.timeout(seconds):
            while True:
                found = [each for each in self.passed if look(each)]
                if found:
                    return min(found, key=lambda each: each.done)
                self._news.clear()
                await self._news.wait()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        begun = time.monotonic()
        if request.method == "PUT" and "/send/" in request.path:
            self.sent += 1
            if self.stands_in:
                await request.read()
                return web.json_response({"event_id": f"$stood-in-{self.sent}"})
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        async with self._session.request(
            request.method, self._target + request.raw_path, data=await request.read(), headers=headers
        ) as answer:
            body = await answer.read()
        response = web.Response(body=body, status=answer.status)
        for name in ("Content-Type", "Retry-After"):
            if name in answer.headers:
                response.headers[name] = answer.headers[name]
        try:
            await response.prepare(request)
            await response.write_eof()
        except ConnectionResetError:
            # Whoever asked is gone; nobody is left to be told.
            return response
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        path = request.raw_path.partition("?")[0]
        done = time.monotonic()
        self.passed.append(Passed(request.method, path, dict(request.query), token, begun, done, len(body)))
        self._news.set()
        return response
