"""A buddy: named, asked, told only after the member was, ended; and what nobody can find out by it."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from handlers import telling
from handlers.desk import Desk
from schema.effects import SendForBuddy, SendText
from schema.events import (
    Delivered,
    DirectChat,
    Due,
    Invited,
    PeerMembership,
    PlainMessage,
    Unreadable,
    Verified,
)
from schema.ids import EventId, MemberId, PairingPauseId, RoomId
from schema.records import Buddy, Member, PairingPause, Prompt
from schema.states import Belongs, BuddyState
from service.core.buddies import ASKED_FOR, READ_WITHIN
from tests.handlers.story import COMMUNITY, START, WORDS, Story
from tests.handlers.test_checkin import DAILY, FIRST, standing, until

OWN = "Please look in on me. The key is under the pot."
HOURS = timedelta(hours=12)


async def put(story: Story, name: str = "ana", *, arrives: bool = True) -> None:
    """A check-in is put to the member, and does not arrive where it does not."""
    turn = story.turn(Due("", ""))
    await (telling.put if arrives else telling.missed)(Desk(turn), story.id(name))


async def named(story: Story, name: str = "ben", after: str = "2") -> None:
    """Ana names somebody, after two check-ins and twelve hours."""
    await story.comes("ana")
    await story.says("ana", "my buddy", f"@{name}:example.org", OWN, "1", "1 2")
    await story.says("ana", after, *(("2",) if after != "5" else ()), "yes")


async def agreed(story: Story, after: str = "2") -> None:
    """Ben is Ana's buddy."""
    await story.comes("ben")
    await named(story, after=after)
    await story.says("ben", "1", "yes")


async def silent(story: Story) -> None:
    """Two check-ins have no answer."""
    await put(story)
    await story.wait(timedelta(days=1))
    await put(story)


async def warned(story: Story) -> None:
    """Ana was told that Ben is told soon."""
    await agreed(story)
    await silent(story)
    await story.wait(HOURS / 2)


async def told(story: Story) -> None:
    """Ben was told."""
    await warned(story)
    await story.wait(HOURS / 2 + READ_WITHIN)


def the_buddy(story: Story) -> Buddy:
    """The one record that there is."""
    (record,) = story.records.all(Buddy)
    return record


def went(story: Story) -> list[str]:
    """What was sent to Ben of Ana's words, after he was asked."""
    return [
        effect.body
        for _, effect in story.effects
        if isinstance(effect, SendForBuddy) and effect.member == story.address("ben")
    ]


# Naming, and being asked


async def test_the_buddy_reads_the_very_words_that_are_sent_later(story: Story) -> None:
    """In the recap, at the question and at the hour; and not before they ask to see them."""
    await story.comes("ben")
    await named(story)
    recap = next(body for _, body, _ in reversed(story.heard("ana")) if OWN in body)
    asked = story.last("ben")
    assert OWN not in asked
    assert "@ana:example.org" in asked
    shown = await story.say("ben", "1")
    await story.say("ben", "yes")
    await silent(story)
    await story.wait(HOURS + READ_WITHIN)
    (sent,) = went(story)
    assert "You may also do nothing" in sent
    assert sent in recap
    assert sent in shown
    assert "police" in sent
    assert "family" in sent


async def a_no(story: Story) -> None:
    """Ben reads it and says no."""
    await story.says("ben", "1", "no")


async def a_no_unread(story: Story) -> None:
    """Ben says no at once."""
    await story.says("ben", "no")


async def a_stop(story: Story) -> None:
    """Ben stops the question."""
    await story.says("ben", "stop")


async def a_silence(story: Story) -> None:
    """Ben does not answer."""


async def a_forget_me(story: Story) -> None:
    """Ben has himself forgotten."""
    await story.says("ben", "forget me", "yes")


async def kept_apart_now(story: Story) -> None:
    """Ben keeps Ana apart when he is asked."""
    await story.says("ben", "keep apart @ana:example.org", "yes")


NOES = (a_no, a_no_unread, a_stop, a_silence, a_forget_me, kept_apart_now)


@pytest.mark.parametrize("then", ["", "end buddy"])
async def test_whoever_named_somebody_cannot_tell_why_there_is_no_yes(then: str) -> None:
    """Promise 2, for buddies: the same words at the same hours, and the same in whatever can be asked."""
    stories: list[list[tuple[datetime, str, bool]]] = []
    for way in (*NOES, None, "never came"):
        story = Story()
        if callable(way):
            await story.comes("ben")
        elif way is None:
            await story.comes("ben")
            await story.says("ben", "keep apart @ana:example.org", "yes")
        await story.wait(START + timedelta(minutes=20) - story.now)
        await named(story)
        begun = story.now
        if callable(way):
            await way(story)
        await story.wait(begun + timedelta(hours=1) - story.now)
        await story.says(
            "ana", "status", "what do you hold", "my consents", "my buddy", *([then] if then else [])
        )
        await story.wait(begun + timedelta(days=8) - story.now)
        await story.says("ana", "my buddy", "stop")
        stories.append(story.heard("ana"))
        assert not story.records.all(Buddy)
    assert all(one == stories[0] for one in stories)


async def test_a_question_that_is_not_answered_holds_nothing_up(story: Story) -> None:
    """Somebody else's ask comes to Ben all the same after a while."""
    await story.comes("ben")
    await story.offers("ben", hours="3")
    await named(story)
    await story.wait(timedelta(minutes=20))
    await story.comes("cleo")
    await story.asks("cleo")
    assert "Someone asks for company." in story.last("ben")


async def test_nobody_is_asked_before_the_yes(story: Story) -> None:
    """Nor is anything kept where it is left."""
    await story.comes("ben")
    heard = len(story.heard("ben"))
    await story.comes("ana")
    steps = ("my buddy", "@ben:example.org", OWN, "skip", "skip", "1", "1")
    for word in ("no", "stop", "skip"):
        await story.says("ana", *steps, word)
    assert not story.records.all(Buddy)
    assert len(story.heard("ben")) == heard


