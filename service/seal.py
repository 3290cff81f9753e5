"""Authenticated encryption of what lies at rest, keyed hashes for look-ups, and the keyring of both.

Guards: sealed bytes open only with their key and only in the table, column and row that they were made for;
lengths are padded to steps, so that they say little; a look-up hash of one column says nothing about another;
no key and no plaintext appears in an exception, a log or a representation.

Sealed bytes are `version | nonce | ciphertext and tag`: one byte that names the sealing key, 12 random bytes,
and AES-256-GCM (NIST SP 800-38D). With random nonces one key is good for 2**32 seals; a rotation starts anew.
"""

import hmac
import os
import secrets
from collections.abc import Mapping
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schema.errors import SealBroken

KEY_BYTES = 32
"""The length of every key here, the outer one included."""

_NONCE_BYTES = 12
_TAG_BYTES = 16
_SMALLEST = 64
_BOUNDARY = b"\x80"


class Seal:
    """Seals and opens with the inner keys; `older` are keys by version that still open, never seal.

    Raises ValueError for a key of another length than 32 bytes, or a version outside 0 to 255.
    """

    __slots__ = ("_ciphers", "_current", "_lookup_key", "_mark")

    def __init__(
        self,
        seal_key: bytes,
        lookup_key: bytes,
        *,
        version: int = 1,
        older: Mapping[int, bytes] | None = None,
    ) -> None:
        if len(lookup_key) != KEY_BYTES:
            raise ValueError("a look-up key has 32 bytes")
        self._lookup_key = lookup_key
        self.use({**(older or {}), version: seal_key}, version)

    def use(self, keys: Mapping[int, bytes], current: int) -> None:
        """Open with all of `keys` (by version) and seal with the one of version `current` from now on."""
        if any(len(key) != KEY_BYTES for key in keys.values()):
            raise ValueError("a sealing key has 32 bytes")
        if any(not 0 <= version <= 255 for version in keys):
            raise ValueError("a key's version is one byte")
        self._ciphers = {version: AESGCM(key) for version, key in keys.items()}
        self._current = self._ciphers[current]
        self._mark = bytes([current])

    @property
    def version(self) -> int:
        """The version of the key that seals now: the first byte of what `seal` gives."""
        return self._mark[0]

    def seal(self, table: str, column: str, row: str, plaintext: bytes) -> bytes:
        """Seal `plaintext` for this one place; the same input never gives the same bytes twice."""
        nonce = os.urandom(_NONCE_BYTES)
        mark = self._mark
        return mark + nonce + self._current.encrypt(nonce, pad(plaintext), _place(mark, table, column, row))

    def open(self, table: str, column: str, row: str, sealed: bytes) -> bytes:
        """Give back what `seal` was given for this place; raises SealBroken for anything else."""
        cipher = self._ciphers.get(sealed[0]) if len(sealed) > _NONCE_BYTES + _TAG_BYTES else None
        if cipher is None:
            raise SealBroken(f"{table}.{column}: no key opens this")
        try:
            padded = cipher.decrypt(
                sealed[1 : 1 + _NONCE_BYTES],
                sealed[1 + _NONCE_BYTES :],
                _place(sealed[:1], table, column, row),
            )
        except InvalidTag:
            raise SealBroken(f"{table}.{column}: changed, moved, or sealed with another key") from None
        return unpad(padded)

    def lookup(self, column: str, value: str) -> str:
        """Hash `value` for look-ups in `column`: HMAC-SHA256 cut to 16 bytes, in hexadecimal."""
        return hmac.digest(self._lookup_key, _joined(column.encode(), value.encode()), "sha256")[:16].hex()


def pad(plaintext: bytes) -> bytes:
    """Fill `plaintext` up to the next step (ISO/IEC 7816-4: one 0x80 byte, then zeros)."""
    return (plaintext + _BOUNDARY).ljust(step(len(plaintext) + 1), b"\0")


def unpad(padded: bytes) -> bytes:
    """Take the padding of `pad` off; raises SealBroken where there is none."""
    filled = padded.rstrip(b"\0")
    if filled[-1:] != _BOUNDARY:
        raise SealBroken("padding is missing")
    return filled[:-1]


