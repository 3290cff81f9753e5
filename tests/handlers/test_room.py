"""The peer room as its two hear of it: every end, every refusal, every receipt."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schema.effects import (
    Effect,
    EmptyPeerRoom,
    InviteAgain,
    LetWrite,
    MutePeerRoom,
    OpenPeerRoom,
    PurgePeerRoom,
    RedactPeerRoom,
)
from schema.events import Delivered, NotDelivered, PeerMembership
from schema.ids import EventId, RoomId
from schema.records import Ask, Member, Pairing, PeerRoom, Request
from schema.states import RequestState, RoomState
from tests.handlers.story import Story, community

ROOM = RoomId("!peers-0")


async def together(story: Story, *, pump: bool = True) -> None:
    """Ana and Ben are in their room; without `pump` the keeper has not reported yet."""
    await story.comes("ben")
    await story.offers("ben", hours="4")
    await story.comes("ana")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    await story.say("ana", "yes", pump=pump)


def orders(story: Story) -> list[type[Effect]]:
    """What the keeper was asked to do, in order."""
    kinds = (OpenPeerRoom, MutePeerRoom, RedactPeerRoom, EmptyPeerRoom, PurgePeerRoom, InviteAgain)
    return [type(effect) for _, effect in story.effects if isinstance(effect, kinds)]


async def test_when_both_are_in_the_request_is_over_and_its_words_go_with_the_room(story: Story) -> None:
    """The card and the asks are gone once the two have met; the asker's words when the room is closed."""
    await together(story)
    assert story.the_room().sought["note"] == "It has been a long week."
    await story.say("ana", "close", pump=False)
    assert not story.the_room().sought
    await story.pump()
    story = Story()
    await together(story)
    assert not story.records.all(Request)
    assert not story.records.all(Pairing)
    assert not story.records.all(Ask)
    assert story.the_room().state is RoomState.OPEN


async def test_both_see_what_they_agreed_on_when_the_room_opens(story: Story) -> None:
    """In their own chats, in the same words: what would help, for how long, and how to end it."""
    await together(story)
    (ana,), (ben,) = (
        [body for _, body, _ in story.heard(name) if "Your private room is open now" in body]
        for name in ("ana", "ben")
    )
    assert ben.startswith(ana), "the peer hears besides that they may pass on"
    assert "for 1 hour, until Friday 27 November" in ana
    assert "What you two agreed would help: listening." in ana
    assert "write “close” here" in ana
    assert story.the_room().wish == "listening"


async def test_whoever_blocks_invitations_sees_what_was_agreed_too(story: Story) -> None:
    """How to let the invitation in stands first."""
    story.arrive, story.blocking = False, {"ben"}
    await together(story)
    assert story.last("ben").index("Your account blocks") < story.last("ben").index("agreed would help")


async def test_it_ends_at_its_time(story: Story) -> None:
    """Both hear, read for a day, and get a receipt; nothing is left."""
    await together(story)
    await story.wait(timedelta(hours=1))
    assert "The time of your room is over." in story.last("ana")
    assert story.the_room().state is RoomState.READABLE
    await story.wait(timedelta(days=2))
    assert not story.records.all(PeerRoom)
    for name in ("ana", "ben"):
        assert "I keep nothing about this room now." in story.last(name)
    assert orders(story) == [OpenPeerRoom, MutePeerRoom, RedactPeerRoom, EmptyPeerRoom, PurgePeerRoom]


async def test_when_both_have_left_nobody_reads_and_it_is_erased(story: Story) -> None:
    """The reading time is for those who read."""
    await together(story)
    await story.leaves("ben", ROOM)
    await story.leaves("ana", ROOM)
    assert story.the_room().state is RoomState.SETTLING
    await story.leaves("ana", ROOM)
    assert story.the_room().state is RoomState.SETTLING


async def test_close_and_erase_say_when_there_is_nothing(story: Story) -> None:
    """A word that fits no room gets an honest answer."""
    await story.comes("ana")
    assert await story.say("ana", "close") == "No room of yours is open."
    assert "No closed room of yours" in await story.say("ana", "erase now")


async def test_erase_now_needs_both(story: Story) -> None:
    """One alone waits; both together end the reading time."""
    await together(story)
    await story.says("ana", "close")
    assert "I have noted that" in await story.say("ana", "erase now")
    assert "I have noted that" in await story.say("ana", "erase now")
    assert story.the_room().state is RoomState.READABLE
    assert "I take you both out of the room now" in await story.say("ben", "erase now")
    assert story.the_room().state is RoomState.SETTLING


async def test_stop_ends_the_room_where_it_is_the_only_thing(story: Story) -> None:
    """`stop` needs no other word for it."""
    await together(story)
    await story.says("ana", "stop")
    assert story.the_room().state is RoomState.READABLE


