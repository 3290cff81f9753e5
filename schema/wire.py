"""What crosses a link between two collectives: the only definition of the protocol.

Guards: every text, number and list has a bound; what is not named here is not taken, so that nothing crosses
that nobody agreed to; every value has one encoding, so that what is signed can be read in one way alone.
PROTOCOL.md says what the shapes are for; json/ has their JSON Schemas, made from this file.
"""

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from schema.ids import LinkId, MatrixId, RoomId

VERSION = 1
"""The version of the protocol that this file is."""

EVENT_TYPE = "org.alongside.link"
"""The type of the encrypted room event whose content is an `Envelope` or an `Opening`."""

SIZES = (1024, 3072, 6656)
"""Bytes that a sealed body is padded to: the least of these that holds it.

The largest keeps the encrypted room event under 16 KiB, after base64 twice.
"""

SEALING_ADDS = 1136
"""Bytes that sealing adds: 1,120 of encapsulated key and 16 of tag (X-Wing and AES-256-GCM)."""

LARGEST_INTEGER = 2**53 - 1
"""The largest integer that every JSON implementation reads exactly (RFC 7493, section 2.2)."""

# Written so that Rust's, ECMA's and Python's regular expressions read it alike: others check by the schemas.
_LINE = r"^[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+$"
_TEXT = r"^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]*$"

