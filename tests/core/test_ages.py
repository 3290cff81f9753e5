"""When somebody may say another age group: not within a month of taking part in one."""

from datetime import UTC, datetime, timedelta

import pytest

from schema.ids import MatrixId, MemberId
from schema.records import Member
from service.core import ages

NOW = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)
ANA = Member(MemberId("0" * 32), MatrixId("@ana:example.org"), NOW, age_group=ages.YOUNG)


def test_the_month_begins_with_the_first_request_or_offer() -> None:
    """Later ones do not begin it anew, or whoever asks often could never put right what became of them."""
    assert ages.stays_until(ANA, NOW) is None
    first = ages.take_part(ANA, ages.BOTH, NOW)
    assert first.age_since == NOW
    assert ages.take_part(first, ages.BOTH, NOW + timedelta(days=3)) is first


@pytest.mark.parametrize(("after", "stays"), [(timedelta(), True), (ages.MONTH, False)])
def test_it_ends_after_a_month(after: timedelta, stays: bool) -> None:
    """To the moment."""
    member = ages.take_part(ANA, ages.BOTH, NOW)
    assert ages.stays_until(member, NOW + after) == (NOW + ages.MONTH if stays else None)


@pytest.mark.parametrize("only", [ages.ADULTS, ages.YOUNG])
def test_where_there_is_one_group_nothing_is_kept(only: str) -> None:
    """The community decided, and nobody said anything."""
    assert ages.take_part(ANA, only, NOW) is ANA
