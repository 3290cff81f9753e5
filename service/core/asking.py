"""What a member said in one line that asks for company: "talk listening burnout 2h tomorrow 18:00".

Guards: nothing is taken that was not said, and nothing is guessed: what is said in two ways, or is out of
bounds, is left out and named; a topic with one slip of the keys in it is named as it was read; a line that
has a denial in it, or more of other words than of known ones, is a sentence, of which nothing is taken.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.core.slips import one_slip

_MOMENT = 5
"""Words that an hour may take: "from tomorrow at 6 pm"."""

_LONGEST_LINE = 300
"""Characters; whatever is longer is a sentence."""

_SHORTEST_SLIP = 5
"""Letters of a topic at least that is read where one of them is wrong; its first must be right."""

_APART = re.compile(r"[\s,;+&/]+")
_GLUED = re.compile(r"(\d{1,5})([^\W\d_]{1,20})")


@dataclass(frozen=True)
class Vocabulary:
    """The words that mean something in a line, each as `phrase` makes it; one may be several words long.

    `wishes` and `topics` say what each means, `lengths` are whole ones ("an hour"), `units` what stands after
    a number; `voices` say whether voice is welcome, `languages` in which it is; `silent` words say nothing,
    `denials` turn what stands beside them round; `linked` say that linked communities are to be asked too.
    `moment` reads words that name an hour or a day to come ("tomorrow 18:00"), else None.
    """

    wishes: Mapping[str, str]
    topics: Mapping[str, str]
    lengths: Mapping[str, timedelta]
    units: Mapping[str, timedelta]
    voices: Mapping[str, bool]
    languages: Mapping[str, str]
    silent: Collection[str]
    denials: Collection[str]
    moment: Callable[[str], datetime | None] = lambda words: None
    linked: Collection[str] = ()


@dataclass(frozen=True)
class Line:
    """What was said: None or nothing where it was not.

    `unknown` are words that mean nothing here, `left_out` those that were understood and not taken, since
    another said something else; `out_of_bounds` is a length that is not to be had. `slips` are words that
    were read as a topic with one slip in them, each with the topic. Where `sentence` is true nothing else is
    set.
    """

    wish: str | None = None
    topics: tuple[str, ...] = ()
    length: timedelta | None = None
    voice: bool | None = None
    languages: tuple[str, ...] = ()
    start: datetime | None = None
    unknown: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    out_of_bounds: timedelta | None = None
    slips: tuple[tuple[str, str], ...] = ()
    linked: bool = False
    sentence: bool = False


SENTENCE = Line(sentence=True)


def phrase(text: str, normal: Callable[[str], str]) -> str:
    """`text` as a vocabulary has it: its words, each as `normal` leaves it, one space between two."""
    return " ".join(word for word in map(normal, _APART.split(text)) if word)


def read(
    said: str,
    vocabulary: Vocabulary,
    normal: Callable[[str], str],
    shortest: timedelta,
    longest: timedelta,
) -> Line:
    """What `said` asks for, without the word that began it. Never raises.

    `normal` strips a word of case and punctuation; a length counts from `shortest` to `longest`.
    """
    if len(said) > _LONGEST_LINE:
        return SENTENCE
    words = [word for word in map(normal, _APART.split(said)) if word]
    wishes: dict[str, str] = {}
    topics: dict[str, None] = {}
    lengths: dict[timedelta, str] = {}
    voices: dict[bool, str] = {}
    languages: dict[str, None] = {}
    starts: dict[datetime, str] = {}
    unknown: list[str] = []
    slips: dict[str, str] = {}
    linked = False
    at = 0
    while at < len(words):
        size, start = _moment(words[at:], vocabulary)
        if start is not None:
            starts[start] = " ".join(words[at : at + size])
            at += size
            continue
        size, found = _longest(words[at:], vocabulary)
        if found in vocabulary.topics:
            topics[vocabulary.topics[found]] = None
        elif found in vocabulary.wishes:
            wishes[vocabulary.wishes[found]] = found
        elif found in vocabulary.lengths:
            lengths[vocabulary.lengths[found]] = found
        elif found in vocabulary.voices:
            voices[vocabulary.voices[found]] = found
        elif found in vocabulary.languages:
            languages[vocabulary.languages[found]] = None
        elif found in vocabulary.linked:
            linked = True
        elif found in vocabulary.denials:
            return SENTENCE
        elif found not in vocabulary.silent:
            size, length = _length(words[at:], vocabulary.units)
            if length is not None:
                lengths[length] = " ".join(words[at : at + size])
            elif (meant := _meant(words[at:], vocabulary.topics)) is not None:
                size, topic = meant
                topics[topic] = None
                slips[" ".join(words[at : at + size])] = topic
            else:
                unknown.append(words[at])
        at += size
    known = len(wishes) + len(topics) + len(lengths) + len(voices) + len(languages) + len(starts) + linked
    if len(unknown) > max(known, 1):
        return SENTENCE
    wish = next(iter(wishes)) if len(wishes) == 1 else None
    length = next(iter(lengths)) if len(lengths) == 1 else None
    within = length is not None and shortest <= length <= longest
    return Line(
        wish=wish,
        topics=tuple(topics),
        length=length if within else None,
        voice=next(iter(voices)) if len(voices) == 1 else None,
        languages=tuple(languages),
        start=next(iter(starts)) if len(starts) == 1 else None,
        unknown=tuple(dict.fromkeys(unknown)),
        left_out=tuple(one for said in (wishes, lengths, voices, starts) for one in _several(said.values())),
        out_of_bounds=None if within else length,
        slips=tuple(slips.items()),
        linked=linked,
    )


def length(
    said: str,
    lengths: Mapping[str, timedelta],
    units: Mapping[str, timedelta],
    normal: Callable[[str], str],
) -> timedelta | None:
    """The length of time that `said` is, and no more: "2h", "20 min", "an hour"; None for anything else."""
    if len(said) > _LONGEST_LINE:
        return None
    words = [word for word in map(normal, _APART.split(said)) if word]
    if (whole := lengths.get(" ".join(words))) is not None or not words:
        return whole
    size, found = _length(words, units)
    return found if size == len(words) else None


def _meant(words: list[str], topics: Mapping[str, str]) -> tuple[int, str] | None:
    """How many of the first words are a topic but for one slip, and it; None where there is not just one."""
    for size in range(min(len(words), max((len(one.split()) for one in topics), default=0) + 1), 0, -1):
        said = " ".join(words[:size])
        near = {
            topic
            for one, topic in topics.items()
            if len(one) >= _SHORTEST_SLIP and said[0] == one[0] and one_slip(said, one)
        }
        if len(near) == 1:
            return size, near.pop()
    return None


def _several(phrases: Collection[str]) -> Iterable[str]:
    return phrases if len(phrases) > 1 else ()


def _moment(words: list[str], vocabulary: Vocabulary) -> tuple[int, datetime | None]:
    """The longest run of words at the beginning that names an hour to come, and its size."""
    for size in range(min(_MOMENT, len(words)), 0, -1):
        if (found := vocabulary.moment(" ".join(words[:size]))) is not None:
            return size, found
    return 0, None


def _longest(words: list[str], vocabulary: Vocabulary) -> tuple[int, str]:
    """The longest phrase of the vocabulary that the words begin with, and its size; else the first word."""
    every = (
        vocabulary.topics,
        vocabulary.wishes,
        vocabulary.lengths,
        vocabulary.voices,
        vocabulary.languages,
        vocabulary.linked,
        vocabulary.denials,
        vocabulary.silent,
    )
    most = max((len(one.split()) for known in every for one in known), default=1)
    for size in range(min(most, len(words)), 0, -1):
        found = " ".join(words[:size])
        if any(found in known for known in every):
            return size, found
    return 1, words[0]


def _length(words: list[str], units: Mapping[str, timedelta]) -> tuple[int, timedelta | None]:
    """The length that the words begin with, as "2h" or as "2 hours", and how many words it takes."""
    if (glued := _GLUED.fullmatch(words[0])) and (unit := units.get(glued[2])) is not None:
        return 1, int(glued[1]) * unit
    if len(words) > 1 and words[0].isdecimal() and len(words[0]) <= 5 and words[1] in units:
        return 2, int(words[0]) * units[words[1]]
    return 1, None
