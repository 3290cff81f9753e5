"""Keeping two apart: what it does, that nothing shows it, and how it is listed and ended."""

import dataclasses
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from schema.effects import OpenPeerRoom
from schema.records import Ask, Member, PeerRoom, Separation
from service.core.apart import MOST
from tests.handlers.story import COMMUNITY, Story

Heard = list[tuple[datetime, str, bool]]


async def keeps_apart(story: Story, name: str, other: str) -> None:
    """The member has the other kept apart."""
    said = await story.says(name, f"keep apart {story.address(other)}", "yes")
    assert said.startswith("I keep you two apart from now on.")


async def test_it_works_as_the_first_message_of_all(story: Story) -> None:
    """By name, before any meeting and before anything else was said here."""
    said = await story.say("ana", "keep apart @ben:example.org")
    assert said.startswith("Hello. I am a program")
    assert "I would keep you and @ben:example.org apart." in said
    assert not story.records.all(Separation)
    await story.says("ana", "1")
    (kept,) = story.records.all(Separation)
    assert (kept.member, kept.other) == (story.id("ana"), story.id("ben"))
    left = "\n".join(repr(dataclasses.asdict(row)) for row in story.records.rows.values())
    assert "@ben" not in left, "no name is kept"


@pytest.mark.parametrize("typed", ["no", "2", "skip", "stop"])
async def test_without_a_yes_nothing_is_kept(story: Story, typed: str) -> None:
    """Neither the wish nor the name."""
    await story.comes("ana")
    await story.says("ana", "keep apart @ben:example.org", typed)
    assert not story.records.all(Separation)
    assert "@ben" not in repr(story.member("ana"))


async def test_a_name_that_is_not_confirmed_is_gone_soon(story: Story) -> None:
    """It lies sealed for as long as a question of one's own does, and goes with any other word."""
    await story.comes("ana")
    await story.says("ana", "keep apart @ben:example.org")
    await story.wait(COMMUNITY.timings.idle)
    assert "@ben" not in repr(story.member("ana"))
    await story.says("ana", "keep apart @ben:example.org", "menu")
    assert "@ben" not in repr(story.member("ana"))


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("Ben", "I need the address, not the name."),
        ("@ben", "The last part of the address is missing"),
        ("ben@example.org", "That looks like an e-mail address."),
        ("#kitchen:example.org", "That is a room."),
        ("@ben:example.org and @cleo:example.org", "I can take one address at a time."),
        ("@ben:example.org who shouts", "I could not read an address in that."),
        ("@ana:example.org", "That is your own address."),
    ],
)
async def test_what_is_no_address_gets_a_kind_answer_of_its_own(
    story: Story, typed: str, answer: str
) -> None:
    """And the question again, to which the address alone is the answer."""
    await story.comes("ana")
    assert (await story.say("ana", f"keep apart {typed}")).startswith(answer)
    assert (await story.says("ana", "keep apart", typed)).startswith(answer)
    await story.says("ana", "@ben:example.org", "yes")
    assert len(story.records.all(Separation)) == 1


async def test_it_works_in_the_middle_of_anything(story: Story) -> None:
    """Also where a person's own words are asked for; what was begun waits."""
    await story.comes("ana")
    await story.says("ana", "talk", "more", "1", "1", "2")
    await keeps_apart(story, "ana", "ben")
    await story.says("ana", "back", "a long week", "yes")
    assert story.the_request().note == "a long week"


async def _two_days(story: Story) -> None:
    """Ana asks twice and looks, and Cleo says yes at once."""
    await story.asks("ana")
    await story.says("cleo", "yes", "go on")
    await story.says("ana", "status", "back", "2", "status")
    await story.wait(timedelta(days=1))
    await story.says("ana", "1")
    await story.wait(timedelta(days=1))


async def _seen(way: str, *, only: bool) -> tuple[Heard, Heard]:
    """What Ana and Cleo see of two days in which Ben is kept apart from Ana in `way`, or is not there."""
    story = Story(seed=7)
    for name in ("ana", "ben", "cleo"):
        await story.comes(name)
    if not only:
        await story.offers("cleo", hours="4")
    else:
        await story.wait(timedelta(minutes=5))
    start = story.now
    if way != "absent":
        await story.offers("ben", hours="4")
    if way == "by ben":
        await keeps_apart(story, "ben", "ana")
    if way == "by ana":
        await keeps_apart(story, "ana", "ben")
    if way == "sleeps":
        await story.says("ben", "rest")
    begin = start + timedelta(minutes=20)
    await story.wait(begin - story.now)
    await _two_days(story)
    return story.heard("ana", begin), story.heard("cleo", begin)


@pytest.mark.parametrize("only", [True, False])
async def test_promise_2_nobody_can_tell_a_keeping_apart_from_a_sleep_or_from_nobody(only: bool) -> None:
    """Words, order and times are the same for the asker and for a third, whoever asked for it."""
    seen = [await _seen(way, only=only) for way in ("absent", "sleeps", "by ben", "by ana")]
    assert all(one == seen[0] for one in seen)


async def test_promise_2_whoever_is_kept_apart_sees_what_someone_sees_whom_nobody_asked(story: Story) -> None:
    """Ben's side: no ask, no word, and his offer counts no ask."""
    for name in ("ana", "ben"):
        await story.comes(name)
    await story.offers("ben", hours="4")
    await keeps_apart(story, "ana", "ben")
    start = story.now
    await story.asks("ana")
    await story.wait(timedelta(hours=2))
    assert not story.heard("ben", start)
    assert not story.offer_of("ben").asked
    assert not story.records.all(Ask)


