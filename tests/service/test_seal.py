"""Sealed bytes open in their own place only, lengths say little, and the keyring opens for its key only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors import SealBroken
from service.seal import Keyring, Seal, pad, step, unpad

SEAL = Seal(bytes(range(32)), bytes(range(32, 64)))
PLACE = ("members", "sealed", "0" * 32)

texts = st.binary(max_size=3000)
names = st.text(max_size=40)


@given(names, names, names, texts)
def test_what_was_sealed_opens_in_its_place(table: str, column: str, row: str, text: bytes) -> None:
    """Any bytes come back whole from the place that they were sealed for."""
    assert SEAL.open(table, column, row, SEAL.seal(table, column, row, text)) == text


@given(st.binary(max_size=200), st.data())
def test_no_changed_bit_opens(text: bytes, data: st.DataObject) -> None:
    """Whatever bit of the sealed bytes is turned, version, nonce and tag included, they do not open."""
    sealed = bytearray(SEAL.seal(*PLACE, text))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealBroken):
        SEAL.open(*PLACE, bytes(sealed))


@given(st.binary(max_size=200), st.data())
def test_no_shortened_or_lengthened_bytes_open(text: bytes, data: st.DataObject) -> None:
    """Sealed bytes that lost their end or got something more do not open."""
    sealed = SEAL.seal(*PLACE, text)
    keep = data.draw(st.integers(0, len(sealed) - 1))
    more = data.draw(st.binary(min_size=1, max_size=20))
    for broken in (sealed[:keep], sealed + more):
        with pytest.raises(SealBroken):
            SEAL.open(*PLACE, broken)


@given(st.tuples(names, names, names), st.tuples(names, names, names), texts)
def test_nothing_opens_in_another_place(
    here: tuple[str, str, str], there: tuple[str, str, str], text: bytes
) -> None:
    """Sealed bytes that were moved to another table, column or row do not open there."""
    sealed = SEAL.seal(*here, text)
    if here != there:
        with pytest.raises(SealBroken):
            SEAL.open(*there, sealed)


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (("ab", "c", "d"), ("a", "bc", "d")),
        (("a", "bc", "d"), ("a", "b", "cd")),
        (("a", "b", ""), ("a", "", "b")),
    ],
)
def test_a_place_cannot_be_written_in_two_ways(
    here: tuple[str, str, str], there: tuple[str, str, str]
) -> None:
    """Parts of a place that give the same characters when joined are still different places."""
    with pytest.raises(SealBroken):
        SEAL.open(*there, SEAL.seal(*here, b"text"))


@given(st.binary(max_size=100))
def test_arbitrary_bytes_do_not_open(noise: bytes) -> None:
    """Bytes that nobody sealed are refused as broken and never raise anything else."""
    with pytest.raises(SealBroken):
        SEAL.open(*PLACE, noise)


@given(texts)
def test_the_same_text_never_gives_the_same_bytes(text: bytes) -> None:
    """Two seals of one text in one place have nothing in common but the version."""
    assert SEAL.seal(*PLACE, text) != SEAL.seal(*PLACE, text)


def test_a_small_text_does_not_show_its_length() -> None:
    """Everything from nothing to 63 bytes gives sealed bytes of one length."""
    assert len({len(SEAL.seal(*PLACE, b"x" * size)) for size in range(64)}) == 1


@given(st.integers(1, 10**7))
def test_a_step_holds_its_size_and_wastes_a_quarter_at_most(size: int) -> None:
    """A step is never smaller than what it must hold, and above the smallest at most a quarter larger."""
    assert size <= step(size) <= max(64, size * 5 // 4 + 1)
    assert step(step(size)) == step(size)


def test_there_are_four_steps_to_each_doubling() -> None:
    """Between 64 bytes and 16 KiB, eight doublings, there are 33 steps."""
    assert len({step(size) for size in range(1, 16385)}) == 33


@given(texts)
def test_padding_comes_off_whole(text: bytes) -> None:
    """Zeros and boundary bytes at the end of a text are the text's own, and stay."""
    for ending in (b"", b"\0", b"\x80", b"\x80\0\0"):
        assert unpad(pad(text + ending)) == text + ending


@pytest.mark.parametrize("padded", [b"", b"\0" * 64, b"text" + b"\0" * 60])
def test_missing_padding_is_refused(padded: bytes) -> None:
    """Bytes without a boundary are no padded text."""
    with pytest.raises(SealBroken):
        unpad(padded)


