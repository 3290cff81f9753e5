"""The steward room: who is heard there, and that each command is said again whole and done after one yes."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from schema.community import Community, Place
from schema.effects import RedactStewards, SendText, TellStewards
from schema.events import StewardMessage
from schema.ids import EventId, MatrixId
from schema.records import Ask, PeerRoom, Request, Stewardship
from schema.states import RequestState, RoomState
from tests.handlers.story import COMMUNITY, STEWARD_ROOM, STEWARDS, Story

LOOKED_AFTER = replace(
    COMMUNITY,
    stewards=(MatrixId("@sam:example.org"), MatrixId("@tess:example.org")),
    places=(
        Place("Night line", "0800 000 000", "20 to 6", "German, English", "no", "2026-11-01"),
        Place("Clinic", "030 000 000", "always", "German", "yes", "2026-09-15"),
    ),
)


@pytest.fixture
async def story() -> Story:
    """A community with two stewards, who are in their room."""
    story = Story(LOOKED_AFTER)
    await story.stewards("sam", "tess")
    return story


def kept(story: Story) -> Stewardship:
    """The one record that the stewards share."""
    (record,) = story.records.all(Stewardship)
    return record


# Who is heard


async def test_whoever_comes_in_is_greeted_and_nobody_twice() -> None:
    """They cannot read what was said before they came."""
    story = Story(LOOKED_AFTER)
    await story.stewards()
    assert not story.heard(STEWARDS)
    await story.stewards("sam")
    assert "I am the program of the Elm House." in story.last(STEWARDS)
    await story.stewards("sam")
    assert len(story.heard(STEWARDS)) == 1
    await story.stewards("sam", "tess")
    assert len(story.heard(STEWARDS)) == 2


async def test_the_room_speaks_the_first_language_of_the_community_and_hears_english_too() -> None:
    """Whatever language each member chose for their own chat."""
    story = Story(replace(LOOKED_AFTER, languages=("es", "en")))
    await story.stewards("sam")
    assert "Esta sala es para sus responsables" in story.last(STEWARDS)
    assert "No hay ninguna pausa." in await story.steward("sam", "seguir")
    assert "No hay ninguna pausa." in await story.steward("sam", "resume")


async def test_what_does_not_count_is_not_heard(story: Story) -> None:
    """Nobody but a joined steward of the configuration, with a message of their own, has anything done."""
    before = kept(story)
    said = len(story.heard(STEWARDS))
    assert not await story.steward("mallory", "status", "pause", "We rest.", "yes", counts=False)
    assert not await story.steward("sam", "pause", edits=True)
    assert kept(story) == before
    assert len(story.heard(STEWARDS)) == said


async def test_an_edit_never_counts_and_what_could_not_be_read_is_asked_for_again(story: Story) -> None:
    """Where a question is open an edit is told so; nothing is done by either."""
    await story.steward("sam", "pause", "We rest until Monday.")
    assert "edit" in await story.steward("sam", "yes", edits=True)
    message = StewardMessage(
        EventId("$lost"), STEWARD_ROOM, story.address("sam"), "", story.now, kind="unreadable", counts=True
    )
    await story.event(message)
    assert "could not read" in story.last(STEWARDS)
    assert kept(story).paused is None
    heard = len(story.heard(STEWARDS))
    await story.event(replace(message, counts=False))
    assert len(story.heard(STEWARDS)) == heard


async def test_stewards_talk_with_one_another_undisturbed(story: Story) -> None:
    """Only the room's own words are answered, and an open question is left alone by talk."""
    assert not await story.steward("sam", "Did you sleep?")
    await story.steward("sam", "resume", "pause", "We rest until Monday.")
    assert not await story.steward("sam", "I think that is right")
    assert not await story.steward("tess", "yes")
    assert kept(story).paused is None
    await story.steward("sam", "yes")
    assert kept(story).paused is not None


@pytest.mark.parametrize("doubt", [{"early": timedelta(hours=1)}, {"quotes": EventId("$older")}])
async def test_a_yes_that_may_be_meant_for_something_else_gets_the_question_again(
    story: Story, doubt: dict[str, timedelta]
) -> None:
    """A yes that was written before the question, or that quotes something, does nothing yet."""
    await story.steward("sam", "pause", "We rest until Monday.")
    said = await story.steward("sam", "yes", **doubt)  # type: ignore[arg-type]  # One of the two.
    assert "I am not sure that this was your answer." in said
    assert kept(story).paused is None
    await story.steward("sam", "1")
    assert kept(story).paused is not None


async def test_a_question_lapses_and_one_that_was_not_read_is_gone(story: Story) -> None:
    """A yes long after, or to a recap that never arrived, does nothing."""
    await story.steward("sam", "pause", "We rest until Monday.")
    await story.wait(story.community.timings.idle)
    assert not kept(story).questions, "what was typed goes with it"
    assert not await story.steward("sam", "yes")
    story.lose = lambda effect: isinstance(effect, TellStewards)
    await story.steward("sam", "pause", "We rest until Monday.")
    story.lose = lambda effect: False
    assert not await story.steward("sam", "yes")
    assert kept(story).paused is None
    assert not kept(story).questions


