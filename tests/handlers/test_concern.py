"""Something was wrong: who reads it, what can follow, and what nobody learns."""

from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest

from schema.community import Reader
from schema.effects import OpenDirectChat, SendText
from schema.records import Ask, Concern, Meeting, Member, PairingPause, Request
from schema.states import Belongs
from service.store import Store
from tests.handlers.story import COMMUNITY, STEWARDS, Story

READERS = tuple(
    Reader(Story.address(name), name.capitalize(), must_report)
    for name, must_report in (("rosa", False), ("sam", False), ("tove", True))
)
WORDS = "They shouted at me after I said no."
REASON = "Words were said here that we do not want."


@pytest.fixture
def story() -> Story:
    """Ana and Ben, and three who read concerns."""
    return Story(community=replace(COMMUNITY, readers=READERS))


async def met(story: Story, *readers: str) -> None:
    """Ana and Ben were in a room, which is closed; these readers have a chat with the front desk."""
    for name in ("ben", "ana", *readers):
        await story.comes(name)
    await story.offers("ben", hours="4")
    await story.asks("ana")
    await story.says("ben", "1", "1")
    await story.says("ana", "1")
    await story.says("ana", "close")


async def raised(story: Story, readers: str = "1 2", *then: str) -> None:
    """Ana says what was wrong in that room, to Rosa and Sam unless told otherwise."""
    await met(story, "rosa", "sam", "tove")
    await story.says("ana", "something was wrong", readers, WORDS, *then, "yes")


async def paused(story: Story) -> None:
    """Rosa and Sam have paused Ben's pairing for four weeks."""
    await raised(story)
    await story.says("rosa", "read", "pause", "2", REASON, "yes")
    await story.says("sam", "read", "read", "concerns", "1", "yes")


def the_concern(story: Story) -> Concern:
    """The one that there is."""
    (concern,) = story.records.all(Concern)
    return concern


def heard_of(story: Story, words: str) -> set[str]:
    """Whoever was told these words."""
    return {line.name for line in story.log if line.from_desk and words in line.body}


async def test_two_of_those_chosen_read_it_each_in_their_own_chat(story: Story) -> None:
    """The words go to them alone, after each has asked for them, and each knows of the other."""
    await raised(story)
    invited = story.last("rosa")
    assert "A member has a concern about someone they shared a room with, and chose you" in invited
    assert "It was given to you and to Sam, to read it together." in invited
    assert WORDS not in invited
    assert "Rosa" in story.last("sam")
    assert "concern" not in story.last("tove")
    said = await story.say("rosa", "1")
    assert f"“{WORDS}”" in said
    assert "I do not tell you who wrote it." in said
    assert heard_of(story, WORDS) == {"ana", "rosa"}
    assert "has been opened" in story.last("ana")
    for name in ("rosa", "sam"):
        heard = "\n".join(body for _, body, _ in story.heard(name))
        assert story.address("ana") not in heard
        assert story.address("ben") not in heard


async def test_of_more_than_two_two_read_it_and_are_named_before_the_words(story: Story) -> None:
    """Who reads it stands before the words are asked for, and does not change at the yes."""
    await met(story)
    await story.says("ana", "something was wrong")
    asked = await story.says("ana", "1 2 3")
    (named,) = [line for line in asked.split("\n") if line.startswith("Who would read this: ")]
    recap = await story.say("ana", WORDS)
    assert named.removeprefix("Who would read this: ") in recap
    assert "Must report some things by law: Tove." in recap
    await story.say("ana", "yes")
    assert len(the_concern(story).readers) == 2
    assert len(the_concern(story).spare) == 1


async def test_where_a_reader_gives_it_back_the_next_one_chosen_reads_it(story: Story) -> None:
    """Two still read it together; the first who reads it hears with whom, and the writer that it changed."""
    await raised(story, "1 2 3")
    first, second = (name for name in ("rosa", "sam", "tove") if "has a concern" in story.last(name))
    (third,) = {"rosa", "sam", "tove"} - {first, second}
    assert f"somebody else whom you chose does: {third.capitalize()}." in await story.say(
        "ana", "my concerns"
    )
    await story.say(first, "give back")
    assert "Another whom you chose reads it instead." in story.last("ana")
    assert f"read with you by: {third.capitalize()}." in story.last(second)
    assert f"It was given to you and to {second.capitalize()}" in story.last(third)
    assert set(the_concern(story).readers) == {story.id(second), story.id(third)}
    await story.says(third, "forget me", "yes")
    assert story.id(third) not in repr([asdict(row) for row in story.records.rows.values()])
    assert "alone now" in story.last(second)


