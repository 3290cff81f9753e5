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
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.config import Toml
from tests.demo.acts import Act
from tests.demo.screen import Screen, Seen, Speaker
from tests.demo.witness import Sight, Witness, local
from tests.live import story
from tests.live.homeserver import Homeserver, federated, synapse_python
from tests.live.instance import Instance
from tests.live.member import Kind, Member, Message, javascript_ready

NAMES = ("The Elm House", "The Mill")
"""The two communities."""
TIMINGS = {"settle": "1 second", "prompt_pause": "0 seconds"}
"""What is shorter than a community would have it; all else is as the service has it."""
READING = "2 seconds"
"""How long a closed room can be read in a community that is linked: across a link nobody can shorten it."""
ACROSS: Mapping[str, Toml] = {"timings.reading": READING}
"""What both communities set, beside their stewards, once they are to be linked."""

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
CARD_THERE = "I have had such weeks. I can sit with you."
"""What the peer of the second community says of themselves."""
_PATIENCE = 120.0
_ARRIVES_WITHIN = 10.0
"""What is sent to another homeserver is there within milliseconds; a page waits no longer."""
_IN_A_PEER_ROOM = 3
"""The two, and the keeper."""
_LONG = 100
"""Characters from which on something that was said before is not printed again."""
_TIME = re.compile(r"\w+day \d{1,2} \w+(?: \d{4})?, \d{1,2}:\d\d \S+ \([^)]*\)")


@dataclass(frozen=True)
class Community:
    """One community: its name, its homeserver, its service, and a look at what the homeserver has."""

    name: str
    homeserver: Homeserver
    instance: Instance
    witness: Witness


class Player(Member):
    """A member whose conversation is printed on a page as it happens."""

    speaker: Speaker = "member"

    def __init__(self, kind: Kind, homeserver: Homeserver, user_id: str, password: str) -> None:
        super().__init__(kind, homeserver, user_id, password)
        self.chat = ""
        """The chat with the front desk, once there is one."""
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
        if self._page is not None:
            await self._page.arrives(room, event_id)
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
    """Prints who says what, with what the homeservers have of it; what is said again is printed once."""

    def __init__(self, screen: Screen, here: Community) -> None:
        self.screen = screen
        self.communities = [here]
        self.apart = False
        """Whether it is said which homeserver has what."""
        self._shown: set[str] = set()
        self._asked: dict[str, str] = {}
        self._said: list[tuple[str, str, str]] = []
        self.rooms: dict[str, str] = {}
        """How a room that is no chat with the front desk is called, by its id."""
        self.at_each: Callable[[], None] = lambda: None
        """What is done whenever something was said."""

    async def arrives(self, room: str, event_id: str) -> None:
        """Wait until every homeserver that has the room has the event, for a moment at most."""
        having = [one.witness for one in self.communities if one.witness.memberships(room)]
        deadline = time.monotonic() + _ARRIVES_WITHIN
        # Nobody tells when it is there.
        while not all(one.has(event_id) for one in having) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    def _seen(self, by: Callable[[Community], Sequence[Sight]]) -> list[Seen]:
        """What the homeservers have; of what both have, what the first has."""
        here, *others = self.communities
        ours = by(here)
        if not others:
            return [Seen(line) for line in here.witness.lines(ours)]
        (there,) = others
        theirs = by(there)
        known = [{sight.event_id for sight in sights} for sights in (ours, theirs)]
        shares = (
            ("here", here, [sight for sight in ours if sight.event_id not in known[1]]),
            ("there", there, [sight for sight in theirs if sight.event_id not in known[0]]),
            ("by both", here, [sight for sight in ours if sight.event_id in known[1]]),
        )
        return [
            Seen(line, where if self.apart else "")
            for where, community, sights in shares
            for line in community.witness.lines(sights)
        ]

    def said(self, player: Player, room: str, text: str, event_id: str) -> None:
        """Print what a member sent, and which words a number stands for."""
        self.at_each()
        aside = self._meaning(self._asked.get(room, ""), text)
        sights = self._seen(lambda community: community.witness.message(event_id))
        self.screen.says(player.speaker, text, sights, to=self.rooms.get(room, ""), aside=aside)

    def came(self, player: Player, room: str) -> None:
        """Print that a member opened a chat with the front desk."""
        self.happened(f"The {self._called(player)} opens an encrypted chat; the front desk comes in.", room)

    def _called(self, player: Player) -> str:
        name = self.screen.names[player.speaker]
        return name[:1].lower() + name[1:]

    def heard(self, player: Player, messages: Sequence[Message]) -> None:
        """Print what the front desk said, once."""
        desks = {community.instance.desk_user for community in self.communities}
        for message in messages:
            if message.sender in desks and message.event_id not in self._shown:
                self._hear(player, message)

    def leaves_out(self, player: Player) -> None:
        """Take what the player's client received so far as printed."""
        for message in player.messages:
            self._shown.add(message.event_id)
            if message.sender != player.user_id:
                self._asked[message.room] = message.body

    def _hear(self, player: Player, message: Message) -> None:
        self._shown.add(message.event_id)
        self.at_each()
        self._show_peer_rooms()
        self._asked[message.room] = message.body
        name = self._called(player)
        text = self._as_before(message)
        self._said.append((name, message.room, message.body))
        sights = self._seen(lambda community: community.witness.message(message.event_id))
        if self.apart:
            whose = next(one for one in self.communities if one.instance.desk_user == message.sender)
            self.screen.says("desk", text, sights, to=f"its {name.partition(' of ')[0]}", desk=whose.name)
        else:
            self.screen.says("desk", text, sights, to=f"the {name}")

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
        for community in self.communities:
            witness = community.witness
            for room in witness.made_by(community.instance.keeper_user):
                # It is made event by event: the two invitations are its last.
                if room not in self.rooms and len(witness.memberships(room)) == _IN_A_PEER_ROOM:
                    self.rooms[room] = "in their room"
                    self.happened("The keeper opens a room and invites the two.", room)

    def happened(self, text: str, room: str) -> None:
        """Print something that nobody said, with what the homeservers have of it."""
        self.screen.happens(text, self._seen(lambda community: community.witness.changes(room)))

    @staticmethod
    def _meaning(asked: str, answer: str) -> str:
        lines = (line.partition(". ") for line in asked.splitlines())
        choices = {number: words for number, dot, words in lines if dot and number.isdigit()}
        return ", ".join(choices[number] for number in answer.split() if number in choices)


