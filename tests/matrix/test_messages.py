"""What a member's message means to the desk, by its content."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schema.events import Message
from schema.ids import EventId, MatrixId, RoomId
from service.matrix.messages import Step, read, sent_at, text_content

AT = datetime(2026, 11, 27, tzinfo=UTC)
LONG = "x" * (16 * 1024)


def _read(content: Any, type_: str = "m.room.message", outer: dict[str, Any] | None = None) -> Any:
    event, room, sender = EventId("$e"), RoomId("!r"), MatrixId("@alice:home.test")
    return read(type_, content, outer or {}, event, room, sender, AT)


@pytest.mark.parametrize(
    ("content", "kind", "body"),
    [
        ({"msgtype": "m.text", "body": "hello"}, "text", "hello"),
        ({"msgtype": "m.emote", "body": "waves"}, "text", "waves"),
        ({"msgtype": "m.text", "body": " 2. \n"}, "text", " 2. \n"),
        ({"msgtype": "m.text", "body": LONG}, "text", LONG),
        ({"msgtype": "m.text", "body": LONG + "x"}, "other", ""),
        ({"msgtype": "m.text", "body": 5}, "other", ""),
        ({"msgtype": "m.text", "body": "half \ud800"}, "other", ""),
        ({"msgtype": "m.text"}, "other", ""),
        ({"msgtype": "m.audio", "body": "voice.ogg"}, "voice", ""),
        ({"msgtype": "m.image", "body": "me.jpg"}, "media", ""),
        ({"msgtype": "m.file", "body": "a.pdf"}, "media", ""),
        ({"msgtype": "m.video", "body": "a.mp4"}, "media", ""),
        ({"msgtype": "m.location", "body": "here"}, "other", ""),
        ({"msgtype": ["m.text"], "body": "x"}, "other", ""),
        ({}, "other", ""),
    ],
)
def test_kinds(content: dict[str, Any], kind: str, body: str) -> None:
    """Text is taken, and of everything else only that it came."""
    found = _read(content)
    assert isinstance(found, Message)
    assert (found.kind, found.body, found.edits, found.quotes) == (kind, body, False, None)


@pytest.mark.parametrize("msgtype", ["m.notice", "m.server_notice"])
def test_notices_are_never_answered(msgtype: str) -> None:
    """Two services would talk to each other for ever."""
    assert _read({"msgtype": msgtype, "body": "hello"}) is None


@pytest.mark.parametrize("type_", ["m.reaction", "m.room.redaction", "m.room.name", "org.example.custom"])
def test_other_events_are_nothing(type_: str) -> None:
    """No other event is a message."""
    assert _read({"msgtype": "m.text", "body": "x"}, type_) is None


def test_a_sticker_is_one() -> None:
    """A sticker is an event type of its own."""
    assert _read({"body": "cat"}, "m.sticker").kind == "sticker"


@pytest.mark.parametrize("outside", [False, True])
def test_edits_and_quotes(outside: bool) -> None:
    """Relations are read inside the encrypted content, or beside the ciphertext where clients put them."""

    def related(relation: dict[str, Any]) -> Any:
        content: dict[str, Any] = {"msgtype": "m.text", "body": "> <@x:y> said\n> more\n\nyes"}
        if outside:
            return _read(content, outer={"m.relates_to": relation})
        return _read({**content, "m.relates_to": relation})

    assert related({"rel_type": "m.replace", "event_id": "$old"}).edits
    reply = related({"m.in_reply_to": {"event_id": "$question"}})
    assert (reply.quotes, reply.body, reply.edits) == ("$question", "yes", False)
    thread = related({"rel_type": "m.thread", "event_id": "$root"})
    assert thread.quotes == "$root"
    inner = related({"rel_type": "m.thread", "event_id": "$root", "m.in_reply_to": {"event_id": "$last"}})
    assert inner.quotes == "$last"
    assert related({"m.in_reply_to": "$text"}).quotes is None


def test_quoted_lines_of_ones_own_stay() -> None:
    """Only a reply has a fallback; somebody may begin a message with a bracket."""
    assert _read({"msgtype": "m.text", "body": "> so it goes\n\nyes"}).body == "> so it goes\n\nyes"


def test_verification() -> None:
    """Steps of a verification are told apart from words."""
    request = _read({"msgtype": "m.key.verification.request", "to": "@desk:home.test"})
    assert isinstance(request, Step)
    step = _read({"method": "m.sas.v1"}, "m.key.verification.start", {"m.relates_to": {"event_id": "$r"}})
    assert isinstance(step, Step)
    assert step.content["m.relates_to"] == {"event_id": "$r"}


def test_what_we_say() -> None:
    """Plain text that mentions nobody; notices don't notify."""
    assert text_content("hi", False) == {"msgtype": "m.text", "body": "hi", "m.mentions": {}}
    assert text_content("hi", True)["msgtype"] == "m.notice"


@pytest.mark.parametrize("stamp", [None, "1", -1, 1 << 60, 1.5, True, [], {}])
def test_times_out_of_range(stamp: object) -> None:
    """A homeserver's nonsense is no time of day, and no error."""
    assert sent_at({"origin_server_ts": stamp}).tzinfo is UTC
