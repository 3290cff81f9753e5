"""What a turn seals, opens and makes for a link: the rules' other half, which needs keys and randomness.

Guards: private keys are made here and go nowhere but into their record; what leaves is stamped in the same
turn, so that its counter is committed with it; what is sent again is the same bytes.
"""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random

from schema.ids import LinkId, LinkKeysId
from schema.records import Link, LinkKeys
from schema.wire import VERSION, Body, Envelope, Hello, Json, KeyChange, Opening, canonical
from service.core import links
from service.core.links import Refusal, Taken
from service.core.terms import Known, as_said
from service.envelope import Secrets
from service.intake import Intake


class Crossing:
    """Implements `service.turn.Crossing`."""

    def __init__(self) -> None:
        self._intake = Intake()

    def keys(self, link: LinkId, number: int, round: int, random: Random) -> tuple[LinkKeys, KeyChange]:
        """New random keys for that epoch and try: those to keep, and what the other side is shown of them."""
        id = LinkKeysId(random.randbytes(16).hex())
        made = Secrets(*(random.randbytes(32) for _ in range(3)))
        seeds = (made.signing.hex(), made.sealing.hex(), made.nonce.hex())
        kept = LinkKeys(id, link, number, round, *seeds)
        return kept, made.public(number, round)

    def take(
        self, content: str, link: Link, keys: Iterable[LinkKeys], now: datetime, known: Known = as_said
    ) -> Taken:
        """What comes of an event's content, JSON, for `link`; whatever it is, nothing is raised."""
        try:
            read: Json = json.loads(content)
        except (ValueError, RecursionError):
            return Taken(link, refusal=Refusal.SHAPE)
        return self._intake.take(read, link, _by_epoch(link, keys), now, known)

    def proposal(self, content: str, now: datetime) -> Opening | None:
        """The opening that a content is, where it can begin a link: a `hello`, in time; else None."""
        try:
            opening = Opening.model_validate_json(content)
            whole = canonical(opening) == canonical(json.loads(content))
        except (ValueError, RecursionError):
            return None
        fits = whole and opening.version == VERSION and isinstance(opening.body, Hello)
        return opening if fits and links.timely(opening, now) is None else None

    def seal(
        self,
        link: Link,
        number: int,
        body: Body,
        keys: Iterable[LinkKeys],
        life: timedelta,
        now: datetime,
    ) -> tuple[Link, str]:
        """The link once `body` is on its way in that epoch (0: as an opening), and the event's content, JSON.

        Raises IllegalMove where the link has no such epoch, ValueError for a body that is too large.
        """
        issued = int(now.timestamp())
        carrier: Opening | Envelope
        if number == 0:
            if not isinstance(body, Hello | KeyChange):
                raise ValueError("an opening holds a step to keys, and nothing else")
            carrier = Opening(
                version=VERSION,
                link=link.id,
                audience=link.them,
                issued=issued,
                expires=issued + int(life.total_seconds()),
                body=body,
            )
        else:
            link, counter, issued = links.stamp(link, number, now)
            epoch = links.epoch_of(link, number)
            secrets = _by_epoch(link, keys).get(number)
            if epoch is None or secrets is None:
                raise ValueError("the keys of an epoch are not here")
            channel = self._intake.channel(link, epoch, secrets)
            expires = issued + int(life.total_seconds())
            carrier = channel.seal(body, counter=counter, issued=issued, expires=expires)
        return link, canonical(carrier).decode()

    def forget(self, link: LinkId) -> None:
        """Let go of what is in memory of a link that is over."""
        self._intake.forget(link)


def _by_epoch(link: Link, keys: Iterable[LinkKeys]) -> dict[int, Secrets]:
    """The private keys that the link needs, by their epoch: of one epoch those of one try."""
    held = links.keys_held(link)
    return {
        one.number: Secrets(*map(bytes.fromhex, (one.signing, one.sealing, one.nonce)))
        for one in keys
        if (one.number, one.round) in held
    }
