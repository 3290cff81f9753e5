"""What the service writes down about its own running: by allow-list, so that no person is in it.

Guards (charter, promise 5): an event's name is a literal of our own code; only the fields listed here get
out, each with a value of the form given here; anything else is dropped and counted. An error is written as
its type and the module and line of each frame, without its message and without locals. What libraries log
is reduced to the library, the level, the place and the error's type, whatever handler is attached to it;
nio's log is off. What nobody caught, in a thread, a task, a destructor or the main program, is written the
same way.
"""

import asyncio
import inspect
import logging
import math
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from types import CodeType, TracebackType
from typing import Literal, TextIO

import structlog

import schema.effects
import schema.errors
import schema.events
import schema.records
import schema.states

Format = Literal["json", "console"]
Level = Literal["debug", "info", "warning", "error"]
Value = str | int | float | bool

_LEVELS: dict[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

_LONGEST_CHAIN = 8
"""Errors: a cause of a cause of a cause…; a chain that loops must not loop here."""
_MOST_FRAMES = 16

_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,80}")
_OPAQUE = re.compile(r"[0-9a-f]{32}")
_CALL = re.compile(r"[a-z][a-z_ ]{0,39}")
_ERRCODE = re.compile(r"M_[A-Z_]{1,60}|UNKNOWN")


def _vocabulary() -> frozenset[str]:
    """Collect every word of the schema that names a kind of thing or a state: no person chose any of them."""
    words = {"members", "requests", "offers", "asks", "pairings", "peer_rooms", "purged", "asked", "cannot"}
    for module in (schema.effects, schema.errors, schema.events, schema.records, schema.states):
        for name, thing in inspect.getmembers(module, inspect.isclass):
            words.add(name)
            words.add(re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())
            if issubclass(thing, Enum):
                words.update(member.value for member in thing if isinstance(member.value, str))
    return frozenset(words)


_WORDS = _vocabulary()


def _word(value: object) -> Value | None:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, type):
        return value.__name__ if _MODULE.fullmatch(value.__name__) else None
    return value if isinstance(value, str) and value in _WORDS else None


def _matching(pattern: re.Pattern[str]) -> Callable[[object], Value | None]:
    return lambda value: value if isinstance(value, str) and pattern.fullmatch(value) else None


def _number(value: object) -> Value | None:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # A count or a length of time stays below this; a telephone number or a key does not.
    return round(value, 6) if math.isfinite(value) and abs(value) < 1_000_000_000 else None


def _truth(value: object) -> Value | None:
    return value if isinstance(value, bool) else None


FIELDS: Mapping[str, Callable[[object], Value | None]] = {
    # Kinds and states, out of the schema's own words.
    "kind": _word,
    "effect": _word,
    "state": _word,
    "ending": _word,
    "outcome": _word,
    # Our own names of requests to the homeserver, Matrix's error codes, HTTP's states.
    "call": _matching(_CALL),
    "code": _matching(_ERRCODE),
    "status": _number,
    # Opaque ids: random, or a keyed hash of a pairing. A member's hash is not here, so that no log can be
    # read as a diary of one person.
    "outbox": _matching(_OPAQUE),
    "pairing": _matching(_OPAQUE),
    "request": _matching(_OPAQUE),
    # Counts.
    "attempts": _number,
    "count": _number,
    "epoch": _number,
    "failures": _number,
    "generation": _number,
    "handled": _number,
    "pending": _number,
    "port": _number,
    "seq": _number,
    "signal": _number,
    "version": _number,
    # Lengths of time, in seconds.
    "age": _number,
    "retry_after": _number,
    "seconds": _number,
    "wait": _number,
    # Yes or no.
    "deaf": _truth,
    "federated": _truth,
    "ready": _truth,
}
"""Every field that gets out, with the form that its value must have; a new one is added here, on purpose."""


class _Dropped:
    """How much was dropped since the process began; counted, so that a lost field is noticed."""

    count = 0


def dropped() -> int:
    """Return how many fields and event names were dropped since the process began."""
    return _Dropped.count


