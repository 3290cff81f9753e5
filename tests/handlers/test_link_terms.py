"""The terms of a link: each side's stewards set their own and read the other's; the stricter holds."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from handlers import steward
from schema.events import LinkRoom
from schema.events import StewardRoom as Here
from schema.ids import EventId, RoomId
from schema.records import AskAcross, Link, Request
from schema.states import LinkState
from schema.wire import Hours, NewTerms, Pause, Terms
from service.core import links
from tests.handlers.story import STEWARDS, WORDS, Story, community
from tests.handlers.two import NORTH_AT, SOUTH_AT, Two, link_of, said, side


@pytest.fixture
async def two() -> Two:
    """Two communities with a steward each, who know nothing of one another."""
    two = Two()
    await two.begin()
    return two


@pytest.fixture
async def linked() -> Two:
    """Two communities whose link stands."""
    two = Two()
    await two.linked()
    return two


async def restarts(side: Story) -> str:
    """The program starts again, perhaps with another configuration; what is said then in the steward room."""
    seen = len(said(side))
    steward_here = (side.address("sam"),)
    await side.event(Here(EventId(f"$start{seen}"), RoomId("!stewards"), steward_here))
    return "\n".join(said(side)[seen:])


def local(side: Story, seconds: int) -> str:
    """The day and the hour by the community's own clock."""
    there = datetime.fromtimestamp(seconds, UTC).astimezone(ZoneInfo(side.community.zone))
    return there.strftime("%Y-%m-%d %H:%M")


# Before the link


async def test_terms_are_set_before_they_go_out(two: Two) -> None:
    """The recap shows what would be offered; what is chosen instead crosses, and nothing else ever did."""
    heard = await two.says(two.north, f"link {SOUTH_AT}", "We met in spring.")
    assert "Asks: both ways" in heard
    assert "At most 5 asks each way in 24 hours" in heard
    assert "Until: 27 November 2027, 23:59 by the clock of Berlin" in heard
    await two.says(two.north, "change", "1", "grief", "change", "2", "2", "change", "3", "2")
    heard = await two.says(two.north, "change", "6", "in 3 months")
    assert "Topics: grief\n" in heard
    assert "Asks: only from us to them" in heard
    assert "Until: 27 February 2027, 23:59" in heard
    await two.says(two.north, "yes")
    await two.says(two.south, f"link {NORTH_AT}", "yes")
    heard = two.south.last(STEWARDS)
    assert "Topics: grief\n" in heard
    assert "Asks: only from them to us" in heard
    assert "At most 2 asks in 24 hours" in heard
    north, south = link_of(two.north), link_of(two.south)
    assert south.their_terms == north.terms == north.chosen
    assert (north.terms.sends, north.terms.takes, north.terms.topics) == (True, False, ("grief",))


async def test_skip_at_the_recap_loses_no_terms(two: Two) -> None:
    """It passes over the questions before: here it asks for a yes or a no, and what was chosen stays."""
    await two.says(two.north, f"link {SOUTH_AT}", "We met in spring.", "change", "1", "grief")
    heard = await two.says(two.north, "skip")
    assert "Here I need a yes or a no" in heard
    assert "Topics: grief\n" in heard
    await two.says(two.north, "yes")
    assert link_of(two.north).terms.topics == ("grief",)


async def test_whoever_agrees_sets_theirs_and_reads_what_holds(two: Two) -> None:
    """The stricter of the two, before the yes; without a change it is said that ours hold."""
    await two.says(two.north, f"link {SOUTH_AT}", "We met in spring.", "change", "1", "grief, burnout", "yes")
    await two.says(two.south, f"link {NORTH_AT}", "yes")
    heard = await two.says(two.south, "terms")
    assert f"write “link {NORTH_AT}”" in heard
    heard = await two.says(two.south, f"link {NORTH_AT}", "Welcome.")
    holds = heard.split("With the terms of both sides, this holds:")[1]
    assert "Topics: burnout and grief\n" in holds
    heard = await two.says(two.south, "change", "1", "2")
    assert "With the terms of both sides, ours hold as they are." in heard
    await two.says(two.south, "yes")
    heard = await two.says(two.south, "terms")
    assert "they stay as they are until the link stands. After that you can change them." in heard
    assert f"“cut {NORTH_AT}” takes it back; then you can begin again with other terms." in heard
    await two.says(two.north, f"link {SOUTH_AT}", "1")
    heard = await two.says(two.south, f"link {NORTH_AT}", "1")
    assert "stands: both sides compared the words" in heard
    assert "this holds:\nAsks: both ways" in heard
    assert links.agreed(link_of(two.north)).topics == {"grief"}
    assert links.agreed(link_of(two.south)).topics == {"grief"}