async def test_whoever_must_report_is_marked_and_said_again_before_the_yes(story: Story) -> None:
    """In the list, and in the recap where one of them was chosen."""
    await met(story)
    listed = await story.says("ana", "something was wrong")
    assert "3. Tove, @tove:example.org: must report some things by law" in listed
    assert listed.count("must report") == 1
    assert "Must report" not in await story.says("ana", "1", WORDS)
    assert "Must report some things by law: Tove." in await story.says("ana", "4", "3")


async def test_whoever_is_no_steward_is_marked(story: Story) -> None:
    """Where stewards are named: somebody from outside is to be told from those who run the service."""
    stewards = (story.address("rosa"), story.address("sam"))
    story.community = replace(story.community, stewards=stewards)
    await met(story)
    listed = await story.says("ana", "something was wrong")
    marks = (
        "Rosa, @rosa:example.org\n",
        "Sam, @sam:example.org\n",
        "Tove, @tove:example.org: does not look after",
    )
    assert all(mark in listed for mark in marks)


async def test_without_a_reader_it_is_not_taken_and_that_is_said(story: Story) -> None:
    """Nothing of it is kept: where nobody is chosen, nobody is left, or nobody was named."""
    await met(story)
    assert "I do not take it" in await story.says("ana", "concern", "3", "4")
    story.community = replace(COMMUNITY, readers=(Reader(story.address("ana"), "Ana"),))
    assert "nobody else here who could read it" in await story.says("ana", "concern", "3")
    story.community = COMMUNITY
    assert "named nobody who reads concerns" in await story.say("ana", "concern")
    assert "wrong" not in await story.say("ana", "menu")
    assert not story.records.all(Concern)
    assert story.member("ana").prompt is not None


async def test_a_reader_who_was_in_the_room_is_left_out_and_that_is_said(story: Story) -> None:
    """About the room itself; about a question nobody is left out, since a gap would name who it was."""
    story.community = replace(COMMUNITY, readers=(*READERS, Reader(story.address("ben"), "Ben")))
    await met(story)
    listed = await story.says("ana", "something was wrong")
    assert "Ben, @ben" not in listed
    assert "Not in this list, since it is the same address as the other person's in that room: Ben." in listed
    listed = await story.says("ana", "stop", "concern", "2")
    assert "4. Ben, @ben:example.org" in listed
    assert "It may be one of these." in listed
    listed = await story.says("ana", "stop", "concern", "1", "2")
    assert "4. Ben, @ben:example.org" in listed


async def test_a_reader_without_a_chat_is_invited_to_one(story: Story) -> None:
    """Everybody named can be chosen: the list does not show who has written to the front desk."""
    await met(story)
    await story.says("ana", "something was wrong", "1", WORDS, "yes")
    invited = [effect.member for _, effect in story.effects if isinstance(effect, OpenDirectChat)]
    assert invited == [story.address("rosa")]
    await story.comes("rosa")
    assert "has a concern" in await story.say("rosa", "back")


async def test_nothing_is_kept_before_the_yes(story: Story) -> None:
    """A draft lapses; a no ends it at once."""
    await met(story)
    await story.says("ana", "something was wrong", "1", WORDS, "no")
    assert not story.records.all(Concern)
    assert WORDS not in repr([asdict(row) for row in story.records.rows.values()])
    await story.says("ana", "concern", "3", "1", WORDS)
    await story.wait(timedelta(days=2))
    assert WORDS not in repr([asdict(row) for row in story.records.rows.values()])


async def test_the_writer_is_named_only_at_their_own_word(story: Story) -> None:
    """One choice in the recap, which can be taken back before the yes."""
    await raised(story, "1 2", "2")
    said = await story.say("rosa", "read")
    assert f"They want you to see their address: {story.address('ana')}." in said


