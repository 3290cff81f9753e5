"""The catalogue: every sentence that is used is there, none is unused, and times read as people say them."""

import ast
import re
import string
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import handlers
import service.core
from handlers.answer import own_words
from handlers.words import normal, split
from tests.handlers.catalogues import TYPED
from tests.handlers.story import WORDS

NOW = datetime(2026, 11, 27, 13, 0, tzinfo=UTC)
_KEY = re.compile(r"[a-z]+\.[a-z_]+")
_COMMANDS = sorted(key for key in WORDS.keys("en") if key.startswith("command."))


@cache
def _keys_in_code() -> set[str]:
    """Every string constant of the handlers and the rules that has the form of a key."""
    found: set[str] = set()
    for package in (handlers, service.core):
        for file in Path(package.__path__[0]).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                value = node.value if isinstance(node, ast.Constant) else None
                if isinstance(value, str) and _KEY.fullmatch(value):
                    found.add(value)
    return found


@pytest.mark.parametrize("language", WORDS.languages)
def test_every_key_in_the_code_has_a_sentence_and_none_is_unused(language: str) -> None:
    """What the code says exists in every language, and nothing stands there that nobody says."""
    assert WORDS.keys(language) == _keys_in_code()


def test_a_missing_sentence_or_value_raises() -> None:
    """A hole is our bug and must fail loudly, never be sent."""
    with pytest.raises(KeyError):
        WORDS.text("en", "menu.nowhere")
    with pytest.raises(KeyError):
        WORDS.text("en", "menu.hello", community="Elm House")
    with pytest.raises(KeyError):
        WORDS.text("xx", "menu.menu")
    with pytest.raises(KeyError):
        WORDS.text("en", "held.waiting")


@given(st.text())
def test_what_people_type_is_never_a_template(text: str) -> None:
    """Braces and percent signs of a person stay as they are."""
    assert WORDS.text("en", "words.quoted", text=text) == f"“{text}”"


def test_plural_forms_are_chosen_by_number() -> None:
    """One question waits; two questions wait."""
    assert WORDS.text("en", "held.waiting", n=1) == "1 question that waits for you."
    assert WORDS.text("en", "held.waiting", n=2) == "2 questions that wait for you."


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(hours=3), "Friday 27 November, 17:00 Berlin (in 3 hours)"),
        (timedelta(minutes=45), "Friday 27 November, 14:45 Berlin (in 45 minutes)"),
        (timedelta(minutes=60), "Friday 27 November, 15:00 Berlin (in 1 hour)"),
        (timedelta(minutes=80), "Friday 27 November, 15:20 Berlin (in 80 minutes)"),
        (timedelta(days=2), "Sunday 29 November, 14:00 Berlin (in 2 days)"),
        (timedelta(seconds=40), "Friday 27 November, 14:00 Berlin (in 40 seconds)"),
        (timedelta(0), "Friday 27 November, 14:00 Berlin (now)"),
        (-timedelta(seconds=4), "Friday 27 November, 13:59 Berlin (now)"),
        (-timedelta(minutes=5), "Friday 27 November, 13:55 Berlin (5 minutes ago)"),
        (timedelta(days=330), "Saturday 23 October, 15:00 Berlin (in 11 months)"),
        (timedelta(days=361), "Tuesday, 23 November 2027, 14:00 Berlin (in 12 months)"),
        (-timedelta(days=361), "Monday, 1 December 2025, 14:00 Berlin (12 months ago)"),
    ],
)
def test_an_instant_is_said_with_weekday_date_zone_and_distance(length: timedelta, said: str) -> None:
    """Rule 7: as weekday, date, local time and zone, with the distance."""
    assert WORDS.when(NOW + length, "Europe/Berlin", NOW, "en") == said


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(hours=3), "viernes, 27 de noviembre, 17:00 en Berlín (dentro de 3 horas)"),
        (-timedelta(minutes=5), "viernes, 27 de noviembre, 13:55 en Berlín (hace 5 minutos)"),
        (timedelta(0), "viernes, 27 de noviembre, 14:00 en Berlín (ahora)"),
        (timedelta(days=330), "sábado, 23 de octubre, 15:00 en Berlín (dentro de 11 meses)"),
        (timedelta(days=361), "martes, 23 de noviembre de 2027, 14:00 en Berlín (dentro de 12 meses)"),
    ],
)
def test_an_instant_is_said_as_the_language_says_it(length: timedelta, said: str) -> None:
    """The weekday whole, the city by its name there, the distance in its words: all by CLDR."""
    assert WORDS.when(NOW + length, "Europe/Berlin", NOW, "es") == said


