"""Links from the stewards' first word on: what each side reads, and that nobody else can bring one about."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from handlers import link_terms
from handlers.desk import Desk
from schema.effects import JoinRoom, LeaveRoom, OpenLinkRoom, SendAcross
from schema.events import Due, FromLink, Invited, LinkRoom, NoChat, NotDelivered
from schema.ids import EventId, LinkId, LinkInvitationId, MatrixId, RoomId
from schema.records import Link, LinkInvitation, LinkKeys, Member
from schema.states import LinkState
from service.core import links, terms
from tests.handlers.story import STEWARDS, Story, community
from tests.handlers.two import NORTH_AT, SOUTH_AT, Two, link_of, said


@pytest.fixture
async def two() -> Two:
    """Two communities with a steward each, who know nothing of one another."""
    two = Two()
    await two.begin()
    return two


async def shown(two: Two) -> None:
    """Both sides are shown the six words."""
    await two.says(two.north, f"link {SOUTH_AT}", "We met in spring.", "yes")
    await two.says(two.south, f"link {NORTH_AT}", "yes")
    await two.says(two.south, f"link {NORTH_AT}", "Welcome.", "yes")


def six(side: Story) -> str:
    """The six words that a side was shown last."""
    shown = next(body for body in reversed(said(side)) if body.startswith("Six words"))
    return shown.split("\n")[1]


def over(side: Story) -> None:
    """Nothing of a link is left there."""
    assert side.records.all(Link) == []
    assert side.records.all(LinkKeys) == []


async def test_two_communities_link_using_only_what_the_service_says(two: Two) -> None:
    """Each side's first word is its stewards', both read who asks and in which words, and both compare."""
    heard = await two.says(two.north, f"link {SOUTH_AT}")
    assert "Which words shall their stewards read from you?" in heard
    heard = await two.says(two.north, "We met in spring.")
    assert "We met in spring." in heard
    assert "Topics: burnout" in heard
    assert "At most 5 asks each way in 24 hours" in heard
    heard = await two.says(two.north, "yes")
    assert f"write “link {NORTH_AT}” in their room" in heard
    # The other side reads that somebody asks, and nothing else: nothing of theirs has crossed.
    assert f"{NORTH_AT} asks for a link with us." in two.south.last(STEWARDS)
    assert "spring" not in two.south.last(STEWARDS)
    assert not any(isinstance(effect, JoinRoom | SendAcross) for _, effect in two.south.effects)
    await two.says(two.south, f"link {NORTH_AT}", "yes")
    heard = two.south.last(STEWARDS)
    assert f"“the Elm House” ({NORTH_AT}) asks for a link with us. Their words: “We met in spring.”" in heard
    await two.says(two.south, f"link {NORTH_AT}", "Welcome.", "yes")
    assert six(two.north) == six(two.south)
    assert len(six(two.north).split(", ")) == 6
    heard = await two.says(two.north, f"link {SOUTH_AT}")
    assert "Have you compared them" in heard
    assert "the stewards of “the Elm House”" in await two.says(two.north, "1")
    assert link_of(two.north).state is LinkState.LINKING
    assert "stands: both sides compared the words" in await two.says(two.south, f"link {NORTH_AT}", "1")
    assert "stands: both sides compared the words" in two.north.last(STEWARDS)
    assert link_of(two.north).state is link_of(two.south).state is LinkState.LIVE
    assert [one.round for one in two.north.records.all(LinkKeys)] == [1]


@pytest.mark.parametrize(
    ("language", "english", "differ"),
    [
        ("en", "English words on both sides", "If one is not, somebody may"),
        ("es", "palabras en inglés en los dos lados", "Si una no lo es, puede que haya alguien"),
    ],
)
async def test_the_words_say_in_which_language_they_are_and_what_to_do_if_they_differ(
    language: str, english: str, differ: str
) -> None:
    """In a room of another language too: on a call they have to be read out and understood."""
    two = Two(Story(community(language), seed=2, language=language, links=True))
    await two.begin()
    await shown(two)
    heard = two.south.last(STEWARDS)
    assert english in heard
    assert differ in heard
    assert len(heard.split("\n")[1].split(", ")) == 6


async def test_no_member_takes_part_in_it(two: Two) -> None:
    """The other desk is no member, and nothing about one crosses."""
    await two.linked()
    assert two.north.records.all(Member) == []
    crossed = [
        json.loads(effect.content) for _, effect in two.north.effects if isinstance(effect, SendAcross)
    ]
    assert all(set(one) & {"sealed", "body"} for one in crossed)
    assert "@" not in json.dumps(crossed)


async def test_words_that_differ_end_it_before_it_begins(two: Two) -> None:
    """On both sides at once, and the other side reads what that may mean and how to ask anew."""
    await shown(two)
    await two.says(two.south, f"link {NORTH_AT}")
    assert "somebody may stand between us" in await two.says(two.north, f"link {SOUTH_AT}", "2")
    over(two.north)
    heard = two.south.last(STEWARDS)
    assert "may have found that the words were not the same" in heard
    assert "nothing is linked" in heard
    assert f"write “link {NORTH_AT}”" in heard
    over(two.south)
    # Words that lead nowhere can't be confirmed any more, and the list names none.
    assert "are the same" not in await two.says(two.south, "1")
    assert "There is no link, and no community has asked for one" in await two.says(two.south, "links")
    # Who asks anew is told of, whatever is left of the first.
    await two.says(two.north, f"link {SOUTH_AT}", "Once more.", "yes")
    assert "asks for a link with us" in two.south.last(STEWARDS)
    assert "asks for a link with us" in await two.says(two.south, "links")


async def test_a_program_that_leaves_before_any_words_ends_it_too(two: Two) -> None:
    """Whoever let it in reads that it is over, and not of words that nobody has seen."""
    await two.says(two.north, f"link {SOUTH_AT}", "Hello.", "yes")
    await two.says(two.south, f"link {NORTH_AT}", "yes")
    await two.says(two.north, f"cut {SOUTH_AT}", "yes")
    over(two.south)
    assert "before there was a link" in two.south.last(STEWARDS)
    assert "words" not in two.south.last(STEWARDS)


async def test_what_is_asked_while_a_link_is_there_is_told_and_kept_for_later(two: Two) -> None:
    """The partner lost its link, and asks anew: it is said with what to do, and after the cut it is there."""
    await two.linked()
    await two.north.records.delete(Link, link_of(two.north).id)
    await two.says(two.north, f"link {SOUTH_AT}", "We lost everything.", "yes")
    assert f"{NORTH_AT} asks for a new link with us" in two.south.last(STEWARDS)
    assert link_of(two.south).state is LinkState.LIVE
    assert f"To take it up, write “cut {NORTH_AT}” first" in await two.says(two.south, "links")
    heard = await two.says(two.south, f"cut {NORTH_AT}", "yes")
    assert "is cut" in heard
    assert f"{NORTH_AT} asks for a link with us" in heard
    await two.says(two.south, f"link {NORTH_AT}", "yes")
    assert "We lost everything." in two.south.last(STEWARDS)


async def test_that_a_new_link_begins_with_the_usual_terms_is_said_wherever_one_ends(two: Two) -> None:
    """What stewards set for one link ends with it: before the yes to a cut, and to whoever it happens to."""
    anew = "Our terms for a new link begin as the settings have them"
    await two.says(two.north, f"link {SOUTH_AT}", "Hello.", "terms", "asks", "3", "yes")
    await two.says(two.south, f"link {NORTH_AT}", "yes")
    await two.says(two.south, f"link {NORTH_AT}", "Welcome.", "yes")
    assert anew in await two.says(two.north, f"link {SOUTH_AT}", "2")
    assert anew in two.south.last(STEWARDS)
    await two.linked()
    assert anew in await two.says(two.north, "cut")
    await two.says(two.north, "yes")
    assert anew in two.south.last(STEWARDS)
    await shown(two)
    assert anew in await two.says(two.north, f"cut {SOUTH_AT}")
    await two.says(two.north, "no")
    await two.wait(links.MAKING + timedelta(minutes=1))
    assert "its time has passed" in two.north.last(STEWARDS)
    assert anew in two.north.last(STEWARDS)
    # It is so: nothing of the three asks a day is left.
    heard = await two.says(two.north, f"link {SOUTH_AT}", "Once more.")
    assert "At most 5 asks each way in 24 hours" in heard


async def test_who_asks_by_a_way_that_is_not_open_yet_takes_up_what_came(two: Two) -> None:
    """Both asked, and our homeserver does not reach theirs: their room, which was made, is gone into."""
    two.reachable = False
    two.holds = True
    await two.says(two.north, f"link {SOUTH_AT}", "From the north.", "yes")
    await two.north.event(Invited(EventId("$i"), RoomId("!theirs"), SOUTH_AT, False, True, True))
    two.rooms[RoomId("!theirs")] = {SOUTH_AT}
    assert f"{SOUTH_AT} asks for a link with us too" in two.north.last(STEWARDS)
    assert "and they asked us too" in await two.says(two.north, "links")
    two.holds = False
    await two.carry()
    assert any(f"I am going into the room with {SOUTH_AT}" in body for body in said(two.north))
    assert JoinRoom(RoomId("!theirs")) in [effect for _, effect in two.north.effects]


async def test_a_room_that_cannot_be_gone_into_is_said(two: Two) -> None:
    """They took back what they asked: who was going in reads so, and can ask them."""
    await two.says(two.north, f"link {SOUTH_AT}", "Hello.", "yes")
    two.holds = True
    await two.says(two.south, f"link {NORTH_AT}", "yes")
    (join,) = two.south.sends
    two.south.sends.clear()
    await two.south.event(NotDelivered(join, "M_FORBIDDEN"))
    assert f"I could not go into the room of {NORTH_AT}" in two.south.last(STEWARDS)
    assert "Which words shall" in await two.says(two.south, f"link {NORTH_AT}")


async def test_a_yes_is_to_the_words_that_were_shown(two: Two) -> None:
    """If the keys are made anew while stewards compare, the question is not put again for the old words."""
    await two.linked()
    await two.says(two.north, f"rotate keys {SOUTH_AT}", "yes")
    before = six(two.south)
    await two.says(two.south, f"link {NORTH_AT}")
    await two.says(two.north, f"link {SOUTH_AT}", "2")
    assert six(two.south) != before
    heard = await two.says(two.south, "1")
    assert "are in use" not in heard
    making = link_of(two.south).making
    assert making is not None
    assert making.state == "shown"


async def test_cut_on_one_side_ends_it_on_both(two: Two) -> None:
    """At once, with the keys; the rooms are left."""
    await two.linked()
    assert "will end at once" in await two.says(two.north, "cut")
    assert "is cut" in await two.says(two.north, "yes")
    assert "has cut the link" in two.south.last(STEWARDS)
    over(two.north)
    over(two.south)
    assert all(not inside for inside in two.rooms.values())


async def test_what_was_only_asked_is_taken_back_in_words_for_that(two: Two) -> None:
    """No room is open, nobody waits and nothing was agreed: none of it is said; so of one in the making."""
    await two.says(two.north, f"link {SOUTH_AT}", "Hello.", "yes")
    heard = await two.says(two.north, f"cut {SOUTH_AT}")
    assert "take back what we asked" in heard
    assert not re.search("open rooms|[Ww]hoever waits|link with", heard)
    heard = await two.says(two.north, "yes")
    assert "I have taken back what we asked" in heard
    assert "is cut" not in heard
    over(two.north)
    await two.says(two.north, f"link {SOUTH_AT}", "Hello again.", "yes")
    await two.says(two.south, f"link {NORTH_AT}", "yes")
    heard = await two.says(two.south, f"cut {NORTH_AT}")
    assert "is not made yet" in heard
    assert not re.search("open rooms|[Ww]hoever waits", heard)
    assert "I have ended the making of the link" in await two.says(two.south, "yes")
    over(two.south)
    over(two.north)


async def test_a_yes_to_take_back_what_was_asked_cuts_nothing_that_came_of_it(two: Two) -> None:
    """They answered while the question was open: it is said that it is another thing now."""
    await two.says(two.north, f"link {SOUTH_AT}", "Hello.", "yes")
    await two.says(two.north, f"cut {SOUTH_AT}")
    await two.says(two.south, f"link {NORTH_AT}", "yes")
    await two.says(two.south, f"link {NORTH_AT}", "Welcome.", "yes")
    assert "I have" not in await two.says(two.north, "yes")
    assert link_of(two.north).state is LinkState.LINKING


async def test_a_cut_waits_for_nobody(two: Two) -> None:
    """A partner that is not there hears of it when it is; here it is over."""
    await two.linked()
    two.holds = True
    await two.says(two.north, "cut", "yes")
    over(two.north)
    assert link_of(two.south).state is LinkState.LIVE
    (last,) = two.north.sends
    assert isinstance(last, SendAcross)
    assert last.last


async def test_either_side_pauses_and_ends_its_own_pause(two: Two) -> None:
    """The other side reads it; the pause of the whole service is another word."""
    await two.linked()
    assert "is paused" in await two.says(two.north, f"pause {SOUTH_AT}", "yes")
    assert "has paused the link" in two.south.last(STEWARDS)
    assert link_of(two.south).state is LinkState.PAUSED
    # They cannot end it for us: they read how it stands.
    assert "is paused by their side" in await two.says(two.south, f"resume {NORTH_AT}")
    assert "is over" in await two.says(two.north, f"resume {SOUTH_AT}", "yes")
    assert link_of(two.south).state is LinkState.LIVE
    assert "What shall" not in two.north.last(STEWARDS)


async def test_new_keys_are_compared_again_and_the_old_ones_go(two: Two) -> None:
    """Until both said yes the old ones are used; after eight days more they are erased."""
    await two.linked()
    first = six(two.north)
    await two.says(two.north, "rotate keys", "yes")
    assert six(two.north) == six(two.south) != first
    await two.says(two.north, f"link {SOUTH_AT}", "1")
    assert "The new keys" in await two.says(two.south, f"link {NORTH_AT}", "1")
    assert "The new keys" in two.north.last(STEWARDS)
    assert sorted(one.number for one in two.north.records.all(LinkKeys)) == [1, 2]
    await two.north.wait(links.DRAIN + timedelta(minutes=1))
    assert [one.number for one in two.north.records.all(LinkKeys)] == [2]


async def test_who_did_not_ask_for_new_keys_reads_who_did_before_the_words(two: Two) -> None:
    """Six words do not come out of nowhere: the other side asked, and why is theirs to say."""
    await two.linked()
    heard = len(said(two.south))
    await two.says(two.north, "rotate keys", "yes")
    asked, words = said(two.south)[heard:]
    assert "“the Elm House” (@alongside:north.example) asked for new keys" in asked
    assert "ask them by another way" in asked
    assert words.startswith("Six words")
    assert not any("asked for new keys" in body for body in said(two.north))


async def test_what_comes_twice_changes_nothing(two: Two) -> None:
    """Every event of the whole story, again: no step is made twice, and nobody is told again."""
    await two.linked()
    passed, heard = list(two.passed), [len(said(side)) for side in (two.north, two.south)]
    for to, event in passed:
        await to.event(replace(event, event_id=EventId(f"{event.event_id} again")))
        await two.carry()
    assert [len(said(side)) for side in (two.north, two.south)] == heard
    assert link_of(two.north).state is link_of(two.south).state is LinkState.LIVE


async def test_nothing_counts_from_another_or_in_another_room(two: Two) -> None:
    """A room that is not only the two desks', another sender, another room: nothing is read."""
    await two.linked()
    two.holds = True
    await two.says(two.south, f"pause {NORTH_AT}", "yes")
    (paused,) = two.south.sends
    assert isinstance(paused, SendAcross)
    before = two.north.records.rows
    event = FromLink(EventId("$1"), paused.room, SOUTH_AT, paused.content, True)
    eve = MatrixId("@eve:south.example")
    for wrong in (
        replace(event, counts=False),
        replace(event, sender=eve),
        replace(event, room=RoomId("!x")),
    ):
        assert await two.north.event(wrong) == []
    assert two.north.records.rows == before
    for nonsense in ("", "{}", "[", "9" * 5000, json.dumps({"version": 9})):
        await two.north.event(replace(event, content=nonsense))
    assert link_of(two.north).state is LinkState.LIVE
    await two.north.event(event)
    assert link_of(two.north).state is LinkState.PAUSED


