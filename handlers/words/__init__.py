"""Every sentence that the service says, one gettext catalogue a language, with dates and numbers by CLDR.

Guards: a sentence or a value that is missing raises, so that nobody is ever sent a key or a hole; what a
person typed is put in as it is and never read as a template; a time is said as weekday, date, local time and
zone, with its distance from now.
"""

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from gettext import c2py
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale
from babel.core import get_global
from babel.dates import format_skeleton, format_time, format_timedelta, get_timezone_location
from babel.lists import format_list
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from babel.units import format_unit

from service.core.cities import plain

_PLACE = Path(__file__).parent


class Catalogue:
    """The sentences of all languages; implements `service.turn.Words`.

    `places` maps a language to its .po file; by default every file beside this one. The header `Language`
    of a file names the CLDR locale that formats its dates and numbers.
    """

    def __init__(self, places: Mapping[str, Path] | None = None) -> None:
        found = places or {file.stem: file for file in sorted(_PLACE.glob("*.po"))}
        self._catalogs: dict[str, Catalog] = {}
        self._versions: dict[str, str] = {}
        for language, file in found.items():
            raw = file.read_bytes()
            self._catalogs[language] = read_po(BytesIO(raw), locale=language, abort_invalid=True)
            self._versions[language] = f"{language}-{hashlib.sha256(raw).hexdigest()[:8]}"
        self._commands = {language: self._read_commands(language) for language in found}
        self._zones: dict[str, Mapping[str, Sequence[str]]] = {}

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages there are, by code."""
        return tuple(self._catalogs)

    def keys(self, language: str) -> frozenset[str]:
        """Every sentence's key in `language`."""
        return frozenset(_key(message.id) for message in self._catalogs[language] if message.id)

    def version(self, language: str) -> str:
        """The language and the first eight digits of its .po file's SHA-256: "en-1f2e3d4c"."""
        return self._versions[language]

    def text(self, language: str, key: str, /, **values: object) -> str:
        """Sentence `key` with `values` put in; where it has plural forms, `n` chooses.

        Raises KeyError for a language, a sentence or a value that is not there.
        """
        catalog = self._catalogs[language]
        message = catalog.get(key)
        if message is None:
            raise KeyError(key)
        template = message.string
        if isinstance(template, tuple | list):
            number = values["n"]
            if not isinstance(number, int):
                raise KeyError("n")
            template = template[c2py(catalog.plural_expr)(number)]
        if not template:
            raise KeyError(key)
        return template.format_map(values)

    def commands(self, language: str) -> Mapping[str, str]:
        """Every word that is a command in `language`, as `normal` leaves it, and its sentence's key."""
        return self._commands[language]

    def _read_commands(self, language: str) -> Mapping[str, str]:
        keys = [key for key in self.keys(language) if key.startswith("command.")]
        return {normal(word): key for key in keys for word in split(self.text(language, key))}

    def when(self, instant: datetime, zone: str, now: datetime, language: str) -> str:
        """Say `instant` (aware) as it is in IANA `zone`: "Friday 27 November, 17:00 Berlin (in 3 hours)"."""
        locale = self._locale(language)
        local = instant.astimezone(ZoneInfo(zone))
        day = format_skeleton("MMMMEEEEd", local, locale=locale)
        hour = format_time(local, "short", locale=locale)
        return self.text(
            language,
            "time.when",
            day=day,
            hour=hour,
            place=_place(zone, locale),
            distance=_distance(instant - now, locale),
        )

    def duration(self, length: timedelta, language: str) -> str:
        """Say a length of time in days, hours and minutes, or in seconds where it is under a minute."""
        locale = self._locale(language)
        seconds = max(0, round(length.total_seconds()))
        days, rest = divmod(seconds, 86400)
        hours, rest = divmod(rest, 3600)
        minutes, rest = divmod(rest, 60)
        parts = [
            format_unit(amount, f"duration-{unit}", "long", locale=locale)
            for amount, unit in ((days, "day"), (hours, "hour"), (minutes, "minute"))
            if amount
        ]
        if not parts or (seconds < 300 and rest):
            parts.append(format_unit(rest, "duration-second", "long", locale=locale))
        return format_list(parts, locale=locale)

    def listing(self, items: Sequence[str], language: str) -> str:
        """Join `items` as a sentence of the language does."""
        return format_list(list(items), locale=self._locale(language)) if items else ""

    def either(self, items: Sequence[str], language: str) -> str:
        """Join `items` of which one is meant: "English or Spanish"."""
        return format_list(list(items), "or", self._locale(language)) if items else ""

    def tongue(self, code: str, language: str) -> str:
        """Name the language of `code` in `language`, which may be any that CLDR knows."""
        locale = self._locale(language) if language in self._catalogs else Locale.parse(language)
        return locale.languages.get(code) or Locale.parse(code).get_display_name(locale) or code

    def weekday(self, day: int, language: str) -> str:
        """Name a day of the week, of which Monday is 0."""
        name: str = self._locale(language).days["format"]["wide"][day]
        return name

    def weekdays(self, language: str) -> Mapping[str, int]:
        """Every name of a weekday, long or short, as `normal` leaves it."""
        names = self._locale(language).days["format"]
        return {
            normal(name): day
            for width in ("short", "abbreviated", "wide")
            for day, name in names[width].items()
        }

    def clock(self, minute: int, language: str) -> str:
        """Say an hour of the day, given in minutes since midnight: "18:30"."""
        return format_time(time(minute // 60 % 24, minute % 60), "short", locale=self._locale(language))

    def city(self, zone: str, language: str, *, country: bool = False) -> str:
        """What people call an IANA zone: its city, with the `country` too where that is asked for."""
        locale = self._locale(language)
        name = _place(zone, locale)
        land = locale.territories.get(get_global("zone_territories").get(zone, ""), "")
        return f"{name} ({land})" if country and land and land != name else name

    def zones(self, language: str) -> Mapping[str, Sequence[str]]:
        """The plain names of every IANA zone that is a place: city, older names, country, in their order."""
        if language not in self._zones:
            self._zones[language] = _zones(self._locale(language))
        return self._zones[language]

    def _locale(self, language: str) -> Locale:
        locale = self._catalogs[language].locale
        return locale if locale is not None else Locale.parse(language)


def split(text: str) -> list[str]:
    """A catalogue's sentence and the words after it that mean the same, cut at ` | `."""
    return [part.strip() for part in text.split("|")]


def normal(text: str) -> str:
    """What was typed, less what does not matter: case, width, spaces, quotes, and punctuation around it."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = " ".join(plain.replace("’", "'").split())
    return plain.strip(" .,;:!?()[]{}\"'“”‘’«»*_`…")


def _key(id: str | Sequence[str]) -> str:
    return id if isinstance(id, str) else id[0]


def _place(zone: str, locale: Locale) -> str:
    """What people call a zone: its city, or its own name where it has none (UTC)."""
    city = get_timezone_location(zone, locale=locale, return_city=True) if "/" in zone else zone
    # CLDR knows some under an older name alone, and then gives the newer one back as it is written.
    return city.rpartition("/")[2]


def _zones(locale: Locale) -> Mapping[str, Sequence[str]]:
    aliases, lands = get_global("zone_aliases"), get_global("zone_territories")
    names: dict[str, set[str]] = {}
    known = available_timezones()
    for name in sorted(known):
        zone = aliases.get(name, name)
        if zone not in known:
            # CLDR is ahead of this machine: a zone that cannot be loaded must not be kept.
            zone = name
        land = lands.get(zone, "")
        # What is no place ("Etc/GMT+5", "US/Pacific", "PRC") has no city to be known by.
        if "/" not in zone or len(land) != 2 or land == "ZZ" or land == "001":
            continue
        found = names.setdefault(zone, {plain(_place(zone, locale)), plain(locale.territories.get(land, ""))})
        if name.partition("/")[0] not in _NO_CITIES:
            found.add(plain(name.rpartition("/")[2]))
    return {zone: tuple(sorted(found - {""})) for zone, found in sorted(names.items())}


_NO_CITIES = frozenset({"US", "Canada", "Brazil", "Mexico", "Chile", "Etc", "SystemV"})
"""Areas of older names that are no cities' ("Canada/Pacific")."""


def _distance(length: timedelta, locale: Locale) -> str:
    """The distance in one unit: 89 minutes, then 2 hours, 35 hours, then 2 days; exact hours as hours."""
    seconds = length.total_seconds()
    if abs(seconds) >= 90:
        seconds = round(seconds / 60) * 60
    exact = seconds % 3600 == 0 or abs(seconds) < 3600
    return format_timedelta(
        timedelta(seconds=seconds), threshold=1 if exact else 1.5, add_direction=True, locale=locale
    )
