"""Links with other collectives, our private keys for them, and who asked for one."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "links",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_links"),
    )
    op.create_table(
        "link_keys",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("link", sa.String(32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_link_keys"),
    )
    op.create_table(
        "link_invitations",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_link_invitations"),
    )
    for table, columns in (
        ("links", ("state", "due_at")),
        ("link_keys", ("link",)),
        ("link_invitations", ("due_at",)),
    ):
        for column in columns:
            op.create_index(f"ix_{table}_{column}", table, [column])
