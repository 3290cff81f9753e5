"""Two desks and what lies between them, without a homeserver: the real rules, keys and envelopes."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from schema.ids import LinkId, MatrixId
from schema.records import Link
from schema.wire import VERSION, Ask, Body, Hello, Json, KeyChange, Opening, Terms, canonical
from service.core import links
from service.core.handshake import commitment, party
from service.core.links import Agree, Move, Rotate, Same, Sent, Taken
from service.envelope import Secrets
from service.intake import Intake

NOW = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)
ID = LinkId("11" * 16)
NORTH_AT, SOUTH_AT = MatrixId("@alongside:north.example"), MatrixId("@alongside:south.example")

TERMS = Terms(
    sends=True,
    takes=True,
    topics=("burnout", "grief"),
    languages=("en", "es"),
    asks_a_day=5,
    hours=(),
    ages=("adults",),
    adult_from=18,
    until=int((NOW + timedelta(days=180)).timestamp()),
    reports="Nobody here must report anything.",
    agreement="We keep one another company.",
)
ASK = Ask(
    request="22" * 16,
    wish="listening",
    topics=("burnout",),
    topics_only=False,
    languages=("en",),
    writing=True,
    voice=False,
    minutes=60,
    wait=120,
    ages="adults",
    reporters=False,
    start=None,
    until=int((NOW + timedelta(hours=20)).timestamp()),
)


def secrets(name: str) -> Secrets:
    """Private keys made of a name, the same each time."""
    return Secrets(
        *(hashlib.sha256(f"{name} {part}".encode()).digest() for part in ("sign", "seal", "nonce"))
    )


def steps(
    us: str, ours: Secrets, number: int, reason: str, terms: Terms, round: int = 1
) -> tuple[Hello, KeyChange]:
    """The two steps of a side to the keys of an epoch."""
    keys = ours.public(number, round)
    hello = Hello.model_validate(
        {
            "epoch": number,
            "round": round,
            "reason": reason,
            "versions": (VERSION,),
            "commitment": commitment(ID, us, keys),
            "name": "A collective",
            "greeting": "We met in spring.",
            "terms": terms,
        }
    )
    return hello, keys


class Desk:
    """One side: its link, its private keys, and what has crossed to it."""

    def __init__(self, name: str, at: MatrixId, other: MatrixId, terms: Terms = TERMS) -> None:
        self.name, self.terms = name, terms
        self.us, self.them = party(ID, at), party(ID, other)
        self.secrets: dict[int, Secrets] = {}
        self.intake = Intake()
        self.now = NOW
        self.made = 0
        self._link: Link | None = None

    @property
    def link(self) -> Link:
        """The link as it stands."""
        assert self._link is not None
        return self._link

    @link.setter
    def link(self, link: Link) -> None:
        self._link = link

    def steps(self, number: int, reason: str, round: int = 1) -> tuple[Hello, KeyChange]:
        """Our two steps, with keys made anew."""
        self.made += 1
        self.secrets[number] = secrets(f"{self.name} {number} {self.made}")
        return steps(self.us, self.secrets[number], number, reason, self.terms, round)

    def propose(self) -> list[Json]:
        """Our stewards ask for the link."""
        self.link, sent = links.propose(ID, self.us, self.them, *self.steps(1, "link"), self.now)
        return self.carry(sent)

    def move(self, move: Move) -> list[Json]:
        """A move of ours, and what then crosses."""
        self.link, sent = links.advance(self.link, move, self.now)
        return self.carry(sent)

    def rotate(self, reason: str = "rotate") -> list[Json]:
        """New keys of ours."""
        number, round = links.next_keys(self.link)
        return self.move(Rotate(*self.steps(number, reason, round)))

    def agree(self) -> list[Json]:
        """Our stewards agree to what the others propose."""
        return self.move(Agree(*self.steps(1, "link")))

    def confirm(self) -> list[Json]:
        """Our stewards found the words the same."""
        making = self.link.making
        assert making is not None
        assert making.epoch is not None
        return self.move(Same(making.epoch.made))

    def say(self, body: Body, life: timedelta = timedelta(days=1)) -> Json:
        """One body in the epoch in use."""
        (content,) = self.carry(((self.link.epochs[0].number, body),), life)
        return content

    def carry(self, sent: Sent, life: timedelta = timedelta(days=1)) -> list[Json]:
        """The contents of the events that carry these."""
        contents: list[Json] = []
        for number, body in sent:
            issued = int(self.now.timestamp())
            expires = issued + int(life.total_seconds())
            if number == 0:
                assert isinstance(body, Hello | KeyChange)
                opening = Opening(
                    version=VERSION, link=ID, audience=self.them, issued=issued, expires=expires, body=body
                )
                contents.append(opening.model_dump(mode="json"))
                continue
            self.link, counter, issued = links.stamp(self.link, number, self.now)
            epoch = links.epoch_of(self.link, number)
            assert epoch is not None
            channel = self.intake.channel(self.link, epoch, self.secrets[number])
            envelope = channel.seal(body, counter=counter, issued=issued, expires=expires)
            contents.append(envelope.model_dump(mode="json"))
        return contents

    def take(self, content: Json) -> Taken:
        """What came, without anything sent in answer; a link that the others propose is made."""
        if self._link is None:
            opening = Opening.model_validate_json(canonical(content))
            assert isinstance(opening.body, Hello)
            self._link = links.proposed(ID, self.us, self.them, opening.body, self.terms, self.now)
            return Taken(self._link, opening.body)
        taken = self.intake.take(content, self.link, self.secrets, self.now)
        assert taken.link is not None
        self.link = taken.link
        return taken


def exchange(one: Desk, other: Desk, contents: Iterable[Json]) -> None:
    """Carry what `one` says to `other`, and whatever either answers, until nothing is left."""
    waiting = [(other, content) for content in contents]
    while waiting:
        to, content = waiting.pop(0)
        taken = to.take(content)
        assert taken.refusal is None, taken.refusal
        back = one if to is other else other
        waiting.extend((back, content) for content in to.carry(taken.crosses))


def desks(north: Terms = TERMS, south: Terms = TERMS) -> tuple[Desk, Desk]:
    """Two that know nothing of one another yet."""
    return Desk("north", NORTH_AT, SOUTH_AT, north), Desk("south", SOUTH_AT, NORTH_AT, south)


def linked(north: Terms = TERMS, south: Terms = TERMS) -> tuple[Desk, Desk]:
    """Two whose link is live."""
    one, other = desks(north, south)
    exchange(one, other, one.propose())
    exchange(other, one, other.agree())
    exchange(one, other, one.confirm())
    exchange(other, one, other.confirm())
    return one, other
