"""Our member asks, and linked communities too: what crosses, what they read, and that nothing else does."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema import wire
from schema.effects import EmptyPeerRoom, OpenPeerRoom
from schema.events import Delivered, Due, LinkRoom, PeerMembership
from schema.ids import EventId, LinkId, MatrixId, RoomId
from schema.records import Ask, AskAcross, GuestRoom, Link, Meeting, Pairing, PeerRoom, Request
from schema.states import AskState, GuestRoomState, LinkState, PairingState, RequestState, RoomState
from service.core import links
from tests.handlers.story import Story, identify
from tests.handlers.two import NORTH_AT, SOUTH_AT, Two, link_of

NOTE = "It has been a long week."
BEN = MatrixId("@ben:south.example")
CARD = "I like walks."


@pytest.fixture
async def two() -> Two:
    """Two communities that are linked, and a member of the north."""
    return await linked()


async def linked() -> Two:
    """The same, for where there are many of them."""
    two = Two()
    await two.linked()
    await two.north.comes("ana")
    await two.carry()
    return two


async def asks(two: Two, side: Story | None = None) -> str:
    """Ana asks, in the north or on that side, linked communities too; what she reads last."""
    side = side or two.north
    await two.say(side, "ana", "talk", "2", "1", "1", "2", NOTE)
    return await two.say(side, "ana", "change", "linked communities", "yes", "yes")


def asked(two: Two) -> wire.Ask:
    """The one ask that crossed."""
    (found,) = two.to(two.south, wire.Ask)
    assert isinstance(found, wire.Ask)
    return found


async def theirs(two: Two, **changes: object) -> None:
    """The south's terms, as the north has them."""
    link = link_of(two.north)
    assert link.their_terms is not None
    terms = link.their_terms.model_copy(update=changes)
    await two.north.records.put(replace(link, their_terms=terms))


ANSWER, OTHER = "a" * 32, "b" * 32


async def says_yes(two: Two, answer: str = ANSWER, minutes: int = 60) -> None:
    """Somebody of the south would hear more."""
    body = wire.Answer(request=asked(two).request, answer=answer, wish="listening", minutes=minutes)
    await two.put_across(two.south, body)


def consent(two: Two, answer: str = ANSWER, fear: str = "tell_first") -> wire.Consent:
    """They go on, for two hours."""
    until = int((two.north.now + timedelta(hours=2)).timestamp())
    values = {"request": asked(two).request, "answer": answer, "card": CARD, "fear": fear, "until": until}
    return wire.Consent.model_validate(values)


async def goes_on(two: Two, answer: str = ANSWER) -> None:
    """Somebody of the south read the note and goes on."""
    await says_yes(two, answer)
    await two.put_across(two.south, consent(two, answer))


def introduce(two: Two, user: MatrixId = BEN, answer: str = ANSWER) -> wire.Introduce:
    """The south says who it is."""
    return wire.Introduce(request=asked(two).request, answer=answer, user=user, room=None, ends=None)


async def opened(two: Two) -> PeerRoom:
    """From the ask to the room of the two."""
    await asks(two)
    await goes_on(two)
    await two.say(two.north, "ana", "yes")
    await two.put_across(two.south, introduce(two))
    return two.north.the_room()


def nothing_left(two: Two) -> None:
    """Of the request nothing is kept at the north."""
    for kind in (Request, AskAcross, Pairing):
        assert two.north.records.all(kind) == []
    assert all(ask.across is None for ask in two.north.records.all(Ask))


# The choice


async def test_linked_communities_are_asked_only_where_the_member_chose_it(two: Two) -> None:
    """It is never the default, and the recap names each of them before the yes."""
    recap = await two.say(two.north, "ana", "talk", "2", "1", "1", "2", NOTE)
    assert f"{_ALONE} To have people there asked too, write “linked communities too”." in recap
    choices = await two.say(two.north, "ana", "change")
    assert "Linked communities" in choices
    question = await two.say(two.north, "ana", "linked communities")
    assert "There are linked communities: “the Elm House”." in question
    assert "It gets no word of yours, and not who you are." in question
    for crosses in ("what would help", "topics", "how long", "languages", "age group", "must report"):
        assert crosses in question
    assert "one person at a time has it" in question
    recap = await two.say(two.north, "ana", "yes")
    assert "I may also ask people of linked communities: “the Elm House”." in recap
    assert _ALONE not in recap
    recap = await two.say(two.north, "ana", "change", "linked communities", "no")
    assert "linked communities:" not in recap
    assert _ALONE in recap
    await two.say(two.north, "ana", "yes")
    await two.wait(timedelta(hours=1))
    assert two.to(two.south, wire.Ask) == []
    assert _ALONE in await two.say(two.north, "ana", "status")


_ALONE = "Only people here are asked, and nobody of “the Elm House”."


@pytest.mark.parametrize(
    "words",
    [
        ("talk", "linked communities too"),
        ("talk", "Yes, linked communities too."),
        ("linked communities too",),
        ("talk", "change", "linked communities too", "linked communities too"),
        ("talk", "change", "Linked communities", "other communities too"),
        ("talk listening burnout, linked communities too",),
        ("talk to someone and ask linked communities",),
        ("español", "hablar", "también comunidades enlazadas"),
        ("español", "hablar", "Sí, también comunidades enlazadas"),
        ("español", "hablar", "pregunta también a otras comunidades"),
        ("español", "hablar escucha y también en comunidades enlazadas"),
    ],
    ids=", ".join,
)
async def test_it_is_asked_for_in_words(two: Two, words: tuple[str, ...]) -> None:
    """At the summary, at the choice, before or with a request; the summary then says what crosses."""
    recap = await two.say(two.north, "ana", *words)
    spanish = words[0] == "español"
    assert (
        "a personas de comunidades enlazadas: “" if spanish else "people of linked communities: “"
    ) in recap
    assert ("no se puede retirar" if spanish else "cannot be taken back") in recap
    assert ("No he entendido" if spanish else "not understand") not in recap
    assert two.north.records.all(Request) == []
    await two.say(two.north, "ana", "1")
    assert asked(two)
    status = await two.say(two.north, "ana", "estado" if spanish else "status")
    assert (
        "de comunidades enlazadas: “the Elm House”" if spanish else "asked too: “the Elm House”."
    ) in status


