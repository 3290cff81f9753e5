"""The keeper under loss: every request of every step lost, unanswered or throttled, and done again."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors import HomeserverRefused, KeeperNotDeaf, SignedOut, Throttled, Unreachable, WorldError
from schema.events import PeerMembership
from schema.ids import EventId, MatrixId, PairingId, RoomId
from service.matrix.keeper import _STATE, TAG, Keeper, Known
from tests.matrix.rooms import KEEPER, Fault, Rooms

MEMBERS = (MatrixId("@ada:home.test"), MatrixId("@bea:home.test"))
PAIRING = PairingId("0" * 32)
FAULTS: tuple[Fault, ...] = ("lost", "unanswered", "throttled")


def keeper_of(rooms: Rooms, *, admin: bool = True) -> Keeper:
    """A keeper that knows nothing yet, as after a start."""
    leaf: Any = rooms
    tag: Callable[[PairingId], str] = lambda pairing: f"tag of {pairing}"  # noqa: E731  # Of one line.
    return Keeper(leaf, MatrixId(KEEPER), "home.test", tag, leaf if admin else None, patience=(0, 0))


async def insist(step: Callable[[], Awaitable[Any]]) -> Any:
    """Do a step until it is done, as the outbox does."""
    for _ in range(5):
        try:
            return await step()
        except WorldError:
            continue
    return await step()


async def open_room(keeper: Keeper, rooms: Rooms) -> Any:
    """Open the room."""
    return (await insist(lambda: keeper.open(PAIRING, MEMBERS))).room


async def live_and_end(keeper: Keeper, rooms: Rooms) -> Any:
    """From the opening to the purge."""
    room: RoomId = await open_room(keeper, rooms)
    rooms.rooms[room].members[MEMBERS[0]] = "join"
    if not rooms.rooms[room].events:
        rooms.write(room, *({"ciphertext": str(number)} for number in range(7)))
    await insist(lambda: keeper.mute(room))
    await insist(lambda: keeper.redact(room))
    await insist(lambda: keeper.empty(room, MEMBERS))
    return room, await insist(lambda: keeper.purge(room))


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
async def test_one_room_whatever_is_lost(fault: Fault, restart: bool) -> None:
    """Each request of an opening fails in turn: one room is left, with both invited, and that one is told."""
    calm = Rooms()
    await open_room(keeper_of(calm), calm)
    for number in range(1, calm.count + 1):
        rooms = Rooms({number: fault})
        keeper = keeper_of(rooms)
        try:
            room = (await keeper.open(PAIRING, MEMBERS)).room
        except WorldError:
            room = await open_room(keeper_of(rooms) if restart else keeper, rooms)
        assert rooms.joined() == [room]
        assert rooms.rooms[room].members == {KEEPER: "join"} | dict.fromkeys(MEMBERS, "invite")
        assert (await keeper_of(rooms).open(PAIRING, MEMBERS)).room == room


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_whole_life_whatever_is_lost(fault: Fault) -> None:
    """Each request from the opening to the purge fails in turn: the end is the same as if none had."""
    calm = Rooms()
    assert await live_and_end(keeper_of(calm), calm) == ("!room1", "purged")
    for number in range(1, calm.count + 1):
        rooms = Rooms({number: fault})
        room, detail = await live_and_end(keeper_of(rooms), rooms)
        assert detail == "purged"
        assert rooms.joined() == []
        assert rooms.purged == [room]
        ended = rooms.rooms[room]
        assert set(ended.members.values()) == {"leave"}
        assert ended.forgotten
        assert [event["content"] for event in ended.events] == [{}] * 7
        levels = ended.state["m.room.power_levels"]
        assert (levels["events_default"], levels["events"]["m.room.redaction"]) == (100, 0)


async def test_the_creation_content_names_nobody() -> None:
    """A room bears the tag and not the pairing, is closed to other servers, and says so to nobody else's."""
    rooms = Rooms()
    await keeper_of(rooms).open(PAIRING, MEMBERS)
    assert rooms.rooms["!room1"].state["m.room.create"] == {TAG: f"tag of {PAIRING}", "m.federate": False}
    other = Rooms()
    await keeper_of(other).open(PAIRING, (MEMBERS[0], MatrixId("@bea:away.test")))
    assert other.rooms["!room1"].state["m.room.create"] == {TAG: f"tag of {PAIRING}"}


