"""The SQL of servers, promises and allocations. Each function is a part of one transaction."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from meeting.apiserver.allocation.rules import Check, Server, Servers
from meeting.apiserver.allocation.tables import allocation, reservation, server, server_check
from meeting.apiserver.database import insert_if_absent, upsert

HELD = "held"

#: (kind, address) → the server there.
Known = Mapping[tuple[str, str], Server]


@dataclass(frozen=True)
class Seen:
    """What there is to know when somebody joins."""

    #: Of the allocation; 0: there is none.
    version: int
    #: Where the room is, or was.
    servers: Servers | None
    #: What the allocateserver promised for the meeting's times.
    promised: Servers | None
    known: Known
    #: By the sfuserver's address.
    checks: Mapping[str, Check]


def look(
    transaction: Connection,
    meeting_id: str,
    begin_at: datetime | None,
    end_at: datetime | None,
    *,
    asked: bool = True,
) -> Seen:
    """All of it at once. `asked`: there is an allocateserver, whose promises and servers are looked at."""
    version, servers = current(transaction, meeting_id)
    if not asked:
        return Seen(version, servers, None, all_servers(transaction), {})
    same = (reservation.c.begin_at == begin_at, reservation.c.end_at == end_at)  # None: IS NULL
    held = select(reservation).where(reservation.c.meeting_id == meeting_id, reservation.c.state == HELD, *same)
    row = transaction.execute(held).first()
    promised = None if row is None else Servers(row.sfu, row.turn)
    named = {each.sfu for each in (servers, promised) if each is not None}
    return Seen(version, servers, promised, all_servers(transaction), checks_of(transaction, named))


def checks_of(transaction: Connection, addresses: Collection[str]) -> dict[str, Check]:
    """What came of the last look at each of these sfuservers."""
    rows = transaction.execute(select(server_check).where(server_check.c.address.in_(addresses)))
    return {row.address: Check(row.instance, row.outcome, row.trouble, row.checked_at) for row in rows}


def keep_check(transaction: Connection, address: str, check: Check) -> None:
    """Write down what came of a look."""
    values = vars(check)
    upsert(transaction, server_check, {"address": address, **values}, values)


_ALLOCATION_OF = select(allocation.c.version, allocation.c.sfu, allocation.c.turn).where(
    allocation.c.meeting_id == bindparam("meeting_id")
)


def current(transaction: Connection, meeting_id: str) -> tuple[int, Servers | None]:
    """The version of a meeting's allocation, and where its room is."""
    row = transaction.execute(_ALLOCATION_OF, {"meeting_id": meeting_id}).first()
    return (0, None) if row is None else (row.version, Servers(row.sfu, row.turn))


def assign(transaction: Connection, meeting_id: str, version: int, chosen: Servers, now: datetime) -> Servers:
    """Compare and set: `chosen`, if the meeting's allocation is still at `version`; returns what it is now."""
    values = {"sfu": chosen.sfu, "turn": chosen.turn, "version": version + 1, "allocated_at": now}
    if version == 0:
        if insert_if_absent(transaction, allocation, meeting_id=meeting_id, **values):
            return chosen
    else:
        same = update(allocation).where(allocation.c.meeting_id == meeting_id, allocation.c.version == version)
        if transaction.execute(same.values(**values)).rowcount:
            return chosen
    _, servers = current(transaction, meeting_id)
    return servers or chosen


_SERVERS = select(
    *(server.c[name] for name in ("kind", "address", "url", "instance", "state", "load", "started_at", "beat_at")),
    server.c.drained,
    server.c.media,
)


def all_servers(transaction: Connection) -> dict[tuple[str, str], Server]:
    """All that registered."""
    return {(row.kind, row.address): server_of(row) for row in transaction.execute(_SERVERS)}


def server_of(row: Any) -> Server:
    """A row of `server`."""
    return Server(
        row.kind,
        row.address,
        row.url,
        row.instance,
        row.state,
        row.load,
        row.started_at,
        row.beat_at,
        bool(row.drained),
        tuple(json.loads(row.media)),
    )


def lost_since(transaction: Connection, meeting_ids: Collection[str], now: datetime) -> dict[str, datetime]:
    """For each of these meetings whose sfuserver registers here: since when nobody who was there can be there any more.

    That is now if it is gone, and its start otherwise: a server that restarted has no rooms. One query.
    """
    query = (
        select(allocation.c.meeting_id, server)
        .select_from(allocation.join(server, (server.c.address == allocation.c.sfu) & (server.c.kind == "sfu")))
        .where(allocation.c.meeting_id.in_(meeting_ids))
    )
    return {
        row.meeting_id: now if server_of(row).is_lost(now) else row.started_at for row in transaction.execute(query)
    }


def ready(transaction: Connection, kind: str, but: str, now: datetime, interval: timedelta) -> list[str]:
    """The addresses of the servers of a kind that take somebody new, but this one's; the least loaded first."""
    found = map(server_of, transaction.execute(select(server).where(server.c.kind == kind, server.c.address != but)))
    able = [each for each in found if each.state == "ready" and not each.drained and each.is_alive(now, interval)]
    return [each.address for each in sorted(able, key=lambda each: (each.load, each.address))]


def forget(transaction: Connection, before: datetime) -> None:
    """Drop servers, and what was found out about them, that nobody has heard or asked since."""
    transaction.execute(delete(server).where(server.c.beat_at < before))
    transaction.execute(delete(server_check).where(server_check.c.checked_at < before))
