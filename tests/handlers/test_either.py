"""Words that can mean a concern or a check-in: a time behind them decides, or the member does."""

from dataclasses import replace

import pytest

from schema.records import CheckIn
from tests.handlers.story import Story, community
from tests.handlers.test_concern import READERS


@pytest.fixture
def story() -> Story:
    """A community that speaks Spanish too, where three read concerns."""
    return Story(community=replace(community("es"), readers=READERS), language="es")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("avisame cada lunes a las 9", "cada lunes a las 9:00"),
        ("aviso cada lunes a las 9", "cada lunes a las 9:00"),
        ("recordatorio mañana a las 9", "sábado, 28 de noviembre, 9:00"),
        ("recuérdame mañana a las 9", "sábado, 28 de noviembre, 9:00"),
        ("notify me every monday at 9", "cada lunes a las 9:00"),
    ],
)
async def test_with_a_time_behind_it_it_is_a_check_in(story: Story, typed: str, said: str) -> None:
    """In one line up to the recap, as with any other word for it."""
    await story.comes("ana")
    await story.says("ana", "mi ciudad", "Berlín")
    assert said in await story.say("ana", typed)
    await story.say("ana", "sí")
    assert story.records.all(CheckIn)


async def test_alone_it_asks_which(story: Story) -> None:
    """One number leads to either; the other words for a concern lead to it at once."""
    await story.comes("ana")
    asked = await story.say("ana", "aviso")
    assert asked.split("\n")[1:] == ["1. Algo estuvo mal", "2. Quiero que me escribas a una hora"]
    concern = await story.say("ana", "1")
    await story.say("ana", "parar")
    assert await story.say("ana", "algo estuvo mal") == concern
    await story.say("ana", "parar")
    assert "ciudad" in await story.says("ana", "avísame", "2")


async def test_without_readers_there_is_nothing_to_ask(story: Story) -> None:
    """Where nobody takes a concern only the other is left."""
    story.community = replace(story.community, readers=())
    await story.comes("ana")
    assert "ciudad" in await story.say("ana", "aviso")


async def test_mine_are_those_that_there_are(story: Story) -> None:
    """None: what was always said. Check-ins alone: those. Both: which."""
    await story.comes("ana")
    assert "No guardo ningún aviso tuyo" in await story.say("ana", "mis avisos")
    await story.says("ana", "mi ciudad", "Berlín")
    await story.says("ana", "saludo cada lunes a las 9", "sí")
    mine = await story.say("ana", "mis saludos")
    assert await story.say("ana", "mis avisos") == mine
    await story.comes("rosa")
    await story.says("ana", "algo estuvo mal", "3", "1", "Hubo gritos.", "sí")
    which = await story.say("ana", "mis avisos")
    assert "2. Mis saludos" in which
    assert await story.say("ana", "2") == mine
