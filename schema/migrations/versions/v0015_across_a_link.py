"""Which linked communities were asked about a request, and the rooms that they opened for our members."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "asks_across",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("link", sa.String(32), nullable=False),
        sa.Column("request", sa.String(32), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_asks_across"),
    )
    op.create_table(
        "guest_rooms",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("member", sa.String(32), nullable=False),
        sa.Column("link", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_guest_rooms"),
    )
    for table, columns in (
        ("asks_across", ("link", "request", "due_at")),
        ("guest_rooms", ("member", "link", "state", "due_at")),
    ):
        for column in columns:
            op.create_index(f"ix_{table}_{column}", table, [column])