async def test_a_request_that_stands_takes_the_words_too(two: Two) -> None:
    """After one more yes; the words do nothing by themselves."""
    await two.say(two.north, "ana", "talk", "yes")
    recap = await two.say(two.north, "ana", "linked communities too")
    assert "people of linked communities: “the Elm House”" in recap
    assert two.to(two.south, wire.Ask) == []
    await two.say(two.north, "ana", "yes")
    await two.wait(timedelta(hours=1))
    assert asked(two)


async def test_where_none_could_be_asked_the_words_say_so(two: Two) -> None:
    """And the question that is open stays; nothing is said of it in the recap."""
    await theirs(two, takes=False)
    assert "Elm House”." not in await two.say(two.north, "ana", "talk")
    said = await two.say(two.north, "ana", "linked communities too")
    assert "No linked community can be asked now." in said
    assert "1. Yes, ask now" in said
    said = await two.say(two.north, "ana", "no", "talk listening, linked communities too")
    assert "No linked community can be asked now." in said
    assert "1. Yes, ask now" in said


_PAST = 1_700_000_000


@pytest.mark.parametrize(
    ("terms", "may"),
    [
        ({}, True),
        ({"hours": (wire.Hours(zone="UTC", days=(0,), start=0, end=60),)}, True),
        *(
            (terms, False)
            for terms in (
                {"topics": ("grief",)},
                {"languages": ("fi",)},
                {"ages": ("young",)},
                {"adult_from": 25},
                {"takes": False},
                {"asks_a_day": 0},
                {"until": _PAST},
            )
        ),
    ],
    ids=lambda one: ",".join(one) if isinstance(one, dict) else "",
)
async def test_it_is_a_choice_only_where_the_terms_could_let_it_cross(
    two: Two, terms: dict[str, object], may: bool
) -> None:
    """Or she would be asked for a consent from which nothing can come; another hour may come, though."""
    await two.say(two.north, "ana", "talk", "2", "1", "1", "2", NOTE)
    await theirs(two, **terms)
    assert ("Linked communities" in await two.say(two.north, "ana", "change")) is may


async def test_what_she_changes_later_leaves_out_whom_it_cannot_cross_to(two: Two) -> None:
    """The recap names those alone that get what it says, and that others do not is said."""
    await theirs(two, topics=("burnout",))
    await two.say(two.north, "ana", "talk", "2", "1", "1", "2", NOTE)
    assert "the Elm House" in await two.say(two.north, "ana", "change", "linked communities", "yes")
    recap = await two.say(two.north, "ana", "change", "what it is about", "grief")
    assert "linked communities:" not in recap
    assert any(
        "This way I cannot ask people of “the Elm House”." in body for _, body, _ in two.north.heard("ana")
    )
    await two.say(two.north, "ana", "yes")
    assert two.north.the_request().linked == ()


async def test_a_pause_leaves_out_nobody_of_a_request_that_stands(two: Two) -> None:
    """It is over one day, and what she chose holds; another note is no other choice."""
    await asks(two)
    await two.says(two.south, f"pause {two.north.community.desk}", "yes")
    await two.say(two.north, "ana", "change", "my words", "Another week.", "yes")
    assert len(two.north.the_request().linked) == 1


async def test_without_a_link_it_is_no_choice(story: Story) -> None:
    """Nobody is asked about what there is not."""
    await story.comes("ana")
    await story.say("ana", "talk")
    assert "Linked communities" not in await story.say("ana", "change")


async def test_the_tags_alone_cross(two: Two) -> None:
    """No word of hers, no name and no note."""
    heard = await asks(two)
    assert "in linked communities too" in heard
    said = asked(two)
    assert said.model_dump() == {
        "kind": "ask",
        "request": two.north.records.all(AskAcross)[0].id,
        "wish": "listening",
        "topics": ("burnout",),
        "topics_only": False,
        "languages": ("en",),
        "writing": True,
        "voice": False,
        "minutes": 60,
        "wait": 135,
        "ages": "adults",
        "reporters": False,
        "start": None,
        "until": int(two.north.the_request().until.timestamp()),
        "again": (),
        "again_only": False,
    }
    assert said.request != two.north.the_request().id


async def test_nothing_crosses_from_a_community_that_changed_its_ages(two: Two) -> None:
    """The link's terms are as they were made: what an adult is there may be another thing here now."""
    two.north.community = replace(two.north.community, adult_from=16)
    await asks(two)
    await two.wait(timedelta(hours=1))
    assert two.to(two.south, wire.Ask) == []


async def test_own_people_are_asked_first(two: Two) -> None:
    """Where enough are here the link waits for the second round, and is asked once."""
    for name in ("bea", "cai", "dan"):
        await two.north.comes(name)
        await two.north.offers(name)
    await two.carry()
    two.north.community = replace(two.north.community, asks_at_once=2)
    await asks(two)
    assert two.to(two.south, wire.Ask) == []
    await two.wait(timedelta(minutes=11))
    assert len(two.to(two.south, wire.Ask)) == 1
    await two.wait(timedelta(minutes=30))
    assert len(two.to(two.south, wire.Ask)) == 1


async def test_what_is_for_people_here_does_not_cross(two: Two) -> None:
    """Two who both ask, and company for a later hour, are for the own community."""
    await asks(two)
    request = two.north.the_request()
    said = asked(two)
    for local in (
        replace(request, wish="mutual"),
        replace(request, wish="backup"),
        replace(request, again_only=True),
        replace(request, start=two.north.now + timedelta(hours=3)),
        replace(request, topics=("knitting",)),
        replace(request, languages=("fi",)),
    ):
        for put in two.north.records.all(AskAcross):
            await two.north.records.delete(AskAcross, put.id)
        await two.north.records.put(local)
        await two.wait(timedelta(minutes=11))
        assert two.to(two.south, wire.Ask) == [said]


# The whole


async def offers(two: Two, side: Story, name: str) -> None:
    """Somebody of that side offers company."""
    await side.comes(name)
    await two.say(side, name, "offer", "1", "skip", CARD, "2", "yes")


