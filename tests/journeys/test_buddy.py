"""A buddy, on a real homeserver: what reaches whom, before what, and what an outage and a crash leave.

The member has the JavaScript SDK, the buddy is on nio.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from schema.records import Buddy
from service import config
from service.core import buddies
from service.core.reading import Reading, to_text
from service.matrix.sync import READ
from service.store import Store
from tests.journeys.fixtures import CALM, People, Place
from tests.journeys.stage import Person, at_rest, counts
from tests.live import story
from tests.live.canaries import canary
from tests.live.instance import Instance
from tests.live.member import Message
from tests.live.postgres import Postgres

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

DAY = timedelta(days=1)
_READ_FOR = timedelta(days=30)


@asynccontextmanager
async def _later(instance: Instance, *, read: bool = True, dies_at: str = "") -> AsyncIterator[list[Buddy]]:
    """The service is stopped, its buddies are moved in time, and it is started again.

    What is left in the list is kept. It has read all the while; else the stop counts as an outage of hours.
    At fail point `dies_at`, where there is one, it is killed, and started once more.
    """
    await instance.stop()
    settings = config.load(instance.configuration)
    store = await Store.open(settings.database_url(), settings.sealing_key())
    try:
        async with store.reading() as reading:
            found = list(await reading.find(Buddy))
        yield found
        now = datetime.now(UTC)
        last = now if read else now - timedelta(hours=3)
        async with store.transaction("later") as transaction:
            for one in found:
                await transaction.put(one)
            await transaction.write_instance(READ, to_text(Reading(now - _READ_FOR, last)))
    finally:
        await store.close()
    if dies_at:
        await instance.start({"ALONGSIDE_FAIL_AT": dies_at})
        assert await instance.wait_dead() == 137
    await instance.start()
    await instance.ready()


def _soon() -> datetime:
    """When the service is up again, and has read what there is."""
    return datetime.now(UTC) + timedelta(seconds=5)


def _silent(record: Buddy) -> Buddy:
    """Two check-ins had no answer, and half of the time is over since the last."""
    now = _soon()
    half = buddies.half(record)
    for at in (now - half - DAY, now - half):
        record, _ = buddies.advance(record, buddies.Put(now - _READ_FOR), at)
    assert record.due_at is not None
    return record


async def _is_silent(instance: Instance) -> None:
    async with _later(instance) as found:
        found[:] = [_silent(one) for one in found]


def _said_since(person: Person, before: Message) -> list[str]:
    return [one.body for one in person.heard() if one.timestamp > before.timestamp]


async def _names(person: Person, other: Person, words: str) -> Message:
    """Name somebody, to be told after two check-ins and six hours; returns the recap."""
    await person.writes("my buddy")
    recap = await person.hears("buddy.address")
    for answer, asked in (
        (other.id, "buddy.words"),
        (words, "buddy.would_like"),
        ("1", "buddy.would_not_like"),
        ("1 2", "buddy.after"),
        ("2", "buddy.hours"),
        ("1", "buddy.recap"),
    ):
        await person.writes(answer)
        recap = await person.hears(asked)
    await story.chooses(person.member, person.chat, recap, "choice.buddy_ask")
    await person.hears("buddy.asked")
    return recap


async def test_a_buddy_is_told_exactly_the_words_after_the_member_was(
    place: Place, ground: Postgres | None, people: People
) -> None:
    """Named, asked; told at the member's word and after a silence; stopped; a crash; an outage; the end."""
    words = canary("words")
    async with place.service("buddy", CALM) as instance:
        (ana,) = await people(instance, 1, kind="js")
        (ben,) = await people(instance, 1)
        recap = await _names(ana, ben, words)
        asked = await ben.hears("bebuddy.asked")
        assert words not in asked.body
        assert ana.id in asked.body
        await story.chooses(ben.member, ben.chat, asked, "choice.bebuddy_read")
        shown = await ben.hears("bebuddy.terms")
        await story.chooses(ben.member, ben.chat, shown, "choice.bebuddy_yes")
        await ben.hears("bebuddy.agreed")
        await ana.hears("buddy.agreed")

        # At the member's own word.
        await ana.writes("tell my buddy")
        own = await ana.hears("telling.recap")
        await story.chooses(ana.member, ana.chat, own, "choice.telling_yes")
        told = await ben.hears("buddy.message")
        went = await ana.hears("telling.went")
        assert words in told.body
        assert all(told.body in one.body for one in (recap, shown, own))

        # A silence, and the one word that stops it.
        await _is_silent(instance)
        warning = await ana.hears("telling.warn")
        await ana.writes("here")
        await ana.hears("telling.cancelled")

        # A silence, a crash after the warning, one between the order to send the words and their sending.
        await _is_silent(instance)
        warning = await ana.hears("telling.warn")
        await instance.kill()
        await instance.start()
        await instance.ready()
        async with _later(instance, dies_at="after commit turn due buddies#1") as found:
            found[:] = [replace(one, due_at=_soon()) for one in found]
        again = await ben.hears("buddy.message")
        assert again.body == told.body
        last = await ana.hears("telling.went")
        assert warning.timestamp < again.timestamp <= last.timestamp
        assert [one.body for one in ben.heard()].count(told.body) == 2
        await ana.writes("hello")
        await ana.hears("telling.back")

        # A silence, and an outage after the warning: nothing goes.
        await _is_silent(instance)
        warning = await ana.hears("telling.warn")
        async with _later(instance, read=False) as found:
            found[:] = [replace(one, due_at=_soon()) for one in found]
        await ana.hears("telling.again")
        assert not _said_since(ben, again)

        # Its end, which the buddy is not told and cannot see.
        await ben.writes("my buddies")
        before = await ben.hears("bebuddy.stands")
        await ana.writes("end buddy")
        ended = await ana.hears("buddy.ended")
        await story.chooses(ana.member, ana.chat, ended, "choice.buddy_unsaid")
        said = await ana.hears("buddy.not_said")
        await ben.writes("my buddies")
        after = await ben.hears("bebuddy.stands")
        assert after.body == before.body
        await ben.writes("end buddy")
        await ben.hears("bebuddy.left")
        assert not counts(instance).get("buddies")
        assert not _said_since(ana, said)
        assert went.timestamp < said.timestamp

        # What is taken back before an answer goes from the screen of whoever was asked.
        await _names(ana, ben, words)
        asked = await ben.hears("bebuddy.asked")
        await ana.writes("end buddy")
        await ana.hears("buddy.withdrawn")
        await ben.member.sees_redaction(ben.chat, asked.event_id)
        await instance.stop()
        assert not await at_rest(instance, ground, [words])
