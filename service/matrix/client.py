"""The front desk's device: what it knows of its rooms, and the only way to write in them.

Guards:
- Never plain: a message leaves only encrypted, only into a room where the desk and one member are joined and
  nobody else is joined or invited, and only to an identity that the member stands by. The one exception is
  the fixed answer in a room that was never encrypted.
- In the steward room nothing is said while anybody is joined or invited who is no steward by the
  configuration, and only to those whose identity has not changed.
- What is too large for an event of 16 KiB is refused here, for good.
- A send has a deadline and waits for no other room. In the steady state it is one encryption and one request,
  without the database.
- After a failed commit the machine is dropped and loaded again, since memory is ahead of the disk then.
"""

import asyncio
import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakValueDictionary

from nio.api import Api

from schema.errors import HomeserverRefused, IdentityChanged, IdentityLost, Malformed, NotPrivate, Unreachable
from schema.ids import DeviceId, EventId, LinkId, MatrixId, OutboxId, RoomId
from schema.states import Standing
from schema.wire import EVENT_TYPE
from service import logs
from service.clock import Clock
from service.core.sizes import LARGEST_BODY
from service.matrix import attachments, border
from service.matrix.chats import Chat, Chats
from service.matrix.crypto_store import CryptoRows, Records
from service.matrix.devices import MEGOLM
from service.matrix.directory import Directory
from service.matrix.machine import Machine
from service.matrix.messages import ALONGSIDE_ID, text_content
from service.matrix.sharing import RoomSession, Sharing
from service.matrix.transport import NO_TOKEN, Transport, client_path

_log = logs.get("service.matrix")

CHAT_TAG = "org.alongside.chat"
"""Where the keyed hash of a member stands in the creation content of the chat that the desk made for them."""

LINK_TAG = "org.alongside.link.tag"
"""The same of a link, in the room of its two front desks."""

_ASK_SECONDS = 5.0
_LOOK_BACK = 50
_JOIN_PAUSES = (0.5, 2.0, None)
_ACQUAINTANCE = timedelta(seconds=1.5)
"""Before the first words in a chat that we came into, or the member into one that we made: a client that
keeps to signed devices never shows what came before it had looked our device up.
"""
_UPLOADS_IN_A_ROW = 5
_MOST_UPLOADED = 100
"""Files that are uploaded and not yet sent, of which it is remembered where they lie."""
_LARGEST_CONTENT = LARGEST_BODY + 500
"""Bytes of an event's content: the body, and what stands beside it."""


