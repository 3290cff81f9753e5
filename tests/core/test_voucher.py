"""When a voucher is enough, and that nothing of those who gave it is left."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.ids import MemberId, VoucherId
from schema.records import Voucher
from service.core import voucher as rules

NOW = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)
ANA, BEN, CLEO, SAM = map(MemberId, ("ana", "ben", "cleo", "sam"))


def asked(*named: MemberId, stewards: bool = False) -> Voucher:
    """Asked for just now by ana."""
    return Voucher(VoucherId("one"), ANA, NOW + rules.ASKED_FOR, stewards=stewards, named=named)


def test_two_who_were_named_are_enough() -> None:
    """The second yes gives it, for a year, and forgets whose they were."""
    one = rules.agree(asked(BEN, CLEO), BEN, NOW)
    assert not rules.stands(one, NOW)
    both = rules.agree(one, CLEO, NOW + timedelta(days=1))
    assert rules.stands(both, NOW + timedelta(days=365))
    assert not rules.stands(both, both.due_at)
    assert (both.named, both.yes, both.stewards) == ((), (), False)


def test_a_stewards_one_yes_is_enough_but_not_for_themselves() -> None:
    """And only where the stewards were asked, in time."""
    assert rules.open_to_stewards(asked(stewards=True), SAM, NOW)
    assert not rules.open_to_stewards(asked(stewards=True), ANA, NOW)
    assert not rules.open_to_stewards(asked(BEN, CLEO), SAM, NOW)
    assert not rules.open_to_stewards(asked(stewards=True), SAM, NOW + rules.ASKED_FOR)
    given_now = rules.give(asked(stewards=True), NOW)
    assert rules.stands(given_now, NOW)
    assert not rules.open_to_stewards(given_now, SAM, NOW)


@given(st.lists(st.tuples(st.sampled_from([ANA, BEN, CLEO, SAM]), st.integers(0, 10)), max_size=8))
def test_only_two_different_people_who_were_named_give_it(said: list[tuple[MemberId, int]]) -> None:
    """Whoever says yes, how often, and when: nobody twice, nobody too late, nobody for themselves."""
    found = asked(ANA, BEN, CLEO)
    counted: set[MemberId] = set()
    for by, day in sorted(said, key=lambda one: one[1]):
        now = NOW + timedelta(days=day)
        if rules.open_to(found, by, now):
            found = rules.agree(found, by, now)
            counted.add(by)
        else:
            with pytest.raises(ValueError, match="does not count"):
                rules.agree(found, by, now)
    assert (found.since is not None) == (len(counted) == rules.ENOUGH)
    assert counted <= {BEN, CLEO}


def test_of_whoever_is_forgotten_nothing_is_left() -> None:
    """Their yes does not count any more."""
    left = rules.without(rules.agree(asked(BEN, CLEO), BEN, NOW), BEN)
    assert (left.named, left.yes) == ((CLEO,), ())
    assert not rules.open_to(left, BEN, NOW)
