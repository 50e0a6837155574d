"""What replicas tell one another, and leases"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from meeting.apiserver import schema

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    op.create_table(
        "event_topic",
        sa.Column("topic", sa.String(length=80), nullable=False),
        sa.Column("head", sa.BigInteger(), nullable=False),
        sa.Column("written_at", schema.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("topic", name=op.f("pk_event_topic")),
        **_TABLE,
    )
    op.create_index("ix_event_topic_written_at", "event_topic", ["written_at"])
    op.create_table(
        "event",
        sa.Column("topic", sa.String(length=80), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", schema.Id(), nullable=False),
        sa.Column("origin", schema.Id(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("data", sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"), nullable=False),
        sa.Column("written_at", schema.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "number", name=op.f("pk_event")),
        **_TABLE,
    )
    op.create_index("ix_event_written_at", "event", ["written_at"])
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=False),
        sa.Column("until", schema.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
        **_TABLE,
    )


def downgrade() -> None:
    for name in ("lease", "event", "event_topic"):
        op.drop_table(name)