async def test_a_room_that_the_server_refuses_leaves_the_request_looking(story: Story) -> None:
    """An honest answer to both; the request goes on."""
    story.keeper_reason = "M_LIMIT_EXCEEDED"
    await together(story)
    assert "This time no room opens for you two" in story.last("ben")
    assert "The server did not let me open the room." in story.last("ana")
    assert story.the_request().state is RequestState.LOOKING
    assert story.the_request().due_at is not None
    assert not story.records.all(PeerRoom)
    assert not story.records.all(Pairing)


async def test_no_room_opens_while_the_keeper_hears(story: Story) -> None:
    """Promise 4: no room, an honest answer, and the words kept for a later try."""
    story.keeper_reason = "keeper_not_deaf"
    await together(story)
    assert "I cannot make sure that only two people can read a room" in story.last("ana")
    assert "This time no room opens for you two" in story.last("ben")
    assert not story.records.all(Request)
    assert not story.records.all(PeerRoom)


async def test_a_room_that_opens_after_all_is_taken_away(story: Story) -> None:
    """A delivery that comes after the refusal leaves nobody in a room that nothing knows of."""
    story.keeper_reason = "deadline"
    await together(story)
    (effect,) = [one for _, one in story.effects if isinstance(one, OpenPeerRoom)]
    effects = await story.event(Delivered(effect, RoomId("!late")))
    assert [type(one) for one in effects] == [MutePeerRoom, EmptyPeerRoom, PurgePeerRoom]


async def test_of_two_rooms_for_one_pairing_the_later_goes(story: Story) -> None:
    """A second room is taken away, and what is done to it is not taken for the first one's."""
    await together(story)
    (effect,) = [one for _, one in story.effects if isinstance(one, OpenPeerRoom)]
    effects = await story.event(Delivered(effect, RoomId("!second")))
    assert [type(one) for one in effects] == [MutePeerRoom, EmptyPeerRoom, PurgePeerRoom]
    await story.pump()
    assert story.the_room().room == ROOM
    assert story.the_room().state is RoomState.OPEN


async def test_everything_that_is_delivered_twice_happens_once(story: Story) -> None:
    """Each outcome comes again at the end, and changes nothing."""
    await together(story)
    await story.says("ana", "close")
    said = len(story.log)
    before = dict(story.records.rows)
    for _, effect in list(story.effects):
        if isinstance(effect, OpenPeerRoom):
            await story.event(Delivered(effect, ROOM))
        elif isinstance(effect, MutePeerRoom):
            await story.event(Delivered(effect))
            await story.event(NotDelivered(effect, "deadline"))
    assert len(story.log) == said
    assert story.records.rows == before


async def test_what_the_server_refuses_stands_in_the_receipt(story: Story) -> None:
    """Each step that was refused is said, and none holds up the next."""
    await together(story)
    story.lose = lambda effect: True
    await story.says("ana", "close")
    await story.wait(timedelta(days=2))
    receipt = story.last("ben")
    for words in (
        "Stopping people from writing did not work",
        "asking the servers to drop what was written",
        "taking you both out of the room",
        "the encrypted copy on our own server, until whoever runs it deletes it",
    ):
        assert words in receipt


@pytest.mark.parametrize("language", ["en", "es"])
async def test_a_homeserver_that_keeps_rooms_is_named_before_the_yes_and_after_it(language: str) -> None:
    """Nobody hears that a room goes whose copy stays: in no consent, not while it is open, not at its end."""
    gone = {"en": ("remove it", "removed", "remove the room"), "es": ("borro la sala", "la borro", "borrada")}
    stays = {"en": "until whoever runs it deletes it", "es": "hasta que la borre quien lo administra"}
    story = Story(community(language), language=language)
    await together(story)
    await story.say("ana", "close")
    await story.wait(timedelta(days=3))
    for name in ("ana", "ben"):
        said = [body for _, body, _ in story.heard(name)]
        assert sum(stays[language] in body for body in said) == 2, "the consent and the receipt"
        assert not [body for body in said for words in gone[language] if words in body]


async def test_a_homeserver_that_deletes_rooms_is_said_to(story: Story) -> None:
    """Where the service can have the room deleted, the consent says so, and no copy of ours is spoken of."""
    story.community = replace(story.community, purges=True)
    await together(story)
    await story.say("ana", "close")
    await story.wait(timedelta(days=3))
    for name in ("ana", "ben"):
        said = [body for _, body, _ in story.heard(name)]
        assert sum("Then I remove it." in body for body in said) == 1
        assert not [body for body in said if "whoever runs it deletes it" in body]


