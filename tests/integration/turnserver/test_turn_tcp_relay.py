"""TCP allocations over real sockets (RFC 6062): bytes arrive whole, whoever is slow or leaves first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from meeting.stun import AttributeType, Class, ErrorCode, Message, Method, decode_xor_address
from meeting.turnserver.service import TurnServer
from tests.integration.turnserver.test_turn_streams import certificate, trusting
from tests.support.deadlines import deadline
from tests.support.turn import TCP, code_of, peer
from tests.support.turn_stream import Stream, asynchronously, stream
from tests.support.turnserver import HOST, free_tcp_port, turnserver

__all__ = ["certificate"]
BYTES = bytes(range(256)) * 16_384
"""4 MB: far more than all buffers on the way."""


@asynccontextmanager
async def listening(greeting: bytes = b"") -> AsyncIterator[tuple[int, "asyncio.Queue[Stream]"]]:
    """A peer's port, and who has come there."""
    come: asyncio.Queue[Any] = asyncio.Queue()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        come.put_nowait(Stream(reader, writer, ()))

    server = await asyncio.start_server(serve, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1], come
    finally:
        server.close()
        while not come.empty():
            come.get_nowait().writer.transport.abort()


async def allocated(control: Stream) -> int:
    """The port of its TCP allocation."""
    answer = await control.ask(Method.ALLOCATE, TCP, signed=False)
    control.nonce = answer.get(AttributeType.NONCE) or b""
    answer = await control.ask(Method.ALLOCATE, TCP)
    assert code_of(answer) == 200
    [relayed] = answer.addresses(AttributeType.XOR_RELAYED_ADDRESS)
    return relayed.port


async def connect(control: Stream, port: int) -> Message:
    return await control.ask(Method.CONNECT, peer(f"{HOST}:{port}"))


def id_of(message: Message) -> tuple[int, bytes]:
    return AttributeType.CONNECTION_ID, message.get(AttributeType.CONNECTION_ID) or b""


async def bind(control: Stream, data: Stream, id: tuple[int, bytes]) -> int:
    """The answer's code to who comes for a connection, with the credential of the control connection."""
    data.user, data.key = control.user, control.key
    answer = await data.ask(Method.ALLOCATE, TCP, signed=False)
    data.nonce = answer.get(AttributeType.NONCE) or b""
    return code_of(await data.ask(Method.CONNECTION_BIND, id))


async def until_gone(server: TurnServer) -> None:
    """Waits until no connection with a peer is left."""
    while len(server.allocations.connections):
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
@deadline(60)
async def test_bytes_go_both_ways_whole_and_a_slow_reader_only_slows(
    certificate: tuple[Path, Path], secure: bool
) -> None:
    async def work(server: TurnServer) -> None:
        how: dict[str, Any] = {"ssl": trusting(certificate[0].parent)} if secure else {}
        async with listening(b"hello") as (port, come), stream(server, [port]) as control:
            await allocated(control)
            answer = await connect(control, port)
            assert code_of(answer) == 200
            other = await come.get()
            async with stream(server, **how) as data:
                assert await bind(control, data, id_of(answer)) == 200
                assert await data.reader.readexactly(5) == b"hello", "said before anybody came for it"
                data.writer.write(BYTES)
                other.writer.write(BYTES)
                there = await other.reader.readexactly(len(BYTES))
                back = await data.reader.readexactly(len(BYTES))
                assert sha256(there).digest() == sha256(back).digest() == sha256(BYTES).digest()
                counters = server.relay.counters().totals
                assert counters["to_peers_bytes"] >= len(BYTES)

    async with turnserver("--tcpRelay", certificate=certificate) as server:
        await asynchronously(work(server))


@pytest.mark.parametrize("first", ["client", "peer"])
@deadline(30)
async def test_who_has_said_all_still_hears_the_other(first: str) -> None:
    async def work(server: TurnServer) -> None:
        async with listening() as (port, come), stream(server, [port]) as control:
            await allocated(control)
            answer = await connect(control, port)
            other = await come.get()
            async with stream(server) as data:
                await bind(control, data, id_of(answer))
                one, two = (data, other) if first == "client" else (other, data)
                one.writer.write(b"the last of it")
                one.writer.write_eof()
                assert await two.reader.read() == b"the last of it"
                two.writer.write(b"and the answer")
                two.writer.write_eof()
                assert await one.reader.read() == b"and the answer"
                await until_gone(server)

    async with turnserver("--tcpRelay") as server:
        await asynchronously(work(server))


@deadline(30)
async def test_a_peer_with_permission_is_announced_and_one_without_is_cut_off() -> None:
    local = free_tcp_port()

    async def work(server: TurnServer) -> None:
        async with stream(server, [local]) as control:
            relay = await allocated(control)
            reader, writer = await asyncio.open_connection(HOST, relay)
            assert await reader.read() == b"", "nobody has permitted it"
            writer.close()
            assert code_of(await control.ask(Method.CREATE_PERMISSION, peer(f"{HOST}:{local}"))) == 200
            reader, writer = await asyncio.open_connection(HOST, relay)
            assert await reader.read() == b"", "another port than the permitted one"
            writer.close()
            reader, writer = await asyncio.open_connection(HOST, relay, local_addr=(HOST, local))
            said = Message.parse(await control.hear())
            assert (said.message_class, said.method) == (Class.INDICATION, Method.CONNECTION_ATTEMPT)
            where = said.get(AttributeType.XOR_PEER_ADDRESS)
            assert where is not None
            assert str(decode_xor_address(where, said.transaction)) == f"{HOST}:{local}"
            async with stream(server) as data:
                assert await bind(control, data, id_of(said)) == 200
                writer.write(b"from outside")
                assert await data.reader.readexactly(12) == b"from outside"
                assert code_of(await connect(control, local)) == ErrorCode.CONNECTION_ALREADY_EXISTS
                control.writer.transport.abort()
                assert await reader.read() == b"", "it ends with its allocation"
                assert await data.is_closed()
            writer.close()

    async with turnserver("--tcpRelay") as server:
        await asynchronously(work(server))
        assert server.relay.counters().dropped["no_permission"] == 2


@deadline(30)
async def test_where_nobody_listens_there_is_no_connection() -> None:
    port = free_tcp_port()

    async def work(server: TurnServer) -> None:
        async with stream(server, [port]) as control:
            await allocated(control)
            assert code_of(await connect(control, port)) == ErrorCode.CONNECTION_TIMEOUT_OR_FAILURE
            async with stream(server) as data:
                assert await bind(control, data, (AttributeType.CONNECTION_ID, bytes(4))) == ErrorCode.BAD_REQUEST
            assert code_of(await connect(control, port)) == ErrorCode.CONNECTION_TIMEOUT_OR_FAILURE

    async with turnserver("--tcpRelay") as server:
        await asynchronously(work(server))
        assert len(server.allocations.connections) == 0


@deadline(30)
async def test_bandwidth_bounds_a_tcp_allocation() -> None:
    async def work(server: TurnServer) -> None:
        async with listening() as (port, come), stream(server, [port]) as control:
            await allocated(control)
            answer = await connect(control, port)
            other = await come.get()
            async with stream(server) as data:
                await bind(control, data, id_of(answer))
                begin = asyncio.get_running_loop().time()
                data.writer.write(BYTES[:300_000])
                assert await other.reader.readexactly(300_000) == BYTES[:300_000], "late, but whole"
                # A second's share is there at once.
                assert asyncio.get_running_loop().time() - begin > 1.5

    async with turnserver("--tcpRelay", "--allocationBandwidth", "100KB") as server:
        await asynchronously(work(server))
