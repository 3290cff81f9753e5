"""Afterwards: what the two of a room may still say, that the other never sees it, and that it goes."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from schema.records import Ask, Meeting, Request, Separation
from schema.states import AskState
from service.store import Store
from tests.handlers.story import COMMUNITY, Story
from tests.handlers.test_room import together

Heard = list[tuple[datetime, str, bool]]

AGAIN = "You and the person of one of your last rooms both said that you would talk again."


async def closed(story: Story) -> None:
    """Ana and Ben were in their room, and it is closed."""
    await together(story)
    await story.says("ana", "close")


async def test_both_are_offered_the_same_with_the_closing(story: Story) -> None:
    """At the same time, in one message with it, to answer or not."""
    await closed(story)
    ana, ben = story.heard("ana")[-1], story.heard("ben")[-1]
    rests = (
        "I ask you nothing more before your offer ends: Saturday 28 November, 05:06 Berlin (in 12 hours). "
        "Write “my offer” to change its hours.\n"
    )
    assert rests in ben[1]
    assert (ana[0], ana[2]) == (ben[0], ben[2])
    assert ana[1] == ben[1].replace(rests, "")
    assert ana[1].startswith("The room is closed.")
    assert ana[1].endswith(
        "1. I would talk with this person again\n2. Never pair us again\n"
        "3. Talk with someone about it\n4. Nothing"
    )
    start = story.now
    await story.wait(timedelta(days=1))
    after = [body for _, body, _ in story.heard("ana", start + timedelta(seconds=1))]
    assert not any("Never pair us" in body for body in after), "never repeated"


async def test_whether_to_look_on_is_asked_first(story: Story) -> None:
    """Where the peer ended it, the asker's own need comes before what is offered to both."""
    await together(story)
    await story.says("ben", "close")
    assert story.last("ana").endswith("4. Menu")
    assert "1. Look again now" in story.last("ana")
    assert "2. Never pair us again" in await story.says("ana", "4", "back")
    assert "2. Never pair us again" in story.last("ben")


async def test_what_was_said_before_is_not_offered_once_more(story: Story) -> None:
    """The question waited behind another one: again is left out, and what can be said is named."""
    await together(story)
    await story.says("ben", "close")
    assert "1. Look again now" in story.last("ana")
    await story.say("ana", "again")
    offered = await story.say("ana", "1")
    assert "I have noted that, until" in offered
    assert "I have noted that you would talk with them again." in offered
    assert "I would talk with this person again" not in offered
    assert "1. Never pair us again\n2. Talk with someone about it\n3. Nothing" in offered
    assert "never ask you about them again" in await story.say("ana", "1")


async def test_company_about_it_is_asked_for_as_such(story: Story) -> None:
    """Whoever is asked reads what it is about: a conversation just had."""
    await closed(story)
    recap = await story.say("ana", "talk about it")
    assert "What would help: company about a conversation just had." in recap
    await story.says("ana", "yes")
    assert story.the_request().wish == "conversation"


async def test_where_the_two_never_met_nothing_is_asked_and_no_mark_is_kept(story: Story) -> None:
    """A room that nobody came to has no afterwards."""
    story.arrive = False
    await together(story)
    await story.wait(timedelta(hours=2))
    assert not story.records.all(Meeting)
    assert "again" not in story.last("ben")


_WAYS = [
    [],
    ["1", "1"],
    ["1", "2"],
    ["2", "1"],
    ["never again", "yes"],
    ["2", "no"],
    ["3"],
    ["4"],
    ["what?"],
    ["forget me", "yes"],
    ["keep apart @ben:example.org", "yes"],
    ["1", "1", "not again"],
]


async def test_what_one_says_is_never_seen_by_the_other() -> None:
    """What Ben hears, and hears when he looks, is alike for all that Ana can say."""
    seen: list[Heard] = []
    for words in _WAYS:
        story = Story()
        await closed(story)
        start = story.now
        await story.says("ana", *words)
        await story.wait(start + timedelta(minutes=30) - story.now)
        await story.says("ben", "status", "what do you hold", "never again", "no", "kept apart", "not again")
        await story.wait(start + timedelta(days=16) - story.now)
        await story.says("ben", "what do you hold", "again")
        seen.append(story.heard("ben", start + timedelta(seconds=1)))
    assert all(one == seen[0] for one in seen)


async def test_one_who_says_again_alone_learns_nothing() -> None:
    """What Ben hears after his own again is the same unless Ana said it too."""
    seen: list[Heard] = []
    for words in [way for way in _WAYS if way != ["1", "1"]]:
        story = Story()
        await closed(story)
        start = story.now
        await story.says("ana", *words)
        await story.wait(start + timedelta(minutes=30) - story.now)
        await story.says("ben", "again", "yes", "what do you hold")
        await story.wait(start + timedelta(days=16) - story.now)
        seen.append(story.heard("ben", start + timedelta(seconds=1)))
    assert all(one == seen[0] for one in seen)
    assert not any(AGAIN in body for _, body, _ in seen[0])


