"""Signing accounts in: passwords, tokens, registration, and what may go wrong, in an operator's words.

Guards: whatever hinders a sign-in is told as an OperatorError that names the fix; a token of somebody's open
session is refused, because its device's encryption keys are in that session and not here; a password is used
for the one call that asks for it and kept nowhere; no message holds a password, a token or a Matrix ID.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from math import ceil

from schema.errors import (
    ConfigurationError,
    HomeserverRefused,
    OperatorError,
    SignedOut,
    Throttled,
    Unreachable,
)
from schema.ids import DeviceId, MatrixId
from service.matrix.transport import JSON, Transport, client_path, path

UNDER_MAS = (
    "Where Matrix Authentication Service signs people in, make a token with "
    "`mas-cli manage issue-compatibility-token USER --device-id ID`, and give the token and that device id."
)


Password = str | Callable[[], str] | None
"""An account's password: known, or asked for at the moment that it is wanted, or not to be had."""


@dataclass(frozen=True)
class Account:
    """Who we are signed in as. `token` is secret: it never leaves the configuration or a sealed row."""

    user_id: MatrixId
    device_id: DeviceId
    token: str
    made: bool = False
    """Whether it was registered just now."""

    def __repr__(self) -> str:
        """Say nothing of the account, so that no traceback does."""
        return "Account(…)"


def server_of(user_id: str) -> str:
    """The server's name in a Matrix ID: all after the first colon (spec, appendix "User Identifiers").

    Raises ConfigurationError where `user_id` is not a Matrix ID.
    """
    localpart, colon, server = user_id.partition(":")
    if not localpart.startswith("@") or not colon or not server:
        raise ConfigurationError(
            "An account's name is not a Matrix ID", fix="Write it whole, as in @desk:example.org."
        )
    return server


async def versions(transport: Transport) -> list[str]:
    """The versions of the specification that the homeserver speaks (`/versions`).

    Raises OperatorError where nothing answers, or what answers is not a Matrix homeserver.
    """
    try:
        answer = await transport.request("versions", "GET", path("_matrix", "client", "versions"), timeout=15)
    except (Unreachable, Throttled) as error:
        raise _unreachable(error, transport) from None
    except HomeserverRefused:
        answer = {}
    spoken = answer.get("versions")
    spoken = [one for one in spoken if isinstance(one, str)] if isinstance(spoken, list) else []
    if not any(one.startswith("v1.") for one in spoken):
        raise ConfigurationError(
            "What answers at this address is not a Matrix homeserver that this program can use",
            fix="Give the base URL of the client-server API, the `base_url` that "
            "https://SERVER/.well-known/matrix/client names.",
        )
    return spoken


async def log_in(transport: Transport, user: str, password: str, device_id: DeviceId, name: str) -> Account:
    """Log in with a password as device `device_id`; `name` is the device's name that others may see.

    `user` is a localpart or a whole Matrix ID. The device id is chosen by the caller, so that a log-in whose
    answer was lost can be made again without leaving a second device. Raises OperatorError (spec, "Login").
    """
    await _password_is_taken(transport)
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user},
        "password": password,
        "device_id": device_id,
        "initial_device_display_name": name,
    }
    try:
        answer = await transport.request("log in", "POST", client_path("login"), body=body)
    except (Unreachable, Throttled) as error:
        raise _unreachable(error, transport) from None
    except HomeserverRefused as error:
        raise _refused(error) from None
    return _account(answer, transport)


async def _password_is_taken(transport: Transport) -> None:
    try:
        answer = await transport.request("log-in flows", "GET", client_path("login"))
    except (Unreachable, Throttled) as error:
        raise _unreachable(error, transport) from None
    except HomeserverRefused:
        answer = {}
    flows = answer.get("flows")
    if not isinstance(flows, list) or not any(
        isinstance(flow, dict) and flow.get("type") == "m.login.password" for flow in flows
    ):
        raise OperatorError("The homeserver takes no passwords at its own door", fix=UNDER_MAS)


