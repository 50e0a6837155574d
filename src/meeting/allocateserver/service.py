"""The reference allocateserver put together: the pool, its journal, one GET, and its heartbeat if it has a hub."""

from importlib.metadata import version
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from twisted.application.internet import TimerService
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.web.resource import IResource

from meeting.allocateserver.journal import Journal
from meeting.allocateserver.pool import Booking, Pool, Sharer, Times, pool_tables
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
        self, settings: DaemonOptions, reactor: Any, thread: Any = None, *, certificate: Watched | None = None
    ) -> None:
        """`thread`: see Journal."""
        super().__init__()
        self._clock = reactor
        self._times = Times(int(settings["lead"]), int(settings["lag"]), int(settings["share"]))
        self._pool = Pool(*pool_tables(settings["sfu"], settings["fs"]), self._times)
        self._journal = Journal(settings["stateDirectory"], reactor, thread)
        secret = Secret(settings["secret"]) if settings["secret"] else None
        self._verifier = RequestVerifier(secret) if secret else None

        self.metrics = Metrics()
        self._answers = self.metrics.counter("meeting_allocations", "Questions answered.", ["kind", "outcome"])
        self._held = self.metrics.gauge("meeting_allocations_held", "Servers held.", ["kind"])

        api = Api("meeting allocateserver", version("meeting"), reactor=reactor)
        callers = Who.PUBLIC if self._verifier is None else Who.DAEMON
        for path in ("/allocate", "/"):
            declare = api.route("GET", path, callers=callers, query=Question, answer=Answer, errors=(PleaseWait,))
            declare(self._allocate)
        self.resource: IResource = api.resource
        self.status: IResource = status_resource(
            self.metrics, lambda: Readiness(True), self._dump, certificate, reactor
        )

        tidying = TimerService(TIDY_EVERY, self._tidy)
        tidying.clock = reactor
        tidying.setServiceParent(self)
        if secret and settings["apiserver"]:
            self._registration(settings, secret, reactor, certificate).setServiceParent(self)

    def startService(self) -> None:
        """Read what was decided before; raises ConfigurationError when that cannot be kept."""
        self._pool.restore(*self._journal.open())
        super().startService()

    def stopService(self) -> Deferred[None]:
        """Fires when what was begun is on disk."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        try:
            await maybeDeferred(super().stopService)
        finally:
            self._journal.close()

    async def _allocate(self, call: Call, query: Question) -> Reply:
        if self._verifier is not None:
            uri = call.request.uri.decode("ascii", "replace")
            header = call.header("Authorization")
            self._verifier.verify(header, call.request.method.decode("ascii"), uri, b"", self._clock.seconds())
        answer = self._file_server(query) if query.Kind == "FS" else await self._sfu(query)
        self._answers.labels(query.Kind, "refused" if answer is None else "answered").inc()
        self._count()
        if answer is None:
            raise PleaseWait(TRY_AGAIN_AFTER, "All servers of the pool are taken for this time.")
        return Reply(200, answer.model_dump_json(exclude_none=True).encode(), {"Content-Type": "application/json"})

    def _file_server(self, query: Question) -> Answer | None:
        address = self._pool.file_server(query.Email.lower())
        return None if address is None else Answer(fs=address)

    async def _sfu(self, query: Question) -> Answer | None:
        now, email = int(self._clock.seconds()), query.Email.lower()
        decided: Booking | Sharer | None
        if query.BeginAt == query.EndAt == 0:
            decided = self._pool.share(email, now)
        elif not query.BeginAt < query.EndAt <= query.BeginAt + LONGEST_MEETING:
            raise BadRequest("EndAt has to be after BeginAt, by at most 31 days; both 0 mean an instant meeting.")
        elif query.EndAt < now:
            raise BadRequest("This meeting is over; both times are Unix seconds.")
        else:
            decided = self._pool.book(email, query.BeginAt, query.EndAt, now)
        if decided is None:
            return None
        await self._journal.keep(decided)
        return Answer(sfu=decided.sfu, turn=self._pool.turn_of(decided.sfu) or None)

    def _tidy(self) -> Deferred[None]:
        now = int(self._clock.seconds())
        return self._journal.forget(now - self._times.lag, now - self._times.share)

    def _count(self) -> None:
        self._held.labels("scheduled").set(len(self._pool.bookings))
        self._held.labels("instant").set(len(self._pool.sharers))

    def _dump(self) -> dict[str, Any]:
        return {
            "scheduled": [vars(booking) for booking in self._pool.bookings],
            "instant": [vars(sharer) for sharer in self._pool.sharers],
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
