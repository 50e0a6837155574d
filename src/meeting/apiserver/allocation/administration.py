"""The servers, as administrators see them; and taking one out of service."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Subquery, select, update

from meeting.apiserver.allocation.tables import allocation, server
from meeting.daemon.errors import NotFound


@dataclass(frozen=True)
class Registered:
    """A server, as its last heartbeat describes it. `drained`: it gets no new meetings, by an administrator's word."""

    kind: str
    address: str
    version: str
    state: str
    load: float
    details: Mapping[str, Any]
    started_at: datetime
    beat_at: datetime
    drained: bool


def registered(transaction: Connection) -> list[Registered]:
    """All servers that are known, by kind and address."""
    query = select(server).order_by(server.c.kind, server.c.address)
    return [
        Registered(
            row.kind,
            row.address,
            row.version,
            row.state,
            row.load,
            json.loads(row.details),
            row.started_at,
            row.beat_at,
            bool(row.drained),
        )
        for row in transaction.execute(query)
    ]


def drain(transaction: Connection, kind: str, address: str, value: bool) -> None:
    """Give a server no new meetings, or again some. What runs there goes on. Raises NotFound."""
    key = (server.c.kind == kind) & (server.c.address == address)
    if transaction.execute(select(server.c.kind).where(key)).first() is None:
        raise NotFound("There is no server with this address.")
    transaction.execute(update(server).where(key).values(drained=value))


def serving() -> Subquery:
    """Which meeting has which sfuserver, to be joined in a query: `meeting_id`, `sfu`."""
    return select(allocation.c.meeting_id, allocation.c.sfu).subquery()


def servers_of(transaction: Connection, meeting_ids: list[str]) -> dict[str, str]:
    """The sfuserver of each of these meetings that has one."""
    if not meeting_ids:
        return {}
    query = select(allocation.c.meeting_id, allocation.c.sfu).where(allocation.c.meeting_id.in_(meeting_ids))
    return {row.meeting_id: row.sfu for row in transaction.execute(query)}
