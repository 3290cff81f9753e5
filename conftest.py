"""What every test shares: the real servers and members, how long hypothesis looks, which file is first, and
the figures that tests record for the end of a run (`record_property("figure", …)`).

By default hypothesis looks as long as in every check; with `long` as in `./alongside check --all`, and with
`fast` as in `./alongside check --fast`.
"""

import gc
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ("tests.live.fixtures", "tests.journeys.fixtures", "tests.service.terminal", "tests.spread")

# No deadline for one example, and none for making it: on a busy machine that says how busy the machine is,
# and nothing of the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
_patient = settings.get_profile("patient")
# A check looks at the same examples each time, so that it fails for what was changed; `long` goes searching.
settings.register_profile("check", _patient, max_examples=100, derandomize=True)
settings.register_profile("fast", _patient, max_examples=10, derandomize=True)
settings.register_profile("long", _patient, max_examples=1000)
settings.load_profile("check")


_LONGEST_FIRST = (
    "tests/faults/test_crashes.py",
    *("tests/faults/test_checkin_crashes.py", "tests/faults/test_across_crashes.py"),
    *("tests/interop/", "tests/live/test_demo.py", "tests/live/test_across", "tests/live/test_third.py"),
    *("tests/journeys/", "tests/live/", "tests/"),
)
"""Where the tests that take longest lie: whatever is not named before comes last, in its own order."""


def pytest_configure() -> None:
    """Take Ctrl-C as at a terminal: a shell has what it starts behind itself ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collectstart() -> None:
    """Until all tests are collected Python looks for no garbage, of which there is hardly any."""
    gc.disable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark what needs a server or may be played twice, and put the long files first.

    A process that took a long one last would run on alone while the others rest. pytest itself sorts what has
    parameters before what has none, so that the order is made after that, and the marks are before it.
    """
    for item in items:
        if "postgres" in getattr(item, "fixturenames", ()):
            # Whoever asks for a server of it needs one, whether or not that is written beside the test.
            item.add_marker(pytest.mark.postgres)
        if _served(item) and item.config.getoption("max_suite_reruns"):
            # What has no other process to wait for has no excuse and is played once. `--reruns` would not do:
            # each test that it knows of asks the first process over a socket, and waits 40 ms for the answer.
            item.add_marker(pytest.mark.flaky(reruns=1))
    yield

    def rank(item: pytest.Item) -> tuple[bool, int]:
        place = next(at for at, start in enumerate(_LONGEST_FIRST) if item.nodeid.startswith(start))
        return (False, place) if _served(item) else (True, 0)

    items.sort(key=rank)


def pytest_collection_finish() -> None:
    """Have Python look for no garbage among what the tests are made of: it stays to the end."""
    gc.freeze()
    gc.enable()


def _served(item: pytest.Item) -> bool:
    """Whether the test plays with real servers and clients."""
    return any(item.get_closest_marker(mark) for mark in ("live", "interop", "crash"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say the figures that tests recorded: what a test prints in a process of its own is not shown."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    figures = [
        str(value)
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == "figure"
    ]
    if figures:
        terminalreporter.section("figures")
        for figure in figures:
            terminalreporter.write_line(figure)
