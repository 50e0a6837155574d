"""Writing to the audit log and searching it.

There is no way to change or remove an entry but by age, in whole days. An entry is written with the transaction that it
tells of, or before the request is answered.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, or_, select
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.audit.rules import (
    DETAILS_LENGTH,
    NOBODY,
    TEXT_LENGTH,
    Actor,
    ActorKind,
    Entry,
    Origin,
    Outcome,
    without_secrets,
)
from meeting.apiserver.audit.tables import audit_entry
from meeting.apiserver.database import Database, insert_new
from meeting.apiserver.pages import Order, Page, Slice
from meeting.apiserver.schema import new_id, utc_now


@dataclass(frozen=True)
class Written:
    """An entry as it was written."""

    id: str
    at: datetime
    word: str
    outcome: Outcome
    actor: Actor
    meeting_id: str | None
    target_id: str | None
    target_text: str
    source: str
    request: str
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Search:
    """What is looked for; None: anything. `person`: by them or about them. `word`: this one, or all below `word.`."""

    person: str | None = None
    meeting_id: str | None = None
    word: str | None = None
    outcome: Outcome | None = None
    since: datetime | None = None
    until: datetime | None = None


class Audit:
    """The audit log."""

    def __init__(self, database: Database, clock: IReactorTime) -> None:
        self._database = database
        self._clock = clock

    def entry(self, entry: Entry) -> dict[str, Any]:
        """The row of an entry of this moment, to be written by `write`: made before the transaction begins, so that one
        that is done again writes it once.
        """
        now = utc_now(self._clock)
        details = json.dumps(without_secrets(dict(entry.details)), ensure_ascii=False, default=str)
        if len(details) > DETAILS_LENGTH:
            details = json.dumps({"left_out": "too long"})
        return {
            "id": new_id(now),
            "at": now,
            "word": entry.word,
            "outcome": entry.outcome.value,
            "actor_kind": entry.origin.actor.kind.value,
            "actor_id": entry.origin.actor.id,
            "about_meeting": entry.meeting_id,
            "target_id": entry.target_id,
            "target_text": entry.target_text[:TEXT_LENGTH],
            "source": entry.origin.source[:64],
            "request": entry.origin.request[:64],
            "details": details,
        }

    async def record(self, entry: Entry) -> None:
        """Write an entry down. Durable when this returns."""
        await self._database.run(write, self.entry(entry))

    async def search(self, search: Search, page: Page) -> Slice[Written]:
        """Entries, the newest first."""
        return await self._database.read(_search, search, page)


def write(transaction: Connection, row: Mapping[str, Any]) -> None:
    """Write an entry (a row of `Audit.entry`) with the transaction that it tells of."""
    insert_new(transaction, audit_entry, [row])


def _search(transaction: Connection, search: Search, page: Page) -> Slice[Written]:
    query = select(audit_entry)
    if search.person is not None:
        query = query.where(or_(audit_entry.c.actor_id == search.person, audit_entry.c.target_id == search.person))
    if search.meeting_id is not None:
        query = query.where(audit_entry.c.about_meeting == search.meeting_id)
    if search.word is not None:
        below = audit_entry.c.word.startswith(f"{search.word}.", autoescape=True)
        query = query.where(or_(audit_entry.c.word == search.word, below))
    if search.outcome is not None:
        query = query.where(audit_entry.c.outcome == search.outcome.value)
    if search.since is not None:
        query = query.where(audit_entry.c.at >= search.since)
    if search.until is not None:
        query = query.where(audit_entry.c.at < search.until)
    order = Order(audit_entry.c.at, audit_entry.c.id, descending=True)
    return order.cut(transaction.execute(order.of_page(query, page)).all(), page).map(_written)


def _written(row: Row[Any]) -> Written:
    return Written(
        id=row.id,
        at=row.at,
        word=row.word,
        outcome=Outcome(row.outcome),
        actor=Actor(ActorKind(row.actor_kind), row.actor_id),
        meeting_id=row.about_meeting,
        target_id=row.target_id,
        target_text=row.target_text,
        source=row.source,
        request=row.request,
        details=json.loads(row.details),
    )


__all__ = ["NOBODY", "Actor", "ActorKind", "Audit", "Entry", "Origin", "Outcome", "Search", "Written", "write"]