@pytest.mark.parametrize("from_north", [True, False], ids=["north", "south"])
async def test_two_members_meet_across_a_link(from_north: bool) -> None:
    """From the ask to both receipts, both ways, by what the two of them write alone."""
    two = Two()
    await two.linked()
    here, there = (two.north, two.south) if from_north else (two.south, two.north)
    await here.comes("ana")
    await offers(two, there, "ben")
    await asks(two, here)
    assert "“the Elm House”" in there.last("ben")
    assert NOTE not in there.last("ben")
    await two.say(there, "ben", "yes")
    assert NOTE in there.last("ben")
    await two.say(there, "ben", "yes")
    assert CARD in here.last("ana")
    assert "They belong to a linked community" in here.last("ana")
    for side, name in ((here, "@ben"), (there, "@ana")):
        assert not any(name in body for body in _heard(side))
    await two.say(here, "ana", "yes")
    room = here.the_room()
    (guest,) = there.records.all(GuestRoom)
    assert (room.state, guest.state) == (RoomState.OPEN, GuestRoomState.OPEN)
    assert (guest.room, guest.ends_at) == (room.room, room.ends_at)
    assert (room.peer, guest.other) == (there.id("ben"), here.id("ana"))
    assert "close" in there.last("ben")
    await two.say(there, "ben", "close")
    assert here.the_room().state is RoomState.READABLE
    (guest,) = there.records.all(GuestRoom)
    assert guest.state is GuestRoomState.READABLE
    await two.wait(timedelta(days=5))
    assert "This is what was done" in here.last("ana")
    assert "Stays: the copy on the other community’s server." in here.last("ana")
    for side in (here, there):
        for kind in (Request, Ask, AskAcross, Pairing, PeerRoom, GuestRoom):
            assert side.records.all(kind) == [], kind
    assert [one.member for one in here.records.all(Meeting)] == [here.id("ana")]
    assert [one.member for one in there.records.all(Meeting)] == [there.id("ben")]


def _heard(side: Story) -> list[str]:
    """Everything that was said on a side."""
    return [line.body for line in side.log if line.from_desk]


async def test_a_pairing_across(two: Two) -> None:
    """From the ask to the receipt, as the member of the north reads it."""
    await asks(two)
    await says_yes(two)
    (note,) = two.to(two.south, wire.Note)
    assert note == wire.Note(request=asked(two).request, answer=ANSWER, note=NOTE, how=())
    await two.put_across(two.south, consent(two))
    question = two.north.last("ana")
    assert "They belong to a linked community: “the Elm House”." in question
    assert CARD in question
    assert "the room is on both servers" in question
    heard = await two.say(two.north, "ana", "yes")
    assert "I have asked the program of their community" in heard
    assert two.to(two.south, wire.Introduce) == [introduce(two, Story.address("ana"))]
    assert "I am waiting for the program of their community" in await two.say(two.north, "ana", "status")
    await two.put_across(two.south, introduce(two))
    room = two.north.the_room()
    (order,) = [one for _, one in two.north.effects if isinstance(one, OpenPeerRoom)]
    assert order.members == (Story.address("ana"), BEN)
    told = two.to(two.south, wire.Introduce)[-1]
    assert isinstance(told, wire.Introduce)
    assert (told.user, told.room) == (Story.address("ana"), room.room)
    assert told.ends == int(room.ends_at.timestamp())
    assert room.state is RoomState.OPEN
    assert room.met
    assert "For more time, write “extend” here" in two.north.last("ana")
    nothing_left(two)
    assert two.to(two.south, wire.Withdraw) == [wire.Withdraw(request=asked(two).request, answer=None)]
    await two.say(two.north, "ana", "close")
    steps = [one.step for one in two.to(two.south, wire.Close) if isinstance(one, wire.Close)]
    assert steps == ["ended"]
    assert [one.member for one in two.north.records.all(Meeting)] == [two.north.id("ana")]
    await two.wait(timedelta(days=1, minutes=5))
    body = wire.Close(request=asked(two).request, answer=ANSWER, step="gone", reached="purged")
    await two.put_across(two.south, body)
    await two.wait(timedelta(days=2))
    said = [one for one in two.to(two.south, wire.Close) if isinstance(one, wire.Close)]
    assert [(one.step, one.reached) for one in said] == [
        ("ended", None),
        ("removed", None),
        ("gone", "cannot"),
    ]
    receipt = two.north.last("ana")
    assert "Gone, as their program says: the copy on the other community’s server." in receipt
    assert two.north.records.all(PeerRoom) == []


async def test_the_consent_names_the_languages_that_crossed_alone(two: Two) -> None:
    """She talks in another one too, in which nobody there was asked."""
    two.north.community = replace(two.north.community, talk_in=("en", "es"))
    await theirs(two, languages=("en",))
    await two.say(two.north, "ana", "talk", "2", "1", "1", "2", NOTE)
    await two.say(two.north, "ana", "change", "languages", "1, 2")
    assert "In English or Spanish" in await two.say(two.north, "ana", "change", "linked communities", "yes")
    await two.say(two.north, "ana", "yes")
    assert asked(two).languages == ("en",)
    await goes_on(two)
    question = two.north.last("ana")
    assert "in English, in writing" in question
    assert "Spanish" not in question


async def test_the_language_that_a_member_reads_crosses_where_their_community_names_none(two: Two) -> None:
    """Not that of the community, in which it would be said that she talks; each of two hears their own."""
    await two.south.comes("ben")
    await two.south.offers("ben")
    await two.north.say("ana", "español")
    await two.say(two.north, "ana", "hablar", "2", "1", "1", "2", "Ha sido una semana larga.")
    recap = await two.say(two.north, "ana", "cambiar", "comunidades enlazadas", "sí")
    assert "Si aquí hay pocas personas a quienes preguntar" in recap
    assert "También recibe en qué hablarías: español." in recap
    await two.say(two.north, "ana", "sí")
    assert asked(two).languages == ("es",)
    question = two.south.last("ben")
    assert "asks for company" in question
    assert "In Spanish, in writing, for up to 1 hour." in question
    await two.say(two.south, "ben", "1")
    assert "They wrote: “Ha sido una semana larga.”" in two.south.last("ben")
    await two.say(two.south, "ben", "1")
    assert "Alguien ha dicho que sí, hasta 1 hora, por escrito." in two.north.last("ana")


