"""The service by a clock that a test sets: `ahead.py FILE CONFIGURATION`, in place of `alongside run`.

The homeserver goes by the same file (tests/live/ahead_synapse.py), so that what is compared with a
homeserver's time is compared with the same clock.
"""

import asyncio
import os
import sys
import time
from datetime import datetime
from pathlib import Path

from service import app, config, logs
from tests.live.moved import Moved

_NAP = 0.1
"""Seconds; nobody tells when the clock is set."""


class Ahead(Moved):
    """The clock as the service asks for it."""

    async def sleep_until(self, when: datetime) -> None:
        """Return at `when` by this clock, or soon after the test set it past that.

        A pause after something failed is no longer by the machine's clock than it was meant to be: whoever
        waits for an hour looks at the clock again.
        """
        longest = time.monotonic() + (when - self.now()).total_seconds()
        while self.now() < when and time.monotonic() < longest:  # noqa: ASYNC110  Nobody tells when it is set.
            await asyncio.sleep(_NAP)


def main() -> None:
    """Run the service as the command line does."""
    file, configuration = map(Path, sys.argv[1:])
    settings = config.load(configuration)
    config.agreement.read(settings)
    logs.install(settings.logging.format, settings.logging.level)
    os.umask(0o077)
    asyncio.run(app.run(settings, Ahead(file)))


if __name__ == "__main__":
    main()
