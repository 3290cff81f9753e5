"""How records, events and effects lie in their rows: what in clear, and what sealed together as JSON.

Guards: what is written is of the type that its field has, and is read back as the same; no error holds a
value.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Annotated, NotRequired, TypeVar, cast, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError
from typing_extensions import TypedDict

from schema import tables
from schema.effects import Effect
from schema.events import FromMatrix
from schema.ids import OutboxId
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
from schema.tables import AnyTable
from service.store.driver import Row

T = TypeVar("T")

EFFECT: TypeAdapter[Effect] = TypeAdapter(Annotated[Effect, Field(discriminator="type")])
EVENT: TypeAdapter[FromMatrix] = TypeAdapter(Annotated[FromMatrix, Field(discriminator="type")])


class Shape:
    """How one kind of record lies in its table: which fields in clear, which sealed together."""

    def __init__(self, kind: type[Record], table: AnyTable) -> None:
        self.kind = kind
        self.table = table
        hints = get_type_hints(kind)
        fields = dataclasses.fields(kind)
        self.columns = tuple(column.name for column in self.table.c)
        self.sealed_at = self.columns.index("sealed")
        self.clear = tuple(
            (field.name, self.columns.index(field.name), _enum_of(hints[field.name]))
            for field in fields
            if field.name in self.columns
        )
        self.sealed = tuple(field.name for field in fields if field.name not in self.columns)
        shape = {
            field.name: NotRequired[hints[field.name]] if _has_default(field) else hints[field.name]
            for field in fields
            if field.name in self.sealed
        }
        self.adapter = TypeAdapter(_typed_dict(f"Sealed{kind.__name__}", shape))

    def record(self, row: Row, text: bytes) -> Record:
        """The record of a row and its opened bytes."""
        values = from_json(self.adapter, text)
        for name, at, enum in self.clear:
            value = row[at]
            values[name] = value if enum is None or value is None else enum(value)
        return self.kind(**values)  # type: ignore[arg-type]  # Checked by the adapter and by the columns.


def to_json(adapter: TypeAdapter[T], value: T) -> bytes:
    """`value` as JSON; raises TypeError for what its type does not allow, without showing it."""
    try:
        return adapter.dump_json(value, warnings="error")
    except PydanticSerializationError:
        raise TypeError(f"{type(value).__name__}: a value of another type than its field's") from None


def from_json(adapter: TypeAdapter[T], text: bytes) -> T:
    """The value of what `to_json` gave; raises TypeError for anything else, without showing it."""
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        where = ", ".join(
            sorted({str(one["loc"][0]) for one in error.errors(include_input=False) if one["loc"]})
        )
        raise TypeError(f"a kept row is not of the form that this program writes: {where}") from None


_typed_dict = cast(Callable[[str, Mapping[str, object]], type[dict[str, object]]], TypedDict)
"""TypedDict for fields that are known at run time only."""


def _enum_of(hint: object) -> type[Enum] | None:
    return hint if isinstance(hint, type) and issubclass(hint, Enum) else None


def _has_default(field: "dataclasses.Field[object]") -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


SHAPES: Mapping[type[object], Shape] = MappingProxyType(
    {
        kind: Shape(kind, table)
        for kind, table in (
            (Member, tables.members),
            (Request, tables.requests),
            (Offer, tables.offers),
            (Ask, tables.asks),
            (Pairing, tables.pairings),
            (PeerRoom, tables.peer_rooms),
            (Separation, tables.separations),
            (Meeting, tables.meetings),
            (Concern, tables.concerns),
            (PairingPause, tables.pairing_pauses),
            (Stewardship, tables.stewardships),
            (Voucher, tables.vouchers),
            (CheckIn, tables.check_ins),
            (Outlook, tables.outlooks),
            (OwnPlan, tables.own_plans),
            (Buddy, tables.buddies),
            (Link, tables.links),
            (LinkKeys, tables.link_keys),
            (LinkInvitation, tables.link_invitations),
            (AskAcross, tables.asks_across),
            (GuestRoom, tables.guest_rooms),
        )
    }
)
"""By kind of record."""

KINDS: Mapping[str, type[Record]] = {shape.table.name: shape.kind for shape in SHAPES.values()}
"""By the name of their table, which `Due.kind` uses."""


@dataclass(frozen=True)
class InboxRow:
    """One event that waits to be handled; `failures` counts the turns that failed on it."""

    seq: int
    id: str
    event: FromMatrix
    received_at: datetime
    failures: int


@dataclass(frozen=True)
class OutboxRow:
    """One effect that waits to be delivered; `lane` is a keyed hash, equal for equal lanes."""

    id: OutboxId
    seq: int
    lane: str
    effect: Effect
    made_at: datetime
    attempts: int
    next_at: datetime | None

    def again(self, next_at: datetime) -> "OutboxRow":
        """The same effect after one more try, put off until `next_at`."""
        return dataclasses.replace(self, attempts=self.attempts + 1, next_at=next_at)


@dataclass(frozen=True)
class Unread:
    """An encrypted event whose key has not come: `raw` is what `keep_unread` was given."""

    id: str
    raw: bytes
    since: datetime
