"""The states of everything that has a life; which moves are legal is `service.core`'s to say."""

from enum import StrEnum


class Standing(StrEnum):
    """How a chat stands with one member.

    PRIVATE: encrypted, and only the desk and the member are in it or invited. CHANGED: the same, but another
    identity than the one pinned vouches for the member's devices. UNKNOWN: who is in it is being asked for.
    """

    PRIVATE = "private"
    CHANGED = "changed"
    UNKNOWN = "unknown"
    NOT_PRIVATE = "not_private"


class Belongs(StrEnum):
    """Whether somebody may write, as the community decided. UNKNOWN: the homeserver is being asked.

    OUTSIDE: they may not, and are told so now. TOLD: they may not, and were told within the hour.
    """

    MEMBER = "member"
    OUTSIDE = "outside"
    TOLD = "told"
    UNKNOWN = "unknown"


class Flood(StrEnum):
    """Whether a message is one of more than a person writes. FIRST: they are told so with it."""

    NONE = "none"
    FIRST = "first"
    MORE = "more"


class RequestState(StrEnum):
    """A request: looked for, matched with one peer who said yes, together with them, or over."""

    LOOKING = "looking"
    PROPOSED = "proposed"
    TOGETHER = "together"
    ENDED = "ended"


class OfferState(StrEnum):
    """An offer: open to asks until its time, or over."""

    OPEN = "open"
    ENDED = "ended"


class AskState(StrEnum):
    """One private question to one member with an offer.

    WAITING: not yet shown, another prompt of theirs is open. SHOWN: they were asked. WILLING: they said yes
    while the note was with somebody else, or was not needed any more. READING: they said yes and see the
    note. READY: they would go on while another was chosen. CHOSEN: the pairing is with them. OVER: no,
    silence, step back, lapse and not needed are the same here, so that nothing can tell them apart later.
    """

    WAITING = "waiting"
    SHOWN = "shown"
    WILLING = "willing"
    READING = "reading"
    READY = "ready"
    CHOSEN = "chosen"
    OVER = "over"


class PairingState(StrEnum):
    """PROPOSED: the second consent is open. AGREED: both said yes. PLANNED: both did, for a later hour.

    DECLINED: it did not come together, and the peer hears so at its hour. STEPPED_BACK: the peer changed
    their mind, and the asker hears so when they answer. OVER: nobody is left to be told.
    """

    PROPOSED = "proposed"
    PLANNED = "planned"
    AGREED = "agreed"
    DECLINED = "declined"
    STEPPED_BACK = "stepped_back"
    OVER = "over"


class ConcernState(StrEnum):
    """A concern. WAITING: none of its readers has opened it. READ: one has.

    WEIGHED: one of two readers would pause the pairing of the other person, and the other reader decides.
    OVER: its time is over, or its writer took it back.
    """

    WAITING = "waiting"
    READ = "read"
    WEIGHED = "weighed"
    OVER = "over"


class BuddyState(StrEnum):
    """What is between a member and whom they named as their buddy.

    ASKED: there is no yes yet; a no, a silence and nobody there are all this, until its hour. STANDING: the
    buddy said yes. WARNED: the member was told that the buddy is told soon. TELLING: the words are to go, and
    did not yet. TOLD: they went, or could not. ENDED: the member ended it, and the buddy is not to know: only
    their yes is left. OVER: nothing is left.
    """

    ASKED = "asked"
    STANDING = "standing"
    WARNED = "warned"
    TELLING = "telling"
    TOLD = "told"
    ENDED = "ended"
    OVER = "over"


class RoomState(StrEnum):
    """A peer room, from both consents to its erasure; each state awaits one thing.

    APART: one of the two left, and may come back; nobody can write meanwhile.
    """

    OPENING = "opening"
    OPEN = "open"
    APART = "apart"
    CLOSING = "closing"
    READABLE = "readable"
    REDACTING = "redacting"
    REMOVING = "removing"
    SETTLING = "settling"
    PURGING = "purging"
    GONE = "gone"
    FAILED = "failed"


class Ending(StrEnum):
    """Why a peer room closed: told to both in the same words for a person's own reasons.

    PASSED: the peer could not go on, and wants the asker to be told so.
    """

    TIME = "time"
    ASKED = "asked"
    PASSED = "passed"
    LEFT = "left"
    FORGOTTEN = "forgotten"
    NOT_JOINED = "not_joined"
    KEEPER_NOT_DEAF = "keeper_not_deaf"
    REFUSED = "refused"


class CheckInState(StrEnum):
    """A check-in. WAITING: its next time is to come. DUE: it came, and the question did not reach its member.

    OPEN: it did, and nothing came from them since. PAUSED: nothing comes. OVER: nothing comes any more.
    """

    WAITING = "waiting"
    DUE = "due"
    OPEN = "open"
    PAUSED = "paused"
    OVER = "over"


class LinkState(StrEnum):
    """A link with another collective. LINKING: it has no keys that both sides' stewards compared yet.

    LIVE: asks can cross. PAUSED: one side wants nothing new to begin. RESYNC: one side was restored, or
    words differed, and nothing crosses but what leads to new keys. CUT: one side ended it. EXPIRED: its time
    is over, or that of its making was.
    """

    LINKING = "linking"
    LIVE = "live"
    PAUSED = "paused"
    RESYNC = "resync"
    CUT = "cut"
    EXPIRED = "expired"


class GuestRoomState(StrEnum):
    """A room of another collective's, with one of our members in it, as our side knows it.

    AWAITED: both said yes, and that side opens it. OPEN: it did. READABLE: nobody writes there any more.
    PURGING: its people are out, and our homeserver's copy is being erased. GONE: that is done.
    """

    AWAITED = "awaited"
    OPEN = "open"
    READABLE = "readable"
    PURGING = "purging"
    GONE = "gone"


class MakingState(StrEnum):
    """The making of a link's next keys. PROPOSED: one side committed to its keys. COMMITTED: both did.

    SHOWN: both sides' keys are here, and the stewards compare the words. CONFIRMED: ours found them the same.
    """

    PROPOSED = "proposed"
    COMMITTED = "committed"
    SHOWN = "shown"
    CONFIRMED = "confirmed"
