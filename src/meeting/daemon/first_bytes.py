"""What speaks on a TLS port, told by its first bytes: TLS, media for ICE over TCP (RFC 6544), or HTTP by mistake.

Many networks let nothing out but port 443. Media that comes there is given away with its socket: the data plane reads
and writes it from then on, and nothing of it passes through the reactor.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from enum import Enum
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

__all__ = ["FirstBytes", "GiveAway", "Speech", "speech"]

GiveAway = Callable[[socket.socket, bytes], None]
"""(socket, what was read of it): duplicates the socket's descriptor; the socket itself is closed afterwards."""

PATIENCE = 10.0
"""Seconds until the first bytes have to be there."""
NEEDED = 3
"""Bytes that decide: a length and the first one of a STUN message (RFC 4571 §2, RFC 8489 §5)."""
LONGEST_CHECK = 0x07
"""The high byte of the length of a connectivity check: below 2048."""
TLS_HANDSHAKE = 0x16
NOT_TLS = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
    b"This port speaks HTTPS: the address begins with https://\n"
)


class Speech(Enum):
    """What a connection begins with."""

    TLS = "tls"
    CHECK = "check"
    HTTP = "http"
    FOREIGN = "foreign"
    UNDECIDED = "undecided"


def speech(head: bytes) -> Speech:
    """Of the first bytes of a connection."""
    if not head:
        return Speech.UNDECIDED
    if head[0] == TLS_HANDSHAKE:
        return Speech.TLS
    if ord("A") <= head[0] <= ord("Z"):
        return Speech.HTTP
    if head[0] > LONGEST_CHECK:
        return Speech.FOREIGN
    if len(head) < NEEDED:
        return Speech.UNDECIDED
    # The two highest bits of STUN are 0, and a request's class leaves the first byte 0 (RFC 8489 §5).
    return Speech.CHECK if head[2] == 0 else Speech.FOREIGN


class FirstBytes(Factory):
    """Before a TLS factory: connections that carry media go to `give_away`, TLS goes on to the factory."""

    noisy = False

    def __init__(self, tls: Any, give_away: GiveAway, clock: IReactorTime) -> None:
        self.tls = tls
        self.give_away = give_away
        self.clock = clock

    def doStart(self) -> None:
        super().doStart()
        self.tls.doStart()

    def doStop(self) -> None:
        super().doStop()
        self.tls.doStop()

    def buildProtocol(self, addr: Any) -> Protocol:
        return _Undecided(self, addr)


class _Undecided(Protocol):
    """A connection of which too little has been read."""

    transport: Any

    def __init__(self, port: FirstBytes, address: Any) -> None:
        self._port = port
        self._address = address
        self._head = b""
        self._taken: socket.socket | None = None
        self._deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        self._deadline = self._port.clock.callLater(PATIENCE, self.transport.abortConnection)

    def dataReceived(self, data: bytes) -> None:
        self._head += data
        found = speech(self._head)
        if found is Speech.UNDECIDED:
            return
        self._stop_deadline()
        if found is Speech.TLS:
            self._go_on_with_tls()
        elif found is Speech.HTTP:
            self.transport.write(NOT_TLS)
            self.transport.loseConnection()
        else:
            if found is Speech.CHECK:
                self._taken = self.transport.getHandle().dup()
            # Twisted lets go of its descriptor; a duplicate keeps the connection itself.
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_deadline()
        taken, self._taken = self._taken, None
        if taken is not None:
            with taken:
                # An aborted connection is set to end with a reset: a setting of the connection, not of the descriptor.
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
                self._port.give_away(taken, self._head)

    def _go_on_with_tls(self) -> None:
        protocol = self._port.tls.buildProtocol(self._address)
        if protocol is None:
            self.transport.abortConnection()
            return
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)
        protocol.dataReceived(self._head)

    def _stop_deadline(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None and deadline.active():
            deadline.cancel()
