"""The steward room: made encrypted, tended by the configuration, and heard of nobody but its stewards."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schema.effects import LeaveRoom, RedactStewards
from schema.errors import HomeserverRefused, IdentityChanged, NotPrivate, Unreachable
from schema.events import DirectChat, NoChat, StewardMessage, StewardRoom, Unreadable
from schema.ids import MatrixId, OutboxId, RoomId
from schema.states import Standing
from service.delivery import Delivery
from service.matrix import stewards
from service.matrix.keeper import Keeper
from tests.matrix.desk import DESK, DEVICE, Desk
from tests.matrix.homeserver import Homeserver
from tests.matrix.peer import Peer

SAM, TESS, ANA = MatrixId("@sam:home.test"), MatrixId("@tess:home.test"), MatrixId("@ana:home.test")


async def tended(desk: Desk, *named: MatrixId) -> RoomId:
    """The steward room of these stewards, synced."""
    found = await stewards.tend(desk.client, desk.store, named)
    assert found is not None
    await desk.sync.step()
    return found.room


async def joined(desk: Desk, server: Homeserver, *peers: Peer) -> RoomId:
    """The steward room with these in it."""
    room = await tended(desk, *[peer.user for peer in peers])
    for peer in peers:
        server.member(room, peer.user, "join")
    await desk.sync.step()
    await desk.clock.advance(timedelta(seconds=2))
    return room


async def tell(desk: Desk, body: str, transaction: str = "one") -> None:
    """Say something in the room, once whoever came in has had time to look our device up."""
    await desk.clock.advance(timedelta(seconds=2))
    await desk.client.tell_stewards(body, False, OutboxId(transaction))


def bodies(peer: Peer, room: RoomId) -> list[str]:
    """What this device can read there."""
    return [payload["content"]["body"] for payload in peer.read(room)]


async def test_it_is_private_and_encrypted_from_its_creation(desk: Desk, server: Homeserver) -> None:
    """Nobody but the desk can invite, and its name says nothing."""
    room = await tended(desk, SAM)
    (body,) = server.called("create steward room")
    state = {one["type"]: one["content"] for one in body["initial_state"]}
    assert state["m.room.encryption"]["algorithm"] == "m.megolm.v1.aes-sha2"
    assert state["m.room.history_visibility"] == {"history_visibility": "joined"}
    assert (body["preset"], body["visibility"], body["name"]) == ("private_chat", "private", "Alongside")
    assert body["power_level_content_override"]["invite"] == 100
    assert "invite" not in body
    assert server.rooms[room].membership(SAM) == "invite"


async def test_without_stewards_there_is_none(desk: Desk, server: Homeserver) -> None:
    """Nothing is made for nobody."""
    assert await stewards.tend(desk.client, desk.store, ()) is None
    assert not server.called("create steward room")
    with pytest.raises(NotPrivate):
        await tell(desk, "hello")


async def test_a_start_brings_it_to_what_the_configuration_says(desk: Desk, server: Homeserver) -> None:
    """Whoever is named comes in, whoever is not goes, and the room stays the same one."""
    sam = Peer(server, SAM)
    room = await joined(desk, server, sam)
    await desk.restart()
    assert await tended(desk, SAM, TESS) == room
    assert server.rooms[room].membership(TESS) == "invite"
    assert server.rooms[room].membership(SAM) == "join"
    await desk.restart()
    assert await tended(desk, TESS) == room
    assert server.rooms[room].membership(SAM) == "leave"
    await desk.restart()
    assert await tended(desk) == room
    assert server.rooms[room].membership(TESS) == "leave"
    assert len(server.called("create steward room")) == 1


async def test_a_crash_after_its_creation_leaves_no_second_one(desk: Desk, server: Homeserver) -> None:
    """It is found again by its tag."""
    room = await tended(desk, SAM)
    async with desk.store.transaction("test") as transaction:
        await transaction.write_instance("steward_room", None)
    await desk.restart()
    assert await tended(desk, SAM) == room


async def test_a_crash_before_all_are_invited_leaves_nobody_out(desk: Desk, server: Homeserver) -> None:
    """It counts as made only then, so that `init` run again goes on with the same one."""

    async def refuse(path: str, body: Any) -> None:
        raise Unreachable("read members")

    server.fail("read members", refuse)
    with pytest.raises(Unreachable):
        await tended(desk, SAM)
    async with desk.store.reading() as transaction:
        assert await stewards.kept(transaction) is None
    await desk.restart()
    room = await tended(desk, SAM)
    assert server.rooms[room].membership(SAM) == "invite"
    assert len(server.called("create steward room")) == 1


async def test_another_is_made_where_the_desk_was_put_out(desk: Desk, server: Homeserver) -> None:
    """An administrator can do that; the stewards are invited to the new one."""
    room = await tended(desk, SAM)
    server.member(room, DESK, "leave")
    await desk.sync.step()
    event = (await desk.inbox())[-1]
    assert isinstance(event, StewardRoom)
    assert not event.here
    await desk.restart()
    assert await tended(desk, SAM) != room


@pytest.mark.parametrize("error", [HomeserverRefused(403, "M_FORBIDDEN", "invite"), Unreachable("invite")])
async def test_a_steward_who_cannot_be_invited_holds_up_nobody(
    desk: Desk, server: Homeserver, error: Exception
) -> None:
    """Somebody's dead server must not keep the service from starting."""

    async def refuse(path: str, body: Any) -> None:
        raise error

    server.fail("invite steward", refuse)
    room = await tended(desk, SAM, TESS)
    assert server.rooms[room].membership(SAM) == "leave"
    assert server.rooms[room].membership(TESS) == "invite"


