"""The first schema"""

import sqlalchemy as sa
from alembic import op

from meeting.apiserver import schema

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "allocation",
        sa.Column("meeting_id", schema.Id(), nullable=False),
        sa.Column("sfu", sa.String(length=262), nullable=False),
        sa.Column("turn", sa.String(length=262), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("allocated_at", schema.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("meeting_id", name=op.f("pk_allocation")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "guest",
        sa.Column("id", schema.Id(), nullable=False),
        sa.Column("meeting_id", schema.Id(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("created_at", schema.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guest")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("guest", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_guest_meeting_id"), ["meeting_id"], unique=False)

    op.create_table(
        "mail",
        sa.Column("id", schema.Id(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("subject", sa.String(length=250), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("wipe", sa.Integer(), nullable=False),
        sa.Column("created_at", schema.Moment(), nullable=False),
        sa.Column("due_at", schema.Moment(), nullable=False),
        sa.Column("expires_at", schema.Moment(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=True),
        sa.Column("sent_at", schema.Moment(), nullable=True),
        sa.Column("last_error", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("mail", schema=None) as batch_op:
        batch_op.create_index("ix_mail_state_due_at", ["state", "due_at"], unique=False)

    op.create_table(
        "person",
        sa.Column("id", schema.Id(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("created_at", schema.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("email", name=op.f("uq_person_email")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "rate",
        sa.Column("bucket", schema.Digest(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("until", schema.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name=op.f("pk_rate")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("rate", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rate_until"), ["until"], unique=False)

    op.create_table(
        "server",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("address", sa.String(length=262), nullable=False),
        sa.Column("url", sa.String(length=300), nullable=False),
        sa.Column("instance", sa.String(length=32), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("load", sa.Double(), nullable=False),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("started_at", schema.Moment(), nullable=False),
        sa.Column("beat_at", schema.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "address", name=op.f("pk_server")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "sign_in_code",
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("code_hash", schema.Digest(), nullable=False),
        sa.Column("expires_at", schema.Moment(), nullable=False),
        sa.Column("tries_left", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("email", name=op.f("pk_sign_in_code")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("sign_in_code", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sign_in_code_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "meeting",
        sa.Column("id", schema.Id(), nullable=False),
        sa.Column("code", sa.String(length=12), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("owner_id", schema.Id(), nullable=False),
        sa.Column("instant_owner_id", schema.Id(), nullable=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("begin_at", schema.Moment(), nullable=True),
        sa.Column("end_at", schema.Moment(), nullable=True),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("guests_allowed", sa.Boolean(), nullable=False),
        sa.Column("running_since", schema.Moment(), nullable=True),
        sa.Column("ended_at", schema.Moment(), nullable=True),
        sa.Column("cancelled_at", schema.Moment(), nullable=True),
        sa.Column("created_at", schema.Moment(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["person.id"], name=op.f("fk_meeting_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting")),
        sa.UniqueConstraint("code", name=op.f("uq_meeting_code")),
        sa.UniqueConstraint("instant_owner_id", name=op.f("uq_meeting_instant_owner_id")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("meeting", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_meeting_owner_id"), ["owner_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_meeting_running_since"), ["running_since"], unique=False)

    op.create_table(
        "session",
        sa.Column("cookie_hash", schema.Digest(), nullable=False),
        sa.Column("person_id", schema.Id(), nullable=True),
        sa.Column("guest_id", schema.Id(), nullable=True),
        sa.Column("created_at", schema.Moment(), nullable=False),
        sa.Column("renewed_at", schema.Moment(), nullable=False),
        sa.Column("expires_at", schema.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["guest_id"], ["guest.id"], name=op.f("fk_session_guest_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_session_person_id")),
        sa.PrimaryKeyConstraint("cookie_hash", name=op.f("pk_session")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_session_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "attendance",
        sa.Column("meeting_id", schema.Id(), nullable=False),
        sa.Column("stay", sa.String(length=64), nullable=False),
        sa.Column("identity", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("joined_at", schema.Moment(), nullable=False),
        sa.Column("left_at", schema.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["meeting_id"], ["meeting.id"], name=op.f("fk_attendance_meeting_id")),
        sa.PrimaryKeyConstraint("meeting_id", "stay", name=op.f("pk_attendance")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("attendance", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_attendance_left_at"), ["left_at"], unique=False)

    op.create_table(
        "chat_message",
        sa.Column("meeting_id", schema.Id(), nullable=False),
        sa.Column("id", schema.Id(), nullable=False),
        sa.Column("author_id", schema.Id(), nullable=False),
        sa.Column("author_name", sa.String(length=100), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sent_at", schema.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["meeting_id"], ["meeting.id"], name=op.f("fk_chat_message_meeting_id")),
        sa.PrimaryKeyConstraint("meeting_id", "id", name=op.f("pk_chat_message")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("chat_message", schema=None) as batch_op:
        batch_op.create_index("ix_chat_message_meeting_id_sent_at", ["meeting_id", "sent_at"], unique=False)

    op.create_table(
        "invitee",
        sa.Column("meeting_id", schema.Id(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["meeting_id"], ["meeting.id"], name=op.f("fk_invitee_meeting_id")),
        sa.PrimaryKeyConstraint("meeting_id", "email", name=op.f("pk_invitee")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("invitee", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_invitee_email"), ["email"], unique=False)

    op.create_table(
        "member",
        sa.Column("meeting_id", schema.Id(), nullable=False),
        sa.Column("subject_id", schema.Id(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("first_joined_at", schema.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["meeting_id"], ["meeting.id"], name=op.f("fk_member_meeting_id")),
        sa.PrimaryKeyConstraint("meeting_id", "subject_id", name=op.f("pk_member")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("member", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_member_subject_id"), ["subject_id"], unique=False)


def downgrade() -> None:
    for name in (
        "member",
        "invitee",
        "chat_message",
        "attendance",
        "session",
        "meeting",
        "sign_in_code",
        "server",
        "rate",
        "person",
        "mail",
        "guest",
        "allocation",
    ):
        op.drop_table(name)  # its indexes go with it
