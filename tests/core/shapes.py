"""Records for tests of the rules, each with what a case changes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from schema.ids import AskId, MatrixId, MemberId, OfferId, PairingId, RequestId, RoomId
from schema.records import Ask, Offer, Pairing, PeerRoom, Request
from schema.states import AskState, OfferState, PairingState, RequestState, RoomState

NOW = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)
ANA, BEN = MemberId("a" * 32), MemberId("b" * 32)
ANA_AT, BEN_AT = MatrixId("@ana:example.org"), MatrixId("@ben:example.org")

REQUEST = Request(
    id=RequestId("1" * 32),
    member=ANA,
    state=RequestState.LOOKING,
    made_at=NOW,
    until=NOW + timedelta(days=1),
    due_at=NOW + timedelta(minutes=10),
    round=0,
    wish="listening",
    topics=(),
    length=timedelta(hours=1),
    note="",
)
OFFER = Offer(
    id=OfferId("2" * 32),
    member=BEN,
    state=OfferState.OPEN,
    until=NOW + timedelta(hours=2),
    due_at=NOW + timedelta(hours=2),
    asked_at=None,
    topics=(),
    card="I like walks.",
    fear="tell_first",
)
ASK = Ask(
    id=AskId("3" * 32),
    request=REQUEST.id,
    member=BEN,
    offer=OFFER.id,
    state=AskState.WAITING,
    made_at=NOW,
    due_at=NOW + timedelta(minutes=10),
    length=timedelta(hours=1),
    wish="listening",
    topics=(),
)
PAIRING = Pairing(
    id=PairingId("4" * 32),
    request=REQUEST.id,
    ask=ASK.id,
    asker=ANA,
    peer=BEN,
    state=PairingState.PROPOSED,
    made_at=NOW,
    until=NOW + timedelta(hours=2),
    due_at=NOW + timedelta(hours=2),
    length=timedelta(hours=1),
    card="I like walks.",
    fear="tell_first",
)
ROOM = PeerRoom(
    id=PAIRING.id,
    asker=ANA,
    peer=BEN,
    request=REQUEST.id,
    state=RoomState.OPENING,
    made_at=NOW,
    length=timedelta(hours=1),
    ends_at=NOW + timedelta(hours=1),
    due_at=NOW + timedelta(seconds=2),
    asker_matrix_id=ANA_AT,
    peer_matrix_id=BEN_AT,
)
OPEN = replace(
    ROOM,
    state=RoomState.OPEN,
    room=RoomId("!room"),
    joined=(ANA, BEN),
    ever_joined=(ANA, BEN),
    due_at=ROOM.ends_at,
)
