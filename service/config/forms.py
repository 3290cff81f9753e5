"""The forms that a value can have: each checked, and where it is wrong, said in words that do not repeat it.

Guards: a secret appears in no error, no repr and no copy.
"""

import base64
import binascii
import ipaddress
import re
import zoneinfo
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from babel import Locale, UnknownLocaleError
from pydantic import AfterValidator

from schema.records import Window
from service.core.availability import Spelling, read_windows
from service.core.sizes import weight

if TYPE_CHECKING:
    from service.config.sections import PlaceTable, ReaderTable, TopicTable

KEY_LENGTH = 32
LARGEST_PLACES = 9_000
"""Bytes; the rest of a message is for the sentences around them."""
PLACE_WORDS = 250
"""Bytes that the sentences of one place take beside its own words, in any language."""
SQLITE, _POSTGRESQL = "sqlite+aiosqlite", "postgresql+asyncpg"

Toml = str | int | bool | list[str] | list[dict[str, str]] | list[dict[str, str | bool]]


class Secret:
    """A value that is never shown: only `reveal` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself."""
        return self._value

    def __repr__(self) -> str:
        return "REDACTED"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple[type["Secret"], tuple[str]]:
        # A copy made for another process or a file would carry the value with it.
        raise TypeError("a secret is not copied")


class Wrong(ValueError):
    """What is wrong with a value, in words that do not repeat it."""


def line(text: str) -> str:
    """A text on one line, without the space around it."""
    if not text.strip() or not text.isprintable():
        raise Wrong("is empty, or has line breaks or control characters")
    return text.strip()


def paragraphs(text: str) -> str:
    """A text that may have line breaks, without the space around it."""
    if not text.strip() or not all(character.isprintable() or character == "\n" for character in text):
        raise Wrong("is empty, or has control characters")
    return text.strip()


def at_most(length: int) -> AfterValidator:
    """The check that a text, where one is given, has at most `length` characters."""

    def check(text: str | None) -> str | None:
        if text is not None and len(text) > length:
            raise Wrong(f"is longer than {length} characters")
        return text

    return AfterValidator(check)


def homeserver_url(text: str) -> str:
    """A homeserver's base URL: scheme, host and port alone."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise Wrong("is not the address of a homeserver") from None
    written = text.isprintable() and " " not in text
    if not host or port == 0 or parts.scheme not in ("http", "https") or not written:
        raise Wrong("is not the address of a homeserver")
    if parts.username is not None or parts.password is not None:
        raise Wrong("holds a user or a password")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise Wrong("has something after the host and the port")
    return text.rstrip("/")


SERVER_NAME = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


def server_name(text: str) -> str:
    """A server name (Matrix specification, "Server Name")."""
    if not SERVER_NAME.fullmatch(text) or len(text) > 230:
        raise Wrong("is not a server name")
    return text


def matrix_id(text: str) -> str:
    """A whole Matrix ID of at most 255 bytes."""
    # The historical grammar too: an old account may have capitals (spec v1.18, "User Identifiers").
    if not re.fullmatch(r"@[!-9;-~]+:[^\s]+", text) or len(text.encode()) > 255:
        raise Wrong("is not a whole Matrix ID")
    return text


def room_id(text: str) -> str:
    """A room's internal id: "!", then up to version 11 with a colon and a domain (spec, "Room IDs")."""
    if not re.fullmatch(r"![!-~]+", text) or len(text) > 255:
        raise Wrong("is not an internal room id, which begins with !")
    return text


def device_id(text: str) -> str:
    """A device id: printable ASCII."""
    if not re.fullmatch(r"[!-~]{1,255}", text):
        raise Wrong("is not a device id")
    return text


def zone(text: str) -> str:
    """An IANA time zone that this machine has."""
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise Wrong("is not a time zone that this machine knows") from None
    return text


_UNITS = {"second": 1, "s": 1, "minute": 60, "min": 60, "hour": 3600, "h": 3600, "day": 86400, "d": 86400}


