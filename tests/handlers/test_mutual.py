"""Two who ask for company meet: each is asked about the other, and nothing shows that should not."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schema.effects import OpenPeerRoom
from schema.records import Ask, Pairing, PeerRoom, Request
from schema.states import AskState, RequestState, RoomState
from tests.handlers.story import COMMUNITY, Story

ASKED = "Someone else is looking too"


async def _asks_too(story: Story, name: str, *, also: str = "", note: str = "") -> None:
    """The member asks for somebody who is looking too; or `also` for that, beside another wish."""
    await story.comes(name)
    if also:
        await story.says(name, f"talk {also}", "change", "people who are looking for company too", "yes", "2")
    else:
        await story.says(name, "talk one another")
    await story.says(name, *(("change", "my words", note) if note else ()), "yes")


async def _two(story: Story) -> None:
    """Ana asks, then Ben: she is asked about him."""
    await _asks_too(story, "ana", note="I can't sleep.")
    await _asks_too(story, "ben", note="Work again.")


def _request(story: Story, name: str) -> Request:
    (found,) = [one for one in story.records.all(Request) if one.member == story.id(name)]
    return found


async def test_at_three_in_the_morning_two_who_ask_meet(story: Story) -> None:
    """One is asked, reads the other's words, shows her own by a second yes; his yes opens one room."""
    await _two(story)
    assert ASKED in story.last("ana")
    assert not any("Work again." in body for _, body, _ in story.heard("ana"))
    said = await story.say("ana", "yes")
    assert "Work again." in said
    assert "this is what they read of you:" in said
    assert "I can't sleep." in said
    assert not any("I can't sleep." in body for _, body, _ in story.heard("ben"))
    await story.say("ana", "go on")
    assert "Someone who is looking for company too said yes" in story.last("ben")
    assert "I can't sleep." in story.last("ben")
    await story.say("ben", "yes")
    room = story.the_room()
    assert (room.asker, room.peer) == (story.id("ben"), story.id("ana"))
    for name in ("ana", "ben"):
        assert "You were both looking for company" in story.last(name)
    assert not story.records.all(Request)
    assert not story.records.all(Ask)
    assert not story.records.all(Pairing)
    assert room.sought["note"] == "Work again."
    assert room.peer_sought["note"] == "I can't sleep."
    await story.say("ana", "close")
    assert "I can look for someone else for you" in story.last("ben")
    assert "I can look for someone else" not in story.last("ana")
    await story.wait(timedelta(days=4))
    assert not story.records.all(PeerRoom)


async def test_one_of_the_two_is_asked_and_not_the_other_way_round_as_well(story: Story) -> None:
    """However many rounds come: Ben hears of Ana by her yes alone."""
    await _two(story)
    await story.wait(timedelta(hours=3))
    assert not any(ASKED in body for _, body, _ in story.heard("ben"))
    assert len([body for _, body, _ in story.heard("ana") if ASKED in body]) == 1


async def test_only_who_allows_it_is_asked(story: Story) -> None:
    """A plain request meets nobody who asks; one that allows it beside its wish does."""
    await _asks_too(story, "ana")
    await story.comes("ben")
    await story.says("ben", "talk listening", "yes")
    await story.wait(timedelta(minutes=30))
    assert not story.records.all(Ask)
    await story.says("ben", "change", "people who are looking for company too", "yes", "2", "yes")
    await story.wait(timedelta(minutes=10))
    assert len(story.records.all(Ask)) == 1


async def test_a_tick_beside_another_wish_asks_peers_too_and_the_wish_alone_does_not(story: Story) -> None:
    """Whoever wants somebody who is looking too is not offered somebody who is not."""
    await story.comes("pia")
    await story.offers("pia", hours="4")
    await _asks_too(story, "ana")
    await story.wait(timedelta(minutes=30))
    assert not story.records.all(Ask)
    await _asks_too(story, "ben", also="listening")
    assert {ask.member for ask in story.records.all(Ask)} == {story.id("pia"), story.id("ana")}


@pytest.mark.parametrize("words", ["keep apart @ben:example.org", "keep apart @ana:example.org"])
async def test_two_who_are_kept_apart_are_not_asked_about_one_another(story: Story, words: str) -> None:
    """Whichever of the two asked for it."""
    name = "ana" if "ben" in words else "ben"
    await story.comes(name)
    await story.says(name, words, "yes")
    await _two(story)
    await story.wait(timedelta(minutes=30))
    assert not story.records.all(Ask)


