"""`alongside init`: from a few answers to two signed-in accounts, a sealing key and a whole configuration.

Guards: nothing that exists is overwritten, and whatever is missing is made, so that running it twice changes
nothing and running it after a crash goes on where it was. Answers are on disk before anything is asked of the
homeserver, and the device ids with them, so that a log-in whose answer was lost leaves no second device.
Secrets lie in files of mode 0600. No password is kept: the keeper's is used for its one log-in.
"""

import base64
import errno
import hashlib
import hmac
import os
import re
import secrets
import tomllib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import aiohttp

from schema.errors import AlongsideError, ConfigurationError, KeeperNotDeaf, LeaseHeld, OperatorError
from schema.ids import DeviceId, MatrixId
from service import config
from service.clock import SystemClock
from service.config import Settings, Toml, agreement
from service.lease import Lease
from service.matrix import stewards
from service.matrix.accounts import (
    Account,
    check_token,
    log_in,
    query_keys,
    refuse_borrowed_device,
    register,
    section,
    versions,
)
from service.matrix.chats import Chats
from service.matrix.client import Client
from service.matrix.crypto_store import CryptoRows, device_of
from service.matrix.identity import (
    Identity,
    Published,
    establish,
    publish_keeper_master,
    settled_identity,
)
from service.matrix.machine import Machine
from service.matrix.transport import Transport, client_path
from service.store import Store

Role = Literal["desk", "keeper"]

_NAMES = {"desk": "front desk", "keeper": "keeper"}
_DEVICE_NAME = "Alongside"
"""What others may see as the device's name; it says nothing that the account's name does not."""


