"""`alongside doctor`: looks at everything that must be as it should be, and says what to do where it is not.

Guards: it changes nothing, works beside a running service, and one thing that is amiss hides no other.
"""

import asyncio
import email.utils
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Literal

import aiohttp

from schema.errors import (
    AlongsideError,
    ConfigurationError,
    ConfigurationErrors,
    HomeserverRefused,
    LeaseHeld,
    OperatorError,
    SignedOut,
    Throttled,
    WorldError,
)
from schema.ids import DeviceId, MatrixId
from schema.records import Link
from schema.states import LinkState, MakingState
from service import web
from service.config import Settings, agreement
from service.core import links
from service.lease import Lease
from service.matrix.accounts import check_token, query_keys, section, versions
from service.matrix.identity import Published, kept_identity, signed_by
from service.matrix.transport import Transport, path
from service.store import Store

_PATIENCE = 20.0
"""Seconds for one check."""

State = Literal["ok", "look", "fail", "skip"]


@dataclass(frozen=True)
class Finding:
    """What one check found. `fix` is a whole sentence; empty where nothing is to be done."""

    name: str
    state: State
    says: str
    fix: str = ""


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Yield the findings, one after the other, as they come."""
    dates: list[tuple[datetime, datetime]] = []
    async with _session(settings, dates) as opened:
        url = settings.homeserver.url
        anyone = Transport(opened, url)
        reached = await _look("homeserver", lambda: _homeserver(anyone))
        yield reached
        yield _clock(dates)
        token = settings.desk.token
        desk = None if token is None else Transport(opened, url, token.reveal())
        keeper = Transport(opened, url, settings.keeper.token.reveal())
        admin = settings.admin.token
        away = "not looked at, because the homeserver does not answer"
        for name, check in (
            ("front desk", lambda: _desk(settings, desk)),
            ("identity", lambda: _chain(settings, keeper)),
            ("keeper", lambda: _keeper(settings, keeper)),
            (
                "rate limits",
                lambda: _limits(settings, None if admin is None else Transport(opened, url, admin.reveal())),
            ),
        ):
            yield await _look(name, check) if reached.state == "ok" else Finding(name, "skip", away)
    yield await _look("agreement", lambda: _agreement(settings))
    yield _erasure(settings)
    yield await _look("port", lambda: _port(settings))
    yield await _look("database", lambda: _database(settings))
    for number, link in enumerate(await _links(settings), 1):
        yield look_at_link(f"link {number}", link, datetime.now(UTC))


@asynccontextmanager
async def _session(
    settings: Settings, dates: list[tuple[datetime, datetime]]
) -> AsyncIterator[aiohttp.ClientSession]:
    """Open connections that note each answer's `Date` beside our own time."""
    tracing = aiohttp.TraceConfig()

    async def note(_: aiohttp.ClientSession, __: SimpleNamespace, end: aiohttp.TraceRequestEndParams) -> None:
        try:
            theirs = email.utils.parsedate_to_datetime(end.response.headers.get("Date", ""))
        except ValueError:
            return
        if theirs.tzinfo is not None:
            dates.append((theirs, datetime.now(UTC)))

    tracing.on_request_end.append(note)
    connector = aiohttp.TCPConnector(ssl=settings.tls())
    async with aiohttp.ClientSession(connector=connector, trace_configs=[tracing]) as opened:
        yield opened


async def _look(name: str, check: Callable[[], Awaitable[tuple[State, str, str]]]) -> Finding:
    try:
        async with asyncio.timeout(_PATIENCE):
            return Finding(name, *await check())
    except SignedOut as error:
        return Finding(name, "fail", error.problem, error.fix)
    except OperatorError as error:
        where = f" ({error.key}, environment variable {error.variable})" if error.variable else ""
        return Finding(name, "fail", f"{error.problem}{where}", error.fix)
    except Throttled as error:
        return Finding(
            name, "look", f"the homeserver asks for {error.retry_after:.0f} s of patience", "Try again then."
        )
    except (WorldError, TimeoutError):
        return Finding(
            name, "fail", "no answer in time", "See that it runs and that this machine reaches it."
        )
    except HomeserverRefused as error:
        return Finding(name, "fail", f"refused: {error.status} {error.code}", "See the homeserver's own log.")
    except AlongsideError as error:
        return Finding(name, "fail", type(error).__name__, "Run `alongside check-config`.")


async def _homeserver(transport: Transport) -> tuple[State, str, str]:
    spoken = [version for version in await versions(transport) if re.fullmatch(r"v1\.[0-9]{1,4}", version)]
    newest = max(spoken, key=lambda version: int(version[3:]), default="v1, without saying which")
    return "ok", f"answers, and speaks Matrix {newest}", ""


