"""The hub's database: one function is one transaction is one retry.

`await database.run(function, *arguments)` calls `function(transaction, *arguments)` in a thread of the database's own
pool and commits. When the engine says that the work must be done again — a deadlock, a lost connection, a cluster that
is electing, a row that changed between read and write — the whole function runs again, so it must do nothing but SQL,
and take the ids and the moment it writes as arguments. Back-off happens on the reactor, never in a thread.

SQLite is the embedded default (WAL, every commit fsynced); MySQL and all that speaks its dialect is reached by PyMySQL.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import ConnectionPoolEntry
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from meeting.daemon.errors import ConfigurationError, PleaseWait
from meeting.daemon.observe import Metrics

P = ParamSpec("P")
T = TypeVar("T")

#: MySQL's errors after which the same transaction may well succeed: lock wait, deadlock (or a Galera certification
#: failure), cannot connect, gone away, connection lost, read only (fail-over under way), connection killed, not (yet)
#: in the primary component.
TRANSIENT = frozenset({1205, 1213, 2003, 2006, 2013, 1290, 1927, 1047, 1180})
_UNKNOWN_DATABASE = 1049
_SQLITE_BUSY_OR_LOCKED = (5, 6)


class Stale(Exception):
    """The row changed between this transaction's read and its write: do the whole transaction again."""


class Unavailable(PleaseWait):
    """The database cannot be reached, or is too busy, for now."""

    title = "The database is not available for the moment"


class Threads(Protocol):
    """Where transactions run: `twisted.python.threadpool.ThreadPool`, or a test's synchronous stand-in."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def callInThreadWithCallback(
        self, onResult: Callable[[bool, Any], object] | None, func: Callable[..., object], *args: object, **kw: object
    ) -> None: ...


def sqlite_url(path: Path) -> URL:
    """The URL of the SQLite database in the file `path`."""
    return URL.create("sqlite", database=str(path))


def mysql_url(host: str, port: int, user: str, password: str, database: str) -> URL:
    """The URL of a database reached by the MySQL protocol."""
    return URL.create("mysql+pymysql", user, password, host, port, database, {"charset": "utf8mb4"})


def is_transient(error: BaseException) -> bool:
    """Whether the transaction that ended with `error` should be done again."""
    if isinstance(error, Stale):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE_BUSY_OR_LOCKED
    return error.orig is not None and bool(error.orig.args) and error.orig.args[0] in TRANSIENT


def make_engine(url: URL, connections: int) -> Engine:
    """The engine for `url`; connects to nothing yet.

    Times: 5 s to connect, 30 s to read or write: above the longest stall seen of a cluster that lost a node (6.5 s).
    """
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url, pool_size=connections, max_overflow=0, connect_args={"timeout": 5, "check_same_thread": False}
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=30,
        pool_pre_ping=True,
        pool_recycle=1800,
        isolation_level="READ COMMITTED",
        connect_args={"connect_timeout": 5, "read_timeout": 30, "write_timeout": 30},
    )


def _prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # we begin transactions ourselves, see _begin_sqlite
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: one that reads first and then finds another has written would have to start over.
    reads = connection.get_execution_options().get("meeting_reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def upsert(transaction: Connection, into: Table, values: Mapping[str, Any], update: Mapping[str, Any]) -> None:
    """Insert `values`; where the primary key exists, update with `update` (values or expressions) instead.

    One statement.
    """
    if transaction.dialect.name == "sqlite":
        keys = list(into.primary_key.columns)
        transaction.execute(
            sqlite.insert(into).values(**values).on_conflict_do_update(index_elements=keys, set_=dict(update))
        )
    else:
        transaction.execute(mysql.insert(into).values(**values).on_duplicate_key_update(**update))


def insert_new(transaction: Connection, into: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert `rows`, leaving alone those whose primary key is there (this transaction may be done again).

    One round trip.
    """
    if not rows:
        return
    if transaction.dialect.name == "sqlite":
        transaction.execute(
            sqlite.insert(into).on_conflict_do_nothing(index_elements=list(into.primary_key.columns)), rows
        )
    else:
        key = next(iter(into.primary_key.columns))
        transaction.execute(mysql.insert(into).on_duplicate_key_update({key.name: key}), rows)


