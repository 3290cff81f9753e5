"""Asking for company: each step, skipped, gone back from, changed, and interrupted."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schema.ids import EventId
from schema.records import Request
from tests.handlers.story import COMMUNITY, Story


async def test_one_number_and_one_more_and_the_request_stands(story: Story) -> None:
    """The short way: from the menu 1, then 1, with what is usual."""
    await story.comes("ana")
    recap = await story.say("ana", "1")
    assert "What would help: not sure yet." in recap
    assert "I do not ask people who must report" in recap
    assert "Without a yes I ask nobody" in recap
    assert not story.records.all(Request)
    await story.say("ana", "1")
    request = story.the_request()
    assert (request.wish, request.topics, request.length, request.note, request.reporters) == (
        "unsure",
        (),
        timedelta(hours=1),
        "",
        False,
    )
    assert request.consent is not None
    assert request.consent.words in recap


async def test_a_number_that_was_sent_twice_asks_nobody(story: Story) -> None:
    """The same number at once may be one sent twice: the recap comes again."""
    await story.comes("ana")
    await story.say("ana", "1")
    assert "just as you wrote" in await story.say("ana", "1", after=1)
    assert not story.records.all(Request)
    await story.say("ana", "1")
    assert len(story.records.all(Request)) == 1


async def test_from_the_short_way_one_thing_is_changed_and_the_rest_is_as_usual(story: Story) -> None:
    """`change` at the recap leads to the one thing; then the second number changes more; `back` keeps it."""
    await story.says("ana", "talk", "change", "1")
    assert "What would help: listening." in await story.say("ana", "1")
    assert "2. Change something" in story.last("ana")
    assert "What would you like to change?" in await story.say("ana", "back")
    assert "What would help: listening." in await story.say("ana", "back")
    await story.say("ana", "1")
    assert (story.the_request().wish, story.the_request().note) == ("listening", "")


async def test_saying_more_can_be_broken_off_by_back(story: Story) -> None:
    """The first question leads back to the recap, and the recap to the menu."""
    assert "What would help?" in await story.says("ana", "talk", "2")
    assert "This is what I would ask" in await story.say("ana", "back")
    answer = await story.say("ana", "back")
    assert "There was no question before that one" in answer
    assert "1. Talk with someone" in answer


async def test_the_short_way_survives_a_restart(story: Story) -> None:
    """The recap lies with the member: a yes after a restart is a yes to it."""
    await story.say("ana", "talk")
    again = Story(records=story.records, now=story.now)
    await again.say("ana", "yes")
    assert again.the_request().wish == "unsure"


async def test_change_without_a_request_says_so(story: Story) -> None:
    """Nothing is open that could be changed."""
    assert "nothing to change" in await story.say("ana", "change")


async def test_every_step_can_be_skipped(story: Story) -> None:
    """Skipping all of it makes a request of what is usual."""
    await story.says("ana", "talk", "more", "skip", "skip", "skip", "skip", "yes")
    request = story.the_request()
    assert (request.wish, request.topics, request.length, request.note) == (
        "unsure",
        (),
        timedelta(hours=1),
        "",
    )
    assert not request.reporters


async def test_topics_are_numbers_or_words(story: Story) -> None:
    """Several numbers at once, a word alone, and nothing that is not on the list."""
    await story.says("ana", "talk", "more", "1", "1, 3")
    await story.says("ana", "2", "skip", "yes")
    assert story.the_request().topics == ("burnout", "thoughts of suicide")
    other = Story()
    await other.says("ana", "talk", "more", "1", "1 9")
    assert other.member("ana").prompt is not None
    assert "I could not read a topic in that" in other.last("ana")
    await other.says("ana", "Grief.", "2", "skip", "yes")
    assert other.the_request().topics == ("grief",)


async def test_back_goes_to_the_question_before(story: Story) -> None:
    """From the note back to the first question, to the recap, and out."""
    await story.says("ana", "talk", "more", "1", "1", "2", "back", "back", "back")
    assert "What would help?" in story.last("ana")
    await story.says("ana", "back")
    assert "This is what I would ask" in story.last("ana")
    await story.says("ana", "back")
    assert "There was no question before that one" in story.last("ana")
    assert not story.records.all(Request)


async def test_a_change_from_the_recap_comes_back_to_it(story: Story) -> None:
    """One thing is changed, the rest stays."""
    await story.says("ana", "talk", "more", "1", "1", "2", "long week", "2", "5", "2")
    assert "I may ask people who must report" in story.last("ana")
    await story.says("ana", "2", "3", "1")
    assert "30 minutes" in story.last("ana")
    assert "“long week”" in story.last("ana")
    await story.says("ana", "yes")
    assert story.the_request().reporters


async def test_a_note_takes_words_that_are_commands_elsewhere(story: Story) -> None:
    """A person's own words may be any; only the ways out are kept free."""
    await story.says("ana", "talk", "more", "1", "1", "2", "hello, I want to talk", "yes")
    assert story.the_request().note == "hello, I want to talk"
    other = Story()
    await other.says("ana", "talk", "more", "1", "1", "2", "help now")
    assert "Night line" in other.last("ana")
    await other.says("ana", "x" * 501)
    assert "501 characters, and 500 fit" in other.last("ana")


