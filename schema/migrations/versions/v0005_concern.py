"""Concerns, and the pauses of a person's pairing that can follow from them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "concerns",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("member", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_concerns"),
    )
    op.create_index("ix_concerns_due_at", "concerns", ["due_at"])
    op.create_index("ix_concerns_member", "concerns", ["member"])
    op.create_index("ix_concerns_state", "concerns", ["state"])
    op.create_table(
        "pairing_pauses",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("other_hash", sa.String(32), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pairing_pauses"),
    )
    op.create_index("ix_pairing_pauses_due_at", "pairing_pauses", ["due_at"])
    op.create_index("ix_pairing_pauses_other_hash", "pairing_pauses", ["other_hash"])
