"""The charter's promises 1, 2, 3, 6 and 9, each as a test that fails when the promise breaks."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.effects import MutePeerRoom, OpenPeerRoom, SendText
from schema.ids import AskId, EventId, OfferId, RequestId
from schema.records import Ask, Member, Offer, Pairing, PeerRoom, Request
from schema.states import PairingState, RequestState, RoomState
from service.core import rooms
from service.core.pairing import next_card
from tests.handlers.story import COMMUNITY, Story

NAMES = ("ana", "ben", "cleo")
Heard = list[tuple[datetime, str, bool]]

_WORDS = st.sampled_from(
    [
        *(
            "1",
            "2",
            "3",
            "4",
            "yes",
            "no",
            "skip",
            "back",
            "menu",
            "stop",
            "talk",
            "change",
            "offer",
            "rest",
            "withdraw",
        ),
        *("status", "help now", "what do you hold", "forget me", "close", "erase now", "hello"),
        *("extend", "pass on", "come back", "backup", "2.", "YES", "withdraw"),
        *("yes but I'm scared", "I can't stop crying", "a few words of mine", "@ana:example.org?"),
    ]
)
_STEPS = st.lists(
    st.tuples(st.sampled_from(NAMES), _WORDS) | st.integers(1, 5000).map(lambda minutes: ("", str(minutes))),
    max_size=60,
)


_FEWER = settings(max_examples=settings().max_examples // 4)
"""A whole conversation is a long example."""


async def play(story: Story, steps: list[tuple[str, str]]) -> None:
    """Members write, or minutes pass, as the steps say."""
    for name, words in steps:
        if name:
            await story.say(name, words)
        else:
            await story.wait(timedelta(minutes=int(words)))
        assert_no_dead_air(story)


async def begin(story: Story, *peers: str) -> None:
    """Peers have offered, and Ana has said hello."""
    for peer in peers:
        await story.comes(peer)
        await story.offers(peer, hours="4")
    await story.comes("ana")


def _cards(story: Story, request: Request) -> tuple[datetime, ...]:
    """When the request's asker was shown somebody's words."""
    (asker,) = [one for one in story.records.all(Member) if one.id == request.member]
    return asker.cards


def _is_for(story: Story, pairing: Pairing, request: Request) -> bool:
    """Whether the pairing is what the request's asker waits for."""
    asks = [ask for ask in story.records.all(Ask) if ask.id == pairing.ask and str(ask.offer) == request.id]
    return pairing.request == request.id or bool(asks)


def assert_no_dead_air(story: Story) -> None:
    """Every request that stands has something in store that will move it on, and whose hour is not past."""
    for request in story.records.all(Request):
        match request.state:
            case RequestState.LOOKING:
                assert request.due_at is not None
                waits = next_card(_cards(story, request), story.now) or story.now
                latest = max(waits, story.now + story.community.timings.ask_again)
                assert story.now < request.due_at <= latest
            case RequestState.PROPOSED:
                (pairing,) = [
                    one
                    for one in story.records.all(Pairing)
                    if one.request == request.id
                    and one.state in (PairingState.PROPOSED, PairingState.STEPPED_BACK)
                ]
                assert pairing.due_at is not None
                assert story.now < pairing.due_at <= pairing.until
            case RequestState.TOGETHER:
                of_it = [
                    one
                    for one in story.records.all(PeerRoom)
                    if request.id in (one.request, one.peer_request)
                ]
                planned = [
                    one
                    for one in story.records.all(Pairing)
                    if one.state is PairingState.PLANNED and _is_for(story, one, request)
                ]
                assert len([room for room in of_it if room.state in rooms.LIVE]) + len(planned) == 1
                assert all(one.due_at == one.start for one in planned)
            case _:
                raise AssertionError("an ended request is not kept")
    hours = [one.due_at for one in story.records.all(Ask)]
    hours += [one.due_at for one in story.records.all(Pairing)]
    hours += [one.due_at for one in story.records.all(PeerRoom)]
    assert all(hour is None or hour > story.now for hour in hours)


# 1. Both say yes first


