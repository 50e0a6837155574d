"""The database layer with its real threads, on both engines: contention, deadlocks, connections that are cut."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Connection, text
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

from meeting.apiserver.database import Database, mysql_url, sqlite_url
from tests.support.deadlines import deadline
from tests.support.mariadb import PASSWORD, USER, MariaDb


@pytest.fixture(params=["sqlite", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """A database of each engine."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "threads.sqlite")
        return
    server: MariaDb = request.getfixturevalue("mariadb")
    yield mysql_url("127.0.0.1", server.port, USER, PASSWORD, "Threads")
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS Threads")


@asynccontextmanager
async def opened(url: URL) -> AsyncIterator[Database]:
    """A database with two counters in it; its threads are gone in the end."""
    from twisted.internet import reactor

    database = Database(url, reactor, connections=8)
    database.startService()
    try:
        await database.opened()
        await database.run(lambda tx: tx.execute(text("CREATE TABLE counter (id INTEGER PRIMARY KEY, n INTEGER)")))
        await database.run(lambda tx: tx.execute(text("INSERT INTO counter VALUES (1, 0), (2, 0)")))
        yield database
    finally:
        await database.stopService()


def all_of(work: list[Any]) -> Deferred[list[Any]]:
    return gatherResults([Deferred.fromCoroutine(each) for each in work], consumeErrors=True)


def counters(transaction: Connection) -> list[int]:
    return [row.n for row in transaction.execute(text("SELECT n FROM counter ORDER BY id"))]


def add(transaction: Connection, first: int, second: int) -> None:
    """Locks two rows in an order of the caller's: two of these in opposite orders are a deadlock."""
    for row in (first, second):
        transaction.execute(text("UPDATE counter SET n = n + 1 WHERE id = :id"), {"id": row})


@deadline(60)
async def test_deadlocks_are_done_again_and_nothing_is_lost_or_done_twice(url: URL) -> None:
    async with opened(url) as database:
        await all_of([database.run(add, *((1, 2) if n % 2 else (2, 1))) for n in range(60)])
        assert await database.read(counters) == [60, 60]


@deadline(60)
async def test_a_read_that_becomes_a_write_loses_no_update(url: URL) -> None:
    from meeting.apiserver.database import Stale

    def increment(transaction: Connection) -> None:
        seen = transaction.execute(text("SELECT n FROM counter WHERE id = 1")).scalar_one()
        same = text("UPDATE counter SET n = :next WHERE id = 1 AND n = :seen")
        if not transaction.execute(same, {"next": seen + 1, "seen": seen}).rowcount:
            raise Stale()

    async with opened(url) as database:
        for _ in range(5):
            await all_of([database.run(increment) for _ in range(6)])
        assert (await database.read(counters))[0] == 30


@deadline(60)
async def test_cut_connections_are_not_noticed(mariadb: MariaDb) -> None:
    url = mysql_url("127.0.0.1", mariadb.port, USER, PASSWORD, "Cut")
    try:
        async with opened(url) as database:
            await all_of([database.read(counters) for _ in range(8)])
            with mariadb.connect() as connection, connection.cursor() as cursor:
                cursor.execute("SELECT id FROM information_schema.processlist WHERE db = 'Cut'")
                victims = [row[0] for row in cursor.fetchall()]
                for victim in victims:
                    cursor.execute(f"KILL {victim}")
            assert victims
            await all_of([database.run(add, 1, 2) for _ in range(20)])
            assert await database.read(counters) == [20, 20]
    finally:
        with mariadb.connect() as connection, connection.cursor() as cursor:
            cursor.execute("DROP DATABASE IF EXISTS Cut")


@deadline(60)
async def test_a_user_who_may_not_make_the_database_is_told_so(mariadb: MariaDb) -> None:
    from twisted.internet import reactor

    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE USER 'small'@'%' IDENTIFIED BY 'small'")
        # Without a right to anything the server would not even say that the database is missing.
        cursor.execute("GRANT SELECT ON *.* TO 'small'@'%'")
    database = Database(mysql_url("127.0.0.1", mariadb.port, "small", "small", "Missing"), reactor)
    told: Deferred[str] = Deferred()

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        if "reason" in event and not told.called:
            told.callback(event["reason"])

    globalLogPublisher.addObserver(observe)
    database.startService()
    try:
        assert "the database 'Missing' is missing and this user may not create it" in await told
    finally:
        globalLogPublisher.removeObserver(observe)
        await database.stopService()


@deadline(60)
async def test_the_next_address_is_used_when_one_does_not_answer(mariadb: MariaDb) -> None:
    from twisted.internet import reactor

    from meeting.apiserver.database import Access
    from meeting.daemon.converters import HostPort
    from tests.support.processes import free_port

    nodes = (HostPort("127.0.0.1", free_port()), HostPort("127.0.0.1", mariadb.port))
    url = mysql_url("127.0.0.1", nodes[0].port, USER, PASSWORD, "Nodes")
    database = Database(url, reactor, access=Access(nodes=nodes))
    database.startService()
    try:
        await database.opened()
        assert await database.read(lambda tx: tx.execute(text("SELECT 1")).scalar_one()) == 1
    finally:
        await database.stopService()
        with mariadb.connect() as connection, connection.cursor() as cursor:
            cursor.execute("DROP DATABASE IF EXISTS Nodes")
