"""After a room with somebody of a linked community: again, never again, keep apart and a concern.

Each is kept on the side of whoever said it; an again alone crosses, when its member asks for that person.
"""

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from schema import wire
from schema.ids import LinkId, LinkKeysId, MatrixId
from schema.records import (
    Ask,
    AskAcross,
    Concern,
    GuestRoom,
    Link,
    LinkKeys,
    Meeting,
    PairingPause,
    PeerRoom,
    Request,
    Separation,
)
from schema.states import AskState, GuestRoomState, RoomState
from service.core.afterwards import last_hour
from tests.handlers.story import Story
from tests.handlers.test_across import CARD, NOTE, offers
from tests.handlers.test_concern import READERS, REASON, WORDS
from tests.handlers.two import SOUTH_AT, Two, link_of

DAY = timedelta(days=1)


async def met(two: Two) -> None:
    """Ana of the north and Ben of the south had a room, which is closed."""
    await together(two)
    await two.say(two.north, "ana", "close")


async def together(two: Two) -> None:
    """They are in their room."""
    await two.linked()
    await two.north.comes("ana")
    await offers(two, two.south, "ben")
    await two.say(two.north, "ana", "talk", "2", "1", "1", "2", NOTE)
    await two.say(two.north, "ana", "change", "linked communities", "yes", "yes")
    await two.say(two.south, "ben", "yes", "yes")
    await two.say(two.north, "ana", "yes")


@pytest.fixture
async def two() -> Two:
    """The two had met."""
    two = Two()
    await met(two)
    return two


async def both_say(two: Two, ana: bool = True, ben: bool = True) -> None:
    """Who of them would talk again says so; two days go by."""
    if ana:
        await two.say(two.north, "ana", "again", "yes")
    if ben:
        await two.say(two.south, "ben", "again", "yes")
    await two.wait(2 * DAY)


def answer_of(side: Story) -> str:
    """The name that both desks know the meeting by."""
    (mark,) = side.records.all(Meeting)
    assert mark.across is not None
    return mark.across.answer


async def drafts(two: Two, whom: str = "only", side: Story | None = None, name: str = "ana") -> str:
    """A member asks for whoever they would talk with again; the recap."""
    side = side or two.north
    await two.say(side, name, "menu", "talk", "2", "1", "1", "2", NOTE)
    await two.say(side, name, "change", "whom i ask")
    return await two.say(side, name, whom)


def asked(two: Two, side: Story | None = None) -> wire.Ask:
    """The last ask that crossed to that side."""
    found = two.to(side or two.south, wire.Ask)[-1]
    assert isinstance(found, wire.Ask)
    return found


def shown(side: Story) -> set[str]:
    """Who of that side has a question before them."""
    return {one.member for one in side.records.all(Ask) if one.state is AskState.SHOWN}


async def test_it_is_noted_on_each_side_and_nothing_of_it_crosses(two: Two) -> None:
    """Neither hears whether the other said it; it is kept as long as an agreement of two who are here."""
    for side, name in ((two.north, "ana"), (two.south, "ben")):
        assert "1. I would talk with this person again" in side.last(name)
        recap = await two.say(side, name, "1")
        assert "They are of “the Elm House”." in recap
        assert "Neither of you hears whether the other did." in recap
        crossed, other = len(two.crossed), two.other(side)
        heard = len(other.heard("ben" if name == "ana" else "ana"))
        assert "I have noted that" in await two.say(side, name, "yes")
        assert (len(two.crossed), len(other.heard("ben" if name == "ana" else "ana"))) == (crossed, heard)
        (mark,) = side.records.all(Meeting)
        assert (mark.again, mark.agreed) == (True, False)
        assert mark.due_at == last_hour(side.now, side.community.timings.again)
        assert "You have said that already." in await two.say(side, name, "again")
    assert answer_of(two.north) == answer_of(two.south)