async def test_an_answer_reaches_the_writer_and_the_other_reader(story: Story) -> None:
    """By name, after a recap; the writer can add to the concern, and both are asked to read it anew."""
    await raised(story)
    recap = await story.says("rosa", "read", "answer", "Thank you. Would you like a talk?")
    assert "I would tell them: “Thank you. Would you like a talk?”" in recap
    assert heard_of(story, "Would you like a talk?") == {"rosa"}
    await story.say("rosa", "yes")
    assert "Rosa answered: “Thank you. Would you like a talk?”" in story.last("ana")
    assert "Rosa answered the concern" in story.last("sam")
    await story.says("ana", "add", "It was in May too.", "yes")
    assert the_concern(story).words == f"{WORDS}\n\nIt was in May too."
    assert not the_concern(story).opened
    assert "It was in May too." in await story.say("rosa", "read")


async def test_a_pause_needs_both_who_read(story: Story) -> None:
    """One alone reaches nobody; with both, Ben reads the reason, and neither who wrote nor who was wrong."""
    await raised(story)
    await story.says("rosa", "read", "pause", "2", REASON, "yes")
    assert not story.records.all(PairingPause)
    assert "Please read the concern first" in story.last("sam")
    assert not heard_of(story, REASON) & {"ben", "ana"}
    await story.says("sam", "read")
    said = await story.says("sam", "concerns", "1")
    assert f"“{REASON}”" in said
    heard = len(story.heard("ben"))
    await story.say("sam", "yes")
    (pause,) = story.records.all(PairingPause)
    assert pause.other == story.id("ben")
    assert story.id("ana") not in repr(pause)
    told = "\n".join(body for _, body, _ in story.heard("ben")[heard:])
    assert f"They wrote: “{REASON}”" in told
    assert WORDS not in told
    assert "@" not in told
    assert "Sam agreed" in story.last("rosa")
    assert "paired with nobody until" in story.last("ana")


async def test_without_the_second_yes_nothing_happens(story: Story) -> None:
    """A no is told to whoever proposed it, and to nobody else."""
    await raised(story)
    await story.says("sam", "read")
    await story.says("rosa", "read", "pause", "1", REASON, "yes")
    heard = len(story.heard("ben")), len(story.heard("ana"))
    await story.say("sam", "no")
    assert "Sam does not agree" in story.last("rosa")
    assert (len(story.heard("ben")), len(story.heard("ana"))) == heard
    assert not story.records.all(PairingPause)


async def test_where_one_reads_alone_a_pause_begins_with_their_yes(story: Story) -> None:
    """It says so before."""
    await raised(story, "1")
    recap = await story.says("rosa", "read", "pause", "1", REASON)
    assert "You read this alone, so it begins with your yes." in recap
    await story.say("rosa", "yes")
    assert len(story.records.all(PairingPause)) == 1


async def test_whoever_is_paused_is_paired_with_nobody_and_told_why(story: Story) -> None:
    """No ask and no request until the date; then it ends by itself."""
    await paused(story)
    await story.wait(timedelta(days=1))
    await story.comes("cleo")
    await story.asks("cleo")
    assert not [ask for ask in story.records.all(Ask) if ask.member == story.id("ben")]
    await story.say("ben", "withdraw")
    for word in ("talk", "offer", "talk listening 1h"):
        assert f"They wrote: “{REASON}”" in await story.say("ben", word)
    assert not [one for one in story.records.all(Request) if one.member == story.id("ben")]
    assert "I pair you with nobody" in await story.say("ben", "status")
    await story.wait(timedelta(days=28))
    assert story.last("ben").startswith("The pause is over.")
    assert not story.records.all(PairingPause)
    await story.offers("ben")
    assert story.offer_of("ben").member == story.id("ben")


