"""What can happen: everything that enters the engine, whoever it came from.

One event, one turn, whole or not at all. Events from Matrix lie sealed in the inbox until they are handled.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schema.effects import Effect
from schema.ids import EventId, MatrixId, RoomId
from schema.states import Belongs, Flood


@dataclass(frozen=True)
class Message:
    """A decrypted message of a member's own in a direct chat, new to us.

    `body` is what they typed; empty where `kind` is not "text" ("voice", "media", "sticker", "other").
    `edits` marks an edit (`m.replace`), which never counts. `quotes` is the event replied to or threaded on.
    `sent_at` is the homeserver's time. `private`: only the desk and the sender are joined or invited;
    `changed`: the same, but the sender's identity is another than the one pinned; `belongs`: whether they may
    write; `flood`: whether it is one too many. The engine fills these in at the moment of handling.
    """

    event_id: EventId
    room: RoomId
    sender: MatrixId
    body: str
    sent_at: datetime
    kind: str = "text"
    edits: bool = False
    quotes: EventId | None = None
    private: bool = False
    changed: bool = False
    belongs: Belongs = Belongs.MEMBER
    flood: Flood = Flood.NONE
    type: Literal["message"] = "message"


@dataclass(frozen=True)
class PlainMessage:
    """Somebody wrote in an unencrypted direct chat: its words are never taken in."""

    event_id: EventId
    room: RoomId
    sender: MatrixId
    type: Literal["plain_message"] = "plain_message"


@dataclass(frozen=True)
class Unreadable:
    """An encrypted message whose key did not come in time; asked for again once, in plain words."""

    event_id: EventId
    room: RoomId
    sender: MatrixId
    private: bool = False
    changed: bool = False
    belongs: Belongs = Belongs.MEMBER
    type: Literal["unreadable"] = "unreadable"


@dataclass(frozen=True)
class Invited:
    """The front desk was invited to a room; `direct` and `encrypted` as the invite's state says.

    `link`: the room says of itself that it is one of two front desks.
    """

    event_id: EventId
    room: RoomId
    sender: MatrixId
    direct: bool
    encrypted: bool
    link: bool = False
    type: Literal["invited"] = "invited"


@dataclass(frozen=True)
class DirectChat:
    """The front desk and a member came to be alone in an encrypted direct chat, or the member left it."""

    event_id: EventId
    room: RoomId
    member: MatrixId
    present: bool
    belongs: Belongs = Belongs.MEMBER
    type: Literal["direct_chat"] = "direct_chat"


@dataclass(frozen=True)
class NoChat:
    """The front desk is in a room that is nobody's chat with it: of several people, or of nobody any more."""

    event_id: EventId
    room: RoomId
    type: Literal["no_chat"] = "no_chat"


@dataclass(frozen=True)
class Verified:
    """A verification of the desk by a member who has a chat with it ended.

    `outcome` is "done"; "mismatch" where what the two sides saw or sent did not match; else "stopped".
    """

    event_id: EventId
    member: MatrixId
    outcome: Literal["done", "mismatch", "stopped"]
    type: Literal["verified"] = "verified"


@dataclass(frozen=True)
class PeerMembership:
    """Somebody joined or left a peer room, as the keeper sees it."""

    event_id: EventId
    room: RoomId
    user: MatrixId
    membership: str
    type: Literal["peer_membership"] = "peer_membership"


@dataclass(frozen=True)
class StewardRoom:
    """The stewards who are in their room now: at each start, and whenever one came or went."""

    event_id: EventId
    room: RoomId
    here: tuple[MatrixId, ...]
    type: Literal["steward_room"] = "steward_room"


@dataclass(frozen=True)
class StewardMessage:
    """A decrypted message in the steward room, new to us; see `Message`.

    `counts`: its sender is a steward by the configuration, is in the room, and has not changed identity; the
    engine fills this in at the moment of handling. `kind` "unreadable": its key did not come in time.
    """

    event_id: EventId
    room: RoomId
    sender: MatrixId
    body: str
    sent_at: datetime
    kind: str = "text"
    edits: bool = False
    quotes: EventId | None = None
    counts: bool = False
    type: Literal["steward_message"] = "steward_message"


@dataclass(frozen=True)
class LinkRoom:
    """Another front desk and ours came to be alone in an encrypted room of two desks, or are so no more."""

    event_id: EventId
    room: RoomId
    desk: MatrixId
    here: bool
    type: Literal["link_room"] = "link_room"


@dataclass(frozen=True)
class FromLink:
    """A decrypted event of the link's type, in a room of two front desks, new to us.

    `content` is the event's, as JSON: nothing in it is checked yet. `counts`: the room is encrypted, and only
    the two are joined or invited, or ours alone, where the other has left by now; the engine fills this in at
    the moment of handling.
    """

    event_id: EventId
    room: RoomId
    sender: MatrixId
    content: str
    counts: bool = False
    type: Literal["from_link"] = "from_link"


@dataclass(frozen=True)
class Due:
    """A record's `due_at` has come; `kind` is the record's table."""

    kind: str
    id: str
    type: Literal["due"] = "due"


@dataclass(frozen=True)
class Delivered:
    """An effect was carried out; `room` is the room that it made, where it makes one.

    `blocked` are those who were to be invited to it and take no invitation (`M_INVITE_BLOCKED`).
    """

    effect: Effect
    room: RoomId | None = None
    detail: str = ""
    blocked: tuple[MatrixId, ...] = ()
    type: Literal["delivered"] = "delivered"


@dataclass(frozen=True)
class NotDelivered:
    """An effect was refused for good, or its deadline passed; `reason` is a code, never free text."""

    effect: Effect
    reason: str
    type: Literal["not_delivered"] = "not_delivered"


FromMatrix = (
    Message
    | PlainMessage
    | Unreadable
    | Invited
    | DirectChat
    | NoChat
    | Verified
    | PeerMembership
    | StewardRoom
    | StewardMessage
    | LinkRoom
    | FromLink
)
Event = FromMatrix | Due | Delivered | NotDelivered
