"""Messages that cannot be taken as they are, and chats that are not for two alone."""

from datetime import timedelta
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.effects import AnswerPlainRoom, JoinRoom, LeaveRoom, OpenDirectChat, SendText
from schema.events import (
    Delivered,
    DirectChat,
    Invited,
    Message,
    NoChat,
    NotDelivered,
    PlainMessage,
    Unreadable,
    Verified,
)
from schema.ids import EventId, RoomId
from schema.records import Ask, Buddy, CheckIn, Member, Offer, OwnPlan, Record, Request
from schema.states import RequestState
from service.core.sizes import LARGEST_BODY
from tests.handlers.story import Story, community
from tests.handlers.test_room import together

ROOM = RoomId("!other")


async def test_a_direct_invitation_is_taken_and_any_other_declined(story: Story) -> None:
    """The desk goes where it may be written to, and nowhere else."""
    event = Invited(EventId("$1"), ROOM, story.address("ana"), direct=True, encrypted=True)
    assert await story.event(event) == [JoinRoom(ROOM)]
    event = Invited(EventId("$2"), ROOM, story.address("ana"), direct=False, encrypted=True)
    assert await story.event(event) == [LeaveRoom(ROOM)]
    # One that says of itself that it is of two front desks is no chat, whatever else it says.
    event = Invited(EventId("$3"), ROOM, story.address("ana"), direct=True, encrypted=True, link=True)
    assert await story.event(event) == [LeaveRoom(ROOM)]


async def test_a_member_is_greeted_once(story: Story) -> None:
    """The first words come when the chat is there, and not again when the event comes twice."""
    await story.comes("ana")
    await story.comes("ana")
    assert len(story.heard("ana")) == 1
    assert "Nothing here is an emergency service." in story.last("ana")


async def test_whoever_starts_with_a_command_gets_the_first_words_too(story: Story) -> None:
    """What this is comes before the first question, in one message."""
    answer = await story.say("ana", "talk")
    assert answer.index("I am a program") < answer.index("This is what I would ask")


@pytest.mark.parametrize("language", ["en", "es"])
async def test_a_number_that_is_no_choice_gets_the_choices_alone(language: str) -> None:
    """Also at a consent and in the menu: what stands above is not said again, and the right number counts."""
    says = {"en": "7 is none of these:", "es": "7 no es ninguna de estas opciones:"}[language]
    story = Story(community(language), language=language)
    await story.comes("ben")
    shown = await story.say("ben", "menu")
    again = await story.say("ben", "7.")
    assert again.startswith(says)
    assert again.endswith(shown[shown.index("1. ") :])
    assert "\n1. " in again.removeprefix(says)[:5]
    await story.offers("ben")
    await story.comes("ana")
    await story.asks("ana")
    note = await story.say("ben", "1")
    again = await story.say("ben", "7")
    assert again.startswith(says)
    assert note.endswith(again.removeprefix(says))
    assert says[1:] not in await story.say("ben", "1", after=5)


async def test_a_number_long_after_the_question_gets_all_of_it(story: Story) -> None:
    """What stands far above is said once more: choices alone would be choices of nothing."""
    await story.comes("ana")
    await story.say("ana", "talk")
    await story.wait(story.community.timings.idle * 2)
    assert "Here is the question again" in await story.say("ana", "77")


async def test_a_plain_chat_gets_one_fixed_answer_and_an_invitation(story: Story) -> None:
    """Rule 13: no words are taken in, nothing is kept of a stranger, and a member's flood gets one answer."""
    event = PlainMessage(EventId("$1"), ROOM, story.address("ana"))
    effects = await story.event(event)
    assert [type(effect) for effect in effects] == [AnswerPlainRoom, OpenDirectChat]
    assert not story.records.all(Member)
    await story.comes("ana")
    await story.event(DirectChat(EventId("$2"), story.chat("ana"), story.address("ana"), present=False))
    assert len(await story.event(event)) == 2
    assert await story.event(event) == []
    await story.wait(timedelta(hours=1))
    assert len(await story.event(event)) == 2