async def test_what_is_noted_is_told_and_can_be_taken_back(two: Two) -> None:
    """In what is held, its export and the consents, in words that name nobody; and it ends by a word."""
    await two.say(two.north, "ana", "again", "yes")
    held = await two.say(two.north, "ana", "what do you hold")
    assert "That you would talk again with someone of another community" in held
    assert "@ben" not in held
    assert "They are of “the Elm House”." in await two.say(two.north, "ana", "my consents")
    assert "I have ended that." in await two.say(two.north, "ana", "not again")
    (mark,) = two.north.records.all(Meeting)
    assert (mark.again, mark.consent) == (False, None)
    assert mark.due_at <= mark.ended_at + timedelta(days=14)
    assert "so that you can say" in await two.say(two.north, "ana", "what do you hold")


@pytest.mark.parametrize("whom", ["first", "only"])
async def test_whoever_said_it_too_is_asked_first_or_alone(two: Two, whom: str) -> None:
    """Before somebody who waited longer; the two meet by it, and whoever is asked does not read who it is."""
    await both_say(two)
    two.south.community = replace(two.south.community, asks_at_once=1)
    await offers(two, two.south, "cem")
    await two.wait(timedelta(hours=1))
    await offers(two, two.south, "ben")
    recap = await drafts(two, whom)
    assert "“the Elm House”" in recap
    assert "From that it knows who you are" in recap
    await two.say(two.north, "ana", "yes")
    assert (asked(two).again, asked(two).again_only) == ((answer_of(two.south),), True)
    assert shown(two.south) == {two.south.id("ben")}
    question = two.south.last("ben")
    assert "You told me that you would talk again with someone of “the Elm House”." in question
    assert "@ana" not in question
    await two.say(two.south, "ben", "yes", "yes")
    assert CARD in two.north.last("ana")
    await two.say(two.north, "ana", "yes")
    assert two.north.records.all(Meeting)[0].other == two.south.id("ben")
    assert RoomState.OPEN in [room.state for room in two.north.records.all(PeerRoom)]


async def test_the_other_way_round_too(two: Two) -> None:
    """Whoever was asked then asks now, under the same name."""
    await both_say(two)
    await offers(two, two.north, "ana")
    await drafts(two, "only", two.south, "ben")
    await two.say(two.south, "ben", "yes")
    assert asked(two, two.north).again == (answer_of(two.north),)
    assert shown(two.north) == {two.north.id("ana")}


async def test_first_asks_others_there_only_where_linked_communities_were_chosen(two: Two) -> None:
    """The one choice is not the other: with both, others are asked after them."""
    await both_say(two)
    await offers(two, two.south, "cem")
    await drafts(two, "first")
    recap = await two.say(two.north, "ana", "change", "linked communities", "yes")
    assert "I also ask in “the Elm House” for whoever you would talk with again." in recap
    assert "I may also ask people of linked communities" in recap
    await two.say(two.north, "ana", "yes")
    assert asked(two).again_only is False
    assert shown(two.south) == {two.south.id("cem")}, "ben has no offer now"


async def test_who_is_wanted_again_is_not_kept_waiting_for_others_here(two: Two) -> None:
    """Own people come first where it is anybody; not before the one who was asked for."""
    await both_say(two)
    for name in ("bea", "dan"):
        await two.north.comes(name)
        await two.north.offers(name)
    await offers(two, two.south, "ben")
    await drafts(two, "first")
    await two.say(two.north, "ana", "yes")
    assert shown(two.south) == {two.south.id("ben")}


Heard = list[tuple[datetime, str, bool]]