async def test_steps_can_be_gone_back(story: Story) -> None:
    """Each brings the one before; what was said stays until it is said anew."""
    await story.comes("ana")
    await story.says("ana", "my buddy", "@ben:example.org", OWN, "3", "please not my sister", "5")
    back = [await story.say("ana", "back") for _ in range(4)]
    assert "Never by itself" in back[0]
    assert "not like them to do" in back[1]
    assert "like them to do" in back[2]
    assert "exactly these words" in back[3]
    shown = await story.says("ana", OWN, "2", "please not my sister", "5")
    assert "please not my sister" in shown
    assert "Please ring me" in shown


@pytest.mark.parametrize("typed", ["ben", "@ben", "@ana:example.org", "ben@example.org"])
async def test_it_must_be_the_whole_address_of_somebody_else(story: Story, typed: str) -> None:
    """Otherwise it is asked again."""
    await story.comes("ana")
    await story.says("ana", "my buddy", typed)
    assert story.member("ana").prompt.draft["step"] == "address"  # type: ignore[union-attr]


async def test_one_at_a_time_and_not_again_and_again(story: Story) -> None:
    """Each question brings somebody the member's own words, so that there are three in a week."""
    await story.comes("ben")
    for _ in range(3):
        await named(story)
        await story.say("ana", "end buddy")
        assert "be_buddy" not in {one.kind for one in _prompts(story, "ben")}
    await story.says("ana", "my buddy", "@ben:example.org", OWN, "skip", "skip", "1", "1")
    assert "3 times within a week" in await story.say("ana", "yes")
    assert not story.records.all(Buddy)
    await story.wait(timedelta(days=7))
    await named(story)
    assert "1. Name" not in await story.say("ana", "my buddy")


@pytest.mark.parametrize("so_far", [(), ("what is that",), ("later",), ("1",), ("1", "hm"), ("1", "menu")])
@pytest.mark.parametrize("way", [("end buddy",), ("forget me", "yes"), ()])
async def test_a_question_that_is_taken_back_or_lapses_goes_from_the_screen(
    story: Story, so_far: tuple[str, ...], way: tuple[str, ...]
) -> None:
    """However far they came with it: a number there would do nothing any more."""
    await story.comes("ben")
    await named(story)
    await story.says("ben", *so_far)
    put = [line for line in story.marked.values() if line.name == "ben"]
    assert put
    assert not story.withdrawn
    await story.says("ana", *way)
    await story.wait(timedelta(0) if way else ASKED_FOR)
    assert story.withdrawn == put


async def test_a_question_that_was_answered_stays_where_it_was_read(story: Story) -> None:
    """What somebody said yes or no to is theirs to look up; and of one repeated often the last goes."""
    await story.comes("ben")
    await named(story)
    await story.says("ben", "1", "no")
    await story.say("ana", "end buddy")
    await named(story)
    await story.says("ben", "1", "yes")
    await story.say("ana", "end buddy")
    assert not story.withdrawn
    await story.say("ana", "no")
    await named(story)
    await story.says("ben", *("what is that",) * 9)
    await story.say("ana", "end buddy")
    assert story.withdrawn == list(story.marked.values())[-5:]


async def test_a_question_that_did_not_arrive_is_no_check_in_that_did_not(story: Story) -> None:
    """Of whoever is asked check-ins can be unanswered too, and stay counted."""
    await story.comes("cy")
    await named(story, "cy")
    await story.says("cy", "1", "yes")
    await put(story)
    record = the_buddy(story)
    story.lose = lambda effect: isinstance(effect, SendText) and bool(effect.mark)
    await story.says("cy", "my buddy", "1", "@ana:example.org", OWN, "skip", "skip", "1", "1", "yes")
    await story.pump()
    assert [one.unanswered for one in story.records.all(Buddy) if one.id == record.id] == [1]


def _prompts(story: Story, name: str) -> list[Prompt]:
    member = story.member(name)
    return [one for one in (member.prompt, *member.waiting) if one is not None]


async def test_whoever_may_not_write_names_nobody(story: Story) -> None:
    """Nothing new begins for them."""
    await story.comes("ben")
    await story.comes("ana")
    await story.say("ana", "my buddy")
    await story.say("ana", "@ben:example.org", belongs=Belongs.OUTSIDE)
    assert story.member("ana").prompt.draft["step"] == "address"  # type: ignore[union-attr]


# The hour


async def test_the_member_is_told_first_once_and_then_that_the_words_went(story: Story) -> None:
    """With the hour, its distance, and the word that stops it; then nothing more, however long it lasts."""
    await agreed(story)
    await silent(story)
    begun = story.now
    heard = len(story.heard("ana"))
    await story.wait(HOURS + READ_WITHIN)
    (warning, after) = story.heard("ana")[heard:]
    assert warning[0] == begun + HOURS / 2
    assert "(in 6 hours)" in warning[1]
    assert "“here”" in warning[1]
    assert not warning[2]
    assert "I have sent your words to @ben:example.org" in after[1]
    (sent,) = [one for one in story.heard("ben") if one[1] in went(story)]
    assert sent[0] == begun + HOURS + READ_WITHIN
    told_so_far = len(story.log)
    for _ in range(30):
        await put(story)
        await story.wait(timedelta(days=1))
    assert len(story.log) == told_so_far
    assert len(went(story)) == 1


async def here(story: Story) -> None:
    """The one word."""
    await story.say("ana", "here")


async def anything(story: Story) -> None:
    """Whatever it is."""
    await story.say("ana", "…")


async def a_voice_message(story: Story) -> None:
    """Or said aloud."""
    await story.say("ana", "", kind="voice")


async def an_edit(story: Story) -> None:
    """Or changed afterwards."""
    await story.say("ana", "1", edits=True)


