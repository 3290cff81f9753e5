"""A real Synapse on loopback, alone or federating over TLS, for tests and the demo.

Rules guarded here:
- It listens on 127.0.0.1 only, on free ports, and ends with the process that started it.
- It never skips: without a Synapse it raises HarnessMissing, which says what to do.
- Nothing here is bound to an event loop, so that one server can serve many tests, each with its own loop.

The Synapse used is that of the Python interpreter named by ALONGSIDE_SYNAPSE_PYTHON, else of
`.venv-synapse/bin/python` beside the checkout.
"""

import asyncio
import base64
import datetime as dt
import hashlib
import hmac
import ipaddress
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeAlias

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.live.bound import bound
from tests.live.moved import Moved

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]

CHECKOUT = Path(__file__).resolve().parents[2]
_START_DEADLINE = 120.0
_STOP_DEADLINE = 30.0
_POLL = 0.03


class HarnessMissing(RuntimeError):
    """Something that the live tests stand on is not installed; the message says what to do."""


class HomeserverFailed(RuntimeError):
    """The homeserver ended or did not answer in time; the message ends with the last lines of its log."""


class Refused(RuntimeError):
    """The homeserver answered a request with an error: `status` is HTTP's, `errcode` Matrix's, if any."""

    def __init__(self, method: str, path: str, status: int, body: JsonObject) -> None:
        super().__init__(f"{method} {path} was answered with {status}: {json.dumps(body)[:500]}")
        self.status = status
        self.body = body
        self.errcode = str(body.get("errcode", ""))


class Login(NamedTuple):
    """What a log-in gives: an access token and the device that it belongs to."""

    access_token: str
    device_id: str


def synapse_python() -> Path:
    """Return the interpreter that has Synapse. Raises HarnessMissing where there is none."""
    named = os.environ.get("ALONGSIDE_SYNAPSE_PYTHON")
    python = Path(named) if named else CHECKOUT / ".venv-synapse" / "bin" / "python"
    if not python.exists():
        source = "ALONGSIDE_SYNAPSE_PYTHON names" if named else "the live tests look for"
        raise HarnessMissing(
            f"There is no Synapse: {source} {python}, which does not exist. "
            "Run `./alongside check` or `./alongside demo`, which install it from deploy/synapse.lock, "
            "or set ALONGSIDE_SYNAPSE_PYTHON to a Python that has matrix-synapse."
        )
    return python


