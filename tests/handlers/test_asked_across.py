"""A linked community asks, and one of ours keeps its member company: what they read, and what crosses.

The other side's words are put across by hand, under its own keys.
"""

import asyncio
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers import heard_across, odd
from handlers.desk import Desk, Mark
from handlers.question import Question
from schema.effects import PurgeGuestRoom
from schema.events import Due
from schema.ids import LinkId, MatrixId, RoomId
from schema.records import Ask as Asked
from schema.records import (
    GuestRoom,
    Link,
    Meeting,
    Member,
    Pairing,
    PeerRoom,
    Prompt,
    Request,
    Separation,
)
from schema.states import AskState, GuestRoomState
from schema.wire import BODY, Answer, Ask, Body, Close, Consent, Introduce, Note, Withdraw
from service.core.guest_rooms import GRACE, THEIRS, UNHEARD
from tests.handlers.story import Story
from tests.handlers.two import NORTH_AT, Two, link_of

REQUEST = "a" * 32
ANA = MatrixId("@ana:north.example")
ROOM = RoomId("!theirs")
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
_BETWEEN = (Answer, Consent, Introduce, Withdraw, Close, Ask, Note)


class Asks(Two):
    """The north's words are put across by hand; what the south says in answer is read as it crosses."""

    def __init__(self, told: Story | None = None) -> None:
        super().__init__(told)
        self.read = 0

    async def puts(self, *bodies: Body) -> list[Body]:
        """The north's program says this; what crosses to it in answer."""
        for body in bodies:
            self.north.now = self.south.now
            assert await self.put_across(self.north, body)
        return await self.answers()

    async def answers(self) -> list[Body]:
        """What crossed from the south about members since this was asked last."""
        self.north.now = self.south.now
        await self.carry()
        new, self.read = self.crossed[self.read :], len(self.crossed)
        return [body for to, body in new if to is self.north and isinstance(body, _BETWEEN)]

    async def willing(self) -> str:
        """Ben said yes to the question; the name of his answer."""
        await self.south.comes("ben")
        await self.south.offers("ben", hours="3")
        await self.puts(wish(self.south))
        await self.south.say("ben", "1")
        (answer,) = await self.answers()
        assert isinstance(answer, Answer)
        return answer.answer

    async def ready(self) -> str:
        """Ben read the note and goes on."""
        answer = await self.willing()
        await self.puts(words(answer))
        await self.south.say("ben", "1")
        (consent,) = await self.answers()
        assert isinstance(consent, Consent)
        return answer

    async def awaited(self) -> str:
        """Both addresses crossed."""
        answer = await self.ready()
        (introduced,) = await self.puts(who(answer))
        assert isinstance(introduced, Introduce)
        return answer

    async def opened(self) -> str:
        """The room is open."""
        answer = await self.awaited()
        assert await self.puts(who(answer, ROOM, self.south.now + HOUR)) == []
        return answer

    async def closed(self) -> str:
        """Nobody writes in it any more."""
        answer = await self.opened()
        assert await self.puts(end(answer, "ended")) == []
        return answer

    def guest(self) -> GuestRoom:
        """The one room of a linked community."""
        (room,) = self.south.records.all(GuestRoom)
        return room


def wish(side: Story, **changes: object) -> Ask:
    """The north's member asks to be listened to about burnout, for an hour."""
    said: dict[str, object] = {
        "request": REQUEST,
        "wish": "listening",
        "topics": ("burnout",),
        "topics_only": False,
        "languages": ("en",),
        "writing": True,
        "voice": False,
        "minutes": 60,
        "wait": 120,
        "ages": "adults",
        "reporters": False,
        "start": None,
        "until": int((side.now + timedelta(hours=12)).timestamp()),
    }
    return Ask.model_validate({**said, **changes})


def words(answer: str, note: str = "It has been\na long week.") -> Note:
    """The member's own words, for whoever gave the answer."""
    return Note(request=REQUEST, answer=answer, note=note, how=("slow",))


def who(
    answer: str, room: RoomId | None = None, ends: datetime | None = None, user: MatrixId = ANA
) -> Introduce:
    """The asker by address; then with the room."""
    seconds = None if ends is None else int(ends.timestamp())
    return Introduce(request=REQUEST, answer=answer, user=user, room=room, ends=seconds)


def end(answer: str, step: str, reached: str | None = None, met: bool | None = None) -> Close:
    """How the room stands in the north."""
    said = {"request": REQUEST, "answer": answer, "step": step, "reached": reached, "met": met}
    return Close.model_validate(said)


