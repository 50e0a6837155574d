"""Series of meetings, their exceptions and options"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from meeting.apiserver import schema

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    # With defaults, so that a hub of the release before can write beside one of this release.
    with op.batch_alter_table("meeting", schema=None) as batch_op:
        batch_op.add_column(sa.Column("recurrence", sa.String(length=300), nullable=True))
        batch_op.add_column(sa.Column("first_begin_at", schema.Moment(), nullable=True))
        batch_op.add_column(sa.Column("first_end_at", schema.Moment(), nullable=True))
        batch_op.add_column(sa.Column("moves_on_at", schema.Moment(), nullable=True))
        batch_op.add_column(sa.Column("continued_in", schema.Id(), nullable=True))
        batch_op.add_column(sa.Column("sequence", sa.Integer(), nullable=False, server_default=sa.text("0")))
        batch_op.add_column(sa.Column("passcode", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("lobby", sa.Boolean(), nullable=False, server_default=sa.text("0")))
        batch_op.add_column(sa.Column("presenters", sa.String(length=10), nullable=False, server_default="everyone"))
        batch_op.add_column(
            sa.Column("minutes_writers", sa.String(length=10), nullable=False, server_default="everyone")
        )
        batch_op.add_column(sa.Column("max_minutes", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("e2ee", sa.Boolean(), nullable=False, server_default=sa.text("0")))
        batch_op.add_column(sa.Column("reminders", sa.Boolean(), nullable=False, server_default=sa.text("1")))
        batch_op.create_index(batch_op.f("ix_meeting_begin_at"), ["begin_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_meeting_moves_on_at"), ["moves_on_at"], unique=False)
    with op.batch_alter_table("invitee", schema=None) as batch_op:
        batch_op.add_column(sa.Column("writes_minutes", sa.Boolean(), nullable=False, server_default=sa.text("0")))

    op.create_table(
        "meeting_exception",
        sa.Column("meeting_id", schema.Id(), nullable=False),
        sa.Column("starts_at", schema.Moment(), nullable=False),
        sa.Column("begin_at", schema.Moment(), nullable=False),
        sa.Column("end_at", schema.Moment(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=True),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["meeting_id"], ["meeting.id"], name=op.f("fk_meeting_exception_meeting_id")),
        sa.PrimaryKeyConstraint("meeting_id", "starts_at", name=op.f("pk_meeting_exception")),
        **_TABLE,
    )
    op.create_table(
        "reply",
        sa.Column("meeting_id", schema.Id(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("starts_at", schema.Moment(), nullable=False),
        sa.Column("answer", sa.String(length=10), nullable=False),
        sa.Column("replied_at", schema.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["meeting_id"], ["meeting.id"], name=op.f("fk_reply_meeting_id")),
        sa.PrimaryKeyConstraint("meeting_id", "email", "starts_at", name=op.f("pk_reply")),
        **_TABLE,
    )
    op.create_table(
        "reminder",
        sa.Column("meeting_id", schema.Id(), nullable=False),
        sa.Column("begin_at", schema.Moment(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.PrimaryKeyConstraint("meeting_id", "begin_at", "email", name=op.f("pk_reminder")),
        **_TABLE,
    )
    with op.batch_alter_table("reminder", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_reminder_begin_at"), ["begin_at"], unique=False)
    op.create_table(
        "calendar_choice",
        sa.Column("person_id", schema.Id(), nullable=False),
        sa.Column("reminder_minutes", sa.Integer(), nullable=True),
        sa.Column("feed_nonce", schema.Digest(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_calendar_choice_person_id")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_calendar_choice")),
        **_TABLE,
    )
    op.create_table(
        "contact_group",
        sa.Column("id", schema.Id(), nullable=False),
        sa.Column("owner_id", schema.Id(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["person.id"], name=op.f("fk_contact_group_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_group")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_contact_group_owner_id_name")),
        **_TABLE,
    )
    op.create_table(
        "contact",
        sa.Column("group_id", schema.Id(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["contact_group.id"], name=op.f("fk_contact_group_id")),
        sa.PrimaryKeyConstraint("group_id", "email", name=op.f("pk_contact")),
        **_TABLE,
    )


def downgrade() -> None:
    for name in ("contact", "contact_group", "calendar_choice", "reminder", "reply", "meeting_exception"):
        op.drop_table(name)
    with op.batch_alter_table("invitee", schema=None) as batch_op:
        batch_op.drop_column("writes_minutes")
    with op.batch_alter_table("meeting", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_meeting_moves_on_at"))
        batch_op.drop_index(batch_op.f("ix_meeting_begin_at"))
        for name in (
            "reminders",
            "e2ee",
            "max_minutes",
            "minutes_writers",
            "presenters",
            "lobby",
            "passcode",
            "sequence",
            "continued_in",
            "moves_on_at",
            "first_end_at",
            "first_begin_at",
            "recurrence",
        ):
            batch_op.drop_column(name)
