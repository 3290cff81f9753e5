"""One line that asks for company: what is taken of it, what is named, and what is a sentence."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.words import normal
from service.core.asking import SENTENCE, Line, Vocabulary, read

HOUR = timedelta(hours=1)
WORDS = Vocabulary(
    wishes={"listening": "listening", "ideas": "ideas", "company without much talk": "company"},
    topics={"burnout": "burnout", "thoughts of suicide": "Thoughts of suicide", "grief": "grief"},
    lengths={"half an hour": HOUR / 2, "an hour": HOUR},
    units={"h": HOUR, "hours": HOUR, "hour": HOUR, "min": HOUR / 60, "m": HOUR / 60, "day": 24 * HOUR},
    voices={"voice": True, "in writing": False},
    languages={"spanish": "es", "espanol": "es", "english": "en"},
    silent={"about", "for", "please", "to", "me"},
    denials={"no", "not", "without"},
)


def _read(said: str) -> Line:
    return read(said, WORDS, normal, timedelta(minutes=10), timedelta(days=3))


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("listening burnout 2h", Line("listening", ("burnout",), 2 * HOUR)),
        ("2h, burnout; LISTENING.", Line("listening", ("burnout",), 2 * HOUR)),
        ("30m", Line(length=HOUR / 2)),
        ("30 min", Line(length=HOUR / 2)),
        ("half an hour", Line(length=HOUR / 2)),
        ("for 2 hours about grief", Line(topics=("grief",), length=2 * HOUR)),
        ("1 day", Line(length=24 * HOUR)),
        ("thoughts of suicide ideas", Line("ideas", ("Thoughts of suicide",))),
        ("company without much talk", Line("company")),
        ("burnout & grief", Line(topics=("burnout", "grief"))),
        ("listening burnot", Line("listening", ("burnout",), slips=(("burnot", "burnout"),))),
        ("burn out 2h", Line(topics=("burnout",), length=2 * HOUR, slips=(("burn out", "burnout"),))),
        ("greif", Line(topics=("grief",), slips=(("greif", "grief"),))),
        (
            "thouhgts of suicide",
            Line(topics=("Thoughts of suicide",), slips=(("thouhgts of suicide", "Thoughts of suicide"),)),
        ),
        ("listening brief", Line("listening", unknown=("brief",))),
        ("listening bornot", Line("listening", unknown=("bornot",))),
        ("gardening", Line(unknown=("gardening",))),
        ("listening ideas", Line(left_out=("listening", "ideas"))),
        ("1h 2h listening", Line("listening", left_out=("1h", "2h"))),
        ("listening listening", Line("listening")),
        ("9 day", Line(out_of_bounds=9 * 24 * HOUR)),
        ("1 min", Line(out_of_bounds=HOUR / 60)),
        ("voice 2h", Line(length=2 * HOUR, voice=True)),
        ("in writing", Line(voice=False)),
        ("spanish english 2h español", Line(length=2 * HOUR, languages=("es", "en"))),
        ("voice in writing grief", Line(topics=("grief",), left_out=("voice", "in writing"))),
        ("2", Line(unknown=("2",))),
        ("to me please", Line()),
        ("", Line()),
        ("not listening", SENTENCE),
        ("burnout, no ideas", SENTENCE),
        ("I have been listening to voices for 2 hours", SENTENCE),
        ("x" * 301, SENTENCE),
    ],
)
def test_what_a_line_says(said: str, line: Line) -> None:
    """Any order; a word that is not known is named; nothing is taken of a sentence."""
    assert _read(said) == line


_WORD = st.sampled_from(
    [
        *WORDS.wishes,
        *WORDS.topics,
        *WORDS.lengths,
        *WORDS.units,
        *WORDS.silent,
        *WORDS.denials,
        "2",
        "2h",
        "x",
    ]
)


@given(st.lists(_WORD | st.text(max_size=12), max_size=12).map(" ".join) | st.text())
def test_no_line_raises_and_nothing_is_set_that_was_not_said(said: str) -> None:
    """Whatever is taken stands in the line, and a sentence gives nothing."""
    line = _read(said)
    plain = " ".join(normal(said).replace(",", " ").replace(";", " ").split())
    if line.wish is not None:
        assert any(word in plain for word, name in WORDS.wishes.items() if name == line.wish)
    for topic in line.topics:
        assert normal(topic) in " ".join(normal(word) for word in plain.split())
    if line.length is not None:
        assert timedelta(minutes=10) <= line.length <= timedelta(days=3)
        assert any(unit in plain for unit in (*WORDS.units, *WORDS.lengths))
    if line.sentence:
        assert line == SENTENCE