@pytest.fixture
async def two() -> Asks:
    """Two communities with a link that stands."""
    two = Asks()
    await two.linked()
    two.read = len(two.crossed)
    return two


async def test_one_of_ours_keeps_somebody_of_a_linked_community_company(two: Asks) -> None:
    """From the question, which names the community, to the receipt; each step says what crosses."""
    south = two.south
    await south.comes("ben")
    await south.offers("ben", hours="3")
    assert await two.puts(wish(south)) == []
    asked = south.last("ben")
    assert "Someone of “the Elm House” asks for company." in asked
    assert "hears that somebody here said yes, and not who" in asked
    assert "the Elm House" in await south.say("ben", "1")
    (answer,) = await two.answers()
    assert answer == Answer(request=REQUEST, answer=south.ask_of("ben").id, wish="listening", minutes=60)
    assert await two.puts(words(answer.answer)) == []
    noted = south.last("ben")
    assert "They wrote: “It has been a long week.”" in noted
    assert "An account of north.example invites you" in noted
    assert "server and theirs can each keep a copy" in noted
    # Whether it is so that program alone knows: it is never promised here.
    assert "Only you two can read" not in noted
    assert "Their program sees to that, and I cannot check it." in noted
    assert "I tell you by" in await south.say("ben", "1")
    (consent,) = await two.answers()
    assert isinstance(consent, Consent)
    assert (consent.card, consent.fear) == ("I like walks.", "tell_first")
    assert consent.until == int((south.now + 2 * HOUR).timestamp())
    assert south.ask_of("ben").note == ""
    before = await south.say("ben", "status")
    (ours,) = await two.puts(who(answer.answer))
    assert ours == who(answer.answer, user=south.address("ben"))
    # Until the room is there nothing shows that it is awaited.
    assert await south.say("ben", "status") == before
    assert "made for you" not in await south.say("ben", "what do you hold")
    assert await two.puts(who(answer.answer, ROOM, south.now + HOUR)) == []
    heard = south.last("ben")
    assert "“the Elm House” opened a private room" in heard
    assert "an account of north.example" in heard
    assert "How the other person talks: slowly" in heard
    assert "Only you two can read" not in heard
    assert "Your app shows whether the room is encrypted, and who is in it." in heard
    assert south.records.all(Asked) == [] or south.ask_of("ben").state is AskState.OVER
    assert "Your room with someone of “the Elm House” is open" in await south.say("ben", "status")
    assert "made for you and one of its members" in await south.say("ben", "what do you hold")
    assert "The room that is open" in await south.say("ben", "my consents")
    assert "I ask the program of “the Elm House”" in await south.say("ben", "close")
    assert await two.answers() == [end(answer.answer, "ended")]
    assert "I asked the program" in await south.say("ben", "status")
    assert await two.puts(end(answer.answer, "ended")) == []
    assert "nobody can write in it now" in south.last("ben")
    assert "never again" in south.last("ben")
    assert "1. I would talk with this person again" in south.last("ben")
    assert (two.guest().other_matrix_id, two.guest().consents) == ("", ())
    assert await two.puts(end(answer.answer, "removed")) == []
    assert not any(isinstance(one, PurgeGuestRoom) for _, one in south.effects)
    await south.wait(south.community.timings.settle + MINUTE)
    orders = [one for _, one in south.effects if isinstance(one, PurgeGuestRoom)]
    assert orders == [PurgeGuestRoom(two.guest().id, ROOM, "north.example")]
    assert await two.answers() == [end(answer.answer, "gone", "cannot")]
    assert await two.puts(end(answer.answer, "gone", "purged")) == []
    receipt = south.last("ben")
    assert "says that you are both out of the room" in receipt
    assert "Stays: the encrypted copy on our own server" in receipt
    assert "Gone, as their program says" in receipt
    assert "another server's copy" in receipt
    assert south.records.all(GuestRoom) == []


async def test_nothing_of_a_no_and_of_a_silence_crosses(two: Asks) -> None:
    """And nothing says when somebody was asked."""
    south = two.south
    for name in ("ben", "cem"):
        await south.comes(name)
        await south.offers(name, hours="3")
    await two.puts(wish(south))
    assert "Nobody is told" in await south.say("ben", "3")
    await south.wait(timedelta(hours=13))
    assert await two.answers() == []
    assert south.records.all(Request) == []


