"""What the service does to the world: committed with the records, then delivered by the outbox.

Every effect can be delivered twice without harm. Effects with the same `lane` are delivered in order, others
in parallel; the lane is worked out by the outbox from the room, the pairing or the person.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schema.ids import BuddyId, GuestRoomId, LinkId, MatrixId, MemberId, OutboxId, PairingId, RoomId


@dataclass(frozen=True)
class SendText:
    """Say `body` to the member in their encrypted direct chat; `notice` does not notify (`m.notice`).

    `to_changed_identity`: it holds nothing private, and goes out though the member's identity changed. `mark`
    becomes the id of its outbox row, so that it is sent once however often it is ordered, and can be
    withdrawn. After `until` it is not sent any more.
    """

    room: RoomId
    member: MatrixId
    body: str
    notice: bool = False
    to_changed_identity: bool = False
    mark: OutboxId = OutboxId("")
    until: datetime | None = None
    type: Literal["send_text"] = "send_text"


@dataclass(frozen=True)
class SendForBuddy:
    """Say `body` to the member in their encrypted direct chat, and hand back whether it was sent.

    `step` is "warn", where it is for the one who named a buddy; "tell", where it is for the buddy; "asked",
    where it is for the buddy at the member's own word. `of` named the buddy in the record `buddy`. After
    `until` it is not sent any more.
    """

    room: RoomId
    member: MatrixId
    body: str
    buddy: BuddyId
    of: MemberId
    step: Literal["warn", "tell", "asked"]
    until: datetime
    type: Literal["send_for_buddy"] = "send_for_buddy"


@dataclass(frozen=True)
class FindSent:
    """See whether the message of an outbox row is in `room`; `Delivered.detail` is "there", or empty.

    Never committed: the outbox has it carried out where a try had no clear answer, under that row's own id.
    """

    room: RoomId
    type: Literal["find_sent"] = "find_sent"


@dataclass(frozen=True)
class Withdraw:
    """Take back the one message in a direct chat that bears `mark`, and was sent at `sent_at` or later.

    One that is not there any more is as good as taken back.
    """

    room: RoomId
    mark: OutboxId
    sent_at: datetime
    type: Literal["withdraw"] = "withdraw"


@dataclass(frozen=True)
class SendFile:
    """Send `body`, JSON, to the member in their encrypted direct chat as a file of this `name`."""

    room: RoomId
    member: MatrixId
    name: str
    body: str
    type: Literal["send_file"] = "send_file"


@dataclass(frozen=True)
class AcceptIdentity:
    """The member said in their chat that the change of their identity is theirs: take the one shown now."""

    member: MatrixId
    type: Literal["accept_identity"] = "accept_identity"


@dataclass(frozen=True)
class AnswerPlainRoom:
    """The one fixed sentence in an unencrypted chat, and an invitation to an encrypted one."""

    room: RoomId
    member: MatrixId
    body: str
    type: Literal["answer_plain_room"] = "answer_plain_room"


@dataclass(frozen=True)
class OpenDirectChat:
    """Make an encrypted direct chat with the member and invite them, or find the one that there is.

    `Delivered.room` is the chat, `Delivered.detail` "there" where they are in it already. `plain` is the
    unencrypted chat in which they wrote, where they are told if they block the invitation.
    """

    member: MatrixId
    plain: RoomId | None = None
    type: Literal["open_direct_chat"] = "open_direct_chat"


@dataclass(frozen=True)
class JoinRoom:
    """The front desk accepts an invitation."""

    room: RoomId
    type: Literal["join_room"] = "join_room"


@dataclass(frozen=True)
class LeaveRoom:
    """The front desk declines an invitation, or leaves and forgets a room.

    `also`: and these, which it shared with a member when they asked to be forgotten. One that they open
    before this is delivered is a new beginning.
    """

    room: RoomId
    also: tuple[RoomId, ...] = ()
    type: Literal["leave_room"] = "leave_room"


@dataclass(frozen=True)
class OpenPeerRoom:
    """The keeper opens the peer room of a pairing and invites the two; `Delivered.room` is the room."""

    pairing: PairingId
    members: tuple[MatrixId, MatrixId]
    type: Literal["open_peer_room"] = "open_peer_room"


@dataclass(frozen=True)
class LetWrite:
    """Let both write: it opens muted, since what one writes before the other is in cannot be read by them.

    `change` numbers the room's changes of who may write, mutes included: what comes of an earlier one is old.
    """

    pairing: PairingId
    room: RoomId
    change: int = 0
    type: Literal["let_write"] = "let_write"


@dataclass(frozen=True)
class MutePeerRoom:
    """Nobody can write in it any more; people can still delete their own words. `change`: see LetWrite."""

    pairing: PairingId
    room: RoomId
    change: int = 0
    type: Literal["mute_peer_room"] = "mute_peer_room"


@dataclass(frozen=True)
class RedactPeerRoom:
    """Ask every server that has the room to drop its events' contents, while people are still joined.

    `Delivered.detail` is "partly" where our own server refused some of it, or the keeper is no longer in it.
    """

    pairing: PairingId
    room: RoomId
    type: Literal["redact_peer_room"] = "redact_peer_room"


@dataclass(frozen=True)
class EmptyPeerRoom:
    """Remove `members` and whoever else is in it, or withdraw their invitations.

    `alone`: nobody but `members`, since one of the two is forgotten and the other can still read.
    `Delivered.detail` is "partly" where the keeper is no longer in the room, and can't know.
    """

    pairing: PairingId
    room: RoomId
    members: tuple[MatrixId, ...]
    alone: bool = False
    type: Literal["empty_peer_room"] = "empty_peer_room"


@dataclass(frozen=True)
class PurgePeerRoom:
    """The keeper leaves and forgets the room, and has it purged where it may.

    `Delivered.detail` says what was reached: "purged", "asked" or "cannot".
    """

    pairing: PairingId
    room: RoomId
    type: Literal["purge_peer_room"] = "purge_peer_room"


@dataclass(frozen=True)
class PurgeGuestRoom:
    """Have our homeserver's copy of a linked community's room purged, once nobody of ours is in it.

    `server` is theirs: a room that was made on another one is left alone. `Delivered.detail` says what was
    reached: "purged", "asked" or "cannot".
    """

    guest: GuestRoomId
    room: RoomId
    server: str
    type: Literal["purge_guest_room"] = "purge_guest_room"


@dataclass(frozen=True)
class InviteAgain:
    """Invite one of the two to their peer room again (an invitation lost, or a limit reached)."""

    pairing: PairingId
    room: RoomId
    member: MatrixId
    type: Literal["invite_again"] = "invite_again"


@dataclass(frozen=True)
class RedactChat:
    """Take back what the desk said in a member's direct chat before `before`, the homeserver's time.

    `theirs`: and what the member said there, where the chat's power levels let us. What lies before `since`
    was reached by an earlier order, and is not looked through again. `asked`: the member asked for it, and
    hears what came of it.
    `Delivered.detail` is "ours" where the member's own messages may not be taken back by us, "partly" where
    the homeserver refused some of it, "outside" where the desk is no longer in the room; else empty.
    """

    room: RoomId
    member: MatrixId
    before: datetime
    since: datetime | None = None
    theirs: bool = False
    asked: bool = False
    type: Literal["redact_chat"] = "redact_chat"


@dataclass(frozen=True)
class TellStewards:
    """Say `body` in the steward room, to those who are in it and are stewards by the configuration."""

    body: str
    notice: bool = False
    type: Literal["tell_stewards"] = "tell_stewards"


@dataclass(frozen=True)
class RedactStewards:
    """Take back what the service said in the steward room before `before`, by the homeserver's time.

    What lies before `since` was reached by an earlier order. What stewards wrote there themselves stays.
    """

    before: datetime
    since: datetime | None = None
    type: Literal["redact_stewards"] = "redact_stewards"


@dataclass(frozen=True)
class LookAround:
    """See how the service's own parts are, for the stewards; `Delivered.detail` names those not well."""

    type: Literal["look_around"] = "look_around"


