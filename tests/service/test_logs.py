"""The logs: canaries sent down every path that could print, and none comes out."""

import asyncio
import gc
import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine

from schema.effects import SendText
from schema.errors import HomeserverRefused
from schema.states import RoomState
from service import logs

CANARY = "canary7f3a"
ID = f"@{CANARY}:example.org"


class Written:
    """What came out, on any of the ways to the terminal."""

    def __init__(self, stream: io.StringIO, capture: pytest.CaptureFixture[str]) -> None:
        self._stream = stream
        self._capture = capture

    def lines(self) -> list[dict[str, object]]:
        """Return the JSON lines, and see that nothing at all went past the log or named anybody."""
        printed = self._capture.readouterr()
        text = self._stream.getvalue()
        assert CANARY not in text + printed.out + printed.err
        assert printed.out == ""
        assert printed.err == ""
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Written]:
    """Set the logs up as `run` does, on a stream that the test reads."""
    stream = io.StringIO()
    installed = logs.install("json", "debug", stream)
    try:
        yield Written(stream, capsys)
    finally:
        installed.remove()


def test_what_is_listed_gets_out(written: Written) -> None:
    """Kinds, states, codes, opaque ids, counts, lengths of time."""
    logs.get("engine").info(
        "a turn is done",
        effect=SendText,
        state=RoomState.OPEN,
        kind="message",
        code="M_FORBIDDEN",
        call="keys upload",
        outbox="0123456789abcdef" * 2,
        attempts=3,
        seconds=timedelta(milliseconds=1500),
        deaf=True,
    )
    (line,) = written.lines()
    assert line.pop("timestamp")
    assert line == {
        "event": "a turn is done",
        "level": "info",
        "part": "engine",
        "effect": "SendText",
        "state": "open",
        "kind": "message",
        "code": "M_FORBIDDEN",
        "call": "keys upload",
        "outbox": "0123456789abcdef" * 2,
        "attempts": 3,
        "seconds": 1.5,
        "deaf": True,
    }


@pytest.mark.parametrize(
    "value", [ID, CANARY, [ID], {ID: 1}, ID.encode(), None, 4917612345678, float("nan"), CANARY.upper()]
)
def test_whatever_else_is_dropped_and_counted(written: Written, value: object) -> None:
    """No field, listed or not, lets out a word, an id, a container or a number as long as a telephone's."""
    names = [*logs.FIELDS, "member", "body", "room", CANARY]
    for number, name in enumerate(names):
        before = logs.dropped()
        logs.get("engine").info("a turn is done", **{name: value})  # type: ignore[arg-type]  # An open set.
        lines = written.lines()
        assert len(lines) == number + 1, name
        assert set(lines[-1]) == {"event", "level", "part", "timestamp", "dropped"}, name
        assert lines[-1]["dropped"] == 1, name
        assert logs.dropped() == before + 1, name


def test_an_event_that_is_put_together_is_not_written(written: Written) -> None:
    """Only a literal of the calling code is an event's name: an f-string may hold what somebody typed."""
    log = logs.get("engine")
    log.info(f"got {CANARY}")  # noqa: G004  What must not be done is what is tested.
    log.info("got " + "".join(CANARY))  # noqa: G003  The same.
    log.info("%s" % ID)  # noqa: UP031, G002  The same.
    logs.get(ID).info("of a part that is none")
    lines = written.lines()
    assert [line["event"] for line in lines] == ["an event without a name"] * 3 + ["of a part that is none"]
    assert lines[3]["part"] == "other"


def fail_deeply(secret: str) -> None:
    """Raise an error whose messages, causes and locals hold `secret`."""
    note = {secret: secret}
    try:
        try:
            raise HomeserverRefused(403, secret, secret)
        except HomeserverRefused:
            raise KeyError(note)  # noqa: B904  The context is what is tested.
    except KeyError as error:
        error.add_note(secret)
        raise ExceptionGroup(secret, [ValueError(secret), error]) from RuntimeError(secret)


def test_an_error_is_types_and_places(written: Written) -> None:
    """The whole chain is there, groups included, by type, module and line; not one word of it."""
    try:
        fail_deeply(ID)
    except ExceptionGroup as error:
        logs.get("engine").error("a turn failed", error=error)
    (line,) = written.lines()
    assert isinstance(line["error"], list)
    kinds = [entry.partition(" at ")[0] for entry in line["error"]]
    assert kinds == [
        "ExceptionGroup",
        "ValueError",
        "KeyError",
        "schema.errors.HomeserverRefused",
        "RuntimeError",
    ]
    assert "tests.service.test_logs:" in line["error"][0]


def test_a_chain_that_bites_its_tail_ends() -> None:
    """An error that is its own cause is written once."""
    one, two = ValueError(), KeyError()
    one.__cause__, two.__cause__ = two, one
    assert logs.chain(one) == ["ValueError", "KeyError"]


