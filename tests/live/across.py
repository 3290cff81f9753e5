"""What members of two linked communities do, step by step, and looks at what each side knows of the other's.

Rules guarded here:
- A step reads what the front desk said, and answers with the number of what is meant.
- A look at a side takes in every record, opened; what crossed to it; its files; what its people were sent.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from schema.ids import MatrixId
from schema.records import Record
from service import config
from service.store import Store
from service.store.shapes import KINDS
from tests.journeys.stage import Person, rows
from tests.live import story
from tests.live.canaries import canary, dresses, scan
from tests.live.homeserver import Homeserver, JsonObject
from tests.live.instance import Instance
from tests.live.links import Side
from tests.live.member import Member, Message

R = TypeVar("R", bound=Record)


@asynccontextmanager
async def members(*places: tuple[Homeserver, str]) -> AsyncIterator[list[Member]]:
    """Start a member on each of these homeservers, whose names begin so; they end with the context."""
    async with AsyncExitStack() as stack:

        async def start(homeserver: Homeserver, name: str) -> Member:
            member = await Member.start(homeserver, canary(name), kind="nio")
            stack.push_async_callback(member.close)
            return member

        async with asyncio.TaskGroup() as group:
            starts = [group.create_task(start(*place)) for place in places]
        yield [one.result() for one in starts]


async def comes(member: Member, instance: Instance) -> Person:
    """The member opens a chat with their own front desk."""
    return Person(member, await story.comes(member, instance.desk_user))


async def all_come(members: Iterable[Member], instance: Instance) -> list[Person]:
    """Each opens a chat with their own front desk, all at once."""
    return list(await asyncio.gather(*(comes(one, instance) for one in members)))


# ---- what they do


async def drafts(
    asker: Person, there: str, *, topic: str | None = None, note: str = "A long week.", topics: bool = True
) -> Message:
    """The asker would ask for company, also in the linked community called `there`; returns the recap.

    With a `topic` only those are asked who named it themselves; `topics` is False where there are none.
    """
    member, chat = asker.member, asker.chat
    recap = await story.draft_request(member, chat, topic=topic or (), note=note, asks_topics=topics)
    changes = [("choice.change_linked", "talk.linked", "choice.linked_yes")]
    if topic is not None:
        changes.insert(0, ("choice.change_only", "talk.only", "choice.only_yes"))
    for choice, question, yes in changes:
        await asker.chooses(recap, "choice.recap_change")
        await asker.answers("talk.change", choice)
        await asker.answers(question, yes)
        recap = await asker.hears("talk.recap")
    assert story.sentence("talk.recap_linked").search(recap.body), recap.body
    assert f"“{there}”" in recap.body
    return recap


async def asks(asker: Person, there: str, *, topic: str | None = None, note: str = "A long week.") -> None:
    """The asker asks as in `drafts`, through the yes to the recap."""
    recap = await drafts(asker, there, topic=topic, note=note)
    await asker.chooses(recap, "choice.recap_yes")
    await asker.hears("request.looking_linked")


async def is_asked(peer: Person, there: str) -> Message:
    """Wait until the peer is asked about somebody of the community called `there`."""
    asked = await peer.hears("ask.intro_across")
    assert f"“{there}”" in asked.body
    return asked


async def goes_on(peer: Person, there: str, note: str = "A long week.") -> None:
    """The peer is asked, says yes, reads the note, and goes on."""
    await peer.chooses(await is_asked(peer, there), "choice.ask_yes")
    shown = await peer.hears("note.terms_across")
    assert note in shown.body
    await peer.chooses(shown, "choice.note_yes")
    await peer.hears("note.yes")


async def is_offered(asker: Person, there: str) -> Message:
    """Wait until the asker is told that somebody of the community called `there` said yes."""
    offered = await asker.hears("consent.across")
    assert f"“{there}”" in offered.body
    return offered


async def come_together(asker: Person, peer: Person) -> str:
    """The room that both agreed to opens, both come in, and can write; returns the room."""
    room = await asker.joins()
    assert await story.joins_peer_room(peer.member, peer.chat, opened="guest.opened") == room
    await story.both_can_write(room, asker.member, peer.member)
    return room


async def part(asker: Person, peer: Person, *, by_asker: bool) -> None:
    """One of the two ends their room, and both hear it and read what each side erased."""
    await (asker if by_asker else peer).writes(story.words_of("command.close"))
    await peer.hears("guest.closed")
    await asker.hears("room.closed_across")
    await read_receipts(asker, peer)


async def read_receipts(asker: Person, peer: Person) -> None:
    """Both read what each side erased, which is all that there was."""
    for person, intro in ((asker, "receipt.intro"), (peer, "guest.receipt")):
        receipt = await person.hears(intro)
        assert story.sentence("receipt.purged").search(receipt.body), receipt.body
        assert story.sentence("receipt.there_purged").search(receipt.body), receipt.body


# ---- what a side knows


@asynccontextmanager
async def _looked_into(instance: Instance) -> AsyncIterator[Store]:
    """The records of an instance, to be read with its key, beside it."""
    settings = config.load(instance.configuration)
    store = await Store.look(settings.database_url(), settings.sealing_key())
    try:
        yield store
    finally:
        await store.close()


async def records(instance: Instance, kind: type[R]) -> list[R]:
    """The records of one kind as they stand now."""
    async with _looked_into(instance) as store, store.reading() as transaction:
        return list(await transaction.find(kind))


async def opened(instance: Instance) -> str:
    """Every record of an instance as one text."""
    async with _looked_into(instance) as store, store.reading() as transaction:
        return "\n".join([repr(one) for kind in KINDS.values() for one in await transaction.find(kind)])


def crossed(instance: Instance) -> list[JsonObject]:
    """What crossed links to an instance so far, each as its kind has it (schema/wire.py)."""
    assert instance.overheard is not None
    return [json.loads(line) for line in instance.overheard.read_bytes().splitlines()]


async def marks_of(instance: Instance, people: Iterable[Person]) -> list[str]:
    """By what the instance could name these people: their names, and its own hashes of their addresses."""
    async with _looked_into(instance) as store:
        hashes = [store.member_id(MatrixId(person.id)) for person in people]
    return [*(person.name for person in people), *hashes]


async def knows(side: Side, marks: Iterable[str], own: Iterable[Person] = ()) -> list[str]:
    """Where a side has any of `marks`; of its people its steward and its `own` are looked at."""
    steward, instance = side
    assert instance.overheard is not None
    seen = {
        "records": await opened(instance),
        "what crossed": instance.overheard.read_text(),
        "metrics": await instance.metrics(),
        **{f"what {person.name} saw": _seen_by(person.member) for person in (steward, *own)},
    }
    wanted = list(marks)
    found = [f"{mark} in {what}" for mark in wanted for what, text in seen.items() if _is_in(mark, text)]
    return found + scan([instance.directory], wanted)


def _is_in(mark: str, text: str) -> bool:
    raw = text.encode()
    return any(dress in raw for dress in dresses(mark))


def _seen_by(member: Member) -> str:
    """All that came to a member's client."""
    came = (member.messages, member.states, member.memberships, member.reactions, member._invites)
    return repr(came) + member.told()


WAITING = ("requests", "asks", "pairings", "peer_rooms", "guest_rooms", "asks_across", "inbox", "outbox")
"""What there is of anything that is on its way between two members."""


async def nothing_waits(instance: Instance, within: float = 60.0) -> None:
    """Wait until nothing between any two members is on its way or left over at an instance."""
    left: dict[str, list[dict[str, object]]] = {}
    try:
        async with asyncio.timeout(within):
            while any((left := rows(instance, WAITING)).values()):  # noqa: ASYNC110  It is another process's.
                await asyncio.sleep(0.1)
    except TimeoutError:
        states = {table: [row.get("state") for row in found] for table, found in left.items() if found}
        raise AssertionError(f"still there: {states}") from None
