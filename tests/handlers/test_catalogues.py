"""Each language's catalogue beside the English one; and that what checks it finds what it looks for."""

import ast
import re
from functools import cache
from pathlib import Path
from string import Formatter

import pytest

import handlers
from handlers.words import ALWAYS, PLACE, Catalogue
from tests.handlers.catalogues import TYPED, faults, forms, key, load

_FILES = {file.stem: file for file in sorted(PLACE.glob("*.po"))}
_OTHERS = sorted(_FILES.keys() - {ALWAYS})


@pytest.mark.parametrize("language", _OTHERS)
def test_a_language_has_every_sentence_number_value_and_word_to_type(language: str) -> None:
    """What is missing, extra or different beside English is named."""
    assert faults(load(_FILES[ALWAYS], ALWAYS), load(_FILES[language], language)) == []


@cache
def _sets_of_choices() -> set[tuple[str, ...]]:
    """The choices that stand together in the code, each by the key of its words."""
    found: set[tuple[str, ...]] = set()
    for file in Path(handlers.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Tuple):
                texts = [
                    part.value
                    for one in node.elts
                    for part in ast.walk(one)
                    if isinstance(part, ast.Constant) and str(part.value).startswith("choice.")
                ]
                found.add(tuple(dict.fromkeys(map(str, texts))))
    return {keys for keys in found if len(keys) > 1}


@pytest.mark.parametrize("language", sorted(_FILES))
def test_no_two_choices_of_one_question_share_a_word(language: str) -> None:
    """A word that is typed means one of them, in the language and in English."""
    words = Catalogue()
    sets = _sets_of_choices()
    assert len(sets) > 20
    for keys in sets:
        said = [word for key in keys for word in words.spoken(language, key)]
        assert len(said) == len(set(said)), (keys, sorted(said))


_OF_SEVERAL = re.compile(
    r"\b(?:vosotr[oa]s|vuestr[oa]s?|os|sois|\w+[aeáé]is|\w+ís|\w+[aeiáéí]d|\w+[aeí]os"
    r"|\w+[aeií]d(?:me|te|l[aeo]s?|nos|se))\b",
    re.IGNORECASE,
)
_OF_NO_VERB = frozenset(
    {
        *("seis", "país", "ciudad", "comunidad", "edad", "identidad", "mitad", "red", "seguridad"),
        *("usted", "verdad"),
    }
)


def _said_to_several(text: str) -> list[str]:
    """Words by which Spanish speaks to several as it is done in Spain alone: "sois", "os", "preguntadles"."""
    plain = "".join(part[0] for part in Formatter().parse(text))
    return [word for word in _OF_SEVERAL.findall(plain) if word.lower() not in _OF_NO_VERB]


def test_spanish_speaks_to_several_in_one_way() -> None:
    """As "ustedes", understood wherever it is spoken; the other form beside it reads as two voices."""
    shown = (one for one in load(_FILES["es"], "es") if one.id and not key(one).startswith(TYPED))
    found = {key(one): words for one in shown for text in forms(one) if (words := _said_to_several(text))}
    assert found == {}


@pytest.mark.parametrize(
    "said",
    [
        "Digan quiénes sois.",
        "Leeos las palabras.",
        "Cuando las comparéis.",
        "Preguntadles.",
        "Comparadlas.",
        "¿Podéis leer?",
        "Escribid aquí.",
        "Lo que decís.",
        "Una de vosotras.",
        "Os aviso.",
        "Vuestro enlace.",
        "Habéis leído.",
    ],
)
def test_what_looks_for_the_other_way_finds_it(said: str) -> None:
    """Each of its endings and words."""
    assert _said_to_several(said)


def test_in_spanish_what_does_not_cross_a_link_is_not_said_to_be_all_right() -> None:
    """“No pasa nada” is what people say for “never mind”: of a link it is said that nothing crosses it."""
    of_links = [one for one in load(_FILES["es"], "es") if key(one).startswith("link.")]
    assert len(of_links) > 50
    said = {key(one): " ".join(forms(one)).casefold() for one in of_links}
    assert [one for one, text in said.items() if re.search(r"\bno (pasa|ha pasado) nada\b", text)] == []


