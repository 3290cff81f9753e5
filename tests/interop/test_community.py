"""A community with clients of two makes: an evening in which a room waits for its hour, and all one can say.

Each test is one long journey, so that few people and one service show many stories. The hour is real, and
hours are typed to the minute: what happens between the agreement and the hour is played in that time.
"""

import secrets
from datetime import UTC, datetime, timedelta

import pytest

from service.config import Toml
from tests.journeys.fixtures import CALM, People, Place
from tests.journeys.stage import Person, clean, rooms_of_keeper, two_vouch
from tests.live import story
from tests.live.instance import Instance
from tests.live.member import Message

pytestmark = [pytest.mark.live, pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]

_TO_AGREE = timedelta(seconds=25)
NIGHT_LINE: dict[str, str] = {
    "name": "Night line",
    "contact": "chat: night.example",
    "hours": "every day",
    "languages": "English",
    "may_send_police": "not known",
    "checked_on": "2026-11-01",
}
_ONE_ANOTHER = "talk one another"
_WRONG, _REASON, _ANSWER = (
    "They did not let me go.",
    "We do not talk like that here.",
    "I see it, and am sorry.",
)


def _hour() -> datetime:
    """The next full minute that leaves two people time to agree on it."""
    return (datetime.now(UTC) + _TO_AGREE).replace(second=0, microsecond=0) + timedelta(minutes=1)


def _times(person: Person, key: str) -> int:
    """How often the person was told sentence `key`."""
    return len([one for one in person.heard() if story.sentence(key).search(one.body)])


# Two who ask


async def _asks(person: Person, line: str, *, age: str = "") -> Message:
    """Ask for somebody who is looking too, saying one's `age` where that is asked; returns the recap."""
    await person.writes(line)
    if age:
        await person.hears("ages.question")
        await person.writes(age)
    recap = await person.answers("talk.recap", "choice.recap_yes")
    await person.hears("request.looking_too")
    return recap


async def _go_on_with_one_another(first: Person, second: Person) -> Message:
    """The one who is asked about the other goes on, and the other agrees; returns the ask."""
    asked = await first.answers("ask.intro_too", "choice.ask_yes")
    await first.answers("note.terms_too", "choice.note_yes")
    await first.hears("note.yes")
    await second.answers("consent.intro_too", "choice.consent_yes")
    return asked


async def _agree_on(at: datetime, ana: Person, ben: Person, yan: Person) -> None:
    """Ana and Ben agree on a room at that hour. Yan, who is younger, asks for the same and meets neither."""
    line = f"{_ONE_ANOTHER} {at:%H:%M}"
    await _asks(yan, line, age="younger")
    recap = await _asks(ana, line, age="older")
    assert story.sentence("talk.recap_start").search(recap.body)
    assert story.sentence("ages.only_adults").search(recap.body)
    await _asks(ben, line, age="older")
    asked = await _go_on_with_one_another(ana, ben)
    assert story.sentence("ask.start").search(asked.body)
    for person in (ana, ben):
        await person.hears("plan.agreed")
        await person.says("command.status", "status.planned")
    await yan.says("command.status", "status.start")
    await yan.says("command.stop", "request.withdrawn")
    assert _times(ana, "ask.intro_too") == 1
    assert not _times(yan, "ask.intro_too")
    assert not _times(ben, "ask.intro_too")


async def _the_hour_comes(instance: Instance, at: datetime, ana: Person, ben: Person) -> None:
    """The room opens at its hour and not before, and both can talk; it may have come while they did more."""
    rooms = set()
    for person in (ana, ben):
        while (invite := await person.member.invited()).direct:
            pass
        await person.member.join(invite.room)
        rooms.add(invite.room)
        # What was said of it at the hour stands before this.
        await person.says("command.status", "status.room")
        (opened,) = [one for one in person.heard() if story.sentence("room.opened").search(one.body)]
        assert 0 <= opened.timestamp / 1000 - at.timestamp() < 60
        assert story.sentence("room.agreed_too").search(opened.body)
    (room,) = rooms
    assert room in rooms_of_keeper(instance)
    await story.talk_to_each_other(room, ana.member, ben.member)
    await story.closes(ben.member, ben.chat)
    await ana.hears("room.closed")


