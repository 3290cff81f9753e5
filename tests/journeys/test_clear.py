"""Clearing a chat, as the homeserver holds it before and after."""

from urllib.parse import quote

import pytest

from tests.journeys.fixtures import People
from tests.journeys.stage import Person
from tests.live.homeserver import JsonObject
from tests.live.instance import Instance

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


async def _said(instance: Instance, person: Person) -> list[JsonObject]:
    """The messages of the person's chat, oldest first, as their own homeserver gives them."""
    homeserver = instance.homeserver
    login = await homeserver.login(person.name, person.member.password)
    answer = await homeserver.call(
        "GET",
        f"/_matrix/client/v3/rooms/{quote(person.chat)}/messages",
        token=login.access_token,
        params={"dir": "b", "limit": "500"},
    )
    await homeserver.call("POST", "/_matrix/client/v3/logout", token=login.access_token, body={})
    chunk = answer["chunk"]
    assert isinstance(chunk, list)
    events = [event for event in reversed(chunk) if isinstance(event, dict)]
    return [event for event in events if event["type"] == "m.room.encrypted"]


async def test_what_was_said_in_a_chat_is_taken_back(calm: Instance, people: People) -> None:
    """Every message of the desk's up to the yes is empty on the homeserver, and later ones are not."""
    (person,) = await people(calm, 1)
    await person.writes("menu")
    await person.hears("menu.menu")
    await person.writes("clear")
    await person.hears("clear.question")
    before = [str(event["event_id"]) for event in await _said(calm, person)]
    assert len(before) >= 6
    await person.writes("yes")
    begun = await person.hears("clear.begun")
    done = await person.member.expect(person.chat, contains="Done")
    after = {str(event["event_id"]): event for event in await _said(calm, person)}
    for event_id in before:
        if after[event_id]["sender"] == calm.desk_user or "What we both said" in done.body:
            assert after[event_id]["content"] == {}, after[event_id]["sender"]
    for message in (begun, done):
        assert after[message.event_id]["content"]
    await person.writes("status")
    await person.hears("status.nothing")
