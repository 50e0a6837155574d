"""TURN over DTLS (RFC 7350): coturn's client, a client on OpenSSL that verifies, and those who come to do harm."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trustme
from OpenSSL import SSL
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.defer import TimeoutError as NotInTime
from twisted.internet.interfaces import IReactorTime, IReactorUDP
from twisted.internet.protocol import DatagramProtocol

from meeting.stun import Method
from meeting.turnserver.service import TurnServer
from tests.integration.turnserver.test_turn_relaying import totals, uclient
from tests.support.certificates import write_certificates, write_pair
from tests.support.deadlines import deadline
from tests.support.turn import channel, code_of
from tests.support.turnserver import HOST, TestClient, credential, echo, echo_pair, free_udp_port, turnserver

P = TypeVar("P", bound=DatagramProtocol)
DTLS = 1
#: Bytes of the longest record of the tests.
ROOM = 16384


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """For turn.test, from an authority of the test's own (ca.pem)."""
    write_certificates(tmp_path, "turn.test")
    return tmp_path / "server.pem", tmp_path / "server.key"


@asynccontextmanager
async def dtls_server(certificate: tuple[Path, Path], *arguments: str) -> AsyncIterator[TurnServer]:
    """With a port for DTLS."""
    async with turnserver("--dtlsPort", str(free_udp_port()), *arguments, certificate=certificate) as server:
        yield server


class SecureClient(TestClient):
    """Sends and hears through DTLS; `verified` fires with the number of the server's certificate, or fails."""

    __test__ = False

    def __init__(
        self, server: tuple[str, int], ca: Path, user: tuple[str, str] | None = None, protocols: tuple[bytes, ...] = ()
    ) -> None:
        super().__init__(server, user)
        context = SSL.Context(SSL.DTLS_CLIENT_METHOD)
        context.load_verify_locations(str(ca))
        context.set_verify(SSL.VERIFY_PEER)
        if protocols:
            context.set_alpn_protos(list(protocols))
        self.context = context
        self.lost = 0
        self.hears: int | None = None
        """So many datagrams are heard; all others are lost."""
        self.begin()

    def begin(self) -> None:
        """A session of its own."""
        self.connection = SSL.Connection(self.context, None)
        self.connection.set_connect_state()
        self.verified: Deferred[int] = Deferred()
        self.over: Deferred[None] = Deferred()

    def startProtocol(self) -> None:
        self.step()

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        if self.hears is not None:
            if not self.hears:
                self.lost += 1
                return
            self.hears -= 1
        self.connection.bio_write(datagram)
        self.step()

    def send(self, data: bytes) -> None:
        self.connection.send(data)
        self._flush()

    def step(self) -> None:
        try:
            if not self.verified.called:
                self.connection.do_handshake()
                found = self.connection.get_peer_certificate()
                assert found is not None
                self.verified.callback(found.get_serial_number())
            while True:
                super().datagramReceived(self.connection.recv(ROOM), self._server)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.over.callback(None)
        except SSL.Error as error:
            if not self.verified.called:
                self.verified.errback(error)
        self._flush()

    def _flush(self) -> None:
        try:
            data = self.connection.bio_read(ROOM)
        except SSL.WantReadError:
            return
        assert self.transport is not None
        self.transport.write(data, self._server)


@asynccontextmanager
async def secure(server: TurnServer, certificate: tuple[Path, Path], **how: Any) -> AsyncIterator[SecureClient]:
    """A client that trusts the authority beside the certificate; its handshake is under way."""
    async with listening(SecureClient(server.relay.addresses[DTLS], certificate[0].parent / "ca.pem", **how)) as client:
        yield client


class Raw(DatagramProtocol):
    """Datagrams as they are."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.server = server
        self.heard: list[bytes] = []
        self._waiting: Deferred[bytes] | None = None

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self.heard.append(datagram)
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.callback(datagram)

    async def ask(self, datagram: bytes) -> bytes:
        """The next datagram after this one."""
        assert self.transport is not None
        self._waiting = Deferred()
        self.transport.write(datagram, self.server)
        return await self._waiting


@asynccontextmanager
async def listening(protocol: P) -> AsyncIterator[P]:
    """With a socket of its own."""
    from twisted.internet import reactor

    port: Any = IReactorUDP(reactor).listenUDP(0, protocol, HOST, 9000)
    try:
        yield protocol
    finally:
        await port.stopListening()


async def until(true: Callable[[], bool]) -> None:
    """Looks again and again; the test's deadline ends it."""
    while not true():
        await later(0.01)