async def test_a_no_a_silence_and_nobody_there_look_the_same() -> None:
    """Ben does not answer, says no, has no offer, never said it, took it back, keeps apart, or is gone."""
    seen: list[tuple[Heard, int]] = []
    for said, then in (
        (True, ()),
        (True, ("no",)),
        (True, ("withdraw",)),
        (False, ()),
        (True, ("not again",)),
        (True, (f"keep apart {Story.address('ana')}", "yes")),
        (True, ("forget me", "yes")),
        (True, ("rest 9 days",)),
    ):
        two = Two()
        await met(two)
        start = two.north.now
        await both_say(two, ben=said)
        await offers(two, two.south, "ben")
        before = () if then == ("no",) else then
        await two.say(two.south, "ben", *before)
        await two.wait(start + 2 * DAY + timedelta(hours=1) - two.north.now)
        start, crossed = two.north.now, len(two.to(two.north, wire.Answer, wire.Withdraw))
        await drafts(two)
        assert "it looks the same to you" in await two.say(two.north, "ana", "yes")
        assert (two.south.id("ben") in shown(two.south)) is (said and before == ())
        if then == ("no",):
            await two.say(two.south, "ben", "not now")
            two.north.now = two.south.now
        await two.wait(start + timedelta(days=3) - two.north.now)
        answers = len(two.to(two.north, wire.Answer, wire.Withdraw)) - crossed
        seen.append(([one for one in two.north.heard("ana", start) if one[0] > start], answers))
    for heard, answers in seen:
        assert heard == seen[0][0]
        assert answers == 0


async def test_it_is_offered_and_crosses_over_that_link_alone(two: Two) -> None:
    """Another community is not asked for it, and learns nothing."""
    await both_say(two)
    third = replace(link_of(two.north), id=LinkId("f" * 32), desk=MatrixId("@alongside:third.example"))
    await two.north.records.put(third)
    for at, keys in enumerate(two.north.records.all(LinkKeys)):
        await two.north.records.put(replace(keys, id=LinkKeysId(f"{at:032x}"), link=third.id))
    await drafts(two, "first")
    await two.say(two.north, "ana", "change", "linked communities", "yes", "yes")
    names = {one.link: one.again for one in two.north.records.all(AskAcross)}
    (mark,) = two.north.records.all(Meeting)
    assert mark.across is not None
    assert names[third.id] == ()
    assert names[mark.across.link] == (mark.across.answer,)


async def test_without_a_word_of_hers_no_name_crosses(two: Two) -> None:
    """Not where she did not note it, nor where she noted it and chose anyone."""
    await two.wait(2 * DAY)
    await two.say(two.north, "ana", "menu", "talk", "2", "1", "1", "2", NOTE)
    assert "Whom I ask" not in await two.say(two.north, "ana", "change")
    await two.say(two.north, "ana", "menu", "again", "yes")
    await drafts(two, "anyone")
    await two.say(two.north, "ana", "change", "linked communities", "yes", "yes")
    assert (asked(two).again, asked(two).again_only) == ((), False)


async def test_what_she_takes_back_is_taken_back_there(two: Two) -> None:
    """Within a round; and where nobody else was to be asked, nobody is."""
    await both_say(two)
    await drafts(two)
    await two.say(two.north, "ana", "yes", "not again")
    await two.wait(timedelta(minutes=11))
    assert wire.Withdraw(request=asked(two).request, answer=None) in two.to(two.south, wire.Withdraw)
    assert "the link with that community is over" in two.north.last("ana")
    assert two.north.records.all(AskAcross) == []


async def test_what_she_takes_back_is_asked_there_anew_without_it(two: Two) -> None:
    """Where anybody there may be asked the request goes on, under another name."""
    await both_say(two)
    await drafts(two, "first")
    await two.say(two.north, "ana", "change", "linked communities", "yes", "yes")
    before = asked(two)
    await two.say(two.north, "ana", "not again")
    await two.wait(timedelta(minutes=11))
    assert wire.Withdraw(request=before.request, answer=None) in two.to(two.south, wire.Withdraw)
    assert asked(two).request != before.request
    assert (before.again, asked(two).again) == ((answer_of(two.north),), ())


