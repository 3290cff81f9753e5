"""Promise 7: silence means silence. A member falls silent for a year, and nothing comes of it for anybody."""

from dataclasses import replace
from datetime import datetime, timedelta

from schema.effects import OpenPeerRoom, SendText, Withdraw
from schema.ids import MatrixId
from schema.records import CheckIn, Member
from tests.handlers.story import STEWARDS, Line, Story

OTHERS = ("ben", "cleo", "sam")
SET_UP = ("every day 9:00", "every friday 17:00", "first monday of the month 10:00")
YEAR = timedelta(days=366)


async def a_year(*, with_check_ins: bool) -> tuple[Story, dict[str, list[tuple[datetime, str, bool]]]]:
    """Others offer, ask and look after the place; Ana sets up check-ins, or none, and is heard no more."""
    story = Story(seed=3)
    story.community = replace(story.community, stewards=(MatrixId("@sam:example.org"),))
    for name in ("ana", *OTHERS):
        await story.comes(name)
    await story.stewards("sam")
    await story.says("ana", "my city", "Berlin")
    for words in SET_UP:
        said = ("new check-in", words, "change", "how long", "4", "yes") if with_check_ins else ("menu",) * 6
        for body in said:
            await story.say("ana", body, after=5)
    await story.offers("ben", hours="4")
    await story.asks("cleo")
    await story.say("ben", "3")
    story.log.clear()
    begun = len(story.effects)
    await story.wait(YEAR + timedelta(days=60))
    heard = {
        name: [(line.at, line.body, line.notice) for line in story.log if line.name == name]
        for name in (*OTHERS, STEWARDS)
    }
    for _, effect in story.effects[begun:]:
        assert not isinstance(effect, OpenPeerRoom)
    return story, heard


async def test_a_year_of_silence_reaches_nobody_else() -> None:
    """Everybody else hears the same, at the same minutes, as if there had been no check-in at all."""
    story, heard = await a_year(with_check_ins=True)
    _, without = await a_year(with_check_ins=False)
    assert heard == without
    assert [line for line in story.log if line.name == "ana"]


async def test_a_year_of_silence_is_one_unanswered_message_at_a_time_and_none_after_the_end() -> None:
    """To the member the same question comes, in place of the one before, and no word of others."""
    story, _ = await a_year(with_check_ins=True)
    there: set[str] = set()
    last = None
    for at, effect in story.effects:
        if isinstance(effect, Withdraw):
            there.discard(effect.mark)
        if isinstance(effect, SendText) and effect.mark:
            there.add(effect.mark)
            last = at
            assert effect.member == story.address("ana")
        assert len(there) <= 1, "two questions at once"
    assert len(story.marked) > 365
    assert last is not None
    assert last <= story.now - timedelta(days=59)
    assert not there
    assert not story.records.all(CheckIn)
    _only_the_question([line for line in story.log if line.name == "ana" and line.from_desk])
    assert story.records.all(Member)


_OF_ANOTHER = (
    "Another check-in of yours has come to its end: ",
    "6. Go on for 8 weeks more: ",
    "7. Go on for 8 weeks more: ",
)
"""What is said with one of another that has ended, and whose last question it took the place of."""


def _only_the_question(lines: list[Line]) -> None:
    """Each is the question with its answers; the last of each kind says that it is that, and no more."""
    allowed = {
        "Hello. How is it going?",
        "1. Fine",
        "2. Rough, nothing needed",
        "3. I'd like company",
        "4. Places to reach now",
        "5. Skip",
        "6. Go on for 8 weeks more",
        "This is the last one. It can go on if you like.",
        "",
    }
    for line in lines:
        others = [one for one in line.body.split("\n") if not one.startswith(_OF_ANOTHER)]
        assert set(others) <= allowed, line.body
        for word in ("missed", "still there", "days in a row", "not answered", "worried"):
            assert word not in line.body
