"""The live tests' own ground: real servers, real clients, and the faults that they must show."""

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from tests.live.echo import Echo
from tests.live.fixtures import MemberFactory
from tests.live.homeserver import (
    CHECKOUT,
    HarnessMissing,
    Homeserver,
    JsonObject,
    Login,
    Refused,
    synapse_python,
)
from tests.live.member import Kind, Member, MemberFailed
from tests.live.postgres import Postgres

pytestmark = [pytest.mark.live, pytest.mark.interop]

_SOON_ENOUGH = 60.0
"""Seconds; what must not be gone through would take minutes."""

BOTH_ORDERS: list[tuple[Kind, Kind]] = [("js", "nio"), ("nio", "js")]


async def _converse(first: Member, second: Member) -> str:
    """Let the two exchange encrypted messages both ways in a direct message, and return its room.

    `Member.expect` refuses what is plain or bears a shield.
    """
    room = await first.create_direct(second.user_id)
    invite = await second.invited()
    assert (invite.room, invite.sender, invite.direct, invite.encrypted) == (room, first.user_id, True, True)
    await second.join(room)
    await first.sees_membership(room, second.user_id, "join")
    await first.knows(second)
    await second.knows(first)
    for turn in range(3):
        await first.say(room, f"a question, {turn}")
        heard = await second.expect(room, contains=f"a question, {turn}", sender=first.user_id)
        await second.say(room, f"an answer, {turn}", reply_to=heard.event_id)
        answer = await first.expect(room, contains=f"an answer, {turn}", sender=second.user_id)
        assert answer.relation == {"m.in_reply_to": {"event_id": heard.event_id}}
    assert await first.devices_of(second.user_id) == {second.device_id: True}
    assert await second.devices_of(first.user_id) == {first.device_id: True}
    assert await first.members_of(room) == {first.user_id: "join", second.user_id: "join"}
    return room


@pytest.mark.parametrize("version", ["11", "12"])
@pytest.mark.parametrize(("one", "other"), BOTH_ORDERS)
async def test_two_clients_talk_on_one_server(
    homeserver_of_version: Callable[[str], Awaitable[Homeserver]],
    member_factory: MemberFactory,
    version: str,
    one: Kind,
    other: Kind,
) -> None:
    """Two SDKs exchange encrypted messages both ways without a shield, in either room version."""
    server = await homeserver_of_version(version)
    first, second = await member_factory(server, kind=one), await member_factory(server, kind=other)
    room = await _converse(first, second)
    created = next(state for state in await first.state_of(room) if state["type"] == "m.room.create")
    assert isinstance(created["content"], dict)
    assert created["content"]["room_version"] == version


@pytest.mark.parametrize(("one", "other"), BOTH_ORDERS)
async def test_two_clients_talk_across_two_servers(
    federation: list[Homeserver], member_factory: MemberFactory, one: Kind, other: Kind
) -> None:
    """Two SDKs on two federating servers exchange encrypted messages both ways without a shield."""
    here, there = federation
    await _converse(await member_factory(here, kind=one), await member_factory(there, kind=other))


async def test_a_verification_shows_both_the_same_emoji(
    homeserver: Homeserver, member_factory: MemberFactory
) -> None:
    """A verification in the room, and one by to-device messages, come to their end with equal emoji."""
    first, second = await member_factory(homeserver), await member_factory(homeserver)
    room = await _converse(first, second)
    shown = await first.verify(second.user_id, room=room)
    assert len(shown) == 7
    assert await second.verified_by(first.user_id) == shown
    # Another person: a second request to the same one, while its end of the first is still on its way, is
    # taken for a change of mind, and both are cancelled.
    third = await member_factory(homeserver)
    await _converse(third, first)
    shown = await third.verify(first.user_id, device_id=first.device_id)
    assert await first.verified_by(third.user_id) == shown


async def test_an_unsigned_device_is_told_apart(
    homeserver: Homeserver, member_factory: MemberFactory
) -> None:
    """A message from a device that nobody signed is unreadable to one SDK and shielded in the other."""
    stranger = await member_factory(homeserver, kind="nio", signed=False)
    strict, lax = await member_factory(homeserver, kind="js"), await member_factory(homeserver, kind="nio")
    for member in (strict, lax):
        room = await stranger.create_direct(member.user_id)
        await member.join((await member.invited()).room)
        await stranger.sees_membership(room, member.user_id, "join")
        # Of a device that it has not looked up yet a client says only that, and never looks again.
        await member.knows(stranger)
        await stranger.say(room, "who is this?")
        if member is strict:
            assert "UNSIGNED" in str((await member.expect_unreadable(room)).failure)
        else:
            with pytest.raises(AssertionError, match="UNSIGNED_DEVICE"):
                await member.expect(room, contains="who is this?")
        assert await member.devices_of(stranger.user_id) == {stranger.device_id: False}


