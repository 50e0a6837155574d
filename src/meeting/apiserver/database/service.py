"""The hub's database: one function is one transaction is one retry.

`await database.run(function, *arguments)` calls `function(transaction, *arguments)` in a thread of the database's own
pool and commits. When the engine says that the work must be done again — a deadlock, a lost connection, a cluster that
is electing, a row that changed between read and write — the whole function runs again, so it must do nothing but SQL,
and take the ids and the moment it writes as arguments. Back-off happens on the reactor, never in a thread.

SQLite is the embedded default (WAL, every commit fsynced); MySQL and all that speaks its dialect is reached by PyMySQL.
"""

import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import URL, Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from meeting.apiserver.database.engine import Access, make_engine, reading
from meeting.apiserver.database.errors import Stale, Unavailable, in_words, is_transient, mysql_code
from meeting.daemon.errors import ConfigurationError, PleaseWait
from meeting.daemon.observe import Metrics

#: Where a transaction's connection keeps what is to be done once it is committed.
_AFTERWARDS = "afterwards"

P = ParamSpec("P")
T = TypeVar("T")

#: MySQL's: there is no such database; there is none that this user may see.
_UNKNOWN_DATABASE, _NO_RIGHTS = 1049, 1044
#: Seconds that one statement of a migration may take.
_MIGRATION = 3600.0


class Threads(Protocol):
    """Where transactions run: `twisted.python.threadpool.ThreadPool`, or a test's synchronous stand-in."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def callInThreadWithCallback(
        self, onResult: Callable[[bool, Any], object] | None, func: Callable[..., object], *args: object, **kw: object
    ) -> None: ...


def afterwards(transaction: Connection, work: Callable[[], None]) -> None:
    """Call `work` in the reactor's thread once `transaction` is committed; never, if it is not."""
    transaction.info.setdefault(_AFTERWARDS, []).append(work)


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
        access: Access | None = None,
        patience: float = 10.0,
        waiting: int = 2000,
        threads: Threads | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """`prepare` runs before the first transaction is let in (the migrations).

        `patience`: seconds after which what fails for passing reasons is given up; `waiting` bounds the queue.
        """
        self._url = url
        self._reactor = reactor
        self._prepare = prepare
        self._connections = connections
        self._access = access or Access()
        self._patience = patience
        self._waiting = waiting
        self._threads: Threads = threads or ThreadPool(0, connections, "database")
        self._engine: Engine | None = None
        self._reading: Engine | None = None
        # SQLite has one writer at a time. Those who wait do it here, first come first served; its own waiting is
        # asking again after ever longer pauses, which starves who is unlucky and holds a thread.
        self._one_writer = url.get_backend_name() == "sqlite"
        self._is_writing = False
        self._writers: deque[Callable[[], None]] = deque()
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
        self._engine = make_engine(self._url, self._connections, self._access, self._reactor.seconds)
        self._reading = reading(self._engine)
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
                reason = in_words(error) if isinstance(error, DBAPIError) else str(error)
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
            if mysql_code(error.orig) not in (_UNKNOWN_DATABASE, _NO_RIGHTS):
                raise
        # Without its name in the URL the server lets us in. Nothing may be pooled here: it is one statement.
        without = make_engine(self._url.set(database=""), 1, self._access, self._reactor.seconds)
        name = without.dialect.identifier_preparer.quote_identifier(str(self._url.database))
        create = f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        try:
            with without.begin() as connection:
                connection.execute(text(create.replace(":", r"\:")))
        except DBAPIError as error:
            if is_transient(error):
                raise
            raise ConfigurationError(
                f"the database {self._url.database!r} is missing and this user may not create it: as the database's "
                f"administrator run {create}; GRANT ALL ON {name}.* TO '{self._url.username}'@'%';"
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
            lambda: self._transaction(self._reading, lambda transaction: function(transaction, *args, **kwargs))
        )

    async def transact(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`run`, before the schema is there: for what brings it there."""
        return await self.retry(
            lambda: self._transaction(self._engine, lambda transaction: function(transaction, *args, **kwargs)),
            writes=True,
        )

    def _check_ready(self) -> None:
        if not self.ready:
            self.log.debug("not ready: {reason}", reason=self.trouble)
            raise Unavailable(1, "The database cannot be used yet.")

    async def retry(self, work: Callable[[], T], *, writes: bool = False) -> T:
        """`work()` in a thread, again while it fails for a passing reason.

        For what is no plain transaction (migrations). `writes`: it is one transaction that writes.
        """
        delay = 0.02
        begun = self._reactor.seconds()
        while True:
            try:
                result = await self.in_thread(work, alone=writes and self._one_writer)
                self._seconds.observe(self._reactor.seconds() - begun)
                return result
            except (DBAPIError, Stale) as error:
                if not is_transient(error):
                    raise
                self.log.debug("transaction is done again: {error}", error=str(error))
            # Between half and all of it, so that two that met do not meet again.
            pause = delay * random.uniform(0.5, 1)
            if self._reactor.seconds() + pause > begun + self._patience:
                self.log.error("a transaction failed for {patience} s and was given up", patience=self._patience)
                raise Unavailable(2, "The database is too busy or cannot be reached.")
            await deferLater(self._reactor, pause)
            delay = min(delay * 2, 1.0)
            self._retries.inc()

    def _transaction(self, engine: Engine | None, function: Callable[[Connection], T]) -> T:
        assert engine is not None, "the database has not been started"
        with engine.connect() as connection:
            connection.info.pop(_AFTERWARDS, None)
            with connection.begin():
                result = function(connection)
            afterwards: list[Callable[[], None]] = connection.info.pop(_AFTERWARDS, [])
        for work in afterwards:
            self._reactor.callFromThread(work)
        return result

    @property
    def engine(self) -> Engine:
        """The engine. Use it in a thread only (`retry`)."""
        assert self._engine is not None, "the database has not been started"
        return self._engine

    @contextmanager
    def unhurried(self) -> Iterator[Engine]:
        """An engine of one connection whose statements may take an hour, for migrations. Use it in a thread only."""
        access = replace(self._access, read_timeout=_MIGRATION)
        engine = make_engine(self._url, 1, access, self._reactor.seconds)
        try:
            yield engine
        finally:
            engine.dispose()

    def in_thread(self, work: Callable[[], T], *, alone: bool = False) -> Deferred[T]:
        """`work()` in one of the threads; `alone`: after all others that want to be alone.

        Cancelled, the caller is let go and the thread ends its work unheard.
        """
        answer: Deferred[T] = Deferred()
        if self._at_work >= self._waiting:
            answer.errback(Failure(Unavailable(2, "Too many requests are waiting for the database.")))
            return answer
        self._at_work += 1

        def begin() -> None:
            self._threads.callInThreadWithCallback(done, work)

        def done(success: bool, result: Any) -> None:
            self._reactor.callFromThread(finish, success, result)

        def finish(success: bool, result: Any) -> None:
            self._at_work -= 1
            if alone:
                self._next_writer()
            if not answer.called:
                if success:
                    answer.callback(result)
                else:
                    answer.errback(result)
            if not self._at_work:
                waiting, self._idle = self._idle, []
                for idle in waiting:
                    idle.callback(None)

        if alone and self._is_writing:
            self._writers.append(begin)
        else:
            self._is_writing |= alone
            begin()
        return answer

    def _next_writer(self) -> None:
        if self._writers:
            self._writers.popleft()()
        else:
            self._is_writing = False