async def check_token(transport: Transport, device_id: DeviceId) -> Account:
    """Ask the homeserver whose token the transport has (`/account/whoami`).

    Raises OperatorError where the token is not valid, or belongs to another device than `device_id`.
    """
    token = transport.token
    if not token:
        raise ConfigurationError("An account has no access token", fix="Sign it in with `alongside init`.")
    try:
        answer = await transport.request("whoami", "GET", client_path("account", "whoami"))
    except (Unreachable, Throttled) as error:
        raise _unreachable(error, transport) from None
    except SignedOut:
        raise SignedOut(
            "The homeserver does not take an account's access token",
            fix=f"Sign the account in again with `alongside init --sign-in`. {UNDER_MAS}",
        ) from None
    except HomeserverRefused as error:
        raise _refused(error) from None
    user, device = answer.get("user_id"), answer.get("device_id")
    if not isinstance(user, str):
        raise _unreachable(Unreachable("whoami"), transport)
    if device is None:
        raise OperatorError("An account's access token belongs to no device", fix=UNDER_MAS)
    if device != device_id:
        raise ConfigurationError(
            "An account's access token belongs to another device than the one that was given",
            fix="Give the device id that was used when the token was made.",
        )
    return Account(MatrixId(user), device_id, token)


async def refuse_borrowed_device(
    transport: Transport, account: Account, own: Mapping[str, str] | None = None
) -> None:
    """Refuse a token whose device has encryption keys that are not ours.

    `own` are the keys of our device (`{"ed25519:ID": …, "curve25519:ID": …}`), None while we have none yet.
    A token copied from an open session has that session's device: the keys that decrypt are in the session,
    and two programs would spoil each other's encryption. Raises OperatorError.
    """
    answer = await query_keys(transport, account.user_id)
    devices = section(answer, "device_keys", account.user_id)
    device = devices.get(account.device_id)
    if device is None:
        return
    keys = device.get("keys") if isinstance(device, dict) else None
    if own is None or not isinstance(keys, dict) or any(keys.get(name) != key for name, key in own.items()):
        raise OperatorError(
            "This access token belongs to a device that already has encryption keys, such as an open session "
            "in Element; those keys are there and not here, and both would break",
            fix=f"Leave that session as it is and make a device for this program alone: a password, or a "
            f"fresh token. {UNDER_MAS}",
        )


async def register(
    transport: Transport,
    secret: str,
    localpart: str,
    password: str,
    device_id: DeviceId,
    *,
    admin: bool = False,
) -> Account:
    """Register an account with Synapse's registration shared secret, signed in as `device_id`.

    Where the name is taken, the password decides: it is logged in with, so that a registration whose answer
    was lost can be made again. Source: Synapse's admin API, "Shared-Secret Registration". Raises
    OperatorError.
    """
    try:
        nonce = (await transport.request("register nonce", "GET", _REGISTER)).get("nonce")
        if not isinstance(nonce, str):
            raise HomeserverRefused(404, "M_UNRECOGNIZED", "register nonce")
        answer = await transport.request(
            "register",
            "POST",
            _REGISTER,
            body={
                "nonce": nonce,
                "username": localpart,
                "password": password,
                "admin": admin,
                "device_id": device_id,
                "mac": registration_mac(secret, nonce, localpart, password, admin),
            },
        )
    except (Unreachable, Throttled) as error:
        raise _unreachable(error, transport) from None
    except SignedOut:
        raise _not_synapse() from None
    except HomeserverRefused as error:
        if error.code == "M_USER_IN_USE":
            return await log_in(transport, localpart, password, device_id, "")
        if error.code in ("M_UNRECOGNIZED", "M_NOT_FOUND") or error.status in (404, 405):
            raise _not_synapse() from None
        if error.status == 403:
            raise OperatorError(
                "The homeserver does not take the registration secret",
                fix="Give `registration_shared_secret` of Synapse's configuration, letter by letter.",
            ) from None
        raise _refused(error) from None
    return replace(_account(answer, transport), made=True)


_REGISTER = path("_synapse", "admin", "v1", "register")


def registration_mac(secret: str, nonce: str, localpart: str, password: str, admin: bool) -> str:
    """HMAC-SHA1 over the registration's fields, joined by NUL, in hexadecimal (Synapse's admin API)."""
    kind = "admin" if admin else "notadmin"
    signed = f"{nonce}\0{localpart}\0{password}\0{kind}".encode()
    return hmac.new(secret.encode(), signed, hashlib.sha1).hexdigest()


