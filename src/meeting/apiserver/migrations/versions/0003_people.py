"""What people have beside their address: passkeys, single sign-on, pictures, links, the devices they signed in on"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from meeting.apiserver import schema

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    no = sa.false()
    # Not in a batch, which would copy the table: others refer to it.
    boolean = sa.Boolean(create_constraint=False)
    op.add_column("person", sa.Column("administrator", boolean, nullable=False, server_default=no))
    op.add_column("person", sa.Column("administrator_by_claim", boolean, nullable=False, server_default=no))
    op.add_column("person", sa.Column("handle", sa.String(length=40), nullable=True))
    op.add_column("person", sa.Column("picture", sa.String(length=16), nullable=True))
    op.create_index(op.f("ix_person_handle"), "person", ["handle"], unique=True)
    op.create_table(
        "person_picture",
        sa.Column("person_id", schema.Id(), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("data", sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_person_picture_person_id")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_person_picture")),
        **_TABLE,
    )
    # Sessions are made anew, and everybody signs in again: of the old ones nobody knows on which device they are.
    op.drop_table("session")
    _create_session(
        sa.Column("id", schema.Id(), nullable=False),
        sa.Column("user_agent", sa.String(length=300), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.UniqueConstraint("id", name=op.f("uq_session_id")),
    )
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_session_person_id"), ["person_id"], unique=False)
    op.create_table(
        "passkey",
        sa.Column("id", schema.Id(), nullable=False),
        sa.Column("person_id", schema.Id(), nullable=False),
        sa.Column("credential_hash", schema.Digest(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("transports", sa.String(length=100), nullable=False),
        sa.Column("synced", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("created_at", schema.Moment(), nullable=False),
        sa.Column("used_at", schema.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_passkey_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkey")),
        sa.UniqueConstraint("credential_hash", name=op.f("uq_passkey_credential_hash")),
        **_TABLE,
    )
    with op.batch_alter_table("passkey", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_passkey_person_id"), ["person_id"], unique=False)
    op.create_table(
        "passkey_challenge",
        sa.Column("challenge_hash", schema.Digest(), nullable=False),
        sa.Column("person_id", schema.Id(), nullable=True),
        sa.Column("expires_at", schema.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("challenge_hash", name=op.f("pk_passkey_challenge")),
        **_TABLE,
    )
    with op.batch_alter_table("passkey_challenge", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_passkey_challenge_expires_at"), ["expires_at"], unique=False)
    op.create_table(
        "oidc_attempt",
        sa.Column("state_hash", schema.Digest(), nullable=False),
        sa.Column("browser_hash", schema.Digest(), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("verifier", sa.String(length=128), nullable=False),
        sa.Column("next", sa.String(length=300), nullable=False),
        sa.Column("expires_at", schema.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_oidc_attempt")),
        **_TABLE,
    )
    with op.batch_alter_table("oidc_attempt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_oidc_attempt_expires_at"), ["expires_at"], unique=False)
    op.create_table(
        "oidc_identity",
        sa.Column("identity_hash", schema.Digest(), nullable=False),
        sa.Column("person_id", schema.Id(), nullable=False),
        sa.Column("created_at", schema.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_oidc_identity_person_id")),
        sa.PrimaryKeyConstraint("identity_hash", name=op.f("pk_oidc_identity")),
        **_TABLE,
    )
    with op.batch_alter_table("oidc_identity", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_oidc_identity_person_id"), ["person_id"], unique=False)


def downgrade() -> None:
    for name in ("oidc_identity", "oidc_attempt", "passkey_challenge", "passkey", "person_picture", "session"):
        op.drop_table(name)
    _create_session()
    op.drop_index(op.f("ix_person_handle"), table_name="person")
    for name in ("picture", "handle", "administrator_by_claim", "administrator"):
        op.drop_column("person", name)


def _create_session(*more: Any) -> None:
    op.create_table(
        "session",
        sa.Column("cookie_hash", schema.Digest(), nullable=False),
        sa.Column("person_id", schema.Id(), nullable=True),
        sa.Column("guest_id", schema.Id(), nullable=True),
        sa.Column("created_at", schema.Moment(), nullable=False),
        sa.Column("renewed_at", schema.Moment(), nullable=False),
        sa.Column("expires_at", schema.Moment(), nullable=False),
        *more,
        sa.ForeignKeyConstraint(["guest_id"], ["guest.id"], name=op.f("fk_session_guest_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_session_person_id")),
        sa.PrimaryKeyConstraint("cookie_hash", name=op.f("pk_session")),
        **_TABLE,
    )
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_session_expires_at"), ["expires_at"], unique=False)