async def test_a_message_in_clear_is_told_apart(
    homeserver: Homeserver, member_factory: MemberFactory
) -> None:
    """What was sent in clear fails an expectation of an encrypted message, and meets one of a plain one."""
    first, second = await member_factory(homeserver, kind="nio"), await member_factory(homeserver)
    room = await _converse(first, second)
    await first.say_plainly(room, "for all to read")
    with pytest.raises(AssertionError, match="in clear"):
        await second.expect(room, contains="for all to read")
    await second.say_plainly(room, "this too")
    assert (await first.expect(room, contains="this too", plain=True)).encrypted is False


@pytest.mark.parametrize("kind", ["js", "nio"])
async def test_edits_reactions_redactions_and_departures_are_seen(
    homeserver: Homeserver, member_factory: MemberFactory, kind: Kind
) -> None:
    """Everything else that a person sees in a room reaches the transcript, on both SDKs."""
    first, second = await member_factory(homeserver, kind="js"), await member_factory(homeserver, kind=kind)
    room = await _converse(first, second)
    said = await first.say(room, "frist")
    await second.expect(room, contains="frist")
    edit = await first.edit(room, said, "first")
    assert ((await second.expect(room, contains="first")).relation or {}).get("rel_type") == "m.replace"
    await first.react(room, said, "+")
    await first.redact(room, edit)
    await second.sees_reaction(room, "+")
    await second.sees_redaction(room, edit)
    assert [one["key"] for one in second.reactions] == ["+"]
    await second.leave(room)
    await first.sees_membership(room, second.user_id, "leave")
    await second.forget(room)
    with pytest.raises(MemberFailed):
        await second.say(room, "too late")


async def _sync(server: Homeserver, login: Login, since: str = "") -> JsonObject:
    params = {"timeout": "0", **({"since": since} if since else {})}
    return await server.call("GET", "/_matrix/client/v3/sync", token=login.access_token, params=params)


def _to_device(answer: JsonObject) -> list[str]:
    section = answer.get("to_device", {})
    assert isinstance(section, dict)
    events = section.get("events", [])
    assert isinstance(events, list)
    return [str(event["type"]) for event in events if isinstance(event, dict)]


async def test_an_account_without_device_keys_gets_no_room_key(
    homeserver: Homeserver, member_factory: MemberFactory
) -> None:
    """Two talk in a room made by an account without an encryption device, and its maker is sent no key."""
    await homeserver.register("maker", "of rooms")
    maker = await homeserver.login("maker", "of rooms")
    began = str((await _sync(homeserver, maker))["next_batch"])
    first, second = await member_factory(homeserver, kind="js"), await member_factory(homeserver, kind="nio")
    closed: JsonObject = {
        "events_default": 0,
        "invite": 100,
        "kick": 100,
        "ban": 100,
        "redact": 100,
        "state_default": 100,
    }
    answer = await homeserver.call(
        "POST",
        "/_matrix/client/v3/createRoom",
        token=maker.access_token,
        body={
            "preset": "private_chat",
            "visibility": "private",
            "invite": [first.user_id, second.user_id],
            "power_level_content_override": closed,
            "creation_content": {"m.federate": False},
            "initial_state": [
                {
                    "type": "m.room.encryption",
                    "state_key": "",
                    "content": {"algorithm": "m.megolm.v1.aes-sha2"},
                },
                {
                    "type": "m.room.history_visibility",
                    "state_key": "",
                    "content": {"history_visibility": "invited"},
                },
            ],
        },
    )
    room = str(answer["room_id"])
    for member in (first, second):
        await member.join((await member.invited()).room)
    await first.sees_membership(room, second.user_id, "join")
    await first.say(room, "only you can read this")
    await second.expect(room, contains="only you can read this")
    await second.say(room, "and this")
    await first.expect(room, contains="and this")
    heard = await _sync(homeserver, maker, began)
    assert _to_device(heard) == []
    # The watch itself is watched: whatever is sent to the maker's device does show. It looks on from where it
    # came to, since Synapse gives the same answer again to the same question for two minutes.
    await homeserver.call(
        "PUT",
        "/_matrix/client/v3/sendToDevice/m.planted/1",
        token=maker.access_token,
        body={"messages": {f"@maker:{homeserver.name}": {maker.device_id: {}}}},
    )
    assert _to_device(await _sync(homeserver, maker, str(heard["next_batch"]))) == ["m.planted"]


async def test_clients_outlive_an_outage(member_factory: MemberFactory, tmp_path: Path) -> None:
    """After a server froze, and after it was killed and came back, both clients go on by themselves."""
    async with Homeserver(directory=tmp_path) as server:
        first, second = await member_factory(server, kind="js"), await member_factory(server, kind="nio")
        room = await _converse(first, second)
        server.pause()
        with pytest.raises(TimeoutError):
            await server.call("GET", "/_matrix/client/versions", deadline=0.5)
        server.resume()
        await first.say(room, "after the freeze")
        await second.expect(room, contains="after the freeze")
        await server.kill()
        await server.start()
        await second.say(room, "after the crash")
        await first.expect(room, contains="after the crash")
        await first.say(room, "and back")
        await second.expect(room, contains="and back")