async def test_a_pause_ends_what_was_open_in_the_words_of_any_other_reason() -> None:
    """Whoever waited on Ben hears what they would hear of a step back, at the same hour."""
    heard = []
    for words in (["yes"], []):
        story = Story(community=replace(COMMUNITY, readers=READERS))
        await raised(story)
        await story.says("rosa", "read", "pause", "2", REASON, "yes")
        await story.wait(timedelta(hours=13))
        await story.offers("ben", hours="4")
        await story.comes("cleo")
        await story.asks("cleo")
        await story.says("ben", "yes", "go on")
        start = story.now
        if words:
            await story.says("sam", "read", "read", "concerns", "1", *words)
        else:
            await story.says("ben", "stop", "1")
        await story.wait(start + timedelta(minutes=20) - story.now)
        await story.says("cleo", "1")
        heard.append([(at - start, body) for at, body, _ in story.heard("cleo", start)])
    assert heard[0] == heard[1]


async def test_it_outlives_forget_me_and_holds_when_they_come_back(story: Story) -> None:
    """As a keyed hash and the reason alone; said before the yes, and after it."""
    await paused(story)
    question = await story.say("ben", "forget me")
    assert "a pause that was decided" in question
    done = await story.say("ben", "yes")
    assert "The pause of your pairing stays until" in done
    left = [row for row in story.records.rows.values() if story.id("ben") in repr(asdict(row))]
    assert {type(row) for row in left} == {PairingPause, Concern}
    assert story.address("ben") not in repr([asdict(row) for row in story.records.rows.values()])
    await story.comes("ben")
    assert f"They wrote: “{REASON}”" in await story.say("ben", "talk")
    assert REASON in await story.say("ben", "what do you hold")


async def test_whoever_is_paused_answers_once_and_the_readers_can_end_it(story: Story) -> None:
    """Without their address; either of the two ends it, and both and Ben hear so."""
    await paused(story)
    await story.says("ben", "answer", "I am sorry for it.")
    await story.say("ben", "yes")
    for name in ("rosa", "sam"):
        assert "The person whom it is about answered: “I am sorry for it.”" in story.last(name)
        assert story.address("ben") not in story.last(name)
    assert "1. Answer" not in await story.say("ben", "talk")
    await story.say("rosa", "yes")
    assert not story.records.all(PairingPause)
    assert "has ended" in story.last("sam")
    assert story.last("ben").startswith("The pause is over.")


async def test_a_reader_gives_it_back_without_a_reason(story: Story) -> None:
    """Before it was read; the writer and the other reader hear that, and not why."""
    await raised(story)
    await story.say("rosa", "give back")
    assert the_concern(story).readers == (story.id("sam"),)
    assert "does not read it any more. That can have any reason." in story.last("ana")
    assert "alone now" in story.last("sam")
    await story.say("sam", "2")
    assert "Nobody reads your concern" in story.last("ana")
    assert "Nobody reads it now." in await story.say("ana", "my concerns")
    await story.says("ana", "3", "3", "yes")
    assert the_concern(story).readers == (story.id("tove"),)
    assert "Nobody else reads it." in story.last("tove")


async def test_whoever_reads_no_concerns_any_more_reads_nothing(story: Story) -> None:
    """The configuration names them no longer: what they were given is gone from their chat."""
    await raised(story)
    story.community = replace(COMMUNITY, readers=READERS[1:])
    assert WORDS not in await story.say("rosa", "1")
    assert "I hold no concern of yours" in await story.say("rosa", "concerns")
    assert WORDS in await story.say("sam", "1")
    assert the_concern(story).readers == (story.id("sam"),)


async def test_skip_at_the_last_question_loses_no_word(story: Story) -> None:
    """It asks for a yes or a no, and the yes holds."""
    await met(story, "rosa", "sam", "tove")
    assert "1. Yes" in await story.says("ana", "something was wrong", "1 2", WORDS)
    assert (await story.say("ana", "skip")).startswith("Here I need a yes or a no")
    await story.say("ana", "yes")
    assert story.records.all(Concern)


async def test_the_writer_takes_it_back(story: Story) -> None:
    """By its number, or among what they agreed to; the readers' question is gone."""
    await raised(story)
    assert WORDS in await story.say("ana", "my concerns")
    await story.say("ana", "4")
    assert not story.records.all(Concern)
    assert WORDS not in await story.say("rosa", "1")
    await story.says("ana", "concern", "3", "1", WORDS, "yes")
    await story.says("ana", "my consents", "2", "yes")
    assert not story.records.all(Concern)