async def test_a_server_that_cannot_be_reached_is_said_and_leaves_nothing(two: Two) -> None:
    """With what to ask whom."""
    two.reachable = False
    await two.says(two.north, f"link {SOUTH_AT}", "Hello.", "yes")
    heard = two.north.last(STEWARDS)
    assert "our homeserver did not reach south.example" in heard
    # The likeliest cause comes first: it was typed by hand.
    assert heard.index(f"Look at the address first: is “{SOUTH_AT}” right") < heard.index("federate")
    over(two.north)


async def test_both_asking_at_once_come_to_one_link(two: Two) -> None:
    """One gives way: its words and terms are shown again, for one yes. The other reads that both asked."""
    two.holds = True
    await two.says(two.north, f"link {SOUTH_AT}", "From the north.", "yes")
    await two.says(two.south, f"link {NORTH_AT}", "From the south.", "terms", "asks", "3", "yes")
    two.holds = False
    await two.carry()
    assert f"{SOUTH_AT} asks for a link with us too" in two.north.last(STEWARDS)
    assert "they asked us too" in await two.says(two.north, "links")
    assert "From the north." in two.south.last(STEWARDS)
    assert "you only have to say yes to them" in two.south.last(STEWARDS)
    heard = await two.says(two.south, f"link {NORTH_AT}")
    assert "From the south." in heard
    assert "At most 3 asks each way in 24 hours" in heard
    await two.says(two.south, "yes")
    assert "From the south." in "\n".join(said(two.north))
    assert six(two.north) == six(two.south)
    assert link_of(two.north).id == link_of(two.south).id
    theirs = link_of(two.north).their_terms
    assert theirs is not None
    assert theirs.asks_a_day == 3


