"""TURN over TCP and TLS: aioice's and coturn's clients, certificates, and those who come to do harm."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from meeting.stun import AttributeType, Class, Message, Method, PasswordAlgorithm, long_term_key
from meeting.turnserver.service import TurnServer
from tests.integration.turnserver.test_turn_relaying import through_aioice, totals, uclient
from tests.support.certificates import write_certificates, write_pair
from tests.support.deadlines import deadline
from tests.support.turn import channel, code_of, peer
from tests.support.turn_stream import TCP, TLS, TRANSPORT, asynchronously, stream
from tests.support.turnserver import HOST, client, credential, echo, echo_pair, turnserver


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """For turn.test, from an authority of the test's own (ca.pem)."""
    write_certificates(tmp_path, "turn.test")
    return tmp_path / "server.pem", tmp_path / "server.key"


def trusting(directory: Path, *protocols: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(directory / "ca.pem"))
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


async def dropped(server: TurnServer, *causes: str) -> None:
    """Waits until one has been dropped for one of these causes; the counters are written at the end of a turn."""
    while sum(server.relay.counters().dropped[cause] for cause in causes) != 1:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("way", [TCP, TLS], ids=["tcp", "tls"])
@deadline(30)
async def test_aioice_relays_by_stream(certificate: tuple[Path, Path], way: int) -> None:
    async with turnserver(certificate=certificate) as server, echo() as (other, port):
        how: dict[str, Any] = {"transport": "tcp"}
        if way == TLS:
            context = trusting(certificate[0].parent)
            context.check_hostname = False  # aioice names the address
            how["ssl"] = context
        _, back = await through_aioice(server, credential(servers=[port]), (HOST, port), way, **how)
        assert back == [b"packet %d" % number for number in range(100)]
        assert len(other.sources) == 100
        assert len(server.allocations) == 0, "the client ended it"


@pytest.mark.parametrize("secure", [(), ("-S",)], ids=["tcp", "tls"])
@pytest.mark.parametrize(
    "mode", [(), ("-s",), ("-n", "50", "-m", "8"), ("-l", "1401")], ids=["channels", "indications", "many", "padded"]
)
@deadline(60)
async def test_coturns_client_loses_nothing_by_stream(
    certificate: tuple[Path, Path], mode: tuple[str, ...], secure: tuple[str, ...]
) -> None:
    async with turnserver("--oldChannels", certificate=certificate) as server, echo_pair() as (_, port):
        user, password = credential(servers=[port, port + 1])
        common = ("-t", *secure, "-u", user, "-w", password, "-e", HOST, "-r", str(port))
        printed, status = await uclient(server, *common, *mode, way=TLS if secure else TCP)
        sent, received = totals(printed)
        assert status == 0, printed
        assert sent == received > 0, server.relay.counters()


@deadline(30)
async def test_an_allocation_ends_with_its_connection() -> None:
    async def come_and_go(server: TurnServer) -> None:
        async with stream(server) as user:
            assert await user.allocate() == 200
            assert len(server.allocations) == 1
            user.reset()
        while len(server.allocations) or server.relay.counters().totals["connections"]:
            await asyncio.sleep(0)

    async with turnserver() as server:
        await asynchronously(come_and_go(server))


