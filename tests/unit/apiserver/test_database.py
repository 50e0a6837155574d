"""One function is one transaction is one retry: what is done again, what is not, and what is told in the end."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymysql
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import IntegrityError, OperationalError
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from meeting.apiserver.database import Database, Stale, Unavailable, afterwards, is_transient, sqlite_url
from meeting.apiserver.schema import Id, Moment, new_id
from meeting.daemon.errors import PleaseWait
from tests.support.hub import InstantReactor, InstantThreads

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class SlowThreads(InstantThreads):
    """Threads that do their work when they are told to."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []

    def callInThreadWithCallback(self, onResult: Any, func: Any, *args: object, **kw: object) -> None:
        self.waiting.append(lambda: InstantThreads.callInThreadWithCallback(self, onResult, func, *args, **kw))


@pytest.fixture
def reactor() -> InstantReactor:
    return InstantReactor()


@pytest.fixture
def database(tmp_path: Path, reactor: InstantReactor) -> Iterator[Database]:
    database = Database(sqlite_url(tmp_path / "below" / "test.sqlite"), reactor, threads=InstantThreads())
    database.startService()
    assert database.ready
    result(database.run(lambda tx: tx.execute(text("CREATE TABLE fact (id INTEGER PRIMARY KEY, what TEXT)"))))
    yield database
    database.stopService()


def result(coroutine: Any) -> Any:
    """What a coroutine that is over came to."""
    results: list[Any] = []
    Deferred.fromCoroutine(coroutine).addBoth(results.append)
    assert results, "it is still waiting"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def facts(transaction: Connection) -> list[str]:
    return [row.what for row in transaction.execute(text("SELECT what FROM fact ORDER BY id"))]


def write(transaction: Connection, what: str) -> None:
    transaction.execute(text("INSERT INTO fact (what) VALUES (:what)"), {"what": what})


def test_what_was_written_is_there_when_run_returns(database: Database) -> None:
    result(database.run(write, "one"))
    assert result(database.read(facts)) == ["one"]


def test_a_function_that_raises_has_written_nothing(database: Database) -> None:
    def half(transaction: Connection) -> None:
        write(transaction, "half")
        raise KeyError("the other half")

    with pytest.raises(KeyError):
        result(database.run(half))
    assert result(database.read(facts)) == []


def test_a_stale_transaction_is_done_again_from_its_beginning(database: Database, reactor: InstantReactor) -> None:
    tries: list[int] = []

    def stale_twice(transaction: Connection) -> str:
        write(transaction, f"try {len(tries)}")
        tries.append(1)
        if len(tries) < 3:
            raise Stale()
        return "done"

    done: list[Any] = []
    Deferred.fromCoroutine(database.run(stale_twice)).addBoth(done.append)
    while not done:
        assert reactor.getDelayedCalls(), "it waits for nothing"
        reactor.advance(1)
    assert done == ["done"]
    assert result(database.read(facts)) == ["try 2"]


def test_it_is_given_up_after_ten_seconds_and_the_client_told_to_wait(
    database: Database, reactor: InstantReactor, logged_failures: list[Failure]
) -> None:
    tries: list[float] = []

    def always(transaction: Connection) -> None:
        tries.append(reactor.seconds())
        raise Stale()

    done: list[Any] = []
    Deferred.fromCoroutine(database.run(always)).addBoth(done.append)
    while not done:
        reactor.advance(0.01)
    assert 10 < len(tries) < 30
    assert 9 < tries[-1] - tries[0] <= 10
    assert done[0].check(Unavailable, PleaseWait)
    assert done[0].value.headers["Retry-After"] == "2"


def test_a_broken_rule_is_not_tried_again(database: Database) -> None:
    tries: list[int] = []

    def twice_the_same(transaction: Connection) -> None:
        tries.append(1)
        for _ in range(2):
            transaction.execute(text("INSERT INTO fact (id, what) VALUES (1, 'x')"))

    with pytest.raises(IntegrityError):
        result(database.run(twice_the_same))
    assert tries == [1]


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (pymysql.OperationalError(1213, "Deadlock found"), True),
        (pymysql.OperationalError(1205, "Lock wait timeout"), True),
        (pymysql.OperationalError(2013, "Lost connection"), True),
        (pymysql.OperationalError(2003, "Can't connect"), True),
        (pymysql.InternalError(1047, "WSREP has not yet prepared node"), True),
        (pymysql.OperationalError(1180, "Got error during COMMIT"), True),
        (pymysql.OperationalError(2006, "Gone away"), True),
        (pymysql.OperationalError(1290, "Read only"), True),
        (pymysql.OperationalError(1927, "Connection was killed"), True),
        (pymysql.OperationalError(1053, "Server shutdown in progress"), True),
        (pymysql.ProgrammingError(1146, "Table doesn't exist"), False),
        (pymysql.OperationalError(1045, "Access denied"), False),
        (pymysql.err.DataError(1406, "Data too long"), False),
        (pymysql.InterfaceError(), False),
    ],
)
def test_passing_errors_are_told_from_lasting_ones(error: Exception, transient: bool) -> None:
    assert is_transient(OperationalError("SELECT 1", {}, error)) is transient


def test_a_locked_sqlite_is_a_passing_error(database: Database, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "below" / "test.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    event.listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=0").close())
    database.engine.dispose()
    with pytest.raises(OperationalError) as raised:
        with database.engine.begin() as transaction:
            write(transaction, "blocked")
    assert is_transient(raised.value)
    other.execute("ROLLBACK")
    other.close()


