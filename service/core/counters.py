"""Which envelopes of one direction were received: a sliding window over their counters (RFC 6479's idea).

Guards: none counts twice, whatever comes in whatever order; what is told depends on counters and issue times
alone; a counter that went back is told apart from a replay, and what was sent before that counts never again.
"""

from enum import StrEnum

from schema.errors import IllegalMove
from schema.records import Received

WIDTH = 1024
"""How far behind the newest counter an envelope may come."""


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


def receive(received: Received, counter: int, issued: int) -> Received:
    """The window with that one received, which is NEXT or BACK. Raises IllegalMove."""
    found = order(received, counter, issued)
    if found is Order.BACK:
        return Received(newest=counter, bits=1, issued=issued, after=received.issued)
    if found is not Order.NEXT:
        raise IllegalMove("an envelope", found, "receiving")
    ahead = max(0, counter - received.newest)
    newest = max(counter, received.newest)
    # A jump further than the width leaves nothing: shifting by it would make a number as long as the jump.
    bits = received.bits << ahead if ahead < WIDTH else 0
    bits = (bits | 1 << (newest - counter)) & ((1 << WIDTH) - 1)
    return Received(newest, bits, max(issued, received.issued), received.after)
