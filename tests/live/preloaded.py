"""Processes that begin with the imports of another one: a start costs a fork, and not two seconds of imports.

Rules guarded here:
- What runs is what `python -P -m MODULE ARGUMENTS` would (the module's `main`), in a process of its own with
  its own id, which is killed and waited for like any other. Only the imports are shared.
- The parent of all forks runs no thread and no event loop, and makes no random number.
- It ends with the process that started it, and the forks end with it.

As a script: `preloaded.py FD`, where FD is a SOCK_SEQPACKET socket. Orders come from there, each with its
three standard streams, as JSON (the fields of `_Order`); what came of them is said there (`pid`; then `pid`
and `code`).
"""

import asyncio
import ctypes
import fcntl
import functools
import gc
import importlib
import io
import json
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from tests.live.bound import PR_SET_PDEATHSIG, bound

_CHECKOUT = Path(__file__).parents[2]
_IMPORTED = (
    *("service.app", "service.cli", "service.doctor", "service.installation"),
    *("tests.live.ahead", "tests.live.nio_member"),
    *("alembic.command", "alembic.config", "alembic.ddl.sqlite"),
)
_START_WITHIN = 120.0
Stream = IO[bytes] | socket.socket | int
"""What a process reads or writes: a file, a socket or a descriptor."""
_LONGEST = 200_000
"""Bytes of one order."""


class Forked:
    """A running fork, with what is used of `asyncio.subprocess.Process`; pipes where it was given some."""

    stdin: asyncio.StreamWriter | None = None
    stdout: asyncio.StreamReader | None = None
    unused: asyncio.StreamWriter | None = None

    def __init__(self, pid: int, ended: Future[int]) -> None:
        self.pid = pid
        self.ended = ended

    @property
    def returncode(self) -> int | None:
        """The exit code once it has ended, negative for a signal; None while it runs."""
        return self.ended.result() if self.ended.done() else None

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a crash would."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait for its end; returns the exit code."""
        code = await asyncio.shield(asyncio.wrap_future(self.ended))
        for pipe in (self.stdin, self.unused):
            if pipe is not None:
                pipe.close()
        return code


def ended(process: subprocess.Popen[bytes] | Forked, seconds: float) -> int:
    """Wait for the end of a process in this thread; returns its exit code.

    Raises TimeoutError or subprocess.TimeoutExpired after `seconds`.
    """
    return process.ended.result(seconds) if isinstance(process, Forked) else process.wait(seconds)


@dataclass(frozen=True)
class _Order:
    module: str
    arguments: list[str]
    environment: dict[str, str]
    directory: str
    at_terminal: bool = False
    largest_file: int | None = None


