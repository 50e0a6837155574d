"""Registering with the hub by heartbeat (docs/protocols/registration.md).

A daemon that cannot reach the hub goes on serving. It says once that the hub is gone, and once that it is back.
"""

from collections.abc import Callable
from secrets import token_hex
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IAgent

from meeting.daemon.client import DaemonClient, Unreachable
from meeting.daemon.observe import Watched
from meeting.daemon.secret import Secret

Kind = Literal["sfu", "turn", "fs", "allocate"]
State = Literal["starting", "ready", "draining"]

PATH = "/api/v1/daemons/heartbeat"
MOST_ROOMS = 200
WAIT_AFTER_REFUSAL = 10.0


def new_instance() -> str:
    """The name of one run of a daemon: 32 hex digits."""
    return token_hex(16)


class Heartbeat(BaseModel):
    """What a daemon says of itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    address: str = Field(max_length=255)
    url: str = Field(max_length=512)
    instance: str = Field(pattern=r"^[0-9a-f]{32}$")
    version: str = Field(max_length=32)
    state: State = "ready"
    load: float = Field(default=0.0, ge=0.0, le=1.0)
    media: list[str] = Field(default_factory=list, max_length=64)
    """sfu: every address:port of its media sockets; turn: the URIs that clients are given (RFC 7065)."""
    rooms: list[Annotated[str, Field(max_length=128)]] = Field(default_factory=list, max_length=MOST_ROOMS)
    """turn only: some of the rooms it relays for, others in the next heartbeats. The answer says which are over."""
    details: dict[str, Any] = Field(default_factory=dict)


class Farewell(BaseModel):
    """The body of the DELETE that says a clean stop."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    address: str = Field(max_length=255)
    instance: str = Field(pattern=r"^[0-9a-f]{32}$")


class HeartbeatAnswer(BaseModel):
    """What the hub says back; what else it says is for later."""

    model_config = ConfigDict(frozen=True)

    interval: float = Field(default=1.0, gt=0.0, le=60.0)
    """Seconds until the next heartbeat is expected."""
    over: list[str] = Field(default_factory=list)
    """turn only: of the rooms it asked about, those whose meetings have ended or were cancelled."""
    others: list[str] = Field(default_factory=list)
    """turn only: the turnservers that are ready besides, for clients that are sent away by one that stops."""


class Registration(Service):
    """Sends `describe()` to the hub every second, and a farewell when it stops."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        agent: IAgent,
        secret: Secret,
        hub_url: str,
        describe: Callable[[], Heartbeat],
        on_answer: Callable[[HeartbeatAnswer], None] | None = None,
        interval: float = 1.0,
        certificate: Watched | None = None,
    ) -> None:
        """`certificate`: told to the hub's administrators with each heartbeat, in its `details`."""
        self._clock = IReactorTime(reactor)
        self._agent = agent
        self._secret = secret
        self._url = hub_url.rstrip("/") + PATH
        self._describe = describe
        self._certificate = certificate
        self._on_answer = on_answer
        self._interval = interval
        self._next: IDelayedCall | None = None
        self._under_way: Deferred[None] | None = None
        self._trouble: str | None = None
        self.connected = False
        """Whether the last heartbeat was taken; `/readyz` may tell it, but stays 200."""

    def startService(self) -> None:
        """Send the first heartbeat at once."""
        super().startService()
        self._beat()

    async def _stop(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        # A heartbeat that is cut off here counts as one that the hub did not take.
        registered = self.connected
        if self._under_way is not None:
            self._under_way.cancel()
        if registered:
            own = self._describe()
            farewell = Farewell(kind=own.kind, address=own.address, instance=own.instance)
            try:
                await self._client(own.kind).delete(self._url, json=farewell, timeout=2)
            except Unreachable:
                # The hub notices the missing heartbeats by itself.
                self._log.info("could not say good-bye to the hub")
        self.connected = False

    def stopService(self) -> Deferred[None]:
        """Fires when the hub knows, or cannot be told."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    def _beat(self) -> None:
        self._next = None
        self._under_way = Deferred.fromCoroutine(self._send())
        self._under_way.addErrback(self._failed)

    async def _send(self) -> None:
        heartbeat = self._describe()
        if self._certificate is not None:
            details = {**heartbeat.details, "certificate": self._certificate.state()}
            heartbeat = heartbeat.model_copy(update={"details": details})
        wait = self._interval
        try:
            status, answer = await self._client(heartbeat.kind).post(self._url, json=heartbeat, timeout=5)
        except Unreachable as error:
            self._in_trouble(f"the hub cannot be reached: {error}")
        else:
            wait = self._heard(status, answer)
        self._again_in(wait)

    def _heard(self, status: int, answer: Any) -> float:
        """Take the answer in; gives the time to the next heartbeat, seconds."""
        if status == 200:
            try:
                parsed = HeartbeatAnswer.model_validate(answer)
            except ValidationError:
                self._in_trouble("the hub's answer to a heartbeat cannot be understood: is it another version?")
                return self._interval
            if self._trouble is not None or not self.connected:
                self._log.info("registered with the hub at {url}", url=self._url)
            self._trouble, self.connected = None, True
            if self._on_answer is not None:
                self._on_answer(parsed)
            return min(self._interval, parsed.interval)
        if status == 401:
            self._in_trouble("the hub refuses our signature: is --secret the same there, and do both clocks agree?")
            return WAIT_AFTER_REFUSAL
        if status == 409:
            self._in_trouble("the hub has another live server under our address: is --domainaddress given twice?")
            return self._interval
        detail = str(answer.get("detail", ""))[:200] if isinstance(answer, dict) else ""
        kind = self._describe().kind
        self._in_trouble(f"the hub answers a {kind} server's heartbeat with {status} {detail}".rstrip())
        return self._interval

    def _in_trouble(self, what: str) -> None:
        """Said when it begins or becomes another, not each second."""
        self.connected = False
        if what != self._trouble:
            self._trouble = what
            self._log.error("{what}; going on, and trying again", what=what)

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return
        self._log.failure("a heartbeat failed in a way nobody expected", failure=failure)
        self._again_in(self._interval)

    def _again_in(self, seconds: float) -> None:
        if self.running:
            self._next = self._clock.callLater(seconds, self._beat)

    def _client(self, kind: Kind) -> DaemonClient:
        return DaemonClient(self._agent, self._secret, kind, self._clock)
