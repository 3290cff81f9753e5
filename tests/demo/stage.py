"""Everything that the demo needs to stand, as processes of their own on loopback, and how it all ends.

Rules guarded here:
- Whatever is started is ended, at whatever moment the demo stops, and its files go with it.
- The members are programs of their own; they and the service share nothing but the homeserver.
"""

import asyncio
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.config import Toml
from tests.demo.screen import Screen, Speaker
from tests.demo.witness import Witness, local
from tests.live.homeserver import Homeserver, synapse_python
from tests.live.instance import Instance
from tests.live.member import Kind, Member, Message, javascript_ready

TIMINGS = {"settle": "1 second", "prompt_pause": "0 seconds"}
"""What is shorter than a community would have it; all else is as the service has it."""

_PLACE = {
    "name": "Example of a place (a community writes its own list)",
    "contact": "this is a demo, so there is no number",
    "hours": "not said",
    "languages": "English, Spanish",
    "may_send_police": "not known",
    "checked_on": "2026-11-01",
    "words.es.name": "Ejemplo de un lugar (cada comunidad escribe su propia lista)",
    "words.es.contact": "esto es una demostración, así que no hay número",
    "words.es.hours": "no se dice",
    "words.es.languages": "inglés, español",
}
_TOPICS = [
    {"name": "burnout", "names.es": "agotamiento"},
    {"name": "grief", "names.es": "duelo"},
    {"name": "loneliness", "names.es": "soledad"},
]
_SETTINGS: dict[str, Toml] = {
    "community.topics": _TOPICS,
    "community.words.es.limits": "Aquí la gente de esta comunidad se hace compañía. Nadie la vigila.",
    "community.words.es.who_runs": "dos personas de nuestro colectivo",
}
"""What somebody reads who chooses Spanish, too."""
_PATIENCE = 120.0
_IN_A_PEER_ROOM = 3
"""The two, and the keeper."""
_LONG = 100
"""Characters from which on something that was said before is not printed again."""
_TIME = re.compile(r"\w+day \d{1,2} \w+(?: \d{4})?, \d{1,2}:\d\d \S+ \([^)]*\)")


class Player(Member):
    """A member whose conversation is printed on a page as it happens."""

    speaker: Speaker = "member"

    def __init__(self, kind: Kind, homeserver: Homeserver, user_id: str, password: str) -> None:
        super().__init__(kind, homeserver, user_id, password)
        self._page: Page | None = None
        self._kept: list[Callable[[Page], None]] = []

    def shown_on(self, page: "Page") -> None:
        """Print on `page` from now on, after what was said until now."""
        self._page = page
        for show in self._kept:
            show(page)
        self._kept.clear()

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """What is said within is not printed, neither then nor later."""
        page, self._page = self._page, None
        yield
        self._kept.clear()
        self._page = page
        if page is not None:
            page.leaves_out(self)

    def _show(self, show: "Callable[[Page], None]") -> None:
        if self._page is not None:
            show(self._page)
        else:
            self._kept.append(show)

    def has_received(self, text: str) -> bool:
        """Whether anything that this client received so far holds `text`."""
        received = [*map(repr, self.messages), *map(repr, self.states), *map(repr, self.memberships)]
        return any(text in what for what in received)

    async def say(
        self,
        room: str,
        text: str,
        *,
        msgtype: str = "m.text",
        reply_to: str | None = None,
        thread: str | None = None,
    ) -> str:
        """Send a message, and print it once the homeserver has it."""
        event_id = await super().say(room, text, msgtype=msgtype, reply_to=reply_to, thread=thread)
        self._show(lambda page: page.said(self, room, text, event_id))
        return event_id

    async def expect(
        self,
        room: str,
        *,
        contains: str = "",
        sender: str | None = None,
        where: Callable[[Message], bool] | None = None,
        plain: bool = False,
        timeout: float = _PATIENCE,
    ) -> Message:
        """Wait for a message, and print what the front desk said up to it."""
        found = await super().expect(
            room, contains=contains, sender=sender, where=where, plain=plain, timeout=timeout
        )
        here = [message for message in self.messages if message.room == room]
        self._show(lambda page: page.heard(self, here[: here.index(found) + 1]))
        return found

    async def write_to(self, desk_user_id: str, *, timeout: float = _PATIENCE) -> str:
        """Open an encrypted chat with the front desk."""
        room = await super().write_to(desk_user_id, timeout=timeout)
        self._show(lambda page: page.came(self, room))
        return room


