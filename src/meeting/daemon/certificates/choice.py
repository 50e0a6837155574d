"""Which kind of certificate a daemon has: own files, one that comes by itself, or one that nobody vouches for."""

from datetime import UTC, datetime
from typing import Any

from twisted.internet.interfaces import IReactorTime

from meeting.daemon.certificates.authority import Binding, Wanted
from meeting.daemon.certificates.automatic import AutomaticCertificate
from meeting.daemon.certificates.files import CertificateFiles
from meeting.daemon.certificates.self_signed import self_signed
from meeting.daemon.converters import HostPort
from meeting.daemon.options import LETS_ENCRYPT, DaemonOptions, wants_acme

AnyCertificate = CertificateFiles | AutomaticCertificate


def certificate_for(options: DaemonOptions, reactor: Any) -> AnyCertificate | None:
    """What the options say; None where the daemon has no TLS port of its own. Nothing is read or made before it starts.

    `--cert`: those files. `--plainHttp` without: none. A name of the public DNS, or `--acmeDirectory`: by ACME. Else
    self-signed.
    """
    domain: HostPort | None = options.get("domainaddress")
    if domain is None:
        return None
    if options.get("cert"):
        return CertificateFiles(options["cert"], options["certkey"], reactor, host=domain.host)
    if options.get("plainHttp") is not None:
        return None
    if not wants_acme(options):
        return SelfSigned(options, domain, reactor)
    wanted = Wanted(
        options["acmeDirectory"] or LETS_ENCRYPT,
        domain.host.lower().rstrip("."),
        options["acmeContact"],
        options["acmeProfile"],
        options["acmeCa"],
        Binding(options["acmeEabKid"], options["acmeEabKey"]) if options["acmeEabKid"] is not None else None,
    )
    return AutomaticCertificate(wanted, options["stateDirectory"] / "certificates", reactor)


class SelfSigned(CertificateFiles):
    """Makes its files at the start, not before: nothing touches the disk while a daemon is put together."""

    source = "self-signed"

    def __init__(self, options: DaemonOptions, domain: HostPort, reactor: Any) -> None:
        self._directory = options["stateDirectory"] / "certificates"
        super().__init__(self._directory / "self-signed.pem", self._directory / "self-signed-key.pem", reactor)
        self._names = sorted({domain.host, "localhost", "127.0.0.1"}, key=[domain.host].count, reverse=True)
        self._time = IReactorTime(reactor)

    def load(self) -> None:
        """Make or renew the files, then read them."""
        self_signed(self._names, self._directory, datetime.fromtimestamp(self._time.seconds(), UTC))
        self._log.warn("no --cert: the certificate is self-signed; browsers and other daemons do not trust it")
        super().load()