async def test_whoever_must_report_meets_only_who_allows_it(story: Story) -> None:
    """Promise 7, in both directions: neither reads the other's words."""
    for name, fear in (("ana", "3"), ("ben", "2")):
        await story.comes(name)
        await story.says(name, "talk one another", "change", "what i would do if i feared for a life", fear)
        await story.says(name, "yes")
    await story.wait(timedelta(minutes=20))
    assert not story.records.all(Ask)
    await story.says("ben", "change", "who may be asked", "2", "yes")
    await story.wait(timedelta(minutes=10))
    (ask,) = story.records.all(Ask)
    said = await story.say("ana", "yes") if ask.member == story.id("ana") else await story.say("ben", "yes")
    assert "If they feared for your life" in said


_NO: list[list[str]] = [
    [],
    ["not now"],
    ["yes"],
    ["yes", "step back"],
    ["yes", "stop", "1"],
    ["stop", "2"],
    ["forget me", "yes"],
]


async def test_the_other_cannot_tell_a_no_from_a_silence_or_from_nobody_there() -> None:
    """All that Ben hears in two days, with its times, whatever Ana did; the same where she was never here."""
    heard = []
    for words in (*_NO, ["nobody"]):
        story = Story()
        await story.comes("ben")
        if words != ["nobody"]:
            await _asks_too(story, "ana")
        else:
            await story.wait(timedelta(minutes=2))
        await story.wait(timedelta(minutes=2))
        start = story.now
        await story.says("ben", "talk one another", "yes")
        await story.says("ana", *(words if words != ["nobody"] else ()))
        await story.wait(start + timedelta(minutes=25) - story.now)
        await story.says("ben", "status")
        await story.wait(start + timedelta(days=2) - story.now)
        heard.append(story.heard("ben", start))
    for one in heard:
        assert one == heard[0]


async def test_whoever_asked_too_cannot_tell_a_no_from_a_silence() -> None:
    """Ana went on; what she hears of Ben is the same whether he said no, was silent, or met a peer."""
    heard = []
    for words in ((), ("yes",), ("no", "no"), ("stop looking",)):
        story = Story()
        await story.comes("pia")
        await story.offers("pia", hours="4")
        await _asks_too(story, "ana")
        await _asks_too(story, "ben", also="listening")
        await story.says("pia", "yes")
        await story.says("ana", "yes")
        await story.wait(timedelta(minutes=10))
        assert "If you go on" in story.last("ana")
        await story.says("pia", "go on")
        start = story.now
        await story.says("ben", *words[:1])
        await story.wait(start + timedelta(minutes=2) - story.now)
        assert (len(story.records.all(PeerRoom)) == 1) is (words == ("yes",))
        await story.says("ana", "go on")
        await story.says("ben", *words[1:])
        await story.wait(start + timedelta(minutes=20) - story.now)
        await story.says("ana", "status")
        await story.wait(start + timedelta(hours=20) - story.now)
        heard.append(story.heard("ana", start))
    for one in heard:
        assert one == heard[0]


async def test_whoever_goes_on_with_a_peer_takes_a_yes_to_another_back_without_a_word(story: Story) -> None:
    """Ana said yes to Ben, then agrees to Pia: Ben's own yes comes too late, as after any step back."""
    await story.comes("pia")
    await story.offers("pia", hours="4")
    await _asks_too(story, "ana", also="listening")
    await _asks_too(story, "ben")
    await story.says("ana", "yes", "go on")
    heard = len(story.heard("ben"))
    await story.says("pia", "yes", "go on")
    await story.says("ana", "yes")
    assert (story.the_room().asker, story.the_room().peer) == (story.id("ana"), story.id("pia"))
    assert len(story.heard("ben")) == heard
    assert "This time no room opens for you two. You did nothing wrong. I go on looking." in await story.say(
        "ben", "yes"
    )
    assert _request(story, "ben").state is RequestState.LOOKING
    assert len([one for _, one in story.effects if isinstance(one, OpenPeerRoom)]) == 1


async def test_a_peer_whose_asker_meets_somebody_who_asked_hears_at_their_hour(story: Story) -> None:
    """Ana, who said yes to Ben, is asked about Pia; Ben's yes ends that, and Pia hears as after any no."""
    await story.comes("pia")
    await story.offers("pia", hours="4")
    await _asks_too(story, "ana", also="listening")
    await _asks_too(story, "ben")
    await story.says("ana", "yes", "go on")
    await story.says("pia", "yes", "go on")
    said_at = story.now
    assert "Someone said yes" in story.last("ana")
    await story.says("ben", "yes")
    assert {story.the_room().asker, story.the_room().peer} == {story.id("ana"), story.id("ben")}
    assert not story.records.all(Request)
    await story.wait(timedelta(hours=3))
    at, body, quiet = story.heard("pia")[-1]
    assert (at, quiet) == (said_at + timedelta(hours=2), True)
    assert body.startswith("This time no room opens for you two. You did nothing wrong.")


