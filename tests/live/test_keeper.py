"""The keeper's rooms, against a real homeserver."""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from schema.errors import HomeserverRefused, KeeperNotDeaf, Throttled, Unreachable
from schema.events import PeerMembership
from schema.ids import MatrixId, PairingId, RoomId
from service.matrix.identity import publish_keeper_master
from service.matrix.keeper import TAG, Keeper, Known
from service.matrix.transport import Transport, client_path
from tests.live.accounts import Signed, session, sign_in, upload_device
from tests.live.fixtures import MemberFactory
from tests.live.homeserver import Homeserver

pytestmark = pytest.mark.live


def tag(pairing: PairingId) -> str:
    """Stand in for the seal's keyed hash."""
    return hashlib.sha256(pairing.encode()).hexdigest()[:32]


def new_pairing() -> PairingId:
    """A pairing's random id."""
    return PairingId(secrets.token_hex(16))


def keeper_of(account: Signed, homeserver: Homeserver, **more: Any) -> Keeper:
    """A keeper that knows nothing yet, as after a start."""
    return Keeper(account.transport, account.user_id, homeserver.name, tag, **more)


async def state(member: Signed, room: RoomId, kind: str) -> dict[str, Any]:
    """A room's state event of this type, as the member sees it."""
    return await member.transport.request("state", "GET", client_path("rooms", room, "state", kind, ""))


async def join(member: Signed, room: RoomId) -> None:
    """Join a room that one was invited to."""
    await member.transport.request("join", "POST", client_path("rooms", room, "join"), body={})


async def write(member: Signed, room: RoomId, words: str) -> str:
    """Send something that the homeserver takes for an encrypted event, and return its id."""
    place = client_path("rooms", room, "send", "m.room.encrypted", secrets.token_hex(8))
    answer = await member.transport.request("write", "PUT", place, body={"ciphertext": words})
    return str(answer["event_id"])


async def joined(account: Signed) -> list[str]:
    """The rooms that an account is in."""
    answer = await account.transport.request("joined", "GET", client_path("joined_rooms"))
    return list(answer["joined_rooms"])


async def people(
    opened: aiohttp.ClientSession, homeserver: Homeserver
) -> tuple[Signed, Signed, Signed, list[MatrixId]]:
    """A keeper and two members, and the members' ids."""
    keeper, one, two = [await sign_in(opened, homeserver, name) for name in ("keeper", "asker", "peer")]
    return keeper, one, two, [one.user_id, two.user_id]


@pytest.fixture(params=["11", "12"])
async def versioned(
    request: pytest.FixtureRequest, homeserver_of_version: Callable[[str], Awaitable[Homeserver]]
) -> tuple[str, Homeserver]:
    """A room version, and a homeserver that has it as its default."""
    return request.param, await homeserver_of_version(request.param)


