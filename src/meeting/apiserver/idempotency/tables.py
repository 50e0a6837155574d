"""Calls that carried an idempotency key, and their answers."""

from sqlalchemy import Column, LargeBinary
from sqlalchemy.dialects import mysql

from meeting.apiserver.schema import Digest, Id, Moment, table

idempotent_call = table(
    "idempotent_call",
    #: Of caller, route and key.
    Column("digest", Digest, primary_key=True),
    #: Of what was asked: another body under the same key is a mistake of the client's.
    Column("fingerprint", Digest, nullable=False),
    #: Of what the call makes; the same one each time it is tried.
    Column("id", Id, nullable=False),
    #: A call whose replica died can be tried again after this.
    Column("claimed_until", Moment, nullable=False),
    #: Null while the call is going on. Encrypted under the client's key: it may hold a secret that is told once.
    Column("answer", LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"), nullable=True),
    Column("expires_at", Moment, nullable=False, index=True),
)