@pytest.mark.parametrize("by", ["ana", "ben"])
@pytest.mark.parametrize("far", [1, 2, 3, 4])
async def test_what_was_under_way_comes_to_nothing_as_if_for_another_reason(by: str, far: int) -> None:
    """Kept apart in the middle: no room opens, and each hears what they hear of a no or a withdrawal."""
    heard = []
    for way in ("apart", "other"):
        story = Story()
        for name in ("ana", "ben"):
            await story.comes(name)
        await story.offers("ben", hours="4")
        await story.asks("ana")
        await story.says("ben", *["yes", "go on"][: far - 1])
        other = "ben" if by == "ana" else "ana"
        start = story.now
        if way == "apart":
            await keeps_apart(story, by, other)
        elif by == "ana":
            # To Ben it is as if Ana had taken it back.
            await story.says("ana", "stop" if far < 3 else "3")
        await story.wait(start + timedelta(minutes=2) - story.now)
        later = start + timedelta(minutes=2)
        if far == 4:
            await story.says("ana", "1" if way == "apart" or by == "ben" else "status")
        rest = {1: ["yes"], 2: ["go on"]}.get(far, [])
        if by == "ana":
            await story.says("ben", *rest)
        await story.wait(start + timedelta(days=3) - story.now)
        if way == "apart":
            assert not story.records.all(PeerRoom)
            assert not [one for _, one in story.effects if isinstance(one, OpenPeerRoom)]
        heard.append(story.heard("ben", later))
    if by == "ana":
        assert heard[0] == heard[1]


async def test_an_asker_hears_of_it_as_of_a_step_back() -> None:
    """Ben said that he would go on, then had Ana kept apart: her yes meets the words of every step back."""
    heard = []
    for words in (["keep apart @ana:example.org", "yes"], ["stop", "1"]):
        story = Story()
        for name in ("ana", "ben"):
            await story.comes(name)
        await story.offers("ben", hours="4")
        await story.asks("ana")
        await story.says("ben", "yes", "go on")
        start = story.now
        await story.says("ben", *words)
        await story.says("ana", "yes", "status")
        await story.wait(start + timedelta(days=2) - story.now)
        heard.append(story.heard("ana", start))
    assert any("This time no room opens for you two." in body for _, body, _ in heard[0])
    assert heard[0] == heard[1]


async def test_it_survives_the_others_leaving_and_goes_with_ones_own(story: Story) -> None:
    """Promise 9: what others asked for about me stays; what I asked for is erased at once."""
    for name in ("ana", "ben"):
        await story.comes(name)
    await keeps_apart(story, "ana", "ben")
    await story.says("ben", "forget me", "yes")
    await story.comes("ben")
    await story.offers("ben", hours="4")
    await story.asks("ana")
    assert not story.records.all(Ask)
    await story.says("ana", "stop", "forget me", "yes")
    assert not story.records.all(Separation)
    assert [row.id for row in story.records.all(Member)] == [story.id("ben")]


async def test_the_list_has_numbers_and_dates_and_no_names(story: Story) -> None:
    """Ended by number after one yes; a number means what it meant when it was shown."""
    await story.comes("ana")
    assert "You have not asked me to keep anybody apart" in await story.say("ana", "kept apart")
    await keeps_apart(story, "ana", "ben")
    await story.wait(timedelta(days=2))
    await keeps_apart(story, "ana", "cleo")
    said = await story.say("ana", "keep apart @cleo:example.org")
    assert "It is number 2 in the list." in said
    held = await story.say("ana", "what do you hold")
    assert "Someone whom I keep apart from you, as you wished, since Friday 27 November" in held
    assert "Someone whom I keep apart from you, as you wished, since Sunday 29 November" in held
    listed = await story.say("ana", "kept apart")
    assert listed.startswith("I keep 2 people apart from you.")
    assert "1. Since Friday 27 November" in listed
    assert "@" not in held.replace("@ana:example.org", "") + listed
    await story.says("ana", "1", "1")
    assert len(story.records.all(Separation)) == 2, "no stands first"
    await story.says("ana", "kept apart", "1", "yes")
    (kept,) = story.records.all(Separation)
    assert kept.other == story.id("cleo")
    await story.says("ana", "kept apart", "2")
    assert story.records.all(Separation) == [kept], "leave it"


async def test_nobody_else_learns_of_it_by_asking(story: Story) -> None:
    """What is held about Ben, and the answer to keeping Ana apart himself, are the same either way."""
    said = []
    for apart in (True, False):
        story = Story()
        for name in ("ana", "ben"):
            await story.comes(name)
        if apart:
            await keeps_apart(story, "ana", "ben")
        await story.wait(timedelta(hours=1) - (story.now - story.heard("ben")[0][0]))
        start = story.now
        await story.says("ben", "what do you hold", "kept apart", "keep apart @ana:example.org", "yes")
        await story.says("ben", "kept apart", "status")
        said.append(story.heard("ben", start))
    assert said[0] == said[1]


async def test_the_number_of_them_is_bound(story: Story) -> None:
    """So that nobody can fill the database, or make every round slow."""
    await story.comes("ana")
    for number in range(MOST):
        await story.says("ana", f"keep apart @{number}:example.org", "yes")
    assert f"I keep {MOST} people apart from you already" in await story.say("ana", "keep apart @ben:x.org")
    first = story.records.all(Separation)[0]
    assert replace(first, member=story.id("ana")) == first