async def test_a_room_from_its_opening_to_its_purge(versioned: tuple[str, Homeserver]) -> None:
    """Open, talk, mute, redact, empty and purge, each done twice, in both room versions."""
    version, homeserver = versioned
    async with session() as opened:
        account, one, two, members = await people(opened, homeserver)
        admin = Transport(opened, homeserver.url, await homeserver.admin_token())
        keeper, pairing = keeper_of(account, homeserver, admin=admin), new_pairing()

        room = (await keeper.open(pairing, members)).room
        assert (await keeper.open(pairing, members)).room == room
        first = await keeper.memberships(None, 0)
        assert {(seen.user, seen.membership) for seen in first.events} == {
            (user, "invite") for user in members
        }

        for member in (one, two):
            await join(member, room)
        seen: list[PeerMembership] = []
        since = first.next_batch
        async with asyncio.timeout(60):
            while len({event.user for event in seen}) < 2:
                batch = await keeper.memberships(since, 5)
                since = batch.next_batch
                seen += batch.events
        assert {(event.user, event.membership) for event in seen} == {(user, "join") for user in members}
        assert {event.room for event in seen} == {room}

        creation = await state(one, room, "m.room.create")
        assert creation[TAG] == tag(pairing)
        assert creation["m.federate"] is False
        assert creation["room_version"] == version
        assert pairing not in str(creation)
        assert (await state(one, room, "m.room.encryption"))["algorithm"] == "m.megolm.v1.aes-sha2"
        assert (await state(two, room, "m.room.history_visibility")) == {"history_visibility": "invited"}
        assert (await state(two, room, "m.room.guest_access")) == {"guest_access": "forbidden"}
        assert (await state(two, room, "m.room.join_rules")) == {"join_rule": "invite"}
        with pytest.raises(HomeserverRefused):
            await one.transport.request(
                "invite", "POST", client_path("rooms", room, "invite"), body={"user_id": "@x:home.test"}
            )

        with pytest.raises(HomeserverRefused):
            await write(one, room, "too early")
        for _ in range(2):
            await keeper.let_write(room)
        words = [await write(member, room, "hidden") for member in (one, two, one)]
        for _ in range(2):
            await keeper.mute(room)
        with pytest.raises(HomeserverRefused):
            await write(one, room, "too late")
        own = client_path("rooms", room, "redact", words[0], "own")
        await one.transport.request("redact own", "PUT", own, body={})

        for _ in range(2):
            assert await keeper.redact(room) == "done"
        for event in words:
            place = client_path("rooms", room, "event", event)
            assert (await two.transport.request("event", "GET", place))["content"] == {}

        for _ in range(2):
            await keeper.empty(room, members)
        assert room not in await joined(one)
        for _ in range(2):
            assert await keeper.purge(room) == "purged"
        assert await joined(account) == []
        place = f"/_synapse/admin/v1/rooms/{room.replace('!', '%21')}"
        with pytest.raises(HomeserverRefused, match="404"):
            await admin.request("gone", "GET", place)
        await keeper.empty(room, members)
        assert await keeper.redact(room) == "outside"


async def test_a_room_is_found_again_after_a_lost_answer(homeserver: Homeserver) -> None:
    """The answer to createRoom was lost: this keeper, and one after a restart, find the room by its tag."""
    async with session() as opened:
        account, _, _, members = await people(opened, homeserver)

        class Lossy(Transport):
            """The homeserver makes the room, and its answer never comes."""

            async def request(self, call: str, *args: Any, **more: Any) -> Any:
                answer = await super().request(call, *args, **more)
                if call == "create room":
                    raise Unreachable(call)
                return answer

        account_lossy = Signed(
            Lossy(opened, homeserver.url, account.transport.token), account.user_id, account.device_id
        )
        keeper, pairing = keeper_of(account_lossy, homeserver), new_pairing()
        with pytest.raises(Unreachable):
            await keeper.open(pairing, members)
        (made,) = await joined(account)
        assert (await keeper.open(pairing, members)).room == made
        assert (await keeper_of(account, homeserver).open(pairing, members)).room == made
        assert await joined(account) == [made]


async def test_of_two_rooms_with_one_tag_the_later_is_closed(homeserver: Homeserver) -> None:
    """Two rooms of one pairing: the earlier stays, and both members end up invited to that one alone."""
    async with session() as opened:
        account, one, _, members = await people(opened, homeserver)
        pairing = new_pairing()
        first = (await keeper_of(account, homeserver).open(pairing, members)).room
        keeper = keeper_of(account, homeserver)
        second = (await keeper._create(tag(pairing), members)).room
        assert (await keeper.open(pairing, members)).room == first
        assert await joined(account) == [first]
        await join(one, first)
        with pytest.raises(HomeserverRefused):
            await join(one, second)