async def test_a_language_that_the_terms_leave_out_gives_way_to_the_communitys(two: Two) -> None:
    """She reads Spanish, and their terms have English alone: she is asked for as anybody of hers is."""
    await two.north.say("ana", "español")
    await theirs(two, languages=("en",))
    await two.say(two.north, "ana", "hablar", "2", "1", "1", "2", NOTE)
    recap = await two.say(two.north, "ana", "cambiar", "comunidades enlazadas", "sí")
    assert "También recibe en qué hablarías: inglés." in recap
    await two.say(two.north, "ana", "sí")
    assert asked(two).languages == ("en",)


async def test_what_a_peer_there_says_of_themselves_stands_on_one_line(two: Two) -> None:
    """A program that writes what looks like our own words has them in quotation marks."""
    await asks(two)
    await says_yes(two)
    fake = consent(two).model_copy(update={"card": "Hello.\nThis room is safe.\n1. Yes"})
    await two.put_across(two.south, fake)
    assert "“Hello. This room is safe. 1. Yes”" in two.north.last("ana")


async def test_whoever_left_a_room_across_a_link_is_not_waited_for(two: Two) -> None:
    """Their own program cannot have them invited again: she is not told that they can come back."""
    room = await opened(two)
    assert room.room is not None
    two.north.rooms[room.room].add("ben")
    await two.north.event(PeerMembership(EventId("$left"), room.room, BEN, "leave"))
    await two.north.pump()
    asked_her = two.north.last("ana")
    assert "They cannot come back, since they are of another community." in asked_her
    assert "Wait for them" not in asked_her
    assert "1. Look for someone else, with the same words\n2. Close the room" in asked_her
    await two.say(two.north, "ana", "2")
    assert two.north.the_room().ending is not None


async def test_their_member_ends_the_room(two: Two) -> None:
    """It closes as if somebody here had ended it."""
    await opened(two)
    await two.put_across(
        two.south, wire.Close(request=asked(two).request, answer=ANSWER, step="ended", reached=None)
    )
    assert two.north.the_room().state is RoomState.READABLE
    await two.wait(timedelta(days=3))
    assert two.north.the_room().state is RoomState.PURGING
    await two.wait(timedelta(days=2))
    assert "Its program has not said what became of it" in two.north.last("ana")


async def test_a_room_that_neither_came_to_is_asked_about_on_neither_side(two: Two) -> None:
    """The north alone sees who came in, and says so with the end; the south hears that, and has a mark."""
    await offers(two, two.south, "ben")
    await asks(two)
    await two.say(two.south, "ben", "yes", "yes")
    two.north.arrive = False
    await two.say(two.north, "ana", "yes")
    await two.wait(timedelta(minutes=50))
    ended = next(one for one in two.to(two.south, wire.Close) if isinstance(one, wire.Close))
    assert (ended.step, ended.met) == ("ended", False)
    assert "did not meet in it" in two.south.last("ben")
    assert two.north.records.all(Meeting) == []
    assert len(two.south.records.all(Meeting)) == 1
    assert two.south.offer_of("ben").rest_until is None


@pytest.mark.parametrize("done", [True, False], ids=["done", "refused"])
async def test_removed_is_said_only_where_both_were_removed(two: Two, done: bool) -> None:
    """Where the homeserver refused it their member is still in the room, and nothing says otherwise."""
    await opened(two)
    await two.say(two.north, "ana", "close")
    two.north.lose = lambda effect: not done and isinstance(effect, EmptyPeerRoom)
    await two.wait(timedelta(days=1, minutes=5))
    steps = [one.step for one in two.to(two.south, wire.Close) if isinstance(one, wire.Close)]
    assert steps == (["ended", "removed"] if done else ["ended"])


async def test_a_no_crosses_as_nothing(two: Two) -> None:
    """Not this person: the other desk hears nothing until the request is over, and nobody has to."""
    await asks(two)
    await goes_on(two)
    before = len(two.crossed)
    await two.say(two.north, "ana", "2")
    assert two.crossed[before:] == []
    assert two.north.the_request().state is RequestState.LOOKING
    assert two.north.records.all(Pairing) == []


async def test_a_request_that_ends_is_withdrawn(two: Two) -> None:
    """Nobody there is asked about what is over, and nothing of it is left here."""
    await asks(two)
    await goes_on(two)
    await two.say(two.north, "ana", "3")
    assert two.to(two.south, wire.Withdraw) == [wire.Withdraw(request=asked(two).request, answer=None)]
    nothing_left(two)


async def away(two: Two, gone: bool = True) -> None:
    """The south's desk leaves the room of the two, or is back in it."""
    link = link_of(two.north)
    assert link.room is not None
    two.count += 1
    event = LinkRoom(EventId(f"$away{two.count}"), link.room, link.desk, not gone)
    await two.north.event(event)
    await two.north.pump()


@pytest.mark.parametrize("back", [True, False])
async def test_a_withdrawal_that_cannot_cross_is_said_when_it_can(two: Two, back: bool) -> None:
    """Their desk was away as she took it back: it hears so when it is there again, or what it has expires."""
    await asks(two)
    await away(two)
    await two.say(two.north, "ana", "stop")
    assert two.to(two.south, wire.Withdraw) == []
    (waits,) = two.north.records.all(AskAcross)
    assert (waits.request, waits.languages) == ("", ())
    await two.wait(timedelta(hours=1))
    if back:
        await away(two, False)
    await two.wait(timedelta(hours=1) if back else timedelta(days=9))
    said = [wire.Withdraw(request=asked(two).request, answer=None)] if back else []
    assert two.to(two.south, wire.Withdraw) == said
    assert two.north.records.all(AskAcross) == []


async def test_what_waits_to_be_withdrawn_is_so_before_anything_is_asked_anew(two: Two) -> None:
    """Nobody there is asked about two of hers at once."""
    await asks(two)
    await away(two)
    await two.say(two.north, "ana", "change", "how long", "2 h", "yes")
    await away(two, False)
    await two.wait(timedelta(minutes=11))
    kinds = [type(body) for body in two.to(two.south, wire.Ask, wire.Withdraw)]
    assert kinds == [wire.Ask, wire.Withdraw, wire.Ask]


async def test_a_cut_leaves_no_withdrawal_to_wait(two: Two) -> None:
    """Nobody is there any more to hear it."""
    await asks(two)
    await away(two)
    await two.say(two.north, "ana", "stop")
    await two.says(two.north, f"cut {two.south.community.desk}", "yes")
    assert two.north.records.all(AskAcross) == []


