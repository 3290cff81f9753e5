"""By which way an effect goes out, so that the outbox reads no more of them than it can deliver.

What an earlier version kept, or keeps meanwhile, has none, and is read for itself.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("way", sa.String(32), nullable=True))
    op.create_index("ix_outbox_way_next_at", "outbox", ["way", "next_at", "seq"])
    op.create_index("ix_outbox_next_at", "outbox", ["next_at"])