async def test_a_yes_that_cannot_cross_is_not_told_as_heard(two: Asks) -> None:
    """The link is paused since the question: it holds to the hour, and nobody there hears of it."""
    south = two.south
    await south.comes("ben")
    await south.offers("ben", hours="3")
    await two.puts(wish(south))
    await two.says(south, f"pause {NORTH_AT}", "yes")
    said = await south.say("ben", "1")
    assert await two.answers() == []
    assert "hears that somebody here said yes" not in said
    assert "cannot reach the program of “the Elm House”" in said
    hour = south.ask_of("ben").due_at
    await south.wait(3 * HOUR)
    assert told_off(south) == [hour]


async def test_less_crosses_as_less(two: Asks) -> None:
    """A smaller yes, and no more than the longest that is here."""
    south = two.south
    south.community = replace(
        south.community, timings=replace(south.community.timings, longest=timedelta(minutes=45))
    )
    await south.comes("ben")
    await south.offers("ben", hours="3")
    await two.puts(wish(south, wish="ideas"))
    assert "up to 45 minutes" in south.last("ben")
    await south.says("ben", "30 min and only listening", "1")
    (answer,) = await two.answers()
    assert isinstance(answer, Answer)
    assert (answer.wish, answer.minutes) == ("listening", 30)


async def test_across_a_link_two_agree_on_writing_alone(two: Asks) -> None:
    """The asker never reads that the peer would talk by voice, so ours is not told that it was agreed."""
    south = two.south
    await south.comes("ben")
    await south.offers("ben", hours="3")
    offer = south.offer_of("ben")
    south.records.rows["offers", offer.id] = replace(offer, voice=True)
    await two.puts(wish(south, voice=True))
    asked = south.ask_of("ben")
    assert (asked.talking.writing, asked.talking.voice) == (True, False)


async def test_nobody_who_must_report_is_asked_unless_the_asker_allowed_it(two: Asks) -> None:
    """The other side never learns who that is."""
    south = two.south
    await south.comes("ben")
    await south.offers("ben", hours="3", fear="3")
    await two.puts(wish(south))
    assert south.records.all(Asked) == []
    await two.puts(wish(south, request="b" * 32, reporters=True))
    assert [one.member for one in south.records.all(Asked)] == [south.id("ben")]


@pytest.mark.parametrize("changes", [{"start": 4_000_000_000}, {"wish": "mutual"}, {"until": 1}])
async def test_what_is_not_taken_is_as_nobody_there(two: Asks, changes: dict[str, object]) -> None:
    """For later, for two who both look, and what is over already."""
    await two.south.comes("ben")
    await two.south.offers("ben", hours="3")
    assert await two.puts(wish(two.south, **changes)) == []
    assert two.south.records.all(Request) == []
    assert two.south.records.all(Asked) == []


@pytest.mark.parametrize("changes", [{"ages": "young"}, {"adult_from": 16}])
async def test_a_community_that_changed_its_ages_is_asked_by_none_of_before(
    two: Asks, changes: dict[str, object]
) -> None:
    """The link's terms are as they were made; adults and young people never come together by that."""
    south = two.south
    south.community = replace(south.community, **changes)  # type: ignore[arg-type]  # a table of fields
    await south.comes("ben")
    await south.offers("ben", hours="3")
    await two.puts(wish(south))
    assert south.records.all(Request) == []
    assert south.records.all(Asked) == []


@pytest.mark.parametrize(
    ("pauses", "resumes"),
    [
        ([f"pause {NORTH_AT}", "yes"], [f"resume {NORTH_AT}", "yes"]),
        (["pause", "We rest today.", "yes"], ["resume", "yes"]),
    ],
    ids=["link", "service"],
)
async def test_while_a_link_or_the_service_is_paused_nobody_is_asked(
    two: Asks, pauses: list[str], resumes: list[str]
) -> None:
    """A yes could not cross, or nobody is to be asked; afterwards the rounds go on."""
    south = two.south
    await two.puts(wish(south))
    await two.says(south, *pauses)
    await south.comes("ben")
    await south.offers("ben", hours="3")
    await south.wait(HOUR)
    assert south.records.all(Asked) == []
    await two.says(south, *resumes)
    await south.wait(HOUR)
    assert len(south.records.all(Asked)) == 1


def told_off(side: Story) -> list[datetime]:
    """When ben was told that no room opens."""
    return [at for at, said, _ in side.heard("ben") if "This time no room opens" in said]


