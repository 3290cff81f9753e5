"""The small web server: what it says, and what it never says."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import aiohttp
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from yarl import URL

from schema.effects import SendText
from schema.errors import ConfigurationError
from schema.events import Message
from service import logs
from service.web import Metrics, Probe, Web, see_free

GOOD = Probe(True, "as it should be")
READY = ("sync", "database", "identity", "keeper", "lease", "timer")


class Parts:
    """Probes that answer what a test has set; everything is well unless it says otherwise."""

    def __init__(self, **answers: Probe | BaseException | None) -> None:
        self.answers = answers

    async def _tell(self, name: str) -> Probe:
        answer = self.answers.get(name, GOOD)
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, BaseException):
            raise answer
        assert isinstance(answer, Probe)
        return answer

    async def alive(self) -> Probe:
        return await self._tell("alive")

    async def sync(self) -> Probe:
        return await self._tell("sync")

    async def database(self) -> Probe:
        return await self._tell("database")

    async def identity(self) -> Probe:
        return await self._tell("identity")

    async def keeper(self) -> Probe:
        return await self._tell("keeper")

    async def lease(self) -> Probe:
        return await self._tell("lease")

    async def timer(self) -> Probe:
        return await self._tell("timer")


@asynccontextmanager
async def serving(
    parts: Parts, metrics: Metrics | None = None
) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    """Serve on a free port; gives the base URL and a session to ask with."""
    web = Web(parts, metrics or Metrics(), "127.0.0.1", 0)
    await web.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield f"http://127.0.0.1:{web.port}", session
    finally:
        await web.stop()
        await web.stop()


async def test_all_is_well() -> None:
    """Both answer 200, with every check and its reason."""
    async with serving(Parts()) as (url, session):
        async with session.get(url + "/healthz") as answer:
            assert answer.status == 200
            assert await answer.json() == {
                "ok": True,
                "checks": {"alive": {"ok": True, "reason": "as it should be"}},
            }
        async with session.get(url + "/readyz") as answer:
            assert answer.status == 200
            assert tuple((await answer.json())["checks"]) == READY


@pytest.mark.parametrize("name", READY)
async def test_one_thing_amiss_is_enough(name: str) -> None:
    """One check that is not well makes 503, and says why; the others are still told."""
    async with serving(Parts(**{name: Probe(False, "it is late")})) as (url, session):
        async with session.get(url + "/readyz") as answer:
            assert answer.status == 503
            checks = (await answer.json())["checks"]
        assert checks.pop(name) == {"ok": False, "reason": "it is late"}
        assert all(check["ok"] for check in checks.values())


async def test_a_dead_loop_is_not_healthy() -> None:
    """/healthz fails when a loop that must run has ended, so that whoever watches starts us anew."""
    async with (
        serving(Parts(alive=Probe(False, "the sync has ended"))) as (url, session),
        session.get(url + "/healthz") as answer,
    ):
        assert answer.status == 503


@pytest.mark.slow
async def test_a_check_that_hangs_or_breaks_is_an_answer() -> None:
    """All checks share two seconds; an error's words, which may name somebody, stay inside."""
    parts = Parts(sync=None, keeper=None, database=RuntimeError("@ann:example.org wrote"))
    async with serving(parts) as (url, session), session.get(url + "/readyz") as answer:
        text = await answer.text()
        assert answer.status == 503
        assert "too long" in text
        assert "ann" not in text


async def test_a_reason_that_may_name_somebody_is_withheld() -> None:
    """A probe that puts an id into its reason by mistake does not get it out."""
    parts = Parts(sync=Probe(True, "waits for @ann:example.org"))
    async with serving(parts) as (url, session), session.get(url + "/readyz") as answer:
        text = await answer.text()
        assert answer.status == 200
        assert "ann" not in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
async def test_reading_only(method: str) -> None:
    """Every method but GET and HEAD is refused, on every path."""
    async with serving(Parts()) as (url, session):
        for path in ("/healthz", "/metrics", "/nowhere"):
            async with session.request(method, url + path) as answer:
                assert answer.status == 405
                assert answer.headers["Allow"] == "GET, HEAD"


async def test_head_has_no_body() -> None:
    """HEAD gives the status alone."""
    async with serving(Parts()) as (url, session), session.head(url + "/readyz") as answer:
        assert answer.status == 200
        assert await answer.read() == b""