async def test_whoever_asked_reads_who_answers_and_on_which_terms(two: Two) -> None:
    """Before the six words, and with what holds: they can still say no."""
    await two.says(two.north, f"link {SOUTH_AT}", "We met in spring.", "yes")
    await two.says(two.south, f"link {NORTH_AT}", "yes", f"link {NORTH_AT}", "Welcome, all of you.")
    heard = len(said(two.north))
    await two.says(two.south, "change", "1", "grief", "yes")
    answer, words = said(two.north)[heard:]
    assert "agrees to a link with us. Their words: “Welcome, all of you.”" in answer
    assert "Topics: grief\n" in answer.split("this holds:")[0]
    assert "Topics: grief\n" in answer.split("this holds:")[1]
    assert words.startswith("Six words")


# While it stands


async def test_a_change_crosses_at_once_and_both_read_what_holds(linked: Two) -> None:
    """The other side's stewards read what is different and what holds; here both are said before."""
    two = linked
    heard = await two.says(two.north, "terms")
    assert "Their terms:\nthe same as ours" in heard
    heard = await two.says(two.north, "change", "4", "weekdays 18-21", "1")
    assert (
        "Before:\nHours: any\nFrom then on:\nHours: Monday to Friday, 18:00 to 21:00, by the clock of Berlin"
        in (heard)
    )
    assert link_of(two.north).terms.hours == ()
    assert "are changed" in await two.says(two.north, "yes")
    heard = two.south.last(STEWARDS)
    assert heard.startswith(f"“the Elm House” ({NORTH_AT}) has changed its terms.\nBefore:\nHours: any\n")
    assert "this holds:" in heard
    assert link_of(two.south).their_terms == link_of(two.north).terms
    heard = await two.says(two.south, "terms", "change", "4", "every day 20-23", "lagos")
    assert (
        "Hours: Every day, 20:00 to 23:00, by the clock of Lagos; and of these only what is within Monday to"
        " Friday, 18:00 to 21:00, by the clock of Berlin"
    ) in heard
    await two.says(two.south, "yes")
    assert [len(links.agreed(link_of(one)).hours) for one in (two.north, two.south)] == [2, 2]


@pytest.mark.parametrize(("there", "crosses"), [("1", True), ("2", False)])
async def test_what_is_chosen_is_what_crosses(linked: Two, there: str, crosses: bool) -> None:
    """An ask about burnout, where their stewards chose that, or grief alone: then it is not offered."""
    two = linked
    await two.says(two.south, "terms", "change", "1", there, "yes")
    await two.north.comes("ana")
    await two.say(two.north, "ana", "talk", "2", "1", "1", "2", "It has been a long week.")
    assert ("13. Linked communities" in await two.say(two.north, "ana", "change")) is crosses
    await two.say(two.north, "ana", *(("13", "2") if crosses else ("back",)), "1")
    assert [one.topics for one in two.north.records.all(Request)] == [("burnout",)]
    assert bool(two.north.records.all(AskAcross)) is crosses


async def test_an_ask_waits_for_the_hours_of_both(linked: Two) -> None:
    """It is not lost: in the first round within them it crosses."""
    two = linked
    await two.says(two.south, "terms", "change", "4", "fri 20-21", "skip", "yes")
    await two.north.comes("ana")
    await two.say(two.north, "ana", "talk", "2", "1", "1", "2", "It has been a long week.")
    await two.say(two.north, "ana", "change", "13", "2", "1")
    assert two.north.records.all(AskAcross) == []
    await two.wait(timedelta(hours=2))
    assert two.north.records.all(AskAcross) == []
    await two.wait(timedelta(hours=1))
    assert len(two.north.records.all(AskAcross)) == 1


