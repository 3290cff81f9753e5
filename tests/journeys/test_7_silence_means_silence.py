"""Promise 7: silence means silence. A check-in that nobody answers does nothing, and is replaced by the next.

Two members set up check-ins at the next minutes of the clock, which is set ahead to each, and let the first
pass. One has the JavaScript SDK. Nobody else hears anything of it; what was not answered is taken back when
the next one comes, and one answer leads straight on to company.
"""

import asyncio
from datetime import datetime, timedelta

import pytest

from tests.journeys.fixtures import CALM, People, Place
from tests.journeys.stage import Person, counts, rows
from tests.live import story
from tests.live.homeserver import JsonObject
from tests.live.instance import Instance
from tests.live.member import Message
from tests.live.moved import Moved
from tests.live.story import words_of

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

_AHEAD = timedelta(seconds=35)
"""Long enough to set two of them up on a busy machine, by a clock that goes slowly."""
_LATE = 20.0
"""Seconds of that clock that a check-in may come after its minute, on a busy machine."""


async def _sets_up(person: Person, hours: list[datetime]) -> None:
    """Have the usual question asked once at each of these hours of today, by the community's clock."""
    for number, hour in enumerate(hours):
        await person.writes(f"check in today {hour:%H:%M}")
        if not number:
            await person.hears("zone.question")
            # Its clock is UTC's all year.
            await person.writes("Reykjavik")
        recap = await person.hears("checkin.recap")
        await story.chooses(person.member, person.chat, recap, "choice.checkin_yes")
        await person.hears("checkin.begun_once")


def _next_minutes(clock: Moved) -> list[datetime]:
    """The first two whole minutes that leave time to set them up, both of today."""
    first = (clock.now() + _AHEAD).replace(second=0, microsecond=0) + timedelta(minutes=1)
    hours = [first, first + timedelta(minutes=1)]
    if hours[1].date() == clock.now().date():
        return hours
    clock.move_to(hours[1])
    return _next_minutes(clock)


def _came_at(said: Message, hour: datetime) -> None:
    late = said.timestamp / 1000 - hour.timestamp()
    assert 0 <= late < _LATE, f"it came {late} s after its hour"


@pytest.mark.timeout(600)
async def test_one_that_is_not_answered_is_replaced_and_nobody_hears_of_it(
    weeks: Place, people: People
) -> None:
    """At its hour, once, to its member alone; the next takes it back; any answer ends it, company at once."""
    async with weeks.service("silence", CALM) as instance:
        await _is_replaced(instance, weeks.clock, people)


async def _is_replaced(instance: Instance, clock: Moved, people: People) -> None:
    (ana, peer), (ben,) = await asyncio.gather(people(instance, 2), people(instance, 1, kind="js"))
    hours = _next_minutes(clock)
    await asyncio.gather(_sets_up(ana, hours), _sets_up(ben, hours), peer.offers())
    heard_by_peer = len(peer.heard())
    clock.move_to(hours[0])
    first = await asyncio.gather(ana.hears("checkin.question"), ben.hears("checkin.question"))
    for said in first:
        _came_at(said, hours[0])
        assert said.msgtype == "m.text"
    lying = rows(instance, ("check_ins",))["check_ins"]
    assert len(lying) >= 4
    assert all("going" not in str(row) for row in lying)
    clock.move_to(hours[1])
    second = await asyncio.gather(ana.hears("checkin.question"), ben.hears("checkin.question"))
    for person, before, now in zip((ana, ben), first, second, strict=True):
        _came_at(now, hours[1])
        assert now.body == before.body
        assert now.event_id != before.event_id
        await person.member.sees_redaction(person.chat, before.event_id)
    assert len(peer.heard()) == heard_by_peer
    # A voice message is an answer; so is the number that leads straight on to company.
    voice: JsonObject = {"msgtype": "m.audio", "body": "voice.ogg", "url": "mxc://none/none", "info": {}}
    await ana.member.send_event(ana.chat, "m.room.message", voice)
    await ana.hears("checkin.anything")
    await story.chooses(ben.member, ben.chat, second[1], "choice.checkin_company")
    recap = await ben.hears("talk.recap")
    await story.chooses(ben.member, ben.chat, recap, "choice.recap_yes")
    asked = await story.is_asked(peer.member, peer.chat)
    assert words_of("checkin.question") not in asked.body
    questions = [one for person in (ana, ben) for one in person.heard() if one.body == first[0].body]
    assert len(questions) == 4
    assert counts(instance).get("check_ins", 0) <= 2
