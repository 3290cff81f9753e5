"""Days and weeks with clients of two makes: what comes at its hour, and what lapses.

The clock of the service and of its homeserver is set ahead to each hour, and goes slowly in between. Who asks
is on the JavaScript SDK, and most others are on nio.
"""

import asyncio
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from service.config import Toml
from tests.journeys.fixtures import People, Place
from tests.journeys.stage import Person, clean, two_vouch
from tests.live import story
from tests.live.member import Message
from tests.live.moved import Moved

pytestmark = [pytest.mark.live, pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]


_PATIENCE = 120.0
"""Seconds, by the machine's own clock."""


def _set(clock: Moved, hour: str) -> datetime:
    """Set the clock to when it shows `hour` next, in UTC; returns it."""
    hours, minutes = map(int, hour.split(":"))
    now = clock.now()
    then = now.replace(hour=hours, minute=minutes, second=0, microsecond=0)
    then += timedelta(days=1) if then <= now else timedelta()
    clock.move_to(then)
    return then


def _times(person: Person, *keys: str) -> int:
    """How often the person was told one of the sentences `keys`."""
    patterns = [story.sentence(key, person.language) for key in keys]
    return len([one for one in person.heard() if any(pattern.search(one.body) for pattern in patterns)])


def _not_before(said: Message, hour: datetime) -> None:
    """It was said when the clock showed that hour or more."""
    assert said.timestamp / 1000 >= hour.timestamp()


# Three days


async def _drafts_an_offer_at_any_time(person: Person, card: str, *, quiet: str, zone: bool) -> None:
    """At any time but for the quiet hours, up to the recap; the city is asked for once."""
    await person.writes(story.words_of("command.offer"))
    await person.answers("offer.length", "choice.offer_other")
    await person.answers("offer.when", "choice.offer_standing")
    if zone:
        await person.hears("zone.question")
        # Its clock is UTC's all year.
        await person.writes("Reykjavik")
    await person.hears("offer.quiet")
    await person.writes(quiet)
    await person.hears("offer.topics")
    await person.writes("skip")
    await person.hears("offer.card")
    await person.writes(card)
    await person.answers("offer.fear", "choice.fear_nobody")


async def _offers_by_day(ben: Person) -> None:
    """At any time but for the night, which is the usual, and never about grief."""
    await _drafts_an_offer_at_any_time(ben, "I walk a lot.", quiet="skip", zone=True)
    recap = await ben.answers("offer.recap", "choice.recap_change")
    assert "What you can do: anything." in recap.body
    await ben.answers("offer.change", "choice.change_not_for")
    asked = await ben.hears("offer.no_topics")
    await ben.writes(story.number_of(asked.body, "grief"))
    recap = await ben.answers("offer.recap", "choice.offer_yes")
    assert "Not for: grief." in recap.body
    assert story.sentence("offer.but_quiet").search(recap.body)
    await ben.hears("offer.begun_now")


async def _stops(person: Person) -> None:
    await person.says("command.stop", "request.withdrawn")


async def _is_asked_twice_a_day(clock: Moved, begun: datetime, ana: Person, ben: Person) -> None:
    """A third time comes a day after the first; about what he said no to he is never asked."""
    await ana.asks("talk listening grief", hears_of="request.nobody")
    await _stops(ana)
    for hour in ("18:20", "18:40"):
        await ana.asks("talk listening burnout")
        await ben.answers("ask.intro", "choice.ask_no")
        await ben.hears("ask.no")
        await _stops(ana)
        _set(clock, hour)
    await ana.asks("talk listening burnout", hears_of="request.nobody")
    assert _times(ben, "ask.intro") == 2
    # The request stands: its next hours come and go, and it is the next day.
    _set(clock, "18:15")
    await ana.hears("request.asking")
    asked = await ben.answers("ask.intro", "choice.ask_no")
    _not_before(asked, begun + timedelta(days=1))
    await ben.hears("ask.no")
    await _stops(ana)


