"""`doctor` against whatever a homeserver says: one thing that is amiss hides no other."""

import socket
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schema.ids import LinkId, RoomId
from schema.records import Link
from schema.states import LinkState
from service import config
from service.core import links
from service.doctor import examine, look_at_link
from service.lease import Lease
from service.store import Store
from tests.linked import NOW, SOUTH_AT, TERMS, linked
from tests.matrix.generated import ANYTHING
from tests.service.test_config import WHOLE, write

_USERS = (WHOLE["desk.user"], WHOLE["keeper.user"])
_KEYS = ("device_keys", "master_keys", "self_signing_keys", "user_signing_keys", "failures")
_ANSWER = {
    "versions": st.lists(st.text(max_size=5).map("v1.".__add__)).map(["v1.12"].__add__) | ANYTHING,
    "user_id": st.sampled_from(_USERS) | ANYTHING,
    "device_id": st.just(WHOLE["desk.device_id"]) | ANYTHING,
    "messages_per_second": ANYTHING,
} | dict.fromkeys(_KEYS, st.dictionaries(st.sampled_from(_USERS), ANYTHING) | ANYTHING)


@settings(max_examples=settings().max_examples // 4)
@given(answer=st.fixed_dictionaries({}, optional=_ANSWER), date=st.text("0123456789 :Nov,GMT+-", max_size=30))
@example(answer={"versions": ["v1.1", "v1.\u00b2", "v1."]}, date="")
async def test_any_answers_are_findings(answer: dict[str, Any], date: str) -> None:
    """Whatever a homeserver answers, every check ends in a finding, and what is to be mended has its fix."""

    async def same(request: web.BaseRequest) -> web.Response:
        return web.json_response(answer, headers={"Date": date})

    runner = web.ServerRunner(web.Server(same))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with tempfile.TemporaryDirectory() as folder:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        place = write(Path(folder, "alongside.toml"), {"homeserver.url": url, "admin.token": "admin"})
        try:
            findings = [finding async for finding in examine(config.load(place, {}))]
        finally:
            await runner.cleanup()
    names = [finding.name for finding in findings]
    parts = "front desk", "identity", "keeper", "rate limits", "agreement", "erasure", "port", "database"
    assert names == ["homeserver", "clock", *parts]
    assert all(finding.says and (finding.fix or finding.state != "fail") for finding in findings)


def _stands() -> Link:
    """A link that stands, with a name that nobody is to read here."""
    link = linked()[0].link
    return replace(
        link, name="The Elm House", desk=SOUTH_AT, room=RoomId("!between"), here=True, heard_at=NOW
    )


async def test_each_link_is_a_finding_that_names_nobody(tmp_path: Path) -> None:
    """As the database has it, beside the other findings; where there is none nothing is said."""
    place = write(tmp_path / "alongside.toml", {"homeserver.url": "http://127.0.0.1:9"})
    settings = config.load(place, {})
    store = await Store.open(settings.database_url(), settings.sealing_key())
    async with store.transaction("test") as transaction:
        far = TERMS.model_copy(update={"until": int((NOW + timedelta(days=36500)).timestamp())})
        link = replace(_stands(), terms=far, their_terms=far)
        await transaction.put(link)
        await transaction.put(replace(link, id=LinkId("22" * 16), state=LinkState.RESYNC))
    await store.close()
    findings = [finding async for finding in examine(settings)]
    assert [(finding.name, finding.state) for finding in findings[-3:]] == [
        ("database", "ok"),
        ("link 1", "ok"),
        ("link 2", "look"),
    ]
    said = "".join(finding.says + finding.fix for finding in findings[-2:])
    assert not [name for name in ("Elm", "@", "!", "south", "1111") if name in said]


def _begins(link: Link) -> Link:
    """The link, where new keys of ours wait for the other side's since an hour."""
    desk = linked()[0]
    desk.rotate()
    return replace(link, making=desk.link.making)


_AGREED = "the last word from there came 3 hours ago; its terms end on 2027-05-26 at 16:00 UTC"
_NOTHING = "carries nothing until new keys are made and both sides have compared the words"
_ASKED = "new keys wait for the other side's program, which is asked again on 2026-11-27 at 17:00 UTC"
_TRIED = "the other side began new keys too often for a day, and can again on 2026-11-28 at 16:00 UTC"
_LINKS: dict[str, tuple[Callable[[Link], Link], str, str]] = {
    "stands": (lambda link: link, "ok", f"stands; {_AGREED}"),
    "paused": (
        lambda link: replace(link, state=LinkState.PAUSED),
        "ok",
        f"stands, and is paused; {_AGREED}",
    ),
    "gone": (
        lambda link: replace(link, here=False),
        "look",
        f"stands; {_AGREED.replace('; ', '; its program is not in the room; ')}",
    ),
    "resync": (
        lambda link: replace(_begins(link), state=LinkState.RESYNC),
        "look",
        f"{_NOTHING}; {_ASKED}; {_AGREED}",
    ),
    "tried": (
        lambda link: replace(link, tries=(NOW,) * links.TRIES_A_DAY),
        "ok",
        f"stands; {_TRIED}; {_AGREED}",
    ),
    "ends": (
        lambda link: replace(link, terms=TERMS.model_copy(update={"until": int(NOW.timestamp()) + 86400})),
        "look",
        "stands; the last word from there came 3 hours ago; its terms end on 2026-11-28 at 16:00 UTC",
    ),
}


@pytest.mark.parametrize("how", _LINKS)
def test_how_a_link_stands_is_said_in_words(how: str) -> None:
    """What it waits for, until when, and how old the last word is; what is to be done where something is."""
    changed, state, says = _LINKS[how]
    finding = look_at_link("link 1", changed(_stands()), NOW + timedelta(hours=3))
    assert (finding.state, finding.says) == (state, says)
    assert bool(finding.fix) is (state == "look")


async def test_a_port_that_another_program_holds_is_to_be_mended_and_the_services_own_is_not(
    tmp_path: Path,
) -> None:
    """Whose port it is goes by the database's lease: the service that runs holds both."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        place = write(tmp_path / "alongside.toml", {"homeserver.url": "http://127.0.0.1:1", "web.port": port})
        found = config.load(place, {})
        (alone,) = [one async for one in examine(found) if one.name == "port"]
        async with Lease.take(found.database_url()):
            (served,) = [one async for one in examine(found) if one.name == "port"]
    assert (alone.state, served.state) == ("fail", "ok")
    for word in (str(port), "web.port", "ALONGSIDE_WEB__PORT"):
        assert word in alone.says
    assert alone.fix
