"""People, the codes and sessions that say who someone is, guests, and the counters that limit tries."""

from sqlalchemy import Boolean, Column, ForeignKey, Integer, SmallInteger, String, false

from meeting.apiserver.schema import Digest, Email, Id, Moment, table

person = table(
    "person",
    Column("id", Id, primary_key=True),
    Column("email", Email(), nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("zone", String(64), nullable=False),
    Column("language", String(16), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("administrator", Boolean(create_constraint=False), nullable=False, server_default=false()),
)

#: Someone without an account, let into one meeting by its link.
guest = table(
    "guest",
    Column("id", Id, primary_key=True),
    Column("meeting_id", Id, nullable=False, index=True),
    Column("name", String(100), nullable=False),
    Column("created_at", Moment, nullable=False),
)

#: One code per address: a new one replaces the old.
sign_in_code = table(
    "sign_in_code",
    Column("email", Email(), primary_key=True),
    Column("code_hash", Digest, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("tries_left", SmallInteger, nullable=False),
)

#: A browser's cookie, as its HMAC. Of a person or of a guest.
session = table(
    "session",
    Column("cookie_hash", Digest, primary_key=True),
    Column("person_id", Id, ForeignKey("person.id"), nullable=True),
    Column("guest_id", Id, ForeignKey("guest.id"), nullable=True),
    Column("created_at", Moment, nullable=False),
    Column("renewed_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
)

#: How often something was done within a span of time; `bucket` is a digest of what and by whom.
rate = table(
    "rate",
    Column("bucket", Digest, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("until", Moment, nullable=False, index=True),
)