async def test_what_nobody_opens_is_told_and_then_erased(story: Story) -> None:
    """No dead air: once after two days, and at the end."""
    await raised(story)
    await story.wait(timedelta(days=2))
    assert "Nobody has opened your concern" in story.last("ana")
    await story.wait(timedelta(days=27))
    assert "nobody has opened it. I am sorry." in story.last("ana")
    assert not story.records.all(Concern)
    assert WORDS not in await story.say("rosa", "concerns")


@pytest.mark.parametrize("name", ["ana", "rosa", "sam"])
async def test_forget_me_leaves_no_id_of_writer_or_reader(story: Story, name: str) -> None:
    """Promise 9, with a concern that was read, answered and followed by a pause."""
    await paused(story)
    await story.says("rosa", "concerns", "1", "answer", "We have read it.", "yes")
    await story.says(name, "forget me", "yes")
    rows = repr([asdict(row) for row in story.records.rows.values()])
    assert story.id(name) not in rows
    assert story.address(name) not in rows
    assert len(story.records.all(PairingPause)) == 1
    if name == "ana":
        assert WORDS not in rows
        assert not story.records.all(Concern)
    elif name == "rosa":
        assert "It was answered: “We have read it.”" in await story.say("ana", "my concerns")


async def test_what_is_held_about_writer_and_paused_is_told_to_each_alone(story: Story) -> None:
    """The one it is about reads of the pause, and of a concern nothing."""
    await raised(story)
    assert WORDS in await story.say("ana", "what do you hold")
    before = await story.say("ben", "what do you hold")
    assert "concern of" not in before
    assert WORDS not in before
    await story.says("rosa", "read", "pause", "2", REASON, "yes")
    await story.says("sam", "read", "read", "concerns", "1", "yes")
    assert REASON in await story.say("ben", "what do you hold")
    assert WORDS not in await story.say("ben", "what do you hold")
    for name in ("ana", "ben"):
        await story.say(name, "export")
        assert story.id("ana") not in story.files[-1][1]
        assert story.id("rosa") not in story.files[-1][1]


async def test_a_concern_during_a_room_is_about_whoever_is_in_it(story: Story) -> None:
    """Any time: the room goes on, and nothing shows in it."""
    for name in ("ben", "ana"):
        await story.comes(name)
    await story.offers("ben")
    await story.asks("ana")
    await story.says("ben", "1", "1")
    await story.say("ana", "1")
    before = len(story.heard("ben"))
    await story.says("ana", "concern", "1", "1", "1", WORDS, "yes")
    assert the_concern(story).other == story.id("ben")
    assert len(story.heard("ben")) == before


async def test_no_more_than_a_few_stand_at_once(story: Story) -> None:
    """A flood of concerns reaches nobody."""
    await story.comes("ana")
    for _ in range(3):
        await story.says("ana", "concern", "3", "1", WORDS, "yes")
    assert "cannot take more" in await story.say("ana", "concern")
    assert len(story.records.all(Concern)) == 3


async def test_readers_are_not_flooded(story: Story) -> None:
    """Taking back and giving anew asks them a few times in a day; the words are kept until the next."""
    await met(story, "rosa")
    for _ in range(6):
        await story.says("ana", "menu", "concern", "3", "1", WORDS, "yes", "my concerns", "4")
    asked = len(story.heard("rosa"))
    said = await story.says("ana", "concern", "3", "1", WORDS, "yes")
    assert said.startswith("I have asked your readers 6 times today")
    assert len(story.heard("rosa")) == asked
    await story.wait(timedelta(hours=23, minutes=30))
    assert "I asked this a while ago." in await story.say("ana", "yes")
    assert "I give it to Rosa now." in await story.say("ana", "yes")


async def test_own_words_that_sound_like_the_command_stay_own_words(story: Story) -> None:
    """A note that says that something is wrong is a note."""
    await story.comes("ana")
    await story.says("ana", "talk", "more", "1", "1", "1")
    assert "“Something is wrong.”" in await story.say("ana", "Something is wrong.")


