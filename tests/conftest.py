"""What holds for every test: an error that nobody handled fails the test during which it was logged."""

import gc
from collections.abc import Iterator
from typing import cast

import pytest
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.python.failure import Failure


@pytest.fixture(autouse=True)
def logged_failures() -> Iterator[list[Failure]]:
    """The failures logged during the test. One that expects some asserts on the list and clears it.

    Also finds Deferreds that ended in an error without an errback: they log it when they are collected.
    """
    failures: list[Failure] = []

    def observe(event: LogEvent) -> None:
        failure = event.get("log_failure")
        if failure is not None:
            failures.append(failure)

    observer = cast(ILogObserver, observe)
    globalLogPublisher.addObserver(observer)
    try:
        yield failures
        gc.collect(0)
    finally:
        globalLogPublisher.removeObserver(observer)
    if failures:
        pytest.fail("errors were logged:\n" + "\n".join(f.getTraceback() for f in failures), pytrace=False)
