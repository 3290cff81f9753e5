"""`./alongside demo`: a pairing and a check-in in the terminal, on this machine alone, really encrypted.

Rules guarded here:
- Ctrl-C leaves nothing running, at whatever moment.
- The exit code is 0 where every promise that was looked at held, 130 after Ctrl-C, else 1.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence


def _options(arguments: Sequence[str] | None) -> bool:
    """Whether everything is to be left running."""
    parser = argparse.ArgumentParser(
        prog="alongside demo",
        description="Play a pairing and a check-in, with a homeserver, the service and three members, here.",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave everything running, and print addresses and log-ins to try it with a Matrix app",
    )
    return bool(parser.parse_args(arguments).keep)


async def _run(keep: bool) -> int:
    from tests.demo.keep import keep_running
    from tests.demo.play import Play
    from tests.demo.screen import Screen
    from tests.demo.stage import stage

    screen = Screen()
    began = time.monotonic()
    screen.title("Alongside: a pairing, from an offer of time to an erased room, and a check-in")
    screen.paragraph(
        "Two members of a community meet through the service, and a third is asked how it goes at an hour of"
        " their own choosing. All of it is real, and runs on this machine alone: a Synapse homeserver, the"
        " service, and three Matrix apps with end-to-end encryption. The members' words are a script; the"
        " service's are its own, and what the homeserver sees is read from its database. One wait of a day"
        " is a second here. Ctrl-C ends it all at any time."
    )
    screen.blank()
    async with stage(screen) as everything:
        play = Play(everything)
        try:
            await play.play()
        except Exception:
            screen.status("")
            print(f"\nThe service's log ends:\n{everything.instance.log_tail(15)}", file=sys.stderr)
            print(f"\nThe homeserver's log ends:\n{everything.homeserver.log_tail(15)}\n", file=sys.stderr)
            raise
        screen.blank()
        took = time.monotonic() - began
        if play.broken:
            screen.paragraph(f"{len(play.broken)} of the promises looked at did not hold.", style="bad")
        else:
            screen.paragraph(
                f"Every promise that was looked at held. It took {took:.0f} seconds, {play.waited:.0f} of"
                " them waiting for the minute of the check-in.",
                style="bold",
            )
        if keep:
            await keep_running(everything)
        else:
            screen.status("stopping the service as an operator would")
            stopped = await everything.instance.stop()
            screen.status("")
            screen.paragraph(
                f"The service has stopped ({stopped:.1f} s after it was told to). Everything else ends now,"
                " and its files go. To try it yourself with a Matrix app: ./alongside demo --keep"
            )
        return 1 if play.broken else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the demo and return its exit code."""
    keep = _options(arguments)
    # Imported here, so that Ctrl-C during the imports of what is heavy finds `main` in charge.
    from tests.live.homeserver import HarnessMissing

    async def until_told() -> int:
        playing = asyncio.ensure_future(_run(keep))
        told: list[int] = []

        def tell(number: int) -> None:
            # Told once, it ends what it started; told again, it is already at that.
            if not told:
                told.append(number)
                playing.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, tell, number)
        try:
            return await playing
        except asyncio.CancelledError:
            print("\nEnded. Nothing is left running.")
            return 130

    try:
        return asyncio.run(until_told())
    except HarnessMissing as missing:
        print(f"\n{missing}", file=sys.stderr)
        return 1
    except OSError:
        # Whoever read this has gone; Python would complain once more when it closes what it printed to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
