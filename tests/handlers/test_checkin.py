"""A check-in at its hour, as its member sees it: one question, any answer, and nothing about none."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from schema.effects import SendText, Withdraw
from schema.events import Due
from schema.ids import CheckInId
from schema.records import CheckIn, Member, Request, Rhythm
from schema.states import CheckInState
from service.core import checkins
from tests.handlers.story import START, Line, Story

DAILY = Rhythm("days", date(2026, 11, 28), 17 * 60)
QUESTION = "Hello. How is it going?"
FIRST = datetime(2026, 11, 28, 16, tzinfo=START.tzinfo)


async def standing(story: Story, name: str = "ana", rhythm: Rhythm = DAILY, **other: object) -> CheckIn:
    """The member is here and has a check-in, from tomorrow on at five unless told otherwise."""
    if ("members", story.id(name)) not in story.records.rows:
        await story.comes(name)
    record = CheckIn(
        id=CheckInId(f"{len(story.records.rows):032x}"),
        member=story.id(name),
        state=CheckInState.WAITING,
        made_at=story.now,
        due_at=None,
        rhythm=rhythm,
        zone="Europe/Berlin",
        wall=None,
        at=None,
        ends=date(2027, 1, 22),
        question="",
        late=timedelta(hours=3),
    )
    record = checkins.begin(replace(record, **other), story.now)  # type: ignore[arg-type]  # By field name.
    await story.records.put(record)
    return record


async def until(story: Story, when: datetime) -> None:
    """Time passes up to `when`."""
    await story.wait(when - story.now)


def there(story: Story, name: str = "ana") -> list[Line]:
    """The check-ins in the member's chat that were not taken back."""
    return [line for line in story.marked.values() if line.name == name and line not in story.withdrawn]


async def test_it_comes_at_its_hour_and_notifies(story: Story) -> None:
    """The question, and five answers with help among them; the first line says nothing to who looks on."""
    await standing(story)
    await until(story, FIRST)
    at, body, notice = story.heard("ana")[-1]
    assert (at, notice) == (FIRST, False)
    assert body.split("\n") == [
        QUESTION,
        "1. Fine",
        "2. Rough, nothing needed",
        "3. I'd like company",
        "4. Places to reach now",
        "5. Skip",
    ]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ("1", "Thank you. I keep nothing of what you answered."),
        ("rough", "I leave it at that"),
        ("skip", "That is fine."),
        ("It was not so good.", "That counts as your answer."),
        ("I can't stop crying", "That counts as your answer."),
        ("7", "That counts as your answer."),
    ],
)
async def test_any_answer_ends_the_turn_and_nothing_of_it_is_kept(
    story: Story, answers: str, said: str
) -> None:
    """What was answered, and whether, leaves no trace in the record."""
    record = await standing(story)
    await until(story, FIRST)
    answer = await story.say("ana", answers)
    assert said in answer
    assert "The next one comes on Sunday 29 November, 17:00 Berlin (in 24 hours)." in answer
    left = story.checkin_of("ana")
    assert left.state is CheckInState.WAITING
    assert (left.turn, left.said) == (None, ())
    passed = replace(record, wall=left.wall, at=left.at, due_at=left.due_at, last=left.last)
    assert left == passed


@pytest.mark.parametrize("kind", ["voice", "media", "sticker", "other"])
async def test_a_voice_message_or_a_picture_is_an_answer(story: Story, kind: str) -> None:
    """It is not asked for words instead."""
    await standing(story)
    await until(story, FIRST)
    answer = await story.say("ana", "", kind=kind)
    assert "That counts as your answer." in answer
    assert "1. Talk with someone\n2. Places to reach now" in answer
    assert "words or a number" in await story.say("ana", "", kind=kind)


async def test_company_leads_straight_to_a_request(story: Story) -> None:
    """One number, and its recap is there; one more, and somebody is looked for."""
    await standing(story)
    await until(story, FIRST)
    assert "1. Yes, ask" in await story.say("ana", "3")
    await story.say("ana", "1")
    assert story.records.all(Request)
    assert story.checkin_of("ana").state is CheckInState.WAITING


async def test_a_question_that_an_answer_brings_does_not_keep_it(story: Story) -> None:
    """What was answered is in no record; the same number sent twice is still no answer to the next."""
    await standing(story)
    await until(story, FIRST)
    await story.say("ana", "3")
    prompt = story.member("ana").prompt
    assert prompt is not None
    assert prompt.brought == "*"
    assert "came in just as you wrote" in await story.say("ana", "3", after=1)
    assert story.member("ana").prompt is not None


