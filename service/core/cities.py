"""Which time zone a person's city has, found by its name.

Guards: a zone is never guessed; where several fit they are shown, and the person chooses.
"""

import unicodedata
from collections.abc import Mapping, Sequence


def plain(name: str) -> str:
    """A name less what people leave out when they type it: case, accents, and what stands between words."""
    parts = unicodedata.normalize("NFKD", name.casefold())
    kept = "".join(
        char if char.isalnum() else " "
        for char in parts
        if not unicodedata.combining(char) and char not in "'\u2019"
    )
    return " ".join(kept.split())


def find(text: str, zones: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The zones that have a name like `text`: those with that very name, else those that it begins, or is in.

    `zones` gives the plain names of each IANA zone, whose order is kept.
    """
    wanted = plain(text)
    exact = tuple(zone for zone, names in zones.items() if wanted in names)
    if exact or len(wanted) < _SHORTEST:
        return exact
    begun = tuple(zone for zone, names in zones.items() if any(name.startswith(wanted) for name in names))
    return begun or tuple(
        zone for zone, names in zones.items() if any(f" {wanted}" in f" {name}" for name in names)
    )


_SHORTEST = 3
"""Letters that a part of a name must have."""