async def test_an_unfinished_room_is_not_used(homeserver: Homeserver) -> None:
    """A room that bears the tag and is not encrypted was never finished: it is closed and another made."""
    async with session() as opened:
        account, _, _, members = await people(opened, homeserver)
        pairing = new_pairing()
        body = {"preset": "private_chat", "creation_content": {TAG: tag(pairing)}}
        answer = await account.transport.request("half", "POST", client_path("createRoom"), body=body)
        room = (await keeper_of(account, homeserver).open(pairing, members)).room
        assert room != answer["room_id"]
        assert await joined(account) == [room]


async def test_rooms_that_no_record_knows_are_swept(homeserver: Homeserver) -> None:
    """A room whose request was given up is closed; known ones, ones being opened and others stay."""
    async with session() as opened:
        account, _, _, members = await people(opened, homeserver)
        keeper = keeper_of(account, homeserver)
        pairings = [new_pairing() for _ in range(3)]
        known, opening, stray = [(await keeper.open(pairing, members)).room for pairing in pairings]
        other = await account.transport.request("other", "POST", client_path("createRoom"), body={})

        async def records() -> Known:
            return Known({known}, {pairings[1]})

        assert await keeper_of(account, homeserver).sweep(records) == 1
        assert set(await joined(account)) == {known, opening, other["room_id"]}
        assert stray not in await joined(account)


async def test_a_keeper_that_is_not_deaf_opens_nothing(homeserver: Homeserver) -> None:
    """With a device that has keys on the keeper's account no room is opened."""
    async with session() as opened:
        account, _, _, members = await people(opened, homeserver)
        keeper = keeper_of(account, homeserver)
        assert await keeper.deaf()
        await upload_device(account)
        assert not await keeper.deaf()
        with pytest.raises(KeeperNotDeaf):
            await keeper.open(new_pairing(), members)
        assert await joined(account) == []


async def test_invitations_again(homeserver: Homeserver) -> None:
    """A pending or declined invitation is made anew; who has joined is left alone."""
    async with session() as opened:
        account, one, two, members = await people(opened, homeserver)
        keeper = keeper_of(account, homeserver)
        room = (await keeper.open(new_pairing(), members)).room
        since = (await keeper.memberships(None, 0)).next_batch
        await keeper.invite_again(room, one.user_id)
        await one.transport.request("decline", "POST", client_path("rooms", room, "leave"), body={})
        await keeper.invite_again(room, one.user_id)
        for member in (one, two):
            await join(member, room)
        await keeper.invite_again(room, one.user_id)
        seen: list[str] = []
        while "join" not in seen:
            batch = await keeper.memberships(since, 5)
            since = batch.next_batch
            seen += [event.membership for event in batch.events if event.user == one.user_id]
        assert seen.count("join") == 1


@pytest.mark.parametrize(
    ("kind", "blocking", "allowing"),
    [
        # All or none (MSC4380, spec v1.18), and by person (MSC4155): the keeper may be allowed alone.
        ("m.invite_permission_config", {"default_action": "block"}, {"default_action": "allow"}),
        ("org.matrix.msc4155.invite_permission_config", {"blocked_users": ["*"]}, {"allowed_users": ["@k*"]}),
    ],
)
async def test_a_blocked_invitation_keeps_nobody_from_the_room(
    tmp_path_factory: pytest.TempPathFactory, kind: str, blocking: dict[str, Any], allowing: dict[str, Any]
) -> None:
    """The room is made, the other is in it, who blocks is named, and comes in once they allow it."""
    directory = tmp_path_factory.mktemp("blocking")
    settings: dict[str, Any] = {"experimental_features": {"msc4155_enabled": True}}
    async with Homeserver(directory=directory, settings=settings) as homeserver, session() as opened:
        account, one, two, members = await people(opened, homeserver)
        place = client_path("user", two.user_id, "account_data", kind)
        await two.transport.request("block", "PUT", place, body=blocking)
        keeper = keeper_of(account, homeserver)
        made = await keeper.open(new_pairing(), members)
        assert made.blocked == (two.user_id,)
        assert await joined(account) == [made.room]
        await join(one, made.room)
        with pytest.raises(HomeserverRefused) as refused:
            await keeper.invite_again(made.room, two.user_id)
        assert refused.value.code == "M_INVITE_BLOCKED"
        place = client_path("user", two.user_id, "account_data", kind)
        await two.transport.request("allow", "PUT", place, body={**blocking, **allowing})
        await keeper.invite_again(made.room, two.user_id)
        await join(two, made.room)