@pytest.mark.parametrize(
    ("step", "which"),
    [
        *(("willing", "request"), ("ready", "request")),
        *(("willing", "answer"), ("ready", "answer"), ("awaited", "answer")),
    ],
)
async def test_who_said_yes_hears_of_an_end_at_their_own_hour(two: Asks, step: str, which: str) -> None:
    """Whatever ended it there, and whenever: as with a request of our own."""
    south = two.south
    answer = await getattr(two, step)()
    hour = south.ask_of("ben").due_at
    heard = len(south.heard("ben"))
    stands = await south.say("ben", "status")
    assert await two.puts(Withdraw(request=REQUEST, answer=answer if which == "answer" else None)) == []
    assert await south.say("ben", "status") == stands
    assert len(south.heard("ben")) == heard + 2
    assert await two.puts(words(answer), who(answer), who(answer, ROOM, south.now + HOUR)) == []
    await south.wait(3 * HOUR)
    assert told_off(south) == [hour]
    assert south.records.all(GuestRoom) == []
    assert await two.answers() == []


async def test_a_note_that_was_read_reads_the_same_when_nothing_can_come_of_it(two: Asks) -> None:
    """That the request is over shows at the hour alone; a yes to it crosses to nobody."""
    south = two.south
    answer = await two.willing()
    await two.puts(words(answer))
    before = await south.say("ben", "back")
    await two.puts(Withdraw(request=REQUEST, answer=None))
    assert await south.say("ben", "back") == before
    assert "I tell you by" in await south.say("ben", "1")
    hour = south.ask_of("ben").due_at
    await south.wait(3 * HOUR)
    assert told_off(south) == [hour]
    assert await two.answers() == []


@pytest.mark.parametrize("opens", [True, False])
async def test_the_end_of_a_request_says_nothing_of_a_room(two: Asks, opens: bool) -> None:
    """It may have ended in this very meeting, and overtaken it; else our member hears at their hour."""
    south = two.south
    answer = await two.awaited()
    hour = south.ask_of("ben").due_at
    assert await two.puts(Withdraw(request=REQUEST, answer=None)) == []
    if opens:
        await two.puts(who(answer, ROOM, south.now + HOUR))
        assert two.guest().state is GuestRoomState.OPEN
    await south.wait(3 * HOUR)
    assert told_off(south) == ([] if opens else [hour])
    assert len(south.records.all(GuestRoom)) == opens


@pytest.mark.parametrize("how", ["apart", "stranger"])
async def test_two_who_are_kept_apart_end_as_every_other_reason(two: Asks, how: str) -> None:
    """The other side hears what it hears of a step back, and ours at their hour, however it is spelt."""
    south = two.south
    answer = await two.ready()
    hour = south.ask_of("ben").due_at
    if how == "apart":
        await south.says("ben", f"keep apart {ANA}", "1")
    user = MatrixId("@Ana:north.example") if how == "apart" else south.address("ben")
    assert await two.puts(who(answer, user=user)) == [Withdraw(request=REQUEST, answer=answer)]
    assert await two.puts(who(answer, user=user)) == []
    await south.wait(3 * HOUR)
    assert told_off(south) == [hour]
    assert south.records.all(GuestRoom) == []


@pytest.mark.parametrize("comes", [True, False])
async def test_a_name_shows_nobody_who_is_a_member_here(two: Asks, comes: bool) -> None:
    """Of our own homeserver nobody is taken, member or not; of any other whoever stands on no list."""
    south = two.south
    answer = await two.ready()
    if comes:
        await south.comes("cem")
    # Of the story's members nobody has an account of their program's homeserver.
    assert await two.puts(who(answer, user=south.address("cem"))) == [
        who(answer, user=south.address("ben")),
    ]


@pytest.mark.parametrize("user", ["@nobody:south.example", "@nobody:South.Example"])
async def test_nobody_of_our_own_homeserver_asks_across(two: Asks, user: str) -> None:
    """As with a match on a list, and whether there is such an account or not."""
    answer = await two.ready()
    withdrawn = Withdraw(request=REQUEST, answer=answer)
    assert await two.puts(who(answer, user=MatrixId(user))) == [withdrawn]


