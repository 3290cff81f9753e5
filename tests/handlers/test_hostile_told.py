"""What a hostile partner can tell from what it is told: the same play at two desks that differ in one thing.

All that it is told is compared: when, how long, and what, with random names by their place in the story.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.events import DirectChat
from schema.ids import EventId, MatrixId, RoomId
from schema.wire import (
    canonical,
)
from tests.handlers.hostile_play import PLAYS, STEPS, ZOE, World, hostile, odd
from tests.handlers.whole import Whole

# What a partner can tell from what it is told


def _told(world: World) -> list[tuple[datetime, int, str]]:
    """When it was told what, of which length, with every random name by its place in the story."""
    names: dict[str, str] = {}
    found = []
    for (at, body), length in zip(world.partner.told, world.partner.lengths, strict=True):
        text = canonical(body).decode()
        for name in re.findall("[0-9a-f]{32,64}", text):
            text = text.replace(name, names.setdefault(name, f"name {len(names)}"))
        found.append((at, length, text))
    return found


async def _plays(world: World, step: str, play: Sequence[Any], writers: Sequence[str]) -> None:
    await world.far(step)
    for what, *rest in play:
        match what:
            case "says":
                await world.partner.says(world.body(*rest))
            case "odd":
                await odd(world, *rest)
            case "writes":
                if rest[0] in writers:
                    await world.says(*rest)
            case _:
                await world.waits(*rest)


LISTED, UNLISTED = ZOE, MatrixId("@qi:north.example")
OURS, ELSEWHERE = MatrixId("@wil:south.example"), MatrixId("@xan:elsewhere.example")


def _both(
    first: Callable[[World], Awaitable[None]],
    other: Callable[[World], Awaitable[None]],
    named: Sequence[MatrixId],
    step: str,
    play: Sequence[Any],
    writers: Sequence[str] = ("ana", "ben", "dan", "eva"),
) -> list[list[tuple[datetime, int, str]]]:
    """What the partner is told in a play after either; it names those `named`, and others."""
    found = []
    for begins in (first, other):

        async def work(world: World, begins: Callable[[World], Awaitable[None]] = begins) -> None:
            world.users = (*named, MatrixId("@vic:north.example"))
            await begins(world)
            await _plays(world, step, play, writers)
            found.append(_told(world))

        hostile(work)
    return found


def _apart(user: MatrixId) -> Callable[[World], Awaitable[None]]:
    async def work(world: World) -> None:
        for name in ("ana", "ben"):
            for words in (f"keep apart {user}", "yes"):
                await world.side.say(name, words, after=0)
        # Whom they named themselves was named back to them.
        world.read = len(world.side.log)

    return work


def _comes(user: MatrixId) -> Callable[[World], Awaitable[None]]:
    async def work(world: World) -> None:
        await world.side.event(DirectChat(EventId("$came"), RoomId("!of-them"), user, present=True))
        await world.side.pump()

    return work


async def _nothing(world: World) -> None:
    pass


_FEWER = settings(max_examples=max(2, settings().max_examples // 12), deadline=None)


@pytest.mark.slow
@_FEWER
@given(step=st.sampled_from([one for one in STEPS if "ed" not in one.partition(": ")[2]]), play=PLAYS)
def test_what_a_partner_is_told_does_not_hang_on_a_list(step: str, play: Sequence[Any]) -> None:
    """Somebody whom it never names may stand on a list or not: it is told the same, at the same time."""
    listed, unlisted = _both(_apart(LISTED), _apart(UNLISTED), (ELSEWHERE,), step, play)
    assert listed == unlisted


@pytest.mark.slow
@_FEWER
@given(step=st.sampled_from(["ben: ready", "ana: agreed", ""]), play=PLAYS)
def test_by_naming_somebody_a_partner_learns_no_more_than_a_withdrawal(
    step: str, play: Sequence[Any]
) -> None:
    """PROTOCOL.md, "Where this stops": where the two first differ, an address came, or no room did.

    Where it asks, the withdrawal comes at the instant of the address; where it answers, at the end of a wait.
    """
    play = [("says", "introduce", 0, number, 0) for number in range(8)] + list(play)
    listed, unlisted = _both(_apart(LISTED), _apart(UNLISTED), (LISTED,), step, play)
    at = next((at for at, pair in enumerate(zip(listed, unlisted, strict=False)) if len(set(pair)) > 1), None)
    if at is None:
        assert listed == unlisted
        return
    instant, length, met = unlisted[at]
    assert '"kind":"introduce"' in met
    if f'"user":"{Whole.address("ana")}"' not in met:
        assert listed[at][:2] == (instant, length)
        assert '"kind":"withdraw"' in listed[at][2]


@pytest.mark.slow
@_FEWER
@given(step=st.sampled_from(["ben: ready", "ana: agreed", ""]), play=PLAYS)
def test_a_partner_does_not_learn_who_is_a_member_here(step: str, play: Sequence[Any]) -> None:
    """Of our own homeserver: by naming somebody it is told the same, whoever they are."""
    play = [("says", "introduce", 0, number, 0) for number in range(8)] + list(play)
    member, stranger = _both(_comes(OURS), _nothing, (OURS,), step, play)
    assert member == stranger


@pytest.mark.slow
@_FEWER
@given(play=PLAYS)
def test_a_partner_that_asks_does_not_learn_who_is_a_member(play: Sequence[Any]) -> None:
    """Nor of another homeserver, where it asks for one of ours."""
    play = [("says", "introduce", 0, number, 0) for number in range(8)] + list(play)
    writers = ("ben", "dan", "eva")
    member, stranger = _both(_comes(ELSEWHERE), _nothing, (ELSEWHERE,), "ben: ready", play, writers)
    assert member == stranger


@pytest.mark.slow
@_FEWER
@given(step=st.sampled_from(["ben: asked", "ben: reading"]), play=PLAYS)
def test_a_no_and_a_silence_are_the_same_to_a_partner(step: str, play: Sequence[Any]) -> None:
    """Before their last word a member can say no, or nothing: whatever it says then, it is told the same."""

    async def no(world: World) -> None:
        await world.far(step)
        await world.says("ben", "no")

    async def silence(world: World) -> None:
        await world.far(step)
        await world.waits(1)

    refused, silent = _both(no, silence, (ZOE,), "", play, ("ana", "dan", "eva"))
    assert refused == silent
