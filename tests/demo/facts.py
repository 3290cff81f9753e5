"""What is looked at while an act is played, and what every act looks at.

Rules guarded here:
- Each promise that the story touches is looked at, and the demo fails where it is broken.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tests.live import canaries


class Fact(Protocol):
    """Prints something that was looked at, and remembers where it does not hold."""

    def __call__(self, holds: bool, text: str, *details: str) -> None: ...


def names_nobody(fact: Fact, roots: Sequence[Path], looked_for: Sequence[str]) -> None:
    """Look through every file of services for addresses, ids and sentences of people."""
    hits = canaries.scan(roots, looked_for)
    files = list(canaries.files(roots))
    size = sum(file.stat().st_size for file in files)
    whose = "it names" if len(roots) == 1 else "either service's files names"
    fact(
        not hits,
        f"No byte of {whose} them: {len(looked_for)} addresses, ids and sentences, looked for in"
        f" {len(files)} files ({size:,} bytes: database, its log, the service's log, configuration),"
        " as they stand and in Base64, hexadecimal and UTF-16.",
        *hits,
    )
