"""How large what the service says may be.

Guards: an encrypted event of ours stays under 16 KiB, so that no homeserver on the way refuses it (the
specification's bound is 65,536 bytes).
"""

import json
from collections.abc import Iterator

LARGEST_BODY = 11_000
"""Bytes of a message's body inside its JSON: base64 makes a third more of it, and the rest takes 1 KiB."""


def weight(text: str) -> int:
    """How many bytes `text` takes in the JSON of a message (UTF-8; RFC 8259, section 7)."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2


def parts(text: str) -> Iterator[str]:
    """`text` cut at the ends of lines into as few messages as hold it; a line that none holds is cut too."""
    if weight(text) <= LARGEST_BODY:
        if text.strip():
            yield text
        return
    kept = ""
    for whole in text.split("\n"):
        line = whole
        joined = f"{kept}\n{line}" if kept else line
        if weight(joined) <= LARGEST_BODY:
            kept = joined
            continue
        if kept.strip():
            yield kept
        while weight(line) > LARGEST_BODY:
            # No character takes more than six bytes.
            yield line[: LARGEST_BODY // 6]
            line = line[LARGEST_BODY // 6 :]
        kept = line
    if kept.strip():
        yield kept