def length_of_time(value: object) -> timedelta:
    """A length of time: a number with its unit, "90 seconds" or "1 day", of a year at most."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        found = re.fullmatch(r"\s*([0-9]{1,8}(?:\.[0-9]{1,3})?)\s*([a-z]+?)s?\s*", value)
        unit = _UNITS.get(found[2]) if found is not None else None
        if found is not None and unit is not None and (seconds := float(found[1]) * unit) <= 366 * 86400:
            return timedelta(seconds=seconds)
    raise Wrong("is not a length of time with its unit")


def say_length(length: timedelta) -> str:
    """Return `length` as the configuration writes it: "90 seconds", "1 day"."""
    seconds = length.total_seconds()
    for name in ("day", "hour", "minute"):
        if seconds and seconds % _UNITS[name] == 0:
            count = int(seconds // _UNITS[name])
            return f"{count} {name}" if count == 1 else f"{count} {name}s"
    return f"{seconds:.12g} seconds" if seconds != 1 else "1 second"


def not_zero(length: timedelta) -> timedelta:
    """A length of time that is longer than none."""
    if not length:
        raise Wrong("is no time at all")
    return length


def two_weeks(length: timedelta) -> timedelta:
    """A length of time of at most 14 days, which is what members are promised."""
    if length > timedelta(days=14):
        raise Wrong("is longer than the 14 days that members are promised")
    return length


def day(value: object) -> object:
    """What TOML reads as a date, as the text that was written; anything else as it is."""
    # TOML has dates of its own, and a community may well write one without quotes.
    return value.isoformat() if isinstance(value, date) else value


def host(text: str) -> str:
    """An IP address, or localhost."""
    if text != "localhost":
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise Wrong("is not an address to listen on") from None
    return text


def port(number: int) -> int:
    """A port; 0 is any free one."""
    if not 0 <= number <= 65535:
        raise Wrong("is not a port")
    return number


def few(number: int) -> int:
    """A number from 1 to 50."""
    if not 1 <= number <= 50:
        raise Wrong("is not between 1 and 50")
    return number


def years(number: int) -> int:
    """An age from 12 to 30."""
    if not 12 <= number <= 30:
        raise Wrong("is not between 12 and 30")
    return number


def patience(number: int) -> int:
    """A number of messages that a person may well write: 20 to 100,000."""
    if not 20 <= number <= 100_000:
        raise Wrong("is not between 20 and 100000")
    return number


def threshold(number: int) -> int:
    """A number of people that shows none of them: 3 to 50."""
    if not 3 <= number <= 50:
        raise Wrong("is not between 3 and 50")
    return number


_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HOURS = Spelling(
    days={
        **{form: (number,) for number, name in enumerate(_DAYS) for form in (name, name[:3])},
        "weekdays": (0, 1, 2, 3, 4),
        "weekend": (5, 6),
        "daily": tuple(range(7)),
    },
    joins=frozenset(("and", "from")),
    spans=frozenset(("to", "until")),
)
"""The configuration is written in English, whatever its community speaks."""


def weekly(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Weekly hours, one or several in a text."""
    windows(texts)
    return texts


def windows(texts: tuple[str, ...]) -> tuple[Window, ...]:
    """The weekly hours that the texts write, such as "mon-fri 18:00-22:00"."""
    found: list[Window] = []
    for text in texts:
        read = read_windows(text, _HOURS)
        if read is None:
            raise Wrong("has hours that cannot be read")
        found += read
    return tuple(found)


def language(code: str) -> str:
    """The code of a language that has a name in CLDR: "en", "pt_BR"."""
    try:
        found = Locale.parse(code)
    except (ValueError, UnknownLocaleError):
        raise Wrong("is not the code of a language") from None
    if str(found) != code or code not in _ENGLISH.languages:
        raise Wrong("is not the code of a language")
    return code


def tongues(codes: tuple[str, ...]) -> tuple[str, ...]:
    """At most 12 languages, none twice."""
    if len(codes) > 12 or len(set(codes)) != len(codes):
        raise Wrong("has more than 12 entries, or one twice")
    return codes


_ENGLISH = Locale("en")


def different(items: tuple["TopicTable", ...]) -> tuple["TopicTable", ...]:
    """At most 12 topics, none twice in any language, whatever their case."""
    if len(items) > 12:
        raise Wrong("has more than 12 entries")
    for language in {"", *(language for item in items for language in item.names)}:
        if len({item.names.get(language, item.name).casefold() for item in items}) != len(items):
            raise Wrong(f"has one twice{' in language ' + language if language else ''}")
    return items


def different_readers(items: tuple["ReaderTable", ...]) -> tuple["ReaderTable", ...]:
    """At most 8 readers, none twice, whatever the case of their names and addresses."""
    users = {item.user.lower() for item in items}
    names = {item.name.casefold() for item in items}
    if len(items) > 8 or len(users) != len(items) or len(names) != len(items):
        raise Wrong("has more than 8 entries, or somebody twice")
    return items


