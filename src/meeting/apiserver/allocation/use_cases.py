"""Servers register by heartbeat; meetings get theirs from the allocateserver, or the least loaded ones.

Whichever replica is asked, a meeting has one answer: it is a row, and a replica that wants to change it says which
version it saw. Of two that allocate at once the second finds its version gone, and takes what the first wrote.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, Row, delete, select, update
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from meeting.apiserver.allocation import rules
from meeting.apiserver.allocation.rules import Server, Servers
from meeting.apiserver.allocation.tables import allocation, server
from meeting.apiserver.database import Database, insert_if_absent, upsert
from meeting.apiserver.schema import utc_now
from meeting.daemon.errors import Conflict, PleaseWait

#: Servers not heard for this long are forgotten.
FORGET = timedelta(days=7)


class AddressTaken(Conflict):
    """Another live instance registers under this address."""

    problem = "address-taken"
    title = "Another server of this kind has this address."


@dataclass(frozen=True)
class Endpoint:
    """A server as a client reaches it."""

    address: str
    url: str


@dataclass(frozen=True)
class Beat:
    """A heartbeat, checked."""

    kind: str
    address: str
    url: str
    instance: str
    version: str
    state: str
    load: float
    media: tuple[str, ...]
    details: Mapping[str, Any]


class Allocator(Protocol):
    """Who chooses servers: the enterprise's allocateserver, or nobody (then we choose). Raises PleaseWait."""

    async def servers(self, email: str, begin_at: datetime | None, end_at: datetime | None) -> Servers: ...

    async def file_server(self, email: str) -> str: ...


class Allocation:
    """Who serves what."""

    log = Logger()

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        allocator: Allocator | None,
        *,
        interval: timedelta = timedelta(seconds=1),
    ) -> None:
        """`allocator` None: the hub chooses. `interval`: of the heartbeats."""
        self._database = database
        self._clock = clock
        self._allocator = allocator
        self.interval = interval

    # -- registration -------------------------------------------------------------------------------------------------

    async def heartbeat(self, beat: Beat) -> list[str]:
        """Write down that a server is there; returns the peers of a turnserver: the media addresses of live sfuservers.

        Raises AddressTaken while another instance with this address is alive.
        """
        return await self._database.run(_beat, beat, utc_now(self._clock), self.interval)

    async def leave(self, kind: str, address: str, instance: str) -> None:
        """A server stops: it is gone at once."""
        await self._database.run(_leave, kind, address, instance)

    async def sweep(self) -> None:
        """Forget servers that have been gone for long."""
        await self._database.run(_forget, utc_now(self._clock) - FORGET)

    # -- meetings -----------------------------------------------------------------------------------------------------

    async def reserve(self, meeting_id: str, email: str, begin_at: datetime, end_at: datetime) -> None:
        """Ask for a scheduled meeting's servers ahead of time. A refusal is none: the first join asks again."""
        if self._allocator is None:
            return  # what is least loaded then is not known now
        version, _, _ = await self._database.read(_look, meeting_id)
        try:
            chosen = await self._allocator.servers(email, begin_at, end_at)
        except PleaseWait:
            return
        await self._database.run(_assign, meeting_id, version, chosen, utc_now(self._clock))

    async def for_join(
        self, meeting_id: str, email: str, begin_at: datetime | None, end_at: datetime | None
    ) -> tuple[Endpoint, str]:
        """The sfuserver and the turnserver's address (or an empty text) for someone who joins now.

        Raises PleaseWait.
        """
        now = utc_now(self._clock)
        version, servers, known = await self._database.read(_look, meeting_id)
        chosen = servers
        if servers is None or self._is_lost(known, "sfu", servers.sfu, now):
            chosen = await self._choose(known, email, begin_at, end_at, now)
        elif self._allocator is None and servers.turn and self._is_lost(known, "turn", servers.turn, now):
            turn = rules.least_loaded(known.values(), "turn", now, self.interval)
            chosen = Servers(servers.sfu, turn.address if turn else "")
        assert chosen is not None
        if chosen != servers:
            self.log.info("meeting {meeting} is served by {sfu}", meeting=meeting_id, sfu=chosen.sfu)
            chosen = await self._database.run(_assign, meeting_id, version, chosen, now)
        return self._endpoint(known, "sfu", chosen.sfu), chosen.turn

    async def current(self, meeting_id: str) -> Endpoint | None:
        """The sfuserver that serves a meeting, if it has one."""
        _, servers, known = await self._database.read(_look, meeting_id)
        return None if servers is None else self._endpoint(known, "sfu", servers.sfu)

    async def file_server(self, email: str) -> Endpoint:
        """The fsserver for the files of an owner's meetings. Raises PleaseWait."""
        known = await self._database.read(_servers)
        if self._allocator is not None:
            return self._endpoint(known, "fs", await self._allocator.file_server(email))
        chosen = rules.least_loaded(known.values(), "fs", utc_now(self._clock), self.interval)
        if chosen is None:
            raise PleaseWait(rules.WAIT, "No file server is ready.")
        return Endpoint(chosen.address, chosen.url)

    async def endpoint(self, kind: str, address: str) -> Endpoint:
        """How the server with this address is reached: as it registered, else by https."""
        return self._endpoint(await self._database.read(_servers), kind, address)

    async def servers(self) -> list[Server]:
        """All that registered, for the status pages."""
        return list((await self._database.read(_servers)).values())

    async def _choose(
        self,
        known: Mapping[tuple[str, str], Server],
        email: str,
        begin_at: datetime | None,
        end_at: datetime | None,
        now: datetime,
    ) -> Servers:
        if self._allocator is not None:
            return await self._allocator.servers(email, begin_at, end_at)
        sfu = rules.least_loaded(known.values(), "sfu", now, self.interval)
        if sfu is None:
            raise PleaseWait(rules.WAIT, "No media server is ready.")
        turn = rules.least_loaded(known.values(), "turn", now, self.interval)
        return Servers(sfu.address, turn.address if turn else "")

    def _is_lost(self, known: Mapping[tuple[str, str], Server], kind: str, address: str, now: datetime) -> bool:
        found = known.get((kind, address))
        return found is None or found.is_lost(now)

    @staticmethod
    def _endpoint(known: Mapping[tuple[str, str], Server], kind: str, address: str) -> Endpoint:
        found = known.get((kind, address))
        return Endpoint(address, found.url if found else f"https://{address}")


