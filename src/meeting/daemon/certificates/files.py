"""A certificate from two files, looked at again every few seconds: whoever renews it only writes the files."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID
from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from meeting.daemon.certificates.certificate import Certificate
from meeting.daemon.certificates.context import holds_for, load_files
from meeting.daemon.errors import ConfigurationError

LOOK_EVERY = 5.0


class CertificateFiles(Certificate, Service):
    """Keeps `creator` at what the files hold. A pair that does not fit (yet), or has ended, is told once and not taken.

    At the start only what cannot be used at all is refused: one that has ended is replaced sooner by somebody who can
    see that the daemon runs and says so.
    """

    _log = Logger()
    source = "files"

    def __init__(
        self, cert: Path, key: Path, reactor: Any, interval: float = LOOK_EVERY, host: str | None = None
    ) -> None:
        """`host`: the name under which others reach the daemon; a certificate without it is told of."""
        super().__init__()
        self._cert = cert
        self._key = key
        self._host = host
        self._interval = interval
        self._clock = IReactorTime(reactor)
        self._looking = LoopingCall(self._look)
        self._looking.clock = self._clock
        self._seen: object = None

    def load(self) -> None:
        """Read the files now; raises ConfigurationError. Called before the port opens."""
        self._seen = self._marks()
        # A pair is refused for its time only where there is another one to go on with.
        self.take(load_files(self._cert, self._key, self._now() if self.pair else None))
        self.trouble = ""
        self._tell_doubts()

    def privilegedStartService(self) -> None:
        """Root may be needed to read the key."""
        self.load()

    def startService(self) -> None:
        """Begin to look for changes."""
        super().startService()
        if self.pair is None:
            self.load()
        self._looking.start(self._interval, now=False)

    def stopService(self) -> None:
        """No longer look."""
        if self._looking.running:
            self._looking.stop()
        super().stopService()

    def _look(self) -> None:
        marks = self._marks()
        if marks == self._seen:
            return
        try:
            self.load()
        except ConfigurationError as error:
            # Often one of the two files is new and the other follows in a moment.
            self.trouble = str(error)
            self._log.error("the changed certificate is not taken: {error}", error=error)
        else:
            self._log.info("a new certificate is in use: {cert}", cert=self._cert)

    def _tell_doubts(self) -> None:
        """What some clients may trip over; our own may not, so it is no error."""
        assert self.pair is not None
        own = self.pair.certificate
        if not own.not_valid_before_utc <= self._now() < own.not_valid_after_utc:
            self._log.error(
                "--cert {cert}: is valid from {begin} to {end}, not now: nobody will trust it",
                cert=self._cert,
                begin=own.not_valid_before_utc,
                end=own.not_valid_after_utc,
            )
        if self._host is not None and not holds_for(own, self._host):
            self._log.warn("--cert {cert}: is not for {host}: clients refuse it", cert=self._cert, host=self._host)
        if not self.pair.chain and _names_an_issuer_to_fetch(own):
            self._log.warn(
                "--cert {cert}: holds one certificate without the authority's intermediate ones; browsers may cope, "
                "other programs do not: give the full chain",
                cert=self._cert,
            )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.seconds(), UTC)

    def _marks(self) -> object:
        """What changes when a file is written or replaced."""
        marks: list[tuple[int, int, int] | None] = []
        for file in (self._cert, self._key):
            try:
                status = file.stat()
            except OSError:
                marks.append(None)
            else:
                marks.append((status.st_ino, status.st_size, status.st_mtime_ns))
        return marks


def _names_an_issuer_to_fetch(certificate: x509.Certificate) -> bool:
    """Whether the certificate says where its issuer's can be had: those of public authorities do."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return any(each.access_method == AuthorityInformationAccessOID.CA_ISSUERS for each in access)
