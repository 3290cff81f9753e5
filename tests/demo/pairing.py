"""The act of a pairing: one pairing, from an offer to somebody forgotten, and what is left of it.

Rules guarded here:
- What the members say is written here; what the service says, and what the homeserver sees, is their own.
"""

import asyncio
import base64
import secrets
import time
from collections.abc import Sequence

from tests.demo.facts import Fact, names_nobody
from tests.demo.screen import Seen
from tests.demo.stage import Stage
from tests.demo.witness import local, read, tables
from tests.live import canaries, story
from tests.live.member import MemberFailed, Message

NOTE = "I have been so tired for weeks, and I don't know where to begin."
CARD = "I have been worn out too. I listen, and I don't hurry."
LINE = "talk practical ideas burnout 2h"
LENGTH = "1 hour"
MORE = "30 minutes"
LINES = (
    ("member", "Hello. Thank you for coming."),
    ("peer", "I am glad you asked. Where are you right now?"),
    ("member", "On the kitchen floor, with tea."),
    ("peer", "Then I sit down too. Take your time."),
)
LAST_LINES = (
    ("member", "It helped that somebody was here. I would like to stop for today."),
    ("peer", "Then rest now. Good night."),
)
PAIRING_TABLES = ("requests", "offers", "asks", "pairings", "peer_rooms")
_NOTED = (*PAIRING_TABLES, "members", "meetings", "inbox", "outbox")
_BESIDE = "A third member has set up a check-in meanwhile: that is a later act."
_ENDS_WITHIN = 120.0
_ERASED_WITHIN = 60.0


