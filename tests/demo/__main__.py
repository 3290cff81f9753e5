"""`./alongside demo`: what the service does, in acts in the terminal, on this machine, really encrypted.

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

from tests.demo.acts import ACTS, Act


def _options(arguments: Sequence[str] | None) -> tuple[list[Act], bool]:
    """The acts to play, and whether everything is to be left running."""

    def act(text: str) -> Act:
        for known in ACTS:
            if text == known:
                return known
        raise argparse.ArgumentTypeError(f"there is no act {text!r}: the acts are {', '.join(ACTS)}")

    parser = argparse.ArgumentParser(
        prog="alongside demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Play what the service does, with homeservers, services and members that are\n"
        "real and run on this machine alone.",
        epilog="The acts:\n" + "\n".join(f"  {name:<10} {what}" for name, what in ACTS.items()),
    )
    parser.add_argument("act", nargs="*", type=act, help="an act to play; all of them unless named")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave everything running, and print addresses and log-ins to try it with a Matrix app",
    )
    found = parser.parse_args(arguments)
    return [act for act in ACTS if act in found.act or not found.act], bool(found.keep)


def _counted(seconds: float, waited: float) -> str:
    took = f"It took {seconds:.0f} seconds"
    if waited < 1:
        return f"{took}."
    return f"{took}, {waited:.0f} of them waiting for the minute of the check-in."


async def _run(acts: Sequence[Act], keep: bool) -> int:
    from tests.demo.keep import keep_running
    from tests.demo.play import Play
    from tests.demo.screen import Screen
    from tests.demo.stage import NAMES, stage

    screen = Screen()
    began = time.monotonic()
    screen.title("Alongside: peer support over Matrix, played in this terminal")
    story = {
        "pairing": f"Two members of {NAMES[0]} meet through the service.",
        "link": f"{NAMES[0]} and {NAMES[1]} link, and a member of one meets somebody of the other.",
        "check-in": "Somebody is asked how it goes, at an hour of their own choosing.",
    }
    screen.paragraph(
        " ".join(story[act] for act in acts)
        + " All of it is real, and runs on this machine alone: Synapse homeservers, the service, and Matrix"
        " apps with end-to-end encryption. What people write is a script; the service's words are its own,"
        " and what a homeserver sees is read from its database. One wait of a day is a second here. Ctrl-C"
        " ends it all at any time."
    )
    screen.blank()
    async with stage(screen, acts) as everything:
        play = Play(everything, acts)
        try:
            await play.play()
        except Exception:
            screen.status("")
            for one in everything.communities:
                print(f"\n{one.name}: the service's log ends:\n{one.instance.log_tail(15)}", file=sys.stderr)
                print(f"\nThe homeserver's log ends:\n{one.homeserver.log_tail(15)}\n", file=sys.stderr)
            raise
        screen.blank()
        took = time.monotonic() - began
        if play.broken:
            screen.paragraph(f"{len(play.broken)} of the promises looked at did not hold.", style="bad")
        else:
            screen.paragraph(
                f"Every promise that was looked at held. {_counted(took, play.waited)}", style="bold"
            )
        if keep:
            await keep_running(everything)
        else:
            screen.status("stopping what runs as an operator would")
            stopped = max(await asyncio.gather(*(one.instance.stop() for one in everything.communities)))
            screen.status("")
            screen.paragraph(
                ("The service has" if len(everything.communities) == 1 else "Both services have")
                + f" stopped ({stopped:.1f} s after that was said). Everything else ends now, and its files"
                " go. To try it yourself with a Matrix app:"
            )
            screen.paragraph("./alongside demo --keep", indent="    ")
        return 1 if play.broken else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the demo and return its exit code."""
    acts, keep = _options(arguments)
    # Imported here, so that Ctrl-C during the imports of what is heavy finds `main` in charge.
    from tests.live.homeserver import HarnessMissing

    async def until_told() -> int:
        playing = asyncio.ensure_future(_run(acts, keep))
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
