"""`doctor` against whatever a homeserver says: one thing that is amiss hides no other."""

import tempfile
from pathlib import Path
from typing import Any

from aiohttp import web
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service import config
from service.doctor import examine
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
    assert names == ["homeserver", "clock", "front desk", "identity", "keeper", "rate limits", "database"]
    assert all(finding.says and (finding.fix or finding.state != "fail") for finding in findings)
