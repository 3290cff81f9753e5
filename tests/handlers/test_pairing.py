"""Asks, both consents and what happens when things cross."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schema.effects import OpenPeerRoom, SendText
from schema.events import Due
from schema.records import Ask, Offer, Pairing, PeerRoom, Request
from schema.states import AskState, RequestState, RoomState
from tests.handlers.story import COMMUNITY, Story

NOT_THIS_TIME = "This time no room opens for you two. You did nothing wrong. Thank you for your yes."


async def _two(story: Story, *peers: str) -> None:
    for peer in peers:
        await story.comes(peer)
        await story.offers(peer, hours="4")
    await story.comes("ana")


async def test_two_are_asked_at_once_then_others(story: Story) -> None:
    """Rounds of two, at the hours that the asker was told."""
    await _two(story, "ben", "cleo", "dan")
    await story.asks("ana")
    assert len(story.records.all(Ask)) == 2
    await story.wait(timedelta(minutes=10))
    assert len(story.records.all(Ask)) == 3
    assert len({ask.member for ask in story.records.all(Ask)}) == 3


async def test_an_ask_stays_good_until_its_request_ends(story: Story) -> None:
    """Ben, who was asked first, says yes almost a day later."""
    await story.comes("ben")
    await story.offers("ben", hours="4")
    await story.comes("ana")
    await story.asks("ana")
    await story.wait(timedelta(hours=23, minutes=50))
    await story.says("ben", "back", "yes", "go on")
    await story.say("ana", "yes")
    assert story.the_room().state is RoomState.OPEN


async def test_nobody_is_asked_about_their_own_request_or_while_asking(story: Story) -> None:
    """Ana offers too: her own request does not reach her, nor does Ben's while hers stands."""
    await story.comes("ana")
    await story.offers("ana", hours="4")
    await story.asks("ana")
    assert not story.records.all(Ask)
    await story.comes("ben")
    await story.asks("ben")
    await story.wait(timedelta(minutes=30))
    assert not story.records.all(Ask)


async def test_an_ask_waits_behind_an_open_question_and_counts_as_not_asked(story: Story) -> None:
    """Ben is in the middle of something: he is asked when it is done, and asked about today only then."""
    await _two(story, "ben")
    await story.says("ana", "talk", "more", "1", "1", "2", "skip")
    await story.says("ben", "talk")
    await story.says("ana", "yes")
    assert "Nobody is there to ask right now" in story.last("ana")
    assert story.ask_of("ben").state is AskState.WAITING
    assert story.offer_of("ben").asked == ()
    answer = await story.say("ben", "stop")
    if "Which one" in answer:
        answer = await story.say("ben", "1")
    assert "Someone asks for company" in answer
    assert story.ask_of("ben").state is AskState.SHOWN
    assert len(story.offer_of("ben").asked) == 1


async def test_a_peer_who_said_yes_is_not_asked_by_another(story: Story) -> None:
    """Cleo asks while Ben's question is open: it waits, and after his yes it is not asked."""
    await _two(story, "ben")
    await story.comes("cleo")
    await story.asks("ana")
    await story.asks("cleo")
    await story.says("ben", "yes", "go on")
    assert len([body for _, body, _ in story.heard("ben") if "Someone asks for company" in body]) == 1
    await story.says("ana", "yes")
    await story.wait(timedelta(minutes=30))
    assert len([body for _, body, _ in story.heard("ben") if "Someone asks for company" in body]) == 1


async def test_an_ask_that_waited_too_long_is_made_again_later(story: Story) -> None:
    """Nothing was asked, so Ben can still be asked about it in a later round."""
    await _two(story, "ben")
    await story.says("ana", "talk", "more", "1", "1", "2", "skip")
    await story.wait(timedelta(minutes=20))
    await story.says("ben", "talk")
    await story.says("ana", "yes", "yes")
    await story.wait(timedelta(minutes=30))
    assert "Someone asks for company" in story.last("ben")
    assert story.ask_of("ben").state is AskState.SHOWN


