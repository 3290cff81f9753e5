"""Over weeks nobody is asked much more than others who fit as well, and nobody is left out.

Guards: the real rules of `service.core` decide who is asked; what people answer, and when, is chance.
"""

import heapq
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from statistics import median

from hypothesis import event, given
from hypothesis import strategies as st

from schema.ids import MemberId, OfferId, RequestId
from schema.records import Offer, Request, Window
from service.core.availability import STANDING, WEEKLY
from service.core.matching import ANYONE, SHARES, as_offer, in_order, may_be_asked, may_meet
from tests.core.shapes import NOW, OFFER, REQUEST

TOPICS = ("grief", "burnout", "joy", "psychosis")
HARD = frozenset({"psychosis"})
WISHES = ("listening", "task", "company")
WEEKS = 3
AT_ONCE = 2
ROUND, PAUSE, OPEN = timedelta(hours=1), timedelta(minutes=15), timedelta(days=1)
TOGETHER, REST = timedelta(hours=1), timedelta(hours=12)

_TERMS = st.builds(
    lambda topics, no_topics, when, zone, asks, who, does: replace(
        OFFER,
        topics=tuple(sorted(topics)),
        no_topics=tuple(sorted(no_topics - topics)),
        when=when,
        windows=(Window((0, 1, 2, 3, 4, 5, 6), 17 * 60, 22 * 60),) if when == WEEKLY else (),
        zone=zone,
        asks_a_day=asks,
        who=who if topics else ANYONE,
        does=tuple(sorted(does)),
        until=NOW + timedelta(weeks=WEEKS + 1),
    ),
    st.sets(st.sampled_from(TOPICS), max_size=2),
    st.sets(st.sampled_from(TOPICS), max_size=1),
    st.sampled_from(["now", WEEKLY, STANDING]),
    st.sampled_from(["Europe/Berlin", "America/Sao_Paulo"]),
    st.integers(1, 3),
    st.sampled_from([ANYONE, SHARES]),
    st.sets(st.sampled_from(WISHES), max_size=2),
)


@dataclass
class Community:
    """Offers and how likely each member says yes, and what has come of it so far."""

    random: Random
    offers: dict[MemberId, Offer] = field(default_factory=dict)
    willing: dict[MemberId, float] = field(default_factory=dict)
    terms: dict[MemberId, int] = field(default_factory=dict)
    engaged: dict[MemberId, datetime] = field(default_factory=dict)
    count: dict[MemberId, int] = field(default_factory=lambda: defaultdict(int))

    def join(self, terms: int, offer: Offer, willing: float) -> None:
        """Somebody offers, on these terms."""
        number = len(self.offers) + 1
        member = MemberId(f"{number:032x}")
        self.offers[member] = replace(offer, id=OfferId(f"{number:032x}"), member=member)
        self.willing[member], self.terms[member] = willing, terms

    def round(self, request: Request, asked: set[MemberId], now: datetime) -> bool:
        """One round of asks about a request; whether somebody says yes to it."""
        engaged = {member for member, until in self.engaged.items() if until > now}
        free = [
            offer
            for offer in self.offers.values()
            if may_be_asked(
                request,
                offer,
                asked=asked,
                engaged=engaged,
                apart=(),
                asks_a_day=2,
                pause=PAUSE,
                now=now,
                hard=HARD,
            )
        ]
        for offer in in_order(request, free, self.random.random)[:AT_ONCE]:
            member = offer.member
            asked.add(member)
            self.count[member] += 1
            recent = tuple(at for at in offer.asked if now - at < timedelta(days=1))
            self.offers[member] = replace(offer, asked=(*recent, now), asked_at=now)
            if self.random.random() < self.willing[member]:
                ends = now + TOGETHER
                self.engaged[member] = ends
                self.offers[member] = replace(self.offers[member], rest_until=ends + REST)
                return True
        return False

    def live(self, requests: list[Request]) -> None:
        """Every request is looked after, round for round, until somebody says yes or its time is over."""
        asked: dict[RequestId, set[MemberId]] = defaultdict(set)
        due = [(request.made_at, number) for number, request in enumerate(requests)]
        heapq.heapify(due)
        while due:
            now, number = heapq.heappop(due)
            request = requests[number]
            if now < request.until and not self.round(request, asked[request.id], now):
                heapq.heappush(due, (now + ROUND, number))