def later(seconds: float) -> Awaitable[None]:
    from twisted.internet import reactor

    waiting: Deferred[None] = Deferred()
    IReactorTime(reactor).callLater(seconds, waiting.callback, None)
    return waiting


def connections(server: TurnServer) -> int:
    return server.relay.counters().totals["connections"]


@deadline(60)
async def test_coturns_client_loses_nothing_by_dtls(certificate: tuple[Path, Path]) -> None:
    async with dtls_server(certificate, "--oldChannels") as server, echo_pair() as (_, port):
        user, password = credential(servers=[port, port + 1])
        common = ("-S", "-u", user, "-w", password, "-e", HOST, "-r", str(port))
        for printed, status in await gatherResults(
            Deferred.fromCoroutine(uclient(server, *common, *mode, way=DTLS))
            for mode in ((), ("-s",), ("-n", "50", "-m", "8"), ("-l", "1400"))
        ):
            sent, received = totals(printed)
            assert status == 0, printed
            assert sent == received > 0, server.relay.counters()


@pytest.mark.parametrize("key_type", [trustme.KeyType.ECDSA, trustme.KeyType.RSA], ids=["ecdsa", "rsa"])
@deadline(30)
async def test_a_client_that_knows_the_root_alone_verifies_the_chain_and_relays(
    tmp_path: Path, key_type: trustme.KeyType
) -> None:
    root = trustme.CA(key_type=key_type)
    root.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    pair = root.create_child_ca(key_type=key_type).issue_cert("turn.test", key_type=key_type)
    assert len(pair.cert_chain_pems) > 1, "there is an authority in between"
    files = tmp_path / "server.pem", tmp_path / "server.key"
    files[0].write_bytes(b"".join(blob.bytes() for blob in pair.cert_chain_pems))
    files[1].write_bytes(pair.private_key_pem.bytes())
    async with dtls_server(files) as server, echo() as (_, port):
        async with secure(server, files, user=credential(servers=[port])) as user:
            await user.verified
            assert code_of(await user.allocate()) == 200
            assert code_of(await user.ask(Method.CHANNEL_BIND, channel(0x4000), user.peer(HOST, port))) == 200
            for length in (0, 1, 3, 1200):
                message = b"\x40\x00" + length.to_bytes(2) + bytes(length)
                user.send(message)
                assert await user.hear() == message, "without padding, as by UDP"
            user.connection.shutdown()
            user.step()
            await until(lambda: connections(server) == 0 and len(server.allocations) == 0)


@deadline(30)
async def test_an_address_that_is_not_proven_gets_less_than_it_sent_and_leaves_nothing_behind(
    certificate: tuple[Path, Path],
) -> None:
    async with dtls_server(certificate) as server:
        address = server.relay.addresses[DTLS]
        hello = first_flight(certificate)
        async with listening(Raw(address)) as one, listening(Raw(address)) as other:
            answers = [await one.ask(hello) for _ in range(100)]
            assert all(len(answer) < len(hello) for answer in answers)
            assert connections(server) == 0
            # One that came back from elsewhere proves nothing.
            again = with_cookie(hello, answers[0])
            assert len(await other.ask(again)) < len(again)
            # Of what is no ClientHello nothing is heard at all, so the next answer is that to a good one.
            for strange in (b"", bytes(20), hello[:40], b"\x17\xfe\xfd\0\1" + bytes(40), bytes([20]) + hello[1:]):
                assert one.transport is not None
                one.transport.write(strange, address)
            heard = len(one.heard)
            await one.ask(hello)
            assert len(one.heard) == heard + 1
            assert connections(server) == 0
            await one.ask(again)
            await until(lambda: connections(server) == 1)