TAKEN_BACK = pytest.mark.parametrize(
    "said", ["not again", "never again", f"keep apart {Story.address('ben')}"]
)
"""By what she says that she would not talk with that one again."""


@TAKEN_BACK
@pytest.mark.parametrize("yes", [False, True])
async def test_her_words_do_not_go_to_whom_she_would_not_talk_with_again(
    two: Two, said: str, *, yes: bool
) -> None:
    """It is taken back at once, whether they said yes by then; the note is with somebody else meanwhile."""
    await both_say(two)
    await offers(two, two.south, "ben")
    await drafts(two, "first")
    await two.say(two.north, "ana", "yes")
    await elsewhere(two)
    if yes:
        await two.say(two.south, "ben", "yes")
    await two.say(two.north, "ana", *(said, "yes")[: 1 if said == "not again" else 2])
    assert wire.Withdraw(request=asked(two).request, answer=None) in two.to(two.south, wire.Withdraw)
    if not yes:
        await two.say(two.south, "ben", "yes")
    await two.wait(timedelta(minutes=30))
    assert len(two.to(two.south, wire.Note)) == 1, "that of the room before"


async def elsewhere(two: Two) -> None:
    """The note of hers is with somebody else for some minutes."""
    (request,) = two.north.records.all(Request)
    await two.north.records.put(replace(request, note_until=two.north.now + timedelta(minutes=8)))


@pytest.mark.parametrize("busy", [False, True])
async def test_no_note_crosses_by_a_word_that_holds_no_more(two: Two, *, busy: bool) -> None:
    """However it came to that, at an answer as at a round; what was put by it is taken back."""
    await both_say(two)
    await offers(two, two.south, "ben")
    await drafts(two, "first")
    await two.say(two.north, "ana", "yes")
    if busy:
        await elsewhere(two)
        await two.say(two.south, "ben", "yes")
    (mark,) = two.north.records.all(Meeting)
    await two.north.records.put(replace(mark, again=False))
    if not busy:
        await two.say(two.south, "ben", "yes")
    else:
        await two.wait(timedelta(minutes=11))
    assert wire.Withdraw(request=asked(two).request, answer=None) in two.to(two.south, wire.Withdraw)
    assert len(two.to(two.south, wire.Note)) == 1, "that of the room before"


async def test_it_lapses_on_both_sides_and_crosses_no_more(two: Two) -> None:
    """After the community's time for what two agreed."""
    await both_say(two)
    await two.wait(timedelta(days=183))
    for side in (two.north, two.south):
        assert side.records.all(Meeting) == []
    await two.say(two.north, "ana", "menu", "talk", "2", "1", "1", "2", NOTE)
    assert "Whom I ask" not in await two.say(two.north, "ana", "change")


async def test_forget_me_leaves_nothing_of_it_here(two: Two) -> None:
    """On the side of whoever is forgotten; the other one's own note stays theirs."""
    await both_say(two)
    await drafts(two)
    await two.say(two.north, "ana", "yes", "forget me", "yes")
    assert two.north.records.all(Meeting) == []
    assert wire.Withdraw(request=asked(two).request, answer=None) in two.to(two.south, wire.Withdraw)
    assert two.south.records.all(Meeting)[0].again


async def test_the_export_has_it_and_what_was_asked_for(two: Two) -> None:
    """In words and as values."""
    await both_say(two)
    await drafts(two)
    await two.say(two.north, "ana", "yes")
    held = await two.say(two.north, "ana", "what do you hold")
    assert "That linked communities are asked for whoever you would talk with again." in held
    await two.say(two.north, "ana", "export")
    kinds = {one["kind"]: one for one in json.loads(two.north.files[-1][1])["held"]}
    assert kinds["request"]["again_of"][0]["answer"] == answer_of(two.north)
    assert "would talk again" in kinds["meeting"]["in_words"][0]