async def with_somebody_in_the_chat(story: Story) -> None:
    """Or written where another can read it."""
    await story.say("ana", "hello", private=False)


async def after_a_changed_identity(story: Story) -> None:
    """Or from an app that nobody vouches for yet."""
    await story.say("ana", "hello", changed=True)


async def something_unreadable(story: Story) -> None:
    """Or such that its key never came."""
    await story.event(Unreadable(EventId("$u"), story.chat("ana"), story.address("ana"), private=True))


async def something_unencrypted(story: Story) -> None:
    """Or in a chat that is not encrypted."""
    await story.event(PlainMessage(EventId("$p"), story.chat("plain"), story.address("ana")))


async def leaving_the_chat(story: Story) -> None:
    """Or done with the chat itself."""
    await story.event(DirectChat(EventId("$l"), story.chat("ana"), story.address("ana"), present=False))


async def a_new_chat(story: Story) -> None:
    """Or in another one, before any word in it."""
    await story.event(DirectChat(EventId("$n"), story.chat("new"), story.address("ana"), present=True))


async def a_word_to_the_stewards(story: Story) -> None:
    """Or as a steward, in their room."""
    await story.steward("ana", "hello", counts=False)


async def coming_into_a_room(story: Story) -> None:
    """Or gone into a peer room, whose words nobody here can read."""
    await story.event(PeerMembership(EventId("$r"), RoomId("!peers-9"), story.address("ana"), "join"))


async def a_verification(story: Story) -> None:
    """Or shown by comparing what two apps show."""
    await story.event(Verified(EventId("$v"), story.address("ana"), "done"))


async def an_invitation(story: Story) -> None:
    """Or a new chat that was only begun."""
    await story.event(Invited(EventId("$i"), story.chat("new"), story.address("ana"), True, True))


SIGNS = (
    *(a_word_to_the_stewards, coming_into_a_room, a_verification, an_invitation),
    *(here, anything, a_voice_message, an_edit, with_somebody_in_the_chat, after_a_changed_identity),
    *(something_unreadable, something_unencrypted, leaving_the_chat, a_new_chat),
)


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("before", [silent, warned])
async def test_any_sign_of_life_stops_it(
    story: Story, before: Callable[[Story], Awaitable[None]], sign: Callable[[Story], Awaitable[None]]
) -> None:
    """Before the warning and after it; and the count begins anew."""
    if before is silent:
        await agreed(story)
    await before(story)
    heard = len(story.heard("ana"))
    await sign(story)
    unheard = (with_somebody_in_the_chat, after_a_changed_identity, leaving_the_chat)
    if before is warned and sign not in unheard:
        assert any("I send nothing to @ben" in body for _, body, _ in story.heard("ana")[heard:])
    await put(story)
    await story.wait(timedelta(days=5))
    assert not went(story)
    assert the_buddy(story).unanswered == 1


async def test_no_single_check_in_is_enough_where_two_were_said(story: Story) -> None:
    """And one that did not arrive does not count."""
    await agreed(story)
    await put(story)
    await put(story)
    await put(story, arrives=False)
    await story.wait(timedelta(days=5))
    assert not went(story)
    assert the_buddy(story).state is BuddyState.STANDING


async def test_after_the_words_went_the_next_sign_says_so_and_begins_anew(story: Story) -> None:
    """The buddy hears nothing of it."""
    await told(story)
    heard = len(story.heard("ben"))
    assert "went to @ben:example.org on" in await story.say("ana", "hello")
    assert len(story.heard("ben")) == heard
    await silent(story)
    await story.wait(HOURS + READ_WITHIN)
    assert len(went(story)) == 2


async def telling_them(story: Story) -> None:
    """The words for Ben are to go, and could not yet."""
    await warned(story)
    story.hold_words = True
    await story.wait(HOURS / 2 + READ_WITHIN)
    assert story.held


@pytest.mark.parametrize("sign", SIGNS)
async def test_until_the_words_really_went_any_sign_of_life_stops_them(
    story: Story, sign: Callable[[Story], Awaitable[None]]
) -> None:
    """They wait for the homeserver; then nothing went, and the member reads that."""
    await telling_them(story)
    heard = len(story.heard("ana"))
    await sign(story)
    await story.pump()
    assert not story.held
    said = [body for _, body, _ in story.heard("ana")[heard:]]
    if sign not in (with_somebody_in_the_chat, after_a_changed_identity, leaving_the_chat):
        assert any("I stop them now" in body for body in said)
        assert said[-1] == "Your words did not go to @ben:example.org."
    await story.release()
    await story.wait(timedelta(days=5))
    assert not any(OWN in body for _, body, _ in story.heard("ben")[3:])
    assert the_buddy(story).unanswered == 0


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("ana", ("end buddy", "no")),
        ("ana", ("keep apart @ben:example.org", "yes")),
        ("ana", ("forget me", "yes")),
        ("ben", ("end buddy",)),
        ("ben", ("keep apart @ana:example.org", "yes")),
        ("ben", ("forget me", "yes")),
    ],
)
@pytest.mark.parametrize("asked", [False, True])
async def test_until_the_words_really_went_an_end_stops_them(
    story: Story, name: str, way: tuple[str, ...], asked: bool
) -> None:
    """By either of the two; also where the member asked for it."""
    if asked:
        await agreed(story)
        story.hold_words = True
        await story.says("ana", "tell my buddy", "yes")
    else:
        await telling_them(story)
    await story.says(name, *way)
    assert not story.held
    if "forget me" not in way or name == "ben":
        assert "Your words did not go to @ben:example.org." in [one[1] for one in story.heard("ana")]