_PORTS = range(12000, 32000)
"""Below those that the kernel gives to outgoing connections (from 32768 on), of which one could take a port
between its choice here and its use, or while its server is down."""
_SHARES = 8
"""Each process of a test run, of which there are fewer, takes its ports from a share of its own, for the same
reason."""
_given: set[int] = set()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing listens on, and that was not returned before."""
    share = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _SHARES
    while True:
        port = secrets.choice(_PORTS[share::_SHARES])
        with socket.socket() as probe, suppress(OSError):
            # A port of a server that just ended can be used again, as a server does.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


class Authority:
    """A certificate authority of its own, in `directory`, that homeservers on loopback trust."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority for tests")])
        self._certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        directory.mkdir(parents=True, exist_ok=True)
        self.certificate = directory / "authority.pem"
        self.certificate.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, certificate: Path, private_key: Path) -> None:
        """Write a certificate for the address 127.0.0.1, valid for a day, and its private key."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        issued = (
            self._builder(name, key.public_key())
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        certificate.write_bytes(issued.public_bytes(serialization.Encoding.PEM))
        private_key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )


# Each of these is a limit that a busy test would meet, set so high that it never does.
_NEVER: JsonObject = {"per_second": 100_000, "burst_count": 100_000}
_RELAXED: JsonObject = {
    "rc_message": _NEVER,
    "rc_registration": _NEVER,
    "rc_login": {"address": _NEVER, "account": _NEVER, "failed_attempts": _NEVER},
    "rc_admin_redaction": _NEVER,
    "rc_joins": {"local": _NEVER, "remote": _NEVER},
    "rc_joins_per_room": _NEVER,
    "rc_invites": {"per_room": _NEVER, "per_user": _NEVER, "per_issuer": _NEVER},
    "rc_room_creation": _NEVER,
    "rc_key_requests": _NEVER,
    "rc_profile": _NEVER,
    "rc_user_directory": _NEVER,
    "rc_federation": {"sleep_limit": 100_000, "reject_limit": 100_000, "concurrent": 100},
}


class Homeserver:
    """A Synapse process of one's own.

    Use it as an async context manager, or call `start` and `stop`. `server_name` is what follows the colon
    in its users' ids; it is set by the harness when an `authority` makes the server federate. `room_version`
    is the default for new rooms. `rate_limits` leaves Synapse's own limits in force, which are off
    otherwise. `settings` are merged into Synapse's configuration last. `directory` is kept when given; one
    made here goes on a clean end and stays after a failure, for its log. With `moves` it goes by `clock`, as
    each service beside it does, and a test can set it ahead.
    """

    def __init__(
        self,
        *,
        server_name: str = "home.test",
        room_version: str = "12",
        rate_limits: bool = False,
        authority: Authority | None = None,
        directory: Path | None = None,
        settings: Mapping[str, JsonValue] | None = None,
        log_level: str = "WARNING",
        moves: bool = False,
    ) -> None:
        self._python = synapse_python()
        self._authority = authority
        self.room_version = room_version
        self._rate_limits = rate_limits
        self._settings = dict(settings or {})
        self._log_level = log_level
        self._own_directory = directory is None
        self._process: subprocess.Popen[bytes] | None = None
        self._admin: Login | None = None
        self._client_port = free_port()
        self._federation_port = free_port() if authority else None
        self.name = f"127.0.0.1:{self._federation_port}" if authority else server_name
        self.url = f"http://127.0.0.1:{self._client_port}"
        self.shared_secret = secrets.token_hex(16)
        self.directory = directory or Path(tempfile.mkdtemp(prefix="alongside-homeserver-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        self.database = self.directory / "homeserver.db"
        self.log = self.directory / "homeserver.log"
        self.clock = Moved(self.directory / "clock", begin=True) if moves else None
        self._write_configuration()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        if self._own_directory and kind is None:
            shutil.rmtree(self.directory, ignore_errors=True)

    # ---- the process

    @property
    def running(self) -> bool:
        """Whether the process lives; a paused one does."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id while it lives, for measurements."""
        return self._process.pid if self._process is not None and self.running else None

    async def start(self) -> None:
        """Start the process and return when it answers. Raises HomeserverFailed after two minutes."""
        if self.running:
            return
        self._spawn()
        try:
            await self._answers()
        except BaseException:
            await self.kill()
            raise

    def _spawn(self) -> None:
        configuration = str(self.directory / "homeserver.yaml")
        program = ["-m", "synapse.app.homeserver"]
        if self.clock is not None:
            program = ["-P", str(CHECKOUT / "tests/live/ahead_synapse.py"), str(self.clock.file)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                bound([str(self._python), *program, "-c", configuration]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                # A group of its own, so that Ctrl-C in a terminal reaches us first and we end it in order.
                start_new_session=True,
                env={key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
            )

    async def _answers(self) -> None:
        deadline = time.monotonic() + _START_DEADLINE
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while time.monotonic() < deadline:
                if not self.running:
                    raise HomeserverFailed(f"Synapse ended while starting.\n{self.log_tail()}")
                try:
                    async with session.get(f"{self.url}/_matrix/client/versions") as response:
                        if response.status == 200:
                            return
                except (aiohttp.ClientError, TimeoutError):
                    pass
                await asyncio.sleep(_POLL)
        raise HomeserverFailed(f"Synapse did not answer within {_START_DEADLINE:.0f} s.\n{self.log_tail()}")

    async def stop(self) -> None:
        """End the process in order, or by force after 30 seconds. The database stays for a next start."""
        if self._process is not None:
            self.resume()
            self._signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, _STOP_DEADLINE)
        await self.kill()

    async def kill(self) -> None:
        """End the process at once, as a crash would."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None

    async def restart(self) -> None:
        """Stop and start on the same ports with the same data."""
        await self.stop()
        await self.start()

    def pause(self) -> None:
        """Freeze the process: connections open and nothing answers, as in an outage that hangs."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def log_tail(self, lines: int = 40) -> str:
        """Return the last lines of Synapse's log."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    # ---- accounts

    async def register(self, localpart: str, password: str, *, admin: bool = False) -> str:
        """Register an account by shared secret, without a device, and return its user id.

        The request is that of Synapse's admin API, "Shared-Secret Registration". Raises Refused.
        """
        path = "/_synapse/admin/v1/register"
        nonce = str((await self.call("GET", path))["nonce"])
        kind = "admin" if admin else "notadmin"
        signed = f"{nonce}\0{localpart}\0{password}\0{kind}".encode()
        answer = await self.call(
            "POST",
            path,
            body={
                "nonce": nonce,
                "username": localpart,
                "password": password,
                "admin": admin,
                "inhibit_login": True,
                "mac": hmac.new(self.shared_secret.encode(), signed, hashlib.sha1).hexdigest(),
            },
        )
        return str(answer["user_id"])

    async def login(self, user: str, password: str, *, device_id: str | None = None) -> Login:
        """Log in by password (user id or localpart); makes a device unless one is named. Raises Refused."""
        body: JsonObject = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user},
            "password": password,
        }
        if device_id is not None:
            body["device_id"] = device_id
        answer = await self.call("POST", "/_matrix/client/v3/login", body=body)
        return Login(str(answer["access_token"]), str(answer["device_id"]))

    async def admin_token(self) -> str:
        """Return the access token of a server administrator, who is registered at the first call."""
        if self._admin is None:
            password = secrets.token_hex(16)
            user = await self.register(f"administrator-{secrets.token_hex(4)}", password, admin=True)
            self._admin = await self.login(user, password)
        return self._admin.access_token

    async def lift_rate_limits(self, user_id: str) -> None:
        """Take all rate limits from an account, as an administrator can (admin API, override_ratelimit)."""
        await self.call(
            "POST",
            f"/_synapse/admin/v1/users/{user_id}/override_ratelimit",
            token=await self.admin_token(),
            body={"messages_per_second": 0, "burst_count": 0},
        )

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: JsonObject | None = None,
        params: Mapping[str, str] | None = None,
        deadline: float = 120.0,
    ) -> JsonObject:
        """Send one HTTP request and return its JSON object. Raises Refused for any status but 2xx."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = aiohttp.ClientTimeout(total=deadline)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(
                method,
                self.url + path,
                headers=headers,
                params=params,
                json=body if body is not None else None,
            ) as response,
        ):
            text = await response.text()
            try:
                answer = json.loads(text)
            except ValueError:
                answer = {"text": text}
            if not isinstance(answer, dict):
                answer = {"value": answer}
            if response.status // 100 != 2:
                raise Refused(method, path, response.status, answer)
            return answer

    # ---- configuration

    def _write_configuration(self) -> None:
        (self.directory / "signing.key").write_text(
            f"ed25519 a_test {base64.b64encode(secrets.token_bytes(32)).decode().rstrip('=')}\n"
        )
        (self.directory / "logging.json").write_text(
            json.dumps(
                {
                    "version": 1,
                    "formatters": {"plain": {"format": "%(asctime)s %(name)s %(levelname)s %(message)s"}},
                    "handlers": {"stream": {"class": "logging.StreamHandler", "formatter": "plain"}},
                    "root": {"level": self._log_level, "handlers": ["stream"]},
                    "disable_existing_loggers": False,
                }
            )
        )
        listeners: list[JsonValue] = [
            {
                "port": self._client_port,
                "bind_addresses": ["127.0.0.1"],
                "type": "http",
                "tls": False,
                "x_forwarded": False,
                "resources": [{"names": ["client", "media"], "compress": False}],
            }
        ]
        configuration: JsonObject = {
            "server_name": self.name,
            "public_baseurl": self.url,
            "pid_file": str(self.directory / "homeserver.pid"),
            "log_config": str(self.directory / "logging.json"),
            "media_store_path": str(self.directory / "media"),
            "signing_key_path": str(self.directory / "signing.key"),
            "registration_shared_secret": self.shared_secret,
            "macaroon_secret_key": secrets.token_hex(16),
            "form_secret": secrets.token_hex(16),
            "report_stats": False,
            "trusted_key_servers": [],
            "suppress_key_server_warning": True,
            "default_room_version": self.room_version,
            "database": {"name": "sqlite3", "args": {"database": str(self.database)}},
            "listeners": listeners,
            # What no test needs and every start or request would pay for.
            "bcrypt_rounds": 4,
            "presence": {"enabled": False},
            "url_preview_enabled": False,
            "push": {"enabled": False},
            "user_directory": {"enabled": False},
            "enable_metrics": False,
        }
        if not self._rate_limits:
            configuration.update(_RELAXED)
        if self._authority is not None and self._federation_port is not None:
            self._authority.issue(self.directory / "tls.pem", self.directory / "tls.key")
            listeners.append(
                {
                    "port": self._federation_port,
                    "bind_addresses": ["127.0.0.1"],
                    "type": "http",
                    "tls": True,
                    "resources": [{"names": ["federation"], "compress": False}],
                }
            )
            configuration.update(
                {
                    "tls_certificate_path": str(self.directory / "tls.pem"),
                    "tls_private_key_path": str(self.directory / "tls.key"),
                    "federation_custom_ca_list": [str(self._authority.certificate)],
                    "ip_range_blacklist": [],
                    # A server that was down a moment ago is tried again within a second, not after minutes.
                    "federation": {
                        "client_timeout": "10s",
                        "max_short_retry_delay": "1s",
                        "destination_min_retry_interval": "1s",
                        "destination_retry_multiplier": 1,
                        "destination_max_retry_interval": "1s",
                    },
                }
            )
        else:
            configuration["federation_domain_whitelist"] = []
        configuration.update(self._settings)
        # JSON is YAML, so that no YAML library is needed here.
        (self.directory / "homeserver.yaml").write_text(json.dumps(configuration, indent=1))


