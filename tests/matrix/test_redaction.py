"""Taking back what was said in a chat: all of it, once, of the two alone, through faults and limits."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schema.errors import HomeserverRefused, Throttled, Unreachable
from schema.ids import MatrixId, OutboxId, RoomId
from service.matrix.messages import ALONGSIDE_ID
from service.matrix.redaction import Redaction
from tests.matrix.desk import DESK, DEVICE
from tests.matrix.homeserver import Homeserver

ALICE, BOB = MatrixId("@alice:home.test"), MatrixId("@bob:home.test")
ROOM = RoomId("!chat")
START = datetime(2026, 11, 1, tzinfo=UTC)


def _says(server: Homeserver, sender: str, minutes: float, type_: str = "m.room.encrypted") -> str:
    at = START + timedelta(minutes=minutes)
    event = {
        "type": type_,
        "sender": sender,
        "content": {"ciphertext": "x"},
        "origin_server_ts": round(at.timestamp() * 1000),
    }
    return str(server.put(ROOM, event)["event_id"])


def _chat(server: Homeserver, count: int = 6) -> list[str]:
    """A chat in which the desk and Alice wrote in turn, a minute apart."""
    server.create_room(ROOM)
    for user in (DESK, ALICE):
        server.member(ROOM, user, "join")
    return [_says(server, (DESK, ALICE)[at % 2], at) for at in range(count)]


def _left(server: Homeserver) -> list[str]:
    return [
        event["event_id"]
        for _, event in server.rooms[ROOM].timeline
        if event["content"] and "state_key" not in event and event["type"] != "m.room.redaction"
    ]


def _redaction(server: Homeserver) -> Redaction:
    return Redaction(server.transport(DESK, DEVICE), DESK)


LATER = START + timedelta(days=1)


async def test_our_own_go_and_the_members_only_where_that_was_ordered(server: Homeserver) -> None:
    """Nothing of a third person, no state, and nothing since the hour."""
    said = _chat(server)
    third = _says(server, BOB, 3)
    plain = _says(server, DESK, 4, "m.room.message")
    state = len(server.rooms[ROOM].state())
    late = _says(server, DESK, 60)
    assert await _redaction(server).redact(ROOM, ALICE, START + timedelta(hours=1)) == ""
    assert _left(server) == [*said[1::2], third, late]
    assert plain not in _left(server)
    assert await _redaction(server).redact(ROOM, ALICE, START + timedelta(hours=1), theirs=True) == ""
    assert _left(server) == [third, late]
    assert len(server.rooms[ROOM].state()) == state


async def test_a_long_chat_is_gone_through_to_its_beginning(server: Homeserver) -> None:
    """Page by page, each message once."""
    _chat(server, 450)
    assert await _redaction(server).redact(ROOM, ALICE, LATER, theirs=True) == ""
    assert not _left(server)
    assert len(server.called("take back")) == 450
    assert await _redaction(server).redact(ROOM, ALICE, LATER, theirs=True) == ""
    assert len(server.called("take back")) == 450


async def test_what_an_earlier_order_reached_is_not_looked_through_again(server: Homeserver) -> None:
    """Of a long chat only the pages since then are read."""
    _chat(server, 450)
    await _redaction(server).redact(ROOM, ALICE, START + timedelta(minutes=400))
    pages = len(server.called("read chat back"))
    await _redaction(server).redact(ROOM, ALICE, LATER, START + timedelta(minutes=400))
    assert len(server.called("read chat back")) == pages + 1
    assert not [one for one in _left(server) if int(one.removeprefix("$event")) % 2 == 0]


@pytest.mark.parametrize("restart", [False, True])
async def test_a_homeserver_that_has_had_enough_is_left_alone_and_then_gone_on_with(
    server: Homeserver, restart: bool
) -> None:
    """For a minute at least, so that answers to members go first; nothing is redacted twice."""
    _chat(server, 250)

    async def enough(path: str, body: Any) -> None:
        raise Throttled(2.0)

    async def fine(path: str, body: Any) -> None:
        return None

    redaction = _redaction(server)
    server.faults["take back"] = [*[fine] * 130, enough]
    with pytest.raises(Throttled) as throttled:
        await redaction.redact(ROOM, ALICE, LATER, theirs=True)
    assert throttled.value.retry_after >= 60
    again = _redaction(server) if restart else redaction
    assert await again.redact(ROOM, ALICE, LATER, theirs=True) == ""
    assert not _left(server)
    assert len(server.called("take back")) == 251


async def test_an_answer_that_was_lost_makes_no_second_redaction(server: Homeserver) -> None:
    """The transaction id is the event's for good."""
    (said,) = _chat(server, 1)

    async def lost(path: str, body: Any) -> None:
        raise Unreachable("take back: the answer was lost")

    server.fail("take back", lost)
    with pytest.raises(Unreachable):
        await _redaction(server).redact(ROOM, ALICE, LATER)
    assert await _redaction(server).redact(ROOM, ALICE, LATER) == ""
    first, second = (path for call, path, _ in server.calls if call == "take back")
    assert first == second
    assert said not in _left(server)