async def test_words_in_hand_that_went_all_the_same_are_said_to_have_gone(story: Story) -> None:
    """The one who named the buddy hears it; the count had begun anew, and the words are not ordered twice."""
    await telling_them(story)
    in_hand = story.held.pop()[1]
    assert "I stop them now" in await story.say("ana", "here")
    await story.event(Delivered(in_hand))
    assert "had gone to @ben:example.org before I could stop them" in story.last("ana")
    assert the_buddy(story).state is BuddyState.STANDING
    assert "Your words went" not in await story.say("ana", "hello")


async def test_what_they_asked_for_goes_whatever_else_they_write(story: Story) -> None:
    """Their own word, with its yes, is no silence."""
    await agreed(story)
    story.hold_words = True
    await story.says("ana", "tell my buddy", "yes", "thank you", "menu")
    await story.release()
    assert "I have sent your words" in story.last("ana")
    assert OWN in story.last("ben")


@pytest.mark.parametrize("outage", [0, 28, 33])
async def test_where_the_service_could_not_read_the_time_begins_anew(story: Story, outage: int) -> None:
    """An outage before the second check-in, before the warning, or after it: nothing goes."""
    await agreed(story)
    begun = story.now
    await put(story)
    await story.wait(timedelta(hours=24))
    if outage == 0:
        story.read_since = begun + timedelta(hours=1)
    await put(story)
    for hour in range(24, 48):
        if outage and hour == outage:
            story.read_since = None
        if outage and hour == outage + 1:
            story.read_since = story.now
        await story.wait(timedelta(hours=1))
    assert not went(story)
    assert the_buddy(story).state is BuddyState.STANDING
    if outage == 33:
        assert "I could not read messages for a while" in story.last("ana")
    else:
        assert not any("I tell you this first" in body for _, body, _ in story.heard("ana"))


@pytest.mark.parametrize("before", [silent, warned])
async def test_what_waits_to_be_read_is_read_first(
    story: Story, before: Callable[[Story], Awaitable[None]]
) -> None:
    """A message that was taken in and not handled yet, for whatever reason, holds the hour back."""
    if before is silent:
        await agreed(story)
    await before(story)
    story.records.waiting.add(story.address("ana"))
    heard = len(story.heard("ana"))
    await story.wait(timedelta(days=1))
    assert not went(story)
    assert len(story.heard("ana")) == heard
    story.records.waiting.clear()
    await story.say("ana", "I was in a tunnel.", after=0)
    await story.wait(timedelta(days=1))
    assert not went(story)


async def test_a_warning_that_does_not_arrive_lets_nothing_go(story: Story) -> None:
    """It was refused, or its member has no chat."""
    await agreed(story)
    story.lose = lambda effect: isinstance(effect, SendForBuddy)
    await silent(story)
    await story.wait(timedelta(days=3))
    assert the_buddy(story).unanswered == 0
    story.lose = lambda effect: False
    await story.event(DirectChat(EventId("$"), story.chat("ana"), story.address("ana"), present=False))
    await silent(story)
    await story.wait(timedelta(days=3))
    assert not went(story)


async def has_no_chat(story: Story) -> None:
    """Ben left his chat with the desk."""
    await story.event(DirectChat(EventId("$"), story.chat("ben"), story.address("ben"), present=False))


async def takes_nothing(story: Story) -> None:
    """What is sent to Ben is refused."""
    story.lose = lambda effect: isinstance(effect, SendForBuddy) and effect.step == "tell"


@pytest.mark.parametrize("way", [has_no_chat, takes_nothing])
async def test_a_buddy_who_cannot_be_reached_is_where_it_ends(
    story: Story, way: Callable[[Story], Awaitable[None]]
) -> None:
    """The member is told, once, and nobody else is."""
    await warned(story)
    await way(story)
    heard = len(story.heard("ana"))
    await story.wait(timedelta(days=9))
    (after,) = story.heard("ana")[heard:]
    assert "I could not reach @ben:example.org" in after[1]
    assert {line.name for line in story.log} == {"ana", "ben"}
    assert "Your words went" not in await story.say("ana", "status")
    assert the_buddy(story).state is BuddyState.STANDING


# At the member's own word


async def test_their_own_word_sends_it_after_one_yes(story: Story) -> None:
    """Not before; and not twice within the hour."""
    await agreed(story, after="5")
    recap = await story.say("ana", "tell my buddy")
    assert OWN in recap
    assert not went(story)
    await story.say("ana", "no")
    await story.says("ana", "tell my buddy", "yes")
    assert went(story)[0] in recap
    assert "I have sent your words" in story.last("ana")
    assert "a short while ago" in await story.says("ana", "tell my buddy", "yes")
    assert len(went(story)) == 1


@pytest.mark.parametrize("typed", ["tell ben", "Tell Ben.", "write to @ben", "tell @ben:example.org"])
async def test_their_buddys_own_name_does_too(story: Story, typed: str) -> None:
    """It leads to the same question; nobody else's name does, nor more words than the name."""
    await agreed(story)
    recap = await story.say("ana", "tell my buddy")
    await story.say("ana", "no")
    assert await story.say("ana", typed) == recap
    await story.say("ana", "no")
    for other in ("tell cleo", "tell ben that I am here"):
        assert OWN not in await story.say("ana", other)
    assert OWN not in await story.say("ben", typed)


async def test_without_a_buddy_it_says_so(story: Story) -> None:
    """Also while the question waits: the answer is the same whoever was named."""
    await story.comes("ana")
    before = await story.say("ana", "tell my buddy")
    await named(story, "nobody")
    assert await story.say("ana", "tell my buddy") == before


async def test_never_by_itself_is_never_by_itself(story: Story) -> None:
    """However many check-ins have no answer."""
    await agreed(story, after="5")
    for _ in range(20):
        await put(story)
        await story.wait(timedelta(days=1))
    assert not went(story)
    assert the_buddy(story).unanswered == 0


# Its end


