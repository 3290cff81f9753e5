"""The charter's promises across a link: two whole desks, and a way between that loses, mixes and repeats.

Both desks are the engine with its handlers on SQLite; each can be down for a while, and starts again on what
it kept. What one sends arrives at least once: late, mixed, twice, or only after the other was down.
The reference knows each member's open question from the words they were sent, and what each yes was a yes to.
"""

import asyncio
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from schema.effects import Effect, OpenPeerRoom, PurgePeerRoom, SendAcross
from schema.events import Delivered, FromLink, NotDelivered
from schema.ids import LinkId, RequestId
from schema.records import (
    Ask,
    GuestRoom,
    Link,
    LinkInvitation,
    LinkKeys,
    Meeting,
    Member,
    Offer,
    Pairing,
    PeerRoom,
    Request,
    Separation,
    Stewardship,
)
from schema.states import GuestRoomState, PairingState, RequestState, RoomState
from schema.wire import Introduce, More
from service.core import guest_rooms, rooms
from tests.handlers.story import WORDS, Line, Story, community
from tests.handlers.two import NORTH_AT, SOUTH_AT, Two, looked_after
from tests.handlers.whole import Whole

T = TypeVar("T")
NORTH, SOUTH = ("ana", "nia"), ("ben", "sol")
NAMES = (*NORTH, *SOUTH)
NOTE = "It has been a long week."


def _label(key: str) -> str:
    """A choice as it is shown."""
    return WORDS.text("en", key).split(" | ")[0]


ASK_YES, ASK_NO, ASK_REST = map(_label, ("choice.ask_yes", "choice.ask_no", "choice.ask_rest"))
GO_ON, STEP_BACK, AGREE = map(_label, ("choice.note_yes", "choice.note_no", "choice.consent_yes"))
_NO = (ASK_NO, ASK_REST, STEP_BACK)
_MEANT = {"yes": (ASK_YES, GO_ON, AGREE), "no": (ASK_NO, STEP_BACK)}


class Way(Two):
    """What crosses waits at the other homeserver until it is taken; a desk that is down takes nothing."""

    def __init__(self, north: Whole, south: Whole) -> None:
        super().__init__(south, north=north)
        self.waits: dict[bool, list[FromLink]] = {True: [], False: []}
        self.at_once = True
        self.down: set[bool] = set()

    async def _carry(self, side: Story, effect: Effect) -> None:
        if not isinstance(effect, SendAcross) or self.at_once:
            await super()._carry(side, effect)
        elif side.now > effect.until:
            await side.event(NotDelivered(effect, "deadline"))
        else:
            if self.rooms[effect.room] == {NORTH_AT, SOUTH_AT}:
                sent = FromLink(self._id(), effect.room, side.community.desk, effect.content, True)
                self.waits[side is self.north].append(sent)
            await side.event(Delivered(effect))

    def runs(self, side: Story) -> bool:
        """Whether the service of that side runs now."""
        return (side is self.north) not in self.down

    async def takes(self, of_north: bool, at: int, *, again: bool) -> None:
        """The other desk takes one of those that wait for it; `again`: it will come once more."""
        waiting = self.waits[of_north]
        sent = waiting[at] if again else waiting.pop(at)
        other = self.south if of_north else self.north
        self._read(other, sent.content)
        await other.event(FromLink(self._id(), sent.room, sent.sender, sent.content, True))
        await other.pump()
        await self.carry()