async def test_places_are_one_number_away(story: Story) -> None:
    """The community's own list."""
    await standing(story)
    await until(story, FIRST)
    assert "Night line" in await story.say("ana", "4")


async def test_a_command_does_what_it_always_does_and_counts_too(story: Story) -> None:
    """Whoever writes something else has shown a sign of life; the question can still be answered."""
    await standing(story)
    await until(story, FIRST)
    assert "Your check-in: Every day at 17:00; next on" in await story.say("ana", "status")
    assert story.checkin_of("ana").state is CheckInState.WAITING
    assert "I keep nothing" in await story.say("ana", "1")


async def test_nothing_is_said_about_one_that_was_not_answered(story: Story) -> None:
    """The next takes its place: the older is taken back, and there is one to be answered at a time."""
    await standing(story)
    for day in range(10):
        await until(story, FIRST + timedelta(days=day))
        assert len(there(story)) == 1
        assert story.last("ana").startswith(QUESTION)
    assert len(story.withdrawn) == 9
    assert len({line.body for line in story.marked.values()}) == 1


async def test_two_check_ins_are_not_two_questions(story: Story) -> None:
    """Whichever comes later is the one that is there."""
    await standing(story)
    await standing(story, rhythm=replace(DAILY, minute=20 * 60), question="Did you eat?")
    await until(story, FIRST + timedelta(days=3))
    assert [line.body.split("\n")[0] for line in there(story)] == [QUESTION]
    await until(story, FIRST + timedelta(days=3, hours=4))
    assert [line.body.split("\n")[0] for line in there(story)] == ["Did you eat?"]


async def test_it_waits_while_another_question_is_open(story: Story) -> None:
    """What the member is answering is not disturbed; it comes when that is done, and says why not sooner."""
    await standing(story)
    await until(story, FIRST - timedelta(minutes=5))
    await story.says("ana", "talk", "more")
    await until(story, FIRST + timedelta(minutes=2))
    assert not there(story)
    answer = await story.say("ana", "stop")
    assert QUESTION in answer
    waited = "It waited until nothing else was open here."
    assert f"This was meant for Saturday 28 November, 17:00 Berlin (3 minutes ago). {waited}\n" in answer


async def test_one_that_waits_behind_something_for_too_long_is_let_go(story: Story) -> None:
    """A question that is left open keeps it for a quarter of an hour; then it comes, and says for when."""
    await standing(story)
    await until(story, FIRST - timedelta(minutes=1))
    await story.say("ana", "talk", after=30)
    await until(story, FIRST + timedelta(hours=1))
    (line,) = there(story)
    assert line.at - FIRST == timedelta(minutes=15)
    assert line.body.startswith(
        "This was meant for Saturday 28 November, 17:00 Berlin (15 minutes ago). It waited"
    )


async def test_quiet_hours_move_nothing(story: Story) -> None:
    """Whoever offers has hours in which nobody is asked; the hour of a check-in they chose themselves."""
    await story.comes("ana")
    await story.offers("ana", hours="4")
    at_night = replace(DAILY, minute=23 * 60 + 30)
    record = await standing(story, rhythm=at_night)
    assert record.at is not None
    await until(story, record.at + timedelta(minutes=1))
    assert [line.at for line in there(story)] == [record.at]


async def test_after_an_outage_it_comes_once_with_its_hour(story: Story) -> None:
    """Three days later, the last one alone; none where it would be too late."""
    await standing(story)
    await story.comes("ben")
    await standing(story, "ben", late=timedelta(hours=1))
    story.now = FIRST + timedelta(days=3, hours=2)
    await story.wait(timedelta(minutes=1))
    (line,) = there(story)
    assert line.body.startswith(
        "This was meant for Tuesday 1 December, 17:00 Berlin (2 hours ago). I could not"
    )
    assert len(story.marked) == 1
    assert not there(story, "ben")


async def test_several_that_are_late_are_one(story: Story) -> None:
    """Never a burst: the newest alone."""
    for minute in (16 * 60, 17 * 60, 17 * 60 + 30, 20 * 60):
        await standing(story, rhythm=replace(DAILY, minute=minute))
    story.now = FIRST + timedelta(days=3, hours=1)
    await story.wait(timedelta(minutes=1))
    (line,) = story.marked.values()
    assert "17:30 Berlin" in line.body


