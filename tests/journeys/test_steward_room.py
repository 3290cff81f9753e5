"""The steward room: two stewards, each with another SDK, look after the service; one is named no more."""

import pytest

from tests.journeys.fixtures import Place
from tests.live.instance import Instance
from tests.live.member import Member

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


async def test_two_stewards_look_after_it_until_one_is_named_no_more(place: Place) -> None:
    """Invited at the start, greeted, heard, told of one another's pause; removed at the next start."""
    homeserver = place.homeserver
    sam = await Member.start(homeserver, kind="js")
    tess = await Member.start(homeserver, kind="nio")
    directory = place.directories.mktemp("stewards")
    settings = {"community.stewards": [sam.user_id, tess.user_id]}
    async with await Instance.make(homeserver, directory, settings=settings, forked=True) as instance:
        await instance.start()
        await instance.ready()
        room = ""
        for steward in (sam, tess):
            room = (await steward.invited()).room
            await steward.join(room)
            greeted = await steward.expect(room, contains="This room is for its stewards")
            assert greeted.encrypted
            assert greeted.shield is None
        await sam.say(room, "status")
        for steward in (sam, tess):
            await steward.expect(room, contains="Stewards in this room: 2 of 2.")
        await tess.say(room, "pause")
        await tess.expect(room, contains="What shall I tell members?")
        await tess.say(room, "We rest until Monday.")
        await tess.expect(room, contains="If you say yes")
        await sam.say(room, "yes")
        await tess.say(room, "yes")
        for steward in (sam, tess):
            await steward.expect(room, contains="I ask nobody new now.")
        instance.configure({"community.stewards": [tess.user_id]})
        await instance.restart()
        await sam.sees_membership(room, sam.user_id, "leave")
        await tess.say(room, "status")
        await tess.expect(room, contains="Stewards in this room: 1 of 1.")
    await sam.close()
    await tess.close()
