"""The stories of pairing with clients of two makes: in each one is on nio, the other on the JavaScript SDK.

Each test is one long acquaintance, so that few people and one service show many stories. What the homeserver
is asked directly is whether it takes a word, and what it still has of a chat.
"""

import json
from urllib.parse import quote

import pytest

from tests.journeys.fixtures import CALM, People, Place
from tests.journeys.stage import (
    MemberFailed,
    Person,
    clean,
    is_gone,
    is_muted,
    leaves_and_is_back,
    meet,
)
from tests.live import story
from tests.live.homeserver import JsonObject
from tests.live.instance import Instance
from tests.live.member import Message

pytestmark = [pytest.mark.live, pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]


def _last(person: Person) -> Message:
    return person.heard()[-1]


async def _cannot_write(person: Person, room: str) -> None:
    """The homeserver itself refuses, which it is asked whatever the person's client knows by now."""
    with pytest.raises(MemberFailed) as refused:
        await person.member.say_plainly(room, "Are you still there?")
    assert refused.value.errcode == "M_FORBIDDEN"


async def _is_asked_again(person: Person) -> None:
    """Whoever rests after a room says that they may be asked."""
    await person.says("command.offer", "offer.standing")
    await story.chooses(person.member, person.chat, _last(person), "choice.offer_on")
    await person.hears("offer.standing")


async def _offers_anew(person: Person) -> None:
    """Whoever was asked a moment ago ends their offer and makes one that nothing was asked of yet."""
    await person.says("command.withdraw", "offer.withdrawn")
    await person.offers(card="I grow tomatoes.")


async def _may_be_asked_more(person: Person) -> None:
    """Whoever was asked as often in the last day as they allow allows more."""
    assert story.sentence("offer.asked_spent").search(_last(person).body)
    await person.says("command.offer", "offer.standing")
    for choice, asks in (("choice.recap_change", "offer.change"), ("choice.change_asks", "offer.asks")):
        await story.chooses(person.member, person.chat, _last(person), choice)
        await person.hears(asks)
    await person.writes("5")
    await story.chooses(
        person.member, person.chat, await person.hears("offer.recap"), "choice.offer_change_yes"
    )
    await person.hears("offer.changed")


async def _in_spanish_and_back(person: Person) -> None:
    for chosen, language in (("español", "es"), ("english", "en")):
        await person.writes(chosen)
        await story.hears(person.member, person.chat, "language.chosen", language=language)
        await person.writes(story.words_of("command.menu", language))
        await story.hears(person.member, person.chat, "menu.menu", language=language)


async def _practises(person: Person) -> None:
    await person.writes(story.words_of("command.practice"))
    await person.answers("practice.ask", "choice.ask_yes")
    await person.answers("practice.note", "choice.note_yes")
    await person.answers("practice.consent", "choice.practice_they_yes")
    await person.answers("practice.room", "choice.practice_close")
    await person.hears("practice.done")


async def _says_again(person: Person, closed: Message) -> None:
    await story.would_talk_again(person.member, person.chat, closed)


async def _events(person: Person) -> dict[str, JsonObject]:
    """The messages of the person's chat, by their ids, as their own homeserver gives them."""
    homeserver = person.member.homeserver
    login = await homeserver.login(person.name, person.member.password)
    answer = await homeserver.call(
        "GET",
        f"/_matrix/client/v3/rooms/{quote(person.chat)}/messages",
        token=login.access_token,
        params={"dir": "b", "limit": "500"},
    )
    await homeserver.call("POST", "/_matrix/client/v3/logout", token=login.access_token, body={})
    chunk = answer["chunk"]
    assert isinstance(chunk, list)
    events = [event for event in chunk if isinstance(event, dict)]
    return {str(event["event_id"]): event for event in events if event["type"] == "m.room.encrypted"}


async def _clears(person: Person) -> None:
    """The person's chat is cleared: what the desk said up to the yes is empty, what it says after is not."""
    await person.says("command.clear", "clear.question")
    before = list(await _events(person))
    await story.chooses(person.member, person.chat, _last(person), "choice.clear_yes")
    begun = await person.hears("clear.begun")
    done = await person.member.expect(person.chat, contains="Done")
    after = await _events(person)
    both = story.sentence("clear.done").search(done.body)
    for event_id in before:
        if both or after[event_id]["sender"] != person.id:
            assert after[event_id]["content"] == {}, after[event_id]["sender"]
    for message in (begun, done):
        assert after[message.event_id]["content"]


