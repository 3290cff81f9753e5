"""The configuration: one definition of every key, read from file, variables and credentials, checked offline.

Guards: what is unknown, missing, of the wrong form or said twice is refused at the start, everything at once,
each with the key, the environment variable and the fix; secrets appear in no error, no repr and no listing.
The annotated example is made from the same definitions, so that it cannot lag behind.

A key `desk.user` is also the variable ALONGSIDE_DESK__USER. A secret `desk.token` may instead lie in a file
(`desk.token_file`, ALONGSIDE_DESK__TOKEN_FILE) or be a systemd credential named `desk.token`. Variables go
before credentials, credentials before the file; a relative path starts at the configuration file's folder.
"""

import base64
import binascii
import difflib
import ipaddress
import json
import os
import re
import secrets
import ssl
import stat
import textwrap
import tomllib
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PrivateAttr,
    Strict,
    ValidationError,
)
from pydantic.fields import FieldInfo

from schema.community import Community, Place, Timings
from schema.errors import ConfigurationError, ConfigurationErrors
from schema.ids import DeviceId, MatrixId

PREFIX = "ALONGSIDE_"
DEFAULT_FILE = "alongside.toml"

OTHER_VARIABLES = frozenset(
    {
        "ALONGSIDE_CONFIG",  # The configuration file's place.
        "ALONGSIDE_REGISTRATION_SECRET_FILE",  # For `init` alone; nothing of it is kept.
        "ALONGSIDE_FAIL_AT",  # The fail points, for tests (service.failpoint).
        "ALONGSIDE_FAIL_LOG",
        "ALONGSIDE_CRASH",  # What the tests of this project run against.
        "ALONGSIDE_WRITE_TRANSCRIPTS",
        "ALONGSIDE_NODE",
        "ALONGSIDE_SYNAPSE_PYTHON",
    }
)
"""Variables with our prefix that are no key; every other one is taken for a misspelt key and refused."""

_LARGEST_FILE = 1 << 20
_KEY_LENGTH = 32
_SQLITE, _POSTGRESQL = "sqlite+aiosqlite", "postgresql+asyncpg"

Toml = str | int | bool | list[str] | list[dict[str, str]]


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


@dataclass(frozen=True)
class Says:
    """What a key is for, the form it must have (it ends "Write …"), an example where there is no default."""

    what: str
    form: str
    example: Toml | None = None


class _Wrong(ValueError):
    """What is wrong with a value, in words that do not repeat it."""


# ---- forms ------------------------------------------------------------------------------------------------


def _line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise _Wrong("is empty, or has line breaks or control characters")
    return text.strip()


def _paragraphs(text: str) -> str:
    if not text.strip() or not all(character.isprintable() or character == "\n" for character in text):
        raise _Wrong("is empty, or has control characters")
    return text.strip()


def _at_most(length: int) -> AfterValidator:
    def check(text: str) -> str:
        if len(text) > length:
            raise _Wrong(f"is longer than {length} characters")
        return text

    return AfterValidator(check)


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _Wrong("is not the address of a homeserver") from None
    if not host or port == 0 or parts.scheme not in ("http", "https") or not text.isprintable():
        raise _Wrong("is not the address of a homeserver")
    if parts.username is not None or parts.password is not None:
        raise _Wrong("holds a user or a password")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise _Wrong("has something after the host and the port")
    return text.rstrip("/")


_SERVER_NAME = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


def _server_name(text: str) -> str:
    if not _SERVER_NAME.fullmatch(text) or len(text) > 230:
        raise _Wrong("is not a server name")
    return text


def _matrix_id(text: str) -> str:
    # The historical grammar too: an old account may have capitals (spec v1.18, "User Identifiers").
    if not re.fullmatch(r"@[!-9;-~]+:[^\s]+", text) or len(text.encode()) > 255:
        raise _Wrong("is not a whole Matrix ID")
    return text


def _device_id(text: str) -> str:
    if not re.fullmatch(r"[!-~]{1,255}", text):
        raise _Wrong("is not a device id")
    return text


def _zone(text: str) -> str:
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise _Wrong("is not a time zone that this machine knows") from None
    return text


_UNITS = {"second": 1, "s": 1, "minute": 60, "min": 60, "hour": 3600, "h": 3600, "day": 86400, "d": 86400}


