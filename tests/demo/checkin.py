"""The act of a check-in: it comes at an hour that its member chose, and company comes of it.

Rules guarded here:
- It is set up while the other acts play, and printed when they are over: a check-in comes at a whole minute.
- What the first act has shown is not shown again.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.demo.acts import Act
from tests.demo.facts import Fact
from tests.demo.stage import Stage
from tests.demo.witness import local, read
from tests.live import story
from tests.live.member import Message

CITY, ZONE = "Nairobi", ZoneInfo("Africa/Nairobi")
"""Where it is told by the clock; the hours there never change."""
AHEAD = timedelta(seconds=4)
"""So long before its minute there is time for the yes, on a machine that does nothing else."""
CARD = "I have asked for company here too."
LINES = (
    ("member", "I was about to write that all is fine."),
    ("peer", "I know that answer. I am here now, and it need not be fine."),
)
_LATE = timedelta(minutes=1)
"""By then a check-in has come, however busy the machine is."""


class CheckIn:
    """`sets_up` and then `play`; `waited` is for how many seconds there was nothing to do but wait.

    `acts` are all that are played.
    """

    def __init__(self, stage: Stage, fact: Fact, acts: Sequence[Act]) -> None:
        self._stage = stage
        self._fact = fact
        self._acts = acts
        # Whoever was the member in the first act is the peer here.
        self._member, self._peer = stage.other, stage.member
        self._chat = ""
        self._hour = datetime.now(ZONE)
        self.waited = 0.0

    async def sets_up(self) -> str:
        """Set a check-in up for the next minute, unseen; where the machine is too slow, for the one after.

        Returns the member's chat.
        """
        member = self._member
        self._chat, _ = await story.is_greeted(member, self._stage.here.instance.desk_user)
        await member.say(self._chat, f"check in {self._next_minute()}")
        await story.hears(member, self._chat, "zone.question")
        await member.say(self._chat, CITY)
        while True:
            said = await story.hears_one_of(member, self._chat, "checkin.recap", "unread.past")
            if story.sentence("checkin.recap").search(said.body):
                await story.chooses(member, self._chat, said, "choice.checkin_yes")
                said = await story.hears_one_of(member, self._chat, "checkin.begun_once", "unread.past")
            if story.sentence("checkin.begun_once").search(said.body):
                return self._chat
            await member.say(self._chat, self._next_minute())

    def _next_minute(self) -> str:
        """The next minute in the member's words, by the clock of their city."""
        now = datetime.now(ZONE)
        self._hour = (now + AHEAD).replace(second=0, microsecond=0) + timedelta(minutes=1)
        day = "today" if self._hour.date() == now.date() else "tomorrow"
        return f"{day} {self._hour:%H:%M}"

    async def play(self) -> None:
        """Play it, the hour of the check-in waited for."""
        names = self._stage.screen.names
        names["member"], names["peer"] = "Second member", "First member"
        self._peer.speaker = "peer"
        question, peer_chat = await self._asked_how_it_goes()
        await self._finds_company(question, peer_chat)

    async def _asked_how_it_goes(self) -> tuple[Message, str]:
        screen = self._stage.screen
        screen.act(
            f"A check-in in {self._stage.here.name}",
            "A message to themselves, which a member set up"
            + (" while all that was played" if len(self._acts) > 1 else "")
            + "; and company that comes of it.",
        )
        screen.chapter(
            "A check-in comes",
            "Its hour is the member's choice. Nothing is kept before the yes to what the service understood,"
            " and it writes to nobody who did not ask for it. If no answer comes, nothing happens, and nobody"
            " hears of it.",
        )
        self._member.shown_on(self._stage.page)
        screen.status("the first member comes, and offers time")
        peer_chat = await self._comes()
        screen.status(f"waiting for {self._hour:%H:%M} in {CITY}, the hour of the check-in")
        began = time.monotonic()
        question = await story.hears(self._member, self._chat, "checkin.question")
        self.waited = time.monotonic() - began
        screen.status("")
        late = question.timestamp / 1000 - self._hour.timestamp()
        self._fact(
            0 <= late < _LATE.total_seconds(),
            f"It came at the hour that its member chose: {late:.1f} s after {self._hour:%H:%M} in {CITY}, by"
            " the homeserver's clock.",
        )
        return question, peer_chat

    async def _comes(self) -> str:
        """Whoever was forgotten in the first act offers time, unseen: that was shown; returns their chat."""
        with self._peer.unseen():
            chat, menu = await story.is_greeted(self._peer, self._stage.here.instance.desk_user)
            await story.offer_time(self._peer, chat, card=CARD, menu=menu)
        return chat

    async def _finds_company(self, question: Message, peer_chat: str) -> None:
        member, peer, stage = self._member, self._peer, self._stage
        back = "pairing" in self._acts
        stage.screen.chapter(
            "It leads to company",
            "One number of the check-in asks for company."
            + (
                " The yes to it is said in the same words as before, by somebody who asked for company in the"
                " first act: whoever gives may ask, and the other way round."
                if back
                else ""
            ),
        )
        stage.page.happened(
            "The first member has come back, whom the service did not know any more, and offers time as the"
            " peer did."
            if back
            else "The first member has come, and said that they may be asked.",
            peer_chat,
        )
        await story.chooses(member, self._chat, question, "choice.checkin_company")
        recap = await story.hears(member, self._chat, "talk.recap")
        database = stage.here.instance.database
        assert database is not None
        self._fact(
            read(database, "SELECT count(*) FROM check_ins") == [(0,)],
            "The check-in was to come once, and it did: the service's database has nothing of it now.",
        )
        await story.chooses(member, self._chat, recap, "choice.recap_yes")
        note = await story.says_yes(peer, peer_chat, await story.is_asked(peer, peer_chat))
        await story.goes_on(peer, peer_chat, note)
        consent = await story.is_offered(member, self._chat)
        before = [member.has_received(peer.user_id), peer.has_received(member.user_id)]
        await story.agrees(member, self._chat, consent)
        room = await story.joins_peer_room(member, self._chat)
        assert await story.joins_peer_room(peer, peer_chat) == room
        await story.both_can_write(room, member, peer)
        stage.page.happened("The two come in.", room)
        people = stage.here.witness.memberships(room)
        keeper = stage.here.instance.keeper_user
        self._fact(
            not any(before) and people == dict.fromkeys([member.user_id, peer.user_id, keeper], "join"),
            "Here too neither had the other's address before both yeses, and in the room are only"
            f" {', '.join(sorted(local(user) for user in people))}.",
        )
        for speaker, line in LINES:
            one, other = (member, peer) if speaker == "member" else (peer, member)
            await one.say(room, line)
            await other.expect(room, contains=line, sender=one.user_id)
        await story.closes(member, self._chat)
        await story.hears(peer, peer_chat, "room.closed")
