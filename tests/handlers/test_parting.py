"""When one of the two cannot go on, or is not there: what each hears, and what nobody learns."""

from datetime import datetime, timedelta

import pytest

from schema.effects import Effect, InviteAgain, LetWrite, MutePeerRoom
from schema.events import Delivered, PeerMembership
from schema.ids import EventId
from schema.records import Member, Request
from schema.states import RequestState, RoomState
from tests.handlers.story import Story
from tests.handlers.test_room import ROOM, together

OFFERED = "I can look for someone else for you."


async def test_a_peer_passes_on_and_says_so(story: Story) -> None:
    """One word and one number; the asker hears what the peer chose, and takes it up with the same words."""
    await together(story)
    assert "What should they hear from me?" in await story.say("ben", "pass on")
    assert story.the_room().met, "nothing is closed before the answer"
    assert "Thank you for having been there." in await story.say("ben", "1")
    (told,) = [body for _, body, _ in story.heard("ana") if "could not go on" in body]
    assert told.startswith("The room is closed.")
    assert "it is no judgement of you" in told
    await story.says("ana", "1")
    assert story.the_request().note == "It has been a long week."
    assert not story.the_room().sought


async def _asker_hears(story: Story, *words: str) -> list[tuple[datetime, str, bool]]:
    """What Ana hears of it, from Ben's last word on, for three days."""
    await together(story)
    await story.wait(timedelta(minutes=5))
    for said in words[:-1]:
        await story.say("ben", said, after=0)
    start = story.now
    await story.say("ben", words[-1], after=0)
    await story.wait(timedelta(days=3))
    return story.heard("ana", start)


@pytest.mark.parametrize("words", ["pass on, 2", "stop, 1", "forget me, yes"])
async def test_an_end_that_is_not_to_be_spoken_of_reads_as_every_other(words: str) -> None:
    """Ben's own reason is his: passing on without a word, stopping and forgetting all read as closing."""
    closed = await _asker_hears(Story(), "close")
    assert await _asker_hears(Story(), *words.split(", ")) == closed
    assert any(OFFERED in body for _, body, _ in closed)


async def test_whoever_ends_it_or_had_their_time_is_not_asked_to_look_on() -> None:
    """The offer is for somebody who was left; and the words of the request are gone at the end."""
    for ana in (["close"], []):
        story = Story()
        await together(story)
        await story.says("ana", *ana)
        await story.wait(timedelta(hours=2))
        assert not any(OFFERED in body for _, body, _ in story.heard("ana"))
        assert all(
            member.prompt is None or member.prompt.kind != "again" for member in story.records.all(Member)
        )
        assert not story.the_room().sought


@pytest.mark.parametrize("ends", ["ana: close", "ben: close", "ben: pass on, 1", ""])
async def test_a_peer_rests_after_a_room_however_it_ended(story: Story, ends: str) -> None:
    """Nothing can be read from it about what the other does next."""
    await together(story)
    name, _, words = ends.partition(": ")
    for said in words.split(", ") if words else []:
        await story.say(name, said)
    if not ends:
        await story.wait(timedelta(hours=1))
    closed = story.the_room().ends_at
    assert story.offer_of("ben").rest_until == closed + timedelta(hours=12)


async def test_the_words_of_the_request_are_said_to_the_asker_alone(story: Story) -> None:
    """`what do you hold` names them while the room is open, and not to the peer."""
    await together(story)
    assert "It has been a long week." in await story.say("ana", "what do you hold")
    assert "It has been a long week." not in await story.say("ben", "what do you hold")
    await story.says("ana", "close")
    assert "It has been a long week." not in await story.say("ana", "what do you hold")


async def test_passing_on_is_for_whoever_was_asked(story: Story) -> None:
    """Who asked for company is told their own way; who has no room, that there is none."""
    await story.comes("ana")
    assert await story.say("ana", "pass on") == "No room of yours is open."
    await together(story)
    assert "You asked for company in this room" in await story.say("ana", "pass on")
    await story.says("ben", "pass on", "3")
    assert story.the_room().state is RoomState.OPEN