async def test_a_number_without_a_question_is_told_to_do_nothing(story: Story) -> None:
    """Silence would look like a yes that was taken: their question may have lapsed, or is a colleague's."""
    await story.steward("sam", "pause", "We rest until Monday.")
    assert "No question of mine is open for you" in await story.steward("tess", "1")
    await story.wait(story.community.timings.idle)
    assert "No question of mine is open for you" in await story.steward("sam", "1")
    assert kept(story).paused is None


async def test_whoever_leaves_or_is_named_no_more_has_nothing_open(story: Story) -> None:
    """Their question goes with them."""
    await story.steward("sam", "pause")
    await story.stewards("tess")
    assert not kept(story).questions
    await story.steward("tess", "pause")
    story.community = replace(story.community, stewards=(MatrixId("@sam:example.org"),))
    await story.stewards("sam", "tess")
    assert kept(story).here == (story.id("sam"),)
    assert not kept(story).questions


async def test_stop_ends_an_open_question(story: Story) -> None:
    """`stop` means it, where words of their own are asked for too."""
    await story.steward("sam", "pause")
    assert await story.steward("sam", "stop") == "Nothing changed."
    assert not kept(story).questions


# How it stands


async def test_status_is_five_lines_without_people(story: Story) -> None:
    """Numbers come in steps alone, and what is not well is named as /readyz has it."""
    for name in ("ana", "ben", "cleo"):
        await story.comes(name)
    await story.offers("ben")
    await story.asks("ana")
    few = await story.steward("sam", "status")
    assert few.count("\n") == 4
    assert "Requests: fewer than 5. Offers: fewer than 5. Open rooms: fewer than 5." in few
    assert "All my parts are well." in few
    assert "Stewards in this room: 2 of 2." in few
    story.unwell = "keeper timer"
    assert "Not well: the keeper cannot be seen to be deaf" in await story.steward("sam", "status")
    for number in range(7):
        await story.comes(f"peer-{number}")
        await story.offers(f"peer-{number}")
    assert "Offers: 5 or more." in await story.steward("sam", "status")


# A pause


async def asks(story: Story) -> None:
    """Somebody offers, and somebody asks."""
    await story.comes("ben")
    await story.offers("ben", hours="3")
    await story.comes("ana")
    await story.asks("ana")


async def paused(story: Story, words: str = "We rest until Monday.") -> None:
    """A steward pauses asking."""
    await story.steward("sam", "pause", words, "yes")


async def test_while_it_is_paused_nobody_new_is_asked_and_whoever_asks_is_told(story: Story) -> None:
    """Promise 3: the words, the places and the hour of the next try; then people are asked at once."""
    await paused(story)
    await story.comes("ben")
    await story.offers("ben", hours="3")
    await story.comes("ana")
    assert "Someone may be there" not in await story.say("ana", "talk"), "it would not be so"
    await story.asks("ana")
    said = story.last("ana")
    for part in ("We rest until Monday.", "Your request stands until", "Night line: 0800 000 000"):
        assert part in said
    assert not story.records.all(Ask)
    heard = len(story.heard("ana"))
    await story.wait(timedelta(hours=1))
    assert len(story.heard("ana")) == heard, "told once"
    assert "We rest until Monday." in await story.say("ana", "status")
    await story.steward("tess", "resume", "yes")
    await story.wait(timedelta(seconds=1))
    assert "I am asking people now." in story.last("ana")
    assert "Someone asks for company." in story.last("ben")


async def test_a_request_that_stood_is_told_at_its_next_try(story: Story) -> None:
    """Nobody waits without knowing: within the time between two tries."""
    await story.comes("ana")
    await story.asks("ana")
    await paused(story)
    await story.wait(story.community.timings.ask_again)
    assert "We rest until Monday." in story.last("ana")


async def test_a_request_that_lapses_in_a_pause_says_why(story: Story) -> None:
    """It is not said that nobody was free."""
    await paused(story)
    await story.comes("ana")
    await story.asks("ana")
    await story.wait(story.community.timings.request_open + timedelta(minutes=1))
    assert "I was not allowed to ask anyone in that time." in story.last("ana")
    assert not story.records.all(Request)


async def test_what_was_begun_goes_on_and_rooms_end_as_they_were_to(story: Story) -> None:
    """An ask that was put can still be answered, and what comes of it goes its way to the receipt."""
    await asks(story)
    await paused(story)
    await story.says("ben", "1", "1")
    await story.says("ana", "1")
    assert story.the_room().state is RoomState.OPEN
    await story.wait(timedelta(hours=2))
    assert story.the_room().state is RoomState.READABLE
    await story.wait(timedelta(days=3))
    assert not story.records.all(PeerRoom)


async def test_an_ask_that_was_not_put_yet_is_taken_back(story: Story) -> None:
    """It counted as not asked, and would be one to somebody new."""
    await story.comes("ben")
    await story.offers("ben", hours="3")
    await story.says("ben", "talk", "2")
    await story.comes("ana")
    await story.asks("ana")
    assert story.records.all(Ask)
    await paused(story)
    assert not story.records.all(Ask)
    assert story.the_request().state is RequestState.LOOKING


