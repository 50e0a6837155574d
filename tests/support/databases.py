"""A database layer with the hub's schema and no hub: for what stands below the subjects."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from meeting.apiserver.database import Database
from meeting.apiserver.migrations import migrate
from tests.support.hub import InstantReactor, InstantThreads


@contextmanager
def instant_database(url: URL, reactor: InstantReactor) -> Iterator[Database]:
    """The database at `url`, with the schema in it; what is asked of it is done when the call returns."""
    database = Database(url, reactor, prepare=lambda it: migrate(it, reactor), threads=InstantThreads(), connections=2)
    database.startService()
    assert database.ready, database.trouble
    try:
        yield database
    finally:
        database.stopService()


def result(coroutine: Any) -> Any:
    """What a coroutine that is over came to."""
    results: list[Any] = []
    Deferred.fromCoroutine(coroutine).addBoth(results.append)
    assert results, "it is still waiting"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def turn(reactor: InstantReactor, seconds: float, step: float = 0.05) -> None:
    """Let time pass, a little at a time."""
    for _ in range(round(seconds / step)):
        reactor.advance(step)
