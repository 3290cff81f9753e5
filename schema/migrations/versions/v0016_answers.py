"""By which answer across a link a peer room came about, and the mark of a meeting, as keyed hashes.

A room that was open before has none, and its end is heard by its own hours; nor has a mark.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("peer_rooms", "meetings"):
        op.add_column(table, sa.Column("answer_hash", sa.String(32), nullable=True))
        op.create_index(f"ix_{table}_answer_hash", table, ["answer_hash"])
