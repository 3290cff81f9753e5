"""The configuration: what is read from where, and all that is refused, with its key, variable and fix."""

import base64
import copy
import json
import os
import pickle
import re
import tempfile
import tomllib
from collections.abc import Mapping
from datetime import date, time, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import PydanticSerializationError

from schema.community import OwnWords, Place, PlaceTexts, Timings
from schema.errors import ConfigurationError, ConfigurationErrors
from schema.records import Window
from service import app, config
from service.config import Secret, Settings
from service.config.forms import length_of_time
from tests.live import agreement

KEY = base64.b64encode(bytes(range(32))).decode()
WHOLE = {
    "homeserver.url": "https://matrix.example.org",
    "homeserver.server_name": "example.org",
    "desk.user": "@desk:example.org",
    "desk.token": "syt_desk_canary",
    "desk.device_id": "DESK",
    "keeper.user": "@keeper:example.org",
    "keeper.token": "syt_keeper_canary",
    "keys.sealing_key": KEY,
    "community.name": "Example Collective",
    "community.limits": "No therapy, no emergency service.",
    "community.who_runs": "Two of us",
    "community.ages": "adults",
}


def toml(values: Mapping[str, object], extra: str = "") -> str:
    """Return a configuration file with `values` by dotted name, then `extra`."""
    sections: dict[str, list[str]] = {}
    for dotted, value in values.items():
        section, _, key = dotted.partition(".")
        shown = value if isinstance(value, Raw) else config.to_toml(value)  # type: ignore[arg-type]  # Any TOML.
        sections.setdefault(section, []).append(f"{key} = {shown}")
    return "\n".join(f"[{name}]\n" + "\n".join(lines) for name, lines in sections.items()) + "\n" + extra


class Raw(str):
    """Text that stands in the file as it is."""

    __slots__ = ()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Give the path of a configuration file in a folder of its own."""
    return tmp_path / "alongside.toml"


def write(
    place: Path, changes: Mapping[str, object] | None = None, extra: str = "", mode: int = 0o600
) -> Path:
    """Write a whole configuration with `changes` (None takes a key out)."""
    values = {**WHOLE, **(changes or {})}
    place.write_text(toml({key: value for key, value in values.items() if value is not None}, extra))
    agreement.finish(place.parent)
    place.chmod(mode)
    return place


def refused(place: Path, environ: Mapping[str, str] | None = None) -> tuple[ConfigurationError, ...]:
    """Return every problem of the configuration at `place`, each seen to be whole and to hold no secret."""
    with pytest.raises(ConfigurationErrors) as caught:
        config.load(place, environ or {})
    text = str(caught.value) + repr(caught.value)
    assert "canary" not in text
    assert KEY not in text
    for problem in caught.value.problems:
        assert problem.problem
        assert problem.fix[0].isupper()
        assert problem.fix.endswith((".", ")", "`", '"'))
        if problem.variable:
            assert problem.key
    return caught.value.problems


def only(place: Path, environ: Mapping[str, str] | None = None) -> ConfigurationError:
    """Return the one problem that there is."""
    problems = refused(place, environ)
    assert len(problems) == 1, [str(problem) for problem in problems]
    return problems[0]


# ---- what is read ------------------------------------------------------------------------------------------


def test_a_whole_file(place: Path) -> None:
    """Every key that was given is there; all else has the default of the schema."""
    extra = """
topics = ["burnout", "grief"]
zone = "Europe/Berlin"
[[community.places]]
name = "Night line"
contact = "+49 30 000000"
hours = "every night"
languages = "German"
may_send_police = "not known"
checked_on = 2026-11-01
[timings]
reading = "90 minutes"
settle = "0 s"
"""
    settings = config.load(write(place, extra=extra), {})
    community = settings.community()
    assert community.name == "Example Collective"
    assert community.server == "example.org"
    assert community.topics == ("burnout", "grief")
    assert community.places == (
        Place("Night line", "+49 30 000000", "every night", "German", "not known", "2026-11-01"),
    )
    assert community.timings == Timings(reading=timedelta(minutes=90), settle=timedelta(0))
    assert (community.opens, community.enough, community.hours) == ("always", 3, ())
    assert not community.purges
    forgets = config.load(write(place, {"homeserver.forgets_rooms": True}), {})
    assert forgets.community().purges
    assert settings.sealing_key() == bytes(range(32))
    assert settings.desk.token == Secret("syt_desk_canary")
    assert settings.desk_user == "@desk:example.org"
    assert settings.keeper_user == "@keeper:example.org"
    assert settings.web.host == "127.0.0.1"
    assert settings.database_url() == f"sqlite+aiosqlite:///{place.parent}/alongside.db"
    assert settings.database_file() == place.parent / "alongside.db"
    assert settings.tls() is True
    assert settings.warnings == ()


def test_everything_from_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file, variables say it all; lists and numbers too, and empty ones count as not set."""
    monkeypatch.chdir(tmp_path)
    environ = {f"ALONGSIDE_{key.upper().replace('.', '__')}": value for key, value in WHOLE.items()}
    environ |= {
        "ALONGSIDE_WEB__PORT": "9000",
        "ALONGSIDE_COMMUNITY__TOPICS": "burnout, grief",
        "ALONGSIDE_COMMUNITY__PLACES": '[{"name":"N","contact":"c","hours":"h","languages":"l",'
        '"may_send_police":"no","checked_on":"2026"}]',
        "ALONGSIDE_TIMINGS__READING": "20 seconds",
        "ALONGSIDE_ADMIN__TOKEN": "",
        "ALONGSIDE_FAIL_LOG": "somewhere",
        "STATE_DIRECTORY": "/var/lib/alongside",
        "HOME": "/root",
    }
    settings = config.load(None, environ)
    assert settings.web.port == 9000
    assert settings.community().topics == ("burnout", "grief")
    assert settings.community().places[0].may_send_police == "no"
    assert settings.timings.reading == timedelta(seconds=20)
    assert settings.admin.token is None
    assert settings.database_file() == Path("/var/lib/alongside/alongside.db")
    assert settings.sources["web.port"] == "environment"
    assert config.load(None, environ | {"ALONGSIDE_COMMUNITY__TOPICS": '["a", "b"]'}).community().topics == (
        "a",
        "b",
    )


