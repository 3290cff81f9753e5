"""Who may write, and how much: those in the community's space; of others nothing is left."""

from urllib.parse import quote

import pytest

from service.config import Toml
from tests.journeys.fixtures import Place
from tests.journeys.stage import counts
from tests.live import story
from tests.live.homeserver import JsonObject
from tests.live.instance import Instance
from tests.live.member import Member

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


async def test_only_those_in_the_space_are_served(place: Place) -> None:
    """The desk comes into the space at its start; whoever is not in it has one answer and no record."""
    homeserver = place.homeserver
    inside = await Member.start(homeserver, kind="nio")
    outside = await Member.start(homeserver, kind="js")
    name = inside.user_id[1:].partition(":")[0]
    token = (await homeserver.login(name, inside.password)).access_token
    space: JsonObject = {"preset": "public_chat", "creation_content": {"type": "m.space"}}
    made = await homeserver.call("POST", "/_matrix/client/v3/createRoom", token=token, body=space)
    room = str(made["room_id"])
    directory = place.directories.mktemp("space")
    settings: dict[str, Toml] = {
        "community.room": room,
        "community.members": "room",
        "community.messages_at_once": 20,
    }
    async with await Instance.make(homeserver, directory, settings=settings, forked=True) as instance:
        await instance.start()
        await instance.ready()
        where = f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.member/{quote(instance.desk_user)}"
        assert (await homeserver.call("GET", where, token=token))["membership"] == "join"
        chat = await outside.write_to(instance.desk_user)
        await outside.say(chat, "hello")
        answered = await story.hears(outside, chat, "outside.room")
        assert answered.encrypted
        await outside.say(chat, "talk")
        own = await story.comes(inside, instance.desk_user)
        assert counts(instance) == {"members": 1}
        said = [one for one in outside.messages if one.room == chat and one.sender == instance.desk_user]
        assert len(said) == 1
        # The desk stays in the space: it is nobody's chat, and is not left as one.
        assert (await homeserver.call("GET", where, token=token))["membership"] == "join"
        # Whoever writes on and on is told so once, and help is there all the same.
        for number in range(30):
            await inside.say(own, f"What about {number}?")
        await story.hears(inside, own, "calm.messages")
        await inside.say(own, story.words_of("command.places"))
        await story.hears(inside, own, "places.none")
        told = [one for one in inside.messages if story.sentence("calm.messages").search(one.body)]
        assert len(told) == 1
    await inside.close()
    await outside.close()
