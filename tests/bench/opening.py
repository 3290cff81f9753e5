"""From the second yes to both invitations, beside a bare createRoom with two invitations.

Beside each pairing an account without any service makes the same kind of room for the same two, who see both
invitations in the same way.
"""

import asyncio
import time

from tests.bench.answers import Chat, open_chats
from tests.bench.measure import Goal, Stopwatch, Table, say
from tests.bench.people import MEGOLM, Crowd, Person, account
from tests.bench.subjects import Service
from tests.live.homeserver import Homeserver

ROUNDS = 30

_QUIET = 0.15
"""Seconds without a further message, after which what was said is taken to be all."""


async def measure(rounds: int = ROUNDS) -> None:
    """Set up, measure by turns, and print."""
    watch = Stopwatch()
    async with Homeserver() as homeserver, Crowd(homeserver) as crowd:
        people = await crowd.grow(2 * rounds)
        token, _, _ = await account(homeserver, "bare")
        # A person takes longer to answer than this machine does, which would otherwise be asked again.
        async with await Service.start(homeserver, TIMINGS__PROMPT_PAUSE="0 seconds") as service:
            watch.note(f"{len(people)} members are there")
            chats = await open_chats(people, service)
            watch.note("each has a chat with the service")
            from_yes: list[float] = []
            from_taken: list[float] = []
            created: list[float] = []
            for number in range(rounds):
                asker, peer = chats[2 * number], chats[2 * number + 1]
                created.append(await bare(crowd, token, asker.person, peer.person))
                yes, taken = await _pairing(asker, peer)
                from_yes.append(yes)
                from_taken.append(taken)
                watch.note(f"{number + 1} of {rounds} pairings")
    table = Table("opening: until both see their invitation")
    table.row("from the moment the second yes is sent, ms", from_yes, 1000)
    table.row("from the moment the homeserver has it, ms", from_taken, 1000)
    table.row("bare createRoom with two invitations, ms", created, 1000)
    table.ratio("from the second yes being sent, over the bare createRoom", from_yes, created, Goal(1.2))
    table.ratio("from the homeserver's having it, over the bare createRoom", from_taken, created)
    say(f"({watch():.0f} s in all)")


async def bare(crowd: Crowd, token: str, one: Person, two: Person, *, federates: bool = False) -> float:
    """Seconds until both see the invitation to a room that is made without more ado."""
    state = {
        "m.room.encryption": {"algorithm": MEGOLM},
        "m.room.history_visibility": {"history_visibility": "invited"},
        "m.room.guest_access": {"guest_access": "forbidden"},
    }
    levels = ("state_default", "invite", "kick", "ban", "redact")
    body = {
        "preset": "private_chat",
        "visibility": "private",
        "name": "Room",
        "creation_content": {} if federates else {"m.federate": False},
        "invite": [one.user_id, two.user_id],
        "power_level_content_override": {"events_default": 0, **dict.fromkeys(levels, 100)},
        "initial_state": [
            {"type": kind, "state_key": "", "content": content} for kind, content in state.items()
        ],
    }
    seen = see_invitations(one, two)
    begun = time.monotonic()
    await crowd.request("POST", "/_matrix/client/v3/createRoom", body, token=token)
    return await seen - begun


def see_invitations(*people: Person) -> "asyncio.Task[float]":
    """When all of `people` have seen an invitation that they had not seen."""

    async def one(person: Person) -> float:
        before = set(person.invited)
        room = await person.until(lambda: next(iter(person.invited.keys() - before), None))
        return person.invited[room]

    async def every() -> float:
        return max(await asyncio.gather(*(one(person) for person in people)))

    return asyncio.create_task(every())


async def _pairing(asker: Chat, peer: Chat) -> tuple[float, float]:
    """Lead two members to the second yes; seconds from it, sent and taken, until both see the invitation."""
    for words in ("offer", "skip", "skip", "skip", "yes"):
        await say_and_hear(peer, words)
    for words in ("talk", "more", "skip", "skip", "skip", "yes"):
        await say_and_hear(asker, words)
    await hear(peer)
    for words in ("yes", "yes"):
        await say_and_hear(peer, words)
    await hear(asker)
    seen = see_invitations(asker.person, peer.person)
    sent = time.monotonic()
    await asker.person.say(asker.room, "1")
    taken = time.monotonic()
    at = await seen
    await hear(asker)
    await hear(peer, least=0)
    return at - sent, at - taken


async def say_and_hear(chat: Chat, words: str) -> None:
    """Write, and hear all that is said to it."""
    await chat.person.say(chat.room, words)
    await hear(chat)


async def hear(chat: Chat, least: int = 1) -> None:
    """Wait for `least` messages more than were heard before, and for the end of what is said."""
    await chat.person.until(lambda: True if chat.person.count(chat.room) >= chat.heard + least else None, 20)
    while True:
        chat.heard = chat.person.count(chat.room)
        await chat.person.sync(_QUIET)
        if chat.person.count(chat.room) == chat.heard:
            return
