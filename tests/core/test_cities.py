"""Zones by the names of cities."""

from datetime import UTC, datetime

import pytest

from service.core.cities import Found, Place, by_clock, find, plain

ZONES = {
    "Africa/Abidjan": Place(("abidjan",), ("cote divoire",)),
    "America/New_York": Place(("new york",), ("united states",)),
    "America/Sao_Paulo": Place(("sao paulo",), ("brazil",)),
    "Asia/Tbilisi": Place(("tbilisi",), ("georgia",)),
    "Atlantic/South_Georgia": Place(("south georgia",), ()),
    "Europe/Berlin": Place(("berlin",), ("germany",)),
    "Europe/Busingen": Place(("busingen",), ("germany",)),
    "Europe/Luxembourg": Place(("luxembourg",), ("luxembourg",)),
    "Pacific/Noumea": Place(("noumea",), ("new caledonia",)),
}


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("sao paulo", "America/Sao_Paulo"),
        ("São  Paulo!", "America/Sao_Paulo"),
        ("SAO_PAULO", "America/Sao_Paulo"),
        ("Côte d’Ivoire", "Africa/Abidjan"),
        ("brazil", "America/Sao_Paulo"),
        ("Luxembourg", "Europe/Luxembourg"),
        ("Berlin, Germany", "Europe/Berlin"),
        ("New York United States", "America/New_York"),
    ],
)
def test_a_city_is_found_by_its_name(text: str, zone: str) -> None:
    """By its own, or by that of a land that has one hour."""
    assert find(text, ZONES) == Found((zone,), certain=True)


@pytest.mark.parametrize(
    ("text", "zones"),
    [
        ("Germany", ("Europe/Berlin", "Europe/Busingen")),
        ("Georgia", ("Asia/Tbilisi", "Atlantic/South_Georgia")),
        ("Hamburg, Germany", ("Europe/Berlin", "Europe/Busingen")),
        ("in germany please", ()),
        ("york", ("America/New_York",)),
        ("new y", ("America/New_York",)),
        ("ork", ()),
        ("new", ("America/New_York", "Pacific/Noumea")),
        ("ne", ()),
        ("", ()),
        ("?", ()),
        ("Atlantis", ()),
        ("Berlin Brazil", ("America/Sao_Paulo",)),
    ],
)
def test_what_is_not_the_very_name_is_for_the_person_to_choose(text: str, zones: tuple[str, ...]) -> None:
    """A land with several hours, one whose name another place has too, and a part of a name."""
    assert find(text, ZONES) == Found(zones)


def test_cities_are_put_together_by_their_clocks() -> None:
    """Those that show the same all year, with the one that stands for them first."""
    zones = ("America/Detroit", "America/New_York", "America/Panama", "America/Phoenix")
    now = datetime(2026, 11, 27, tzinfo=UTC)
    assert by_clock(zones, now, {"America/New_York"}) == (
        ("America/New_York", "America/Detroit"),
        ("America/Panama",),
        ("America/Phoenix",),
    )


def test_what_people_leave_out_does_not_matter() -> None:
    """Case, accents and what stands between words."""
    assert plain("  Saint-John's ") == "saint johns"
