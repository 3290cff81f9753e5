"""A file as it lies in a media store: locked with a key that stands in the encrypted message alone.

Guards: each file has a fresh key and counter; what is uploaded shows its length and nothing else (spec,
"Sending encrypted attachments": AES-CTR with 256 bits, and the SHA-256 of the ciphertext).
"""

import hashlib
import re
import secrets
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR

from schema.errors import Malformed
from service.matrix import border

_ADDRESS = re.compile(r"mxc://[^/\s]{1,255}/[A-Za-z0-9_=-]{1,255}")


def encrypt(plaintext: bytes) -> tuple[bytes, dict[str, Any]]:
    """The ciphertext, and an `EncryptedFile` that still lacks its `url`."""
    key = secrets.token_bytes(32)
    # The lower half counts blocks: from zero, it never runs over into the random half.
    counter = secrets.token_bytes(8) + bytes(8)
    encryptor = Cipher(AES256(key), CTR(counter)).encryptor()
    ciphertext = encryptor.update(plaintext) + encryptor.finalize()
    described = {
        "v": "v2",
        "key": {
            "kty": "oct",
            "alg": "A256CTR",
            "ext": True,
            "k": border.unpadded(key).replace("+", "-").replace("/", "_"),
            "key_ops": ["encrypt", "decrypt"],
        },
        "iv": border.unpadded(counter),
        "hashes": {"sha256": border.unpadded(hashlib.sha256(ciphertext).digest())},
    }
    return ciphertext, described


def content(name: str, described: dict[str, Any], address: object, size: int) -> dict[str, Any]:
    """The content of an `m.file` message; `size` is the plaintext's, in bytes. Raises Malformed."""
    if not isinstance(address, str) or _ADDRESS.fullmatch(address) is None:
        raise Malformed("a media address")
    return {
        "msgtype": "m.file",
        "body": name,
        "filename": name,
        "file": {**described, "url": address},
        "info": {"mimetype": "application/json", "size": size},
        "m.mentions": {},
    }