async def test_a_direction_that_nobody_wants_any_more_is_not_offered(linked: Two) -> None:
    """Whoever asks for company is not asked whether people there may be asked too."""
    two = linked
    await two.north.comes("ana")
    asked = "Linked communities"
    assert asked in await two.say(two.north, "ana", "talk", "2", "1", "1", "2", "Hello.", "change")
    await two.says(two.south, "terms", "change", "2", "Only from us to them", "yes")
    assert asked not in await two.say(
        two.north, "ana", "stop", "1", "talk", "2", "1", "1", "2", "Hi.", "change"
    )


async def test_a_language_whose_code_is_a_no_is_chosen_like_any() -> None:
    """Norwegian is one."""
    two = Two()
    for one in (two.north, two.south):
        one.community = replace(one.community, talk_in=("en", "no"))
    await two.linked()
    assert "Languages: Norwegian\n" in await two.says(two.north, "terms", "change", "5", "Norwegian")
    await two.says(two.north, "yes")
    assert links.agreed(link_of(two.south)).languages == {"no"}


async def test_what_a_partner_names_is_said_whether_it_is_known_here_or_not(linked: Two) -> None:
    """A language that nobody here knows, and a zone that no clock has, as they were named."""
    two = linked
    hours = (Hours(zone="Atlantis/Sunken", days=(6, 5, 5), start=9 * 60, end=24 * 60),)
    terms = link_of(two.north).terms.model_copy(update={"languages": ("xq", "fr"), "hours": hours})
    await two.put_across(two.north, NewTerms(terms=terms))
    heard = two.south.last(STEWARDS)
    assert "Languages: xq and French\n" in heard
    assert "Saturday and Sunday, 09:00 to 00:00, by the clock of Atlantis/Sunken" in heard
    assert "there is no language that both sides name" in heard


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Honolulu"])
async def test_the_last_hour_that_terms_can_name_is_one_that_every_clock_shows(
    linked: Two, zone: str
) -> None:
    """As the first: a partner cannot name one that nobody here can read."""
    two = linked
    two.south.community = replace(two.south.community, zone=zone)
    terms = link_of(two.north).terms
    latest = 253_402_300_799
    with pytest.raises(ValueError, match="until"):
        Terms.model_validate({**terms.model_dump(), "until": latest})
    last = Terms.model_validate({**terms.model_dump(), "until": latest - 24 * 60 * 60})
    await two.put_across(two.north, NewTerms(terms=last))
    assert "has changed its terms" in two.south.last(STEWARDS)
    assert "Until: 3" in two.south.last(STEWARDS)


async def test_what_a_community_has_one_of_is_not_asked_about(two: Two) -> None:
    """Without topics of its own, and with one language, the list is shorter, and the terms say so."""
    side = two.north
    side.community = replace(side.community, topics=(), talk_in=("en",))
    heard = await two.says(side, f"link {SOUTH_AT}", "Hello.")
    assert "Topics: none, so that only asks without a topic can cross" in heard
    heard = await two.says(side, "2")
    assert "1. Which way asks go\n" in heard
    assert "Languages" not in heard
    assert "6. That is all" in heard
    assert "Until when?" in await two.says(side, "until")


async def test_more_topics_than_a_link_can_name_are_not_taken(linked: Two) -> None:
    """Twelve are; with all of twenty the steward reads how many can be, and chooses again."""
    two = linked
    two.north.community = replace(two.north.community, topics=tuple(f"topic {n}" for n in range(20)))
    assert "Please choose fewer topics, 12 at most" in await two.says(
        two.north, "terms", "change", "1", "all"
    )
    await two.says(two.north, ", ".join(str(n) for n in range(9, 21)), "yes")
    assert link_of(two.north).terms.topics == tuple(f"topic {n}" for n in range(8, 20))