class LinksModel(RuleBasedStateMachine):
    """Members of both write, stewards of both act, desks go down, and what crosses comes as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="links-"))
        self.runner = asyncio.Runner()
        self.north = Whole(looked_after(community("en"), NORTH_AT), seed=1, links=True)
        self.south = Whole(looked_after(community("en"), SOUTH_AT), seed=2, links=True)
        self.way = Way(self.north, self.south)
        self.questions: dict[str, tuple[str, ...]] = defaultdict(tuple)
        self.yeses: Counter[tuple[str, str]] = Counter()
        self.last: Counter[str] = Counter()
        self.read = {True: 0, False: 0}
        self.carried = {True: 0, False: 0}
        self.opened: set[str] = set()
        self.introduced: set[tuple[str, str]] = set()
        self.crossed = 0
        self.standing: dict[RequestId, str] = {}
        self.said: set[str] = set()
        self.cut: set[LinkId] = set()

    def run(self, work: Coroutine[object, None, T]) -> T:
        """Do it, in the one loop of this story."""
        return self.runner.run(work)

    def side(self, name: str) -> Whole:
        """Whose member somebody is."""
        return self.north if name in NORTH else self.south

    def is_up(self, side: Story) -> bool:
        """Whether the desk runs."""
        return (side is self.north) not in self.way.down

    @initialize(
        offers=st.sampled_from([("ben",), ("ben",), ("ben", "sol"), ("sol", "nia")]),
        steps=st.integers(0, 5),
        stay=st.none() | st.tuples(st.booleans(), st.sampled_from(["1", "2"]), st.integers(0, 2)),
    )
    def everybody_comes(
        self, offers: tuple[str, ...], steps: int, stay: tuple[bool, str, int] | None
    ) -> None:
        """Two communities are linked; two members each; some have offered, one asks, and it may go on."""

        async def begin() -> None:
            await self.north.open(self.place / "north.db")
            await self.south.open(self.place / "south.db")
            await self.way.linked()
            for name in NAMES:
                await self.side(name).comes(name)

        self.run(begin())
        self.way.at_once = False
        self._look()
        for name in offers:
            self.offers(name)
        self.asks("ana")
        if steps:
            self.it_goes_well(steps)
        if stay is not None:
            self.two_would_stay(*stay)

    # What members do

    def _writes(self, name: str, words: str, after: int = 60) -> None:
        side = self.side(name)
        self._waits(timedelta(seconds=after))
        if not self.is_up(side):
            return
        chosen = self._chosen(name, words)
        sent = len(side.effects)
        if chosen:
            self.yeses[name, chosen] += 1
            self.last[name] += chosen in (GO_ON, AGREE)
        self.run(side.say(name, words, after=0))
        across = [one for _, one in side.effects[sent:] if isinstance(one, SendAcross)]
        assert chosen not in _NO or not across, "a no crossed"
        self.run(self.way.carry())
        self._look()

    def _chosen(self, name: str, words: str) -> str:
        """The choice of the open question that these words make, as its label."""
        question = self.questions[name]
        if words.isdigit() and 1 <= int(words) <= len(question):
            return question[int(words) - 1]
        return next((one for one in _MEANT.get(words, ()) if one in question), "")

    @rule(
        name=st.sampled_from(NAMES),
        words=st.sampled_from(
            [
                *("1", "2", "3", "yes", "no", "rest", "withdraw", "skip", "back", "menu", "stop", "close"),
                *("status", "change", "again", "never again", "forget me", "what do you hold", "talk"),
                *("my consents", "erase now", "help now"),
            ]
        ),
    )
    def writes(self, name: str, words: str) -> None:
        """A member writes a word or a number."""
        self._writes(name, words)

    @precondition(lambda self: self._asked())
    @rule(data=st.data())
    def no(self, data: st.DataObject) -> None:
        """Somebody who is asked says no."""
        self._writes(data.draw(st.sampled_from(self._asked())), "no")

    @rule(name=st.sampled_from(NAMES))
    def asks(self, name: str) -> None:
        """A member asks for company, linked communities too where there are any."""
        for words in ("menu", "talk", "more", "1", "1", "1", NOTE):
            self._writes(name, words, after=5)
        for words in ("change", "linked communities", "yes", "yes"):
            self._writes(name, words, after=5)

    @rule(name=st.sampled_from(NAMES))
    def offers(self, name: str) -> None:
        """A member offers."""
        for words in ("menu", "offer", "2", "skip", "I like walks.", "2", "yes"):
            self._writes(name, words, after=5)

    def _asked(self) -> list[str]:
        """Whose open question is one of those that lead to a meeting."""
        return [name for name in NAMES if {ASK_YES, GO_ON, AGREE} & set(self.questions[name][:1])]

    @precondition(lambda self: self._asked())
    @rule(data=st.data(), words=st.sampled_from(["yes", "yes", "1", "2"]))
    def answers(self, data: st.DataObject, words: str) -> None:
        """Somebody who is asked answers."""
        self._writes(data.draw(st.sampled_from(self._asked())), words)

    @rule(steps=st.integers(1, 8))
    def it_goes_well(self, steps: int) -> None:
        """All that waits is taken, and whoever is asked says yes, as far as it goes."""
        if self.way.down:
            self.it_starts_again()
        for _ in range(steps):
            self._all_arrives()
            for name in self._asked()[:1]:
                self._writes(name, "yes")

    @rule(name=st.sampled_from(NAMES), steps=st.integers(2, 6))
    def two_would_meet(self, name: str, steps: int) -> None:
        """Somebody asks, one of the other community has offered, and it goes well, as far as it goes."""
        if self.way.down:
            self.it_starts_again()
        other = SOUTH[0] if name in NORTH else NORTH[0]
        for words in ("withdraw", "yes"):
            self._writes(other, words, after=5)
        self.offers(other)
        self.asks(name)
        self.it_goes_well(steps)

    @precondition(lambda self: any(one.state is GuestRoomState.OPEN for one in self._guests()))
    @rule(
        of_north=st.booleans(),
        words=st.sampled_from(["1", "2", "yes", "yes", "no"]),
        minutes=st.sampled_from([0, 0, 16, 40]),
    )
    def more_time(self, of_north: bool, words: str, minutes: int) -> None:
        """Somebody in a room across the link asks for more time, or answers such a wish; time may pass."""
        self._says_in_a_room(self.north if of_north else self.south, words)
        self._waits(timedelta(minutes=minutes))

    @rule(of_north=st.booleans(), words=st.sampled_from(["1", "2"]), arrive=st.integers(0, 2))
    def two_would_stay(self, of_north: bool, words: str, arrive: int) -> None:
        """Two meet across the link; one asks for more time, the other agrees, as far as it is heard of."""
        if not any(one.state is GuestRoomState.OPEN for one in self._guests()):
            self.two_would_meet("ana", 6)
        side, other = (self.north, self.south) if of_north else (self.south, self.north)
        self._says_in_a_room(side, words)
        if arrive:
            self._all_arrives()
        self._says_in_a_room(other, "yes")
        if arrive > 1:
            self._all_arrives()

    def _says_in_a_room(self, side: Whole, words: str) -> None:
        inside = {who for one in side.records.all(PeerRoom) for who in (one.asker, one.peer)}
        inside |= {one.member for one in side.records.all(GuestRoom)}
        for name in NAMES:
            if self.side(name) is side and side.id(name) in inside:
                self._writes(name, "extend", after=5)
                self._writes(name, words, after=5)

    @rule(name=st.sampled_from(NAMES), other=st.sampled_from(NAMES))
    def keeps_apart(self, name: str, other: str) -> None:
        """A member has another kept apart."""
        if name != other:
            for words in (f"keep apart {Story.address(other)}", "yes"):
                self._writes(name, words, after=5)

    # What stewards do

    @rule(
        of_north=st.booleans(),
        words=st.sampled_from(["pause", "resume", "resume", "rotate keys", "link", "link", "cut"]),
    )
    def a_steward_writes(self, of_north: bool, words: str) -> None:
        """A steward pauses, resumes, renews or cuts the link, or compares words, and says yes."""
        side, at = (self.north, SOUTH_AT) if of_north else (self.south, NORTH_AT)
        if not self.is_up(side):
            return
        self._waits(timedelta(minutes=3))
        if words == "link" and not side.records.all(Link):
            return
        event(f"a steward: {words}")
        if words == "cut":
            # What is on the way then is not taken.
            self.cut |= {one.id for each in (self.north, self.south) for one in each.records.all(Link)}
        self.run(side.steward("sam", f"{words} {at}", "1"))
        self.way.other(side).now = side.now
        self._waits(timedelta())

    @precondition(lambda self: not self.way.down)
    @rule()
    def they_link_anew(self) -> None:
        """Where the link is over on both sides they make another."""
        self._all_arrives()
        if any(side.records.all(Link) for side in (self.north, self.south)):
            return
        self.way.at_once = True
        self.run(self.way.says(self.north, f"link {SOUTH_AT}", "We met in spring.", "yes"))
        self.run(self.way.says(self.south, f"link {NORTH_AT}", "yes"))
        self.run(self.way.says(self.south, f"link {NORTH_AT}", "Welcome.", "yes"))
        self.run(self.way.says(self.north, f"link {SOUTH_AT}", "1"))
        self.run(self.way.says(self.south, f"link {NORTH_AT}", "1"))
        self.way.at_once = False
        event("linked anew")
        self._waits(timedelta())

    # What the world does

    @rule(minutes=st.sampled_from([1, 5, 11, 16, 40, 125, 600, 4000]))
    def time_passes(self, minutes: int) -> None:
        """Minutes, hours or days go by."""
        self._waits(timedelta(minutes=minutes))

    def _waits(self, length: timedelta) -> None:
        """Time passes for both; whatever comes due at a desk that runs is handled at its hour."""
        end = self.north.now + length
        for _ in range(10_000):
            up = [one for one in (self.north, self.south) if self.is_up(one)]
            due = [found[0] for one in up if (found := one._next_due()) is not None]
            next_at = min([end, *due])
            for side in (self.north, self.south):
                side.now = max(side.now, next_at)
            for side in up:
                self.run(side.wait(timedelta()))
            self.run(self.way.carry())
            self._look()
            if next_at == end:
                return
        raise AssertionError("an hour comes again and again")

    @precondition(lambda self: any(self.way.waits.values()))
    @rule(data=st.data(), again=st.booleans())
    def one_arrives(self, data: st.DataObject, again: bool) -> None:
        """One of those on the way is taken, in any order, and perhaps once more later."""
        ways = [of_north for of_north, waiting in self.way.waits.items() if waiting]
        of_north = data.draw(st.sampled_from(sorted(ways)))
        if (not of_north) in self.way.down:
            return
        at = data.draw(st.integers(0, len(self.way.waits[of_north]) - 1))
        self.run(self.way.takes(of_north, at, again=again))
        self._look()

    def _all_arrives(self) -> None:
        for _ in range(200):
            ways = [one for one in (True, False) if self.way.waits[one] and (not one) not in self.way.down]
            if not ways:
                return
            self.run(self.way.takes(ways[0], 0, again=False))
            self._look()
        raise AssertionError("the two answer one another without end")

    @rule()
    def all_arrives(self) -> None:
        """All that is on the way is taken, in order."""
        self._all_arrives()

    @precondition(lambda self: not self.way.down)
    @rule(of_north=st.booleans())
    def a_desk_goes_down(self, of_north: bool) -> None:
        """It takes nothing, and its hours pass."""
        self.way.down.add(of_north)
        event("a desk is down")

    @precondition(lambda self: self.way.down)
    @rule()
    def it_starts_again(self) -> None:
        """On what it kept; what fell due comes late."""
        (of_north,) = self.way.down
        side, name = (self.north, "north") if of_north else (self.south, "south")

        async def start() -> None:
            await side.whole()
            await side.restart(self.place / f"{name}.db")
            self.way.down.clear()
            await side.pump()
            await self.way.carry()

        self.run(start())
        self._waits(timedelta())

    # What must hold

    def _look(self) -> None:
        for of_north, side in ((True, self.north), (False, self.south)):
            lines = side.log[self.read[of_north] :]
            self.read[of_north] = len(side.log)
            effects = [one for _, one in side.effects[self.carried[of_north] :]]
            self.carried[of_north] = len(side.effects)
            for effect in effects:
                if isinstance(effect, OpenPeerRoom):
                    self._opens(effect)
            for line in lines:
                self._hears(line)
            self._ends(side, {line.name for line in lines if line.from_desk})
        for _, body in self.way.crossed[self.crossed :]:
            if isinstance(body, Introduce):
                self._crosses(body)
            elif isinstance(body, More) and body.step == "agreed" and body.ends is not None:
                event("a room across is longer")
        self.crossed = len(self.way.crossed)

    def _hears(self, line: Line) -> None:
        if not line.from_desk or line.name not in NAMES:
            return
        choices = tuple(
            one.split(". ", 1)[1] for one in line.body.split("\n") if one[:1].isdigit() and one[1:3] == ". "
        )
        if choices:
            self.questions[line.name] = choices
        if "I would keep you and @" not in line.body and "apart" not in line.body:
            others = [Story.address(name) for name in NAMES if name != line.name]
            assert not any(address in line.body for address in others), line.body

    def _opens(self, effect: OpenPeerRoom) -> None:
        """Promise 1, and that nothing matches twice."""
        assert effect.pairing not in self.opened, "one pairing, two rooms"
        self.opened.add(effect.pairing)
        asker, peer = (str(one)[1:].partition(":")[0] for one in effect.members)
        for name, yes in ((asker, AGREE), (peer, GO_ON)):
            assert self.yeses[name, yes] > 0, "a room without both yeses"
            self.yeses[name, yes] -= 1
        event("a room across" if self.side(asker) is not self.side(peer) else "a room here")

    def _crosses(self, body: Introduce) -> None:
        """Promise 1: an address leaves a desk after its own member's last yes."""
        name = str(body.user)[1:].partition(":")[0]
        self.introduced.add((name, body.answer))
        event("an address crosses")
        crossed = sum(who == name for who, _ in self.introduced)
        assert crossed <= self.last[name], "an address crossed without a yes"

    def _ends(self, side: Whole, heard: set[str]) -> None:
        """Promise 3: whoever's request is over heard so, in that moment, or is in a room, or is forgotten."""
        names = {side.id(name): name for name in NAMES if self.side(name) is side}
        now = {one.id: names[one.member] for one in side.records.all(Request) if one.member}
        for id, name in list(self.standing.items()):
            if self.side(name) is side and id not in now:
                del self.standing[id]
                assert name in heard or any(one.request == id for one in side.records.all(PeerRoom)), name
        self.standing.update(now)

    @invariant()
    def no_dead_air(self) -> None:
        """Promise 3: every request that stands has what will move it on, at an hour still to come."""
        for side in (self.north, self.south):
            if not self.is_up(side):
                continue
            pairings, of_rooms = side.records.all(Pairing), side.records.all(PeerRoom)
            for request in side.records.all(Request):
                mine = [one for one in pairings if one.request == request.id]
                hours = [request.due_at] if request.state is RequestState.LOOKING else []
                hours += [one.due_at for one in mine if one.state is not PairingState.OVER]
                live = [one for one in of_rooms if one.request == request.id and one.state in rooms.LIVE]
                assert live or any(at is not None and at > side.now for at in hours), request

    def _guests(self) -> list[GuestRoom]:
        return [one for side in (self.north, self.south) for one in side.records.all(GuestRoom)]

    @invariant()
    def a_room_ends_for_both_at_one_hour(self) -> None:
        """Once all has come: whatever was asked for and agreed on, and however it came."""
        if self.way.down or any(self.way.waits.values()):
            return
        there = {
            one.across.answer: one
            for side in (self.north, self.south)
            for one in side.records.all(PeerRoom)
            if one.across is not None and one.state is RoomState.OPEN
        }
        for guest in self._guests():
            room = there.get(guest.across.answer)
            if room is None or guest.state is not GuestRoomState.OPEN or guest.link in self.cut:
                continue
            assert guest.ends_at == room.ends_at.replace(microsecond=0)
            if guest.asked_more or room.asked_more:
                event("more time is asked for across")

    @invariant()
    def one_request_and_one_room_each(self) -> None:
        """Nobody is matched twice."""
        for side in (self.north, self.south):
            askers = [one.member for one in side.records.all(Request) if one.member]
            assert len(askers) == len(set(askers))
            ours = {side.id(name) for name in NAMES if self.side(name) is side}
            live = [one for one in side.records.all(PeerRoom) if one.state in rooms.LIVE]
            inside = [who for one in live for who in (one.asker, one.peer) if who in ours]
            inside += [one.member for one in side.records.all(GuestRoom) if one.state in guest_rooms.LIVE]
            assert len(inside) == len(set(inside)), "somebody is in two rooms"
            of_rooms = [one.request for one in live if one.request]
            assert len(of_rooms) == len(set(of_rooms))

    @invariant()
    def whoever_is_forgotten_is_forgotten(self) -> None:
        """Promise 9: of somebody who is no member any more there is nothing that they asked or offered."""
        for side in (self.north, self.south):
            there = {one.id for one in side.records.all(Member)}
            gone = {side.id(name) for name in NAMES if self.side(name) is side} - there
            kept = [one.member for one in side.records.all(Request)]
            kept += [one.member for one in side.records.all(Offer)]
            kept += [one.member for one in side.records.all(Ask)]
            kept += [one.member for one in side.records.all(GuestRoom)]
            assert gone.isdisjoint(kept)
            assert not any(one.asker in gone or one.peer in gone for one in side.records.all(Pairing))

    def teardown(self) -> None:
        """Promises 3 and 6: left alone, with a way that works, everything ends on both sides."""
        if not hasattr(self.north, "store"):
            return
        try:
            if self.way.down:
                self.it_starts_again()
            self._all_arrives()
            for _ in range(24 * 9):
                self._waits(timedelta(hours=1))
                self._all_arrives()
            self._waits(timedelta(days=14))
            self._all_arrives()
            for side in (self.north, self.south):
                about = {Member, Separation, Stewardship, Link, LinkKeys, LinkInvitation}
                left = [one for one in side.records.rows.values() if type(one) not in about]
                # That they would talk again is kept for as long as they asked for.
                assert all(isinstance(one, Meeting) and one.again for one in left), left
                self.run(side.whole())
                for room in side.rooms:
                    purged = [one for _, one in side.effects if isinstance(one, PurgePeerRoom)]
                    assert any(one.room == room for one in purged), "a room was left behind"
            event(f"rooms: {min(3, len(self.opened))}")
        finally:
            self.run(self.north.close())
            self.run(self.south.close())
            self.runner.close()
            shutil.rmtree(self.place)
        super().teardown()


TestLinksModel = LinksModel.TestCase
TestLinksModel.settings = settings(
    max_examples=min(20, max(3, settings().max_examples // 5)), stateful_step_count=30, deadline=None
)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_links_model_for_minutes() -> None:
    """The same, with many more stories and longer ones."""
    run_state_machine_as_test(
        LinksModel, settings=settings(max_examples=400, stateful_step_count=60, deadline=None)
    )