async def _kept_apart_before_they_met(cleo: Person, dan: Person) -> None:
    """Neither is asked about the other, by the word of one before they ever met; then he ends it."""
    await dan.writes(f"{story.words_of('command.apart')} {cleo.id}")
    await dan.answers("apart.recap", "choice.apart_yes")
    await dan.hears("apart.done")
    await _asks(cleo, _ONE_ANOTHER, age="older")
    await _asks(dan, _ONE_ANOTHER, age="older")
    # Whatever Dan's asking had set off for her would have come before this.
    await cleo.says("command.status", "status.looking")
    assert not _times(cleo, "ask.intro_too")
    assert not _times(dan, "ask.intro_too")
    await dan.says("command.kept_apart", "apart.list")
    await dan.writes("1")
    await dan.answers("apart.end", "choice.apart_end")
    await dan.hears("apart.ended")
    await dan.says("command.stop", "request.withdrawn")


async def _meet_at_once(cleo: Person, dan: Person) -> None:
    """Cleo still asks, Dan asks anew: the two meet, and would both talk again."""
    await _asks(dan, _ONE_ANOTHER)
    asked = await _go_on_with_one_another(cleo, dan)
    assert story.sentence("ask.start").search(asked.body) is None
    room = await cleo.joins()
    assert await dan.joins() == room
    await story.talk_to_each_other(room, cleo.member, dan.member)
    closed = await story.closes(dan.member, dan.chat)
    await cleo.hears("room.closed")
    await cleo.says("command.once_more", "again.recap")
    await cleo.writes("yes")
    await cleo.hears("again.noted")
    await story.would_talk_again(dan.member, dan.chat, closed)
    for person in (dan, cleo):
        await person.hears("again.agreed")


# Vouchers, and offers that go on


async def _a_steward_vouches(dan: Person, stewards: Person) -> None:
    """Dan asks the stewards; one yes in their room is a voucher."""
    await dan.writes(story.words_of("command.offer"))
    await dan.answers("voucher.how", "choice.voucher_stewards")
    await dan.answers("voucher.stewards", "choice.voucher_yes")
    await dan.hears("voucher.asked")
    asked = await stewards.hears("steward.vouch_asked")
    assert dan.id in asked.body
    await stewards.says("steward.command_vouch", "steward.vouch")
    await stewards.writes("1")
    await stewards.answers("steward.vouch_recap", "steward.choice_yes")
    await stewards.hears("steward.vouched")
    await dan.hears("voucher.given")


async def _offers_from_now_on(person: Person, kind: str, hours: tuple[str, str], card: str) -> None:
    """Offer at hours of each week, or at any time, by the clock of a city: whatever it shows, that is now."""
    await person.writes(story.words_of("command.offer"))
    await person.answers("offer.length", "choice.offer_other")
    await person.answers("offer.when", kind)
    await person.hears("zone.question")
    await person.writes("Berlin")
    await person.hears(hours[0])
    await person.writes(hours[1])
    await person.hears("offer.topics")
    await person.writes("skip")
    await person.hears("offer.card")
    await person.writes(card)
    await person.answers("offer.fear", "choice.fear_nobody")
    await person.answers("offer.recap", "choice.guide")
    recap = await person.hears("guide.practice")
    assert story.sentence("offer.goes_on").search(recap.body)
    await story.chooses(person.member, person.chat, recap, "choice.offer_yes")
    await person.hears("offer.begun_now")


