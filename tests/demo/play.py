"""The acts, played one after the other."""

import asyncio
from collections.abc import Sequence

from tests.demo.across import Across
from tests.demo.acts import Act
from tests.demo.checkin import CheckIn
from tests.demo.pairing import Pairing
from tests.demo.stage import Stage


class Play:
    """One playing of these acts; `broken` lists the promises that did not hold."""

    def __init__(self, stage: Stage, acts: Sequence[Act]) -> None:
        self._stage = stage
        self._acts = acts
        self._check_in = CheckIn(stage, self._fact, acts)
        self.broken: list[str] = []

    @property
    def waited(self) -> float:
        """Seconds for which nothing was left to do before the check-in's minute came."""
        return self._check_in.waited

    def _fact(self, holds: bool, text: str, *details: str) -> None:
        self._stage.screen.fact(holds, text, details)
        if not holds:
            self.broken.append(text)

    async def play(self) -> None:
        """Play the acts through. The check-in is set up beside the others, to come in time."""
        setting_up = asyncio.create_task(self._check_in.sets_up()) if "check-in" in self._acts else None
        try:
            if "pairing" in self._acts:
                await Pairing(self._stage, self._fact, setting_up).play()
            if "link" in self._acts:
                await Across(self._stage, self._fact).play()
            if setting_up is not None:
                await setting_up
                await self._check_in.play()
        finally:
            if setting_up is not None:
                setting_up.cancel()
