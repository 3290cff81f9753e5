"""Who may write, as the homeserver tells it: asked for, remembered for minutes, told once an hour."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from schema.errors import HomeserverRefused, OperatorError, Unreachable
from schema.ids import EventId, MatrixId, RoomId
from schema.states import Belongs
from service.matrix.belonging import Belonging
from service.matrix.sync import filter_without
from tests.clock import FakeClock
from tests.matrix.desk import DESK, DEVICE
from tests.matrix.homeserver import Homeserver

ALICE = MatrixId("@alice:home.test")
FAR = MatrixId("@far:away.test")
ONE, TWO = EventId("$1"), EventId("$2")


@pytest.fixture
def clock() -> FakeClock:
    """Time that a test moves."""
    return FakeClock()


def _room(server: Homeserver, *, encrypted: bool = False) -> RoomId:
    room = server.create_room("!home", encrypted=encrypted)
    server.member(room, DESK, "join")
    return room


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110  What is awaited says nothing when it comes.
            await asyncio.sleep(0)


async def test_membership_is_asked_for_and_known_for_minutes(server: Homeserver, clock: FakeClock) -> None:
    """Whoever joins comes in within half a minute; whoever leaves is out within ten."""
    room = _room(server)
    belonging = Belonging(server.transport(DESK, DEVICE), clock, room, None)
    woken: list[int] = []
    belonging.wake = lambda: woken.append(1)
    await belonging.start()
    running = asyncio.create_task(belonging.run())

    async def asked(event: EventId) -> Belongs:
        before = len(woken)
        assert belonging.of(ALICE, event) is Belongs.UNKNOWN
        await _until(lambda: len(woken) > before)
        return belonging.of(ALICE, event)

    assert await asked(ONE) is Belongs.OUTSIDE
    assert belonging.of(ALICE, ONE) is Belongs.OUTSIDE, "the same event, whose turn failed"
    assert belonging.of(ALICE, TWO) is Belongs.TOLD
    server.member(room, ALICE, "join")
    await clock.advance(timedelta(seconds=31))
    assert await asked(TWO) is Belongs.MEMBER
    server.member(room, ALICE, "leave")
    await clock.advance(timedelta(minutes=9))
    assert belonging.of(ALICE, TWO) is Belongs.MEMBER
    await clock.advance(timedelta(minutes=2))
    assert await asked(TWO) is Belongs.TOLD
    await clock.advance(timedelta(hours=1))
    assert await asked(TWO) is Belongs.OUTSIDE
    running.cancel()


async def test_an_outage_lets_nobody_in_and_turns_nobody_away(server: Homeserver, clock: FakeClock) -> None:
    """While the homeserver does not answer it is not known, and asked for again."""
    room = _room(server)
    server.member(room, ALICE, "join")
    belonging = Belonging(server.transport(DESK, DEVICE), clock, room, None)

    async def down(path: str, body: object) -> None:
        raise Unreachable("down")

    server.fail("read state", down, times=3)
    assert belonging.of(ALICE, ONE) is Belongs.UNKNOWN
    running = asyncio.create_task(belonging.run())
    for pause in (0.4, 0.9, 1.9):
        await clock.advance(timedelta(seconds=pause))
        assert belonging.of(ALICE, ONE) is Belongs.UNKNOWN
    await clock.advance(timedelta(minutes=1))
    assert belonging.of(ALICE, ONE) is Belongs.MEMBER
    running.cancel()


async def test_a_start_needs_the_room(server: Homeserver, clock: FakeClock) -> None:
    """Refused: the desk cannot know. Encrypted: its members would send the desk their keys."""
    room = _room(server, encrypted=True)
    belonging = Belonging(server.transport(DESK, DEVICE), clock, room, None)
    with pytest.raises(OperatorError, match="is encrypted"):
        await belonging.start()

    async def refuse(path: str, body: object) -> None:
        raise HomeserverRefused(403, "M_FORBIDDEN", "join")

    server.fail("join", refuse)
    with pytest.raises(OperatorError, match=r"not in the community's room.*ALONGSIDE_COMMUNITY__ROOM"):
        await belonging.start()


async def test_a_homeserver_or_anyone(server: Homeserver, clock: FakeClock) -> None:
    """Where no room is asked for, the name alone decides, at once."""
    transport = server.transport(DESK, DEVICE)
    here = Belonging(transport, clock, None, "home.test")
    await here.start()
    assert [here.of(ALICE, ONE), here.of(FAR, ONE), here.of(FAR, TWO)] == [
        Belongs.MEMBER,
        Belongs.OUTSIDE,
        Belongs.TOLD,
    ]
    assert Belonging(transport, clock, None, None).of(FAR, ONE) is Belongs.MEMBER
    assert not server.calls


def test_nothing_of_the_room_is_synced() -> None:
    """It is nobody's chat: neither its words nor its members come to us."""
    assert json.loads(filter_without(RoomId("!home")))["room"]["not_rooms"] == ["!home"]
    assert "not_rooms" not in json.loads(filter_without(None))["room"]
