"""The demo as whoever tries it starts it: a process of its own, read line by line."""

import asyncio
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.demo.__main__ import main
from tests.live import story
from tests.live.homeserver import CHECKOUT, Homeserver, synapse_python
from tests.live.member import Member, javascript_ready

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]


class Demo:
    """The running demo: what it printed, and which processes came of it."""

    def __init__(self, process: asyncio.subprocess.Process, directory: Path) -> None:
        self.process = process
        self.directory = directory
        self.said = ""

    async def until(self, text: str, *, within: float = 300.0) -> None:
        """Read on until a line holds `text`."""
        assert self.process.stdout is not None
        async with asyncio.timeout(within):
            while line := (await self.process.stdout.readline()).decode():
                self.said += line
                if text in line:
                    return
        raise AssertionError(f"{text!r} was not said:\n{self.said}")

    async def ends(self, *, within: float = 300.0) -> int:
        """Read to the end; returns the exit code."""
        assert self.process.stdout is not None
        async with asyncio.timeout(within):
            self.said += (await self.process.stdout.read()).decode()
            return await self.process.wait()

    def files(self) -> list[str]:
        """What still lies where its temporary files were."""
        return sorted(path.name for path in self.directory.iterdir())

    def running(self) -> list[str]:
        """What still runs of all that it started: each was given the place for temporary files."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                environment = (process / "environ").read_bytes()
                command = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if f"TMPDIR={self.directory}".encode() in environment and command:
                found.append(command.replace(b"\0", b" ").decode(errors="replace"))
        return found

    async def rests(self, *, within: float = 60.0) -> None:
        """Wait until nothing runs of what it started."""
        deadline = time.monotonic() + within
        while True:
            running = self.running()
            if not running:
                return
            assert time.monotonic() < deadline, running
            await asyncio.sleep(0.1)


@asynccontextmanager
async def demo(
    directory: Path, *arguments: str, stdout: int = asyncio.subprocess.PIPE, checkout: Path = CHECKOUT
) -> AsyncIterator[Demo]:
    """Start it with a place of its own for temporary files, which marks every process that comes of it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "tests.demo", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=stdout,
        stderr=asyncio.subprocess.STDOUT,
        cwd=directory,
        env={
            **os.environ,
            "TMPDIR": str(directory),
            "PYTHONPATH": str(checkout),
            "ALONGSIDE_SYNAPSE_PYTHON": str(synapse_python()),
        },
        start_new_session=True,
    )
    try:
        yield Demo(process, directory)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def directory() -> Iterator[Path]:
    """A place for temporary files: a short one, since sockets have short names."""
    with tempfile.TemporaryDirectory(prefix="demo-", ignore_cleanup_errors=True) as name:
        yield Path(name)


async def test_it_plays_it_through(directory: Path) -> None:
    """It ends well within its time: a pairing, two communities, a check-in to its room; nothing runs then."""
    began = time.monotonic()
    async with demo(directory) as played:
        code = await played.ends()
        took = time.monotonic() - began
        said = " ".join(played.said.replace("│", " ").split())
        assert code == 0, played.said
        for fact in (
            "Before the second yes, nothing that either one's app had received held the other's address.",
            "In the room are @alongside-keeper, @heron, @willow, and not the front desk.",
            "The keeper is deaf",
            "Of what they said, the homeserver has not one word, only ciphertext.",
            "Nobody can write in it any more: the homeserver refuses.",
            "You had asked for up to 2 hours. What would help, you said: practical ideas.",
            "You both said yes to 30 minutes more.",
            "Whoever would talk again heard nothing of the other's wish before both had said it.",
            "Both got the same receipt.",
            "Your offer has ended. Nobody is told.",
            "The front desk leaves the member's chat.",
            "The homeserver's administrator doesn't find the room.",
            "gone from the homeserver's database",
            "has no request, no offer, no ask, no pairing and no room left, and of the two people only the",
            "No byte of it names them",
            "What was sealed is gone too",
            "it found 3 of 3",
            "Both stewards were shown the same six words:",
            "and of what was agreed not one word.",
            "Someone of “The Elm House” asks for company.",
            "They belong to a linked community: “The Mill”.",
            "neither homeserver had the other's in any table.",
            "In the room, by both homeservers, are @alongside-keeper, @sparrow, @willow, and neither front",
            "The keeper is deaf there too",
            "Of what they said, neither homeserver has a word, only ciphertext.",
            "Both receipts say that both copies are gone.",
            "Neither homeserver's administrator finds the room.",
            "Its events are gone from both homeservers' databases.",
            "No byte of either service's files names them",
            "I would write to you once:",
            "That is set up. It comes on",
            "It came at the hour that its member chose:",
            "(I'd like company)",
            "The check-in was to come once, and it did: the service's database has nothing of it now.",
            "Here too neither had the other's address before both yeses",
            "and in the room are only @alongside-keeper, @finch, @heron.",
            "I am here now, and it need not be fine.",
            "Every promise that was looked at held.",
            "Both services have stopped",
        ):
            assert fact in said, (fact, played.said)
        # The question stands once on the page, after the recap that names it, and before what came of it.
        assert said.count("Hello. How is it going? 1. Fine") == 1, played.said
        assert ("matrix-js-sdk, signed devices only" in said) == javascript_ready()
        # It promises 90 seconds on a machine that does nothing else, and other tests run here, with
        # servers and clients of their own.
        assert took < 240, f"it took {took:.0f} s"
        # In a file it is plain lines: no colour, nothing drawn over, and no line is longer than a terminal's.
        assert not re.search("[\x1b\r]", played.said)
        assert [line for line in played.said.splitlines() if len(line) > 80] == []
        assert played.running() == []
        assert played.files() == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("act", "last"), [("pairing", "it found 3 of 3"), ("check-in", "and it need not be fine.")]
)
async def test_an_act_can_be_played_alone(directory: Path, act: str, last: str) -> None:
    """An act that is named is played with what it needs, and no other; the third is kept in a test below."""
    async with demo(directory, act) as played:
        code = await played.ends()
    assert code == 0, played.said
    assert last in " ".join(played.said.replace("│", " ").split())
    assert played.said.count("━━ ") == 1
    assert "The service has stopped" in played.said