async def test_the_note_is_with_one_person_at_a_time(story: Story) -> None:
    """The second yes waits for the round; the first may still go on, and the second hears at the hour."""
    await _two(story, "ben", "cleo")
    await story.asks("ana", note="secret words")
    await story.says("ben", "yes")
    assert "secret words" in story.last("ben")
    await story.says("cleo", "yes")
    assert "I tell you more, or that no room opens" in story.last("cleo")
    assert not any("secret words" in body for _, body, _ in story.heard("cleo"))
    await story.wait(timedelta(minutes=10))
    assert "secret words" in story.last("cleo")
    await story.says("ben", "go on")
    assert story.ask_of("ben").state is AskState.CHOSEN
    await story.says("cleo", "go on")
    assert story.ask_of("cleo").state is AskState.READY
    await story.says("ana", "2")
    assert story.ask_of("cleo").state is AskState.CHOSEN
    assert "Someone said yes" in story.last("ana")


async def test_whoever_said_yes_too_late_hears_at_the_hour_in_the_same_words(story: Story) -> None:
    """The request is over before Cleo says yes: she is answered as everybody is, and hears at her hour."""
    await _two(story, "ben", "cleo")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    await story.says("ana", "yes")
    assert not story.records.all(Request)
    await story.says("cleo", "yes")
    said_at = story.now
    await story.wait(timedelta(hours=3))
    at, body, notice = story.heard("cleo")[-1]
    assert (at, body, notice) == (said_at + timedelta(hours=2), NOT_THIS_TIME, True)
    assert not [ask for ask in story.records.all(Ask) if ask.member == story.id("cleo")]


@pytest.mark.parametrize("withdrawn", [True, False])
async def test_a_yes_that_only_waits_keeps_nobody_from_another(story: Story, withdrawn: bool) -> None:
    """Cleo waits for a note, whether Ben has it or the request is over: Dan's question reaches her alike."""
    await _two(story, "ben", "cleo")
    await story.comes("dan")
    await story.asks("ana")
    if withdrawn:
        await story.say("ana", "stop")
        await story.say("ben", "withdraw")
    else:
        await story.says("ben", "yes", "go on")
    said = await story.say("cleo", "yes")
    assert "I tell you more, or that no room opens" in said
    await story.wait(timedelta(minutes=20))
    await story.asks("dan")
    assert "Someone asks for company" in story.last("cleo")
    assert "A yes to this one takes its place." in story.last("cleo")
    said = await story.say("cleo", "yes")
    assert said.startswith("This yes takes the place of the one before.")
    assert [ask.state for ask in story.records.all(Ask) if ask.member == story.id("cleo")].count(
        AskState.WILLING
    ) == 0
    await story.says("cleo", "go on")
    await story.say("dan", "yes")
    await story.wait(timedelta(hours=3))
    assert not any(body.startswith(NOT_THIS_TIME[:20]) for _, body, _ in story.heard("cleo"))


async def test_an_offer_that_ends_before_its_rest_says_so(story: Story) -> None:
    """Ben steps back before his offer's last two hours are over: he is asked nothing more, and reads it."""
    await story.comes("ben")
    await story.offers("ben")
    await story.comes("ana")
    await story.wait(timedelta(minutes=30))
    await story.asks("ana")
    await story.says("ben", "yes", "no")
    assert "I ask you nothing more before your offer ends: Friday 27 November, 19:0" in story.last("ben")
    assert "I ask you nothing more before your offer ends" in await story.say("ben", "my offer")
    assert "I ask you nothing more before your offer ends" in await story.say("ben", "rest")


async def test_a_yes_that_only_waited_is_taken_back_without_a_rest(story: Story) -> None:
    """Cleo takes back a yes that waited for the note: she can be asked as she could with it."""
    await _two(story, "ben", "cleo")
    await story.comes("dan")
    await story.asks("ana")
    await story.says("ben", "yes")
    await story.says("cleo", "yes")
    said = await story.says("cleo", "stop", "1")
    assert said == "You have stepped back. That is fine, and nobody is told."
    await story.wait(timedelta(minutes=20))
    await story.asks("dan")
    assert "Someone asks for company" in story.last("cleo")


