"""How it looks, as it is said before anything is asked; and a community that is not always open."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schema.records import Member, Offer, Outlook, Request, Window
from tests.handlers.story import COMMUNITY, Story

WEEK = tuple(range(7))
UNSAID = "I cannot say how it looks now."


async def evenings(story: Story, *names: str) -> None:
    """Each offers for every evening from six to ten."""
    for name in names:
        await story.says(name, "offer", "5", "1", "Berlin", "3", "skip", "skip", "skip", "yes")


async def next_part(story: Story) -> None:
    """The evening has come: what was said in the afternoon does not hold any more."""
    await story.wait(story.records.all(Outlook)[0].due_at - story.now)


async def test_below_the_threshold_every_community_looks_the_same(story: Story) -> None:
    """Nobody, one and two who offered make the same words, hour for hour, and the next hour too."""
    empty = Story()
    await evenings(story, "ben", "cleo")
    empty.now = story.now
    for _ in range(8):
        said = await story.say("ana", "talk")
        assert said == await empty.say("ana", "talk")
        assert UNSAID in said
        await story.say("ana", "stop")
        await empty.say("ana", "stop")
        await story.wait(timedelta(hours=3))
        await empty.wait(timedelta(hours=3))


async def test_with_enough_who_offered_it_says_when(story: Story) -> None:
    """In the afternoon it names the evening, in the evening that somebody may be there."""
    await evenings(story, "ben", "cleo", "dora")
    said = await story.say("ana", "talk")
    assert "There may be nobody before Friday 27 November, 18:00 Berlin" in said
    assert "This is what I would ask" in said
    await story.say("ana", "stop")
    await next_part(story)
    assert "Someone may be there now." in await story.say("ana", "talk")


async def test_nothing_that_one_person_does_shows_before_the_next_part_of_the_day(story: Story) -> None:
    """Whoever tries again and again does not see when the third one rests, withdraws, or offers anew."""
    await evenings(story, "ben", "cleo", "dora")
    await story.says("ana", "talk", "stop")
    await next_part(story)
    first = (await story.say("ana", "talk")).split("\n")[0]
    assert first.startswith("Someone may be there now.")
    for name, words in (("dora", "rest"), ("dora", "withdraw"), ("cleo", "forget me"), ("cleo", "yes")):
        await story.say(name, words)
        await story.say("ana", "stop")
        assert (await story.say("ana", "talk")).split("\n")[0] == first
    await story.say("ana", "stop")
    await next_part(story)
    assert UNSAID in await story.say("ana", "talk")


async def test_it_is_worked_out_before_anyones_keeping_apart_is_looked_at(story: Story) -> None:
    """Somebody whom all keep apart from them, or who keeps all apart, reads what everybody reads."""
    await evenings(story, "ben", "cleo", "dora")
    for name in ("ben", "cleo", "dora"):
        await story.says(name, "keep apart @ana:example.org", "1")
        await story.says("eva", f"keep apart @{name}:example.org", "1")
    for name in ("ana", "eva", "fay"):
        await story.say(name, "hello")
    said = [(await story.say(name, "talk", after=0)).split("\n")[0] for name in ("ana", "eva", "fay")]
    assert len(set(said)) == 1
    assert said[0].startswith("There may be nobody before Friday 27 November, 18:00")


async def test_what_is_kept_of_it_is_of_nobody(story: Story) -> None:
    """One row until the part of the day ends, which holds no id of a person, and then none."""
    await evenings(story, "ben", "cleo", "dora")
    await story.says("ana", "talk", "stop")
    for name in ("ana", "ben", "cleo", "dora"):
        await story.says(name, "forget me", "yes")
    (left,) = story.records.rows.values()
    assert isinstance(left, Outlook)
    assert left.id == "0" * 32
    await next_part(story)
    assert not story.records.rows


async def test_one_line_and_company_afterwards_say_it_too(story: Story) -> None:
    """However it begins, how it looks is said before the recap."""
    assert UNSAID in await story.say("ana", "talk listening 1h")
    await story.say("ana", "stop")
    await story.say("ana", "menu")
    assert UNSAID in await story.say("ana", "1")


# ---- a community that does not always take requests

HOURS = replace(COMMUNITY, opens="hours", hours=(Window(WEEK, 18 * 60, 22 * 60),))
ENOUGH = replace(COMMUNITY, opens="enough")


async def test_at_published_hours_alone_something_can_be_asked() -> None:
    """Outside them: the hours, the next one, the places, and that offering works; inside: as always."""
    story = Story(HOURS)
    said = await story.say("ana", "talk")
    assert "I take requests at these hours of Berlin:\nEvery day, 18:00 to 22:00" in said
    assert "The next hour is Friday 27 November, 18:00 Berlin (in 59 minutes)" in said
    assert "Night line" in said
    assert "write “offer”" in said
    assert "This is what I would ask" not in said
    await story.offers("ben")
    assert story.records.all(Offer)
    await story.wait(timedelta(hours=1))
    assert "This is what I would ask" in await story.say("ana", "talk")
    await story.say("ana", "yes")
    assert story.records.all(Request)


async def test_a_line_says_the_hours_too() -> None:
    """Nothing is asked in one line that is not asked in the long way."""
    story = Story(HOURS)
    assert "The next hour is Friday" in await story.say("ana", "talk listening 1h")
    assert not story.records.all(Request)


async def test_an_hour_within_the_published_ones_can_be_asked_for_at_any() -> None:
    """In one line or from the recap; another hour is not taken while it is closed, and says so at once."""
    story = Story(HOURS)
    assert "Write “talk” with a day and an hour" in await story.say("ana", "talk")
    assert "The next hour is Friday" in await story.say("ana", "talk listening 1h tomorrow 11:00")
    assert "From Saturday 28 November, 19:00" in await story.say("ana", "talk listening 1h tomorrow 19:00")
    said = await story.says("ana", "change", "from when", "Berlin", "tomorrow 11:00")
    assert "only for one of these hours" in said
    assert "Every day, 18:00 to 22:00" in said
    await story.say("ana", "tomorrow 20:00")
    await story.say("ana", "yes")
    start = story.the_request().start
    assert start is not None
    assert (start.day, start.hour) == (28, 19)


async def test_whoever_takes_the_hour_out_again_is_told_when_something_can_be_asked() -> None:
    """A request for now is taken in the hours alone, whichever way it came about."""
    story = Story(HOURS)
    await story.say("ana", "talk listening 1h tomorrow 19:00")
    await story.says("ana", "change", "from when", "Berlin", "now")
    assert "The next hour is Friday" in await story.say("ana", "yes")
    assert not story.records.all(Request)


async def test_in_the_hours_any_hour_can_be_asked_for() -> None:
    """They say when somebody can ask, and who is asked has hours of their own."""
    story = Story(HOURS)
    await story.wait(timedelta(hours=2))
    await story.says("ana", "talk listening 1h tomorrow 11:00", "yes")
    assert story.the_request().start is not None


async def test_what_was_written_in_open_hours_is_kept_for_the_next() -> None:
    """A yes that comes when it has closed asks nobody; the recap waits, and a yes to it then does."""
    story = Story(HOURS)
    await story.wait(timedelta(hours=4, minutes=50))
    await story.says("ana", "talk", "more", "1", "1", "2", "It has been a long week.")
    await story.wait(timedelta(minutes=10))
    said = await story.say("ana", "yes")
    assert "The next hour is Saturday 28 November, 18:00" in said
    assert "What you wrote is kept until" in said
    assert not story.records.all(Request)
    await story.wait(timedelta(hours=20))
    assert "“It has been a long week.”" in await story.say("ana", "back")
    await story.say("ana", "yes")
    assert story.the_request().note == "It has been a long week."


async def test_a_request_that_stands_goes_on_when_it_closes() -> None:
    """Nothing that was begun ends because the hours do."""
    story = Story(HOURS)
    await story.wait(timedelta(hours=4, minutes=50))
    await story.asks("ana")
    await story.wait(timedelta(hours=1))
    assert "looking" in await story.say("ana", "status")
    assert story.records.all(Request)


async def test_it_opens_when_enough_have_offered_and_not_before_the_next_part_of_the_day() -> None:
    """Two are not enough; the third counts from the next look on, whose hour was said."""
    story = Story(ENOUGH)
    await evenings(story, "ben", "cleo")
    said = await story.say("ana", "talk")
    assert "at least 3 people have offered" in said
    assert "I look at this again Friday 27 November, 18:00 Berlin" in said
    assert "Night line" in said
    await evenings(story, "dora")
    assert "at least 3 people" in await story.say("ana", "talk")
    await next_part(story)
    assert "This is what I would ask" in await story.say("ana", "talk")
    await story.says("dora", "withdraw")
    await story.say("ana", "stop")
    assert "This is what I would ask" in await story.say("ana", "talk")


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_while_it_is_closed_nobody_learns_how_many_there_are(count: int) -> None:
    """The words are the same, whether two have offered or nobody."""
    story = Story(ENOUGH)
    await evenings(story, *("ben", "cleo")[:count])
    other = Story(ENOUGH, now=story.now)
    assert await story.say("ana", "talk") == await other.say("ana", "talk")


async def test_company_about_a_room_that_is_open_is_never_closed() -> None:
    """Whoever keeps somebody company can ask for backup at any hour."""
    story = Story(HOURS)
    await story.wait(timedelta(hours=4, minutes=30))
    await story.offers("ben")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    await story.says("ana", "yes")
    await story.wait(timedelta(minutes=30))
    await story.says("ben", "backup", "yes")
    assert [one.wish for one in story.records.all(Request) if one.member == story.id("ben")] == ["backup"]
    assert story.records.all(Member)