@deadline(30)
async def test_the_next_handshake_has_the_new_certificate_and_open_connections_go_on(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    old = write_pair(authority, tmp_path, "turn.test")
    files = tmp_path / "server.pem", tmp_path / "server.key"

    async def change(server: TurnServer) -> None:
        async with stream(server, ssl=trusting(tmp_path)) as early:
            first = early.writer.get_extra_info("ssl_object").getpeercert(True)
            assert ssl.DER_cert_to_PEM_cert(first).encode() == old.cert_chain_pems[0].bytes()
            new = write_pair(authority, tmp_path, "turn.test")
            chain = b"".join(blob.bytes() for blob in new.cert_chain_pems)
            server.relay.set_certificate(chain, new.private_key_pem.bytes())
            async with stream(server, ssl=trusting(tmp_path)) as late:
                second = late.writer.get_extra_info("ssl_object").getpeercert(True)
                assert ssl.DER_cert_to_PEM_cert(second).encode() == new.cert_chain_pems[0].bytes()
                assert await late.allocate() == 200
            assert await early.allocate() == 200
            with pytest.raises(ValueError, match="cannot be used"):
                server.relay.set_certificate(chain, old.private_key_pem.bytes())

    async with turnserver(certificate=files) as server:
        await asynchronously(change(server))


@deadline(30)
async def test_the_protocol_is_turn_and_a_web_browser_is_sent_away(certificate: tuple[Path, Path]) -> None:
    directory = certificate[0].parent

    async def shake_hands(server: TurnServer) -> None:
        async with stream(server, ssl=trusting(directory, "http/1.1", "stun.turn")) as user:
            assert user.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "stun.turn"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with stream(server, ssl=trusting(directory, "h2", "http/1.1")):
                pass
        old = trusting(directory)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        async with stream(server, ssl=old) as user:
            assert user.writer.get_extra_info("ssl_object").version() == "TLSv1.2"
            assert await user.allocate() == 200
        await dropped(server, "handshake")

    async with turnserver(certificate=certificate) as server:
        await asynchronously(shake_hands(server))


HOSTILE = {
    "http": b"GET / HTTP/1.1\r\nHost: turn.test\r\n\r\n",
    "giant channel data": bytes.fromhex("4000ffff") + bytes(100),
    "giant message": bytes.fromhex("0003fffc2112a442") + bytes(12),
    "no cookie": bytes.fromhex("0003000000000000") + bytes(12),
    "length that is no multiple of four": bytes.fromhex("000300032112a442") + bytes(15),
    "a TLS handshake without TLS": bytes.fromhex("1603010200010001fc0303") + bytes(32),
    "reserved channel": bytes.fromhex("80000004") + bytes(4),
}


@pytest.mark.parametrize("first", HOSTILE.values(), ids=HOSTILE)
@deadline(30)
async def test_what_cannot_be_followed_ends_its_connection_and_no_other(first: bytes) -> None:
    async def attack(server: TurnServer) -> None:
        async with stream(server) as friend, stream(server) as stranger:
            stranger.writer.write(first)
            assert await stranger.is_closed()
            assert await friend.allocate() == 200
        await dropped(server, "malformed", "oversized")

    async with turnserver("--threads", "1") as server:
        await asynchronously(attack(server))


@deadline(30)
async def test_a_message_may_come_byte_by_byte_and_several_at_once() -> None:
    async def talk(server: TurnServer, port: int) -> None:
        async with stream(server, [port]) as user:
            request = Message(Class.REQUEST, Method.BINDING, bytes(12), ()).build()
            for byte in request:
                user.writer.write(bytes((byte,)))
                await user.writer.drain()
            assert Message.parse(await user.hear()).message_class is Class.SUCCESS
            assert await user.allocate() == 200
            assert await user.bind(port) == 200
            sizes = (1, 2, 3, 4, 1200, 0, 5)
            user.writer.write(
                b"".join(b"\x40\x00" + size.to_bytes(2) + bytes(size) + bytes(-size % 4) for size in sizes)
            )
            assert [len(await user.hear()) - 4 for _ in sizes] == list(sizes)

    async with turnserver() as server, echo() as (_, port):
        await asynchronously(talk(server, port))


@pytest.mark.parametrize("first", [b"", b"\x00\x01\x00\x08!\x12\xa4B"], ids=["nothing", "half a message"])
@deadline(30)
async def test_the_silent_are_sent_away_and_who_has_an_allocation_is_not(first: bytes) -> None:
    async def wait(server: TurnServer) -> None:
        async with stream(server) as friend, stream(server) as stranger:
            assert await friend.allocate() == 200
            stranger.writer.write(first)
            assert await stranger.is_closed()
            assert code_of(await friend.ask(Method.REFRESH)) == 200
        await dropped(server, "timed_out")

    async with turnserver("--idleTime", "100ms") as server:
        await asynchronously(wait(server))


@deadline(30)
async def test_a_handshake_has_its_time(certificate: tuple[Path, Path]) -> None:
    async def dawdle(server: TurnServer) -> None:
        reader, writer = await asyncio.open_connection(*server.relay.addresses[TLS])
        writer.write(bytes.fromhex("1603010200"))
        last = await reader.read()
        assert last == b"" or last[0] == 21, "nothing but an alert"
        writer.transport.abort()
        await dropped(server, "timed_out")

    async with turnserver("--handshakeTime", "100ms", certificate=certificate) as server:
        await asynchronously(dawdle(server))


@pytest.mark.parametrize("flag", ["connectionLimit", "sourceConnections", "halfOpen"])
@deadline(30)
async def test_more_connections_than_allowed_are_closed_until_others_go(flag: str) -> None:
    async def crowd(server: TurnServer) -> None:
        async with stream(server) as first, stream(server) as second:
            for each in (first, second):
                assert (await each.ask(Method.BINDING, signed=False)).message_class is Class.SUCCESS
            async with stream(server) as third:
                assert await third.is_closed()
            await dropped(server, "connection_limit")
            if flag == "halfOpen":
                assert await first.allocate() == 200
            else:
                first.reset()
                while server.relay.counters().totals["connections"] > 1:
                    assert (await second.ask(Method.BINDING, signed=False)).message_class is Class.SUCCESS
            async with stream(server) as fourth:
                assert await fourth.allocate() == 200

    async with turnserver(f"--{flag}", "2", "--threads", "1") as server:
        await asynchronously(crowd(server))


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
@deadline(60)
async def test_a_slow_reader_loses_data_and_hinders_nobody(certificate: tuple[Path, Path], secure: bool) -> None:
    how: dict[str, Any] = {"ssl": trusting(certificate[0].parent)} if secure else {}

    async def flood(server: TurnServer, port: int) -> None:
        async with stream(server, [port], limit=1024, **how) as slow, stream(server) as friend:
            assert await slow.allocate() == 200
            assert await slow.bind(port) == 200
            slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
            data = b"\x40\x00" + (1200).to_bytes(2) + bytes(1200)
            while not server.relay.counters().dropped["slow_reader"]:
                slow.writer.write(data * 16)
                await slow.writer.drain()
                assert (await friend.ask(Method.BINDING, signed=False)).message_class is Class.SUCCESS
            # It reads on: whole messages come, and the answer among them.
            slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
            request = Message(Class.REQUEST, Method.BINDING, bytes(12), ()).build()
            slow.writer.write(request)
            while (message := await slow.hear())[0] >= 0x40:
                assert len(message) == 1204
            assert Message.parse(message).message_class is Class.SUCCESS
            # It goes while data is on its way.
            slow.writer.write(data * 64)
            slow.reset()
            assert await friend.allocate() == 200

    async with turnserver("--readerQueue", "64KB", certificate=certificate) as server, echo() as (_, port):
        await asynchronously(flood(server, port))


@deadline(30)
async def test_who_asks_without_ever_reading_is_sent_away() -> None:
    async def ask_on(server: TurnServer) -> None:
        async with stream(server, limit=1024) as greedy:
            greedy.writer.transport.pause_reading()  # type: ignore[attr-defined]
            request = Message(Class.REQUEST, Method.BINDING, bytes(12), ()).build()
            with pytest.raises(ConnectionError):
                while True:
                    greedy.writer.write(request * 1000)
                    await greedy.writer.drain()
        await dropped(server, "slow_reader")

    async with turnserver("--readerQueue", "8KB") as server:
        await asynchronously(ask_on(server))


@deadline(30)
async def test_streams_and_datagrams_of_one_port_serve_side_by_side() -> None:
    async def talk(server: TurnServer) -> None:
        async with stream(server) as user:
            assert await user.allocate() == 200

    async with turnserver() as server, client(server) as datagrams:
        assert (await datagrams.allocate()).message_class is Class.SUCCESS
        await asynchronously(talk(server))
        assert await datagrams.is_served()


@pytest.mark.parametrize("way", [TCP, TLS], ids=["tcp", "tls"])
@deadline(30)
async def test_a_client_by_ipv6_relays_to_a_peer_by_ipv6(certificate: tuple[Path, Path], way: int) -> None:
    async def relay(server: TurnServer, port: int) -> None:
        how: dict[str, Any] = {"ssl": trusting(certificate[0].parent)} if way == TLS else {}
        async with stream(server, [f"[::1]:{port}"], "::1", **how) as user:
            answer = await user.ask(Method.ALLOCATE, TRANSPORT, signed=False)
            user.nonce = answer.get(AttributeType.NONCE) or b""
            answer = await user.ask(Method.ALLOCATE, TRANSPORT, (AttributeType.REQUESTED_ADDRESS_FAMILY, b"\2\0\0\0"))
            assert str(answer.addresses(AttributeType.XOR_RELAYED_ADDRESS)[0].ip) == "::1"
            assert str(answer.addresses(AttributeType.XOR_MAPPED_ADDRESS)[0].ip) == "::1"
            to = peer(f"[::1]:{port}", (3).to_bytes(12))
            assert code_of(await user.ask(Method.CHANNEL_BIND, channel(0x4000), to)) == 200
            user.writer.write(b"\x40\0\0\5hello\0\0\0")
            assert await user.hear() == b"\x40\0\0\5hello"

    async with (
        turnserver("--ip", HOST, "--ip", "::1", certificate=certificate) as server,
        echo(host="::1") as (_, port),
    ):
        await asynchronously(relay(server, port))


@deadline(30)
async def test_who_is_offered_sha_256_on_a_stream_uses_it(certificate: tuple[Path, Path]) -> None:
    async def talk(server: TurnServer, port: int) -> None:
        async with stream(server, [port], ssl=trusting(certificate[0].parent)) as user:
            # A request with room for it is told of the algorithms, as by UDP.
            software = AttributeType.SOFTWARE, b"a client with much to say of itself"
            challenge = await user.ask(Method.ALLOCATE, TRANSPORT, software, signed=False)
            offered = challenge.get(AttributeType.PASSWORD_ALGORITHMS)
            user.nonce = challenge.get(AttributeType.NONCE) or b""
            assert offered and user.nonce.startswith(b"obMatJos2")
            key = long_term_key(user.user, "meeting", user.password, PasswordAlgorithm.SHA256)
            credentials = (
                (AttributeType.USERNAME, user.user.encode()),
                (AttributeType.REALM, b"meeting"),
                (AttributeType.NONCE, user.nonce),
                (AttributeType.PASSWORD_ALGORITHMS, offered),
                (AttributeType.PASSWORD_ALGORITHM, PasswordAlgorithm.SHA256.entry),
            )
            message = Message(Class.REQUEST, Method.ALLOCATE, bytes(12), (TRANSPORT, *credentials))
            user.writer.write(message.build(key, hash="sha256"))
            answer = Message.parse(await user.hear())
            assert code_of(answer) == 200
            assert answer.is_genuine(key, "sha256")

    async with turnserver(certificate=certificate) as server, echo() as (_, port):
        await asynchronously(talk(server, port))