class Log:
    """One part's log: `log.info("a turn is done", seconds=0.004)`.

    The event is a literal in the calling code; anything else is written as "an event without a name" and
    counted as dropped. `error` is written as a chain of types and places. Never raises.
    """

    def __init__(self, part: str) -> None:
        self._part = part

    def debug(self, event: str, *, error: BaseException | None = None, **fields: object) -> None:
        """Write what only somebody who looks for a fault wants to see."""
        self._write("debug", event, error, fields, sys._getframe(1).f_code)

    def info(self, event: str, *, error: BaseException | None = None, **fields: object) -> None:
        """Write what is as it should be."""
        self._write("info", event, error, fields, sys._getframe(1).f_code)

    def warning(self, event: str, *, error: BaseException | None = None, **fields: object) -> None:
        """Write what is not as it should be, and is being dealt with."""
        self._write("warning", event, error, fields, sys._getframe(1).f_code)

    def error(self, event: str, *, error: BaseException | None = None, **fields: object) -> None:
        """Write what needs somebody."""
        self._write("error", event, error, fields, sys._getframe(1).f_code)

    def _write(
        self,
        level: Level,
        event: str,
        error: BaseException | None,
        fields: Mapping[str, object],
        caller: CodeType,
    ) -> None:
        written: dict[str, Value | list[str]] = {}
        lost = 0
        for name, value in fields.items():
            check = FIELDS.get(name)
            kept = check(value) if check is not None else None
            if kept is None:
                lost += 1
            else:
                written[name] = kept
        if not _is_literal(event, caller):
            # A name that was put together while running may hold what somebody typed.
            event = "an event without a name"
            lost += 1
        if error is not None:
            written["error"] = chain(error)
        if lost:
            _Dropped.count += lost
            written["dropped"] = lost
        _emit(level, event, self._part, written)


def _is_literal(event: str, caller: CodeType) -> bool:
    """Whether the calling code holds the event: as a constant, or in one of several arguments."""
    return any(event in one if isinstance(one, tuple) else event == one for one in caller.co_consts)


def get(part: str) -> Log:
    """Return the log of `part`, the name of one of our modules."""
    return Log(part if _MODULE.fullmatch(part) else "other")


def _emit(level: Level, event: str, part: str, written: Mapping[str, Value | list[str]]) -> None:
    logger = structlog.get_logger()
    {"debug": logger.debug, "info": logger.info, "warning": logger.warning, "error": logger.error}[level](
        event, part=part, **written
    )


def chain(error: BaseException) -> list[str]:
    """Return `error` and what caused it, outermost first: each its type and the places it went through.

    "schema.errors.SealBroken at service.engine:88 service.seal:81"; no message, no locals, no paths.
    """
    lines: list[str] = []
    _chain(error, lines, set())
    return lines


