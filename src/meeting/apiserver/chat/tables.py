"""The chat of a meeting, as it is kept."""

from sqlalchemy import Column, ForeignKey, Index, String, Text

from meeting.apiserver.schema import Id, Moment, table

#: `id` is made by the client, which sends the same one over the room's data channel.
chat_message = table(
    "chat_message",
    Column("meeting_id", Id, ForeignKey("meeting.id"), primary_key=True),
    Column("id", Id, primary_key=True),
    Column("author_id", Id, nullable=False),
    Column("author_name", String(100), nullable=False),
    Column("text", Text, nullable=False),
    Column("sent_at", Moment, nullable=False),
    Index("ix_chat_message_meeting_id_sent_at", "meeting_id", "sent_at"),
)