async def test_a_yes_to_ask_them_is_a_yes_to_what_they_asked_meanwhile(two: Two) -> None:
    """Their invitation came while the question was open: there is one link, in one room, and no second."""
    await two.says(two.south, f"link {NORTH_AT}", "From the south.")
    await two.says(two.north, f"link {SOUTH_AT}", "From the north.", "yes")
    heard = await two.says(two.south, "yes")
    assert "From the north." in heard
    assert len(two.rooms) == 1
    assert two.south.records.all(Link)[0].id == link_of(two.north).id
    assert "From the south." in await two.says(two.south, f"link {NORTH_AT}")
    # What was written for them before can still be changed.
    await two.says(two.south, "change our words", "Welcome.", "yes")
    assert "Welcome." in "\n".join(said(two.north))
    assert six(two.north) == six(two.south)


async def test_a_link_that_stands_is_cut_and_not_what_was_asked_before(two: Two) -> None:
    """Whatever is kept of an invitation, the word is for the link."""
    await two.linked()
    id = LinkInvitationId("1" * 32)
    asked = LinkInvitation(id, NORTH_AT, RoomId("!another"), two.south.now + timedelta(days=1))
    for known in two.south.records.all(LinkInvitation):
        asked = replace(asked, id=known.id)
    await two.south.records.put(asked)
    assert "will end at once" in await two.says(two.south, f"cut {NORTH_AT}")