def test_variables_go_before_credentials_and_those_before_the_file(place: Path, tmp_path: Path) -> None:
    """A secret that is given in a stronger place replaces the weaker one whole, file or value."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "desk.token").write_text("of_the_credential\n")
    (credentials / "desk.token").chmod(0o444)
    (credentials / "admin.token").write_text("admin")
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    write(place)
    settings = config.load(place, environ)
    assert settings.desk.token == Secret("of_the_credential")
    assert settings.sources["desk.token"] == "credentials"
    assert settings.community().purges
    settings = config.load(
        place, environ | {"ALONGSIDE_DESK__TOKEN": "of_the_variable", "ALONGSIDE_WEB__PORT": "1"}
    )
    assert settings.desk.token == Secret("of_the_variable")
    assert settings.web.port == 1


def test_every_secret_can_be_a_file(place: Path) -> None:
    """`*_file` works for every secret, in the file (relative to it) and as a variable."""
    secrets = [key for key in config.KEYS if key.secret]
    assert {key.dotted for key in secrets} == {
        *("desk.token", "desk.password", "keeper.token", "keys.sealing_key", "database.url", "admin.token"),
    }
    values = {**WHOLE, "database.url": "postgresql://u:p@127.0.0.1/x", "admin.token": "admin"}
    settings = None
    for key in secrets:
        if key.dotted == "desk.password":
            continue
        file = place.parent / key.dotted
        file.write_text(values[key.dotted] + "\r\n")
        file.chmod(0o600)
        write(place, {**values, key.dotted: None, f"{key.dotted}_file": key.dotted})
        settings = config.load(place, {})
        assert getattr(getattr(settings, key.section), key.name) == Secret(values[key.dotted])
        assert settings.sources[key.dotted] == f"file {file}"
        write(place, {**values, key.dotted: None})
        settings = config.load(place, {f"{key.variable}_FILE": str(file)})
        assert getattr(getattr(settings, key.section), key.name) == Secret(values[key.dotted])
    assert settings is not None
    assert settings.database_url() == "postgresql+asyncpg://u:p@127.0.0.1/x"
    assert settings.database_file() is None


def test_the_file_is_found_by_its_variable(place: Path) -> None:
    """ALONGSIDE_CONFIG names the file."""
    write(place)
    assert config.load(None, {"ALONGSIDE_CONFIG": str(place)}).desk.user == "@desk:example.org"


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("sqlite:///data/x.db", "sqlite+aiosqlite:///{folder}/data/x.db"),
        ("sqlite:////var/x.db", "sqlite+aiosqlite:////var/x.db"),
        ("sqlite+aiosqlite:////var/x.db", "sqlite+aiosqlite:////var/x.db"),
        ("postgres://u@h:5433/x", "postgresql+asyncpg://u@h:5433/x"),
        (
            "postgresql+asyncpg://u:p@/x?host=/run/postgresql",
            "postgresql+asyncpg://u:p@/x?host=/run/postgresql",
        ),
    ],
)
def test_databases(place: Path, url: str, read: str) -> None:
    """SQLite paths start at the configuration; PostgreSQL gets its driver."""
    assert config.load(write(place, {"database.url": url}), {}).database_url() == read.format(
        folder=place.parent
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1 second", 1),
        ("90 s", 90),
        ("1.5 hours", 5400),
        ("2min", 120),
        ("3 days", 259200),
        ("1h", 3600),
        ("0 s", 0),
    ],
)
def test_lengths_of_time(place: Path, text: str, seconds: float) -> None:
    """A number and its unit, short or long."""
    assert config.load(write(place, {"timings.settle": text}), {}).timings.settle == timedelta(
        seconds=seconds
    )


@given(st.integers(0, 366 * 86400))
def test_a_length_that_is_written_is_read_again(seconds: int) -> None:
    """What `say_length` writes means the same when it is read."""
    assert length_of_time(config.say_length(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


@given(st.text())
def test_a_text_that_is_written_is_read_again(text: str) -> None:
    """What `to_toml` writes is TOML, and the same text."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        return
    assert tomllib.loads(f"a = {config.to_toml(text)}") == {"a": text}


def test_keys_are_read_in_either_form() -> None:
    """Base64 of either alphabet, with or without padding, and hexadecimal."""
    for _ in range(50):
        key = os.urandom(32)
        standard, urlsafe = base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()
        for text in (
            standard,
            standard.rstrip("="),
            urlsafe,
            urlsafe.rstrip("="),
            key.hex(),
            f" {key.hex()}\n",
        ):
            assert config.read_key(text) == key


# ---- what is refused ---------------------------------------------------------------------------------------


def test_everything_at_once(place: Path) -> None:
    """All problems come together, each with its key and variable: nobody mends them one start at a time."""
    place.write_text(
        '[homeserver]\nurl = "matrix.example.org"\n[desk]\nuser = "desk"\ncolour = "green"\n'
        '[keeper]\nuser = "@keeper:other.org"\n[web]\nport = "8008"\n[keys]\nsealing_key = "c2hvcnQ="\n'
    )
    place.chmod(0o600)
    problems = {problem.key: problem for problem in refused(place, {"ALONGSIDE_LOGGING__LEVEL": "loud"})}
    assert set(problems) == {
        *(
            "homeserver.url",
            "homeserver.server_name",
            "desk.user",
            "desk.colour",
            "desk.token",
            "keeper.token",
        ),
        *("web.port", "keys.sealing_key", "logging.level"),
        *("community.name", "community.limits", "community.who_runs", "community.ages"),
    }
    assert problems["logging.level"].variable == "ALONGSIDE_LOGGING__LEVEL"
    assert problems["community.limits"].variable == "ALONGSIDE_COMMUNITY__LIMITS"
    assert "5 bytes" in problems["keys.sealing_key"].problem


