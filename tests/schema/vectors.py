"""Writes schema/vectors.json anew: `python -m tests.schema.vectors`.

What is sealed is random, so that it is other bytes each time; everything else comes out the same.
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from schema.ids import MatrixId, RoomId
from schema.wire import (
    BODY,
    Answer,
    Body,
    Close,
    Consent,
    Cut,
    Error,
    Hello,
    Introduce,
    Json,
    KeyChange,
    More,
    NewTerms,
    Note,
    Pause,
    Withdraw,
    canonical,
)
from schema.words import WORDS
from service.core.handshake import party, six_words, transcript
from service.core.links import Refusal
from service.envelope import Secrets
from tests.linked import ASK, ID, NORTH_AT, NOW, SOUTH_AT, TERMS, Desk, desks
from tests.schema import another

FILE = Path(__file__).parents[2] / "schema" / "vectors.json"

_ENCODED: tuple[Json, ...] = (
    {"b": 1, "a": [True, False, None], "aa": -(2**53 - 1), "A": {}},
    {"text": 'é€\U0001f33b "\\/\b\f\n\r\t\u000f\u007f\u2028'},
)


_SECONDS = int(NOW.timestamp())
_DAY = int(timedelta(days=1).total_seconds())
_SMALL = {"signing": "AQ" + "A" * 41}
"""The neutral point: as a key it takes signatures that anybody can make."""


def _bodies() -> list[Body]:
    """What the north says to the south, one of each kind that crosses a live link."""
    request, answer = ASK.request, "44" * 16
    seconds = _SECONDS
    room = RoomId("!Vm9SaHB1Y0ZxT3J0aDpOb3J0aA")
    ana, ends = MatrixId("@ana:north.example"), seconds + 3600
    return [
        NewTerms(terms=TERMS),
        ASK,
        Answer(request=request, answer=answer, wish="listening", minutes=30),
        Note(request=request, answer=answer, note="A long week. 🌻\nI'd like to talk.", how=("slow",)),
        Consent(request=request, answer=answer, card="I listen.", fear="tell_first", until=seconds + 7200),
        Introduce(request=request, answer=answer, user=ana, room=None, ends=None),
        Introduce(request=request, answer=answer, user=ana, room=room, ends=ends),
        Withdraw(request=request, answer=None),
        More(
            request=request,
            answer=answer,
            step="agreed",
            wish="55" * 16,
            minutes=30,
            until=None,
            ends=ends + 1800,
        ),
        Close(request=request, answer=answer, step="gone", reached="purged", met=True),
        Pause(paused=True),
        Error(code="quota", versions=(1,)),
        Cut(),
    ]


def _side(desk: Desk, at: MatrixId) -> dict[str, Any]:
    secrets = desk.secrets[1]
    making = desk.link.making
    assert making is not None
    assert making.our_hello is not None
    assert making.our_keys is not None
    return {
        "desk": at,
        "party": desk.us,
        "signing_seed": secrets.signing.hex(),
        "sealing_seed": secrets.sealing.hex(),
        "hello": making.our_hello.model_dump(mode="json"),
        "key_change": making.our_keys.model_dump(mode="json"),
    }


def _header(epoch: int = 1, counter: int = 100) -> dict[str, Any]:
    """Of what the north says to the south, for an hour."""
    header: dict[str, Any] = {"version": 1, "link": ID, "audience": party(ID, SOUTH_AT), "epoch": epoch}
    return header | {"counter": counter, "issued": _SECONDS, "expires": _SECONDS + 3600}


def _refused(sides: dict[str, Any], made: str, envelopes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the south refuses, each after the first two envelopes and those in `after` were taken."""
    ours = another.Keys(sides["north"]["signing_seed"], sides["north"]["sealing_seed"])
    sealing = sides["south"]["key_change"]["sealing"]

    def signed(plain: bytes | Body, padded: int | None = None, **changed: int | str) -> dict[str, Any]:
        plain = plain if isinstance(plain, bytes) else canonical(plain)
        return another.write(_header() | changed, plain, ours, sealing, made, padded)

    def asks(number: int) -> dict[str, Any]:
        return signed(ASK.model_copy(update={"request": f"{number:032x}"}), counter=100 + number)

    ask, restored = canonical(ASK), signed(Pause(paused=False), counter=2, issued=_SECONDS + 10)
    far_ahead = signed(Pause(paused=False), counter=2000)
    weather = ASK.model_copy(update={"topics": ("weather",)})
    hello, keys = (one["body"] for one in envelopes[-2:])
    refused: list[tuple[Refusal, str, dict[str, Any], tuple[Any, ...]]] = [
        (Refusal.SIZE, "larger than 12 KiB", signed(ask) | {"more": "A" * 12 * 1024}, ()),
        (Refusal.SHAPE, "a field that there is not", signed(ask) | {"to": "somebody"}, ()),
        (Refusal.SHAPE, "a counter that is text", signed(ask, counter="100"), ()),
        (Refusal.LINK, "no such link", signed(ask, link="55" * 16), ()),
        (Refusal.OVER, "after a cut", signed(ask), (envelopes[12]["content"],)),
        (Refusal.VERSION, "another version, signed", signed(ask, version=2), ()),
        (Refusal.FORGED, "another version, not signed", signed(ask) | {"version": 2}, ()),
        (Refusal.AUDIENCE, "come back", signed(ask, audience=party(ID, NORTH_AT)), ()),
        (Refusal.EPOCH, "keys that are not there", signed(ask, epoch=2), ()),
        (Refusal.EXPIRED, "at its very second", signed(ask, issued=_SECONDS - _DAY, expires=_SECONDS), ()),
        (Refusal.FUTURE, "301 seconds ahead", signed(ask, issued=_SECONDS + 301), ()),
        (Refusal.FUTURE, "a second too long", signed(ask, expires=_SECONDS + 8 * _DAY + 1), ()),
        (Refusal.AGAIN, "taken already", envelopes[1]["content"], ()),
        (Refusal.AGAIN, "of before a counter went back", signed(ask, counter=50), (restored,)),
        (Refusal.LATE, "1,024 behind", signed(ask, counter=976), (far_ahead,)),
        (Refusal.FORGED, "no signature", signed(ask) | {"signature": "A" * 86}, ()),
        (Refusal.SEAL, "padded further than it needs", signed(ask, padded=3072), ()),
        (Refusal.SEAL, "of another size", signed(ask, padded=1025), ()),
        (Refusal.SEAL, "a space in the body", signed(ask.replace(b":", b": ", 1)), ()),
        (Refusal.SEAL, "a name twice", signed(ask.replace(b"{", b'{"ages":"adults",', 1)), ()),
        (Refusal.SEAL, "a field too many", signed(ask.replace(b"}", b',"zoe":1}')), ()),
        (Refusal.SEAL, "a key that takes any signature", signed(another.canonical(keys | _SMALL)), ()),
        (Refusal.KIND, "an earlier counter, issued later", signed(ask, counter=1, issued=_SECONDS + 10), ()),
        (Refusal.KIND, "the newest counter, issued later", signed(ask, counter=2, issued=_SECONDS + 10), ()),
        (Refusal.KIND, "an ask after a pause", signed(ask), (envelopes[10]["content"],)),
        (Refusal.TURN, "two epochs ahead", signed(another.canonical(hello | {"epoch": 3})), ()),
        (Refusal.TURN, "a reason of first keys", signed(another.canonical(hello | {"reason": "link"})), ()),
        (Refusal.TERMS, "a topic that neither names", signed(weather), ()),
        (Refusal.QUOTA, "the sixth ask of a day", asks(6), tuple(asks(number) for number in range(2, 6))),
    ]
    return [
        {"why": why, "what": what, "after": list(after), "content": content}
        for why, what, content, after in refused
    ]


