"""Audit, settings, webhooks; API tokens, calls that are made once"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from meeting.apiserver import schema

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    op.create_table(
        "api_token",
        sa.Column("id", schema.Id(), nullable=False),
        sa.Column("person_id", schema.Id(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("digest", schema.Digest(), nullable=False),
        sa.Column("scopes", sa.String(length=500), nullable=False),
        sa.Column("created_at", schema.Moment(), nullable=False),
        sa.Column("expires_at", schema.Moment(), nullable=False),
        sa.Column("used_at", schema.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_api_token_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_token_digest")),
        **_TABLE,
    )
    with op.batch_alter_table("api_token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_token_person_id"), ["person_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_api_token_expires_at"), ["expires_at"], unique=False)
    op.create_table(
        "idempotent_call",
        sa.Column("digest", schema.Digest(), nullable=False),
        sa.Column("fingerprint", schema.Digest(), nullable=False),
        sa.Column("id", schema.Id(), nullable=False),
        sa.Column("claimed_until", schema.Moment(), nullable=False),
        sa.Column("answer", sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"), nullable=True),
        sa.Column("expires_at", schema.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_idempotent_call")),
        **_TABLE,
    )
    with op.batch_alter_table("idempotent_call", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_idempotent_call_expires_at"), ["expires_at"], unique=False)
    op.create_table(
        "audit_entry",
        sa.Column("id", schema.Id(), nullable=False),
        sa.Column("at", schema.Moment(), nullable=False),
        sa.Column("word", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("actor_kind", sa.String(length=16), nullable=False),
        sa.Column("actor_id", schema.Id(), nullable=True),
        sa.Column("about_meeting", schema.Id(), nullable=True),
        sa.Column("target_id", schema.Id(), nullable=True),
        sa.Column("target_text", sa.String(length=300), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
        **_TABLE,
    )
    with op.batch_alter_table("audit_entry", schema=None) as batch_op:
        batch_op.create_index("ix_audit_entry_about_meeting_at", ["about_meeting", "at"], unique=False)
        batch_op.create_index("ix_audit_entry_actor_id_at", ["actor_id", "at"], unique=False)
        batch_op.create_index(batch_op.f("ix_audit_entry_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_audit_entry_target_id"), ["target_id"], unique=False)
        batch_op.create_index("ix_audit_entry_word_at", ["word", "at"], unique=False)
    op.create_table(
        "brand_image",
        sa.Column("digest", schema.Digest(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("data", sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"), nullable=False),
        sa.Column("created_at", schema.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_brand_image")),
        **_TABLE,
    )
    op.create_table(
        "settings_version",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("changed_at", schema.Moment(), nullable=False),
        sa.Column("changed_by", schema.Id(), nullable=True),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_settings_version")),
        **_TABLE,
    )
    op.create_table(
        "webhook",
        sa.Column("id", schema.Id(), nullable=False),
        sa.Column("url", sa.String(length=1000), nullable=False),
        sa.Column("description", sa.String(length=200), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("created_at", schema.Moment(), nullable=False),
        sa.Column("failing_since", schema.Moment(), nullable=True),
        sa.Column("rests_until", schema.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook")),
        **_TABLE,
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("id", schema.Id(), nullable=False),
        sa.Column("webhook_id", schema.Id(), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("created_at", schema.Moment(), nullable=False),
        sa.Column("due_at", schema.Moment(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(length=300), nullable=False),
        sa.Column("done_at", schema.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_delivery")),
        **_TABLE,
    )
    with op.batch_alter_table("webhook_delivery", schema=None) as batch_op:
        batch_op.create_index("ix_webhook_delivery_state_due_at", ["state", "due_at"], unique=False)
        batch_op.create_index("ix_webhook_delivery_webhook_id_created_at", ["webhook_id", "created_at"], unique=False)
    for name in ("blocked_at", "erased_at", "vouched_at"):
        op.add_column("person", sa.Column(name, schema.Moment(), nullable=True))
    op.add_column(
        "server",
        sa.Column("drained", sa.Boolean(create_constraint=False), nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    with op.batch_alter_table("server", schema=None) as batch_op:
        batch_op.drop_column("drained")
    with op.batch_alter_table("person", schema=None) as batch_op:
        for name in ("vouched_at", "erased_at", "blocked_at"):
            batch_op.drop_column(name)
    for name in (
        "webhook_delivery",
        "webhook",
        "settings_version",
        "brand_image",
        "audit_entry",
        "idempotent_call",
        "api_token",
    ):
        op.drop_table(name)
