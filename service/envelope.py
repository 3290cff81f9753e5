"""Seals what crosses a link and opens what comes: HPKE inside, an Ed25519 signature outside.

Guards: the private sealing key is used on nothing that the partner's key did not sign; the signature and the
seal are each bound to the header and to the transcript, and so to both sides' keys, the link and the
direction; a length is one of three; whatever the bytes, opening gives a body or raises `Malformed`.
PROTOCOL.md gives the reasons. RFC 9180 in base mode with MLKEM768-X25519 (0x647a), HKDF-SHA256 (0x0001) and
AES-256-GCM (0x0002); RFC 8032.
"""

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from pydantic import ValidationError

from schema.errors import Malformed
from schema.ids import LinkId
from schema.wire import BODY, SEALING_ADDS, SIZES, VERSION, Body, Envelope, Json, KeyChange, canonical

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_SEALED = b"alongside-link/sealed\0"
_SIGNED = b"alongside-link/signed\0"
_MLKEM_PUBLIC = 1184
_SMALL_ORDER = frozenset(
    bytes.fromhex(point)
    for point in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        *("ec" + "ff" * 30 + "7f", "ed" + "ff" * 30 + "7f", "ee" + "ff" * 30 + "7f"),
    )
)
"""Points of Ed25519 whose order divides eight, without the sign: as keys they take forged signatures."""


@dataclass(frozen=True)
class Secrets:
    """One side's private keys for one epoch: two seeds of 32 bytes, and the nonce that hides the commitment.

    `sealing` is an X-Wing decapsulation key, of which SHAKE256 makes the two keys inside it.
    """

    signing: bytes = field(repr=False)
    sealing: bytes = field(repr=False)
    nonce: bytes = field(repr=False)

    @classmethod
    def new(cls) -> "Secrets":
        """Random ones."""
        return cls(secrets.token_bytes(32), secrets.token_bytes(32), secrets.token_bytes(32))

    def public(self, epoch: int, round: int = 1) -> KeyChange:
        """What the other side is shown of them, for that epoch and try."""
        lattice, curve = _halves(self.sealing)
        return KeyChange(
            epoch=epoch,
            round=round,
            signing=encoded(
                Ed25519PrivateKey.from_private_bytes(self.signing).public_key().public_bytes_raw()
            ),
            sealing=encoded(lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()),
            nonce=self.nonce.hex(),
        )


class Channel:
    """One epoch of a link as one side has it: both sides' keys, the transcript, and who is who."""

    def __init__(
        self, link: LinkId, epoch: int, *, us: str, them: str, ours: Secrets, theirs: KeyChange, made: str
    ) -> None:
        """`us` and `them` are parties, `made` is the transcript.

        Raises Malformed where the partner's keys are none.
        """
        self._link, self._epoch, self._us, self._them = link, epoch, us, them
        self._made = bytes.fromhex(made)
        self._signing = Ed25519PrivateKey.from_private_bytes(ours.signing)
        self._opening = MLKEM768X25519PrivateKey(*_halves(ours.sealing))
        self._verifying, self._sealing = _public(theirs)

    def seal(self, body: Body, *, counter: int, issued: int, expires: int) -> Envelope:
        """`body` for the other side. Raises ValueError where it is larger than any size there is."""
        plain = canonical(body)
        size = next((size for size in SIZES if len(plain) <= size), None)
        if size is None:
            raise ValueError(f"a body of {len(plain)} bytes does not cross a link")
        header: dict[str, Json] = {
            "version": VERSION,
            "link": self._link,
            "audience": self._them,
            "epoch": self._epoch,
            "counter": counter,
            "issued": issued,
            "expires": expires,
        }
        bound = _SEALED + self._made + canonical(header)
        sealed = _SUITE.encrypt(plain.ljust(size, b"\0"), self._sealing, info=bound)
        header["sealed"] = encoded(sealed)
        header["signature"] = encoded(self._signing.sign(_SIGNED + self._made + canonical(header)))
        return Envelope.model_validate(header)

    def verify(self, content: Json) -> bool:
        """Whether the other side signed all of `content` (an envelope of whatever version) in this epoch."""
        if not isinstance(content, dict) or not isinstance(signature := content.get("signature"), str):
            return False
        rest = {name: value for name, value in content.items() if name != "signature"}
        try:
            self._verifying.verify(decoded(signature), _SIGNED + self._made + canonical(rest))
        except (InvalidSignature, Malformed):
            return False
        return True

    def open(self, envelope: Envelope) -> Body:
        """The body of an envelope for us whose signature was verified; raises Malformed."""
        header = envelope.model_dump(mode="json", exclude={"sealed", "signature"})
        sealed = decoded(envelope.sealed)
        if len(sealed) - SEALING_ADDS not in SIZES:
            raise Malformed("a sealed body has another length")
        try:
            padded = _SUITE.decrypt(sealed, self._opening, info=_SEALED + self._made + canonical(header))
        except InvalidTag:
            raise Malformed("a sealed body does not open") from None
        plain = padded.rstrip(b"\0")
        if len(padded) != next(size for size in SIZES if len(plain) <= size):
            raise Malformed("a sealed body is padded further than it needs")
        return read_body(plain)


def read_body(plain: bytes) -> Body:
    """The body that `plain` encodes; raises Malformed unless it is the one encoding of it."""
    try:
        body = BODY.validate_json(plain)
    except ValidationError:
        raise Malformed("a body is none that the protocol has") from None
    if canonical(body) != plain:
        raise Malformed("a body is not in its one encoding")
    return body


def encoded(raw: bytes) -> str:
    """Unpadded base64 (Matrix specification, appendix "Unpadded Base64")."""
    return base64.b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """The bytes of unpadded base64; raises Malformed unless `text` is the one encoding of them."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("a text is no base64") from None
    if encoded(raw) != text:
        raise Malformed("a text is another base64 than its bytes have")
    return raw


def check_keys(theirs: KeyChange) -> None:
    """Raise Malformed where one of the partner's keys is none, or one that gives no secret."""
    _public(theirs)


def _halves(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    expanded = hashlib.shake_256(seed).digest(96)
    return (
        MLKEM768PrivateKey.from_seed_bytes(expanded[:64]),
        X25519PrivateKey.from_private_bytes(expanded[64:]),
    )


def _public(theirs: KeyChange) -> tuple[Ed25519PublicKey, MLKEM768X25519PublicKey]:
    signing, sealing = decoded(theirs.signing), decoded(theirs.sealing)
    if signing[:31] + bytes([signing[31] & 0x7F]) in _SMALL_ORDER:
        raise Malformed("a key takes any signature")
    try:
        verifying = Ed25519PublicKey.from_public_bytes(signing)
        lattice = MLKEM768PublicKey.from_public_bytes(sealing[:_MLKEM_PUBLIC])
        curve = X25519PublicKey.from_public_bytes(sealing[_MLKEM_PUBLIC:])
        public = MLKEM768X25519PublicKey(lattice, curve)
        # A point of small order gives no secret, and shows itself only at the first use.
        _SUITE.encrypt(b"", public)
    except ValueError:
        raise Malformed("a key is none") from None
    return verifying, public