async def test_whoever_left_the_community_can_still_say_what_was_wrong(story: Story) -> None:
    """Any time; and a reader from outside is heard like any other, though they begin nothing."""
    await met(story)
    outside = Belongs.OUTSIDE
    for words in ("something was wrong", "3", WORDS, "yes"):
        await story.say("ana", words, belongs=outside)
    assert the_concern(story).readers == (story.id("tove"),)
    await story.comes("tove")
    assert "has a concern" in await story.say("tove", "back", belongs=outside)
    assert WORDS in await story.say("tove", "read", belongs=outside)
    assert "1. Talk with someone" not in await story.say("tove", "talk", belongs=outside)


async def test_the_stewards_room_reads_nothing_of_a_concern(story: Story) -> None:
    """A steward may be the one it is about: there it is the same whether there is one or not."""
    story.community = replace(story.community, stewards=(story.address("rosa"), story.address("sam")))
    await story.stewards("rosa", "sam")
    before = await story.steward("rosa", "concerns")
    assert "Who can be chosen: Rosa, Sam and Tove." in before
    await paused(story)
    assert await story.steward("sam", "concerns") == before
    said = "\n".join(body for _, body, _ in story.heard(STEWARDS))
    assert WORDS not in said
    assert REASON not in said
    story.community = replace(story.community, readers=())
    assert "Nobody is named to read concerns" in await story.steward("sam", "concerns")


async def test_words_go_to_no_chat_that_is_not_the_readers_own(story: Story) -> None:
    """Every message that holds them went to a chat of one of the three."""
    await paused(story)
    rooms = {
        effect.room for _, effect in story.effects if isinstance(effect, SendText) and WORDS in effect.body
    }
    assert rooms == {story.chat("ana"), story.chat("rosa"), story.chat("sam")}
    assert story.records.all(Member)


async def test_a_draft_is_told_and_goes_with_its_end(story: Story) -> None:
    """What was written and not given is in `what do you hold`, in words; and nowhere after a stop."""
    await met(story, "rosa")
    await story.says("ana", "something was wrong", "1", WORDS)
    held = await story.say("ana", "what do you hold")
    assert "What you answered and have not sent to anybody" in held
    assert f"someone you shared a room with, @rosa:example.org and “{WORDS}”" in held
    await story.says("ana", "back", "stop")
    assert WORDS not in repr([asdict(row) for row in story.records.rows.values()])


async def test_back_goes_back_and_loses_nothing(story: Story) -> None:
    """From each question to the one before it; from the first it ends."""
    await met(story)
    await story.says("ana", "menu", "concern", "1", "1", "2", WORDS)
    assert "What was wrong?" in await story.say("ana", "back")
    assert "Who may read it?" in await story.say("ana", "back")
    assert "Which room was it?" in await story.say("ana", "back")
    assert "What is it about?" in await story.say("ana", "back")
    assert "Nothing of it is kept." in await story.say("ana", "back")
    assert not story.records.all(Concern)


async def test_a_paused_member_sees_it_beside_the_offer_that_stands(story: Story) -> None:
    """The offer stays theirs to change or withdraw; it says that nothing is asked."""
    await met(story, "rosa")
    await story.says("ben", "my offer")
    await story.says("ana", "something was wrong", "1", WORDS, "yes")
    await story.says("rosa", "read", "pause", "1", REASON, "yes")
    said = await story.say("ben", "my offer")
    assert "Your words about yourself: “I like walks.”" in said
    assert "I pair you with nobody" in said


