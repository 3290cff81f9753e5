"""The keeper: the account without encryption that opens, closes and erases peer rooms, over plain HTTP.

Guards: it looks before each room that it has no device keys, so that there is nothing to send a room key to;
it asks its sync for memberships alone and keeps nothing else of it; whatever it does can be done again after
a crash or a timeout, and an unfinished room is found by the tag in its creation content; of two rooms with
one tag the later is closed; rooms name nobody; a Throttled comes out at once, and the next call goes on where
it stopped. Sources: spec v1.18 "Rooms", MSC4291 (room version 12), Synapse's admin API "Delete Room".
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from schema.errors import HomeserverRefused, KeeperNotDeaf, SignedOut, Unreachable
from schema.events import PeerMembership
from schema.ids import EventId, MatrixId, PairingId, RoomId
from service import logs
from service.matrix import border
from service.matrix.accounts import query_keys, section, server_of
from service.matrix.transport import JSON, Transport, client_path, path

_log = logs.get("keeper")

TAG = "org.alongside.pairing"
"""Where the keyed hash of a pairing stands in the creation content of its room."""

Outcome = Literal["done", "partly", "outside"]
"""What a step came to: "partly" where the homeserver refused some of it, "outside" where the keeper is no
longer in the room and nothing can be done or known."""

_PATIENCE = (0.2, 0.4, 0.8, 1.6)
"""Seconds between two looks for a room that the homeserver may still be making."""
_CREATE_DEADLINE = 60.0
_COURTESY = 2.0
"""Seconds that a sync waits, at most, for rooms that are being made: each event of theirs would wake it."""
_PURGE_DEADLINE = 20.0
"""Seconds that a purge is watched; a longer one goes on without us."""
_PRESENT = ("join", "invite", "knock")
_BLOCKED = "M_INVITE_BLOCKED"
"""The invited person takes no such invitation (spec v1.18, "Invite permission")."""

_STATE: dict[str, JSON] = {
    "m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
    # With "joined", clients withhold keys from a member still invited, and the first words stay unreadable.
    "m.room.history_visibility": {"history_visibility": "invited"},
    "m.room.guest_access": {"guest_access": "forbidden"},
}

_ONLY_MEMBERSHIPS = json.dumps(
    {
        "presence": {"not_types": ["*"]},
        "account_data": {"not_types": ["*"]},
        "room": {
            "account_data": {"not_types": ["*"]},
            "ephemeral": {"not_types": ["*"]},
            "state": {"types": ["m.room.member"]},
            "timeline": {"types": ["m.room.member"], "limit": 50},
        },
    },
    separators=(",", ":"),
)


@dataclass(frozen=True)
class Memberships:
    """What one sync showed; `next_batch` is where the next one goes on, once these are kept."""

    events: tuple[PeerMembership, ...]
    next_batch: str


@dataclass(frozen=True)
class Made:
    """A peer room that is there; those in `blocked` take no invitation to it."""

    room: RoomId
    blocked: tuple[MatrixId, ...] = ()


@dataclass(frozen=True)
class Known:
    """What the records know: the rooms that they name, and the pairings whose room is being opened."""

    rooms: Collection[RoomId]
    opening: Collection[PairingId]


class Keeper:
    """Rooms for pairings, as the account `user_id` of `server`.

    `tag` makes the keyed hash that a room bears for its pairing. `admin` is a transport with a Synapse
    administrator's token, where the community gave one; `forgets`: the homeserver purges by itself a room
    that everybody left. `room_version` None takes the homeserver's default. `name` is every peer room's name:
    it names nobody, and keeps the peer's name off a locked screen.

    Every method raises WorldError for what may work later (then call it again with the same arguments),
    HomeserverRefused for what will not, SignedOut.
    """

    def __init__(
        self,
        transport: Transport,
        user_id: MatrixId,
        server: str,
        tag: Callable[[PairingId], str],
        admin: Transport | None = None,
        forgets: bool = False,
        room_version: str | None = None,
        name: str = "Room",
        patience: Sequence[float] = _PATIENCE,
    ) -> None:
        self._transport = transport
        self._user_id = user_id
        self._server = server
        self._tag = tag
        self._admin = admin
        self._unordered: Literal["asked", "cannot"] = "asked" if forgets else "cannot"
        self._room_version = room_version
        self._name = name
        self._patience = patience
        self._tags: dict[RoomId, str] = {}
        self._unsure: set[str] = set()
        self._making: set[asyncio.Event] = set()
        self._redacting: dict[RoomId, str] = {}
        self._refused: dict[RoomId, set[EventId]] = {}

    async def deaf(self) -> bool:
        """Whether the keeper has no device with encryption keys, as everybody else sees it."""
        answer = await query_keys(self._transport, self._user_id, "keeper keys query")
        return not section(answer, "device_keys", self._user_id)

    async def open(self, pairing: PairingId, members: Sequence[MatrixId], *, again: bool = True) -> Made:
        """The peer room of `pairing`, encrypted, muted, with `members` invited: made now, or found again.

        `again`: an earlier try may have come to something, so it is looked for first. Who blocks invitations
        is left out and named. Raises KeeperNotDeaf before anything is made, and HomeserverRefused where an
        invitation is refused for good in another way; the room is gone again then.
        """
        tag = self._tag(pairing)
        # Of a first try nothing can be there, and each request takes the homeserver's time.
        if not await self.deaf():
            raise KeeperNotDeaf(
                "The keeper has a device with encryption keys, so no peer room is opened",
                fix="Sign the keeper out of every client, delete its devices, sign it in again with "
                "`alongside init --sign-in`, and find out who signed it in.",
            )
        if again and (room := await self._earlier(tag)) is not None:
            return await self._invite_rest(room, members)
        with self._makes():
            made = await self._create(tag, members)
        if (again or tag in self._unsure) and (room := await self._find(tag)) not in (None, made.room):
            # An earlier attempt timed out and came to something meanwhile: the earlier room stays.
            return await self._invite_rest(room, members)
        return made

    @contextmanager
    def _makes(self) -> Iterator[None]:
        """Have our own sync wait meanwhile: it would compete with the room for the homeserver."""
        made = asyncio.Event()
        self._making.add(made)
        try:
            yield
        finally:
            self._making.discard(made)
            made.set()

    async def sweep(self, known: Callable[[], Awaitable[Known]]) -> int:
        """Close tagged rooms that no record knows of: late results of requests that were given up.

        `known` reads the records; it is asked after the rooms were listed, so that a room opened meanwhile is
        safe. To be called at each start, and a while after a room was opened with difficulty. Returns how
        many were closed.
        """
        rooms = await self._tagged()
        records = await known()
        being_opened = {self._tag(pairing) for pairing in records.opening}
        strays = [
            room for room, tag in rooms.items() if room not in records.rooms and tag not in being_opened
        ]
        for room in strays:
            await self._close(room)
        self._unsure &= being_opened
        return len(strays)

    async def invite_again(self, room: RoomId, member: MatrixId, *, again: bool = False) -> None:
        """Invite `member` anew: a pending invitation is withdrawn first; who is joined is left alone.

        `again`: an earlier try may have arrived, and the pending invitation be its own. It stays then, since
        whoever comes in by it just now would be put out again.
        """
        membership = (await self._members(room)).get(member)
        if membership == "join" or (again and membership == "invite"):
            return
        if membership == "invite":
            await self._remove(room, member)
        await self._invite(room, member)

    async def let_write(self, room: RoomId) -> None:
        """Both may write from now on; `open` makes a room in which nobody can."""
        await self._set_levels(room, "let write", lambda levels: levels | {"events_default": 0})

    async def mute(self, room: RoomId) -> None:
        """Nobody but the keeper can write any more; people can still redact their own words."""

        def muted(levels: JSON) -> JSON:
            events = levels.get("events")
            events = events if isinstance(events, dict) else {}
            return levels | {
                "events_default": 100,
                "state_default": 100,
                "events": {kind: _at_least(level, 100) for kind, level in events.items()}
                | {"m.room.redaction": 0},
            }

        await self._set_levels(room, "mute", muted)

    async def _set_levels(self, room: RoomId, call: str, change: Callable[[JSON], JSON]) -> None:
        place = client_path("rooms", room, "state", "m.room.power_levels", "")
        levels = await self._transport.request("read power levels", "GET", place)
        if (wanted := change(levels)) != levels:
            await self._transport.request(call, "PUT", place, body=wanted)

    async def redact(self, room: RoomId) -> Outcome:
        """Redact everything that people sent in the room, while they are still joined.

        Goes back page by page and leaves out what is redacted already; after a Throttled the next call goes
        on with the page it was at, after a restart with the newest. What was refused before still counts.
        """
        refused = self._refused.setdefault(room, set())
        at = self._redacting.get(room)
        while True:
            try:
                page = await self._page(room, at)
            except HomeserverRefused as error:
                if error.status in (403, 404) and not await self._inside(room):
                    return "outside"
                if at is None:
                    raise
                # The homeserver no longer knows where we were: from the newest event again.
                at = None
                continue
            for event in _list(page.get("chunk")):
                if (event_id := _redactable(event)) is not None:
                    if await self._redact(room, event_id):
                        refused.discard(event_id)
                    else:
                        refused.add(event_id)
            following = border.following(page, "end", at)
            if following is None:
                self._redacting.pop(room, None)
                del self._refused[room]
                return "partly" if refused else "done"
            at = self._redacting[room] = following

    async def _page(self, room: RoomId, at: str | None) -> JSON:
        query = {"dir": "b", "limit": "100", "filter": '{"lazy_load_members":true}'}
        if at is not None:
            query["from"] = at
        place = client_path("rooms", room, "messages")
        return await self._transport.request("read back", "GET", place, query=query)

    async def _redact(self, room: RoomId, event: EventId) -> bool:
        # One transaction id for one event, so that an answer that was lost makes no second redaction.
        transaction = hashlib.sha256(f"redact {room} {event}".encode()).hexdigest()[:32]
        place = client_path("rooms", room, "redact", event, transaction)
        try:
            await self._transport.request("redact", "PUT", place, body={})
        except HomeserverRefused as error:
            if error.status in (400, 403, 404):
                return False
            raise
        return True

    async def empty(self, room: RoomId, members: Sequence[MatrixId], *, alone: bool = False) -> Outcome:
        """Remove `members` and whoever else is there, and withdraw invitations; who is gone is left alone.

        `alone`: nobody but `members` is removed.
        """
        try:
            present = await self._members(room)
        except HomeserverRefused as error:
            if error.status in (403, 404) and not await self._inside(room):
                return "outside"
            raise
        for member, membership in present.items():
            other = member != self._user_id and not alone
            if membership in _PRESENT and (member in members or other):
                await self._remove(room, member)
        return "done"

    async def purge(self, room: RoomId) -> Literal["purged", "asked", "cannot"]:
        """Leave and forget the room, and have our homeserver purge it where we have an administrator's token.

        "purged": the homeserver says that it is done. "asked": it took the order and was not done within
        20 seconds, or it purges by itself what everybody left. "cannot": there is no such token, or it is
        refused; the homeserver keeps the room.
        """
        await self._leave(room)
        return await self._erase(room)

    async def purge_copy(self, room: RoomId, server: str) -> Literal["purged", "asked", "cannot"]:
        """Have our homeserver purge its copy of a room that another community's keeper made, as `purge` does.

        Which room it is was said by the other side, and an administrator's order puts everybody out: so it
        goes out only for one that was made by an account of `server`, theirs, with nobody of ours in it.
        Raises Unreachable while somebody of ours still is: they may be on their way out.
        """
        if self._admin is None:
            return self._unordered
        try:
            inside = await self._admin.request("look into a room", "GET", _members(room))
        except SignedOut as error:
            _log.warning("the administrator's token is refused", error=error)
            return self._unordered
        except HomeserverRefused as error:
            if error.status == 404 and error.code == "M_NOT_FOUND":
                return "purged"
            if error.status in (400, 401, 403, 404):
                _log.warning("the homeserver does not say who is in a room", error=error)
                return self._unordered
            raise
        members = inside.get("members")
        if not isinstance(members, list) or server == self._server:
            return "cannot"
        if await self._made_on(room, self._admin) != server:
            return "cannot"
        if any(str(one).partition(":")[2] == self._server for one in members):
            raise Unreachable("purge: somebody is still in the room")
        return await self._erase(room)

    async def _made_on(self, room: RoomId, admin: Transport) -> str:
        """On which server the room was made; empty where that cannot be known.

        Of the room itself Synapse keeps no maker where it came by an invitation. But until version 12 its id
        has the server, and from then on it is the id of the event that made it (MSC4291).
        """
        localpart, _, server = room.partition(":")
        if server:
            return server
        try:
            answer = await admin.request("look how a room was made", "GET", _event(f"${localpart[1:]}"))
        except (SignedOut, HomeserverRefused) as error:
            _log.warning("the homeserver does not say who made a room", error=error)
            return ""
        made = answer.get("event")
        sender = made.get("sender") if isinstance(made, dict) and made.get("type") == "m.room.create" else ""
        return str(sender).partition(":")[2]

    async def _erase(self, room: RoomId) -> Literal["purged", "asked", "cannot"]:
        if self._admin is None:
            return self._unordered
        order = {"purge": True, "block": False}
        try:
            answer = await self._admin.request("purge", "DELETE", _admin_path(room), body=order)
        except SignedOut as error:
            _log.warning("the administrator's token is refused", error=error)
            return self._unordered
        except HomeserverRefused as error:
            if error.status == 404:
                return "purged"
            if error.status in (401, 403):
                _log.warning("the administrator's token is refused", error=error)
                return self._unordered
            if error.status == 400 and error.code == "M_UNKNOWN":
                # An earlier order for this room is being carried out.
                return await _watch(self._admin, _admin_path(room, "delete_status"))
            raise
        order_id = answer.get("delete_id")
        if not isinstance(order_id, str):
            raise Unreachable("purge: no order")
        return await _watch(self._admin, _admin_path("delete_status", order_id))

    async def memberships(self, since: str | None, timeout: float = 30.0) -> Memberships:
        """What changed in who is in which room since `since`, waiting `timeout` seconds for a change.

        With None, all that is so now. The token is the caller's to keep, in one transaction with the events.
        Whatever else the homeserver sends, to-device messages included, is dropped unread.
        """
        query = {"filter": _ONLY_MEMBERSHIPS, "timeout": str(int(timeout * 1000)), "set_presence": "offline"}
        if since is not None:
            query["since"] = since
        with suppress(TimeoutError):
            async with asyncio.timeout(_COURTESY):
                for made in list(self._making):
                    await made.wait()
        answer = await self._transport.request(
            "keeper sync", "GET", client_path("sync"), query=query, timeout=timeout + 30
        )
        following = border.following(answer, "next_batch")
        if following is None:
            raise Unreachable("keeper sync: no token")
        return Memberships(tuple(self._read(answer)), following)

    def _removed(self, event: object) -> bool:
        content = event.get("content") if isinstance(event, dict) else None
        left = isinstance(content, dict) and content.get("membership") == "leave"
        return left and isinstance(event, dict) and event.get("sender") == self._user_id

    def _read(self, answer: JSON) -> list[PeerMembership]:
        rooms = answer.get("rooms")
        joined = rooms.get("join") if isinstance(rooms, dict) else None
        found: list[PeerMembership] = []
        for room, parts in (joined if isinstance(joined, dict) else {}).items():
            for name in ("state", "timeline"):
                part = parts.get(name) if isinstance(parts, dict) else None
                events = _list(part.get("events") if isinstance(part, dict) else None)
                # What it took back itself is nobody's leaving: an invitation is withdrawn before a new one.
                others = (event for event in events if not self._removed(event))
                seen = (_membership(RoomId(room), event) for event in others)
                found.extend(one for one in seen if one is not None and one.user != self._user_id)
        return found

    async def _create(self, tag: str, members: Sequence[MatrixId], invite: bool = True) -> Made:
        creation: JSON = {TAG: tag}
        if all(server_of(member) == self._server for member in members):
            creation["m.federate"] = False
        body: JSON = {
            "preset": "private_chat",
            "visibility": "private",
            "name": self._name,
            "creation_content": creation,
            "invite": list(members) if invite else [],
            "power_level_content_override": {
                # What one writes while the other is only invited, the other's client may never read.
                "events_default": 100,
                "state_default": 100,
                "invite": 100,
                "kick": 100,
                "ban": 100,
                "redact": 100,
            },
            "initial_state": [
                {"type": kind, "state_key": "", "content": content} for kind, content in _STATE.items()
            ],
        }
        if self._room_version is not None:
            body["room_version"] = self._room_version
        try:
            answer = await self._transport.request(
                "create room", "POST", client_path("createRoom"), body=body, timeout=_CREATE_DEADLINE
            )
            room = answer.get("room_id")
            if not isinstance(room, str):
                raise Unreachable("create room: no room id")
        except (Unreachable, asyncio.CancelledError):
            self._unsure.add(tag)
            raise
        except HomeserverRefused as error:
            # Invitations come last: the room may be there, and whose invitation was refused is not said.
            found = await self._find(tag)
            if found is not None:
                return await self._invite_rest(found, members)
            if error.code != _BLOCKED or not invite:
                raise
            # Whoever blocks invitations keeps nobody from theirs: first the room, then one by one.
            return await self._create(tag, members, invite=False)
        self._tags[RoomId(room)] = tag
        return Made(RoomId(room)) if invite else await self._invite_rest(RoomId(room), members)

    async def _tagged(self) -> dict[RoomId, str]:
        """Our rooms that bear a tag. Each room is read once, since its creation content never changes."""
        answer = await self._transport.request("joined rooms", "GET", client_path("joined_rooms"))
        joined = {RoomId(room) for room in _list(answer.get("joined_rooms")) if isinstance(room, str)}
        for gone in self._tags.keys() - joined:
            del self._tags[gone]
        for room in sorted(joined - self._tags.keys()):
            try:
                self._tags[room], _ = await self._read_creation(room)
            except HomeserverRefused as error:
                if error.status not in (403, 404):
                    raise
                # Left between the list and now: one room's end is no reason to refuse another pairing.
        return {room: tag for room, tag in self._tags.items() if tag}

    async def _read_creation(self, room: RoomId) -> tuple[str, int]:
        """The room's tag, if it has one, and when it was made, in the homeserver's milliseconds."""
        place = client_path("rooms", room, "state", "m.room.create", "")
        event = await self._transport.request("read creation", "GET", place, query={"format": "event"})
        # A homeserver that does not know `format=event` (spec v1.16) answers with the content alone.
        content, made_at = event.get("content", event), event.get("origin_server_ts")
        tag = content.get(TAG) if isinstance(content, dict) else None
        return tag if isinstance(tag, str) else "", made_at if isinstance(made_at, int) else 0

    async def _earlier(self, tag: str) -> RoomId | None:
        """The room that an earlier try made.

        Whoever asked for it may have died or given up just now, and the homeserver still be at work. So it is
        looked for again before it counts as not there, or as never finished.
        """
        for pause in self._patience:
            rooms = [room for room, its in (await self._tagged()).items() if its == tag]
            if rooms and all([await self._whole(room) for room in rooms]):
                break
            await asyncio.sleep(pause)
        return await self._find(tag)

    async def _find(self, tag: str) -> RoomId | None:
        """The earliest room with this tag that was made to its end; the others are closed."""
        rooms = [room for room, its in (await self._tagged()).items() if its == tag]
        if len(rooms) > 1:
            ages = {room: (await self._read_creation(room))[1] for room in rooms}
            rooms.sort(key=lambda room: (ages[room], room))
        first = None
        for room in rooms:
            if first is None and await self._whole(room):
                first = room
            else:
                await self._close(room)
        return first

    async def _whole(self, room: RoomId) -> bool:
        """Whether the homeserver came to the end of the room's first state before it was interrupted."""
        for kind, content in _STATE.items():
            place = client_path("rooms", room, "state", kind, "")
            try:
                there = await self._transport.request("read state", "GET", place)
            except HomeserverRefused as error:
                if error.status == 404:
                    return False
                raise
            if there != content:
                return False
        return True

    async def _close(self, room: RoomId) -> None:
        await self.empty(room, ())
        await self._leave(room)

    async def _leave(self, room: RoomId) -> None:
        for step in ("leave", "forget"):
            try:
                await self._transport.request(
                    f"keeper {step}", "POST", client_path("rooms", room, step), body={}
                )
            except HomeserverRefused as error:
                if error.status not in (400, 403, 404) or await self._inside(room):
                    raise
        self._tags.pop(room, None)
        self._redacting.pop(room, None)
        self._refused.pop(room, None)

    async def _inside(self, room: RoomId) -> bool:
        answer = await self._transport.request("joined rooms", "GET", client_path("joined_rooms"))
        return room in _list(answer.get("joined_rooms"))

    async def _members(self, room: RoomId) -> dict[MatrixId, str]:
        answer = await self._transport.request("room members", "GET", client_path("rooms", room, "members"))
        seen = (_membership(room, event) for event in _list(answer.get("chunk")))
        return {one.user: one.membership for one in seen if one is not None}

    async def _invite(self, room: RoomId, member: MatrixId) -> None:
        try:
            await self._transport.request(
                "invite", "POST", client_path("rooms", room, "invite"), body={"user_id": member}
            )
        except HomeserverRefused as error:
            if error.status == 403 and (await self._members(room)).get(member) == "join":
                return
            raise

    async def _invite_rest(self, room: RoomId, members: Sequence[MatrixId]) -> Made:
        """Invite those who were never invited; whoever declined or left is not asked again.

        Who blocks invitations is passed over and named.
        """
        present, blocked = await self._members(room), []
        for member in members:
            if member not in present:
                try:
                    await self._invite(room, member)
                except HomeserverRefused as error:
                    if error.code != _BLOCKED:
                        await self._close(room)
                        raise
                    blocked.append(member)
        return Made(room, tuple(blocked))

    async def _remove(self, room: RoomId, member: MatrixId) -> None:
        try:
            await self._transport.request(
                "remove", "POST", client_path("rooms", room, "kick"), body={"user_id": member}
            )
        except HomeserverRefused:
            # They left at the same moment, or an answer was lost.
            if (await self._members(room)).get(member) in _PRESENT:
                raise


