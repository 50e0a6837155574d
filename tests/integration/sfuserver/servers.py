"""An sfuserver on a loopback port, with real sockets for signalling and a data plane of the test's choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from livekit.protocol.models import DisconnectReason
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort

from meeting.daemon.secret import AccessClaims, Secret, mint_access_token
from meeting.daemon.web import site
from meeting.sfuserver.media_port import MakePort
from meeting.sfuserver.options import Options
from meeting.sfuserver.service import SfuServer

SECRET = "a secret for nothing but tests"


def token(
    identity: str = "anna", *grants: str, room: str = "standup", secret: str = SECRET, expires_at: int = 2**40
) -> str:
    """An access token; without grants one that may join."""
    claims = AccessClaims(
        identity=identity,
        name=identity.title(),
        room=room,
        grants=dict.fromkeys(grants or ("roomJoin",), True),
        expires_at=expires_at,
    )
    return mint_access_token(Secret(secret), claims)


class RunningServer:
    """Started by `start`, gone when the Deferred of `stop` has fired."""

    def __init__(self, make_port: MakePort | None = None, options: Mapping[str, Any] | None = None) -> None:
        from twisted.internet import reactor

        settings = Options()
        settings.parseOptions(
            ["--secret", SECRET, "--domainaddress", "127.0.0.1:443", "--apiserver", "http://127.0.0.1:1"]
            + [word for name, value in (options or {}).items() for word in (f"--{name}", str(value))]
        )
        self._reactor: Any = reactor
        self.server = SfuServer(settings, reactor, make_port)
        self._port: IListeningPort | None = None

    def start(self) -> None:
        self.server.startService()
        self._port = self._reactor.listenTCP(0, site(self.server.resource, self._reactor), interface="127.0.0.1")

    @property
    def address(self) -> str:
        assert self._port is not None
        host: Any = self._port.getHost()
        return f"127.0.0.1:{host.port}"

    def forget_everything(self) -> None:
        """Break every socket and drop every room, as a process that is killed does."""
        now = self._reactor.seconds()
        for room in self.server.rooms:
            for participant in list(room.participants.values()):
                socket: Any = participant.outbox
                participant.outbox = None
                room.leave(participant, DisconnectReason.UNKNOWN_REASON, now)
                socket.dropConnection(abort=True)
            self.server.rooms.remove(room, DisconnectReason.UNKNOWN_REASON, now)

    async def stop(self) -> None:
        if self._port is not None:
            await maybeDeferred(self._port.stopListening)
        stopping: Deferred[Any] = maybeDeferred(self.server.stopService)
        await stopping
