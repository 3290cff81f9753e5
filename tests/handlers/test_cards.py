"""Nobody leafs through people's words: in a day an asker is shown somebody else three times."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schema.records import Ask, Request
from schema.states import AskState, RequestState, RoomState
from tests.handlers.story import COMMUNITY, Story

PEERS = ("p1", "p2", "p3", "p4", "p5")
NOT_THIS_TIME = "This time no room opens for you two. You did nothing wrong. Thank you for your yes."


async def _many() -> Story:
    """Five peers are asked at once about Ana's request."""
    story = Story(community=replace(COMMUNITY, asks_at_once=5))
    for peer in PEERS:
        await story.comes(peer)
        await story.offers(peer, hours="4", card=f"I am {peer[1]}.")
    await story.comes("ana")
    await story.says("ana", "talk", "yes")
    return story


async def _goes_on(story: Story, peer: str) -> None:
    """The peer says yes, and goes on once the note is theirs to read."""
    await story.say(peer, "yes")
    while "Would you go on" not in story.last(peer):
        await story.wait(timedelta(minutes=1))
    await story.say(peer, "go on")


def _cards(story: Story) -> list[str]:
    return [body for _, body, _ in story.heard("ana") if "They wrote about themselves" in body]


async def test_after_somebody_else_three_times_the_search_waits_for_an_hour_that_is_told() -> None:
    """The fourth says so before the no; the fifth peer hears at their hour what everybody hears."""
    story = await _many()
    first, said = None, ""
    for peer in PEERS[:4]:
        await _goes_on(story, peer)
        first = first or story.now
        assert ("the words of four people at most" in story.last("ana")) is (peer == "p4")
        said = await story.say("ana", "no")
    assert len(_cards(story)) == 4
    assert "In one day I show you the words of four people at most" in said
    request = story.the_request()
    assert request.state is RequestState.LOOKING
    assert first is not None
    assert request.due_at == min(request.until, first + timedelta(days=1))
    await _goes_on_alone(story, "p5")
    assert len(_cards(story)) == 4


async def _goes_on_alone(story: Story, peer: str) -> None:
    """The note went to them before the search began to wait, or does not any more: no words reach Ana."""
    await story.say(peer, "yes")
    await story.wait(timedelta(hours=3))
    assert any(body == NOT_THIS_TIME for _, body, _ in story.heard(peer))


@pytest.mark.parametrize("words", [("stop looking",), ("stop",), ("forget",), ()])
async def test_asking_anew_shows_no_more_people_than_going_on(words: tuple[str, ...]) -> None:
    """Whoever stops, or lets the hour pass, and asks again is counted on, but for whoever is forgotten."""
    story = Story()
    for turn, peer in enumerate(PEERS):
        await story.comes(peer)
        await story.offers(peer, hours="4", card=f"I am {peer[1]}.")
        await story.says("ana", "menu", "talk", "yes")
        if turn == 4 and words != ("forget",):
            assert "the next time I look" in story.last(
                "ana"
            ).lower() or "The next time I look" in story.last("ana")
            assert not [one for one in story.records.all(Ask) if one.state is AskState.SHOWN]
            break
        await _goes_on(story, peer)
        if words == ("stop",):
            await story.says("ana", "stop")
        elif words == ("forget",):
            await story.says("ana", "forget me", "yes")
        elif words:
            await story.says("ana", *words)
        else:
            await story.wait(timedelta(hours=2, minutes=1))
        assert not story.records.all(Request)
        await story.says(peer, "menu", "withdraw")
    assert len(_cards(story)) == (5 if words == ("forget",) else 4)


async def test_a_yes_is_no_leafing_through() -> None:
    """Whoever agreed, and met, or did not since the other stepped back, is not counted."""
    story = await _many()
    for peer in PEERS[:4]:
        await _goes_on(story, peer)
        await story.says(peer, "stop", "the yes i gave to someone")
        await story.say("ana", "yes")
    await _goes_on(story, "p5")
    await story.say("ana", "yes")
    assert story.the_room().state is RoomState.OPEN
    assert story.member("ana").cards == ()


async def test_what_is_counted_goes_within_two_days(story: Story) -> None:
    """And is told while it is there."""
    await story.comes("ben")
    await story.offers("ben", hours="4")
    await story.comes("ana")
    await story.says("ana", "talk", "yes")
    await _goes_on(story, "ben")
    await story.says("ana", "stop looking")
    assert "so that nobody is looked through" in await story.say("ana", "what do you hold")
    await story.wait(timedelta(days=2))
    assert story.member("ana").cards == ()
