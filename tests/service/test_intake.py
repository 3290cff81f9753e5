"""What comes across a link from a partner that means harm, and from whoever stands on the way."""

import base64
import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.errors import Malformed
from schema.states import LinkState
from schema.wire import SIZES, Body, Error, KeyChange, Note, Pause, Withdraw, canonical
from service.core.links import FUTURE, LONGEST, TOLD, End, Refusal, SetPause
from service.core.pace import Pace
from service.envelope import check_keys, decoded, encoded
from service.intake import Intake
from tests.linked import ASK, ID, NOW, Desk, desks, linked
from tests.schema import another

ONE, OTHER = linked()
"""A live link; whoever changes a side of it in a test works on a copy."""


def _copy(desk: Desk) -> Desk:
    made = copy.copy(desk)
    made.intake = Intake()
    return made


def _partner() -> tuple[another.Keys, str, str]:
    """The partner's keys as its program has them, our sealing key, and the transcript."""
    keys = ONE.secrets[1]
    epoch = ONE.link.epochs[0]
    return another.Keys(keys.signing.hex(), keys.sealing.hex()), epoch.theirs.sealing, epoch.made


def _header(**changed: Any) -> dict[str, Any]:
    issued = int(NOW.timestamp())
    header = {
        "version": 1,
        "link": ID,
        "audience": OTHER.us,
        "epoch": 1,
        "counter": 50,
        "issued": issued,
        "expires": issued + 3600,
    }
    return header | changed


def _signed(plain: bytes, padded: int | None = None, **changed: Any) -> dict[str, Any]:
    """An envelope that the partner did sign and seal, around whatever bytes."""
    keys, ours, made = _partner()
    return another.write(_header(**changed), plain, keys, ours, made, padded)


def _forged(**changed: Any) -> dict[str, Any]:
    """The same, signed by nobody that we know."""
    return _signed(canonical(ASK), **changed) | {"signature": "A" * 86}


ISSUED = int(NOW.timestamp())
NOTE = Note(request="1" * 32, answer="2" * 32, note="Hello.", how=())


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (None, Refusal.SHAPE),
        ([], Refusal.SHAPE),
        ({}, Refusal.SHAPE),
        ({"version": "1"}, Refusal.SHAPE),
        ({"version": 1, "sealed": "A" * 13_000}, Refusal.SIZE),
        ({"version": 1, "sealed": float("nan")}, Refusal.SHAPE),
        ({"version": 1, "body": "\ud800"}, Refusal.SHAPE),
        ({"version": 1, 2: "a name that JSON does not have"}, Refusal.SHAPE),
        (_forged() | {"more": 1}, Refusal.SHAPE),
        (_forged() | {"counter": 50.0}, Refusal.SHAPE),
        (_forged() | {"counter": True}, Refusal.SHAPE),
        (_forged() | {"counter": 2**53}, Refusal.SHAPE),
        (_forged() | {"counter": 0}, Refusal.SHAPE),
        (_forged() | {"signature": "A" * 85 + "="}, Refusal.SHAPE),
        (_signed(canonical(ASK), version=2), Refusal.VERSION),
        (_forged(version=2), Refusal.FORGED),
        (_signed(canonical(ASK), link="f" * 32), Refusal.LINK),
        (_signed(canonical(ASK), version=2, link="f" * 32), Refusal.LINK),
        (_signed(canonical(ASK), audience=ONE.us), Refusal.AUDIENCE),
        (_signed(canonical(ASK), epoch=2), Refusal.EPOCH),
        (_signed(canonical(ASK), version=2, epoch=2), Refusal.EPOCH),
        (_signed(canonical(ASK), issued=ISSUED - 10, expires=ISSUED), Refusal.EXPIRED),
        (_signed(canonical(ASK), issued=ISSUED + 301), Refusal.FUTURE),
        (_signed(canonical(ASK), expires=ISSUED + 8 * 86400 + 1), Refusal.FUTURE),
        (_signed(canonical(ASK), counter=1, issued=ISSUED), Refusal.AGAIN),
        (_forged(), Refusal.FORGED),
        (_forged(counter=1, issued=ISSUED + 1), Refusal.FORGED),
        (_signed(b""), Refusal.SEAL),
        (_signed(b"\xff" * 1024), Refusal.SEAL),
        (_signed(b"[" * 6656), Refusal.SEAL),
        (_signed(canonical(ASK) + b" "), Refusal.SEAL),
        (_signed(canonical(ASK).replace(b'":', b'": ', 1)), Refusal.SEAL),
        (_signed(b'{"kind":"cut","kind":"cut"}'), Refusal.SEAL),
        (_signed(b'{"kind":"cut","reason":"@ana:north.example"}'), Refusal.SEAL),
        (_signed(b'{"kind":"concern"}'), Refusal.SEAL),
        (_signed(b'{"kind":"pause","paused":1.0}'), Refusal.SEAL),
        (_signed(canonical(ASK), padded=3072), Refusal.SEAL),
        (_signed(canonical(ASK), padded=1025), Refusal.SEAL),
        (_signed(canonical(ASK) + b"\0" * 100 + b"x"), Refusal.SEAL),
        (_signed(canonical(ASK.model_copy(update={"topics": ("weather",)}))), Refusal.TERMS),
        (_signed(canonical(ONE.steps(7, "rotate")[0])), Refusal.TURN),
    ],
)
def test_each_refusal_by_its_name(content: Any, refusal: Refusal) -> None:
    """A partner hears of two of them, and that only where it signed what was refused."""
    us = _copy(OTHER)
    taken = us.intake.take(content, us.link, us.secrets, NOW)
    assert (taken.refusal, taken.body) == (refusal, None)
    said = [body for _, body in taken.crosses]
    code = TOLD.get(refusal)
    assert said == ([Error(code=code, versions=(1,))] if code else [])
    counted = (Refusal.SEAL, Refusal.TERMS, Refusal.TURN)
    assert (taken.link == us.link) is (refusal not in counted)
    if refusal in counted:
        # Its counter is used up: the same again costs no key.
        assert us.intake.take(content, taken.link, us.secrets, NOW).refusal is Refusal.AGAIN


