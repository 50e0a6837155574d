"""The sockets of media: which ones there are, opened when the sfuserver starts and closed when it stops."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from meeting.daemon.errors import ConfigurationError
from meeting.daemon.first_bytes import GiveAway
from meeting.daemon.options import HostPort
from meeting.dataplane.certificate import make_certificate
from meeting.dataplane.errors import DataPlaneError
from meeting.dataplane.interfaces import IPort, IPortListener
from meeting.dataplane.values import PortLimits
from meeting.sfuserver.addresses import (
    MediaAddress,
    candidates,
    choose_addresses,
    interface_addresses,
    tcp_media_port,
)
from meeting.sfuserver.negotiation.offer_answer import Candidate
from meeting.sfuserver.options import Options

__all__ = ["MakePort", "MediaPort", "MediaSockets", "adopter"]

log = Logger()

MakePort = Callable[..., IPort]
"""meeting.dataplane's Port, or a fake with its arguments."""


class MediaSockets:
    """What the options say of the sockets of media."""

    def __init__(self, settings: Options, reactor: Any, make_port: MakePort | None, *, tls: bool) -> None:
        """`tls`: whether there is a TLS port, on which media may come too."""
        self._settings = settings
        self._reactor = reactor
        self._make_port = make_port or _real_port
        self._addresses = settings["mediaAddress"] or _own_addresses()
        http = {each.port for each in (settings["plainHttp"], settings["domainaddress"]) if each is not None}
        self._tcp = tcp_media_port(settings["mediaPort"], settings["mediaTcpPort"], http)
        by_tls = tls and settings["mediaTcpPort"] != 0
        self.tls = HostPort(settings["bind"], settings["domainaddress"].port) if by_tls else None

    def port(self, listener: IPortListener) -> IPort:
        """The Port, not started."""
        settings = self._settings
        return self._make_port(
            self._reactor,
            bind=[(address.bound, settings["mediaPort"]) for address in self._addresses],
            bind_tcp=[(address.bound, self._tcp) for address in self._addresses] if self._tcp is not None else [],
            certificate=make_certificate(IReactorTime(self._reactor).seconds()),
            listener=listener,
            limits=PortLimits(links=settings["maxConnections"]),
        )

    def candidates(self, port: IPort) -> list[Candidate]:
        """What clients are told of a started Port."""
        return candidates(self._addresses, port.addresses, port.tcp_addresses, self.tls)


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


def adopter(port: IPort) -> GiveAway:
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
