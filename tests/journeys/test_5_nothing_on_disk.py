"""Promise 5: nothing at rest names a person, and what was erased is not on the disk either.

Unique words and names go through every field of a whole journey; then every byte that the service wrote is
searched for them. Sealed rows cannot show an erasure that way: their ciphertexts and hashes are recorded
while they lie there, and searched for afterwards.

On PostgreSQL all that the server writes is searched for words and names: every database, the write-ahead log,
what it prints. An erasure goes less far there, as OPERATING.md says: the service's VACUUM leaves no dead row,
but the space that it had is overwritten only by other rows, or when its table is written anew (VACUUM FULL),
and the write-ahead log has its bytes until that is used again. Each but the last is asserted.
"""

import asyncio
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from schema import tables
from tests.journeys.fixtures import People
from tests.journeys.stage import FORGOTTEN, PASSING, RECORDS, Person, at_rest, meet, put_sealed, rows
from tests.live import story
from tests.live.canaries import canary, scan
from tests.live.instance import Instance
from tests.live.postgres import Postgres

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


_OURS = tuple(table.name for table in tables.metadata.sorted_tables)


def _database_files(instance: Instance) -> list[Path]:
    assert instance.database is not None
    return [path for path in instance.directory.iterdir() if path.name.startswith(instance.database.name)]


async def test_no_word_and_no_name_comes_to_rest(
    calm: Instance, ground: Postgres | None, people: People
) -> None:
    """After a whole journey no file of the service holds a name, an id, or a word that a person typed."""
    words = {
        name: canary(name)
        for name in ("asker", "peer", "note", "card", "typed", "toolong", "roomone", "roomtwo", "display")
    }
    asker, peer = await people(calm, [words["asker"], words["peer"]])
    await calm.homeserver.call(
        "PUT",
        f"/_matrix/client/v3/profile/{asker.id}/displayname",
        token=(await calm.homeserver.login(asker.name, asker.member.password)).access_token,
        body={"displayname": words["display"]},
    )
    await asker.writes(f"words that fit nothing: {words['typed']}")
    await asker.hears("menu.fallback")
    await peer.offers(card=f"I like {words['card']}.")
    await asker.writes("talk")
    await asker.hears("talk.recap")
    await asker.writes(words["typed"])
    await asker.hears("odd.not_an_answer")
    await asker.writes("stop")
    await asker.hears("talk.dropped")
    room = await meet(asker, peer, note=f"A long week with {words['note']}.")
    lines = [(words["roomone"], words["roomtwo"])]
    await story.talk_to_each_other(room, asker.member, peer.member, lines)
    await asker.writes("what do you hold")
    held = await asker.hears("held.intro")
    assert asker.id in held.body
    marks = [*words.values(), asker.id, peer.id, room, asker.chat, peer.chat]
    marks += [one.event_id for one in asker.heard()[:3]]
    metrics = calm.directory / "tmp" / "metrics.txt"
    metrics.write_text(await calm.metrics())
    assert await at_rest(calm, ground, marks) == []
    # The write-ahead log is part of what was read, and the same search finds what lies there in clear.
    if ground is None:
        assert {path.name for path in _database_files(calm)} >= {"alongside.db", "alongside.db-wal"}
    else:
        known = _marks(value for row in rows(calm, ("members",))["members"] for value in row.values())
        assert scan([ground.data / "base"], known) != []
        assert scan([ground.data / "pg_wal"], known) != []
    planted = calm.directory / "tmp" / "planted"
    planted.write_bytes(b"\0\1" + words["note"].encode() + b"\2")
    assert await at_rest(calm, ground, marks) == [f"{words['note']} in planted"]
    planted.unlink()
    await story.closes(asker.member, asker.chat)
    await asker.hears("receipt.intro")
    assert await at_rest(calm, ground, marks) == []


async def test_a_traceback_names_nobody(calm: Instance, ground: Postgres | None, people: People) -> None:
    """A turn that fails with a person's words in hand leaves none of them in the log."""
    words = canary("traceback")
    (unlucky, other) = await people(calm, [canary("unlucky"), canary("other")])
    known: dict[str, bytes] = {}
    for row in rows(calm, ("members",))["members"]:
        assert isinstance(row["sealed"], bytes)
        known[str(row["id"])] = row["sealed"]
    await calm.stop()
    # Every member's row is broken, since nobody can tell whose is whose.
    put_sealed(calm, {id: sealed[:-1] + bytes([sealed[-1] ^ 1]) for id, sealed in known.items()})
    try:
        await calm.start()
        await calm.ready()
        before = calm.log.read_text().count("a turn failed")
        await unlucky.writes(f"hello {words}")
        async with asyncio.timeout(120):
            while calm.log.read_text().count("a turn failed") < before + 3:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        log = calm.log.read_text()
        assert "SealBroken" in log
        assert re.search(r"service\.store", log)
        assert await at_rest(calm, ground, [words, unlucky.id, unlucky.name, unlucky.chat]) == []
    finally:
        if calm.running:
            await calm.stop()
        put_sealed(calm, known)
        await calm.start()
        await calm.ready()
    await other.writes("status")
    await other.hears("status.nothing")