async def test_a_draft_is_in_the_record_and_so_survives_a_restart(story: Story) -> None:
    """What was answered lies with the member, not in the process."""
    await story.says("ana", "talk", "more", "1", "1")
    again = Story(records=story.records, now=story.now)
    await again.says("ana", "2", "skip")
    assert "What would help: listening." in again.last("ana")


async def test_only_one_request_stands(story: Story) -> None:
    """Asking twice says that it stands already."""
    await story.asks("ana")
    await story.says("ana", "talk")
    assert "You have asked already" in story.last("ana")
    assert len(story.records.all(Request)) == 1


async def test_an_edit_never_counts_and_is_told_so(story: Story) -> None:
    """Rule 9: an edit is no answer."""
    await story.says("ana", "talk", "more", "1", "1", "2", "skip")
    assert "edited" in await story.say("ana", "yes", edits=True)
    assert not story.records.all(Request)


async def test_a_quoted_reply_answers_no_binding_question(story: Story) -> None:
    """Rule 9: which question a quote means is not known, so that it answers none that binds."""
    await story.says("ana", "talk", "more", "1", "1", "2", "skip")
    answer = await story.say(
        "ana", "> <@desk:example.org> This is what I would ask\n\nyes", quotes=EventId("$x")
    )
    assert "quotes another message" in answer
    assert not story.records.all(Request)
    await story.says("ana", "yes")
    assert len(story.records.all(Request)) == 1


async def test_a_notice_is_never_answered(story: Story) -> None:
    """Rule 11: two services must not talk for ever."""
    assert await story.say("bot", "I am a bot", kind="notice") == ""
    assert not story.records.rows


async def test_one_line_says_it_all(story: Story) -> None:
    """In any order, understood, shown again, and asked after one yes."""
    answer = await story.say("ana", "Talk 2h, burnout, listening")
    assert "What would help: listening." in answer
    assert "About: burnout." in answer
    assert "for up to 2 hours" in answer
    assert not story.records.all(Request)
    await story.say("ana", "1")
    request = story.the_request()
    assert (request.wish, request.topics, request.length) == ("listening", ("burnout",), timedelta(hours=2))
    assert request.note == ""


async def test_what_was_not_understood_is_named_and_goes_nowhere(story: Story) -> None:
    """Only its writer sees the word again; two of a kind, and a length out of bounds, are left out."""
    assert "I did not understand: “bernot”." in await story.say("ana", "talk listening bernot")
    await story.say("ana", "stop")
    assert "I took none: “30m” and “1h”." in await story.say("ana", "talk 30m 1h")
    await story.say("ana", "stop")
    assert "I can ask for 10 minutes to 3 days" in await story.say("ana", "talk 9 days")
    await story.says("ana", "1")
    request = story.the_request()
    assert (request.wish, request.topics, request.length) == ("unsure", (), timedelta(hours=1))
    assert request.note == ""


@pytest.mark.parametrize("words", ["talk to me please", "talk I can't go on", "TALK about everything please"])
async def test_a_sentence_that_begins_with_talk_leads_to_the_recap(story: Story, words: str) -> None:
    """It is not an odd message: the short way begins, and nothing of the words is taken or kept."""
    await story.comes("ana")
    answer = await story.say("ana", words)
    assert "What would help: not sure yet." in answer
    assert "1. Yes, ask now" in answer
    assert words not in str(story.records.rows)