async def test_a_second_yes_changes_nothing(story: Story) -> None:
    """A yes answers the question that is open, once."""
    await _two(story, "ben")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    await story.says("ana", "yes", "yes", "1")
    assert len([one for _, one in story.effects if isinstance(one, OpenPeerRoom)]) == 1


async def test_a_number_typed_just_before_a_question_came_gets_it_again(story: Story) -> None:
    """Rule 9: a bare number within seconds of a question that came by itself has no effect."""
    await _two(story, "ben")
    await story.asks("ana")
    answer = await story.say("ben", "1", after=2)
    assert "just as you wrote" in answer
    assert "just as you wrote" in await story.say("ben", "1", after=1)
    assert story.ask_of("ben").state is AskState.SHOWN
    await story.say("ben", "1", after=4)
    assert story.ask_of("ben").state is AskState.READING


@pytest.mark.parametrize(
    "words", ["yes but I'm scared", "I can't stop crying", "no no no wait", "1 or 2?", "oh yes please stop"]
)
async def test_words_around_a_yes_are_neither_yes_nor_no(story: Story, words: str) -> None:
    """Rule 1: the question comes again, kindly, and nothing has happened."""
    await _two(story, "ben")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    answer = await story.say("ana", words)
    assert "No person has read this" in answer
    assert "1. Yes, open the room" in answer
    assert story.the_request().state is RequestState.PROPOSED


@pytest.mark.parametrize("words", ["1", "1.", "1)", " YES ", "yes.", "Yes, open the room", "\uff11"])
async def test_a_yes_alone_counts_however_it_is_typed(story: Story, words: str) -> None:
    """The number or the word, in any case and width."""
    await _two(story, "ben")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    await story.say("ana", words)
    assert story.the_room().state is RoomState.OPEN


async def test_the_consent_waits_behind_what_the_asker_is_doing(story: Story) -> None:
    """Ana is making an offer when somebody says yes: the question comes when she is done, or later."""
    await _two(story, "ben")
    await story.asks("ana")
    await story.says("ana", "offer")
    await story.says("ben", "yes", "go on")
    assert "may I ask you whether" in story.last("ana")
    answer = await story.say("ana", "back")
    assert "Someone said yes" not in answer
    answer = await story.say("ana", "back")
    assert "Someone said yes" in answer
    other = Story()
    await _two(other, "ben")
    await other.asks("ana")
    await other.says("ana", "offer")
    await other.says("ben", "yes", "go on")
    await other.wait(timedelta(minutes=30))
    assert "Someone said yes" in other.last("ana")
    await other.says("ana", "3")
    assert "may I ask you whether" in other.last("ana")


async def test_a_peer_who_steps_back_after_going_on_leaves_the_asker_looking(story: Story) -> None:
    """Ana's yes comes after Ben took his back: she hears that it did not come together, and what is next."""
    await _two(story, "ben")
    await story.asks("ana")
    await story.says("ben", "yes", "go on", "stop", "1")
    assert "stepped back" in story.last("ben")
    answer = await story.say("ana", "yes")
    assert "This time no room opens for you two. You did nothing wrong. I go on looking." in answer
    assert "The next time I ask others is" in answer
    assert story.the_request().state is RequestState.LOOKING
    assert not story.records.all(Pairing)
    assert not story.records.all(PeerRoom)


async def test_the_asker_who_stays_silent_is_told_and_can_take_it_up_again(story: Story) -> None:
    """No dead air: the request ends with a word, and its words are one number away."""
    await _two(story, "ben")
    await story.asks("ana", note="long week")
    await story.says("ben", "yes", "go on")
    await story.wait(timedelta(hours=3))
    assert "the time to answer is over" in story.last("ana")
    assert story.last("ben") == NOT_THIS_TIME
    assert not story.records.all(Request)
    await story.says("ana", "1")
    assert story.the_request().note == "long week"
    other = story.the_request()
    await story.says("ana", "stop")
    assert other.id not in [row.id for row in story.records.rows.values()]