def test_what_is_for_no_link_is_refused() -> None:
    """Nothing is worked out for it, and nothing is said."""
    for content in (_signed(canonical(ASK)), _signed(canonical(ASK), version=2), desks()[0].propose()[0]):
        assert Intake().take(content, None, {}, NOW).refusal is Refusal.LINK


def test_a_message_late_by_the_width_is_refused() -> None:
    """And one within it is taken, behind newer ones."""
    us = _copy(OTHER)
    for counter, refusal in ((5000, None), (4000, None), (3976, Refusal.LATE)):
        assert us.take(_signed(canonical(NOTE), counter=counter)).refusal is refusal


def test_a_paused_or_cut_link_says_nothing_to_what_comes() -> None:
    """Neither that it is paused, nor that it is over."""
    us = _copy(OTHER)
    us.move(SetPause(True))
    taken = us.take(_signed(canonical(ASK)))
    assert (taken.refusal, taken.crosses) == (Refusal.KIND, ())
    us.move(End())
    for content in (_signed(canonical(ASK), counter=51), _signed(canonical(ASK), version=2, counter=52)):
        taken = us.take(content)
        assert (taken.refusal, taken.crosses) == (Refusal.OVER, ())


def test_a_partner_is_told_of_a_refusal_once_in_an_hour() -> None:
    """Whatever it sends, it cannot have us send as much."""
    us = _copy(OTHER)
    said = [us.take(_signed(canonical(ASK), version=2, counter=counter)).crosses for counter in range(60, 70)]
    assert [len(one) for one in said] == [1] + [0] * 9
    later = NOW + timedelta(hours=1)
    again = us.intake.take(_signed(canonical(ASK), version=2), us.link, us.secrets, later)
    assert len(again.crosses) == 1


def test_no_more_are_worked_on_than_the_pace_allows() -> None:
    """A flood of forged ones costs as many signatures as that, and another link pays nothing of it."""
    us = _copy(OTHER)
    us.intake = Intake(Pace(most=5, every=60))
    refused = [us.take(_forged(counter=100 + place)).refusal for place in range(20)]
    assert refused == [Refusal.FORGED] * 5 + [Refusal.PACE] * 15
    us.intake.forget(us.link.id)
    assert us.take(_signed(canonical(ASK))).refusal is None


def test_what_one_wrote_for_another_is_not_for_us() -> None:
    """Neither sent back at its writer, nor under another's name, nor with another header."""
    one, other = _copy(ONE), _copy(OTHER)
    content = one.say(ASK)
    assert isinstance(content, dict)
    assert one.take(content).refusal is Refusal.AUDIENCE
    third = another.Keys("ab" * 32, "cd" * 32)
    _, _, made = _partner()
    unsigned = {name: value for name, value in content.items() if name != "signature"}
    assert other.take(another.sign(unsigned, third, made)).refusal is Refusal.FORGED
    # The partner's own key over what somebody else sealed: the seal knows its header.
    keys, _, _ = _partner()
    assert other.take(another.sign(unsigned | {"counter": 77}, keys, made)).refusal is Refusal.SEAL