async def _is_asked_nothing_at_night(clock: Moved, ana: Person, ben: Person) -> None:
    """What she asked in the evening reaches him when his night is over; then nobody has answered."""
    _set(clock, "22:30")
    await ana.asks("talk listening burnout", note="I can't sleep.", hears_of="request.nobody")
    _set(clock, "03:00")
    said = await ana.says("command.status", "status.looking")
    assert "03:" in said.body
    # A word can come before the hour is taken: only after it others would have been asked.
    async with asyncio.timeout(_PATIENCE):
        while not re.search(r"03:[1-5]\d", said.body):
            said = await ana.says("command.status", "status.looking")
    assert _times(ben, "ask.intro") == 3
    morning = _set(clock, "08:01") - timedelta(minutes=1)
    await ana.hears("request.asking")
    _not_before(await story.is_asked(ben.member, ben.chat), morning)
    _set(clock, "08:12")
    said = await ana.hears("request.no_answer")
    assert "08:2" in said.body


async def _two_and_two_more(clock: Moved, first: tuple[Person, Person], then: tuple[Person, Person]) -> None:
    """Those who named what it is about are asked first, ten minutes later the others."""
    for people, topic in ((first, "burnout"), (then, "grief")):
        for person in people:
            await story.offer_time(
                person.member, person.chat, topics=[topic], length="12 hours", card=f"I am {person.name}."
            )
    for people, others, hour in ((first, then, "08:23"), (then, (), "08:34")):
        _set(clock, hour)
        for person in people:
            await story.is_asked(person.member, person.chat)
        assert not any(_times(one, "ask.intro") for one in others)


async def _says_yes_at_once(person: Person, ana: Person) -> Message:
    """The note is theirs to read at once; they go on, and she is shown what they wrote of themselves."""
    # The question is the last that they heard.
    await person.writes("1")
    shown = await person.hears("note.terms")
    assert "I can't sleep." in shown.body
    await story.goes_on(person.member, person.chat, shown)
    return await story.is_offered(ana.member, ana.chat)


async def _says_yes_and_waits(clock: Moved, person: Person, ana: Person, hour: str) -> Message:
    """Somebody else may read the note until the next hour; then it is theirs."""
    await person.writes("1")
    await person.hears("ask.held")
    assert not _times(person, "note.terms")
    _set(clock, hour)
    shown = await person.hears("note.terms")
    await story.goes_on(person.member, person.chat, shown)
    return await story.is_offered(ana.member, ana.chat)


async def _four_and_no_more(clock: Moved, ana: Person, ben: Person, others: Iterable[Person]) -> None:
    """Four people's words in a day: whoever was asked first can still answer, and the fifth is not shown."""
    offered = await _says_yes_at_once(ben, ana)
    assert "I walk a lot." in offered.body
    await ana.chooses(offered, "choice.consent_no")
    await ana.hears("request.someone_else")
    cleo, dan, eli, fay = others
    for person, hour in ((cleo, "08:45"), (dan, "08:56"), (eli, "09:07")):
        offered = await _says_yes_and_waits(clock, person, ana, hour)
        assert f"I am {person.name}." in offered.body
        last = person is eli
        assert bool(story.sentence("consent.last").search(offered.body)) == last
        await ana.chooses(offered, "choice.consent_no")
        await ana.hears("request.tomorrow" if last else "request.someone_else")
    await fay.writes("1")
    await fay.hears("ask.held")
    _set(clock, "09:15")
    # Whoever was not chosen, and whoever was never shown, hear the same at the hour that they were told.
    assert not any(_times(one, "pairing.not_this_time") for one in (ben, cleo, dan, eli, fay))
    _set(clock, "11:20")
    heard = [await one.hears("pairing.not_this_time") for one in (ben, cleo, dan, eli, fay)]
    assert len({one.body for one in heard}) == 1
    assert {one.msgtype for one in heard} == {"m.notice"}
    assert not _times(fay, "note.terms")


async def test_three_days(weeks: Place, people: People) -> None:
    """Twice a day, not at night, nothing of what one said no to; two, two more, and four people's words."""
    timings = {"prompt_pause": "0 seconds"}
    async with weeks.service("days", timings, settings={"community.asks_a_day": 2}) as instance:
        clock = weeks.clock
        begun = _set(clock, "18:00")
        (ana,) = await people(instance, 1, kind="js")
        ben, *others = await people(instance, 5)
        await _offers_by_day(ben)
        await _is_asked_twice_a_day(clock, begun, ana, ben)
        await _is_asked_nothing_at_night(clock, ana, ben)
        await _two_and_two_more(clock, (others[0], others[1]), (others[2], others[3]))
        await _four_and_no_more(clock, ana, ben, others)
        # Her request is over after its day, and with the same words somebody is found after a day more.
        _set(clock, "22:31")
        await ana.hears("again.nobody")
        _set(clock, "09:15")
        await ana.writes("1")
        await ana.hears("request.asking")
        await ben.goes_on()
        await ana.agrees()
        room = await ana.joins()
        assert await ben.joins() == room
        await story.talk_to_each_other(room, ana.member, ben.member)
        assert _times(ben, "ask.intro") == 5
        assert all(_times(one, "ask.intro") == 1 for one in others)
        clean(ana, ben, *others)
        await instance.stop()


