"""A client of a turnserver by TCP or TLS that sends what a test wants."""

import asyncio
import struct
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from meeting.stun import AttributeType, Class, Message, Method, long_term_key
from meeting.turnserver.service import TurnServer
from tests.support.turn import channel, code_of, peer
from tests.support.turnserver import HOST, credential

T = TypeVar("T")
#: Places among a server's addresses.
UDP, TCP, TLS = range(3)
TRANSPORT = (AttributeType.REQUESTED_TRANSPORT, b"\x11\0\0\0")


async def asynchronously(work: Coroutine[Any, Any, T]) -> T:
    """asyncio's streams belong to a task of asyncio."""
    return await Deferred.fromFuture(asyncio.ensure_future(asyncio.wait_for(work, 20)))


class Stream:
    """A client by TCP or TLS that sends what a test wants."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, servers: Iterable[int | str]
    ) -> None:
        self.reader, self.writer = reader, writer
        self.user, self.password = credential(servers=servers)
        self.key = long_term_key(self.user, "meeting", self.password)
        self.nonce = b""
        self._transactions = 0

    async def hear(self) -> bytes:
        """The next message without its padding."""
        head = await self.reader.readexactly(4)
        length = int.from_bytes(head[2:])
        if head[0] < 4:
            return head + await self.reader.readexactly(length + 16)
        padded = await self.reader.readexactly((length + 3) // 4 * 4)
        return head + padded[:length]

    async def ask(self, method: Method, *attributes: tuple[int, bytes], signed: bool = True) -> Message:
        self._transactions += 1
        credentials = (
            (AttributeType.USERNAME, self.user.encode()),
            (AttributeType.REALM, b"meeting"),
            (AttributeType.NONCE, self.nonce),
        )
        message = Message(
            Class.REQUEST, method, self._transactions.to_bytes(12), (*attributes, *(credentials if signed else ()))
        )
        self.writer.write(message.build(self.key if signed else None))
        return Message.parse(await self.hear())

    async def allocate(self) -> int:
        """The answer's code."""
        answer = await self.ask(Method.ALLOCATE, TRANSPORT, signed=False)
        self.nonce = answer.get(AttributeType.NONCE) or b""
        return code_of(await self.ask(Method.ALLOCATE, TRANSPORT))

    async def bind(self, port: int) -> int:
        """Channel 0x4000 to a port of this machine; the answer's code."""
        return code_of(await self.ask(Method.CHANNEL_BIND, channel(0x4000), peer(f"{HOST}:{port}")))

    async def is_closed(self) -> bool:
        """Waits until the server has ended the connection; what it says before is passed over."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass
        return True

    def reset(self) -> None:
        """RST, not FIN."""
        self.writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def stream(
    server: TurnServer, servers: Iterable[int | str] = (), host: str = HOST, **how: Any
) -> AsyncIterator[Stream]:
    """By TCP, or by TLS with `ssl`. `servers`: those it may reach: `ip:port`, or ports of HOST."""
    ways = [address for address in server.relay.addresses if address[0] == host]
    address = ways[TLS if "ssl" in how else TCP]
    if "ssl" in how:
        how.setdefault("server_hostname", "turn.test")
    reader, writer = await asyncio.open_connection(*address, **how)
    try:
        yield Stream(reader, writer, servers)
    finally:
        writer.transport.abort()
