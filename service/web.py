"""How the service is, for whoever runs it: /healthz, /readyz and /metrics.

Guards: reading only, on loopback unless the operator says otherwise; no word, id or address of a person, not
even as a label; no name or version of what serves. A check that hangs or fails is an answer, not an outage.
"""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from schema.errors import ConfigurationError
from service import logs

_log = logs.get("web")

_LAST_ANSWERS = 0.5
"""Seconds that a stop leaves to requests under way."""
_PATIENCE = 2.0
"""Seconds for all checks together; whoever asks usually gives up after three."""


@dataclass(frozen=True)
class Probe:
    """One thing's state: whether it is as it should be, and a short sentence that says why (no names)."""

    ok: bool
    reason: str


class Probes(Protocol):
    """How the parts are. Each is quick; one that takes longer than two seconds counts as not well."""

    async def alive(self) -> Probe:
        """Say whether every loop that must run still runs: if not, only a start anew helps."""
        ...

    async def sync(self) -> Probe:
        """Say whether the last sync is recent."""
        ...

    async def database(self) -> Probe:
        """Say whether the database can be written to."""
        ...

    async def identity(self) -> Probe:
        """Say whether the published cross-signing identity was ours when last looked at."""
        ...

    async def keeper(self) -> Probe:
        """Say whether the keeper was deaf when last looked at."""
        ...

    async def lease(self) -> Probe:
        """Say whether this process holds the database's lease."""
        ...

    async def timer(self) -> Probe:
        """Say whether what was due has been handed over in time."""
        ...


class Metrics:
    """Counts of what the service does, in a registry of its own. Labels are our own words, never ids."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._turns = Counter(
            "alongside_turns", "Turns done, by the kind of event.", ["kind"], registry=self.registry
        )
        self._turn_seconds = Histogram(
            "alongside_turn_seconds",
            "Length of a turn, its commit included.",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0),
            registry=self.registry,
        )
        self._deliveries = Counter(
            "alongside_deliveries",
            "Effects delivered, refused or put off, by kind.",
            ["effect", "outcome"],
            registry=self.registry,
        )
        self.failed_turns = self._counter("failed_turns", "Turns that failed and are tried again.")
        self.throttled = self._counter("throttled", "Requests that the homeserver asked us to put off.")
        self.unreadable = self._counter("unreadable", "Messages whose key did not come in time.")
        self.inbox = self._gauge("inbox_waiting", "Events that wait for their turn.")
        self.outbox = self._gauge("outbox_waiting", "Effects that wait for their delivery.")
        self.last_sync = self._gauge("last_sync_timestamp_seconds", "When the last sync came in (Unix time).")
        self._gauge("log_fields_dropped", "Log fields that were not on the list.").set_function(logs.dropped)

    def _counter(self, name: str, says: str) -> Counter:
        return Counter(f"alongside_{name}", says, registry=self.registry)

    def _gauge(self, name: str, says: str) -> Gauge:
        return Gauge(f"alongside_{name}", says, registry=self.registry)

    def turn(self, kind: type[object], seconds: float) -> None:
        """Count one turn for an event of class `kind`."""
        self._turns.labels(kind.__name__).inc()
        self._turn_seconds.observe(seconds)

    def delivery(self, effect: type[object], outcome: str) -> None:
        """Count one delivery of an effect of class `effect`; `outcome` is done, refused or later.

        Raises ValueError for any other outcome: a label that is not of a closed set could name somebody.
        """
        if outcome not in ("done", "refused", "later"):
            raise ValueError("an outcome is done, refused or later")
        self._deliveries.labels(effect.__name__, outcome).inc()

    def render(self) -> bytes:
        """Return everything in the text format of Prometheus."""
        return generate_latest(self.registry)


async def _ask(probe: Callable[[], Awaitable[Probe]]) -> Probe:
    try:
        async with asyncio.timeout(_PATIENCE):
            answer = await probe()
    except TimeoutError:
        return Probe(False, "the check took too long")
    except Exception as error:  # noqa: BLE001  A check that fails is an answer: the thing is not well.
        _log.warning("a check failed", error=error)
        return Probe(False, "the check failed; the log says where")
    # Matrix's identifiers begin with one of these; a reason that holds one was made wrongly.
    if any(sigil in answer.reason for sigil in "@!#$"):
        return Probe(answer.ok, "the reason is withheld, because it may name somebody")
    return answer


def _ready(probes: Probes) -> Mapping[str, Callable[[], Awaitable[Probe]]]:
    """What must be well for the service to work, by its name in /readyz."""
    return {
        "sync": probes.sync,
        "database": probes.database,
        "identity": probes.identity,
        "keeper": probes.keeper,
        "lease": probes.lease,
        "timer": probes.timer,
    }


async def unwell(probes: Probes) -> Sequence[str]:
    """Return the names of the parts that are not well, in the words of /readyz."""
    checks = _ready(probes)
    answers = await asyncio.gather(*map(_ask, checks.values()))
    return [name for name, answer in zip(checks, answers, strict=True) if not answer.ok]


async def _ask_all(probes: Mapping[str, Callable[[], Awaitable[Probe]]]) -> web.Response:
    answers = dict(zip(probes, await asyncio.gather(*map(_ask, probes.values())), strict=True))
    ready = all(answer.ok for answer in answers.values())
    return web.json_response(
        {
            "ok": ready,
            "checks": {name: {"ok": answer.ok, "reason": answer.reason} for name, answer in answers.items()},
        },
        status=200 if ready else 503,
    )


class _Request(web.BaseRequest):
    """A request whose answer, an error's too, says nothing of what serves it or of what was sent."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        response.headers.popall(hdrs.SERVER, None)
        if response.status not in (200, 503) and isinstance(response, web.Response):
            # What aiohttp says of a malformed request shows the line.
            response.body = None
            response.headers.popall(hdrs.CONTENT_TYPE, None)
            response.headers[hdrs.CONTENT_LENGTH] = "0"


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    return _Request(message, payload, protocol, writer, task, asyncio.get_running_loop())