async def test_where_the_members_may_not_be_touched_ours_go_and_that_is_said(server: Homeserver) -> None:
    """One refusal is enough to know."""
    said = _chat(server)
    server.protected.add(ALICE)
    assert await _redaction(server).redact(ROOM, ALICE, LATER, theirs=True) == "ours"
    assert _left(server) == said[1::2]
    assert len(server.called("take back")) == 4


async def test_what_is_refused_is_said_and_holds_nothing_up(server: Homeserver) -> None:
    """One message that the homeserver does not let go."""
    _chat(server)

    async def no(path: str, body: Any) -> None:
        raise HomeserverRefused(403, "M_FORBIDDEN", "take back")

    server.fail("take back", no)
    assert await _redaction(server).redact(ROOM, ALICE, LATER) == "partly"
    assert len(_left(server)) == 4


async def test_a_room_that_we_are_not_in_is_over(server: Homeserver) -> None:
    """There is nothing to try again."""
    assert await _redaction(server).redact(ROOM, ALICE, LATER) == "outside"


async def test_a_place_that_the_homeserver_forgot_is_found_anew(server: Homeserver) -> None:
    """From the newest message again, over what is redacted already."""
    _chat(server, 250)

    async def fine(path: str, body: Any) -> None:
        return None

    async def unknown(path: str, body: Any) -> None:
        raise HomeserverRefused(400, "M_UNKNOWN", "read chat back")

    server.faults["read chat back"] = [fine, unknown]
    assert await _redaction(server).redact(ROOM, ALICE, LATER, theirs=True) == ""
    assert not _left(server)


@pytest.mark.parametrize("chunk", [None, 1, [None, 1, {}, {"type": "m.room.encrypted", "sender": DESK}]])
async def test_an_answer_of_no_sense_ends_it(server: Homeserver, chunk: object) -> None:
    """Nothing raises, and it does not go on for ever."""
    server.create_room(ROOM)

    async def odd(path: str, body: Any) -> dict[str, Any]:
        return {"chunk": chunk, "end": "same"}

    server.fail("read chat back", odd, times=2)
    assert await _redaction(server).redact(ROOM, ALICE, LATER, START) == ""


def _marked(server: Homeserver, minutes: float, mark: str, sender: str = DESK) -> str:
    event_id = _says(server, sender, minutes)
    (event,) = [event for _, event in server.rooms[ROOM].timeline if event["event_id"] == event_id]
    event["content"][ALONGSIDE_ID] = mark
    return event_id


async def test_one_message_is_withdrawn_by_its_mark(server: Homeserver) -> None:
    """Nothing beside it goes, and ordered again it is gone already."""
    said = _chat(server)
    mine = _marked(server, 7, "c" * 32)
    forged = _marked(server, 8, "c" * 32, sender=ALICE)
    for _ in range(2):
        await _redaction(server).withdraw(ROOM, OutboxId("c" * 32), START + timedelta(minutes=7))
    assert _left(server) == [*said, forged]
    assert mine not in _left(server)
    assert len(server.called("take back")) == 1


async def test_a_message_is_looked_for_no_further_back_than_it_was_sent(server: Homeserver) -> None:
    """In a long chat only the pages since then are read; in one that is left, nothing."""
    _chat(server, 450)
    await _redaction(server).withdraw(ROOM, OutboxId("c" * 32), START + timedelta(minutes=440))
    assert len(server.called("read chat back")) < 4
    server.member(ROOM, DESK, "leave")
    await _redaction(server).withdraw(ROOM, OutboxId("c" * 32), START)
    assert not server.called("take back")


async def test_a_message_is_withdrawn_once_a_homeserver_that_has_had_enough_was_left_alone(
    server: Homeserver,
) -> None:
    """What is said to members goes before: it is not asked again after the moment that it names."""
    _chat(server)
    mine = _marked(server, 7, "c" * 32)

    async def enough(path: str, body: Any) -> None:
        raise Throttled(5.0)

    server.faults["take back"] = [enough]
    with pytest.raises(Throttled) as throttled:
        await _redaction(server).withdraw(ROOM, OutboxId("c" * 32), START)
    assert throttled.value.retry_after >= 60
    await _redaction(server).withdraw(ROOM, OutboxId("c" * 32), START)
    assert mine not in _left(server)
