"""The steward room: made by `init` or at a start, with the configuration's stewards in it and nobody else.

Guards: it is encrypted from its creation, and only the front desk can invite to it; whoever is no steward by
the configuration any more is removed before anything is said there; a steward whose server does not answer
holds up nothing. After a crash in the middle it is found again by a tag in its creation content.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from nio.api import Api

from schema.errors import HomeserverRefused, Malformed, Unreachable
from schema.ids import MatrixId, RoomId
from service import logs
from service.matrix import border
from service.matrix.chats import Chat
from service.matrix.client import Client
from service.matrix.devices import MEGOLM
from service.matrix.transport import NO_TOKEN, client_path
from service.store import Store, Transaction

TAG = "org.alongside.room"
"""Where a keyed hash that only we can make stands in the room's creation content."""

_KEPT = "steward_room"
_NAME = "Alongside"
"""The homeserver reads it: it says nothing that the account's name does not."""

_log = logs.get("service.matrix")


@dataclass(frozen=True)
class Tended:
    """The steward room, and the stewards who are joined."""

    room: RoomId
    here: tuple[MatrixId, ...]


async def tend(client: Client, store: Store, named: Collection[MatrixId]) -> Tended | None:
    """Bring the steward room to what `named` says, and have `client` know of it; None where there is none.

    Raises WorldError, or HomeserverRefused where no room can be made.
    """
    async with store.reading() as transaction:
        known = await kept(transaction)
    if known is None and not named:
        return None
    room = await _room(client, known)
    if room is None and not named:
        return None
    if room is None:
        room = await _find(client) or await _make(client)
    client.tend(room, named)
    here = await _settle(client, room, frozenset(named))
    if room != known:
        # Kept when all are invited: until then it is found by its tag, so that nobody is left out by a crash.
        async with store.transaction("steward room") as writing:
            await writing.write_instance(_KEPT, room.encode())
    return Tended(room, here)


async def kept(transaction: Transaction) -> RoomId | None:
    """The steward room that `init` or an earlier start made."""
    found = await transaction.read_instance(_KEPT)
    return RoomId(found.decode()) if found else None


async def _joined(client: Client) -> list[RoomId]:
    answer = await client.transport.ask("joined rooms", Api.joined_rooms(NO_TOKEN))
    return [RoomId(name) for name in border.items(answer, "joined_rooms") if isinstance(name, str)]


async def _room(client: Client, known: RoomId | None) -> RoomId | None:
    """The room that is known, where the front desk still is in it."""
    if known is None or known in await _joined(client):
        return known
    _log.error("the front desk is not in the steward room any more; another is made")
    return None


async def _find(client: Client) -> RoomId | None:
    """The room that an earlier start made, and crashed before it was kept."""
    tag = _tag(client)
    for room in await _joined(client):
        chat = client.chats.get(room)
        if chat is not None and (chat.told is not None or not chat.encrypted):
            continue
        if (await _state(client, room, "m.room.create")).get(TAG) != tag:
            continue
        if await _state(client, room, "m.room.encryption"):
            return room
        # The homeserver was interrupted before the room was what it must be.
        await client.leave(room)
    return None


def _tag(client: Client) -> str:
    return client.store.seal.lookup("steward rooms", client.user_id)


async def _state(client: Client, room: RoomId, type_: str) -> dict[str, Any]:
    try:
        return await client.transport.ask("read state", Api.room_get_state_event(NO_TOKEN, room, type_))
    except HomeserverRefused as refused:
        if refused.status in (403, 404):
            return {}
        raise


async def _make(client: Client) -> RoomId:
    """A new room without anybody in it yet."""
    state = {
        "m.room.encryption": {"algorithm": MEGOLM},
        "m.room.guest_access": {"guest_access": "forbidden"},
        "m.room.history_visibility": {"history_visibility": "joined"},
    }
    only_desk = ("invite", "kick", "ban", "redact", "state_default")
    body = {
        "preset": "private_chat",
        "visibility": "private",
        "name": _NAME,
        "creation_content": {TAG: _tag(client)},
        "power_level_content_override": {"events_default": 0, **dict.fromkeys(only_desk, 100)},
        "initial_state": [
            {"type": type_, "state_key": "", "content": content} for type_, content in state.items()
        ],
    }
    answer = await client.transport.request(
        "create steward room", "POST", client_path("createRoom"), body=body
    )
    try:
        return border.room_id(answer.get("room_id"))
    except Malformed:
        raise Unreachable("create steward room: no room in the answer") from None


async def _settle(client: Client, room: RoomId, named: frozenset[MatrixId]) -> tuple[MatrixId, ...]:
    """Remove whoever is no steward any more, invite whoever is one; those of them who are joined."""
    answer = await client.transport.request("read members", "GET", client_path("rooms", room, "members"))
    # The desk knows it too from now on: before the next sync is read, something may be said to who is there.
    known = client.chats.get(room)
    there = known or Chat(room)
    try:
        there.apply_members(answer)
    except Malformed:
        raise Unreachable("read members: malformed") from None
    if known is not None:
        client.chats.changed.add(room)
    present = there.members.keys() - {client.user_id}
    removed, invited = sorted(present - named), sorted(named - present)
    for member in removed:
        await _try(client, "remove steward", room, "kick", member)
    for member in invited:
        await _try(client, "invite steward", room, "invite", member)
    if removed or invited:
        _log.info("the steward room is tended", count=len(removed) + len(invited))
    return tuple(sorted(one for one, joined in there.members.items() if joined and one in named))


async def _try(client: Client, call: str, room: RoomId, what: str, member: MatrixId) -> None:
    """One of the two; what the homeserver refuses is logged, since nobody else's place waits for it."""
    try:
        path = client_path("rooms", room, what)
        await client.transport.request(call, "POST", path, body={"user_id": member})
    except (HomeserverRefused, Unreachable) as error:
        _log.error("the steward room is not as the configuration says", error=error, call=call)