def _refused_openings(shown: Json) -> list[dict[str, Any]]:
    """What the south refuses once it took the north's `hello`, and said its own two steps.

    `shown` is the opening with the north's keys.
    """
    assert isinstance(shown, dict)
    keys = shown["body"]
    assert isinstance(keys, dict)
    hello = desks()[0].steps(1, "link")[0].model_dump(mode="json")
    bodies = [
        (Refusal.COMMITMENT, "another nonce", keys | {"nonce": "0" * 64}),
        (Refusal.SHAPE, "a key that takes any signature", keys | _SMALL),
        (Refusal.SHAPE, "no ML-KEM key", keys | {"sealing": "/" * 1578 + str(keys["sealing"])[1578:]}),
        (Refusal.SHAPE, "an X25519 key of zeros", keys | {"sealing": str(keys["sealing"])[:1578] + "A" * 44}),
        (Refusal.TURN, "another hello", hello | {"greeting": "We never met."}),
        (Refusal.TURN, "keys of another round", keys | {"round": 2}),
    ]
    return [{"why": why, "what": what, "content": shown | {"body": body}} for why, what, body in bodies]


def _second_epoch(south: Desk, ours: Secrets, envelopes: list[dict[str, Any]], made: str) -> dict[str, Any]:
    """New keys: the north's steps are in the envelopes; the first that it says once they are confirmed."""
    hello, keys = (BODY.validate_json(canonical(one["body"])) for one in envelopes[-2:])
    assert isinstance(hello, Hello)
    assert isinstance(keys, KeyChange)
    theirs = south.steps(2, "rotate")
    after = transcript(ID, made, {party(ID, NORTH_AT): (hello, keys), party(ID, SOUTH_AT): theirs})
    sides = {
        name: {
            "signing_seed": secrets.signing.hex(),
            "sealing_seed": secrets.sealing.hex(),
            "hello": steps[0].model_dump(mode="json"),
            "key_change": steps[1].model_dump(mode="json"),
        }
        for name, secrets, steps in (
            ("north", ours, (hello, keys)),
            ("south", south.secrets[2], theirs),
        )
    }
    seeds = another.Keys(ours.signing.hex(), ours.sealing.hex())
    terms = canonical(_bodies()[0])
    content = another.write(_header(2, 1), terms, seeds, theirs[1].sealing, after)
    return {
        "sides": sides,
        "transcript": after,
        "six_words": list(six_words(after)),
        "envelopes": [{"body": _bodies()[0].model_dump(mode="json"), "content": content}],
    }