async def test_what_cannot_be_seen_of_a_change_is_not_told(linked: Two) -> None:
    """Of seconds nobody reads: it counts, and says nothing."""
    two = linked
    heard = len(said(two.south))
    terms = link_of(two.north).terms
    await two.put_across(two.north, NewTerms(terms=terms.model_copy(update={"until": terms.until + 5})))
    assert link_of(two.south).their_terms != terms
    assert len(said(two.south)) == heard


async def test_one_no_leaves_all_as_it_was(linked: Two) -> None:
    """Whatever was answered on the way: nothing crosses, and a stop in the middle is one too."""
    two = linked
    before = [link_of(one).terms for one in (two.north, two.south)]
    crossed = len(two.passed)
    await two.says(two.north, "terms", "change", "3", "9", "no")
    await two.says(two.north, "terms", "change", "3", "stop")
    await two.says(two.north, "terms", "change", "3", "skip")
    await two.says(two.north, "no")
    assert [link_of(one).terms for one in (two.north, two.south)] == before
    assert len(two.passed) == crossed


async def test_of_two_stewards_none_takes_back_unseen_what_the_other_changed(linked: Two) -> None:
    """Whoever says yes to the slower recap is told that it is another by now."""
    two = linked
    side = two.north
    two.south.sends.clear()
    side.community = replace(side.community, stewards=(side.address("sam"), side.address("tess")))
    await side.stewards("sam", "tess")
    await side.steward("sam", "terms", "change", "3", "1")
    await side.steward("tess", "terms", "change", "1", "grief", "yes")
    await side.steward("sam", "yes")
    assert "has changed meanwhile, so I did nothing" in side.last(STEWARDS)
    chosen = link_of(side).terms
    assert (chosen.topics, chosen.asks_a_day) == (("grief",), 5)


async def test_back_goes_one_question_back(linked: Two) -> None:
    """From a question to the list, from the city to the hours, from the list to the whole."""
    two = linked
    assert "Which of our terms" in await two.says(two.north, "terms", "change", "4", "back")
    assert "At which hours" in await two.says(two.north, "4", "weekdays 9-12", "back")
    assert "nothing would change" in await two.says(two.north, "back", "back")


@pytest.mark.parametrize(
    ("step", "typed", "answer"),
    [
        ("1", "moon", "I did not find all of “moon” among our topics"),
        ("1", "1, 9", "I did not find all of “1, 9” among our topics"),
        ("1", "none, 1", "“No topic” does not go together with others"),
        ("2", "sideways", "a number from 1 to 4"),
        ("3", "many", "I need one number from 1 to 100 there, and I read “many”"),
        ("3", "0", "choose which way asks go"),
        ("3", "101", "from 1 to 100"),
        ("4", "now and then", "I could not read “now and then” as days and times"),
        ("4", "weekdays 18-25", "First the days, then from when to when"),
        ("5", "elvish", "among our languages"),
        ("6", "the day after", "as a day. For example"),
        ("6", "yesterday", "as a day. For example"),
        ("6", "31 february 2027", "no such date"),
        ("6", "1 june 2020", "over already"),
        ("6", "70 years", "more than 5 years away"),
        ("6", "every friday", "as a day. For example"),
        ("7", "x" * 301, "That was 301 characters"),
        ("9", "", "Please reply with one of the numbers"),
    ],
)
async def test_what_cannot_be_read_is_answered_with_what_can(
    linked: Two, step: str, typed: str, answer: str
) -> None:
    """Each by its own reason; the question stands again, and nothing is different."""
    two = linked
    question = await two.says(two.north, "terms", "change", step)
    heard = await two.says(two.north, typed) if typed else question
    assert answer in heard
    assert heard.endswith(question.split("\n", 1)[1]) or not typed
    await two.says(two.north, "stop")
    assert link_of(two.north).chosen == link_of(two.north).terms


