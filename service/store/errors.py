"""What a database's errors mean to us: the world's to try again, the operator's to mend, or our own bug.

Guards: each error for the operator says what to do; none holds a value or a password; what nobody foresaw
stays as it is.
"""

import errno
import sqlite3
from typing import cast

from asyncpg import exceptions as postgres

from schema.errors import OperatorError, Unreachable

LOST = (
    OSError,
    postgres.InterfaceError,
    postgres.PostgresConnectionError,
    postgres.OperatorInterventionError,
    postgres.InternalClientError,
)
"""Errors after which a connection to PostgreSQL is of no more use; TimeoutError is an OSError.

A connection that the server cut while nobody asked anything answers the next question with an internal error.
"""

_FULL = ("The disk that holds the database is full", "Make room on it, then start the service again.")
_READ_ONLY = (
    "The database cannot be written",
    "Give the service's user write access to the database's folder, on a disk that is not mounted read-only.",
)
_BROKEN = (
    "The database is damaged, or is not a database of this service",
    "Stop the service, keep the file, and restore the last backup; OPERATING.md says how.",
)


def sqlite_error(error: BaseException) -> Exception:
    """Our error for one of SQLite's; what is left is our bug and stays as it is."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unreachable("database: locked by another program")
    for prefixes, (problem, fix) in (
        (("SQLITE_FULL",), _FULL),
        (("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH"), _READ_ONLY),
        (("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT"), _BROKEN),
        (
            ("SQLITE_IOERR",),
            ("The disk that holds the database fails", "Look at the disk and its file system."),
        ),
    ):
        if name.startswith(prefixes):
            return OperatorError(
                f"{problem} ({name})", fix=fix, key="database.url", variable="ALONGSIDE_DATABASE__URL"
            )
    return cast(Exception, error)


def postgres_error(error: BaseException) -> Exception:
    """Our error for one of PostgreSQL's; what is left is our bug and stays as it is."""
    state = getattr(error, "sqlstate", "") or ""
    if state.startswith("40") or state in ("55P03", "57014"):
        return Unreachable(f"database: {type(error).__name__}")
    for states, (problem, fix) in (
        (("53100",), _FULL),
        (("25006",), ("The database server is read-only", "Use the primary server, not a standby.")),
        (
            ("28", "3D000", "42501", "0P"),
            (
                "The database server refuses us",
                "Check the user, the password and the database's name and owner.",
            ),
        ),
        (("XX001", "XX002"), _BROKEN),
    ):
        if state.startswith(states):
            return OperatorError(
                f"{problem} ({state})", fix=fix, key="database.url", variable="ALONGSIDE_DATABASE__URL"
            )
    if state.startswith("53"):
        return Unreachable(f"database: {type(error).__name__}")
    return cast(Exception, error)


def known_error(error: BaseException) -> BaseException:
    """Our error for whatever a driver raised."""
    if isinstance(error, sqlite3.Error):
        return sqlite_error(error)
    if getattr(error, "sqlstate", None):
        return postgres_error(error)
    cause = error.__cause__
    if cause is not None and cause is not error:
        return known_error(cause)
    if isinstance(error, LOST):
        return Unreachable(f"database: {type(error).__name__}")
    return error


def damaged(what: str) -> OperatorError:
    """Our error for what stands in the database and cannot have been written by us."""
    problem, fix = _BROKEN
    return OperatorError(
        f"{problem} ({what})", fix=fix, key="database.url", variable="ALONGSIDE_DATABASE__URL"
    )


def cannot_write(error: OSError) -> OperatorError:
    """Our error for a file beside the database, or the database itself, that cannot be made."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    problem, fix = _FULL if full else _READ_ONLY
    return OperatorError(
        f"{problem} ({error.strerror})", fix=fix, key="database.url", variable="ALONGSIDE_DATABASE__URL"
    )
