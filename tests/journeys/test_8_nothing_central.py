"""Promise 8: the service speaks with its own homeserver and with nobody else, and listens to this machine."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.faults.crash import until
from tests.journeys.fixtures import People
from tests.journeys.stage import meet
from tests.live import story
from tests.live.instance import Instance
from tests.live.postgres import Postgres

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

Address = tuple[IPv4Address | IPv6Address, int]
_LISTENS = "0A"


def _address(text: str) -> Address:
    """An address of /proc/net: hexadecimal, in words of this machine's byte order."""
    host, _, port = text.partition(":")
    words = [bytes.fromhex(host[index : index + 8])[::-1] for index in range(0, len(host), 8)]
    address = ip_address(b"".join(words))
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address), int(port, 16)


def _sockets(pid: int) -> Iterator[tuple[str, bool, Address, Address]]:
    """Every TCP and UDP socket of a process: protocol, whether it listens, its own and the other address."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        table = Path(f"/proc/{pid}/net/{protocol}")
        for line in table.read_text().splitlines()[1:] if table.exists() else []:
            fields = line.split()
            if fields[9] in inodes:
                yield protocol, fields[3] == _LISTENS, _address(fields[1]), _address(fields[2])


class _Watch:
    """Looks at the process's sockets many times a second."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self.spoken: set[tuple[str, Address]] = set()
        self.listened: set[Address] = set()
        self.looks = 0

    async def looked(self) -> None:
        """Wait until it has looked once more, from begin to end."""
        seen = self.looks
        # The look that is under way may have begun before.
        await until(lambda: self.looks > seen + 1, "another look at the sockets")

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            if (pid := self._instance.pid) is not None:
                # The process may end between two lines of this.
                with suppress(FileNotFoundError, ProcessLookupError):
                    for protocol, listens, own, other in _sockets(pid):
                        if listens:
                            self.listened.add(own)
                        elif own != self._web():
                            self.spoken.add((protocol, other))
                self.looks += 1
            await asyncio.sleep(0.02)

    def _web(self) -> Address:
        """Where the service itself is asked how it is."""
        return IPv4Address("127.0.0.1"), self._instance.port


async def test_it_speaks_with_its_homeserver_alone(
    calm: Instance, people: People, ground: Postgres | None
) -> None:
    """Through a start and a whole pairing there is no socket but to the homeserver, and none for names.

    On PostgreSQL there is its own database's too.
    """
    watch = _Watch(calm)
    watching = asyncio.create_task(watch.run())
    try:
        # A busy machine leaves few looks between two steps, so each step waits for one.
        await calm.restart()
        await watch.looked()
        asker, peer = await people(calm, 2)
        await watch.looked()
        await peer.offers()
        await watch.looked()
        room = await meet(asker, peer)
        await watch.looked()
        await story.talk_to_each_other(room, asker.member, peer.member)
        await watch.looked()
        await story.closes(asker.member, asker.chat)
        await watch.looked()
        await asker.hears("receipt.intro")
        await watch.looked()
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    homeserver = IPv4Address("127.0.0.1"), urlsplit(calm.homeserver.url).port
    database = {("tcp", (IPv4Address("127.0.0.1"), ground.port))} if ground is not None else set()
    assert watch.spoken == {("tcp", homeserver)} | database
    assert watch.listened == {(IPv4Address("127.0.0.1"), calm.port)}
