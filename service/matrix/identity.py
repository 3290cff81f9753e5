"""Cross-signing: the identity that says which device is the front desk's, and that the keeper has none.

Guards: an identity is saved before it is published, so that a crash in between is taken up again; a new one
is never made unasked, since it cuts every member off until they accept it; the published chain is read back
and every link verified at each start; only a device whose keys we hold is signed; the private half of the
keeper's keys exists only while they are made. Sources: spec v1.18 "Cross-signing" and "Canonical JSON",
MSC4153, MSC3967.
"""

import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schema.errors import IdentityLost, OperatorError, Unreachable
from schema.ids import MatrixId
from service.matrix import border
from service.matrix.accounts import Password, query_keys, section, with_password
from service.matrix.transport import JSON, Transport, client_path

ROW = "identity"
"""The name of the sealed row that holds the seeds."""

_DECIDE = (
    "If nobody of yours changed it, somebody else may have signed in as the front desk: find out first. "
    "`alongside init --new-identity` makes a new one, with the account's password: then every member's "
    "client warns them, and whoever verified the front desk cannot write to it until they accept the change."
)


class Rows(Protocol):
    """The sealed rows of the instance, as one transaction sees them."""

    async def read_instance(self, name: str) -> bytes | None: ...
    async def write_instance(self, name: str, value: bytes | None) -> None: ...


class Kept(Protocol):
    """Where the seeds are kept: `service.store.Store`; what a transaction wrote is durable at its end."""

    def transaction(self, name: str) -> AbstractAsyncContextManager[Rows]: ...


def signed_by(value: object, user_id: str, public: str) -> bool:
    """Whether `value` bears a valid signature of `user_id`'s key `ed25519:public` (spec, "Signing JSON").

    False for anything malformed; never raises.
    """
    return border.is_signed(value, user_id, public, public)


class _Key:
    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = border.unpadded(self._private.public_key().public_bytes_raw())

    def described(self, user_id: str, usage: str) -> JSON:
        return {"user_id": user_id, "usage": [usage], "keys": {f"ed25519:{self.public}": self.public}}

    def sign(self, user_id: str, value: Mapping[str, Any]) -> JSON:
        """`value` with this key's signature as its only one."""
        signature = border.unpadded(self._private.sign(border.signable(value)))
        bare = {key: one for key, one in value.items() if key not in ("signatures", "unsigned")}
        return bare | {"signatures": {user_id: {f"ed25519:{self.public}": signature}}}


_USAGES = {"master_key": "master", "self_signing_key": "self_signing", "user_signing_key": "user_signing"}


@dataclass(frozen=True)
class Published:
    """An account's own keys as the homeserver shows them: cross-signing keys, and devices by their id."""

    keys: Mapping[str, JSON]
    devices: JSON

    @classmethod
    async def read(cls, transport: Transport, user_id: MatrixId) -> "Published":
        """Ask the homeserver. Raises WorldError, HomeserverRefused or SignedOut."""
        answer = await query_keys(transport, user_id, "own keys query")
        keys = {name: section(answer, f"{name}s", user_id) for name in _USAGES}
        return cls(keys, section(answer, "device_keys", user_id))

    def shows(self, device_keys: Mapping[str, Any]) -> bool:
        """Whether the device is published with just these keys."""
        there = self.devices.get(str(device_keys.get("device_id")))
        return isinstance(there, dict) and there.get("keys") == device_keys.get("keys")


