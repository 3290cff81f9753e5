"""Who a community is for by age, and who is kept apart from whom by it.

Guards: where a community is for adults and for young people, the two are never paired; nobody is counted
among either before they said so themselves, and nobody is among both in turn within a month.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from schema.records import Member

MONTH = timedelta(days=30)
"""For so long after somebody first asked or offered in a group, they stay in it."""

ADULTS, YOUNG, BOTH = "adults", "young", "both"
"""What `Community.ages` can be; the first two are also the groups."""


def group(ages: str, said: str) -> str:
    """The group in which somebody asks or offers: the community's one, else what they `said`; or nothing."""
    return said if ages == BOTH else ages


def take_part(member: Member, ages: str, now: datetime) -> Member:
    """The member, who asks or offers: from the first time on, when they began to is kept with their group."""
    if ages != BOTH or member.age_since is not None:
        return member
    return replace(member, age_since=now)


def stays_until(member: Member, now: datetime) -> datetime | None:
    """Until when the member stays in the group that they said; None where they can change it now.

    A slip is found before anybody counts on it: every recap says the group, and nothing was asked yet.
    """
    until = None if member.age_since is None else member.age_since + MONTH
    return until if until is not None and until > now else None