def _admin_path(*segments: str) -> str:
    return path("_synapse", "admin", "v2", "rooms", *segments)


def _members(room: RoomId) -> str:
    return path("_synapse", "admin", "v1", "rooms", room, "members")


def _event(event: str) -> str:
    return path("_synapse", "admin", "v1", "fetch_event", event)


async def _watch(admin: Transport, place: str) -> Literal["purged", "asked"]:
    wait, waited = 0.1, 0.0
    while True:
        try:
            answer = await admin.request("purge status", "GET", place)
        except HomeserverRefused:
            # Orders are forgotten after a while; the next try gives the order anew.
            raise Unreachable("purge: no status") from None
        # Asked by order there is one status, by room a list of them, the newest last.
        newest = (_list(answer.get("results")) or [answer])[-1]
        status = newest.get("status") if isinstance(newest, dict) else None
        if status == "complete":
            return "purged"
        if status == "failed":
            raise Unreachable("purge: failed")
        if waited >= _PURGE_DEADLINE:
            return "asked"
        await asyncio.sleep(wait)
        wait, waited = min(wait * 2, 2.0), waited + wait


def _at_least(level: object, least: int) -> int:
    return max(level, least) if isinstance(level, int) else least


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _membership(room: RoomId, event: object) -> PeerMembership | None:
    """What an `m.room.member` event says; None for anything that is none."""
    if not isinstance(event, dict) or event.get("type") != "m.room.member":
        return None
    content, user, event_id = event.get("content"), event.get("state_key"), event.get("event_id")
    membership = content.get("membership") if isinstance(content, dict) else None
    if not (isinstance(user, str) and isinstance(event_id, str) and isinstance(membership, str)):
        return None
    return PeerMembership(EventId(event_id), room, MatrixId(user), membership)


def _redactable(event: object) -> EventId | None:
    """The id of an event that a person sent and that still has content."""
    if not isinstance(event, dict) or "state_key" in event or event.get("type") == "m.room.redaction":
        return None
    unsigned, event_id = event.get("unsigned"), event.get("event_id")
    if isinstance(unsigned, dict) and "redacted_because" in unsigned:
        return None
    return EventId(event_id) if isinstance(event_id, str) and event.get("content") else None
