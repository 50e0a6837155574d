"""Between the relay's threads and the machine that decides: thin shells with a clock."""

from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from zope.interface import implementer

from meeting.daemon.converters import HostPort
from meeting.daemon.errors import ConfigurationError
from meeting.dataplane.errors import DataPlaneError
from meeting.dataplane.interfaces import IRelay, IRelayListener
from meeting.dataplane.values import RelayClient
from meeting.turnserver.allocations import Allocations
from meeting.turnserver.connections import Later

SWEEP_SECONDS = 1.0


@implementer(IRelayListener)
class Requests:
    """Hands requests to the allocations, and their answers to the relay."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, relay: IRelay, allocations: Allocations) -> None:
        self._clock = clock
        self._relay = relay
        self._allocations = allocations
        self.troubles = 0

    def request(self, client: RelayClient, data: bytes) -> None:
        """A client asks."""
        answer = self._allocations.receive(self._clock.seconds(), client, data)
        if answer is not None:
            self._relay.answer(client, answer)

    def gone(self, client: RelayClient) -> None:
        """Its connection has ended."""
        self._allocations.gone(client)

    def attempt(self, client: RelayClient, connection: int, host: str, port: int) -> None:
        """A peer has connected to a client's TCP allocation."""
        self._send(self._allocations.connections.attempt(self._clock.seconds(), client, connection, host, port))

    def made(self, connection: int, made: bool) -> None:
        """A connection with a peer is there, or could not be made."""
        self._send(self._allocations.made(self._clock.seconds(), connection, made))

    def ended(self, connection: int) -> None:
        """A connection with a peer has ended."""
        self._allocations.connections.ended(connection)

    def _send(self, message: Later | None) -> None:
        if message is not None:
            self._relay.answer(*message)

    def trouble(self, text: str) -> None:
        """The threads are not well."""
        self.troubles += 1
        self._log.critical("the relay is in trouble: {text}", text=text)


class RelayPorts(Service):
    """The relay, open while the service runs, and the sweep of what has expired."""

    _log = Logger()

    def __init__(self, reactor: Any, relay: IRelay, allocations: Allocations, requests: Requests) -> None:
        self._clock = IReactorTime(reactor)
        self._relay = relay
        self._allocations = allocations
        self._requests = requests
        self._sweep = LoopingCall(self._expire)
        self._sweep.clock = reactor
        self.ready = False

    def privilegedStartService(self) -> None:
        """Open the ports, of which one may be 443. Raises ConfigurationError when one cannot be opened."""
        if self.ready:
            return
        try:
            self._relay.start(self._requests)
        except (OSError, DataPlaneError) as error:
            raise ConfigurationError(f"the relay cannot be started: {error}") from error
        self.ready = True
        addresses = ", ".join(str(HostPort(*address)) for address in self._relay.addresses)
        self._log.info("STUN and TURN on {addresses}", addresses=addresses)

    def startService(self) -> None:
        """Open the ports, unless that is done."""
        super().startService()
        self.privilegedStartService()
        self._sweep.start(SWEEP_SECONDS, now=False)

    def stopService(self) -> Deferred[None]:
        """Fires when sockets and threads are gone."""
        super().stopService()
        if self._sweep.running:
            self._sweep.stop()
        self.ready = False
        return Deferred.fromCoroutine(self._relay.close())

    def _expire(self) -> None:
        self._allocations.expire(self._clock.seconds())