def insert_if_absent(transaction: Connection, into: Table, **values: Any) -> bool:
    """Insert a row unless one of its keys is taken; says whether it was inserted.

    The transaction goes on either way.
    """
    try:
        with transaction.begin_nested():
            transaction.execute(into.insert().values(**values))
    except IntegrityError:
        return False
    return True


class Database(Service):
    """The engine, its threads and the retry.

    Usable once `opened` has fired; before that `run` asks the caller to wait.
    """

    name = "database"
    log = Logger()

    def __init__(
        self,
        url: URL,
        reactor: Any,
        *,
        prepare: Callable[["Database"], Deferred[None]] | None = None,
        connections: int = 8,
        attempts: int = 8,
        waiting: int = 2000,
        threads: Threads | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """`prepare` runs before the first transaction is let in (the migrations); `waiting` bounds the queue."""
        self._url = url
        self._reactor = reactor
        self._prepare = prepare
        self._connections = connections
        self._attempts = attempts
        self._waiting = waiting
        self._threads: Threads = threads or ThreadPool(0, connections, "database")
        self._engine: Engine | None = None
        self._opening: Deferred[None] | None = None
        self._at_work = 0
        self._idle: list[Deferred[None]] = []
        self._watchers: list[Deferred[None]] = []
        self.ready = False
        #: Why it is not ready, in words for an administrator.
        self.trouble = "starting"
        metrics = metrics or Metrics()
        self._seconds = metrics.histogram("meeting_database_seconds", "What a transaction took, waiting included.")
        self._retries = metrics.counter("meeting_database_retries", "Transactions that were done again.")

    # -- life -----------------------------------------------------------------------------------------------------

    def startService(self) -> None:
        super().startService()
        self._engine = make_engine(self._url, self._connections)
        self._threads.start()
        self._opening = Deferred.fromCoroutine(self._open())
        self._opening.addErrback(lambda failure: None if not self.running else self.log.failure("database", failure))

    def stopService(self) -> Deferred[None]:
        """Nothing new is let in; what runs is waited for; threads and connections end."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self.ready, self.trouble = False, "stopping"
        if self._opening is not None:
            self._opening.cancel()
        if self._at_work:
            idle: Deferred[None] = Deferred()
            self._idle.append(idle)
            await idle
        self._threads.stop()
        if self._engine is not None:
            self._engine.dispose()

    def opened(self) -> Deferred[None]:
        """Fires when transactions are let in."""
        answer: Deferred[None] = Deferred()
        if self.ready:
            answer.callback(None)
        else:
            self._watchers.append(answer)
        return answer

    async def _open(self) -> None:
        """Create and migrate, again and again until it works: a database that is down does not keep the hub from
        starting.
        """
        delay = 0.25
        while True:
            try:
                await self.in_thread(self._create_if_missing)
                if self._prepare is not None:
                    await self._prepare(self)
                break
            except (DBAPIError, OSError, PleaseWait, ConfigurationError) as error:
                reason = str(error.orig) if isinstance(error, DBAPIError) else str(error)
                if reason != self.trouble:
                    self.log.error("the database cannot be used yet: {reason}", reason=reason)
                self.trouble = reason
            await deferLater(self._reactor, delay)
            delay = min(delay * 2, 5.0)
        self.ready, self.trouble = True, ""
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            watcher.callback(None)

    def _create_if_missing(self) -> None:
        """Make SQLite's directory, or the MySQL database if we may, when it is missing."""
        assert self._engine is not None
        if self._url.get_backend_name() == "sqlite":
            file = Path(str(self._url.database))
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.touch(mode=0o600)  # what people say in their meetings; its log files get the same rights
        try:
            with self._engine.connect():
                return
        except DBAPIError as error:
            if error.orig is None or not error.orig.args or error.orig.args[0] != _UNKNOWN_DATABASE:
                raise
        name = str(self._url.database)
        # Without its name in the URL the server lets us in. Nothing may be pooled here: it is one statement.
        without = make_engine(self._url.set(database=""), 1)
        try:
            with without.begin() as connection:
                quoted = connection.dialect.identifier_preparer.quote_identifier(name)
                connection.execute(
                    text(f"CREATE DATABASE IF NOT EXISTS {quoted} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
                )
        except DBAPIError as error:
            if is_transient(error):
                raise
            raise ConfigurationError(
                f"the database {name!r} is missing and this user may not create it: create it, or give a user who may"
            ) from error
        finally:
            without.dispose()

    # -- work -----------------------------------------------------------------------------------------------------

    async def run(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`function(transaction, *args, **kwargs)` in one transaction; committed when this returns.

        It may run more than once.
        """
        self._check_ready()
        return await self.transact(function, *args, **kwargs)

    async def read(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for a function that only reads; on SQLite it does not wait for a writer."""
        self._check_ready()
        return await self.retry(
            lambda: self._transaction(True, lambda transaction: function(transaction, *args, **kwargs))
        )

    async def transact(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`run`, before the schema is there: for what brings it there."""
        return await self.retry(
            lambda: self._transaction(False, lambda transaction: function(transaction, *args, **kwargs))
        )

    def _check_ready(self) -> None:
        if not self.ready:
            self.log.debug("not ready: {reason}", reason=self.trouble)
            raise Unavailable(1, "The database cannot be used yet.")

    async def retry(self, work: Callable[[], T]) -> T:
        """`work()` in a thread, again while it fails for a passing reason.

        For what is no plain transaction (migrations).
        """
        delay = 0.02
        begun = self._reactor.seconds()
        for attempt in range(self._attempts):
            if attempt:
                # Between half and all of it, so that two that met do not meet again.
                await deferLater(self._reactor, delay * random.uniform(0.5, 1))
                delay = min(delay * 2, 1.0)
                self._retries.inc()
            try:
                result = await self.in_thread(work)
                self._seconds.observe(self._reactor.seconds() - begun)
                return result
            except (DBAPIError, Stale) as error:
                if not is_transient(error):
                    raise
                self.log.debug("transaction is done again: {error}", error=str(error))
        self.log.error("a transaction failed {attempts} times and was given up", attempts=self._attempts)
        raise Unavailable(2, "The database is too busy or cannot be reached.")

    def _transaction(self, reads: bool, function: Callable[[Connection], T]) -> T:
        with self.engine.connect() as connection:
            if reads:
                connection = connection.execution_options(meeting_reads=True)
            with connection.begin():
                return function(connection)

    @property
    def engine(self) -> Engine:
        """The engine, for the migrations. Use it in a thread only (`retry`)."""
        assert self._engine is not None, "the database has not been started"
        return self._engine

    def in_thread(self, work: Callable[[], T]) -> Deferred[T]:
        """`work()` in one of the threads. Cancelled, the caller is let go and the thread ends its work unheard."""
        answer: Deferred[T] = Deferred()
        if self._at_work >= self._waiting:
            answer.errback(Failure(Unavailable(2, "Too many requests are waiting for the database.")))
            return answer
        self._at_work += 1

        def done(success: bool, result: Any) -> None:
            self._reactor.callFromThread(finish, success, result)

        def finish(success: bool, result: Any) -> None:
            self._at_work -= 1
            if not answer.called:
                if success:
                    answer.callback(result)
                else:
                    answer.errback(result)
            if not self._at_work:
                waiting, self._idle = self._idle, []
                for idle in waiting:
                    idle.callback(None)

        self._threads.callInThreadWithCallback(done, work)
        return answer