async def test_a_late_twin_of_a_timed_out_room_gives_way() -> None:
    """The first creation comes to something only after the second was asked for: the earlier room stays."""
    rooms = Rooms({2: "lost"})
    keeper = keeper_of(rooms)
    with pytest.raises(Unreachable):
        await keeper.open(PAIRING, MEMBERS, again=False)

    async def late() -> None:
        await keeper_of(rooms)._create(f"tag of {PAIRING}", MEMBERS)
        rooms.rooms["!room1"].made_at = 1

    made = False

    def before(call: str) -> None:
        nonlocal made
        if call == "create room" and not made:
            made = True
            rooms.before = lambda call: None
            coroutine = late()
            with pytest.raises(StopIteration):
                coroutine.send(None)

    rooms.before = before
    assert (await keeper.open(PAIRING, MEMBERS)).room == "!room1"
    assert rooms.joined() == ["!room1"]
    assert rooms.rooms["!room2"].members == {KEEPER: "leave"} | dict.fromkeys(MEMBERS, "leave")


@pytest.mark.parametrize("seen", ["nothing yet", "half of it"])
async def test_a_room_that_is_still_being_made_is_waited_for(seen: str) -> None:
    """Whoever asked for it died, and the homeserver goes on: after a start no second one is made beside."""
    rooms, looked = Rooms(), 0
    asked = keeper_of(rooms)._create(f"tag of {PAIRING}", MEMBERS)
    if seen == "half of it":
        rooms.interrupt_creation = True
        with pytest.raises(Unreachable):
            await asked
        rooms.interrupt_creation = False

    def before(call: str) -> None:
        nonlocal looked
        looked += call == "joined rooms"
        if looked == 2 and call == "joined rooms":
            if seen == "half of it":
                rooms.rooms["!room1"].state |= _STATE
            else:
                with pytest.raises(StopIteration):
                    asked.send(None)

    rooms.before = before
    made = await keeper_of(rooms).open(PAIRING, MEMBERS)
    assert (made.room, list(rooms.rooms)) == ("!room1", ["!room1"])
    assert rooms.rooms["!room1"].members == {KEEPER: "join"} | dict.fromkeys(MEMBERS, "invite")


async def test_an_interrupted_creation_is_closed_and_made_again() -> None:
    """The homeserver died before the room was encrypted: that room is never used."""
    rooms = Rooms()
    rooms.interrupt_creation = True
    keeper = keeper_of(rooms)
    with pytest.raises(Unreachable):
        await keeper.open(PAIRING, MEMBERS)
    rooms.interrupt_creation = False
    assert (await keeper.open(PAIRING, MEMBERS)).room == "!room2"
    assert rooms.joined() == ["!room2"]


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("blocking", [MEMBERS[:1], MEMBERS[1:], MEMBERS])
async def test_a_blocked_invitation_keeps_nobody_from_the_room(
    blocking: tuple[MatrixId, ...], first: bool
) -> None:
    """Who blocks is left out and named, whether or not a room is left of the refusal; a retry asks anew."""
    rooms = Rooms()
    rooms.blocking, rooms.refuses_first = set(blocking), first
    keeper = keeper_of(rooms)
    made = await keeper.open(PAIRING, MEMBERS)
    assert made.blocked == blocking
    assert rooms.joined() == [made.room]
    invited = dict.fromkeys((one for one in MEMBERS if one not in blocking), "invite")
    assert rooms.rooms[made.room].members == {KEEPER: "join"} | invited
    assert await keeper_of(rooms).open(PAIRING, MEMBERS) == made
    with pytest.raises(HomeserverRefused):
        await keeper.invite_again(made.room, blocking[0])
    rooms.blocking = set()
    await keeper.invite_again(made.room, blocking[0])
    assert rooms.rooms[made.room].members[blocking[0]] == "invite"


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_blocked_invitation_is_named_whatever_is_lost(fault: Fault) -> None:
    """Each request fails in turn: one room is left, and whoever blocks is named in the end."""
    calm = Rooms()
    calm.blocking = {MEMBERS[0]}
    await open_room(keeper_of(calm), calm)
    for number in range(1, calm.count + 1):
        rooms = Rooms({number: fault})
        rooms.blocking = {MEMBERS[0]}
        made = await insist(partial(keeper_of(rooms).open, PAIRING, MEMBERS))
        assert made.blocked == MEMBERS[:1]
        assert rooms.joined() == [made.room]
        assert rooms.rooms[made.room].members == {KEEPER: "join", MEMBERS[1]: "invite"}


