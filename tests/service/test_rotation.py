"""A rotation of keys seals every row anew, and a crash at any moment of it loses nothing."""

import os
from pathlib import Path

import pytest

from schema import tables
from schema.errors import ConfigurationError
from schema.ids import MatrixId
from schema.records import Member
from service.lease import Lease
from service.store import Store
from tests.databases import KEY
from tests.live.canaries import scan
from tests.live.preloaded import preloaded
from tests.service.test_store import fill, member, number, put, raw

NEW = bytes(reversed(KEY))
NEWER = bytes(range(100, 132))
ROWS = 1200
"""More than two batches."""


async def marks(url: str) -> set[int]:
    """The key versions that the rows of all tables bear."""
    found: set[int] = set()
    for table in tables.SEALED:
        found |= {sealed[0] for (sealed,) in await raw(url, f"SELECT sealed FROM {table.name}")}
    return found


async def refuses(url: str, key: bytes) -> bool:
    """Whether the key does not open the database."""
    try:
        await (await Store.open(url, key)).close()
    except ConfigurationError:
        return True
    return False


async def test_every_row_of_every_table_is_sealed_anew(url: str) -> None:
    """Afterwards all rows bear the new key's version, open, and are found by the same look-ups."""
    async with Lease.take(url) as lease:
        store = await Store.open(url, KEY, lease)
        await fill(store, "mark")
        await put(store, *(member(at) for at in range(ROWS)))
        async with store.transaction("before") as transaction:
            before = [
                await transaction.find(Member),
                await transaction.inbox(10),
                await transaction.read_crypto(),
                await transaction.read_chats(),
                await transaction.read_instance("sync"),
            ]
            room = await transaction.room_of("!mark:example.org")
        hashed = store.member_id(MatrixId("@ana:example.org"))
        assert await marks(url) == {1}

        await store.rotate(NEW, lambda: None)
        assert await marks(url) == {2}
        await put(store, member(5000))
        await store.close()

    assert await refuses(url, KEY)
    store = await Store.open(url, NEW)
    assert store.member_id(MatrixId("@ana:example.org")) == hashed
    async with store.transaction("after") as transaction:
        await transaction.delete(Member, number(5000))
        assert before == [
            await transaction.find(Member),
            await transaction.inbox(10),
            await transaction.read_crypto(),
            await transaction.read_chats(),
            await transaction.read_instance("sync"),
        ]
        assert room is not None
        assert await transaction.room_of("!mark:example.org") == room
    await store.close()


async def test_keys_can_be_rotated_again_and_again(url: str) -> None:
    """Each rotation makes a new sealing key, and only the last outer key opens."""
    key = KEY
    async with Lease.take(url) as lease:
        store = await Store.open(url, key, lease)
        await put(store, member(1))
        for at in range(3):
            await store.rotate(bytes([at]) * 32, lambda: None)
            assert await marks(url) == {at + 2}
        await store.close()
    assert await refuses(url, KEY)
    assert await refuses(url, bytes([1]) * 32)
    store = await Store.open(url, bytes([2]) * 32)
    async with store.transaction("test") as transaction:
        assert await transaction.get(Member, number(1)) == member(1)
    await store.close()


async def test_without_the_lease_no_key_is_rotated(either: Store) -> None:
    """A service that runs beside would seal with the old key."""
    with pytest.raises(RuntimeError):
        await either.rotate(NEW)


async def test_until_the_new_key_is_adopted_both_open(url: str) -> None:
    """Without `adopt` the old key works until the database was served with the new one."""
    async with Lease.take(url) as lease:
        store = await Store.open(url, KEY, lease)
        await put(store, member(1))
        await store.rotate(NEW)
        assert store.rotating
        await store.close()
    assert not await refuses(url, KEY)
    assert not await refuses(url, NEW)
    assert await marks(url) == {2}
    async with Lease.take(url) as lease:
        store = await Store.open(url, NEW, lease)
        assert not store.rotating
        await store.close()
    assert await refuses(url, KEY)


async def test_a_rotation_left_half_can_be_begun_again_with_another_key(url: str) -> None:
    """The new outer key was lost before it was adopted: the old one still opens, and rotates."""
    async with Lease.take(url) as lease:
        store = await Store.open(url, KEY, lease)
        await put(store, member(1))
        await store.rotate(NEW)
        await store.close()
    async with Lease.take(url) as lease:
        store = await Store.open(url, KEY, lease)
        await store.rotate(NEWER, lambda: None)
        async with store.transaction("test") as transaction:
            assert await transaction.get(Member, number(1)) == member(1)
        await store.close()
    assert await refuses(url, KEY)
    assert await refuses(url, NEW)
    assert not await refuses(url, NEWER)


