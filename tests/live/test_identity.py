"""Cross-signing, against a real homeserver."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from schema.errors import HomeserverRefused, IdentityLost, OperatorError, Unreachable
from schema.ids import DeviceId
from service.matrix import identity
from service.matrix.accounts import log_in
from service.matrix.transport import Transport, client_path
from tests.live.accounts import PASSWORD, Signed, session, sign_in, upload_device
from tests.live.homeserver import Homeserver

pytestmark = pytest.mark.live


class Rows:
    """The instance's rows, in memory."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}

    @asynccontextmanager
    async def transaction(self, name: str) -> AsyncIterator["Rows"]:
        """One transaction; these rows are durable at once."""
        yield self

    async def read_instance(self, name: str) -> bytes | None:
        """The row, if there is one."""
        return self.rows.get(name)

    async def write_instance(self, name: str, value: bytes | None) -> None:
        """Write the row, or remove it."""
        if value is None:
            self.rows.pop(name, None)
        else:
            self.rows[name] = value


async def test_an_identity_is_made_once_and_verified(homeserver: Homeserver) -> None:
    """Establishing twice leaves one identity; each start reads the whole chain back."""
    async with session() as opened:
        desk, rows = await sign_in(opened, homeserver, "desk"), Rows()
        keys = await upload_device(desk)
        first = await identity.establish(desk.transport, rows, desk.user_id, keys)
        kept = dict(rows.rows)
        again = await identity.establish(desk.transport, rows, desk.user_id, keys)
        read = await identity.verify_published(desk.transport, rows, desk.user_id, keys)
        assert first.fingerprint() == again.fingerprint() == read.fingerprint()
        assert rows.rows == kept
        assert "=" not in read.master


async def test_what_a_crash_left_is_taken_up(homeserver: Homeserver) -> None:
    """Seeds that were saved and never published are published; seeds published and not marked are found."""
    async with session() as opened:
        desk, rows = await sign_in(opened, homeserver, "desk"), Rows()
        keys = await upload_device(desk)

        class Down(Transport):
            """The homeserver never gets the upload."""

            async def request(self, call: str, *args, **more):  # type: ignore[no-untyped-def]
                if call == "identity upload":
                    raise Unreachable(call)
                return await super().request(call, *args, **more)

        down = Down(opened, homeserver.url, desk.transport.token)
        with pytest.raises(Unreachable):
            await identity.establish(down, rows, desk.user_id, keys)
        saved = dict(rows.rows)
        with pytest.raises(IdentityLost, match="no encryption identity"):
            await identity.verify_published(desk.transport, rows, desk.user_id, keys)
        made = await identity.establish(desk.transport, rows, desk.user_id, keys)
        rows.rows = saved
        found = await identity.verify_published(desk.transport, rows, desk.user_id, keys)
        assert made.master == found.master


async def test_a_new_device_is_signed_by_the_same_identity(homeserver: Homeserver) -> None:
    """A restored database has a new device: it is signed at start, and the identity stays."""
    async with session() as opened:
        desk, rows = await sign_in(opened, homeserver, "desk"), Rows()
        first = await identity.establish(desk.transport, rows, desk.user_id, await upload_device(desk))
        door = Transport(opened, homeserver.url)
        account = await log_in(door, desk.user_id, PASSWORD, DeviceId("RESTORED"), "desk")
        door.token = account.token
        keys = await upload_device(Signed(door, account.user_id, account.device_id))
        second = await identity.verify_published(door, rows, desk.user_id, keys)
        published = await identity.Published.read(door, desk.user_id)
        assert first.master == second.master
        assert second.device_fault(published, keys) == ""


