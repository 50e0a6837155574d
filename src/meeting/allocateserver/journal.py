"""What the pool decided, in SQLite, so that a restart changes nobody's server. One thread does all the waiting."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from meeting.allocateserver.pool import Booking, Sharer
from meeting.daemon.errors import ConfigurationError

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS booking (
    email TEXT NOT NULL, begin_at INTEGER NOT NULL, end_at INTEGER NOT NULL, sfu TEXT NOT NULL,
    PRIMARY KEY (email, begin_at, end_at)
);
CREATE TABLE IF NOT EXISTS sharer (email TEXT PRIMARY KEY, sfu TEXT NOT NULL, asked_at INTEGER NOT NULL);
"""


class Journal:
    """The file `allocateserver.sqlite` in a directory. Opened by `open`, in the reactor's thread, at the start."""

    def __init__(self, directory: Path, reactor: Any, thread: Any = None) -> None:
        """`thread`: a ThreadPool of one thread, so that decisions reach the disk in their order."""
        self._file = directory / "allocateserver.sqlite"
        self._reactor = reactor
        self._thread = thread or ThreadPool(1, 1, "journal")
        self._database: sqlite3.Connection | None = None

    def open(self) -> tuple[list[Booking], list[Sharer]]:
        """Create or read the file; gives what it holds. Raises ConfigurationError."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self._file, check_same_thread=False, isolation_level=None)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.executescript(_SCHEMA)
            bookings = [Booking(*row) for row in database.execute("SELECT email, begin_at, end_at, sfu FROM booking")]
            sharers = [Sharer(*row) for row in database.execute("SELECT email, sfu, asked_at FROM sharer")]
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"--stateDirectory {self._file.parent}: cannot be used: {error}") from None
        self._database = database
        self._thread.start()
        return bookings, sharers

    def keep(self, decided: Booking | Sharer) -> Deferred[None]:
        """Fires when the decision is on disk."""
        if isinstance(decided, Booking):
            row: tuple[Any, ...] = (decided.email, decided.begin, decided.end, decided.sfu)
            return self._run(lambda database: database.execute("REPLACE INTO booking VALUES (?, ?, ?, ?)", row))
        row = (decided.email, decided.sfu, decided.asked_at)
        return self._run(lambda database: database.execute("REPLACE INTO sharer VALUES (?, ?, ?)", row))

    def forget(self, ended_before: int, asked_before: int) -> Deferred[None]:
        """Drop what is over."""

        def delete(database: sqlite3.Connection) -> None:
            database.execute("DELETE FROM booking WHERE end_at < ?", (ended_before,))
            database.execute("DELETE FROM sharer WHERE asked_at < ?", (asked_before,))

        return self._run(delete)

    def close(self) -> None:
        """After what was begun is done; a no-op when it was never opened."""
        if self._database is not None:
            self._thread.stop()
            self._database.close()
            self._database = None

    def _run(self, work: Callable[[sqlite3.Connection], Any]) -> Deferred[None]:
        database = self._database
        if database is None:
            raise RuntimeError("the journal is closed")

        def run() -> None:
            work(database)

        return deferToThreadPool(self._reactor, self._thread, run)
