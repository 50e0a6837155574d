"""The settings, one row per version, and the pictures of the brand."""

from sqlalchemy import Column, Integer, LargeBinary, String, Text
from sqlalchemy.dialects import mysql

from meeting.apiserver.schema import Digest, Id, Moment, table

#: Each change is a new row: of two at once, one finds its version taken. The newest counts; the others are history.
settings_version = table(
    "settings_version",
    Column("version", Integer, primary_key=True, autoincrement=False),
    #: JSON: what differs from the defaults.
    Column("document", Text, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("changed_by", Id, nullable=True),
)

#: A logo, under the SHA-256 of its bytes: whoever has a settings version finds its picture.
brand_image = table(
    "brand_image",
    Column("digest", Digest, primary_key=True),
    Column("type", String(32), nullable=False),
    Column("data", LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"), nullable=False),
    Column("created_at", Moment, nullable=False),
)