async def test_a_cut_ends_it(two: Two) -> None:
    """Nothing can come of it any more, so that no note of it is kept past its first time."""
    await both_say(two)
    await two.says(two.north, f"cut {SOUTH_AT}", "yes")
    for side, name in ((two.north, "ana"), (two.south, "ben")):
        (mark,) = side.records.all(Meeting)
        assert (mark.again, mark.due_at <= mark.ended_at + timedelta(days=14)) == (False, True)
        assert "The link with their community is over" in await two.say(side, name, "again")
        assert "never pair" not in await two.say(side, name, "menu")


async def test_somebody_else_is_not_met_where_one_was_asked_for(two: Two) -> None:
    """A partner that puts another one in their place: she hears what she hears of every no."""
    await both_say(two)
    await drafts(two)
    await two.say(two.north, "ana", "yes")
    said = {"request": asked(two).request, "answer": "c" * 32}
    until = int((two.north.now + timedelta(hours=3)).timestamp())
    for body in (
        {"kind": "answer", **said, "wish": "listening", "minutes": 60},
        {"kind": "consent", **said, "card": CARD, "fear": "nobody", "until": until},
    ):
        await two.put_across(two.south, wire.BODY.validate_python(body))
    await two.say(two.north, "ana", "yes")
    eve = {"kind": "introduce", **said, "user": "@eve:elsewhere.example", "room": None, "ends": None}
    rooms = two.north.records.all(PeerRoom)
    await two.put_across(two.south, wire.BODY.validate_python(eve))
    assert two.north.records.all(PeerRoom) == rooms
    await two.wait(timedelta(minutes=16))
    assert "This time no room opens for you two." in two.north.last("ana")


@pytest.mark.parametrize("names", [("e" * 32,), ("e" * 32, "d" * 32), ()])
async def test_a_partner_reaches_nobody_by_a_name_that_is_none(two: Two, names: tuple[str, ...]) -> None:
    """Nor by a name of another link: with `again_only` nobody is asked then."""
    await both_say(two)
    await offers(two, two.south, "ben")
    await drafts(two)
    await two.say(two.north, "ana", "yes", "stop")
    body = asked(two).model_copy(update={"request": "9" * 32, "again": names, "again_only": True})
    await two.put_across(two.north, body)
    assert all(one.request != "9" * 32 for one in two.south.records.all(Ask))


async def test_never_again_holds_and_stays_on_the_side_of_whoever_said_it(two: Two) -> None:
    """Said after an again it ends that; nothing crosses, and the other's side is as it was."""
    await both_say(two)
    crossed = len(two.crossed)
    await two.say(two.north, "ana", "never again", "yes")
    assert len(two.crossed) == crossed
    assert two.north.records.all(Meeting) == []
    (kept,) = two.north.records.all(Separation)
    assert (kept.member, kept.other) == (two.north.id("ana"), two.south.id("ben"))
    assert two.south.records.all(Separation) == []
    assert two.south.records.all(Meeting)[0].again


SIDES = pytest.mark.parametrize("name", ["ana", "ben"])
"""Whose side it is: the asker's, which opened the room, or the other's."""


def of(two: Two, name: str) -> tuple[Story, str]:
    """The side of whoever is named, and the name of the other of the two."""
    return (two.north, "ben") if name == "ana" else (two.south, "ana")


async def with_readers(name: str, *, closed: bool) -> Two:
    """The two in their room, or after it; on one side three people read concerns."""
    two = Two()
    side, _ = of(two, name)
    side.community = replace(side.community, readers=READERS)
    await (met if closed else together)(two)
    for reader in ("rosa", "sam", "tove"):
        await side.comes(reader)
    return two


async def raises(two: Two, name: str) -> None:
    """That one says what was wrong in the room, to Rosa and Sam."""
    side, _ = of(two, name)
    await two.say(side, name, "something was wrong")
    if "What is it about" in side.last(name):
        await two.say(side, name, "1", "1")
    await two.say(side, name, "1 2", WORDS, "yes")


