"""The sfuserver, put together in one place."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from livekit.protocol.rtc import ICEServer
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore, IReactorTime
from twisted.logger import Logger
from twisted.web.resource import Resource

from meeting.daemon.client import agent_for
from meeting.daemon.errors import ConfigurationError
from meeting.daemon.first_bytes import GiveAway
from meeting.daemon.observe import Metrics, Readiness, Watched, status_resource
from meeting.daemon.options import HostPort
from meeting.daemon.registration import Heartbeat, Registration, new_instance
from meeting.daemon.secret import LONGEST_TURN_CREDENTIAL, Secret, turn_credential
from meeting.daemon.site import Tree
from meeting.dataplane.certificate import make_certificate
from meeting.dataplane.errors import DataPlaneError
from meeting.dataplane.interfaces import IPort
from meeting.dataplane.values import PortLimits
from meeting.sfuserver.addresses import MediaAddress, candidates, choose_addresses, interface_addresses
from meeting.sfuserver.room.chance import Chance
from meeting.sfuserver.room.media import Media
from meeting.sfuserver.room.participant import Identity
from meeting.sfuserver.room.room import RoomSettings
from meeting.sfuserver.room.rooms import Rooms
from meeting.sfuserver.signalling.greeting import Greeting
from meeting.sfuserver.signalling.lobby import Lobby
from meeting.sfuserver.signalling.room_service import SERVICE, RoomService
from meeting.sfuserver.signalling.twirp import TwirpResource
from meeting.sfuserver.signalling.webhooks import Webhooks
from meeting.sfuserver.signalling.websocket import SignalFactory, SignalResource
from meeting.sfuserver.state import Load, dump
from meeting.sfuserver.tap import Options

__all__ = ["MakePort", "MediaPort", "SfuServer", "ice_servers"]

log = Logger()

WEBHOOKS = "/api/v1/webhooks/sfu"

MakePort = Callable[..., IPort]
"""meeting.dataplane's Port, or a fake with its arguments."""


class SfuServer(MultiService):
    """Relays what the participants of its rooms say, show and send."""

    def __init__(
        self,
        settings: Options,
        reactor: Any,
        make_port: MakePort | None = None,
        *,
        certificate: Watched | None = None,
    ) -> None:
        """`make_port` stands in for the data plane in tests."""
        super().__init__()
        secret = Secret(settings["secret"])
        chance = Chance()
        clock = IReactorTime(reactor)
        agent = agent_for(reactor, settings["ca"])
        instance = new_instance()
        metrics = Metrics()
        happenings = metrics.counter("meeting_sfu_happenings", "What happened, by name", ["what"])

        def count(what: str) -> None:
            happenings.labels(what).inc()

        addresses = settings["mediaAddress"] or _own_addresses()
        tcp_port = settings["mediaPort"] if settings["mediaTcpPort"] is None else settings["mediaTcpPort"]
        by_tcp = settings["mediaTcpPort"] != 0
        # One number for all, as machines on demand have it: HTTP has that port of TCP already, and TLS hands media on.
        http_ports = {each.port for each in (settings["plainHttp"], settings["domainaddress"]) if each is not None}
        taken = settings["mediaTcpPort"] is None and tcp_port in http_ports
        tls = HostPort(settings["bind"], settings["domainaddress"].port) if certificate is not None and by_tcp else None
        media = Media(
            lambda listener: (make_port or _real_port)(
                reactor,
                bind=[(address.bound, settings["mediaPort"]) for address in addresses],
                bind_tcp=[(address.bound, tcp_port) for address in addresses] if by_tcp and not taken else [],
                certificate=make_certificate(clock.seconds()),
                listener=listener,
                limits=PortLimits(links=settings["maxConnections"]),
            ),
            lambda port: candidates(addresses, port.addresses, port.tcp_addresses, tls),
            chance,
            count,
        )
        webhooks = Webhooks(clock, agent, secret, settings["apiserver"] + WEBHOOKS, chance)
        rooms = Rooms(
            clock,
            media,
            RoomSettings(settings["emptyTimeout"], settings["departureTimeout"], settings["awayTimeout"]),
            chance,
            webhooks,
            count,
        )

        def own_media() -> list[str]:
            return [str(HostPort(*address)) for address in media.addresses]

        greeting = Greeting(instance, f"meeting {version('meeting')}", ice_servers(secret, own_media))
        self.rooms = rooms
        self.media_streams = _adopter(media.port) if tls is not None else None
        lobby = Lobby(rooms, greeting)
        port = MediaPort(media.port, IReactorCore(reactor).stop)
        load = Load(clock, os.cpu_count() or 1, lambda: media.links / settings["maxConnections"])
        registration = Registration(
            reactor,
            agent,
            secret,
            settings["apiserver"],
            lambda: Heartbeat(
                kind="sfu",
                address=str(settings["domainaddress"]),
                url=settings["publicUrl"],
                instance=instance,
                version=version("meeting"),
                state="draining" if rooms.closing else "ready" if port.ready else "starting",
                load=load.now(),
                media=own_media(),
                details={"rooms": len(rooms), "participants": rooms.participants},
            ),
            interval=settings["heartbeat"],
            certificate=certificate,
        )
        # Started in this order and stopped in the other: first nobody new, then good-bye to all, then the media.
        for service in (port, webhooks, rooms, registration):
            service.setServiceParent(self)

        def ready() -> Readiness:
            return Readiness(
                ready=port.ready and not rooms.closing,
                checks={
                    "media": "open" if port.ready else "not open",
                    "hub": "registered" if registration.connected else "cannot be reached",
                },
            )

        for name, help, value in (
            ("rooms", "Rooms", lambda: len(rooms)),
            ("participants", "Participants", lambda: rooms.participants),
            ("links", "Peer connections", lambda: media.links),
            ("links_limited", "Peer connections whose path takes less than is wanted", lambda: media.limited),
            ("pictures_starved", "Pictures paused because a path has no room for them", lambda: media.starved),
        ):
            metrics.gauge(f"meeting_sfu_{name}", help).set_function(value)
        self.status = status_resource(metrics, ready, lambda: dump(rooms, media), certificate, clock)
        self.resource = Tree(
            {
                b"rtc": SignalResource(secret, lobby, SignalFactory(reactor), clock),
                b"twirp": TwirpResource(SERVICE, RoomService(rooms).methods, secret, clock),
            },
            default=_Health(),
        )


