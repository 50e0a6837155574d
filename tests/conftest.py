"""What holds for every test: an error that nobody handled fails the test during which it was logged."""

import gc
from collections.abc import Iterator
from typing import cast

import pytest
from hypothesis import HealthCheck, settings
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.python.failure import Failure

# The same examples at each run, and no time limit: the gate judges results, on machines that are shared. Other
# examples: pytest --hypothesis-profile=default.
settings.register_profile("gate", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gate")


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
