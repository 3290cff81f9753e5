"""The number of the start, against whatever a homeserver has under its name."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema.errors import DatabaseRestored, HomeserverRefused
from schema.ids import LinkId, MatrixId
from schema.records import Link
from schema.states import LinkState
from service.generation import mark_restored, raise_generation
from service.store import Store
from tests.linked import NOW as LINKED_AT
from tests.linked import desks, linked
from tests.matrix.generated import ANYTHING, OBJECTS

DESK = MatrixId("@desk:home.test")
NOW = LINKED_AT


class AccountData:
    """A homeserver that gives what it was told, and takes what the specification lets it take."""

    def __init__(self, content: Any) -> None:
        self.content = content

    async def request(self, call: str, method: str, path: str, *, body: Any = None) -> Any:
        """Read or write the one piece of account data."""
        if method == "PUT":
            # Canonical JSON has no larger numbers (spec, appendix), and Synapse refuses them.
            assert all(isinstance(number, int) and abs(number) < 2**53 for number in body.values())
            self.content = body
        if self.content is None:
            raise HomeserverRefused(404, "M_NOT_FOUND", call)
        return self.content


numbers = st.booleans() | (
    st.integers(-5, 5) | st.integers(-(2**70), 2**70) | st.integers(2**53 - 2, 2**53) | st.just(10**4000)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.none() | OBJECTS | st.fixed_dictionaries({"generation": numbers | ANYTHING}),
    starts=st.integers(0, 3),
)
async def test_any_account_data_starts_or_is_restored(store: Store, content: Any, starts: int) -> None:
    """A later start is refused with nothing changed; anything else is no number of ours, and starts go on."""
    async with store.transaction("test") as transaction:
        await transaction.write_instance("generation", None)
    leaf: Any = AccountData(None)
    for expected in range(1, starts + 1):
        assert await raise_generation(store, leaf, DESK) == expected
    leaf.content = content
    try:
        number = await raise_generation(store, leaf, DESK)
    except DatabaseRestored:
        assert leaf.content is content
        assert type(content["generation"]) is int
        assert content["generation"] > starts
        await mark_restored(store, leaf, DESK, NOW)
        number = await raise_generation(store, leaf, DESK)
        assert number == content["generation"] + 1
    else:
        assert number == starts + 1
    assert leaf.content == {"generation": number}
    leaf.content = {"generation": number + 1}
    with pytest.raises(DatabaseRestored):
        await raise_generation(store, leaf, DESK)


async def test_a_link_of_before_takes_nothing_until_there_are_new_keys(store: Store) -> None:
    """What came after the backup could come again; a making that was under way is over."""
    live, _ = linked()
    begun, _ = desks()
    begun.propose()
    other = replace(begun.link, id=LinkId("2" * 32))
    async with store.transaction("test") as transaction:
        await transaction.put(live.link)
        await transaction.put(other)
    leaf: Any = AccountData(None)
    await mark_restored(store, leaf, DESK, NOW)
    async with store.reading() as transaction:
        found = await transaction.find(Link)
    assert [(one.state, one.due_at) for one in found] == [(LinkState.RESYNC, NOW), (LinkState.CUT, NOW)]
