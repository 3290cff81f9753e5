"""A member's drafts lapse: the hour at which the first of them is erased."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("members", sa.Column("due_at", sa.BigInteger(), nullable=True))
    op.create_index("ix_members_due_at", "members", ["due_at"])