async def test_forget_me_withdraws_it(two: Two) -> None:
    """Whoever is forgotten is forgotten there too, as far as our word goes."""
    await asks(two)
    await goes_on(two)
    await two.say(two.north, "ana", "yes")
    await two.say(two.north, "ana", "forget me", "yes")
    names = [one.answer for one in two.to(two.south, wire.Withdraw) if isinstance(one, wire.Withdraw)]
    assert names == [ANSWER, None]
    await two.wait(timedelta(minutes=20))
    nothing_left(two)


async def test_forget_me_closes_the_room_there(two: Two) -> None:
    """Their side hears that it is over, by the room's own way to its end."""
    await opened(two)
    await two.say(two.north, "ana", "forget me", "yes")
    steps = [one.step for one in two.to(two.south, wire.Close) if isinstance(one, wire.Close)]
    assert steps == ["ended"]
    assert two.north.the_room().asker == ""


async def test_stop_while_the_room_is_awaited(two: Two) -> None:
    """It ends at once, and whoever the south names then is nobody's."""
    await asks(two)
    await goes_on(two)
    await two.say(two.north, "ana", "yes", "stop")
    names = [one.answer for one in two.to(two.south, wire.Withdraw) if isinstance(one, wire.Withdraw)]
    assert names == [ANSWER, None]
    nothing_left(two)
    await two.put_across(two.south, introduce(two))
    assert two.north.records.all(PeerRoom) == []


async def test_taking_back_the_request_while_the_room_opens_closes_it(two: Two) -> None:
    """Of what she took back nothing opens, also where their desk has said who it is."""
    two.north.hold_keeper = True
    await opened(two)
    await two.say(two.north, "ana", "my consents", "1", "yes")
    (order,) = [one for _, one in two.north.effects if isinstance(one, OpenPeerRoom)]
    await two.north.event(Delivered(order, RoomId("!late")))
    await two.north.pump()
    await two.carry()
    assert all(one.state is not RoomState.OPEN for one in two.north.records.all(PeerRoom))
    assert wire.Withdraw(request=asked(two).request, answer=ANSWER) in two.to(two.south, wire.Withdraw)
    assert two.to(two.south, wire.Introduce) == [introduce(two, Story.address("ana"))]
    nothing_left(two)


async def test_what_is_held_and_agreed_to_is_told(two: Two) -> None:
    """The choice, and the consent in the words that named the community."""
    await asks(two)
    held = await two.say(two.north, "ana", "what do you hold")
    assert "That linked communities may be asked too." in held
    consents = await two.say(two.north, "ana", "my consents")
    assert "I may also ask people of linked communities: “the Elm House”." in consents
    await goes_on(two)
    await two.say(two.north, "ana", "back", "yes")
    await two.put_across(two.south, introduce(two))
    assert "If you say yes, their community’s program gets your address" in await two.say(
        two.north, "ana", "my consents"
    )


async def test_a_third_community_learns_nothing(two: Two) -> None:
    """The request is put to those alone that were named; another link has no part in it."""
    await asks(two)
    third = replace(link_of(two.north), id=LinkId("f" * 32), desk=MatrixId("@alongside:third.example"))
    await two.north.records.put(third)
    await two.wait(timedelta(minutes=30))
    assert [one.link for one in two.north.records.all(AskAcross)] == [two.north.the_request().linked[0]]
    assert len(two.to(two.south, wire.Ask)) == 1


# Who the peer is


async def hears_at_the_hour(two: Two) -> None:
    """After her yes she waits until the hour that she was told, whatever came of it, and then hears no."""
    assert "I have asked the program of their community" in two.north.last("ana")
    await two.wait(timedelta(minutes=10))
    assert "I have asked the program of their community" in two.north.last("ana")
    await two.wait(timedelta(minutes=6))
    assert "This time no room opens for you two." in two.north.last("ana")
    assert two.north.the_request().state is RequestState.LOOKING


async def not_met(two: Two, user: MatrixId = BEN) -> None:
    """Whom the south names is not met: she hears what she hears of a step back, the south that it is off."""
    await asks(two)
    await goes_on(two)
    await two.say(two.north, "ana", "yes")
    heard = two.north.heard("ana")
    await two.put_across(two.south, introduce(two, user))
    assert two.north.heard("ana") == heard
    await hears_at_the_hour(two)
    assert two.to(two.south, wire.Withdraw) == [wire.Withdraw(request=asked(two).request, answer=ANSWER)]
    assert two.north.records.all(PeerRoom) == []
    assert two.north.the_request().state is RequestState.LOOKING


async def test_keep_apart_holds_across(two: Two) -> None:
    """Nobody is told, and it ends like a no."""
    await two.say(two.north, "ana", f"keep apart {BEN}", "yes")
    await not_met(two)


async def test_keep_apart_holds_on_the_side_of_whoever_asked_for_it(two: Two) -> None:
    """The peer had her kept apart: both hear that it came to nothing, and neither why nor who."""
    await offers(two, two.south, "ben")
    await two.say(two.south, "ben", f"keep apart {Story.address('ana')}", "yes")
    await asks(two)
    await two.say(two.south, "ben", "yes", "yes")
    await two.say(two.north, "ana", "yes")
    await hears_at_the_hour(two)
    assert two.north.records.all(PeerRoom) == []
    assert two.south.records.all(GuestRoom) == []
    assert not any("@ben" in str(body) for body in two.to(two.north, wire.Introduce))
    await two.wait(timedelta(hours=3))
    assert "This time no room opens for you two." in two.south.last("ben")


async def test_no_reply_ends_like_a_no(two: Two) -> None:
    """The wait has an hour, which was said."""
    await asks(two)
    await goes_on(two)
    await two.say(two.north, "ana", "yes")
    await two.wait(timedelta(minutes=16))
    assert "This time no room opens for you two." in two.north.last("ana")
    assert two.to(two.south, wire.Withdraw) == [wire.Withdraw(request=asked(two).request, answer=ANSWER)]
    before = two.north.records.rows
    await two.put_across(two.south, introduce(two))
    assert [one for one in before if one[0] == "peer_rooms"] == []


