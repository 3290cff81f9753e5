"""Every sentence that the service says, one gettext catalogue a language, with dates and numbers by CLDR.

Guards: a language is a file here, and no line of code names one but English, whose words are understood in
every language; a sentence or a value that is missing raises, so that nobody is ever sent a key or a hole;
what a person typed is put in as it is and never read as a template; a time is said as weekday, date, local
time and zone, with its distance from now.
"""

import hashlib
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from gettext import c2py
from io import BytesIO
from pathlib import Path
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale
from babel.core import UnknownLocaleError, get_global
from babel.dates import (
    format_date,
    format_datetime,
    format_time,
    format_timedelta,
    get_timezone_location,
    match_skeleton,
)
from babel.lists import format_list
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.units import format_unit

from service.core.cities import Place, plain
from service.core.towns import TOWNS

PLACE = Path(__file__).parent
"""Where the catalogues lie."""

_Style: TypeAlias = Literal["standard", "or"]

ALWAYS = "en"
"""What people type is understood in this language too, whichever one is theirs."""


class Catalogue:
    """The sentences of all languages; implements `service.turn.Words`.

    `places` maps a language to its .po file; by default every file beside this one. The header `Language`
    of a file names the CLDR locale that formats its dates and numbers.
    """

    def __init__(self, places: Mapping[str, Path] | None = None) -> None:
        found = places or {file.stem: file for file in sorted(PLACE.glob("*.po"))}
        self._catalogs: dict[str, Catalog] = {}
        self._versions: dict[str, str] = {}
        for language, file in found.items():
            raw = file.read_bytes()
            self._catalogs[language] = read_po(BytesIO(raw), locale=language, abort_invalid=True)
            self._versions[language] = f"{language}-{hashlib.sha256(raw).hexdigest()[:8]}"
        self._spoken: dict[tuple[str, str], tuple[str, ...]] = {}
        self._commands = {language: self._read_commands(language) for language in found}
        self._zones: dict[str, Place] = {}

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages there are, by code, English first."""
        return tuple(sorted(self._catalogs, key=lambda language: (language != ALWAYS, language)))

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
            template = template[_plural(catalog.plural_expr)(number)]
        if not template:
            raise KeyError(key)
        return template.format_map({name: self._number(language, value) for name, value in values.items()})

    def _number(self, language: str, value: object) -> object:
        if not isinstance(value, int) or isinstance(value, bool):
            return value
        return format_decimal(value, locale=self._locale(language))

    def spoken(self, language: str, key: str) -> Sequence[str]:
        """Every word that means sentence `key`, in `language` and then in English, as `normal` leaves it."""
        if (language, key) not in self._spoken:
            texts = [self._template(one, key) for one in dict.fromkeys((language, *self._always()))]
            words = (normal(word) for text in texts for word in split(text))
            self._spoken[language, key] = tuple(dict.fromkeys(word for word in words if word))
        return self._spoken[language, key]

    def _template(self, language: str, key: str) -> str:
        message = self._catalogs[language].get(key)
        if message is None or not isinstance(message.string, str):
            raise KeyError(key)
        return message.string

    def _always(self) -> Sequence[str]:
        return (ALWAYS,) if ALWAYS in self._catalogs else ()

    def commands(self, language: str) -> Mapping[str, str]:
        """Every word that is a command, as `normal` leaves it, and its sentence's key.

        It is one in `language`, else in English; the word for choosing a language is one in all of them.
        """
        return self._commands[language]

    def _read_commands(self, language: str) -> Mapping[str, str]:
        keys = sorted(key for key in self.keys(language) if key.startswith("command."))
        found: dict[str, str] = {}
        for one in dict.fromkeys((language, *self._always())):
            for key in keys:
                for word in split(self._template(one, key)):
                    found.setdefault(normal(word), key)
        for one in self._catalogs:
            for word in split(self._template(one, _CHOOSING)):
                found.setdefault(normal(word), _CHOOSING)
        return found

    def when(self, instant: datetime, zone: str, now: datetime, language: str) -> str:
        """Say `instant` (aware) as it is in IANA `zone`: "Friday 27 November, 17:00 Berlin (in 3 hours)".

        About a year off it has its year, since the same day comes each year.
        """
        locale = self._locale(language)
        local = instant.astimezone(ZoneInfo(zone))
        pattern = _day_pattern(locale, "y" if abs(instant - now) > _SAME_YEAR else "")
        day = format_datetime(local, pattern, locale=locale)
        hour = format_time(local, "short", locale=locale)
        return self.text(
            language,
            "time.when",
            day=day,
            hour=hour,
            place=_place(zone, locale),
            distance=self.text(language, "time.now")
            if abs(instant - now) < _NOW
            else _distance(instant - now, locale),
        )

    def day(self, day: date, language: str) -> str:
        """Say a date with its year: "1 November 2026"."""
        return format_date(day, "long", locale=self._locale(language))

    def duration(self, length: timedelta, language: str) -> str:
        """Say a length of time in days, hours and minutes, or in seconds where it is under a minute.

        Whole weeks and months are said as such where that many days are more than a person counts.
        """
        return _duration(max(0, round(length.total_seconds())), self._locale(language))

    def listing(self, items: Sequence[str], language: str) -> str:
        """Join `items` as a sentence of the language does."""
        return self._joined(items, "standard", "list.and", language)

    def either(self, items: Sequence[str], language: str) -> str:
        """Join `items` of which one is meant: "English or Spanish"."""
        return self._joined(items, "or", "list.or", language)

    def _joined(self, items: Sequence[str], style: _Style, key: str, language: str) -> str:
        """Join `items`; before its own sound the last conjunction gives way, which Babel leaves to us."""
        if not items:
            return ""
        said = format_list(list(items), style, self._locale(language))
        word, other, sound = split(self._template(language, key))
        last = items[-1]
        if said.endswith(f" {word} {last}") and re.match(sound, last, re.IGNORECASE):
            return f"{said.removesuffix(f'{word} {last}')}{other} {last}"
        return said

    def tongue(self, code: str, language: str) -> str:
        """Name the language of `code`, in any `language` that CLDR knows; an unknown one is its code."""
        locale = self._locale(language) if language in self._catalogs else Locale.parse(language)
        try:
            return locale.languages.get(code) or Locale.parse(code).get_display_name(locale) or code
        except (UnknownLocaleError, ValueError):
            return code

    def weekday(self, day: int, language: str) -> str:
        """Name a day of the week, of which Monday is 0."""
        name: str = self._locale(language).days["format"]["wide"][day]
        return name

    def weekdays(self, language: str) -> Mapping[str, int]:
        """Every name of a weekday, long or short, in `language` and in English, as `normal` leaves it."""
        found: dict[str, int] = {}
        for one in dict.fromkeys((language, *self._always())):
            names = self._locale(one).days["format"]
            for width in ("short", "abbreviated", "wide"):
                for day, name in names[width].items():
                    found.setdefault(normal(name), day)
        return found

    def months(self, language: str) -> Mapping[str, int]:
        """Every name of a month, long or short, in `language`, as `normal` leaves it; January is 1."""
        kinds = self._locale(language).months
        return {
            normal(name): month
            for kind in ("format", "stand-alone")
            for width in ("abbreviated", "wide")
            for month, name in kinds[kind][width].items()
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

    def zones(self) -> Mapping[str, Place]:
        """The plain names of every IANA zone that is a place: cities, older names, land, in their order.

        They are those of all languages: whoever speaks two may write a name in either.
        """
        if not self._zones:
            every = [_zones(self._locale(language)) for language in self.languages]
            self._zones = {
                zone: Place(
                    tuple(sorted({name for places in every for name in places[zone].cities})),
                    tuple(sorted({name for places in every for name in places[zone].lands})),
                )
                for zone in every[0]
            }
            # An old name can be that of another land: what was "Pacific/Samoa" is not where Samoa is.
            lands = {name for place in self._zones.values() for name in place.lands}
            self._zones = {
                zone: Place(
                    tuple(one for one in place.cities if one in place.lands or one not in lands), place.lands
                )
                for zone, place in self._zones.items()
            }
            for zone, names in TOWNS.items():
                if zone in self._zones:
                    place = self._zones[zone]
                    self._zones[zone] = Place(tuple(dict.fromkeys((*place.cities, *names))), place.lands)
        return self._zones

    def usual_zones(self) -> Collection[str]:
        """The zones by which CLDR calls a clock that several have: New York for the east of the country."""
        return frozenset(get_global("windows_zone_mapping").values())

    def zone_here(self, zone: str) -> str:
        """The name under which this machine's tz database has `zone`: its own, an older or a newer one.

        The empty string where it has it under none.
        """
        return _here(zone)

    def _locale(self, language: str) -> Locale:
        locale = self._catalogs[language].locale
        return locale if locale is not None else Locale.parse(language)


def split(text: str) -> list[str]:
    """A catalogue's sentence and the words after it that mean the same, cut at ` | `."""
    return [part.strip() for part in text.split("|")]


