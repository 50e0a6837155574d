"""LiveKit's own client where no UDP gets through: it comes by TCP (RFC 6544), to the media port or to the TLS port."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import Factory, Protocol

from meeting.daemon.first_bytes import FirstBytes
from meeting.dataplane.media import Port
from tests.integration.sfuserver.servers import RunningServer
from tests.integration.sfuserver.test_livekit_sdk import BOTH, Person, on_asyncio, until
from tests.support.deadlines import deadline


class TcpPort(Port):
    """Its UDP addresses are not told to anybody."""

    async def start(self) -> None:
        await super().start()
        self.addresses = ()


class TlsPort(TcpPort):
    """Media comes to the port where TLS is spoken, and is taken over from there."""

    _tls_port: Any = None

    async def start(self) -> None:
        await super().start()
        tls = Factory.forProtocol(Protocol)
        first = FirstBytes(tls, lambda connection, head: self.adopt(connection.fileno(), head), self._reactor)
        self._tls_port = self._reactor.listenTCP(0, first, interface="127.0.0.1")
        self.tcp_addresses = [("127.0.0.1", self._tls_port.getHost().port)]

    async def close(self) -> None:
        await maybeDeferred(self._tls_port.stopListening)
        await super().close()


@pytest.fixture(params=[TcpPort, TlsPort])
def server(request: Any) -> Iterator[RunningServer]:
    options = {"mediaPort": 0, "mediaAddress": "127.0.0.1"}
    running = RunningServer(lambda reactor, **arguments: request.param(reactor, **arguments), options)
    running.start()
    yield running
    pytest_twisted.blockon(Deferred.fromCoroutine(running.stop()))


@BOTH
@deadline(60)
async def test_two_people_see_and_hear_each_other_by_tcp(server: RunningServer, single: bool) -> None:
    await on_asyncio(_two_people_meet, server, single)


async def _two_people_meet(server: RunningServer, single: bool) -> None:
    anna, bert = Person("anna"), Person("bert")
    for person in (anna, bert):
        await person.join(server, single=single)
        await person.publish()
    for person in (anna, bert):
        await until(lambda person=person: person.frames > 10 and person.loudness > 2000)  # type: ignore[misc]
    await anna.leave()
    await bert.leave()
