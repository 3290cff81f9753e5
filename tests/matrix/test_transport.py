"""Requests as nio builds them, and answers of a homeserver that hold what somebody else put there."""

import asyncio
import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nio.api import Api

from schema.errors import HomeserverRefused, SignedOut, Throttled, Unreachable, WorldError
from service.matrix.transport import NO_TOKEN, Transport, _answer
from tests.matrix.generated import ANYTHING, OBJECTS


class Asked(Transport):
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.token = "secret"
        self.asked: list[tuple[str, str, Mapping[str, str] | None, Any]] = []

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
    ) -> dict[str, Any]:
        """Note a request."""
        self.asked.append((method, path, query, body))
        return {}


async def test_what_nio_builds_is_asked_as_it_is() -> None:
    """Method, quoted path, query and body arrive, with what nio leaves out, and no place for a token."""
    transport = Asked()
    await transport.ask("send", Api.room_send(NO_TOKEN, "!a/b:c", "m.x", {"é": [1, True]}, "t 1"))
    await transport.ask("join", Api.join(NO_TOKEN, "!a?b#c"))
    await transport.ask("sync", Api.sync(NO_TOKEN, since="s+1 &=", timeout=0, filter='{"a":"é"}'))
    await transport.ask("keys query", Api.keys_query(NO_TOKEN, ["@a:b"]), more={"timeout": 5})
    assert transport.asked == [
        ("PUT", "/_matrix/client/v3/rooms/%21a%2Fb%3Ac/send/m.x/t%201", None, {"é": [1, True]}),
        ("POST", "/_matrix/client/v3/join/%21a%3Fb%23c", None, {}),
        ("GET", "/_matrix/client/v3/sync", {"since": "s+1 &=", "timeout": "0", "filter": '{"a":"é"}'}, None),
        ("POST", "/_matrix/client/v3/keys/query", None, {"device_keys": {"@a:b": []}, "timeout": 5}),
    ]


async def test_a_token_in_a_query_is_refused() -> None:
    """A token given to nio would stand in the address, where proxies log it: no such request goes out."""
    transport = Asked()
    with pytest.raises(ValueError, match="token in a query"):
        await transport.ask("join", Api.join("secret", "!a"))
    assert transport.asked == []


@pytest.mark.parametrize("depth", [50, 400, 990, 5000, 200_000])
def test_endless_brackets_spoil_only_themselves(depth: int) -> None:
    """An event nested too deep for the parser leaves the rest of the answer readable."""
    deep = b"[" * depth + b'"]}"' + b"]" * depth
    raw = b'{"a": 1, "deep": {"x": %s, "y": "[{"}, "next_batch": "t\\"]"}' % deep
    answer = _answer("sync", 200, "", raw)
    assert answer["a"] == 1
    assert answer["next_batch"] == 't"]'
    assert answer["deep"]["y"] == "[{"


def test_an_endless_number_spoils_only_itself() -> None:
    """A number with more digits than Python reads leaves the rest of the answer readable."""
    raw = b'{"n": -%s, "m": 12, "next_batch": "t"}' % (b"9" * 10_000)
    assert _answer("sync", 200, "", raw) == {"n": 0, "m": 12, "next_batch": "t"}


@pytest.mark.parametrize("raw", [b"<html>", b'{"a":', b"[1]", b'"x"', b"\xff", json.dumps(None).encode()])
def test_what_is_no_answer_is_retried(raw: bytes) -> None:
    """A proxy's page, a truncated body and JSON that is no object are the world's fault."""
    with pytest.raises(Unreachable):
        _answer("sync", 200, "", raw)


@given(
    status=st.sampled_from([200, 302, 400, 401, 403, 429, 429, 500]) | st.integers(200, 599),
    retry_after=st.text(max_size=10) | st.integers().map(str),
    raw=st.binary(max_size=30)
    | OBJECTS.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries(
        {
            "errcode": ANYTHING | st.text("_Mé²"),
            "retry_after_ms": st.integers() | st.floats(),
        }
    ).map(lambda value: json.dumps(value).encode())
    | st.lists(st.sampled_from(list('[]{}",:\\ 1a')), max_size=30).map(lambda marks: "".join(marks).encode())
    | st.integers(50, 3000).map(lambda depth: b'{"a":' * depth + b'"[' + b"]" * depth),
)
@example(status=429, retry_after="", raw=b'{"retry_after_ms": 1%s}' % (b"0" * 400))
def test_any_answer_is_an_object_or_one_of_our_errors(status: int, retry_after: str, raw: bytes) -> None:
    """Whatever a homeserver or a proxy before it sends; a refusal's code may be logged."""
    try:
        assert isinstance(_answer("call", status, retry_after, raw), dict)
    except (Unreachable, SignedOut):
        return
    except (Throttled, HomeserverRefused) as known:
        error = known
    else:
        assert status < 300
        return
    if isinstance(error, Throttled):
        assert status == 429
        assert 0 < error.retry_after <= 3600
    else:
        assert re.fullmatch(r"\w{1,80}", error.code, re.ASCII)


LINES = st.sampled_from(
    [
        *(
            "HTTP/1.1 200 OK",
            "HTTP/1.1 429 Slow",
            "HTTP/9.9 200",
            "HTTP/1.1 99999 X",
            "HTTP/1.1 100 Continue",
            "",
            "x",
        ),
        *("Content-Length: 2", "Content-Length: -1", "Content-Length: 999", "Transfer-Encoding: chunked"),
        *(
            "Content-Encoding: gzip",
            "Content-Encoding: br",
            "Location: http://[",
            "Set-Cookie: a=\xff; Domain=[",
        ),
        *("Content-Type: text/html; charset=none", "Retry-After: \xb2", "{}", "2", "0", "1\r\n{"),
    ]
)


@given(st.binary(max_size=60) | st.lists(LINES, max_size=8).map("\r\n".join).map(str.encode))
async def test_any_bytes_are_an_answer_or_one_of_our_errors(raw: bytes) -> None:
    """Whatever comes back over the connection, HTTP or not, ends the request in one of our ways."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        writer.close()

    async with (
        await asyncio.start_server(serve, "127.0.0.1", 0) as server,
        aiohttp.ClientSession() as session,
    ):
        transport = Transport(session, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with contextlib.suppress(WorldError, HomeserverRefused, SignedOut):
            assert isinstance(await transport.request("call", "GET", "/", timeout=10), dict)
