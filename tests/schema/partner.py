"""A partner in a link, written from schema/PROTOCOL.md, the JSON Schemas and the list of words alone.

Nothing of ours is imported, but the primitives of the other program beside it, which imports nothing either.
It makes a link and its keys, seals, opens and refuses; what is said between two members is for whoever drives
it. It gives no try at keys up, knows no hours, and does not count what comes in a second.
"""

import json
import secrets
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # Its types are a package of their own.
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.schema import another

Json = dict[str, Any]

SCHEMA = Path(__file__).parents[2] / "schema"
SHAPES = {
    name: jsonschema.Draft202012Validator(json.loads((SCHEMA / "json" / f"{name}.json").read_text()))
    for name in ("opening", "envelope", "body")
}
WORDS: list[str] = json.loads((SCHEMA / "vectors.json").read_text())["words"]
DAY = 86_400
SIZES = (1024, 3072, 6656)
MAKING = ("hello", "key_change", "terms", "pause", "cut", "error")
BEGINS = ("ask", "answer", "note", "consent", "introduce", "more")

_PRIME, _OF_ORDER_8 = 2**255 - 19, 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7
SMALL = {0, 1, _PRIME - 1, _PRIME, _PRIME + 1, _OF_ORDER_8, _PRIME - _OF_ORDER_8}
"""The second coordinates of Ed25519's points of small order, in every encoding."""


class Refused(Exception):
    """What came is refused, by the name that the page has for it."""


class Keys(another.Keys):
    """Our private keys for one epoch, and the step that shows them."""

    def __init__(self, epoch: int, round: int, seeds: tuple[str, str] | None = None) -> None:
        super().__init__(*(seeds or (secrets.token_hex(32), secrets.token_hex(32))))
        signing, sealing = self.public()
        self.shown: Json = {"kind": "key_change", "epoch": epoch, "round": round}
        self.shown |= {"signing": signing, "sealing": sealing, "nonce": secrets.token_hex(32)}


def are_keys(shown: Json) -> bool:
    """Whether a partner's keys can be used: neither takes any signature, or gives no secret."""
    signing = another.bytes_of(shown["signing"])
    if int.from_bytes(signing, "little") & (2**255 - 1) in SMALL:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(signing)
        another.seal(b"", shown["sealing"], b"")
    except ValueError:
        return False
    return True


class Epoch:
    """The keys of both sides, and what was counted with them."""

    def __init__(self, number: int, ours: Keys, theirs: Json, transcript: str) -> None:
        self.number, self.ours, self.theirs, self.transcript = number, ours, theirs, transcript
        self.sent, self.issued = 0, 0
        self.received: set[int] = set()
        self.newest, self.latest, self.nothing_by = 0, 0, -1
        self.we_confirmed, self.they_confirmed = False, False

    def read(self, content: Json) -> bytes:
        """The bytes of the body."""
        return another.read(content, self.ours, self.theirs["signing"], self.transcript)