def normal(text: str) -> str:
    """What was typed, less what does not matter: case, width, spaces, accents, and punctuation around it."""
    if text.isascii():
        # Nothing in it has another form or an accent, and most of what is typed is such.
        plain = text.casefold()
    else:
        parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
        # Of what combines only the accents of our own kind of letters go: other scripts spell with such ones.
        letters = "".join(char for char in parts if not "\u0300" <= char <= "\u036f")
        plain = unicodedata.normalize("NFKC", letters)
    plain = " ".join(plain.replace("’", "'").split())
    return plain.strip(" .,;:!?¡¿()[]{}\"'“”‘’«»*_`…")


_CHOOSING = "command.language"

_plural = lru_cache(maxsize=64)(c2py)
"""Which plural form a number takes, by the catalogue's rule: a rule is compiled once."""


def _key(id: str | Sequence[str]) -> str:
    return id if isinstance(id, str) else id[0]


@lru_cache(maxsize=64)
def _day_pattern(locale: Locale, year: str) -> str:
    """The language's pattern for a weekday with its date, and its `year` ("y", or nothing), in whole names.

    Where CLDR has none of that width, its next one is widened, as its rules say (UTS 35, "Missing Skeleton
    Fields").
    """
    known = locale.datetime_skeletons
    found = match_skeleton(f"{year}MMMMEEEEd", known, allow_different_fields=True) or f"{year}MMMMEd"
    # What stands in quotes is a word of the language and no field.
    parts = str(known[found].pattern).split("'")
    wide = (re.sub("M{3,}", "MMMM", re.sub("E+|c+", "EEEE", part)) for part in parts[::2])
    parts[::2] = wide
    return "'".join(parts)