def no_bar(text: str) -> str:
    """A text without "|", at which the sentence of a choice is cut."""
    if "|" in text:
        raise Wrong('has a "|" in it')
    return text


def fits(places: tuple["PlaceTable", ...]) -> tuple["PlaceTable", ...]:
    """Places that one message holds together."""
    for language in {"", *(language for place in places for language in place.words)}:
        size = len(places) * PLACE_WORDS + sum(_weight_of(place, language) for place in places)
        if size > LARGEST_PLACES:
            told = f" in language {language}" if language else ""
            raise Wrong(f"take {size} bytes of a message together{told}, and {LARGEST_PLACES} fit")
    return places


def _weight_of(place: "PlaceTable", language: str) -> int:
    """Bytes of what is read of a place in `language`; empty for the community's first."""
    texts = place.model_dump(exclude={"words"})
    if language in place.words:
        texts |= {name: text for name, text in place.words[language].model_dump().items() if text}
    return sum(map(weight, texts.values()))


def catalogues(codes: tuple[str, ...]) -> tuple[str, ...]:
    """Codes of languages, as their catalogues are named, none twice."""
    if len(set(codes)) != len(codes) or not all(
        re.fullmatch(r"[a-z]{2,3}(_[A-Za-z]{2,4})?", one) for one in codes
    ):
        raise Wrong("has something else in it than codes of languages, or one twice")
    return codes


T = TypeVar("T")


def by_language(texts: dict[str, T]) -> dict[str, T]:
    """What stands under codes of languages."""
    for code in texts:
        language(code)
    return texts


def as_tuple(value: object) -> object:
    """What TOML reads as a list, so that nothing changes it later."""
    return tuple(value) if isinstance(value, list) else value


def questions(found: tuple[str, ...]) -> tuple[str, ...]:
    """What a check-in can ask: at most four, each of at most 200 characters."""
    if len(found) > 4 or any(len(one) > 200 for one in found):
        raise Wrong("has more than 4 questions, or one of more than 200 characters")
    return found


def stewards(found: tuple[str, ...]) -> tuple[str, ...]:
    """At most 12 whole Matrix IDs, none twice."""
    if len(found) > 12 or len(set(found)) != len(found):
        raise Wrong("has more than 12 entries, or one twice")
    return tuple(map(matrix_id, found))


def as_topics(value: object) -> object:
    """What TOML reads as a list of names or of tables, as tables."""
    found = as_tuple(value)
    if not isinstance(found, tuple):
        return value
    return tuple({"name": one} if isinstance(one, str) else one for one in found)


def read_key(text: str) -> bytes:
    """Return the key that `text` writes as base64 or hexadecimal.

    Raises ValueError, in words without the text, when it is not 32 bytes or not random.
    """
    text = text.strip()
    try:
        if re.fullmatch(r"[0-9A-Fa-f]+", text) and len(text) % 2 == 0 and len(text) != 44:
            key = bytes.fromhex(text)
        else:
            padded = text.rstrip("=").replace("-", "+").replace("_", "/")
            key = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise Wrong("is neither base64 nor hexadecimal") from None
    if len(key) != KEY_LENGTH:
        raise Wrong(f"is {len(key)} bytes long instead of {KEY_LENGTH}")
    if len(set(key)) < 12:
        raise Wrong("is not random")
    return key


def sqlite_url(path: Path) -> str:
    """Return SQLAlchemy's URL of the SQLite file at `path`."""
    return f"{SQLITE}:///{path.absolute()}"


def database_url_of(text: str, folder: Path) -> str:
    """SQLAlchemy's URL for the database's address as it is written; a relative path starts at `folder`."""
    scheme, separator, rest = text.partition("://")
    if separator and scheme in ("sqlite", SQLITE):
        path = rest.removeprefix("/")
        if not path or path.startswith(":") or "?" in path:
            raise Wrong("names no file")
        return sqlite_url(folder / path)
    if separator and scheme in ("postgresql", "postgres", _POSTGRESQL):
        try:
            parts = urlsplit(f"postgresql://{rest}")
            _ = parts.port
        except ValueError:
            raise Wrong("is not a database's address") from None
        if not parts.path.strip("/"):
            raise Wrong("names no database")
        return f"{_POSTGRESQL}://{rest}"
    raise Wrong("is neither SQLite nor PostgreSQL")


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine itself; a name other than localhost is not known to be."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
