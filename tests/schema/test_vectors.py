"""The protocol by its vectors: read by another program, by our own, and by the JSON Schemas."""

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # Its types are a package of their own.
import pytest

from schema.json import FOLDER
from schema.wire import KINDS
from tests.linked import Desk, desks
from tests.schema import another
from tests.schema.partner import Keys, Partner, Refused
from tests.schema.vectors import FILE, vectors

VECTORS: dict[str, Any] = json.loads(FILE.read_text())
NORTH, SOUTH = VECTORS["sides"]["north"], VECTORS["sides"]["south"]


def _keys(side: dict[str, Any]) -> another.Keys:
    return another.Keys(side["signing_seed"], side["sealing_seed"])


def test_another_program_encodes_the_same() -> None:
    """One encoding for each value."""
    for one in VECTORS["encodings"]:
        assert another.canonical(one["value"]).hex() == one["hex"]


def test_x_wing_is_that_of_its_draft() -> None:
    """The first published key pair (draft-connolly-cfrg-xwing-kem, appendix C) begins as it does there."""
    seed = "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26"
    _, sealing = another.Keys("00" * 32, seed).public()
    published = "e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5b19cfc3d"
    assert another.bytes_of(sealing).hex().startswith(published)


def test_another_program_comes_to_the_same_words() -> None:
    """From the seeds and the openings alone: names, commitments, transcript and six words."""
    link = VECTORS["link"]
    said: dict[str, dict[str, Any]] = {}
    for opening in VECTORS["openings"]:
        sender = next(side for side in (NORTH, SOUTH) if side["party"] != opening["audience"])
        said.setdefault(sender["party"], {})[opening["body"]["kind"]] = opening["body"]
    steps = []
    for side in sorted((NORTH, SOUTH), key=lambda side: str(side["party"])):
        party = another.party(link, side["desk"])
        hello, keys = said[party]["hello"], said[party]["key_change"]
        assert (party, hello, keys) == (side["party"], side["hello"], side["key_change"])
        assert _keys(side).public() == (keys["signing"], keys["sealing"])
        committed = another.digest("commitment", {"link": link, "sender": party, "keys": keys})
        assert committed.hex() == hello["commitment"]
        steps.append({"sender": party, "hello": hello, "keys": keys})
    made = another.digest("transcript", {"link": link, "before": "", "steps": steps}).hex()
    assert made == VECTORS["transcript"]
    assert another.six_words(made, VECTORS["words"]) == VECTORS["six_words"]


def test_another_program_opens_every_envelope() -> None:
    """One of each kind."""
    kinds = set()
    for one in VECTORS["envelopes"]:
        plain = another.read(
            one["content"], _keys(SOUTH), NORTH["key_change"]["signing"], VECTORS["transcript"]
        )
        assert plain == another.canonical(one["body"])
        kinds.add(one["body"]["kind"])
    assert kinds == set(KINDS)


def test_the_schemas_describe_what_is_there() -> None:
    """Every envelope, opening and body is valid, and is not with a field more or less."""
    schemas = {
        name: json.loads((FOLDER / f"{name}.json").read_text()) for name in ("envelope", "opening", "body")
    }
    valid = [("opening", opening) for opening in VECTORS["openings"]]
    for one in VECTORS["envelopes"]:
        valid += [("envelope", one["content"]), ("body", one["body"])]
    for name, value in valid:
        checker = jsonschema.Draft202012Validator(schemas[name])
        checker.validate(value)
        assert not checker.is_valid(value | {"more": 1})
        assert not checker.is_valid({field: value[field] for field in list(value)[1:]})


def _agreed() -> Desk:
    """Our side of the link in the vectors, as the south has it once its stewards agreed to it."""
    _, south = desks()
    south.take(VECTORS["openings"][0])
    south.agree()
    return south


def _south() -> Desk:
    """The same once the words were compared."""
    south = _agreed()
    for opening in VECTORS["openings"][1:]:
        if opening["audience"] == south.us:
            assert south.take(opening).refusal is None
    south.confirm()
    return south


def test_ours_takes_every_envelope() -> None:
    """In order, as the south: each says what it is written down to say."""
    south = _south()
    for one in VECTORS["envelopes"]:
        if one["body"]["kind"] in ("hello", "key_change"):
            continue
        taken = south.take(one["content"])
        assert taken.refusal is None
        assert taken.body is not None
        assert taken.body.model_dump(mode="json") == one["body"]


