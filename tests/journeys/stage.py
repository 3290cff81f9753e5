"""Where the journeys play: people with a chat each, and looks behind the scene that no person has.

Rules guarded here:
- What a journey says of the homeserver is asked of the homeserver, as its administrator sees it, or read
  from its database.
- What a journey says of the disk is read from the disk, and of the records from the database itself.
"""

import asyncio
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

import asyncpg

from tests.live import story
from tests.live.canaries import scan
from tests.live.homeserver import Homeserver, JsonObject, Refused
from tests.live.instance import Instance
from tests.live.member import Member, MemberFailed, Message
from tests.live.postgres import Postgres
from tests.live.story import hears, words_of

T = TypeVar("T")
TAG = "org.alongside.pairing"
FORGOTTEN = "What I held about you is erased here."
"""What begins the last answer to whoever is forgotten, whether they were in a room or not."""
_TIME = re.compile(r"\w+day \d{1,2} \w+(?: \d{4})?, \d{1,2}:\d\d \S+ \([^)]*\)")


@dataclass(frozen=True)
class Person:
    """A member and their chat with the front desk, in which it speaks `language` with them."""

    member: Member
    chat: str
    language: str = "en"

    @property
    def id(self) -> str:
        """The Matrix ID."""
        return self.member.user_id

    @property
    def name(self) -> str:
        """The part of the Matrix ID that names the person."""
        return self.id[1:].partition(":")[0]

    async def writes(self, words: str) -> None:
        """Write to the front desk."""
        await self.member.say(self.chat, words)

    async def hears(self, key: str, *, timeout: float = 120.0) -> Message:
        """Wait until the front desk says sentence `key`."""
        return await hears(self.member, self.chat, key, language=self.language, timeout=timeout)

    async def answers(self, key: str, *choices: str) -> Message:
        """Wait for the question `key`, answer it with these choices; returns the question."""
        asked = await self.hears(key)
        await self.chooses(asked, *choices)
        return asked

    async def chooses(self, asked: Message, *choices: str) -> None:
        """Answer a question that was heard before with these choices."""
        await story.chooses(self.member, self.chat, asked, *choices, language=self.language)

    async def says(self, command: str, key: str) -> Message:
        """Write a command and wait for the sentence that answers it."""
        await self.writes(words_of(command, self.language))
        return await self.hears(key)

    async def offers(self, *, card: str = "I like walks.", fear: str = "choice.fear_tell_first") -> None:
        """Offer time, for any topic."""
        await story.offer_time(self.member, self.chat, card=card, fear=fear, language=self.language)

    async def asks(
        self, line: str = "talk listening", *, note: str = "", hears_of: str = "request.asking"
    ) -> None:
        """Ask for company, by one line and what else is said from its recap."""
        recap = await story.asks_in_one_line(self.member, self.chat, line)
        if note:
            recap = await story.adds_words(self.member, self.chat, recap, note)
        await story.chooses(self.member, self.chat, recap, "choice.recap_yes")
        await self.hears(hears_of)

    async def goes_on(self, *, timeout: float = 120.0) -> None:
        """Be asked, say yes, read the note, and go on."""
        asked = await story.is_asked(self.member, self.chat, timeout=timeout)
        shown = await story.says_yes(self.member, self.chat, asked)
        await story.goes_on(self.member, self.chat, shown)

    async def agrees(self) -> None:
        """Be offered somebody, and agree."""
        offered = await story.is_offered(self.member, self.chat)
        await story.agrees(self.member, self.chat, offered)

    async def joins(self) -> str:
        """Go into the peer room that opened."""
        return await story.joins_peer_room(self.member, self.chat, language=self.language)

    async def asks_to_be_forgotten(self) -> None:
        """Be forgotten, wherever the conversation stands."""
        await self.writes(words_of("command.forget"))
        asked = await self.hears("forget.question")
        await story.chooses(self.member, self.chat, asked, "choice.forget_yes")
        await self.member.expect(self.chat, contains=FORGOTTEN)

    def heard(self) -> list[Message]:
        """What the front desk said in the chat, each event once."""
        return [one for one in self.member.messages if one.room == self.chat and one.sender != self.id]


async def comes(member: Member, instance: Instance, *, language: str = "en") -> Person:
    """The member opens a chat with the front desk and is greeted in its `language`."""
    return Person(member, await story.comes(member, instance.desk_user, language=language), language)


