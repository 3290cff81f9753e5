"""Which envelopes of one direction were received: a sliding window over their counters (RFC 6479's idea).

Guards: none counts twice, whatever comes in whatever order; what is told depends on counters and issue times
alone; a counter that went back is told apart from a replay, and what was sent before that counts never again;
an issue time counts as far as it fits those under other counters, so that none can be chosen freely.
"""

from enum import StrEnum

from schema.errors import IllegalMove
from schema.records import Received

WIDTH = 1024
"""How far behind the newest counter an envelope may come."""


GAPS = 64
"""Of how many runs of counters that were passed over it is kept between which issue times they were sent."""


class Order(StrEnum):
    """NEXT: not received yet. AGAIN: received before. LATE: too far behind to know.

    BACK: its sender counts what was counted already for something new, so it was restored from a backup.
    """

    NEXT = "next"
    AGAIN = "again"
    LATE = "late"
    BACK = "back"


def order(received: Received, counter: int, issued: int) -> Order:
    """What an envelope of that counter, issued then, in seconds, is to what was received.

    A sender's issue times never grow less as its counter grows; so one that is issued after all that were
    received, with a counter that is not the newest, can only be of a sender that counts anew.
    """
    if issued <= received.after:
        return Order.AGAIN
    if counter > received.newest:
        return Order.NEXT
    if issued > received.issued:
        return Order.BACK
    behind = received.newest - counter
    if behind >= WIDTH:
        return Order.LATE
    return Order.AGAIN if received.bits >> behind & 1 else Order.NEXT


def sent_at(received: Received, counter: int, issued: int) -> int:
    """When an envelope of that counter, which is NEXT or BACK and says `issued`, counts as sent, in seconds.

    That is when it says, but for a sender that has not told the truth: not before what was received with a
    lower counter, nor after what was with a higher one. Of what was passed over longer ago than is kept it
    is, at the earliest, when what came after it was.
    """
    newest = max(received.issued, received.since)
    if counter > received.newest or issued > received.issued:
        return max(issued, newest)
    for last, earliest, latest in received.gaps:
        if counter <= last:
            return min(max(issued, earliest), latest)
    return newest


def receive(received: Received, counter: int, issued: int) -> Received:
    """The window with that one received, which is NEXT or BACK. Raises IllegalMove."""
    found = order(received, counter, issued)
    if found is Order.BACK:
        anew = Received(issued=received.issued, since=received.since)
        gaps = _passed_over(anew, counter, issued)
        return Received(counter, 1, issued, after=received.issued, since=received.since, gaps=gaps)
    if found is not Order.NEXT:
        raise IllegalMove("an envelope", found, "receiving")
    ahead = max(0, counter - received.newest)
    newest = max(counter, received.newest)
    # A jump further than the width leaves nothing: shifting by it would make a number as long as the jump.
    bits = received.bits << ahead if ahead < WIDTH else 0
    bits = (bits | 1 << (newest - counter)) & ((1 << WIDTH) - 1)
    gaps = _passed_over(received, counter, issued)
    latest = max(issued, received.issued)
    return Received(newest, bits, latest, received.after, received.since, gaps)


def _passed_over(received: Received, counter: int, issued: int) -> tuple[tuple[int, int, int], ...]:
    """The runs of counters that are passed over once that one is received."""
    kept = tuple(gap for gap in received.gaps if gap[0] > max(counter, received.newest) - WIDTH)
    if counter > received.newest + 1:
        earliest = max(received.issued, received.since)
        kept = (*kept, (counter - 1, earliest, max(earliest, issued)))
    return kept[-GAPS:]
