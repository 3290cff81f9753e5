"""A client of another make, which trusts signed devices alone: the first words, and verifying the desk."""

import pytest

from tests.journeys.fixtures import People
from tests.journeys.stage import clean, state_of
from tests.live import story
from tests.live.instance import Instance

pytestmark = [pytest.mark.live, pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]


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
    clean(newcomer)


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
        clean(person)
    # Nothing of it was taken for a person's words.
    said = "".join(one.body for person in (in_room, by_device) for one in person.heard())
    assert story.sentence("odd.unreadable").search(said) is None
    assert story.sentence("menu.fallback").search(said) is None