async def test_no_byte_of_a_concern_or_a_pause_is_left_on_disk_after_its_end(
    story: Story, tmp_path: Path
) -> None:
    """Sealed rows as they lay there, and the hashes in them, are gone from the file and its log."""
    place = tmp_path / "alongside.db"
    await paused(story)
    concern = the_concern(story)
    (pause,) = story.records.all(PairingPause)
    store = await Store.open(f"sqlite:///{place}", bytes(range(32)))
    try:
        async with store.transaction("test") as transaction:
            await transaction.put(concern)
            await transaction.put(pause)
        await store.erase_checkpoint()
        assert WORDS.encode() not in place.read_bytes()
        assert REASON.encode() not in place.read_bytes()
        hashed = store.seal.lookup("pairing_pauses", pause.other)
        left = [one.encode() for one in (concern.id, pause.id, hashed, concern.member)]
        assert all(one in place.read_bytes() for one in left)
        assert pause.other.encode() not in place.read_bytes()
        async with store.transaction("test") as transaction:
            assert list(await transaction.about(PairingPause, pause.other)) == [pause]
            await transaction.delete(Concern, concern.id)
            await transaction.delete(PairingPause, pause.id)
        await store.erase_checkpoint()
        files = [file.read_bytes() for file in place.parent.iterdir()]
        for one in left:
            assert not any(one in file for file in files)
    finally:
        await store.close()


_KEPT_APART = {
    "never again": ["never again", "yes"],
    "never again, with the closing": ["2", "yes"],
    "again before": ["1", "yes", "never again", "yes"],
    "by the address": ["keep apart @ben:example.org", "yes"],
}


@pytest.mark.parametrize("words", _KEPT_APART.values(), ids=_KEPT_APART.keys())
async def test_whoever_had_the_two_kept_apart_can_still_say_what_was_wrong(
    story: Story, words: list[str]
) -> None:
    """Promise 6: the mark stays its time for that, so that a pause can follow; nothing else is said of it."""
    await met(story, "rosa", "sam", "tove")
    await story.says("ana", *words)
    (mark,) = await story.records.find(Meeting, member=story.id("ana"))
    assert (mark.again, mark.agreed, mark.consent) == (False, False, None)
    assert mark.due_at <= mark.ended_at + timedelta(days=14)
    held = await story.say("ana", "what do you hold")
    assert "whom you asked me to keep apart from you" in held
    assert "With it you can also write “something was wrong” about them." in held
    for again in ("again", "never again"):
        assert (await story.say("ana", again)).startswith("You asked me to keep you two apart.")
    await story.says("ana", "something was wrong", "1")
    assert "Which room was it?" in story.last("ana")
    await story.says("ana", "1", "1 2", WORDS, "yes")
    assert the_concern(story).other == story.id("ben")


async def test_it_is_said_beforehand_what_stays_for_a_concern(story: Story) -> None:
    """At the question whether to keep the two apart, and after its yes; not where nobody reads concerns."""
    await met(story)
    asked = await story.say("ana", "never again")
    assert "The mark of your room stays until Friday 11 December" in asked
    assert "you can write “something was wrong” about them until" in await story.say("ana", "yes")
    story.community = replace(COMMUNITY, readers=())
    assert "“something was wrong”" not in await story.say("ben", "never again")
    assert "“something was wrong”" not in await story.say("ben", "yes")
    assert [one.member for one in story.records.all(Meeting)] == [story.id("ana")]


async def test_a_mark_of_somebody_kept_apart_goes_at_its_hour(story: Story) -> None:
    """Fourteen days from the room's end at the latest, also where an again was to be kept for longer."""
    await met(story)
    await story.says("ana", "1", "yes")
    await story.says("ben", "1", "yes")
    await story.wait(timedelta(days=3))
    await story.says("ana", "never again", "yes")
    await story.wait(timedelta(days=12))
    assert await story.records.find(Meeting, member=story.id("ana")) == []
    await story.says("ben", "never again", "yes")
    assert await story.records.find(Meeting, member=story.id("ben")) == [], "its fourteen days were over"


async def test_what_was_begun_of_a_concern_is_not_lost_by_never_again(story: Story) -> None:
    """The other way round: it still says whom it is about when it is given."""
    await met(story, "rosa", "sam", "tove")
    await story.says("ana", "something was wrong", "never again", "yes", "back", "1 2", WORDS, "yes")
    assert the_concern(story).other == story.id("ben")


async def test_when_it_is_ended_again_can_be_said_anew(story: Story) -> None:
    """A keeping apart that is taken back leaves the mark as it was, but for what was said before."""
    await met(story)
    await story.says("ana", "never again", "yes", "kept apart", "1", "yes")
    (mark,) = await story.records.find(Meeting, member=story.id("ana"))
    assert mark.apart is None
    assert "If you say yes, I note that" in await story.say("ana", "again")


