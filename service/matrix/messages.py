"""What people write: the content of a message event goes in, one of our events comes out.

Guards: a body is text of at most 16 KiB that can be encoded, or the message has no words for us; notices are
never answered, or two services would talk to each other for ever; edits and quotes are told apart. A fault in
one field costs that field alone: nio's event classes refuse a message whole, and so do not read here.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from schema.errors import Malformed
from schema.events import Message
from schema.ids import EventId, MatrixId, RoomId
from service.matrix import border

ALONGSIDE_ID = "org.alongside.id"
"""Beside a ciphertext of ours, in clear: the outbox row's random id, for when a lost answer is looked for."""

_LONGEST_BODY = 16 * 1024
_KINDS = {
    "m.text": "text",
    "m.emote": "text",
    "m.audio": "voice",
    "m.image": "media",
    "m.file": "media",
    "m.video": "media",
}
_NEVER_ANSWERED = ["m.notice", "m.server_notice"]
VERIFICATION = "m.key.verification."


@dataclass(frozen=True)
class Step:
    """One step of a verification (spec, "Key verification framework"), to-device where `room` is None.

    Nothing in it is checked beyond being an object: the verification reads it as a stranger's.
    """

    sender: MatrixId
    type: str
    content: dict[str, Any]
    room: RoomId | None
    event_id: str


def text_content(body: str, notice: bool) -> dict[str, Any]:
    """The content of a message of ours; the empty `m.mentions` says that it mentions nobody (MSC3952)."""
    return {"msgtype": "m.notice" if notice else "m.text", "body": body, "m.mentions": {}}


def sent_at(event: dict[str, Any]) -> datetime:
    """The homeserver's time of an event; the present epoch's start where it is out of all range."""
    stamp = event.get("origin_server_ts")
    if not isinstance(stamp, int) or not 0 <= stamp < 1 << 43:
        return datetime.fromtimestamp(0, UTC)
    return datetime.fromtimestamp(stamp / 1000, UTC)


def read(
    type_: object,
    content: object,
    outer: dict[str, Any],
    event: EventId,
    room: RoomId,
    sender: MatrixId,
    at: datetime,
) -> Message | Step | None:
    """Read one decrypted event; None is what nobody has to answer. Raises Malformed.

    `outer` is the encrypted event's own content: relations stand there, in clear (spec, "Relationships").
    """
    inner = border.mapping(content)
    if isinstance(type_, str) and type_.startswith(VERIFICATION):
        return Step(sender, type_, _related(inner, outer), room, event)
    if type_ == "m.sticker":
        kind, body = "sticker", ""
    elif type_ == "m.room.message":
        msgtype = inner.get("msgtype")
        if msgtype == "m.key.verification.request":
            return Step(sender, msgtype, inner, room, event)
        if msgtype in _NEVER_ANSWERED:
            return None
        kind = _KINDS.get(msgtype, "other") if isinstance(msgtype, str) else "other"
        body = ""
        if kind == "text":
            try:
                body = border.text(inner.get("body"), _LONGEST_BODY)
            except Malformed:
                kind = "other"
    else:
        return None
    relation = border.part(inner, "m.relates_to") or border.part(outer, "m.relates_to")
    quotes = _quoted(relation)
    if quotes is not None and body:
        body = _without_fallback(body)
    edits = relation.get("rel_type") == "m.replace"
    return Message(event, room, sender, body, at, kind, edits, quotes)


def read_plain_step(event: dict[str, Any], room: RoomId, sender: MatrixId) -> Step | None:
    """Read a step of a verification that was sent in clear; None is anything else. Raises Malformed.

    The JavaScript SDK sends them so in encrypted rooms too. They hold nothing secret, and what they prove is
    proved by their MACs.
    """
    type_, content = event.get("type"), border.part(event, "content")
    if type_ == "m.room.message":
        type_ = content.get("msgtype")
        if type_ != VERIFICATION + "request":
            return None
    if not isinstance(type_, str) or not type_.startswith(VERIFICATION) or len(type_) >= 64:
        return None
    return Step(sender, type_, content, room, border.event_id(event.get("event_id")))


def is_said(event: dict[str, Any]) -> bool:
    """Whether a plain event is something that a person said, and so wants an answer."""
    msgtype = border.part(event, "content").get("msgtype")
    if event.get("type") == "m.room.message":
        return msgtype not in _NEVER_ANSWERED and msgtype != VERIFICATION + "request"
    return event.get("type") == "m.sticker"


def _related(inner: dict[str, Any], outer: dict[str, Any]) -> dict[str, Any]:
    if "m.relates_to" in inner or "m.relates_to" not in outer:
        return inner
    return {**inner, "m.relates_to": outer["m.relates_to"]}


def _quoted(relation: dict[str, Any]) -> EventId | None:
    """The event replied to, or the thread's root where nothing nearer is."""
    target = border.part(relation, "m.in_reply_to").get("event_id")
    if target is None and relation.get("rel_type") == "m.thread":
        target = relation.get("event_id")
    try:
        return border.event_id(target)
    except Malformed:
        return None


def _without_fallback(body: str) -> str:
    """`body` without the quoted lines that older clients put before a reply (until spec v1.13)."""
    lines = body.split("\n")
    if not lines[0].startswith("> "):
        return body
    while lines and lines[0].startswith(">"):
        lines.pop(0)
    if lines and not lines[0]:
        lines.pop(0)
    return "\n".join(lines)
