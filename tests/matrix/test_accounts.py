"""Signing in: what each refusal becomes, and that a password goes out only where it is asked for."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors import (
    ConfigurationError,
    HomeserverRefused,
    OperatorError,
    SignedOut,
    Throttled,
    Unreachable,
)
from schema.ids import DeviceId, MatrixId
from service.matrix import accounts

USER = MatrixId("@desk:home.test")
DEVICE = DeviceId("CHOSEN")
SECRETS = ("pa55word", "syt_token", USER)

Answer = dict[str, Any] | Exception


class Script:
    """Stands for `Transport`: an answer for each call, and what was asked."""

    homeserver = "https://matrix.example.org"

    def __init__(self, **answers: Answer) -> None:
        self.token: str | None = "syt_token"
        self.answers = answers
        self.asked: list[tuple[str, Any]] = []

    async def request(self, call: str, method: str, path: str, *, body: Any = None, **more: Any) -> Any:
        """The answer for this call."""
        self.asked.append((call, body))
        answer = self.answers[call.replace(" ", "_").replace("-", "_")]
        if isinstance(answer, Exception):
            raise answer
        return answer


FLOWS: Answer = {"flows": [{"type": "m.login.sso"}, {"type": "m.login.password"}]}
ACCOUNT: Answer = {"user_id": USER, "device_id": DEVICE, "access_token": "syt_token"}


def refused(status: int, code: str, **body: Any) -> HomeserverRefused:
    """A refusal of the homeserver's."""
    return HomeserverRefused(status, code, "call", body)


async def log_in(script: Any) -> accounts.Account:
    """Log in with a password."""
    return await accounts.log_in(script, USER, "pa55word", DEVICE, "desk")


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (Unreachable("x"), "does not answer"),
        (Throttled(12.3), "in 13 seconds"),
        (refused(403, "M_FORBIDDEN"), "name with this password"),
        (refused(403, "M_USER_DEACTIVATED"), "deactivated"),
        (refused(401, "M_USER_LOCKED"), "locked"),
        (refused(400, "M_INVALID_USERNAME"), "name or password"),
        (refused(404, "M_UNRECOGNIZED"), "mas-cli"),
        (refused(418, "M_TEAPOT"), "418 M_TEAPOT"),
        ({}, "does not answer"),
    ],
)
async def test_each_refusal_has_its_words(answer: Answer, what: str) -> None:
    """What hinders a log-in is told with a fix, and without a password, a token or an address."""
    with pytest.raises(OperatorError, match=what) as told:
        await log_in(Script(log_in_flows=FLOWS, log_in=answer))
    assert told.value.fix
    assert not any(secret in str(told.value) for secret in SECRETS)


@pytest.mark.parametrize(
    "flows", [{}, {"flows": None}, {"flows": [None, {"type": "m.login.sso"}]}, refused(404, "X")]
)
async def test_without_passwords_a_token_is_advised(flows: Answer) -> None:
    """Under Matrix Authentication Service no password is sent at all, and the way to a token is said."""
    script = Script(log_in_flows=flows)
    with pytest.raises(OperatorError, match="mas-cli manage issue-compatibility-token"):
        await log_in(script)
    assert [call for call, _ in script.asked] == ["log-in flows"]


async def test_an_account_shows_no_token() -> None:
    """A log-in gives the device that was chosen, and nothing of it is in a representation."""
    account = await log_in(Script(log_in_flows=FLOWS, log_in=ACCOUNT))
    assert (account.user_id, account.device_id, account.token) == (USER, DEVICE, "syt_token")
    assert not any(secret in repr(account) for secret in SECRETS)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (SignedOut("x", fix="y"), "does not take an account's access token"),
        ({"user_id": USER}, "belongs to no device"),
        ({"user_id": USER, "device_id": "OTHER"}, "another device"),
        ({}, "does not answer"),
        (Unreachable("x"), "does not answer"),
    ],
)
async def test_a_token_must_be_its_devices(answer: Answer, what: str) -> None:
    """A token that is not valid, has no device or another one is refused with the way to a right one."""
    script: Any = Script(whoami=answer)
    with pytest.raises(OperatorError, match=what) as told:
        await accounts.check_token(script, DEVICE)
    assert not any(secret in str(told.value) for secret in SECRETS)


async def test_a_token_is_needed() -> None:
    """Without a token there is nothing to check."""
    script: Any = Script()
    script.token = None
    with pytest.raises(ConfigurationError, match="no access token"):
        await accounts.check_token(script, DEVICE)


async def test_a_registration_is_signed_with_the_secret() -> None:
    """The MAC is Synapse's: over nonce, name, password and kind, and the secret itself does not go out."""
    script: Any = Script(register_nonce={"nonce": "n"}, register=ACCOUNT)
    await accounts.register(script, "secret", "desk", "pa55word", DEVICE)
    body = script.asked[-1][1]
    signed = b"n\0desk\0pa55word\0notadmin"
    assert body["mac"] == hmac.new(b"secret", signed, hashlib.sha1).hexdigest()
    assert "secret" not in body.values()


async def test_a_taken_name_is_logged_in_with() -> None:
    """A registration whose answer was lost is finished by a log-in as the same device."""
    taken = refused(400, "M_USER_IN_USE")
    script: Any = Script(register_nonce={"nonce": "n"}, register=taken, log_in_flows=FLOWS, log_in=ACCOUNT)
    account = await accounts.register(script, "secret", "desk", "pa55word", DEVICE)
    assert account.device_id == DEVICE
    assert script.asked[-1][1]["device_id"] == DEVICE


