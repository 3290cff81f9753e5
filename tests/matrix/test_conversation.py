"""A member and the front desk exchange encrypted messages, across restarts."""

from schema.events import DirectChat, Message
from tests.matrix.desk import DESK, DEVICE, Desk
from tests.matrix.homeserver import Homeserver
from tests.matrix.peer import Peer

ALICE = "@alice:home.test"


async def test_a_message_and_its_answer(desk: Desk, server: Homeserver) -> None:
    """What a member writes arrives once, and what the desk answers can be read."""
    alice = Peer(server, ALICE)
    alice.cross_sign()
    room = await desk.chat_with(alice)
    alice.share(room, DESK, DEVICE)
    alice.say(room, "hello")
    await desk.sync.step()
    events = await desk.inbox()
    assert [type(event) for event in events] == [DirectChat, Message]
    assert await desk.heard() == ["hello"]
    assert desk.client.private(room, alice.user)
    await desk.say(room, "Hello. I am a program.")
    assert [each["content"]["body"] for each in alice.read(room)] == ["Hello. I am a program."]


async def test_goes_on_after_a_restart(desk: Desk, server: Homeserver) -> None:
    """Sessions, rooms and the sync token are found again, and nothing is read twice."""
    alice = Peer(server, ALICE)
    alice.cross_sign()
    room = await desk.chat_with(alice)
    alice.share(room, DESK, DEVICE)
    alice.say(room, "one")
    await desk.sync.step()
    await desk.say(room, "answer one", "1")
    await desk.restart()
    alice.say(room, "two")
    await desk.sync.step()
    await desk.say(room, "answer two", "2")
    assert await desk.heard() == ["one", "two"]
    assert [each["content"]["body"] for each in alice.read(room)] == ["answer one", "answer two"]
