"""By which answer of a linked community a peer room came about, as a keyed hash.

A room that was open before has none, and its end is heard by its own hours.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("peer_rooms", sa.Column("answer_hash", sa.String(32), nullable=True))
    op.create_index("ix_peer_rooms_answer_hash", "peer_rooms", ["answer_hash"])