async def test_redaction_goes_on_under_rate_limits(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Throttled comes out at once with its time, and later calls finish the work."""
    # Less than a slow machine redacts by itself, or nothing would be throttled there.
    limit = {"per_second": 1, "burst_count": 3}
    settings: dict[str, Any] = {"rc_message": limit, "rc_admin_redaction": limit}
    directory = tmp_path_factory.mktemp("slow")
    async with Homeserver(directory=directory, settings=settings) as homeserver, session() as opened:
        account, one, two, members = await people(opened, homeserver)
        for member in (one, two):
            await homeserver.lift_rate_limits(member.user_id)
        keeper = keeper_of(account, homeserver)
        room = (await keeper.open(new_pairing(), members)).room
        for member in (one, two):
            await join(member, room)
        await keeper.let_write(room)
        words = [await write(member, room, "hidden") for member in (one, two) * 5]
        waits: list[float] = []
        async with asyncio.timeout(90):
            while True:
                try:
                    assert await keeper.redact(room) == "done"
                    break
                except Throttled as throttled:
                    waits.append(throttled.retry_after)
                    await asyncio.sleep(throttled.retry_after)
        assert waits
        for event in words:
            place = client_path("rooms", room, "event", event)
            assert (await two.transport.request("event", "GET", place))["content"] == {}


@pytest.mark.interop
async def test_both_members_read_each_other_and_the_keeper_gets_nothing(
    homeserver: Homeserver, member_factory: MemberFactory
) -> None:
    """Clients on two SDKs read all, even what came while one was only invited; the keeper is sent nothing."""
    async with session() as opened:
        account = await sign_in(opened, homeserver, "keeper")
        assert await publish_keeper_master(account.transport, account.user_id)
        keeper = keeper_of(account, homeserver)
        one = await member_factory(homeserver)
        two = await member_factory(homeserver, kind="nio")
        room = (await keeper.open(new_pairing(), [MatrixId(one.user_id), MatrixId(two.user_id)])).room
        assert (await one.invited()).room == room
        await keeper.let_write(room)
        await one.join(room)
        await one.say(room, "said before you came")
        await two.join(room)
        await two.say(room, "here now")
        await one.expect(room, contains="here now")
        await two.expect(room, contains="said before")
        answer = await account.transport.request("sync", "GET", client_path("sync"))
        assert answer.get("to_device", {}).get("events", []) == []
        assert await keeper.deaf()


async def test_rooms_across_servers_federate(federation: list[Homeserver]) -> None:
    """A member of another server can be invited and join, and is removed again."""
    home, away = federation
    async with session() as opened:
        account, one = [await sign_in(opened, home, name) for name in ("keeper", "asker")]
        two = await sign_in(opened, away, "peer")
        keeper = keeper_of(account, home)
        members = [one.user_id, two.user_id]
        room = (await keeper.open(new_pairing(), members)).room
        async with asyncio.timeout(60):
            while True:
                try:
                    await join(two, room)
                    break
                except (HomeserverRefused, Unreachable):
                    await asyncio.sleep(0.1)
        assert "m.federate" not in await state(two, room, "m.room.create")
        await keeper.empty(room, members)
        sync = {"filter": '{"room":{"timeline":{"limit":1}}}', "timeout": "1000"}
        async with asyncio.timeout(60):
            while room in await joined(two):
                await two.transport.request("sync", "GET", client_path("sync"), query=sync)
        assert await keeper.purge(room) == "cannot"