async def test_a_foreign_or_missing_identity_stops(homeserver: Homeserver) -> None:
    """Whatever is not our identity is told with the command that decides, and never replaced unasked."""
    async with session() as opened:
        desk, rows = await sign_in(opened, homeserver, "desk"), Rows()
        keys = await upload_device(desk)
        with pytest.raises(IdentityLost, match="no encryption identity"):
            await identity.verify_published(desk.transport, rows, desk.user_id, keys)
        ours = await identity.establish(desk.transport, rows, desk.user_id, keys)
        with pytest.raises(IdentityLost, match="not in this database"):
            await identity.establish(desk.transport, Rows(), desk.user_id, keys, password=PASSWORD)

        foreign = Rows()
        with pytest.raises(OperatorError, match="wants the account's password"):
            await identity.establish(desk.transport, foreign, desk.user_id, keys, new=True)
        with pytest.raises(OperatorError, match="password is wrong"):
            await identity.establish(desk.transport, foreign, desk.user_id, keys, new=True, password="no")
        await identity.verify_published(desk.transport, rows, desk.user_id, keys)
        other = await identity.establish(
            desk.transport, foreign, desk.user_id, keys, new=True, password=PASSWORD
        )
        assert other.master != ours.master
        for attempt in (identity.verify_published, identity.establish):
            with pytest.raises(IdentityLost, match="--new-identity"):
                await attempt(desk.transport, rows, desk.user_id, keys)


async def test_a_half_published_identity_is_completed(homeserver: Homeserver) -> None:
    """A homeserver that was interrupted after the master key is given the rest, and only the rest."""
    async with session() as opened:
        desk, rows = await sign_in(opened, homeserver, "desk"), Rows()
        keys = await upload_device(desk)

        class Interrupted(Transport):
            """The homeserver takes the master key and no more."""

            async def request(self, call: str, *args, **more):  # type: ignore[no-untyped-def]
                if call == "identity upload":
                    more["body"] = {"master_key": more["body"]["master_key"]}
                return await super().request(call, *args, **more)

        interrupted = Interrupted(opened, homeserver.url, desk.transport.token)
        with pytest.raises(IdentityLost, match="self-signing key is missing"):
            await identity.establish(interrupted, rows, desk.user_id, keys)
        with pytest.raises(IdentityLost, match="publishes the same identity again"):
            await identity.verify_published(desk.transport, rows, desk.user_id, keys)
        whole = await identity.establish(desk.transport, rows, desk.user_id, keys, password=PASSWORD)
        assert (
            await identity.verify_published(desk.transport, rows, desk.user_id, keys)
        ).master == whole.master


async def test_a_foreign_device_is_not_signed(homeserver: Homeserver) -> None:
    """Where the homeserver shows other keys for our device, nothing is signed and the service stops."""
    async with session() as opened:
        desk, rows = await sign_in(opened, homeserver, "desk"), Rows()
        there = await upload_device(desk)
        ours = there | {"keys": dict.fromkeys(there["keys"], "A" * 43)}
        with pytest.raises(IdentityLost, match="other encryption keys"):
            await identity.establish(desk.transport, rows, desk.user_id, ours)


async def test_the_keepers_identity_cannot_be_replaced(homeserver: Homeserver) -> None:
    """The keeper's master key is published once, and a token alone cannot replace or extend it."""
    async with session() as opened:
        keeper = await sign_in(opened, homeserver, "keeper")
        assert await identity.publish_keeper_master(keeper.transport, keeper.user_id)
        assert not await identity.publish_keeper_master(keeper.transport, keeper.user_id)
        before = await identity.Published.read(keeper.transport, keeper.user_id)
        assert before.keys["master_key"]
        assert not before.devices
        attack = identity.Identity.new(keeper.user_id).keys()
        for stolen in (attack, {"self_signing_key": attack["self_signing_key"]}):
            with pytest.raises(HomeserverRefused) as refused:
                await keeper.transport.request(
                    "attack", "POST", client_path("keys", "device_signing", "upload"), body=stolen
                )
            assert refused.value.status == 401
        assert await identity.Published.read(keeper.transport, keeper.user_id) == before
