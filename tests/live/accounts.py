"""Our own accounts on a real homeserver, signed in as the service signs them in."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from vodozemac import Account as Machine

from schema.ids import DeviceId, MatrixId
from service.matrix.accounts import register
from service.matrix.border import canonical
from service.matrix.transport import Transport, client_path
from tests.live.homeserver import Homeserver

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Signed:
    """An account of ours: `transport` speaks as it."""

    transport: Transport
    user_id: MatrixId
    device_id: DeviceId


@asynccontextmanager
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """One HTTP session without limits of its own."""
    async with aiohttp.ClientSession() as opened:
        yield opened


async def sign_in(opened: aiohttp.ClientSession, homeserver: Homeserver, name: str) -> Signed:
    """Register an account called `name` and something random."""
    transport = Transport(opened, homeserver.url)
    localpart = f"{name}-{secrets.token_hex(4)}"
    account = await register(
        transport, homeserver.shared_secret, localpart, PASSWORD, DeviceId(f"{name}device")
    )
    transport.token = account.token
    return Signed(transport, account.user_id, account.device_id)


async def upload_device(account: Signed, machine: Machine | None = None) -> dict[str, Any]:
    """Give the account's device encryption keys, as a client does, and return them."""
    machine = machine or Machine()
    keys: dict[str, Any] = {
        "user_id": account.user_id,
        "device_id": account.device_id,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": {
            f"ed25519:{account.device_id}": machine.ed25519_key.to_base64(),
            f"curve25519:{account.device_id}": machine.curve25519_key.to_base64(),
        },
    }
    signature = machine.sign(canonical(keys)).to_base64()
    keys["signatures"] = {account.user_id: {f"ed25519:{account.device_id}": signature}}
    place = client_path("keys", "upload")
    await account.transport.request("keys upload", "POST", place, body={"device_keys": keys})
    return keys