async def test_of_two_who_would_go_on_one_meets_the_asker(two: Asks) -> None:
    """A partner that takes both gets one address: the other one's hour passes as ever."""
    south = two.south
    for name in ("ben", "cem"):
        await south.comes(name)
        await south.offers(name, hours="3")
    await two.puts(wish(south))
    names: list[str] = []
    for name in ("ben", "cem"):
        await south.say(name, "1")
        (answer,) = [one for one in await two.answers() if isinstance(one, Answer)]
        await two.puts(words(answer.answer))
        await south.say(name, "1")
        names.append(answer.answer)
    await two.answers()
    first, second = names
    assert await two.puts(who(first)) == [who(first, user=south.address("ben"))]
    assert await two.puts(who(second)) == [Withdraw(request=REQUEST, answer=second)]
    await two.puts(who(first, ROOM, south.now + HOUR))
    await south.wait(3 * HOUR)
    assert "This time no room opens" in south.last("cem")


async def test_a_step_back_crosses_after_the_last_yes_alone(two: Asks) -> None:
    """A no to the note is a silence there; a yes taken back is a word without a reason."""
    south = two.south
    answer = await two.willing()
    await two.puts(words(answer))
    assert "stepped back" in await south.say("ben", "2")
    assert await two.answers() == []


@pytest.mark.parametrize("step", ["ready", "awaited"])
async def test_a_last_yes_can_be_taken_back_until_the_room_is_open(two: Asks, step: str) -> None:
    """The other side hears that nothing comes of it, and a room that it opens all the same is not told."""
    south = two.south
    answer = await getattr(two, step)()
    heard = await south.say("ben", "stop")
    if "Which" in heard or "1." in heard:
        heard = await south.say("ben", "1")
    assert "stepped back" in heard
    assert await two.answers() == [Withdraw(request=REQUEST, answer=answer)]
    assert await two.puts(who(answer), who(answer, ROOM, south.now + HOUR)) == []
    assert south.records.all(GuestRoom) == []


async def test_a_room_that_does_not_come_is_over_at_the_hour(two: Asks) -> None:
    """The other side hears so, ours what they hear of every other."""
    south = two.south
    answer = await two.awaited()
    hour = south.ask_of("ben").due_at
    await south.wait(3 * HOUR)
    assert told_off(south) == [hour]
    assert await two.answers() == [Withdraw(request=REQUEST, answer=answer)]
    assert south.records.all(GuestRoom) == []


async def test_a_room_that_opens_while_nothing_was_due_is_told_as_open_alone(two: Asks) -> None:
    """The hour passed while the service stood still: it is not said beside that, that no room opens."""
    south = two.south
    answer = await two.awaited()
    hour = south.ask_of("ben").due_at
    assert hour is not None
    south.now = hour + MINUTE
    await two.puts(who(answer, ROOM, south.now + HOUR))
    assert two.guest().state is GuestRoomState.OPEN
    await south.wait(3 * HOUR)
    assert told_off(south) == []


async def test_who_the_other_is_does_not_change(two: Asks) -> None:
    """A room for another address, or a second one, is none."""
    south = two.south
    answer = await two.awaited()
    eve = MatrixId("@eve:north.example")
    await two.puts(who(answer, ROOM, south.now + HOUR, user=eve), who(answer, user=eve))
    assert two.guest().state is GuestRoomState.AWAITED
    # An end that is later than what was agreed, or past, is as good as none.
    await two.puts(who(answer, ROOM, datetime(9999, 1, 1, tzinfo=UTC)))
    assert two.guest().ends_at == south.now + HOUR
    await two.puts(who(answer, RoomId("!other"), south.now + MINUTE))
    assert (two.guest().room, two.guest().ends_at) == (ROOM, south.now + HOUR)


async def test_whoever_is_in_such_a_room_is_asked_nothing_and_asks_nothing(two: Asks) -> None:
    """As in a room of our own; and they rest after it."""
    south = two.south
    answer = await two.opened()
    assert "You have a room with someone" in await south.say("ben", "talk")
    assert "How much more time would you like?" in await south.say("ben", "extend")
    await south.comes("cem")
    await south.asks("cem")
    assert not any(
        one.member == south.id("ben") for one in south.records.all(Asked) if one.request != REQUEST
    )
    await two.puts(end(answer, "ended"))
    assert south.offer_of("ben").rest_until == south.now + south.community.timings.rest


@pytest.mark.parametrize("steps", [["ended", "removed", "gone"], ["removed", "gone"], ["gone"]])
async def test_where_the_two_never_met_nothing_is_asked_afterwards(two: Asks, steps: list[str]) -> None:
    """As with a room of our own nothing is asked, and nobody rests; but a mark is kept, and that is said."""
    south = two.south
    answer = await two.opened()
    await two.puts(end(answer, steps[0], met=False))
    assert "did not meet in it" in south.last("ben")
    (mark,) = south.records.all(Meeting)
    assert mark.due_at <= south.now + timedelta(days=14)
    assert "1." not in south.last("ben")
    assert south.offer_of("ben").rest_until is None
    await two.puts(*(end(answer, step, met=False) for step in steps[1:]))
    await south.wait(timedelta(days=4))
    assert "This is what was done" in south.last("ben")
    assert "the mark of you two" in south.last("ben")
    assert south.records.all(GuestRoom) == []