class Client:
    """One account's encryption device. `patience` is how long one send may take, in seconds."""

    def __init__(
        self,
        transport: Transport,
        store: Records,
        user_id: MatrixId,
        device_id: DeviceId,
        clock: Clock,
        patience: float = 30.0,
    ) -> None:
        self.transport = transport
        self.store = store
        self.user_id = user_id
        self.device_id = device_id
        self.clock = clock
        self._patience = patience
        self._machine: Machine | None = None
        self.chats = Chats(user_id)
        self.directory = Directory(transport, lambda: self.machine, clock, user_id.partition(":")[2])
        self.sharing = Sharing(transport, lambda: self.machine, self.save, clock)
        self.doubtful: dict[RoomId, None] = {}
        """Rooms that may be somebody's chat, and whose members are still to be asked for."""
        self.doubts = asyncio.Event()
        self.hidden: set[RoomId] = set()
        """Rooms whose members the homeserver refuses to tell."""
        self._locks: WeakValueDictionary[RoomId, asyncio.Lock] = WeakValueDictionary()
        self._came_in: dict[RoomId, datetime] = {}
        self._uploaded: dict[OutboxId, dict[str, Any]] = {}
        self._made: set[RoomId] = set()
        """Chats that we made in this run and whose member has not come in yet."""
        self.stewards: frozenset[MatrixId] = frozenset()
        """Who is a steward by the configuration."""
        self._steward_room: RoomId | None = None

    @property
    def machine(self) -> Machine:
        """The Olm machine; Unreachable while it has to be loaded again."""
        if self._machine is None:
            raise Unreachable("the encryption state is being loaded")
        return self._machine

    @property
    def loaded(self) -> bool:
        """Whether the encryption state is in memory and may be used."""
        return self._machine is not None

    # ---- life

    async def start(self) -> None:
        """Load the encryption state, and see that the homeserver has our device's keys.

        Raises WorldError, SignedOut, HomeserverRefused; IdentityLost where the homeserver has other keys for
        this device: then the database is not this device's.
        """
        await self.load()
        answer = await self.transport.ask("keys query", Api.keys_query(NO_TOKEN, [self.user_id]))
        published = border.part(answer, "device_keys", self.user_id, self.device_id)
        ours = self.machine.device_keys()
        if published and published.get("keys") != ours["keys"]:
            raise IdentityLost(
                "The homeserver has other encryption keys for this device than this database",
                fix="A restored database can't go on with its old device: sign in again with"
                " `alongside init --sign-in`, which makes a new one.",
            )
        self.machine.published = bool(published)
        if not published:
            # The first sync says how many one-time keys there are; without device keys there are none.
            await self.upload_keys(0, fallback_used=True)

    async def load(self) -> None:
        """Drop what is in memory and load what is on disk."""
        rows = CryptoRows(self.store.seal.lookup)
        async with self.store.transaction("load crypto") as transaction:
            kept = await transaction.read_crypto()
            chats = await transaction.read_chats()
        self.chats = Chats(self.user_id, [Chat.from_row(row) for _, row in chats])
        self.chats.stewards = self._steward_room
        self._machine = Machine.load(self.user_id, self.device_id, rows, kept, self.clock.now(), self.chats)
        self.sharing.drop_all()
        await self.save()

    def drop(self) -> None:
        """Memory is ahead of the disk: use it no more."""
        self._machine = None

    async def save(self) -> None:
        """Commit the machine's changed rows, if there are any."""
        machine = self.machine
        changed = machine.rows.changed()
        if not changed.rows:
            return
        async with self.store.transaction("crypto") as transaction:
            if not self._same(machine):
                # A batch failed while this waited for its turn: that memory is ahead of the disk.
                raise Unreachable("the encryption state is being loaded")
            changed = machine.rows.changed()
            await transaction.write_crypto(changed.rows)
        machine.rows.committed(changed)

    async def upload_keys(self, count: int | None, *, fallback_used: bool) -> int:
        """Bring the one-time keys on the homeserver up to number; it has `count` (None: it is asked).

        Gives the number that it has then.

        Keys are saved first. A homeserver that has others under their names (after a restored database)
        refuses; those are given up, and fresh ones go out under the next names.
        """
        for tries in range(_UPLOADS_IN_A_ROW):
            if count is None:
                # An upload of nothing tells the number.
                count = _count(await self.transport.ask("keys upload", Api.keys_upload(NO_TOKEN, {})))
            machine = self.machine
            body = machine.prepare_upload(count, fallback_used)
            if body is None:
                return count
            await self.save()
            try:
                answer = await self.transport.ask("keys upload", Api.keys_upload(NO_TOKEN, body))
            except HomeserverRefused as refused:
                if refused.status != 400 or not self._same(machine) or tries == _UPLOADS_IN_A_ROW - 1:
                    raise
                machine.mark_uploaded()
                count = None
                continue
            if self._same(machine):
                machine.mark_uploaded()
                machine.mark_published()
                await self.save()
            return _count(answer)
        return count or 0

    def _same(self, machine: Machine) -> bool:
        return self._machine is machine

    # ---- what identity and verification need

    def device_keys(self) -> dict[str, Any]:
        """Our device key object as uploaded, with the device's own signature."""
        return self.machine.device_keys()

    def sign(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """`value` with the device's signature added (spec, "Signing JSON")."""
        return self.machine.sign(value)

    def identity_changed(self, member: MatrixId) -> bool:
        """Whether the member's cross-signing identity is another than the one pinned."""
        person = self.machine.people.get(member)
        return person is not None and person.changed

    async def accept_identity(self, member: MatrixId) -> None:
        """The member said in the chat that the change is theirs: pin what is shown now."""
        person = self.directory.person(member)
        if not person.changed:
            return
        person.accept()
        self.machine.mark_person(member)
        await self.save()

    # ---- rooms

    def private(self, room: RoomId, member: MatrixId) -> bool:
        """Whether a message in `room` reaches `member` alone, and comes from them alone, encrypted."""
        return self.standing(room, member) is Standing.PRIVATE

    def shared_with(self, member: MatrixId) -> tuple[RoomId, ...]:
        """Every room of ours in which `member` is joined or invited, as far as is known."""
        return self.chats.shared_with(member)

    def standing(self, room: RoomId, member: MatrixId) -> Standing:
        """How `room` stands with `member`; where that is not known now, the sync finds out and wakes."""
        chat = self.chats.get(room)
        changed = self.identity_changed(member)
        if chat is None or not (chat.encrypted and chat.algorithm_known):
            return Standing.NOT_PRIVATE
        if not chat.sure and chat.others(self.user_id) <= 1 and room not in self.hidden:
            self.doubt(room)
            return Standing.UNKNOWN
        if self.chats.alone_with(room) != member:
            return Standing.NOT_PRIVATE
        return Standing.CHANGED if changed else Standing.PRIVATE

    def link_standing(self, room: RoomId, desk: MatrixId) -> Standing:
        """How `room` stands for what the front desk `desk` said in it over a link.

        It leaves after its last word, which can be handled after that: alone with nobody it was private too.
        """
        chat = self.chats.get(room)
        usable = chat is not None and chat.link and chat.encrypted and chat.algorithm_known
        if chat is not None and usable and chat.sure and not chat.others(self.user_id):
            return Standing.PRIVATE
        return self.standing(room, desk)

    def tend(self, room: RoomId | None, stewards: Collection[MatrixId]) -> None:
        """Take `room` as the steward room, and `stewards` as those who count in it."""
        self._steward_room = self.chats.stewards = room
        self.stewards = frozenset(stewards)

    def stewards_here(self) -> list[MatrixId]:
        """The stewards who are in their room, in order; nobody while that is not known."""
        room = self._steward_room
        chat = None if room is None else self.chats.get(room)
        if chat is None or not chat.sure:
            return []
        return sorted(one for one, joined in chat.members.items() if joined and one in self.stewards)

    def steward_standing(self, room: RoomId, sender: MatrixId) -> Standing:
        """Whether what `sender` writes in `room` counts as a steward's; PRIVATE where it does."""
        chat = self.chats.get(room)
        if chat is None or room != self._steward_room or not (chat.encrypted and chat.algorithm_known):
            return Standing.NOT_PRIVATE
        if sender not in self.stewards or room in self.hidden:
            return Standing.NOT_PRIVATE
        if not chat.sure:
            self.doubt(room)
            return Standing.UNKNOWN
        if sender not in self.stewards_here() or chat.members.keys() - self.stewards - {self.user_id}:
            return Standing.NOT_PRIVATE
        return Standing.CHANGED if self.identity_changed(sender) else Standing.PRIVATE

    async def join(self, room: RoomId) -> None:
        """Accept an invitation. Raises WorldError or HomeserverRefused.

        Right after an invitation came from another server a join can be refused for a moment.
        """
        for pause in _JOIN_PAUSES:
            try:
                await self.transport.ask("join", Api.join(NO_TOKEN, room))
                self._came_in[room] = self.clock.now()
                return
            except HomeserverRefused as refused:
                if refused.status not in (403, 404) or pause is None:
                    raise
                await self.clock.sleep_until(self.clock.now() + timedelta(seconds=pause))

    def came(self, room: RoomId) -> None:
        """Note that somebody came into `room` just now."""
        self._came_in[room] = self.clock.now()

    def met(self, room: RoomId) -> None:
        """Note that the member is in the chat `room` now."""
        if room in self._made:
            self._made.discard(room)
            self._came_in[room] = self.clock.now()

    async def leave(self, room: RoomId) -> None:
        """Leave (or decline) and forget a room; one that we are not in is as good as left."""
        for call, asked in (("leave", Api.room_leave), ("forget", Api.room_forget)):
            try:
                await self.transport.ask(call, asked(NO_TOKEN, room))
            except HomeserverRefused as refused:
                if refused.status not in (400, 403, 404):
                    raise

    async def create_direct_chat(self, member: MatrixId) -> RoomId:
        """An encrypted direct chat with `member`, who is invited; the one that there is, where there is one.

        A room that an earlier try made, before a timeout or a crash, is found by its tag. Raises WorldError,
        or HomeserverRefused where the invitation is refused; the room is left again then.
        """
        for room in self.chats.direct_with(member):
            return room
        tag = self._chat_tag(member)
        room, invited = await self._find_made(CHAT_TAG, tag, member) or (await self._make_chat(tag), False)
        self._made.add(room)
        if not invited:
            await self._invite(room, {"membership": "invite", "is_direct": True}, member)
        return room

    async def create_link_room(self, link: LinkId, desk: MatrixId) -> RoomId:
        """The encrypted room of a link's two front desks, where the other one is invited; see above."""
        tag = self.store.seal.lookup("link rooms", link)
        found = await self._find_made(LINK_TAG, tag, desk)
        room, invited = found or (await self._make_link_room(tag), False)
        if not invited:
            await self._invite(room, {"membership": "invite"}, desk)
        return room

    async def _invite(self, room: RoomId, content: dict[str, Any], user: MatrixId) -> None:
        """Invite as a state event, since `POST invite` can't say that a chat is direct."""
        try:
            asked = Api.room_put_state(NO_TOKEN, room, "m.room.member", content, user)
            await self.transport.ask("invite to chat", asked)
        except HomeserverRefused:
            self._made.discard(room)
            await self.leave(room)
            raise

    async def _find_made(self, key: str, tag: str, member: MatrixId) -> tuple[RoomId, bool] | None:
        """A room that an earlier try made for `member` alone, and whether they are joined or invited."""
        answer = await self.transport.ask("joined rooms", Api.joined_rooms(NO_TOKEN))
        for name in border.items(answer, "joined_rooms"):
            try:
                room = border.room_id(name)
            except Malformed:
                continue
            chat = self.chats.get(room)
            if chat is not None and chat.members.keys() - {self.user_id, member}:
                continue
            if (await self._state(room, "m.room.create")).get(key) != tag:
                continue
            if not await self._state(room, "m.room.encryption"):
                # The homeserver was interrupted before the room was what it must be.
                await self.leave(room)
                continue
            present = (await self._members_of(room)).keys() - {self.user_id}
            if present <= {member}:
                return room, bool(present)
        return None

    def _chat_tag(self, member: MatrixId) -> str:
        return self.store.seal.lookup("direct chats", member)

    async def _state(self, room: RoomId, type_: str) -> dict[str, Any]:
        """The content of a state event; empty where there is none, or we are no longer inside."""
        try:
            return await self.transport.ask("read state", Api.room_get_state_event(NO_TOKEN, room, type_))
        except HomeserverRefused as refused:
            if refused.status in (403, 404):
                return {}
            raise

    async def _members_of(self, room: RoomId) -> dict[MatrixId, bool]:
        """Who is joined (True) or invited in a room that may not be among our chats."""
        answer = await self.transport.request(
            "read members", "GET", client_path("rooms", room, "members"), timeout=_ASK_SECONDS
        )
        try:
            asked = Chat(room)
            asked.apply_members(answer)
        except Malformed:
            raise Unreachable("read members: malformed") from None
        return asked.members

    async def _make_chat(self, tag: str) -> RoomId:
        """A room for a chat with the member of that tag, who is not invited yet.

        The preset is not the trusted one: that would make the member a creator of the room.
        """
        body = {
            "preset": "private_chat",
            "visibility": "private",
            "is_direct": True,
            "creation_content": {CHAT_TAG: tag},
            "initial_state": [
                _state("m.room.encryption", {"algorithm": MEGOLM}),
                _state("m.room.guest_access", {"guest_access": "forbidden"}),
                _state("m.room.history_visibility", {"history_visibility": "invited"}),
            ],
        }
        return await self._make(body)

    async def _make_link_room(self, tag: str) -> RoomId:
        """A room of two desks, where only ours can change anything; its type tells the other what it is.

        Whoever comes in reads nothing from before.
        """
        only_us = ("invite", "kick", "ban", "redact", "state_default")
        body = {
            "preset": "private_chat",
            "visibility": "private",
            "creation_content": {"type": EVENT_TYPE, LINK_TAG: tag},
            "power_level_content_override": {"events_default": 0, **dict.fromkeys(only_us, 100)},
            "initial_state": [
                _state("m.room.encryption", {"algorithm": MEGOLM}),
                _state("m.room.guest_access", {"guest_access": "forbidden"}),
                _state("m.room.history_visibility", {"history_visibility": "joined"}),
            ],
        }
        return await self._make(body)

    async def _make(self, body: dict[str, Any]) -> RoomId:
        # nio's room_create takes no creation content, where the tag stands.
        answer = await self.transport.request("create chat", "POST", client_path("createRoom"), body=body)
        try:
            return border.room_id(answer.get("room_id"))
        except Malformed:
            raise Unreachable("create chat: no room in the answer") from None

    # ---- sending

    async def send_text(
        self,
        room: RoomId,
        body: str,
        notice: bool,
        transaction: OutboxId,
        *,
        member: MatrixId | None = None,
        to_changed_identity: bool = False,
        again: bool = False,
    ) -> EventId:
        """Say `body` in the encrypted direct chat `room`; the event's id.

        `member`: only if they are the one whose chat it is. `to_changed_identity` lets out what is not
        private, to somebody whose identity changed. `again`: an earlier try had no answer, so the room is
        searched first, since a homeserver forgets transaction ids after a day.
        Raises NotPrivate (IdentityChanged among it), WorldError, HomeserverRefused; nothing was sent then,
        or, after a WorldError, perhaps.
        """
        if (came_in := self._came_in.pop(room, None)) is not None:
            await self.clock.sleep_until(came_in + _ACQUAINTANCE)
        return await self.send_event(
            room,
            "m.room.message",
            text_content(body, notice),
            transaction,
            member=member,
            to_changed_identity=to_changed_identity,
            again=again,
        )

    async def send_file(
        self, room: RoomId, name: str, body: str, transaction: OutboxId, *, member: MatrixId, again: bool
    ) -> EventId:
        """Send `body` as a file of JSON, encrypted; see `send_text`.

        It is uploaded once in a run: after a crash just then, a ciphertext whose key nobody has is left.
        """
        if again and (found := await self.find_sent(room, transaction)) is not None:
            return found
        # Before the upload: a message that can't go leaves nothing behind.
        self._only_member(await self._sure(room), member)
        if self.identity_changed(member):
            raise IdentityChanged("the member's identity changed")
        content = self._uploaded.get(transaction)
        if content is None:
            plaintext = body.encode()
            ciphertext, described = attachments.encrypt(plaintext)
            answer = await self.transport.upload(ciphertext)
            try:
                content = attachments.content(name, described, answer.get("content_uri"), len(plaintext))
            except Malformed:
                raise Unreachable("upload: no address in the answer") from None
            self._uploaded[transaction] = content
            if len(self._uploaded) > _MOST_UPLOADED:
                del self._uploaded[next(iter(self._uploaded))]
        sent = await self.send_event(room, "m.room.message", content, transaction, member=member)
        self._uploaded.pop(transaction, None)
        return sent

    @staticmethod
    def _bound(content: Mapping[str, Any], call: str) -> None:
        """Refuse for good what would be too large; a server on the way might refuse it, and never say so."""
        if len(Api.to_canonical_json(dict(content)).encode()) > _LARGEST_CONTENT:
            _log.error("a message is too large", call=call)
            raise HomeserverRefused(413, "M_TOO_LARGE", call)

    async def send_event(
        self,
        room: RoomId,
        type_: str,
        content: dict[str, Any],
        transaction: str,
        *,
        member: MatrixId | None = None,
        to_changed_identity: bool = False,
        again: bool = False,
    ) -> EventId:
        """Send any event encrypted, under the rules of `send_text`."""
        self._bound(content, "send")
        try:
            async with asyncio.timeout(self._patience), self._lock(room):
                if again and (found := await self.find_sent(room, transaction)) is not None:
                    return found
                chat = await self._sure(room)
                person = self.directory.person(self._only_member(chat, member))
                if person.stale:
                    await self.directory.refresh([person.user], _ASK_SECONDS, urgent=not person.known)
                if person.changed and not to_changed_identity:
                    raise IdentityChanged("the member's identity changed")
                session = await self.sharing.session(room, person)
                # Whatever was awaited above, the room must be private at the moment of encryption.
                self._only_member(self._chat(room), person.user)
                return await self._send(room, session, type_, content, transaction)
        except TimeoutError:
            raise Unreachable("send: the deadline passed") from None

    async def send_across(
        self, room: RoomId, desk: MatrixId, content: str, transaction: OutboxId, *, again: bool
    ) -> EventId:
        """Send an event of the link's type to the other front desk, alone with ours; see `send_text`.

        A new identity of that desk's hinders nothing: what is inside is sealed to the link's own keys. Raises
        NotPrivate also where the room is not one of two desks.
        """
        if not self._chat(room).link:
            raise NotPrivate("the room is not one of two front desks")
        return await self.send_event(
            room,
            EVENT_TYPE,
            json.loads(content),
            transaction,
            member=desk,
            to_changed_identity=True,
            again=again,
        )

    async def _send(
        self, room: RoomId, session: RoomSession, type_: str, content: dict[str, Any], transaction: str
    ) -> EventId:
        """Encrypt at once, and send; that the room is right is for the caller to have seen just now."""
        encrypted = self.sharing.encrypt(room, session, type_, content)
        relation = content.get("m.relates_to")
        if relation is not None:
            encrypted["m.relates_to"] = relation
        encrypted[ALONGSIDE_ID] = transaction
        # nio would write it as JSON once more, to be read again.
        path = client_path("rooms", room, "send", "m.room.encrypted", transaction)
        return self._sent(await self.transport.request("send", "PUT", path, body=encrypted))

    async def tell_stewards(
        self, body: str, notice: bool, transaction: OutboxId, *, again: bool = False
    ) -> EventId:
        """Say `body` in the steward room; see `send_text`. Raises NotPrivate where no steward is in it."""
        room = self._steward_room
        if room is None:
            raise NotPrivate("there is no steward room")
        if (came_in := self._came_in.pop(room, None)) is not None:
            await self.clock.sleep_until(came_in + _ACQUAINTANCE)
        content = text_content(body, notice)
        self._bound(content, "send")
        try:
            async with asyncio.timeout(self._patience), self._lock(room):
                if again and (found := await self.find_sent(room, transaction)) is not None:
                    return found
                people = [self.directory.person(one) for one in self._only_stewards(await self._sure(room))]
                if stale := [person for person in people if person.stale]:
                    unknown = not all(person.known for person in stale)
                    await self.directory.refresh(
                        [person.user for person in stale], _ASK_SECONDS, urgent=unknown
                    )
                people = [person for person in people if not person.changed]
                if not people:
                    raise IdentityChanged("the identity of each steward changed")
                session = await self.sharing.session(room, *people)
                # Whatever was awaited above, only stewards may be there at the moment of encryption.
                if not session.members <= set(self._only_stewards(self._chat(room))):
                    raise Unreachable("send: a steward went meanwhile")
                return await self._send(room, session, "m.room.message", content, transaction)
        except TimeoutError:
            raise Unreachable("send: the deadline passed") from None

    def _only_stewards(self, chat: Chat) -> list[MatrixId]:
        """The stewards in their room, where nobody else is in it or invited."""
        here = self.stewards_here()
        if not here or chat.members.keys() - self.stewards - {self.user_id}:
            raise NotPrivate("somebody who is no steward is in their room, or nobody is")
        return here

    @staticmethod
    def _sent(answer: dict[str, Any]) -> EventId:
        try:
            return border.event_id(answer.get("event_id"))
        except Malformed:
            raise Unreachable("send: no event in the answer") from None

    async def send_plain_answer(self, room: RoomId, body: str, transaction: OutboxId) -> EventId:
        """The fixed answer in an unencrypted chat. Raises NotPrivate where the room was ever encrypted.

        The homeserver is asked first, since encryption may have been switched on meanwhile.
        """
        chat = self.chats.get(room)
        if chat is None or chat.encrypted:
            raise NotPrivate("the room is encrypted, or not ours")
        try:
            asked = Api.room_get_state_event(NO_TOKEN, room, "m.room.encryption")
            await self.transport.ask("read encryption", asked)
        except HomeserverRefused as refused:
            if refused.status != 404:
                raise
        else:
            raise NotPrivate("the room is encrypted")
        content = {**text_content(body, True), ALONGSIDE_ID: transaction}
        self._bound(content, "send plain")
        plain = Api.room_send(NO_TOKEN, room, "m.room.message", content, transaction)
        return self._sent(await self.transport.ask("send plain", plain))

    async def find_sent(self, room: RoomId, transaction: str) -> EventId | None:
        """Our event in `room` that bears `transaction` in clear, among the last ones."""
        encrypted = {"types": ["m.room.encrypted"]}
        asked = Api.room_messages(NO_TOKEN, room, limit=_LOOK_BACK, message_filter=encrypted)
        answer = await self.transport.ask("find sent", asked)
        for event in border.items(answer, "chunk"):
            found = border.part(event, "content")
            if found.get(ALONGSIDE_ID) == transaction and event.get("sender") == self.user_id:
                return border.event_id(event.get("event_id"))
        return None

    def _chat(self, room: RoomId) -> Chat:
        chat = self.chats.get(room)
        if chat is None:
            raise NotPrivate("we are not in the room")
        if not (chat.encrypted and chat.algorithm_known):
            raise NotPrivate("the room is not encrypted")
        return chat

    def _only_member(self, chat: Chat, member: MatrixId | None) -> MatrixId:
        found = self.chats.alone_with(chat.room)
        if found is None or member not in (None, found):
            raise NotPrivate("somebody else is in the room, or nobody")
        return found

    async def _sure(self, room: RoomId) -> Chat:
        """The record of `room`, asked for whole where it may have a hole."""
        chat = self._chat(room)
        if not chat.sure:
            await self.load_members(chat)
        return chat

    def doubt(self, room: RoomId) -> None:
        """Have the sync ask who is in `room`, until it knows."""
        self.doubtful[room] = None
        self.doubts.set()

    async def load_members(self, chat: Chat) -> None:
        """Ask who is joined and invited. Raises WorldError or HomeserverRefused."""
        # nio's joined_members leaves out who is invited.
        path = client_path("rooms", chat.room, "members")
        before = chat.last
        answer = await self.transport.request(
            "read members", "GET", path, query={"not_membership": "leave"}, timeout=_ASK_SECONDS
        )
        try:
            if chat.last == before:
                chat.apply_members(answer)
        except Malformed:
            raise Unreachable("read members: malformed") from None
        self.chats.changed.add(chat.room)

    def _lock(self, room: RoomId) -> asyncio.Lock:
        """One send at a time in a room; the lock goes with its last user."""
        return self._locks.setdefault(room, asyncio.Lock())


def _state(type_: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"type": type_, "state_key": "", "content": content}


def _count(answer: dict[str, Any]) -> int:
    """How many one-time keys an answer of `/keys/upload` says that there are."""
    return border.count(border.part(answer, "one_time_key_counts").get("signed_curve25519"))