async def test_change_before_looking_again(story: Story) -> None:
    """The recap comes back with the same words, and nothing is asked before a yes."""
    await story.comes("ana")
    await story.asks("ana", note="long week")
    await story.wait(timedelta(days=1))
    await story.says("ana", "2")
    assert "“long week”" in story.last("ana")
    assert not story.records.all(Request)
    await story.says("ana", "yes")
    assert story.the_request().note == "long week"


async def test_a_peer_on_the_way_to_a_room_is_told_why_they_cannot_ask_now(story: Story) -> None:
    """One room at once, and an hour with it."""
    await _two(story, "ben")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    await story.says("ben", "talk")
    assert "You said yes to someone" in story.last("ben")
    assert len(story.records.all(Request)) == 1


async def test_one_room_at_once(story: Story) -> None:
    """Whoever is in a room is told so when they ask, whether by talk, by a draft, or by an old request."""
    await _two(story, "ben", "cleo")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    await story.says("ana", "talk")
    assert "You have asked already" in story.last("ana")
    await story.says("ana", "back", "yes")
    for name in ("ana", "ben"):
        await story.says(name, "talk")
        assert "You have a room with someone until" in story.last(name)
    assert not story.records.all(Request)


async def test_who_asks_for_company_is_not_asked_meanwhile(story: Story) -> None:
    """Ben has a question open and asks for company himself: the question is over without a word."""
    await _two(story, "ben")
    await story.asks("ana")
    await story.asks("ben")
    assert story.ask_of("ben").state is AskState.OVER
    assert story.member("ben").waiting == ()


async def test_rest_asks_nothing_until_tomorrow(story: Story) -> None:
    """Until eight in the morning of the member's tomorrow."""
    await _two(story, "ben")
    await story.asks("ana")
    await story.says("ben", "4")
    assert "I ask you nothing more before your offer ends: Saturday 28 November, 05:0" in story.last("ben")
    await story.says("ana", "stop")
    await story.asks("ana")
    assert "Nobody is there to ask right now" in story.last("ana")


async def test_an_offer_asks_at_most_as_often_as_the_community_allows(story: Story) -> None:
    """Two asks a day, whatever becomes of them."""
    await story.comes("ben")
    await story.offers("ben", hours="4")
    for name in ("ana", "cleo", "dan"):
        await story.comes(name)
        await story.asks(name)
        await story.says("ben", "no")
        await story.says(name, "stop")
        await story.wait(timedelta(minutes=15))
    assert len([body for _, body, _ in story.heard("ben") if "Someone asks for company" in body]) == 2


async def test_nobody_who_must_report_is_asked_unless_the_asker_allows_it(story: Story) -> None:
    """Promise 7, and the second consent says it."""
    await story.comes("ben")
    await story.offers("ben", fear="3")
    await story.comes("ana")
    await story.asks("ana")
    assert not story.records.all(Ask)
    await story.says("ana", "stop", "talk", "more", "1", "1", "2", "skip", "2", "5", "2", "yes")
    assert len(story.records.all(Ask)) == 1
    await story.says("ben", "yes", "go on")
    assert "they must report some things by law" in story.last("ana")


async def test_a_due_that_has_moved_is_ignored(story: Story) -> None:
    """An event delivered twice, or late, finds another hour in the record."""
    await _two(story, "ben", "cleo", "dan")
    await story.asks("ana")
    before = dict(story.records.rows)
    for kind in ("requests", "offers", "asks", "pairings", "peer_rooms", "members"):
        for key, row in before.items():
            if key[0] == kind:
                await story.event(Due(kind, row.id))
        await story.event(Due(kind, "0" * 32))
    assert story.records.rows == before


async def test_an_offer_that_ends_leaves_the_open_question_good(story: Story) -> None:
    """The question said until when it is open; the offer's end does not take that back."""
    await story.comes("ben")
    await story.offers("ben", card="Hello from here")
    await story.comes("ana")
    await story.asks("ana")
    await story.wait(timedelta(hours=2))
    assert not story.records.all(Offer)
    await story.says("ben", "yes", "go on")
    assert "They wrote about themselves: “Hello from here”" in story.last("ana")
    assert "they would tell you first" in story.last("ana")