@SIDES
@pytest.mark.parametrize("closed", [True, False])
async def test_a_concern_about_somebody_of_there_is_read_here_alone(name: str, closed: bool) -> None:
    """In the room and after it; whom it is about is known by their mark, and the other side hears nothing."""
    two = await with_readers(name, closed=closed)
    side, other = of(two, name)
    crossed, heard = len(two.crossed), len(two.other(side).log)
    await raises(two, name)
    (concern,) = side.records.all(Concern)
    assert (concern.about, concern.other) == ("pairing", two.other(side).id(other))
    assert "someone they shared a room with" in side.last("rosa")
    assert (len(two.crossed), len(two.other(side).log)) == (crossed, heard)


async def test_a_partner_that_says_they_never_met_takes_no_word_of_ours() -> None:
    """Of somebody whom they did meet: never again is kept, and a concern says whom it is about."""
    for said in ("never again", "concern"):
        two = await with_readers("ben", closed=False)
        (guest,) = two.south.records.all(GuestRoom)
        named = {"request": guest.across.request, "answer": guest.across.answer}
        ended = wire.Close.model_validate({**named, "step": "ended", "reached": None, "met": False})
        await two.put_across(two.north, ended)
        assert "write “never again”" in two.south.last("ben")
        if said == "concern":
            await raises(two, "ben")
            (concern,) = two.south.records.all(Concern)
            assert concern.other == two.north.id("ana")
        else:
            await two.say(two.south, "ben", "never again", "yes")
            (kept,) = two.south.records.all(Separation)
            assert kept.other == two.north.id("ana")


@pytest.mark.parametrize("member", ["stays", "is forgotten"])
async def test_whom_they_met_stands_in_the_mark_alone_once_the_room_is_closed(two: Two, member: str) -> None:
    """The room may stay longer than the mark: until both sides have said what they erased."""
    if member == "is forgotten":
        await two.say(two.south, "ben", "forget me", "yes")
    (guest,) = two.south.records.all(GuestRoom)
    assert guest.state is GuestRoomState.READABLE
    assert (guest.other, guest.other_matrix_id) == ("", "")
    assert len(two.south.records.all(Meeting)) == (member == "stays")


async def test_a_mark_from_before_links_named_rooms_takes_no_again(two: Two) -> None:
    """Nobody here could ever agree to it; the other words stay its member's."""
    (mark,) = two.north.records.all(Meeting)
    await two.north.records.put(replace(mark, across=None, linked=True))
    assert "would talk with this person again" not in await two.say(two.north, "ana", "back")
    assert "The link with their community is over" in await two.say(two.north, "ana", "again")
    assert "of another community" in await two.say(two.north, "ana", "what do you hold")
    assert two.north.records.all(Meeting)[0].again is False
    await two.say(two.north, "ana", "never again", "yes")
    assert [one.other for one in two.north.records.all(Separation)] == [two.south.id("ben")]


@SIDES
async def test_whom_readers_here_paused_is_met_by_nobody_here(name: str) -> None:
    """It ends like every no, and their own community hears nothing of it."""
    two = await with_readers(name, closed=True)
    side, other = of(two, name)
    await raises(two, name)
    await two.say(side, "rosa", "read", "pause", "2", REASON, "yes")
    await two.say(side, "sam", "read", "read", "concerns", "1", "yes")
    (pause,) = side.records.all(PairingPause)
    assert pause.other == two.other(side).id(other)
    await meet_again(two)
    assert not any(one.state is RoomState.OPEN for one in two.north.records.all(PeerRoom))
    assert not any(one.state is GuestRoomState.OPEN for one in two.south.records.all(GuestRoom))
    await two.wait(timedelta(minutes=16))
    assert "This time no room opens for you two." in two.north.last("ana")
    assert two.other(side).records.all(PairingPause) == []


