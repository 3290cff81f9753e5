"""Who is kept apart from whom, and who was in a room together lately."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "separations",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("member", sa.String(32), nullable=False),
        sa.Column("other_hash", sa.String(32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_separations"),
    )
    op.create_index("ix_separations_member", "separations", ["member"])
    op.create_index("ix_separations_other_hash", "separations", ["other_hash"])
    op.create_table(
        "meetings",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("member", sa.String(32), nullable=False),
        sa.Column("other_hash", sa.String(32), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_meetings"),
    )
    op.create_index("ix_meetings_due_at", "meetings", ["due_at"])
    op.create_index("ix_meetings_member", "meetings", ["member"])
    op.create_index("ix_meetings_other_hash", "meetings", ["other_hash"])
