"""Nobody speaks for another: whose device a message counts from, and what a changed identity stops."""

from datetime import timedelta
from typing import Any

import pytest

from schema.errors import IdentityChanged, WorldError
from schema.events import Message, Unreadable
from tests.matrix.desk import DESK, DEVICE, Desk
from tests.matrix.homeserver import Homeserver
from tests.matrix.peer import CrossSigning, Peer

ALICE = "@alice:home.test"
MALLORY = "@mallory:home.test"


async def test_another_member_cannot_write_in_her_name(desk: Desk, server: Homeserver) -> None:
    """An event with Alice's name and Mallory's encryption is not hers, whatever the homeserver says."""
    alice, mallory = Peer(server, ALICE), Peer(server, MALLORY, "EVIL")
    alice.cross_sign()
    room = await desk.chat_with(alice)
    alice.share(room, DESK, DEVICE)
    alice.say(room, "mine")
    mallory.share(room, DESK, DEVICE)
    server.send(
        room,
        ALICE,
        "m.room.encrypted",
        mallory.encrypt(room, "m.room.message", {"msgtype": "m.text", "body": "forged"}),
    )
    await desk.sync.step()
    assert await desk.heard() == ["mine"]


@pytest.mark.parametrize("signed", [True, False])
async def test_a_room_key_under_her_name_is_not_hers(desk: Desk, server: Homeserver, signed: bool) -> None:
    """A homeserver that hands on Mallory's room key as Alice's, and she claims it so inside, gets nowhere."""
    alice, mallory = Peer(server, ALICE), Peer(server, MALLORY, "EVIL")
    if signed:
        alice.cross_sign()
    room = await desk.chat_with(alice)
    alice.share(room, DESK, DEVICE)
    alice.say(room, "mine")
    await desk.sync.step()
    key = mallory.olm(DESK, DEVICE, "m.room_key", mallory.room_key(room), sender=ALICE)
    server.deliver(DESK, DEVICE, {**key, "sender": ALICE})
    forged = mallory.encrypt(room, "m.room.message", {"msgtype": "m.text", "body": "forged"})
    server.send(room, ALICE, "m.room.encrypted", forged)
    await desk.sync.step()
    await desk.sync.step()
    assert await desk.heard() == ["mine"]


async def test_a_device_that_the_homeserver_added_does_not_count(desk: Desk, server: Homeserver) -> None:
    """A new device that Alice's identity did not sign neither speaks for her nor gets a key."""
    alice = Peer(server, ALICE)
    alice.cross_sign()
    room = await desk.chat_with(alice)
    alice.share(room, DESK, DEVICE)
    alice.say(room, "mine")
    await desk.sync.step()
    added = Peer(server, ALICE, "ADDED")
    added.share(room, DESK, DEVICE)
    added.say(room, "forged")
    await desk.sync.step()
    await desk.say(room, "private")
    assert await desk.heard() == ["mine"]
    assert [each["content"]["body"] for each in alice.read(room)] == ["private"]
    assert added.read(room) == []
    assert desk.client.private(room, alice.user)


async def test_a_device_signed_later_is_heard(desk: Desk, server: Homeserver) -> None:
    """What came from a device before its owner signed it waits, and is read once it is signed."""
    alice = Peer(server, ALICE)
    signing = alice.cross_sign()
    room = await desk.chat_with(alice)
    phone = Peer(server, ALICE, "PHONE")
    phone.share(room, DESK, DEVICE)
    phone.say(room, "from my new phone")
    await desk.sync.step()
    assert await desk.heard() == []
    phone.cross_sign(signing)
    await desk.sync.step()
    assert await desk.heard() == ["from my new phone"]


