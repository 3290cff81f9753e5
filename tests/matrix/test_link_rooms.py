"""The room of two front desks: made encrypted, known by its type, and nobody's chat."""

import json
from datetime import timedelta
from typing import Any

import pytest

from schema.errors import HomeserverRefused, NotPrivate
from schema.events import DirectChat, FromLink, Invited, LinkRoom, Message, NoChat, Unreadable
from schema.ids import LinkId, MatrixId, OutboxId, RoomId
from schema.states import Standing
from schema.wire import EVENT_TYPE
from tests.matrix.desk import DESK, DEVICE, Desk
from tests.matrix.homeserver import Homeserver
from tests.matrix.peer import Peer

LINK = LinkId("1" * 32)
OTHER, EVE = MatrixId("@alongside:other.test"), MatrixId("@eve:other.test")
SAID = {"version": 1, "sealed": "é"}


def theirs(server: Homeserver, name: str = "!link", *, encrypted: bool = True) -> RoomId:
    """A room of two desks that the other one made, and invited ours to."""
    room = server.create_room(name, encrypted=encrypted)
    server.state(room, OTHER, "m.room.create", "", {"type": EVENT_TYPE})
    server.member(room, OTHER, "join")
    server.member(room, DESK, "invite", OTHER)
    return room


async def ours(desk: Desk, server: Homeserver) -> tuple[RoomId, Peer]:
    """A room that our desk made, with the other one in it."""
    other = Peer(server, OTHER)
    room = await desk.client.create_link_room(LINK, OTHER)
    server.member(room, OTHER, "join")
    await desk.sync.step()
    return room, other


def say(server: Homeserver, peer: Peer, room: RoomId, content: Any = SAID, **changed: Any) -> None:
    """The other desk says something there."""
    server.send(room, peer.user, "m.room.encrypted", peer.encrypt(room, EVENT_TYPE, content, **changed))


async def across(desk: Desk) -> list[FromLink]:
    """What came by a link."""
    return [event for event in await desk.inbox() if isinstance(event, FromLink)]


async def send(desk: Desk, room: RoomId, transaction: str = "one") -> None:
    """Ours says something there."""
    await desk.client.send_across(room, OTHER, json.dumps(SAID), OutboxId(transaction), again=False)


async def test_it_is_encrypted_from_its_creation_and_made_once(desk: Desk, server: Homeserver) -> None:
    """Nobody but the desk that made it can invite; a try without an answer makes no second one."""
    room = await desk.client.create_link_room(LINK, OTHER)
    (body,) = server.called("create chat")
    state = {one["type"]: one["content"] for one in body["initial_state"]}
    assert state["m.room.encryption"]["algorithm"] == "m.megolm.v1.aes-sha2"
    assert body["creation_content"]["type"] == EVENT_TYPE
    assert LINK not in json.dumps(body)
    assert body["power_level_content_override"]["invite"] == 100
    assert server.rooms[room].membership(OTHER) == "invite"
    await desk.restart()
    await desk.sync.step()
    assert await desk.client.create_link_room(LINK, OTHER) == room
    assert len(server.called("create chat")) == 1


async def test_who_declined_can_be_invited_into_it_again(desk: Desk, server: Homeserver) -> None:
    """It is said that nobody is there; asked once more it is the same room."""
    room = await desk.client.create_link_room(LINK, OTHER)
    await desk.sync.step()
    server.member(room, OTHER, "leave")
    await desk.sync.step()
    assert [one.room for one in await desk.inbox() if isinstance(one, NoChat)] == [room]
    assert await desk.client.create_link_room(LINK, OTHER) == room
    assert len(server.called("create chat")) == 1
    assert server.rooms[room].membership(OTHER) == "invite"
    server.member(room, OTHER, "join")
    await desk.sync.step()
    assert [one.here for one in await desk.inbox() if isinstance(one, LinkRoom)] == [True]


async def test_a_server_that_cannot_be_reached_leaves_no_room(desk: Desk, server: Homeserver) -> None:
    """The invitation is refused; ours goes out of the room that nobody comes into."""

    async def refuse(path: str, body: Any) -> None:
        raise HomeserverRefused(403, "M_FORBIDDEN", "invite to chat")

    server.fail("invite to chat", refuse)
    with pytest.raises(HomeserverRefused):
        await desk.client.create_link_room(LINK, OTHER)
    assert [room.membership(DESK) for room in server.rooms.values()] == ["leave"]


async def test_an_invitation_says_that_it_is_one(desk: Desk, server: Homeserver) -> None:
    """By the type in the room's creation, and whether it is encrypted."""
    theirs(server)
    theirs(server, "!plain", encrypted=False)
    await desk.sync.step()
    found = [event for event in await desk.inbox() if isinstance(event, Invited)]
    assert {(one.room, one.link, one.encrypted, one.direct) for one in found} == {
        ("!link", True, True, False),
        ("!plain", True, False, False),
    }


async def test_the_other_desk_is_no_member_with_a_chat(desk: Desk, server: Homeserver) -> None:
    """It came in, and is alone with ours: no chat begins, and none is found there, after a restart too."""
    room, _ = await ours(desk, server)
    for _ in range(2):
        events = await desk.inbox()
        assert [(event.desk, event.here) for event in events if isinstance(event, LinkRoom)] == [
            (OTHER, True)
        ]
        assert not any(isinstance(event, DirectChat | NoChat) for event in events)
        assert room not in desk.client.chats.direct_with(OTHER)
        await desk.restart()
        await desk.sync.step()