@given(st.text(max_size=50), st.text(max_size=50))
def test_lookups_are_equal_for_equal_values_only(one: str, other: str) -> None:
    """A look-up hash is 32 hexadecimal characters, the same for the same value, and else another."""
    assert (SEAL.lookup("members", one) == SEAL.lookup("members", other)) == (one == other)
    assert len(bytes.fromhex(SEAL.lookup("members", one))) == 16


@given(st.text(max_size=50))
def test_lookups_of_two_columns_have_nothing_in_common(value: str) -> None:
    """The same value gives another hash in another column, and the border between them cannot move."""
    assert SEAL.lookup("members", value) != SEAL.lookup("rooms", value)
    assert SEAL.lookup("a", "b" + value) != SEAL.lookup("ab", value)


def test_another_key_gives_other_lookups_and_opens_nothing() -> None:
    """Neither hashes nor sealed bytes mean anything under other keys."""
    other = Seal(bytes(32), bytes(32))
    assert other.lookup("members", "x") != SEAL.lookup("members", "x")
    with pytest.raises(SealBroken):
        other.open(*PLACE, SEAL.seal(*PLACE, b"text"))


@pytest.mark.parametrize(
    ("seal_key", "lookup_key"), [(b"short", bytes(32)), (bytes(32), b"short"), (b"", b"")]
)
def test_a_key_of_another_length_is_refused(seal_key: bytes, lookup_key: bytes) -> None:
    """Keys have 32 bytes, or there is no seal."""
    with pytest.raises(ValueError, match="32 bytes"):
        Seal(seal_key, lookup_key)


def test_an_error_holds_no_text() -> None:
    """What is raised for broken bytes names the table and the column, and nothing of the row or the bytes."""
    sealed = SEAL.seal("members", "sealed", "the row", b"the text")
    with pytest.raises(SealBroken) as caught:
        SEAL.open("members", "other", "the row", sealed)
    assert "the row" not in str(caught.value)
    assert sealed.hex() not in str(caught.value)


def test_a_keyring_opens_for_its_outer_key_only() -> None:
    """The wrapped keys open with the key that wrapped them, and no changed bit of them opens."""
    ring, outer = Keyring.new(), bytes(range(32))
    wrapped = ring.wrap(outer)
    sealed = ring.seal().seal(*PLACE, b"text")
    assert Keyring.unwrap(outer, wrapped).seal().open(*PLACE, sealed) == b"text"
    with pytest.raises(SealBroken):
        Keyring.unwrap(bytes(32), wrapped)
    for at in range(len(wrapped)):
        changed = wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :]
        with pytest.raises(SealBroken):
            Keyring.unwrap(outer, changed)


def test_a_new_key_seals_while_the_old_one_opens() -> None:
    """During a rotation both keys open and the new one seals; after it only the new one opens."""
    ring = Keyring.new()
    seal = ring.seal()
    old = seal.seal(*PLACE, b"old")
    hashed = seal.lookup("members", "x")

    during = ring.with_new_key()
    during.equip(seal)
    new = seal.seal(*PLACE, b"new")
    assert (seal.open(*PLACE, old), seal.open(*PLACE, new)) == (b"old", b"new")
    assert old[0] != new[0] == seal.version

    during.without_old_keys().equip(seal)
    assert seal.open(*PLACE, new) == b"new"
    assert seal.lookup("members", "x") == hashed
    with pytest.raises(SealBroken):
        seal.open(*PLACE, old)


def test_versions_come_round_again() -> None:
    """After 255 rotations the versions begin anew, and never is the version in use taken."""
    ring = Keyring.new()
    for _ in range(600):
        fresh = ring.with_new_key()
        assert fresh.current != ring.current
        assert 1 <= fresh.current <= 255
        assert fresh.versions == {ring.current, fresh.current}
        ring = fresh.without_old_keys()
        assert ring.versions == {ring.current}


def test_a_wrapped_keyring_keeps_every_key() -> None:
    """Both keys of a rotation survive the wrapping, and which of them seals."""
    ring = Keyring.new().with_new_key()
    back = Keyring.unwrap(bytes(32), ring.wrap(bytes(32)))
    assert (back.current, back.versions) == (ring.current, ring.versions)
    assert back.wrap(bytes(32)) != ring.wrap(bytes(32))
