"""Who a community is for by age, and who is kept apart from whom by it.

Guards: where a community is for adults and for young people, the two are never paired; nobody is counted
among either before they said so themselves.
"""

ADULTS, YOUNG, BOTH = "adults", "young", "both"
"""What `Community.ages` can be; the first two are also the groups."""


def group(ages: str, said: str) -> str:
    """The group in which somebody asks or offers: the community's one, else what they `said`; or nothing."""
    return said if ages == BOTH else ages