async def test_two_who_meet_again(calm: Instance, people: People) -> None:
    """Practice, rest, a withdrawn offer, a smaller yes, more time, a way back, again, never again, an end.

    The one who asks is on nio, the peer on the JavaScript SDK.
    """
    (asker,) = await people(calm, 1)
    (peer,) = await people(calm, 1, kind="js")
    # Nobody is asked who practises, or rests.
    await _practises(peer)
    await peer.offers(card="I grow tomatoes.")
    await peer.says("command.rest", "rest.spent")
    await asker.asks(hears_of="request.nobody")
    await asker.says("command.stop", "request.withdrawn")
    await _is_asked_again(peer)
    # An ask goes with the offer, and nobody is told.
    await asker.asks()
    asked = await story.is_asked(peer.member, peer.chat)
    told = len(asker.heard())
    await peer.says("command.withdraw", "offer.withdrawn")
    await peer.writes(story.number_of(asked.body, story.words_of("choice.ask_yes")))
    await peer.hears("menu.nothing_open")
    assert len(asker.heard()) == told
    await asker.says("command.stop", "request.withdrawn")
    # Less than was asked is read before the last yes, and is what both agreed.
    await peer.offers(card="I grow tomatoes.")
    await asker.asks("talk practical ideas 2h", note="It was a hard winter.")
    asked = await story.is_asked(peer.member, peer.chat)
    less = "For up to 1 hour", story.words_of("choice.smaller_listening")
    shown = await story.says_yes_to_less(peer.member, peer.chat, asked, *less)
    assert "It was a hard winter." in shown.body
    await story.goes_on(peer.member, peer.chat, shown)
    offered = await story.is_offered(asker.member, asker.chat)
    assert "for up to 1 hour, only to listen" in offered.body
    assert "You had asked for up to 2 hours." in offered.body
    assert "I grow tomatoes." in offered.body
    await story.agrees(asker.member, asker.chat, offered)
    room = await asker.joins()
    assert await peer.joins() == room
    for person in (asker, peer):
        opened = [one.body for one in person.heard() if story.sentence("room.opened").search(one.body)]
        assert "What you two agreed would help: listening." in opened[-1]
    await story.talk_to_each_other(room, asker.member, peer.member)
    # More time, by both.
    await story.get_more_time((asker.member, asker.chat), (peer.member, peer.chat), "30 minutes")
    # Whoever leaves by mistake comes back, and each reads what the other writes then.
    await leaves_and_is_back(peer, asker, room)
    words = [("I left by mistake.", "You are back.")]
    await story.talk_to_each_other(room, peer.member, asker.member, words)
    # It ends for both at once, each says again, and both together have it erased.
    closed = await story.closes(asker.member, asker.chat), await peer.hears("room.closed")
    for person in (asker, peer):
        await _cannot_write(person, room)
    await _says_again(asker, closed[0])
    await asker.hears("again.noted")
    await _says_again(peer, closed[1])
    for person in (peer, asker):
        await person.hears("again.agreed")
    await story.asks_to_erase(asker.member, asker.chat)
    await asker.hears("room.erase_asked")
    await story.asks_to_erase(peer.member, peer.chat)
    await peer.hears("room.erasing")
    receipts = [await story.gets_receipt(person.member, person.chat) for person in (asker, peer)]
    assert receipts[0].body == receipts[1].body
    assert story.words_of("receipt.purged") in receipts[0].body
    assert await is_gone(calm.homeserver, room)
    # The one who asks has them asked first; then never again.
    await _offers_anew(peer)
    await _may_be_asked_more(peer)
    await story.asks_in_one_line(asker.member, asker.chat, "talk listening")
    await story.chooses(asker.member, asker.chat, _last(asker), "choice.recap_change")
    await asker.answers("talk.change", "choice.change_again")
    await asker.answers("talk.again", "choice.again_first")
    recap = await asker.hears("talk.recap_again")
    await story.chooses(asker.member, asker.chat, recap, "choice.recap_yes")
    await peer.goes_on()
    await asker.agrees()
    second = await asker.joins()
    assert await peer.joins() == second != room
    await story.both_can_write(second, asker.member, peer.member)
    # The peer goes for good, and the one who stays closes.
    await peer.member.leave(second)
    await asker.answers("apart.question", "choice.part_close")
    closed_again = await asker.hears("room.closed")
    await story.chooses(asker.member, asker.chat, closed_again, "choice.after_never")
    await asker.answers("never.recap", "choice.apart_yes")
    await asker.hears("never.done")
    await _offers_anew(peer)
    await asker.asks(hears_of="request.nobody")
    await asker.says("command.kept_apart", "apart.list")
    await story.chooses(asker.member, asker.chat, _last(asker), "choice.apart_leave")
    await asker.hears("apart.unchanged")
    # What each agreed to is taken back from the list, and what is left is said, sent and cleared.
    await story.takes_back(asker.member, asker.chat, "choice.stop_request", "consents.request")
    await asker.hears("request.withdrawn")
    await peer.says("command.export", "export.sending")
    sent = await peer.member.expect(peer.chat, contains="what-i-hold.json")
    assert sent.msgtype == "m.file"
    name, text = await peer.member.read_file(peer.chat, sent.event_id)
    assert name == "what-i-hold.json"
    assert json.loads(text)["held"][0]["matrix_id"] == peer.id
    assert "I grow tomatoes." in text
    assert asker.id not in text
    await story.takes_back(peer.member, peer.chat, "choice.stop_offer", "consents.offer")
    await peer.hears("offer.withdrawn")
    clean(asker, peer)
    for person in (asker, peer):
        await _clears(person)
        await person.asks_to_be_forgotten()


