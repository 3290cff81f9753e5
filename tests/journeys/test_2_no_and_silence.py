"""Promise 2: no and silence look the same to the other person: same words, same coarse timing.

Two services that are alike play at the same time; in one a person says no, in the other nothing. What the
other person was told, and when, is laid side by side.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from tests.journeys.fixtures import People
from tests.journeys.stage import Person, timeless
from tests.live import story
from tests.live.instance import Instance

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

_COARSE = 4.0
"""Seconds by which two moments may differ: a busy machine's jitter, and neither the five seconds between two
rounds nor the twelve of a silence."""


@dataclass(frozen=True)
class _Told:
    """What somebody was told: the words without their hours, and the seconds since the story's moment."""

    words: str
    after: float
    notifies: bool


async def _view(person: Person, since: int, moment: float) -> list[_Told]:
    return [
        _Told(timeless(one.body), one.timestamp / 1000 - moment, one.msgtype == "m.text")
        for one in person.heard()[since:]
    ]


def _alike(one: list[_Told], other: list[_Told]) -> None:
    assert [told.words for told in one] == [told.words for told in other]
    assert [told.notifies for told in one] == [told.notifies for told in other]
    apart = [abs(a.after - b.after) for a, b in zip(one, other, strict=True)]
    assert max(apart) < _COARSE, f"{one}\n{other}"


Says = Callable[[Person], Awaitable[None]]


async def _nothing(_: Person) -> None:
    """The person stays silent."""


async def _no(peer: Person) -> None:
    asked = await story.is_asked(peer.member, peer.chat)
    await story.chooses(peer.member, peer.chat, asked, "choice.ask_no")
    await peer.hears("ask.no")


async def _steps_back(peer: Person) -> None:
    asked = await story.is_asked(peer.member, peer.chat)
    note = await story.says_yes(peer.member, peer.chat, asked)
    await story.chooses(peer.member, peer.chat, note, "choice.note_no")
    await peer.hears("note.no")


async def _is_forgotten(peer: Person) -> None:
    await story.is_asked(peer.member, peer.chat)
    await peer.asks_to_be_forgotten()


async def _asker_sees(instance: Instance, people: People, answers: Says) -> list[_Told]:
    """What an asker is told from their yes to the end of the request, if the one who is asked `answers`."""
    asker, peer = await people(instance, 2)
    await peer.offers()
    await story.draft_request(asker.member, asker.chat, note="A long week.")
    since = len(asker.heard())
    await asker.writes("yes")
    first = await asker.hears("request.asking")
    await answers(peer)
    await asker.hears("again.nobody")
    return await _view(asker, since, first.timestamp / 1000)


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(_no, id="no"),
        pytest.param(_steps_back, id="step back", marks=pytest.mark.long),
        pytest.param(_is_forgotten, id="forget me", marks=pytest.mark.long),
    ],
)
async def test_the_asker_cannot_tell(hasty: Instance, twin: Instance, people: People, answers: Says) -> None:
    """A peer's no, their step back, their being forgotten and their silence look the same to the asker."""
    refused, silent = await asyncio.gather(
        _asker_sees(hasty, people, answers), _asker_sees(twin, people, _nothing)
    )
    _alike(refused, silent)


async def _declines(asker: Person) -> None:
    await asker.writes("2")
    await asker.hears("request.someone_else")


async def _withdraws(asker: Person) -> None:
    await asker.writes("3")
    await asker.hears("request.withdrawn")


async def _asker_is_forgotten(asker: Person) -> None:
    await asker.asks_to_be_forgotten()


async def _peer_sees(instance: Instance, people: People, answers: Says) -> list[_Told]:
    """What a peer is told after they went on, if the asker `answers` the question about a room."""
    asker, peer = await people(instance, 2)
    await peer.offers()
    await asker.asks()
    asked = await story.is_asked(peer.member, peer.chat)
    note = await story.says_yes(peer.member, peer.chat, asked)
    since = len(peer.heard())
    first = await story.goes_on(peer.member, peer.chat, note)
    await story.is_offered(asker.member, asker.chat)
    await answers(asker)
    await peer.hears("pairing.not_this_time")
    return await _view(peer, since, first.timestamp / 1000)


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(_declines, id="no"),
        pytest.param(_withdraws, id="stop looking", marks=pytest.mark.long),
        pytest.param(_asker_is_forgotten, id="forget me", marks=pytest.mark.long),
    ],
)
async def test_the_peer_cannot_tell(hasty: Instance, twin: Instance, people: People, answers: Says) -> None:
    """An asker's no, their stop, their being forgotten and their silence look the same to who had gone on."""
    refused, silent = await asyncio.gather(
        _peer_sees(hasty, people, answers), _peer_sees(twin, people, _nothing)
    )
    _alike(refused, silent)