@dataclass(frozen=True)
class OpenLinkRoom:
    """Make the encrypted room of a link's two front desks, or find it, and invite the other one."""

    link: LinkId
    desk: MatrixId
    type: Literal["open_link_room"] = "open_link_room"


@dataclass(frozen=True)
class SendAcross:
    """Send an event of the link's type to the other front desk: `content` as JSON, stamped and sealed.

    After `until` nobody would take it, and it is not sent any more. `last`: nothing follows, and the room is
    left then.
    """

    link: LinkId
    room: RoomId
    desk: MatrixId
    content: str
    until: datetime
    last: bool = False
    type: Literal["send_across"] = "send_across"


Effect = (
    SendText
    | SendForBuddy
    | FindSent
    | Withdraw
    | SendFile
    | AcceptIdentity
    | AnswerPlainRoom
    | OpenDirectChat
    | JoinRoom
    | LeaveRoom
    | OpenPeerRoom
    | LetWrite
    | MutePeerRoom
    | RedactPeerRoom
    | EmptyPeerRoom
    | PurgePeerRoom
    | PurgeGuestRoom
    | InviteAgain
    | RedactChat
    | TellStewards
    | RedactStewards
    | LookAround
    | OpenLinkRoom
    | SendAcross
)


@dataclass(frozen=True)
class Tell:
    """What core asks the runtime to say: sentence `words` of the catalogue with `values`, to a member.

    Not an effect of the outbox: a handler turns it into `SendText` in the member's language and chat.
    """

    member: MemberId
    words: str
    values: tuple[tuple[str, object], ...] = ()
    notice: bool = False