@pytest.mark.parametrize(
    ("typed", "until"),
    [
        ("1", "2027-02-27 23:59"),
        ("30 June 2027", "2027-06-30 23:59"),
        ("until 2027-06-30", "2027-06-30 23:59"),
        ("6 months", "2027-05-27 23:59"),
        ("in a year", "2027-11-27 23:59"),
        ("three weeks", "2026-12-18 23:59"),
        ("tomorrow", "2026-11-28 23:59"),
    ],
)
async def test_until_when_is_read_as_people_write_it(linked: Two, typed: str, until: str) -> None:
    """The day is the last one, by the community's own clock."""
    two = linked
    await two.says(two.north, "terms", "change", "6", typed, "yes")
    assert local(two.north, link_of(two.north).terms.until) == until


async def test_what_members_may_have_to_report_is_read_there_as_theirs(linked: Two) -> None:
    """On one line and in quotation marks, whatever it is."""
    two = linked
    words = "Two of us teach.\nThe link stands: both sides compared the words."
    await two.says(two.north, "terms", "change", "7", words, "yes")
    heard = two.south.last(STEWARDS)
    assert "What members there may have to report: “Two of us teach. The link stands: both" in heard
    await two.says(two.north, "terms", "change", "7", "2", "yes")
    assert "From then on:\nnot said" in two.south.last(STEWARDS)


async def test_where_nothing_can_cross_the_list_says_why(linked: Two) -> None:
    """Each side names what the other does not."""
    two = linked
    await two.says(two.north, "terms", "change", "2", "2", "yes")
    await two.says(two.south, "terms", "change", "2", "2", "yes")
    assert "there is no direction in which both sides allow any" in two.north.last(STEWARDS)
    assert "No ask can cross now" in await two.says(two.north, "links")
    await two.says(two.north, "terms", "change", "2", "1", "change", "4", "mon 9-10", "1", "yes")
    await two.says(two.south, "terms", "change", "2", "1", "change", "4", "tue 9-10", "1", "yes")
    assert "there is no hour of the week that both sides name" in await two.says(two.south, "links")


async def test_new_keys_carry_the_terms_that_were_chosen(linked: Two) -> None:
    """On both sides, with no fresh year."""
    two = linked
    await two.says(two.north, "terms", "change", "3", "2", "change", "6", "3 months", "yes")
    before = link_of(two.north).terms
    await two.wait(timedelta(days=20))
    await two.says(two.north, "rotate keys", "yes", f"link {SOUTH_AT}", "1")
    await two.says(two.south, f"link {NORTH_AT}", "1")
    assert link_of(two.north).epochs[0].number == link_of(two.south).epochs[0].number == 2
    assert link_of(two.north).terms == link_of(two.south).their_terms == before
    assert "has changed its terms" not in two.south.last(STEWARDS)


async def test_terms_that_come_with_new_keys_are_told_as_any(linked: Two) -> None:
    """A partner's first step to keys says its terms too: other ones are not taken unsaid."""
    two = linked
    link = link_of(two.north)
    await two.north.records.put(replace(link, chosen=link.terms.model_copy(update={"asks_a_day": 2})))
    await two.says(two.north, "rotate keys", "yes")
    assert any("From then on:\nAt most 2 asks each way" in body for body in said(two.south))


async def test_a_change_while_keys_are_made_is_not_lost(linked: Two) -> None:
    """Ours confirmed the new ones already, and theirs have not: both say the same in the end."""
    two = linked
    await two.says(two.north, "rotate keys", "yes", f"link {SOUTH_AT}", "1")
    await two.says(two.north, "terms", "change", "3", "1", "yes")
    assert "At most 1 ask each way" in two.south.last(STEWARDS)
    await two.says(two.south, f"link {NORTH_AT}", "1")
    assert link_of(two.south).their_terms == link_of(two.north).terms
    assert link_of(two.south).their_terms.asks_a_day == 1  # type: ignore[union-attr]


async def test_what_changed_while_their_program_was_away_is_said_when_it_is_back(linked: Two) -> None:
    """Here it holds at once, and the stewards are told that it is not there."""
    two = linked
    room = link_of(two.north).room
    assert room is not None
    await two.north.event(LinkRoom(EventId("$away"), room, SOUTH_AT, False))
    heard = await two.says(two.north, "terms", "change", "3", "1", "yes")
    assert "It is told when it is back" in heard
    assert two.south.records.all(Link)[0].their_terms != link_of(two.north).terms
    await two.north.event(LinkRoom(EventId("$back"), room, SOUTH_AT, True))
    await two.carry()
    assert link_of(two.south).their_terms == link_of(two.north).terms
    assert "has changed its terms" in two.south.last(STEWARDS)


