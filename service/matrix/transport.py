"""One request to the homeserver: its JSON answer, or one of our errors.

Guards: every request has a deadline; 429 says how long to wait; a proxy's HTML, a truncated body and a 5xx
are the world's fault and retried by whoever asked, never here; tokens, paths and bodies never reach a log or
an exception's text. Every outgoing call passes `request`, so that a fail point stands before and after each.
"""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote

import aiohttp

from schema.errors import Away, HomeserverRefused, SignedOut, Throttled
from service.failpoint import reached

JSON = dict[str, Any]

_LARGEST_ANSWER = 256 * 1024 * 1024
"""Bytes; a sync after a long absence is large, an endless body is an attack."""


_DEEPEST = 100
_BRACKETS = re.compile(rb'[\[\]{}]|"(?:[^"\\]|\\.)*"', re.DOTALL)
"""Brackets, and strings, so that no bracket inside one is taken for a bracket."""


_CODE = re.compile(r"[A-Za-z0-9_]{1,80}")
"""A code that may be shown in a log."""

_PASSING = ("M_USER_LOCKED", "M_USER_SUSPENDED", "M_RESOURCE_LIMIT_EXCEEDED")
"""Refusals that an administrator lifts again: what waits must not be thrown away meanwhile."""


def path(*segments: str) -> str:
    """Join path segments below the homeserver's root, each percent-encoded whole (RFC 3986)."""
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


def client_path(*segments: str) -> str:
    """A path of the client-server API, `/_matrix/client/v3/…`."""
    return "/_matrix/client/v3" + path(*segments)


NO_TOKEN = ""
"""What `nio.Api` is given for an access token: it would put one into the query, where proxies log it."""


class Transport:
    """Requests to one homeserver as one account.

    `homeserver` is the base URL, `token` the account's access token (`None` before a log-in).
    """

    def __init__(self, session: aiohttp.ClientSession, homeserver: str, token: str | None = None) -> None:
        self._session = session
        self._homeserver = homeserver.rstrip("/")
        self.token = token

    async def request(
        self,
        call: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        timeout: float = 30.0,
        token: str | None = None,
    ) -> JSON:
        """Ask once; `call` is our own name for it, in logs and fail points. `timeout` is in seconds.

        Raises Away, Throttled, SignedOut or HomeserverRefused.
        """
        headers = {}
        if (bearer := token or self.token) is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        data = None
        if body is not None:
            data = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
        return await self._exchange(call, method, path, query, headers, data, timeout)

    async def upload(self, data: bytes, *, timeout: float = 60.0) -> JSON:
        """Put bytes, which are encrypted, into the media store; its answer has their `content_uri`.

        They have no name there. Raises as `request` does.
        """
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/octet-stream"}
        where = path("_matrix", "media", "v3", "upload")
        return await self._exchange("upload", "POST", where, None, headers, data, timeout)

    async def _exchange(
        self,
        call: str,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str],
        data: bytes | None,
        timeout: float,
    ) -> JSON:
        reached(f"before {call}")
        try:
            async with (
                asyncio.timeout(timeout),
                self._session.request(
                    method,
                    self._homeserver + path,
                    params=query,
                    data=data,
                    headers=headers,
                    allow_redirects=False,
                ) as response,
            ):
                raw = await _read(response)
                status, retry_after = response.status, response.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Away(f"{call}: {type(error).__name__}") from None
        reached(f"after {call}")
        return _answer(call, status, retry_after, raw)

    async def ask(
        self,
        call: str,
        asked: Sequence[str],
        *,
        more: Mapping[str, Any] | None = None,
        timeout: float = 30.0,
    ) -> JSON:
        """Ask once what a function of `nio.Api`, given NO_TOKEN, built: method, path and perhaps a JSON body.

        `more` is what nio leaves out of the body. The access token goes into the header, as with `request`,
        which this is in all else.
        """
        method, target, *data = asked
        path, _, encoded = target.partition("?")
        query = dict(parse_qsl(encoded, keep_blank_values=True))
        if query.pop("access_token", NO_TOKEN) != NO_TOKEN:
            raise ValueError("an access token in a query")
        body = json.loads(data[0]) if data else None
        if more or (body is None and method == "POST"):
            body = {**(body or {}), **(more or {})}
        return await self.request(call, method, path, query=query or None, body=body, timeout=timeout)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    chunks, size = [], 0
    async for chunk in response.content.iter_chunked(1 << 16):
        size += len(chunk)
        if size > _LARGEST_ANSWER:
            raise aiohttp.ClientPayloadError("the answer is too large")
        chunks.append(chunk)
    return b"".join(chunks)


def _parse(raw: bytes) -> object:
    """Read JSON in which somebody may have put a number of thousands of digits, or endless brackets.

    Another's event stands in the middle of a sync: refusing the whole would stop it for everybody, for ever.
    """
    try:
        return json.loads(raw)
    except RecursionError:
        raw = _flattened(raw)
    except ValueError:
        pass
    return json.loads(raw, parse_int=lambda digits: int(digits) if len(digits) < 20 else 0)


def _flattened(raw: bytes) -> bytes:
    """`raw` with null in place of what lies deeper than any answer of the specification does."""
    kept, depth, begin = [], 0, 0
    for found in _BRACKETS.finditer(raw):
        mark = found.group()
        if mark in b"[{":
            depth += 1
            if depth == _DEEPEST + 1:
                kept.append(raw[begin : found.start()])
        elif mark in b"]}":
            if depth == _DEEPEST + 1:
                kept.append(b"null")
                begin = found.end()
            depth -= 1
    return b"".join(kept) + raw[begin:]


def _answer(call: str, status: int, retry_after: str, raw: bytes) -> JSON:
    try:
        answer = _parse(raw) if raw else {}
    except (ValueError, RecursionError):
        answer = None
    if status == 429:
        raise Throttled(_seconds(retry_after, answer))
    if status >= 500 or not isinstance(answer, dict) or 300 <= status < 400:
        raise Away(f"{call}: status {status}", status)
    if status >= 400:
        code = answer.get("errcode")
        code = code if isinstance(code, str) and _CODE.fullmatch(code) else "UNKNOWN"
        if status == 401 and code in ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"):
            raise SignedOut(
                "The homeserver does not take this account's access token any more",
                fix="Sign the account in again with `alongside init --sign-in`.",
            )
        if status == 408 or code in _PASSING:
            raise Away(f"{call}: {status} {code}")
        raise HomeserverRefused(status, code, call, answer)
    return answer


def _seconds(retry_after: str, answer: object) -> float:
    """How long to wait, in seconds: the header, else the body's milliseconds, else one; an hour at most."""
    wait = 1.0
    if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 9:
        wait = float(retry_after)
    elif isinstance(answer, dict) and isinstance(ms := answer.get("retry_after_ms"), int | float):
        # A whole number too large for a fraction would raise if it were divided first.
        wait = min(ms, 3_600_000) / 1000 if ms == ms else 1.0
    return min(max(wait, 0.05), 3600.0)
