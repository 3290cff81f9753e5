"""From the second yes to both invitations across a link, beside what two homeservers need for as much.

That is a bare createRoom with one local and one remote invitation, made by an account without any service,
and one encrypted question and answer between the servers, asked by a bare member and answered by a nio echo.
Both are measured beside each pairing, by turns, on the two homeservers that the two services have.
"""

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from service.core.terms import ASKS_A_DAY
from tests.bench.answers import Chat, open_chats
from tests.bench.measure import Goal, Stopwatch, Table, say
from tests.bench.opening import bare, hear, say_and_hear, see_invitations
from tests.bench.people import Crowd, account
from tests.live import story
from tests.live.echo import Echo
from tests.live.homeserver import federation
from tests.live.links import Side, link, says_yes, two_sides

ROUNDS = 20


@dataclass(frozen=True)
class _Desk:
    """A service as those who write to it know it."""

    user_id: str


async def measure(rounds: int = ROUNDS) -> None:
    """Set up, measure by turns, and print."""
    watch = Stopwatch()
    directory = Path(tempfile.mkdtemp(prefix="alongside-crossing-"))
    async with (
        federation(2, directory=directory / "servers") as servers,
        Crowd(servers[0]) as here,
        Crowd(servers[1]) as there,
        two_sides(servers, directory) as sides,
        await Echo.start(servers[1]) as echo,
    ):
        askers, peers = await here.grow(rounds + 1), await there.grow(rounds)
        token, _, _ = await account(servers[0], "bare")
        (caller,) = await open_chats(askers[:1], echo)
        asking = await open_chats(askers[1:], _Desk(sides[0][1].desk_user))
        asked = await open_chats(peers, _Desk(sides[1][1].desk_user))
        watch.note(f"{rounds} members of each have a chat with their service")
        from_yes: list[float] = []
        from_taken: list[float] = []
        created: list[float] = []
        answered: list[float] = []
        for number, (asker, peer) in enumerate(zip(asking, asked, strict=True)):
            if number % ASKS_A_DAY == 0:
                # No more asks cross one link in a day.
                await _link_anew(sides, first=number == 0)
                watch.note("the two are linked")
            created.append(await bare(here, token, asker.person, peer.person, federates=True))
            answered.append(await _round_trip(caller))
            yes, taken = await _pairing(asker, peer)
            from_yes.append(yes)
            from_taken.append(taken)
            watch.note(f"{number + 1} of {rounds} pairings")
    shutil.rmtree(directory, ignore_errors=True)
    table = Table("crossing: until both see their invitation, on two homeservers")
    table.row("from the moment the second yes is sent, ms", from_yes, 1000)
    table.row("from the moment the homeserver has it, ms", from_taken, 1000)
    table.row("bare createRoom with a remote invitation, ms", created, 1000)
    table.row("bare question and answer between the servers, ms", answered, 1000)
    floor = [one + other for one, other in zip(created, answered, strict=True)]
    table.ratio("from the second yes being sent, over these two together", from_yes, floor, Goal(1.3))
    table.ratio("from the homeserver's having it, over these two together", from_taken, floor)
    say(f"({watch():.0f} s in all)")


async def _link_anew(sides: tuple[Side, Side], *, first: bool) -> None:
    """Have the stewards of both link them, after they cut what there is."""
    if not first:
        (sam, _), (tess, _) = sides
        await sam.writes("cut")
        await says_yes(sam, "link.cut_recap")
        await sam.hears("link.cut")
        await tess.hears("link.cut_there")
    await link(sides)


async def _round_trip(caller: Chat) -> float:
    """Seconds from a bare encrypted question to the answer of a program on the other homeserver."""
    begun = time.monotonic()
    await caller.person.say(caller.room, "menu")
    heard = await caller.person.answer(caller.room, caller.heard + 1)
    caller.heard += 1
    return heard.at - begun


async def _pairing(asker: Chat, peer: Chat) -> tuple[float, float]:
    """Lead two to the second yes; seconds from it, sent and taken, until both see the invitation."""
    for words in ("offer", "skip", "skip", "skip", "skip", "yes"):
        await say_and_hear(peer, words)
    for words in (
        "talk",
        "more",
        "skip",
        "skip",
        "skip",
        "skip",
        "change",
        "linked communities",
        "yes",
        "yes",
    ):
        await say_and_hear(asker, words)
    await _hears(peer, "ask.intro_across")
    await say_and_hear(peer, "yes")
    await _hears(peer, "note.terms_across")
    await say_and_hear(peer, "yes")
    await _hears(asker, "consent.across")
    seen = see_invitations(asker.person, peer.person)
    sent = time.monotonic()
    await asker.person.say(asker.room, "1")
    taken = time.monotonic()
    at = await seen
    await _hears(asker, "room.opened")
    await _hears(peer, "guest.opened")
    return at - sent, at - taken


async def _hears(chat: Chat, key: str) -> None:
    """Wait until that sentence was said in the chat, and for the end of what is said."""
    pattern = story.sentence(key)

    def heard() -> bool | None:
        said = (one.body for one in chat.person.heard if one.room == chat.room)
        return True if any(pattern.search(body) for body in said if body is not None) else None

    await chat.person.until(heard)
    await hear(chat, least=0)