async def test_strangers_do_not_fill_the_stewards_room(two: Two) -> None:
    """One of a server, and eight in two weeks; the others are declined, and leave nothing."""
    side = two.north
    heard = len(said(side))
    for at in range(30):
        for name in ("a", "b"):
            sender = MatrixId(f"@{name}:s{at}.example")
            room = RoomId(f"!{name}{at}")
            await side.event(Invited(EventId(f"$i{name}{at}"), room, sender, True, True, True))
    assert len(said(side)) == heard + links.MOST_TOLD
    assert len(side.records.all(LinkInvitation)) == links.MOST_TOLD
    assert sum(isinstance(effect, LeaveRoom) for effect in side.sends) == 60 - links.MOST_TOLD
    assert not any(isinstance(effect, JoinRoom) for effect in side.sends)
    # Whoever the stewards name themselves is not kept out by it.
    side.sends.clear()
    await side.steward("sam", f"link {SOUTH_AT}", "Hello.", "yes")
    assert any(isinstance(effect, OpenLinkRoom) for effect in side.sends)
    side.sends.clear()
    await side.wait(links.ASKED_FOR + timedelta(minutes=1))
    assert side.records.all(LinkInvitation) == []


async def test_who_asks_and_declines_in_turn_is_invited_anew_eight_times_a_day(two: Two) -> None:
    """Both asked, and ours goes on: it costs us an invitation each time, and the stewards six sentences."""
    await two.says(two.north, f"link {SOUTH_AT}", "Hello.", "yes")
    side, room = two.north, link_of(two.north).room
    assert room is not None
    heard, before = len(said(side)), len(side.effects)
    for at in range(20):
        await side.event(Invited(EventId(f"$i{at}"), RoomId(f"!r{at}"), SOUTH_AT, False, True, True))
        await side.event(NoChat(EventId(f"$n{at}"), room))
    asked = [effect for _, effect in side.effects[before:] if isinstance(effect, OpenLinkRoom)]
    assert len(asked) == links.TRIES_A_DAY
    assert len(said(side)) - heard == links.TOLD_A_DAY
    # The room of our own ask stays, for when they come.
    assert LeaveRoom(room) not in [effect for _, effect in side.effects]