async def test_one_who_cannot_go_on(calm: Instance, people: People) -> None:
    """Backup, passing on, a peer who leaves: the one who asked is on the JavaScript SDK, and stays."""
    (asker,) = await people(calm, 1, kind="js")
    peer, third = await people(calm, 2)
    await peer.offers()
    room = await meet(asker, peer)
    await story.talk_to_each_other(room, asker.member, peer.member)
    # Who looks in from another language is spoken to in it, and back in the first by its name.
    await _in_spanish_and_back(third)
    # The peer has company about it, of which the one who asked learns nothing.
    told = len(asker.heard())
    await third.offers()
    await peer.writes(story.words_of("command.backup"))
    await peer.answers("backup.question", "choice.backup_yes")
    await peer.hears("request.asking")
    asked = await story.is_asked(third.member, third.chat)
    assert story.words_of("wish.backup") in asked.body
    shown = await story.says_yes(third.member, third.chat, asked)
    await story.goes_on(third.member, third.chat, shown)
    await peer.agrees()
    beside = await peer.joins()
    assert await third.joins() == beside != room
    await story.talk_to_each_other(beside, peer.member, third.member)
    await peer.writes(story.words_of("command.close"))
    await peer.answers("which.close", "choice.room_as_asker")
    for person in (peer, third):
        await person.hears("room.closed")
    assert len(asker.heard()) == told
    await story.talk_to_each_other(room, asker.member, peer.member, [("Are you there?", "I am.")])
    # The peer cannot go on, and says so; the same words find the third.
    await peer.writes(story.words_of("command.pass"))
    await peer.answers("pass.question", "choice.pass_tell")
    await peer.hears("pass.closing")
    passed = await asker.hears("again.passed")
    await _offers_anew(third)
    await story.chooses(asker.member, asker.chat, passed, "choice.look_again")
    # What is offered to both after a room comes with the answer, and nothing need be said to it.
    await story.chooses(asker.member, asker.chat, await asker.hears("request.asking"), "choice.after_nothing")
    await asker.hears("after.nothing")
    await third.goes_on()
    await asker.agrees()
    other = await asker.joins()
    assert await third.joins() == other
    await story.talk_to_each_other(other, asker.member, third.member)
    # The third leaves, is waited for and comes back; leaves again, and somebody else is sought.
    await third.member.leave(other)
    await asker.answers("apart.question", "choice.part_wait")
    await asker.hears("apart.waits")
    await is_muted(asker, other)
    await _cannot_write(asker, other)
    await third.answers("left.question", "choice.part_back")
    await third.hears("left.invited")
    invite = await third.member.invited()
    assert invite.room == other
    await third.member.join(other)
    for person in (asker, third):
        await person.hears("room.back")
    await story.talk_to_each_other(other, asker.member, third.member, [("Welcome back.", "I am here.")])
    await third.member.leave(other)
    await asker.answers("apart.question", "choice.part_else")
    await asker.hears("request.nobody")
    await asker.hears("room.closed")
    await asker.says("command.stop", "request.withdrawn")
    clean(asker, peer, third)


async def test_one_who_never_comes(place: Place, people: People) -> None:
    """One reminder, an honest choice to the other, and back to finding; then the one who asked stays away."""
    async with place.service("waiting", CALM | {"join": "6 seconds", "ask_again": "8 seconds"}) as instance:
        (asker,) = await people(instance, 1, kind="js")
        peer, third = await people(instance, 2)
        await peer.offers()
        await asker.asks(note="It was a hard winter.")
        await third.offers()
        await peer.goes_on()
        await asker.agrees()
        room = await asker.joins()
        await peer.hears("room.reminder")
        await asker.answers("absent.question", "choice.part_wait")
        await asker.hears("absent.waits")
        await asker.answers("absent.question", "choice.part_else")
        await asker.hears("absent.go_on")
        # It is the same request, with its words, and nobody is asked about it twice.
        asked = await story.is_asked(third.member, third.chat)
        shown = await story.says_yes(third.member, third.chat, asked)
        assert "It was a hard winter." in shown.body
        await story.goes_on(third.member, third.chat, shown)
        for person in (asker, peer):
            await person.hears("room.closed_unread")
        # This time the one who asked does not come. The peer, who is there, lets the question pass.
        await asker.agrees()
        assert await third.joins() != room
        await asker.hears("room.reminder")
        await third.hears("absent.question_peer")
        await asker.hears("again.not_joined")
        await third.hears("room.closed_unread")
        assert len([one for one in peer.heard() if story.sentence("ask.intro").search(one.body)]) == 1
        clean(asker, peer, third)
        await instance.stop()
