"""Where the database is: its address and, for SQLite, its file."""

import os
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from schema.errors import ConfigurationError, OperatorError
from service.store.errors import cannot_write

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


def address_of(url: str) -> URL:
    """The URL with the driver that we use; raises ConfigurationError, without the password in it."""
    try:
        address = make_url(url)
        driver = _DRIVERS.get(address.get_backend_name())
        if driver is not None and (driver != _DRIVERS["sqlite"] or address.database):
            return address.set(drivername=driver)
    except (ArgumentError, ValueError):
        pass
    raise ConfigurationError(
        "The database's address is not one that we know",
        fix="Write sqlite:///path/to/file or postgresql://user:password@host/name.",
        key="database.url",
        variable="ALONGSIDE_DATABASE__URL",
    )


def file_of(address: URL) -> Path | None:
    """The file of an SQLite database, with symbolic links followed; None for PostgreSQL.

    Raises OperatorError where a folder is in its place.
    """
    if address.get_backend_name() != "sqlite":
        return None
    path = Path(address.database or "").resolve()
    # Unlike pathlib's, this says no of what may not be looked at; to open it then says why.
    if os.path.isdir(path):  # noqa: PTH112
        raise OperatorError(
            f"The place of the database is a folder: {path}",
            fix="Name a file, in that folder for example.",
            key="database.url",
            variable="ALONGSIDE_DATABASE__URL",
        )
    return path


def prepare_file(address: URL) -> None:
    """Make the file with mode 0600 before SQLite does; its log and index take the mode over."""
    path = Path(address.database or "")
    try:
        path.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise cannot_write(error) from None