async def _agreed(story: Story) -> None:
    await closed(story)
    await story.says("ana", "1", "1")
    said = await story.says("ben", "again", "yes")
    assert said.startswith(AGAIN)
    assert story.last("ana").startswith(AGAIN)


async def test_when_both_said_it_both_are_told_and_it_lasts_for_its_time(story: Story) -> None:
    """In the words of neither, and until the community's time is over."""
    await _agreed(story)
    assert [one.agreed for one in story.records.all(Meeting)] == [True, True]
    held = await story.say("ana", "what do you hold")
    assert "both said that you would talk again" in held
    assert "@ben" not in held
    await story.wait(timedelta(days=180))
    assert story.records.all(Meeting)
    await story.wait(timedelta(days=3))
    assert not story.records.all(Meeting)


async def test_taking_it_back_and_saying_it_again_is_seen_by_one_alone(story: Story) -> None:
    """To Ben it has held all along; and the mark for `never again` is there as long as without it."""
    await _agreed(story)
    assert (await story.say("ana", "again")).startswith("You have both said that already.")
    heard = len(story.heard("ben"))
    await story.says("ana", "not again")
    held = await story.say("ana", "what do you hold")
    assert "so that you can say “again” or “never again”" in held
    assert (await story.says("ana", "again", "yes")).startswith(AGAIN)
    assert len(story.heard("ben")) == heard
    await story.says("ana", "not again")
    await story.wait(timedelta(days=14))
    assert [one.member for one in story.records.all(Meeting)] == [story.id("ben")]


async def _asks_again(story: Story) -> bool:
    """Ana asks, and has those asked first with whom she agreed to talk again, where that is offered."""
    changes = await story.says("ana", "menu", "talk", "more", "1", "skip", "skip", "skip", "change")
    offered = re.search(r"^(\d+)\. Whom I ask$", changes, re.MULTILINE)
    if offered:
        await story.says("ana", offered[1])
        said = await story.says("ana", "2")
        assert "I first ask whoever agreed with you to talk again, if they have time." in said
    else:
        await story.says("ana", "back")
    await story.says("ana", "yes")
    return offered is not None


@pytest.mark.parametrize(
    ("then", "first", "offered"),
    [
        ([], True, True),
        ([("ben", "not again")], False, True),
        ([("ben", "forget me"), ("ben", "yes")], False, True),
        ([("ben", "keep apart @ana:example.org"), ("ben", "yes")], False, True),
        ([("ana", "not again")], False, False),
    ],
)
async def test_whoever_agreed_is_asked_first_while_it_holds(
    story: Story, then: list[tuple[str, str]], first: bool, offered: bool
) -> None:
    """Before somebody who waited longer; either ends it alone, and the other is offered the same as ever."""
    story.community = replace(COMMUNITY, asks_at_once=1)
    await _agreed(story)
    for name, words in then:
        await story.says(name, words)
    await story.wait(timedelta(days=1))
    await story.comes("cleo")
    await story.offers("cleo", hours="4")
    await story.wait(timedelta(hours=1))
    await story.comes("ben")
    await story.offers("ben", hours="4")
    for offer in (story.offer_of("ben"), story.offer_of("cleo")):
        long_ago = story.now - timedelta(days=30 if offer.member == story.id("cleo") else 2)
        await story.records.put(replace(offer, asked_at=long_ago, asked=()))
    assert await _asks_again(story) is offered
    (asked,) = [one.member for one in story.records.all(Ask) if one.state is AskState.SHOWN]
    assert asked == story.id("ben" if first else "cleo")
    assert story.records.all(Request)[0].again is offered


async def _asks_only_again(story: Story) -> str:
    """Ana asks only for those with whom she agreed to talk again."""
    recap = await story.says("ana", "menu", "talk", "change", "whom i ask", "only")
    assert "I ask only whoever agreed with you to talk again, if they have time." in recap
    return await story.say("ana", "yes")


async def test_only_whoever_agreed_is_asked_and_nobody_learns_why_nobody_is() -> None:
    """Ben, who agreed, is asked and Cleo is not; Ana hears the same where he has ended it, or has no time."""
    heard = []
    for then in ((), ("rest 9 days",), ("not again",), ("withdraw",), ("forget me", "yes")):
        story = Story()
        await _agreed(story)
        await story.wait(timedelta(days=1))
        for name in ("cleo", "ben"):
            await story.comes(name)
            await story.offers(name, hours="4")
        start = story.now
        await story.says("ben", *then)
        await story.wait(start + timedelta(minutes=10) - story.now)
        start = story.now
        assert "If they have no time now, or have ended that, it looks the same" in await _asks_only_again(
            story
        )
        asked = {one.member for one in story.records.all(Ask) if one.state is AskState.SHOWN}
        assert asked == (set() if then else {story.id("ben")})
        await story.wait(timedelta(hours=2))
        heard.append(story.heard("ana", start))
    for one in heard:
        assert one == heard[0]


