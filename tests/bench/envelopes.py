"""How many envelopes of a link are taken per second on one core, beside the two primitives that each needs.

A partner's notes, sealed beforehand, go through the whole intake: size, shape, times, counter, pace,
signature, seal, body. Beside it, by turns, as many bytes go through a bare Ed25519 verification and a bare
HPKE open. Refusals are measured as well: what is forged, what was received before, and what has no shape.
"""

import time
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

from schema.wire import Json, Note, canonical
from service.core.links import Refusal
from service.intake import Intake
from tests.bench.measure import Goal, Table
from tests.linked import NOW, Desk, linked

ROUNDS = 7
_NOTE = Note(request="1" * 32, answer="2" * 32, note="I would like to talk with somebody about work.", how=())


async def measure(envelopes: int = 1000, rounds: int = ROUNDS) -> None:
    """Take that many in each round."""
    one, other = linked()
    table = Table(f"{envelopes} envelopes of a link, one core: processor time for each, in microseconds")
    ours: list[float] = []
    bare: list[float] = []
    refused: dict[Refusal, list[float]] = {Refusal.FORGED: [], Refusal.AGAIN: [], Refusal.SHAPE: []}
    for _ in range(rounds):
        contents = [one.say(_NOTE, timedelta(days=1)) for _ in range(envelopes)]
        bare.append(_bare(contents) / envelopes)
        other.intake = Intake()
        ours.append(_taken(other, contents, None) / envelopes)
        forged = [_changed(content, signature="A" * 86, counter=10**9) for content in contents]
        refused[Refusal.FORGED].append(_taken(other, forged, Refusal.FORGED) / envelopes)
        refused[Refusal.AGAIN].append(_taken(other, contents, Refusal.AGAIN) / envelopes)
        odd = [_changed(content, more="a name") for content in contents]
        refused[Refusal.SHAPE].append(_taken(other, odd, Refusal.SHAPE) / envelopes)
    million = 1e6
    table.row("verify and open, bare", bare, million)
    table.row("taken", ours, million)
    for refusal, times in refused.items():
        table.row(f"refused: {refusal}", times, million)
    table.ratio("taken over bare", ours, bare, Goal(2.0))
    table.row("taken in a second", [1 / one for one in ours])


def _taken(desk: Desk, contents: list[Json], refusal: Refusal | None) -> float:
    """Seconds of processor time to take all of them, each refused as it must be, or not."""
    begun = time.process_time()
    for content in contents:
        taken = desk.intake.take(content, desk.link, desk.secrets, NOW)
        if taken.refusal is not refusal or taken.link is None:
            raise RuntimeError(f"an envelope was {taken.refusal}, not {refusal}")
        desk.link = taken.link
    return time.process_time() - begun


def _bare(contents: list[Json]) -> float:
    """Seconds of processor time for one verification and one open each, of as many bytes."""
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    opening = MLKEM768X25519PrivateKey(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())
    sealed = suite.encrypt(bytes(1024), opening.public_key(), info=bytes(200))
    signing = Ed25519PrivateKey.generate()
    signed = canonical(contents[0])
    signature, verifying = signing.sign(signed), signing.public_key()
    begun = time.process_time()
    for _ in contents:
        verifying.verify(signature, signed)
        suite.decrypt(sealed, opening, info=bytes(200))
    return time.process_time() - begun


def _changed(content: Json, **changed: Json) -> Json:
    if not isinstance(content, dict):
        raise TypeError("an envelope is an object")
    return content | changed
