"""A proxy on loopback between a program and its homeserver, which notes when requests pass it.

Rules guarded here:
- Bodies pass unchanged; nothing is kept of them.
- Where it stands in for the homeserver it does what every homeserver does with a message: it takes it, and
  has it come back to whoever wrote it with the next sync. Of what a program spends on a message that is a
  part, and a bare nio client's larger one.
"""

import asyncio
import json
import time
from collections import defaultdict, deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, unquote, urlencode

import aiohttp
from aiohttp import web

_PASSED_ON = ("Authorization", "Content-Type")
_OURS = "~"
"""Stands between the homeserver's own token of a sync and our number."""
_IN_ONE_SYNC = 10
"""Messages of one room that come back together: as many as Synapse gives where nothing else is asked for."""


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

    `sent` counts the messages that were sent. While it `stands_in` it takes those itself, as written by
    `sender`, and the homeserver never hears of them.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self.passed: list[Passed] = []
        self.sent = 0
        self.stands_in = False
        self.sender = ""
        self.url = ""
        self._news = asyncio.Event()
        self._came = asyncio.Event()
        self._back: defaultdict[str, deque[dict[str, Any]]] = defaultdict(deque)
        """Of each room, what is to come back with the next syncs."""
        self._syncs = 0
        self._keys: dict[str, Any] = {}
        """What the homeserver last said of the program's keys: no count would mean that none is left."""

    @property
    def told(self) -> bool:
        """Whether all that was taken has come back."""
        return not any(self._back.values())

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
                return await self._take(request)
        syncs = request.path.endswith("/sync")
        if syncs and self.stands_in and not self.told:
            return self._come_back(request)
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        asked = asyncio.ensure_future(self._ask(request, headers))
        if syncs and self.stands_in:
            self._came.clear()
            came = asyncio.ensure_future(self._came.wait())
            await asyncio.wait((asked, came), return_when=asyncio.FIRST_COMPLETED)
            came.cancel()
            if not asked.done():
                # The homeserver had nothing yet; what it gets is asked for with the next sync.
                asked.cancel()
                return self._come_back(request)
        answer, body = await asked
        if syncs and answer.status == 200:
            said = json.loads(body)
            self._keys = {name: said[name] for name in said if name.startswith("device_")} or self._keys
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

    async def _ask(
        self, request: web.Request, headers: dict[str, str]
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """The homeserver's own answer."""
        url, body = self._target + _theirs(request), await request.read()
        async with self._session.request(request.method, url, data=body, headers=headers) as answer:
            return answer, await answer.read()

    async def _take(self, request: web.Request) -> web.Response:
        """Take a message, to come back with a sync."""
        _, room, _, kind, transaction = request.raw_path.rsplit("/", 4)
        event = {
            "type": unquote(kind),
            "sender": self.sender,
            "event_id": f"$stood-in-{self.sent}",
            "origin_server_ts": int(time.time() * 1000),
            "content": await request.json(),
            "unsigned": {"age": 1, "transaction_id": unquote(transaction)},
        }
        self._back[unquote(room)].append(event)
        self._came.set()
        return web.json_response({"event_id": event["event_id"]})

    def _come_back(self, request: web.Request) -> web.Response:
        """What was taken since the last sync."""
        since = request.query.get("since", "")
        self._syncs += 1
        join = {}
        for room, waiting in self._back.items():
            events = [waiting.popleft() for _ in range(min(len(waiting), _IN_ONE_SYNC))]
            if events:
                join[room] = {"timeline": {"events": events, "limited": False, "prev_batch": "stood-in"}}
        token = since.partition(_OURS)[0]
        said = {**self._keys, "next_batch": f"{token}{_OURS}{self._syncs}", "rooms": {"join": join}}
        return web.json_response(said)


def _theirs(request: web.Request) -> str:
    """The path and query as the homeserver is to see them: without our number in a token of a sync."""
    if _OURS not in request.query.get("since", ""):
        return request.raw_path
    query = dict(parse_qsl(request.query_string))
    query["since"] = query["since"].partition(_OURS)[0]
    return f"{request.raw_path.partition('?')[0]}?{urlencode(query)}"