async def test_who_knows_that_there_is_nobody_such_is_told_so(story: Story) -> None:
    """Ana has ended it herself: the next round says it, and keeps her words for another way."""
    await _agreed(story)
    await _asks_only_again(story)
    await story.says("ana", "not again")
    await story.wait(timedelta(minutes=10))
    assert not story.records.all(Request)
    assert "has lapsed, or you have ended it" in story.last("ana")
    assert "1. Look again now" in story.last("ana")
    recap = await story.say("ana", "change")
    assert "Nobody else is asked" in recap
    assert "Whom I ask" in await story.say("ana", "change")
    recap = await story.says("ana", "whom i ask", "anyone")
    assert "Nobody else is asked" not in recap
    await story.say("ana", "yes")
    assert not story.the_request().again_only
    await story.says("ana", "stop", "talk")
    assert "Whom I ask" not in await story.say("ana", "change"), "where nothing of it is left"


async def test_never_again_is_a_keeping_apart(story: Story) -> None:
    """Kept for the one who said it, listed without a name, and the mark of the meeting is spent."""
    await closed(story)
    said = await story.says("ana", "2", "1")
    assert said.startswith("I keep you two apart from now on.")
    (kept,) = story.records.all(Separation)
    assert (kept.member, kept.other) == (story.id("ana"), story.id("ben"))
    assert [one.member for one in story.records.all(Meeting)] == [story.id("ben")]
    assert "1. Since Friday 27 November" in await story.say("ana", "kept apart")
    await story.says("ben", "forget me", "yes")
    await story.comes("ben")
    await story.offers("ben", hours="4")
    await story.asks("ana")
    assert not story.records.all(Ask)


async def test_of_somebody_who_was_forgotten_the_answers_are_the_same(story: Story) -> None:
    """Promise 9 erases Ben from Ana's mark, and Ana cannot tell; she is told how to be sure."""
    await closed(story)
    await story.says("ben", "forget me", "yes")
    assert all(story.id("ben") not in repr(one) for one in story.records.rows.values())
    said = await story.says("ana", "never again", "yes")
    assert "To be sure, write “keep apart” and their address." in said
    assert (await story.say("ana", "kept apart")).startswith("I keep 1 person apart from you.")


async def test_of_several_rooms_it_is_asked_which_one(story: Story) -> None:
    """By the hours of their ends; a word alone never means the wrong person."""
    await closed(story)
    await story.wait(timedelta(days=1))
    await story.comes("cleo")
    await story.says("ben", "withdraw")
    await story.offers("cleo", hours="4")
    await story.asks("ana")
    await story.says("cleo", "yes", "go on")
    await story.says("ana", "yes")
    await story.says("ana", "close", "menu")
    said = await story.say("ana", "never again")
    assert said.startswith("Which one do you mean?")
    assert "1. The room that ended on Friday 27 November" in said
    assert "2. The room that ended on Saturday 28 November" in said
    await story.says("ana", "2", "yes")
    (kept,) = story.records.all(Separation)
    assert kept.other == story.id("cleo")


async def test_after_its_time_the_mark_is_gone_and_a_word_says_so(story: Story) -> None:
    """Promise 6: no history of who met whom beyond 14 days."""
    await closed(story)
    ended = story.now
    assert all(one.due_at <= ended + timedelta(days=14) for one in story.records.all(Meeting))
    assert len({one.due_at for one in story.records.all(Meeting)}) == 1
    await story.wait(timedelta(days=14))
    assert not story.records.all(Meeting)
    said = await story.says("ana", "again")
    assert said.startswith("I know of no room of yours that ended lately.")


async def test_keep_apart_takes_back_what_was_agreed_and_an_again_after_it_says_so(story: Story) -> None:
    """The last word counts, and only who said it is told."""
    await closed(story)
    await story.says("ana", "keep apart @ben:example.org", "yes")
    assert [one.member for one in story.records.all(Meeting)] == [story.id("ben")]
    await story.wait(timedelta(days=1))
    assert (await story.say("ana", "again")).startswith("I know of no room of yours")


async def test_no_byte_of_a_mark_is_left_on_disk_after_its_time(story: Story, tmp_path: Path) -> None:
    """Sealed rows as they lay there, and the hashes in them, are gone from the file and its log."""
    place = tmp_path / "alongside.db"
    await closed(story)
    marks = story.records.all(Meeting)
    store = await Store.open(f"sqlite:///{place}", bytes(range(32)))
    try:
        async with store.transaction("test") as transaction:
            for mark in marks:
                await transaction.put(mark)
        hashes = [store.seal.lookup("meetings", mark.other).encode() for mark in marks]
        await store.erase_checkpoint()
        before = place.read_bytes()
        assert all(one in before for one in (*hashes, *(mark.id.encode() for mark in marks)))
        async with store.transaction("test") as transaction:
            for mark in marks:
                await transaction.delete(Meeting, mark.id)
        await store.erase_checkpoint()
        files = [file.read_bytes() for file in place.parent.iterdir()]
        for one in (*hashes, *(mark.id.encode() for mark in marks), *(m.member.encode() for m in marks)):
            assert not any(one in file for file in files)
    finally:
        await store.close()