@deadline(30)
async def test_what_is_lost_of_a_handshake_is_sent_again(certificate: tuple[Path, Path]) -> None:
    async with dtls_server(certificate) as server, secure(server, certificate) as user:
        # The client has OpenSSL's timer, too, but nobody here asks it to look at its clock.
        user.hears = 1
        await until(lambda: user.lost > 0)
        await later(0.2)
        user.hears = None
        await user.verified


@deadline(30)
async def test_the_next_handshake_has_the_new_certificate_and_open_sessions_go_on(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    write_pair(authority, tmp_path, "turn.test")
    files = tmp_path / "server.pem", tmp_path / "server.key"
    async with dtls_server(files) as server, secure(server, files) as early:
        first = await early.verified
        new = write_pair(authority, tmp_path, "turn.test")
        chain = b"".join(blob.bytes() for blob in new.cert_chain_pems)
        server.relay.set_certificate(chain, new.private_key_pem.bytes())
        async with secure(server, files) as late:
            assert await late.verified != first
            assert code_of(await late.allocate()) == 200
        assert code_of(await early.allocate()) == 200


@deadline(30)
async def test_a_client_may_begin_anew_on_its_address(certificate: tuple[Path, Path]) -> None:
    async with dtls_server(certificate) as server, secure(server, certificate) as user:
        await user.verified
        assert code_of(await user.allocate()) == 200
        user.begin()
        user.step()
        await user.verified
        await until(lambda: len(server.allocations) == 0)
        assert code_of(await user.allocate()) == 200
        assert connections(server) == 1


@deadline(30)
async def test_who_wants_another_protocol_is_refused(certificate: tuple[Path, Path]) -> None:
    async with dtls_server(certificate) as server:
        async with secure(server, certificate, protocols=(b"stun.turn",)) as user:
            await user.verified
            assert user.connection.get_alpn_proto_negotiated() == b"stun.turn"
        async with secure(server, certificate, protocols=(b"webrtc",)) as user:
            with pytest.raises(SSL.Error):
                await user.verified
        await until(lambda: server.relay.counters().dropped["handshake"] == 1)


@deadline(30)
async def test_a_source_has_its_share_of_sessions_and_a_handshake_its_time(certificate: tuple[Path, Path]) -> None:
    limits = ("--halfOpen", "1", "--handshakeTime", "1s", "--idleTime", "1s")
    async with dtls_server(certificate, *limits) as server:
        hello = first_flight(certificate)
        async with listening(Raw(server.relay.addresses[DTLS])) as slow, secure(server, certificate) as user:
            await user.verified
            assert code_of(await user.allocate()) == 200
            await slow.ask(with_cookie(hello, await slow.ask(hello)))
            async with secure(server, certificate) as late:
                with pytest.raises(NotInTime):
                    await late.verified.addTimeout(0.3, _clock())
            assert server.relay.counters().dropped["connection_limit"] >= 1
            # Those with an allocation stay, whatever they say.
            await until(lambda: server.relay.counters().dropped["timed_out"] == 1)
            assert connections(server) == 1
            async with secure(server, certificate) as silent:
                await silent.verified
                await silent.over
            assert code_of(await user.ask(Method.REFRESH)) == 200


def _clock() -> IReactorTime:
    from twisted.internet import reactor

    return IReactorTime(reactor)


def first_flight(certificate: tuple[Path, Path]) -> bytes:
    """A ClientHello without cookie."""
    client = SSL.Connection(SSL.Context(SSL.DTLS_CLIENT_METHOD), None)
    client.set_connect_state()
    with pytest.raises(SSL.WantReadError):
        client.do_handshake()
    return client.bio_read(ROOM)


def with_cookie(hello: bytes, request: bytes) -> bytes:
    """The ClientHello that answers a HelloVerifyRequest (RFC 6347 §4.2.1)."""
    cookie = request[28 : 28 + request[27]]
    body = hello[25:]
    at = 35 + body[34]
    body = body[:at] + bytes([len(cookie)]) + cookie + body[at + 1 :]
    length = len(body).to_bytes(3)
    message = b"\1" + length + b"\0\1" + bytes(3) + length + body
    return hello[:10] + b"\1" + len(message).to_bytes(2) + message