# A year

_WRONG, _REASON = "No me dejó ir.", "We do not talk like that here."
_LETTERS = timedelta(days=3)


class _Year:
    """The days of a year, each from noon on."""

    def __init__(self, clock: Moved) -> None:
        self._clock = clock
        self._begun = _set(clock, "12:00")

    def day(self, number: int, *, minutes: int = 0) -> None:
        """It is that day, as many minutes after noon."""
        self._clock.move_to(self._begun + timedelta(days=number, minutes=minutes))


async def _asks_in_spanish(ana: Person, hears_of: str, line: str = "hablar escuchar") -> Message:
    """Ask by one line, and the yes to its recap, which it returns."""
    await ana.writes(line)
    recap = await ana.answers("talk.recap", "choice.recap_yes")
    await ana.hears(hears_of)
    return recap


async def _is_asked_and_has_no_time(ben: Person) -> None:
    await ben.answers("ask.intro", "choice.ask_no")
    await ben.hears("ask.no")


async def _asks_for_letters(ana: Person) -> None:
    """For three days, and how she talks: kept for the next time."""
    await ana.writes("hablar escuchar 3 días")
    await ana.answers("talk.recap", "choice.recap_change")
    await ana.answers("talk.change", "choice.change_how")
    await ana.answers("talk.how", "how.slow", "how.no_questions")
    await ana.answers("talk.keep_how", "choice.keep_how_yes")
    recap = await ana.answers("talk.recap", "choice.recap_yes")
    assert "despacio" in recap.body
    await ana.hears("request.asking")


async def _meet(ana: Person, ben: Person) -> str:
    """He was asked, both agree, and come in. Returns their room."""
    await ben.goes_on()
    await ana.answers("consent.intro", "choice.consent_yes")
    room = await ana.joins()
    assert await ben.joins() == room
    await story.both_can_write(room, ana.member, ben.member)
    return room


async def _write_letters(year: _Year, ana: Person, ben: Person) -> None:
    """A letter a day, ten minutes' warning, a day to read them, and then they are gone."""
    await _asks_for_letters(ana)
    room = await _meet(ana, ben)
    (opened,) = [one.body for one in ben.heard() if story.sentence("room.opened").search(one.body)]
    assert story.words_of("how.slow") in opened
    for day, letter in enumerate(("Querido desconocido:", "Hoy llovió.", "Mañana salgo.")):
        if day:
            year.day(day)
        await story.talk_to_each_other(room, ana.member, ben.member, [(letter, f"Letter {day}.")])
        assert not any(_times(one, "room.ends_soon") for one in (ana, ben))
    # It was opened a little after noon, and ends as long after the third noon.
    year.day(3, minutes=-8)
    for person in (ana, ben):
        await person.hears("room.ends_soon")
    year.day(3, minutes=30)
    for person in (ana, ben):
        await person.answers("room.closed_time", "choice.after_again")
        await person.answers("again.recap", "choice.again_yes")
        await person.hears("again.noted" if person is ana else "again.agreed")
    await ana.hears("again.agreed")
    year.day(4, minutes=40)
    for person in (ana, ben):
        await person.member.sees_membership(room, person.id, "leave")
    year.day(5, minutes=50)
    for person in (ana, ben):
        await person.hears("receipt.intro")


async def _has_only_him_asked(ana: Person, ben: Person) -> None:
    """With whom she agreed to talk again; how she talks stands there still. He has no time."""
    await ana.writes("hablar escuchar")
    recap = await ana.answers("talk.recap", "choice.recap_change")
    assert "despacio" in recap.body
    await ana.answers("talk.change", "choice.change_again")
    await ana.answers("talk.again", "choice.again_only")
    await ana.answers("talk.recap_again_only", "choice.recap_yes")
    await ana.hears("request.looking_again")
    await _is_asked_and_has_no_time(ben)