def test_ours_refuses_what_is_to_be_refused() -> None:
    """Each by its name, after the first two envelopes and those that are named with it were taken."""
    south = _south()
    for one in VECTORS["envelopes"][:2]:
        assert south.take(one["content"]).refusal is None
    before = south.link
    for one in VECTORS["refused"]:
        for content in one["after"]:
            assert south.take(content).refusal is None, one["what"]
        assert south.take(one["content"]).refusal == one["why"], one["what"]
        south.link = before


def test_ours_refuses_steps_that_are_to_be_refused() -> None:
    """In the making of the first keys, after the other's commitment and our two steps."""
    south = _agreed()
    before = south.link
    for one in VECTORS["refused_openings"]:
        assert south.take(one["content"]).refusal == one["why"], one["what"]
        south.link = before


def _partner(name: str) -> Partner:
    """The program that was written from the page, as one of the two sides, with its keys from the vectors."""
    side, other = VECTORS["sides"][name], VECTORS["sides"]["south" if name == "north" else "north"]
    keys = Keys(1, 1, (side["signing_seed"], side["sealing_seed"]))
    assert keys.shown == side["key_change"] | {"nonce": keys.shown["nonce"]}
    keys.shown = side["key_change"]
    partner = Partner(side["desk"], other["desk"], side["hello"]["terms"], VECTORS["link"], "A collective")
    partner.now = VECTORS["now"]
    partner.begin(keys=keys)
    assert partner.hello == side["hello"]
    return partner


def _linked(name: str) -> Partner:
    """The same once it made the link, and its stewards compared the words."""
    partner = _partner(name)
    for opening in VECTORS["openings"]:
        if opening["audience"] == partner.us:
            partner.hear(opening)
    assert partner.epochs[1].transcript == VECTORS["transcript"]
    assert partner.six_words() == VECTORS["six_words"]
    partner.confirm()
    return partner


@pytest.mark.parametrize(("name", "from_other"), [("south", "envelopes"), ("north", "answers")])
def test_a_partner_takes_every_envelope(name: str, from_other: str) -> None:
    """Either side's, in order: each says what it is written down to say."""
    partner = _linked(name)
    for one in VECTORS[from_other]:
        assert partner.hear(one["content"]) == one["body"]
        # What follows is there to be read all the same.
        partner.over = partner.paused = False


@pytest.mark.parametrize("one", VECTORS["refused"], ids=lambda one: f"{one['why']}: {one['what']}")
def test_a_partner_refuses_what_is_to_be_refused(one: dict[str, Any]) -> None:
    """By the same name, after the same was taken."""
    partner = _linked("south")
    for taken in (*(two["content"] for two in VECTORS["envelopes"][:2]), *one["after"]):
        partner.hear(taken)
    with pytest.raises(Refused, match=f"^{one['why']}$"):
        partner.hear(one["content"])


@pytest.mark.parametrize("one", VECTORS["refused_openings"], ids=lambda one: f"{one['why']}: {one['what']}")
def test_a_partner_refuses_steps_that_are_to_be_refused(one: dict[str, Any]) -> None:
    """In the making of the first keys, by the same name."""
    partner = _partner("south")
    partner.hear(VECTORS["openings"][0])
    with pytest.raises(Refused, match=f"^{one['why']}$"):
        partner.hear(one["content"])


def test_a_partner_comes_to_the_keys_of_the_second_epoch() -> None:
    """The other side's steps cross sealed; the words are others, and what comes with the new keys is read."""
    partner, second = _linked("south"), VECTORS["second_epoch"]
    side = second["sides"]["south"]
    partner.hear(VECTORS["envelopes"][0]["content"])
    keys = Keys(2, 1, (side["signing_seed"], side["sealing_seed"]))
    keys.shown = side["key_change"]
    partner.begin("rotate", keys=keys)
    assert partner.hello == side["hello"]
    for one in VECTORS["envelopes"][-2:]:
        assert partner.hear(one["content"]) == one["body"]
    assert partner.epochs[2].transcript == second["transcript"]
    assert partner.six_words() == second["six_words"]
    for one in second["envelopes"]:
        assert partner.hear(one["content"]) == one["body"]


def test_what_is_not_random_in_the_vectors_has_not_drifted() -> None:
    """All but what is sealed comes out the same when they are written anew."""

    def fixed(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: fixed(one) for name, one in value.items() if name not in ("sealed", "signature")}
        return [fixed(one) for one in value] if isinstance(value, list) else value

    again = json.loads(json.dumps(vectors()))
    assert fixed(again) == fixed(VECTORS), "run: python -m tests.schema.vectors"