async def test_an_invitation_refused_otherwise_leaves_no_room() -> None:
    """A member who cannot be invited at all: the room is gone, and a later try is clean."""
    rooms = Rooms()
    rooms.unknown = {MEMBERS[1]}
    keeper = keeper_of(rooms)
    with pytest.raises(HomeserverRefused):
        await keeper.open(PAIRING, MEMBERS)
    assert rooms.joined() == []
    rooms.unknown = set()
    room = (await keeper.open(PAIRING, MEMBERS)).room
    assert rooms.joined() == [room]


async def test_our_own_sync_waits_while_a_room_is_made() -> None:
    """Each event of the new room would wake it, and it would compete with the room for the homeserver."""
    rooms = Rooms()
    keeper = keeper_of(rooms)
    with keeper._makes():
        looking = asyncio.create_task(keeper.memberships(None))
        await asyncio.sleep(0)
        assert "keeper sync" not in rooms.calls
    with pytest.raises(HomeserverRefused):
        await looking
    assert rooms.calls == ["keeper sync"]


async def test_an_invitation_is_not_withdrawn_by_a_retry() -> None:
    """After a crash the one that is pending is our own: whoever just comes in by it is not put out again."""
    rooms = Rooms()
    keeper = keeper_of(rooms)
    room = (await keeper.open(PAIRING, MEMBERS)).room
    before = rooms.count
    await keeper_of(rooms).invite_again(room, MEMBERS[0], again=True)
    assert rooms.calls[before:] == ["room members"]
    await keeper.invite_again(room, MEMBERS[0])
    assert rooms.calls[-2:] == ["remove", "invite"]
    rooms.rooms[room].members[MEMBERS[0]] = "leave"
    await keeper.invite_again(room, MEMBERS[0], again=True)
    assert rooms.rooms[room].members[MEMBERS[0]] == "invite"


async def test_whoever_declined_is_not_asked_again_by_a_retry() -> None:
    """An opening that is done again leaves a declined invitation declined; only `invite_again` asks anew."""
    rooms = Rooms()
    keeper = keeper_of(rooms)
    room = (await keeper.open(PAIRING, MEMBERS)).room
    rooms.rooms[room].members[MEMBERS[0]] = "leave"
    await keeper.open(PAIRING, MEMBERS)
    assert rooms.rooms[room].members[MEMBERS[0]] == "leave"
    await keeper.invite_again(room, MEMBERS[0])
    assert rooms.rooms[room].members[MEMBERS[0]] == "invite"
    rooms.rooms[room].members[MEMBERS[0]] = "join"
    await keeper.invite_again(room, MEMBERS[0])
    assert rooms.rooms[room].members[MEMBERS[0]] == "join"