async def test_a_partner_cannot_bring_one_of_ours_into_a_room(two: Two) -> None:
    """Of our own members, our desk and our keeper no other desk can say that they agreed."""
    await two.north.comes("bea")
    await two.north.say("bea", "hello", after=0)
    await not_met(two, Story.address("bea"))
    assert "room" not in two.north.last("bea")


async def test_nobody_of_our_own_homeserver_is_met(two: Two) -> None:
    """Member or not: what a partner sees of it is the same."""
    await not_met(two, MatrixId("@nobody:north.example"))


@pytest.mark.parametrize("who", ["desk", "keeper", "ana"])
async def test_nor_what_belongs_to_us(two: Two, who: str) -> None:
    """Nor the asker with herself."""
    ours = {
        "desk": two.north.community.desk,
        "keeper": two.north.community.keeper,
        "ana": Story.address("ana"),
    }
    await not_met(two, ours[who])


# What is taken back


async def test_their_step_back_is_heard_after_she_answers(two: Two) -> None:
    """Until then her question stays as it was, and her yes is answered as any; nothing of it crosses."""
    await asks(two)
    await goes_on(two)
    seen = len(two.north.heard("ana"))
    await two.put_across(two.south, wire.Withdraw(request=asked(two).request, answer=ANSWER))
    assert len(two.north.heard("ana")) == seen
    assert two.north.the_pairing().state is PairingState.STEPPED_BACK
    await two.say(two.north, "ana", "yes")
    await hears_at_the_hour(two)
    assert two.to(two.south, wire.Introduce, wire.Withdraw) == []


@pytest.mark.parametrize("answer", ["2 hours", "30 minutes"])
async def test_a_yes_in_the_last_minute_leads_to_a_room(two: Two, answer: str) -> None:
    """The peer was told an hour that is as much later as the reply may take."""
    await offers(two, two.south, "ben")
    await two.say(two.north, "ana", "talk", "2", "1", "1", "2", NOTE)
    await two.say(two.north, "ana", "change", "how long I have to answer a yes", answer)
    await two.say(two.north, "ana", "change", "linked communities", "yes", "yes")
    await two.say(two.south, "ben", "yes", "yes")
    length = timedelta(minutes=120 if answer.startswith("2") else 30)
    until = two.north.the_pairing().until
    assert until == two.north.now + length
    assert two.south.ask_of("ben").due_at == until + two.north.community.timings.join
    await two.wait(until - timedelta(minutes=1, seconds=30) - two.north.now)
    await two.say(two.north, "ana", "yes")
    assert two.north.the_room().state is RoomState.OPEN
    assert two.south.records.all(GuestRoom)[0].state is GuestRoomState.OPEN


async def test_her_question_is_over_while_their_yes_still_waits_for_what_would_come(two: Two) -> None:
    """The last part of the peer's hour is the reply's: a yes in it is none, and nothing crosses."""
    await asks(two)
    await goes_on(two)
    await two.wait(timedelta(minutes=106))
    await two.say(two.north, "ana", "yes")
    assert two.to(two.south, wire.Introduce) == []
    assert two.north.records.all(PeerRoom) == []
    assert two.north.records.all(Pairing) == []


async def test_after_her_yes_it_is_heard_at_the_hour(two: Two) -> None:
    """She was told until when; and whom the south names after all is not met."""
    await asks(two)
    await goes_on(two)
    await two.say(two.north, "ana", "yes")
    await two.put_across(two.south, wire.Withdraw(request=asked(two).request, answer=ANSWER))
    await two.put_across(two.south, introduce(two))
    await hears_at_the_hour(two)
    assert two.north.records.all(PeerRoom) == []


async def test_the_next_who_is_ready_comes_after_a_no(two: Two) -> None:
    """One read the note first; the other waits for the round, and is put to her after it."""
    await asks(two)
    await says_yes(two)
    await says_yes(two, OTHER)
    assert len(two.to(two.south, wire.Note)) == 1
    await two.wait(timedelta(minutes=11))
    assert len(two.to(two.south, wire.Note)) == 2
    await two.put_across(two.south, consent(two))
    await two.put_across(two.south, consent(two, OTHER))
    assert len(two.north.records.all(Pairing)) == 1
    answer = await two.say(two.north, "ana", "2")
    assert "They belong to a linked community" in answer
    assert two.north.the_pairing().ask == OTHER


async def test_a_cut_ends_it_for_whoever_waits(two: Two) -> None:
    """The question stands until she answers; at the hour she hears that no room opens."""
    await asks(two)
    await goes_on(two)
    await two.says(two.south, f"cut {two.north.community.desk}", "yes")
    assert two.north.records.all(Link) == []
    assert two.north.records.all(AskAcross) == []
    assert two.north.the_pairing().state is PairingState.STEPPED_BACK
    await two.say(two.north, "ana", "yes")
    await hears_at_the_hour(two)


async def test_a_cut_while_the_room_is_awaited(two: Two) -> None:
    """The search goes on at the hour."""
    await asks(two)
    await goes_on(two)
    await two.say(two.north, "ana", "yes")
    await two.says(two.north, f"cut {two.south.community.desk}", "yes")
    await hears_at_the_hour(two)


async def test_a_room_outlives_the_link(two: Two) -> None:
    """It has its own end, and is erased all the same."""
    await opened(two)
    await two.says(two.north, f"cut {two.south.community.desk}", "yes")
    assert two.north.the_room().state is RoomState.OPEN
    await two.say(two.north, "ana", "close")
    await two.wait(timedelta(days=5))
    assert two.north.records.all(PeerRoom) == []


async def test_a_pause_holds_back_what_is_new(two: Two) -> None:
    """Nothing new crosses; once it is over the next round asks."""
    await two.says(two.south, f"pause {two.north.community.desk}", "yes")
    await two.say(two.north, "ana", "talk", "2", "1", "1", "2", NOTE)
    assert "Linked communities" not in await two.say(two.north, "ana", "change")
    await two.says(two.south, f"resume {two.north.community.desk}", "yes")
    await two.say(two.north, "ana", "back", "change", "linked communities", "yes")
    await two.says(two.south, f"pause {two.north.community.desk}", "yes")
    await two.say(two.north, "ana", "yes")
    assert two.to(two.south, wire.Ask) == []
    await two.says(two.south, f"resume {two.north.community.desk}", "yes")
    await two.wait(timedelta(minutes=11))
    assert len(two.to(two.south, wire.Ask)) == 1


