"""Weeks of check-ins with clients of two makes, and all that can be done with them; some in Spanish.

One member is on the JavaScript SDK and names the other, who is on nio, as a buddy. Days pass while the
service rests (tests/journeys/later.py); an hour that comes by the clock is played by the journey of promise
7, and what a buddy is told of a silence by the buddy's.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.interop.test_community import NIGHT_LINE
from tests.journeys import later
from tests.journeys.fixtures import CALM, People, Place
from tests.journeys.stage import Person, clean, counts
from tests.live import story
from tests.live.instance import Instance
from tests.live.member import Message

pytestmark = [pytest.mark.live, pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]

_QUESTION = "Did you sleep?"
_OWN_PLAN = "Open the window. It passed the last time."
_FOR_BUDDY = "Please ring me."


async def _says(person: Person, *turns: tuple[str, str]) -> Message:
    """Write one after another, and hear what answers each, by its key; returns the last."""
    heard = []
    for words, key in turns:
        await person.writes(words)
        heard.append(await person.hears(key))
    return heard[-1]


async def _chooses(person: Person, said: Message, choice: str, key: str) -> Message:
    """Choose by number, and hear what answers it."""
    await person.chooses(said, choice)
    return await person.hears(key)


async def _come(instance: Instance, *people: Person, late: timedelta = timedelta()) -> list[Message]:
    """A day passes and the hour comes, `late` ago; what each of these is asked."""
    await later.passes(instance, later.comes(late))
    return [await _is_asked(person) for person in people]


async def _is_asked(person: Person) -> Message:
    fine = f"\n1. {story.words_of('choice.checkin_fine', person.language)}\n"
    return await person.member.expect(person.chat, where=lambda said: fine in said.body)


async def _set_up_by_numbers(person: Person) -> None:
    """Mondays and Thursdays at noon, by the clock of a city that is asked for first."""
    await person.says("command.menu", "menu.menu")
    await _chooses(person, person.heard()[-1], "choice.checkins", "zone.question")
    when = await _says(person, ("Lagos", "checkin.when"))
    await _chooses(person, when, "choice.every_week", "checkin.which_days")
    recap = await _says(person, ("1 4", "checkin.which_hour"), ("2", "checkin.recap"))
    assert "every Monday and Thursday at 12:00" in recap.body
    assert recap.body.count(" Lagos (in ") == 3
    await _chooses(person, recap, "choice.checkin_yes", "checkin.begun")


async def _set_up_in_words(person: Person) -> None:
    """The city is asked for before the hour is read; what cannot be read gets examples."""
    await _says(person, ("check in weekdays at 9", "zone.question"))
    recap = await _says(person, ("sao paulo", "checkin.recap"))
    assert "Monday to Friday at 09:00" in recap.body
    await _chooses(person, recap, "choice.checkin_yes", "checkin.begun")
    examples = await _says(person, ("check in when the moon is full", "checkin.when"))
    assert "every friday 17:00" in examples.body
    await _says(person, ("every 2 days 21:00", "checkin.recap"), ("no", "talk.dropped"))


async def _is_changed(person: Person) -> None:
    """It asks something else, every day at another hour."""
    one = await _says(person, ("my check-ins", "checkin.asks_now"))
    change = await _chooses(person, one, "choice.checkin_change", "talk.change")
    await _chooses(person, change, "choice.checkin_question", "checkin.which_question")
    recap = await _says(person, (_QUESTION, "checkin.recap"))
    change = await _chooses(person, recap, "choice.recap_change", "talk.change")
    await _chooses(person, change, "choice.checkin_when", "checkin.when")
    recap = await _says(person, ("every day 7:30", "checkin.recap"))
    assert _QUESTION in recap.body
    await _chooses(person, recap, "choice.checkin_change_yes", "checkin.changed")


async def _is_paused(instance: Instance, person: Person) -> None:
    """Nothing comes in a week of a pause; a pause of a week says its day; it goes on at a word."""
    pause = await _says(person, ("pause check-ins", "checkin.pause"))
    await _chooses(person, pause, "choice.pause_until_said", "checkin.paused")
    heard = len(person.heard())
    await later.passes(instance, later.week_of_a_pause)
    await _says(person, ("status", "status.checkin"))
    assert len(person.heard()) == heard + 1
    await _says(person, ("resume check-ins", "status.checkin"))
    pause = await _says(person, ("pause check-ins", "checkin.pause"))
    await _chooses(person, pause, "choice.pause_week", "checkin.paused_until")
    await _says(person, ("resume check-ins", "status.checkin"), ("skip next", "checkin.skips"))


async def _keeps_a_plan(person: Person) -> None:
    await _says(person, ("my plan", "ownplan.words"), (_OWN_PLAN, "ownplan.recap"))
    beside = await _says(person, ("yes", "ownplan.check_ins"))
    await _chooses(person, beside, "choice.own_plan_offer", "ownplan.at_check_ins")


async def _deletes_the_plan(person: Person) -> None:
    change = await _says(person, ("plan", "ownplan.shown"), ("change", "ownplan.change"))
    delete = await _chooses(person, change, "choice.own_plan_delete", "ownplan.delete")
    await _chooses(person, delete, "choice.own_plan_delete_yes", "ownplan.deleted")


async def _is_deleted(person: Person) -> None:
    one = await person.says("command.checkins", "checkin.asks_now")
    sure = await _chooses(person, one, "choice.checkin_end", "checkin.end")
    await _chooses(person, sure, "choice.checkin_erase", "checkin.ended")


async def _set_up_in_spanish(person: Person) -> Person:
    """From now on in Spanish: the hour that was not said is asked for; returns who reads it."""
    spoken = replace(person, language="es")
    await _says(spoken, ("español", "language.chosen"), ("saludo todas las mañanas", "checkin.without_hour"))
    recap = await _says(spoken, ("a las 9", "checkin.recap"))
    assert "todos los días a las 9:00" in recap.body
    await _chooses(spoken, recap, "choice.checkin_yes", "checkin.begun")
    return spoken


async def _asks_for_a_buddy(person: Person, other: Person) -> Message:
    """Ask the other to be told at the person's own word alone; what the other is asked."""
    await _says(person, ("my buddy", "buddy.address"), (other.id, "buddy.words"))
    after = await _says(
        person, (_FOR_BUDDY, "buddy.would_like"), ("1", "buddy.would_not_like"), ("1 2", "buddy.after")
    )
    recap = await _chooses(person, after, "choice.buddy_only_said", "buddy.recap")
    await _chooses(person, recap, "choice.buddy_ask", "buddy.asked")
    return await other.hears("bebuddy.asked")


