"""An sfuserver for each test that asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from tests.integration.sfuserver.servers import RunningServer


@pytest.fixture
def server() -> Iterator[RunningServer]:
    """One without a data plane: its signalling is real, its media port keeps a diary."""
    from tests.integration.sfuserver.servers import RunningServer
    from tests.unit.sfuserver.fakes import FakePort

    def fake_port(reactor: object, **arguments: Any) -> FakePort:
        return FakePort(arguments["listener"])

    running = RunningServer(fake_port)
    running.start()
    yield running
    pytest_twisted.blockon(Deferred.fromCoroutine(running.stop()))
