"""Promise 3: every request ends in a pairing, an answer with a time in it, or the member's withdrawal."""

import os
import re
import signal
import time

import pytest

from tests.journeys.fixtures import People
from tests.journeys.stage import Person, counts
from tests.live import story
from tests.live.instance import Instance
from tests.live.member import Message

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

_HOUR = re.compile(r"\d{1,2}:\d\d UTC \(in \d+ \w+\)")


def _has_a_time(told: Message) -> None:
    assert _HOUR.search(told.body), told.body


async def test_nobody_there(brief: Instance, people: People) -> None:
    """With nobody to ask the member is told so, and the next hour; then somebody comes and is asked."""
    asker, peer = await people(brief, 2)
    await peer.writes("offer")
    for key in ("offer.length", "offer.topics", "offer.card", "offer.fear"):
        await peer.hears(key)
        await peer.writes("skip")
    await peer.hears("offer.recap")
    await asker.asks(hears_of="request.nobody")
    _has_a_time(asker.heard()[-1])
    # The offer counts from this yes on.
    await peer.writes("yes")
    await peer.hears("offer.begun")
    asked = await story.is_asked(peer.member, peer.chat)
    shown = await story.says_yes(peer.member, peer.chat, asked)
    await story.goes_on(peer.member, peer.chat, shown)
    await asker.agrees()
    assert await asker.joins() == await peer.joins()


async def test_nobody_came(hasty: Instance, people: People) -> None:
    """A request whose time is over says so, and can be taken up again with the same words."""
    (asker,) = await people(hasty, 1)
    began = time.monotonic()
    await asker.asks(hears_of="request.nobody")
    again = await asker.hears("again.nobody")
    assert time.monotonic() - began > 23
    assert "requests" not in counts(hasty)
    await story.chooses(asker.member, asker.chat, again, "choice.look_again")
    await asker.hears("request.nobody")
    await asker.writes("stop")
    await asker.hears("request.withdrawn")
    assert "requests" not in counts(hasty)


async def _asks_while(asker: Person, instance: Instance) -> None:
    """The member writes all their answers without waiting for a word: nobody is there to say one."""
    for words in ("talk", "more", "1", "skip", "skip", "skip", "yes"):
        await asker.writes(words)


async def test_the_service_is_killed(calm: Instance, people: People) -> None:
    """What is written while the service is dead is answered when it is back, once, and leads to a pairing."""
    asker, peer = await people(calm, 2)
    await peer.offers()
    assert calm.pid is not None
    os.kill(calm.pid, signal.SIGKILL)
    await calm.wait_dead()
    await _asks_while(asker, calm)
    await calm.start()
    # The answers are taken; the last yes was written before what it agrees to was there to be read.
    await asker.hears("odd.too_soon")
    assert "requests" not in counts(calm)
    await asker.writes("yes")
    await asker.hears("request.asking")
    assert counts(calm)["requests"] == 1
    await peer.goes_on()
    await asker.hears("consent.intro")
    os.kill(calm.pid, signal.SIGKILL)
    await calm.wait_dead()
    await asker.writes("yes")
    await calm.start()
    assert await asker.joins() == await peer.joins()
    await calm.ready()
    said = [one.body for one in asker.heard()]
    opened = [body for body in said if story.sentence("room.opened").search(body)]
    assert len(opened) == 1
    assert len([body for body in said if story.sentence("consent.opening").search(body)]) <= 1


async def test_the_homeserver_goes_down(calm: Instance, people: People) -> None:
    """While the homeserver is down the request stands, and it goes on when that is back."""
    asker, peer = await people(calm, 2)
    await peer.offers()
    await asker.asks()
    asked = await story.is_asked(peer.member, peer.chat)
    await calm.homeserver.stop()
    assert counts(calm)["requests"] == 1
    assert calm.running
    await calm.homeserver.start()
    await calm.ready()
    shown = await story.says_yes(peer.member, peer.chat, asked)
    await story.goes_on(peer.member, peer.chat, shown)
    await asker.agrees()
    room = await asker.joins()
    assert await peer.joins() == room
    await story.talk_to_each_other(room, asker.member, peer.member)


async def test_no_person_is_matched_twice(calm: Instance, people: People) -> None:
    """Of two who would go on one is chosen, and the other hears by the hour they were told, not before."""
    asker, first, second = await people(calm, 3)
    await first.offers()
    await second.offers()
    await asker.asks()
    await first.goes_on()
    held = await story.is_asked(second.member, second.chat)
    await story.chooses(second.member, second.chat, held, "choice.ask_yes")
    promised = await second.hears("ask.held")
    _has_a_time(promised)
    await asker.agrees()
    room = await asker.joins()
    assert await first.joins() == room
    # A room that ends before the service has seen both come in is closed unread, in other words.
    await story.both_can_write(room, asker.member, first.member)
    since = len(second.heard())
    await asker.writes("close")
    await first.hears("room.closed")
    assert len(second.heard()) == since
    assert [one for one in second.member._invites if not one.direct] == []


async def test_one_request_at_a_time(calm: Instance, people: People) -> None:
    """Who has asked already is told how it stands; a second request is not made."""
    asker, peer = await people(calm, 2)
    await peer.offers()
    await asker.asks()
    await asker.writes("talk")
    told = await asker.hears("talk.already")
    assert "status" in told.body
    await asker.writes("status")
    _has_a_time(await asker.hears("status.looking"))
    assert counts(calm)["requests"] == 1
    await peer.goes_on()
    await asker.agrees()
    assert await asker.joins() == await peer.joins()
    await asker.writes("status")
    await asker.hears("status.room")


async def test_somebody_who_blocks_invitations_hears_how_to_come_in(calm: Instance, people: People) -> None:
    """The room opens all the same, and the other is told nothing of it."""
    asker, peer = await people(calm, 2)
    login = await calm.homeserver.login(peer.name, peer.member.password)
    place = f"/_matrix/client/v3/user/{peer.id}/account_data/m.invite_permission_config"
    await calm.homeserver.call("PUT", place, token=login.access_token, body={"default_action": "block"})
    await calm.homeserver.call("POST", "/_matrix/client/v3/logout", token=login.access_token, body={})
    await peer.offers()
    await asker.asks()
    await peer.goes_on()
    await asker.agrees()
    told = await peer.hears("room.opened_blocked")
    assert calm.keeper_user in told.body
    _has_a_time(told)
    await asker.joins()
    assert not [one for one in asker.heard() if "block" in one.body]
    await asker.writes("close")
    await peer.hears("room.closed_unread")
