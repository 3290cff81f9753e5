"""Who is kept apart from whom, and what is an address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.ids import MemberId, SeparationId
from schema.records import Separation
from service.core.apart import Unclear, address, apart_from
from tests.core.shapes import ANA, BEN, NOW

CLEO = MemberId("c" * 32)
_PEOPLE = [ANA, BEN, CLEO]


@given(st.lists(st.tuples(st.sampled_from(_PEOPLE), st.sampled_from(_PEOPLE)), max_size=8))
def test_one_wish_keeps_two_apart_in_both_directions(pairs: list[tuple[MemberId, MemberId]]) -> None:
    """Whoever asked for it: each stands among those kept apart from the other, and nobody else does."""
    kept = [Separation(SeparationId(f"{at:032x}"), one, other, NOW) for at, (one, other) in enumerate(pairs)]
    for this in _PEOPLE:
        for that in _PEOPLE:
            asked_for = (this, that) in pairs or (that, this) in pairs
            assert (that in apart_from(this, kept)) is asked_for


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("@ben:example.org", "@ben:example.org"),
        ("  <@ben:example.org>. ", "@ben:example.org"),
        ("“@ben:example.org”", "@ben:example.org"),
        ("@Ben:Example.org", "@ben:example.org"),
        ("@ben_1=2/x.y+z-:sub.example.org:8448", "@ben_1=2/x.y+z-:sub.example.org:8448"),
        ("@ben:[2001:db8::1]:8448", "@ben:[2001:db8::1]:8448"),
        ("https://matrix.to/#/@ben:example.org", "@ben:example.org"),
        ("https://matrix.to/#/%40ben%3Aexample.org?via=example.org", "@ben:example.org"),
        ("matrix:u/ben:example.org?action=chat", "@ben:example.org"),
        ("@ben:example.org @ben:example.org", Unclear.ODD),
        ("@ben:example.org please", Unclear.ODD),
        ("@ben:example.org @cleo:example.org", Unclear.SEVERAL),
        ("@ben:", Unclear.SERVER),
        ("@:example.org", Unclear.ODD),
        ("@b\u00e9n:example.org", Unclear.ODD),
        ("@" + "b" * 300 + ":example.org", Unclear.ODD),
        ("@ben", Unclear.SERVER),
        ("ben@example.org", Unclear.EMAIL),
        ("#room:example.org", Unclear.ROOM),
        ("!room:example.org", Unclear.ROOM),
        ("Ben from the kitchen", Unclear.NAME),
        ("", Unclear.NAME),
    ],
)
def test_what_is_an_address(typed: str, found: str) -> None:
    """One whole address, however it was pasted; anything else is told apart by what is wrong with it."""
    assert address(typed) == found
