"""Reads what others sent: JSON of unknown shape goes in, plain values or Malformed come out.

Guards: nothing that a stranger, a member or a partner's server sends raises anything but Malformed out of
here; strings can be encoded and are short; keys and signatures are what they say, or refused.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

import vodozemac

from schema.errors import AlongsideError, Malformed
from schema.ids import EventId, MatrixId, RoomId

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_ID = 255
"""Bytes of a Matrix identifier (spec, appendix "Common identifier format")."""
LONGEST_TOKEN = 4096
"""Bytes of a token of a sync or a page; the spec sets no bound, and an address line has one."""


def attempt(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what `call` gives; whatever it raises over foreign data is Malformed, named by its class.

    Our own errors and the end of a task or of the process pass unchanged.
    """
    try:
        return call(*args, **kwargs)
    except (AlongsideError, asyncio.CancelledError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise Malformed(type(error).__name__) from error


def mapping(value: object) -> dict[str, Any]:
    """`value` if it is a JSON object, else Malformed."""
    if not isinstance(value, dict):
        raise Malformed("an object was expected")
    return value


def part(value: object, *names: str) -> dict[str, Any]:
    """The object at `names` inside `value`; an empty one where anything on the way is not an object."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def items(value: object, *names: str) -> list[Any]:
    """The list at `names` inside `value`; an empty one where it is missing or not a list."""
    found = part(value, *names[:-1]).get(names[-1])
    return found if isinstance(found, list) else []


def text(value: object, limit: int = LONGEST_ID) -> str:
    """`value` if it is a string of 1 to `limit` bytes of UTF-8 without a NUL, else Malformed."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise Malformed("a string was expected")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise Malformed("a string has half a surrogate pair") from None
    if size > limit:
        raise Malformed("a string is too long")
    return value


def count(value: object) -> int:
    """How many `value` says; none for what is no number, and never fewer: what is missing would be made."""
    return max(value, 0) if isinstance(value, int) and not isinstance(value, bool) else 0


def following(page: Mapping[str, Any], name: str, *seen: str | None) -> str | None:
    """The token under `name` with which reading goes on after `page`, such as `end` of `/messages`.

    None where there is none: it is missing, leads back to one of `seen`, or is nothing that could be sent.
    """
    try:
        found = text(page.get(name), LONGEST_TOKEN)
    except Malformed:
        return None
    return None if found in seen else found


def matrix_id(value: object) -> MatrixId:
    """`value` as a user's Matrix ID: a sigil, a localpart (historical ones included), a server."""
    found = text(value)
    if found[0] != "@" or ":" not in found[1:] or found[-1] == ":":
        raise Malformed("a Matrix ID was expected")
    return MatrixId(found)


def room_id(value: object) -> RoomId:
    """`value` as a room ID; from room version 12 on it has no server (MSC4291)."""
    found = text(value)
    if found[0] != "!":
        raise Malformed("a room ID was expected")
    return RoomId(found)


def event_id(value: object) -> EventId:
    """`value` as an event ID."""
    found = text(value)
    if found[0] != "$":
        raise Malformed("an event ID was expected")
    return EventId(found)


def key(value: object) -> str:
    """`value` as 32 bytes in base64, given back in the one unpadded spelling: equal keys are equal."""
    found = text(value, 64).rstrip("=")
    return attempt(vodozemac.Curve25519PublicKey.from_base64, found).to_base64()


def parse(raw: bytes | str) -> dict[str, Any]:
    """The JSON object that `raw` spells, else Malformed: not JSON, too deep, NaN, no object."""
    try:
        return mapping(json.loads(raw, parse_constant=_refuse))
    except (ValueError, RecursionError):
        raise Malformed("not JSON") from None


def _refuse(constant: str) -> None:
    raise Malformed(constant)


def canonical(value: Any) -> bytes:
    """Canonical JSON (spec, appendix "Canonical JSON"): the bytes that are signed.

    Raises Malformed for what has no such form: fractions, integers beyond 2^53 - 1, keys that are no strings,
    half surrogates, too deep nesting.
    """
    try:
        _check(value)
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    except (UnicodeEncodeError, RecursionError):
        raise Malformed("no canonical JSON") from None


def _check(value: Any) -> None:
    match value:
        case None | bool() | str():
            return
        case int() if abs(value) < 2**53:
            return
        case dict() if all(isinstance(key, str) for key in value):
            for one in value.values():
                _check(one)
        case list() | tuple():
            for one in value:
                _check(one)
        case _:
            raise Malformed("no canonical JSON")


def signable(value: Mapping[str, Any]) -> bytes:
    """What is signed of `value` (spec, "Signing JSON"): all but its signatures. Raises Malformed."""
    return canonical({name: field for name, field in value.items() if name not in ("signatures", "unsigned")})


def is_signed(value: object, user: str, key_name: str, public: str) -> bool:
    """Whether `value` bears a valid signature of `user` by `public`, named `ed25519:key_name`.

    False for anything malformed; never raises.
    """
    signature = part(value, "signatures", user).get(f"ed25519:{key_name}")
    if not isinstance(value, dict) or not isinstance(signature, str) or len(signature) > 128:
        return False
    try:
        attempt(
            attempt(vodozemac.Ed25519PublicKey.from_base64, public).verify_signature,
            signable(value),
            attempt(vodozemac.Ed25519Signature.from_base64, signature.rstrip("=")),
        )
    except Malformed:
        return False
    return True


def unpadded(raw: bytes) -> str:
    """Unpadded base64 (spec, appendix); padded key ids are dropped by other clients without a word."""
    return base64.b64encode(raw).decode().rstrip("=")


def unbase64(value: str) -> bytes:
    """What `value` spells in base64, padded or not; else Malformed."""
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("not base64") from None
