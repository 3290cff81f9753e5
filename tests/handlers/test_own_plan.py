"""A member's own words to themselves: kept after a yes, sent back, changed, deleted, shown to no other."""

import json
from datetime import timedelta

import pytest

from handlers import own_plan
from handlers.desk import Desk
from schema.events import Due
from schema.records import OwnPlan
from schema.states import Belongs
from tests.handlers.story import Story

PLAN = "Open the window.\nRing Mia; she knows."


async def kept(story: Story, at_check_ins: str = "no") -> None:
    """Ana has a plan."""
    await story.comes("ana")
    await story.says("ana", "my plan", PLAN, "yes", at_check_ins)


async def test_the_words_come_back_as_they_were_written(story: Story) -> None:
    """From every question, also from one that takes a person's own words; and that one waits."""
    await kept(story)
    assert f"\n{PLAN}\n" in await story.say("ana", "my plan")
    await story.says("ana", "talk", "change", "4")
    assert PLAN in await story.say("ana", "My Plan.")
    assert "a few words" in await story.say("ana", "back")


async def test_nothing_is_kept_before_the_yes(story: Story) -> None:
    """Nor where it is left, or put off until it lapses."""
    await story.comes("ana")
    for word in ("no", "skip", "stop"):
        await story.says("ana", "my plan", PLAN, word)
        assert not story.records.all(OwnPlan)
    await story.says("ana", "my plan", PLAN)
    await story.wait(story.community.timings.request_open + timedelta(days=2))
    assert PLAN not in json.dumps([str(row) for row in story.records.rows.values()])


async def test_too_many_words_are_asked_for_again(story: Story) -> None:
    """With their number, and none of them kept; as many as are allowed are sent back whole."""
    await story.comes("ana")
    answer = await story.says("ana", "my plan", "é" * (own_plan.LONGEST + 1))
    assert "2,001" in answer
    await story.says("ana", "é" * own_plan.LONGEST, "yes", "no")
    assert "é" * own_plan.LONGEST in await story.say("ana", "my plan")


async def test_it_is_changed_and_the_old_words_are_gone(story: Story) -> None:
    """Only after the yes; what was set for the check-ins stays."""
    await kept(story, "yes")
    await story.says("ana", "my plan", "change", "1", "Only rest.", "no")
    assert story.records.all(OwnPlan)[0].words == PLAN
    await story.says("ana", "my plan", "change", "1", "Only rest.", "yes")
    (plan,) = story.records.all(OwnPlan)
    assert plan.words == "Only rest."
    assert plan.at_check_ins


@pytest.mark.parametrize("way", [("my plan", "change", "delete", "yes"), ("forget me", "yes")])
async def test_it_is_deleted(story: Story, way: tuple[str, ...]) -> None:
    """At their word, and with everything else that is held."""
    await kept(story)
    await story.says("ana", *way)
    assert not story.records.all(OwnPlan)
    assert PLAN not in await story.say("ana", "my plan")


async def test_a_number_sent_twice_deletes_nothing(story: Story) -> None:
    """What cannot be taken back does not stand first, and needs its yes."""
    await kept(story)
    await story.says("ana", "my plan", "3", "3", "1")
    assert story.records.all(OwnPlan)
    await story.says("ana", "my plan", "3", "3", "skip")
    assert story.records.all(OwnPlan)


async def test_a_question_whose_words_are_deleted_meanwhile_is_none(story: Story) -> None:
    """What was shown before is not answered as if they were there."""
    await kept(story)
    await story.says("ana", "my plan", "change")
    await story.records.delete(OwnPlan, story.id("ana"))
    assert "delete" not in await story.say("ana", "1")


async def test_it_is_told_in_what_is_held_and_in_the_export(story: Story) -> None:
    """With its words, whole, and that check-ins offer it."""
    await kept(story, "yes")
    held = await story.say("ana", "what do you hold")
    assert f"“{PLAN}”" in held
    assert "Your check-ins offer these words" in held
    await story.say("ana", "export")
    entry = next(one for one in json.loads(story.files[-1][1])["held"] if one["kind"] == "ownplan")
    assert entry["words"] == PLAN
    assert entry["at_check_ins"] is True


async def test_nobody_else_is_ever_sent_it(story: Story) -> None:
    """Through a whole pairing, with the other's questions about what is held."""
    await kept(story)
    await story.comes("ben")
    await story.offers("ben")
    await story.asks("ana")
    await story.says("ben", "1", "1")
    await story.says("ana", "1", "my plan")
    await story.says("ben", "what do you hold", "my plan", "status", "close")
    assert not any("Mia" in line.body for line in story.log if line.name != "ana")


async def test_whoever_may_not_write_any_more_can_still_read_it(story: Story) -> None:
    """Nothing new begins for them, and what they kept is theirs."""
    await kept(story)
    assert PLAN in await story.say("ana", "my plan", belongs=Belongs.OUTSIDE)


@pytest.mark.parametrize(("wanted", "found"), [("yes", ("own_plan",)), ("no", ())])
async def test_a_check_in_offers_it_only_where_the_member_wants_that(
    story: Story, wanted: str, found: tuple[str, ...]
) -> None:
    """And it can be turned round at any time."""
    await kept(story, wanted)

    async def offered() -> tuple[str, ...]:
        turn = story.turn(Due("", ""))
        return tuple(one.name for one in await own_plan.choice(Desk(turn), story.member("ana")))

    assert await offered() == found
    await story.says("ana", "my plan", "change", "2")
    assert await offered() == (() if found else ("own_plan",))
