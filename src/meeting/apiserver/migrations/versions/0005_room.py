"""Lobby, locks, bans and hands of a running meeting"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from meeting.apiserver import schema

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def _of_a_meeting(name: str, *items: Any) -> None:
    """A table of what belongs to a meeting."""
    op.create_table(
        name,
        sa.Column("meeting_id", schema.Id(), nullable=False),
        *items,
        sa.ForeignKeyConstraint(["meeting_id"], ["meeting.id"], name=op.f(f"fk_{name}_meeting_id")),
        **_TABLE,
    )


def upgrade() -> None:
    with op.batch_alter_table("member", schema=None) as batch_op:
        batch_op.add_column(sa.Column("passes_until", schema.Moment(), nullable=True))
        batch_op.add_column(sa.Column("removed_at", schema.Moment(), nullable=True))
        batch_op.add_column(sa.Column("hand_raised_at", schema.Moment(), nullable=True))
        batch_op.add_column(sa.Column("source", schema.Digest(), nullable=True))
    _of_a_meeting(
        "room",
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("microphones_closed", sa.Boolean(), nullable=False),
        sa.Column("spotlight", sa.String(length=128), nullable=True),
        sa.PrimaryKeyConstraint("meeting_id", name=op.f("pk_room")),
    )
    _of_a_meeting(
        "appointment",
        sa.Column("subject_id", schema.Id(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("meeting_id", "subject_id", name=op.f("pk_appointment")),
    )
    _of_a_meeting(
        "knock",
        sa.Column("subject_id", schema.Id(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("is_guest", sa.Boolean(), nullable=False),
        sa.Column("asked_at", schema.Moment(), nullable=False),
        sa.Column("seen_at", schema.Moment(), nullable=False),
        sa.Column("answer", sa.String(length=8), nullable=True),
        sa.Column("answered_at", schema.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("meeting_id", "subject_id", name=op.f("pk_knock")),
    )
    with op.batch_alter_table("knock", schema=None) as batch_op:
        batch_op.create_index("ix_knock_seen_at", ["seen_at"], unique=False)
    _of_a_meeting(
        "ban",
        sa.Column("subject_id", schema.Id(), nullable=False),
        sa.Column("source", schema.Digest(), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("banned_at", schema.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("meeting_id", "subject_id", name=op.f("pk_ban")),
    )


def downgrade() -> None:
    for name in ("ban", "knock", "appointment", "room"):
        op.drop_table(name)
    with op.batch_alter_table("member", schema=None) as batch_op:
        for column in ("source", "hand_raised_at", "removed_at", "passes_until"):
            batch_op.drop_column(column)