def test_no_statement_of_limits(place: Path) -> None:
    """A community that does not say what this is not cannot start it, nor with an empty sentence."""
    problem = only(write(place, {"community.limits": None}))
    assert problem.key == "community.limits"
    assert "what this is not" in problem.fix
    assert only(write(place, {"community.limits": " \n "})).key == "community.limits"


def test_no_statement_of_ages(place: Path) -> None:
    """A community that does not say whom it is for cannot start; key, variable and fix are named."""
    problem = only(write(place, {"community.ages": None}))
    assert (problem.key, problem.variable) == ("community.ages", "ALONGSIDE_COMMUNITY__AGES")
    assert '"adults", "young" or "both"' in problem.fix
    assert only(write(place, {"community.ages": "everybody"})).key == "community.ages"
    assert only(write(place, {"community.adult_from": 8})).key == "community.adult_from"


def test_places_say_whom_they_are_for(place: Path) -> None:
    """Where nothing is said they are for all; where none is for whoever is outside, that is warned of."""
    one = "[[community.places]]\nname='N'\ncontact='c'\nhours='h'\nlanguages='l'\nmay_send_police='no'\n"
    settings = config.load(write(place, extra=f"{one}checked_on='x'\n"), {})
    assert settings.community().places[0].ages == "all"
    assert not settings.warnings
    settings = config.load(write(place, extra=f"{one}checked_on='x'\nages='adults'\n"), {})
    assert settings.community().places[0].ages == "adults"
    assert "whoever is outside" in settings.warnings[0]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"desk.password": "canary"}, "desk.token"),
        ({"desk.token": None, "desk.password": "canary"}, "desk.token"),  # The device is a token's.
        ({"desk.token": None, "desk.device_id": None}, "desk.token"),
        ({"desk.device_id": None}, "desk.device_id"),
        ({"keeper.token": None}, "keeper.token"),
        ({"keeper.token": "syt_desk_canary"}, "keeper.token"),
        ({"keeper.user": "@desk:example.org"}, "keeper.user"),
        ({"keeper.password": "canary"}, "keeper.password"),
        ({"keeper.password_file": "canary"}, "keeper.password"),
        ({"desk.user": "@desk:other.org"}, "desk.user"),
        ({"desk.user": "desk"}, "desk.user"),
        ({"desk.device_id": "a b"}, "desk.device_id"),
        ({"desk.token": "a b canary"}, "desk.token"),
        ({"desk.token": ""}, "desk.token"),
        ({"desk.token": 7}, "desk.token"),
        ({"desk.token_file": "canary"}, "desk.token"),
        ({"homeserver.url": "matrix.example.org"}, "homeserver.url"),
        ({"homeserver.url": "ftp://matrix.example.org"}, "homeserver.url"),
        ({"homeserver.url": "https://"}, "homeserver.url"),
        ({"homeserver.url": "https://x:y"}, "homeserver.url"),
        ({"homeserver.url": "https://u:canary@x"}, "homeserver.url"),
        ({"homeserver.url": "https://x/_matrix/client"}, "homeserver.url"),
        ({"homeserver.url": "https://x?y"}, "homeserver.url"),
        ({"homeserver.server_name": "https://example.org"}, "homeserver.server_name"),
        ({"homeserver.ca_file": "nowhere.pem"}, "homeserver.ca_file"),
        ({"homeserver.ca_file": "alongside.toml"}, "homeserver.ca_file"),
        ({"keys.sealing_key": None}, "keys.sealing_key"),
        ({"keys.sealing_key": "AAAA"}, "keys.sealing_key"),
        ({"keys.sealing_key": KEY + "AAAA"}, "keys.sealing_key"),
        ({"keys.sealing_key": "00" * 32}, "keys.sealing_key"),
        ({"keys.sealing_key": "0123456789abcdef0123456789abcdef"}, "keys.sealing_key"),
        ({"keys.sealing_key": "not a key at all!"}, "keys.sealing_key"),
        ({"database.url": "mysql://canary@host/x"}, "database.url"),
        ({"database.url": "sqlite://"}, "database.url"),
        ({"database.url": "sqlite:///:memory:"}, "database.url"),
        ({"database.url": "postgresql://u:canary@host"}, "database.url"),
        ({"database.url": "postgresql://u:canary@host:port/x"}, "database.url"),
        ({"community.name": "two\nlines"}, "community.name"),
        ({"community.name": "x" * 81}, "community.name"),
        ({"community.zone": "Berlin"}, "community.zone"),
        ({"community.zone": "../../etc/passwd"}, "community.zone"),
        ({"community.topics": ["a", "A"]}, "community.topics"),
        ({"community.topics": "a"}, "community.topics"),
        ({"community.topics": [str(number) for number in range(13)]}, "community.topics"),
        ({"community.asks_at_once": 0}, "community.asks_at_once"),
        ({"community.asks_at_once": True}, "community.asks_at_once"),
        ({"community.talk_in": ["en", "xx_YY"]}, "community.talk_in"),
        ({"community.talk_in": ["English"]}, "community.talk_in"),
        ({"community.talk_in": ["en", "en"]}, "community.talk_in"),
        ({"community.talk_in": "en"}, "community.talk_in"),
        ({"community.messages_at_once": 19}, "community.messages_at_once"),
        ({"community.opens": "never"}, "community.opens"),
        ({"community.enough": 2}, "community.enough"),
        ({"community.enough": 51}, "community.enough"),
        ({"community.opens": "hours"}, "community.hours"),
        ({"community.opens": "hours", "community.hours": ["soon"]}, "community.hours"),
        ({"community.opens": "hours", "community.hours": "mon 18-22"}, "community.hours"),
        ({"timings.reading": "0 s"}, "timings.reading"),
        ({"timings.afterwards": "15 days"}, "timings.afterwards"),
        ({"timings.reading": 20}, "timings.reading"),
        ({"timings.reading": "20"}, "timings.reading"),
        ({"timings.reading": "-1 day"}, "timings.reading"),
        ({"timings.reading": "400 days"}, "timings.reading"),
        ({"timings.reading": "2 fortnights"}, "timings.reading"),
        ({"web.port": "8008"}, "web.port"),
        ({"web.port": 65536}, "web.port"),
        ({"web.port": Raw("8008.0")}, "web.port"),
        ({"web.port": Raw("true")}, "web.port"),
        ({"web.host": "example.org"}, "web.host"),
        ({"logging.format": "xml"}, "logging.format"),
        ({"community.limits": Raw("7")}, "community.limits"),
        ({"community.limits": Raw("2026-01-01")}, "community.limits"),
    ],
)  # fmt: skip
def test_one_thing_wrong(place: Path, changes: dict[str, object], key: str) -> None:
    """Each is refused alone, by its key, with its variable and a fix, and no other noise."""
    problem = only(write(place, changes))
    assert problem.key.partition("[")[0] in (key, f"{key}_file")
    assert problem.variable == f"ALONGSIDE_{key.upper().replace('.', '__')}"


