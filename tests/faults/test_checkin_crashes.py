"""A check-in comes once, and the older one goes, wherever the service is killed on the way.

Each point is armed as soon as the one before it has killed the process, all within the minute of a check-in:
the turn before its commit and after it, the message before it is sent and after it, and the order that takes
the older one back before it goes and after it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from service.config import Toml
from tests.faults.crash import Rig, until
from tests.journeys.stage import Person, comes
from tests.live import story
from tests.live.homeserver import Homeserver
from tests.live.member import Member
from tests.live.story import sentence

# It waits for minutes of the clock to come.
pytestmark = [
    pytest.mark.live,
    pytest.mark.crash,
    pytest.mark.long,
    pytest.mark.asyncio(loop_scope="module"),
]

_COMES = (
    "before commit turn due check_ins",
    "after commit turn due check_ins",
    "before send",
    "after send",
)
_REPLACES = ("after commit turn due check_ins", "before take back", "after take back")
_AHEAD = timedelta(seconds=25)


def _nothing(asker: Member) -> Mapping[str, Toml]:
    """No further settings."""
    return {}


async def _kills(rig: Rig, points: tuple[str, ...]) -> None:
    """Arm one point after another, each when the one before it has killed the service."""
    for point in points:
        await _kill(rig, point)
    await rig.runs()


async def _kill(rig: Rig, point: str) -> None:
    deaths = rig.deaths
    rig.arm.write_text(f"{point}#1")
    await until(lambda: rig.deaths > deaths, f"the end of the process at {point}")


async def _sets_up(person: Person, hour: datetime) -> None:
    await person.writes(f"check in today {hour:%H:%M}")
    recap = await person.hears("checkin.recap")
    await story.chooses(person.member, person.chat, recap, "choice.checkin_yes")
    await person.hears("checkin.begun_once")


def _questions(person: Person) -> list[str]:
    """The events of the question that the person's app was sent, each once."""
    pattern = sentence("checkin.question")
    return [one.event_id for one in person.heard() if pattern.match(one.body)]


@pytest.mark.timeout(900)
async def test_a_check_in_comes_once_wherever_the_service_is_killed(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Killed seven times on the way of two check-ins: each comes once, and the first is taken back."""
    async with Homeserver(directory=tmp_path_factory.mktemp("checkin-homeserver")) as homeserver:
        rig = await Rig.make(homeserver, tmp_path_factory.mktemp("checkin-crash"), None, _nothing)
        try:
            person = await comes(rig.asker, rig.instance)
            await person.writes("my city")
            await person.hears("zone.question")
            await person.writes("Reykjavik")
            await person.hears("zone.done")
            first = (datetime.now(UTC) + _AHEAD).replace(second=0, microsecond=0) + timedelta(minutes=1)
            for hour in (first, first + timedelta(minutes=2)):
                await _sets_up(person, hour)
            await _kills(rig, _COMES)
            await until(lambda: len(_questions(person)) == 1, "the first check-in")
            await _kills(rig, _REPLACES)
            await until(lambda: len(_questions(person)) == 2, "the second check-in")
            (older, _) = _questions(person)
            await person.member.sees_redaction(person.chat, older)
            # Whatever was ordered twice would have come by now: what is asked is answered after it.
            await person.writes("menu")
            await person.hears("menu.menu")
            assert len(_questions(person)) == 2
        finally:
            await rig.close()