def federated(
    count: int,
    directory: Path,
    *,
    room_version: str = "12",
    rate_limits: bool = False,
    settings: Mapping[str, JsonValue] | None = None,
    log_level: str = "WARNING",
) -> list[Homeserver]:
    """Return `count` homeservers, not started yet, that will federate over TLS on loopback."""
    authority = Authority(directory / "authority")
    return [
        Homeserver(
            room_version=room_version,
            rate_limits=rate_limits,
            authority=authority,
            directory=directory / f"server-{number}",
            settings=settings,
            log_level=log_level,
        )
        for number in range(1, count + 1)
    ]


@asynccontextmanager
async def federation(
    count: int,
    *,
    room_version: str = "12",
    rate_limits: bool = False,
    directory: Path | None = None,
    settings: Mapping[str, JsonValue] | None = None,
    log_level: str = "WARNING",
) -> AsyncIterator[list[Homeserver]]:
    """Give `count` running homeservers that federate with one another over TLS on loopback."""
    root = directory or Path(tempfile.mkdtemp(prefix="alongside-federation-"))
    servers = federated(
        count,
        root,
        room_version=room_version,
        rate_limits=rate_limits,
        settings=settings,
        log_level=log_level,
    )
    async with AsyncExitStack() as stack:
        for server in servers:
            stack.push_async_exit(server)
        await asyncio.gather(*(server.start() for server in servers))
        yield servers
    if directory is None:
        shutil.rmtree(root, ignore_errors=True)