def test_published_hours(place: Path) -> None:
    """The hours at which members can ask are read as they are written, several in a text or in several."""
    hours = ["mon-fri 18:00-22:00, sat 10-16", "daily 7 to 8"]
    changes = {"community.opens": "hours", "community.hours": hours, "community.enough": 5}
    community = config.load(write(place, changes), {}).community()
    assert (community.opens, community.enough) == ("hours", 5)
    assert community.hours == (
        Window((0, 1, 2, 3, 4), 18 * 60, 22 * 60),
        Window((5,), 10 * 60, 16 * 60),
        Window(tuple(range(7)), 7 * 60, 8 * 60),
    )


@pytest.mark.parametrize(
    ("environ", "hint"),
    [
        ({"ALONGSIDE_DESK__TOKN": "canary"}, "desk.token"),
        ({"ALONGSIDE_DESK_TOKEN": "canary"}, "ALONGSIDE_DESK__TOKEN"),
        ({"ALONGSIDE_DESKS__TOKEN": "canary"}, "ALONGSIDE_DESK__TOKEN"),
        ({"ALONGSIDE_CONFG": "canary"}, "ALONGSIDE_CONFIG"),
        ({"ALONGSIDE_ZZZZZZ": "canary"}, "Unset it"),
        ({"ALONGSIDE_canary": "x"}, "."),
    ],
)
def test_unknown_variables(place: Path, environ: dict[str, str], hint: str) -> None:
    """A misspelt variable is refused with the right one, not ignored; its value is not shown."""
    assert hint in only(write(place), environ).fix


@pytest.mark.parametrize(
    ("extra", "key", "hint"),
    [
        ("[desks]\nuser = 'canary'\n", "desks", "[desk]"),
        ("[community.colours]\nred = 'canary'\n", "community.colours", "emove it"),
        ("[[web]]\n", "web", "[web]"),
        ("[timings]\nreding = 'canary'\n", "timings.reding", "timings.reading"),
        ("[[community.places]]\nname = 'N'\n", "", ""),
    ],
)
def test_unknown_keys_and_sections(place: Path, extra: str, key: str, hint: str) -> None:
    """A misspelt key or section is refused with the nearest right one."""
    problems = refused(write(place, extra=extra))
    if key:
        (problem,) = problems
        assert problem.key == key
        assert hint in problem.fix
    else:
        assert [problem.key for problem in problems] == [
            f"community.places[0].{name}"
            for name in ("contact", "hours", "languages", "may_send_police", "checked_on")
        ]


def test_an_unknown_key_of_a_place(place: Path) -> None:
    """Places are as strict as everything else."""
    extra = (
        "[[community.places]]\nname='N'\ncontact='c'\nhours='h'\nlanguages='l'\nmay_send_police='maybe'\n"
        "checked_on='2026'\nstars=5\n"
    )
    assert [problem.key for problem in refused(write(place, extra=extra))] == [
        "community.places[0].may_send_police",
        "community.places",
    ]


@pytest.mark.parametrize(
    ("key", "value", "other", "fix"),
    [
        ("ask_open", "23 hours", "request_open", "at least 1 day"),
        ("ask_again", "1 day", "request_open", "less than 1 day"),
        ("longest_in_all", "2 days", "longest", "at least 3 days"),
        ("again", "13 days", "afterwards", "at least 14 days"),
        ("chat", "23 hours", "request_open", "at least 1 day"),
        ("chat", "90 minutes", "consent_open", "at least 2 hours"),
        ("prompt_pause", "2 hours", "consent_open", "less than 2 hours"),
    ],
)
def test_lengths_of_time_that_contradict_one_another(
    place: Path, key: str, value: str, other: str, fix: str
) -> None:
    """Each is refused with both keys, the variable and a fix; whichever of the two was written."""
    problems = refused(write(place, {f"timings.{key}": value}))
    (problem,) = [one for one in problems if f"timings.{other}" in one.problem]
    assert problem.key == f"timings.{key}"
    assert problem.variable == f"ALONGSIDE_TIMINGS__{key.upper()}"
    assert fix in problem.fix
    assert f"timings.{other}" in problem.fix
    from_variables = refused(write(place), {f"ALONGSIDE_TIMINGS__{key.upper()}": value})
    assert [one.problem for one in from_variables] == [one.problem for one in problems]


def test_lengths_of_time_at_the_edge_are_taken(place: Path) -> None:
    """What is as long as it has to be; and one that cannot be read is one problem, not two."""
    edge = {"ask_open": "24 hours", "longest_in_all": "3 days", "again": "14 days", "chat": "1 day"}
    config.load(write(place, {f"timings.{key}": value for key, value in edge.items()}), {})
    assert only(write(place, {"timings.request_open": "two days"})).key == "timings.request_open"
    longer = refused(write(place, {"timings.request_open": "2 days"}))
    assert [one.key for one in longer] == ["timings.ask_open"]


def test_a_reader_is_a_person(place: Path) -> None:
    """Neither account of the service reads what members are worried about."""
    extra = "[[community.readers]]\nuser='@desk:example.org'\nname='Desk'\n"
    problem = only(write(place, extra=extra))
    assert (problem.key, problem.variable) == ("community.readers", "ALONGSIDE_COMMUNITY__READERS")


