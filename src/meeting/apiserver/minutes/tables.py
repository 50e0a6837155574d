"""The minutes of a meeting as they are kept: a snapshot and the updates since; and the files that were announced."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String

from meeting.apiserver.schema import Id, MediumBytes, Moment, table

#: One Yjs update that was acknowledged and is not yet in the snapshot. Their order does not matter to a CRDT.
minutes_update = table(
    "minutes_update",
    Column("meeting_id", Id, ForeignKey("meeting.id"), primary_key=True),
    Column("id", Id, primary_key=True),
    Column("data", MediumBytes, nullable=False),
    Column("written_at", Moment, nullable=False),
)

#: All updates up to some moment, as one.
minutes_snapshot = table(
    "minutes_snapshot",
    Column("meeting_id", Id, ForeignKey("meeting.id"), primary_key=True),
    Column("data", MediumBytes, nullable=False),
    Column("written_at", Moment, nullable=False),
)

#: A file that somebody was permitted to upload. Its bytes are on the fsserver `address` (host:port), or never came.
file = table(
    "file",
    Column("id", Id, primary_key=True),
    Column("meeting_id", Id, ForeignKey("meeting.id"), nullable=False),
    Column("subject_id", Id, nullable=False),
    Column("name", String(200), nullable=False),
    Column("type", String(100), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("address", String(262), nullable=False),
    Column("created_at", Moment, nullable=False),
    Index("ix_file_meeting_id_subject_id", "meeting_id", "subject_id"),
)