async def test_what_is_said_there_comes_in_as_it_is(desk: Desk, server: Homeserver) -> None:
    """Of the link's type alone: no message, nothing in clear, no state, nothing that is too large."""
    room, other = await ours(desk, server)
    other.share(room, DESK, DEVICE)
    say(server, other, room)
    other.say(room, "hello")
    server.send(room, OTHER, EVENT_TYPE, SAID)
    server.send(room, OTHER, "m.room.message", {"msgtype": "m.text", "body": "hello"})
    say(server, other, room, state_key="")
    say(server, other, room, {"sealed": "A" * 20_000})
    say(server, other, room, {"sealed": float("nan")})
    await desk.sync.step()
    (event,) = await across(desk)
    assert (event.room, event.sender, json.loads(event.content)) == (room, OTHER, SAID)
    assert not any(isinstance(one, Message) for one in await desk.inbox())
    assert desk.client.standing(room, OTHER) is Standing.PRIVATE


async def test_nothing_of_the_type_is_taken_in_a_chat(desk: Desk, server: Homeserver) -> None:
    """A member's own chat is no way into a link."""
    ana = Peer(server, MatrixId("@ana:home.test"))
    room = await desk.chat_with(ana)
    ana.share(room, DESK, DEVICE)
    say(server, ana, room)
    await desk.sync.step()
    assert await across(desk) == []


async def test_a_third_makes_it_nobodys(desk: Desk, server: Homeserver) -> None:
    """Nothing is said any more, what comes does not count, and the desk is to leave."""
    room, other = await ours(desk, server)
    server.member(room, EVE, "join")
    other.share(room, DESK, DEVICE)
    say(server, other, room)
    await desk.sync.step()
    events = await desk.inbox()
    assert [event.here for event in events if isinstance(event, LinkRoom)] == [True, False]
    assert [event.room for event in events if isinstance(event, NoChat)] == [room]
    assert desk.client.standing(room, OTHER) is Standing.NOT_PRIVATE
    with pytest.raises(NotPrivate):
        await send(desk, room)


@pytest.mark.parametrize("restarts", [False, True])
async def test_its_last_word_counts_when_it_has_left(desk: Desk, server: Homeserver, restarts: bool) -> None:
    """What it said before it went is taken first, also where both come at once; nobody else was there."""
    room, other = await ours(desk, server)
    other.share(room, DESK, DEVICE)
    say(server, other, room)
    server.member(room, OTHER, "leave")
    if restarts:
        await desk.restart()
    await desk.sync.step()
    told = [event for event in await desk.inbox() if isinstance(event, LinkRoom | FromLink)]
    assert [getattr(event, "here", None) for event in told] == [True, None, False]
    assert desk.client.link_standing(room, OTHER) is Standing.PRIVATE
    assert desk.client.standing(room, OTHER) is Standing.NOT_PRIVATE
    server.member(room, EVE, "join")
    await desk.sync.step()
    assert desk.client.link_standing(room, OTHER) is Standing.NOT_PRIVATE


async def test_nothing_goes_into_a_room_that_is_not_encrypted(desk: Desk, server: Homeserver) -> None:
    """Nor is the other desk said to be there."""
    Peer(server, OTHER)
    room = theirs(server, encrypted=False)
    server.member(room, DESK, "join")
    await desk.sync.step()
    assert not any(isinstance(event, LinkRoom) for event in await desk.inbox())
    with pytest.raises(NotPrivate):
        await send(desk, room)


async def test_nothing_goes_to_another_or_into_a_chat(desk: Desk, server: Homeserver) -> None:
    """A chat with somebody of that name is no room of two desks."""
    room = await desk.chat_with(Peer(server, OTHER))
    with pytest.raises(NotPrivate):
        await send(desk, room)
    room, _ = await ours(desk, server)
    with pytest.raises(NotPrivate):
        await desk.client.send_across(room, EVE, "{}", OutboxId("one"), again=False)


async def test_what_ours_says_the_other_desk_can_read(desk: Desk, server: Homeserver) -> None:
    """Encrypted, of the link's type; a second identity of that desk hinders nothing."""
    room, other = await ours(desk, server)
    other.cross_sign()
    await send(desk, room)
    other.receive()
    other.cross_sign()
    server.news(OTHER)
    await desk.sync.step()
    assert desk.client.identity_changed(OTHER)
    await send(desk, room, "two")
    other.receive()
    read = other.read(room)
    assert [payload["type"] for payload in read] == [EVENT_TYPE, EVENT_TYPE]
    assert read[0]["content"] == SAID


async def test_when_the_other_desk_goes_that_is_said_once(desk: Desk, server: Homeserver) -> None:
    """Whether it left or ours was put out."""
    room, _ = await ours(desk, server)
    server.member(room, OTHER, "leave")
    await desk.sync.step()
    server.member(room, DESK, "leave")
    await desk.sync.step()
    events = await desk.inbox()
    assert [event.here for event in events if isinstance(event, LinkRoom)] == [True, False]
    assert not any(isinstance(event, DirectChat) for event in events)


async def test_what_cannot_be_read_there_asks_nobody(desk: Desk, server: Homeserver) -> None:
    """The other desk is a program."""
    room, other = await ours(desk, server)
    say(server, other, room)
    await desk.sync.step()
    await desk.clock.advance(timedelta(minutes=5))
    await desk.sync.step()
    assert not any(isinstance(event, Unreadable) for event in await desk.inbox())