class Pairing:
    """The act of a pairing. `beside` is what is set up meanwhile, the chat of a member who is not in it."""

    def __init__(self, stage: Stage, fact: Fact, beside: asyncio.Task[str] | None) -> None:
        self._stage = stage
        self._screen = stage.screen
        self._fact = fact
        self._beside = beside
        self._member, self._peer = stage.member, stage.peer
        self._sealed: dict[bytes, str] = {}

    def _note_sealed(self) -> None:
        """Remember the sealed bytes that lie in the service's database now, to look for them later."""
        self._sealed.update(self._sealed_now())

    def _sealed_now(self) -> dict[bytes, str]:
        """A part of each sealed row that says something of somebody, with its table."""
        database = self._stage.here.instance.database
        assert database is not None
        found: dict[bytes, str] = {}
        for table in _NOTED:
            for (sealed,) in read(database, f"SELECT sealed FROM {table}"):
                assert isinstance(sealed, bytes)
                found[sealed[16:64]] = table
        return found

    async def play(self) -> None:
        """Play it to its end."""
        self._screen.act(
            f"A pairing in {self._stage.here.name}",
            "Two members of one community: one has time, the other would like company. In the end one takes"
            " a yes back, the other is forgotten, and what is left of them is looked for.",
        )
        self._stage.page.at_each = self._note_sealed
        peer_chat = await self._offer()
        chat = await self._ask()
        await self._be_asked(peer_chat)
        room = await self._consent(chat, peer_chat)
        await self._talk(room, chat, peer_chat)
        await self._end(room, chat, peer_chat)
        await self._take_back(chat, peer_chat)
        chats = [chat, peer_chat] if self._beside is None else [chat, peer_chat, await self._beside]
        await self._look(room, chats)
        self._stage.page.at_each = lambda: None

    async def _offer(self) -> str:
        self._screen.chapter(
            "Somebody offers time",
            "A member writes to the front desk from any Matrix app, in an encrypted chat; a number or a word"
            " is enough. This one says that they may be asked. With each message stands what the homeserver"
            " has of it: the room (a letter here), who, what kind, how many bytes.",
        )
        chat, menu = await story.is_greeted(self._peer, self._stage.here.instance.desk_user)
        self._peer.chat = chat
        topics = ("burnout", "loneliness")
        await story.offer_time(self._peer, chat, topics=topics, length="4 hours", card=CARD, menu=menu)
        return chat

    async def _ask(self) -> str:
        self._screen.chapter(
            "Somebody asks for company",
            "One line is enough, for whoever has no strength for questions. Nothing is kept as a request, and"
            " nobody is asked, before the yes to what the service understood.",
        )
        chat, _ = await story.is_greeted(self._member, self._stage.here.instance.desk_user)
        recap = await story.asks_in_one_line(self._member, chat, LINE)
        recap = await story.adds_words(self._member, chat, recap, NOTE)
        await story.chooses(self._member, chat, recap, "choice.recap_yes")
        await story.hears(self._member, chat, "request.asking")
        return chat

    async def _be_asked(self, peer_chat: str) -> None:
        self._screen.chapter(
            "One person is asked, and may say no, or yes to less",
            "No and silence look the same to whoever asked. The words of whoever asks cross only after a"
            " first yes, and no address crosses at all. This peer says yes to less than was asked.",
        )
        ask = await story.is_asked(self._peer, peer_chat)
        smaller = f"For up to {LENGTH}", story.words_of("choice.smaller_listening")
        note = await story.says_yes_to_less(self._peer, peer_chat, ask, *smaller)
        await story.goes_on(self._peer, peer_chat, note)

    async def _consent(self, chat: str, peer_chat: str) -> str:
        self._screen.chapter(
            "Both say yes first",
            "The last word is with whoever asked, who reads what the peer said yes to, what will be seen, by"
            " whom, and what can't be taken back. Then a third account opens a room: the keeper, which has no"
            " encryption.",
        )
        consent = await story.is_offered(self._member, chat)
        before = [
            self._member.has_received(self._peer.user_id),
            self._peer.has_received(self._member.user_id),
        ]
        await story.agrees(self._member, chat, consent)
        room = await story.joins_peer_room(self._member, chat)
        assert await story.joins_peer_room(self._peer, peer_chat) == room
        await story.both_can_write(room, self._member, self._peer)
        self._stage.page.happened("The two come in. Now that both are there, they may write.", room)
        self._fact(
            not any(before),
            "Before the second yes, nothing that either one's app had received held the other's address.",
        )
        witness, instance = self._stage.here.witness, self._stage.here.instance
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

    async def _talk(self, room: str, chat: str, peer_chat: str) -> None:
        self._screen.chapter(
            "A room that only those two can read",
            "The service is not there. The homeserver sees that they write, when, and how much. More time is"
            " for both to agree on, in their own chats: a no would look like no answer.",
        )
        await self._write(room, LINES)
        await story.get_more_time((self._member, chat), (self._peer, peer_chat), MORE)
        await self._write(room, LAST_LINES)
        bodies = self._stage.here.witness.bodies(room)
        lines = [line for _, line in (*LINES, *LAST_LINES)]
        self._fact(
            not any(line in bodies for line in lines) and bodies.count("ciphertext") >= len(lines),
            "Of what they said, the homeserver has not one word, only ciphertext.",
        )

    async def _write(self, room: str, lines: Sequence[tuple[str, str]]) -> None:
        for speaker, line in lines:
            one, other = (self._member, self._peer) if speaker == "member" else (self._peer, self._member)
            await one.say(room, line)
            await other.expect(room, contains=line, sender=one.user_id)

    async def _end(self, room: str, chat: str, peer_chat: str) -> None:
        self._screen.chapter(
            "What is over goes",
            "Either one can end it. From then on nobody can write; both can still read for a day, so that"
            " nobody's words vanish under them, unless both want it gone sooner, as these two do.",
        )
        two = {self._member.user_id, self._peer.user_id}
        watching = asyncio.create_task(self._stage.here.witness.removal(room, two))
        try:
            closed = await story.closes(self._member, chat)
            peer_closed = await story.hears(self._peer, peer_chat, "room.closed")
            try:
                # The homeserver itself is asked, whatever the peer's client knows by now.
                await self._peer.say_plainly(room, "One more thing")
                refused = ""
            except MemberFailed as failed:
                refused = str(failed.errcode)
            self._fact(refused == "M_FORBIDDEN", "Nobody can write in it any more: the homeserver refuses.")
            await self._would_talk_again((chat, closed), (peer_chat, peer_closed))
            await story.asks_to_erase(self._member, chat)
            await story.hears(self._member, chat, "room.erase_asked")
            await story.asks_to_erase(self._peer, peer_chat)
            await story.hears(self._peer, peer_chat, "room.erasing")
            self._screen.status("the keeper erases the room")
            async with asyncio.timeout(_ENDS_WITHIN):
                # The keeper's own leaving is not waited for: the purge follows it at once, and takes it too.
                seen = await watching
        finally:
            watching.cancel()
        self._screen.happens(
            "The keeper let nobody write any more. When both had asked, it had everything redacted, and took"
            " both out.",
            [Seen(line) for line in self._stage.here.witness.lines(seen)],
        )
        self._screen.status("the homeserver purges the room")
        receipts = [
            await story.gets_receipt(self._member, chat),
            await story.gets_receipt(self._peer, peer_chat),
        ]
        self._screen.status("")
        self._fact(receipts[0].body == receipts[1].body, "Both got the same receipt.")

    async def _would_talk_again(self, ours: tuple[str, Message], theirs: tuple[str, Message]) -> None:
        """Both say that they would talk again; the first learns nothing before the second has said it."""
        (chat, closed), (peer_chat, peer_closed) = ours, theirs
        await story.would_talk_again(self._member, chat, closed)
        noted = await story.hears(self._member, chat, "again.noted")
        await story.would_talk_again(self._peer, peer_chat, peer_closed)
        await story.hears(self._peer, peer_chat, "again.agreed")
        agreed = await story.hears(self._member, chat, "again.agreed")
        between = [one for one in self._member.messages if noted.timestamp < one.timestamp < agreed.timestamp]
        self._fact(
            not [one for one in between if one.room == chat and one.sender != self._member.user_id],
            "Whoever would talk again heard nothing of the other's wish before both had said it.",
        )

    # ---- what is left

    async def _take_back(self, chat: str, peer_chat: str) -> None:
        self._screen.chapter(
            "Your data answers to you",
            "Each can see what they agreed to and what is kept, and end it, at once and in the chat. The peer"
            " takes a yes back; the member has everything erased.",
        )
        await story.takes_back(self._peer, peer_chat, "choice.stop_offer", "consents.offer")
        await story.hears(self._peer, peer_chat, "offer.withdrawn")
        await self._member.say(chat, story.words_of("command.held"))
        held = await story.hears(self._member, chat, "held.intro")
        await story.chooses(self._member, chat, held, "choice.forget")
        await story.chooses(
            self._member, chat, await story.hears(self._member, chat, "forget.question"), "choice.forget_yes"
        )
        await story.hears(self._member, chat, "forget.done")
        await self._member.sees_membership(chat, self._stage.here.instance.desk_user, "leave")
        self._stage.page.happened("The front desk leaves the member's chat.", chat)

    async def _look(self, room: str, chats: Sequence[str]) -> None:
        self._screen.chapter(
            "What is left",
            "What the service says is a claim. This looks at the homeserver, and at every byte that the"
            " service has on disk.",
        )
        witness = self._stage.here.witness
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

    async def _look_at_service(self, room: str, chats: Sequence[str]) -> None:
        instance = self._stage.here.instance
        assert instance.database is not None
        counts = {}
        for table in tables(instance.database):
            ((count,),) = read(instance.database, f'SELECT count(*) FROM "{table}"')
            counts[table] = count
        self._fact(
            not any(counts[table] for table in PAIRING_TABLES)
            and counts["members"] == (1 if self._beside is None else 2),
            "The service's database has no request, no offer, no ask, no pairing and no room left, and of the"
            " two people only the peer.",
            "That the peer would talk again with somebody stays (meetings), without a mark of whom.",
            *([] if self._beside is None else [_BESIDE]),
            "Its rows, by table: " + ", ".join(f"{name} {count}" for name, count in counts.items()) + ".",
        )
        words = [NOTE, CARD, LINE, *(line for _, line in (*LINES, *LAST_LINES))]
        everybody = (self._member, self._peer, self._stage.other)
        names = [name for player in everybody for name in (player.user_id, player.device_id)]
        looked_for = [*words, *names, room, *chats]
        names_nobody(self._fact, [instance.directory], looked_for)
        self._screen.status("looking for what was sealed")
        left = await self._erased()
        self._screen.status("")
        self._fact(
            not left,
            f"What was sealed is gone too: of {len(self._sealed)} ciphertexts noted while they talked, none"
            " is in any of these files but what is kept of the peer now.",
            *(f"{hit}, from {table}" for hit, table in left.items()),
        )
        self._planted(names[0], NOTE, next(iter(self._sealed)))

    async def _erased(self) -> dict[str, str]:
        """What is left of the noted ciphertexts, and of which table, after the service had time for them.

        What lies in a row now is not looked for: that is the peer's, who is still a member.
        """
        roots = [self._stage.here.instance.directory]
        deadline = time.monotonic() + _ERASED_WITHIN
        while True:
            kept = self._sealed_now()
            left = canaries.scan(roots, [sealed for sealed in self._sealed if sealed not in kept])
            if not left or time.monotonic() > deadline:
                tables = {one.hex()[:24]: table for one, table in self._sealed.items()}
                return {hit: tables[hit.partition(" ")[0]] for hit in left}
            await asyncio.sleep(0.3)

    def _planted(self, address: str, words: str, sealed: bytes) -> None:
        """Show that the scan finds what is there."""
        planted = self._stage.here.instance.directory / f"planted-{secrets.token_hex(4)}"
        before = secrets.token_bytes(101)
        planted.write_bytes(
            before + base64.b64encode(words.encode()) + before + address.encode("utf-16-le") + before + sealed
        )
        try:
            hits = canaries.scan([self._stage.here.instance.directory], [address, words, sealed])
        finally:
            planted.unlink()
        hits = [hit for hit in hits if hit.endswith(planted.name)]
        self._fact(
            len(hits) == 3,
            "The same search finds things: of an address, a sentence and a ciphertext planted in a file"
            f" beside the database, it found {len(hits)} of 3.",
        )
