"""A client of another make, which trusts signed devices alone: the first words, and verifying the desk."""

import pytest

from tests.journeys.fixtures import People
from tests.journeys.stage import Person, state_of
from tests.live import story
from tests.live.instance import Instance

pytestmark = [pytest.mark.live, pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]


def _clean(person: Person) -> None:
    """Nothing came to them in clear, with a shield, or unreadable."""
    for one in person.member.messages:
        assert one.failure is None, person.member.told()
        assert one.shield is None, person.member.told()
        assert one.encrypted, person.member.told()


<<<<<<< HEAD:tests/interop/test_pairing.py
@pytest.mark.parametrize(("asks", "comes"), [("js", "nio"), ("nio", "js")], ids=["asker", "peer"])
async def test_the_javascript_sdk(calm: Instance, people: People, asks: Kind, comes: Kind) -> None:
    """As the one who asks and as the one who comes: everything is read on both sides, without a shield."""
    (asker,) = await people(calm, 1, kind=asks)
    (peer,) = await people(calm, 1, kind=comes)
    await peer.offers()
    room = await meet(asker, peer)
    await story.talk_to_each_other(room, asker.member, peer.member)
    await asker.writes(story.words_of("command.extend"))
    await story.chooses(asker.member, asker.chat, await asker.hears("extend.how_much"), "choice.extend_none")
    await asker.hears("extend.no")
    # Whoever goes out and comes back reads what is written then, and the other reads them. The JavaScript
    # client goes first: coming back, it may take an older leaving of the other's for the last that happened
    # (a fault of its own, which OPERATING.md describes), and then share no key with them.
    for leaver, other in ((asker, peer), (peer, asker)) if asks == "js" else ((peer, asker), (asker, peer)):
        await leaves_and_is_back(leaver, other, room)
        await story.talk_to_each_other(room, asker.member, peer.member, [("Here again.", "Good.")])
    await story.closes(peer.member, peer.chat)
    await asker.hears("room.closed")
    for person in (asker, peer):
        await person.hears("receipt.intro")
        _clean(person)


=======
>>>>>>> story:tests/interop/test_desk.py
async def test_the_first_words_can_be_read(calm: Instance, people: People) -> None:
    """The greeting leaves a client time to look our device up, without which it never shows it."""
    (newcomer,) = await people(calm, 1, kind="js")
    (came,) = [
        event
        for event in await state_of(calm.homeserver, newcomer.chat)
        if event["type"] == "m.room.member" and event["state_key"] == calm.desk_user
    ]
    joined = came["origin_server_ts"]
    assert isinstance(joined, int)
    greeting = newcomer.heard()[0]
    assert story.sentence("menu.hello").search(greeting.body)
    assert greeting.timestamp - joined > 1000
    _clean(newcomer)


async def test_the_desk_is_verified(calm: Instance, people: People) -> None:
    """A member verifies the front desk by emoji: in their chat, and its device by to-device messages."""
    in_room, by_device = await people(calm, 2, kind="js")
    device = next(iter(await by_device.member.devices_of(calm.desk_user)))
    assert len(await in_room.member.verify(calm.desk_user, room=in_room.chat)) == 7
    assert len(await by_device.member.verify(calm.desk_user, device_id=device)) == 7
    for person in (in_room, by_device):
        assert await person.member.devices_of(calm.desk_user) == {device: True}
        # Verified or not, the conversation goes on in the same chat.
        await person.writes("status")
        await person.hears("status.nothing")
        _clean(person)
    # Nothing of it was taken for a person's words.
    said = "".join(one.body for person in (in_room, by_device) for one in person.heard())
    assert story.sentence("odd.unreadable").search(said) is None
    assert story.sentence("menu.fallback").search(said) is None