async def _rests_until_he_says(dan: Person, cleo: Person) -> None:
    """Cleo finds nobody: Dan rests, and Yan is of the other age group. Then Dan goes on."""
    await dan.writes("rest until i say")
    await dan.hears("rest.until_said")
    # The short way: one number, and another.
    await cleo.says("command.menu", "menu.menu")
    await cleo.writes("1")
    await cleo.hears("talk.recap")
    await cleo.writes("1")
    await cleo.hears("request.nobody")
    await cleo.says("command.stop", "request.withdrawn")
    await dan.writes(story.words_of("command.offer"))
    await dan.answers("offer.standing", "choice.offer_on")
    await dan.hears("offer.goes_on_now")


async def _only_again(cleo: Person, dan: Person) -> None:
    """Cleo has only him asked with whom she agreed to talk again, and they meet once more."""
    recap = await story.asks_in_one_line(cleo.member, cleo.chat, "talk listening")
    await story.chooses(cleo.member, cleo.chat, recap, "choice.recap_change")
    await cleo.answers("talk.change", "choice.change_again")
    await cleo.answers("talk.again", "choice.again_only")
    await cleo.answers("talk.recap_again_only", "choice.recap_yes")
    await cleo.hears("request.looking_again")
    await dan.goes_on()
    offered = await story.is_offered(cleo.member, cleo.chat)
    assert "I grow tomatoes." in offered.body
    await story.agrees(cleo.member, cleo.chat, offered)
    room = await cleo.joins()
    assert await dan.joins() == room
    await story.talk_to_each_other(room, cleo.member, dan.member)


# What two who read it decide


async def _two_pause_and_one_ends_it(cleo: Person, dan: Person, readers: tuple[Person, Person]) -> None:
    """Two read what was wrong and agree on a pause; Dan reads why and answers, and one of them ends it."""
    await story.closes(cleo.member, cleo.chat)
    await dan.hears("room.closed")
    await cleo.says("command.concern", "concern.about")
    await cleo.writes("1")
    await cleo.hears("concern.room")
    await cleo.writes("1")
    listed = await cleo.hears("concern.readers")
    # Ana is a steward too, Ben is not, and is marked so.
    ana, ben = readers
    both = f"Ana, {ana.id}", f"Ben, {ben.id}: does not look after this service"
    await cleo.writes(" ".join(story.number_of(listed.body, one) for one in both))
    await cleo.hears("concern.words")
    await cleo.writes(_WRONG)
    await cleo.answers("concern.recap", "choice.concern_yes")
    await cleo.hears("concern.given")
    first, second = ana, ben
    for reader in readers:
        await reader.answers("reads.invited", "choice.reads_open")
        assert _WRONG in (await reader.hears("reads.words")).body
    await first.writes("pause")
    await first.hears("pauses.length")
    await first.writes("1")
    await first.hears("pauses.reason")
    await first.writes(_REASON)
    await first.answers("pauses.recap", "choice.weighs_yes")
    await first.hears("pauses.proposed")
    await second.hears("weighs.question")
    assert not _times(dan, "paused.told")
    await second.writes("yes")
    await second.hears("pauses.begun")
    await cleo.hears("concern.paused")
    told = await dan.hears("paused.told")
    assert _REASON in told.body
    await dan.writes("answer")
    await dan.hears("objects.words")
    await dan.writes(_ANSWER)
    await dan.answers("objects.recap", "choice.reads_send")
    await dan.hears("objects.sent")
    for reader in readers:
        assert _ANSWER in (await reader.hears("lift.pause")).body
    await second.writes("yes")
    for reader in readers:
        await reader.hears("lift.done")
    await dan.hears("paused.over")
    # Neither who wrote it nor whom it is about is named to anybody.
    for reader in readers:
        assert not any(id in one.body for one in reader.heard() for id in (cleo.id, dan.id))
    assert not any(cleo.id in one.body for one in dan.heard() if one.timestamp >= told.timestamp)


