"""The tables: what is readable at rest is exactly what stands here as a plain column.

Identifiers are keyed hashes or random, texts and everything else lie sealed in `sealed`. Each table says in
`info["kept"]` how long its rows stay. Times are integers, milliseconds since 1970 in UTC, so that both
databases order and compare them alike.
"""

import re
from datetime import UTC, datetime
from functools import cache
from typing import TypeAlias

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

AnyTable: TypeAlias = "Table[ReadOnlyColumnCollection[str, Column[object]]]"
"""A table of ours, whatever its columns."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime, kept as milliseconds since 1970; a naive one is refused."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime reached the database")
        return round(value.timestamp() * 1000)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value / 1000, UTC)

    @staticmethod
    def keeps(value: datetime) -> bool:
        """Whether the aware instant is read back as the same."""
        return value.microsecond % 1000 == 0


class Opaque(TypeDecorator[str]):
    """An id of ours, 32 lowercase hexadecimal characters, or empty where somebody was forgotten.

    Anything else is refused, so that no name gets in.
    """

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is not None and _OPAQUE.fullmatch(value) is None:
            raise ValueError("an id that is not opaque reached the database")
        return value


class Name(TypeDecorator[str]):
    """A name from our own code, such as a kind of row; anything but lowercase words is refused."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is not None and _NAME.fullmatch(value) is None:
            raise ValueError("a name that is not ours reached the database")
        return value


class Sealed(TypeDecorator[bytes]):
    """Bytes that `service.seal` made for this table, column and row; written in one place of the store."""

    impl = LargeBinary
    cache_ok = True


_OPAQUE = re.compile("(?:[0-9a-f]{32})?")
_NAME = re.compile("[a-z][a-z0-9_]{0,31}")


def _id() -> Column[str]:
    return Column("id", Opaque, primary_key=True)


def _ref(name: str) -> Column[str]:
    return Column(name, Opaque, nullable=False, index=True)


def _state() -> Column[str]:
    return Column("state", String(16), nullable=False, index=True)


def _due() -> Column[datetime | None]:
    return Column("due_at", Instant, nullable=True, index=True)


def _sealed() -> Column[bytes]:
    return Column("sealed", Sealed, nullable=False)


members = Table(
    "members",
    metadata,
    _id(),
    _due(),
    _sealed(),
    info={
        "kept": "until the member says forget me; what they drafted and did not send, until its hour; when "
        "they were shown somebody's words, two days at most; when they were asked because of an "
        "offer that ended, the same"
    },
)
requests = Table(
    "requests",
    metadata,
    _id(),
    _ref("member"),
    _state(),
    _due(),
    _sealed(),
    info={"kept": "until it ended and what came of it is over"},
)
offers = Table(
    "offers",
    metadata,
    _id(),
    _ref("member"),
    _state(),
    _due(),
    _sealed(),
    info={"kept": "until it ends; one that goes on each week, 12 weeks after its member last said so"},
)
asks = Table(
    "asks",
    metadata,
    _id(),
    _ref("request"),
    _ref("member"),
    _ref("offer"),
    _state(),
    _due(),
    _sealed(),
    info={"kept": "as long as its request"},
)
pairings = Table(
    "pairings",
    metadata,
    _id(),
    _ref("request"),
    _ref("ask"),
    _ref("asker"),
    _ref("peer"),
    _state(),
    _due(),
    _sealed(),
    info={"kept": "until it lapses, is let go, or its room is gone"},
)
peer_rooms = Table(
    "peer_rooms",
    metadata,
    _id(),
    Column("room_hash", Opaque, nullable=True, unique=True),
    Column("answer_hash", Opaque, nullable=True, index=True),
    _ref("asker"),
    _ref("peer"),
    _state(),
    _due(),
    _sealed(),
    info={"kept": "until the room is gone and the receipt is written; the asker's words until it is closed"},
)

separations = Table(
    "separations",
    metadata,
    _id(),
    _ref("member"),
    _ref("other_hash"),
    _sealed(),
    info={"kept": "until the member who asked for it ends it, or says forget me"},
)

meetings = Table(
    "meetings",
    metadata,
    _id(),
    _ref("member"),
    _ref("other_hash"),
    Column("answer_hash", Opaque, nullable=True, index=True),
    _due(),
    _sealed(),
    info={
        "kept": "14 days from a room's end; longer where both agreed to talk again, or its member would with "
        "somebody of a linked community; or until forget me"
    },
)

concerns = Table(
    "concerns",
    metadata,
    _id(),
    _ref("member"),
    _state(),
    _due(),
    _sealed(),
    info={"kept": "the community's time, 28 days unless set; sooner when taken back, or by forget me"},
)

pairing_pauses = Table(
    "pairing_pauses",
    metadata,
    _id(),
    _ref("other_hash"),
    _due(),
    _sealed(),
    info={"kept": "until its date, whoever is forgotten meanwhile, or until a reader ends it"},
)

stewardships = Table(
    "stewardships",
    metadata,
    _id(),
    _due(),
    _sealed(),
    info={"kept": "one row, as long as the instance: a pause, checked places, a steward's open questions"},
)

vouchers = Table(
    "vouchers",
    metadata,
    _id(),
    _ref("member"),
    _due(),
    _sealed(),
    info={"kept": "a week after it was asked for, a year after it was given, or until forget me"},
)
check_ins = Table(
    "check_ins",
    metadata,
    _id(),
    _ref("member"),
    _state(),
    _due(),
    _sealed(),
    info={
        "kept": "until its last time, 8 weeks on unless its member chose otherwise; half a year while it is "
        "paused without an end; sooner when its member ends it or says forget me"
    },
)
outlooks = Table(
    "outlooks",
    metadata,
    _id(),
    _due(),
    _sealed(),
    info={"kept": "one row, about nobody, until a part of the day ends"},
)

