"""Who is in a room: what the desk may take for a private chat, with members loaded lazily."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors import Malformed
from schema.ids import MatrixId, RoomId
from service.matrix import border
from service.matrix.chats import Chat
from tests.matrix.generated import ANYTHING, OBJECTS, mutated

DESK = MatrixId("@desk:home.test")
ALICE = MatrixId("@alice:home.test")
BOB = MatrixId("@bob:home.test")


def _member(user: str, membership: str) -> dict[str, Any]:
    return {
        "type": "m.room.member",
        "state_key": user,
        "event_id": f"${user}{membership}",
        "content": {"membership": membership},
    }


def _summary(joined: int, invited: int, *heroes: str) -> dict[str, Any]:
    return {"m.joined_member_count": joined, "m.invited_member_count": invited, "m.heroes": list(heroes)}


@pytest.mark.parametrize(
    ("state", "summary", "alone"),
    [
        ([_member(DESK, "join"), _member(ALICE, "join")], _summary(2, 0, ALICE), ALICE),
        # The member wrote nothing yet, so only the summary names them.
        ([_member(DESK, "join")], _summary(2, 0, ALICE), ALICE),
        ([_member(DESK, "join")], _summary(2, 0), None),
        ([_member(DESK, "join")], _summary(1, 1, ALICE), None),
        ([_member(DESK, "join"), _member(ALICE, "invite")], _summary(1, 1, ALICE), None),
        ([_member(DESK, "join"), _member(ALICE, "join")], _summary(2, 1, ALICE, BOB), None),
        ([_member(DESK, "join"), _member(ALICE, "join")], _summary(3, 0, ALICE, BOB), None),
        ([_member(DESK, "join"), _member(ALICE, "join")], {}, None),
        ([_member(DESK, "join")], _summary(2, 0, DESK), None),
        ([_member(DESK, "join")], _summary(2, 0, "nobody"), None),
        ([_member(DESK, "join"), _member(ALICE, "leave")], _summary(1, 0, ALICE), None),
    ],
)
def test_alone(state: list[Any], summary: dict[str, Any], alone: MatrixId | None) -> None:
    """Only where everybody is known, and it is the desk and one member, both joined."""
    chat = Chat(RoomId("!r"))
    for event in state:
        chat.apply_state(event)
    chat.apply_summary(summary, DESK, True)
    assert chat.alone_with(DESK) == alone


def test_one_for_another_is_noticed() -> None:
    """Counts that agree say nothing after a cut: the one who came is not taken for the one who went."""
    chat = Chat(RoomId("!r"))
    for user in (DESK, ALICE):
        chat.apply_state(_member(user, "join"))
    chat.apply_summary(_summary(2, 0, ALICE), DESK, True)
    chat.doubt()
    chat.apply_summary({"m.joined_member_count": 2, "m.invited_member_count": 0}, DESK, False)
    assert chat.alone_with(DESK) is None
    chat.apply_summary(_summary(2, 0, BOB), DESK, False)
    assert chat.alone_with(DESK) == BOB


def test_the_whole_list_decides() -> None:
    """The list of everybody, asked for, settles a doubt."""
    chat = Chat(RoomId("!r"))
    chat.apply_members({"chunk": [_member(DESK, "join"), _member(ALICE, "join"), _member(BOB, "ban")]})
    assert chat.alone_with(DESK) == ALICE
    chat.apply_members({"chunk": [_member(DESK, "join"), _member(ALICE, "join"), _member(BOB, "invite")]})
    assert chat.alone_with(DESK) is None
    many = [_member(f"@m{number}:home.test", "join") for number in range(5000)]
    chat.apply_members({"chunk": many})
    assert len(chat.members) <= 20
    assert chat.alone_with(DESK) is None


def test_encrypted_for_ever() -> None:
    """No later state makes an encrypted room a plain one; in an unknown algorithm nothing is said."""
    chat = Chat(RoomId("!r"))
    event: dict[str, Any] = {"type": "m.room.encryption", "state_key": ""}
    chat.apply_state({**event, "content": {"algorithm": "m.megolm.v1.aes-sha2"}})
    assert (chat.encrypted, chat.algorithm_known) == (True, True)
    for content in ({}, {"algorithm": None}, {"algorithm": "m.none"}):
        chat.apply_state({**event, "content": content})
        assert (chat.encrypted, chat.algorithm_known) == (True, False)
    chat.apply_state({**event, "state_key": "other", "content": {}})
    assert Chat.from_row(chat.to_row()) == chat


people = st.sampled_from([ALICE, BOB])
odd = st.sampled_from(
    ["", "alice", "@alice", "@:", "@\0:home.test", "@" + "a" * 300 + ":home.test", "\ud800"]
)
members = st.builds(_member, people | odd, st.sampled_from(["join", "invite", "leave", "ban", "knock"]))
encryption = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}


@given(st.lists(members | mutated(_member(BOB, "join")) | mutated(encryption) | OBJECTS, max_size=12))
def test_nobody_odd_hides_in_a_private_chat(events: list[dict[str, Any]]) -> None:
    """Beside any state the counts decide: whoever has a name that is none of Matrix's still counts."""
    chat = Chat(RoomId("!r"))
    there: dict[str, str] = {}
    encrypted = False
    for at, event in enumerate([encryption, _member(DESK, "join"), _member(ALICE, "join"), *events]):
        user, membership = event.get("state_key"), border.part(event, "content").get("membership")
        if event.get("type") == "m.room.member" and isinstance(user, str) and isinstance(membership, str):
            there[user] = membership
        with contextlib.suppress(Malformed):
            border.attempt(chat.apply_state, event)
        assert chat.encrypted >= encrypted
        encrypted = chat.encrypted
        joined = [user for user, membership in there.items() if membership == "join"]
        invited = [user for user, membership in there.items() if membership == "invite"]
        heroes = [user for user in joined + invited if user != DESK][:5]
        chat.apply_summary(_summary(len(joined), len(invited), *heroes), DESK, at <= 2)
        alone = chat.alone_with(DESK)
        assert alone is None or (set(joined), invited) == ({DESK, alone}, [])


@given(
    first=st.lists(members | OBJECTS, max_size=5),
    answer=st.fixed_dictionaries({"chunk": st.lists(members | mutated(_member(BOB, "join")) | ANYTHING)})
    | OBJECTS,
    summary=OBJECTS | st.builds(_summary, st.integers(-1, 3), st.integers(-1, 3), people | odd | ANYTHING),
)
def test_any_list_and_summary(first: list[Any], answer: dict[str, Any], summary: dict[str, Any]) -> None:
    """A list is taken whole or refused with nothing changed; a summary of three makes no chat of two."""
    chat = Chat(RoomId("!r"))
    for event in first:
        with contextlib.suppress(Malformed):
            border.attempt(chat.apply_state, event)
    before = chat.to_row()
    try:
        chat.apply_members(answer)
    except Malformed:
        assert chat.to_row() == before
    chat.apply_summary(summary, DESK, False)
    if chat.alone_with(DESK) is not None:
        assert chat.joined in (None, 2)
        assert chat.invited in (None, 0)
    assert len(chat.members) <= 20
    assert Chat.from_row(chat.to_row()) == chat
