"""The audit log: rows are written and, when their whole day is over its time, removed; nothing changes one."""

from sqlalchemy import Column, Index, String, Text

from meeting.apiserver.schema import Id, Moment, table

#: Ids, not names: who is erased later is not named here. `target_text` is a title, an address or a URL.
audit_entry = table(
    "audit_entry",
    Column("id", Id, primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    Column("word", String(64), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("actor_kind", String(16), nullable=False),
    Column("actor_id", Id, nullable=True),
    Column("about_meeting", Id, nullable=True),
    Column("target_id", Id, nullable=True, index=True),
    Column("target_text", String(300), nullable=False),
    Column("source", String(64), nullable=False),
    Column("request", String(64), nullable=False),
    #: JSON: what else is worth knowing, never a secret.
    Column("details", Text, nullable=False),
    Index("ix_audit_entry_word_at", "word", "at"),
    Index("ix_audit_entry_actor_id_at", "actor_id", "at"),
    Index("ix_audit_entry_about_meeting_at", "about_meeting", "at"),
)