_BREAKS = {
    "missing": ("talk.change: missing", r'msgid "talk\.change"\nmsgstr "[^"]*"\n', ""),
    "extra": (
        "menu.menu2: extra",
        r'msgid "menu\.menu"\n',
        'msgid "menu.menu2"\nmsgstr "x"\n\nmsgid "menu.menu"\n',
    ),
    "empty": ("talk.change: empty", r'(msgid "talk\.change"\nmsgstr )"[^"]*"', r'\1""'),
    "a value lost": ("ask.topics: values", r'(msgid "ask\.topics"\nmsgstr ")[^"]*"', r'\1…"'),
    "a value misspelt": ("ask.rest: values", r'(msgid "ask\.rest"\nmsgstr "[^"]*)\{until\}', r"\1{untill}"),
    "a value too many": ("talk.change: values", r'(msgid "talk\.change"\nmsgstr ")', r"\1{n} "),
    "a number lost": (
        "talk.topics: numbers",
        r"(msgid \"talk\.topics\"\nmsgstr \"\"\n(?:\".*\"\n)*?\".*?)1 3",
        r"\g<1>1",
    ),
    "numbers turned round": (
        "talk.topics: numbers",
        r"(msgid \"talk\.topics\"\nmsgstr \"\"\n(?:\".*\"\n)*?\".*?)1 3",
        r"\g<1>3 1",
    ),
    "a choice's word lost": (
        "choice.talk: choice",
        r'(msgid "choice\.talk"\nmsgstr "[^"|]*) \| [^"]*',
        r"\1",
    ),
    "a choice's word empty": (
        "choice.talk: empty",
        r'(msgid "choice\.talk"\nmsgstr "[^"|]*) \| [^"]*',
        r"\1 | ",
    ),
    "a plural form lost": ("apart.list: empty", r'(msgid "apart\.list"\n.*\n.*\n)msgstr\[1\] ".*"\n', r"\1"),
    "a word to type lost": (
        "odd.not_read: commands",
        r'(msgid "odd\.not_read"\nmsgstr ""\n[^“]*)“[^”]*”',
        r"\1“xyz”",
    ),
    "another word to type": (
        "odd.not_read: commands",
        r'(msgid "odd\.not_read"\nmsgstr ""\n[^“]*)“[^”]*”',
        r"\1“status”",
    ),
    "two commands with one word": (
        "command.back: twice",
        r'(msgid "command\.back"\nmsgstr ")',
        r"\1status | ",
    ),
    "a command that is another in English": (
        "command.rest: means something else in English",
        r'(msgid "command\.rest"\nmsgstr ")',
        r"\1export | ",
    ),
}


def test_english_beside_itself_is_whole() -> None:
    """What is found in a broken one is not there before it is broken."""
    assert faults(load(_FILES[ALWAYS], ALWAYS), load(_FILES[ALWAYS].read_bytes(), ALWAYS)) == []


@pytest.mark.parametrize("broken", _BREAKS)
def test_what_checks_a_catalogue_finds_a_broken_one(broken: str) -> None:
    """With one thing broken the English catalogue is not whole beside itself, whatever that is."""
    fault, pattern, instead = _BREAKS[broken]
    text, count = re.subn(pattern, instead, _FILES[ALWAYS].read_text("utf-8"), count=1)
    assert count == 1
    assert fault in faults(load(_FILES[ALWAYS], ALWAYS), load(text.encode(), ALWAYS))


def test_a_language_is_a_file_and_no_code(tmp_path: Path) -> None:
    """A catalogue that lies beside the others is a language: it is spoken, and its words are understood."""
    text = _FILES[ALWAYS].read_text("utf-8").replace("Language: en_GB", "Language: nl")
    text = text.replace('msgstr "English | ', 'msgstr "Nederlands | ').replace(
        'msgstr "stop | ', 'msgstr "ophouden | '
    )
    (tmp_path / "nl.po").write_text(text, "utf-8")
    words = Catalogue({**_FILES, "nl": tmp_path / "nl.po"})
    assert "nl" in words.languages
    assert words.commands("nl")["ophouden"] == words.commands("nl")["stop"] == "command.stop"
    assert words.weekday(0, "nl") == "maandag"
    assert {"maandag", "monday"} <= words.weekdays("nl").keys()