class Preloaded:
    """The process that has the imports. One serves the whole run; see `preloaded`."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                bound([sys.executable, "-P", "-m", __name__, str(theirs.fileno())]),
                stdin=subprocess.DEVNULL,
                cwd=_CHECKOUT,
                env={**os.environ, "PYTHONPATH": str(_CHECKOUT)},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._socket = ours
        self._orders: list[Future[Forked]] = []
        self._running: dict[int, Future[int]] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, name="preloaded", daemon=True).start()

    async def start(
        self,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        *,
        stdin: Stream | None = None,
        stdout: Stream,
        stderr: Stream,
    ) -> Forked:
        """Start MODULE with ARGUMENTS in `directory`; without `stdin` there is nothing to read."""
        order = _Order(module, list(arguments), dict(environment), str(directory))
        started = self._send(order, stdin, stdout, stderr)
        try:
            # The order is given already and will be answered, whether or not anybody waits for it.
            return await asyncio.shield(asyncio.wrap_future(started))
        except asyncio.CancelledError:
            started.add_done_callback(lambda one: one.result().kill())
            raise

    def begin(
        self,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        *,
        stdin: Stream | None = None,
        stdout: Stream,
        stderr: Stream,
        at_terminal: bool = False,
    ) -> Forked:
        """What `start` does, where no loop runs; `at_terminal`, what `stdin` is becomes its own terminal."""
        order = _Order(module, list(arguments), dict(environment), str(directory), at_terminal)
        return self._send(order, stdin, stdout, stderr).result(_START_WITHIN)

    def run(
        self,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        *,
        within: float = 120.0,
        largest_file: int | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run MODULE with ARGUMENTS to its end, in `directory` and without anything to read.

        With `largest_file` it can write no file of more bytes. Raises TimeoutError after `within` seconds.
        """
        order = _Order(module, list(arguments), dict(environment), str(directory), False, largest_file)
        (said, stdout), (erred, stderr) = os.pipe(), os.pipe()
        with ThreadPoolExecutor(2) as reading:
            texts = [reading.submit(_read, one) for one in (said, erred)]
            try:
                forked = self._send(order, None, stdout, stderr).result(_START_WITHIN)
            finally:
                for ours in (stdout, stderr):
                    os.close(ours)
            try:
                code = ended(forked, within)
            finally:
                # What reads ends with it.
                forked.kill()
        return subprocess.CompletedProcess([module, *arguments], code, *(text.result() for text in texts))

    def _send(self, order: _Order, stdin: Stream | None, stdout: Stream, stderr: Stream) -> "Future[Forked]":
        started: Future[Forked] = Future()
        with open(os.devnull, "rb") as nothing, self._lock:  # noqa: PTH123
            streams = (nothing if stdin is None else stdin, stdout, stderr)
            descriptors = [one if isinstance(one, int) else one.fileno() for one in streams]
            self._orders.append(started)
            socket.send_fds(self._socket, [json.dumps(vars(order)).encode()], descriptors)
        return started

    async def talk_to(
        self,
        module: str,
        environment: Mapping[str, str],
        errors: Stream,
        longest_line: int,
        arguments: Sequence[str] = (),
    ) -> Forked:
        """Start MODULE with ARGUMENTS in the checkout, with `stdin` and `stdout` to talk with it."""
        to_it, its_input = socket.socketpair()
        from_it, its_output = socket.socketpair()
        with its_input, its_output:
            forked = await self.start(
                module, arguments, environment, _CHECKOUT, stdin=its_input, stdout=its_output, stderr=errors
            )
        _, forked.stdin = await asyncio.open_connection(sock=to_it)
        # A connection ends with its writer, whether or not anything is to be written.
        forked.stdout, forked.unused = await asyncio.open_connection(sock=from_it, limit=longest_line)
        return forked

    def _listen(self) -> None:
        while answer := self._socket.recv(_LONGEST):
            said = json.loads(answer)
            with self._lock:
                if "code" in said:
                    self._running.pop(said["pid"]).set_result(said["code"])
                else:
                    end: Future[int] = Future()
                    self._running[said["pid"]] = end
                    self._orders.pop(0).set_result(Forked(said["pid"], end))


def _read(pipe: int) -> str:
    with os.fdopen(pipe, encoding="utf-8") as text:
        return text.read()


@functools.cache
def preloaded() -> Preloaded:
    """The one of this process, started when it is first asked for."""
    return Preloaded()


# ---- the other side


def _serve(orders: socket.socket) -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    # A fork that looks through these for what is garbage would get a copy of each.
    gc.collect()
    gc.freeze()
    woken, wake = socket.socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno())
    with selectors.DefaultSelector() as selector:
        for one in (orders, woken):
            selector.register(one, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if woken in ready:
                with suppress(BlockingIOError):
                    woken.recv(4096)
                _bury(orders)
            if orders in ready:
                text, descriptors, _, _ = socket.recv_fds(orders, _LONGEST, 3)
                if not text:
                    return
                _start(_Order(**json.loads(text)), descriptors, orders, (woken, wake))


def _bury(orders: socket.socket) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = ended
            _say(orders, pid=pid, code=os.waitstatus_to_exitcode(status))


def _say(orders: socket.socket, **what: int) -> None:
    # Nobody listens any more where the run has just ended.
    with suppress(BrokenPipeError, ConnectionResetError):
        orders.send(json.dumps(what).encode())


def _start(
    order: _Order, descriptors: Sequence[int], orders: socket.socket, ours: Sequence[socket.socket]
) -> None:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        for descriptor in descriptors:
            os.close(descriptor)
        # Said before its end can be: ends are seen in this same thread, later.
        _say(orders, pid=pid)
        return
    code = 1
    try:
        for end in (orders, *ours):
            end.close()
        _become(order, descriptors, parent)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException as error:  # noqa: BLE001  Nothing may get back into the loop of the parent.
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def _become(order: _Order, descriptors: Sequence[int], parent: int) -> NoReturn:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
    os.setsid()
    os.chdir(order.directory)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    if order.at_terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        for stream in (sys.stdout, sys.stderr):
            assert isinstance(stream, io.TextIOWrapper)
            stream.reconfigure(line_buffering=True)
    if order.largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order.largest_file, order.largest_file))
    os.environ.clear()
    os.environ.update(order.environment)
    # What these read when they were imported was the parent's.
    tempfile.tempdir = None
    importlib.reload(importlib.import_module("service.failpoint"))
    sys.argv = [order.module, *order.arguments]
    importlib.import_module(order.module).main()
    sys.exit(0)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