async def test_the_member_ends_it_and_the_buddy_cannot_find_out(story: Story) -> None:
    """Nothing is sent, and whatever the buddy asks reads the same as before; nothing of the words is left."""
    await agreed(story)
    asked = ("my buddies", "what do you hold", "my consents", "status")
    before = [await story.say("ben", one, after=0) for one in asked]
    await silent(story)
    await story.says("ana", "end buddy", "no")
    await story.wait(START + timedelta(days=3) - story.now)
    after = [await story.say("ben", one, after=0) for one in asked]
    assert [_plain(one) for one in before] == [_plain(one) for one in after]
    assert OWN not in str(story.records.all(Buddy))
    assert not went(story)
    assert "A buddy is somebody of this community" in await story.say("ana", "my buddy")
    assert "once said yes to being your buddy" in await story.say("ana", "what do you hold")
    heard = len(story.heard("ana"))
    assert "not the buddy of @ana" in await story.say("ben", "end buddy")
    assert len(story.heard("ana")) == heard
    assert not story.records.all(Buddy)


def _plain(said: str) -> list[str]:
    """The answer without distances of hours."""
    return re.sub(r"\([^)]*\)", "", said).split("\n")


async def test_the_buddy_is_told_of_the_end_where_the_member_wants_that(story: Story) -> None:
    """In words that say nothing about how they are."""
    await agreed(story)
    await story.says("ana", "end buddy", "2")
    assert "has ended that you are their buddy" in story.last("ben")
    assert not story.records.all(Buddy)


async def test_the_end_that_is_not_answered_is_not_told(story: Story) -> None:
    """A silence is a no."""
    await agreed(story)
    heard = len(story.heard("ben"))
    await story.say("ana", "end buddy")
    await story.wait(timedelta(days=2))
    await story.say("ana", "1")
    assert len(story.heard("ben")) == heard


@pytest.mark.parametrize("before", [agreed, warned, told])
@pytest.mark.parametrize(
    "way",
    [("end buddy",), ("forget me", "yes"), ("keep apart @ana:example.org", "yes"), ("my consents", "1", "2")],
)
async def test_the_buddy_ends_it_and_the_member_hears_so(
    story: Story, before: Callable[[Story], Awaitable[None]], way: tuple[str, ...]
) -> None:
    """In the same words whichever way it was, and nothing goes any more."""
    await before(story)
    sent = len(went(story))
    await story.says("ben", *way)
    assert story.last("ana") == WORDS.text("en", "buddy.gone", name="@ben:example.org")
    assert not story.records.all(Buddy)
    await put(story)
    await put(story)
    await story.wait(timedelta(days=5))
    assert len(went(story)) == sent


async def test_the_member_is_forgotten_and_the_buddy_hears_nothing(story: Story) -> None:
    """Of a standing one, of one that is on its way, and of one that had ended."""
    await warned(story)
    heard = len(story.heard("ben"))
    await story.says("ana", "forget me", "yes")
    await story.wait(timedelta(days=2))
    assert len(story.heard("ben")) == heard
    assert not story.records.all(Buddy)
    await named(story)
    await story.says("ana", "forget me", "yes")
    assert not story.records.all(Buddy)
    assert not [one for one in _prompts(story, "ben") if one.kind == "be_buddy"]


async def test_keeping_the_buddy_apart_ends_it_unsaid(story: Story) -> None:
    """Whoever keeps somebody apart has nothing sent to them."""
    await agreed(story)
    await silent(story)
    heard = len(story.heard("ben"))
    await story.says("ana", "keep apart @ben:example.org", "yes")
    await put(story)
    await put(story)
    await story.wait(timedelta(days=3))
    assert len(story.heard("ben")) == heard
    assert not went(story)


async def test_keeping_somebody_else_apart_ends_nothing(story: Story) -> None:
    """Also where the buddy, or the member, is paired with nobody for a while."""
    await agreed(story)
    for number, name in enumerate(("ana", "ben")):
        id, until_then = PairingPauseId(f"{number:032x}"), story.now + timedelta(days=7)
        await story.records.put(PairingPause(id, story.id(name), story.now, until_then, "Words.", ()))
    for name in ("ana", "ben"):
        await story.says(name, "keep apart @dan:example.org", "yes")
    assert the_buddy(story).state is BuddyState.STANDING


async def test_what_the_keeper_does_to_somebody_is_no_sign_of_theirs(story: Story) -> None:
    """A room that is emptied at its end, say."""
    await warned(story)
    await story.event(PeerMembership(EventId("$r"), RoomId("!peers-9"), story.address("ana"), "leave"))
    await story.wait(HOURS / 2 + READ_WITHIN)
    assert len(went(story)) == 1


async def test_a_message_of_a_program_is_no_sign_of_life(story: Story) -> None:
    """And gets no answer: two programs must not talk to each other for ever."""
    await warned(story)
    heard = len(story.heard("ana"))
    await story.say("ana", "I am away.", kind="notice")
    assert len(story.heard("ana")) == heard
    await story.wait(HOURS / 2 + READ_WITHIN)
    assert len(went(story)) == 1


async def test_a_new_yes_takes_the_place_of_what_had_ended(story: Story) -> None:
    """The buddy has one line for one person."""
    await agreed(story)
    await story.says("ana", "end buddy", "no")
    await named(story)
    await story.says("ben", "1", "yes")
    assert the_buddy(story).state is BuddyState.STANDING


async def test_both_can_be_the_others_and_one_word_shows_which(story: Story) -> None:
    """Where several stand, "end buddy" ends nothing by a guess."""
    await agreed(story)
    await story.says("ben", "my buddy", "1", "@ana:example.org", "Hello.", "skip", "skip", "1", "1", "yes")
    await story.says("ana", "1", "yes")
    shown = await story.say("ana", "end buddy")
    assert "3. End it" in shown
    assert "4. End being the buddy of @ben:example.org" in shown
    assert len(story.records.all(Buddy)) == 2
    await story.say("ana", "4")
    (left,) = story.records.all(Buddy)
    assert left.member == story.id("ana")


# Other words

