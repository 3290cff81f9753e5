"""Who is kept apart from whom, and which address a member means by what they typed.

Guards: one wish keeps two apart in both directions; an address counts only when it is whole, exact and one.
"""

import re
from collections.abc import Iterable
from enum import StrEnum

from schema.ids import MatrixId, MemberId
from schema.records import Separation

MOST = 100
"""How many others one member can be kept apart from."""

_LONGEST = 255
"""Bytes of a Matrix ID (spec, appendix "User Identifiers")."""
_ADDRESS = re.compile(r"@[!-9;-~]+:(?:[a-z0-9.\-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_LINK = re.compile(r"https://matrix\.to/#/(@[^/?\s]+)[^\s]*|matrix:u/([^/?\s]+)[^\s]*", re.IGNORECASE)
_BEFORE, _BEHIND = "<(\"'“‘«", ">)\"'”’».,;:!?"


class Unclear(StrEnum):
    """Why what was typed is no address of one member."""

    NAME = "name"
    SERVER = "server"
    EMAIL = "email"
    ROOM = "room"
    SEVERAL = "several"
    ODD = "odd"


def apart_from(member: MemberId, kept: Iterable[Separation]) -> frozenset[MemberId]:
    """Everybody who is kept apart from `member`, whichever of the two asked for it."""
    pairs = ((one.member, one.other) for one in kept if one.other)
    return frozenset(other if this == member else this for this, other in pairs if member in (this, other))


def address(typed: str) -> MatrixId | Unclear:
    """The Matrix ID in `typed`, in small letters as homeservers give them out, or why there is none.

    A link to a member (matrix.to, or MSC2312's `matrix:u/`) is taken as the address that it holds.
    """
    text = _LINK.sub(lambda found: found[1] or f"@{found[2]}", typed.replace("%40", "@").replace("%3A", ":"))
    words = [word.lstrip(_BEFORE).rstrip(_BEHIND) for word in text.split()]
    found = dict.fromkeys(word.lower() for word in words if word.startswith("@") and ":" in word)
    if len(found) > 1:
        return Unclear.SEVERAL
    if len(found) == 1:
        (one,) = found
        whole = len(words) == 1 and _ADDRESS.fullmatch(one) and len(one.encode()) <= _LONGEST
        return MatrixId(one) if whole else Unclear.ODD
    if any(word.startswith("@") for word in words):
        return Unclear.SERVER
    if any(word.startswith(("#", "!")) for word in words):
        return Unclear.ROOM
    return Unclear.EMAIL if any("@" in word for word in words) else Unclear.NAME