async def meet_again(two: Two) -> None:
    """Days later Ana asks, and Ben says yes, and both go on."""
    await two.wait(3 * DAY)
    await offers(two, two.south, "ben")
    await two.say(two.north, "ana", "menu", "talk", "2", "1", "1", "2", NOTE)
    await two.say(two.north, "ana", "change", "linked communities", "yes", "yes")
    await two.say(two.south, "ben", "yes", "yes")
    await two.say(two.north, "ana", "yes")


@SIDES
@pytest.mark.parametrize("how", ["never again", "keep apart"])
async def test_whoever_is_kept_apart_by_one_is_met_no_more(name: str, how: str) -> None:
    """From either side, by the mark or by the address; both hear what they hear of every no."""
    two = Two()
    await met(two)
    side, other = of(two, name)
    crossed = len(two.crossed)
    said = how if how == "never again" else f"{how} {Story.address(other)}"
    await two.say(side, name, said, "yes")
    assert len(two.crossed) == crossed
    assert side.records.all(Meeting) == []
    assert two.other(side).records.all(Separation) == []
    await meet_again(two)
    assert not any(one.state is RoomState.OPEN for one in two.north.records.all(PeerRoom))
    await two.wait(timedelta(minutes=16))
    assert "This time no room opens for you two." in two.north.last("ana")
    await two.wait(timedelta(hours=3))
    assert any("This time no room opens" in body for _, body, _ in two.south.heard("ben"))


async def test_without_either_they_meet_again() -> None:
    """Or the two tests above would show nothing."""
    two = Two()
    await met(two)
    await meet_again(two)
    assert any(one.state is RoomState.OPEN for one in two.north.records.all(PeerRoom))
    assert any(one.state is GuestRoomState.OPEN for one in two.south.records.all(GuestRoom))


@SIDES
@pytest.mark.parametrize("again", [True, False])
async def test_a_concern_after_never_again_still_says_whom_it_is_about(name: str, again: bool) -> None:
    """On each side, also after an again before it."""
    two = await with_readers(name, closed=True)
    side, other = of(two, name)
    if again:
        await two.say(side, name, "again", "yes")
    await two.say(side, name, "never again", "yes")
    (mark,) = side.records.all(Meeting)
    assert (mark.again, mark.apart is None) == (False, False)
    assert mark.due_at <= mark.ended_at + 14 * DAY
    await two.say(side, name, "something was wrong", "1", "1", "1 2", WORDS, "yes")
    (concern,) = side.records.all(Concern)
    assert concern.other == two.other(side).id(other)


_PROMISED = (
    "paired with nobody",
    "find nobody for them",
    "That person then reads",
    "The other person reads these words",
    "The other person reads the reason",
    "would read: “",
    "person hears so",
)
"""What our program can do for somebody who is here, and for nobody of another community."""


@SIDES
async def test_a_pause_promises_of_somebody_of_there_what_is_done_here(name: str) -> None:
    """To who has the concern and to both readers: it holds here alone, and nobody there hears of it."""
    two = await with_readers(name, closed=True)
    side, _ = of(two, name)
    crossed, heard = len(two.crossed), len(two.other(side).log)
    await raises(two, name)
    said = [body for _, body, _ in side.heard(name)]
    assert any(
        "They can also decide that nobody here meets the other person until a date." in one for one in said
    )
    assert "2. Let nobody here meet the other person" in await two.say(side, "rosa", "read")
    asked = await two.say(side, "rosa", "pause")
    assert "a pause holds here alone" in asked
    assert "The link over which the two met is over" not in asked
    assert "only if they use this service too" in await two.say(side, "rosa", "2")
    assert "Nobody here would meet the other person for 4 weeks." in await two.say(side, "rosa", REASON)
    await two.say(side, "rosa", "yes")
    weighed = await two.say(side, "sam", "read", "read", "concerns", "1")
    assert "Rosa would have nobody here meet the other person for 4 weeks." in weighed
    assert "The pause has begun, here alone." in await two.say(side, "sam", "yes")
    assert "it was decided that nobody here meets the other person until" in side.last(name)
    told = [body for who in (name, "rosa", "sam") for _, body, _ in side.heard(who)]
    assert not [(one, body) for one in _PROMISED for body in told if one in body]
    assert (len(two.crossed), len(two.other(side).log)) == (crossed, heard), "nobody there hears of it"
    assert "Then people here can meet them again" in await two.say(side, "rosa", "concerns", "2")
    assert "hears so only if they use this service too" in await two.say(side, "rosa", "yes")