@_FEWER
@given(_STEPS)
async def test_promise_1_no_text_names_another_and_no_room_opens_before_both_yes(
    steps: list[tuple[str, str]],
) -> None:
    """In any conversation: a member is sent no other's Matrix ID and no room; a room needs both yeses."""
    story = Story()
    for name in NAMES:
        await story.comes(name)
    await story.offers("ben", card="", hours="4")
    await story.asks("ana", note="")
    await play(story, steps)
    agreed: list[tuple[str, str]] = []
    for _, effect in story.effects:
        if isinstance(effect, SendText):
            for name in NAMES:
                typed = any(story.address(name) in line.body for line in story.log if not line.from_desk)
                if story.name_of(effect.member) != name and not typed:
                    assert story.address(name) not in effect.body
            assert "!peers" not in effect.body
        if isinstance(effect, OpenPeerRoom):
            agreed.append((story.name_of(effect.members[0]), story.name_of(effect.members[1])))
    for asker, peer in agreed:
        assert asker != peer
        assert any("1. Yes, open the room" in body for _, body, _ in story.heard(asker))
        assert any("1. Go on" in body for _, body, _ in story.heard(peer))


async def test_promise_1_a_yes_counts_only_whole_new_and_in_private(story: Story) -> None:
    """An edit, a quote, a voice message, or a chat with somebody else in it: no room opens."""
    await begin(story, "ben")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    await story.say("ana", "yes", edits=True)
    await story.say("ana", "yes", quotes=EventId("$quoted"))
    await story.say("ana", "yes", kind="voice")
    await story.say("ana", "yes", private=False)
    assert not [one for _, one in story.effects if isinstance(one, OpenPeerRoom)]
    assert story.the_request().state is RequestState.PROPOSED


async def test_promise_1_the_note_is_not_in_the_ask_and_the_card_not_before_the_second_consent(
    story: Story,
) -> None:
    """Each word crosses where it was said that it would, and to nobody else."""
    await begin(story, "ben", "cleo")
    await story.asks("ana", note="my own note")
    for peer in ("ben", "cleo"):
        assert not any("my own note" in body for _, body, _ in story.heard(peer))
    await story.says("ben", "yes")
    assert "my own note" in story.last("ben")
    assert not any("I like walks." in body for _, body, _ in story.heard("ana"))
    assert not any("my own note" in body for _, body, _ in story.heard("cleo"))
    await story.says("ben", "go on")
    assert "I like walks." in story.last("ana")


# 2. No and silence look the same

_BEFORE_YES: list[list[str]] = [
    [],
    ["2"],
    ["3"],
    ["skip"],
    ["stop", "1"],
    ["withdraw"],
    ["forget me", "yes"],
    ["no"],
    ["menu", "what do you hold"],
    ["I don't know"],
]
_AFTER_YES: list[list[str]] = [
    ["yes"],
    ["yes", "2"],
    ["yes", "stop", "1"],
    ["yes", "withdraw"],
    ["yes", "forget me", "yes"],
    ["yes", "what?"],
]


async def _asker_hears(peer_says: list[str], others: list[list[str]]) -> tuple[Heard, Heard]:
    """What Ana, and Cleo beside her, hear in two days when Ben says these words and others theirs."""
    story = Story(community=replace(COMMUNITY, asks_at_once=3))
    await begin(story, "ben", "cleo", "dan")
    await story.asks("ana")
    start = story.now
    await story.says("ben", *peer_says)
    await story.wait(start + timedelta(minutes=7) - story.now)
    for name, words in zip(("cleo", "dan"), others, strict=True):
        await story.says(name, *words)
    await story.wait(start + timedelta(minutes=25) - story.now)
    await story.says("ana", "status")
    await story.wait(start + timedelta(days=2) - story.now)
    return story.heard("ana", start), story.heard("cleo", start)


@pytest.mark.parametrize(
    "others", [[[], []], [["yes"], []], [["yes", "go on"], ["yes"]], [["no"], ["yes", "no"]]]
)
@pytest.mark.parametrize("ways", [_BEFORE_YES, _AFTER_YES])
async def test_promise_2_the_asker_and_the_others_cannot_tell_a_no_from_a_silence(
    ways: list[list[str]], others: list[list[str]]
) -> None:
    """All that Ana and Cleo hear, with its times, is the same whatever Ben did instead of going on."""
    heard = [await _asker_hears(way, others) for way in ways]
    for one in heard:
        assert one == heard[0]


async def _peer_hears(asker_says: list[str]) -> Heard:
    story = Story()
    await begin(story, "ben")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    start = story.now
    await story.says("ana", *asker_says)
    await story.wait(start + timedelta(minutes=30) - story.now)
    await story.says("ben", "status")
    await story.wait(start + timedelta(days=2) - story.now)
    return story.heard("ben", start)


@pytest.mark.parametrize(
    "words",
    ["2", "3", "stop", "no", "skip", "forget me, yes", "2, stop, talk", "yes maybe", "menu", "I am scared"],
)
async def test_promise_2_the_peer_cannot_tell_a_no_from_a_silence(words: str) -> None:
    """All that Ben hears after going on, with its times, is the same whatever Ana did instead of a yes."""
    silence = await _peer_hears([])
    assert await _peer_hears(words.split(", ")) == silence
    told = [notice for _, body, notice in silence if body.startswith("This time no room opens for you two.")]
    assert told == [True], "told once, and it does not ring"


