"""Promise 6: read-only at once, readable for its time, then gone as far as the receipt says."""

import asyncio
import os
import signal
from urllib.parse import quote

import pytest

from tests.journeys.fixtures import BRIEF_ROOM, People
from tests.journeys.stage import (
    MemberFailed,
    Person,
    is_gone,
    joined,
    meet,
    members_of,
    rows,
)
from tests.live import story
from tests.live.homeserver import JsonObject, Refused
from tests.live.instance import Instance

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


async def _cannot_write(person: Person, room: str) -> None:
    """The homeserver itself refuses, which it is asked whatever the person's client knows by now."""
    with pytest.raises(MemberFailed) as refused:
        await person.member.say_plainly(room, "Are you still there?")
    assert refused.value.errcode == "M_FORBIDDEN"


class _Reader:
    """Another device of a person, that reads what the homeserver still has."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._token = ""

    async def event(self, room: str, event_id: str) -> JsonObject:
        """The content of an event, as far as it is still there. Raises Refused where it is out of reach."""
        homeserver = self._person.member.homeserver
        if not self._token:
            login = await homeserver.login(self._person.name, self._person.member.password)
            self._token = login.access_token
        answer = await homeserver.call(
            "GET", f"/_matrix/client/v3/rooms/{quote(room)}/event/{quote(event_id)}", token=self._token
        )
        content = answer["content"]
        assert isinstance(content, dict)
        return content


def _together(instance: Instance) -> set[object]:
    """The ids of all pairings and peer rooms."""
    return {row["id"] for found in rows(instance, ("pairings", "peer_rooms")).values() for row in found}


async def test_one_room_from_close_to_receipt(calm: Instance, people: People) -> None:
    """Closed, it takes no word, is read for its time, redacted, then emptied, then purged."""
    # The rooms of an earlier journey may still be on their way out.
    before = _together(calm)
    asker, peer = await people(calm, 2)
    await peer.offers()
    room = await meet(asker, peer)
    assert _together(calm) - before
    sent = await asker.member.say(room, "Thank you for coming.")
    await peer.member.expect(room, contains="Thank you for coming.")
    reader = _Reader(peer)
    await story.closes(asker.member, asker.chat)
    closed = await peer.hears("room.closed")
    assert "erase now" in closed.body
    await _cannot_write(asker, room)
    await _cannot_write(peer, room)
    # Both are still in it, and what was said is there to be read.
    assert set((await members_of(calm.homeserver, room)).values()) == {"join"}
    assert "ciphertext" in await reader.event(room, sent)
    # Its time is over: the content goes while they are in it, then they are out, then it is gone.
    await peer.member.sees_redaction(room, sent)
    await peer.member.sees_membership(room, peer.id, "leave")
    receipts = [await story.gets_receipt(person.member, person.chat) for person in (asker, peer)]
    for receipt in receipts:
        for key in ("redacted", "removed", "purged", "rest"):
            assert story.words_of(f"receipt.{key}") in receipt.body
        assert "Could not be done" not in receipt.body
    assert await is_gone(calm.homeserver, room)
    with pytest.raises(Refused):
        await reader.event(room, sent)
    assert _together(calm) <= before


async def test_a_receipt_without_the_means_to_purge(brief: Instance, people: People) -> None:
    """Where the service may not purge, the receipt says so; its time alone ended this room."""
    asker, peer = await people(brief, 2)
    await peer.offers()
    room = await meet(asker, peer)
    sent = await peer.member.say(room, "I am here.")
    # Half of what is left is less than the ten minutes that are usual; each is told once.
    for person in (asker, peer):
        await person.hears("room.ends_soon")
        await person.hears("room.closed_time")
        warned = [one for one in person.heard() if story.sentence("room.ends_soon").search(one.body)]
        assert len(warned) == 1
    await _cannot_write(peer, room)
    receipt = await asker.hears("receipt.intro")
    assert story.words_of("receipt.purge_cannot") in receipt.body
    assert story.words_of("receipt.purged") not in receipt.body
    # It is told truly: the content is redacted, everybody is out, and the homeserver still has the room.
    await asker.member.sees_redaction(room, sent)
    await asker.member.sees_membership(room, asker.id, "leave")
    assert await joined(brief.homeserver, room) == []
    assert not await is_gone(brief.homeserver, room)


async def test_a_crash_ends_no_room_late(brief: Instance, people: People) -> None:
    """A room whose time came while the service was dead is closed and removed when it is back."""
    asker, peer = await people(brief, 2)
    await peer.offers()
    room = await meet(asker, peer)
    assert brief.pid is not None
    os.kill(brief.pid, signal.SIGKILL)
    await brief.wait_dead()
    await peer.member.say(room, "Nobody ends this yet.")
    # Its time passes with nobody there to see it: nothing is there to be waited for.
    await asyncio.sleep(BRIEF_ROOM)
    await peer.member.say(room, "Nor this.")
    await brief.start()
    await asker.hears("room.closed_time")
    await _cannot_write(asker, room)
    await peer.hears("receipt.intro")
    await asker.member.sees_membership(room, asker.id, "leave")
    assert await joined(brief.homeserver, room) == []
