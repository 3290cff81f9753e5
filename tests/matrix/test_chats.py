"""Who is in a room: what the desk may take for a private chat, with members loaded lazily."""

from typing import Any

import pytest

from schema.ids import MatrixId, RoomId
from service.matrix.chats import Chat

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