def _clock(dates: list[tuple[datetime, datetime]]) -> Finding:
    if not dates:
        return Finding("clock", "skip", "the homeserver told no time")
    theirs, ours = dates[-1]
    # A `Date` header has whole seconds, and the answer took some time to come.
    apart = abs((ours - theirs).total_seconds())
    if apart <= 5:
        return Finding("clock", "ok", "this machine and the homeserver agree")
    return Finding(
        "clock",
        "look" if apart < 60 else "fail",
        f"{apart:.0f} seconds apart from the homeserver's",
        "Set both machines' clocks by NTP: check-ins and rooms' ends go by this machine's.",
    )


async def _desk(settings: Settings, transport: Transport | None) -> tuple[State, str, str]:
    if transport is None or settings.desk_device is None:
        return "skip", "signs in with its password at each start", ""
    account = await check_token(transport, settings.desk_device)
    if account.user_id != settings.desk_user:
        return "fail", "the token is another account's", "Run `alongside init --sign-in`."
    return "ok", "its token and device are good", ""


async def _chain(settings: Settings, transport: Transport) -> tuple[State, str, str]:
    """See that the published identity is the one kept here, and that it signs the desk's device."""
    user = settings.desk_user
    published = await Published.read(transport, user)
    master = _public(published.keys["master_key"])
    self_signing = _public(published.keys["self_signing_key"])
    init = "Run `alongside init`."
    if not master:
        return "fail", "the front desk has published no identity", init
    if not self_signing:
        return "fail", "the front desk's published identity is not whole", init
    if not signed_by(published.keys["self_signing_key"], user, master):
        return "fail", "the published self-signing key is not signed by the identity", init
    device = settings.desk_device
    keys = (
        published.devices.get(device) if device is not None else next(iter(published.devices.values()), None)
    )
    if not isinstance(keys, dict):
        return "fail", "the front desk's device has published no keys", init
    if not signed_by(keys, user, self_signing):
        return "fail", "the front desk's device is not signed by its identity", init
    others = len(published.devices) - 1
    kept = await _kept(settings, user)
    if kept is None:
        return "look", "whole, as far as the homeserver shows it; the database was not read", ""
    if kept != master:
        return (
            "fail",
            "the homeserver shows another identity than the database holds",
            "Find out who changed it before you start the service. OPERATING.md says what to do then.",
        )
    if others:
        return (
            "look",
            f"whole; the account has {others} more devices with keys",
            "Sign the front desk out of apps: whoever has such a device can read what members write.",
        )
    return "ok", "whole: published, ours, and the device is signed by it", ""


def _public(key: object) -> str:
    keys = key.get("keys") if isinstance(key, dict) else None
    values = list(keys.values()) if isinstance(keys, dict) else []
    return values[0] if len(values) == 1 and isinstance(values[0], str) else ""


async def _kept(settings: Settings, user: MatrixId) -> str | None:
    try:
        store = await Store.look(settings.database_url(), settings.sealing_key())
    except AlongsideError:
        return None
    try:
        identity = await kept_identity(store, user)
        return None if identity is None else identity.master
    finally:
        await store.close()


async def _keeper(settings: Settings, transport: Transport) -> tuple[State, str, str]:
    user = settings.keeper_user
    if settings.keeper.device_id is not None:
        account = await check_token(transport, DeviceId(settings.keeper.device_id))
        if account.user_id != user:
            return "fail", "the token is another account's", "Run `alongside init --sign-in`."
    keys = await query_keys(transport, user)
    if section(keys, "device_keys", user):
        return (
            "fail",
            "it is not deaf: it has a device with encryption keys, and no room will open",
            "Sign it out of every app, or remove that device in the homeserver's administration.",
        )
    if not section(keys, "master_keys", user):
        return (
            "look",
            "deaf, but without a master key, so that a thief could make it hear",
            "Run `alongside init`.",
        )
    return "ok", "signed in, and deaf: it has no encryption key", ""


async def _limits(settings: Settings, admin: Transport | None) -> tuple[State, str, str]:
    users = (settings.desk.user, settings.keeper.user)
    how = (
        "A Synapse administrator lifts them, for each of the two accounts, with POST"
        " /_synapse/admin/v1/users/USER/override_ratelimit and the body"
        ' {"messages_per_second": 0, "burst_count": 0}.'
    )
    if admin is None:
        return (
            "look",
            (
                "not known without admin.token. With Synapse's defaults about ten rooms open at once, then"
                " one a minute; what waits is done later, in order"
            ),
            how,
        )
    held = []
    for user in users:
        place = path("_synapse", "admin", "v1", "users", user, "override_ratelimit")
        answer = await admin.request("rate limit", "GET", place)
        if answer.get("messages_per_second") != 0:
            held.append(user)
    if held:
        return "look", f"{len(held)} of the two accounts are held to the homeserver's limits", how
    return "ok", "lifted for both accounts", ""


