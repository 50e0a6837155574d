"""What holds for every unit test: it leaves no timer behind."""

from collections.abc import Iterator

import pytest
import pytest_twisted
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater


@pytest.fixture(autouse=True)
def no_leaked_timers() -> Iterator[None]:
    """Fail a test that ends with a call still scheduled on the real reactor, and cancel the call."""
    from twisted.internet import reactor

    clock = IReactorTime(reactor)
    before = set(clock.getDelayedCalls())
    yield
    leaked = set(clock.getDelayedCalls()) - before
    if leaked:
        # What was scheduled for the very next turns (a connection being closed) may still run.
        for _ in range(2):
            pytest_twisted.blockon(deferLater(clock, 0))
        leaked = {call for call in set(clock.getDelayedCalls()) - before if call.active()}
    for call in leaked:
        call.cancel()
    if leaked:
        pytest.fail("calls left on the reactor:\n" + "\n".join(map(str, leaked)), pytrace=False)