@pytest.mark.parametrize(
    "signing",
    ["00" * 32, "01" + "00" * 31, "01" + "00" * 30 + "80", "ec" + "ff" * 30 + "7f", "ee" + "ff" * 31],
)
def test_keys_that_everybody_can_sign_with_are_refused(signing: str) -> None:
    """A point of small order takes signatures that nobody made."""
    keys = ONE.secrets[1].public(2)
    weak = keys.model_copy(update={"signing": encoded(bytes.fromhex(signing))})
    with pytest.raises(Malformed):
        check_keys(weak)
    check_keys(keys)


@pytest.mark.parametrize("part", [slice(0, 1184), slice(1184, 1216)])
def test_keys_that_nobody_can_seal_to_are_refused(part: slice) -> None:
    """Coefficients out of range (FIPS 203, section 7.2), and a curve point that gives no secret."""
    keys = ONE.secrets[1].public(2)
    raw = bytearray(decoded(keys.sealing))
    raw[part] = (b"\xff" if part.start == 0 else b"\0") * (part.stop - part.start)
    weak = keys.model_copy(update={"sealing": encoded(bytes(raw))})
    with pytest.raises(Malformed):
        check_keys(weak)
    us = _copy(OTHER)
    assert us.take(_signed(canonical(weak))).refusal is Refusal.SEAL


def test_every_length_is_one_of_three() -> None:
    """Whatever is said: a no more than a note; and what is too large is not sent."""
    one = _copy(ONE)
    lengths = set()
    for words in ("", "x" * 400, "x" * 1500, "\U0001f33b" * 1500):
        content = one.say(NOTE.model_copy(update={"note": words}))
        assert isinstance(content, dict)
        lengths.add(len(base64.b64decode(str(content["sealed"]) + "==")) - 1136)
    for body in (ASK, Pause(paused=True), Withdraw(request="1" * 32, answer=None)):
        content = one.say(body)
        assert isinstance(content, dict)
        lengths.add(len(base64.b64decode(str(content["sealed"]) + "==")) - 1136)
    assert lengths == set(SIZES)
    large = NOTE.model_copy(update={"note": "\\" * 1500, "how": ("slow",) * 1000})
    with pytest.raises(ValueError, match="does not cross"):
        one.say(large)


def test_nothing_in_an_envelope_names_anybody() -> None:
    """What is outside of the seal is random, counted or a time."""
    one = _copy(ONE)
    content = one.say(ASK)
    assert isinstance(content, dict)
    outside = {name: value for name, value in content.items() if name not in ("sealed", "signature")}
    assert set(outside) == {"version", "link", "audience", "epoch", "counter", "issued", "expires"}
    assert b"example" not in canonical(content)


def test_the_times_leave_room_for_clocks_and_for_three_days_down() -> None:
    """A clock five minutes ahead is taken, and so is what waited for three days."""
    assert timedelta(minutes=5) == FUTURE
    assert timedelta(days=8) == LONGEST
    us = _copy(OTHER)
    assert us.take(_signed(canonical(NOTE), issued=ISSUED + 300, counter=60)).refusal is None
    waited = _signed(canonical(NOTE), issued=ISSUED, expires=ISSUED + 4 * 86400, counter=61)
    us.now = NOW + timedelta(days=3)
    assert us.take(waited).refusal is None


# ---- whatever comes

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda deeper: st.lists(deeper, max_size=4) | st.dictionaries(st.text(max_size=10), deeper, max_size=4),
    max_leaves=6,
)
GOOD: tuple[dict[str, Any], ...] = (
    _signed(canonical(ASK)),
    _signed(canonical(NOTE), counter=2),
    _signed(canonical(ONE.steps(2, "rotate")[0]), counter=9),
    _signed(canonical(ONE.steps(2, "rotate")[1]), version=3),
    *(content for content in desks()[0].propose() if isinstance(content, dict)),
)
NAMES = sorted({name for content in GOOD for name in content})