async def test_every_joined_steward_reads_what_is_said_and_nobody_else(
    desk: Desk, server: Homeserver
) -> None:
    """Joined means joined: whoever is only invited gets no key."""
    sam, tess, ana = Peer(server, SAM), Peer(server, TESS), Peer(server, ANA)
    room = await tended(desk, SAM, TESS)
    server.member(room, SAM, "join")
    await desk.sync.step()
    await tell(desk, "first")
    assert bodies(sam, room) == ["first"]
    server.member(room, TESS, "join")
    await desk.sync.step()
    await tell(desk, "second", "two")
    assert bodies(sam, room) == ["first", "second"]
    assert bodies(tess, room) == ["second"]
    server.member(room, SAM, "leave")
    await desk.sync.step()
    await tell(desk, "third", "three")
    assert bodies(tess, room) == ["second", "third"]
    assert bodies(sam, room) == ["first", "second"]
    ana.receive()
    assert not ana.room_keys


@pytest.mark.parametrize("membership", ["join", "invite"])
async def test_nothing_is_said_or_heard_while_a_stranger_is_there(
    desk: Desk, server: Homeserver, membership: str
) -> None:
    """A server's administrator can put somebody in."""
    sam = Peer(server, SAM)
    room = await joined(desk, server, sam)
    server.member(room, ANA, membership, sender="@admin:home.test")
    await desk.sync.step()
    with pytest.raises(NotPrivate):
        await tell(desk, "hello")
    assert desk.client.steward_standing(room, SAM) is Standing.NOT_PRIVATE


async def test_a_steward_is_heard_as_long_as_they_are_one(desk: Desk, server: Homeserver) -> None:
    """A decrypted message becomes a steward's; whether it counts is seen when it is handled."""
    sam = Peer(server, SAM)
    room = await joined(desk, server, sam)
    sam.share(room, DESK, DEVICE)
    sam.say(room, "status")
    await desk.sync.step()
    heard = [event for event in await desk.inbox() if isinstance(event, StewardMessage)]
    assert [(event.sender, event.body) for event in heard] == [(SAM, "status")]
    assert desk.client.steward_standing(room, SAM) is Standing.PRIVATE
    assert desk.client.steward_standing(room, ANA) is Standing.NOT_PRIVATE
    assert desk.client.steward_standing(RoomId("!other"), SAM) is Standing.NOT_PRIVATE
    server.member(room, SAM, "leave")
    await desk.sync.step()
    assert desk.client.steward_standing(room, SAM) is Standing.NOT_PRIVATE


async def test_what_is_not_encrypted_is_not_taken_in(desk: Desk, server: Homeserver) -> None:
    """Never plain: words in clear there are nobody's."""
    sam = Peer(server, SAM)
    room = await joined(desk, server, sam)
    server.send(room, SAM, "m.room.message", {"msgtype": "m.text", "body": "pause"})
    await desk.sync.step()
    assert not [event for event in await desk.inbox() if isinstance(event, StewardMessage)]