async def test_rate_limits_are_synapses_where_asked_for(tmp_path: Path) -> None:
    """With Synapse's own limits a burst of rooms is refused with 429, until an administrator lifts them."""
    async with Homeserver(directory=tmp_path, rate_limits=True) as server:
        user = await server.register("sam", "a password")
        login = await server.login("sam", "a password")

        async def open_rooms() -> None:
            for _ in range(15):
                await server.call(
                    "POST",
                    "/_matrix/client/v3/createRoom",
                    token=login.access_token,
                    body={"preset": "private_chat"},
                )

        with pytest.raises(Refused, match="429"):
            await open_rooms()
        await server.lift_rate_limits(user)
        await open_rooms()


async def test_a_homeserver_that_is_set_ahead_by_a_year_answers(tmp_path: Path) -> None:
    """It does not go through the year: neither in what is written just before, nor in what comes after."""
    async with Homeserver(directory=tmp_path, moves=True) as server:
        assert server.clock is not None
        await server.register("ana", "a password")
        ana = await server.login("ana", "a password")
        made = await server.call("POST", "/_matrix/client/v3/createRoom", token=ana.access_token, body={})
        path = f"/_matrix/client/v3/rooms/{quote(str(made['room_id']))}/send/m.room.message"
        body: JsonObject = {"msgtype": "m.text", "body": "here"}
        for number in range(3):
            await server.call(
                "PUT", f"{path}/{number}", token=ana.access_token, body=body, deadline=_SOON_ENOUGH
            )
            server.clock.move_to(server.clock.now() + timedelta(days=366))


async def test_an_administrator_can_look_at_accounts(homeserver: Homeserver) -> None:
    """The administrator's token opens the admin API, and an ordinary one does not."""
    user = await homeserver.register("ordinary", "a password")
    login = await homeserver.login("ordinary", "a password")
    path = f"/_synapse/admin/v2/users/{quote(user)}"
    assert (await homeserver.call("GET", path, token=await homeserver.admin_token()))["name"] == user
    with pytest.raises(Refused, match="403"):
        await homeserver.call("GET", path, token=login.access_token)


async def test_an_echo_answers(homeserver: Homeserver, member_factory: MemberFactory) -> None:
    """The bare echo that benchmarks measure against answers, before and after a restart on the same store."""
    member = await member_factory(homeserver, kind="js")
    async with await Echo.start(homeserver, signed=True) as echo:
        room = await member.write_to(echo.user_id)
        await member.say(room, "is anyone there?")
        await member.expect(room, contains="is anyone there?", sender=echo.user_id)
        await echo.stop()
        await member.say(room, "and now?")
        await echo.resume()
        await member.expect(room, contains="and now?", sender=echo.user_id)


_LEFT_BEHIND = """
import asyncio, sys
from tests.live.homeserver import Homeserver
from tests.live.postgres import Postgres

async def main():
    async with Homeserver() as server, Postgres() as cluster:
        print(server.pid, cluster.pid, server.directory, cluster.directory, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def test_nothing_outlives_a_killed_run() -> None:
    """When the process that started the servers is killed, they end too."""
    with subprocess.Popen([sys.executable, "-c", _LEFT_BEHIND], stdout=subprocess.PIPE, cwd=CHECKOUT) as run:
        assert run.stdout is not None
        homeserver, cluster, *directories = run.stdout.readline().decode().split()
        watches = [os.pidfd_open(int(homeserver)), os.pidfd_open(int(cluster))]
        try:
            assert select.select(watches, [], [], 0)[0] == []
            run.kill()
            for watch in watches:
                # A process's descriptor is readable once the process has ended.
                assert select.select([watch], [], [], 60)[0] == [watch]
        finally:
            for watch in watches:
                os.close(watch)
            for directory in directories:
                shutil.rmtree(directory, ignore_errors=True)


async def test_databases_are_fresh(postgres: Postgres) -> None:
    """Two databases of one template share its tables and none of each other's rows."""
    template = await postgres.create("template_of_test")
    connection = await asyncpg.connect(template.replace("+asyncpg", ""))
    await connection.execute("CREATE TABLE seen (word text)")
    await connection.close()
    for _ in range(2):
        async with postgres.database("template_of_test") as url:
            connection = await asyncpg.connect(url.replace("+asyncpg", ""))
            assert await connection.fetch("SELECT word FROM seen") == []
            await connection.execute("INSERT INTO seen VALUES ('once')")
            await connection.close()


async def test_an_old_postgresql_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests run on PostgreSQL 15 or later, as the server itself says; an older one fails them."""
    monkeypatch.setattr("tests.live.postgres._LEAST", 1000)
    with pytest.raises(HarnessMissing, match=r"says that it is 1[5-9]"):
        await Postgres().start()


def test_a_missing_synapse_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a Synapse the harness fails, and says which variable and which command mend it."""
    monkeypatch.setenv("ALONGSIDE_SYNAPSE_PYTHON", str(tmp_path / "nowhere"))
    with pytest.raises(HarnessMissing, match="ALONGSIDE_SYNAPSE_PYTHON"):
        synapse_python()