async def test_that_somebody_is_forgotten_does_not_show_after_never_again() -> None:
    """Ana hears the same, whether or not Ben is forgotten, before it or after."""
    heard: list[list[str]] = []
    for when in ("never", "before", "after"):
        story = Story(community=replace(COMMUNITY, readers=READERS))
        await met(story, "rosa", "sam", "tove")
        start = story.now
        if when == "before":
            await story.says("ben", "forget me", "yes")
        await story.wait(start + timedelta(minutes=10) - story.now)
        await story.says("ana", "never again", "yes")
        if when == "after":
            await story.says("ben", "forget me", "yes")
        await story.wait(start + timedelta(minutes=20) - story.now)
        said = ("never again", "again", "what do you hold", "kept apart", "1", "yes", "never again", "no")
        await story.says("ana", *said, "something was wrong", "1", "1")
        heard.append([body for _, body, _ in story.heard("ana", start + timedelta(seconds=1))])
    assert heard[0] == heard[1] == heard[2]


async def test_what_is_offered_after_a_room_of_two_kept_apart_leaves_that_out(story: Story) -> None:
    """Said while the room was open: it is not asked once more, and something was wrong is there."""
    for name in ("ben", "ana"):
        await story.comes(name)
    await story.offers("ben", hours="4")
    await story.asks("ana")
    await story.says("ben", "1", "1")
    await story.says("ana", "1", "keep apart @ben:example.org", "yes", "close")
    assert story.last("ana").endswith("1. Something was wrong\n2. Talk with someone about it\n3. Nothing")
    assert "You asked me to keep you two apart, and I do." in story.last("ana")
    assert "2. Never pair us again" in story.last("ben")


async def test_a_number_to_a_question_that_is_no_more_begins_nothing(story: Story) -> None:
    """Her own concern stood open, and its time is over: the number is no word of its own."""
    await raised(story)
    assert "1. Leave it as it is" in await story.say("ana", "my concerns")
    await story.wait(timedelta(days=29))
    said = await story.say("ana", "1")
    assert "No question is open now, so that number did nothing." in said
    assert "1. Talk with someone" in said


@pytest.mark.parametrize("words", [["forget me", "yes"], ["my concerns", "4"]])
async def test_whoever_has_read_it_hears_that_it_was_taken_back(story: Story, words: list[str]) -> None:
    """Also when its writer is forgotten: with the question of a pause that goes; others hear nothing."""
    await raised(story)
    await story.says("rosa", "read", "pause", "2", REASON, "yes")
    await story.says("sam", "read", "read", "concerns", "1")
    assert "Rosa would pause the pairing" in story.last("sam")
    await story.says("ana", *words)
    for name in ("rosa", "sam"):
        assert "which you read, was taken back. It is erased here." in story.last(name)
        assert "The pause that was proposed because of it does not begin." in story.last(name)
    assert "concern" not in story.last("tove")
    assert not story.records.all(PairingPause)


async def test_whoever_never_opened_it_hears_nothing_of_its_end(story: Story) -> None:
    """As its writer is told; whoever did hears it once its time is over, too."""
    await raised(story)
    await story.say("rosa", "read")
    heard = len(story.heard("sam"))
    await story.wait(timedelta(days=29))
    assert "The time of the concern of" in story.last("rosa")
    assert len(story.heard("sam")) == heard


async def test_a_reader_who_was_never_here_reads_first_why_they_were_invited(story: Story) -> None:
    """With the first words of the chat, and its choices are those of the question."""
    await met(story, "sam")
    await story.says("ana", "something was wrong", "1 2", WORDS, "yes")
    await story.comes("rosa")
    said = story.last("rosa")
    assert said.startswith("Hello. I am a program for the Elm House.")
    assert "A member has a concern about someone they shared a room with, and chose you to read it." in said
    choices = "1. Read it now\n2. Give it back\n3. Not now"
    assert said.endswith(choices)
    for word in ("hello", "back"):
        assert (await story.say("rosa", word)).endswith(choices), "it is not passed over by a greeting"
    assert f"“{WORDS}”" in await story.say("rosa", "1")
