"""Notices a database that is older than what happened: a restored backup, a copied disk, an old snapshot.

Guards: each start raises a number in the database and in the front desk's account data on the homeserver; a
database that is behind refuses to start until it is told that it was restored. An encryption account from a
backup is never used again (its ratchets would repeat keys): a restore drops it, and the front desk signs in
as a new device of the same identity. Messages that waited in an old outbox are dropped, since their moment
has passed; erasures that waited are kept.
"""

from dataclasses import replace
from datetime import datetime

from schema.effects import EmptyPeerRoom, MutePeerRoom, PurgeGuestRoom, PurgePeerRoom, RedactPeerRoom
from schema.errors import DatabaseRestored, HomeserverRefused
from schema.ids import MatrixId
from schema.records import Link
from service.core import links
from service.matrix.transport import Transport, client_path
from service.store import Store

TYPE = "org.alongside.generation"
"""The type of the account data that remembers how often the service started."""
_ROW = "generation"
_MOST = 1 << 40
"""More than any service ever starts: a number beyond it is none of ours, and the next must be writable."""
_AT_ONCE = 500
"""Effects that are read at once."""
_OF_THE_DEVICE = ("desk_sync", "desk_device", "keeper_sync")
"""Rows of the instance that belong to the encryption device or its place in time, and go with it."""


async def raise_generation(store: Store, transport: Transport, user: MatrixId) -> int:
    """Count this start, in the database first and then on the homeserver; the number of this start.

    Raises DatabaseRestored where the homeserver remembers a later start than the database.
    """
    remembered = await _remembered(transport, user)
    async with store.transaction("generation") as transaction:
        kept = int(await transaction.read_instance(_ROW) or b"0")
        if remembered > kept:
            raise DatabaseRestored(
                f"This database stopped at start {kept}, and the homeserver remembers start {remembered}: it "
                "is an older copy",
                fix="If it was restored from a backup, run `alongside restored`; if not, find the newer one.",
            )
        generation = kept + 1
        await transaction.write_instance(_ROW, str(generation).encode())
    await transport.request("write generation", "PUT", _place(user), body={"generation": generation})
    return generation


async def mark_restored(store: Store, transport: Transport, user: MatrixId, now: datetime) -> None:
    """Take an older database as the one in force: what belonged to the old encryption device goes.

    The front desk needs a new device afterwards (`alongside init --sign-in`). Links take nothing until new
    keys are made: what came between the backup and `now` could come again.
    """
    remembered = await _remembered(transport, user)
    kept_effects = (MutePeerRoom, RedactPeerRoom, EmptyPeerRoom, PurgePeerRoom, PurgeGuestRoom)
    async with store.transaction("restored") as transaction:
        await transaction.write_crypto({(kind, id): None for kind, id, _ in await transaction.read_crypto()})
        await transaction.write_chats({id: None for id, _ in await transaction.read_chats()})
        for name in _OF_THE_DEVICE:
            await transaction.write_instance(name, None)
        after = 0
        while waiting := await transaction.outbox(_AT_ONCE, after):
            after = waiting[-1].seq
            gone = [row.id for row in waiting if not isinstance(row.effect, kept_effects)]
            await transaction.outbox_done(gone)
        for link in await transaction.find(Link):
            if link.state not in links.OVER:
                resync, _ = links.advance(link, links.Restored(), now)
                await transaction.put(replace(resync, due_at=now))
        await transaction.write_instance(_ROW, str(remembered).encode())


async def _remembered(transport: Transport, user: MatrixId) -> int:
    try:
        answer = await transport.request("read generation", "GET", _place(user))
    except HomeserverRefused as refused:
        if refused.status == 404:
            return 0
        raise
    generation = answer.get("generation")
    if isinstance(generation, int) and not isinstance(generation, bool) and 0 < generation < _MOST:
        return generation
    return 0


def _place(user: MatrixId) -> str:
    return client_path("user", user, "account_data", TYPE)