async def test_a_keeper_with_a_device_opens_nothing() -> None:
    """A device with keys is seen before anything is made, and silence is not taken for there being none."""
    rooms = Rooms()
    rooms.devices = {"STOLEN": {"keys": {}}}
    keeper = keeper_of(rooms)
    with pytest.raises(KeeperNotDeaf):
        await keeper.open(PAIRING, MEMBERS)
    assert rooms.rooms == {}
    rooms.faults = {rooms.count + 1: "lost"}
    with pytest.raises(Unreachable):
        await keeper.deaf()


async def test_known_rooms_are_not_read_again() -> None:
    """Opening a room costs two requests, and after a failure a few more, however many are open already."""
    rooms = Rooms()
    keeper = keeper_of(rooms)
    for number in range(20):
        await keeper.open(PairingId(str(number)), MEMBERS)
    before = rooms.count
    await keeper.open(PairingId("20"), MEMBERS)
    assert "read creation" not in rooms.calls[before:]
    assert rooms.count - before == 9
    before = rooms.count
    await keeper.open(PairingId("21"), MEMBERS, again=False)
    assert rooms.calls[before:] == ["keeper keys query", "create room"]


async def test_a_room_left_meanwhile_spoils_no_other_pairing() -> None:
    """After a start, a room that is left between the list and its reading is passed over."""
    rooms = Rooms()
    gone = (await keeper_of(rooms).open(PairingId("gone"), MEMBERS)).room

    def before(call: str) -> None:
        if call == "read creation":
            rooms.rooms[gone].members[KEEPER] = "leave"

    rooms.before = before
    room = (await keeper_of(rooms).open(PAIRING, MEMBERS)).room
    assert rooms.joined() == [room]


async def test_strays_are_closed_and_what_is_known_stays() -> None:
    """A sweep asks the records after it listed the rooms, so that a room opened meanwhile is not closed."""
    rooms = Rooms()
    keeper = keeper_of(rooms)
    stray = (await keeper.open(PairingId("stray"), MEMBERS)).room
    kept = (await keeper.open(PairingId("kept"), MEMBERS)).room
    opening = (await keeper.open(PairingId("opening"), MEMBERS)).room
    meanwhile: list[RoomId] = []

    async def known() -> Known:
        meanwhile.append((await keeper.open(PairingId("meanwhile"), MEMBERS)).room)
        return Known([kept], [PairingId("opening")])

    assert await keeper.sweep(known) == 1
    assert set(rooms.joined()) == {kept, opening, *meanwhile}
    assert stray not in rooms.joined()


async def test_redaction_resumes_at_its_page() -> None:
    """After a Throttled the pages behind are not read again; redactions are left as they are."""
    rooms = Rooms()
    keeper = keeper_of(rooms, admin=False)
    room = (await keeper.open(PAIRING, MEMBERS)).room
    rooms.write(room, *({"n": number} for number in range(9)))
    rooms.write(room, {"reason": "x"}, kind="m.room.redaction")
    rooms.write(room, {"key": "👍"}, kind="m.reaction")
    before = rooms.count
    # Page 1 has two to redact; the third redaction is in page 2.
    rooms.faults = {before + 6: "throttled"}
    with pytest.raises(Throttled) as throttled:
        await keeper.redact(room)
    assert throttled.value.retry_after == 2.0
    done = len(rooms.calls)
    assert await keeper.redact(room) == "done"
    assert rooms.calls[done:].count("read back") == 3
    assert rooms.calls.count("redact") == 10 + 1
    left = [event["type"] for event in rooms.rooms[room].events if event["content"]]
    assert left == ["m.room.redaction"]


