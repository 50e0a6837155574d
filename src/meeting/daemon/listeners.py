"""The ports of a daemon: TLS under its domain address, plain HTTP behind a proxy, and the private status port."""

from typing import Any, Protocol

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorTCP, IReactorTime
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.resource import IResource

from meeting.daemon.certificates.automatic import AutomaticCertificate
from meeting.daemon.certificates.choice import AnyCertificate
from meeting.daemon.certificates.port80 import Port80
from meeting.daemon.converters import HostPort, https_url
from meeting.daemon.errors import ConfigurationError
from meeting.daemon.first_bytes import FirstBytes, GiveAway
from meeting.daemon.options import DaemonOptions
from meeting.daemon.site import Limits, site

HTTP_PORT = 80
PORT80_LIMITS = Limits(body=0, headers=16 << 10, request_time=10.0, idle=10.0)
"""What comes there has no body, and is sent away with one answer."""


def listeners(
    options: DaemonOptions,
    resource: IResource | None,
    reactor: Any,
    status: IResource | None = None,
    certificate: AnyCertificate | None = None,
    media_streams: GiveAway | None = None,
) -> MultiService:
    """All ports that the options ask for; `status` is what the private one serves.

    `resource`: what people reach by HTTP; None: nothing. `certificate`: what `certificate_for(options, reactor)` gave;
    it becomes a part of this service.
    `media_streams`: takes the connections to the TLS port that carry media.
    """
    ports = MultiService()
    if certificate is not None:
        certificate.setServiceParent(ports)
    if resource is not None:
        _open_web(options, resource, reactor, certificate, ports, media_streams)
    elif certificate is not None:
        _open_port_80(options, None, certificate, reactor, ports)
    if status is not None and options.get("status") is not None:
        private = site(status, reactor, log_access=False)
        Port(reactor, private, options["status"], "status").setServiceParent(ports)
    return ports


def _open_web(
    options: DaemonOptions,
    resource: IResource,
    reactor: Any,
    certificate: AnyCertificate | None,
    ports: MultiService,
    media_streams: GiveAway | None,
) -> None:
    factory = site(resource, reactor, trusted_proxies=options.get("trustedProxy") or ())
    plain: HostPort | None = options.get("plainHttp")
    if certificate is not None:
        domain: HostPort = options["domainaddress"]
        _open_port_80(options, https_url(domain), certificate, reactor, ports)
        secure: Any = TLSMemoryBIOFactory(certificate.creator, False, factory)
        if media_streams is not None:
            secure = FirstBytes(secure, media_streams, IReactorTime(reactor))
        Port(reactor, secure, HostPort(options["bind"], domain.port), "https").setServiceParent(ports)
    if plain is not None:
        Port(reactor, factory, plain, "http").setServiceParent(ports)


def _open_port_80(
    options: DaemonOptions, origin: str | None, certificate: AnyCertificate, reactor: Any, ports: MultiService
) -> None:
    """The challenges, where certificates come by themselves; the redirect there, and where `--acmePort` is given."""
    automatic = isinstance(certificate, AutomaticCertificate)
    number: int | None = options.get("acmePort")
    if number is None:
        if not automatic:
            return
        number = HTTP_PORT
    clock = IReactorTime(reactor)
    resource = Port80(
        origin,
        (lambda: certificate.thumbprint) if isinstance(certificate, AutomaticCertificate) else None,
        lambda: certificate.serves(clock.seconds()),
    )
    factory = site(resource, reactor, limits=PORT80_LIMITS)
    # The turnserver's --bind is one address for each family.
    host = options["bind"] if isinstance(options["bind"], str) else "0.0.0.0"
    what = "HTTP-01 challenges" if origin is None else "redirect to https"
    _ChallengePort(reactor, factory, HostPort(host, number), what).setServiceParent(ports)


class Server(Protocol):
    """A daemon as its `service.py` puts it together: a service with its web face and its private pages."""

    @property
    def resource(self) -> IResource | None: ...

    @property
    def status(self) -> IResource: ...

    def setServiceParent(self, parent: Any) -> Any: ...


def with_listeners(
    options: DaemonOptions,
    server: Server,
    reactor: Any,
    certificate: AnyCertificate | None = None,
    media_streams: GiveAway | None = None,
) -> IService:
    """The daemon and its ports, for `makeService`. It starts before them and they stop before it."""
    together = MultiService()
    server.setServiceParent(together)
    ports = listeners(options, server.resource, reactor, server.status, certificate, media_streams)
    ports.setServiceParent(together)
    return together


class Port(Service):
    """A listening TCP port. It opens while the process may still be root, and an error there stops the start."""

    _log = Logger()

    def __init__(self, reactor: Any, factory: Any, address: HostPort, what: str) -> None:
        self._reactor = IReactorTCP(reactor)
        self._factory = factory
        self._address = address
        self._what = what
        self._port: IListeningPort | None = None

    @property
    def address(self) -> HostPort:
        """Where it listens; once it does, with the port that the system chose for 0."""
        if self._port is None:
            return self._address
        host: Any = self._port.getHost()
        return HostPort(self._address.host, host.port)

    def privilegedStartService(self) -> None:
        """Open the port; raises twisted.internet.error.CannotListenError."""
        host = "" if self._address.host in ("*", "0.0.0.0") else self._address.host
        self._port = self._reactor.listenTCP(self._address.port, self._factory, 1024, host)
        self._log.info("{what} on {address}", what=self._what, address=self.address)

    def startService(self) -> None:
        """Open the port, unless that is done."""
        super().startService()
        if self._port is None:
            self.privilegedStartService()

    def stopService(self) -> Deferred[Any]:
        """Close the port; connections that are open are not cut."""
        super().stopService()
        port, self._port = self._port, None
        return maybeDeferred(lambda: None if port is None else port.stopListening())


class _ChallengePort(Port):
    """Port 80, which others on the machine may want too."""

    def privilegedStartService(self) -> None:
        """Open it; raises ConfigurationError with the ways out."""
        try:
            super().privilegedStartService()
        except CannotListenError as error:
            raise ConfigurationError(
                f"cannot listen on {self.address} for HTTP-01 challenges: {error.socketError}. If a proxy or another "
                "daemon has port 80: give --acmePort another port and have /.well-known/acme-challenge/ of this "
                "daemon's name forwarded to it; or --bind an address of its own; or --cert and --certkey"
            ) from None
