"""Mails with several parts, and what became of them"""

import sqlalchemy as sa
from alembic import op

from meeting.apiserver import schema

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("mail", schema=None) as batch_op:
        batch_op.add_column(sa.Column("html", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("calendar_method", sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column("calendar", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("language", sa.String(length=16), nullable=False, server_default="en"))
        batch_op.add_column(sa.Column("reply_to", sa.String(length=254), nullable=True))
        batch_op.add_column(sa.Column("about", schema.Id(), nullable=True))
        batch_op.add_column(sa.Column("logo", schema.Digest(), nullable=True))
        batch_op.create_index("ix_mail_about", ["about"])


def downgrade() -> None:
    with op.batch_alter_table("mail", schema=None) as batch_op:
        batch_op.drop_index("ix_mail_about")
        for name in ("logo", "about", "reply_to", "language", "calendar", "calendar_method", "html"):
            batch_op.drop_column(name)
