"""A certificate from two files, looked at again every few seconds: whoever renews it only writes the files."""

from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from meeting.daemon.certificates.context import SwappableContext, load_context
from meeting.daemon.errors import ConfigurationError

LOOK_EVERY = 5.0


class CertificateFiles(Service):
    """Keeps `creator` at what the files hold. A pair that does not fit (yet) is told once and not taken."""

    _log = Logger()

    def __init__(self, cert: Path, key: Path, reactor: Any, interval: float = LOOK_EVERY) -> None:
        self.creator = SwappableContext()
        self._cert = cert
        self._key = key
        self._interval = interval
        self._looking = LoopingCall(self._look)
        self._looking.clock = IReactorTime(reactor)
        self._seen: object = None

    def load(self) -> None:
        """Read the files now; raises ConfigurationError. Called before the port opens."""
        self._seen = self._marks()
        self.creator.context = load_context(self._cert, self._key)

    def privilegedStartService(self) -> None:
        """Root may be needed to read the key."""
        self.load()

    def startService(self) -> None:
        """Begin to look for changes."""
        super().startService()
        if self.creator.context is None:
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
            self._log.error("the changed certificate is not taken: {error}", error=error)
        else:
            self._log.info("a new certificate is in use: {cert}", cert=self._cert)

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
