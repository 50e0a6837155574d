"""Which mails were taken by a mail server and are not written down as sent yet, kept beside the database.

Between a mail server's 250 and the row that says so lie a thread, a round trip and a commit. A process that is killed
there finds in this file, when it starts again, what must not be sent a second time. A mail is noted by one write of a
few hundred bytes at most: handed to the system, it outlives the process. It need not outlive the machine's power, so
nobody waits for a disk.
"""

import os
import re
from pathlib import Path

from twisted.logger import Logger

_ID = re.compile(r"[0-9a-f]{32}")


class Journal:
    """The ids in one file, a line each. Where it cannot be written mails are sent all the same, and the log says so."""

    log = Logger()

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ids: dict[str, None] = {}
        self._descriptor: int | None = None

    def open(self) -> list[str]:
        """The ids that are left from before."""
        try:
            self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            lines = os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0).decode("ascii", "replace").split()
        except OSError as error:
            self._tell(error)
            return []
        self._ids = dict.fromkeys(line for line in lines if _ID.fullmatch(line))
        return list(self._ids)

    def add(self, identity: str) -> None:
        """A mail server took this one."""
        self._ids[identity] = None
        self._write()

    def remove(self, *identities: str) -> None:
        """The database knows of these."""
        if known := [each for each in identities if each in self._ids]:
            for identity in known:
                del self._ids[identity]
            self._write()

    def close(self) -> None:
        """Write no more."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self) -> None:
        if self._descriptor is None:
            return
        content = "".join(f"{identity}\n" for identity in self._ids).encode()
        try:
            # Killed between the two it leaves ids whose rows say so already, which does no harm.
            os.pwrite(self._descriptor, content, 0)
            os.ftruncate(self._descriptor, len(content))
        except OSError as error:
            self._tell(error)

    def _tell(self, error: OSError) -> None:
        self.log.error(
            "{file}: {error}. Mails are sent all the same; what it is sending when it is killed may go twice.",
            file=str(self._file),
            error=str(error),
        )