@pytest.mark.parametrize("words", [(), ("stop",)])
async def test_an_ask_left_open_lets_another_go_first_whatever_became_of_its_request(
    story: Story, words: tuple[str, ...]
) -> None:
    """Ben does not answer: Cleo's question reaches him after a while, whether or not Ana withdrew."""
    await _two(story, "ben")
    await story.asks("ana")
    asked_at = story.now
    await story.comes("cleo")
    await story.wait(timedelta(minutes=1))
    await story.says("ana", *words)
    await story.wait(asked_at + timedelta(minutes=3) - story.now)
    await story.asks("cleo")
    assert "Nobody is there to ask right now" in story.last("cleo")
    await story.wait(asked_at + timedelta(minutes=14) - story.now)
    assert len(_asks(story, "ben")) == 1
    await story.wait(timedelta(minutes=30))
    assert len(_asks(story, "ben")) == 2
    assert any("asking people now" in body for _, body, _ in story.heard("cleo"))


def _asks(story: Story, name: str) -> list[str]:
    return [body for _, body, _ in story.heard(name) if "Someone asks for company" in body]


@pytest.mark.parametrize("words", [(), ("no",), ("yes", "no"), ("yes", "go on", "stop", "1")])
async def test_whoever_withdraws_and_asks_again_learns_nothing(story: Story, words: tuple[str, ...]) -> None:
    """Ben is silent, says no, or steps back: Ana, who stops and asks again, hears that nobody is there."""
    await _two(story, "ben")
    await story.asks("ana")
    await story.says("ben", *words)
    await story.says("ana", "stop")
    await story.asks("ana")
    assert "Nobody is there to ask right now" in story.last("ana")


@pytest.mark.parametrize("words", [("yes",), ("yes", "no")])
async def test_who_stepped_back_is_asked_nothing_until_the_promised_hour(
    story: Story, words: tuple[str, ...]
) -> None:
    """As whoever said yes and is silent: nothing for two hours, and then again."""
    await _two(story, "ben")
    await story.asks("ana")
    await story.says("ben", *words)
    await story.says("ana", "stop")
    await story.wait(timedelta(minutes=30))
    await story.asks("ana")
    await story.wait(timedelta(minutes=60))
    assert len(_asks(story, "ben")) == 1
    await story.wait(timedelta(minutes=60))
    assert len(_asks(story, "ben")) == 2


async def test_withdrawing_an_offer_ends_its_open_question(story: Story) -> None:
    """One word ends it, and nobody is told."""
    await _two(story, "ben")
    await story.asks("ana")
    heard = len(story.heard("ana"))
    await story.says("ben", "withdraw")
    assert not story.records.all(Offer)
    assert story.member("ben").prompt is None
    assert len(story.heard("ana")) == heard


async def test_one_event_sends_one_message_and_rings_at_most_once() -> None:
    """Rule 11, in a whole story: never two messages of one turn to one member."""
    story = Story(community=replace(COMMUNITY, asks_at_once=3))
    await _two(story, "ben", "cleo")
    await story.asks("ana")
    await story.says("cleo", "no")
    await story.says("ben", "yes", "go on")
    await story.says("ana", "yes")
    await story.wait(timedelta(days=3))
    sent = [effect for _, effect in story.effects if isinstance(effect, SendText)]
    assert all(effect.body.strip() for effect in sent)
    assert not story.records.all(PeerRoom)


async def test_what_a_peer_must_do_by_law_outlives_their_offer(story: Story) -> None:
    """Promise 7: Cleo must report, says yes, and ends her offer: Ana is told before she agrees."""
    for peer in ("ben", "cleo"):
        await story.comes(peer)
        await story.offers(peer, fear="3", hours="4")
    await story.comes("ana")
    await story.says("ana", "talk", "more", "1", "1", "2", "a note", "2", "5", "2", "yes")
    await story.says("ben", "yes")
    await story.says("cleo", "yes", "withdraw")
    await story.says("ben", "no")
    await story.wait(timedelta(minutes=10))
    assert "a note" in story.last("cleo")
    await story.says("cleo", "go on")
    assert "they must report some things by law" in story.last("ana")
    assert "They wrote about themselves: “I like walks.”" in story.last("ana")


