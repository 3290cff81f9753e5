"""Setting a check-in up in words and by numbers, and everything that can be done with one."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from schema.effects import Withdraw
from schema.records import CheckIn, Rhythm
from schema.states import CheckInState
from service.core import checkins
from tests.handlers.story import START, Story
from tests.handlers.test_checkin import DAILY, FIRST, QUESTION, standing, there, until

DAILY_EVENING = replace(DAILY, minute=20 * 60)


async def set_up(story: Story, *words: str) -> str:
    """Ana is here, lives in Berlin, and sets up a check-in up to its recap."""
    if ("members", story.id("ana")) not in story.records.rows:
        await story.comes("ana")
        await story.says("ana", "my city", "Berlin")
    return await story.says("ana", "new check-in", *words)


@pytest.mark.parametrize(
    ("words", "rhythm", "times"),
    [
        (
            "every friday 17:30",
            "every Friday at 17:30",
            ["Friday 27 November, 17:30", "Friday 4 December, 17:30", "Friday 11 December, 17:30"],
        ),
        (
            "weekdays at 9",
            "at 09:00",
            ["Monday 30 November, 09:00", "Tuesday 1 December, 09:00", "Wednesday 2 December, 09:00"],
        ),
        (
            "every 3 days at 20:30",
            "every 3 days at 20:30",
            ["Friday 27 November, 20:30", "Monday 30 November, 20:30", "Thursday 3 December, 20:30"],
        ),
        (
            "first monday of the month 10:00",
            "on the first Monday at 10:00",
            ["Monday 7 December, 10:00", "Monday 4 January, 10:00"],
        ),
        ("tomorrow 8am", "once", ["Saturday 28 November, 08:00"]),
        ("once on 3 December 14:00", "once", ["Thursday 3 December, 14:00"]),
    ],
)
async def test_when_is_said_in_words_and_repeated_with_its_next_times(
    story: Story, words: str, rhythm: str, times: list[str]
) -> None:
    """Each time with its weekday, date, zone and distance; nothing is there before the yes."""
    recap = await set_up(story, words)
    lines = recap.split("\n")
    assert rhythm in lines[0]
    found = [line for line in lines if " Berlin (in " in line]
    assert [line.split(" Berlin")[0] for line in found] == times
    assert not story.records.all(CheckIn)
    answer = await story.say("ana", "1")
    begins = "It" if rhythm.startswith("once") else "The first one"
    assert f"{begins} comes on {times[0]} Berlin" in answer
    assert story.checkin_of("ana").state is CheckInState.WAITING


async def test_an_hour_alone_moves_the_hour_and_the_days_stay(story: Story) -> None:
    """Where it comes every friday, 22:30 is friday at 22:30; so is midnight."""
    await set_up(story, "every friday 17:00", "yes")
    for typed, hour in (("22:30", "22:30"), ("0:00", "00:00"), ("7 pm", "19:00")):
        recap = await story.says("ana", "change my check-in", "1", typed)
        assert f"I would write to you every Friday at {hour}." in recap
        await story.says("ana", "yes")
    assert (story.checkin_of("ana").rhythm.minute, story.checkin_of("ana").rhythm.days) == (19 * 60, (4,))


@pytest.mark.parametrize(
    ("words", "typed", "said"),
    [
        ("every 2 weeks on friday 17:00 from 11 december", "9:00", "at 09:00, from 11 December 2026"),
        ("every friday 17:00 from 11 december", "9:00", "every Friday at 09:00, from 11 December 2026"),
        ("every day at 9", "22:30", "every day at 22:30."),
        ("once on 3 December 14:00", "8:00", "Thursday 3 December, 08:00 Berlin"),
    ],
)
async def test_another_hour_keeps_the_day_from_which_it_counts(
    story: Story, words: str, typed: str, said: str
) -> None:
    """Also where that was said; what comes daily comes tonight already."""
    await set_up(story, words, "yes")
    assert said in await story.says("ana", "change my check-in", "1", typed)


async def test_of_several_the_one_that_is_shown_is_moved(story: Story) -> None:
    """“move it to 10:30” is about what they look at; where they look at none, it is asked."""
    await set_up(story, "every friday 17:00", "yes")
    await set_up(story, "every monday 17:00", "yes")
    assert "Which one?" in await story.say("ana", "make it 10:30")
    await story.say("ana", "1")
    assert "every Monday at 10:30" in await story.say("ana", "move it to 10:30")


async def test_what_comes_again_and_says_nothing_else_needs_no_word_before_it(story: Story) -> None:
    """It is repeated before the yes; one time alone could mean anything."""
    await story.comes("ana")
    await story.says("ana", "my city", "Berlin")
    assert "I would write to you every Friday at 17:30." in await story.say("ana", "every friday 17:30")
    await story.say("ana", "no")
    assert "I would write" not in await story.say("ana", "tomorrow at 9")


async def test_move_takes_the_hour_or_the_days_behind_it(story: Story) -> None:
    """One line moves it, and is repeated; what is no time moves nothing."""
    await set_up(story, "every friday 17:00", "yes")
    assert "every Friday at 22:30." in await story.says("ana", "move to 22:30")
    assert "every Sunday at 10:00." in await story.says("ana", "move my check-in to sundays at 10")
    await story.says("ana", "yes")
    assert "I would write to you" not in await story.says("ana", "move on is hard")
    assert story.checkin_of("ana").rhythm == Rhythm("weeks", date(2026, 11, 29), 600, days=(6,))


@pytest.mark.parametrize(
    ("numbers", "rhythm"),
    [
        (("1", "3"), "every day at 17:00"),
        (("2", "9:30"), "at 09:30"),
        (("3", "1 4", "8 pm"), "every Monday and Thursday at 20:00"),
        (("4", "2", "1"), "once:\nSaturday 28 November, 08:00"),
    ],
)
async def test_when_is_said_by_numbers(story: Story, numbers: tuple[str, ...], rhythm: str) -> None:
    """One question a message; an hour can be typed too."""
    assert rhythm in await set_up(story, *numbers)
    await story.say("ana", "yes")
    assert story.records.all(CheckIn)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("remind me tomorow at 9am", "Saturday 28 November, 09:00 Berlin"),
        ("check in in 20 minutes", "Friday 27 November, 17:23 Berlin"),
        ("remind me in 2 hours", "Friday 27 November, 19:03 Berlin"),
    ],
)
async def test_a_slip_is_read_and_so_is_a_time_from_now(story: Story, typed: str, said: str) -> None:
    """It is never sooner than was said, and is repeated before the yes."""
    await story.comes("ana")
    await story.says("ana", "my city", "Berlin")
    recap = await story.says("ana", typed)
    assert "I would write to you once:" in recap
    assert said in recap


@pytest.mark.parametrize(
    ("typed", "asks", "when"),
    [
        ("remind me to take my Meds every day at 9", "take my Meds", "every day at 09:00"),
        ("remind me every friday at 17:30 to call Mum", "call Mum", "every Friday at 17:30"),
        ("Check in with me about the exam tomorrow 8am", "the exam", "Saturday 28 November, 08:00"),
        ("remind me that it passes at night every day at 9", "it passes", "every day at 21:00"),
    ],
)
async def test_what_it_is_about_can_stand_beside_when(story: Story, typed: str, asks: str, when: str) -> None:
    """In one line, also where the city is asked for first; the recap repeats both before the yes."""
    await story.comes("ana")
    await story.say("ana", typed)
    recap = await story.say("ana", "Berlin")
    assert f"I would ask: “{asks}”" in recap
    assert when in recap


@pytest.mark.parametrize("typed", ["remind me to breathe", "check in every blue friday at 9"])
async def test_what_is_half_about_when_is_not_read(story: Story, typed: str) -> None:
    """Where nothing, or more than that, says when, examples follow as ever."""
    await story.comes("ana")
    await story.says("ana", "my city", "Berlin")
    assert "When shall I write to you?" in await story.say("ana", typed)


async def test_the_city_is_asked_for_and_never_guessed(story: Story) -> None:
    """Before any hour is read; what was typed with the command is taken then."""
    await story.comes("ana")
    assert "In which city do you live?" in await story.say("ana", "check in every friday 17:00")
    recap = await story.say("ana", "sao paulo")
    assert "Friday 27 November, 17:00 Sao Paulo (in 4 hours)" in recap
    await story.say("ana", "yes")
    assert story.checkin_of("ana").zone == "America/Sao_Paulo"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("every friday in the morning at 19:00", "I could not find a time of day in that."),
        ("every blurgday 17:00", "I do not know the word “blurgday” there."),
        ("yesterday 17:00", ""),
        ("every hour", ""),
        ("xyz", ""),
    ],
)
async def test_what_cannot_be_read_gets_examples(story: Story, words: str, why: str) -> None:
    """No blame, nothing lost: the question again, with its examples."""
    answer = await set_up(story, words)
    assert why in answer
    assert "For example: every friday 17:00;" in answer
    assert "invalid" not in answer.casefold()
    assert "1. Yes, begin" in await story.say("ana", "every friday 17:00")


@pytest.mark.parametrize(
    ("said", "shown", "typed", "read"),
    [
        ("every morning", "1. 07:00\n", "7ish", "every day at 07:00"),
        ("every morning", "", "at 7", "every day at 07:00"),
        ("every morning", "", "7", "every day at 07:00"),
        ("every morning", "", "around 7 please", "every day at 07:00"),
        ("every morning", "4. 10:00", "2", "every day at 08:00"),
        ("every morning", "", "19:00", "every day at 19:00"),
        ("every morning", "", "every friday 17:30", "every Friday at 17:30"),
        ("every evening", "1. 17:00\n2. 18:00", "7", "every day at 19:00"),
        ("tonight", "1. 18:00\n", "8", "Friday 27 November, 20:00"),
        ("every friday", "1. 08:00\n2. 12:00", "5 pm", "every Friday at 17:00"),
        ("first monday of the month", "", "10", "on the first Monday at 10:00"),
        ("every 3 days", "", "half past 8", "every 3 days at 08:30"),
    ],
)
async def test_a_time_without_its_hour_is_kept_and_the_hour_asked_for(
    story: Story, said: str, shown: str, typed: str, read: str
) -> None:
    """Nobody has to say again what was understood; the hours that are shown are such that it can have."""
    asked = await set_up(story, said)
    assert f"“{said}”: at what time?" in asked
    assert shown in asked
    assert asked.split("\n1. ")[0].count("\n") == 0
    recap = await story.say("ana", typed)
    assert read in recap
    assert "1. Yes, begin" in recap


async def test_what_it_is_about_is_kept_with_a_time_that_lacks_its_hour(story: Story) -> None:
    """In one line, as it is where the hour is there; what is no hour is asked for again."""
    await set_up(story, "stop")
    asked = await story.say("ana", "remind me to take my meds every day")
    assert "“every day”: at what time?" in asked
    again = await story.say("ana", "when the moon is full")
    assert "I could not read that as a time of day." in again
    assert "“every day”: at what time?" in again
    recap = await story.say("ana", "9")
    assert "every day at 09:00" in recap
    assert "I would ask: “take my meds”" in recap
    await story.say("ana", "no")
    await story.say("ana", "check in every morning")
    assert "For example: every friday 17:00;" in await story.say("ana", "back")


async def test_its_own_words_or_the_communitys(story: Story) -> None:
    """What it asks is chosen or written; it is shown in the recap, and comes as it is."""
    story.community = replace(story.community, questions=("Did you drink some water?",))
    await set_up(story, "every day 17:00", "change")
    choices = await story.say("ana", "what it asks")
    assert f"1. {QUESTION}\n2. Did you drink some water?" in choices
    assert "I would ask: “Did you drink some water?”" in await story.say("ana", "2")
    await story.says("ana", "change", "2")
    assert "I would ask: “Have you been outside?”" in await story.say("ana", "Have you been outside?")
    await story.say("ana", "yes")
    await until(story, FIRST)
    assert story.last("ana").startswith("Have you been outside?\n1. Fine")


async def test_too_long_a_question_is_asked_for_again(story: Story) -> None:
    """With how long it may be."""
    await set_up(story, "every day 17:00", "change", "2")
    assert "200" in await story.say("ana", "x" * 201)
    assert "I would ask" in await story.say("ana", "How are you?")


async def test_how_long_it_goes_on_and_how_late_it_comes(story: Story) -> None:
    """Eight weeks and three hours where nothing else is said."""
    recap = await set_up(story, "every day 17:00")
    assert "It ends on 22 January 2027." in recap
    assert "more than 3 hours late" in recap
    recap = await story.says("ana", "change", "3", "1")
    assert "It ends on 25 December 2026." in recap
    recap = await story.says("ana", "change", "how late", "1")
    assert "more than 1 hour late" in recap
    await story.say("ana", "yes")
    assert story.checkin_of("ana").late == timedelta(hours=1)


async def test_back_and_skip_lead_on(story: Story) -> None:
    """Each step can be left; nothing is kept of what was dropped."""
    assert "For example" in await set_up(story, "3", "back")
    assert "On which day?" in await story.says("ana", "3", "5", "back")
    assert "1. Yes, begin" in await story.says("ana", "5", "3")
    assert "1. Yes, begin" in await story.says("ana", "change", "4", "skip")
    assert "When shall I write" in await story.say("ana", "back")
    assert "1. Yes, begin" in await story.say("ana", "skip")
    assert "Nothing of it is kept." in await story.say("ana", "no")
    assert not story.records.all(CheckIn)


async def test_a_typed_yes_but_is_no_yes(story: Story) -> None:
    """The yes to the recap binds: only the number or the word alone."""
    await set_up(story, "every day 17:00")
    assert "1. Yes, begin" in await story.say("ana", "yes but not on sundays")
    assert not story.records.all(CheckIn)


async def test_the_list_is_in_the_order_in_which_they_come(story: Story) -> None:
    """A number shows one, with what can be done with it."""
    await standing(story)
    await standing(story, question="Did you eat?", rhythm=DAILY_EVENING)
    listed = await story.say("ana", "my check-ins")
    assert listed.index("at 17:00") < listed.index("at 20:00")
    one = await story.say("ana", "2")
    assert "It asks: “Did you eat?”" in one
    assert "1. Pause it\n2. Skip the next one\n3. Change it\n4. End it and erase it" in one.replace(
        "\n\n", "\n"
    )


async def test_without_any_the_first_is_set_up(story: Story) -> None:
    """From the menu too."""
    await story.comes("ana")
    assert "In which city" in await story.say("ana", "my check-ins")
    assert "In which city" in await story.says("ana", "menu", "check-ins")


async def test_a_pause_until_a_day(story: Story) -> None:
    """Nothing comes in it; it goes on by itself, and its end moves with it."""
    await standing(story)
    ends = story.checkin_of("ana").ends
    answer = await story.says("ana", "my check-ins", "pause", "until monday 9:00")
    assert "Nothing comes before Monday 30 November, 09:00 Berlin" in answer
    await until(story, FIRST + timedelta(days=1, hours=1))
    assert not story.marked
    assert "paused until Monday 30 November" in await story.say("ana", "my check-ins")
    await story.wait(timedelta(days=2))
    assert len(there(story)) == 1
    assert story.checkin_of("ana").ends == ends + timedelta(days=2)


async def test_the_words_nearest_at_hand_pause_and_resume(story: Story) -> None:
    """Also with for how long behind them."""
    await set_up(story, "every day 9:00", "yes")
    assert "Nothing comes before Friday 4 December" in await story.say("ana", "pause it for a week")
    assert "next on" in await story.say("ana", "resume")


async def test_a_pause_until_they_say_so(story: Story) -> None:
    """And one word for all of them."""
    await standing(story)
    await standing(story, rhythm=DAILY_EVENING)
    answer = await story.says("ana", "pause check-ins", "1")
    assert "Nothing comes until you write “resume check-ins”." in answer
    await story.wait(timedelta(days=30))
    assert not story.marked
    answer = await story.say("ana", "resume check-ins")
    assert answer.count("Your check-in: Every day at") == 2
    await story.wait(timedelta(days=1))
    assert len(story.marked) == 2
    assert "No check-in of yours is paused." in await story.say("ana", "resume check-ins")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("pause until monday 9:00", "Nothing comes before Monday 30 November, 09:00 Berlin"),
        ("Pause my check-ins for 3 days", "Nothing comes before Monday 30 November"),
        ("pause until I say", "Nothing comes until you write “resume check-ins”."),
        ("pause", "Until when shall nothing come?"),
        ("skip next check-in", "The one on Saturday 28 November, 17:00 Berlin"),
        ("change", "What would you like to change?"),
        ("move my check-in", "What would you like to change?"),
        ("delete", "End this check-in, and erase it?"),
        ("stop my check-ins", "End this check-in, and erase it?"),
        ("pause the world please", "I am a program"),
    ],
)
async def test_the_words_that_people_try_do_what_they_say(story: Story, words: str, said: str) -> None:
    """Whoever has check-ins is not told how before."""
    await standing(story)
    assert said in await story.say("ana", words)


async def test_of_several_the_words_ask_which(story: Story) -> None:
    """Nothing is changed or ended by a guess; without any they say so."""
    await story.comes("ana")
    assert "No check-in of yours is to come." in await story.say("ana", "delete")
    await standing(story)
    await standing(story, rhythm=DAILY_EVENING)
    for words in ("delete", "change my check-in"):
        assert "Which one?" in await story.say("ana", words)
    await story.asks("ana")
    assert "Your check-ins" not in await story.say("ana", "change")


async def test_what_is_no_day_is_asked_for_again(story: Story) -> None:
    """With examples."""
    await standing(story)
    assert "For example: until friday 9:00" in await story.says("ana", "pause check-ins", "whenever")
    assert "Nothing comes before" in await story.say("ana", "3 days")


async def test_skip_next_skips_one(story: Story) -> None:
    """It says which does not come, and which comes."""
    await standing(story)
    answer = await story.say("ana", "skip next")
    assert "The one on Saturday 28 November, 17:00 Berlin" in answer
    assert "The next one comes on Sunday 29 November, 17:00 Berlin" in answer
    await until(story, FIRST + timedelta(hours=1))
    assert not story.marked


ONCE = replace(DAILY, every="once")


async def waiting(story: Story, rhythm: Rhythm) -> None:
    """A check-in came, and waits behind a draft that is open."""
    await standing(story, rhythm=rhythm, ends=FIRST.date() if rhythm is ONCE else date(2027, 1, 22))
    await until(story, FIRST - timedelta(minutes=5))
    await story.says("ana", "talk", "more")
    await until(story, FIRST + timedelta(minutes=2))
    assert not story.marked


@pytest.mark.parametrize("rhythm", [DAILY, ONCE])
async def test_one_that_waits_behind_a_question_is_the_one_that_is_skipped(
    story: Story, rhythm: Rhythm
) -> None:
    """It came, and was not shown yet: it is the next; what comes once is over then."""
    await waiting(story, rhythm)
    answer = await story.say("ana", "skip next")
    assert "The one on Saturday 28 November, 17:00 Berlin" in answer
    if rhythm is ONCE:
        assert "It has ended." in answer
        assert not story.records.all(CheckIn)
    else:
        assert "The next one comes on Sunday 29 November, 17:00 Berlin" in answer
    await story.say("ana", "stop")
    await until(story, FIRST + timedelta(hours=5))
    assert not story.marked


@pytest.mark.parametrize("how", [("1",), ("3 days",)])
async def test_one_that_waits_behind_a_question_is_reached_by_a_pause(
    story: Story, how: tuple[str, ...]
) -> None:
    """What comes once and is not shown any more is named, and gone."""
    await waiting(story, ONCE)
    answer = await story.says("ana", "pause check-ins", *how)
    assert "Once on 28 November 2026 at 17:00" in answer
    assert not story.records.all(CheckIn)
    await story.wait(timedelta(days=5))
    assert not story.marked


async def test_the_list_says_of_one_that_waits_what_it_waits_for(story: Story) -> None:
    """It is not over, and can be paused and skipped there too."""
    await waiting(story, ONCE)
    shown = await story.say("ana", "my check-ins")
    assert "the one for Saturday 28 November, 17:00 Berlin" in shown
    assert "1. Pause it\n2. Skip the next one" in shown.replace("\n\n", "\n")
    assert "It has ended." in await story.say("ana", "2")


async def test_skipping_the_last_one_asks_whether_it_goes_on(story: Story) -> None:
    """Since nothing else would."""
    await standing(story, ends=FIRST.date())
    assert "has come to its end: every day at 17:00. Shall it go on?" in await story.say("ana", "skip next")
    assert "It goes on until" in await story.say("ana", "1")


async def test_each_part_is_changed_by_itself(story: Story) -> None:
    """After a recap and a yes; what comes then is what it says."""
    await standing(story)
    recap = await story.says("ana", "my check-ins", "change", "1", "every day 18:00")
    assert "2. Change something" in recap
    assert story.checkin_of("ana").rhythm.minute == 17 * 60
    assert "Saturday 28 November, 18:00" in recap or "Friday 27 November, 18:00" in recap
    await story.say("ana", "1")
    assert story.checkin_of("ana").rhythm.minute == 18 * 60
    await story.says("ana", "my check-ins", "change", "2", "Well?", "yes")
    assert story.checkin_of("ana").question == "Well?"
    assert "Nothing has changed." in await story.says("ana", "my check-ins", "change", "back")


async def test_deleting_asks_once_and_takes_the_question_back(story: Story) -> None:
    """Nothing is left of it, and nothing comes."""
    await standing(story)
    await until(story, FIRST)
    await story.says("ana", "my check-ins", "delete", "1")
    assert story.records.all(CheckIn)
    await story.says("ana", "my check-ins", "delete", "2")
    assert not story.records.all(CheckIn)
    assert len([one for _, one in story.effects if isinstance(one, Withdraw)]) == 1


async def test_another_city_moves_the_hours_along_and_says_so(story: Story) -> None:
    """What the clock shows stays; the instant is another."""
    await standing(story)
    answer = await story.says("ana", "my city", "Lisbon")
    assert "Your check-ins keep their hours on the clock." in answer
    assert "The next one comes on Saturday 28 November, 17:00 Lisbon" in answer
    assert story.checkin_of("ana").at == datetime(2026, 11, 28, 17, tzinfo=START.tzinfo)


async def test_there_is_an_end_to_how_many(story: Story) -> None:
    """So that a row of them does not grow for ever; it says why, and what to do."""
    for _ in range(checkins.MOST):
        await standing(story)
    said = await story.say("ana", "check in every friday 17:00")
    assert "so that nobody can fill this service" in said
    assert "“my check-ins”" in said
    assert len(story.records.all(CheckIn)) == checkins.MOST


async def test_many_are_listed_some_at_a_time(story: Story) -> None:
    """Each is reached by its number, and no list is longer than can be read."""
    for minute in range(32):
        await standing(story, rhythm=replace(DAILY, minute=9 * 60 + minute))
    listed = await story.say("ana", "my check-ins")
    shown: list[str] = []
    while True:
        lines = [line for line in listed.split("\n") if line[:1].isdigit()]
        assert len(lines) <= 17
        shown += [line.partition(". ")[2] for line in lines if "Every day" in line]
        if not any("The others" in line for line in lines):
            break
        listed = await story.say("ana", "more")
    assert len(set(shown)) == 32
    assert "09:31" in await story.say("ana", "2")


async def test_the_draft_is_told_and_lapses(story: Story) -> None:
    """What do you hold says what was drafted so far."""
    await set_up(story, "every day 17:00", "change", "2", "Have you been outside?")
    held = await story.say("ana", "what do you hold")
    assert "Have you been outside?" in held
    assert "Every day at 17:00" in held
    await story.wait(timedelta(days=2))
    assert "Have you been outside?" not in await story.say("ana", "what do you hold")


async def test_stop_ends_the_draft_alone(story: Story) -> None:
    """One thing is open: one word ends it."""
    await set_up(story, "every day 17:00")
    assert "Nothing of it is kept." in await story.say("ana", "stop")


async def test_stop_where_nothing_else_is_open_shows_them(story: Story) -> None:
    """Whoever writes it to a check-in may mean all of them: nothing is ended by a guess."""
    await standing(story)
    await until(story, FIRST)
    assert "4. End it and erase it" in await story.say("ana", "stop")
    assert story.records.all(CheckIn)


async def test_what_is_typed_for_when_while_the_city_is_asked_for_is_not_lost(story: Story) -> None:
    """It is taken up once their clock is known."""
    await story.comes("ana")
    assert "First I need your city." in await story.says("ana", "new check-in", "every friday 17:00")
    assert "every Friday at 17:00" in await story.say("ana", "Berlin")


async def test_whoever_leaves_the_city_as_it_is_is_not_asked_again(story: Story) -> None:
    """The question named it, so that it is their own word."""
    await story.comes("ana")
    assert "When shall I write to you?" in await story.says("ana", "new check-in", "skip")
    assert story.member("ana").zone == "Europe/Berlin"
    assert "When shall I write to you?" in await story.says("ana", "no", "stop", "new check-in")


@pytest.mark.parametrize(
    ("words", "until"),
    [
        ("until monday 9:00", "Monday 30 November, 09:00"),
        ("until 3 december", "Thursday 3 December, 08:00"),
        ("tomorrow 18:00", "Saturday 28 November, 18:00"),
        ("3 days", "Monday 30 November"),
        ("hasta el lunes a las 9:00", "lunes, 30 de noviembre, 9:00"),
    ],
)
async def test_a_pause_takes_a_day_in_many_ways(story: Story, words: str, until: str) -> None:
    """As people write it, in each language."""
    await standing(story)
    if words.startswith("hasta"):
        await story.say("ana", "español")
    assert until in await story.says("ana", "pause check-ins", words)


async def test_one_that_a_pause_leaves_no_time_is_named_at_once(story: Story) -> None:
    """It does not come after the pause, and nobody is told that it goes on by itself."""
    await standing(story, rhythm=replace(DAILY, every="once"), ends=FIRST.date())
    answer = await story.says("ana", "pause check-ins", "until monday 9:00")
    assert "Nothing comes before Monday 30 November, 09:00 Berlin" in answer
    assert "goes on by itself" not in answer
    assert "does not come, and ends: Once on 28 November 2026 at 17:00." in answer
    assert "Once on 28 November" in await story.says("ana", "my check-ins", "go on now")
    await standing(story)
    answer = await story.says("ana", "pause check-ins", "until monday 9:00")
    assert "Then it goes on by itself." in answer
    assert "does not come, and ends: Once on 28 November 2026 at 17:00." in answer
    assert "does not come, and ends" not in await story.says(
        "ana", "resume check-ins", "pause check-ins", "until tomorrow 9:00"
    )


async def test_one_that_falls_into_its_pause_is_listed_so(story: Story) -> None:
    """It is not said to be paused until a day on which nothing comes of it."""
    await set_up(story, "once on 3 December 14:00", "yes")
    await story.says("ana", "pause until 10 december")
    line = await story.say("ana", "my check-ins")
    assert "that is within its pause, so it does not come. It goes by itself on Thursday 10 December" in line
    await story.says("ana", "resume", "pause until 1 december")
    assert "paused until Tuesday 1 December" in await story.say("ana", "my check-ins")


async def test_one_that_comes_once_has_no_first_time(story: Story) -> None:
    """Nobody is to wait for a second."""
    answer = await set_up(story, "tomorrow 8am", "yes")
    assert "That is set up. It comes on Saturday 28 November, 08:00" in answer


async def test_how_long_a_pause_can_be_is_said_in_weeks(story: Story) -> None:
    """At the question, and where a day was not read."""
    await standing(story)
    assert "I keep it for 6 months." in await story.say("ana", "pause check-ins")
    assert "a day within 6 months." in await story.say("ana", "whenever")


async def test_of_one_that_is_paused_no_next_time_is_named(story: Story) -> None:
    """Another city moves it along, and it stays paused."""
    await standing(story)
    await story.says("ana", "pause check-ins", "1")
    assert "The next one comes" not in await story.says("ana", "my city", "Lisbon")
    assert story.checkin_of("ana").zone == "Europe/Lisbon"


async def test_one_whose_hour_is_past_by_the_new_clock_is_named(story: Story) -> None:
    """In Tokyo that evening is over: it is said, and nothing is lost without a word."""
    await standing(story, rhythm=replace(DAILY, every="once", start=START.date(), minute=20 * 60))
    answer = await story.says("ana", "my city", "Tokyo")
    assert "so it does not come: 27 November 2026, 20:00." in answer
    assert "The next one comes" not in answer


async def test_what_comes_once_is_repeated_once(story: Story) -> None:
    """Its one time stands in the recap, and no second saying of it."""
    await story.comes("ana")
    await story.says("ana", "my city", "Berlin")
    said = await story.say("ana", "check in once on 3 December 14:00")
    assert said.startswith("I would write to you once:\nThursday 3 December, 14:00 Berlin")
    assert said.count("14:00") == 1
