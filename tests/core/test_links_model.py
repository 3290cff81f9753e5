"""Two desks over a way that mixes up and repeats: whatever happens, in the end they are together again."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from schema.records import LinkEpoch
from schema.states import LinkState, MakingState
from schema.wire import Json
from service.core.links import Differ, Refusal, Restored, SetPause, wants_keys
from tests.linked import ASK, Desk, linked

_SECOND = timedelta(seconds=1)
SIDES = st.sampled_from([0, 1])
HARMLESS = {
    Refusal.COMMITMENT,
    Refusal.AGAIN,
    Refusal.LATE,
    Refusal.TURN,
    Refusal.KIND,
    Refusal.QUOTA,
    Refusal.EPOCH,
    None,
}


class Links(RuleBasedStateMachine):
    """A live link, its stewards, and what is on its way in both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.desks = linked()
        self.way: list[list[Json]] = [[], []]
        self.backups = [(desk.link, dict(desk.secrets)) for desk in self.desks]
        self.seconds = 0

    def _send(self, side: int, contents: list[Json]) -> None:
        self._tick()
        self.way[1 - side].extend(contents)

    def _tick(self) -> None:
        """Each thing happens a second after the one before."""
        for desk in self.desks:
            desk.now += _SECOND
            # How often a partner may try in a day is told elsewhere: here it is as if days lay between.
            desk.link = replace(desk.link, tries=())
        self.seconds += 1

    def _deliver(self, side: int, place: int, keep: bool) -> None:
        self._tick()
        desk = self.desks[side]
        content = self.way[side][place] if keep else self.way[side].pop(place)
        taken = desk.take(content)
        assert taken.refusal in HARMLESS, taken.refusal
        self._send(side, desk.carry(taken.crosses))
        self._answer(side)

    def _answer(self, side: int) -> None:
        """What the service does by itself: it answers the making of new keys with its own."""
        desk = self.desks[side]
        if wants_keys(desk.link) is not None:
            reason = "restored" if desk.link.state is LinkState.RESYNC else "rotate"
            self._send(side, desk.rotate(reason))

    @precondition(lambda self: any(self.way))
    @rule(side=SIDES, place=st.integers(0, 50), keep=st.booleans())
    def deliver(self, side: int, place: int, keep: bool) -> None:
        """One of those on the way comes, and perhaps comes again later."""
        if self.way[side]:
            self._deliver(side, place % len(self.way[side]), keep)

    @rule(side=SIDES)
    def ask(self, side: int) -> None:
        """An ask crosses, or is not sent while the link does not take it."""
        if self.desks[side].link.state is LinkState.LIVE:
            self._send(side, [self.desks[side].say(ASK)])

    @rule(side=SIDES, paused=st.booleans())
    def pause(self, side: int, paused: bool) -> None:
        """A steward pauses, or takes it back."""
        self._send(side, self.desks[side].move(SetPause(paused)))

    @rule(side=SIDES)
    def rotate(self, side: int) -> None:
        """A steward wants new keys."""
        if self.desks[side].link.making is None:
            self._send(side, self.desks[side].rotate("rotate"))

    @rule(side=SIDES)
    def confirm(self, side: int) -> None:
        """The stewards of a side confirm the words that they see, where the other side sees the same."""
        desk, other = self.desks[side], self.desks[1 - side]
        if _awaits(desk) and _words(desk) == _words(other):
            self._send(side, self.desks[side].confirm())

    @rule(side=SIDES)
    def differ(self, side: int) -> None:
        """They make a mistake, and say that the words differ."""
        if _awaits(self.desks[side]):
            self.desks[side].move(Differ())
            self._answer(side)

    @rule(side=SIDES)
    def back_up(self, side: int) -> None:
        """What a side has now is what it has after it is restored."""
        desk = self.desks[side]
        self.backups[side] = (desk.link, dict(desk.secrets))

    @rule(side=SIDES)
    def restore(self, side: int) -> None:
        """A side is restored, knows it, and makes new keys; from before the last ones it could not."""
        self._tick()
        desk, (link, kept) = self.desks[side], self.backups[side]
        newest = {_newest(one).number for one in self.desks}
        if newest != {link.epochs[0].number} or _confirmed(desk):
            return
        desk.link, desk.secrets = link, dict(kept)
        desk.move(Restored())
        self._answer(side)

    @invariant()
    def what_both_use_is_the_same(self) -> None:
        """Two epochs of one number have one transcript, and so the same keys."""
        north, south = (desk.link.epochs for desk in self.desks)
        for epoch in north:
            for other in south:
                assert epoch.number != other.number or epoch.made == other.made

    def teardown(self) -> None:
        """Once all has come and stewards have compared, it is live, or paused by somebody."""
        for _ in range(200):
            for side in (0, 1):
                while self.way[side]:
                    self._deliver(side, 0, keep=False)
                    if self.seconds > 5000:
                        raise AssertionError("they answer one another for ever")
            for side in (0, 1):
                self.confirm(side)
            if not any(self.way):
                break
        north, south = self.desks
        assert {north.link.state, south.link.state} <= {LinkState.LIVE, LinkState.PAUSED}
        assert _newest(north).made == _newest(south).made
        assert (north.link.paused_here, south.link.paused_here) == (
            south.link.paused_there,
            north.link.paused_there,
        )


def _newest(desk: Desk) -> LinkEpoch:
    return desk.link.epochs[0]


def _words(desk: Desk) -> str:
    """The transcript whose words a side's stewards see or saw, where keys are being made."""
    making = desk.link.making
    return making.epoch.made if making is not None and making.epoch is not None else ""


def _confirmed(desk: Desk) -> bool:
    """Whether its stewards confirmed keys that the other side may be using by now."""
    return desk.link.making is not None and desk.link.making.state is MakingState.CONFIRMED


def _awaits(desk: Desk) -> bool:
    """Whether a side's stewards are to compare words."""
    return desk.link.making is not None and desk.link.making.state is MakingState.SHOWN


TestLinks = Links.TestCase
TestLinks.settings = settings(
    max_examples=settings().max_examples // 5,
    stateful_step_count=40,
    deadline=None,
    phases=(Phase.generate,),
)
