"""Two stewards, each with another SDK: they look after the service, and read a concern together."""

import pytest

from service.config import Toml
from tests.journeys.fixtures import Place
from tests.journeys.stage import Person, comes
from tests.live import story
from tests.live.instance import Instance
from tests.live.member import Member

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


async def _are_told_of_a_concern(ana: Person, sam: Person, tess: Person) -> None:
    """Two read it together, and do not learn who wrote it; one answers, and the one who wrote it hears it."""
    await ana.writes("concern")
    await story.chooses(ana.member, ana.chat, await ana.hears("concern.about"), "choice.concern_service")
    readers = await ana.hears("concern.readers")
    numbers = [
        story.number_of(readers.body, f"{who}, {one.id}") for who, one in (("Sam", sam), ("Tess", tess))
    ]
    await ana.writes(" ".join(numbers))
    await ana.hears("concern.words")
    await ana.writes("It asked me three times in one night.")
    await story.chooses(ana.member, ana.chat, await ana.hears("concern.recap"), "choice.concern_yes")
    for reader in (tess, sam):
        shown = await reader.member.expect(reader.chat, contains="chose you to read it")
        await reader.writes(story.number_of(shown.body, "Read it now"))
        opened = await reader.member.expect(reader.chat, contains="three times in one night")
        assert ana.id not in shown.body + opened.body
    await sam.writes(story.number_of(sam.heard()[-1].body, "Answer them"))
    await sam.member.expect(sam.chat, contains="What would you like to tell")
    await sam.writes("Thank you. We look at it tonight.")
    said = await sam.member.expect(sam.chat, contains="I would tell them")
    await sam.writes(story.number_of(said.body, "Yes, send it"))
    answered = await ana.member.expect(ana.chat, contains="We look at it tonight.")
    assert sam.id not in answered.body


_OLD_PLACE: dict[str, str] = {
    "name": "Night line",
    "contact": "chat: night.example",
    "hours": "every day",
    "languages": "English",
    "may_send_police": "not known",
    "checked_on": "2026-01-01",
}


async def _make_sure_of_the_place(sam: Person, tess: Person) -> None:
    """Whoever came first was told that nobody has checked it lately; the other looks, and both read it."""
    asked = await tess.says("steward.command_places", "steward.entry_old")
    assert "2026" in asked.body
    await tess.writes("checked 1")
    await tess.answers("steward.checked_recap", "steward.choice_yes")
    for steward in (sam, tess):
        await steward.hears("steward.checked")


async def _pause_and_go_on(ana: Person, sam: Person, tess: Person) -> None:
    """One begins it and the other's yes is not hers; members read the words, and the other ends it."""
    await tess.says("steward.command_pause", "steward.pause_words")
    await tess.writes("We rest until Monday.")
    await tess.hears("steward.pause_recap")
    await sam.writes("yes")
    await tess.writes("yes")
    for steward in (sam, tess):
        await steward.hears("steward.paused")
    await ana.asks(hears_of="pause.request")
    told = await ana.says("command.status", "pause.line")
    assert "We rest until Monday." in told.body
    await sam.says("steward.command_resume", "steward.resume_recap")
    await sam.writes("yes")
    for steward in (sam, tess):
        await steward.hears("steward.resumed")
    await ana.hears("request.nobody")
    await ana.says("command.stop", "request.withdrawn")


async def test_two_stewards_look_after_it_until_one_is_named_no_more(place: Place) -> None:
    """Invited at the start, greeted, given a concern, told of one another's pause; one removed at the end."""
    homeserver = place.homeserver
    sam = await Member.start(homeserver, kind="js")
    tess = await Member.start(homeserver, kind="nio")
    directory = place.directories.mktemp("stewards")
    settings: dict[str, Toml] = {
        "community.stewards": [sam.user_id, tess.user_id],
        "community.places": [_OLD_PLACE],
    }
    async with await Instance.make(homeserver, directory, settings=settings, forked=True) as instance:
        with instance.configuration.open("a") as configuration:
            for name, reader in (("Sam", sam), ("Tess", tess)):
                configuration.write(f"\n[[community.readers]]\nuser = '{reader.user_id}'\nname = '{name}'\n")
        await instance.start()
        await instance.ready()
        room = ""
        for steward in (sam, tess):
            room = (await steward.invited()).room
            await steward.join(room)
            greeted = await steward.expect(room, contains="This room is for its stewards")
            assert greeted.encrypted
            assert greeted.shield is None
            told = story.sentence("steward.unchecked").search(greeted.body)
            assert (told is not None) == (steward is sam), "what is old is said once"
        await _make_sure_of_the_place(Person(sam, room), Person(tess, room))
        await sam.say(room, "status")
        for steward in (sam, tess):
            await steward.expect(room, contains="Stewards in this room: 2 of 2.")
        ana = await comes(await Member.start(homeserver, kind="nio"), instance)
        await _are_told_of_a_concern(ana, await comes(sam, instance), await comes(tess, instance))
        await _pause_and_go_on(ana, Person(sam, room), Person(tess, room))
        instance.configure({"community.stewards": [tess.user_id]})
        await instance.restart()
        await sam.sees_membership(room, sam.user_id, "leave")
        await tess.say(room, "status")
        await tess.expect(room, contains="Stewards in this room: 1 of 1.")
    for member in (sam, tess, ana.member):
        await member.close()
