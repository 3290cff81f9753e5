"""Promise 4: peer rooms are the keeper's, which has nothing that a room key could be sent to."""

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64encode

import aiohttp
import pytest

from schema.ids import DeviceId, MatrixId
from service.matrix.transport import Transport
from tests.journeys.fixtures import People
from tests.journeys.stage import meet, members_of, rooms_of_keeper, state_of
from tests.live import story
from tests.live.accounts import Signed, upload_device
from tests.live.homeserver import JsonObject
from tests.live.instance import Instance

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


def _keeper_token(instance: Instance) -> str:
    return (instance.directory / "secrets" / "keeper.token").read_text().strip()


def _keeper_password(instance: Instance) -> str:
    """The password that `init` worked out of the registration secret, and did not keep."""
    secret = instance.homeserver.shared_secret.encode()
    derived = hmac.new(secret, f"alongside {instance.keeper_user}".encode(), hashlib.sha256)
    return urlsafe_b64encode(derived.digest()).decode().rstrip("=")


def _once() -> str:
    return f"!{secrets.token_hex(8)}:home.test"


async def _to_device(instance: Instance) -> list[object]:
    """What lies in the keeper's to-device stream and was not fetched yet."""
    answer = await instance.homeserver.call(
        "GET",
        "/_matrix/client/v3/sync",
        token=_keeper_token(instance),
        # Synapse gives the same answer to the same question for a while, so that no two may be the same.
        params={"timeout": "0", "filter": json.dumps({"room": {"rooms": [], "not_rooms": [_once()]}})},
    )
    part = answer.get("to_device", {})
    events = part.get("events", []) if isinstance(part, dict) else []
    assert isinstance(events, list)
    return list(events)


async def _keys(instance: Instance, user: str) -> JsonObject:
    return await instance.homeserver.call(
        "POST",
        "/_matrix/client/v3/keys/query",
        token=_keeper_token(instance),
        body={"device_keys": {user: []}},
    )


async def test_no_room_key_is_sent_to_it(calm: Instance, people: People) -> None:
    """With the service stopped its stream keeps all that is sent to it: no key of the room is among it."""
    asker, peer = await people(calm, 2)
    await peer.offers()
    room = await meet(asker, peer)
    keys = await _keys(calm, calm.keeper_user)
    assert keys["device_keys"] in ({}, {calm.keeper_user: {}})
    assert calm.keeper_user in keys["master_keys"]  # type: ignore[operator]
    await calm.stop()
    try:
        # Each sends a room key to whoever is in the room with a device, and nobody fetches the keeper's mail.
        await story.talk_to_each_other(room, asker.member, peer.member)
        assert await _to_device(calm) == []
        # A stranger's event does land in that stream, so that a key would have been seen.
        login = await calm.homeserver.login(asker.name, asker.member.password)
        await calm.homeserver.call(
            "PUT",
            "/_matrix/client/v3/sendToDevice/org.example.test/1",
            token=login.access_token,
            body={"messages": {calm.keeper_user: {"*": {"hello": "keeper"}}}},
        )
        assert len(await _to_device(calm)) == 1
        await calm.homeserver.call("POST", "/_matrix/client/v3/logout", token=login.access_token, body={})
    finally:
        await calm.start()
        await calm.ready()
    # The front desk, which could read, is not in the room and never was.
    assert await members_of(calm.homeserver, room) == {
        calm.keeper_user: "join",
        asker.id: "join",
        peer.id: "join",
    }
    assert calm.desk_user not in repr(await state_of(calm.homeserver, room))


async def test_with_a_device_no_room_opens(calm: Instance, people: People) -> None:
    """A device with keys at the keeper's account stops every room, both are told, and its end heals it."""
    asker, peer, other = await people(calm, 3)
    before = rooms_of_keeper(calm)
    await peer.offers()
    await asker.asks()
    await peer.goes_on()
    login = await calm.homeserver.login(calm.keeper_user, _keeper_password(calm), device_id="LISTENER")
    async with aiohttp.ClientSession() as session:
        transport = Transport(session, calm.homeserver.url, login.access_token)
        await upload_device(Signed(transport, MatrixId(calm.keeper_user), DeviceId("LISTENER")))
    await asker.agrees()
    again = await asker.hears("again.not_deaf")
    await peer.hears("room.failed_peer")
    # A room of an earlier journey may be purged meanwhile.
    assert set(rooms_of_keeper(calm)) <= set(before)
    async with aiohttp.ClientSession() as session:
        probe = await session.get(f"http://127.0.0.1:{calm.port}/readyz")
        told = await probe.text()
    assert "keeper" in told
    await calm.homeserver.call("POST", "/_matrix/client/v3/logout", token=login.access_token, body={})
    # The first peer is left in peace for a while after an ask.
    await other.offers()
    await story.chooses(asker.member, asker.chat, again, "choice.look_again")
    await asker.hears("request.asking")
    await other.goes_on()
    await asker.agrees()
    assert await asker.joins() == await other.joins()