def test_places_have_texts_in_other_languages(place: Path) -> None:
    """Beside what stands in the first; what is wrong in one is named with its place, language and text."""
    one = "[[community.places]]\nname='N'\ncontact='c'\nhours='h'\nlanguages='l'\nmay_send_police='no'\n"
    one += "checked_on='2026-11-01'\n"
    settings = config.load(write(place, extra=f"{one}words.es.hours='siempre'\n"), {})
    assert settings.community().places[0].texts == {"es": PlaceTexts(hours="siempre")}
    for wrong, key, fix in (
        ("words.es.hours='siempre\\u0007'", "community.places[0].words.es.hours", "Write a short text"),
        ("words.es.open='siempre'", "community.places[0].words", "Use name, contact, hours, languages."),
        ("words.Spanish.hours='siempre'", "community.places[0].words", "words.es.hours"),
        ("words='siempre'", "community.places[0].words", "words.es.hours"),
        ("words.es='siempre'", "community.places[0].words", "words.es.hours"),
    ):
        problem = only(write(place, extra=one + wrong.replace("'", '"') + "\n"))
        assert (problem.key, problem.variable) == (key, "ALONGSIDE_COMMUNITY__PLACES")
        assert fix in problem.fix
    long = f"{one}words.es.contact='{'🌱' * 200}'\n"
    config.load(write(place, extra=long * 8), {})
    problem = only(write(place, extra=long * 9))
    assert (problem.key, problem.variable) == ("community.places", "ALONGSIDE_COMMUNITY__PLACES")
    assert "in language es" in problem.problem


def test_more_places_than_one_message_holds(place: Path) -> None:
    """What is read in one message fits one: the key, the variable and the fix are named."""
    one = (
        f"[[community.places]]\nname='{'🌱' * 120}'\ncontact='{'🌱' * 200}'\nhours='h'\nlanguages='l'\n"
        "may_send_police='no'\nchecked_on='2026'\n"
    )
    config.load(write(place, extra=one * 5), {})
    problem = only(write(place, extra=one * 6))
    assert problem.key == "community.places"
    assert problem.variable == "ALONGSIDE_COMMUNITY__PLACES"
    assert "9000 fit" in problem.problem
    assert "short enough for one message" in problem.fix


def test_the_languages_to_choose_from(place: Path) -> None:
    """The first is spoken to whoever has not chosen; all there are with none named; a variable does too."""
    assert config.load(write(place), {}).community().languages == ()
    some = config.load(write(place, {"community.languages": ["es", "en"]}), {})
    assert some.community().languages == ("es", "en")
    spoken = config.load(write(place), {"ALONGSIDE_COMMUNITY__LANGUAGES": "es, en"})
    assert spoken.community().languages == ("es", "en")
    assert app.words_of(some).languages == ("en", "es")
    for wrong in (["en", "en"], ["English"], "en", ["../en"]):
        assert only(write(place, {"community.languages": wrong})).key == "community.languages"


def test_the_communitys_own_words_in_other_languages(place: Path) -> None:
    """Its name, its limits and its topics; what is not written there is as it stands in the first."""
    topics = "[[community.topics]]\nname='grief'\nline='gone'\nnames.es='duelo'\n"
    topics += "[[community.topics]]\nname='joy'\n"
    settings = config.load(write(place, {"community.words.es.limits": "No es terapia."}, topics), {})
    there = settings.community().own_words["es"]
    assert there == OwnWords(limits="No es terapia.", topics={"grief": ("duelo", "gone")})
    assert 'community.words = ["es"]' in [f"{k} = {v}" for k, v, _ in settings.listing()]
    twice = topics + "names.es='Duelo'\n"
    assert "twice in language es" in only(write(place, extra=twice)).problem
    for wrong in ({"community.words.es.limit": "x"}, {"community.words.Spanish.limits": "x"}):
        assert only(write(place, wrong)).key.startswith("community.words")


def test_a_language_without_words_is_refused(place: Path) -> None:
    """Whoever chose it could not be spoken to; what there is stands in the fix."""
    settings = config.load(write(place, {"community.languages": ["en", "tlh"]}), {})
    with pytest.raises(ConfigurationError) as refused:
        app.words_of(settings)
    assert refused.value.key == "community.languages"
    assert "tlh" in refused.value.problem
    assert "en, es" in refused.value.fix


def test_a_file_that_is_not_toml(place: Path) -> None:
    """The line is named, nothing of it is shown, and what it hides is not called missing."""
    place.write_text('[desk]\nuser = "@desk:example.org"\ntoken = canary\n')
    problem = only(place)
    assert "line 3" in problem.problem
    place.write_bytes(b"\xff\xfe")
    problem = only(place)
    assert "not written in UTF-8" in problem.problem
    assert "Save it as UTF-8" in problem.fix
    place.write_bytes(b"a = [")
    assert "end of document" in only(place).problem
    assert "example-config" in only(place).fix


def test_no_configuration_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who starts the program in the wrong folder is told so, and nothing else."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationErrors) as caught:
        config.load(None, {})
    (problem,) = caught.value.problems
    assert "alongside init" in problem.fix
    assert "no configuration" in only(tmp_path / "named.toml").problem
    assert "not a file" in only(tmp_path).problem
    assert only(tmp_path).fix == "Name the file itself."


def test_secrets_that_others_can_read(place: Path) -> None:
    """A secret's file for everybody is refused, one for the group warned of; so are values in the file."""
    secret = place.parent / "token"
    secret.write_text("syt_other_canary\n")
    write(place, {"desk.token": None, "desk.token_file": "token"})
    for mode in (0o604, 0o644, 0o606):
        secret.chmod(mode)
        problem = only(place)
        assert problem.key == "desk.token_file"
        assert problem.variable == "ALONGSIDE_DESK__TOKEN_FILE"
        assert f"chmod 600 {secret}" in problem.fix
    secret.chmod(0o640)
    assert "group" in config.load(place, {}).warnings[0]
    secret.chmod(0o600)
    write(place, mode=0o644)
    assert f"chmod 600 {place}" in only(place).fix