NEW = "Please ring me at noon."


async def asks_for_new(story: Story, *words: str) -> str:
    """Ana asks Ben for other words; her recap."""
    return await story.says("ana", "my buddy", "change", *(words or ("1", NEW)))


async def test_new_words_stand_after_the_buddys_yes_and_the_old_ones_until_then(story: Story) -> None:
    """The recap, the question and what goes are the same words; and the member is told what stands."""
    await agreed(story)
    recap = await asks_for_new(story)
    assert not story.last("ben").startswith("@ana:example.org, whose buddy you are")
    said = await story.say("ana", "yes")
    assert "Until then the old words stand." in said
    assert NEW not in story.last("ben")
    shown = await story.say("ben", "1")
    assert "Until they say yes, the old words stand." in await story.say("ana", "my buddy")
    await story.says("ana", "tell my buddy", "yes")
    assert OWN in went(story)[-1]
    await story.wait(timedelta(hours=2))
    await story.say("ben", "back")
    await story.says("ben", "read", "yes")
    assert "said yes to your new words" in story.last("ana")
    await story.says("ana", "tell my buddy", "yes")
    sent = went(story)[-1]
    assert NEW in sent
    assert OWN not in sent
    assert sent in recap
    assert sent in shown
    assert OWN not in str(story.records.all(Buddy))
    assert "new words" in await story.say("ben", "my consents") or NEW not in story.last("ben")


async def no_to_the_words(story: Story) -> None:
    """Ben reads them and says no."""
    await story.says("ben", "1", "no")


async def stops_the_words(story: Story) -> None:
    """Ben stops the question."""
    await story.says("ben", "stop")


@pytest.mark.parametrize("silently", [False, True])
async def test_without_a_yes_the_old_words_stay_and_nobody_learns_why(silently: bool) -> None:
    """Promise 2: a no, a stop and a silence read the same, whatever is asked, and at the same hours."""
    stories: list[list[tuple[datetime, str, bool]]] = []
    for way in (no_to_the_words, stops_the_words, a_silence):
        story = Story()
        await agreed(story)
        await asks_for_new(story)
        await story.say("ana", "yes")
        begun = story.now
        await way(story)
        await story.wait(begun + timedelta(hours=1) - story.now)
        if not silently:
            await story.says("ana", "status", "what do you hold", "my consents", "my buddy", "stop")
        await story.wait(begun + timedelta(days=8) - story.now)
        assert "No yes to your new words has come" in story.last("ana")
        await story.says("ana", "tell my buddy", "yes")
        assert OWN in went(story)[-1]
        assert NEW not in str(story.records.all(Buddy))
        stories.append(story.heard("ana"))
    assert all(one == stories[0] for one in stories)


async def test_new_words_that_are_taken_back_can_have_no_yes(story: Story) -> None:
    """The question goes; and so it does where it is asked anew."""
    await agreed(story)
    await asks_for_new(story)
    await story.say("ana", "yes")
    await story.say("ben", "1")
    assert "The old ones stand." in await story.says("ana", "my buddy", "take back")
    assert story.withdrawn == list(story.marked.values())[-2:]
    await story.say("ben", "yes")
    assert the_buddy(story).words == OWN
    assert the_buddy(story).new is None


@pytest.mark.parametrize("before", [warned, telling_them, told])
async def test_a_yes_to_new_words_moves_no_hour(
    story: Story, before: Callable[[Story], Awaitable[None]]
) -> None:
    """The buddy's word is no sign of life of the member's, nor does the question's hour bring one sooner."""
    await agreed(story)
    await asks_for_new(story)
    await story.say("ana", "yes")
    await silent(story)
    assert the_buddy(story).due_at == story.now + HOURS / 2
    await story.wait(HOURS / 2)
    assert the_buddy(story).state is BuddyState.WARNED
    if before is not warned:
        story.hold_words = before is telling_them
        await story.wait(HOURS / 2 + READ_WITHIN)
    state = the_buddy(story).state
    await story.says("ben", "back", "read", "yes")
    assert the_buddy(story).words == NEW
    assert the_buddy(story).state is state
    await story.release()
    await story.wait(timedelta(days=1))
    assert [NEW in one for one in went(story)] == [before is warned]
    heard = len(story.heard("ana"))
    await story.wait(timedelta(days=9))
    assert len(story.heard("ana")) == heard


async def test_when_they_are_told_is_the_members_alone(story: Story) -> None:
    """After a yes; the buddy is not asked, and hears nothing."""
    await agreed(story)
    heard = len(story.heard("ben"))
    recap = await asks_for_new(story, "when", "3", "4")
    assert "Your buddy is not asked about this" in recap
    assert "3 check-ins in a row" in await story.say("ana", "yes")
    assert (the_buddy(story).after, the_buddy(story).hours) == (3, timedelta(days=2))
    assert "only when you write" in await story.says("ana", "my buddy", "change", "when", "5", "yes")
    assert the_buddy(story).hours == timedelta(0)
    assert len(story.heard("ben")) == heard


async def test_one_part_is_changed_and_the_rest_stays(story: Story) -> None:
    """What is now is shown; “back” leaves it; what stays the same asks nobody."""
    await agreed(story)
    assert "Now it is: “Please write to me”" in await asks_for_new(story, "2")
    assert "What shall be different?" in await story.say("ana", "back")
    recap = await story.says("ana", "3", "skip")
    assert OWN in recap
    assert "not to do" not in recap
    assert "It stays as it is." in await story.say("ana", "no")
    assert "It stays as it is." in await asks_for_new(story, "1", OWN, "yes")
    assert the_buddy(story).new is None


