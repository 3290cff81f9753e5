"""Signing in, against a real homeserver."""

import pytest

from schema.errors import ConfigurationError, OperatorError, SignedOut
from schema.ids import DeviceId
from service.matrix import accounts
from service.matrix.transport import Transport
from tests.live.accounts import PASSWORD, session, sign_in, upload_device
from tests.live.homeserver import Homeserver, JsonObject, free_port

pytestmark = pytest.mark.live


async def test_registering_twice_gives_the_same_device(homeserver: Homeserver) -> None:
    """A registration whose answer was lost is made again, and leaves one account with one device."""
    async with session() as opened:
        transport = Transport(opened, homeserver.url)
        secret, device = homeserver.shared_secret, DeviceId("CHOSEN")
        first = await accounts.register(transport, secret, "registered-twice", PASSWORD, device)
        again = await accounts.register(transport, secret, "registered-twice", PASSWORD, device)
        assert (first.user_id, first.device_id) == (again.user_id, again.device_id)
        transport.token = again.token
        assert await accounts.check_token(transport, device) == again
        with pytest.raises(ConfigurationError, match="another device"):
            await accounts.check_token(transport, DeviceId("OTHER"))
        transport.token = first.token + "x"
        with pytest.raises(SignedOut):
            await accounts.check_token(transport, device)


async def test_refusals_are_said_in_words(homeserver: Homeserver) -> None:
    """A wrong password, a wrong secret and a wrong address each name their fix, and nothing personal."""
    async with session() as opened:
        transport = Transport(opened, homeserver.url)
        assert any(one.startswith("v1.") for one in await accounts.versions(transport))
        desk = await sign_in(opened, homeserver, "desk")
        with pytest.raises(OperatorError, match="name with this password") as wrong:
            await accounts.log_in(transport, desk.user_id, "wrong", DeviceId("D"), "desk")
        assert "wrong" not in str(wrong.value).replace("a wrong", "")
        assert desk.user_id not in str(wrong.value)
        with pytest.raises(OperatorError, match="registration secret"):
            await accounts.register(transport, "not it", "someone", PASSWORD, DeviceId("D"))
        with pytest.raises(OperatorError, match="does not answer"):
            await accounts.versions(Transport(opened, f"http://127.0.0.1:{free_port()}"))


async def test_a_deactivated_account_is_told_apart(homeserver: Homeserver) -> None:
    """An account that was deactivated says so, or looks like a wrong password, as the homeserver has it."""
    async with session() as opened:
        desk = await sign_in(opened, homeserver, "desk")
        await homeserver.call(
            "POST",
            f"/_synapse/admin/v1/deactivate/{desk.user_id}",
            token=await homeserver.admin_token(),
            body={},
        )
        with pytest.raises(OperatorError, match=r"deactivated|name with this password"):
            await accounts.log_in(
                Transport(opened, homeserver.url), desk.user_id, PASSWORD, DeviceId("D"), ""
            )


async def test_a_borrowed_device_is_refused(homeserver: Homeserver) -> None:
    """A token whose device has an open session's keys is refused; one without keys, or with ours, is not."""
    async with session() as opened:
        desk = await sign_in(opened, homeserver, "desk")
        account = accounts.Account(desk.user_id, desk.device_id, "")
        await accounts.refuse_borrowed_device(desk.transport, account)
        keys = await upload_device(desk)
        with pytest.raises(OperatorError, match="open session"):
            await accounts.refuse_borrowed_device(desk.transport, account)
        await accounts.refuse_borrowed_device(desk.transport, account, keys["keys"])


async def test_rate_limits_say_how_long(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With the homeserver's own limits, too many log-ins end in an answer with the waiting time."""
    settings: JsonObject = {"rc_login": {"account": {"per_second": 0.01, "burst_count": 1}}}
    directory = tmp_path_factory.mktemp("limited")
    async with (
        Homeserver(directory=directory, rate_limits=True, settings=settings) as limited,
        session() as opened,
    ):
        desk = await sign_in(opened, limited, "desk")
        transport = Transport(opened, limited.url)
        await accounts.log_in(transport, desk.user_id, PASSWORD, DeviceId("D"), "desk")
        with pytest.raises(OperatorError, match=r"in \d+ seconds"):
            await accounts.log_in(transport, desk.user_id, PASSWORD, DeviceId("D"), "desk")
