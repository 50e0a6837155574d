"""The turnserver as a daemon: the hub, the status pages, start and stop."""

import json
import threading
from ipaddress import ip_address
from typing import Any

import pytest
import treq
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTCP, IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import Site

from meeting.daemon.errors import ConfigurationError
from meeting.daemon.secret import RequestVerifier
from meeting.stun import AttributeType, Method
from meeting.turnserver.service import turn_urls
from tests.support.deadlines import deadline
from tests.support.turn import SECRET, code_of
from tests.support.turnserver import HOST, client, turnserver


class Hub(Resource):
    """Takes heartbeats, and tells of one sfuserver."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.verifier = RequestVerifier(SECRET)
        self.heartbeats: list[dict[str, Any]] = []
        self.farewells: list[dict[str, Any]] = []
        self.first: Deferred[None] = Deferred()

    def render(self, request: Any) -> bytes:
        from twisted.internet import reactor

        body = request.content.read()
        header = request.getHeader("authorization")
        now = IReactorTime(reactor).seconds()
        assert self.verifier.verify(header, request.method.decode(), request.uri.decode(), body, now) == "turn"
        if request.method == b"DELETE":
            self.farewells.append(json.loads(body))
            return b"{}"
        self.heartbeats.append(json.loads(body))
        if not self.first.called:
            IReactorTime(reactor).callLater(0, self.first.callback, None)
        return json.dumps({"interval": 1.0, "peers": ["10.1.2.3:40000"]}).encode()


@deadline(30)
async def test_it_registers_with_the_hub_and_says_good_bye() -> None:
    from twisted.internet import reactor

    hub = Hub()
    site: Any = Site(hub)
    port: Any = IReactorTCP(reactor).listenTCP(0, site, interface=HOST)
    try:
        async with turnserver("--apiserver", f"http://{HOST}:{port.getHost().port}", "--heartbeat", "50ms") as server:
            await hub.first
            while len(hub.heartbeats) < 2:
                async with client(server) as someone:
                    assert await someone.is_served()
            heartbeat = hub.heartbeats[-1]
            assert (heartbeat["kind"], heartbeat["state"]) == ("turn", "ready")
            assert heartbeat["address"].startswith(f"{HOST}:")
            assert heartbeat["media"] == turn_urls([ip_address(HOST)], 0, None)
        assert [farewell["instance"] for farewell in hub.farewells] == [heartbeat["instance"]]
    finally:
        await port.stopListening()


@deadline(30)
async def test_its_pages_tell_how_it_is() -> None:
    from twisted.internet import reactor

    async with turnserver() as server, client(server) as user:
        await user.allocate()
        site: Any = Site(server.resource)
        port: Any = IReactorTCP(reactor).listenTCP(0, site, interface=HOST)
        try:
            base = f"http://{HOST}:{port.getHost().port}"
            pages = {}
            for page in ("healthz", "readyz", "metrics", "state"):
                answer = await treq.get(f"{base}/{page}", persistent=False)
                pages[page] = (answer.code, await treq.text_content(answer))
        finally:
            await port.stopListening()
        assert {code for code, _ in pages.values()} == {200}
        assert json.loads(pages["readyz"][1])["checks"]["relay"] == "open"
        assert "meeting_turn_allocations 1.0" in pages["metrics"][1]
        assert 'meeting_turn_answers_total{code="200",method="allocate"} 1.0' in pages["metrics"][1]
        assert 'meeting_turn_dropped_packets_total{cause="malformed"} 0.0' in pages["metrics"][1]
        (allocation,) = json.loads(pages["state"][1])["allocations"]
        assert (allocation["room"], allocation["identity"]) == ("room1", "ana")
        assert user.key.hex() not in pages["state"][1]


@deadline(30)
async def test_a_port_in_use_stops_the_start_with_a_reason() -> None:
    async with turnserver() as server:
        with pytest.raises(ConfigurationError, match="in use"):
            async with turnserver("--port", str(server.relay.addresses[0][1])):
                pass


@deadline(30)
async def test_nothing_is_left_when_it_has_stopped() -> None:
    before = threading.active_count()
    async with turnserver("--threads", "3") as server, client(server) as user:
        relayed = (await user.allocate()).addresses(0x16)[0]
        address = server.relay.addresses[0]
    async with turnserver("--port", str(address[1]), "--relayPorts", f"{relayed.port}-{relayed.port}") as again:
        async with client(again) as user:
            assert (await user.allocate()).addresses(0x16) == [relayed]
    assert threading.active_count() == before


@deadline(30)
async def test_who_had_an_allocation_before_a_restart_is_told_and_makes_another() -> None:
    async with turnserver() as first, client(first) as user:
        await user.allocate()
        port, nonce = first.relay.addresses[0][1], user.nonce
    async with turnserver("--port", str(port)) as second, client(second) as user:
        user.nonce = nonce
        stale = await user.ask(Method.REFRESH)
        assert code_of(stale) == 438
        user.nonce = stale.get(AttributeType.NONCE) or b""
        assert code_of(await user.ask(Method.REFRESH)) == 437
        assert code_of(await user.allocate()) == 200