async def test_who_blocks_the_invitation_to_an_encrypted_chat_is_told_once_where_they_wrote(
    story: Story,
) -> None:
    """One fixed sentence with no personal word; nothing is kept of a stranger, and nothing is tried again."""
    story.blocking = {"ana"}
    await story.event(PlainMessage(EventId("$1"), ROOM, story.address("ana")))
    await story.pump()
    plain = [effect for _, effect in story.effects if isinstance(effect, AnswerPlainRoom)]
    assert [effect.room for effect in plain] == [ROOM, ROOM]
    assert "Your account blocks my invitation. Please start an encrypted chat" in plain[1].body
    assert [type(effect) for _, effect in story.effects].count(OpenDirectChat) == 1
    assert not story.records.all(Member)
    # Where there is no such chat, nothing is said; nor where the invitation failed for another reason.
    for effect, reason in (
        (OpenDirectChat(story.address("ana")), "M_INVITE_BLOCKED"),
        (OpenDirectChat(story.address("ana"), ROOM), "deadline"),
    ):
        assert await story.event(NotDelivered(effect, reason)) == []


async def test_nobody_in_a_crowd_is_answered_or_kept(story: Story) -> None:
    """Whoever never wrote in private gets no record and no invitation, and nobody's chat is left."""
    assert await story.say("ana", "hello", private=False) == ""
    assert not story.records.all(Member)
    assert not story.effects
    assert await story.event(NoChat(EventId("$1"), ROOM)) == [LeaveRoom(ROOM)]


async def test_an_unreadable_message_is_asked_for_again_once(story: Story) -> None:
    """Rule 12, and a burst of them gets one answer."""
    event = Unreadable(EventId("$1"), story.chat("ana"), story.address("ana"), private=True)
    await story.event(event)
    await story.event(event)
    assert [body for _, body, _ in story.heard("ana")] == [
        "I got a message from you that I could not read. Nothing was lost. Please send it again."
    ]


async def test_nothing_counts_where_somebody_else_is_in_the_chat(story: Story) -> None:
    """Rule 9: the yes is not taken, nothing personal is said there, and a chat for two is offered once."""
    await story.says("ana", "talk", "more", "1", "1", "2", "skip")
    assert await story.say("ana", "yes", private=False) == ""
    assert not story.records.all(Request)
    assert await story.say("ana", "yes", private=False) == ""
    assert [type(effect) for _, effect in story.effects].count(OpenDirectChat) == 1
    assert story.member("ana").room is None
    await story.event(DirectChat(EventId("$9"), ROOM, story.address("ana"), present=True))
    assert "Somebody else is in the chat where you wrote to me" in story.last("ana")
    assert "This is what I would ask" in story.last("ana")
    sent = [effect.room for _, effect in story.effects if isinstance(effect, SendText)]
    assert sent[-1] == ROOM
    await story.event(DirectChat(EventId("$10"), story.chat("ana"), story.address("ana"), present=True))
    assert "Somebody else" not in story.last("ana"), "it is said once"


async def test_a_chat_that_takes_nothing_any_more_is_given_up(story: Story) -> None:
    """A send refused for good: nothing more goes there until the member writes again."""
    await story.comes("ana")
    effect = SendText(story.chat("ana"), story.address("ana"), "…")
    await story.event(NotDelivered(effect, "not_private"))
    assert story.member("ana").room is None
    await story.event(NotDelivered(effect, "not_private"))
    await story.event(Delivered(effect))
    assert [type(effect) for _, effect in story.effects].count(OpenDirectChat) == 1
    await story.says("ana", "menu")
    assert story.member("ana").room == story.chat("ana")