class Identity:
    """The front desk's three signing keys. `seeds` are 32 secret bytes each: master, self-, user-signing."""

    def __init__(self, user_id: MatrixId, seeds: tuple[bytes, bytes, bytes]) -> None:
        self.user_id = user_id
        self._seeds = seeds
        self._master, self._self_signing, user_signing = (_Key(seed) for seed in seeds)
        self._others = {"self_signing_key": self._self_signing, "user_signing_key": user_signing}

    @classmethod
    def new(cls, user_id: MatrixId) -> "Identity":
        """Fresh random keys, neither saved nor published."""
        return cls(user_id, (_seed(), _seed(), _seed()))

    @classmethod
    def unpack(cls, user_id: MatrixId, packed: list[str]) -> "Identity":
        """What `pack` gave. Raises ValueError or TypeError."""
        master, self_signing, user_signing = (bytes.fromhex(seed) for seed in packed)
        return cls(user_id, (master, self_signing, user_signing))

    @property
    def master(self) -> str:
        """The public master key, unpadded base64; it is in the MACs of a verification."""
        return self._master.public

    def fingerprint(self) -> str:
        """The public master key in groups of four characters, to be published where people trust it."""
        return " ".join(self.master[start : start + 4] for start in range(0, len(self.master), 4))

    def keys(self) -> JSON:
        """The body of `/keys/device_signing/upload`; always the same bytes, so that it can be sent again."""
        user = self.user_id
        return {"master_key": self._master.described(user, "master")} | {
            name: self._master.sign(user, key.described(user, _USAGES[name]))
            for name, key in self._others.items()
        }

    def missing(self, published: Published) -> JSON:
        """Those of `keys` that are not published; Synapse fails on a key that it has already."""
        return {name: key for name, key in self.keys().items() if not self._holds(published, name)}

    def sign_device(self, device_keys: Mapping[str, Any]) -> JSON:
        """`device_keys` with the self-signing key's signature as its only one."""
        return self._self_signing.sign(self.user_id, device_keys)

    def fault(self, published: Published, *, to_another: bool = False) -> str:
        """What is wrong with the published keys, in words; empty where every link holds.

        `to_another`: another account looked, and is not shown the user-signing key (spec, `/keys/query`).
        """
        if not published.keys["master_key"]:
            return "The front desk's identity is not published any more"
        if not self._holds(published, "master_key"):
            return "The front desk's account has another identity than the one kept here"
        for name in self.missing(published):
            if to_another and name == "user_signing_key":
                continue
            return (
                f"The front desk's published {_USAGES[name].replace('_', '-')} key is missing or not its own"
            )
        return ""

    def _holds(self, published: Published, name: str) -> bool:
        key = published.keys[name]
        public = (self._master if name == "master_key" else self._others[name]).public
        return _is(key, self.user_id, _USAGES[name], public) and (
            name == "master_key" or signed_by(key, self.user_id, self.master)
        )

    def device_fault(self, published: Published, device_keys: Mapping[str, Any]) -> str:
        """What is wrong with our device as published; empty where it is signed and its keys are ours."""
        if not published.shows(device_keys):
            return "The homeserver shows other encryption keys for the front desk's device than it has"
        if not signed_by(
            published.devices[str(device_keys["device_id"])], self.user_id, self._self_signing.public
        ):
            return "The front desk's device is not signed by its identity"
        return ""

    def pack(self) -> list[str]:
        """The secret seeds in hexadecimal, for the sealed row alone."""
        return [seed.hex() for seed in self._seeds]


def _seed() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes_raw()


def _is(key: object, user_id: str, usage: str, public: str) -> bool:
    return (
        isinstance(key, dict)
        and key.get("user_id") == user_id
        and key.get("usage") == [usage]
        and key.get("keys") == {f"ed25519:{public}": public}
    )


async def _load(store: Kept, user_id: MatrixId) -> tuple[Identity | None, Identity | None]:
    """The identity in force and the one that was about to replace it, if any."""
    async with store.transaction("read identity") as rows:
        raw = await rows.read_instance(ROW)
    if raw is None:
        return None, None
    try:
        row = json.loads(raw)
        kept = tuple(Identity.unpack(user_id, row[name]) if row[name] else None for name in ("seeds", "next"))
        owner = row["user_id"]
    except (ValueError, KeyError, TypeError):
        raise IdentityLost(
            "The identity kept in the database is broken",
            fix="Restore the database from a backup. " + _DECIDE,
        ) from None
    if owner != user_id:
        raise IdentityLost(
            "The identity kept in the database belongs to another account",
            fix="Sign in the account that this database was made for, or use a database of its own.",
        )
    return kept[0], kept[1]


async def kept_identity(store: Kept, user_id: MatrixId) -> Identity | None:
    """The identity in force as the database has it, asked of nobody else. Raises IdentityLost, WorldError."""
    return (await _load(store, user_id))[0]


async def settled_identity(store: Kept, user_id: MatrixId) -> Identity | None:
    """The identity in force, where none is about to replace it. Raises IdentityLost, WorldError."""
    identity, following = await _load(store, user_id)
    return identity if following is None else None


async def _save(
    store: Kept, user_id: MatrixId, identity: Identity | None, following: Identity | None = None
) -> None:
    row = {
        "user_id": user_id,
        "seeds": identity.pack() if identity else None,
        "next": following.pack() if following else None,
    }
    async with store.transaction("write identity") as rows:
        await rows.write_instance(ROW, json.dumps(row).encode())


