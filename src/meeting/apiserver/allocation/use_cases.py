"""Servers register by heartbeat; meetings get theirs from the allocateserver, or the least loaded ones.

Whichever replica is asked, a meeting has one answer: it is a row, and a replica that wants to change it says which
version it saw. Of two that allocate at once the second finds its version gone, and takes what the first wrote.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, select, update
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from meeting.apiserver.allocation import queries, rules
from meeting.apiserver.allocation.queries import Known, Seen, lost_since
from meeting.apiserver.allocation.reservations import Allocator, Reservations
from meeting.apiserver.allocation.rules import Check, NotServed, Server, Servers
from meeting.apiserver.allocation.tables import server
from meeting.apiserver.database import Database, upsert
from meeting.apiserver.schema import utc_now
from meeting.daemon.errors import Conflict, PleaseWait
from meeting.daemon.observe import Metrics

__all__ = ["AddressTaken", "Allocation", "Allocator", "Beat", "Endpoint", "Reservations", "lost_since"]

#: Servers not heard for this long are forgotten.
FORGET = timedelta(days=7)
#: How many meetings without servers are remembered for the status page.
MOST_TROUBLES = 100


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
class Given:
    """What serves a meeting: the sfuserver, and the ways to the turnserver (RFC 7065; none: there is none)."""

    sfu: Endpoint
    turn: tuple[str, ...]
    is_new: bool = False
    """Nobody was told so before."""


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


class Asks(Protocol):
    """Asks a server at a URL whether it takes our tokens (`checks.Probe`)."""

    async def ask(self, url: str) -> tuple[str, str]: ...


class Allocation:
    """Who serves what."""

    log = Logger()

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        allocator: Allocator | None,
        probe: Asks,
        *,
        interval: timedelta = timedelta(seconds=1),
        metrics: Metrics | None = None,
    ) -> None:
        """`allocator` None: the hub chooses. `probe` looks at what it answers. `interval`: of the heartbeats."""
        self._database = database
        self._clock = clock
        self._allocator = allocator
        self._probe = probe
        self._probing: dict[str, list[Deferred[Check]]] = {}
        self.interval = interval
        self.reservations = Reservations(database, clock, allocator)
        #: The last reason why somebody had to wait, by the meeting; for administrators.
        self.troubles: dict[str, str] = {}
        self._outcomes = (metrics or Metrics()).counter(
            "meeting_allocation_refusals", "Joins that had to wait for servers, by reason.", ["reason"]
        )

    # -- registration -------------------------------------------------------------------------------------------------

    async def heartbeat(self, beat: Beat) -> list[str]:
        """Write down that a server is there; tells a turnserver which others are ready.

        Raises AddressTaken while another instance with this address is alive.
        """
        return await self._database.run(_beat, beat, utc_now(self._clock), self.interval)

    async def leave(self, kind: str, address: str, instance: str) -> None:
        """A server stops: it is gone at once."""
        await self._database.run(_leave, kind, address, instance)

    async def sweep(self) -> None:
        """Forget servers that have been gone for long."""
        await self._database.run(queries.forget, utc_now(self._clock) - FORGET)

    # -- meetings -----------------------------------------------------------------------------------------------------

    async def for_join(
        self,
        meeting_id: str,
        email: str,
        begin_at: datetime | None,
        end_at: datetime | None,
        *,
        running: bool = False,
        tell: bool = False,
    ) -> Given:
        """The servers for someone who joins now.

        `running`: people are in the room, so the others go where it is. `tell`: the refusal says why.
        Raises PleaseWait.
        """
        now = utc_now(self._clock)
        seen = await self._database.read(queries.look, meeting_id, begin_at, end_at)
        try:
            if self._allocator is None:
                chosen = self._own_choice(seen, now)
            else:
                here = seen.servers if running or begin_at is None else seen.promised
                chosen = await self._allocated(self._allocator, seen, here, (email, begin_at, end_at), now)
        except NotServed as wait:
            self._remember(meeting_id, wait)
            if tell:
                raise wait.told() from wait
            raise
        is_new = chosen != seen.servers
        if is_new:
            chosen = await self._database.run(queries.assign, meeting_id, seen.version, chosen, now)
        return Given(self._endpoint(seen.known, "sfu", chosen.sfu), self._ways(seen.known, chosen.turn), is_new)

    def at_hand(
        self,
        transaction: Connection,
        meeting_id: str,
        begin_at: datetime | None,
        end_at: datetime | None,
        *,
        running: bool,
        now: datetime,
    ) -> Given | None:
        """What `for_join` would give, in the transaction of whoever joins, where nobody outside has to be asked.

        None: it takes `for_join`. Tell `settled` when the transaction is over.
        """
        seen = queries.look(transaction, meeting_id, begin_at, end_at, asked=self._allocator is not None)
        if self._allocator is None:
            try:
                chosen = self._own_choice(seen, now)
            except NotServed:
                return None
        else:
            here = seen.servers if running or begin_at is None else seen.promised
            if here is None or self._judged(seen.known, seen.checks, here.sfu, now) != (True, None):
                return None
            chosen = here
        is_new = chosen != seen.servers
        if is_new:
            chosen = queries.assign(transaction, meeting_id, seen.version, chosen, now)
        return Given(self._endpoint(seen.known, "sfu", chosen.sfu), self._ways(seen.known, chosen.turn), is_new)

    def settled(self, meeting_id: str, given: Given) -> None:
        """Somebody was given these servers."""
        if given.is_new:
            self.log.info("meeting {meeting} is served by {sfu}", meeting=meeting_id, sfu=given.sfu.address)
        self.troubles.pop(meeting_id, None)

    async def current(self, meeting_id: str) -> Endpoint | None:
        """The sfuserver that serves a meeting, if it has one."""
        seen = await self._database.read(queries.look, meeting_id, None, None)
        return None if seen.servers is None else self._endpoint(seen.known, "sfu", seen.servers.sfu)

    async def file_server(self, email: str) -> Endpoint:
        """The fsserver for the files of an owner's meetings. Raises PleaseWait."""
        known = await self._database.read(queries.all_servers)
        if self._allocator is not None:
            return self._endpoint(known, "fs", await self._allocator.file_server(email))
        chosen = rules.least_loaded(known.values(), "fs", utc_now(self._clock), self.interval)
        if chosen is None:
            raise PleaseWait(rules.WAIT, "No file server is ready.")
        return Endpoint(chosen.address, chosen.url)

    async def endpoint(self, kind: str, address: str) -> Endpoint:
        """How the server with this address is reached: as it registered, else by https."""
        return self._endpoint(await self._database.read(queries.all_servers), kind, address)

    async def servers(self) -> list[Server]:
        """All that registered, for the status pages."""
        return list((await self._database.read(queries.all_servers)).values())

    async def sfuservers(self) -> list[dict[str, Any]]:
        """All that registered, with how old their instance is and who is there: for the allocateserver."""
        return await self._database.read(_sfuservers, utc_now(self._clock), self.interval)

    def _own_choice(self, seen: Seen, now: datetime) -> Servers:
        """Where the room is while that server is there, else the least loaded."""
        servers, known = seen.servers, seen.known
        turn = rules.least_loaded(known.values(), "turn", now, self.interval)
        if servers is not None and not self._is_lost(known, "sfu", servers.sfu, now):
            if servers.turn and self._is_lost(known, "turn", servers.turn, now):
                return Servers(servers.sfu, turn.address if turn else "")
            return servers
        sfu = rules.least_loaded(known.values(), "sfu", now, self.interval)
        if sfu is None:
            raise NotServed("none", "No media server that is ready has registered with this hub.")
        return Servers(sfu.address, turn.address if turn else "")

    async def _allocated(
        self,
        allocator: Allocator,
        seen: Seen,
        here: Servers | None,
        question: tuple[str, datetime | None, datetime | None],
        now: datetime,
    ) -> Servers:
        """Where the room is, or what was promised, if that server is fit; else what the allocateserver says now, if
        that is. Raises NotServed.
        """
        if here is not None and await self._unfit(seen.known, seen.checks, here.sfu, now) is None:
            return here
        asked, _ = await allocator.servers(*question)
        known, checks = seen.known, seen.checks
        if ("sfu", asked.sfu) not in known or asked.sfu not in checks:
            # It may have come while the allocateserver was asked, or is not one of those that were looked at.
            known, checks = await self._database.read(_look_again, asked.sfu)
        unfit = await self._unfit(known, checks, asked.sfu, now)
        if unfit is not None:
            raise unfit
        return asked

    async def _unfit(self, known: Known, checks: Mapping[str, Check], address: str, now: datetime) -> NotServed | None:
        """Why an sfuserver must not be given to anybody: it is not there, cannot be reached or has another secret."""
        is_known, why = self._judged(known, checks, address, now)
        if is_known:
            return why
        check = await self._look_at(known["sfu", address])
        return NotServed(check.outcome, check.trouble) if check.outcome else None

    def _judged(
        self, known: Known, checks: Mapping[str, Check], address: str, now: datetime
    ) -> tuple[bool, NotServed | None]:
        """Whether it is known if an sfuserver is fit, and why it is not."""
        found = known.get(("sfu", address))
        absent = rules.absence(address, found, now)
        if absent is not None or found is None:
            return True, absent
        check = checks.get(address)
        if check is None:
            return False, None
        if not found.is_alive(now, self.interval) and not check.outcome:
            return True, None  # it was well and may be starting again: those who come back wait for it
        if not check.holds(found.instance, now):
            return False, None
        return True, NotServed(check.outcome, check.trouble) if check.outcome else None

    async def _look_at(self, found: Server) -> Check:
        """Ask the server. Those who join at once wait for one answer."""
        waiting = self._probing.get(found.address)
        if waiting is not None:
            answer: Deferred[Check] = Deferred()
            waiting.append(answer)
            return await answer
        self._probing[found.address] = []
        try:
            outcome, trouble = await self._probe.ask(found.url)
            check = Check(found.instance, outcome, trouble, utc_now(self._clock))
            if outcome:
                self.log.error("{sfu} is given to nobody: {trouble}", sfu=found.address, trouble=trouble)
            await self._database.run(queries.keep_check, found.address, check)
        except BaseException as error:
            for each in self._probing.pop(found.address):
                each.errback(NotServed("unknown", "It could not be found out whether the media server is well."))
            raise error
        for each in self._probing.pop(found.address):
            each.callback(check)
        return check

    def _remember(self, meeting_id: str, wait: NotServed) -> None:
        """For the status page and the metrics; the log has a line for each change."""
        if self.troubles.get(meeting_id) != wait.reason:
            self.log.warn("meeting {meeting} has no server: {reason}", meeting=meeting_id, reason=wait.reason)
        self.troubles.pop(meeting_id, None)
        self.troubles[meeting_id] = wait.reason
        if len(self.troubles) > MOST_TROUBLES:
            del self.troubles[next(iter(self.troubles))]
        self._outcomes.labels(wait.outcome).inc()

    def _is_lost(self, known: Known, kind: str, address: str, now: datetime) -> bool:
        found = known.get((kind, address))
        return found is None or found.is_lost(now)

    @staticmethod
    def _ways(known: Known, turn: str) -> tuple[str, ...]:
        """As the turnserver registered; one that has not is at least a TURN server."""
        found = known.get(("turn", turn))
        return (found.media if found else ()) or ((f"turn:{turn}?transport=udp",) if turn else ())

    @staticmethod
    def _endpoint(known: Known, kind: str, address: str) -> Endpoint:
        found = known.get((kind, address))
        return Endpoint(address, found.url if found else f"https://{address}")