async def test_a_partner_that_asks_again_and_again_is_told_of_once(two: Two) -> None:
    """The newest invitation is kept, the others are declined; a steward's word still takes it up."""
    side = two.south
    for at in range(5):
        await side.event(Invited(EventId(f"$i{at}"), RoomId(f"!r{at}"), NORTH_AT, False, True, True))
    assert sum("asks for a link" in body for body in said(side)) == 1
    assert [effect.room for effect in side.sends if isinstance(effect, LeaveRoom)] == [
        "!r0",
        "!r1",
        "!r2",
        "!r3",
    ]
    side.sends.clear()
    await side.steward("sam", f"link {NORTH_AT}", "yes")
    assert [effect.room for effect in side.sends if isinstance(effect, JoinRoom)] == ["!r4"]


@pytest.mark.parametrize("encrypted", [True, False])
async def test_a_room_that_no_steward_wanted_is_not_gone_into(two: Two, encrypted: bool) -> None:
    """Nor stayed in; one that is not encrypted is declined at once."""
    side = two.south
    await side.event(Invited(EventId("$i"), RoomId("!r"), NORTH_AT, True, encrypted, True))
    assert bool(side.records.all(LinkInvitation)) is encrypted
    assert not any(isinstance(effect, JoinRoom) for effect in side.sends)
    side.sends.clear()
    await side.event(LinkRoom(EventId("$l"), RoomId("!r"), NORTH_AT, True))
    assert side.sends == [LeaveRoom(RoomId("!r"))]
    await side.event(FromLink(EventId("$f"), RoomId("!r"), NORTH_AT, "{}", True))
    assert side.records.all(Link) == []


async def test_without_stewards_every_proposal_is_declined(two: Two) -> None:
    """Nobody could say anything to it."""
    two.north.community = replace(two.north.community, stewards=())
    side = two.north
    await side.event(Invited(EventId("$i"), RoomId("!r"), SOUTH_AT, True, True, True))
    assert side.sends == [LeaveRoom(RoomId("!r"))]


async def test_who_asked_can_be_declined_in_a_word(two: Two) -> None:
    """After a yes to just that; they are not told why, and are not told of again."""
    await two.says(two.north, f"link {SOUTH_AT}", "Hello.", "yes")
    assert "Shall I decline it?" in await two.says(two.south, f"cut {NORTH_AT}")
    assert "Nothing changed" in await two.says(two.south, "no")
    assert "asks for a link" in await two.says(two.south, "links")
    assert not any(isinstance(effect, LeaveRoom) for _, effect in two.south.effects)
    assert "I have declined" in await two.says(two.south, f"cut {NORTH_AT}", "yes")
    assert await two.says(two.south, "links")
    assert "There is no link" in two.south.last(STEWARDS)


async def test_a_yes_to_decline_what_was_taken_up_meanwhile_does_nothing(two: Two) -> None:
    """Another steward was faster: what is there by now is not ended by it."""
    await two.south.stewards("sam", "kim")
    await two.says(two.north, f"link {SOUTH_AT}", "Hello.", "yes")
    await two.says(two.south, f"cut {NORTH_AT}")
    await two.south.steward("kim", f"link {NORTH_AT}")
    await two.south.steward("kim", "yes")
    await two.carry()
    assert link_of(two.south).state is LinkState.LINKING
    assert "I have declined" not in await two.says(two.south, "yes")
    assert link_of(two.south).state is LinkState.LINKING


async def test_the_list_says_on_whom_new_keys_wait(two: Two) -> None:
    """Their program first, and then whoever did not compare; who asks for new keys again reads that."""
    await two.linked()
    two.holds = True
    await two.says(two.north, "rotate keys", "yes")
    assert "wait for their program to answer" in await two.says(two.north, "rotate keys")
    two.holds = False
    await two.carry()
    await two.says(two.north, f"link {SOUTH_AT}", "1")
    assert "wait for their stewards to compare" in await two.says(two.north, "rotate keys")