async def test_a_sentence_in_answer_to_a_question_is_no_request(story: Story) -> None:
    """In the middle of something else the question comes again; in a note the words are the note."""
    await story.says("ana", "talk", "2", "1", "1")
    assert "I could not read a length of time" in await story.say("ana", "talk is what I never get to do")
    await story.says("ana", "2", "talk listening 2h")
    assert "“talk listening 2h”" in story.last("ana")


async def test_what_would_help_is_all_there(story: Story) -> None:
    """Eight things, in groups that can be read aloud; each stands in the ask in the same words."""
    asked = await story.says("ana", "talk", "2")
    assert [len(group.split("\n")) for group in asked.split("\n\n")[1:]] == [4, 4]
    await story.comes("ben")
    await story.offers("ben")
    assert "done together." in await story.says("ana", "4", "skip", "skip", "skip")
    await story.say("ana", "yes")
    assert story.the_request().wish == "task"
    assert "a form, a call or an appointment, done together." in story.last("ben")


async def test_lengths_go_from_half_an_hour_to_days_of_letters(story: Story) -> None:
    """Up to the community's longest; the plain length is an answer too."""
    asked = await story.says("ana", "talk", "change", "3")
    assert [line for line in asked.split("\n") if line[0].isdigit()] == [
        "1. 30 minutes",
        "2. 1 hour",
        "3. 2 hours",
        "4. 1 day, for letters without hurry",
        "5. 3 days, for letters without hurry",
    ]
    assert "for up to 3 days" in await story.say("ana", "3 days")
    short = Story(
        community=replace(COMMUNITY, timings=replace(COMMUNITY.timings, longest=timedelta(hours=1)))
    )
    assert "2. 1 hour" in await short.says("ana", "talk", "change", "3")
    assert "2 hours" not in short.last("ana")


async def test_only_people_who_share_it_are_asked_where_that_is_wished() -> None:
    """Ben is open to anything, Cleo named grief: she alone is asked. Ana hears the same without her."""
    said = []
    for there in (True, False):
        story = Story()
        await story.comes("ben")
        await story.offers("ben", hours="4")
        await story.comes("cleo")
        await story.says("cleo", "offer", "3", "2" if there else "1", "skip", "2", "yes")
        await story.comes("ana")
        assert "can take longer, or find nobody" in await story.says("ana", "talk grief", "change", "9")
        assert "I ask only people who named one of these themselves." in await story.say("ana", "2")
        await story.say("ana", "yes")
        said.append(story.last("ana"))
        asked = [name for name in ("ben", "cleo") if "Someone asks for company" in story.last(name)]
        assert asked == (["cleo"] if there else [])
        await story.wait(timedelta(minutes=11))
        said.append(story.last("ana"))
    assert said[:2] == said[2:]
    assert "I am looking for people whom this fits" in said[0]
    assert "No answer yet" in said[1]


async def test_without_topics_there_is_nothing_to_share(story: Story) -> None:
    """The choice is not there."""
    assert "Only people who share" not in await story.says("ana", "talk", "change")


async def test_voice_is_said_in_the_question_and_the_recap(story: Story) -> None:
    """Welcome, not wanted: the two decide in the room."""
    await story.comes("ben")
    await story.offers("ben")
    await story.comes("ana")
    assert "or by voice if you both like" in await story.says("ana", "talk listening voice")
    await story.say("ana", "yes")
    assert "In writing, or by voice if you both like, for up to 1 hour." in story.last("ben")
    assert story.the_request().voice
    assert "or by voice" in await story.say("ana", "what do you hold")


async def test_how_i_talk_is_read_with_the_note_and_by_both_when_the_room_opens(story: Story) -> None:
    """Not in the question that everyone asked sees."""
    await story.comes("ben")
    await story.offers("ben")
    await story.comes("ana")
    asked = await story.says("ana", "talk", "change", "8")
    assert "it may tell them who you are" in asked
    assert "keep this for the next time" in await story.say("ana", "1, 5")
    recap = await story.say("ana", "1")
    assert "How you talk, for whoever reads your words: slowly and no questions please." in recap
    await story.say("ana", "yes")
    assert "slowly" not in story.last("ben")
    assert "How they talk: slowly and no questions please." in await story.say("ben", "yes")
    assert "slowly and no questions" in await story.say("ana", "what do you hold")
    await story.say("ben", "yes")
    await story.say("ana", "back")
    await story.say("ana", "yes")
    assert "How the other person talks: slowly and no questions please." in story.last("ben")
    assert "They know how you talk: slowly and no questions please." in story.last("ana")
    assert story.member("ana").how == ()
    await story.says("ana", "close")
    assert "slowly" not in await story.say("ana", "talk")