async def test_whoever_does_not_come_is_reminded_once_and_the_asker_goes_on(story: Story) -> None:
    """Ben never comes: one reminder, then the room closes and Ana's request is looked for again."""
    story.arrive = False
    await together(story)
    await story.joins("ana", ROOM)
    await story.wait(timedelta(minutes=20))
    assert "If you do not come in by" in story.last("ben")
    assert orders(story).count(InviteAgain) == 1
    assert not any("do not come in" in body for _, body, _ in story.heard("ana"))
    await story.wait(timedelta(minutes=30))
    assert any("I go on looking" in body for _, body, _ in story.heard("ana"))
    assert story.the_request().state is RequestState.LOOKING
    assert story.the_room().state is RoomState.SETTLING
    await story.wait(timedelta(days=3))
    assert not story.records.all(PeerRoom)


@pytest.mark.parametrize(("blocks", "other"), [("ana", "ben"), ("ben", "ana")])
async def test_whoever_blocks_invitations_hears_once_how_to_allow_them(blocks: str, other: str) -> None:
    """The other hears what they would of anybody who has not come in; one invitation more, and no loop."""
    told: list[list[object]] = []
    for blocking in (set[str](), {blocks}):
        story = Story(arrive=False, blocking=blocking)
        await together(story)
        await story.joins(other, ROOM)
        said = [body for _, body, _ in story.heard(blocks) if "Your account blocks invitations" in body]
        assert len(said) == len(blocking)
        if said:
            assert "from @keeper:example.org alone" in said[0]
            assert "in 15 minutes" in said[0]
            assert "accept the invitation" not in said[0]
        await story.wait(timedelta(minutes=20))
        assert orders(story).count(InviteAgain) == 1
        assert "I send you the invitation again" in story.last(blocks)
        await story.wait(timedelta(days=3))
        assert orders(story).count(InviteAgain) == 1
        assert not story.records.all(PeerRoom)
        told.append(list(story.heard(other)))
    assert told[0] == told[1]


async def test_whoever_allows_the_invitation_comes_in(story: Story) -> None:
    """The invitation that was refused comes again by itself, and the room goes on as any other."""
    story.arrive, story.blocking = False, {"ben"}
    await together(story)
    await story.joins("ana", ROOM)
    story.blocking = set()
    await story.wait(timedelta(minutes=16))
    await story.joins("ben", ROOM)
    assert story.the_room().met


async def test_an_asker_who_does_not_come_is_told_and_can_take_it_up_again(story: Story) -> None:
    """Ana never comes: her request ends with a word, and its words are kept for her."""
    story.arrive = False
    await together(story)
    await story.joins("ben", ROOM)
    await story.wait(timedelta(minutes=50))
    assert any("you did not come in" in body for _, body, _ in story.heard("ana"))
    assert not story.records.all(Request)


async def test_the_room_itself_answers_the_last_yes(story: Story) -> None:
    """Opened within two seconds, nothing is said before it; else the asker hears once that it comes."""
    await together(story)
    assert not any("I am opening the room" in body for _, body, _ in story.heard("ana"))
    for slow, refused in ((Story(), False), (Story(), True)):
        effect = await _agreed(slow)
        agreed = slow.now
        assert "I am opening the room" not in slow.last("ana")
        await slow.wait(timedelta(minutes=5))
        (said,) = [one for one in slow.heard("ana") if "I am opening the room" in one[1]]
        assert said[0] - agreed == timedelta(seconds=2)
        assert said[2]
        assert not any("I am opening the room" in body for _, body, _ in slow.heard("ben"))
        if refused:
            await slow.event(NotDelivered(effect, "deadline"))
            assert "did not let me open the room" in slow.last("ana")
        else:
            slow.rooms[ROOM] = set()
            await slow.event(Delivered(effect, ROOM))
            assert "Your private room is open now" in slow.last("ana")
        await slow.pump()


async def test_closing_before_the_room_is_there_leaves_nothing(story: Story) -> None:
    """Ana changes her mind while the keeper is at work: the room is emptied as soon as it is there."""
    story.hold_keeper = True
    await together(story)
    assert story.the_room().state is RoomState.OPENING
    await story.says("ana", "close")
    (effect,) = [one for _, one in story.effects if isinstance(one, OpenPeerRoom)]
    story.rooms[ROOM] = set()
    await story.event(Delivered(effect, ROOM))
    await story.pump()
    assert story.the_room().state is RoomState.SETTLING
    await story.wait(timedelta(days=2))
    assert "Nobody wrote in it." in story.last("ana")
    assert {type(one) for one in story.records.rows.values()} == {Member}


async def _agreed(story: Story) -> OpenPeerRoom:
    """Both said yes, and the keeper is at work."""
    story.hold_keeper = True
    await together(story)
    story.hold_keeper = False
    (effect,) = [one for _, one in story.effects if isinstance(one, OpenPeerRoom)]
    story.rooms[ROOM] = set()
    return effect


