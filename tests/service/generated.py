"""Hypothesis strategies for everything that the store keeps, made from the shapes' own types.

A new field of a record, an event or an effect is generated from the day that it is there.
"""

import dataclasses
import types
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from schema.effects import Effect
from schema.events import FromMatrix
from schema.ids import OutboxId
from schema.records import Record
from schema.wire import Hello, KeyChange, Terms
from service.store.shapes import SHAPES
from tests.linked import TERMS, secrets, steps

T = TypeVar("T")

ids = st.binary(min_size=16, max_size=16).map(bytes.hex)
"""Opaque ids, such as stand in plain columns."""

instants = st.integers(0, 4102444800000).map(
    lambda at: datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at)
)
"""Aware UTC times until the year 2100, to the millisecond, which is what a plain column keeps."""


_HELLO, _KEYS = steps("0" * 32, secrets("generated"), 1, "link", TERMS)
_OF_THE_WIRE = {Hello: _HELLO, KeyChange: _KEYS, Terms: TERMS}
"""What records hold of the protocol's shapes, whose bounds no strategy for a type knows."""


def of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type, as far as the shapes use types."""
    if hint is OutboxId:
        # A mark becomes the id of a row.
        return ids | st.just("")
    hint = getattr(hint, "__supertype__", hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of([of(argument) for argument in arguments])
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return st.lists(of(arguments[0]), max_size=4).map(tuple)
        return st.tuples(*[of(argument) for argument in arguments])
    if origin is list:
        return st.lists(of(arguments[0]), max_size=4)
    if origin is dict:
        return st.dictionaries(of(arguments[0]), of(arguments[1]), max_size=4)
    if hint is datetime:
        return instants
    if hint is timedelta:
        return st.timedeltas(timedelta(0), timedelta(days=400))
    if hint is str:
        return st.text(max_size=60)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return made(hint)
    if hint in _OF_THE_WIRE:
        return st.just(_OF_THE_WIRE[hint])
    return st.from_type(hint)


def made(kind: type[T], plain: tuple[str, ...] = ()) -> st.SearchStrategy[T]:
    """Values of a dataclass; the fields named in `plain` are opaque ids where they are strings."""
    fields = {}
    for name, hint in get_type_hints(kind).items():
        is_id = name in plain and getattr(hint, "__supertype__", hint) is str
        fields[name] = ids if is_id else of(hint)
    return st.builds(kind, **fields)


def sample(kind: type[T], **given: object) -> T:
    """One fixed value of a dataclass with `given` fields; the others have plain values of their types."""
    values = dict(given)
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]  # T stands for a dataclass here.
        if field.name not in given and field.default is field.default_factory is dataclasses.MISSING:
            hint = get_type_hints(kind)[field.name]
            values[field.name] = _plain(getattr(hint, "__supertype__", hint))
    return kind(**values)


def _plain(hint: Any) -> object:
    if isinstance(hint, type) and issubclass(hint, Enum):
        return next(iter(hint))
    if get_origin(hint) in (Union, types.UnionType):
        return None
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return sample(hint)
    if hint in _OF_THE_WIRE:
        return _OF_THE_WIRE[hint]
    plain: dict[object, object] = {
        str: "0" * 32,
        int: 0,
        bool: False,
        datetime: datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
        date: date(2026, 11, 21),
        timedelta: timedelta(hours=1),
    }
    return plain.get(hint, ())


def records() -> st.SearchStrategy[Record]:
    """Any record, with opaque ids in the plain columns of its table."""
    return st.one_of(
        [made(kind, tuple(column.name for column in SHAPES[kind].table.c)) for kind in get_args(Record)]
    )


def effects() -> st.SearchStrategy[Effect]:
    """Any effect."""
    return st.one_of([made(kind) for kind in get_args(Effect)])


def events() -> st.SearchStrategy[FromMatrix]:
    """Any event that can lie in the inbox."""
    return st.one_of([made(kind) for kind in get_args(FromMatrix)])