async def test_how_i_talk_is_kept_where_that_is_wished_and_changed_again(story: Story) -> None:
    """It stands in the next recap, in what is held, and goes with one answer or with forget me."""
    await story.says("ana", "talk", "change", "8", "3", "2")
    assert story.member("ana").how == (), "nothing is kept before the yes"
    await story.says("ana", "yes", "stop")
    assert "How you talk, for the next time you ask" in await story.say("ana", "what do you hold")
    assert "with a speech device." in await story.say("ana", "talk")
    await story.says("ana", "1")
    await story.wait(timedelta(days=1))
    await story.says("ana", "look again")
    assert story.the_request().how == ("device",), "taken up again it is the same"
    assert story.member("ana").how == ("device",)
    await story.says("ana", "stop", "talk", "change", "8", "none", "1", "yes")
    assert story.member("ana").how == ()
    assert story.the_request().how == ()


async def test_what_it_is_about_can_be_said_in_own_words(story: Story) -> None:
    """They go where one person at a time reads them, and not to everybody who is asked."""
    await story.comes("ben")
    await story.offers("ben")
    asked = await story.says("ana", "talk", "more", "1")
    assert "write it in your own words. Those are not read by everyone I ask" in asked
    said = await story.say("ana", "my dog died, and nobody understands")
    assert "I keep that as your own words" in said
    assert "How long would you like" in said
    recap = await story.say("ana", "skip")
    assert "“my dog died, and nobody understands”" in recap, "nothing is asked that was said"
    assert "About:" not in recap
    await story.say("ana", "yes")
    assert not any("dog" in body for _, body, _ in story.heard("ben"))
    assert "my dog died" in await story.say("ben", "yes")


async def test_own_words_about_it_stand_beside_those_that_were_there(story: Story) -> None:
    """Nothing that a person wrote goes; too much of it is said, and asked for again."""
    await story.says("ana", "talk", "change", "my words", "It was a hard winter.")
    await story.says("ana", "change", "what it is about", "x" * 480)
    assert "What is it about?" in story.last("ana")
    assert "500 fit" in story.last("ana")
    recap = await story.say("ana", "the cold")
    assert "“It was a hard winter.\nthe cold”" in recap


async def test_topics_can_be_named_in_words_and_a_number_that_is_none_is_no_word(story: Story) -> None:
    """What the community has a name for is that, however it is typed."""
    await story.says("ana", "talk", "change", "what it is about")
    assert "I could not read a topic in that" in await story.say("ana", "1 9")
    assert "About: burnout and grief." in await story.say("ana", "Burnout and grief, please")
    await story.say("ana", "yes")
    assert story.the_request().note == ""


@pytest.mark.parametrize("line", ["talk listening divorce", "talk I do not know where to begin"])
async def test_what_one_line_cannot_hold_has_a_place_that_is_named(story: Story, line: str) -> None:
    """Whoever wrote more than was understood reads how somebody can read it."""
    said = await story.say("ana", line)
    assert "write “change”, and choose “My words”" in said
    await story.says("ana", "change", "my words", "It is about my divorce.")
    assert "“It is about my divorce.”" in story.last("ana")


@pytest.mark.parametrize("way", [("talk greif 1 hour",), ("talk", "2", "2", "greif")])
async def test_a_topic_with_one_slip_is_taken_and_named_as_it_was_read(
    story: Story, way: tuple[str, ...]
) -> None:
    """In one line and where topics are asked for; the recap has it, and nobody was asked yet."""
    await story.comes("ana")
    said = await story.says("ana", *way)
    assert "I read “greif” as grief. If you mean something else, write “change”." in said
    if len(way) > 1:
        said = await story.says("ana", "skip", "skip")
    assert "About: grief." in said
    assert not story.records.all(Request)


async def test_a_sentence_is_answered_with_how_a_line_is_understood(story: Story) -> None:
    """Nothing of it is kept, and the member reads what would be."""
    await story.comes("ana")
    said = await story.say("ana", "talk I am so tired and my mother died and nobody is here")
    assert "In one line I understand short words, such as “talk listening 1 hour”." in said
    assert "About" not in said
