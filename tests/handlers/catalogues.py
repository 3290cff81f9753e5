"""What must hold between a language's catalogue and the English one.

Guards: whoever translates cannot lose a sentence, a number, a value or a word that people type without a test
that names it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from string import Formatter

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from handlers.words import normal, split

TYPED = ("command.", "spell.", "line.", "steward.command_")
"""Of these every word is typed by people and none is shown, so that languages may have more or fewer."""


def load(file: Path | bytes, language: str) -> Catalog:
    """The catalogue of a .po file."""
    return _parsed(file if isinstance(file, bytes) else file.read_bytes(), language)


@lru_cache(maxsize=16)
def _parsed(raw: bytes, language: str) -> Catalog:
    """The one catalogue of these bytes; whoever looks at it changes nothing in it."""
    return read_po(BytesIO(raw), locale=language, abort_invalid=True)


def key(message: Message) -> str:
    """The key of a sentence."""
    return message.id if isinstance(message.id, str) else message.id[0]


def forms(message: Message) -> Sequence[str]:
    """The sentence, in each of its plural forms."""
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


def values(text: str) -> set[str]:
    """The names of the values that are put into a sentence."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def numbers(text: str) -> list[str]:
    """The numbers that stand in a sentence, in their order."""
    return re.findall(r"\d+", text)


def commands(catalog: Catalog) -> list[tuple[str, str]]:
    """Every word of the language that is a command, and its key."""
    found = (one for one in catalog if one.id and key(one).startswith("command."))
    return [(normal(word), key(one)) for one in found for word in split(forms(one)[0])]


def faults(english: Catalog, other: Catalog) -> list[str]:
    """What is wrong with `other` beside `english`, each as its key and a word for it; or nothing."""
    ours = {key(message): message for message in english if message.id}
    theirs = {key(message): message for message in other if message.id}
    found = [f"{name}: missing" for name in sorted(ours.keys() - theirs.keys())]
    found += [f"{name}: extra" for name in sorted(theirs.keys() - ours.keys())]
    found += [f"{key(message)}: obsolete" for message in other.obsolete.values()]
    for name in sorted(ours.keys() & theirs.keys()):
        found += [f"{name}: {fault}" for fault in _faults(name, ours[name], theirs[name], other.num_plurals)]
    return [*found, *_of_what_is_typed(english, other, ours, theirs)]


def _faults(name: str, ours: Message, theirs: Message, plurals: int) -> Iterator[str]:
    english, other = forms(ours), forms(theirs)
    if theirs.fuzzy:
        yield "fuzzy"
    if not other or not all(text.strip() and all(split(text)) for text in other):
        yield "empty"
        return
    if isinstance(ours.string, str) != isinstance(theirs.string, str):
        yield "plural"
        return
    if not isinstance(theirs.string, str) and len(other) != plurals:
        yield "plural"
    if name.startswith(TYPED):
        return
    needed = set().union(*map(values, english))
    if set().union(*map(values, other)) != needed or values(other[-1]) != values(english[-1]):
        yield "values"
    if (len(split(other[-1])) > 1) != (len(split(english[-1])) > 1):
        # A choice that can be said in other words too.
        yield "choice"
    if numbers(other[-1]) != numbers(english[-1]):
        yield "numbers"


def _of_what_is_typed(
    english: Catalog, other: Catalog, ours: dict[str, Message], theirs: dict[str, Message]
) -> Iterator[str]:
    """Whether each word that a sentence tells people to write is one, and does what the English one does."""
    known, own = dict(commands(english)), dict(commands(other))
    for name in sorted(ours.keys() & theirs.keys()):
        if name.startswith((*TYPED, "language.")):
            continue
        said = Counter(known[word] for word in _quoted(forms(ours[name])[-1]) if word in known)
        says = Counter(own[word] for word in _quoted(forms(theirs[name])[-1]) if word in own)
        if says != said:
            yield f"{name}: commands"
    count = Counter(word for word, _ in commands(other))
    for word, name in commands(other):
        if known.get(word, name) != name:
            yield f"{name}: means something else in English"
        if count[word] > 1:
            yield f"{name}: twice"


def _quoted(text: str) -> list[str]:
    return [normal(word) for word in re.findall(r"“([^”{}]+)”", text)]