async def test_both_requests_go_on_where_the_room_cannot_be_made() -> None:
    """No request is lost: each hears its own words, and is looked for again."""
    story = Story(keeper_reason="M_FORBIDDEN")
    await _two(story)
    await story.says("ana", "yes", "go on")
    await story.says("ben", "yes")
    for name in ("ana", "ben"):
        assert "I go on looking" in story.last(name)
        assert _request(story, name).state is RequestState.LOOKING
    assert not story.records.all(PeerRoom)


async def test_the_other_request_goes_on_at_once_where_the_room_is_stopped_before_it_is_there() -> None:
    """Ben takes his yes back while the room is being made: Ana hears at her hour, and the search goes on."""
    story = Story(hold_keeper=True)
    await _two(story)
    await story.says("ana", "yes", "go on")
    said_at = story.now
    await story.says("ben", "yes", "close")
    heard = len(story.heard("ana"))
    assert _request(story, "ana").state is RequestState.LOOKING
    assert not [one for one in story.records.all(Request) if one.member == story.id("ben")]
    await story.wait(said_at + timedelta(hours=2) - story.now)
    new = story.heard("ana")[heard:]
    assert new[-1][0] == said_at + timedelta(hours=2)
    assert new[-1][1].startswith("This time no room opens for you two.")


async def test_where_one_never_comes_the_others_request_goes_on(story: Story) -> None:
    """Each is asked as one who asked for company."""
    story.arrive = False
    await _two(story)
    await story.says("ana", "yes", "go on")
    await story.says("ben", "yes")
    (room,) = story.rooms
    await story.joins("ana", room)
    await story.wait(timedelta(minutes=31))
    assert "look for someone else" in story.last("ana").lower()
    await story.says("ana", "someone else")
    assert _request(story, "ana").state is RequestState.LOOKING
    assert any("you did not come in" in body for _, body, _ in story.heard("ben"))


async def test_whoever_ends_their_own_request_takes_back_the_yes_that_came_of_it(story: Story) -> None:
    """Ana went on, then stops looking: no room opens for her, and Ben hears nothing before he answers."""
    await _two(story)
    await story.says("ana", "yes", "go on")
    heard = len(story.heard("ben"))
    await story.says("ana", "stop", "my request for company")
    assert not [one for one in story.records.all(Request) if one.member == story.id("ana")]
    assert len(story.heard("ben")) == heard
    assert "This time no room opens" in await story.say("ben", "yes")


async def test_a_request_whose_time_ends_waits_for_what_a_yes_comes_to() -> None:
    """Ana's day is over while Ben thinks: her request ends after it is known that no room opens."""
    short = replace(COMMUNITY.timings, request_open=timedelta(hours=1))
    story = Story(community=replace(COMMUNITY, timings=short))
    await _asks_too(story, "ana")
    await story.wait(timedelta(minutes=40))
    await _asks_too(story, "ben")
    await story.says("ana", "yes", "go on")
    await story.wait(timedelta(minutes=30))
    assert _request(story, "ana").state is RequestState.LOOKING
    await story.say("ben", "yes")
    assert story.the_room().state is RoomState.OPEN


async def test_a_peer_who_is_forgotten_still_reads_as_one_who_was_looking_too(story: Story) -> None:
    """Ben is in the middle of something: what he is asked later does not show that Ana is gone."""
    await _two(story)
    await story.say("ben", "offer")
    await story.says("ana", "yes", "go on", "forget me", "yes")
    await story.wait(timedelta(minutes=30))
    assert "Someone who is looking for company too said yes" in story.last("ben")
    assert "I can't sleep." not in story.last("ben")
    assert "This time no room opens" in await story.say("ben", "yes")


async def test_trying_does_not_show_whether_anybody_else_asks(story: Story) -> None:
    """What a request that allows it hears first is the same with and without somebody there."""
    await _asks_too(story, "ana")
    alone = story.last("ana")
    other = Story()
    await _asks_too(other, "ben")
    other.now = story.now - timedelta(minutes=2)
    await _asks_too(other, "ana")
    assert any(ask.state is AskState.SHOWN for ask in other.records.all(Ask))
    assert other.last("ana") == alone


async def test_a_step_back_is_not_to_be_seen_by_asking_again(story: Story) -> None:
    """Ben stops and asks again: Ana, who stepped back, is asked no sooner than if she were silent."""
    told = []
    for words in (("yes",), ("yes", "step back")):
        story = Story()
        await _two(story)
        await story.says("ana", *words)
        await story.wait(timedelta(minutes=len(words) == 1))
        await story.says("ben", "stop", "talk one another", "yes")
        start = story.now
        await story.wait(timedelta(minutes=100))
        told.append([at - start for at, body, _ in story.heard("ana", start) if ASKED in body])
        assert story.heard("ben", start)
    assert told == [[], []]
