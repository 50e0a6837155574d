"""A load balancer before several replicas, as simple as they come: a connection goes to the next one that takes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import treq
from twisted.internet.defer import CancelledError, Deferred, gatherResults, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.interfaces import IListeningPort, ITransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from twisted.web.client import HTTPConnectionPool, ResponseFailed, ResponseNeverReceived

CONNECT_WITHIN = 2.0
LOOK_EVERY = 1.0
"""Seconds between two questions whether a replica is ready."""


class Balancer:
    """Listens on loopback. A replica that refuses is passed over; one that dies takes its connections along."""

    def __init__(self, ports: Sequence[int], reactor: Any, ready: Sequence[str] = ()) -> None:
        """`ready`: for each port the page that answers 200 while new connections are wanted (`/readyz`)."""
        self._ports = list(ports)
        self._ready = dict(zip(ports, ready, strict=True)) if ready else {}
        self._unready: set[int] = set()
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor
        self._pool = HTTPConnectionPool(reactor, persistent=False)
        self._reactor = reactor
        self._turn = 0
        self._listening: IListeningPort | None = None
        self.port = 0

    async def start(self, port: int) -> None:
        """Listen."""
        endpoint = TCP4ServerEndpoint(self._reactor, port, interface="127.0.0.1")
        self._listening = await endpoint.listen(Factory.forProtocol(lambda: _Front(self)))
        self.port = port
        if self._ready:
            self._looking.start(LOOK_EVERY)

    async def stop(self) -> None:
        """Listen no more."""
        if self._looking.running:
            self._looking.stop()
        if self._listening is not None:
            await maybeDeferred(self._listening.stopListening)

    async def connect(self, front: _Front) -> _Back:
        """A connection to the next replica that takes it."""
        error: Exception = ConnectError()
        ports = [port for port in self._ports if port not in self._unready] or self._ports
        for _ in ports:
            self._turn += 1
            port = ports[self._turn % len(ports)]
            endpoint = TCP4ClientEndpoint(self._reactor, "127.0.0.1", port, timeout=CONNECT_WITHIN)
            try:
                back = await endpoint.connect(Factory.forProtocol(lambda: _Back(front)))
            except ConnectError as refused:
                error = refused
            else:
                assert isinstance(back, _Back)
                return back
        raise error

    def _look(self) -> Deferred[Any]:
        return gatherResults([Deferred.fromCoroutine(self._ask(port, url)) for port, url in self._ready.items()])

    async def _ask(self, port: int, url: str) -> None:
        try:
            answer = await treq.get(url, pool=self._pool, timeout=CONNECT_WITHIN)
            await treq.content(answer)
            is_ready = answer.code == 200
        except ConnectError:
            is_ready = False
        except (CancelledError, ConnectingCancelledError, ResponseFailed, ResponseNeverReceived, TimeoutError):
            return  # slow: that is not the same as gone
        if is_ready:
            self._unready.discard(port)
        else:
            self._unready.add(port)


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