async def _takes_it_back_and_reads_what_is_held(ana: Person) -> None:
    """From the list of what she agreed to; then all of it as a file, in her language."""
    await ana.says("command.export", "export.sending")
    sent = await ana.member.expect(ana.chat, contains="what-i-hold.json")
    _, text = await ana.member.read_file(ana.chat, sent.event_id)
    assert json.loads(text)["held"][0]["matrix_id"] == ana.id
    for key in ("held.intro", "held.how", "held.request", "held.meeting_agreed"):
        assert story.sentence(key, "es").search(text), key
    assert "despacio" in text
    await ana.writes(story.words_of("command.consents", "es"))
    listed = await ana.answers("consents.intro", "choice.stop_request")
    assert story.words_of("choice.consents_again", "es") in listed.body
    await ana.answers("consents.request", "choice.take_back_yes")
    await ana.hears("request.withdrawn")


async def _is_asked_whether_it_holds(year: _Year, ana: Person, ben: Person) -> None:
    """Every four weeks: a yes, and then no answer, after which he is asked nothing until he says so."""
    year.day(28, minutes=30)
    await ben.answers("offer.renew", "choice.renew_yes")
    await ben.hears("offer.goes_on_now")
    year.day(56, minutes=50)
    await ben.hears("offer.renew")
    await _asks_in_spanish(ana, "request.nobody")
    await ana.says("command.stop", "request.withdrawn")
    rests = await ben.says("command.offer", "offer.standing")
    assert story.sentence("offer.rests").search(rests.body)
    await ben.chooses(rests, "choice.offer_on")
    await ben.hears("offer.goes_on_now")


async def _again_is_over(year: _Year, ana: Person, ben: Person) -> None:
    """It lapses while she asks for him alone: the words can be for anybody, and it is no choice again."""
    year.day(72, minutes=20)
    await _has_only_him_asked(ana, ben)
    year.day(73, minutes=15)
    await ana.answers("again.no_one", "choice.change_first")
    await ana.answers("talk.recap_again_only", "choice.recap_change")
    await ana.answers("talk.change", "choice.change_again")
    await ana.answers("talk.again", "choice.again_anyone")
    recap = await ana.answers("talk.recap", "choice.recap_change")
    assert not story.sentence("talk.recap_again_only", "es").search(recap.body)
    said = await ana.hears("talk.change")
    assert story.words_of("choice.change_again", "es") not in said.body
    await ana.says("command.stop", "talk.dropped")


async def _three_may_read(
    ana: Person, readers: tuple[Person, Person, Person], must_report: Person
) -> tuple[Person, Person]:
    """She lets three read what was wrong: two do, one of them gives it back, and the third takes it up.

    Returns those who read it in the end.
    """
    await ana.writes(story.words_of("command.close", "es"))
    closed = await ana.hears("room.closed")
    await ana.chooses(closed, "choice.after_wrong")
    listed = await ana.hears("concern.readers")
    marks = re.findall(story.sentence("concern.reader_must_report", "es").pattern, listed.body)
    assert len(marks) == 1
    assert must_report.id in marks[0]
    await ana.writes("1 2 3")
    await ana.hears("concern.words")
    await ana.writes(_WRONG)
    recap = await ana.answers("concern.recap", "choice.concern_yes")
    for key in ("concern.read_together", "concern.read_instead", "concern.must_report"):
        assert story.sentence(key, "es").search(recap.body), key
    await ana.hears("concern.given")
    invited = {asyncio.create_task(one.hears("reads.invited")): one for one in readers}
    waiting = set(invited)
    while len(waiting) > 1:
        _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    (third,) = waiting
    first, second = (task for task in invited if task is not third)
    await invited[first].chooses(first.result(), "choice.reads_give_back")
    await invited[first].hears("reads.given_back")
    await ana.hears("concern.replaced")
    await invited[second].hears("reads.with")
    for task in (second, third):
        await invited[task].chooses(await task, "choice.reads_open")
        assert _WRONG in (await invited[task].hears("reads.words")).body
    return invited[second], invited[third]


