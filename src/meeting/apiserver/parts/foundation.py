"""What all subjects of the hub stand on."""

from collections.abc import Mapping
from datetime import timedelta
from importlib.metadata import version
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IAgent

from meeting.apiserver.accounts.use_cases import appoint
from meeting.apiserver.audit.use_cases import Audit
from meeting.apiserver.database import Database, Threads, access, database_url
from meeting.apiserver.errands import Errands, Rounds
from meeting.apiserver.events import Events
from meeting.apiserver.leases import Leases
from meeting.apiserver.migrations import migrate
from meeting.apiserver.settings.use_cases import INTERVAL as SETTINGS_INTERVAL
from meeting.apiserver.settings.use_cases import Settings
from meeting.daemon.client import agent_for
from meeting.daemon.observe import Metrics
from meeting.daemon.secret import Secret
from meeting.daemon.web import Api

#: Seconds between two looks for events that everybody has read.
PRUNE_INTERVAL = 60.0


class Foundation:
    """The database, what replicas tell one another, what administrators have decided, and the ways out.

    `options`: as `tap.Options` has them. `reactor`: the real one, or a test's clock.
    """

    def __init__(
        self, options: Mapping[str, Any], reactor: Any, *, agent: IAgent | None = None, threads: Threads | None = None
    ) -> None:
        """`agent` and `threads` are for tests; nothing else differs there."""
        self.options = options
        self.reactor = reactor
        self.clock = IReactorTime(reactor)
        self.secret = Secret(options["secret"])
        self.agent_of_test = agent
        self.agent = agent or agent_for(reactor, options["ca"])
        self.public_url: str = options["publicUrl"]
        self.release = version("meeting")
        self.administrators = frozenset[str](options["administrator"])
        self.metrics = Metrics()
        self.database = Database(
            database_url(options),
            reactor,
            prepare=lambda database: Deferred.fromCoroutine(self._prepare(database)),
            access=access(options),
            connections=options["databaseConnections"],
            threads=threads,
            metrics=self.metrics,
        )
        self.errands = Errands()
        self.events = Events(self.database, self.clock)
        self.leases = Leases(self.database, self.clock)
        self.decisions = Settings(self.database, self.clock, locked_settings(options))
        self.audit = Audit(self.database, self.clock)
        self.services = (
            self.events,
            self.errands,
            Rounds("settings", self.clock, SETTINGS_INTERVAL, self.decisions.refresh),
            Rounds("pruning events", self.clock, PRUNE_INTERVAL, self._prune_once),
        )
        self.sweeps = (self.leases.sweep,)

    def add_routes(self, api: Api) -> None:
        """It has none: nobody asks for these from outside."""

    async def _prepare(self, database: Database) -> None:
        await migrate(database, self.clock)
        await database.transact(appoint, self.administrators)
        await self.decisions.load(database)

    async def _prune_once(self) -> None:
        # The rest is shorter than the round, so that each round is some replica's.
        await self.leases.do("events", self.events.prune, rest=timedelta(seconds=PRUNE_INTERVAL * 0.9))


def locked_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the hub that flags decide."""
    locked: dict[str, Any] = {}
    if options["allowedDomain"]:
        locked["allowed_domains"] = options["allowedDomain"]
    if options["noAttendance"]:
        locked["attendance"] = False
    return locked
