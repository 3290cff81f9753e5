"""Another program that speaks the protocol, as schema/PROTOCOL.md has it: nothing of ours is imported.

It has HPKE and X-Wing by hand, on the primitives that they are made of, and knows no shapes: what it is given
to say it says. Tests use it to read the vectors, and as a partner that means harm.
"""

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SUITE = b"HPKE" + bytes.fromhex("647a" + "0001" + "0002")


def canonical(value: Any) -> bytes:
    """RFC 8785, for values without floats."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def base64_of(raw: bytes) -> str:
    """Unpadded base64."""
    return base64.b64encode(raw).decode().rstrip("=")


def bytes_of(text: str) -> bytes:
    """The bytes of unpadded base64."""
    return base64.b64decode(text + "==")


def digest(label: str, value: Any) -> bytes:
    """SHA-256 of a label, a zero byte, and a value in its one encoding."""
    return hashlib.sha256(b"alongside-link/" + label.encode() + b"\0" + canonical(value)).digest()


def party(link: str, desk: str) -> str:
    """What the link calls a desk."""
    return digest("desk", {"link": link, "desk": desk}).hex()[:32]


def six_words(made: str, words: list[str]) -> list[str]:
    """The words of a transcript."""
    return [
        words[byte] for byte in hashlib.sha256(b"alongside-link/words\0" + bytes.fromhex(made)).digest()[:6]
    ]


class Keys:
    """One side's private keys for an epoch, from their seeds in hexadecimal."""

    def __init__(self, signing: str, sealing: str) -> None:
        expanded = hashlib.shake_256(bytes.fromhex(sealing)).digest(96)
        self.signing = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(signing))
        self.lattice = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        self.curve = X25519PrivateKey.from_private_bytes(expanded[64:])

    def public(self) -> tuple[str, str]:
        """The signing and the sealing key, as they are shown."""
        sealing = self.lattice.public_key().public_bytes_raw() + self.curve.public_key().public_bytes_raw()
        return base64_of(self.signing.public_key().public_bytes_raw()), base64_of(sealing)


def _schedule(secret: bytes, info: bytes) -> tuple[AESGCM, bytes]:
    """RFC 9180, section 5.1, in base mode: the key and the nonce of the first message."""

    def extract(salt: bytes, label: bytes, material: bytes) -> bytes:
        return hmac.digest(salt or bytes(32), b"HPKE-v1" + SUITE + label + material, "sha256")

    def expand(key: bytes, label: bytes, context: bytes, length: int) -> bytes:
        labelled = length.to_bytes(2, "big") + b"HPKE-v1" + SUITE + label + context
        return hmac.digest(key, labelled + b"\x01", "sha256")[:length]

    context = b"\0" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    key = extract(secret, b"secret", b"")
    return AESGCM(expand(key, b"key", context, 32)), expand(key, b"base_nonce", context, 12)


def _combine(lattice: bytes, curve: bytes, sent: bytes, public: bytes) -> bytes:
    return hashlib.sha3_256(lattice + curve + sent + public + b"\\.//^\\").digest()


def seal(plain: bytes, public: str, info: bytes) -> bytes:
    """HPKE's single-shot seal to an X-Wing key."""
    raw = bytes_of(public)
    lattice, encapsulated = MLKEM768PublicKey.from_public_bytes(raw[:1184]).encapsulate()
    ours = X25519PrivateKey.generate()
    curve = ours.exchange(X25519PublicKey.from_public_bytes(raw[1184:]))
    sent = ours.public_key().public_bytes_raw()
    aead, nonce = _schedule(_combine(lattice, curve, sent, raw[1184:]), info)
    return encapsulated + sent + aead.encrypt(nonce, plain, b"")


def unseal(sealed: bytes, keys: Keys, info: bytes) -> bytes:
    """HPKE's single-shot open with an X-Wing key."""
    encapsulated, sent = sealed[:1088], sealed[1088:1120]
    lattice = keys.lattice.decapsulate(encapsulated)
    curve = keys.curve.exchange(X25519PublicKey.from_public_bytes(sent))
    aead, nonce = _schedule(_combine(lattice, curve, sent, keys.curve.public_key().public_bytes_raw()), info)
    return aead.decrypt(nonce, sealed[1120:], b"")


def write(
    header: dict[str, Any], plain: bytes, keys: Keys, their_sealing: str, made: str, padded: int | None = None
) -> dict[str, Any]:
    """An envelope of that header around those bytes, padded as they ask or to the size that holds them."""
    size = padded if padded is not None else next(size for size in (1024, 3072, 6656) if len(plain) <= size)
    transcript = bytes.fromhex(made)
    info = b"alongside-link/sealed\0" + transcript + canonical(header)
    content = header | {"sealed": base64_of(seal(plain.ljust(size, b"\0"), their_sealing, info))}
    return sign(content, keys, made)


def sign(content: dict[str, Any], keys: Keys, made: str) -> dict[str, Any]:
    """The content with a signature over all of it."""
    signed = b"alongside-link/signed\0" + bytes.fromhex(made) + canonical(content)
    return content | {"signature": base64_of(keys.signing.sign(signed))}


def read(envelope: dict[str, Any], keys: Keys, their_signing: str, made: str) -> bytes:
    """The bytes of the body in an envelope; raises where it is not signed or does not open."""
    transcript = bytes.fromhex(made)
    content = {name: value for name, value in envelope.items() if name != "signature"}
    verifying = Ed25519PublicKey.from_public_bytes(bytes_of(their_signing))
    verifying.verify(
        bytes_of(envelope["signature"]), b"alongside-link/signed\0" + transcript + canonical(content)
    )
    header = {name: value for name, value in content.items() if name != "sealed"}
    info = b"alongside-link/sealed\0" + transcript + canonical(header)
    return unseal(bytes_of(envelope["sealed"]), keys, info).rstrip(b"\0")