def test_numbers_are_written_as_the_language_writes_them() -> None:
    """By CLDR: a thousand has a comma in English, ten thousand a point in Spanish."""
    assert "That is 1,200 characters" in WORDS.text("en", "talk.too_long", n=1200, longest=500)
    assert "Son 12.000 caracteres" in WORDS.text("es", "talk.too_long", n=12000, longest=500)


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(minutes=30), "30 minutes"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(hours=1, minutes=30), "1 hour and 30 minutes"),
        (timedelta(days=3), "3 days"),
        (timedelta(days=14), "14 days"),
        (timedelta(days=28), "4 weeks"),
        (timedelta(days=30), "30 days"),
        (timedelta(days=91), "3 months"),
        (timedelta(days=100), "100 days"),
        (timedelta(weeks=8), "8 weeks"),
        (timedelta(weeks=26), "6 months"),
        (timedelta(weeks=52), "1 year"),
        (timedelta(days=365), "1 year"),
        (timedelta(days=182, hours=3), "182 days and 3 hours"),
        (timedelta(seconds=20), "20 seconds"),
        (timedelta(minutes=2, seconds=5), "2 minutes and 5 seconds"),
    ],
)
def test_a_length_is_said_in_whole_words(length: timedelta, said: str) -> None:
    """A length of time has no decimals and no abbreviations."""
    assert WORDS.duration(length, "en") == said


@pytest.mark.parametrize("language", WORDS.languages)
def test_no_two_commands_share_a_word(language: str) -> None:
    """Each command's word means one thing."""
    words = [normal(word) for key in _COMMANDS for word in split(WORDS.text(language, key))]
    assert len(words) == len(set(words))


_UNKIND = re.compile(r"\b(invalid|error|oops|unfortunately|please note|you missed|awesome)\b", re.IGNORECASE)


def _sentences(text: str) -> list[str]:
    return [one for one in re.split(r"[.!?:\n]+(?:\s|$)", text) if one.strip()]


def test_sentences_are_short_and_literal() -> None:
    """Rule 5: short sentences, nobody blamed, no cheer."""
    keys = WORDS.keys("en")
    assert len(keys) > 1000
    for key in sorted(keys):
        message = WORDS._catalogs["en"].get(key)
        assert message is not None, key
        forms = [message.string] if isinstance(message.string, str) else list(message.string or ())
        for text in forms:
            assert not _UNKIND.search(text), key
            assert "!" not in text, key
            # What people type is words of which each stands alone.
            for sentence in split(text) if key.startswith(TYPED) else _sentences(text):
                plain = "".join(part[0] for part in string.Formatter().parse(sentence))
                assert len(plain.split()) <= 32, (key, sentence)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (" YES. ", "yes"),
        ("\uff12", "2"),
        ("2)", "2"),
        ("(2)", "2"),
        ("“stop”", "stop"),
        ("Help   Now!", "help now"),
        ("1. yes", "1. yes"),
        ("yes but I'm scared", "yes but i'm scared"),
    ],
)
def test_case_width_and_punctuation_do_not_matter(typed: str, read: str) -> None:
    """Rule 1: case, punctuation and `2.` are fine; words around it are not."""
    assert normal(typed) == read


def test_own_words_keep_lines_and_lose_what_could_deceive() -> None:
    """Line breaks stay; control characters and turned text go; too long is not cut."""
    assert own_words("one\ntwo\x07\u202ethree", 100) == "one\ntwothree"
    assert own_words("x" * 11, 10) is None


@pytest.mark.parametrize(
    ("language", "items", "said"),
    [
        ("es", ("duelo", "ideas de suicidio"), "duelo e ideas de suicidio"),
        ("es", ("duelo", "Historia", "hijos"), "duelo, Historia e hijos"),
        ("es", ("ideas", "duelo"), "ideas y duelo"),
        ("es", ("agua", "hielo"), "agua y hielo"),
        ("es", ("ideas",), "ideas"),
        ("en", ("art", "ideas"), "art and ideas"),
    ],
)
def test_a_list_is_joined_as_it_is_spoken(language: str, items: tuple[str, ...], said: str) -> None:
    """In Spanish "y" is "e" before its own sound, which CLDR's patterns alone do not know."""
    assert WORDS.listing(items, language) == said


def test_one_of_several_is_joined_as_it_is_spoken() -> None:
    """In Spanish "o" is "u" before its own sound."""
    assert WORDS.either(("siete", "ocho"), "es") == "siete u ocho"
    assert WORDS.either(("uno", "dos"), "es") == "uno o dos"
