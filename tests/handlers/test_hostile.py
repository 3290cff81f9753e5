"""A partner that means harm, with the link's real keys, at a whole desk: engine, handlers, real SQLite.

It says anything, of any names, in any order, and the same again and again.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.records import (
    Link,
)
from schema.states import LinkState
from schema.wire import (
    Ask,
    Withdraw,
)
from tests.handlers.hostile import THIRD
from tests.handlers.hostile_play import KINDS, NUMBERS, PLAYS, REQUEST, STEPS, World, hostile, name_of, odd
from tests.handlers.story import STEWARDS
from tests.linked import secrets, steps


@settings(max_examples=max(4, settings().max_examples // 4), deadline=None)
@given(step=st.sampled_from(STEPS), play=PLAYS)
def test_whatever_a_partner_says_it_can_do_no_more_than_its_part(step: str, play: Sequence[Any]) -> None:
    """Thousands of envelopes, any of them at any step: no address, no match, no word where none should be."""

    async def work(world: World) -> None:
        await world.far(step)
        for what, *rest in play:
            match what:
                case "says" | "odd":
                    others = world.others()
                    if what == "says":
                        await world.partner.says(world.body(*rest))
                    else:
                        await odd(world, *rest)
                    beside = await world.third.hears()
                    sent = {("links", THIRD)} if beside else set()
                    after = world.others()
                    assert [one for one in after if name_of(one) not in sent] == [
                        one for one in others if name_of(one) not in sent
                    ], "something changed that is not the partner's"
                    # That Ana has found somebody, they all hear as the end of her request.
                    assert all(isinstance(one, Withdraw) and one.answer is None for one in beside)
                    assert len(beside) <= 1, "another link heard of it"
                case "writes":
                    await world.says(*rest)
                case _:
                    await world.waits(*rest)
            world.check()

    hostile(work)


@pytest.mark.parametrize("step", STEPS)
def test_every_kind_at_every_step(step: str) -> None:
    """Of each request and answer that belong together, and with each name in it, one after the other."""

    async def work(world: World) -> None:
        await world.far(step)
        for kind in ("introduce", "consent", "note", "answer", "introduce", "close", "withdraw", "ask"):
            for request, answer in world.fitting():
                for number in range(12):
                    body = world.body(kind, number, 5 - number % 5, number // 2)
                    named = {"request": request, "answer": answer}
                    body |= {name: named[name] for name in named if body.get(name)}
                    if kind == "introduce":
                        world.introduced.add(answer)
                    if body.get("note") or body.get("card"):
                        world.marks[str(body.get("note") or body.get("card"))] = answer
                    await world.partner.says(body)
                    world.check()

    hostile(work)


# It says the same again and again


_CYCLES = st.lists(st.tuples(st.sampled_from(KINDS), NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=4)
ROUNDS, MEASURED = 60, 20


def _weight(world: World) -> tuple[int, int, int, int]:
    """How many records there are, how much was said to members, to stewards, and across."""
    side = world.side
    members = sum(line.from_desk and line.name != STEWARDS for line in side.log)
    return len(side.records.rows), members, len(side.heard(STEWARDS)), len(world.partner.told)


async def again_and_again(world: World, cycle: Callable[[int], Awaitable[None]]) -> None:
    """Whatever a partner repeats within the hour soon makes nothing more."""
    for number in range(ROUNDS - MEASURED):
        await cycle(number)
    before = _weight(world)
    for number in range(ROUNDS - MEASURED, ROUNDS):
        await cycle(number)
    assert _weight(world) == before
    world.check()


@settings(max_examples=max(3, settings().max_examples // 5), deadline=None)
@given(step=st.sampled_from(STEPS), bodies=_CYCLES)
def test_whatever_a_partner_repeats_makes_no_more_and_no_more(step: str, bodies: Sequence[Any]) -> None:
    """Records, messages and envelopes are bounded, however often it says what it says, under new names."""

    async def work(world: World) -> None:
        await world.far(step)

        async def cycle(number: int) -> None:
            for kind, a, b, c in bodies:
                body = world.body(kind, a, b, c + number)
                if kind in ("ask", "answer") and a % 2:
                    body["request" if kind == "ask" else "answer"] = f"{number:032x}"
                await world.partner.says(body)

        await again_and_again(world, cycle)

    hostile(work)


def test_pauses_and_terms_are_not_told_again_and_again() -> None:
    """A partner cannot fill the stewards' room: after some changes of a day the rest is seen in `links`."""

    async def work(world: World) -> None:
        async def cycle(number: int) -> None:
            await world.partner.says({"kind": "pause", "paused": number % 2 == 0})
            await world.partner.says({"kind": "terms", "terms": world.terms(asks_a_day=number + 1)})

        await again_and_again(world, cycle)
        (link,) = [one for one in world.side.records.all(Link) if one.id == world.partner.link]
        assert link.their_terms is not None
        assert link.their_terms.asks_a_day == ROUNDS
        await world.waits(24 * 60)
        heard = len(world.side.heard(STEWARDS))
        await world.partner.says({"kind": "pause", "paused": True})
        assert len(world.side.heard(STEWARDS)) == heard + 1

    hostile(work)


def test_answers_that_are_taken_back_do_not_pile_up() -> None:
    """For one ask a partner has so many answers, and no more once it has taken them back."""

    async def work(world: World) -> None:
        ask = next(body for _, body in world.partner.told if isinstance(body, Ask))

        async def cycle(number: int) -> None:
            said = {"request": ask.request, "answer": f"{number:032x}"}
            await world.partner.says({"kind": "answer", **said, "wish": "listening", "minutes": 60})
            await world.partner.says({"kind": "withdraw", **said})

        await again_and_again(world, cycle)

    hostile(work)


def test_a_counter_that_goes_back_again_and_again_makes_few_new_keys() -> None:
    """Each time could have keys made and a step said; so many do in a day, and the link stays shut."""

    async def work(world: World) -> None:
        now = int(world.side.now.timestamp())

        async def cycle(number: int) -> None:
            issued = now + number + 1
            again = {"counter": 1, "issued": issued, "expires": issued + 3600}
            await world.partner.says({"kind": "withdraw", "request": REQUEST, "answer": None}, **again)

        await again_and_again(world, cycle)
        (link,) = [one for one in world.side.records.all(Link) if one.id == world.partner.link]
        assert link.state is LinkState.RESYNC

    hostile(work)


@pytest.mark.parametrize("round", [0, 1, -1])
def test_steps_that_contradict_one_another_make_few_new_keys(round: int) -> None:
    """Two different ones in a round, or one of an earlier, cost keys and an answer; so many do in a day."""

    async def work(world: World) -> None:
        async def cycle(number: int) -> None:
            (link,) = [one for one in world.side.records.all(Link) if one.id == world.partner.link]
            wanted = max(1, link.rounds + round)
            for side in ("one", "other"):
                mine = secrets(f"{side} {number}")
                for step in steps(world.partner.us, mine, 2, "rotate", link.terms, wanted):
                    await world.partner.says(step)

        await again_and_again(world, cycle)

    hostile(work)
