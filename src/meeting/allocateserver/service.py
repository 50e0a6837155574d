"""The reference allocateserver put together: the pool, the machines on demand, the ledger, and one address to ask."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from twisted.application.internet import TimerService
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource

from meeting.allocateserver.configuration import Configuration, MachinesTable, configuration
from meeting.allocateserver.fleet import Fleet
from meeting.allocateserver.hub import HubList
from meeting.allocateserver.keeper import Hub, Keeper
from meeting.allocateserver.ledger import Kept, Ledger
from meeting.allocateserver.pool import Pool, Times
from meeting.allocateserver.provisioners import Provisioner
from meeting.allocateserver.provisioners.names import name_of
from meeting.allocateserver.values import Booking, Create, Order, Refusal, Sharer, Use
from meeting.daemon.client import agent_for
from meeting.daemon.errors import BadRequest, PleaseWait
from meeting.daemon.observe import Metrics, Readiness, Watched, status_resource
from meeting.daemon.options import DaemonOptions
from meeting.daemon.registration import Heartbeat, Registration, new_instance
from meeting.daemon.secret import RequestVerifier, Secret
from meeting.daemon.web import Api, Call, Reply, Who

TRY_AGAIN_AFTER = 5.0
LONGEST_MEETING = 31 * 24 * 3600
TIDY_EVERY = 3600.0
KEEP_MACHINES = 400 * 24 * 3600
"""Seconds for which the report can look back."""

TAKES = {"Allow": "GET, DELETE"}
"""Said with every answer: what is not needed any more can be given back."""

UnixSeconds = Annotated[int, Field(ge=0, le=2**53)]


class Question(BaseModel):
    """The query, named as enterprises know it. What else stands in it is theirs."""

    model_config = ConfigDict(extra="ignore")

    Kind: Literal["SFUTURN", "FS"]
    Email: str = Field(min_length=1, max_length=320)
    BeginAt: UnixSeconds = 0
    EndAt: UnixSeconds = 0


class Answer(BaseModel):
    """`sfu` and `turn`, or `fs`; each host:port."""

    sfu: str | None = None
    turn: str | None = None
    fs: str | None = None


class AllocateServer(MultiService):
    """Answers who serves a meeting or a person, always the same for the same question."""

    def __init__(
        self,
        settings: DaemonOptions,
        reactor: Any,
        thread: Any = None,
        *,
        certificate: Watched | None = None,
        provisioner: Provisioner | None = None,
        hub: Hub | None = None,
        ledger: Ledger | None = None,
        new_id: Callable[[], str] = lambda: token_hex(6),
    ) -> None:
        """`thread`: see Ledger. `provisioner`, `hub`, `ledger` and `new_id` (of a machine) are for tests."""
        super().__init__()
        self._clock = reactor
        self._settings = settings
        self._tables = configuration(settings)
        self._times = Times(int(settings["lead"]), int(settings["lag"]), int(settings["share"]))
        self._pool = Pool(self._tables.sfus, self._tables.fs, self._times)
        self._ledger = ledger or Ledger(settings["stateDirectory"], reactor, thread)
        self._secret = Secret(settings["secret"]) if settings["secret"] else None
        self._verifier = RequestVerifier(self._secret) if self._secret else None
        self._provisioner = provisioner
        self._hub = hub
        self._new_id = new_id
        self.fleet: Fleet | None = None
        self.keeper: Keeper | None = None

        self.metrics = Metrics()
        self._answers = self.metrics.counter("meeting_allocations", "Questions answered.", ["kind", "outcome"])
        self._held = self.metrics.gauge("meeting_allocations_held", "Servers held.", ["kind"])
        machines = self.metrics.gauge("meeting_machines", "Machines on demand, by state.", ["state"])
        for state in ("creating", "starting", "ready", "ending"):
            machines.labels(state).set_function(partial(self._count_machines, state))
        orphans = self.metrics.gauge("meeting_machines_orphaned", "Machines that carry another ledger's tag.")
        orphans.set_function(lambda: len(self.fleet.orphans) if self.fleet else 0)

        api = Api("meeting allocateserver", version("meeting"), reactor=reactor)
        callers = Who.PUBLIC if self._verifier is None else Who.DAEMON
        more: Mapping[str, Any] = {"callers": callers, "query": Question, "errors": (PleaseWait, BadRequest)}
        for path in ("/allocate", "/"):
            api.route("GET", path, answer=Answer, **more)(self._allocate)
            api.route("DELETE", path, status=204, **more)(self._release)
        self.resource: IResource = api.resource
        self.status: IResource = status_resource(
            self.metrics, lambda: Readiness(True), self._dump, certificate, reactor
        )

        tidying = TimerService(TIDY_EVERY, self._tidy)
        tidying.clock = reactor
        tidying.setServiceParent(self)
        if self._secret and settings["apiserver"]:
            self._registration(settings, self._secret, reactor, certificate).setServiceParent(self)

    def startService(self) -> None:
        """Read what was decided before; raises ConfigurationError when that cannot be kept."""
        kept = self._ledger.open()
        self._pool.restore(kept.bookings, kept.sharers)
        if self._tables.machines is not None:
            self._begin_fleet(kept, self._tables.machines)
        super().startService()

    def stopService(self) -> Deferred[None]:
        """Let go of the ledger when nothing is written any more. Machines stay."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        try:
            await maybeDeferred(super().stopService)
        finally:
            self._ledger.close()
            stop = getattr(self._provisioner, "stop", None)
            if stop is not None:
                stop()

    def _begin_fleet(self, kept: Kept, table: MachinesTable) -> None:
        kinds = self._tables.kinds
        groups = [kind.group(use) for use, kind in kinds.items()]
        self.fleet = fleet = Fleet(groups, table.budget, table.patience, kept.name, self._new_id)
        fleet.restore(kept.bookings, kept.sharers, kept.machines, int(self._clock.seconds()))

        def order(create: Create) -> Order:
            machine, kind = create.machine, kinds[create.machine.use]
            number = kind.number(machine.address)
            ip = kind.ips[number - kind.first] if kind.ips else ""
            name = name_of(kept.name, machine.id)
            return Order(name, kept.name, machine.id, machine.address, number, ip)

        clock = IReactorTime(self._clock)
        settings = self._settings
        if self._hub is None:
            assert self._secret is not None  # tap.Options has seen to it
            self._hub = HubList(agent_for(self._clock, settings["ca"]), clock, self._secret, settings["apiserver"])
        if self._provisioner is None:
            self._provisioner = provisioner_of(self._tables, settings, self._clock)
        self.keeper = Keeper(fleet, self._ledger, self._provisioner, self._hub, clock, table.patience, order)
        self.keeper.setServiceParent(self)

    # -- answers ------------------------------------------------------------------------------------------------------

    async def _allocate(self, call: Call, query: Question) -> Reply:
        self._check(call)
        answer = self._file_server(query) if query.Kind == "FS" else await self._sfu(query)
        self._answers.labels(query.Kind, "refused" if isinstance(answer, Refusal) else "answered").inc()
        self._count()
        if isinstance(answer, Refusal):
            raise PleaseWait(answer.wait, answer.reason)
        headers = {"Content-Type": "application/json", **TAKES}
        return Reply(200, answer.model_dump_json(exclude_none=True).encode(), headers)

    async def _release(self, call: Call, query: Question) -> Reply:
        self._check(call)
        kind: Any = self._on_demand("scheduled") or self._pool
        if query.Kind == "SFUTURN" and kind.release(query.Email.lower(), query.BeginAt, query.EndAt):
            await self._keep()
        return Reply(204)

    def _check(self, call: Call) -> None:
        if self._verifier is not None:
            request = call.request
            uri, method = request.uri.decode("ascii", "replace"), request.method.decode("ascii")
            self._verifier.verify(call.header("Authorization"), method, uri, b"", self._clock.seconds())

    def _file_server(self, query: Question) -> Answer | Refusal:
        address = self._pool.file_server(query.Email.lower())
        return Refusal("There is no fsserver.") if address is None else Answer(fs=address)

    async def _sfu(self, query: Question) -> Answer | Refusal:
        now, email = int(self._clock.seconds()), query.Email.lower()
        begin, end = query.BeginAt, query.EndAt
        if begin == end == 0:
            return await self._instant(email, now)
        if not begin < end <= begin + LONGEST_MEETING:
            raise BadRequest("EndAt has to be after BeginAt, by at most 31 days; both 0 mean an instant meeting.")
        if end < now:
            raise BadRequest("This meeting is over; both times are Unix seconds.")
        return await self._scheduled(email, begin, end, now)

    async def _scheduled(self, email: str, begin: int, end: int, now: int) -> Answer | Refusal:
        kind = self._on_demand("scheduled")
        if kind is None:
            booked = self._pool.book(email, begin, end, now)
            await self._keep()
            return self._pooled(booked)
        promised = kind.book(email, begin, end, now)
        await self._keep()
        if isinstance(promised, Refusal):
            return promised
        if begin - kind.group.before <= now and not kind.machines.is_ready(promised.sfu):
            return Refusal("The machine for this meeting is being made.", kind.machines.wait_for(promised.sfu, now))
        return Answer(sfu=promised.sfu, turn=kind.group.turn or None)

    async def _instant(self, email: str, now: int) -> Answer | Refusal:
        kind = self._on_demand("instant")
        if kind is None:
            shared = self._pool.share(email, now)
            await self._keep()
            return self._pooled(shared)
        holds = kind.share(email, now)
        await self._keep()
        if isinstance(holds, Refusal):
            return holds
        if not kind.machines.is_ready(holds.sfu):
            return Refusal("The machine for this meeting is being made.", kind.machines.wait_for(holds.sfu, now))
        return Answer(sfu=holds.sfu, turn=kind.group.turn or None)

    def _pooled(self, decided: Booking | Sharer | None) -> Answer | Refusal:
        if decided is None:
            return Refusal("All servers of the pool are taken for this time.", int(TRY_AGAIN_AFTER))
        return Answer(sfu=decided.sfu, turn=self._pool.turn_of(decided.sfu) or None)

    def _on_demand(self, use: Use) -> Any:
        return self.fleet.kinds.get(use) if self.fleet is not None else None

    async def _keep(self) -> None:
        """What was decided, before it is told; then the keeper sees to it."""
        await self._ledger.write([*self._pool.changes(), *(self.fleet.changes() if self.fleet else [])])
        if self.keeper is not None:
            self.keeper.wake()

    # -- what goes on beside ------------------------------------------------------------------------------------------

    def _tidy(self) -> Deferred[None]:
        now = int(self._clock.seconds())
        over = now - max(self._times.lag, self._times.share, LONGEST_MEETING)
        return self._ledger.forget(now - KEEP_MACHINES, over)

    def _count(self) -> None:
        self._held.labels("scheduled").set(len(self._bookings()))
        self._held.labels("instant").set(len(self._sharers()))

    def _bookings(self) -> list[Booking]:
        scheduled = self._on_demand("scheduled")
        return [*self._pool.bookings, *(scheduled.holdings.bookings if scheduled else ())]

    def _sharers(self) -> list[Sharer]:
        instant = self._on_demand("instant")
        return [*self._pool.sharers, *(instant.holdings.sharers if instant else ())]

    def _count_machines(self, state: str) -> int:
        return sum(machine.state == state for machine in self.fleet.machines) if self.fleet else 0

    def _dump(self) -> dict[str, Any]:
        return {
            "scheduled": [vars(booking) for booking in self._bookings()],
            "instant": [vars(sharer) for sharer in self._sharers()],
            "machines": [vars(machine) for machine in self.fleet.machines] if self.fleet else [],
            "orphans": [vars(orphan) for orphan in self.fleet.orphans] if self.fleet else [],
        }

    def _registration(
        self, settings: DaemonOptions, secret: Secret, reactor: Any, certificate: Watched | None
    ) -> Registration:
        own = settings["domainaddress"] or settings["plainHttp"]
        heartbeat = Heartbeat(
            kind="allocate",
            address=str(own),
            url=settings["publicUrl"] or f"http://{own}",
            instance=new_instance(),
            version=version("meeting"),
        )
        agent = agent_for(reactor, settings["ca"])
        hub, interval = settings["apiserver"], settings["heartbeat"]
        return Registration(reactor, agent, secret, hub, lambda: heartbeat, interval=interval, certificate=certificate)