async def test_a_room_of_which_their_member_cannot_hear_closes(two: Two) -> None:
    """The link was paused while it opened: nobody is left to wait in it alone, and the search goes on."""
    two.north.hold_keeper = True
    await opened(two)
    await two.says(two.south, f"pause {two.north.community.desk}", "yes")
    (order,) = [one for _, one in two.north.effects if isinstance(one, OpenPeerRoom)]
    await two.north.event(Delivered(order, RoomId("!late")))
    await two.north.pump()
    await two.carry()
    assert any("I go on looking." in body for _, body, _ in two.north.heard("ana"))
    assert two.north.the_request().state is RequestState.LOOKING
    assert two.north.the_room().state is not RoomState.OPEN


async def test_whom_she_takes_back_is_withdrawn_there(two: Two) -> None:
    """A change that leaves the linked communities out ends it there."""
    await asks(two)
    await two.say(two.north, "ana", "change", "linked communities", "no", "yes")
    assert two.to(two.south, wire.Withdraw) == [wire.Withdraw(request=asked(two).request, answer=None)]
    assert two.north.records.all(AskAcross) == []
    assert two.north.the_request().linked == ()


async def test_what_she_changes_is_asked_there_anew(two: Two) -> None:
    """What crossed is taken back, and the next round asks for what holds now, under another name."""
    await asks(two)
    before = asked(two)
    await two.say(two.north, "ana", "change", "how long", "2 h", "yes")
    assert two.to(two.south, wire.Withdraw) == [wire.Withdraw(request=before.request, answer=None)]
    await two.wait(timedelta(minutes=11))
    _, after = two.to(two.south, wire.Ask)
    assert isinstance(after, wire.Ask)
    assert (before.minutes, after.minutes) == (60, 120)
    assert before.request != after.request


async def test_what_no_collective_is_told_changes_nothing_there(two: Two) -> None:
    """Another note is no other ask."""
    await asks(two)
    await two.say(two.north, "ana", "change", "my words", "Another week.", "yes")
    assert two.north.the_request().note == "Another week."
    assert two.to(two.south, wire.Withdraw) == []


async def test_no_linked_community_holds_while_she_has_somebody_before_her(two: Two) -> None:
    """One of her own community went on: it is taken back there at once, and no yes of theirs counts."""
    await two.north.comes("bea")
    await two.north.offers("bea")
    await asks(two)
    await two.say(two.north, "ana", "change", "linked communities", "no")
    await two.say(two.north, "bea", "yes", "yes")
    assert two.north.the_pairing().across is None
    await two.say(two.north, "ana", "yes")
    assert two.to(two.south, wire.Withdraw) == [wire.Withdraw(request=asked(two).request, answer=None)]
    await says_yes(two)
    await two.wait(timedelta(minutes=30))
    assert two.north.records.all(AskAcross) == []
    assert two.to(two.south, wire.Note) == []
    assert all(ask.across is None for ask in two.north.records.all(Ask))


async def test_whose_yes_is_before_her_stays_hers_to_answer(two: Two) -> None:
    """Nobody else of there is read any more; this one she may still say yes to."""
    await asks(two)
    await two.say(two.north, "ana", "change", "linked communities", "no")
    await goes_on(two)
    await says_yes(two, OTHER)
    await two.say(two.north, "ana", "yes")
    await says_yes(two, "c" * 32)
    states = {ask.id: ask.state for ask in two.north.records.all(Ask)}
    assert states == {ANSWER: AskState.CHOSEN, OTHER: AskState.OVER}
    assert two.to(two.south, wire.Withdraw) == []


# A partner that does other things


async def test_answers_are_bounded(two: Two) -> None:
    """A partner that says yes a hundred times has a few of them kept."""
    await asks(two)
    for number in range(30):
        await says_yes(two, f"{number:032x}")
    assert len(two.north.records.all(Ask)) == 2 * two.north.community.asks_at_once
    assert len(two.to(two.south, wire.Note)) == 1


async def test_answers_that_are_over_take_no_place(two: Two) -> None:
    """Whoever took their yes back leaves room for somebody else."""
    await asks(two)
    for number in range(2 * two.north.community.asks_at_once):
        answer = f"{number:032x}"
        await says_yes(two, answer)
        await two.put_across(two.south, wire.Withdraw(request=asked(two).request, answer=answer))
    await says_yes(two)
    assert {one.id for one in two.north.records.all(Ask) if one.state is not AskState.OVER} == {ANSWER}


async def test_somebody_who_must_report_is_not_put_to_whoever_left_them_out(two: Two) -> None:
    """Their desk keeps to it; where it does not, it goes no further."""
    await asks(two)
    await says_yes(two)
    await two.put_across(two.south, consent(two, fear="report"))
    assert two.north.records.all(Pairing) == []
    (ask,) = two.north.records.all(Ask)
    assert ask.state is AskState.OVER


_WISHES = ("listening", "ideas", "mutual", "unsure")
_IDS = st.sampled_from([ANSWER, OTHER, "c" * 32])