def _set(content: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    return content | {name: value}


def _drop(content: dict[str, Any], name: str) -> dict[str, Any]:
    return {kept: value for kept, value in content.items() if kept != name}


def _flip(content: dict[str, Any], name: str, place: int) -> dict[str, Any]:
    text = content.get(name)
    if not isinstance(text, str) or not text:
        return content
    at = place % len(text)
    return content | {name: text[:at] + chr(ord(text[at]) ^ 1 << place % 7) + text[at + 1 :]}


CHANGES: st.SearchStrategy[Callable[[dict[str, Any]], dict[str, Any]]] = st.one_of(
    st.builds(lambda name, value: lambda content: _set(content, name, value), st.sampled_from(NAMES), JSON),
    st.builds(lambda name: lambda content: _drop(content, name), st.sampled_from(NAMES)),
    st.builds(
        lambda name, place: lambda content: _flip(content, name, place),
        st.sampled_from(["sealed", "signature", "link", "audience"]),
        st.integers(0, 20_000),
    ),
    st.builds(
        lambda name, number: lambda content: _set(content, name, number),
        st.sampled_from(["version", "epoch", "counter", "issued", "expires"]),
        st.integers(-1, 2**54) | st.sampled_from([ISSUED, ISSUED + 1, 1, 2]),
    ),
)


@settings(max_examples=3 * settings().max_examples)
@given(st.sampled_from(GOOD), st.lists(CHANGES, min_size=1, max_size=3))
def test_whatever_was_changed_on_the_way_is_refused(
    good: dict[str, Any], changes: list[Callable[[dict[str, Any]], dict[str, Any]]]
) -> None:
    """By a name, and nothing is raised, changed or said; what comes out unchanged is as it was."""
    content = good
    for change in changes:
        content = change(content)
    us = _copy(OTHER)
    taken = us.intake.take(content, us.link, us.secrets, NOW)
    if content == good and all(type(content[name]) is type(good[name]) for name in good):
        return
    assert taken.refusal is not None
    assert (taken.link, taken.body, taken.crosses) == (us.link, None, ())


@given(JSON)
def test_nothing_that_comes_raises(content: Any) -> None:
    """Nor changes anything."""
    us = _copy(OTHER)
    taken = us.intake.take(content, us.link, us.secrets, NOW)
    assert taken.refusal in (Refusal.SHAPE, Refusal.SIZE)
    assert taken.link == us.link


@given(st.binary(max_size=1024) | JSON.map(lambda value: str(value).encode("utf-8", "replace")[:6656]))
def test_whatever_a_partner_signs_and_seals_is_refused_by_name(plain: bytes) -> None:
    """Bytes that are no body use up a counter, and do nothing else."""
    us = _copy(OTHER)
    taken = us.take(_signed(plain))
    assert (taken.refusal, taken.body, taken.crosses) == (Refusal.SEAL, None, ())
    assert us.link.state is LinkState.LIVE


@given(st.data())
def test_what_a_partner_says_out_of_turn_harms_nothing(data: st.DataObject) -> None:
    """Any kinds in any order: each is taken or refused, nothing raises, and it alone cannot make keys."""
    us = _copy(OTHER)
    hello, keys = _copy(ONE).steps(2, data.draw(st.sampled_from(["rotate", "restored"])))
    bodies = [
        *(hello, keys, KeyChange.model_validate({**keys.model_dump(), "nonce": "0" * 64}), ASK, NOTE),
        *(Pause(paused=True), Pause(paused=False), Withdraw(request="1" * 32, answer=None)),
    ]
    for place, body in enumerate(data.draw(st.lists(st.sampled_from(bodies), max_size=12))):
        taken = us.take(_signed(canonical(body), counter=100 + place))
        assert taken.refusal in (None, Refusal.KIND, Refusal.TURN, Refusal.COMMITMENT, Refusal.QUOTA)
        assert [epoch.number for epoch in us.link.epochs] == [1]
    assert us.link.state in (LinkState.LIVE, LinkState.PAUSED, LinkState.RESYNC)


def test_a_story_over_a_way_that_loses_mixes_and_repeats() -> None:
    """Each kind once across a live link, repeated and backwards: all is taken once."""
    one, other = linked()
    bodies: list[Body] = [ASK, NOTE, Withdraw(request="1" * 32, answer=None), Pause(paused=False)]
    contents = [one.say(body) for body in bodies]
    taken = [other.take(content) for content in [*contents[::-1], *contents, *contents]]
    assert [one.body for one in taken if one.refusal is None] == bodies[::-1]
    assert {one.refusal for one in taken} == {None, Refusal.AGAIN}