async def test_a_stewards_message_whose_key_never_comes_is_asked_for_again(
    desk: Desk, server: Homeserver
) -> None:
    """In their room, and not as a chat of theirs."""
    sam = Peer(server, SAM)
    room = await joined(desk, server, sam)
    sam.say(room, "status")
    await desk.sync.step()
    await desk.clock.advance(desk.patience * 2)
    server.news(SAM)
    await desk.sync.step()
    assert [event.kind for event in await desk.inbox() if isinstance(event, StewardMessage)] == ["unreadable"]
    assert not [event for event in await desk.inbox() if isinstance(event, Unreadable)]


async def test_a_steward_with_another_identity_is_neither_heard_nor_told(
    desk: Desk, server: Homeserver
) -> None:
    """Until they say in their own chat that the change is theirs."""
    sam, tess = Peer(server, SAM), Peer(server, TESS)
    room = await joined(desk, server, sam, tess)
    await tell(desk, "first")
    sam.receive()
    sam.cross_sign()
    await desk.sync.step()
    assert desk.client.steward_standing(room, SAM) is Standing.CHANGED
    await tell(desk, "second", "two")
    assert bodies(sam, room) == ["first"]
    assert bodies(tess, room) == ["first", "second"]
    tess.cross_sign()
    await desk.sync.step()
    with pytest.raises(IdentityChanged):
        await tell(desk, "third", "three")


async def test_it_is_no_chat_of_the_only_steward(desk: Desk, server: Homeserver) -> None:
    """Nothing of theirs as a member is said there, and it is not left as a room of nobody's."""
    sam = Peer(server, SAM)
    room = await joined(desk, server, sam)
    assert not [event for event in await desk.inbox() if isinstance(event, DirectChat | NoChat)]
    assert desk.client.standing(room, SAM) is Standing.NOT_PRIVATE
    with pytest.raises(NotPrivate):
        await desk.say(room, "yours alone")
    assert await desk.client.create_direct_chat(SAM) != room
    tess = Peer(server, TESS)
    server.member(room, tess.user, "invite", sender=DESK)
    server.member(room, SAM, "leave")
    await desk.sync.step()
    assert not [event for event in await desk.inbox() if isinstance(event, DirectChat | NoChat)]


async def test_who_is_there_is_said_when_it_changes_and_after_a_start(desk: Desk, server: Homeserver) -> None:
    """Each time the whole list, so that one lost does no harm."""
    sam = Peer(server, SAM)
    room = await joined(desk, server, sam)
    server.member(room, SAM, "leave")
    await desk.sync.step()
    lists = [event.here for event in await desk.inbox() if isinstance(event, StewardRoom)]
    assert lists == [(), (SAM,), ()]
    server.member(room, SAM, "join")
    await desk.restart()
    found = await stewards.tend(desk.client, desk.store, [SAM])
    assert found is not None
    assert found.here == (SAM,)
    # A crash lost the sync that had it; what is said to who came in must not wait for the next.
    await desk.client.tell_stewards("hello", False, OutboxId("hello"))
    assert bodies(sam, room) == ["hello"]


async def test_forgetting_a_steward_leaves_the_room_to_the_others(desk: Desk, server: Homeserver) -> None:
    """`forget me` leaves every room with a member, but this one is no chat of theirs."""
    sam = Peer(server, SAM)
    room = await joined(desk, server, sam)
    chat = await desk.chat_with(sam)
    keeper = Keeper(desk.client.transport, DESK, "home.test", tag=str, admin=None, room_version=None)
    await Delivery(desk.client, keeper)(LeaveRoom(chat, also=(room,)), OutboxId("one"), again=False)
    assert server.rooms[chat].membership(DESK) == "leave"
    assert server.rooms[room].membership(DESK) == "join"


async def test_what_we_said_there_is_taken_back_alone(desk: Desk, server: Homeserver) -> None:
    """The stewards talk with one another there; without a room nothing is asked for."""
    sam = Peer(server, SAM)
    keeper = Keeper(desk.client.transport, DESK, "home.test", tag=str, admin=None, room_version=None)
    delivery, order = Delivery(desk.client, keeper), RedactStewards(datetime(2100, 1, 1, tzinfo=UTC))
    await delivery(order, OutboxId("none"), again=False)
    assert not server.called("take back")
    room = await joined(desk, server, sam)
    sam.share(room, DESK, DEVICE)
    sam.say(room, "how are you?")
    await tell(desk, "first")
    await desk.sync.step()
    await delivery(order, OutboxId("one"), again=False)
    left = {
        event["sender"]
        for _, event in server.rooms[room].timeline
        if event["type"] == "m.room.encrypted" and event["content"]
    }
    assert left == {SAM}