async def test_what_was_refused_before_a_pause_still_counts() -> None:
    """A refusal counts after the Throttled that followed it, once, and not where a later try succeeds."""
    rooms = Rooms()
    keeper = keeper_of(rooms, admin=False)
    room = (await keeper.open(PAIRING, MEMBERS)).room
    rooms.write(room, *({"n": number} for number in range(7)))
    refusing, redactions = True, 0

    def before(call: str) -> None:
        nonlocal redactions
        redactions += call == "redact"
        if call == "redact" and redactions == 2 and refusing:
            raise HomeserverRefused(403, "M_FORBIDDEN", call)

    rooms.before = before
    # The refused redaction is in page 1, the throttled request is page 2.
    rooms.faults = {rooms.count + 5: "throttled"}
    with pytest.raises(Throttled):
        await keeper.redact(room)
    assert await keeper.redact(room) == "partly"
    assert await keeper.redact(room) == "done"


async def test_whoever_is_forgotten_leaves_the_other_in_the_room() -> None:
    """The other reads on for its time; at the end whoever is left goes, named or not."""
    rooms = Rooms()
    keeper = keeper_of(rooms)
    room = (await keeper.open(PAIRING, MEMBERS)).room
    rooms.rooms[room].members.update(dict.fromkeys(MEMBERS, "join"))
    assert await keeper.empty(room, MEMBERS[:1], alone=True) == "done"
    assert [rooms.rooms[room].members[one] for one in MEMBERS] == ["leave", "join"]
    assert await keeper.empty(room, ()) == "done"
    assert [rooms.rooms[room].members[one] for one in MEMBERS] == ["leave", "leave"]


async def test_a_keeper_that_was_put_out_claims_nothing() -> None:
    """Outside the room it can neither redact nor remove, and says so."""
    rooms = Rooms()
    keeper = keeper_of(rooms)
    room = (await keeper.open(PAIRING, MEMBERS)).room
    rooms.write(room, {"n": 1})
    rooms.rooms[room].members[KEEPER] = "leave"
    assert await keeper.redact(room) == "outside"
    assert await keeper.empty(room, MEMBERS) == "outside"


async def test_without_an_administrator_a_purge_cannot_be_had() -> None:
    """The room is left and forgotten, and the answer says that the homeserver keeps it by its own rules."""
    rooms = Rooms()
    keeper = keeper_of(rooms, admin=False)
    room = (await keeper.open(PAIRING, MEMBERS)).room
    assert await keeper.purge(room) == "cannot"
    assert await keeper.purge(room) == "cannot"
    assert rooms.joined() == []
    assert rooms.rooms[room].forgotten


async def test_a_homeserver_that_forgets_rooms_itself_is_asked_by_leaving() -> None:
    """Where everybody left, such a homeserver purges in its own time: the room is not said to stay."""
    rooms = Rooms()
    leaf: Any = rooms
    keeper = Keeper(leaf, MatrixId(KEEPER), "home.test", str, forgets=True, patience=(0, 0))
    room = (await keeper.open(PAIRING, MEMBERS)).room
    assert await keeper.purge(room) == "asked"
    assert rooms.rooms[room].forgotten
    assert await keeper.purge_copy(RoomId("!theirs"), "other.test") == "asked"


@pytest.mark.parametrize(
    "refusal", [SignedOut("no", fix="x"), HomeserverRefused(403, "M_FORBIDDEN", "purge")], ids=["401", "403"]
)
async def test_a_refused_administrator_cannot_purge(refusal: Exception) -> None:
    """An administrator's token that is not taken stops nothing: the answer says that it cannot be had."""
    rooms = Rooms()
    keeper = keeper_of(rooms)
    room = (await keeper.open(PAIRING, MEMBERS)).room

    def before(call: str) -> None:
        if call == "purge":
            raise refusal

    rooms.before = before
    assert await keeper.purge(room) == "cannot"


async def test_a_failed_purge_is_asked_for_again() -> None:
    """What the homeserver says to have failed is the world's fault, and tried again."""
    rooms = Rooms()
    keeper = keeper_of(rooms)
    room = (await keeper.open(PAIRING, MEMBERS)).room
    rooms.purge_status = ["failed", "active", "complete"]
    with pytest.raises(Unreachable):
        await keeper.purge(room)
    assert await keeper.purge(room) == "purged"


