"""A load balancer before several replicas, as simple as they come: a connection goes to the next one that takes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IListeningPort, ITransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

CONNECT_WITHIN = 2.0


class Balancer:
    """Listens on loopback. A replica that refuses is passed over; one that dies takes its connections along."""

    def __init__(self, ports: Sequence[int], reactor: Any) -> None:
        self._ports = list(ports)
        self._reactor = reactor
        self._turn = 0
        self._listening: IListeningPort | None = None
        self.port = 0

    async def start(self, port: int) -> None:
        """Listen."""
        endpoint = TCP4ServerEndpoint(self._reactor, port, interface="127.0.0.1")
        self._listening = await endpoint.listen(Factory.forProtocol(lambda: _Front(self)))
        self.port = port

    async def stop(self) -> None:
        """Listen no more."""
        if self._listening is not None:
            await maybeDeferred(self._listening.stopListening)

    async def connect(self, front: _Front) -> _Back:
        """A connection to the next replica that takes it."""
        error: Exception = ConnectError()
        for _ in self._ports:
            self._turn += 1
            port = self._ports[self._turn % len(self._ports)]
            endpoint = TCP4ClientEndpoint(self._reactor, "127.0.0.1", port, timeout=CONNECT_WITHIN)
            try:
                back = await endpoint.connect(Factory.forProtocol(lambda: _Back(front)))
            except ConnectError as refused:
                error = refused
            else:
                assert isinstance(back, _Back)
                return back
        raise error


class _Back(Protocol):
    """The connection to a replica."""

    transport: Any

    def __init__(self, front: _Front) -> None:
        self._front = front

    def dataReceived(self, data: bytes) -> None:
        self._front.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._front.transport.loseConnection()


class _Front(Protocol):
    """A client's connection."""

    transport: Any

    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer
        self._early: list[bytes] = []
        self._back: ITransport | None = None
        self._is_over = False

    def connectionMade(self) -> None:
        def refused(_: Failure) -> None:
            self.transport.abortConnection()

        Deferred.fromCoroutine(self._connect()).addErrback(refused)

    async def _connect(self) -> None:
        back = await self._balancer.connect(self)
        self._back = back.transport
        if self._is_over:
            back.transport.loseConnection()
            return
        for data in self._early:
            back.transport.write(data)
        self.transport.registerProducer(back.transport, True)
        back.transport.registerProducer(self.transport, True)

    def dataReceived(self, data: bytes) -> None:
        if self._back is None:
            self._early.append(data)
        else:
            self._back.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._is_over = True
        if self._back is not None:
            self._back.loseConnection()