async def test_what_was_only_asked_is_no_link(two: Two) -> None:
    """Where links are named, one that nobody answered is none; only what ends it knows it."""
    await two.linked()
    two.holds = True
    await two.says(two.north, "link @reef:127.0.0.1:2286", "Hello.", "yes")
    # One link alone is meant, whatever else was asked.
    assert "Our terms:" in await two.says(two.north, "terms")
    await two.says(two.north, "no")
    heard = await two.says(two.north, "pause @a:b.example")
    assert f"There are links with: {SOUTH_AT}. " in heard
    heard = await two.says(two.north, "cut")
    assert "There are links" not in heard
    assert "@reef:127.0.0.1:2286" in heard
    assert SOUTH_AT in heard
    assert "take back what we asked" in await two.says(two.north, "cut @reef:127.0.0.1:2286")
    # Alone it is no link either, and the list says how it stands.
    await two.says(two.north, "no")
    await two.says(two.north, f"cut {SOUTH_AT}", "yes")
    heard = await two.says(two.north, "terms @a:b.example")
    assert "There are links" not in heard
    assert "has not answered yet" in heard


async def test_which_of_two_links_is_asked_without_calling_either_unknown(two: Two) -> None:
    """Where no address was named none was wrong."""
    await two.linked()
    link = link_of(two.north)
    await two.north.records.put(replace(link, id=LinkId("2" * 32), desk=MatrixId("@a:b.example")))
    heard = await two.says(two.north, "cut")
    assert "There are links with: " in heard
    assert "no such link" not in heard
    assert "no such link" in await two.says(two.north, "cut @c:d.example")


async def test_a_making_that_nobody_finishes_is_over(two: Two) -> None:
    """After 14 days, on both sides, with its keys."""
    await shown(two)
    for side in (two.north, two.south):
        await side.wait(links.MAKING + timedelta(minutes=1))
        assert "its time has passed" in side.last(STEWARDS)
        over(side)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("link", "Write “link” and the address"),
        ("link @nobody", "not an address"),
        (f"link {NORTH_AT}", "my own address"),
        ("links", "There is no link"),
        ("cut", "There is no link"),
        ("rotate keys", "There is no link"),
        ("pause @a:b.example", "There is no link"),
    ],
)
async def test_every_word_says_what_to_write_next(two: Two, typed: str, said: str) -> None:
    """Whatever there is, and wherever it was typed wrongly."""
    assert said in await two.says(two.north, typed)


@pytest.mark.parametrize(
    "talk",
    [
        "link arms with us tomorrow",
        "link below",
        "link to the minutes: https://pad.example/minutes",
        "link https://pad.example/minutes",
        "Link in the chat please",
        "cut the cake",
        "cut: 12:30",
        "terms of use",
        "pause 12:30",
    ],
)
async def test_talk_about_links_is_no_command(two: Two, talk: str) -> None:
    """Stewards talk with one another there."""
    assert await two.says(two.north, talk) == ""


@pytest.mark.parametrize(
    "typed",
    [
        "link alongside:south.example",
        "link https://matrix.to/#/@alongside:south.example",
        "link https://matrix.to/#/%40alongside%3Asouth.example?via=south.example",
        "Link <https://matrix.to/#/@alongside:south.example>",
        "link matrix.to/#/@alongside:south.example",
        "link matrix:u/alongside:south.example",
    ],
)
async def test_an_address_is_read_as_an_app_copies_it_or_without_its_first_sign(two: Two, typed: str) -> None:
    """What was read is shown before any yes, and each word that takes an address reads it so."""
    assert f"It is for: {SOUTH_AT}" in await two.says(two.north, typed)
    assert f"stewards of {SOUTH_AT}" in await two.says(two.north, "Hello.")
    await two.says(two.north, "yes")
    assert "take back what we asked" in await two.says(two.north, typed.casefold().replace("link", "cut", 1))


async def test_an_address_without_its_first_sign_may_have_a_port(two: Two) -> None:
    """As on a machine of one's own."""
    assert "It is for: @reef:127.0.0.1:22860" in await two.says(two.north, "link reef:127.0.0.1:22860")


@pytest.mark.parametrize(
    "typed", ["link Reef Commons", "link “the reef”", "link reef.example", "link alongside@south.example"]
)
async def test_a_name_instead_of_an_address_is_answered_with_the_form_of_one(two: Two, typed: str) -> None:
    """In one sentence or two, and not while words for their stewards are awaited."""
    heard = await two.says(two.north, typed)
    assert "I need the address of their program" in heard
    assert "“link @alongside:other.example”" in heard
    await two.says(two.north, f"link {SOUTH_AT}")
    assert typed.partition(" ")[2].strip("“”") in await two.says(two.north, typed)