async def test_passing_on_before_both_were_there_leaves_the_asker_looking(story: Story) -> None:
    """Nobody wrote anything yet: the request itself goes on."""
    story.arrive = False
    await together(story)
    await story.joins("ana", ROOM)
    await story.says("ben", "pass on", "1")
    assert [request.member for request in story.records.all(Request)] == [story.id("ana")]
    assert any("I go on looking" in body for _, body, _ in story.heard("ana"))


def may_write(story: Story) -> bool:
    """Whether the room was last told that people may write in it."""
    orders = [one for _, one in story.effects if isinstance(one, LetWrite | MutePeerRoom)]
    return isinstance(orders[-1], LetWrite)


async def test_when_one_leaves_nobody_writes_and_the_other_chooses(story: Story) -> None:
    """The mute is ordered at once; whoever stays is asked, and whoever left is told without a sound."""
    await together(story)
    await story.leaves("ben", ROOM)
    assert not may_write(story)
    assert story.the_room().state is RoomState.APART
    assert story.last("ana").startswith("The other person has left the room.")
    assert "1. Wait for them\n2. Look for someone else, with the same words\n3. Close" in story.last("ana")
    assert story.heard("ben")[-1][1].startswith("You have left the room. That is fine")
    assert "1. Go back to the room\n2. Close the room" in story.last("ben")
    assert story.heard("ben")[-1][2]
    assert "One of you has left your room." in await story.say("ana", "status")
    assert "as soon as you are both in the room" in await story.say("ana", "extend")


@pytest.mark.parametrize("words", ["come back", "1", "go back to the room"])
async def test_whoever_left_comes_back_at_their_own_word(story: Story, words: str) -> None:
    """Nobody else has them invited; once they are in, both may write again, and both hear it."""
    await together(story)
    await story.leaves("ben", ROOM)
    assert "I leave the room as it is" in await story.say("ana", "1")
    assert InviteAgain not in [type(one) for _, one in story.effects]
    assert "I send you an invitation" in await story.say("ben", words)
    assert not may_write(story), "an invitation is not a return"
    await story.joins("ben", ROOM)
    assert may_write(story)
    assert story.the_room().state is RoomState.OPEN
    for name in ("ana", "ben"):
        assert story.last(name).startswith("You are both in the room again.")
    await story.says("ana", "close")
    assert story.the_room().state is RoomState.READABLE


async def test_the_question_can_be_put_off_and_taken_up(story: Story) -> None:
    """`skip` puts it off, `back` brings it, and the answer counts."""
    await together(story)
    await story.leaves("ben", ROOM)
    assert "Write “back” to see the question again." in await story.say("ana", "skip")
    assert "The other person has left the room." in await story.say("ana", "back")
    assert "The other person has left the room." in await story.say("ana", "back")
    await story.says("ana", "3")
    assert story.the_room().state is RoomState.READABLE


async def test_nobody_else_comes_back(story: Story) -> None:
    """The word says where there is nothing to come back to."""
    await story.comes("ana")
    assert "no room that you could go back to" in await story.say("ana", "come back")
    await together(story)
    await story.leaves("ben", ROOM)
    assert "no room that you could go back to" in await story.say("ana", "come back")
    await story.says("ana", "3")
    assert "no room that you could go back to" in await story.say("ben", "come back")


@pytest.mark.parametrize("leaves", ["ana", "ben"])
async def test_someone_else_takes_the_same_words(story: Story, leaves: str) -> None:
    """The room closes, and the request begins anew at once; the peer is not asked about it again."""
    await together(story)
    await story.leaves(leaves, ROOM)
    answer = await story.say("ana", "2")
    assert "I close the room now." in answer
    assert "Nobody is there to ask right now." in answer, "not the one who was there"
    assert story.the_room().state is RoomState.READABLE
    assert (story.the_request().note, story.the_request().consent is not None) == (
        "It has been a long week.",
        True,
    )
    await story.wait(timedelta(hours=3))
    assert not any("Someone asks for company" in body for at, body, _ in story.heard("ben")[-3:])


async def test_a_silence_leaves_it_until_the_end(story: Story) -> None:
    """Neither answers: it closes at its time, and whoever was left may look on."""
    await together(story)
    ends = story.the_room().ends_at
    await story.leaves("ben", ROOM)
    await story.wait(timedelta(hours=2))
    assert story.the_room().ends_at == ends
    assert OFFERED in story.last("ana")
    assert "The room that you left is closed." in "".join(body for _, body, _ in story.heard("ben"))


