"""Which time zone a person's city has, found by its name.

Guards: a zone is never guessed; where several fit they are shown, and the person chooses.
"""

import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo


def plain(name: str) -> str:
    """A name less what people leave out when they type it: case, accents, and what stands between words."""
    parts = unicodedata.normalize("NFKD", name.casefold())
    kept = "".join(
        char if char.isalnum() else " "
        for char in parts
        if not unicodedata.combining(char) and char not in "'\u2019"
    )
    return " ".join(kept.split())


@dataclass(frozen=True)
class Place:
    """The plain names of one IANA zone: of its cities, older ones and its own among them, and of its land."""

    cities: tuple[str, ...]
    lands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """The zones that a name fits, in their order; `certain` where it is the one city of that very name."""

    zones: tuple[str, ...]
    certain: bool = False


def find(text: str, places: Mapping[str, Place]) -> Found:
    """The zones of the city named `text`; else of the land of that name, and after them of what has it in its
    own name; else of the city with its land behind it ("Paris, France"), or of that land where no such city
    is known; else those of which a name begins with it, or has it in it.

    `places` are those of each IANA zone. Where it is a land's name, a part of a name, or that of several
    cities, it is for the person to choose, be there one alone.
    """
    wanted = plain(text)

    def where(fits: Callable[[str], bool], *, cities_only: bool = False) -> tuple[str, ...]:
        return tuple(
            zone
            for zone, place in places.items()
            if any(map(fits, place.cities if cities_only else (*place.cities, *place.lands)))
        )

    if city := where(lambda name: name == wanted, cities_only=True):
        return Found(city, certain=len(city) == 1)
    words = f" {wanted} "
    if land := where(lambda name: name == wanted):
        named = where(lambda name: words in f" {name} ")
        # Its own zones first, and of these the one that most of its cities have. A land with one hour, which
        # nothing else is called like, is as good as a city.
        own = sorted(land, key=lambda zone: -len(places[zone].cities))
        others = (zone for zone in named if zone not in land)
        return Found((*own, *others), certain=len(land) == len(named) == 1)
    if behind := _city_of_land(wanted.split(), places):
        return behind
    if len(wanted) < _SHORTEST:
        return Found(())
    begun = where(lambda name: name.startswith(wanted))
    return Found(begun or where(lambda name: words[:-1] in f" {name}"))


def _city_of_land(words: Sequence[str], places: Mapping[str, Place]) -> Found | None:
    """What fits a city with its land behind it, "madrid spain": where it is not known there, the land."""
    for at in range(1, len(words)):
        city, land = " ".join(words[:at]), " ".join(words[at:])
        if there := {zone: place for zone, place in places.items() if land in place.lands}:
            inside = tuple(zone for zone, place in there.items() if city in place.cities)
            return Found(inside, certain=len(inside) == 1) if inside else Found(tuple(there))
    return None


_SHORTEST = 3
"""Letters that a part of a name must have."""


def by_clock(zones: Sequence[str], now: datetime, usual: Collection[str]) -> tuple[tuple[str, ...], ...]:
    """`zones` in groups of those whose clocks show the same hours in the year from `now` on.

    In each group those come first that are in `usual`.
    """
    clocks: dict[tuple[timedelta | None, ...], list[str]] = {}
    for zone in zones:
        place = ZoneInfo(zone)
        shown = tuple((now + number * _DAY).astimezone(place).utcoffset() for number in range(366))
        clocks.setdefault(shown, []).append(zone)
    return tuple(tuple(sorted(group, key=lambda zone: zone not in usual)) for group in clocks.values())


_DAY = timedelta(days=1)
