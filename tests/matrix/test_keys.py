"""Our own keys on the homeserver: saved before they go out, never used up, recovered after a crash."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from schema.errors import HomeserverRefused, IdentityLost, Unreachable
from schema.ids import DeviceId
from service.matrix import border
from service.matrix.crypto_store import CryptoRows
from service.matrix.machine import Machine
from tests.matrix.desk import DESK, DEVICE, Desk
from tests.matrix.homeserver import Homeserver
from tests.matrix.peer import Peer

ALICE = "@alice:home.test"
PLACE = (DESK, DEVICE)


async def _chores(desk: Desk) -> None:
    """Do what a batch would have woken the chores for."""
    sync = desk.sync
    await desk.client.upload_keys(sync._one_time_keys, fallback_used=sync._fallback_used)


async def test_start_uploads_once(desk: Desk, server: Homeserver) -> None:
    """Device keys, one-time keys and a fallback key go up at the first start, and nothing at the second."""
    (body,) = server.called("keys upload")
    assert set(body) == {"device_keys", "one_time_keys", "fallback_keys"}
    assert len(body["one_time_keys"]) == 50
    (fallback,) = body["fallback_keys"].values()
    assert fallback["fallback"] is True
    await desk.restart()
    await desk.sync.step()
    await _chores(desk)
    assert len(server.called("keys upload")) == 1


async def test_keys_are_saved_before_they_go_out(desk: Desk, server: Homeserver) -> None:
    """At the moment of the upload the database has the private halves: a crash then loses nothing."""
    seen: list[dict[str, Any]] = []

    async def look(path: str, body: Any) -> None:
        async with desk.store.transaction("test") as transaction:
            rows = await transaction.read_crypto()
        kept = Machine.load(DESK, DEVICE, CryptoRows(lambda *_: ""), rows, desk.clock.now())
        seen.append(kept.prepare_upload(1 << 10, fallback_used=False) or {})
        raise Unreachable("keys upload: the process dies here")

    server.one_time_keys[PLACE].clear()
    await desk.sync.step()
    server.fail("keys upload", look)
    with pytest.raises(Unreachable):
        await _chores(desk)
    assert set(seen[0]["one_time_keys"]) == set(server.called("keys upload")[-1]["one_time_keys"])
    await desk.restart()
    await desk.sync.step()
    await _chores(desk)
    assert set(server.one_time_keys[PLACE]) == set(seen[0]["one_time_keys"])


async def test_a_crash_after_the_upload_is_recovered(desk: Desk, server: Homeserver) -> None:
    """Keys that were uploaded and not marked so go up again: the same ones, which the homeserver takes."""
    server.one_time_keys[PLACE].clear()

    async def upload_and_die(path: str, body: Any) -> None:
        server.transport(DESK, DEVICE)._upload(body)
        raise Unreachable("keys upload: the answer is lost")

    server.fail("keys upload", upload_and_die)
    await desk.sync.step()
    with pytest.raises(Unreachable):
        await _chores(desk)
    await desk.restart()
    server.one_time_keys[PLACE].clear()
    await desk.sync.step()
    await _chores(desk)
    assert len(server.one_time_keys[PLACE]) == 50


async def test_one_time_key_already_exists(desk: Desk, server: Homeserver) -> None:
    """A homeserver that has other keys under these names gets fresh ones under the next names."""
    for number in range(50, 110):
        name = _name(number)
        server.keys_ever.add((DESK, DEVICE, f"signed_curve25519:{name}"))
    server.one_time_keys[PLACE].clear()
    await desk.sync.step()
    await _chores(desk)
    assert len(server.one_time_keys[PLACE]) == 50
    alice = Peer(server, ALICE)
    alice.cross_sign()
    room = await desk.chat_with(alice)
    alice.share(room, DESK, DEVICE)
    alice.say(room, "hello")
    await desk.sync.step()
    assert await desk.heard() == ["hello"]


def _name(number: int) -> str:
    """The name that vodozemac gives the one-time key of this number."""
    return base64.b64encode(number.to_bytes(8, "big")).decode().rstrip("=")


@pytest.mark.parametrize(
    "counts", [{"signed_curve25519": 0}, {}, {"curve25519": 50}, {"signed_curve25519": "many"}, None]
)
async def test_no_count_is_no_keys(desk: Desk, server: Homeserver, counts: object) -> None:
    """A count of zero, a count left out and a count that is none all bring new keys, once."""
    server.one_time_keys[PLACE].clear()
    server.extra = {"device_one_time_keys_count": counts}
    await desk.clock.advance(timedelta(minutes=11))
    await desk.sync.step()
    await _chores(desk)
    assert len(server.one_time_keys[PLACE]) == 50


async def test_the_fallback_key_is_replaced_when_it_was_used(desk: Desk, server: Homeserver) -> None:
    """With all one-time keys gone a member uses the fallback key, is understood, and it is replaced."""
    server.one_time_keys[PLACE].clear()
    before = server.fallback_keys[PLACE]["name"]
    alice = Peer(server, ALICE)
    alice.cross_sign()
    room = await desk.chat_with(alice)
    server.one_time_keys[PLACE].clear()
    alice.share(room, DESK, DEVICE)
    alice.say(room, "hello")
    await desk.sync.step()
    await _chores(desk)
    assert await desk.heard() == ["hello"]
    assert server.fallback_keys[PLACE]["name"] != before
    assert not server.fallback_keys[PLACE]["used"]


async def test_a_used_one_time_key_is_gone_after_a_restart(desk: Desk, server: Homeserver) -> None:
    """The account is saved with what a one-time key brought, so that the key can't be used twice."""
    alice = Peer(server, ALICE)
    alice.cross_sign()
    room = await desk.chat_with(alice)
    first = alice.olm(DESK, DEVICE, "m.room_key", alice.room_key(room))
    server.deliver(DESK, DEVICE, first)
    await desk.sync.step()
    await desk.restart()
    machine = desk.client.machine
    machine._correspondents.clear()
    server.deliver(DESK, DEVICE, first)
    alice.say(room, "hello")
    await desk.sync.step()
    assert not machine.has_session(alice.curve25519)
    assert await desk.heard() == ["hello"]


