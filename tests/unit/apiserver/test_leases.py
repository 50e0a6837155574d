"""Work that must happen once: who has the lease does it, who dies loses it, who finished it rests."""

from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import URL, update
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from meeting.apiserver.database import Database
from meeting.apiserver.leases import LENGTH, Leases, lease
from tests.support.databases import instant_database, result, turn
from tests.support.hub import InstantReactor

Work = Callable[[], Coroutine[Deferred[Any], Any, None]]


@pytest.fixture
def reactor() -> InstantReactor:
    return InstantReactor()


@pytest.fixture
def database(empty_database: URL, reactor: InstantReactor) -> Iterator[Database]:
    with instant_database(empty_database, reactor) as database:
        yield database


@pytest.fixture
def two(database: Database, reactor: InstantReactor) -> tuple[Leases, Leases]:
    return Leases(database, reactor), Leases(database, reactor)


def long_work() -> tuple[Work, Deferred[None]]:
    """Work that lasts until the Deferred fires."""
    over: Deferred[None] = Deferred()

    async def work() -> None:
        await over

    return work, over


def begin(leases: Leases, work: Work, **more: timedelta) -> list[Any]:
    outcome: list[Any] = []
    Deferred.fromCoroutine(leases.do("sweep", work, **more)).addBoth(outcome.append)
    return outcome


async def nothing() -> None:
    pass


def test_two_never_do_it_at_the_same_time(two: tuple[Leases, Leases], reactor: InstantReactor) -> None:
    work, over = long_work()
    first = begin(two[0], work)
    turn(reactor, LENGTH.total_seconds() * 5, 1.0)
    assert begin(two[1], nothing) == [False], "it is renewed for as long as it takes"
    assert begin(two[0], nothing) == [False], "nor twice by one"
    over.callback(None)
    assert first == [True]
    assert begin(two[1], nothing) == [True]


def test_other_work_is_not_kept_waiting(two: tuple[Leases, Leases]) -> None:
    work, over = long_work()
    begin(two[0], work)
    assert result(two[1].do("something else", nothing))
    over.callback(None)


def test_whose_holder_died_is_done_by_another_when_it_runs_out(
    two: tuple[Leases, Leases], database: Database, reactor: InstantReactor
) -> None:
    def taken_by_somebody_who_died(transaction: Any) -> None:
        from meeting.apiserver.schema import utc_now

        row = {"name": "sweep", "holder": "dead", "until": utc_now(reactor) + LENGTH}
        transaction.execute(lease.insert().values(**row))

    result(database.run(taken_by_somebody_who_died))
    reactor.advance(LENGTH.total_seconds() - 1)
    assert begin(two[1], nothing) == [False]
    reactor.advance(2)
    assert begin(two[1], nothing) == [True]


def test_what_was_done_rests_over_all_replicas(two: tuple[Leases, Leases], reactor: InstantReactor) -> None:
    hour = timedelta(hours=1)
    done = 0
    for minute in range(180):
        done += begin(two[minute % 2], nothing, rest=hour) == [True]
        reactor.advance(60)
    assert done == 3


def test_what_failed_may_be_tried_again_at_once(two: tuple[Leases, Leases]) -> None:
    async def fail() -> None:
        raise KeyError("a fault")

    [failure] = begin(two[0], fail, rest=timedelta(hours=1))
    assert isinstance(failure, Failure) and failure.check(KeyError)
    assert begin(two[1], nothing) == [True]


def test_who_lost_the_lease_is_cancelled(
    two: tuple[Leases, Leases], database: Database, reactor: InstantReactor
) -> None:
    work, _ = long_work()
    outcome = begin(two[0], work)
    result(database.run(lambda tx: tx.execute(update(lease).values(holder="somebody else"))))
    turn(reactor, LENGTH.total_seconds() / 3 + 1, 1.0)
    assert isinstance(outcome[0], Failure) and outcome[0].check(CancelledError)
    assert begin(two[1], nothing) == [False], "the other one's lease was left alone"


def test_a_database_that_is_away_for_longer_than_a_lease_ends_the_work(
    two: tuple[Leases, Leases], database: Database, reactor: InstantReactor
) -> None:
    work, _ = long_work()
    outcome = begin(two[0], work)
    database.ready = False
    turn(reactor, LENGTH.total_seconds() * 0.9, 1.0)
    assert outcome == []
    turn(reactor, LENGTH.total_seconds() / 2, 1.0)
    assert isinstance(outcome[0], Failure)
    database.ready = True


def test_a_lease_whose_taking_got_no_answer_is_still_ours(database: Database, reactor: InstantReactor) -> None:
    from meeting.apiserver.leases import _take
    from meeting.apiserver.schema import utc_now

    now = utc_now(reactor)
    assert result(database.run(_take, "sweep", "me", now, now + LENGTH))
    assert result(database.run(_take, "sweep", "me", now, now + LENGTH))
    assert not result(database.run(_take, "sweep", "you", now, now + LENGTH))