class Page:
    """Prints who says what, with what the homeserver has of it; what is said again is printed once."""

    def __init__(self, screen: Screen, witness: Witness, instance: Instance) -> None:
        self.screen = screen
        self.witness = witness
        self._instance = instance
        self._shown: set[str] = set()
        self._asked: dict[str, str] = {}
        self._said: list[tuple[str, str, str]] = []
        self.rooms: dict[str, str] = {}
        """How a room that is no chat with the front desk is called, by its id."""
        self.at_each: Callable[[], None] = lambda: None
        """What is done whenever something was said."""

    def said(self, player: Player, room: str, text: str, event_id: str) -> None:
        """Print what a member sent, and which words a number stands for."""
        self.at_each()
        aside = self._meaning(self._asked.get(room, ""), text)
        sights = self.witness.message(event_id)
        self.screen.says(player.speaker, text, sights, to=self.rooms.get(room, ""), aside=aside)

    def came(self, player: Player, room: str) -> None:
        """Print that a member opened a chat with the front desk."""
        name = self.screen.names[player.speaker].lower()
        self.happened(f"The {name} opens an encrypted chat; the front desk comes in.", room)

    def heard(self, player: Player, messages: Sequence[Message]) -> None:
        """Print what the front desk said, once."""
        for message in messages:
            if message.sender == self._instance.desk_user and message.event_id not in self._shown:
                self._hear(player, message)

    def leaves_out(self, player: Player) -> None:
        """Take what the player's client received so far as printed."""
        self._shown.update(message.event_id for message in player.messages)

    def _hear(self, player: Player, message: Message) -> None:
        self._shown.add(message.event_id)
        self.at_each()
        self._show_peer_rooms()
        self._asked[message.room] = message.body
        name = self.screen.names[player.speaker].lower()
        text = self._as_before(message)
        self._said.append((name, message.room, message.body))
        self.screen.says("desk", text, self.witness.message(message.event_id), to=f"the {name}")

    def _as_before(self, message: Message) -> str:
        """What was said; where it was said before, no more than what is added to it."""
        lines = message.body.splitlines()
        for name, room, body in reversed(self._said):
            earlier = {_timeless(line) for line in body.splitlines()}
            if len(body) < _LONG or not earlier <= set(map(_timeless, lines)):
                continue
            again = "The same words again" if room == message.room else f"The same words as to the {name}"
            if _timeless(body) == _timeless(message.body):
                return f"({again}.)" if body == message.body else f"({again}, but for the time.)"
            return "\n".join([f"({again}, and:)", *(one for one in lines if _timeless(one) not in earlier)])
        return message.body

    def _show_peer_rooms(self) -> None:
        for room in self.witness.made_by(self._instance.keeper_user):
            # It is made event by event: the two invitations are its last.
            if room not in self.rooms and len(self.witness.memberships(room)) == _IN_A_PEER_ROOM:
                self.rooms[room] = "in their room"
                self.happened("The keeper opens a room and invites the two.", room)

    def happened(self, text: str, room: str) -> None:
        """Print something that nobody said, with what the homeserver has of it."""
        self.screen.happens(text, self.witness.state(room))

    @staticmethod
    def _meaning(asked: str, answer: str) -> str:
        lines = (line.partition(". ") for line in asked.splitlines())
        choices = {number: words for number, dot, words in lines if dot and number.isdigit()}
        return ", ".join(choices[number] for number in answer.split() if number in choices)


def _timeless(text: str) -> str:
    return _TIME.sub("", text)