def _length_of_time(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        found = re.fullmatch(r"\s*([0-9]{1,8}(?:\.[0-9]{1,3})?)\s*([a-z]+?)s?\s*", value)
        unit = _UNITS.get(found[2]) if found is not None else None
        if found is not None and unit is not None and (seconds := float(found[1]) * unit) <= 366 * 86400:
            return timedelta(seconds=seconds)
    raise _Wrong("is not a length of time with its unit")


def say_length(length: timedelta) -> str:
    """Return `length` as the configuration writes it: "90 seconds", "1 day"."""
    seconds = length.total_seconds()
    for name in ("day", "hour", "minute"):
        if seconds and seconds % _UNITS[name] == 0:
            count = int(seconds // _UNITS[name])
            return f"{count} {name}" if count == 1 else f"{count} {name}s"
    return f"{seconds:.12g} seconds" if seconds != 1 else "1 second"


def _not_zero(length: timedelta) -> timedelta:
    if not length:
        raise _Wrong("is no time at all")
    return length


def _day(value: object) -> object:
    # TOML has dates of its own, and a community may well write one without quotes.
    return value.isoformat() if isinstance(value, date) else value


def _host(text: str) -> str:
    if text != "localhost":
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise _Wrong("is not an address to listen on") from None
    return text


def _port(number: int) -> int:
    if not 0 <= number <= 65535:
        raise _Wrong("is not a port")
    return number


def _few(number: int) -> int:
    if not 1 <= number <= 50:
        raise _Wrong("is not between 1 and 50")
    return number


def _different(items: tuple[str, ...]) -> tuple[str, ...]:
    if len(items) > 20 or len({item.casefold() for item in items}) != len(items):
        raise _Wrong("has more than 20 entries, or one twice")
    return items


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Line = Annotated[str, AfterValidator(_line)]
Length = Annotated[timedelta, BeforeValidator(_length_of_time), Strict(False)]
_IN_TIME = 'a length of time with its unit in quotes, such as "10 minutes", "2 hours" or "1 day"'


# ---- the keys ---------------------------------------------------------------------------------------------


class Section(BaseModel):
    """One table of the configuration: unknown keys and naive types are refused, nothing changes later."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True, hide_input_in_errors=True
    )


class Homeserver(Section):
    """The community's own Matrix homeserver, as this machine reaches it."""

    url: Annotated[
        str,
        AfterValidator(_url),
        Says(
            "Its address for clients (the base URL of the client-server API).",
            'the address without a path, such as "https://matrix.example.org"',
            "https://matrix.example.org",
        ),
    ]
    server_name: Annotated[
        str,
        AfterValidator(_server_name),
        Says(
            "Its name: what stands after the first colon of the Matrix IDs of its members.",
            'the name alone, such as "example.org"',
            "example.org",
        ),
    ]
    ca_file: Annotated[
        str | None,
        Says(
            "The certificates (PEM) that vouch for its own, if the system's are not enough.",
            "the path of a readable file with certificates in PEM form",
            "homeserver-ca.pem",
        ),
    ] = None
    room_version: Annotated[
        Literal["11", "12"] | None,
        Says("The version of new peer rooms, if not the homeserver's own default.", '"11" or "12"', "12"),
    ] = None


class Desk(Section):
    """The front desk: the account that members write to. Either its token and device, or its password."""

    user: Annotated[
        str,
        AfterValidator(_matrix_id),
        Says(
            "Its Matrix ID.",
            'the whole Matrix ID, such as "@alongside:example.org"',
            "@alongside:example.org",
        ),
    ]
    token: Annotated[
        Secret | None,
        Says(
            "Its access token; never one of an app that a person uses, which has that app's device and keys.",
            "the access token that `alongside init` was given, on one line",
            "secrets/desk.token",
        ),
    ] = None
    device_id: Annotated[
        str | None,
        AfterValidator(lambda value: value if value is None else _device_id(value)),
        Says("The device that the token belongs to.", "the device id in quotes", "ALONGSIDEDESK"),
    ] = None
    password: Annotated[
        Secret | None,
        Says(
            "Its password, instead of a token and a device: each start then logs in anew. A token is better,"
            " and the only way where log-ins are another service's.",
            "the password alone",
            "secrets/desk.password",
        ),
    ] = None


class KeeperSection(Section):
    """The keeper: the account that opens and closes peer rooms. No encryption, and no password here."""

    user: Annotated[
        str,
        AfterValidator(_matrix_id),
        Says("Its Matrix ID.", 'the whole Matrix ID, such as "@keeper:example.org"', "@keeper:example.org"),
    ]
    token: Annotated[
        Secret,
        Says(
            "Its access token. Its password is used once, by `alongside init`, and never kept.",
            "the access token that `alongside init` was given, on one line",
            "secrets/keeper.token",
        ),
    ]
    device_id: Annotated[
        str | None,
        AfterValidator(lambda value: value if value is None else _device_id(value)),
        Says("The device that the token belongs to.", "the device id in quotes", "ALONGSIDEKEEPER"),
    ] = None


class Keys(Section):
    """What opens the sealed database: without it nobody can read anything in it, ever again."""

    sealing_key: Annotated[
        Secret,
        Says(
            "32 random bytes. Keep a copy apart from the database's backups.",
            "32 bytes as base64 or as 64 hexadecimal digits (`alongside init` makes them)",
            "secrets/sealing-key",
        ),
    ]


class Database(Section):
    """Where records are kept, sealed. One process at a time serves a database."""

    url: Annotated[
        Secret | None,
        Says(
            'SQLite, "sqlite:///path", or PostgreSQL, "postgresql://user:password@host/name". Without it: the'
            " SQLite file alongside.db in systemd's state directory, else beside this file.",
            "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME",
            "secrets/database.url",
        ),
    ] = None


class PlaceTable(Section):
    """One entry of the community's own list of help."""

    name: Annotated[Line, _at_most(120), Says("Its name.", "a short text in quotes", "Night line")]
    contact: Annotated[
        Line,
        _at_most(200),
        Says("How it is reached.", "a short text in quotes", "+49 30 000000, chat: night.example"),
    ]
    hours: Annotated[
        Line, _at_most(120), Says("When.", "a short text in quotes", "every day, 20:00 to 02:00")
    ]
    languages: Annotated[
        Line, _at_most(120), Says("In which languages.", "a short text in quotes", "German, English")
    ]
    may_send_police: Annotated[
        Literal["yes", "no", "not known"],
        Says("May it send police to a caller?", '"yes", "no" or "not known"', "not known"),
    ]
    checked_on: Annotated[
        Line,
        BeforeValidator(_day),
        _at_most(40),
        Says("When somebody last made sure of it.", 'a date in quotes, such as "2026-11-01"', "2026-11-01"),
    ]


class CommunitySection(Section):
    """Who this is for, and what it is not. Members read these words."""

    name: Annotated[
        Line,
        _at_most(80),
        Says("The community's name.", "a short text in quotes", "Example Collective"),
    ]
    limits: Annotated[
        str,
        AfterValidator(_paragraphs),
        _at_most(2000),
        Says(
            "Your own statement of what this is not and cannot do; members are told it before anything else.",
            "one or a few plain sentences in quotes",
            "This is people of our community keeping each other company. It is no therapy and no emergency"
            " service, and nobody watches over it.",
        ),
    ]
    who_runs: Annotated[
        Line,
        _at_most(200),
        Says(
            "Who runs the homeserver, and so can see who writes to the service, and who shared a room when.",
            "a short text in quotes",
            "Two people of our collective run the server",
        ),
    ]
    zone: Annotated[
        str,
        AfterValidator(_zone),
        Says(
            "The time zone in which times are told until a member names another.",
            'a name such as "Europe/Berlin"',
        ),
    ] = "UTC"
    topics: Annotated[
        tuple[Annotated[Line, _at_most(40)], ...],
        BeforeValidator(_as_tuple),
        AfterValidator(_different),
        Says(
            "Topics that members can choose from, in this order; they may be none.",
            'short texts, such as ["burnout", "grief"]',
        ),
    ] = ()
    asks_at_once: Annotated[
        int,
        AfterValidator(_few),
        Says("How many members are asked at once for one request.", "a number from 1 to 50"),
    ] = 2
    asks_a_day: Annotated[
        int,
        AfterValidator(_few),
        Says("How often one member is asked in a day, at most.", "a number from 1 to 50"),
    ] = 2
    places: Annotated[
        tuple[PlaceTable, ...],
        BeforeValidator(_as_tuple),
        Says("The community's own list of places to reach, for `help now`.", "[[community.places]] tables"),
    ] = ()


def _timing(what: str) -> Says:
    return Says(what, _IN_TIME)


Longer = Annotated[Length, AfterValidator(_not_zero)]


class TimingsSection(Section):
    """How long things take. The defaults are meant; change them only with a reason."""

    ask_again: Annotated[Longer, _timing("Between two rounds of asking members.")] = Timings.ask_again
    ask_open: Annotated[Longer, _timing("How long one ask stays good.")] = Timings.ask_open
    consent_open: Annotated[Longer, _timing("How long the second consent stays open.")] = Timings.consent_open
    request_open: Annotated[Longer, _timing("When a request that found nobody lapses.")] = (
        Timings.request_open
    )
    longest: Annotated[Longer, _timing("The longest that a peer room may be open.")] = Timings.longest
    reading: Annotated[Longer, _timing("How long a closed room can be read before it is erased.")] = (
        Timings.reading
    )
    settle: Annotated[
        Length, _timing("Between removing people from a room and purging it, for phones that are off.")
    ] = Timings.settle
    prompt_pause: Annotated[
        Length, _timing("A bare number this soon after a question that came by itself is asked again.")
    ] = Timings.prompt_pause
    idle: Annotated[
        Longer, _timing("A member's own question, unanswered this long, lets what came by itself go first.")
    ] = Timings.idle
    join: Annotated[
        Longer,
        _timing("Whoever is not in an opened room by then is invited again; as long again, and it closes."),
    ] = Timings.join


class WebSection(Section):
    """The small web server for /healthz, /readyz and /metrics."""

    host: Annotated[
        str,
        AfterValidator(_host),
        Says(
            "The address to listen on; it has no log-in, so leave it on loopback.",
            'an address such as "127.0.0.1"',
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int, AfterValidator(_port), Says("Its port; 0 takes any free one.", "a number up to 65535")
    ] = 8642


class Logging(Section):
    """What the service writes about its running. It holds no word, id or address of a person."""

    format: Annotated[
        Literal["json", "console"], Says("For programs or for people.", '"json" or "console"')
    ] = "json"
    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Says("From which level on.", '"debug", "info", "warning" or "error"'),
    ] = "info"


class Admin(Section):
    """A Synapse administrator's token, to purge erased rooms from its database. Optional, and a danger."""

    token: Annotated[
        Secret | None,
        Says(
            "Whoever has it rules the whole homeserver. Synapse's own `forget_rooms_on_leave` with"
            " `forgotten_room_retention_period` does nearly the same without it.",
            "an administrator's access token, on one line",
            "secrets/admin.token",
        ),
    ] = None


class Settings(Section):
    """The whole configuration, valid."""

    homeserver: Homeserver
    desk: Desk
    keeper: KeeperSection
    keys: Keys
    database: Database
    community_section: CommunitySection
    timings: TimingsSection
    web: WebSection
    logging: Logging
    admin: Admin

    _folder: Path = PrivateAttr(default_factory=Path)
    _data: Path = PrivateAttr(default_factory=Path)
    _warnings: tuple[str, ...] = PrivateAttr(default=())
    _sources: dict[str, str] = PrivateAttr(default_factory=dict)
    _pending: dict[str, Path] = PrivateAttr(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What works and is unwise: whole sentences, without secrets."""
        return self._warnings

    @property
    def sources(self) -> Mapping[str, str]:
        """Where each key that was given is from, by its dotted name."""
        return self._sources

    @property
    def pending(self) -> Mapping[str, Path]:
        """Secrets whose files `init` still has to write; their values here are none. Empty after `load`."""
        return self._pending

    @property
    def desk_user(self) -> MatrixId:
        """The front desk's Matrix ID."""
        return MatrixId(self.desk.user)

    @property
    def desk_device(self) -> DeviceId | None:
        """The front desk's device, where it signs in with a token."""
        return None if self.desk.device_id is None else DeviceId(self.desk.device_id)

    @property
    def keeper_user(self) -> MatrixId:
        """The keeper's Matrix ID."""
        return MatrixId(self.keeper.user)

    def sealing_key(self) -> bytes:
        """Return the 32 bytes that wrap the database's own keys."""
        return read_key(self.keys.sealing_key.reveal())

    def database_url(self) -> str:
        """Return SQLAlchemy's URL of the database, with its asynchronous driver and an absolute path."""
        if self.database.url is None:
            return sqlite_url(self._data / "alongside.db")
        return _database_url(self.database.url.reveal(), self._folder)

    def database_file(self) -> Path | None:
        """Return the SQLite file's absolute path; None with PostgreSQL."""
        url = self.database_url()
        return Path(url.removeprefix(f"{_SQLITE}:///")) if url.startswith(_SQLITE) else None

    def secret_file(self, dotted: str) -> Path | None:
        """Return the file that a secret is from, if it is from one that may be rewritten."""
        source = self._sources.get(dotted, "")
        return Path(source.removeprefix("file ")) if source.startswith("file ") else None

    def tls(self) -> ssl.SSLContext | bool:
        """Return what aiohttp takes as `ssl`: the context with the homeserver's own authority, else True."""
        if self.homeserver.ca_file is None:
            return True
        return ssl.create_default_context(cafile=self._folder / self.homeserver.ca_file)

    def community(self) -> Community:
        """Return what handlers and core need to know."""
        here = self.community_section
        return Community(
            name=here.name,
            server=self.homeserver.server_name,
            limits=here.limits,
            who_runs=here.who_runs,
            zone=here.zone,
            topics=here.topics,
            places=tuple(
                Place(
                    name=place.name,
                    contact=place.contact,
                    hours=place.hours,
                    languages=place.languages,
                    may_send_police=place.may_send_police,
                    checked_on=place.checked_on,
                )
                for place in here.places
            ),
            timings=Timings(
                ask_again=self.timings.ask_again,
                ask_open=self.timings.ask_open,
                consent_open=self.timings.consent_open,
                request_open=self.timings.request_open,
                longest=self.timings.longest,
                reading=self.timings.reading,
                settle=self.timings.settle,
                prompt_pause=self.timings.prompt_pause,
                idle=self.timings.idle,
                join=self.timings.join,
            ),
            asks_at_once=here.asks_at_once,
            asks_a_day=here.asks_a_day,
            purges=self.admin.token is not None,
        )

    def listing(self) -> Iterator[tuple[str, str, str]]:
        """Yield each key, its value as the file would write it (or REDACTED), and where it is from."""
        for key in KEYS:
            value = getattr(getattr(self, _ATTRIBUTE.get(key.section, key.section)), key.name)
            if isinstance(value, Secret):
                shown = "REDACTED"
            elif value is None:
                shown = "not set"
            elif key.name == "places":
                shown = f"{len(value)} places"
            else:
                shown = to_toml(_plain(value))
            yield key.dotted, shown, self._sources.get(key.dotted, "default")


_ATTRIBUTE = {"community": "community_section"}
"""The model's name of a section, where it is not the file's: `Settings.community` is the method."""


@dataclass(frozen=True)
class Key:
    """One key: its place, what it says, and how it is read. `model` is its section's, for unknown keys."""

    section: str
    name: str
    says: Says
    info: FieldInfo

    @property
    def dotted(self) -> str:
        """`section.name`, which is also the name of the systemd credential of a secret."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"{PREFIX}{self.section.upper()}__{self.name.upper()}"

    @property
    def secret(self) -> bool:
        """Whether it is never shown, and may be read from a file of its own."""
        return Secret in (self.info.annotation, *get_args(self.info.annotation))

    @property
    def required(self) -> bool:
        """Whether the service cannot start without it."""
        return self.info.is_required()


def _keys_of(section: str, model: type[BaseModel]) -> Iterator[Key]:
    for name, info in model.model_fields.items():
        says = next(item for item in info.metadata if isinstance(item, Says))
        yield Key(section, name, says, info)


SECTIONS: Mapping[str, type[Section]] = {
    "homeserver": Homeserver,
    "desk": Desk,
    "keeper": KeeperSection,
    "keys": Keys,
    "database": Database,
    "community": CommunitySection,
    "timings": TimingsSection,
    "web": WebSection,
    "logging": Logging,
    "admin": Admin,
}
KEYS: tuple[Key, ...] = tuple(key for section, model in SECTIONS.items() for key in _keys_of(section, model))
_BY_NAME = {key.dotted: key for key in KEYS}
_PLACE_KEYS = {key.name: key for key in _keys_of("community.places", PlaceTable)}


# ---- reading ----------------------------------------------------------------------------------------------


class _Reading:
    """One reading of everything: values found so far, where from, and every problem on the way."""

    def __init__(self, folder: Path, unfinished: bool) -> None:
        self.folder = folder
        self.unfinished = unfinished
        self.pending: dict[str, Path] = {}
        self.values: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
        self.sources: dict[str, str] = {}
        self.problems: list[ConfigurationError] = []
        self.warnings: list[str] = []
        self.secrets: dict[str, list[tuple[str, bool, object]]] = {}
        """By dotted name: where from, whether it is a file's path, and the value or path; strongest first."""

    def problem(self, problem: str, fix: str, key: str = "", variable: str = "") -> None:
        self.problems.append(ConfigurationError(problem, fix=fix, key=key, variable=variable))

    def wrong(self, key: Key, problem: str, fix: str = "", dotted: str = "") -> None:
        name = dotted or key.dotted
        self.problem(f"{name} {problem}", fix or f"Write {key.says.form}.", name, key.variable)

    def give(self, section: str, name: str, value: object, source: str) -> None:
        """Take a value that is stronger than those given after it."""
        dotted = f"{section}.{name}"
        path = False
        key = _BY_NAME.get(dotted)
        if key is None and name.endswith("_file"):
            key = _BY_NAME.get(dotted.removesuffix("_file"))
            key, path = (key, True) if key is not None and key.secret else (None, False)
        if key is None:
            self._unknown(section, name, source)
        elif key.secret:
            given = self.secrets.setdefault(key.dotted, [])
            if given and given[-1][0] == source:
                self.wrong(
                    key,
                    f"is given twice in the {source}: as a value and as a file",
                    f"Keep either {key.name} or {key.name}_file.",
                )
            given.append((source, path, value))
        elif key.dotted not in self.sources:
            self.values[section][name] = value
            self.sources[key.dotted] = source

    def _unknown(self, section: str, name: str, source: str) -> None:
        if (section, name.removesuffix("_file")) == ("keeper", "password"):
            self.problem(
                "keeper.password is never kept",
                "Remove it, and sign the keeper in with `alongside init`: it asks for it and forgets it.",
                "keeper.password",
                f"{PREFIX}KEEPER__PASSWORD",
            )
            return
        names = [f"{key.section}.{key.name}" for key in KEYS]
        names += [f"{key.section}.{key.name}_file" for key in KEYS if key.secret]
        written = f"{section}.{name}"
        near = difflib.get_close_matches(written, names, 1)
        shown = written if re.fullmatch(r"[A-Za-z0-9_.-]{1,80}", written) else f"a key of {section}"
        hint = f"Did you mean {near[0]}? Otherwise remove it." if near else "Remove it."
        variable = f"{PREFIX}{shown.upper().replace('.', '__', 1)}" if source == "environment" else ""
        self.problem(f"{shown} is no key of the configuration", hint, shown, variable)

    # -- the three sources, strongest first

    def take_variables(self, environ: Mapping[str, str]) -> None:
        for variable in sorted(environ):
            if not variable.startswith(PREFIX) or variable in OTHER_VARIABLES:
                continue
            section, separator, name = variable.removeprefix(PREFIX).lower().partition("__")
            if not separator or section not in SECTIONS:
                self._stray(variable)
            # An empty variable is one that a compose file or a unit left out.
            elif text := environ[variable]:
                key = _BY_NAME.get(f"{section}.{name}")
                self.give(section, name, text if key is None else _from_text(key, text), "environment")

    def _stray(self, variable: str) -> None:
        names = [key.variable for key in KEYS] + [f"{key.variable}_FILE" for key in KEYS if key.secret]
        bare = {name.removeprefix(PREFIX): name for name in [*names, f"{PREFIX}CONFIG"]}
        near = [bare[name] for name in difflib.get_close_matches(variable.removeprefix(PREFIX), bare, 1)]
        shown = (
            variable
            if re.fullmatch(r"[A-Z0-9_]{1,80}", variable)
            else f"a variable that begins with {PREFIX}"
        )
        hint = f"Did you mean {near[0]}? Otherwise unset it." if near else "Unset it."
        self.problem(f"{shown} is no variable of this program", hint)

    def take_credentials(self, environ: Mapping[str, str]) -> None:
        folder = environ.get("CREDENTIALS_DIRECTORY")
        if not folder:
            return
        for key in KEYS:
            if key.secret and (path := Path(folder) / key.dotted).exists():
                self.give(key.section, key.name + "_file", str(path), "credentials")

    def take_file(self, path: Path) -> None:
        try:
            raw = _read_file(path)
        except OSError as error:
            self.problem(
                f"The configuration {path} cannot be read ({_why(error)})", "Let the service's user read it."
            )
            return
        try:
            tables = tomllib.loads(raw.decode())
        except (ValueError, RecursionError) as error:
            # Python's message may quote the line, and with it a secret.
            place = re.search(r"\(at [a-z0-9, ]+\)$", str(error))
            self.problem(
                f"The configuration {path} is not TOML {place[0] if place else ''}".rstrip(),
                "Mend that line.",
            )
            return
        for section, table in tables.items():
            if section not in SECTIONS:
                near = difflib.get_close_matches(section, list(SECTIONS), 1)
                shown = section if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", section) else "one with an odd name"
                self.problem(
                    f"[{shown}] is no section of the configuration",
                    f"Did you mean [{near[0]}]? Otherwise remove it." if near else "Remove it.",
                    shown,
                )
            elif not isinstance(table, dict):
                self.problem(
                    f"{section} is not a section", f"Write [{section}] on a line of its own.", section
                )
            else:
                for name, value in table.items():
                    self.give(section, name, value, "configuration file")
        inline = [
            name
            for name, given in self.secrets.items()
            if ("configuration file", False) in [g[:2] for g in given]
        ]
        if inline and (path.stat().st_mode & stat.S_IROTH):
            self.problem(
                f"The configuration {path} holds secrets and everybody on this machine can read it",
                f"Run `chmod 600 {path}`.",
                inline[0],
            )

    # -- secrets

    def read_secrets(self) -> None:
        for dotted, given in self.secrets.items():
            key = _BY_NAME[dotted]
            source, path, value = given[0]
            if not isinstance(value, str) or not value:
                self.wrong(key, "is not a text", f"Write {'a path' if path else key.says.form}, in quotes.")
                continue
            self.sources[dotted] = source
            text = value
            if path:
                file = self.folder / value
                self.sources[dotted] = source if source == "credentials" else f"file {file}"
                if self.unfinished and not file.exists() and file.name:
                    self.pending[dotted] = file
                    self.values[key.section][key.name] = Secret(secrets.token_hex(_KEY_LENGTH))
                    continue
                read = self._secret_file(key, file, source == "credentials")
                if read is None:
                    continue
                text = read
            text = text.strip("\r\n")
            if not re.fullmatch(r"[!-~]+" if key.name == "token" else r"[^\x00-\x1f\x7f]+", text):
                self.wrong(key, "is empty, or has line breaks or control characters")
            else:
                self.values[key.section][key.name] = Secret(text)

    def _secret_file(self, key: Key, file: Path, credential: bool) -> str | None:
        name = f"{key.dotted}_file"
        try:
            mode = file.stat().st_mode
            raw = _read_file(file)
        except OSError as error:
            self.wrong(
                key,
                f"cannot be read from {file} ({_why(error)})",
                "Make the file, or let the service's user read it, or correct the path.",
                name,
            )
            return None
        # systemd keeps a credential's folder to the service alone: the file's own mode does not matter.
        if mode & stat.S_IRWXO and not credential:
            self.wrong(
                key, f"can be read by everybody on this machine: {file}", f"Run `chmod 600 {file}`.", name
            )
            return None
        if mode & stat.S_IRWXG and not credential:
            self.warnings.append(f"The group of {file} can read the secret {key.dotted}.")
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.wrong(key, f"is not text in {file}", dotted=name)
            return None


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _read_file(path: Path) -> bytes:
    """Return a regular file's bytes. Raises OSError for anything else: a pipe would hang the start."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(0, "not a file")
    with path.open("rb") as file:
        raw = file.read(_LARGEST_FILE + 1)
    if len(raw) > _LARGEST_FILE:
        raise OSError(0, "too large")
    return raw


def _from_text(key: Key, text: str) -> object:
    """Return what TOML would have given; a text that does not fit is left as it is, and refused later."""
    match key.info.annotation:
        case kind if kind is int:
            return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text
        case _ if key.name == "topics" and not text.lstrip().startswith("["):
            return [item.strip() for item in text.split(",")]
        case _ if key.name in ("topics", "places"):
            try:
                parsed: object = json.loads(text)
            except (ValueError, RecursionError):
                return text
            return parsed
    return text


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
        raise _Wrong("is neither base64 nor hexadecimal") from None
    if len(key) != _KEY_LENGTH:
        raise _Wrong(f"is {len(key)} bytes long instead of {_KEY_LENGTH}")
    if len(set(key)) < 12:
        raise _Wrong("is not random")
    return key


def sqlite_url(path: Path) -> str:
    """Return SQLAlchemy's URL of the SQLite file at `path`."""
    return f"{_SQLITE}:///{path.absolute()}"


def _database_url(text: str, folder: Path) -> str:
    scheme, separator, rest = text.partition("://")
    if separator and scheme in ("sqlite", _SQLITE):
        path = rest.removeprefix("/")
        if not path or path.startswith(":") or "?" in path:
            raise _Wrong("names no file")
        return sqlite_url(folder / path)
    if separator and scheme in ("postgresql", "postgres", _POSTGRESQL):
        try:
            parts = urlsplit(f"postgresql://{rest}")
            _ = parts.port
        except ValueError:
            raise _Wrong("is not a database's address") from None
        if not parts.path.strip("/"):
            raise _Wrong("names no database")
        return f"{_POSTGRESQL}://{rest}"
    raise _Wrong("is neither SQLite nor PostgreSQL")


def load(
    path: Path | None = None, environ: Mapping[str, str] | None = None, *, unfinished: bool = False
) -> Settings:
    """Read and check the whole configuration, offline.

    `path` is the file (else ALONGSIDE_CONFIG, else alongside.toml here, which may be missing when variables
    say everything). With `unfinished`, as `init` needs it, a secret's file that is not there yet is no fault:
    `Settings.pending` tells which. Raises ConfigurationErrors with every problem that was found.
    """
    environ = os.environ if environ is None else environ
    named = path is not None or bool(environ.get("ALONGSIDE_CONFIG"))
    path = (path or Path(environ.get("ALONGSIDE_CONFIG") or DEFAULT_FILE)).absolute()
    reading = _Reading(path.parent, unfinished)
    reading.take_variables(environ)
    reading.take_credentials(environ)
    if named or path.exists():
        reading.take_file(path)
    elif not reading.sources and not reading.secrets and not reading.problems:
        reading.problem(
            f"There is no configuration: no {path}, and no {PREFIX} variables",
            "Run `alongside init`, or name the file with --config.",
            "--config",
            "ALONGSIDE_CONFIG",
        )
        raise ConfigurationErrors(reading.problems)
    # A file that is not TOML hides every key: that they are missing too would only be noise.
    unreadable = bool(reading.problems) and not any(reading.values.values()) and not reading.secrets
    reading.read_secrets()
    settings = None if unreadable else _validate(reading)
    _check_together(reading)
    if reading.problems or settings is None:
        raise ConfigurationErrors(reading.problems)
    settings._folder = path.parent
    settings._data = Path(environ.get("STATE_DIRECTORY", "").partition(":")[0] or path.parent)
    settings._sources = reading.sources
    settings._pending = reading.pending
    settings._warnings = (*reading.warnings, *_unwise(settings))
    return settings


def _validate(reading: _Reading) -> Settings | None:
    values = {_ATTRIBUTE.get(section, section): value for section, value in reading.values.items()}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        broken = {problem.key.removesuffix("_file") for problem in reading.problems}
        for fault in error.errors(include_url=False, include_context=True, include_input=False):
            _report(
                reading, [str(part) for part in fault["loc"]], fault["type"], fault.get("ctx", {}), broken
            )
        return None


def _report(
    reading: _Reading, place: list[str], kind: str, context: Mapping[str, object], broken: set[str]
) -> None:
    section = next((name for name, attribute in _ATTRIBUTE.items() if attribute == place[0]), place[0])
    key = _BY_NAME[f"{section}.{place[1]}"]
    dotted = key.dotted
    if dotted in broken:
        # The secret is there and could not be read: that has been said.
        return
    says = key
    if key.name == "places" and len(place) >= 4:
        dotted = f"community.places[{place[2]}].{place[3]}"
        if place[3] not in _PLACE_KEYS:
            reading.wrong(key, "is no key of a place", f"Use {', '.join(_PLACE_KEYS)}.", "community.places")
            return
        says = _PLACE_KEYS[place[3]]
    elif len(place) > 2:
        dotted = f"{dotted}[{place[2]}]"
    match kind:
        case "missing":
            problem = "is missing"
        case "value_error":
            problem = str(context.get("error", "is wrong"))
        case _:
            problem = "is not of the form that it must have"
    fix = f"Write {says.says.form}."
    if kind == "missing":
        fix = f"Set it: {fix[0].lower()}{fix[1:]}"
        if key.secret:
            fix += f" A file of its own is better: {key.name}_file."
    if dotted == "community.limits" and kind == "missing":
        fix = (
            "Say in your own words what this is not and cannot do; nobody is asked to trust it without that."
        )
    reading.problem(f"{dotted} {problem}", fix, dotted, key.variable)


def _check_together(reading: _Reading) -> None:
    """Check what one key alone cannot show; works on whatever could be read."""
    values = reading.values
    desk, keeper = values["desk"], values["keeper"]
    given = {name for name in ("token", "password") if f"desk.{name}" in reading.secrets}
    token, device = _BY_NAME["desk.token"], _BY_NAME["desk.device_id"]
    if given == {"token", "password"} or ("password" in given and "device_id" in desk):
        reading.wrong(
            token,
            "and desk.password are two ways to log in at once",
            "Keep desk.token with desk.device_id, or desk.password alone.",
        )
    elif not given and "user" in desk:
        reading.wrong(
            token,
            "is missing, and so is desk.password",
            "Set desk.token_file with desk.device_id (`alongside init` does), or desk.password_file.",
        )
    elif given == {"token"} and "device_id" not in desk:
        reading.wrong(
            device, "is missing: a token belongs to a device", "Set it to the device of desk.token."
        )
    elif given == {"password"}:
        reading.warnings.append("The front desk's password is kept; `alongside init` makes a token of it.")
    server = values["homeserver"].get("server_name")
    for section, account in (("desk", desk), ("keeper", keeper)):
        user = account.get("user")
        here = user.partition(":")[2] if isinstance(user, str) else ""
        if here and isinstance(server, str) and _SERVER_NAME.fullmatch(server) and here != server:
            reading.wrong(
                _BY_NAME[f"{section}.user"],
                "is not an account of homeserver.server_name",
                "Use an account of your own homeserver, or correct homeserver.server_name.",
            )
    if isinstance(desk.get("user"), str) and desk.get("user") == keeper.get("user"):
        reading.wrong(
            _BY_NAME["keeper.user"],
            "is the front desk's account too",
            "Use two accounts: the keeper must have no encryption, the desk needs it.",
        )
    if isinstance(keeper.get("token"), Secret) and keeper.get("token") == desk.get("token"):
        reading.wrong(
            _BY_NAME["keeper.token"], "is the front desk's token too", "Each account has its own token."
        )
    for dotted, check in (
        ("keys.sealing_key", read_key),
        ("database.url", lambda text: _database_url(text, reading.folder)),
    ):
        key = _BY_NAME[dotted]
        secret = values[key.section].get(key.name)
        if isinstance(secret, Secret):
            try:
                check(secret.reveal())
            except _Wrong as wrong:
                reading.wrong(key, str(wrong))
    ca_file = values["homeserver"].get("ca_file")
    if isinstance(ca_file, str):
        try:
            ssl.create_default_context(cafile=reading.folder / ca_file)
        except (OSError, ssl.SSLError, ValueError):
            reading.wrong(_BY_NAME["homeserver.ca_file"], "has no certificates that can be read")


def _unwise(settings: Settings) -> Iterator[str]:
    url = urlsplit(settings.homeserver.url)
    if url.scheme == "http" and not _loopback(url.hostname or ""):
        yield (
            "homeserver.url is not encrypted and not on this machine: whoever is between can take both"
            " accounts' tokens. Use https, or a private network that only the two share."
        )
    if not _loopback(settings.web.host):
        yield "web.host is not loopback, and the web server has no log-in: let only your monitoring reach it."
    if settings.admin.token is not None:
        yield "admin.token rules the whole homeserver: whoever takes this machine takes that too."
    if not settings.community_section.places:
        yield "community.places is empty: `help now` has nothing of yours to show."


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# ---- writing ----------------------------------------------------------------------------------------------


def to_toml(value: Toml) -> str:
    """Return `value` as TOML writes it. Texts are basic strings, which JSON's escapes are a part of."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(to_toml(item) for item in value if isinstance(item, str))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


def _plain(value: object) -> Toml:
    if isinstance(value, timedelta):
        return say_length(value)
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return value if isinstance(value, str | int | bool) else str(value)


_HEAD = """\
# The configuration of Alongside. `alongside check-config` checks it without any network.
#
# Every key is also an environment variable: user in [desk] is ALONGSIDE_DESK__USER. Every secret can be a
# value here (user and token alike), a file (token_file) of mode 0600, or a systemd credential (desk.token).
# Variables go before credentials, credentials before this file. Relative paths start at this file's folder.
# Lines that begin with "# " and a key show what holds if nothing is said.
"""


def render(values: Mapping[str, Toml]) -> str:
    """Return a whole annotated configuration with `values` set, by dotted name (`desk.token_file`).

    What is not in `values` stands there as a comment, with its default or an example.
    """
    lines = [_HEAD]
    for section, model in SECTIONS.items():
        lines += [*_comment(model.__doc__ or ""), f"[{section}]"]
        for key in _keys_of(section, model):
            lines += _entry(key, values)
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def example() -> str:
    """Return the annotated example: what must be said is said, with examples; all else is a comment."""
    values: dict[str, Toml] = {}
    for key in KEYS:
        if key.says.example is not None and (key.required or key.dotted in ("desk.token", "desk.device_id")):
            values[f"{key.dotted}_file" if key.secret else key.dotted] = key.says.example
    values["community.places"] = [
        {name: str(key.says.example) for name, key in _PLACE_KEYS.items()},
    ]
    return render(values)


def _entry(key: Key, values: Mapping[str, Toml]) -> Iterator[str]:
    yield from _comment(key.says.what)
    if key.name == "places":
        yield from _places(values.get(key.dotted))
        return
    name = f"{key.name}_file" if key.secret else key.name
    given = values.get(f"{key.section}.{name}")
    if given is not None:
        yield f"{name} = {to_toml(given)}"
    elif (direct := values.get(key.dotted)) is not None:
        yield f"{key.name} = {to_toml(direct)}"
    else:
        default = None if key.required or key.info.default is None else _plain(key.info.default)
        shown = default if default is not None else key.says.example
        yield f"# {name} = {to_toml(shown if shown is not None else '')}"


def _places(given: Toml | None) -> Iterator[str]:
    tables = [table for table in given if isinstance(table, dict)] if isinstance(given, list) else []
    mark = "" if tables else "# "
    for table in tables or [{name: str(key.says.example) for name, key in _PLACE_KEYS.items()}]:
        yield f"{mark}[[community.places]]"
        for name, key in _PLACE_KEYS.items():
            note = f"  # {key.says.form}" if name == "may_send_police" else ""
            yield f"{mark}{name} = {to_toml(table[name])}{note}"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), 100)]