def test_a_missing_secret_that_init_makes_is_left_to_init(place: Path) -> None:
    """After an interrupted `init` nobody is told to make a token's file, or the key's, by hand."""
    for name in ("desk.token", "keeper.token", "keys.sealing_key"):
        write(place, {name: None, f"{name}_file": "missing"})
        assert only(place).fix.startswith("Run `alongside init` again")
    write(place, {"admin.token_file": "missing"})
    assert only(place).fix == "Make the file, or correct the path."


def test_secrets_that_cannot_be_read(place: Path) -> None:
    """Missing, a folder, a pipe, too large, empty, not text: each is said and none hangs."""
    secret = place.parent / "token"
    write(place, {"desk.token": None, "desk.token_file": "token"})
    assert "no such file" in only(place).problem
    secret.mkdir(0o700)
    assert only(place).fix == "Let the service's user read it, or correct the path."
    assert "not a file" in only(place).problem
    secret.rmdir()
    os.mkfifo(secret, 0o600)
    assert "not a file" in only(place).problem
    secret.unlink()
    for content in (b"", b"\n", b"\xff\xff", b"a\nb", b"x" * 2_000_000):
        secret.write_bytes(content)
        secret.chmod(0o600)
        assert only(place).key.startswith("desk.token")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"homeserver.url": "http://synapse:8008"}, "https"),
        ({"homeserver.url": "http://10.0.0.1:8008"}, "https"),
        ({"web.host": "0.0.0.0"}, "loopback"),  # noqa: S104  This is what is warned of.
        ({"admin.token": "canary"}, "admin.token"),
        ({"community.hours": ["mon 18-22"]}, "community.hours"),
        ({"desk.token": None, "desk.device_id": None, "desk.password": "canary"}, "password"),
    ],
)
def test_what_is_unwise_is_said(place: Path, changes: dict[str, object], word: str) -> None:
    """What works and is dangerous starts with a warning."""
    extra = "[[community.places]]\nname='N'\ncontact='c'\nhours='h'\nlanguages='l'\nmay_send_police='no'\n"
    (warning,) = [
        warning
        for warning in config.load(write(place, changes, extra + "checked_on='x'\n"), {}).warnings
        if "places" not in warning
    ]
    assert word in warning
    assert "canary" not in warning


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8008", "http://[::1]:8008", "http://localhost", "https://x"]
)
def test_plain_http_on_this_machine_is_fine(place: Path, url: str) -> None:
    """No warning for loopback, nor for TLS."""
    assert not [
        warning
        for warning in config.load(write(place, {"homeserver.url": url}), {}).warnings
        if "url" in warning
    ]


# ---- secrets and the example -------------------------------------------------------------------------------


def test_secrets_are_redacted_everywhere(place: Path) -> None:
    """No repr, listing, format, dump or copy of the settings holds a secret."""
    values = {"database.url": "postgresql://u:canary@127.0.0.1/x", "admin.token": "canary"}
    settings = config.load(write(place, values), {})
    shown = [
        repr(settings),
        str(settings),
        f"{settings.desk}",
        repr(settings.desk.token),
        repr(vars(settings)),
    ]
    shown += [repr(list(settings.listing())), repr(settings.model_dump()), repr([settings.keys])]
    for text in shown:
        assert "canary" not in text
        assert KEY not in text
    assert ("desk.token", "REDACTED", "configuration file") in list(settings.listing())
    with pytest.raises(TypeError):
        pickle.dumps(settings.desk.token)
    with pytest.raises(TypeError):
        copy.copy(settings.desk.token)
    with pytest.raises(PydanticSerializationError):
        settings.model_dump_json()


def test_settings_do_not_change(place: Path) -> None:
    """What was checked at the start holds to the end."""
    settings = config.load(write(place), {})
    with pytest.raises(ValueError, match="frozen"):
        settings.web = config.WebSection()  # type: ignore[misc]  # What must not work is tried.
    with pytest.raises(ValueError, match="frozen"):
        settings.web.port = 1  # type: ignore[misc]  # The same.


def prepare(folder: Path) -> Path:
    """Lay the example's secrets beside it, and give its path."""
    (folder / "secrets").mkdir()
    for name, text in (("desk.token", "a"), ("keeper.token", "b"), ("sealing-key", KEY)):
        (folder / "secrets" / name).write_text(text)
        (folder / "secrets" / name).chmod(0o600)
    (folder / "alongside.toml").write_text(config.example())
    return folder / "alongside.toml"


def test_the_example_is_valid(tmp_path: Path) -> None:
    """The example starts as it is once its secrets are there, without a warning, and may be read by all."""
    settings = config.load(prepare(tmp_path), {})
    assert isinstance(settings, Settings)
    assert settings.warnings == ()
    community = settings.community()
    assert {"thoughts of suicide", "psychosis", "drug use"} <= community.hard < set(community.topics)
    assert {"medication", "institutions", "grief", "rage", "joy"} <= set(community.topics) - community.hard
    assert community.topic_lines.keys() == set(community.topics)


def test_topics_are_names_or_tables(place: Path) -> None:
    """A list of names, or a table each, with a line and a mark."""
    tables = "[[community.topics]]\nname='rage'\n[[community.topics]]\nname='a'\nline='b'\nhard=true\n"
    community = config.load(write(place, extra=tables), {}).community()
    assert community.topics == ("rage", "a")
    assert community.topic_lines == {"a": "b"}
    assert community.hard == {"a"}


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ('name="a"\nline="two\\nlines"\n', "topics[0]"),
        ("name='a'\nhart=true\n", "topics[0]"),
        ("line='no name'\n", "topics[0]"),
        ("name='a'\n[[community.topics]]\nname='A'\n", "topics"),
    ],
)
def test_a_topic_that_is_wrong_is_refused(place: Path, table: str, key: str) -> None:
    """By its number where it is one of them."""
    (problem,) = refused(write(place, extra=f"[[community.topics]]\n{table}"))
    assert problem.key == f"community.{key}"