def lost_since(transaction: Connection, meeting_ids: Collection[str], now: datetime) -> dict[str, datetime]:
    """For each of these meetings whose sfuserver registers here: since when nobody who was there can be there any more.

    That is now if it is gone, and its start otherwise: a server that restarted has no rooms. One query.
    """
    query = (
        select(allocation.c.meeting_id, server)
        .select_from(allocation.join(server, (server.c.address == allocation.c.sfu) & (server.c.kind == "sfu")))
        .where(allocation.c.meeting_id.in_(meeting_ids))
    )
    return {row.meeting_id: now if _server(row).is_lost(now) else row.started_at for row in transaction.execute(query)}


def _server(row: Row[Any]) -> Server:
    return Server(row.kind, row.address, row.url, row.instance, row.state, row.load, row.started_at, row.beat_at)


def _servers(transaction: Connection) -> dict[tuple[str, str], Server]:
    return {(row.kind, row.address): _server(row) for row in transaction.execute(select(server))}


def _look(transaction: Connection, meeting_id: str) -> tuple[int, Servers | None, dict[tuple[str, str], Server]]:
    return *_current(transaction, meeting_id), _servers(transaction)


def _current(transaction: Connection, meeting_id: str) -> tuple[int, Servers | None]:
    row = transaction.execute(select(allocation).where(allocation.c.meeting_id == meeting_id)).first()
    return (0, None) if row is None else (row.version, Servers(row.sfu, row.turn))


def _assign(transaction: Connection, meeting_id: str, version: int, chosen: Servers, now: datetime) -> Servers:
    """Compare and set: `chosen`, if the meeting's allocation is still at `version`; returns what it is now."""
    values = {"sfu": chosen.sfu, "turn": chosen.turn, "version": version + 1, "allocated_at": now}
    if version == 0:
        if insert_if_absent(transaction, allocation, meeting_id=meeting_id, **values):
            return chosen
    else:
        same = update(allocation).where(allocation.c.meeting_id == meeting_id, allocation.c.version == version)
        if transaction.execute(same.values(**values)).rowcount:
            return chosen
    _, servers = _current(transaction, meeting_id)
    return servers or chosen


def _beat(transaction: Connection, beat: Beat, now: datetime, interval: timedelta) -> list[str]:
    key = (server.c.kind == beat.kind) & (server.c.address == beat.address)
    heard = {
        "url": beat.url,
        "version": beat.version,
        "state": beat.state,
        "load": beat.load,
        "media": json.dumps(beat.media),
        "details": json.dumps(dict(beat.details)),
        "beat_at": now,
    }
    # The usual second: one row, one statement.
    if not transaction.execute(update(server).where(key, server.c.instance == beat.instance).values(**heard)).rowcount:
        other = transaction.execute(select(server).where(key)).first()
        if other is not None and _server(other).is_alive(now, interval):
            raise AddressTaken(f"{beat.address} is used by another instance that is alive.")
        fresh = {**heard, "instance": beat.instance, "started_at": now}
        upsert(transaction, server, {"kind": beat.kind, "address": beat.address, **fresh}, fresh)
    if beat.kind != "turn":
        return []
    sfuservers = transaction.execute(select(server).where(server.c.kind == "sfu")).all()
    return sorted({address for row in sfuservers if not _server(row).is_lost(now) for address in json.loads(row.media)})


def _leave(transaction: Connection, kind: str, address: str, instance: str) -> None:
    mine = update(server).where(server.c.kind == kind, server.c.address == address, server.c.instance == instance)
    transaction.execute(mine.values(state=rules.STOPPED))


def _forget(transaction: Connection, before: datetime) -> None:
    transaction.execute(delete(server).where(server.c.beat_at < before))
