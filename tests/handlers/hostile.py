"""A partner that means harm, as a program: it has a link's real keys, and knows every name that there is.

It writes and reads with the other program of the protocol (tests/schema/another.py), so that it says what it
likes: any body, under any header, of names that it heard, invented, or could not know.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from schema.effects import SendAcross
from schema.events import Delivered, FromLink
from schema.ids import EventId, LinkId, LinkKeysId, MatrixId, RoomId
from schema.records import Link, LinkKeys
from schema.wire import BODY, Body, canonical
from service.core.handshake import party
from tests.handlers.two import SOUTH_AT, Two, link_of
from tests.handlers.whole import Whole
from tests.schema import another

THIRD_AT = MatrixId("@alongside:third.example")
THIRD = LinkId("f" * 32)


class Partner:
    """Whoever is at the other end of a link of the desk `side`. `told` is what it was told, and when."""

    def __init__(self, side: Whole, link: Link, keys: LinkKeys) -> None:
        """`link` is the desk's record, `keys` are the partner's private ones."""
        self.side, self.link = side, link.id
        self.at, self.room = link.desk, link.room or RoomId("")
        self.us, self.them = link.us, link.them
        epoch = link.epochs[0]
        self.keys, self.made = another.Keys(keys.signing, keys.sealing), epoch.made
        self.signing, self.sealing = epoch.ours.signing, epoch.ours.sealing
        self.counter = epoch.received.newest
        self.told: list[tuple[datetime, Body]] = []
        self.lengths: list[int] = []
        self.contents: list[str] = []
        self._events = 0

    def header(self, **changed: object) -> dict[str, Any]:
        """The header of the next envelope, in order unless something in it is changed."""
        self.counter += 1
        issued = int(self.side.now.timestamp())
        return {
            "version": 1,
            "link": self.link,
            "audience": self.us,
            "epoch": 1,
            "counter": self.counter,
            "issued": issued,
            "expires": issued + 86400,
            **changed,
        }

    def sealed(self, plain: bytes, padded: int | None = None, **changed: object) -> dict[str, Any]:
        """An envelope around whatever bytes, signed and sealed."""
        return another.write(self.header(**changed), plain, self.keys, self.sealing, self.made, padded)

    async def says(self, body: Body | Mapping[str, Any], **changed: Any) -> list[Body]:
        """Put a body across; what it is told in answer."""
        plain = another.canonical(dict(body)) if isinstance(body, Mapping) else canonical(body)
        return await self.puts(self.sealed(plain, **changed))

    async def puts(self, content: object) -> list[Body]:
        """Send an event of the link's type with whatever content; what it is told in answer."""
        return await self.sends(json.dumps(content))

    async def sends(self, content: str) -> list[Body]:
        """The same, as the event has it."""
        self.contents.append(content)
        self._events += 1
        id = EventId(f"$of-{self.link[:4]}-{self._events}")
        await self.side.event(FromLink(id, self.room, self.at, content, True))
        await self.side.pump()
        return await self.hears()

    async def hears(self) -> list[Body]:
        """Read what the desk sent over this link since; it has arrived."""
        before = len(self.told)
        for effect in [one for one in self.side.sends if isinstance(one, SendAcross)]:
            if effect.link != self.link:
                continue
            self.side.sends.remove(effect)
            content = json.loads(effect.content)
            assert content["audience"] == self.them
            at = next(at for at, one in reversed(self.side.effects) if one is effect)
            self.told.append((at, self._read(content)))
            self.lengths.append(len(effect.content))
            self.contents.append(effect.content)
            await self.side.event(Delivered(effect))
        return [body for _, body in self.told[before:]]

    def _read(self, content: dict[str, Any]) -> Body:
        if "sealed" not in content:
            return BODY.validate_python(content["body"])
        assert content["epoch"] == 1
        return BODY.validate_json(another.read(content, self.keys, self.signing, self.made))


async def linked(side: Whole) -> tuple[Two, Partner, Partner]:
    """The desk with two links: its partner in the north, whose keys the program has, and a third's."""
    two = Two(side)
    await two.linked()
    link = link_of(side)
    (theirs,) = two.north.records.all(LinkKeys)
    (ours,) = side.records.all(LinkKeys)
    # The third has keys like these, and a link, a room and a name of its own.
    us, them = party(THIRD, SOUTH_AT), party(THIRD, THIRD_AT)
    other = replace(link, id=THIRD, us=us, them=them, desk=THIRD_AT, room=RoomId("!third"), name="The Mill")
    await side.keep(other, replace(ours, id=LinkKeysId("f" * 32), link=THIRD))
    return two, Partner(side, link, theirs), Partner(side, other, theirs)
