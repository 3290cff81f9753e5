"""A voucher: that a steward, or two members, know whoever would offer company.

Guards: one yes from a steward or two from members whom the one who offers named, nobody's own among them; a
no and a silence leave the same; who said yes is kept only until it is enough.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from schema.ids import MemberId
from schema.records import Voucher

ENOUGH = 2
"""How many members are named, and must say yes."""

ASKED_FOR = timedelta(days=7)
"""How long whoever was asked can say yes, and how long nobody else can be asked for the same member."""

HOLDS = timedelta(days=365)
"""How long a voucher holds."""


def stands(voucher: Voucher, now: datetime) -> bool:
    """Whether its member may offer company."""
    return voucher.since is not None and now < voucher.due_at


def open_to(voucher: Voucher, by: MemberId, now: datetime) -> bool:
    """Whether a yes of the member `by`, who was named, still counts, and was not given yet."""
    waits = voucher.since is None and now < voucher.due_at
    return waits and by in voucher.named and by != voucher.member and by not in voucher.yes


def open_to_stewards(voucher: Voucher, by: MemberId, now: datetime) -> bool:
    """Whether a steward's yes counts: asked for, and not by the steward for themselves."""
    return voucher.stewards and voucher.since is None and now < voucher.due_at and by != voucher.member


def agree(voucher: Voucher, by: MemberId, now: datetime) -> Voucher:
    """The voucher after a yes of the member `by`. Raises ValueError where theirs does not count."""
    if not open_to(voucher, by, now):
        raise ValueError("this yes does not count")
    yes = (*voucher.yes, by)
    return give(voucher, now) if len(yes) >= ENOUGH else replace(voucher, yes=yes)


def give(voucher: Voucher, now: datetime) -> Voucher:
    """The voucher from now on: of those who gave it nothing is kept."""
    return replace(voucher, since=now, due_at=now + HOLDS, stewards=False, named=(), yes=())


def take_back(voucher: Voucher) -> Voucher | None:
    """What is left when its member takes it back: nothing of one that was given; else that it was asked for.

    That stays for its time: somebody who could ask others at once would learn by trying who says yes.
    """
    if voucher.since is not None:
        return None
    return replace(voucher, stewards=False, named=(), yes=(), consent=None)


def taken_back(voucher: Voucher) -> bool:
    """Whether its member took it back before it was given."""
    return voucher.since is None and voucher.consent is None and not (voucher.stewards or voucher.named)


def without(voucher: Voucher, forgotten: MemberId) -> Voucher:
    """The voucher without anything of somebody who is forgotten: as if they had not answered."""
    return replace(
        voucher,
        named=tuple(one for one in voucher.named if one != forgotten),
        yes=tuple(one for one in voucher.yes if one != forgotten),
    )
