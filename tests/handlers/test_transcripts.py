"""Whole conversations as they read; a change of words shows as a change of these files.

Write them anew with ALONGSIDE_WRITE_TRANSCRIPTS=1, and read what changed before it is kept.
"""

import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.handlers.story import Story

_PLACE = Path(__file__).parent / "transcripts"


async def one_pairing(story: Story) -> None:
    """From a first word to the receipt."""
    await story.comes("ben")
    await story.offers("ben", card="I have been through it. I like to walk and listen.")
    await story.comes("ana")
    await story.asks("ana", note="I can't sleep, and I don't want advice.")
    await story.says("ben", "1", "1")
    await story.says("ana", "1")
    await story.says("ana", "status")
    await story.says("ben", "close")
    await story.says("ana", "erase now")
    await story.says("ben", "erase now")
    await story.wait(timedelta(days=2))


async def nobody_there(story: Story) -> None:
    """A request that finds nobody, and is told so with hours."""
    await story.says("ana", "I need help", "1", "skip", "skip", "skip", "skip", "1")
    await story.says("ana", "status", "help now")
    await story.wait(timedelta(days=1))
    await story.says("ana", "4")


async def not_this_time(story: Story) -> None:
    """A peer says yes, the asker does not; then stopping and forgetting."""
    await story.comes("ben")
    await story.offers("ben")
    await story.comes("ana")
    await story.asks("ana", note="")
    await story.says("ben", "yes", "go on")
    await story.says("ana", "2")
    await story.says("ana", "stop")
    await story.wait(timedelta(hours=3))
    await story.says("ana", "what do you hold", "1", "yes")
    await story.says("ben", "offer", "back", "my offer")


async def odd_messages(story: Story) -> None:
    """What cannot be taken as it is."""
    await story.comes("ana")
    await story.says("ana", "what?", "7", "talk")
    await story.say("ana", "", kind="voice")
    await story.say("ana", "1", edits=True)
    await story.says("ana", "I can't stop crying", "menu", "back", "stop", "1")


@pytest.mark.parametrize("tell", [one_pairing, nobody_there, not_this_time, odd_messages])
async def test_a_whole_conversation_reads_as_it_did(
    story: Story, tell: Callable[[Story], Awaitable[None]]
) -> None:
    """The words of a whole story, message by message."""
    await tell(story)
    file = _PLACE / f"{tell.__name__}.txt"
    if os.environ.get("ALONGSIDE_WRITE_TRANSCRIPTS"):
        file.write_text(story.transcript(), "utf-8")
    assert story.transcript() == file.read_text("utf-8")