def _cannot_listen(host: str, port: int, error: OSError) -> ConfigurationError:
    if error.errno in (errno.EADDRINUSE, errno.EACCES):
        held = error.errno == errno.EADDRINUSE
        why = "Another program listens" if held else "This user may not listen"
        return ConfigurationError(
            f"{why} at port {port} of {host}, where /healthz is to be",
            fix="Set another port, such as 8643; each instance on a machine needs its own.",
            key="web.port",
            variable="ALONGSIDE_WEB__PORT",
        )
    return ConfigurationError(
        f"Nothing can listen at {host} on this machine",
        fix='Set an address that is this machine\'s own, such as "127.0.0.1".',
        key="web.host",
        variable="ALONGSIDE_WEB__HOST",
    )


async def see_free(host: str, port: int) -> None:
    """See that the port could be had now; nothing listens. Raises ConfigurationError where it cannot."""
    try:
        server = await asyncio.get_running_loop().create_server(
            asyncio.Protocol, host, port, start_serving=False
        )
    except OSError as error:
        raise _cannot_listen(host, port, error) from None
    server.close()


class Web:
    """The small web server. `start` listens, `stop` lets go; `port` is the one that was taken."""

    def __init__(self, probes: Probes, metrics: Metrics, host: str, port: int) -> None:
        self._probes = probes
        self._metrics = metrics
        self._host = host
        self.port = port
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        """Listen; port 0 takes any free one. Raises ConfigurationError when the port cannot be had."""
        server = web.Server(self._answer, request_factory=_request, access_log=None, keepalive_timeout=10.0)
        runner = web.ServerRunner(server, shutdown_timeout=_LAST_ANSWERS)
        await runner.setup()
        site = web.TCPSite(runner, self._host, self.port, backlog=16)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            raise _cannot_listen(self._host, self.port, error) from None
        self._runner = runner
        if runner.addresses:
            self.port = runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening; a second call does nothing."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in (hdrs.METH_GET, hdrs.METH_HEAD):
            return web.Response(status=405, headers={hdrs.ALLOW: "GET, HEAD"})
        probes = self._probes
        match request.path:
            case "/healthz":
                return await _ask_all({"alive": probes.alive})
            case "/readyz":
                return await _ask_all(_ready(probes))
            case "/metrics":
                return web.Response(
                    body=self._metrics.render(), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST}
                )
        return web.Response(status=404)