def _look_again(transaction: Connection, address: str) -> tuple[Known, Mapping[str, Check]]:
    return queries.all_servers(transaction), queries.checks_of(transaction, {address})


def _sfuservers(transaction: Connection, now: datetime, interval: timedelta) -> list[dict[str, Any]]:
    found = []
    for row in transaction.execute(select(server).where(server.c.kind == "sfu")):
        each, details = queries.server_of(row), json.loads(row.details)
        people = details.get("participants") if isinstance(details, dict) else None
        found.append(
            {
                "address": each.address,
                "state": "draining" if each.drained else each.state,
                "alive": each.is_alive(now, interval),
                "age": max(0.0, (now - each.started_at).total_seconds()),
                "load": each.load,
                "participants": people if isinstance(people, int) and people >= 0 else 0,
            }
        )
    return found


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
        if other is not None and queries.server_of(other).is_alive(now, interval):
            raise AddressTaken(f"{beat.address} is used by another instance that is alive.")
        fresh = {**heard, "instance": beat.instance, "started_at": now}
        upsert(transaction, server, {"kind": beat.kind, "address": beat.address, **fresh}, fresh)
    if beat.kind != "turn":
        return []
    return queries.ready(transaction, "turn", beat.address, now, interval)


def _leave(transaction: Connection, kind: str, address: str, instance: str) -> None:
    mine = update(server).where(server.c.kind == kind, server.c.address == address, server.c.instance == instance)
    transaction.execute(mine.values(state=rules.STOPPED))
