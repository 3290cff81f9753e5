"""The service with a listener at its door: `overheard.py FILE CONFIGURATION`, in place of `alongside run`.

FILE, which is none of the service's, gets one JSON object a line for each thing that crossed a link to it and
was taken, as it stands once it is opened: all that this desk ever learns over its links.
"""

import asyncio
import os
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from schema.records import Link, LinkKeys
from schema.wire import Body, Opening, canonical
from service import app, config, logs
from service.core.links import Taken
from service.core.terms import Known, as_said
from service.crossing import Crossing


def listen(file: Path) -> None:
    """From now on whatever crosses to this process is written down."""
    take, proposal = Crossing.take, Crossing.proposal

    def note(body: Body) -> None:
        with file.open("ab") as heard:
            heard.write(canonical(body) + b"\n")

    def taken(
        self: Crossing,
        content: str,
        link: Link,
        keys: Iterable[LinkKeys],
        now: datetime,
        known: Known = as_said,
    ) -> Taken:
        what = take(self, content, link, keys, now, known)
        if what.body is not None:
            note(what.body)
        return what

    def proposed(self: Crossing, content: str, now: datetime) -> Opening | None:
        opening = proposal(self, content, now)
        if opening is not None:
            note(opening.body)
        return opening

    # A listener, in a process of the tests alone.
    Crossing.take = taken  # type: ignore[method-assign]
    Crossing.proposal = proposed  # type: ignore[method-assign]


def main() -> None:
    """Run the service as the command line does."""
    file, configuration = map(Path, sys.argv[1:])
    listen(file)
    settings = config.load(configuration)
    config.agreement.read(settings)
    logs.install(settings.logging.format, settings.logging.level)
    os.umask(0o077)
    asyncio.run(app.run(settings))


if __name__ == "__main__":
    main()