async def test_rest_is_not_answered_with_another_question(story: Story) -> None:
    """Dan's question waits behind Ana's: after `rest` it is not put."""
    await _two(story, "ben")
    await story.asks("ana")
    await story.comes("dan")
    await story.wait(timedelta(minutes=14))
    await story.says("ben", "menu")
    await story.asks("dan")
    await story.wait(timedelta(minutes=30))
    await story.says("ben", "rest")
    asked = len(_asks(story, "ben"))
    await story.wait(timedelta(hours=2))
    assert len(_asks(story, "ben")) == asked


async def test_a_question_that_waited_is_put_only_if_it_still_may_be(story: Story) -> None:
    """Ben's offer begins to rest while Ana's question waits: it is not put when he is done."""
    await _two(story, "ben")
    await story.says("ana", "talk", "more", "1", "1", "2", "skip")
    await story.says("ben", "talk")
    await story.says("ana", "yes")
    assert story.ask_of("ben").state is AskState.WAITING
    offer = story.offer_of("ben")
    await story.records.put(replace(offer, rest_until=story.now + timedelta(hours=8)))
    await story.says("ben", "stop", "1")
    assert story.member("ben").prompt is None
    assert not _asks(story, "ben")


async def test_a_no_after_the_request_has_lapsed_names_no_hour_that_is_past() -> None:
    """The search is over, and that is all that is said."""
    timings = replace(COMMUNITY.timings, request_open=timedelta(hours=1))
    story = Story(community=replace(COMMUNITY, timings=timings))
    await _two(story, "ben")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    await story.wait(timedelta(minutes=70))
    answer = await story.say("ana", "no")
    assert "I have stopped looking now" in answer
    assert "I go on" not in answer
    assert "ago" not in answer


async def test_whoever_heard_that_nobody_is_there_hears_when_somebody_was_asked(story: Story) -> None:
    """Ben was busy and is asked later: at the next round's hour Ana hears of it, as she was told."""
    await _two(story, "ben")
    await story.says("ana", "talk", "more", "1", "1", "2", "skip")
    await story.says("ben", "talk")
    await story.says("ana", "yes")
    start = story.now
    assert "Nobody is there to ask right now" in story.last("ana")
    await story.says("ben", "stop", "1")
    assert len(_asks(story, "ben")) == 1
    await story.wait(timedelta(minutes=20))
    (told,) = [at for at, body, _ in story.heard("ana") if "I am asking people now" in body]
    assert told == start + timedelta(minutes=10)


@pytest.mark.parametrize("words", [(), ("forget me", "yes"), ("stop", "1")])
async def test_seeing_the_consent_again_tells_nothing_of_the_peer(
    story: Story, words: tuple[str, ...]
) -> None:
    """Promise 2: whatever Ben did meanwhile, Ana sees the same words again."""
    await _two(story, "ben")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    at = story.now
    await story.says("ben", *words)
    await story.wait(at + timedelta(minutes=10) - story.now)
    again = await story.say("ana", "back")
    assert "You have seen what they wrote" in again
    assert "I like walks." not in again
    assert "would rather not say" not in again
    assert "1. Yes, open the room" in again


@pytest.mark.parametrize("chosen", [True, False])
async def test_who_awaits_an_answer_is_told_the_same_whether_they_are_chosen(
    story: Story, chosen: bool
) -> None:
    """`talk` says by when they hear, and not that a room is about to open."""
    await _two(story, "ben", "cleo")
    await story.asks("ana")
    await story.says("cleo" if chosen else "ben", "yes", "go on")
    if not chosen:
        await story.wait(timedelta(minutes=10))
    await story.says("ben" if chosen else "cleo", "yes")
    for name in ("ben", "cleo"):
        assert "I tell you by" in await story.say(name, "talk")