@pytest.mark.parametrize("met", [True, None])
async def test_where_it_is_not_said_they_are_taken_to_have_met(two: Asks, met: bool | None) -> None:
    """What a member may say afterwards is not lost by a silence of another program."""
    answer = await two.opened()
    await two.puts(end(answer, "ended", met=met))
    assert len(two.south.records.all(Meeting)) == 1


@pytest.mark.parametrize("said", [["pass on"], ["my consents", "1", "2"], ["close"], ["stop", "1"]])
async def test_every_way_out_of_it_closes_it(two: Asks, said: list[str]) -> None:
    """No reason crosses, and it is asked for once."""
    answer = await two.opened()
    assert "close the room now" in await two.south.says("ben", *said)
    assert await two.answers() == [end(answer, "ended")]
    assert "close the room now" in await two.south.say("ben", "close")
    assert await two.answers() == []


async def test_only_the_other_side_can_erase_it(two: Asks) -> None:
    """Whoever asks for it reads so, and when they hear more."""
    await two.closed()
    assert "Only the other person's community can do that" in await two.south.say("ben", "erase now")
    assert await two.answers() == []


@pytest.mark.parametrize("step", ["opened", "closed"])
async def test_nothing_is_kept_longer_than_it_is_for(two: Asks, step: str) -> None:
    """The note goes with the answer to it, the address with the end of the room."""
    await getattr(two, step)()
    kept = repr(two.south.records.rows)
    assert "long week" not in kept
    assert (str(ANA) in kept) is (step == "opened")


async def test_never_again_after_such_a_room(two: Asks) -> None:
    """It is kept on our side, and holds; nothing of it crosses."""
    south = two.south
    answer = await two.opened()
    other = two.guest().other
    await two.puts(end(answer, "ended"))
    (meeting,) = south.records.all(Meeting)
    assert (meeting.across, meeting.other) == (two.guest().across, other)
    await south.says("ben", "never again", "yes")
    assert [one.other for one in south.records.all(Separation)] == [other]
    assert south.records.all(Meeting) == []
    assert await two.answers() == []


async def test_where_nothing_is_heard_any_more_it_is_over_here(two: Asks) -> None:
    """At an hour, with what our member can do themselves; our copy is to go, and nothing is kept of it."""
    south = two.south
    answer = await two.opened()
    ends = two.guest().ends_at
    assert ends is not None
    await south.wait(ends + GRACE + MINUTE - south.now)
    assert "I have heard nothing of it" in south.last("ben")
    orders = [one for _, one in south.effects if isinstance(one, PurgeGuestRoom)]
    assert orders == []
    await south.wait(UNHEARD + HOUR)
    (order,) = [one for _, one in south.effects if isinstance(one, PurgeGuestRoom)]
    assert order.room == ROOM
    heard = "\n".join(said for _, said, _ in south.heard("ben"))
    assert "I hear nothing more of your room" in heard
    assert "Stays: the encrypted copy on our own server" in heard
    assert "you are both out of it" not in heard
    assert south.records.all(GuestRoom) == []
    assert await two.answers() == [end(answer, "gone", "cannot")]


@pytest.mark.parametrize("purges", [True, False])
@pytest.mark.parametrize("step", ["opened", "closed", "removed"])
async def test_our_copy_goes_also_where_the_link_is_over(two: Asks, step: str, purges: bool) -> None:
    """At the hour that it has without a word of theirs; that it may stay is said, or that it does."""
    south = two.south
    south.community = replace(south.community, purges=purges)
    answer = await two.closed() if step == "removed" else await getattr(two, step)()
    if step == "removed":
        await two.puts(end(answer, "removed"))
    await two.says(south, f"cut {NORTH_AT}", "yes")
    if step != "removed":
        assert ("may stay" if purges else "Our server keeps its copy until whoever") in south.last("ben")
    await south.wait(UNHEARD + timedelta(days=3))
    assert len([one for _, one in south.effects if isinstance(one, PurgeGuestRoom)]) == 1
    reached = "Gone: the room on our own server" if purges else "Stays: the encrypted copy on our own server"
    assert reached in south.last("ben")
    assert south.records.all(GuestRoom) == []