async def test_whoever_leaves_the_chat_is_said_nothing(story: Story) -> None:
    """What goes on for them goes on as silence."""
    await story.comes("ben")
    await story.offers("ben")
    await story.asks("ana")
    await story.event(DirectChat(EventId("$8"), story.chat("ben"), story.address("ben"), present=False))
    before = len(story.heard("ben"))
    await story.wait(timedelta(days=2))
    assert len(story.heard("ben")) == before


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        (("offer", "1", "skip", "I bake.", "2"), Offer),
        (("talk", "2", "1", "1", "2", "A long week."), Request),
        (("new check-in", "every day at 18:00"), CheckIn),
        (("my buddy", "@ben:example.org", "Please look in.", "skip", "skip", "1", "1"), Buddy),
        (("my plan", "Open the window."), OwnPlan),
    ],
    ids=lambda one: one[0] if isinstance(one, tuple) else "",
)
async def test_skip_at_the_last_question_loses_no_answer(
    story: Story, steps: tuple[str, ...], kept: type[Record]
) -> None:
    """It has passed over one question after the other: here it asks for a yes or a no, and the yes holds."""
    await story.comes("ben")
    await story.comes("ana")
    await story.says("ana", "my city", "Berlin")
    recap = await story.says("ana", *steps)
    assert "Here I need" not in recap
    for _ in range(2):
        said = await story.say("ana", "skip")
        assert said.startswith("Here I need a yes or a no")
        assert said.endswith(recap[recap.rindex("\n1. ") :])
    assert not story.records.all(kept)
    await story.say("ana", "yes")
    assert story.records.all(kept)


async def test_help_now_works_in_any_question(story: Story) -> None:
    """Rule 16: everywhere, and the question stays open."""
    await story.says("ana", "talk")
    answer = await story.say("ana", "HELP NOW!")
    assert "May send police: no. Last checked: 1 November 2026." in answer
    assert "A question waits" in await story.say("ana", "menu")
    assert "This is what I would ask" in await story.say("ana", "back")


async def test_help_is_the_menu(story: Story) -> None:
    """`help` alone is the menu; the places are one number away."""
    await story.comes("ana")
    assert "2. Places to reach now" in await story.say("ana", "help")


async def test_whoever_has_a_chat_with_the_desk_is_pointed_to_it(story: Story) -> None:
    """No second chat is opened beside one that is there."""
    await story.comes("ana")
    effects = await story.event(PlainMessage(EventId("$1"), ROOM, story.address("ana")))
    assert [type(effect) for effect in effects] == [AnswerPlainRoom]
    event = Message(EventId("$2"), ROOM, story.address("ana"), "hello", story.now)
    (effect,) = await story.event(event)
    assert isinstance(effect, SendText)
    assert effect.room == story.chat("ana")
    assert "Please write to me here." in effect.body
    assert story.member("ana").room == story.chat("ana")


async def test_whoever_comes_back_hears_how_it_stands(story: Story) -> None:
    """Ana left the chat: what was said meanwhile is lost to her, so that it is said how it stands."""
    await story.comes("ana")
    await story.asks("ana")
    await story.event(DirectChat(EventId("$1"), story.chat("ana"), story.address("ana"), present=False))
    await story.comes("ben")
    await story.offers("ben", hours="4")
    await story.wait(timedelta(minutes=30))
    assert story.the_request().told == "nobody"
    await story.event(DirectChat(EventId("$2"), ROOM, story.address("ana"), present=True))
    assert "You can write to me here" in story.last("ana")
    assert "I am looking for someone for you" in story.last("ana")
    await story.wait(timedelta(minutes=10))
    assert "I am asking people now" in story.last("ana")


async def test_a_hello_that_crossed_the_greeting_is_answered_by_it() -> None:
    """Most people write hello while the desk comes in: they read one greeting, and a later hello has one."""
    story = Story()
    await story.comes("ana")
    assert await story.say("ana", "hello", after=1) == ""
    assert "1. " in await story.say("ana", "hello", after=60)


async def test_the_reason_is_said_at_once_in_an_older_private_chat(story: Story) -> None:
    """Whoever wrote where somebody else is hears why in the chat that there is, without writing again."""
    await story.says("ana", "talk", "more", "1", "1", "2", "skip")
    await story.say("ana", "yes", private=False)
    effect = OpenDirectChat(story.address("ana"))
    before = len(story.heard("ana"))
    await story.event(Delivered(effect, ROOM))
    assert len(story.heard("ana")) == before, "they are not in that chat yet"
    await story.event(Delivered(effect, ROOM, "there"))
    sent = [effect for _, effect in story.effects if isinstance(effect, SendText)][-1]
    assert sent.room == ROOM
    assert "Somebody else is in the chat where you wrote to me" in sent.body
    assert "This is what I would ask" in sent.body
    assert story.member("ana").room == ROOM
    await story.event(Delivered(effect, ROOM, "there"))
    assert len(story.heard("ana")) == before + 1, "it is said once"