class MediaPort(Service):
    """Opens the Port and closes it."""

    def __init__(self, port: IPort, give_up: Callable[[], object]) -> None:
        """`give_up` ends the process when the sockets turn out unusable after the start."""
        self.ready = False
        self._port = port
        self._give_up = give_up
        self._problem: str | None = None
        self._opening: Deferred[None] | None = None

    def startService(self) -> None:
        """Raises ConfigurationError when the sockets cannot be opened, if that is known at once; else stops later."""
        super().startService()
        self._opening = Deferred.fromCoroutine(self._open())
        if self._problem is not None:
            raise ConfigurationError(f"the media port cannot be opened: {self._problem}")
        self._opening.addCallback(self._opened)

    async def _open(self) -> None:
        try:
            await self._port.start()
        except (OSError, DataPlaneError) as error:
            self._problem = str(error)

    def _opened(self, _: None) -> None:
        if self._problem is not None:
            log.critical("the media port cannot be opened: {problem}", problem=self._problem)
            self._give_up()
            return
        self.ready = True
        log.info("media on {addresses}", addresses=", ".join(str(HostPort(*one)) for one in self._port.addresses))

    async def _close(self) -> None:
        if self._opening is not None:
            await self._opening
        self.ready = False
        await self._port.close()

    def stopService(self) -> Deferred[None]:
        """Fires when threads and sockets are gone."""
        super().stopService()
        return Deferred.fromCoroutine(self._close())


class _Health(Resource):
    """GET / answers 200: what LiveKit's own health checks ask."""

    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        if request.path.strip(b"/"):
            request.setResponseCode(404)
            return b"There is /rtc, /rtc/v1 and /twirp here.\n"
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        return b"OK"


def _adopter(port: IPort) -> GiveAway:
    """Media that comes to the TLS port goes to the data plane, socket and all."""

    def adopt(connection: socket.socket, head: bytes) -> None:
        try:
            port.adopt(connection.fileno(), head)
        except (OSError, DataPlaneError) as error:
            log.warn("a media connection was not taken: {error}", error=error)

    return adopt


def _real_port(reactor: Any, **arguments: Any) -> IPort:
    from meeting.dataplane.media import Port  # loads the Rust library

    port: IPort = Port(reactor, **arguments)
    return port


def _own_addresses() -> list[MediaAddress]:
    chosen = choose_addresses(interface_addresses())
    if not chosen:
        raise ConfigurationError("This machine has no usable address; give one with --mediaAddress.")
    if chosen[0].bound.startswith("127.") or chosen[0].bound == "::1":
        log.warn(
            "This machine has only its loopback address: browsers offer none for media, so only native clients "
            "on this machine will get through. Connect a network or give --mediaAddress."
        )
    return chosen


def ice_servers(secret: Secret, media: Callable[[], list[str]]) -> Callable[[Identity, str, float], list[ICEServer]]:
    """(who, room, now) → the turnservers of the token, with credentials that end by themselves.

    They name our `media` addresses, to which these relays may lead though they are private ones.
    """

    def servers(who: Identity, room: str, now: float) -> list[ICEServer]:
        if not who.turn:
            return []
        credential = turn_credential(secret, room, who.identity, int(now) + LONGEST_TURN_CREDENTIAL, media())
        return [ICEServer(urls=who.turn, username=credential.username, credential=credential.password)]

    return servers