async def test_what_could_not_be_sent_comes_again_while_it_is_not_too_late(story: Story) -> None:
    """The homeserver is away for an hour: it comes once, with its hour, and whatever was sent goes."""
    await standing(story)
    story.lose = lambda effect: isinstance(effect, SendText) and story.now < FIRST + timedelta(hours=1)
    await until(story, FIRST + timedelta(hours=2))
    (line,) = there(story)
    assert line.body.startswith("This was meant for")
    assert "I could not write sooner." in line.body
    sent = [one for _, one in story.effects if isinstance(one, SendText) and one.mark]
    assert len({one.mark for one in sent}) == len(sent)
    assert all(one.until is not None for one in sent)
    withdrawn = {one.mark for _, one in story.effects if isinstance(one, Withdraw)}
    assert withdrawn == {one.mark for one in sent[:-1]}


async def test_a_handed_over_twice_time_comes_once(story: Story) -> None:
    """The same due record, told twice, is one message."""
    record = await standing(story)
    await until(story, FIRST)
    await story.event(Due("check_ins", record.id))
    assert len(story.marked) == 1


async def test_where_its_zone_is_gone_it_is_paused_and_says_so_once(story: Story) -> None:
    """No other clock is taken in its stead; with a city of its member's it goes on."""
    record = await standing(story)
    await story.records.put(replace(record, zone="Europe/Atlantis"))
    await until(story, FIRST + timedelta(days=3))
    assert there(story) == []
    told = [body for _, body, _ in story.heard("ana") if "its time zone is gone" in body]
    assert len(told) == 1
    assert "In which city do you live?" in told[0]
    assert "Every day at 17:00; paused until I know your city" in await story.says("ana", "my check-ins")
    assert "The next one comes on" in await story.says("ana", "my city", "Lagos")
    left = story.checkin_of("ana")
    assert (left.zone, left.state, left.clockless) == ("Africa/Lagos", CheckInState.WAITING, False)
    assert left.ends == record.ends + timedelta(days=3)


async def test_where_the_zone_is_gone_no_pause_and_no_other_check_in_is_lost(story: Story) -> None:
    """A dated pause waits on when its day comes; whoever has several is told and asked once."""
    for minute in (17 * 60, 20 * 60):
        await standing(story, rhythm=replace(DAILY, minute=minute))
    await story.says("ana", "my check-ins", "1", "pause", "3 days")
    for record in story.records.all(CheckIn):
        await story.records.put(replace(record, zone="Europe/Atlantis"))
    heard = len(story.heard("ana"))
    await until(story, FIRST + timedelta(days=2))
    assert len(story.heard("ana")) == heard + 1
    await until(story, FIRST + timedelta(days=6))
    assert {one.state for one in story.records.all(CheckIn)} == {CheckInState.PAUSED}
    await story.says("ana", "my city", "Lagos")
    assert {one.state for one in story.records.all(CheckIn)} == {CheckInState.WAITING}
    await story.wait(timedelta(days=1))
    assert len(there(story)) == 1


@pytest.mark.parametrize(
    "words",
    [("skip next",), ("my check-ins", "skip next"), ("my check-ins", "change"), ("my check-ins", "1")],
)
async def test_where_the_zone_is_gone_every_word_about_it_asks_for_the_city(
    story: Story, words: tuple[str, ...]
) -> None:
    """None of them fails, and nothing is changed before the city is known."""
    paused = CheckInState.PAUSED if words[-1] == "1" else CheckInState.WAITING
    record = await standing(story)
    await story.records.put(replace(record, zone="Europe/Atlantis", state=paused))
    assert "In which city do you live?" in await story.says("ana", *words)
    (left,) = story.records.all(CheckIn)
    assert replace(left, state=paused) == replace(
        record,
        zone="Europe/Atlantis",
        state=paused,
        paused_at=left.paused_at,
        due_at=left.due_at,
        clockless=left.clockless,
    )


async def test_where_the_zone_is_gone_going_on_asks_for_the_city(story: Story) -> None:
    """At the last question too."""
    await standing(story, ends=FIRST.date())
    await until(story, FIRST)
    await story.records.put(replace(story.checkin_of("ana"), zone="Europe/Atlantis"))
    assert "In which city do you live?" in await story.say("ana", "go on")
    assert story.records.all(CheckIn)


