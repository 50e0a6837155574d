"""Minutes and the files in them"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from meeting.apiserver import schema

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    data = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
    op.create_table(
        "file",
        sa.Column("id", schema.Id(), nullable=False),
        sa.Column("meeting_id", schema.Id(), nullable=False),
        sa.Column("subject_id", schema.Id(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("type", sa.String(length=100), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.String(length=262), nullable=False),
        sa.Column("created_at", schema.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["meeting_id"], ["meeting.id"], name=op.f("fk_file_meeting_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file")),
        **_TABLE,
    )
    with op.batch_alter_table("file", schema=None) as batch_op:
        batch_op.create_index("ix_file_meeting_id_subject_id", ["meeting_id", "subject_id"], unique=False)
    op.create_table(
        "minutes_snapshot",
        sa.Column("meeting_id", schema.Id(), nullable=False),
        sa.Column("data", data, nullable=False),
        sa.Column("written_at", schema.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["meeting_id"], ["meeting.id"], name=op.f("fk_minutes_snapshot_meeting_id")),
        sa.PrimaryKeyConstraint("meeting_id", name=op.f("pk_minutes_snapshot")),
        **_TABLE,
    )
    op.create_table(
        "minutes_update",
        sa.Column("meeting_id", schema.Id(), nullable=False),
        sa.Column("id", schema.Id(), nullable=False),
        sa.Column("data", data, nullable=False),
        sa.Column("written_at", schema.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["meeting_id"], ["meeting.id"], name=op.f("fk_minutes_update_meeting_id")),
        sa.PrimaryKeyConstraint("meeting_id", "id", name=op.f("pk_minutes_update")),
        **_TABLE,
    )


def downgrade() -> None:
    for name in ("minutes_update", "minutes_snapshot", "file"):
        op.drop_table(name)