async def test_new_words_are_told_to_the_one_who_wrote_them_alone(story: Story) -> None:
    """In what is held of theirs; the buddy, who may have read them, is not told what is held of another's."""
    await agreed(story)
    await asks_for_new(story)
    assert NEW in await story.say("ana", "what do you hold")
    await story.says("ana", "back", "yes")
    held = await story.say("ana", "what do you hold")
    assert "The new words that you asked for:" in held
    assert NEW in held
    await story.say("ana", "export")
    assert NEW in story.files[-1][1]
    await story.say("ben", "export")
    assert NEW not in story.files[-1][1]
    assert NEW not in await story.say("ben", "what do you hold")


@pytest.mark.parametrize("way", [("end buddy", "no"), ("keep apart @ben:example.org", "yes")])
async def test_an_end_takes_the_question_for_new_words_with_it(story: Story, way: tuple[str, ...]) -> None:
    """Nothing of them is left, and the buddy cannot say yes to them."""
    await agreed(story)
    await asks_for_new(story)
    await story.say("ana", "yes")
    await story.says("ana", *way)
    assert NEW not in str(story.records.all(Buddy))
    assert not [one for one in _prompts(story, "ben") if one.kind == "agree_words"]
    await story.wait(timedelta(days=9))
    assert "new words" not in story.last("ana")


async def test_asking_for_new_words_counts_as_asking(story: Story) -> None:
    """Each brings somebody the member's own words: three in a week, with the first."""
    await agreed(story)
    for number in range(2):
        await asks_for_new(story, "1", f"{NEW} {number}")
        await story.say("ana", "yes")
    await asks_for_new(story, "1", f"{NEW} 3")
    assert "3 times within a week" in await story.say("ana", "yes")
    assert the_buddy(story).new is not None
    assert the_buddy(story).new.words == f"{NEW} 1"  # type: ignore[union-attr]


# What is held


async def test_each_is_told_what_is_theirs(story: Story) -> None:
    """The member their words; the buddy that they said yes, and no word of the other's."""
    await agreed(story)
    held = await story.say("ana", "what do you hold")
    assert OWN in held
    assert "@ben:example.org is your buddy" in held
    held = await story.say("ben", "what do you hold")
    assert "yes to being somebody's buddy" in held
    assert OWN not in held
    await story.say("ben", "export")
    assert OWN not in story.files[-1][1]
    assert OWN not in await story.say("ben", "my consents")
    assert "12 hours after the last I send" in await story.say("ana", "my consents")


async def test_a_member_without_a_buddy_is_never_counted(story: Story) -> None:
    """Nothing is written about a check-in that has no answer."""
    await story.comes("ana")
    await named(story)
    rows = dict(story.records.rows)
    await put(story)
    await put(story)
    assert story.records.rows == rows
    assert MemberId(the_buddy(story).member) == story.id("ana")
    assert the_buddy(story).due_at == the_buddy(story).made_at + ASKED_FOR
    assert isinstance(story.member("ana"), Member)


# With check-ins that come


async def daily(story: Story) -> None:
    """Ana has a check-in each day at five, from tomorrow on."""
    await standing(story)


async def test_check_ins_without_an_answer_lead_to_it_hour_by_hour(story: Story) -> None:
    """The second of two has none either: six hours later the warning, six later the words, and no more."""
    await agreed(story)
    await daily(story)
    await until(story, FIRST + timedelta(days=10))
    told_at = [
        at for at, effect in story.effects if isinstance(effect, SendForBuddy) and effect.step == "tell"
    ]
    assert told_at == [FIRST + timedelta(days=1, hours=12) + READ_WITHIN]
    warned_at = [
        at for at, effect in story.effects if isinstance(effect, SendForBuddy) and effect.step == "warn"
    ]
    assert warned_at == [FIRST + timedelta(days=1, hours=6)]


async def test_an_answer_to_a_check_in_stops_it(story: Story) -> None:
    """Whichever it is; and the next silence is counted from anew."""
    await agreed(story)
    await daily(story)
    for day in range(6):
        await until(story, FIRST + timedelta(days=day))
        if day % 2:
            await story.say("ana", "skip")
    await until(story, FIRST + timedelta(days=6, hours=5))
    assert not went(story)
    assert the_buddy(story).unanswered == 1


async def test_a_check_in_that_waits_behind_a_question_or_does_not_arrive_is_not_counted(
    story: Story,
) -> None:
    """The member has seen none, so that none is unanswered."""
    await agreed(story)
    await daily(story)
    story.lose = lambda effect: isinstance(effect, SendText) and bool(effect.mark)
    await until(story, FIRST + timedelta(days=5))
    assert the_buddy(story).unanswered == 0
    assert the_buddy(story).state is BuddyState.STANDING


async def test_one_whose_place_was_taken_before_it_arrived_is_not_counted(story: Story) -> None:
    """That it could not be sent is known only after the next has come."""
    await agreed(story)
    await standing(story)
    await standing(story, rhythm=replace(DAILY, minute=17 * 60 + 10))
    story.slow, story.lose = True, lambda effect: isinstance(effect, SendText) and bool(effect.mark)
    await until(story, FIRST + timedelta(minutes=11))
    assert the_buddy(story).unanswered == 2
    await story.pump()
    assert the_buddy(story).unanswered == 0


async def test_a_check_in_offers_the_words_and_the_plan_of_whoever_has_them(story: Story) -> None:
    """One number each; of anybody else's check-in they are no part."""
    await agreed(story, after="5")
    await story.says("ana", "my plan", "Open the window.", "yes", "yes")
    await daily(story)
    await until(story, FIRST)
    shown = story.last("ana").split("\n")
    assert shown[-3:] == ["5. My plan", "6. Tell my buddy", "7. Skip"]
    assert "Open the window." in await story.say("ana", "5")
    await until(story, FIRST + timedelta(days=1))
    assert OWN in await story.say("ana", "6")
    await story.say("ana", "yes")
    assert len(went(story)) == 1