@given(st.integers(3, 8), st.integers(1, 6), st.integers(0, 2**32))
def test_of_those_who_ask_too_none_is_asked_about_others_too_often_or_never(
    size: int, a_day: int, seed: int
) -> None:
    """Of members who ask for weeks, and allow others who ask, each is asked about as often as the rest."""
    random = Random(seed)
    until = NOW + timedelta(weeks=WEEKS + 1)
    waiting = [
        replace(
            REQUEST,
            id=RequestId(f"{number:032x}"),
            member=MemberId(f"{number:032x}"),
            topics=("grief",),
            too=True,
            until=until,
        )
        for number in range(1, size + 1)
    ]
    count: dict[MemberId, int] = defaultdict(int)
    for request in sorted(_requests(random, a_day), key=lambda one: one.made_at):
        asking = replace(request, too=True, topics=("grief",))
        now = asking.made_at
        free = [
            offer
            for offer in (as_offer(one) for one in waiting if may_meet(asking, one, HARD, now))
            if may_be_asked(
                asking, offer, asked=(), engaged=(), apart=(), asks_a_day=2, pause=PAUSE, now=now, hard=HARD
            )
        ]
        for offer in in_order(asking, free, random.random)[:AT_ONCE]:
            count[offer.member] += 1
            waiting = [
                replace(
                    one,
                    asked=(*(at for at in one.asked if now - at < timedelta(days=1)), now),
                    asked_at=now,
                )
                if one.member == offer.member
                else one
                for one in waiting
            ]
    counts = [count[one.member] for one in waiting]
    assert max(counts) <= 2 * max(1.0, median(counts)), counts
    assert min(counts) > 0, counts


def _requests(random: Random, a_day: int) -> list[Request]:
    """Requests at all hours of some weeks, about no topic, one or two, for this or that."""
    found = []
    for number in range(a_day * 7 * WEEKS):
        made_at = NOW + random.random() * timedelta(weeks=WEEKS)
        topics = tuple(random.sample(TOPICS, random.choice((0, 1, 1, 2))))
        found.append(
            replace(
                REQUEST,
                id=RequestId(f"{number:032x}"),
                member=MemberId("f" * 32),
                made_at=made_at,
                until=made_at + OPEN,
                topics=topics,
                wish=random.choice(WISHES),
            )
        )
    return found


@given(
    st.lists(st.tuples(_TERMS, st.integers(2, 5)), min_size=1, max_size=4),
    st.integers(1, 8),
    st.sampled_from([0.1, 0.5, 1.0]),
    st.integers(0, 2**32),
)
def test_among_those_who_fit_as_well_nobody_is_asked_too_often_and_nobody_never(
    groups: list[tuple[Offer, int]], a_day: int, willing: float, seed: int
) -> None:
    """Of members on the same terms none is asked more than twice the median, and each is asked at all."""
    random = Random(seed)
    community = Community(random)
    for number, (offer, size) in enumerate(groups):
        for _ in range(size):
            community.join(number, offer, willing)
    community.live(_requests(random, a_day))
    alike: dict[int, list[int]] = defaultdict(list)
    for member, number in community.terms.items():
        alike[number].append(community.count[member])
    for counts in alike.values():
        # One more than none is no unfairness: somebody must be the first.
        assert max(counts) <= 2 * max(1.0, median(counts)), counts
        if sum(counts) >= len(counts):
            assert min(counts) > 0, counts
    least = min(count for counts in alike.values() for count in counts)
    event(f"least asked: {min(3, least)}")


def test_what_somebody_answers_does_not_decide_how_often_they_are_asked() -> None:
    """Of four on the same terms, whoever always says yes, never, or at times is asked about as often."""
    random = Random(7)
    community = Community(random)
    terms = replace(OFFER, when=STANDING, zone="Europe/Berlin", until=NOW + timedelta(weeks=WEEKS + 1))
    for willing in (0.0, 0.3, 0.7, 1.0):
        community.join(0, terms, willing)
    community.live(_requests(random, 2))
    counts = list(community.count.values())
    assert len(counts) == 4
    assert max(counts) <= 2 * median(counts)
    assert min(counts) >= median(counts) / 2
