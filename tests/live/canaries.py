"""Unique strings that must never come to rest anywhere, and a scan of bytes that finds them in any dress.

The scan looks for each canary as it stands, in UTF-16, in hexadecimal, percent-encoded, JSON-escaped, and in
each of the three alignments of Base64 (both alphabets), so that a log or a row that wraps it is found too.
"""

import base64
import json
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote


def canary(name: str) -> str:
    """A string that occurs nowhere else: `name` says where it was planted, in a failure's message."""
    return f"{name}{secrets.token_hex(6)}"


def dresses(text: str) -> set[bytes]:
    """The byte strings by which `text` would be recognised."""
    raw = text.encode()
    found = {
        raw,
        raw.lower(),
        raw.upper(),
        text.encode("utf-16-le"),
        text.encode("utf-16-be"),
        raw.hex().encode(),
        raw.hex().upper().encode(),
        quote(text, safe="").encode(),
        json.dumps(text)[1:-1].encode(),
    }
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + raw)
        # The first and last characters mix with the neighbours' bits, so the middle alone is certain.
        middle = coded[(0, 2, 3)[shift] : len(coded) - 4]
        found |= {middle, middle.replace(b"+", b"-").replace(b"/", b"_")}
    return {dress for dress in found if len(dress) >= 6}


def files(roots: Iterable[Path]) -> Iterator[Path]:
    """Every regular file at or below the roots."""
    for root in roots:
        if root.is_file():
            yield root
        elif root.is_dir():
            yield from (path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink())


def scan(roots: Iterable[Path], canaries: Iterable[str | bytes]) -> list[str]:
    """Say which canary lies in which file; an empty list is a clean scan.

    A canary given as bytes (a ciphertext, a hash) is looked for as it stands and in hexadecimal.
    """
    wanted = {
        one if isinstance(one, str) else one.hex()[:24]: dresses(one)
        if isinstance(one, str)
        else {one, one.hex().encode()}
        for one in canaries
    }
    hits = []
    for path in files(roots):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue  # A database that works removes files of its own.
        hits += [
            f"{name} in {path.name}"
            for name, looks in wanted.items()
            if any(look in content for look in looks)
        ]
    return hits
