"""Writes schema/vectors.json anew: `python -m tests.schema.vectors`.

What is sealed is random, so that it is other bytes each time; everything else comes out the same.
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from schema.ids import MatrixId, RoomId
from schema.wire import (
    Answer,
    Body,
    Close,
    Consent,
    Cut,
    Error,
    Introduce,
    Json,
    More,
    NewTerms,
    Note,
    Pause,
    Withdraw,
    canonical,
)
from schema.words import WORDS
from service.core.handshake import six_words
from service.core.links import Refusal
from tests.linked import ASK, ID, NORTH_AT, NOW, SOUTH_AT, TERMS, Desk, desks
from tests.schema import another

FILE = Path(__file__).parents[2] / "schema" / "vectors.json"

_ENCODED: tuple[Json, ...] = (
    {"b": 1, "a": [True, False, None], "aa": -(2**53 - 1), "A": {}},
    {"text": 'é€\U0001f33b "\\/\b\f\n\r\t\u000f\u007f\u2028'},
)


def _bodies() -> list[Body]:
    """What the north says to the south, one of each kind that crosses a live link."""
    request, answer = ASK.request, "44" * 16
    seconds = int(NOW.timestamp())
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
        More(request=request, answer=answer, step="agreed", minutes=30, until=None, ends=ends + 1800),
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
    envelopes += [
        {"body": body.model_dump(mode="json"), "content": north.say(body)}
        for body in (*_bodies()[1:], *north.steps(2, "rotate"))
    ]

    ours = another.Keys(sides["north"]["signing_seed"], sides["north"]["sealing_seed"])
    sealing = sides["south"]["key_change"]["sealing"]
    seconds = int(NOW.timestamp())

    def signed(plain: bytes, padded: int | None = None, **changed: int | str) -> dict[str, Any]:
        header = {
            "version": 1,
            "link": ID,
            "audience": south.us,
            "epoch": 1,
            "counter": 100,
            "issued": seconds,
            "expires": seconds + 3600,
        }
        return another.write(header | changed, plain, ours, sealing, made, padded)

    ask = canonical(ASK)
    day = int(timedelta(days=1).total_seconds())
    refused = {
        Refusal.SHAPE: signed(ask) | {"to": "somebody"},
        Refusal.VERSION: signed(ask, version=2),
        Refusal.LINK: signed(ask, link="55" * 16),
        Refusal.AUDIENCE: signed(ask, audience=north.us),
        Refusal.EPOCH: signed(ask, epoch=2),
        Refusal.EXPIRED: signed(ask, issued=seconds - day, expires=seconds),
        Refusal.FUTURE: signed(ask, issued=seconds + 301),
        Refusal.AGAIN: envelopes[1]["content"],
        Refusal.FORGED: signed(ask) | {"signature": "A" * 86},
        Refusal.SEAL: signed(ask, padded=3072),
        Refusal.TERMS: signed(canonical(ASK.model_copy(update={"topics": ("weather",)}))),
        Refusal.KIND: signed(ask, counter=1, issued=seconds + 10),
    }
    return {
        "now": seconds,
        "link": ID,
        "words": list(WORDS),
        "encodings": [{"value": value, "hex": canonical(value).hex()} for value in _ENCODED],
        "sides": sides,
        "openings": openings,
        "transcript": made,
        "six_words": list(six_words(made)),
        "envelopes": envelopes,
        "refused": [{"why": why, "content": content} for why, content in refused.items()],
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n")