async def test_another_master_key_is_a_changed_identity(desk: Desk, server: Homeserver) -> None:
    """After it nothing private goes out, until the member's word is taken; it is still said and heard."""
    alice = Peer(server, ALICE)
    alice.cross_sign()
    room = await desk.chat_with(alice)
    alice.share(room, DESK, DEVICE)
    alice.say(room, "one")
    await desk.sync.step()
    alice.cross_sign(CrossSigning(ALICE))
    alice.say(room, "two")
    await desk.sync.step()
    assert await desk.heard() == ["one", "two"]
    assert desk.client.identity_changed(alice.user)
    assert not desk.client.private(room, alice.user)
    with pytest.raises(IdentityChanged):
        await desk.say(room, "private")
    await desk.say(room, "Your identity changed. Is it you?", "2", to_changed_identity=True)
    await desk.restart()
    assert desk.client.identity_changed(alice.user)
    await desk.client.accept_identity(alice.user)
    await desk.say(room, "private", "3")
    bodies = [each["content"]["body"] for each in alice.read(room)]
    assert bodies == ["Your identity changed. Is it you?", "private"]


async def test_a_hidden_master_key_opens_nothing(desk: Desk, server: Homeserver) -> None:
    """A homeserver that stops showing the pinned identity cannot make unsigned devices count."""
    alice = Peer(server, ALICE)
    alice.cross_sign()
    room = await desk.chat_with(alice)
    alice.share(room, DESK, DEVICE)
    alice.say(room, "one")
    await desk.sync.step()
    del server.cross_signing[ALICE]
    added = Peer(server, ALICE, "ADDED")
    added.share(room, DESK, DEVICE)
    added.say(room, "forged")
    await desk.sync.step()
    assert await desk.heard() == ["one"]
    with pytest.raises(IdentityChanged):
        await desk.say(room, "private")
    with pytest.raises(WorldError):
        await desk.say(room, "fixed", "2", to_changed_identity=True)


async def test_without_cross_signing_the_devices_are_pinned(desk: Desk, server: Homeserver) -> None:
    """A device that appears later at a member without cross-signing is a changed identity."""
    alice = Peer(server, ALICE)
    room = await desk.chat_with(alice)
    alice.share(room, DESK, DEVICE)
    alice.say(room, "one")
    await desk.sync.step()
    await desk.say(room, "private")
    Peer(server, ALICE, "ADDED")
    await desk.sync.step()
    with pytest.raises(IdentityChanged):
        await desk.say(room, "private", "2")


async def test_cross_signing_set_up_later_by_a_pinned_device_is_no_change(
    desk: Desk, server: Homeserver
) -> None:
    """A pinned device that signs the new master key vouches for it; without that it is a change."""
    alice, bob = Peer(server, ALICE), Peer(server, "@bob:home.test")
    for peer, name in ((alice, "!a"), (bob, "!b")):
        room = await desk.chat_with(peer, name)
        peer.share(room, DESK, DEVICE)
        peer.say(room, "hello")
    await desk.sync.step()
    alice.cross_sign(vouch=True)
    bob.cross_sign(vouch=False)
    await desk.sync.step()
    assert not desk.client.identity_changed(alice.user)
    assert desk.client.identity_changed(bob.user)


async def test_a_foreign_signing_key_signs_nothing(desk: Desk, server: Homeserver) -> None:
    """A self-signing key that the master key did not sign vouches for no device."""
    alice = Peer(server, ALICE)
    alice.cross_sign()
    server.cross_signing[ALICE]["self_signing_keys"] = CrossSigning(ALICE).keys()["self_signing_keys"]
    room = await desk.chat_with(alice)
    alice.share(room, DESK, DEVICE)
    alice.say(room, "forged")
    await desk.sync.step()
    assert await desk.heard() == []


