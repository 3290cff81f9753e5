"""How a database comes to the tables of this program: its revision, and the way to the latest.

Guards: one process migrates at a time; a migration happens whole or not at all.
"""

from pathlib import Path
from typing import cast

from sqlalchemy import URL, func, select
from sqlalchemy.exc import DBAPIError

from schema import migrations
from service.store.driver import Driver, Step, make_engine
from service.store.errors import known_error

_ADVISORY_KEY = int.from_bytes(b"alngmigr", signed=True)


async def revision_of(driver: Driver) -> str | None:
    """The revision of the database's tables; None for a new database."""
    if driver.dialect.name == "sqlite":
        there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    else:
        there = "SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL"
    if not await driver.run([Step(there, ())]):
        return None
    rows = await driver.run([Step("SELECT version_num FROM alembic_version", ())])
    return cast(str, rows[0][0]) if rows else None


async def migrate(address: URL) -> None:
    """Bring the tables at `address` to the latest revision; raises what `known_error` gives."""
    # Most starts find nothing to do: they need not load Alembic.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    engine = make_engine(address)
    try:
        async with engine.connect() as connection:
            config.attributes["connection"] = connection.sync_connection
            # One migrates, and whoever waited meanwhile finds nothing left to do.
            if connection.dialect.name == "sqlite":
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                await connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_KEY)))
            await connection.run_sync(lambda _: command.upgrade(config, "head"))
            if connection.dialect.name == "sqlite":
                await connection.exec_driver_sql("COMMIT")
            else:
                await connection.commit()
    except DBAPIError as error:
        raise known_error(error.orig or error) from None
    finally:
        await engine.dispose()
