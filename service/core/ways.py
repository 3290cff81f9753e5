"""By which way each effect goes out, in which lane, until when, and what its end means to others.

Guards: effects of one lane are delivered in order; what may take long, or hangs on others, holds up nothing
that is said; a message is given up after a day, an erasure after two weeks.
"""

from datetime import datetime, timedelta

from schema.effects import (
    AcceptIdentity,
    AnswerPlainRoom,
    Effect,
    EmptyPeerRoom,
    FindSent,
    InviteAgain,
    JoinRoom,
    LeaveRoom,
    LookAround,
    MutePeerRoom,
    OpenDirectChat,
    OpenLinkRoom,
    OpenPeerRoom,
    PurgeGuestRoom,
    PurgePeerRoom,
    RedactChat,
    RedactPeerRoom,
    RedactStewards,
    SendAcross,
    SendFile,
    SendForBuddy,
    SendText,
    TellStewards,
    Withdraw,
)
from service.core import links

WAYS = ("near", "far", "rooms", "back")
"""To members of our server, to others', what the keeper does, and what is taken back: slow servers of others
must not keep ours waiting.
"""
SILENT = (SendText, SendFile, AnswerPlainRoom, JoinRoom, LeaveRoom, TellStewards, Withdraw)
"""Effects whose success nobody waits for, and which may be repeated after others of their lane."""
SAID = (SendText, SendForBuddy, SendFile, AnswerPlainRoom, TellStewards, SendAcross)
"""Effects whose limit, where the homeserver sets one, is one for all that the account says."""
TAKEN_BACK = (Withdraw, RedactChat, RedactStewards)
"""Effects under the same limit, which go on where they were: each in its turn, or the longest held up all."""


def lane(effect: Effect) -> str:
    """Effects of one lane are delivered in order: those of one chat, of one peer room, to one new member."""
    match effect:
        case SendText() | SendForBuddy() | AnswerPlainRoom() | JoinRoom() | LeaveRoom() | FindSent():
            return effect.room
        case SendAcross():
            return effect.room
        case OpenLinkRoom():
            return f"link {effect.link}"
        case SendFile():
            # A media store that is down must not hold up what is said.
            return f"file {effect.room}"
        case OpenDirectChat() | AcceptIdentity():
            return effect.member
        case InviteAgain():
            # An invitation to a dead server must not hold up the end of the room.
            return f"invite {effect.pairing}"
        case RedactChat() | Withdraw():
            # What was said before must not hold up what is said now.
            return f"redact {effect.room}"
        case PurgeGuestRoom():
            return f"guest {effect.guest}"
        case TellStewards():
            return "stewards"
        case RedactStewards():
            return "redact stewards"
        case LookAround():
            return "look around"
        case _:
            return effect.pairing


def way(effect: Effect, server: str) -> str:
    """By which way an effect goes, where our homeserver is `server`: those of one way share its room."""
    match effect:
        case (
            SendText(member=member)
            | SendForBuddy(member=member)
            | SendFile(member=member)
            | AnswerPlainRoom(member=member)
            | OpenDirectChat(member=member)
        ):
            return "near" if member.partition(":")[2] == server else "far"
        case TellStewards() | LookAround():
            return "near"
        case JoinRoom() | LeaveRoom() | OpenLinkRoom() | SendAcross():
            return "far"
        case RedactChat() | RedactStewards() | Withdraw():
            return "back"
        case _:
            return "rooms"


def deadline(effect: Effect) -> timedelta:
    """How long an effect is tried: a message for a day, a room or a file for ten minutes, an erasure for two
    weeks, what crosses a link for as long as it can hold.
    """
    match effect:
        case OpenPeerRoom() | OpenLinkRoom() | SendFile() | LookAround():
            return timedelta(minutes=10)
        case SendAcross():
            return links.LONGEST
        case MutePeerRoom() | RedactPeerRoom() | EmptyPeerRoom() | PurgePeerRoom() | PurgeGuestRoom():
            return timedelta(days=14)
        case RedactChat() | RedactStewards() | Withdraw():
            return timedelta(days=14)
        case OpenDirectChat() | JoinRoom() | LeaveRoom() | InviteAgain():
            return timedelta(hours=6)
        case _:
            return timedelta(hours=24)


def is_late(effect: Effect, made_at: datetime, now: datetime) -> bool:
    """Whether an effect that was committed at `made_at` is not to go any more."""
    until = effect.until if isinstance(effect, SendText | SendForBuddy | SendAcross) else None
    return (until is not None and now > until) or now - made_at > deadline(effect)