def _chain(error: BaseException | None, lines: list[str], seen: set[int]) -> None:
    while error is not None and id(error) not in seen and len(lines) < _LONGEST_CHAIN:
        seen.add(id(error))
        lines.append(_line(type(error), error.__traceback__))
        if isinstance(error, BaseExceptionGroup):
            for one in error.exceptions:
                _chain(one, lines, seen)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _line(kind: type[BaseException], trace: TracebackType | None) -> str:
    places: list[str] = []
    while trace is not None:
        places.append(f"{_module(trace.tb_frame.f_globals.get('__name__'))}:{trace.tb_lineno}")
        trace = trace.tb_next
    name = _module(f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."))
    return f"{name} at {' '.join(places[-_MOST_FRAMES:])}" if places else name


def _module(name: object) -> str:
    return name if isinstance(name, str) and _MODULE.fullmatch(name) else "unnamed"


def _library(name: str) -> str:
    """Return the logger's name if it is a module's; a name that somebody made up may be anything."""
    while name not in sys.modules and "." in name:
        name = name.rpartition(".")[0]
    return name if name in sys.modules and _MODULE.fullmatch(name) else "other"


class _Reduced(logging.LogRecord):
    """A library's record without its words: made in place of every record, so that no handler sees them."""

    def __init__(
        self,
        name: str,
        level: int,
        pathname: str,
        lineno: int,
        msg: object,
        args: object,
        exc_info: object,
        func: str | None = None,
        sinfo: str | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(_library(name), level, pathname, lineno, "a library's message", (), None, func, None)
        self.chain: list[str] = []
        if exc_info is True:
            exc_info = sys.exc_info()
        if isinstance(exc_info, tuple) and len(exc_info) == 3:
            exc_info = exc_info[1]
        if isinstance(exc_info, BaseException):
            self.chain = chain(exc_info)

    def __setattr__(self, key: str, value: object) -> None:
        if key in ("exc_info", "exc_text", "stack_info") and value is not None:
            return
        super().__setattr__(key, value)


class _Handler(logging.Handler):
    """Writes what is left of a library's record."""

    def emit(self, record: logging.LogRecord) -> None:
        written: dict[str, Value | list[str]] = {"where": f"{_module(record.module)}:{record.lineno}"}
        if isinstance(record, _Reduced) and record.chain:
            written["error"] = record.chain
        level: Level = "error" if record.levelno >= logging.ERROR else "warning"
        _emit(level, "a library has something to say", _library(record.name), written)


@dataclass(frozen=True)
class Installed:
    """The logs as set up for this process; `remove` puts everything back as it was (tests want that)."""

    remove: Callable[[], None]


def install(form: Format = "json", level: Level = "info", stream: TextIO | None = None) -> Installed:
    """Set up the logs of the whole process, on `stream` (standard error), from `level` up.

    From here on no library's words get out, and what nobody catches is written without its message.
    """
    stream = stream or sys.stderr
    render: structlog.typing.Processor
    if form == "json":
        render = structlog.processors.JSONRenderer(sort_keys=True)
    else:
        colours = stream.isatty() and not os.environ.get("NO_COLOR")
        render = structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=0)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    undo = [structlog.reset_defaults, _take_libraries(), _take_hooks()]

    def remove() -> None:
        for step in reversed(undo):
            step()

    return Installed(remove)


def _take_libraries() -> Callable[[], None]:
    root, nio = logging.getLogger(), logging.getLogger("nio")
    loggers = [
        item for item in logging.Logger.manager.loggerDict.values() if isinstance(item, logging.Logger)
    ]
    before = [
        (logger, logger.handlers[:], logger.propagate, logger.level) for logger in (root, nio, *loggers)
    ]
    factory, raises = logging.getLogRecordFactory(), logging.raiseExceptions
    for logger in loggers:
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.NOTSET)
    root.handlers = [_Handler()]
    root.setLevel(logging.WARNING)
    # nio writes decrypted bodies at WARNING, and a place in its code says nothing that our errors do not.
    nio.handlers, nio.propagate = [logging.NullHandler()], False
    nio.setLevel(logging.CRITICAL + 1)
    logging.setLogRecordFactory(_Reduced)
    # A handler that fails would print the record's arguments to standard error.
    logging.raiseExceptions = False

    def undo() -> None:
        logging.setLogRecordFactory(factory)
        logging.raiseExceptions = raises
        for logger, handlers, propagate, level in before:
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)

    return undo


def _take_hooks() -> Callable[[], None]:
    log = get("process")
    before = (sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning)

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            log.error("an error that nobody caught", error=error)

    def in_thread(args: threading.ExceptHookArgs) -> None:
        log.error("an error that nobody caught in a thread", error=args.exc_value)

    def unraisable(args: "sys.UnraisableHookArgs") -> None:
        log.error("an error that could not be raised", error=args.exc_value)

    def warned(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        place = _module(os.path.splitext(os.path.basename(filename))[0])  # noqa: PTH119, PTH122  (any string)
        written: dict[str, Value | list[str]] = {"where": f"{place}:{lineno}"}
        _emit("warning", "Python warns", _module(category.__name__), written)

    sys.excepthook, threading.excepthook, sys.unraisablehook = uncaught, in_thread, unraisable
    warnings.showwarning = warned

    def undo() -> None:
        sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning = before

    return undo


def guard(loop: asyncio.AbstractEventLoop) -> None:
    """Have what no task on `loop` caught written without its message: asyncio would print whole tasks."""
    log = get("process")

    def handle(loop: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
        error = context.get("exception")
        log.error(
            "an error that nobody caught in a task",
            error=error if isinstance(error, BaseException) else None,
        )

    loop.set_exception_handler(handle)
