"""What the allocateserver promised, and when to ask again"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from meeting.apiserver import schema

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    op.create_table(
        "reservation",
        sa.Column("id", schema.Id(), nullable=False),
        sa.Column("meeting_id", schema.Id(), nullable=False),
        sa.Column("email", schema.Email(), nullable=False),
        sa.Column("begin_at", schema.Moment(), nullable=True),
        sa.Column("end_at", schema.Moment(), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("sfu", sa.String(length=262), nullable=False),
        sa.Column("turn", sa.String(length=262), nullable=False),
        sa.Column("releasable", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.String(length=300), nullable=False),
        sa.Column("created_at", schema.Moment(), nullable=False),
        sa.Column("due_at", schema.Moment(), nullable=True),
        sa.Column("taken_by", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservation")),
        **_TABLE,
    )
    with op.batch_alter_table("reservation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_reservation_meeting_id"), ["meeting_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_reservation_due_at"), ["due_at"], unique=False)
    op.create_table(
        "server_check",
        sa.Column("address", sa.String(length=262), nullable=False),
        sa.Column("instance", sa.String(length=32), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("trouble", sa.String(length=300), nullable=False),
        sa.Column("checked_at", schema.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_server_check")),
        **_TABLE,
    )


def downgrade() -> None:
    for name in ("server_check", "reservation"):
        op.drop_table(name)