async def test_another_devices_keys_stop_the_start(desk: Desk, server: Homeserver) -> None:
    """Where the homeserver has other keys for our device the database is a restored one: it is not used."""
    impostor = Peer(server, DESK, DEVICE, publish=False)
    server.publish(DESK, impostor.device_keys())
    with pytest.raises(IdentityLost):
        await desk.restart()


async def test_a_refused_upload_says_so(desk: Desk, server: Homeserver) -> None:
    """An upload that stays refused is an error at last, not an endless loop."""

    async def refuse(path: str, body: Any) -> None:
        raise HomeserverRefused(400, "M_UNKNOWN", "keys upload")

    server.one_time_keys[PLACE].clear()
    await desk.sync.step()
    server.fail("keys upload", refuse, times=50)
    with pytest.raises(HomeserverRefused):
        await _chores(desk)
    assert len(server.called("keys upload")) < 10


async def test_our_signatures_hold(desk: Desk, server: Homeserver) -> None:
    """What we upload is signed as others check it."""
    (body,) = server.called("keys upload")
    device_keys = body["device_keys"]
    public = device_keys["keys"][f"ed25519:{DEVICE}"]
    everything = [device_keys, *body["one_time_keys"].values(), *body["fallback_keys"].values()]
    assert all(border.is_signed(each, DESK, DeviceId(DEVICE), public) for each in everything)
    spoiled = json.loads(json.dumps(device_keys))
    spoiled["algorithms"].append("m.other")
    assert not border.is_signed(spoiled, DESK, DEVICE, public)
