"""A story told by a test: members write, time passes, the keeper does as it is told or fails.

Only leaves are fake here: the records in memory, the clock, the homeserver. What each member sees is kept
with its time, so that two stories can be compared as one person saw them.
"""

import hashlib
import json
import textwrap
from collections import deque
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from handlers import dispatch
from handlers.words import ALWAYS, Catalogue, normal, split
from schema.community import Community, Place, Timings
from schema.effects import (
    AcceptIdentity,
    AnswerPlainRoom,
    Effect,
    EmptyPeerRoom,
    InviteAgain,
    JoinRoom,
    LeaveRoom,
    LetWrite,
    LookAround,
    MutePeerRoom,
    OpenDirectChat,
    OpenLinkRoom,
    OpenPeerRoom,
    PurgeGuestRoom,
    PurgePeerRoom,
    RedactChat,
    RedactPeerRoom,
    RedactStewards,
    SendAcross,
    SendFile,
    SendForBuddy,
    SendText,
    TellStewards,
    Withdraw,
)
from schema.events import (
    Delivered,
    DirectChat,
    Due,
    Event,
    Message,
    NotDelivered,
    PeerMembership,
    StewardMessage,
    StewardRoom,
)
from schema.ids import EventId, MatrixId, MemberId, OutboxId, RoomId
from schema.records import Ask, Buddy, CheckIn, Member, Offer, Pairing, PeerRoom, Request
from schema.states import Belongs
from service.core import buddies
from service.crossing import Crossing
from service.turn import Records, Turn
from tests.handlers.records import TABLES, MemoryRecords

WORDS = Catalogue()
START = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)

COMMUNITY = Community(
    name="the Elm House",
    server="example.org",
    limits="We are neighbours, not a clinic. Nobody here is on duty.",
    who_runs="Elm House, a small club",
    zone="Europe/Berlin",
    topics=("burnout", "grief", "thoughts of suicide"),
    places=(
        Place("Night line", "0800 000 000", "20 to 6", "German, English", "no", "1 November 2026"),
        Place("Clinic", "030 000 000", "always", "German", "yes", "12 October 2026"),
    ),
    timings=Timings(),
    keeper=MatrixId("@keeper:example.org"),
)

_SPANISH = replace(
    COMMUNITY,
    name="la Casa del Olmo",
    limits="Somos gente del barrio, no una clínica. Nadie está aquí de guardia.",
    who_runs="Casa del Olmo, una asociación pequeña",
    topics=("agotamiento", "duelo", "ideas de suicidio"),
    places=(
        Place(
            "Línea nocturna", "0800 000 000", "de 20 a 6", "alemán, inglés", "no", "1 de noviembre de 2026"
        ),
        Place("Clínica", "030 000 000", "siempre", "alemán", "yes", "12 de octubre de 2026"),
    ),
)
_OWN = {"es": _SPANISH}
TRANSCRIPTS = Path(__file__).parent / "transcripts"


def community(language: str) -> Community:
    """A community that speaks `language`: its own words are in it where they were written so."""
    if language == ALWAYS:
        return COMMUNITY
    return replace(_OWN.get(language, COMMUNITY), languages=(language, ALWAYS))


_OF_STEWARDS = ("steward.command_", "steward.choice_yes")


class Speaker:
    """Says in a language what members write in English: commands by its catalogue, the rest by a file.

    What the file (`typed.json` beside the language's transcripts) does not have is written in English.
    """

    def __init__(self, language: str) -> None:
        file = TRANSCRIPTS / language / "typed.json"
        self._language = language
        self._typed: dict[str, str] = json.loads(file.read_text("utf-8")) if file.exists() else {}
        self._commands = WORDS.commands(ALWAYS)

    def steward(self, body: str) -> str:
        """What a steward writes in their room, where the words are others."""
        for key in (key for key in WORDS.keys(ALWAYS) if key.startswith(_OF_STEWARDS)):
            for word in sorted(split(WORDS.text(ALWAYS, key)), key=len, reverse=True):
                if f"{normal(body)} ".startswith(f"{normal(word)} "):
                    rest = body[len(word) :].strip()
                    return f"{split(WORDS.text(self._language, key))[-1]} {rest}".strip()
        return self(body)

    def __call__(self, body: str) -> str:
        key = self._commands.get(normal(body))
        if body in self._typed or key is None:
            return self._typed.get(body, body)
        return body if self._language == ALWAYS else split(WORDS.text(self._language, key))[0]


