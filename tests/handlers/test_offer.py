"""Offering: when, each field by itself, going on, and its end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from handlers import offer as offers
from schema.ids import RequestId
from schema.records import Ask, Offer, Window
from service.core import matching
from service.core.availability import RENEWED, RESTS
from tests import databases
from tests.core.shapes import REQUEST
from tests.handlers.story import COMMUNITY, Story
from tests.handlers.test_transcripts import StoredStory

WEEK = tuple(range(7))


async def weekly(story: Story, name: str, hours: str = "weekdays 18-21") -> str:
    """The member offers at these hours of each week, in Berlin."""
    return await story.says(name, "offer", "5", "1", "Berlin", hours, "skip", "I like walks.", "2", "yes")


async def standing(story: Story, name: str, quiet: str = "skip") -> str:
    """The member offers at any time but their quiet hours, in Berlin."""
    return await story.says(name, "offer", "5", "2", "Berlin", quiet, "skip", "I like walks.", "2", "yes")


async def test_weekly_hours_are_kept_and_only_then_is_anything_asked(story: Story) -> None:
    """Friday at five: nothing is asked before six, and the first is asked then."""
    await story.comes("ben")
    said = await weekly(story, "ben")
    assert "I may ask you from Friday 27 November, 18:00 Berlin" in said
    assert story.offer_of("ben").windows == (Window((0, 1, 2, 3, 4), 1080, 1260),)
    await story.asks("ana")
    assert not [ask for ask in story.records.all(Ask) if ask.member == story.id("ben")]
    await story.wait(timedelta(hours=1))
    assert "Someone asks for company" in story.last("ben")
    assert story.heard("ben")[-1][0].hour == 17


async def test_a_standing_offer_is_quiet_at_night(story: Story) -> None:
    """At any time, but not from ten to eight by their own clock."""
    await story.comes("ben")
    assert "I may ask you from now on" in await standing(story, "ben")
    await story.wait(timedelta(hours=5))
    await story.asks("ana")
    assert not story.records.all(Ask)
    await story.wait(timedelta(hours=10))
    assert "Someone asks for company" in story.last("ben")
    assert story.heard("ben")[-1][0].hour == 7


async def test_quiet_hours_can_be_others_or_none(story: Story) -> None:
    """Typed, or taken from the list."""
    await standing(story, "ben", "23-6")
    assert story.offer_of("ben").quiet == (23 * 60, 6 * 60)
    assert "not from 23:00 to 06:00, by the clock in Berlin" in await story.says("ben", "my offer")
    await standing(story, "cleo", "2")
    assert "At any time, day and night." in await story.says("cleo", "my offer")


async def test_hours_that_cannot_be_read_are_asked_for_again(story: Story) -> None:
    """Nothing is guessed; the usual ones are numbers."""
    await story.says("ben", "offer", "5", "1", "Berlin")
    assert "I could not read hours in that" in await story.says("ben", "whenever")
    assert "1. Monday to Friday, 18:00 to 21:00" in story.last("ben")
    await story.says("ben", "2", "skip", "skip", "skip", "yes")
    assert story.offer_of("ben").windows == (Window((5, 6), 600, 960),)


async def test_a_city_is_chosen_and_never_guessed(story: Story) -> None:
    """One of that name is taken, several are numbered, none is said, and too many are too."""
    await story.says("ben", "offer", "5", "2")
    assert "I don't know that city" in await story.says("ben", "Atlantis")
    assert "That fits 38 places" in await story.says("ben", "pacific")
    said = await story.says("ben", "Germany")
    assert "1. Berlin (Germany): it is 17:06 there now\n2. Busingen (Germany): it is 17:06 there now" in said
    assert story.member("ben").zone is None
    await story.says("ben", "sao paulo")
    assert story.member("ben").zone == "America/Sao_Paulo"
    said = await story.says("ben", "skip", "skip", "skip", "skip")
    assert "not from 22:00 to 08:00, by the clock in Sao Paulo" in said
    assert "by the clock in Sao Paulo" in await story.says("ben", "yes", "my offer")


async def test_back_goes_through_the_hours(story: Story) -> None:
    """From the topics to the hours, to the city, to their kind, to the first question."""
    await story.says("ben", "offer", "5", "1", "Lagos", "1", "back")
    assert "At which hours, each week?" in story.last("ben")
    assert "In which city do you live?" in await story.says("ben", "back")
    assert "When may I ask you?" in await story.says("ben", "back")
    assert "For how long, from now on" in await story.says("ben", "back")
    await story.says("ben", "1", "skip", "skip", "skip", "yes")
    assert story.offer_of("ben").when == "now"


async def test_skipping_all_of_it_makes_an_offer_of_two_hours(story: Story) -> None:
    """And skipping the kind of other hours takes the first."""
    await story.says("ben", "offer", "skip", "skip", "skip", "skip", "yes")
    assert story.offer_of("ben").until == story.now + timedelta(hours=2)
    await story.says("cleo", "offer", "5", "skip", "skip", "skip", "skip", "skip", "skip", "yes")
    assert story.offer_of("cleo").when == "weekly"
    assert story.member("cleo").zone == story.offer_of("cleo").zone == "Europe/Berlin"
    # They said by which clock they live, and are not asked again.
    assert "When shall I write to you?" in await story.say("cleo", "check-in")


async def test_another_city_moves_the_hours(story: Story) -> None:
    """`my city` changes every hour that is said or kept."""
    await weekly(story, "ben")
    assert "There it is Friday, " in await story.says("ben", "my city", "Lagos")
    assert story.offer_of("ben").zone == story.member("ben").zone == "Africa/Lagos"
    assert "Whose clock I go by for you: Lagos (Nigeria)" in await story.says("ben", "what do you hold")
    assert "by the clock in Lagos" in await story.says("ben", "my city", "skip")


async def test_an_offer_that_goes_on_is_asked_about_once_and_then_rests(story: Story) -> None:
    """After four weeks one question; no answer, no word, and after twelve weeks more it is gone."""
    await story.comes("ben")
    await standing(story, "ben")
    await story.wait(RENEWED)
    assert "May I go on asking you?" in story.last("ben")
    heard = len(story.heard("ben"))
    await story.asks("ana")
    await story.wait(RESTS - timedelta(days=1))
    assert len(story.heard("ben")) == heard
    assert not [ask for ask in story.records.all(Ask) if ask.member == story.id("ben")]
    await story.wait(timedelta(days=2))
    assert len(story.heard("ben")) == heard
    assert not story.records.all(Offer)
    assert "No question is open now" in await story.says("ben", "1")


async def test_the_question_comes_at_any_fraction_of_a_second(tmp_path: Path) -> None:
    """On a real database, which keeps an hour to the millisecond: the question comes, and then silence."""
    story = StoredStory()
    story.now += timedelta(microseconds=123456)
    story.store = await databases.opened(tmp_path / "alongside.db")
    try:
        await story.comes("ben")
        await standing(story, "ben")
        await story.wait(RENEWED + timedelta(minutes=1))
        assert "May I go on asking you?" in story.last("ben")
        heard = len(story.heard("ben"))
        await story.wait(RESTS)
        assert len(story.heard("ben")) == heard
        assert not story.records.all(Offer)
    finally:
        await story.store.close()


@pytest.mark.parametrize("late", [False, True])
async def test_a_yes_lets_an_offer_go_on(story: Story, late: bool) -> None:
    """At the question, or later from the offer as it stands."""
    await story.comes("ben")
    await standing(story, "ben")
    await story.wait(RENEWED + timedelta(minutes=1))
    if late:
        assert "Your offer rests" in await story.says("ben", "skip")
        await story.wait(timedelta(days=9))
        assert "1. Go on asking me" in await story.says("ben", "my offer")
    said = await story.says("ben", "1")
    assert "Your offer goes on" in said
    assert story.offer_of("ben").until == story.now + RENEWED
    await story.asks("ana")
    assert "Someone asks for company" in story.last("ben")


async def test_the_question_whether_it_goes_on_comes_at_hours_of_theirs(story: Story) -> None:
    """Whoever offered at night is not woken four weeks later."""
    story.now += timedelta(hours=7)
    await story.comes("ben")
    await standing(story, "ben")
    await story.wait(RENEWED + timedelta(hours=7))
    assert "May I go on asking you?" not in story.last("ben")
    await story.wait(timedelta(hours=1))
    assert "May I go on asking you?" in story.last("ben")
    assert story.heard("ben")[-1][0].hour == 7


async def test_the_question_whether_it_goes_on_holds_nothing_up(story: Story) -> None:
    """Unanswered it makes no request wait, and what else comes by itself takes its place."""
    await story.comes("ana")
    await standing(story, "ana")
    await story.wait(RENEWED)
    await story.comes("ben")
    await story.offers("ben", hours="4")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    assert "Someone said yes" in story.last("ana")


async def test_the_clock_put_back_does_not_move_a_weekly_hour(story: Story) -> None:
    """Six in the evening is six in the evening, before and after the last Sunday of October."""
    story.now = datetime(2026, 10, 23, 10, tzinfo=UTC)
    await story.comes("ben")
    said = await weekly(story, "ben", "fri mon 18-21")
    assert "Friday 23 October, 18:00 Berlin" in said
    await story.wait(timedelta(days=1))
    assert "Monday 26 October, 18:00 Berlin" in await story.says("ben", "my offer")


async def test_an_offer_of_an_older_release_is_one_for_now(story: Story) -> None:
    """What it does not say has its default."""
    await story.comes("ben")
    await story.offers("ben")
    offer = story.offer_of("ben")
    assert replace(offer, consent=None) == Offer(
        id=offer.id,
        member=offer.member,
        state=offer.state,
        until=offer.until,
        due_at=offer.until,
        asked_at=None,
        topics=(),
        card="I like walks.",
        fear="tell_first",
        zone="Europe/Berlin",
    )


async def test_each_field_changes_alone_after_a_recap_and_a_yes(story: Story) -> None:
    """Nothing changes before the yes; what was not named stays."""
    await story.comes("ben")
    await weekly(story, "ben")
    before = story.offer_of("ben")
    said = await story.says("ben", "my offer", "change")
    assert "What would you like to change?" in said
    said = await story.says("ben", "What I am there for", "1 2")
    assert "For: burnout and grief." in said
    assert "Monday to Friday, 18:00 to 21:00" in said
    assert story.offer_of("ben") == before
    await story.says("ben", "2", "My words about myself", "I bake.")
    assert "is changed" in await story.says("ben", "yes")
    after = story.offer_of("ben")
    assert (after.topics, after.card, after.fear) == (("burnout", "grief"), "I bake.", before.fear)
    assert (after.id, after.windows, after.until, after.due_at, after.asked_at) == (
        before.id,
        before.windows,
        before.until,
        before.due_at,
        before.asked_at,
    )
    assert after.consent != before.consent


async def test_a_skip_means_what_the_question_says(story: Story) -> None:
    """No words, any topic, the usual number: what was said before goes."""
    await story.comes("ben")
    await story.says("ben", "offer", "2", "1", "I bake.", "1", "yes", "my offer")
    for field in ("My words about myself", "What I am there for", "How often in a day"):
        await story.says("ben", "2", field, "skip")
    await story.says("ben", "yes")
    after = story.offer_of("ben")
    assert (after.card, after.topics, after.asks_a_day, after.fear) == ("", (), 2, "nobody")


async def test_a_change_can_be_left(story: Story) -> None:
    """By a no, by going back, by stopping."""
    await story.offers("ben", hours="4")
    before = story.offer_of("ben")
    assert "stays as it is" in await story.says("ben", "my offer", "2", "fear", "skip", "no")
    await story.says("ben", "my offer", "2", "5", "something else")
    assert "What would you like to change?" in await story.says("ben", "back")
    await story.says("ben", "stop", "1")
    assert story.offer_of("ben") == before


async def test_the_hours_change_alone(story: Story) -> None:
    """From now to each week: the same questions as at the beginning, and back to the recap."""
    await story.offers("ben", hours="4")
    said = await story.says("ben", "my offer", "2", "When", "5", "1", "Lagos", "2")
    assert "Saturday and Sunday, 10:00 to 16:00" in said
    assert "I like walks." in said
    await story.says("ben", "yes")
    after = story.offer_of("ben")
    assert (after.when, after.card, after.due_at) == ("weekly", "I like walks.", after.until)
    assert after.until > story.now + RENEWED
    said = await story.says("ben", "my offer", "2", "When", "back", "When", "1", "yes")
    assert story.offer_of("ben").until == story.now + timedelta(hours=2)


async def test_how_often_is_theirs_up_to_what_the_community_allows(story: Story) -> None:
    """Two asks a day, or fewer, or as many as the community says."""
    story.community = replace(story.community, asks_a_day=4)
    await story.offers("ben", hours="4")
    assert "at most 2 times a day" in await story.says("ben", "my offer")
    said = await story.says("ben", "2", "How often in a day")
    assert "4. 4" in said
    await story.says("ben", "1", "yes")
    assert "at most once a day" in await story.says("ben", "my offer")
    assert story.offer_of("ben").asks_a_day == 1


async def test_a_new_offer_has_nobody_asked_more_often(story: Story) -> None:
    """What was asked because of the old one counts for a day, and is kept no longer; the new one says so."""
    await story.offers("ben", hours="4")
    for number, name in enumerate(("ana", "cleo")):
        await story.asks(name)
        await story.say("ben", "3")
        await story.says(name, "stop")
        await story.wait(timedelta(hours=1))
        assert len(story.offer_of("ben").asked) == number + 1
    await story.say("ben", "withdraw")
    first, last = story.member("ben").asked
    assert first < last < story.now
    assert story.member("ben").due_at not in (first + timedelta(days=1), last + timedelta(days=1))
    assert "because of an offer of yours that has ended" in await story.say("ben", "what do you hold")
    await story.offers("ben")
    assert "as often as you allow. So I ask you nothing more before this offer ends." in story.last("ben")
    assert story.member("ben").asked == ()
    await story.asks("dora")
    assert not [ask for ask in story.records.all(Ask) if ask.member == story.id("ben")]
    await story.says("dora", "stop")
    await story.says("ben", "withdraw", "offer", "5", "2", "Berlin", "2", "skip", "skip", "skip", "yes")
    assert "So I may ask you again from Saturday 28 November" in story.last("ben")
    await story.say("ben", "withdraw")
    # At an hour of the day that is theirs alone, which does not tell when they were asked.
    await story.wait(last + timedelta(days=2) - story.now)
    assert story.member("ben").asked == ()
    await story.offers("ben")
    assert "as often as you allow" not in story.last("ben")


async def test_an_offer_that_ended_at_its_hour_counts_too(story: Story) -> None:
    """However it ended; whoever is forgotten leaves nothing of it."""
    await story.offers("ben")
    await story.asks("ana")
    await story.wait(timedelta(hours=3))
    assert len(story.member("ben").asked) == 1
    await story.says("ben", "forget me", "yes")
    assert ("members", story.id("ben")) not in story.records.rows


async def test_what_was_asked_before_a_change_stays_as_it_was(story: Story) -> None:
    """A card that is changed after the yes is not the one that the asker sees."""
    await story.comes("ben")
    await story.offers("ben", hours="4")
    await story.asks("ana")
    await story.says("ben", "yes", "my offer", "2", "My words about myself", "Something new.", "yes")
    assert story.offer_of("ben").card == "Something new."
    await story.says("ben", "back", "yes")
    assert "I like walks." in story.last("ana")


HARD = replace(COMMUNITY, hard=frozenset({"thoughts of suicide"}), topic_lines={"grief": "someone is gone"})


async def _asks_about(story: Story, *topics: str) -> None:
    await story.comes("ana")
    request = replace(
        REQUEST, id=RequestId("f" * 32), member=story.id("ana"), made_at=story.now, topics=topics
    )
    request = replace(request, until=story.now + timedelta(days=1), due_at=story.now)
    await story.records.put(request)
    await story.wait(timedelta(seconds=1))


@pytest.mark.parametrize(
    ("answer", "about", "asked"),
    [
        ("skip", ("thoughts of suicide",), False),
        ("skip", ("grief",), True),
        ("3", ("thoughts of suicide",), True),
        ("1", ("burnout", "thoughts of suicide"), False),
        ("1", ("grief",), True),
        ("thoughts of suicide", ("thoughts of suicide", "grief"), True),
    ],
)
async def test_hard_topics_only_by_their_own_yes(answer: str, about: tuple[str, ...], asked: bool) -> None:
    """Whoever named no topics, or others, is asked nothing about a hard one."""
    story = Story(community=HARD)
    await story.comes("ben")
    said = await story.says("ben", "offer", "2")
    assert "3. thoughts of suicide (hard)" in said
    assert "2. grief: someone is gone" in said
    await story.says("ben", answer, "skip", "2", "yes")
    await _asks_about(story, *about)
    assert bool(story.records.all(Ask)) is asked


async def test_topics_said_no_to_are_never_asked_about(story: Story) -> None:
    """A no takes it out of the yeses; only people who share a topic may be the only ones who ask."""
    await story.comes("ben")
    await story.offers("ben", hours="4")
    await story.says("ben", "my offer", "2", "2", "1 2", "2", "What I am not there for", "2", "yes")
    assert (story.offer_of("ben").topics, story.offer_of("ben").no_topics) == (("burnout",), ("grief",))
    assert "Not for: grief." in await story.says("ben", "my offer")
    await _asks_about(story, "burnout", "grief")
    assert not story.records.all(Ask)


def test_what_can_be_chosen_is_what_matching_knows() -> None:
    """A wish that is new has to be said of by whoever offers, too."""
    assert tuple(offers.DOES) == matching.DOES


async def test_nobody_is_asked_about_what_they_said_they_cannot_do(story: Story) -> None:
    """Chosen by its own question, shown to them alone, and taken back by `skip`."""
    await story.comes("ben")
    await story.offers("ben", hours="4")
    question = await story.says("ben", "my offer", "2", "What I can do")
    assert "4. do a form, a call or an appointment together" in question
    await story.says("ben", "1 3", "yes")
    assert story.offer_of("ben").does == ("listening", "ideas")
    assert "What you can do: listen and share practical ideas." in await story.say("ben", "my offer")
    assert "What you can do: listen and share practical ideas" in await story.say("ben", "what do you hold")
    await story.say("ana", "talk a form 1h")
    await story.say("ana", "yes")
    assert not story.records.all(Ask)
    await story.says("ana", "change", "1", "1", "yes")
    await story.wait(story.community.timings.ask_again)
    assert "listening" in story.last("ben")
    await story.says("ben", "no", "my offer", "2", "What I can do", "skip", "yes")
    assert story.offer_of("ben").does == ()


async def test_only_people_who_share_a_topic_may_ask(story: Story) -> None:
    """Theirs to choose; a request about nothing named is not one of those."""
    await story.comes("ben")
    await story.offers("ben", hours="4")
    await story.says("ben", "my offer", "2", "2", "1", "2", "Who may ask me", "2", "yes")
    assert "Only about the topics that you named." in await story.says("ben", "my offer")
    await _asks_about(story)
    assert not story.records.all(Ask)
    other = Story()
    await other.comes("ben")
    await other.offers("ben", hours="4")
    await other.says("ben", "my offer", "2", "2", "1", "2", "Who may ask me", "2", "yes")
    await _asks_about(other, "burnout")
    assert other.records.all(Ask)


async def test_what_i_can_do_is_seen_before_the_yes(story: Story) -> None:
    """Whoever offers for the first time reads that they may be asked for anything, and can change it."""
    await story.comes("ben")
    recap = await story.says("ben", "offer", "1", "skip", "skip", "2")
    assert "What you can do: anything." in recap
    recap = await story.says("ben", "change", "what i can do", "1")
    assert "What you can do: listen." in recap


@pytest.mark.parametrize(
    ("line", "asks", "hours", "named"),
    [
        ("offer 2h anything", "Would you like to write a few words", 2, []),
        ("offer for an hour about grief", "Would you like to write a few words", 1, ["grief"]),
        ("offer 3 hours", "What would you be there for?", 3, []),
        ("offer greif", "For how long, from now on", 2, ["grief"]),
    ],
)
async def test_an_offer_in_one_line_is_asked_what_it_did_not_say(
    story: Story, line: str, asks: str, hours: int, named: list[str]
) -> None:
    """Nothing of it is an offer before the yes to its recap."""
    await story.comes("ben")
    assert asks in await story.say("ben", line)
    prompt = story.member("ben").prompt
    assert prompt is not None
    assert (prompt.draft["hours"], prompt.draft["topics"]) == (hours, named)
    assert not story.records.all(Offer)


async def test_what_a_line_said_that_was_not_read_is_said_again(story: Story) -> None:
    """A word that means nothing, and a length that is not to be had; a sentence begins nothing."""
    await story.comes("ben")
    assert "I did not understand: “tonight”." in await story.say("ben", "offer tonight")
    assert "for 1 hour to 12 hours" in await story.says("ben", "stop", "offer 20 hours")
    assert "for 1 hour to 12 hours" in await story.says("ben", "stop", "offer half an hour")
    said = await story.says("ben", "stop", "offer me some of your time please")
    assert "no person has read this" in said


async def test_a_line_changes_nothing_of_an_offer_that_stands(story: Story) -> None:
    """It is shown, as by the word alone."""
    await story.comes("ben")
    await story.offers("ben")
    before = story.offer_of("ben")
    assert "Your offer, as it is now" in await story.say("ben", "offer 8h grief")
    assert story.offer_of("ben") == before
