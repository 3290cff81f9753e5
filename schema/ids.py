"""One type for every identifier, so that the wrong one cannot be passed.

Matrix's own identifiers (sigil and domain included) are personal: they never reach a log, an error or a
plain column. Ours are opaque: lowercase hexadecimal of 16 bytes, keyed hashes where they stand for somebody
or something in Matrix, random otherwise.
"""

from typing import NewType

MatrixId = NewType("MatrixId", str)
"""A user's Matrix ID, `@localpart:server` (Matrix spec, appendix "User Identifiers")."""
RoomId = NewType("RoomId", str)
"""A Matrix room ID; from room version 12 on it has no domain (MSC4291)."""
EventId = NewType("EventId", str)
DeviceId = NewType("DeviceId", str)

MemberId = NewType("MemberId", str)
"""Keyed hash of a member's Matrix ID (column `members.id`)."""
RequestId = NewType("RequestId", str)
OfferId = NewType("OfferId", str)
AskId = NewType("AskId", str)
PairingId = NewType("PairingId", str)
"""Names a pairing and its peer room; its keyed hash is the tag in the room's creation content."""
SeparationId = NewType("SeparationId", str)
MeetingId = NewType("MeetingId", str)
VoucherId = NewType("VoucherId", str)
BuddyId = NewType("BuddyId", str)
ConcernId = NewType("ConcernId", str)
PairingPauseId = NewType("PairingPauseId", str)
StewardshipId = NewType("StewardshipId", str)
"""Of the one record that the stewards share."""
CheckInId = NewType("CheckInId", str)
OutlookId = NewType("OutlookId", str)
LinkId = NewType("LinkId", str)
"""Random; names a link to the two collectives that have it, and to nobody else."""
LinkKeysId = NewType("LinkKeysId", str)
AskAcrossId = NewType("AskAcrossId", str)
"""Random; names a request to the one linked collective that it was put to, and to nobody else."""
GuestRoomId = NewType("GuestRoomId", str)
"""Of a room that another collective opened for one of our members: the ask's that led to it."""
LinkInvitationId = NewType("LinkInvitationId", str)
"""Keyed hash of the inviting front desk's Matrix ID."""
OutboxId = NewType("OutboxId", str)
"""Random; also the Matrix transaction id of what the outbox row sends."""
