"""What counts as a sign of life: whatever of a member's own doing reaches us, and nothing that we may not
read.

Guards: what is written in a peer room is never among it, since nobody here can read it; what a program wrote
for somebody, or the keeper did to them, is no sign of theirs.
"""

from schema.events import (
    DirectChat,
    Event,
    Invited,
    Message,
    PeerMembership,
    PlainMessage,
    StewardMessage,
    Unreadable,
    Verified,
)
from schema.ids import MatrixId


def of(event: Event) -> MatrixId | None:
    """Whose sign of life the event is, if it is one.

    Anything that they wrote to us, readable or not, in the steward room too; that they invited us, came into
    a chat with us or left it, verified us, or came into a peer room. That they are out of one can be the
    keeper's doing.
    """
    match event:
        case Message(kind="notice") | StewardMessage(kind="notice"):
            return None
        case Message() | PlainMessage() | Unreadable() | StewardMessage() | Invited():
            return event.sender
        case DirectChat() | Verified():
            return event.member
        case PeerMembership(membership="join"):
            return event.user
    return None