async def test_the_list_says_how_each_stands_and_what_can_be_done(two: Two) -> None:
    """In every state there is a next word."""
    await two.says(two.north, f"link {SOUTH_AT}", "Hello.", "yes")
    assert "has not answered yet" in await two.says(two.north, "links")
    assert "asks for a link" in await two.says(two.south, "links")
    await two.says(two.south, f"link {NORTH_AT}", "yes")
    assert "to go on" in await two.says(two.south, "links")
    await two.says(two.south, f"link {NORTH_AT}", "Welcome.", "yes")
    assert "compare six words" in await two.says(two.north, "links")
    await two.says(two.north, f"link {SOUTH_AT}", "1")
    assert "waits for their stewards" in await two.says(two.north, "links")
    await two.says(two.south, f"link {NORTH_AT}", "1")
    heard = await two.says(two.north, "links")
    assert "stands, until" in heard
    assert "Last word from them" in heard
    assert "“cut”" in heard


async def test_nothing_that_the_other_side_says_looks_like_the_services_words(two: Two) -> None:
    """Their greeting stands on one line in quotation marks, each line of their agreement behind a mark."""
    fake = "Hello.\nThe link stands: both sides compared the words."
    agreement = "We listen.\nThe link stands: both sides compared the words."
    two.north.community = replace(two.north.community, agreement=agreement)
    await two.says(two.north, f"link {SOUTH_AT}", fake, "yes")
    await two.says(two.south, f"link {NORTH_AT}", "yes")
    lines = two.south.last(STEWARDS).split("\n")
    assert "> The link stands: both sides compared the words." in lines
    assert "“Hello. The link stands: both sides compared the words.”" in lines[0]
    assert not any(line.startswith("The link stands") for line in lines)


LONG = "# Ours\n" + "\n".join(f"## Part {n}\n{'We listen, and say what we can give. ' * 8}" for n in range(9))
"""An agreement of which not all can cross."""


async def test_a_long_agreement_is_read_once_and_ends_where_a_sentence_does(two: Two) -> None:
    """No heading stands last with nothing under it; who has the rest is said. Ours is not read out to us."""
    for side in (two.north, two.south):
        side.community = replace(side.community, agreement=LONG)
    recap = await two.says(two.north, f"link {SOUTH_AT}", "We met in spring.")
    assert "We listen" not in recap
    assert "the first 11 of the 19 lines, as “about” shows it" in recap
    await two.says(two.north, "yes")
    heard = len(said(two.south))
    await two.says(two.south, f"link {NORTH_AT}", "yes")
    await two.says(two.south, f"link {NORTH_AT}", "Welcome.")
    read = "\n".join(said(two.south)[heard:])
    assert read.count("> ## Part 0") == 1
    last = [line for line in read.split("\n") if line.startswith("> ")][-1]
    assert last.endswith("what we can give. …")
    assert "The rest is theirs to send: ask their stewards for it." in read


async def test_that_our_agreement_is_a_draft_is_said_to_us_and_does_not_cross(two: Two) -> None:
    """The recap says so; the other side reads what was agreed, and no instruction to finish it."""
    draft = "This is a draft for you to finish together. Change it."
    agreement = f"# Ours\n\n{draft}\n\n## What this is\nCompany."
    two.north.community = replace(two.north.community, agreement=agreement, draft=draft)
    assert "still says that it is a draft" in await two.says(two.north, f"link {SOUTH_AT}", "Hello.")
    await two.says(two.north, "yes")
    await two.says(two.south, f"link {NORTH_AT}", "yes")
    read = two.south.last(STEWARDS)
    assert "> Company." in read
    assert "draft" not in read


async def test_a_heading_that_an_older_program_sent_last_is_not_shown(two: Two) -> None:
    """Whoever cut it there had more to say: that it goes on is said all the same."""
    theirs = terms.ours(two.south.community, ("en",), two.south.now)
    older = theirs.model_copy(update={"agreement": "We listen.\n\n## What stays between us"})
    desk = Desk(two.south.turn(Due("links", "")))
    line = link_terms.lines(desk, older, ours=False)["agreement"]
    assert "What stays" not in line
    assert line.endswith("ask their stewards for it.")


async def test_a_number_that_is_no_choice_gets_the_choices_alone(two: Two) -> None:
    """The recap is long and stands above: it is said that the number is none, and what can be sent."""
    recap = await two.says(two.north, f"link {SOUTH_AT}", "We met in spring.")
    choices = recap[recap.index("1. Yes") :]
    assert (await two.says(two.north, "7")).split("\n", 1)[1] == f"7 is none of these:\n{choices}"
    assert "123456… is none" in await two.says(two.north, "1234567")
    assert "write “link" in await two.says(two.north, "1")


async def test_after_a_restore_both_compare_words_again(two: Two) -> None:
    """Whatever was lost: what ours said before its desk knew the room again is said once more."""
    await two.linked()
    link, _ = links.advance(link_of(two.north), links.Restored(), two.north.now)
    await two.north.records.put(replace(link, due_at=two.north.now))
    await two.north.event(Due("links", link.id))
    assert "restored from a backup" in two.north.last(STEWARDS)
    two.north.sends.clear()
    assert link.room is not None
    await two.north.event(LinkRoom(EventId("$back"), link.room, SOUTH_AT, True))
    await two.carry()
    assert six(two.north) == six(two.south)
    assert link_of(two.south).state is LinkState.RESYNC
    await two.says(two.north, f"link {SOUTH_AT}", "1")
    await two.says(two.south, f"link {NORTH_AT}", "1")
    assert link_of(two.north).state is link_of(two.south).state is LinkState.LIVE
    for side in (two.north, two.south):
        # It stood before: neither hears of a link that begins.
        assert "The new keys of the link with" in side.last(STEWARDS)