async def test_a_peer_who_is_left_waits_or_closes(story: Story) -> None:
    """There is nothing to look for; closing takes the asker's question with it."""
    await together(story)
    await story.leaves("ana", ROOM)
    assert "1. Wait for them\n2. Close the room" in story.last("ben")
    await story.says("ben", "2")
    assert story.the_room().state is RoomState.READABLE
    assert "The room that you left is closed." in "".join(body for _, body, _ in story.heard("ana"))


async def test_a_mute_that_is_refused_ends_the_room(story: Story) -> None:
    """Where people could still write while one is out, the room is over and removed at once."""
    await together(story)
    story.lose = lambda effect: isinstance(effect, MutePeerRoom)
    await story.leaves("ben", ROOM)
    assert story.the_room().state is RoomState.SETTLING
    assert story.the_room().done[0] == "not_muted"


async def test_what_comes_of_an_earlier_change_is_not_taken_for_a_later_one(story: Story) -> None:
    """Ben leaves and is back before the first mute is reported; the report closes nothing."""
    await together(story)
    held: list[Effect] = []
    await story.event(_leave(story))
    held += [event.effect for event in story.pending if isinstance(event, Delivered)]
    story.pending.clear()
    await story.says("ben", "come back")
    story.rooms[ROOM].add("ben")
    await story.joins("ben", ROOM)
    await story.say("ana", "close", pump=False)
    (mute,) = held
    before = story.the_room()
    await story.event(Delivered(mute))
    assert story.the_room() == before
    assert before.state is RoomState.CLOSING
    await story.pump()
    assert story.the_room().state is RoomState.READABLE


def _leave(story: Story) -> PeerMembership:
    return PeerMembership(EventId("$left"), ROOM, story.address("ben"), "leave")


# Who never comes


async def alone(story: Story) -> None:
    """Ana is in the room, Ben was reminded, and half an hour is over."""
    story.arrive = False
    await together(story)
    await story.joins("ana", ROOM)
    await story.wait(timedelta(minutes=30))


async def test_who_waits_in_vain_is_asked_what_they_would_like(story: Story) -> None:
    """Honest, with an hour, and nothing of it reaches whoever is not there."""
    await alone(story)
    assert story.last("ana").startswith("The other person has not come in yet.")
    assert "in 15 minutes" in story.last("ana")
    assert "it may close" in story.last("ben")


async def test_waiting_longer_has_an_hour_too(story: Story) -> None:
    """Then they are asked once more; whoever comes in ends the question."""
    await alone(story)
    assert "and then ask you again" in await story.say("ana", "1")
    await story.wait(timedelta(minutes=15))
    assert story.last("ana").startswith("The other person has not come in yet.")
    await story.joins("ben", ROOM)
    assert story.the_room().met
    assert story.member("ana").prompt is None


@pytest.mark.parametrize("words", ["2", ""])
async def test_back_to_finding_with_the_request_intact(story: Story, words: str) -> None:
    """By the asker's word, or by their silence at the hour: the same request goes on."""
    await alone(story)
    request = story.the_request()
    if words:
        assert "I go on looking" in await story.say("ana", words)
    else:
        await story.wait(timedelta(minutes=15))
    assert story.the_request().state is RequestState.LOOKING
    assert (story.the_request().id, story.the_request().note) == (request.id, request.note)
    assert story.the_room().state is RoomState.SETTLING
    await story.wait(timedelta(hours=3))
    asked = [body for _, body, _ in story.heard("ben") if "Someone asks for company" in body]
    assert len(asked) == 1, "nobody is asked about one request twice"


async def test_closing_it_ends_the_search(story: Story) -> None:
    """Their own word: they can take it up again."""
    await alone(story)
    assert "I have stopped looking" in await story.say("ana", "3")
    assert not story.records.all(Request)


async def test_a_peer_who_waits_in_vain_waits_or_closes(story: Story) -> None:
    """The asker who never came keeps their words, and is told so."""
    story.arrive = False
    await together(story)
    await story.joins("ben", ROOM)
    await story.wait(timedelta(minutes=30))
    assert "1. Wait for them\n2. Close the room" in story.last("ben")
    await story.wait(timedelta(minutes=15))
    assert any("you did not come in" in body for _, body, _ in story.heard("ana"))
