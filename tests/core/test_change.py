"""A changed record: as `dataclasses.replace` gives it, for less."""

from dataclasses import FrozenInstanceError, dataclass
from dataclasses import replace as slowly

import pytest

from service.core.change import replace


@dataclass(frozen=True)
class _Record:
    """Something with fields of its own and usual ones."""

    id: str
    count: int = 0
    names: tuple[str, ...] = ()


def test_what_is_changed_is_changed_and_nothing_else() -> None:
    """The new record equals what `dataclasses.replace` gives; the old one is as it was, and frozen too."""
    record = _Record("a", 1, ("x",))
    changed = replace(record, count=2)
    assert changed == slowly(record, count=2) == _Record("a", 2, ("x",))
    assert record == _Record("a", 1, ("x",))
    with pytest.raises(FrozenInstanceError):
        changed.count = 3  # type: ignore[misc]  # What is tried here.


def test_a_field_that_there_is_not_is_refused() -> None:
    """A slip does not become a field."""
    with pytest.raises(TypeError, match="_Record has no colour"):
        replace(_Record("a"), colour="red")  # type: ignore[call-arg]  # What is tried here.