async def with_password(
    ask: Callable[[JSON | None], Awaitable[JSON]], user_id: MatrixId, password: Password
) -> JSON:
    """Make a request that may want the account's password, and give the password only if it is asked for.

    `ask` makes the request with the `auth` given (None at first). Source: spec, "User-Interactive
    Authentication"; MSC3967 for the first cross-signing upload, which asks for nothing. Raises OperatorError
    where a password is wanted and missing or wrong, or where only a browser would do.
    """
    try:
        return await ask(None)
    except HomeserverRefused as error:
        if error.status != 401 or "flows" not in error.body:
            raise
        wanted = error.body
    flows = wanted.get("flows")
    alone = [
        flow.get("stages")
        for flow in (flows if isinstance(flows, list) else [])
        if isinstance(flow, dict) and flow.get("stages") == ["m.login.password"]
    ]
    if not alone:
        raise OperatorError(
            "The homeserver wants this change confirmed in a browser, by whoever owns the account",
            fix="Open the account's page of the homeserver's log-in service, allow a reset of the encryption "
            "identity there, and run the same command again within ten minutes.",
        )
    if password is None:
        raise OperatorError(
            "The homeserver wants the account's password for this change",
            fix="Run the same command with the password; it is used once and kept nowhere.",
        )
    auth = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user_id},
        "password": password() if callable(password) else password,
        "session": wanted.get("session"),
    }
    try:
        return await ask(auth)
    except HomeserverRefused as error:
        if error.status in (401, 403):
            raise OperatorError("The password is wrong", fix="Give the account's own password.") from None
        raise


async def query_keys(transport: Transport, user_id: MatrixId, call: str = "keys query") -> JSON:
    """The published device and cross-signing keys of one user (`/keys/query`).

    Raises Unreachable where the server that has them could not be asked: no answer is not an empty one.
    """
    answer = await transport.request(
        call, "POST", client_path("keys", "query"), body={"device_keys": {user_id: []}, "timeout": 10_000}
    )
    if answer.get("failures") or not isinstance(answer.get("device_keys"), dict):
        raise Unreachable(f"{call}: no whole answer")
    return answer


def section(answer: JSON, name: str, user_id: str) -> JSON:
    """The part of a `/keys/query` answer under `name` that is `user_id`'s; empty where there is none.

    Raises Unreachable where it is not an object.
    """
    part = answer.get(name, {})
    part = part.get(user_id, {}) if isinstance(part, dict) else None
    if not isinstance(part, dict):
        raise Unreachable("keys query: not of the form that it must have")
    return part


def _account(answer: JSON, transport: Transport) -> Account:
    user, device, token = answer.get("user_id"), answer.get("device_id"), answer.get("access_token")
    if not (isinstance(user, str) and isinstance(device, str) and isinstance(token, str)):
        raise _unreachable(Unreachable("log in"), transport)
    return Account(MatrixId(user), DeviceId(device), token)


def _not_synapse() -> OperatorError:
    return OperatorError(
        "The homeserver offers no registration by shared secret at this address",
        fix="It is Synapse's own, under /_synapse/admin on an address that may be closed to the outside: use "
        "Synapse's own address, or make the accounts otherwise and sign in with a password or a token.",
    )


def _unreachable(error: Unreachable | Throttled, transport: Transport) -> OperatorError:
    if isinstance(error, Throttled):
        return OperatorError(
            f"The homeserver wants fewer log-ins: it takes the next one in {ceil(error.retry_after)} seconds",
            fix="Wait that long and run the same command again.",
        )
    return OperatorError(
        f"The homeserver does not answer at {transport.homeserver}",
        fix="See that it runs, that the URL is right, and that this machine can reach it.",
        key="homeserver.url",
        variable="ALONGSIDE_HOMESERVER__URL",
    )


def _refused(error: HomeserverRefused) -> OperatorError:
    match error.code:
        case "M_FORBIDDEN":
            return OperatorError(
                "The homeserver does not take this name with this password",
                fix="Check both; a wrong name and a wrong password look the same.",
            )
        case "M_USER_DEACTIVATED":
            return OperatorError(
                "The account is deactivated", fix="Use another account, or have this one activated again."
            )
        case "M_USER_LOCKED" | "M_USER_SUSPENDED" | "ORG_MATRIX_MSC3823_USER_ACCOUNT_SUSPENDED":
            return OperatorError(
                "The account is locked or suspended", fix="Have the homeserver's administrator free it."
            )
        case "M_INVALID_USERNAME" | "M_EXCLUSIVE" | "M_WEAK_PASSWORD" | "M_PASSWORD_TOO_SHORT":
            return ConfigurationError(
                f"The homeserver does not take the account's name or password ({error.code})",
                fix="Choose another name (lowercase letters, digits, and ._=-/) or a longer password.",
            )
        case "M_UNRECOGNIZED" | "M_UNKNOWN":
            return OperatorError(
                f"The homeserver does not know this way to sign in ({error.status} {error.code})",
                fix=UNDER_MAS,
            )
        case _:
            return OperatorError(
                f"The homeserver refused the account ({error.status} {error.code})",
                fix="Ask whoever runs the homeserver what this code means for this account.",
            )