async def test_a_failed_adoption_leaves_the_old_key_in_force(url: str) -> None:
    """When the new key cannot be put where the next start finds it, the old one still opens everything."""

    def fail() -> None:
        raise OSError("no room for the key")

    async with Lease.take(url) as lease:
        store = await Store.open(url, KEY, lease)
        await put(store, member(1))
        with pytest.raises(OSError, match="no room"):
            await store.rotate(NEW, fail)
        await put(store, member(2))
        await store.close()
    store = await Store.open(url, KEY)
    async with store.transaction("test") as transaction:
        assert await transaction.find(Member) == [member(1), member(2)]
    await store.close()


def run(*arguments: str, **environment: str) -> tuple[int, str]:
    """Do one thing in a process of its own: its exit code and what it said."""
    ended = preloaded().run("tests.service.process", arguments, {**os.environ, **environment}, Path.cwd())
    return ended.returncode, ended.stdout.strip()


def rotation_points(url: str, tmp_path: Path) -> list[str]:
    """The fail points that a whole rotation passes, from its beginning."""
    log = tmp_path / "points"
    key_file = tmp_path / "key"
    code, _ = run("rotate", url, KEY.hex(), NEW.hex(), str(key_file), ALONGSIDE_FAIL_LOG=str(log))
    assert code == 0
    points = log.read_text().split("\n")[:-1]
    return points[points.index("before commit begin key rotation#1") :]


@pytest.mark.crash
@pytest.mark.parametrize("sampled", [True, pytest.param(False, marks=pytest.mark.long)])
async def test_a_crash_anywhere_in_a_rotation_is_taken_up_again(
    empty_url: str, tmp_path: Path, sampled: bool
) -> None:
    """Killed at each commit: the key in the file opens at the next start, and no row is lost."""
    code, _ = run("fill", empty_url, KEY.hex(), str(ROWS))
    assert code == 0
    points = rotation_points(empty_url, tmp_path)
    # Before and after: the begin, three batches of members with rows, one of the instance's, the end.
    assert "after commit end key rotation#1" in points
    assert sum("seal anew" in point for point in points) >= 6
    if sampled:
        points = [
            point for point in points if "seal anew" not in point or point == "after commit seal anew#2"
        ]
    key_file = tmp_path / "key"
    for at, point in enumerate(points):
        here = await another(empty_url, at)
        key_file.write_text(KEY.hex())
        assert run("fill", here, KEY.hex(), str(ROWS))[0] == 0
        code, _ = run("rotate", here, KEY.hex(), NEW.hex(), str(key_file), ALONGSIDE_FAIL_AT=point)
        assert code == 137, point
        assert run("open", here, key_file.read_text()) == (0, str(ROWS)), point
        if key_file.read_text() == KEY.hex():
            assert run("rotate", here, KEY.hex(), NEW.hex(), str(key_file))[0] == 0, point
        assert len(await marks(here)) == 1, point
        assert await refuses(here, KEY), point
        assert run("open", here, NEW.hex()) == (0, str(ROWS)), point


async def another(url: str, at: int) -> str:
    """A fresh database beside the one at `url`, which goes with it."""
    if url.startswith("sqlite"):
        return url.removesuffix(".db") + f"{at}.db"
    await raw(url, "DROP SCHEMA public CASCADE")
    await raw(url, "CREATE SCHEMA public")
    return url


async def test_the_old_ciphertexts_are_gone_after_a_rotation(store: Store, tmp_path: Path) -> None:
    """On SQLite no row sealed with the old key, and no wrapping of it, is left in any file."""
    await store.close()
    url = f"sqlite:///{tmp_path}/alongside.db"
    async with Lease.take(url) as lease:
        store = await Store.open(url, KEY, lease)
        await put(store, *(member(at) for at in range(50)))
        old: list[str | bytes] = [sealed[4:40] for (sealed,) in await raw(url, "SELECT sealed FROM members")]
        old += [wrapped[4:40] for (wrapped,) in await raw(url, "SELECT wrapped FROM keyring")]
        assert len(scan([tmp_path], old)) >= len(old)
        await store.rotate(NEW, lambda: None)
        assert scan([tmp_path], old) == []
        await store.close()
