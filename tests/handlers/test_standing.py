"""While a request stands: what is said, what can be changed, and for whom it counts."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schema.events import Message
from schema.ids import EventId
from schema.records import Request
from schema.states import AskState
from tests.handlers.story import COMMUNITY, Story


async def _asks(story: Story, *peers: str, fear: str = "2") -> None:
    for peer in peers:
        await story.comes(peer)
        await story.offers(peer, hours="4", fear=fear)
    await story.comes("ana")
    await story.says("ana", "talk practical 2 hours", "yes")


async def test_status_says_what_is_asked_and_what_comes_next(story: Story) -> None:
    """What would help, the hour of the next try, and the ways to change or end it."""
    await _asks(story, "ben")
    said = await story.say("ana", "status")
    assert "What would help: practical ideas. For up to 2 hours." in said
    assert "The next time I ask people is Friday 27 November" in said
    assert all(word in said for word in ("“change”", "“stop”", "“help now”"))


async def test_status_never_names_an_hour_that_is_over(story: Story) -> None:
    """Whoever asks before the hour that has come is taken, as after a stop, reads that it is now."""
    await story.asks("ana")
    story.now += timedelta(hours=4)
    event = Message(
        EventId("$early"), story.chat("ana"), story.address("ana"), "status", story.now, private=True
    )
    await story.event(event)
    assert "(now)" in story.last("ana").split("The next time I ask people is ")[1].split(".")[0]


async def test_nobody_answered_is_said_once_with_the_hour_and_the_ways_out(story: Story) -> None:
    """People may be asleep; after that it is quiet."""
    await _asks(story, "ben")
    await story.wait(timedelta(hours=2))
    said = [body for _, body, _ in story.heard("ana") if body.startswith("No answer yet")]
    assert len(said) == 1
    assert all(word in said[0] for word in ("may be asleep", "the next time is", "“change”", "“help now”"))
    assert not [body for _, body, _ in story.heard("ana") if "I have looked again" in body]


async def test_each_try_is_told_to_whoever_wishes_it_and_says_nothing_of_anybody(story: Story) -> None:
    """The same words at each hour, with somebody asked or not, without a push."""
    await _asks(story, "ben", "cleo", "dan")
    await story.says("ana", "change", "6")
    assert "I look for people every 10 minutes" in story.last("ana")
    assert "I tell you about each try." in await story.say("ana", "2")
    assert "I have changed it" in await story.say("ana", "1")
    since = story.now
    await story.wait(timedelta(minutes=60))
    tries = [(body, notice) for _, body, notice in story.heard("ana", since) if "I have looked again" in body]
    assert len(tries) >= 4
    assert all(notice for _, notice in tries)
    assert len({body.split("The next time is")[0] for body, _ in tries}) == 1


async def test_a_change_counts_for_whoever_was_not_asked_yet(story: Story) -> None:
    """Ben was asked as it was; Cleo, who comes later, is asked as it is."""
    await _asks(story, "ben")
    answer = await story.says("ana", "change", "1")
    assert "What would help?" in answer
    recap = await story.say("ana", "1")
    assert "this counts for whoever I ask from now on" in recap
    assert "3. No, keep it as it was" in recap
    assert story.the_request().wish == "ideas", "nothing changes before the yes"
    await story.say("ana", "1")
    request = story.the_request()
    assert (request.wish, request.length) == ("listening", timedelta(hours=2))
    assert request.consent is not None
    assert request.consent.words in recap
    assert story.ask_of("ben").wish == "ideas"
    await story.comes("cleo")
    await story.offers("cleo")
    await story.wait(timedelta(minutes=10))
    assert story.ask_of("cleo").wish == "listening"
    await story.says("ben", "yes", "go on")
    assert "What would help, you said: listening." in story.last("ana")


async def test_a_new_note_is_what_is_read_from_now_on(story: Story) -> None:
    """Words that nobody has read are not shown any more."""
    await _asks(story, "ben")
    await story.says("ana", "change", "3" if not story.community.topics else "4", "new words", "yes")
    assert "“new words”" in await story.say("ben", "yes")


async def test_a_yes_waits_as_long_as_the_asker_set(story: Story) -> None:
    """Ben reads it before he decides; Cleo, who is not chosen, is told the same hour and hears then."""
    for peer in ("ben", "cleo"):
        await story.comes(peer)
        await story.offers(peer, hours="4")
    await story.comes("ana")
    recap = await story.says("ana", "talk", "change", "how long i have to answer a yes", "8 hours")
    assert "When somebody says yes, it waits 8 hours for your answer." in recap
    await story.says("ana", "yes")
    await story.says("cleo", "yes")
    assert "they have 8 hours to answer" in story.last("cleo")
    await story.says("ben", "yes")
    await story.wait(timedelta(minutes=10))
    await story.says("ben", "go on")
    await story.says("cleo", "go on")
    await story.wait(timedelta(hours=7, minutes=50))
    await story.says("ana", "status")
    await story.wait(timedelta(hours=1))
    for peer in ("ben", "cleo"):
        hours = [at for at, body, _ in story.heard(peer) if body.startswith("This time no room opens")]
        gone = [line.at for line in story.log if line.name == peer and line.body == "go on"]
        assert hours == [gone[0] + timedelta(hours=8)]


async def test_a_change_can_be_left(story: Story) -> None:
    """No, back and stop leave the request as it was."""
    await _asks(story, "ben")
    before = story.the_request()
    assert "It stays as it was." in await story.says("ana", "change", "1", "1", "no")
    await story.says("ana", "change", "back", "stop", "1")
    assert replace(story.the_request(), due_at=before.due_at, round=before.round, told=before.told) == before


async def test_a_change_survives_a_restart_and_the_end_of_its_request(story: Story) -> None:
    """A yes to a change of what has ended changes nothing, and makes no new request."""
    await _asks(story)
    await story.says("ana", "change", "1", "1")
    again = Story(records=story.records, now=story.now)
    await again.records.delete(Request, again.the_request().id)
    assert "has ended meanwhile" in await again.say("ana", "yes")
    assert not again.records.all(Request)


async def test_a_note_that_waits_to_be_read_is_not_read_once_that_is_taken_back(story: Story) -> None:
    """Promise 7: it was opened for Ben, who was busy; before he saw it Ana does not allow it any more."""
    for name in ("cleo", "ben"):
        await story.comes(name)
        await story.offers(name, hours="4", fear="3")
    await story.comes("ana")
    await story.says("ana", "talk", "change", "5", "2", "change", "4", "SECRET", "yes")
    await story.says("cleo", "yes")
    await story.says("ben", "yes")
    await story.wait(timedelta(minutes=5))
    await story.says("ben", "forget me")
    await story.wait(timedelta(minutes=5))
    assert story.ask_of("ben").state is AskState.READING
    assert not story.ask_of("ben").note_seen
    await story.says("ana", "change", "5", "1", "yes")
    await story.says("ben", "no", "back")
    await story.wait(timedelta(hours=3))
    assert not [body for _, body, _ in story.heard("ben") if "SECRET" in body]
    assert any("This time no room opens" in body for _, body, _ in story.heard("ben"))


async def test_trying_a_topic_does_not_show_whether_anybody_named_it() -> None:
    """A request that goes to nobody and is then narrowed hears the same, with somebody there or not."""
    said = []
    timings = replace(COMMUNITY.timings, ask_again=timedelta(hours=1))
    for there in (True, False):
        story = Story(community=replace(COMMUNITY, timings=timings))
        await story.comes("ana")
        await story.says("ana", "talk", "yes")
        assert "Nobody is there to ask right now" in story.last("ana")
        await story.comes("cleo")
        await story.says("cleo", "offer", "3", "2" if there else "1", "skip", "2", "yes")
        await story.says("ana", "change", "2", "2", "change", "9", "2")
        since = story.now
        await story.says("ana", "yes")
        await story.wait(timedelta(hours=2))
        said.append([body for _, body, _ in story.heard("ana", since)])
    assert said[0] == said[1]


async def test_change_in_the_middle_of_asking_leads_to_the_list(story: Story) -> None:
    """From any question of the draft, with what was answered so far."""
    assert "What would you like to change?" in await story.says("ana", "talk", "2", "1", "change")
    await story.says("ana", "3", "1", "yes")
    assert (story.the_request().wish, story.the_request().length) == ("listening", timedelta(minutes=30))


async def test_once_somebody_said_yes_nothing_is_changed(story: Story) -> None:
    """The question that is open comes first."""
    await _asks(story, "ben")
    await story.says("ben", "yes", "go on")
    assert "Someone said yes, so I cannot change it now." in await story.say("ana", "change")


async def test_whoever_must_report_reads_no_note_once_that_is_taken_back(story: Story) -> None:
    """Promise 7: Ana had allowed it and does not any more; Ben said yes to the ask, and hears at his hour."""
    await story.comes("ben")
    await story.offers("ben", hours="4", fear="3")
    await story.comes("ana")
    await story.says("ana", "talk", "change", "5", "2", "yes")
    assert story.ask_of("ben").state is AskState.SHOWN
    await story.says("ana", "change", "5", "1", "yes")
    answer = await story.say("ben", "yes")
    assert "They wrote" not in answer
    assert "I tell you more, or that no room opens" in answer
    await story.wait(timedelta(hours=1))
    assert not [body for _, body, _ in story.heard("ben") if "They wrote" in body]
    await story.wait(timedelta(hours=2))
    assert "This time no room opens" in story.last("ben") or any(
        "This time no room opens" in body for _, body, _ in story.heard("ben")
    )


@pytest.mark.parametrize(
    "words", [["menu"], ["help now"], ["3"], ["4"], ["what do you hold"], ["I am so tired"], ["status"], []]
)
async def test_words_that_are_kept_can_be_taken_up_after_something_else(
    story: Story, words: list[str]
) -> None:
    """For as long as was said, whatever is written or looked at first; then they are gone."""
    await story.asks("ana", note="It was a hard winter.")
    await story.wait(story.community.timings.request_open)
    assert "I keep them until" in story.last("ana")
    await story.says("ana", *words)
    assert "I keep them until" in await story.say("ana", "back")
    await story.say("ana", "look again")
    assert story.the_request().note == "It was a hard winter."


async def test_the_last_words_alone_are_kept_and_not_longer_than_was_said(story: Story) -> None:
    """A second request that comes to nothing takes the place of the first; a `stop` or the hour ends it."""
    for note in ("the first", "the second"):
        await story.asks("ana", note=note)
        await story.wait(story.community.timings.request_open)
        await story.say("ana", "menu")
    kept = str(story.records.rows)
    assert "the second" in kept
    assert "the first" not in kept
    assert "the second" in await story.say("ana", "what do you hold")
    await story.wait(story.community.timings.request_open)
    assert "the second" not in str(story.records.rows)
    assert "I keep them until" not in await story.say("ana", "back")


async def test_a_new_request_or_a_stop_ends_what_was_kept(story: Story) -> None:
    """One word ends one thing: nothing that is kept makes `stop` ask which."""
    await story.asks("ana", note="the first")
    await story.wait(story.community.timings.request_open)
    await story.say("ana", "menu")
    await story.asks("ana", note="the second")
    assert "the first" not in str(story.records.rows)
    assert "I have stopped looking" in await story.say("ana", "stop")
    await story.asks("ana", note="the third")
    await story.wait(story.community.timings.request_open)
    assert "I have ended that" in await story.says("ana", "menu", "stop")
    assert "the third" not in str(story.records.rows)