def test_every_commit_is_fsynced_and_readers_do_not_wait(database: Database) -> None:
    def settings(transaction: Connection) -> list[Any]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [transaction.execute(text(f"PRAGMA {name}")).scalar() for name in names]

    assert result(database.read(settings)) == ["wal", 2, 1, 5000]


def test_the_queue_is_bounded(tmp_path: Path, reactor: InstantReactor) -> None:
    threads = SlowThreads()
    database = Database(sqlite_url(tmp_path / "t.sqlite"), reactor, threads=threads, waiting=3)
    database.startService()
    threads.waiting.pop(0)()
    assert database.ready
    waiting = [Deferred.fromCoroutine(database.read(lambda tx: 7)) for _ in range(3)]
    with pytest.raises(Unavailable):
        result(database.read(lambda tx: 7))
    while threads.waiting:
        threads.waiting.pop(0)()
    assert [each.result for each in waiting] == [7, 7, 7]
    database.stopService()


def test_on_sqlite_writers_take_turns_in_the_order_they_came_and_readers_do_not_wait(
    tmp_path: Path, reactor: InstantReactor
) -> None:
    threads = SlowThreads()
    database = Database(sqlite_url(tmp_path / "test.sqlite"), reactor, threads=threads)
    database.startService()
    threads.waiting.pop(0)()
    Deferred.fromCoroutine(
        database.run(lambda tx: tx.execute(text("CREATE TABLE fact (id INTEGER PRIMARY KEY, what TEXT)")))
    )
    writing = [Deferred.fromCoroutine(database.run(write, what)) for what in ("one", "two", "three")]
    writing[0].addErrback(lambda failure: failure.trap(CancelledError))
    assert len(threads.waiting) == 1, "nobody holds a thread to wait in"
    threads.waiting.pop(0)()
    read = Deferred.fromCoroutine(database.read(facts))
    assert len(threads.waiting) == 2
    threads.waiting.pop(1)()
    assert (read.result, writing[0].called) == ([], False)
    writing[0].cancel()  # its caller has gone; it is done all the same, and the others have their turns
    while threads.waiting:
        threads.waiting.pop(0)()
    assert all(each.called for each in writing)
    read = Deferred.fromCoroutine(database.read(facts))
    threads.waiting.pop(0)()
    assert read.result == ["one", "two", "three"]
    assert database.stopService().called


def test_what_comes_afterwards_comes_when_it_is_committed_and_only_then(database: Database) -> None:
    heard: list[list[str]] = []

    def tell() -> None:
        heard.append(result(database.read(facts)))

    def work(transaction: Connection, *, fails: bool) -> None:
        write(transaction, "one")
        afterwards(transaction, tell)
        if fails:
            raise ValueError

    with pytest.raises(ValueError):
        result(database.run(work, fails=True))
    result(database.run(write, "another"))
    assert heard == []
    result(database.run(work, fails=False))
    assert heard == [["another", "one"]]


def test_stopping_waits_for_what_runs_and_lets_nothing_new_in(tmp_path: Path, reactor: InstantReactor) -> None:
    threads = SlowThreads()
    database = Database(sqlite_url(tmp_path / "t.sqlite"), reactor, threads=threads)
    database.startService()
    threads.waiting.pop(0)()
    running = Deferred.fromCoroutine(database.read(lambda tx: 7))
    stopped = database.stopService()
    assert not stopped.called
    with pytest.raises(PleaseWait):
        result(database.read(lambda tx: 8))
    threads.waiting.pop(0)()
    assert stopped.called
    assert running.result == 7


def test_a_caller_that_gives_up_is_let_go_and_the_work_ends_unheard(tmp_path: Path, reactor: InstantReactor) -> None:
    threads = SlowThreads()
    database = Database(sqlite_url(tmp_path / "t.sqlite"), reactor, threads=threads)
    database.startService()
    threads.waiting.pop(0)()
    heard: list[Any] = []
    running = Deferred.fromCoroutine(database.read(lambda tx: 7))
    running.addBoth(heard.append)
    running.cancel()
    assert heard[0].check(CancelledError)
    stopped = database.stopService()
    assert not stopped.called
    threads.waiting.pop(0)()
    assert stopped.called


def test_a_database_that_is_down_at_the_start_is_tried_again(tmp_path: Path, reactor: InstantReactor) -> None:
    (tmp_path / "in the way").write_text("a file, not a directory")
    database = Database(sqlite_url(tmp_path / "in the way" / "t.sqlite"), reactor, threads=InstantThreads())
    database.startService()
    opened = database.opened()
    assert not database.ready
    assert "in the way" in database.trouble
    with pytest.raises(Unavailable):
        result(database.read(lambda tx: 7))
    (tmp_path / "in the way").unlink()
    reactor.advance(1)
    assert opened.called
    assert result(database.read(lambda tx: 7)) == 7
    database.stopService()


@given(st.datetimes(datetime(1971, 1, 1), datetime(2999, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC)))
def test_a_moment_comes_back_as_it_was(moment: datetime) -> None:
    column = Moment()
    assert column.process_result_value(column.process_bind_param(moment, None), None) == moment  # type: ignore[arg-type]


def test_ids_are_ordered_by_time_and_are_uuids_of_version_7() -> None:
    from uuid import UUID

    ids = [new_id(NOW + timedelta(milliseconds=n)) for n in range(100)]
    assert ids == sorted(ids)
    assert {UUID(each).version for each in ids} == {7}
    assert {UUID(each).variant for each in ids} == {"specified in RFC 4122"}
    assert len({new_id(NOW) for _ in range(1000)}) == 1000
    column = Id()
    assert column.process_result_value(column.process_bind_param(ids[0], None), None) == ids[0]  # type: ignore[arg-type]