def test_it_says_which_acts_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever names an act that there is not reads which there are, and nothing is started."""
    with pytest.raises(SystemExit) as ended:
        main(["pairing", "third"])
    assert ended.value.code == 2
    assert "pairing, link, check-in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("act", "moment"),
    [
        ("pairing", "Alongside:"),
        ("pairing", "Homeserver"),
        # The second community is being made meanwhile.
        ("link", "Two communities"),
        ("link", "1. Two stewards"),
        # The same processes run here as before.
        pytest.param("pairing", "5. A room", marks=pytest.mark.long),
        pytest.param("link", "4. Both say yes", marks=pytest.mark.long),
    ],
)
async def test_an_interrupt_leaves_nothing(directory: Path, act: str, moment: str) -> None:
    """Ctrl-C ends it at once, with nothing running and no file left, whatever it is at."""
    async with demo(directory, act) as played:
        await played.until(moment)
        played.process.send_signal(signal.SIGINT)
        assert await played.ends(within=120) == 130, played.said
        assert "Nothing is left running." in played.said
        assert played.running() == []
        assert played.files() == []


async def test_its_death_leaves_nothing_running(directory: Path) -> None:
    """Killed, it takes every process with it."""
    async with demo(directory) as played:
        await played.until("2. Somebody asks")
        played.process.kill()
        await played.process.wait()
        await played.rests()


async def test_a_reader_who_leaves_ends_it(directory: Path) -> None:
    """When nobody reads any more, as after `| head`, everything is ended in order."""
    reading, writing = os.pipe()
    async with demo(directory, stdout=writing) as played:
        os.close(writing)
        await asyncio.to_thread(os.read, reading, 100)
        os.close(reading)
        async with asyncio.timeout(120):
            assert await played.process.wait() == 1
        assert played.running() == []
        assert played.files() == []


async def _logs_in(shown: str, name: str, directory: Path) -> Member:
    """Log in as one of the accounts that were `shown` for a community, as an app does that goes by that."""
    told = dict(re.findall(r"^ +(\S+(?: \S+)?)  +(\S.*)$", shown, re.MULTILINE))
    account = next(one for one in told if one.startswith(f"@{name}:"))
    homeserver = Homeserver(server_name=account.partition(":")[2], directory=directory)
    homeserver.url = told["Homeserver"]
    password = told[account].removeprefix("password ")
    return await Member.start(homeserver, name, kind="nio", password=password, register=False)


async def test_it_can_be_kept(directory: Path, tmp_path: Path) -> None:
    """With --keep both communities stay up, linked, until Ctrl-C, and apps log in as it says."""
    async with demo(directory, "--keep", "link") as kept:
        await kept.until("One more person")
        mine, _, theirs = kept.said.partition("Try it yourself")[2].partition("\nThe Mill\n")
        assert "\nThe Elm House\n" in mine
        for place, (shown, other) in enumerate(((mine, "The Mill"), (theirs, "The Elm House"))):
            desk = re.findall(r"Front desk  +(\S+)", shown)[0]
            async with await _logs_in(shown, "guest-1", tmp_path / f"guest-{place}") as guest:
                chat, _ = await story.is_greeted(guest, desk)
                await guest.say(chat, "español")
                await guest.expect(chat, contains="Nadie la vigila.")
            async with await _logs_in(shown, "steward-1", tmp_path / f"steward-{place}") as steward:
                room = (await steward.invited()).room
                await steward.join(room)
                await story.hears(steward, room, "steward.hello")
                await steward.say(room, "links")
                await steward.expect(room, contains=f"The link with “{other}”")
            health = re.findall(r"Health  +(\S+),", shown)[0]
            async with aiohttp.ClientSession() as session, asyncio.timeout(60):
                while True:
                    async with session.get(health) as answer:
                        # A check that takes more than two seconds, as on a busy machine, counts as not well.
                        if answer.status == 200:
                            break
                    await asyncio.sleep(0.2)
        kept.process.send_signal(signal.SIGINT)
        assert await kept.ends(within=120) == 0, kept.said
        assert [line for line in kept.said.splitlines() if len(line) > 80] == []
        assert kept.running() == []
        assert kept.files() == []


@pytest.mark.long
async def test_without_node_all_are_on_nio_and_it_says_so(directory: Path, tmp_path: Path) -> None:
    """In a checkout without Node's packages the whole of it is played by members on nio."""
    for part in ("service", "handlers", "schema", "tests"):
        shutil.copytree(CHECKOUT / part, tmp_path / part, ignore=shutil.ignore_patterns("node_modules"))
    async with demo(directory, checkout=tmp_path) as played:
        code = await played.ends(within=300)
    said = " ".join(played.said.replace("│", " ").split())
    assert code == 0, played.said
    assert "Node.js or its packages are missing here, so all members are on matrix-nio." in said
    assert "@heron, with matrix-nio" in said
    assert "@willow, with matrix-nio" in said
    assert "It came at the hour that its member chose:" in said
    assert "Every promise that was looked at held." in said
