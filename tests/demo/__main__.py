"""`./alongside demo`: one pairing in the terminal, on this machine alone, with real encryption.

Rules guarded here:
- Ctrl-C leaves nothing running, at whatever moment.
- The exit code is 0 where every promise that was looked at held, 130 after Ctrl-C, else 1.
"""

import argparse
import asyncio
import secrets
import signal
import sys
import time
from collections.abc import Sequence


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="alongside demo",
        description="Play one pairing: a homeserver, the service and two members, on this machine alone.",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave everything running, and print addresses and log-ins to try it with a Matrix app",
    )
    return parser.parse_args(arguments)


async def _run(keep: bool) -> int:
    from tests.demo.play import Play
    from tests.demo.screen import Screen
    from tests.demo.stage import stage
    from tests.live.homeserver import HarnessMissing

    screen = Screen()
    began = time.monotonic()
    screen.title("Alongside: one pairing, played from an offer to an erased room")
    screen.paragraph(
        "Two members of a community meet through the service. All of it is real, and runs on this machine"
        " alone: a Synapse homeserver, the service, and two Matrix clients with end-to-end encryption. The"
        " members' words are a script. The service's are its own, and what the homeserver sees is read from"
        " its database. Ctrl-C ends it all at any time."
    )
    screen.blank()
    try:
        async with stage(screen) as everything:
            play = Play(everything)
            try:
                await play.play()
            except Exception:
                _show_logs(everything.instance.log_tail(15), everything.homeserver.log_tail(15))
                raise
            screen.blank()
            took = time.monotonic() - began
            if play.broken:
                screen.paragraph(f"{len(play.broken)} of the promises looked at did not hold.", style="bad")
                return 1
            screen.paragraph(f"Every promise that was looked at held. It took {took:.0f} seconds.", style="bold")
            if keep:
                await _keep(everything)
                return 0
            screen.status("stopping the service as an operator would")
            stopped = await everything.instance.stop()
            screen.status("")
            screen.paragraph(
                f"The service has stopped ({stopped:.1f} s after it was told to). Everything else ends now, and"
                " its files go. To try it yourself with a Matrix app: ./alongside demo --keep"
            )
            return 0
    except HarnessMissing as missing:
        screen.paragraph(str(missing), style="bad")
        return 1


def _show_logs(service: str, homeserver: str) -> None:
    print(f"\nThe service's log ends:\n{service}\n\nThe homeserver's log ends:\n{homeserver}\n", file=sys.stderr)


async def _keep(everything: "Stage") -> None:  # noqa: F821
    ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the demo and return its exit code."""
    keep = bool(_options(arguments).keep)

    async def until_told() -> int:
        playing = asyncio.ensure_future(_run(keep))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Told once, it ends what it started; told again, it is already at that.
            loop.add_signal_handler(number, playing.cancel)
        try:
            return await playing
        except asyncio.CancelledError:
            print("Ended. Nothing is left running.")
            return 130

    return asyncio.run(until_told())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