def clean(*people: Person) -> None:
    """Nothing came to their clients in clear, with a shield, or unreadable."""
    for person in people:
        for one in person.member.messages:
            assert one.failure is None, person.member.told()
            assert one.shield is None, person.member.told()
            assert one.encrypted, person.member.told()


async def meet(asker: Person, peer: Person, *, note: str = "") -> str:
    """The peer has offered; the asker asks, and both agree, come in and can write. Returns their room."""
    await asker.asks(note=note)
    await peer.goes_on()
    await asker.agrees()
    room = await asker.joins()
    assert await peer.joins() == room
    await story.both_can_write(room, asker.member, peer.member)
    return room


async def two_vouch(one: Person, first: Person, second: Person) -> None:
    """Whoever would offer names two; both yeses together are a voucher, and neither hears of the other."""
    await one.writes(words_of("command.offer", one.language))
    await one.answers("voucher.how", "choice.voucher_members")
    await one.hears("voucher.first")
    await one.writes(first.id)
    await one.hears("voucher.second")
    await one.writes(second.id)
    await one.answers("voucher.members", "choice.voucher_yes")
    await one.hears("voucher.asked")
    given = story.sentence("voucher.given", one.language)
    for person in (first, second):
        asked = await person.hears("vouch.question")
        assert one.id in asked.body
        assert not any(given.search(said.body) for said in one.heard())
        await person.writes("yes")
        await person.hears("vouch.noted")
    await one.hears("voucher.given")
    assert second.id not in "".join(said.body for said in first.heard())


async def is_muted(person: Person, room: str) -> None:
    """Wait until the person's app sees that nobody may write."""
    await person.member.sees_state(
        room, "m.room.power_levels", where=lambda levels: levels.get("events_default", 0) == 100
    )


async def leaves_and_is_back(leaver: Person, other: Person, room: str) -> None:
    """One of two leaves their room and comes back at their own word; then both can write again."""
    await leaver.member.leave(room)
    await other.hears("apart.question")
    await leaver.hears("left.question")
    await is_muted(other, room)
    await leaver.writes(words_of("command.return"))
    await leaver.hears("left.invited")
    invite = await leaver.member.invited()
    assert invite.room == room
    await leaver.member.join(room)
    for person in (leaver, other):
        await person.hears("room.back")


def timeless(text: str) -> str:
    """The text with each of its hours taken out, to compare what was said at different times."""
    return _TIME.sub("TIME", text)


# ---- what the homeserver knows


def rooms_of_keeper(instance: Instance) -> list[str]:
    """Every room on the homeserver that the keeper made and that is still there.

    It is read from the homeserver's database: its administrator's list of rooms is made from statistics,
    which follow a room's making by a while.
    """
    database = f"file:{instance.homeserver.database}?mode=ro"
    with closing(sqlite3.connect(database, uri=True, timeout=30)) as connection:
        found = connection.execute("SELECT room_id FROM rooms WHERE creator = ?", (instance.keeper_user,))
        return [str(room) for (room,) in found]


async def state_of(homeserver: Homeserver, room: str) -> list[JsonObject]:
    """The state of a room, as the administrator sees it. Raises Refused with 404 where it is gone."""
    answer = await homeserver.call(
        "GET", f"/_synapse/admin/v1/rooms/{quote(room)}/state", token=await homeserver.admin_token()
    )
    state = answer["state"]
    assert isinstance(state, list)
    return [event for event in state if isinstance(event, dict)]


async def members_of(homeserver: Homeserver, room: str) -> dict[str, str]:
    """Everybody who has any membership in a room, with it."""
    memberships = {}
    for event in await state_of(homeserver, room):
        content = event["content"]
        if event["type"] == "m.room.member" and isinstance(content, dict):
            memberships[str(event["state_key"])] = str(content["membership"])
    return memberships


async def joined(homeserver: Homeserver, room: str) -> list[str]:
    """Everybody of this homeserver who is joined to a room."""
    answer = await homeserver.call(
        "GET", f"/_synapse/admin/v1/rooms/{quote(room)}/members", token=await homeserver.admin_token()
    )
    members = answer["members"]
    assert isinstance(members, list)
    return [str(member) for member in members]