@dataclass(frozen=True)
class Access:
    """How an account without a token gets one: exactly one of the three; `device` goes with a token."""

    password: str | None = None
    token: str | None = None
    device: DeviceId | None = None
    registration_secret: str | None = None

    def password_for(self, user: str) -> str | None:
        """Return the account's password as far as this says it.

        A registered account's is worked out of the registration secret, so that a registration whose answer
        was lost can be made again and nothing needs to be kept.
        """
        if self.registration_secret is None:
            return self.password
        derived = hmac.new(self.registration_secret.encode(), f"alongside {user}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(derived.digest()).decode().rstrip("=")


class Asking(Protocol):
    """Whoever answers: a person at a terminal, or options. Raises OperatorError for what nobody answers."""

    def answers(self) -> Mapping[str, Toml]:
        """Return the keys of a new configuration, by dotted name; tokens and the sealing key are made."""
        ...

    def access(self, role: Role, user: str) -> Access:
        """Return how the account `user` is signed in."""
        ...

    def password(self, role: Role, user: str) -> str:
        """Return the account's password, which the homeserver wants to see again."""
        ...

    def tell(self, line: str) -> None:
        """Say what was done."""
        ...


@asynccontextmanager
async def session(settings: Settings) -> AsyncIterator[aiohttp.ClientSession]:
    """Open connections to the homeserver, vouched for by the configured authority if there is one."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=settings.tls())) as opened:
        yield opened


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_secretly(path: Path, text: str, *, replace: bool = False) -> None:
    """Write `text` to `path` whole or not at all, durably, with mode 0600.

    Raises FileExistsError where it is there already, unless it is to be replaced; OperatorError where it
    cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(path.parent, error) from None
    try:
        _write(path, text, replace)
    except FileExistsError:
        raise
    except OSError as error:
        raise _cannot_write(path, error) from None


def _cannot_write(path: Path, error: OSError) -> OperatorError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return OperatorError(
        f"{path} cannot be written ({error.strerror})",
        fix="Make room on that disk, and run it again."
        if full
        else "Let this program's user write there, or name another place.",
    )


def _write(path: Path, text: str, replace: bool) -> None:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            beside.replace(path)
        else:
            path.hardlink_to(beside)
    finally:
        beside.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _new_device() -> str:
    return "ALONGSIDE" + base64.b32encode(secrets.token_bytes(5)).decode()


def write_configuration(place: Path, answers: Mapping[str, Toml]) -> None:
    """Write a new configuration with `answers`, checked as a whole before it is there.

    Raises ConfigurationErrors with nothing written.
    """
    values = {
        "desk.token_file": "secrets/desk.token",
        "desk.device_id": _new_device(),
        "keeper.token_file": "secrets/keeper.token",
        "keeper.device_id": _new_device(),
        "keys.sealing_key_file": "secrets/sealing-key",
        **answers,
    }
    text = config.render(values)
    draft = place.with_name(f".{place.name}.draft")
    write_secretly(draft, text, replace=True)
    try:
        config.load(draft, unfinished=True)
        write_secretly(place, text)
    finally:
        draft.unlink(missing_ok=True)


def change_device(place: Path, role: Role, device: str) -> None:
    """Put another device id into the configuration at `place`, and touch nothing else in it.

    Raises ConfigurationError where it is not written there on a line of its own.
    """
    text = place.read_text(encoding="utf-8")
    before = tomllib.loads(text)
    table = re.search(rf"^\[{role}\]\s*$(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
    if table is not None:
        changed, count = re.subn(
            r'^(\s*device_id\s*=\s*)"[^"\\]*"', rf'\g<1>"{device}"', table[1], flags=re.MULTILINE
        )
        text = text[: table.start(1)] + changed + text[table.end(1) :]
        before[role]["device_id"] = device
        if count == 1 and tomllib.loads(text) == before:
            write_secretly(place, text, replace=True)
            return
    raise ConfigurationError(
        f"The {_NAMES[role]}'s device is not written in the configuration on a line of its own",
        fix=f"Set {role}.device_id to a new name by hand, remove the token's file, and run `alongside init`.",
        key=f"{role}.device_id",
        variable=f"ALONGSIDE_{role.upper()}__DEVICE_ID",
    )


async def install(
    place: Path, asking: Asking, *, anew: Collection[Role] = (), new_identity: bool = False
) -> str:
    """Make the configuration at `place` and everything that it names whole; returns the desk's fingerprint.

    The accounts in `anew` get new log-ins, and the desk a new device, signed by the same identity.
    `new_identity` replaces the desk's identity: an operator's decision. Raises OperatorError, WorldError,
    HomeserverRefused.
    """
    if not place.exists():  # noqa: ASYNC240  Nothing else runs in this program meanwhile.
        write_configuration(place, asking.answers())
        asking.tell(f"Wrote {place}")
    settings = config.load(place, unfinished=True)
    async with session(settings) as opened:
        await _reach(place, settings, opened)
        _make_key(settings, asking)
        draft_agreement(settings, asking.tell)
        if anew:
            await _sign_out(place, settings, opened, asking, anew)
            settings = config.load(place, unfinished=True)
        await _make_keeper(place, settings, opened, asking)
        if "desk.token" in settings.pending:
            await _token(place, settings, opened, asking, "desk")
        settings = config.load(place)
        return await _settle_desk(settings, opened, asking, new_identity)


async def _reach(place: Path, settings: Settings, opened: aiohttp.ClientSession) -> None:
    """See that the homeserver answers. Raises OperatorError, which says where the address was read."""
    try:
        await versions(Transport(opened, settings.homeserver.url))
    except OperatorError as error:
        source = settings.sources.get("homeserver.url", "")
        where = str(place) if source == "configuration file" else f"the {source}"
        raise OperatorError(
            error.problem,
            fix=f"{error.fix} The address {settings.homeserver.url} is from {where}: correct it there.",
            key="homeserver.url",
            variable="ALONGSIDE_HOMESERVER__URL",
        ) from None


def draft_agreement(settings: Settings, tell: Callable[[str], None]) -> None:
    """Write the draft of an agreement in each of the community's languages, where there is none yet.

    The first language's file comes last: where it is there the community has decided which others it wants.
    """
    files = agreement.files(settings)
    (first, main), *others = files.items()
    if main.exists():
        return
    for language, file in (*others, (first, main)):
        text = agreement.draft(settings, language)
        if text is None and file == main:
            text = agreement.draft(settings, agreement.FIRST)
        if text is None or file.exists():
            continue
        write_secretly(file, text)
        count = sum(1 for _ in agreement.open_points(text))
        tell(
            f"Wrote {file}, the draft of an agreement: finish it with your community. It has {count} open"
            " points, and nothing starts before they are filled in"
            + ("" if file == main else ", or the file is removed: members then read the first one")
        )


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode() + "\n"


def _make_key(settings: Settings, asking: Asking) -> None:
    path = settings.pending.get("keys.sealing_key")
    if path is None:
        return
    database = settings.database_file()
    if database is not None and database.exists():
        raise ConfigurationError(
            f"There is a database, {database}, and its sealing key is gone: {path}",
            fix="Put the key back from where you keep its copy. Without it nothing in there can be read; to"
            " start anew, move the database away first.",
            key="keys.sealing_key_file",
            variable="ALONGSIDE_KEYS__SEALING_KEY_FILE",
        )
    write_secretly(path, _new_key())
    asking.tell(f"Made the sealing key, {path}: keep a copy of it, apart from the database's backups")


async def _sign_out(
    place: Path,
    settings: Settings,
    opened: aiohttp.ClientSession,
    asking: Asking,
    anew: Collection[Role],
) -> None:
    """End log-ins and forget their tokens; a token that is no good any more is no hindrance."""
    for role in anew:
        token = settings.desk.token if role == "desk" else settings.keeper.token
        file = settings.secret_file(f"{role}.token")
        if token is None or file is None:
            raise ConfigurationError(
                f"The {_NAMES[role]}'s token does not come from a file that this program may replace",
                fix=f"Set {role}.token_file instead, or put a new token there yourself.",
                key=f"{role}.token",
                variable=f"ALONGSIDE_{role.upper()}__TOKEN",
            )
        if f"{role}.token" in settings.pending:
            # The token is lost, and its device has keys that no other log-in may take over.
            if role == "desk":
                change_device(place, "desk", _new_device())
            continue
        # The new device is named before the old one ends: a crash in between only asks for a new log-in.
        if role == "desk":
            change_device(place, "desk", _new_device())
        transport = Transport(opened, settings.homeserver.url, token.reveal())
        try:
            await transport.request("log out", "POST", client_path("logout"), body={})
        except AlongsideError:
            asking.tell(f"The {_NAMES[role]}'s old log-in was over already, or could not be ended")
        file.unlink(missing_ok=True)


async def _account(
    settings: Settings, opened: aiohttp.ClientSession, role: Role, user: MatrixId, device: str, access: Access
) -> Account:
    """Sign one account in as `access` says, and see that it is the right one and its device is ours alone."""
    url = settings.homeserver.url
    if access.token is not None:
        transport = Transport(opened, url, access.token)
        account = await check_token(transport, DeviceId(device))
    else:
        transport = Transport(opened, url)
        password = access.password_for(user) or ""
        if access.registration_secret is not None:
            localpart = user.partition(":")[0].removeprefix("@")
            account = await register(
                transport, access.registration_secret, localpart, password, DeviceId(device)
            )
        else:
            account = await log_in(transport, user, password, DeviceId(device), _DEVICE_NAME)
    if account.user_id != user:
        raise ConfigurationError(
            f"The homeserver signed in another account than {role}.user says",
            fix="Check the account's name and the token; give those of the same account.",
            key=f"{role}.user",
            variable=f"ALONGSIDE_{role.upper()}__USER",
        )
    await refuse_borrowed_device(Transport(opened, url, account.token), account)
    return account


async def _token(
    place: Path, settings: Settings, opened: aiohttp.ClientSession, asking: Asking, role: Role
) -> str:
    """Sign an account in whose token's file is not there yet; returns the token."""
    user, device = (
        (settings.desk_user, settings.desk.device_id)
        if role == "desk"
        else (settings.keeper_user, settings.keeper.device_id)
    )
    access = asking.access(role, user)
    account = await _account(settings, opened, role, user, access.device or device or _DEVICE_NAME, access)
    if access.device is not None and access.device != device:
        change_device(place, role, access.device)
    write_secretly(settings.pending[f"{role}.token"], account.token + "\n")
    asking.tell(f"Registered the {_NAMES[role]}" if account.made else f"Signed the {_NAMES[role]} in")
    return account.token


async def _make_keeper(
    place: Path, settings: Settings, opened: aiohttp.ClientSession, asking: Asking
) -> None:
    user, token = settings.keeper_user, settings.keeper.token.reveal()
    if "keeper.token" in settings.pending:
        token = await _token(place, settings, opened, asking, "keeper")
    transport = Transport(opened, settings.homeserver.url, token)
    if section(await query_keys(transport, user), "device_keys", user):
        raise KeeperNotDeaf(
            "The keeper has a device with encryption keys, so that somebody could send it a room's keys",
            fix="Sign it out everywhere in an app where it is signed in, or use an account that nobody uses.",
            key="keeper.user",
            variable="ALONGSIDE_KEEPER__USER",
        )
    if await publish_keeper_master(transport, user, lambda: asking.password("keeper", user)):
        asking.tell("Published the keeper's master key; its private half is gone")


async def _settle_desk(
    settings: Settings, opened: aiohttp.ClientSession, asking: Asking, new_identity: bool
) -> str:
    """See that the desk is cross-signed and the stewards have their room; returns the fingerprint."""
    standing = None if new_identity else await _standing(settings, opened)
    if standing is None:
        return await _cross_sign(settings, opened, asking, new_identity)
    if settings.community_section.stewards and not await _has_steward_room(settings):
        try:
            return await _cross_sign(settings, opened, asking, new_identity)
        except LeaseHeld:
            asking.tell("The service is running: it makes the stewards' room when it starts next")
    return standing.fingerprint()


async def _has_steward_room(settings: Settings) -> bool:
    store = await Store.look(settings.database_url(), settings.sealing_key())
    try:
        async with store.reading() as transaction:
            return await stewards.kept(transaction) is not None
    finally:
        await store.close()


async def _cross_sign(
    settings: Settings, opened: aiohttp.ClientSession, asking: Asking, new_identity: bool
) -> str:
    # The whole service comes with this import, and nothing before this line needs it.
    from service.app import sign_in

    user, clock = settings.desk_user, SystemClock()
    async with Lease.take(settings.database_url()) as lease:
        store = await Store.open(settings.database_url(), settings.sealing_key(), lease)
        try:
            transport, device = await sign_in(settings, store, opened, clock)
            await _take_device(store, device)
            client = Client(transport, store, user, device, clock)
            await client.start()
            identity = await establish(
                transport,
                store,
                user,
                client.device_keys(),
                password=lambda: asking.password("desk", user),
                new=new_identity,
            )
            if new_identity:
                asking.tell("Made a new identity")
            named = settings.community().stewards
            async with store.reading() as transaction:
                had = await stewards.kept(transaction)
            # Whoever is invited sees a desk that is signed already; later changes are seen to at each start.
            if named and had is None and await stewards.tend(client, store, named) is not None:
                asking.tell("Made the stewards' room, encrypted, and invited them to it")
            return identity.fingerprint()
        finally:
            await store.close()


async def _standing(settings: Settings, opened: aiohttp.ClientSession) -> Identity | None:
    """The desk's identity where it is whole and published and its device signed; nothing is written.

    Where the desk signs in by its password the keeper looks: a log-in would end that of a running service.
    """
    user, token = settings.desk_user, settings.desk.token
    try:
        store = await Store.look(settings.database_url(), settings.sealing_key())
    except OperatorError:
        return None
    try:
        identity = await settled_identity(store, user)
        async with store.reading() as transaction:
            rows = await transaction.read_crypto()
            kept = await transaction.read_instance("desk_device")
    finally:
        await store.close()
    device = settings.desk_device if token is not None else kept and DeviceId(kept.decode())
    if identity is None or not device or kept != device.encode() or device_of(rows) != device:
        return None
    transport = Transport(opened, settings.homeserver.url, (token or settings.keeper.token).reveal())
    if token is not None:
        await check_token(transport, device)
    chats = Chats(user, [])
    machine = Machine.load(user, device, CryptoRows(store.seal.lookup), rows, SystemClock().now(), chats)
    published = await Published.read(transport, user)
    faulty = identity.fault(published, to_another=token is None) or identity.device_fault(
        published, machine.device_keys()
    )
    return None if faulty else identity


async def _take_device(store: Store, device: DeviceId) -> None:
    """Let go of another device's encryption state: its keys can decrypt nothing that is sent to this one."""
    async with store.transaction("take device") as transaction:
        rows = await transaction.read_crypto()
        # The rows themselves say whose they are: a start with a device that was given up may have made them.
        if device_of(rows) not in (None, device):
            await transaction.write_crypto({(kind, row): None for kind, row, _ in rows})
        if await transaction.read_instance("desk_device") != device.encode():
            await transaction.write_instance("desk_device", device.encode())


async def rotate_key(settings: Settings, kept: str) -> Path:
    """Make a new sealing key and seal everything anew; the old key goes to a file beside, named by `kept`.

    Crash-safe: run again, it goes on where it was. Raises OperatorError, WorldError.
    """
    path = settings.secret_file("keys.sealing_key")
    if path is None:
        raise OperatorError(
            "The sealing key does not come from a file that this program may replace",
            fix="Put it into a file and set keys.sealing_key_file, rotate, and move the new key back.",
            key="keys.sealing_key",
            variable="ALONGSIDE_KEYS__SEALING_KEY",
        )
    old = path.with_name(f"{path.name}.{kept}")
    following = path.with_name(f"{path.name}.new")

    def adopt() -> None:
        old.hardlink_to(path)
        following.replace(path)
        _sync_folder(path.parent)

    async with Lease.take(settings.database_url()) as lease:
        store = await Store.open(settings.database_url(), settings.sealing_key(), lease, existing=True)
        try:
            if not following.exists():
                write_secretly(following, _new_key())
            await store.rotate(config.read_key(following.read_text(encoding="utf-8")), adopt)
        finally:
            await store.close()
    return old
