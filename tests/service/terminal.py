"""The program at a terminal of its own, where somebody types."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live.preloaded import Forked, ended, preloaded

ROOT = Path(__file__).parents[2]

_AT_A_TERMINAL = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from service.cli import main
main()
"""


class Terminal:
    """The program at a terminal, and somebody who types.

    It begins with imports made before (tests/live/preloaded.py), unless it is to be the command line's own.
    """

    def __init__(self, *arguments: str, own: bool = False) -> None:
        ours, theirs = pty.openpty()
        self._terminal = ours
        self._shown = ""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ALONGSIDE_")}
        self.process: subprocess.Popen[bytes] | Forked
        # With a session of its own the terminal is the process's, and what is typed there can be Ctrl-C.
        if own:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _AT_A_TERMINAL, *arguments],
                stdin=theirs, stdout=theirs, stderr=theirs, env={**kept, "PYTHONPATH": str(ROOT)},
                start_new_session=True,
            )  # fmt: skip
        else:
            self.process = preloaded().begin(
                "service.cli", arguments, kept, Path.cwd(),
                stdin=theirs, stdout=theirs, stderr=theirs, at_terminal=True,
            )  # fmt: skip
        os.close(theirs)

    def until(self, text: str) -> None:
        """Wait for `text` on the screen, after what was waited for before."""
        deadline = time.monotonic() + 30
        while text not in self._shown:
            assert select.select([self._terminal], [], [], deadline - time.monotonic())[0], self._shown
            try:
                self._shown += os.read(self._terminal, 65536).decode().replace("\r\n", "\n")
            except OSError:
                raise AssertionError(f"it ended with: {self._shown}") from None
        self._shown = self._shown.partition(text)[2]

    def answer(self, question: str, text: str) -> None:
        """Wait for the question and type an answer."""
        self.until(question)
        os.write(self._terminal, text.encode() + b"\n")

    def interrupt(self) -> None:
        """Type Ctrl-C once the program waits for what is typed.

        A signal in the instant between a question's last letter and the wait for its answer is seen by Python
        only at the next key, whatever the program does; a person types later than that.
        """
        deadline, asleep = time.monotonic() + 30, 0
        while asleep < 5:
            assert time.monotonic() < deadline, "it never waited"
            state = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
            asleep = asleep + 1 if state == "S" else 0
            time.sleep(0.02)
        os.write(self._terminal, b"\x03")

    def end(self) -> int:
        """Wait for the program's end; returns its exit."""
        return ended(self.process, 30)

    def close(self) -> None:
        """Close the terminal, and end the program if it still runs."""
        os.close(self._terminal)
        self.process.kill()
        ended(self.process, 30)


@pytest.fixture
def at_terminal() -> Iterator[Callable[..., Terminal]]:
    """Start programs at terminals that are closed at the test's end."""
    with ExitStack() as closing:

        def start(*arguments: str, own: bool = False) -> Terminal:
            terminal = Terminal(*arguments, own=own)
            closing.callback(terminal.close)
            return terminal

        yield start