async def is_gone(homeserver: Homeserver, room: str) -> bool:
    """Whether the homeserver knows nothing of the room any more."""
    try:
        await homeserver.call(
            "GET", f"/_synapse/admin/v1/rooms/{quote(room)}", token=await homeserver.admin_token()
        )
    except Refused as refused:
        if refused.status == 404:
            return True
        raise
    return False


@asynccontextmanager
async def onlooker(person: Person) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Another device of the person, which takes all that their account is sent and decrypts nothing.

    Calling what is given returns everything up to now as one text.
    """
    homeserver = person.member.homeserver
    login = await homeserver.login(person.name, person.member.password)
    received: list[str] = []
    since: dict[str, str] = {}

    async def look() -> str:
        answer = await homeserver.call(
            "GET", "/_matrix/client/v3/sync", token=login.access_token, params={"timeout": "0", **since}
        )
        since["since"] = str(answer["next_batch"])
        received.append(repr(answer))
        return "\n".join(received)

    yield look
    await homeserver.call("POST", "/_matrix/client/v3/logout", token=login.access_token, body={})


# ---- what the disk knows

RECORDS = (
    *("members", "requests", "offers", "asks", "pairings", "peer_rooms"),
    *("separations", "meetings"),
    *("concerns", "pairing_pauses"),
    *("vouchers", "check_ins", "own_plans", "buddies"),
)
PASSING = ("inbox", "outbox", "unread")


def rows(
    instance: Instance, tables: Iterable[str] = (*RECORDS, *PASSING)
) -> dict[str, list[dict[str, object]]]:
    """The rows of these tables as they lie in the database now."""
    if instance.database is None:
        return _on_postgresql(instance, lambda connection: _all(connection, tables))
    with closing(sqlite3.connect(f"file:{instance.database}?mode=ro", uri=True, timeout=30)) as connection:
        connection.row_factory = sqlite3.Row
        return {
            table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in tables
        }


def comes_due(instance: Instance, table: str, state: str) -> None:
    """Whatever of this table is in this state falls due now, as when its hour has come.

    A service that runs learns it at its next start alone.
    """
    now = round(time.time() * 1000)
    if instance.database is None:
        update = f"UPDATE {table} SET due_at = $1 WHERE state = $2"
        _on_postgresql(instance, lambda connection: connection.execute(update, now, state))
        return
    with closing(sqlite3.connect(instance.database, timeout=30)) as connection:
        connection.execute(f"UPDATE {table} SET due_at = ? WHERE state = ?", (now, state))
        connection.commit()


async def at_rest(instance: Instance, ground: Postgres | None, marks: Iterable[str | bytes]) -> list[str]:
    """Which of `marks` lies in which file of the service's and of its database's."""
    if ground is None:
        return scan([instance.directory], marks)
    # What PostgreSQL has in its memory alone is written down first.
    await ground.fetch(ground.url, "CHECKPOINT")
    return await asyncio.to_thread(scan, [instance.directory, ground.directory], list(marks))


def put_sealed(instance: Instance, members: dict[str, bytes]) -> None:
    """Give the rows of these members, by their ids, these sealed bytes. The service is stopped meanwhile."""
    given = [(sealed, id) for id, sealed in members.items()]
    if instance.database is None:
        update = "UPDATE members SET sealed = $1 WHERE id = $2"
        _on_postgresql(instance, lambda connection: connection.executemany(update, given))
        return
    with closing(sqlite3.connect(instance.database)) as connection:
        connection.executemany("UPDATE members SET sealed = ? WHERE id = ?", given)
        connection.commit()


async def _all(connection: asyncpg.Connection, tables: Iterable[str]) -> dict[str, list[dict[str, object]]]:
    return {
        table: [dict(row) for row in await connection.fetch(f"SELECT * FROM {table}")] for table in tables
    }


def _on_postgresql(instance: Instance, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    """Do `work` in the instance's PostgreSQL database, in a loop of its own, and wait for it."""

    async def visit() -> T:
        connection = await asyncpg.connect(str(instance.database_url).replace("+asyncpg", ""))
        try:
            return await work(connection)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, visit()).result()


def counts(instance: Instance) -> dict[str, int]:
    """How many rows each table of records and of what is passing has; those without any are left out."""
    return {table: len(found) for table, found in rows(instance).items() if found}


__all__ = ["MemberFailed", "Person"]