async def _agreement(settings: Settings) -> tuple[State, str, str]:
    try:
        agreements = agreement.read(settings)
    except ConfigurationErrors as errors:
        first, *others = errors.problems
        more = f"; and {len(others)} more, which `alongside check-config` names" if others else ""
        return "fail", f"{first.problem}{more}", first.fix
    if drafts := list(agreement.still_drafts(settings)):
        return "look", drafts[0], ""
    return "ok", f"is finished, in {len(agreements)} language{'s' if len(agreements) > 1 else ''}", ""


def _erasure(settings: Settings) -> Finding:
    if settings.admin.token is not None:
        return Finding("erasure", "ok", "the service has the homeserver delete each room that is over")
    if settings.homeserver.forgets_rooms:
        return Finding("erasure", "ok", "the homeserver deletes rooms that are over, says the configuration")
    return Finding(
        "erasure",
        "look",
        "rooms that are over stay on the homeserver, encrypted, and members are told so",
        ERASURE,
    )


ERASURE = (
    "OPERATING.md shows how it forgets them, at `forgotten_room_retention_period`. Then set"
    " homeserver.forgets_rooms."
)


async def _port(settings: Settings) -> tuple[State, str, str]:
    try:
        await web.see_free(settings.web.host, settings.web.port)
    except ConfigurationError:
        try:
            await Lease.see_free(settings.database_url())
        except LeaseHeld:
            return "ok", f"{settings.web.port} is held, by the service that runs now as it seems", ""
        raise
    return "ok", f"{settings.web.port or 'any'} is free", ""


async def _database(settings: Settings) -> tuple[State, str, str]:
    store = await Store.look(settings.database_url(), settings.sealing_key())
    await store.close()
    try:
        await Lease.see_free(settings.database_url())
    except LeaseHeld as held:
        return "ok", f"opens with the sealing key. {held.problem}", ""
    return "ok", "opens with the sealing key; no service runs on it now", ""


async def _links(settings: Settings) -> list[Link]:
    """The links that there are, in one order; none where the database's own finding says what is amiss."""
    try:
        async with asyncio.timeout(_PATIENCE):
            store = await Store.look(settings.database_url(), settings.sealing_key())
            try:
                async with store.reading() as transaction:
                    return sorted(await transaction.find(Link), key=lambda link: link.id)
            finally:
                await store.close()
    except (AlongsideError, TimeoutError):
        return []


def look_at_link(name: str, link: Link, now: datetime) -> Finding:
    """How a link stands. Whom it is with is not said: what `doctor` finds is shown to others."""
    says, fix = [_STANDS[link.state]], ""
    making = link.making
    if (at := links.says_again_at(link)) is not None and link.here:
        says.append(f"new keys wait for the other side's program, which is asked again {_when(at)}")
    elif making is not None and making.state is MakingState.SHOWN:
        says.append("new keys wait for our stewards to compare the six words")
        fix = "A steward writes `links` in their room, and reads there what to do."
    elif making is not None and making.state is MakingState.CONFIRMED:
        says.append("new keys wait for the other side's stewards to compare the six words")
    if (at := links.takes_again_at(link, now)) is not None:
        says.append(f"the other side began new keys too often for a day, and can again {_when(at)}")
    if link.heard_at is not None:
        says.append(f"the last word from there came {_ago(now - link.heard_at)}")
    if not link.here:
        says.append("its program is not in the room")
        fix = fix or "Ask its stewards, by another way, whether it runs. A steward here can cut the link."
    if link.state is not LinkState.LINKING and link.their_terms is not None:
        until = links.agreed(link).until
        says.append(f"its terms end {_when(until)}")
        if until - now <= links.NOTICE:
            fix = fix or "Stewards can say a later end with `terms`, on each side whose end is near."
    if link.state is LinkState.RESYNC:
        fix = fix or "A steward writes `links` in their room, and reads there what is waited for."
    return Finding(name, "look" if fix else "ok", "; ".join(says), fix)


_STANDS = {
    LinkState.LINKING: "is being made",
    LinkState.LIVE: "stands",
    LinkState.PAUSED: "stands, and is paused",
    LinkState.RESYNC: "carries nothing until new keys are made and both sides have compared the words",
    LinkState.CUT: "is cut",
    LinkState.EXPIRED: "has ended",
}


def _when(at: datetime) -> str:
    return f"on {at:%Y-%m-%d} at {at:%H:%M} UTC"


def _ago(length: timedelta) -> str:
    minutes = max(0, int(length.total_seconds() // 60))
    for unit, size in (("days", 24 * 60), ("hours", 60), ("minutes", 1)):
        if minutes >= 2 * size:
            return f"{minutes // size} {unit} ago"
    return "just now"