# What the configuration allows


async def test_where_the_configuration_comes_to_allow_less_the_stricter_crosses(linked: Two) -> None:
    """At the next start, and both rooms read it; what was chosen is not forgotten when it is back."""
    two = linked
    all_of_it = two.north.community
    two.north.community = replace(all_of_it, topics=("grief",))
    heard = await restarts(two.north)
    assert "Our settings are others now" in heard
    assert "From then on:\nTopics: grief" in heard
    await two.carry()
    assert link_of(two.south).their_terms == link_of(two.north).terms
    assert link_of(two.north).terms.topics == ("grief",)
    assert "has changed its terms" in two.south.last(STEWARDS)
    assert await restarts(two.north) == ""
    two.north.community = all_of_it
    await restarts(two.north)
    await two.carry()
    assert links.agreed(link_of(two.south)).topics == set(all_of_it.topics)


async def test_other_ages_cross_only_after_a_stewards_yes(linked: Two) -> None:
    """An age line drawn elsewhere leaves nobody to ask for; a community for more people does not add them."""
    two = linked
    for one in (two.north, two.south):
        one.community = replace(one.community, ages="both")
        assert await restarts(one) == ""
    two.north.community = replace(two.north.community, adult_from=21)
    heard = await restarts(two.north)
    await two.carry()
    assert "For: nobody now" in heard
    assert "people are adults from another age on there than here" in heard
    two.south.community = replace(two.south.community, adult_from=21)
    await restarts(two.south)
    await two.carry()
    assert links.agreed(link_of(two.south)).ages == frozenset()
    for one in (two.north, two.south):
        heard = await two.says(one, "terms", "change", "8")
        assert "For: adults (from 21 years on) and young people (below 21 years)" in heard
        await two.says(one, "yes")
    assert links.agreed(link_of(two.south)).ages == {"adults", "young"}


async def test_a_topic_that_came_later_waits_for_the_stewards(linked: Two) -> None:
    """What a community adds to its list crosses when its stewards said so."""
    two = linked
    two.north.community = replace(two.north.community, topics=("burnout", "grief", "moving"))
    await restarts(two.north)
    assert "moving" not in link_of(two.north).terms.topics
    await two.says(two.north, "terms", "change", "1", "all", "yes")
    assert link_of(two.north).terms.topics == ("burnout", "grief", "moving")


# The end, and what a partner can do with it


async def test_the_end_is_told_two_weeks_before_and_can_be_put_off(linked: Two) -> None:
    """To both sides, each whose terms it is by; a later day on both, and the link goes on."""
    two = linked
    await two.says(two.north, "terms", "change", "6", "3 months", "yes")
    await two.wait(timedelta(days=79))
    assert "ends by our terms: Saturday 27 February, 23:59 Berlin" in two.north.last(STEWARDS)
    assert "ends by their terms: Saturday 27 February, 23:59 Berlin" in two.south.last(STEWARDS)
    heard = [len(said(one)) for one in (two.north, two.south)]
    await two.wait(timedelta(days=2))
    assert [len(said(one)) for one in (two.north, two.south)] == heard
    await two.says(two.north, "terms", "change", "6", "1 year", "yes")
    await two.wait(timedelta(days=20))
    assert link_of(two.north).state is link_of(two.south).state is LinkState.LIVE


async def test_a_link_whose_time_has_come_ends_on_both_sides(linked: Two) -> None:
    """By the earlier of the two; the stewards are told, and nothing of it is left."""
    two = linked
    await two.says(two.north, "terms", "change", "6", "10 days", "yes")
    assert "ends by our terms" not in "\n".join(said(two.north))
    await two.wait(timedelta(days=11))
    for one in (two.north, two.south):
        assert "is over: its time has passed" in one.last(STEWARDS)
        assert one.records.all(Link) == []