async def _restored_beyond_the_days_tries(two: Two) -> None:
    """The north was restored, and the south takes no more new keys of it for a day."""
    await two.linked()
    south, north = link_of(two.south), link_of(two.north)
    await two.south.records.put(replace(south, tries=(two.south.now,) * links.TRIES_A_DAY))
    link, _ = links.advance(north, links.Restored(), two.north.now)
    await two.north.records.put(replace(link, due_at=two.north.now))
    await two.north.event(Due("links", link.id))
    await two.carry()


async def test_new_keys_that_were_too_many_for_a_day_are_made_the_day_after_by_themselves(two: Two) -> None:
    """No steward does anything, and both sides read what it waits for and when it goes on."""
    await _restored_beyond_the_days_tries(two)
    assert link_of(two.north).state is LinkState.RESYNC
    assert link_of(two.south).making is None
    assert "I ask it again: Friday 27 November, 18:1" in await two.says(two.north, "links")
    heard = await two.says(two.south, "links")
    assert "began new keys 8 times in 24 hours. It can begin them again: Saturday 28 November, 17:1" in heard
    await two.wait(timedelta(hours=24))
    assert link_of(two.south).making is None
    assert "I ask it again: Saturday 28 November, 20:1" in await two.says(two.north, "links")
    await two.wait(timedelta(hours=3))
    assert six(two.north) == six(two.south)
    assert "I ask it again" not in await two.says(two.north, "links")
    assert "can begin them again" not in await two.says(two.south, "links")
    await two.says(two.north, f"link {SOUTH_AT}", "1")
    await two.says(two.south, f"link {NORTH_AT}", "1")
    assert link_of(two.north).state is link_of(two.south).state is LinkState.LIVE


async def test_a_partner_that_never_takes_new_keys_is_asked_seldom(two: Two) -> None:
    """In the two weeks until their making lapses it is asked some thirty times, and then anew."""
    await _restored_beyond_the_days_tries(two)
    before, south = link_of(two.north), link_of(two.south)
    crossed = len(two.passed)
    for _ in range(28):
        await two.south.records.put(replace(south, tries=(two.south.now,) * links.TRIES_A_DAY))
        await two.wait(timedelta(hours=12))
        south = link_of(two.south)
    assert south.making is None
    after = link_of(two.north)
    assert before.making is not None
    assert after.making is not None
    assert after.making.round == before.making.round + 1
    assert len([1 for to, _ in two.passed[crossed:] if to is two.south]) == 31


async def test_a_partner_that_comes_and_goes_does_not_fill_the_room(two: Two) -> None:
    """Whoever moves others in and out of the room is told of as of any change of theirs."""
    await two.linked()
    heard, room = len(said(two.south)), link_of(two.south).room
    assert room is not None
    for at in range(20):
        for here in (False, True):
            await two.south.event(LinkRoom(EventId(f"$moves{at}{here}"), room, NORTH_AT, here))
    assert not two.south.last(STEWARDS).startswith("Six words")
    told = said(two.south)[heard:]
    assert len(told) == links.TOLD_A_DAY
    assert "I say no more of that here until tomorrow" in told[-1]


async def test_new_keys_of_a_paused_link_say_that_it_is_paused(two: Two) -> None:
    """Keys are in use again, and still nothing crosses: both sides read so, whoever confirmed last."""
    await two.linked()
    await two.says(two.south, f"pause {NORTH_AT}", "yes")
    await two.says(two.north, f"rotate keys {SOUTH_AT}", "yes")
    await two.says(two.north, f"link {SOUTH_AT}", "1")
    heard = await two.says(two.south, f"link {NORTH_AT}", "1")
    assert "are in use" in heard
    assert "is paused by us" in heard
    assert "are in use" in two.north.last(STEWARDS)
    assert "is paused by their side" in two.north.last(STEWARDS)
    assert "can choose now" not in heard + two.north.last(STEWARDS)


async def test_who_is_to_compare_anew_reads_that_the_words_may_have_differed(two: Two) -> None:
    """The side whose stewards saw no difference cannot know whether it was that or a backup."""
    await two.linked()
    await two.says(two.north, f"rotate keys {SOUTH_AT}", "yes")
    heard = len(said(two.south))
    await two.says(two.north, f"link {SOUTH_AT}", "2")
    told = "\n".join(said(two.south)[heard:])
    assert "their stewards found that the words were not the same; ask them" in told


async def test_after_a_cut_another_link_is_told_of(two: Two) -> None:
    """Their stewards wanted the first one: they are no strangers, of whom one word in two weeks is enough."""
    await two.linked()
    await two.says(two.north, f"cut {SOUTH_AT}", "yes")
    await two.says(two.north, f"link {SOUTH_AT}", "We would try again.", "yes")
    assert "asks for a link with us" in two.south.last(STEWARDS)