class Partner:
    """One side of one link. `outbox` holds the contents of the events that it would send."""

    def __init__(self, desk: str, other: str, terms: Json, link: str = "", name: str = "Another") -> None:
        self.link = link or secrets.token_hex(16)
        self.us, self.them = another.party(self.link, desk), another.party(self.link, other)
        self.name, self.terms, self.their_terms = name, terms, Json()
        self.now = 0
        self.epochs: dict[int, Epoch] = {}
        self.current = 0
        self.keys: Keys | None = None
        self.hello, self.their_hello, self.their_keys = Json(), Json(), Json()
        self.paused, self.resync, self.over = False, False, False
        self.asks: list[int] = []
        self.told: list[Json] = []
        self.outbox: list[Json] = []

    # ---- what we say

    def say(self, body: Json, epoch: int = 0, life: int = DAY) -> None:
        """Have a body cross: sealed, or before there are keys as an opening."""
        SHAPES["body"].validate(body)
        header: Json = {"version": 1, "link": self.link, "audience": self.them}
        if not (epoch or self.current):
            opening = {**header, "issued": self.now, "expires": self.now + life, "body": body}
            self.outbox.append(opening)
            return
        used = self.epochs[epoch or self.current]
        used.sent, used.issued = used.sent + 1, max(used.issued, self.now)
        header |= {"epoch": used.number, "counter": used.sent}
        header |= {"issued": used.issued, "expires": used.issued + life}
        plain, sealing = another.canonical(body), used.theirs["sealing"]
        self.outbox.append(another.write(header, plain, used.ours, sealing, used.transcript))

    def begin(self, reason: str = "link", round: int = 1, keys: Keys | None = None) -> None:
        """Our `hello` for the next epoch; our keys too where the other side has committed to its own."""
        epoch = self.current + 1
        self.keys = keys or Keys(epoch, round)
        told = {"link": self.link, "sender": self.us, "keys": self.keys.shown}
        self.hello = {"kind": "hello", "epoch": epoch, "round": round, "reason": reason, "versions": [1]}
        self.hello |= {"commitment": another.digest("commitment", told).hex(), "name": self.name}
        self.hello |= {"greeting": "We met in spring.", "terms": self.terms}
        self.say(self.hello)
        if self.their_hello:
            self.say(self.keys.shown)

    def six_words(self) -> list[str]:
        """What our stewards read out."""
        return another.six_words(self.epochs[self.current + 1].transcript, WORDS)

    def confirm(self) -> None:
        """Our stewards say that they are the same."""
        made = self.epochs[self.current + 1]
        made.we_confirmed = True
        self.say({"kind": "terms", "terms": self.terms}, made.number)
        self._use(made)

    # ---- what comes

    def hear(self, content: Json) -> Json:
        """Take what came, or raise Refused; each check before all that cost more."""
        if len(another.canonical(content)) > 12 * 1024:
            raise Refused("size")
        if content.get("version") == 1 and not any(
            SHAPES[shape].is_valid(content) for shape in ("envelope", "opening")
        ):
            raise Refused("shape")
        if content["link"] != self.link:
            raise Refused("link")
        if self.over:
            raise Refused("over")
        if content["version"] != 1:
            self._read(self._epoch(content), content)
            raise Refused("version")
        if content["audience"] != self.us:
            raise Refused("audience")
        body = self._opening(content) if "body" in content else self._envelope(content)
        self.told.append(body)
        return body

    def _epoch(self, content: Json) -> Epoch:
        if content["epoch"] not in self.epochs:
            raise Refused("epoch")
        return self.epochs[content["epoch"]]

    def _timely(self, content: Json) -> None:
        if content["expires"] <= self.now:
            raise Refused("expired")
        if content["issued"] > self.now + 300 or content["expires"] - content["issued"] > 8 * DAY:
            raise Refused("future")

    def _opening(self, content: Json) -> Json:
        self._timely(content)
        if self.current:
            raise Refused("kind")
        body: Json = content["body"]
        if body["kind"] == "key_change" and not are_keys(body):
            raise Refused("shape")
        self._step(body)
        return body

    def _envelope(self, content: Json) -> Json:
        epoch, counter, issued = self._epoch(content), content["counter"], content["issued"]
        self._timely(content)
        back = counter <= epoch.newest and issued > epoch.latest
        if issued <= epoch.nothing_by or (counter in epoch.received and not back):
            raise Refused("again")
        if counter <= epoch.newest - 1024 and not back:
            raise Refused("late")
        plain = self._read(epoch, content)
        if back:
            epoch.received, epoch.newest, epoch.nothing_by = set(), 0, epoch.latest
        epoch.received.add(counter)
        epoch.newest, epoch.latest = max(epoch.newest, counter), max(epoch.latest, issued)
        self.resync |= back
        body = self._body(plain, content)
        kind, making = body["kind"], epoch.number > self.current
        if making and not epoch.we_confirmed and kind != "terms":
            raise Refused("kind")
        if making:
            epoch.they_confirmed = True
            self._use(epoch)
        if (self.resync and kind not in MAKING) or (self.paused and kind in BEGINS):
            raise Refused("kind")
        self._take(body, issued)
        return body

    @staticmethod
    def _read(epoch: Epoch, content: Json) -> bytes:
        try:
            return epoch.read(content)
        except InvalidSignature:
            raise Refused("forged") from None
        except InvalidTag:
            raise Refused("seal") from None

    @staticmethod
    def _body(plain: bytes, content: Json) -> Json:
        """The body, where it is in its one encoding and in the least size."""
        size = len(another.bytes_of(content["sealed"])) - 1136
        if size not in SIZES or size != next(one for one in SIZES if len(plain) <= one):
            raise Refused("seal")
        try:
            body: Json = json.loads(plain)
        except ValueError:
            raise Refused("seal") from None
        if another.canonical(body) != plain or not SHAPES["body"].is_valid(body):
            raise Refused("seal")
        if body["kind"] == "key_change" and not are_keys(body):
            raise Refused("seal")
        return body

    def _take(self, body: Json, issued: int) -> None:
        match body["kind"]:
            case "hello" | "key_change":
                self._step(body)
            case "terms":
                self.their_terms = body["terms"]
            case "pause":
                self.paused = body["paused"]
            case "cut":
                self.over = True
            case "ask":
                self._asked(body, issued)

    def _asked(self, ask: Json, issued: int) -> None:
        """Whether both sides' terms let it cross; hours this partner names none."""
        ours, theirs = self.terms, self.their_terms
        for terms in (ours, theirs):
            within = set(ask["topics"]) <= set(terms["topics"])
            within &= set(ask["languages"]) <= set(terms["languages"])
            within &= ask["ages"] in terms["ages"] and self.now < terms["until"]
            if not within:
                raise Refused("terms")
        if not (ours["takes"] and theirs["sends"] and ours["adult_from"] == theirs["adult_from"]):
            raise Refused("terms")
        recent = [at for at in self.asks if abs(at - issued) < DAY]
        if len(recent) >= min(ours["asks_a_day"], theirs["asks_a_day"]):
            raise Refused("quota")
        self.asks.append(issued)

    # ---- the making of keys

    def _step(self, body: Json) -> None:
        if body["epoch"] != self.current + 1:
            raise Refused("turn")
        if body["kind"] == "hello":
            self._heard_hello(body)
        elif body != self.their_keys:
            self._heard_keys(body)

    def _heard_hello(self, hello: Json) -> None:
        if hello == self.their_hello:
            return
        if (hello["reason"] == "link") is (self.current > 0) or self.their_hello:
            raise Refused("turn")
        self.their_hello, self.their_terms = hello, hello["terms"]
        if self.keys is not None:
            self.say(self.keys.shown)
        elif self.current:
            # A first one is for the stewards to answer.
            self.begin(hello["reason"], hello["round"])
        self._make()

    def _heard_keys(self, keys: Json) -> None:
        if self.their_keys or (self.hello and keys["round"] != self.hello["round"]):
            raise Refused("turn")
        self.their_keys = keys
        self._make()

    def _make(self) -> None:
        """The new epoch, once both have committed and shown."""
        if not (self.keys and self.their_hello and self.their_keys):
            return
        shown = {"link": self.link, "sender": self.them, "keys": self.their_keys}
        if another.digest("commitment", shown).hex() != self.their_hello["commitment"]:
            self.their_keys = {}
            raise Refused("commitment")
        steps = [
            {"sender": self.us, "hello": self.hello, "keys": self.keys.shown},
            {"sender": self.them, "hello": self.their_hello, "keys": self.their_keys},
        ]
        steps.sort(key=lambda step: str(step["sender"]))
        before = self.epochs[self.current].transcript if self.current else ""
        made = another.digest("transcript", {"link": self.link, "before": before, "steps": steps}).hex()
        number = self.current + 1
        self.epochs[number] = Epoch(number, self.keys, self.their_keys, made)

    def _use(self, made: Epoch) -> None:
        """Both sides' stewards confirmed: the epoch is in use, and each side says its pause in it."""
        if made.we_confirmed and made.they_confirmed:
            self.current, self.keys, self.resync = made.number, None, False
            self.hello, self.their_hello, self.their_keys = {}, {}, {}
            self.say({"kind": "pause", "paused": False})
