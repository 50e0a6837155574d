"""API tokens, as digests."""

from sqlalchemy import Column, ForeignKey, String

from meeting.apiserver.schema import Digest, Id, Moment, table

api_token = table(
    "api_token",
    Column("id", Id, primary_key=True),
    Column("person_id", Id, ForeignKey("person.id"), nullable=False, index=True),
    Column("name", String(100), nullable=False),
    Column("digest", Digest, nullable=False, unique=True),
    #: Separated by spaces.
    Column("scopes", String(500), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("used_at", Moment, nullable=True),
)
