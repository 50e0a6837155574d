"""Webhooks, and what is to be told by them: written in the transaction that it tells of, sent afterwards."""

from sqlalchemy import Boolean, Column, Index, Integer, String, Text

from meeting.apiserver.schema import Id, Moment, table

#: Its secret is made from the servers' secret, its id and `generation`, and so is in no table.
webhook = table(
    "webhook",
    Column("id", Id, primary_key=True),
    Column("url", String(1000), nullable=False),
    Column("description", String(200), nullable=False),
    #: JSON: the types of events it wants.
    Column("events", Text, nullable=False),
    Column("enabled", Boolean(create_constraint=False), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    #: Since when nothing has reached it; null: the last delivery did.
    Column("failing_since", Moment, nullable=True),
    #: Until when it is left alone after a failure.
    Column("rests_until", Moment, nullable=False),
)

#: One event for one webhook.
webhook_delivery = table(
    "webhook_delivery",
    Column("id", Id, primary_key=True),
    Column("webhook_id", Id, nullable=False),
    Column("event", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(12), nullable=False),
    Column("created_at", Moment, nullable=False),
    #: When it may next be tried; while a sender holds it, when its lease ends.
    Column("due_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("holder", String(32), nullable=True),
    Column("status", Integer, nullable=True),
    Column("error", String(300), nullable=False),
    Column("done_at", Moment, nullable=True),
    Index("ix_webhook_delivery_state_due_at", "state", "due_at"),
    Index("ix_webhook_delivery_webhook_id_created_at", "webhook_id", "created_at"),
)