async def test_a_partner_that_changes_things_all_the_time_does_not_fill_the_room(linked: Two) -> None:
    """Six are told in a day, the last with a word that more may come; each counts at once all the same."""
    two = linked
    heard = len(said(two.south))
    for at in range(20):
        asks = link_of(two.north).terms.model_copy(update={"asks_a_day": 1 + at})
        await two.put_across(two.north, NewTerms(terms=asks))
        await two.put_across(two.north, Pause(paused=at % 2 == 0))
    told = said(two.south)[heard:]
    assert len(told) == links.TOLD_A_DAY
    assert "I say no more of that here until tomorrow" in told[-1]
    their = link_of(two.south).their_terms
    assert their is not None
    assert their.asks_a_day == 20
    await two.wait(timedelta(days=1))
    await two.put_across(two.north, Pause(paused=True))
    assert "has paused the link" in two.south.last(STEWARDS)


async def test_an_end_that_a_partner_moves_all_the_time_does_not_fill_the_room(linked: Two) -> None:
    """An end that is near is told as a change of theirs; past the limit none is, and none is due for ever."""
    two = linked
    heard = len(said(two.south))
    soon = int((two.north.now + timedelta(days=10)).timestamp())
    for at in range(20):
        terms = link_of(two.north).terms.model_copy(update={"until": soon - at})
        await two.put_across(two.north, NewTerms(terms=terms))
        await two.wait(timedelta(minutes=1))
    assert len(said(two.south)[heard:]) == links.TOLD_A_DAY
    assert link_of(two.south).told_until == links.agreed(link_of(two.south)).until
    due = link_of(two.south).due_at
    assert due is not None
    assert due > two.south.now


async def test_a_pause_does_not_stand_for_the_word_that_the_end_is_near(linked: Two) -> None:
    """What was told without the hour of the end leaves that to be told."""
    two = linked
    until = links.agreed(link_of(two.south)).until
    two.north.now = two.south.now = until - links.NOTICE + timedelta(minutes=1)
    await two.put_across(two.north, Pause(paused=True))
    assert "has paused the link" in two.south.last(STEWARDS)
    assert link_of(two.south).told_until is None


async def test_the_whole_of_it_in_spanish() -> None:
    """What stewards type is understood in their language, and in English."""
    two = Two(north=side(community("es"), NORTH_AT, 1, "es"))
    await two.linked()
    await two.says(two.north, "condiciones", "cambiar", "hasta cuándo", "hasta el 30 de junio de 2027")
    assert "Antes:\nHasta:" in two.north.last(STEWARDS)
    await two.says(two.north, "cambiar", "horas", "laborables 18-21", "saltar", "sí")
    terms = link_of(two.north).terms
    assert local(two.north, terms.until) == "2027-06-30 23:59"
    assert [one.days for one in terms.hours] == [(0, 1, 2, 3, 4)]
    assert link_of(two.south).their_terms == terms
    await two.says(two.north, "terms", "change", "idiomas", "español", "yes")
    assert link_of(two.south).their_terms.languages == ("es",)  # type: ignore[union-attr]


def test_every_word_for_it_is_in_the_menu_of_the_list() -> None:
    """A steward finds `terms` where the links are listed, in each language."""
    for language in WORDS.languages:
        for word in (steward.COMMANDS[name].words for name in ("terms", "pause", "resume", "rotate", "cut")):
            shown = re.split(r" *\| *", WORDS.text(language, word))[0]
            assert f"“{shown}”" in WORDS.text(language, "link.can")


@pytest.mark.parametrize(
    ("language", "pauses", "resumes"),
    [
        ("en", "“pause” and the address", "“resume” and the address"),
        ("es", "“pausa” y la dirección", "“seguir” y la dirección"),
    ],
)
def test_the_list_names_the_address_behind_what_alone_is_for_the_whole_service(
    language: str, pauses: str, resumes: str
) -> None:
    """A steward who pauses one link does not pause everybody, also where it is the only one."""
    said = WORDS.text(language, "link.can")
    assert pauses in said
    assert resumes in said