def _timeless(text: str) -> str:
    return _TIME.sub("", text)


class Steps:
    """Says what stands, one after the other: at once, or what was held back when it is shown."""

    def __init__(self, screen: Screen, *, held: bool = False) -> None:
        self._screen = screen
        self._held: list[tuple[str, str, float]] | None = [] if held else None

    def say(self, name: str, text: str, began: float) -> None:
        """Something stands, which began to be made at `began` on the monotonic clock."""
        step = name, text, time.monotonic() - began
        if self._held is None:
            self._screen.step(*step)
        else:
            self._held.append(step)

    def show(self) -> None:
        """Say what was held back, and all else at once from now on."""
        held, self._held = self._held, None
        for step in held or ():
            self._screen.step(*step)


@dataclass(frozen=True)
class Other:
    """The second community, and a peer who offered time in it; both stewards, its own in its steward room."""

    community: Community
    peer: Player
    stewards: tuple[Player, Player]


@dataclass
class Stage:
    """What stands: the first community with its members, and the page.

    `other` is the one whom the check-in's act begins with; nothing of theirs is printed before it.
    """

    screen: Screen
    here: Community
    member: Player
    peer: Player
    other: Player
    page: Page
    players: Sequence[Player]
    """Everybody who has an app by now."""
    steps: Steps
    _making: "asyncio.Task[Other] | None"

    @property
    def communities(self) -> Sequence[Community]:
        """Those that are looked at by now."""
        return self.page.communities

    async def second(self) -> Other:
        """The second community, as soon as it stands; it is looked at from now on."""
        assert self._making is not None
        self.steps.show()
        found = await self._making
        self.page.communities.append(found.community)
        for player in (found.peer, *found.stewards):
            player.shown_on(self.page)
            self.page.leaves_out(player)
        return found


@asynccontextmanager
async def stage(screen: Screen, acts: Sequence[Act]) -> AsyncIterator[Stage]:
    """Start what the first act needs, and what the second one needs while that is played; end everything."""
    synapse_python()
    root = Path(tempfile.mkdtemp(prefix="alongside-demo-"))
    first, second = federated(2, root)
    letters: dict[str, str] = {}
    building = _Building(root, letters)
    making: asyncio.Task[Other] | None = None
    ticking = asyncio.create_task(_tick(screen))
    try:
        steps = Steps(screen)
        screen.status("starting a homeserver")
        await building.starts(steps, first)
        screen.status("making the accounts; starting the service and three members")
        kinds: tuple[Kind, Kind] = ("js", "nio") if javascript_ready() else ("nio", "nio")
        async with asyncio.TaskGroup() as group:
            made = group.create_task(building.makes(steps, first, "alongside", NAMES[0]))
            asking = group.create_task(building.joins(steps, first, "heron", kinds[0], "Member"))
            offering = group.create_task(building.joins(steps, first, "willow", kinds[1], "Peer"))
            another = group.create_task(building.joins(steps, first, "finch", "nio", "Third one"))
        here = made.result()
        screen.status("starting the service")
        await building.runs(steps, here)
        if kinds[0] == "nio":
            screen.paragraph(
                "Node.js or its packages are missing here, so all members are on matrix-nio. With them, some"
                " are on matrix-js-sdk, set to signed devices only.",
                indent="    ",
            )
        page = Page(screen, here)
        member, peer = asking.result(), offering.result()
        peer.speaker = "peer"
        for player in (member, peer):
            player.shown_on(page)
        screen.status("")
        later = Steps(screen, held=True)
        if "link" in acts:
            making = asyncio.create_task(building.makes_second(later, first, second))
        third = another.result()
        yield Stage(screen, here, member, peer, third, page, building.players, later, making)
    finally:
        await _surely(_end(making, building, (first, second)))
        ticking.cancel()
        shutil.rmtree(root, ignore_errors=True)