async def test_the_last_one_asks_whether_it_goes_on(story: Story) -> None:
    """Once, in the same message; an answer to the question leaves it a week to be taken up."""
    await standing(story, ends=date(2026, 11, 29))
    await until(story, FIRST)
    assert "6. " not in story.last("ana")
    await until(story, FIRST + timedelta(days=1))
    assert "This is the last one. It can go on if you like." in story.last("ana")
    assert "6. Go on for 8 weeks more" in story.last("ana")
    assert "It goes on until 24 January 2027." in await story.say("ana", "6")
    await until(story, FIRST + timedelta(days=2))
    assert story.last("ana").startswith(QUESTION)


async def test_after_its_end_nothing_comes(story: Story) -> None:
    """Whoever does not answer the last one hears no more, and nothing is left."""
    await standing(story, ends=date(2026, 11, 29))
    await until(story, FIRST + timedelta(days=9))
    heard = len(story.heard("ana"))
    assert not story.records.all(CheckIn)
    assert not there(story)
    await story.wait(timedelta(days=365))
    assert len(story.heard("ana")) == heard


async def test_a_last_one_that_could_not_come_asks_by_itself(story: Story) -> None:
    """The service was away at the last hour: the question whether it goes on comes once."""
    await standing(story, ends=date(2026, 11, 28))
    story.now = FIRST + timedelta(hours=5)
    await story.wait(timedelta(minutes=1))
    assert "has come to its end: every day at 17:00. Shall it go on?" in story.last("ana")
    await story.say("ana", "2")
    assert not story.records.all(CheckIn)


def asks_on(story: Story) -> list[str]:
    """What asks, and was not taken back, whether the check-in at five goes on."""
    gone = {line.body for line in story.withdrawn}
    return [
        body
        for _, body, _ in story.heard("ana")
        if body not in gone and ("8 weeks more" in body or "Shall it go on?" in body)
    ]


async def test_a_last_one_that_gives_way_unseen_is_asked_about_in_the_next(story: Story) -> None:
    """It is taken back with its question; the one that takes its place asks, once, and one number does it."""
    await standing(story, ends=FIRST.date())
    await standing(story, rhythm=replace(DAILY, minute=20 * 60), question="Did you eat?")
    await until(story, FIRST + timedelta(hours=4))
    (body,) = asks_on(story)
    assert body.startswith("Did you eat?\nAnother check-in of yours has come to its end: every day at 17:00.")
    assert "6. Go on for 8 weeks more: every day at 17:00" in body
    await until(story, FIRST + timedelta(days=2, hours=4))
    assert "8 weeks more" not in story.last("ana")
    await until(story, FIRST + timedelta(days=9))
    assert [one.question for one in story.records.all(CheckIn)] == ["Did you eat?"]


async def test_what_the_next_asks_about_goes_on_at_one_number(story: Story) -> None:
    """That is an answer to both."""
    await standing(story, ends=FIRST.date())
    evening = await standing(story, rhythm=replace(DAILY, minute=20 * 60))
    await until(story, FIRST + timedelta(hours=4))
    assert "It goes on until 23 January 2027" in await story.say("ana", "6")
    left = await story.records.get(CheckIn, evening.id)
    assert left is not None
    assert (left.state, left.turn) == (CheckInState.WAITING, None)


async def test_of_several_that_are_late_the_newest_asks_for_the_one_that_ends(story: Story) -> None:
    """After an outage the last one gives way before it was ever put; it is asked about once."""
    await standing(story, ends=FIRST.date())
    await standing(story, rhythm=replace(DAILY, minute=18 * 60))
    story.now = FIRST + timedelta(hours=2)
    await story.wait(timedelta(days=3))
    assert len([body for _, body, _ in story.heard("ana") if "8 weeks more" in body]) == 1
    assert len(story.marked) == 4


async def test_a_question_that_did_not_arrive_asks_again_about_the_other(story: Story) -> None:
    """What could not be sent asked nobody."""
    await standing(story, ends=FIRST.date())
    await standing(story, rhythm=replace(DAILY, minute=20 * 60))
    story.lose = lambda effect: isinstance(effect, SendText) and bool(effect.mark)
    await until(story, FIRST + timedelta(hours=3, minutes=10))
    story.lose = lambda effect: False
    await until(story, FIRST + timedelta(days=3, hours=4))
    assert len([line for line in story.marked.values() if "8 weeks more" in line.body]) == 1


