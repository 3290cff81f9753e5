"""Requests as nio builds them, and answers of a homeserver that hold what somebody else put there."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from nio.api import Api

from schema.errors import Unreachable
from service.matrix.transport import NO_TOKEN, Transport, _answer


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