async def test_other_words_replace_those_that_were_told(story: Story) -> None:
    """The pause goes on, from when it began."""
    await paused(story)
    since = kept(story).paused
    await paused(story, "We rest until Tuesday.")
    now = kept(story).paused
    assert since is not None
    assert now is not None
    assert (now.since, now.words) == (since.since, "We rest until Tuesday.")


async def test_without_a_named_steward_nothing_stays_paused(story: Story) -> None:
    """Nobody could end it."""
    await paused(story)
    story.community = replace(story.community, stewards=())
    await asks(story)
    assert story.records.all(Ask)


# The places of help


async def test_a_place_that_was_not_checked_is_said_once() -> None:
    """Also when it comes to that while the service runs; again only after it was checked meanwhile."""
    story = Story(LOOKED_AFTER)
    await story.stewards("sam")
    assert "to be checked" not in story.last(STEWARDS)
    await story.wait(timedelta(days=20))
    assert "These places of help are to be checked again: Clinic." in story.last(STEWARDS)
    said = len(story.heard(STEWARDS))
    await story.stewards("sam")
    await story.wait(timedelta(days=30))
    assert len(story.heard(STEWARDS)) == said
    assert "Clinic: 030 000 000. Open: always. Last checked: 15 September 2026. That" in await story.steward(
        "sam", "places"
    )
    await story.steward("sam", "checked 2", "yes")
    assert "Last checked: 16 January 2027.\n" not in await story.steward("sam", "places")
    await story.comes("ana")
    assert "Last checked: 16 January 2027." in await story.say("ana", "help now")
    await story.wait(timedelta(days=93))
    assert "checked again: Clinic." in story.last(STEWARDS)


async def test_where_nobody_is_in_the_room_it_is_said_to_the_first_who_comes() -> None:
    """Nobody would have read it."""
    story = Story(LOOKED_AFTER)
    await story.stewards()
    await story.wait(timedelta(days=30))
    assert not story.heard(STEWARDS)
    await story.stewards("sam")
    assert "checked again: Clinic." in story.last(STEWARDS)


@pytest.mark.parametrize("word", ["checked", "checked 0", "checked 3", "checked the list", "checked ²"])
async def test_only_a_place_on_the_list_can_be_checked(story: Story, word: str) -> None:
    """Any other number changes nothing."""
    assert "number of a place" in await story.steward("sam", word)
    assert not kept(story).checked


async def test_a_day_is_kept_only_as_long_as_the_place(story: Story) -> None:
    """Another contact is another place, and nobody has made sure of it."""
    await story.steward("sam", "checked 1", "yes")
    assert list(kept(story).checked) == ["Night line\n0800 000 000"]
    moved = replace(story.community.places[0], contact="0800 111 111")
    story.community = replace(story.community, places=(moved,))
    await story.stewards("sam")
    assert not kept(story).checked


# What members learn


@pytest.mark.parametrize("state", [asks, paused])
async def test_nothing_of_the_room_is_said_in_a_members_chat(
    story: Story, state: Callable[[Story], Awaitable[None]]
) -> None:
    """And nothing of a member in the room: no address but the steward's own."""
    await state(story)
    await story.steward("sam", "status", "places", "menu")
    told = [effect.body for _, effect in story.effects if isinstance(effect, TellStewards)]
    assert not any(story.address(name) in body for name in ("ana", "ben") for body in told)
    said = [effect.body for _, effect in story.effects if isinstance(effect, SendText)]
    assert not any("steward" in body for body in said)


async def test_a_steward_is_told_that_they_are_one(story: Story) -> None:
    """`what do you hold` names it, and nobody else reads that."""
    for name in ("sam", "ana"):
        await story.comes(name)
    assert "That you are a steward" in await story.say("sam", "what do you hold")
    assert "That you are a steward" not in await story.say("ana", "what do you hold")


def test_the_stewards_are_nobodys_by_default() -> None:
    """A community may have none."""
    assert Community("a", "b", "c", "d").stewards == ()


# What was said there


async def test_what_the_service_said_there_is_taken_back(story: Story) -> None:
    """After the community's time and within a day of it, without a word; those who come are told so."""
    assert "I take back what I said here after 7 days" in story.last(STEWARDS)
    story.community = replace(story.community, places=())
    await story.steward("sam", "status")
    said, heard = story.now, len(story.heard(STEWARDS))

    def orders() -> list[RedactStewards]:
        return [effect for _, effect in story.effects if isinstance(effect, RedactStewards)]

    await story.wait(timedelta(days=7))
    assert not [order for order in orders() if order.before > said]
    story.lose = lambda effect: isinstance(effect, RedactStewards)
    await story.wait(timedelta(days=4))
    lost = len(orders())
    assert lost
    story.lose = lambda effect: False
    await story.wait(timedelta(days=10))
    assert len(orders()) > lost
    assert orders()[lost].since is None
    assert said < orders()[-1].before
    assert (kept(story).said, kept(story).sweep_at, kept(story).due_at) == (None, None, None)
    assert len(story.heard(STEWARDS)) == heard
