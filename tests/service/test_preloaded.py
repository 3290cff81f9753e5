"""Processes that are forked from one that has the imports: none hinders another."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.live.preloaded import preloaded

pytestmark = pytest.mark.asyncio

_WITHIN = 60


async def test_a_start_that_nobody_waits_for_any_more_hinders_no_other(tmp_path: Path) -> None:
    """What is started after one that was given up starts, and its end is seen."""
    with (tmp_path / "said").open("wb") as said:

        def version() -> asyncio.Task[int]:
            async def play() -> int:
                process = await preloaded().start(
                    "service.cli", ["--version"], os.environ, tmp_path, stdout=said, stderr=said
                )
                return await process.wait()

            return asyncio.create_task(play())

        given_up = version()
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        async with asyncio.timeout(_WITHIN):
            assert await version() == 0
