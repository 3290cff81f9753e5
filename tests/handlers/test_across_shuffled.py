"""Two of two communities, whatever they write, over a way that reorders, repeats and holds back."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.effects import OpenPeerRoom, SendAcross
from schema.records import Ask, AskAcross, GuestRoom, Meeting, Pairing, PeerRoom, Request
from schema.wire import Consent, Introduce
from tests.handlers.story import Story
from tests.handlers.two import Two

ANA, BEN = "@ana:example.org", "@ben:example.org"


class Shuffled(Two):
    """What crosses comes at least once, in any order, and perhaps only after others have written."""

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self.chance = chance
        self.shuffles = False
        self.on_the_way: list[tuple[Story, SendAcross]] = []

    async def carry(self) -> None:
        """Hand over what was sent: some of it twice, some of it later."""
        if not self.shuffles and not self.on_the_way:
            await super().carry()
            return
        while True:
            side = next((one for one in (self.north, self.south) if one.sends), None)
            if side is not None:
                effect = side.sends.pop(0)
                if isinstance(effect, SendAcross):
                    times = 2 if self.chance.random() < 0.3 else 1
                    self.on_the_way += [(side, effect)] * times
                else:
                    await self._carry(side, effect)
            elif self.on_the_way and (not self.shuffles or self.chance.random() < 0.8):
                at = self.chance.randrange(len(self.on_the_way)) if self.shuffles else 0
                await self._carry(*self.on_the_way.pop(at))
            else:
                return
            for one in (self.north, self.south):
                await one.pump()


_SAYS = st.sampled_from(
    [
        *(("ana", "yes"), ("ana", "yes"), ("ana", "2"), ("ana", "stop"), ("ana", "close")),
        *(("ben", "yes"), ("ben", "yes"), ("ben", "2"), ("ben", "stop"), ("ben", "close")),
        *(("ana", "extend"), ("ben", "extend")),
        *(("ana", "forget me"), ("ben", "forget me"), ("", "20"), ("", "90")),
    ]
)


async def _play(chance: Random, says: Sequence[tuple[str, str]]) -> Shuffled:
    two = Shuffled(chance)
    await two.linked()
    sides = {"ana": two.north, "ben": two.south}
    for name, side in sides.items():
        await side.comes(name)
    await two.say(two.south, "ben", "offer", "1", "skip", "I like walks.", "2", "yes")
    await two.say(two.north, "ana", "talk", "2", "1", "1", "2", "It has been a long week.")
    two.shuffles = True
    await two.say(two.north, "ana", "change", "linked communities", "yes", "yes")
    for name, words in says:
        if name:
            await two.say(sides[name], name, words)
        else:
            await two.wait(timedelta(minutes=int(words)))
    two.shuffles = False
    await two.wait(timedelta(days=20))
    return two


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), says=st.lists(_SAYS, max_size=12))
def test_whatever_is_said_and_however_it_crosses_nothing_is_left(
    seed: int, says: list[tuple[str, str]]
) -> None:
    """No address is read in a chat, it crosses after both consents, and each request and room ends."""
    two = asyncio.run(_play(Random(seed), says))
    for side in (two.north, two.south):
        for kind in (Request, Ask, AskAcross, Pairing, PeerRoom, GuestRoom, Meeting):
            assert side.records.all(kind) == [], kind
    assert not any(BEN in body for _, body, _ in two.north.heard("ana"))
    assert not any(ANA in body for _, body, _ in two.south.heard("ben"))
    opened = [effect for _, effect in two.north.effects if isinstance(effect, OpenPeerRoom)]
    assert len({one.pairing for one in opened}) == len(opened)
    met = [body for to, body in two.crossed if to is two.north and isinstance(body, Introduce)]
    assert len(opened) <= len(met) <= len(two.to(two.south, Introduce))
    assert not two.to(two.south, Introduce) or two.to(two.north, Consent)


@pytest.mark.parametrize("seed", range(3))
async def test_two_meet_however_it_crosses(seed: int) -> None:
    """With patience the two yeses lead to the one room, and to its end."""
    says = [("", "20"), ("ben", "yes"), ("", "20"), ("ben", "yes"), ("", "10"), ("ana", "yes"), ("", "5")]
    two = await _play(Random(seed), [*says, ("ben", "close")])
    assert sum(isinstance(effect, OpenPeerRoom) for _, effect in two.north.effects) == 1
    for side, name in ((two.north, "ana"), (two.south, "ben")):
        assert any("This is what was done" in body for _, body, _ in side.heard(name))