async def test_an_evening_until_a_room_opens_at_its_hour(place: Place, people: People) -> None:
    """Of each two who meet one is on the JavaScript SDK and the other on nio; so are the two who read."""
    names = [f"{name}-{secrets.token_hex(3)}" for name in ("ana", "ben")]
    addresses = [f"@{name}:{place.homeserver.name}" for name in names]
    settings: dict[str, Toml] = {
        "community.ages": "both",
        "community.vouchers": True,
        "community.stewards": addresses[:1],
        "community.readers": [
            {"user": user, "name": name} for user, name in zip(addresses, ("Ana", "Ben"), strict=True)
        ],
    }
    async with place.service("evening", CALM, admin=True, settings=settings) as instance:
        ana, cleo = await people(instance, [names[0], f"cleo-{secrets.token_hex(3)}"], kind="js")
        ben, dan, yan = await people(
            instance, [names[1], *(f"{one}-{secrets.token_hex(3)}" for one in ("dan", "yan"))]
        )
        while (invite := await ana.member.invited()).direct:
            pass
        await ana.member.join(invite.room)
        stewards = Person(ana.member, invite.room)
        await stewards.hears("steward.hello")
        at = _hour()
        await _agree_on(at, ana, ben, yan)
        await two_vouch(yan, ben, cleo)
        await _offers_from_now_on(
            yan, "choice.offer_weekly", ("offer.windows", "daily 0-12, 12-0"), "I skate."
        )
        await _kept_apart_before_they_met(cleo, dan)
        await _meet_at_once(cleo, dan)
        await _a_steward_vouches(dan, stewards)
        await _offers_from_now_on(dan, "choice.offer_standing", ("offer.quiet", "2"), "I grow tomatoes.")
        await _rests_until_he_says(dan, cleo)
        await _only_again(cleo, dan)
        await _two_pause_and_one_ends_it(cleo, dan, (ana, ben))
        await _the_hour_comes(instance, at, ana, ben)
        # Whoever is of the other age group was asked about nobody, with an offer or without.
        assert not _times(yan, "ask.intro")
        clean(ana, ben, cleo, dan, yan)
        await instance.stop()


# All that can be said


_HARD = "thoughts of suicide"
_TOPICS: list[dict[str, str | bool]] = [{"name": "grief", "hard": False}, {"name": _HARD, "hard": True}]
_NOTE = "It is dark here."


async def _changes(person: Person, recap: str, choice: str, asks: str, answer: str) -> None:
    """From the recap that was said last one thing is changed; `answer` is what is written to the question."""
    await person.writes("change")
    asked = await person.hears(f"{recap}.change")
    await story.chooses(person.member, person.chat, asked, choice)
    await person.hears(asks)
    await person.writes(answer)


async def _offers_what_is_hard(person: Person, fear: str) -> None:
    """Offer for a hard topic and for nothing else, in both languages, in writing or by voice."""
    await person.writes(story.words_of("command.offer"))
    await person.hears("offer.length")
    await person.writes("1")
    asked = await person.hears("offer.topics_hard")
    await person.writes(story.number_of(asked.body, f"{_HARD} (hard)"))
    await person.hears("offer.card")
    await person.writes("I know it.")
    await person.answers("offer.fear", fear)
    await person.hears("offer.recap")
    await _changes(person, "offer", "choice.change_who", "offer.who", "2")
    await person.hears("offer.recap")
    await _changes(person, "offer", "choice.change_languages", "offer.languages", "1 2")
    recap = await person.answers("offer.recap", "choice.offer_yes")
    assert story.sentence("offer.who_shares").search(recap.body)
    await person.hears("offer.begun")


async def _is_kept_over_closing_time(asker: Person, instance: Instance) -> None:
    """At the yes no requests are taken any more: what was written outlives the starts, and is asked later."""
    hour = datetime.now(UTC).hour
    closed = f"daily {(hour + 2) % 24}-{(hour + 3) % 24}"
    instance.configure({"community.opens": "hours", "community.hours": [closed]})
    await instance.restart()
    await asker.writes("yes")
    said = await asker.hears("outlook.kept")
    assert story.sentence("outlook.closed_hours").search(said.body)
    assert "Night line" in said.body
    instance.configure({"community.opens": "always"})
    await instance.restart()
    await asker.says("command.back", "talk.recap")
    await asker.writes("yes")