STEWARDS = "stewards"
"""Whom the log names where something is said in the steward room."""
STEWARD_ROOM = RoomId("!stewards")


def identify(matrix_id: MatrixId) -> MemberId:
    """A stand-in for the keyed hash."""
    return MemberId(hashlib.sha256(matrix_id.encode()).hexdigest()[:32])


@dataclass(frozen=True)
class Line:
    """Something said: `to` a member by the service, or `by` them."""

    at: datetime
    name: str
    body: str
    from_desk: bool
    notice: bool = False


@dataclass
class Story:
    """One community's service, and everybody who takes part."""

    community: Community = COMMUNITY
    seed: int = 1
    records: MemoryRecords = field(default_factory=MemoryRecords)
    now: datetime = START
    keeper_reason: str = ""
    redaction: str = ""
    unwell: str = ""
    blocking: set[str] = field(default_factory=set)
    hold_keeper: bool = False
    slow: bool = False
    hold_words: bool = False
    lose: Callable[[Effect], bool] = lambda effect: False
    arrive: bool = True
    shared: tuple[RoomId, ...] = ()
    log: list[Line] = field(default_factory=list)
    effects: list[tuple[datetime, Effect]] = field(default_factory=list)
    marked: dict[OutboxId, Line] = field(default_factory=dict)
    withdrawn: list[Line] = field(default_factory=list)
    held: list[tuple[datetime, SendForBuddy]] = field(default_factory=list)
    rooms: dict[RoomId, set[str]] = field(default_factory=dict)
    files: list[tuple[str, str]] = field(default_factory=list)
    pending: deque[Event] = field(default_factory=deque)
    language: str = ALWAYS
    too_soon: Callable[[MemberId], timedelta] = lambda member: timedelta(0)
    read_since: datetime | None = START - timedelta(days=365)
    links: bool = False
    """Whether another desk is there, which is handed what is in `sends`."""
    sends: list[Effect] = field(default_factory=list)
    crossing: Crossing = field(default_factory=Crossing)
    _count: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self._typed = Speaker(self.language)

    # Who takes part

    @staticmethod
    def address(name: str) -> MatrixId:
        """The member's Matrix ID."""
        return MatrixId(f"@{name}:example.org")

    @staticmethod
    def chat(name: str) -> RoomId:
        """The member's direct chat."""
        return RoomId(f"!chat-{name}")

    def id(self, name: str) -> MemberId:
        """The member's id in the records."""
        return identify(self.address(name))

    def name_of(self, matrix_id: MatrixId) -> str:
        """Whose Matrix ID it is."""
        return matrix_id[1:].split(":")[0]

    # What happens

    def turn(self, event: Event, records: Records | None = None) -> Turn:
        """What a handler is given for the event."""
        return Turn(
            event,
            self.now,
            records or self.records,
            self.community,
            WORDS,
            identify,
            self.random,
            lambda member: self.shared,
            self.too_soon,
            lambda: self.read_since,
            crossing=self.crossing,
        )

    async def event(self, event: Event) -> list[Effect]:
        """One turn, as the engine makes it: a turn that raises changes nothing."""
        trial = copy(self.records)
        trial.rows = dict(self.records.rows)
        turn = self.turn(event, trial)
        await dispatch(turn)
        self.records.rows = trial.rows
        self.carry_out(turn.effects)
        return turn.effects

    def carry_out(self, effects: list[Effect]) -> None:
        """What the turn ordered happens; what comes of it is handed in by `pump`."""
        for effect in effects:
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        self.effects.append((self.now, effect))
        if self.links and isinstance(effect, OpenLinkRoom | SendAcross | JoinRoom | LeaveRoom):
            self.sends.append(effect)
            return
        match effect:
            case SendText(mark=str(mark)) if mark and self.lose(effect):
                self.pending.append(NotDelivered(effect, "deadline"))
                return
            case SendText(member=member, body=body, notice=notice, mark=mark):
                line = Line(self.now, self.name_of(member), body, True, notice)
                self.log.append(line)
                if mark:
                    assert mark not in self.marked, "one message was sent twice"
                    self.marked[mark] = line
                return
            case Withdraw(mark=mark):
                if (gone := self.marked.get(mark)) is not None and gone not in self.withdrawn:
                    self.withdrawn.append(gone)
                    first = gone.body.split("\n")[0]
                    self.log.append(Line(self.now, f"desk takes back from {gone.name}", first, False))
                self.pending.append(Delivered(effect))
                return
            case OpenPeerRoom():
                if self.hold_keeper:
                    return
                if self.keeper_reason:
                    self.pending.append(NotDelivered(effect, self.keeper_reason))
                    return
                room = RoomId(f"!peers-{len(self.rooms)}")
                self.rooms[room] = set()
                blocked = tuple(one for one in effect.members if self.name_of(one) in self.blocking)
                self.pending.append(Delivered(effect, room, blocked=blocked))
                if self.arrive:
                    self.pending.extend(self._joins(room, effect.members))
                return
        if isinstance(effect, InviteAgain | OpenDirectChat) and self.name_of(effect.member) in self.blocking:
            self.pending.append(NotDelivered(effect, "M_INVITE_BLOCKED"))
            return
        if isinstance(effect, TellStewards) and not self.lose(effect):
            self.log.append(Line(self.now, STEWARDS, effect.body, True, effect.notice))
            return
        if self.lose(effect):
            self.pending.append(NotDelivered(effect, "refused"))
            return
        if self.hold_words and isinstance(effect, SendForBuddy) and effect.step != "warn":
            self.held.append((self.now, effect))
            return
        match effect:
            case EmptyPeerRoom(room=room, members=members):
                for member in members:
                    if self.name_of(member) in self.rooms.get(room, ()):
                        self.rooms[room].discard(self.name_of(member))
                        self.pending.append(PeerMembership(self._event_id(), room, member, "leave"))
                self.pending.append(Delivered(effect))
            case PurgePeerRoom():
                self.pending.append(Delivered(effect, detail="purged" if self.community.purges else "cannot"))
            case PurgeGuestRoom():
                self.pending.append(Delivered(effect, detail="purged" if self.community.purges else "cannot"))
            case SendFile(member=member, body=body):
                self.files.append((self.name_of(member), body))
            case SendForBuddy(member=member, body=body):
                self.log.append(Line(self.now, self.name_of(member), body, True))
                self.pending.append(Delivered(effect))
            case MutePeerRoom() | RedactPeerRoom() | InviteAgain() | LetWrite():
                self.pending.append(Delivered(effect))
            case RedactChat():
                self.pending.append(Delivered(effect, detail=self.redaction))
            case RedactStewards():
                self.pending.append(Delivered(effect))
            case LookAround():
                self.pending.append(Delivered(effect, detail=self.unwell))
            case AnswerPlainRoom() | OpenDirectChat() | LeaveRoom() | AcceptIdentity():
                self.pending.append(Delivered(effect))

    def _joins(self, room: RoomId, members: tuple[MatrixId, ...]) -> list[Event]:
        self.rooms[room].update(self.name_of(member) for member in members)
        return [PeerMembership(self._event_id(), room, member, "join") for member in members]

    async def pump(self) -> None:
        """Hand in what the deliveries brought, until nothing is left."""
        while True:
            while self.pending:
                await self.event(self.pending.popleft())
            for at, words in list(self.held):
                if not buddies.wanted(await self.records.get(Buddy, words.buddy), words):
                    self.held.remove((at, words))
                    self.pending.append(NotDelivered(words, "called_off"))
            if not self.pending:
                return

    async def release(self) -> None:
        """The words for buddies that waited go."""
        self.hold_words, held, self.held = False, self.held, []
        for _, effect in held:
            self.log.append(Line(self.now, self.name_of(effect.member), effect.body, True))
            self.pending.append(Delivered(effect))
        await self.pump()

    def drop_pending(self, room: RoomId) -> None:
        """Nothing more comes from a room that never was."""
        self.pending = deque(
            event for event in self.pending if not (isinstance(event, PeerMembership) and event.room == room)
        )

    def _event_id(self) -> EventId:
        self._count += 1
        return EventId(f"$event-{self._count}")

    async def say(
        self,
        name: str,
        body: str,
        *,
        after: float = 60.0,
        pump: bool = True,
        kind: str = "text",
        edits: bool = False,
        quotes: EventId | None = None,
        private: bool = True,
        changed: bool = False,
        belongs: Belongs = Belongs.MEMBER,
    ) -> str:
        """The member writes `body`, `after` seconds later; what the service answers them, or nothing."""
        await self.wait(timedelta(seconds=after))
        body = self._typed(body)
        self.log.append(Line(self.now, name, body, False))
        seen = len(self.log)
        message = Message(
            event_id=self._event_id(),
            room=self.chat(name),
            sender=self.address(name),
            body=body,
            sent_at=self.now,
            kind=kind,
            edits=edits,
            quotes=quotes,
            private=private and not changed,
            changed=changed,
            belongs=belongs,
        )
        await self.event(message)
        answer = [line for line in self.log[seen:] if line.from_desk and line.name == name]
        marked = [line for line in answer if line in self.marked.values()]
        assert len(answer) <= 1 + len(marked), "one event, one message, but for what can be taken back"
        assert sum(not line.notice for line in answer) <= 1, "one event, one push"
        if pump:
            await self.pump()
        return "\n".join(line.body for line in answer)

    async def stewards(self, *names: str) -> None:
        """These stewards are in their room now."""
        here = tuple(self.address(name) for name in names)
        await self.event(StewardRoom(self._event_id(), STEWARD_ROOM, here))
        await self.pump()

    async def steward(
        self,
        name: str,
        *bodies: str,
        counts: bool = True,
        edits: bool = False,
        early: timedelta = timedelta(0),
        quotes: EventId | None = None,
        pump: bool = True,
    ) -> str:
        """A steward writes one thing after another in their room; what is said there after the last."""
        seen = len(self.log)
        for body in map(self._typed.steward, bodies):
            await self.wait(timedelta(minutes=1))
            self.log.append(Line(self.now, f"{name}, steward", body, False))
            seen = len(self.log)
            message = StewardMessage(
                event_id=self._event_id(),
                room=STEWARD_ROOM,
                sender=self.address(name),
                body=body,
                sent_at=self.now - early,
                edits=edits,
                quotes=quotes,
                counts=counts,
            )
            await self.event(message)
            if pump:
                await self.pump()
        return "\n".join(line.body for line in self.log[seen:] if line.from_desk and line.name == STEWARDS)

    async def says(self, name: str, *bodies: str) -> str:
        """The member writes one thing after another; the last answer."""
        answer = ""
        for body in bodies:
            answer = await self.say(name, body)
        return answer

    async def comes(self, name: str) -> None:
        """The member opens an encrypted direct chat."""
        await self.event(DirectChat(self._event_id(), self.chat(name), self.address(name), present=True))
        await self.pump()

    async def leaves(self, name: str, room: RoomId) -> None:
        """The member leaves a peer room."""
        self.rooms[room].discard(name)
        await self.event(PeerMembership(self._event_id(), room, self.address(name), "leave"))
        await self.pump()

    async def joins(self, name: str, room: RoomId) -> None:
        """The member comes into a peer room."""
        self.rooms[room].add(name)
        await self.event(PeerMembership(self._event_id(), room, self.address(name), "join"))
        await self.pump()

    async def wait(self, length: timedelta) -> None:
        """Time passes; whatever comes due on the way is handled at its hour."""
        end = self.now + length
        while (due := self._next_due()) is not None and due[0] <= end:
            self.now = max(self.now, due[0])
            await self.event(due[1])
            if not self.slow:
                await self.pump()
        self.now = end

    def _next_due(self) -> tuple[datetime, Due] | None:
        found = [
            (due_at, TABLES[type(record)], record.id)
            for record in self.records.rows.values()
            if (due_at := getattr(record, "due_at", None)) is not None
        ]
        if not found:
            return None
        at, kind, id = min(found)
        return at, Due(kind, id)

    # What is there

    def member(self, name: str) -> Member:
        """The member's record."""
        record = self.records.rows["members", self.id(name)]
        assert isinstance(record, Member)
        return record

    def the_request(self) -> Request:
        """The one request that stands."""
        (request,) = self.records.all(Request)
        return request

    def the_room(self) -> PeerRoom:
        """The one peer room."""
        (room,) = self.records.all(PeerRoom)
        return room

    def the_pairing(self) -> Pairing:
        """The one pairing."""
        (pairing,) = self.records.all(Pairing)
        return pairing

    def checkin_of(self, name: str) -> CheckIn:
        """The member's one check-in."""
        (record,) = [one for one in self.records.all(CheckIn) if one.member == self.id(name)]
        return record

    def ask_of(self, name: str) -> Ask:
        """The one ask to a member."""
        (ask,) = [ask for ask in self.records.all(Ask) if ask.member == self.id(name)]
        return ask

    def offer_of(self, name: str) -> Offer:
        """The member's offer."""
        (offer,) = [offer for offer in self.records.all(Offer) if offer.member == self.id(name)]
        return offer

    def heard(self, name: str, since: datetime | None = None) -> list[tuple[datetime, str, bool]]:
        """What the service said to the member: when, what, and whether without a push."""
        return [
            (line.at, line.body, line.notice)
            for line in self.log
            if line.from_desk and line.name == name and (since is None or line.at >= since)
        ]

    def last(self, name: str) -> str:
        """The last thing that the service said to the member."""
        return self.heard(name)[-1][1]

    def transcript(self) -> str:
        """The story as it reads: the hour, who wrote to whom, the words; (quiet) where nothing rang."""
        zone = ZoneInfo(self.community.zone)
        lines: list[str] = []
        for line in self.log:
            who = f"desk to {line.name}" if line.from_desk else f"{line.name}"
            quiet = " (quiet)" if line.notice else ""
            lines.append(f"{line.at.astimezone(zone):%a %H:%M} {who}{quiet}:")
            for paragraph in line.body.split("\n"):
                lines += textwrap.wrap(paragraph, 100, initial_indent="    ", subsequent_indent="    ") or [
                    ""
                ]
            lines.append("")
        return "\n".join(lines)

    # Well-trodden ways

    async def offers(
        self, name: str, *, card: str = "I like walks.", fear: str = "2", hours: str = "1"
    ) -> None:
        """The member offers, for two hours unless told otherwise, for any topic."""
        await self.says(name, "offer", hours, "skip", card or "skip", fear, "yes")

    async def asks(self, name: str, *, note: str = "It has been a long week.") -> None:
        """The member asks for company, to be listened to about burnout, for an hour."""
        await self.say(name, "talk", after=0)
        await self.says(name, "2", "1", "1", "2", note or "skip", "yes")