_SAME_YEAR = timedelta(days=335)
"""What is farther off than this is said with its year."""

_NOW = timedelta(seconds=10)
"""What is so near is said to be now."""

_MONTH = 30.44
"""Days of a month, as they are on average."""


_NEAR = 1.5
"""Days by which some months may be missed where they are said."""


def _long(days: int) -> tuple[int, str]:
    """So many days in the unit in which a person says them."""
    months = round(days / _MONTH)
    if months >= 2 and abs(days - months * _MONTH) <= _NEAR:
        return (months // 12, "year") if months % 12 == 0 else (months, "month")
    return (days // 7, "week") if days >= 21 and days % 7 == 0 else (days, "day")


@lru_cache(maxsize=1024)
def _duration(seconds: int, locale: Locale) -> str:
    days, rest = divmod(seconds, 86400)
    if days and not rest:
        amount, unit = _long(days)
        return format_unit(amount, f"duration-{unit}", "long", locale=locale)
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


@lru_cache(maxsize=1024)
def _place(zone: str, locale: Locale) -> str:
    """What people call a zone: its city, or its own name where it has none (UTC)."""
    city = get_timezone_location(zone, locale=locale, return_city=True) if "/" in zone else zone
    # CLDR knows some under an older name alone, and then gives the newer one back as it is written.
    return city.rpartition("/")[2]


@lru_cache(maxsize=1024)
def _here(zone: str) -> str:
    aliases = get_global("zone_aliases")
    newest = aliases.get(zone, zone)
    names = (zone, newest, *sorted(name for name, of in aliases.items() if of == newest))
    known = available_timezones()
    return next((name for name in names if name in known), "")


def _zones(locale: Locale) -> Mapping[str, Place]:
    """Every zone that is a place, by the newest name that this machine knows, with its names there."""
    aliases, lands = get_global("zone_aliases"), get_global("zone_territories")
    known = available_timezones()
    names: dict[str, set[str]] = {}
    for name in sorted(known):
        zone = aliases.get(name, name)
        if zone not in known:
            # CLDR is ahead of this machine: a zone that cannot be loaded must not be kept.
            zone = name
        # What is no place ("Etc/GMT+5") has no city to be known by; "EST" and "PRC" say which one is meant to
        # too few.
        if zone.partition("/")[0] not in _WITH_CITIES or "/" not in name:
            continue
        found = names.setdefault(zone, {plain(_place(zone, locale)), plain(zone)})
        found.add(plain(name))
        if name.partition("/")[0] in _WITH_CITIES:
            found.add(plain(name.rpartition("/")[2]))
    return {
        zone: Place(
            tuple(sorted(found - {""})),
            tuple(name for name in (plain(locale.territories.get(lands.get(zone, "ZZ"), "")),) if name),
        )
        for zone, found in sorted(names.items())
    }


_WITH_CITIES = frozenset(
    {
        *("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic"),
        *("Australia", "Europe", "Indian", "Pacific"),
    }
)
"""Areas of the tz database that name zones by cities and islands ("theory.html", there)."""


def _distance(length: timedelta, locale: Locale) -> str:
    """The distance in one unit: 89 minutes, then 2 hours, 35 hours, then 2 days; exact hours as hours."""
    seconds = length.total_seconds()
    if abs(seconds) >= 90:
        seconds = round(seconds / 60) * 60
    exact = seconds % 3600 == 0 or abs(seconds) < 3600
    return format_timedelta(
        timedelta(seconds=seconds), threshold=1 if exact else 1.5, add_direction=True, locale=locale
    )