def provisioner_of(tables: Configuration, settings: DaemonOptions, reactor: Any) -> Provisioner:
    """The provisioner that the tables name, with what it needs. Raises ConfigurationError."""
    table = tables.machines
    assert table is not None
    secret, hub, clock = settings["secret"], settings["apiserver"], IReactorTime(reactor)
    match table.provisioner:
        case "local":
            from meeting.allocateserver.provisioners.local import LocalProvisioner, RealProcesses

            place: Path = settings["stateDirectory"] / "machines"
            command = table.local.command or [sys.executable, "-m", "meeting"]
            return LocalProvisioner(place, command, secret, hub, table.sfuserver, RealProcesses(), clock)
        case "libcloud":
            from meeting.allocateserver.provisioners.libcloud import LibcloudProvisioner, driver_maker
            from meeting.allocateserver.provisioners.sfuserver import cloud_init

            assert table.libcloud is not None

            def user_data(order: Order) -> str:
                return cloud_init(order, secret, hub, table.sfuserver, table.cloud_init)

            cloud = LibcloudProvisioner(table.libcloud, driver_maker(table.libcloud), user_data, reactor)
            cloud.start()
            return cloud
        case "kubernetes":
            from meeting.allocateserver.provisioners.kubernetes import KubernetesProvisioner, api_server

            assert table.kubernetes is not None
            server, authorities = api_server(table.kubernetes)
            agent = agent_for(reactor, authorities)
            return KubernetesProvisioner(table.kubernetes, server, agent, hub, table.sfuserver, clock)