LIBRARIES = [
    *("nio", "nio.client", "aiohttp.access", "aiohttp.server", "aiohttp.client", "asyncio", "sqlalchemy"),
    *("sqlalchemy.engine.Engine", "sqlalchemy.pool", "aiosqlite", "alembic", "asyncpg", "peewee", CANARY, ID),
]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("own_handler", [False, True])
def test_a_library_says_nothing_of_a_person(written: Written, library: str, own_handler: bool) -> None:
    """Messages, arguments, errors, stacks and even broken format strings of any logger stay inside."""
    logger = logging.getLogger(library)
    own = io.StringIO()
    handler = logging.StreamHandler(own)
    if own_handler:
        handler.setFormatter(logging.Formatter("%(name)s %(message)s %(exc_text)s %(stack_info)s"))
        logger.addHandler(handler)
    try:
        logger.warning("body %s", CANARY)
        logger.error("too many %s", CANARY, ID)  # noqa: PLE1205  A broken call is what is tested.
        logger.critical({"event": ID})
        try:
            fail_deeply(CANARY)
        except ExceptionGroup:
            logger.exception(CANARY, stack_info=True, extra={"who": ID})
    finally:
        logger.removeHandler(handler)
    lines = written.lines()
    assert CANARY not in own.getvalue()
    assert len(lines) == (0 if library.startswith("nio") else 4)
    for line in lines:
        assert line["event"] == "a library has something to say"
        assert str(line["where"]).startswith("test_logs:")
        assert line["part"] in (library, library.rpartition(".")[0], library.partition(".")[0], "other")
    if lines:
        assert "RuntimeError" in str(lines[3]["error"])


def test_a_library_below_warning_says_nothing(written: Written) -> None:
    """DEBUG and INFO of libraries are off, whatever level they set for themselves before."""
    logging.getLogger("aiohttp").info(CANARY)
    logging.getLogger("asyncio").debug(CANARY)
    assert written.lines() == []


def test_warnings_give_their_kind_and_place(written: Written) -> None:
    """A warning's text often holds the object that it is about."""
    # A raised warning is an error here, so the hook is called as Python calls it when it is not.
    warnings.showwarning(ResourceWarning(f"unclosed {ID}"), ResourceWarning, f"/home/{CANARY}/place.py", 7)
    (line,) = written.lines()
    assert line["part"] == "ResourceWarning"
    assert line["where"] == "place:7"


def test_what_nobody_catches(written: Written) -> None:
    """The main program's hook, a thread's and a destructor's write types and places."""
    try:
        fail_deeply(ID)
    except ExceptionGroup as error:
        sys.excepthook(type(error), error, error.__traceback__)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(CANARY), None)

    thread = threading.Thread(target=fail_deeply, args=(ID,), name=ID)
    thread.start()
    thread.join()

    class Broken:
        def __del__(self) -> None:
            fail_deeply(ID)

    Broken()
    gc.collect()
    assert [line["event"] for line in written.lines()] == [
        "an error that nobody caught",
        "an error that nobody caught in a thread",
        "an error that could not be raised",
    ]


def test_what_no_task_catches(written: Written) -> None:
    """A task whose error nobody fetched, and a broken callback, are written without names and locals."""

    async def run() -> None:
        logs.guard(asyncio.get_running_loop())

        async def broken() -> None:
            fail_deeply(ID)

        task = asyncio.create_task(broken(), name=ID)
        await asyncio.wait([task])
        asyncio.get_running_loop().call_soon(fail_deeply, ID)
        await asyncio.sleep(0)
        del task
        gc.collect()

    asyncio.run(run())
    events = [line["event"] for line in written.lines()]
    assert events.count("an error that nobody caught in a task") == 2


async def test_sqlalchemy_with_echo_says_nothing(written: Written) -> None:
    """An engine that echoes its statements attaches a handler of its own; no value comes out of it."""
    engine = create_async_engine("sqlite+aiosqlite://", echo=True)
    async with engine.connect() as connection:
        await connection.execute(sqlalchemy.text("select :who"), {"who": ID})
    await engine.dispose()
    logging.getLogger("sqlalchemy.engine.Engine").handlers.clear()
    printed = written._capture.readouterr()
    assert CANARY not in printed.out + printed.err + written._stream.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["json", "console"])
def test_a_whole_process_dies_without_a_word(tmp_path: Path, form: Literal["json", "console"]) -> None:
    """An error that ends the process shows its type and places on standard error, and nothing else."""
    script = tmp_path / "dies.py"
    script.write_text(
        "import asyncio, sys\nfrom service import logs\n"
        f"logs.install({form!r})\n"
        "async def main():\n"
        "    logs.guard(asyncio.get_running_loop())\n"
        f"    secret = {ID!r}\n"
        "    logs.get('main').warning('about to fail')\n"
        "    raise RuntimeError(secret)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=120, check=False,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONASYNCIODEBUG": "1"},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert CANARY not in done.stderr
    assert "Traceback" not in done.stderr
    assert "RuntimeError at __main__:9" in done.stderr
    assert "about to fail" in done.stderr
    assert "\x1b" not in done.stderr


def hooks() -> list[object]:
    """Return everything that `install` changes."""
    return [
        *(sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning),
        *(logging.getLogRecordFactory(), logging.getLogger().handlers[:], logging.raiseExceptions),
    ]


def test_everything_is_put_back() -> None:
    """After `remove` the process logs, warns and fails as it did before."""
    before = hooks()
    logs.install(stream=io.StringIO()).remove()
    assert before == hooks()
