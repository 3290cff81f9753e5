"""Takes what comes across a link, or refuses it: each check before all that cost more.

Guards: whatever comes is taken or refused by one name, and raises nothing; no more than a bounded number are
worked on in a time, and each with bounded work; nothing is opened that the partner did not sign; what was
refused changes nothing but that a counter which the partner signed is used up; the partner is told of two
refusals, of each once in an hour, and anybody else of none.
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta

from schema.errors import Malformed
from schema.ids import LinkId
from schema.records import Link, LinkEpoch
from schema.wire import VERSION, Envelope, Error, Frame, Json, KeyChange, Opening, canonical
from service.core import links
from service.core.links import TOLD, Refusal, Sent, Taken
from service.core.pace import Level, Pace, count
from service.core.terms import Known, as_said
from service.envelope import Channel, Secrets, check_keys

LARGEST = 12 * 1024
"""Bytes of the largest content that is looked at; the largest envelope has less."""

PACE = Pace(most=4000, every=1.0)
"""How many are worked on at once, and how often one more: days of a busy link at once, after an outage."""

TOLD_EVERY = timedelta(hours=1)

_CHANNELS = 64
"""For how many epochs the keys are held ready: making them ready costs more than to open an envelope."""


class Intake:
    """What looks at all that comes; it holds in memory what is not worth a record."""

    def __init__(self, pace: Pace = PACE) -> None:
        self._pace = pace
        self._levels: dict[LinkId, Level] = {}
        self._told: dict[tuple[LinkId, str], datetime] = {}
        self._channels: OrderedDict[tuple[LinkId, str], Channel] = OrderedDict()

    def take(
        self,
        content: Json,
        link: Link | None,
        secrets: Mapping[int, Secrets],
        now: datetime,
        known: Known = as_said,
    ) -> Taken:
        """Take an event's content for `link`, the one that it names (None: there is none).

        `secrets` are our private keys by epoch; `known` gives our own name of a topic of theirs.
        """
        try:
            if len(canonical(content)) > LARGEST:
                return Taken(link, refusal=Refusal.SIZE)
            if not isinstance(content, dict):
                return Taken(link, refusal=Refusal.SHAPE)
            carrier = _read(content)
            refusal = Refusal.LINK if link is None else links.stands(link, carrier.link)
            if link is None or refusal is not None:
                return Taken(link, refusal=refusal)
            match carrier:
                case Frame():
                    return self._other_version(content, carrier, link, secrets, now)
                case Envelope():
                    return self._envelope(carrier, content, link, secrets, now, known)
                case Opening():
                    return self._opening(carrier, link, now)
        except (Malformed, ValueError, TypeError, RecursionError):
            # What JSON cannot hold, or no shape of ours has.
            return Taken(link, refusal=Refusal.SHAPE)

    def forget(self, link: LinkId) -> None:
        """Let go of what is in memory of a link that is over."""
        self._levels.pop(link, None)
        for kept in [kept for kept in self._channels if kept[0] == link]:
            del self._channels[kept]
        for told in [told for told in self._told if told[0] == link]:
            del self._told[told]

    def channel(self, link: Link, epoch: LinkEpoch, secrets: Secrets) -> Channel:
        """That epoch's keys, ready for use. Raises Malformed where the partner's are none."""
        key = (link.id, epoch.made)
        if key not in self._channels:
            self._channels[key] = Channel(
                link.id,
                epoch.number,
                us=link.us,
                them=link.them,
                ours=secrets,
                theirs=epoch.theirs,
                made=epoch.made,
            )
            if len(self._channels) > _CHANNELS:
                self._channels.popitem(last=False)
        self._channels.move_to_end(key)
        return self._channels[key]

    def _envelope(
        self,
        envelope: Envelope,
        content: Json,
        link: Link,
        secrets: Mapping[int, Secrets],
        now: datetime,
        known: Known,
    ) -> Taken:
        if refusal := links.admit(link, envelope, now):
            return Taken(link, refusal=refusal)
        channel = self._ready(link, envelope.epoch, secrets)
        if channel is None:
            return Taken(link, refusal=Refusal.EPOCH)
        if self._too_many(link.id, now):
            return Taken(link, refusal=Refusal.PACE)
        if not channel.verify(content):
            return Taken(link, refusal=Refusal.FORGED)
        sent_at = links.sent_at(link, envelope)
        link = links.count(link, envelope, now)
        try:
            body = channel.open(envelope)
            if isinstance(body, KeyChange):
                check_keys(body)
        except Malformed:
            return Taken(link, refusal=Refusal.SEAL)
        heard = links.hear(link, body, envelope.epoch, now, envelope.counter, sent_at, known)
        if heard.refusal is not None:
            told = self._tell(link, heard.refusal, now)
            return Taken(heard.link, None, (*heard.crosses, *told), heard.refusal)
        return Taken(heard.link, body, heard.crosses)

    def _opening(self, opening: Opening, link: Link, now: datetime) -> Taken:
        if opening.audience != link.us:
            return Taken(link, refusal=Refusal.AUDIENCE)
        if refusal := links.timely(opening, now):
            return Taken(link, refusal=refusal)
        if self._too_many(link.id, now):
            return Taken(link, refusal=Refusal.PACE)
        if isinstance(opening.body, KeyChange):
            check_keys(opening.body)
        heard = links.hear(link, opening.body, 0, now)
        body = opening.body if heard.refusal is None else None
        return Taken(heard.link, body, heard.crosses, heard.refusal)

    def _other_version(
        self,
        content: dict[str, Json],
        frame: Frame,
        link: Link,
        secrets: Mapping[int, Secrets],
        now: datetime,
    ) -> Taken:
        channel = self._ready(link, frame.epoch, secrets)
        if channel is None:
            return Taken(link, refusal=Refusal.EPOCH)
        if self._too_many(link.id, now):
            return Taken(link, refusal=Refusal.PACE)
        if not channel.verify(content):
            return Taken(link, refusal=Refusal.FORGED)
        return Taken(link, None, self._tell(link, Refusal.VERSION, now), Refusal.VERSION)

    def _ready(self, link: Link, number: int, secrets: Mapping[int, Secrets]) -> Channel | None:
        epoch = links.epoch_of(link, number)
        ours = secrets.get(number)
        return None if epoch is None or ours is None else self.channel(link, epoch, ours)

    def _too_many(self, link: LinkId, now: datetime) -> bool:
        level = count(self._levels.get(link), now.timestamp(), self._pace)
        self._levels[link] = level
        return level.over

    def _tell(self, link: Link, refusal: Refusal, now: datetime) -> Sent:
        """What the partner is told of it: at most once in an hour."""
        code = TOLD.get(refusal)
        if code is None or not link.epochs:
            return ()
        before = self._told.get((link.id, code))
        if before is not None and now - before < TOLD_EVERY:
            return ()
        self._told[link.id, code] = now
        return ((link.epochs[0].number, Error(code=code, versions=(VERSION,))),)


def _read(content: dict[str, Json]) -> Frame | Envelope | Opening:
    """The shape that the content has; of another version than ours only what all have. Raises ValueError."""
    if content.get("version") != VERSION:
        return Frame.model_validate(content)
    if "sealed" in content:
        return Envelope.model_validate(content)
    return Opening.model_validate_json(canonical(content))
