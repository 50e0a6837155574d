"""A turnserver on loopback, whole but for the hub, and the least of a client."""

import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from random import sample
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.defer import TimeoutError as NotInTime
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorTime, IReactorUDP
from twisted.internet.protocol import DatagramProtocol

from meeting.daemon.certificates.choice import certificate_for
from meeting.daemon.secret import turn_credential
from meeting.stun import Address, AttributeType, Class, Message, Method, encode_xor_address, long_term_key
from meeting.turnserver.options import Options
from meeting.turnserver.service import TurnServer
from tests.support.turn import SECRET

HOST = "127.0.0.1"
#: Below the ports that systems give out by themselves, so that nobody else's socket is in the way.
RELAY_PORTS = "22000-22999"


class NoEnvironment(Options):
    """Options that come from the test alone."""

    environment = {}


@asynccontextmanager
async def turnserver(*arguments: str, certificate: tuple[Path, Path] | None = None) -> AsyncIterator[TurnServer]:
    """A running server; everything of it is gone afterwards. `certificate`: its files, for TLS on a port of its own."""
    from twisted.internet import reactor

    if certificate is not None:
        files = ("--cert", str(certificate[0]), "--certkey", str(certificate[1]))
        arguments = ("--domainaddress", f"turn.test:{free_tcp_port()}", *files, *arguments)

    usual = {
        "--secret": "correct horse battery staple",
        "--ip": HOST,
        "--port": "0",
        "--relayPorts": RELAY_PORTS,
        "--apiserver": f"http://{HOST}:9",
    }
    options = NoEnvironment()
    missing = [word for flag, value in usual.items() if flag not in arguments for word in (flag, value)]
    options.parseOptions([*missing, *arguments])
    kept = certificate_for(options, reactor)
    server = TurnServer(options, reactor, certificate=kept)
    services = [server] if kept is None else [kept, server]
    for service in services:
        service.startService()
    try:
        yield server
    finally:
        for service in reversed(services):
            await maybeDeferred(service.stopService)


def credential(lifetime: float = 600, identity: str = "ana", servers: Iterable[int | str] = ()) -> tuple[str, str]:
    """A user name and its password, by the real clock. `servers`: those it may reach: `ip:port`, or ports of HOST."""
    from twisted.internet import reactor

    expires_at = int(IReactorTime(reactor).seconds() + lifetime)
    named = [f"{HOST}:{server}" if isinstance(server, int) else server for server in servers]
    return turn_credential(SECRET, "room1", identity, expires_at, named)


class Echo(DatagramProtocol):
    """A peer that sends back what it gets, and remembers from where."""

    def __init__(self) -> None:
        self.sources: list[tuple[str, int]] = []

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self.sources.append(addr)
        if self.transport is not None:
            self.transport.write(datagram, addr)


@asynccontextmanager
async def echo(port: int = 0, host: str = HOST) -> AsyncIterator[tuple[Echo, int]]:
    """An echoing peer and its port."""
    from twisted.internet import reactor

    peer = Echo()
    listening: Any = IReactorUDP(reactor).listenUDP(port, peer, host, 9000)
    try:
        yield peer, listening.getHost().port
    finally:
        await listening.stopListening()


@asynccontextmanager
async def echo_pair(host: str = HOST) -> AsyncIterator[tuple[Echo, int]]:
    """Two echoing peers on neighbouring ports, as for RTP and RTCP; the first one's port."""
    while True:
        async with echo(host=host) as (first, port):
            try:
                async with echo(port + 1, host):
                    yield first, port
                    return
            except CannotListenError:
                continue


class TestClient(DatagramProtocol):
    """A client that sends what a test wants, well-formed or not, and waits for what comes."""

    __test__ = False

    def __init__(self, server: tuple[str, int], user: tuple[str, str] | None = None) -> None:
        self._server = server
        self.user, password = user or credential()
        self.key = long_term_key(self.user, "meeting", password)
        self.nonce = b""
        self._waiting: list[Deferred[bytes]] = []
        self._heard: list[bytes] = []
        self.transactions = 0

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        if self._waiting:
            self._waiting.pop(0).callback(datagram)
        else:
            self._heard.append(datagram)

    def send(self, data: bytes) -> None:
        """As it is."""
        assert self.transport is not None
        self.transport.write(data, self._server)

    async def hear(self, patience: float = 5) -> bytes:
        """The next datagram, within so many seconds."""
        from twisted.internet import reactor

        if self._heard:
            return self._heard.pop(0)
        waiting: Deferred[bytes] = Deferred()
        self._waiting.append(waiting)
        try:
            return await waiting.addTimeout(patience, IReactorTime(reactor))
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    async def ask(self, method: Method, *attributes: tuple[int, bytes], signed: bool = True) -> Message:
        """A request and its answer."""
        self.transactions += 1
        credentials = [
            (AttributeType.USERNAME, self.user.encode()),
            (AttributeType.REALM, b"meeting"),
            (AttributeType.NONCE, self.nonce),
        ]
        transaction = self.transactions.to_bytes(12)
        message = Message(Class.REQUEST, method, transaction, [*attributes, *(credentials if signed else [])])
        self.send(message.build(self.key if signed else None))
        answer = Message.parse(await self.hear())
        assert answer.transaction == transaction
        return answer

    async def challenge(self) -> None:
        """Get a nonce."""
        answer = await self.ask(Method.ALLOCATE, (AttributeType.REQUESTED_TRANSPORT, b"\x11\0\0\0"), signed=False)
        self.nonce = answer.get(AttributeType.NONCE) or b""

    async def allocate(self) -> Message:
        """The answer to Allocate with credentials."""
        await self.challenge()
        return await self.ask(Method.ALLOCATE, (AttributeType.REQUESTED_TRANSPORT, b"\x11\0\0\0"))

    async def is_served(self) -> bool:
        """Whether the server still answers Binding."""
        answer = await self.ask(Method.BINDING, signed=False)
        return answer.message_class is Class.SUCCESS

    def peer(self, host: str, port: int) -> tuple[int, bytes]:
        """XOR-PEER-ADDRESS for the next request."""
        transaction = (self.transactions + 1).to_bytes(12)
        return AttributeType.XOR_PEER_ADDRESS, encode_xor_address(Address(ip_address(host), port), transaction)


@asynccontextmanager
async def client(
    server: TurnServer, user: tuple[str, str] | None = None, host: str = HOST
) -> AsyncIterator[TestClient]:
    """A client with a socket of its own."""
    from twisted.internet import reactor

    protocol = TestClient(next(address for address in server.relay.addresses if address[0] == host), user)
    port: Any = IReactorUDP(reactor).listenUDP(0, protocol, host, 9000)
    try:
        yield protocol
    finally:
        await port.stopListening()


def free_tcp_port() -> int:
    """One below those that systems give out by themselves."""
    for port in sample(range(20_000, 22_000), 2000):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


async def probe_until_answered(host: str, port: int) -> None:
    """Asks for a Binding again and again, until a server that is starting answers; the test's deadline ends it."""
    from twisted.internet import reactor

    protocol = TestClient((host, port))
    socket: Any = IReactorUDP(reactor).listenUDP(0, protocol, host, 9000)
    try:
        while True:
            protocol.send(Message(Class.REQUEST, Method.BINDING, bytes(12)).build())
            try:
                await protocol.hear(0.2)
                return
            except NotInTime:
                continue
    finally:
        await socket.stopListening()


def free_udp_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