async def establish(
    transport: Transport,
    store: Kept,
    user_id: MatrixId,
    device_keys: Mapping[str, Any],
    *,
    password: Password = None,
    new: bool = False,
) -> Identity:
    """Make, or make whole, the front desk's identity, and sign its device: `alongside init`.

    `device_keys` is the device's own key object as our client uploaded it. `new` replaces whatever is
    published by fresh keys: an operator's decision. Called again, it goes on where a crash left it.
    `password` is used once, if asked for. An identity that was replaced or lost cannot be put back: Synapse
    keeps a trace of each key that was ever published, and answers 500 to it for ever. Raises IdentityLost
    where something else is published and nobody decided, or where our own is not taken again; OperatorError
    for a wrong or missing password, WorldError.
    """
    identity, following = await _load(store, user_id)
    published = await Published.read(transport, user_id)
    if following is not None and _shows(published, following):
        chosen = following
    elif new or identity is None:
        if published.keys["master_key"] and not new:
            raise IdentityLost(
                "The front desk's account has an identity already, and its keys are not in this database",
                fix="Restore the database that has them from a backup. " + _DECIDE,
            )
        # The old identity stays in the row until the new one is published and has signed the device.
        chosen = following or Identity.new(user_id)
        await _save(store, user_id, identity, chosen)
    elif published.keys["master_key"] and not _shows(published, identity):
        raise IdentityLost(identity.fault(published), fix=_DECIDE)
    else:
        chosen = identity
    if missing := chosen.missing(published):
        try:
            await _publish(transport, user_id, missing, password)
        except Unreachable as error:
            if chosen is not identity or error.status != 500:
                raise
            raise IdentityLost(
                f"{chosen.fault(published)}, and the homeserver fails when it is given the same key again",
                fix="Run `alongside init` once more. If it stays so, the homeserver cannot take this identity"
                " back: put the backup back that has it, or decide. " + _DECIDE,
            ) from None
        published = await Published.read(transport, user_id)
    await _keep_signed(transport, chosen, device_keys, published)
    if chosen is not identity:
        await _save(store, user_id, chosen)
    return chosen


async def verify_published(
    transport: Transport, store: Kept, user_id: MatrixId, device_keys: Mapping[str, Any]
) -> Identity:
    """The identity that we hold, once every published link was read back and verified: at each start.

    A device of ours that is not signed yet (a restored database has a new one) is signed by the same
    identity. Nothing is published anew here. Raises IdentityLost, WorldError.
    """
    identity, following = await _load(store, user_id)
    published = await Published.read(transport, user_id)
    chosen = following if following is not None and _shows(published, following) else identity
    if chosen is None:
        raise IdentityLost(
            "The front desk has no encryption identity in this database",
            fix="Run `alongside init`, which makes one or goes on where it was stopped. " + _DECIDE,
        )
    if fault := chosen.fault(published):
        ours = not published.keys["master_key"] or _shows(published, chosen)
        again = (
            "Run `alongside init`, which publishes the same identity again where the homeserver takes it. "
            if ours
            else ""
        )
        raise IdentityLost(fault, fix=again + _DECIDE)
    await _keep_signed(transport, chosen, device_keys, published)
    if chosen is not identity:
        await _save(store, user_id, chosen)
    return chosen


def _shows(published: Published, identity: Identity) -> bool:
    return _is(published.keys["master_key"], identity.user_id, "master", identity.master)


async def _publish(transport: Transport, user_id: MatrixId, keys: JSON, password: Password) -> None:
    async def upload(auth: JSON | None) -> JSON:
        body = keys if auth is None else keys | {"auth": auth}
        return await transport.request(
            "identity upload", "POST", client_path("keys", "device_signing", "upload"), body=body
        )

    await with_password(upload, user_id, password)


async def _keep_signed(
    transport: Transport, identity: Identity, device_keys: Mapping[str, Any], published: Published
) -> None:
    if fault := identity.fault(published):
        raise IdentityLost(fault, fix=_DECIDE)
    if not identity.device_fault(published, device_keys):
        return
    user, device, failures = identity.user_id, str(device_keys["device_id"]), False
    if published.shows(device_keys):
        answer = await transport.request(
            "device signature upload",
            "POST",
            client_path("keys", "signatures", "upload"),
            body={user: {device: identity.sign_device(device_keys)}},
        )
        failures = bool(answer.get("failures"))
        published = await Published.read(transport, user)
    if fault := identity.device_fault(published, device_keys):
        raise IdentityLost(
            fault + (" (the homeserver refused the signature)" if failures else ""),
            fix="If this account is signed in elsewhere with the same device id, end that; otherwise "
            "`alongside init --sign-in` gives the front desk a new device, signed by the same identity.",
        )


async def publish_keeper_master(transport: Transport, user_id: MatrixId, password: Password = None) -> bool:
    """Publish cross-signing keys for the keeper and let their private half go; True if that was done now.

    Where a master key is published already nothing is done. From then on a stolen token alone can publish no
    identity that clients accept: the homeserver wants the password to replace it, and nobody can sign a
    device with what is published. The private half is never written and leaves with this call; Python cannot
    promise that no copy stays in the memory of this process until it ends. `password` is used only if asked
    for. Raises OperatorError, WorldError.
    """
    if (await Published.read(transport, user_id)).keys["master_key"]:
        return False
    master, self_signing = _Key(_seed()), _Key(_seed())
    keys = {
        "master_key": master.described(user_id, "master"),
        # Clients take a master key for an identity, and warn when it changes, only beside a self-signing key.
        "self_signing_key": master.sign(user_id, self_signing.described(user_id, "self_signing")),
    }
    await _publish(transport, user_id, keys, password)
    published = await Published.read(transport, user_id)
    if not _is(published.keys["master_key"], user_id, "master", master.public):
        raise OperatorError(
            "The keeper's master key was sent and is not shown by the homeserver",
            fix="Run `alongside init` again; if it stays so, the homeserver does not support cross-signing.",
        )
    return True