async def test_the_receipt_does_not_wait_for_ever_for_the_other_side(two: Asks) -> None:
    """It then says that nothing was said."""
    south = two.south
    south.community = replace(south.community, purges=True)
    answer = await two.closed()
    await two.puts(end(answer, "removed"))
    await south.wait(south.community.timings.settle + THEIRS + HOUR)
    assert "Gone: the room on our own server" in south.last("ben")
    assert "has not said what became" in south.last("ben")
    assert south.records.all(GuestRoom) == []


async def test_forgotten_in_such_a_room(two: Asks) -> None:
    """The other side is to close it; here nothing names them, and our copy is erased all the same."""
    south = two.south
    answer = await two.opened()
    await south.says("ben", "forget me", "yes")
    heard = "\n".join(said for _, said, _ in south.heard("ben")[-2:])
    assert "I cannot take you out" in heard
    assert "taken out of the rooms" not in heard
    assert "could not tell" not in heard
    assert await two.answers() == [end(answer, "ended")]
    left = two.guest()
    assert (left.member, left.other, left.other_matrix_id, left.consents) == ("", "", "", ())
    await two.puts(end(answer, "ended"), end(answer, "removed"))
    await south.wait(timedelta(days=4))
    assert any(isinstance(one, PurgeGuestRoom) for _, one in south.effects)
    assert not [key for key in south.records.rows if key[0] in ("guest_rooms", "meetings", "members", "asks")]


async def test_forgotten_where_the_other_side_cannot_hear_it(two: Asks) -> None:
    """It is said that their program was not told."""
    await two.opened()
    await two.says(two.south, f"cut {NORTH_AT}", "yes")
    await two.south.says("ben", "forget me", "yes")
    heard = "\n".join(said for _, said, _ in two.south.heard("ben")[-3:])
    assert "I could not tell its program" in heard


@pytest.mark.parametrize("step", ["willing", "ready", "awaited"])
async def test_forgotten_before_such_a_room(two: Asks, step: str) -> None:
    """Nothing is left, and the other side hears of it where it had their last word."""
    south = two.south
    answer = await getattr(two, step)()
    await south.says("ben", "forget me", "yes")
    withdrawn = [] if step == "willing" else [Withdraw(request=REQUEST, answer=answer)]
    assert await two.answers() == withdrawn
    assert not [key for key in south.records.rows if key[0] in ("guest_rooms", "members", "asks", "offers")]


@pytest.mark.parametrize("step", ["willing", "ready", "awaited", "opened", "closed"])
async def test_a_link_that_ends_leaves_nobody_waiting(two: Asks, step: str) -> None:
    """Who waits hears at their hour, who is in a room how to go on without us."""
    south = two.south
    await getattr(two, step)()
    hour = south.ask_of("ben").due_at if step in ("willing", "ready", "awaited") else None
    await two.says(south, f"cut {NORTH_AT}", "yes")
    assert len(south.records.all(GuestRoom)) == (step in ("opened", "closed"))
    assert south.records.all(Request) == []
    if step == "opened":
        assert "The link with the other person's community is over" in south.last("ben")
        assert "is open until" in await south.say("ben", "status")
        assert "Please leave the room in your app" in await south.say("ben", "close")
    elif step == "closed":
        assert "I hear nothing more of your room" in south.last("ben")
    await south.wait(3 * HOUR)
    assert told_off(south) == ([hour] if hour is not None else [])


async def test_what_comes_over_another_link_is_about_nothing(two: Asks) -> None:
    """Another partner that knew every name could do nothing with them."""
    south = two.south
    for step in ("ready", "opened"):
        answer = await two.ready() if step == "ready" else south.ask_of("ben").id
        if step == "opened":
            await two.puts(who(answer), who(answer, ROOM, south.now + HOUR))
        other = replace(link_of(south), id=LinkId("f" * 32))
        before = dict(south.records.rows)
        for body in (
            wish(south),
            words(answer),
            who(answer),
            Withdraw(request=REQUEST, answer=None),
            end(answer, "ended"),
        ):
            turn = south.turn(Due("none", ""))
            await heard_across.came(Desk(turn), other, body)
            assert turn.effects == []
        assert south.records.rows == before


# Whatever a partner sends, whenever