own_plans = Table(
    "own_plans",
    metadata,
    _id(),
    _sealed(),
    info={"kept": "a member's own words to themselves, until they change or delete them, or say forget me"},
)

buddies = Table(
    "buddies",
    metadata,
    _id(),
    _ref("member"),
    _ref("other_hash"),
    _due(),
    _sealed(),
    info={
        "kept": "a week where there is no yes, to the first words or to others; else until either ends it, "
        "or by forget me of either; of one that ended unsaid the buddy's own yes, until they end it too"
    },
)

links = Table(
    "links",
    metadata,
    _id(),
    _state(),
    _due(),
    _sealed(),
    info={
        "kept": "until either side cuts the link, its terms end, or nobody finished its making in 14 days; "
        "which asks came over it, a day"
    },
)
link_keys = Table(
    "link_keys",
    metadata,
    _id(),
    _ref("link"),
    _sealed(),
    info={
        "kept": "our private keys of a link: those in use, those being made, and those before for 8 days more"
    },
)
link_invitations = Table(
    "link_invitations",
    metadata,
    _id(),
    _due(),
    _sealed(),
    info={
        "kept": "14 days: which front desk of another collective asked for a link, whatever came of it; and "
        "again from the end of a link with it. What our stewards wrote for it, where ours asked too"
    },
)

asks_across = Table(
    "asks_across",
    metadata,
    _id(),
    _ref("link"),
    _ref("request"),
    _due(),
    _sealed(),
    info={
        "kept": "that a linked community was asked about a request: until the request or the link ends; a "
        "withdrawal that cannot cross, until it can, 8 days at most, without whose it was"
    },
)
guest_rooms = Table(
    "guest_rooms",
    metadata,
    _id(),
    _ref("member"),
    _ref("link"),
    _state(),
    _due(),
    _sealed(),
    info={"kept": "a room that a linked community opened: until it is erased there, as far as we hear of it"},
)

inbox = Table(
    "inbox",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", Opaque, nullable=False, unique=True),
    Column("received_at", Instant, nullable=False),
    Column("failures", Integer, nullable=False, default=0),
    _sealed(),
    sqlite_autoincrement=True,
    info={"kept": "until the event is handled"},
)
seen = Table(
    "seen",
    metadata,
    _id(),
    Column("seen_at", Instant, nullable=False, index=True),
    info={"kept": "14 days: keyed hashes of event ids, so that nothing is handled twice"},
)
unread = Table(
    "unread",
    metadata,
    _id(),
    Column("since", Instant, nullable=False, index=True),
    _sealed(),
    info={"kept": "until its key comes, or one hour; then it is asked for again once"},
)
outbox = Table(
    "outbox",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", Opaque, nullable=False, unique=True),
    Column("lane", Opaque, nullable=False),
    Column("way", Name, nullable=True),
    Column("made_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", Instant, nullable=True),
    _sealed(),
    sqlite_autoincrement=True,
    info={"kept": "until delivered or refused for good, or its deadline: a day for words, 14 for an erasure"},
)
chats = Table(
    "chats",
    metadata,
    _id(),
    _sealed(),
    info={"kept": "as long as the front desk is in the room: its members, and whether it is encrypted"},
)
crypto = Table(
    "crypto",
    metadata,
    Column("kind", Name, primary_key=True),
    _id(),
    _sealed(),
    info={"kept": "as long as the encryption session, device or room it belongs to"},
)
instance = Table(
    "instance",
    metadata,
    Column("name", Name, primary_key=True),
    _sealed(),
    info={"kept": "as long as the instance: sync tokens, generation, identity seeds"},
)
keyring = Table(
    "keyring",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    info={
        "kept": "as long as the instance: the inner keys, wrapped by the outer one; two rows in a rotation"
    },
)
lease = Table(
    "lease",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("holder", String(128), nullable=False),
    info={"kept": "one row: which start of the service serves this database"},
)

Index("ix_outbox_lane_seq", outbox.c.lane, outbox.c.seq)
Index("ix_outbox_way_next_at", outbox.c.way, outbox.c.next_at, outbox.c.seq)
Index("ix_outbox_next_at", outbox.c.next_at)

RECORDS = {
    "members": members,
    "requests": requests,
    "offers": offers,
    "asks": asks,
    "pairings": pairings,
    "peer_rooms": peer_rooms,
    "separations": separations,
    "meetings": meetings,
    "concerns": concerns,
    "pairing_pauses": pairing_pauses,
    "stewardships": stewardships,
    "vouchers": vouchers,
    "check_ins": check_ins,
    "outlooks": outlooks,
    "own_plans": own_plans,
    "buddies": buddies,
    "links": links,
    "link_keys": link_keys,
    "link_invitations": link_invitations,
    "asks_across": asks_across,
    "guest_rooms": guest_rooms,
}
"""The tables of `schema.records`, by the name that `Due.kind` uses."""

SEALED = tuple(table for table in metadata.sorted_tables if "sealed" in table.c)
"""Every table with a sealed column: what a rotation of keys goes through."""


@cache
def naming_columns(table: AnyTable) -> tuple[str, ...]:
    """The columns that name a row of `table` for good, and so are bound into what is sealed there."""
    return ("id",) if "seq" in table.c else tuple(column.name for column in table.primary_key)
