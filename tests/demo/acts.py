"""Which acts the demo has, in the order in which they are played.

A check-in comes at a whole minute, so it is last: that is waited for while the others are played.
"""

from typing import Literal

Act = Literal["pairing", "link", "check-in"]
ACTS: dict[Act, str] = {
    "pairing": "two members of a community meet and part, and what is left of it",
    "link": "two communities link, and a member of one meets one of the other",
    "check-in": "somebody is asked how it goes, at an hour of their own choosing",
}
"""Each with what happens in it."""