async def _has_a_buddy(person: Person, other: Person) -> None:
    shown = await _chooses(
        other, await _asks_for_a_buddy(person, other), "choice.bebuddy_read", "bebuddy.terms"
    )
    assert _FOR_BUDDY in shown.body
    await _chooses(other, shown, "choice.bebuddy_yes", "bebuddy.agreed")
    await person.hears("buddy.agreed")


async def test_weeks_of_check_ins(place: Place, people: People) -> None:
    """Set up, answered in each way, moved, paused, late, travelled with, deleted; a buddy in each end."""
    settings = {"community.places": [NIGHT_LINE]}
    async with place.service("check-ins", CALM, settings=settings) as instance:
        (ana,) = await people(instance, 1, kind="js")
        (ben,) = await people(instance, 1)
        await _set_up_by_numbers(ana)
        await _set_up_in_words(ben)
        # Places, and company, are one number away.
        for_ana, for_ben = await _come(instance, ana, ben)
        listed = await _chooses(ana, for_ana, "choice.places", "places.intro")
        assert NIGHT_LINE["name"] in listed.body
        recap = await _chooses(ben, for_ben, "choice.checkin_company", "talk.recap")
        await _chooses(ben, recap, "choice.recap_yes", "request.nobody")
        await ben.says("command.stop", "request.withdrawn")
        await _is_deleted(ben)
        await _is_changed(ana)
        await _is_paused(instance, ana)
        await _keeps_a_plan(ana)
        # The clock of another city: the hour on the wall is the same.
        moved = await _says(ana, ("my zone is Lisbon", "zone.checkins"))
        assert "07:30 Lisbon" in moved.body
        # After an outage it says for when it was meant; one that nobody answers goes when the next comes.
        (late,) = await _come(instance, ana, late=timedelta(days=2, hours=2))
        assert story.sentence("checkin.meant").search(late.body)
        assert _QUESTION in late.body
        spanish = await _set_up_in_spanish(ben)
        asked, for_ben = await _come(instance, ana, spanish)
        assert not story.sentence("checkin.meant").search(asked.body)
        await ana.member.sees_redaction(ana.chat, late.event_id)
        await _chooses(spanish, for_ben, "choice.checkin_fine", "checkin.fine")
        await _is_deleted(spanish)
        await _says(ben, ("english", "language.chosen"))
        shown = await _chooses(ana, asked, "choice.own_plan", "ownplan.shown")
        assert _OWN_PLAN in shown.body
        await _deletes_the_plan(ana)
        # A buddy, told at one word from a check-in, who ends it then: that is heard, and no reason.
        await _has_a_buddy(ana, ben)
        (asked,) = await _come(instance, ana)
        own = await _chooses(ana, asked, "choice.tell_buddy", "telling.recap")
        await _chooses(ana, own, "choice.telling_yes", "telling.went")
        told = await ben.hears("buddy.message")
        assert told.body in own.body
        await _says(ben, ("end buddy", "bebuddy.left"))
        await ana.hears("buddy.gone")
        # A no is not heard: a week later there was no yes.
        await _chooses(ben, await _asks_for_a_buddy(ana, ben), "choice.bebuddy_no", "bebuddy.said_no")
        heard = len(ana.heard())
        await later.passes(instance, buddy=later.hour_of_buddy)
        await ana.hears("buddy.lapsed")
        assert len(ana.heard()) == heard + 1
        # The member ends it, and would have it said.
        await _has_a_buddy(ana, ben)
        ended = await _says(ana, ("end buddy", "buddy.ended"))
        await _chooses(ana, ended, "choice.buddy_say", "buddy.said")
        await ben.hears("bebuddy.ended")
        await _is_deleted(ana)
        assert not {"check_ins", "own_plans", "buddies"} & counts(instance).keys()
        clean(ana, ben)
        await instance.stop()
