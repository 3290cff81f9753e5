"""Runs the revisions on the connection that the store hands over, inside the store's own transaction."""

from typing import cast

from alembic import context
from sqlalchemy import Connection

from schema.tables import metadata

connection = cast(Connection, context.config.attributes["connection"])
context.configure(connection=connection, target_metadata=metadata, compare_type=True, transactional_ddl=False)
context.run_migrations()