async def _is_paused_for_a_week(
    year: _Year, ana: Person, ben: Person, readers: tuple[Person, Person]
) -> None:
    """Both who read it agree, and it ends by itself."""
    first, second = readers
    await first.writes("pause")
    await first.hears("pauses.length")
    await first.writes("1")
    await first.hears("pauses.reason")
    await first.writes(_REASON)
    await first.answers("pauses.recap", "choice.weighs_yes")
    await second.hears("weighs.question")
    await second.writes("yes")
    await second.hears("pauses.begun")
    await ana.hears("concern.paused")
    assert _REASON in (await ben.hears("paused.told")).body
    year.day(75, minutes=10)
    await _asks_in_spanish(ana, "request.nobody")
    await ana.says("command.stop", "request.withdrawn")
    year.day(82)
    await ben.hears("paused.over")
    await _asks_in_spanish(ana, "request.asking")
    await _is_asked_and_has_no_time(ben)
    await ana.says("command.stop", "request.withdrawn")


async def _never_again_and_after_all(year: _Year, ana: Person, ben: Person) -> None:
    """A list with a number and a date, and no name; what stands in it can be ended."""
    year.day(83)
    await ana.writes(story.words_of("command.never_again", "es"))
    await ana.answers("never.recap", "choice.apart_yes")
    await ana.hears("never.done")
    await _asks_in_spanish(ana, "request.nobody")
    listed = await ana.says("command.kept_apart", "apart.list")
    assert story.number_of(listed.body, story.words_of("choice.apart_leave", "es")) == "2"
    assert ben.id not in listed.body
    await ana.writes("1")
    await ana.answers("apart.end", "choice.apart_end")
    await ana.hears("apart.ended")
    year.day(83, minutes=30)
    await ana.hears("request.asking")
    await _is_asked_and_has_no_time(ben)
    await ana.says("command.stop", "request.withdrawn")


@pytest.mark.long
@pytest.mark.timeout(3000)
async def test_a_year(weeks: Place, people: People) -> None:
    """Letters over days, again and never again, whether an offer holds, a concern of three, and what lapses.

    Who asks is spoken to in Spanish. Of the three who may read a concern one must report some things.
    """
    names = [f"{name}-{secrets.token_hex(3)}" for name in ("rosa", "sol", "tui")]
    readers: list[dict[str, str | bool]] = [
        {"user": f"@{name}:{weeks.homeserver.name}", "name": name, "must_report": name == names[0]}
        for name in names
    ]
    settings: dict[str, Toml] = {"community.vouchers": True, "community.readers": readers}
    timings = {"prompt_pause": "0 seconds", "again": "70 days"}
    async with weeks.service("year", timings, settings=settings) as instance:
        year = _Year(weeks.clock)
        (ana,) = await people(instance, 1, kind="js")
        (sol,) = await people(instance, [names[1]], kind="js")
        ben, rosa, tui = await people(instance, [f"ben-{secrets.token_hex(3)}", names[0], names[2]])
        await two_vouch(ben, sol, tui)
        await _drafts_an_offer_at_any_time(ben, "I walk a lot.", quiet="2", zone=True)
        await ben.answers("offer.recap", "choice.offer_yes")
        await ben.hears("offer.begun_now")
        ana = replace(ana, language="es")
        await ana.writes("español")
        await ana.hears("language.chosen")
        await _write_letters(year, ana, ben)
        year.day(14)
        await _has_only_him_asked(ana, ben)
        await _takes_it_back_and_reads_what_is_held(ana)
        await _is_asked_whether_it_holds(year, ana, ben)
        await _again_is_over(year, ana, ben)
        year.day(74)
        await _asks_in_spanish(ana, "request.asking")
        room = await _meet(ana, ben)
        await story.talk_to_each_other(room, ana.member, ben.member)
        read = await _three_may_read(ana, (rosa, sol, tui), rosa)
        await _is_paused_for_a_week(year, ana, ben, read)
        await _never_again_and_after_all(year, ana, ben)
        year.day(103)
        await ana.hears("concern.lapsed")
        year.day(366)
        await ben.hears("voucher.over")
        await ben.says("command.offer", "voucher.how")
        for person in (rosa, sol, tui):
            assert not any(ana.id in one.body for one in person.heard())
        clean(ana, ben, rosa, sol, tui)
        await ana.writes("english")
        await replace(ana, language="en").hears("language.chosen")
        await instance.stop()
