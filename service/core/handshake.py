"""How two desks come to keys that nobody in the middle has: commit, reveal, compare six words.

Guards: each commits to its keys before it has seen the other's, so that whoever stands in the middle has one
guess at the words and cannot search for keys that fit; the words cover all that was said on the way, terms
and versions included; what the keys of one epoch were agreed in goes into the next.
"""

import hashlib

from schema.ids import LinkId, MatrixId
from schema.wire import Hello, Json, KeyChange, canonical
from schema.words import WORDS

_DESK = b"alongside-link/desk\0"
_COMMITMENT = b"alongside-link/commitment\0"
_TRANSCRIPT = b"alongside-link/transcript\0"
_WORDS = b"alongside-link/words\0"
_SIX = 6


def party(link: LinkId, desk: MatrixId) -> str:
    """What the link calls that front desk: it says nothing to whoever does not know both."""
    return hashlib.sha256(_DESK + canonical({"link": link, "desk": desk})).hexdigest()[:32]


def commitment(link: LinkId, sender: str, keys: KeyChange) -> str:
    """What `sender`, a party, says of its keys before they are shown; the nonce in them hides them."""
    said: dict[str, Json] = {"link": link, "sender": sender, "keys": keys.model_dump(mode="json")}
    return hashlib.sha256(_COMMITMENT + canonical(said)).hexdigest()


def transcript(link: LinkId, before: str, steps: dict[str, tuple[Hello, KeyChange]]) -> str:
    """The digest of an epoch's making; `steps` has both parties' two steps.

    `before` is that of the epoch before, or empty. It names both sides' keys, so that what is bound to it is
    bound to them.
    """
    said: list[Json] = [
        {
            "sender": sender,
            "hello": steps[sender][0].model_dump(mode="json"),
            "keys": steps[sender][1].model_dump(mode="json"),
        }
        for sender in sorted(steps)
    ]
    return hashlib.sha256(
        _TRANSCRIPT + canonical({"link": link, "before": before, "steps": said})
    ).hexdigest()


def six_words(made: str) -> tuple[str, ...]:
    """What both steward rooms are shown of a transcript: 48 bits of it."""
    return tuple(WORDS[byte] for byte in hashlib.sha256(_WORDS + bytes.fromhex(made)).digest()[:_SIX])