def test_the_example_names_every_key_and_only_keys(tmp_path: Path) -> None:
    """With each comment that is a key taken in as well, all is valid but two ways to log in at once."""
    place = prepare(tmp_path)
    keys = {key.name for key in config.KEYS} | {f"{key.name}_file" for key in config.KEYS if key.secret}
    lines, named = [], set()
    for line in place.read_text().splitlines():
        found = re.match(r"(?:# )?(\w+)(?:\.[\w.]+)? = ", line)
        if found and found[1] in keys:
            named.add(found[1])
        lines.append(line.removeprefix("# ") if found and found[1] in keys else line)
    assert named == {f"{key.name}_file" if key.secret else key.name for key in config.KEYS} - {
        "places",
        "topics",
    }
    place.write_text("\n".join(lines))
    for name in ("desk.password", "admin.token", "database.url"):
        (tmp_path / "secrets" / name).write_text("sqlite:///x" if "url" in name else "admin")
        (tmp_path / "secrets" / name).chmod(0o600)
    problems = {problem.key for problem in refused(place)}
    assert problems == {"desk.token", "homeserver.ca_file"}


def test_readers_of_concerns_are_read_and_written(tmp_path: Path) -> None:
    """Each with an address, a name, and whether they must report; nobody twice, and no name cut in two."""
    table = '{ user = "@%s:example.org", name = "%s", must_report = %s }'
    place = prepare(tmp_path)
    example = place.read_text()
    line = next(one for one in example.splitlines() if one.startswith("# readers = "))

    def written(*tables: str) -> Path:
        place.write_text(example.replace(line, f"readers = [{', '.join(tables)}]"))
        return place

    place = written(table % ("kim", "Kim", "false"), table % ("lou", "Lou", "true"))
    settings = config.load(place, {})
    assert [warning for warning in settings.warnings if "fewer than three" in warning]
    community = settings.community()
    assert [(one.user, one.name, one.must_report) for one in community.readers] == [
        ("@kim:example.org", "Kim", False),
        ("@lou:example.org", "Lou", True),
    ]
    for wrong in (
        (table % ("kim", "Kim", "false"), table % ("Kim", "Lou", "false")),
        (table % ("kim", "Kim", "false"), table % ("lou", "KIM", "false")),
        tuple(table % (f"a{at}", f"A{at}", "false") for at in range(9)),
        (table % ("kim", "Kim | 1", "false"),),
        ('{ user = "kim", name = "Kim" }',),
    ):
        (problem,) = refused(written(*wrong))
        assert problem.key.startswith("community.readers")


def test_the_example_in_the_repository_has_not_drifted() -> None:
    """deploy/alongside.example.toml is what `alongside example-config` prints."""
    written = Path(__file__).parents[2] / "deploy" / "alongside.example.toml"
    assert written.read_text() == config.example(), (
        "run: alongside example-config > deploy/alongside.example.toml"
    )


def test_every_error_names_a_key_and_a_variable_that_exist() -> None:
    """Whatever part refuses to start, the key and the variable that it names are the configuration's."""
    variables = {key.variable for key in config.KEYS} | {f"{key.variable}_FILE" for key in config.KEYS}
    dotted = {key.dotted for key in config.KEYS} | {f"{key.dotted}_file" for key in config.KEYS}
    named = 0
    for path in (Path(__file__).parents[2] / "service").rglob("*.py"):
        for key, variable in re.findall(r'\bkey="([^"]+)",\s*variable="([^"]+)"', path.read_text()):
            assert key in dotted, path
            assert variable in variables, path
            named += 1
    assert named > 3


def test_a_rendered_configuration_holds_what_was_given(tmp_path: Path) -> None:
    """What `init` writes is read back with the same values, quotes and line breaks included."""
    prepare(tmp_path)
    limits = 'We say "no" to \\ much.\nAnd ü.'
    text = config.render(
        {
            "homeserver.url": "https://x.example.org",
            "homeserver.server_name": "example.org",
            "desk.user": "@d:example.org",
            "desk.token_file": "secrets/desk.token",
            "desk.device_id": "D",
            "keeper.user": "@k:example.org",
            "keeper.token_file": "secrets/keeper.token",
            "keys.sealing_key_file": "secrets/sealing-key",
            "community.name": "N",
            "community.limits": limits,
            "community.who_runs": "w",
            "community.ages": "both",
            "community.topics": ["a", "b"],
            "web.port": 0,
        }
    )
    (tmp_path / "alongside.toml").write_text(text)
    settings = config.load(tmp_path / "alongside.toml", {})
    assert settings.community().limits == limits
    assert settings.community().topics == ("a", "b")
    assert settings.web.port == 0
    assert settings.community().places == ()


_VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        st.sampled_from([WHOLE["homeserver.url"], "5 minutes", "Europe/Berlin", "/", "\0", "sqlite://", ""]),
        st.datetimes(),
        st.dates(),
        st.times(),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def _literal(value: object) -> str:
    """A value in one line of TOML."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case dict():
            return "{" + ", ".join(f"{_literal(name)} = {_literal(one)}" for name, one in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_literal, value)) + "]"
        case date() | time():
            return value.isoformat()
        case _:
            return repr(value)


_DOTTED = [key.dotted for key in config.KEYS] + [f"{key.dotted}_file" for key in config.KEYS if key.secret]


def settled(place: Path, environ: Mapping[str, str]) -> None:
    """See that the configuration is settings, or refused with key, variable and fix; no secret is shown."""
    for unfinished in (False, True):
        try:
            settings = config.load(place, environ, unfinished=unfinished)
        except ConfigurationErrors as errors:
            for problem in errors.problems:
                assert problem.problem
                assert problem.fix
                # What is said of a file as a whole has no key.
                assert problem.key or str(place) in problem.problem or "variable" in problem.problem
                assert problem.variable or problem.key not in _DOTTED
            said = str(errors) + repr(errors)
        else:
            settings.community()
            settings.tls()
            # Whatever is valid can be sent, hashed and shown.
            for secret in (
                settings.keeper.token,
                settings.desk.token,
                settings.desk.password,
                settings.admin.token,
            ):
                assert secret is None or secret.reveal().encode()
            assert unfinished or settings.database_url().encode()
            said = repr(settings) + "".join(map("".join, settings.listing())) + "".join(settings.warnings)
        assert "canary" not in said
        assert KEY not in said
        said.encode()


@given(
    st.dictionaries(st.sampled_from(_DOTTED), _VALUES, max_size=6),
    st.dictionaries(st.text(), _VALUES, max_size=2),
)
def test_any_tree_is_settings_or_said_to_be_wrong(values: dict[str, object], rest: dict[str, object]) -> None:
    """Whatever TOML holds at whichever key: valid settings, or errors that name key, variable and fix."""
    tree: dict[str, object] = dict(rest)
    for dotted, value in {**WHOLE, **values}.items():
        section, _, key = dotted.partition(".")
        table = tree.setdefault(section, {})
        if isinstance(table, dict):
            table[key] = value
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "alongside.toml")
        place.touch(mode=0o600)
        place.write_text("".join(f"{_literal(name)} = {_literal(value)}\n" for name, value in tree.items()))
        settled(place, {})


_FILES = st.binary(max_size=200) | st.lists(
    st.tuples(
        st.integers(0, 600), st.integers(0, 20), st.text(max_size=3) | st.sampled_from(['"', "\n", "[", "="])
    ),
    min_size=1,
    max_size=4,
).map(lambda cuts: _cut(toml(WHOLE), cuts).encode("utf-8", "surrogatepass"))


def _cut(text: str, cuts: list[tuple[int, int, str]]) -> str:
    for start, length, instead in cuts:
        text = text[:start] + instead + text[start + length :]
    return text


@given(_FILES)
def test_any_file_is_settings_or_said_to_be_wrong(raw: bytes) -> None:
    """Whatever bytes the file has, and a whole file with pieces taken out or replaced."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "alongside.toml")
        place.touch(mode=0o600)
        place.write_bytes(raw)
        settled(place, {})


_TEXTS = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
    # What is not UTF-8 in the environment comes as half surrogates (PEP 383).
    | st.text(st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF, categories=["Cs"]), max_size=5)
    | st.sampled_from(
        ["[1]", "[[]]", '{"a": 1}', "[" * 2000, "9" * 400, "sqlite:///x", "postgresql://canary@[", "a,b"]
    )
)
_VARIABLES = st.sampled_from(
    [f"ALONGSIDE_{name.upper().replace('.', '__')}" for name in _DOTTED]
) | st.sampled_from(
    [
        "ALONGSIDE_",
        "ALONGSIDE___",
        "ALONGSIDE_DESK__",
        "ALONGSIDE_DESC__USER",
        "ALONGSIDE_\udcff",
        "STATE_DIRECTORY",
    ]
)


@given(st.dictionaries(_VARIABLES, _TEXTS, max_size=5), st.booleans())
@example({"STATE_DIRECTORY": "\udc80"}, True)
def test_any_environment_is_settings_or_said_to_be_wrong(environ: dict[str, str], whole: bool) -> None:
    """Whatever the variables hold, beside a whole file and without one."""
    # A path, or a name, is shown to whoever has to correct it; a secret's own value never is.
    secret = {key.variable for key in config.KEYS if key.secret}
    environ = {
        name: text if name in secret else text.replace("canary", "place") for name, text in environ.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "alongside.toml")
        place.touch(mode=0o600)
        place.write_text(toml(WHOLE if whole else {}))
        settled(place, environ)


@given(
    st.dictionaries(
        st.sampled_from([key for key in config.KEYS if key.secret]), st.binary(max_size=60), min_size=1
    )
)
def test_any_secret_file_is_taken_or_said_to_be_wrong(files: dict[config.Key, bytes]) -> None:
    """Whatever bytes a secret's file has, as a file that a key names and as a credential."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "alongside.toml")
        changes = {key.dotted: None for key in files} | {f"{key.dotted}_file": key.dotted for key in files}
        for key, raw in files.items():
            (Path(folder) / key.dotted).touch(mode=0o600)
            (Path(folder) / key.dotted).write_bytes(raw)
        settled(write(place, changes), {})
        settled(write(place), {"CREDENTIALS_DIRECTORY": folder})


@pytest.mark.parametrize(
    ("given", "room", "server"),
    [
        ({}, None, "example.org"),
        ({"community.room": "!home:example.org"}, "!home:example.org", None),
        ({"community.members": "anyone"}, None, None),
        ({"community.room": "!home:example.org", "community.members": "server"}, None, "example.org"),
    ],
)
def test_who_may_write(place: Path, given: dict[str, str], room: str | None, server: str | None) -> None:
    """The community's room where it is named, else its homeserver, unless it says otherwise."""
    members = config.load(write(place, given), {}).members()
    assert (members.room, members.server) == (room, server)


@pytest.mark.parametrize(
    "given",
    [
        {"community.members": "room"},
        {"community.room": "#home:example.org"},
        {"community.room": "!with space:example.org"},
    ],
)
def test_a_room_that_is_none(place: Path, given: dict[str, str]) -> None:
    """It must be named where it is asked for, by its internal id."""
    assert only(write(place, given)).key == "community.room"


@pytest.mark.parametrize(
    ("wrong", "begins"),
    [
        ('languages = ["en",\nname = "x"', True),
        ('topics = [\n  "a",\n  "b",\n', True),
        ('name = """no end', True),
        ("name = no quotes", False),
    ],
)
def test_where_what_is_not_closed_begins_is_named(tmp_path: Path, wrong: str, begins: bool) -> None:
    """An open list is noticed at the end of the file: the line in which it was begun is said as well."""
    place = tmp_path / "alongside.toml"
    place.write_text(
        '# A comment\n[desk]\nuser = "@a:b"\n\n# Another\n[community]\n' + wrong + "\n\n# The end\n"
    )
    with pytest.raises(ConfigurationErrors) as caught:
        config.load(place, {})
    (problem,) = caught.value.problems
    assert ("; what is wrong begins in line 7" in problem.problem) is begins
    assert begins or "(at line 7" in problem.problem