def step(size: int) -> int:
    """The smallest step that holds `size` bytes: 64, then four steps to each doubling."""
    if size <= _SMALLEST:
        return _SMALLEST
    quarter = 1 << ((size - 1).bit_length() - 3)
    return -(-size // quarter) * quarter


def _joined(*parts: bytes) -> bytes:
    """Parts with their lengths before them, so that no two lists of parts give the same bytes."""
    return b"".join(len(part).to_bytes(4) + part for part in parts)


def _place(mark: bytes, table: str, column: str, row: str) -> bytes:
    name = row.encode()
    return _column(mark, table, column) + len(name).to_bytes(4) + name


@lru_cache(256)
def _column(mark: bytes, table: str, column: str) -> bytes:
    return _joined(mark, table.encode(), column.encode())


class Keyring:
    """The inner keys: one for look-ups, which never changes, and one for each version of the seal.

    `current` is the version that seals; others only open, and are there during a rotation alone.
    """

    __slots__ = ("_keys", "_lookup_key", "current")

    def __init__(self, lookup_key: bytes, keys: Mapping[int, bytes], current: int) -> None:
        self._lookup_key = lookup_key
        self._keys = dict(keys)
        self.current = current

    @classmethod
    def new(cls) -> "Keyring":
        """Two random keys, for a new database."""
        return cls(secrets.token_bytes(KEY_BYTES), {1: secrets.token_bytes(KEY_BYTES)}, 1)

    @property
    def versions(self) -> frozenset[int]:
        """The versions that open."""
        return frozenset(self._keys)

    def with_new_key(self) -> "Keyring":
        """The same with one more random sealing key, which seals from then on."""
        later = (*range(self.current + 1, 256), *range(1, self.current))
        version = next(version for version in later if version not in self._keys)
        return Keyring(self._lookup_key, {**self._keys, version: secrets.token_bytes(KEY_BYTES)}, version)

    def without_old_keys(self) -> "Keyring":
        """The same with only the key that seals."""
        return Keyring(self._lookup_key, {self.current: self._keys[self.current]}, self.current)

    def seal(self) -> Seal:
        """A Seal that uses these keys."""
        older = {version: key for version, key in self._keys.items() if version != self.current}
        return Seal(self._keys[self.current], self._lookup_key, version=self.current, older=older)

    def equip(self, seal: Seal) -> None:
        """Give `seal`, which others hold, these sealing keys."""
        seal.use(self._keys, self.current)

    def wrap(self, outer_key: bytes) -> bytes:
        """The keys sealed by the outer key, to be kept in table `keyring`."""
        plaintext = bytes([self.current]) + self._lookup_key
        plaintext += b"".join(bytes([version]) + key for version, key in sorted(self._keys.items()))
        nonce = os.urandom(_NONCE_BYTES)
        return (
            _WRAPPED
            + nonce
            + AESGCM(_whole(outer_key)).encrypt(nonce, plaintext, _place(_WRAPPED, *_KEYRING))
        )

    @classmethod
    def unwrap(cls, outer_key: bytes, wrapped: bytes) -> "Keyring":
        """Open what `wrap` gave; raises SealBroken when `outer_key` is another one or the bytes changed."""
        if wrapped[:1] != _WRAPPED:
            raise SealBroken("the keyring has a form that this program does not know")
        nonce, ciphertext = wrapped[1 : 1 + _NONCE_BYTES], wrapped[1 + _NONCE_BYTES :]
        try:
            plaintext = AESGCM(_whole(outer_key)).decrypt(nonce, ciphertext, _place(_WRAPPED, *_KEYRING))
        except (InvalidTag, ValueError):
            raise SealBroken("the outer key does not open the keyring") from None
        current, lookup_key, rest = plaintext[0], plaintext[1 : 1 + KEY_BYTES], plaintext[1 + KEY_BYTES :]
        pairs = [rest[at : at + 1 + KEY_BYTES] for at in range(0, len(rest), 1 + KEY_BYTES)]
        return cls(lookup_key, {pair[0]: pair[1:] for pair in pairs}, current)


_WRAPPED = b"\x01"
_KEYRING = ("keyring", "wrapped", "")


def _whole(outer_key: bytes) -> bytes:
    if len(outer_key) != KEY_BYTES:
        raise ValueError("the outer key has 32 bytes")
    return outer_key