async def test_what_nobody_vouches_for_is_asked_for_again_once(desk: Desk, server: Homeserver) -> None:
    """A message from a device that never counts is no silent loss."""
    alice = Peer(server, ALICE)
    alice.cross_sign()
    room = await desk.chat_with(alice)
    added = Peer(server, ALICE, "ADDED")
    added.share(room, DESK, DEVICE)
    event = added.say(room, "unsigned")
    await desk.sync.step()
    await desk.clock.advance(timedelta(minutes=3))
    await desk.sync.step()
    await desk.sync.step()
    events = [each for each in await desk.inbox() if isinstance(each, Message | Unreadable)]
    assert [(type(each), each.event_id) for each in events] == [(Unreadable, event["event_id"])]


async def test_encrypted_state_is_nothing(desk: Desk, server: Homeserver) -> None:
    """A decrypted event with a state key changes no record of ours and is no message."""
    alice = Peer(server, ALICE)
    alice.cross_sign()
    room = await desk.chat_with(alice)
    alice.share(room, DESK, DEVICE)
    for type_, content in (
        ("m.room.member", {"membership": "leave"}),
        ("m.room.message", {"msgtype": "m.text", "body": "x"}),
    ):
        sealed = alice.encrypt(room, type_, content, state_key=ALICE)
        server.send(room, ALICE, "m.room.encrypted", sealed)
    alice.say(room, "words")
    await desk.sync.step()
    assert await desk.heard() == ["words"]
    assert desk.client.private(room, alice.user)


async def test_a_message_moved_to_another_room_is_not_read(desk: Desk, server: Homeserver) -> None:
    """What was written for one room says nothing in another, even with a key that claims that room."""
    alice = Peer(server, ALICE)
    alice.cross_sign()
    first, second = await desk.chat_with(alice, "!first"), await desk.chat_with(alice, "!second")
    alice.share(first, DESK, DEVICE)
    moved = alice.encrypt(first, "m.room.message", {"msgtype": "m.text", "body": "moved"})
    server.send(second, ALICE, "m.room.encrypted", moved)
    key = alice.room_key(first, room_id=second)
    server.deliver(DESK, DEVICE, alice.olm(DESK, DEVICE, "m.room_key", key))
    late = alice.encrypt(first, "m.room.message", {"msgtype": "m.text", "body": "moved too"})
    server.send(second, ALICE, "m.room.encrypted", late)
    await desk.sync.step()
    assert await desk.heard() == []


@pytest.mark.parametrize(
    "changed",
    [
        {"sender": MALLORY},
        {"recipient": MALLORY},
        {"recipient_keys": {"ed25519": "A" * 43}},
        {"recipient_keys": {}},
        {"keys": {}},
        {"type": "m.forwarded_room_key"},
        {"type": "m.dummy"},
    ],
)
async def test_an_olm_message_that_disagrees_with_its_envelope(
    desk: Desk, server: Homeserver, changed: dict[str, Any]
) -> None:
    """A room key counts only from whom, to whom and of the kind that its message says."""
    alice = Peer(server, ALICE)
    alice.cross_sign()
    room = await desk.chat_with(alice)
    key = alice.room_key(room)
    server.deliver(DESK, DEVICE, alice.olm(DESK, DEVICE, "m.room_key", key, **changed))
    said = alice.say(room, "forged")
    await desk.sync.step()
    assert desk.client.machine.room_keys.get(alice.user, room, said["content"]) is None
    assert await desk.heard() == []


async def test_a_device_that_did_not_sign_itself_is_none(desk: Desk, server: Homeserver) -> None:
    """Keys that the device itself did not sign are nobody's, even where the identity signed them."""
    alice = Peer(server, ALICE)
    signing = alice.cross_sign()
    stolen = Peer(server, ALICE, "STOLEN", publish=False)
    keys = stolen.device_keys()
    keys["signatures"][ALICE]["ed25519:STOLEN"] = alice.device_keys()["signatures"][ALICE]["ed25519:PEER"]
    server.publish(ALICE, signing.sign(keys))
    await desk.chat_with(alice)
    person = desk.client.machine.people[alice.user]
    assert [device.device_id for device in person.counting()] == ["PEER"]