@pytest.mark.parametrize(
    ("nonce", "answer", "what"),
    [
        (refused(404, "M_UNRECOGNIZED"), {}, "no registration by shared secret"),
        (SignedOut("x", fix="y"), {}, "no registration by shared secret"),
        ({}, {}, "no registration by shared secret"),
        ({"nonce": "n"}, refused(403, "M_UNKNOWN"), "registration secret"),
        ({"nonce": "n"}, refused(400, "M_INVALID_USERNAME"), "name or password"),
        ({"nonce": "n"}, Throttled(2), "2 seconds"),
    ],
)
async def test_a_refused_registration_has_its_words(nonce: Answer, answer: Answer, what: str) -> None:
    """What hinders a registration is told with a fix."""
    script: Any = Script(register_nonce=nonce, register=answer)
    with pytest.raises(OperatorError, match=what):
        await accounts.register(script, "secret", "desk", "pa55word", DEVICE)


WANTED = {"session": "s1", "flows": [{"stages": ["m.login.sso"]}, {"stages": ["m.login.password"]}]}


class Asked:
    """A request that wants the password, as often as `times`."""

    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers
        self.auths: list[Any] = []

    async def __call__(self, auth: dict[str, Any] | None) -> dict[str, Any]:
        self.auths.append(auth)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_password_goes_out_only_when_asked_for() -> None:
    """Where nothing is asked nothing is given; where it is, the password answers that one session."""
    ask = Asked([{}])
    await accounts.with_password(ask, USER, "pa55word")
    assert ask.auths == [None]
    ask = Asked([refused(401, "UNKNOWN", **WANTED), {"done": True}])
    assert await accounts.with_password(ask, USER, "pa55word") == {"done": True}
    assert ask.auths[1]["session"] == "s1"
    assert ask.auths[1]["password"] == "pa55word"


@pytest.mark.parametrize(
    ("answers", "password", "what"),
    [
        ([refused(401, "UNKNOWN", **WANTED)], None, "wants the account's password"),
        (
            [refused(401, "X", **WANTED), refused(401, "M_FORBIDDEN", **WANTED)],
            "pa55word",
            "password is wrong",
        ),
        ([refused(401, "X", flows=[{"stages": ["m.oauth"]}])], "pa55word", "in a browser"),
        (
            [refused(401, "X", flows=[{"stages": ["m.login.password", "m.login.terms"]}])],
            "pa55word",
            "browser",
        ),
        ([refused(401, "X", flows=None)], "pa55word", "browser"),
    ],
)
async def test_what_a_password_cannot_answer(answers: list[Answer], password: str | None, what: str) -> None:
    """A missing or wrong password, or a confirmation in a browser: each is told with its fix."""
    with pytest.raises(OperatorError, match=what) as told:
        await accounts.with_password(Asked(answers), USER, password)
    assert not any(secret in str(told.value) for secret in SECRETS)


async def test_a_plain_refusal_is_no_question() -> None:
    """A 401 without flows, or any other refusal, is the caller's."""
    for answer in (refused(401, "M_X"), refused(400, "M_BAD_JSON")):
        with pytest.raises(HomeserverRefused):
            await accounts.with_password(Asked([answer]), USER, "pa55word")


@pytest.mark.parametrize("versions", [{}, {"versions": None}, {"versions": ["r0.6.1", 1]}, refused(404, "X")])
async def test_what_is_no_homeserver(versions: Answer) -> None:
    """A web server, or a homeserver older than v1.1, is told apart from one that does not answer."""
    script: Any = Script(versions=versions)
    with pytest.raises(ConfigurationError, match="not a Matrix homeserver"):
        await accounts.versions(script)


def test_the_server_of_a_matrix_id() -> None:
    """All after the first colon, ports and addresses included."""
    assert accounts.server_of("@a:home.test:8448") == "home.test:8448"
    assert accounts.server_of("@a:[::1]:8448") == "[::1]:8448"
    for wrong in ("a:home.test", "@a", "@a:", ""):
        with pytest.raises(ConfigurationError):
            accounts.server_of(wrong)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
NAMES = (
    "versions",
    "flows",
    "type",
    "user_id",
    "device_id",
    "access_token",
    "nonce",
    "device_keys",
    "failures",
)


@given(
    st.dictionaries(
        st.sampled_from(NAMES),
        anything | st.dictionaries(st.sampled_from([USER, DEVICE, *NAMES]), anything, max_size=3),
        max_size=6,
    )
)
async def test_no_answer_breaks_signing_in(answer: dict[str, Any]) -> None:
    """Whatever a homeserver answers: an account, or one of our errors."""

    class Same(Script):
        async def request(self, *args: Any, **more: Any) -> Any:
            """The same to everything."""
            return answer

    script: Any = Same()
    account = accounts.Account(USER, DEVICE, "")
    steps: tuple[Callable[[], Any], ...] = (
        lambda: accounts.versions(script),
        lambda: log_in(script),
        lambda: accounts.check_token(script, DEVICE),
        lambda: accounts.register(script, "secret", "desk", "pa55word", DEVICE),
        lambda: accounts.refuse_borrowed_device(script, account),
    )
    for step in steps:
        try:
            await step()
        except (OperatorError, Unreachable):
            continue