def vectors() -> dict[str, Any]:
    """All of them."""
    north, south = desks()
    openings = north.propose()
    south.take(openings[0])
    openings += south.agree()
    for opening in openings[1:]:
        openings += north.carry(north.take(opening).crosses)
    south.take(openings[-1])
    sides = {"north": _side(north, NORTH_AT), "south": _side(south, SOUTH_AT)}
    making = south.link.making
    assert making is not None
    assert making.epoch is not None
    made = making.epoch.made
    (terms,) = north.confirm()
    envelopes = [{"body": _bodies()[0].model_dump(mode="json"), "content": terms}]
    (theirs,) = south.confirm()
    north.take(theirs)
    south.take(terms)
    envelopes += [
        {"body": body.model_dump(mode="json"), "content": north.say(body)}
        for body in (*_bodies()[1:], *north.steps(2, "rotate"))
    ]

    answers = [{"body": _bodies()[0].model_dump(mode="json"), "content": theirs}]
    answers += [
        {"body": body.model_dump(mode="json"), "content": south.say(body)}
        for body in (Pause(paused=False), _bodies()[2])
    ]
    return {
        "now": _SECONDS,
        "link": ID,
        "words": list(WORDS),
        "encodings": [{"value": value, "hex": canonical(value).hex()} for value in _ENCODED],
        "sides": sides,
        "openings": openings,
        "transcript": made,
        "six_words": list(six_words(made)),
        "envelopes": envelopes,
        "answers": answers,
        "refused": _refused(sides, made, envelopes),
        "refused_openings": _refused_openings(openings[-1]),
        "second_epoch": _second_epoch(south, north.secrets[2], envelopes, made),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n")