async def test_what_was_too_long_to_send_is_said_and_not_tried_again(story: Story) -> None:
    """The question that was in it is closed, so that it is not put over and over, and no yes goes to it."""
    await story.says("ana", "talk", "more", "1", "1", "2", "skip")
    sent = SendText(story.chat("ana"), story.address("ana"), "…")
    await story.event(NotDelivered(sent, "M_TOO_LARGE"))
    assert story.last("ana").startswith("I had something to tell you. It was too long to send.")
    assert story.member("ana").room == story.chat("ana")
    assert "No question is open now" in await story.say("ana", "1")
    assert not story.records.all(Request)


@pytest.mark.parametrize(
    ("outcome", "said", "notice"),
    [
        ("done", "It does not prove whose program it is.", True),
        ("stopped", "nothing has changed", True),
        ("mismatch", "please write nothing private here", False),
    ],
)
async def test_a_verification_is_told_what_it_is_worth(
    story: Story, outcome: Literal["done", "mismatch", "stopped"], said: str, notice: bool
) -> None:
    """Once for each end, in the member's chat; a stranger gets no answer and no record."""
    await story.event(Verified(EventId("$v0"), story.address("eve"), outcome))
    assert not story.records.all(Member)
    await story.comes("ana")
    before = len(story.log)
    for number in range(3):
        await story.event(Verified(EventId(f"$v{number}"), story.address("ana"), outcome))
    (line,) = story.log[before:]
    assert said in line.body
    assert line.notice is notice


KNOWN = st.sampled_from(["talk", "offer", "hello", "menu", "1", "2", "3", "skip", "yes"])
ODD = st.text(max_size=40) | st.sampled_from(
    [
        *(
            "²",
            "٣",
            "\uff11",
            "½",
            "0",
            "-1",
            "9" * 5000,
            "1e9",
            "1\n2",
            "1. 2.",
            "\u202e1",
            "\0",
            " ",
            "\u200b",
            "{who}",
        ),
        *("%(name)s", "{{ x }}", "🙂" * 3000, "a" * 16_000, "\n" * 500, "@ben:example.org", "!peers-0:x"),
    ]
)


