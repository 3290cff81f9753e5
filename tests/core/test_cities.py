"""Zones by the names of cities."""

import pytest

from service.core.cities import find, plain

ZONES = {
    "Africa/Abidjan": ("abidjan", "cote divoire"),
    "America/New_York": ("new york", "united states"),
    "America/Sao_Paulo": ("brazil", "sao paulo"),
    "Europe/Berlin": ("berlin", "germany"),
    "Europe/Busingen": ("busingen", "germany"),
    "Pacific/Noumea": ("new caledonia", "noumea"),
}


@pytest.mark.parametrize(
    ("text", "zones"),
    [
        ("sao paulo", ("America/Sao_Paulo",)),
        ("São  Paulo!", ("America/Sao_Paulo",)),
        ("SAO_PAULO", ("America/Sao_Paulo",)),
        ("Côte d’Ivoire", ("Africa/Abidjan",)),
        ("Germany", ("Europe/Berlin", "Europe/Busingen")),
        ("york", ("America/New_York",)),
        ("ork", ()),
        ("new", ("America/New_York", "Pacific/Noumea")),
        ("ne", ()),
        ("", ()),
        ("?", ()),
        ("Atlantis", ()),
    ],
)
def test_a_city_is_found_by_its_name(text: str, zones: tuple[str, ...]) -> None:
    """By the whole name first, then by its beginning, then by a word in it; never by less."""
    assert find(text, ZONES) == zones


def test_what_people_leave_out_does_not_matter() -> None:
    """Case, accents and what stands between words."""
    assert plain("  Saint-John's ") == "saint johns"