async def test_a_last_one_that_gave_way_to_nothing_is_asked_about_by_itself(story: Story) -> None:
    """What took its place could never be sent: before it is erased it is asked about, once."""
    await standing(story, ends=FIRST.date())
    once = replace(DAILY, every="once", minute=20 * 60)
    await standing(story, rhythm=once, ends=FIRST.date(), late=timedelta(hours=1))
    await until(story, FIRST + timedelta(hours=1))
    story.lose = lambda effect: isinstance(effect, SendText) and bool(effect.mark)
    await until(story, FIRST + timedelta(hours=5))
    story.lose = lambda effect: False
    assert not asks_on(story)
    await until(story, FIRST + timedelta(days=8))
    (body,) = asks_on(story)
    assert "Shall it go on?" in body
    await until(story, FIRST + timedelta(days=30))
    assert len(asks_on(story)) == 1
    assert not story.records.all(CheckIn)


async def test_forget_me_leaves_nothing(story: Story) -> None:
    """No row, and nothing comes."""
    await standing(story)
    await story.says("ana", "forget me", "yes")
    assert not story.records.all(CheckIn)
    await until(story, FIRST + timedelta(days=2))
    assert not story.marked
    assert not story.records.all(Member)


async def test_what_is_held_says_it_and_what_is_not_kept(story: Story) -> None:
    """In words, with its hours and its question; and that no answer is."""
    await standing(story, question="Did you eat?")
    await until(story, FIRST)
    held = await story.say("ana", "what do you hold")
    assert "Your check-in: Every day at 17:00; next on Sunday 29 November, 17:00 Berlin" in held
    assert "It asks: “Did you eat?”" in held
    assert "It ends on 22 January 2027, and does not come where it would be more than 3 hours late." in held
    assert "Whether and what you answered is not kept." in held
    await story.say("ana", "export")
    (_, body) = story.files[-1]
    assert '"every": "days"' in body


async def test_it_is_found_in_whatever_zone_the_community_has(story: Story) -> None:
    """The hour is the one on the wall in the zone of the check-in."""
    record = await standing(story, zone="America/Sao_Paulo")
    assert record.at is not None
    assert record.at.astimezone(ZoneInfo("America/Sao_Paulo")).hour == 17


async def test_one_that_is_shown_again_was_not_late(story: Story) -> None:
    """In another language, an hour later: it came at its hour, and does not say otherwise."""
    await standing(story)
    await until(story, FIRST + timedelta(hours=1))
    answer = await story.say("ana", "español")
    assert "Esto era para" not in answer


async def test_one_that_comes_with_an_answer_is_taken_back_alone(story: Story) -> None:
    """It has its own message, which alone notifies: the answer before it is there for good."""
    await standing(story)
    await until(story, FIRST - timedelta(minutes=5))
    await story.says("ana", "talk", "more")
    await until(story, FIRST + timedelta(minutes=2))
    seen = len(story.heard("ana"))
    await story.say("ana", "stop")
    (_, answer, quiet), (_, body, notice) = story.heard("ana")[seen:]
    assert QUESTION not in answer
    assert (quiet, notice) == (True, False)
    assert QUESTION in body
    await until(story, FIRST + timedelta(days=1))
    assert [line.body for line in story.withdrawn] == [body]


async def test_one_that_came_once_is_not_offered_to_go_on(story: Story) -> None:
    """It has no further time, whoever looks at it after its hour."""
    await standing(story, rhythm=replace(DAILY, every="once"), ends=FIRST.date())
    await until(story, FIRST + timedelta(hours=1))
    said = await story.say("ana", "my check-ins")
    assert (
        "28 November 2026 at 17:00; it has come. Unanswered, it goes by itself: Saturday 5 December" in said
    )
    assert "Go on" not in said
    assert "End it and erase it" in said


async def test_where_its_zone_is_gone_a_word_alone_does_not_let_it_go_on(story: Story) -> None:
    """It says again what is needed, and stays as it is."""
    record = await standing(story)
    await story.records.put(replace(record, zone="Europe/Atlantis"))
    await until(story, FIRST + timedelta(hours=1))
    assert "In which city do you live?" in await story.say("ana", "resume check-ins")
    assert story.checkin_of("ana").state is CheckInState.PAUSED