@cache
def _played(step: str) -> Asks:
    """A story up to that step, beside a pairing of our own."""

    async def play() -> Asks:
        two = Asks()
        await two.linked()
        two.read = len(two.crossed)
        await getattr(two, step)()
        south = two.south
        for name in ("cem", "dan"):
            await south.comes(name)
        await south.offers("dan", hours="3")
        await south.asks("cem")
        await south.say("dan", "1")
        return two

    return asyncio.run(play())


STEPS = ("willing", "ready", "awaited", "opened", "closed")
_ids = st.sampled_from([REQUEST, "b" * 32, "own", "answer"])
_users = st.sampled_from([ANA, MatrixId("@ben:example.org"), MatrixId("@cem:example.org")])


@st.composite
def _bodies(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    """A kind, and what it says, with names that may be of anything."""
    kinds = ["ask", "note", "introduce", "withdraw", "more", "close", "answer", "consent"]
    kind = draw(st.sampled_from(kinds))
    said: dict[str, object] = {"request": draw(_ids), "answer": draw(_ids)}
    match kind:
        case "note":
            said |= {"note": draw(st.sampled_from(["", "words"])), "how": ()}
        case "introduce":
            ends = draw(st.sampled_from([None, 0, 253_402_300_799]))
            said |= {"user": draw(_users), "room": draw(st.sampled_from([None, ROOM])), "ends": ends}
        case "withdraw":
            said["answer"] = draw(st.sampled_from([None, said["answer"]]))
        case "more":
            said["step"] = draw(st.sampled_from(["asked", "agreed"]))
            hours = st.sampled_from([None, 0, 253_402_300_799])
            said |= {"wish": "9" * 32, "minutes": 30, "until": draw(hours), "ends": draw(hours)}
        case "close":
            said["step"] = draw(st.sampled_from(["ended", "removed", "gone"]))
            said["reached"] = draw(st.sampled_from([None, "purged", "asked", "cannot"]))
        case "answer":
            said |= {"wish": "ideas", "minutes": 10_080}
        case "consent":
            said |= {"card": "x", "fear": "report", "until": draw(st.sampled_from([0, 253_402_300_799]))}
        case _:
            said = {"request": said["request"], "minutes": 10_080, "wait": 10_080, "until": 253_402_300_799}
            said |= {"again": draw(st.sampled_from([(), (REQUEST,)])), "again_only": draw(st.booleans())}
    return kind, said


def _body(two: Asks, kind: str, said: dict[str, object]) -> Body:
    names = {"answer": two.south.ask_of("ben").id if _has_ask(two) else _guest_id(two)}
    names["own"] = next(one.id for one in two.south.records.all(Request) if one.member)
    plain = {name: names.get(str(value), value) for name, value in said.items()}
    if kind == "ask":
        return wish(two.south, **plain)
    return BODY.validate_python({"kind": kind, **plain})


def _has_ask(two: Asks) -> bool:
    return any(one.member == two.south.id("ben") for one in two.south.records.all(Asked))


def _guest_id(two: Asks) -> str:
    return two.guest().id


def _own(side: Story) -> list[object]:
    """What no partner has a part in."""
    own = [one for one in side.records.all(Request) if one.across is None]
    ids = {one.id for one in own}
    kept: list[object] = [*own, *(one for one in side.records.all(Asked) if one.request in ids)]
    for kind in (Pairing, PeerRoom, Separation):
        kept += side.records.all(kind)
    return kept


@settings(max_examples=60, deadline=None)
@given(step=st.sampled_from(STEPS), bodies=st.lists(_bodies(), min_size=1, max_size=6))
def test_no_partner_can_do_more_than_its_part(
    step: str, bodies: Sequence[tuple[str, dict[str, object]]]
) -> None:
    """Any words in any order at any step: nothing raises, and nothing of our own members changes."""
    two = _played(step)
    rows, south = two.south.records.rows, two.south
    own = _own(south)

    async def play() -> None:
        link = link_of(south)
        for kind, said in bodies:
            turn = south.turn(Due("none", ""))
            desk = Desk(turn)

            async def show(member: Member, prompt: Prompt, desk: Desk = desk) -> Question | None:
                return await odd.show(desk, member, prompt)

            async def sign(member: Member, prompt: Prompt) -> Mark | None:
                return None

            await heard_across.came(desk, link, _body(two, kind, said))
            await desk.settle(show, sign)

    south.records.rows = copy(rows)
    try:
        asyncio.run(play())
        assert _own(south) == own
        assert len(south.records.all(GuestRoom)) <= 1
        assert len(south.records.all(Link)) == 1
    finally:
        south.records.rows = rows