@settings(max_examples=settings().max_examples // 4)
@given(st.lists(st.tuples(st.sampled_from(["ana", "ben"]), KNOWN, ODD), max_size=12))
async def test_any_words_at_any_question_get_one_answer(steps: list[tuple[str, str, str]]) -> None:
    """Whatever a member types, at whichever question: one answer, of a size that one message has."""
    story = Story()
    for name in ("ana", "ben"):
        await story.comes(name)
    for name, known, odd in steps:
        await story.say(name, known)
        answer = await story.say(name, odd)
        assert answer.strip()
        assert len(answer.encode()) <= LARGEST_BODY


async def test_the_numbers_beside_the_places_go_on_working(story: Story) -> None:
    """Whoever looks at the places of help first, and then sends another number of the same list, is heard."""
    await story.comes("ana")
    await story.say("ana", "I feel terrible")
    assert "Night line" in await story.say("ana", "2")
    assert "This is what I would ask" in await story.say("ana", "1")


async def test_a_word_of_politeness_is_no_other_answer(story: Story) -> None:
    """ "No thanks" is a no, "2, please" a number, and "yes please" a yes; with more around it, it is none."""
    await story.comes("ana")
    await story.say("ana", "talk")
    for words in ("yes please don't", "yes thanks but no", "please"):
        assert "did not take it as an answer" in await story.say("ana", words)
    assert await story.say("ana", "No, thanks!") == "I have ended that. Nothing of it is kept."
    await story.say("ana", "menu")
    assert "Night line" in await story.say("ana", "2, please")
    await story.says("ana", "talk", "yes please")
    assert story.the_request().state is RequestState.LOOKING


async def test_words_that_fit_nothing_are_told_how_a_search_is_ended(story: Story) -> None:
    """Whoever changes their mind in words of their own reads the one that does it."""
    await story.comes("ana")
    await story.says("ana", "talk", "1")
    assert "“stop” ends it" in await story.say("ana", "I do not need it any more")
    await story.says("ana", "stop looking")
    assert not story.records.all(Request)


async def test_words_that_fit_nothing_are_told_what_a_room_has(story: Story) -> None:
    """While a room is open, how it ends and goes on; for whoever gives company, how to pass on."""
    await together(story)
    said = await story.say("ben", "I am overwhelmed")
    assert "“close” ends it" in said
    assert "“pass on”" in said
    said = await story.say("ana", "I am glad")
    assert "“extend”" in said
    assert "“pass on”" not in said


async def test_the_menu_says_how_to_see_and_end_what_stands(story: Story) -> None:
    """It lists what can begin; what goes on already is reached by two words, which stand in it."""
    await story.comes("ana")
    assert "“status”" in await story.say("ana", "menu")
    assert "“stop”" in story.last("ana")


@pytest.mark.parametrize("words", ["delete my data", "Delete me.", "erase my data"])
async def test_forgetting_is_found_by_other_words_too(story: Story, words: str) -> None:
    """Whoever never heard our words for it is asked the same question."""
    await story.comes("ana")
    assert "If you say yes, I erase all I hold about you" in await story.say("ana", words)


@pytest.mark.parametrize("words", [("my city",), ("keep apart",), ("check-in", "skip"), ("my buddy",)])
async def test_words_that_cannot_be_read_are_answered_with_what_is_always_true(
    story: Story, words: tuple[str, ...]
) -> None:
    """Whatever was written, and nothing is scanned: a program reads it, how to leave, where help is."""
    await story.comes("ana")
    await story.says("ana", *words)
    answer = ""
    for odd in ("i feel like killing myself", "xyzzy plugh", "7777777"):
        answer = await story.say("ana", odd)
        assert "I am a program. No person has read this." in answer
        for way in ("“help now”", "“back”", "“stop”"):
            assert way in answer
    # It does not go on without end: the third time there are choices.
    assert "Places to reach now" in answer
    number = next(line for line in answer.split("\n") if line.endswith("Places to reach now")).split(".")[0]
    assert "Night line" in await story.say("ana", number)
    menu = await story.say("ana", str(int(number) + 1))
    assert "What would you like?" in menu


async def test_a_word_of_the_whole_service_is_no_city(story: Story) -> None:
    """Where words are read as something, a command cannot be meant for it, and is heard."""
    await story.comes("ana")
    await story.says("ana", "my city")
    assert "know that city" not in await story.say("ana", "status")
    await story.says("ana", "my city")
    assert "This is what I would ask" in await story.say("ana", "talk")


async def test_the_way_out_of_a_question_is_a_number_too(story: Story) -> None:
    """Leaving the question out does what `skip` does there."""
    await story.comes("ana")
    await story.says("ana", "my city", "xyzzy", "plugh")
    assert "1. Leave this question out" in story.last("ana")
    assert "Nothing has changed" in await story.say("ana", "1")


@pytest.mark.parametrize(
    ("words", "alone"),
    [
        (("my plan",), "1"),
        (("my plan",), "talk"),
        (("my buddy", "@ben:example.org"), "yes"),
        (("talk", "more", "1", "1", "2"), "1"),
    ],
)
async def test_a_number_or_a_yes_alone_is_hardly_meant_as_own_words(
    story: Story, words: tuple[str, ...], alone: str
) -> None:
    """It is doubted once; the same sent again is what they want, and other words are taken at once."""
    await story.comes("ana")
    question = await story.says("ana", *words)
    assert f"Should it read exactly this: “{alone}”?" in await story.say("ana", alone)
    assert "Should it read exactly this: “2”?" in await story.say("ana", "2")
    assert "Should it read" not in await story.say("ana", "2")
    assert story.last("ana") != question
    other = Story()
    await other.comes("ana")
    await other.says("ana", *words, alone)
    assert "Should it read" not in await other.say("ana", "Please ring me.")


@pytest.mark.parametrize(
    ("typed", "length"),
    [
        ("2h", "up to 2 hours"),
        ("one hour", "up to 1 hour"),
        ("20 min", "up to 20 minutes"),
        ("30m", "30 min"),
        ("a couple of hours", "up to 2 hours"),
        ("an hour and a half", "up to 1 hour and 30 minutes"),
        ("half an hour", "up to 30 minutes"),
        ("three quarters of an hour", "up to 45 minutes"),
    ],
)
async def test_a_length_can_be_written_as_people_write_one(story: Story, typed: str, length: str) -> None:
    """Whether it is one of the choices or lies between them."""
    await story.comes("ana")
    await story.says("ana", "talk", "more", "1", "1", typed)
    assert length in await story.say("ana", "skip")


@pytest.mark.parametrize(
    ("typed", "length"),
    [
        ("un par de horas", "2 horas"),
        ("hora y media", "1 hora y 30 minutos"),
        ("media hora", "30 minutos"),
        ("tres cuartos de hora", "45 minutos"),
    ],
)
async def test_a_length_can_be_written_in_spanish(typed: str, length: str) -> None:
    """Where one is asked for, and in the one line."""
    for words in (("talk", "more", "1", "1", typed, "skip"), (f"hablar duelo {typed}",)):
        story = Story(community=community("es"), language="es")
        await story.comes("ana")
        recap = await story.says("ana", *words)
        assert length in recap


@pytest.mark.parametrize(
    ("said", "length"),
    [
        ("talk grief a couple of hours", timedelta(hours=2)),
        ("talk listening for an hour and a half about grief", timedelta(minutes=90)),
        ("talk half an hour", timedelta(minutes=30)),
    ],
)
async def test_such_a_length_can_stand_in_the_line_that_asks(
    story: Story, said: str, length: timedelta
) -> None:
    """As a whole: half of an hour is not an hour."""
    assert "I did not understand" not in await story.say("ana", said)
    await story.say("ana", "yes")
    assert story.the_request().length == length


@pytest.mark.parametrize(
    ("words", "hours"),
    [
        (("offer", "a couple of hours", "skip"), 2),
        (("offer", "an hour and a half", "skip"), 1.5),
        (("offer", "3 h", "skip"), 3),
        (("offer an hour and a half grief",), 1.5),
    ],
)
async def test_such_a_length_can_be_that_of_an_offer(
    story: Story, words: tuple[str, ...], hours: float
) -> None:
    """Between the choices too; what is none, or too short, is asked for again."""
    await story.comes("ben")
    await story.says("ben", "offer", "a while")
    assert "I could not read a length of time in that." in story.last("ben")
    assert "for 1 hour to 12 hours" in await story.say("ben", "half an hour")
    await story.says("ben", "stop", *words)
    await story.says("ben", "skip", "skip", "yes")
    offer = story.offer_of("ben")
    assert abs(offer.until - story.now - timedelta(hours=hours)) < timedelta(minutes=1)


async def test_a_length_that_is_not_to_be_had_is_asked_for_again(story: Story) -> None:
    """Out of bounds and no length at all are told apart; the question stays."""
    await story.comes("ana")
    await story.says("ana", "talk", "more", "1", "1")
    assert "I could not read a length of time in that." in await story.say("ana", "a little")
    assert "I can ask for 10 minutes to 3 days" in await story.say("ana", "5 min")
    assert "How long would you like" in story.last("ana")


async def test_lengths_of_an_offer_can_be_written_too(story: Story) -> None:
    """As its choices, however they are written."""
    await story.comes("ben")
    await story.says("ben", "offer", "4h")
    prompt = story.member("ben").prompt
    assert prompt is not None
    assert prompt.draft["hours"] == 4


async def test_all_of_several_choices_is_a_word(story: Story) -> None:
    """Where several numbers can be sent; a choice that is none of them is not among them."""
    await story.comes("ana")
    await story.says("ana", "talk", "more", "1", "all", "1", "skip", "yes")
    assert story.the_request().topics == ("burnout", "grief", "thoughts of suicide")


@pytest.mark.parametrize(
    "typed", ["grief, burnout", "burnout and grief", "1 and 2", "1, 2", "grief & burnout"]
)
async def test_several_are_named_as_people_name_them(story: Story, typed: str) -> None:
    """By their words, with a comma or "and" between them, and by their numbers."""
    await story.comes("ana")
    await story.says("ana", "talk", "more", "1", typed, "1", "skip", "yes")
    assert sorted(story.the_request().topics) == ["burnout", "grief"]


async def test_a_word_that_is_none_of_them_makes_no_answer_of_the_others(story: Story) -> None:
    """Nothing is left out in silence."""
    await story.comes("ana")
    await story.says("ana", "talk", "more", "1", "grief and rain")
    prompt = story.member("ana").prompt
    assert prompt is not None
    assert "grief" not in str(prompt.draft["topics"])


@pytest.mark.parametrize("typed", ["yes tell me more", "Yes,tell me more!", "yes pls"])
async def test_a_choice_is_its_own_words_without_the_comma_too(story: Story, typed: str) -> None:
    """Also where it binds: few put a comma on a phone."""
    await story.offers("ben")
    await story.asks("ana")
    await story.say("ben", typed)
    (ask,) = story.records.all(Ask)
    assert ask.said_at is not None


async def test_check_in_is_written_without_its_hyphen_too(story: Story) -> None:
    """As phones write it."""
    await story.comes("ana")
    await story.says("ana", "every day at 9", "Lagos", "yes")
    assert "Every day at 09:00" in await story.say("ana", "my check ins")
    assert "Every day at 09:00" in await story.say("ana", "delete my check in")


@pytest.mark.parametrize(
    ("typed", "word", "then"),
    [("tlak", "talk", "This is what I would ask"), ("stats", "status", "Nothing is open")],
)
async def test_a_slip_of_the_keys_is_asked_about(story: Story, typed: str, word: str, then: str) -> None:
    """After company and the places of help, as a choice of its own; nothing is done by a guess."""
    await story.comes("ana")
    answer = await story.say("ana", typed)
    assert answer.endswith(f"5. Did you mean “{word}”?")
    assert "1. Talk with someone\n2. Places to reach now\n3. Be there for someone\n4. Menu\n" in answer
    assert then in await story.say("ana", "5")


@pytest.mark.parametrize(
    "odd", ["i feel really alone tonight", "xyz", "helpless", "die", "sad", "goodbye", "pain"]
)
async def test_any_other_words_get_one_answer(story: Story, odd: str) -> None:
    """The same to anything: nothing is scanned for what it could mean."""
    await story.comes("ana")
    said = await story.say("ana", odd)
    other = Story()
    await other.comes("ana")
    assert said == await other.say("ana", "qwertyuiop asdf")
    assert "no person has read this" in said


async def test_words_that_fit_nothing_say_that_the_search_goes_on(story: Story) -> None:
    """Whoever is being looked for reads so, and where to see more, before anything is offered again."""
    await story.comes("ana")
    await story.asks("ana")
    said = await story.say("ana", "are you there")
    assert "I am still looking for someone for you" in said
    assert said.index("still looking") < said.index("1. Talk with someone")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("can someone talk to me pls", "This is what I would ask:"),
        ("Talk with someone, please!", "This is what I would ask:"),
        ("i want to help ppl", "may I ask you whether you would talk with someone?"),
        ("how long do I have to wait?", "Nothing is open."),
        ("never mind", "Nothing is open"),
    ],
)
async def test_plain_words_for_what_the_menu_has_are_understood(story: Story, words: str, said: str) -> None:
    """Each does what its number does."""
    await story.comes("ana")
    assert said in await story.say("ana", words)


async def test_not_to_know_leaves_a_question_open_as_skip_does(story: Story) -> None:
    """Where there are choices; in own words it is what somebody writes."""
    await story.comes("ana")
    assert "How long would you like" in await story.says("ana", "talk", "2", "just listen", "dunno")
    request = story.member("ana").prompt
    assert request is not None
    assert (request.draft["wish"], request.draft["topics"], request.draft["note"]) == ("listening", [], "")
    await story.says("ana", "skip", "I don't know")
    request = story.member("ana").prompt
    assert request is not None
    assert request.draft["note"] == "I don't know"


@pytest.mark.parametrize("words", ["thank u", "ok", "ok thanks"])
async def test_thanks_are_answered_with_how_it_stands(story: Story, words: str) -> None:
    """Whoever is being looked for reads the next hour; an open question stands, and takes no ok for a yes."""
    await story.comes("ana")
    await story.says("ana", "talk", words)
    assert not story.records.all(Request)
    await story.say("ana", "yes")
    said = await story.say("ana", words)
    assert "The next time I ask people is" in said
    assert "1. Talk with someone" not in said