async def test_nobody_says_what_serves() -> None:
    """No answer, not even to what is not HTTP, has a Server header or names our libraries."""
    async with serving(Parts()) as (url, session):
        for path in ("/healthz", "/metrics", "/nowhere"):
            async with session.get(url + path) as answer:
                assert "Server" not in answer.headers
        host, _, port = url.removeprefix("http://").partition(":")
        for request in (
            b"\x16\x03\x01\x00\xa5\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nA B\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(request)
            answered = await asyncio.wait_for(reader.read(), 60)
            writer.close()
            await writer.wait_closed()
            assert b"Server" not in answered
            assert b"aiohttp" not in answered
            assert answered.startswith(b"HTTP/1.")


async def test_metrics_count_and_name_nobody() -> None:
    """Counts come out by our own words; a label that is none of them is refused."""
    metrics = Metrics()
    metrics.turn(Message, 0.003)
    metrics.delivery(SendText, "done")
    metrics.inbox.set(2)
    with pytest.raises(ValueError, match="outcome"):
        metrics.delivery(SendText, "@ann:example.org")
    async with serving(Parts(), metrics) as (url, session), session.get(url + "/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
        text = await answer.text()
    assert 'alongside_turns_total{kind="Message"} 1.0' in text
    assert 'alongside_deliveries_total{effect="SendText",outcome="done"} 1.0' in text
    assert "alongside_inbox_waiting 2.0" in text
    assert "ann" not in text
    assert "python_info" not in text


CANARY = "canary"
words = st.sampled_from(
    [
        *(
            "GET",
            "HEAD",
            "POST",
            "OPTIONS",
            "CONNECT",
            "*",
            "/",
            "//",
            "/healthz",
            "/readyz",
            "/metrics",
            "/%2e%2e/",
        ),
        *("?", "#", "%", "%zz", ":", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "Host: h", "Content-Length: 5"),
        *(
            "Content-Length: -1",
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
            "Expect: x",
            "Upgrade: websocket",
        ),
        *(
            "Connection: keep-alive",
            "Connection: Upgrade",
            "Cookie: a=" + CANARY,
            "Authorization: Bearer " + CANARY,
        ),
        *(
            "Range: bytes=0-",
            "Accept-Encoding: gzip",
            "5",
            "0",
            "\x00",
            "\xff",
            CANARY,
            "/" + CANARY,
            " " * 9000,
        ),
    ]
)
lines = st.lists(words | st.text(max_size=5), max_size=4).map(" ".join)
requests = st.tuples(
    st.sampled_from(["GET", "HEAD", "POST"]) | words,
    st.sampled_from(["/healthz", "/" + CANARY]) | words,
    words,
).map(" ".join)
raw = st.binary(max_size=80) | st.lists(requests | lines, max_size=6).map(
    lambda all_lines: "\r\n".join([*all_lines, "", ""]).encode()
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=raw)
@example(raw=b"GET /healthz HTTP/1.1\r\nHost: h\r\nExpect: canary\r\n\r\n")
@example(raw=b"GET /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: canary\r\n\r\n")
async def test_any_bytes_get_a_fixed_answer_or_none(capfd: pytest.CaptureFixture[str], raw: bytes) -> None:
    """Whatever is sent, HTTP or not: nothing of it comes back or into a log, and the next is answered."""
    installed = logs.install("json", "debug")
    try:
        async with serving(Parts()) as (url, session):
            host, _, port = url.removeprefix("http://").partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(raw)
            # What was sent first is answered first; only then does the end of the connection end what waits.
            for _ in range(2):
                async with session.get(url + "/healthz") as answer:
                    assert answer.status == 200
            writer.write_eof()
            answered = await asyncio.wait_for(reader.read(), 60)
            writer.close()
            await writer.wait_closed()
    finally:
        installed.remove()
    assert CANARY.encode() not in answered
    assert b"aiohttp" not in answered
    statuses = re.findall(rb"^HTTP/1\.[01] ([0-9]+)", answered, re.MULTILINE)
    assert set(statuses) <= {b"100", b"200", b"400", b"404", b"405", b"417"}
    said = capfd.readouterr()
    assert CANARY not in said.out + said.err
    assert "Traceback" not in said.out + said.err


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PROPFIND"]),
    path=st.sampled_from(["healthz", "healthz/", "Healthz", "readyz", "metrics", ""]) | st.text(),
    query=st.text(max_size=20),
    body=st.binary(max_size=200),
)
async def test_only_three_paths_say_anything(method: str, path: str, query: str, body: bytes) -> None:
    """On every path but those three, and for every other method, the answer is empty whatever is sent."""
    async with serving(Parts()) as (url, session):
        target = URL(f"{url}/{quote(path)}?{quote(query)}", encoded=True)
        async with session.request(method, target, data=body) as answer:
            told = await answer.read()
            if method not in ("GET", "HEAD"):
                assert (answer.status, told) == (405, b"")
            elif path in ("healthz", "readyz", "metrics"):
                assert (answer.status, bool(told)) == (200, method == "GET")
            else:
                assert (answer.status, told) == (404, b"")


@pytest.fixture
def taken() -> Iterator[int]:
    """Give a port that somebody else listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


async def test_a_port_that_is_taken_is_said_at_once(taken: int) -> None:
    """Starting on a port in use raises, and leaves nothing behind."""
    web = Web(Parts(), Metrics(), "127.0.0.1", taken)
    with pytest.raises(ConfigurationError, match=f"port {taken} of 127.0.0.1") as said:
        await web.start()
    assert (said.value.key, said.value.variable) == ("web.port", "ALONGSIDE_WEB__PORT")
    await web.stop()
    with pytest.raises(ConfigurationError, match=r"web\.port"):
        await see_free("127.0.0.1", taken)
    await see_free("127.0.0.1", 0)


async def test_an_address_that_is_not_ours_is_said() -> None:
    """What is to be mended then is the address and not the port."""
    with pytest.raises(ConfigurationError, match=r"web\.host"):
        await Web(Parts(), Metrics(), "192.0.2.1", 0).start()
