"""What a handler is given for one event: the time, the records, the words, and what it may do.

A handler awaits only the records. What it does with `do` is collected, committed together with the
records, and delivered afterwards; nothing leaves from here.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Protocol, TypeVar

from schema.community import Community
from schema.effects import Effect
from schema.events import Event
from schema.ids import LinkId, MatrixId, MemberId, RoomId
from schema.records import Buddy, Link, LinkKeys, Meeting, PairingPause, PeerRoom, Record, Separation
from schema.wire import Body, KeyChange, Opening
from service.core.cities import Place
from service.core.links import Taken
from service.core.terms import Known

R = TypeVar("R", bound=Record)
S = TypeVar("S", bound=Separation | Meeting | PairingPause | Buddy)
A = TypeVar("A", bound=PeerRoom | Meeting)


class Records(Protocol):
    """The records as one transaction sees them.

    `get` and `find` open what they return; `find` compares plain columns of the record's table (an id, a
    state; a tuple means any of them) and orders by id. `put` writes the whole record, new or not. `about`
    finds the records that hold a member as the other one, `of_answer` those that came of an answer across a
    link, by the name that it has there. `unheard`: something that somebody wrote was taken
    in, and is not handled yet.
    """

    async def get(self, kind: type[R], id: str) -> R | None: ...
    async def find(self, kind: type[R], **equal: object) -> Sequence[R]: ...
    async def put(self, record: Record) -> None: ...
    async def delete(self, kind: type[Record], id: str) -> None: ...
    async def room_of(self, room: str) -> PeerRoom | None: ...
    async def about(self, kind: type[S], other: MemberId) -> Sequence[S]: ...
    async def of_answer(self, kind: type[A], answer: str) -> Sequence[A]: ...
    async def unheard(self, sender: MatrixId) -> bool: ...


class Words(Protocol):
    """The catalogue: `text` gives sentence `key` in `language` with `values` put in.

    Raises KeyError for a sentence or a value that is not there: our bug, never the member's. `languages` are
    all that there are. `version` names the catalogue of a language as it is now: it changes with every
    sentence in it. `commands` gives every word that is a command to whoever speaks a language, and its
    sentence's key; `spoken` every word that means one sentence, as people type it, in a language and in
    English. `when` says an instant in an IANA zone with its distance from now, `day` a date, `duration` a
    length of time, `listing` joins items. `weekday` names a day (0 is Monday), `weekdays` has every name of
    one, `months` every name of a month (January is 1) in that language alone; `clock` says an hour of the
    day, in minutes since midnight; `city` says what people call a zone, and `zones` has the plain names of
    every zone that is a place; `usual_zones` are those that stand for others of the same clock, and
    `zone_here` gives the name under which this machine knows a zone, or nothing.
    `tongue` names the language of a code, `either` joins items of which one is meant.
    """

    @property
    def languages(self) -> Sequence[str]: ...
    def version(self, language: str) -> str: ...
    def text(self, language: str, key: str, /, **values: object) -> str: ...
    def commands(self, language: str) -> Mapping[str, str]: ...
    def spoken(self, language: str, key: str) -> Sequence[str]: ...
    def when(self, instant: datetime, zone: str, now: datetime, language: str) -> str: ...
    def day(self, day: date, language: str) -> str: ...
    def duration(self, length: timedelta, language: str) -> str: ...
    def listing(self, items: Sequence[str], language: str) -> str: ...
    def weekday(self, day: int, language: str) -> str: ...
    def weekdays(self, language: str) -> Mapping[str, int]: ...
    def months(self, language: str) -> Mapping[str, int]: ...
    def clock(self, minute: int, language: str) -> str: ...
    def city(self, zone: str, language: str, *, country: bool = False) -> str: ...
    def tongue(self, code: str, language: str) -> str: ...
    def either(self, items: Sequence[str], language: str) -> str: ...
    def zones(self) -> Mapping[str, Place]: ...
    def usual_zones(self) -> Collection[str]: ...
    def zone_here(self, zone: str) -> str: ...


class Crossing(Protocol):
    """What seals and opens what crosses a link (`service.crossing.Crossing`): the half that needs keys.

    `keys` makes new ones for an epoch and a try: those to keep, and what the other side is shown. `take`
    gives what comes of an event's content for a link, in which topics are `known` by our names of them, and
    raises nothing; `proposal` the opening that begins
    one, or None. `seal` stamps and seals a body for an epoch (0: an opening): the link after it, and the
    content of the event that carries it. `forget` lets go of a link that is over.
    """

    def keys(self, link: LinkId, number: int, round: int, random: Random) -> tuple[LinkKeys, KeyChange]: ...
    def take(
        self, content: str, link: Link, keys: Iterable[LinkKeys], now: datetime, known: Known
    ) -> Taken: ...
    def proposal(self, content: str, now: datetime) -> Opening | None: ...
    def seal(
        self,
        link: Link,
        number: int,
        body: Body,
        keys: Iterable[LinkKeys],
        life: timedelta,
        now: datetime,
    ) -> tuple[Link, str]: ...
    def forget(self, link: LinkId) -> None: ...


def _never(member: MemberId) -> timedelta:
    return timedelta(0)


def _not_read() -> datetime | None:
    return None


@dataclass
class Turn:
    """One event's turn.

    `identify` is the keyed hash that makes a MemberId of a Matrix ID. `shared` gives the rooms that the front
    desk shares with somebody now. `random` is the system's own in the service, so that ids cannot be guessed;
    a test seeds one, so that a story can be told again. `too_soon` counts one more request of a member's, and
    gives how long they wait where that is more than a person makes. `read_since` gives from when on all that
    members wrote has been read up to now; None while nothing is read (`service.core.reading`). `crossing`
    seals and opens what crosses links.
    """

    event: Event
    now: datetime
    records: Records
    community: Community
    words: Words
    identify: Callable[[MatrixId], MemberId]
    random: Random
    shared: Callable[[MatrixId], tuple[RoomId, ...]] = lambda member: ()
    too_soon: Callable[[MemberId], timedelta] = _never
    read_since: Callable[[], datetime | None] = _not_read
    crossing: Crossing = field(kw_only=True)
    effects: list[Effect] = field(default_factory=list)

    def do(self, effect: Effect) -> None:
        """Have `effect` delivered after the commit."""
        self.effects.append(effect)

    def new_id(self) -> str:
        """A random id: 16 bytes in lowercase hexadecimal."""
        return f"{self.random.getrandbits(128):032x}"