async def test_whoever_comes_in_before_the_keeper_reports_is_in(story: Story) -> None:
    """Quick clients: what the sync showed first is not lost, and both can write."""
    effect = await _agreed(story)
    await story.event(PeerMembership(EventId("$1"), RoomId("!elsewhere"), story.address("ana"), "leave"))
    await story.joins("ana", ROOM)
    await story.joins("ben", ROOM)
    await story.event(Delivered(effect, ROOM))
    await story.pump()
    assert story.the_room().met
    assert story.the_room().early == ()
    assert LetWrite in [type(one) for _, one in story.effects]
    assert not story.records.all(Request)


async def _ends(story: Story, how: str) -> None:
    """One of the two ends the room, or leaves it."""
    if how == "pass on":
        await story.say("ben", "pass on", after=0, pump=False)
        await story.say("ben", "2", after=0)
    elif how == "forget me":
        await story.say("ana", "forget me", after=0, pump=False)
        await story.say("ana", "yes", after=0)
    elif how == "ben leaves":
        await story.leaves("ben", ROOM)
    else:
        await story.say(how, "close", after=0)


@pytest.mark.parametrize("how", ["ana", "ben", "pass on", "ben leaves", "forget me"])
async def test_two_who_saw_each_other_in_their_room_have_met(how: str) -> None:
    """Whoever ends it before the keeper reports that both can write hears what they would a moment later."""
    heard = []
    for early in (True, False):
        story = Story()
        await together(story, pump=not early)
        if early:
            while LetWrite not in [type(effect) for _, effect in story.effects]:
                await story.event(story.pending.popleft())
            assert not story.the_room().met
        await _ends(story, how)
        await story.wait(timedelta(days=2))
        assert not story.records.all(Pairing)
        heard.append([(line.name, line.body) for line in story.log])
    assert heard[0] == heard[1]


async def test_whoever_declines_before_the_keeper_reports_has_declined(story: Story) -> None:
    """Ben's client refuses the invitation at once: the room closes, and Ana's request goes on."""
    effect = await _agreed(story)
    await story.leaves("ben", ROOM)
    await story.event(Delivered(effect, ROOM))
    await story.pump()
    assert story.the_room().state is RoomState.SETTLING
    assert story.the_request().state is RequestState.LOOKING


async def test_a_peer_who_declines_the_invitation_leaves_the_asker_looking(story: Story) -> None:
    """Ana has not come in yet: nothing of it is hers, and she is told so."""
    story.arrive = False
    await together(story)
    await story.leaves("ben", ROOM)
    assert "I go on looking" in "".join(body for _, body, _ in story.heard("ana"))
    assert not any("you did not come in" in body for _, body, _ in story.heard("ana"))
    assert story.the_request().state is RequestState.LOOKING


async def test_an_asker_who_closes_too_soon_hears_that_the_search_is_over(story: Story) -> None:
    """Ben is not there yet: she is told, and can take it up again with one number."""
    story.arrive = False
    await together(story)
    await story.joins("ana", ROOM)
    answer = await story.say("ana", "close")
    assert "I have stopped looking" in answer
    assert not story.records.all(Request)
    await story.says("ana", "1")
    assert story.the_request().note == "It has been a long week."


@pytest.mark.parametrize("words", [("close",), ("forget me", "yes")])
async def test_closing_before_the_room_is_there_tells_the_peer_at_the_hour(
    story: Story, words: tuple[str, ...]
) -> None:
    """Ben was promised an answer by an hour: he has it then, as after a no."""
    effect = await _agreed(story)
    await story.says("ana", *words)
    if words == ("close",):
        await story.event(Delivered(effect, ROOM))
    else:
        await story.event(NotDelivered(effect, "deadline"))
    await story.pump()
    promised = next(body for _, body, _ in story.heard("ben") if "I tell you by" in body)
    assert "19:14" in promised
    start = story.now
    await story.wait(timedelta(hours=2))
    told = [at for at, body, _ in story.heard("ben", start) if "This time no room opens" in body]
    assert [f"{at:%H:%M}" for at in told] == ["18:14"], "in UTC"


async def test_a_room_in_which_nobody_may_write_closes_and_the_request_goes_on(story: Story) -> None:
    """The server refuses it for good: both hear, and nobody sits in a muted room."""
    story.lose = lambda effect: isinstance(effect, LetWrite)
    await together(story)
    assert "did not let me open the room" in "".join(body for _, body, _ in story.heard("ana"))
    assert any("This time no room opens" in body for _, body, _ in story.heard("ben"))
    assert story.the_request().state is RequestState.LOOKING
    assert story.the_room().state is RoomState.SETTLING
