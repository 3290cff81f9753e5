"""Answers of a homeserver that hold what somebody else put there."""

import json

import pytest

from schema.errors import Unreachable
from service.matrix.transport import _answer


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