async def test_whoever_is_paused_there_and_uses_this_service_too_reads_so() -> None:
    """By the same address, met over the link: then all of it holds here, as it was said."""
    two = await with_readers("ana", closed=True)
    await raises(two, "ana")
    await two.say(two.north, "rosa", "read", "pause", "2", REASON, "yes")
    await two.say(two.north, "sam", "read", "read", "concerns", "1", "yes")
    await two.north.comes("ben")
    said = await two.say(two.north, "ben", "talk")
    assert f"They wrote: “{REASON}”" in said
    assert "You can answer once. Who reads it: Rosa and Sam." in said
    await two.say(two.north, "ben", "1", "I am sorry.", "yes")
    assert "The person whom it is about answered: “I am sorry.”" in two.north.last("rosa")


async def test_their_own_community_finds_somebody_for_whom_readers_here_paused() -> None:
    """As it is said: a pause here keeps nobody there from company."""
    two = await with_readers("ana", closed=True)
    await raises(two, "ana")
    await two.say(two.north, "rosa", "read", "pause", "2", REASON, "yes")
    await two.say(two.north, "sam", "read", "read", "concerns", "1", "yes")
    await two.wait(3 * DAY)
    await two.south.comes("cleo")
    await offers(two, two.south, "cleo")
    await two.south.asks("ben")
    await two.south.says("cleo", "yes", "go on")
    await two.south.says("ben", "yes")
    assert any(one.state is RoomState.OPEN for one in two.south.records.all(PeerRoom))


@SIDES
async def test_a_pause_after_the_link_was_cut_says_so_and_holds_for_a_new_one(name: str) -> None:
    """To who has the concern, and to those who decide; over a new link the two do not meet."""
    two = await with_readers(name, closed=True)
    side, _ = of(two, name)
    over = "The link over which the two met is over."
    await two.says(side, f"cut {two.other(side).community.desk}", "yes")
    await raises(two, name)
    assert any(over in body for _, body, _ in side.heard(name))
    assert over in await two.say(side, "rosa", "read", "pause")
    await two.say(side, "rosa", "2", REASON, "yes")
    assert over in await two.say(side, "sam", "read", "read", "concerns", "1")
    await two.say(side, "sam", "yes")
    assert over in side.last(name)
    assert [one.records.all(Link) for one in (two.north, two.south)] == [[], []]
    await two.linked()
    await meet_again(two)
    assert not any(one.state is RoomState.OPEN for one in two.north.records.all(PeerRoom))
    assert not any(one.state is GuestRoomState.OPEN for one in two.south.records.all(GuestRoom))
    await two.wait(timedelta(minutes=16))
    assert "This time no room opens for you two." in two.north.last("ana")


async def test_a_room_over_a_link_is_held_as_open_and_then_as_one_that_ended() -> None:
    """Until when it lasts, while it does; after that when it ended."""
    two = Two()
    await together(two)
    said = await two.say(two.south, "ben", "what do you hold")
    assert re.search(r"made for you .* for 1 hour, until Friday 27 November, \d\d:\d\d Berlin", said)
    await two.say(two.north, "ana", "close")
    said = await two.say(two.south, "ben", "what do you hold")
    assert re.search(r"made for you .*, which ended Friday 27 November, \d\d:\d\d Berlin", said)
    assert "for 1 hour" not in said
