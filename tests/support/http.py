"""HTTP in memory: bytes into a Site's connection, answers out, no socket and no clock but the test's."""

import json
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.web.server import Site


@dataclass
class Answer:
    """One HTTP answer. `headers` compares names without case."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Transport(StringTransportWithDisconnection):
    """As real transports, says that it is closing (a line receiver stops at the line that made it close), and does not
    mind that its producer has gone already.
    """

    def unregisterProducer(self) -> None:
        if self.producer is not None:
            super().unregisterProducer()

    def loseConnection(self) -> None:
        self.disconnecting = True
        super().loseConnection()


class Connection:
    """One client connection to `site`, from `peer`."""

    def __init__(self, site: Site, peer: str = "192.0.2.7") -> None:
        protocol: Any = site.buildProtocol(IPv4Address("TCP", peer, 50_000))
        self.protocol = protocol
        self.transport = Transport(
            hostAddress=IPv4Address("TCP", "192.0.2.1", 80), peerAddress=IPv4Address("TCP", peer, 50_000)
        )
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        """Deliver bytes to the server."""
        self.protocol.dataReceived(data)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send one whole request and take its answer, which must be there at once."""
        lines = [f"{method} {path} HTTP/1.1", "Host: meeting.test"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode() + (body or b""))
        return self.answer(method)

    def answer(self, method: str = "GET") -> Answer:
        """The next answer; AssertionError when there is none yet."""
        data = self.transport.value()
        assert data, "the server has not answered"
        head, _, rest = data.partition(b"\r\n\r\n")
        status_line, _, header_lines = head.partition(b"\r\n")
        headers = BytesParser().parsebytes(header_lines + b"\r\n\r\n")
        if headers.get("Transfer-Encoding") == "chunked":
            body, rest = _unchunked(rest)
        else:
            length = 0 if method == "HEAD" else int(headers.get("Content-Length", "0"))
            body, rest = rest[:length], rest[length:]
        self.transport.clear()
        self.transport.write(rest)
        return Answer(int(status_line.split()[1]), headers, body)

    @property
    def is_closed(self) -> bool:
        """Whether the server has closed the connection."""
        return not self.transport.connected


def exchange(
    site: Site,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    json: Any = None,
    headers: dict[str, str] | None = None,
    peer: str = "192.0.2.7",
) -> Answer:
    """One request on a connection of its own."""
    from json import dumps

    headers = dict(headers or {})
    if json is not None:
        body = dumps(json).encode()
        headers.setdefault("Content-Type", "application/json")
    return Connection(site, peer).request(method, path, body, headers)


def _unchunked(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        count = int(size, 16)
        body, data = body + data[:count], data[count + 2 :]
        if count == 0:
            return body, data
