"""A TLS port tells by the first bytes what speaks on it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection

from meeting.daemon.first_bytes import PATIENCE, FirstBytes, Speech, speech

CHECK = bytes.fromhex("0060 0001004c 2112a442")
CLIENT_HELLO = bytes.fromhex("16030102000100")


class Transport(StringTransportWithDisconnection):
    """With a socket behind it, whose connection an abort sets to end with a reset."""

    def __init__(self, handle: socket.socket, protocol: Any) -> None:
        super().__init__()
        self.handle = handle
        self.protocol = protocol

    def getHandle(self) -> socket.socket:
        return self.handle

    def abortConnection(self) -> None:
        self.handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.handle.close()
        self.loseConnection()


class Stage:
    """A connection to a TLS port, seen from both of its ends."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.far = far
        self.clock = Clock()
        self.given: list[tuple[socket.socket, bytes]] = []
        self.tls: list[bytes] = []
        stage = self

        class Tls(Protocol):
            def dataReceived(self, data: bytes) -> None:
                stage.tls.append(data)

        port = FirstBytes(Factory.forProtocol(Tls), lambda one, head: self.given.append((one.dup(), head)), self.clock)
        protocol = port.buildProtocol(None)
        self.transport = Transport(near, protocol)
        protocol.makeConnection(self.transport)

    def hears(self, data: bytes) -> None:
        self.transport.protocol.dataReceived(data)


@contextmanager
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as far:
        near, _ = listener.accept()
        with near:
            yield near, far


@pytest.fixture
def stage() -> Iterator[Stage]:
    with connection() as ends:
        yield Stage(*ends)


def test_tls_goes_on_as_if_nothing_had_stood_before_it(stage: Stage) -> None:
    stage.hears(CLIENT_HELLO)
    stage.hears(b"more")
    assert stage.tls == [CLIENT_HELLO, b"more"]
    stage.clock.advance(2 * PATIENCE)
    assert stage.transport.connected


def test_media_is_given_away_with_its_connection_unharmed(stage: Stage) -> None:
    for byte in CHECK[:3]:
        assert not stage.given
        stage.hears(bytes([byte]))
    ((taken, head),) = stage.given
    with taken:
        assert head == CHECK[:3]
        assert not stage.transport.connected
        assert taken.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 0, 0)
        stage.far.sendall(CHECK[3:])
        assert taken.recv(100) == CHECK[3:]
        taken.sendall(b"answer")
        assert stage.far.recv(100) == b"answer"


def test_plain_http_is_told_where_to_go(stage: Stage) -> None:
    stage.hears(b"GET / HTTP/1.1\r\n")
    assert stage.transport.value().startswith(b"HTTP/1.1 400 ")
    assert b"https://" in stage.transport.value()
    assert not stage.transport.connected


@pytest.mark.parametrize("head", [b"\x08\x00\x00", b"\x00\x20\x16", b"\xff", b"\x00\x10\x01", b"ssh"])
def test_anything_else_is_closed(stage: Stage, head: bytes) -> None:
    stage.hears(head)
    assert not stage.transport.connected
    assert (stage.given, stage.tls) == ([], [])


def test_who_says_too_little_is_not_waited_for(stage: Stage) -> None:
    stage.hears(b"\x00")
    stage.clock.advance(PATIENCE)
    assert not stage.transport.connected
    assert not stage.clock.getDelayedCalls()


@given(st.binary(max_size=64))
def test_whatever_comes_first_is_something_and_three_bytes_decide(head: bytes) -> None:
    assert (speech(head) is Speech.UNDECIDED) <= (len(head) < 3)
    for end in range(3, len(head)):
        assert speech(head[:end]) is speech(head)
