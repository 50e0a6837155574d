"""What was decided, and every machine that may exist, in SQLite. One thread does all the waiting.

A machine is written down before it is asked for and stays here when it is gone: a crash forgets none, and the report
counts what each has cost.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from meeting.allocateserver.values import Booking, Dropped, Machine, Record, Sharer
from meeting.daemon.errors import ConfigurationError

T = TypeVar("T")

FILE = "allocateserver.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger (name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS booking (
    email TEXT NOT NULL, begin_at INTEGER NOT NULL, end_at INTEGER NOT NULL, sfu TEXT NOT NULL,
    PRIMARY KEY (email, begin_at, end_at)
);
CREATE TABLE IF NOT EXISTS sharer (email TEXT PRIMARY KEY, sfu TEXT NOT NULL, asked_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS machine (
    id TEXT PRIMARY KEY, address TEXT NOT NULL, use TEXT NOT NULL, state TEXT NOT NULL, intended_at INTEGER NOT NULL,
    provider_id TEXT NOT NULL, created_at INTEGER NOT NULL, ready_at INTEGER NOT NULL, ended_at INTEGER NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS machine_intended_at ON machine (intended_at);
"""


@dataclass(frozen=True)
class Kept:
    """What the file holds. `name`: of this ledger, 8 hex digits made with the file; its machines carry it."""

    name: str
    bookings: Sequence[Booking]
    sharers: Sequence[Sharer]
    machines: Sequence[Machine]


class Ledger:
    """The file `allocateserver.sqlite` in a directory. Opened by `open`, in the reactor's thread, at the start."""

    def __init__(self, directory: Path, reactor: Any, thread: Any = None, *, synchronous: str = "FULL") -> None:
        """`thread`: a ThreadPool of one thread, so that decisions reach the disk in their order. `synchronous`:
        SQLite's word for what a commit waits for.
        """
        self._file = directory / FILE
        self._reactor = reactor
        self._thread = thread or ThreadPool(1, 1, "ledger")
        self._synchronous = synchronous
        self._database: sqlite3.Connection | None = None
        self._unwritten: list[Record] = []

    def open(self) -> Kept:
        """Create or read the file; gives what it holds. Raises ConfigurationError."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._database = database = sqlite3.connect(self._file, check_same_thread=False, isolation_level=None)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(f"PRAGMA synchronous = {self._synchronous}")
            database.executescript(_SCHEMA)
            if database.execute("SELECT name FROM ledger").fetchone() is None:
                database.execute("INSERT INTO ledger VALUES (?)", (token_hex(4),))
            kept = read(database)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"--stateDirectory {self._file.parent}: cannot be used: {error}") from None
        self._thread.start()
        return kept

    def write(self, records: Sequence[Record]) -> Deferred[None]:
        """Fires when they are on disk, all or none; what could not be written goes with the next ones."""
        self._unwritten += records
        if not self._unwritten:
            return succeed(None)

        def write(database: sqlite3.Connection) -> None:
            unwritten, self._unwritten = self._unwritten, []
            if not unwritten:
                return
            try:
                database.execute("BEGIN IMMEDIATE")
                for each in unwritten:
                    _write(database, each)
                database.execute("COMMIT")
            except sqlite3.Error:
                self._unwritten = unwritten + self._unwritten
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise

        return self._run(write)

    def forget(self, gone_before: int, over_before: int) -> Deferred[None]:
        """Drop machines that went before a moment, and what was over before another."""

        def delete(database: sqlite3.Connection) -> None:
            database.execute("DELETE FROM machine WHERE state = 'gone' AND ended_at < ?", (gone_before,))
            database.execute("DELETE FROM booking WHERE end_at < ?", (over_before,))
            database.execute("DELETE FROM sharer WHERE asked_at < ?", (over_before,))

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
            raise RuntimeError("the ledger is closed")

        def run() -> None:
            work(database)

        return deferToThreadPool(self._reactor, self._thread, run)


def read(database: sqlite3.Connection) -> Kept:
    """All of it."""
    return Kept(
        database.execute("SELECT name FROM ledger").fetchone()[0],
        [Booking(*row) for row in database.execute("SELECT email, begin_at, end_at, sfu FROM booking")],
        [Sharer(*row) for row in database.execute("SELECT email, sfu, asked_at FROM sharer")],
        [Machine(*row) for row in database.execute("SELECT * FROM machine ORDER BY intended_at, id")],
    )


def _write(database: sqlite3.Connection, record: Record) -> None:
    match record:
        case Booking():
            database.execute("REPLACE INTO booking VALUES (?, ?, ?, ?)", astuple(record))
        case Sharer():
            database.execute("REPLACE INTO sharer VALUES (?, ?, ?)", astuple(record))
        case Machine():
            database.execute(f"REPLACE INTO machine VALUES ({', '.join('?' * 10)})", astuple(record))
        case Dropped(Booking() as booking):
            key = (booking.email, booking.begin, booking.end)
            database.execute("DELETE FROM booking WHERE email = ? AND begin_at = ? AND end_at = ?", key)
        case Dropped(held):
            database.execute("DELETE FROM sharer WHERE email = ?", (held.email,))
