"""One tree of errors that says whose fault it is, and so what is done about it.

    AlongsideError
    ├── WorldError            retried: the network, a homeserver that is down or slow
    │   ├── Unreachable
    │   │   └── Away          the homeserver answers nobody: what else it is asked fares alike
    │   └── Throttled         says how long to wait
    ├── HomeserverRefused     a permanent answer: becomes an honest answer to the member
    ├── PartnerError          refused: what a stranger or a partner sent is not what it must be
    │   └── Malformed
    ├── SealBroken            sealed bytes that the key does not open
    ├── NotPrivate            a send or a consent in a room that is not encrypted or not only the member's
    │   └── IdentityChanged   the member's cross-signing identity is another than the one pinned
    └── OperatorError         stops the service: names the key, the variable and the fix
        ├── ConfigurationError
        │   └── ConfigurationErrors  several at once, so that nobody mends them one start at a time
        ├── SignedOut         the homeserver no longer takes an account's access token
        ├── IdentityLost      the cross-signing identity is foreign, missing or broken
        ├── KeeperNotDeaf     the keeper has a device with keys
        ├── LeaseHeld         another process serves this database
        └── DatabaseRestored  the database is older than what the homeserver remembers

`IllegalMove` stands apart: it is our bug. No message holds a Matrix ID, a room ID or a word that a person
typed: errors are logged.
"""

from collections.abc import Sequence


class AlongsideError(Exception):
    """The root: `except AlongsideError` is what a top loop may treat as known."""


class WorldError(AlongsideError):
    """Something outside failed that may work later."""


class Unreachable(WorldError):
    """No usable answer: connection refused, timed out, 5xx, or a body that is not JSON.

    `status` is HTTP's where there was an answer, else 0.
    """

    def __init__(self, what: str, status: int = 0) -> None:
        super().__init__(what)
        self.status = status


class Away(Unreachable):
    """Our homeserver is not there, or can do nothing now: other requests to it fare alike, most likely."""


class Throttled(WorldError):
    """HTTP 429, `M_LIMIT_EXCEEDED`.

    `retry_after` is in seconds, from the `Retry-After` header or `retry_after_ms` (spec, "Rate limiting").
    """

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"throttled for {retry_after:.1f} s")
        self.retry_after = retry_after


class HomeserverRefused(AlongsideError):
    """The homeserver said no: `status` is HTTP's, `code` Matrix's `errcode`, `call` our name of the request.

    `body` is the parsed answer, for the caller alone (user-interactive authentication needs it).
    """

    def __init__(self, status: int, code: str, call: str, body: dict[str, object] | None = None) -> None:
        super().__init__(f"{call}: {status} {code}")
        self.status = status
        self.code = code
        self.call = call
        self.body = body or {}


class PartnerError(AlongsideError):
    """What somebody else's program sent is refused."""


class Malformed(PartnerError):
    """Bytes or JSON that are not of the form that the specification gives."""


class SealBroken(AlongsideError):
    """Sealed bytes do not open: another key, another place, or changed bytes."""


class NotPrivate(AlongsideError):
    """The room is not encrypted, or somebody else is joined or invited; nothing was sent."""


class IdentityChanged(NotPrivate):
    """Another identity vouches for the member's keys; nothing private goes there without their word."""


class OperatorError(AlongsideError):
    """The service cannot run as it is set up; `fix` is a whole sentence that says what to do."""

    def __init__(self, problem: str, *, fix: str, key: str = "", variable: str = "") -> None:
        where = (
            f" ({key}, environment variable {variable})" if key and variable else f" ({key})" if key else ""
        )
        super().__init__(f"{problem}{where}\n  fix: {fix}")
        self.problem = problem
        self.fix = fix
        self.key = key
        self.variable = variable


class ConfigurationError(OperatorError):
    """A key of the configuration is missing, unknown, unreadable or of the wrong form."""


class ConfigurationErrors(ConfigurationError):
    """Everything that is wrong with a configuration: `problems` holds at least one, in the order found."""

    def __init__(self, problems: Sequence[ConfigurationError]) -> None:
        first = problems[0]
        super().__init__(first.problem, fix=first.fix, key=first.key, variable=first.variable)
        self.problems = tuple(problems)
        self.args = ("\n".join(str(problem) for problem in problems),)


class SignedOut(OperatorError):
    """The access token is not valid any more (`M_UNKNOWN_TOKEN`)."""


class IdentityLost(OperatorError):
    """The published cross-signing identity is not the one whose seeds we hold."""


class KeeperNotDeaf(OperatorError):
    """The keeper account has device keys, so that somebody could send it room keys."""


class LeaseHeld(OperatorError):
    """Another process holds the database's lease."""


class DatabaseRestored(OperatorError):
    """The homeserver remembers a later generation than the database has."""


class IllegalMove(Exception):
    """A move that the state does not allow: nothing changed, and our code is wrong to have asked."""

    def __init__(self, what: str, state: str, move: str) -> None:
        super().__init__(f"{what} in state {state} allows no {move}")