async def test_a_year_of_silence_tells_a_buddy_once_and_nobody_else(story: Story) -> None:
    """There is never a further step."""
    await agreed(story)
    await story.comes("cleo")
    await standing(story, ends=date(2028, 1, 1))
    heard = len(story.heard("cleo"))
    await until(story, FIRST + timedelta(days=365))
    assert len(went(story)) == 1
    assert len(story.heard("cleo")) == heard


# Where adults and young people are kept apart

BOTH = replace(COMMUNITY, ages="both")


@pytest.mark.parametrize("group", ["2", ""])
async def test_an_adult_and_a_young_person_are_never_buddies(group: str) -> None:
    """Whoever is in the other group, or in none yet, is not asked, and whoever named them hears no reason."""
    story = Story(BOTH)
    await story.comes("ben")
    if group:
        await story.says("ben", "my age group", group)
    await story.comes("ana")
    await story.says("ana", "my age group", "1")
    heard = len(story.heard("ben"))
    await named(story)
    assert any("same age group as you: 18 or older." in body for _, body, _ in story.heard("ana"))
    assert "If you hear nothing until then, that can have any reason." in story.last("ana")
    await story.wait(ASKED_FOR)
    assert "No yes has come from @ben:example.org. That can have any reason" in story.last("ana")
    assert len(story.heard("ben")) == heard


async def test_two_of_one_age_group_can_be_buddies() -> None:
    """Where both said that they are."""
    story = Story(BOTH)
    for name in ("ben", "ana"):
        await story.comes(name)
        await story.says(name, "my age group", "2")
    await agreed(story)
    assert the_buddy(story).state is BuddyState.STANDING


async def of_one_group() -> Story:
    """Ben is Ana's buddy, both are adults, and the month is over in which that cannot be changed."""
    story = Story(BOTH)
    for name in ("ben", "ana"):
        await story.comes(name)
        await story.says(name, "my age group", "1")
    await agreed(story)
    await story.wait(timedelta(days=31))
    return story


async def test_who_changes_their_age_group_ends_it_and_their_buddy_hears_no_reason() -> None:
    """It says so before; then as at any end by the member, with the same question."""
    story = await of_one_group()
    heard = len(story.heard("ben"))
    assert "that ends" in await story.say("ana", "my age group")
    assert "Shall I tell them?" in await story.say("ana", "2")
    await story.say("ana", "no")
    assert len(story.heard("ben")) == heard
    assert the_buddy(story).state is BuddyState.ENDED
    assert "You said yes to being the buddy of @ana:example.org." in await story.say("ben", "my buddies")


async def test_a_buddy_who_changes_their_age_group_ends_it_as_at_any_end() -> None:
    """Whoever named them reads the words of every end, and of no age."""
    story = await of_one_group()
    assert "You are not the buddy of @ana:example.org any more." in await story.says(
        "ben", "my age group", "2"
    )
    assert story.last("ana") == WORDS.text("en", "buddy.gone", name="@ben:example.org")
    assert not story.records.all(Buddy)


async def test_a_change_of_age_group_shows_nothing_about_whoever_was_only_named() -> None:
    """Promise 2: who is of either group, or was never here, is the same."""
    stories: list[list[tuple[datetime, str, bool]]] = []
    for group in ("1", "2", ""):
        story = Story(BOTH)
        if group:
            await story.comes("ben")
            await story.says("ben", "my age group", group)
        await story.wait(START + timedelta(minutes=20) - story.now)
        await story.comes("ana")
        await story.says("ana", "my age group", "1")
        await named(story)
        await story.says("ana", "my age group", "2", "my buddy", "stop")
        await story.wait(timedelta(days=8))
        stories.append(story.heard("ana"))
        assert not story.records.all(Buddy)
    assert all(one == stories[0] for one in stories)


async def when_it_was_for_adults() -> Story:
    """Ben is Ana's buddy since the community was for adults alone; it is for both now."""
    story = Story(replace(COMMUNITY, ages="adults"))
    await agreed(story)
    story.community = replace(story.community, ages="both")
    return story


@pytest.mark.parametrize("who", ["ana", "ben"])
async def test_who_says_to_be_of_the_group_of_then_ends_nothing(who: str) -> None:
    """They agreed as adults, and are adults still; it goes on, and words go, before and after it is said."""
    story = await when_it_was_for_adults()
    await story.says("ana", "tell my buddy", "yes")
    assert len(went(story)) == 1
    assert "that ends" in await story.say(who, "my age group")
    await story.say(who, "1")
    assert the_buddy(story).state is BuddyState.STANDING


@pytest.mark.parametrize("way", [("my age group", "2"), ("talk", "2"), ("offer", "2")])
async def test_who_says_to_be_of_the_other_group_ends_it(way: tuple[str, ...]) -> None:
    """Wherever they say it, and whatever the other said or did not: the words are those of any end."""
    for said in ("1", "2", ""):
        story = await when_it_was_for_adults()
        if said:
            await story.says("ben", "my age group", said)
        heard = len(story.heard("ben"))
        if said == "2":
            assert not story.records.all(Buddy)
            continue
        await story.says("ana", *way)
        assert the_buddy(story).state is BuddyState.ENDED
        assert len(story.heard("ben")) == heard
    story = await when_it_was_for_adults()
    await story.says("ben", *way)
    assert story.last("ana") == WORDS.text("en", "buddy.gone", name="@ben:example.org")


async def test_who_keeps_their_age_group_ends_nothing() -> None:
    """Nor does a change that is not taken."""
    story = await of_one_group()
    await story.says("ana", "my age group", "1")
    await story.says("ana", "my age group", "back")
    await story.says("ben", "my age group", "1")
    assert the_buddy(story).state is BuddyState.STANDING


async def test_the_age_group_is_asked_before_a_buddy_is_named() -> None:
    """Once, and only where it counts."""
    story = Story(BOTH)
    await story.comes("ana")
    assert "Are you 18 or older?" in await story.say("ana", "my buddy")
    await story.say("ana", "1")
    assert "Who should it be?" in await story.say("ana", "my buddy")