async def test_all_that_can_be_said(place: Place, people: People) -> None:
    """A hard topic, by those who named it, in another language, with or without whoever must report.

    The one who asks is on the JavaScript SDK, those who offer are on nio.
    """
    settings: dict[str, Toml] = {
        "community.talk_in": ["en", "es"],
        "community.topics": _TOPICS,
        "community.places": [NIGHT_LINE],
    }
    timings = CALM | {"ask_again": "3 seconds"}
    async with place.service("said", timings, settings=settings) as instance:
        (asker,) = await people(instance, 1, kind="js")
        reports, peer = await people(instance, 2)
        await _offers_what_is_hard(reports, "choice.fear_report")
        await asker.writes(f"talk shared experience {_HARD} 30 min spanish voice")
        await asker.hears("talk.recap")
        await _changes(asker, "talk", "choice.change_how", "talk.how", "2 5")
        await asker.hears("talk.keep_how")
        await asker.writes("yes")
        await asker.hears("talk.recap")
        await _changes(asker, "talk", "choice.change_only", "talk.only", "only")
        await asker.hears("talk.recap")
        await _changes(asker, "talk", "choice.change_each_try", "talk.each_try", "each")
        await asker.hears("talk.recap")
        await _changes(asker, "talk", "choice.change_note", "talk.note", _NOTE)
        recap = await asker.hears("talk.recap")
        for key in ("talk.recap_how", "talk.recap_only", "talk.recap_each_try", "talk.recap_none"):
            assert story.sentence(key).search(recap.body), key
        await _is_kept_over_closing_time(asker, instance)
        await asker.hears("request.looking")
        # Each try is told, with the same words whether there is anybody or not.
        await asker.hears("request.no_answer")
        await asker.hears("request.try")
        assert not _times(reports, "ask.intro")
        await _changes(asker, "talk", "choice.change_reporters", "talk.reporters", "yes")
        await asker.answers("talk.recap_standing", "choice.recap_change_yes")
        await asker.hears("request.changed")
        asked = await story.is_asked(reports.member, reports.chat)
        assert _HARD in asked.body
        shown = await story.says_yes(reports.member, reports.chat, asked)
        assert _NOTE in shown.body
        assert story.words_of("how.no_questions") in shown.body
        await story.goes_on(reports.member, reports.chat, shown)
        offered = await story.is_offered(asker.member, asker.chat)
        assert story.words_of("fear.report") in offered.body
        await story.chooses(asker.member, asker.chat, offered, "choice.consent_no")
        await asker.hears("request.someone_else")
        await _offers_what_is_hard(peer, "choice.fear_nobody")
        await peer.goes_on()
        offered = await story.is_offered(asker.member, asker.chat)
        assert story.words_of("fear.nobody") in offered.body
        await story.agrees(asker.member, asker.chat, offered)
        room = await asker.joins()
        assert await peer.joins() == room
        for person in (asker, peer):
            (opened,) = [one.body for one in person.heard() if story.sentence("room.opened").search(one.body)]
            assert "You two agreed to talk in Spanish, in writing, or by voice if you both like." in opened
            assert story.words_of("how.few") in opened
        await story.talk_to_each_other(room, asker.member, peer.member)
        # More time is asked for, and the other lets it be: they hear no more of it, and nothing changes.
        await asker.says("command.extend", "extend.how_much")
        await asker.writes("1")
        await asker.hears("extend.waits")
        await peer.answers("extend.question", "choice.extend_no")
        await peer.hears("extend.no")
        closed = await story.closes(asker.member, asker.chat)
        assert not _times(asker, "room.extended")
        await story.chooses(asker.member, asker.chat, closed, "choice.after_company")
        recap = await asker.hears("talk.recap")
        assert story.words_of("wish.conversation") in recap.body
        await asker.says("command.stop", "talk.dropped")
        assert not _times(reports, "pairing.not_this_time"), "whoever was not chosen hears it at their hour"
        clean(asker, reports, peer)
        await instance.stop()