@st.composite
def _bodies(draw: st.DrawFn, request: str) -> wire.Body:
    """Anything that a partner can say about a request or an answer, of ours or made up."""
    ids = {"request": draw(st.sampled_from([request, "d" * 32])), "answer": draw(_IDS)}
    number = draw(st.sampled_from([0, 1, 1795795200, 253_402_300_799]))
    values: dict[str, dict[str, object]] = {
        "answer": {"wish": draw(st.sampled_from(_WISHES)), "minutes": draw(st.integers(1, 10080))},
        "consent": {
            "card": "x" * 500,
            "fear": draw(st.sampled_from(["nobody", "report"])),
            "until": number,
        },
        "introduce": {
            "user": draw(st.sampled_from([BEN, "@ana:example.org", "@bea:example.org"])),
            "room": draw(st.sampled_from([None, "!their-room"])),
            "ends": draw(st.sampled_from([None, number])),
        },
        "withdraw": {"answer": draw(st.none() | _IDS)},
        "close": {
            "step": draw(st.sampled_from(["ended", "removed", "gone"])),
            "reached": draw(st.sampled_from([None, "purged", "asked", "cannot"])),
        },
        "note": {"note": "words", "how": ()},
        "more": {
            "step": draw(st.sampled_from(["asked", "agreed"])),
            "wish": draw(st.sampled_from([ANSWER, "7" * 32])),
            "minutes": draw(st.sampled_from([1, 30, 10080])),
            "until": draw(st.sampled_from([None, number])),
            "ends": draw(st.sampled_from([None, number])),
        },
    }
    kind = draw(st.sampled_from(sorted(values)))
    return wire.BODY.validate_python({"kind": kind, **ids, **values[kind]})


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
async def test_whatever_a_partner_says_harms_nobody_else(data: st.DataObject) -> None:
    """No body raises in any state, and a member who has nothing to do with it hears nothing of it."""
    two = await linked()
    await two.north.comes("bea")
    await two.north.say("bea", "hello", after=0)
    heard = two.north.heard("bea")
    await asks(two)
    request = asked(two).request
    for _ in range(data.draw(st.integers(1, 8))):
        await two.put_across(two.south, data.draw(_bodies(request)))
        if data.draw(st.booleans()):
            await two.say(two.north, "ana", data.draw(st.sampled_from(["yes", "2", "close", "status"])))
    assert two.north.heard("bea") == heard
    for room in two.north.records.all(PeerRoom):
        assert room.asker == two.north.id("ana")
        assert room.peer == identify(BEN)


_ANA = st.sampled_from(["extend", "yes", "1", "2", "stop", "close", "talk", "change", "forget me", "skip"])
_BEN = st.sampled_from(["extend", "yes", "1", "2", "no", "stop", "close", "rest", "forget me", "skip"])
_MINUTES = st.sampled_from([1, 11, 16, 125])
_WORDS = ("pause", "resume", "cut")


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(st.just("ana"), _ANA)
        | st.tuples(st.just("ben"), _BEN)
        | st.tuples(st.just("sam"), st.sampled_from(_WORDS))
        | st.tuples(st.just(""), _MINUTES),
        min_size=3,
        max_size=14,
    ),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
    st.sampled_from([0.0, 0.0, 0.3]),
)
async def test_whatever_two_do_and_whatever_is_lost_nobody_is_named_and_nothing_is_left(
    steps: list[tuple[str, str | int]], far: int, chance: Random, lost: float
) -> None:
    """Promises 1 and 3 across a link, whatever both say, and whenever it is paused, cut, or loses things."""
    two = Two()
    await two.linked()
    await two.north.comes("ana")
    await offers(two, two.south, "ben")
    await asks(two)
    two.loses = lambda: chance.random() < lost
    for who, what in [("ben", "yes"), ("ben", "yes"), ("ana", "yes")][:far] + steps:
        if isinstance(what, int):
            await two.wait(timedelta(minutes=what))
        elif who == "sam":
            if two.south.records.all(Link):
                await two.says(two.south, f"{what} {two.north.community.desk}", "yes")
        else:
            await two.say(two.north if who == "ana" else two.south, who, what)
    await two.wait(timedelta(days=20))
    for here, name in ((two.north, "@ben:"), (two.south, "@ana:")):
        if not two.to(here, wire.Introduce):
            assert not any(name in body for body in _heard(here))
        for kind in (Request, Ask, AskAcross, Pairing, PeerRoom, GuestRoom):
            assert here.records.all(kind) == [], kind
        orders = [one for _, one in here.effects if isinstance(one, OpenPeerRoom)]
        assert len(orders) <= len(two.to(here, wire.Introduce))


# A side that was restored


async def _is_restored(two: Two, side: Story) -> None:
    """That side's database is an older one, and both stewards find the words the same again."""
    link, _ = links.advance(link_of(side), links.Restored(), side.now)
    await side.records.put(replace(link, due_at=side.now))
    await side.event(Due("links", link.id))
    await two.carry()
    await two.says(two.north, f"link {SOUTH_AT}", "1")
    await two.says(two.south, f"link {NORTH_AT}", "1")
    assert link_of(two.north).state is link_of(two.south).state is LinkState.LIVE


async def _eva_offers(two: Two) -> None:
    await two.south.comes("eva")
    await two.south.offers("eva")


def _of_link(side: Story) -> list[str]:
    """The requests of linked communities there."""
    return [one.id for one in side.records.all(Request) if one.across is not None]


@pytest.mark.parametrize("restored", ["before the ask", "after it", "who asks"])
async def test_what_a_restored_side_forgot_is_put_to_it_once_more(two: Two, restored: str) -> None:
    """Under its name, so that whoever has it still does nothing; the asker hears and does nothing for it."""
    await _eva_offers(two)
    backup = dict(two.south.records.rows)
    await asks(two)
    crossed = asked(two)
    assert _of_link(two.south) == [crossed.request]
    heard = len(two.north.heard("ana"))
    await two.wait(timedelta(minutes=1))
    if restored == "before the ask":
        two.south.records.rows = backup
        assert _of_link(two.south) == []
    await _is_restored(two, two.north if restored == "who asks" else two.south)
    again = two.to(two.south, wire.Ask)
    assert again == [crossed, crossed]
    assert _of_link(two.south) == [crossed.request]
    assert len(two.south.records.all(Ask)) == 1
    assert len(two.north.heard("ana")) == heard
    (kept,) = two.north.records.all(AskAcross)
    assert not kept.anew
    await two.wait(timedelta(hours=2))
    assert two.to(two.south, wire.Ask) == again


async def test_what_cannot_be_put_again_at_once_is_in_a_later_round(two: Two) -> None:
    """The day's number holds for it too; one that was taken back meanwhile is not put again."""
    await _eva_offers(two)
    await asks(two)
    crossed = asked(two)
    link = link_of(two.north)
    await two.north.records.put(replace(link, asked=(two.north.now - timedelta(hours=22),) * 5))
    await _is_restored(two, two.south)
    assert two.to(two.south, wire.Ask) == [crossed]
    await two.wait(timedelta(hours=4))
    assert two.to(two.south, wire.Ask) == [crossed, crossed]
    await two.say(two.north, "ana", "stop", "yes")
    nothing_left(two)
    await _is_restored(two, two.south)
    assert two.to(two.south, wire.Ask) == [crossed, crossed]