async def test_promise_2_saying_no_is_counted_nowhere() -> None:
    """After the question's hour the records hold the same after a no as after a silence."""
    kept = []
    for words in (["2"], []):
        story = Story()
        await begin(story, "ben")
        await story.asks("ana")
        start = story.now
        await story.says("ben", *words)
        await story.wait(start + timedelta(hours=25) - story.now)
        offers = [(one.asked, one.rest_until) for one in story.records.all(Offer)]
        kept.append((offers, [replace(ask, id=AskId("")) for ask in story.records.all(Ask)]))
    plain = [[replace(ask, request=RequestId(""), offer=OfferId("")) for ask in asks] for _, asks in kept]
    assert plain[0] == plain[1]
    assert kept[0][0] == kept[1][0]


# 3. No dead air


@_FEWER
@given(_STEPS, st.sampled_from(["", "M_FORBIDDEN", "keeper_not_deaf"]), st.booleans())
async def test_promise_3_every_request_ends_in_a_pairing_an_answer_or_a_withdrawal(
    steps: list[tuple[str, str]], keeper: str, arrive: bool
) -> None:
    """Whatever is said and whatever the keeper does: nothing stands without an hour, and all of it ends."""
    story = Story(keeper_reason=keeper, arrive=arrive)
    for name in NAMES:
        await story.comes(name)
    await story.offers("cleo", hours="4")
    await story.asks("ana")
    await play(story, steps)
    open_before = {request.member for request in story.records.all(Request)}
    at = story.now
    await story.wait(timedelta(days=9))
    assert not story.records.all(Request)
    assert not story.records.all(Ask)
    assert not story.records.all(Pairing)
    assert not story.records.all(PeerRoom)
    for name in NAMES:
        if story.id(name) in open_before:
            assert story.heard(name, at), "a request ended and its asker heard nothing"


async def test_promise_3_who_finds_nobody_is_told_at_once_with_the_hour_that_is_then_kept(
    story: Story,
) -> None:
    """The hour is said, and at that hour whoever came meanwhile is asked."""
    await story.comes("ana")
    await story.asks("ana")
    assert "Nobody is there to ask right now. I try again on Friday 27 November, 17:16 Berlin" in story.last(
        "ana"
    )
    await story.comes("ben")
    await story.offers("ben")
    await story.wait(timedelta(minutes=10))
    assert "Someone asks for company" in story.last("ben")
    assert "I am asking people now" in story.last("ana")


# 6. What is over goes


@pytest.mark.parametrize("end", ["close", "leave", "time", "forget"])
async def test_promise_6_read_only_at_once_and_then_gone_with_a_receipt(story: Story, end: str) -> None:
    """The mute is ordered in the turn that ends it; a day later nothing of the two is kept."""
    await begin(story, "ben")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    await story.says("ana", "yes")
    room = story.the_room().room
    assert room is not None
    match end:
        case "close":
            await story.says("ben", "close")
        case "leave":
            await story.leaves("ben", room)
        case "forget":
            await story.says("ben", "forget me", "yes")
        case _:
            await story.wait(timedelta(hours=1))
    muted = [at for at, effect in story.effects if isinstance(effect, MutePeerRoom)]
    assert muted == [story.now]
    if end == "leave":
        assert story.the_room().state is RoomState.APART, "nobody writes while the other chooses"
        await story.wait(timedelta(hours=1))
    assert story.the_room().state is RoomState.READABLE
    closed = story.the_room()
    assert closed.due_at == closed.ends_at + COMMUNITY.timings.reading
    await story.wait(timedelta(days=4))
    for kind in (PeerRoom, Pairing, Ask):
        assert not story.records.all(kind)
    assert "Cannot be reached:\nCopies on your devices" in story.last("ana")
    assert not story.rooms[room]


# 9. Your data answers to you: see test_privacy.py for every state


async def test_promise_9_what_is_held_and_forgotten_is_answered_in_the_chat_at_once(story: Story) -> None:
    """Both are one message away, from the middle of anything."""
    await begin(story, "ben")
    await story.says("ana", "talk", "more", "1", "1", "2")
    assert "This is what I hold about you now" in await story.say("ana", "what do you hold")
    assert (await story.say("ana", "3")).startswith("If you say yes, I erase all I hold about you, now.")
    assert (await story.say("ana", "yes")).startswith("Done.")
