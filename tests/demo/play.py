"""The story that the demo plays: one pairing, from an offer to an erased room, and what is left of it.

Rules guarded here:
- What the members say is written here; what the service says, and what the homeserver sees, is their own.
- Each promise that the story touches is looked at while it is played, and the demo fails where it is broken.
"""

import asyncio
import base64
import secrets
import time

from tests.demo.stage import Player, Stage
from tests.demo.witness import Sight, local, read, tables
from tests.live import canaries, story
from tests.live.member import MemberFailed

NOTE = "I have been so tired for weeks, and I don't know where to begin."
CARD = "I have been worn out too. I listen, and I don't hurry."
LINES = (
    ("member", "Hello. Thank you for coming."),
    ("peer", "I am glad you asked. Where are you right now?"),
    ("member", "On the kitchen floor, with tea."),
    ("peer", "Then I sit down too. Take your time."),
    ("member", "It helped that somebody was here. I would like to stop for today."),
    ("peer", "Then rest now. Good night."),
)
PAIRING_TABLES = ("requests", "asks", "pairings", "peer_rooms")
_NOTED = (*PAIRING_TABLES, "inbox", "outbox")
_ENDS_WITHIN = 120.0
_ERASED_WITHIN = 60.0


class Play:
    """One playing; `broken` lists the promises that did not hold."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._screen = stage.screen
        self._member, self._peer = stage.member, stage.peer
        self._sealed: dict[bytes, str] = {}
        self.broken: list[str] = []
        stage.page.at_each = self._note_sealed

    def _fact(self, holds: bool, text: str, *details: str) -> None:
        self._screen.fact(holds, text, details)
        if not holds:
            self.broken.append(text)

    def _note_sealed(self) -> None:
        """Remember the sealed bytes that lie in the service's database now, to look for them later."""
        database = self._stage.instance.database
        assert database is not None
        for table in _NOTED:
            for (sealed,) in read(database, f"SELECT sealed FROM {table}"):
                assert isinstance(sealed, bytes)
                self._sealed[sealed[16:64]] = table

    async def play(self) -> None:
        """Play it through."""
        peer_chat = await self._offer()
        chat = await self._ask()
        await self._be_asked(peer_chat)
        room = await self._consent(chat, peer_chat)
        await self._talk(room)
        await self._end(room, chat, peer_chat)
        await self._look(room, (chat, peer_chat))

    async def _offer(self) -> str:
        self._screen.chapter(
            "1. Somebody offers time",
            "A member writes to the front desk from any Matrix app, in an encrypted chat; a number or a word"
            " is enough. This one says that they may be asked. Beside it is what the homeserver has of each"
            " message: the room (a letter here), who, what kind, how many bytes.",
        )
        chat, menu = await story.is_greeted(self._peer, self._stage.instance.desk_user)
        await story.offer_time(self._peer, chat, length="2 hours", card=CARD, menu=menu)
        return chat

    async def _ask(self) -> str:
        self._screen.chapter(
            "2. Somebody asks for company",
            "Nothing is kept as a request, and nobody is asked, before the yes at the end.",
        )
        chat, menu = await story.is_greeted(self._member, self._stage.instance.desk_user)
        await story.ask_for_company(
            self._member, chat, topic="burnout", length="1 hour", note=NOTE, menu=menu
        )
        return chat

    async def _be_asked(self, peer_chat: str) -> None:
        self._screen.chapter(
            "3. One person is asked, and may say no",
            "No and silence look the same to whoever asked. The words of whoever asks cross only after a"
            " first yes, and no address crosses at all.",
        )
        ask = await story.is_asked(self._peer, peer_chat)
        note = await story.says_yes(self._peer, peer_chat, ask)
        await story.goes_on(self._peer, peer_chat, note)

    async def _consent(self, chat: str, peer_chat: str) -> str:
        self._screen.chapter(
            "4. Both say yes first",
            "The last word is with whoever asked, who is told what will be seen, by whom, and what can't be"
            " taken back. Then a third account opens a room: the keeper, which has no encryption.",
        )
        consent = await story.is_offered(self._member, chat)
        before = [self._knows(self._member, self._peer), self._knows(self._peer, self._member)]
        await story.agrees(self._member, chat, consent)
        room = await story.joins_peer_room(self._member, chat)
        assert await story.joins_peer_room(self._peer, peer_chat) == room
        await story.both_can_write(room, self._member, self._peer)
        self._stage.page.happened("The two come in. Now that both are there, they may write.", room)
        self._fact(
            not any(before),
            "Before the second yes, nothing that either one's app had received held the other's address.",
        )
        witness, instance = self._stage.witness, self._stage.instance
        people = witness.memberships(room)
        self._fact(
            people == dict.fromkeys([self._member.user_id, self._peer.user_id, instance.keeper_user], "join"),
            f"In the room are {', '.join(sorted(local(user) for user in people))}, and not the front desk.",
        )
        self._fact(
            witness.devices_with_keys(instance.keeper_user) == 0
            and witness.devices_with_keys(self._member.user_id) == 1,
            "The keeper is deaf: it has no device with encryption keys, so there is nothing that a key could"
            " be sent to.",
        )
        return room

    @staticmethod
    def _knows(one: Player, other: Player) -> bool:
        """Whether anything that one's client received so far names the other."""
        received = [*map(repr, one.messages), *map(repr, one.states), *map(repr, one.memberships)]
        return any(other.user_id in what for what in received)

    async def _talk(self, room: str) -> None:
        self._screen.chapter(
            "5. A room that only those two can read",
            "The service is not there. The homeserver sees that they write, when, and how much.",
        )
        for speaker, line in LINES:
            one, other = (self._member, self._peer) if speaker == "member" else (self._peer, self._member)
            await one.say(room, line)
            await other.expect(room, contains=line, sender=one.user_id)
        bodies = self._stage.witness.bodies(room)
        self._fact(
            not any(line in bodies for _, line in LINES) and bodies.count("ciphertext") >= len(LINES),
            "Of what they said, the homeserver has not one word, only ciphertext.",
        )

    async def _end(self, room: str, chat: str, peer_chat: str) -> None:
        self._screen.chapter(
            "6. What is over goes",
            "Either one can end it. From then on nobody can write; both can still read for a time (a day;"
            " five seconds here), so that nobody's words vanish under them. Then it is taken away.",
        )
        watching = asyncio.create_task(self._watch(room))
        try:
            await story.closes(self._member, chat)
            await story.hears(self._peer, peer_chat, "room.closed")
            try:
                # The homeserver itself is asked, whatever the peer's client knows by now.
                await self._peer.say_plainly(room, "One more thing")
                refused = ""
            except MemberFailed as failed:
                refused = str(failed.errcode)
            self._fact(refused == "M_FORBIDDEN", "Nobody can write in it any more: the homeserver refuses.")
            self._screen.status("the room can be read for five seconds more; then it is erased")
            seen = await watching
        finally:
            watching.cancel()
        self._screen.happens(
            "The keeper let nobody write any more; after the reading time it had everything redacted, and"
            " took both out.",
            self._stage.witness.lines(seen),
        )
        self._screen.status("the homeserver purges the room")
        receipts = [
            await story.gets_receipt(self._member, chat),
            await story.gets_receipt(self._peer, peer_chat),
        ]
        self._screen.status("")
        self._fact(receipts[0].body == receipts[1].body, "Both got the same receipt.")

    async def _watch(self, room: str) -> list[Sight]:
        """Gather what the homeserver has of the room's end, until both are out, or it has nothing any more.

        The keeper's own leaving is not waited for: the purge follows it at once, and takes it away too.
        """
        witness = self._stage.witness
        seen: list[Sight] = []
        two = {self._member.user_id, self._peer.user_id}
        async with asyncio.timeout(_ENDS_WITHIN):
            while not two <= {sight.state_key for sight in seen if sight.membership == "leave"}:
                there = room in witness.made_by(self._stage.instance.keeper_user)
                seen += witness.changes(room)
                if not there:
                    break
                await asyncio.sleep(0.1)
        return seen

    # ---- what is left

    async def _look(self, room: str, chats: tuple[str, str]) -> None:
        self._screen.chapter(
            "7. What is left",
            "The receipt above is a claim. This looks at the homeserver and at every byte that the service"
            " has on disk.",
        )
        witness = self._stage.witness
        self._fact(not await witness.knows(room), "The homeserver's administrator doesn't find the room.")
        naming = witness.naming(room)
        kept = ("events", "event_json", "current_state_events", "room_memberships", "rooms")
        rest = ", ".join(f"{table} {count}" for table, count in naming.items())
        self._fact(
            not any(table in naming for table in kept),
            "Its events, its state and its memberships are gone from the homeserver's database.",
            f"Rows that still name it there, which the receipt can't reach: {rest or 'none'}.",
        )
        await self._look_at_service(room, chats)

    async def _look_at_service(self, room: str, chats: tuple[str, str]) -> None:
        instance = self._stage.instance
        assert instance.database is not None
        counts = {}
        for table in tables(instance.database):
            ((count,),) = read(instance.database, f'SELECT count(*) FROM "{table}"')
            counts[table] = count
        self._fact(
            not any(counts[table] for table in PAIRING_TABLES),
            "The service's database has no request, no ask, no pairing and no room left.",
            "For 14 days a mark of the two stays (meetings): a keyed hash for each, for “never again”.",
            "Its rows, by table: " + ", ".join(f"{name} {count}" for name, count in counts.items()) + ".",
        )
        words = [NOTE, CARD, *(line for _, line in LINES)]
        names = [self._member.user_id, self._peer.user_id, self._member.device_id, self._peer.device_id]
        looked_for = [*words, *names, room, *chats]
        roots = [instance.directory]
        hits = canaries.scan(roots, looked_for)
        files = list(canaries.files(roots))
        size = sum(file.stat().st_size for file in files)
        self._fact(
            not hits,
            f"No byte of it names them: {len(looked_for)} addresses, ids and sentences, looked for in"
            f" {len(files)} files ({size:,} bytes: database, its log, the service's log, configuration),"
            " as they stand and in Base64, hexadecimal and UTF-16.",
            *hits,
        )
        self._screen.status("looking for what was sealed")
        left = await self._erased()
        self._screen.status("")
        self._fact(
            not left,
            f"What was sealed is gone too: of {len(self._sealed)} ciphertexts noted while they talked, none"
            " is in any of these files.",
            *(f"{hit}, from {table}" for hit, table in left.items()),
        )
        self._planted(names[0], NOTE, next(iter(self._sealed)))

    async def _erased(self) -> dict[str, str]:
        """What is left of the noted ciphertexts, and of which table, after the service had time for them."""
        roots = [self._stage.instance.directory]
        deadline = time.monotonic() + _ERASED_WITHIN
        while True:
            left = canaries.scan(roots, self._sealed)
            if not left or time.monotonic() > deadline:
                tables = {one.hex()[:24]: table for one, table in self._sealed.items()}
                return {hit: tables[hit.partition(" ")[0]] for hit in left}
            await asyncio.sleep(0.3)

    def _planted(self, address: str, words: str, sealed: bytes) -> None:
        """Show that the scan finds what is there."""
        planted = self._stage.instance.directory / f"planted-{secrets.token_hex(4)}"
        before = secrets.token_bytes(101)
        planted.write_bytes(
            before + base64.b64encode(words.encode()) + before + address.encode("utf-16-le") + before + sealed
        )
        try:
            hits = canaries.scan([self._stage.instance.directory], [address, words, sealed])
        finally:
            planted.unlink()
        hits = [hit for hit in hits if hit.endswith(planted.name)]
        self._fact(
            len(hits) == 3,
            "The same search finds things: of an address, a sentence and a ciphertext planted in a file"
            f" beside the database, it found {len(hits)} of 3.",
        )