class _Witness:
    """Remembers the ciphertexts and hashes of all records that it sees."""

    def __init__(self, instance: Instance, ground: Postgres | None) -> None:
        self._instance = instance
        self._ground = ground
        self.seen: dict[bytes, str] = {}
        self._now: set[bytes] = set()

    def look(self) -> None:
        """See what lies there now."""
        self._now = set()
        # The hash of an event's id stays for two weeks after the event is handled, as members are told.
        for table, found in rows(self._instance, (*RECORDS, *PASSING, "seen", "chats", "crypto")).items():
            for row in found:
                marks = set(_marks(row.values()))
                self._now |= marks
                self.seen.update(dict.fromkeys(marks, table))

    async def left(self) -> list[str]:
        """Where anything that was seen and is not a record any more still lies, after a last look.

        On PostgreSQL first the dead rows, of which the service's VACUUM is to leave none; then what lies in
        the files of its database, after its tables were written anew.
        """
        if self._ground is not None and (dead := await self._dead(self._ground)):
            return dead
        files = await self._written_anew(self._ground) if self._ground else _database_files(self._instance)
        self.look()
        found = scan(files, sorted(self.seen.keys() - self._now))
        names = {mark.hex()[:24]: table for mark, table in self.seen.items()}
        return [f"{names[hit.split()[0]]}: {hit}" for hit in found]

    async def _dead(self, ground: Postgres) -> list[str]:
        """How many dead rows each table has, read from its pages; nothing for those without any."""
        url = str(self._instance.database_url)
        await ground.fetch(url, "CREATE EXTENSION IF NOT EXISTS pgstattuple")
        every = " UNION ALL ".join(
            f"SELECT '{table}', dead_tuple_count FROM pgstattuple('{table}')" for table in _OURS
        )
        return [f"{table}: {dead} dead rows" for table, dead in await ground.fetch(url, every) if dead]

    async def _written_anew(self, ground: Postgres) -> list[Path]:
        """The files of the service's database, after a VACUUM FULL, with all of it on the disk."""
        url = str(self._instance.database_url)
        await ground.fetch(url, f"VACUUM (FULL) {', '.join(_OURS)}")
        await ground.fetch(ground.url, "CHECKPOINT")
        query = "SELECT oid FROM pg_database WHERE datname = current_database()"
        ((number,),) = await ground.fetch(url, query)
        return [ground.data / "base" / str(number)]


def _marks(values: Iterable[object]) -> list[bytes]:
    """A sealed value's bytes without its first and last few, and an opaque id as it is written."""
    found = []
    for value in values:
        if isinstance(value, bytes) and len(value) > 40:
            found.append(value[8:40])
        elif isinstance(value, str) and re.fullmatch("[0-9a-f]{32}", value):
            found.append(value.encode())
    return found


async def _erased(witness: _Witness, within: float = 120.0) -> None:
    """Wait until nothing that was erased is found. Raises AssertionError with what still is."""
    left: list[str] = []
    try:
        async with asyncio.timeout(within):
            while left := await witness.left():  # noqa: ASYNC110  What is awaited is another process's.
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"still there: {left}") from None


async def _a_pairing(calm: Instance, people: People, witness: _Witness) -> tuple[Person, Person, str]:
    asker, peer = await people(calm, 2)
    await peer.offers()
    witness.look()
    await asker.asks(note="It has been a long week.")
    witness.look()
    await peer.goes_on()
    witness.look()
    await asker.agrees()
    room = await asker.joins()
    await peer.joins()
    # A room that ends before the service has seen both come in is closed unread, in other words.
    await story.both_can_write(room, asker.member, peer.member)
    witness.look()
    return asker, peer, room


async def test_what_is_erased_leaves_the_disk(
    calm: Instance, ground: Postgres | None, people: People
) -> None:
    """After the room's end, and after forget me, no byte of the erased rows is in the database or its log."""
    witness = _Witness(calm, ground)
    asker, peer, _ = await _a_pairing(calm, people, witness)
    await story.closes(asker.member, asker.chat)
    witness.look()
    await asker.hears("receipt.intro")
    await peer.hears("receipt.intro")
    await _erased(witness)
    for person in (asker, peer):
        witness.look()
        await person.asks_to_be_forgotten()
    await _erased(witness)
    assert len(witness.seen) > 30
    assert not rows(calm, ("members",))["members"]


async def test_an_erasure_outlives_a_crash(calm: Instance, ground: Postgres | None, people: People) -> None:
    """A service killed right after the commit of a forgetting erases the bytes when it is back."""
    witness = _Witness(calm, ground)
    (person,) = await people(calm, 1)
    await person.offers()
    witness.look()
    await person.writes("forget me")
    asked = await person.hears("forget.question")
    witness.look()
    armed = calm.directory / "tmp" / "armed"
    await calm.stop()
    await calm.start({"ALONGSIDE_FAIL_AT": f"@{armed}"})
    await calm.ready()
    # Put in place whole: the service must never read half of it.
    new = armed.with_suffix(".new")
    new.write_text("after commit turn message#1")
    new.replace(armed)
    await story.chooses(person.member, person.chat, asked, "choice.forget_yes")
    assert await calm.wait_dead() == 137
    assert await witness.left() != []
    await calm.start()
    await calm.ready()
    await person.member.expect(person.chat, contains=FORGOTTEN)
    await _erased(witness)


async def test_nobody_else_reads_it(calm: Instance, ground: Postgres | None) -> None:
    """The database is the service's alone, and no image of its memory is written if it crashes."""
    limits = await asyncio.to_thread(Path(f"/proc/{calm.pid}/limits").read_text)
    assert re.search(r"^Max core file size\s+0\s+0", limits, re.MULTILINE)
    for path in _database_files(calm) if ground is None else [ground.data]:
        assert path.stat().st_mode & 0o077 == 0, f"{path.name} is open to others"