def member_event(user: str, membership: str) -> dict[str, Any]:
    """A membership event."""
    content = {"membership": membership}
    return {"type": "m.room.member", "state_key": user, "event_id": f"${user}", "content": content}


class Answers:
    """A homeserver that gives one answer to everything."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.queries: list[Any] = []

    async def request(self, call: str, method: str, path: str, **more: Any) -> Any:
        """The answer."""
        self.queries.append(more.get("query"))
        return self.answer


async def test_only_memberships_come_through() -> None:
    """Of a sync only memberships of others in joined rooms are taken; to-device events are not looked at."""
    joined = {
        "state": {"events": [member_event(MEMBERS[0], "join"), {"type": "m.room.name", "content": {}}]},
        "timeline": {"events": [member_event(MEMBERS[1], "leave"), member_event(KEEPER, "join")]},
    }
    answer = {
        "next_batch": "s2",
        "rooms": {"join": {"!a": joined}, "invite": {"!b": {"invite_state": {"events": []}}}},
        "to_device": {"events": [{"type": "m.room.encrypted", "content": {}}]},
    }
    leaf: Any = Answers(answer)
    keeper = Keeper(leaf, MatrixId(KEEPER), "home.test", str)
    seen = await keeper.memberships("s1", 5)
    assert seen.next_batch == "s2"
    assert seen.events == (
        PeerMembership(EventId(f"${MEMBERS[0]}"), RoomId("!a"), MEMBERS[0], "join"),
        PeerMembership(EventId(f"${MEMBERS[1]}"), RoomId("!a"), MEMBERS[1], "leave"),
    )
    assert leaf.queries[0]["since"] == "s1"


async def test_an_invitation_that_is_made_anew_is_nobodys_leaving() -> None:
    """The keeper withdraws a pending invitation before the new one: a room must not end by its reminder."""
    withdrawn = member_event(MEMBERS[0], "leave") | {"sender": KEEPER}
    declined = member_event(MEMBERS[1], "leave") | {"sender": MEMBERS[1]}
    joined = {"timeline": {"events": [withdrawn, member_event(MEMBERS[0], "invite"), declined]}}
    leaf: Any = Answers({"next_batch": "s2", "rooms": {"join": {"!a": joined}}})
    seen = await Keeper(leaf, MatrixId(KEEPER), "home.test", str).memberships("s1", 5)
    assert [(one.user, one.membership) for one in seen.events] == [
        (MEMBERS[0], "invite"),
        (MEMBERS[1], "leave"),
    ]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
NAMES = (
    *("rooms", "join", "!a", "state", "timeline", "events", "type", "state_key", "content", "membership"),
    *(
        "event_id",
        "next_batch",
        "chunk",
        "end",
        "joined_rooms",
        "unsigned",
        "device_keys",
        KEEPER,
        "failures",
    ),
    *("room_id", "origin_server_ts", "delete_id", "status", "results", "events_default"),
)
answers = st.dictionaries(
    st.sampled_from(NAMES),
    st.recursive(
        anything,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
        ),
        max_leaves=12,
    ),
    max_size=6,
)


@given(answers)
async def test_no_answer_breaks_the_keeper(answer: dict[str, Any]) -> None:
    """Whatever a homeserver answers, each step ends in a result or in one of our errors."""
    leaf: Any = Answers(answer)
    keeper, room = Keeper(leaf, MatrixId(KEEPER), "home.test", str, leaf), RoomId("!a")
    steps: tuple[Callable[[], Awaitable[Any]], ...] = (
        keeper.deaf,
        lambda: keeper.open(PAIRING, MEMBERS),
        lambda: keeper.mute(room),
        lambda: keeper.redact(room),
        lambda: keeper.empty(room, MEMBERS),
        lambda: keeper.invite_again(room, MEMBERS[0]),
        lambda: keeper.memberships(None),
    )
    for step in steps:
        try:
            await step()
        except (WorldError, HomeserverRefused, KeeperNotDeaf):
            continue


class Administered:
    """A homeserver that tells an administrator of one room, and takes the order to purge it."""

    def __init__(self, found: Any) -> None:
        self.found = found
        self.calls: list[str] = []

    async def request(self, call: str, method: str, path: str, **more: Any) -> Any:
        """What it answers."""
        self.calls.append(f"{method} {path}")
        if method == "DELETE":
            return {"delete_id": "order"}
        if "delete_status" in path:
            return {"status": "complete"}
        if isinstance(self.found, Exception):
            raise self.found
        if "fetch_event" in path:
            assert path.endswith("%24theirs")
            return {"event": {"type": "m.room.create", "sender": self.found["creator"]}}
        return self.found


THERE = {"creator": "@keeper:other.test", "members": ["@ada:other.test", "@keeper:other.test"]}
"""Who made the room, as the event says that made it, and who is in it."""


@pytest.mark.parametrize(
    ("found", "reached"),
    [
        (THERE, "purged"),
        # Of ours, or of somebody else's: a partner that names it could have any room emptied.
        (THERE | {"creator": "@keeper:home.test"}, "cannot"),
        (THERE | {"creator": "@keeper:third.test"}, "cannot"),
        (THERE | {"creator": None}, "cannot"),
        (THERE | {"members": None}, "cannot"),
        ({"creator": "@keeper:other.test"}, "cannot"),
        (HomeserverRefused(404, "M_NOT_FOUND", "look"), "purged"),
        (HomeserverRefused(404, "M_UNRECOGNIZED", "look"), "cannot"),
        (HomeserverRefused(403, "M_FORBIDDEN", "look"), "cannot"),
        (SignedOut("no", fix="x"), "cannot"),
    ],
)
async def test_only_the_copy_of_a_partners_own_room_is_purged(found: Any, reached: str) -> None:
    """It was made there, and nobody of ours is in it: whatever else is named is left alone."""
    leaf: Any = Administered(found)
    keeper = Keeper(leaf, MatrixId(KEEPER), "home.test", str, leaf)
    assert await keeper.purge_copy(RoomId("!theirs"), "other.test") == reached
    assert any(one.startswith("DELETE") for one in leaf.calls) is (found is THERE)


async def test_until_version_12_a_room_is_made_where_its_id_says() -> None:
    """Then nothing else is asked for."""
    leaf: Any = Administered({"members": []})
    keeper = Keeper(leaf, MatrixId(KEEPER), "home.test", str, leaf)
    assert await keeper.purge_copy(RoomId("!old:third.test"), "other.test") == "cannot"
    assert not any(one.startswith("DELETE") for one in leaf.calls)
    assert await keeper.purge_copy(RoomId("!old:other.test"), "other.test") == "purged"


async def test_a_partners_room_with_somebody_of_ours_in_it_waits() -> None:
    """They may be on their way out; a purge would put them out."""
    leaf: Any = Administered(THERE | {"members": [MEMBERS[0]]})
    keeper = Keeper(leaf, MatrixId(KEEPER), "home.test", str, leaf)
    with pytest.raises(Unreachable):
        await keeper.purge_copy(RoomId("!theirs"), "other.test")
    assert not any(one.startswith("DELETE") for one in leaf.calls)
    assert await Keeper(leaf, MatrixId(KEEPER), "other.test", str, leaf).purge_copy(
        RoomId("!theirs"), "other.test"
    ) == ("cannot")
    none = Keeper(leaf, MatrixId(KEEPER), "home.test", str)
    assert await none.purge_copy(RoomId("!theirs"), "other.test") == "cannot"
