"""Records in memory, with the contract of `service.turn.Records`."""

from collections.abc import Sequence

from schema.ids import MatrixId, MemberId, RoomId
from schema.records import (
    Ask,
    AskAcross,
    Buddy,
    CheckIn,
    Concern,
    GuestRoom,
    Link,
    LinkInvitation,
    LinkKeys,
    Meeting,
    Member,
    Offer,
    Outlook,
    OwnPlan,
    Pairing,
    PairingPause,
    PeerRoom,
    Record,
    Request,
    Separation,
    Stewardship,
    Voucher,
)
from schema.tables import RECORDS
from service.turn import A, R, S

TABLES: dict[type, str] = {
    Member: "members",
    Request: "requests",
    Offer: "offers",
    Ask: "asks",
    Pairing: "pairings",
    PeerRoom: "peer_rooms",
    Separation: "separations",
    Meeting: "meetings",
    Concern: "concerns",
    PairingPause: "pairing_pauses",
    Stewardship: "stewardships",
    Voucher: "vouchers",
    CheckIn: "check_ins",
    Outlook: "outlooks",
    OwnPlan: "own_plans",
    Buddy: "buddies",
    Link: "links",
    LinkKeys: "link_keys",
    LinkInvitation: "link_invitations",
    AskAcross: "asks_across",
    GuestRoom: "guest_rooms",
}


class MemoryRecords:
    """Everything that is kept, by table and id. `find` takes plain columns only, as the store does."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Record] = {}
        self.waiting: set[MatrixId] = set()

    async def get(self, kind: type[R], id: str) -> R | None:
        """The record, or None."""
        found = self.rows.get((TABLES[kind], id))
        assert found is None or isinstance(found, kind)
        return found

    async def find(self, kind: type[R], **equal: object) -> Sequence[R]:
        """Those whose columns equal what is given, ordered by id; a tuple means any of its values."""
        columns = RECORDS[TABLES[kind]].columns
        assert all(name in columns for name in equal), equal
        return [
            row
            for row in self.all(kind)
            if all(_is(getattr(row, name), value) for name, value in equal.items())
        ]

    async def put(self, record: Record) -> None:
        """Write the whole record."""
        assert not any(isinstance(value, list) for value in vars(record).values()), record
        self.rows[TABLES[type(record)], record.id] = record

    async def delete(self, kind: type[Record], id: str) -> None:
        """Take the record away, if it is there."""
        self.rows.pop((TABLES[kind], id), None)

    async def room_of(self, room: str) -> PeerRoom | None:
        """The peer room with this Matrix room."""
        for row in self.rows.values():
            if isinstance(row, PeerRoom) and row.room == RoomId(room):
                return row
        return None

    async def about(self, kind: type[S], other: MemberId) -> Sequence[S]:
        """The records in which somebody else holds `other`."""
        return [one for one in self.all(kind) if one.other == other]

    async def of_answer(self, kind: type[A], answer: str) -> Sequence[A]:
        """The records that came of that answer across a link."""
        return [one for one in self.all(kind) if one.across is not None and one.across.answer == answer]

    async def unheard(self, sender: MatrixId) -> bool:
        """Whether something that they wrote waits."""
        return sender in self.waiting

    def all(self, kind: type[R]) -> list[R]:
        """Every record of a kind."""
        rows = [row for row in self.rows.values() if isinstance(row, kind)]
        return sorted(rows, key=lambda row: row.id)


def _is(value: object, wanted: object) -> bool:
    return value in wanted if isinstance(wanted, tuple) else value == wanted