class _Building:
    """Starts things, says each one, and keeps what is to be ended."""

    def __init__(self, root: Path, letters: dict[str, str]) -> None:
        self._root = root
        self._letters = letters
        self.instances: list[Instance] = []
        self.players: list[Player] = []

    async def starts(self, steps: Steps, homeserver: Homeserver) -> None:
        began = time.monotonic()
        await homeserver.start()
        told = await homeserver.call("GET", "/_synapse/admin/v1/server_version")
        version = str(told["server_version"]).partition(" ")[0]
        steps.say("Homeserver", f"Synapse {version}, on {homeserver.url}", began)

    async def makes(
        self,
        steps: Steps,
        homeserver: Homeserver,
        account: str,
        name: str,
        settings: Mapping[str, Toml] | None = None,
    ) -> Community:
        began = time.monotonic()
        instance = await Instance.make(
            homeserver,
            self._root / account,
            name=account,
            community=name,
            timings=TIMINGS,
            settings={**_SETTINGS, **(settings or {})},
            places=[_PLACE],
            admin=True,
            forked=True,
        )
        self.instances.append(instance)
        desk, keeper = local(instance.desk_user), local(instance.keeper_user)
        steps.say("Accounts", f"{desk} (front desk) and {keeper}, by `alongside init`", began)
        return Community(name, homeserver, instance, Witness(homeserver, self._letters))

    async def runs(self, steps: Steps, community: Community) -> None:
        began = time.monotonic()
        await community.instance.start()
        await community.instance.ready()
        steps.say("Service", f"that of {community.name}, says that it is ready", began)

    async def joins(self, steps: Steps, homeserver: Homeserver, name: str, kind: Kind, called: str) -> Player:
        began = time.monotonic()
        player = await Player.start(homeserver, name, kind=kind, password=secrets.token_hex(8))
        self.players.append(player)
        client = "matrix-js-sdk, signed devices only" if kind == "js" else "matrix-nio"
        steps.say(called, f"@{name}, with {client}", began)
        return player

    async def makes_second(self, steps: Steps, first: Homeserver, second: Homeserver) -> Other:
        """The second community, and a steward for each of the two."""
        await self.starts(steps, second)
        settings: dict[str, Toml] = {**ACROSS, "community.stewards": [f"@reed:{second.name}"]}
        kind: Kind = "js" if javascript_ready() else "nio"
        async with asyncio.TaskGroup() as group:
            made = group.create_task(self.makes(steps, second, "mill", NAMES[1], settings))
            offering = group.create_task(self.joins(steps, second, "sparrow", kind, "Peer there"))
            stewards = [
                group.create_task(self.joins(steps, homeserver, name, "nio", f"Steward {where}"))
                for homeserver, name, where in ((first, "maple", "here"), (second, "reed", "there"))
            ]
        there, peer = made.result(), offering.result()
        peer.speaker = "peer"
        here_steward, steward = (one.result() for one in stewards)
        steward.speaker = "peer"
        await self.runs(steps, there)
        await enters(steward)
        with peer.unseen():
            peer.chat, menu = await story.is_greeted(peer, there.instance.desk_user)
            await story.offer_time(peer, peer.chat, length="4 hours", card=CARD_THERE, menu=menu)
        return Other(there, peer, (here_steward, steward))


async def enters(steward: Player) -> None:
    """The steward comes into the steward room that they are invited to, which is their chat from then on."""
    with steward.unseen():
        steward.chat = (await steward.invited()).room
        await steward.join(steward.chat)
        await story.hears(steward, steward.chat, "steward.hello")


async def _end(
    making: asyncio.Task[Other] | None, building: _Building, homeservers: Sequence[Homeserver]
) -> None:
    if making is not None:
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)
    # The homeservers first: nobody then waits for an answer of theirs.
    for homeserver in homeservers:
        await homeserver.kill()
    for instance in building.instances:
        await instance.kill()
    await asyncio.gather(*(player.close() for player in building.players), return_exceptions=True)


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
