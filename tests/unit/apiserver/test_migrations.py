"""The schema and its history agree; hubs that start together migrate once. On MariaDB too, by tests/integration/hub."""

from collections.abc import Callable

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, inspect, select, text, update
from twisted.internet.defer import Deferred

from meeting.apiserver.database import Database, make_engine
from meeting.apiserver.migrations import (
    BESIDE,
    LEASE,
    configuration,
    floor,
    guard,
    is_current,
    migrate,
    revisions,
    schema,
)
from meeting.apiserver.migrations.script import NOTHING, script
from meeting.apiserver.schema import utc_now
from tests.support.hub import InstantReactor, InstantThreads


@pytest.fixture
def reactor() -> InstantReactor:
    return InstantReactor()


Start = Callable[[], Database]


@pytest.fixture
def start(empty_database: URL, reactor: InstantReactor) -> Start:
    """Starts another hub's database layer over the same, at first empty, database."""

    def begin() -> Database:
        database = Database(
            empty_database, reactor, prepare=lambda it: migrate(it, reactor), threads=InstantThreads(), connections=2
        )
        database.startService()
        return database

    return begin


def done(database: Database) -> None:
    stopped = database.stopService()
    assert stopped.called


def test_the_history_makes_exactly_the_schema(start: Start) -> None:
    database = start()
    assert database.ready, database.trouble
    with database.engine.connect() as connection:
        command.check(configuration(connection))
        tables = set(inspect(connection).get_table_names())
    assert tables == {table.name for table in schema().tables.values()} | {*BESIDE, "alembic_version"}
    done(database)


def test_every_table_has_a_primary_key_and_is_compared_byte_by_byte() -> None:
    for table in schema().tables.values():
        assert table.primary_key.columns, table.name
        assert table.dialect_options["mysql"]["collate"] == "utf8mb4_bin", table.name


def test_down_and_up_again_leaves_the_same(empty_database: URL, start: Start) -> None:
    done(start())
    engine = make_engine(empty_database, 1)
    with engine.begin() as connection:
        command.downgrade(configuration(connection), "base")
        assert set(inspect(connection).get_table_names()) == {*BESIDE, "alembic_version"}
    engine.dispose()
    database = start()
    with database.engine.connect() as connection:
        command.check(configuration(connection))
    done(database)


def test_a_second_hub_waits_while_the_first_holds_the_guard(start: Start, reactor: InstantReactor) -> None:
    """The first one's place is taken by a holder who is at it and never finishes: its lease runs out."""
    done(start())

    def somebody_is_at_it(transaction: Connection) -> None:
        transaction.execute(update(guard).values(holder="somebody", until=utc_now(reactor) + LEASE))
        transaction.execute(text("DELETE FROM alembic_version"))
        for table in reversed(schema().sorted_tables):
            table.drop(transaction)

    first = start()
    Deferred.fromCoroutine(first.run(somebody_is_at_it))
    second = start()
    assert not second.ready
    for _ in range(200):
        reactor.advance(0.25)
    assert not second.ready
    for _ in range(60):
        reactor.advance(0.25)
    assert second.ready, second.trouble
    with second.engine.connect() as connection:
        assert connection.execute(select(guard.c.holder)).scalar() == ""
    done(first)
    done(second)


def test_the_revisions_by_name_are_alembics_line(start: Start) -> None:
    database = start()
    with database.engine.connect() as connection:
        script = ScriptDirectory.from_config(configuration(connection))
    assert [each.revision for each in script.walk_revisions()][::-1] == revisions()
    done(database)


def test_an_older_hub_lives_with_a_newer_schema(start: Start) -> None:
    first = start()
    Deferred.fromCoroutine(first.run(lambda tx: tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))))
    second = start()
    assert second.ready
    with second.engine.connect() as connection:
        assert is_current(connection)
    done(first)
    done(second)


def test_a_hub_that_is_too_old_for_its_database_says_so_and_does_not_work(start: Start) -> None:
    first = start()
    Deferred.fromCoroutine(first.run(lambda tx: tx.execute(floor.insert().values(id=1, revision="9999"))))
    second = start()
    assert not second.ready
    assert "too old for its database" in second.trouble and "9999" in second.trouble
    Deferred.fromCoroutine(first.run(lambda tx: tx.execute(floor.update().values(revision=revisions()[0]))))
    third = start()
    assert third.ready
    for database in (first, second, third):
        done(database)


def test_what_would_be_done_is_shown_and_not_done(empty_database: URL, reactor: InstantReactor) -> None:
    database = Database(empty_database, reactor, threads=InstantThreads(), connections=2)
    database.startService()
    shown = script(database)
    assert "CREATE TABLE meeting" in shown and "CREATE TABLE lease" in shown
    with database.engine.connect() as connection:
        assert inspect(connection).get_table_names() == []
    done(database)


def test_nothing_to_do_is_shown_as_nothing(start: Start) -> None:
    database = start()
    assert script(database) == NOTHING
    done(database)
