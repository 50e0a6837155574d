"""The ports of a daemon: TLS under its domain address, plain HTTP behind a proxy, and the private status port."""

from datetime import UTC, datetime
from typing import Any, Protocol

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IReactorTCP, IReactorTime
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.resource import IResource

from meeting.daemon.certificates.files import CertificateFiles
from meeting.daemon.certificates.self_signed import self_signed
from meeting.daemon.converters import HostPort
from meeting.daemon.options import DaemonOptions
from meeting.daemon.site import site


def listeners(
    options: DaemonOptions, resource: IResource, reactor: Any, status: IResource | None = None
) -> MultiService:
    """All ports that the options ask for; `status` is what the private one serves.

    With neither `--cert` nor `--plainHttp` the TLS port has a self-signed certificate and says so.
    """
    ports = MultiService()
    factory = site(resource, reactor, trusted_proxies=options.get("trustedProxy") or ())
    plain: HostPort | None = options.get("plainHttp")
    domain: HostPort | None = options.get("domainaddress")
    if domain is not None and (options.get("cert") or plain is None):
        certificates = _certificates(options, domain, reactor)
        certificates.setServiceParent(ports)
        secure = TLSMemoryBIOFactory(certificates.creator, False, factory)
        Port(reactor, secure, HostPort(options["bind"], domain.port), "https").setServiceParent(ports)
    if plain is not None:
        Port(reactor, factory, plain, "http").setServiceParent(ports)
    if status is not None and options.get("status") is not None:
        private = site(status, reactor, log_access=False)
        Port(reactor, private, options["status"], "status").setServiceParent(ports)
    return ports


class Server(Protocol):
    """A daemon as its `service.py` puts it together: a service with its web face and its private pages."""

    @property
    def resource(self) -> IResource: ...

    @property
    def status(self) -> IResource: ...

    def setServiceParent(self, parent: Any) -> Any: ...


def with_listeners(options: DaemonOptions, server: Server, reactor: Any) -> IService:
    """The daemon and its ports, for `makeService`. It starts before them and they stop before it."""
    together = MultiService()
    server.setServiceParent(together)
    listeners(options, server.resource, reactor, server.status).setServiceParent(together)
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


def _certificates(options: DaemonOptions, domain: HostPort, reactor: Any) -> CertificateFiles:
    if options.get("cert"):
        return CertificateFiles(options["cert"], options["certkey"], reactor)
    return _SelfSigned(options, domain, reactor)


class _SelfSigned(CertificateFiles):
    """Makes its files at the start, not before: nothing touches the disk while a daemon is put together."""

    def __init__(self, options: DaemonOptions, domain: HostPort, reactor: Any) -> None:
        self._directory = options["stateDirectory"] / "certificates"
        super().__init__(self._directory / "self-signed.pem", self._directory / "self-signed-key.pem", reactor)
        self._names = sorted({domain.host, "localhost", "127.0.0.1"}, key=[domain.host].count, reverse=True)
        self._now = IReactorTime(reactor)

    def load(self) -> None:
        self_signed(self._names, self._directory, datetime.fromtimestamp(self._now.seconds(), UTC))
        self._log.warn("no --cert: the certificate is self-signed; browsers and other daemons do not trust it")
        super().load()