Version = Annotated[int, Field(ge=1, le=1000)]
Id = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]
"""16 random bytes in lowercase hexadecimal, made anew for each link, request and answer."""
Link = Annotated[LinkId, StringConstraints(pattern="^[0-9a-f]{32}$")]
Party = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]
"""One of the two desks as this link alone names it: see PROTOCOL.md, "Names"."""
Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
"""A SHA-256 digest, or 32 random bytes."""
SigningKey = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9+/]{43}$")]
"""An Ed25519 public key (RFC 8032): 32 bytes in unpadded base64, as everywhere in Matrix."""
SealingKey = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9+/]{1622}$")]
"""An MLKEM768-X25519 (X-Wing) public key: 1,216 bytes in unpadded base64."""
Signature = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9+/]{86}$")]
Sealed = Annotated[
    str, StringConstraints(pattern="^[A-Za-z0-9+/]+$", max_length=-(-(SIZES[-1] + SEALING_ADDS) * 4 // 3))
]
Seconds = Annotated[int, Field(ge=0, le=253_402_300_799)]
"""Whole seconds since 1970 began, in UTC; to the end of the year 9999."""
Shown = Annotated[int, Field(ge=0, le=253_402_300_799 - 24 * 60 * 60)]
"""Seconds that the clock of every zone can show: to the last day but one of the year 9999."""
Counter = Annotated[int, Field(ge=1, le=LARGEST_INTEGER)]
Epoch = Annotated[int, Field(ge=1, le=1_000_000)]
Round = Annotated[int, Field(ge=1, le=1_000_000)]
Minutes = Annotated[int, Field(ge=1, le=7 * 24 * 60)]
MinuteOfDay = Annotated[int, Field(ge=0, le=24 * 60)]

Line = Annotated[str, StringConstraints(max_length=100, pattern=_LINE)]
"""Words on one line, without control characters and without what turns the direction of writing."""
ShortText = Annotated[str, StringConstraints(max_length=500, pattern=_TEXT)]
Text = Annotated[str, StringConstraints(max_length=1500, pattern=_TEXT)]
LongText = Annotated[str, StringConstraints(max_length=3000, pattern=_TEXT)]
Language = Annotated[str, StringConstraints(pattern="^[a-z]{2,3}$")]
"""A language's code (ISO 639)."""
Zone = Annotated[str, StringConstraints(max_length=64, pattern="^[A-Za-z][A-Za-z0-9_+/-]*$")]
"""An IANA time zone's name."""
User = Annotated[MatrixId, StringConstraints(max_length=255, pattern="^@[!-9;-~]+:[A-Za-z0-9.:\\[\\]-]+$")]
Room = Annotated[RoomId, StringConstraints(max_length=255, pattern="^![!-~]+$")]

Topics = Annotated[tuple[Line, ...], Field(max_length=12)]
Languages = Annotated[tuple[Language, ...], Field(max_length=12)]
Ages = Literal["adults", "young"]
Wish = Literal["listening", "shared", "ideas", "task", "company", "conversation", "mutual", "unsure"]
Fear = Literal["nobody", "tell_first", "report", "unsaid"]
How = Literal["slow", "few", "device", "translated", "no_questions"]


class Shape(BaseModel):
    """What all of them hold to: nothing converted, nothing unknown taken, nothing changed afterwards."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, json_schema_serialization_defaults_required=True
    )


# ---- what the collectives say to one another


class Hours(Shape):
    """Hours of the week by the clock of `zone`: on `days` (0 is Monday), from minute `start` to minute `end`.

    An `end` at or before the `start` is on the day after.
    """

    zone: Zone
    days: Annotated[tuple[Annotated[int, Field(ge=0, le=6)], ...], Field(min_length=1, max_length=7)]
    start: MinuteOfDay
    end: MinuteOfDay


class Terms(Shape):
    """What one side allows; where the two differ the stricter holds.

    `sends`: its members may be asked for across the link. `takes`: its members may be asked. `topics` and
    `languages` are those that may cross. `asks_a_day` is how many asks it takes in 24 hours. `hours` are when
    it takes them; none is at any hour. `ages` are the groups that it is for, `adult_from` the age at which it
    draws the line. `until` is when the link ends. `reports` says in its own words what its members may have
    to report, and to whom; `agreement` what they agreed with one another.
    """

    sends: bool
    takes: bool
    topics: Topics
    languages: Languages
    asks_a_day: Annotated[int, Field(ge=0, le=100)]
    hours: Annotated[tuple[Hours, ...], Field(max_length=14)]
    ages: Annotated[tuple[Ages, ...], Field(max_length=2)]
    adult_from: Annotated[int, Field(ge=12, le=25)]
    until: Shown
    reports: ShortText
    agreement: LongText


class Hello(Shape):
    """The first step to keys for a link's next epoch: who asks for it, and a commitment to their keys.

    `round` counts the tries at an epoch. `reason`: "link" for the first epoch, "rotate" for new keys at a
    steward's wish, "restored" where a counter went back. `versions` are those that the sender speaks.
    `greeting` is for the other side's stewards.
    """

    kind: Literal["hello"] = "hello"
    epoch: Epoch
    round: Round
    reason: Literal["link", "rotate", "restored"]
    versions: Annotated[tuple[Version, ...], Field(min_length=1, max_length=8)]
    commitment: Digest
    name: Line
    greeting: ShortText
    terms: Terms


class KeyChange(Shape):
    """The second step: the keys that were committed to, and the random `nonce` that hid them."""

    kind: Literal["key_change"] = "key_change"
    epoch: Epoch
    round: Round
    signing: SigningKey
    sealing: SealingKey
    nonce: Digest


class NewTerms(Shape):
    """The sender's terms from now on. The first in an epoch says that its stewards compared the words."""

    kind: Literal["terms"] = "terms"
    terms: Terms


# ---- what is between two members


class Ask(Shape):
    """Would one of yours keep one of ours company? The tags that the member approved for crossing alone.

    `wait` is how long, in minutes, somebody's last yes waits: for the member's, and then for what comes of
    both. `reporters`: people who must
    report may be asked. `start` is when the company would begin, where that is later. After `until` nobody is
    asked any more. `again` names answers by which two met over this link before: whichever of the reader's
    members was one of them, and said that they would talk again, is asked before others; with `again_only`
    nobody else is.
    """

    kind: Literal["ask"] = "ask"
    request: Id
    wish: Wish
    topics: Topics
    topics_only: bool
    languages: Annotated[tuple[Language, ...], Field(min_length=1, max_length=12)]
    writing: bool
    voice: bool
    minutes: Minutes
    wait: Minutes
    ages: Ages
    reporters: bool
    start: Seconds | None
    until: Seconds
    again: Annotated[tuple[Id, ...], Field(max_length=8)] = ()
    again_only: bool = False


class Answer(Shape):
    """Somebody says yes to being told more; to less, where `wish` or `minutes` is less than was asked.

    There is no other answer: a no, and nobody there, are silence. `answer` names this one yes from now on.
    """

    kind: Literal["answer"] = "answer"
    request: Id
    answer: Id
    wish: Wish
    minutes: Minutes


class Note(Shape):
    """The member's own words, for the one who gave this answer and for nobody else."""

    kind: Literal["note"] = "note"
    request: Id
    answer: Id
    note: Text
    how: Annotated[tuple[How, ...], Field(max_length=5)]


class Consent(Shape):
    """Whoever gave the answer read the note and goes on: what they say of themselves, for the member.

    `until` is by when they were promised to hear.
    """

    kind: Literal["consent"] = "consent"
    request: Id
    answer: Id
    card: ShortText
    fear: Fear
    until: Seconds


class Introduce(Shape):
    """The sender's member, by address, after both consents; from the member's side it is their consent.

    `room` and `ends` follow once the member's side has opened the room: then it is said again with them.
    """

    kind: Literal["introduce"] = "introduce"
    request: Id
    answer: Id
    user: User
    room: Room | None
    ends: Seconds | None


class Withdraw(Shape):
    """The request, or this one answer, is not to be had any more; the reason never crosses."""

    kind: Literal["withdraw"] = "withdraw"
    request: Id
    answer: Id | None


class More(Shape):
    """More time for the room of the two, `minutes` of it; `wish` names this one wish.

    "asked" by one of them, who hears what came of it at an hour: a yes counts until `until`. "agreed" by the
    other; from the side that opened the room it says that both did. There is no no. Whatever that side says,
    `ends` is when the room ends by then; the other's is null, as is `until` where something is agreed.
    """

    kind: Literal["more"] = "more"
    request: Id
    answer: Id
    step: Literal["asked", "agreed"]
    wish: Id
    minutes: Minutes
    until: Seconds | None
    ends: Seconds | None


class Close(Shape):
    """The room. `ended`: it is to close, or did. `removed`: its people are out, and it can be purged.

    `gone`: the sender's side has done what it can; "purged", "asked" or "cannot" in `reached` says what.
    `met` is said by the side that opened the room: whether both were in it and could write. The other's is
    null.
    """

    kind: Literal["close"] = "close"
    request: Id
    answer: Id
    step: Literal["ended", "removed", "gone"]
    reached: Literal["purged", "asked", "cannot"] | None
    met: bool | None = None


# ---- what is about the link itself


class Pause(Shape):
    """From now on nothing new begins across the link, or again does."""

    kind: Literal["pause"] = "pause"
    paused: bool


class Cut(Shape):
    """The link is over; nothing follows from this side."""

    kind: Literal["cut"] = "cut"


class Error(Shape):
    """All that a partner is ever told of a refusal. `versions` are those that the sender speaks."""

    kind: Literal["error"] = "error"
    code: Literal["version", "quota"]
    versions: Annotated[tuple[Version, ...], Field(min_length=1, max_length=8)]


Body = (
    Hello
    | KeyChange
    | NewTerms
    | Ask
    | Answer
    | Note
    | Consent
    | Introduce
    | Withdraw
    | More
    | Close
    | Pause
    | Cut
    | Error
)
KINDS: dict[str, type[Body]] = {
    kind.model_fields["kind"].default: kind
    for kind in (
        *(Hello, KeyChange, NewTerms, Ask, Answer, Note, Consent),
        *(Introduce, Withdraw, More, Close, Pause, Cut, Error),
    )
}


# ---- what carries it


class Envelope(Shape):
    """A body, sealed and signed, under the keys of one epoch of a link.

    `audience` is the party that it is for. `counter` begins at 1 with each epoch and direction and grows by
    one; `issued` never grows less with it. After `expires` it is refused.
    """

    version: Version
    link: Link
    audience: Party
    epoch: Epoch
    counter: Counter
    issued: Seconds
    expires: Seconds
    sealed: Sealed
    signature: Signature


class Frame(BaseModel):
    """What an envelope of any version has, now and later, so that one of an unknown version can be verified.

    `signature` is over all of the rest, known or not.
    """

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    version: Version
    link: Link
    epoch: Epoch
    signature: Signature


class Opening(Shape):
    """One of the two steps before a link has its first keys: neither sealed nor signed."""

    version: Version
    link: Link
    audience: Party
    issued: Seconds
    expires: Seconds
    body: Annotated[Hello | KeyChange, Field(discriminator="kind")]


BODY: TypeAdapter[Body] = TypeAdapter(Annotated[Body, Field(discriminator="kind")])
"""Reads a body of any kind: `BODY.validate_json(bytes)`."""

Json = dict[str, "Json"] | list["Json"] | str | int | bool | None


def canonical(value: Shape | Json) -> bytes:
    """The one encoding of `value`: RFC 8785 for what occurs here (no floats, names in ASCII)."""
    plain = value.model_dump(mode="json") if isinstance(value, Shape) else value
    return json.dumps(
        plain, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    ).encode()