@dataclass
class Stage:
    """What stands: the homeserver, the service, the members, and the page.

    `other` is the one whom the second act begins with; nothing of theirs is printed before it.
    """

    screen: Screen
    homeserver: Homeserver
    instance: Instance
    member: Player
    peer: Player
    other: Player
    page: Page
    witness: Witness
    version: str


@asynccontextmanager
async def stage(screen: Screen) -> AsyncIterator[Stage]:
    """Start everything, and end everything."""
    synapse_python()
    root = Path(tempfile.mkdtemp(prefix="alongside-demo-"))
    ending: list[Player] = []
    homeserver = Homeserver(server_name="home.test", directory=root / "homeserver")
    instance: Instance | None = None
    ticking = asyncio.create_task(_tick(screen))
    try:
        began = time.monotonic()
        screen.status("starting a homeserver")
        await homeserver.start()
        told = await homeserver.call("GET", "/_synapse/admin/v1/server_version")
        version = str(told["server_version"]).partition(" ")[0]
        screen.step("Homeserver", f"Synapse {version}, on {homeserver.url}", began)

        screen.status("making the accounts; starting the service and three members")
        kinds: tuple[Kind, Kind] = ("js", "nio") if javascript_ready() else ("nio", "nio")
        async with asyncio.TaskGroup() as group:
            making = group.create_task(_make(screen, homeserver, root / "alongside"))
            asking = group.create_task(_join(screen, homeserver, "heron", kinds[0], "Member", ending))
            offering = group.create_task(_join(screen, homeserver, "willow", kinds[1], "Peer", ending))
            another = group.create_task(_join(screen, homeserver, "finch", "nio", "Second act", ending))
        instance = making.result()
        began = time.monotonic()
        screen.status("starting the service")
        await instance.start()
        await instance.ready()
        screen.step("Service", "runs and says that it is ready", began)
        if kinds[0] == "nio":
            screen.paragraph(
                "Node.js or its packages are missing here, so all members are on matrix-nio. With them, one"
                " is on matrix-js-sdk, set to signed devices only.",
                indent="    ",
            )
        witness = Witness(homeserver)
        page = Page(screen, witness, instance)
        member, peer = asking.result(), offering.result()
        peer.speaker = "peer"
        for player in (member, peer):
            player.shown_on(page)
        screen.status("")
        yield Stage(screen, homeserver, instance, member, peer, another.result(), page, witness, version)
    finally:
        await _surely(_end(ending, instance, homeserver))
        ticking.cancel()
        shutil.rmtree(root, ignore_errors=True)


async def _end(players: Sequence[Player], instance: Instance | None, homeserver: Homeserver) -> None:
    # The homeserver first: nobody then waits for an answer of it.
    await homeserver.kill()
    if instance is not None:
        await instance.kill()
    await asyncio.gather(*(player.close() for player in players), return_exceptions=True)


async def _surely(work: Coroutine[None, None, None]) -> None:
    """Carry `work` through; a Ctrl-C meanwhile is heard after it."""
    task = asyncio.ensure_future(work)
    interrupted = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            interrupted = True
    task.result()
    if interrupted:
        raise asyncio.CancelledError


async def _tick(screen: Screen) -> None:
    while True:
        screen.tick()
        await asyncio.sleep(0.12)


async def _make(screen: Screen, homeserver: Homeserver, directory: Path) -> Instance:
    began = time.monotonic()
    made = await Instance.make(
        homeserver,
        directory,
        name="alongside",
        timings=TIMINGS,
        settings=_SETTINGS,
        places=[_PLACE],
        admin=True,
    )
    accounts = f"{local(made.desk_user)} (front desk) and {local(made.keeper_user)}, by `alongside init`"
    screen.step("Accounts", accounts, began)
    return made


async def _join(
    screen: Screen,
    homeserver: Homeserver,
    name: str,
    kind: Kind,
    called: str,
    ending: list[Player],
) -> Player:
    began = time.monotonic()
    player = await Player.start(homeserver, name, kind=kind, password=secrets.token_hex(8))
    ending.append(player)
    client = "matrix-js-sdk, signed devices only" if kind == "js" else "matrix-nio"
    screen.step(called, f"@{name}, with {client}", began)
    return player
