"""The sfuserver, put together in one place."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.interfaces import IReactorCore, IReactorTime
from twisted.web.resource import Resource

from meeting.daemon.client import agent_for
from meeting.daemon.observe import Metrics, Readiness, Watched, status_resource
from meeting.daemon.options import HostPort
from meeting.daemon.registration import Heartbeat, Registration, new_instance
from meeting.daemon.secret import Secret
from meeting.daemon.site import Tree
from meeting.sfuserver.media_port import MakePort, MediaPort, MediaSockets, adopter
from meeting.sfuserver.options import Options
from meeting.sfuserver.room.chance import Chance
from meeting.sfuserver.room.media import Media
from meeting.sfuserver.room.room import RoomSettings
from meeting.sfuserver.room.rooms import Rooms
from meeting.sfuserver.signalling.greeting import Greeting, ice_servers
from meeting.sfuserver.signalling.lobby import Lobby
from meeting.sfuserver.signalling.room_service import SERVICE, RoomService
from meeting.sfuserver.signalling.twirp import TwirpResource
from meeting.sfuserver.signalling.webhooks import Webhooks
from meeting.sfuserver.signalling.websocket import SignalFactory, SignalResource
from meeting.sfuserver.state import Load, dump

__all__ = ["SfuServer"]

WEBHOOKS = "/api/v1/webhooks/sfu"


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

        sockets = MediaSockets(settings, reactor, make_port, tls=certificate is not None)
        media = Media(sockets.port, sockets.candidates, chance, count)
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
        self.media_streams = adopter(media.port) if sockets.tls is not None else None
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


class _Health(Resource):
    """GET / answers 200: what LiveKit's own health checks ask."""

    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        if request.path.strip(b"/"):
            request.setResponseCode(404)
            return b"There is /rtc, /rtc/v1 and /twirp here.\n"
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        return b"OK"
